"""How long a descent and an update take: NumPy's loop beside one written by hand, and a large vector beside PyTorch's.

    python benchmarks/bench_engines.py              # every row; about a minute
    python benchmarks/bench_engines.py --quick      # shorter runs, to see that it works
    python benchmarks/bench_engines.py --only numpy
    python benchmarks/bench_engines.py --json FILE --write

PyTorch is a peer, not a dependency: its rows are left out where it is not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rows import Row, asked, has, race, report, row

from optlib import Optimizer, compile, data, descend, models, oracles, rules, surfaces
from optlib.surfaces import Surface

NINE = {
    "sgd": (rules.sgd, dict(lr=1e-4)), "momentum": (rules.momentum, dict(lr=1e-4)), "nag": (rules.nag, dict(lr=1e-4)),
    "adagrad": (rules.adagrad, dict(lr=1e-2)), "adadelta": (rules.adadelta, {}),
    "rmsprop": (rules.rmsprop, dict(lr=1e-4)), "adam": (rules.adam, dict(lr=1e-3)),
    "adamax": (rules.adamax, dict(lr=1e-3)), "nadam": (rules.nadam, dict(lr=1e-3)),
}  # fmt: skip
PLANES = (surfaces.beale, surfaces.rosenbrock, surfaces.saddle)


# --- the NumPy engine -----------------------------------------------------------------------------


def by_hand(name: str, hyper: dict, surface: Surface, steps: int) -> Callable[[], np.ndarray]:
    """The shortest NumPy loop of a rule that keeps its path, as one writes it without a library."""
    lr, value = hyper.get("lr", 1.0), surface.constants

    def grad(theta: np.ndarray) -> np.ndarray:
        return np.array(surface.gradient(theta[0], theta[1], **value))

    def run() -> np.ndarray:
        theta, path = np.array(surface.start), np.empty((steps + 1, 2))
        path[0] = theta
        u = m = v = np.zeros(2)
        product = 1.0
        for t in range(1, steps + 1):
            g = grad(theta - 0.9 * u if name == "nag" else theta)
            if name == "sgd":
                theta = theta - lr * g
            elif name in ("momentum", "nag"):
                u = 0.9 * u + lr * g
                theta = theta - u
            elif name == "adagrad":
                v = v + g**2
                theta = theta - lr * g / (np.sqrt(v) + 1e-8)
            elif name == "rmsprop":
                v = 0.9 * v + 0.1 * g**2
                theta = theta - lr * g / (np.sqrt(v) + 1e-8)
            elif name == "adadelta":
                v = 0.95 * v + 0.05 * g**2
                d = np.sqrt(m + 1e-6) / np.sqrt(v + 1e-6) * g
                m = 0.95 * m + 0.05 * d**2
                theta = theta - d
            elif name == "adamax":
                m = 0.9 * m + 0.1 * g
                u_ = v = np.maximum(0.999 * v, np.abs(g))
                theta = theta - lr / (1 - 0.9**t) * m / u_
            elif name == "adam":
                m = 0.9 * m + 0.1 * g
                v = 0.999 * v + 0.001 * g**2
                theta = theta - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            else:
                mu, mu_next = (0.975 * (1 - 0.5 * 0.96 ** (s / 250)) for s in (t, t + 1))
                product = product * mu
                m = mu * m + (1 - mu) * g
                v = 0.999 * v + 0.001 * g**2
                m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
                theta = theta - lr * m_hat / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            path[t] = theta
        return path

    return run


def numpy_engine(quick: bool) -> list[Row]:
    steps, ratios = 2_000, []
    for name, (rule, hyper) in NINE.items():
        for f in PLANES:
            hand, optimizer = by_hand(name, hyper, f, steps), Optimizer(rule, **hyper)
            # the first steps only: the normalising rules amplify the last bit later on
            np.testing.assert_allclose(hand()[:100], descend(optimizer, f.grad, f.start, 99), rtol=1e-9, atol=1e-9)
            found, _ = race(partial(descend, optimizer, f.grad, f.start, steps), hand, 2 if quick else 9)
            ratios.append(float(np.median(found)))
    job = "2-D descent, nine rules on Beale, Rosenbrock, saddle"
    return [
        Row(f"{job}, slowest of 27", "the shortest NumPy loop by hand", min(ratios), min(ratios), max(ratios), 0.6, ""),
        Row(
            f"{job}, median of 27",
            "the shortest NumPy loop by hand",
            float(np.median(ratios)),
            min(ratios),
            max(ratios),
            0.6,
            "",
        ),
    ]


# --- a network -------------------------------------------------------------------------------------


def network(quick: bool) -> list[Row]:
    """A network of the chapters, 300 mini-batches with Adam, from nothing: what a contest's run is made of."""
    if not has("torch"):
        return []
    import torch

    torch.set_num_threads(1)
    X, y = data.digits()
    model, steps, rows = models.MLP([64, 24, 24, 10]), 300, []
    batches = oracles.minibatch(model, X, y, batch_size=32, seed=0)

    def ours() -> Any:
        return descend(Optimizer(rules.adam, lr=1e-3), batches, model.init(0), steps)

    def theirs() -> None:
        layers = [torch.nn.Linear(64, 24), torch.nn.Tanh(), torch.nn.Linear(24, 24), torch.nn.Tanh(),
                  torch.nn.Linear(24, 10)]  # fmt: skip
        net = torch.nn.Sequential(*layers).double()
        optimizer, loss = torch.optim.Adam(net.parameters(), lr=1e-3, **how), torch.nn.CrossEntropyLoss()
        inputs, labels = torch.from_numpy(X).double(), torch.from_numpy(y)
        path = torch.empty((steps + 1, sum(p.numel() for p in net.parameters())), dtype=torch.float64)
        for t in range(steps):
            rows = torch.from_numpy(batches.indices(t))
            optimizer.zero_grad()
            loss(net(inputs[rows]), labels[rows]).backward()
            optimizer.step()
            path[t + 1] = torch.nn.utils.parameters_to_vector(net.parameters()).detach()

    for kind in ("fused", "default"):
        how: dict[str, bool] = {"fused": True} if kind == "fused" else {}
        ratios, median = race(ours, theirs, 3 if quick else 9)
        job = "a network 64-24-24-10, 300 mini-batches of 32 with Adam, the path kept, one thread"
        rows.append(row(job, f"PyTorch, {kind} Adam", ratios, 1.0, f"{median * 1e3:.0f} ms"))
    return rows


