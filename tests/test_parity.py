"""Our rules against PyTorch and optax: the same path to 1e-12, over 500 steps of four problems, in float64."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from peers import library
from table import BY_NAME, INSIDE, ROWS, Peer, Row

from optlib import Optimizer, descend, models, oracles, rules
from optlib.data import two_classes
from optlib.surfaces import Quadratic

pytestmark = pytest.mark.peers

STEPS, D = 500, 20


@pytest.fixture
def torch():
    module = library("torch")
    before = module.get_default_dtype()
    module.set_default_dtype(module.float64)  # NAdam keeps a scalar of the default type
    yield module
    module.set_default_dtype(before)


@pytest.fixture
def optax():
    library("jax").config.update("jax_enable_x64", True)
    return library("optax")


# --- the four problems ------------------------------------------------------------------------------


def rosenbrock_chain(x: np.ndarray) -> np.ndarray:
    """The gradient of the mean over ten coordinates of Rosenbrock's function, scaled to the others' rates."""
    g, v = np.zeros_like(x), x[1:] - x[:-1] ** 2
    g[:-1] += -400 * x[:-1] * v - 2 * (1 - x[:-1])
    g[1:] += 200 * v
    return g / 500


@cache
def problems() -> dict[str, tuple[np.ndarray, Callable]]:
    """Start and oracle of each problem in which a gradient belongs to a point."""
    rng = np.random.default_rng(7)
    X, y = two_classes(n=200, d=D - 1, seed=3)
    batches = oracles.minibatch(models.LogisticRegression(), X, y, size=16, seed=5)
    return {
        "quadratic": (rng.standard_normal(D), Quadratic(np.geomspace(0.01, 1.0, D)).grad),
        "mini-batches": (rng.standard_normal(D), batches),
        "rosenbrock": (rng.uniform(-1, 1, 10), rosenbrock_chain),
    }


@cache
def streams() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Start and recorded gradients of each problem, of shape (500, d)."""
    recorded, rng = {}, np.random.default_rng(11)
    for name, (start, oracle) in problems().items():
        path = descend(Optimizer(rules.adam, lr=0.02), oracle, start, STEPS - 1)
        g = np.array([at(oracle, theta, t) for t, theta in enumerate(path)])
        recorded[name] = start, g * rng.normal(1.0, 0.3, g.shape)  # or a variance of nearly equal gradients cancels out
    sparse = rng.standard_normal((STEPS, D)) * (rng.random((STEPS, D)) < 0.4)
    sparse[:3, 0] = 0.0
    return recorded | {"sparse": (rng.standard_normal(D), sparse)}


def at(oracle: Callable, theta: np.ndarray, t: int) -> np.ndarray:
    return oracle(theta, t=t) if isinstance(oracle, oracles.minibatch) else oracle(theta)


# --- a walk in each library: where a gradient is wanted -> the gradient -----------------------------------


def ours(row: Row, peer: Peer, start: np.ndarray, gradient: Callable) -> np.ndarray:
    optimizer = Optimizer(row.rule, **peer.ours)
    theta, state, path = start, optimizer.init(start), []
    state |= {name: np.full_like(start, value) for name, value in peer.start.items()}
    for t in range(STEPS):
        theta, state = optimizer.tell(theta, gradient(optimizer.ask(theta, state), t), state)
        path.append(optimizer.ask(theta, state) if peer.reads == "look-ahead" else theta)
    return np.array(path)


def in_torch(torch, peer: Peer, start: np.ndarray, gradient: Callable) -> np.ndarray:
    p = torch.tensor(start.copy(), requires_grad=True)
    optimizer, path = peer.make(torch.optim, [p]), []
    for t in range(STEPS):
        p.grad = torch.tensor(gradient(p.detach().numpy().copy(), t))
        optimizer.step()
        path.append((optimizer.state[p]["ax"] if peer.reads == "ax" else p.detach()).numpy().copy())
    return np.array(path)


def in_optax(optax, peer: Peer, start: np.ndarray, gradient: Callable) -> np.ndarray:
    jax = library("jax")
    optimizer, path = peer.make(optax), []
    params = jax.numpy.asarray(start)
    state = optimizer.init(params)

    @jax.jit
    def step(g, state, params):
        updates, state = optimizer.update(g, state, params)
        return params + updates, state

    for t in range(STEPS):
        params, state = step(gradient(np.asarray(params), t), state, params)
        path.append(np.asarray(params))
    return np.array(path)


