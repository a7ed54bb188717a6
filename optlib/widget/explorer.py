"""The explorer: a figure that answers while the reader drags, in a live notebook and in the built page.

One ECMAScript module draws it in both. Its rules, surfaces and schedules are compiled from `optlib` when the module is
put together; the modules in ``js/`` beside this file draw and listen. Without a kernel or without anywidget a picture
stands in its place, and the site puts the figure on top of it.
"""

import copy
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import rules, schedules
from .._inputs import number, one_of, scalar, whole
from .._inputs import shown as written
from ..compile.front import library
from ..optimizer import Optimizer, run, specification
from ..surfaces import TABLE, Surface
from . import labels, modules, noise
from .scenes import ALIKE, DEFAULTS, NUMBERS, TABBED, State, brought, scene, surfaces, tabbed

HERE = Path(__file__).parent
#: Environment variable: 1 leaves what is live out, as when notebooks are executed to be committed.
STATIC = "OPTLIB_STATIC"
MIME = "application/vnd.downhill.explorer+json"  #: what a notebook stores of the figure, besides its picture
RULES = [rule for rule in rules.TABLE.values() if rule not in rules.WHOLE]
#: The schedules that are offered: those that the table of words names.
SCHEDULES = {name: make for name, make in schedules.TABLE.items() if f"schedule.{name}" in labels.LABELS}
#: Hyper-parameters by their letters; any other name is its own label.
SYMBOLS = {
    **{name: known.symbol for name, known in rules.HYPER.items() if known.symbol},
    "alpha": "α", "theta": "θ", "mu": "μ", "sigma": "σ", "steps": "t", "size": "B",
}  # fmt: skip
#: Letters of what a rule computes and keeps; those of its hyper-parameters stand in `rules.HYPER`.
_LETTERS = {
    "m_hat": "m̂", "v_hat": "v̂", "Eg2": "E[g²]", "Ed2": "E[Δ²]", "lr_t": "ηₜ", "mu": "μ", "mu_next": "μ₊", "g_bar": "ḡ",
    "rate": "λ", "delta": "Δ", "sigma": "σ", "theta": "θ", "new": "θ",
}  # fmt: skip
#: First rates, where they are not the paper's.
_RATES = {name: row.rate for name, row in rules.ROWS.items() if row.rate != specification(row.rule)[2]["lr"]}


_OURS = {name for rule in RULES for name in specification(rule)[2]}
HYPER = {**NUMBERS, **{n: rules.HYPER[n] for n in rules.HYPER if n in _OURS}}  #: what a reader may change


# --- what all live figures share ------------------------------------------------------------------


class Figure:
    """What the live figures share: Jupyter and a notebook are given a picture and, where there is one, the widget."""

    part = ""  #: what its data are called in the bundle
    lang: str
    state: Any
    data: Any
    extra: str = ""  #: code of its own

    @property
    def bundle(self) -> State:
        """What the page needs to show the figure."""
        extra = {"extra": self.extra} if self.extra else {}
        return {"state": self.state, "lang": self.lang, **extra, self.part: self.data}

    def html(self) -> str:
        """A page's element that the module can be mounted on.

        >>> Explorer(surface="bowl").html()[:50]
        '<div data-downhill-explorer="{&quot;state&quot;: {'
        """
        return mount_point(self.bundle)

    @cached_property
    def picture(self) -> Any:
        """The picture that stands for the figure where nothing can move."""
        raise NotImplementedError

    @cached_property
    def widget(self) -> Any:
        """The live widget: its traits are the entries of the bundle."""
        return new_widget(part_of(self.bundle), **copy.deepcopy(self.bundle))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return shown(self)

    def _ipython_display_(self) -> None:
        display_either(self)


def spoken(lang: str) -> str:
    """The language, if it is one of a figure's."""
    return one_of(lang, "lang", ("en", "zh", "auto"))


