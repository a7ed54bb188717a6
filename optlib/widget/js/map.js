// Maps of starts or of hyper-parameters, computed in a worker.

import { library } from "./data.js";
import { begin, isSchedule, joined, settle } from "./walk.js";

/** A map of starts, or of hyper-parameters, row by row: post(first row, values). Runs in a worker. */
export function chart(lib, job, post) {
  const { state, run, mode, nx, ny, box } = job;
  const rule = lib.rules[run.rule],
    surface = lib.surfaces[state.surface];
  const constants = { ...surface.constants, ...state.constants };
  const settled = settle(lib, rule, run.hyper),
    looks = rule.lookAheadMemory ?? [];
  const minima = state.minima,
    at = (k, n, [low, high]) => low + ((k + 0.5) / n) * (high - low);

  function many(theta, n, hyper, moving, each) {
    const g = new Float64Array(2 * n),
      ask = new Float64Array(2 * n),
      loss = new Float64Array(2 * n);
    const memory = begin(rule, theta, hyper);
    const looking = looks.map((name) => memory[rule.memory.indexOf(name)]);
    for (let t = 0; t < state.steps; t++) {
      for (const [name, schedule] of moving) hyper[name] = schedule(t);
      let where = theta;
      if (rule.lookAhead) {
        for (let i = 0; i < 2 * n; i++) {
          ask[i] = looking.length ? rule.lookAhead(theta[i], looking[0][i], hyper) : rule.lookAhead(theta[i], hyper);
        }
        where = ask;
      }
      for (let i = 0; i < n; i++) {
        const slope = surface.gradient(where[i], where[n + i], constants);
        g[i] = slope[0];
        g[n + i] = slope[1];
      }
      if (rule.given.includes("loss"))
        for (let i = 0; i < n; i++) loss[i] = loss[n + i] = surface.value(where[i], where[n + i], constants);
      rule.advance(theta, g, memory, t + 1, loss, hyper);
      if (each?.(t + 1)) return;
    }
  }

  function nearest(x, y, within) {
    for (let k = 0; k < minima.length; k++) {
      const dx = x - minima[k][0],
        dy = y - minima[k][1];
      if (dx * dx + dy * dy < within * within) return k;
    }
    return -1;
  }

  function starts(row, rows) {
    const n = rows * nx,
      theta = new Float64Array(2 * n),
      values = new Float32Array(n).fill(-1);
    for (let i = 0; i < n; i++) {
      theta[i] = at(i % nx, nx, box[0]);
      theta[n + i] = at(row + Math.floor(i / nx), ny, box[1]);
    }
    let left = n;
    const arrive = (t) => {
      if (t % 4 && t !== state.steps) return false;
      for (let i = 0; i < n; i++) {
        if (values[i] < 0 && nearest(theta[i], theta[n + i], 0.1) >= 0) {
          values[i] = t;
          left--;
        }
      }
      return left === 0;
    };
    many(theta, n, { ...settled.hyper }, settled.moving, mode === "fast" ? arrive : null);
    if (mode === "where") for (let i = 0; i < n; i++) values[i] = nearest(theta[i], theta[n + i], 0.1);
    return values;
  }

  function stable(row, rows) {
    const values = new Float32Array(rows * nx),
      [[xName, ...xs], [yName, ...ys]] = state.axes;
    const first = surface.value(...state.start, constants);
    for (let i = 0; i < values.length; i++) {
      const hyper = { ...settled.hyper, [xName]: at(i % nx, nx, xs), [yName]: at(row + Math.floor(i / nx), ny, ys) };
      const theta = Float64Array.from(state.start);
      many(theta, 1, hyper, []);
      const last = surface.value(theta[0], theta[1], constants);
      values[i] = Number.isFinite(last) ? Math.log10(Math.max(last, 1e-300) / first) / state.steps : 1;
    }
    return values;
  }

  const strip = mode === "stable" ? 4 : 8;
  for (let row = 0; row < ny; row += strip) {
    const rows = Math.min(strip, ny - row);
    post(row, mode === "stable" ? stable(row, rows) : starts(row, rows));
  }
}

/** A worker made from this module's own text, so that nothing is fetched. */
export function makeWorker(more) {
  const parts = [isSchedule, settle, begin, joined, chart].map(String);
  const text = `"use strict";
${parts.join("\n")}
const lib = joined((${library})(), ${more ? `(${more})()` : "null"});
onmessage = ({ data }) => {
  try {
    chart(lib, data, (row, values) => postMessage({ row, values }, [values.buffer]));
    postMessage({ done: true });
  } catch (error) { postMessage({ failed: String(error.message ?? error) }); }
};`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  return worker;
}
