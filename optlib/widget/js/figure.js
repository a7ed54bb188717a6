// The figure: its state, its time, and what is drawn of them.

import { assigned, holds, undone, valueAt } from "./assign.js";
import { Brush, fit, Svg, wipe } from "./brush.js";
import { drawLens } from "./closeup.js";
import { looks, vividOf } from "./curves.js";
import { DATA, library } from "./data.js";
import { h } from "./element.js";
import { placeHandle } from "./handle.js";
import { layOut } from "./layout.js";
import { packed, unpacked } from "./link.js";
import { askMap, stopMap } from "./mapping.js";
import { adopt, learn } from "./ownrule.js";
import { paint, pieces } from "./picture.js";
import { python } from "./python.js";
import { reading } from "./readings.js";
import { drawSeries } from "./series.js";
import { checked, difference } from "./state.js";
import { themeOf, watchTheme } from "./theme.js";
import { drawNumbers, tell } from "./told.js";
import { sentence, why } from "./trouble.js";
import { constantsOf, isSchedule, joined, walk } from "./walk.js";
import { ruleName, show, symbol } from "./words.js";

let count = 0; // of figures on the page, for ids

const SIDE = 158; // pixels, of the small panel

/** The library with the reader's own rules and surfaces. */
export const libraryWith = (extra) => joined(library(), extra ? extra() : null);

/** All walks of a state. */
export const walksOf = (lib, state) => state.runs.map((run) => walk(lib, state, run));

export class Figure {
  constructor(el, given, options = {}) {
    Object.assign(this, { el, options, id: `dx${++count}`, lang: options.lang === "zh" ? "zh" : "en" });
    Object.assign(this, { messages: [], timings: [], alive: true, cache: {}, compare: null, names: [], places: {} });
    this.given = options.extra; // the notebook's own rules and surfaces; options.extra may hold a typed rule besides
    this.lib = libraryWith(options.extra);
    try {
      this.initial = checked(this.lib, given);
    } catch (error) {
      this.initial = checked(this.lib, {});
      this.messages.push(["bad.state", error]);
    }
    this.state = structuredClone(this.initial);
    try {
      if (options.link) {
        const linked = unpacked(options.link);
        if (linked?.own) adopt(this, linked.own);
        this.state = checked(this.lib, linked, this.initial);
      }
    } catch (error) {
      this.messages.push(["bad.link", error]);
    }
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    layOut(this);
    this.watch();
    this.drawn = this.begin();
  }

  /** The first drawing. What it keeps is made in tasks of their own: in a long one a slow phone answers no finger. */
  async begin() {
    for (const part of pieces(this)) {
      await new Promise((go) => setTimeout(go));
      if (!this.alive) return;
      part();
    }
    this.refresh();
    await new Promise(requestAnimationFrame);
  }

  // -- for the page's text and questions

  /**
   * Sets keys of the figure such as { lr: 0.55 } or { "adam.lr": "0.1", steps: 30 }, and draws. Returns a function that
   * puts back what was changed. Throws, and changes nothing, where a key or a value is not allowed.
   */
  set(values) {
    const { state, before } = assigned(this.lib, this.state, values);
    this.pause();
    this.state = state;
    this.changed(true);
    return () => {
      this.state = undone(this.lib, this.state, before);
      this.changed(true);
    };
  }

  /** A reading { value, text } of now, such as "arrival" or "adam.loss". Throws where there is none of that name. */
  read(name, lang = this.lang) {
    return reading(this.lib, this.state, this.currentWalks(), name, lang);
  }

  /** Whether the figure has these values already. */
  holds(values) {
    return holds(this.lib, this.state, values);
  }

  // -- a rule that the reader changes

  /** Opens the editor for a run, with the rule's text as the page lists it, if the library has none. */
  async edit(i, text) {
    this.options.live = await this.options.rules();
    this.more.open = false;
    this.shut();
    this.editor = this.options.live.open(this, i, text);
  }

