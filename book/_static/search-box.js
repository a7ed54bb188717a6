// On every page: Ctrl+K or ⌘K leads to the search box, whose results come while one types, and a page that was opened
// from the results marks what was looked for. The search itself is loaded when the reader goes to the box.
(function () {
  "use strict";
  const root = document.documentElement.dataset.content_root;
  const box = document.querySelector(".sidebar-search");
  const drawer = document.getElementById("__navigation"); // on a phone the box is in a drawer

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (box && box.getBoundingClientRect().right <= 0) drawer.checked = true;
    (box ?? document.getElementById("search-query"))?.focus();
  });

  markWhatWasFound();
  if (box) listBelow(box);

  // --- The list below the box: a combobox as the ARIA practices describe it -------------------------------------------

  function listBelow(input) {
    const SHOWN = 8;
    const form = input.form;
    const words = JSON.parse(form.dataset.words);
    const popup = form.appendChild(document.createElement("div"));
    popup.className = "search-popup";
    popup.hidden = true;
    popup.innerHTML = '<p role="status"></p><ul id="search-list" role="listbox"></ul>';
    const [status, list] = popup.children;
    list.setAttribute("aria-label", input.getAttribute("aria-label"));
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"],
      ["aria-controls", "search-list"]]) input.setAttribute(name, value);
    let active = -1, loading = null;

    const script = (address) => new Promise((resolve, reject) => {
      const tag = document.createElement("script");
      tag.src = root + address;
      tag.onload = resolve;
      tag.onerror = reject;
      document.head.append(tag);
    });
    const load = () => (loading ??= script("_static/search.js").then(() => script("search-index.js")).then(
      () => true, () => { loading = null; return false; }));

    const options = () => [...list.children];

    function choose(index) {
      options().forEach((option, i) => option.setAttribute("aria-selected", i === index));
      active = index;
      if (index < 0) input.removeAttribute("aria-activedescendant");
      else {
        input.setAttribute("aria-activedescendant", options()[index].id);
        options()[index].scrollIntoView({ block: "nearest" });
      }
    }

    function close() {
      popup.hidden = true;
      input.setAttribute("aria-expanded", "false");
      choose(-1);
    }

    function option(address, index) {
      const item = document.createElement("li");
      item.id = `search-option-${index}`;
      item.setAttribute("role", "option");
      item.dataset.address = address;
      return item;
    }

    async function show() {
      const text = input.value.trim();
      if (!text) return close();
      const ready = await load();
      if (text !== input.value.trim() || document.activeElement !== input) return; // the reader has gone on
      status.replaceChildren();
      list.replaceChildren();
      if (ready) fill(text); else status.textContent = words.failed;
      popup.hidden = false;
      input.setAttribute("aria-expanded", String(list.children.length > 0));
      list.hidden = !list.children.length;
      choose(-1);
      place();
    }

    function fill(text) {
      const { find, written, say, drawn, summary } = downhillSearch;
      const found = find(text);
      summary(words, text, found, status);
      const hits = found.pages.flatMap((page) => page.hits.map((hit) => ({ ...hit, title: page.title })))
        .sort((a, b) => b.whole - a.whole || b.score - a.score);
      hits.slice(0, SHOWN).forEach((hit, index) => {
        const item = option(root + hit.address, index);
        item.append(written(hit.heading));
        item.firstChild.className = "search-section";
        if (!hit.top) item.append(written(hit.title));
        item.append(drawn(hit.passage(90), document.createElement("span")));
        item.lastChild.classList.add("search-passage");
        list.append(item);
      });
      if (hits.length > SHOWN) {
        const all = option(`${form.action}?${new URLSearchParams({ q: text })}`, SHOWN);
        list.append(say(words.all, { n: hits.length }, all));
      }
    }

    // The popup is wider than the sidebar, and stays inside the window.
    function place() {
      const { left, bottom } = input.getBoundingClientRect();
      popup.style.left = `${Math.max(8, Math.min(left, innerWidth - popup.offsetWidth - 8))}px`;
      popup.style.top = `${bottom + 4}px`;
      popup.style.maxHeight = `${innerHeight - bottom - 16}px`;
    }

    function go(item, newTab) {
      downhillSearch.remember(item);
      if (newTab) window.open(item.dataset.address);
      else { close(); location.href = item.dataset.address; }
    }

    input.addEventListener("focus", () => { load(); if (input.value.trim()) show(); });
    input.addEventListener("input", (event) => event.isComposing || show());
    input.addEventListener("compositionend", show);
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      const last = options().length - 1;
      const move = { ArrowDown: active < last ? active + 1 : -1, ArrowUp: active < 0 ? last : active - 1 }[event.key];
      if (move !== undefined && popup.hidden) { event.preventDefault(); show(); }
      else if (move !== undefined) { event.preventDefault(); choose(move); }
      else if (event.key === "Enter" && active >= 0) { event.preventDefault(); go(options()[active], event.ctrlKey || event.metaKey); }
      else if (event.key === "Escape" && !popup.hidden) { event.preventDefault(); close(); }
    });
    input.addEventListener("blur", close);
    list.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
    list.addEventListener("click", (event) => go(event.target.closest("[role=option]"), event.ctrlKey || event.metaKey));
    addEventListener("resize", () => popup.hidden || place());
  }

  // --- On the page that was found ------------------------------------------------------------------------------------

  function markWhatWasFound() {
    let found = null;
    try {
      found = JSON.parse(sessionStorage.getItem("downhill-found"));
      sessionStorage.removeItem("downhill-found");
    } catch (error) { /* storage may be forbidden */ }
    if (!found?.length || !window.Highlight || document.getElementById("search-form")) return;
    const ranges = rangesOf([...new Set(found)], document.querySelector("article"));
    if (!ranges.length) return;
    CSS.highlights.set("search", new Highlight(...ranges));
    addEventListener("keydown", (event) => event.key === "Escape" && CSS.highlights.delete("search"));
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1))) ?? document.querySelector("article");
    const first = ranges.find((range) =>
      target.compareDocumentPosition(range.startContainer) & Node.DOCUMENT_POSITION_FOLLOWING);
    if (first) addEventListener("load", () => document.fonts.ready.then(() => reveal(first)), { once: true });
  }

  // Where the texts stand, also across the borders of elements. A Latin word is marked whole or not at all.
  function rangesOf(texts, article) {
    const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT, (node) =>
      node.parentElement.closest(".katex, script, .headerlink") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
    const nodes = [];
    let whole = "";
    while (walker.nextNode()) {
      nodes.push([whole.length, walker.currentNode]);
      whole += walker.currentNode.data;
    }
    const at = (offset) => {
      let low = 0, high = nodes.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (nodes[middle][0] <= offset) low = middle; else high = middle - 1;
      }
      return [nodes[low][1], offset - nodes[low][0]];
    };
    const letter = /[\p{L}\p{N}_]/u, han = /\p{Script=Han}/u;
    const cutsWord = (offset) => offset > 0 && [offset - 1, offset].every(
      (i) => letter.test(whole[i] ?? "") && !han.test(whole[i]));
    const ranges = [];
    for (const text of texts) {
      for (let start = whole.indexOf(text); start >= 0; start = whole.indexOf(text, start + text.length)) {
        const end = start + text.length;
        if (cutsWord(start) || cutsWord(end)) continue;
        const range = document.createRange();
        range.setStart(...at(start));
        const [node, offset] = at(end - 1);
        range.setEnd(node, offset + 1);
        ranges.push(range);
      }
    }
    return ranges.sort((a, b) => a.compareBoundaryPoints(Range.START_TO_START, b));
  }

  function reveal(range) {
    dispatchEvent(new Event("downhill-moved")); // the page need not hold the place any longer (page.html)
    const element = range.startContainer.parentElement;
    for (let closed = element.closest("details:not([open])"); closed; closed = element.closest("details:not([open])")) {
      closed.open = true;
    }
    const { top, bottom } = range.getBoundingClientRect();
    const covered = document.querySelector(".mobile-header").getBoundingClientRect().bottom; // 0 where it is not shown
    if (top < covered || bottom > innerHeight) element.scrollIntoView({ block: "center", behavior: "instant" });
  }
})();
