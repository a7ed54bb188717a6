"""The figures of the chapter on batch, stochastic and mini-batch descent: what they draw, and what they refuse."""

import numpy as np
import pytest

from downhill_course.figures import variants
from optlib import surfaces


def lines(axes) -> dict[str, np.ndarray]:
    """Height of every labelled line."""
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}


def test_measurements_lie_on_their_formulas_and_rounding_is_no_point():
    x = np.array([1.0, 2.0, 4.0])
    picture = variants.measured(x, {"a": [1.0, 0.5, 1e-30]}, {"p": 1 / x}, xlabel="$x$", ylabel="$y$", mark=3.0)
    axes = picture.figure.axes[0]
    drawn = lines(axes)
    np.testing.assert_array_equal(drawn["a"], [1.0, 0.5, np.nan])
    np.testing.assert_array_equal(drawn["p"], 1 / x)
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert any(list(line.get_xdata()) == [3.0, 3.0] for line in axes.lines)


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
