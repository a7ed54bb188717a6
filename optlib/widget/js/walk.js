// One walk: an algorithm from compile, a surface, its gradients.

/** A library, with the reader's own rules and surfaces if there are some; its tables hold their own rows only. */
export function joined(base, more) {
  const all = {};
  for (const part of ["rules", "surfaces", "schedules", "functions", "examples"])
    all[part] = Object.assign(Object.create(null), base[part], more?.[part]);
  return all;
}

export function isSchedule(value) {
  return value !== null && typeof value === "object";
}

/** Hyper-parameters as numbers, and those that follow a schedule as functions of the clock. */
export function settle(lib, rule, given) {
  const hyper = { ...rule.defaults },
    moving = [];
  for (const [name, value] of Object.entries(given)) {
    if (isSchedule(value)) moving.push([name, lib.schedules[value.schedule].make(value)]);
    else hyper[name] = value;
  }
  for (const [name, schedule] of moving) hyper[name] = schedule(0);
  return { hyper, moving };
}

/** The memory of a rule before the first step. */
export function begin(rule, theta, hyper) {
  return rule.memory.map((name) => {
    const value = rule.start[name] ?? 0;
    if (value === "theta") return Float64Array.from(theta);
    return new Float64Array(theta.length).fill(typeof value === "string" ? hyper[value] : value);
  });
}

export const constantsOf = (lib, state) => ({ ...lib.surfaces[state.surface]?.constants, ...state.constants });

/** Where gradients come from: (point, step, out), with the scene's examples, noise or given gradients. */
export function oracle(lib, state) {
  const surface = lib.surfaces[state.surface],
    constants = constantsOf(lib, state);
  const examples = state.batch_size > 0 ? lib.examples[state.surface] : null;
  const { uniform, normal } = lib.functions;
  return (x, t, out) => {
    const d = out.length;
    if (state.stream) {
      const g = state.stream[t % state.stream.length];
      for (let i = 0; i < d; i++) out[i] = g[i];
    } else if (examples) {
      out.fill(0);
      for (let k = 0; k < state.batch_size; k++) {
        const j = Math.floor(uniform(state.seed, t, k + 16) * examples.data.length);
        const g = examples.gradient(...x, ...examples.data[j]);
        for (let i = 0; i < d; i++) out[i] += g[i];
      }
      for (let i = 0; i < d; i++) out[i] /= state.batch_size;
    } else {
      const g = d === 2 ? surface.gradient(x[0], x[1], constants) : surface.gradient(x[0], constants);
      for (let i = 0; i < d; i++) out[i] = g[i];
    }
    if (state.noise) for (let i = 0; i < d; i++) out[i] += state.noise * normal(state.seed, t, i);
  };
}

export function allFinite(xs) {
  for (let i = 0; i < xs.length; i++) if (!Number.isFinite(xs[i])) return false;
  return true;
}

/** Whether the numbers of step t are such that no rule leaves them by growing. */
const moderate = (all, t, d) => all.subarray(t * d, t * d + d).every((v) => Math.abs(v) < 1e100);

/** One algorithm's walk: points, gradients, the points where they were taken, memory, and how it ended. */
export function walk(lib, state, run) {
  const rule = lib.rules[run.rule],
    surface = lib.surfaces[state.surface],
    constants = constantsOf(lib, state);
  const d = state.start.length,
    steps = state.steps,
    delay = run.delay ?? 0;
  const path = new Float64Array((steps + 1) * d),
    asks = new Float64Array((steps + 1) * d);
  const grads = new Float64Array(steps * d).fill(NaN);
  const theta = Float64Array.from(state.start),
    g = new Float64Array(d),
    loss = new Float64Array(d);
  const { hyper, moving } = settle(lib, rule, run.hyper),
    memory = begin(rule, theta, hyper);
  const kept = rule.memory.map(() => new Float64Array((steps + 1) * d));
  const gradient = oracle(lib, state),
    wantsLoss = rule.given.includes("loss");
  const looks = (rule.lookAheadMemory ?? []).map((name) => memory[rule.memory.indexOf(name)]);
  path.set(theta);
  for (const [j, k] of kept.entries()) k.set(memory[j]);
  let t = 0,
    end = null;
  for (; t < steps; t++) {
    for (const [name, schedule] of moving) hyper[name] = schedule(t);
    for (let i = 0; i < d; i++) {
      asks[t * d + i] = !rule.lookAhead
        ? theta[i]
        : looks.length
          ? rule.lookAhead(theta[i], looks[0][i], hyper)
          : rule.lookAhead(theta[i], hyper);
    }
    const s = Math.max(0, t - delay),
      at = asks.subarray(s * d, s * d + d);
    gradient(at, s, g);
    grads.set(g, t * d);
    if (!allFinite(g)) {
      end = g.some(Number.isNaN) && allFinite(at) ? "nan" : "diverges";
      break;
    }
    if (wantsLoss) loss.fill(surface.value(...asks.subarray(t * d, t * d + d), constants));
    rule.advance(theta, g, memory, t + 1, loss, hyper);
    if (state.project)
      for (let i = 0; i < d; i++) theta[i] = Math.min(Math.max(theta[i], state.domain[i][0]), state.domain[i][1]);
    if (!allFinite(theta)) {
      end = theta.some(Number.isNaN) && moderate(path, t, d) && moderate(grads, t, d) ? "rule" : "diverges";
      break;
    }
    path.set(theta, (t + 1) * d);
    for (let j = 0; j < kept.length; j++) kept[j].set(memory[j], (t + 1) * d);
  }
  return { path, grads, asks, kept, d, n: t, end, run };
}

/** The rate that a coordinate really had: how far it went, over its gradient. */
export function rateAt({ path, grads, d, n }, t, i) {
  return t < n ? (path[t * d + i] - path[(t + 1) * d + i]) / grads[t * d + i] : NaN;
}
