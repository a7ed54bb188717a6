// A rule as a reader types it, in Python, as JavaScript for the figure: the page's twin of optlib.compile.
//
// What is written comes from these tables alone: names get a "$" in front, numbers are printed anew, and what is not
// listed is refused. So a rule out of a link can compute numbers and nothing else. There are no loops and no recursion,
// and the operations of a step are counted, so it always ends.

import { RULE } from "./data.js";
import { parse } from "./parser.js";
import { fail, RuleError } from "./ruleerror.js";

const LONGEST = 4000; // characters
const MOST = 600; // operations of a step
const NUMBER = /^(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d+)?$/;
const GIVEN = ["loss", "t"]; // what a rule may take behind its memory, in this order
const INSTEAD = {
  max: "maximum(a, b)",
  min: "minimum(a, b)",
  pow: "a**b",
  clip: "minimum(maximum(a, low), high)",
  square: "a**2",
  fabs: "abs(a)",
  power: "a**b",
};

const quoted = JSON.stringify;

/** Edits between two words, to guess what was meant. */
function edits(a, b) {
  let row = [...Array(b.length + 1).keys()];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] !== b[j - 1] ? 1 : 0)));
    row = next;
  }
  return row[b.length];
}

const isFunction = (name) => Object.hasOwn(RULE.calls, name);

/** A name that may be given to something. */
function fresh(token) {
  const name = token.text.normalize("NFKC");
  if (!/^\p{L}[\p{L}\p{Nd}_]*$/u.test(name) || name in {}) fail("name", token, name);
  if (isFunction(name) || name === "np" || name === "numpy") fail("taken", token, name);
  return name;
}

/** Translates expressions; a value is { js, truth }, where truth says that it is a comparison's. */
class Translator {
  constructor(helpers, own, known) {
    this.helpers = helpers;
    this.own = own;
    this.known = new Map(known.map((name) => [name, false]));
    this.cost = 0;
  }

  value(node) {
    if (++this.cost > MOST) fail("long", node);
    return this[node.op](node);
  }

  /** A value that must be a number. */
  amount(node) {
    const { js, truth } = this.value(node);
    if (truth) fail("truth", node);
    return js;
  }

  number(node) {
    const value = Number(node.text.replaceAll("_", ""));
    if (!NUMBER.test(node.text) || /^0\d/.test(node.text) || !Number.isFinite(value)) fail("number", node, node.text);
    return { js: String(value), truth: false };
  }

  name(node) {
    const { name } = node;
    if (!this.known.has(name)) this.unknown(node, name);
    return { js: `$${name}`, truth: this.known.get(name) };
  }

  minus({ a }) {
    return { js: `(-${this.amount(a)})`, truth: false };
  }

  plus({ a }) {
    return { js: this.amount(a), truth: false };
  }

  tuple(node) {
    return fail("tuple", node);
  }

  binary(node) {
    const { sign, a, b } = node;
    if (sign === "**") {
      const [x, y] = [this.amount(a), this.amount(b)];
      const square = a.op === "name" && b.op === "number" && Number(b.text) === 2;
      return { js: square ? `(${x} * ${x})` : `Math.pow(${x}, ${y})`, truth: false };
    }
    const [x, y] = [this.value(a), this.value(b)];
    if ("<>=!".includes(sign[0])) {
      const strict = sign === "==" || sign === "!=" ? `${sign}=` : sign;
      // JavaScript tells true from 1 where Python does not.
      const [p, q] = [x, y].map(({ js, truth }) => (truth ? `+${js}` : js));
      return { js: `(${p} ${strict} ${q})`, truth: true };
    }
    if (x.truth && y.truth && sign !== "*") fail("add", node, sign);
    const product = `${x.js} ${sign} ${y.js}`;
    return x.truth && y.truth ? { js: `(${x.js} && ${y.js})`, truth: true } : { js: `(${product})`, truth: false };
  }

