// How sliders run: a row of DATA.hyper for each number, with what is not the usual.

import { DATA } from "./data.js";

const shareOf = (value) => (value >= 1 ? 4 : -Math.log10(1 - value));

/** 0.9, 0.99 and 0.999 are equally far apart. */
function shares(closed) {
  const from = (s) => {
    if (s >= 4) return closed ? 1 : 0.9999;
    return +(1 - 10 ** -s).toPrecision(s > 3 ? 5 : s > 2 ? 4 : 3);
  };
  return { min: 0, max: 4, step: 0.02, to: shareOf, from };
}

function linear({ shown: [min, max], step, whole }) {
  return { min, max, step, to: (v) => v, from: (s) => (whole ? Math.round(s) : +s.toPrecision(10)) };
}

/** Powers of ten around the usual value or between two ends; the lowest place stands for 0 where 0 is allowed. */
function logarithmic(row, usual, [least = 0, most = null]) {
  const centre = Math.log10(usual > 0 ? usual : row.usual),
    [low, high] = row.shown ? row.shown.map(Math.log10) : [centre - row.reach, centre + row.reach],
    max = Math.min(high, most ? Math.log10(most) : Infinity);
  const from = (s) => {
    if (row.whole) return Math.round(10 ** s);
    return least === 0 && s <= low + 1e-9 ? 0 : +(10 ** s).toPrecision(3);
  };
  return { min: low, max, step: row.step, to: (v) => (v > 0 ? Math.log10(v) : low), from };
}

const USUAL = { scale: "log", reach: 2, usual: 0.01, step: 0.01 };

/** How a slider runs through a number: its ends on the slider's own scale, and the way there and back. */
export function scale(name, usual, range = []) {
  const row = { ...USUAL, ...DATA.hyper[name] };
  if (row.scale === "share") return shares(range[2]);
  return row.scale === "linear" ? linear(row) : logarithmic(row, usual, range);
}

export const isWhole = (name) => Boolean(DATA.hyper[name]?.whole);
