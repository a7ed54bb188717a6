"""What a picture in a browser needs of the library: rules that walk many points at once and tell each of their lines.

`library` gives the body of an ECMAScript function. As a function it can be handed to a worker as text, so that the
page and its workers run the same code and nothing is fetched.
"""

import ast
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import rules as _rules
from ..surfaces import Surface
from .js import Writer, functions_of, rule_entry, surface_entry
from .source import CannotCompile, Code, read, taken_apart


def library(
    rules: Iterable[Callable], surfaces: Iterable[Surface] = (), *, schedules: Iterable[Callable] = (),
    functions: Iterable[Callable] = (), examples: Mapping[str, tuple[Callable, Any]] | None = None,
) -> str:  # fmt: skip
    """The body of a function that returns ``{ rules, surfaces, schedules, functions, examples }``.

    Parameters
    ----------
    rules : each gets ``advance(theta, g, memory, t, loss, hyper)``, which updates arrays in place, and
        ``trace(...)`` with ``lines``, the value and the text of each of its assignments
    surfaces : each becomes ``{ value, gradient, dim, domain, start, minima, constants }``
    schedules : their formulas; each becomes a function of one object of its constants that returns t -> value
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
    wanted += [*schedules, *functions, *(example for example, _ in examples.values())]
    parts = [*functions_of(wanted).values()]
    for rule in rules:
        parts += [_advance(read(rule)), _trace(read(rule))]
    parts += [
        _table("rules", ((rule.__name__, _entry(rule)) for rule in rules)),
        _table("surfaces", ((s.name, surface_entry(s)) for s in surfaces)),
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
    lines = json.dumps([[name, ast.unparse(value)] for name, value in _shown(code)])
    return f"{{ advance: {code.name}_advance, trace: {code.name}_trace, lines: {lines}, {rule_entry(rule)} }}"


# --- rules ----------------------------------------------------------------------------------------


def _advance(code: Code) -> str:
    """The rule over whole arrays, in place; what follows from the clock alone is computed once, as NumPy does."""
    hoisted, body, results = taken_apart(code)
    writer, memory = Writer(code), code.memory
    writer.declared |= {name for name, _ in hoisted}
    once = [f"  const {name} = {writer.write(value)};" for name, value in hoisted]
    loss = ["loss"] if "loss" in code.arguments else []
    elements = ", ".join(f"{name} = {name}$[i$]" for name in ["theta", "g", *memory, *loss])
    stores = [f"    {t}$[i$] = {writer.write(v)};" for t, v in zip(["theta", *memory], results, strict=True)]
    hyper = f", {{ {', '.join(code.constants)} }}" if code.constants else ""
    unpack = [f"  const [{', '.join(f'{m}$' for m in memory)}] = memory$;"] if memory else []
    return "\n".join(
        [
            f"function {code.name}_advance(theta$, g$, memory$, t, loss${hyper}) {{",
            *unpack, *once,
            "  for (let i$ = 0; i$ < theta$.length; i$++) {",
            f"    let {elements};",
            *writer.lines(body, 2),
            *stores,
            "  }",
            "}",
        ]
    )  # fmt: skip


def _trace(code: Code) -> str:
    """The rule for one coordinate, keeping the value of each assignment."""
    writer = Writer(code)
    lines = []
    for statement in code.body[:-1]:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            raise CannotCompile(f"{code.name}, line {statement.lineno}: {ast.unparse(statement)!r} is no assignment")
        (written,) = writer.lines([statement], 1)
        lines.append(f"{written} seen$.push({writer.write(statement.targets[0])});")
    if last := _shown(code)[len(lines) :]:
        lines.append(f"  seen$.push({writer.write(last[0][1])});")
    constants = [f"{{ {', '.join(code.constants)} }}"] if code.constants else []
    head = f"function {code.name}_trace({', '.join([*code.arguments, *constants])}) {{"
    return "\n".join([head, "  const seen$ = [];", *lines, "  return seen$;", "}"])


def _shown(code: Code) -> list[tuple[str, ast.expr]]:
    """Name and right-hand side of each line that `_trace` keeps; what is returned counts, where it has no name yet."""
    kept = [
        (s.targets[0].id, s.value)
        for s in code.body if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)
    ]  # fmt: skip
    last: Any = code.body[-1]  # a return of a tuple, or `_advance` had refused it
    new = last.value.elts[0]
    return kept if isinstance(new, ast.Name) and new.id in dict(kept) else [*kept, ("theta", new)]


# --- schedules ------------------------------------------------------------------------------------


def _schedule_entry(formula: Callable) -> str:
    code = read(formula)
    constants = f"{{ {', '.join(code.constants)} }}"
    make = f"({constants}) => (t) => {code.name}(t, {constants})"
    return f"{{ make: {make}, arguments: {json.dumps(code.constants)} }}"
