"""The figures of the chapter on batch, stochastic and mini-batch descent: what they draw, and what they refuse."""

import numpy as np
import pytest

from downhill_course.figures import variants
from optlib import data, models, surfaces
from optlib.oracles import check_gradient

MODEL = models.LinearRegression()
X, Y = data.line(n=30, seed=3)
DOMAIN = ((-3.0, 4.0), (-2.0, 5.0))
LOSS = variants.loss_surface(MODEL, X, Y, domain=DOMAIN, start=(-2.0, -1.0))


def lines(axes) -> dict[str, np.ndarray]:
    """Height of every labelled line."""
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}


def test_the_loss_surface_is_the_models_loss():
    points = np.random.default_rng(0).normal(size=(4, 5, 2))
    np.testing.assert_allclose(LOSS(points), MODEL.loss(points, X, Y), rtol=1e-14)
    np.testing.assert_allclose(LOSS.grad(points), MODEL.grad(points, X, Y), rtol=1e-12)
    assert LOSS.grad(points[0, 0]).shape == (2,)
    assert check_gradient(LOSS, LOSS.grad, [0.3, -0.7]).ok


def test_its_minimum_is_one():
    assert np.abs(LOSS.grad(LOSS.minima[0])).max() < 1e-14


def test_a_model_with_three_parameters_is_refused():
    table, labels = data.two_classes(n=10)
    with pytest.raises(ValueError, match=r"\(10, 3\).*two parameters"):
        variants.loss_surface(MODEL, table, labels, domain=DOMAIN, start=(0.0, 0.0))


def test_measurements_lie_on_their_formulas_and_rounding_is_no_point():
    x = np.array([1.0, 2.0, 4.0])
    picture = variants.measured(x, {"a": [1.0, 0.5, 1e-30]}, {"p": 1 / x}, xlabel="$x$", ylabel="$y$", mark=3.0)
    axes = picture.figure.axes[0]
    drawn = lines(axes)
    np.testing.assert_array_equal(drawn["a"], [1.0, 0.5, np.nan])
    np.testing.assert_array_equal(drawn["p"], 1 / x)
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert any(list(line.get_xdata()) == [3.0, 3.0] for line in axes.lines)


def test_each_curve_has_its_floor():
    picture = variants.floors({"a": [1.0, 0.3], "b": [1.0, 0.1]}, [0.25, 0.125])
    level = [line.get_ydata()[0] for line in picture.figure.axes[0].lines if set(line.get_ydata()) <= {0.25, 0.125}]
    assert level == [0.25, 0.125]
    with pytest.raises(ValueError, match="1 curves have 2 floors"):
        variants.floors({"a": [1.0]}, [0.1, 0.2])


def test_one_sample_losses_average_to_the_function_and_meet_at_the_point():
    at = surfaces.waves.minima[1][0]
    drawn = lines(variants.one_sample_losses(surfaces.waves, 1.5, at).figure.axes[0])
    f, up, down = drawn["$f$"], drawn["$f + b(x-x_0)$"], drawn["$f - b(x-x_0)$"]
    np.testing.assert_allclose((up + down) / 2, f, atol=1e-12)
    np.testing.assert_allclose(np.gradient((up - down) / 2, 16 / 400), 1.5)


def test_progress_is_measured_on_the_law_and_ringed_at_one_half():
    picture = variants.progress([1, 10, 100], {"a": [0.1, 0.5, 0.9], "b": [0.01, 0.1, 0.5]}, [10.0, 1000.0])
    axes = picture.figure.axes[0]
    np.testing.assert_array_equal(lines(axes)["a"], [0.1, 0.5, 0.9])
    law = next(line for line in axes.lines if len(line.get_xdata()) == 200)
    np.testing.assert_allclose(law.get_ydata(), 1 / (1 + 10 / law.get_xdata()))
    rings = [line.get_xydata().tolist() for line in axes.lines if line.get_markersize() == 13]
    assert rings == [[[10.0, 0.5]]]  # 1000 lies outside
    with pytest.raises(ValueError, match="1 curves have 2 critical sizes"):
        variants.progress([1], {"a": [0.1]}, [1.0, 2.0])


def test_losses_by_batch_shows_median_and_range():
    picture = variants.losses_by_batch({"five epochs": {1: [0.2, 0.3, 0.9], 16: [0.5, 0.4, 0.6]}})
    (bars,) = picture.figure.axes[0].containers
    middle, _, (stems,) = bars.lines
    assert list(middle.get_ydata()) == [0.3, 0.5]
    assert [segment[:, 1].round(9).tolist() for segment in stems.get_segments()] == [[0.2, 0.9], [0.4, 0.6]]
