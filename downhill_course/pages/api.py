"""Sphinx extension: the library's reference, from its signatures and docstrings.

``{api} optlib.rules`` lists every public name of a module. The docstrings are reStructuredText with sections in the
manner of NumPy's; they are read as they stand, in English in every view. Where Chinese is read too, the line of
`api.yml` stands behind each one's first paragraph; where nothing else is, the docstring is folded behind it.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from docutils.utils import new_document
from myst_parser.mocking import MockRSTParser
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from downhill_course.notebook.reference import (
    FILE,
    LIBRARY,
    MODULE,
    docstring,
    first_paragraph,
    members,
    public,
    said,
    submodules,
    table,
)
from downhill_course.notebook.views import View
from downhill_course.pages.bilingual import Passage, current_view

SECTION = re.compile(r"^(?P<title>[A-Z]\w+)\n-{3,}\n", re.M)
#: What stands between backticks: a role and a literal stay, `name` is code.
CODE = re.compile(r":[\w:]+:`[^`]*`|``.*?``|`(?P<name>[^`]+)`(?P<glued>\w)?", re.S)
ITEM = re.compile(r"^(?P<names>[*\w]+(?:, [*\w]+)*) : (?P<text>.*(?:\n(?:[ \t]+\S.*|[ \t]*$))*)", re.M)
TITLES = {"Parameters": "参数", "Raises": "异常", "Returns": "返回值"}
#: In prose: ``lr : the rate. u : the velocity``.
SAID = re.compile(r"(?P<before>^|[.;]\s+)(?P<names>\w+(?:, \w+)*) : ", re.M)
ERROR = re.compile(r"(?:^|(?<=[.;])\s+)([A-Z]\w+(?:, [A-Z]\w+)*) : ")  # errors stand in one paragraph
MATHS = re.compile(r"^\.\. math::(?P<formula>.*(?:\n(?:[ \t]+\S.*|[ \t]*$))*)", re.M)


# --- as reStructuredText --------------------------------------------------------------------------


def signature(call: Callable) -> str:
    """Names and defaults, without annotations.

    >>> def f(theta, *, lr: float = 0.1, rule=len): ...
    >>> signature(f)
    '(theta, *, lr=0.1, rule=len)'
    """
    try:
        found = inspect.signature(call)
    except (TypeError, ValueError):
        return ""
    plain = []
    for parameter in found.parameters.values():
        if parameter.name == "self":
            continue
        default = parameter.default
        if callable(default) and default is not parameter.empty:
            default = _Bare(default.__name__)
        plain.append(parameter.replace(annotation=parameter.empty, default=default))
    return str(found.replace(parameters=plain, return_annotation=found.empty))


class _Bare:
    """A default that is shown by its name."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


def restructured(docstring: str, *, chinese: str = "") -> str:
    """A docstring whose sections are definition lists and whose `names` are code.

    What stands in `chinese` comes behind its first paragraph; the sections' titles then have their Chinese too.

    >>> print(restructured("One `line`.\\n\\nParameters\\n----------\\nx : a number"))
    One ``line``.
    <BLANKLINE>
    **Parameters**
    <BLANKLINE>
    ``x``
        a number
    """
    pieces = SECTION.split(inspect.cleandoc(docstring))
    first, _, more = _named(pieces[0].strip()).partition("\n\n")  # what follows may be a formula with blank lines
    text = [first, chinese, more]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        items, rest = (_errors if title == "Raises" else _items)(body)
        text += [f"**{title} · {TITLES[title]}**" if chinese else f"**{title}**", items, rest]
    return "\n\n".join(_marked(part) for part in text if part)


def _named(text: str) -> str:
    """Names before a colon as code without a space between: a line could begin with the colon."""

    def mark(found: re.Match) -> str:
        return found["before"] + ", ".join(f"`{name}`" for name in found["names"].split(", ")) + ": "

    return SAID.sub(mark, text)


def _marked(text: str) -> str:
    """The text with its code marked as such, and its formulas one equation a line."""
    parts, at = [], 0
    for found in MATHS.finditer(text):
        formula = stacked(textwrap.dedent(found["formula"]).strip())
        parts += [_code(text[at : found.start()]), f".. math::\n\n{textwrap.indent(formula, '    ')}\n\n"]
        at = found.end()
    return "".join([*parts, _code(text[at:])])


