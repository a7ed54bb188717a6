"""The figures of the chapter on tricks with data and model, its data, and the facts that it states."""

import numpy as np
import pytest

from downhill_course.figures import data_tricks
from optlib import Optimizer, data, descend, layers, models, oracles, rules, tricks

NET = models.MLP([64, 32, 10])


def walked(sheet, seed, steps, lr=0.25):
    batches = oracles.minibatch(NET, sheet.X, sheet.given, batch_size=20, seed=seed)
    return descend(Optimizer(rules.sgd, lr=lr), batches, NET.init(seed), steps)


# --- the data -----------------------------------------------------------------------------------------


def test_a_sheet_has_the_share_of_lies_that_was_asked_for():
    sheets = [data.mislabelled(seed) for seed in range(40)]
    assert np.mean([(s.given != s.right).mean() for s in sheets]) == pytest.approx(0.15 * 0.9, abs=0.02)
    clean, random = data.mislabelled(3, lies=0.0), data.mislabelled(3, lies=1.0)
    np.testing.assert_array_equal(clean.given, clean.right)
    np.testing.assert_array_equal(clean.X, random.X)
    assert (random.given == random.right).mean() < 0.25
    with pytest.raises(ValueError, match=r"lies=1.5 is out of range; allowed is \[0, 1\]"):
        data.mislabelled(lies=1.5)


def test_what_is_learnt_judged_tested_and_tuned_are_other_digits():
    report, tuning = data.mislabelled(0), data.mislabelled(0, tuning=True)
    parts = [report.X, report.judge[0], report.test[0], tuning.X, tuning.judge[0], tuning.test[0]]
    rows = [{tuple(row) for row in part} for part in parts]
    for i, one in enumerate(rows):
        assert all(not one & other for other in rows[i + 1 :])


# --- what the chapter says ----------------------------------------------------------------------------


def test_training_without_end_hurts_where_labels_are_wrong():
    for seed in range(3):
        sheet = data.mislabelled(seed)
        path = walked(sheet, seed, 1500)[::10]
        loss = NET.loss(path, *sheet.test)
        assert loss[-1] > 1.2 * loss.min()
        assert NET.loss(path[-1], sheet.X, sheet.given) < 0.1


def test_lies_have_a_large_loss_early():
    found, lies = 0, 0
    for seed in range(5):
        sheet = data.mislabelled(seed)
        wrong = sheet.given != sheet.right
        hardest = np.argsort(-NET.losses(walked(sheet, seed, 50)[-1], sheet.X, sheet.given))[:50]
        found, lies = found + wrong[hardest].sum(), lies + wrong.sum()
    assert (found, lies) == (123, 132)


def test_equal_units_stay_equal():
    sheet = data.mislabelled(0)
    batches = oracles.minibatch(NET, sheet.X, sheet.given, batch_size=20, seed=0)
    end = descend(Optimizer(rules.sgd, lr=0.25), batches, np.full(NET.size, 0.1), 200)[-1]
    W = NET.unpack(end)[0].W
    assert np.ptp(W, axis=1).max() < 1e-12
    assert np.ptp(W, axis=0).max() > 0.01


@pytest.mark.parametrize("t", [1, 5, 100])
def test_t_steps_never_go_less_far_than_the_ridge(t):
    """Exercise 6."""
    x = np.linspace(0, 1, 101)
    assert (1 - (1 - x) ** t >= t * x / (1 + t * x) - 1e-15).all()


def test_dropout_of_inputs_is_a_ridge_in_expectation():
    """D9: the penalty is p / (1 - p) times the mean square of each feature."""
    X, y = data.regression(60, 3, seed=2)
    w, p, line = np.array([1.0, -0.5, 2.0]), 0.4, models.LinearRegression()
    rng = np.random.default_rng(0)
    sampled = np.mean([line.loss(w, layers.dropout(X, p, rng)[0], y) for _ in range(4000)])
    exact = line.loss(w, X, y) + 0.5 * p / (1 - p) * (w**2 * (X**2).mean(axis=0)).sum()
    assert sampled == pytest.approx(exact, rel=0.02)


def test_keras_keeps_the_biased_variance():
    """D10"""
    kept = {True: (np.zeros(1), np.ones(1)), False: (np.zeros(1), np.ones(1))}
    seen = []
    for x in np.random.default_rng(0).standard_normal((4000, 4, 1)):
        for unbiased, rate in ((True, 0.1), (False, 0.01)):
            kept[unbiased] = layers.moving_statistics(kept[unbiased], x, momentum=rate, unbiased=unbiased)
        seen.append((kept[True][1].item(), kept[False][1].item()))
    np.testing.assert_allclose(np.mean(seen[400:], axis=0), [1.0, 0.75], atol=0.03)


