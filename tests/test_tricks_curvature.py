"""Second order, spectrum and landscape: what they do at saddles, on known spectra, and under reparametrisation."""

import numpy as np
import pytest

from optlib import Optimizer, descend, models, rules, surfaces, tricks
from optlib.surfaces import Quadratic

SADDLE = surfaces.saddle.but(c=0.0)


def symmetric(d, seed=0):
    A = np.random.default_rng(seed).standard_normal((d, d))
    return A + A.T


def indefinite(d, seed=0):
    """A quadratic with eigenvalues of both signs: gradient, Hessian and a start."""
    H = symmetric(d, seed)
    return (lambda theta: H @ theta), H, np.random.default_rng(seed + 1).standard_normal(d)


# --- second order -------------------------------------------------------------------------------


def test_saddle_in_section_3_29():
    """5x² - y² from (1, 0.1): Newton goes to (0, 0), its repair to (0, 0.2)."""
    f = (lambda p: np.array([10.0, -2.0]) * p, lambda p: np.diag([10.0, -2.0]))
    assert np.allclose(tricks.newton(f, [1.0, 0.1], 1)[-1], [0.0, 0.0], atol=1e-15)
    assert np.allclose(tricks.newton(f, [1.0, 0.1], 1, saddle_free=True)[-1], [0.0, 0.2], atol=1e-15)


@pytest.mark.parametrize("delta", [1e-2, 1e-6, 1e-10])
def test_d7_newton_lands_on_the_saddle_and_its_repair_doubles_y(delta):
    start = [1.0, delta]
    assert np.abs(tricks.newton(SADDLE, start, 1)[-1]).max() < 1e-9
    path = tricks.newton(SADDLE, start, 5, saddle_free=True)
    assert np.allclose(path[1:, 1] / path[:-1, 1], 2.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("rule", "hyper", "steps"),
    [
        (rules.sgd, {"lr": 0.1}, (49, 145, 242)),
        (rules.momentum, {"lr": 0.1}, (19, 52, 86)),
        (rules.nag, {"lr": 0.1}, (17, 47, 76)),
        (rules.adam, {"lr": 0.1, "eps": 1e-16}, (11, 11, 11)),  # the default eps is not small beside g = 1e-10
    ],
)
def test_d7_steps_to_leave_the_saddle(rule, hyper, steps):
    for delta, expected in zip((1e-2, 1e-6, 1e-10), steps, strict=True):
        path = descend(Optimizer(rule, **hyper), SADDLE.grad, [1.0, delta], 300, strict=False)
        assert int(np.argmax(np.abs(path[:, 1]) > 1)) == expected
    assert (descend(Optimizer(rules.sgd, lr=0.1), SADDLE.grad, [1.0, 0.0], 300)[:, 1] == 0).all()


def test_newton_solves_a_bowl_in_one_step_whatever_its_condition():
    f = Quadratic(10.0 ** np.arange(6))
    theta = np.linspace(1.0, 2.0, 6)
    assert np.abs(tricks.newton(f, theta, 1)[-1]).max() < 1e-5
    assert np.allclose(tricks.newton(f, theta, 1)[-1], tricks.newton(f, theta, 1, saddle_free=True)[-1], atol=1e-12)


def test_newton_converges_quadratically_on_rosenbrock():
    path = tricks.newton(surfaces.rosenbrock, [-1.5, 2.0], 12)
    assert np.abs(path[-1] - 1).max() < 1e-9


def test_measured_hessian_is_the_true_one():
    x, y = -0.7, 1.3  # Rosenbrock: (1 - x)² + 100 (y - x²)²
    true = np.array([[2 - 400 * (y - 3 * x**2), -400 * x], [-400 * x, 200.0]])
    measured = tricks.hessian(surfaces.rosenbrock.grad, [x, y])
    assert np.allclose(measured, true, rtol=1e-7)
    assert (measured == measured.T).all()
    v = np.array([0.3, -2.0])
    assert np.allclose(tricks.hessian_vector(surfaces.rosenbrock.grad, [x, y], v), true @ v, rtol=1e-7)
    assert (tricks.hessian_vector(surfaces.rosenbrock.grad, [x, y], [0.0, 0.0]) == 0).all()


def test_a_small_saddle_free_step_descends_everywhere():
    for seed in range(20):
        grad, H, theta = indefinite(5, seed)
        new = tricks.saddle_free_newton_step(theta, grad(theta), H, lr=1e-3)
        assert new @ H @ new < theta @ H @ theta