#: What groups in a formula, and what parts it: a line's end, the next column, the space between two formulas.
PART = re.compile(r"\\(?:begin|end)\{\w+\}|\\\\|\\qquad|\\leftarrow|\\.|[{}&=]|:=")
RELATIONS = ("=", ":=", r"\leftarrow")


def stacked(formula: str) -> str:
    r"""A formula whose lines align at their relations, one equation a line: two beside each other fit no phone.

    >>> print(stacked(r"u = v, \qquad w_{i=1} = \begin{cases} a & b \\ c & d \end{cases}"))
    \begin{aligned}
    u &= v, \\
    w_{i=1} &= \begin{cases} a & b \\ c & d \end{cases}
    \end{aligned}
    """
    rows, row, depth, at = [], [""], 0, 0
    for found in PART.finditer(formula):
        row[-1] += formula[at : found.start()]
        at, part = found.end(), found[0]
        depth += (part[0] == "{" or part.startswith(r"\begin")) - (part[0] == "}" or part.startswith(r"\end"))
        if depth or part not in (r"\\", r"\qquad", "&", *RELATIONS):
            row[-1] += part
        elif part == "&" and len(row) == 1:
            row.append("")
        elif part in RELATIONS:
            row = [*row[:-1], row[-1] + part] if len(row) > 1 else [row[0], part]
        elif row != [""]:
            rows.append(row)
            row = [""]
    row[-1] += formula[at:]
    rows.append(row)
    if len(rows) == 1:
        return formula
    lines = (" &".join(" ".join(side.split()) for side in (row if len(row) > 1 else ["", *row])) for row in rows)
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _code(text: str) -> str:
    def mark(found: re.Match) -> str:
        if found["name"] is None:
            return found[0]
        # a literal ends before a space or a mark; before a letter, as in `sgd`s, it needs an escape
        return f"``{found['name']}``" + (f"\\ {found['glued']}" if found["glued"] else "")

    return CODE.sub(mark, text)


def _items(body: str) -> tuple[str, str]:
    """The entries ``name : text`` with which a section begins, as a definition list, and what follows them."""
    body = body.strip("\n")
    block, gap, rest = body.partition("\n\n")
    entries = []
    at = 0
    for entry in ITEM.finditer(block):
        if block[at : entry.start()].strip():
            break
        at = entry.end()
        names = ", ".join(f"``{name.strip()}``" for name in entry["names"].split(","))
        entries.append(f"{names}\n{textwrap.indent(textwrap.dedent(_first_flush(entry['text'])), '    ')}")
    return "\n".join(entries), block[at:].strip("\n") + gap + rest


def _errors(body: str) -> tuple[str, str]:
    """The errors of a paragraph such as ``ValueError : why; TypeError : why``, and what follows them."""
    paragraph, gap, rest = body.strip("\n").partition("\n\n")
    before, *found = ERROR.split(" ".join(paragraph.split()))
    entries = [f"``{name}``\n    {why.strip().rstrip(';')}" for name, why in zip(found[::2], found[1::2], strict=True)]
    return "\n\n".join(part for part in (before.strip(), "\n".join(entries)) if part), gap + rest


def _first_flush(text: str) -> str:
    """The text of an entry with its continuation lines moved to the left edge."""
    first, *more = text.splitlines()
    return "\n".join([first, *textwrap.dedent("\n".join(more)).splitlines()])


def described(name: str, value: Any, module: ModuleType, fold: Fold) -> str:
    """One public name: its signature, its docstring, and for a class its methods."""
    head, inner = "", []
    if inspect.isclass(value):
        what, head = "exception" if issubclass(value, BaseException) else "class", signature(value)
        inner = [_member(f"{name}.{each}", v, module, fold) for each, v in members(value).items()]
    elif callable(value) and hasattr(value, "__code__"):
        what, head = "function", signature(value)
    else:
        what = "data"
    text = "\n\n".join([fold(module.__name__, name, docstring(name, value, module)), *inner])
    return f".. py:{what}:: {name}{head}\n\n{textwrap.indent(text, '   ')}\n"


