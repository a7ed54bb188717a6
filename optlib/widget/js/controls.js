// Menus and sliders, and which of them a key of the state gets.

import { places, subject, valueAt } from "./assign.js";
import { DATA } from "./data.js";
import { h, swatch } from "./element.js";
import { isWhole, scale } from "./scale.js";
import { checked, finite } from "./state.js";
import { show, symbol } from "./words.js";

export function menu(key, label, options, value, change, shown = true) {
  const select = h(
    "select",
    { "data-key": key, "aria-label": label, onchange: () => change(select.value) },
    ...options.map(([v, words]) => h("option", { value: v, selected: v === value }, words)),
  );
  select.value = value;
  return shown ? h("label", { class: "dx-field" }, h("span", {}, label), select) : select;
}

/**
 * A slider with a number one can type. `spec` holds key, label, name (of its scale), get, set, and may hold title,
 * usual, range, words (for a value), limit (whether 2/L is marked), run (whose look stands before the label).
 */
export function slider(figure, spec) {
  const { key, label, get, set, words } = spec,
    title = spec.title ?? label,
    s = scale(spec.name, spec.usual ?? get(), spec.range);
  const range = h("input", {
    type: "range",
    id: `${figure.id}-${key.replaceAll(".", "-")}`,
    min: s.min,
    max: s.max,
    step: s.step,
    "data-key": key,
    "aria-label": title,
  });
  const number = h("input", {
    type: "text",
    inputmode: "decimal",
    class: "dx-number",
    "data-key": `${key}-number`,
    "aria-label": title,
    size: 6,
    autocomplete: "off",
    spellcheck: "false",
  });
  const update = () => {
    const value = get();
    if (document.activeElement !== range || +range.value !== s.to(value)) range.value = s.to(value);
    if (document.activeElement !== number) number.value = words?.(value) ?? String(+value.toPrecision(4));
    range.setAttribute("aria-valuetext", words?.(value) ?? show(value, 4));
  };
  range.addEventListener("input", () => set(s.from(+range.value)));
  number.addEventListener("change", () => {
    typed(figure, number.value, set);
    number.blur();
    update();
  });
  figure.updates.push(update);
  const track = h("span", { class: "dx-range" }, range, spec.limit ? limitMark(figure, s) : null);
  return h("div", { class: "dx-slider" }, sliderName(figure, spec, title), track, number);
}

/** What was typed, if the state allows it. */
function typed(figure, text, set) {
  const value = Number(text),
    before = structuredClone(figure.state);
  if (text.trim() === "" || !Number.isFinite(value)) return;
  try {
    set(value);
    checked(figure.lib, figure.state);
  } catch {
    figure.state = before;
    figure.changed();
  }
}

function sliderName(figure, { label, run }, title) {
  if (run === undefined) return h("span", { class: "dx-name", title }, label);
  const { svg, update } = swatch();
  figure.updates.push(() => figure.styles[run] && update(figure.styles[run]));
  return h("span", { class: "dx-name", title }, svg, label);
}

/** A mark on a slider where gradient descent begins to diverge. */
function limitMark(figure, s) {
  const mark = h("span", { class: "dx-limit", "aria-hidden": "true", hidden: true });
  figure.updates.push(() => {
    const limit = figure.limit();
    mark.hidden = !(limit > 0);
    if (limit > 0) mark.style.left = `${Math.min(Math.max((s.to(limit) - s.min) / (s.max - s.min), 0), 1) * 100}%`;
  });
  return mark;
}

/** The middle of a slider: sliders of one algorithm share a scale, so that their places can be compared. */
function usualHyper(figure, i, name) {
  const { rule } = figure.state.runs[i],
    same = figure.initial.runs.filter((run) => run.rule === rule),
    own = figure.initial.runs[i]?.rule === rule ? figure.initial.runs[i].hyper[name] : null,
    kin = same.map((run) => run.hyper[name]).filter((v) => finite(v) && v > 0);
  if (!finite(own)) return DATA.rates[rule] && name === "lr" ? DATA.rates[rule] : figure.lib.rules[rule].defaults[name];
  if (kin.length < 2) return own;
  return +Math.exp(kin.reduce((sum, v) => sum + Math.log(v), 0) / kin.length).toPrecision(2);
}

/** The slider of one run's hyper-parameter, or of all runs that have it where `key` is its bare name. */
export function hyperSlider(figure, i, name, { key = `runs.${i}.hyper.${name}`, named = false } = {}) {
  const { state, lib } = figure,
    { rule, hyper } = state.runs[i],
    letter = symbol(name, hyper),
    bare = key === name,
    alone = named && state.show.length === 1 && DATA.labels[`hyper.${name}`], // then it says what it means
    shared = named && !bare && state.runs.length > 1;
  const put = (value) => {
    for (const path of places(lib, figure.state, key)) valueAt(figure.state, path.slice(0, -1))[name] = value;
    figure.changed();
  };
  return slider(figure, {
    key,
    label: alone ? figure.say(`hyper.${name}`) : shared ? `${figure.ruleName(rule)} ${letter}` : letter,
    name,
    get: () => figure.state.runs[i].hyper[name],
    set: put,
    usual: usualHyper(figure, i, name),
    range: lib.rules[rule].ranges[name],
    title: bare ? letter : `${figure.nameOf(i)}: ${letter}`,
    limit: name === "lr" && rule === "sgd",
    run: shared ? i : undefined,
  });
}

/** The control of a key such as "noise", "start.1", "constants.b", "runs.1.delay", "runs.0.hyper.lr" or "lr". */
export function byKey(figure, key) {
  const { state } = figure,
    parts = key.split("."),
    name = parts.at(-1);
  if (parts[0] === "runs" && parts[2] === "hyper") return shownHyper(figure, Number(parts[1]), name, key);
  const path = parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  if (valueAt(state, path) === undefined)
    return parts.length === 1 ? shownHyper(figure, subject(state), name, key) : null;
  const set = (v) => figure.put(path, isWhole(name) ? Math.round(v) : v),
    spec = { key, label: figure.say(name), name, get: () => valueAt(figure.state, path), set };
  spec.usual = valueAt(figure.initial, path);
  if (key === "batch_size") spec.words = (v) => (v === 0 ? figure.say("batch_size.all") : String(v));
  if (parts[0] === "constants") spec.label = name;
  if (parts[0] === "runs") Object.assign(spec, { run: path[1], title: `${figure.nameOf(path[1])}: ${spec.label}` });
  if (parts[0] === "start") return startSlider(figure, spec);
  return slider(figure, spec);
}

function shownHyper(figure, i, name, key) {
  return finite(figure.state.runs[i]?.hyper[name]) ? hyperSlider(figure, i, name, { key, named: true }) : null;
}

/** A start beside a ridge is told in powers of ten. */
function startSlider(figure, spec) {
  const ridge = spec.key === "start.1" && figure.state.surface === "saddle",
    label = figure.say(spec.key);
  if (!ridge) return slider(figure, { ...spec, label, name: "plain" });
  return slider(figure, {
    ...spec,
    label: symbol("ridge"),
    name: "ridge",
    title: label,
    usual: spec.usual || undefined,
  });
}

/** The controls that stand in the open: those that the scene names, else the rates of the runs that stand out. */
export function shownKeys({ state, styles }) {
  if (state.show.length || state.scene === "map") return state.show;
  return [...styles.keys()].filter((i) => styles[i].vivid).map((i) => `runs.${i}.hyper.lr`);
}
