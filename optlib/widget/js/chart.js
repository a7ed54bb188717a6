// Curves with a scrubber: training curves with early stopping, a slider over variants, parts stacked into a whole.

import { axes, frame } from "./axes.js";
import { Base } from "./base.js";
import { Brush, fit, wipe } from "./brush.js";
import { assignedChart, checkedChart, prepared, readingChart, says, stopped, valuesOf } from "./chartstate.js";
import { DATA } from "./data.js";
import { button, h, swatch } from "./element.js";
import { arranged, marginFor, writeNames } from "./names.js";
import { themeOf } from "./theme.js";
import { show } from "./words.js";

const LATER = 0.25; // what lies after the scrubber

export class Chart extends Base {
  constructor(el, data, given, options = {}) {
    super();
    Object.assign(this, { el, options, data: prepared(data), lang: options.lang === "zh" ? "zh" : "en" });
    Object.assign(this, {
      alive: true,
      places: {},
      problem: null,
      still: matchMedia("(prefers-reduced-motion: reduce)"),
    });
    this.start(given);
    this.layOut();
    this.watch();
    this.refresh();
  }

  checked(given, base) {
    return checkedChart(this.data, given, base);
  }

  assigned(values) {
    return assignedChart(this.data, this.state, values);
  }

  read(name, lang = this.lang) {
    return readingChart(this.data, this.state, name, lang);
  }

  // -- time

  play() {
    const last = this.data.x.length - 1,
      begun = performance.now(),
      from = this.state.at >= last ? 0 : this.state.at,
      tenths = this.still.matches;
    this.playing = true;
    const tick = (now) => {
      if (!this.playing || !this.alive) return;
      const share = Math.max(now - begun, 0) / (tenths ? 6000 : 4000),
        at = Math.floor(from + (tenths ? Math.floor(10 * share) / 10 : share) * last);
      this.put({ at: Math.min(at, last) });
      if (at < last) requestAnimationFrame(tick);
      else this.pause();
    };
    requestAnimationFrame(tick);
  }

  pause() {
    this.playing = false;
    this.refresh();
  }

  // -- elements

  layOut() {
    const { data } = this;
    this.updates = [];
    this.canvas = h("canvas", { class: "dx-canvas dx-scrubs", role: "img" });
    this.words = h("p", { class: "dx-says" });
    this.notes = h("div", { class: "dx-notes", role: "status" });
    this.heard = h("p", { class: "dx-hidden", "aria-live": "polite" });
    const sliders = [];
    if (data.over) {
      const words = () => show(data.over.values[this.state.over], 4);
      sliders.push(this.slider("over", data.over.letter, 0, data.over.values.length - 1, words));
    }
    if (data.watch) sliders.push(this.slider("patience", this.say("chart.patience"), 1, data.most));
    const root = h(
      "section",
      { class: "dx", lang: this.lang === "zh" ? "zh-CN" : "en", "aria-label": this.say("chart") },
      data.stacked ? this.key() : null,
      h("div", { class: "dx-plot" }, this.canvas),
      this.timeBar(),
      h("div", { class: "dx-shown" }, ...sliders),
      this.words,
      this.notes,
      this.heard,
    );
    if (this.root) this.root.replaceWith(root);
    else this.el.append(root);
    this.root = root;
    this.pointers();
  }

  /** Which colour is which part, where names find no room. */
  key() {
    const parts = this.data.curves.map((curve, k) => {
      const { svg, update } = swatch();
      this.updates.push(() => update({ colour: this.colours[k] }));
      return h("li", {}, svg, ` ${curve[this.lang]}`);
    });
    return h("ul", { class: "dx-parts" }, ...parts);
  }

  timeBar() {
    this.playButton = button("play", "▶", () => (this.playing ? this.pause() : this.play()), { class: "dx-play" });
    this.clock = h("output", { class: "dx-clock" });
    this.scrub = h("input", {
      type: "range",
      min: 0,
      max: this.data.x.length - 1,
      step: 1,
      "aria-label": this.data.axes[0][this.lang],
      "data-key": "scrub",
      oninput: () => {
        this.pause();
        this.put({ at: +this.scrub.value });
      },
    });
    return h("div", { class: "dx-time" }, this.data.whole ? null : this.playButton, this.scrub, this.clock);
  }

