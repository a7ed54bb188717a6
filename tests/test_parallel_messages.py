"""Talking less: short messages that lose nothing, low rank, DiLoCo, and averages among neighbours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlib import NotFinite, Optimizer, Part, models, rules
from optlib.parallel import (
    AdaptiveRevision,
    Cluster,
    Compressed,
    Downpour,
    Drawn,
    Largest,
    LocalSGD,
    LowRank,
    Server,
    Signs,
    StreamingDiLoCo,
    SyncSGD,
    Worker,
    async_sgd,
    contraction,
    diloco,
    exponential,
    gossip,
    lognormal,
    pair,
    power_sgd,
    ring,
    simulate,
    train,
)
from optlib.parallel.engine import Engine, run_inline

SGD, ONE = Optimizer(rules.sgd, lr=0.1), Optimizer(rules.sgd, lr=1.0)
NET = models.MLP([6, 5, 4])
CODES = {"largest": Largest(0.1), "drawn": Drawn(0.2, seed=3), "signs": Signs(), "low rank": LowRank(NET.parts(), 1)}
INNER = {
    "sync": SyncSGD(ONE), "async": async_sgd(ONE), "downpour": Downpour(ONE, n_push=3),
    "local": LocalSGD(SGD, period=3),
}  # fmt: skip


def random_moves(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- by hand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "gradients", "sent", "left"),
    [
        # (5, 2) each time and one place: 2, then 4, then 6 waits, which is larger than 5
        (Largest(0.5), [[5.0, 2.0]] * 3, [[5, 0], [5, 0], [0, 6]], [[0, 2], [0, 4], [5, 0]]),
        # the mean absolute values of (3, -1), (1 + 1, 3 + 1) and (1 - 1, 0 + 1)
        (Signs(), [[3.0, -1.0], [1.0, 3.0], [1.0, 0.0]], [[2, -2], [3, 3], [0.5, 0.5]], [[1, 1], [-1, 1], [-0.5, 0.5]]),
    ],
    ids=["largest", "signs"],
)  # fmt: skip
def test_three_messages_by_hand(code, gradients, sent, left):
    algorithm = Compressed(SyncSGD(ONE), code)
    memory = algorithm.begin(np.zeros(2))
    for g, message, kept in zip(gradients, sent, left, strict=True):
        payload, memory = algorithm.giving(algorithm.stepped(memory, np.array(g)))
        np.testing.assert_allclose(code.unpack(payload, 2), message, rtol=0, atol=1e-15)
        np.testing.assert_allclose(memory["left"], kept, rtol=0, atol=1e-15)


def test_power_sgd_by_hand():
    """Two workers of mean [[3, 1], [4, 1]], rank 1, Q = (1, 0): P is along (3, 4), (82, 107), (2211, 2885)."""
    moves, q = np.array([[[3.0, 2.0], [4.0, 0.0]], [[3.0, 0.0], [4.0, 2.0]]]), np.array([[1.0], [0.0]])
    for direction in ((3, 4), (82, 107), (2211, 2885)):
        p, q = power_sgd(moves, q)
        unit = np.array(direction) / np.hypot(*direction)
        np.testing.assert_allclose(p @ q.T, np.outer(unit, unit @ [[3, 1], [4, 1]]), rtol=1e-13)


def test_diloco_by_hand():
    """Each exchange moves by 1: u = 1, 1.5, 1.75, and steps of 0.8 (1 + u / 2)."""
    run = train(diloco(ONE, 1, lr=0.8, momentum=0.5), [np.ones_like] * 2, [0.0], steps=3, loss=lambda theta: theta[0])
    np.testing.assert_allclose(-np.diff([m.loss for m in run.losses]), 0.8 * np.array([1.5, 1.75, 1.875]), rtol=1e-14)
    plain = train(diloco(SGD, 4, lr=1.0, momentum=0.0), [half_square] * 2, [1.0, 2.0], steps=12).theta
    np.testing.assert_array_equal(plain, train(LocalSGD(SGD, 4), [half_square] * 2, [1.0, 2.0], steps=12).theta)


def half_square(theta):
    return theta


def one(theta):
    return np.ones_like(theta)


def three(theta):
    return np.full_like(theta, 3.0)


def test_streaming_by_hand():
    """Moves of 1 and 3 a step; the first number is exchanged after steps 1 and 3, the second after 2 and (the end) 3.

    First: means 2 and 4 (of two steps), u = 2 and 1 + 4. Second: means 4 and 2, u = 4 and 2 + 2.
    """
    points, streaming = [], StreamingDiLoCo(ONE, period=2, fragments=2, lr=0.8, momentum=0.5)
    run = train(streaming, [one, three], [0.0, 0.0], steps=3, loss=lambda theta: points.append(theta) or 0.0)
    first, second = -0.8 * np.array([2 + 1, 4 + 2.5]), -0.8 * np.array([4 + 2, 2 + 2])
    expected = [[0, 0], [first[0], 0], [first[0], second[0]], [first.sum(), second.sum()]]
    np.testing.assert_allclose(points, expected, rtol=0, atol=1e-14)
    assert [float(run.states[0][name][0]) for name in ("0.u", "1.u")] == [5.0, 4.0]
    for memory in run.workers:  # nothing is left
        np.testing.assert_array_equal(memory["theta"], memory["start"])


@pytest.mark.parametrize(
    ("blend", "goes_on", "ends"),
    [(None, -5.0, [-6.0, -10.0]), (0.5, -3.5, [-4.5, -9.5]), (0.0, -4.0, [-5.0, -7.0])],
)
def test_streaming_overlaps_by_hand(blend, goes_on, ends):
    """One fragment, exchanged after the second step (moves of 1 and 3, to -4); what is told arrives after the third.

    Worker 0 gave at -2 and is at -3 by then: it goes on from -4 - 1, from half of -3 and -4, or from -4. Worker 1 gave
    at -6 and is at -9: from -4 - 3, from half of -9 and -4, or from -4. After the fourth step the mean is taken.
    """
    streaming = StreamingDiLoCo(ONE, period=2, fragments=1, lr=1.0, momentum=0.0, overlap=1, blend=blend)
    seen = []
    run = train(streaming, [lambda x: seen.append(float(x[0])) or one(x), three], [0.0], steps=4)
    assert seen == [0.0, -1.0, -2.0, goes_on]
    np.testing.assert_allclose(run.theta, np.mean(ends), rtol=0, atol=1e-14)


def test_gossip_by_hand():
    """One of three goes up by 4 each step; 0 and 1 meet, then 1 and 2, then 0 and 2."""
    meets = [pair(3, 0, 1), pair(3, 1, 2), pair(3, 0, 2)]
    slopes = [lambda x: x * 0 - 4.0, lambda x: x * 0, lambda x: x * 0]
    points = [gossip(ONE, slopes, [0.0], steps=n, weights=lambda t: meets[t]).ravel().tolist() for n in (1, 2, 3)]
    assert points == [[2, 2, 0], [6, 1, 1], [5.5, 1, 5.5]]


@pytest.mark.parametrize("period", [1, 4, 5])
def test_one_fragment_is_diloco(period):
    """To the last bit, the server's momentum and the order of messages included."""
    adamw, goals = Optimizer(rules.adamw, lr=0.01), [lambda x, c=c: x - c for c in random_moves(3, 7)]
    whole, streaming = (
        train(algorithm, goals, np.ones(7), steps=13, order="messages")
        for algorithm in (diloco(adamw, period), StreamingDiLoCo(adamw, period, fragments=1))
    )
    np.testing.assert_array_equal(streaming.theta, whole.theta)
    np.testing.assert_array_equal(streaming.states[0]["0.u"], whole.states[0]["u"])
    assert streaming.order == whole.order


