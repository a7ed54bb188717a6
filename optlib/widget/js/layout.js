// The figure's elements: the picture, its handle, play, the controls that the scene names; all else behind "More".

import { closeUp } from "./closeup.js";
import { byKey, menu, shownKeys } from "./controls.js";
import { looks } from "./curves.js";
import { DATA } from "./data.js";
import { button, h } from "./element.js";
import { handleSays, pointers } from "./handle.js";
import { addMenu, runList } from "./runs.js";
import { checked, SERIES } from "./state.js";
import { panelOf, tabList, tabOf } from "./tabs.js";

/** Builds everything anew from the state. */
export function layOut(figure) {
  figure.updates = [];
  figure.readTheme();
  figure.styles = looks(figure.state, figure.theme);
  const say = (key) => figure.say(key),
    // A page may hold several: who jumps from region to region hears which figure this is.
    number = figure.el.closest("figure")?.querySelector(".caption-number")?.textContent.trim();
  closeUp(figure);
  figure.side = h("canvas", { class: "dx-series" });
  const shown = h(
    "div",
    { class: "dx-shown" },
    ...shownKeys(figure)
      .map((key) => part(figure, key))
      .filter(Boolean),
  );
  figure.notes = h("div", { class: "dx-notes", role: "status" });
  figure.summary = h("p", { class: "dx-hidden", "aria-live": "polite" });
  figure.mapNote = h("p", { class: "dx-note" });
  figure.limitNote = h("p", { class: "dx-note" });
  figure.aside = h(
    "div",
    { class: "dx-aside" },
    timeBar(figure),
    shown,
    figure.limitNote,
    figure.mapNote,
    figure.notes,
  );
  figure.stage = h("div", { class: "dx-stage", ...panelOf(figure) }, plot(figure), figure.aside);
  const root = h(
    "section",
    {
      class: "dx",
      lang: figure.lang === "zh" ? "zh-CN" : "en",
      "aria-label": number ? `${say("explorer")}, ${number}` : say("explorer"),
    },
    figure.state.tabs.length ? tabList(figure) : null,
    figure.stage,
    more(figure),
    figure.summary,
  );
  watchDetails(figure, root);
  if (figure.root) figure.root.replaceWith(root);
  else figure.el.append(root);
  figure.root = root;
  pointers(figure);
}

function watchDetails(figure, element) {
  for (const details of element.querySelectorAll("details"))
    details.addEventListener("toggle", () => {
      figure.measure();
      figure.refresh();
    });
}

const PARTS = {
  curve: (figure) => {
    return h("div", { class: "dx-curve" }, figure.seriesMenu, figure.side);
  },
  closeup: (figure) => figure.lens,
  surface: (figure) => surfaceMenu(figure),
  view: (figure) => choiceMenu(figure, "view", ["plane", "relief"]),
  map: (figure) => choiceMenu(figure, "map", ["off", "where", "fast"]),
  levels: (figure) => choiceMenu(figure, "levels", ["auto", "log", "linear"]),
};

/** A part of the figure, or the control of a key. */
function part(figure, key) {
  if (key === "curve") makeSeries(figure);
  return Object.hasOwn(PARTS, key) ? PARTS[key](figure) : byKey(figure, key);
}

function plot(figure) {
  // What a drawing shows is said when it is drawn: until then a canvas has no role, since it would have no name.
  figure.canvas = h("canvas", { class: "dx-canvas" });
  figure.handle = button("handle", "", null, { class: "dx-handle", "aria-label": handleSays(figure) });
  figure.tip = h("div", { class: "dx-tip", hidden: true, "aria-hidden": "true" });
  figure.plot = h("div", { class: "dx-plot" }, figure.canvas, figure.handle, figure.tip);
  figure.plot.classList.toggle("dx-turns", figure.state.view === "relief");
  return figure.plot;
}

function timeBar(figure) {
  const seek = () => {
    figure.pause();
    figure.put(["at"], +figure.scrub.value);
  };
  figure.scrub = h("input", {
    type: "range",
    min: 0,
    max: figure.state.steps,
    step: 1,
    "aria-label": figure.say("time"),
    "data-key": "scrub",
    oninput: seek,
  });
  figure.clock = h("output", { class: "dx-clock" });
  figure.playButton = button("play", "▶", () => (figure.playing ? figure.pause() : figure.play()), {
    class: "dx-play",
    "aria-label": figure.say("play"),
  });
  return h("div", { class: "dx-time" }, figure.playButton, figure.scrub, figure.clock);
}

// -- behind "More"

/** What it holds is most of a figure's elements, which few readers ask for: `fill` makes it when it is opened. */
function more(figure) {
  const fill = () => figure.fill();
  figure.more = h(
    "details",
    { "data-key": "more", class: "dx-more" },
    h("summary", { onclick: fill }, figure.say("more")),
  );
  figure.fill = () => {
    figure.fill = () => {};
    const held = figure.updates.length;
    figure.more.append(...behind(figure));
    watchDetails(figure, figure.more);
    for (const update of figure.updates.slice(held)) update();
  };
  return figure.more;
}

