"""Entries, and what the ladder finds out about each: tuned on one member, run on fresh ones, a job a family."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from downhill_course.grade.sandbox import Sandbox
from downhill_course.ladder import rider, scoring
from downhill_course.ladder.families import FAMILIES, SCORED, member_of, secret
from downhill_course.ladder.race import Boxed, Local, Out, cleaned, race
from optlib.rules import HYPER

TRACKS = {"elementwise": "逐坐标", "matrix": "矩阵", "self-tuning": "免调参"}
LONGEST = 10_000  # characters of an entry
_TUNING, _FIRST = 0, 1  # members: one to choose the setting on, then fresh ones


@dataclass(frozen=True)
class Entry:
    """A file that takes part: who sent it, its text, and what it says of itself once it has been looked at."""

    name: str
    source: str
    about: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""

    @property
    def settings(self) -> list[dict[str, float]]:
        """What is tried on each problem; one empty setting stands for the defaults."""
        return self.about.get("settings") or [{}]

    @property
    def track(self) -> str:
        """Self-tuning without a list to choose from; else elementwise or matrix, by what the rule does."""
        if len(self.settings) == 1:
            return "self-tuning"
        return "elementwise" if self.about.get("elementwise") else "matrix"


def _riders(sandbox: Sandbox | None) -> Local | Boxed:
    return Local() if sandbox is None else Boxed(sandbox)


def examined(name: str, source: str, sandbox: Sandbox | None) -> Entry:
    """An entry that has been looked at: its `trouble` is empty, or the one sentence that says what is wrong."""
    if len(source) > LONGEST:
        return Entry(name, source, trouble=f"the file has {len(source):,} characters; at most {LONGEST:,} are read")
    try:
        with _riders(sandbox) as riders:
            told = riders.call("examine", source)
        return Entry(name, source, _checked(told))
    except Out as out:
        return Entry(name, source, trouble=cleaned(out.why))


def _checked(told: Any) -> dict[str, Any]:
    """What an entry says of itself, from the other side: its types, and the ranges of its settings."""
    if isinstance(told, dict) and "trouble" in told:
        raise Out(cleaned(told["trouble"]))
    if not isinstance(told, dict):
        raise Out("it does not say plainly what it is")
    hyper, settings = told.get("hyper"), told.get("settings")
    listed = settings is None or (isinstance(settings, list) and 0 < len(settings) <= rider.SETTINGS)
    sets: list[Any] = [hyper, *(settings or [])] if listed else [None]
    if not all(isinstance(one, dict) and all(isinstance(v, (float, str)) for v in one.values()) for one in sets):
        raise Out("it does not say plainly what it is")
    for i, one in enumerate(sets):
        for name, value in one.items():
            if isinstance(value, str):
                one[name] = cleaned(value, 40)
                continue
            known = HYPER.get(name.rpartition(".")[2])
            low, high, closed = (-math.inf, math.inf, False) if known is None else known[1:4]
            if not (low <= value < high or (closed and value == high)):
                where = (
                    f"settings, number {i}: {cleaned(name, 40)} is" if i else f"the default of {cleaned(name, 40)} is"
                )
                raise Out(f"{where} {value:g}, out of range; allowed is [{low:g}, {high:g}{']' if closed else ')'}")
    return {
        "name": cleaned(told.get("name"), 40), "hyper": hyper, "settings": settings,
        "horizon": told.get("schedule") == "t, steps", "schedule": bool(told.get("schedule")),
        "elementwise": told.get("elementwise") is True,
    }  # fmt: skip


# --- one job ---------------------------------------------------------------------------------------


def judged(entry: Entry, family: str, seed: str, targets: Sequence[float] | None, sandbox: Sandbox | None) -> dict:
    """What an entry does on a family: the job that processes and clusters share out.

    Parameters
    ----------
    seed : the secret that members are drawn from
    targets : the loss to reach on each fresh member; None for the entry that sets them

    Returns
    -------
    dict with `chosen`, the setting that reached the least loss on the tuning member; `edge`, if it is the first or
    last of a list of three or more; `curves`, of shape (5, looks), infinity as None; `steps`; `why`, how it failed, if
    it did; `out`, why the entry is out of the whole ladder; `seconds` of processor time for one update.
    """
    numbers = secret(seed)
    result: dict[str, Any] = {
        "chosen": {}, "edge": "", "curves": [], "steps": [None] * scoring.FRESH, "path": [], "why": "", "out": "",
        "seconds": math.nan,
    }  # fmt: skip
    try:
        settings, at = entry.settings, 0
        drawn = not FAMILIES[family].scored
        if len(settings) > 1 or drawn:
            members = [member_of(family, numbers, _TUNING) for _ in settings]
            with _riders(sandbox) as riders:
                tried = race(riders, entry.source, family, members, settings)
            at = int(np.argmin(tried.curves[:, -1]))
            result["path"] = [[round(float(x), 4) for x in point] for point in tried.points[:, at] if _drawable(point)]
            if all(tried.failures):
                result["why"] = tried.failures[at]
        result["chosen"] = settings[at]
        if len(settings) > 2 and at in (0, len(settings) - 1):
            result["edge"] = "first" if at == 0 else "last"
        if drawn or result["why"]:
            return result
        members = [member_of(family, numbers, _FIRST + i) for i in range(scoring.FRESH)]
        with _riders(sandbox) as riders:
            run = race(riders, entry.source, family, members, [settings[at]] * scoring.FRESH)
        result["curves"] = [plain(curve) for curve in run.curves]
        result["why"] = next(filter(None, run.failures), "")
        result["seconds"] = run.seconds
        if targets is not None:
            result["steps"] = _reached(run.curves, targets, family)
    except Out as out:
        result["out"] = cleaned(out.why)
    return result


def _reached(curves: Iterable[ArrayLike], targets: Sequence[float], family: str) -> list[float | None]:
    """Steps to the target on each fresh member, None where it is never reached."""
    every = FAMILIES[family].every
    return plain([scoring.steps_to(curve, goal, every) for curve, goal in zip(curves, targets, strict=True)])


def _drawable(point: Any) -> bool:
    return bool(np.isfinite(point).all() and (np.abs(point) < 1e3).all())


def plain(values: Any) -> list[float | None]:
    """Numbers for JSON, to six digits; what is not finite is None."""
    return [float(f"{v:.6g}") if math.isfinite(v) else None for v in np.asarray(values, dtype=float).tolist()]


def infinite(values: Sequence[float | None]) -> list[float]:
    """The inverse of `plain`."""
    return [math.inf if v is None else float(v) for v in values]


# --- many jobs -------------------------------------------------------------------------------------

Job = tuple[Callable, tuple]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside compute with one thread each, so that many do not hinder each other."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class Crew:
    """Who does the jobs: processes of this machine, or the workers of a Dask cluster. Either gives the same results."""

    def __init__(self, processes: int = 1, client: str | None = None) -> None:
        self.processes, self.address = processes, client

    def __enter__(self) -> Crew:
        if self.address:
            from distributed import Client

            self.client = Client(self.address)
        else:
            with _one_thread():
                # spawned, the same on every system; all are started while the variables are set
                self.pool = ProcessPoolExecutor(self.processes, mp_context=get_context("spawn"))
                for future in [self.pool.submit(os.getpid) for _ in range(self.processes)]:
                    future.result()
        return self

    def __exit__(self, *error: object) -> None:
        if self.address:
            self.client.close()
        else:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def all(self, jobs: Sequence[Job], done: Callable[[], None]) -> list[Any]:
        """The results, in the order of the jobs; `done` is called as each ends."""
        arriving: Callable = as_completed
        if self.address:
            from distributed import as_completed as arriving

            futures: list = [self.client.submit(function, *given, pure=False) for function, given in jobs]
        else:
            futures = [self.pool.submit(function, *given) for function, given in jobs]
        for _ in arriving(futures):
            done()
        return [future.result() for future in futures]


def targets_of(first: dict[str, dict]) -> dict[str, list[float]]:
    """Targets from the results of the entry that sets them: what it reaches in four fifths of the steps."""
    found = {}
    for family in SCORED:
        if first[family]["why"] or first[family]["out"]:
            raise RuntimeError(f"the entry that sets the targets fails on {family}: {first[family]['why']}")
        # a little above what was reached, so that rounding for the file and another machine's last digit decide nothing
        found[family] = [1.00001 * scoring.target_of(infinite(curve)) for curve in first[family]["curves"]]
    return found


def with_steps(results: dict[str, dict], targets: dict[str, list[float]]) -> dict[str, dict]:
    """The results of the entry that sets the targets, measured by them itself."""
    return {
        family: result if family not in targets else {
            **result,
            "steps": _reached([infinite(curve) for curve in result["curves"]], targets[family], family),
        }
        for family, result in results.items()
    }  # fmt: skip


def row(entry: Entry, results: dict[str, dict]) -> dict[str, Any]:
    """All that is known of an entry, as JSON: what the board is made of."""
    out = entry.trouble or next((r["out"] for r in results.values() if r["out"]), "")
    families: dict[str, dict] = {}
    for family in SCORED:
        found = results.get(family)
        if out or not found:
            families[family] = {"chosen": {}, "edge": "", "curve": [], "steps": [None] * scoring.FRESH, "why": out}
            continue
        middle: Any = np.median([infinite(curve) for curve in found["curves"]], axis=0) if found["curves"] else []
        kept = {key: found[key] for key in ("chosen", "edge", "steps", "why")}
        families[family] = {**kept, "curve": [v if v is None else float(f"{v:.4g}") for v in plain(middle)]}
    times = [r["seconds"] for f, r in results.items() if f in SCORED and math.isfinite(r["seconds"])]
    return {
        "name": entry.name, "rule": entry.about.get("name", ""), "track": entry.track,
        "settings": entry.about.get("settings"), "horizon": bool(entry.about.get("horizon")),
        "schedule": bool(entry.about.get("schedule")), "source": entry.source, "trouble": out,
        "families": families, "paths": {} if out else {f: r["path"] for f, r in results.items() if r["path"]},
        "micros": round(1e6 * sum(times) / len(times)) if times and not out else None,
    }  # fmt: skip


def ranked(rows: Sequence[dict]) -> list[dict]:
    """Rows with `score`, `lead` over NAdam and `chance`, best first; rows of one score in the order given."""
    steps = {row["name"]: {f: infinite(row["families"][f]["steps"]) for f in SCORED} for row in rows}
    found = scoring.scores({name: {f: scoring.counted(n) for f, n in row.items()} for name, row in steps.items()})
    told = []
    for one in rows:
        gaps = scoring.lead(steps[one["name"]], steps["nadam"])
        share = 0.0 if one["trouble"] else round(found[one["name"]], 4)
        told.append(
            {
                **one,
                "score": share,
                "lead": round(float(np.exp(gaps.mean())), 3),
                "chance": float(f"{scoring.chance(gaps):.3g}"),
            }
        )
    return sorted(told, key=lambda one: -one["score"])
