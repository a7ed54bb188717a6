// What curves, time lines and a trained network do alike: each has a state, which the page's text sets and asks for and
// which a link carries. A figure of one's own says how a state is `checked`, what it would be with values `assigned`,
// and how to `draw`; what it says stands in its elements `words`, `notes` and `heard`.

import { h } from "./element.js";
import { packed, unpacked } from "./link.js";
import { watchTheme } from "./theme.js";
import { sentence, why } from "./trouble.js";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Base {
  /** The first state: what is given, with what a link changes. */
  start(given) {
    const { link } = this.options;
    this.initial = this.tried("bad.state", {}, () => this.checked(given));
    this.state = this.tried("bad.link", this.initial, () => this.checked(link ? unpacked(link) : {}, this.initial));
  }

  /** Drawn anew when its room or the page's colours change. */
  watch() {
    this.sizes = new ResizeObserver(() => this.refresh());
    this.sizes.observe(this.el);
    this.quit = watchTheme(() => this.refresh());
  }

  /** What `make` gives; if it throws, that is told, and another state is taken. */
  tried(key, otherwise, make) {
    try {
      return make();
    } catch (error) {
      this.problem = [key, error];
      return this.checked(otherwise);
    }
  }

  say(key, values) {
    return sentence(this.lang, key, values);
  }

  /** The page's text and questions set it; what is given back undoes it. */
  set(values) {
    const before = { ...this.state };
    this.playing = false;
    this.put(this.assigned(values));
    const changed = Object.keys(this.state).filter((key) => this.state[key] !== before[key]);
    return () => this.put(Object.fromEntries(changed.map((key) => [key, before[key]])));
  }

  replace(given) {
    this.state = this.tried("bad.state", this.initial, () => this.checked(given, this.initial));
    this.refresh();
  }

  put(changes) {
    Object.assign(this.state, changes);
    this.refresh();
    this.options.onchange?.({ ...this.state });
  }

  holds(values) {
    return same(this.assigned(values), this.state);
  }

  moved() {
    return !same(this.state, this.initial);
  }

  packed() {
    return packed(this.state);
  }

  speak(lang) {
    if (lang === this.lang) return;
    this.lang = lang;
    this.layOut();
    this.refresh();
  }

  refresh() {
    if (this.waiting || !this.alive) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.alive) this.draw();
    });
  }

  /** A slider of whole numbers for one entry of the state; `words` say its value. */
  slider(name, label, min, max, words = () => String(this.state[name])) {
    const range = h("input", { type: "range", min, max, step: 1, "data-key": name, "aria-label": label }),
      value = h("output", { class: "dx-clock" });
    range.addEventListener("input", () => this.put({ [name]: +range.value }));
    this.updates.push(() => {
      range.value = this.state[name];
      range.setAttribute("aria-valuetext", words());
      value.textContent = words();
    });
    return h(
      "div",
      { class: "dx-slider" },
      h("span", { class: "dx-name" }, label),
      h("span", { class: "dx-range" }, range),
      value,
    );
  }

  /** What the picture says, below it and, once it rests, aloud; and what is wrong with what was asked for. */
  tellNow(now, rests) {
    const [key, error] = this.problem ?? [],
      problem = key ? this.say(key, { why: why(this.lang, error) }) : "";
    this.words.textContent = now;
    if (this.notes.textContent !== problem) this.notes.replaceChildren(...(problem ? [h("p", {}, problem)] : []));
    clearTimeout(this.speaking);
    if (rests)
      this.speaking = setTimeout(() => {
        if (this.heard.textContent !== now) this.heard.textContent = now;
      }, 700);
  }

  close() {
    this.alive = false;
    this.playing = false;
    clearTimeout(this.speaking);
    cancelAnimationFrame(this.waiting);
    this.sizes.disconnect();
    this.quit();
    this.root.remove();
  }
}
