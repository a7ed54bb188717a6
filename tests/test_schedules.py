"""Schedules: their values by hand, their sums, and the same curves in PyTorch."""

import math
import pickle

import numpy as np
import pytest
from peers import library

from optlib import Optimizer, descend, rules, schedules
from optlib.schedules import (
    Plateau,
    Schedule,
    constant,
    cosine,
    exp_range,
    exponential,
    inverse_sqrt,
    inverse_time,
    joined,
    one_cycle,
    polynomial,
    ramp,
    robbins_monro,
    search_then_converge,
    step,
    triangular,
    triangular2,
    warm_restarts,
    warm_up,
    warm_up_stable_decay,
)

VALUES = [
    # name, schedule, {t: value}, worked out by hand
    ("constant", constant(0.3), {0: 0.3, 10**6: 0.3}),
    ("inverse_time", inverse_time(0.5, k=0.25), {0: 0.5, 4: 0.25, 36: 0.05}),
    ("search_then_converge", search_then_converge(0.5, tau=10.0), {0: 0.5, 10: 0.25, 90: 0.05}),
    ("step", step(0.8, gamma=0.5, every=10), {0: 0.8, 9: 0.8, 10: 0.4, 25: 0.2, 30: 0.1}),
    ("exponential", exponential(0.8, gamma=0.5), {0: 0.8, 1: 0.4, 3: 0.1}),
    ("polynomial", polynomial(1.0, steps=10, end=0.2, power=2.0), {0: 1.0, 5: 0.4, 10: 0.2, 50: 0.2}),
    ("robbins_monro", robbins_monro(0.6), {0: 0.6, 1: 0.3, 5: 0.1}),
    ("robbins_monro root", robbins_monro(0.6, a=0.5), {0: 0.6, 3: 0.3, 8: 0.2}),
    ("cosine", cosine(1.0, steps=12, low=0.2), {0: 1.0, 4: 0.8, 6: 0.6, 8: 0.4, 12: 0.2, 99: 0.2}),
    (
        "warm_restarts",
        warm_restarts(1.0, first=10, factor=2),
        {0: 1.0, 5: 0.5, 10: 1.0, 20: 0.5, 30: 1.0, 50: 0.5, 70: 1.0},
    ),
    ("warm_restarts equal", warm_restarts(1.0, first=4, low=0.2), {0: 1.0, 2: 0.6, 4: 1.0, 10: 0.6}),
    (
        "triangular",
        triangular(0.001, 0.006, half=2000),
        {0: 0.001, 1000: 0.0035, 2000: 0.006, 4000: 0.001, 6000: 0.006},
    ),
    (
        "triangular2",
        triangular2(0.001, 0.006, half=2000),
        {0: 0.001, 2000: 0.006, 6000: 0.0035, 10_000: 0.00225, 8000: 0.001},
    ),
    ("exp_range", exp_range(0.0, 1.0, half=2, gamma=0.5), {0: 0.0, 1: 0.25, 2: 0.25, 3: 0.0625, 6: 1 / 64}),
    ("one_cycle", one_cycle(1.0, steps=11, rise=6 / 11), {0: 0.04, 5: 1.0, 10: 4e-6, 20: 4e-6}),
    ("warm_up", warm_up(0.8, steps=4), {0: 0.2, 1: 0.4, 3: 0.8, 100: 0.8}),
    ("warm_up of a schedule", warm_up(exponential(1.0, gamma=0.5), steps=2), {0: 0.5, 1: 0.5, 2: 0.25}),
    ("inverse_sqrt", inverse_sqrt(0.5, warm=100), {0: 0.005, 99: 0.5, 399: 0.25}),
    (
        "warm_up_stable_decay",
        warm_up_stable_decay(1.0, steps=100, warm=10, decay=20, low=0.1),
        {0: 0.1, 9: 1.0, 79: 1.0, 90: 0.55, 100: 0.1, 500: 0.1},
    ),
    (
        "joined",
        joined((0.1, 3), (exponential(0.8, gamma=0.5), 2), (0.05, 1)),
        {0: 0.1, 2: 0.1, 3: 0.8, 4: 0.4, 5: 0.05, 60: 0.05},
    ),
    ("ramp", ramp(1e-4, 1.0, steps=8), {0: 1e-4, 2: 1e-3, 8: 1.0}),
]


