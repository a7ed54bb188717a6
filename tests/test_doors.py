"""Every public callable of the library reference is given bad values: none answers with an error that names nothing.

A call with good values is made of the table below, then each argument in turn becomes each bad value. What comes back
must be an answer, where the value is allowed, or an error that carries the argument's name.
"""

import inspect
import re
import sys
import warnings
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from downhill_course.notebook import reference
from downhill_course.pages import api
from optlib import (
    Optimizer,
    compare,
    data,
    descend,
    models,
    oracles,
    parallel,
    rules,
    run,
    schedules,
    surfaces,
    transformer,
    tricks,
    view,
    widget,
)

#: The modules that the library's reference lists.
ROOMS = [room for page in sorted(Path("book").glob("api*.md")) for room in reference.ROOM.findall(page.read_text())]
BAD = {
    "None": None, "text": "a", "thing": object(), "ragged": [[1.0], [1.0, 2.0]], "complex": 1j, "NaN": float("nan"),
    "minus": -1, "half": 0.5, "dict": {}, "class": dict, "function": lambda: None, "huge": 10**400, "True": True,
    "strings": ["a", "b"], "empty": [], "masked": np.ma.masked_array([1.0, 2.0], [True, False]), "inf": float("inf"),
}  # fmt: skip

BOWL, MODEL, NET = surfaces.bowl, models.LinearRegression(), models.MLP([2, 2])
TEXT = transformer.Transformer(3, context=4, width=4, heads=2, layers=1)
SGD, MOMENTUM = Optimizer(rules.sgd, lr=0.1), Optimizer(rules.momentum, lr=0.1)
X, Y, THETA = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), np.array([0, 1, 0]), np.array([1.0, 2.0])
EYE, RNG = np.eye(2), np.random.default_rng(0)
PROBLEM = compare.surface(BOWL)
SYNC = parallel.SyncSGD(SGD)
DONE = parallel.simulate(SYNC, workers=2, steps=2)
FIGURE, AXES = view.panels()
SPARSE = data.SparseRows([0, 1, 2], [0, 1], [1.0, 1.0], 2)


class Reached(BaseException):
    """What is given was let in: here something slow or far away would begin."""


