"""What a task asks: cases, which are played with any answer, and mistakes, which are the solution with one thing wrong.

A case is a plain function `(answer, rng) -> value`. It is played with the reference, with each mistake and with the
student's answer, on the same inputs, and the values are compared. Inputs come from `rng`, whose seed differs from
student to student, so nothing can be learnt by heart. A hidden-test cell reads like this:

    @case("one step from rest", "从静止出发的一步", points=2, public=True)
    def _(answer, rng):
        theta, g = rng.normal(size=(2, 3))
        return answer.step(theta, np.zeros(3), g, lr=0.1, mu=0.9)

    mistake("sign", ("theta - ", "theta + "), en="You walk uphill.", zh="方向反了，这是在上山。")

An edge case (`edge=True`) is one that an answer may pass without knowing anything, by returning zeros, a constant or
what it was given: its points count only beside another case that passed.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from downhill_course.grade import plain, sandbox


class Faulty(Exception):
    """The source of an assignment cannot be right; the message names the task and what to mend."""


class Failed(Exception):
    """An answer gave no value to compare: `why` is a key of `marking.WHY`, `kind` an error's or a package's name."""

    def __init__(self, why: str, kind: str = "") -> None:
        super().__init__(f"{why} {kind}".strip())
        self.why, self.kind = why, kind


@dataclass(frozen=True)
class Case:
    """One thing asked of an answer, worth `points`; a public one is also played in the student's notebook.

    `rtol` is how far numbers may differ; what passes in an `edge` case counts only if another case passed too.
    """

    en: str
    zh: str
    points: float
    public: bool
    play: Callable[[Any, np.random.Generator], Any]
    rtol: float = plain.RTOL
    edge: bool = False


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer: the solution with some text replaced, and what to say to who wrote it."""

    name: str
    changes: tuple[tuple[str, str], ...]
    en: str
    zh: str
    credit: float
    read: str


@dataclass
class Plan:
    """The cases and mistakes of one task, in the order in which its cell declares them."""

    cases: list[Case] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)

    def case(
        self,
        en: str,
        zh: str,
        *,
        points: float = 1,
        public: bool = False,
        rtol: float = plain.RTOL,
        edge: bool = False,
    ) -> Callable:
        def keep(play: Callable) -> Callable:
            self.cases.append(Case(en, zh, points, public, play, rtol, edge))
            return play

        return keep

    def mistake(
        self, name: str, *changes: tuple[str, str], en: str, zh: str, credit: float = 0, read: str = ""
    ) -> None:
        self.mistakes.append(Mistake(name, changes, en, zh, credit, read))


def read_plan(source: str, task: str) -> Plan:
    """Run a hidden-test cell, which is the instructor's own code, and keep what it declares."""
    plan = Plan()
    names = {"case": plan.case, "mistake": plan.mistake, "np": np, "Failed": Failed}
    try:
        exec(compile(source, f"<hidden tests of {task}>", "exec"), names)
    except Exception as error:
        raise Faulty(f"task {task}: its hidden tests do not run: {type(error).__name__}: {error}") from error
    return plan


def changed(source: str, mistake: Mistake, task: str) -> str:
    """The solution with the mistake in it."""
    for old, new in mistake.changes:
        if source.count(old) == 0:
            raise Faulty(f"task {task}: mistake {mistake.name!r} replaces {old!r}, which the solution does not contain")
        source = source.replace(old, new)
    return source


def generator(secret: bytes, *names: str) -> np.random.Generator:
    """Random numbers that belong to these names and this secret, the same every time."""
    digest = hmac.new(secret, "\0".join(names).encode(), hashlib.sha256).digest()
    return np.random.default_rng(list(digest))


