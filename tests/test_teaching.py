"""How a chapter teaches: the size of its core, its words, and code that stands alone.

A core is a chapter with a page ``NN-name-deeper`` beside it. Its code is run twice already (by nbval here, by whoever
wrote it), with every cell and in the folder of the book. What that cannot see is looked at here without running it:
does the visible code use a name that only a hidden cell gives, a library that a reader has not, a command of Jupyter's?
With those excluded, the run by nbval is the run of the visible cells. ``make test-all`` runs them all the same, typed
one after the other in a fresh interpreter, in an empty folder.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sample import figure, heading, prose

from downhill_course.notebook.cells import about, read, tags_of, text_of
from downhill_course.notebook.measure import DEEPER, QUESTION, Measure, is_core, measure, minutes, words
from downhill_course.notebook.passages import take_apart
from downhill_course.notebook.running import REPEATABLE, STATIC
from downhill_course.pages.course import chapters

BOOK = Path(__file__).parents[1] / "book"
CORES = [path for path in sorted(BOOK.glob("[0-9][0-9]-*.ipynb")) if is_core(path)]
TAUGHT = sorted([*CORES, *(path.with_name(f"{path.stem}{DEEPER}.ipynb") for path in CORES)])
HIDDEN = {"remove-cell", "remove-input"}
BESIDE = {"numpy", "optlib", "downhill_course"} | set(sys.stdlib_module_names)
WIDEST = 88
QUARREL = re.compile(
    r"\b(?:one|another) source\b(?! of\b)|\bthe (?:slides|overview)\b|有份资料|另一份资料|课件|综述|译文", re.I
)

HANDS = re.compile(r"\b(?:[Dd]rag|[Pp]ress play|[Ss]lider|[Ss]crub)\b|拖动|按下播放|滑块")
LIVE = re.compile(r"\b(?:Explorer|Curves|Network|Timeline)\(|\]\(set:")


def by_name(paths: list[Path]):
    return [pytest.param(path, id=path.stem) for path in paths]


def visible(notebook: dict) -> list[dict]:
    """The code cells that a reader of the page can type."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not HIDDEN & set(tags_of(cell))]


# --- the size of a core -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", by_name(CORES))
def test_a_core_keeps_its_limits(path):
    assert list(measure(read(path)).faults()) == []


@pytest.mark.parametrize("path", by_name(CORES))
def test_the_minutes_of_a_core_have_one_source(path):
    row = re.search(rf"^- file: {path.stem}\n((?:  .*\n)+)", (BOOK / "course.yml").read_text("utf-8"), re.M)
    assert row, f"course.yml lacks {path.stem}"
    assert "minutes" not in row[1], f"the minutes of {path.stem} are counted: remove them from course.yml"
    assert chapters(BOOK)[path.stem]["minutes"] == minutes(path)


@pytest.mark.parametrize("path", by_name(TAUGHT))
def test_english_numbers_are_written_one_way(path):
    """As the Chinese ones, of which the twin check speaks, but for the space of a percent sign."""
    texts = [take_apart(text_of(cell)).prose for cell in read(path)["cells"] if cell["id"].endswith("-en")]
    assert [found for text in texts for found in re.findall(r".{0,20}\d%.{0,5}", text)] == []


def counted() -> dict:
    """A small notebook of which everything can be counted by hand."""
    live = figure("live")
    live.outputs.append(new_output("display_data", {"application/vnd.downhill.explorer+json": {}}))
    listing = new_output("execute_result", {"text/markdown": "```python\nx = 1\n\ny = 2\n```"}, execution_count=1)
    return new_notebook(
        cells=[
            heading("walk", "A walk · 行走", 1),
            *prose("why", "One two $x$ three `four`, [five](there).\n\n![six](six.png)", "一二三"),
            new_code_cell("import optlib", id="install", metadata={"tags": ["remove-cell"]}),
            new_code_cell("a = 1\n\nb = 2", id="code"),
            new_code_cell("import numpy", id="folded", metadata={"tags": ["hide-input"]}),
            new_code_cell("listing()", id="listing", metadata={"tags": ["remove-input"]}, outputs=[listing]),
            figure("still"),
            live,
            new_markdown_cell("A question that counts nothing", id="question-x", metadata={"tags": [QUESTION]}),
            heading("walk-exercises", "Exercises · 习题"),
            *prose("exercise-1", "One exercise\n\n```{dropdown} Answer\nTwo three.\n```", "一道习题"),
            heading("walk-sources", "Sources · 来源"),
            *prose("more", "One more.", "还有。"),
        ]
    )


