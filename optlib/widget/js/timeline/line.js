// The figure: a row of bars for each worker, the chosen one with all updates that came while it was computed.

import { frame, ticks } from "./axes.js";
import { Base } from "./base.js";
import { Brush, fit, rgb, wipe } from "./brush.js";
import { DATA } from "./data.js";
import { h } from "./element.js";
import {
  assignedLine,
  between,
  checkedLine,
  chosen,
  ofWorker,
  readingLine,
  runOf,
  saysBar,
  saysLine,
} from "./linestate.js";
import { themeOf } from "./theme.js";
import { show } from "./words.js";

const hex = (parts) => `#${parts.map((v) => Math.round(v).toString(16).padStart(2, "0")).join("")}`;

/** How many begin at a time, if all of them read one version. */
function together(rows, time) {
  const begun = rows.filter((row) => row[1] === time);
  return begun.every((row) => row[3] === begun[0][3]) && begun.length;
}

/** How bright a colour is to the eye, 0 to 1. */
const light = (colour) => {
  const [r, g, b] = rgb(colour).map((v) => (v / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

export class Line extends Base {
  constructor(el, data, given, options = {}) {
    super();
    Object.assign(this, { el, options, data, lang: options.lang === "zh" ? "zh" : "en", alive: true, problem: null });
    this.start(given);
    this.layOut();
    this.watch();
    this.refresh();
  }

  checked(given, base) {
    return checkedLine(this.data, given, base);
  }

  assigned(values) {
    return assignedLine(this.data, this.state, values);
  }

  read(name, lang = this.lang) {
    return readingLine(this.data, this.state, name, lang);
  }

  put(changes) {
    this.tip.hidden = true;
    super.put(changes);
  }

  // -- elements

  layOut() {
    const { over } = this.data;
    this.updates = [];
    this.canvas = h("canvas", {
      class: "dx-canvas",
      style: "cursor: pointer",
      tabindex: 0,
      role: "slider",
      "aria-label": this.say("line.choose"),
      "aria-valuemin": 1,
      "data-key": "bars",
    });
    this.tip = h("div", { class: "dx-tip", hidden: true, style: "white-space: normal; max-width: 18rem" });
    this.words = h("p", { class: "dx-says" });
    this.notes = h("div", { class: "dx-notes", role: "status" });
    this.heard = h("p", { class: "dx-hidden", "aria-live": "polite" });
    const words = () => show(over.values[this.state.over], 4);
    const root = h(
      "section",
      { class: "dx", lang: this.lang === "zh" ? "zh-CN" : "en", "aria-label": this.say("line") },
      h("div", { class: "dx-plot" }, this.canvas, this.tip),
      over
        ? h("div", { class: "dx-shown" }, this.slider("over", over.label[this.lang], 0, over.values.length - 1, words))
        : null,
      this.words,
      this.notes,
      this.heard,
    );
    if (this.root) this.root.replaceWith(root);
    else this.el.append(root);
    this.root = root;
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.pointers();
  }

  /** Left and right along a worker's bars, up and down to the bar of its neighbour at that time. */
  key(event) {
    const { data, state } = this,
      { worker } = state,
      last = ofWorker(data, state, worker).length,
      nth = Math.min(state.nth, last),
      along = { ArrowLeft: nth - 1, ArrowRight: nth + 1, Home: 1, End: last }[event.key],
      across = { ArrowUp: worker - 1, ArrowDown: worker + 1 }[event.key];
    if (along === undefined && across === undefined) return;
    event.preventDefault();
    if (along >= 1 && along <= last) this.put({ nth: along });
    const [, begin, end] = chosen(data, state);
    if (across >= 1 && across <= data.workers) this.choose(this.barAt(across, (begin + end) / 2));
  }

  /** The bar of a worker that lies nearest to a time. */
  barAt(worker, time) {
    const away = ([, begin, end]) => Math.max(begin - time, time - end, 0);
    const bars = ofWorker(this.data, this.state, worker);
    return bars.length ? bars.reduce((best, row) => (away(row) < away(best) ? row : best)) : null;
  }

  choose(row) {
    if (!row) return;
    const worker = row[0] + 1;
    this.put({ worker, nth: ofWorker(this.data, this.state, worker).indexOf(row) + 1 });
  }

  pointers() {
    const under = (event) => {
      const box = this.canvas.getBoundingClientRect(),
        { y, high, f } = this.place,
        worker = Math.floor((event.clientY - box.top - y) / high) + 1;
      if (worker < 1 || worker > this.data.workers) return null;
      return this.barAt(worker, f.unX(event.clientX - box.left));
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.choose(under(event));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const row = under(event);
      if (event.buttons) this.choose(row);
      else this.hint(row);
    });
    this.canvas.addEventListener("pointerleave", () => this.hint(null));
  }

  /** What a bar under the mouse says, without choosing it. */
  hint(row) {
    this.tip.hidden = !row;
    if (!row) return;
    this.tip.textContent = saysBar(this.data, row, this.lang);
    const { f, y, high } = this.place,
      left = Math.min(f.X(row[1]), this.root.clientWidth - this.tip.offsetWidth - 4);
    this.tip.style.transform = `translate(${Math.max(left, 0)}px, ${y + high * (row[0] + 1)}px)`;
  }

  // -- drawing

  draw() {
    const width = this.root.clientWidth;
    if (!width) return;
    const { data } = this,
      narrow = width < 600,
      high = narrow ? 38 : 44,
      y = 8;
    this.root.classList.toggle("dx-narrow", narrow);
    this.words.style.minHeight = narrow ? "5.8em" : "";
    Object.assign(this, themeOf(this.root));
    fit(this.canvas, width, y + high * data.workers + 34);
    const brush = new Brush(wipe(this.canvas, width, y + high * data.workers + 34)),
      names = Array.from({ length: data.workers }, (_, w) => `${data.who[this.lang]} ${w + 1}`),
      x = Math.max(...names.map((name) => brush.wide(name, 12))) + 10,
      f = frame(x, y, width - x - 10, high * data.workers, [
        [0, data.until],
        [0, 1],
      ]);
    this.place = { f, y, high };
    this.paint(brush, names);
    for (const update of this.updates) update();
    this.tell();
    this.el.dispatchEvent(new CustomEvent("downhill-change", { bubbles: true }));
  }

  tell() {
    const { data, state } = this,
      last = ofWorker(data, state, state.worker).length,
      now = saysLine(data, state, this.lang);
    this.canvas.setAttribute("aria-valuemax", last);
    this.canvas.setAttribute("aria-valuenow", Math.min(state.nth, last));
    this.canvas.setAttribute("aria-valuetext", now);
    this.tellNow(now, true);
  }

  /** The more versions old, the more colour. */
  fill(age) {
    const [palest, shade, oldest] = this.data.shades,
      share = age === null ? 0 : palest + shade * Math.min(age, oldest),
      [from, to] = [this.paper, DATA.bar[this.theme]].map(rgb);
    return hex(from.map((v, i) => v + share * (to[i] - v)));
  }

  paint(brush, names) {
    const { data, state, ink, place } = this,
      { f, y, high } = place,
      { rows } = runOf(data, state),
      now = chosen(data, state),
      others = now[4] === null ? [] : between(data, state, now),
      mark = DATA.mark[this.theme],
      edge = (w) => [y + high * w + 6, y + high * (w + 1) - 8];
    for (const v of ticks(0, data.until, Math.max(2, Math.round(f.w / 80)))) {
      brush.text(f.X(v), f.y + f.h + 12, show(v), { fill: ink, size: 11 });
    }
    brush.text(f.x + f.w, f.y + f.h + 26, this.say("line.unit"), { fill: ink, size: 12, align: "right" });
    brush.line([f.x, f.y + f.h, f.x + f.w, f.y + f.h], { stroke: ink, width: 1, alpha: 0.5 });
    for (const [w, name] of names.entries())
      brush.text(f.x - 8, y + high * (w + 0.5) - 1, name, { fill: ink, size: 12, align: "right", bold: w === now[0] });
    brush.clip(f.x - 2, f.y - 2, f.w + 4, f.h + 4);
    for (const row of rows) this.paintBar(brush, row, edge(row[0]));
    for (const start of new Set(rows.map((row) => row[1])))
      if (start > 0 && together(rows, start) === data.workers)
        brush.line([f.X(start), f.y, f.X(start), f.y + f.h], { stroke: ink, width: 1.4 });
    const [top, foot] = edge(now[0]),
      [left, right] = [f.X(now[1]), f.X(now[2])];
    for (const at of [left, right])
      brush.line([at, f.y, at, f.y + f.h], { stroke: ink, width: 1, dash: [3, 3], alpha: 0.8 });
    brush.line([left, top, right, top, right, foot, left, foot, left, top, right, top], { stroke: ink, width: 3 });
    for (const row of others) {
      const at = f.X(row[2]),
        [high0, low0] = edge(row[0]);
      for (const [stroke, width] of [
        [this.paper, 6],
        [mark, 3],
      ]) {
        brush.line([at, high0 - 3, at, low0 + 3], { stroke, width });
        brush.line([at, foot - 5, at, foot + 5], { stroke, width: width - 0.6 });
      }
    }
    brush.open();
  }

  /** A bar, the version that was read in it, and a tick where its update was written. */
  paintBar(brush, row, [top, foot]) {
    const { ink, data } = this,
      { f } = this.place,
      [, begin, end, version, age] = row,
      [left, right] = [f.X(begin), f.X(end)],
      fill = this.fill(age),
      seen = Math.min(right, f.x + f.w) - left,
      box = [left, top, right, top, right, foot, left, foot, left, top];
    brush.line(box, { fill, stroke: ink, width: 0.8 });
    if (age !== null && end <= data.until) brush.line([right, top - 3, right, foot + 3], { stroke: ink, width: 1.6 });
    const dark = light(fill) > 0.18 ? "#1d1d1d" : "#ffffff";
    if (seen > brush.wide(String(version), 11) + 4)
      brush.text(left + seen / 2, (top + foot) / 2, String(version), { fill: dark, size: 11 });
  }
}
