"""The course's scenes of the explorer, one for each place in the book, and the surfaces that are theirs alone.

What a scene may say stands in `optlib.widget.scenes`.
"""

from collections.abc import Callable
from math import sin
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy import exp

from optlib import data
from optlib.surfaces import Surface
from optlib.widget.noise import normal
from optlib.widget.scenes import State, tabbed

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

#: The surfaces that are the scenes' own, by name.
SURFACES: dict[str, Surface] = {
    s.name: s for s in (regression, three_points, deliveries, mails, plain, knobs, turned)
}  # fmt: skip

#: Losses that are means over examples: surface -> (gradient of one example, the examples).
EXAMPLES: dict[str, tuple[Callable, tuple]] = {
    "regression": (_example_gradient, _TWENTY),
    "three_points": (_example_gradient, _THREE),
    "deliveries": (_one_order, _ORDERS),
    "mails": (_one_mail, _MAILS),
}

# --- scenes ---------------------------------------------------------------------------------------

#: A part of the ravine that is as wide as it is high on a page, so that the picture can be true to scale.
_WIDE = [[-11.0, 11.0], [-4.7, 4.7]]


def run(rule: str, *, delay: int = 0, **hyper: Any) -> State:
    """One algorithm of a scene.

    >>> run("sgd", lr=0.1)
    {'rule': 'sgd', 'hyper': {'lr': 0.1}}
    """
    return {"rule": rule, "hyper": hyper, **({"delay": delay} if delay else {})}


def schedule(name: str, **arguments: float) -> State:
    """A schedule in place of a hyper-parameter's number.

    >>> schedule("exponential", start=1.0, gamma=0.5)
    {'schedule': 'exponential', 'start': 1.0, 'gamma': 0.5}
    """
    return {"schedule": name, **arguments}


#: The racers of well-known animations, and Adam, whom those leave out.
_RACE = [
    run("sgd", lr=0.01), run("momentum", lr=0.01), run("nag", lr=0.01), run("adagrad", lr=0.4), run("adadelta"),
    run("rmsprop", lr=0.03), run("adam", lr=0.05),
]  # fmt: skip


def _rates(*rates: float) -> dict[str, State]:
    """A rate for each racer, in their order."""
    return {each["rule"]: {"lr": rate} for each, rate in zip(_RACE, rates, strict=True)}


#: The race's surfaces. Each rate is, on the ladder 1, 1.5, 2, 3, 5, 7, 10, the one whose median walk from nine *other*
#: starts arrives first without leaving the frame (if none arrives, ends lowest; under noise, is lowest at the end).
RACES: list[State] = [
    {
        "name": "ravine", "surface": "ravine", "domain": _WIDE, "start": [-10.0, 1.0], "steps": 150,
        "goal": {"gap": 0.1},
        "rates": _rates(0.015, 0.01, 0.005, 5.0, 70.0, 0.1, 0.7),
    },
    {
        "name": "noisy", "surface": "ravine", "domain": _WIDE, "start": [-10.0, 1.0], "steps": 150, "noise": 10.0,
        "goal": {"gap": 0.1},
        "rates": _rates(0.015, 0.002, 0.003, 2.0, 70.0, 0.2, 0.3),
    },
    {
        "name": "saddle", "surface": "saddle", "start": [1.5, 0.01], "steps": 120, "goal": {"gap": 0.1},
        "rates": _rates(1.0, 0.2, 0.5, 1.0, 70.0, 0.2, 1.0),
    },
    {
        "name": "rosenbrock", "surface": "rosenbrock", "domain": [[-3.0, 3.0], [-1.5, 5.0]], "start": [-1.5, 2.0],
        "steps": 400, "goal": {"gap": 0.1},
        "rates": _rates(0.002, 0.002, 0.001, 2.0, 20.0, 0.2, 1.5),
    },
    {
        "name": "three_lowlands", "surface": "three_lowlands", "start": [0.3, 1.9], "steps": 150,
        "goal": {"within": 0.1},
        "rates": _rates(0.3, 0.15, 0.3, 0.3, 15.0, 0.05, 0.5),
    },
    {
        "name": "beale", "surface": "beale", "start": [1.0, 1.5], "steps": 200, "goal": {"gap": 0.1},
        "rates": _rates(0.02, 0.003, 0.003, 1.0, 15.0, 0.05, 0.5),
    },
]  # fmt: skip


