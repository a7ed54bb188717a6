"""What chapter 07 measures: facts C6 and C8, and that its fast simulation does what the library does."""

import numpy as np
import pytest

from downhill_course.figures import stale
from optlib import Optimizer, parallel, rules
from optlib.view import Picture, timeline

SGD = Optimizer(rules.sgd, lr=0.3)


def test_many_runs_at_once_do_what_the_library_does():
    """The vectorised walk against `parallel.train`, order by order."""
    workers, updates, runs = 3, 12, 4
    curvatures, start = np.array([0.5, 2.0]), np.array([1.0, -1.0])
    momentum = Optimizer(rules.momentum, lr=0.1, gamma=0.6)
    *_, ends = stale.asynchronous(momentum, curvatures, np.tile(start, (runs, 1)), workers, updates, seed=4)
    rng = np.random.default_rng(4)
    choices = np.array([rng.integers(workers, size=runs) for _ in range(updates)])
    for run in range(runs):
        order = [*range(workers), *np.repeat(choices[:, run], 2)]
        expected = parallel.train(
            parallel.async_sgd(momentum), [lambda theta: curvatures * theta] * workers, start, steps=updates + 1,
            order=order,
        )  # fmt: skip
        np.testing.assert_allclose(ends[run], expected.theta, rtol=0, atol=1e-14)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_mean_walk_is_momentum(workers):
    """C6, up to the noise of a mean over many runs."""
    measured = stale.mean_walk(workers, 0.3, updates=30, runs=20_000)
    np.testing.assert_allclose(measured, stale.predicted(workers, 0.3, updates=30), rtol=0, atol=0.03)


@pytest.mark.parametrize("delay", [0, 1, 2, 7, 30])
def test_the_limit_of_the_rate_under_a_delay(delay):
    edge = stale.limit(delay)
    assert stale.radius(0.999 * edge, delay) < 1 < stale.radius(1.001 * edge, delay)


def test_staleness_is_one_less_than_the_workers_on_average():
    """A little less where some workers come to their end before the others."""
    for law in (1.0, parallel.lognormal(1.0, 0.5), parallel.exponential(1.0)):
        share = stale.aged(law, workers=6, steps=600)
        assert 4.7 < np.arange(len(share)) @ share < 5.05


def test_staleness_without_memory_is_geometric():
    share = stale.aged(parallel.exponential(1.0), workers=4, steps=5000)
    k = np.arange(8)
    np.testing.assert_allclose(share[:8], 0.75**k / 4, rtol=0, atol=0.015)


def test_delays_cost_nothing_on_sparse_rows_and_everything_on_dense_ones():
    """C8: at most a tenth more steps with a delay of 50 on 4 of 400; with 20 of 20 it never arrives."""
    assert stale.delayed_steps(400, 4, 50) <= 1.1 * stale.delayed_steps(400, 4, 0)
    assert stale.delayed_steps(20, 20, 10) < np.inf
    assert stale.delayed_steps(20, 20, 50) == np.inf


def test_the_steps_penalty():
    """C8: 400 061 for a thousand dense weights, 3.00 for Omega = 5 and rho = Delta = 1e-6."""
    assert stale.penalty(1000, 1.0, 1.0, 10) == 400_061
    assert stale.penalty(5, 1e-6, 1e-6, 10) == pytest.approx(3.0, abs=0.01)


def test_the_conflicts_of_the_chapters_data():
    for omega, delta, rho in stale.crowds(500).values():
        assert delta <= rho <= min(1.0, omega * delta)


def test_the_regrets_are_those_of_the_librarys_servers():
    """The loop over all rates at once against servers that are told the same late gradients."""
    delay, steps, at = 3, 60, 6
    targets = 1.0 + np.random.default_rng(0).standard_normal(steps)
    assert pytest.approx(1.0) == stale.ALPHAS[at]
    for name, make in (("AsyncAdaGrad", parallel.async_adagrad), ("AdaptiveRevision", parallel.AdaptiveRevision)):
        late = _Late(targets)
        parallel.train(make(lr=1.0), [late] * (delay + 1), [0.0], steps=steps // (delay + 1), backend="simulate")
        best = np.abs(targets - np.median(targets)).sum()
        assert stale.regrets(delay, steps)[name][at] == pytest.approx(late.paid - best, abs=1e-9)


class _Late:
    """The gradient of |x - z_t| for the t-th question, and what was paid."""

    def __init__(self, targets):
        self.targets, self.asked, self.paid = targets, 0, 0.0

    def __call__(self, theta):
        target = self.targets[self.asked]
        self.asked += 1
        self.paid += abs(float(theta[0]) - target)
        return np.sign(theta - target)


def test_rates_of_the_revised_rule_need_no_change():
    """C5 (v): at the rate 1 and delay 1000 the baseline's regret is more than a hundred times as large."""
    found = stale.untuned((0, 1000))
    assert found[0]["AsyncAdaGrad"] == found[0]["AdaptiveRevision"]
    assert found[1000]["AsyncAdaGrad"] > 100 * found[1000]["AdaptiveRevision"]


def test_a_time_line_shows_versions():
    run = parallel.simulate(parallel.async_sgd(SGD), workers=2, steps=3)
    drawn = timeline(run)
    assert isinstance(drawn, Picture)
    assert len(drawn.png) > 1000
    texts = {text.get_text() for text in drawn.figure.axes[0].texts}
    assert texts == {str(span.version) for span in run.spans}
    assert [bar.get_width() for bar in drawn.figure.axes[0].patches] == [span.end - span.start for span in run.spans]


def test_a_run_without_times_has_no_time_line():
    inline = parallel.train(parallel.async_sgd(SGD), [lambda theta: theta], [1.0], steps=2)
    with pytest.raises(ValueError, match="has no times"):
        timeline(inline)
