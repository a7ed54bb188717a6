"""What the benchmarks share: rows of times side by side, their table, their options.

The rule for every row: whole calls, each with all that it needs, in the median of turns with the peer's; the same
threads, precision, settings and environment for both; set-up counted once for each. A row that loses says "no".
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


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


def seconds(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start


def race(ours: Callable[[], Any], peer: Callable[[], Any], repeats: int) -> tuple[np.ndarray, float]:
    """Ratios peer/ours of interleaved runs after one of each that is not counted, and our median time.

    Both run on one thread, so it is the processor's time that counts: what else the machine does changes nothing.
    """
    ours(), peer()
    times = np.array([[seconds(work, time.process_time) for work in (ours, peer)] for _ in range(repeats)])
    return times[:, 1] / times[:, 0], float(np.median(times[:, 0]))


def row(job: str, peer: str, ratios: np.ndarray, bar: float | None, ours: str) -> Row:
    return Row(job, peer, float(np.median(ratios)), float(ratios.min()), float(ratios.max()), bar, ours)


def has(*modules: str) -> bool:
    return all(importlib.util.find_spec(m) for m in modules)


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
    """The options that the benchmarks share, and `--only` for one of parts."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as JSON")
    if parts:
        parser.add_argument("--only", action="append", choices=list(parts), help="this part; may be given again")
    parser.add_argument("--write", action="store_true", help=f"also write benchmarks/{results}")
    options = parser.parse_args()
    if options.write and getattr(options, "only", None):
        parser.error("--write keeps the results of all parts: leave --only away")
    return options


def said(results: str) -> str:
    """What somebody has written above the table there: a new one leaves it."""
    path = HERE / results
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    prose = text.partition("\n\nMachine: ")[2].partition("\n| job |")[0].partition("\n\n")[2].strip()
    return f"{prose}\n\n" if prose else ""


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
            "ours is faster. Median, and the range over the repeats.\n\n"
            f"Machine: {facts}.\n\n{notes or said(results)}{table(rows)}\n",
            encoding="utf-8",
        )
