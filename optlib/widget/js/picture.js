// The picture: a plane, a line, a map or a relief, and the walks in it.

import { arrow, axes, edge, frame } from "./axes.js";
import { Brush, fit, Svg, wipe } from "./brush.js";
import { DATA } from "./data.js";
import { contours, grid, tinted } from "./ground.js";
import { hides, hintOf, spot } from "./handle.js";
import { arranged, under, writeNames } from "./names.js";
import { relief } from "./relief.js";
import { paintTime } from "./series.js";
import { sentence } from "./trouble.js";
import { constantsOf } from "./walk.js";
import { symbol } from "./words.js";

const PALE = 0.4; // the opacity of what does not stand out

/** The whole main picture, on a canvas or into a file. */
export function paint(figure, brush, ink) {
  const { state } = figure,
    f = frameOf(figure);
  figure.frame = f;
  Object.assign(figure, { names: [], lines: [], marks: [] });
  if (state.scene === "time") return paintTime(figure, brush, ink);
  if (state.scene === "line") return paintLine(figure, brush, f, ink);
  if (state.scene === "map") return paintMap(figure, brush, f, ink);
  if (state.view === "relief") return paintRelief(figure, brush);
  paintGround(figure, brush, f, ink);
  brush.clip(f.x, f.y, f.w, f.h);
  for (const i of paleFirst(figure)) figure.lines[i] = paintWalk(figure, brush, f, figure.walks[i], figure.styles[i]);
  brush.open();
  const minima = minimaIn(figure, f),
    words = namesOf(figure)[2];
  paintMinima(figure, brush, minima, ink);
  const ends = figure.walks.map((walked, i) => paintExit(figure, brush, f, walked, figure.styles[i]));
  const goals = words ? minima.map((at) => ({ at, words })) : [];
  nameEnds(figure, brush, ends, f, ink, goals);
}

function frameOf(figure) {
  const { x, y, w, h } = figure.area,
    box = figure.box();
  return frame(x, y, w, h, box.length > 1 ? box : [box[0], [0, 1]]);
}

/** What a drawing makes once and keeps, as functions that each make one of it. */
export function pieces(figure) {
  const { state } = figure,
    { scene, view } = state;
  if (!figure.width || !["plane", "line"].includes(scene)) return [];
  const out = [() => figure.currentWalks()];
  if (scene === "line") return out;
  out.push(() => groundOf(figure));
  if (view === "relief") return out;
  out.push(
    () => tintOf(figure),
    () => linesOf(figure),
  );
  return [...out, () => paintGround(figure, null, frameOf(figure), figure.ink)];
}

/** What the scene calls its axes, its goal and its dots, or the usual letters. */
export const namesOf = ({ state, lang }, ...usual) =>
  [0, 1, 2, 3].map((k) => (k in state.names ? sentence(lang, state.names[k]) : usual[k]));

/** The order of drawing: what stands out comes last, and of that the later the gradient, the earlier: it hides more. */
export const paleFirst = ({ styles, state: { runs } }) => {
  const late = (i) => runs[i].delay ?? 0;
  return [...styles.keys()].sort((a, b) => styles[a].vivid - styles[b].vivid || late(b) - late(a));
};

/**
 * Names at the ends of paths or curves; `ends` has null where nothing ends in the picture, `others` lists what else has
 * a name: { words, at }, or `along` besides.
 */
export function nameEnds(figure, brush, ends, f, ink, others = []) {
  const named = ends.map((at, i) => ({ i, at, words: figure.shortName(i), vivid: figure.styles[i].vivid })),
    wide = (words, size) => brush.wide(words, size),
    { lines, marks, places, playing } = figure;
  figure.names = arranged(
    [...named.filter(({ at }) => at), ...others.map((other, k) => ({ vivid: false, ...other, i: -1 - k }))],
    f,
    wide,
    { lines, marks: [...marks, ...heldRooms(figure, wide)], before: places, plays: playing },
  );
  figure.places = Object.fromEntries(figure.names.map(({ i, place }) => [i, place]));
  writeNames(brush, figure.names, figure.styles, figure.paper, ink);
}

/** Crosses at places [x, y], which no name may hide: they lie above the walks, which would hide them too. */
function paintMinima(figure, brush, places, ink) {
  for (const [x, y] of places) {
    const cross = [x - 5, y, x + 5, y, NaN, NaN, x, y - 5, x, y + 5];
    brush.line(cross, { stroke: figure.paper, width: 4.5, alpha: 0.9 });
    brush.line(cross, { stroke: ink, width: 1.8 });
    figure.marks.push({ x: x - 7, y: y - 7, w: 14, h: 14 });
  }
}

