// The picture: scenes, walks, curves.

import { arrow, axes, edge, frame } from "./axes.js";
import { Brush, fit, wipe } from "./brush.js";
import { seriesOf } from "./curves.js";
import { DATA } from "./data.js";
import { contours, grid, tinted } from "./ground.js";
import { relief } from "./relief.js";
import { constantsOf } from "./walk.js";
import { show, symbol } from "./words.js";

/** The whole main picture, on a canvas or into a file. */
export function paint(figure, brush, ink) {
  const { state } = figure,
    [w, hh] = [figure.width, figure.height],
    small = w < 420;
  const f = frame(
    small ? 34 : 42,
    16,
    w - (small ? 42 : 54),
    hh - 48,
    figure.box().length > 1 ? figure.box() : [figure.box()[0], [0, 1]],
  );
  figure.frame = f;
  if (state.scene === "time") return paintTime(figure, brush, ink);
  if (state.scene === "line") return paintLine(figure, brush, f, ink);
  if (state.scene === "map") return paintMap(figure, brush, f, ink);
  if (state.view === "relief") {
    const surface = figure.lib.surfaces[state.surface],
      constants = constantsOf(figure.lib, state);
    return relief(
      brush,
      groundOf(figure).ground,
      { value: (x, y) => surface.value(x, y, constants) },
      w,
      hh,
      state,
      figure.walks,
      figure.styles,
      ink,
      state.at,
    );
  }
  paintGround(figure, brush, f, ink);
  brush.clip(f.x, f.y, f.w, f.h);
  for (const [i, walked] of figure.walks.entries()) paintWalk(figure, brush, f, walked, figure.styles[i]);
  brush.open();
  for (const [i, walked] of figure.walks.entries()) paintExit(figure, brush, f, walked, figure.styles[i]);
}

/** Tint, map, contour lines, minima and axes; on the canvas they are drawn once and copied. */
export function paintGround(figure, brush, f, ink) {
  const cache = groundOf(figure),
    direct = (b) => {
      if (figure.mapCanvas && figure.state.map !== "off") b.image(figure.mapCanvas, f.x, f.y, f.w, f.h, false);
      else b.image(cache.tint, f.x, f.y, f.w, f.h);
      const lines = new Float64Array(cache.lines.length);
      for (let i = 0; i < lines.length; i += 2) {
        lines[i] = f.X(cache.lines[i]);
        lines[i + 1] = f.Y(cache.lines[i + 1]);
      }
      b.line(lines, { stroke: DATA.ground, width: 0.8, alpha: 0.55 });
      const surface = figure.lib.surfaces[figure.state.surface],
        constants = constantsOf(figure.lib, figure.state);
      for (const [x, y] of surface.minima) {
        if (Math.hypot(...surface.gradient(x, y, constants)) > 1e-4) continue;
        const [p, q] = [f.X(x), f.Y(y)];
        if (p < f.x || p > f.x + f.w || q < f.y || q > f.y + f.h) continue;
        b.line([p - 5, q, p + 5, q, NaN, NaN, p, q - 5, p, q + 5], { stroke: ink, width: 1.6 });
      }
      axes(b, f, ink, ["x", "y"]);
    };
  if (!(brush instanceof Brush)) return direct(brush);
  const key = [cache.groundKey, f.w, f.h, ink, figure.mapVersion, figure.state.map].join("|");
  if (cache.stillKey !== key || !cache.still) {
    const canvas = document.createElement("canvas");
    fit(canvas, figure.width, figure.height);
    direct(new Brush(wipe(canvas, figure.width, figure.height)));
    cache.still = canvas;
    cache.stillKey = key;
    figure.cache = cache;
  }
  brush.image(cache.still, 0, 0, figure.width, figure.height);
}

export function paintWalk(figure, brush, f, { path, n }, look) {
  const end = Math.min(figure.upTo(), n),
    xy = new Float64Array(2 * (n + 1));
  const far = 1e5; // canvases lose what lies much farther
  for (let t = 0; t <= n; t++) {
    xy[2 * t] = Math.min(Math.max(f.X(path[2 * t]), -far), far);
    xy[2 * t + 1] = Math.min(Math.max(f.Y(path[2 * t + 1]), -far), far);
  }
  if (end < n) brush.line(xy, { stroke: look.colour, width: 1.2, alpha: 0.25 });
  const walked = xy.subarray(0, 2 * (end + 1));
  brush.line(walked, { stroke: look.colour, width: 2, dash: look.dash });
  if (n <= 60) brush.dots(walked, 2.1, { fill: look.colour });
  brush.dots(xy.subarray(2 * end, 2 * end + 2), 4, { fill: look.colour });
}

