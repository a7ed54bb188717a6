"""The student's side of an exercise: `check("task")` plays the public examples and says at once what is wrong.

A call that does not end is stopped after `SECONDS`, and a definition that is older than the cell as it stands is not
taken for it.

The examples come with the notebook, as recorded calls: what was asked, what the solution gave, and what typical
mistakes give. Nothing is sent anywhere, and nothing here decides a mark: that is done when the work is graded, with
other inputs.
"""

from __future__ import annotations

import ast
import base64
import ctypes
import json
import linecache
import re
import threading
import traceback
import types
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any

import numpy as np

from downhill_course.grade import plain

SECONDS = 10.0  # that one call may take
SAY = {
    "passed": ("passed", "通过"),
    "missing": (
        "{name} is not defined yet: run the cell of your answer first.",
        "还没有定义 {name}：请先运行作答的单元格。",
    ),
    "untouched": (
        "Not answered yet: replace `raise NotImplementedError()` by your own code.",
        "尚未作答：请用自己的代码替换 `raise NotImplementedError()`。",
    ),
    "borrowed": (
        "{name} comes from optlib, which is not there when the work is graded: write it yourself.",
        "{name} 来自 optlib，而评分时没有 optlib：请自己写出来。",
    ),
    "stale": (
        "The cell that defines {name} did not run to its end, so what is there is still the old one: {why}.",
        "定义 {name} 的单元格没有运行完，现在的 {name} 还是旧的：{why}。",
    ),
    "syntax": ("line {line} cannot be read ({text})", "第 {line} 行有语法错误（{text}）"),
    "before": ("run it again and read its error", "请重新运行它，看看报了什么错"),
    "raised": ("{call} raised {kind}{place}: {text}", "{call} 抛出了 {kind}{place}：{text}"),
    "line": (" in line {line}{code}", "（第 {line} 行{code}）"),
    "late": (
        "{call} was stopped after {seconds:g} seconds{place}: does its loop end?",
        "{call} 运行了 {seconds:g} 秒，已被中止{place}：循环会结束吗？",
    ),
    "nothing": (
        "{call} returned None: is there a `return`, or does it only print?",
        "{call} 返回了 None：写了 `return` 吗，还是只是打印了结果？",
    ),
    "complex": ("{call} gave complex numbers; real ones are asked for.", "{call} 返回了复数，题目要的是实数。"),
    "calls": ("{name} was called another number of times.", "调用 {name} 的次数不对。"),
    "kept": ("What it was given has been changed.", "传入的数组被改动了。"),
    "type": ("{call} gave a value of another kind.", "{call} 返回值的类型不对。"),
    "shape": ("{call} gave another shape.", "{call} 返回值的形状不对。"),
    "keys": ("{call} gave a dictionary with other keys.", "{call} 返回的字典，键不对。"),
    "nan": ("{call} gave NaN, which is not a number.", "{call} 返回了 NaN，不是有效的数。"),
    "value": ("{call} gave another value.", "{call} 返回的数值不对。"),
    "expected": ("expected", "应为"),
    "came": ("came", "得到"),
    "perhaps": ("Perhaps", "可能的原因"),
    "read": ("Read again", "请重读"),
    "hidden": (
        "These are public examples. Other inputs are tried when the work is graded.",
        "以上是公开样例；评分时还会用别的输入来检验。",
    ),
    "by hand": ("This one is answered in words and graded by hand.", "这道题用文字作答，由老师批阅。"),
    "progress": ("Your progress", "你的进度"),
    "hand in": (
        "When you are content: save, download this notebook, and hand the file in.",
        "都满意之后：保存并下载这个笔记本，再提交文件。",
    ),
    "unknown": (
        "There is no task {name!r} here. The tasks are: {known}.",
        "这里没有名为 {name!r} 的题目。题目有：{known}。",
    ),
    "points": ("points", "分"),
    "open": ("not yet", "未通过"),
}


