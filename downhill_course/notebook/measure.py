"""How long a chapter is: its words, cells, figures and minutes, counted from the notebook. No Sphinx, no kernel.

A chapter with a page ``NN-name-deeper`` beside it is a *core*, for which there are limits (CONTRIBUTING, "A chapter").
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from downhill_course.notebook.cells import LABEL, about, headings, language_of, parts, read, tags_of, text_of
from downhill_course.notebook.passages import GONE, take_apart

DEEPER = "-deeper"
EXPLORER = "application/vnd.downhill.explorer+json"
QUESTION = "question"  #: the tag of the cells that a chapter's question file writes
LIMITS = {"words": (1800, 2500), "exercise_words": (1, 400), "cells": (1, 14), "figures": (5, 8), "explorers": (0, 3)}
LONGEST = 35  #: minutes, without the exercises
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 20
MINUTES_A_FIGURE, MINUTES_AN_EXPLORER = 0.5, 2
IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")  # its alt text is not read with the rest
WORD = re.compile(r"[A-Za-z0-9][\w'’.,/-]*")


@dataclass(frozen=True)
class Measure:
    """What a reader meets. ``words`` are English and hold those of the exercises; ``figures`` hold the explorers."""

    words: int
    exercise_words: int
    cells: int
    lines: int
    figures: int
    explorers: int

    @property
    def minutes(self) -> int:
        """How long it takes to read without the exercises, in whole minutes.

        >>> Measure(words=2400, exercise_words=400, cells=12, lines=100, figures=7, explorers=2).minutes
        22
        """
        pictures = (self.figures - self.explorers) * MINUTES_A_FIGURE + self.explorers * MINUTES_AN_EXPLORER
        words = self.words - self.exercise_words
        return math.ceil(words / WORDS_A_MINUTE + self.lines / LINES_A_MINUTE + pictures)

    def faults(self) -> Iterator[str]:
        """What is beyond the limits, with count and limit."""
        for name, (least, most) in LIMITS.items():
            count = getattr(self, name)
            if not least <= count <= most:
                yield f"{name.replace('_', ' ')}: {count}, and the limits are {least} and {most}"
        if self.minutes > LONGEST:
            yield f"minutes: {self.minutes}, and {LONGEST} is the most"


def words(text: str) -> int:
    """The words of an English passage as a reader counts them: no formula, no code, no link's address.

    >>> words("A step of $\\\\eta$ is 0.1, see [the rule](rule).\\n\\n```python\\nx = 1\\n```")
    8
    """
    return len(WORD.findall(take_apart(IMAGE.sub("", text)).prose.replace(GONE, " ")))


def measure(notebook: dict) -> Measure:
    """Count a notebook."""
    total = exercises = cells = lines = figures = explorers = 0
    practising = False
    for cell in notebook["cells"]:
        text, tags = text_of(cell), tags_of(cell)
        if cell["cell_type"] == "markdown":
            if headings(text):
                practising = any(label.endswith("exercises") for label in LABEL.findall(parts(text).prose))
            if QUESTION in tags or language_of(cell) == "zh":
                continue
            count = words(text) if language_of(cell) == "en" else 0
            total += count
            exercises += count if practising or cell["id"].startswith("exercise-") else 0
        elif cell["cell_type"] == "code" and "remove-cell" not in tags:
            cells += "hide-input" not in tags  # folded: imports before a first figure, say
            shown = [] if {"remove-input", "hide-input"} & set(tags) else text.splitlines()
            bundles = [output.get("data", {}) for output in cell.get("outputs", [])]
            for bundle in bundles:  # a listing is read as code is
                shown += [line for _, code in parts("".join(bundle.get("text/markdown", ""))).verbatim
                          for line in code.splitlines()]  # fmt: skip
            lines += sum(bool(line.strip()) for line in shown)
            figures += bool(about(cell).get("figure"))
            explorers += any(EXPLORER in bundle for bundle in bundles)
    return Measure(total, exercises, cells, lines, figures, explorers)


def is_core(path: Path) -> bool:
    """Whether a chapter has a deeper page beside it."""
    return path.exists() and path.with_name(f"{path.stem}{DEEPER}.ipynb").exists()


def minutes(path: Path) -> int:
    """The minutes of a core; counted once for each version of its file."""
    return _minutes(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _minutes(path: Path, version: int) -> int:
    return measure(read(path)).minutes