  shut() {
    this.editor?.remove();
    this.editor = null;
  }

  /** The walk of a run { rule, hyper } in another scene, with this figure's rules. */
  walkIn(scene, run) {
    return walk(this.lib, scene, run);
  }

  learn(own, i) {
    return learn(this, own, i);
  }

  why(error) {
    return why(this.lang, error);
  }

  // -- words

  say(key, values) {
    return sentence(this.lang, key, values);
  }

  ruleName(rule) {
    return ruleName(rule, this.lang);
  }

  /** The name of a run, with the number that tells it from others of its algorithm. */
  nameOf(i) {
    const { runs } = this.state,
      run = runs[i],
      base = this.ruleName(run.rule),
      same = runs.filter((r) => r.rule === run.rule);
    if (same.length === 1) return base;
    const differs = (name) => new Set(same.map((r) => JSON.stringify(r.hyper[name]))).size > 1,
      telling = Object.keys(run.hyper).find(differs);
    if (telling) {
      const value = run.hyper[telling];
      if (isSchedule(value)) return `${base}, ${this.say(`schedule.${value.schedule}`)}`;
      const others = same.some((r) => isSchedule(r.hyper[telling]));
      return others
        ? `${base}, ${this.say("schedule.none")} ${show(value)}`
        : `${base} ${symbol(telling, run.hyper)}=${show(value)}`;
    }
    if (same.some((r) => r.delay)) return `${base}, ${this.say("late", { n: run.delay })}`;
    return `${base} ${same.indexOf(run) + 1}`;
  }

  /** What tells a run from the others where all share one algorithm; else its name. */
  shortName(i) {
    const { runs } = this.state,
      name = this.nameOf(i),
      base = this.ruleName(runs[i].rule);
    const shared = runs.length > 1 && runs.every((run) => run.rule === runs[i].rule);
    return shared ? name.slice(base.length).replace(/^[ ,]+/, "") : name;
  }

  // -- changes

  /** Changes the state at a path such as ["runs", 0, "hyper", "lr"], and draws. */
  put(path, value) {
    valueAt(this.state, path.slice(0, -1))[path.at(-1)] = value;
    this.changed();
  }

  changed(structure = false) {
    if (structure) this.rebuild();
    this.refresh();
    this.options.onchange?.(structuredClone(this.state));
  }

  /** Takes a whole state from outside, such as from Python. */
  replace(given) {
    try {
      this.state = checked(this.lib, given);
      this.messages = [];
    } catch (error) {
      this.messages = [["bad.state", error]];
    }
    this.rebuild();
    this.refresh();
  }

  reset() {
    this.pause();
    this.state = structuredClone(this.initial);
    this.messages = [];
    this.compare = null;
    this.changed(true);
  }

  remove(i) {
    this.state.runs.splice(i, 1);
    this.state.vivid = null;
    this.compare = null;
    this.changed(true);
  }

  /** Another tab. */
  choose(tab) {
    try {
      this.set({ tab });
    } catch (error) {
      this.messages = [["bad.state", error]];
      this.refresh();
    }
  }

  /** A run stands out, beside the one that did first; pressed again it steps back. */
  highlight(i) {
    const now = vividOf(this.state),
      others = now.filter((k) => k !== i);
    this.state.vivid = now.includes(i) && others.length ? others : [i, ...others].slice(0, 2);
    this.changed();
  }

  speak(lang) {
    if (lang === this.lang) return;
    this.lang = lang;
    this.rebuild();
    this.refresh();
  }

  rebuild() {
    const focus = this.root.contains(document.activeElement) ? document.activeElement.dataset.key : null,
      open = [...this.root.querySelectorAll("details[open]")].map((d) => d.dataset.key);
    layOut(this);
    if (open.includes("more")) this.fill();
    for (const d of this.root.querySelectorAll("details")) if (open.includes(d.dataset.key)) d.open = true;
    this.measure();
    if (focus) this.root.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }

  // -- time