class Report:
    """What a check found: shown as HTML in a notebook, as text elsewhere; `bool(report)` is whether all passed."""

    def __init__(self, passed: bool, lines: list[tuple[str, str]]) -> None:
        self.passed, self.lines = passed, lines

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        marks = {"good": "✓ ", "bad": "✗ ", "more": "    ", "note": ""}
        return "\n".join(marks[kind] + text for kind, text in self.lines)

    def _repr_html_(self) -> str:
        colours = {"good": "#2e7d32", "bad": "#c62828"}
        marks = {"good": "✓ ", "bad": "✗ "}
        rows = [
            f'<div style="margin:.15em 0 .15em {2 if kind == "more" else 0}em;'
            + (f"color:{colours[kind]};font-weight:600" if kind in colours else "opacity:.85")
            + f';white-space:pre-wrap">{marks.get(kind, "")}{escape(text)}</div>'
            for kind, text in self.lines
        ]
        return f'<div role="status" style="line-height:1.5">{"".join(rows)}</div>'


class Checks:
    """The public examples of one assignment, packed into its notebook; call it with the name of a task.

    Args:
        packed: the recorded calls, as `pack` wrote them.
        names: where the answers are: the notebook's `globals()`.
        language: `en`, `zh` or `both`: the notebook's.

    Raises:
        ValueError: the packed text is damaged (the notebook's first cell was changed).

    >>> tasks = {"double": {"read": "", "points": 1, "cases": [{"title": ["two", "二"], "mistakes": {},
    ...     "ops": [{"name": "double", "args": [2], "kwargs": {"dict": []}, "gives": 4}]}], "mistakes": {}}}
    >>> check = Checks(pack(tasks), {"double": (2).__mul__}, "en")
    >>> check("double")
    ✓ two: passed
    These are public examples. Other inputs are tried when the work is graded.
    """

    def __init__(self, packed: str, names: dict[str, Any], language: str = "both") -> None:
        try:
            self.tasks = json.loads(zlib.decompress(base64.b85decode(packed)))
        except (ValueError, zlib.error) as error:
            raise ValueError(
                "The first cell of this notebook is damaged: download it anew and copy your answers into it. · "
                "这个笔记本的第一个单元格已损坏：请重新下载，再把答案复制过去。"
            ) from error
        self.names, self.language = names, language

    def say(self, key: str, **parts: Any) -> str:
        """A sentence in the notebook's language."""
        return self.pick([text.format(**parts) for text in SAY[key]])

    def pick(self, texts: list[str]) -> str:
        """One of a pair of texts, or both."""
        return {"en": texts[0], "zh": texts[1]}.get(self.language, " · ".join(dict.fromkeys(texts)))

    def __call__(self, name: str) -> Report:
        """Play the public examples of a task."""
        task = self.tasks.get(name)
        if task is None:
            return Report(False, [("bad", self.say("unknown", name=name, known=", ".join(self.tasks)))])
        if not task["cases"]:
            return Report(True, [("note", self.say("by hand"))])
        lines: list[tuple[str, str]] = []
        passed = True
        for case in task["cases"]:
            trouble, outputs = self._play(case)
            title = self.pick(case["title"])
            if trouble is None:
                lines.append(("good", f"{title}: {self.say('passed')}"))
                continue
            passed = False
            lines.append(("bad", f"{title}: {trouble[0]}"))
            lines += [("more", line) for line in trouble[1:]]
            lines += [("more", line) for line in self._advice(task, case, outputs)]
        return Report(passed, [*lines, ("note", self.say("hidden"))])

    def progress(self) -> Report:
        """Every task with whether its public examples pass, and what to do when all is done."""
        lines: list[tuple[str, str]] = [("note", self.say("progress"))]
        done = True
        for name, task in self.tasks.items():
            points = f"{name} ({task['points']:g} {self.say('points')})"
            if not task["cases"]:
                lines.append(("note", f"{points}: {self.say('by hand')}"))
                continue
            good = bool(self(name))
            done &= good
            lines.append(("good" if good else "bad", f"{points}: {self.say('passed' if good else 'open')}"))
        return Report(done, [*lines, ("note", self.say("hand in"))])

    def _play(self, case: dict) -> tuple[list[str] | None, list]:
        """None or what is wrong, and the values that came (up to the first error)."""
        play = _Play(self.names)
        outputs: list[Any] = []
        wrong: list[str] | None = None
        for op in case["ops"]:
            text = _written(op)
            try:
                self._ready(op)
                with _limited(SECONDS):
                    value = play.do(op)
            except _Unready as unready:
                return [self.say(unready.key, **unready.parts)], outputs
            except NotImplementedError:
                return [self.say("untouched")], outputs
            except _Late as late:
                return [self.say("late", call=text, seconds=SECONDS, place=self._place(late))], outputs
            except Exception as error:
                outputs.append({"error": type(error).__name__})
                if op["gives"] != outputs[-1] and wrong is None:
                    parts = {"kind": type(error).__name__, "text": str(error)[:200], "place": self._place(error)}
                    wrong = [self.say("raised", call=text, **parts)]
                if wrong:
                    break
                continue
            given = _told(value, play.things)
            outputs.append(given)
            if wrong is None:
                wrong = self._differs(op, text, value, given)
        return wrong, outputs

    def _ready(self, op: dict) -> None:
        """Whether the name that is to be called is there, is the student's own, and is what the cell says now."""
        name = op.get("name")
        if name is None:
            return
        if name not in self.names:
            raise _Unready("missing", name=name)
        target = self.names[name]
        if str(getattr(target, "__module__", "")).startswith("optlib"):
            raise _Unready("borrowed", name=name)
        found = _written_last(name, self.names.get("In"))
        if found is None:
            return
        try:
            whole = compile(found, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except SyntaxError as error:
            why = self.say("syntax", line=error.lineno or 1, text=error.msg)
            raise _Unready("stale", name=name, why=why) from None
        own = isinstance(target, types.FunctionType) and target.__globals__ is self.names
        if own and not _defines(whole, name, target.__code__):
            raise _Unready("stale", name=name, why=self.say("before"))

    def _place(self, error: BaseException) -> str:
        """Where in the student's own code an error came from, empty if that cannot be told."""
        own = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_globals is self.names]
        if not own:
            return ""
        frame, line = own[-1]
        code = linecache.getline(frame.f_code.co_filename, line).strip()[:80]
        return self.say("line", line=line, code=f", `{code}`" if code else "")

    def _differs(self, op: dict, text: str, value: Any, given: Any) -> list[str] | None:
        wanted = op["gives"]
        if isinstance(wanted, dict) and ("handle" in wanted or "error" in wanted):
            same = isinstance(given, dict) and set(given) == set(wanted)
            return None if same else [self.say("nothing" if value is None else "type", call=text), self._came(value)]
        expected = plain.decode(wanted, dict)
        came = plain.decode(given, dict)
        why = plain.difference(came, expected, op.get("rtol", plain.RTOL))
        if why is None:
            return None
        if "calls" in op:
            first = self.say("calls", name=op["calls"])
        elif value is None:
            first = self.say("nothing", call=text)
        elif _complex(value):
            first = self.say("complex", call=text)
        elif "handle" in op and "args" not in op and "method" not in op:
            first = self.say("kept")
        else:
            first = self.say(why, call=text)
        return [first, f"{self.say('expected')}: {_short(expected)}", self._came(value)]

    def _came(self, value: Any) -> str:
        """A value as what it is: a list is no array, and must be told from one."""
        plainly = value is None or isinstance(value, (int, float, complex, str, tuple, np.generic, np.ndarray))
        return f"{self.say('came')}: {'' if plainly else type(value).__name__ + ' '}{_short(value)}"

    def _advice(self, task: dict, case: dict, outputs: list) -> list[str]:
        """The mistake whose outputs these are, if one is known, and where to read again."""
        read = task["read"]
        lines = []
        for name, results in case["mistakes"].items():
            if len(outputs) >= len(results) and all(_alike(a, b) for a, b in zip(outputs, results, strict=False)):
                mistake = task["mistakes"][name]
                lines.append(f"{self.say('perhaps')}: {self.pick(mistake['say'])}")
                read = mistake["read"] or read
                break
        if read:
            lines.append(f"{self.say('read')}: {self.pick(read)}")
        return lines


