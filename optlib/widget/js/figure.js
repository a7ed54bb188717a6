// The figure: state, time, drawing.

import { Brush, fit, Svg, wipe } from "./brush.js";
import { drawLens } from "./closeup.js";
import { layOut } from "./controls.js";
import { looks } from "./curves.js";
import { DATA, library } from "./data.js";
import { h } from "./element.js";
import { placeHandle } from "./handle.js";
import { askMap, stopMap } from "./mapping.js";
import { drawSeries, paint } from "./picture.js";
import { python } from "./python.js";
import { checked, difference, packed, unpacked } from "./state.js";
import { drawNumbers, tell } from "./told.js";
import { constantsOf, isSchedule, joined, walk } from "./walk.js";
import { fill, show, symbol } from "./words.js";

let count = 0; // of figures on the page, for ids

export const LIBRARY = library();

/** The figure itself: its state, its time, and what is drawn of them. */
export class Figure {
  constructor(el, given, options = {}) {
    this.el = el;
    this.id = `dx${++count}`;
    this.lang = options.lang === "zh" ? "zh" : "en";
    this.options = options;
    this.lib = joined(LIBRARY, options.extra ? options.extra() : null);
    this.messages = [];
    this.hidden = {};
    this.timings = [];
    this.alive = true;
    this.cache = {};
    this.compare = null;
    try {
      this.initial = checked(this.lib, given);
    } catch (error) {
      this.initial = checked(this.lib, {});
      this.messages.push(fill(this.say("bad.state"), { why: error.message }));
    }
    this.state = structuredClone(this.initial);
    if (options.link) {
      try {
        this.state = checked(this.lib, unpacked(options.link), this.initial);
      } catch (error) {
        this.messages.push(fill(this.say("bad.link"), { why: error.message }));
      }
    }
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    layOut(this);
    this.watch();
    this.refresh();
  }

  say(key, values) {
    const words = DATA.labels[key]?.[this.lang] ?? key;
    return values ? fill(words, values) : words;
  }

  nameOf(i) {
    const { runs } = this.state,
      { rule } = runs[i];
    const base = DATA.algorithms[rule] ?? rule;
    const same = runs.filter((r) => r.rule === rule);
    if (same.length === 1) return base;
    const telling = Object.keys(runs[i].hyper).find(
      (name) => new Set(same.map((r) => JSON.stringify(r.hyper[name]))).size > 1,
    );
    if (!telling)
      return runs[i].delay || same.some((r) => r.delay)
        ? `${base}, ${this.say("late", { n: runs[i].delay })}`
        : `${base} ${same.indexOf(runs[i]) + 1}`;
    const value = runs[i].hyper[telling];
    const told = isSchedule(value) ? this.say(`schedule.${value.schedule}`) : show(value);
    return `${base} ${symbol(telling, runs[i].hyper)}=${told}`;
  }