def _member(name: str, value: Any, module: ModuleType, fold: Fold) -> str:
    own = name.rpartition(".")[2]
    is_property = isinstance(value, property)
    head = f"property:: {own}" if is_property else f"method:: {own}{signature(getattr(value, '__func__', value))}"
    return f".. py:{head}\n\n{textwrap.indent(fold(module.__name__, name, said(value)), '   ')}\n"


Fold = Callable[[str, str, str], str]  # module, name, docstring: what stands there


def english(module: str, name: str, text: str) -> str:
    """Where English is read, the docstring is all."""
    return restructured(text)


def folding(view: View, lines: dict[str, dict[str, str]]) -> Fold:
    """How a view gives a name's docstring: with its line of Chinese, where Chinese is read.

    Where only Chinese is read, a method that is said in one paragraph is said by its line.

    >>> from downhill_course.notebook.views import VIEWS
    >>> print(folding(VIEWS["zh"], {"optlib.rules": {"sgd": "梯度下降。"}})("optlib.rules", "sgd", "Descent."))
    .. lang:: zh
       :place:
    <BLANKLINE>
       梯度下降。
    <BLANKLINE>
    .. dropdown:: 英文文档
    <BLANKLINE>
       Descent.
    """
    if "zh" not in view.languages:
        return english

    def both(module: str, name: str, text: str) -> str:
        line = f".. lang:: zh\n   :place:\n\n   {_marked(lines[module][name])}"
        if "en" in view.languages:
            return restructured(text, chinese=line)
        all_said = "." in name.strip(MODULE) and first_paragraph(text) == " ".join(text.split())
        folded = f".. dropdown:: 英文文档\n\n{textwrap.indent(restructured(text), '   ')}"
        return line if all_said else f"{line}\n\n{folded}"

    return both


def reference(module: ModuleType, fold: Fold = english) -> str:
    """A module and everything public in it."""
    name = module.__name__
    parts = [f".. py:currentmodule:: {name}", fold(name, MODULE, module.__doc__ or "")]
    parts += [described(inner, value, module, fold) for inner, value in public(module).items()]
    for inner in submodules(module):
        parts += [f".. rubric:: {inner.__name__}", reference(inner, fold)]
    return "\n\n".join(parts) + "\n"


def is_dropdown(node: nodes.Node) -> bool:
    """Whether a node is sphinx-design's, which folds what is in it."""
    return isinstance(node, nodes.Element) and node.get("design_component") == "dropdown"


class Api(SphinxDirective):
    """``{api} optlib.rules``: the reference of a module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name.partition(".")[0] != LIBRARY:
            raise self.error(f"{{api}} {name}: only modules of {LIBRARY} are listed")
        try:
            module = import_module(name)
        except ImportError as error:
            raise self.error(f"{{api}} {name} cannot be imported: {error}") from error
        for source in {inspect.getsourcefile(part) for part in (module, *submodules(module))}:
            self.env.note_dependency(str(source))
        view = current_view(self.env.app)
        self.env.note_dependency(str(Path(self.env.srcdir) / FILE))
        passage = Passage(language=view.languages[0], place=None)
        passage += self.parsed(reference(module, folding(view, table(Path(self.env.srcdir)))))
        for folded in passage.findall(is_dropdown):
            folded[1:] = [Passage("", *folded[1:], language="en", place=None)]
        return [passage]

    def parsed(self, text: str) -> list[nodes.Node]:
        """The nodes of reStructuredText; a page of Markdown would read it as Markdown."""
        inner = new_document(self.env.doc2path(self.env.docname), self.state.document.settings)
        inner.reporter = self.state.document.reporter
        MockRSTParser().parse("\n".join(StringList(text.splitlines(), self.env.docname)), inner)
        for target in inner.findall(lambda node: isinstance(node, nodes.Element) and bool(node.get("ids"))):
            for identifier in target["ids"]:
                self.state.document.ids.setdefault(identifier, target)
        return inner.children


def setup(app: Sphinx) -> dict:
    app.add_directive("api", Api)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
