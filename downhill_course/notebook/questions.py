"""Questions that a chapter asks: read from ``questions/NN-name.yml``, answered by the library, written into notebooks.

downhill questions                       # every file: its faults, or each question with its answer
downhill questions book/06-choosing.ipynb   # one chapter; its notebook gets the questions as they are now

An answer is an expression that is evaluated here, never a number that somebody typed. The site asks (``asking.py`` and
``questions.js``); in Jupyter a question is a pair of cells with a folded answer, written by this module.
"""

from __future__ import annotations

import argparse
import ast
import functools
import json
import math
import operator
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import yaml

import optlib
from downhill_course.notebook.cells import LANGUAGES, about, language_of, read, tags_of, write
from downhill_course.notebook.measure import EXPLORER, QUESTION
from downhill_course.notebook.passages import check_passages, glossary
from downhill_course.notebook.views import from_yaml
from downhill_course.project import BOOK

FOLDER = "questions"  # beside the chapters
KINDS = {
    "number": {"answer", "tolerance", "exact", "digits", "wrong"},
    "choice": {"options", "answer"},
    "order": {"items", "answer"},
    "drag": {"figure", "until", "answer"},
}
COMMON = {"id", "after", "kind", "ask", "setup", "confirm", "why"}
NEEDED = {"number": ["answer"], "choice": ["options", "answer"], "order": ["items", "answer"],
          "drag": ["figure", "until", "answer"]}  # fmt: skip
