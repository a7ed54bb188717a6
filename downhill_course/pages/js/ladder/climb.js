// The ladder's problems in the plane, climbed in the page, and the file to hand in: the twin of
// downhill_course.ladder.plane, whose numbers `options.ladder` loads with this.

const FACTORS = [1 / 4, 1 / 2, 1, 2, 4]; // of the figure's rate: the settings that the file tries
const LOOKS = 50;

/** The settings to try: the numbers that the reader changed, and five rates around hers; null for none. */
function settingsOf(defaults, hyper) {
  const numbers = Object.entries(hyper).filter(([, value]) => typeof value === "number"),
    changed = Object.fromEntries(numbers.filter(([name, value]) => name !== "lr" && value !== defaults[name])),
    lr = typeof hyper.lr === "number" ? hyper.lr : defaults.lr;
  if (lr !== undefined) return FACTORS.map((factor) => ({ ...changed, lr: factor * lr }));
  return Object.keys(changed).length ? [changed] : null;
}

/** Losses at the start and at fifty looks, infinite from where a run has failed. */
function lossesOf(figure, rule, { surface, start, steps, every }, hyper) {
  const { path, n } = figure.walkIn({ surface, start, steps, noise: 0, batch_size: 0 }, { rule, hyper }),
    { value, constants } = figure.lib.surfaces[surface];
  let alive = true;
  return Array.from({ length: LOOKS + 1 }, (_, look) => {
    const t = look * every,
      loss = t <= n ? value(path[2 * t], path[2 * t + 1], constants) : Number.NaN;
    alive &&= Number.isFinite(loss);
    return alive ? loss : Number.POSITIVE_INFINITY;
  });
}

const never = (steps) => steps ?? Number.POSITIVE_INFINITY;

/**
 * A typed rule on the problems: { score, place, of, file, rows: [{ problem, chosen, losses, steps, nadam, fewest }] },
 * or { blind } for one that asks for the loss, which the ladder does not tell. Reading a text is the editor's.
 */
export function climbed(figure, own, { tau, problems }, { transferred, translated }) {
  const { rule, hyper } = figure.state.runs.find((run) => run.rule === figure.ownKey),
    { defaults, given } = translated(own.source),
    settings = settingsOf(defaults, hyper),
    tried = settings ?? [{}];
  if (given.includes("loss")) return { blind: true };
  const rows = problems.map((problem) => {
    const all = tried.map((setting) => lossesOf(figure, rule, problem, setting)),
      ends = all.map((losses) => losses[LOOKS]),
      at = ends.indexOf(Math.min(...ends)),
      there = all[at].findIndex((loss) => loss <= problem.target),
      steps = there < 0 ? Number.POSITIVE_INFINITY : there * problem.every,
      others = Object.values(problem.others).map(never);
    return {
      problem,
      chosen: tried[at],
      losses: all[at],
      steps,
      nadam: never(problem.others.nadam),
      fewest: Math.min(steps, ...others),
    };
  });
  const area = (stepsOf) =>
    rows.reduce((sum, row) => sum + Math.max(0, tau - stepsOf(row) / row.fewest || 0), 0) / rows.length / (tau - 1);
  const score = area((row) => row.steps),
    names = Object.keys(problems[0].others),
    ahead = names.filter((name) => area(({ problem }) => never(problem.others[name])) > score);
  return { score, place: 1 + ahead.length, of: 1 + names.length, rows, file: transferred(own, figure.lib, settings) };
}
