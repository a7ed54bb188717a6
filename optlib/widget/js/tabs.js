// A row of scenes to choose from: one figure, several surfaces, the same algorithms at each surface's own rates.

import { DATA } from "./data.js";
import { button, h } from "./element.js";
import { ask } from "./trouble.js";

/** The state with another of its tabs chosen; algorithms stay, and take the tab's rates. */
export function tabbed(state, name) {
  const tab = state.tabs.find((each) => each.name === name);
  ask(tab, "why.tab", { name });
  const { name: _, rates = {}, ...own } = tab,
    usual = Object.fromEntries(DATA.tabbed.map((key) => [key, structuredClone(DATA.defaults[key])])),
    runs = state.runs.map((run) => ({ ...run, hyper: { ...run.hyper, ...rates[run.rule] } }));
  return { ...state, ...usual, ...structuredClone(own), tab: name, runs };
}

/** The name of the tab that shows a surface, the present one first. */
export function tabOf({ tabs, tab }, surface) {
  const having = tabs.filter((each) => each.surface === surface);
  return (having.find(({ name }) => name === tab) ?? having[0])?.name ?? null;
}

const KEYS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** The tabs as buttons in a row; the arrow keys go from one to the next. */
export function tabList(figure) {
  const { tabs, tab } = figure.state,
    at = Math.max(
      tabs.findIndex(({ name }) => name === tab),
      0,
    );
  const choose = (k) => {
    const { name } = tabs[(k + tabs.length) % tabs.length];
    figure.choose(name);
    figure.root.querySelector(`[data-key="tab.${CSS.escape(name)}"]`)?.focus({ preventScroll: true });
  };
  const go = (event) => {
    const { key } = event,
      to = Object.hasOwn(KEYS, key) ? at + KEYS[key] : { Home: 0, End: tabs.length - 1 }[key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
  };
  const one = ({ name }, k) =>
    button(`tab.${name}`, figure.say(name), () => choose(k), {
      role: "tab",
      id: tabId(figure, name),
      tabindex: k === at ? 0 : -1,
      "aria-selected": String(name === tab),
      "aria-controls": `${figure.id}-panel`,
    });
  return h(
    "div",
    {
      class: "dx-tabs",
      role: "tablist",
      "aria-label": figure.say(new Set(tabs.map(({ surface }) => surface)).size > 1 ? "surface" : tabs[0].surface),
      onkeydown: go,
    },
    ...tabs.map(one),
  );
}

const tabId = (figure, name) => `${figure.id}-tab-${figure.state.tabs.findIndex((each) => each.name === name)}`;

/** What the element that the tabs control needs. */
export function panelOf(figure) {
  const { tabs, tab } = figure.state;
  if (!tabs.length) return {};
  return { id: `${figure.id}-panel`, role: "tabpanel", "aria-labelledby": tab && tabId(figure, tab) };
}
