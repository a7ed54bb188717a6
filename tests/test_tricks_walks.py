"""Averages, stopping, curriculum, range test and gradient noise: identities, and what their papers say."""

from itertools import islice

import numpy as np
import pytest
from peers import library

from optlib import Optimizer, data, descend, iterates, models, oracles, rules, run, schedules, surfaces, tricks
from optlib.surfaces import Quadratic

RNG = np.random.default_rng(0)
POINTS = RNG.standard_normal((40, 3))

AVERAGES = [
    tricks.PolyakRuppert(),
    tricks.PolyakRuppert(after=5),
    tricks.EMA(0.9),
    tricks.EMA(0.9, "theta"),
    tricks.EMA(0.9, "zero"),
    tricks.SWA(1),
    tricks.SWA(4),
]


def last(average, points):
    return list(tricks.averages(average, points))[-1]


# --- averaging ----------------------------------------------------------------------------------


def test_polyak_ruppert_is_the_mean_and_the_rule_of_that_name():
    assert np.allclose(last(tricks.PolyakRuppert(), POINTS), POINTS[1:].mean(axis=0), atol=1e-15)
    assert np.allclose(last(tricks.PolyakRuppert(after=10), POINTS), POINTS[11:].mean(axis=0), atol=1e-15)
    grad, start = surfaces.bowl.grad, [4.0, -2.0]
    walk = descend(Optimizer(rules.sgd, lr=0.3), grad, start, 20)
    ruled = descend(Optimizer(rules.averaged_sgd, lr=0.3), grad, start, 20)
    assert np.allclose(list(tricks.averages(tricks.PolyakRuppert(), walk)), ruled, atol=1e-14)


def test_ema_three_ways():
    weights = 0.1 * 0.9 ** np.arange(38, -1, -1)
    zero = weights @ POINTS[1:]
    assert np.allclose(last(tricks.EMA(0.9, "zero"), POINTS), zero, atol=1e-15)
    assert np.allclose(last(tricks.EMA(0.9, "theta"), POINTS), zero + 0.9**39 * POINTS[0], atol=1e-15)
    assert np.allclose(last(tricks.EMA(0.9), POINTS), zero / weights.sum(), atol=1e-15)


@pytest.mark.parametrize("cycle", [1, 3, 13])
def test_d12_swa_is_the_mean_of_the_start_and_of_the_ends_of_cycles(cycle):
    counted = np.vstack([POINTS[:1], POINTS[cycle::cycle]])
    assert np.allclose(last(tricks.SWA(cycle), POINTS), counted.mean(axis=0), atol=1e-15)


@pytest.mark.peers
def test_d12_swa_as_torch_averages():
    torch = library("torch")
    swa_utils = library("torch.optim.swa_utils")
    module = torch.nn.Linear(3, 1, bias=False).double()
    module.weight.data[:] = torch.tensor(POINTS[0])
    averaged = swa_utils.AveragedModel(module)
    averaged.update_parameters(module)  # the start counts as one
    for point in POINTS[1:]:
        module.weight.data[:] = torch.tensor(point)
        averaged.update_parameters(module)
    assert np.allclose(last(tricks.SWA(), POINTS), averaged.module.weight.data.numpy()[0], atol=1e-15)


@pytest.mark.parametrize("average", AVERAGES, ids=lambda a: f"{type(a).__name__}{vars(a)}")
def test_an_average_resumed_from_a_file_is_the_same(average, tmp_path):
    state = average.init(POINTS[0])
    for point in POINTS[1:20]:
        state = average.tell(state, point)
    np.savez(tmp_path / "average.npz", **state)
    state = dict(np.load(tmp_path / "average.npz"))
    for point in POINTS[20:]:
        state = average.tell(state, point)
    assert (average.value(state) == last(average, POINTS)).all()


