// The handle and the pointer.

import { h } from "./element.js";
import { nameUnder } from "./names.js";
import { lossAt, readout } from "./told.js";
import { constantsOf } from "./walk.js";
import { point, symbol } from "./words.js";

export function handleSays(figure) {
  const { state } = figure;
  if (state.scene !== "map") return figure.say("handle", { at: point(state.start) });
  const { hyper } = state.runs[0],
    [x, y] = state.axes.map(([n]) => n);
  return figure.say("handle.map", { x: symbol(x, hyper), y: symbol(y, hyper), at: point([hyper[x], hyper[y]]) });
}

/** Whether there is no handle: the picture has no place for it. */
export const hides = ({ state }) => state.view === "relief" || (state.scene === "time" && state.series !== "x");

/** What a handle that nobody has moved says beside it. */
export const hintOf = (figure) => (figure.state.scene === "map" || figure.startMoved ? "" : figure.say("handle.hint"));

/** The handle lies over the start, or over the hyper-parameters' point. */
export function placeHandle(figure) {
  const { frame: f } = figure;
  figure.handle.hidden = hides(figure);
  if (figure.handle.hidden || !f) return;
  const [left, top] = spot(figure);
  const x = Math.min(Math.max(left, f.x), f.x + f.w),
    y = Math.min(Math.max(top, f.y), f.y + f.h);
  figure.handle.style.transform = `translate(${x}px, ${y}px)`;
  const hint = hintOf(figure);
  if (figure.handle.dataset.hint !== hint) figure.handle.dataset.hint = hint;
  figure.handle.classList.toggle("dx-left", x > f.x + f.w / 2);
  figure.handle.classList.toggle("dx-up", Boolean(figure.hintUp));
  const words = handleSays(figure);
  if (figure.handle.getAttribute("aria-label") !== words) figure.handle.setAttribute("aria-label", words);
}

export function spot(figure) {
  const { state, frame: f, lib } = figure;
  if (state.scene === "map")
    return [f.X(state.runs[0].hyper[state.axes[0][0]]), f.Y(state.runs[0].hyper[state.axes[1][0]])];
  if (state.scene === "time") return [f.X(0), f.Y(state.start[0])];
  if (state.scene === "line")
    return [f.X(state.start[0]), f.Y(lib.surfaces[state.surface].value(state.start[0], constantsOf(lib, state)))];
  return [f.X(state.start[0]), f.Y(state.start[1])];
}

/** Moves the start to a place in the frame, in the frame's units. */
export function moveTo(figure, x, y) {
  figure.startMoved = true;
  const { state, frame: f } = figure,
    clamp = (v, [a, b]) => Math.min(Math.max(v, a), b),
    neat = (v, [a, b]) => +v.toFixed(Math.max(0, 4 - Math.floor(Math.log10(b - a))));
  if (state.scene === "map") {
    [x, y].forEach((v, k) => {
      const [name, ...ends] = state.axes[k];
      state.runs[0].hyper[name] = neat(clamp(v, ends), ends);
    });
    const [low, high, closed] = figure.lib.rules[state.runs[0].rule].ranges[state.axes[1][0]] ?? [];
    if (high && !closed)
      state.runs[0].hyper[state.axes[1][0]] = Math.min(
        state.runs[0].hyper[state.axes[1][0]],
        high - 1e-4,
        Math.max(low, 1),
      );
  } else if (state.scene === "time") state.start[0] = neat(clamp(y, figure.box()[0]), figure.box()[0]);
  else if (state.scene === "line") state.start[0] = neat(clamp(x, f.box[0]), f.box[0]);
  else state.start = [neat(clamp(x, f.box[0]), f.box[0]), neat(clamp(y, f.box[1]), f.box[1])];
  figure.changed();
}