# --- large vectors --------------------------------------------------------------------------------


def large_vectors(quick: bool) -> list[Row]:
    if not compile.available():
        return []
    return [
        row for size in (10**6, 10**7) for dtype in ("float32", "float64")
        for row in one_step(size, dtype, 3 if quick else 15)
    ]  # fmt: skip


def one_step(size: int, dtype: str, repeats: int) -> list[Row]:
    """One update in place with a gradient that is given, as the shard of a parameter server makes it."""
    optimizer = Optimizer(rules.adam)
    rng = np.random.default_rng(0)
    theta, g = rng.standard_normal(size).astype(dtype), rng.standard_normal(size).astype(dtype)
    state = optimizer.init(theta)
    step = compile.kernel(optimizer, dtype=dtype, strict=False)
    ours = lambda: step(theta, g, state)  # noqa: E731
    job, rows = f"one Adam step on {size:.0e} {dtype}, one thread", []
    ratios, median = race(ours, lambda: optimizer.tell(theta, g, state), 3)
    rows.append(row(job, "Optimizer.tell, NumPy", ratios, 1.0, f"{median * 1e3:.2f} ms"))
    if has("torch"):
        import torch

        torch.set_num_threads(1)
        for kind in ("fused", "foreach"):
            p = torch.nn.Parameter(torch.from_numpy(theta.copy()))
            p.grad = torch.from_numpy(g.copy())
            peer = torch.optim.Adam([p], **{kind: True})
            ratios, median = race(ours, peer.step, repeats if kind == "fused" else 3)
            rows.append(row(job, f"torch.optim.Adam, {kind}", ratios, 1.0, f"{median * 1e3:.2f} ms"))
    return rows


PARTS: dict[str, Callable[[bool], list[Row]]] = {"numpy": numpy_engine, "network": network, "vectors": large_vectors}


def main() -> int:
    options = asked(__doc__, "RESULTS.md", PARTS)
    rows: list[Row] = []
    for part in options.only or PARTS:
        print(f"... {part}", file=sys.stderr, flush=True)
        rows += PARTS[part](options.quick)
    report(rows, options, "bench_engines.py", "RESULTS.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
