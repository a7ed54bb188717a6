// Where the time line is put: anywidget's entry and the page's, and what it says without a page.

import { hold, modelOf } from "./home.js";
import { Line } from "./line.js";
import { assignedLine, checkedLine, readingLine } from "./linestate.js";
import { why } from "./trouble.js";

/** anywidget's entry: a model with the traits state, lang and timeline. */
export const render = ({ model, el }) =>
  hold({ model, el }, async (_, options) => new Line(el, model.get("timeline"), model.get("state"), options));

export const mount = (el, given, options = {}) => render({ model: modelOf(given, options), el });

/** For each { state, timeline, lang, ask } the answers { value, text } to the list `ask` of { set, read }. */
export function answers(questions) {
  return questions.map(({ state, timeline, lang, ask }) =>
    ask.map(({ set, read }) => {
      try {
        const now = assignedLine(timeline, checkedLine(timeline, state), set ?? {});
        return read ? readingLine(timeline, now, read, lang) : { value: null, text: "" };
      } catch (error) {
        return { trouble: why("en", error) };
      }
    }),
  );
}
