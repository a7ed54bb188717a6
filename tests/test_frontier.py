"""What the rules after Adam do whatever their hyper-parameters: symmetries, limits, identities, and known numbers."""

import math
from functools import cache

import numpy as np
import pytest

from optlib import Optimizer, data, descend, iterates, matrices, models, oracles, rules, schedules, tricks
from optlib.parallel import LocalSGD, train
from optlib.surfaces import Quadratic

RNG = np.random.default_rng(0)
G = RNG.standard_normal((12, 8))


def turn(n: int, seed: int = 1) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def values(W: np.ndarray) -> np.ndarray:
    return np.linalg.svd(W, compute_uv=False)


def polar(W: np.ndarray) -> np.ndarray:
    U, _, V = np.linalg.svd(W, full_matrices=False)
    return U @ V


# --- Newton-Schulz ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "low", "least", "most"),
    [("jordan", 0.01, 0.68183, 1.13436), ("jordan", 0.001, 0.4705, 1.2024), ("dion", 0.01, 0.9778, 1.0318),
     ("quintic", 0.01, 0.2285, 1.0), ("cubic", 0.01, 0.0758, 1.0)],
)  # fmt: skip
def test_where_newton_schulz_brings_singular_values(name, low, least, most):
    """Measured on matrices with one value each: a diagonal of x and what makes the norm 1."""
    x = np.linspace(low, 1.0, 20_001)
    G = np.eye(2) * np.stack([x, np.sqrt(1 - x**2)], axis=-1)[:, None, :]
    found = np.abs(matrices.newton_schulz(G, coefficients=name, eps=0.0)[:, 0, 0])
    assert found.min() == pytest.approx(least, abs=1e-4)
    assert found.max() == pytest.approx(most, abs=1e-4)


def test_newton_schulz_never_settles_and_the_classical_one_does():
    x = np.linspace(0.01, 1.0, 2001)
    D = np.eye(2) * np.stack([x, np.sqrt(1 - x**2)], axis=-1)[:, None, :]
    for steps in (10, 20, 50):
        found = np.abs(matrices.newton_schulz(D, steps=steps, eps=0.0)[:, 0, 0])
        assert (found.min(), found.max()) == pytest.approx((0.68183, 1.13436), abs=2e-4)
    np.testing.assert_allclose(matrices.newton_schulz(G, steps=40, coefficients="cubic"), polar(G), atol=1e-12)
    a, b, c = matrices.COEFFICIENTS["jordan"][0]
    assert a**5 == pytest.approx(484.876, abs=1e-3)
    assert a + b + c == pytest.approx(0.701)


def test_newton_schulz_keeps_the_singular_vectors_and_the_rank():
    U, _, V = np.linalg.svd(G, full_matrices=False)
    inside = U.T @ matrices.newton_schulz(G) @ V.T
    np.testing.assert_allclose(inside, np.diag(np.diag(inside)), atol=1e-14)
    one = values(matrices.newton_schulz(np.outer(G[:, 0], G[0])))
    assert one[0] == pytest.approx(0.696, abs=0.01)
    assert one[1] < 1e-12


def test_what_is_no_matrix_is_named():
    for given in ({"G": np.ones(3)}, {"G": G, "coefficients": "best"}):
        with pytest.raises(ValueError, match=r"G has shape .*, coefficients=.*: it takes matrices .*'jordan', 'dion'"):
            matrices.newton_schulz(**given)
    for name in ("muon", "shampoo", "soap", "adafactor"):
        with pytest.raises(ValueError, match=rf"{name} sees whole matrices: .* not \(3,\); optlib.layered hands it"):
            descend(Optimizer(rules.TABLE[name]), lambda x: x, np.ones(3), 1)


def test_the_nuclear_norm_is_dual_and_a_factor_makes_steps_like_adam_s():
    assert np.vdot(G, polar(G)) == pytest.approx(values(G).sum(), rel=1e-14)
    for shape in ((64, 64), (256, 64), (64, 256)):
        W = polar(RNG.standard_normal(shape))
        assert np.sqrt((W**2).mean()) == pytest.approx(1 / math.sqrt(max(shape)), rel=1e-12)
        assert matrices.SCALINGS["match_rms_adamw"](*shape) * np.sqrt((W**2).mean()) == pytest.approx(0.2, rel=1e-12)
        unclamped = matrices.SCALINGS["spectral_unclamped"](*shape)
        assert unclamped == pytest.approx(math.sqrt(shape[1] / shape[0]))  # of x W: from 64 to 256 is wider
        assert matrices.SCALINGS["original"](*shape) == max(1.0, unclamped)


