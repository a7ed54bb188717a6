// The explorer: one figure that answers while the reader drags. Written to the anywidget front-end specification.
//
// In front of this text optlib.widget.explorer puts two things: `library`, a function that holds optlib's rules, surfaces
// and schedules as compiled from Python, and `DATA`, its tables of words and colours. No update rule and no surface is
// written here. The module is cut into walking, maps, drawing, words, and the figure itself.

// --- walking --------------------------------------------------------------------------------------------------------

const LIBRARY = library();

/** A library with the reader's own rules and surfaces, if there are some. */
function joined(base, more) {
  if (!more) return base;
  const all = { ...base };
  for (const part of ["rules", "surfaces", "schedules", "functions", "examples"]) all[part] = { ...base[part], ...more[part] };
  return all;
}

const isSchedule = (value) => value !== null && typeof value === "object";

/** Hyper-parameters as numbers, and those that follow a schedule as functions of the clock. */
function settle(lib, rule, given) {
  const hyper = { ...rule.defaults }, moving = [];
  for (const [name, value] of Object.entries(given)) {
    if (isSchedule(value)) moving.push([name, lib.schedules[value.schedule].make(value)]);
    else hyper[name] = value;
  }
  for (const [name, schedule] of moving) hyper[name] = schedule(0);
  return { hyper, moving };
}

/** The memory of a rule before the first step. */
function begin(rule, theta, hyper) {
  return rule.memory.map((name) => {
    const value = rule.start[name] ?? 0;
    if (value === "theta") return Float64Array.from(theta);
    return new Float64Array(theta.length).fill(typeof value === "string" ? hyper[value] : value);
  });
}

const constantsOf = (lib, state) => ({ ...lib.surfaces[state.surface]?.constants, ...state.constants });

/** Where gradients come from: (point, step, out), with the scene's examples, noise or given gradients. */
function oracle(lib, state) {
  const surface = lib.surfaces[state.surface], constants = constantsOf(lib, state);
  const examples = state.batch > 0 ? lib.examples[state.surface] : null;
  const { uniform, normal } = lib.functions;
  return (x, t, out) => {
    const d = out.length;
    if (state.stream) {
      const g = state.stream[t % state.stream.length];
      for (let i = 0; i < d; i++) out[i] = g[i];
    } else if (examples) {
      out.fill(0);
      for (let k = 0; k < state.batch; k++) {
        const j = Math.floor(uniform(state.seed, t, k + 16) * examples.data.length);
        const g = examples.gradient(...x, ...examples.data[j]);
        for (let i = 0; i < d; i++) out[i] += g[i];
      }
      for (let i = 0; i < d; i++) out[i] /= state.batch;
    } else {
      const g = d === 2 ? surface.gradient(x[0], x[1], constants) : surface.gradient(x[0], constants);
      for (let i = 0; i < d; i++) out[i] = g[i];
    }
    if (state.noise) for (let i = 0; i < d; i++) out[i] += state.noise * normal(state.seed, t, i);
  };
}

function allFinite(xs) {
  for (let i = 0; i < xs.length; i++) if (!Number.isFinite(xs[i])) return false;
  return true;
}

/** One algorithm's walk: points, gradients, the points where they were taken, memory, and how it ended. */
function walk(lib, state, run) {
  const rule = lib.rules[run.rule], surface = lib.surfaces[state.surface], constants = constantsOf(lib, state);
  const d = state.start.length, steps = state.steps, delay = run.delay ?? 0;
  const path = new Float64Array((steps + 1) * d), asks = new Float64Array((steps + 1) * d);
  const grads = new Float64Array(steps * d).fill(NaN);
  const theta = Float64Array.from(state.start), g = new Float64Array(d), loss = new Float64Array(d);
  const { hyper, moving } = settle(lib, rule, run.hyper), memory = begin(rule, theta, hyper);
  const kept = rule.memory.map(() => new Float64Array((steps + 1) * d));
  const gradient = oracle(lib, state), wantsLoss = rule.given.includes("loss");
  const looks = (rule.lookAheadMemory ?? []).map((name) => memory[rule.memory.indexOf(name)]);
  path.set(theta);
  kept.forEach((k, j) => k.set(memory[j]));
  let t = 0, end = null;
  for (; t < steps; t++) {
    for (const [name, schedule] of moving) hyper[name] = schedule(t);
    for (let i = 0; i < d; i++) {
      asks[t * d + i] = !rule.lookAhead ? theta[i]
        : looks.length ? rule.lookAhead(theta[i], looks[0][i], hyper) : rule.lookAhead(theta[i], hyper);
    }
    const s = Math.max(0, t - delay), at = asks.subarray(s * d, s * d + d);
    gradient(at, s, g);
    grads.set(g, t * d);
    if (!allFinite(g)) { end = g.some(Number.isNaN) && allFinite(at) ? "nan" : "diverges"; break; }
    if (wantsLoss) loss.fill(surface.value(...asks.subarray(t * d, t * d + d), constants));
    rule.advance(theta, g, memory, t + 1, loss, hyper);
    if (state.project) for (let i = 0; i < d; i++) theta[i] = Math.min(Math.max(theta[i], state.domain[i][0]), state.domain[i][1]);
    if (!allFinite(theta)) { end = "diverges"; break; }
    path.set(theta, (t + 1) * d);
    for (let j = 0; j < kept.length; j++) kept[j].set(memory[j], (t + 1) * d);
  }
  return { path, grads, asks, kept, d, n: t, end, run };
}

// --- maps -----------------------------------------------------------------------------------------------------------