/** The handle at the start, with its hint, which stands higher where lines begin beside the handle. */
function heldRooms(figure, wide) {
  if (hides(figure)) return [];
  const [x, y] = spot(figure),
    w = wide(hintOf(figure), 13) + 14,
    left = x > figure.frame.x + figure.frame.w / 2;
  const beside = { x: left ? x - 11 - w : x + 11, y: y - 10, w, h: 20 },
    above = { ...beside, y: y - 30 },
    hidden = (room) => figure.lines.reduce((sum, xy) => sum + under(xy, room), 0);
  figure.hintUp = above.y > 0 && hidden(above) < hidden(beside) - 20;
  return [{ x: x - 11, y: y - 11, w: 22, h: 22 }, figure.hintUp ? above : beside];
}

function paintRelief(figure, brush) {
  const { state, width, height } = figure,
    surface = figure.lib.surfaces[state.surface],
    constants = constantsOf(figure.lib, state);
  const scene = { value: (x, y) => surface.value(x, y, constants) };
  const { walks, styles } = figure,
    ends = relief(brush, groundOf(figure).ground, scene, width, height, state, walks, styles, state.at);
  nameEnds(figure, brush, ends, { x: 0, y: 0, w: width, h: height }, figure.ink);
}

/** Tint, map, contour lines and axes; for a canvas they are drawn once, and copied where there is a brush. */
export function paintGround(figure, brush, f, ink) {
  const cache = groundOf(figure),
    names = namesOf(figure, "x", "y"),
    direct = (b) => {
      if (figure.mapCanvas && figure.state.map !== "off") b.image(figure.mapCanvas, f.x, f.y, f.w, f.h, false);
      else b.image(tintOf(figure), f.x, f.y, f.w, f.h);
      const own = linesOf(figure),
        lines = new Float64Array(own.length);
      for (let i = 0; i < lines.length; i += 2) {
        lines[i] = f.X(own[i]);
        lines[i + 1] = f.Y(own[i + 1]);
      }
      b.line(lines, { stroke: DATA.ground, width: 0.8, alpha: 0.55 });
      axes(b, f, ink, names);
    };
  if (brush instanceof Svg) return direct(brush);
  const key = [cache.groundKey, f.w, f.h, ink, figure.mapVersion, figure.state.map, ...names].join("|");
  if (cache.stillKey !== key || !cache.still) {
    const canvas = document.createElement("canvas");
    fit(canvas, figure.width, figure.height);
    direct(new Brush(wipe(canvas, figure.width, figure.height)));
    cache.still = canvas;
    cache.stillKey = key;
    figure.cache = cache;
  }
  brush?.image(cache.still, 0, 0, figure.width, figure.height);
}

/** Where the minima are in the picture. */
function minimaIn({ lib, state }, f) {
  const surface = lib.surfaces[state.surface],
    constants = constantsOf(lib, state);
  return surface.minima
    .filter((at) => Math.hypot(...surface.gradient(...at, constants)) <= 1e-4)
    .map(([x, y]) => [f.X(x), f.Y(y)])
    .filter(([p, q]) => p >= f.x && p <= f.x + f.w && q >= f.y && q <= f.y + f.h);
}

/** Draws one walk; returns its coordinates. */
function paintWalk(figure, brush, f, { path, n }, { colour, dash, vivid }) {
  const end = Math.min(figure.upTo(), n),
    xy = new Float64Array(2 * (n + 1));
  const far = 1e5; // canvases lose what lies much farther
  for (let t = 0; t <= n; t++) {
    xy[2 * t] = Math.min(Math.max(f.X(path[2 * t]), -far), far);
    xy[2 * t + 1] = Math.min(Math.max(f.Y(path[2 * t + 1]), -far), far);
  }
  const alpha = vivid ? 1 : PALE;
  if (end < n) brush.line(xy, { stroke: colour, width: 1.2, alpha: 0.25 * alpha });
  const walked = xy.subarray(0, 2 * (end + 1));
  brush.line(walked, { stroke: colour, width: vivid ? 2.2 : 1.4, dash, alpha });
  if (n <= 60) brush.dots(walked, vivid ? 2.3 : 1.8, { fill: colour, alpha });
  brush.dots(xy.subarray(2 * end, 2 * end + 2), vivid ? 4.5 : 3.5, { fill: colour, alpha });
  return xy;
}

