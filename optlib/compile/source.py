"""Reading a rule: its syntax tree as straight-line code, and what in it depends on the clock alone."""

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

#: The functions that rules and surfaces may call, besides plain functions of their own module.
UFUNCS = ("sqrt", "exp", "log", "sin", "cos", "tanh", "floor", "abs", "sign", "maximum", "minimum", "where")
#: What schedules, functions of one number, may call besides.
BUILTINS = ("min", "max")


class CannotCompile(TypeError):
    """A construct that no back end translates; the message names function, line and construct."""


@dataclass(frozen=True)
class Code:
    """A plain function as the compilers see it.

    `arguments` are positional, `constants` the keyword-only ones; `body` is a list of statements without docstring;
    `helpers` are the plain functions it calls and `data` the module constants it reads.
    """

    name: str
    arguments: tuple[str, ...]
    constants: tuple[str, ...]
    body: tuple[ast.stmt, ...]
    helpers: tuple[Callable, ...]
    data: tuple[tuple[str, Any], ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """All arguments, in order."""
        return self.arguments + self.constants

    @property
    def memory(self) -> tuple[str, ...]:
        """What a rule keeps from step to step."""
        return tuple(name for name in self.arguments[2:] if name not in ("loss", "t"))


_READ: dict[Callable, Code] = {}


def read(function: Callable) -> Code:
    """The code of a plain function, checked to hold only what can be compiled.

    >>> from optlib.rules import adam
    >>> read(adam).constants
    ('lr', 'beta1', 'beta2', 'eps', 'eps_root')
    """
    kept = _READ.get(function)
    if kept is None or any(function.__globals__.get(h.__name__) is not h for h in kept.helpers):
        kept = _READ[function] = _read(function)  # anew where a notebook's cell has defined a helper again
    return kept


def _read(function: Callable) -> Code:
    tree = tree_of(function)
    tree = _Bare(function).visit(tree)
    statements = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
    helpers, data = [], {}
    known = {a.arg for a in (*tree.args.args, *tree.args.kwonlyargs)} | set(_assigned(statements))
    for node in (n for s in statements for n in ast.walk(s)):
        _allow(node, function)
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Load)
            and node.id not in known.union(UFUNCS, BUILTINS)
        ):
            value = function.__globals__.get(node.id)
            if inspect.isfunction(value):
                helpers.append(value)
            elif isinstance(value, (int, float, tuple)):
                data[node.id] = value
            elif node.id not in ("range",):
                raise CannotCompile(
                    f"{tree.name}, line {node.lineno}: {node.id!r} is neither an argument, a number, a plain function "
                    f"nor one of {', '.join(UFUNCS)}"
                )
    return Code(
        tree.name,
        tuple(a.arg for a in tree.args.args),
        tuple(a.arg for a in tree.args.kwonlyargs),
        tuple(statements),
        tuple(dict.fromkeys(helpers)),
        tuple(data.items()),
    )


def tree_of(function: Callable) -> ast.FunctionDef:
    """The syntax tree of a function written with def.

    Raises
    ------
    CannotCompile : its source is not to be found, or it is something else.
    """
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise CannotCompile(f"{function!r} has no source to compile: define it in a file or a notebook cell") from None
    try:
        tree = ast.parse(text).body[0]
    except SyntaxError:  # a lambda in the middle of a line
        tree = ast.Pass()
    if not isinstance(tree, ast.FunctionDef):
        raise CannotCompile(f"{function!r} is no plain function: write it with def, not as a lambda or class")
    return tree


class _Bare(ast.NodeTransformer):
    """``np.sqrt`` as ``sqrt``, where np is NumPy."""

    def __init__(self, function: Callable):
        self.room = function.__globals__

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        of, name = node.value, {"absolute": "abs", "fabs": "abs"}.get(node.attr, node.attr)
        bare = isinstance(of, ast.Name) and self.room.get(of.id) is np and name in UFUNCS
        return ast.copy_location(ast.Name(name, ast.Load()), node) if bare else node


_STATEMENTS = (ast.Assign, ast.Return, ast.For, ast.Tuple, ast.Name, ast.Constant, ast.keyword, ast.Load, ast.Store)
_EXPRESSIONS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.IfExp, ast.operator, ast.unaryop, ast.cmpop)


def _allow(node: ast.AST, function: Callable) -> None:
    plain = not isinstance(node, ast.Call) or isinstance(node.func, ast.Name)
    if isinstance(node, (*_STATEMENTS, *_EXPRESSIONS)) and plain:
        return
    line = getattr(node, "lineno", "?")
    what = ast.unparse(node) if isinstance(node, (ast.expr, ast.stmt)) else type(node).__name__
    raise CannotCompile(
        f"{function.__name__}, line {line}: {what!r} ({type(node).__name__}) cannot be compiled. Allowed are "
        f"assignments, arithmetic, comparisons, loops over a constant tuple, and calls of "
        f"{', '.join(UFUNCS)} or of plain functions"
    )


def _assigned(statements: Any) -> Iterator[str]:
    for node in (n for s in statements for n in ast.walk(s)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def names(node: ast.AST) -> set[str]:
    """Every name in an expression but those it calls.

    >>> sorted(names(ast.parse("1 - sqrt(beta2**t)").body[0]))
    ['beta2', 't']
    """
    called = {id(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in called}


def taken_apart(code: Code) -> tuple[list[tuple[str, ast.expr]], list[ast.stmt], list[ast.expr]]:
    """A rule: by name what follows from the clock alone, its other statements, and its new point and memory."""
    hoist = _Hoist({*code.constants, "t"})
    *body, last = [s for s in (hoist.visit(copy.deepcopy(s)) for s in code.body) if s is not None]
    match last:
        case ast.Return(value=ast.Tuple(elts=[new, ast.Tuple(elts=kept)])) if len(kept) == len(code.memory):
            return hoist.hoisted, body, [new, *kept]
    memory = "".join(f"{name}, " for name in code.memory)
    raise CannotCompile(
        f"{code.name}, line {last.lineno}: a rule ends with `return theta, ({memory})`, "
        f"not with {ast.unparse(code.body[-1])!r}"
    )


class _Hoist(ast.NodeTransformer):
    """Takes out of a rule's body what depends on hyper-parameters and the clock alone, so it is computed once a step.

    That is what NumPy does too: ``1 - beta1**t`` is one number there, rounded to the array's type when it meets it.
    """

    def __init__(self, clock: set[str]):
        self.clock = set(clock)
        self.hoisted: list[tuple[str, ast.expr]] = []
        self._known: dict[str, str] = {}

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        (target,) = node.targets
        if (
            isinstance(target, ast.Name)
            and names(node.value) <= self.clock
            and not isinstance(node.value, ast.Constant)
        ):
            self.clock.add(target.id)
            self.hoisted.append((target.id, node.value))
            return None
        node.value = self.visit(node.value)
        for name in (n.id for n in ast.walk(target) if isinstance(n, ast.Name)):
            self.clock.discard(name)
        return node

    def visit(self, node: ast.AST) -> Any:
        worth = isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Compare)) or (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in UFUNCS
        )
        if worth and names(node) and names(node) <= self.clock:
            text = ast.unparse(node)
            if text not in self._known:
                self._known[text] = f"_s{len(self._known)}"
                self.hoisted.append((self._known[text], node))  # type: ignore[arg-type]
            return ast.Name(self._known[text], ast.Load())
        return super().visit(node)
