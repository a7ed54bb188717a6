"""The figures of the chapter on what makes training hard, and the curve on which four places lie."""

import numpy as np
import pytest

from downhill_course.figures import challenges
from optlib import models, tricks
from optlib.oracles import check_gradient
from optlib.view import Picture


@pytest.mark.parametrize("point", [[-2.05], [0.3]])
def test_the_profiles_gradient(point):
    assert check_gradient(challenges.profile, challenges.profile.grad, point).ok


def test_the_profile_has_what_its_letters_say():
    f = challenges.profile
    slope = {letter: float(f.grad(np.array([x]))[0]) for letter, x in challenges._MARKS.items()}
    assert -0.05 < slope["P"] < -0.01
    near = f.grad(np.linspace(-1.45, -1.15, 3001)[:, None])[:, 0]
    assert abs(near.max()) < 1e-7  # S is level
    assert abs(slope["S"]) < 1e-6
    assert (f.grad(np.array([[-1.45], [-1.15]])) < -0.1).all()  # downhill on both sides of S: no valley
    assert abs(slope["L"]) < 1e-2
    assert abs(slope["G"]) < 1e-2
    assert f([challenges._MARKS["G"]]) < f([challenges._MARKS["L"]]) < f([challenges._MARKS["S"]])


def test_a_sampled_plane_is_the_loss_at_its_points():
    cut = tricks.plane(lambda p: float((p**2) @ [1.0, 2.0, 3.0]), np.zeros(3), np.eye(3)[0], np.eye(3)[2], 2.0, n=41)
    f = challenges.sampled(cut)
    assert f.domain == ((-2.0, 2.0), (-2.0, 2.0))
    np.testing.assert_allclose(f([[1.0, 2.0], [0.0, 1.0], [2.0, 2.0]]), [13.0, 3.0, 16.0])
    assert abs(f([0.55, -1.27]) - (0.55**2 + 3 * 1.27**2)) < 0.02
    np.testing.assert_allclose(f.grad([0.5, -1.0]), [1.0, -6.0], rtol=1e-9)


def knobs(k):
    return (k[0] * k[1] - 1) ** 2 / 2


def test_pictures():
    norms = models.MLP([3, 4, 2]).layer_norms(models.MLP([3, 4, 2]).init(0), np.eye(3), [0, 1, 0])
    line = ([-1.0, 0.0, 1.0], [0.1, 0.5, 0.9])
    drawn = {
        "profile: a": challenges.on_profile({"a": np.array([[-5.0], [-4.0]])}),
        "map and loss: one, two": challenges.map_and_loss(
            {"one": np.array([[1.0, -1.0], [0.8, -0.8]]), "two": np.array([[2.0, 2.0], [9.0, 9.0]])}, knobs
        ),
        "flat stretches: a, b": challenges.flat_stretches({"a": {0.1: [[2.3, 2.0]]}, "b": {0.01: [[2.3], [2.3]]}}, 2.3),
        "index and height: N": challenges.index_and_height({"N": line}, line),
        "gradients by layer: relu": challenges.layers({"relu": norms}),
        "slices: one, two": challenges.slices({("raw", "one"): [1, 2], ("normed", "two"): [1, 3]}, [0, 1]),
    }
    for summary, shown in drawn.items():
        assert isinstance(shown, Picture)
        assert repr(shown) == f"<{summary}>"
        assert shown.png[:4] == b"\x89PNG"


def test_the_map_shows_where_the_walks_are_and_the_loss_how_high():
    figure = challenges.map_and_loss({"one": np.array([[1.0, -1.0], [0.5, 0.5], [1.0, 0.9]])}, knobs, eta=0.2).figure
    above, below = figure.axes
    (curve,) = [line for line in below.lines if line.get_label() == "_child0"]
    np.testing.assert_allclose(curve.get_ydata(), [2.0, 0.28125, 0.005])
    np.testing.assert_allclose(below.lines[-1].get_ydata(), [0.5, 0.32, 0.2048])  # the round bowl
    assert above.get_xlim() == above.get_ylim() == (-3, 3)
