"""Compiled rules give NumPy's numbers: kernels to the last bit, descents to 1e-12, on every rule and surface."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from optlib import NotFinite, Optimizer, compile, data, descend, models, oracles, rules, schedules, surfaces
from optlib.compile import CannotCompile, clock
from optlib.surfaces import Surface

pytest.importorskip("numba", reason="the compiled engine needs Numba: pip install 'optlib[fast]'")

ELEMENTWISE = [rule for rule in rules.TABLE.values() if rule not in rules.WHOLE]
WITHOUT_LOSS = [rule for rule in ELEMENTWISE if rule is not rules.irprop_plus]
PLANES = list(surfaces.TABLE.values())


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Compiled code of this run, apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTLIB_CACHE", str(tmp_path_factory.mktemp("compiled")))
        patch.setattr(compile.native, "_MODULES", {})
        patch.setattr(compile.native, "_COMPILED", {})
        compile.native._kernel.cache_clear()
        yield
        compile.native._kernel.cache_clear()


def gentle(rule) -> Optimizer:
    """A rule at a rate at which no surface of the book makes it diverge."""
    opt = Optimizer(rule)
    return Optimizer(rule, lr=min(1e-3, opt.hyper["lr"])) if "lr" in opt.hyper else opt


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rule", WITHOUT_LOSS, ids=lambda r: r.__name__)
def test_kernel_is_numpy_to_the_last_bit(rule, dtype):
    rng = np.random.default_rng(0)
    optimizer = Optimizer(rule)
    theta = rng.standard_normal(403).astype(dtype)
    state = optimizer.init(theta)
    ours, mine = theta.copy(), {name: array.copy() for name, array in state.items()}
    step = compile.kernel(optimizer, dtype=dtype)
    for _ in range(4):
        g = rng.standard_normal(403).astype(dtype)
        g[:100] = 0
        theta, state = optimizer.tell(theta, g, state)
        step(ours, g, mine)
    assert theta.dtype == dtype
    np.testing.assert_array_equal(ours, theta)
    assert mine.keys() == state.keys()
    for name in state:
        np.testing.assert_array_equal(mine[name], state[name], err_msg=name)


@pytest.mark.parametrize("rule", WITHOUT_LOSS, ids=lambda r: r.__name__)
def test_inexact_kernel_moves_the_last_bit_only(rule):
    rng = np.random.default_rng(0)
    optimizer = Optimizer(rule)
    theta, g = rng.standard_normal(403), rng.standard_normal(403)
    state = optimizer.init(theta)
    expected, _ = optimizer.tell(theta, g, state)
    compile.kernel(optimizer, exact=False)(theta, g, state)
    np.testing.assert_allclose(theta, expected, rtol=1e-15, atol=1e-15)


def test_a_schedule_out_of_range_is_named_with_its_step():
    for lr in (lambda t: 0.25 - 0.1 * t, schedules.polynomial(0.25, 6, end=-0.35)):
        for engine in ("numpy", "numba"):
            with pytest.raises(ValueError, match=r"lr=-0\.0\d+ at t=3 is out of range"):
                descend(Optimizer(rules.sgd, lr=lr), surfaces.bowl.grad, [1.0, 1.0], 6, engine=engine)
            with pytest.raises(TypeError, match="starts its rate at lr, so lr must be a number"):
                descend(Optimizer(rules.delta_bar_delta, lr=lr), surfaces.bowl.grad, [1.0, 1.0], 6, engine=engine)


def test_kernel_in_two_threads_and_with_a_schedule():
    optimizer = Optimizer(rules.adam, lr=schedules.cosine(0.1, 10))
    g = np.linspace(-1, 1, 10_001)
    one, two = np.ones(10_001), np.ones(10_001)
    first, second = optimizer.init(one), optimizer.init(two)
    for _ in range(3):
        compile.kernel(optimizer)(one, g, first)
        compile.kernel(optimizer, threads=2)(two, g, second)
    np.testing.assert_array_equal(one, two)
    assert int(second["t"]) == 3


def test_kernel_refuses_what_does_not_fit():
    optimizer = Optimizer(rules.sgd)
    step = compile.kernel(optimizer)
    state = optimizer.init(np.zeros(4))
    theta = np.ones(4)
    with pytest.raises(ValueError, match="g is a float32 array"):
        step(theta, np.ones(4, np.float32), state)
    with pytest.raises(ValueError, match=r"g is a float64 array of shape \(3,\)"):
        step(theta, np.ones(3), state)
    with pytest.raises(ValueError, match=r"g is \[1\.0, 1\.0\]; this kernel needs"):
        step(theta, [1.0, 1.0], state)
    with pytest.raises(NotFinite, match="the gradient is not finite at step 1"):
        step(theta, np.array([1.0, 1.0, np.inf, 1.0]), state)
    with pytest.raises(ValueError, match="it comes from another optimizer"):
        step(theta, np.ones(4), Optimizer(rules.momentum).init(theta))
    with pytest.raises(ValueError, match="theta is not contiguous, or may not be written to"):
        step(np.ones(8)[::2], np.ones(4), state)
    np.testing.assert_array_equal(theta, 1.0)
    assert int(state["t"]) == 0
    with pytest.raises(CannotCompile, match="lr is an array"):
        compile.kernel(Optimizer(rules.sgd, lr=np.ones(4)))
    with pytest.raises(ValueError, match="threads=0: it must be a whole number, 1 or more"):
        compile.kernel(optimizer, threads=0)
    with pytest.raises(TypeError, match="float64 and float32"):
        compile.kernel(optimizer, dtype=np.int64)
    with pytest.raises(CannotCompile, match="sees whole vectors"):
        compile.kernel(Optimizer(rules.adagrad_full))


@pytest.mark.parametrize(
    "surface",
    [
        surfaces.beale,
        pytest.param(surfaces.three_lowlands, marks=pytest.mark.slow),
        pytest.param(surfaces.waves, marks=pytest.mark.slow),
    ],
    ids=lambda s: s.name,
)
@pytest.mark.parametrize("rule", ELEMENTWISE, ids=lambda r: r.__name__)
def test_compiled_descent_is_the_same_path(rule, surface):
    """On one surface, in `make test-all` on three that hold every kind of operation; the next test takes all."""
    optimizer = gentle(rule)
    path = descend(optimizer, surface.grad, surface.start, steps=200, loss=surface)
    compiled = descend(optimizer, surface.grad, surface.start, steps=200, engine="numba")
    np.testing.assert_allclose(compiled, path, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("surface", PLANES, ids=lambda s: s.name)
def test_compiled_descent_on_every_surface_from_many_starts(surface):
    starts = np.random.default_rng(1).uniform(-1, 1, (2, 3, surface.dim))
    for rule in (rules.nag, rules.adam):
        path = descend(gentle(rule), surface.grad, starts, steps=50)
        compiled = descend(gentle(rule), surface.grad, starts, steps=50, engine="numba")
        assert compiled.shape == (51, 2, 3, surface.dim)
        np.testing.assert_allclose(compiled, path, rtol=1e-12, atol=1e-12)


def test_constants_of_a_surface_are_arguments():
    for b in (1.0, 20.0):
        f = surfaces.ravine.but(b=b)
        opt = Optimizer(rules.momentum, lr=0.01)
        np.testing.assert_allclose(
            descend(opt, f.grad, f.start, 30, engine="numba"), descend(opt, f.grad, f.start, 30), rtol=1e-12
        )


def test_schedule_noise_and_clipping_in_the_compiled_loop():
    f = surfaces.rosenbrock
    optimizer = Optimizer(rules.momentum, lr=schedules.warm_restarts(1e-3, 20))
    noise = np.random.default_rng(2).normal(0, 0.1, (60, 2))

    def oracle(theta, t):
        g = f.grad(theta)
        return g * min(1.0, 5.0 / np.linalg.norm(g)) + noise[t]

    expected = descend(optimizer, oracle, f.start, steps=60)
    np.testing.assert_allclose(compile.walk(optimizer, f, f.start, 60, noise=noise, clip=5.0), expected, rtol=1e-11)
    with pytest.raises(ValueError, match=r"noise has shape \(3, 2\)"):
        compile.walk(optimizer, f, f.start, 60, noise=noise[:3])


SCHEDULES = {
    "constant": schedules.constant(0.1),
    "inverse_time": schedules.inverse_time(0.1, 0.01),
    "search_then_converge": schedules.search_then_converge(0.1, 50.0),
    "step": schedules.step(0.1, 0.7, 30),
    "exponential": schedules.exponential(0.1, 0.99),
    "polynomial": schedules.polynomial(0.1, 80, end=0.001, power=1.7),
    "polynomial, a line": schedules.polynomial(0.1, 80),
    "robbins_monro": schedules.robbins_monro(0.1, 0.6),
    "robbins_monro, 1/t": schedules.robbins_monro(0.1),
    "cosine": schedules.cosine(0.1, 80, low=1e-3),
    "warm_restarts": schedules.warm_restarts(0.1, 20),
    "warm_restarts, longer": schedules.warm_restarts(0.1, 10, factor=2),
    "triangular": schedules.triangular(1e-3, 0.1, 17),
    "triangular2": schedules.triangular2(1e-3, 0.1, 17),
    "exp_range": schedules.exp_range(1e-3, 0.1, 17, 0.99),
    "one_cycle": schedules.one_cycle(0.1, 90),
    "warm_up": schedules.warm_up(schedules.cosine(0.1, 80), 20),
    "inverse_sqrt": schedules.inverse_sqrt(0.1, 20),
    "warm_up_stable_decay": schedules.warm_up_stable_decay(0.1, 90, warm=20, decay=50),
    "joined": schedules.joined((0.1, 20), (schedules.exponential(0.1, 0.9), 30.5), (schedules.step(0.1, 0.5, 9), 5)),
    "ramp": schedules.ramp(1e-6, 0.1, 100),
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_runs_in_the_compiled_loop(kind):
    """SGD on the bowl multiplies by 1 - lr, so its path shows each value: to the last bit where there is neither cosine
    nor power."""
    optimizer, steps = Optimizer(rules.sgd, lr=SCHEDULES[kind]), 100
    ((name, shape),), _ = compile.native._live(optimizer)
    assert name == "lr"
    path = descend(optimizer, surfaces.bowl.grad, [3.0, 2.0], steps)
    text = clock.functions(shape, name)[0]
    error = 1e-13 if "half_turn_cos" in text or "to_the_power" in text else 0
    np.testing.assert_allclose(
        descend(optimizer, surfaces.bowl.grad, [3.0, 2.0], steps, engine="numba"), path, rtol=error, atol=0
    )


@pytest.fixture(scope="module")
def arithmetic():
    """The compiled loop's own cosine and power."""
    import numba

    made = {"np": np, "floor": np.floor, "inf": np.inf, "njit": numba.njit, "INLINE": {"error_model": "numpy"}}
    exec(clock.ARITHMETIC, made)
    return made["half_turn_cos"], made["to_the_power"]