class Client:
    """One of Dask's, as far as somebody knocks at it."""

    def __getattr__(self, name: str):
        raise Reached


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
    "EMA.state": tricks.EMA().init(THETA), "SWA.state": tricks.SWA().init(THETA),
    "Average.state": tricks.SWA().init(THETA),
    "save.path": "run.npz", "load.path": "run.npz", "parts.batch_size": 1,
    "PolyakRuppert.state": tricks.SWA().init(THETA), "GL.validation": 1.0, "UP.validation": 1.0,
    "PQ.validation": 1.0, "Patience.validation": 1.0, "Criterion.validation": 1.0, "PQ.tell.training": 1.0,
    "Optimizer.state": MOMENTUM.init(THETA), "Optimizer.shape_of.name": "u",
    "windows.text": [1, 2, 3], "prose.language": "en",
    "Transformer.theta": TEXT.init(seed=0), "Transformer.X": [[0, 1]],
    "Transformer.y": [[1, 2]], "Transformer.vocabulary": 3, "Transformer.context": 4, "Transformer.width": 4,
    "Transformer.heads": 2, "Transformer.layers": 1,
    "parts": {"w": (slice(0, 2), (2,), "output")},
    "algorithm": SYNC, "local": SGD, "inner": SYNC, "code": parallel.Signs(), "oracles": [BOWL.grad] * 2, "workers": 2,
    "shards": 1, "weights": [[0.5, 0.5], [0.5, 0.5]], "i": 0, "j": 1, "mean": 1.0, "median": 1.0, "usual": 1.0,
    "client": Client(), "moves": np.eye(3), "q": np.ones((3, 1)), "index": 0, "count": 1, "worker": 0, "epochs": 1,
    "threads": 1, "variant": "lock-free", "updates": 2, "until": 9.0, "interval": 1.0, "timeout": 1.0,
    "curve.result": DONE, "timeline.run": DONE, "LowRank.parts": NET.parts(), "Shards.size": 2,
    "stragglers.factor": 2.0, "hogwild.X": SPARSE, "hogwild.y": [0, 1], "conflicts.X": SPARSE, "lost.weights": 1,
    "complete.X": [[0, 0], [1, 1]], "complete.y": THETA, "complete.shape": (2, 2), "hogwild.loss": "logistic",
    "hogwild.l2": 0.0, "complete.l2": 0.0, "hogwild.decay": 1.0, "hogwild.hot": 1, "hogwild.merge": 1,
    "run_on_dask.loss": None, "train.loss": None, "simulate.loss": None, "simulate.oracles": [BOWL.grad] * 2,
    "simulate.theta": THETA, "simulate.workers": None, "gossip.weights": None, "Cluster.lifetime": 1.0,
    "run_on_dask.checkpoint": None, "run_on_dask.resume": None, "run_on_dask.progress": None,
    "hogwild.progress": None, "progress.run_on_dask": None, "calibrate.steps": 2, "connect.address": "tcp://nowhere:1",
    "function": rules.sgd, "listing.function": rules.sgd, "Picture.figure": FIGURE, "figure": FIGURE,
    "summary": "a picture", "contest.result": compare.contest(PROBLEM, {"sgd": (rules.sgd, {"lr": [0.1]})}, budget=2),
    "surface": BOWL, "curve.surface": surfaces.waves, "ax": AXES, "box": ((-1.0, 1.0), (-1.0, 1.0)),
    "draw_walk.path": [[1.0, 2.0], [0.0, 1.0]], "label.x": "x", "label.y": "y", "where": AXES,
    "losses": {"sgd": [1.0, 0.5]},
    "loss_curves.x": "t", "contour.levels": "auto", "ground.levels": "auto", "panels.shape": 2,
    "draw_walk.label": "sgd", "Picture.save.path": "bowl.svg", "look.rule": "sgd", "colour.rule": rules.sgd,
    "contour.start": True, "curve.start": True, "draw_walk.start": True, "contour.ax": None, "curve.ax": None,
    "surface.ax": None, "timeline.ax": None, "loss_curves.ax": None, "contest.ax": None, "contour.width": 320,
    "surface.width": 320, "contest.spread": (0.1, 0.9), "loss_curves.spread": True, "curve.domain": (-1.0, 1.0),
    "target": rules.sgd, "G": np.eye(2), "M": np.eye(2), "root": 2, "coefficients": "jordan",
    "newton_schulz.steps": 5, "inverse_root.eps": 1e-6,
    "curves": {"train": [3.0, 1.0]}, "Curves.x": [0.0, 1.0], "over": None, "Curves.begin": None, "at": 0,
    "Explorer.preset": None, "Explorer.surface": "bowl", "Explorer.algorithms": ["sgd"], "Explorer.start": [1.0, 1.0],
    "Timeline.runs": DONE, "Timeline.begin": None, "Timeline.until": None, "nth": 1, "Timeline.worker": 1,
    "Network.algorithms": {"sgd": {"lr": 0.1}}, "Network.at": 10, "Network.steps": 20, "Network.limit.name": "sgd",
    "Network.trained.steps": 2, "each": {"rule": "sgd"}, "Explorer.save.path": "walk.svg",
    "through.first": [1.0, 2.0], "batch_norm_backward.memory": (X, np.ones((1, 2)), np.ones((1, 2))),
}  # fmt: skip

#: Whose callables are not walked one by one, and why.
REASONS = {
    "an outcome or a form, which the library makes and nobody else": (
        "NotFinite", "Model", "Measured", "Row", "Contest", "GradientCheck", "Progress", "Schedule",
        "Result", "Run", "Algorithm", "Code",
    ),
    "an oracle's own, given what it is given": (
        "noisy.noise", "clipped.loss", "noisy.loss", "l2.loss", "sharp.loss", "SparseRows.dense",
    ),
    "a formula: its hyper-parameters are walked through an Optimizer, which calls it": (
        "optlib.rules", "d_adaptation_look_ahead",
    ),
    "what the two machines and the codes say to each other, thousands of times a second": (
        "Server.", "Worker.", "Shards.", "Cluster.", "Compressed.", "Downpour.", "LocalSGD.", "SyncSGD.", "EASGD.",
        "SyncEASGD.", "AdaptiveRevision.", "adaptive_revision", "Drawn.", "Largest.", "LowRank.", "Signs.",
        "StreamingDiLoCo.",
    ),
}  # fmt: skip
NET_THETA = NET.init(seed=0)
INSTANCES = {
    "Optimizer": MOMENTUM, "Surface": BOWL, "MLP": NET, "Plateau": schedules.Plateau(1.0), "LinearRegression": MODEL,
    "Transformer": TEXT,
    "noisy": oracles.noisy(BOWL.grad), "l2": oracles.l2(BOWL.grad, 0.1),
    "Figure": widget.Curves({"train": [3.0, 1.0]}), "Average": tricks.SWA(), "Criterion": tricks.Patience(2),
}  # fmt: skip
#: Whose walk is long: a landscape is drawn, or kernels are compiled.
LONG = {
    *(f"optlib.view.{name}" for name in ("surface", "contour", "curve", "contest", "loss_curves", "timeline")),
    *(f"optlib.parallel.{name}" for name in ("hogwild", "complete", "conflicts", "lost")),
    "optlib.view.Picture.save", "optlib.widget.Explorer.save", "optlib.compile.kernel",
}  # fmt: skip
#: What an argument's parts are called.
ALSO = {"pieces": "piece|length", "points": "points|theta", "unpack": "unpack|shapes",
        "paths": "path", "target": "target|source|plain function", "over": "over|curves"}  # fmt: skip


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
            if (p.default is p.empty or f"{owner}.{name}" in GOOD) and not owner.startswith("rules."):
                assert value is not p.empty, f"GOOD lacks {owner}.{name}"
                found[name] = value
    return found


