// A parser for the part of Python that a rule is written in. It stops at the first thing that cannot stand where it
// stands, and says what could.

import { fail } from "./ruleerror.js";
import { tokens } from "./tokens.js";

/** How much operators bind; what a rule may not use is parsed too, so that it can be named. */
const BINDS = {
  or: 1,
  and: 2,
  "<": 4,
  ">": 4,
  "<=": 4,
  ">=": 4,
  "==": 4,
  "!=": 4,
  in: 4,
  is: 4,
  "|": 5,
  "^": 6,
  "&": 7,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "//": 10,
  "%": 10,
  "@": 10,
};
const COMPARES = new Set(["<", ">", "<=", ">=", "==", "!="]);
const SIGN = 11; // a minus sign binds more than * and less than **
const DEEPEST = 60;
const ENDS = { newline: ["lineend"], end: ["lineend"], indent: ["indentation"], dedent: ["indentation"] };

/** The functions of a text: { name, plain, named: [{ name, value }], body, at, source }. */
export function parse(source) {
  const reader = new Reader(source),
    defs = [];
  while (reader.now.kind !== "end") {
    if (reader.is("def")) defs.push(reader.def());
    else reader.between(defs.length > 0);
  }
  return defs;
}

class Reader {
  constructor(source) {
    this.source = source;
    this.all = tokens(source);
    this.i = 0;
    this.depth = 0;
  }

  get now() {
    return this.all[this.i];
  }

  is(...texts) {
    return (this.now.kind === "op" || this.now.kind === "word") && texts.includes(this.now.text);
  }

  take() {
    return this.all[this.i++];
  }

  want(text) {
    if (!this.is(text)) fail(text === ":" ? "colon" : "expected", this.now, text, this.said());
    return this.take();
  }

  name() {
    if (this.now.kind !== "name") fail("expected", this.now, ["aname"], this.said());
    return this.take();
  }

  /** What stands here, in words. */
  said() {
    return ENDS[this.now.kind] ?? this.now.text;
  }

  /** A node from a piece on to the last one that was taken. */
  node(op, from, more) {
    return { op, from: from.from, to: this.all[this.i - 1].to, ...more };
  }

  endOfLine() {
    if (this.is(";")) fail("construct", this.now, ";");
    if (this.now.kind !== "newline") fail("between", this.now, this.said());
    this.take();
  }

  /** What may stand between functions: imports and texts. */
  between(later) {
    const first = this.now;
    if (first.kind === "indent") fail("indent", first);
    if (first.kind !== "string" && !this.is("import", "from"))
      fail(later && (first.kind === "name" || this.is("return")) ? "indent" : "nodef", first);
    while (this.now.kind !== "newline") this.take();
    this.take();
  }

  // -- functions

  def() {
    const first = this.take(),
      name = this.name();
    this.want("(");
    const arguments_ = this.signature();
    if (this.is("->")) {
      this.take();
      this.expression();
    }
    this.want(":");
    const body = this.now.kind === "newline" ? this.block() : [this.statement()];
    const at = { from: first.from, to: name.to };
    return { name, ...arguments_, body: body.filter(Boolean), at, source: this.source };
  }

  signature() {
    const plain = [],
      named = [];
    let star = null;
    while (!this.is(")")) {
      if (this.is("*") && !star && this.all[this.i + 1].text === ",") star = this.take();
      else this.argument(star ? named : plain, star);
      if (this.is(",")) this.take();
      else if (!this.is(")")) fail("expected", this.now, ",", this.said());
    }
    if (star && !named.length) fail("signature", star, "*");
    this.take();
    const all = [...plain, ...named].map(({ name }) => name),
      twice = all.find(({ text }, i) => all.findIndex((other) => other.text === text) < i);
    if (twice) fail("twice", twice, twice.text);
    return { plain: plain.map(({ name }) => name), named };
  }

  argument(list, star) {
    if (this.is("*", "**", "/")) fail("signature", this.now, this.now.text);
    const name = this.name();
    if (this.is(":")) {
      this.take();
      this.expression();
    }
    if (!this.is("=")) return list.push({ name, value: null });
    if (!star) fail("default", name, name.text);
    this.take();
    return list.push({ name, value: this.expression() });
  }

  block() {
    this.take();
    if (this.now.kind !== "indent") fail("indent", this.now);
    this.take();
    const body = [];
    while (this.now.kind !== "dedent") body.push(this.statement());
    this.take();
    return body;
  }

  // -- statements

  statement() {
    const first = this.now;
    if (first.kind === "indent") fail("indent", first);
    if (this.is("for", "while")) fail("loop", first, first.text);
    if (this.is("if", "elif", "else")) fail("branch", first, first.text);
    if (first.kind === "word" && !this.is("return", "not", "True", "False", "None", "lambda"))
      fail("construct", first, first.text);
    if (first.kind === "string" && this.all[this.i + 1].kind === "newline") {
      this.i += 2;
      return null;
    }
    return this.is("return") ? this.returned() : this.assignment();
  }

  returned() {
    const first = this.take(),
      value = this.now.kind === "newline" ? null : this.list(),
      node = this.node("return", first, { value });
    this.endOfLine();
    return node;
  }

