// Everything a reader can change.

import { closeUp } from "./closeup.js";
import { looks } from "./curves.js";
import { DATA } from "./data.js";
import { h } from "./element.js";
import { handleSays, pointers } from "./handle.js";
import { python } from "./python.js";
import { scale } from "./scale.js";
import { checked, finite, SERIES } from "./state.js";
import { isSchedule, walk } from "./walk.js";
import { fill, show, symbol } from "./words.js";

export function menu(_figure, key, label, options, value, change, shown = true) {
  const select = h(
    "select",
    { "data-key": key, "aria-label": label, onchange: () => change(select.value) },
    ...options.map(([v, words]) => h("option", { value: v, selected: v === value }, words)),
  );
  select.value = value;
  return shown ? h("label", { class: "dx-field" }, h("span", {}, label), select) : select;
}

/** A slider with a number one can type; `get` and `set` reach into the state. */
export function slider(figure, key, label, name, get, set, options = {}) {
  const s = scale(options.kind ?? name, options.usual ?? get(), options.range),
    id = `${figure.id}-${key.replaceAll(".", "-")}`;
  const range = h("input", {
    type: "range",
    id,
    min: s.min,
    max: s.max,
    step: s.step,
    "data-key": key,
    "aria-label": options.title ?? label,
  });
  const number = h("input", {
    type: "text",
    inputmode: "decimal",
    class: "dx-number",
    "data-key": `${key}-number`,
    "aria-label": options.title ?? label,
    size: 6,
    autocomplete: "off",
    spellcheck: "false",
  });
  const update = () => {
    const value = get();
    if (document.activeElement !== range || +range.value !== s.to(value)) range.value = s.to(value);
    const text = options.words?.(value) ?? String(+value.toPrecision(4));
    if (document.activeElement !== number) number.value = text;
    range.setAttribute("aria-valuetext", options.words?.(value) ?? show(value, 4));
  };
  range.addEventListener("input", () => set(s.from(+range.value)));
  number.addEventListener("change", () => {
    const value = Number(number.value);
    const before = structuredClone(figure.state);
    if (number.value.trim() !== "" && Number.isFinite(value)) {
      try {
        set(value);
        checked(figure.lib, figure.state);
      } catch {
        figure.state = before;
        figure.changed();
      }
    }
    number.blur();
    update();
  });
  figure.updates.push(update);
  const parts = [h("span", { class: "dx-name", title: options.title }, label), range, number];
  if (options.limit) {
    const mark = h("span", { class: "dx-limit", "aria-hidden": "true", hidden: true });
    figure.updates.push(() => {
      const limit = figure.limit();
      mark.hidden = !(limit > 0);
      if (limit > 0) mark.style.left = `${Math.min(Math.max((s.to(limit) - s.min) / (s.max - s.min), 0), 1) * 100}%`;
    });
    parts[1] = h("span", { class: "dx-range" }, range, mark);
  }
  return h("div", { class: "dx-slider" }, ...parts);
}

export function hyperSlider(figure, i, name, _withTitle = false) {
  const run = figure.state.runs[i],
    rule = figure.lib.rules[run.rule],
    usual = figure.initial.runs[i]?.rule === run.rule ? figure.initial.runs[i].hyper[name] : null;
  const kin = figure.initial.runs
    .filter((r) => r.rule === run.rule && finite(r.hyper[name]) && r.hyper[name] > 0)
    .map((r) => r.hyper[name]);
  // Sliders of one algorithm share a scale, so that their places can be compared.
  const base =
    kin.length > 1 && finite(usual)
      ? +Math.exp(kin.reduce((sum, v) => sum + Math.log(v), 0) / kin.length).toPrecision(2)
      : finite(usual)
        ? usual
        : name === "lr"
          ? (DATA.rates[run.rule] ?? rule.defaults.lr)
          : rule.defaults[name];
  return slider(
    figure,
    `runs.${i}.hyper.${name}`,
    symbol(name, run.hyper),
    name,
    () => figure.state.runs[i].hyper[name],
    (v) => figure.set(`runs.${i}.hyper.${name}`, v),
    {
      usual: base,
      range: rule.ranges[name],
      title: `${figure.nameOf(i)}: ${symbol(name, run.hyper)}`,
      limit: name === "lr" && run.rule === "sgd",
    },
  );
}

