"""What a picture in a browser needs of the library: rules that walk many points at once and tell each of their lines.

`library` gives the body of an ECMAScript function. As a function it can be handed to a worker as text, so that the
page and its workers run the same code and nothing is fetched.
"""

import ast
import copy
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import rules as _rules
from ..surfaces import Surface
from .js import _functions, _rule_entry, _surface_entry, _Writer
from .source import CannotCompile, Code, Hoist, read, tree_of


def library(
    rules: Iterable[Callable], surfaces: Iterable[Surface] = (), *, schedules: Iterable[Callable] = (),
    functions: Iterable[Callable] = (), examples: Mapping[str, tuple[Callable, Any]] | None = None,
) -> str:  # fmt: skip
    """The body of a function that returns ``{ rules, surfaces, schedules, functions, examples }``.

    Parameters
    ----------
    rules : each gets ``advance(theta, g, memory, t, loss, hyper)``, which updates arrays in place, and
        ``trace(...)`` with ``lines``, the value and the text of each of its assignments
    surfaces : as in `javascript_module`
    schedules : makers of schedules; each becomes a function of one object of its arguments that returns t -> value
    functions : plain functions that are wanted besides
    examples : surface -> (gradient of one example, data), for losses that are means over examples

    Raises
    ------
    CannotCompile : names the function, the line and the construct.

    >>> from optlib import rules
    >>> print(library([rules.sgd]).split("const rules")[0])
    function sgd_advance(theta$, g$, memory$, t, loss$, { lr }) {
      for (let i$ = 0; i$ < theta$.length; i$++) {
        let theta = theta$[i$], g = g$[i$];
        theta = theta - lr * g;
        theta$[i$] = theta;
      }
    }
    function sgd_trace(theta, g, { lr }) {
      const seen$ = [];
      theta = theta - lr * g; seen$.push(theta);
      return seen$;
    }
    <BLANKLINE>
    """
    rules, surfaces, examples = list(rules), list(surfaces), examples or {}
    schedules, functions = list(schedules), list(functions)
    for rule in rules:
        if rule in _rules.WHOLE:
            raise CannotCompile(f"{rule.__name__} sees whole vectors, so it has no JavaScript")
    wanted = [h for rule in rules for h in read(rule).helpers]
    wanted += [_rules.LOOK_AHEAD[rule] for rule in rules if rule in _rules.LOOK_AHEAD]
    wanted += [f for s in surfaces for f in (s.value, s.gradient)]
    wanted += [*functions, *(example for example, _ in examples.values())]
    parts = [*_functions(wanted).values()]
    for rule in rules:
        parts += [_advance(read(rule)), _trace(read(rule))]
    makers = _makers(schedules)
    parts += [
        *makers.values(),
        _table("rules", ((rule.__name__, _entry(rule)) for rule in rules)),
        _table("surfaces", ((s.name, _surface_entry(s)) for s in surfaces)),
        _table("schedules", ((s.__name__, _schedule_entry(s)) for s in schedules)),
        _table("functions", ((f.__name__, f.__name__) for f in functions)),
        _table(
            "examples",
            ((name, f"{{ gradient: {f.__name__}, data: {json.dumps(rows)} }}") for name, (f, rows) in examples.items()),
        ),
        "return { rules, surfaces, schedules, functions, examples };",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _table(name: str, entries: Iterable[tuple[str, str]]) -> str:
    return "\n".join([f"const {name} = {{", *(f"  {key}: {value}," for key, value in entries), "};"])


def _entry(rule: Callable) -> str:
    code = read(rule)
    entry = _rule_entry(rule).removeprefix(f"{{ step: {rule.__name__}, ").removesuffix(" }")
    lines = json.dumps([[name, text] for name, text in _texts(code)])
    return f"{{ advance: {code.name}_advance, trace: {code.name}_trace, lines: {lines}, {entry} }}"


# --- rules ----------------------------------------------------------------------------------------


def _names(code: Code) -> tuple[list[str], bool]:
    """A rule's memory, and whether it is given the loss."""
    return [n for n in code.arguments[2:] if n not in ("t", "loss")], "loss" in code.arguments


def _advance(code: Code) -> str:
    """The rule over whole arrays, in place; what follows from the clock alone is computed once, as NumPy does."""
    memory, loss = _names(code)
    hoist = Hoist({*code.constants, "t"})
    body = [s for s in (hoist.visit(copy.deepcopy(s)) for s in code.body) if s is not None]
    writer = _Writer(code)
    writer.declared |= {name for name, _ in hoist.hoisted}
    once = [f"  const {name} = {writer.write(value)};" for name, value in hoist.hoisted]
    new, kept = _returned(code, body[-1])
    elements = ", ".join(
        f"{name} = {name}$[i$]" for name in ["theta", "g", *memory, *(["loss"] if loss else [])]
    )
    targets = ["theta", *memory]
    values = [writer.write(v) for v in (new, *kept)]
    stores = [f"    {t}$[i$] = {v};" for t, v in zip(targets, values, strict=True)]
    hyper = f", {{ {', '.join(code.constants)} }}" if code.constants else ""
    unpack = [f"  const [{', '.join(f'{m}$' for m in memory)}] = memory$;"] if memory else []
    return "\n".join(
        [
            f"function {code.name}_advance(theta$, g$, memory$, t, loss${hyper}) {{",
            *unpack, *once,
            "  for (let i$ = 0; i$ < theta$.length; i$++) {",
            f"    let {elements};",
            *writer.lines(body[:-1], 2),
            *stores,
            "  }",
            "}",
        ]
    )  # fmt: skip


def _returned(code: Code, statement: ast.stmt) -> tuple[ast.expr, list[ast.expr]]:
    """The new point and the new memory, as expressions."""
    match statement:
        case ast.Return(value=ast.Tuple(elts=[new, ast.Tuple(elts=kept)])):
            return new, kept
    raise CannotCompile(
        f"{code.name}, line {statement.lineno}: a rule ends with `return new, (memory, ...)`, "
        f"not with {ast.unparse(statement)!r}"
    )


def _trace(code: Code) -> str:
    """The rule for one coordinate, keeping the value of each assignment."""
    writer = _Writer(code)
    lines = []
    for statement in code.body[:-1]:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            raise CannotCompile(f"{code.name}, line {statement.lineno}: {ast.unparse(statement)!r} is no assignment")
        (written,) = writer.lines([statement], 1)
        lines.append(f"{written} seen$.push({writer.write(statement.targets[0])});")
    new, _ = _returned(code, code.body[-1])
    if not isinstance(new, ast.Name) or new.id not in _assigned(code):
        lines.append(f"  seen$.push({writer.write(new)});")
    constants = [f"{{ {', '.join(code.constants)} }}"] if code.constants else []
    head = f"function {code.name}_trace({', '.join([*code.arguments, *constants])}) {{"
    return "\n".join([head, "  const seen$ = [];", *lines, "  return seen$;", "}"])


def _assigned(code: Code) -> list[str]:
    return [s.targets[0].id for s in code.body if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)]


