"""Hold the two languages of the book together.

downhill twins                             # every problem, in every notebook and page
downhill twins --diff                      # what changed in English since its Chinese was looked at
downhill twins --record book/03-momentum.ipynb [CELL-ID ...]   # these translations have been reviewed
downhill twins --record book/api.yml [optlib.rules.sgd ...]    # so have these lines of the library's reference
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median

from downhill_course.notebook import comments, labels, outputs, questions, reference
from downhill_course.notebook.cells import (
    HAN,
    LABEL,
    LANGUAGES,
    about,
    english_hash,
    halves,
    headings,
    language_of,
    pairs,
    parts,
    read,
    tags_of,
    text_of,
    understood,
    write,
)
from downhill_course.notebook.measure import QUESTION
from downhill_course.notebook.passages import check_passages, glossary, take_apart
from downhill_course.notebook.running import ROOT, all_notebooks, where
from downhill_course.notebook.views import table
from downhill_course.project import EXERCISES

SOURCE = "source.ipynb"  #: of an assignment, in a folder of its name
LONGEST, IN_A_ROW, TYPICAL = 20, 2, 9  # lines of a code cell, code cells without prose, median of lines


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and what to do."""

    file: str
    cell: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.cell}: {self.message}"


Found = Iterator[tuple[str, str]]  # where, and what


# --- a translation and its mark ---------------------------------------------------------------------


@dataclass
class Translation:
    """Something said in both languages, and the cell that notes for which English text its Chinese was looked at."""

    index: int
    cell: dict
    key: str
    english: str
    chinese: str

    @property
    def place(self) -> str:
        return where(self.index, self.cell) + (", figure" if self.key == "figure_en" else "")

    @property
    def mark(self) -> str | None:
        return about(self.cell).get(self.key)

    @property
    def due(self) -> bool:
        """Whether it has yet to be reviewed."""
        return self.mark != english_hash(self.english)

    def record(self) -> None:
        self.cell["metadata"].setdefault("downhill", {})[self.key] = english_hash(self.english)

    def answers_to(self, name: str) -> bool:
        """Whether a cell id, with or without its language, means this translation."""
        own = self.cell["id"]
        return name in (own, re.sub(r"-zh$", "", own), re.sub(r"-zh$", "-en", own))


def translations(notebook: dict) -> Iterator[Translation]:
    """Every passage with its twin, and every figure's alt text and caption. Questions are looked at in their file."""
    for pair in pairs(notebook):
        if pair.chinese is not None and QUESTION not in tags_of(pair.english):
            yield Translation(pair.index + 1, pair.chinese, "en", text_of(pair.english), text_of(pair.chinese))
    for index, cell in enumerate(notebook["cells"]):
        if figure := about(cell).get("figure"):
            yield Translation(index, cell, "figure_en", said_of(figure, "en"), said_of(figure, "zh"))


def said_of(figure: dict, language: str) -> str:
    """The alt text and the caption of a figure in one language."""
    texts = (figure.get(field) for field in ("alt", "caption"))
    return "\n\n".join(text[language] for text in texts if isinstance(text, dict) and text.get(language))


# --- a notebook -------------------------------------------------------------------------------------


def check(path: Path, rows: Iterable[dict] | None = None) -> list[Problem]:
    """Every problem of a notebook, a plain page with {lang} blocks, or questions; `rows` replaces the glossary."""
    rows = glossary() if rows is None else tuple(rows)
    if path.suffix == ".md":
        found = page_problems(path.read_text(encoding="utf-8"), rows)
    elif path.name == reference.FILE:
        found = reference.problems(path)
    elif path.suffix == ".yml":
        found = questions.problems(path, rows)
    else:
        notebook = read(path)
        printed = output_problems(notebook, outputs.Phrases.read(path.parent))
        said = comment_problems(notebook, table(path.parent / comments.FILE))
        worded = label_problems(notebook, table(path.parent / labels.FILE))
        found = chain(notebook_problems(notebook, rows), said, printed, worded)
    name = f"{path.parent.name}/{path.name}" if path.name == SOURCE else path.name
    return [Problem(name, place, message) for place, message in found]