@pytest.mark.parametrize("average", AVERAGES, ids=lambda a: f"{type(a).__name__}{vars(a)}")
def test_an_average_changes_nothing_in_place_and_takes_batches(average):
    state = average.init(POINTS)
    before = {name: array.copy() for name, array in state.items()}
    after = average.tell(state, POINTS + 1.0)
    assert all((state[name] == before[name]).all() for name in before)
    single = average.tell(average.init(POINTS[3]), POINTS[3] + 1.0)
    assert (average.value(after)[3] == average.value(single)).all()


def test_averaging_beats_the_last_point_under_noise():
    rng = np.random.default_rng(1)
    noisy = [Quadratic([1.0] * 4).grad(np.zeros(4)) + rng.standard_normal(4) for _ in range(400)]
    walk = iterates(Optimizer(rules.sgd, lr=0.5), lambda theta, t: theta + noisy[t], np.zeros(4))
    points = list(islice(walk, 401))
    assert np.linalg.norm(last(tricks.PolyakRuppert(), points)) < 0.5 * np.linalg.norm(points[-1])


def test_swa_rate_is_the_paper_s():
    rate = tricks.swa_rate(0.05, 0.01, cycle=5)
    for i in range(1, 21):
        x = ((i - 1) % 5 + 1) / 5
        assert rate(i - 1) == (1 - x) * 0.05 + x * 0.01
    assert {tricks.swa_rate(0.05, 0.01, cycle=1)(t) for t in range(9)} == {0.05}


# --- stopping -----------------------------------------------------------------------------------


def stops_at(criterion, validation, training=None):
    """The evaluation, from 1, at which a criterion first says stop; 0 if it never does."""
    progress = criterion.init()
    for i, loss in enumerate(validation):
        progress = criterion.tell(progress, loss, None if training is None else training[i])
        if progress.stop:
            return i + 1
    return 0


def test_patience_waits_as_long_as_it_was_told():
    losses = [5.0, 4.0, 4.5, 4.4, 3.9, 4.0, 4.0, 4.0, 4.0]
    assert stops_at(tricks.Patience(2), losses) == 4
    assert stops_at(tricks.Patience(3), losses) == 8
    assert stops_at(tricks.Patience(5), losses) == 0
    assert stops_at(tricks.Patience(3, least=0.2), losses) == 5
    slow = 1.0 - 0.01 * np.arange(50)
    assert stops_at(tricks.Patience(3), slow) == 0


def noise_free(seed=0, n=60):
    """A validation loss that falls and rises with some noise, and a training loss that only falls."""
    t = np.arange(1, n + 1)
    rng = np.random.default_rng(seed)
    return 1 / t + 0.02 * t + 0.5 + 0.03 * rng.random(n), 1.2 / t + 0.1 + 0.01 * rng.random(n)


@pytest.mark.parametrize("seed", range(3))
def test_prechelt_s_criteria_by_their_definitions(seed):
    validation, training = noise_free(seed)
    gl = 100 * (validation / np.minimum.accumulate(validation) - 1)
    assert stops_at(tricks.GL(5.0), validation) == int(np.argmax(gl > 5.0)) + 1

    k, expected = 5, 0
    for t in range(k, 61, k):
        strip = training[t - k : t]
        if gl[t - 1] / (1000 * (strip.sum() / (k * strip.min()) - 1)) > 0.5:
            expected = t
            break
    assert expected > 0
    assert stops_at(tricks.PQ(0.5, strip=k), validation, training) == expected

    ends = validation[k - 1 :: k]
    rose = np.diff(ends) > 0
    s = 3
    first = next(i for i in range(len(rose)) if i + 1 >= s and rose[i + 1 - s : i + 1].all())
    assert stops_at(tricks.UP(s, strip=k), validation) == (first + 2) * k


def test_pq_is_more_patient_than_gl_while_training_gains_much():
    validation = [1.0, 0.9, 1.0, 1.0]
    assert stops_at(tricks.GL(5.0), validation) == 3
    assert stops_at(tricks.PQ(0.5, strip=2), validation, [1.0, 0.5, 0.3, 0.1]) == 0
    assert stops_at(tricks.PQ(0.5, strip=2), validation, [1.0, 1.0, 1.0, 1.0]) == 4