# --- symmetries of the rules that see matrices ------------------------------------------------------------


def walked(name: str, change=lambda g: g, start=None, **hyper) -> np.ndarray:
    """The last point of a walk along recorded gradients, changed on their way."""
    stream = np.random.default_rng(3).standard_normal((8, 6, 6))
    theta = np.zeros((6, 6)) if start is None else start
    optimizer = Optimizer(rules.TABLE[name], **hyper)
    return descend(optimizer, lambda W, t: change(stream[t]), theta, 8)[-1]


#: How far the walk is from the turned, transposed or scaled walk: at most this, where a number stands.
SYMMETRIES = {
    "sgd": (1e-12, 1e-12, None), "adam": (None, 1e-12, 1e-12), "sign_descent": (None, 1e-12, 1e-12),
    "muon": (1e-12, 1e-12, 1e-12), "shampoo": (1e-9, 1e-9, 1e-9), "soap": (1e-9, 1e-9, 1e-9),
    "adafactor": (None, 1e-12, 1e-12),
}  # fmt: skip


@pytest.mark.parametrize("name", SYMMETRIES)
def test_what_a_rule_does_not_see(name):
    """Turned rows and columns, the transpose (of a square matrix), and a thousand times the gradient."""
    small = {"eps": 0.0} if "eps" in rules.TABLE[name].__kwdefaults__ else {}
    hyper = {"lr": 0.1} | ({"eps": 1e-60, "least": 1.0} if name == "adafactor" else small)
    Q, P = turn(6, 4), turn(6, 5)
    plain = walked(name, **hyper)
    for other, most in zip(
        (Q.T @ walked(name, lambda g: Q @ g @ P, **hyper) @ P.T, walked(name, np.transpose, **hyper).T,
         walked(name, lambda g: 1000 * g, **hyper)), SYMMETRIES[name], strict=True,
    ):  # fmt: skip
        apart = np.abs(plain - other).max()
        assert apart > 1e-2 if most is None else apart < most


def test_the_first_step_of_shampoo_and_muon_is_the_polar_factor():
    shampoo = Optimizer(rules.shampoo, lr=1.0, eps=1e-300)
    muon = Optimizer(rules.muon, lr=1.0, steps=40, coefficients="cubic", scaling="none")
    for optimizer in (shampoo, muon):
        W, _ = optimizer.tell(np.zeros((6, 6)), G[:6, :6], optimizer.init(np.zeros((6, 6))))
        np.testing.assert_allclose(-W, polar(G[:6, :6]), atol=1e-7)


def test_soap_in_a_basis_that_stays_is_adam():
    """With Q = I for ever it is Adam, one gradient later."""
    stream, W = np.random.default_rng(6).standard_normal((6, 4, 3)), np.zeros((4, 3))
    soap, adam = Optimizer(rules.soap, every=1e6, weight_decay=0.0), Optimizer(rules.adam_eps_hat, eps=1e-8)
    theta, state = soap.tell(W, stream[0], soap.init(W))
    assert np.array_equal(theta, W), "the first gradient makes the bases"
    state |= {"Q_L": np.eye(4), "Q_R": np.eye(3)}
    hyper = {"lr": 0.003, "beta1": 0.95, "beta2": 0.95, "eps": 1e-8}
    adam = Optimizer(rules.adam_eps_hat, **hyper)
    point, memory = W, adam.init(W)
    for g in stream[1:]:
        theta, state = soap.tell(theta, g, state)
        point, memory = adam.tell(point, g, memory)
    np.testing.assert_allclose(theta, point, rtol=1e-12)


