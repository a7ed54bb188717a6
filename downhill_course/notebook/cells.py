"""How a bilingual notebook is read: its cells, its pairs of passages, its headings. No Sphinx, no kernel."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import nbformat

from downhill_course.files import replace
from downhill_course.notebook.plain import keys_of, myst, plain, spoken
from downhill_course.notebook.views import SEPARATOR, TAGS

Notebook = TypeVar("Notebook", bound=dict)
LANGUAGES = tuple(TAGS)
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*$", re.M)
LABEL = re.compile(r"^\(([^()\s]+)\)=[ \t]*$", re.M)
FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,}|:{3,})[ \t]*(?:\{(?P<name>[\w:-]+)\}[ \t]*)?(?P<rest>[^`]*)$")
OPTION = re.compile(r"^[ \t]*:[\w-]+:(?:[ \t].*)?$")
#: Directives whose content is not prose.
VERBATIM = {"bibliography", "code", "code-block", "code-cell", "eval-rst", "literalinclude", "math", "toctree"}
#: Directives whose argument is a class, a file or a name, not a title.
NAMED = {"api", "container", "div", "explorer", "figure", "image", "include", "index", "lang", "raw"}


# --- files ------------------------------------------------------------------------------------------


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook from its file, its Markdown as MyST; or an error that names the file and says what to do."""
    advice = "restore it from git or save it again in Jupyter"
    try:
        raw = json.loads(text := path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: cannot be read as a notebook ({error}); {advice}") from None
    version = (raw.get("nbformat"), raw.get("nbformat_minor")) if isinstance(raw, dict) else None
    if version is None or version[0] != 4 or not isinstance(version[1], int) or version[1] < 5:
        raise SystemExit(f"{path}: its format is {version}, and 4.5 or newer is needed, which has cell ids; {advice}")
    ids = [cell.get("id") for cell in raw.get("cells", [])]
    for number, name in enumerate(ids, 1):
        if not name or ids.count(name) > 1:
            what = f"shares its id {name!r} with another" if name else "has no id"
            raise SystemExit(f"{path}: cell {number} {what}; give each cell an id of its own, such as momentum-why-en")
    try:
        nbformat.validate(nbformat.from_dict(raw))  # once: nbformat.reads would, too
    except nbformat.ValidationError as error:
        raise SystemExit(f"{path}: not a valid notebook ({str(error).splitlines()[0]}); {advice}") from None
    return understood(nbformat.v4.reads(text))


def understood(notebook: Notebook) -> Notebook:
    """A notebook as a file holds it, its Markdown turned into MyST in place."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = myst(text_of(cell))
    return notebook


def as_file(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """A notebook as the file of this name holds it: its Markdown needs no MyST. Code and outputs are shared."""
    made = copy.copy(notebook)
    cited = [key for cell in notebook.cells if cell.cell_type == "markdown" for key in keys_of(text_of(cell))]
    made["cells"] = [written(cell, name, cited) if cell.cell_type == "markdown" else cell for cell in notebook.cells]
    return made


def dumps(notebook: nbformat.NotebookNode, name: str) -> str:
    """The text of the file: nbformat's own layout."""
    return nbformat.writes(as_file(notebook, name), version=4, indent=1, ensure_ascii=False) + "\n"


def written(cell: nbformat.NotebookNode, name: str, cited: list[str]) -> nbformat.NotebookNode:
    """A Markdown cell as the file has it."""
    text, language, made = plain(text_of(cell), name, cited), language_of(cell), copy.copy(cell)
    made["source"] = spoken(text, TAGS[language]) if language else text
    return made


def write(path: Path, notebook: nbformat.NotebookNode) -> bool:
    """Write a notebook whole or not at all; returns whether the file changed."""
    text = dumps(notebook, path.name)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    replace(path, text)
    return True


# --- cells ------------------------------------------------------------------------------------------


def text_of(cell: dict) -> str:
    """A cell's text, which a notebook file may store as lines."""
    return "".join(cell["source"])


def tags_of(cell: dict) -> list[str]:
    """The tags of a cell."""
    return cell.get("metadata", {}).get("tags", [])


def about(cell: dict) -> dict:
    """What this project notes in a cell's metadata; empty where it notes nothing."""
    return cell.get("metadata", {}).get("downhill", {})


def language_of(cell: dict) -> str | None:
    """``en`` or ``zh`` for a prose cell, ``None`` for what every view shows."""
    return next((name for name in LANGUAGES if f"lang-{name}" in tags_of(cell)), None)


def english_hash(text: str) -> str:
    """A short mark of an English passage, by which its translation remembers what it was looked at for.

    >>> english_hash("One step. ") == english_hash("One step.")
    True
    """
    return hashlib.sha256(text.strip().encode()).hexdigest()[:12]


@dataclass
class Pair:
    """An English cell and the cell after it, which should be its Chinese twin; `index` is the English one's."""

    index: int
    english: dict
    chinese: dict | None


def pairs(notebook: dict) -> Iterator[Pair]:
    """Every English cell with its twin; None in its place where the next cell is not Chinese."""
    cells = notebook["cells"]
    for index, cell in enumerate(cells):
        if language_of(cell) == "en":
            after = cells[index + 1] if index + 1 < len(cells) else None
            yield Pair(index, cell, after if after is not None and language_of(after) == "zh" else None)


# --- Markdown ---------------------------------------------------------------------------------------


@dataclass
class Block:
    """A fenced block that is open: a directive, or code."""

    fence: str
    name: str
    lines: list[str] = field(default_factory=list)

    @property
    def verbatim(self) -> bool:
        return not self.name or self.name in VERBATIM


@dataclass
class Parts:
    """A Markdown text taken apart: its prose, the directives in order, and what stands verbatim, with its kind."""

    prose: str
    directives: list[str]
    verbatim: list[tuple[str, str]]
    unclosed: list[str] = field(default_factory=list, repr=False)  #: fences without an end, with their names


def parts(text: str) -> Parts:
    """Prose, directives and verbatim blocks of a Markdown text; a directive's title and content are prose.

    >>> parts("See:\\n```{tip} Try\\n:class: x\\nthis\\n```\\nand\\n```python\\nx = 1\\n```")
    Parts(prose='See:\\nTry\\nthis\\nand', directives=['tip'], verbatim=[('', 'x = 1')])
    """
    prose: list[str] = []
    directives: list[str] = []
    verbatim: list[tuple[str, str]] = []
    stack: list[Block] = []
    options = False  # are the lines read now a directive's options?
    for line in text.splitlines():
        match = FENCE.match(line)
        inner = stack[-1] if stack else None
        if match and inner and closes(match, inner):
            stack.pop()
            if inner.verbatim:
                verbatim.append((inner.name, "\n".join(inner.lines).strip()))
        elif options and OPTION.match(line):
            continue
        elif inner and inner.verbatim:
            inner.lines.append(line)
        elif match and (match["name"] or match["fence"][0] != ":"):
            stack.append(Block(match["fence"], match["name"] or ""))
            if match["name"]:
                directives.append(match["name"])
                if match["rest"] and not stack[-1].verbatim and match["name"] not in NAMED:
                    prose.append(match["rest"])
            options = bool(match["name"])
            continue
        else:
            prose.append(line)
        options = False
    verbatim += [(block.name, "\n".join(block.lines).strip()) for block in stack if block.verbatim]
    return Parts("\n".join(prose), directives, verbatim, [f"{b.fence}{b.name and '{' + b.name + '}'}" for b in stack])


def closes(match: re.Match, block: Block) -> bool:
    """Whether a fence ends the block: of the same kind, at least as long, and bare."""
    return match["fence"].startswith(block.fence) and not match["name"] and not match["rest"].strip()


def halves(heading: str) -> tuple[str, str] | None:
    """The English and the Chinese half of a heading, or None where it is not bilingual.

    >>> halves("Momentum · 动量法")
    ('Momentum', '动量法')
    """
    english, separator, chinese = heading.partition(SEPARATOR)
    return (english.strip(), chinese.strip()) if separator else None


def headings(text: str) -> list[str]:
    """The headings in a Markdown text, without what stands in fenced code.

    >>> headings("# A · 甲\\n```\\n# no heading\\n```")
    ['A · 甲']
    """
    return [match[2] for match in HEADING.finditer(parts(text).prose)]
