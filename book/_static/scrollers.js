// Whatever is wider than its box and scrolls there can be reached with the Tab key and scrolled with the arrows.
(function () {
  const boxes = "article pre, article .math-wrapper, article .table-wrapper, article .cell_output";
  const watcher = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(boxes).forEach((box) => watcher.observe(box));
})();