def test_the_cosine_of_a_schedule_is_right_to_its_last_digits(arithmetic):
    cos, _ = arithmetic
    x = np.append(np.linspace(0, np.pi, 20_001), np.nextafter(np.pi, 4))
    np.testing.assert_allclose([cos(value) for value in x], np.cos(x), rtol=0, atol=4e-16)
    assert [cos(0.0), cos(np.pi)] == [1.0, -1.0]


def test_the_power_of_a_schedule_is_right_to_its_last_digits(arithmetic):
    _, power = arithmetic
    rng = np.random.default_rng(0)
    x, y = np.exp(rng.uniform(-40, 40, 20_000)), rng.uniform(-15, 15, 20_000)
    np.testing.assert_allclose([power(*pair) for pair in zip(x, y, strict=True)], x**y, rtol=3e-13)
    near = 1 + rng.uniform(-1e-3, 1e-3, 20_000)
    np.testing.assert_allclose([power(value, 7.0) for value in near], near**7, rtol=4e-16)
    for x in (0.0, 1.0, 2.0, 0.5, 0.9999, -0.5, -2.0, 5e-324, 1e-310, 1e300, np.inf, np.nan):
        for y in (0.0, 1.0, 2.0, -1.0, 0.5, 1000.0, 1e6, -1e6, np.inf, np.nan):
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(power(x, y), np.power(x, y), rtol=1e-13, err_msg=f"{x} ** {y}")
    assert [power(0.5, float(n)) for n in range(50)] == [0.5**n for n in range(50)]


