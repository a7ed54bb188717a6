// Where the figure is put: anywidget's entry and the page's.

import { assigned } from "./assign.js";
import { Chart } from "./chart.js";
import { assignedChart, checkedChart, prepared, readingChart } from "./chartstate.js";
import { DATA } from "./data.js";
import { Figure, libraryWith, walksOf } from "./figure.js";
import { hold, modelOf } from "./home.js";
import { unpacked } from "./link.js";
import { reading } from "./readings.js";
import { checked } from "./state.js";
import { why } from "./trouble.js";

/** The editor and its translator, if a link holds a typed rule. */
async function typedRule({ link, rules }) {
  try {
    return unpacked(link).own ? await rules() : null;
  } catch {
    return null; // the figure says what is wrong with the link
  }
}

/** anywidget's entry: a model with the traits state, lang, extra and curves. */
export function render({ model, el }) {
  return hold({ model, el }, async (_, options) => {
    const data = model.get("curves");
    if (data?.curves) return new Chart(el, data, model.get("state"), options);
    const live = options.link && options.rules ? await typedRule(options) : undefined;
    return new Figure(el, model.get("state"), { ...options, live });
  });
}

/** The same in a page without a kernel: `given` is { state, lang, extra, curves }, options hold link and address. */
export const mount = (el, given, options = {}) => render({ model: modelOf(given, options), el });

function answerOfChart(data, state, { set, read }, lang) {
  try {
    const now = assignedChart(data, checkedChart(data, state), set ?? {});
    return read ? readingChart(data, now, read, lang) : { value: null, text: "" };
  } catch (error) {
    return { trouble: why("en", error) };
  }
}

/** A scene for a rule by its name, where a page lists it: the ravine, at the rate that suits it there. */
export function sceneOf(name) {
  const rule = Object.hasOwn(DATA.looks, name) ? name : "sgd",
    lr = DATA.rates[rule];
  return { state: { runs: [{ rule, hyper: lr ? { lr } : {} }] } };
}

/**
 * What figures say without a page: for each { state, extra, curves, lang, ask } the answers { value, text } to the
 * list `ask` of { set, read }, or { trouble } with why there is none. The build compares the chapters' texts with them.
 */
export function answers(questions) {
  return questions.map(({ state, extra, curves, lang, ask: asked }) => {
    if (curves) return asked.map((each) => answerOfChart(prepared(curves), state, each, lang));
    const lib = libraryWith(extra ? new Function(extra) : null),
      initial = checked(lib, state);
    return asked.map(({ set, read }) => {
      try {
        const now = assigned(lib, initial, set ?? {}).state;
        return read ? reading(lib, now, walksOf(lib, now), read, lang) : { value: null, text: "" };
      } catch (error) {
        return { trouble: why("en", error) };
      }
    });
  });
}