export function scheduleParts(figure, i) {
  const run = figure.state.runs[i],
    rule = figure.lib.rules[run.rule],
    lr = run.hyper.lr;
  if (lr === undefined || Object.values(rule.start).includes("lr")) return [];
  const now = isSchedule(lr) ? lr.schedule : "none";
  const choose = menu(
    figure,
    `runs.${i}.schedule`,
    figure.say("schedule"),
    ["none", ...Object.keys(figure.lib.schedules)].map((n) => [n, figure.say(`schedule.${n}`)]),
    now,
    (name) => {
      const rate = isSchedule(lr) ? (lr.high ?? lr.start) : lr;
      figure.state.runs[i].hyper.lr = name === "none" ? rate : scheduleFor(figure, name, rate);
      figure.state.series = name === "none" ? figure.state.series : "lr";
      figure.changed(true);
    },
  );
  if (!isSchedule(lr)) return [choose];
  const sliders = figure.lib.schedules[lr.schedule].arguments.map((part) =>
    slider(
      figure,
      `runs.${i}.hyper.lr.${part}`,
      part === "start" ? figure.say("schedule.start") : DATA.labels[part] ? figure.say(part) : symbol(part),
      part,
      () => figure.state.runs[i].hyper.lr[part],
      (v) => figure.set(`runs.${i}.hyper.lr.${part}`, v),
      { title: `${figure.nameOf(i)}: ${part}` },
    ),
  );
  return [choose, ...sliders];
}

export function scheduleFor(figure, name, rate) {
  const T = figure.state.steps,
    usual = {
      start: rate,
      high: rate,
      low: rate / 10,
      gamma: name === "step" ? 0.5 : 1 - 3 / T,
      k: 4 / T,
      steps: T,
      every: Math.max(1, Math.round(T / 5)),
      end: 0,
      power: 1,
      first: Math.max(1, Math.round(T / 7)),
      factor: 2,
      half: Math.max(1, Math.round(T / 8)),
      rise: 0.3,
      start_ratio: 25,
      end_ratio: 1e4,
      warm: Math.max(1, Math.round(T / 10)),
      c: rate,
      a: 1,
      tau: T / 4,
    };
  return {
    schedule: name,
    ...Object.fromEntries(figure.lib.schedules[name].arguments.map((part) => [part, usual[part]])),
  };
}

export function runRow(figure, i) {
  const { state } = figure,
    run = state.runs[i],
    rule = figure.lib.rules[run.rule],
    name = figure.nameOf(i);
  const swatch = h("span", { class: "dx-swatch", "aria-hidden": "true" });
  const title = h("span", { class: "dx-run-name" }, name);
  figure.updates.push(() => {
    title.textContent = figure.nameOf(i);
    swatch.style.background = figure.styles[i].colour;
  });
  const kin = DATA.conventions.find((group) => group.includes(run.rule));
  const note = h("p", { class: "dx-convention", role: "status" });
  figure.updates.push(() => {
    note.textContent = figure.compare?.i === i ? compared(figure) : "";
  });
  const main = finite(run.hyper.lr) ? ["lr"] : [];
  const visible = figure.state.sliders
    .filter((key) => key.startsWith(`runs.${i}.hyper.`))
    .map((key) => key.split(".")[3]);
  if (figure.state.scene === "map") main.splice(0, 1, ...figure.state.axes.map(([axis]) => axis));
  if (figure.state.surface === "stream" && run.rule === "momentum_ema") main.splice(0, 1, "beta");
  const first = [...new Set([...main, ...visible])];
  const others = Object.keys(rule.defaults).filter((n) => !first.includes(n) && !isSchedule(run.hyper[n]));
  return h(
    "li",
    { class: "dx-run" },
    h(
      "div",
      { class: "dx-run-head" },
      swatch,
      title,
      h(
        "button",
        {
          type: "button",
          class: "dx-remove",
          "data-key": `remove.${i}`,
          "aria-label": fill(figure.say("remove"), { name }),
          onclick: () => {
            state.runs.splice(i, 1);
            figure.compare = null;
            figure.changed(true);
          },
        },
        "×",
      ),
    ),
    ...first.map((n) => hyperSlider(figure, i, n)),
    h(
      "details",
      { "data-key": `run.${i}` },
      h("summary", { "aria-label": fill(figure.say("more"), { name }) }, figure.say("settings")),
      menu(figure, `runs.${i}.rule`, figure.say("algorithm"), ruleOptions(figure), run.rule, (r) => {
        figure.compare = null;
        swap(figure, i, r);
      }),
      kin
        ? menu(
            figure,
            `runs.${i}.convention`,
            figure.say("convention"),
            kin.filter((k) => figure.lib.rules[k]).map((k) => [k, DATA.algorithms[k]]),
            run.rule,
            (r) => {
              figure.compare = { i, run: structuredClone(state.runs[i]) };
              swap(figure, i, r);
            },
          )
        : null,
      note,
      ...others.map((n) => hyperSlider(figure, i, n)),
      ...scheduleParts(figure, i),
      state.sliders.includes(`runs.${i}.delay`)
        ? null
        : slider(
            figure,
            `runs.${i}.delay`,
            figure.say("delay"),
            "delay",
            () => figure.state.runs[i].delay,
            (v) => figure.set(`runs.${i}.delay`, Math.round(v)),
            { title: `${name}: ${figure.say("delay")}` },
          ),
    ),
  );
}

