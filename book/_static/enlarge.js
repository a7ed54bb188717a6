// A click on a figure's picture shows it over the page, at least at its own size: on a phone its words can then be read. The
// picture scrolls both ways; a click, Esc or the button closes it. Without this script the link opens the picture alone.
(function () {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("figure a.image-reference");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const small = link.querySelector("img");
    const dialog = document.createElement("dialog");
    if (!small || !dialog.showModal) return;
    event.preventDefault();
    const zh = link.closest("[lang]").lang.startsWith("zh");
    const image = small.cloneNode();
    image.loading = "eager";
    const own = Number(small.getAttribute("width")) || small.naturalWidth;
    const fits = Math.min(innerWidth, ((innerHeight - 80) * small.clientWidth) / small.clientHeight);
    image.style.width = `${Math.max(own, Math.min(2 * own, fits))}px`;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "×";
    button.setAttribute("aria-label", zh ? "关闭大图" : "Close the large picture");
    dialog.className = "enlarged";
    dialog.setAttribute("aria-label", zh ? "大图" : "The picture, enlarged");
    dialog.append(image, button);
    dialog.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  });
})();
