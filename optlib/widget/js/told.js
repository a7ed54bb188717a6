// What happened, in words and numbers.

import { DATA } from "./data.js";
import { h } from "./element.js";
import { lossOf } from "./readings.js";
import { rateAt } from "./walk.js";
import { point, show } from "./words.js";

export function readout(figure, i, t) {
  const w = figure.walks[i],
    { d } = w,
    slice = (a) => a.subarray(t * d, t * d + d);
  const out = [
    [figure.say("time"), String(t)],
    [figure.say("position"), point(slice(w.path))],
  ];
  if (figure.lib.surfaces[figure.state.surface]) out.push([figure.say("loss"), show(lossAt(figure, i, t))]);
  if (t < w.n)
    out.push(
      [figure.say("gradient"), point(slice(w.grads))],
      [figure.say("effective"), point(Array.from({ length: d }, (_, k) => rateAt(w, t, k)))],
    );
  return out;
}

export function drawNumbers(figure) {
  const heads = ["algorithm", "time", "position", "loss", "gradient", "effective"].map((k) =>
    h("th", { scope: "col" }, figure.say(k)),
  );
  const rows = figure.walks.map((w, i) => {
    const known = Object.fromEntries(readout(figure, i, Math.min(figure.upTo(), w.n)));
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, figure.nameOf(i)),
      ...["time", "position", "loss", "gradient", "effective"].map((k) => h("td", {}, known[figure.say(k)] ?? "–")),
    );
  });
  figure.numbers.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)));
}

/** How a walk went wrong, in words, or null. */
function troubleOf(figure, w, i) {
  const name = figure.nameOf(i),
    box = figure.box();
  if (w.end === "diverges") return figure.say("diverges", { name, t: w.n + 1 });
  if (w.end === "rule") return figure.say("rule.nan", { name, t: w.n + 1 });
  if (w.end === "nan") return w.n ? figure.say("nan", { name, t: w.n }) : figure.say("nan.start", { name });
  if (figure.state.scene !== "plane" && figure.state.scene !== "line") return null;
  const outside = (t) => box.some(([low, high], k) => w.path[t * w.d + k] < low || w.path[t * w.d + k] > high);
  if (!outside(w.n)) return null;
  let t = w.n;
  while (t > 0 && outside(t - 1)) t--;
  return figure.say("leaves", { name, t });
}

function whereabouts(figure, w, i) {
  const t = Math.min(figure.upTo(), w.n),
    at = point(w.path.subarray(t * w.d, t * w.d + w.d)),
    loss = lossAt(figure, i, t),
    told = { name: figure.nameOf(i), at, t };
  return Number.isNaN(loss)
    ? figure.say("summary.free", told)
    : figure.say("summary.run", { ...told, loss: show(loss) });
}

/** What happened to each walk, in words: seen if something went wrong, heard always. */
export function tell(figure) {
  const { state, walks } = figure,
    troubles = walks.map((w, i) => troubleOf(figure, w, i)).filter(Boolean),
    seen = [...figure.problems(), ...troubles];
  if (figure.notes.textContent !== seen.join(""))
    figure.notes.replaceChildren(...seen.map((words) => h("p", {}, words)));
  const surface = DATA.labels[state.surface] ? figure.say(state.surface) : state.surface,
    scene = figure.say("summary.surface", { surface, steps: state.steps, start: point(state.start) }),
    summary = [scene, ...walks.map((w, i) => whereabouts(figure, w, i)), ...seen].join(" ");
  figure.canvas.setAttribute("role", "img");
  figure.canvas.setAttribute("aria-label", summary);
  clearTimeout(figure.speaking);
  if (!figure.playing)
    figure.speaking = setTimeout(() => {
      if (figure.summary.textContent !== summary) figure.summary.textContent = summary;
    }, 700);
  const limit = figure.limit();
  write(figure.limitNote, limit > 0 ? figure.say("limit", { value: show(limit, 4) }) : "");
  write(figure.mapNote, mapWords(figure));
  tellTime(figure);
}

/** Writes what is not there yet: the same words again would be laid out again, in each frame of a figure that plays. */
function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function mapWords(figure) {
  const { state } = figure;
  if (state.map === "off" || !state.runs.length) return "";
  if (figure.mapProblem) return figure.say("map.failed", { why: figure.mapProblem });
  if (figure.mapBusy) return `${figure.say("drawing")} …`;
  const name = figure.nameOf(state.scene === "map" ? 0 : state.mapOf);
  return figure.say(`map.note.${state.map}`, { name, steps: state.steps });
}

function tellTime(figure) {
  const now = figure.upTo(),
    label = figure.say(figure.playing ? "pause" : "play");
  if (+figure.scrub.max !== figure.state.steps) figure.scrub.max = figure.state.steps;
  figure.scrub.value = now;
  figure.scrub.setAttribute("aria-valuetext", `${figure.say("time")} ${now}`);
  write(figure.clock, `t = ${now}`);
  if (figure.playButton.getAttribute("aria-label") === label) return;
  figure.playButton.setAttribute("aria-label", label);
  figure.playButton.textContent = figure.playing ? "❚❚" : "▶";
}

export function lossAt(figure, i, t) {
  const { path, d } = figure.walks[i];
  return lossOf(figure.lib, figure.state, path.subarray(t * d, t * d + d));
}
