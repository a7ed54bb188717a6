"""The experiments and figures of the chapter on tricks with data and model, and the facts that it states."""

import numpy as np
import pytest

from downhill_course.figures import data_tricks
from optlib import Optimizer, data, descend, layers, models, oracles, rules, tricks


def drawn(picture) -> dict[str, np.ndarray]:
    """Height of every labelled line."""
    (axes,) = picture.figure.axes
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}


def test_what_a_curriculum_leaves_out_is_not_learnt():
    rates = [0.01, 0.03]
    full = data_tricks.added("none", 0, rates, places=2, stage=150, steps=300)
    mixed = data_tricks.added("mix", 0, rates, places=2, stage=150, steps=300)
    assert full.shape == mixed.shape == (2, 2)
    assert (full[:, 0] > 5 * mixed[:, 0]).all()


def test_training_without_end_hurts_where_labels_are_wrong():
    ends = np.array([data_tricks.stopped(None, seed, limit=1000) for seed in range(3)])
    best = np.array([data_tricks.stopped(tricks.Patience(10), seed, limit=1000) for seed in range(3)])
    assert (ends[:, :2] == 1000).all()
    assert (best[:, 1] <= best[:, 0]).all()
    assert (best[:, 2] < ends[:, 2]).all()


def test_the_share_of_wrong_labels_is_what_was_asked_for():
    task, clean = data_tricks.overfitting(3, wrong=1.0), data_tricks.overfitting(3, wrong=0.0)
    np.testing.assert_array_equal(task.train[0], clean.train[0])
    assert (task.train[1] == clean.train[1]).mean() < 0.25
    np.testing.assert_array_equal(task.test[1], clean.test[1])
    with pytest.raises(ValueError, match="1 to 449"):
        data_tricks.overfitting(n=450)


def test_a_ridge_is_where_its_gradient_vanishes():
    X, y = data.regression(50, 4, seed=1)
    penalty = np.array([0.0, 0.1, 1.0, 10.0])
    w = data_tricks.ridge(X, y, penalty)
    np.testing.assert_allclose(models.LinearRegression().grad(w, X, y) + penalty * w, 0, atol=1e-12)


def test_dropout_of_inputs_is_a_ridge_in_expectation():
    """D9: the penalty is p / (1 - p) times the mean square of each feature."""
    X, y = data.regression(60, 3, seed=2)
    w, p, line = np.array([1.0, -0.5, 2.0]), 0.4, models.LinearRegression()
    rng = np.random.default_rng(0)
    sampled = np.mean([line.loss(w, layers.dropout(X, p, rng)[0], y) for _ in range(4000)])
    exact = line.loss(w, X, y) + 0.5 * p / (1 - p) * (w**2 * (X**2).mean(axis=0)).sum()
    assert sampled == pytest.approx(exact, rel=0.02)
    g = np.mean([data_tricks.dropped(X, y, p)(w, t=t) for t in range(4000)], axis=0)
    np.testing.assert_allclose(g, line.grad(w, X, y) + p / (1 - p) * w * (X**2).mean(axis=0), atol=0.03)


def test_keras_keeps_the_biased_variance():
    """D10"""
    torch, keras = data_tricks.running_variance(4)
    assert torch == pytest.approx(1.0, abs=0.03)
    assert keras == pytest.approx(0.75, abs=0.03)


def test_auc_counts_the_pairs_in_the_right_order():
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((80, 1)), rng.integers(2, size=80)
    _, _, auc = data_tricks.found(models.LogisticRegression(), [1.0], X, y)
    pairs = X[y == 1] > X[y == 0].T
    assert auc == pytest.approx(pairs.mean())


def test_a_lower_threshold_does_what_mining_does():
    X, y = data.imbalanced(2000, rare=0.02, seed=0)
    new, rare = data.imbalanced(20_000, rare=0.02, seed=1)
    recall, alarms, _ = data_tricks.mined((X, y), (new, rare), 0.25, seeds=1)[0]
    model = models.LogisticRegression()
    plain = descend(Optimizer(rules.sgd, lr=0.1), oracles.minibatch(model, X, y, size=64, seed=0), np.zeros(3), 2000)
    p = model.predict(plain[-1], new)
    threshold = np.quantile(p[rare == 0], 1 - alarms)
    assert threshold < 0.5
    assert (p > threshold)[rare == 1].mean() == pytest.approx(recall, abs=0.01)


