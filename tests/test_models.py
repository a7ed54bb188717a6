"""Models: gradients, batches of parameters, smoothness, and data that do not fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from optlib import Optimizer, data, descend, rules
from optlib.models import LinearRegression, LogisticRegression, checked_data
from optlib.oracles import central_difference, full_batch

MODELS = [LinearRegression(), LogisticRegression(), LogisticRegression(l2=0.5)]
every_model = pytest.mark.parametrize("model", MODELS, ids=["linear", "logistic", "logistic-l2"])
X, Y = data.two_classes(40, d=3, seed=1)


@every_model
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), scale=st.floats(0.01, 10))
def test_gradient_by_central_differences(model, seed, scale):
    theta = scale * np.random.default_rng(seed).standard_normal(4)
    claimed = model.grad(theta, X, Y)
    measured = central_difference(lambda t: model.loss(t, X, Y), theta)
    np.testing.assert_allclose(claimed, measured, atol=1e-7 * max(1.0, np.abs(claimed).max()))


@every_model
@settings(max_examples=20, deadline=None)
@given(shape=array_shapes(min_dims=0, max_dims=3, max_side=4), rows=st.integers(1, 40))
def test_batch_of_parameters_equals_loop(model, shape, rows):
    theta = np.random.default_rng(0).standard_normal((*shape, 4))
    loss, grad = model.loss(theta, X[:rows], Y[:rows]), model.grad(theta, X[:rows], Y[:rows])
    assert np.shape(loss) == shape
    assert grad.shape == theta.shape
    assert model.predict(theta, X[:rows]).shape == (*shape, rows)
    for i in np.ndindex(shape):
        np.testing.assert_allclose(np.asarray(loss)[i], model.loss(theta[i], X[:rows], Y[:rows]), rtol=1e-13)
        np.testing.assert_allclose(grad[i], model.grad(theta[i], X[:rows], Y[:rows]), rtol=1e-11, atol=1e-14)


@every_model
def test_loss_is_a_mean_over_examples(model):
    """E17: twice the same data, the same loss and gradient; and a gradient is the mean of its examples'."""
    theta = np.array([0.1, -0.2, 0.3, 0.4])
    twice = np.vstack([X, X]), np.concatenate([Y, Y])
    assert model.loss(theta, *twice) == pytest.approx(model.loss(theta, X, Y), rel=1e-14)
    single = [model.grad(theta, X[i : i + 1], Y[i : i + 1]) for i in range(len(X))]
    np.testing.assert_allclose(np.mean(single, axis=0), model.grad(theta, X, Y), rtol=1e-12)


def test_known_values():
    rows, targets = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.0])
    linear = LinearRegression()
    assert linear.loss([1.0, 1.0], rows, targets) == 0.25 * (2**2 + 7**2)
    assert linear.grad([1.0, 1.0], rows, targets).tolist() == [(2 * 1 + 7 * 3) / 2, (2 * 2 + 7 * 4) / 2]
    assert linear.predict([1.0, 1.0], rows).tolist() == [3.0, 7.0]
    logistic = LogisticRegression()
    assert logistic.loss([0.0, 0.0], rows, targets) == pytest.approx(np.log(2))
    assert logistic.grad([0.0, 0.0], rows, targets).tolist() == [(-0.5 * 1 + 0.5 * 3) / 2, (-0.5 * 2 + 0.5 * 4) / 2]
    np.testing.assert_allclose(logistic.predict([1.0, 0.0], rows), 1 / (1 + np.exp([-1.0, -3.0])))
    assert LogisticRegression(l2=2.0).loss([3.0, 4.0], 0 * rows, targets) == pytest.approx(np.log(2) + 25)


# --- minimum and smoothness ---------------------------------------------------------------------------


def test_minimum_of_linear_regression_has_no_gradient():
    rows, targets = data.regression(100, d=6, seed=2)
    best = LinearRegression().minimum(rows, targets)
    assert np.abs(LinearRegression().grad(best, rows, targets)).max() < 1e-14
    for shift in 1e-3 * np.vstack([np.eye(6), -np.eye(6)]):
        assert LinearRegression().loss(best + shift, rows, targets) > LinearRegression().loss(best, rows, targets)


def test_two_over_l_is_the_limit_of_linear_regression():
    rows, targets = data.regression(100, d=4, seed=2)
    model = LinearRegression()
    best, limit = model.minimum(rows, targets), 2 / model.smoothness(rows)
    start = best + np.linalg.eigh(rows.T @ rows)[1][:, -1]  # along the steepest direction
    below, above = (
        np.linalg.norm(
            descend(Optimizer(rules.sgd, lr=share * limit), full_batch(model, rows, targets), start, 400)[-1] - best
        )
        for share in (0.99, 1.01)
    )
    assert below == pytest.approx(0.98**400, rel=1e-3)
    assert above == pytest.approx(1.02**400, rel=1e-3)


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_smoothness_bounds_the_curvature_of_logistic_regression(l2):
    model, rng = LogisticRegression(l2), np.random.default_rng(3)
    bound = model.smoothness(X)
    for theta in rng.standard_normal((10, 4)):
        hessian = np.array([central_difference(lambda t, i=i: model.grad(t, X, Y)[i], theta) for i in range(4)])
        assert np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1] <= bound
    at_zero = np.array([central_difference(lambda t, i=i: model.grad(t, X, Y)[i], np.zeros(4)) for i in range(4)])
    assert np.linalg.eigvalsh(at_zero)[-1] == pytest.approx(bound, rel=1e-6)  # where the bound is reached
    path = descend(Optimizer(rules.sgd, lr=1 / bound), full_batch(model, X, Y), np.zeros(4), 50)
    assert np.all(np.diff(model.loss(path, X, Y)) <= 1e-15)


