// A rule that the reader typed in the page: one more algorithm of the figure. `options.rules` loads the editor with its
// translator when it is asked for; `options.live` is what it loaded.

import { libraryWith } from "./figure.js";
import { checked } from "./state.js";
import { ask } from "./trouble.js";

/** The library with the typed rule: { key, extra, lib, python }. Throws what is wrong with its text. */
function withRule({ options, given }, own) {
  ask(options.live, "why.algorithm", { name: own.like });
  const { key, text, python } = options.live.compiled(own, libraryWith(given)),
    more = given ? `(${given})()` : "{}",
    body = `const more = ${more}, own = (() => {\n${text}\n})();
return { ...more, rules: { ...more.rules, ${JSON.stringify(key)}: own } };`;
  const extra = new Function(body);
  return { key, extra, lib: libraryWith(extra), python };
}

function take(figure, { key, extra, lib, python }) {
  figure.options.extra = extra;
  Object.assign(figure, { lib, ownKey: key, ownPython: python });
}

/** The rule of a state that came from a link. */
export function adopt(figure, own) {
  try {
    take(figure, withRule(figure, own));
  } catch (error) {
    throw figure.options.live ? new Error(figure.options.live.fault(error, own.source, figure.lang)) : error;
  }
}

/** What the numbers become when a text is changed: those whose default stayed keep the reader's value. */
function carried(rule, before, hyper) {
  const kept = Object.keys(rule.defaults).filter((name) => before?.defaults[name] === rule.defaults[name]);
  return { ...rule.defaults, ...Object.fromEntries(kept.map((name) => [name, hyper[name]])) };
}

/** Draws a typed rule { source, like }, first beside run i. Throws what is wrong with it, and changes nothing then. */
export function learn(figure, own, i) {
  const made = withRule(figure, own),
    state = structuredClone(figure.state),
    at = figure.ownKey ? state.runs.findIndex((run) => run.rule === figure.ownKey) : -1,
    from = state.runs[at >= 0 ? at : i] ?? { hyper: {} },
    rule = made.lib.rules[made.key];
  const run = { rule: made.key, hyper: carried(rule, figure.lib.rules[from.rule], from.hyper), delay: from.delay ?? 0 };
  if (at >= 0) state.runs[at] = run;
  else state.vivid = [state.runs.push(run) - 1, ...(state.runs[i] ? [i] : [])];
  state.own = own;
  const next = checked(made.lib, state),
    shape = ({ runs }) => JSON.stringify(runs.map((each) => [each.rule, Object.keys(each.hyper)])),
    same = shape(next) === shape(figure.state);
  take(figure, made);
  figure.state = next;
  figure.changed(!same);
  return made.key;
}
