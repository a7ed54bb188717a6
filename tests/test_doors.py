"""Every public callable of the library reference is given bad values: none answers with an error that names nothing.

A call with good values is made of the table below, then each argument in turn becomes each bad value. What comes back
must be an answer, where the value is allowed, or an error that carries the argument's name.
"""

import inspect
import re
import warnings
from functools import cache
from importlib import import_module

import numpy as np
import pytest

from downhill_course.pages import api
from optlib import Optimizer, compare, models, oracles, rules, run, schedules, surfaces, transformer, tricks

ROOMS = ("", "surfaces", "schedules", "data", "compare", "oracles", "models", "layers", "initialise",
         "transformer", "tricks")  # fmt: skip
BAD = {
    "None": None, "text": "a", "thing": object(), "ragged": [[1.0], [1.0, 2.0]], "complex": 1j, "NaN": float("nan"),
    "minus": -1, "half": 0.5, "dict": {}, "class": dict, "function": lambda: None, "huge": 10**400, "True": True,
    "strings": ["a", "b"], "empty": [], "masked": np.ma.masked_array([1.0, 2.0], [True, False]), "inf": float("inf"),
}  # fmt: skip

BOWL, MODEL, NET = surfaces.bowl, models.LinearRegression(), models.MLP([2, 2])
TEXT = transformer.Transformer(3, context=4, width=4, heads=2, layers=1)
SGD = Optimizer(rules.sgd, lr=0.1)
X, Y, THETA = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), np.array([0, 1, 0]), np.array([1.0, 2.0])
EYE, RNG = np.eye(2), np.random.default_rng(0)
PROBLEM = compare.surface(BOWL)

