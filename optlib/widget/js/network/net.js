// The figure: a map for each optimizer with its gauge, the losses, the largest curvatures.

import { axes, frame } from "./axes.js";
import { Base } from "./base.js";
import { Brush, fit, rgb, wipe } from "./brush.js";
import { DATA } from "./data.js";
import { button, h, swatch } from "./element.js";
import { assignedNet, checkedNet, prepared, readingNet, saysNet, trainings } from "./netstate.js";
import { themeOf } from "./theme.js";
import { Training } from "./training.js";
import { ruleName, show } from "./words.js";

const PACE = 3; // updates a frame, while it plays
const BUDGET = 6; // milliseconds of a frame that go into training
const STILL = 100; // updates between two pictures, where motion is not wanted
const LOSSES = [1e-4, 10];

export class Net extends Base {
  constructor(el, data, given, options = {}) {
    super();
    Object.assign(this, { el, options, data: prepared(data), lib: options.extra(), alive: true, problem: null });
    this.lang = options.lang === "zh" ? "zh" : "en";
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.start(given);
    this.tiles = this.data.runs.map(() => {
      const tile = document.createElement("canvas");
      tile.width = tile.height = this.data.side;
      return tile;
    });
    this.begin();
    this.layOut();
    this.watch();
    this.wake();
  }

  checked(given, base) {
    return checkedNet(this.data, given, base);
  }

  assigned(values) {
    return assignedNet(this.data, this.state, values);
  }

  // -- as for the other figures: the page's text and questions set it and ask it

  set(values) {
    const before = structuredClone(this.state),
      next = this.assigned(values);
    this.playing = false;
    this.put(next);
    return () => this.put(before);
  }

  read(name, lang = this.lang) {
    return readingNet(this.state, this.runs, name, lang);
  }

  replace(given) {
    this.put(this.tried("bad.state", this.initial, () => this.checked(given, this.initial)));
  }

  /** Another state: who has another rate, another start, or is beyond its place, begins again. */
  put(next) {
    const { seed, lr } = this.state;
    this.state = next;
    for (const [i, training] of this.runs.entries()) {
      const { rule } = training.run;
      if (next.seed !== seed || next.lr[rule] !== lr[rule] || training.t > next.at) this.anew(i);
    }
    this.options.onchange?.(structuredClone(next));
    this.wake();
  }

  begin() {
    this.runs = trainings(this.lib, this.data, this.state);
    this.drawn = this.runs.map(() => -1);
  }

  anew(i) {
    this.runs[i] = new Training(this.lib, this.data, this.data.runs[i], this.state);
    this.drawn[i] = -1;
  }

  // -- time

  /** Trains whoever is behind for a part of each frame, until all are where they should be. */
  wake() {
    if (this.waiting) return;
    const tick = () => {
      this.waiting = 0;
      if (!this.alive) return;
      if (this.playing) this.state.at = Math.min(this.state.at + PACE, this.data.steps);
      const begun = performance.now();
      let behind;
      do {
        behind = this.runs.reduce((a, b) => (b.t < a.t ? b : a));
        if (behind.t >= this.state.at) break;
        behind.update();
      } while (performance.now() - begun < BUDGET);
      const arrived = this.runs.every(({ t }) => t >= this.state.at);
      if (this.playing && arrived && this.state.at === this.data.steps) this.pause();
      if (!this.still.matches || (arrived && !this.playing) || behind.t % STILL === 0) this.draw(arrived);
      if (this.playing || !arrived) this.waiting = requestAnimationFrame(tick);
    };
    this.waiting = requestAnimationFrame(tick);
  }

  /** On from here, or from the first update if this was the last. */
  play() {
    if (this.state.at >= this.data.steps) this.put({ ...this.state, at: 0 });
    this.playing = true;
    this.wake();
  }

  pause() {
    this.playing = false;
    this.options.onchange?.(structuredClone(this.state));
    this.wake();
  }

  again(changes) {
    this.put({ ...this.state, at: 0, ...changes });
    this.play();
  }

  // -- elements

