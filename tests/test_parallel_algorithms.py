"""The parallel algorithms in one process: what they must equal, and the facts C1 to C7 about them."""

import itertools
import pickle

import numpy as np
import pytest
from crowd import TABLE

from optlib import NotFinite, Optimizer, data, descend, models, oracles, rules, surfaces
from optlib.parallel import (
    EASGD,
    AdaptiveRevision,
    Compute,
    Downpour,
    LocalSGD,
    LostMessage,
    Message,
    Server,
    Shards,
    SyncEASGD,
    SyncSGD,
    Worker,
    async_adagrad,
    async_sgd,
    eamsgd,
    machines,
    parts,
    train,
)
from optlib.surfaces import Quadratic

SGD = Optimizer(rules.sgd, lr=0.1)
X, Y = data.regression(n=120, d=6, seed=3)
MODEL = models.LinearRegression()


def dealt(workers, size=5):
    return parts(MODEL, X, Y, workers, batch_size=size, seed=1)


def start(d=6):
    return np.linspace(1.0, -1.0, d)


def half_square(theta):
    return theta


# --- equivalences ---------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [SGD, Optimizer(rules.adam, lr=0.05), Optimizer(rules.nag, lr=0.05)], ids=str)
@pytest.mark.parametrize("make", [async_sgd, SyncSGD], ids=lambda make: make.__name__)
def test_one_worker_is_the_optimizer_itself(make, optimizer):
    """C7: to the last bit, a server that looks ahead included."""
    oracle = dealt(1)[0]
    run = train(make(optimizer), [oracle], start(), steps=40)
    np.testing.assert_array_equal(run.theta, descend(optimizer, oracle, start(), 40)[-1])
    assert run.updates == 40
    assert not run.staleness.any()


def test_one_downpour_replica_that_fetches_rarely_is_still_sgd():
    """With one worker nobody else moves the server, so its own walk and the server's agree."""
    oracle = dealt(1)[0]
    run = train(Downpour(SGD, n_fetch=5, n_push=1), [oracle], start(), steps=40)
    np.testing.assert_allclose(run.theta, descend(SGD, oracle, start(), 40)[-1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 7, 10, 11])
@pytest.mark.parametrize("n_push", [1, 3, 5])
def test_downpour_loses_no_gradient(steps, n_push):
    """Whatever the periods, the server moves by the sum of all gradients, the last ones included."""
    taken = []

    def oracle(theta, t):
        taken.append(np.array([1.0 + t, -1.0]))
        return taken[-1]

    run = train(Downpour(SGD, n_fetch=4, n_push=n_push), [oracle] * 3, [0.0, 0.0], steps=steps)
    assert len(taken) == 3 * steps
    np.testing.assert_allclose(run.theta, -0.1 * np.sum(taken, axis=0), rtol=1e-13)


def test_local_sgd_of_period_one_is_mini_batch_sgd():
    """C7, and so is synchronous SGD."""
    workers = dealt(4)

    def together(theta, t):
        return np.mean([oracle(theta, t) for oracle in workers], axis=0)

    path = descend(SGD, together, start(), 30)[-1]
    np.testing.assert_allclose(train(LocalSGD(SGD, period=1), workers, start(), steps=30).theta, path, atol=1e-14)
    np.testing.assert_allclose(train(SyncSGD(SGD), workers, start(), steps=30).theta, path, atol=1e-14)


def test_local_sgd_averages_after_each_period():
    workers, theta = dealt(3), start()
    for r in range(4):
        ends = []
        for oracle in workers:
            x = theta
            for t in range(5 * r, min(5 * r + 5, 17)):  # the last round is shorter
                x = x - 0.1 * oracle(x, t)
            ends.append(x)
        theta = np.mean(ends, axis=0)
    np.testing.assert_allclose(train(LocalSGD(SGD, period=5), workers, start(), steps=17).theta, theta, atol=1e-14)