class Weighed(Engine):
    """An engine that notes how many numbers each gift and each answer holds."""

    def __init__(self, *args):
        self.gifts, self.told = [], []
        super().__init__(*args)

    def send(self, w, message):
        if message.kind == "give":
            self.gifts.append(sum(array.size for array in message.payload.values()))
        super().send(w, message)

    def answers(self, shard, replies):
        self.told += [sum(a.size for name, a in reply.payload.items() if name != "turn") for _, reply in replies
                      if reply.payload]  # fmt: skip
        super().answers(shard, replies)


def by_layers():
    part = NET.parts()
    return [[part["W1"], part["b1"]], [part["W2"], part["b2"]]]


@pytest.mark.parametrize(
    ("fragments", "sizes"), [(1, [59]), (4, [14, 15, 15, 15]), (by_layers(), [35, 24])], ids=["one", "four", "layers"]
)
def test_streaming_sends_as_much_in_smaller_pieces(fragments, sizes):
    """8 steps of 3 workers, each fragment every 4th: at the end, all that is left goes at once."""
    F, goals = len(sizes), [lambda x, c=c: x - c for c in random_moves(3, NET.size)]
    engine = Weighed(StreamingDiLoCo(SGD, 4, fragments), goals, np.zeros(NET.size), 8, 3)
    run_inline(engine, "messages")
    rounds = [sizes[r % F] for r in range(2 * F - 1)]
    assert sorted(engine.gifts) == sorted([*(3 * rounds), *[NET.size] * 3])
    assert sorted(engine.told) == sorted([0, 0, 0, *(3 * rounds)])  # nobody asks after the end
    dry = simulate(engine.algorithm, workers=3, size=NET.size, steps=8)
    assert dry.versions == [2 * F]
    assert engine.algorithm.vectors == (0, 1 / F, 1 / F)


