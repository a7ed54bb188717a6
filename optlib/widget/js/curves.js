// Curves over the steps and how the runs look.

import { DATA } from "./data.js";
import { constantsOf, rateAt, settle } from "./walk.js";

/** The runs that stand out: those that the scene names, then those that its controls name, then the first ones. */
export function vividOf(state) {
  const named = state.show.map((key) => /^runs\.(\d+)\./.exec(key)).filter(Boolean);
  const wished = [...(state.vivid ?? []), ...named.map((found) => Number(found[1])), ...state.runs.keys()];
  return [...new Set(wished)].filter((i) => i >= 0 && i < state.runs.length).slice(0, state.vivid?.length || 2);
}

/** Colours, dashes and weights of the runs: an algorithm's own colour as long as no other run of the figure has it. */
export function looks(state, theme) {
  const taken = new Set(),
    vivid = vividOf(state),
    free = DATA.series.filter((each) => each[theme]);
  const alone = (rule) => state.runs.filter((run) => run.rule === rule).length === 1;
  return state.runs.map(({ rule }, i) => {
    const own = DATA.looks[rule];
    let colour = alone(rule) ? own?.[theme] : undefined;
    if (!colour || taken.has(colour)) {
      const left = free.filter((each) => !taken.has(each[theme]));
      colour = (left.length ? left[0] : free[i % free.length])[theme];
    }
    taken.add(colour);
    return { colour, dash: (alone(rule) && own?.dash) || null, vivid: vivid.includes(i) };
  });
}

/** The values that the curve beside the picture shows: for each run a list of arrays over the steps. */
export function seriesOf(lib, state, walks, what) {
  const surface = lib.surfaces[state.surface],
    constants = constantsOf(lib, state);
  const lowest = surface?.minima.length ? Math.min(...surface.minima.map((m) => surface.value(...m, constants))) : 0;
  const floor = Number.isFinite(lowest) && Math.abs(lowest) > 1e-9 ? lowest : 0;
  const curves = walks.map((w) => {
    const { d, n, path, grads } = w,
      out = [];
    const column = (m, value) => {
      const a = new Float64Array(m);
      for (let t = 0; t < m; t++) a[t] = value(t);
      out.push(a);
    };
    if (what === "loss" && surface) {
      if (d === 2) column(n + 1, (t) => surface.value(path[2 * t], path[2 * t + 1], constants) - floor);
      else column(n + 1, (t) => surface.value(path[t], constants) - floor);
    } else if (what === "x") column(n + 1, (t) => path[t * d]);
    else if (what === "y" && d > 1) column(n + 1, (t) => path[t * d + 1]);
    else if (what === "gradient") column(n, (t) => Math.hypot(...grads.subarray(t * d, t * d + d)));
    else if (what === "step")
      column(n, (t) => {
        let s = 0;
        for (let i = 0; i < d; i++) s += (path[(t + 1) * d + i] - path[t * d + i]) ** 2;
        return Math.sqrt(s);
      });
    else if (what === "move") column(n, (t) => path[(t + 1) * d] - path[t * d]);
    else if (what === "rate") for (let i = 0; i < d; i++) column(n, (t) => rateAt(w, t, i));
    else if (what === "lr" && "lr" in w.run.hyper) {
      const { hyper, moving } = settle(lib, lib.rules[w.run.rule], w.run.hyper);
      const schedule = moving.find(([name]) => name === "lr")?.[1] ?? (() => hyper.lr);
      column(state.steps, schedule);
    } else if (what === "memory" && w.kept.length) column(n + 1, (t) => w.kept[0][t * d]);
    return out;
  });
  return { curves, floor };
}

export const LOGARITHMIC = ["loss", "gradient", "step", "rate"];

/** The range of some curves, and whether a logarithmic axis suits them. */
export function span(curves, what) {
  let low = Infinity,
    high = -Infinity,
    least = Infinity;
  for (const c of curves.flat()) {
    for (const v of c) {
      if (!Number.isFinite(v)) continue;
      if (v < low) low = v;
      if (v > high) high = v;
      if (v > 0 && v < least) least = v;
    }
  }
  if (low > high) return { log: false, range: [0, 1] };
  if (LOGARITHMIC.includes(what) && least < Infinity && high > 0) {
    const bottom = Math.max(least, high * 1e-12, 1e-16);
    return { log: true, range: [bottom / 1.3, Math.min(high, bottom * 1e18) * 1.3 + 1e-300] };
  }
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return { log: false, range: [low - pad, high + pad] };
}