def worst(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def cases(library: str) -> list:
    return [
        pytest.param(row, peer, id=f"{row.name}-{peer.label.replace(' ', '_')}")
        for row in ROWS
        for peer in getattr(row, library)
    ]


def compare(row: Row, peer: Peer, theirs: Callable) -> None:
    """Recorded gradients for all pairs, and closed loops, where each side asks at its own point."""
    for name, (start, recorded) in streams().items():
        if name == "sparse" and not peer.zeros:
            continue
        gradient = lambda point, t, recorded=recorded: recorded[t]  # noqa: E731
        assert worst(ours(row, peer, start, gradient), theirs(start, gradient)) < 1e-12, f"recorded gradients: {name}"
    if peer.closed:
        for name, (start, oracle) in problems().items():
            gradient = lambda point, t, oracle=oracle: at(oracle, point, t)  # noqa: E731
            assert worst(ours(row, peer, start, gradient), theirs(start, gradient)) < 1e-12, f"closed loop: {name}"


@pytest.mark.parametrize(("row", "peer"), cases("torch"))
def test_torch(torch, row, peer):
    compare(row, peer, lambda start, gradient: in_torch(torch, peer, start, gradient))


@pytest.mark.parametrize(("row", "peer"), cases("optax"))
def test_optax(optax, row, peer):
    compare(row, peer, lambda start, gradient: in_optax(optax, peer, start, gradient))


def test_torch_l2_is_adam_on_the_penalised_gradient(torch):
    peer = Peer("Adam", lambda o, p: o.Adam(p, weight_decay=0.1), {})
    for start, oracle in problems().values():
        theirs = in_torch(torch, peer, start, lambda point, t, oracle=oracle: at(oracle, point, t))
        penalised = ours(BY_NAME["adam"], peer, start, lambda p, t, oracle=oracle: at(oracle, p, t) + 0.1 * p)
        assert worst(theirs, penalised) < 1e-12


def test_torch_dampening_from_a_zero_buffer_is_the_moving_average(torch):
    def make(o, p):
        optimizer = o.SGD(p, lr=0.1, momentum=0.9, dampening=0.9)
        optimizer.state[p[0]]["momentum_buffer"] = torch.zeros_like(p[0])
        return optimizer

    compare(BY_NAME["momentum_ema"], Peer("SGD", make, {"lr": 0.1, "beta": 0.9}),
            lambda start, gradient: in_torch(torch, Peer("SGD", make, {}), start, gradient))  # fmt: skip


# --- what a library of that name does not do: the size of the difference over 500 recorded gradients --------


def apart(a: Optimizer, b: Optimizer, **start: float) -> float:
    """The largest distance of two rules on the mini-batches' gradients; `start`: the first one's memory."""
    theta, recorded = streams()["mini-batches"]
    paths = []
    for optimizer, begin in ((a, start), (b, {})):
        state = optimizer.init(theta) | {k: np.full_like(theta, v) for k, v in begin.items()}
        point, path = theta, []
        for g in recorded:
            point, state = optimizer.tell(point, g, state)
            path.append(point)
        paths.append(np.array(path))
    return worst(*paths)


DIFFERENCES = [
    (
        "torch's dampening starts undamped",
        ("momentum_torch", {"lr": 0.1, "dampening": 0.9}, {}),
        ("momentum_ema", {}),
        0.5,
    ),
    ("adagrad, epsilon in or out", ("adagrad", INSIDE, {}), ("adagrad", {"eps": 1e-10}), 8e-8),
    (
        "adagrad of optax and keras starts at 0.1",
        ("adagrad", {"eps": 0.0, "eps_root": 1e-7}, {"G": 0.1}),
        ("adagrad", {}),
        2e-2,
    ),
    ("rmsprop, epsilon in or out", ("rmsprop", INSIDE, {}), ("rmsprop", {}), 2.5e-7),
    ("adam, epsilon in or out", ("adam", INSIDE, {}), ("adam", {}), 1.1e-8),
    ("keras's Adam has epsilon hat", ("adam_eps_hat", {"eps": 1e-8}, {}), ("adam", {}), 2.3e-8),
    ("adamax with an epsilon", ("adamax", {"eps": 1e-8}, {}), ("adamax", {}), 2.1e-9),
    ("torch's NAdam is not Dozat's", ("nadam_torch", {"beta1": 0.975}, {}), ("nadam", {}), 2.3e-2),
    ("optax's nadam has no schedule", ("nadam_constant", {"beta1": 0.975}, {}), ("nadam", {}), 9e-2),
    ("torch's amsgrad corrects the bias", ("amsgrad_torch", {}, {}), ("amsgrad", {}), 0.41),
    ("torch and optax differ in amsgrad", ("amsgrad_torch", {}, {}), ("amsgrad_optax", {}), 6.6e-2),
    ("torch's Rprop is not Rprop+", ("irprop_minus", {}, {}), ("rprop_plus", {}), 590),
    ("torch's Rprop is not Rprop-", ("irprop_minus", {}, {}), ("rprop_minus", {}), 2600),
]


@pytest.mark.parametrize(
    ("one", "other", "size"), [d[1:] for d in DIFFERENCES], ids=[d[0].replace(" ", "_") for d in DIFFERENCES]
)
def test_difference(one, other, size):
    (name_a, hyper_a, start), (name_b, hyper_b) = one, other
    found = apart(Optimizer(rules.TABLE[name_a], **hyper_a), Optimizer(rules.TABLE[name_b], **hyper_b), **start)
    assert size / 2 < found < 2 * size


def test_torch_defaults_differ_from_the_lecture(torch):
    """RMSprop: rate 0.01 and decay 0.99, so the first step is ten times the rate, and a hundred times that of 0.001."""
    p = torch.tensor([1.0], requires_grad=True)
    p.grad = torch.tensor([2.0])
    torch.optim.RMSprop([p]).step()
    assert 1 - p.item() == pytest.approx(0.1, rel=1e-6)
    optimizer, start = Optimizer(rules.rmsprop), np.array([1.0])
    theta, _ = optimizer.tell(start, [2.0], optimizer.init(start))
    assert 1 - theta[0] == pytest.approx(0.001 / 0.1**0.5, rel=1e-6)
