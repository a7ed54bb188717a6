// Elements of the page.

/** An element: h("p", { class: "a", onclick: f }, child, ...). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((c) => c !== null && c !== undefined));
  return element;
}

export function button(key, words, action, more = {}) {
  return h("button", { type: "button", "data-key": key, onclick: action, ...more }, words);
}

/** A short line as a run is drawn, with its dashes; `update` gives it the look of now. */
export function swatch() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"),
    line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ width: 24, height: 8, "aria-hidden": "true", class: "dx-swatch" }))
    svg.setAttribute(name, value);
  for (const [name, value] of Object.entries({ x1: 0, x2: 24, y1: 4, y2: 4, "stroke-width": 3 }))
    line.setAttribute(name, value);
  svg.append(line);
  const update = ({ colour, dash }) => {
    line.setAttribute("stroke", colour);
    line.setAttribute("stroke-dasharray", dash ? dash.map((x) => 2.5 * x).join(" ") : "none");
  };
  return { svg, update };
}
