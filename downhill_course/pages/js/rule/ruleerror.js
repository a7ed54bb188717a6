// What is wrong with a typed rule: a row of the table of words, what fills its gaps, and where.

import { RULE } from "./data.js";

export class RuleError extends Error {
  constructor(code, values, from, to) {
    super(code);
    Object.assign(this, { code, values, from, to });
  }
}

/** Stops at a piece { from, to } of the text. */
export function fail(code, { from, to }, ...values) {
  const short = (value) => (typeof value === "string" && value.length > 150 ? `${value.slice(0, 149)}…` : value);
  throw new RuleError(code, values.map(short), from, to);
}

/** A row of the table, filled; a gap may be a row itself. */
export function words(lang, code, values = []) {
  return RULE.words[code][lang].replace(/\{(\d)\}/g, (_, i) => {
    const value = values[i] ?? "";
    return Array.isArray(value) ? words(lang, value[0], value.slice(1)) : String(value);
  });
}

/** The line of an error, from 1, and the sentence about it. */
export function told({ code, values, from }, source, lang) {
  const line = source.slice(0, from).split("\n").length;
  return { line, message: words(lang, "line", [line, words(lang, code, values)]) };
}