def test_lecuns_tanh_turns_variance_one_into_three_quarters():
    z, weight = np.polynomial.hermite_e.hermegauss(80)
    square = (1.7159 * np.tanh(2 * z / 3)) ** 2
    assert (weight * square).sum() / weight.sum() == pytest.approx(0.75, abs=1e-3)


def test_a_lower_threshold_does_what_mining_does():
    X, y = data.imbalanced(2000, rare=0.02, seed=0)
    new, rare = data.imbalanced(20_000, rare=0.02, seed=1)
    model, ends = models.LogisticRegression(), []
    for oracle in (
        oracles.hard_examples(model, X, y, batch_size=64, ratio=0.25, seed=0),
        oracles.minibatch(model, X, y, batch_size=64, seed=0),
    ):
        ends.append(model.predict(descend(Optimizer(rules.sgd, lr=0.1), oracle, np.zeros(3), 2000)[-1], new))
    mined, plain = ends
    recall, alarms = (mined > 0.5)[rare == 1].mean(), (mined > 0.5)[rare == 0].mean()
    threshold = np.quantile(plain[rare == 0], 1 - alarms)
    assert threshold < 0.5
    assert (plain > threshold)[rare == 1].mean() == pytest.approx(recall, abs=0.01)


def test_from_zero_only_the_last_bias_learns():
    """D19"""
    X, y = data.digits()
    net = models.MLP([64, 16, 16, 16, 10])
    g = net.grad(np.zeros(net.size), X, y)
    assert np.count_nonzero(g[:-10]) == 0
    assert np.count_nonzero(g[-10:]) == 10


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


def test_the_chapters_rule_of_patience_is_the_librarys():
    """The page's `stop`, typed again."""

    def stop(losses, patience=np.inf, gl=np.inf):
        lowest, kept = np.inf, 0
        for k, loss in enumerate(losses):
            lowest, kept = min((loss, k), (lowest, kept))
            if k - kept >= patience or loss > (1 + gl / 100) * lowest:
                break
        return k, kept

    for seed in range(20):
        losses = 1 + np.random.default_rng(seed).random(40)
        for own, criterion in (({"patience": 3}, tricks.Patience(3)), ({"gl": 20}, tricks.GL(20))):
            progress = criterion.init()
            for loss in losses:
                progress = criterion.tell(progress, loss)
                if progress.stop:
                    break
            assert (progress.evaluations - 1, progress.best_at - 1) == stop(losses, **own)


# --- drawings -----------------------------------------------------------------------------------------


def test_the_picture_has_train_test_before_and_the_lowest_point():
    train, test = np.array([[2.0, 1.0, 0.5]] * 3), np.array([[2.0, 0.8, 0.9], [2.0, 0.6, 0.7], [2.0, 0.7, 0.8]])
    (ax,) = data_tricks.learning(train, test, ideal=0.2, before=test + 0.1).figure.axes
    heights = [list(np.round(np.asarray(line.get_ydata(), dtype=float), 3)) for line in ax.lines]
    assert heights == [[0.2, 0.2], [2.1, 0.8, 0.9], [2.0, 1.0, 0.5], [2.0, 0.7, 0.8], [0.7]]
    assert ax.get_ylim() == (0, 1.2)
    with pytest.raises(ValueError, match="looks"):
        data_tricks.learning(train, test[:, :2], ideal=0.2)


def test_filters_have_one_colour_above_and_below():
    above, below = data_tricks.filters([0.1, 1.0], [[0, 1], [0, 0.9]], [1, 10], [[2, 1], [3, 1]]).figure.axes
    assert [line.get_color() for line in above.lines] == [line.get_color() for line in below.lines[::2]]
    assert [list(line.get_ydata()) for line in above.lines] == [[0, 1], [0, 0.9]]


def test_suspects_stand_in_the_order_of_their_losses():
    (ax,) = data_tricks.suspects([0.1, 3.0, 0.2], [False, True, False], first=1).figure.axes
    right, wrong = ax.lines[:2]
    assert (list(right.get_xdata()), list(right.get_ydata())) == ([2, 3], [0.2, 0.1])
    assert (list(wrong.get_xdata()), list(wrong.get_ydata())) == ([1], [3.0])


def test_the_dropout_figure_has_a_line_and_points_for_each_weight():
    picture = data_tricks.shrinking([0.0, 0.5], [[1.0, 2.0], [0.5, 1.0]], [[1.0, 2.0], [0.4, 1.1]])
    (ax,) = picture.figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines if line.get_label()[0] != "_"}
    assert lines == {"$w_1$": [1.0, 0.4], "$w_2$": [2.0, 1.1]}
    dots = [line for line in ax.lines if line.get_markersize() == 7]
    assert [list(line.get_ydata()) for line in dots] == [[1.0, 0.5], [2.0, 1.0]]
    with pytest.raises(ValueError, match=r"shapes \(2,\)"):
        data_tricks.shrinking([0.0, 0.5], [[1.0]], [[1.0]])
