// Whatever is wider than its box and scrolls there can be reached with the Tab key and scrolled with the arrows. A
// formula that is a little too wide is set smaller instead, a wider one also broken. A box is measured when the reader comes near: to ask earlier
// would lay out sections that are not laid out yet.
(function () {
  const boxes = "article pre, article .math-wrapper, article .table-wrapper, article .cell_output";
  const LEAST = 0.75; // of its size, a formula is still read
  const widths = new WeakMap(); // for which each formula was set

  function fit(box) {
    if (widths.get(box) === box.clientWidth) return;
    widths.set(box, box.clientWidth);
    box.style.removeProperty("--fit");
    box.style.minHeight = "";
    box.classList.remove("broken");
    if (box.scrollWidth <= box.clientWidth + 1) return;
    box.style.minHeight = `${box.offsetHeight}px`; // nothing below it moves
    const fitting = 0.99 * box.clientWidth / box.scrollWidth;
    box.style.setProperty("--fit", Math.max(LEAST, fitting));
    box.classList.toggle("broken", fitting < LEAST);
  }

  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.matches(".math-wrapper")) fit(target);
      if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      sizes.observe(target);
    }
  }, { rootMargin: "100% 0px" });
  document.querySelectorAll(boxes).forEach((box) => near.observe(box));
})();
