// Asking for a map and showing it.

import { mapped } from "./ground.js";
import { makeWorker } from "./map.js";
import { minimaOf } from "./readings.js";

export function askMap(figure) {
  const { state, lib } = figure,
    i = state.scene === "map" ? 0 : state.mapOf,
    run = state.runs[i];
  if (state.map === "off" || !run || !lib.surfaces[state.surface] || state.start.length !== 2) {
    stopMap(figure);
    figure.mapKey = null;
    figure.mapCanvas = null;
    return;
  }
  const stable = state.map === "stable";
  const hyper = stable
    ? Object.fromEntries(Object.entries(run.hyper).filter(([n]) => !state.axes.some(([a]) => a === n)))
    : run.hyper;
  const key = JSON.stringify([
    state.surface,
    state.constants,
    state.steps,
    figure.box(),
    run.rule,
    state.own,
    hyper,
    state.map,
    stable ? state.start : 0,
  ]);
  if (key === figure.mapKey) return;
  figure.mapKey = key;
  stopMap(figure);
  figure.mapTimer = setTimeout(() => startMap(figure, run, stable), 120);
}

export function stopMap(figure) {
  clearTimeout(figure.mapTimer);
  for (const worker of figure.workers ?? []) worker.terminate();
  figure.workers = [];
  figure.mapBusy = false;
}

export function startMap(figure, run, stable) {
  const { state } = figure,
    [nx, ny] = stable ? [90, 90] : (figure.options.map ?? [256, 256]),
    values = new Float32Array(nx * ny).fill(stable ? 1 : -1),
    map = { nx, ny, values };
  const minima = minimaOf(figure.lib, state);
  const begun = performance.now();
  figure.mapProblem = null;
  figure.mapBusy = true;
  if (!stable && !minima.length) {
    figure.mapBusy = false;
    figure.mapProblem = figure.say("why.minimum");
    figure.mapCanvas = null;
    figure.refresh();
    return;
  }
  try {
    const worker = makeWorker(figure.options.extra);
    figure.workers = [worker];
    let painted = 0;
    worker.onmessage = ({ data }) => {
      if (data.failed) {
        figure.mapBusy = false;
        figure.mapProblem = data.failed;
        figure.refresh();
        return;
      }
      if (data.values) values.set(data.values, data.row * nx);
      const now = performance.now();
      if (!data.done && now - painted < 250) return;
      painted = now;
      figure.mapCanvas = mapped(map, state.map, state.steps, figure.theme);
      figure.mapVersion = (figure.mapVersion ?? 0) + 1;
      if (data.done) {
        figure.mapBusy = false;
        figure.mapTook = now - begun;
        worker.terminate();
      }
      figure.refresh();
    };
    worker.onerror = (event) => {
      figure.mapBusy = false;
      figure.mapProblem = event.message || "worker";
      figure.refresh();
    };
    worker.postMessage({
      state: {
        steps: state.steps,
        surface: state.surface,
        constants: state.constants,
        start: state.start,
        axes: state.axes,
        minima,
      },
      run: structuredClone(run),
      mode: state.map,
      nx,
      ny,
      box: figure.box(),
    });
  } catch (error) {
    figure.mapBusy = false;
    figure.mapProblem = error.message;
    figure.refresh();
  }
}