export function pointers(figure) {
  const local = (event) => {
    const r = figure.canvas.getBoundingClientRect();
    return [event.clientX - r.left, event.clientY - r.top];
  };
  const follow = (event) => {
    const [x, y] = local(event);
    moveTo(figure, figure.frame.unX(x), figure.frame.unY(y));
  };
  let dragging = false,
    turning = null;
  const begin = (event) => {
    dragging = true;
    figure.pause();
    figure.handle.setPointerCapture?.(event.pointerId);
    follow(event);
    event.preventDefault();
  };
  figure.handle.addEventListener("pointerdown", (event) => {
    if (event.button === 0) {
      begin(event);
      figure.handle.focus({ preventScroll: true });
    }
  });
  figure.handle.addEventListener("pointermove", (event) => {
    if (dragging) follow(event);
  });
  for (const kind of ["pointerup", "pointercancel"])
    figure.handle.addEventListener(kind, () => {
      dragging = false;
    });
  figure.canvas.addEventListener("pointerdown", (event) => {
    if (figure.state.view === "relief") {
      turning = [event.clientX, event.clientY, figure.state.turn, figure.state.tilt];
      figure.canvas.setPointerCapture(event.pointerId);
      return;
    }
    const named = nameUnder(figure.names, ...local(event));
    if (named >= 0) figure.highlight(named);
    else if (event.pointerType === "mouse" && event.button === 0 && !figure.handle.hidden) begin(event);
  });
  figure.canvas.addEventListener("click", (event) => {
    const free = nameUnder(figure.names, ...local(event)) < 0;
    if (event.pointerType === "touch" && free && !figure.handle.hidden) follow(event);
  });
  figure.canvas.addEventListener("pointermove", (event) => {
    if (turning) {
      const [x, y, turn, tilt] = turning;
      figure.state.turn = ((((turn + (event.clientX - x) * 0.5 + 180) % 360) + 360) % 360) - 180;
      figure.state.tilt = Math.min(Math.max(tilt + (event.clientY - y) * 0.4, 10), 90);
      figure.changed();
      return;
    }
    figure.canvas.style.cursor = nameUnder(figure.names, ...local(event)) >= 0 ? "pointer" : "";
    hover(figure, ...local(event));
  });
  for (const kind of ["pointerup", "pointercancel"])
    figure.canvas.addEventListener(kind, () => {
      turning = null;
    });
  figure.canvas.addEventListener("pointerleave", () => {
    figure.tip.hidden = true;
  });
  figure.handle.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const { state, frame: f } = figure,
      k = (event.shiftKey ? 10 : 1) / 100;
    const now =
      state.scene === "map"
        ? state.axes.map(([n]) => state.runs[0].hyper[n])
        : state.scene === "plane"
          ? state.start
          : state.scene === "time"
            ? [0, state.start[0]]
            : [state.start[0], 0];
    moveTo(
      figure,
      now[0] + move[0] * k * (f.box[0][1] - f.box[0][0]),
      now[1] + move[1] * k * (f.box[1][1] - f.box[1][0]),
    );
  });
  const seek = (event) => {
    const r = figure.side.getBoundingClientRect(),
      t = Math.round(figure.sideFrame.unX(event.clientX - r.left));
    figure.put(["at"], Math.min(Math.max(t, 0), figure.state.steps));
  };
  figure.side.addEventListener("pointerdown", (event) => {
    figure.pause();
    figure.side.setPointerCapture(event.pointerId);
    seek(event);
  });
  figure.side.addEventListener("pointermove", (event) => {
    if (event.buttons) seek(event);
  });
}

/** What is known of the point of a walk under the pointer. */
export function hover(figure, x, y) {
  const { state, frame: f } = figure;
  if (!["plane", "line"].includes(state.scene) || !figure.walks) return;
  let best = null,
    least = 18 ** 2;
  figure.walks.forEach(({ path, n, d }, i) => {
    for (let t = 0; t <= Math.min(n, figure.upTo()); t++) {
      const px = f.X(path[t * d]),
        py = d === 2 ? f.Y(path[2 * t + 1]) : f.Y(lossAt(figure, i, t)),
        gap = (px - x) ** 2 + (py - y) ** 2;
      if (gap < least) {
        least = gap;
        best = { i, t, px, py };
      }
    }
  });
  figure.tip.hidden = !best;
  if (!best) return;
  figure.tip.replaceChildren(
    h("strong", {}, figure.nameOf(best.i)),
    ...readout(figure, best.i, best.t).map(([name, value]) => h("span", {}, `${name} ${value}`)),
  );
  const right = best.px > figure.width / 2;
  const across = right ? "calc(-100% - 12px)" : "12px",
    down = best.py > figure.height / 2 ? "-100%" : "0";
  figure.tip.style.transform = `translate(${best.px}px, ${best.py}px) translate(${across}, ${down})`;
}
