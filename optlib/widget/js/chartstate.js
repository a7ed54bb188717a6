// Curves with a scrubber: what they hold, what a text may set, what they say. The numbers come ready from Python.

import { finite } from "./state.js";
import { ask, sentence } from "./trouble.js";
import { show } from "./words.js";

/** The curves as numbers: what is none in JSON is no number here. */
export function prepared(data) {
  const numbers = (list) => Float64Array.from(list, (v) => v ?? NaN),
    curves = data.curves.map((curve) => ({ ...curve, values: curve.values.map(numbers) }));
  return { ...data, curves };
}

export const valuesOf = (state, curve) => curve.values[state.over];

const whole = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;

/** A whole state { at, over, patience } from a partial one: which look, which variant, how much patience. */
export function checkedChart(data, given, base = {}) {
  ask(given !== null && typeof given === "object" && !Array.isArray(given), "why.none");
  const last = data.x.length - 1,
    state = { at: last, over: 0, patience: 1, ...base, ...given },
    most = { at: last, over: data.curves[0].values.length - 1, patience: data.most ?? 1 };
  for (const name of Object.keys(state)) {
    ask(Object.hasOwn(most, name), "why.entry", { name });
    ask(whole(state[name], name === "patience" ? 1 : 0, most[name]), "why.value", { name, value: state[name] });
  }
  return state;
}

const nearest = (list, value) =>
  list.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(list[best] - value) ? i : best), 0);

/** A state with some keys set: `at` (a place on the axis), `patience`, or the name of the slider. */
export function assignedChart(data, state, values) {
  const next = { ...state };
  for (const [name, text] of Object.entries(values)) {
    const value = Number(text),
      bad = { name, value: text };
    ask(finite(value) && String(text).trim() !== "", "why.value", bad);
    if (name === "at") {
      ask(value >= data.x[0] && value <= data.x.at(-1), "why.value", bad);
      next.at = nearest(data.x, value);
    } else if (name === data.over?.name) {
      next.over = nearest(data.over.values, value);
      ask(Math.abs(data.over.values[next.over] - value) <= 1e-9 * Math.abs(value), "why.value", bad);
    } else {
      ask(name === "patience" && data.watch, "why.key", { name });
      next.patience = value;
    }
  }
  return checkedChart(data, next);
}

/** Where early stopping ends that looks at each value, and which look it keeps (as optlib.tricks.Patience does). */
export function patient(values, patience) {
  let best = Infinity,
    kept = -1;
  for (let i = 0; i < values.length; i++) {
    if (values[i] < best) {
      best = values[i];
      kept = i;
    } else if (i - kept >= patience) return { stop: i, kept };
  }
  return { stop: null, kept };
}

/** The same for the curve that a figure watches, or null. */
export function stopped(data, state) {
  const watched = data.curves.find(({ name }) => name === data.watch);
  return watched ? { ...patient(valuesOf(state, watched), state.patience), watched } : null;
}

/** What the scrubber's place says, and what early stopping would have done by then. */
export function says(data, state, lang) {
  const at = show(data.x[state.at], 5),
    here = (curve) => valuesOf(state, curve)[state.at],
    order = data.whole ? [...data.curves].sort((a, b) => here(a) - here(b)) : data.curves,
    told = order.map((curve) => `${curve[lang]} ${show(here(curve))}`).concat(sumText(data, state, lang)),
    values = told.join(lang === "zh" ? "，" : ", "),
    place = sentence(lang, "chart.at", { what: data.axes[0][lang], at, values }),
    end = stopped(data, state);
  if (!end) return place;
  const gone = end.stop !== null && state.at >= end.stop,
    soFar = gone ? end : patient(valuesOf(state, end.watched).subarray(0, state.at + 1), Infinity),
    value = show(valuesOf(state, end.watched)[soFar.kept]);
  const given = { n: state.patience, stop: show(data.x[end.stop], 5), kept: show(data.x[soFar.kept], 5), value };
  const then = sentence(lang, gone ? "chart.stopped" : "chart.goes", { ...given, name: end.watched[lang] });
  return place + (lang === "zh" ? "" : " ") + then;
}

/** What all parts hold together at the scrubber. */
const sum = (data, state) => data.curves.reduce((all, curve) => all + valuesOf(state, curve)[state.at], 0);

const sumText = (data, state, lang) =>
  data.stacked ? [sentence(lang, "chart.sum", { sum: show(sum(data, state)) })] : [];

const numbered = (value, digits = 3) => ({ value, text: show(value, digits) });

/**
 * A reading { value, text }: a curve's name (its value at the scrubber), `kept.NAME` and `end.NAME` (at the look that
 * is kept, at the last), `at`, `stop`, `kept`, `patience`, the slider's name, `says`, or, of parts, their `sum`.
 */
export function readingChart(data, state, key, lang) {
  if (key === "says") return { value: null, text: says(data, state, lang) };
  if (key === "at") return numbered(data.x[state.at], 5);
  if (key === "sum" && data.stacked) return numbered(sum(data, state));
  if (key === data.over?.name) return numbered(data.over.values[state.over]);
  const end = stopped(data, state);
  if (end && key === "patience") return numbered(state.patience);
  if (end && key === "kept") return numbered(data.x[end.kept], 5);
  if (end && key === "stop")
    return end.stop === null ? { value: Infinity, text: sentence(lang, "chart.never") } : numbered(data.x[end.stop], 5);
  const [, place, name] = /^(?:(kept|end)\.)?(.*)$/.exec(key),
    curve = data.curves.find((each) => each.name === name);
  ask(curve && (place !== "kept" || end), "why.key", { name: key });
  return numbered(valuesOf(state, curve)[{ kept: end?.kept, end: data.x.length - 1 }[place] ?? state.at]);
}