  layOut() {
    this.updates = [];
    this.canvas = h("canvas", { class: "dx-canvas", role: "img" });
    this.words = h("p", { class: "dx-says" });
    this.notes = h("div", { class: "dx-notes", role: "status" });
    this.heard = h("p", { class: "dx-hidden", "aria-live": "polite" });
    this.playButton = button("play", "▶", () => (this.playing ? this.pause() : this.play()), { class: "dx-play" });
    this.clock = h("output", { class: "dx-clock" });
    const seed = () => this.again({ seed: (this.state.seed + 1) % 1e6 });
    const root = h(
      "section",
      { class: "dx dx-net", lang: this.lang === "zh" ? "zh-CN" : "en", "aria-label": this.say("net") },
      h("div", { class: "dx-plot" }, this.canvas),
      h(
        "div",
        { class: "dx-time" },
        this.playButton,
        button("again", this.say("net.again"), () => this.again({})),
        button("seed", this.say("net.seed"), seed),
        this.clock,
      ),
      h("div", { class: "dx-shown" }, ...this.data.runs.map((run) => this.rate(run))),
      this.words,
      this.notes,
      this.heard,
    );
    if (this.root) this.root.replaceWith(root);
    else this.el.append(root);
    this.root = root;
  }

  rate(run) {
    const { svg, update } = swatch(),
      title = `${ruleName(run.rule, this.lang)} η`,
      middle = Math.log10(run.hyper.lr),
      output = h("output", { class: "dx-clock" });
    const input = h("input", {
      type: "range",
      min: middle - 1,
      max: middle + 1,
      step: 0.01,
      "aria-label": title,
      "data-key": `${run.rule}.lr`,
      oninput: () => {
        const lr = { ...this.state.lr, [run.rule]: +(10 ** +input.value).toPrecision(3) };
        this.put({ ...this.state, lr });
      },
    });
    this.updates.push(() => {
      const rate = this.state.lr[run.rule];
      update({ colour: this.colourOf(run), dash: run.look.dash });
      input.value = Math.log10(rate);
      output.textContent = show(rate);
      input.setAttribute("aria-valuetext", show(rate));
    });
    return h("div", { class: "dx-slider" }, h("span", { class: "dx-name" }, svg, title), input, output);
  }

  colourOf(run) {
    return run.look[this.theme] ?? this.ink;
  }

  // -- the picture

  /** Everything anew: another size, another theme, other words. */
  refresh() {
    this.theme = null;
    this.drawn.fill(-1);
    this.draw(!this.waiting);
  }

  draw(rests) {
    if (!this.theme) Object.assign(this, themeOf(this.root));
    const width = Math.max(this.el.clientWidth, 260),
      count = this.runs.length,
      gap = width < 520 ? 8 : 18,
      side = Math.min((width - gap * (count - 1)) / count, 250),
      low = side + 62, // where the two lower pictures begin
      height = low + 170;
    this.root.classList.toggle("dx-narrow", width < 520);
    fit(this.canvas, width, height);
    const brush = new Brush(wipe(this.canvas, width, height));
    for (const [i, training] of this.runs.entries()) {
      const x = i * (side + gap);
      this.tile(i, training, rests);
      brush.image(this.tiles[i], x, 20, side, side);
      this.paintMap(brush, training, x, 20, side);
      this.paintGauge(brush, training, x, side + 30, side);
    }
    const half = (width - 18) / 2;
    this.paintLosses(brush, 0, low, half);
    this.paintBends(brush, half + 18, low, half);
    this.tell(rests);
    this.el.dispatchEvent(new CustomEvent("downhill-change", { bubbles: true }));
  }

