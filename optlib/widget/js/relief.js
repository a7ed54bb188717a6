// The surface from the side.

import { rgb } from "./brush.js";
import { DATA } from "./data.js";
import { share } from "./ground.js";
import { allFinite } from "./walk.js";

/** The surface and the walks from the side, far things first; returns where each walk ends. */
export function relief(brush, ground, scene, w, h, state, walks, styles, upTo) {
  const { n, z, box, heights: hs } = ground,
    m = 44,
    turn = (state.turn * Math.PI) / 180,
    tilt = (state.tilt * Math.PI) / 180;
  const [cosT, sinT, cosP, sinP] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const low = hs[0],
    high = hs[hs.length - 1],
    size = Math.min(w / 2.9, h / 2.25);
  const mid = hs[Math.floor(hs.length / 2)],
    power = Math.log(0.5) / Math.log(Math.min(Math.max((mid - low) / (high - low), DATA.drawing.middle), 0.5));
  const lift = (v) =>
    Number.isFinite(v)
      ? Math.min(Math.max((v - low) / (high - low), 0), 1.2) ** Math.min(Math.max(power, 0.25), 1)
      : NaN;
  const place = (u, v, t) => {
    const a = u * cosT - v * sinT,
      b = u * sinT + v * cosT,
      c = t - 0.42;
    return [w / 2 + size * a, h / 2 - size * (b * sinP + c * cosP), b * cosP - c * sinP];
  };
  const items = [],
    at = (i, j) => z[Math.round((j / m) * (n - 1)) * n + Math.round((i / m) * (n - 1))],
    [r, g, b] = rgb(DATA.ground);
  for (let j = 0; j < m; j++) {
    for (let i = 0; i < m; i++) {
      const corners = [
        [i, j],
        [i + 1, j],
        [i + 1, j + 1],
        [i, j + 1],
        [i, j],
      ].map(([p, q]) => place((2 * p) / m - 1, (2 * q) / m - 1, lift(at(p, q))));
      if (!corners.every((c) => allFinite(c))) continue;
      const value = (at(i, j) + at(i + 1, j + 1)) / 2,
        s = 1 - share(value, hs);
      items.push({
        depth: (corners[0][2] + corners[2][2]) / 2,
        xy: corners.flatMap((c) => [c[0], c[1]]),
        fill: `rgba(${r},${g},${b},${0.1 + 0.5 * s ** DATA.drawing.fade})`,
      });
    }
  }
  const unit = (x, k) => (2 * (x - box[k][0])) / (box[k][1] - box[k][0]) - 1;
  const ends = walks.map((walkOf, k) => {
    const end = Math.min(upTo ?? walkOf.n, walkOf.n);
    let last = null;
    for (let t = 0; t <= end; t++) {
      const x = walkOf.path[2 * t],
        y = walkOf.path[2 * t + 1],
        u = unit(x, 0),
        v = unit(y, 1);
      const here = Math.abs(u) <= 1 && Math.abs(v) <= 1 ? place(u, v, lift(scene.value(x, y)) + 0.012) : null;
      if (here && last)
        items.push({
          depth: Math.min(here[2], last[2]) - 0.06,
          xy: [last[0], last[1], here[0], here[1]],
          stroke: styles[k].colour,
          alpha: styles[k].vivid ? 1 : 0.4,
        });
      if (here && (t === 0 || t === end))
        items.push({ depth: here[2] - 0.1, dot: [here[0], here[1]], colour: styles[k].colour, ring: t === 0 });
      last = here;
    }
    return last && [last[0], last[1]];
  });
  items.sort((p, q) => q.depth - p.depth);
  for (const item of items) {
    if (item.dot)
      brush.dots(
        item.dot,
        item.ring ? 4.5 : 4,
        item.ring ? { stroke: item.colour, width: 1.6 } : { fill: item.colour },
      );
    else if (item.fill) brush.line(item.xy, { fill: item.fill, stroke: DATA.ground, width: 0.5, alpha: 0.85 });
    else brush.line(item.xy, { stroke: item.stroke, width: 2, alpha: item.alpha });
  }
  return ends;
}
