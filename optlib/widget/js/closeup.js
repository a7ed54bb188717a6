// One step, close up.

import { arrow, frame } from "./axes.js";
import { Brush, wipe } from "./brush.js";
import { menu } from "./controls.js";
import { DATA } from "./data.js";
import { h } from "./element.js";
import { contours, grid, tinted } from "./ground.js";
import { lossAt } from "./told.js";
import { constantsOf, settle } from "./walk.js";
import { formula, point, show, symbol } from "./words.js";

export function closeUp(figure) {
  const { state } = figure,
    say = (k) => figure.say(k);
  figure.lensCanvas = h("canvas", { class: "dx-lens" }); // of no role before it is drawn, and named
  figure.lensText = h("div", {
    class: "dx-scroll dx-formulas",
    tabindex: 0,
    role: "group",
    "aria-label": say("cartoon"),
  });
  const follow = menu(
    "follow",
    say("algorithm"),
    state.runs.map((_, i) => [String(i), figure.nameOf(i)]),
    String(state.follow),
    (v) => figure.put(["follow"], +v),
  );
  figure.lens = h(
    "details",
    { "data-key": "closeup", open: state.cartoon || null },
    h("summary", {}, say("cartoon")),
    h(
      "div",
      { class: "dx-closeup" },
      h("div", {}, figure.lensCanvas, legend(figure)),
      h("div", { class: "dx-closeup-text" }, follow, figure.lensText),
    ),
  );
  figure.lens.addEventListener("toggle", () => {
    figure.state.cartoon = figure.lens.open;
  });
  figure.lens.hidden = state.start.length > 2 || !state.runs.length;
}

export function legend(figure) {
  const item = (kind, key) =>
    h("li", {}, h("span", { class: `dx-key dx-key-${kind}`, "aria-hidden": "true" }), figure.say(key));
  return h(
    "ul",
    { class: "dx-legend" },
    item("gradient", "cartoon.gradient"),
    item("inertia", "cartoon.inertia"),
    item("correction", "cartoon.correction"),
    item("step", "cartoon.step"),
    item("squares", "cartoon.squares"),
  );
}

/** Everything about one step of the followed run: points, and the lines of its rule with their numbers. */
export function oneStep(figure) {
  const { state, lib } = figure,
    i = state.follow,
    w = figure.walks[i];
  if (!w?.n) return null;
  const run = state.runs[i],
    rule = lib.rules[run.rule],
    { d } = w,
    t = Math.min(state.at ?? 0, w.n - 1);
  const cut = (a, s = t) => Array.from(a.subarray(s * d, s * d + d));
  const { hyper, moving } = settle(lib, rule, run.hyper);
  for (const [name, schedule] of moving) hyper[name] = schedule(t);
  const from = cut(w.path),
    to = cut(w.path, t + 1),
    g = cut(w.grads),
    at = cut(w.asks),
    memory = w.kept.map((k) => cut(k)),
    after = w.kept.map((k) => cut(k, t + 1));
  const loss = rule.given.includes("loss") ? lossAt(figure, i, t) : NaN;
  const drift = Float64Array.from(from),
    held = memory.map((m) => Float64Array.from(m));
  // what memory alone would do
  rule.advance(drift, new Float64Array(d), held, t + 1, new Float64Array(d).fill(loss), hyper);
  const lines = from.map((_, k) => {
    const given = rule.given.map((name) => ({ t: t + 1, loss })[name]);
    const values = rule.trace(from[k], g[k], ...memory.map((m) => m[k]), ...given, hyper);
    const known = {
      theta: from[k],
      g: g[k],
      t: t + 1,
      loss,
      ...hyper,
      ...Object.fromEntries(rule.memory.map((name, j) => [name, memory[j][k]])),
    };
    return rule.lines.map(([name, text], j) => {
      const line = {
        name,
        text,
        shown: formula(text, undefined, rule.defaults),
        numbers: formula(text, (word) => known[word]),
        value: values[j],
      };
      known[name] = values[j];
      return line;
    });
  });
  return { i, t, d, rule, from, to, g, at, memory, after, drift: Array.from(drift), lines, hyper };
}