  /** The network's output over the square; while it moves, one optimizer's a frame. */
  tile(i, training, rests) {
    const { data, drawn } = this,
      { t } = training;
    if (drawn[i] === t) return;
    const oldest = drawn.indexOf(Math.min(...drawn));
    if (!rests && drawn[i] >= 0 && i !== oldest) return;
    drawn[i] = t;
    const context = this.tiles[i].getContext("2d"),
      image = context.createImageData(data.side, data.side),
      paper = rgb(this.paper),
      colours = DATA.sides[this.theme].map(rgb),
      values = this.lib.network.outputs(training.theta, data.places);
    for (let k = 0; k < values.length; k++) {
      const colour = colours[values[k] > 0 ? 1 : 0],
        share = Number.isFinite(values[k]) ? 0.15 + 0.5 * Math.min(Math.abs(values[k]), 1) : 0;
      for (let c = 0; c < 3; c++) image.data[4 * k + c] = paper[c] + share * (colour[c] - paper[c]);
      image.data[4 * k + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  paintMap(brush, training, x, y, side) {
    const { data } = this,
      f = frame(x, y, side, side, data.box),
      [minus, plus] = DATA.sides[this.theme],
      of = (sign) =>
        [...data.targets.keys()]
          .filter((k) => data.targets[k] === sign)
          .flatMap((k) => [f.X(data.X[2 * k]), f.Y(data.X[2 * k + 1])]),
      radius = side < 160 ? 1.8 : 3;
    brush.dots(of(1), radius, { fill: plus, stroke: this.paper, width: 0.8 });
    brush.dots(of(-1), radius, { fill: this.paper, stroke: minus, width: 1.6 });
    brush.text(x, 9, ruleName(training.run.rule, this.lang), {
      fill: this.colourOf(training.run),
      size: 12,
      align: "left",
      bold: true,
    });
    const words = training.gone ? this.say("net.left") : show(training.loss, 2);
    brush.text(x + side, 9, words, { fill: this.ink, size: 11, align: "right" });
  }

  /** The largest curvature as a bar; the line is what this rule can bear with its rate. */
  paintGauge(brush, training, x, y, side) {
    const { limit, bend } = training,
      most = limit === null ? 1.5 * Math.max(...training.curvatures.filter(Number.isFinite), 1) : 1.5 * limit,
      end = x + (side * Math.min(Math.max(bend || 0, 0), most)) / most,
      box = (to) => [x, y, to, y, to, y + 8, x, y + 8],
      told = limit === null ? `λ ${show(bend, 2)}` : `λ ${show(bend, 2)} / ${show(limit, 2)}`;
    brush.line(box(x + side), { fill: this.ink, alpha: 0.18 });
    brush.line(box(end), { fill: this.colourOf(training.run) });
    if (limit !== null) {
      const at = x + side / 1.5;
      brush.line([at, y - 4, at, y + 12], { stroke: this.ink, width: 2 });
    }
    brush.text(x, y + 19, told, { fill: this.ink, size: 11, align: "left" });
  }

  paintLosses(brush, x, y, wide) {
    const { data, ink } = this,
      f = frame(x + 40, y + 18, wide - 56, 118, [[0, data.steps], LOSSES], true);
    axes(brush, f, ink, ["", this.say("net.loss")]);
    brush.clip(f.x, f.y, f.w, f.h);
    for (const training of this.runs) this.paintLine(brush, f, training, training.losses, 1);
    brush.open();
  }

  paintBends(brush, x, y, wide) {
    const { data, ink, runs } = this,
      tallest = Math.max(
        ...runs.flatMap(({ curvatures, limit }) => [limit ?? 0, ...curvatures.filter((v) => v > 0)]),
        1,
      ),
      f = frame(x + 40, y + 18, wide - 56, 118, [
        [0, data.steps],
        [0, 1.1 * Math.min(tallest, 100)],
      ]);
    axes(brush, f, ink, [this.say("net.axis"), this.say("net.bend")]);
    brush.clip(f.x, f.y - 1, f.w, f.h + 2);
    for (const training of runs) {
      const { limit } = training,
        stroke = this.colourOf(training.run);
      if (limit !== null) brush.line([f.x, f.Y(limit), f.x + f.w, f.Y(limit)], { stroke, width: 1.2, dash: [5, 4] });
      this.paintLine(brush, f, training, training.curvatures, data.every);
    }
    brush.open();
  }

  paintLine(brush, f, training, values, every) {
    const n = Math.floor(training.t / every) + 1,
      step = Math.max(1, Math.floor(n / 400)),
      xy = new Float64Array(2 * Math.ceil(n / step));
    for (let k = 0; k < n; k += step) {
      xy[(2 * k) / step] = f.X(k * every);
      xy[(2 * k) / step + 1] = f.Y(Math.max(values[k], f.box[1][0]));
    }
    brush.line(xy, { stroke: this.colourOf(training.run), width: 2, dash: training.run.look.dash });
  }

  /** What the page says beside the picture. */
  tell(rests) {
    const now = saysNet(this.runs, this.lang),
      label = this.say(this.playing ? "pause" : "play");
    for (const update of this.updates) update();
    this.playButton.setAttribute("aria-label", label);
    this.playButton.textContent = this.playing ? "❚❚" : "▶";
    this.clock.textContent = show(this.read("at").value, 5);
    this.canvas.setAttribute("aria-label", now);
    this.tellNow(now, rests && !this.playing);
  }
}
