"""What a chapter's code prints, in the Chinese view: `outputs.yml` beside the chapters has the phrases.

In a phrase # stands for a number; one that begins with ^ stands at the beginning of a line, one that ends with $ at
its end. Its Chinese takes the numbers in their order, or by their places, as {2}. The longest phrase that fits goes
first, and columns stay below each other: a Chinese character is as wide as two letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from downhill_course.notebook.cells import HAN, tags_of
from downhill_course.notebook.views import table
from optlib import rules

FILE = "outputs.yml"
NUMBER = r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?%?|[-+]?(?:inf|nan)\b"
BEGINS = "+-0123456789in"  # a number
WORD = re.compile(r"[A-Za-z]\w*(?![\w=])")
BETWEEN = re.compile(rf"(?<=\d)( ?)to( +)(?={NUMBER})")  # "0.1 to 0.4", however wide
TWICE = re.compile(rf"[A-Za-z][\w ]* · (?={HAN.pattern})")  # a head that has its Chinese beside it
BESIDE = re.compile(rf" · {HAN.pattern}[^|\n]*?(?= \|)")  # that Chinese
MARK = re.compile(rf"(?<={HAN.pattern})([,;:])(?: |$)|(?<=[，：；]) (?! )| +(?=[，：；])")
COLON = re.compile(r"(?<=\w)( +): ")  # a colon in a column of its own
GAP = re.compile(r" +(?=(?P<next>[^\s,;:]*))")
COLUMN = re.compile(r"(?<= )[^\s,;:]+")
MARKS = {",": "，", ";": "；", ":": "：", None: ""}
MIMES = ("text/plain", "text/markdown")


@dataclass(frozen=True)
class Phrases:
    """The table: every phrase with its Chinese, words that stay, and cells whose output stays."""

    chinese: dict[str, str]
    names: frozenset[str]
    kept: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> Phrases:
        """From the file, if the folder has one."""
        found = table(folder / FILE)
        names = {str(name) for name in found.get("names", [])} | rules.TABLE.keys()
        return cls(found.get("phrases", {}), frozenset(names), frozenset(found.get("kept", [])))


def spelt(phrase: str, number: str) -> str:
    """A phrase as a pattern: before a number that is set in a column stand several spaces, behind it one."""
    whole = re.escape(phrase.removeprefix("^").removesuffix("$")).replace(r"\ ", " ")
    return re.sub(r"(?<!#) ", " +", whole.replace(r"\#", "#")).replace("#", number)


@cache
def patterns(phrases: tuple[str, ...]) -> tuple[dict[str, re.Pattern], dict[str, str]]:
    """How the phrases that may begin with a letter or sign are found, the longest first; each by its group's name."""
    parts: dict[str, list[str]] = {}
    groups = {}
    for number, phrase in enumerate(sorted(phrases, key=len, reverse=True)):
        before = "^" if phrase[0] == "^" else r"(?<![\w\\$.])" if phrase[0].isalpha() else ""
        before = r"(?<![\w.,])" if phrase[0] == "#" else before
        after = r"(?![\w=])" if phrase[-1].isalnum() else r"(?![\w%]|[.,]\d)" if phrase[-1] == "#" else ""
        after = "$" if phrase[-1] == "$" else after
        first = phrase.removeprefix("^")[0]
        for sign in BEGINS if first == "#" else first:
            part = f"(?P<p{number}>{before}{spelt(phrase, f'(?:{NUMBER})')}{after})"
            parts.setdefault(sign, []).append(part)
        groups[f"p{number}"] = phrase
    return {sign: re.compile("|".join(some)) for sign, some in parts.items()}, groups


def found_in(line: str, finders: dict[str, re.Pattern]) -> Iterator[re.Match]:
    """The phrases of a line, from its left to its right. To try all of them everywhere takes seconds a chapter."""
    at = 0
    while at < len(line):
        finder = finders.get(line[at])
        match = finder.match(line, at) if finder else None
        if match:
            yield match
        at = match.end() if match else at + 1


def said(phrase: str, found: str, chinese: str) -> str:
    """A phrase's Chinese with the numbers that were found in it, as far to the right in their columns as they were.

    >>> said("# of # arrive", "3 of 12 arrive", "{2} 个里有 {1} 个到达")
    '12 个里有 3 个到达'
    >>> said("every # steps", "every  5 steps", "每 # 步")
    '每  5 步'
    """
    whole = re.fullmatch(spelt(phrase, f"( *(?:{NUMBER}))").replace(" +(", " ("), found)
    numbers = whole.groups() if whole else ()
    in_order = iter(numbers)
    chinese = re.sub("#", lambda _: next(in_order), chinese)
    return re.sub(r"\{(\d)\}", lambda place: numbers[int(place[1]) - 1], chinese)


def wide(letter: str) -> bool:
    """Whether a letter takes two columns, as a Chinese one does."""
    return unicodedata.east_asian_width(letter) in "WF"


def width(text: str) -> int:
    """In columns: terminals, and the site's style sheet, give a Chinese character two.

    >>> width("loss"), width("损失：")
    (4, 6)
    """
    return len(text) + sum(map(wide, text))