function behind(figure) {
  const { state } = figure,
    say = (key) => figure.say(key),
    open = shownKeys(figure);
  const hidden = (key) => (open.includes(key) ? null : part(figure, key));
  const flat = state.start.length === 2 && state.scene === "plane";
  const menus = ["surface", ...(flat ? ["view"] : []), ...(flat && state.view === "plane" ? ["map", "levels"] : [])];
  const steps = h(
    "div",
    { class: "dx-steps" },
    button("back", "‹", () => figure.jump(-1), { "aria-label": say("back") }),
    button("forward", "›", () => figure.jump(1), { "aria-label": say("forward") }),
    h("span", {}, say("numbers")),
  );
  figure.numbers = h("div", { class: "dx-scroll", tabindex: 0, role: "group", "aria-label": say("numbers") });
  const parts = [
    h("div", { class: "dx-menus" }, ...menus.map(hidden)),
    runList(figure),
    addMenu(figure),
    state.scene === "time" ? seriesOnly(figure) : hidden("curve"),
    steps,
    figure.numbers,
    hidden("closeup"),
    h("p", { class: "dx-heading" }, say("settings.picture")),
    h("div", { class: "dx-columns" }, ...sceneSettings(figure, open)),
    foot(figure),
  ];
  return parts.filter(Boolean);
}

function makeSeries(figure) {
  const { state } = figure,
    options = SERIES.filter((s) => offers(figure, s)).map((s) => [s, figure.say(`series.${s}`)]);
  figure.seriesMenu = menu("series", figure.say("series"), options, state.series, (v) => figure.put(["series"], v));
}

function seriesOnly(figure) {
  makeSeries(figure);
  return figure.seriesMenu;
}

function offers({ state, lib }, series) {
  if (series === "loss") return state.surface !== "stream";
  if (series === "y") return state.start.length > 1;
  if (series === "move") return state.start.length === 1;
  if (series === "memory") return state.runs.some((run) => lib.rules[run.rule].memory.length);
  return true;
}

function choiceMenu(figure, key, values) {
  const options = values.map((v) => [v, figure.say(`${key}.${v}`)]);
  return menu(key, figure.say(key), options, figure.state[key], (v) => {
    figure.state[key] = v;
    figure.changed(true);
  });
}

function surfaceMenu(figure) {
  const { lib, state } = figure,
    names = [...Object.keys(lib.surfaces), ...(state.surface === "stream" ? ["stream"] : [])],
    options = names.map((name) => [name, DATA.labels[name] ? figure.say(name) : name]);
  return menu("surface", figure.say("surface"), options, state.surface, (name) => otherSurface(figure, name));
}

function otherSurface(figure, name) {
  const surface = figure.lib.surfaces[name];
  if (!surface) return;
  const tab = tabOf(figure.state, name);
  if (tab) return figure.choose(tab);
  const { domain, stream, project, batch_size, limit, axes, at, ideal, names } = DATA.defaults;
  const fresh = {
    surface: name,
    constants: {},
    start: surface.start.slice(),
    domain,
    stream,
    project,
    batch_size,
    limit,
    axes,
    at,
    ideal,
    names,
  };
  const series = figure.state.surface === "stream" ? "loss" : figure.state.series;
  const scene = surface.dim === 2 ? "plane" : "line";
  figure.state = checked(figure.lib, { ...figure.state, ...fresh, map: "off", scene, series });
  figure.changed(true);
}

function startField(figure, k) {
  const label = figure.say(`start.${k}`);
  const take = () => {
    const value = Number(input.value);
    if (input.value.trim() !== "" && Number.isFinite(value)) figure.put(["start", k], value);
  };
  const input = h("input", {
    type: "text",
    inputmode: "decimal",
    "data-key": `field.start.${k}`,
    "aria-label": label,
    size: 8,
    onchange: take,
  });
  figure.updates.push(() => {
    if (document.activeElement !== input) input.value = String(+figure.state.start[k].toPrecision(5));
  });
  return h("label", { class: "dx-field" }, h("span", {}, label), input);
}

/** The numbers of the scene that do not stand in the open. */
function sceneSettings(figure, open) {
  const { state, lib } = figure,
    out = state.start.map((_, k) => startField(figure, k));
  if (state.map !== "off" && state.map !== "stable" && state.runs.length > 1) {
    const options = state.runs.map((_, i) => [String(i), figure.nameOf(i)]);
    out.push(menu("mapOf", figure.say("map.of"), options, String(state.mapOf), (v) => figure.put(["mapOf"], +v)));
  }
  const keys = [
    "steps",
    ...Object.keys(lib.surfaces[state.surface]?.constants ?? {}).map((n) => `constants.${n}`),
    ...(state.stream ? [] : ["noise", "seed"]),
    ...(lib.examples[state.surface] ? ["batch_size"] : []),
    ...(state.view === "relief" ? ["turn", "tilt"] : []),
  ];
  return [...out, ...keys.filter((key) => !open.includes(key)).map((key) => byKey(figure, key))];
}

function foot(figure) {
  figure.shareOut = h("p", { class: "dx-share-out", role: "status" });
  const say = (key) => figure.say(key);
  const buttons = [
    figure.options.address ? button("link", say("link"), () => figure.copy(figure.address())) : null,
    button("python", say("python"), () => figure.copy(figure.pythonText())),
    button("svg", say("svg"), () => figure.download()),
    button("reset", say("reset"), () => figure.reset()),
  ];
  return h("div", {}, h("div", { class: "dx-foot" }, ...buttons), figure.shareOut);
}