/** Where a walk leaves the frame for good, an arrow. */
export function paintExit(figure, brush, f, { path, n }, look) {
  const inside = (t) =>
    path[2 * t] >= f.box[0][0] &&
    path[2 * t] <= f.box[0][1] &&
    path[2 * t + 1] >= f.box[1][0] &&
    path[2 * t + 1] <= f.box[1][1];
  const end = Math.min(figure.upTo(), n);
  if (inside(end)) return;
  let t = end;
  while (t >= 0 && !inside(t)) t--;
  if (t < 0) return;
  const a = [f.X(path[2 * t]), f.Y(path[2 * t + 1])],
    b = edge(f, ...a, f.X(path[2 * t + 2]), f.Y(path[2 * t + 3]));
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1,
    k = Math.min(14, length) / length;
  arrow(brush, b[0] - k * (b[0] - a[0]), b[1] - k * (b[1] - a[1]), ...b, { stroke: look.colour, width: 2 }, 10);
}

export function paintLine(figure, brush, f, ink) {
  const { state, lib } = figure,
    surface = lib.surfaces[state.surface],
    constants = constantsOf(lib, state),
    [low, high] = f.box[0],
    m = 401;
  const xs = Array.from({ length: m }, (_, i) => low + (i / (m - 1)) * (high - low)),
    zs = xs.map((x) => surface.value(x, constants)).map((z) => (Number.isFinite(z) ? z : NaN));
  const good = zs.filter(Number.isFinite),
    top = Math.max(...good),
    bottom = Math.min(...good),
    pad = (top - bottom) * 0.08;
  const g = frame(f.x, f.y, f.w, f.h, [f.box[0], [bottom - pad, top + pad]]),
    curve = [];
  figure.frame = g;
  for (const [i, x] of xs.entries()) curve.push(g.X(x), g.Y(zs[i]));
  brush.line([g.x, g.y + g.h, ...curve.map((v) => (Number.isFinite(v) ? v : g.y + g.h)), g.x + g.w, g.y + g.h], {
    fill: DATA.ground,
    alpha: 0.12,
  });
  brush.line(curve, { stroke: DATA.ground, width: 1.6 });
  for (const [x] of surface.minima)
    brush.line(
      [
        g.X(x) - 5,
        g.Y(surface.value(x, constants)),
        g.X(x) + 5,
        g.Y(surface.value(x, constants)),
        NaN,
        NaN,
        g.X(x),
        g.Y(surface.value(x, constants)) - 5,
        g.X(x),
        g.Y(surface.value(x, constants)) + 5,
      ],
      { stroke: ink, width: 1.6 },
    );
  axes(brush, g, ink, ["x", "f"]);
  brush.clip(g.x, 0, g.w, g.y + g.h);
  figure.walks.forEach(({ path, n }, i) => {
    const end = Math.min(figure.upTo(), n),
      lift = 5 * (i + 1),
      xy = new Float64Array(2 * (end + 1));
    for (let t = 0; t <= end; t++) {
      xy[2 * t] = g.X(path[t]);
      xy[2 * t + 1] = g.Y(surface.value(path[t], constants)) - lift;
    }
    brush.line(xy, { stroke: figure.styles[i].colour, width: 1.4, alpha: 0.6 });
    brush.dots(xy, 2.3, { fill: figure.styles[i].colour });
    brush.dots(xy.subarray(2 * end), 5, { fill: figure.styles[i].colour });
  });
  brush.open();
}

export function paintMap(figure, brush, f, ink) {
  const { state } = figure;
  if (figure.mapCanvas) brush.image(figure.mapCanvas, f.x, f.y, f.w, f.h, true);
  axes(
    brush,
    f,
    ink,
    state.axes.map(([name]) => symbol(name, state.runs[0].hyper)),
  );
  const { hyper } = state.runs[0],
    [x, y] = state.axes.map(([name]) => hyper[name]);
  brush.dots([f.X(x), f.Y(y)], 5, { fill: figure.styles[0].colour });
}

