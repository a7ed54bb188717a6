// Curves over the steps: as a scene of their own, and beside the picture.

import { axes, frame } from "./axes.js";
import { Brush, wipe } from "./brush.js";
import { seriesOf, span } from "./curves.js";
import { marginFor } from "./names.js";
import { nameEnds, namesOf, paleFirst } from "./picture.js";
import { arrival, arrivalText, minimaOf } from "./readings.js";
import { show } from "./words.js";

const HEIGHT = 158; // of the small panel

/** The frame of the curves, whose values are computed once for each walk. */
function chartFrame(figure, { x, y, w, h }) {
  const { state, lib } = figure,
    what = state.series;
  if (figure.cache.series?.what !== what) {
    const found = seriesOf(lib, state, figure.walks, what),
      extra = dotsOf(figure) ? [[dotsOf(figure)]] : [];
    // Of a scene of its own the axis stays while a number is dragged, as long as the curves fit.
    const frame = state.scene === "time" && ["x", "move"].includes(what) ? [figure.box()] : [];
    figure.cache.series = { what, ...found, ...span([...found.curves, ...extra, ...frame], what) };
  }
  const { log, range } = figure.cache.series;
  return frame(x, y, w, h, [[0, state.steps], range], log);
}

/** Draws the curves; returns where each one ends, or null. */
function paintCurves(figure, brush, g, width) {
  const { curves } = figure.cache.series,
    { at } = figure.state,
    upTo = figure.upTo(),
    ends = curves.map(() => null);
  const height = (v) => {
    if (g.logY) return v > 0 ? Math.min(g.Y(v), 1e5) : NaN;
    return Math.min(Math.max(g.Y(v), -1e5), 1e5);
  };
  for (const i of paleFirst(figure)) {
    const { colour, dash, vivid } = figure.styles[i],
      alpha = vivid ? 1 : 0.4;
    for (const [k, values] of curves[i].entries()) {
      const xy = new Float64Array(2 * values.length);
      for (let t = 0; t < values.length; t++) {
        xy[2 * t] = g.X(t);
        xy[2 * t + 1] = height(values[t]);
      }
      if (at !== null) brush.line(xy, { stroke: colour, width: 1, alpha: 0.25 * alpha });
      const drawn = xy.subarray(0, 2 * (upTo + 1));
      figure.lines.push(drawn);
      brush.line(drawn, { stroke: colour, width, dash: k ? [1.2, 1.6] : dash, alpha });
      if (k === 0) ends[i] = lastIn(drawn, g);
    }
  }
  if (at !== null) brush.line([g.X(upTo), g.y, g.X(upTo), g.y + g.h], { stroke: figure.ink, width: 1, alpha: 0.6 });
  return ends;
}

function lastIn(xy, g) {
  for (let k = xy.length - 2; k >= 0; k -= 2) if (xy[k + 1] >= g.y && xy[k + 1] <= g.y + g.h) return [xy[k], xy[k + 1]];
  return null;
}

/** Curves as the whole scene. */
export function paintTime(figure, brush, ink) {
  const { state, area } = figure,
    names = namesOf(figure, "t", figure.say(`series.${state.series}`)),
    // A curve that is alone needs no name where the axis has one.
    named = !names[2] || state.runs.length > 1,
    told = named ? state.runs.map((_, i) => figure.shortName(i)) : [],
    g = chartFrame(figure, { ...area, w: area.w - marginFor(told, brush, area.w) });
  figure.frame = g;
  axes(brush, g, ink, names);
  brush.clip(g.x, g.y, g.w, g.h);
  const goals = goalsOf(figure);
  for (const goal of goals) figure.lines.push(paintGoal(brush, g, ink, goal));
  const given = dotsOf(figure);
  if (given) {
    const dots = Float64Array.from({ length: 2 * given.length }, (_, k) =>
      k % 2 ? g.Y(given[k >> 1]) : g.X((k >> 1) + 1),
    );
    brush.dots(dots, 1.8, { fill: ink, alpha: 0.45 });
    for (let k = 0; k < dots.length; k += 2) figure.lines.push([dots[k] - 3, dots[k + 1], dots[k] + 3, dots[k + 1]]);
  }
  const ends = paintCurves(figure, brush, g, 2);
  brush.open();
  const others = [];
  if (names[2])
    for (const [x, within] of goals) {
      const along = Array.from({ length: 24 }, (_, k) => [g.x + (1 - k / 24) * g.w, g.Y(x + within)]);
      others.push({ words: names[2], at: along[0], along });
    }
  if (names[3]) {
    const at = given.indexOf(Math.max(...given));
    others.push({ words: names[3], at: [g.X(at + 1), g.Y(given[at])] });
  }
  paintArrival(figure, brush, g, ink, others);
  nameEnds(figure, brush, named ? ends : [null], { ...area, w: area.w + 8 }, ink, others);
}