def test_a_large_damping_is_a_small_gradient_step():
    grad, H, theta = indefinite(5)
    for step in (tricks.newton_step, tricks.saddle_free_newton_step):
        moved = (theta - step(theta, grad(theta), H, damping=1e8)) * 1e8
        assert np.allclose(moved, grad(theta), rtol=1e-5)


def test_flat_direction_without_gradient_needs_no_damping():
    H = np.diag([2.0, 0.0])
    assert np.allclose(tricks.saddle_free_newton_step([1.0, 5.0], [2.0, 0.0], H), [0.0, 5.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tricks.newton_step([1.0, 1.0], [1.0, 1.0], np.diag([1.0, 0.0])), ValueError, "damping"),
        (lambda: tricks.saddle_free_newton_step([1.0, 1.0], [1.0, 1.0], np.diag([1.0, 0.0])), ValueError, "damping"),
        (lambda: tricks.newton_step([1.0, 1.0], [1.0, 1.0], np.eye(3)), ValueError, r"\(2, 2\)"),
        (lambda: tricks.newton_step([1.0, 1.0], [1.0], np.eye(2)), ValueError, "g has shape"),
        (lambda: tricks.newton_step([1.0, 1.0], [1.0, np.nan], np.eye(2)), ValueError, "not finite"),
        (lambda: tricks.newton_step([1.0, 1.0], [1.0, 1.0], [[1.0, 2.0], [0.0, 1.0]]), ValueError, "not symmetric"),
        (lambda: tricks.newton_step([1, 1], [1.0, 1.0], np.eye(2)), TypeError, "floats"),
        (lambda: tricks.newton_step([1.0], [1.0], [[1.0]], damping=-1.0), ValueError, r"\[0, inf\)"),
        (lambda: tricks.newton_step([1.0], [1.0], [[1.0]], lr=0.0), ValueError, "lr"),
        (lambda: tricks.newton(3.0, [1.0], 1), TypeError, "no method grad"),
        (lambda: tricks.newton((np.sin,), [1.0], 1), TypeError, "pair"),
        (lambda: tricks.newton(surfaces.bowl, [1.0, 1.0], -1), ValueError, "steps=-1"),
        (lambda: tricks.lanczos(lambda v: v, [1.0], 2), ValueError, "k=2"),
        (lambda: tricks.lanczos(lambda v: v, [0.0, 0.0], 1), ValueError, "start is zero"),
        (lambda: tricks.lanczos(lambda v: v[:1], [1.0, 0.0], 1), ValueError, r"product\(v\) has shape"),
        (lambda: tricks.filter_normalised([(2, 2)], [1.0, 2.0]), ValueError, "hold 4 numbers"),
        (lambda: tricks.filter_normalised([(2,)], [1.0, 2.0]), ValueError, "no filter"),
        (lambda: tricks.filter_normalised(lambda p: [p.reshape(2, 2).copy()], np.ones(4)), ValueError, "copies"),
        (lambda: tricks.plane(np.sum, [1.0, 1.0], [1.0, 0.0], [2.0, 0.0]), ValueError, "parallel"),
        (lambda: tricks.plane(np.sum, [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], n=1), ValueError, "n=1"),
        (lambda: tricks.line(np.sum, [1.0], [1.0], extent=(1.0, 0.0)), ValueError, "lower one first"),
        (lambda: tricks.line(lambda p: p, [1.0], [1.0]), ValueError, "single number"),
        (lambda: tricks.through([0.0, 0.0], [1.0, 1.0], [2.0, 2.0]), ValueError, "one line"),
    ],
)
def test_bad_input_is_told_so(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- spectrum -----------------------------------------------------------------------------------


def test_lanczos_finds_the_whole_spectrum():
    H = symmetric(60)
    krylov = tricks.lanczos(lambda v: H @ v, np.ones(60), 60)
    assert np.allclose(np.linalg.eigvalsh(krylov.matrix), np.linalg.eigvalsh(H), atol=1e-10)
    assert np.allclose(krylov.basis.T @ krylov.basis, np.eye(60), atol=1e-13)


def test_reorthogonalisation_leaves_no_ghosts():
    """One large eigenvalue converges early; without reorthogonalisation a copy of it would come back."""
    H = np.diag([*np.linspace(0, 1, 99), 1000.0])
    values, vectors = tricks.ritz(lambda v: H @ v, np.ones(100), 60)
    assert (values > 500).sum() == 1
    assert np.allclose(vectors.T @ vectors, np.eye(60), atol=1e-12)
    assert np.allclose(H @ vectors[:, -1], 1000.0 * vectors[:, -1], atol=1e-8)


def test_lanczos_stops_where_the_space_ends():
    H = np.diag([1.0, 1.0, 1.0, 3.0])  # two different eigenvalues: two dimensions
    krylov = tricks.lanczos(lambda v: H @ v, np.ones(4), 4)
    assert krylov.basis.shape == (4, 2)
    assert np.allclose(np.linalg.eigvalsh(krylov.matrix), [1.0, 3.0])


def test_ritz_values_of_a_model_are_those_of_its_hessian():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 12)) * np.linspace(0.1, 3, 12)
    y = (rng.random(50) < 0.5).astype(float)
    model, theta = models.LogisticRegression(l2=0.01), rng.standard_normal(12)

    def grad(p):
        return model.grad(p, X, y)

    values, _ = tricks.ritz(lambda v: tricks.hessian_vector(grad, theta, v), rng.standard_normal(12), 12)
    p = model.predict(theta, X)
    true = (X.T * (p * (1 - p))) @ X / 50 + 0.01 * np.eye(12)
    assert np.allclose(values, np.linalg.eigvalsh(true), atol=1e-8)