def shown(figure: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What Jupyter shows and a notebook stores of a figure: its picture, its bundle, and the widget if there is one."""
    data, metadata = figure.picture._repr_mimebundle_()
    data = {**data, "text/plain": repr(figure), MIME: copy.deepcopy(figure.bundle)}
    if live():
        answering = figure.widget._repr_mimebundle_()
        answering = answering[0] if isinstance(answering, tuple) else answering
        data |= {k: v for k, v in answering.items() if k.startswith("application/")}
    elif find_spec("anywidget") is None and not os.environ.get(STATIC):
        print("This is a picture; pip install anywidget makes it answer.", file=sys.stderr)
    return data, metadata


#: Jupyter shows of one output the live view alone, which is gone when the notebook is opened anew, and only an error
#: left. So picture and live view are two outputs, and between them stands which of them is seen.
_EITHER = """<style class="dx-either">
:is(.jp-OutputArea-child, .output_area):has(+ * .dx-either):has(+ * + * :is(.dx, .dx-live)),
:is(.jp-OutputArea-child, .output_area):has(.dx-either) + *:not(:has(.dx, .dx-live)) { display: none }
</style>"""


def display_either(figure: Any) -> None:
    """Display the picture and the live view, of which one is seen; else NotImplementedError, and one output is made."""
    served = "JPY_SESSION_NAME" in os.environ  # what runs a notebook as a test, or for the book, has nobody who looks
    if not (live() and served) or "google.colab" in sys.modules or "VSCODE_PID" in os.environ:
        raise NotImplementedError
    publish = sys.modules["IPython"].get_ipython().display_pub.publish
    bundle, metadata = figure._repr_mimebundle_()
    answering = {k: bundle.pop(k) for k in [*bundle] if k.startswith("application/vnd.jupyter.widget-view")}
    publish(bundle, metadata)
    publish({"text/html": _EITHER, "text/plain": ""})
    publish({**answering, "text/plain": bundle["text/plain"]})


def mount_point(bundle: State, name: str = "") -> str:
    """The element for a bundle, as HTML; a page's text asks the figure by its name."""
    import html

    named = f' data-figure="{html.escape(name)}"' if name else ""
    return f'<div{named} data-downhill-explorer="{html.escape(json.dumps(bundle, ensure_ascii=False))}"></div>'


def live(by: str = "anywidget") -> bool:
    """Whether there is a kernel, the library that answers, and nobody who wants live figures left out."""
    if os.environ.get(STATIC, "") not in ("", "0") or "IPython" not in sys.modules or find_spec(by) is None:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None) is not None


# --- the explorer ----------------------------------------------------------------------------------