def comment_problems(notebook: dict, known: dict[str, str]) -> Found:
    """Comments of the code that a reader of the Chinese view would meet in English."""
    for index, cell, said in comments.visible(notebook) if known else ():
        if said not in known:
            yield where(index, cell), f"the comment “{said}” is not in book/{comments.FILE}: write its Chinese there"


def output_problems(notebook: dict, known: outputs.Phrases) -> Found:
    """Printed English that a reader of the Chinese view would meet."""
    for index, cell, word, line in outputs.left(notebook, known) if known.chinese else ():
        yield (
            where(index, cell),
            f"it prints “{word}” in “{line.strip()}”, which book/{outputs.FILE} has no phrase for: write its Chinese "
            "there, or the word among its names",
        )


def label_problems(notebook: dict, known: dict[str, str]) -> Found:
    """Words in figures that a reader of the Chinese view would meet in English."""
    for index, cell, said in labels.missing(notebook, known) if known else ():
        yield where(index, cell), f"the figure's label {said!r} is not in book/{labels.FILE}: write its Chinese there"


def notebook_problems(notebook: dict, rows: Iterable[dict]) -> Found:
    yield from twin_problems(notebook)
    for translation in translations(notebook):
        if translation.key == "en":
            for message in check_passages(translation.english, translation.chinese, rows):
                yield translation.place, message
        if translation.due:
            yield translation.place, review_message(translation)
    labels: set[str] = set()
    graded = is_assignment(notebook)
    for index, cell in enumerate(notebook["cells"]):
        for message in cell_problems(cell, rows, labelled=not graded):
            yield where(index, cell), message
        if cell["cell_type"] == "markdown" and language_of(cell) != "zh":  # a Chinese passage may repeat its twin's
            for label in LABEL.findall(parts(text_of(cell)).prose):
                if label in labels:
                    yield where(index, cell), f"the label {label!r} is given twice: choose another here"
                labels.add(label)
    if not graded:
        yield from shape_problems(notebook)


def is_assignment(notebook: dict) -> bool:
    """A source of graded exercises: no page of its own, so no labels, and its code is tests besides."""
    return any("nbgrader" in cell["metadata"] for cell in notebook["cells"])


def review_message(translation: Translation) -> str:
    state = "was never recorded as reviewed" if translation.mark is None else "was reviewed for another English text"
    return (
        f"this translation {state}: compare the two (downhill twins --diff), mend the Chinese, then record it "
        f"(downhill twins --record NOTEBOOK {translation.cell['id']})"
    )


def twin_problems(notebook: dict) -> Found:
    """English cells without a Chinese one behind them, and the reverse."""
    twins = set()
    for pair in pairs(notebook):
        if pair.chinese is None:
            message = "this English cell has no twin: put its translation, tagged lang-zh, into the very next cell"
            yield where(pair.index, pair.english), message
        else:
            twins.add(pair.index + 1)
    for index, cell in enumerate(notebook["cells"]):
        if language_of(cell) == "zh" and index not in twins:
            yield where(index, cell), "this Chinese cell follows no English one: put its twin, tagged lang-en, before"


