// What the figure holds { at, seed, lr }, what a text may set and read, what it says.

import { Training } from "./training.js";
import { ask, sentence } from "./trouble.js";
import { ruleName, show } from "./words.js";

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** The examples as arrays, and the places of the map of outputs. */
export function prepared(data) {
  const { side, box } = data,
    at = ([low, high], k) => low + ((k + 0.5) / side) * (high - low),
    places = Float64Array.from({ length: 2 * side * side }, (_, i) => {
      const place = i >> 1;
      return i % 2 ? at(box[1], side - 1 - Math.floor(place / side)) : at(box[0], place % side);
    });
  return { ...data, inputs: Float64Array.from(data.X), targets: Float64Array.from(data.y), places };
}

/** A whole state from a partial one; throws what is wrong with it. */
export function checkedNet(data, given, base) {
  ask(isObject(given), "why.none");
  const state = { at: 0, seed: 0, ...structuredClone(base), ...structuredClone(given) },
    allow = (ok, name, value) => ask(ok, "why.value", { name, value: JSON.stringify(value) }),
    whole = (name, high) =>
      allow(Number.isInteger(state[name]) && state[name] >= 0 && state[name] <= high, name, state[name]);
  for (const name of Object.keys(state)) ask(["at", "seed", "lr"].includes(name), "why.entry", { name });
  whole("at", data.steps);
  whole("seed", 1e6);
  ask(isObject(state.lr), "why.none");
  for (const name of Object.keys(state.lr))
    ask(
      data.runs.some((run) => run.rule === name),
      "why.algorithm",
      { name },
    );
  const usual = Object.fromEntries(data.runs.map(({ rule, hyper }) => [rule, hyper.lr]));
  state.lr = { ...usual, ...base?.lr, ...state.lr };
  for (const [name, rate] of Object.entries(state.lr))
    allow(typeof rate === "number" && rate >= usual[name] / 10.01 && rate <= usual[name] * 10.01, `${name}.lr`, rate);
  return state;
}

/** A state with some keys set: `at`, `seed`, `sgd.lr`. */
export function assignedNet(data, state, values) {
  const next = structuredClone(state);
  for (const [name, text] of Object.entries(values)) {
    const value = String(text).trim() === "" ? NaN : Number(text),
      [, rule] = /^(\w+)\.lr$/.exec(name) ?? [];
    ask(Number.isFinite(value), "why.value", { name, value: text });
    if (rule && Object.hasOwn(state.lr, rule)) next.lr[rule] = value;
    else {
      ask(name === "at" || name === "seed", "why.key", { name });
      next[name] = value;
    }
  }
  return checkedNet(data, next);
}

/** All optimizers at the beginning. */
export const trainings = (lib, data, state) => data.runs.map((run) => new Training(lib, data, run, state));

/** What stands where all have arrived: loss, and the curvature beside what the rule can bear. */
export function saysNet(runs, lang) {
  const told = runs.map(({ run, gone, loss, bend, limit }) =>
    sentence(lang, gone ? "net.gone" : limit === null ? "net.free" : "net.told", {
      name: ruleName(run.rule, lang),
      loss: show(loss, 2),
      bend: show(bend, 2),
      limit: show(limit, 2),
    }),
  );
  const t = Math.min(...runs.map((each) => each.t));
  return sentence(lang, "net.says", { t, told: told.join(lang === "zh" ? "；" : "; ") });
}

/** A reading { value, text }: `says`, `at`, `seed`, and of an optimizer `sgd.loss`, `.curvature`, `.limit`, `.lr`. */
export function readingNet(state, runs, key, lang) {
  const numbered = (value, digits = 3) => ({ value, text: show(value, digits) });
  if (key === "says") return { value: null, text: saysNet(runs, lang) };
  if (key === "at") return numbered(Math.min(...runs.map(({ t }) => t)), 5);
  if (key === "seed") return numbered(state.seed, 7);
  const [, rule, what] = /^(\w+)\.(\w+)$/.exec(key) ?? [],
    found = runs.find(({ run }) => run.rule === rule);
  ask(found && ["loss", "curvature", "limit", "lr"].includes(what), "why.key", { name: key });
  if (what === "lr") return numbered(state.lr[rule]);
  return numbered(found[{ loss: "loss", curvature: "bend", limit: "limit" }[what]]);
}
