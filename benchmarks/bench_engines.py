"""How fast the rules run: compiled descents, the NumPy engine, basin maps and large vectors, side by side with peers.

    python benchmarks/bench_engines.py              # every row; about five minutes
    python benchmarks/bench_engines.py --quick      # shorter runs, to see that it works
    python benchmarks/bench_engines.py --only first --only basins
    python benchmarks/bench_engines.py --json FILE --write

Each peer that is installed is measured in the same run, in turns with ours, so that a busy machine slows both; what is
printed is the median of the ratios peer/ours and their range. PyTorch and optax are peers, not dependencies.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from optlib import Optimizer, compile, descend, rules, schedules, surfaces
from optlib.surfaces import Surface

HERE = Path(__file__).resolve().parent
NINE = {
    "sgd": (rules.sgd, dict(lr=1e-4)), "momentum": (rules.momentum, dict(lr=1e-4)), "nag": (rules.nag, dict(lr=1e-4)),
    "adagrad": (rules.adagrad, dict(lr=1e-2)), "adadelta": (rules.adadelta, {}),
    "rmsprop": (rules.rmsprop, dict(lr=1e-4)), "adam": (rules.adam, dict(lr=1e-3)),
    "adamax": (rules.adamax, dict(lr=1e-3)), "nadam": (rules.nadam, dict(lr=1e-3)),
}  # fmt: skip
PLANES = (surfaces.beale, surfaces.rosenbrock, surfaces.saddle)
OPTAX, C_PEER = "optax, jit + scan", "the same loop in C, -O3 -march=native -ffast-math"


@dataclass
class Row:
    """One measured ratio: how many times the peer's time is ours, and the bar that it should reach."""

    job: str
    peer: str
    ratio: float
    low: float
    high: float
    bar: float | None
    ours: str

    @property
    def met(self) -> str:
        return "" if self.bar is None else ("yes" if self.ratio >= self.bar else "no")


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def race(ours: Callable[[], Any], peer: Callable[[], Any], repeats: int) -> tuple[np.ndarray, float]:
    """Ratios peer/ours of interleaved runs after one of each that is not counted, and our median time."""
    ours(), peer()
    times = np.array([(seconds(ours), seconds(peer)) for _ in range(repeats)])
    return times[:, 1] / times[:, 0], float(np.median(times[:, 0]))


def row(job: str, peer: str, ratios: np.ndarray, bar: float | None, ours: str) -> Row:
    return Row(job, peer, float(np.median(ratios)), float(ratios.min()), float(ratios.max()), bar, ours)


def has(*modules: str) -> bool:
    return all(importlib.util.find_spec(m) for m in modules)


# --- compiled descents ----------------------------------------------------------------------------


def optax_of(name: str, hyper: dict) -> Any:
    """The optax transformation of the same name; its conventions differ in places, its work does not."""
    import optax

    lr = hyper.get("lr", 1.0)
    return {
        "sgd": lambda: optax.sgd(lr), "momentum": lambda: optax.sgd(lr, momentum=0.9),
        "nag": lambda: optax.sgd(lr, momentum=0.9, nesterov=True), "adagrad": lambda: optax.adagrad(lr),
        "adadelta": lambda: optax.adadelta(lr, rho=0.95), "rmsprop": lambda: optax.rmsprop(lr),
        "adam": lambda: optax.adam(lr), "adamax": lambda: optax.adamax(lr), "nadam": lambda: optax.nadam(lr),
    }[name]()  # fmt: skip


def optax_descent(name: str, hyper: dict, surface: Surface, steps: int) -> Callable[[Any], Any]:
    """A jitted scan over steps of optax on the same surface, from a start: compiled before it is timed."""
    import jax
    import jax.numpy as jnp

    optimizer = optax_of(name, hyper)

    def step(carry, _):
        theta, state = carry
        g = jnp.stack(surface.gradient(theta[0], theta[1], **surface.constants))
        update, state = optimizer.update(g, state, theta)
        theta = theta + update
        return (theta, state), theta

    @jax.jit
    def run(theta):
        return jax.lax.scan(step, (theta, optimizer.init(theta)), None, length=steps)[1]

    return run


