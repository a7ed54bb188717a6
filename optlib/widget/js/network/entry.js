// Where the trained network is put: anywidget's entry and the page's, and what it says without a page.

import { hold, modelOf } from "./home.js";
import { Net } from "./net.js";
import { assignedNet, checkedNet, prepared, readingNet, trainings } from "./netstate.js";
import { why } from "./trouble.js";

/** anywidget's entry: a model with the traits state, lang, extra (the compiled code) and network. */
export const render = ({ model, el }) =>
  hold({ model, el }, async (_, options) => new Net(el, model.get("network"), model.get("state"), options));

export const mount = (el, given, options = {}) => render({ model: modelOf(given, options), el });

/** All optimizers where a state has them; `known` keeps those of the states that were asked for before. */
function arrived(lib, data, state, known) {
  const key = JSON.stringify(state);
  if (!known.has(key)) {
    const runs = trainings(lib, data, state);
    for (const run of runs) while (run.t < state.at) run.update();
    known.set(key, runs);
  }
  return known.get(key);
}

/** For each { state, extra, network, lang, ask } the answers { value, text } to the list `ask` of { set, read }. */
export function answers(questions) {
  return questions.map(({ state, extra, network, lang, ask }) => {
    const lib = new Function(extra)(),
      data = prepared(network),
      known = new Map();
    return ask.map(({ set, read }) => {
      try {
        const now = assignedNet(data, checkedNet(data, state), set ?? {});
        return read ? readingNet(now, arrived(lib, data, now, known), read, lang) : { value: null, text: "" };
      } catch (error) {
        return { trouble: why("en", error) };
      }
    });
  });
}