def _texts(code: Code) -> list[tuple[str, str]]:
    """Name and right-hand side of each line that `_trace` keeps, as Python writes them."""
    texts = [
        (s.targets[0].id, ast.unparse(s.value))
        for s in code.body if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)
    ]  # fmt: skip
    new, _ = _returned(code, code.body[-1])
    return texts if isinstance(new, ast.Name) and new.id in _assigned(code) else [*texts, ("theta", ast.unparse(new))]


# --- schedules ------------------------------------------------------------------------------------

_MATH = {"cos": "Math.cos", "floor": "Math.floor", "sqrt": "Math.sqrt", "abs": "Math.abs",
         "min": "Math.min", "max": "Math.max"}  # fmt: skip
_NUMBERS = {"pi": "Math.PI", "inf": "Infinity"}
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"}
_COMPARED = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "===", ast.NotEq: "!=="}


def _schedule_entry(maker: Callable) -> str:
    arguments = tree_of(maker).args
    names = [a.arg for a in (*arguments.args, *arguments.kwonlyargs)]
    listed = ", ".join(names)
    return f"{{ make: ({{ {listed} }}) => {maker.__name__}({listed}), arguments: {json.dumps(names)} }}"


def _makers(makers: Iterable[Callable], done: dict[str, str] | None = None) -> dict[str, str]:
    """Makers of schedules as functions that return functions, each after those it calls."""
    done = {} if done is None else done
    for maker in makers:
        tree = tree_of(maker)
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        others = [maker.__globals__.get(name) for name in sorted(called - {*_MATH, "_positive"})]
        module = [f for f in others if callable(f) and getattr(f, "__module__", "") == maker.__module__]
        _makers([f for f in module if f is not maker and f.__name__ not in done], done)
        done[maker.__name__] = _Maker(maker.__name__).function(tree)
    return done