  call(node) {
    const { target, plain, named } = node,
      dotted = node.name,
      name = dotted.replace(/^(np|numpy)\./, ""),
      helper = dotted === name && this.helpers.get(name);
    if (dotted === this.own) fail("recursion", target, name);
    if (!helper && Object.hasOwn(INSTEAD, name)) fail("instead", node, `${dotted}()`, INSTEAD[name]);
    if (!helper && !isFunction(name))
      fail("call", target, dotted, [...Object.keys(RULE.calls), ...this.helpers.keys()].join(", "));
    const wanted = helper ? helper.plain.length : RULE.calls[name][1],
      keys = helper ? helper.keys : [],
      given = named.map(({ key }) => key.text);
    if (plain.length !== wanted) fail("count", node, name, wanted, plain.length);
    if ([...given].sort().join() !== [...keys].sort().join())
      fail("keys", node, name, keys.join(", ") || "–", given.join(", ") || "–");
    if (name === "where" && !helper) return this.where(plain);
    this.cost += helper ? helper.cost : 0;
    if (this.cost > MOST) fail("long", node);
    const listed = plain.map((each) => this.amount(each));
    if (named.length)
      listed.push(`{ ${named.map(({ key, value }) => `${key.text}: ${this.amount(value)}`).join(", ")} }`);
    return { js: `${helper ? `$${name}` : RULE.calls[name][0]}(${listed.join(", ")})`, truth: false };
  }

  where([condition, yes, no]) {
    const c = this.value(condition),
      [x, y] = [this.value(yes), this.value(no)];
    return { js: `(${c.truth ? c.js : `${c.js} !== 0`} ? ${x.js} : ${y.js})`, truth: x.truth && y.truth };
  }

  unknown(node, name) {
    if (isFunction(name) || this.helpers.has(name)) fail("construct", node, name);
    const [[least, near]] = [...this.known.keys(), ...Object.keys(RULE.calls)]
      .map((known) => [edits(known, name), known])
      .sort((x, y) => x[0] - y[0]);
    const letters = Object.hasOwn(RULE.ranges, name) ? ["hyper", name] : "";
    fail("unknown", node, name, least <= Math.max(1, name.length >> 2) ? ["meant", near] : letters);
  }
}

/** The lines of a function, and what it returns: { lines, last, at }; each line is { name, js, text }. */
function read(translator, def) {
  const lines = [];
  for (const [i, line] of def.body.entries()) {
    if (line.op === "return") {
      if (i < def.body.length - 1) fail("after", def.body[i + 1]);
      return { lines, last: line.value, at: line };
    }
    const { js, truth } = translator.value(line.value),
      name = fresh(line.name);
    translator.known.set(name, truth);
    lines.push({ name, js, text: tidy(def.source.slice(line.value.from, line.value.to)) });
  }
  return { lines, last: null, at: def.body.at(-1) ?? def.at };
}