def torch_descent(name: str, hyper: dict, surface: Surface, steps: int) -> Callable[[], None]:
    """The loop everybody writes: loss, backward, step."""
    import torch

    made = {
        "sgd": torch.optim.SGD, "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
        "nag": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, nesterov=True), "adagrad": torch.optim.Adagrad,
        "adadelta": torch.optim.Adadelta, "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam,
        "adamax": torch.optim.Adamax, "nadam": torch.optim.NAdam,
    }[name]  # fmt: skip

    def run() -> None:
        theta = torch.nn.Parameter(torch.tensor(surface.start, dtype=torch.float64))
        optimizer = made([theta], lr=hyper.get("lr", 1.0))
        for _ in range(steps):
            optimizer.zero_grad()
            surface.value(theta[0], theta[1], **surface.constants).backward()
            optimizer.step()

    return run


# each coordinate's update in C: T is the point, G the gradient, M, V and D belong to the coordinate
C_RULES = {
    "sgd": "T -= lr * G;",
    "momentum": "M = 0.9 * M + lr * G; T -= M;",
    "nag": "M = 0.9 * M + lr * G; T -= M;",
    "adagrad": "V += G * G; T -= lr * G / (sqrt(V) + 1e-8);",
    "adadelta": "V = 0.95 * V + 0.05 * G * G; D = sqrt(M + 1e-6) / sqrt(V + 1e-6) * G;"
    " M = 0.95 * M + 0.05 * D * D; T -= D;",
    "rmsprop": "V = 0.9 * V + 0.1 * G * G; T -= lr * G / (sqrt(V) + 1e-8);",
    "adam": "M = 0.9 * M + 0.1 * G; V = 0.999 * V + 0.001 * G * G; T -= lr * (M / b) / (sqrt(V / c) + 1e-8);",
    "adamax": "M = 0.9 * M + 0.1 * G; V = fmax(0.999 * V, fabs(G)); T -= lr / b * M / V;",
    "nadam": "M = mu * M + (1 - mu) * G; V = 0.999 * V + 0.001 * G * G;"
    " T -= lr * (next * M / (1 - p * next) + (1 - mu) * G / (1 - p)) / (sqrt(V / c) + 1e-8);",
}
C_SURFACES = {
    "beale": "double a = 1.5 - x + x * y, b_ = 2.25 - x + x * y * y, c_ = 2.625 - x + x * y * y * y;"
    " g = 2 * (a * (y - 1) + b_ * (y * y - 1) + c_ * (y * y * y - 1)); h = 2 * x * (a + 2 * b_ * y + 3 * c_ * y * y);",
    "rosenbrock": "double v = y - x * x; g = -2 * (1 - x) - 400 * x * v; h = 200 * v;",
    "saddle": "g = x; h = -y + 4 * 0.05 * y * y * y;",
}
C_WALK = """
void {name}(double *path, long steps, double lr) {{
    double X = path[0], Y = path[1], g, h, m0 = 0, m1 = 0, v0 = 0, v1 = 0, d0, d1;
    double b = 1, c = 1, p = 1, q = 0.5 * {ratio}, mu = 0, next = 0.975 * (1 - q), b_t = 1, c_t = 1;
    for (long s = 1; s <= steps; s++) {{
        b_t *= 0.9; c_t *= 0.999; b = 1 - b_t; c = 1 - c_t;
        mu = next; q *= {ratio}; next = 0.975 * (1 - q); p *= mu;
        double x = X{ahead0}, y = Y{ahead1};
        {{ {surface} }}
        {first}
        {second}
        path[2 * s] = X; path[2 * s + 1] = Y;
    }}
}}
"""