export function ruleOptions(figure) {
  return Object.keys(figure.lib.rules)
    .filter((r) => figure.state.surface !== "stream" || !figure.lib.rules[r].given.includes("loss"))
    .map((r) => [r, DATA.algorithms[r] ?? r]);
}

/** Another rule in a run's place; hyper-parameters of the same name, or the same share, are kept. */
export function swap(figure, i, name) {
  const rule = figure.lib.rules[name],
    old = figure.state.runs[i].hyper,
    hyper = {};
  const alias = { gamma: "beta", beta: "gamma" };
  for (const [key, usual] of Object.entries(rule.defaults)) {
    const value = old[key] ?? old[alias[key]];
    hyper[key] =
      value === undefined || (isSchedule(value) && Object.values(rule.start).includes(key))
        ? key === "lr"
          ? (DATA.rates[name] ?? usual)
          : usual
        : value;
  }
  figure.state.runs[i] = { ...figure.state.runs[i], rule: name, hyper };
  figure.changed(true);
}

export function compared(figure) {
  const { i, run } = figure.compare;
  if (!figure.state.runs[i] || run.rule === figure.state.runs[i].rule) return "";
  const a = walk(figure.lib, figure.state, run),
    b = figure.walks[i],
    m = Math.min(a.path.length, b.path.length);
  let by = 0;
  for (let k = 0; k < m; k++) by = Math.max(by, Math.abs(a.path[k] - b.path[k]));
  const name = DATA.algorithms[run.rule];
  return by < 1e-9 ? figure.say("same", { name }) : figure.say("differs", { name, by: show(by) });
}

export function byKey(figure, key) {
  const { state } = figure,
    parts = key.split(".");
  const get = () => parts.reduce((at, k) => at?.[k], figure.state),
    usual = parts.reduce((at, k) => at?.[k], figure.initial);
  if (get() === undefined) return null;
  const whole = ["steps", "seed", "batch", "delay"].includes(parts.at(-1)),
    put = (v) => figure.set(key, whole ? Math.round(v) : v);
  const options = {
    usual,
    words: key === "batch" ? (v) => (v === 0 ? figure.say("batch.all") : String(v)) : undefined,
  };
  if (key === "start.1" && state.surface === "saddle")
    return slider(figure, key, "δ", "delta0", get, put, {
      ...options,
      usual: usual || 1e-4,
      title: figure.say("start.1"),
    });
  if (parts[0] === "start") return slider(figure, key, figure.say(key), "plain", get, put, options);
  if (parts[0] === "constants") return slider(figure, key, parts[1], parts[1], get, put, options);
  const label = figure.say(parts.at(-1));
  return slider(figure, key, label, parts.at(-1), get, put, options);
}

