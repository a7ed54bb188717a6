// Names at the ends of paths and curves: each stands where nothing else does, and can be pressed.

const SIZE = 12;
const HIGH = SIZE + 4; // of a room
/**
 * Places beside an end: which side, how many rows down, how much farther out; the nearest and most usual come first.
 */
const PLACES = [0, 30, 60]
  .flatMap((out) => [0, -1, 1, -2, 2, -3, 3, -4, 4, -6, 6].flatMap((row) => [1, -1, 0].map((side) => [side, row, out])))
  .filter(([side, row, out]) => side || (row && !out));

/** The room of a name at a place, and how far from its end that is. */
function roomAt(words, [x, y], [side, row, out], wide) {
  const w = wide(words, SIZE),
    away = 5 * Math.abs(row) + out / 3 + (1 - side);
  return {
    w,
    h: HIGH,
    x: x - w / 2 + side * (9 + out + w / 2),
    y: y - HIGH / 2 + row * HIGH - (side ? 0 : Math.sign(row)),
    away,
    far: Math.abs(row) > 1 || out > 0,
  };
}

const apart = (a, b) => a.x + a.w < b.x || b.x + b.w < a.x || a.y + a.h < b.y || b.y + b.h < a.y;

const inside = (a, f) => a.x >= f.x && a.x + a.w <= f.x + f.w && a.y >= f.y && a.y + a.h <= f.y + f.h;

/** How many pixels of a line lie under a room. */
export function under(xy, { x, y, w, h }) {
  let sum = 0;
  for (let i = 2; i < xy.length; i += 2) {
    const u = xy[i] - xy[i - 2],
      v = xy[i + 1] - xy[i - 1],
      l = (x - xy[i - 2]) / u,
      r = l + w / u,
      t = (y - xy[i - 1]) / v,
      b = t + h / v,
      share = Math.min(Math.max(l, r), Math.max(t, b), 1) - Math.max(Math.min(l, r), Math.min(t, b), 0);
    if (share > 0) sum += share * Math.hypot(u, v);
  }
  return sum;
}

/**
 * Rooms for names, the vivid ones first: `ends` is a list of { i, words, at, vivid }, `f` the frame. A room lies on no
 * other name and none of the `marks` (rectangles), and where it hides least of the `lines` (flat coordinates) without
 * going far. An end with points `along` is a curve's: its name may stand beside any of them, best near `at`. The place
 * that a name had `before` is worth something, and is kept, if it is free, while a walk `plays`: a name does not jump.
 * What finds no room at its end goes to the frame's right edge.
 */
export function arranged(ends, f, wide, { lines, marks, before, plays }) {
  const placed = [],
    taken = [...marks],
    dots = ends.map(({ at: [x, y] }) => ({ x: x - 4, y: y - 4, w: 8, h: 8 }));
  const free = (room) => inside(room, f) && taken.every((other) => apart(room, other));
  for (const end of [...ends].sort((a, b) => b.vivid - a.vivid)) {
    let best = null,
      least = Infinity;
    const had = before[end.i];
    const look = (at, place) => {
      const room = { ...roomAt(end.words, at, place, wide), place, at };
      let cost = room.away - (place === had ? 8 : 0) + Math.hypot(at[0] - end.at[0], at[1] - end.at[1]) / 15;
      if (cost >= least || !free(room)) return;
      for (const dot of dots) if (!apart(room, dot)) cost += 40;
      for (const xy of lines) if (cost < least) cost += under(xy, room) / 2;
      if (cost < least) [best, least] = [room, cost];
    };
    if (had) look(end.at, had);
    if (!(plays && best)) for (const place of PLACES) look(end.at, place);
    for (const at of end.along || []) for (const place of PLACES.slice(0, 8)) look(at, place);
    const room = { ...end, ...(best ?? stacked(end, f, wide, free)) };
    placed.push(room);
    taken.push(room);
  }
  return placed;
}

/** A room in the frame's corner column, below what stands there already. */
function stacked({ words }, f, wide, free) {
  const w = wide(words, SIZE),
    corner = { x: f.x + f.w - w - 6, y: f.y + 4, w, h: HIGH, far: true };
  for (let y = corner.y; y + HIGH < f.y + f.h; y += HIGH + 2) if (free({ ...corner, y })) return { ...corner, y };
  return corner;
}

/** The room that names need at the right of curves; none where they would take too much of the width. */
export function marginFor(names, brush, width) {
  const wide = Math.max(0, ...names.map((words) => brush.wide(words, SIZE) + 4)),
    most = 20 * Math.ceil(wide / 20); // a name that grows by a digit does not move the frame
  return most > width / 3 ? 0 : most;
}

/** Draws the names with the paper's colour around them, and a line from an end to a name that stands far from it. */
export function writeNames(brush, names, styles, paper, ink) {
  for (const { i, x, y, w, h, at, far } of names) {
    const near = [Math.min(Math.max(at[0], x), x + w), Math.min(Math.max(at[1], y), y + h)];
    if (far) brush.line([...near, ...at], { stroke: styles[i]?.colour ?? ink, width: 1, dash: [1, 2] });
  }
  for (const { i, words, x, y, h } of names) {
    const { colour, vivid } = styles[i] ?? {}; // a goal has none
    brush.text(x, y + h / 2, words, {
      fill: vivid ? colour : ink,
      size: SIZE,
      align: "left",
      halo: paper,
      bold: vivid,
    });
  }
}

/** Which run's name lies under a point, or less than 0. */
export function nameUnder(names, x, y) {
  const found = (names ?? []).find((room) => !apart(room, { x, y, w: 0, h: 0 }));
  return found ? found.i : -1;
}
