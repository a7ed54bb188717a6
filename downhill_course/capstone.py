"""What chapter 12 keeps in files: the course's prose, the contest of optimizers, the model that writes in the page.

Each is made by one command and then stays as it is, so that a changed sentence elsewhere changes no recorded output.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from downhill_course.figures.training import packed
from downhill_course.files import replace
from downhill_course.notebook.cells import language_of, read, tags_of, text_of
from downhill_course.notebook.views import from_yaml
from downhill_course.project import BOOK, ROOT
from optlib import Optimizer, data, descend, layered, oracles, rules, schedules
from optlib.transformer import Transformer

FILES = ROOT / "optlib" / "_files"
STORED = ROOT / "downhill_course" / "_files"
RARE = {"en": 20, "zh": 8}  # a character that occurs less often is not in the alphabet
SHORT = {"en": 30, "zh": 12}  # shorter paragraphs are left out
GREEK = {
    "eta": "η", "theta": "θ", "gamma": "γ", "beta": "β", "lambda": "λ", "alpha": "α", "sigma": "σ", "kappa": "κ",
    "rho": "ρ", "mu": "μ", "tau": "τ", "epsilon": "ε", "cdot": "·", "times": "×", "approx": "≈",
}  # fmt: skip


def plain(text: str) -> list[list[str]]:
    """The paragraphs of a passage, each a list of its sentences, as one would read them aloud, without
    formulas that need more than a line of letters.

    >>> plain("**Here** [the rate](x) $\\\\eta=0.1$ is `lr` {cite:p}`kingma2015`. $\\\\frac12$ goes. So it is.")
    [['Here the rate η=0.1 is lr.', 'So it is.']]
    """
    text = re.sub(r"^[ \t]*(`{3,}|:{3,})\{dropdown\}.*$", "", text, flags=re.M)
    text = re.sub(r"^[ \t]*`{3,}.*?^[ \t]*`{3,}[ \t]*$", "", text, flags=re.M | re.S)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)
    text = re.sub(r"\s*\{cite:p\}`[^`]*`", "", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)\s]*\)", r"\1", text)
    paragraphs = []
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)", text):
        if re.search(r"^\s*(\||#|<|\()", block) or "```" in block:
            continue
        block = re.sub(r"^\s*(?:[-*]|\d+\.|\*\*\d+\.\*\*)\s+", "", " ".join(block.split()))
        block = re.sub(rf"\\({'|'.join(GREEK)})\b(?: (?=[\w\\]))?", lambda found: GREEK[found[1]], block)
        block = re.sub(r"\\[,*]|[$`*]", "", block.replace("\\%", "%"))
        sentences = re.split(r"(?<=[.?!])\s+(?=[^a-z])|(?<=[。？！])(?![”）])\s*", block)
        paragraphs.append([s.strip() for s in sentences if s.strip() and not re.search(r"[\\{}_^<>|#]", s)])
    return [sentences for sentences in paragraphs if sentences]


def told(rows: Any, language: str) -> list[str]:
    """All texts in a language of what a YAML file holds."""
    if isinstance(rows, dict):
        own = rows.get(language)
        return [own] if isinstance(own, str) else [t for row in rows.values() for t in told(row, language)]
    return [t for row in rows for t in told(row, language)] if isinstance(rows, list) else []


def prose(language: str) -> str:
    """All prose of the chapters before this one, a paragraph a line; sentences with a rare character are left out."""
    paragraphs = []
    for path in sorted(BOOK.glob("[01][0-9]-*.ipynb")):
        if path.stem < "11":
            for cell in read(path)["cells"]:
                if language_of(cell) == language and "question" not in tags_of(cell):
                    paragraphs += plain(text_of(cell))
    for path in sorted((BOOK / "questions").glob("[01][0-9]-*.yml")):
        if path.stem < "11":
            for text in told(from_yaml(path.read_text(encoding="utf-8")), language):
                paragraphs += plain(text)
    counts = Counter("".join(sentence for sentences in paragraphs for sentence in sentences))
    alphabet = {character for character, n in counts.items() if n >= RARE[language]}
    joint = "" if language == "zh" else " "
    lines = [joint.join(s for s in sentences if set(s) <= alphabet) for sentences in paragraphs]
    return "\n".join(line for line in lines if len(line) > SHORT[language]) + "\n"


def write_prose(folder: Path = FILES) -> None:
    """The two files of `optlib.data.prose`."""
    for language in RARE:
        text = prose(language)
        small = gzip.compress(text.encode("utf-8"), 9, mtime=0)
        (folder / f"prose-{language}.txt.gz").write_bytes(small)
        print(f"prose-{language}: {len(text):,} characters of {len(set(text))} kinds, {len(small):,} bytes")


# --- the contest of optimizers ---------------------------------------------------------------------------------

STEPS, BATCH, PLACES = 600, 16, 32
TUNED_ON, REPORTED_ON = (100, 101), (0, 1, 2, 3, 4)
TRIES = 5  # rates for each, a factor of two apart


def warmed(rate: float) -> Callable:
    """Warm-up and then the full rate: the schedule of the one that needs none."""
    return schedules.warm_up(rate, STEPS // 20)


def cooled(rate: float) -> Callable:
    """5 % warm-up, the full rate, and a linear end of 40 %."""
    return schedules.warm_up_stable_decay(rate, steps=STEPS, warm=STEPS // 20, decay=2 * STEPS // 5)


def hidden(rule: Callable, share: float, **hyper: Any) -> Callable:
    """A rule for the hidden matrices, AdamW at a share of its rate for the rest."""

    def make(parts: dict, rate: float) -> Any:
        rest = Optimizer(rules.adamw, lr=cooled(share * rate), beta2=0.95, weight_decay=0.0)
        return layered(parts, hidden=Optimizer(rule, lr=cooled(rate), **hyper), rest=rest)

    return make


def whole(rule: Callable, schedule: Callable = cooled, **hyper: Any) -> Callable:
    """One rule for everything."""
    return lambda parts, rate: Optimizer(rule, lr=schedule(rate), **hyper)


#: name -> (how it is made of the model's parts and a rate, the smallest rate tried)
ENTRIES: dict[str, tuple[Callable, float]] = {
    "SGD, momentum": (whole(rules.momentum), 2.0**-6),
    "AdamW": (whole(rules.adamw, beta2=0.95, weight_decay=0.1), 2.0**-11),
    "Lion": (whole(rules.lion, weight_decay=1.0), 2.0**-12),
    "Schedule-Free": (whole(rules.schedule_free_adamw, warmed, weight_decay=0.1), 2.0**-10),
    "Muon": (hidden(rules.muon, 0.3, weight_decay=0.1), 2.0**-9),
    "SOAP": (hidden(rules.soap, 1.0, weight_decay=0.01), 2.0**-10),
}


def trained(optimizer: Any, text: data.Prose, seed: int, steps: int = STEPS, looks: int = 12) -> dict[str, Any]:
    """One training: held-out losses on both halves of the test, at `looks` times, the point, and the rule's seconds."""
    model = Transformer(len(text.alphabet), PLACES)
    X, y = data.windows(text.train, PLACES)
    oracle = oracles.clipped(oracles.minibatch(model, X, y, batch_size=BATCH, seed=seed), norm=1.0)
    test, after = data.windows(text.test, PLACES, every=PLACES)
    theta = model.init(seed, np.float32)  # twice as fast, and the same to the third digit
    state, curve, seconds = optimizer.init(theta), [], 0.0
    for t in range(steps):
        g = oracle(optimizer.ask(theta, state), t)
        began = time.process_time()
        theta, state = optimizer.tell(theta, g, state)
        seconds += time.process_time() - began
        if (t + 1) % (steps // looks) == 0:
            each = model.losses(theta, test, after).mean(axis=1)
            curve.append([float(each[::2].mean()), float(each[1::2].mean())])
    return {"curve": curve, "theta": theta, "ms": 1e3 * seconds / steps}


def attempt(task: tuple[str, float, int]) -> dict[str, Any]:
    """One run of the contest, in a process of its own; a run that fails has lost."""
    name, rate, seed = task
    text = data.prose("en")
    optimizer = ENTRIES[name][0](Transformer(len(text.alphabet), PLACES).parts(), rate)
    try:
        run = trained(optimizer, text, seed)
    except FloatingPointError:
        return {"curve": [[float("inf")] * 2], "ms": float("nan")}
    return {"curve": run["curve"], "ms": run["ms"]}


def contest(processes: int = 2) -> dict[str, Any]:
    """Each tries as many rates on seeds and text of their own; what was best is reported on others."""
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        grid = [
            (name, low * 2**k, seed) for name, (_, low) in ENTRIES.items() for k in range(TRIES) for seed in TUNED_ON
        ]
        for (name, rate, _), run in zip(grid, pool.map(attempt, grid), strict=True):
            found.setdefault(name, {"tried": {}})["tried"].setdefault(f"{rate:.6g}", []).append(run["curve"][-1][0])
            print(f"{name:14} {rate:.6f} {run['curve'][-1][0]:.3f}", flush=True)
        for row in found.values():
            row["rate"] = float(min(row["tried"], key=lambda rate: float(np.mean(row["tried"][rate]))))
        reported = [(name, row["rate"], seed) for name, row in found.items() for seed in REPORTED_ON]
        for (name, _, seed), run in zip(reported, pool.map(attempt, reported), strict=True):
            found[name].setdefault("curves", []).append([round(half, 5) for _, half in run["curve"]])
            found[name].setdefault("ms", []).append(round(run["ms"], 2))
            print(f"{name:14} seed {seed} {run['curve'][-1][1]:.3f}", flush=True)
    for row in found.values():
        row["tried"] = {rate: [round(loss, 5) for loss in losses] for rate, losses in row["tried"].items()}
    return found


# --- the chapter's lessons on five seeds -----------------------------------------------------------------------

_WARM = schedules.warm_up(0.4, 20)
_COOL = schedules.warm_up_stable_decay(0.2, steps=400, warm=1, decay=160)
#: name -> (rate, clipped at 1, steps), all with momentum 0.9
LESSONS: dict[str, tuple[Any, bool, int]] = {
    **{f"rate {eta}": (eta, False, 120) for eta in (0.025, 0.05, 0.1, 0.2, 0.4)},
    **{f"rate {eta}, clipped": (eta, True, 120) for eta in (0.025, 0.05, 0.1, 0.2, 0.4)},
    "rate 0.4, warm-up": (_WARM, False, 120), "rate 0.4, both": (_WARM, True, 120),
    "400 steps, constant": (0.2, True, 400), "400 steps, cooled": (_COOL, True, 400),
}  # fmt: skip


def lesson(task: tuple[str, int]) -> float:
    """The held-out loss at the end of one run of the chapter, with another seed."""
    (rate, clips, steps), seed = LESSONS[task[0]], task[1]
    text = data.prose("en")
    model = Transformer(len(text.alphabet), PLACES)
    oracle: Any = oracles.minibatch(model, *data.windows(text.train, PLACES), batch_size=BATCH, seed=seed)
    oracle = oracles.clipped(oracle, norm=1.0) if clips else oracle
    theta = descend(Optimizer(rules.momentum, lr=rate), oracle, model.init(seed), steps, keep="last")
    return model.loss(theta, *(part[:128] for part in data.windows(text.test, PLACES, every=PLACES)))


def lessons(processes: int = 2) -> dict[str, list[float]]:
    """What the chapter shows with one seed, with five."""
    tasks = [(name, seed) for name in LESSONS for seed in REPORTED_ON]
    found: dict[str, list[float]] = {name: [] for name in LESSONS}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for (name, _), loss in zip(tasks, pool.map(lesson, tasks), strict=True):
            found[name].append(round(loss, 5))
            print(f"{name:22} {loss:.3f}", flush=True)
    return found


# --- the model that writes in the page -------------------------------------------------------------------------

LONG = {"en": 3000, "zh": 1500}  # steps: Chinese has less text, and longer training learns it by heart


def writer(language: Literal["en", "zh"]) -> NDArray:
    """The weights of the model that writes in the page: a long training with Muon, of shape (d,)."""
    text = data.prose(language)
    model = Transformer(len(text.alphabet), PLACES)
    steps = LONG[language]
    rates = [schedules.warm_up_stable_decay(r, steps=steps, warm=steps // 20, decay=steps // 2) for r in (0.01, 0.003)]
    rest = Optimizer(rules.adamw, lr=rates[1], beta2=0.95, weight_decay=0.1)
    muon = Optimizer(rules.muon, lr=rates[0], weight_decay=0.1)
    run = trained(layered(model.parts(), hidden=muon, rest=rest), text, seed=0, steps=steps)
    print(language, *(f"{np.mean(look):.3f}" for look in run["curve"]))
    return run["theta"]


def write_writer(language: Literal["en", "zh"]) -> None:
    """Train the model that writes in the page, and store its weights in a byte each."""
    numbers, scales = packed(writer(language), Transformer(len(data.prose(language).alphabet), PLACES).parts())
    np.savez_compressed(STORED / f"writer-{language}.npz", numbers=numbers, scales=scales)


def store(name: str, found: dict[str, Any]) -> None:
    """Write what was found to where `figures.training.stored` reads it."""
    replace(STORED / f"{name}.json", json.dumps(found, indent=1) + "\n")


#: what is stored -> (what makes it, what it takes)
MAKERS: dict[str, tuple[Callable[[], None], str]] = {
    "prose": (write_prose, "the text that optlib.data.prose gives; a second"),
    "contest": (
        lambda: store("contest", contest()),
        "six optimizers on the transformer; a quarter of an hour of two cores",
    ),
    "lessons": (lambda: store("lessons", lessons()), "the chapter's runs on five seeds; two minutes of two cores"),
    "writer-en": (lambda: write_writer("en"), "the model that writes English in the page; a minute"),
    "writer-zh": (lambda: write_writer("zh"), "the model that writes Chinese in the page; a minute"),
}


def main(arguments: list[str] | None = None) -> int:
    """Make one of the stored files anew."""
    told = "\n".join(f"  {name:<10} {what}" for name, (_, what) in MAKERS.items())
    parser = argparse.ArgumentParser(
        prog="downhill capstone", description=f"Make anew what chapter 12 keeps in files:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("name", choices=MAKERS, help="the file to make")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for the processes that are started
    MAKERS[parser.parse_args(arguments).name][0]()
    return 0
