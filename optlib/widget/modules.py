"""The explorer's ECMAScript modules, joined into the one that anywidget and the pages load.

Each file of ``js/`` imports what it needs by name from its neighbours and exports what they need; `DATA` and `library`
come from a ``./data.js`` that Python writes. Joined, they share one scope, so a name means one thing in all of them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "js"
_NOTE = re.compile(r"^ *(?://|/\*\*|\*/|\* |\*$).*\n", re.MULTILINE)  # what readers of the modules have, pages need not
_IMPORT = re.compile(r'^import \{(?P<names>[^}]*)\} from "\./(?P<file>[\w-]+)\.js";\n', re.MULTILINE)
_INDENT = re.compile(r"^ +", re.MULTILINE)
#: Ends of lines where the next one may follow at once.
_NEEDLESS = re.compile(r"(?<=[;,{(\[])\n|\n(?=[})\].?:&|])")
_TIGHT = re.compile(r" (=>|===|!==|>=|<=|&&|\|\|) ")  # neither Python nor a sentence has these
#: Blanks around operators and braces.
_BLANKS = re.compile(r" ([=*/<>?:%]|[-+*/]=|-(?! ?-)|\+(?! ?\+)|\?\?|\*\*) |(?<=[,;]) | (?=[{}])|(?<=[{}]) ")
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')
_OTHER = re.compile(r"[`']|/(?! )")  # a template, a pattern or a remark may begin here
_REMARK = re.compile(r"(?<=[;,{(\[]) +//[^\n]*$", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) )", re.MULTILINE)
_DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)


def joined(files: Mapping[str, str]) -> str:
    """All modules by name in one scope, without imports, exports, comments, indentation and blanks that say nothing.

    Raises
    ------
    ValueError : an import of what its module does not export, or a name that two modules declare.

    >>> print(joined({"a": 'export const x = 1;\\n', "b": 'import { x } from "./a.js";\\n\\nconst y = x;\\n'}))
    const x=1;const y=x;
    <BLANKLINE>
    """
    exports = {name: set(_EXPORTED.findall(text)) for name, text in files.items()}
    owner: dict[str, str] = {}
    out: list[str] = []
    for name, text in files.items():
        for declared in _DECLARED.findall(text):
            if declared in owner:
                raise ValueError(
                    f"{declared} is declared in {owner[declared]}.js and in {name}.js: give one another name"
                )
            owner[declared] = name
        for wanted in _IMPORT.finditer(text):
            names = {each.strip() for each in wanted["names"].split(",") if each.strip()}
            missing = names - exports.get(wanted["file"], set())
            if missing:
                raise ValueError(
                    f"{name}.js imports {', '.join(sorted(missing))}, which {wanted['file']}.js does not export"
                )
        bare = _NOTE.sub("", _EXPORT.sub("", _IMPORT.sub("", text)))
        out += _dense([line for line in _REMARK.sub("", _INDENT.sub("", bare)).split("\n") if line])
    return _TIGHT.sub(r"\1", _NEEDLESS.sub("", "\n".join(out)) + "\n")


def _dense(lines: list[str]) -> Iterator[str]:
    """Lines without the blanks of code; one with a template, or inside of one, keeps its own."""
    template = False
    for line in lines:
        if template or _OTHER.search(line):
            yield line
            template ^= bool(line.count("`") % 2)
            continue
        parts = _QUOTED.split(line)
        yield "".join(part if k % 2 else _BLANKS.sub(r"\1", part) for k, part in enumerate(parts))


_BLANK = re.compile(r"/\*.*?\*/|(?<=[;{}:,])\s+|\s+(?=[{}])|\n", re.DOTALL)  # a selector's own blanks stand elsewhere


def tight_style(text: str) -> str:
    """A style sheet without remarks and the blanks that say nothing.

    >>> tight_style("/* red */\\n.a :is(b, c) { color: red; margin: 0 1px; }\\n")
    '.a :is(b,c){color:red;margin:0 1px}'
    """
    return _BLANK.sub("", text).replace(";}", "}")


def texts(folder: Path = HERE) -> dict[str, str]:
    """The text of each module of a folder, by name."""
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.js"))}


def constant(name: str, value: Any) -> str:
    """A module's line that exports a value."""
    return f"export const {name} = {json.dumps(value, ensure_ascii=False, separators=(',', ':'))};\n"


def classic(name: str, body: str, given: str) -> str:
    """Joined modules as a classic script, which sets a name of the window: pages on disk may load no module."""
    return f"window.{name} = (() => {{\n{body}\nreturn {{ {given} }};\n}})();\n"
