"""What the library's reference lists, and what each name is in Chinese: `api.yml` has one line for each.

    optlib.rules:
      sgd: ["1f2e…", "梯度下降：逆着梯度走一步。"]

The mark is that of the docstring's first paragraph for which the line was written. A method is named with its class, as
`Optimizer.tell`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from downhill_course.notebook import views
from downhill_course.notebook.cells import HAN, english_hash
from downhill_course.notebook.passages import typography

LIBRARY = "optlib"
FILE = "api.yml"
MODULE = "."  #: the key of what a module itself is
NOTED = re.compile(r"((?:^#: .*\n)+)^([A-Z_]+)\b", re.M)  # a constant with its comment
ROOM = re.compile(r"^```\{api\} (\S+)$", re.M)


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


def members(kind: type) -> dict[str, Any]:
    """The methods and properties that the reference lists with a class: public ones, with a docstring of the library.

    What a class has from another public one is said there.

    >>> from optlib import oracles
    >>> list(members(oracles.minibatch))
    ['batches', 'indices']
    """
    found = {}
    for name, value in inspect.getmembers_static(kind):
        owner = next(base for base in kind.__mro__ if name in vars(base))
        listed = owner is kind or owner.__name__.startswith("_")
        if listed and owner.__module__.startswith(LIBRARY) and not name.startswith("_") and said(value):
            found[name] = value
    return found


def said(member: Any) -> str:
    """The docstring of a method or a property, as a class holds it; empty if it is neither."""
    inner = member.fget if isinstance(member, property) else inspect.unwrap(getattr(member, "__func__", member))
    return (inner.__doc__ or "") if inspect.isfunction(inner) else ""


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


def docstring(name: str, value: Any, module: ModuleType) -> str:
    """What a public name says of itself: its docstring, the comment above a constant, a surface's source."""
    if inspect.isclass(value) or (callable(value) and hasattr(value, "__code__")):
        return value.__doc__ or ""
    return notes(module).get(name) or getattr(value, "source", None) or type(value).__doc__ or ""


def first_paragraph(text: str) -> str:
    """The beginning of a docstring on one line.

    >>> first_paragraph("Walk\\n    on.\\n\\n    More.")
    'Walk on.'
    """
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def summaries(book: Path) -> dict[str, dict[str, str]]:
    """Of every module that the book lists: the first paragraphs of its public names and their methods, and its own."""
    found: dict[str, dict[str, str]] = {}

    def add(module: ModuleType) -> None:
        texts = {MODULE: module.__doc__ or ""}
        for name, value in public(module).items():
            texts[name] = docstring(name, value, module)
            methods = members(value) if inspect.isclass(value) else {}
            texts |= {f"{name}.{each}": said(member) for each, member in methods.items()}
        found[module.__name__] = {name: first_paragraph(text) for name, text in texts.items()}
        for inner in submodules(module):
            add(inner)

    for page in sorted(book.glob("api*.md")):
        for name in ROOM.findall(page.read_text(encoding="utf-8")):
            add(import_module(name))
    return found


# --- what it is in Chinese ------------------------------------------------------------------------


def _rows(path: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """Mark and line of every name; the mark is empty where there is none yet."""
    return {
        module: {name: tuple(row) if isinstance(row, list) else ("", str(row)) for name, row in rows.items()}
        for module, rows in views.table(path).items()
    }


def table(book: Path) -> dict[str, dict[str, str]]:
    """The Chinese line of every name, or an error that says which has none."""
    lines = {module: {name: row[1] for name, row in rows.items()} for module, rows in _rows(book / FILE).items()}
    for module, names in summaries(book).items():
        if lacking := names.keys() - lines.get(module, {}).keys():
            raise SystemExit(f"{book.name}/{FILE} lacks {', '.join(f'{module}: {name}' for name in sorted(lacking))}")
    return lines


def problems(path: Path) -> Iterator[tuple[str, str]]:
    """Names without a line, lines without a name, lines that were written for another docstring, bad Chinese."""
    names, rows = summaries(path.parent), _rows(path)
    for module, lines in rows.items():
        for name in lines.keys() - names.get(module, {}).keys():
            yield f"{module}: {name}", "the library has no such public name any more: take the line out"
    every = [(module, name, text) for module in names for name, text in names[module].items()]
    for module, name, english in every:
        mark, chinese = rows.get(module, {}).get(name, ("", ""))
        place = f"{module}: {name}"
        if not HAN.search(chinese):
            yield place, f"no line of Chinese: write here what “{english}” is, then downhill twins --record book/{FILE}"
            continue
        for message in typography(re.sub(r":\w+:`", "`", chinese)):
            yield place, message
        if re.search("`[（“]", chinese):
            yield place, "an opening mark right after code, which reStructuredText does not read: say it otherwise"
        if not chinese.endswith("。"):
            yield place, "the line does not end with 。"
        if mark != english_hash(english):
            advice = f"then record it (downhill twins --record book/{FILE} {module}.{name})"
            yield place, f"it was not looked at for “{english}”: compare the two, mend the Chinese, {advice}"


def record(path: Path, wanted: Iterable[str] = ()) -> int:
    """Note that lines, or those named, fit their docstrings; returns how many were noted."""
    names, rows, wanted = summaries(path.parent), _rows(path), set(wanted)
    known = {f"{module}.{name}" for module in rows for name in rows[module]}
    if unknown := wanted - known:
        raise SystemExit(f"{path.name} has no line {', '.join(sorted(unknown))}: name it as in optlib.rules.sgd")
    text = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    noted = 0
    for module, lines in rows.items():
        text.append(f"{module}:")
        for name, (mark, chinese) in lines.items():
            new = english_hash(names.get(module, {}).get(name, ""))
            if new != mark and (not wanted or f"{module}.{name}" in wanted):
                mark, noted = new, noted + 1
            text.append(f'  {name}: ["{mark}", {json.dumps(chinese, ensure_ascii=False)}]')
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    print(f"{path.name}: {noted} recorded")
    return noted