#: Where the authors' code (nikhilvyas/SOAP at a1e5535, its casts to float32 made to float64) comes to in 40 steps.
SOAP_END = [
    -0.055026881017238446, -0.05924339563958956, 0.11219411477688887, -0.21835578608707834, -0.01682393315052164,
    -0.7648031628327824, 0.3064704369584266, -0.45623430452435526, -0.3799808667674596, -0.1105665150214569,
    0.1303958774553366, -0.31556867702785485, 0.27487912077987947, 0.7574368079769735, 0.3564904082760945,
    -0.06947471796469733,
]  # fmt: skip


def test_soap_is_its_authors_code():
    """With decay and four refreshed bases; square matrices, since of others the null space is anybody's."""
    rng = np.random.default_rng(0)
    stream, start = rng.standard_normal((40, 4, 4)), rng.standard_normal((4, 4))
    end = descend(Optimizer(rules.soap, lr=0.1, weight_decay=0.5), lambda W, t: stream[t], start, 40, keep="last")
    np.testing.assert_allclose(end.ravel(), SOAP_END, atol=1e-12)


def test_adafactor_knows_second_moments_of_rank_one():
    """Its first step on a gradient whose square has rank one is the sign of it."""
    g = np.outer([1.0, -2.0, 3.0], [0.5, 4.0])
    optimizer = Optimizer(rules.adafactor, lr=0.1)
    W, _ = optimizer.tell(np.ones((3, 2)), g, optimizer.init(np.ones((3, 2))))
    np.testing.assert_allclose(1 - W, 0.1 * np.sign(g), rtol=1e-12)


# --- the figure of chapter 11: curvature along the axes, and turned ------------------------------------------