@pytest.mark.parametrize(("name", "schedule", "values"), VALUES, ids=[v[0] for v in VALUES])
def test_values(name, schedule, values):
    for t, value in values.items():
        assert schedule(t) == pytest.approx(value, rel=1e-12, abs=1e-18)


def test_every_schedule_is_tested():
    public = {
        n
        for n, f in vars(schedules).items()
        if not n.startswith("_") and getattr(f, "__module__", "") == schedules.__name__
    }
    tested = {name.split()[0] for name, _, _ in VALUES}
    assert public == tested | {"Plateau", "Schedule"}
    assert schedules.TABLE.keys() | {"joined"} == tested


# --- a schedule is data -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "schedule", "values"), VALUES, ids=[v[0] for v in VALUES])
def test_a_schedule_is_printed_compared_and_sent(name, schedule, values):
    """What is printed makes it again, and so do its formula and constants; a process gets the same."""
    if name.split()[0] != "joined":
        assert eval(repr(schedule), vars(schedules)) == schedule
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert [again(t) for t in values] == [schedule(t) for t in values]
    assert repr(Optimizer(rules.sgd, lr=schedule)) == f"Optimizer(sgd, lr={schedule!r})"


def test_equal_and_different_schedules():
    assert cosine(0.1, 10) == cosine(high=0.1, steps=10, low=0.0) != cosine(0.1, 20)
    assert cosine(np.float64(0.1), np.int64(10)) == cosine(0.1, 10)
    assert repr(cosine(np.float64(0.1), 10)) == "cosine(high=0.1, steps=10, low=0.0)"
    assert exponential(0.1, 0.5) != inverse_time(0.1, 0.5)
    with pytest.raises(AttributeError):
        cosine(0.1, 10).constants = ()


def test_a_schedule_of_your_own_says_what_it_has():
    def saw(t, *, high, period):
        return high * (t % period) / period

    assert Schedule(saw, high=1.0, period=4)(3) == 0.75
    with pytest.raises(TypeError, match="saw has the constants high, period: period is missing"):
        Schedule(saw, high=1.0)
    with pytest.raises(TypeError, match="saw has the constants high, period: there is no low"):
        Schedule(saw, high=1.0, period=4, low=0.0)
    with pytest.raises(TypeError, match=r"write it as f\(t, \*, constants\)"):
        Schedule(lambda t, high: high, high=1.0)


def test_a_schedule_that_was_not_called_is_named():
    with pytest.raises(
        TypeError, match=r"lr=cosine is a schedule without its constants: call it, as cosine\(high, ste"
    ):
        Optimizer(rules.sgd, lr=cosine)


def test_a_schedule_that_overflows_is_named():
    with pytest.raises(ValueError, match=r"lr=exponential\(.*\) grows beyond the largest float at t=\d+"):
        descend(Optimizer(rules.sgd, lr=exponential(1.0, 1e100)), lambda theta: 0 * theta, [1.0], 9)


def test_a_metric_below_zero_lets_the_plateau_wait():
    lr = Plateau(1.0, factor=0.5, patience=1)
    for loss in (-1.0, -1.0, -0.99999, -0.99998):
        lr.update(loss)
    assert lr(0) == 0.5
    lr.update(-2.0)
    assert lr.best == -2.0


# --- the sums that Robbins and Monro ask for ------------------------------------------------------------


def sums(schedule, power: int) -> np.ndarray:
    """The sums of the first 100, 1000, 10,000 and 100,000 rates, each raised to a power."""
    return np.cumsum([schedule(t) ** power for t in range(100_000)])[[99, 999, 9_999, 99_999]]


