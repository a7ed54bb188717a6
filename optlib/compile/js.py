"""JavaScript back end: a rule or a surface as an ECMAScript function of numbers, one call a coordinate."""

import ast
import json
from collections.abc import Callable, Iterable
from typing import Any

from .. import rules as _rules
from ..optimizer import specification
from ..surfaces import Surface
from .source import CannotCompile, Code, read

_OPERATORS = {
    ast.Add: ("+", 11), ast.Sub: ("-", 11), ast.Mult: ("*", 12), ast.Div: ("/", 12), ast.Lt: ("<", 9), ast.Gt: (">", 9),
    ast.LtE: ("<=", 9), ast.GtE: (">=", 9), ast.Eq: ("===", 8), ast.NotEq: ("!==", 8),
}  # fmt: skip
#: Functions of rules, as ECMAScript calls them.
CALLS = {
    "sqrt": "Math.sqrt", "exp": "Math.exp", "log": "Math.log", "sin": "Math.sin", "cos": "Math.cos",
    "tanh": "Math.tanh", "floor": "Math.floor",
    "abs": "Math.abs", "sign": "Math.sign", "maximum": "Math.max", "minimum": "Math.min",
    "max": "Math.max", "min": "Math.min",
}  # fmt: skip
_ATOM = 20
_RESERVED = {  # names that are free in Python only
    "new", "this", "var", "let", "const", "function", "delete", "typeof", "void", "switch", "case", "default", "do",
    "throw",
    "catch", "enum", "export", "extends", "super", "interface", "package", "private", "protected", "public", "static",
}  # fmt: skip


def javascript(target: Callable | Surface) -> str:
    """A plain function as an ECMAScript function; a surface as those of its value and gradient.

    Keyword-only arguments become one object, as in ``adam(theta, g, m, v, t, { lr, beta1, beta2, eps, eps_root })``.
    A surface's constants do too. Functions that it calls are put before it.

    Raises
    ------
    CannotCompile : names the function, the line and the construct that cannot be translated.
    """
    if isinstance(target, Surface):
        return "\n".join(functions_of([target.value, target.gradient]).values())
    if target in _rules.WHOLE:
        raise CannotCompile(f"{target.__name__} sees whole vectors, so it has no JavaScript")
    return "\n".join(functions_of([target]).values())


def rule_entry(rule: Callable) -> str:
    memory, given, defaults = specification(rule)
    look = _rules.LOOK_AHEAD.get(rule)
    look_code = read(look) if look else None
    ranges = {
        name: [known.low, None if known.high == float("inf") else known.high, known.closed]
        for name, known in _rules.HYPER.items() if name in defaults
    }  # fmt: skip
    fields = {
        "memory": list(memory), "given": list(given), "defaults": defaults, "start": dict(_rules.START.get(rule, {})),
        "ranges": ranges,
    }  # fmt: skip
    ahead = f"{look.__name__}, lookAheadMemory: {json.dumps(look_code.arguments[1:])}" if look and look_code else "null"
    return f"lookAhead: {ahead}, {_fields(fields)}"


def surface_entry(surface: Surface) -> str:
    fields = {
        "dim": surface.dim, "domain": surface.domain, "start": surface.start, "minima": surface.minima,
        "constants": dict(surface.constants),
    }  # fmt: skip
    return f"{{ value: {surface.value.__name__}, gradient: {surface.gradient.__name__}, {_fields(fields)} }}"