  pointers() {
    const seek = (event) => {
      const left = this.canvas.getBoundingClientRect().left,
        x = this.frame.unX(event.clientX - left),
        away = this.data.x.map((v) => Math.abs(v - x));
      this.pause();
      this.put({ at: away.indexOf(Math.min(...away)) });
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      seek(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) seek(event);
    });
  }

  // -- drawing

  draw() {
    const width = this.root.clientWidth;
    if (!width) return;
    const narrow = width < 600,
      height = narrow ? 290 : Math.round(Math.min(0.5 * width, 340));
    this.root.classList.toggle("dx-narrow", narrow);
    Object.assign(this, themeOf(this.root));
    const hue = (k) => DATA.series[(this.data.stacked?.[k] ?? k) % DATA.series.length];
    this.colours = this.data.curves.map(({ name }, k) => (DATA.looks[name] ?? hue(k))[this.theme] ?? this.ink);
    fit(this.canvas, width, height);
    this.paint(new Brush(wipe(this.canvas, width, height)), width, height);
    for (const update of this.updates) update();
    this.tell();
    this.el.dispatchEvent(new CustomEvent("downhill-change", { bubbles: true }));
  }

  tell() {
    const now = says(this.data, this.state, this.lang);
    this.scrub.value = this.state.at;
    this.clock.textContent = show(this.data.x[this.state.at], 5);
    this.scrub.setAttribute("aria-valuetext", `${this.data.axes[0][this.lang]} ${this.clock.textContent}`);
    this.playButton.setAttribute("aria-label", this.say(this.playing ? "pause" : "play"));
    this.playButton.textContent = this.playing ? "❚❚" : "▶";
    this.canvas.setAttribute("aria-label", now);
    this.tellNow(now, !this.playing);
  }

  paint(brush, width, height) {
    const { data, state, ink } = this,
      [low, high] = data.limits,
      { x } = data,
      pad = data.stacked ? (x.at(-1) - x[0]) / (2 * Math.max(x.length - 1, 1)) : 0,
      ends = [x[0] - pad, x.at(-1) + pad],
      told = data.stacked || data.whole ? [] : data.curves.map((curve) => curve[this.lang]),
      margin = marginFor(told, brush, width - 62),
      f = frame(48, 20, width - 62 - margin, height - 58, [ends, [low, high]], data.log);
    this.frame = f;
    this.lines = [];
    axes(
      brush,
      f,
      ink,
      data.axes.map((axis) => axis[this.lang]),
    );
    brush.clip(f.x, f.y - 2, f.w, f.h + 4);
    if (data.stacked) this.paintBars(brush, f);
    else this.paintCurves(brush, f);
    brush.open();
    const here = f.X(x[state.at]);
    if (!data.stacked) brush.line([here, f.y, here, f.y + f.h], { stroke: ink, width: 1, alpha: 0.6 });
    this.paintStop(brush, f);
    if (!data.stacked) this.paintNames(brush, f);
  }

  paintCurves(brush, f) {
    const { x, log } = this.data,
      top = (v) => (log && !(v > 0) ? NaN : Math.min(Math.max(f.Y(v), -1e5), 1e5));
    for (const [k, curve] of this.data.curves.entries()) {
      const values = valuesOf(this.state, curve),
        xy = Float64Array.from({ length: 2 * x.length }, (_, i) => (i % 2 ? top(values[i >> 1]) : f.X(x[i >> 1]))),
        stroke = this.colours[k];
      this.lines.push(xy);
      if (!this.data.whole) brush.line(xy, { stroke, width: 1.2, alpha: LATER });
      brush.line(this.data.whole ? xy : xy.subarray(0, 2 * (this.state.at + 1)), { stroke, width: 2.2 });
      brush.dots(xy.subarray(2 * this.state.at, 2 * this.state.at + 2), 4, { fill: stroke });
    }
  }

  paintBars(brush, f) {
    const { x, curves } = this.data,
      wide = Math.max((f.w / x.length) * 0.8, 1);
    for (const [i, place] of x.entries()) {
      let height = 0;
      for (const [k, curve] of curves.entries()) {
        const value = valuesOf(this.state, curve)[i],
          [left, foot, top] = [f.X(place) - wide / 2, f.Y(height), f.Y(height + value)];
        if (!(value >= 0)) continue;
        height += value;
        const around = [left, foot, left + wide, foot, left + wide, top, left, top];
        brush.line(around, { fill: this.colours[k], alpha: i > this.state.at ? LATER : 1 });
      }
    }
  }

  /** Where early stopping ends and what it keeps. */
  paintStop(brush, f) {
    const end = stopped(this.data, this.state);
    if (!end || end.kept < 0) return;
    const { x } = this.data,
      grey = { fill: this.ink, size: 11, halo: this.paper },
      [kx, ky] = [f.X(x[end.kept]), f.Y(valuesOf(this.state, end.watched)[end.kept])];
    for (const [stroke, width] of Object.entries({ [this.paper]: 5, [this.ink]: 2 }))
      brush.dots([kx, ky], 7, { stroke, width });
    const near = end.stop !== null && f.X(x[end.stop]) - kx < 70;
    brush.line([kx, ky + 8, kx, f.y + f.h], { stroke: this.ink, width: 1, dash: [1, 3] });
    brush.text(kx - 4, f.y + f.h - 8, this.say("chart.keeps"), {
      ...grey,
      align: near || kx > f.x + 60 ? "right" : "left",
    });
    if (end.stop === null) return;
    const sx = f.X(x[end.stop]);
    brush.line([sx, f.y, sx, f.y + f.h], { stroke: this.ink, width: 1.4, dash: [4, 3] });
    const left = sx > f.x + f.w - 60;
    brush.text(sx + (left ? -4 : 4), f.y + f.h - 8, this.say("chart.stops"), {
      ...grey,
      align: left ? "right" : "left",
    });
  }

  /** Names where the scrubber is; those of whole curves beside them, so that the line does not push them about. */
  paintNames(brush, f) {
    const styles = this.data.curves.map((_, k) => ({ colour: this.colours[k], vivid: true })),
      seen = ([, y]) => y >= f.y && y <= f.y + f.h;
    const named = this.data.curves.map((curve, i) => {
      const { x, whole } = this.data,
        values = valuesOf(this.state, curve),
        points = Array.from(x, (place, t) => [f.X(place), f.Y(values[t])]),
        at = points[whole ? values.indexOf(Math.min(...values.filter(Number.isFinite))) : this.state.at];
      return { i, words: curve[this.lang], vivid: true, at, along: whole && points.filter(seen) };
    });
    const shown = named.filter((each) => seen(each.at)),
      { lines, places, playing } = this,
      room = { x: f.x, y: f.y - 6, w: brush.c.canvas.clientWidth - f.x, h: f.h + 12 },
      wide = (words, size) => brush.wide(words, size),
      names = arranged(shown, room, wide, { lines, marks: [], before: places, plays: playing });
    this.places = Object.fromEntries(names.map(({ i, place }) => [i, place]));
    writeNames(brush, names, styles, this.paper, this.ink);
  }
}
