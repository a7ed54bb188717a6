import { show } from "./words.js";

/** About n round numbers between two ends. */
export function ticks(low, high, n = 5) {
  const raw = (high - low) / n,
    size = 10 ** Math.floor(Math.log10(raw));
  const step = size * [1, 2, 5, 10].find((k) => k * size >= raw * 0.999);
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++)
    out.push(Math.abs(k) < 1e-9 ? 0 : k * step);
  return out;
}

/** Maps units to pixels: linear or logarithmic along each axis. */
export function frame(x, y, w, h, box, logY = false) {
  const [x0, x1] = box[0],
    [y0, y1] = logY ? box[1].map(Math.log10) : box[1];
  return {
    x,
    y,
    w,
    h,
    box,
    logY,
    X: (v) => x + ((v - x0) / (x1 - x0)) * w,
    Y: (v) => y + h - (((logY ? Math.log10(v) : v) - y0) / (y1 - y0)) * h,
    unX: (p) => x0 + ((p - x) / w) * (x1 - x0),
    unY: (p) => {
      const v = y0 + ((y + h - p) / h) * (y1 - y0);
      return logY ? 10 ** v : v;
    },
  };
}

/** Ticks and names of the axes. */
export function axes(brush, f, ink, names) {
  const grey = { fill: ink, size: 11 },
    rule = { stroke: ink, width: 1, alpha: 0.35 };
  brush.line([f.x, f.y, f.x, f.y + f.h, f.x + f.w, f.y + f.h], rule);
  for (const v of ticks(...f.box[0], Math.max(2, Math.round(f.w / 80))))
    brush.text(f.X(v), f.y + f.h + 12, show(v), grey);
  let ys;
  if (f.logY) {
    const [a, b] = f.box[1].map(Math.log10),
      step = Math.max(1, Math.ceil((b - a) / 5));
    ys = [];
    for (let e = Math.ceil(a / step) * step; e <= b; e += step) ys.push(10 ** e);
    if (b - a < 1.6)
      ys = [-3, -2, -1, 0, 1]
        .map((k) => 10 ** (Math.floor(b) + k))
        .flatMap((p) => [p, 2 * p, 5 * p])
        .filter((v) => v >= f.box[1][0] && v <= f.box[1][1]);
  } else ys = ticks(...f.box[1], Math.max(2, Math.round(f.h / 55)));
  for (const v of ys) {
    brush.text(f.x - 6, f.Y(v), show(v), { ...grey, align: "right" });
    brush.line([f.x - 3, f.Y(v), f.x, f.Y(v)], rule);
  }
  if (names[0]) brush.text(f.x + f.w, f.y + f.h + 25, names[0], { ...grey, size: 12, align: "right" });
  if (names[1]) brush.text(f.x, f.y - 9, names[1], { ...grey, size: 12, align: "left" });
}

export function arrow(brush, x0, y0, x1, y1, style, head = 8) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (!(length > 0.5)) return;
  const size = Math.min(head, length * 0.6),
    ux = (x1 - x0) / length,
    uy = (y1 - y0) / length;
  const bx = x1 - size * ux,
    by = y1 - size * uy;
  brush.line([x0, y0, bx, by], style);
  brush.line(
    [x1, y1, bx - 0.45 * size * uy, by + 0.45 * size * ux, bx + 0.45 * size * uy, by - 0.45 * size * ux, x1, y1],
    { fill: style.stroke, alpha: style.alpha },
  );
}

/** Where a piece from inside to outside meets the frame. */
export function edge(f, x0, y0, x1, y1) {
  let t = 1;
  if (x1 < f.x) t = Math.min(t, (f.x - x0) / (x1 - x0));
  if (x1 > f.x + f.w) t = Math.min(t, (f.x + f.w - x0) / (x1 - x0));
  if (y1 < f.y) t = Math.min(t, (f.y - y0) / (y1 - y0));
  if (y1 > f.y + f.h) t = Math.min(t, (f.y + f.h - y0) / (y1 - y0));
  return [x0 + t * (x1 - x0), y0 + t * (y1 - y0)];
}