def test_mining_believes_wrong_labels():
    X, y = data.imbalanced(1000, rare=0.05, seed=0)
    flipped = np.where(np.random.default_rng(0).random(1000) < 0.05, 1 - y, y)
    right, wrong = (data_tricks.mined((X, labels), (X, y), 0.25, seeds=2) for labels in (y, flipped))
    assert (right[:, 0] > 0.5).all()
    assert (wrong[:, 0] < right[:, 0] - 0.3).all()


def test_from_zero_only_the_last_bias_learns_unless_there_is_noise():
    """D19"""
    (X, y), test = data.split(*data.digits(), test=0.25, seed=0)
    net = models.MLP([64, 16, 16, 16, 10])
    g = net.grad(np.zeros(net.size), X, y)
    assert np.count_nonzero(g[:-10]) == 0
    assert np.count_nonzero(g[-10:]) == 10
    quiet, noisy = (data_tricks.shaken(net, np.zeros(net.size), eta, 0, (X, y), test) for eta in (0.0, 0.3))
    assert quiet in [(test[1] == k).mean() for k in range(10)]
    assert noisy > 0.8


def test_normalised_weights_ten_times_as_long_need_a_hundred_times_the_rate():
    X, y = data.digits()
    net = models.MLP([64, 16, 16, 10], batch_norm=True)
    start, rate = net.init(seed=0), np.full(net.size, 0.2)
    long = start.copy()
    net.unpack(long)[0].W[...] *= 10
    net.unpack(rate)[0].W[...] *= 100
    full = oracles.full_batch(net, X[:100], y[:100])
    one = descend(Optimizer(rules.sgd, lr=0.2), full, start, 10)
    two = descend(Optimizer(rules.sgd, lr=rate), full, long, 10)
    np.testing.assert_allclose(net.loss(one, X, y), net.loss(two, X, y), rtol=1e-3)


def test_tuning_takes_the_rate_with_the_best_median():
    X, y = data.digits()
    train, test = (X[:300], y[:300]), (X[300:600], y[300:600])
    best = data_tricks.tuned(models.MLP([64, 10]), train, test, epochs=1, seeds=3)
    assert best.rate in 10.0 ** np.arange(-3, 1.1, 0.5)
    model = models.MLP([64, 10])

    def loss(rate, seed):
        batches = oracles.minibatch(model, *train, size=32, seed=seed)
        return model.loss(descend(Optimizer(rules.sgd, lr=rate), batches, model.init(seed=seed), 10)[-1], *test)

    for rate in (best.rate / 10, best.rate * 10):
        assert np.median([loss(rate, seed) for seed in range(3)]) >= np.median(best.losses)


def test_rates_that_diverge_have_no_loss():
    X, y = data.digits()
    losses = data_tricks.trained(models.MLP([64, 32, 32, 10]), (X, y), [0.1, 1e6], seed=0, steps=30)
    assert np.isfinite(losses[0])
    assert not losses[1] < 2.0


def test_a_network_with_few_digits_learns_them():
    assert data_tricks.small_task(False, 0.0, steps=200) < 0.3


def test_the_dropout_figure_has_a_line_and_points_for_each_weight():
    picture = data_tricks.shrinking([0.0, 0.5], [[1.0, 2.0], [0.5, 1.0]], [[1.0, 2.0], [0.4, 1.1]])
    assert {name: list(y) for name, y in drawn(picture).items()} == {"$w_1$": [1.0, 0.4], "$w_2$": [2.0, 1.1]}
    dots = [line for line in picture.figure.axes[0].lines if line.get_markersize() == 7]
    assert [list(line.get_ydata()) for line in dots] == [[1.0, 0.5], [2.0, 1.0]]
    with pytest.raises(ValueError, match=r"shapes \(2,\)"):
        data_tricks.shrinking([0.0, 0.5], [[1.0]], [[1.0]])


def test_filters_come_in_pairs_of_one_colour():
    picture = data_tricks.filters([0.1, 1.0], {"a": [0, 1], "b": [0, 0.9], "c": [0.5, 1], "d": [0.4, 1]})
    colours = [line.get_color() for line in picture.figure.axes[0].lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert [list(y) for y in drawn(picture).values()] == [[0, 1], [0, 0.9], [0.5, 1], [0.4, 1]]