class _Maker:
    """Translates a maker of schedules, a Python closure, into an ECMAScript closure."""

    def __init__(self, name: str):
        self.name, self.looping = name, False

    def function(self, tree: ast.FunctionDef, depth: int = 0) -> str:
        arguments = [a.arg for a in (*tree.args.args, *tree.args.kwonlyargs)]
        pad = "  " * depth
        lines = [line for s in tree.body for line in self.statement(s, depth + 1)]
        return "\n".join([f"{pad}function {tree.name}({', '.join(arguments)}) {{", *lines, f"{pad}}}"])

    def statement(self, node: ast.stmt, depth: int) -> list[str]:
        pad = "  " * depth
        match node:
            case ast.Expr():  # the docstring, and checks that Python makes before a state reaches the page
                return []
            case ast.If(body=[ast.Raise()], orelse=[]):
                return []
            case ast.Return(value=ast.expr() as value):
                return [f"{pad}return {self.write(value)};"]
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                return [f"{pad}const {name} = {self.write(value)};"]
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                listed = [", ".join(map(self.write, part)) for part in (names, values)]
                declared = "" if self.looping else "let "
                return [f"{pad}{declared}[{listed[0]}] = [{listed[1]}];"]
            case ast.While(test=test, body=[ast.Assign(targets=[ast.Tuple()])] as body, orelse=[]):
                self.looping = True  # so what is assigned is known already
                inner = [line for s in body for line in self.statement(s, depth + 1)]
                self.looping = False
                return [f"{pad}while ({self.write(test)}) {{", *inner, f"{pad}}}"]
            case ast.If(test=test, body=body, orelse=[]):
                inner = [line for s in body for line in self.statement(s, depth + 1)]
                return [f"{pad}if ({self.write(test)}) {{", *inner, f"{pad}}}"]
            case ast.FunctionDef():
                return [self.function(node, depth)]
        raise CannotCompile(f"{self.name}: {ast.unparse(node)!r} has no JavaScript")

    def write(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=value) if isinstance(value, (int, float)):
                return repr(value)
            case ast.Name(id=name):
                return _NUMBERS.get(name, name)
            case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
                return f"Math.floor({self.write(left)} / {self.write(right)})"
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return f"Math.pow({self.write(left)}, {self.write(right)})"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
                return f"({self.write(left)} {_SIGNS[type(op)]} {self.write(right)})"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self.write(operand)})"
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
                return f"({self.write(left)} {_COMPARED[type(op)]} {self.write(right)})"
            case ast.IfExp(test=test, body=yes, orelse=no):
                return f"({self.write(test)} ? {self.write(yes)} : {self.write(no)})"
            case ast.Lambda(args=arguments, body=body):
                return f"(({', '.join(a.arg for a in arguments.args)}) => {self.write(body)})"
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return f"{_MATH.get(name, name)}({', '.join(self.write(a) for a in arguments)})"
        raise CannotCompile(f"{self.name}: {ast.unparse(node)!r} has no JavaScript")