def test_synchronous_algorithms_do_not_depend_on_the_order_of_arrival():
    workers = dealt(3)
    rng = np.random.default_rng(0)
    for name in ("sync_sgd", "sync_easgd", "local_sgd"):
        algorithm = TABLE[name](0.05)
        expected = train(algorithm, workers, start(), steps=9).theta
        for _ in range(3):
            order = rng.integers(3, size=400)
            run = train(algorithm, workers, start(), steps=9, order=order)
            assert run.finished
            np.testing.assert_array_equal(run.theta, expected)


@pytest.mark.parametrize("name", TABLE)
def test_a_recorded_order_repeats_the_run(name):
    workers, algorithm = dealt(3), TABLE[name](0.02)
    order = np.random.default_rng(5).integers(3, size=500)
    run = train(algorithm, workers, start(), steps=12, order=order, shards=2)
    again = train(algorithm, workers, start(), steps=12, order=run.order, shards=2)
    assert run.finished
    assert again.finished
    assert again.order == run.order
    np.testing.assert_array_equal(again.theta, run.theta)
    np.testing.assert_array_equal(again.staleness, run.staleness)


@pytest.mark.parametrize("name", TABLE)
def test_shards_change_nothing_when_messages_arrive_together(name):
    workers, algorithm = dealt(3), TABLE[name](0.02)
    whole = train(algorithm, workers, start(), steps=10, order="messages")
    for shards in (2, 6):
        cut = train(algorithm, workers, start(), steps=10, order="messages", shards=shards)
        np.testing.assert_allclose(cut.theta, whole.theta, rtol=0, atol=1e-15)
        assert cut.versions == [whole.updates] * shards


@pytest.mark.parametrize("name", TABLE)
def test_every_algorithm_learns(name):
    workers = dealt(4, size=10)
    best = MODEL.minimum(X, Y)
    f = oracles.full_batch(MODEL, X, Y).loss
    run = train(TABLE[name](0.05), workers, np.zeros(6), steps=150, order="messages", loss=f, every=10)
    assert run.finished
    assert f(run.theta) - f(best) < 0.1 * (f(np.zeros(6)) - f(best))
    assert run.losses[0].loss == f(np.zeros(6))
    assert [m.updates for m in run.losses] == [10 * i for i in range(len(run.losses))]


@pytest.mark.parametrize("name", TABLE)
def test_a_run_without_numbers_has_the_same_order(name):
    from optlib.parallel.engine import Engine, run_inline

    full = train(TABLE[name](0.01), dealt(3), start(), steps=8, order="messages", shards=2)
    dry = run_inline(Engine(TABLE[name](0.01), None, None, 8, 3, shards=2), "messages")
    assert dry.order == full.order
    assert dry.versions == full.versions
    assert [s[:2] + s[4:] for s in dry.spans] == [s[:2] + s[4:] for s in full.spans]


def test_warm_start_is_made_by_one_worker_alone():
    run = train(async_sgd(SGD, warm_start=5), dealt(3), start(), steps=9, order="messages")
    gave = [e.worker for e in run.order if e.what == "message" and e.number % 2]
    assert gave[:5] == [0] * 5
    assert {*gave[5:8]} == {0, 1, 2}
    assert run.updates == 27


# --- C1 to C4: elastic averaging -------------------------------------------------------------------

CRITICAL = {0.01: 0.997494, 0.5: 0.857143, 1.0: 0.666667, 1.5: 0.4, 1.9: 0.095238}


def radius(matrix):
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def admm_round(eta, rho, p):
    """The matrix of one round of ADMM on x^2 / 2, workers in turn, on p workers, their lambda and the centre."""
    columns = []
    for unit in np.eye(2 * p + 1):
        x, lam, centre = unit[:p].copy(), unit[p : 2 * p].copy(), unit[-1]
        for i in range(p):
            lam[i] -= x[i] - centre
            x[i] = ((1 - eta) * x[i] + eta * rho * (lam[i] + centre)) / (1 + eta * rho)
            centre = (x - lam).mean()
        columns.append(np.r_[x, lam, centre])
    return np.array(columns).T