def test_every_cosine_of_a_schedule_is_of_half_a_turn(monkeypatch):
    """What the compiled cosine relies on."""
    asked = []
    monkeypatch.setattr(schedules, "cos", lambda x: asked.append(x) or np.cos(x))
    for schedule in SCHEDULES.values():
        for t in (*range(200), 1000):
            schedule(t)
    assert len(asked) > 500
    assert min(asked) >= 0
    assert max(asked) <= np.nextafter(np.pi, 4)


def test_every_public_schedule_is_in_the_list_above():
    public = [f for name, f in vars(schedules).items() if inspect.isfunction(f) and name[0] != "_"]
    assert {f.__name__ for f in public if f.__module__ == schedules.__name__} == {k.split(",")[0] for k in SCHEDULES}


def test_schedules_of_one_kind_share_their_machine_code():
    compile.walk(Optimizer(rules.sgd, lr=schedules.cosine(0.1, 10)), surfaces.bowl, [1.0, 1.0], 5)
    known = len(compile.native._COMPILED)
    for high in (0.2, 0.3):
        other = Optimizer(rules.sgd, lr=schedules.cosine(high, 20))
        path = compile.walk(other, surfaces.bowl, [1.0, 1.0], 5)
        np.testing.assert_allclose(path, descend(other, surfaces.bowl.grad, [1.0, 1.0], 5), rtol=1e-13)
    assert len(compile.native._COMPILED) == known