def test_layers_stream_as_the_numbers_do():
    """Fragments by name: the same as pieces that are cut at the same place, in whatever order they stand in theta."""
    part = NET.parts()
    crossed = [[part["b2"], part["W1"]], [part["W2"], part["b1"]]]
    place = np.concatenate([np.arange(NET.size)[p.where] for each in crossed for p in each])
    goals = random_moves(2, NET.size)
    streaming = StreamingDiLoCo(SGD, 4, crossed)
    run = train(streaming, [lambda x, c=c: x - c for c in goals], np.zeros(NET.size), steps=10)
    cut = StreamingDiLoCo(SGD, 4, [[Part(slice(0, 34), (34,), "bias")], [Part(slice(34, 59), (25,), "bias")]])
    moved = train(cut, [lambda x, c=c: x - c[place] for c in goals], np.zeros(NET.size), steps=10)
    np.testing.assert_allclose(run.theta[place], moved.theta, rtol=0, atol=1e-15)


# --- what must hold --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CODES)
def test_what_is_sent_and_what_is_kept_is_what_was_given(name):
    code, algorithm = CODES[name], Compressed(SyncSGD(ONE), CODES[name])
    memory, shares = algorithm.begin(np.zeros(NET.size)), []
    for g in random_moves(20, NET.size):
        before = memory["left"]
        payload, memory = algorithm.giving(algorithm.stepped(memory, g))
        sent = code.unpack(payload, NET.size)
        np.testing.assert_allclose(sent + memory["left"], g + before, rtol=0, atol=1e-13)
        assert np.linalg.norm(memory["left"]) < np.linalg.norm(g + before)  # it contracts
        shares.append(sum(array.nbytes for array in payload.values()) / g.nbytes)
    assert shares[0] == pytest.approx(code.length, abs=0.025)  # whole bytes, a count, a rounded share
    forgets = Compressed(SyncSGD(ONE), code, feedback=False)
    memory = forgets.giving(forgets.stepped(forgets.begin(np.zeros(NET.size)), g))[1]
    assert not memory["left"].any()