export function paintTime(figure, brush, ink) {
  const { state } = figure,
    [w, hh] = [figure.width, figure.height],
    g = chartFrame(figure, w, hh - 4, true);
  axes(brush, g, ink, ["t", figure.say(`series.${state.series}`)]);
  brush.clip(g.x, g.y, g.w, g.h);
  if (state.stream && state.series === "memory") {
    const dots = new Float64Array(2 * state.steps);
    for (let t = 0; t < state.steps; t++) {
      dots[2 * t] = g.X(t + 1);
      dots[2 * t + 1] = g.Y(state.stream[t % state.stream.length][0]);
    }
    brush.dots(dots, 1.8, { fill: ink, alpha: 0.45 });
  }
  paintCurves(figure, brush, g, 2);
  brush.open();
  figure.frame = g;
}

export function chartFrame(figure, w, hh, big = false) {
  const { state, lib } = figure,
    what = state.series;
  if (!figure.cache.series || figure.cache.series.what !== what) {
    const found = seriesOf(lib, state, figure.walks, what),
      extra = what === "memory" && state.stream ? [[Float64Array.from(state.stream, (g) => g[0])]] : [];
    figure.cache.series = { what, ...found, ...span([...found.curves, ...extra], what) };
  }
  const { log, range } = figure.cache.series;
  return frame(44, 18, w - 54, hh - (big ? 46 : 50), [[0, state.steps], range], log);
}

export function paintCurves(figure, brush, g, width) {
  const { curves } = figure.cache.series,
    at = figure.upTo();
  curves.forEach((set, i) => {
    set.forEach((values, k) => {
      const xy = new Float64Array(2 * values.length);
      for (let t = 0; t < values.length; t++) {
        const v = values[t];
        xy[2 * t] = g.X(t);
        xy[2 * t + 1] = g.logY ? (v > 0 ? Math.min(g.Y(v), 1e5) : NaN) : Math.min(Math.max(g.Y(v), -1e5), 1e5);
      }
      if (figure.state.at !== null) brush.line(xy, { stroke: figure.styles[i].colour, width: 1, alpha: 0.25 });
      brush.line(xy.subarray(0, 2 * (at + 1)), {
        stroke: figure.styles[i].colour,
        width,
        dash: k ? [1.2, 1.6] : figure.styles[i].dash,
      });
    });
  });
  if (figure.state.at !== null)
    brush.line([g.X(at), g.y, g.X(at), g.y + g.h], { stroke: figure.ink(), width: 1, alpha: 0.6 });
}

export function drawSeries(figure) {
  const [w, hh] = [figure.side.clientWidth || 240, 158],
    g = chartFrame(figure, w, hh),
    brush = new Brush(wipe(figure.side, w, hh));
  figure.sideFrame = g;
  const { series } = figure.state,
    name =
      figure.say(`series.${series}`) +
      (series === "loss" && figure.cache.series.floor ? " − min" : "") +
      (series === "rate" && figure.state.start.length > 1 ? "  x —  y ···" : "");
  axes(brush, g, figure.ink(), ["t", name]);
  brush.clip(g.x, g.y - 1, g.w, g.h + 2);
  paintCurves(figure, brush, g, 1.6);
  brush.open();
  const ends = figure.cache.series.curves.map((set, i) => `${figure.nameOf(i)} ${show(set[0]?.at(-1) ?? NaN)}`);
  figure.side.setAttribute("role", "img");
  figure.side.setAttribute("aria-label", `${figure.say("panel", { what: name })}: ${ends.join("; ")}`);
}

export function groundOf(figure) {
  const { state, lib } = figure,
    key = JSON.stringify([state.surface, state.constants, figure.box(), state.levels]);
  if (figure.cache.groundKey !== key) {
    const g = grid(lib.surfaces[state.surface], constantsOf(lib, state), figure.box(), state.levels);
    figure.cache = { ...figure.cache, groundKey: key, ground: g, tint: tinted(g), lines: contours(g), still: null };
  }
  return figure.cache;
}