def _signal() -> list[list[float]]:
    """A slow wave under noise: what moving averages are to find."""
    return [[round(sin(t / 16) + 0.6 * float(normal(3, t, 0)), 3)] for t in range(160)]


#: Three words of a spam filter, as tabs: what an e-mail tells a weight. `ideal` is the mean over the root mean square.
WORDS: list[State] = [
    {
        "name": name, "surface": "mails", "start": [0.0], "steps": 300, "domain": [[-2.5, 4.0]], "ideal": ideal,
        "constants": {"a": mean}, **drawn,
    }
    for name, mean, drawn, ideal in (
        ("free", 1.0, {"noise": 1.0}, 0.5**0.5), ("the", 0.0, {"noise": 1.0}, 0.0),
        ("lottery", 0.01, {"batch_size": 1}, 0.1),
    )
]  # fmt: skip

#: The names of the surfaces and of the tabs, and what scenes call their axes and goals: (English, Chinese).
LABELS: dict[str, tuple[str, str]] = {
    "regression": ("Regression on 20 examples", "20 个样本的回归"),
    "three_points": ("Regression on 3 examples", "3 个样本的回归"),
    "plain": ("A plain with a well", "平原上的一口井"),
    "knobs": ("Two volume knobs", "两个音量旋钮"),
    "turned": ("Turned valley", "转过的山谷"),
    "deliveries": ("A promised delivery time", "预计送达时间"),
    "mails": ("What e-mails tell a weight", "邮件给一个权重的梯度"),
    "noisy": ("Noisy ravine", "带噪声的峡谷"),
    "axis.orders": ("orders", "订单数"),
    "axis.promise": ("promise θ, minutes", "预计 θ（分钟）"),
    "goal.truth": ("the truth: 30 minutes", "真值：30 分钟"),
    "axis.lottery": ("weight of the rare word “lottery”", "少见词“中奖”的权重"),
    "axis.the": ("weight of the frequent word “the”", "常见词“的”的权重"),
    "axis.updates": ("updates", "更新次数"),
    "axis.weight": ("weight, in learning rates", "权重，以学习率为单位"),
    "axis.mails": ("e-mails", "邮件数"),
    "axis.step": ("step, in learning rates", "步长，以学习率为单位"),
    "goal.agree": ("– – mean / rms of the gradients", "– – 梯度的均值 / 均方根"),
    "dot.mail": ("an e-mail’s gradient", "一封邮件的梯度"),
    "free": ("free", "“免费”"),
    "the": ("the", "“的”"),
    "lottery": ("lottery", "“中奖”"),
}