  play() {
    const { state } = this;
    if (state.at === null || state.at >= state.steps) state.at = 0;
    this.playing = true;
    const stills = this.still.matches,
      whole = stills ? 6000 : Math.min(Math.max(state.steps * 40, 2500), 8000),
      begun = performance.now(),
      from = state.at;
    const tick = (now) => {
      if (!this.playing || !this.alive || this.state !== state) return;
      const share = Math.max((now - begun) / whole, 0); // a frame's time may lie before the click
      const t = from + (stills ? Math.floor(share * 10) / 10 : share) * state.steps;
      state.at = Math.min(Math.floor(t), state.steps);
      if (state.at >= state.steps) {
        this.pause();
        return;
      }
      this.refresh();
      requestAnimationFrame(tick);
    };
    this.refresh();
    requestAnimationFrame(tick);
  }

  pause() {
    this.playing = false;
    this.refresh();
  }

  jump(by) {
    this.pause();
    this.put(["at"], Math.min(Math.max(this.upTo() + by, 0), this.state.steps));
  }

  upTo() {
    return this.state.at ?? this.state.steps;
  }

  // -- sharing

  /** Whether the reader has changed anything. */
  moved() {
    return Object.keys(difference(this.state, this.initial)).length > 0;
  }

  /** What the reader has changed, as text for an address. */
  packed() {
    return packed(difference(this.state, this.initial));
  }

  address() {
    return this.options.address(this.packed());
  }

  pythonText() {
    return python(this.lib, this.state, this.walks, this.state.own && { key: this.ownKey, text: this.ownPython });
  }

  async copy(text) {
    this.shareOut.replaceChildren();
    try {
      await navigator.clipboard.writeText(text);
      this.shareOut.textContent = this.say("copied");
    } catch {
      const rows = Math.min(text.split("\n").length, 8),
        area = h("textarea", { readonly: true, rows, "aria-label": this.say("share") });
      area.value = text;
      this.shareOut.append(this.say("copy.failed"), area);
      area.select();
    }
  }

  download() {
    const link = h("a", {
      href: URL.createObjectURL(new Blob([this.svg()], { type: "image/svg+xml" })),
      download: `downhill-${this.state.surface}.svg`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  /** The picture as a file, in the colours of paper. */
  svg() {
    const { theme, paper, styles } = this,
      brush = new Svg(this.width, this.height);
    Object.assign(this, { theme: "light", paper: DATA.paper.light, styles: looks(this.state, "light") });
    paint(this, brush, "#5c5c5c");
    Object.assign(this, { theme, paper, styles });
    return brush.toString();
  }

  // -- drawing

  watch() {
    this.sizes = new ResizeObserver(() => {
      if (this.measure()) this.refresh();
    });
    this.sizes.observe(this.el);
    const repaint = () => {
      this.readTheme();
      this.refresh();
    };
    const quit = watchTheme(repaint);
    this.unwatch = () => {
      quit();
      this.sizes.disconnect();
    };
    this.readTheme();
    this.measure();
  }

  readTheme() {
    return Object.assign(this, themeOf(this.root));
  }

  /**
   * Sizes of the canvases; true if they changed. A plane is true to scale unless that made it too flat or too high;
   * where it is narrow for the page, the controls stand beside it.
   */
  measure() {
    const whole = this.root.clientWidth;
    if (!whole) return false;
    const narrow = whole < 600,
      shape = this.shape(),
      [left, right, top, bottom] = narrow ? [36, 10, 16, 34] : [44, 14, 18, 36],
      most = narrow ? 360 : 400; // of the side of a square with the frame's area
    const w = Math.min(whole - left - right, most / Math.sqrt(shape)),
      beside = !narrow && w + left + right < whole - 235;
    this.root.classList.toggle("dx-narrow", narrow);
    this.root.classList.toggle("dx-beside", beside);
    const width = Math.round(beside ? w + left + right : whole),
      x = beside ? left : left + (whole - left - right - w) / 2,
      height = Math.round(w * shape + top + bottom);
    const changed = width !== this.width || height !== this.height || this.fresh !== this.canvas;
    Object.assign(this, { width, height, fresh: this.canvas, area: { x, y: top, w, h: height - top - bottom } });
    fit(this.canvas, width, height);
    if (this.side.parentElement?.clientWidth) fit(this.side, this.side.parentElement.clientWidth, SIDE);
    const lens = Math.min(300, whole - 16);
    fit(this.lensCanvas, lens, lens);
    return changed;
  }

  /** Height over width of the frame. */
  shape() {
    const { state } = this,
      box = this.box();
    if (state.scene === "map") return 0.75;
    if (state.scene !== "plane") return 0.5;
    if (state.view === "relief") return 0.62;
    return Math.min(Math.max((box[1][1] - box[1][0]) / (box[0][1] - box[0][0]), 0.42), 1);
  }

  box() {
    const { state, lib } = this;
    if (state.scene === "map") return state.axes.map(([, low, high]) => [low, high]);
    return state.domain ?? lib.surfaces[state.surface]?.domain ?? [[-1, 1]];
  }

  refresh() {
    if (this.waiting || !this.alive) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.alive) this.draw();
    });
  }

