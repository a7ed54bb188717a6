"""The figures of the chapter on Adam, and the scatter of steps that any reader may draw: what they show and refuse."""

import numpy as np
import pytest

from downhill_course.figures import adam
from optlib import Optimizer, data, descend, rules
from optlib.view import colour, series


def lines(axes) -> dict[str, np.ndarray]:
    """Height of every labelled line."""
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}


def steps(rule, gradients, **settings) -> np.ndarray:
    """What a rule makes of a stream of gradients, in learning rates."""
    g = np.asarray(gradients, dtype=float)
    walk = descend(Optimizer(rule, lr=1.0, **settings), lambda theta, t: g[t], np.zeros(g.shape[1:]), len(g))
    return -np.diff(walk, axis=0)


# --- scatter and steps --------------------------------------------------------------------------------


def test_a_dot_stands_at_agreement_and_mean_step_and_its_bar_is_the_scatter():
    g = np.array([[3.0, -1.0], [3.0, -1.0], [3.0, -1.0], [3.0, -1.0]])
    made = np.array([[9.0, 9.0], [9.0, 9.0], [1.0, 0.0], [0.0, 1.0]])
    above, below = adam.scatter_and_steps({"w": g}, {"w": made}, late=2, marks=[1.0, 7.0]).figure.axes
    (dot,) = [container for container in above.containers if container.get_label() == "w"]
    assert (dot.lines[0].get_xdata()[0], dot.lines[0].get_ydata()[0]) == pytest.approx((1 / np.sqrt(5), 0.5))
    (bar,) = dot.lines[2][0].get_segments()
    assert np.diff(bar[:, 1]) == pytest.approx(2 * 0.5)
    np.testing.assert_array_equal(below.lines[0].get_ydata(), made[:, 0])
    assert {float(line.get_ydata()[0]) for line in below.lines[1:]} == {1.0, 7.0}


def test_names_and_shapes_must_fit():
    g = np.ones((3, 2))
    with pytest.raises(ValueError, match="gradients of a, but steps of b"):
        adam.scatter_and_steps({"a": g}, {"b": g})
    with pytest.raises(ValueError, match=r"'a': gradients of shape \(3, 2\), steps of \(3, 1\)"):
        adam.scatter_and_steps({"a": g}, {"a": g[:, :1]})


def test_the_three_words_have_their_colours():
    g = {word: np.ones((5, 1)) for word in ("lottery", "free", "the")}
    above, _ = adam.words(g, g).figure.axes
    hues = {box.get_label(): box.lines[0].get_color() for box in above.containers}
    assert hues == {"lottery": series(3), "free": series(6), "the": series(7)}


# --- the other figures --------------------------------------------------------------------------------


def test_steps_after_silences_are_drawn_with_their_bounds():
    (axes,) = adam.after_silence({10: [0.5, 0.6], 100: [1.0, 1.2]}, marks=[1.0, 7.27]).figure.axes
    drawn = lines(axes)
    np.testing.assert_array_equal(drawn["$k=100$"], [1.0, 1.2])
    assert [float(line.get_ydata()[0]) for line in axes.lines[:2]] == [1.0, 7.27]


def test_words_are_drawn_by_share_and_nothing_falls_off_the_scale():
    (axes,) = adam.by_share([0.1, 0.01], {"SGD, 4": [1.0, 0.0], "Adam, 1": [0.1, 0.2]}).figure.axes
    np.testing.assert_array_equal(lines(axes)["SGD, 4"], [1.0, 1e-6])
    hues = {line.get_label(): line.get_color() for line in axes.lines}
    assert hues == {"SGD, 4": colour("sgd"), "Adam, 1": colour("adam")}


def test_norms_run_from_adams_colour_to_adamaxs():
    drawn = adam.norms([1.0, -2.0, 0.5], {2: [1.0, 1.5, 1.4], 8: [1.0, 1.9, 1.7], np.inf: [1.0, 2.0, 1.8]})
    found = {line.get_label(): line for line in drawn.figure.axes[0].lines}
    assert list(found) == ["$p=2$", "$p=8$", r"$p=\infty$"]
    assert found["$p=2$"].get_color() == colour("adam")
    assert found[r"$p=\infty$"].get_color() == colour("adamax")
    np.testing.assert_allclose(found[r"$p=\infty$"].get_ydata(), [1.0, 2.0, 1.8])