export function sceneSettings(figure, taken) {
  const { state, lib } = figure,
    out = [],
    say = (k) => figure.say(k);
  const surface = lib.surfaces[state.surface];
  if (state.scene === "plane")
    out.push(
      menu(
        figure,
        "levels",
        say("levels"),
        ["auto", "log", "linear"].map((v) => [v, say(`levels.${v}`)]),
        state.levels,
        (v) => figure.set("levels", v),
      ),
    );
  if (state.map !== "off" && state.map !== "stable" && state.runs.length > 1) {
    out.push(
      menu(
        figure,
        "mapOf",
        say("map.of"),
        state.runs.map((_, i) => [String(i), figure.nameOf(i)]),
        String(state.mapOf),
        (v) => figure.set("mapOf", +v),
      ),
    );
  }
  state.start.forEach((_, k) => {
    const input = h("input", {
      type: "text",
      inputmode: "decimal",
      "data-key": `start.${k}`,
      "aria-label": say(`start.${k}`),
      size: 8,
      onchange: () => {
        const v = Number(input.value);
        if (Number.isFinite(v)) figure.set(`start.${k}`, v);
      },
    });
    figure.updates.push(() => {
      if (document.activeElement !== input) input.value = String(+figure.state.start[k].toPrecision(5));
    });
    out.push(h("label", { class: "dx-field" }, h("span", {}, say(`start.${k}`)), input));
  });
  const constants = Object.keys(surface?.constants ?? {}).map((n) => `constants.${n}`);
  const keys = [
    "steps",
    ...constants,
    ...(state.stream ? [] : ["noise", "seed"]),
    ...(lib.examples[state.surface] ? ["batch"] : []),
    ...(state.view === "relief" ? ["turn", "tilt"] : []),
  ];
  for (const key of keys) if (!taken.includes(key)) out.push(byKey(figure, key));
  return out.filter(Boolean);
}

export function offers(figure, series) {
  const { state } = figure,
    stream = state.surface === "stream";
  if (series === "loss") return !stream;
  if (series === "y") return state.start.length > 1;
  if (series === "memory") return state.runs.some((r) => figure.lib.rules[r.rule].memory.length);
  return true;
}

export function otherSurface(figure, name) {
  const surface = figure.lib.surfaces[name];
  if (!surface) return;
  const changed = {
    surface: name,
    constants: {},
    start: surface.start.slice(),
    domain: null,
    stream: null,
    project: false,
    batch: 0,
    limit: false,
    axes: null,
    map: "off",
    scene: surface.dim === 2 ? "plane" : "line",
    at: null,
    series: figure.state.surface === "stream" ? "loss" : figure.state.series,
  };
  figure.state = checked(figure.lib, { ...figure.state, ...changed });
  figure.changed(true);
}