  /** The walks of the state as it is now; walked anew only if something that they depend on has changed. */
  currentWalks() {
    const { surface, tab, constants, start, steps, runs, noise, seed, batch_size, project, own } = this.state,
      key = JSON.stringify([surface, tab, constants, start, steps, runs, noise, seed, batch_size, project, own]);
    if (key !== this.walked) {
      this.walks = walksOf(this.lib, this.state);
      this.walked = key;
      this.cache.series = null;
    }
    return this.walks;
  }

  /** Everything that follows from the state. What takes long and does not change is kept. */
  draw() {
    if (!this.canvas.width || !this.width) return; // laid out later: its size then asks for a drawing
    const begun = performance.now();
    this.styles = looks(this.state, this.theme);
    this.currentWalks();
    paint(this, new Brush(wipe(this.canvas, this.width, this.height)), this.ink);
    if (this.side.isConnected && this.side.clientWidth) drawSeries(this);
    placeHandle(this);
    for (const update of this.updates) update();
    tell(this);
    if (this.lens.open && !this.lens.hidden && this.lensCanvas.clientWidth) drawLens(this);
    if (this.more.open) {
      this.fill();
      drawNumbers(this);
    }
    askMap(this);
    this.el.dispatchEvent(new CustomEvent("downhill-change", { bubbles: true }));
    this.timings.push(performance.now() - begun);
    if (this.timings.length > 500) this.timings.shift();
  }

  /** 2/L from the curvature where the surface is lowest, for scenes that ask for it. */
  limit() {
    const { state } = this,
      surface = this.lib.surfaces[state.surface];
    if (!state.limit || !surface || surface.dim !== 2) return NaN;
    const constants = constantsOf(this.lib, state),
      at = surface.minima[0] ?? state.start,
      e = 1e-5;
    const slope = (k, by) => surface.gradient(at[0] + by * (k === 0), at[1] + by * (k === 1), constants);
    const rows = [0, 1].map((k) => {
      const [up, down] = [slope(k, e), slope(k, -e)];
      return [(up[0] - down[0]) / (2 * e), (up[1] - down[1]) / (2 * e)];
    });
    const [a, b, d] = [rows[0][0], (rows[0][1] + rows[1][0]) / 2, rows[1][1]];
    return 2 / ((a + d) / 2 + Math.hypot((a - d) / 2, b));
  }

  /** The sentences about what could not be shown. */
  problems() {
    return this.messages.map(([key, error]) => this.say(key, { why: why(this.lang, error) }));
  }

  close() {
    this.alive = false;
    this.playing = false;
    clearTimeout(this.speaking);
    cancelAnimationFrame(this.waiting);
    stopMap(this);
    this.unwatch();
    this.shut();
    this.root.remove();
  }
}