export function drawLens(figure) {
  const step = oneStep(figure),
    size = figure.lensCanvas.clientWidth || 280,
    brush = new Brush(wipe(figure.lensCanvas, size, size)),
    { ink } = figure;
  if (!step) {
    figure.lensText.replaceChildren(
      h("p", {}, figure.say("cartoon.end", { name: figure.nameOf(figure.state.follow), t: 0 })),
    );
    return;
  }
  const two = (p) => [p[0], step.d > 1 ? p[1] : 0];
  const [from, to, at, drift, g] = [step.from, step.to, step.at, step.drift, step.g].map(two);
  const squares = step.rule.memory.map((name, j) => [name, step.after[j]]).filter(([name]) => DATA.squares[name]);
  const room = squares.length ? 54 : 0;
  const pts = [from, to, at, drift],
    reach = Math.max(...pts.map((p) => Math.abs(p[0] - from[0])), ...pts.map((p) => Math.abs(p[1] - from[1])), 1e-12);
  const mid = [0, 1].map((k) => (Math.max(...pts.map((p) => p[k])) + Math.min(...pts.map((p) => p[k]))) / 2);
  const half = reach * 0.95,
    box = mid.map((m) => [m - half, m + half]),
    f = frame(6, 6, size - 12, size - 12 - room, box);
  const surface = figure.lib.surfaces[figure.state.surface];
  brush.clip(f.x, f.y, f.w, f.h);
  if (surface && step.d === 2 && figure.state.surface !== "stream") {
    const g2 = grid(surface, constantsOf(figure.lib, figure.state), box, "linear"),
      lines = contours(g2),
      out = new Float64Array(lines.length);
    for (let k = 0; k < out.length; k += 2) {
      out[k] = f.X(lines[k]);
      out[k + 1] = f.Y(lines[k + 1]);
    }
    brush.image(tinted(g2), f.x, f.y, f.w, f.h);
    brush.line(out, { stroke: DATA.ground, width: 0.7, alpha: 0.45 });
  }
  const P = (p) => [f.X(p[0]), f.Y(p[1])],
    colour = figure.styles[step.i].colour,
    norm = Math.hypot(...g);
  const away = norm ? [at[0] - (g[0] / norm) * half * 0.7, at[1] - (g[1] / norm) * half * 0.7] : at;
  arrow(brush, ...P(at), ...P(away), { stroke: ink, width: 1.5, dash: [3, 2.5] });
  if (step.rule.lookAhead) {
    brush.line([...P(from), ...P(at)], { stroke: ink, width: 1, dash: [1, 2] });
    brush.dots(P(at), 5, { stroke: ink, width: 1.6 });
  }
  if (Math.hypot(drift[0] - from[0], drift[1] - from[1]) > 1e-3 * reach) {
    // On one line with the step they would hide under it, so they are moved aside.
    const [ax, ay] = P(from),
      [bx, by] = P(drift),
      [cx, cy] = P(to),
      across = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax),
      whole = Math.hypot(cx - ax, cy - ay) || 1;
    const aside = Math.abs(across) < 8 * whole ? 8 : 0,
      [ox, oy] = [(-aside * (cy - ay)) / whole, (aside * (cx - ax)) / whole];
    arrow(brush, ax + ox, ay + oy, bx + ox, by + oy, { stroke: DATA.series[0][figure.theme], width: 2 });
    arrow(brush, bx + 1.6 * ox, by + 1.6 * oy, cx + 1.6 * ox, cy + 1.6 * oy, {
      stroke: DATA.series[3][figure.theme],
      width: 2,
    });
  }
  arrow(brush, ...P(from), ...P(to), { stroke: colour, width: 3 }, 11);
  brush.dots(P(from), 4.5, { stroke: colour, width: 1.8 });
  brush.dots(P(to), 4.5, { fill: colour });
  brush.open();
  brush.line([f.x, f.y, f.x + f.w, f.y, f.x + f.w, f.y + f.h, f.x, f.y + f.h, f.x, f.y], {
    stroke: ink,
    width: 1,
    alpha: 0.3,
  });
  const biggest = Math.sqrt(Math.max(...squares.flatMap(([, v]) => Array.from(v)), 1e-300));
  squares.forEach(([name, values], j) => {
    Array.from(values).forEach((v, k) => {
      const side = Math.max(1, (Math.sqrt(Math.max(v, 0)) / biggest) * 36),
        x = 14 + (j * values.length + k) * 74;
      brush.line([x, size - 8, x + side, size - 8, x + side, size - 8 - side, x, size - 8 - side, x, size - 8], {
        stroke: colour,
        fill: `${colour}33`,
        width: 1.2,
      });
      brush.text(x + side + 5, size - 26, `${symbol(name)} ${"xy"[k]}`, { fill: ink, size: 10, align: "left" });
      brush.text(x + side + 5, size - 13, show(v), { fill: ink, size: 10, align: "left" });
    });
  });
  const name = figure.nameOf(step.i);
  figure.lensCanvas.setAttribute("role", "img");
  figure.lensCanvas.setAttribute(
    "aria-label",
    figure.say("cartoon.alt", { name, t: step.t + 1, from: point(step.from), to: point(step.to), g: point(step.g) }),
  );
  figure.lensText.replaceChildren(
    h("p", { class: "dx-lens-title" }, `${name}, t = ${step.t} → ${step.t + 1}, g = ${point(step.g)}`),
    ...step.lines.map((lines, k) =>
      h(
        "table",
        { class: "dx-lines" },
        h("caption", {}, `${figure.say("coordinate")} ${"xyz"[k]}`),
        h(
          "tbody",
          {},
          ...lines.map((line) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, symbol(line.name)),
              h(
                "td",
                {},
                h("span", { class: "dx-formula" }, `= ${line.shown}`),
                h("span", { class: "dx-with" }, `= ${line.numbers}`),
              ),
              h("td", { class: "dx-value", "data-value": line.value }, `= ${show(line.value, 4)}`),
            ),
          ),
        ),
      ),
    ),
  );
  figure.step = step;
}
