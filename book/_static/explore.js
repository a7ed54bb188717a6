// Puts the explorer where the page holds a mount point, and ties the page's text to it. The module is only loaded when a
// figure comes into view or a text asks for it; a classic script, because a page opened from disk may load no modules.
//
// In the text, <button class="figure-set" data-figure="name" data-values="{...}"> sets a figure, pressed again it undoes
// that; <output class="figure-now" data-figure="name" data-reading="arrival"> says what a figure says. For other scripts,
// window.downhillFigure(name) is a promise of the figure: set(values), read(name), holds(values); on its element, and
// bubbling from there, "downhill-change" is sent after each drawing.
(() => {
  const here = document.currentScript.src;
  const asset = (name) => new URL(name, here).href;
  const KEPT = "downhill-figures"; // what the reader made of the figures, on the way to another language
  const points = []; // { point, index, name, link, figure: a promise once it was asked for }
  const loading = {}; // by the script's name
  let editor = null;
  let rungs = null;

  function arrived(element) {
    return new Promise((resolve, reject) => {
      element.onload = () => resolve(element);
      element.onerror = () => reject(new Error(element.src || element.href));
      document.head.append(element);
    });
  }

  const script = (name) => arrived(Object.assign(document.createElement("script"), { src: asset(name) }));

  // The next task: on a slow phone a long one would keep a finger waiting.
  const pause = () => new Promise((go) => setTimeout(go));

  // The editor of rules, when a reader changes one.
  function rules() {
    editor ??= script("explorer-rule.js").then(() => window.downhillRule);
    return editor;
  }

  // The numbers of the ladder, when a reader asks how a changed rule does there.
  function ladder() {
    rungs ??= script("explorer-ladder.js").then(() => ({ ...window.downhillLadder, page: asset("../ladder.html") }));
    return rungs;
  }

  // A figure without its style would be drawn twice, and the page below it would move: both are waited for.
  function load(name = "explorer.js") {
    loading.style ??= arrived(
      Object.assign(document.createElement("link"), { rel: "stylesheet", href: asset("explorer.css") }),
    );
    loading[name] ??= script(name);
    return Promise.all([loading[name], loading.style]);
  }

  // The module that draws a figure: a network that is trained in the page and a time line have their own.
  async function moduleFor(given) {
    const [file, name] = given.network
      ? ["-network", "Network"]
      : given.timeline
        ? ["-timeline", "Timeline"]
        : ["", "Explorer"];
    await load(`explorer${file}.js`);
    return window[`downhill${name}`];
  }

  // The figure's picture gives way; its caption stays.
  const home = (point) => point.closest("figure") ?? point.parentElement;

  function seat(point) {
    const el = document.createElement("div");
    el.className = "downhill-explorer";
    point.after(el);
    const image = home(point).querySelector("img");
    return { el, picture: image?.closest("picture, a") ?? image };
  }

  async function begin({ point, index, link, name }) {
    const given = JSON.parse(point.dataset.downhillExplorer);
    const explorer = await moduleFor(given);
    await pause();
    const { el, picture } = seat(point);
    const page = location.href.split("#")[0];
    const address = (state) => `${page}#explorer=${index}.${state}`;
    el.dataset.figure = name;
    el.style.cssText = "height: 0; overflow: hidden; visibility: hidden"; // as wide as it will be, while the picture stays
    await explorer.mount(el, given, { link, address, rules, ladder });
    await el.downhill.drawn;
    if (picture) picture.style.display = "none";
    el.removeAttribute("style");
    point.dataset.mounted = "";
    el.dispatchEvent(new CustomEvent("downhill-mounted", { bubbles: true, detail: given }));
    return el;
  }

  function mounted(entry) {
    entry.figure ??= begin(entry);
    return entry.figure;
  }

  // -- the text

  const chinese = (element) => element.closest("[lang]")?.lang.toLowerCase().startsWith("zh");
  const ofText = (kind, name) => document.querySelectorAll(`${kind}[data-figure="${CSS.escape(name)}"]`);

  async function figureOf(name) {
    const entry = points.find((each) => each.name === name);
    if (!entry) throw new Error(`no figure ${name} on this page`);
    return (await mounted(entry)).downhill;
  }

  function mark(button, figure) {
    const on = figure.holds(JSON.parse(button.dataset.values));
    if (!on) button.undo = null;
    button.setAttribute("aria-pressed", String(on));
    button.classList.toggle("figure-undoes", Boolean(on && button.undo));
    button.title = on && button.undo ? (chinese(button) ? "再按一次撤销" : "Press again to undo") : "";
  }

  async function press(button) {
    const figure = await figureOf(button.dataset.figure);
    const values = JSON.parse(button.dataset.values);
    if (button.undo) {
      const undo = button.undo;
      button.undo = null;
      undo();
    } else if (!figure.holds(values)) button.undo = figure.set(values);
    for (const each of ofText("button.figure-set", button.dataset.figure)) mark(each, figure);
  }

  // A live line is busy while a figure moves, so that only where it comes to rest is spoken.
  function answer(output, figure) {
    const { text } = figure.read(output.dataset.reading, chinese(output) ? "zh" : "en");
    if (output.textContent === text) return;
    output.setAttribute("aria-busy", "true");
    output.textContent = text;
    clearTimeout(output.resting);
    output.resting = setTimeout(() => output.removeAttribute("aria-busy"), 600);
  }

  document.addEventListener("downhill-change", ({ target }) => {
    const { figure: name } = target.dataset;
    if (!name || !target.downhill) return;
    for (const button of ofText("button.figure-set", name)) mark(button, target.downhill);
    for (const output of ofText("output.figure-now", name)) answer(output, target.downhill);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.figure-set");
    if (button) press(button).catch(() => {}); // without the module, the text stays a text
  });

  // -- a rule that the page lists can be changed

  const RULE = /^def (\w+)\(theta, g[,)][\s\S]*?\n +return [^\n]*, \([^\n]*\)$/m;

  function offerChange(listing) {
    const [text, name] = RULE.exec(listing.querySelector("pre")?.textContent ?? "") ?? [];
    if (!text) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "rule-change";
    const both = document.querySelector(".view-both");
    button.textContent = both ? "Change it · 改一改" : chinese(listing) ? "改一改" : "Change it";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => change(button, text, name).catch(() => {}));
    listing.after(button);
  }

  async function change(button, text, name) {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) {
      button.nextElementSibling.downhill?.close();
      button.nextElementSibling.remove();
      return;
    }
    const el = document.createElement("div");
    el.className = "downhill-explorer";
    button.after(el);
    await load();
    const explorer = window.downhillExplorer;
    await explorer.mount(el, explorer.sceneOf(name), { rules, ladder });
    await el.downhill.edit(0, text);
  }

  // -- another language: what was dragged goes along

  const pageKey = () => location.pathname.replace(/\/(en|zh|both)(?=\/)/, "");

  function keep() {
    const states = {};
    for (const { point, index } of points) {
      const figure = point.nextElementSibling?.downhill;
      if (figure?.moved()) states[index] = figure.packed();
    }
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ page: pageKey(), states }));
    } catch {
      // storage may be forbidden
    }
  }

  function kept() {
    try {
      const { page, states } = JSON.parse(sessionStorage.getItem(KEPT));
      sessionStorage.removeItem(KEPT);
      return page === pageKey() ? states : {};
    } catch {
      return {};
    }
  }

  document.addEventListener("click", (event) => event.target.closest(".view-switch a") && keep(), { capture: true });

  // -- beginning

  function start() {
    const linked = /^#explorer=(\d+)\.(.*)$/.exec(location.hash);
    const before = kept();
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          seen.unobserve(target);
          mounted(target.entry).catch(() => {}); // then the picture stays
        }
      },
      { rootMargin: "200px" },
    );
    for (const [index, point] of document.querySelectorAll("[data-downhill-explorer]").entries()) {
      const entry = { point, index, name: point.dataset.figure ?? "", link: before[index] };
      points.push(entry);
      if (linked && Number(linked[1]) === index) {
        entry.link = linked[2];
        mounted(entry)
          .then((el) => el.scrollIntoView({ block: "center" }))
          .catch(() => {});
        continue;
      }
      // The mount point itself takes no room: what is watched is the picture beside it.
      const watched = home(point).querySelector("img") ?? home(point);
      watched.entry = entry;
      entry.watched = watched;
      const observe = () => seen.observe(watched);
      // A figure that a page begins with waits until the page itself is there.
      if (watched.matches(".first-seen") && document.readyState !== "complete")
        addEventListener("load", () => setTimeout(observe, 200));
      else observe();
    }
    for (const button of document.querySelectorAll("button.figure-set")) button.disabled = false;
    for (const listing of document.querySelectorAll("div.highlight-python, div.highlight-ipython3"))
      offerChange(listing);
    // Where a far section is laid out only as one comes to it, the browser may owe the observer its word.
    const near = (el) => {
      const { top, bottom } = el.getBoundingClientRect();
      return bottom > -200 && top < innerHeight + 200;
    };
    addEventListener("scrollend", () => {
      for (const entry of points)
        if (entry.watched && near(entry.watched)) {
          seen.unobserve(entry.watched);
          mounted(entry).catch(() => {});
        }
    });
  }

  window.downhillFigure = figureOf;

  // A link pasted into the page that it leads to
  addEventListener("hashchange", () => {
    if (/^#explorer=/.test(location.hash)) location.reload();
  });

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