def cell_problems(cell: dict, rows: Iterable[dict], labelled: bool = True) -> Iterator[str]:
    """What is wrong with a cell by itself."""
    text, tags = text_of(cell), tags_of(cell)
    if {"lang-en", "lang-zh"} <= set(tags):
        yield "it is tagged with both languages: one cell, one language"
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?", cell["id"]) and re.search(r"\d", cell["id"]):
        yield "its id is random: give it a readable one, such as momentum-why-en"
    if cell["cell_type"] == "code":
        if language_of(cell):
            yield f"code is shown in every view: remove the tag lang-{language_of(cell)}"
        yield from figure_problems(cell, rows)
        return
    for fence in parts(text).unclosed:
        yield f"the block {fence} is not closed: its closing fence must stand alone on a line of its own"
    if language_of(cell) is None and not cell["metadata"].get("nbgrader", {}).get("solution"):  # an answer, given once
        yield from heading_problems(text, labelled)
        yield from neutral_problems(text)
    elif found := headings(text):
        yield f"the heading {found[0]!r} stands in a language cell: give it a cell of its own, bilingual, untagged"


def heading_problems(text: str, labelled: bool = True) -> Iterator[str]:
    """Headings that lack a language or a label of their own."""
    prose = parts(text).prose
    for heading in headings(text):
        both = halves(heading)
        if both is None or not all(both):
            yield f"the heading {heading!r} is not bilingual: write it as “English · 中文”"
        elif not HAN.search(both[1]) and both[0] != both[1]:
            yield f"the Chinese half of the heading {heading!r} is not Chinese: translate it"
        elif HAN.search(both[0]):
            yield f"the English half of the heading {heading!r} is Chinese: English stands to the left of the “ · ”"
        if labelled and not re.search(rf"^\([^()\s]+\)=[ \t]*\n+#+[ \t]+{re.escape(heading)}", prose, re.M):
            yield f"the heading {heading!r} has no label: put a line such as (why-momentum)= right before it"


IMAGE = re.compile(r"!\[([^\]]*)\]\([^)\s]+\)")


def neutral_problems(text: str) -> Iterator[str]:
    """Prose in a cell that every view shows."""
    without = re.sub(r"^#{1,6}[ \t].*$", "", text, flags=re.M)
    for alt in IMAGE.findall(without):
        both = halves(alt)
        if both is None or not HAN.search(both[1]):
            yield f"the image's alt text {alt[:40]!r} is not bilingual: write it as “English · 中文”"
    without = IMAGE.sub("", without)
    if words := re.search(rf"[A-Za-z]{{2,}}|{HAN.pattern}", take_apart(without).prose):
        line = next(line for line in take_apart(without).prose.splitlines() if words[0] in line).strip()
        yield f"prose without a language (“{line[:40]}”): move it into a pair of cells tagged lang-en and lang-zh"


def figure_problems(cell: dict, rows: Iterable[dict]) -> Iterator[str]:
    """What is missing from a picture's words, and where they differ."""
    figure = about(cell).get("figure")
    shows = any(kind.startswith("image/") for output in cell.get("outputs", []) for kind in output.get("data", {}))
    if figure is None:
        if shows:
            yield "a picture without words for those who cannot see it: add metadata.downhill.figure.alt in en and zh"
        return
    for name in ("alt", "caption"):
        texts = figure.get(name)
        if texts is None and name == "caption":
            continue
        said = texts if isinstance(texts, dict) else {}
        if lacking := [language for language in LANGUAGES if not str(said.get(language) or "").strip()]:
            yield f"the figure's {name} lacks {' and '.join(lacking)}: downhill.figure.{name} needs both languages"
            continue
        for message in check_passages(said["en"], said["zh"], rows):
            yield f"in the figure's {name}, {message}"


def shape_problems(notebook: dict) -> Found:
    """Code cells that are too long, too many in a row, or long as a rule."""
    sizes, row = [], 0
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            row = 0
        elif not {"remove-input", "remove-cell"} & set(tags_of(cell)):
            row += 1
            sizes.append(sum(bool(line.strip()) for line in text_of(cell).splitlines()))
            if sizes[-1] > LONGEST:
                yield where(index, cell), f"{sizes[-1]} lines of code, and {LONGEST} is the most: move some into optlib"
            if row == IN_A_ROW + 1:
                yield where(index, cell), f"more than {IN_A_ROW} code cells in a row: say in between what is to be seen"
    if sizes and median(sizes) > TYPICAL:
        message = f"the median of its code cells is {median(sizes):g} lines, and {TYPICAL} is the most"
        yield "the whole notebook", f"{message}: move code into optlib"


