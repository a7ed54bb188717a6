"""Our rules against PyTorch and optax: the same path to 1e-12, over 500 steps of four problems, in float64."""

import inspect
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from peers import library
from table import BY_NAME, DECAY, INSIDE, ROWS, Peer, Row, corrected

from optlib import Optimizer, descend, matrices, models, oracles, rules
from optlib.data import two_classes
from optlib.surfaces import Quadratic

pytestmark = pytest.mark.peers

STEPS, D = 500, 20


@pytest.fixture
def torch():
    module = library("torch")
    before = module.get_default_dtype()
    module.set_default_dtype(module.float64)  # NAdam keeps a scalar of the default type
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.Tensor, "bfloat16", lambda tensor: tensor.clone())  # in which Muon would compute
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
    batches = oracles.minibatch(models.LogisticRegression(), X, y, batch_size=16, seed=5)
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
    """Recorded gradients for all pairs, and closed loops, each side at its own point, or both at ours."""
    for name, (start, recorded) in streams().items():
        if not peer.recorded or (name == "sparse" and not peer.zeros):
            continue
        if row.matrix:  # of two sides that differ
            start, recorded = start.reshape(peer.shape), recorded.reshape(STEPS, *peer.shape)
        gradient = lambda point, t, recorded=recorded: recorded[t]  # noqa: E731
        turned = lambda point, t, recorded=recorded: recorded[t].T  # noqa: E731
        other = theirs(start.T, turned).swapaxes(1, 2) if peer.turned else theirs(start, gradient)
        assert worst(ours(row, peer, start, gradient), other) < 1e-12, f"recorded gradients: {name}"
    if peer.closed or not peer.recorded:
        for name, (start, oracle) in problems().items():
            seen: list[np.ndarray] = []

            def gradient(point, t, oracle=oracle, seen=seen):
                seen.append(at(oracle, point, t))
                return seen[-1]

            mine = ours(row, peer, start, gradient)
            other = gradient if peer.closed else lambda point, t, told=tuple(seen): told[t]
            assert worst(mine, theirs(start, other)) < 1e-12, f"closed loop: {name}"


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
    ("torch's RAdam has epsilon hat", ("radam", {"eps": corrected}, {}), ("radam", {}), 2.3e-9),
    ("RAdam, the paper's threshold", ("radam", {"threshold": 4.0}, {}), ("radam", {}), 4.5e-4),
    ("optax's yogi starts its mean", ("yogi", {}, {"m": 1e-6}), ("yogi", {}), 3e-6),
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


# --- what libraries of 2026 do differently: the list of the conventions' appendix --------------------------------


def test_optax_lars_divides_by_the_length_of_the_sum(optax):
    """With decay its ratio has |g + λθ| below, the paper's |g| + λ|θ|; without decay they are one (the table)."""
    start, recorded = streams()["mini-batches"]
    peer = Peer("lars", lambda o: o.lars(1.0, weight_decay=0.5), {"weight_decay": 0.5})
    gradient = lambda point, t: recorded[t]  # noqa: E731
    theirs = in_optax(optax, peer, start, gradient)
    assert worst(ours(BY_NAME["lars"], peer, start, gradient), theirs) > 1e-3

    def summed(theta, g, u, *, lr=1.0, gamma=0.9, weight_decay=0.5):
        g = g + weight_decay * theta
        u = gamma * u + lr * 0.001 * np.linalg.norm(theta) / np.linalg.norm(g) * g
        return theta - u, (u,)

    assert worst(descend(Optimizer(summed), lambda _, t: recorded[t], start, STEPS)[1:], theirs) < 1e-12


def test_optax_muon_corrects_its_momentum_before_it_mixes(optax):
    """Without the look-ahead the correction is a factor, which Newton-Schulz does not see; with it, it is not."""
    start, recorded = streams()["mini-batches"]
    start, recorded = start.reshape(-1, 2), recorded.reshape(STEPS, -1, 2)
    make = lambda o: o.contrib.muon(0.1, weight_decay=10.0, eps=0.0)  # noqa: E731
    peer = Peer("muon", make, DECAY | {"eps": 0.0})
    theirs = in_optax(optax, peer, start, lambda point, t: recorded[t])
    mine = ours(BY_NAME["muon"], peer, start, lambda point, t: recorded[t])
    assert worst(mine, theirs) > 1e-3

    def mixed(theta, g, m, t, *, lr=0.1, beta=0.95, weight_decay=10.0):
        m = beta * m + (1 - beta) * g
        u = beta * m / (1 - beta ** (t + 1)) + (1 - beta) * g / (1 - beta**t)
        return theta - lr * (matrices.newton_schulz(u, eps=0.0) + weight_decay * theta), (m,)

    walk = descend(Optimizer(mixed), lambda _, t: recorded[t], start, STEPS)[1:]
    assert worst(walk, theirs) < 1e-9  # a small singular value is multiplied by 485 five times over


def test_a_heavy_ball_buffer_gives_muon_the_same_direction():
    """keras keeps m = 0.95 m + g, torch and the author a moving average: a factor 20, which the norm takes out."""
    start, recorded = streams()["mini-batches"]
    start, recorded = start.reshape(-1, 2), recorded.reshape(STEPS, -1, 2)

    def in_keras(theta, g, m, *, lr=0.01, beta=0.95):
        m = beta * m + g
        return theta - lr * 0.2 * max(theta.shape) ** 0.5 * matrices.newton_schulz(g + beta * m, eps=0.0), (m,)

    walk = descend(Optimizer(in_keras), lambda _, t: recorded[t], start, STEPS)
    muon = Optimizer(rules.muon, lr=0.01, scaling="match_rms_adamw", eps=0.0)
    assert worst(walk, descend(muon, lambda _, t: recorded[t], start, STEPS)) < 1e-11


def test_what_the_libraries_name_and_start_with(torch, optax):
    """One of two defaults of AdEMAMix, and what torch.optim does not have."""
    default = lambda f, name: inspect.signature(f).parameters[name].default  # noqa: E731
    assert default(optax.contrib.ademamix, "alpha") == 5
    assert default(optax.contrib.scale_by_ademamix, "alpha") == 6
    assert (default(optax.adan, "eps_root"), default(optax.adan, "eps")) == (1e-8, 1e-8)
    assert (default(torch.optim.Muon, "lr"), default(torch.optim.Muon, "weight_decay")) == (1e-3, 0.1)
    absent = {"Lion", "Lookahead", "SAM", "ScheduleFree", "Prodigy", "Shampoo", "SOAP", "LAMB", "Yogi", "AdaBelief"}
    assert not absent & set(dir(torch.optim))