/** The end of a walk in the picture; where it leaves the frame for good, an arrow there. */
function paintExit(figure, brush, f, { path, n }, { colour, vivid }) {
  const at = (t) => [f.X(path[2 * t]), f.Y(path[2 * t + 1])];
  const inside = (t) =>
    path[2 * t] >= f.box[0][0] &&
    path[2 * t] <= f.box[0][1] &&
    path[2 * t + 1] >= f.box[1][0] &&
    path[2 * t + 1] <= f.box[1][1];
  const end = Math.min(figure.upTo(), n);
  if (inside(end)) return at(end);
  let t = end;
  while (t >= 0 && !inside(t)) t--;
  if (t < 0) return null;
  const a = at(t),
    b = edge(f, ...a, ...at(t + 1));
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1,
    k = Math.min(14, length) / length;
  const style = { stroke: colour, width: 2, alpha: vivid ? 1 : PALE };
  arrow(brush, b[0] - k * (b[0] - a[0]), b[1] - k * (b[1] - a[1]), ...b, style, 10);
  return b;
}

/** The tint of the ground, and its contour lines: each is made when it is first asked for. */
function tintOf(figure) {
  const cache = groundOf(figure);
  cache.tint ??= tinted(cache.ground);
  return cache.tint;
}

function linesOf(figure) {
  const cache = groundOf(figure);
  cache.lines ??= contours(cache.ground);
  return cache.lines;
}

export function groundOf(figure) {
  const { state, lib } = figure,
    key = JSON.stringify([state.surface, state.constants, figure.box(), state.levels]);
  if (figure.cache.groundKey !== key) {
    const g = grid(lib.surfaces[state.surface], constantsOf(lib, state), figure.box(), state.levels);
    figure.cache = { ...figure.cache, groundKey: key, ground: g, tint: null, lines: null, still: null };
  }
  return figure.cache;
}

/** One coordinate: the curve, and the walks one above the other so that none hides another. */
export function paintLine(figure, brush, f, ink) {
  const { state, lib } = figure,
    surface = lib.surfaces[state.surface],
    constants = constantsOf(lib, state),
    [low, high] = f.box[0],
    m = 401;
  const value = (x) => surface.value(x, constants),
    xs = Array.from({ length: m }, (_, i) => low + (i / (m - 1)) * (high - low)),
    zs = xs.map(value),
    good = zs.filter(Number.isFinite),
    [top, bottom] = [Math.max(...good), Math.min(...good)],
    pad = (top - bottom) * 0.08;
  const g = frame(f.x, f.y, f.w, f.h, [f.box[0], [bottom - pad, top + pad]]),
    foot = g.y + g.h;
  figure.frame = g;
  const curve = xs.flatMap((x, i) => [g.X(x), Number.isFinite(zs[i]) ? g.Y(zs[i]) : NaN]);
  const closed = [g.x, foot, ...curve.map((v) => (Number.isFinite(v) ? v : foot)), g.x + g.w, foot];
  brush.line(closed, { fill: DATA.ground, alpha: 0.12 });
  brush.line(curve, { stroke: DATA.ground, width: 1.6 });
  const minima = surface.minima.map(([x]) => [g.X(x), g.Y(value(x))]);
  paintMinima(figure, brush, minima, ink);
  figure.lines.push(curve);
  axes(brush, g, ink, namesOf(figure, "x", "f"));
  brush.clip(g.x, 0, g.w, foot);
  const ends = figure.walks.map(({ path, n }, i) => {
    const end = Math.min(figure.upTo(), n),
      lift = 5 * (i + 1),
      { colour } = figure.styles[i],
      xy = new Float64Array(2 * (end + 1));
    for (let t = 0; t <= end; t++) {
      xy[2 * t] = g.X(path[t]);
      xy[2 * t + 1] = g.Y(value(path[t])) - lift;
    }
    figure.lines.push(xy);
    brush.line(xy, { stroke: colour, width: 1.4, alpha: 0.6 });
    brush.dots(xy, 2.3, { fill: colour });
    brush.dots(xy.subarray(2 * end), 5, { fill: colour });
    return xy[2 * end] >= g.x && xy[2 * end] <= g.x + g.w ? [xy[2 * end], xy[2 * end + 1]] : null;
  });
  brush.open();
  nameEnds(figure, brush, ends, g, ink);
}

export function paintMap(figure, brush, f, ink) {
  const { state } = figure,
    names = state.axes.map(([name]) => name);
  if (figure.mapCanvas) brush.image(figure.mapCanvas, f.x, f.y, f.w, f.h, true);
  axes(
    brush,
    f,
    ink,
    names.map((name) => symbol(name, state.runs[0].hyper)),
  );
  const [x, y] = names.map((name) => state.runs[0].hyper[name]);
  brush.dots([f.X(x), f.Y(y)], 5, { fill: figure.styles[0].colour });
}