def test_what_is_counted():
    assert measure(counted()) == Measure(
        words=4 + 5 + 2, exercise_words=5, cells=4, lines=2 + 2 + 1 + 1, figures=2, explorers=1
    )
    assert measure(counted()).minutes == 3  # 0.5 a figure, 2 an explorer, and a little
    assert words("![a b c](d.png) one-word, 0.5 and 3e-4") == 4


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("words", 2501, "words: 2501, and the limits are 1800 and 2500"),
        ("words", 1799, "words: 1799, and the limits are 1800 and 2500"),
        ("exercise_words", 401, "exercise words: 401, and the limits are 1 and 400"),
        ("cells", 15, "cells: 15, and the limits are 1 and 14"),
        ("figures", 9, "figures: 9, and the limits are 5 and 8"),
        ("explorers", 4, "explorers: 4, and the limits are 0 and 3"),
        ("lines", 440, "minutes: 37, and 35 is the most"),
    ],
)
def test_a_fault_names_count_and_limit(name, value, told):
    good = {"words": 2000, "exercise_words": 400, "cells": 14, "lines": 100, "figures": 8, "explorers": 2}
    assert list(Measure(**good).faults()) == []
    assert list(Measure(**{**good, name: value}).faults()) == [told]


def test_the_minutes_follow_the_notebook(tmp_path):
    path = tmp_path / "00-walk.ipynb"
    path.write_text(json.dumps(counted()), encoding="utf-8")
    assert not is_core(path)
    deeper = tmp_path / f"00-walk{DEEPER}.ipynb"
    deeper.write_text("", encoding="utf-8")
    assert is_core(path)
    assert not is_core(deeper)
    (tmp_path / "course.yml").write_text("- file: 00-walk\n  minutes: 50\n", encoding="utf-8")
    assert chapters(tmp_path)["00-walk"]["minutes"] == 3


# --- its words ----------------------------------------------------------------------------------------


def quarrels(notebook: dict) -> list[str]:
    """Where prose, headings or captions speak of our sources instead of the matter."""
    found = []
    for cell in notebook["cells"]:
        told = about(cell).get("figure", {})
        texts = [text_of(cell)] if cell["cell_type"] == "markdown" else []
        texts += [str(text) for name in ("alt", "caption") for text in (told.get(name) or {}).values()]
        found += [f"{cell['id']}: {match[0]}" for text in texts for match in QUARREL.finditer(text)]
    return found


@pytest.mark.parametrize("path", by_name(TAUGHT))
def test_a_chapter_teaches_and_quarrels_in_the_appendix(path):
    assert quarrels(read(path)) == []


def cannot_be_tried(notebook: dict) -> list[str]:
    """Texts that ask a reader to drag, play or slide in a section that has no live figure and sets none."""
    found, waiting, live = [], [], False
    for cell in (*notebook["cells"], new_markdown_cell("# End")):
        text = text_of(cell)
        if cell["cell_type"] == "markdown" and re.search(r"^#+ ", text, re.M):
            found += [] if live else waiting
            waiting, live = [], False
        live |= bool(LIVE.search(text))
        waiting += [f"{cell['id']}: {asked[0]}" for asked in HANDS.finditer(text) if "question" not in tags_of(cell)]
    return found


@pytest.mark.parametrize("path", by_name(TAUGHT))
def test_what_a_text_asks_to_drag_can_be_dragged(path):
    assert cannot_be_tried(read(path)) == []


def test_what_cannot_be_dragged_is_found():
    asks = prose("a", "Drag the point.", "拖动这个点。")
    shown = new_code_cell("Explorer('ravine')", id="figure")
    first, second = heading("one", "One · 一"), heading("two", "Two · 二")
    assert cannot_be_tried(new_notebook(cells=[first, *asks, shown, second])) == []
    assert cannot_be_tried(new_notebook(cells=[first, shown, second, *asks])) == ["a-en: Drag", "a-zh: 拖动"]


def test_quarrels_are_found():
    said = prose("a", "One source of noise; one source says so, and the slides too.", "课件里这样写。")
    shown = figure("b", caption={"en": "As in the overview", "zh": "有份资料"})
    assert quarrels(new_notebook(cells=[*said, shown])) == [
        "a-en: one source", "a-en: the slides", "a-zh: 课件", "b-code: the overview", "b-code: 有份资料",
    ]  # fmt: skip


# --- code that stands alone ---------------------------------------------------------------------------


def code_faults(notebook: dict) -> list[str]:
    """Why the visible cells, typed in order beside NumPy and optlib, would not do what the page shows."""
    faults: list[str] = []
    lines: list[str] = []
    places: list[str] = []  # of each line
    pictures: set[str] = set()
    for cell in visible(notebook):
        place, text = cell["id"], text_of(cell)
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            faults.append(f"{place}: this is no plain Python: {error.msg}")
            continue
        faults += [f"{place}: a line of {len(line)} columns" for line in text.splitlines() if len(line) > WIDEST]
        for name, alias in imports(tree):
            if name.split(".")[0] not in BESIDE:
                faults.append(f"{place}: imports {name}, which stands not beside NumPy and optlib")
            if name.startswith("downhill_course.figures"):
                pictures.add(alias)
        for call in empty_calls(tree, pictures):
            faults.append(f"{place}: {call} draws without data: it hides an experiment")
        lines += text.splitlines()
        places += [place] * (len(lines) - len(places))
    return faults + [f"{places[row - 1]}: {message}" for row, message in undefined("\n".join(lines) + "\n")]


