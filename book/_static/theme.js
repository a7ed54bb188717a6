// What the theme's page needs of a script, in place of the theme's own: the button for light and dark, the shadow under a
// telephone's header, the way back to the top, and in the page's contents the section that is being read. Nothing is
// measured while the page comes, since that would lay out all of it before it is seen.
(function () {
  const MODES = matchMedia("(prefers-color-scheme: dark)").matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];

  for (const button of document.querySelectorAll(".theme-toggle"))
    button.addEventListener("click", () => {
      const mode = MODES[(MODES.indexOf(document.body.dataset.theme) + 1) % MODES.length];
      document.body.dataset.theme = mode;
      localStorage.setItem("theme", mode);
    });

  // --- the page's contents: of the sections that cross the window's top quarter, the last is being read

  const contents = document.querySelector(".toc-scroll"), across = new Set(), items = new Map();
  for (const link of contents?.querySelectorAll(".toc-tree a") ?? []) {
    const place = link.hash ? document.getElementById(decodeURIComponent(link.hash.slice(1))) : document.querySelector("article > section");
    if (place) items.set(place.closest("section"), link.closest("li"));
  }
  const sections = [...items.keys()];
  let shown = null, atEnd = false;
  function tell() {
    const now = atEnd ? sections.at(-1) : sections.findLast((section) => across.has(section));
    if (now === shown) return;
    shown = now;
    for (const item of contents.querySelectorAll(".scroll-current")) item.classList.remove("scroll-current");
    for (let item = items.get(now); item; item = item.parentElement.closest("li")) item.classList.add("scroll-current");
  }
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) across[isIntersecting ? "add" : "delete"](target);
    tell();
  }, { rootMargin: "0px 0px -75% 0px" });
  for (const section of sections) watcher.observe(section);

  // --- scrolling

  const header = document.querySelector(".mobile-header"), back = document.querySelector(".back-to-top");
  let before = 0, waiting = false;
  function moved() {
    const now = scrollY;
    waiting = false;
    header.classList.toggle("scrolled", now > 0);
    if (now < 64 || now !== before) back?.classList.toggle("shown", now >= 64 && now < before);
    before = now;
    atEnd = now > 0 && now + innerHeight >= document.documentElement.scrollHeight - 1;
    if (sections.length) tell();
    if (now === 0 || atEnd) contents?.scrollTo(0, atEnd ? contents.scrollHeight : 0);
  }
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(moved);
  });
})();