class _Unready(Exception):
    def __init__(self, key: str, **parts: Any) -> None:
        super().__init__(key)
        self.key, self.parts = key, parts


class _Late(BaseException):
    """Raised into a call that takes too long; no `except Exception` of the student's stops it."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise `_Late` in this thread after `seconds`, again each second while it is caught; where threads are."""
    thread = threading.get_ident()
    over = threading.Event()

    def watch() -> None:
        pause = seconds
        while not over.wait(pause):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Late))
            pause = 1.0

    try:
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
    except RuntimeError:  # a browser's Python has no threads: there one can reload the page
        yield
        return
    try:
        yield
    finally:
        over.set()
        watcher.join()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None)


class _Play:
    """One public case as it is played: the things handed out, and how often each given function was called."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.things: list[Any] = []
        self.counted: dict[str, Any] = {}
        self.calls: dict[str, int] = {}

    def do(self, op: dict) -> Any:
        """What a recorded operation gives here."""
        if "calls" in op:
            return self.calls.get(op["calls"], 0)
        if "hold" in op:
            return _Held(plain.decode(op["hold"]))
        target = self.names[op["name"]] if "name" in op else self.things[op["handle"]]
        if "count" in op:
            return [next(target) for _ in range(op["count"])]
        if "method" in op:
            target = getattr(target, op["method"])
        if "args" not in op:
            return target.value if isinstance(target, _Held) else target
        return target(*plain.decode(op["args"], self.special), **plain.decode(op["kwargs"], self.special))

    def special(self, value: dict) -> Any:
        """A given function, counted, or a thing that came before."""
        if "handle" in value:
            thing = self.things[value["handle"]]
            return thing.value if isinstance(thing, _Held) else thing
        name = value["given"]

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            return self.names[name](*args, **kwargs)

        return self.counted.setdefault(name, counted)


class _Held:
    """An array that several calls of a case are given, the very same one."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _written_last(name: str, inputs: Any) -> str | None:
    """The last cell run that begins a definition of `name`, from IPython's `In`; None if that cannot be told."""
    if not isinstance(inputs, list):
        return None
    begins = re.compile(rf"^(?:def|class)\s+{re.escape(name)}\b", re.M)
    return next((text for text in reversed(inputs) if isinstance(text, str) and begins.search(text)), None)