def easgd_map(eta, alpha, p):
    """The matrix of one round of p workers on x^2 / 2, read off from the machines themselves."""
    algorithm = EASGD(Optimizer(rules.sgd, lr=eta), alpha=alpha)
    columns = []
    for i in range(p + 1):
        server = Server(algorithm, np.array([1.0 * (i == p)]))
        for w in range(p):
            worker = Worker(algorithm, w, np.array([1.0 * (i == w)]), steps=1)
            server.join(w)
            [(_, reply)] = server.receive(worker.advance())
            worker.advance(worker.advance(reply).point)
            columns.append(worker.memory["x"][0])
        columns.append(server.theta[0])
    return np.array(columns).reshape(p + 1, p + 1).T


@pytest.mark.parametrize("p", [1, 3, 8])
@pytest.mark.parametrize("eta", CRITICAL)
def test_elastic_averaging_is_stable_up_to_the_critical_rate(eta, p):
    """C1: in the round-robin scheme up to alpha = (4 - 2 eta) / (4 - eta), whatever the number of workers.

    Up to there each worker's map is a contraction. For an odd number of workers the bound is sharp; for an even one
    the round stays stable a little longer (up to 0.8596 instead of 0.8571 for eight workers and eta = 0.5).
    """
    alpha = (4 - 2 * eta) / (4 - eta)
    assert alpha == pytest.approx(CRITICAL[eta], abs=1e-6)
    assert radius(easgd_map(eta, alpha - 1e-3, p)) < 1
    assert radius(easgd_map(eta, min(alpha + (1e-3 if p % 2 else 3e-3), 1.0), p)) > 1


def test_admm_is_unstable_where_elastic_averaging_is_not():
    """C2: spectral radii at eta = 1e-3 and rho = 2.5, and over a grid of both."""
    for p, admm, elastic in ((3, 1.00097, 0.99927), (8, 1.00226, 0.99912)):
        assert radius(admm_round(1e-3, 2.5, p)) == pytest.approx(admm, abs=1e-5)
        assert radius(easgd_map(1e-3, 2.5e-3, p)) == pytest.approx(elastic, abs=1e-5)
    grid = list(itertools.product(np.geomspace(1e-5, 1e-2, 8), np.linspace(0.1, 10.0, 8)))
    for p, share in ((3, 0.70), (8, 0.82)):
        unstable = np.mean([radius(admm_round(eta, rho, p)) > 1 + 1e-12 for eta, rho in grid])
        assert unstable == pytest.approx(share, abs=0.08)
    assert not any(radius(easgd_map(eta, eta * rho, 3)) > 1 + 1e-12 for eta, rho in grid)


def test_the_centre_of_the_elastic_average():
    """C2: from 1000 with three workers that take turns it is at 996.4, 841.6 and 94.3 after 100, 1000, 10000 turns."""
    algorithm = EASGD(Optimizer(rules.sgd, lr=1e-3), alpha=2.5e-3)
    run = train(algorithm, [half_square] * 3, [1000.0], steps=3334, loss=lambda theta: theta[0], every=100)
    centre = {m.updates: m.loss for m in run.losses}
    assert [round(centre[turns], 1) for turns in (100, 1000, 10000)] == [996.4, 841.6, 94.3]


@pytest.mark.parametrize("algorithm", [EASGD(SGD, 0.3), SyncEASGD(SGD, 0.2), eamsgd(0.1, 0.9, 0.3)], ids=str)
def test_an_exchange_conserves_the_sum(algorithm):
    """C3: without gradients the centre and the workers together keep their sum."""
    rng = np.random.default_rng(1)
    places = [rng.normal(size=3) for _ in range(4)]
    server = Server(algorithm, rng.normal(size=3))
    before = server.theta + sum(places)
    workers = [Worker(algorithm, w, place, steps=1) for w, place in enumerate(places)]
    for w in range(4):
        server.join(w)
    asked = [worker.advance() for worker in workers]
    replies = dict(itertools.chain.from_iterable(server.receive(message) for message in asked))
    for w, worker in enumerate(workers):
        worker.advance(replies[w])
        worker.advance(np.zeros(3))
    np.testing.assert_allclose(server.theta + sum(w.memory["x"] for w in workers), before, rtol=0, atol=1e-14)
    assert not np.allclose(server.theta, before - sum(places))


