"""Facts about the algorithms that papers claim and derivations predict, where the tests of a room do not hold them yet.

Each test is named by what it claims; the letter and number is the fact's in the reference that the course was written
from. Those of a minute or more are marked slow: ``make test-all`` runs them.
"""

import math
from collections import deque
from itertools import islice, product

import numpy as np
import pytest

from optlib import Optimizer, data, descend, iterates, models, oracles, rules, schedules, surfaces
from optlib.surfaces import Quadratic

# --- rates and stability --------------------------------------------------------------------------


def test_steps_for_a_factor_of_ten_at_condition_one_hundred():
    """A2: 115.1 with gradient descent, 11.5 with heavy ball, 21.9 with Nesterov's standard momentum."""
    kappa, root = 100.0, 10.0
    entries = {
        115.1: Optimizer(rules.sgd, lr=2 / (kappa + 1)),
        11.5: Optimizer(rules.momentum, lr=4 / (root + 1) ** 2, gamma=((root - 1) / (root + 1)) ** 2),
        21.9: Optimizer(rules.nag, lr=1 / kappa, gamma=(root - 1) / (root + 1)),
    }
    f = Quadratic(np.geomspace(1.0, kappa, 41))
    for steps, optimizer in entries.items():
        path = np.linalg.norm(descend(optimizer, f.grad, np.ones(41), 2000), axis=1)
        last = int(np.flatnonzero(path > 1e-120)[-1])  # the late rate: the factor before it is polynomial
        late, early = path[last], path[last // 2]
        assert (last - last // 2) / math.log10(early / late) == pytest.approx(steps, rel=0.04)


def test_momentum_arrives_where_gradient_descent_has_hardly_left():
    """A3: at condition 100 after 250 steps; heavy ball is a little slower than its asymptotic rate, never faster."""
    f, start, steps = Quadratic(np.geomspace(1.0, 100.0, 50)), np.ones(50) / math.sqrt(50), 250
    ends = {
        "sgd": descend(Optimizer(rules.sgd, lr=2 / 101), f.grad, start, steps)[-1],
        "ball": descend(Optimizer(rules.momentum, lr=4 / 121, gamma=(9 / 11) ** 2), f.grad, start, steps)[-1],
        "nag": descend(Optimizer(rules.nag, lr=0.01, gamma=9 / 11), f.grad, start, steps)[-1],
    }
    size = {name: float(np.linalg.norm(end)) for name, end in ends.items()}
    assert size["sgd"] > 1e-3
    assert size["nag"] < 1e-9
    assert size["ball"] < 1e-18
    assert 9 / 11 < size["ball"] ** (1 / steps) < 0.84


def test_at_the_best_pair_a_double_root_delays_both_ends():
    """The flattest and the steepest weight walk (1 + a t) r^t: they need 46 and 58 steps instead of 35."""
    curvature, r, t = np.array([1.0, 100.0]), 9 / 11, np.arange(101)[:, None]
    optimizer = Optimizer(rules.momentum, lr=4 / 121, gamma=r**2)
    path = descend(optimizer, Quadratic(curvature).grad, [10.0, 10.0], 100)
    np.testing.assert_allclose(path, 10 * (1 + np.array([2, 20]) / 11 * t) * (r * np.array([1, -1])) ** t, atol=1e-12)
    assert list((np.abs(path) > 0.01).sum(axis=0)) == [46, 58]
    assert math.ceil(math.log(1000) / math.log(1 / r)) == 35


def test_the_tuned_ball_walks_on_the_lower_bound():
    """On Nesterov's strongly convex chain k gradients know k coordinates; the heavy ball gets each of them exactly."""
    low, q, n = 0.01, 9 / 11, 300

    def pull(x):
        padded = np.concatenate([[1.0], x, [0.0]])
        return (1 - low) * (2 * x - padded[:-2] - padded[2:]) / 4 + low * x

    goal = q ** np.arange(1, n + 1)
    path = descend(Optimizer(rules.momentum, lr=4 / 1.1**2, gamma=q**2), pull, np.zeros(n), 40)
    for k in (1, 10, 40):
        np.testing.assert_allclose(path[k], np.where(np.arange(n) < k, goal, 0), atol=1e-13)


def test_where_heavy_ball_cycles():
    """A5: of the starts in [-5, 5] those in six intervals, one of which is that of Lessard, Recht & Packard (2016)."""

    def grad(x):
        return np.where(x < 1, 25 * x, np.where(x < 2, x + 24, 25 * x - 24))

    starts = np.arange(-500, 501) / 100
    end = descend(Optimizer(rules.heavy_ball, lr=1 / 9, beta=4 / 9), grad, starts[:, None], 1500)[-1, :, 0]
    cycling = np.abs(end) > 0.1
    expected = np.zeros(len(starts), dtype=bool)
    for low, high in ((3.07, 3.46), (-4.37, -4.10), (-3.37, -3.22), (-3.05, -2.89), (0.98, 1.03), (2.76, 2.92)):
        expected |= (starts > low - 1e-9) & (starts < high + 1e-9)
    np.testing.assert_array_equal(starts[cycling], starts[expected])


def worst_function(n: int):
    """Nesterov's: its gradient's first k values know the first k coordinates only. Value, gradient, minimum; L = 4."""
    A = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    b = np.eye(n)[0]
    best = np.linalg.solve(A, b)
    return (lambda x: 0.5 * x @ A @ x - b @ x), (lambda x: A @ x - b), best


@pytest.mark.parametrize(("k", "ratio"), [(5, 0.2652), (80, 0.3003)])
def test_no_method_of_gradients_beats_the_lower_bound(k, ratio):
    """A6: in 2k + 1 dimensions the gap after k steps is at least 3 L D / (32 (k + 1)²); Nesterov is near it."""
    f, grad, best = worst_function(2 * k + 1)
    scale = 4 * best @ best / (k + 1) ** 2

    def gap(rule, **hyper):
        return (f(descend(Optimizer(rule, lr=0.25, **hyper), grad, np.zeros_like(best), k)[-1]) - f(best)) / scale

    assert gap(rules.nesterov_1983) == pytest.approx(ratio, abs=2e-4)
    for rule, hyper in ((rules.nesterov_1983, {}), (rules.sgd, {}), (rules.momentum, {"gamma": 0.9}), (rules.nag, {})):
        assert gap(rule, **hyper) >= 3 / 32


def test_the_tight_bound_of_gradient_descent():
    """A6: with 1/L the gap is at most L D/(4k + 2), on the worst function too."""
    f, grad, best = worst_function(201)
    path = descend(Optimizer(rules.sgd, lr=0.25), grad, np.zeros(201), 200)
    ratios = [(f(path[k]) - f(best)) * (4 * k + 2) / (4 * best @ best) for k in range(1, 201)]
    assert max(ratios) <= 1
    assert max(ratios) > 0.05


@pytest.mark.parametrize(("beta", "mass"), [(0.9, 0.6513), (0.98, 0.6358), (0.99, 0.6340), (0.999, 0.6323)])
def test_what_a_moving_average_remembers(beta, mass):
    """A8: 1 - 1/e of its weight is on the last N = 1/(1 - β) gradients, their mean age β/(1 - β); as noisy as a mean
    of (1 + β)/(1 - β)."""
    impulse = iter([1.0])
    path = descend(Optimizer(rules.momentum_ema, lr=1.0, beta=beta), lambda x: [next(impulse, 0.0)], [0.0], 30_000)
    weights = -np.diff(path[:, 0])
    N = round(1 / (1 - beta))
    assert weights[:N].sum() == pytest.approx(mass, abs=1e-4)
    assert weights @ np.arange(len(weights)) == pytest.approx(beta / (1 - beta), rel=1e-8)
    assert 1 / (weights @ weights) == pytest.approx((1 + beta) / (1 - beta), rel=1e-8)


@pytest.mark.parametrize(
    ("delay", "limit"), [(0, 2), (1, 1), (2, 0.618034), (5, 0.284630), (10, 0.149460), (50, 0.031104)]
)
def test_old_gradients_ask_for_small_rates(delay, limit):
    """A9: with gradients of `delay` steps ago descent on x²/2 is stable below 2 sin(π/(2(2 delay + 1))), not above."""
    assert 2 * math.sin(math.pi / (2 * (2 * delay + 1))) == pytest.approx(limit, abs=1e-6)
    lr = np.array([0.98, 1.02]) * limit
    kept = deque([np.zeros(2)] * delay, maxlen=delay + 1)

    def late(x):
        kept.append(x.copy())
        return kept[0]

    path = np.abs(descend(Optimizer(rules.sgd, lr=lr), late, [1.0, 1.0], 400 * (delay + 1)))
    period = 8 * (delay + 1)
    before, after = path[len(path) // 2 :][:period].max(axis=0), path[-period:].max(axis=0)
    assert after[0] < 0.9 * before[0]
    assert after[1] > 1.1 * before[1]


@pytest.mark.parametrize(("lr", "loss"), [(0.02, 0.149), (0.8, 0.0), (1.95, 0.023), (2.2, 2.8e4)])
def test_four_rates(lr, loss):
    """F1: too small, good, nearly too large, too large on x²/2."""
    end = descend(Optimizer(rules.sgd, lr=lr), Quadratic([1.0]).grad, [1.0], 30)[-1]
    assert Quadratic([1.0])(end) == pytest.approx(loss, rel=0.02, abs=5e-4)


def test_nesterov_is_heavy_ball_with_damping_by_curvature():
    """F17: on a quadratic one step of NAG is one of momentum and + γ lr H u besides."""
    H, rng = np.array([1.0, 30.0]), np.random.default_rng(0)
    theta, u = rng.standard_normal((2, 2))
    one, other = (Optimizer(rule, lr=0.01, gamma=0.9) for rule in (rules.momentum, rules.nag))
    state = {"u": u, "t": np.asarray(3)}
    ball, _ = one.tell(theta, H * theta, state)
    nag, _ = other.tell(theta, H * other.ask(theta, state), state)
    np.testing.assert_allclose(nag - ball, 0.9 * 0.01 * H * u, atol=1e-14)


# --- adaptive rules -------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "tolerance"), [(1000, 3e-3), (10_000, 3e-4)])
def test_adamax_is_the_limit_of_higher_moments(p, tolerance):
    """B6: the p-th root of the moving average of |g|^p tends to AdaMax's u."""
    beta2, stream = 0.999, np.random.default_rng(3).standard_normal(200)
    optimizer, theta = Optimizer(rules.adamax, beta2=beta2), np.zeros(1)
    state = optimizer.init(theta)
    for g in stream:
        theta, state = optimizer.tell(theta, [g], state)
    ages = np.arange(len(stream))[::-1]
    logs = p * (ages * math.log(beta2) + np.log(np.abs(stream)))  # β2^p is the decay, so that the limit exists
    top = logs.max()
    root = math.exp((top + math.log(np.exp(logs - top).sum()) + math.log1p(-(beta2**p))) / p)
    (memory,) = (name for name in optimizer.memory if name != "m")
    assert root == pytest.approx(float(state[memory][0]), rel=tolerance)


def test_without_its_root_adagrad_stands_still():
    """B7: under a constant gradient of 1, T steps travel ln T + 0.577 rates."""

    def adagrad_without_root(theta, g, G, *, lr=1.0):
        G = G + g**2
        return theta - lr * g / G, (G,)

    T = 20_000
    end = descend(Optimizer(adagrad_without_root), lambda x: np.ones(1), [0.0], T)[-1, 0]
    assert -end == pytest.approx(math.log(T) + 0.5772157, abs=1e-4)


@pytest.mark.parametrize("game", ["adversary", "random", "half of the coordinates rare"])
def test_adagrads_regret(game):
    """B8: on [-1, 1]^d at most √2 D Σ_i |g_{1:T,i}|, D = 2 the width of the box, with the rate D/√2."""
    d, T, rng = 20, 2000, np.random.default_rng(4)
    optimizer, theta = Optimizer(rules.adagrad, lr=math.sqrt(2)), np.zeros(d)
    state, paid, total, squares = optimizer.init(theta), 0.0, np.zeros(d), np.zeros(d)
    for _ in range(T):
        g = rng.standard_normal(d)
        if game == "adversary":
            g = np.where(theta == 0, 1.0, np.sign(theta))
        elif game != "random":
            g[: d // 2] *= rng.random(d // 2) < 0.02
        paid, total, squares = paid + g @ theta, total + g, squares + g**2
        theta, state = optimizer.tell(theta, g, state)
        theta = np.clip(theta, -1.0, 1.0)
    regret = paid + np.abs(total).sum()
    assert 0 < regret <= math.sqrt(2) * 2 * np.sqrt(squares).sum()


def test_rare_coordinates_keep_a_larger_rate():
    """B9a: a coordinate with a gradient in a share p of the steps has 1/√p times the rate."""
    p, rng = 0.01, np.random.default_rng(5)
    optimizer, theta = Optimizer(rules.adagrad), np.zeros(101)
    state = optimizer.init(theta)
    for _ in range(2000):
        theta, state = optimizer.tell(theta, np.append(1.0 * (rng.random(100) < p), 1.0), state)
    before = theta
    theta, _ = optimizer.tell(theta, np.ones(101), state)
    moved = before - theta
    assert np.median(moved[:-1]) / moved[-1] == pytest.approx(1 / math.sqrt(p), rel=0.1)


@pytest.mark.parametrize(("curvature", "eps"), [(100.0, 1e-4), (10.0, 1e-6)])
def test_adadeltas_oscillation_grows_whatever_epsilon(curvature, eps):
    """B10: the squared amplitude grows by eps/4 (1 - 4/λ²) a step, in proportion to eps."""
    path = descend(Optimizer(rules.adadelta, eps=eps), Quadratic([curvature]).grad, [0.01], 20_000)[:, 0]
    slope = (np.mean(path[-500:] ** 2) - np.mean(path[9_500:10_000] ** 2)) / 10_000
    assert slope == pytest.approx(eps / 4 * (1 - 4 / curvature**2), rel=0.02)


def test_adadeltas_oscillation_dies_on_a_flat_quadratic():
    """B10: for curvatures below 2 it contracts."""
    path = descend(Optimizer(rules.adadelta, eps=1e-4), Quadratic([1.5]).grad, [0.5], 4000)[:, 0]
    assert abs(path[-50:]).max() < 1e-3 * abs(path[:50]).max()


def game(optimizer: Optimizer, gradient, start: float, steps: int) -> tuple[float, float]:
    """The last point on [-1, 1], and the regret a round against -1, of linear losses gradient(t) x."""
    theta = np.array([start])
    state, paid = optimizer.init(theta), 0.0
    for t in range(steps):
        g = gradient(t)
        paid += g * (theta[0] + 1.0)
        theta, state = optimizer.tell(theta, [g], state)
        theta = np.clip(theta, -1.0, 1.0)
    return float(theta[0]), paid / steps


def reddi(C: float, steps: int, name: str) -> tuple[float, float]:
    """Theorem 1 of Reddi, Kale & Kumar (2018): C x every third round, else -x."""
    beta2 = 1 / (1 + C * C)
    lr = schedules.robbins_monro(0.5 * math.sqrt(1 - beta2), a=0.5)
    optimizer = {
        "sgd": lambda: Optimizer(rules.sgd, lr=lr),
        "adagrad": lambda: Optimizer(rules.adagrad, lr=0.5),  # its rate falls by itself
    }.get(name, lambda: Optimizer(rules.TABLE[name], lr=lr, beta1=0.0, beta2=beta2))()
    return game(optimizer, lambda t: C if t % 3 == 0 else -1.0, 1.0, steps)


@pytest.mark.parametrize("C", [2.5, 3.0, 10.0])
@pytest.mark.parametrize("name", ["adam", "adam_uncorrected"])
def test_adam_goes_to_the_wrong_end(name, C):
    """B11: to +1, where each round costs 2 (C - 2)/3; bias correction does not help."""
    end, regret = reddi(C, 6000, name)
    assert end == pytest.approx(1.0, abs=0.05)
    assert regret == pytest.approx(2 * (C - 2) / 3, rel=0.02)


@pytest.mark.parametrize("name", ["amsgrad", "sgd", "adagrad"])
def test_amsgrad_sgd_and_adagrad_go_to_the_right_end(name):
    """B11: to -1, so that the regret a round vanishes."""
    end, regret = reddi(3.0, 6000, name)
    assert end == pytest.approx(-1.0, abs=0.05)
    assert regret < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("C", [2.5, 3.0, 10.0])
def test_adam_stays_at_the_wrong_end(C):
    """B11 over 300,000 rounds; what is missing falls as the rate does, with 1/√t."""
    _, regret = reddi(C, 300_000, "adam")
    assert regret == pytest.approx(2 * (C - 2) / 3, rel=3e-3)


@pytest.mark.slow
def test_the_rare_large_gradient_of_reddi():
    """B12: 1010 x every 101st round, else -10 x: over a million rounds Adam costs 20/101 each, AMSGrad finds -1."""

    def gradient(t):
        return 1010.0 if t % 101 == 0 else -10.0

    def rate(alpha):
        return schedules.robbins_monro(alpha, a=0.5)

    end, regret = game(Optimizer(rules.adam, lr=rate(0.1), beta1=0.9, beta2=0.99), gradient, 0.0, 1_000_000)
    assert end == pytest.approx(1.0, abs=0.01)
    assert regret == pytest.approx(20 / 101, rel=0.01)
    end, _ = game(Optimizer(rules.amsgrad, lr=rate(0.5), beta1=0.9, beta2=0.99), gradient, 0.0, 1_000_000)
    assert end == pytest.approx(-1.0, abs=0.02)


# --- noise and landscape --------------------------------------------------------------------------


def test_the_best_rate_for_a_batch():
    """D4, McCandlish et al. (2018): ε_max/(1 + B_noise/B), and so does the decrease; all batches are counted."""
    n, model = 24, models.LinearRegression()
    X, y = data.regression(n, d=3, seed=3)
    theta = np.array([0.5, -0.5, 1.0])
    each = (X @ theta - y)[:, None] * X
    G, H = each.mean(axis=0), X.T @ X / n
    covariance = (each - G).T @ (each - G) / n
    largest, noise = G @ G / (G @ H @ G), np.trace(H @ covariance) / (G @ H @ G)
    lr = np.linspace(0.0, 2 * largest, 4001)[:, None]
    drops = []
    for B in (1, 2):
        batches = np.array(list(product(range(n), repeat=B)))  # with replacement
        loss = np.mean([model.loss(theta - lr * model.grad(theta, X[i], y[i]), X, y) for i in batches], axis=0)
        assert lr[loss.argmin(), 0] == pytest.approx(largest / (1 + noise / B), abs=lr[1, 0])
        drops.append((model.loss(theta, X, y) - loss.min()) * (1 + noise / B))
    np.testing.assert_allclose(drops, G @ G * largest / 2, rtol=1e-5)


def level_points(N: int, count: int, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heights, indices and Kac-Rice weights of level points of an isotropic Gaussian landscape in N coordinates."""
    height, A = rng.standard_normal(count), rng.standard_normal((count, N, N))
    H = (A + A.swapaxes(1, 2)) / math.sqrt(2) - height[:, None, None] * np.eye(N)
    curvature = np.linalg.eigvalsh(H)
    return height, (curvature < 0).sum(axis=1), np.abs(curvature.prod(axis=1))


@pytest.mark.parametrize(("N", "share"), [(1, 1 / 2), (2, 1 / 4), (3, (29 - 6 * math.sqrt(6)) / 116)])
def test_minima_among_the_level_points_of_a_random_landscape(N, share):
    """E20: nearly 2^-N of them are minima, and not the share of positive matrices, which is another question's."""
    _, index, weight = level_points(N, 200_000, np.random.default_rng(N))
    assert weight[index == 0].sum() / weight.sum() == pytest.approx(share, rel=0.02)


def test_low_level_points_are_minima_and_high_ones_saddles():
    """E20: in four coordinates the mean height rises with the number of downhill directions, evenly about 0."""
    height, index, weight = level_points(4, 200_000, np.random.default_rng(4))
    mean = [np.average(height[index == k], weights=weight[index == k]) for k in range(5)]
    np.testing.assert_allclose(mean, [-2.25, -1.10, 0.0, 1.10, 2.25], atol=0.06)
    low, middle = height < -2, np.abs(height) < 0.5
    assert np.average(index[low] == 0, weights=weight[low]) > 0.5
    assert np.average(index[middle] == 0, weights=weight[middle]) < 0.01


@pytest.mark.parametrize("delta", [1e-2, 1e-6, 1e-10])
def test_a_saddle_costs_the_logarithm_of_the_distance(delta):
    """D7: ln(1/delta)/ln(1 + lr) steps; two factors u v leave two steps sooner, with 1.2 at their start."""

    def knobs(k):
        return (k[0] * k[1] - 1) * k[::-1]

    law = math.log(1 / delta) / math.log(1.1)
    plain = descend(Optimizer(rules.sgd, lr=0.1), lambda k: np.array([k[0], -k[1]]), [1.0, delta], 300, strict=False)
    assert (plain[:, 1] > 1).argmax() == math.ceil(law)
    walk = descend(Optimizer(rules.sgd, lr=0.1), knobs, [1 + delta, -1.0], 300)
    assert law - 2.5 < (walk.sum(axis=1) > 1).argmax() < law - 1


def test_a_mean_square_that_grows_does_not_drive_a_walk_away():
    """Factors 0.1 and -4, nine to one: the mean square grows by 1.61 a step, and yet the typical walk arrives."""
    factors, chances = np.array([0.1, -4.0]), np.array([0.9, 0.1])
    assert chances @ factors**2 == pytest.approx(1.609)
    assert chances @ np.log(np.abs(factors)) == pytest.approx(-1.934, abs=1e-3)
    ends = np.random.default_rng(0).choice(factors, (200, 5000), p=chances).prod(axis=0)
    assert (np.abs(ends) < 1e-3).all()


def test_noise_moves_sgd_out_of_a_sharp_minimum():
    """F12: E x² is multiplied by (1 - lr a)² + lr² s² a step, a and s² mean and variance of the examples' curvatures;
    so a rate below 2/a can be too large. All orders of three examples are counted."""
    roots, model = np.array([0.5, 1.0, 2.0]), models.LinearRegression()
    curvatures = roots**2
    a, s2 = curvatures.mean(), curvatures.var()
    for lr in (0.3, 0.9):
        ends = []
        for order in product(range(3), repeat=5):
            oracle = oracles.online(model, lambda t, order=order: ([[roots[order[t]]]], [0.0]))
            ends.append(descend(Optimizer(rules.sgd, lr=lr), oracle, [1.0], 5)[-1, 0] ** 2)
        factor = (1 - lr * a) ** 2 + lr**2 * s2
        assert np.mean(ends) == pytest.approx(factor**5, rel=1e-12)
    assert 2 / a > 0.9
    assert factor > 1


@pytest.mark.parametrize(("b", "low", "high"), [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (1.5, 0.2, 0.6)])
def test_noise_carries_sgd_over_a_barrier(b, low, high):
    """F16: with losses f ± b x for the examples, from the second minimum of the waves; the share that ends lowest."""
    f, signs = surfaces.waves, np.random.default_rng(7).choice([-1.0, 1.0], (2000, 200, 1))
    walk = iterates(Optimizer(rules.sgd, lr=0.1), lambda x, t: f.grad(x) + b * signs[t], np.full((200, 1), 2.9526))
    end = next(islice(walk, 2000, None))
    calm = descend(Optimizer(rules.sgd, lr=0.05), f.grad, end, 500)[-1]
    assert low <= (np.abs(calm) < 0.1).mean() <= high
