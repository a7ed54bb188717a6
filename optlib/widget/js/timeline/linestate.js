// A time line: what it holds { over, worker, nth }, what a text may set and read, what it says. The bars come ready from
// Python: rows [worker from 0, begin, end, version, age or null], by worker and time.

import { ask, sentence } from "./trouble.js";
import { show } from "./words.js";

export const runOf = (data, state) => data.runs[state.over];

/** The bars of one worker, from 1. */
export const ofWorker = (data, state, worker) => runOf(data, state).rows.filter((row) => row[0] === worker - 1);

/** The chosen bar: the worker's nth, or its last where the run has fewer of them. */
export function chosen(data, state) {
  const bars = ofWorker(data, state, state.worker);
  return bars[Math.min(state.nth, bars.length) - 1];
}

/** The version that a gradient's update made. */
export const made = ([, , , version, age]) => version + age + 1;

/** The bars whose updates came between the reading and the writing of one. */
export function between(data, state, [, , , version, age]) {
  return runOf(data, state).rows.filter((row) => row[4] !== null && made(row) > version && made(row) <= version + age);
}

/** A whole state from a partial one; throws what is wrong with it. */
export function checkedLine(data, given, base = {}) {
  ask(given !== null && typeof given === "object" && !Array.isArray(given), "why.none");
  const state = { over: 0, worker: 1, nth: 1, ...base, ...given };
  for (const name of Object.keys(state)) {
    ask(["over", "worker", "nth"].includes(name), "why.entry", { name });
    const [low, high] = { over: [0, data.runs.length - 1], worker: [1, data.workers], nth: [1, data.most] }[name];
    const ok = Number.isInteger(state[name]) && state[name] >= low && state[name] <= high;
    ask(ok, "why.value", { name, value: state[name] });
  }
  return state;
}

/** A state with some keys set: the slider's name, `worker` (from 1), `nth` (its bars, from 1). */
export function assignedLine(data, state, values) {
  const next = { ...state };
  for (const [name, text] of Object.entries(values)) {
    const value = String(text).trim() === "" ? NaN : Number(text),
      bad = { name, value: text };
    if (name === data.over?.name) {
      next.over = data.over.values.indexOf(value);
      ask(next.over >= 0, "why.value", bad);
    } else {
      ask(name === "worker" || name === "nth", "why.key", { name });
      next[name] = value;
    }
  }
  const whole = checkedLine(data, next);
  if ("nth" in values)
    ask(whole.nth <= ofWorker(data, whole, whole.worker).length, "why.value", { name: "nth", value: values.nth });
  return whole;
}

/** What happened to one gradient. */
export function saysBar(data, row, lang) {
  const [worker, begin, end, version, age] = row,
    who = data.who[lang],
    key = age === null ? "line.kept" : (["line.fresh", "line.one"][age] ?? "line.old");
  return sentence(lang, key, {
    who: who[0].toUpperCase() + who.slice(1),
    worker: worker + 1,
    begin: show(begin),
    end: show(end),
    version,
    made: made(row),
    age,
  });
}

export function saysLine(data, state, lang) {
  const { mean, count } = runOf(data, state),
    bar = saysBar(data, chosen(data, state), lang);
  return count ? bar + (lang === "zh" ? "" : " ") + sentence(lang, "line.mean", { mean: show(mean), n: count }) : bar;
}

/**
 * A reading { value, text }: of the chosen bar `worker`, `version`, `made`, `age`; of all gradients of the run `mean`,
 * their mean age, and `mean.4`, that of one worker's; the slider's name; `says`.
 */
export function readingLine(data, state, key, lang) {
  const numbered = (value) => ({ value, text: show(value) }),
    row = chosen(data, state),
    run = runOf(data, state);
  if (key === "says") return { value: null, text: saysLine(data, state, lang) };
  if (key === data.over?.name) return numbered(data.over.values[state.over]);
  const own = {
    worker: row[0] + 1,
    version: row[3],
    made: row[4] === null ? null : made(row),
    age: row[4],
    mean: run.mean,
  };
  if (Object.hasOwn(own, key)) return numbered(own[key]);
  const [, worker] = /^mean\.(\d+)$/.exec(key) ?? [];
  ask(worker >= 1 && worker <= data.workers, "why.key", { name: key });
  return numbered(run.means[worker - 1]);
}
