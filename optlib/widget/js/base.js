// What curves and a trained network do alike: each has a state, which the page's text sets and asks for and which a
// link carries. A figure of one's own says how a state is `checked`, and what it would be with values `assigned`.

import { packed } from "./link.js";
import { sentence } from "./trouble.js";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Base {
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
}