class Counted:
    """A given function that knows how often it was called."""

    def __init__(self, function: Callable, name: str = "") -> None:
        self.function, self.name, self.calls = function, name, 0
        self.__name__ = getattr(function, "__name__", name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.function(*args, **kwargs)


class Answer:
    """What a case talks to: `answer.f(x)` calls the answer's function f, wherever it lives.

    `answer.value("x")` reads a name, `answer.given("grad")` is a function of the notebook's first cells (with
    `.calls`), `answer.raises("f", x)` is the kind of error that f(x) raises, or None. What is no plain value comes
    back as an object with `.do(method, ...)`, `.get(attribute)`, `.take(count)` for iterators, and can be called.
    `answer.hold(array)` is such an object for an array that stays with the answer: every call is handed the very same
    one, and `.get()` tells what became of it.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = {
            name: Counted(value, name) if inspect.isfunction(value) else value for name, value in given.items()
        }

    def given(self, name: str) -> Any:
        return self._given[name]

    def raises(self, name: str, *args: Any, **kwargs: Any) -> str | None:
        try:
            getattr(self, name)(*args, **kwargs)
        except Failed as failure:
            if failure.why != "error":
                raise
            return failure.kind
        return None

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self._call(name, args, kwargs)

    def _call(self, name: str, args: tuple, kwargs: dict) -> Any:
        raise NotImplementedError

    def hold(self, value: Any) -> Any:
        raise NotImplementedError

    def value(self, name: str) -> Any:
        raise NotImplementedError


class Remote(Answer):
    """An answer behind the wall."""

    def __init__(self, worker: sandbox.Worker, given: dict[str, Any]) -> None:
        super().__init__(given)
        self._worker = worker
        self._stopped: Failed | None = None
        worker.give(self._given)

    def _call(self, name: str, args: tuple, kwargs: dict) -> Any:
        return self._plainly(lambda: self._worker.call(name, args, kwargs))

    def value(self, name: str) -> Any:
        return self._plainly(lambda: self._worker.request({"op": "get", "name": name}))

    def hold(self, value: Any) -> Any:
        return self._plainly(lambda: self._worker.hold(value))

    def _plainly(self, request: Callable[[], Any]) -> Any:
        try:
            return _Far.wrap(self, request())
        except sandbox.Answered as error:
            if error.kind == "NotPlain":
                raise Failed("plain") from None
            if error.module:
                raise Failed("package", error.module) from None
            raise Failed("missing" if error.lost else "error", error.kind) from None
        except sandbox.Gone as gone:
            raise Failed(gone.why) from None


class _Far:
    """A thing behind the wall, with errors as `Failed`."""

    def __init__(self, answer: Remote, thing: sandbox.Thing) -> None:
        self._answer, self._thing = answer, thing

    @classmethod
    def wrap(cls, answer: Remote, value: Any) -> Any:
        if isinstance(value, sandbox.Thing):
            return cls(answer, value)
        return [cls.wrap(answer, item) for item in value] if isinstance(value, list) else value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._answer._plainly(lambda: self._thing(*args, **kwargs))

    def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._answer._plainly(lambda: self._thing.do(method, *args, **kwargs))

    def get(self, attribute: str = "") -> Any:
        return self._answer._plainly(lambda: self._thing.get(attribute))

    def take(self, count: int) -> Any:
        return self._answer._plainly(lambda: self._thing.take(count))


class Local(Answer):
    """An answer in this process: the reference, and the mistakes. Values pass through the same door as a student's."""

    def __init__(self, source: list[str], given_source: str) -> None:
        names: dict[str, Any] = {"__name__": "answer", "np": np}
        exec(compile(given_source, "<given>", "exec"), names)
        super().__init__(public_names(names))
        names.update(self._given)
        for cell in source:
            exec(compile(cell, "<answer>", "exec"), names)
        self._names = names

    def _call(self, name: str, args: tuple, kwargs: dict) -> Any:
        return self._try(lambda: self._names[name](*_copy(args), **_copy(kwargs)))

    def value(self, name: str) -> Any:
        return self._try(lambda: self._names[name])

    def hold(self, value: Any) -> Any:
        return Near(self, _copy(value))

    def _try(self, action: Callable[[], Any]) -> Any:
        try:
            with np.errstate(all="ignore"):
                return Near.wrap(self, action())
        except Failed:
            raise
        except plain.NotPlain:
            raise Failed("plain") from None
        except (NameError, ImportError) as error:
            raise Failed("missing", type(error).__name__) from None
        except Exception as error:
            raise Failed("error", type(error).__name__) from None


class Near:
    """A thing of the reference's own, with the same methods as one behind the wall."""

    def __init__(self, answer: Local, thing: Any) -> None:
        self._answer, self._thing = answer, thing

    @classmethod
    def wrap(cls, answer: Local, value: Any) -> Any:
        kept: list[Any] = []

        def other(thing: Any) -> dict:
            kept.append(thing)
            return {"handle": len(kept) - 1}

        return plain.decode(plain.encode(value, other), lambda told: cls(answer, kept[told["handle"]]))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._answer._try(lambda: self._thing(*_copy(args), **_copy(kwargs)))

    def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._answer._try(lambda: getattr(self._thing, method)(*_copy(args), **_copy(kwargs)))

    def get(self, attribute: str = "") -> Any:
        return self._answer._try(lambda: getattr(self._thing, attribute) if attribute else self._thing)

    def take(self, count: int) -> Any:
        return self._answer._try(lambda: [next(self._thing) for _ in range(count)])


def _copy(value: Any) -> Any:
    """Arguments as they would arrive behind the wall: copies, so that no answer can change what another is given."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Near):
        return value._thing
    if isinstance(value, (list, tuple)):
        return type(value)(_copy(item) for item in value)
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value


def public_names(names: dict[str, Any]) -> dict[str, Any]:
    """The functions and plain values that given cells define; modules are imported anew behind the wall."""
    kept = {}
    for name, value in names.items():
        if name.startswith("_") or inspect.ismodule(value) or inspect.isclass(value):
            continue
        if inspect.isfunction(value) or isinstance(value, (int, float, str, list, tuple, dict, np.ndarray, np.generic)):
            kept[name] = value
    return kept