#: `Explorer(name)` finds them by the entry point in `pyproject.toml`.
SCENES: dict[str, State] = {
    "how-far": {
        "surface": "three_points", "steps": 30, "limit": True, "runs": [run("sgd", lr=0.47)],
        "show": ["runs.0.hyper.lr"],
    },
    "which-valley": {
        "surface": "three_lowlands", "steps": 60, "map": "where", "runs": [run("sgd", lr=0.2)],
        "show": ["runs.0.hyper.lr"],
    },
    "orders": {
        "scene": "time", "surface": "deliveries", "start": [60.0], "steps": 400, "series": "x", "batch_size": 1,
        "runs": [run("sgd", lr=0.1)],
        "show": ["lr"], "goal": {"within": 5.0}, "names": ["axis.orders", "axis.promise", "goal.truth"],
    },
    "order-batches": {
        "scene": "time", "surface": "deliveries", "start": [60.0], "steps": 100, "series": "x", "batch_size": 1,
        "runs": [run("sgd", lr=0.28)],
        "show": ["lr", "batch_size"], "goal": {"within": 5.0},
        "names": ["axis.updates", "axis.promise", "goal.truth"],
    },
    "knobs-saddle": {
        "surface": "knobs", "constants": {"a": 0.0}, "start": [1.000001, -1.0], "steps": 300, "levels": "log",
        "runs": [run("sgd", lr=0.1)], "show": ["noise"], "goal": {"gap": 1e-4},
    },
    "knobs-valley": {
        "surface": "knobs", "start": [1.0, -2.0], "steps": 300, "levels": "log",
        "runs": [run("sgd", lr=0.1)], "show": ["constants.a"],
    },
    "knobs-rate": {
        "surface": "knobs", "constants": {"a": 0.0}, "start": [2.5, 0.45], "steps": 300, "levels": "log",
        "runs": [run("sgd", lr=0.3)], "show": ["runs.0.hyper.lr"], "goal": {"gap": 1e-4},
    },
    "ravine": {
        "surface": "ravine", "domain": _WIDE, "start": [-10.0, 1.0], "steps": 100,
        "runs": [run("sgd", lr=0.018), run("momentum", lr=0.004, gamma=0.9)],
        "show": ["runs.1.hyper.gamma", "runs.0.hyper.lr"],
    },
    "filter": {
        "surface": "ravine", "start": [10.0, 10.0], "domain": [[-11.0, 11.0], [-11.0, 11.0]], "steps": 400,
        "series": "x", "at": 61, "runs": [run("sgd", lr=0.018), run("momentum", lr=0.018, gamma=0.8)],
        "show": ["runs.1.hyper.gamma"], "names": ["axis.lottery", "axis.the", "goal"],
    },
    "stability": {
        "scene": "map", "surface": "ravine", "start": [10.0, 10.0], "domain": [[-11.0, 11.0], [-11.0, 11.0]],
        "steps": 100, "runs": [run("momentum", lr=0.018, gamma=0.8)], "map": "stable",
        "axes": [["lr", 0.0, 0.045], ["gamma", 0.0, 1.0]], "show": ["lr", "gamma"],
    },
    "barrier": {
        "scene": "line", "surface": "waves", "start": [-7.0], "steps": 150, "series": "x",
        "runs": [run("sgd", lr=0.08), run("momentum", lr=0.08, gamma=0.9)],
        "show": ["runs.1.hyper.gamma"],
    },
    "nesterov": {
        "surface": "ravine", "domain": _WIDE, "constants": {"b": 10.0}, "start": [-9.0, 1.3], "steps": 60,
        "cartoon": True, "at": 2,
        "runs": [run("nag", lr=0.05, gamma=0.8), run("momentum", lr=0.05, gamma=0.8)],
        "show": ["gamma"],
    },
    "two-words": {
        "surface": "ravine", "start": [10.0, 10.0], "domain": [[-11.0, 11.0], [-11.0, 11.0]], "steps": 60,
        "series": "rate", "runs": [run("sgd", lr=0.018), run("adagrad", lr=1.0)],
        "show": ["constants.b", "curve"],
    },
    "ema": {
        "scene": "time", "surface": "stream", "start": [0.0], "steps": 160, "series": "memory", "stream": _signal(),
        "runs": [run("momentum_ema", lr=0.0, beta=b) for b in (0.5, 0.9, 0.98)],
        "show": ["runs.1.hyper.beta"],
    },
    "bias-correction": {
        "surface": "ravine", "domain": _WIDE, "constants": {"b": 10.0}, "start": [-9.0, 1.3], "steps": 60,
        "series": "step",
        "runs": [run("adam", lr=0.3), run("adam_uncorrected", lr=0.3)],
        "show": ["beta2", "curve"],
    },
    "adam-start": {
        "scene": "time", "surface": "stream", "start": [0.0], "steps": 100, "series": "x", "stream": [[-1.0]],
        "domain": [[0.0, 1500.0]],  # as far as beta2 = 0.9999 throws it: Adam's line stays where it is
        "runs": [run("adam", lr=1.0), run("adam_uncorrected", lr=1.0)], "show": ["beta2"],
        "names": ["axis.updates", "axis.weight"],
    },
    "three-words": tabbed({
        "scene": "time", "series": "move", "seed": 7, "tabs": WORDS,
        "runs": [run("adam", lr=1.0)], "show": ["beta1"],
        "names": ["axis.mails", "axis.step", "goal.agree", "dot.mail"],
    }, "free"),
    "adam-floor": {
        "surface": "bowl", "start": [3.0, 2.0], "steps": 400, "noise": 1.0,
        "runs": [run("adam", lr=0.05), run("sgd", lr=0.05)], "show": ["noise"],
    },
    "reddi": {
        "scene": "time", "surface": "stream", "start": [0.0], "steps": 900, "series": "x", "project": True,
        "domain": [[-1.0, 1.0]], "stream": [[6.0], [-1.0], [-1.0], [-1.0], [-1.0]],
        "runs": [run("adam", lr=0.05, beta1=0.0, beta2=0.3), run("amsgrad", lr=0.05, beta1=0.0, beta2=0.3)],
        "show": ["beta2"],
    },
    "race": tabbed({"tabs": RACES, "runs": _RACE, "vivid": [0, 6]}, "ravine"),
    "settle": {
        "surface": "ravine", "start": [10.0, 10.0], "domain": [[-4.0, 11.0], [-4.0, 11.0]], "steps": 1000,
        "runs": [
            run("sgd", lr=0.016),
            run("sgd", lr=schedule("polynomial", start=0.0093, steps=1000, end=0.0, power=1.0)),
        ],
        "noise": 10.0, "seed": 3,
        "show": ["runs.0.hyper.lr", "seed"],
    },
    "triangular": {
        "surface": "himmelblau", "steps": 120, "series": "lr",
        "runs": [run("sgd", lr=schedule("triangular", low=0.001, high=0.025, half=15)), run("sgd", lr=0.01)],
        "noise": 8.0,
        "show": ["noise", "curve"],
    },
    "warm-restarts": {
        "surface": "three_lowlands", "start": [0.3, 1.9], "steps": 150, "series": "lr",
        "runs": [run("sgd", lr=schedule("warm_restarts", high=0.6, first=20, factor=2, low=0.0)), run("sgd", lr=0.1)],
        "noise": 0.5,
        "show": ["noise", "curve"],
    },
    "one-cycle": {
        "surface": "rosenbrock", "steps": 200, "series": "lr",
        "runs": [
            run("momentum", lr=schedule("one_cycle", high=0.002, steps=200, rise=0.3, start_ratio=25.0, end_ratio=1e4)),
            run("momentum", lr=0.0003),
        ],
        "show": ["runs.1.hyper.lr", "curve"],
    },
    "four-valleys": {
        "surface": "himmelblau", "start": [3.0, -4.62], "steps": 150,
        "runs": [run("sgd", lr=0.005), run("momentum", lr=0.01), run("nag", lr=0.013), run("adam", lr=0.5)],
        "vivid": [0, 3],
    },
    "turned": {
        "surface": "turned", "start": [10.0, 3.0], "steps": 400, "goal": {"gap": 0.1},
        "runs": [run("sgd", lr=0.018), run("adam", lr=0.5)],
        "show": ["constants.a"],
    },
    "stale": {
        "surface": "ravine", "start": [10.0, 10.0], "domain": [[-11.0, 11.0], [-11.0, 11.0]], "steps": 400,
        "runs": [run("sgd", lr=0.004), run("sgd", lr=0.004, delay=3)],
        "show": ["runs.1.hyper.lr", "runs.1.delay"],
    },
}  # fmt: skip
