// States: checked, packed into a link, compared. A state may come from a link that somebody edited by hand.

import { DATA } from "./data.js";
import { ask } from "./trouble.js";
import { isSchedule } from "./walk.js";

export const SERIES = ["loss", "x", "y", "gradient", "step", "move", "rate", "lr", "memory"];

const CHOICES = {
  scene: ["plane", "line", "time", "map"],
  view: ["plane", "relief"],
  map: ["off", "where", "fast", "stable"],
  levels: ["auto", "log", "linear"],
  series: SERIES,
};
const LIMITS = {
  noise: [0, 1e6],
  seed: [0, 1e9],
  batch_size: [0, 1000],
  turn: [-360, 360],
  tilt: [0, 90],
  mapOf: [0, 24],
  follow: [0, 24],
};
const COUNTS = ["batch_size", "mapOf", "follow"];

export const finite = (x) => typeof x === "number" && Number.isFinite(x);

const isList = (value, most) => Array.isArray(value) && value.length <= most;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function allow(ok, name, value) {
  ask(ok, "why.value", { name, value: typeof value === "string" ? value : JSON.stringify(value) });
}

/** A hyper-parameter's number, or its schedule. */
function checkHyper(lib, run, rule, name, value) {
  ask(Object.hasOwn(rule.defaults, name), "why.hyper", { rule: run.rule, name });
  if (!isSchedule(value)) {
    const [low, high, closed] = rule.ranges[name] ?? [-Infinity, null, false];
    const inside = finite(value) && value >= low && (high === null || value < high || (closed && value === high));
    return allow(inside, `${run.rule}: ${name}`, value);
  }
  const maker = lib.schedules[value.schedule];
  ask(maker, "why.schedule", { name: value.schedule });
  ask(!Object.values(rule.start).includes(name), "why.memory", { rule: run.rule, name });
  for (const part of maker.arguments) allow(finite(value[part]), `${value.schedule}: ${part}`, value[part]);
}

function checkRun(lib, run) {
  const rule = isObject(run) ? lib.rules[run.rule] : null;
  ask(rule, "why.algorithm", { name: run?.rule });
  allow(run.hyper === undefined || isObject(run.hyper), "hyper", run.hyper);
  run.hyper = { ...rule.defaults, ...run.hyper };
  run.delay = run.delay ?? 0;
  allow(Number.isInteger(run.delay) && run.delay >= 0 && run.delay <= 200, "delay", run.delay);
  for (const [name, value] of Object.entries(run.hyper)) checkHyper(lib, run, rule, name, value);
}

function checkSurface(lib, state) {
  const surface = lib.surfaces[state.surface];
  ask(surface || (state.surface === "stream" && state.stream), "why.surface", { name: state.surface });
  allow(isObject(state.constants), "constants", state.constants);
  for (const [name, value] of Object.entries(state.constants))
    allow(Object.hasOwn(surface?.constants ?? {}, name) && finite(value), name, value);
  state.constants = { ...surface?.constants, ...state.constants };
  state.start = state.start ?? surface?.start.slice() ?? [0];
  const dim = surface?.dim ?? state.start.length;
  allow(isList(state.start, 2) && state.start.every(finite) && state.start.length === dim, "start", state.start);
  const given = (g) => isList(g, 2) && g.every(finite) && g.length === dim;
  allow(state.stream === null || (isList(state.stream, 5000) && state.stream.every(given)), "stream", "…");
  const pair = (ends) => isList(ends, 2) && ends.every(finite) && ends[0] < ends[1];
  allow(state.domain === null || (isList(state.domain, 2) && state.domain.every(pair)), "domain", state.domain);
}