const tidy = (text) =>
  text
    .replace(/#[^\n]*|\\\n/g, "")
    .replace(/\s+/g, " ")
    .replace(/ ?\*\* ?/g, " ** ")
    .trim();

/** `let` for the names that are no arguments. */
function declared(lines, given) {
  const made = [...new Set(lines.map(({ name }) => name))].filter((name) => !given.includes(name));
  return made.length ? `let ${made.map((name) => `$${name}`).join(", ")};` : "";
}

const keyed = (names) => (names.length ? [`{ ${names.map((name) => `${name}: $${name}`).join(", ")} }`] : []);

const dollars = (names) => names.map((name) => `$${name}`);

function helperOf(def, helpers) {
  const name = fresh(def.name),
    plain = def.plain.map(fresh),
    keys = def.named.map((each) => fresh(each.name)),
    translator = new Translator(helpers, name, [...plain, ...keys]),
    { lines, last, at } = read(translator, def);
  if (!last) fail("noreturn", at, "...");
  const value = translator.amount(last),
    head = [...dollars(plain), ...keyed(keys)].join(", "),
    body = lines.map((line) => `$${line.name} = ${line.js};`).join(" "),
    text = `function $${name}(${head}) { ${declared(lines, [...plain, ...keys])} ${body} return ${value}; }`;
  helpers.set(name, { plain, keys, cost: translator.cost });
  return text;
}

/** The numbers behind the star. */
function defaultsOf(def) {
  return Object.fromEntries(
    def.named.map(({ name, value }) => {
      if (!value) fail("nodefault", name, name.text);
      const negative = value.op === "minus" ? value.a : null;
      if ((negative ?? value).op !== "number") fail("number", value, def.source.slice(value.from, value.to));
      const { js } = new Translator(new Map(), "", []).number(negative ?? value);
      return [fresh(name), negative ? -js : Number(js)];
    }),
  );
}

/**
 * A typed text as a rule: { name, memory, given, defaults, lines, text }, where `text` is the body of a function that
 * returns the explorer's { advance, trace }. The last function of the text is the rule, those before it its helpers.
 */
export function translated(source) {
  if (source.length > LONGEST) throw new RuleError("long", [], LONGEST, source.length);
  const defs = parse(source),
    def = defs.pop();
  if (!def) fail("nodef", { from: 0, to: source.length });
  const helpers = new Map(),
    parts = defs.map((each) => helperOf(each, helpers)),
    name = fresh(def.name),
    plain = def.plain.map(fresh);
  if (plain[0] !== "theta" || plain[1] !== "g") fail("first", def.at, name);
  const given = GIVEN.filter((each) => plain.includes(each)),
    memory = plain.slice(2).filter((each) => !GIVEN.includes(each)),
    order = ["theta", "g", ...memory, ...given];
  if (plain.join() !== order.join()) fail("order", def.at, order.join(", "));
  const defaults = defaultsOf(def),
    hyper = Object.keys(defaults),
    translator = new Translator(helpers, name, [...plain, ...hyper]),
    { lines, last, at } = read(translator, def),
    values = results(translator, last, memory, at);
  const assigned = lines.map((line) => line.name),
    told = lines.map((line) => [line.name, line.text]),
    head = [...dollars(order), ...keyed(hyper)].join(", "),
    begin = `const seen$ = []; ${declared(lines, [...plain, ...hyper])}`;
  const body = lines.map((line) => `$${line.name} = ${line.js}; seen$.push(+$${line.name});`),
    point = last.items[0];
  if (point.op !== "name" || !assigned.includes(point.name)) {
    body.push(`seen$.push(${values[0]});`);
    told.push(["theta", tidy(def.source.slice(point.from, point.to))]);
  }
  const cells = order.map((each) => ({ theta: "theta$[i$]", g: "g$[i$]", loss: "loss$[i$]", t: "t$" })[each]),
    asked = cells.map((cell, k) => cell ?? `memory$[${k - 2}][i$]`).join(", ");
  const text = `${parts.join("\n")}
function step$(${head}) { ${begin} ${body.join(" ")} return { seen$, new$: [${values.join(", ")}] }; }
return {
  trace: (...all) => step$(...all).seen$,
  advance: (theta$, g$, memory$, t$, loss$, hyper$) => {
    for (let i$ = 0; i$ < theta$.length; i$++) {
      const [now$, ...kept$] = step$(${asked}, hyper$).new$;
      theta$[i$] = now$;
      for (let k$ = 0; k$ < kept$.length; k$++) memory$[k$][i$] = kept$[k$];
    }
  },
};`;
  return { name, memory, given, defaults, lines: told, text };
}

/** The new point and the new memory. */
function results(translator, last, memory, at) {
  const wish = `theta, (${memory.join(", ")}${memory.length === 1 ? "," : ""})`,
    names = memory.join(", ") || "()";
  if (!last) fail("noreturn", at, wish);
  const kept = last.op === "tuple" && last.items.length === 2 ? last.items[1] : null;
  if (kept?.op !== "tuple" || kept.items.length !== memory.length) fail("returns", last, wish, names);
  return [last.items[0], ...kept.items].map((each) => translator.amount(each));
}

/** A library rule's start and look-ahead, where the typed rule still has what they need. */
function inherited(like, { memory, defaults }, lib) {
  const rule = like === null ? null : lib.rules[like],
    has = (name) => Object.hasOwn(defaults, name),
    start = Object.entries(rule?.start ?? {}),
    fits = ([name, value]) => memory.includes(name) && (typeof value === "number" || value === "theta" || has(value));
  const looks = rule?.lookAhead && rule.lookAheadMemory.every((name) => memory.includes(name)),
    ahead = looks ? RULE.ahead[like] : null; // null when the memory that it looks with has been renamed
  return {
    start: start.every(fits) ? (rule?.start ?? {}) : {},
    lookAhead: ahead?.needs.every(has) ? rule.lookAhead : null,
    ahead: ahead?.needs.every(has) ? ahead.name : null,
    lookAheadMemory: rule?.lookAheadMemory ?? [],
  };
}

/** What a figure needs of { source, like }: the key of the rule, the text of its entry, its Python. */
export function compiled({ source, like }, lib) {
  const rule = translated(source),
    { start, lookAhead, ahead, lookAheadMemory } = inherited(like, rule, lib),
    key = Object.hasOwn(RULE.sources, rule.name) ? `my_${rule.name}` : rule.name,
    ranges = Object.fromEntries(
      Object.keys(rule.defaults)
        .filter((name) => Object.hasOwn(RULE.ranges, name))
        .map((name) => [name, RULE.ranges[name]]),
    );
  const { memory, given, defaults, lines } = rule,
    data = quoted({ memory, given, defaults, lines, start, ranges, lookAheadMemory });
  const text = `const made$ = (() => {\n${rule.text}\n})();
return { ...made$, ...${data}, lookAhead: ${lookAhead ? String(lookAhead) : "null"} };`;
  return { key, text, python: python(source, rule.name, key, like, start, ahead) };
}

/** What a rule's Python takes from NumPy, as lines. */
function imports(source) {
  const used = Object.keys(RULE.calls).filter((each) => new RegExp(`(?<![\\w.])${each}\\(`).test(source));
  return [
    ...(/\bnp\./.test(source) ? ["import numpy as np"] : []),
    ...(used.length ? [`from numpy import ${used.join(", ")}`] : []),
  ];
}

/** The same rule as a file of the ladder, with the settings that it tries. */
export function transferred({ source, like }, lib, settings) {
  const rule = translated(source),
    { start, ahead } = inherited(like, rule, lib),
    told = settings?.map((each) => `    ${quoted(each)},\n`).join("");
  const parts = [
    imports(source).join("\n"),
    source.trim(),
    ahead ? RULE.ahead[like].source : "",
    ahead && ahead !== `${rule.name}_look_ahead` ? `${rule.name}_look_ahead = ${ahead}` : "",
    Object.keys(start).length ? `start = ${quoted(start)}` : "",
    told ? `settings = [\n${told}]` : "",
  ];
  return `${parts.filter(Boolean).join("\n\n\n")}\n`;
}

/** The same rule for a notebook. */
function python(source, name, key, like, start, ahead) {
  const renamed = source.trimEnd().replace(new RegExp(`\\bdef ${name}\\(`), `def ${key}(`);
  return [
    ...imports(source),
    renamed,
    ...(Object.keys(start).length ? [`rules.START[${key}] = rules.START[rules.${like}]`] : []),
    ...(ahead ? [`rules.LOOK_AHEAD[${key}] = rules.${ahead}`] : []),
  ].join("\n");
}
