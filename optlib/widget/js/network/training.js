// One optimizer that trains the network, update by update, and the largest curvature where it stands.

import { begin } from "./walk.js";

/** The first weights of a seed, as optlib.widget.Network draws them. */
function first({ library, network }, data, seed) {
  const theta = new Float64Array(network.size);
  for (const [i, [from, to, deviation]] of data.weights.entries())
    for (let k = from; k < to; k++) theta[k] = deviation * library.functions.normal(seed, i, k - from);
  return theta;
}

export class Training {
  constructor(lib, data, run, { seed, lr }) {
    const { size } = lib.network;
    Object.assign(this, { lib, data, run, rule: lib.library.rules[run.rule], t: -1, gone: false });
    this.hyper = { ...run.hyper, lr: lr[run.rule] };
    this.theta = first(lib, data, seed);
    this.memory = begin(this.rule, this.theta, this.hyper);
    this.v = Float64Array.from({ length: size }, (_, i) => lib.library.functions.normal(seed, 1000, i));
    for (const name of ["slope", "asked", "there", "back"]) this[name] = new Float64Array(size);
    this.losses = new Float64Array(data.steps + 1).fill(NaN);
    this.curvatures = new Float64Array(Math.floor(data.steps / data.every) + 1).fill(NaN);
    this.look();
  }

  gradient(theta, out) {
    return this.lib.network.gradient(theta, this.data.inputs, this.data.targets, out);
  }

  /** After an update: the loss, the gradient there, and now and then the curvature. */
  look() {
    const loss = this.gradient(this.theta, this.slope);
    this.t++;
    this.gone = !(loss < this.data.lost);
    if (this.gone) return;
    this.losses[this.t] = loss;
    if (this.t % this.data.every === 0) this.curvatures[this.t / this.data.every] = this.curvature();
  }

  update() {
    if (this.gone) {
      this.t++;
      return;
    }
    const { rule, theta, memory, hyper, asked } = this;
    if (rule.lookAhead) {
      const looks = rule.lookAheadMemory.map((name) => memory[rule.memory.indexOf(name)]);
      for (let i = 0; i < theta.length; i++) asked[i] = rule.lookAhead(theta[i], ...looks.map((m) => m[i]), hyper);
      this.gradient(asked, this.slope);
    }
    rule.advance(theta, this.slope, memory, this.t + 1, null, hyper);
    this.look();
  }

  /** The power iteration goes on from where it was; products with the Hessian are differences of gradients. */
  curvature() {
    const { theta, v, asked, there, back, data } = this;
    let value = NaN;
    for (let turn = 0; turn < data.turns; turn++) {
      let square = 0;
      for (const x of v) square += x * x;
      const length = Math.sqrt(square);
      for (let i = 0; i < v.length; i++) v[i] /= length;
      for (let i = 0; i < v.length; i++) asked[i] = theta[i] + data.step * v[i];
      this.gradient(asked, there);
      for (let i = 0; i < v.length; i++) asked[i] = theta[i] - data.step * v[i];
      this.gradient(asked, back);
      value = 0;
      for (let i = 0; i < v.length; i++) {
        const product = (there[i] - back[i]) / (2 * data.step);
        value += v[i] * product;
        v[i] = product;
      }
    }
    return value;
  }

  // -- where it stands

  get loss() {
    return this.gone ? Infinity : this.losses[this.t];
  }

  get bend() {
    return this.gone ? NaN : this.curvatures[Math.floor(this.t / this.data.every)];
  }

  /** The curvature that this rule can bear with its rate, or null where no one number says it. */
  get limit() {
    return this.run.limit ? this.lib.library.functions[this.run.limit](this.hyper) : null;
  }
}