def test_synchronous_elastic_averaging_is_a_gradient_step_on_the_elastic_objective():
    """C4: of size eta, on the sum of the workers' losses and of rho/2 of their squared distances to the centre."""
    eta, rho, p = 0.05, 3.0, 4
    rng = np.random.default_rng(2)
    fs = [Quadratic(np.geomspace(1.0, 5.0 + i, 3)) for i in range(p)]
    algorithm = SyncEASGD(Optimizer(rules.sgd, lr=eta), alpha=eta * rho)
    x, centre = rng.normal(size=(p, 3)), rng.normal(size=3)
    server = Server(algorithm, centre)
    workers = [Worker(algorithm, i, x[i], steps=1) for i in range(p)]
    for i in range(p):
        server.join(i)
    replies = [reply for worker in workers for reply in server.receive(worker.advance())]
    assert len(replies) == p  # all at once, when the last had asked
    for i, reply in replies:
        wanted = workers[i].advance(reply)
        workers[i].advance(fs[i].grad(wanted.point))
    new = np.array([x[i] - eta * (fs[i].grad(x[i]) + rho * (x[i] - centre)) for i in range(p)])
    np.testing.assert_allclose([worker.memory["x"] for worker in workers], new, rtol=0, atol=1e-15)
    np.testing.assert_allclose(server.theta, centre - eta * rho * np.sum(centre - x, axis=0), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("step", "expected"), [(0.1, 0.9215), (1.0, 0.5409), (1.5, 0.923), (1.8, 1.183)])
def test_mean_dynamics_of_synchronous_elastic_averaging(step, expected):
    """C4: with four workers and beta 0.9 the mean of the workers and the centre contract by the stated radius."""
    algorithm = SyncEASGD(Optimizer(rules.sgd, lr=step), alpha=0.225)
    columns = []
    for x, centre in ((1.0, 0.0), (0.0, 1.0)):
        server = Server(algorithm, np.array([centre]))
        workers = [Worker(algorithm, i, np.array([x]), steps=1) for i in range(4)]
        for i in range(4):
            server.join(i)
        for i, reply in [r for worker in workers for r in server.receive(worker.advance())]:
            workers[i].advance(workers[i].advance(reply).point)
        columns.append([workers[0].memory["x"][0], server.theta[0]])
    assert radius(np.array(columns).T) == pytest.approx(expected, abs=1e-3)


# --- C5: delays and AdaGrad ------------------------------------------------------------------------


def delayed(algorithm, gradients, delay, theta=None):
    """Tell a server a stream of gradients, each read `delay` updates before it is applied; its points."""
    start = np.zeros_like(gradients[0]) if theta is None else theta
    server = Server(algorithm, start)
    workers = delay + 1
    for w in range(workers):
        server.join(w)
    seq, path = [0] * workers, [start]
    reads = {}

    def message(w, kind, t, payload):
        seq[w] += 1
        return server.receive(Message(w, 0, seq[w] - 1, kind, t, payload))

    for s in range(min(workers, len(gradients))):
        reads[s] = message(s, "ask", 0, {})[0][1].payload
    for s, g in enumerate(gradients):
        w = s % workers
        read = reads.pop(s)
        value = g(read["theta"]) if callable(g) else g
        message(w, "give", s, {**{k: v for k, v in read.items() if k != "theta"}, "g": value})
        path.append(server.theta)
        reads[s + workers] = message(w, "ask", s, {})[0][1].payload
    return np.array(path), server


@pytest.mark.parametrize("make", [AdaptiveRevision, async_adagrad], ids=lambda make: make.__name__)
def test_without_delay_it_is_adagrad(make):
    """C5 (i): with an accumulator that starts at 1; with a larger one as well."""
    for initial in (1.0, 7.5):
        gradients = np.random.default_rng(3).normal(size=(50, 4))
        path, _ = delayed(make(lr=0.3, initial=initial), gradients, 0)
        adagrad = Optimizer(rules.adagrad, lr=0.3, eps=0.0, eps_root=initial)
        theta, state = np.zeros(4), adagrad.init(np.zeros(4))
        for g in gradients:
            theta, state = adagrad.tell(theta, g, state)
        np.testing.assert_allclose(path[-1], theta, rtol=0, atol=2e-15)


