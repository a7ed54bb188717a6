"""The figures and experiments of the chapter on what makes training hard."""

import numpy as np
import pytest

from downhill_course.figures import challenges
from optlib import Optimizer, descend, models, rules, tricks
from optlib.oracles import check_gradient
from optlib.view import Picture


@pytest.mark.parametrize(
    ("surface", "point"),
    [(challenges.profile, [-2.05]), (challenges.profile, [0.3]), (challenges.recurrent, [4.2, -2.0]),
     (challenges.valleys, [0.9]), (challenges.valleys, [3.0])],
)  # fmt: skip
def test_gradients(surface, point):
    assert check_gradient(surface, surface.grad, point).ok


def test_the_profile_has_what_its_letters_say():
    f = challenges.profile
    slope = {letter: float(f.grad(np.array([x]))[0]) for letter, x in challenges._MARKS.items()}
    assert -0.05 < slope["P"] < -0.01
    assert abs(slope["S"]) < 1e-3
    assert (f.grad(np.array([[-1.45], [-1.15]])) < -0.1).all()  # downhill on both sides of S: no valley
    assert abs(slope["L"]) < 1e-2
    assert abs(slope["G"]) < 1e-2
    assert f([challenges._MARKS["G"]]) < f([challenges._MARKS["L"]]) < f([challenges._MARKS["S"]])


def test_share_of_positive_matrices():
    exact = [1 / 2, (2 - 2**0.5) / 4, (np.pi - 2 * 2**0.5) / (4 * np.pi)]
    for n, share in enumerate(exact, start=1):
        assert abs(challenges.positive_share(n, 20_000) - share) < 4 * (share * (1 - share) / 20_000) ** 0.5
    with pytest.raises(ValueError, match="n=0"):
        challenges.positive_share(0, 10)


def test_noise_drives_out_of_the_sharp_valley_only():
    """A minimum of curvature a keeps SGD whose examples have 0 or 2 times its curvature iff the factor is below 1."""
    f, eta = challenges.valleys, 0.08
    for at, a, stays in ((0.0, 18.0, False), (4.0, 1.0, True)):
        factor = (1 - eta * a) ** 2 + (eta * a) ** 2
        assert (factor < 1) == stays

        def one(theta, t):
            return np.random.default_rng([3, t]).choice([0.0, 2.0], theta.shape) * f.grad(theta)

        ends = descend(Optimizer(rules.sgd, lr=eta), one, np.full((50, 1), at + 0.01), 300)[-1]
        assert (np.abs(ends - at) < 0.5).all() == stays


def test_a_sampled_plane_is_the_loss_at_its_points():
    cut = tricks.plane(lambda p: float((p**2) @ [1.0, 2.0, 3.0]), np.zeros(3), np.eye(3)[0], np.eye(3)[2], 2.0, n=41)
    f = challenges.sampled(cut)
    assert f.domain == ((-2.0, 2.0), (-2.0, 2.0))
    np.testing.assert_allclose(f([[1.0, 2.0], [0.0, 1.0], [2.0, 2.0]]), [13.0, 3.0, 16.0])
    assert abs(f([0.55, -1.27]) - (0.55**2 + 3 * 1.27**2)) < 0.02
    np.testing.assert_allclose(f.grad([0.5, -1.0]), [1.0, -6.0], rtol=1e-9)


def test_pictures():
    walk = np.array([[4.6, -2.29], [4.5, -2.2]])
    norms = models.MLP([3, 4, 2]).layer_norms(models.MLP([3, 4, 2]).init(0), np.eye(3), [0, 1, 0])
    drawn = {
        "profile: a": challenges.on_profile({"a": np.array([[-5.0], [-4.0]])}),
        "shares: H": challenges.shares([1, 2], {"H": [0.5, 0.1]}, {"line": [0.5, 0.25]}),
        "recurrent: sgd; clipped": challenges.two_walks(challenges.recurrent, {"sgd": walk}, {"clipped": walk}),
        "gradients by layer: relu": challenges.layers({"relu": norms}),
        "slices: one, two": challenges.slices({("raw", "one"): [1, 2], ("normed", "two"): [1, 3]}, [0, 1]),
        "final losses for widths 3, 6": challenges.final_losses({3: [1.0, 2.0], 6: [0.1, 0.2]}),
    }
    for summary, shown in drawn.items():
        assert isinstance(shown, Picture)
        assert repr(shown) == f"<{summary}>"
        assert shown.png[:4] == b"\x89PNG"
