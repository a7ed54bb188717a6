// Whether the page is light or dark.

import { hexOf, rgb } from "./brush.js";
import { DATA } from "./data.js";

/** The page's look where an element stands: light or dark, its paper and the colour of its notes. */
export function themeOf(root) {
  if (!root) return { theme: "light", paper: DATA.paper.light, ink: "#5c5c5c" };
  const style = getComputedStyle(root),
    read = (name) => hexOf(style.getPropertyValue(name).trim() || "#888888"),
    paper = read("--dx-paper"),
    [r, g, b] = rgb(paper);
  return { theme: 0.3 * r + 0.6 * g + 0.1 * b < 128 ? "dark" : "light", paper, ink: read("--dx-muted") };
}

/** Calls when the page's look changes; returns what ends that. */
export function watchTheme(repaint) {
  const dark = matchMedia("(prefers-color-scheme: dark)"),
    themes = new MutationObserver(repaint),
    attributeFilter = ["data-theme", "class", "data-jp-theme-light", "data-vscode-theme-kind"];
  dark.addEventListener("change", repaint);
  for (const element of [document.documentElement, document.body])
    themes.observe(element, { attributes: true, attributeFilter });
  return () => {
    dark.removeEventListener("change", repaint);
    themes.disconnect();
  };
}
