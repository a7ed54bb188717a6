// Whatever is wider than its box and scrolls there can be reached with the Tab key and scrolled with the arrows. A box is
// measured when the reader comes near: to ask earlier would lay out sections that are not laid out yet.
(function () {
  const boxes = "article pre, article .math-wrapper, article .table-wrapper, article .cell_output";
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
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