def test_revision_gives_each_gradient_the_rate_it_would_have_had():
    """C5 (ii): with delay 7 the point is that of rates at the last update whose read preceded the gradient."""
    gradients = np.random.default_rng(4).normal(size=(120, 3))
    path, _ = delayed(AdaptiveRevision(lr=0.5), gradients, 7)
    total, z = np.zeros(3), np.ones(3)
    highest, rates = np.ones(3), []
    bars = np.concatenate([np.zeros((1, 3)), np.cumsum(gradients, axis=0)])
    for s, g in enumerate(gradients):
        z = z + g**2 + 2 * g * (bars[s] - bars[max(0, s - 7)])
        highest = np.maximum(z, highest)
        rates.append(0.5 / np.sqrt(highest))
    # update o was read after update o - 8, so the gradient s was still under way for o = s + 1 ... s + 7
    for s, g in enumerate(gradients):
        total = total - rates[min(s + 7, len(gradients) - 1)] * g
    np.testing.assert_allclose(path[-1], total, rtol=0, atol=1e-14)


def test_if_all_read_before_the_first_update_the_sum_of_gradients_counts():
    """C5 (iii): then z ends at 1 + (sum g)^2, although (iv) z' never falls while z does."""
    gradients = np.random.default_rng(5).normal(size=(40, 3))
    _path, server = delayed(AdaptiveRevision(lr=0.5), gradients, 39)
    np.testing.assert_allclose(1 + server.state["z"], 1 + gradients.sum(axis=0) ** 2, rtol=0, atol=1e-12)
    z, highest = [], []
    for n in range(1, 41):
        state = delayed(AdaptiveRevision(lr=0.5), gradients[:n], 39)[1].state
        z.append(state["z"])
        highest.append(state["z_max"])
    assert (np.diff(highest, axis=0) >= 0).all()
    assert (np.diff(z, axis=0) < 0).any()


def regret(make, lr, delay, targets):
    gradients = [lambda theta, target=target: np.sign(theta - target) for target in targets]
    path, _ = delayed(make(lr=lr), gradients, delay, np.zeros(1))
    # the loss is paid at the point that was read, `delay` updates ago
    paid = path[np.maximum(np.arange(len(targets)) - delay, 0), 0]
    best = np.median(targets)
    return np.abs(paid - targets).sum() - np.abs(best - targets).sum()


def test_with_long_delays_revision_suffers_far_less():
    """C5 (v): at the fixed rate 1 and delay 1000 the baseline's regret is many times that of the revision."""
    targets = np.random.default_rng(6).normal(size=5000)
    baseline, revised = (regret(make, 1.0, 1000, targets) for make in (async_adagrad, AdaptiveRevision))
    assert baseline > 20 * revised > 0
    without = [regret(make, 1.0, 0, targets[:1000]) for make in (async_adagrad, AdaptiveRevision)]
    assert without[0] == pytest.approx(without[1], rel=1e-9)


# --- C6: staleness as momentum -----------------------------------------------------------------------


def test_geometric_staleness_is_momentum():
    """C6: the mean over all orders of p workers is momentum of 1 - 1/p with the rate eta/p (Mitliagkas et al. 2016)."""
    p, eta, rounds = 2, 0.4, 7
    ends = []
    for choice in itertools.product(range(p), repeat=rounds):
        order = [*range(p), *itertools.chain.from_iterable((w, w) for w in choice)]  # each pushes and fetches anew
        algorithm = async_sgd(Optimizer(rules.sgd, lr=eta))
        ends.append(train(algorithm, [half_square] * p, [1.0], steps=rounds + 1, order=order).theta)
    # all fetch at the start, so the first step has no velocity behind it, but the whole rate
    theta, previous = 1.0 - eta, 1.0
    for _ in range(rounds - 1):
        theta, previous = theta + (1 - 1 / p) * (theta - previous) - eta / p * theta, theta
    np.testing.assert_allclose(np.mean(ends), theta, rtol=0, atol=1e-15)


# --- the machines ------------------------------------------------------------------------------------