#: Good values: of an argument wherever it stands, or of one callable's, as in "cosine.steps".
GOOD = {
    "theta": THETA, "g": THETA, "X": X, "y": Y, "seed": 1, "optimizer": SGD, "oracle": BOWL.grad, "grad": BOWL.grad,
    "gradient": BOWL.grad, "f": BOWL, "loss": BOWL, "model": MODEL, "steps": 3, "n": 5, "d": 3, "size": 2, "t": 1,
    "rule": rules.sgd, "state": SGD.init(THETA), "high": 1.0, "low": 0.1, "start": 1.0, "every": 2, "gamma": 0.5,
    "k": 2, "tau": 2.0, "c": 1.0, "first": 3, "half": 2, "rise": 0.5, "then": 1.0, "warm": 1, "power": 1,
    "value": 1.0, "strict": True, "curvatures": [1.0, 2.0], "H": EYE, "v": THETA, "product": lambda v: EYE @ v,
    "d1": [1.0, 0.0], "d2": [0.0, 1.0], "direction": [1.0, 0.0], "origin": THETA, "second": [2.0, 2.0],
    "third": [1.0, 5.0], "points": [THETA, THETA], "difficulty": [1, 2, 1], "lr": 0.1, "cycle": 2,
    "critical": 2.0, "batch_size": 2, "shapes": [(2,)], "unpack": [(1, 2)], "criterion": tricks.Patience(2), "limit": 6,
    "validation": BOWL, "rng": RNG, "shape": (2, 3), "x": X, "z": X, "rate": 0.5,
    "rows": 4, "columns": 3, "rank": 1, "classes": 2, "noise": 0.1, "test": 0.4, "places": 2,
    "indptr": [0, 1], "indices": [0], "problems": PROBLEM, "budget": 2, "seeds": 1,
    "optimizers": {"sgd": (rules.sgd, {"lr": [0.1]})}, "example": lambda t: (X, Y),
    "ratio": 0.5, "strength": 0.1, "h": 1e-5, "tolerance": 1e-3, "extent": 1.0, "damping": 0.1, "statistics": None,
    "average": tricks.SWA(), "levels": 3, "stage": 5, "share": 0.5, "alpha": 1.0, "strips": 2, "strip": 2, "after": 1,
    "patience": 2, "least": 0.0, "progress": tricks.Patience().init(), "running": (np.zeros(2), np.ones(2)),
    "dy": X, "name": "mine", "domain": ((-1.0, 1.0),) * 2, "metric": BOWL,
    "width": 0.1, "probes": 2, "mask_seed": None, "path": None,
    "sizes": [2, 2], "activation": "relu", "scheme": "he", "window": 3,
    "begin": 0.05, "explode": 4.0, "training": None, "refresh": None,
    "pieces": (0.1, 3), "momentum": 0.1, "eps": 1e-5, "a": 1.0, "end": 0.0,
    "Surface.start": (0.0, 0.0), "Surface.value": lambda x, y: x, "Surface.gradient": lambda x, y: (1.0, 0.0),
    "Surface.minima": (), "of.value": lambda x, y: x * y, "of.start": (0.0, 0.0),
    "function.start": THETA, "examples.start": THETA, "examples.metric": lambda theta, X, y: 1.0,
    "examples.held_out": (X, Y), "lanczos.start": THETA, "ritz.start": THETA, "Problem.start": lambda seed: THETA,
    "Problem.oracle": lambda seed: BOWL.grad, "clipped.value": None, "MLP.loss": "softmax",
    "batch_norm.gamma": [1.0, 1.0], "batch_norm.beta": [0.0, 0.0], "batch_norm_inference.gamma": [1.0, 1.0],
    "batch_norm_inference.beta": [0.0, 0.0], "batch_norm_inference.mean": [0.0, 0.0],
    "batch_norm_inference.variance": [1.0, 1.0], "noise_scale.curvature": True, "noise_scale.y": Y,
    "warm_restarts.factor": 2, "Plateau.factor": 0.5, "inverse_time.k": 0.5, "exp_range.gamma": 0.5,
    "warm_up_stable_decay.decay": 1, "EMA.decay": 0.5, "EMA.begin": "theta",
    "zipf.words": 3, "zipf.exponent": 1.0, "dropout_mask.dtype": float, "Surface.source": "",
    "clipped.norm": 1.0, "one_cycle.start_ratio": 25.0, "one_cycle.end_ratio": 1e4, "one_cycle.steps": 10,
    "newton.steps": 2, "moving_statistics.unbiased": True, "range_test.low": 1e-3, "range_test.high": 10.0,
    "range_test.steps": 12, "MLP.batch_norm": True, "MLP.dropout": 0.0,
    "SparseRows.columns": 2, "Curriculum.seed": 1,
    "Plateau.start": 1.0, "Plateau.low": 0.0, "hard_examples.size": 3, "hard_examples.order": "epoch", "order": "epoch",
    "contest.workers": 1, "Plateau.update.loss": 1.0, "Plateau.restore.state": (1.0, 1.0, 0), "contest.points": 2,
    "adding_digits.digits": [1, 2], "observed": 0.5,
    "softmax.z": X, "checked_labels.z": X, "checked_labels.labels": [0, 1, 1], "cross_entropy.labels": [0, 1, 1],
    "cross_entropy_gradient.labels": [0, 1, 1], "SparseRows.values": [1.0], "MatrixCompletion.rows": 4,
    "MLP.theta": NET.init(seed=0), "SoftmaxRegression.theta": np.zeros(4), "MatrixCompletion.theta": np.zeros(7),
    "MatrixCompletion.X": np.array([[0, 0], [1, 2]]), "MatrixCompletion.y": THETA, "MLP.statistics.size": 2,
    "EMA.state": tricks.EMA().init(THETA), "SWA.state": tricks.SWA().init(THETA), "save.path": "run.npz",
    "PolyakRuppert.state": tricks.SWA().init(THETA), "GL.validation": 1.0, "UP.validation": 1.0,
    "PQ.validation": 1.0, "Patience.validation": 1.0, "PQ.tell.training": 1.0,
    "windows.text": [1, 2, 3], "prose.language": "en",
    "Transformer.theta": TEXT.init(seed=0), "Transformer.X": [[0, 1]],
    "Transformer.y": [[1, 2]], "Transformer.vocabulary": 3, "Transformer.context": 4, "Transformer.width": 4,
    "Transformer.heads": 2, "Transformer.layers": 1,
    "parts": {"w": (slice(0, 2), (2,), "output")},
    "through.first": [1.0, 2.0], "batch_norm_backward.memory": (X, np.ones((1, 2)), np.ones((1, 2))),
}  # fmt: skip

#: Outcomes and forms of things, which nobody makes; what stands in a loop and is given whatever is there.
NOT_CALLED = ("NotFinite", "Model", "Measured", "Row", "Contest", "GradientCheck", "Progress", "Schedule")
NET_THETA = NET.init(seed=0)
INSTANCES = {
    "Optimizer": SGD, "Surface": BOWL, "MLP": NET, "Plateau": schedules.Plateau(1.0), "LinearRegression": MODEL,
    "Transformer": TEXT,
    "noisy": oracles.noisy(BOWL.grad), "l2": oracles.l2(BOWL.grad, 0.1),
}  # fmt: skip
#: What an argument's parts are called.
ALSO = {"pieces": "piece|length", "points": "points|theta", "unpack": "unpack|shapes"}
METHODS_APART = {
    ("noisy", "noise"),
    ("clipped", "loss"),
    ("noisy", "loss"),
    ("l2", "loss"),
    ("sharp", "loss"),
    ("SparseRows", "dense"),
}


