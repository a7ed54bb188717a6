// Names at the ends of paths and curves: each stands where nothing else does, and can be pressed.

const SIZE = 12;
const HIGH = SIZE + 4; // of a room
const ROWS = [1, 2, 3].flatMap((k) => [`above ${k}`, `below ${k}`]);
const SIDES = ["right", "left", ...ROWS];

/** The room of a name beside a point. */
function roomFor(words, [x, y], side, wide) {
  const w = wide(words, SIZE),
    room = { w, h: HIGH, x: x - w / 2, y: y - HIGH / 2 };
  if (side === "right") return { ...room, x: x + 9 };
  if (side === "left") return { ...room, x: x - 9 - w };
  const [where, row] = side.split(" ");
  return { ...room, y: where === "above" ? y - 7 - HIGH * row : y + 7 + HIGH * (row - 1) };
}

const apart = (a, b) => a.x + a.w < b.x || b.x + b.w < a.x || a.y + a.h < b.y || b.y + b.h < a.y;

const inside = (a, f) => a.x >= f.x && a.x + a.w <= f.x + f.w && a.y >= f.y && a.y + a.h <= f.y + f.h;

/**
 * Rooms for names, the vivid ones first: `ends` is a list of { i, words, at, vivid }, `f` the frame. A side that a name
 * had before is tried first, so that it does not jump. What finds no room at its end goes to the frame's right edge.
 */
export function arranged(ends, f, wide, before = {}) {
  const placed = [],
    dots = ends.map(({ at: [x, y] }) => ({ x: x - 4, y: y - 4, w: 8, h: 8 }));
  const free = (room) => placed.every((other) => apart(room, other));
  for (const end of [...ends].sort((a, b) => b.vivid - a.vivid)) {
    const sides = [before[end.i], ...SIDES].filter(Boolean);
    const fits = (side) => {
      const room = { ...roomFor(end.words, end.at, side, wide), side };
      return inside(room, f) && free(room) ? room : null;
    };
    const clear = (room) => room && dots.every((dot) => apart(room, dot));
    const rooms = sides.map(fits).filter(Boolean);
    const room = rooms.find(clear) ?? rooms[0] ?? stacked(end, f, wide, free);
    placed.push({ ...room, ...end });
  }
  return placed;
}

/** A room in the frame's corner column, below what stands there already. */
function stacked({ words }, f, wide, free) {
  const w = wide(words, SIZE),
    corner = { x: f.x + f.w - w - 6, y: f.y + 4, w, h: HIGH, side: null };
  for (let y = corner.y; y + HIGH < f.y + f.h; y += HIGH + 2) if (free({ ...corner, y })) return { ...corner, y };
  return corner;
}

/** Draws the names with the paper's colour around them. */
export function writeNames(brush, names, styles, paper, ink) {
  for (const { i, words, x, y, w, h, at, side } of names) {
    const { colour, vivid } = styles[i];
    if (side === null) brush.line([x + w / 2, y + h, ...at], { stroke: ink, width: 1, dash: [1, 3], alpha: 0.7 });
    brush.text(x, y + h / 2, words, {
      fill: vivid ? colour : ink,
      size: SIZE,
      align: "left",
      halo: paper,
      bold: vivid,
    });
  }
}

/** Which run's name lies under a point, or -1. */
export function nameUnder(names, x, y) {
  const found = (names ?? []).find((room) => !apart(room, { x, y, w: 0, h: 0 }));
  return found ? found.i : -1;
}
