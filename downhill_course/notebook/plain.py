"""The Markdown of a notebook as its file holds it: plain, so that Jupyter, Colab and GitHub show it as it is meant.

The course's machinery knows MyST. `cells.read` turns what a file says into it, and what `cells` writes is plain again:

=================================  ==================================================================================
MyST                               in the file
=================================  ==================================================================================
``(momentum)=``                    ``<a id="momentum"></a>``
``[back](momentum)``               ``[back](03-momentum.ipynb#momentum)``, within one notebook ``[back](#momentum)``
``{cite:p}`polyak1964` ``          ``([Polyak 1964](https://doi.org/… "polyak1964"))``
``{cite:t}`polyak1964` ``          ``[Polyak (1964)](https://doi.org/… "polyak1964")``
a page's ``{bibliography}``        ``<!-- bibliography -->`` and the works that the notebook cites
a passage in one language          ``<div lang="zh-CN">`` around it: for fonts, for voices and for `switch`
=================================  ==================================================================================

A notebook may be written either way. Names, years and addresses come from `references.bib`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import TYPE_CHECKING

from downhill_course.project import BOOK

if TYPE_CHECKING:
    from pybtex.database import Entry

BIBLIOGRAPHY = "```{bibliography}\n:filter: docname in docnames\n```"
WORKS = "<!-- bibliography -->"
#: Code keeps every letter, and so does a role, whose backticks are none of code.
CODE = re.compile(
    r"^(`{3,}|~{3,})(?!\{)[^\n]*\n.*?^\1[`~]*[ \t]*$|\{[\w:-]+\}`[^`]+`|(?<!`)(`+)(?!`)[^\n]+?(?<!`)\2(?!`)",
    re.M | re.S,
)
ROLE = re.compile(r"\{cite:([pt])\}`([^`]+)`")
MARK = re.compile(r"^\(([^()\s]+)\)=[ \t]*$", re.M)
LINK = re.compile(r"(?<=\])\(#?([a-z0-9][\w-]*)\)")
WORK = r'\[[^\]]*\]\([^)\s]+ "[a-z][\w-]*"\)'
CITED = re.compile(rf"\({WORK}(?:; {WORK})*\)|{WORK}")
KEY = re.compile(r'"([^"\s]+)"\)')
SPOKEN = re.compile(r'<div lang="[\w-]+">\n\n(.*)\n\n</div>', re.S)
ANCHOR = re.compile(r'^<a id="([^"\s]+)"></a>[ \t]*$', re.M)
TARGET = re.compile(r"(?<=\])\((?:[\w-]+\.(?:ipynb|md))?#([\w-]+)\)|(?<=\])\(([\w-]+)\.(?:ipynb|md)\)")


def myst(text: str) -> str:
    """A cell's Markdown as the book reads it.

    >>> myst('<a id="a"></a>\\n# A\\n\\n[B](01-b.ipynb#b), by [Polyak (1964)](https://doi.org/1 "polyak1964")')
    '(a)=\\n# A\\n\\n[B](b), by {cite:t}`polyak1964`'
    """
    if text.startswith(WORKS):
        return BIBLIOGRAPHY
    if whole := SPOKEN.fullmatch(text):
        text = whole[1]
    text = outside_code(text, lambda prose: TARGET.sub(lambda match: f"({match[1] or match[2]})", prose))
    text = ANCHOR.sub(r"(\1)=", text)
    return CITED.sub(
        lambda match: f"{{cite:{'p' if match[0][0] == '(' else 't'}}}`{','.join(KEY.findall(match[0]))}`", text
    )


def plain(text: str, name: str, cited: Iterable[str] = ()) -> str:
    """The same for the file of a notebook called `name`; `cited` are the works that its list of references holds."""
    if text == BIBLIOGRAPHY:
        return "\n".join([WORKS, "", *sorted(listed(key) for key in works().keys() & set(cited))])

    def link(match: re.Match) -> str:
        file, mark, label = homes().get(match[1], match[1]).partition("#")
        return f"({'' if mark and file == name else file}{mark}{label})"

    text = outside_code(text, lambda prose: LINK.sub(link, prose))
    return outside_code(ROLE.sub(citation, text), partial(MARK.sub, r'<a id="\1"></a>'))


def spoken(text: str, tag: str) -> str:
    """A passage that says in which language it is."""
    return f'<div lang="{tag}">\n\n{text}\n\n</div>'


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """`text`, changed everywhere but in code."""
    made, end = [], 0
    for code in CODE.finditer(text):
        made += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*made, change(text[end:])])


def keys_of(text: str) -> list[str]:
    """The works that a passage in MyST cites."""
    return [key.strip() for match in ROLE.finditer(text) for key in match[2].split(",")]


@cache
def homes() -> dict[str, str]:
    """Where each label of the book stands, as a notebook beside it links there; a page's own name leads to the page."""
    found = {path.stem: path.name for path in sorted(BOOK.glob("*.ipynb")) + sorted(BOOK.glob("*.md"))}
    for path in found.copy().values():
        written = (BOOK / path).read_text(encoding="utf-8")
        for label in re.findall(r'^[ \t]*"?\(([^()\s]+)\)=(?:\\n|$)|<a id=\\?"([^"\\]+)\\?"></a>', written, re.M):
            found["".join(label)] = f"{path}#{''.join(label)}"
    return found


@cache
def works() -> dict[str, Entry]:
    """The works of `references.bib` by their keys."""
    from pybtex.database import parse_file

    return dict(parse_file(str(BOOK / "references.bib")).entries)


def citation(match: re.Match) -> str:
    """What stands in the file for a citation; one of an unknown work stays as it is, and the build names it."""
    keys = [key.strip() for key in match[2].split(",")]
    if not works().keys() >= set(keys):
        return match[0]
    form = "({})" if match[1] == "t" else "{}"
    told = [f'[{who(key)} {form.format(year(key))}]({address(key)} "{key}")' for key in keys]
    return f"({'; '.join(told)})" if match[1] == "p" else "; ".join(told)


def who(key: str) -> str:
    """Whose work it is: two names are joined, three or more are the first's.

    >>> who("polyak1964"), who("kingma2015")
    ('Polyak', 'Kingma & Ba')
    """
    persons = works()[key].persons["author"]
    names = [unbraced(" ".join([*person.prelast_names, *person.last_names])) for person in persons]
    return " & ".join(names) if len(names) < 3 else f"{names[0]} et al."


def year(key: str) -> str:
    return works()[key].fields["year"]


def address(key: str) -> str:
    """Where a work can be read; brackets would end a link."""
    fields = works()[key].fields
    found = f"https://doi.org/{fields['doi']}" if "doi" in fields else fields["url"]
    return found.replace("(", "%28").replace(")", "%29")


def listed(key: str) -> str:
    """A work as a line of the list of references."""
    return f"- {who(key)} {year(key)}. [{unbraced(works()[key].fields['title'])}]({address(key)})"


def unbraced(text: str) -> str:
    """BibTeX's text as it is read."""
    from pybtex.richtext import Text

    return str(Text.from_latex(text))
