// Keys of a figure by the names that a text uses: "lr=0.55", "adam.lr=0.1", "constants.b=20", "steps=30".

import { DATA } from "./data.js";
import { checked, difference } from "./state.js";
import { tabbed, tabOf } from "./tabs.js";
import { ask, Trouble } from "./trouble.js";

/** The run that a figure is about: the first that its controls name, else the first. */
export function subject(state) {
  const named = state.show.map((key) => /^runs\.(\d+)\./.exec(key)).find(Boolean);
  return named ? Math.min(+named[1], Math.max(state.runs.length - 1, 0)) : 0;
}

/** The runs that a name's first word picks: "adam" or "runs.1"; all without one. */
function chosen(state, words) {
  const all = [...state.runs.keys()];
  if (words[0] === "runs" && words.length > 2) return [all.filter((i) => String(i) === words[1]), words.slice(2)];
  const own = all.filter((i) => state.runs[i].rule === words[0]);
  return own.length && words.length > 1 ? [own, words.slice(1)] : [null, words];
}

/** Where a key of a text lies in a state: a list of paths, several where one control moves several runs. */
export function places(lib, state, key) {
  const words = key.split(".");
  if (words.length === 1 && Object.hasOwn(DATA.defaults, key)) return [[key]];
  if (words.length === 2 && words[0] === "start" && Number(words[1]) < state.start.length)
    return [["start", Number(words[1])]];
  const constant = words[0] === "constants" ? words[1] : words.length === 1 ? key : null;
  if (constant !== null && Object.hasOwn(state.constants, constant)) return [["constants", constant]];
  const [runs, rest] = chosen(state, words);
  const name = rest[0] === "hyper" ? rest[1] : rest[0];
  if (name === "delay" && runs) return runs.map((i) => ["runs", i, "delay"]);
  const having = (runs ?? [...state.runs.keys()]).filter((i) =>
    Object.hasOwn(lib.rules[state.runs[i].rule].defaults, name),
  );
  ask(having.length && rest.length === (rest[0] === "hyper" ? 2 : 1), "why.key", { name: key });
  const about = subject(state);
  const picked = runs || state.show.includes(key) ? having : [having.includes(about) ? about : having[0]];
  return picked.map((i) => ["runs", i, "hyper", name]);
}

export const valueAt = (state, path) => path.reduce((at, key) => at?.[key], state);

function put(state, path, value) {
  const last = path.at(-1),
    at = valueAt(state, path.slice(0, -1));
  at[last] = value;
}

/** A value as the state holds it, from a text or from a program. */
function parsed(key, path, text) {
  if (typeof text !== "string") return text;
  const usual = path.length === 1 ? DATA.defaults[key] : 0;
  if (key === "start") return text.split(",").map(Number);
  if (typeof usual === "boolean") return text === "true";
  if (typeof usual === "string") return text;
  if (text === "") throw new Trouble("why.value", { name: key, value: text });
  return text === "null" ? null : Number(text);
}

/** A state with some keys set, and the list of [path, value before] that undoes it. Throws what is wrong. */
export function assigned(lib, state, values) {
  const next = structuredClone(state),
    before = [];
  for (const [key, text] of Object.entries(values)) {
    const tab = key === "tab" ? text : key === "surface" && text !== next.surface ? tabOf(next, text) : null;
    if (tab !== null && tab !== "null") {
      const chosen = tabbed(next, tab);
      for (const name of Object.keys(difference(chosen, next))) before.push([[name], structuredClone(state[name])]);
      Object.assign(next, chosen);
      continue;
    }
    if (key === "surface" && text !== next.surface) {
      for (const name of ["constants", "start", "domain", "names"]) before.push([[name], structuredClone(state[name])]);
      Object.assign(next, { constants: {}, start: null, domain: null, names: [] });
    }
    for (const path of places(lib, next, key)) {
      before.push([path, structuredClone(valueAt(state, path))]);
      put(next, path, parsed(key, path, text));
    }
  }
  return { state: checked(lib, next), before };
}

/** A state with what `assigned` changed put back; what cannot be put back any more is left. */
export function undone(lib, state, before) {
  const next = structuredClone(state);
  for (const [path, value] of before) if (valueAt(next, path.slice(0, -1)) !== undefined) put(next, path, value);
  return checked(lib, next);
}

/** Whether a state has these values already. */
export function holds(lib, state, values) {
  const { state: wished } = assigned(lib, state, values);
  return JSON.stringify(wished) === JSON.stringify(state);
}