# --- landscape ----------------------------------------------------------------------------------


SHAPES = [(3, 5), (5,), (5, 2), (2,)]


def network(theta, X):
    """A ReLU network without anything of the library's: the function that reparametrisation leaves alone."""
    W1, b1, W2, b2 = tricks.unpacked(SHAPES)(theta)
    return np.maximum(X @ W1 + b1, 0) @ W2 + b2


def scaled(theta, factor):
    twin = theta.copy()
    W1, b1, W2, _ = tricks.unpacked(SHAPES)(twin)
    W1 *= factor
    b1 *= factor
    W2 /= factor
    return twin


def test_d14_filter_normalised_cuts_do_not_see_a_reparametrisation():
    rng = np.random.default_rng(0)
    X, target = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    theta = rng.standard_normal(32)
    twin = scaled(theta, 10.0)

    def loss(p):
        return ((network(p, X) - target) ** 2).mean()

    assert loss(theta) == pytest.approx(loss(twin), rel=1e-12)
    normed = [tricks.line(loss, p, tricks.filter_normalised(SHAPES, p, seed=1))[1] for p in (theta, twin)]
    raw = [tricks.line(loss, p, tricks.random_direction(p, seed=1))[1] for p in (theta, twin)]
    assert np.allclose(*normed, rtol=1e-12)
    assert np.abs(raw[0] - raw[1]).max() > 10


def test_filters_take_the_trained_lengths_and_biases_stay():
    theta = np.random.default_rng(0).standard_normal(32)
    d = tricks.filter_normalised(SHAPES, theta, seed=4)
    for drawn, trained in zip(tricks.unpacked(SHAPES)(d), tricks.unpacked(SHAPES)(theta), strict=True):
        if drawn.ndim == 2:
            assert np.allclose(np.linalg.norm(drawn, axis=0), np.linalg.norm(trained, axis=0))
        else:
            assert (drawn == 0).all()
    assert (d == tricks.filter_normalised(tricks.unpacked(SHAPES), theta, seed=4)).all()
    assert (d != tricks.filter_normalised(SHAPES, theta, seed=5)).any()


def test_a_dead_filter_stays_dead():
    theta = np.ones(32)
    tricks.unpacked(SHAPES)(theta)[0][:, 2] = 0.0
    assert (tricks.unpacked(SHAPES)(tricks.filter_normalised(SHAPES, theta))[0][:, 2] == 0).all()


def test_a_given_direction_is_normalised_and_left_as_it_was():
    given = np.ones(32)
    tricks.filter_normalised(SHAPES, np.full(32, 2.0), direction=given)
    assert (given == 1).all()
    assert np.allclose(tricks.filter_normalised([(4, 8)], np.full(32, 2.0), direction=given), 2.0)


def test_plane_is_what_contours_want():
    cut = tricks.plane(lambda p: p @ p, np.zeros(3), [1.0, 0, 0], [0, 2.0, 0], ((-1, 2), (0, 1)), n=4)
    assert np.allclose(cut.a, [-1, 0, 1, 2])
    assert np.allclose(cut.loss, cut.a[None, :] ** 2 + 4 * cut.b[:, None] ** 2)


def test_plane_through_three_points_goes_through_them():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((3, 10))
    frame = tricks.through(*points)
    assert np.allclose(frame.origin + frame.corners @ np.array([frame.d1, frame.d2]), points)
    assert frame.d1 @ frame.d2 == pytest.approx(0.0, abs=1e-14)


def test_a_loss_that_overflows_leaves_a_hole():
    _, values = tricks.line(lambda p: np.exp(p[0]), [0.0], [1.0], extent=1000.0, n=3)
    assert values.tolist() == [0.0, 1.0, np.inf]
