// The editor below a figure: what is typed is drawn as one more algorithm, and what is wrong with it is said.

import { RULE } from "./data.js";
import { RuleError, told, words } from "./ruleerror.js";
import { transferred, translated } from "./translator.js";

const PAUSE = 400; // milliseconds of rest before an error is said: a half-typed line is wrong most of the time

function made(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function press(label, action) {
  const button = made("button", { type: "button" }, label);
  button.addEventListener("click", action);
  return button;
}

/** What is wrong with a rule { source, like }, in words, or null. */
function trouble(error, source, figure) {
  if (error instanceof RuleError) return told(error, source, figure.lang);
  return { line: 0, message: figure.why(error) };
}

/** Opens the editor for a figure's run; `text` is the rule as the page lists it, if it is not the library's. */
export function open(figure, i, text = null) {
  const { lang } = figure,
    say = (code, ...values) => words(lang, code, values),
    { rule } = figure.state.runs[i],
    own = figure.state.own && rule === figure.ownKey ? figure.state.own : null,
    like = own ? own.like : Object.hasOwn(RULE.sources, rule) ? rule : null,
    original = text ?? RULE.sources[like] ?? own.source,
    id = `${figure.id}-rule`;
  const box = made("textarea", {
    id,
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
    "aria-describedby": `${id}-hint ${id}-told`,
  });
  const mark = made("div", { class: "dx-rule-mark", hidden: "" }),
    says = made("p", { id: `${id}-told`, class: "dx-rule-told", role: "status" });
  box.value = own?.source ?? original;
  let timer = 0;
  const tell = (message, line) => {
    says.textContent = message;
    box.toggleAttribute("aria-invalid", line !== null);
    if (line !== null) box.setAttribute("aria-invalid", "true");
    mark.hidden = !line;
    if (line) mark.style.setProperty("--line", line - 1);
  };
  const shown = made("div", { role: "status" });
  const climb = async () => {
    const source = box.value,
      numbers = await figure.options.ladder().catch(() => null);
    if (box.value !== source) return;
    try {
      figure.learn({ source, like }, i);
      Object.assign(RULE.words, numbers?.words);
      panel.climbed = numbers?.climbed(figure, { source, like }, numbers, { transferred, translated });
      shown.replaceChildren(...(numbers ? rungs(panel.climbed, numbers.page, lang) : [say("away")]));
    } catch (error) {
      clearTimeout(timer);
      const { message, line } = trouble(error, source, figure);
      tell(message, line);
    }
  };
  const read = () => {
    const source = box.value;
    shown.replaceChildren();
    box.rows = Math.min(Math.max(source.split("\n").length, 4), 18);
    clearTimeout(timer);
    try {
      const key = figure.learn({ source, like }, i);
      tell(say("drawn", key), null);
    } catch (error) {
      const { message, line } = trouble(error, source, figure);
      timer = setTimeout(() => tell(message + (figure.state.own ? say("last") : ""), line), PAUSE);
    }
  };
  const panel = made(
    "section",
    { class: "dx dx-rule", lang: lang === "zh" ? "zh-CN" : "en", "aria-label": say("edit") },
    made("label", { for: id }, say("edit")),
    made("div", { class: "dx-rule-box" }, mark, box),
    says,
    made("p", { id: `${id}-hint`, class: "dx-note" }, say("hint", Object.keys(RULE.calls).join(", "))),
    made(
      "div",
      { class: "dx-foot" },
      press(say("reset"), () => {
        box.value = original;
        read();
        box.focus();
      }),
      ...(figure.options.ladder ? [press(say("ladder"), climb)] : []),
      press(say("close"), () => figure.shut()),
    ),
    shown,
  );
  box.addEventListener("input", (event) => event.isComposing || read());
  box.addEventListener("compositionend", read);
  box.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && newLine(box, event));
  figure.el.append(panel);
  read();
  box.focus();
  return panel;
}

/** What a climb came to: the score, the steps on each problem, the file to hand in. */
function rungs({ score, place, of, rows, file, blind }, page, lang) {
  const say = (code, ...values) => words(lang, code, values),
    whole = (steps) => (Number.isFinite(steps) ? String(steps) : say("never")),
    line = (tag, cells) =>
      made("tr", {}, ...cells.map((cell) => made(tag, tag === "th" ? { scope: "col" } : {}, cell)));
  if (blind) return [made("p", {}, say("blind"))];
  const table = made(
    "table",
    { class: "dx-rungs" },
    line(
      "th",
      ["problem", "yours", "nadam", "fewest"].map((code) => say(code)),
    ),
    ...rows.map(({ problem, steps, nadam, fewest }) =>
      line("td", [problem.title[lang], ...[steps, nadam, fewest].map(whole)]),
    ),
  );
  const address = `data:text/x-python;charset=utf-8,${encodeURIComponent(file)}`;
  return [
    made("p", {}, score > 0 ? say("score", score.toFixed(3), place, of) : say("zero")),
    table,
    made("p", {}, made("a", { href: address, download: "my_rule.py" }, say("file"))),
    made("p", { class: "dx-note" }, say("rest"), " ", made("a", { href: page }, say("rungs"))),
  ];
}

/** A new line begins where the line before it did, or four spaces further behind a colon. */
function newLine(box, event) {
  const before = box.value.slice(0, box.selectionStart),
    line = before.slice(before.lastIndexOf("\n") + 1),
    pad = /^[ \t]*/.exec(line)[0] + (/:\s*$/.test(line) ? "    " : "");
  if (!pad) return;
  event.preventDefault();
  // The old command alone keeps the box's own undo.
  document.execCommand("insertText", false, `\n${pad}`);
}

/** A sentence for what a link's rule is wrong with. */
export function fault(error, source, lang) {
  return error instanceof RuleError ? told(error, source, lang).message : error.message;
}
