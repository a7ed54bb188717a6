// The language switch keeps the reader's place: the link leads to the passage now at the top of the window.
// Every passage and figure has the same id in all views. Without this script the links lead to the page's top.
(function () {
  const key = "downhill-view";

  function place() {
    if (window.scrollY < 60) return null;
    const header = document.querySelector(".mobile-header");
    const line = (header && getComputedStyle(header).display !== "none" ? header.offsetHeight : 0) + 24;
    return [...document.querySelectorAll(".place, section > span[id]")].find(
      (element) => element.getBoundingClientRect().bottom > line);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest(".view-switch a");
    if (!link) return;
    try { localStorage.setItem(key, link.dataset.view); } catch (error) { /* storage may be forbidden */ }
    const here = place();
    // Where a heading has no Latin letters, Sphinx numbers the span and gives the label to the section.
    link.hash = here ? (/^id\d+$/.test(here.id) ? here.parentElement.id : here.id) : "";
    link.search = location.search; // a search stays a search
  });
})();
