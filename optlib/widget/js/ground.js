// What lies under the walks: tint, contour lines, maps.

import { rgb } from "./brush.js";
import { DATA } from "./data.js";

/** Values of a surface on a grid over a box, with the heights of the contour lines. */
export function grid(surface, constants, box, levels) {
  const n = DATA.drawing.grid,
    z = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const y = box[1][0] + (j / (n - 1)) * (box[1][1] - box[1][0]);
    for (let i = 0; i < n; i++)
      z[j * n + i] = surface.value(box[0][0] + (i / (n - 1)) * (box[0][1] - box[0][0]), y, constants);
  }
  return { n, z, box, heights: heights(z, levels) };
}

/** Heights for the contour lines, chosen as optlib.view chooses them; values that are no numbers count for nothing. */
export function heights(z, levels, n = DATA.drawing.lines) {
  const sorted = z.filter(Number.isFinite).sort(),
    m = sorted.length;
  if (!m) return [0, 1];
  const low = sorted[0],
    high = sorted[m - 1],
    quantile = (q) => sorted[Math.round(q * (m - 1))];
  if (high <= low) return [low - 1, low, low + 1];
  if (levels === "log") {
    const floor = Math.max((quantile(DATA.drawing.low) - low) / (high - low), DATA.drawing.floor);
    return [low, ...Array.from({ length: n }, (_, k) => low + (high - low) * floor ** (1 - k / (n - 1)))];
  }
  const middle = Math.min(Math.max((quantile(0.5) - low) / (high - low), DATA.drawing.middle), 0.5);
  const power = levels === "linear" ? 1 : Math.log(middle) / Math.log(0.5);
  const all = Array.from({ length: n + 1 }, (_, k) => low + (high - low) * (k / n) ** power);
  return [low, ...all.slice(1).filter((h) => h > quantile(DATA.drawing.crumb))];
}

/** Which band of heights a value lies in, from 1 for the lowest; the search begins at a neighbour's. */
function band(z, hs, near) {
  let k = near;
  while (k > 1 && !(z > hs[k - 1])) k--;
  while (k < hs.length - 1 && z > hs[k]) k++;
  return k;
}

/** The same as a share: 0 lowest, 1 highest. */
export const share = (z, hs) => (band(z, hs, 1) - 1) / Math.max(hs.length - 2, 1);

/** The tint of the bands as a small canvas: opacity carries the height. */
export function tinted({ n, z, heights: hs }) {
  const canvas = document.createElement("canvas"),
    size = 2 * n,
    [r, g, b] = rgb(DATA.ground);
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d"),
    image = context.createImageData(size, size),
    px = image.data,
    { tint, fade } = DATA.drawing,
    opacity = hs.map((_, k) => 255 * tint * (1 - (k - 1) / Math.max(hs.length - 2, 1)) ** fade);
  let near = 1;
  for (let j = 0; j < size; j++) {
    const y = Math.min(((size - 1 - j) / (size - 1)) * (n - 1), n - 1.0001),
      y0 = Math.floor(y),
      v = y - y0;
    for (let i = 0; i < size; i++) {
      const x = Math.min((i / (size - 1)) * (n - 1), n - 1.0001),
        x0 = Math.floor(x),
        u = x - x0,
        k = y0 * n + x0;
      const value = (1 - v) * ((1 - u) * z[k] + u * z[k + 1]) + v * ((1 - u) * z[k + n] + u * z[k + n + 1]);
      const p = 4 * (j * size + i);
      px[p] = r;
      px[p + 1] = g;
      px[p + 2] = b;
      near = band(value, hs, near);
      px[p + 3] = Number.isFinite(value) ? opacity[near] : 0;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The contour lines as flat pieces of two points each, in the box's own units (marching squares). */
export function contours({ n, z, box, heights: hs }) {
  const out = [],
    px = (i) => box[0][0] + (i / (n - 1)) * (box[0][1] - box[0][0]),
    py = (j) => box[1][0] + (j / (n - 1)) * (box[1][1] - box[1][0]);
  for (const h of hs.slice(1, -1)) {
    for (let j = 0; j < n - 1; j++) {
      for (let i = 0; i < n - 1; i++) {
        const k = j * n + i,
          a = z[k] - h,
          b = z[k + 1] - h,
          c = z[k + n + 1] - h,
          d = z[k + n] - h;
        const kind = (a > 0) + 2 * (b > 0) + 4 * (c > 0) + 8 * (d > 0);
        if (kind === 0 || kind === 15 || !Number.isFinite(a + b + c + d)) continue;
        const cuts = [];
        if (a > 0 !== b > 0) cuts.push(px(i + a / (a - b)), py(j));
        if (b > 0 !== c > 0) cuts.push(px(i + 1), py(j + b / (b - c)));
        if (c > 0 !== d > 0) cuts.push(px(i + d / (d - c)), py(j + 1));
        if (d > 0 !== a > 0) cuts.push(px(i), py(j + a / (a - d)));
        for (let m = 0; m + 3 < cuts.length; m += 4) out.push(cuts[m], cuts[m + 1], cuts[m + 2], cuts[m + 3], NaN, NaN);
      }
    }
  }
  return Float64Array.from(out);
}

/** The picture's map as a small canvas. */
export function mapped(map, mode, steps, theme) {
  const canvas = document.createElement("canvas");
  canvas.width = map.nx;
  canvas.height = map.ny;
  const context = canvas.getContext("2d"),
    image = context.createImageData(map.nx, map.ny),
    px = image.data;
  const { faint, full, quick } = DATA.drawing,
    ground = rgb(DATA.ground),
    hues = DATA.series.map((each) => rgb(each[theme]));
  for (let j = 0; j < map.ny; j++) {
    for (let i = 0; i < map.nx; i++) {
      const v = map.values[j * map.nx + i],
        p = 4 * ((map.ny - 1 - j) * map.nx + i);
      const [hue, alpha] =
        mode === "where"
          ? [hues[Math.max(v, 0) % hues.length], v < 0 ? 0 : 0.42]
          : mode === "fast"
            ? [ground, v < 0 ? 0 : 0.08 + 0.62 * (1 - v / steps) ** 2]
            : [ground, v >= 0 ? 0 : faint + full * (1 - Math.exp(quick * v))];
      px[p] = hue[0];
      px[p + 1] = hue[1];
      px[p + 2] = hue[2];
      px[p + 3] = 255 * alpha;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
