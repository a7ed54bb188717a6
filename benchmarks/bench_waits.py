"""What a reader, a student, an instructor or an author waits for, in seconds: Run All, a contest, the commands.

    python benchmarks/bench_waits.py                     # chapters and contests; about ten minutes
    python benchmarks/bench_waits.py --only contests
    python benchmarks/bench_waits.py --only commands     # make book, make test-fast, make lint; with --only alone
    python benchmarks/bench_waits.py --write

A row that is "no" is a wait that is too long. The explorer's and the grader's times have benchmarks of their own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rows import HERE, Row, asked, report, row, seconds

from optlib import compare, data, models, rules, schedules, surfaces

ROOT = HERE.parent
PEAKS = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]  # highest rates to choose from


def bounded(job: str, who: str, allowed: float, times: list[float]) -> Row:
    """A wait, and how many times it fits into what its reader is asked for."""
    found = f"{np.median(times):.1f} s"
    return row(job, f"{allowed:g} s, {who}", allowed / np.array(times), 1.0, found)


def run_all(quick: bool) -> list[Row]:
    """Each chapter from a fresh kernel to its last cell, as Run All does it."""
    found = []
    for path in sorted((ROOT / "book").glob("[01]*.ipynb"))[: 2 if quick else None]:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", folder, str(path),
            ]  # fmt: skip
            taken = seconds(partial(subprocess.run, command, check=True, capture_output=True, cwd=ROOT))
        found.append(bounded(f"Run All of {path.stem}", "a reader", 60.0, [taken]))
    return found


def net() -> compare.Problem:
    """A net of two hidden layers on handwritten digits, 32 examples a step; the loss on held-out digits counts."""
    seen, unseen = data.split(*data.digits(), test=0.3, seed=0)
    return compare.examples(models.MLP([64, 24, 24, 10]), *seen, batch_size=32, held_out=unseen, name="net")


def scheduled(steps: int) -> dict[str, Any]:
    """Momentum under four schedules, each with six highest rates to choose from."""
    made = {
        "constant": schedules.constant,
        "cosine": partial(schedules.cosine, steps=steps),
        "linear": partial(schedules.polynomial, steps=steps),
        "one cycle": partial(schedules.one_cycle, steps=steps),
    }
    return {name: (rules.momentum, {"lr": [make(high) for high in PEAKS]}) for name, make in made.items()}


def contests(quick: bool) -> list[Row]:
    """Two contests as chapters hold them, with one process and with two."""
    budget, seeds = (60, 2) if quick else (600, 5)
    tuned = {rule.__name__: (rule, {"lr": PEAKS}) for rule in (rules.sgd, rules.momentum, rules.rmsprop, rules.adam)}
    found = []
    for name, contest in {
        "four schedules on a network": partial(compare.contest, net(), scheduled(budget), points=10),
        "four algorithms on two surfaces and a network": partial(
            compare.contest, [compare.surface(surfaces.ravine), compare.surface(surfaces.rosenbrock), net()], tuned
        ),
    }.items():
        one, two = (
            seconds(partial(contest, budget=budget, seeds=seeds, progress=False, workers=workers)) for workers in (1, 2)
        )
        found.append(bounded(f"contest: {name}", "a reader", 30.0, [one]))
        found.append(row(f"contest: {name}, two processes", "one process", np.array([one / two]), 1.0, f"{two:.1f} s"))
    return found


def commands(quick: bool) -> list[Row]:
    """What an author runs; on a machine where it was run before, so that nothing is installed."""
    found = []
    for command, who, allowed in (
        ("make book", "an author", 240.0), ("make test-fast", "before each commit", 60.0),
        ("make lint", "before each commit", 60.0),
    )[: 1 if quick else None]:  # fmt: skip
        taken = seconds(partial(subprocess.run, command.split(), check=True, capture_output=True, cwd=ROOT))
        found.append(bounded(command, who, allowed, [taken]))
    return found


PARTS: dict[str, Callable[[bool], list[Row]]] = {"chapters": run_all, "contests": contests, "commands": commands}
USUAL = ("chapters", "contests")  # the commands only where they are asked for: `make bench` is one itself


def main() -> int:
    options = asked(__doc__ or "", "RESULTS-WAITS.md", PARTS)
    found: list[Row] = []
    for part in options.only or USUAL:
        print(f"... {part}", file=sys.stderr, flush=True)
        found += PARTS[part](options.quick)
    report(found, options, Path(__file__).name, "RESULTS-WAITS.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