def test_two_schedules_and_what_follows_from_them():
    """A rule that computes a rate of its own from lr and the clock, and a second schedule beside it."""
    moving = dict(lr=schedules.inverse_sqrt(0.1, 9), beta1=schedules.triangular(0.8, 0.95, 7))
    optimizer, f = Optimizer(rules.adam_eps_hat, **moving), surfaces.rosenbrock
    path = descend(optimizer, f.grad, f.start, 60)
    np.testing.assert_allclose(descend(optimizer, f.grad, f.start, 60, engine="numba"), path, rtol=1e-12)


def test_a_schedule_that_is_no_function_of_the_clock_is_asked_anew_at_every_step():
    plateau = schedules.Plateau(0.1, patience=0)
    optimizer = Optimizer(rules.sgd, lr=schedules.warm_up(plateau, 1))
    before = descend(optimizer, surfaces.bowl.grad, [1.0, 1.0], 3, engine="numba")
    plateau.update(1.0)
    plateau.update(1.0)
    after = descend(optimizer, surfaces.bowl.grad, [1.0, 1.0], 3, engine="numba")
    np.testing.assert_array_equal(after, descend(optimizer, surfaces.bowl.grad, [1.0, 1.0], 3))
    assert (after[1:] != before[1:]).all()


def test_divergence_is_reported_with_its_step_or_let_through():
    f = surfaces.bowl
    optimizer = Optimizer(rules.sgd, lr=1e60)
    with pytest.raises(NotFinite) as numpy_says:
        descend(optimizer, f.grad, f.start, steps=50)
    with pytest.raises(NotFinite) as numba_says:
        descend(optimizer, f.grad, f.start, steps=50, engine="numba")
    assert numba_says.value.step == numpy_says.value.step
    assert not np.isfinite(descend(optimizer, f.grad, f.start, steps=50, engine="numba", strict=False)[-1]).any()


