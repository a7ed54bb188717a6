"""How the cost of a call grows with its size: four times the work should take about four times as long, not sixteen.

For each job and four sizes: the processor's time, and its growth from size to size as a power (1 is proportional);
then the memory of a descent that keeps its last point, in vectors of its size.

    python benchmarks/bench_growth.py
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from optlib import Optimizer, compare, descend, parallel, rules, surfaces, view

REPETITIONS = 3


def quadratic(d: int) -> surfaces.Quadratic:
    return surfaces.Quadratic(np.linspace(1.0, 10.0, d))


def walk(steps: int, d: int = 2) -> None:
    descend(Optimizer(rules.adam), quadratic(d).grad, np.ones(d), steps, keep="last")


def contest(entries: int) -> None:
    names = ("sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "nadam", "amsgrad")
    methods = {name: (rules.TABLE[name], {"lr": [0.001, 0.003, 0.01]}) for name in names[:entries]}
    compare.contest(compare.surface(surfaces.ravine, spread=0.1), methods, budget=50, progress=False)


JOBS: dict[str, tuple[Callable[[int], object], tuple[int, ...]]] = {
    "descend, updates in two dimensions": (walk, (1000, 4000, 16_000, 64_000)),
    "descend, coordinates, 20 updates": (lambda d: walk(20, d), (20_000, 80_000, 320_000, 1_280_000)),
    "contest, entries": (contest, (1, 2, 4, 8)),
    "contour, points of a path": (
        lambda n: view.contour(surfaces.ravine, {"sgd": np.linspace((-10.0, 1.0), (0.0, 0.0), n)}).png,
        (1000, 4000, 16_000, 64_000),
    ),
    "simulation, updates of 8 workers": (
        lambda n: parallel.train(
            parallel.async_sgd(Optimizer(rules.sgd, lr=0.01)),
            [quadratic(10).grad] * 8,
            np.ones(10),
            steps=n // 8,
            backend="simulate",
        ),
        (1000, 4000, 16_000, 64_000),
    ),
}


def seconds(work: Callable[[int], object], size: int) -> float:
    times = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        work(size)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    print(f"processor seconds, best of {REPETITIONS}; growth: the power from the second size to the last")
    for job, (work, sizes) in JOBS.items():
        work(sizes[0])  # what is imported and compiled once
        times = [seconds(work, size) for size in sizes]
        power = np.log(times[-1] / times[1]) / np.log(sizes[-1] / sizes[1])
        told = "  ".join(f"{size:,}: {t:.3f}" for size, t in zip(sizes, times, strict=True))
        print(f"{job:36} {told}   growth {power:.2f}")
    d = 1_000_000
    tracemalloc.start()
    walk(5, d)
    peak = tracemalloc.get_traced_memory()[1] / (8 * d)
    print(f"a descent by Adam of {d:,} numbers, its last point kept: {peak:.1f} vectors at most")


if __name__ == "__main__":
    main()