/** A map of starts, or of hyper-parameters, row by row: post(first row, values). Runs in a worker. */
function chart(lib, job, post) {
  const { state, run, mode, nx, ny, box } = job;
  const rule = lib.rules[run.rule], surface = lib.surfaces[state.surface];
  const constants = { ...surface.constants, ...state.constants };
  const settled = settle(lib, rule, run.hyper), looks = rule.lookAheadMemory ?? [];
  const minima = state.minima, at = (k, n, [low, high]) => low + ((k + 0.5) / n) * (high - low);

  function many(theta, n, hyper, moving, each) {
    const g = new Float64Array(2 * n), ask = new Float64Array(2 * n), loss = new Float64Array(2 * n);
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
      if (rule.given.includes("loss")) for (let i = 0; i < n; i++) loss[i] = loss[n + i] = surface.value(where[i], where[n + i], constants);
      rule.advance(theta, g, memory, t + 1, loss, hyper);
      if (each && each(t + 1)) return;
    }
  }

  function nearest(x, y, within) {
    for (let k = 0; k < minima.length; k++) {
      const dx = x - minima[k][0], dy = y - minima[k][1];
      if (dx * dx + dy * dy < within * within) return k;
    }
    return -1;
  }

  function starts(row, rows) {
    const n = rows * nx, theta = new Float64Array(2 * n), values = new Float32Array(n).fill(-1);
    for (let i = 0; i < n; i++) {
      theta[i] = at(i % nx, nx, box[0]);
      theta[n + i] = at(row + Math.floor(i / nx), ny, box[1]);
    }
    let left = n;
    const arrive = (t) => {
      if (t % 4 && t !== state.steps) return false;
      for (let i = 0; i < n; i++) {
        if (values[i] < 0 && nearest(theta[i], theta[n + i], 0.1) >= 0) { values[i] = t; left--; }
      }
      return left === 0;
    };
    many(theta, n, { ...settled.hyper }, settled.moving, mode === "fast" ? arrive : null);
    if (mode === "where") for (let i = 0; i < n; i++) values[i] = nearest(theta[i], theta[n + i], 0.1);
    return values;
  }

  function stable(row, rows) {
    const values = new Float32Array(rows * nx), [[xName, ...xs], [yName, ...ys]] = state.axes;
    const first = surface.value(...state.start, constants);
    for (let i = 0; i < values.length; i++) {
      const hyper = { ...settled.hyper, [xName]: at(i % nx, nx, xs), [yName]: at(row + Math.floor(i / nx), ny, ys) };
      const theta = Float64Array.from(state.start);
      many(theta, 1, hyper, []);
      const last = surface.value(theta[0], theta[1], constants);
      values[i] = Number.isFinite(last) ? (Math.log10(Math.max(last, 1e-300) / first)) / state.steps : 1;
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
function makeWorker(more) {
  const parts = [settle, begin, joined, chart].map(String);
  const text = `"use strict";
${parts.join("\n")}
const isSchedule = (value) => value !== null && typeof value === "object";
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

// --- numbers and words ------------------------------------------------------------------------------------------------

const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A number as people write it: three digits, powers of ten, a real minus sign. */
function show(x, digits = 3) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x < 0 ? "−∞" : "∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  let text;
  if (size < 1e-3 || size >= 1e5) {
    const [base, power] = x.toExponential(digits - 1).split("e");
    const exponent = [...String(Math.abs(+power))].map((c) => SUPER[c]).join("");
    text = `${+base === 1 ? "" : +base === -1 ? "-" : `${+base}·`}10${+power < 0 ? "⁻" : ""}${exponent}`;
  } else text = String(+x.toPrecision(digits));
  return text.replace("-", "−");
}

const point = (x) => `(${Array.from(x, (v) => show(v)).join(", ")})`;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

const symbol = (name) => DATA.symbols[name] ?? name;

/** A line of a rule as mathematics; `value` gives a number for a name, or nothing. */
function formula(text, value = () => undefined) {
  const out = text.replace(/\s*\*\*\s*2\b/g, "²").replace(/\s*\*\*\s*/g, "^").replace(/ \* /g, "·").replace(/ - /g, " − ").replace(/\bsqrt\(/g, "√(");
  return out.replace(/[A-Za-z_]\w*/g, (name) => {
    const x = value(name);
    if (x === undefined) return symbol(name);
    return x < 0 ? `(${show(x)})` : show(x);
  });
}

// --- states -----------------------------------------------------------------------------------------------------------

const finite = (x) => typeof x === "number" && Number.isFinite(x);

function ask(ok, why) { if (!ok) throw new Error(why); }

/** A whole state from a partial one, checked: a link may have been edited by hand. Throws an Error that says why. */
function checked(lib, given, base) {
  ask(given && typeof given === "object" && !Array.isArray(given), "no state in it");
  const known = Object.keys(DATA.defaults), state = { ...structuredClone(DATA.defaults), ...structuredClone(base ?? {}), ...structuredClone(given) };
  for (const name of Object.keys(given)) ask(known.includes(name), `unknown entry "${name}"`);
  const surface = lib.surfaces[state.surface];
  ask(surface || state.surface === "stream", `unknown surface "${state.surface}"`);
  if (base && given.surface !== undefined && given.surface !== base.surface && given.constants === undefined) state.constants = {};
  for (const [name, value] of Object.entries(state.constants)) ask(name in (surface?.constants ?? {}) && finite(value), `constant ${name}`);
  state.constants = { ...surface?.constants, ...state.constants };
  state.start = state.start ?? surface?.start.slice() ?? [0];
  ask(Array.isArray(state.start) && state.start.every(finite) && state.start.length === (surface?.dim ?? state.start.length), "start");
  ask(Number.isInteger(state.steps) && state.steps >= 1 && state.steps <= 5000, `steps = ${state.steps}, allowed are 1 to 5000`);
  ask(Array.isArray(state.runs) && state.runs.length <= 24, "runs");
  for (const run of state.runs) {
    const rule = lib.rules[run?.rule];
    ask(rule, `unknown algorithm "${run?.rule}"`);
    run.hyper = { ...rule.defaults, ...(run.hyper ?? {}) };
    run.delay = run.delay ?? 0;
    ask(Number.isInteger(run.delay) && run.delay >= 0 && run.delay <= 200, `delay = ${run.delay}`);
    for (const [name, value] of Object.entries(run.hyper)) {
      ask(name in rule.defaults, `${run.rule} has no ${name}`);
      if (isSchedule(value)) {
        const maker = lib.schedules[value.schedule];
        ask(maker, `unknown schedule "${value.schedule}"`);
        ask(Object.values(rule.start).indexOf(name) < 0, `${run.rule} starts its memory at ${name}, which takes no schedule`);
        for (const part of maker.arguments) ask(finite(value[part]), `${value.schedule} needs ${part}`);
      } else {
        const [low, high, closed] = rule.ranges[name] ?? [-Infinity, null, false];
        ask(finite(value) && value >= low && (high === null || value < high || (closed && value === high)), `${run.rule}: ${name} = ${value}`);
      }
    }
  }
  const choices = { scene: ["plane", "line", "time", "map"], view: ["plane", "relief"], map: ["off", "where", "fast", "stable"],
    levels: ["auto", "log", "linear"], series: SERIES };
  for (const [name, values] of Object.entries(choices)) ask(values.includes(state[name]), `${name} = "${state[name]}"`);
  for (const name of ["noise", "seed", "batch", "turn", "tilt"]) ask(finite(state[name]) && state[name] >= (name === "turn" ? -360 : 0), `${name} = ${state[name]}`);
  ask(state.batch <= 1000 && Number.isInteger(state.batch), "batch");
  ask(state.at === null || (Number.isInteger(state.at) && state.at >= 0), "at");
  ask(state.domain === null || (Array.isArray(state.domain) && state.domain.flat().every(finite)), "domain");
  ask(!state.stream || state.stream.every((g) => Array.isArray(g) && g.every(finite) && g.length === state.start.length), "stream");
  const dim = state.start.length;
  if (state.scene === "plane" && dim !== 2) state.scene = "line";
  if (state.scene === "line" && dim !== 1) state.scene = "plane";
  if (state.surface === "stream") { ask(state.stream, "stream"); state.scene = "time"; }
  if (dim !== 2) { state.view = "plane"; if (state.map !== "off") state.map = "off"; }
  state.at = state.at === null ? null : Math.min(state.at, state.steps);
  state.mapOf = Math.min(state.mapOf, Math.max(state.runs.length - 1, 0));
  state.follow = Math.min(state.follow, Math.max(state.runs.length - 1, 0));
  return state;
}

const SERIES = ["loss", "x", "y", "gradient", "step", "rate", "lr", "memory"];

/** What differs from another state: what a link must carry. */
function difference(state, base) {
  return Object.fromEntries(Object.entries(state).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(base[name])));
}

function packed(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** The lines of Python that make the same walks. */
function python(lib, state, walks = []) {
  const number = (x) => (x === Infinity ? "float('inf')" : Number.isInteger(x) ? `${x}.0` : String(x));
  const json = (x) => JSON.stringify(x).replaceAll("null", "None").replaceAll("true", "True").replaceAll("false", "False");
  const surface = lib.surfaces[state.surface];
  const plain = surface && state.surface in DATA.library && !state.noise && !state.batch && !state.stream && !state.project && state.runs.every((r) => !r.delay);
  if (!plain) {
    const { at, turn, tilt, follow, ...rest } = difference(state, DATA.defaults);
    return `from optlib.widget import Explorer\nfigure = Explorer(**${json(rest)})\npaths = figure.paths()\n`;
  }
  const changed = Object.entries(state.constants).filter(([name, value]) => value !== surface.constants[name]);
  const f = `surfaces.${state.surface}${changed.length ? `.but(${changed.map(([n, v]) => `${n}=${number(v)}`).join(", ")})` : ""}`;
  const names = names_(state);
  const whole = ["steps", "every", "half", "first", "factor", "warm"];
  const value = (v) => (isSchedule(v)
    ? `schedules.${v.schedule}(${lib.schedules[v.schedule].arguments.map((a) => `${a}=${whole.includes(a) ? v[a] : number(v[a])}`).join(", ")})` : number(v));
  const runs = state.runs.map((run, i) => {
    const hyper = Object.entries(run.hyper).filter(([name, v]) => v !== lib.rules[run.rule].defaults[name]);
    const loss = (lib.rules[run.rule].given.includes("loss") ? ", loss=f" : "") + (walks[i]?.end ? ", strict=False" : "");
    return `    "${names[i]}": descend(Optimizer(rules.${run.rule}${hyper.map(([n, v]) => `, ${n}=${value(v)}`).join("")}), f.grad, [${state.start.map(number).join(", ")}], steps=${state.steps}${loss}),\n`;
  });
  const more = state.runs.some((r) => Object.values(r.hyper).some(isSchedule)) ? ", schedules" : "";
  const draw = state.start.length === 2 ? "view.contour" : "view.curve", look = state.start.length === 2 && state.levels !== "auto" ? `, levels="${state.levels}"` : "";
  return `from optlib import Optimizer, descend, rules${more}, surfaces, view\nf = ${f}\npaths = {\n${runs.join("")}}\n${draw}(f, paths${look})\n`;
}

/** A name for each run: its rule's, and a number where there are several of them. */
function names_(state) {
  const count = {};
  for (const { rule } of state.runs) count[rule] = (count[rule] ?? 0) + 1;
  const seen = {};
  return state.runs.map(({ rule }) => (count[rule] === 1 ? rule : `${rule} ${(seen[rule] = (seen[rule] ?? 0) + 1)}`));
}

// --- drawing ----------------------------------------------------------------------------------------------------------

/** Draws on a canvas; `Svg` has the same few methods and writes a file. Coordinates are CSS pixels. */
class Brush {
  constructor(context) { this.c = context; }
  clip(x, y, w, h) { const { c } = this; c.save(); c.beginPath(); c.rect(x, y, w, h); c.clip(); }
  open() { this.c.restore(); }
  style({ stroke, width = 1, dash, alpha = 1, fill }) {
    const { c } = this;
    c.globalAlpha = alpha;
    c.lineWidth = width;
    c.setLineDash(dash ? dash.map((x) => x * width) : []);
    c.lineJoin = "round";
    if (stroke) c.strokeStyle = stroke;
    if (fill) c.fillStyle = fill;
  }
  /** Lines through flat coordinates; NaN lifts the pen. */
  line(xy, style) {
    const { c } = this;
    this.style(style);
    c.beginPath();
    let down = false;
    for (let i = 0; i < xy.length; i += 2) {
      const x = xy[i], y = xy[i + 1];
      if (x !== x || y !== y) { down = false; continue; }
      if (down) c.lineTo(x, y); else { c.moveTo(x, y); down = true; }
    }
    if (style.fill) c.fill();
    if (style.stroke) c.stroke();
    c.globalAlpha = 1;
  }
  dots(xy, radius, style) {
    const { c } = this;
    this.style(style);
    c.beginPath();
    for (let i = 0; i < xy.length; i += 2) {
      c.moveTo(xy[i] + radius, xy[i + 1]);
      c.arc(xy[i], xy[i + 1], radius, 0, 2 * Math.PI);
    }
    if (style.fill) c.fill();
    if (style.stroke) c.stroke();
    c.globalAlpha = 1;
  }
  text(x, y, words, { fill, size = 12, align = "center", baseline = "middle", alpha = 1 }) {
    const { c } = this;
    c.globalAlpha = alpha;
    c.fillStyle = fill;
    c.font = `${size}px system-ui, sans-serif`;
    c.textAlign = align;
    c.textBaseline = baseline;
    c.fillText(words, x, y);
    c.globalAlpha = 1;
  }
  image(canvas, x, y, w, h, smooth = true) { this.c.imageSmoothingEnabled = smooth; this.c.drawImage(canvas, x, y, w, h); }
}

class Svg {
  constructor(width, height) { this.width = width; this.height = height; this.parts = []; this.clips = 0; }
  clip(x, y, w, h) {
    this.clips++;
    this.parts.push(`<clipPath id="c${this.clips}"><rect x="${x}" y="${y}" width="${w}" height="${h}"/></clipPath><g clip-path="url(#c${this.clips})">`);
  }
  open() { this.parts.push("</g>"); }
  attributes({ stroke, width = 1, dash, alpha = 1, fill }) {
    return `fill="${fill ?? "none"}"${stroke ? ` stroke="${stroke}" stroke-width="${width}" stroke-linejoin="round"` : ""}`
      + `${dash ? ` stroke-dasharray="${dash.map((x) => x * width).join(" ")}"` : ""}${alpha < 1 ? ` opacity="${alpha}"` : ""}`;
  }
  line(xy, style) {
    let d = "", down = false;
    for (let i = 0; i < xy.length; i += 2) {
      if (!Number.isFinite(xy[i]) || !Number.isFinite(xy[i + 1])) { down = false; continue; }
      d += `${down ? "L" : "M"}${xy[i].toFixed(2)} ${xy[i + 1].toFixed(2)}`;
      down = true;
    }
    if (d) this.parts.push(`<path d="${d}" ${this.attributes(style)}/>`);
  }
  dots(xy, radius, style) {
    for (let i = 0; i < xy.length; i += 2) {
      if (Number.isFinite(xy[i] + xy[i + 1])) this.parts.push(`<circle cx="${xy[i].toFixed(2)}" cy="${xy[i + 1].toFixed(2)}" r="${radius}" ${this.attributes(style)}/>`);
    }
  }
  text(x, y, words, { fill, size = 12, align = "center", baseline = "middle" }) {
    const anchor = { center: "middle", left: "start", right: "end" }[align];
    const escaped = words.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
    this.parts.push(`<text x="${x}" y="${baseline === "middle" ? y + size * 0.35 : y}" fill="${fill}" font-size="${size}" font-family="system-ui, sans-serif" text-anchor="${anchor}">${escaped}</text>`);
  }
  image(canvas, x, y, w, h) { this.parts.push(`<image x="${x}" y="${y}" width="${w}" height="${h}" preserveAspectRatio="none" href="${canvas.toDataURL()}"/>`); }
  toString() {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${this.width}" height="${this.height}" viewBox="0 0 ${this.width} ${this.height}">${this.parts.join("\n")}</svg>\n`;
  }
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** About n round numbers between two ends. */
function ticks(low, high, n = 5) {
  const raw = (high - low) / n, size = 10 ** Math.floor(Math.log10(raw));
  const step = size * [1, 2, 5, 10].find((k) => k * size >= raw * 0.999);
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) out.push(Math.abs(k) < 1e-9 ? 0 : k * step);
  return out;
}

const GRID = 161;

/** Values of a surface on a grid over a box, with the heights of the contour lines. */
function grid(surface, constants, box, levels) {
  const n = GRID, z = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const y = box[1][0] + (j / (n - 1)) * (box[1][1] - box[1][0]);
    for (let i = 0; i < n; i++) z[j * n + i] = surface.value(box[0][0] + (i / (n - 1)) * (box[0][1] - box[0][0]), y, constants);
  }
  return { n, z, box, heights: heights(z, levels) };
}

/** Heights for the contour lines, chosen as optlib.view chooses them; values that are no numbers count for nothing. */
function heights(z, levels, n = 12) {
  const sorted = z.filter(Number.isFinite).sort(), m = sorted.length;
  if (!m) return [0, 1];
  const low = sorted[0], high = sorted[m - 1], quantile = (q) => sorted[Math.round(q * (m - 1))];
  if (high <= low) return [low - 1, low, low + 1];
  if (levels === "log") {
    const floor = Math.max((quantile(0.002) - low) / (high - low), 1e-5);
    return [low, ...Array.from({ length: n }, (_, k) => low + (high - low) * floor ** (1 - k / (n - 1)))];
  }
  const middle = Math.min(Math.max((quantile(0.5) - low) / (high - low), 1e-4), 0.5);
  const power = levels === "linear" ? 1 : Math.log(middle) / Math.log(0.5);
  const all = Array.from({ length: n + 1 }, (_, k) => low + (high - low) * (k / n) ** power);
  return [low, ...all.slice(1).filter((h) => h > quantile(0.006))];
}

/** Which band of heights a value lies in, as a share: 0 lowest, 1 highest. */
function share(z, hs) {
  let k = 1;
  while (k < hs.length - 1 && z > hs[k]) k++;
  return (k - 1) / Math.max(hs.length - 2, 1);
}