@pytest.mark.parametrize("code", [Largest(1.0), Drawn(1.0), LowRank(NET.parts(), 1), LowRank(NET.parts(), 9)], ids=str)
def test_whole_messages_are_exact(code):
    """All entries; rank 1 of gradients that are products; a rank at which no matrix becomes shorter."""
    g = np.zeros(NET.size)
    for part in NET.parts().values():
        rows = part.shape[0]
        g[part.where] = np.outer(np.arange(1.0, rows + 1), np.arange(1.0, np.prod(part.shape) // rows + 1)).ravel()
    payload, _ = code.pack(g, {})
    np.testing.assert_allclose(code.unpack(payload, g.size), g, rtol=1e-12)


def test_power_sgd_of_full_rank_is_exact_and_of_less_becomes_the_best():
    moves = random_moves(3, 8, 5)
    p, q = power_sgd(moves, random_moves(5, 5, seed=1))
    np.testing.assert_allclose(p @ q.T, moves.mean(axis=0), rtol=0, atol=1e-13)
    q = random_moves(5, 2, seed=2)
    for _ in range(200):
        p, q = power_sgd(moves, q)
    best = np.linalg.norm(np.linalg.svd(moves.mean(axis=0), compute_uv=False)[2:])
    assert np.linalg.norm(moves.mean(axis=0) - p @ q.T) == pytest.approx(best, rel=1e-6)
    left = moves - p @ q.T
    np.testing.assert_allclose(left.mean(axis=0) + p @ q.T, moves.mean(axis=0), rtol=0, atol=1e-14)


def test_one_worker_of_low_rank_is_power_sgd():
    code, shape = LowRank(NET.parts(), 2), (6, 5)
    q, memory = None, {}
    code = LowRank({"W": (slice(0, 30), shape, "hidden")}, 1, seed=4)
    for g in random_moves(4, 30):
        payload, memory = code.pack(g, memory)
        q = np.random.default_rng([4, 0]).standard_normal((5, 1)) if q is None else q
        p, q = power_sgd(g.reshape(shape), q)
        np.testing.assert_array_equal(code.unpack(payload, 30), (p @ q.T).ravel())


@pytest.mark.parametrize("p", [4, 5, 8, 16, 64])
def test_gossip_keeps_the_mean_and_contracts(p):
    assert contraction(ring(p)) == pytest.approx(1 / 3 + 2 / 3 * np.cos(2 * np.pi / p), abs=1e-12)
    slow = np.cos(2 * np.pi * np.arange(p) / p)  # the pattern that fades most slowly
    goals = [lambda x, c=c: (x - c) * 1.0 for c in slow]
    once = gossip(ONE, goals, [0.0], steps=1).ravel()  # each at its goal, then one round
    np.testing.assert_allclose(once, contraction(ring(p)) * slow, rtol=0, atol=1e-12)
    assert once.sum() == pytest.approx(0.0, abs=1e-12)


# --- nothing is lost, nothing is doubled, whatever the order ----------------------------------------


class Given:
    """Gradients that depend on worker and step alone, each counted."""

    def __init__(self, seed, w, size):
        self.key, self.size, self.total = [seed, w], size, np.zeros(size)

    def __call__(self, theta, t):
        g = np.random.default_rng([*self.key, t]).normal(size=self.size)
        self.total += g
        return g


ROUGH = Cluster(compute=lognormal(1.0, 0.8), latency=exponential(0.7), service=0.05)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("inner", INNER)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 9), workers=st.integers(1, 4))
def test_nothing_is_lost_or_doubled(inner, code, seed, steps, workers):
    oracles = [Given(seed, w, NET.size) for w in range(workers)]
    algorithm = Compressed(INNER[inner], CODES[code])
    run = simulate(algorithm, oracles, np.zeros(NET.size), steps=steps, cluster=ROUGH, seed=seed)
    given_, left = sum(oracle.total for oracle in oracles), sum(memory["left"] for memory in run.workers)
    rate, share = (0.1 if inner == "local" else 1.0), (workers if algorithm.synchronous else 1)
    np.testing.assert_allclose(-run.theta * share, rate * given_ - left, rtol=0, atol=1e-11)
    dry = simulate(algorithm, workers=workers, size=NET.size, steps=steps, cluster=ROUGH, seed=seed)
    assert (dry.order, dry.time) == (run.order, run.time)