def gave(worker=0, seq=0, g=1.0, life=0, t=0, sound=True):
    return Message(worker, life, seq, "give", t, {"g": np.array([g])}, sound)


def test_a_message_sent_twice_counts_once():
    server = Server(async_sgd(SGD), np.array([1.0]))
    server.join(0)
    for _ in range(3):
        assert server.receive(gave())[0][1].version == 1
    assert server.theta == pytest.approx(0.9)
    exchange = Message(0, 0, 1, "ask", 1, {})
    assert server.receive(exchange)[0][1].payload == server.receive(exchange)[0][1].payload
    assert server.version == 1


def test_an_exchange_sent_twice_has_the_same_answer():
    server = Server(EASGD(SGD, alpha=0.5), np.array([0.0]))
    server.join(0)
    ask = Message(0, 0, 0, "ask", 0, {"x": np.array([4.0])})
    first, second = (server.receive(ask)[0][1] for _ in range(2))
    assert first.payload["d"] == second.payload["d"] == 2.0
    assert server.theta == 2.0


def test_a_lost_message_is_noticed():
    server = Server(async_sgd(SGD), np.array([1.0]))
    server.join(0)
    with pytest.raises(LostMessage, match="worker 0 sent number 1 before 0"):
        server.receive(gave(seq=1))


def test_a_message_of_an_earlier_life_changes_nothing():
    server = Server(async_sgd(SGD), np.array([1.0]))
    server.join(0)
    server.receive(gave(t=4))
    assert server.join(0, life=1).t == 5  # the next life goes on behind the last step that counted
    [(worker, reply)] = server.receive(gave(seq=1))
    assert (worker, reply.stop, reply.accepted) == (0, True, False)
    assert server.version == 1


def test_nobody_waits_for_a_worker_that_left():
    server = Server(SyncSGD(SGD), np.array([1.0]))
    for w in range(3):
        server.join(w)
    server.receive(gave(0, g=1.0))
    server.receive(gave(1, g=3.0))
    assert server.receive(Message(0, 0, 1, "ask", 1, {})) == []  # it waits
    [(worker, reply)] = server.leave(2)
    assert worker == 0
    assert reply.payload["theta"] == pytest.approx(0.8)


def test_the_warm_start_passes_on_when_its_worker_leaves():
    server = Server(async_sgd(SGD, warm_start=2), np.array([1.0]))
    for w in range(2):
        server.join(w)
    assert server.receive(Message(1, 0, 0, "ask", 0, {})) == []
    assert [worker for worker, _ in server.leave(0)] == [1]


@pytest.mark.parametrize("name", TABLE)
def test_what_is_not_finite_is_rejected_and_named(name):
    def broken(theta, t):
        return np.full(6, np.nan) if t == 4 else theta

    run = train(TABLE[name](0.02), [*dealt(2), broken], start(), steps=12, order="messages", shards=2)
    assert run.finished
    assert np.isfinite(run.theta).all()
    assert set(run.rejected) == {2}
    assert "worker 2 gave NaN or infinity 1 time: rejected" in run.log


@pytest.mark.parametrize("name", TABLE)
def test_a_worker_that_is_never_finite_is_sent_home(name):
    run = train(
        TABLE[name](0.02), [*dealt(2), lambda theta: theta * np.inf], start(), steps=12, order="messages", tolerance=2
    )
    assert np.isfinite(run.theta).all()
    assert "worker 2 gave NaN or infinity 2 times: rejected, and the worker sent home" in run.log
    assert run.finished


@pytest.mark.parametrize("backend", ["inline", "simulate"])
@pytest.mark.parametrize("name", TABLE)
def test_no_finite_gradient_at_all_is_an_error(name, backend):
    """However few the steps are: a run that is over before a worker is sent home has come to nothing, too."""
    for steps in (1, 2, 12):
        with pytest.raises(NotFinite, match="from every worker, up to the end; rejected "):
            train(TABLE[name](0.02), [lambda x: x * np.nan] * 2, start(), steps=steps, tolerance=20, backend=backend)
    one = train(TABLE[name](0.02), [lambda x: x * np.nan, lambda x: x], start(), steps=2, tolerance=20, backend=backend)
    assert one.finished


