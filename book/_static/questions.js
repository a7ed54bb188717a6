// Questions: answered in the page, kept in this browser, asked again after days. A form holds its texts, rendered, and in
// an attribute the numbers to compare with; here things are shown and hidden. Nothing is evaluated, nothing is fetched.
(() => {
  const KEY = "downhill-questions",
    VERSION = 1,
    DAYS = [1, 3, 7, 16, 35];
  const here = document.currentScript.src;
  const view = document.querySelector(".view-both")
    ? "both"
    : document.documentElement.lang.startsWith("zh")
      ? "zh"
      : "en";
  const cut = (words) => (view === "both" ? words : words.split(" · ")[view === "en" ? 0 : 1]);
  const day = (time = Date.now()) => Math.floor((time - new Date(time).getTimezoneOffset() * 6e4) / 864e5);

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // --- what is remembered: {version, cards: {id: {box, due, right, at}}}, days counted from 1970 on this clock

  const whole = (value, most) => Number.isInteger(value) && value >= 0 && value <= most;
  const isCard = (card) =>
    card &&
    typeof card === "object" &&
    whole(card.box, DAYS.length - 1) &&
    whole(card.due, 1e6) &&
    typeof card.right === "boolean" &&
    whole(card.at, 1e15);
  /** The cards in a text that a browser or a file kept; null if it holds none that can be read. */
  function cardsIn(text) {
    try {
      const found = JSON.parse(text);
      if (found?.version !== VERSION || typeof found.cards !== "object" || found.cards === null) return null;
      return new Map(Object.entries(found.cards).filter(([id, card]) => /^[a-z0-9-]{1,80}$/.test(id) && isCard(card)));
    } catch {
      return null;
    }
  }
  let cards = new Map();
  const load = () => {
    cards = cardsIn(localStorage.getItem(KEY)) ?? new Map();
  };
  const text = () => JSON.stringify({ version: VERSION, cards: Object.fromEntries(cards) });
  function save() {
    try {
      localStorage.setItem(KEY, text());
    } catch {
      /* full: then until the page is closed */
    }
    document.dispatchEvent(new Event("downhill-answered"));
  }
  function remember(id, right) {
    load();
    const card = cards.get(id),
      today = day();
    const box = !card || !right ? 0 : today < card.due ? card.box : Math.min(card.box + 1, DAYS.length - 1);
    const due = card && right && today < card.due ? card.due : today + DAYS[box];
    cards.set(id, { box, due, right, at: Date.now() });
    save();
  }

  // --- numbers as people write them

  /** A number, a fraction or a percentage; NaN for anything else. */
  function read(written) {
    const plain = written.normalize("NFKC").trim().replace(/[−–]/g, "-").replace(/\s+/g, "").replace(/。/g, ".");
    if (plain.includes("/")) {
      const [above, below, ...more] = plain.split("/").map(read);
      return more.length ? NaN : above / below;
    }
    if (plain.endsWith("%")) return read(plain.slice(0, -1)) / 100;
    const dots = /^[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/.test(plain)
      ? plain.replaceAll(",", "")
      : plain.replace(",", ".");
    return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(dots) ? Number(dots) : NaN;
  }
  const near = (one, other, tolerance) => Math.abs(one - other) <= Math.max(tolerance, 1e-9) * (Math.abs(other) || 1);

  // --- one question

  const RIGHT = "Right. · 答对了。",
    NOT = "Not quite. · 不对。";
  const HOLDS = {
    "<": (a, b) => a < b,
    "<=": (a, b) => a <= b,
    ">": (a, b) => a > b,
    ">=": (a, b) => a >= b,
    "=": (a, b) => a === b,
  };

  function mount(form) {
    const { id, kind } = form.dataset,
      given = JSON.parse(form.dataset.question);
    const folded = form.querySelector(".question-answer"),
      verdict = form.querySelector(".question-verdict");
    let first = true; // only the first answer of a visit is remembered

    for (const part of form.querySelectorAll(".question-field, .question-moves")) part.hidden = false;
    form.classList.add("asked");

    function settle(right, words, say = -1) {
      form.classList.toggle("right", right);
      form.classList.toggle("wrong", !right);
      verdict.textContent = cut(words);
      for (const part of form.querySelectorAll(".question-say")) part.hidden = +part.dataset.say !== say;
      const counts = first;
      first = false;
      folded.open = true;
      if (counts) remember(id, right);
    }
    folded.addEventListener("toggle", () => {
      if (!folded.open || !first) return; // who looks first does not know it yet
      first = false;
      remember(id, false);
    });

    const answer = {
      number() {
        const number = read(form.querySelector("input").value);
        if (!Number.isFinite(number)) {
          verdict.textContent = cut(
            "Write a number, such as 0.02, 1/3 or 2e-4. · 请写一个数，例如 0.02、1/3 或 2e-4。",
          );
          return;
        }
        if (near(number, given.answer, given.tolerance)) {
          settle(true, RIGHT);
          return;
        }
        const named = given.wrong.findIndex((wrong) => near(number, wrong, given.tolerance));
        const large =
          number > given.answer ? "Not quite: too large. · 不对，偏大了。" : "Not quite: too small. · 不对，偏小了。";
        settle(false, named < 0 ? large : NOT, named);
      },
      choice() {
        const chosen = form.querySelector("input:checked");
        if (!chosen) {
          verdict.textContent = cut("Choose one first. · 请先选一个。");
          return;
        }
        const right = +chosen.value === given.answer;
        settle(right, right ? RIGHT : NOT, +chosen.value);
      },
      order() {
        const order = [...form.querySelectorAll("[data-item]")].map((item) => +item.dataset.item);
        const misplaced = order.filter((item, k) => item !== given.answer[k]).length;
        settle(
          !misplaced,
          misplaced ? `Not quite: ${misplaced} stand elsewhere. · 不对，有 ${misplaced} 项位置不对。` : RIGHT,
        );
      },
      drag() {},
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer[kind]();
    });

    for (const button of form.querySelectorAll("[data-by]"))
      button.addEventListener("click", () => {
        const item = button.closest("li"),
          other = +button.dataset.by < 0 ? item.previousElementSibling : item.nextElementSibling;
        if (!other) return;
        if (+button.dataset.by < 0) other.before(item);
        else other.after(item);
        button.focus();
        const place = [...item.parentElement.children].indexOf(item) + 1,
          all = item.parentElement.children.length;
        verdict.textContent = cut(`Now number ${place} of ${all}. · 现在排第 ${place}，共 ${all} 项。`);
      });
    if (kind === "drag") watch(form, given, settle);
  }

  /** A figure is watched until its readings are as wanted: then the question is answered. */
  function watch(form, given, settle) {
    const place = document.getElementById(form.querySelector(".question-field a").hash.slice(1));
    let shown = false;
    const holds = (figure) =>
      given.until.every(([name, comparison, value]) => HOLDS[comparison](figure.read(name).value, value));
    document.addEventListener("downhill-change", ({ target }) => {
      if (target.dataset.figure !== given.figure || shown || form.classList.contains("right")) return;
      if (holds(target.downhill)) settle(true, RIGHT);
    });
    form.querySelector(".question-show").addEventListener("click", async () => {
      shown = true;
      settle(false, "The figure shows it. · 图上已经演示。");
      const figure = await window.downhillFigure(given.figure);
      figure.set(given.answer);
      place?.scrollIntoView({ block: "center" });
    });
  }

  // --- what the reader knows, chapter by chapter

  const isKnown = (id) => cards.get(id)?.right === true;
  function showEnd() {
    const end = document.querySelector(".chapter-end");
    if (!end) return;
    const ids = [...document.querySelectorAll("form.question")].map((form) => form.dataset.id);
    if (!ids.some((id) => cards.has(id))) return;
    const place = end.querySelector(".chapter-known") ?? element("span", { class: "chapter-known" });
    place.textContent = knownOf(ids);
    if (!place.parentElement) end.querySelector("label").after(place);
  }
  function knownOf(ids) {
    const known = ids.filter(isKnown).length;
    return cut(`You know ${known} of ${ids.length} · ${ids.length} 题已会 ${known} 题`);
  }

  // --- the card on the home page

  const PER_DAY = 10;
  function card(box) {
    const chapters = JSON.parse(box.dataset.questions),
      line = box.querySelector(".today-line"),
      asked = box.querySelector(".today-asked");
    const about = line.innerHTML;
    const chapterOf = (id) => Object.keys(chapters).find((name) => chapters[name].includes(id));
    const begin = element("button", { type: "button" }, cut("Begin · 开始"));
    const keep = element("button", { type: "button" }, cut("Save to a file · 存成文件"));
    const file = element("input", {
      type: "file",
      accept: ".json,application/json",
      "aria-label": cut("Read from a file · 从文件读入"),
    });
    const told = element("span", { role: "status" });
    box.querySelector(".today-now").append(begin);
    box
      .querySelector(".today-keep")
      .append(
        element(
          "p",
          { class: "today-tools" },
          keep,
          element("label", {}, cut("Read from a file · 从文件读入"), " ", file),
          told,
        ),
      );
    let queue = null; // the questions still to be asked in this round

    const due = () =>
      [...cards]
        .filter(([id, { due }]) => due <= day() && chapterOf(id))
        .sort((a, b) => a[1].due - b[1].due)
        .map(([id]) => id);

    function show() {
      for (const stop of document.querySelectorAll(".trail .stop[data-minutes]")) {
        const ids = chapters[stop.dataset.chapter] ?? [],
          place = stop.querySelector(".stop-known");
        place?.remove();
        if (ids.some((id) => cards.has(id)))
          stop.querySelector(".stop-about").append(element("span", { class: "stop-known" }, knownOf(ids)));
      }
      if (queue) return;
      const waiting = due(),
        next = Math.min(...[...cards.values()].map((known) => known.due)) - day();
      begin.hidden = !waiting.length;
      keep.hidden = !cards.size;
      if (waiting.length)
        line.textContent = cut(
          `${waiting.length} ${waiting.length === 1 ? "question comes" : "questions come"} back today. · 今天有 ${waiting.length} 道题要复习。`,
        );
      else if (cards.size)
        line.textContent = cut(
          `Nothing today. The next one comes back in ${next} ${next === 1 ? "day" : "days"}. · 今天没有。下一道题 ${next} 天后回来。`,
        );
      else line.innerHTML = about;
    }

    function fetched(chapter) {
      if (window.downhillQuestions?.[chapter]) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const script = element("script", { src: new URL(`questions/${chapter}.js`, here).href });
        script.onload = resolve;
        script.onerror = () => reject(new Error(chapter));
        document.head.append(script);
      });
    }

    async function ask() {
      const id = queue.shift();
      asked.replaceChildren();
      if (!id) {
        queue = null;
        show();
        line.tabIndex = -1;
        line.focus();
        return;
      }
      const chapter = chapterOf(id),
        page = document.querySelector(`.stop[data-chapter="${chapter}"] .stop-title a`);
      line.textContent = cut(`${queue.length} left after this one. · 这题之后还有 ${queue.length} 题。`);
      const place = element(
        "a",
        { href: `${page?.getAttribute("href") ?? `${chapter}.html`}#q-${id}` },
        cut("Where it is taught · 回到原文"),
      );
      const next = element("button", { type: "button" }, cut("Next · 下一题"));
      next.addEventListener("click", ask);
      try {
        await fetched(chapter);
        const form = new DOMParser()
          .parseFromString(window.downhillQuestions[chapter][id], "text/html")
          .querySelector("form");
        if (form.dataset.kind === "drag") form.querySelector(".question-field").remove(); // its figure is not here
        asked.append(form, element("p", { class: "today-next" }, next, " ", place));
        if (form.dataset.kind !== "drag") mount(form);
        form.tabIndex = -1;
        form.focus();
      } catch {
        asked.append(element("p", { class: "today-next" }, place, " ", next));
      }
    }
    begin.addEventListener("click", () => {
      queue = due().slice(0, PER_DAY);
      begin.hidden = true;
      ask();
    });

    keep.addEventListener("click", () => {
      const link = element("a", {
        href: URL.createObjectURL(new Blob([text()], { type: "application/json" })),
        download: "downhill-questions.json",
      });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    file.addEventListener("change", async () => {
      const read = file.files.length ? cardsIn(await file.files[0].text()) : null;
      file.value = "";
      if (!read) {
        told.textContent = cut(
          "This file holds no answers saved here; nothing was changed. · 这个文件里没有从这里存出的记录，什么也没有改。",
        );
        return;
      }
      load();
      for (const [id, other] of read) if (!(cards.get(id)?.at >= other.at)) cards.set(id, other); // the newer one stays
      save();
      told.textContent = cut(`${read.size} answers read. · 读入 ${read.size} 条记录。`);
    });
    document.addEventListener("downhill-answered", show);
    show();
  }

  function start() {
    load();
    for (const form of document.querySelectorAll("form.question")) mount(form);
    const box = document.querySelector(".today");
    if (box) card(box);
    showEnd();
    document.addEventListener("downhill-answered", showEnd);
    const again = () => {
      load();
      document.dispatchEvent(new Event("downhill-answered"));
    };
    addEventListener("storage", (event) => {
      if (event.key === KEY || event.key === null) again();
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) again();
    });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