def test_robbins_monro_sums():
    """1/t: the sum grows by ln 10 a decade for ever, that of the squares ends at π²/6."""
    np.testing.assert_allclose(np.diff(sums(robbins_monro(1.0), 1)), math.log(10), rtol=3e-3)
    assert sums(robbins_monro(1.0), 2)[-1] == pytest.approx(math.pi**2 / 6, rel=1e-5)
    rates, squared = sums(robbins_monro(1.0, a=0.75), 1), sums(robbins_monro(1.0, a=0.75), 2)
    assert np.all(np.diff(rates) > 5)
    assert np.all(np.diff(np.diff(squared)) < 0)
    assert squared[-1] == pytest.approx(2.612375, abs=0.01)  # ζ(3/2)


def test_too_slow_and_too_fast():
    """A constant rate has an infinite sum of squares; 2^-t has a finite sum, so a walk gets no further than that."""
    assert np.all(np.diff(sums(constant(0.1), 2)) > 1)
    assert sums(exponential(1.0, gamma=0.5), 1)[-1] == pytest.approx(2.0)
    path = descend(Optimizer(rules.sgd, lr=exponential(1.0, gamma=0.5)), lambda theta: np.ones(1), [10.0], 200)
    assert path[-1, 0] == pytest.approx(8.0)
    path = descend(Optimizer(rules.sgd, lr=robbins_monro(1.0)), lambda theta: np.ones(1), [10.0], 20_000)
    assert path[-1, 0] < 0


# --- warm restarts over long times -------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("first", [1, 7, 10])
def test_restarts_come_where_they_should(first, factor):
    """At first (factor^k - 1)/(factor - 1), to the step, however late."""
    lr = warm_restarts(1.0, first=first, factor=factor)
    expected, length = {0}, first
    while max(expected) < 3_000:
        expected.add(max(expected) + length)
        length *= factor
    rates = [lr(t) for t in range(3_001)]
    found = {t for t, rate in enumerate(rates) if rate == 1.0}
    assert found == {t for t in expected if t <= 3_000}
    assert all(0 <= rate <= 1 for rate in rates)


# --- the same curves in PyTorch ------------------------------------------------------------------------------

PEERS = [
    ("step", step(0.1, gamma=0.3, every=7), lambda s, o: s.StepLR(o, 7, gamma=0.3)),
    ("exponential", exponential(0.1, gamma=0.97), lambda s, o: s.ExponentialLR(o, 0.97)),
    ("polynomial", polynomial(0.1, steps=50, power=2.0), lambda s, o: s.PolynomialLR(o, 50, power=2.0)),
    (
        "warm_restarts",
        warm_restarts(0.1, first=10, factor=2, low=0.01),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 10, 2, 0.01),
    ),
    ("triangular", triangular(0.01, 0.1, half=7), lambda s, o: s.CyclicLR(o, 0.01, 0.1, 7, cycle_momentum=False)),
    (
        "triangular2",
        triangular2(0.01, 0.1, half=7),
        lambda s, o: s.CyclicLR(o, 0.01, 0.1, 7, mode="triangular2", cycle_momentum=False),
    ),
    (
        "exp_range",
        exp_range(0.01, 0.1, half=7, gamma=0.9),
        lambda s, o: s.CyclicLR(o, 0.01, 0.1, 7, mode="exp_range", gamma=0.9, cycle_momentum=False),
    ),
    ("one_cycle", one_cycle(0.1, steps=100), lambda s, o: s.OneCycleLR(o, 0.1, 100, cycle_momentum=False)),
    ("cosine", cosine(0.1, steps=99, low=0.01), lambda s, o: s.CosineAnnealingLR(o, 99, 0.01)),
]


@pytest.fixture
def torch():
    return library("torch")