def test_all_workers_sent_home_is_an_error():
    with pytest.raises(NotFinite, match="from every worker, so that all were sent home; rejected worker 0: 3"):
        train(async_sgd(SGD), [lambda theta: theta * np.nan] * 2, start(), steps=12)


@pytest.mark.parametrize("name", TABLE)
def test_a_server_goes_on_from_its_snapshot(name, tmp_path):
    """A run cut in two by a restart, with everyone joining anew, equals the uninterrupted one where nothing is kept
    between two messages of a worker."""
    algorithm, workers = TABLE[name](0.02), dealt(1)
    first = train(algorithm, workers, start(), steps=6)
    server = Server(algorithm, first.theta)
    server.state, server.version, server.progress = first.states[0], first.updates, {0: 6}
    np.savez(tmp_path / "shard.npz", **server.snapshot())
    with np.load(tmp_path / "shard.npz") as saved:
        restored = Server.restored(algorithm, dict(saved))
    np.testing.assert_array_equal(restored.theta, first.theta)
    assert restored.version == first.updates
    assert restored.state.keys() == first.states[0].keys()
    assert restored.join(0, life=1) == (6, first.updates, False)
    pickle.loads(pickle.dumps(restored))


def test_a_snapshot_does_not_count_what_waits_for_others():
    """Neither the gift nor any step of it: a period of Local SGD is made again whole."""
    local = LocalSGD(SGD, period=5)
    server = Server(local, np.array([1.0]))
    for w in range(2):
        server.join(w)
    server.receive(gave(0, t=4))
    assert Server.restored(local, server.snapshot()).join(0, life=1).t == 0
    assert server.join(0, life=1) == (5, 0, True)  # where the gift is not lost, the next life goes on behind it


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", TABLE)
def test_an_update_in_place_gives_the_same_numbers(name, compiled, monkeypatch):
    """Block by block (whatever the length of the last block) or compiled, to the last bit."""
    monkeypatch.setattr(machines, "BLOCK", 4)
    if compiled:
        monkeypatch.setattr(machines, "COMPILED", 1)
    rng, algorithm = np.random.default_rng(8), TABLE[name](0.1)
    servers = [Server(algorithm, np.ones(10), in_place=in_place) for in_place in (False, True)]
    assert servers[1].in_place
    assert (servers[1]._kernel is not None) == (compiled and hasattr(algorithm, "optimizer") and "revision" not in name)
    workers = [[Worker(algorithm, w, np.ones(10), steps=9) for w in range(2)] for _ in servers]
    gradients = rng.normal(size=(2, 9, 10))
    for server, own in zip(servers, workers, strict=True):
        for w in range(2):
            server.join(w)
        _all_the_way(server, own, gradients)
    np.testing.assert_array_equal(servers[0].theta, servers[1].theta)
    for key, value in servers[0].state.items():
        np.testing.assert_array_equal(value, servers[1].state[key])
    for one, other in zip(*workers, strict=True):
        for key, value in one.memory.items():
            np.testing.assert_equal(value, other.memory[key])


@pytest.mark.parametrize("name", TABLE)
def test_an_answer_is_not_changed_by_the_next_update_in_place(name):
    algorithm = TABLE[name](0.1)
    server = Server(algorithm, np.ones(10), in_place=True)
    server.join(0)
    [(_, reply)] = server.receive(Worker(algorithm, 0, np.ones(10), steps=2).advance())
    assert reply.payload
    for array in reply.payload.values():
        assert not any(np.may_share_memory(array, own) for own in (server.theta, *server.state.values()))


def _all_the_way(server, workers, gradients):
    """Everyone in turn, a message at a time."""
    given, waiting = [None] * len(workers), set()
    while not all(worker.done for worker in workers):
        for w, worker in enumerate(workers):
            if worker.done or w in waiting:
                continue
            wanted = worker.advance(given[w])
            given[w] = None
            if isinstance(wanted, Compute):
                given[w] = gradients[w, wanted.t]
            elif wanted is None:
                answers = server.leave(w)
            else:
                waiting |= {w} if wanted.kind == "ask" else set()
                answers = server.receive(wanted)
            for other, reply in answers if not isinstance(wanted, Compute) else []:
                if other in waiting:
                    waiting.discard(other)
                    given[other] = reply


