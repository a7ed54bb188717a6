"""An algorithm's own source as a listing, so that no chapter retypes it."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

_DIRECTIVE = re.compile(r"\s*#\s*(?:fmt|noqa|type|pragma|ruff)\b.*$")


class Listing:
    """A function's source without docstring, type hints and tools' directives: what remains reads like the paper.

    Jupyter shows it as a highlighted block. The body is the source's own, to the letter, comments included.

    Parameters
    ----------
    function : a Python function whose source is a file

    Raises
    ------
    TypeError : something else, such as a class or a built-in.

    >>> from optlib import rules, view
    >>> print(view.listing(rules.momentum).code)
    def momentum(theta, g, u, *, lr=0.01, gamma=0.9):
        u = gamma * u + lr * g
        theta = theta - u
        return theta, (u,)
    """

    def __init__(self, function: Callable):
        if not inspect.isfunction(function):
            raise TypeError(
                f"function={function!r} cannot be listed: give a Python function, such as optlib.rules.adam"
            )
        source = textwrap.dedent(inspect.getsource(function))
        try:
            tree: ast.stmt | None = ast.parse(source).body[0]
        except SyntaxError:  # a lambda within an expression of several lines
            tree = None
        if not isinstance(tree, ast.FunctionDef):
            raise TypeError(f"function={function.__name__} cannot be listed: it must be written as a def")
        body = "\n".join(_body(tree, source.splitlines()))
        self.code = f"{_signature(tree, source)}\n{textwrap.indent(body, '    ')}"

    def __repr__(self) -> str:
        return self.code

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": f"```python\n{self.code}\n```", "text/plain": self.code}


def listing(function: Callable) -> Listing:
    """The function's source, to be shown: see :class:`Listing`."""
    return Listing(function)


def _body(tree: ast.FunctionDef, lines: list[str]) -> list[str]:
    first = tree.body[0]
    # From here on all is the body's, comments included.
    documented = ast.get_docstring(tree) is not None and len(tree.body) > 1
    begin = (first.end_lineno or first.lineno) if documented else _last_line_of_signature(tree, lines)
    body = [_DIRECTIVE.sub("", line).rstrip() for line in lines[begin:]]
    return textwrap.dedent("\n".join(body)).strip("\n").splitlines()


def _last_line_of_signature(tree: ast.FunctionDef, lines: list[str]) -> int:
    line = tree.body[0].lineno - 1
    while line > tree.lineno and (not lines[line - 1].strip() or lines[line - 1].lstrip().startswith("#")):
        line -= 1  # comments before the first statement belong to the body
    return line


def _signature(tree: ast.FunctionDef, source: str) -> str:
    """The def line without hints; defaults as they are written (1e-8, not 1e-08), a long one broken at the star."""

    def default(node: ast.expr | None) -> str:
        return "" if node is None else f"={ast.get_source_segment(source, node)}"

    a = tree.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(plain) - len(a.defaults)) + list(a.defaults)
    before = [arg.arg + default(d) for arg, d in zip(plain, defaults, strict=True)]
    if a.posonlyargs:
        before.insert(len(a.posonlyargs), "/")
    after = [arg.arg + default(d) for arg, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    if a.vararg:
        before.append(f"*{a.vararg.arg}")
    elif after:
        before.append("*")
    if a.kwarg:
        after.append(f"**{a.kwarg.arg}")
    line = f"def {tree.name}({', '.join([*before, *after])}):"
    if len(line) <= 80:
        return line
    return f"def {tree.name}({', '.join(before)},\n{' ' * (len(tree.name) + 5)}{', '.join(after)}):"