# --- a plain page -----------------------------------------------------------------------------------

BLOCK = re.compile(r"^(:{3,}|`{3,})\{lang\}[ \t]+(en|zh)[ \t]*\n(.*?)^\1[ \t]*$", re.M | re.S)


def page_problems(text: str, rows: Iterable[dict]) -> Found:
    """The same checks for a Markdown page, whose languages stand in {lang} blocks."""
    rest = BLOCK.sub("", re.sub(r"\A---\n.*?^---$", "", text, flags=re.S | re.M))
    for message in (*heading_problems(rest), *neutral_problems(rest)):
        yield "outside the {lang} blocks", message
    blocks = [(f"line {text.count(chr(10), 0, m.start()) + 1}", m[2], m[3]) for m in BLOCK.finditer(text)]
    while blocks:
        place, language, passage = blocks.pop(0)
        if language == "zh":
            yield place, "this Chinese block follows no English one: put a block {lang} en before it"
        elif not blocks or blocks[0][1] != "zh":
            yield place, "this English block has no twin: put a block {lang} zh right behind it"
        else:
            place, _, chinese = blocks.pop(0)
            for message in check_passages(passage, chinese, rows):
                yield place, message


def all_sources() -> list[Path]:
    """Every bilingual source of the book."""
    book = ROOT / "book"
    asked = sorted((book / questions.FOLDER).glob("*.yml"))
    return [
        *all_notebooks(),
        *sorted(book.glob("*.md")),
        book / reference.FILE,
        *asked,
        *sorted(EXERCISES.glob(f"*/{SOURCE}")),
    ]


# --- the translator's commands ----------------------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    """What git answers; nothing where there is no git, no repository or no such version."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def reviewed_texts(path: Path, marks: set[str]) -> dict[str, str]:
    """The English texts behind these marks, from the newest committed version of the notebook that has each."""
    texts: dict[str, str] = {}
    for commit in git(path.parent, "log", "--format=%H", "--", path.name).split():
        if marks <= texts.keys():
            break
        version = git(path.parent, "show", f"{commit}:./{path.name}")
        try:
            cells = understood(json.loads(version))["cells"] if version else []
        except (ValueError, KeyError):
            continue  # a version that is no notebook, for instance one left with conflict marks
        for cell in cells:
            for text in (text_of(cell), said_of(about(cell).get("figure") or {}, "en")):
                if english_hash(text) in marks:
                    texts.setdefault(english_hash(text), text)
    return texts


def word_difference(before: str, now: str) -> str:
    """A text with what was taken away as [-…-] and what was added as {+…+}.

    >>> word_difference("three small steps", "three steps down")
    'three [-small-] steps {+down+}'
    """
    one, other = (re.findall(r"\S+|\n", text) for text in (before, now))
    pieces = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        gone, come = " ".join(one[a:b]), " ".join(other[c:d])
        if kind == "equal":
            pieces.append(gone)
        else:
            pieces += [f"[-{gone}-]"] * bool(gone.strip()) + [f"{{+{come}+}}"] * bool(come.strip())
            pieces += ["\n"] * ("\n" in come and not come.strip())
    return re.sub(r" ?\n ?", "\n", " ".join(pieces))


def show_changes(path: Path) -> int:
    """Print what changed in each translation to be reviewed; returns how many there are."""
    waiting = [translation for translation in translations(read(path)) if translation.due]
    texts = reviewed_texts(path, {translation.mark for translation in waiting if translation.mark})
    for translation in waiting:
        print(f"\n{path.name}: {translation.place}")
        before = texts.get(translation.mark or "")
        if before is not None:
            print(indented("English, [-before-] and {+now+}:", word_difference(before, translation.english)))
        else:
            reason = "it was never reviewed" if translation.mark is None else "the reviewed text is not in git"
            print(indented(f"English, whole, since {reason}:", translation.english))
        print(indented("Chinese:", translation.chinese))
    return len(waiting)