TOLERANCE, DIGITS = 0.02, 3
NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
CONDITION = re.compile(r"\s*(<=|>=|<|>|=)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}
WORDS = {"en": ("Check yourself.", "Answer"), "zh": ("自测", "答案")}
LETTERS = "ABCDEFGH"

Text = dict[str, str]


class Wrong(Exception):
    """What is wrong with a question: the field, and what to do."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")


class Faults(Exception):
    """Everything that is wrong with the questions of a file, one line each with the place."""


@dataclass(frozen=True)
class Question:
    """One question with its answer. Texts are ``{"en": …, "zh": …}``.

    ``answer`` is a number, the index of an option, the right order of the items' indices, or an explorer's settings.
    ``wrong`` are typical wrong numbers with what is said to them; ``says`` what is said to each option (none to the
    right one); ``until`` the conditions on an explorer's readings, as (reading, comparison, number).
    """

    id: str
    chapter: str
    after: str
    kind: str
    ask: Text
    why: Text
    answer: Any
    tolerance: float = 0.0
    shown: str = ""  #: a number as the page writes it
    wrong: tuple[tuple[float, Text], ...] = ()
    options: tuple[Text, ...] = ()  #: of a choice; the items of an order
    says: tuple[Text | None, ...] = ()
    figure: str = ""
    until: tuple[tuple[str, str, float], ...] = ()
    texts: tuple[tuple[str, Text], ...] = field(default=(), repr=False)  #: every text with the name of its field

    def accepts(self, number: float) -> bool:
        """Whether a number counts as the answer."""
        return near(number, self.answer, self.tolerance)

    @property
    def start(self) -> list[int]:
        """The order in which items are first shown: the file's, or turned by one if that is the right one."""
        order = list(range(len(self.options)))
        return order[1:] + order[:1] if order == list(self.answer) else order

    def data(self) -> dict:
        """What the page is given: computed numbers alone."""
        given: dict[str, Any] = {"answer": self.answer}
        if self.kind == "number":
            given |= {"tolerance": self.tolerance, "wrong": [number for number, _ in self.wrong]}
        elif self.kind == "drag":
            given |= {"figure": self.figure.lower(), "until": [list(condition) for condition in self.until]}
        return given


def near(one: float, other: float, tolerance: float) -> bool:
    """Whether two numbers are the same for a question; the page compares as this does.

    >>> near(198, 199, 0.02), near(190, 199, 0.02), near(0.01, 0, 0.02), near(0.3, 0.1 + 0.2, 0)
    (True, False, True, True)
    """
    return abs(one - other) <= max(tolerance, 1e-9) * (abs(other) or 1)


# --- reading a file -----------------------------------------------------------------------------------


def load(path: Path, notebook: dict | None = None) -> list[Question]:
    """The questions of a file with their answers, or `Faults`. ``notebook`` is the chapter that asks them."""
    rows, faults, found = rows_of(path), [], []
    ids: set[str] = set()
    for number, row in enumerate(rows, 1):
        name = row.get("id") if isinstance(row, dict) else None
        try:
            question = question_of(row, path.stem)
            if question.id in ids:
                raise Wrong("id", f"{question.id!r} is given twice in this file: choose another")
            ids.add(question.id)
            if notebook is not None:
                has_place(question, notebook)
            found.append(question)
        except Wrong as wrong:
            faults.append(f"{path.parent.name}/{path.name}: {name or f'question {number}'}: {wrong}")
    if faults:
        raise Faults("\n".join(faults))
    return found


def rows_of(path: Path) -> list:
    try:
        rows = from_yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Faults(f"{path.parent.name}/{path.name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(rows, list) or not rows:
        raise Faults(f"{path.parent.name}/{path.name}: write a list of questions, each beginning with `- id:`")
    return rows


def question_of(row: Any, chapter: str) -> Question:
    """A checked question with its answer."""
    if not isinstance(row, dict):
        raise Wrong("question", f"expected fields such as id and ask, found {row!r}")
    kind = row.get("kind")
    if kind not in KINDS:
        raise Wrong("kind", f"{kind!r} is none of {', '.join(KINDS)}")
    for name in ("id", "after", "ask", *NEEDED[kind], "why"):
        if row.get(name) in (None, "", [], {}):
            raise Wrong(name, "is missing")
    if unknown := set(row) - COMMON - KINDS[kind]:
        name = sorted(unknown)[0]
        raise Wrong(name, f"a {kind} has no such field; it has {', '.join(sorted(COMMON | KINDS[kind]))}")
    if not NAME.fullmatch(str(row["id"])):
        raise Wrong("id", f"{row['id']!r} is no name such as momentum-steady")
    answer, extra = worked_out(row, kind)
    ask, why = twins(row["ask"], "ask"), twins(row["why"], "why")
    texts = [("ask", ask), ("why", why), *extra.pop("texts", [])]
    return Question(
        id=row["id"], chapter=chapter, after=row["after"], kind=kind, ask=ask, why=why, answer=answer,
        texts=tuple(texts), **extra,
    )  # fmt: skip


def twins(text: Any, name: str) -> Text:
    """A text in both languages. What is the same in both, a formula, a number or a name, may be written once."""
    if isinstance(text, (str, int, float)) and re.fullmatch(r"\$[^$]+\$|[-+\d.,%/ ]+|[A-Z][\w-]+", str(text).strip()):
        return {language: str(text).strip() for language in LANGUAGES}
    if not isinstance(text, dict):
        raise Wrong(name, f"write {{en: …, zh: …}}, not {text!r}")
    for language in LANGUAGES:
        if not str(text.get(language) or "").strip():
            raise Wrong(name, f"lacks {language}")
    return {language: str(text[language]).strip() for language in LANGUAGES}


def has_place(question: Question, notebook: dict) -> None:
    """The cell and the figure that a question names are there."""
    cells = {cell["id"]: cell for cell in notebook["cells"] if QUESTION not in tags_of(cell)}
    if question.after not in cells:
        raise Wrong("after", f"{question.chapter} has no cell {question.after!r}")
    if question.kind == "drag":
        shows = next((c for c in cells.values() if (about(c).get("figure") or {}).get("name") == question.figure), None)
        if shows is None or not any(EXPLORER in output.get("data", {}) for output in shows["outputs"]):
            raise Wrong("figure", f"{question.chapter} has no explorer in a figure named {question.figure!r}")


# --- answers ------------------------------------------------------------------------------------------


def worked_out(row: dict, kind: str) -> tuple[Any, dict]:
    """The answer, and what a question of this kind has besides."""
    names = names_for(row.get("setup"))
    if kind == "drag":
        return dragged(row)
    if kind == "number":
        result = numeric(row, names)
    else:
        result = chosen(row, names) if kind == "choice" else ordered(row, names)
    if "confirm" in row and not evaluate(row["confirm"], "confirm", {**names, "answer": result[0]}):
        raise Wrong("confirm", f"with the answer {result[0]!r}, {row['confirm']} is not true")
    return result


def names_for(setup: Any) -> dict[str, Any]:
    """What a question's expressions can use: optlib's names, ``np``, ``math`` and what its ``setup`` makes."""
    names: dict[str, Any] = {name: getattr(optlib, name) for name in optlib.__all__} | {"np": np, "math": math}
    if setup is not None:
        try:
            exec(compile(str(setup), "setup", "exec"), names)
        except Exception as error:
            raise Wrong("setup", f"{type(error).__name__}: {error}") from None
    return names


def evaluate(expression: Any, name: str, names: dict[str, Any]) -> Any:
    try:
        return eval(compile(str(expression).strip(), name, "eval"), dict(names))
    except Exception as error:
        raise Wrong(name, f"{expression!r} cannot be computed: {type(error).__name__}: {error}") from None


def computed(expression: Any, name: str, names: dict[str, Any]) -> float:
    """A finite number; one that somebody typed is refused."""
    value = evaluate(expression, name, names)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Wrong(name, f"{expression!r} is {value!r}, and a number is needed") from None
    if not math.isfinite(number):
        raise Wrong(name, f"{expression!r} is {number}, and a finite number is needed")
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def typed(expression: Any) -> bool:
    """Whether an expression is nothing but a number."""
    try:
        ast.literal_eval(str(expression).strip())
    except (ValueError, SyntaxError, TypeError):
        return False
    return True


def numeric(row: dict, names: dict[str, Any]) -> tuple[Any, dict]:
    if typed(row["answer"]):
        raise Wrong("answer", f"{row['answer']!r} is typed: write the expression that computes it")
    answer = computed(row["answer"], "answer", names)
    tolerance, digits = row.get("tolerance", TOLERANCE), row.get("digits", DIGITS)
    if "exact" in row:
        if row["exact"] is not True or "tolerance" in row:
            raise Wrong("exact", "write `exact: true` without a tolerance, or leave it out")
        tolerance = 0
    elif not isinstance(tolerance, (int, float)) or not 0 < tolerance < 1:
        raise Wrong("tolerance", f"{tolerance!r} is no share between 0 and 1, such as 0.02")
    if type(digits) is not int or not 1 <= digits <= 12:
        raise Wrong("digits", f"{digits!r} is no whole number from 1 to 12")
    shown = written(answer, digits)
    if not near(float(shown.replace(",", "")), answer, tolerance):
        raise Wrong("tolerance", f"the page writes {shown}, which is not within {tolerance} of {answer}: more digits")
    wrong: list[tuple[float, Text]] = []
    for index, item in enumerate(row.get("wrong", [])):
        name = f"wrong[{index}]"
        if not isinstance(item, dict) or set(item) != {"is", "say"}:
            raise Wrong(name, "write `is:` with the number and `say:` with what to tell")
        number = computed(item["is"], name, names)
        if near(number, answer, tolerance):
            raise Wrong(name, f"{number} counts as the answer {shown}")
        if any(near(number, other, tolerance) for other, _ in wrong):
            raise Wrong(name, f"{number} is taken for an earlier one")
        wrong.append((number, twins(item["say"], f"{name}.say")))
    texts = [(f"wrong[{index}].say", text) for index, (_, text) in enumerate(wrong)]
    return answer, {"tolerance": tolerance, "shown": shown, "wrong": tuple(wrong), "texts": texts}


def written(number: float, digits: int) -> str:
    """A number as the page writes it.

    >>> written(199, 3), written(0.0198019, 3), written(1234567, 3), written(2.5e-7, 3)
    ('199', '0.0198', '1,234,567', '2.5e-07')
    """
    if isinstance(number, int):
        return f"{number:,}" if abs(number) >= 10_000 else str(number)
    text = f"{number:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(number) < 1e7 else text


def chosen(row: dict, names: dict[str, Any]) -> tuple[Any, dict]:
    options = row["options"]
    if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS):
        raise Wrong("options", f"write two to {len(LETTERS)}")
    answer = evaluate(row["answer"], "answer", names)
    if not isinstance(answer, (int, np.integer)) or isinstance(answer, bool) or not 0 <= answer < len(options):
        raise Wrong("answer", f"{answer!r} is no index of an option, 0 to {len(options) - 1}")
    texts, says = [], []
    for index, option in enumerate(options):
        name, say = f"options[{index}]", option.get("say") if isinstance(option, dict) else None
        own = {k: v for k, v in option.items() if k != "say"} if isinstance(option, dict) else option
        texts.append(twins(own, name))
        if (say is None) != (index == answer):
            reason = "is the right one and needs no" if index == answer else "is wrong and lacks its"
            raise Wrong(f"{name}.say", f"this option {reason} `say`")
        says.append(None if say is None else twins(say, f"{name}.say"))
    named = [(f"options[{k}]", text) for k, text in enumerate(texts)]
    named += [(f"options[{k}].say", text) for k, text in enumerate(says) if text]
    return int(answer), {"options": tuple(texts), "says": tuple(says), "texts": named}


def ordered(row: dict, names: dict[str, Any]) -> tuple[Any, dict]:
    items = row["items"]
    if not isinstance(items, list) or not 3 <= len(items) <= len(LETTERS):
        raise Wrong("items", f"write three to {len(LETTERS)}")
    value = evaluate(row["answer"], "answer", names)
    try:
        answer = [int(index) for index in value]
    except (TypeError, ValueError):
        raise Wrong("answer", f"{value!r} is no order; np.argsort([…]) makes one") from None
    if sorted(answer) != list(range(len(items))):
        raise Wrong("answer", f"{answer} does not hold each of 0 to {len(items) - 1} once")
    texts = tuple(twins(item, f"items[{index}]") for index, item in enumerate(items))
    return answer, {"options": texts, "texts": [(f"items[{k}]", text) for k, text in enumerate(texts)]}


def dragged(row: dict) -> tuple[Any, dict]:
    until = row["until"]
    if not isinstance(until, dict):
        raise Wrong("until", 'write a reading and a condition, such as {arrival: "< 60"}')
    conditions = []
    for reading, condition in until.items():
        match = CONDITION.fullmatch(str(condition))
        if not match:
            raise Wrong("until", f"{condition!r} is no condition such as '< 60'")
        conditions.append((str(reading), match[1], float(match[2])))
    if not isinstance(row["answer"], dict):
        raise Wrong("answer", "write the explorer's settings that fulfil the condition, such as {lr: 0.019}")
    return row["answer"], {"figure": str(row["figure"]), "until": tuple(conditions)}


# --- a chapter's questions ----------------------------------------------------------------------------


def file_of(notebook: Path) -> Path:
    """Where a chapter's questions stand, whether or not there are any."""
    return notebook.parent / FOLDER / f"{notebook.stem}.yml"


def of(notebook: Path) -> tuple[Question, ...]:
    """The questions of a chapter, none if it has no file; computed once for each version of the two files."""
    path = file_of(notebook)
    return _of(path, path.read_bytes(), notebook.read_bytes()) if path.exists() else ()


@functools.lru_cache(maxsize=64)
def _of(path: Path, text: bytes, notebook: bytes) -> tuple[Question, ...]:
    return tuple(load(path, json.loads(notebook)))


def all_of(folder: Path) -> dict[str, tuple[Question, ...]]:
    """The questions of every chapter of a book, by chapter, or `Faults` that hold all there are."""
    found: dict[str, tuple[Question, ...]] = {}
    faults: list[str] = []
    seen: dict[str, str] = {}
    for path in sorted((folder / FOLDER).glob("*.yml")):
        notebook = folder / f"{path.stem}.ipynb"
        try:
            if not notebook.exists():
                raise Faults(f"{FOLDER}/{path.name}: there is no chapter {notebook.name}")
            found[path.stem] = of(notebook)
        except Faults as error:
            faults.append(str(error))
        for question in found.get(path.stem, ()):
            if question.id in seen:
                faults.append(f"{FOLDER}/{path.name}: {question.id}: id: {seen[question.id]} has one of that name too")
            seen[question.id] = path.stem
    if faults:
        raise Faults("\n".join(faults))
    return found


def problems(path: Path, rows: Any = None) -> Iterator[tuple[str, str]]:
    """Where the two languages of a file differ, as the twins check tells it: (place, message)."""
    rows = glossary() if rows is None else rows
    try:
        questions = load(path)
    except Faults as error:
        yield "its questions", str(error)
        return
    for question in questions:
        for name, text in question.texts:
            if text["en"] == text["zh"]:
                continue
            for message in check_passages(text["en"], text["zh"], rows):
                yield f"{question.id}, {name}", message


# --- in Jupyter ---------------------------------------------------------------------------------------


def filled(question: Question, text: str) -> str:
    """A text in which ``{answer}`` is the number."""
    return text.replace("{answer}", question.shown) if question.kind == "number" else text


def in_language(question: Question, text: Text) -> Text:
    """A text of the question as the page has it, in each language."""
    return {language: filled(question, text[language]) for language in LANGUAGES}


def as_text(question: Question, language: str) -> str:
    """A question as plain Markdown, its answer folded."""
    opening, answer = WORDS[language]
    space = " " if language == "en" else "："
    lines = [f"**{opening}**{space}{filled(question, question.ask[language])}", ""]
    why = filled(question, question.why[language])
    options = [option[language] for option in question.options]
    if question.kind == "number":
        solution, more = question.shown, [(written(n, DIGITS), say) for n, say in question.wrong]
    elif question.kind == "choice":
        lines += [f"- {LETTERS[k]}. {option}" for k, option in enumerate(options)] + [""]
        solution = f"{LETTERS[question.answer]}. {options[question.answer]}"
        more = [(LETTERS[k], say) for k, say in enumerate(question.says) if say]
    elif question.kind == "order":
        lines += [f"- {options[k]}" for k in question.start] + [""]
        solution, more = " → ".join(options[k] for k in question.answer), []
    else:
        solution, more = ", ".join(f"`{name} = {value}`" for name, value in question.answer.items()), []
    lines += [f"<details><summary>{answer}</summary>", "", f"**{solution}** {why}" if question.kind == "number" else
              f"{solution}\n\n{why}", ""]  # fmt: skip
    mark = ": " if language == "en" else "："
    lines += [f"- {name}{mark}{filled(question, say[language])}" for name, say in more] + [""] * bool(more)
    return "\n".join([*lines, "</details>"])


def cells_of(question: Question) -> list[nbformat.NotebookNode]:
    """The pair of cells of a question."""
    return [
        nbformat.v4.new_markdown_cell(
            as_text(question, language), id=f"question-{question.id}-{language}",
            metadata={"tags": [f"lang-{language}", QUESTION]},
        )
        for language in LANGUAGES
    ]  # fmt: skip


def put(notebook: nbformat.NotebookNode, path: Path) -> nbformat.NotebookNode:
    """The notebook of a chapter with its questions as its file has them now, each after the cell it names.

    After an English cell means after its Chinese twin, so that a pair stays one.
    """
    cells = [cell for cell in notebook.cells if QUESTION not in tags_of(cell)]
    for question in reversed(of(path)):
        index = next(k for k, cell in enumerate(cells) if cell["id"] == question.after) + 1
        if language_of(cells[index - 1]) == "en" and index < len(cells) and language_of(cells[index]) == "zh":
            index += 1
        cells[index:index] = cells_of(question)
    notebook.cells = cells
    return notebook


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check questions, print their answers, write them into notebooks.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="whose cells are written (default: print only)")
    options = parser.parse_args(arguments)
    try:
        chapters = [(path, of(path)) for path in options.notebooks]
        chapters = chapters or [(BOOK / f"{name}.ipynb", asked) for name, asked in all_of(BOOK).items()]
    except Faults as error:
        print(error, file=sys.stderr)
        return 1
    for path, asked in chapters:
        changed = bool(options.notebooks) and write(path, put(read(path), path))
        print(f"{path.name}: {len(asked)} questions{', written' if changed else ''}")
        for question in asked:
            print(f"  {question.id:30} {question.kind:7} {question.shown or question.answer}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
