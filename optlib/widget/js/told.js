// What happened, in words and numbers.

import { DATA } from "./data.js";
import { h } from "./element.js";
import { constantsOf, rateAt } from "./walk.js";
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

/** What happened to each walk, in words: seen if something went wrong, heard always. */
export function tell(figure) {
  const { state } = figure,
    trouble = [...figure.messages],
    all = [];
  const box = figure.box(),
    framed = state.scene === "plane" || state.scene === "line";
  figure.walks.forEach((w, i) => {
    const name = figure.nameOf(i),
      t = Math.min(figure.upTo(), w.n),
      at = point(w.path.subarray(t * w.d, t * w.d + w.d));
    const loss = lossAt(figure, i, t);
    all.push(
      Number.isNaN(loss)
        ? figure.say("summary.free", { name, at, t })
        : figure.say("summary.run", { name, at, t, loss: show(loss) }),
    );
    if (w.end === "diverges") trouble.push(figure.say("diverges", { name, t: w.n + 1 }));
    else if (w.end === "nan")
      trouble.push(w.n ? figure.say("nan", { name, t: w.n }) : figure.say("nan.start", { name }));
    else if (framed) {
      const outside = (s) => {
        for (let k = 0; k < w.d; k++) {
          const v = w.path[s * w.d + k];
          if (v < box[k][0] || v > box[k][1]) return true;
        }
        return false;
      };
      if (outside(w.n)) {
        let s = w.n;
        while (s > 0 && outside(s - 1)) s--;
        trouble.push(figure.say("leaves", { name, t: s }));
      }
    }
  });
  const told = trouble.join("\n");
  if (figure.told !== told || !figure.notes.isConnected || figure.notes.childElementCount !== trouble.length) {
    figure.notes.replaceChildren(...trouble.map((words) => h("p", {}, words)));
    figure.told = told;
  }
  const name = DATA.labels[state.surface] ? figure.say(state.surface) : state.surface;
  const summary = [
    figure.say("summary.surface", { surface: name, steps: state.steps, start: point(state.start) }),
    ...all,
    ...trouble,
  ].join(" ");
  figure.canvas.setAttribute("role", "img");
  figure.canvas.setAttribute("aria-label", summary);
  clearTimeout(figure.speaking);
  if (!figure.playing)
    figure.speaking = setTimeout(() => {
      if (figure.summary.textContent !== summary) figure.summary.textContent = summary;
    }, 700);
  const limit = figure.limit();
  figure.limitNote.textContent = limit > 0 ? figure.say("limit", { value: show(limit, 4) }) : "";
  const charted = state.map !== "off" && state.runs.length;
  figure.mapNote.textContent = !charted
    ? ""
    : figure.mapProblem
      ? figure.say("map.failed", { why: figure.mapProblem })
      : figure.mapBusy
        ? `${figure.say("drawing")} …`
        : figure.say(`map.note.${state.map}`, {
            name: figure.nameOf(state.scene === "map" ? 0 : state.mapOf),
            steps: state.steps,
          });
  figure.scrub.max = state.steps;
  figure.scrub.value = figure.upTo();
  figure.scrub.setAttribute("aria-valuetext", `${figure.say("time")} ${figure.upTo()}`);
  figure.clock.textContent = `t = ${figure.upTo()}`;
  const label = figure.say(figure.playing ? "pause" : "play");
  if (figure.playButton.getAttribute("aria-label") !== label) {
    figure.playButton.setAttribute("aria-label", label);
    figure.playButton.textContent = figure.playing ? "❚❚" : "▶";
  }
}

export function lossAt(figure, i, t) {
  const surface = figure.lib.surfaces[figure.state.surface],
    { path, d } = figure.walks[i];
  return surface ? surface.value(...path.subarray(t * d, t * d + d), constantsOf(figure.lib, figure.state)) : NaN;
}
