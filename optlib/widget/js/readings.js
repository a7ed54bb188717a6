// What a figure can be asked: how long a walk takes, where it ends, how it moves. The page's text, its questions and
// the build ask the same functions.

import { places, subject, valueAt } from "./assign.js";
import { ask, sentence } from "./trouble.js";
import { constantsOf } from "./walk.js";
import { point, show } from "./words.js";

/** The minima of the surface as the state has it: some are none for other constants. */
export function minimaOf(lib, state) {
  const surface = lib.surfaces[state.surface],
    constants = constantsOf(lib, state);
  if (!surface) return [];
  return surface.minima.filter((m) => Math.hypot(...surface.gradient(...m, constants)) < 1e-4);
}

export function lossOf(lib, state, at) {
  const surface = lib.surfaces[state.surface];
  return surface ? surface.value(...at, constantsOf(lib, state)) : NaN;
}

const placeAt = ({ path, d }, t) => path.subarray(t * d, t * d + d);

/** The distance to the nearest minimum: Euclid's, or that of the farthest coordinate. */
function distance(minima, at, norm = Math.hypot) {
  return Math.min(...minima.map((m) => norm(...m.map((v, i) => Math.abs(v - at[i])))));
}

/** The update from which on a walk stays at its goal; Infinity if it does not, has none, or has only just come. */
export function arrival(lib, state, walked) {
  const { within, gap } = state.goal,
    minima = minimaOf(lib, state);
  if (!minima.length || walked.end) return Infinity;
  const lowest = Math.min(...minima.map((m) => lossOf(lib, state, m)));
  const there = (t) => {
    const at = placeAt(walked, t);
    return within > 0 ? distance(minima, at, Math.max) <= within : lossOf(lib, state, at) - lowest <= gap;
  };
  let t = walked.n;
  if (!there(t)) return Infinity;
  while (t > 0 && there(t - 1)) t--;
  return walked.n - t < walked.n / 20 ? Infinity : t;
}

function gone({ end }) {
  if (!end) return null;
  return `read.${end}`;
}

export function arrivalText({ state, walked, lang }, n) {
  if (gone(walked)) return sentence(lang, gone(walked));
  if (n === Infinity) return sentence(lang, "read.never", { n: state.steps });
  return sentence(lang, n === 1 ? "read.one" : "read.arrival", { n });
}

/** How a walk moves until it arrives: it bounces if most steps turn back, swings if it passes by a minimum twice. */
function manner(lib, state, walked, until) {
  const { path, d } = walked,
    last = Math.min(until, walked.n);
  let turns = 0;
  for (let t = 2; t <= last; t++) {
    let dot = 0;
    for (let i = 0; i < d; i++)
      dot += (path[t * d + i] - path[(t - 1) * d + i]) * (path[(t - 1) * d + i] - path[(t - 2) * d + i]);
    if (dot < 0) turns++;
  }
  if (last > 2 && turns > (last - 1) / 2) return "read.bounces";
  const minima = minimaOf(lib, state);
  if (!minima.length) return "read.glides";
  const end = placeAt(walked, walked.n),
    goal = minima.reduce((a, b) => (distance([a], end) <= distance([b], end) ? a : b));
  const passes = goal.map((v, i) => {
    let count = 0;
    for (let t = 1; t <= last; t++) if ((path[t * d + i] - v) * (path[(t - 1) * d + i] - v) < 0) count++;
    return count;
  });
  return Math.max(...passes) >= 2 ? "read.swings" : "read.glides";
}

/** The change to come at step t, of a walk that takes one. */
function stepAt(walked, t) {
  if (t >= walked.n) return [NaN];
  const from = placeAt(walked, t);
  return Array.from(placeAt(walked, t + 1), (v, i) => v - from[i]);
}

/** How far the steps of a walk lie from their mean: the root of the mean square. */
function scatter({ path, d, n }) {
  let sum = 0;
  for (let i = 0; i < d; i++) {
    const mean = (path[n * d + i] - path[i]) / n;
    for (let t = 0; t < n; t++) sum += (path[(t + 1) * d + i] - path[t * d + i] - mean) ** 2;
  }
  return Math.sqrt(sum / n);
}

const gradientAt = ({ grads, d, n }, t) => (t < n ? grads.subarray(t * d, t * d + d) : [NaN]);

const asNumber = (value) => ({ value, text: show(value) });

const asPlace = (at) => ({ value: Array.from(at), text: at.length === 1 ? show(at[0]) : point(at) });

/** What can be read, from { lib, state, walked, t, lang }: the walk, the step that is shown, the language. */
const READINGS = {
  arrival: (of) => {
    const value = arrival(of.lib, of.state, of.walked);
    return { value, text: arrivalText(of, value) };
  },
  verdict: (of) => {
    const { lib, state, walked, lang } = of,
      until = arrival(lib, state, walked),
      told = arrivalText(of, until);
    if (gone(walked)) return { value: walked.end, text: told };
    const how = manner(lib, state, walked, until);
    return { value: how.slice(5), text: sentence(lang, "read.verdict", { how: sentence(lang, how), arrival: told }) };
  },
  loss: ({ lib, state, walked, t }) => asNumber(lossOf(lib, state, placeAt(walked, t))),
  gap: ({ lib, state, walked, t }) => {
    const lowest = Math.min(...minimaOf(lib, state).map((m) => lossOf(lib, state, m)));
    return asNumber(Number.isFinite(lowest) ? lossOf(lib, state, placeAt(walked, t)) - lowest : NaN);
  },
  distance: ({ lib, state, walked, t }) => {
    const minima = minimaOf(lib, state);
    return asNumber(minima.length ? distance(minima, placeAt(walked, t)) : NaN);
  },
  gradient: ({ walked, t }) => asNumber(Math.hypot(...gradientAt(walked, t))),
  scatter: ({ walked }) => asNumber(scatter(walked)),
  step: ({ walked, t }) => asNumber(Math.hypot(...stepAt(walked, t))),
  position: ({ walked, t }) => asPlace(placeAt(walked, t)),
  end: ({ walked }) => asPlace(placeAt(walked, walked.n)),
};

/** Which run a key such as "adam.arrival" or "runs.1.loss" asks about, and for what. */
function asked(state, key) {
  const words = key.split("."),
    name = words.pop();
  if (!words.length) return [subject(state), name];
  const i = words[0] === "runs" ? Number(words[1]) : state.runs.findIndex((run) => run.rule === words[0]);
  return [i, name];
}

/** A reading { value, text } of a figure, or the value of one of its keys. Throws what is wrong with the key. */
export function reading(lib, state, walks, key, lang) {
  const [i, name] = asked(state, key);
  if (Object.hasOwn(READINGS, name)) {
    const walked = walks[i];
    ask(walked, "why.reading", { name: key });
    const t = Math.min(state.at ?? state.steps, walked.n);
    return READINGS[name]({ lib, state, walked, t, lang });
  }
  const value = valueAt(state, places(lib, state, key)[0]);
  if (typeof value === "number") return asNumber(value);
  return { value, text: Array.isArray(value) ? asPlace(value).text : sentence(lang, String(value)) };
}