def in_chinese(text: str, known: Phrases, use: Callable[[str], object] = lambda phrase: None) -> str:
    """An output whose known phrases are Chinese; `use` is told each of them.

    >>> known = Phrases({"rate": "学习率", "loss": "损失", "after # steps": "# 步后"}, frozenset(), frozenset())
    >>> print(in_chinese("rate   loss\\n0.100  2.5 after 10 steps", known))
    学习率 损失
    0.100  2.5 10 步后
    """
    if not known.chinese:
        return text
    lines = COLON.sub(r":\1 ", text).split("\n")
    return "\n".join(_line(line, lines, known, use) for line in lines)


def _line(line: str, lines: list[str], known: Phrases, use: Callable[[str], object]) -> str:
    """One line, each column begun, or ended, where it was."""
    finders, groups = patterns(tuple(known.chinese))
    others = [other for other in lines if other != line]
    line = TWICE.sub("", line)
    made, at = "", 0
    for match in found_in(line, finders):
        phrase = groups[str(match.lastgroup)]
        use(phrase)
        new = said(phrase, match[0], known.chinese[phrase])
        made += _kept(made, line[at : match.start()], at, others)
        start, end = match.span()
        if phrase[0] != "#" and _ends_column(start, end, line, others):
            made += " " * max(0, end - width(made) - width(new))
        made += new
        at = end
    made += _kept(made, line[at:].rstrip(), at, others)
    made = BETWEEN.sub(r"\1至\2", made)
    return marked(made).rstrip() if made != line else line


def marked(text: str) -> str:
    """With the wide marks of Chinese behind its words, which hold their blank."""
    return MARK.sub(lambda mark: MARKS[mark[1]], text)


def _kept(made: str, rest: str, at: int, others: list[str]) -> str:
    """What stands behind a phrase; the first column that begins in it, or right behind it, is where it was."""
    for gap in GAP.finditer(rest) if at else ():
        before = rest[: gap.start()]
        begin, end = at + gap.end(), at + gap.end() + len(gap["next"])
        blanks = begin - width(marked(f"{made}{before}x")) + 1
        heads = [head for line in others for head in _columns(line, begin, end)]
        if made[-1:] in ":：":
            heads = [head for head in heads if ":" in head]
        wide = [head.endswith("  ") for head in heads]
        if before in ("", ":") and (len(gap[0]) > 1 or any(wide)):
            return before + " " * max(1, blanks) + rest[gap.end() :]
        if len(gap[0]) > 1 and before.count("[") == before.count("]") and wide and all(wide) and blanks > 1:
            return before + " " * blanks + rest[gap.end() :]
    return rest


def _columns(line: str, begin: int, end: int) -> Iterator[str]:
    """What stands in a line before a column that begins here, or ends here with a number."""
    for found in COLUMN.finditer(line):
        if found.start() == begin or (found.end() == end and found[0][-1].isdigit()):
            yield line[: found.start()]


def _ends_column(start: int, end: int, line: str, others: list[str]) -> bool:
    """Whether a head stands above numbers that end where it ends and do not begin where it begins."""
    if line[end : end + 1].strip() or line[max(start - 2, 0) : start].strip() or not start:
        return False
    below = [other for other in others if other[end - 1 : end].isdigit()]
    ends = sum(not other[end : end + 1].strip() for other in below)
    begins = sum(other[start : start + 1].strip() != "" and not other[start - 1].strip() for other in below)
    return ends > begins


# --- a notebook -----------------------------------------------------------------------------------


def texts(notebook: dict, known: Phrases) -> Iterator[tuple[int, dict, dict, str]]:
    """Every printed text that a reader of the site sees: the cell and its index, where the text is kept."""
    for index, cell in enumerate(notebook["cells"]):
        hidden = {"remove-cell", "remove-output"} & set(tags_of(cell))
        if cell["cell_type"] != "code" or hidden or cell.get("id") in known.kept:
            continue
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            listing = "".join(data.get("text/markdown", "")).startswith("```")
            if output["output_type"] == "stream":
                yield index, cell, output, "text"
            elif not listing and not any(kind.startswith("image/") for kind in data):
                yield from ((index, cell, data, kind) for kind in MIMES if kind in data)


def translate(notebook: dict, known: Phrases) -> None:
    """Make every printed text of a notebook Chinese."""
    for _, _, place, key in texts(notebook, known):
        place[key] = in_chinese("".join(place[key]), known)


def in_english(notebook: dict) -> None:
    """Leave the Chinese of a table's double heads out."""
    for _, _, place, key in texts(notebook, Phrases({}, frozenset(), frozenset())):
        if key == "text/markdown":
            place[key] = BESIDE.sub("", "".join(place[key]))


def left(
    notebook: dict, known: Phrases, use: Callable[[str], object] = lambda phrase: None
) -> Iterator[tuple[int, dict, str, str]]:
    """English words of four letters or more that a reader of the Chinese view would still meet, with their lines."""
    for index, cell, place, key in texts(notebook, known):
        for line in "".join(place[key]).split("\n"):
            for word in WORD.findall(in_chinese(line, known, use)):
                if len(word) > 3 and not re.search(r"\d", word) and word not in known.names:
                    yield index, cell, word, line