def test_a_rule_that_sees_whole_vectors_keeps_them_whole():
    full = Optimizer(rules.adagrad_full, lr=0.1)
    assert not Server(async_sgd(full), np.ones(6), in_place=True).in_place
    assert train(async_sgd(full), dealt(2), start(), steps=3).finished
    for optimizer in (full, Optimizer(rules.sgd, lr=np.full(6, 0.1))):
        with pytest.raises(ValueError, match="needs the whole vector"):
            train(async_sgd(optimizer), dealt(2), start(), steps=3, shards=2)


def test_a_server_that_overflows_says_so():
    with pytest.raises(NotFinite, match="the new point is not finite at step 1"):
        train(SyncSGD(Optimizer(rules.sgd, lr=1e308)), [lambda theta: 1e3 * theta], [1.0], steps=9)


# --- bad input ---------------------------------------------------------------------------------------


def test_the_data_is_dealt_out_once():
    dealt_out = parts(MODEL, X, Y, 7, batch_size=4)
    rows = np.concatenate([oracle.X for oracle in dealt_out])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, X))
    assert {len(oracle.X) for oracle in dealt_out} == {17, 18}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"shards": 7}, ValueError, "shards=7, but theta has only 6 numbers"),
        ({"shards": 0}, ValueError, "shards=0"),
        ({"steps": 0}, ValueError, "steps=0: it must be a whole number, 1 or more"),
        ({"theta": [1, 2]}, TypeError, "theta holds int64 values"),
        ({"theta": [[1.0, 2.0]]}, ValueError, r"theta has shape \(1, 2\)"),
        ({"theta": [np.nan] * 6}, ValueError, "theta is not finite"),
        ({"oracles": []}, TypeError, "at least one callable"),
        ({"oracles": [lambda theta, step: theta]}, TypeError, r"one that counts updates must be called t"),
        ({"backend": "gpu"}, ValueError, "backend='gpu' is unknown"),
        ({"order": "random"}, ValueError, "order='random' is unknown"),
        ({"order": [0, 3]}, ValueError, "order holds 3: it names workers .0 to 1."),
        ({"algorithm": SGD}, TypeError, "algorithm=Optimizer.* an Algorithm, as in SyncSGD"),
        ({"speed": 1}, TypeError, "has no option speed"),
        ({"oracles": [lambda theta: np.ones(2)]}, ValueError, r"the gradient has shape \(2,\), but theta has shape"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_does_not_fit_is_said(change, error, message):
    call = {"algorithm": async_sgd(SGD), "oracles": dealt(2), "theta": start(), "steps": 3, **change}
    with pytest.raises(error, match=message):
        train(call.pop("algorithm"), call.pop("oracles"), call.pop("theta"), **call)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Downpour(Optimizer(rules.adagrad), n_fetch=2), "give them their own, as in local="),
        (lambda: Downpour(SGD, n_push=0), "n_push=0: it must be a whole number"),
        (lambda: EASGD(SGD, alpha=1.5), "alpha=1.5"),
        (lambda: LocalSGD(SGD, period=1.5), "period=1.5"),
        (lambda: AdaptiveRevision(lr=-1.0), "lr=-1.0"),
        (lambda: AdaptiveRevision(initial=0.0), "initial=0.0"),
        (lambda: SyncSGD(rules.sgd), "must be an Optimizer"),
    ],
)
def test_an_algorithm_checks_what_it_is_made_of(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_shards_are_whole_and_in_order():
    shards = Shards(10, 3)
    assert [s.stop - s.start for s in shards.slices] == [3, 3, 4]
    np.testing.assert_array_equal(shards.join(shards.split({"g": np.arange(10.0)}))["g"], np.arange(10.0))


def test_a_surface_is_an_oracle_too():
    run = train(async_sgd(SGD), [surfaces.bowl.grad] * 2, [4.0, -2.0], steps=50, order="messages")
    assert np.abs(run.theta).max() < 1e-3