def test_basin_map_is_the_end_of_the_paths():
    f = surfaces.himmelblau
    starts = np.stack(np.meshgrid(np.linspace(-5, 5, 11), np.linspace(-5, 5, 13)), axis=-1)
    optimizer = Optimizer(rules.adam, lr=0.2)
    ends, which, arrived = compile.basin_map(optimizer, f, starts, 300, tolerance=1e-3)
    path = descend(optimizer, f.grad, starts, steps=300)
    np.testing.assert_allclose(ends, path[-1], rtol=1e-9, atol=1e-9)
    for (i, j), k in np.ndenumerate(which):
        distance = [np.hypot(*(ends[i, j] - m)) for m in f.minima]
        assert k == (np.argmin(distance) if min(distance) < 0.1 else -1)
    steep = np.abs(f.grad(path[:-1])).max(axis=-1) <= 1e-3
    expected = np.where(steep.any(axis=0), steep.argmax(axis=0), -1)
    assert (arrived == expected).mean() > 0.99  # a last bit may move an arrival by a step
    assert set(np.unique(which)) >= {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        (dict(theta=[1, 2]), TypeError, "a point must be floats"),
        (dict(theta=[1.0, 2.0, 3.0, 4.0]), ValueError, r"given was shape \(4,\)"),
        (dict(steps=-1), ValueError, "steps=-1: it must be a whole number, 0 or more"),
        (dict(steps=2.5), ValueError, "steps=2.5: it must be a whole number"),
        (dict(clip=-1.0), ValueError, "clip=-1.0: the largest norm"),
        (dict(tolerance=-1.0), ValueError, "tolerance=-1.0: it must be 0 or more"),
        (dict(threads=0), ValueError, "threads=0: it must be a whole number, 1 or more"),
    ],
)
def test_walks_and_maps_refuse_what_makes_no_sense(what, error, says):
    given = {"theta": [1.0, 2.0], "steps": 3, **what}
    work = {"clip": [compile.walk], "tolerance": [compile.basin_map], "threads": [compile.basin_map]}
    point, steps = given.pop("theta"), given.pop("steps")
    for function in work.get(next(iter(what)), [compile.walk, compile.basin_map]):
        with pytest.raises(error, match=says):
            function(Optimizer(rules.sgd), surfaces.bowl, point, steps, **given)


@pytest.mark.parametrize("rule", [rules.sgd, rules.adam])
def test_single_precision_on_a_surface_is_numpys_path_too(rule):
    f = surfaces.beale
    path = descend(Optimizer(rule), f.grad, np.float32(f.start), 20)
    compiled = descend(Optimizer(rule), f.grad, np.float32(f.start), 20, engine="numba")
    assert compiled.dtype == np.float32
    np.testing.assert_array_equal(compiled, path)


def _halving(theta, g, *, lr=0.1):
    theta = theta - lr * g * 0.5
    return theta, ()


def test_a_rule_and_a_surface_of_the_users_own():
    f = Surface("own", lambda x: x * x, lambda x: (2 * x,), ((-1.0, 1.0),), (1.0,))
    with pytest.raises(CannotCompile, match="write it with def"):
        descend(Optimizer(_halving), f.grad, [1.0], steps=2, engine="numba")
    assert descend(Optimizer(_halving), surfaces.bowl.grad, [1.0, 2.0], 2, engine="numba")[1].tolist() == [0.95, 1.9]


def _loops(theta, g, *, lr=0.1):
    while lr > 1:
        lr = lr / 2
    return theta - lr * g, ()


def _calls(theta, g, *, lr=0.1):
    theta = theta - lr * np.tan(g)
    return theta, ()