@cache
def regression(turned: bool):
    """Loss and gradient of a regression onto ten outputs, inputs scaled from 1 to 0.01, as they are or rotated."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 20)) * np.logspace(0, -2, 20)
    Q, W = np.linalg.qr(rng.standard_normal((20, 20)))[0], rng.standard_normal((20, 10))
    if turned:
        X, W = X @ Q, Q.T @ W
    Y = X @ W
    return lambda W: 0.5 * ((X @ W - Y) ** 2).sum(axis=1).mean(), lambda W: X.T @ (X @ W - Y) / 200


L = 0.9671481  # its largest curvature
TABLE = [
    ("sgd", {}, [1 / L, 1.9 / L], 1.65e-2, 1.65e-2), ("momentum_torch", {}, [1 / L, 2 / L], 9.04e-4, 9.04e-4),
    ("adam", {}, [0.03, 0.1, 0.3, 1.0], 4.4e-14, 2.66e-3), ("muon", {}, [0.1, 0.3, 1.0], 4.26e-6, 4.65e-6),
    ("shampoo", {"eps": 1e-8}, [10.0, 30.0], 5.53e-7, 5.53e-7),
    ("soap", {"every": 1.0, "weight_decay": 0.0}, [0.1, 0.3, 1.0], 2.2e-6, 2.1e-6),
]  # fmt: skip


@pytest.mark.parametrize(("name", "hyper", "rates", "straight", "turned"), TABLE, ids=[row[0] for row in TABLE])
def test_curvature_along_the_axes_and_turned(name, hyper, rates, straight, turned):
    """300 steps with a rate that falls linearly to 0: Adam loses eleven orders, methods of matrices nothing."""
    ends = []
    for rotated in (False, True):
        f, grad = regression(rotated)
        walks = (Optimizer(rules.TABLE[name], lr=schedules.polynomial(lr, 300), **hyper) for lr in rates)
        ends.append(min(f(descend(walk, grad, np.zeros((20, 10)), 300, keep="last")) for walk in walks))
    if name in ("sgd", "momentum_torch", "shampoo"):
        assert ends == pytest.approx([straight, turned], rel=0.01)
        assert ends[0] == pytest.approx(ends[1], rel=1e-6)
    elif name == "adam":
        assert ends[1] == pytest.approx(turned, rel=0.02)
        assert ends[1] > 1e6 * ends[0]
    else:  # their last digits are those of a decomposition
        assert ends == pytest.approx([straight, turned], rel=0.5)
        assert 1 / 3 < ends[1] / ends[0] < 3


# --- decay is a box: half its side is 1/λ, in the norm of the rule -----------------------------------------


@pytest.mark.parametrize("name", ["lion", "adamw"])
@pytest.mark.parametrize("decay", [0.5, 1.0, 2.0])
def test_decay_keeps_coordinates_in_a_box(name, decay):
    target, steps = np.array([3.0, 0.2, -2.0]), 4000
    f = Quadratic([1.0, 4.0, 9.0])
    optimizer = Optimizer(rules.TABLE[name], lr=schedules.polynomial(1e-2, steps), beta2=0.95, weight_decay=decay)
    end = descend(optimizer, lambda x: f.grad(x - target), np.zeros(3), steps, keep="last")
    np.testing.assert_allclose(end, np.clip(target, -1 / decay, 1 / decay), atol=0.015)


def test_decay_of_spectral_descent_bounds_singular_values():
    target = 2 * np.random.default_rng(7).standard_normal((4, 3))
    optimizer = Optimizer(
        rules.muon, lr=schedules.polynomial(0.02, 1000), beta=0.0, steps=30, coefficients="cubic", scaling="none",
        weight_decay=1.0,
    )  # fmt: skip
    end = descend(optimizer, lambda W: W - target, np.zeros((4, 3)), 1000, keep="last")
    U, s, V = np.linalg.svd(target, full_matrices=False)
    np.testing.assert_allclose(end, U * np.minimum(s, 1) @ V, atol=1e-3)


def test_the_sign_of_a_mini_batch_points_uphill():
    """Nine gradients of 1 and one of -10: the mean is -0.1, and sign descent walks the other way."""
    stream = np.tile([1.0] * 9 + [-10.0], 10)
    ends = [
        descend(Optimizer(rule, lr=0.01), lambda x, t: stream[t : t + 1], [0.0], 100)[-1, 0]
        for rule in (rules.sgd, rules.sign_descent)
    ]
    assert ends == pytest.approx([0.1, -0.8])


# --- averages, rates that choose themselves, two gradients ----------------------------------------------------


def test_schedule_free_is_the_mean_of_its_points_and_stable_to_its_own_limit():
    """x is the mean of all z; and on curvature L it converges below 2/((1-β)L), not above."""
    optimizer, x = Optimizer(rules.schedule_free, lr=0.1), np.array([1.0, -2.0])
    state, walk = optimizer.init(x), []
    for g in np.random.default_rng(8).standard_normal((50, 2)):
        x, state = optimizer.tell(x, g, state)
        walk.append(state["z"])
    np.testing.assert_allclose(x, np.mean(walk, axis=0), atol=1e-14)
    f = Quadratic([1.0, 10.0, 100.0])
    for lr, stable in ((0.15, True), (0.19, True), (0.21, False), (0.25, False)):
        end = descend(Optimizer(rules.schedule_free, lr=lr), f.grad, np.ones(3), 1500, keep="last")
        assert (np.abs(end).max() < 1e-2) == stable, lr


def test_a_warm_up_weighs_by_its_rates_and_keras_by_their_number():
    """0.065 apart on a noisy quadratic: what differs is the weight of the early points."""
    f, rng = Quadratic([1.0, 5.0, 20.0]), np.random.default_rng(0)
    noise, lr = 0.3 * rng.standard_normal((300, 3)), schedules.warm_up(0.02, 50)
    start, oracle = np.array([1.0, -2.0, 0.5]), lambda x, t: f.grad(x) + noise[t]
    mine = descend(Optimizer(rules.schedule_free, lr=lr), oracle, start, 300, keep="last")

    def in_keras(theta, g, z, t, *, lr, beta=0.9):
        z = z - lr * g
        return theta + (z - theta) / t, (z,)

    rate, x, z = lr, start, start
    for t in range(300):
        x, (z,) = in_keras(x, oracle(0.1 * z + 0.9 * x, t), z, t + 1, lr=rate(t))
    assert np.abs(mine - x).max() == pytest.approx(0.065, abs=0.003)


#: The distance that each rule ends with, over the true one: on a quadratic, on the sum of distances, with noise.
DISTANCES = [
    ("dog", "r", (1.0, 1.0175, 1.0107)), ("d_adaptation", "d", (0.5003, 0.6078, 0.5016)),
    ("prodigy", "d", (0.1731, 0.1137, 0.1609)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "memory", "shares"), DISTANCES, ids=[d[0] for d in DISTANCES])
def test_the_distance_that_is_found(name, memory, shares):
    """DoG comes to 100 to 102 % of it; D-Adaptation's is a lower bound; Prodigy's need be no distance at all."""
    rng, A = np.random.default_rng(0), np.logspace(0, 2, 10)
    target = rng.standard_normal(10)
    noise = rng.standard_normal((3000, 10))
    found = []
    for oracle in (
        lambda x, t: A * (x - target), lambda x, t: np.sign(x - target), lambda x, t: A * (x - target) + noise[t]
    ):  # fmt: skip
        end = descend(Optimizer(rules.TABLE[name]), oracle, np.zeros(10), 3000, keep="last", report=True)
        found.append(float(end.state[memory]) / np.linalg.norm(target))
    assert found == pytest.approx(shares, abs=0.01)


@pytest.mark.parametrize(("lr", "curvature", "rho"), [(0.1, 1.0, 0.05), (0.5, 2.0, 0.05), (0.1, 10.0, 0.1)])
def test_a_constant_rho_ends_in_a_cycle(lr, curvature, rho):
    oracle = oracles.sharp(Quadratic([curvature]).grad, rho)
    end = descend(Optimizer(rules.sgd, lr=lr), oracle, [1.0], 5000, keep="last")
    assert abs(end[0]) == pytest.approx(lr * curvature * rho / (2 - lr * curvature), rel=1e-12)


def test_both_gradients_of_a_step_see_one_batch():
    X, y = data.line(40, seed=0)
    inner = oracles.minibatch(models.LinearRegression(), X, y, 8, seed=1)
    oracle, theta = oracles.sharp(inner, 0.1), np.array([1.0, 0.5])
    g = inner(theta, t=3)
    np.testing.assert_array_equal(oracle(theta, t=3), inner(theta + 0.1 * g / np.linalg.norm(g), t=3))
    assert (oracle.gradients, oracles.l2(oracle, 0.1).gradients, oracles.sharp(oracle).gradients) == (2, 2, 4)
    rows = oracles.sharp(Quadratic([1.0, 2.0]).grad, 0.1, rows=True)
    both = rows(np.array([theta, 2 * theta]))
    np.testing.assert_array_equal(both[1], rows(2 * theta))
    np.testing.assert_array_equal(rows(np.zeros(2)), [0.0, 0.0])


# --- identities ---------------------------------------------------------------------------------------------


def test_lookahead_is_local_sgd_of_one_worker():
    """DiLoCo with one worker, outer rate α and no outer momentum: the same points after each round."""
    f, noise = Quadratic([1.0, 5.0, 20.0]), 0.3 * np.random.default_rng(0).standard_normal((300, 3))
    start = np.array([1.0, -2.0, 0.5])
    adam = {"lr": 0.05, "beta2": 0.99}
    walk = descend(Optimizer(rules.lookahead, **adam), lambda x, t: f.grad(x) + noise[t], start, 300)
    local = LocalSGD(Optimizer(rules.adam, **adam), period=5, outer=Optimizer(rules.sgd, lr=0.5))
    diloco = train(local, [lambda x, t: f.grad(x) + noise[t]], start, steps=300)
    np.testing.assert_allclose(walk[-1], diloco.theta, atol=1e-13)


def test_a_mask_of_m_times_m_masks_nothing():
    """The slip of the published code: caution that compares the momentum with itself is Adam."""
    f, start = Quadratic([1.0, 5.0, 20.0]), np.array([1.0, -2.0, 0.5])
    stream = 0.3 * np.random.default_rng(0).standard_normal((300, 3))

    def slipped(theta, g, m, v, t, *, lr=0.05):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        mask = (m * m > 0) / max(np.mean(m * m > 0), 1e-3)
        return theta - lr * mask * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), (m, v)

    ends = [
        descend(Optimizer(rule, lr=0.05), lambda x, t: f.grad(x) + stream[t], start, 300, keep="last")
        for rule in (rules.adam, slipped, rules.cautious_adamw)
    ]
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-13)
    assert np.abs(ends[2] - ends[0]).max() > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_a_cautious_step_never_climbs(seed):
    rng = np.random.default_rng(seed)
    optimizer, theta = Optimizer(rules.cautious_adamw, lr=0.1), rng.standard_normal(8)
    state = optimizer.init(theta)
    for g in rng.standard_normal((50, 8)):
        new, state = optimizer.tell(theta, g, state)
        assert (new - theta) @ g <= 0
        theta = new


def test_lamb_steps_are_as_long_as_their_rate_says():
    rng = np.random.default_rng(9)
    for theta in islice_of(iterates(Optimizer(rules.lamb, lr=0.05), lambda x: rng.standard_normal(5), np.ones(5)), 20):
        assert np.linalg.norm(theta[1] - theta[0]) == pytest.approx(0.05 * np.linalg.norm(theta[0]), rel=1e-12)


def islice_of(walk, n: int):
    """Pairs of neighbouring points."""
    last = next(walk)
    for _ in range(n):
        point = next(walk)
        yield last, point
        last = point


def test_where_belief_and_bounded_change_differ():
    """A constant gradient: AdaBelief's step grows, Adam's is 1. Small gradients after large: Yogi forgets slowly."""
    one = np.ones(1)
    steps = {}
    for name, hyper in (("adam", {}), ("adabelief", {"eps": 0.0})):
        path = descend(Optimizer(rules.TABLE[name], lr=1.0, **hyper), lambda x: one, [0.0], 500)[:, 0]
        steps[name] = path[-2] - path[-1]
    assert steps == pytest.approx({"adam": 1.0, "adabelief": 12.3}, abs=0.05)
    kept = {}
    for name in ("adam", "yogi"):
        optimizer = Optimizer(rules.TABLE[name])
        state = optimizer.init(one) | {"v": one}
        theta = one
        for _ in range(2000):
            theta, state = optimizer.tell(theta, 0.01 * one, state)
        kept[name] = float(state["v"][0])
    assert kept == pytest.approx({"adam": 0.1353, "yogi": 0.9998}, abs=1e-3)


@pytest.mark.parametrize("beta2", [0.9, 0.99, 0.999])
def test_radam_trusts_its_second_moment_from_the_sixth_step(beta2):
    """With threshold 5; with the paper's 4 from the fifth. Before, its step is as large as the gradient."""
    for threshold, first in ((4.0, 5), (5.0, 6)):
        optimizer = Optimizer(rules.radam, lr=1.0, beta2=beta2, threshold=threshold)
        path = descend(optimizer, lambda x: np.full(1, 100.0), [0.0], 8)[:, 0]
        moved = np.flatnonzero(path[:-1] - path[1:] < 50)
        assert moved[0] + 1 == first