def imports(tree: ast.AST):
    """What is imported, as (module, name in the page)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", alias.asname or alias.name) for alias in node.names)


def empty_calls(tree: ast.AST, pictures: set[str]):
    """Calls of a chapter's own drawings that are given nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not node.args and not node.keywords:
            name = ast.unparse(node.func)
            if any(name == picture or name.startswith(f"{picture}.") for picture in pictures):
                yield f"{name}()"


def undefined(code: str) -> list[tuple[int, str]]:
    """Names that no line above gives: the row of each use, and a message."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "json", "-"]
    done = subprocess.run(command, input=code, capture_output=True, encoding="utf-8")
    assert done.stdout, done.stderr
    return [(found["location"]["row"], found["message"]) for found in json.loads(done.stdout)]


@pytest.mark.parametrize("path", by_name(TAUGHT))
def test_the_code_of_a_page_stands_alone(path):
    assert code_faults(read(path)) == []


def test_code_that_does_not_stand_alone_is_found():
    hidden = new_code_cell("theta = 1.0", id="hidden", metadata={"tags": ["remove-cell"]})
    cells = [
        hidden,
        new_code_cell("import numpy as np\nfrom downhill_course.figures import momentum as pictures", id="imports"),
        new_code_cell("import pandas\nprint(np.sqrt(theta))", id="use"),
        new_code_cell("%time 1", id="magic"),
        new_code_cell("pictures.ravine()\npictures.ravine([1])", id="draw"),
        new_code_cell(f"x = {'1' * 90}", id="wide"),
    ]
    assert code_faults(new_notebook(cells=cells)) == [
        "use: imports pandas, which stands not beside NumPy and optlib",
        "magic: this is no plain Python: invalid syntax",
        "draw: pictures.ravine() draws without data: it hides an experiment",
        "wide: a line of 94 columns",
        "use: Undefined name `theta`",
    ]


BARE = re.compile(r"\A\s*(?:\{.*\}|True|False)\s*\Z", re.S)


@pytest.mark.parametrize("path", by_name(CORES))
def test_a_core_prints_tables_and_sentences(path):
    for cell in visible(read(path)):
        for said in printed(cell):
            assert not BARE.match(said), f"{cell['id']} prints {said.strip()[:40]!r}: say it in a table or a sentence"


def printed(cell: dict) -> list[str]:
    """The texts that a cell shows, pictures and what draws itself left out."""
    texts = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        if output["output_type"] == "stream":
            texts.append("".join(output["text"]))
        elif output["output_type"] == "execute_result" and set(data) == {"text/plain"}:
            texts.append("".join(data["text/plain"]))
    return texts


#: What types the cells one by one and tells what each shows. Pictures are drawn nowhere.
TYPIST = """
import json
import sys
import matplotlib
matplotlib.use("Agg")
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from IPython.utils.capture import capture_output
shell, said = InteractiveShell.instance(), []
select_figure_formats(shell, ["png"])
shell.display_trap.hook = lambda result: None  # results are formatted below
for text in json.load(open(sys.argv[1], encoding="utf-8")):
    with capture_output() as shown:
        done = shell.run_cell(text)
    if done.error_in_exec or done.error_before_exec:
        sys.exit(f"{text}\\n{done.error_in_exec or done.error_before_exec!r}")
    texts = [shown.stdout] if shown.stdout else []
    if done.result is not None and not text.rstrip().endswith(";"):
        data = shell.display_formatter.format(done.result)[0]
        texts += [data["text/plain"]] if set(data) == {"text/plain"} else []
    said.append(texts)
json.dump(said, open(sys.argv[1] + ".said", "w", encoding="utf-8"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("path", by_name(TAUGHT))
def test_typed_in_order_into_an_empty_notebook_it_prints_what_the_page_prints(path, tmp_path):
    cells = [cell for cell in visible(read(path)) if "raises-exception" not in tags_of(cell)]
    texts = tmp_path / "cells.json"
    texts.write_text(json.dumps([text_of(cell) for cell in cells]), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", TYPIST, str(texts)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | REPEATABLE | STATIC, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for cell, said in zip(cells, json.loads((tmp_path / "cells.json.said").read_text("utf-8")), strict=True):
        assert said == printed(cell), f"{cell['id']} prints something else"