class Two:
    """A one at two places, so that one of them has to wait."""

    def __call__(self, theta, t):
        return np.isin(np.arange(theta.size), [t, t + 1]).astype(float)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_death_takes_along_what_was_kept_and_no_more(seed):
    """Each entry that is sent is whole, so none arrives twice; what is missing was kept by the living or the dead."""
    mortal = Cluster(compute=lognormal(1.0, 0.6), latency=exponential(0.3), lifetime=exponential(9.0), restart=1.0)
    run = simulate(Compressed(async_sgd(ONE), Largest(0.01)), [Two()] * 3, np.zeros(13), steps=12, cluster=mortal,
                   seed=seed)  # fmt: skip
    assert run.finished
    whole = 3 * np.r_[1.0, np.full(11, 2.0), 1.0]
    missing = whole + run.theta - sum(memory["left"] for memory in run.workers if memory is not None)
    assert (missing > -1e-12).all()
    assert (missing.sum() > 0) <= any("died" in line for line in run.log)
    assert run.updates == 36  # each step was applied once


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), workers=st.integers(2, 7), steps=st.integers(1, 12))
def test_gossip_loses_and_doubles_nothing(seed, workers, steps):
    """Pairs drawn at random, rings, and lines that are all down: the mean walks along the mean of the gradients."""
    rng = np.random.default_rng(seed)

    def meets(t):
        return [np.eye(workers), ring(workers), pair(workers, *rng.choice(workers, 2, replace=False).tolist())][
            rng.integers(3)
        ]

    oracles = [Given(seed, w, 3) for w in range(workers)]
    points = gossip(ONE, oracles, np.ones(3), steps=steps, weights=meets)
    expected = workers - sum(oracle.total for oracle in oracles)
    np.testing.assert_allclose(points.sum(axis=0), expected, rtol=0, atol=1e-11)


# --- what it is good for -----------------------------------------------------------------------------


def test_signs_alone_are_stuck_and_feedback_frees_them():
    """Where the larger part of the slope always decides both signs, x1 + x2 never changes without feedback."""

    def slope(x):
        return 0.5 * np.sign(x.sum()) + np.where(x[0] >= x[1], 1.0, -1.0) * np.array([1.0, -1.0])

    stuck, free = (
        train(Compressed(SyncSGD(Optimizer(rules.sgd, lr=2e-3)), Signs(), feedback), [slope], [1.0, 0.5], steps=2000)
        for feedback in (False, True)
    )
    assert stuck.theta.sum() == pytest.approx(1.5, abs=1e-9)
    assert abs(free.theta).max() < 0.01


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("inner", ["sync", "local"])
def test_short_messages_arrive_where_whole_ones_do(inner, code):
    slow = Optimizer(rules.sgd, lr=0.02)
    algorithm = {"sync": SyncSGD(slow), "local": LocalSGD(slow, period=3)}[inner]
    goals = random_moves(3, NET.size)
    oracles = [lambda x, c=c: x - c for c in goals]
    run = train(Compressed(algorithm, CODES[code]), oracles, np.zeros(NET.size), steps=600, order="messages")
    assert np.linalg.norm(run.theta - goals.mean(axis=0)) < 0.2 * np.linalg.norm(goals.mean(axis=0))


def test_a_gift_that_is_not_finite_spoils_nothing_that_is_kept():
    def broken(theta, t):
        return np.full(4, np.nan) if t == 2 else theta

    run = train(Compressed(async_sgd(SGD), Largest(0.25)), [broken, half_square], np.ones(4), steps=60)
    assert run.rejected == {0: 1}
    assert all(np.isfinite(memory["left"]).all() for memory in run.workers)
    assert np.isfinite(run.theta).all()