def test_a_ring_marks_the_predicted_end_of_a_walk_that_is_drawn():
    drawn = adam.pulled([3.0, 2.0], {"adamw": [[0.0, 0.0], [1.0, 1.0]]}, {"adamw": [1.5, 1.0]})
    rings = [line for line in drawn.figure.axes[0].lines if line.get_markersize() == 17]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in rings] == [(1.5, 1.0)]
    with pytest.raises(ValueError, match="ends of sgd"):
        adam.pulled([3.0, 2.0], {"adamw": [[0.0, 0.0]]}, {"sgd": [1.0, 1.0]})


# --- what the chapter says ----------------------------------------------------------------------------


@pytest.mark.parametrize("silence", [10, 100, 1000, 5000])
def test_a_step_after_silence(silence):
    """B4: up to (1 - beta1) / sqrt(1 - beta2) learning rates."""
    found = steps(rules.adam, np.repeat([0.0, 1.0], [silence, 1]))[-1]
    assert found == pytest.approx({10: 0.482, 100: 0.980, 1000: 2.515, 5000: 3.1516}[silence], abs=5e-4)


def bound(beta1: float, beta2: float, t: np.ndarray) -> np.ndarray:
    """The longest step at update t, by the Cauchy-Schwarz inequality."""
    q = beta1**2 / beta2
    return (1 - beta1) / (1 - beta1**t) * np.sqrt((1 - beta2**t) / (1 - beta2) * (1 - q**t) / (1 - q))


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.9, 0.99), (0.5, 0.9), (0.0, 0.5)])
def test_no_stream_of_gradients_makes_a_longer_step_than_the_bound(beta1, beta2):
    rng = np.random.default_rng(1)
    g = rng.standard_cauchy((400, 300)) * 10.0 ** rng.uniform(-3, 3, 300)
    longest = np.abs(steps(rules.adam, g, beta1=beta1, beta2=beta2, eps=0.0)).max(axis=1)
    assert (longest <= bound(beta1, beta2, np.arange(1.0, 401.0)) * (1 + 1e-12)).all()


@pytest.mark.parametrize(("beta2", "told"), [(0.999, 7.270), (0.99, 2.345)])
def test_growing_gradients_reach_the_bound(beta2, told):
    growing = np.concatenate([np.full(8000, 1e-150), (beta2 / 0.9) ** np.arange(-299.0, 1.0)])
    assert steps(rules.adam, growing, beta2=beta2, eps=0.0)[-1] == pytest.approx(told, abs=2e-3)
    assert bound(0.9, beta2, np.array(1e9)) == pytest.approx(told, abs=5e-4)


def test_adamax_hardly_exceeds_its_rate():
    """B5, sharpened: the bound is (1 - beta1) / (1 - beta1 / beta2), reached by gradients that fade by beta2."""
    longest = steps(rules.adamax, 0.999 ** np.arange(2000.0)).max()
    assert longest == pytest.approx(0.1 / (1 - 0.9 / 0.999), rel=1e-9)


def test_adamw_stands_still_where_gradient_and_decay_balance():
    rng, goal, size = np.random.default_rng(0), np.array([3.0, 2.0]), np.array([4.0, 0.25])
    noise = size * rng.standard_normal((4000, 400, 2))
    walk = descend(
        Optimizer(rules.adamw, lr=0.01, weight_decay=0.25), lambda p, t: p - goal + noise[t], np.zeros((400, 2)), 4000
    )
    end = walk[-1000:].mean(axis=(0, 1))
    force = (end - goal) / np.hypot(size, end - goal)
    np.testing.assert_allclose(force, -0.25 * end, rtol=0.16)  # the walk itself wavers, which the formula leaves out


def test_alice_is_words_or_numbers_of_them():
    words, number = data.alice(), data.alice(vocabulary=300)
    assert words.shape == number.shape == (26_607,)
    assert set(words[number == 0]) == {"the"}
    counts = np.bincount(number[number >= 0])
    assert len(counts) == 300
    assert (np.diff(counts) <= 0).all()
    assert (words == "the").sum() == counts[0] == counts.max()
    with pytest.raises(ValueError, match="vocabulary=0"):
        data.alice(vocabulary=0)
