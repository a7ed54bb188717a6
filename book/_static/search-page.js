// The search page: results while one types, grouped by page, and the query kept in the address.
// Called at the end of the page, when search.js and the index have been loaded, or have failed to.
function searchPage() {
  "use strict";
  const SHOWN = 3; // sections of a page; the others are one click away
  const part = (name) => document.getElementById(`search-${name}`);
  const form = part("form"), query = part("query"), results = part("results");
  const words = JSON.parse(form.dataset.words);
  const colon = document.documentElement.lang === "en" ? ": " : "：";
  const { find, written, say, drawn, remember, summary } = downhillSearch;

  function element(tag, name, ...children) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    made.append(...children);
    return made;
  }

  function link(address, text) {
    const a = element("a");
    a.href = address;
    return written(text, a);
  }

  function section(hit) {
    const item = element("li");
    if (!hit.top) item.append(element("p", "search-section", link(hit.address, hit.heading)));
    item.append(drawn(hit.passage(), element("p", "search-passage")));
    item.addEventListener("click", (event) => event.target.closest("a") && remember(item));
    return item;
  }

  function page({ address, title, hits }) {
    const heading = element("h2", "", link(address, title));
    heading.addEventListener("click", () => remember(item));
    const list = element("ol", "search-sections", ...hits.slice(0, SHOWN).map(section));
    const item = element("li", "", heading, list);
    if (hits.length > SHOWN) {
      const more = element("details", "", say(words.more, { n: hits.length - SHOWN }, element("summary")));
      more.addEventListener("toggle", () => more.append(element("ol", "search-sections", ...hits.slice(SHOWN).map(section))),
        { once: true });
      item.append(more);
    }
    return item;
  }

  function show() {
    const text = query.value.trim();
    part("hint").hidden = text !== "";
    part("help").hidden = true;
    part("status").replaceChildren();
    results.replaceChildren();
    if (!text) return;
    const found = find(text);
    summary(words, text, found, part("status"));
    if (found.pages.length) results.append(element("ol", "search-pages", ...found.pages.map(page)));
    if (!found.corrected && (found.suggestion || !found.whole)) help(text, found);
  }

  function help(text, { suggestion }) {
    part("help").hidden = false;
    part("maybe").hidden = !suggestion;
    if (suggestion) {
      part("maybe").replaceChildren(say(words.maybe, {}), colon, link(address(suggestion), suggestion));
    }
    // The switch to the other languages stands on the page; a second one here would be a second address to keep right.
    const others = [...document.querySelectorAll(".sidebar-drawer .view-switch a:not([aria-current])")];
    part("views").replaceChildren(say(words.views, {}), colon, ...others.flatMap((other) => {
      const copy = link(other.href.replace(/\?.*|$/, address(text)), other.textContent.trim());
      copy.title = other.title;
      return [copy, " "];
    }));
  }

  const address = (text) => `?${new URLSearchParams({ q: text })}`;

  function keep() {
    try { history.replaceState(null, "", query.value.trim() ? address(query.value.trim()) : location.pathname); }
    catch (error) { /* some browsers forbid it below file:// */ }
  }

  form.hidden = false;
  if (!downhillSearch.ready()) {
    say(words.failed, {}, part("status"));
    return;
  }
  query.value = new URLSearchParams(location.search).get("q") ?? "";
  query.addEventListener("input", (event) => { if (!event.isComposing) { keep(); show(); } });
  query.addEventListener("compositionend", () => { keep(); show(); });
  form.addEventListener("submit", (event) => { event.preventDefault(); keep(); show(); });
  show();
  if (!query.value) query.focus();
}