@pytest.mark.parametrize(("rule", "named"), [(_loops, "while lr > 1"), (_calls, "np.tan")])
def test_what_cannot_be_compiled_is_named_with_its_place(rule, named):
    for attempt in (lambda: compile.javascript(rule), lambda: compile.kernel(Optimizer(rule))):
        with pytest.raises(CannotCompile, match=f"{rule.__name__}, line 2.*{named}"):
            attempt()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rule", [rules.sgd, rules.nag, rules.adam, rules.rprop_plus, rules.nesterov_1983])
def test_any_oracle_gives_the_same_path_to_the_last_bit(rule, dtype):
    """Gradients come from Python, keep their step number, and may live in a buffer that is filled anew each time."""
    X, y = data.digits()
    model = models.MLP([64, 5, 10])
    batches = oracles.minibatch(model, X.astype(dtype), y, size=32, seed=0)
    buffer, kept = np.empty(model.size, dtype), []

    def oracle(theta, t):
        kept.append(theta)
        buffer[...] = batches(theta, t=t)
        return buffer

    optimizer = Optimizer(rule, lr=schedules.cosine(0.01, 40)) if rule is rules.adam else Optimizer(rule)
    start = model.init(0, dtype=dtype)
    compiled = descend(optimizer, oracle, start, 40, engine="numba")
    np.testing.assert_array_equal(compiled, descend(optimizer, batches, start, 40))
    assert compiled.dtype == dtype
    if rule is rules.sgd:
        np.testing.assert_array_equal(kept, compiled[:-1])


def test_engine_and_oracle_are_checked():
    opt = Optimizer(rules.sgd)
    with pytest.raises(ValueError, match="allowed are 'numpy' and 'numba'"):
        descend(opt, surfaces.bowl.grad, [1.0, 1.0], 2, engine="fortran")
    with pytest.raises(CannotCompile, match="compares losses"):
        descend(Optimizer(rules.irprop_plus), lambda theta: theta, [1.0, 1.0], 2, engine="numba")
    with pytest.raises(ValueError, match=r"the gradient has shape \(1,\), but theta has shape \(2,\)"):
        descend(opt, lambda theta: theta[:1], [1.0, 1.0], 2, engine="numba")
    with pytest.raises(NotFinite) as caught:
        descend(opt, lambda theta, t: theta if t < 3 else theta * np.nan, [1.0, 1.0], 9, engine="numba")
    assert caught.value.step == 4


def test_machine_code_is_kept_between_processes(tmp_path):
    """The second process finds both the source and Numba's own cache, and adds nothing."""
    program = """if True:
        import numpy as np
        from optlib import *
        from optlib import compile
        f, lr = surfaces.three_lowlands, schedules.warm_restarts(0.1, 2, factor=2)
        print(descend(Optimizer(rules.adam, lr=lr), f.grad, f.start, steps=5, engine="numba")[-1])
        print(compile.basin_map(Optimizer(rules.adam), f, np.ones((3, 2)), 5)[0])
        theta = np.ones(9)
        compile.kernel(Optimizer(rules.adagrad))(theta, theta.copy(), Optimizer(rules.adagrad).init(theta))
        print(theta)
        with np.testing.assert_raises(NotFinite):
            descend(Optimizer(rules.sgd, lr=1e9), surfaces.beale.grad, [1.0, 2.0], 9, engine="numba")
    """

    def run():
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"OPTLIB_CACHE": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, {p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*") if p.suffix in (".py", ".nbc")}

    first, files = run()
    again, same = run()
    assert first == again
    assert any(name.endswith(".nbc") for name in files)
    assert files == same


def test_without_numba_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(compile.native, "available", lambda: False)
    monkeypatch.setattr(compile.native, "_COMPILED", {})
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'optlib\[fast\]', or use engine='numpy'"):
        descend(Optimizer(rules.sgd), surfaces.bowl.grad, [1.0, 1.0], 2, engine="numba")
