"""What a scene of the explorer may say, and the surfaces it may play on.

A scene is the state that a figure begins with, in plain JSON. A package that brings scenes names its table of them in
the entry point group `GROUP`. What a scene does not say has the value of :data:`DEFAULTS`. Of its entries, ``show``
names the one or two controls that stand in the open, all others wait behind *More*: a number of the state by its path
("noise", "constants.b", "runs.1.hyper.gamma"), a hyper-parameter of all algorithms by its bare name ("gamma"), or a
part of the figure ("curve", "closeup", "map", "view", "surface", "levels"). ``vivid`` lists the algorithms that stand
out. ``goal`` says when a walk has arrived: from when on each coordinate is ``within`` some distance of a minimum's, or
the loss exceeds the lowest by a ``gap`` at most. ``tabs`` is a row of scenes to choose from, by ``name``: each has its
surface, what else differs from :data:`DEFAULTS`, and the ``rates`` of each algorithm; ``tab`` is the chosen one.
``names`` are what the picture calls its axes and the goal, each a row of `labels.LABELS` or a text; ``ideal`` is a
height that a curve should come to, where no minimum says it.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy import exp

from .. import data
from ..rules import Hyper
from ..surfaces import TABLE, Surface

State = dict[str, Any]

# --- regressions: a line with intercept x and slope y, through examples (a, b) --------------------

_X, _Y = data.line(n=20, seed=0)
_TWENTY = tuple((round(float(a), 3), round(float(b), 3)) for a, b in zip(_X[:, 1], _Y, strict=True))
_THREE = tuple((float(a), float(b)) for a, b in zip(data.three_points()[0][:, 1], data.three_points()[1], strict=True))


def _error(x, y, a, b):
    return x + y * a - b


def _example_gradient(x, y, a, b):
    e = _error(x, y, a, b)
    return e, e * a


def _twenty(x, y):
    f = 0 * x
    for a, b in _TWENTY:
        e = _error(x, y, a, b)
        f = f + e * e
    return f / 40


def _twenty_gradient(x, y):
    dx, dy = 0 * x, 0 * y
    for a, b in _TWENTY:
        gx, gy = _example_gradient(x, y, a, b)
        dx, dy = dx + gx, dy + gy
    return dx / 20, dy / 20


def _three(x, y):
    f = 0 * x
    for a, b in _THREE:
        e = _error(x, y, a, b)
        f = f + e * e
    return f / 6


def _three_gradient(x, y):
    dx, dy = 0 * x, 0 * y
    for a, b in _THREE:
        gx, gy = _example_gradient(x, y, a, b)
        dx, dy = dx + gx, dy + gy
    return dx / 3, dy / 3


def _least_squares(examples: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    a, b = np.transpose(examples)
    slope, intercept = np.polyfit(a, b, 1)
    return float(intercept), float(slope)


regression = Surface(
    "regression", _twenty, _twenty_gradient, ((-1.5, 3.5), (-1.5, 4.5)), (-1.0, -1.0), (_least_squares(_TWENTY),),
    "half the mean squared error of a line on 20 examples of optlib.data.line",
)  # fmt: skip

three_points = Surface(
    "three_points", _three, _three_gradient, ((-4.0, 4.0), (-2.0, 5.0)), (-1.0, 4.0), (_least_squares(_THREE),),
    "half the mean squared error of a line on the three examples of optlib.data.three_points",
)  # fmt: skip

# --- one number: the minutes that an app promises, corrected by every order ------------------------


def _forty_orders() -> tuple[tuple[float], ...]:
    """Forty delivery times (gamma, shape 9), brought to mean 30 and standard deviation 10, in tenths of a minute."""
    y = np.random.default_rng(1).gamma(9, 10 / 3, 40)
    y = np.round(30 + 10 * (y - y.mean()) / y.std(), 1)
    y[-1] += 1200 - y.sum()
    return tuple((round(float(minutes), 1),) for minutes in y)


_ORDERS = _forty_orders()


def _one_order(x, y):
    return (x - y,)


def _deliveries(x):
    return (x - 30) ** 2 / 2


def _deliveries_gradient(x):
    return (x - 30,)


deliveries = Surface(
    "deliveries", _deliveries, _deliveries_gradient, ((0.0, 70.0),), (60.0,), ((30.0,),),
    "half the squared error of a promised delivery time, above its minimum; every order pulls by x - y",
)  # fmt: skip

# --- one weight of a spam filter: an e-mail pushes it, or says nothing -----------------------------

_MAILS = ((1.0,), *((0.0,),) * 99)


def _one_mail(x, y):
    return (0 * x - y,)


def _mails(x, *, a):
    return -a * x


def _mails_gradient(x, *, a):
    return (0 * x - a,)


mails = Surface(
    "mails", _mails, _mails_gradient, ((-2.5, 4.0),), (0.0,), (),
    "a slope without an end: the mean push of e-mails, of which one in a hundred pushes by 1",
    MappingProxyType({"a": 0.01}),
)  # fmt: skip

# --- a plain with one well ------------------------------------------------------------------------


def _plain(x, y):
    return 1 - exp(-(x * x + y * y) / 2)


def _plain_gradient(x, y):
    w = exp(-(x * x + y * y) / 2)
    return w * x, w * y


plain = Surface(
    "plain", _plain, _plain_gradient, ((-4.0, 4.0), (-4.0, 4.0)), (2.9, 1.4), ((0.0, 0.0),),
    "1 - exp(-(x² + y²)/2): the gradient dies away with distance",
)  # fmt: skip

# --- two factors whose product should be 1 ---------------------------------------------------------


def _knobs(x, y, *, a):
    e = x * y - 1
    return (e * e + a * ((x - 1) ** 2 + (y - 1) ** 2)) / 2


def _knobs_gradient(x, y, *, a):
    e = x * y - 1
    return e * y + a * (x - 1), e * x + a * (y - 1)


_WRONG = -(1 + 0.6**0.5) / 2  # the valley that is too high, for a = 0.1

knobs = Surface(
    "knobs", _knobs, _knobs_gradient, ((-3.0, 3.0), (-3.0, 3.0)), (1.0, -2.0), ((1.0, 1.0), (_WRONG, _WRONG)),
    "((xy - 1)² + a ((x - 1)² + (y - 1)²))/2: the smallest deep network, and a preference for both factors at 1",
    MappingProxyType({"a": 0.1}),
)  # fmt: skip

# --- a valley whose axes are turned ----------------------------------------------------------------


def _turned(x, y, *, a, b):
    along, across = x + a * y, y - a * x
    return (along * along + b * across * across) / (2 * (1 + a * a))


def _turned_gradient(x, y, *, a, b):
    along, across, n = x + a * y, y - a * x, 1 + a * a
    return (along - a * b * across) / n, (a * along + b * across) / n


turned = Surface(
    "turned", _turned, _turned_gradient, ((-11.0, 11.0), (-11.0, 11.0)), (10.0, 3.0), ((0.0, 0.0),),
    "the ravine along the line y = ax, a = 0 along an axis: curvatures 1 along it, b across",
    MappingProxyType({"a": 0.0, "b": 100.0}),
)  # fmt: skip

#: All surfaces of the explorer by name, those of `optlib.surfaces` first.
SURFACES: dict[str, Surface] = {
    **TABLE, **{s.name: s for s in (regression, three_points, deliveries, mails, plain, knobs, turned)},
}  # fmt: skip

#: Losses that are means over examples: surface -> (gradient of one example, the examples).
EXAMPLES: dict[str, tuple[Callable, tuple]] = {
    "regression": (_example_gradient, _TWENTY),
    "three_points": (_example_gradient, _THREE),
    "deliveries": (_one_order, _ORDERS),
    "mails": (_one_mail, _MAILS),
}

# --- scenes ---------------------------------------------------------------------------------------

GROUP = "optlib.scenes"  #: of entry points: each is a dictionary of states by name

DEFAULTS: State = {
    "scene": "plane", "surface": "ravine", "constants": {}, "start": None, "steps": 100, "domain": None,
    "runs": [{"rule": "sgd", "hyper": {}}], "noise": 0.0, "seed": 1, "batch_size": 0, "stream": None, "project": False,
    "levels": "auto", "view": "plane", "turn": 35.0, "tilt": 50.0, "map": "off", "mapOf": 0, "axes": None,
    "series": "loss", "at": None, "cartoon": False, "follow": 0, "limit": False,
    "show": [], "vivid": None, "goal": {"within": 0.01}, "ideal": None, "names": [], "tabs": [], "tab": None,
    "own": None,
}  # fmt: skip

#: What a tab sets, beside the surface and the rates: to its own value, or to the usual one.
TABBED = (
    "constants", "start", "domain", "noise", "batch_size", "stream", "project", "steps", "levels", "view", "map",
    "limit", "goal", "ideal", "axes", "at",
)  # fmt: skip

#: The numbers of a scene and the constants of its schedules, beside `rules.HYPER`: how sliders run through them.
NUMBERS: dict[str, Hyper] = {
    **dict.fromkeys(("every", "half", "first", "warm"), Hyper(low=1.0, whole=True, shown=(1.0, 2000.0))),
    "steps": Hyper(low=1.0, high=5000.0, closed=True, whole=True, shown=(1.0, 2000.0)),
    "factor": Hyper(low=1.0, scale="linear", shown=(1.0, 4.0), whole=True, step=1.0),
    "power": Hyper(scale="linear", shown=(1.0, 4.0), step=0.1),
    "rise": Hyper(high=1.0, scale="linear", shown=(0.05, 0.95)),
    **dict.fromkeys(("start", "end", "k", "c", "a", "tau", "start_ratio", "end_ratio"), Hyper()),
    "noise": Hyper(usual=0.3), "seed": Hyper(low=1.0, scale="linear", shown=(1.0, 50.0), whole=True, step=1.0),
    **dict.fromkeys(("delay", "batch_size"), Hyper(scale="linear", shown=(0.0, 20.0), whole=True, step=1.0)),
    "turn": Hyper(low=-180.0, scale="linear", shown=(-180.0, 180.0), step=1.0),
    "tilt": Hyper(low=10.0, scale="linear", shown=(10.0, 90.0), step=1.0),
    "ridge": Hyper("δ", shown=(1e-16, 1e-2)),  # how far beside a saddle's ridge a walk starts
}  # fmt: skip

#: Hyper-parameters that play one part: the number is kept when a reader takes the other rule.
ALIKE = {"gamma": "beta", "beta": "gamma"}


@cache
def scenes() -> dict[str, State]:
    """The scenes of every installed package, by name."""
    return {name: state for point in entry_points(group=GROUP) for name, state in point.load().items()}


def scene(name: str | None) -> State:
    """A scene by its name, the empty one for None; ValueError if no installed package brings it."""
    if name is not None and name not in scenes():
        there = ", ".join(scenes()) or "none: the course's come with pip install -e . in its folder"
        raise ValueError(f"no preset {name!r}: there are {there}")
    return scenes()[name] if name is not None else {}


def tabbed(state: State, name: str) -> State:
    """The state with another of its tabs chosen; algorithms stay, and take the tab's rates.

    Raises
    ------
    ValueError : no tab of that name.

    >>> scene = {"runs": [{"rule": "sgd"}], "tabs": [{"name": "low", "surface": "bowl", "rates": {"sgd": {"lr": 0.1}}}]}
    >>> tabbed(scene, "low")["runs"]
    [{'rule': 'sgd', 'hyper': {'lr': 0.1}}]
    """
    tabs = {each["name"]: each for each in state.get("tabs", [])}
    if name not in tabs:
        raise ValueError(f"no tab {name!r}: there are {', '.join(tabs) or 'none'}")
    own = {key: value for key, value in tabs[name].items() if key not in ("name", "rates")}
    rates = tabs[name].get("rates", {})
    runs = [{**each, "hyper": {**each.get("hyper", {}), **rates.get(each["rule"], {})}} for each in state["runs"]]
    return {**state, **{key: DEFAULTS[key] for key in TABBED}, **own, "tab": name, "runs": runs}