def apart(name: str, room: str = "") -> bool:
    """Whether there is a reason not to walk it."""
    kind, dot, _ = name.partition(".")
    return any({name, room, kind + dot * bool(dot)} & {*names} for names in REASONS.values())


@cache
def callables() -> dict:
    """Everything to call: name -> (what, owner of its arguments in the table)."""
    found = {}
    for room in ROOMS:
        module = import_module(room)
        for part in (module, *api.submodules(module)):
            for name, value in api.public(part).items():
                if not (inspect.isfunction(value) or inspect.isclass(value)) or apart(name, room):
                    continue
                if inspect.isclass(value) and issubclass(value, (tuple, BaseException)):
                    continue
                if not (room == "optlib.matrices" and name in rules.TABLE):
                    found[f"{part.__name__}.{name}"] = (value, name)
    return found


def methods(kind) -> list[str]:
    called = {n: getattr(v, "__func__", v) for n, v in api.members(kind).items()}  # of a class, too
    return [n for n, v in called.items() if inspect.isfunction(v) and not apart(f"{kind.__name__}.{n}")]


def instance(kind, name):
    return INSTANCES.get(name) or kind(**arguments(name, kind.__init__))


def descent(rule):
    """Two steps of a rule, as a function of its hyper-parameters."""

    def call(**hyper):
        return descend(Optimizer(rule, **hyper), np.array, EYE, 2, loss=lambda theta: np.square(theta).sum(-1))

    hyper = [p for p in inspect.signature(rule).parameters.values() if p.kind is p.KEYWORD_ONLY]
    call.__signature__ = inspect.Signature(hyper)
    return call


def targets() -> list:
    found = [pytest.param(descent(rule), f"rules.{name}", id=f"rules.{name}") for name, rule in rules.TABLE.items()]
    slow = pytest.mark.slow
    for label, (value, name) in callables().items():
        found.append(pytest.param(value, name, id=label, marks=[slow] * (label in LONG)))
        if inspect.isclass(value):
            for method in methods(value):
                long = [slow] * (f"{label}.{method}" in LONG)
                found.append(pytest.param((value, method), f"{name}.{method}", id=f"{label}.{method}", marks=long))
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
            except (OSError, Reached):
                pass  # a file that is not there; a cluster that would be asked
            except Exception as error:
                word = ALSO.get(name, re.escape(name))
                if not re.search(rf"\b({word})\b", f"{error}"):
                    raw.append(f"{owner}({name}={kind}): {type(error).__name__}: {' '.join(str(error).split())[:110]}")
    return raw


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """What is saved under a name that is given for wrong stays out of the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "distributed", Client())  # a cluster that somebody would start or ask


@pytest.mark.parametrize(("call", "owner"), targets())
def test_an_error_carries_the_name_of_the_argument(call, owner):
    if isinstance(call, tuple):
        kind, method = call
        call = getattr(instance(kind, kind.__name__), method)
    given = arguments(owner, call)
    raw = without_name(owner, call, given)
    assert not raw, "\n".join(raw)


@pytest.mark.parametrize(("call", "owner"), targets())
def test_the_good_values_are_good(call, owner):
    if isinstance(call, tuple):
        kind, method = call
        call = getattr(instance(kind, kind.__name__), method)
    given = arguments(owner, call)
    if owner == "load":
        np.savez("run.npz", theta=THETA, **SGD.init(THETA))
    try:
        result = made(call, given)
    except Reached:
        return
    if inspect.isgenerator(result):
        next(result)


@pytest.mark.parametrize(("call", "owner"), targets())
def test_a_flag_is_true_or_false(call, owner):
    """Any thing is true or false: what is none would never be found out later."""
    if isinstance(call, tuple):
        call = getattr(instance(call[0], call[0].__name__), call[1])
    for name, parameter in inspect.signature(call).parameters.items():
        if parameter.annotation is bool:
            with pytest.raises(TypeError, match=rf"\b{name}='no'.*True or False"):
                made(call, {**arguments(owner, call), name: "no"})


def test_every_reason_is_one_for_something():
    listed = {name for room in ROOMS for name in api.public(import_module(room))} | {*ROOMS}
    assert (
        not {name.partition(".")[0] if name not in ROOMS else name for names in REASONS.values() for name in names}
        - listed
    )


def test_walks_are_checked_before_their_first_step():
    with pytest.raises(TypeError, match="oracle=3"):
        run(SGD, 3, THETA)
