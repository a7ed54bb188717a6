export const shareOf = (value) => (value >= 1 ? 4 : -Math.log10(1 - value));

/** How a slider runs through a number: its ends on the slider's own scale, and the way there and back. */
export function scale(name, usual, [low = 0, high = null, closed = false] = []) {
  if (["gamma", "beta", "beta1", "beta2", "rho"].includes(name)) {
    // 0.9, 0.99, 0.999 are equally far apart
    const top = closed ? 1 : 0.9999;
    return {
      min: 0,
      max: 4,
      step: 0.02,
      to: shareOf,
      from: (s) => (s >= 4 ? top : +(1 - 10 ** -s).toPrecision(s > 3 ? 5 : s > 2 ? 4 : 3)),
    };
  }
  if (["dampening", "delta", "phi", "eta_minus", "rise"].includes(name))
    return {
      min: name === "rise" ? 0.05 : 0,
      max: name === "rise" ? 0.95 : 1,
      step: 0.01,
      to: (v) => v,
      from: (s) => s,
    };
  if (name === "eta_plus") return { min: 1, max: 2, step: 0.01, to: (v) => v, from: (s) => s };
  if (["steps", "every", "half", "first", "warm"].includes(name)) {
    return { min: 0, max: 3.3, step: 0.01, to: (v) => Math.log10(Math.max(v, 1)), from: (s) => Math.round(10 ** s) };
  }
  if (name === "delay") return { min: 0, max: 20, step: 1, to: (v) => v, from: (s) => s };
  if (name === "batch") return { min: 0, max: 20, step: 1, to: (v) => v, from: (s) => s };
  if (name === "seed") return { min: 1, max: 50, step: 1, to: (v) => v, from: (s) => s };
  if (name === "factor" || name === "power")
    return { min: 1, max: 4, step: name === "factor" ? 1 : 0.1, to: (v) => v, from: (s) => +s.toFixed(2) };
  if (name === "turn") return { min: -180, max: 180, step: 1, to: (v) => v, from: (s) => s };
  if (name === "tilt") return { min: 10, max: 90, step: 1, to: (v) => v, from: (s) => s };
  const centre = usual > 0 ? usual : name.startsWith("eps") ? 1e-6 : name === "noise" ? 0.3 : 0.01;
  const reach = name.startsWith("eps") ? 6 : name === "delta0" ? 12 : 2;
  const bottom = Math.log10(centre) - reach,
    top = Math.min(Math.log10(centre) + (name === "delta0" ? 2 : reach), high ? Math.log10(high) : Infinity);
  const zero = low === 0;
  return {
    min: bottom,
    max: top,
    step: 0.01,
    to: (v) => (v > 0 ? Math.log10(v) : bottom),
    from: (s) => (zero && s <= bottom + 1e-9 ? 0 : +(10 ** s).toPrecision(3)),
  };
}