def test_what_is_not_a_number_is_no_improvement():
    assert stops_at(tricks.Patience(2), [1.0, np.nan, np.nan]) == 3
    assert stops_at(tricks.GL(5.0), [1.0, np.nan]) == 2
    assert stops_at(tricks.UP(1, strip=1), [1.0, np.inf]) == 2


def overfitting():
    """A linear model with as many parameters as examples, and other examples to validate."""
    rng = np.random.default_rng(3)
    truth = rng.standard_normal(20)
    X, Z = rng.standard_normal((20, 20)), rng.standard_normal((200, 20))
    y, z = X @ truth + 2.0 * rng.standard_normal(20), Z @ truth
    model = models.LinearRegression()
    walk = run(Optimizer(rules.sgd, lr=0.2), oracles.full_batch(model, X, y), np.zeros(20))
    return walk, lambda theta: float(model.loss(theta, Z, z)), lambda theta: float(model.loss(theta, X, y))


def test_e18_early_stopping_returns_the_best_by_validation():
    walk, validation, training = overfitting()
    result = tricks.early_stopped(walk, validation, tricks.Patience(10))
    assert result.stopped
    assert result.loss == validation(result.theta) == result.history[:, 1].min()
    assert len(result.history) == result.step + 10
    assert int(result.state["t"]) == result.step
    # by the training loss it would have gone on, and been worse
    longer, _, _ = overfitting()
    by_training = tricks.early_stopped(longer, training, tricks.Patience(10), limit=2000)
    assert not by_training.stopped
    assert validation(by_training.theta) > result.loss


def test_early_stopping_every_few_steps_with_pq():
    walk, validation, training = overfitting()
    result = tricks.early_stopped(walk, validation, tricks.PQ(0.1), training=training, every=4, limit=2000)
    assert (np.diff(result.history[:, 0]) == 4).all()
    assert result.step % 4 == 0
    assert result.stopped


def test_d8_stopping_is_a_filter_and_a_ridge_for_each_direction():
    lam, eta, steps = np.array([1e-3, 0.1, 1.0, 5.0]), 0.15, 12
    best = np.array([1.0, -2.0, 3.0, 0.5])
    theta = descend(Optimizer(rules.sgd, lr=eta), lambda theta: lam * (theta - best), np.zeros(4), steps)[-1]
    assert np.allclose(theta, (1 - (1 - eta * lam) ** steps) * best, atol=1e-15)
    ridge = tricks.equivalent_ridge(lam, eta, steps)
    assert np.allclose(theta, lam / (lam + ridge) * best, atol=1e-14)
    assert tricks.equivalent_ridge(1e-9, eta, steps) == pytest.approx(1 / (eta * steps), rel=1e-8)


def test_d8_ridge_is_smooth_where_its_series_takes_over():
    lam = np.array([0.999, 1.001]) * 1e-6 / (0.1 * 10)
    left, right = tricks.equivalent_ridge(lam, 0.1, 10)
    assert left == pytest.approx(right, rel=1e-8)


# --- curriculum ---------------------------------------------------------------------------------


def drawn(strategy, t, levels=8, **plan):
    return tricks.Curriculum(levels, strategy, stage=10, seed=4, **plan).draw(t, 4000)


def test_the_four_strategies():
    assert (drawn("none", 0) == 8).all()
    assert set(drawn("naive", 25)) == {1, 2, 3}
    assert (drawn("naive", 25, exact=True) == 3).all()
    assert set(drawn("naive", 10**6)) == set(range(1, 9))
    for t in (0, 1000):
        counts = np.bincount(drawn("mix", t), minlength=9)[1:]
        assert np.abs(counts - 500).max() < 5 * np.sqrt(500)
    combined = drawn("combined", 0, share=0.5)
    assert (combined == 1).mean() == pytest.approx(0.5 + 0.5 / 8, abs=0.03)
    assert set(combined) == set(range(1, 9))