export function layOut(figure) {
  const { state, lib } = figure,
    say = (k, v) => figure.say(k, v);
  figure.updates = [];
  figure.styles = looks(state);
  // A page may hold several: who jumps from region to region hears which figure this is.
  const number = figure.el.closest("figure")?.querySelector(".caption-number")?.textContent.trim();
  const root = h("section", {
    class: "dx",
    lang: figure.lang === "zh" ? "zh-CN" : "en",
    "aria-label": number ? `${say("explorer")}, ${number}` : say("explorer"),
  });
  const button = (key, words, action, more = {}) =>
    h("button", { type: "button", "data-key": key, onclick: action, ...more }, words);
  const surfaces = [
    ...Object.keys(lib.surfaces).map((n) => [n, DATA.labels[n] ? say(n) : n]),
    ...(state.surface === "stream" ? [["stream", say("stream")]] : []),
  ];
  const two = state.start.length === 2 && state.scene === "plane";
  figure.top = h(
    "div",
    { class: "dx-top" },
    menu(figure, "surface", say("surface"), surfaces, state.surface, (v) => otherSurface(figure, v)),
    two
      ? menu(
          figure,
          "view",
          say("view"),
          ["plane", "relief"].map((v) => [v, say(`view.${v}`)]),
          state.view,
          (v) => {
            state.view = v;
            figure.changed(true);
          },
        )
      : null,
    two && state.view === "plane"
      ? menu(
          figure,
          "map",
          say("map"),
          ["off", "where", "fast"].map((v) => [v, say(`map.${v}`)]),
          state.map,
          (v) => {
            state.map = v;
            figure.changed(true);
          },
        )
      : null,
    h("span", { class: "dx-space" }),
    button(
      "language",
      say("language"),
      () => {
        figure.lang = figure.lang === "en" ? "zh" : "en";
        figure.changed(true);
      },
      { "aria-label": say("language.name"), lang: figure.lang === "en" ? "zh-CN" : "en", class: "dx-quiet" },
    ),
  );
  figure.notes = h("div", { class: "dx-notes", role: "status" });
  // What a drawing shows is said when it is drawn: until then a canvas has no role, since it would have no name.
  figure.canvas = h("canvas", { class: "dx-canvas" });
  figure.handle = h("button", {
    type: "button",
    class: "dx-handle",
    "data-key": "handle",
    "aria-label": handleSays(figure),
  });
  figure.tip = h("div", { class: "dx-tip", hidden: true, "aria-hidden": "true" });
  figure.plot = h("div", { class: "dx-plot" }, figure.canvas, figure.handle, figure.tip);
  figure.plot.classList.toggle("dx-turns", state.view === "relief");
  figure.scrub = h("input", {
    type: "range",
    min: 0,
    max: state.steps,
    step: 1,
    "aria-label": say("time"),
    "data-key": "scrub",
    oninput: () => {
      figure.pause();
      figure.set("at", +figure.scrub.value);
    },
  });
  figure.clock = h("output", { class: "dx-clock" });
  figure.playButton = button("play", "▶", () => (figure.playing ? figure.pause() : figure.play()), {
    class: "dx-play",
    "aria-label": say("play"),
  });
  figure.time = h(
    "div",
    { class: "dx-time" },
    figure.playButton,
    button("back", "‹", () => figure.jump(-1), { "aria-label": say("back") }),
    figure.scrub,
    button("forward", "›", () => figure.jump(1), { "aria-label": say("forward") }),
    figure.clock,
  );
  const wide = state.scene === "time";
  figure.side = h("canvas", { class: "dx-series" });
  const series = SERIES.filter((s) => offers(figure, s));
  figure.seriesSelect = menu(
    figure,
    "series",
    say("series"),
    series.map((s) => [s, say(`series.${s}`)]),
    state.series,
    (v) => figure.set("series", v),
  );
  const runs = h(
    "ul",
    { class: "dx-runs", "aria-label": say("algorithms") },
    ...state.runs.map((_, i) => runRow(figure, i)),
  );
  const add = menu(
    figure,
    "add",
    say("add"),
    [["", `+ ${say("add")}`], ...ruleOptions(figure)],
    "",
    (rule) => {
      if (!rule) return;
      state.runs.push({
        rule,
        hyper: { ...lib.rules[rule].defaults, ...(DATA.rates[rule] ? { lr: DATA.rates[rule] } : {}) },
        delay: 0,
      });
      figure.changed(true);
    },
    false,
  );
  add.classList.add("dx-add");
  const prominent = state.sliders
    .filter((key) => !key.includes(".hyper."))
    .map((key) => byKey(figure, key))
    .filter(Boolean);
  figure.mapNote = h("p", { class: "dx-map-note" });
  figure.limitNote = h("p", { class: "dx-map-note" });
  const main = h(
    "div",
    { class: "dx-main" },
    figure.plot,
    figure.time,
    figure.mapNote,
    figure.limitNote,
    prominent.length ? h("div", { class: "dx-prominent" }, ...prominent) : null,
  );
  const many = state.runs.length > 3; // then they stand below, side by side
  const aside = h(
    "div",
    { class: "dx-side" },
    figure.seriesSelect,
    wide ? null : figure.side,
    many ? null : runs,
    many ? null : add,
  );
  const below = many ? h("div", { class: "dx-below" }, runs, add) : null;
  closeUp(figure);
  figure.numbers = h("div", { class: "dx-scroll", tabindex: 0, role: "group", "aria-label": say("numbers") });
  figure.summary = h("p", { class: "dx-hidden", "aria-live": "polite" });
  figure.shareOut = h("p", { class: "dx-share-out", role: "status" });
  const foot = h(
    "div",
    { class: "dx-foot" },
    figure.options.address ? button("link", say("link"), () => figure.copy(figure.address())) : null,
    button("python", say("python"), () => figure.copy(python(figure.lib, state))),
    button("svg", say("svg"), () => figure.download()),
    button("reset", say("reset"), () => {
      figure.state = structuredClone(figure.initial);
      figure.messages = [];
      figure.compare = null;
      figure.changed(true);
    }),
  );
  root.append(
    figure.top,
    figure.notes,
    h("div", { class: "dx-body" }, main, aside),
    ...(below ? [below] : []),
    figure.lens,
    h("details", { "data-key": "numbers" }, h("summary", {}, say("numbers")), figure.numbers),
    h(
      "details",
      { "data-key": "settings" },
      h("summary", {}, say("settings.picture")),
      h("div", { class: "dx-columns" }, ...sceneSettings(figure, prominent.length ? state.sliders : [])),
    ),
    foot,
    figure.shareOut,
    figure.summary,
  );
  for (const d of root.querySelectorAll("details"))
    d.addEventListener("toggle", () => {
      if (d.open) figure.refresh();
    });
  if (figure.root) figure.root.replaceWith(root);
  else figure.el.append(root);
  figure.root = root;
  pointers(figure);
}
