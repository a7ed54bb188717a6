"""Sphinx extension: the library's reference, from its signatures and docstrings.

``{api} optlib.rules`` lists every public name of a module. The docstrings are reStructuredText with sections in the
manner of NumPy's; they are read as they stand, in English in every view.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from docutils.utils import new_document
from myst_parser.mocking import MockRSTParser
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from downhill_course.pages.bilingual import Passage

LIBRARY = "optlib"
SECTION = re.compile(r"^(?P<title>[A-Z]\w+)\n-{3,}\n", re.M)
#: What stands between backticks: a role and a literal stay, `name` is code.
CODE = re.compile(r":[\w:]+:`[^`]*`|``.*?``|`(?P<name>[^`]+)`(?P<glued>\w)?", re.S)
ITEM = re.compile(r"^(?P<names>[*\w]+(?:, [*\w]+)*) : (?P<text>.*(?:\n(?:[ \t]+\S.*|[ \t]*$))*)", re.M)
ERROR = re.compile(r"(?:^|(?<=[.;])\s+)([A-Z]\w+(?:, [A-Z]\w+)*) : ")  # errors stand in one paragraph
MATHS = re.compile(r"^\.\. math::(?P<formula>.*(?:\n(?:[ \t]+\S.*|[ \t]*$))*)", re.M)
NOTED = re.compile(r"((?:^#: .*\n)+)^([A-Z_]+)\b", re.M)  # a constant with its comment


# --- what is public -------------------------------------------------------------------------------


def public(module: ModuleType) -> dict[str, Any]:
    """The public names of a module that are its own, in the order of its source; modules are not among them.

    >>> import optlib
    >>> list(public(optlib))[:3]
    ['Descent', 'NotFinite', 'Optimizer']
    """
    if hasattr(module, "__all__"):
        return {name: value for name in module.__all__ if not inspect.ismodule(value := getattr(module, name))}
    noted = notes(module)
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and (_is_own(value, module) or name in noted)
    }


def _is_own(value: Any, module: ModuleType) -> bool:
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__module__ == module.__name__
    return type(value).__module__ == module.__name__  # an instance of a class of this module, such as a surface


def submodules(module: ModuleType) -> Iterator[ModuleType]:
    """The public modules of a package that its ``__all__`` names, those of the library's root excepted: rooms."""
    if module.__name__ != LIBRARY:
        for name in getattr(module, "__all__", ()):
            if inspect.ismodule(value := getattr(module, name)):
                yield value


def notes(module: ModuleType) -> dict[str, str]:
    """Constants and the comment ``#: ...`` above each."""
    source = inspect.getsource(module)
    return {name: re.sub(r"^#: ", "", comment, flags=re.M).strip() for comment, name in NOTED.findall(source)}


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties of a class that the library wrote and documents."""
    found = {}
    for name, value in inspect.getmembers_static(kind):
        inner = value.fget if isinstance(value, property) else inspect.unwrap(getattr(value, "__func__", value))
        own = inspect.isfunction(inner) and inner.__module__.startswith(LIBRARY)
        if own and inner.__doc__ and not name.startswith("_"):
            found[name] = value
    return found


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


def restructured(docstring: str) -> str:
    """A docstring whose sections are definition lists and whose `names` are code.

    >>> print(restructured("One `line`.\\n\\nParameters\\n----------\\nx : a number"))
    One ``line``.
    <BLANKLINE>
    **Parameters**
    <BLANKLINE>
    ``x``
        a number
    """
    pieces = SECTION.split(inspect.cleandoc(docstring))
    text = [pieces[0].strip()]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        items, rest = (_errors if title == "Raises" else _items)(body)
        text += [f"**{title}**", items, rest]
    return "\n\n".join(_marked(part) for part in text if part)


def _marked(text: str) -> str:
    """The text with its code marked as such, and with environments around the formulas that align their lines."""
    parts, at = [], 0
    for found in MATHS.finditer(text):
        formula = textwrap.dedent(found["formula"]).strip()
        if "&" in formula and r"\begin" not in formula:
            formula = f"\\begin{{aligned}}\n{formula}\n\\end{{aligned}}"
        parts += [_code(text[at : found.start()]), f".. math::\n\n{textwrap.indent(formula, '    ')}\n\n"]
        at = found.end()
    return "".join([*parts, _code(text[at:])])


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


def described(name: str, value: Any, module: ModuleType) -> str:
    """One public name: its signature, its docstring, and for a class its methods."""
    lines: list[str]
    if inspect.isclass(value):
        what = "exception" if issubclass(value, BaseException) else "class"
        head, text = signature(value), value.__doc__
        inner = [_member(n, v) for n, v in members(value).items()]
    elif callable(value) and hasattr(value, "__code__"):
        what, head, text, inner = "function", signature(value), value.__doc__, []
    else:
        text = notes(module).get(name) or getattr(value, "source", None) or type(value).__doc__
        what, head, inner = "data", "", []
    lines = [f".. py:{what}:: {name}{head}", "", textwrap.indent(restructured(text or ""), "   "), ""]
    return "\n".join([*lines, *(textwrap.indent(part, "   ") for part in inner)])


def _member(name: str, value: Any) -> str:
    if isinstance(value, property):
        head, text = f".. py:property:: {name}", value.fget.__doc__ if value.fget else None
    else:
        call = getattr(value, "__func__", value)
        head, text = f".. py:method:: {name}{signature(call)}", call.__doc__
    return f"{head}\n\n{textwrap.indent(restructured(text or ''), '   ')}\n"


def reference(module: ModuleType) -> str:
    """A module and everything public in it."""
    parts = [f".. py:currentmodule:: {module.__name__}", restructured(module.__doc__ or "")]
    parts += [described(name, value, module) for name, value in public(module).items()]
    for inner in submodules(module):
        parts += [f".. rubric:: {inner.__name__}", reference(inner)]
    return "\n\n".join(parts) + "\n"


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
        passage = Passage(language="en", place=None)
        passage += self.parsed(reference(module))
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
