// The algorithms of a figure: each one's row, its convention, its schedule.

import { hyperSlider, menu, shownKeys, slider } from "./controls.js";
import { DATA } from "./data.js";
import { button, h, swatch } from "./element.js";
import { finite } from "./state.js";
import { isSchedule, walk } from "./walk.js";
import { show, symbol } from "./words.js";

export function ruleOptions(figure) {
  const { lib, state } = figure,
    fits = (rule) => state.surface !== "stream" || !lib.rules[rule].given.includes("loss");
  return Object.keys(lib.rules)
    .filter(fits)
    .map((rule) => [rule, figure.ruleName(rule)]);
}

export function addMenu(figure) {
  const { state, lib } = figure,
    label = figure.say("add");
  const add = (rule) => {
    if (!rule) return;
    const rate = DATA.rates[rule] ? { lr: DATA.rates[rule] } : {};
    state.runs.push({ rule, hyper: { ...lib.rules[rule].defaults, ...rate }, delay: 0 });
    figure.changed(true);
  };
  const select = menu("add", label, [["", `+ ${label}`], ...ruleOptions(figure)], "", add, false);
  select.classList.add("dx-add");
  return select;
}

export function runList(figure) {
  const rows = figure.state.runs.map((_, i) => runRow(figure, i));
  return h("ul", { class: "dx-runs", "aria-label": figure.say("algorithms") }, ...rows);
}

/** One algorithm: its look, which also says whether it stands out, its rate, and the rest folded away. */
function runRow(figure, i) {
  const { state, lib } = figure,
    run = state.runs[i],
    rule = lib.rules[run.rule],
    name = figure.nameOf(i),
    open = shownKeys(figure),
    shown = (n) => open.includes(`runs.${i}.hyper.${n}`) || open.includes(n);
  const free = Object.keys(rule.defaults).filter((n) => finite(run.hyper[n]) && !shown(n)),
    first = free.filter((n) => n === "lr"),
    others = free.filter((n) => n !== "lr");
  const remove = button(`remove.${i}`, "×", () => figure.remove(i), {
    class: "dx-remove",
    "aria-label": figure.say("remove", { name }),
  });
  return h(
    "li",
    { class: "dx-run" },
    h("div", { class: "dx-run-head" }, highlighter(figure, i), changer(figure, i), remove),
    ...first.map((n) => hyperSlider(figure, i, n)),
    h(
      "details",
      { "data-key": `run.${i}` },
      h("summary", { "aria-label": figure.say("more.of", { name }) }, figure.say("settings")),
      menu(`runs.${i}.rule`, figure.say("algorithm"), ruleOptions(figure), run.rule, (r) => {
        figure.compare = null;
        swap(figure, i, r);
      }),
      ...convention(figure, i),
      ...others.map((n) => hyperSlider(figure, i, n)),
      ...scheduleParts(figure, i),
      state.show.includes(`runs.${i}.delay`) ? null : delaySlider(figure, i),
    ),
  );
}

/** Opens the editor of rules, where the page has one. */
function changer(figure, i) {
  if (!figure.options.rules) return null;
  const label = figure.say("rule.change");
  return button(`rule.${i}`, label, () => figure.edit(i), {
    class: "dx-change",
    "aria-label": `${label}: ${figure.nameOf(i)}`,
  });
}

/** The name of a run: pressed, it stands out from the others. */
function highlighter(figure, i) {
  const { svg, update } = swatch(),
    title = h("span", { class: "dx-run-name" }),
    press = button(`vivid.${i}`, "", () => figure.highlight(i), { class: "dx-vivid" });
  press.append(svg, title);
  figure.updates.push(() => {
    if (!figure.styles[i]) return;
    title.textContent = figure.nameOf(i);
    update(figure.styles[i]);
    press.setAttribute("aria-pressed", String(figure.styles[i].vivid));
  });
  return press;
}

function delaySlider(figure, i) {
  return slider(figure, {
    key: `runs.${i}.delay`,
    label: figure.say("delay"),
    name: "delay",
    get: () => figure.state.runs[i].delay,
    set: (v) => figure.put(["runs", i, "delay"], Math.round(v)),
    title: `${figure.nameOf(i)}: ${figure.say("delay")}`,
  });
}

// -- conventions