def _defines(code: types.CodeType, name: str, wanted: types.CodeType) -> bool:
    """Whether compiled cells define `name` with just that code (or in a way that cannot be told)."""
    found = [c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name]
    if wanted.co_name != name or not found:
        return True
    return any(c.co_code == wanted.co_code and c.co_names == wanted.co_names for c in found)


def _complex(value: Any) -> bool:
    parts = value if isinstance(value, (list, tuple)) else [value]
    return any(np.iscomplexobj(part) for part in parts)


def _told(value: Any, things: list) -> Any:
    """A value as the recording holds it: plain, or a number for the thing it is."""

    def keep(thing: Any) -> dict:
        things.append(thing)
        return {"handle": len(things) - 1}

    try:
        return plain.encode(value, keep)
    except plain.NotPlain:
        return {"error": "NotPlain"}


def _alike(a: Any, b: Any) -> bool:
    if isinstance(b, dict) and ("handle" in b or "error" in b):
        return isinstance(a, dict) and set(a) == set(b) and a.get("error") == b.get("error")
    try:
        return plain.difference(plain.decode(a, dict), plain.decode(b, dict)) is None
    except plain.NotPlain:
        return False


def _written(op: dict) -> str:
    """A recorded call as one would write it."""
    name = op.get("name") or f"object {op.get('handle', op.get('calls'))}"
    if "method" in op:
        name += f".{op['method']}"
    if "count" in op:
        return f"next({name})"
    if "args" not in op:
        return name

    def special(value: dict) -> Any:
        return _Name(value.get("given") or f"object {value.get('handle')}")

    args = [_short(value) for value in plain.decode(op["args"], special)]
    args += [f"{key}={_short(value)}" for key, value in plain.decode(op["kwargs"], special).items()]
    return f"{name}({', '.join(args)})"


class _Name(str):
    def __repr__(self) -> str:
        return str(self)


def _short(value: Any) -> str:
    """A value on one line, digits enough to compare and not more."""
    with np.printoptions(precision=6, suppress=False, threshold=12, edgeitems=3):
        if isinstance(value, np.ndarray):
            shown = f"array({value.tolist()})" if value.size <= 6 else repr(value)
        else:
            shown = repr(value)
        text = " ".join(shown.split())
    if isinstance(value, float):
        text = f"{value:.10g}"
    return text if len(text) <= 160 else text[:157] + "..."


def pack(tasks: Mapping[str, Any]) -> str:
    """Recorded examples as text for a notebook's first cell."""
    return base64.b85encode(zlib.compress(json.dumps(tasks, ensure_ascii=False).encode(), 9)).decode("ascii")