def good(owner: str, name: str, parameter: inspect.Parameter):
    kind = owner.partition(".")[0]
    for key in (f"{owner}.{name}", f"{kind}.{name}", name):
        if key in GOOD:
            return GOOD[key]
    return parameter.default


def arguments(owner: str, call) -> dict:
    """A good call: every argument that has no default, and those of the table."""
    found = {"walk": run(SGD, BOWL.grad, THETA)} if owner == "early_stopped" else {}
    found |= {"rest": SGD} if owner == "layered" else {}
    for name, p in inspect.signature(call).parameters.items():
        if name not in ("self", *found) and p.kind is not p.VAR_KEYWORD:
            value = good(owner, name, p)
            if p.default is p.empty or f"{owner}.{name}" in GOOD:
                assert value is not p.empty, f"GOOD lacks {owner}.{name}"
                found[name] = value
    return found


@cache
def callables() -> dict:
    """Everything to call: name -> (what, owner of its arguments in the table)."""
    found = {}
    for room in ROOMS:
        module = import_module(f"optlib.{room}".rstrip("."))
        for part in (module, *api.submodules(module)):
            for name, value in api.public(part).items():
                if not (inspect.isfunction(value) or inspect.isclass(value)):
                    continue
                if inspect.isclass(value) and issubclass(value, (tuple, BaseException)):
                    continue
                if name not in NOT_CALLED:
                    found[f"{part.__name__}.{name}"] = (value, name)
    return found


def methods(kind) -> list[str]:
    return [
        n for n, v in api.members(kind).items() if inspect.isfunction(v) and (kind.__name__, n) not in METHODS_APART
    ]


def instance(kind, name):
    return INSTANCES.get(name) or kind(**arguments(name, kind.__init__))


def targets() -> list:
    found = []
    for label, (value, name) in callables().items():
        found.append(pytest.param(value, name, id=label))
        if inspect.isclass(value):
            for method in methods(value):
                found.append(pytest.param((value, method), f"{name}.{method}", id=f"{label}.{method}"))
    return found


def made(call, given: dict):
    """The call, with what stands behind a star unpacked."""
    stars = [p.name for p in inspect.signature(call).parameters.values() if p.kind is p.VAR_POSITIONAL]
    given = dict(given)
    starred = [given.pop(name) for name in stars if name in given]
    return call(*starred, **given)


def without_name(owner: str, call, given: dict) -> list[str]:
    raw = []
    for name in [
        n for n, p in inspect.signature(call).parameters.items() if p.kind is not p.VAR_KEYWORD and n != "self"
    ]:
        for kind, value in BAD.items():
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    result = made(call, {**given, name: value})
                    if inspect.isgenerator(result):
                        next(result, None)
            except OSError:
                pass  # a file that is not there
            except Exception as error:
                word = ALSO.get(name, re.escape(name))
                if not re.search(rf"\b({word})\b", f"{error}"):
                    raw.append(f"{owner}({name}={kind}): {type(error).__name__}: {' '.join(str(error).split())[:110]}")
    return raw


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """What is saved under a name that is given for wrong stays out of the repository."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("call", "owner"), targets())
def test_an_error_carries_the_name_of_the_argument(call, owner):
    if isinstance(call, tuple):
        kind, method = call
        call = getattr(instance(kind, kind.__name__), method)
    given = arguments(owner, call)
    raw = without_name(owner, call, given)
    assert not raw, "\n".join(raw)


@pytest.mark.parametrize(("call", "owner"), targets())
def test_the_good_values_are_good(call, owner, tmp_path):
    if isinstance(call, tuple):
        kind, method = call
        call = getattr(instance(kind, kind.__name__), method)
    given = arguments(owner, call)
    if "path" in given:
        given["path"] = tmp_path / "run.npz"
        if owner == "load":
            np.savez(given["path"], theta=THETA, **SGD.init(THETA))
    result = made(call, given)
    if inspect.isgenerator(result):
        next(result)


def test_walks_are_checked_before_their_first_step():
    with pytest.raises(TypeError, match="oracle=3"):
        run(SGD, 3, THETA)