def c_descents() -> Callable[[str, dict, Surface, int], Callable[[], np.ndarray]] | None:
    """The same loops as somebody writes them in C, with licence to round as the compiler likes; None without one."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    text = "#include <math.h>\n"
    for rule, update in C_RULES.items():
        for surface, gradient in C_SURFACES.items():
            ahead = " - 0.9 * m{}" if rule == "nag" else ""
            first, second = (
                update.translate(str.maketrans({"T": t, "G": g, "M": f"m{i}", "V": f"v{i}", "D": f"d{i}"}))
                for i, (t, g) in enumerate((("X", "g"), ("Y", "h")))
            )
            text += C_WALK.format(
                name=f"{rule}_{surface}", ratio=repr(0.96 ** (1 / 250)), ahead0=ahead.format(0), ahead1=ahead.format(1),
                surface=gradient, first=first, second=second,
            )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "walks.c", Path(folder) / "walks.so"
        source.write_text(text)
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, str(source), "-o", str(library), "-lm"], check=True)
        loaded = ctypes.CDLL(str(library))

    def descent(name: str, hyper: dict, surface: Surface, steps: int) -> Callable[[], np.ndarray]:
        walk, lr = loaded[f"{name}_{surface.name}"], ctypes.c_double(hyper.get("lr", 1.0))

        def run() -> np.ndarray:
            path = np.empty((steps + 1, 2))
            path[0] = surface.start
            walk(path.ctypes.data_as(ctypes.c_void_p), ctypes.c_long(steps), lr)
            return path

        return run

    return descent


def compiled_descents(quick: bool) -> list[Row]:
    steps, repeats, rows = 10_000, 3 if quick else 15, []
    against_optax, against_torch, against_c, c_against_optax = [], [], [], []
    in_c = c_descents()
    for name, (rule, hyper) in NINE.items():
        for f in PLANES:
            optimizer = Optimizer(rule, **hyper)
            ours = lambda o=optimizer, f=f: descend(o, f.grad, f.start, steps, engine="numba")  # noqa: E731
            if has("jax", "optax"):
                import jax

                jax.config.update("jax_enable_x64", True)
                run, start = optax_descent(name, hyper, f, steps), jax.numpy.array(f.start)
                ratios, _ = race(ours, lambda run=run, start=start: run(start).block_until_ready(), repeats)
                against_optax.append(np.median(ratios))
            if in_c is not None:
                loop = in_c(name, hyper, f, steps)
                np.testing.assert_allclose(loop()[:100], ours()[:100], rtol=1e-9, atol=1e-9)
                against_c.append(np.median(race(ours, loop, repeats)[0]))
            if has("jax", "optax") and in_c is not None:
                ratios, _ = race(loop, lambda run=run, start=start: run(start).block_until_ready(), repeats)
                c_against_optax.append(np.median(ratios))
            if has("torch"):
                few = 100
                loop = torch_descent(name, hyper, f, few)
                ratios, _ = race(ours, loop, 3)
                against_torch.append(np.median(ratios) * steps / few)
    job = "2-D descent, 10,000 steps, nine rules on Beale, Rosenbrock, saddle, compiled"
    for peer, ratios, bars in (
        (OPTAX, against_optax, (("slowest of 27", 1.0), ("median of 27", 3.0))),
        (C_PEER, against_c, (("slowest of 27", None), ("median of 27", None))),
        ("torch.optim loop with backward", against_torch, (("slowest of 27", 10_000.0), ("median of 27", None))),
    ):
        for which, bar in bars if ratios else ():
            value = float(min(ratios) if which.startswith("slowest") else np.median(ratios))
            rows.append(Row(f"{job}, {which}", peer, value, float(min(ratios)), float(max(ratios)), bar, ""))
    if c_against_optax:
        low, high = float(min(c_against_optax)), float(max(c_against_optax))
        value = float(np.median(c_against_optax))
        rows.append(Row(f"{C_PEER} in our place, median of 27", OPTAX, value, low, high, None, ""))
    return rows


FIRST_CALL = """
import time
import numpy, numba
from optlib import Optimizer, descend, rules, surfaces
f = surfaces.beale
start = time.perf_counter()
descend(Optimizer(rules.adam), f.grad, f.start, steps=10, engine="numba")
print(time.perf_counter() - start)
"""


def first_calls() -> list[Row]:
    """The first compiled call in a new process, with an empty and with a filled cache, once Numba is imported.

    Python's own bytecode is kept, as an installer leaves it, whatever the environment says; an uncounted call makes it.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def call(cache: str) -> float:
            done = subprocess.run(
                [sys.executable, "-c", FIRST_CALL], env={**environment, "OPTLIB_CACHE": str(Path(folder) / cache)},
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            return float(done.stdout)

        call("0")
        cold = np.array([call(cache) for cache in "123"])
        warm = np.array([call("0") for _ in range(5)])
    return [
        row(
            f"first compiled call, {kind} cache",
            f"{allowed} s allowed",
            allowed / times,
            1.0,
            f"{np.median(times):.2f} s",
        )
        for kind, allowed, times in (("empty", 2.0, cold), ("filled", 0.3, warm))
    ]


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
            found, _ = race(lambda o=optimizer, f=f: descend(o, f.grad, f.start, steps), hand, 2 if quick else 5)
            ratios.append(float(np.median(found)))
    job = "the same, NumPy engine, against a hand-written loop"
    return [
        Row(f"{job}, slowest of 27", "NumPy by hand", min(ratios), min(ratios), max(ratios), 0.6, ""),
        Row(f"{job}, median of 27", "NumPy by hand", float(np.median(ratios)), min(ratios), max(ratios), 0.6, ""),
    ]


# --- many starts ----------------------------------------------------------------------------------


def basin_maps(quick: bool) -> list[Row]:
    n, steps, f, lr = 512, 200, surfaces.himmelblau, 0.05
    starts = np.stack(np.meshgrid(np.linspace(-5, 5, n), np.linspace(-5, 5, n)), axis=-1)
    optimizer = Optimizer(rules.adam, lr=lr)
    ours = lambda: compile.basin_map(optimizer, f, starts, steps)  # noqa: E731
    job, rows, repeats = f"basin map, {n} x {n} starts x {steps} steps of Adam", [], 1 if quick else 3

    def naive() -> np.ndarray:
        theta, m, v = starts.copy(), np.zeros_like(starts), np.zeros_like(starts)
        for t in range(1, steps + 1):
            g = f.grad(theta)
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g**2
            theta = theta - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return theta

    np.testing.assert_allclose(ours()[0], naive(), atol=1e-6)
    ratios, median = race(ours, naive, repeats)
    rows.append(row(job, "naive NumPy", ratios, 40.0, f"{median * 1e3:.0f} ms"))
    if has("jax", "optax"):
        import jax
        import jax.numpy as jnp
        import optax

        jax.config.update("jax_enable_x64", True)
        peer = optax.adam(lr)

        def walk(block):  # the whole batch as one array of shape (2, k), which is what vmap makes of it
            def step(carry, _):
                theta, state = carry
                g = jnp.stack(f.gradient(theta[0], theta[1], **f.constants))
                update, state = peer.update(g, state, theta)
                return (theta + update, state), None

            return jax.lax.scan(step, (block, peer.init(block)), None, length=steps)[0][0]

        flat = jnp.asarray(starts.reshape(-1, 2).T)
        best = np.inf
        for blocks in (1, 64, 512):
            cut = jnp.stack(jnp.split(flat, blocks, axis=1))
            run = jax.jit(lambda x: jax.lax.map(walk, x))
            best_ratios, median = race(ours, lambda run=run, cut=cut: run(cut).block_until_ready(), repeats)
            if np.median(best_ratios) < best:
                best, chosen = float(np.median(best_ratios)), best_ratios
        rows.append(row(job, "optax, best of whole batch and two block sizes", chosen, 2.0, f"{median * 1e3:.0f} ms"))
    return rows


# --- large vectors --------------------------------------------------------------------------------


def streams(dtype: str) -> Callable:
    """A loop with Adam's reads and writes and hardly any arithmetic: what memory allows."""
    from numba import njit

    @njit(nogil=True)
    def stream(theta, g, m, v, begin, end):
        theta, g, m, v = theta[begin:end], g[begin:end], m[begin:end], v[begin:end]
        for i in range(len(theta)):
            m[i] = m[i] + g[i]
            v[i] = v[i] + g[i]
            theta[i] = theta[i] + g[i]

    return stream


def large_vectors(quick: bool) -> list[Row]:
    rows = []
    for size in (10**6, 10**7):
        for dtype in ("float32", "float64"):
            for threads in (1, 2):
                rows += one_step(size, dtype, threads, 3 if quick else 15)
    return rows


def one_step(size: int, dtype: str, threads: int, repeats: int) -> list[Row]:
    optimizer = Optimizer(rules.adam)
    rng = np.random.default_rng(0)
    theta, g = rng.standard_normal(size).astype(dtype), rng.standard_normal(size).astype(dtype)
    state = optimizer.init(theta)
    step = compile.kernel(optimizer, dtype=dtype, threads=threads, exact=False, strict=False)
    ours = lambda: step(theta, g, state)  # noqa: E731
    job, rows = f"one Adam step on {size:.0e} {dtype}, {threads} thread{'s' * (threads > 1)}", []
    arrays = [theta.copy(), g * 1e-9, np.zeros_like(theta), np.zeros_like(theta)]
    copy = streams(dtype)
    share = compile.native._share
    ratios, median = race(ours, lambda: share(lambda a, b: copy(*arrays, a, b), size, threads), repeats)
    bandwidth = 7 * theta.nbytes / median / 1e9
    rows.append(row(job, "memory bandwidth, same reads and writes", ratios, 0.8, f"{bandwidth:.0f} GB/s"))
    if has("torch"):
        import torch

        torch.set_num_threads(threads)
        for kind in ("fused", "foreach", "default"):
            p = torch.nn.Parameter(torch.from_numpy(theta.copy()))
            p.grad = torch.from_numpy(g.copy())
            options = {} if kind == "default" else {kind: True}
            peer = torch.optim.Adam([p], **options)
            ratios, median = race(ours, peer.step, repeats if kind == "fused" else 3)
            rows.append(
                row(
                    job, f"torch.optim.Adam, {kind}", ratios, 1.0 if kind == "fused" else None, f"{median * 1e3:.2f} ms"
                )
            )
    return rows


# --- options --------------------------------------------------------------------------------------


def options_on(quick: bool) -> list[Row]:
    """Schedules, the dearest of them included, gradient noise and clipping, against the same descent without."""
    f, steps, repeats = surfaces.rosenbrock, 10_000, 5 if quick else 25
    plain, scheduled = Optimizer(rules.adam, lr=1e-3), Optimizer(rules.adam, lr=schedules.cosine(1e-3, steps))
    anew = lambda: Optimizer(rules.adam, lr=schedules.cosine(1e-3, steps))  # noqa: E731
    dearest = Optimizer(rules.adam, lr=schedules.polynomial(1e-3, steps, power=1.7))
    noise = 1e-3 * np.random.default_rng(0).standard_normal((steps, 2))
    without = lambda: compile.walk(plain, f, f.start, steps)  # noqa: E731
    rows = []
    for name, work in {
        "a schedule, kept from an earlier run,": lambda: compile.walk(scheduled, f, f.start, steps),
        "a schedule, never seen before,": lambda: compile.walk(anew(), f, f.start, steps),
        "the dearest schedule, a polynomial of power 1.7,": lambda: compile.walk(dearest, f, f.start, steps),
        "noise": lambda: compile.walk(plain, f, f.start, steps, noise=noise),
        "clipping": lambda: compile.walk(plain, f, f.start, steps, clip=1.0),
    }.items():
        ratios, _ = race(work, without, repeats)
        rows.append(
            row(
                f"{name} switched on, compiled",
                "the same without",
                ratios,
                1 / 1.3,
                f"{1 / np.median(ratios):.2f} x the time",
            )
        )
    return rows


def limits(rows: list[Row]) -> str:
    """What the machine itself forbids, in words, as this run has measured it."""
    found = {(r.job.rsplit(", ")[-1], r.peer): r for r in rows if r.job.startswith("2-D descent")}
    median, by_hand = found.get(("median of 27", OPTAX)), next((r for r in rows if r.job.startswith(C_PEER)), None)
    if median is None or by_hand is None or median.met == "yes" or by_hand.ratio >= float(median.bar or 0):
        return ""
    return (
        f"A descent is one chain of operations, each waiting for the one before: {C_PEER}, free to round as it likes, "
        f"reaches {by_hand.ratio:.2f} times optax in the median of the 27 descents, where {median.bar:g} is asked; "
        f"ours, with the NumPy engine's path, {median.ratio:.2f}."
    )


# --- printing -------------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """The machine and the libraries, without its name."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.split(":", 1)[1].strip()
            for line in info.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        cpu = models[0] if models else cpu
    found = {
        "processor": cpu,
        "cores": str(os.cpu_count()),
        "system": platform.system(),
        "Python": platform.python_version(),
    }
    for package in ("numpy", "numba", "torch", "jax", "optax"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def table(rows: list[Row]) -> str:
    lines = ["| job | peer | peer's time / ours | range | at least | met | ours |", "|---|---|---:|---:|---:|---|---:|"]
    for r in rows:
        bar = "" if r.bar is None else f"{r.bar:,.2g}" if r.bar < 100 else f"{r.bar:,.0f}"
        show = (lambda x: f"{x:,.0f}") if r.ratio >= 100 else (lambda x: f"{x:.2f}")
        lines.append(
            f"| {r.job} | {r.peer} | {show(r.ratio)} | {show(r.low)} to {show(r.high)} | {bar} | {r.met} | {r.ours} |"
        )
    return "\n".join(lines)


def asked(doc: str, results: str, parts: Iterable[str] = ()) -> argparse.Namespace:
    """The options that the benchmarks share, and `--only` for one of parts; waiting threads sleep from here on."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as JSON")
    if parts:
        parser.add_argument("--only", action="append", choices=list(parts), help="this part; may be given again")
    parser.add_argument("--write", action="store_true", help=f"also write benchmarks/{results}")
    # threads that spin while they wait would take a core from whoever is measured next
    os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0", KMP_BLOCKTIME="0")
    options = parser.parse_args()
    if options.write and getattr(options, "only", None):
        parser.error("--write keeps the results of all parts: leave --only away")
    return options


def report(rows: list[Row], options: argparse.Namespace, script: str, results: str, notes: str = "") -> None:
    """Print the table and what is to be said about it, and write what was asked for."""
    where, notes = machine(), f"{notes}\n\n" if notes else ""
    print(f"{notes}{table(rows)}")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": where, "rows": [asdict(r) for r in rows]}, indent=1) + "\n", encoding="utf-8"
        )
    if options.write:
        facts = ", ".join(f"{name} {value}" for name, value in where.items())
        (HERE / results).write_text(
            f"# Results of `benchmarks/{script}`\n\nThe peer's time over ours, in turns in one run: above 1, "
            f"ours is faster. Median, and the range over the repeats.\n\nMachine: {facts}.\n\n{notes}{table(rows)}\n",
            encoding="utf-8",
        )


PARTS: dict[str, Callable[[bool], list[Row]]] = {
    "descents": compiled_descents, "first": lambda quick: first_calls(), "numpy": numpy_engine, "basins": basin_maps,
    "vectors": large_vectors, "options": options_on,
}  # fmt: skip


def main() -> int:
    options = asked(__doc__, "RESULTS.md", PARTS)
    if not compile.available():
        raise SystemExit("Numba is not installed: pip install 'optlib[fast]'")
    rows: list[Row] = []
    for part in options.only or PARTS:
        print(f"... {part}", file=sys.stderr, flush=True)
        rows += PARTS[part](options.quick)
    report(rows, options, "bench_engines.py", "RESULTS.md", limits(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