def test_combined_with_no_share_is_naive():
    assert (drawn("combined", 33, share=0.0) == drawn("naive", 33)).all()


def test_two_coordinates_length_first_then_nesting():
    plan = tricks.Curriculum((3, 2), "naive", stage=1)
    assert [plan.present(t) for t in range(7)] == [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2), (3, 2)]
    assert plan.draw(5, 7).shape == (7, 2)
    assert (tricks.Curriculum((3, 2), "none").draw(0, 2) == [3, 2]).all()


def test_a_draw_follows_from_the_seed_and_the_step_alone():
    first, again = (tricks.Curriculum(9, seed=1) for _ in range(2))
    first.draw(3, 10)
    assert (first.draw(7, 10) == again.draw(7, 10)).all()
    assert (first.draw(7, 10) != tricks.Curriculum(9, seed=2).draw(7, 10)).any()
    assert (first.draw(7, 10) != first.draw(8, 10)).any()


def test_a_stage_may_follow_from_progress():
    plateau = schedules.Plateau(1.0, factor=0.5, patience=0)
    plan = tricks.Curriculum(4, "naive", stage=lambda t: round(-np.log2(plateau(t))))
    for loss in (1.0, 1.0, 1.0):
        plateau.update(loss)
    assert plan.present(0) == (3,)


def test_bengio_s_entropy_grows_with_the_stage():
    def entropy(t):
        p = np.bincount(drawn("naive", t))[1:] / 4000
        return -(p[p > 0] * np.log(p[p > 0])).sum()

    values = [entropy(t) for t in range(0, 80, 10)]
    assert (np.diff(values) > 0).all()