def _fields(fields: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {json.dumps(value)}" for name, value in fields.items())


def functions_of(wanted: Iterable[Callable], done: dict[str, str] | None = None) -> dict[str, str]:
    """Functions by name, each after those it calls."""
    done = {} if done is None else done
    for function in wanted:
        code = read(function)
        if code.name in done:
            continue
        functions_of(code.helpers, done)
        done.update({name: f"const {name} = {json.dumps(value)};" for name, value in code.data if name not in done})
        done[code.name] = Writer(code).function()
    return done


class Writer:
    """Translates one function."""

    def __init__(self, code: Code):
        self.code = code
        self.declared = set(code.parameters)

    def function(self) -> str:
        for name in {*self.code.parameters} & _RESERVED:
            raise CannotCompile(f"{self.code.name}: the argument {name!r} is a reserved word in JavaScript; rename it")
        constants = [f"{{ {', '.join(self.code.constants)} }}"] if self.code.constants else []
        head = f"function {self.code.name}({', '.join([*self.code.arguments, *constants])}) {{"
        return "\n".join([head, *self.lines(self.code.body, 1), "}"])

    def lines(self, statements: Iterable[ast.stmt], depth: int) -> list[str]:
        pad = "  " * depth
        lines: list[str] = []
        for s in statements:
            if isinstance(s, ast.Return):
                assert s.value is not None
                lines.append(f"{pad}return {self.write(s.value)};")
            elif isinstance(s, ast.Assign):
                lines.append(f"{pad}{self.assign(s.targets[0], self.write(s.value))}")
            elif isinstance(s, ast.For):
                inner = Writer(self.code)
                inner.declared = set(self.declared)
                target = inner.pattern(s.target)
                lines += [
                    f"{pad}for (const {target} of {self.write(s.iter)}) {{",
                    *inner.lines(s.body, depth + 1),
                    f"{pad}}}",
                ]
            else:
                raise CannotCompile(f"{self.code.name}, line {s.lineno}: {ast.unparse(s)!r} has no JavaScript")
        return lines

    def pattern(self, target: ast.expr) -> str:
        """Names on the left of an assignment; they count as declared from now on."""
        self.declared |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
        return self.write(target)

    def assign(self, target: ast.expr, value: str) -> str:
        new = [n.id for n in ast.walk(target) if isinstance(n, ast.Name) and n.id not in self.declared]
        left = self.pattern(target)
        if isinstance(target, ast.Tuple) and new and len(new) < len(target.elts):
            return f"let {', '.join(self.write(ast.Name(n)) for n in new)}; {left} = {value};"
        return f"{'let ' if new else ''}{left} = {value};"

    def write(self, node: ast.AST, above: int = 0) -> str:
        """An expression, in brackets if it binds less than what stands above it."""
        text, binds = self._write(node)
        return f"({text})" if binds < above else text

    def _write(self, node: ast.AST) -> tuple[str, int]:
        match node:
            case ast.Constant(value=value) if isinstance(value, (int, float)):
                return repr(value), _ATOM
            case ast.Name(id=name):
                return f"{name}_" if name in _RESERVED else name, _ATOM
            case ast.Tuple(elts=elements):
                return f"[{', '.join(self.write(e) for e in elements)}]", _ATOM
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"-{self.write(operand, 15)}", 14
            case ast.BinOp(left=ast.Name(id=name), op=ast.Pow(), right=ast.Constant(value=2)):
                return f"{name} * {name}", 12  # as NumPy squares
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return f"Math.pow({self.write(left)}, {self.write(right)})", _ATOM
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                sign, binds = _OPERATORS[type(op)]
                return f"{self.write(left, binds)} {sign} {self.write(right, binds + 1)}", binds
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                sign, binds = _OPERATORS[type(op)]
                return f"{self.write(left, binds + 1)} {sign} {self.write(right, binds + 1)}", binds
            case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]) | ast.IfExp(condition, yes, no):
                return f"{self.write(condition, 5)} ? {self.write(yes, 5)} : {self.write(no, 4)}", 4
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
                given = [self.write(a) for a in arguments]
                if keywords:
                    given.append(f"{{ {', '.join(f'{k.arg}: {self.write(k.value)}' for k in keywords)} }}")
                return f"{CALLS.get(name, name)}({', '.join(given)})", _ATOM
        line = getattr(node, "lineno", "?")
        raise CannotCompile(f"{self.code.name}, line {line}: {ast.unparse(node)!r} has no JavaScript")
