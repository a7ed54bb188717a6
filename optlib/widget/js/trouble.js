// What is wrong with what was asked for, in the reader's language.

import { DATA } from "./data.js";
import { fill } from "./words.js";

/** An error that knows its sentence: a row of the table of words, and what fills its gaps. */
export class Trouble extends Error {
  constructor(key, values = {}) {
    super(sentence("en", key, values));
    this.key = key;
    this.values = values;
  }
}

/** A row of the table of words, filled; text that came from outside is cut. */
export function sentence(lang, key, values = {}) {
  const short = Object.entries(values).map(([name, value]) => [name, String(value).slice(0, 200)]);
  return fill(DATA.labels[key]?.[+(lang === "zh")] ?? key, Object.fromEntries(short));
}

/** What an error says to a reader; what is no trouble of ours is named as it comes. */
export function why(lang, error) {
  if (error instanceof Trouble) return sentence(lang, error.key, error.values);
  return error instanceof SyntaxError || error instanceof DOMException ? sentence(lang, "why.none") : error.message;
}

export function ask(ok, key, values) {
  if (!ok) throw new Trouble(key, values);
}