  assignment() {
    const first = this.now,
      target = this.list();
    if (this.now.kind === "op" && /^([-+*/%@&|^]|\*\*|\/\/)=$/.test(this.now.text))
      fail("update", this.now, this.now.text);
    if (this.is(":=")) fail("construct", this.now, ":=");
    if (!this.is("=")) {
      if (this.now.kind !== "newline") fail("between", this.now, this.said());
      fail("construct", target, this.source.slice(target.from, target.to));
    }
    if (target.op !== "name" || target.to !== first.to)
      fail("target", target, this.source.slice(target.from, target.to));
    this.take();
    const value = this.list();
    if (value.op === "tuple") fail("target", value, this.source.slice(value.from, value.to));
    if (this.is("=")) fail("target", value, this.source.slice(value.from, value.to));
    const node = this.node("assign", first, { name: first, value });
    this.endOfLine();
    return node;
  }

  /** One expression, or a tuple where a comma follows. */
  list() {
    const first = this.now,
      items = [this.expression()];
    if (!this.is(",")) return items[0];
    while (this.is(",")) {
      this.take();
      if (this.now.kind !== "newline" && !this.is("=", ")")) items.push(this.expression());
    }
    return this.node("tuple", first, { items });
  }

  // -- expressions

  expression(least = 0) {
    if (++this.depth > DEEPEST) fail("long", this.now);
    const first = this.now;
    let left;
    if (this.is("not")) fail("logic", first, "not");
    if (this.is("~")) fail("operator", first, "~");
    if (this.is("-", "+")) {
      this.take();
      left = this.node(first.text === "-" ? "minus" : "plus", first, { a: this.expression(SIGN) });
      left.to = this.all[this.i - 1].to;
    } else left = this.power();
    let compared = false;
    for (;;) {
      const sign = this.now;
      if (this.is("if")) fail("branch", sign, "if ... else");
      const binds = this.is(...Object.keys(BINDS)) ? BINDS[sign.text] : 0;
      if (binds <= least) break;
      if (binds < 3) fail("logic", sign, sign.text);
      if (binds < 9 && !COMPARES.has(sign.text)) fail("operator", sign, sign.text);
      if (!"+-*/".includes(sign.text) && !COMPARES.has(sign.text)) fail("operator", sign, sign.text);
      if (compared && binds === 4) fail("chain", sign);
      this.take();
      const right = this.expression(binds);
      left = this.node("binary", first, { sign: sign.text, a: left, b: right });
      compared = binds === 4;
    }
    this.depth--;
    return left;
  }

  power() {
    const first = this.now;
    let left = this.atom();
    for (;;) {
      if (this.is("(")) left = this.call(left, first);
      else if (this.is(".")) left = this.member(left, first);
      else if (this.is("[")) fail("construct", this.now, "[ ]");
      else break;
    }
    if (left.op === "member") fail("construct", left, left.dotted);
    if (!this.is("**")) return left;
    this.take();
    const b = this.expression(SIGN);
    return this.node("binary", first, { sign: "**", a: left, b });
  }

  member(left, first) {
    if (left.op !== "name") fail("construct", this.now, ".");
    this.take();
    const dotted = `${left.name}.${this.name().text}`;
    if (!this.is("(", ".")) fail("construct", { from: first.from, to: this.all[this.i - 1].to }, dotted);
    return this.node("member", first, { dotted, name: dotted, op: this.is(".") ? "name" : "member" });
  }

  call(target, first) {
    if (target.op !== "name" && target.op !== "member") fail("construct", this.now, "( )");
    this.take();
    const plain = [],
      named = [];
    while (!this.is(")")) {
      if (this.is("*", "**")) fail("construct", this.now, this.now.text);
      const key = this.now.kind === "name" && this.all[this.i + 1].text === "=" ? this.take() : null;
      if (key) this.take();
      const value = this.expression();
      if (key) named.push({ key, value });
      else if (named.length) fail("named", value);
      else plain.push(value);
      this.separated();
    }
    this.take();
    return this.node("call", first, { name: target.name, target, plain, named });
  }

  /** A comma or the closing bracket. */
  separated() {
    if (this.is("for")) fail("loop", this.now, "for");
    if (this.is(",")) this.take();
    else if (!this.is(")")) fail("between", this.now, this.said());
  }

  atom() {
    const first = this.now;
    if (first.kind === "name") {
      this.take();
      return this.node("name", first, { name: first.text.normalize("NFKC") });
    }
    if (first.kind === "number") {
      this.take();
      return this.node("number", first, { text: first.text });
    }
    if (first.kind === "string" || this.is("True", "False", "None", "lambda", "yield", "await", "[", "{"))
      fail("construct", first, first.text);
    if (!this.is("(")) fail("expected", first, ["avalue"], this.said());
    return this.bracket();
  }

  bracket() {
    const first = this.take(),
      items = [];
    let comma = false;
    while (!this.is(")")) {
      items.push(this.expression());
      comma ||= this.is(",");
      this.separated();
    }
    this.take();
    if (comma || !items.length) return this.node("tuple", first, { items });
    return { ...items[0], from: first.from, to: this.all[this.i - 1].to };
  }
}