class Explorer(Figure):
    """A surface, algorithms that walk on it, and everything a reader can change about them.

    Parameters
    ----------
    preset : name of a scene that an installed package brings, such as the course's; what else is given changes it
    surface : a name or a `Surface` of one or two coordinates, also your own
    algorithms : names, rules or `Optimizer` objects; or a dict of names to hyper-parameters such as
        ``{"sgd": {"lr": 0.1}}``
    start : where the walks begin, of shape (d,)
    steps : how many steps, 1 to 5000
    lang : "en", "zh", or "auto" for the page's own language
    **state : any other entry of `optlib.widget.scenes.DEFAULTS`, such as ``noise=0.5`` or ``map="where"``

    Raises
    ------
    ValueError : an unknown preset, surface, algorithm or entry, a start that does not fit, a rule of your own that is
    called like another or has no default for a hyper-parameter; TypeError and ValueError of `Optimizer` :
    hyper-parameters it does not know; CannotCompile : a rule or surface without JavaScript, with why.

    >>> Explorer(surface="bowl", algorithms=["sgd", "adam"])
    <explorer bowl, sgd, adam>
    >>> figure = Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.5}}, start=[4.0, -2.0], steps=2)
    >>> figure.paths()["sgd"].tolist()
    [[4.0, -2.0], [2.0, -1.0], [1.0, -0.5]]
    """

    def __init__(
        self, preset: str | None = None, *, surface: str | Surface | None = None, algorithms: Any = None,
        start: ArrayLike | None = None, steps: int | None = None, lang: str = "auto", **state: Any,
    ):  # fmt: skip
        unknown = sorted(state.keys() - DEFAULTS.keys())
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no entry of a state; there are {', '.join(DEFAULTS)}")
        self.preset, self.lang = preset, spoken(lang)
        self.own_rules: dict[str, Callable] = {}
        self.own_surfaces: dict[str, Surface] = {}
        self._state: State = copy.deepcopy({**scene(preset), **state})
        if state.get("tab") is not None:
            self._state = tabbed(self._state, state["tab"]) | {k: v for k, v in state.items() if k != "tab"}
        if surface is not None:
            self._state |= {"surface": self._named(surface), "constants": self._constants(surface)}
            if preset:
                for name in ("start", "tab", "names"):
                    self._state.pop(name, None)
        if algorithms is not None:
            self._state["runs"] = [self._run(rule, hyper) for rule, hyper in _pairs(algorithms)]
        if start is not None:
            self._state["start"] = [float(x) for x in np.atleast_1d(np.asarray(start, dtype=float))]
        if steps is not None:
            self._state["steps"] = steps
        self._check()
        self.extra = self._extra()

    # -- what was asked for

    def _named(self, surface: str | Surface) -> str:
        if isinstance(surface, str):
            return surface
        known = surfaces().get(surface.name)
        if known is not None and (known.value, known.gradient) == (surface.value, surface.gradient):
            return surface.name
        if known is not None:
            raise ValueError(f"a surface {surface.name!r} exists already: give yours another name")
        if surface.dim > 2:
            raise ValueError(f"surface {surface.name!r} has {surface.dim} coordinates; the explorer shows one or two")
        self.own_surfaces[surface.name] = surface
        return surface.name

    def _constants(self, surface: str | Surface) -> State:
        return {} if isinstance(surface, str) else {k: float(v) for k, v in surface.constants.items()}

    def _run(self, rule: Any, hyper: Mapping[str, Any]) -> State:
        """One algorithm as a state holds it, from a name, a rule or an Optimizer."""
        if isinstance(rule, Optimizer):
            rule, hyper = rule.rule, rule.hyper
        if callable(rule):
            name = rule.__name__
            if rules.TABLE.get(name) is not rule:
                self.own_rules[name] = self._own(rule)
        else:
            name = rule
        if name in rules.TABLE and "lr" not in hyper and name in _RATES:
            hyper = {"lr": _RATES[name], **hyper}
        return {"rule": name, "hyper": {k: _plain(k, v) for k, v in hyper.items()}}

    def _own(self, rule: Callable) -> Callable:
        """The reader's own rule, if it can stand beside the library's and a slider knows where to begin."""
        name = rule.__name__
        if name in rules.TABLE or self.own_rules.get(name, rule) is not rule:
            raise ValueError(f"an algorithm {name!r} exists already: give yours another name")
        for hyper, default in specification(rule)[2].items():
            if default is inspect.Parameter.empty:
                raise ValueError(f"{name} has no default for {hyper}: write {hyper}=0.01, say, in its first line")
        return rule

    def _check(self) -> None:
        state = self.state
        if state["surface"] != "stream" and state["surface"] not in self.surfaces:
            raise ValueError(f"no surface {state['surface']!r}: there are {', '.join(self.surfaces)}")
        dim = len(state["stream"][0]) if state["surface"] == "stream" else self.surfaces[state["surface"]].dim
        if len(state["start"]) != dim or not np.isfinite(state["start"]).all():
            raise ValueError(f"start={state['start']!r}: {state['surface']} wants {dim} finite number(s)")
        if not isinstance(state["steps"], int) or not 1 <= state["steps"] <= 5000:
            raise ValueError(f"steps={state['steps']!r}: it must be a whole number, 1 to 5000")
        number(state["noise"], "noise")
        for name in ("seed", "batch_size"):
            whole(state[name], name, 0)
        for each in state["runs"]:
            self.optimizer(each)

    @property
    def surfaces(self) -> dict[str, Surface]:
        """All surfaces by name, the reader's own included."""
        return {**surfaces(), **self.own_surfaces}

    @property
    def state(self) -> State:
        """Everything the figure shows, as plain JSON; assign to it to change the figure, in part or as a whole."""
        state = {**copy.deepcopy(DEFAULTS), **copy.deepcopy(self._state)}
        if state["start"] is None and state["surface"] in self.surfaces:
            state["start"] = list(self.surfaces[state["surface"]].start)
        return state

    @state.setter
    def state(self, changes: Mapping[str, Any]) -> None:
        before = self._state
        unknown = sorted(changes.keys() - DEFAULTS.keys())
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no entry of a state; there are {', '.join(DEFAULTS)}")
        if changes.get("tab") not in (None, before.get("tab")):
            changes = {**tabbed(self.state, changes["tab"]), **changes}
        self._state = {**self._state, **copy.deepcopy(dict(changes))}
        if changes.get("surface", self.state["surface"]) != before.get("surface", DEFAULTS["surface"]):
            self._state = {**self._state, "constants": {}, "start": None, "names": [], **dict(changes)}
        try:
            self._check()
        except Exception:
            self._state = before
            raise
        if "widget" in self.__dict__:
            self.widget.state = copy.deepcopy(self._state)

    def __repr__(self) -> str:
        state = self.state
        names = list(dict.fromkeys(each["rule"] for each in state["runs"]))
        counts = [sum(each["rule"] == name for each in state["runs"]) for name in names]
        listed = ", ".join(name if n == 1 else f"{name} × {n}" for name, n in zip(names, counts, strict=True))
        return f"<explorer {f'{self.preset}: ' if self.preset else ''}{state['surface']}, {listed or 'no algorithm'}>"

    # -- the same walks in Python

    def optimizer(self, each: State) -> Optimizer:
        """The `Optimizer` of one of the state's runs."""
        known = {**rules.TABLE, **self.own_rules}
        if each["rule"] not in known:
            raise ValueError(f"no algorithm {each['rule']!r}: there are {', '.join(r.__name__ for r in RULES)}")
        if known[each["rule"]] in rules.WHOLE:
            library([known[each["rule"]]])  # says why it has no JavaScript
        return Optimizer(known[each["rule"]], **{k: _value(v) for k, v in each.get("hyper", {}).items()})

    def surface(self) -> Surface | None:
        """The surface with the state's constants, or None where gradients are given."""
        state = self.state
        surface = self.surfaces.get(state["surface"])
        return surface.but(**state["constants"]) if surface is not None else None

    def gradient(self, theta: NDArray, t: int) -> NDArray:
        """The gradient that step t (from 0) sees at a point of shape (d,): with the scene's examples and noise."""
        state, t = self.state, whole(t, "t", 0)
        if state["stream"]:
            g = np.array(state["stream"][t % len(state["stream"])])
        elif state["batch_size"] and state["surface"] in brought("EXAMPLES"):
            example, rows = brought("EXAMPLES")[state["surface"]]
            drawn = [int(noise.uniform(state["seed"], t, k + 16) * len(rows)) for k in range(state["batch_size"])]
            g = np.sum([example(*theta, *rows[j]) for j in drawn], axis=0) / state["batch_size"]
        else:
            surface = self.surface()
            assert surface is not None
            g = surface.grad(theta)
        if state["noise"]:
            g = g + state["noise"] * np.array([noise.normal(state["seed"], t, i) for i in range(len(g))])
        return g

    def paths(self) -> dict[str, NDArray]:
        """The walks that the figure shows, each of shape (n + 1, d): up to the last finite point, n steps at most."""
        runs = self.state["runs"]
        names = [each["rule"] for each in runs]
        labelled = [
            name if names.count(name) == 1 else f"{name} {names[: i + 1].count(name)}" for i, name in enumerate(names)
        ]
        return {label: self._walk(each) for label, each in zip(labelled, runs, strict=True)}

    def _walk(self, each: State) -> NDArray:
        state, delay, asked = self.state, each.get("delay", 0), []

        def stale(theta: NDArray, t: int) -> NDArray:
            asked.append(theta)
            late = max(0, t - delay)
            return self.gradient(asked[late], late)

        path = [np.array(state["start"], dtype=float)]
        optimizer = self.optimizer(each)
        memory = optimizer.init(path[0])
        for _ in range(state["steps"]):
            theta, memory = next(run(optimizer, stale, path[-1], memory, loss=self.surface(), strict=False))
            if state["project"]:
                theta = np.clip(theta, *np.transpose(state["domain"]))
            if not np.isfinite(theta).all():
                break
            path.append(theta)
        return np.array(path)

    # -- how it is shown

    @cached_property
    def picture(self) -> Any:
        """The picture that stands for the figure where nothing can move."""
        from .still import picture

        return picture(self)

    def save(self, path: str | Path, *, seconds: float = 4.0) -> None:
        """Write the figure as it stands: a ``.gif`` in which its walks are walked, a ``.png``, ``.svg`` or ``.pdf``.

        Parameters
        ----------
        path : the file, whose ending says which
        seconds : how long the animation takes, up to sixty

        Raises
        ------
        ValueError : another ending, or an animation of a scene that is a map or runs against time.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Explorer(surface="ravine").save(f"{folder}/walk.gif", seconds=0.5)
        """
        from .still import animation, picture

        number(seconds, "seconds", high=60.5, open_low=True)
        if Path(path).suffix == ".gif":
            animation(self, Path(path), seconds)
        else:
            picture(self).save(path)

    @cached_property
    def widget(self) -> Any:
        """The live widget: its traits are ``state``, ``lang`` and ``extra``."""
        made = new_widget(**copy.deepcopy(self.bundle))
        made.observe(self._moved, "state")
        return made

    def _moved(self, change: Any) -> None:
        self._state = dict(change["new"])

    def _extra(self) -> str:
        """The reader's own rules and surfaces, compiled."""
        if not (self.own_rules or self.own_surfaces):
            return ""
        return library(self.own_rules.values(), self.own_surfaces.values())

    @property
    def bundle(self) -> State:
        """What the page needs to show the figure: its state, language and own code."""
        return {"state": self._state, "lang": self.lang, **({"extra": self.extra} if self.extra else {})}