/** The tint of the bands as a small canvas: opacity carries the height. */
function tinted({ n, z, heights: hs }) {
  const canvas = document.createElement("canvas"), size = 2 * n, [r, g, b] = rgb(DATA.ground);
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d"), image = context.createImageData(size, size), px = image.data;
  for (let j = 0; j < size; j++) {
    const y = Math.min(((size - 1 - j) / (size - 1)) * (n - 1), n - 1.0001), y0 = Math.floor(y), v = y - y0;
    for (let i = 0; i < size; i++) {
      const x = Math.min((i / (size - 1)) * (n - 1), n - 1.0001), x0 = Math.floor(x), u = x - x0, k = y0 * n + x0;
      const value = (1 - v) * ((1 - u) * z[k] + u * z[k + 1]) + v * ((1 - u) * z[k + n] + u * z[k + n + 1]);
      const p = 4 * (j * size + i);
      px[p] = r; px[p + 1] = g; px[p + 2] = b;
      px[p + 3] = Number.isFinite(value) ? 255 * 0.34 * (1 - share(value, hs)) ** 1.3 : 0;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The contour lines as flat pieces of two points each, in the box's own units (marching squares). */
function contours({ n, z, box, heights: hs }) {
  const out = [], px = (i) => box[0][0] + (i / (n - 1)) * (box[0][1] - box[0][0]), py = (j) => box[1][0] + (j / (n - 1)) * (box[1][1] - box[1][0]);
  for (const h of hs.slice(1, -1)) {
    for (let j = 0; j < n - 1; j++) {
      for (let i = 0; i < n - 1; i++) {
        const k = j * n + i, a = z[k] - h, b = z[k + 1] - h, c = z[k + n + 1] - h, d = z[k + n] - h;
        const kind = (a > 0) + 2 * (b > 0) + 4 * (c > 0) + 8 * (d > 0);
        if (kind === 0 || kind === 15 || !Number.isFinite(a + b + c + d)) continue;
        const cuts = [];
        if ((a > 0) !== (b > 0)) cuts.push(px(i + a / (a - b)), py(j));
        if ((b > 0) !== (c > 0)) cuts.push(px(i + 1), py(j + b / (b - c)));
        if ((c > 0) !== (d > 0)) cuts.push(px(i + d / (d - c)), py(j + 1));
        if ((d > 0) !== (a > 0)) cuts.push(px(i), py(j + a / (a - d)));
        for (let m = 0; m + 3 < cuts.length; m += 4) out.push(cuts[m], cuts[m + 1], cuts[m + 2], cuts[m + 3], NaN, NaN);
      }
    }
  }
  return Float64Array.from(out);
}

/** Maps units to pixels: linear or logarithmic along each axis. */
function frame(x, y, w, h, box, logY = false) {
  const [x0, x1] = box[0], [y0, y1] = logY ? box[1].map(Math.log10) : box[1];
  return {
    x, y, w, h, box, logY,
    X: (v) => x + ((v - x0) / (x1 - x0)) * w,
    Y: (v) => y + h - (((logY ? Math.log10(v) : v) - y0) / (y1 - y0)) * h,
    unX: (p) => x0 + ((p - x) / w) * (x1 - x0),
    unY: (p) => { const v = y0 + ((y + h - p) / h) * (y1 - y0); return logY ? 10 ** v : v; },
  };
}

/** Ticks and names of the axes. */
function axes(brush, f, ink, names) {
  const grey = { fill: ink, size: 11 }, rule = { stroke: ink, width: 1, alpha: 0.35 };
  brush.line([f.x, f.y, f.x, f.y + f.h, f.x + f.w, f.y + f.h], rule);
  for (const v of ticks(...f.box[0], Math.max(2, Math.round(f.w / 80)))) brush.text(f.X(v), f.y + f.h + 12, show(v), grey);
  let ys;
  if (f.logY) {
    const [a, b] = f.box[1].map(Math.log10), step = Math.max(1, Math.ceil((b - a) / 5));
    ys = [];
    for (let e = Math.ceil(a / step) * step; e <= b; e += step) ys.push(10 ** e);
    if (b - a < 1.6) ys = [-3, -2, -1, 0, 1].map((k) => 10 ** (Math.floor(b) + k)).flatMap((p) => [p, 2 * p, 5 * p]).filter((v) => v >= f.box[1][0] && v <= f.box[1][1]);
  } else ys = ticks(...f.box[1], Math.max(2, Math.round(f.h / 55)));
  for (const v of ys) {
    brush.text(f.x - 6, f.Y(v), show(v), { ...grey, align: "right" });
    brush.line([f.x - 3, f.Y(v), f.x, f.Y(v)], rule);
  }
  if (names[0]) brush.text(f.x + f.w, f.y + f.h + 25, names[0], { ...grey, size: 12, align: "right" });
  if (names[1]) brush.text(f.x, f.y - 9, names[1], { ...grey, size: 12, align: "left" });
}

function arrow(brush, x0, y0, x1, y1, style, head = 8) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (!(length > 0.5)) return;
  const size = Math.min(head, length * 0.6), ux = (x1 - x0) / length, uy = (y1 - y0) / length;
  const bx = x1 - size * ux, by = y1 - size * uy;
  brush.line([x0, y0, bx, by], style);
  brush.line([x1, y1, bx - 0.45 * size * uy, by + 0.45 * size * ux, bx + 0.45 * size * uy, by - 0.45 * size * ux, x1, y1], { fill: style.stroke });
}

/** Where a piece from inside to outside meets the frame. */
function edge(f, x0, y0, x1, y1) {
  let t = 1;
  if (x1 < f.x) t = Math.min(t, (f.x - x0) / (x1 - x0));
  if (x1 > f.x + f.w) t = Math.min(t, (f.x + f.w - x0) / (x1 - x0));
  if (y1 < f.y) t = Math.min(t, (f.y - y0) / (y1 - y0));
  if (y1 > f.y + f.h) t = Math.min(t, (f.y + f.h - y0) / (y1 - y0));
  return [x0 + t * (x1 - x0), y0 + t * (y1 - y0)];
}

/** Colours and dashes of the runs: an algorithm's own, or numbered ones where several share an algorithm. */
function looks(state) {
  const count = {};
  for (const { rule } of state.runs) count[rule] = (count[rule] ?? 0) + 1;
  return state.runs.map(({ rule }, i) => (count[rule] === 1 && DATA.looks[rule]) || { colour: DATA.series[i % DATA.series.length], dash: null });
}

/** The picture's map as a small canvas. */
function mapped(map, mode, steps) {
  const canvas = document.createElement("canvas");
  canvas.width = map.nx; canvas.height = map.ny;
  const context = canvas.getContext("2d"), image = context.createImageData(map.nx, map.ny), px = image.data;
  const ground = rgb(DATA.ground), hues = DATA.series.map(rgb);
  for (let j = 0; j < map.ny; j++) {
    for (let i = 0; i < map.nx; i++) {
      const v = map.values[j * map.nx + i], p = 4 * ((map.ny - 1 - j) * map.nx + i);
      const [hue, alpha] = mode === "where" ? [hues[Math.max(v, 0) % hues.length], v < 0 ? 0 : 0.42]
        : mode === "fast" ? [ground, v < 0 ? 0 : 0.08 + 0.62 * (1 - v / steps) ** 2]
        : [ground, v >= 0 ? 0 : 0.06 + 0.7 * (1 - Math.exp(7 * v))];
      px[p] = hue[0]; px[p + 1] = hue[1]; px[p + 2] = hue[2]; px[p + 3] = 255 * alpha;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The values that the curve beside the picture shows: for each run a list of arrays over the steps. */
function seriesOf(lib, state, walks, what) {
  const surface = lib.surfaces[state.surface], constants = constantsOf(lib, state);
  const lowest = surface?.minima.length ? Math.min(...surface.minima.map((m) => surface.value(...m, constants))) : 0;
  const floor = Number.isFinite(lowest) && Math.abs(lowest) > 1e-9 ? lowest : 0;
  const curves = walks.map((w) => {
    const { d, n, path, grads } = w, out = [];
    const column = (m, value) => { const a = new Float64Array(m); for (let t = 0; t < m; t++) a[t] = value(t); out.push(a); };
    if (what === "loss" && surface) {
      if (d === 2) column(n + 1, (t) => surface.value(path[2 * t], path[2 * t + 1], constants) - floor);
      else column(n + 1, (t) => surface.value(path[t], constants) - floor);
    } else if (what === "x") column(n + 1, (t) => path[t * d]);
    else if (what === "y" && d > 1) column(n + 1, (t) => path[t * d + 1]);
    else if (what === "gradient") column(n, (t) => Math.hypot(...grads.subarray(t * d, t * d + d)));
    else if (what === "step") column(n, (t) => { let s = 0; for (let i = 0; i < d; i++) s += (path[(t + 1) * d + i] - path[t * d + i]) ** 2; return Math.sqrt(s); });
    else if (what === "rate") for (let i = 0; i < d; i++) column(n, (t) => rateAt(w, t, i));
    else if (what === "lr" && "lr" in w.run.hyper) {
      const { hyper, moving } = settle(lib, lib.rules[w.run.rule], w.run.hyper);
      const schedule = moving.find(([name]) => name === "lr")?.[1] ?? (() => hyper.lr);
      column(state.steps, schedule);
    } else if (what === "memory" && w.kept.length) column(n + 1, (t) => w.kept[0][t * d]);
    return out;
  });
  return { curves, floor };
}

/** The rate that a coordinate really had: how far it went, over its gradient. */
function rateAt({ path, grads, d, n }, t, i) {
  return t < n ? (path[t * d + i] - path[(t + 1) * d + i]) / grads[t * d + i] : NaN;
}

const LOGARITHMIC = ["loss", "gradient", "step", "rate"];

/** The range of some curves, and whether a logarithmic axis suits them. */
function span(curves, what) {
  let low = Infinity, high = -Infinity, least = Infinity;
  for (const c of curves.flat()) {
    for (const v of c) {
      if (!Number.isFinite(v)) continue;
      if (v < low) low = v;
      if (v > high) high = v;
      if (v > 0 && v < least) least = v;
    }
  }
  if (low > high) return { log: false, range: [0, 1] };
  if (LOGARITHMIC.includes(what) && least < Infinity && high > 0) {
    const bottom = Math.max(least, high * 1e-12, 1e-16);
    return { log: true, range: [bottom / 1.3, Math.min(high, bottom * 1e18) * 1.3 + 1e-300] };
  }
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return { log: false, range: [low - pad, high + pad] };
}

/** The surface and the walks from the side, far things first. */
function relief(brush, ground, scene, w, h, state, walks, styles, ink, upTo) {
  const { n, z, box, heights: hs } = ground, m = 44, turn = (state.turn * Math.PI) / 180, tilt = (state.tilt * Math.PI) / 180;
  const [cosT, sinT, cosP, sinP] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const low = hs[0], high = hs[hs.length - 1], size = Math.min(w / 2.9, h / 2.25);
  const mid = hs[Math.floor(hs.length / 2)], power = Math.log(0.5) / Math.log(Math.min(Math.max((mid - low) / (high - low), 1e-4), 0.5));
  const lift = (v) => (Number.isFinite(v) ? Math.min(Math.max((v - low) / (high - low), 0), 1.2) ** Math.min(Math.max(power, 0.25), 1) : NaN);
  const place = (u, v, t) => {
    const a = u * cosT - v * sinT, b = u * sinT + v * cosT, c = t - 0.42;
    return [w / 2 + size * a, h / 2 - size * (b * sinP + c * cosP), b * cosP - c * sinP];
  };
  const items = [], at = (i, j) => z[Math.round((j / m) * (n - 1)) * n + Math.round((i / m) * (n - 1))], [r, g, b] = rgb(DATA.ground);
  for (let j = 0; j < m; j++) {
    for (let i = 0; i < m; i++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1], [i, j]].map(([p, q]) => place((2 * p) / m - 1, (2 * q) / m - 1, lift(at(p, q))));
      if (!corners.every((c) => allFinite(c))) continue;
      const value = (at(i, j) + at(i + 1, j + 1)) / 2, s = 1 - share(value, hs);
      items.push({ depth: (corners[0][2] + corners[2][2]) / 2, xy: corners.flatMap((c) => [c[0], c[1]]), fill: `rgba(${r},${g},${b},${0.1 + 0.5 * s ** 1.3})` });
    }
  }
  const unit = (x, k) => (2 * (x - box[k][0])) / (box[k][1] - box[k][0]) - 1;
  walks.forEach((walkOf, k) => {
    const end = Math.min(upTo ?? walkOf.n, walkOf.n);
    let last = null;
    for (let t = 0; t <= end; t++) {
      const x = walkOf.path[2 * t], y = walkOf.path[2 * t + 1], u = unit(x, 0), v = unit(y, 1);
      const here = Math.abs(u) <= 1 && Math.abs(v) <= 1 ? place(u, v, lift(scene.value(x, y)) + 0.012) : null;
      if (here && last) items.push({ depth: Math.min(here[2], last[2]) - 0.06, xy: [last[0], last[1], here[0], here[1]], stroke: styles[k].colour });
      if (here && (t === 0 || t === end)) items.push({ depth: here[2] - 0.1, dot: [here[0], here[1]], colour: styles[k].colour, ring: t === 0 });
      last = here;
    }
  });
  items.sort((p, q) => q.depth - p.depth);
  for (const item of items) {
    if (item.dot) brush.dots(item.dot, item.ring ? 4.5 : 4, item.ring ? { stroke: item.colour, width: 1.6 } : { fill: item.colour });
    else if (item.fill) brush.line(item.xy, { fill: item.fill, stroke: DATA.ground, width: 0.5, alpha: 0.85 });
    else brush.line(item.xy, { stroke: item.stroke, width: 2 });
  }
}

// --- the figure -------------------------------------------------------------------------------------------------------

/** An element: h("p", { class: "a", onclick: f }, child, ...). */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((c) => c !== null && c !== undefined));
  return element;
}

let count = 0; // of figures on the page, for ids

const shareOf = (value) => (value >= 1 ? 4 : -Math.log10(1 - value));

/** How a slider runs through a number: its ends on the slider's own scale, and the way there and back. */
function scale(name, usual, [low = 0, high = null, closed = false] = []) {
  if (["gamma", "beta", "beta1", "beta2", "rho"].includes(name)) { // 0.9, 0.99, 0.999 are equally far apart
    const top = closed ? 1 : 0.9999;
    return { min: 0, max: 4, step: 0.02, to: shareOf, from: (s) => (s >= 4 ? top : +(1 - 10 ** -s).toPrecision(s > 3 ? 5 : s > 2 ? 4 : 3)) };
  }
  if (["dampening", "delta", "phi", "eta_minus", "rise"].includes(name)) return { min: name === "rise" ? 0.05 : 0, max: name === "rise" ? 0.95 : 1, step: 0.01, to: (v) => v, from: (s) => s };
  if (name === "eta_plus") return { min: 1, max: 2, step: 0.01, to: (v) => v, from: (s) => s };
  if (["steps", "every", "half", "first", "warm"].includes(name)) {
    return { min: 0, max: 3.3, step: 0.01, to: (v) => Math.log10(Math.max(v, 1)), from: (s) => Math.round(10 ** s) };
  }
  if (name === "delay") return { min: 0, max: 20, step: 1, to: (v) => v, from: (s) => s };
  if (name === "batch") return { min: 0, max: 20, step: 1, to: (v) => v, from: (s) => s };
  if (name === "seed") return { min: 1, max: 50, step: 1, to: (v) => v, from: (s) => s };
  if (name === "factor" || name === "power") return { min: 1, max: 4, step: name === "factor" ? 1 : 0.1, to: (v) => v, from: (s) => +s.toFixed(2) };
  if (name === "turn") return { min: -180, max: 180, step: 1, to: (v) => v, from: (s) => s };
  if (name === "tilt") return { min: 10, max: 90, step: 1, to: (v) => v, from: (s) => s };
  const centre = usual > 0 ? usual : name.startsWith("eps") ? 1e-6 : name === "noise" ? 0.3 : 0.01;
  const reach = name.startsWith("eps") ? 6 : name === "delta0" ? 12 : 2;
  const bottom = Math.log10(centre) - reach, top = Math.min(Math.log10(centre) + (name === "delta0" ? 2 : reach), high ? Math.log10(high) : Infinity);
  const zero = low === 0;
  return {
    min: bottom, max: top, step: 0.01,
    to: (v) => (v > 0 ? Math.log10(v) : bottom), from: (s) => (zero && s <= bottom + 1e-9 ? 0 : +(10 ** s).toPrecision(3)),
  };
}

class Figure {
  constructor(el, given, options = {}) {
    this.el = el;
    this.id = `dx${++count}`;
    this.lang = options.lang === "zh" ? "zh" : "en";
    this.options = options;
    this.lib = joined(LIBRARY, options.extra ? options.extra() : null);
    this.messages = [];
    this.hidden = {};
    this.timings = [];
    this.alive = true;
    this.cache = {};
    this.compare = null;
    try { this.initial = checked(this.lib, given); } catch (error) {
      this.initial = checked(this.lib, {});
      this.messages.push(fill(this.say("bad.state"), { why: error.message }));
    }
    this.state = structuredClone(this.initial);
    if (options.link) {
      try { this.state = checked(this.lib, unpacked(options.link), this.initial); } catch (error) {
        this.messages.push(fill(this.say("bad.link"), { why: error.message }));
      }
    }
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.build();
    this.watch();
    this.refresh();
  }

  say(key, values) {
    const words = DATA.labels[key]?.[this.lang] ?? key;
    return values ? fill(words, values) : words;
  }

  nameOf(i) {
    const { runs } = this.state, { rule } = runs[i];
    const base = DATA.algorithms[rule] ?? rule;
    const same = runs.filter((r) => r.rule === rule);
    if (same.length === 1) return base;
    const telling = Object.keys(runs[i].hyper).find((name) => new Set(same.map((r) => JSON.stringify(r.hyper[name]))).size > 1);
    if (!telling) return (runs[i].delay || same.some((r) => r.delay)) ? `${base}, ${this.say("late", { n: runs[i].delay })}` : `${base} ${same.indexOf(runs[i]) + 1}`;
    const value = runs[i].hyper[telling];
    return `${base} ${symbol(telling)}=${isSchedule(value) ? this.say(`schedule.${value.schedule}`) : show(value)}`;
  }

  // -- controls

  /** Changes the state by path, such as "runs.0.hyper.lr", and draws. */
  set(path, value) {
    const keys = path.split("."), last = keys.pop();
    let at = this.state;
    for (const key of keys) at = at[key];
    at[last] = value;
    this.changed();
  }

  changed(structure = false) {
    if (structure) this.rebuild();
    this.refresh();
    this.options.onchange?.(structuredClone(this.state));
  }

  /** Takes a whole state from outside, such as from Python. */
  replace(given) {
    try {
      this.state = checked(this.lib, given);
      this.messages = [];
    } catch (error) {
      this.messages = [fill(this.say("bad.state"), { why: error.message })];
    }
    this.rebuild();
    this.refresh();
  }

  rebuild() {
    const focus = this.root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const open = [...this.root.querySelectorAll("details[open]")].map((d) => d.dataset.key);
    this.build();
    for (const d of this.root.querySelectorAll("details")) if (open.includes(d.dataset.key)) d.open = true;
    if (focus) this.root.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    this.measure();
  }

  select(key, label, options, value, change, shown = true) {
    const select = h("select", { "data-key": key, "aria-label": label, onchange: () => change(select.value) },
      ...options.map(([v, words]) => h("option", { value: v, selected: v === value }, words)));
    select.value = value;
    return shown ? h("label", { class: "dx-field" }, h("span", {}, label), select) : select;
  }

  /** A slider with a number one can type; `get` and `set` reach into the state. */
  slider(key, label, name, get, set, options = {}) {
    const s = scale(options.kind ?? name, options.usual ?? get(), options.range), id = `${this.id}-${key.replaceAll(".", "-")}`;
    const range = h("input", { type: "range", id, min: s.min, max: s.max, step: s.step, "data-key": key, "aria-label": options.title ?? label });
    const number = h("input", { type: "text", inputmode: "decimal", class: "dx-number", "data-key": `${key}-number`, "aria-label": options.title ?? label, size: 6, autocomplete: "off", spellcheck: "false" });
    const update = () => {
      const value = get();
      if (document.activeElement !== range || +range.value !== s.to(value)) range.value = s.to(value);
      const text = options.words?.(value) ?? String(+value.toPrecision(4));
      if (document.activeElement !== number) number.value = text;
      range.setAttribute("aria-valuetext", options.words?.(value) ?? show(value, 4));
    };
    range.addEventListener("input", () => set(s.from(+range.value)));
    number.addEventListener("change", () => {
      const value = Number(number.value);
      const before = structuredClone(this.state);
      if (number.value.trim() !== "" && Number.isFinite(value)) {
        try { set(value); checked(this.lib, this.state); } catch { this.state = before; this.changed(); }
      }
      number.blur();
      update();
    });
    this.updates.push(update);
    const parts = [h("span", { class: "dx-name", title: options.title }, label), range, number];
    if (options.limit) {
      const mark = h("span", { class: "dx-limit", "aria-hidden": "true", hidden: true });
      this.updates.push(() => {
        const limit = this.limit();
        mark.hidden = !(limit > 0);
        if (limit > 0) mark.style.left = `${Math.min(Math.max((s.to(limit) - s.min) / (s.max - s.min), 0), 1) * 100}%`;
      });
      parts[1] = h("span", { class: "dx-range" }, range, mark);
    }
    return h("div", { class: "dx-slider" }, ...parts);
  }

  /** 2/L from the curvature where the surface is lowest, for scenes that ask for it. */
  limit() {
    const { state } = this, surface = this.lib.surfaces[state.surface];
    if (!state.limit || !surface || surface.dim !== 2) return NaN;
    const c = constantsOf(this.lib, state), at = surface.minima[0] ?? state.start, e = 1e-5;
    const col = [0, 1].map((k) => {
      const up = surface.gradient(at[0] + e * (k === 0), at[1] + e * (k === 1), c), down = surface.gradient(at[0] - e * (k === 0), at[1] - e * (k === 1), c);
      return [(up[0] - down[0]) / (2 * e), (up[1] - down[1]) / (2 * e)];
    });
    const [a, b, d] = [col[0][0], (col[0][1] + col[1][0]) / 2, col[1][1]];
    return 2 / ((a + d) / 2 + Math.hypot((a - d) / 2, b));
  }

  hyperSlider(i, name, withTitle = false) {
    const run = this.state.runs[i], rule = this.lib.rules[run.rule], usual = this.initial.runs[i]?.rule === run.rule ? this.initial.runs[i].hyper[name] : null;
    const kin = this.initial.runs.filter((r) => r.rule === run.rule && finite(r.hyper[name]) && r.hyper[name] > 0).map((r) => r.hyper[name]);
    // Sliders of one algorithm share a scale, so that their places can be compared.
    const base = kin.length > 1 && finite(usual) ? +Math.exp(kin.reduce((sum, v) => sum + Math.log(v), 0) / kin.length).toPrecision(2) : finite(usual) ? usual : name === "lr" ? DATA.rates[run.rule] ?? rule.defaults.lr : rule.defaults[name];
    return this.slider(`runs.${i}.hyper.${name}`, symbol(name), name, () => this.state.runs[i].hyper[name], (v) => this.set(`runs.${i}.hyper.${name}`, v),
      { usual: base, range: rule.ranges[name], title: `${this.nameOf(i)}: ${symbol(name)}`, limit: name === "lr" && run.rule === "sgd" });
  }

  scheduleParts(i) {
    const run = this.state.runs[i], rule = this.lib.rules[run.rule], lr = run.hyper.lr;
    if (lr === undefined || Object.values(rule.start).includes("lr")) return [];
    const now = isSchedule(lr) ? lr.schedule : "none";
    const choose = this.select(`runs.${i}.schedule`, this.say("schedule"), ["none", ...Object.keys(this.lib.schedules)].map((n) => [n, this.say(`schedule.${n}`)]), now, (name) => {
      const rate = isSchedule(lr) ? lr.high ?? lr.start : lr;
      this.state.runs[i].hyper.lr = name === "none" ? rate : this.scheduleFor(name, rate);
      this.state.series = name === "none" ? this.state.series : "lr";
      this.changed(true);
    });
    if (!isSchedule(lr)) return [choose];
    const sliders = this.lib.schedules[lr.schedule].arguments.map((part) => this.slider(`runs.${i}.hyper.lr.${part}`, part === "start" ? this.say("schedule.start") : DATA.labels[part] ? this.say(part) : symbol(part), part,
      () => this.state.runs[i].hyper.lr[part], (v) => this.set(`runs.${i}.hyper.lr.${part}`, v), { title: `${this.nameOf(i)}: ${part}` }));
    return [choose, ...sliders];
  }

  scheduleFor(name, rate) {
    const T = this.state.steps, usual = { start: rate, high: rate, low: rate / 10, gamma: name === "step" ? 0.5 : 1 - 3 / T, k: 4 / T, steps: T, every: Math.max(1, Math.round(T / 5)),
      end: 0, power: 1, first: Math.max(1, Math.round(T / 7)), factor: 2, half: Math.max(1, Math.round(T / 8)), rise: 0.3, start_ratio: 25, end_ratio: 1e4, warm: Math.max(1, Math.round(T / 10)), c: rate, a: 1, tau: T / 4 };
    return { schedule: name, ...Object.fromEntries(this.lib.schedules[name].arguments.map((part) => [part, usual[part]])) };
  }

  runRow(i) {
    const { state } = this, run = state.runs[i], rule = this.lib.rules[run.rule], name = this.nameOf(i);
    const swatch = h("span", { class: "dx-swatch", "aria-hidden": "true" });
    const title = h("span", { class: "dx-run-name" }, name);
    this.updates.push(() => { title.textContent = this.nameOf(i); swatch.style.background = this.styles[i].colour; });
    const kin = DATA.conventions.find((group) => group.includes(run.rule));
    const note = h("p", { class: "dx-convention", role: "status" });
    this.updates.push(() => { note.textContent = this.compare?.i === i ? this.compared() : ""; });
    const main = finite(run.hyper.lr) ? ["lr"] : [];
    const visible = this.state.sliders.filter((key) => key.startsWith(`runs.${i}.hyper.`)).map((key) => key.split(".")[3]);
    if (this.state.scene === "map") main.splice(0, 1, ...this.state.axes.map(([axis]) => axis));
    if (this.state.surface === "stream" && run.rule === "momentum_ema") main.splice(0, 1, "beta");
    const first = [...new Set([...main, ...visible])];
    const others = Object.keys(rule.defaults).filter((n) => !first.includes(n) && !isSchedule(run.hyper[n]));
    return h("li", { class: "dx-run" },
      h("div", { class: "dx-run-head" }, swatch, title,
        h("button", { type: "button", class: "dx-remove", "data-key": `remove.${i}`, "aria-label": fill(this.say("remove"), { name }), onclick: () => { state.runs.splice(i, 1); this.compare = null; this.changed(true); } }, "×")),
      ...first.map((n) => this.hyperSlider(i, n)),
      h("details", { "data-key": `run.${i}` }, h("summary", { "aria-label": fill(this.say("more"), { name }) }, this.say("settings")),
        this.select(`runs.${i}.rule`, this.say("algorithm"), this.ruleOptions(), run.rule, (r) => { this.compare = null; this.swap(i, r); }),
        kin ? this.select(`runs.${i}.convention`, this.say("convention"), kin.filter((k) => this.lib.rules[k]).map((k) => [k, DATA.algorithms[k]]), run.rule, (r) => {
          this.compare = { i, run: structuredClone(state.runs[i]) };
          this.swap(i, r);
        }) : null,
        note,
        ...others.map((n) => this.hyperSlider(i, n)),
        ...this.scheduleParts(i),
        state.sliders.includes(`runs.${i}.delay`) ? null : this.slider(`runs.${i}.delay`, this.say("delay"), "delay", () => this.state.runs[i].delay, (v) => this.set(`runs.${i}.delay`, Math.round(v)), { title: `${name}: ${this.say("delay")}` })));
  }

  ruleOptions() {
    return Object.keys(this.lib.rules).filter((r) => this.state.surface !== "stream" || !this.lib.rules[r].given.includes("loss")).map((r) => [r, DATA.algorithms[r] ?? r]);
  }

  /** Another rule in a run's place; hyper-parameters of the same name, or the same share, are kept. */
  swap(i, name) {
    const rule = this.lib.rules[name], old = this.state.runs[i].hyper, hyper = {};
    const alias = { gamma: "beta", beta: "gamma" };
    for (const [key, usual] of Object.entries(rule.defaults)) {
      const value = old[key] ?? old[alias[key]];
      hyper[key] = value === undefined || (isSchedule(value) && Object.values(rule.start).includes(key)) ? (key === "lr" ? DATA.rates[name] ?? usual : usual) : value;
    }
    this.state.runs[i] = { ...this.state.runs[i], rule: name, hyper };
    this.changed(true);
  }

  compared() {
    const { i, run } = this.compare;
    if (!this.state.runs[i] || run.rule === this.state.runs[i].rule) return "";
    const a = walk(this.lib, this.state, run), b = this.walks[i], m = Math.min(a.path.length, b.path.length);
    let by = 0;
    for (let k = 0; k < m; k++) by = Math.max(by, Math.abs(a.path[k] - b.path[k]));
    const name = DATA.algorithms[run.rule];
    return by < 1e-9 ? this.say("same", { name }) : this.say("differs", { name, by: show(by) });
  }

  // -- the page's elements

  build() {
    const { state, lib } = this, say = (k, v) => this.say(k, v);
    this.updates = [];
    this.styles = looks(state);
    // A page may hold several: who jumps from region to region hears which figure this is.
    const figure = this.el.closest("figure")?.querySelector(".caption-number")?.textContent.trim();
    const root = h("section", { class: "dx", lang: this.lang === "zh" ? "zh-CN" : "en", "aria-label": figure ? `${say("explorer")}, ${figure}` : say("explorer") });
    const button = (key, words, action, more = {}) => h("button", { type: "button", "data-key": key, onclick: action, ...more }, words);
    const surfaces = [...Object.keys(lib.surfaces).map((n) => [n, DATA.labels[n] ? say(n) : n]), ...(state.surface === "stream" ? [["stream", say("stream")]] : [])];
    const two = state.start.length === 2 && state.scene === "plane";
    this.top = h("div", { class: "dx-top" },
      this.select("surface", say("surface"), surfaces, state.surface, (v) => this.otherSurface(v)),
      two ? this.select("view", say("view"), ["plane", "relief"].map((v) => [v, say(`view.${v}`)]), state.view, (v) => { state.view = v; this.changed(true); }) : null,
      two && state.view === "plane" ? this.select("map", say("map"), ["off", "where", "fast"].map((v) => [v, say(`map.${v}`)]), state.map, (v) => { state.map = v; this.changed(true); }) : null,
      h("span", { class: "dx-space" }),
      button("language", say("language"), () => { this.lang = this.lang === "en" ? "zh" : "en"; this.changed(true); }, { "aria-label": say("language.name"), lang: this.lang === "en" ? "zh-CN" : "en", class: "dx-quiet" }));
    this.notes = h("div", { class: "dx-notes", role: "status" });
    // What a drawing shows is said when it is drawn: until then a canvas has no role, since it would have no name.
    this.canvas = h("canvas", { class: "dx-canvas" });
    this.handle = h("button", { type: "button", class: "dx-handle", "data-key": "handle", "aria-label": this.handleSays() });
    this.tip = h("div", { class: "dx-tip", hidden: true, "aria-hidden": "true" });
    this.plot = h("div", { class: "dx-plot" }, this.canvas, this.handle, this.tip);
    this.plot.classList.toggle("dx-turns", state.view === "relief");
    this.scrub = h("input", { type: "range", min: 0, max: state.steps, step: 1, "aria-label": say("time"), "data-key": "scrub", oninput: () => { this.pause(); this.set("at", +this.scrub.value); } });
    this.clock = h("output", { class: "dx-clock" });
    this.playButton = button("play", "▶", () => (this.playing ? this.pause() : this.play()), { class: "dx-play", "aria-label": say("play") });
    this.time = h("div", { class: "dx-time" }, this.playButton,
      button("back", "‹", () => this.jump(-1), { "aria-label": say("back") }), this.scrub, button("forward", "›", () => this.jump(1), { "aria-label": say("forward") }), this.clock);
    const wide = state.scene === "time";
    this.side = h("canvas", { class: "dx-series" });
    const series = SERIES.filter((s) => this.offers(s));
    this.seriesSelect = this.select("series", say("series"), series.map((s) => [s, say(`series.${s}`)]), state.series, (v) => this.set("series", v));
    const runs = h("ul", { class: "dx-runs", "aria-label": say("algorithms") }, ...state.runs.map((_, i) => this.runRow(i)));
    const add = this.select("add", say("add"), [["", `+ ${say("add")}`], ...this.ruleOptions()], "", (rule) => {
      if (!rule) return;
      state.runs.push({ rule, hyper: { ...lib.rules[rule].defaults, ...(DATA.rates[rule] ? { lr: DATA.rates[rule] } : {}) }, delay: 0 });
      this.changed(true);
    }, false);
    add.classList.add("dx-add");
    const prominent = state.sliders.filter((key) => !key.includes(".hyper.")).map((key) => this.byKey(key)).filter(Boolean);
    this.mapNote = h("p", { class: "dx-map-note" });
    this.limitNote = h("p", { class: "dx-map-note" });
    const main = h("div", { class: "dx-main" }, this.plot, this.time, this.mapNote, this.limitNote, prominent.length ? h("div", { class: "dx-prominent" }, ...prominent) : null);
    const many = state.runs.length > 3; // then they stand below, side by side
    const aside = h("div", { class: "dx-side" }, this.seriesSelect, wide ? null : this.side, many ? null : runs, many ? null : add);
    const below = many ? h("div", { class: "dx-below" }, runs, add) : null;
    this.closeUp();
    this.numbers = h("div", { class: "dx-scroll", tabindex: 0, role: "group", "aria-label": say("numbers") });
    this.summary = h("p", { class: "dx-hidden", "aria-live": "polite" });
    this.shareOut = h("p", { class: "dx-share-out", role: "status" });
    const foot = h("div", { class: "dx-foot" },
      this.options.address ? button("link", say("link"), () => this.copy(this.address())) : null,
      button("python", say("python"), () => this.copy(python(this.lib, state))),
      button("svg", say("svg"), () => this.download()),
      button("reset", say("reset"), () => { this.state = structuredClone(this.initial); this.messages = []; this.compare = null; this.changed(true); }));
    root.append(this.top, this.notes, h("div", { class: "dx-body" }, main, aside), ...(below ? [below] : []), this.lens,
      h("details", { "data-key": "numbers" }, h("summary", {}, say("numbers")), this.numbers),
      h("details", { "data-key": "settings" }, h("summary", {}, say("settings.picture")), h("div", { class: "dx-columns" }, ...this.settings(prominent.length ? state.sliders : []))),
      foot, this.shareOut, this.summary);
    for (const d of root.querySelectorAll("details")) d.addEventListener("toggle", () => { if (d.open) this.refresh(); });
    if (this.root) this.root.replaceWith(root); else this.el.append(root);
    this.root = root;
    this.pointers();
  }

  offers(series) {
    const { state } = this, stream = state.surface === "stream";
    if (series === "loss") return !stream;
    if (series === "y") return state.start.length > 1;
    if (series === "memory") return state.runs.some((r) => this.lib.rules[r.rule].memory.length);
    return true;
  }

  byKey(key) {
    const { state } = this, parts = key.split(".");
    const get = () => parts.reduce((at, k) => at?.[k], this.state), usual = parts.reduce((at, k) => at?.[k], this.initial);
    if (get() === undefined) return null;
    const whole = ["steps", "seed", "batch", "delay"].includes(parts.at(-1)), put = (v) => this.set(key, whole ? Math.round(v) : v);
    const options = { usual, words: key === "batch" ? (v) => (v === 0 ? this.say("batch.all") : String(v)) : undefined };
    if (key === "start.1" && state.surface === "saddle") return this.slider(key, "δ", "delta0", get, put, { ...options, usual: usual || 1e-4, title: this.say("start.1") });
    if (parts[0] === "start") return this.slider(key, this.say(key), "plain", get, put, options);
    if (parts[0] === "constants") return this.slider(key, parts[1], parts[1], get, put, options);
    const label = this.say(parts.at(-1));
    return this.slider(key, label, parts.at(-1), get, put, options);
  }

  settings(taken) {
    const { state, lib } = this, out = [], say = (k) => this.say(k);
    const surface = lib.surfaces[state.surface];
    if (state.scene === "plane") out.push(this.select("levels", say("levels"), ["auto", "log", "linear"].map((v) => [v, say(`levels.${v}`)]), state.levels, (v) => this.set("levels", v)));
    if (state.map !== "off" && state.map !== "stable" && state.runs.length > 1) {
      out.push(this.select("mapOf", say("map.of"), state.runs.map((_, i) => [String(i), this.nameOf(i)]), String(state.mapOf), (v) => this.set("mapOf", +v)));
    }
    state.start.forEach((_, k) => {
      const input = h("input", { type: "text", inputmode: "decimal", "data-key": `start.${k}`, "aria-label": say(`start.${k}`), size: 8, onchange: () => { const v = Number(input.value); if (Number.isFinite(v)) this.set(`start.${k}`, v); } });
      this.updates.push(() => { if (document.activeElement !== input) input.value = String(+this.state.start[k].toPrecision(5)); });
      out.push(h("label", { class: "dx-field" }, h("span", {}, say(`start.${k}`)), input));
    });
    const constants = Object.keys(surface?.constants ?? {}).map((n) => `constants.${n}`);
    const keys = ["steps", ...constants, ...(state.stream ? [] : ["noise", "seed"]), ...(lib.examples[state.surface] ? ["batch"] : []), ...(state.view === "relief" ? ["turn", "tilt"] : [])];
    for (const key of keys) if (!taken.includes(key)) out.push(this.byKey(key));
    return out.filter(Boolean);
  }

  otherSurface(name) {
    const surface = this.lib.surfaces[name];
    if (!surface) return;
    const changed = { surface: name, constants: {}, start: surface.start.slice(), domain: null, stream: null, project: false, batch: 0, limit: false, axes: null, map: "off", scene: surface.dim === 2 ? "plane" : "line", at: null,
      series: this.state.surface === "stream" ? "loss" : this.state.series };
    this.state = checked(this.lib, { ...this.state, ...changed });
    this.changed(true);
  }

  closeUp() {
    const { state } = this, say = (k) => this.say(k);
    this.lensCanvas = h("canvas", { class: "dx-lens", role: "img" });
    this.lensText = h("div", { class: "dx-scroll dx-formulas", tabindex: 0, role: "group", "aria-label": say("cartoon") });
    const follow = this.select("follow", say("algorithm"), state.runs.map((_, i) => [String(i), this.nameOf(i)]), String(state.follow), (v) => this.set("follow", +v));
    this.lens = h("details", { "data-key": "cartoon", open: state.cartoon || null }, h("summary", {}, say("cartoon")),
      h("div", { class: "dx-closeup" }, h("div", {}, this.lensCanvas, this.legend()), h("div", { class: "dx-closeup-text" }, follow, this.lensText)));
    this.lens.addEventListener("toggle", () => { this.state.cartoon = this.lens.open; });
    this.lens.hidden = state.start.length > 2 || !state.runs.length;
  }

  legend() {
    const item = (kind, key) => h("li", {}, h("span", { class: `dx-key dx-key-${kind}`, "aria-hidden": "true" }), this.say(key));
    return h("ul", { class: "dx-legend" }, item("gradient", "cartoon.gradient"), item("inertia", "cartoon.inertia"), item("correction", "cartoon.correction"), item("step", "cartoon.step"), item("squares", "cartoon.squares"));
  }

  // -- time

  play() {
    const { state } = this;
    if (state.at === null || state.at >= state.steps) state.at = 0;
    this.playing = true;
    const stills = this.still.matches, begun = performance.now(), from = state.at;
    const tick = (now) => {
      if (!this.playing || !this.alive) return;
      const whole = stills ? 6000 : Math.min(Math.max(state.steps * 40, 2500), 8000);
      let t = from + Math.max((now - begun) / whole, 0) * state.steps; // a frame's time may lie before the click
      if (stills) t = from + Math.floor(Math.max((now - begun) / whole, 0) * 10) * (state.steps / 10);
      state.at = Math.min(Math.floor(t), state.steps);
      this.refresh();
      if (state.at >= state.steps) { this.pause(); return; }
      requestAnimationFrame(tick);
    };
    this.refresh();
    requestAnimationFrame(tick);
  }

  pause() { this.playing = false; this.refresh(); }

  jump(by) {
    this.pause();
    const now = this.state.at ?? this.state.steps;
    this.set("at", Math.min(Math.max(now + by, 0), this.state.steps));
  }

  // -- sharing

  address() { return this.options.address(packed(difference(this.state, this.initial))); }

  pythonText() { return python(this.lib, this.state, this.walks); }

  async copy(text) {
    this.shareOut.replaceChildren();
    try {
      await navigator.clipboard.writeText(text);
      this.shareOut.textContent = this.say("copied");
    } catch {
      const area = h("textarea", { readonly: true, rows: Math.min(text.split("\n").length, 8), "aria-label": this.say("share") });
      area.value = text;
      this.shareOut.append(this.say("copy.failed"), area);
      area.select();
    }
  }

  download() {
    const link = h("a", { href: URL.createObjectURL(new Blob([this.svg()], { type: "image/svg+xml" })), download: `downhill-${this.state.surface}.svg` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  svg() {
    const brush = new Svg(this.width, this.height);
    this.paint(brush, "#5c5c5c");
    return brush.toString();
  }

  // -- drawing

  watch() {
    this.sizes = new ResizeObserver(() => { if (this.measure()) this.refresh(); });
    this.sizes.observe(this.el);
    const repaint = () => this.refresh();
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", repaint);
    this.theme = new MutationObserver(repaint);
    for (const element of [document.documentElement, document.body]) this.theme.observe(element, { attributes: true, attributeFilter: ["data-theme", "class", "data-jp-theme-light", "data-vscode-theme-kind"] });
    this.unwatch = () => { this.dark.removeEventListener("change", repaint); this.theme.disconnect(); this.sizes.disconnect(); };
    this.measure();
  }

  /** Sizes of the canvases; true if they changed. */
  measure() {
    const whole = this.el.clientWidth;
    if (!whole) return false;
    this.root.classList.toggle("dx-narrow", whole < 600);
    const width = Math.max(this.plot.clientWidth, 200), box = this.box();
    const shape = this.state.scene === "plane" && this.state.view === "plane" ? (box[1][1] - box[1][0]) / (box[0][1] - box[0][0]) : 0.62;
    const height = Math.round(width * Math.min(Math.max(shape, 0.74), 0.9)) + 10;
    const changed = width !== this.width || height !== this.height;
    this.width = width;
    this.height = height;
    fit(this.canvas, width, height);
    if (this.side.isConnected) fit(this.side, this.side.parentElement.clientWidth, 158);
    const lens = Math.min(300, whole - 16);
    fit(this.lensCanvas, lens, lens);
    return changed || this.fresh !== this.canvas ? ((this.fresh = this.canvas), true) : false;
  }

  box() {
    const { state, lib } = this;
    if (state.scene === "map") return state.axes.map(([, low, high]) => [low, high]);
    return state.domain ?? lib.surfaces[state.surface]?.domain ?? [[-1, 1]];
  }

  refresh() {
    if (this.waiting || !this.alive) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; if (this.alive) this.draw(); });
  }

  /** Everything that follows from the state. What takes long and does not change is kept. */
  draw() {
    if (!this.canvas.width || !this.width) return; // laid out later: its size then asks for a drawing
    const begun = performance.now(), { state, lib } = this;
    this.styles = looks(state);
    const key = JSON.stringify([state.surface, state.constants, state.start, state.steps, state.runs, state.noise, state.seed, state.batch, state.project]);
    if (key !== this.walked) { this.walks = state.runs.map((run) => walk(lib, state, run)); this.walked = key; this.cache.series = null; }
    this.paint(new Brush(wipe(this.canvas, this.width, this.height)), this.ink());
    if (this.side.isConnected) this.drawSeries();
    this.place();
    for (const update of this.updates) update();
    this.words();
    if (this.lens.open && !this.lens.hidden) this.drawLens();
    if (this.numbers.parentElement.open) this.drawNumbers();
    this.askMap();
    this.timings.push(performance.now() - begun);
    if (this.timings.length > 500) this.timings.shift();
  }

  ink() { return getComputedStyle(this.root).getPropertyValue("--dx-muted").trim() || "#666666"; }

  upTo() { return this.state.at ?? this.state.steps; }

  ground() {
    const { state, lib } = this, key = JSON.stringify([state.surface, state.constants, this.box(), state.levels]);
    if (this.cache.groundKey !== key) {
      const g = grid(lib.surfaces[state.surface], constantsOf(lib, state), this.box(), state.levels);
      this.cache = { ...this.cache, groundKey: key, ground: g, tint: tinted(g), lines: contours(g), still: null };
    }
    return this.cache;
  }

  /** The whole main picture, on a canvas or into a file. */
  paint(brush, ink) {
    const { state } = this, [w, hh] = [this.width, this.height], small = w < 420;
    const f = (this.frame = frame(small ? 34 : 42, 16, w - (small ? 42 : 54), hh - 48, this.box().length > 1 ? this.box() : [this.box()[0], [0, 1]]));
    if (state.scene === "time") return this.paintTime(brush, ink);
    if (state.scene === "line") return this.paintLine(brush, f, ink);
    if (state.scene === "map") return this.paintMap(brush, f, ink);
    if (state.view === "relief") {
      const surface = this.lib.surfaces[state.surface], constants = constantsOf(this.lib, state);
      return relief(brush, this.ground().ground, { value: (x, y) => surface.value(x, y, constants) }, w, hh, state, this.walks, this.styles, ink, state.at);
    }
    this.paintGround(brush, f, ink);
    brush.clip(f.x, f.y, f.w, f.h);
    this.walks.forEach((walked, i) => this.paintWalk(brush, f, walked, this.styles[i]));
    brush.open();
    this.walks.forEach((walked, i) => this.paintExit(brush, f, walked, this.styles[i]));
  }

  /** Tint, map, contour lines, minima and axes; on the canvas they are drawn once and copied. */
  paintGround(brush, f, ink) {
    const cache = this.ground(), direct = (b) => {
      if (this.mapCanvas && this.state.map !== "off") b.image(this.mapCanvas, f.x, f.y, f.w, f.h, false);
      else b.image(cache.tint, f.x, f.y, f.w, f.h);
      const lines = new Float64Array(cache.lines.length);
      for (let i = 0; i < lines.length; i += 2) { lines[i] = f.X(cache.lines[i]); lines[i + 1] = f.Y(cache.lines[i + 1]); }
      b.line(lines, { stroke: DATA.ground, width: 0.8, alpha: 0.55 });
      const surface = this.lib.surfaces[this.state.surface], constants = constantsOf(this.lib, this.state);
      for (const [x, y] of surface.minima) {
        if (Math.hypot(...surface.gradient(x, y, constants)) > 1e-4) continue;
        const [p, q] = [f.X(x), f.Y(y)];
        if (p < f.x || p > f.x + f.w || q < f.y || q > f.y + f.h) continue;
        b.line([p - 5, q, p + 5, q, NaN, NaN, p, q - 5, p, q + 5], { stroke: ink, width: 1.6 });
      }
      axes(b, f, ink, ["x", "y"]);
    };
    if (!(brush instanceof Brush)) return direct(brush);
    const key = [cache.groundKey, f.w, f.h, ink, this.mapVersion, this.state.map].join("|");
    if (cache.stillKey !== key || !cache.still) {
      const canvas = document.createElement("canvas");
      fit(canvas, this.width, this.height);
      direct(new Brush(wipe(canvas, this.width, this.height)));
      cache.still = canvas;
      cache.stillKey = key;
      this.cache = cache;
    }
    brush.image(cache.still, 0, 0, this.width, this.height);
  }

  paintWalk(brush, f, { path, n }, look) {
    const end = Math.min(this.upTo(), n), xy = new Float64Array(2 * (n + 1));
    const far = 1e5; // canvases lose what lies much farther
    for (let t = 0; t <= n; t++) {
      xy[2 * t] = Math.min(Math.max(f.X(path[2 * t]), -far), far);
      xy[2 * t + 1] = Math.min(Math.max(f.Y(path[2 * t + 1]), -far), far);
    }
    if (end < n) brush.line(xy, { stroke: look.colour, width: 1.2, alpha: 0.25 });
    const walked = xy.subarray(0, 2 * (end + 1));
    brush.line(walked, { stroke: look.colour, width: 2, dash: look.dash });
    if (n <= 60) brush.dots(walked, 2.1, { fill: look.colour });
    brush.dots(xy.subarray(2 * end, 2 * end + 2), 4, { fill: look.colour });
  }

  /** Where a walk leaves the frame for good, an arrow. */
  paintExit(brush, f, { path, n }, look) {
    const inside = (t) => path[2 * t] >= f.box[0][0] && path[2 * t] <= f.box[0][1] && path[2 * t + 1] >= f.box[1][0] && path[2 * t + 1] <= f.box[1][1];
    const end = Math.min(this.upTo(), n);
    if (inside(end)) return;
    let t = end;
    while (t >= 0 && !inside(t)) t--;
    if (t < 0) return;
    const a = [f.X(path[2 * t]), f.Y(path[2 * t + 1])], b = edge(f, ...a, f.X(path[2 * t + 2]), f.Y(path[2 * t + 3]));
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1, k = Math.min(14, length) / length;
    arrow(brush, b[0] - k * (b[0] - a[0]), b[1] - k * (b[1] - a[1]), ...b, { stroke: look.colour, width: 2 }, 10);
  }

  paintLine(brush, f, ink) {
    const { state, lib } = this, surface = lib.surfaces[state.surface], constants = constantsOf(lib, state), [low, high] = f.box[0], m = 401;
    const xs = Array.from({ length: m }, (_, i) => low + (i / (m - 1)) * (high - low)), zs = xs.map((x) => surface.value(x, constants)).map((z) => (Number.isFinite(z) ? z : NaN));
    const good = zs.filter(Number.isFinite), top = Math.max(...good), bottom = Math.min(...good), pad = (top - bottom) * 0.08;
    const g = (this.frame = frame(f.x, f.y, f.w, f.h, [f.box[0], [bottom - pad, top + pad]])), curve = [];
    xs.forEach((x, i) => curve.push(g.X(x), g.Y(zs[i])));
    brush.line([g.x, g.y + g.h, ...curve.map((v) => (Number.isFinite(v) ? v : g.y + g.h)), g.x + g.w, g.y + g.h], { fill: DATA.ground, alpha: 0.12 });
    brush.line(curve, { stroke: DATA.ground, width: 1.6 });
    for (const [x] of surface.minima) brush.line([g.X(x) - 5, g.Y(surface.value(x, constants)), g.X(x) + 5, g.Y(surface.value(x, constants)), NaN, NaN, g.X(x), g.Y(surface.value(x, constants)) - 5, g.X(x), g.Y(surface.value(x, constants)) + 5], { stroke: ink, width: 1.6 });
    axes(brush, g, ink, ["x", "f"]);
    brush.clip(g.x, 0, g.w, g.y + g.h);
    this.walks.forEach(({ path, n }, i) => {
      const end = Math.min(this.upTo(), n), lift = 5 * (i + 1), xy = new Float64Array(2 * (end + 1));
      for (let t = 0; t <= end; t++) { xy[2 * t] = g.X(path[t]); xy[2 * t + 1] = g.Y(surface.value(path[t], constants)) - lift; }
      brush.line(xy, { stroke: this.styles[i].colour, width: 1.4, alpha: 0.6 });
      brush.dots(xy, 2.3, { fill: this.styles[i].colour });
      brush.dots(xy.subarray(2 * end), 5, { fill: this.styles[i].colour });
    });
    brush.open();
  }

  paintMap(brush, f, ink) {
    const { state } = this;
    if (this.mapCanvas) brush.image(this.mapCanvas, f.x, f.y, f.w, f.h, true);
    axes(brush, f, ink, state.axes.map(([name]) => symbol(name)));
    const { hyper } = state.runs[0], [x, y] = state.axes.map(([name]) => hyper[name]);
    brush.dots([f.X(x), f.Y(y)], 5, { fill: this.styles[0].colour });
  }

  paintTime(brush, ink) {
    const { state } = this, [w, hh] = [this.width, this.height], g = this.chartFrame(w, hh - 4, true);
    axes(brush, g, ink, ["t", this.say(`series.${state.series}`)]);
    brush.clip(g.x, g.y, g.w, g.h);
    if (state.stream && state.series === "memory") {
      const dots = new Float64Array(2 * state.steps);
      for (let t = 0; t < state.steps; t++) { dots[2 * t] = g.X(t + 1); dots[2 * t + 1] = g.Y(state.stream[t % state.stream.length][0]); }
      brush.dots(dots, 1.8, { fill: ink, alpha: 0.45 });
    }
    this.paintCurves(brush, g, 2);
    brush.open();
    this.frame = g;
  }

  chartFrame(w, hh, big = false) {
    const { state, lib } = this, what = state.series;
    if (!this.cache.series || this.cache.series.what !== what) {
      const found = seriesOf(lib, state, this.walks, what), extra = what === "memory" && state.stream ? [[Float64Array.from(state.stream, (g) => g[0])]] : [];
      this.cache.series = { what, ...found, ...span([...found.curves, ...extra], what) };
    }
    const { log, range } = this.cache.series;
    return frame(44, 18, w - 54, hh - (big ? 46 : 50), [[0, state.steps], range], log);
  }

  paintCurves(brush, g, width) {
    const { curves } = this.cache.series, at = this.upTo();
    curves.forEach((set, i) => set.forEach((values, k) => {
      const xy = new Float64Array(2 * values.length);
      for (let t = 0; t < values.length; t++) { const v = values[t]; xy[2 * t] = g.X(t); xy[2 * t + 1] = g.logY ? (v > 0 ? Math.min(g.Y(v), 1e5) : NaN) : Math.min(Math.max(g.Y(v), -1e5), 1e5); }
      if (this.state.at !== null) brush.line(xy, { stroke: this.styles[i].colour, width: 1, alpha: 0.25 });
      brush.line(xy.subarray(0, 2 * (at + 1)), { stroke: this.styles[i].colour, width, dash: k ? [1.2, 1.6] : this.styles[i].dash });
    }));
    if (this.state.at !== null) brush.line([g.X(at), g.y, g.X(at), g.y + g.h], { stroke: this.ink(), width: 1, alpha: 0.6 });
  }

  drawSeries() {
    const [w, hh] = [this.side.clientWidth || 240, 158], g = (this.sideFrame = this.chartFrame(w, hh)), brush = new Brush(wipe(this.side, w, hh));
    const { series } = this.state, name = this.say(`series.${series}`) + (series === "loss" && this.cache.series.floor ? " − min" : "") + (series === "rate" && this.state.start.length > 1 ? "  x —  y ···" : "");
    axes(brush, g, this.ink(), ["t", name]);
    brush.clip(g.x, g.y - 1, g.w, g.h + 2);
    this.paintCurves(brush, g, 1.6);
    brush.open();
    const ends = this.cache.series.curves.map((set, i) => `${this.nameOf(i)} ${show(set[0]?.at(-1) ?? NaN)}`);
    this.side.setAttribute("role", "img");
    this.side.setAttribute("aria-label", `${this.say("panel", { what: name })}: ${ends.join("; ")}`);
  }

  handleSays() {
    const { state } = this;
    if (state.scene !== "map") return this.say("handle", { at: point(state.start) });
    const [x, y] = state.axes.map(([n]) => n);
    return this.say("handle.map", { x: symbol(x), y: symbol(y), at: point([x, y].map((n) => state.runs[0].hyper[n])) });
  }

  /** The handle lies over the start, or over the hyper-parameters' point. */
  place() {
    const { state, frame: f } = this, hidden = state.view === "relief" || (state.scene === "time" && state.series !== "x");
    this.handle.hidden = hidden;
    if (hidden || !f) return;
    const spot = this.spot();
    const x = Math.min(Math.max(spot[0], f.x), f.x + f.w), y = Math.min(Math.max(spot[1], f.y), f.y + f.h);
    this.handle.style.transform = `translate(${x}px, ${y}px)`;
    const words = this.handleSays();
    if (this.handle.getAttribute("aria-label") !== words) this.handle.setAttribute("aria-label", words);
  }

  spot() {
    const { state, frame: f, lib } = this;
    if (state.scene === "map") return [f.X(state.runs[0].hyper[state.axes[0][0]]), f.Y(state.runs[0].hyper[state.axes[1][0]])];
    if (state.scene === "time") return [f.X(0), f.Y(state.start[0])];
    if (state.scene === "line") return [f.X(state.start[0]), f.Y(lib.surfaces[state.surface].value(state.start[0], constantsOf(lib, state)))];
    return [f.X(state.start[0]), f.Y(state.start[1])];
  }

  /** Moves the start to a place in the frame, in the frame's units. */
  moveTo(x, y) {
    const { state, frame: f } = this, clamp = (v, [a, b]) => Math.min(Math.max(v, a), b), neat = (v, [a, b]) => +v.toFixed(Math.max(0, 4 - Math.floor(Math.log10(b - a))));
    if (state.scene === "map") {
      [x, y].forEach((v, k) => { const [name, ...ends] = state.axes[k]; state.runs[0].hyper[name] = neat(clamp(v, ends), ends); });
      const [low, high, closed] = this.lib.rules[state.runs[0].rule].ranges[state.axes[1][0]] ?? [];
      if (high && !closed) state.runs[0].hyper[state.axes[1][0]] = Math.min(state.runs[0].hyper[state.axes[1][0]], high - 1e-4, Math.max(low, 1));
    } else if (state.scene === "time") state.start[0] = neat(clamp(y, this.box()[0]), this.box()[0]);
    else if (state.scene === "line") state.start[0] = neat(clamp(x, f.box[0]), f.box[0]);
    else state.start = [neat(clamp(x, f.box[0]), f.box[0]), neat(clamp(y, f.box[1]), f.box[1])];
    this.changed();
  }

  pointers() {
    const local = (event) => { const r = this.canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
    const follow = (event) => { const [x, y] = local(event); this.moveTo(this.frame.unX(x), this.frame.unY(y)); };
    let dragging = false, turning = null;
    const begin = (event) => { dragging = true; this.pause(); this.handle.setPointerCapture?.(event.pointerId); follow(event); event.preventDefault(); };
    this.handle.addEventListener("pointerdown", (event) => { if (event.button === 0) { begin(event); this.handle.focus({ preventScroll: true }); } });
    this.handle.addEventListener("pointermove", (event) => { if (dragging) follow(event); });
    for (const kind of ["pointerup", "pointercancel"]) this.handle.addEventListener(kind, () => { dragging = false; });
    this.canvas.addEventListener("pointerdown", (event) => {
      if (this.state.view === "relief") { turning = [event.clientX, event.clientY, this.state.turn, this.state.tilt]; this.canvas.setPointerCapture(event.pointerId); return; }
      if (event.pointerType === "mouse" && event.button === 0 && !this.handle.hidden) begin(event);
    });
    this.canvas.addEventListener("click", (event) => { if (event.pointerType === "touch" && !this.handle.hidden) follow(event); });
    this.canvas.addEventListener("pointermove", (event) => {
      if (turning) {
        const [x, y, turn, tilt] = turning;
        this.state.turn = ((((turn + (event.clientX - x) * 0.5 + 180) % 360) + 360) % 360) - 180;
        this.state.tilt = Math.min(Math.max(tilt + (event.clientY - y) * 0.4, 10), 90);
        this.changed();
      } else this.hover(...local(event));
    });
    for (const kind of ["pointerup", "pointercancel"]) this.canvas.addEventListener(kind, () => { turning = null; });
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.handle.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!move) return;
      event.preventDefault();
      const { state, frame: f } = this, k = (event.shiftKey ? 10 : 1) / 100;
      const now = state.scene === "map" ? state.axes.map(([n]) => state.runs[0].hyper[n]) : state.scene === "plane" ? state.start : state.scene === "time" ? [0, state.start[0]] : [state.start[0], 0];
      this.moveTo(now[0] + move[0] * k * (f.box[0][1] - f.box[0][0]), now[1] + move[1] * k * (f.box[1][1] - f.box[1][0]));
    });
    const seek = (event) => {
      const r = this.side.getBoundingClientRect(), t = Math.round(this.sideFrame.unX(event.clientX - r.left));
      this.set("at", Math.min(Math.max(t, 0), this.state.steps));
    };
    this.side.addEventListener("pointerdown", (event) => { this.pause(); this.side.setPointerCapture(event.pointerId); seek(event); });
    this.side.addEventListener("pointermove", (event) => { if (event.buttons) seek(event); });
  }

  /** What is known of the point of a walk under the pointer. */
  hover(x, y) {
    const { state, frame: f } = this;
    if (!["plane", "line"].includes(state.scene) || !this.walks) return;
    let best = null, least = 18 ** 2;
    this.walks.forEach(({ path, n, d }, i) => {
      for (let t = 0; t <= Math.min(n, this.upTo()); t++) {
        const px = f.X(path[t * d]), py = d === 2 ? f.Y(path[2 * t + 1]) : f.Y(this.lossAt(i, t)), gap = (px - x) ** 2 + (py - y) ** 2;
        if (gap < least) { least = gap; best = { i, t, px, py }; }
      }
    });
    this.tip.hidden = !best;
    if (!best) return;
    this.tip.replaceChildren(h("strong", {}, this.nameOf(best.i)), ...this.readout(best.i, best.t).map(([name, value]) => h("span", {}, `${name} ${value}`)));
    const right = best.px > this.width / 2;
    this.tip.style.transform = `translate(${best.px}px, ${best.py}px) translate(${right ? "calc(-100% - 12px)" : "12px"}, ${best.py > this.height / 2 ? "-100%" : "0"})`;
  }

  lossAt(i, t) {
    const surface = this.lib.surfaces[this.state.surface], { path, d } = this.walks[i];
    return surface ? surface.value(...path.subarray(t * d, t * d + d), constantsOf(this.lib, this.state)) : NaN;
  }

  readout(i, t) {
    const w = this.walks[i], { d } = w, slice = (a) => a.subarray(t * d, t * d + d);
    const out = [[this.say("time"), String(t)], [this.say("position"), point(slice(w.path))]];
    if (this.lib.surfaces[this.state.surface]) out.push([this.say("loss"), show(this.lossAt(i, t))]);
    if (t < w.n) out.push([this.say("gradient"), point(slice(w.grads))], [this.say("effective"), point(Array.from({ length: d }, (_, k) => rateAt(w, t, k)))]);
    return out;
  }

  drawNumbers() {
    const heads = ["algorithm", "time", "position", "loss", "gradient", "effective"].map((k) => h("th", { scope: "col" }, this.say(k)));
    const rows = this.walks.map((w, i) => {
      const known = Object.fromEntries(this.readout(i, Math.min(this.upTo(), w.n)));
      return h("tr", {}, h("th", { scope: "row" }, this.nameOf(i)), ...["time", "position", "loss", "gradient", "effective"].map((k) => h("td", {}, known[this.say(k)] ?? "–")));
    });
    this.numbers.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)));
  }

  /** What happened to each walk, in words: seen if something went wrong, heard always. */
  words() {
    const { state } = this, trouble = [...this.messages], all = [];
    const box = this.box(), framed = state.scene === "plane" || state.scene === "line";
    this.walks.forEach((w, i) => {
      const name = this.nameOf(i), t = Math.min(this.upTo(), w.n), at = point(w.path.subarray(t * w.d, t * w.d + w.d));
      const loss = this.lossAt(i, t);
      all.push(Number.isNaN(loss) ? this.say("summary.free", { name, at, t }) : this.say("summary.run", { name, at, t, loss: show(loss) }));
      if (w.end === "diverges") trouble.push(this.say("diverges", { name, t: w.n + 1 }));
      else if (w.end === "nan") trouble.push(w.n ? this.say("nan", { name, t: w.n }) : this.say("nan.start", { name }));
      else if (framed) {
        const outside = (s) => { for (let k = 0; k < w.d; k++) { const v = w.path[s * w.d + k]; if (v < box[k][0] || v > box[k][1]) return true; } return false; };
        if (outside(w.n)) {
          let s = w.n;
          while (s > 0 && outside(s - 1)) s--;
          trouble.push(this.say("leaves", { name, t: s }));
        }
      }
    });
    const told = trouble.join("\n");
    if (this.told !== told || !this.notes.isConnected || this.notes.childElementCount !== trouble.length) {
      this.notes.replaceChildren(...trouble.map((words) => h("p", {}, words)));
      this.told = told;
    }
    const name = DATA.labels[state.surface] ? this.say(state.surface) : state.surface;
    const summary = [this.say("summary.surface", { surface: name, steps: state.steps, start: point(state.start) }), ...all, ...trouble].join(" ");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", summary);
    clearTimeout(this.speaking);
    if (!this.playing) this.speaking = setTimeout(() => { if (this.summary.textContent !== summary) this.summary.textContent = summary; }, 700);
    const limit = this.limit();
    this.limitNote.textContent = limit > 0 ? this.say("limit", { value: show(limit, 4) }) : "";
    const mapped_ = state.map !== "off" && state.runs.length;
    this.mapNote.textContent = !mapped_ ? "" : this.mapProblem ? this.say("map.failed", { why: this.mapProblem })
      : this.mapBusy ? `${this.say("drawing")} …` : this.say(`map.note.${state.map}`, { name: this.nameOf(state.scene === "map" ? 0 : state.mapOf), steps: state.steps });
    this.scrub.max = state.steps;
    this.scrub.value = this.upTo();
    this.scrub.setAttribute("aria-valuetext", `${this.say("time")} ${this.upTo()}`);
    this.clock.textContent = `t = ${this.upTo()}`;
    const label = this.say(this.playing ? "pause" : "play");
    if (this.playButton.getAttribute("aria-label") !== label) { this.playButton.setAttribute("aria-label", label); this.playButton.textContent = this.playing ? "❚❚" : "▶"; }
  }

  // -- one step, close up

  /** Everything about one step of the followed run: points, and the lines of its rule with their numbers. */
  oneStep() {
    const { state, lib } = this, i = state.follow, w = this.walks[i];
    if (!w || !w.n) return null;
    const run = state.runs[i], rule = lib.rules[run.rule], { d } = w, t = Math.min(state.at ?? 0, w.n - 1);
    const cut = (a, s = t) => Array.from(a.subarray(s * d, s * d + d));
    const { hyper, moving } = settle(lib, rule, run.hyper);
    for (const [name, schedule] of moving) hyper[name] = schedule(t);
    const from = cut(w.path), to = cut(w.path, t + 1), g = cut(w.grads), at = cut(w.asks), memory = w.kept.map((k) => cut(k)), after = w.kept.map((k) => cut(k, t + 1));
    const loss = rule.given.includes("loss") ? this.lossAt(i, t) : NaN;
    const drift = Float64Array.from(from), held = memory.map((m) => Float64Array.from(m));
    rule.advance(drift, new Float64Array(d), held, t + 1, new Float64Array(d).fill(loss), hyper); // what memory alone would do
    const lines = from.map((_, k) => {
      const given = rule.given.map((name) => ({ t: t + 1, loss })[name]);
      const values = rule.trace(from[k], g[k], ...memory.map((m) => m[k]), ...given, hyper);
      const known = { theta: from[k], g: g[k], t: t + 1, loss, ...hyper, ...Object.fromEntries(rule.memory.map((name, j) => [name, memory[j][k]])) };
      return rule.lines.map(([name, text], j) => {
        const line = { name, text, numbers: formula(text, (word) => known[word]), value: values[j] };
        known[name] = values[j];
        return line;
      });
    });
    return { i, t, d, rule, from, to, g, at, memory, after, drift: Array.from(drift), lines, hyper };
  }

  drawLens() {
    const step = this.oneStep(), size = this.lensCanvas.clientWidth || 280, brush = new Brush(wipe(this.lensCanvas, size, size)), ink = this.ink();
    if (!step) { this.lensText.replaceChildren(h("p", {}, this.say("cartoon.end", { name: this.nameOf(this.state.follow), t: 0 }))); return; }
    const two = (p) => [p[0], step.d > 1 ? p[1] : 0];
    const [from, to, at, drift, g] = [step.from, step.to, step.at, step.drift, step.g].map(two);
    const squares = step.rule.memory.map((name, j) => [name, step.after[j]]).filter(([name]) => DATA.squares[name]);
    const room = squares.length ? 54 : 0;
    const pts = [from, to, at, drift], reach = Math.max(...pts.map((p) => Math.abs(p[0] - from[0])), ...pts.map((p) => Math.abs(p[1] - from[1])), 1e-12);
    const mid = [0, 1].map((k) => (Math.max(...pts.map((p) => p[k])) + Math.min(...pts.map((p) => p[k]))) / 2);
    const half = reach * 0.95, box = mid.map((m) => [m - half, m + half]), f = frame(6, 6, size - 12, size - 12 - room, box);
    const surface = this.lib.surfaces[this.state.surface];
    brush.clip(f.x, f.y, f.w, f.h);
    if (surface && step.d === 2 && this.state.surface !== "stream") {
      const g2 = grid(surface, constantsOf(this.lib, this.state), box, "linear"), lines = contours(g2), out = new Float64Array(lines.length);
      for (let k = 0; k < out.length; k += 2) { out[k] = f.X(lines[k]); out[k + 1] = f.Y(lines[k + 1]); }
      brush.image(tinted(g2), f.x, f.y, f.w, f.h);
      brush.line(out, { stroke: DATA.ground, width: 0.7, alpha: 0.45 });
    }
    const P = (p) => [f.X(p[0]), f.Y(p[1])], colour = this.styles[step.i].colour, norm = Math.hypot(...g);
    const away = norm ? [at[0] - (g[0] / norm) * half * 0.7, at[1] - (g[1] / norm) * half * 0.7] : at;
    arrow(brush, ...P(at), ...P(away), { stroke: ink, width: 1.5, dash: [3, 2.5] });
    if (step.rule.lookAhead) { brush.line([...P(from), ...P(at)], { stroke: ink, width: 1, dash: [1, 2] }); brush.dots(P(at), 5, { stroke: ink, width: 1.6 }); }
    if (Math.hypot(drift[0] - from[0], drift[1] - from[1]) > 1e-3 * reach) {
      // On one line with the step they would hide under it, so they are moved aside.
      const [ax, ay] = P(from), [bx, by] = P(drift), [cx, cy] = P(to), across = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax), whole = Math.hypot(cx - ax, cy - ay) || 1;
      const aside = Math.abs(across) < 8 * whole ? 8 : 0, [ox, oy] = [(-aside * (cy - ay)) / whole, (aside * (cx - ax)) / whole];
      arrow(brush, ax + ox, ay + oy, bx + ox, by + oy, { stroke: DATA.series[0], width: 2 });
      arrow(brush, bx + 1.6 * ox, by + 1.6 * oy, cx + 1.6 * ox, cy + 1.6 * oy, { stroke: DATA.series[1], width: 2 });
    }
    arrow(brush, ...P(from), ...P(to), { stroke: colour, width: 3 }, 11);
    brush.dots(P(from), 4.5, { stroke: colour, width: 1.8 });
    brush.dots(P(to), 4.5, { fill: colour });
    brush.open();
    brush.line([f.x, f.y, f.x + f.w, f.y, f.x + f.w, f.y + f.h, f.x, f.y + f.h, f.x, f.y], { stroke: ink, width: 1, alpha: 0.3 });
    const biggest = Math.sqrt(Math.max(...squares.flatMap(([, v]) => Array.from(v)), 1e-300));
    squares.forEach(([name, values], j) => Array.from(values).forEach((v, k) => {
      const side = Math.max(1, (Math.sqrt(Math.max(v, 0)) / biggest) * 36), x = 14 + (j * values.length + k) * 74;
      brush.line([x, size - 8, x + side, size - 8, x + side, size - 8 - side, x, size - 8 - side, x, size - 8], { stroke: colour, fill: `${colour}33`, width: 1.2 });
      brush.text(x + side + 5, size - 26, `${symbol(name)} ${"xy"[k]}`, { fill: ink, size: 10, align: "left" });
      brush.text(x + side + 5, size - 13, show(v), { fill: ink, size: 10, align: "left" });
    }));
    const name = this.nameOf(step.i);
    this.lensCanvas.setAttribute("aria-label", this.say("cartoon.alt", { name, t: step.t + 1, from: point(step.from), to: point(step.to), g: point(step.g) }));
    this.lensText.replaceChildren(h("p", { class: "dx-lens-title" }, `${name}, t = ${step.t + 1}, g = ${point(step.g)}`), ...step.lines.map((lines, k) => h("table", { class: "dx-lines" },
      h("caption", {}, `${this.say("coordinate")} ${"xyz"[k]}`),
      h("tbody", {}, ...lines.map((line) => h("tr", {}, h("th", { scope: "row" }, symbol(line.name)), h("td", {}, h("span", { class: "dx-formula" }, `= ${formula(line.text)}`), h("span", { class: "dx-with" }, `= ${line.numbers}`)), h("td", { class: "dx-value", "data-value": line.value }, `= ${show(line.value, 4)}`)))))));
    this.step = step;
  }

  // -- the map, in a worker

  askMap() {
    const { state, lib } = this, i = state.scene === "map" ? 0 : state.mapOf, run = state.runs[i];
    if (state.map === "off" || !run || !lib.surfaces[state.surface] || state.start.length !== 2) { this.stopMap(); this.mapKey = null; this.mapCanvas = null; return; }
    const stable = state.map === "stable";
    const hyper = stable ? Object.fromEntries(Object.entries(run.hyper).filter(([n]) => !state.axes.some(([a]) => a === n))) : run.hyper;
    const key = JSON.stringify([state.surface, state.constants, state.steps, this.box(), run.rule, hyper, state.map, stable ? state.start : 0]);
    if (key === this.mapKey) return;
    this.mapKey = key;
    this.stopMap();
    this.mapTimer = setTimeout(() => this.startMap(run, stable), 120);
  }

  stopMap() {
    clearTimeout(this.mapTimer);
    for (const worker of this.workers ?? []) worker.terminate();
    this.workers = [];
    this.mapBusy = false;
  }

  startMap(run, stable) {
    const { state } = this, [nx, ny] = stable ? [90, 90] : this.options.map ?? [256, 256], values = new Float32Array(nx * ny).fill(stable ? 1 : -1), map = { nx, ny, values };
    const constants = constantsOf(this.lib, state), surface = this.lib.surfaces[state.surface];
    const minima = surface.minima.filter((m) => Math.hypot(...surface.gradient(...m, constants)) < 1e-4);
    const begun = performance.now();
    this.mapProblem = null;
    this.mapBusy = true;
    if (!stable && !minima.length) { this.mapBusy = false; this.mapProblem = this.lang === "zh" ? "没有极小点" : "no minimum"; this.mapCanvas = null; this.refresh(); return; }
    try {
      const worker = makeWorker(this.options.extra);
      this.workers = [worker];
      let painted = 0;
      worker.onmessage = ({ data }) => {
        if (data.failed) { this.mapBusy = false; this.mapProblem = data.failed; this.refresh(); return; }
        if (data.values) values.set(data.values, data.row * nx);
        const now = performance.now();
        if (!data.done && now - painted < 250) return;
        painted = now;
        this.mapCanvas = mapped(map, state.map, state.steps);
        this.mapVersion = (this.mapVersion ?? 0) + 1;
        if (data.done) { this.mapBusy = false; this.mapTook = now - begun; worker.terminate(); }
        this.refresh();
      };
      worker.onerror = (event) => { this.mapBusy = false; this.mapProblem = event.message || "worker"; this.refresh(); };
      worker.postMessage({ state: { steps: state.steps, surface: state.surface, constants: state.constants, start: state.start, axes: state.axes, minima }, run: structuredClone(run), mode: state.map, nx, ny, box: this.box() });
    } catch (error) { this.mapBusy = false; this.mapProblem = error.message; this.refresh(); }
  }

  close() {
    this.alive = false;
    this.playing = false;
    clearTimeout(this.speaking);
    cancelAnimationFrame(this.waiting);
    this.stopMap();
    this.unwatch();
    this.root.remove();
  }
}