def test_a_server_goes_on_from_its_snapshot():
    algorithm = Compressed(async_sgd(Optimizer(rules.momentum, lr=0.1)), Largest(0.5))
    server, worker = Server(algorithm, np.ones(2), in_place=True), Worker(algorithm, 0, np.ones(2), steps=1)
    server.join(0)
    worker.advance(server.receive(worker.advance())[0][1])
    server.receive(worker.advance(np.array([3.0, 1.0])))
    again = Server.restored(algorithm, server.snapshot())
    np.testing.assert_allclose(again.theta, [0.7, 1.0])
    np.testing.assert_equal(again.state, server.state)
    assert again.join(0, life=1).t == 1


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Largest(0.0), r"share=0.0 is out of range; allowed is \(0, 1"),
        (lambda: Drawn(1.5), "share=1.5 is out of range"),
        (lambda: Drawn(0.5, seed=-1), "seed=-1"),
        (lambda: LowRank(NET.parts(), 0), "rank=0: it must be a whole number, 1 or more"),
        (lambda: LowRank({}), "parts={}: give what model.parts"),
        (lambda: LowRank(models.LinearRegression().parts()), "a shape is left open"),
        (lambda: LowRank(NET.parts()).pack(np.ones(3), {}), "parts hold 59 numbers, but theta has 3"),
        (lambda: Compressed(AdaptiveRevision(), Signs()), "inner=AdaptiveRevision.*must be a SyncSGD, a Downpour or"),
        (lambda: Compressed(SyncSGD(SGD), 0.5), "code=0.5: it must be a Code, as in Largest"),
        (lambda: train(Compressed(SyncSGD(SGD), Signs()), [half_square], [1.0, 2.0], steps=1, shards=2),
         "shards=2, but Compressed.* its messages hold them"),
        (lambda: power_sgd(np.ones((2, 3)), np.ones((2, 1))), r"moves has shape \(2, 3\) and q \(2, 1\)"),
        (lambda: ring(0), "workers=0"),
        (lambda: pair(3, 1, 1), "i=1 and j=1 are one worker"),
        (lambda: pair(3, 0, 3), "j=3: it must be a whole number, 0 to 2"),
        (lambda: contraction([[1.0, 0.0], [1.0, 0.0]]), "each row and column must sum to 1"),
        (lambda: gossip(SGD, [half_square] * 3, [1.0], steps=1, weights=ring(4)), r"it must be \(3, 3\)"),
        (lambda: gossip(SGD, [half_square], [1.0], steps=1, weights=lambda t: [[2.0]]), "each row and column must sum"),
        (lambda: gossip(SGD, [], [1.0], steps=1), "oracles must hold at least one callable"),
        (lambda: gossip(SGD, [half_square], [1.0], steps=0), "steps=0"),
        (lambda: gossip(SGD, [lambda x, n: x], [1.0], steps=1), "one that counts updates must be called t"),
        (lambda: gossip(rules.sgd, [half_square], [1.0], steps=1), "must be an Optimizer"),
        (lambda: diloco(SGD, period=0), "period=0"),
        (lambda: StreamingDiLoCo(rules.sgd), "must be an Optimizer"),
        (lambda: StreamingDiLoCo(SGD, period=4, fragments=5), "fragments=5: it must be a whole number, 1 to 4"),
        (lambda: StreamingDiLoCo(SGD, fragments=2.5), "fragments=2.5: it must be a whole number or a sequence"),
        (lambda: StreamingDiLoCo(SGD, fragments=[["W1"], ["W2"]]), "fragments=.*, each of it a Part"),
        (lambda: StreamingDiLoCo(SGD, fragments=[[]]), "each must hold a part at least"),
        (lambda: StreamingDiLoCo(SGD, period=1, fragments=by_layers()), "number of fragments=2: .* 1 to 1"),
        (lambda: StreamingDiLoCo(SGD, 8, 4, overlap=2), "overlap=2: it must be a whole number, 0 to 1"),
        (lambda: StreamingDiLoCo(SGD, 8, 4, blend=1.5), "blend=1.5 is out of range"),
        (lambda: StreamingDiLoCo(SGD, 8, 4, momentum=-1.0), "momentum=-1.0 is out of range"),
        (lambda: train(StreamingDiLoCo(SGD, 8, 4), [half_square], [1.0], steps=1), "fragments=4, but theta has only 1"),
        (lambda: train(StreamingDiLoCo(SGD, 8, by_layers()), [half_square], np.ones(60), steps=1),
         "fragments hold 59 numbers, 59 of them different, and theta has 60"),
        (lambda: train(StreamingDiLoCo(SGD, 8, by_layers()[:1] * 2), [half_square], np.ones(70), steps=1),
         "fragments hold 70 numbers, 35 of them different"),
        (lambda: train(StreamingDiLoCo(SGD, 8, 2), [half_square], [1.0, 2.0], steps=1, shards=2), "take one shard"),
        (lambda: Compressed(StreamingDiLoCo(SGD), Signs()), "must be a SyncSGD, a Downpour or a LocalSGD"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_gossip_says_where_it_overflows():
    with pytest.raises(NotFinite, match="is not finite at step"):
        gossip(ONE, [lambda x: -9e200 * x], [1.0], steps=9)