def _pairs(algorithms: Any) -> Iterable[tuple[Any, Mapping[str, Any]]]:
    if isinstance(algorithms, Mapping):
        return algorithms.items()
    if isinstance(algorithms, (str, Optimizer)) or callable(algorithms):
        algorithms = [algorithms]
    if not np.iterable(algorithms):
        raise TypeError(f"algorithms={written(algorithms)}: give names, rules, Optimizers, or a dictionary of them")
    return [(rule, {}) for rule in algorithms]


def _plain(name: str, value: Any) -> Any:
    """A hyper-parameter as a state holds it: a number, or the name of a schedule with its constants."""
    if isinstance(value, schedules.Schedule):
        return {"schedule": value.formula.__name__, **dict(value.constants)}
    return value if isinstance(value, Mapping) else scalar(value, name)


def _value(value: Any) -> Any:
    """The same as `Optimizer` takes it."""
    if not isinstance(value, Mapping):
        return value
    constants = {**value}
    name = constants.pop("schedule")
    if name not in SCHEDULES:
        raise ValueError(f"no schedule {name!r}: there are {', '.join(SCHEDULES)}")
    return SCHEDULES[name](**constants)


# --- the module -----------------------------------------------------------------------------------


def _algorithms() -> State:
    """Names of the algorithms: one text, or one for each language where they differ."""
    return {name: en if en == zh else {"en": en, "zh": zh} for name, (en, zh) in labels.ALGORITHMS.items()}


