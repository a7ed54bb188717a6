// Where the figure is put: anywidget's entry and the page's.

import { assigned } from "./assign.js";
import { Chart } from "./chart.js";
import { assignedChart, checkedChart, prepared, readingChart } from "./chartstate.js";
import { DATA } from "./data.js";
import { Figure, libraryWith, walksOf } from "./figure.js";
import { reading } from "./readings.js";
import { checked, unpacked } from "./state.js";
import { why } from "./trouble.js";

/** The page's own language, where the figure stands. */
export function languageOf(el) {
  const tag = el.closest("[lang]")?.lang || navigator.language || "en";
  return tag.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The reader's own rules and surfaces: text made by optlib.compile in Python, never taken from a link. */
export async function own(text) {
  if (!text) return null;
  const url = URL.createObjectURL(
    new Blob([`export default function more() {\n${text}\n}`], { type: "text/javascript" }),
  );
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The editor and its translator, if a link holds a typed rule. */
async function typedRule({ link, rules }) {
  try {
    return unpacked(link).own ? await rules() : null;
  } catch {
    return null; // the figure says what is wrong with the link
  }
}

/** anywidget's entry: a model with the traits state, lang, extra and curves. */
export async function render({ model, el }) {
  const wished = () => (model.get("lang") === "auto" ? languageOf(el) : model.get("lang"));
  const extra = await own(model.get("extra"));
  let figure = null,
    timer = 0,
    quiet = false;
  const begin = async (options = {}) => {
    if (options.link && options.rules) options.live = await typedRule(options);
    figure?.close();
    const data = model.get("curves"),
      make = (...rest) => (data?.curves ? new Chart(el, data, ...rest) : new Figure(el, ...rest));
    figure = make(model.get("state"), {
      lang: wished(),
      extra,
      onchange: (state) => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          quiet = true;
          model.set("state", state);
          model.save_changes();
          quiet = false;
        }, 60);
      },
      ...options,
    });
    el.downhill = figure;
  };
  await begin(model.downhill ?? {});
  const changed = () => {
    if (!quiet && JSON.stringify(model.get("state")) !== JSON.stringify(figure.state))
      figure.replace(model.get("state"));
  };
  const spoken = () => figure.speak(wished());
  model.on("change:state", changed);
  model.on("change:lang", spoken);
  return () => {
    clearTimeout(timer);
    model.off?.("change:state", changed);
    model.off?.("change:lang", spoken);
    figure.close();
  };
}

/** The same in a page without a kernel: `given` is { state, lang, extra, curves }, options hold link and address. */
export function mount(el, given, options = {}) {
  const traits = { state: given.state, lang: given.lang ?? "auto", extra: given.extra ?? "", curves: given.curves };
  const model = {
    get: (name) => traits[name],
    set: (name, value) => {
      traits[name] = value;
    },
    save_changes() {},
    on() {},
    off() {},
    downhill: options,
  };
  return render({ model, el });
}

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