# --- the edge of stability ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("edge", "steps"), [(8.0, 1600), (10.0, 2000), (12.0, 2400), (20.0, 4000)])
def test_sharpness_settles_at_two_over_the_rate(edge, steps):
    """Full-batch gradient descent on digits, three hidden layers: the curvature climbs to 2/η and stays there."""
    X, y = data.digits()
    X = (X[:200] - X[:200].mean()) / X[:200].std()
    model = models.MLP([64, 32, 32, 32, 10], "tanh", loss="squared")
    grad = oracles.full_batch(model, X, np.eye(10)[y[:200]])
    rng, theta = np.random.default_rng(0), np.empty(model.size)
    for layer in model.unpack(theta):
        for array in layer[:2]:
            array[...] = rng.uniform(-1, 1, array.shape) / math.sqrt(len(layer.W))
    v, found = rng.standard_normal(model.size), []
    for i, point in zip(range(steps + 1), iterates(Optimizer(rules.sgd, lr=2 / edge), grad, theta), strict=False):
        if i % (steps // 40) == 0:

            def product(v, point=point):
                e = 1e-4 / np.linalg.norm(v)
                return (grad(point + e * v) - grad(point - e * v)) / (2 * e)

            values, vectors = tricks.ritz(product, v, 25)
            v = vectors[:, -1]
            found.append(values.max())
    if edge < 20:
        assert 0.99 <= np.mean(found[20:]) / edge <= 1.02
    else:
        assert max(found) < 20