function fit(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 3), [w, hh] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== hh) { canvas.width = w; canvas.height = hh; }
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

function wipe(canvas, width, height) {
  const context = canvas.getContext("2d"), ratio = canvas.width / width;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** The page's own language, where the figure stands. */
function languageOf(el) {
  const tag = el.closest("[lang]")?.lang || navigator.language || "en";
  return tag.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The reader's own rules and surfaces: text made by optlib.compile in Python, never taken from a link. */
async function own(text) {
  if (!text) return null;
  const url = URL.createObjectURL(new Blob([`export default function more() {\n${text}\n}`], { type: "text/javascript" }));
  try { return (await import(url)).default; } finally { URL.revokeObjectURL(url); }
}

/** anywidget's entry: a model with the traits state, lang and extra. */
async function render({ model, el }) {
  const wished = () => (model.get("lang") === "auto" ? languageOf(el) : model.get("lang"));
  const extra = await own(model.get("extra"));
  let figure = null, timer = 0, quiet = false;
  const begin = (options = {}) => {
    figure?.close();
    figure = new Figure(el, model.get("state"), {
      lang: wished(), extra,
      onchange: (state) => {
        clearTimeout(timer);
        timer = setTimeout(() => { quiet = true; model.set("state", state); model.save_changes(); quiet = false; }, 60);
      },
      ...options,
    });
    el.downhill = figure;
  };
  begin(model.downhill ?? {});
  const changed = () => { if (!quiet && JSON.stringify(model.get("state")) !== JSON.stringify(figure.state)) figure.replace(model.get("state")); };
  const spoken = () => { figure.lang = wished(); figure.rebuild(); figure.refresh(); };
  model.on("change:state", changed);
  model.on("change:lang", spoken);
  return () => { clearTimeout(timer); model.off?.("change:state", changed); model.off?.("change:lang", spoken); figure.close(); };
}

/** The same figure in a page without a kernel: `given` is { state, lang, extra }, `options` may hold link and address. */
function mount(el, given, options = {}) {
  const traits = { state: given.state, lang: given.lang ?? "auto", extra: given.extra ?? "" };
  const model = { get: (name) => traits[name], set: (name, value) => { traits[name] = value; }, save_changes() {}, on() {}, off() {}, downhill: options };
  return render({ model, el });
}

export { mount };
export default { render };