  /** Changes the state by path, such as "runs.0.hyper.lr", and draws. */
  set(path, value) {
    const keys = path.split("."),
      last = keys.pop();
    let at = this.state;
    for (const key of keys) at = at[key];
    at[last] = value;
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
      this.messages = [fill(this.say("bad.state"), { why: error.message })];
    }
    this.rebuild();
    this.refresh();
  }

  rebuild() {
    const focus = this.root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const open = [...this.root.querySelectorAll("details[open]")].map((d) => d.dataset.key);
    layOut(this);
    for (const d of this.root.querySelectorAll("details")) if (open.includes(d.dataset.key)) d.open = true;
    if (focus) this.root.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    this.measure();
  }

  /** 2/L from the curvature where the surface is lowest, for scenes that ask for it. */
  limit() {
    const { state } = this,
      surface = this.lib.surfaces[state.surface];
    if (!state.limit || !surface || surface.dim !== 2) return NaN;
    const c = constantsOf(this.lib, state),
      at = surface.minima[0] ?? state.start,
      e = 1e-5;
    const col = [0, 1].map((k) => {
      const up = surface.gradient(at[0] + e * (k === 0), at[1] + e * (k === 1), c),
        down = surface.gradient(at[0] - e * (k === 0), at[1] - e * (k === 1), c);
      return [(up[0] - down[0]) / (2 * e), (up[1] - down[1]) / (2 * e)];
    });
    const [a, b, d] = [col[0][0], (col[0][1] + col[1][0]) / 2, col[1][1]];
    return 2 / ((a + d) / 2 + Math.hypot((a - d) / 2, b));
  }

  play() {
    const { state } = this;
    if (state.at === null || state.at >= state.steps) state.at = 0;
    this.playing = true;
    const stills = this.still.matches,
      begun = performance.now(),
      from = state.at;
    const tick = (now) => {
      if (!this.playing || !this.alive) return;
      const whole = stills ? 6000 : Math.min(Math.max(state.steps * 40, 2500), 8000);
      let t = from + Math.max((now - begun) / whole, 0) * state.steps; // a frame's time may lie before the click
      if (stills) t = from + Math.floor(Math.max((now - begun) / whole, 0) * 10) * (state.steps / 10);
      state.at = Math.min(Math.floor(t), state.steps);
      this.refresh();
      if (state.at >= state.steps) {
        this.pause();
        return;
      }
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
    const now = this.state.at ?? this.state.steps;
    this.set("at", Math.min(Math.max(now + by, 0), this.state.steps));
  }

  address() {
    return this.options.address(packed(difference(this.state, this.initial)));
  }

  pythonText() {
    return python(this.lib, this.state, this.walks);
  }

  async copy(text) {
    this.shareOut.replaceChildren();
    try {
      await navigator.clipboard.writeText(text);
      this.shareOut.textContent = this.say("copied");
    } catch {
      const area = h("textarea", {
        readonly: true,
        rows: Math.min(text.split("\n").length, 8),
        "aria-label": this.say("share"),
      });
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

  svg() {
    const brush = new Svg(this.width, this.height);
    paint(this, brush, "#5c5c5c");
    return brush.toString();
  }

  watch() {
    this.sizes = new ResizeObserver(() => {
      if (this.measure()) this.refresh();
    });
    this.sizes.observe(this.el);
    const repaint = () => this.refresh();
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", repaint);
    this.theme = new MutationObserver(repaint);
    for (const element of [document.documentElement, document.body])
      this.theme.observe(element, {
        attributes: true,
        attributeFilter: ["data-theme", "class", "data-jp-theme-light", "data-vscode-theme-kind"],
      });
    this.unwatch = () => {
      this.dark.removeEventListener("change", repaint);
      this.theme.disconnect();
      this.sizes.disconnect();
    };
    this.measure();
  }

  /** Sizes of the canvases; true if they changed. */
  measure() {
    const whole = this.el.clientWidth;
    if (!whole) return false;
    this.root.classList.toggle("dx-narrow", whole < 600);
    const width = Math.max(this.plot.clientWidth, 200),
      box = this.box();
    const shape =
      this.state.scene === "plane" && this.state.view === "plane"
        ? (box[1][1] - box[1][0]) / (box[0][1] - box[0][0])
        : 0.62;
    const height = Math.round(width * Math.min(Math.max(shape, 0.74), 0.9)) + 10;
    const changed = width !== this.width || height !== this.height;
    this.width = width;
    this.height = height;
    fit(this.canvas, width, height);
    if (this.side.isConnected) fit(this.side, this.side.parentElement.clientWidth, 158);
    const lens = Math.min(300, whole - 16);
    fit(this.lensCanvas, lens, lens);
    const fresh = this.fresh !== this.canvas;
    this.fresh = this.canvas;
    return changed || fresh;
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

  /** Everything that follows from the state. What takes long and does not change is kept. */
  draw() {
    if (!this.canvas.width || !this.width) return; // laid out later: its size then asks for a drawing
    const begun = performance.now(),
      { state, lib } = this;
    this.styles = looks(state);
    const key = JSON.stringify([
      state.surface,
      state.constants,
      state.start,
      state.steps,
      state.runs,
      state.noise,
      state.seed,
      state.batch,
      state.project,
    ]);
    if (key !== this.walked) {
      this.walks = state.runs.map((run) => walk(lib, state, run));
      this.walked = key;
      this.cache.series = null;
    }
    paint(this, new Brush(wipe(this.canvas, this.width, this.height)), this.ink());
    if (this.side.isConnected) drawSeries(this);
    placeHandle(this);
    for (const update of this.updates) update();
    tell(this);
    if (this.lens.open && !this.lens.hidden) drawLens(this);
    if (this.numbers.parentElement.open) drawNumbers(this);
    askMap(this);
    this.timings.push(performance.now() - begun);
    if (this.timings.length > 500) this.timings.shift();
  }

  ink() {
    return getComputedStyle(this.root).getPropertyValue("--dx-muted").trim() || "#666666";
  }

  upTo() {
    return this.state.at ?? this.state.steps;
  }

  close() {
    this.alive = false;
    this.playing = false;
    clearTimeout(this.speaking);
    cancelAnimationFrame(this.waiting);
    stopMap(this);
    this.unwatch();
    this.root.remove();
  }
}
