// What the reader has read, kept in this browser and shared by the three views: {chapter: {seen: [sections], read: bool}}.
// A chapter is read when its end has been in view and most of its sections before it, or when its box is ticked. Where
// storage is forbidden the page remembers as long as it is open, and says so.
(function () {
  const KEY = "downhill-progress", ENOUGH = 0.6, PAUSE = 1000;
  const view = document.querySelector(".view-both") ? "both" : document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const cut = (words) => (view === "both" ? words : words.split(" · ")[view === "en" ? 0 : 1]);
  let memory = {}, kept = !localStorage.forbidden; // a page gets a stand-in for a storage that is forbidden

  function load() {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      if (found && typeof found === "object" && !Array.isArray(found)) memory = found;
    } catch { /* what cannot be read is written anew */ }
  }
  function save() {
    try { localStorage.setItem(KEY, JSON.stringify(memory)); } catch { kept = false; } // full
    show();
  }
  const entry = (name) => {
    const known = memory[name] ?? {};
    return { read: known.read, seen: Array.isArray(known.seen) ? known.seen : [], of: known.of };
  };
  const change = (name, values) => { load(); memory[name] = { ...entry(name), ...values }; save(); };
  const isRead = (name) => entry(name).read === true;
  const share = (name) => { const { seen, of } = entry(name); return isRead(name) ? 1 : of ? Math.min(seen.length / of, 0.95) : 0; };

  // --- marks in the table of contents, at a chapter's end and on the path

  const chapterOf = (link) => /(\d\d-[\w-]+)\.html/.exec(new URL(link.href, location.href).pathname)?.[1];

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function showContents() {
    for (const link of document.querySelectorAll(".sidebar-tree a.reference")) {
      const name = chapterOf(link), mark = link.querySelector(".read-mark");
      if (!name || isRead(name) === Boolean(mark)) continue;
      if (mark) mark.remove();
      else link.append(element("span", { class: "read-mark", role: "img", "aria-label": cut("read · 已读") }, "✓"));
    }
  }

  function showEnd() {
    const end = document.querySelector(".chapter-end");
    if (!end) return;
    end.querySelector("input").checked = isRead(end.dataset.chapter);
    if (!kept && !end.querySelector(".not-kept"))
      end.append(element("p", { class: "not-kept" }, cut("This browser forbids storage: the mark is gone when the page is closed. · 浏览器禁止存储：关掉页面，这个标记就没有了。")));
  }

  const hours = (minutes) => (minutes < 60 ? [`${minutes} minutes`, `${minutes} 分钟`] : [`${Math.round(minutes / 30) / 2} hours`, `${Math.round(minutes / 30) / 2} 小时`]);
  let told = null, undo = null;

  function showPath() {
    const stops = [...document.querySelectorAll(".trail .stop")], here = stops.filter((stop) => stop.dataset.minutes);
    if (!here.length) return;
    for (const stop of here) {
      const name = stop.dataset.chapter, part = share(name), state = stop.querySelector(".stop-state");
      stop.classList.toggle("read", part === 1);
      stop.classList.toggle("begun", part > 0 && part < 1);
      stop.style.setProperty("--share", part);
      state.hidden = part === 0;
      state.textContent = part === 1 ? cut("✓ read · ✓ 已读") : part > 0 ? cut("begun · 在读") : "";
      const fresh = stop.querySelector(".new");
      if (fresh) fresh.hidden = part === 1 || Date.now() - Date.parse(fresh.dataset.date) > 31 * 864e5;
    }
    const read = here.filter((stop) => isRead(stop.dataset.chapter)), any = here.some((stop) => share(stop.dataset.chapter) > 0);
    const left = here.reduce((sum, stop) => sum + stop.dataset.minutes * (1 - share(stop.dataset.chapter)), 0);
    const [english, chinese] = hours(Math.max(5, Math.round(left / 5) * 5));
    const done = read.length === here.length;
    const words = { en: done ? "You have read all of them." : `You have read ${read.length}; about ${english} are left.`, "zh-CN": done ? "全都读过了。" : `已读 ${read.length} 章，还剩约 ${chinese}。` };
    const lines = [...document.querySelectorAll(".trail-line")];
    told ??= lines.map((line) => line.querySelector(".trail-now").textContent);
    lines.forEach((line, i) => { line.querySelector(".trail-now").textContent = any ? words[line.lang] : told[i]; });
    showReset(any);
    showStart(here, any && !done);
  }

  /** One button: it forgets, and then brings back what it forgot. */
  function showReset(any) {
    const place = document.querySelector(".trail-sum");
    let button = place.querySelector("button");
    if (!button) {
      button = element("button", { type: "button", class: "trail-reset" });
      button.addEventListener("click", () => {
        load();
        [memory, undo] = undo ? [undo, null] : [{}, memory];
        save();
      });
      place.append(" ", button);
    }
    if (any) undo = null;
    button.hidden = !any && !undo;
    button.textContent = undo ? cut("Undo · 撤销") : cut("Start over · 清除记录");
  }

  /** Who has begun goes on in the chapter being read, or else where the path is not read yet. */
  function showStart(here, going) {
    const link = document.querySelector(".start a"), first = (state) => here.find((stop) => stop.matches(state));
    const next = going && (first(".begun") ?? first(":not(.read)"));
    if (!link) return;
    link.dataset.first ??= JSON.stringify([link.getAttribute("href"), link.innerHTML]);
    const [address, words] = JSON.parse(link.dataset.first);
    link.setAttribute("href", next ? next.querySelector(".stop-title a").getAttribute("href") : address);
    if (!next) link.innerHTML = words;
    else {
      const said = cut("Go on with chapter {} · 接着读第 {} 章").replaceAll("{}", next.querySelector(".dot").textContent);
      const halves = said.split(/(?<= ·) /).flatMap((half) => [" ", element("span", {}, half)]);
      link.replaceChildren(element("span", {}, ...halves.slice(1))); // no half is cut in two
    }
  }

  function show() { showContents(); showEnd(); showPath(); }

  // --- watching a chapter being read

  function watch(end) {
    const name = end.dataset.chapter, sections = [...document.querySelectorAll("article > section > section")];
    const box = end.querySelector("input"), seen = new Set(entry(name).seen), timers = new Map();
    let atEnd = false;
    box.addEventListener("change", () => change(name, { read: box.checked }));
    function stayed(target) {
      if (document.visibilityState !== "visible") return;
      if (target !== end) {
        seen.add(sections.indexOf(target));
        change(name, { seen: [...seen].sort((a, b) => a - b), of: sections.length });
      }
      // A box that the reader has cleared stays clear.
      if (atEnd && entry(name).read === undefined && seen.size >= ENOUGH * sections.length) change(name, { read: true });
    }
    const watcher = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        clearTimeout(timers.get(target));
        if (target === end) atEnd = isIntersecting;
        if (isIntersecting) timers.set(target, setTimeout(stayed, PAUSE, target));
      }
    });
    for (const target of [...sections, end]) watcher.observe(target);
  }

  // --- copy buttons in two languages, and heard

  // The button's words come from a table that Sphinx's own script has; in the double view it gets both languages.
  if (view === "both" && typeof messages !== "undefined") {
    const { en, "zh-CN": zh } = messages;
    for (const key of Object.keys(en)) en[key] = `${en[key]} · ${zh[key].replace("!", "！")}`;
  }
  function nameCopyButtons() {
    const buttons = [...document.querySelectorAll("button.copybtn")];
    if (!buttons.length) return;
    const heard = element("div", { class: "for-ears", role: "status" });
    document.body.append(heard);
    for (const button of buttons) {
      button.setAttribute("aria-label", cut("Copy the code · 复制代码"));
      button.dataset.tooltip = cut("Copy · 复制");
      button.querySelector("svg")?.setAttribute("aria-hidden", "true");
      new MutationObserver(() => {
        heard.textContent = button.classList.contains("success") ? cut("Copied · 已复制") : "";
      }).observe(button, { attributes: true, attributeFilter: ["class"] });
    }
  }

  function start() {
    load();
    show();
    const end = document.querySelector(".chapter-end");
    if (end) watch(end);
    nameCopyButtons();
    addEventListener("storage", (event) => { if (event.key === KEY || event.key === null) { memory = {}; load(); show(); } });
    addEventListener("pageshow", (event) => { if (event.persisted) { memory = {}; load(); show(); } });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