def _slider(known: rules.Hyper) -> State:
    """What a slider needs to know of a number, where that is not the usual."""
    told = {name: getattr(known, name) for name in ("symbol", "scale", "shown", "reach", "usual", "whole", "step")}
    return {name: value for name, value in told.items() if value != getattr(rules.Hyper(), name)}


def _tables() -> State:
    """Words and colours, as the module reads them."""
    from ..view import contours, style  # colours have one home; Matplotlib is needed to read it
    from . import palette

    looks = {rule.__name__: palette.look(rule.__name__) for rule in RULES}
    shades = [dict(zip(palette.PAPER, pair, strict=True)) for pair in palette.SERIES]
    return {
        "labels": {**labels.LABELS, **brought("LABELS")},
        "algorithms": _algorithms(), "conventions": labels.CONVENTIONS, "squares": labels.SQUARES,
        "symbols": _LETTERS, "hyper": {name: _slider(known) for name, known in HYPER.items()}, "looks": looks,
        "series": shades, "paper": palette.PAPER, "ground": style.GROUND, "alike": ALIKE,
        "drawing": contours.DRAWING, "defaults": DEFAULTS, "tabbed": TABBED, "rates": _RATES,
        "library": dict.fromkeys(TABLE, 1),
    }  # fmt: skip


