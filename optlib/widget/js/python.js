// The Python that makes the same walks.

import { DATA } from "./data.js";
import { isWhole } from "./scale.js";
import { difference } from "./state.js";
import { isSchedule } from "./walk.js";

function number(x) {
  if (x === Infinity) return "float('inf')";
  return Number.isInteger(x) ? `${x}.0` : String(x);
}

function literal(x) {
  return JSON.stringify(x).replaceAll("null", "None").replaceAll("true", "True").replaceAll("false", "False");
}

const given = (pairs) => pairs.map(([name, value]) => `${name}=${value}`).join(", ");

/** A hyper-parameter: a number, or a schedule by its name. */
function hyperText(lib, value) {
  if (!isSchedule(value)) return number(value);
  const parts = lib.schedules[value.schedule].arguments;
  const told = parts.map((name) => [name, isWhole(name) ? value[name] : number(value[name])]);
  return `schedules.${value.schedule}(${given(told)})`;
}

/** A run's optimizer; `own` is the rule that the reader typed, { key, text }. */
function optimizerOf(lib, { rule, hyper }, own) {
  const changed = Object.entries(hyper).filter(([name, value]) => value !== lib.rules[rule].defaults[name]);
  const told = changed.map(([name, value]) => `, ${name}=${hyperText(lib, value)}`).join("");
  return `Optimizer(${rule === own?.key ? rule : `rules.${rule}`}${told})`;
}

/** Whether plain `descend` walks so: no noise, examples, delays, given gradients. */
function isPlain(lib, state) {
  const { surface, noise, batch_size, stream, project, runs } = state;
  if (!lib.surfaces[surface] || !Object.hasOwn(DATA.library, surface)) return false;
  return !noise && !batch_size && !stream && !project && runs.every((run) => !run.delay);
}

/** The lines of Python that make the same walks. */
export function python(lib, state, walks = [], own = null) {
  if (!isPlain(lib, state)) {
    const { at, turn, tilt, follow, tabs, tab, own: _, ...rest } = difference(state, DATA.defaults);
    const head = "from optlib.widget import Explorer\n";
    if (own === null) return `${head}figure = Explorer(**${literal(rest)})\npaths = figure.paths()\n`;
    const { runs, ...scene } = rest,
      told = runs.map((run) => optimizerOf(lib, run, own)).join(",\n    "),
      late = runs.map((run) => run.delay ?? 0),
      zipped = `zip(figure.state["runs"], ${literal(late)})`,
      delays = `figure.state = {"runs": [{**run, "delay": late} for run, late in ${zipped}]}\n`,
      made = `figure = Explorer(algorithms=[\n    ${told},\n], **${literal(scene)})\n`;
    return [
      `from optlib import Optimizer, rules, schedules\n${head}${own.text}\n`,
      `${made}${late.some(Boolean) ? delays : ""}paths = figure.paths()\n`,
    ].join("");
  }
  const usual = lib.surfaces[state.surface].constants;
  const changed = Object.entries(state.constants).filter(([name, value]) => value !== usual[name]);
  const but = changed.length ? `.but(${given(changed.map(([name, value]) => [name, number(value)]))})` : "";
  const names = runNames(state);
  const start = state.start.map(number).join(", ");
  const runs = state.runs.map((run, i) => {
    const rule = lib.rules[run.rule];
    const loss = (rule.given.includes("loss") ? ", loss=f" : "") + (walks[i]?.end ? ", strict=False" : "");
    const walked = `${optimizerOf(lib, run, own)}, f.grad, [${start}], steps=${state.steps}${loss}`;
    return `    "${names[i]}": descend(${walked}),\n`;
  });
  const scheduled = state.runs.some((run) => Object.values(run.hyper).some(isSchedule));
  const two = state.start.length === 2;
  const look = two && state.levels !== "auto" ? `, levels="${state.levels}"` : "";
  return [
    `from optlib import Optimizer, descend, rules${scheduled ? ", schedules" : ""}, surfaces, view`,
    ...(own ? [own.text] : []),
    `f = surfaces.${state.surface}${but}`,
    `paths = {\n${runs.join("")}}`,
    `view.${two ? "contour" : "curve"}(f, paths${look})\n`,
  ].join("\n");
}

/** A name for each run: its rule's, and a number where there are several of them. */
function runNames(state) {
  const count = {};
  for (const { rule } of state.runs) count[rule] = (count[rule] ?? 0) + 1;
  const seen = {};
  return state.runs.map(({ rule }) => {
    seen[rule] = (seen[rule] ?? 0) + 1;
    return count[rule] === 1 ? rule : `${rule} ${seen[rule]}`;
  });
}
