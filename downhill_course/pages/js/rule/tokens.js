// The pieces of Python's text that a rule is made of.

import { fail } from "./ruleerror.js";

const KINDS = {
  space: /[ \t\f]+|\\\r?\n/,
  comment: /#[^\n]*/,
  newline: /\r?\n/,
  string: /[rRbBuUfF]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/,
  number: /(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?[\p{L}\d_]*/u,
  name: /[\p{L}_][\p{L}\p{Nd}\p{M}_]*/u,
  op: /\*\*=?|\/\/=?|[<>=!]=|->|:=|[-+*/%@&|^]=|[-+*/%@&|^~<>=()[\]{},:.;]/,
  other: /[\s\S]/u,
};
const PARTS = Object.entries(KINDS).map(([kind, { source }]) => `(?<${kind}>${source})`);
const TOKEN = new RegExp(PARTS.join("|"), "gu");
const WORDS = new Set(
  (
    "and as assert async await break class continue def del elif else except finally for from global if import in is " +
    "lambda nonlocal not or pass raise return try while with yield True False None"
  ).split(" "),
);
const PAIRS = { ")": "(", "]": "[", "}": "{" };

/** Characters that only look like Python's, as a Chinese keyboard or a word processor writes them. */
const WIDE = {
  "（": "(",
  "）": ")",
  "，": ",",
  "：": ":",
  "＝": "=",
  "＊": "*",
  "−": "-",
  "–": "-",
  "×": "*",
  "·": "*",
  "÷": "/",
  "＋": "+",
  "－": "-",
  "／": "/",
  "＜": "<",
  "＞": ">",
  "。": ".",
  "\u3000": " ",
  "\u00a0": " ",
  "²": "**2",
  "“": '"',
  "”": '"',
  "；": ";",
  "．": ".",
};

/** The tokens { kind, text, from, to } of a text, with newline, indent, dedent and end among them. */
export function tokens(source) {
  const all = [],
    open = [],
    depths = [0];
  let fresh = true;
  const put = (kind, from, to) => all.push({ kind, text: source.slice(from, to), from, to });
  for (const found of source.matchAll(TOKEN)) {
    const kind = Object.keys(found.groups).find((name) => found.groups[name] !== undefined),
      at = { from: found.index, to: found.index + found[0].length };
    if (kind === "other") strange(found[0], at);
    if (kind === "space" || kind === "comment") continue;
    if (kind === "newline") {
      if (!open.length && !fresh) {
        put("newline", at.from, at.to);
        fresh = true;
      }
      continue;
    }
    if (fresh) {
      indent(source, at, depths, put);
      fresh = false;
    }
    if ("([{".includes(found[0])) open.push({ ...at, text: found[0] });
    if (Object.hasOwn(PAIRS, found[0]) && open.pop()?.text !== PAIRS[found[0]]) fail("closed", at, found[0]);
    put(kind === "name" && WORDS.has(found[0]) ? "word" : kind, at.from, at.to);
  }
  if (open.length) fail("closed", open.at(-1), open.at(-1).text);
  const end = source.length;
  if (!fresh) put("newline", end, end);
  for (; depths.length > 1; depths.pop()) put("dedent", end, end);
  put("end", end, end);
  return all;
}

function strange(text, at) {
  if (Object.hasOwn(WIDE, text)) fail("wide", at, text, WIDE[text]);
  fail("syntax", at, text);
}

/** What the spaces before a line's first piece mean. */
function indent(source, at, depths, put) {
  const pad = source.slice(source.lastIndexOf("\n", at.from - 1) + 1, at.from);
  if (/\t/.test(pad) && / /.test(pad)) fail("tabs", at);
  if (/[^ \t]/.test(pad)) fail("indent", at);
  const depth = pad.length;
  if (depth > depths.at(-1)) {
    depths.push(depth);
    put("indent", at.from, at.from);
  }
  for (; depth < depths.at(-1); depths.pop()) put("dedent", at.from, at.from);
  if (depth !== depths.at(-1)) fail("indent", at);
}