function checkScene(lib, state) {
  for (const [name, values] of Object.entries(CHOICES)) allow(values.includes(state[name]), name, state[name]);
  for (const [name, [low, high]] of Object.entries(LIMITS)) {
    const value = state[name];
    allow(finite(value) && value >= low && value <= high, name, value);
    if (COUNTS.includes(name)) allow(Number.isInteger(value), name, value);
  }
  const { steps, at, show, vivid, goal, ideal, names, axes, tabs, tab, own } = state;
  ask(Number.isInteger(steps) && steps >= 1 && steps <= 5000, "why.steps", { value: steps });
  allow(at === null || (Number.isInteger(at) && at >= 0), "at", at);
  allow(isList(show, 12) && show.every((key) => typeof key === "string"), "show", show);
  allow(vivid === null || (isList(vivid, 24) && vivid.every(Number.isInteger)), "vivid", vivid);
  allow(isObject(goal) && (goal.within > 0 || goal.gap > 0), "goal", goal);
  allow(ideal === null || finite(ideal), "ideal", ideal);
  allow(isList(names, 4) && names.every((name) => typeof name === "string"), "names", names);
  const scenes = isList(tabs, 12) && tabs.every((each) => isObject(each) && typeof each.name === "string");
  allow(scenes && new Set(tabs.map(({ name }) => name)).size === tabs.length, "tabs", tabs);
  allow(tab === null || tabs.some(({ name }) => name === tab), "tab", tab);
  const typed = isObject(own) && typeof own.source === "string" && own.source.length <= 4000;
  allow(own === null || (typed && (own.like === null || lib.rules[own.like])), "own", "…");
  const named = (axis) => isList(axis, 3) && typeof axis[0] === "string" && finite(axis[1]) && axis[1] < axis[2];
  allow(axes === null ? state.scene !== "map" : isList(axes, 2) && axes.every(named), "axes", axes);
}

const tabNamed = ({ tabs, tab }) => tabs.find(({ name }) => name === tab);

/** What one entry makes of another: a scene fits its surface, and nothing points beyond the last run. */
function settled(state) {
  const dim = state.start.length;
  if (state.scene === "plane" && dim !== 2) state.scene = "line";
  if (state.scene === "line" && dim !== 1) state.scene = "plane";
  if (state.surface === "stream") state.scene = "time";
  if (dim !== 2) {
    state.view = "plane";
    if (state.map !== "off") state.map = "off";
  }
  state.at = state.at === null ? null : Math.min(state.at, state.steps);
  const last = Math.max(state.runs.length - 1, 0);
  if (state.tab !== null && tabNamed(state).surface !== state.surface) state.tab = null;
  state.mapOf = Math.min(state.mapOf, last);
  state.follow = Math.min(state.follow, last);
  return state;
}

/** A whole state from a partial one, checked; throws what is wrong with it. */
export function checked(lib, given, base) {
  ask(isObject(given), "why.none");
  const { sliders, batch, ...rest } = given; // `show` and `batch_size` were called so in what was saved before
  if (sliders !== undefined) rest.show = sliders;
  if (batch !== undefined) rest.batch_size = batch;
  if (Array.isArray(rest.show)) rest.show = rest.show.map((key) => (key === "batch" ? "batch_size" : key));
  for (const name of Object.keys(rest)) ask(Object.hasOwn(DATA.defaults, name), "why.entry", { name });
  const state = { ...structuredClone(DATA.defaults), ...structuredClone(base ?? {}), ...structuredClone(rest) };
  if (base && rest.surface !== undefined && rest.surface !== base.surface) {
    if (rest.constants === undefined) state.constants = {};
    if (rest.start === undefined) state.start = null;
  }
  checkSurface(lib, state);
  allow(isList(state.runs, 24), "runs", "…");
  for (const run of state.runs) checkRun(lib, run);
  checkScene(lib, state);
  return settled(state);
}

/** What differs from another state: what a link must carry. */
export function difference(state, base) {
  const other = ([name, value]) => JSON.stringify(value) !== JSON.stringify(base[name]);
  return Object.fromEntries(Object.entries(state).filter(other));
}