def test_gradient_descent_learns_two_classes():
    model = LogisticRegression(l2=1e-3)
    rows, labels = data.two_classes(300, distance=4.0, seed=4)
    theta = descend(Optimizer(rules.sgd, lr=1.0), full_batch(model, rows, labels), np.zeros(3), 300)[-1]
    assert ((model.predict(theta, rows) > 0.5) == labels).mean() > 0.95


# --- numbers of extreme size ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [50.0, 800.0, 1e4, 1e300])
def test_large_logits_do_not_overflow(size):
    model, rows = LogisticRegression(), np.array([[1.0], [-1.0]])
    with np.errstate(all="raise", under="ignore"):
        assert model.loss([size], rows, np.array([1.0, 0.0])) == pytest.approx(0.0, abs=1e-20)
        assert model.loss([size], rows, np.array([0.0, 1.0])) == pytest.approx(size)
        assert model.grad([size], rows, np.array([1.0, 0.0]))[0] == pytest.approx(0.0, abs=1e-20)
        assert model.grad([size], rows, np.array([0.0, 1.0]))[0] == pytest.approx(1.0)
        assert model.predict([size], rows).tolist() == pytest.approx([1.0, 0.0], abs=1e-20)


# --- what does not fit --------------------------------------------------------------------------------------


@every_model
def test_parameters_that_do_not_fit_are_told(model):
    for theta in (1.0, [1.0], np.zeros((4, 3)), np.zeros(5)):
        with pytest.raises(
            ValueError, match=r"theta has shape .*, but the data have 4 columns: it must have shape \(\.\.\., 4\)"
        ):
            model.grad(theta, X, Y)
        with pytest.raises(ValueError, match="4 columns"):
            model.loss(theta, X, Y)
        with pytest.raises(ValueError, match="4 columns"):
            model.predict(theta, X)


@every_model
def test_no_rows_are_told(model):
    for use in (model.loss, model.grad):
        with pytest.raises(ValueError, match=r"the data set is empty: X has shape \(0, 4\)"):
            use(np.zeros(4), X[:0], Y[:0])


@every_model
@pytest.mark.parametrize("y", [Y[:, None], Y[:5], np.float64(1.0)], ids=["column", "short", "number"])
def test_targets_that_would_broadcast_are_told(model, y):
    """A column of targets would make a table of n x n residuals, and a wrong gradient of the right shape."""
    for use in (model.loss, model.grad):
        with pytest.raises(ValueError, match=r"y has shape .*, but X has 40 rows: y must have shape \(40,\)"):
            use(np.zeros(4), X, y)


def test_checked_data_makes_tables():
    rows, targets = checked_data([[1, 2], [3, 4]], [0, 1])
    assert rows.dtype == float
    assert targets.tolist() == [0, 1]


@pytest.mark.parametrize("l2", [-1.0, np.nan, np.inf])
def test_penalty_out_of_range(l2):
    with pytest.raises(ValueError, match=r"l2=.* is out of range; allowed is \[0, inf\)|l2=nan: it must be a number"):
        LogisticRegression(l2)


# --- the data sets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [data.line, data.regression, data.two_classes], ids=lambda f: f.__name__)
def test_data_follow_from_their_seed(make):
    one, same, other = make(30, seed=1), make(30, seed=1), make(30, seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert one[0].shape[0] == len(one[1]) == 30
    checked_data(*one)
    with pytest.raises(ValueError, match=r"=0: it must be a whole number, 1 or more|digits=.*places=3"):
        make(0)


def test_data_are_what_they_say():
    rows, targets = data.line(5000, slope=3.0, intercept=-1.0, noise=0.1, seed=1)
    np.testing.assert_allclose(LinearRegression().minimum(rows, targets), [-1.0, 3.0], atol=0.02)
    assert np.all(rows[:, 0] == 1)
    assert np.abs(rows[:, 1]).max() <= 1
    rows, _ = data.regression(20_000, d=4, condition=25.0, seed=1)
    spectrum = np.linalg.eigvalsh(rows.T @ rows / len(rows))
    assert spectrum[-1] / spectrum[0] == pytest.approx(25.0, rel=0.1)
    rows, labels = data.two_classes(10_000, distance=3.0, seed=1)
    centres = [rows[labels == k, 1:].mean(axis=0) for k in (0, 1)]
    assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(3.0, abs=0.1)
    assert labels.mean() == 0.5


def test_three_points_for_sums_by_hand():
    rows, targets = data.three_points()
    model = LinearRegression()
    np.testing.assert_allclose(model.minimum(rows, targets), [1.0, 1.0], rtol=1e-14)
    assert model.loss([1.0, 1.0], rows, targets) == 0.25
    np.testing.assert_allclose(np.linalg.eigvalsh(rows.T @ rows / 3), [2 / 3, 4.0], rtol=1e-14)
    assert model.smoothness(rows) == pytest.approx(4.0, rel=1e-14)


@pytest.mark.parametrize("labels", [[-1.0, 1.0], [1, 2], [0.0, 0.5]])
def test_a_logistic_regression_wants_labels_zero_and_one(labels):
    for work in (LogisticRegression().loss, LogisticRegression().grad):
        with pytest.raises(ValueError, match="the labels of a logistic regression are 0 and 1"):
            work(np.zeros(1), np.ones((2, 1)), np.array(labels))