def test_the_oracle_draws_rows_of_those_levels_and_resumes():
    X, y = data.line(n=60, seed=0)
    difficulty = np.repeat(np.arange(1, 7), 10)
    model = models.LinearRegression()
    oracle = tricks.curriculum(model, X, y, difficulty, batch_size=8, strategy="naive", stage=5, seed=2)
    for t in range(40):
        levels = difficulty[oracle.indices(t)]
        assert levels.max() <= min(6, t // 5 + 1)
        assert (np.sort(levels) == np.sort(oracle.plan.draw(t, 8))).all()
    optimizer, start = Optimizer(rules.adam, lr=0.1), np.zeros(2)
    whole = list(islice(run(optimizer, oracle, start), 30))
    theta, state = whole[11]
    assert (list(islice(run(optimizer, oracle, theta, state), 18))[-1][0] == whole[-1][0]).all()


# --- range test ---------------------------------------------------------------------------------


def test_range_test_brackets_the_limit_of_stability():
    """On a quadratic with largest curvature L the rate 2/L is where gradient descent begins to diverge."""
    f, rng = Quadratic([1.0, 10.0]), np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((200, 2))  # without it the steep coordinate is 0 before it could diverge
    result = tricks.range_test(rules.sgd, lambda p, t: f.grad(p) + noise[t], f, [1.0, 1.0], 1e-5, 10.0, 200)
    assert len(result.rates) == len(result.losses) < 200
    assert result.low < 0.1 * result.high < 0.1 * 0.2 < 0.1 * result.rates[-1]
    start, falling = f([1.0, 1.0]), result.rates >= result.low
    assert (result.losses[~falling] > 0.9 * start).all()
    assert (result.losses[falling & (result.rates < result.high)] < 0.97 * start).all()
    assert np.allclose(result.rates, 1e-5 * 1e6 ** (np.arange(len(result.rates)) / 199))


def test_range_test_walks_as_the_rule_does():
    f = surfaces.bowl
    result = tricks.range_test(rules.momentum, f.grad, f, [4.0, -2.0], 1e-3, 0.5, 30, gamma=0.5)
    path = descend(Optimizer(rules.momentum, lr=schedules.ramp(1e-3, 0.5, 29), gamma=0.5), f.grad, [4.0, -2.0], 30)
    assert np.allclose(result.losses, f(path[1:]))
    assert result.rates[-1] == pytest.approx(0.5)


def test_range_test_survives_overflow():
    f = surfaces.rosenbrock
    result = tricks.range_test(rules.sgd, f.grad, f, f.start, 1e-6, 1e6, 60, explode=1e300)
    assert result.losses[-1] == np.inf
    assert np.isfinite(result.losses[:-1]).all()
    assert result.high < 0.01


def test_range_test_survives_a_point_that_is_infinite():
    result = tricks.range_test(
        rules.sgd, surfaces.bowl.grad, lambda p: np.abs(p).sum(), [4.0, -2.0], 0.01, 1e30, 400, explode=1e308
    )
    assert result.losses[-1] == np.inf
    assert np.isfinite(result.losses[:-1]).all()


# --- gradient noise -----------------------------------------------------------------------------


def noisy_problem(n=80, d=4):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((n, d)) * np.arange(1, d + 1)
    y = X @ np.ones(d) + rng.standard_normal(n)
    return models.LinearRegression(), rng.standard_normal(d), X, y


@pytest.mark.parametrize(("n", "d"), [(80, 4), (4, 8)])
def test_d4_noise_scale_by_its_definition(n, d):
    model, theta, X, y = noisy_problem(n, d)
    noise = tricks.noise_scale(model, theta, X, y)
    each = (X @ theta - y)[:, None] * X
    G, Sigma, H = each.mean(axis=0), np.cov(each.T, bias=True), X.T @ X / n
    assert np.allclose(noise.gradient, G)
    assert noise.simple == pytest.approx(np.trace(Sigma) / (G @ G))
    assert noise.critical == pytest.approx(np.trace(H @ Sigma) / (G @ H @ G), rel=1e-6)
    assert noise.full_rate == pytest.approx((G @ G) / (G @ H @ G), rel=1e-6)


def test_d4_the_best_rate_is_the_argmax_of_a_grid():
    noise = tricks.noise_scale(*noisy_problem())
    for batch in (1, 7, 64):
        rates = np.linspace(0.5, 1.5, 20001) * noise.best_rate(batch)
        change = noise.expected_change(rates, batch)
        assert rates[change.argmin()] == pytest.approx(noise.best_rate(batch), rel=1e-4)
        full = noise.expected_change(noise.full_rate, 1e12)
        assert change.min() == pytest.approx(full * noise.gain(batch), rel=1e-6)


def test_d4_expected_change_is_that_of_real_batches():
    model, theta, X, y = noisy_problem()
    noise = tricks.noise_scale(model, theta, X, y)
    rng, rate, batch = np.random.default_rng(0), noise.best_rate(4), 4
    rows = rng.integers(len(X), size=(20000, batch))
    each = (X @ theta - y)[:, None] * X
    stepped = theta - rate * each[rows].mean(axis=1)
    change = model.loss(stepped, X, y) - model.loss(theta, X, y)
    deviation = change.std() / np.sqrt(len(change))
    assert change.mean() == pytest.approx(float(noise.expected_change(rate, batch)), abs=4 * deviation)


def test_noise_scale_at_the_minimum_is_infinite():
    model, _, X, y = noisy_problem()
    noise = tricks.noise_scale(model, model.minimum(X, y), X, y, curvature=False)
    assert noise.simple > 1e20
    assert np.isnan(noise.weighted_trace)


# --- bad input ----------------------------------------------------------------------------------


X3, Y3 = np.ones((3, 1)), np.zeros(3)
LINEAR = models.LinearRegression()


def rateless(theta, g):
    return theta - g, ()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tricks.EMA(1.0), ValueError, r"\[0, 1\)"),
        (lambda: tricks.EMA(0.9, "nowhere"), ValueError, "'corrected'"),
        (lambda: tricks.SWA(0), ValueError, "cycle=0"),
        (lambda: tricks.SWA(2.5), ValueError, "whole number"),
        (lambda: tricks.SWA().init([1, 2]), TypeError, "floats"),
        (lambda: tricks.SWA().tell(tricks.SWA().init([1.0]), [1.0, 2.0]), ValueError, "theta has shape"),
        (lambda: tricks.SWA().tell(tricks.SWA().init([1.0]), [np.nan]), ValueError, "not finite"),
        (lambda: tricks.SWA().tell(tricks.EMA().init([1.0]), [1.0]), ValueError, "another kind of average"),
        (lambda: tricks.swa_rate(-1.0, 0.1, 2), ValueError, "high"),
        (lambda: tricks.Patience(0), ValueError, "patience=0"),
        (lambda: tricks.GL(0.0), ValueError, r"\(0, inf\)"),
        (lambda: tricks.GL(1.0).tell(tricks.Progress(), -1.0), ValueError, "positive losses"),
        (lambda: tricks.PQ().tell(tricks.Progress(), 1.0), TypeError, "training loss"),
        (lambda: tricks.PQ().tell(tricks.Progress(), 1.0, 0.0), ValueError, "training loss is 0"),
        (lambda: tricks.UP(1).tell(tricks.Progress(), [1.0, 2.0]), ValueError, "single number"),
        (lambda: tricks.early_stopped([], lambda theta: 1.0, tricks.GL()), ValueError, "before its first"),
        (lambda: tricks.early_stopped([], lambda theta: 1.0, tricks.GL(), every=9, limit=8), ValueError, "limit=8"),
        (lambda: tricks.equivalent_ridge([-1.0], 0.1, 1), ValueError, "0 or more"),
        (lambda: tricks.equivalent_ridge([1.0], 0.1, 0), ValueError, "steps=0"),
        (lambda: tricks.Curriculum(5, "hard"), ValueError, "'combined'"),
        (lambda: tricks.Curriculum(0), ValueError, "levels=0"),
        (lambda: tricks.Curriculum([]), ValueError, "levels is empty"),
        (lambda: tricks.Curriculum(5, stage=lambda t: -1).draw(0, 1), ValueError, r"stage\(t\)=-1"),
        (lambda: tricks.curriculum(LINEAR, X3, Y3, [1, 3, 3], 1), ValueError, "no example has difficulty 2"),
        (lambda: tricks.curriculum(LINEAR, X3, Y3, [1, 2], 1), ValueError, "2 entries, but X has 3"),
        (lambda: tricks.curriculum(LINEAR, X3, Y3, [0, 1, 2], 1), ValueError, "from 1"),
        (lambda: tricks.curriculum(LINEAR, X3, Y3, [1.0, 1.5, 2.0], 1), ValueError, "whole numbers"),
        (lambda: tricks.range_test(rules.sgd, np.negative, np.sum, [1.0], 1.0, 0.1), ValueError, "below high"),
        (lambda: tricks.range_test(rules.sgd, lambda x: x, np.sum, [1.0], lr=0.1), TypeError, "lr is what"),
        (lambda: tricks.range_test(rules.sgd, lambda x: x, np.sum, [1.0], window=4), ValueError, "odd"),
        (lambda: tricks.range_test(rules.sgd, lambda x: -x, lambda x: x @ x, [1.0]), ValueError, "never fell"),
        (lambda: tricks.range_test(rateless, lambda x: x, lambda x: x @ x, [1.0]), TypeError, "lr"),
        (lambda: tricks.noise_scale(LINEAR, [[1.0]], X3, Y3), ValueError, "one vector"),
        (lambda: tricks.noise_scale(LINEAR, [1.0], X3[:0], Y3[:0]), ValueError, "empty"),
        (lambda: tricks.noise_scale(LINEAR, [0.0], X3, Y3, curvature=False).critical, ValueError, "curvature"),
    ],
)
def test_bad_input_is_told_so(call, error, message):
    with pytest.raises(error, match=message):
        call()