/** Other forms of the same algorithm, and whether they change the path. */
function convention(figure, i) {
  const { state, lib } = figure,
    run = state.runs[i],
    kin = DATA.conventions.find((group) => group.includes(run.rule));
  if (!kin) return [];
  const note = h("p", { class: "dx-convention", role: "status" });
  figure.updates.push(() => {
    note.textContent = figure.compare?.i === i ? compared(figure) : "";
  });
  const options = kin.filter((k) => lib.rules[k]).map((k) => [k, figure.ruleName(k)]);
  const choose = menu(`runs.${i}.convention`, figure.say("convention"), options, run.rule, (r) => {
    figure.compare = { i, run: structuredClone(state.runs[i]) };
    swap(figure, i, r);
  });
  return [choose, note];
}

function compared(figure) {
  const { i, run } = figure.compare;
  if (!figure.state.runs[i] || run.rule === figure.state.runs[i].rule) return "";
  const a = walk(figure.lib, figure.state, run),
    b = figure.walks[i],
    m = Math.min(a.path.length, b.path.length);
  let by = 0;
  for (let k = 0; k < m; k++) by = Math.max(by, Math.abs(a.path[k] - b.path[k]));
  const name = figure.ruleName(run.rule);
  return by < 1e-9 ? figure.say("same", { name }) : figure.say("differs", { name, by: show(by) });
}

/** Another rule in a run's place; hyper-parameters of the same name, or that play the same part, are kept. */
function swap(figure, i, name) {
  const rule = figure.lib.rules[name],
    old = figure.state.runs[i].hyper,
    hyper = { ...rule.defaults, ...(DATA.rates[name] ? { lr: DATA.rates[name] } : {}) };
  for (const key of Object.keys(rule.defaults)) {
    const value = old[key] ?? old[DATA.alike[key]],
      starts = Object.values(rule.start).includes(key);
    if (value !== undefined && !(isSchedule(value) && starts)) hyper[key] = value;
  }
  figure.state.runs[i] = { ...figure.state.runs[i], rule: name, hyper };
  figure.changed(true);
}

// -- schedules

function scheduleParts(figure, i) {
  const { state, lib } = figure,
    run = state.runs[i],
    { lr } = run.hyper;
  if (lr === undefined || Object.values(lib.rules[run.rule].start).includes("lr")) return [];
  const names = ["none", ...Object.keys(lib.schedules)].map((n) => [n, figure.say(`schedule.${n}`)]);
  const take = (name) => {
    const rate = isSchedule(lr) ? (lr.high ?? lr.start ?? lr.c) : lr;
    run.hyper.lr = name === "none" ? rate : scheduleFor(figure, name, rate);
    if (name !== "none") state.series = "lr";
    figure.changed(true);
  };
  const choose = menu(`runs.${i}.schedule`, figure.say("schedule"), names, isSchedule(lr) ? lr.schedule : "none", take);
  if (!isSchedule(lr)) return [choose];
  return [choose, ...lib.schedules[lr.schedule].arguments.map((part) => schedulePart(figure, i, part))];
}

function schedulePart(figure, i, part) {
  const label = part === "start" ? figure.say("schedule.start") : DATA.labels[part] ? figure.say(part) : symbol(part);
  return slider(figure, {
    key: `runs.${i}.hyper.lr.${part}`,
    label,
    name: part,
    get: () => figure.state.runs[i].hyper.lr[part],
    set: (v) => figure.put(["runs", i, "hyper", "lr", part], v),
    title: `${figure.nameOf(i)}: ${label}`,
  });
}

/** A schedule that suits the number of steps and keeps the rate. */
function scheduleFor(figure, name, rate) {
  const T = figure.state.steps,
    whole = (share) => Math.max(1, Math.round(T * share));
  const usual = {
    start: rate,
    high: rate,
    low: rate / 10,
    gamma: name === "step" ? 0.5 : 1 - 3 / T,
    k: 4 / T,
    steps: T,
    every: whole(1 / 5),
    end: 0,
    power: 1,
    first: whole(1 / 7),
    factor: 2,
    half: whole(1 / 8),
    rise: 0.3,
    start_ratio: 25,
    end_ratio: 1e4,
    warm: whole(1 / 10),
    c: rate,
    a: 1,
    tau: T / 4,
  };
  const parts = figure.lib.schedules[name].arguments;
  return { schedule: name, ...Object.fromEntries(parts.map((part) => [part, usual[part]])) };
}
