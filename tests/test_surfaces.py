"""The test surfaces: gradients, minima, shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from optlib import surfaces
from optlib.oracles import central_difference
from optlib.surfaces import TABLE, Quadratic, Surface

every_surface = pytest.mark.parametrize("f", TABLE.values(), ids=TABLE)


def points(f: Surface, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    low, high = np.array(f.domain).T
    return np.random.default_rng(seed).uniform(low, high, (*shape, f.dim))


def hessian(f: Surface, point) -> np.ndarray:
    """The Hessian measured, of shape (..., d, d)."""
    h = 1e-5 * np.eye(f.dim)
    return np.stack([(f.grad(np.add(point, e)) - f.grad(np.subtract(point, e))) / 2e-5 for e in h], axis=-1)


def test_the_surfaces_of_the_course_are_there():
    assert {"bowl", "ravine", "rosenbrock", "beale", "himmelblau", "saddle", "three_lowlands", "waves"} <= set(TABLE)
    assert all(getattr(surfaces, name) is f and f.name == name and f.source for name, f in TABLE.items())
    assert surfaces.waves.dim == 1


@every_surface
def test_gradient_by_central_differences(f):
    for point in points(f, (50,)):
        claimed = f.grad(point)
        assert np.abs(claimed - central_difference(f, point)).max() < 1e-7 * max(1.0, np.abs(claimed).max())


@every_surface
def test_gradient_of_other_constants(f):
    changed = f.but(**{name: 1.7 * value for name, value in f.constants.items()})
    for point in points(f, (10,)):
        claimed = changed.grad(point)
        assert np.abs(claimed - central_difference(changed, point)).max() < 1e-7 * max(1.0, np.abs(claimed).max())
        assert not f.constants or np.any(claimed != f.grad(point))


@every_surface
def test_minima_are_minima_and_the_lowest_come_first(f):
    assert f.minima
    for point in f.minima:
        assert np.abs(f.grad(point)).max() < 1e-7
        assert np.linalg.eigvalsh(hessian(f, point)).min() > 0
    heights = [f(point) for point in f.minima]
    assert np.all(np.diff(heights) > -1e-9)
    assert heights[0] <= f(points(f, (5000,))).min() + 1e-9


@every_surface
def test_no_minimum_is_missing(f):
    """Newton's method from all over the domain: where it ends with positive curvature, a minimum is listed."""
    theta = points(f, (300,), seed=3)
    with np.errstate(all="ignore"):
        for _ in range(60):
            step = np.linalg.solve(hessian(f, theta) + 1e-12 * np.eye(f.dim), f.grad(theta)[..., None])[..., 0]
            theta = theta - np.clip(step, -0.5, 0.5)
        low, high = np.array(f.domain).T
        ended = (np.abs(f.grad(theta)).max(axis=-1) < 1e-8) & (theta >= low).all(axis=-1) & (theta <= high).all(axis=-1)
    found = theta[ended]
    found = found[np.linalg.eigvalsh(hessian(f, found)).min(axis=-1) > 1e-3]
    distance = np.abs(found[:, None, :] - np.array(f.minima)).max(axis=-1)
    assert distance.min(axis=1).max() < 1e-6  # each one found is listed
    assert distance.min(axis=0).max() < 1e-6  # each one listed is found


@every_surface
def test_domain_holds_start_and_minima(f):
    for point in (f.start, *f.minima):
        assert all(low <= x <= high for x, (low, high) in zip(point, f.domain, strict=True))
    assert len(f.start) == f.dim
    assert f(f.start) > f(f.minima[0])