@cache
def _body() -> str:
    code = library(
        RULES,
        surfaces().values(),
        schedules=[inspect.unwrap(make) for make in SCHEDULES.values()],
        functions=[noise.uniform, noise.normal],
        examples=brought("EXAMPLES"),
    )
    data = f"export function library() {{\n{code}}}\n\n{modules.constant('DATA', _tables())}"
    return "// Made by optlib.widget: from optlib and optlib/widget/js.\n" + modules.joined(
        {"data": data, **modules.texts()}
    )


def _module(body: str) -> str:
    return f"{body}\nexport {{ answers, mount }};\nexport default {{ render }};\n"


@cache
def module(part: str = "explorer") -> str:
    """The whole ECMAScript module of a part: ``export default { render }`` for anywidget, ``mount`` for pages."""
    return _module(_body() if part == "explorer" else _part(part))


@cache
def script(part: str = "explorer") -> str:
    """The same as a classic script, which sets ``window.downhillExplorer``: pages on disk may load no module."""
    if part == "explorer":
        return modules.classic("downhillExplorer", _body(), "answers, mount, render, sceneOf")
    return modules.classic(f"downhill{part.title()}", _part(part), "answers, mount, render")


def scripts() -> dict[str, str]:
    """What a page may load of the figures, by the file's name."""
    parts = {f"explorer-{part}.js": script(part) for part in PARTS}
    return {"explorer.js": script(), **parts, "explorer.css": style()}


#: The figures with a module of their own, loaded with the first of them: what it takes from the explorer's own modules,
#: its words.
PARTS = {
    "network": (
        ("axes", "base", "brush", "element", "home", "link", "theme", "trouble", "walk", "words"), labels.NET,
        labels.NET_TOO,
    ),
    "timeline": (
        ("axes", "base", "brush", "element", "home", "link", "theme", "trouble", "words"), labels.LINE, labels.TOO,
    ),
}  # fmt: skip


def part_of(bundle: Mapping[str, Any]) -> str:
    """Which module draws what a bundle holds."""
    return next((part for part in PARTS if part in bundle), "explorer")


@cache
def _part(name: str) -> str:
    from . import palette

    taken, own, too = PARTS[name]
    bar, mark = (dict(zip(palette.PAPER, each, strict=True)) for each in palette.LINE)
    tables = {
        "labels": {**{key: labels.LABELS[key] for key in too}, **own}, "paper": palette.PAPER,
        "sides": dict(zip(palette.PAPER, zip(*palette.SIDES, strict=True), strict=True)), "bar": bar, "mark": mark,
        "symbols": {}, "hyper": {}, "algorithms": _algorithms(),
    }  # fmt: skip
    texts = modules.texts()
    drawn = {**{each: texts[each] for each in taken}, **modules.texts(modules.HERE / name)}
    return modules.joined({"data": modules.constant("DATA", tables), **drawn})


@cache
def style() -> str:
    """The style sheet, without remarks and the blanks that say nothing."""
    return modules.tight_style((HERE / "explorer.css").read_text("utf-8"))


def new_widget(kind: str = "explorer", **traits: Any) -> Any:
    """The live widget with its traits."""
    return _widget_class(kind)(**traits)


@cache
def _widget_class(kind: str) -> Any:
    try:
        anywidget: Any = importlib.import_module("anywidget")
        traitlets: Any = importlib.import_module("traitlets")
    except ImportError:
        raise ImportError("the live explorer needs anywidget: pip install anywidget") from None

    class ExplorerWidget(anywidget.AnyWidget):
        _esm = module(kind)
        _css = style()
        state = traitlets.Dict().tag(sync=True)
        lang = traitlets.Unicode("auto").tag(sync=True)
        extra = traitlets.Unicode("").tag(sync=True)
        curves = traitlets.Dict().tag(sync=True)
        network = traitlets.Dict().tag(sync=True)
        timeline = traitlets.Dict().tag(sync=True)

    return ExplorerWidget
