// Numbers and letters as people read them.

import { DATA } from "./data.js";

export const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A number as people write it: three digits, powers of ten, a real minus sign. */
export function show(x, digits = 3) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x < 0 ? "−∞" : "∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  let text;
  if (size < 1e-3 || size >= 1e5) {
    const [base, power] = x.toExponential(digits - 1).split("e");
    const exponent = [...String(Math.abs(+power))].map((c) => SUPER[c]).join("");
    text = `${+base === 1 ? "" : +base === -1 ? "-" : `${+base}·`}10${+power < 0 ? "⁻" : ""}${exponent}`;
  } else text = String(+x.toPrecision(digits));
  return text.replace("-", "−");
}

export const point = (x) => `(${Array.from(x, (v) => show(v)).join(", ")})`;

export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

/** The letter of a name; among a rule's hyper-parameters theirs comes first, since a rule's own Δ is another's δ. */
export const symbol = (name, hyper = {}) =>
  (Object.hasOwn(hyper, name) && DATA.hyper[name]?.symbol) ||
  (DATA.symbols[name] ?? (DATA.hyper[name]?.symbol || name));

/** What an algorithm is called; the reader's own is called as it is written. */
export function ruleName(rule, lang) {
  const name = Object.hasOwn(DATA.algorithms, rule) ? DATA.algorithms[rule] : rule;
  return name[lang] ?? name;
}

/** A line of a rule as mathematics; `value` gives a number for a name, or nothing. */
export function formula(text, value = () => undefined, hyper = {}) {
  const out = text
    .replace(/\s*\*\*\s*2\b/g, "²")
    .replace(/\s*\*\*\s*/g, "^")
    .replace(/ \* /g, "·")
    .replace(/ - /g, " − ")
    .replace(/\bsqrt\(/g, "√(");
  return out.replace(/[A-Za-z_]\w*/g, (name) => {
    const x = value(name);
    if (x === undefined) return symbol(name, hyper);
    return x < 0 ? `(${show(x)})` : show(x);
  });
}