@every_surface
@settings(max_examples=20, deadline=None)
@given(
    shape=array_shapes(min_dims=0, max_dims=3, max_side=7),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_batch_equals_single_points_exactly(f, shape, dtype, seed):
    theta = points(f, shape, seed).astype(dtype)
    values, gradients = f(theta), f.grad(theta)
    assert np.shape(values) == shape
    assert gradients.shape == theta.shape
    assert gradients.dtype == dtype
    for i in np.ndindex(shape):
        assert np.asarray(values)[i] == f(theta[i])
        assert np.array_equal(gradients[i], f.grad(theta[i]))


@every_surface
def test_points_of_another_dimension_are_told(f):
    for wrong in (1.0, np.ones(f.dim + 1), np.ones((f.dim, f.dim + 3))):
        for use in (f, f.grad):
            with pytest.raises(
                ValueError,
                match=rf"surface '{f.name}' has {f.dim} coordinates?, so points have shape",
            ):
                use(wrong)


@every_surface
def test_points_are_not_changed(f):
    theta = points(f, (3,))
    theta.flags.writeable = False
    f(theta)
    f.grad(theta)[...] = 0.0  # the gradient is an array of its own
    assert np.any(theta)


def test_known_values():
    """From the definitions, by hand."""
    assert surfaces.bowl([3.0, 2.0]) == 6.5
    assert surfaces.ravine([10.0, 1.0]) == 100.0
    assert surfaces.rosenbrock([-1.5, 2.0]) == 2.5**2 + 100 * 0.25**2
    assert surfaces.beale([3.0, 0.5]) == 0.0
    assert surfaces.beale([0.0, 0.0]) == 1.5**2 + 2.25**2 + 2.625**2
    assert surfaces.himmelblau([0.0, 0.0]) == 170.0
    assert surfaces.himmelblau(surfaces.himmelblau.minima) == pytest.approx([0, 0, 0, 0], abs=1e-18)
    assert surfaces.saddle.but(c=0.0)([1.0, 2.0]) == -1.5
    f, wells = surfaces.three_lowlands, [(-1.464767, -0.488265), (1.463275, 0.975516), (0.485225, -1.461663)]
    np.testing.assert_allclose(f.minima, wells, atol=1e-6)
    np.testing.assert_allclose(f(f.minima), [-1.377937, -0.841471, -0.679820], atol=1e-6)
    g = surfaces.waves
    np.testing.assert_allclose(g([[0.0], [2.9526], [5.8712]]), [0.0, 0.4641, 1.8518], atol=1e-4)


# --- other constants --------------------------------------------------------------------------------


def test_other_constants():
    f = surfaces.ravine.but(b=20.0, start=(5.0, 1.0), domain=((-6.0, 6.0), (-2.0, 2.0)), name="gully")
    assert (f([0.0, 1.0]), f.start, f.domain, f.name) == (10.0, (5.0, 1.0), ((-6.0, 6.0), (-2.0, 2.0)), "gully")
    assert surfaces.ravine([0.0, 1.0]) == 50.0
    assert dict(f.constants) == {"a": 1.0, "b": 20.0}


def test_minima_that_constants_move_are_dropped():
    assert surfaces.ravine.but(b=20.0).minima == ((0.0, 0.0),)
    assert surfaces.ravine.but(b=-1.0).minima == ()
    assert surfaces.saddle.but(c=0.0).minima == ()
    assert surfaces.saddle.but(c=0.1).minima == ()
    assert surfaces.saddle.but(c=0.0125, minima=[(0.0, 20.0**0.5)]).minima == [(0.0, 20.0**0.5)]
    assert surfaces.saddle.but(start=(0.5, 0.1)).minima == surfaces.saddle.minima


def test_unknown_constants_are_told():
    with pytest.raises(
        TypeError,
        match="surface 'ravine' has no constant c; it has a, b, and name, domain, start, minima can be changed",
    ):
        surfaces.ravine.but(c=1.0)
    with pytest.raises(TypeError, match="surface 'beale' has no constant a; it has none"):
        surfaces.beale.but(a=1.0)


def test_a_surface_cannot_be_changed():
    with pytest.raises(AttributeError):
        surfaces.bowl.start = (0.0, 0.0)
    with pytest.raises(TypeError):
        surfaces.bowl.constants["a"] = 2.0


# --- quadratics in any dimension ----------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(curvatures=st.lists(st.floats(0.01, 100), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_quadratic(curvatures, seed):
    f = Quadratic(curvatures)
    theta = np.random.default_rng(seed).standard_normal((4, len(curvatures)))
    np.testing.assert_allclose(
        f(theta), [sum(c * x * x for c, x in zip(curvatures, row, strict=True)) / 2 for row in theta], rtol=1e-12
    )
    np.testing.assert_allclose(f.grad(theta[0]), central_difference(f, theta[0]), rtol=1e-6, atol=1e-6)
    assert f.smoothness == max(curvatures)
    assert f.condition == max(curvatures) / min(curvatures)


@pytest.mark.parametrize("curvatures", [[], 3.0, [[1.0]]], ids=str)
def test_quadratic_wants_a_list(curvatures):
    with pytest.raises(ValueError, match="curvatures must be a list of numbers, one a dimension; given was"):
        Quadratic(curvatures)


def test_whole_numbers_are_points_like_others():
    f = surfaces.three_lowlands
    for points in (np.array([1, 1]), [1, 1], np.array([[1, 1], [0, 2]])):
        assert np.array_equal(f.grad(points), f.grad(np.asarray(points, dtype=float)))
        assert np.array_equal(f(points), f(np.asarray(points, dtype=float)))


def test_a_quadratic_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"points have shape \(..., 2\), one coordinate .*; theta has shape \(3,\)"):
        surfaces.Quadratic([1.0, 2.0]).grad([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="curvatures is not finite, first at entry 0"):
        surfaces.Quadratic([np.nan])


@pytest.mark.parametrize("value", ["x", None, np.nan, True])
def test_a_constant_is_a_finite_number(value):
    with pytest.raises(ValueError, match=r"surface 'ravine': b=.* is no finite number"):
        surfaces.ravine.but(b=value)


def test_a_surface_from_a_function_alone():
    """Its gradient is measured; one that is given must be that of the function."""
    known = surfaces.himmelblau
    f = surfaces.of(known.value, known.domain, known.start)
    points = np.random.default_rng(1).uniform(-4, 4, (7, 2))
    np.testing.assert_allclose(f.grad(points), known.grad(points), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(f.grad(points[0]), known.grad(points[0]), rtol=1e-6, atol=1e-5)
    assert (
        surfaces.of(known.value, known.domain, gradient=known.gradient).grad(points).tolist()
        == known.grad(points).tolist()
    )
    with pytest.raises(ValueError, match=r"gradient is .* but value rises by"):
        surfaces.of(known.value, known.domain, gradient=lambda x, y: (x, y))
    with pytest.raises(ValueError, match="domain="):
        surfaces.of(known.value, [(1.0, 0.0), (0.0, 1.0)])