/** Where the first walk is at its goal for good: the text says "arrives", and a reader looks for the place. */
function paintArrival(figure, brush, g, ink, others) {
  const { lib, state, lang } = figure,
    walked = figure.walks[0],
    t = walked && state.series === "x" ? arrival(lib, state, walked) : Infinity,
    foot = g.y + g.h;
  if (t > figure.upTo()) return;
  const [x, y] = [g.X(t), g.Y(walked.path[t])];
  brush.dots([x, y], 6, { stroke: ink, width: 2 });
  brush.line([x, y + 6, x, foot], { stroke: ink, width: 1, dash: [1, 3] });
  others.push({ words: arrivalText({ state, walked, lang }, t), at: [x, foot - 10] });
}

/** The gradients that a curve follows; those that it makes steps of point as the steps do. */
function dotsOf({ state: { series, stream, steps, start }, walks }) {
  if (series === "move" && walks.length && start.length === 1)
    return walks[0].grads.slice(0, walks[0].n).map((g) => -g);
  return stream && series === "memory"
    ? Float64Array.from({ length: steps }, (_, t) => stream[t % stream.length][0])
    : null;
}

/** Heights that the curve should come to, each with what counts as there. */
function goalsOf({ lib, state }) {
  if (state.ideal !== null) return [[state.ideal, 0]];
  return state.series === "x" ? minimaOf(lib, state).map(([x]) => [x, state.goal.within ?? 0]) : [];
}

/** Where the curve should come to: a dashed line, and a band as wide as "arrived" allows. Returns the line. */
function paintGoal(brush, g, ink, [x, within]) {
  const low = g.Y(x - within),
    high = g.Y(x + within);
  brush.line([g.x, low, g.x, high, g.x + g.w, high, g.x + g.w, low, g.x, low], { fill: ink, alpha: 0.16 });
  const middle = [g.x, g.Y(x), g.x + g.w, g.Y(x)];
  brush.line(middle, { stroke: ink, width: 1, dash: [5, 4], alpha: 0.6 });
  return middle;
}

/** The small panel beside the picture or below it. */
export function drawSeries(figure) {
  const { side, state } = figure,
    w = side.clientWidth || 240;
  const g = chartFrame(figure, { x: 44, y: 18, w: w - 54, h: HEIGHT - 50 }),
    brush = new Brush(wipe(side, w, HEIGHT));
  figure.sideFrame = g;
  const lowest = state.series === "loss" && figure.cache.series.floor ? " − min" : "",
    both = state.series === "rate" && state.start.length > 1 ? "  x —  y ···" : "",
    name = figure.say(`series.${state.series}`) + lowest + both;
  axes(brush, g, figure.ink, ["t", name]);
  brush.clip(g.x, g.y - 1, g.w, g.h + 2);
  paintCurves(figure, brush, g, 1.6);
  brush.open();
  const ends = figure.cache.series.curves.map((set, i) => `${figure.nameOf(i)} ${show(set[0]?.at(-1) ?? NaN)}`);
  side.setAttribute("role", "img");
  side.setAttribute("aria-label", `${figure.say("panel", { what: name })}: ${ends.join("; ")}`);
}