def indented(title: str, text: str) -> str:
    """A title and a text under it."""
    return "\n".join([f"  {title}", *(f"    {line}" for line in text.splitlines())])


def record(path: Path, ids: Iterable[str], *, force: bool = False) -> int:
    """Note that translations were reviewed; returns how many were refused because they have other problems."""
    notebook = read(path)
    known, wanted = list(translations(notebook)), set(ids)
    if unknown := {name for name in wanted if not any(translation.answers_to(name) for translation in known)}:
        raise SystemExit(f"{path.name} has no translation {', '.join(sorted(unknown))}: name lang-zh or figure cells")
    recorded = refused = 0
    for translation in known:
        if not translation.due or (wanted and not any(translation.answers_to(name) for name in wanted)):
            continue
        if problems := [] if force else problems_of(translation):
            print(f"{path.name}: {translation.place}: not recorded: {problems[0]}", file=sys.stderr)
            refused += 1
        else:
            translation.record()
            recorded += 1
    if recorded:
        write(path, notebook)
    left = sum(translation.due for translation in known)
    print(f"{path.name}: {recorded} recorded, {refused} refused, {left} to review")
    return refused


def problems_of(translation: Translation) -> list[str]:
    """What is wrong with one translation apart from its mark."""
    if translation.key == "figure_en":
        return list(figure_problems(translation.cell, glossary()))
    return list(check_passages(translation.english, translation.chinese, glossary()))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Check that English and Chinese say the same; show what is to be reviewed; note what was.",
        epilog="Without options: every problem, with notebook, cell and difference; the exit status is then 1.\n"
        "After a change of an English cell: run --diff, mend the Chinese, run --record, commit.\n"
        "检查中英文是否一致。改动英文后：先用 --diff 查看，再改中文，然后用 --record 登记。",
    )
    parser.add_argument(
        "paths", nargs="*", help="notebooks or pages (default: all); for --record a notebook and cell ids"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--diff", action="store_true", help="show each English text that changed, beside its Chinese")
    what.add_argument(
        "--record", action="store_true", help="note a notebook's translations (or those named) as reviewed"
    )
    parser.add_argument("--force", action="store_true", help="with --record: in spite of other problems")
    options = parser.parse_args(arguments)
    if options.record and not options.paths:
        parser.error("--record needs a notebook, as in --record book/03-momentum.ipynb")
    if options.force and not options.record:
        parser.error("--force goes with --record")
    kinds = {".ipynb"} if options.record else {".ipynb", ".md", ".yml"}
    for path in map(Path, options.paths[:1] if options.record else options.paths):
        if not path.is_file():
            parser.error(f"there is no file {path}")
        if path.suffix not in kinds and path.name != reference.FILE:
            parser.error(f"{path} does not end in {' or '.join(sorted(kinds))}")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.record and Path(options.paths[0]).name == reference.FILE:
        reference.record(Path(options.paths[0]).resolve(), options.paths[1:])
        return 0
    if options.record:
        return int(record(Path(options.paths[0]).resolve(), options.paths[1:], force=options.force) > 0)
    paths = [Path(path).resolve() for path in options.paths] or all_sources()
    if options.diff:
        waiting = sum(show_changes(path) for path in paths if path.suffix == ".ipynb")
        print(f"{waiting} to review" if waiting else "Nothing to review.")
        return int(waiting > 0)
    problems = [problem for path in paths for problem in check(path)]
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problem{'s' * (len(problems) != 1)} in {len(paths)} file{'s' * (len(paths) != 1)}")
    return int(bool(problems))


if __name__ == "__main__":
    raise SystemExit(main())
