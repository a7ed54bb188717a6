// States: checked, packed into a link, compared.

import { DATA } from "./data.js";
import { isSchedule } from "./walk.js";

export const finite = (x) => typeof x === "number" && Number.isFinite(x);

export function ask(ok, why) {
  if (!ok) throw new Error(why);
}

/** A whole state from a partial one, checked: a link may have been edited by hand. Throws an Error that says why. */
export function checked(lib, given, base) {
  ask(given && typeof given === "object" && !Array.isArray(given), "no state in it");
  const known = Object.keys(DATA.defaults),
    state = { ...structuredClone(DATA.defaults), ...structuredClone(base ?? {}), ...structuredClone(given) };
  for (const name of Object.keys(given)) ask(known.includes(name), `unknown entry "${name}"`);
  const surface = lib.surfaces[state.surface];
  ask(surface || state.surface === "stream", `unknown surface "${state.surface}"`);
  if (base && given.surface !== undefined && given.surface !== base.surface && given.constants === undefined)
    state.constants = {};
  for (const [name, value] of Object.entries(state.constants))
    ask(name in (surface?.constants ?? {}) && finite(value), `constant ${name}`);
  state.constants = { ...surface?.constants, ...state.constants };
  state.start = state.start ?? surface?.start.slice() ?? [0];
  ask(
    Array.isArray(state.start) &&
      state.start.every(finite) &&
      state.start.length === (surface?.dim ?? state.start.length),
    "start",
  );
  ask(
    Number.isInteger(state.steps) && state.steps >= 1 && state.steps <= 5000,
    `steps = ${state.steps}, allowed are 1 to 5000`,
  );
  ask(Array.isArray(state.runs) && state.runs.length <= 24, "runs");
  for (const run of state.runs) {
    const rule = lib.rules[run?.rule];
    ask(rule, `unknown algorithm "${run?.rule}"`);
    run.hyper = { ...rule.defaults, ...(run.hyper ?? {}) };
    run.delay = run.delay ?? 0;
    ask(Number.isInteger(run.delay) && run.delay >= 0 && run.delay <= 200, `delay = ${run.delay}`);
    for (const [name, value] of Object.entries(run.hyper)) {
      ask(name in rule.defaults, `${run.rule} has no ${name}`);
      if (isSchedule(value)) {
        const maker = lib.schedules[value.schedule];
        ask(maker, `unknown schedule "${value.schedule}"`);
        ask(
          Object.values(rule.start).indexOf(name) < 0,
          `${run.rule} starts its memory at ${name}, which takes no schedule`,
        );
        for (const part of maker.arguments) ask(finite(value[part]), `${value.schedule} needs ${part}`);
      } else {
        const [low, high, closed] = rule.ranges[name] ?? [-Infinity, null, false];
        ask(
          finite(value) && value >= low && (high === null || value < high || (closed && value === high)),
          `${run.rule}: ${name} = ${value}`,
        );
      }
    }
  }
  const choices = {
    scene: ["plane", "line", "time", "map"],
    view: ["plane", "relief"],
    map: ["off", "where", "fast", "stable"],
    levels: ["auto", "log", "linear"],
    series: SERIES,
  };
  for (const [name, values] of Object.entries(choices)) ask(values.includes(state[name]), `${name} = "${state[name]}"`);
  for (const name of ["noise", "seed", "batch", "turn", "tilt"])
    ask(finite(state[name]) && state[name] >= (name === "turn" ? -360 : 0), `${name} = ${state[name]}`);
  ask(state.batch <= 1000 && Number.isInteger(state.batch), "batch");
  ask(state.at === null || (Number.isInteger(state.at) && state.at >= 0), "at");
  ask(state.domain === null || (Array.isArray(state.domain) && state.domain.flat().every(finite)), "domain");
  ask(
    !state.stream || state.stream.every((g) => Array.isArray(g) && g.every(finite) && g.length === state.start.length),
    "stream",
  );
  const dim = state.start.length;
  if (state.scene === "plane" && dim !== 2) state.scene = "line";
  if (state.scene === "line" && dim !== 1) state.scene = "plane";
  if (state.surface === "stream") {
    ask(state.stream, "stream");
    state.scene = "time";
  }
  if (dim !== 2) {
    state.view = "plane";
    if (state.map !== "off") state.map = "off";
  }
  state.at = state.at === null ? null : Math.min(state.at, state.steps);
  state.mapOf = Math.min(state.mapOf, Math.max(state.runs.length - 1, 0));
  state.follow = Math.min(state.follow, Math.max(state.runs.length - 1, 0));
  return state;
}

export const SERIES = ["loss", "x", "y", "gradient", "step", "rate", "lr", "memory"];

/** What differs from another state: what a link must carry. */
export function difference(state, base) {
  return Object.fromEntries(
    Object.entries(state).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(base[name])),
  );
}

export function packed(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

export function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