@pytest.mark.peers
@pytest.mark.parametrize(("name", "schedule", "make"), PEERS, ids=[p[0] for p in PEERS])
def test_torch(torch, name, schedule, make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    for t in range(100):
        assert schedule(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12, abs=1e-15)
        optimizer.step()
        if t < 99:
            scheduler.step()


@pytest.mark.peers
def test_torch_plateau(torch):
    losses = np.random.default_rng(1).random(200) + np.linspace(1, 0, 200)
    ours = Plateau(0.1, factor=0.5, patience=5, low=1e-3)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5, min_lr=1e-3, eps=0.0)
    seen = set()
    for t, loss in enumerate(losses):
        ours.update(loss)
        theirs.step(loss)
        assert ours(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        seen.add(ours(t))
    assert len(seen) >= 4


# --- plateau --------------------------------------------------------------------------------------------


def test_plateau_waits_cuts_and_stops_at_its_floor():
    lr = Plateau(1.0, factor=0.1, patience=2, low=0.05)
    rates = []
    for loss in (5.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0):
        lr.update(loss)
        rates.append(lr(0))
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])


def test_plateau_goes_on_from_its_state():
    losses = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    whole, before, after = (Plateau(1.0, factor=0.5, patience=1) for _ in range(3))
    for loss in losses:
        whole.update(loss)
    for loss in losses[:4]:
        before.update(loss)
    after.restore(before.state)
    for loss in losses[4:]:
        after.update(loss)
    assert after.state == whole.state


# --- what makes no sense ------------------------------------------------------------------------------------

WRONG = [
    (lambda: search_then_converge(1.0, tau=0.0), "tau=0.0 is out of range; allowed is"),
    (lambda: step(1.0, gamma=0.5, every=0), "every=0 is out of range"),
    (lambda: polynomial(1.0, steps=-1), "steps=-1 is out of range"),
    (lambda: cosine(1.0, steps=0), "steps=0 is out of range"),
    (lambda: cosine(1.0, steps=math.nan), "steps=nan: it must be a whole number"),
    (lambda: warm_restarts(1.0, first=0), "first=0 is out of range"),
    (lambda: warm_restarts(1.0, first=5, factor=0), "factor=0: it must be a whole number, 1 or more"),
    (lambda: warm_restarts(1.0, first=5, factor=1.5), "factor=1.5: it must be a whole number"),
    (lambda: triangular(0.0, 1.0, half=0), "half=0 is out of range"),
    (lambda: one_cycle(1.0, steps=0), "steps=0 is out of range"),
    (lambda: one_cycle(1.0, steps=10, rise=1.0), r"rise=1.0 is out of range; allowed is \(0, 1\)"),
    (lambda: warm_up(1.0, steps=0), "steps=0 is out of range"),
    (lambda: inverse_sqrt(1.0, warm=0), "warm=0 is out of range"),
    (lambda: warm_up_stable_decay(1.0, steps=10, warm=6, decay=5), "warm=6 and decay=5 do not fit into steps=10"),
    (lambda: one_cycle(1.0, steps=3), "rise=0.3 of steps=3 is less than one step"),
    (lambda: joined(), "joined needs at least one"),
    (lambda: joined((0.1, 2.5), (0.2, 3)), "length=2.5: it must be a whole number, 1 or more; the last or inf"),
    (lambda: joined((0.1, math.inf), (0.2, 3)), "length=inf: it must be a whole"),
    (lambda: joined((0.1, -1)), "length=-1: it must be a whole"),
    (lambda: joined((0.1, math.nan)), "length=nan: it must be a whole"),
    (lambda: ramp(0.0, 1.0, steps=3), "low=0.0 is out of range"),
    (lambda: Plateau(0.0), "start=0.0 is out of range"),
    (lambda: Plateau(1.0, patience=-5), "patience=-5: it must be a whole number, 0 or more"),
    (lambda: Plateau(0.1, low=1.0), "low=1.0 lies above start=0.1"),
    (lambda: Plateau(1.0, factor=1.0), r"factor=1.0 is out of range; allowed is \(0, 1\)"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[m[:24] for _, m in WRONG])
def test_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()
