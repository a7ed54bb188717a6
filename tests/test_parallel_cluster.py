"""Real clusters: the same numbers as in one process, and what happens when something is lost."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from crowd import TABLE

from optlib import NotFinite, Optimizer, data, models, rules
from optlib.parallel import (
    EASGD,
    Interrupted,
    LocalSGD,
    Shards,
    StreamingDiLoCo,
    SyncSGD,
    async_sgd,
    calibrate,
    cluster,
    connect,
    disconnect,
    parts,
    remote,
    simulate,
    train,
)
from optlib.parallel.checkpoints import NAME, load, read, write
from optlib.parallel.remote import Lost, Silent

pytest.importorskip("distributed", reason="distributed is not installed: pip install 'downhill-course[parallel]'")

SGD = Optimizer(rules.sgd, lr=0.02)
COUNT = Optimizer(rules.sgd, lr=1.0)
X, Y = data.regression(n=120, d=6, seed=3)

# Dask's processes import this very module, and pytest's switches are not theirs
os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), *sys.path])


def dealt(workers):
    return parts(models.LinearRegression(), X, Y, workers, batch_size=5, seed=1)


@pytest.fixture(scope="module")
def client():
    made = connect(workers=3)
    yield made
    disconnect(made)


@pytest.fixture(scope="module")
def mortals():
    made = connect(workers=3)
    yield made
    disconnect(made)


@pytest.fixture
def mortal(mortals):
    """The cluster of the tests that kill: whole again, since a process that was lost is started anew."""
    mortals.wait_for_workers(3, timeout=120)
    return mortals


class Counting:
    """A gradient that says which step it was for, and takes its time: what is counted twice or not at all shows."""

    def __init__(self, seconds=0.004):
        self.seconds = seconds

    def __call__(self, theta, t):
        time.sleep(self.seconds)
        g = np.zeros_like(theta)
        g[t] = 1.0
        return g


class Broken(Counting):
    """One that is not finite at one step, or at all."""

    def __init__(self, step=None):
        self.step = step

    def __call__(self, theta, t):
        return theta * np.nan if self.step in (None, t) else 0.0 * theta


class At:
    """A `progress` that does something once, when the servers have made so many updates."""

    def __init__(self, update, action):
        self.update, self.action, self.seen = update, action, []

    def __call__(self, measured):
        self.seen.append(measured.updates)
        if self.action is not None and measured.updates >= self.update:
            action, self.action = self.action, None
            action()


def places(client):
    """Machines by address, in the order in which shards are put on them; replicas are put on the last ones first."""
    return sorted(client.scheduler_info(n_workers=-1)["workers"])


def kill(client, place):
    """Kill a process of the cluster as a power cut would."""
    [pid] = client.run(os.getpid, workers=[place]).values()
    os.kill(pid, signal.SIGKILL)


def tasks_left(client):
    """What the scheduler still knows of, once it had a moment to forget."""
    for _ in range(100):
        left = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))
        if not left:
            return []
        time.sleep(0.05)
    return left


# --- the same result -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
def test_its_order_repeated_in_one_process_gives_the_same_numbers(client, name):
    algorithm, workers = TABLE[name](0.02), dealt(4)
    f = models.LinearRegression().loss
    run = train(
        algorithm, workers, np.ones(6), steps=15, shards=2, backend=client, loss=lambda theta: f(theta, X, Y)
    )  # fmt: skip
    again = train(algorithm, workers, np.ones(6), steps=15, shards=2, order=run.order)
    assert run.finished
    # on a busy machine a connection may break, and the numbers must be the same nevertheless
    assert all(line.endswith("every shard is there: the run goes on") for line in run.log)
    np.testing.assert_array_equal(again.theta, run.theta)
    np.testing.assert_array_equal(again.staleness, run.staleness)
    assert again.versions == run.versions
    for w in range(4):
        for key, value in again.workers[w].items():
            np.testing.assert_equal(run.workers[w][key], value)
    made = sorted((s.worker, s.step) for s in run.spans)
    assert (sorted(set(made)) if run.log else made) == [(w, t) for w in range(4) for t in range(15)]
    assert run.losses[-1].updates == run.updates
    assert run.losses[-1].loss == f(run.theta, X, Y)


@pytest.mark.parametrize(
    ("algorithm", "shards"),
    [(SyncSGD(SGD), 2), (LocalSGD(SGD, period=1), 2), (StreamingDiLoCo(SGD, 4, 2, overlap=1), 1)],
    ids=["sync", "local", "streaming"],
)
def test_who_waits_for_all_does_not_depend_on_the_backend(client, algorithm, shards):
    runs = [
        train(algorithm, dealt(3), np.ones(6), steps=10, shards=shards, backend=backend)
        for backend in ("inline", "simulate", client)
    ]
    np.testing.assert_array_equal(runs[0].theta, runs[1].theta)
    np.testing.assert_array_equal(runs[0].theta, runs[2].theta)


def test_more_replicas_than_threads_do_not_block_each_other(client):
    run = train(SyncSGD(SGD), dealt(12), np.ones(6), steps=5, backend=client)
    assert run.updates == 5
    assert tasks_left(client) == []


def test_a_cluster_of_its_own_by_name():
    run = train(async_sgd(SGD), dealt(2), np.ones(6), steps=5, backend="dask")
    assert run.updates == 10


# --- faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [async_sgd, pytest.param(SyncSGD, marks=pytest.mark.slow)], ids=["async", "sync"])
def test_a_worker_killed_in_the_middle(mortal, make):
    """Training goes on, its data are taken over, the log says so, and no step is lost or counted twice."""
    killing = At(15, lambda: kill(mortal, places(mortal)[-1]))
    run = train(make(COUNT), [Counting()] * 2, np.zeros(60), steps=60, backend=mortal, progress=killing)
    assert killing.action is None
    assert run.finished
    assert any(line.startswith("worker 0: its machine was lost") for line in run.log)
    assert any(line.startswith("worker 0: another took over its data, from step ") for line in run.log)
    np.testing.assert_array_equal(run.theta, -(2 if make is async_sgd else 1) * np.ones(60))
    again = train(make(COUNT), [Counting(0.0)] * 2, np.zeros(60), steps=60, order=run.order)
    np.testing.assert_array_equal(again.theta, run.theta)


def test_the_servers_machine_killed(mortal, tmp_path):
    """The shard starts again from its last checkpoint, and what was made after that is made again, once."""
    killed = []

    def killing(measured):
        """Not before there is a checkpoint of something: on busy cores that may come late."""
        if not killed and (tmp_path / NAME).exists() and read(tmp_path)[0]["version"] > 0:
            killed.append(kill(mortal, places(mortal)[0]))

    run = train(
        async_sgd(COUNT), [Counting(0.02)] * 2, np.zeros(60), steps=60, backend=mortal, progress=killing,
        checkpoint=tmp_path, interval=0.05,
    )  # fmt: skip
    assert run.finished
    [line] = [line for line in run.log if line.startswith("shard 0 was lost")]
    assert "it starts again from its checkpoint at update" in line
    assert int(line.rsplit(" ", 1)[1]) > 0
    np.testing.assert_array_equal(run.theta, -2 * np.ones(60))
    assert run.updates == 120
    assert read(tmp_path)[0]["version"] >= 30


def test_a_machine_that_is_gone_is_not_waited_for(monkeypatch):
    """Dask would try to connect to it for half a minute."""

    class Asked:
        def __init__(self, answer=None):
            self.answer = answer

        def result(self, timeout):
            if self.answer is None:
                raise TimeoutError
            return self.answer

    driver = watching(patience=0.0)
    monkeypatch.setattr(driver, "machines", lambda now=False: {"tcp://there": 1}, raising=False)
    here, gone = SimpleNamespace(address="tcp://there"), SimpleNamespace(address="tcp://gone")
    assert driver._answer(gone, Asked(3)) == 3
    with pytest.raises(Lost, match="tcp://gone is gone"):
        driver._answer(gone, Asked())
    with pytest.raises(Lost, match="tcp://there has not answered for 0 s"):
        driver._answer(here, Asked())


def test_a_shard_that_says_nothing_is_given_up_once_patience_is_over():
    """Not after twice that: the question whether it is there has its part of it. And nobody tries to reach it again."""
    waited = []

    class Never:
        def result(self, timeout):
            waited.append(timeout)
            raise TimeoutError

    line = object.__new__(remote.Line)
    line.address, line.call = "tcp://there", lambda name, *args: Never()
    with pytest.raises(Silent, match="tcp://there has not answered for 8 s"):
        remote._Link([line], Shards(1), 8.0)._settled(line, (), Never())
    assert sum(waited) == 8.0


def watching(**about):
    """A driver of a run of which only this is known."""
    driver = object.__new__(cluster._Driver)
    vars(driver).update(
        client=None, patience=10.0, same_versions=True, log=[], running={}, where={}, lines=[], _stuck={}, _again={},
        _shunned={}, _known=set(), _refused=set(), _beats={}, _asked_at=float("-inf"),
    )  # fmt: skip
    vars(driver).update(about)
    return driver


def test_a_shard_is_put_where_it_can_begin_at_once(monkeypatch):
    """Not where it was just lost, and not on a new process, which has all to import."""
    there, asked = dict.fromkeys("abcd", 0.0), []
    monkeypatch.setattr(cluster, "_beats", lambda client, timeout: there)
    monkeypatch.setattr(cluster, "check_versions", lambda client, workers, differ: asked.append(set(workers)))
    driver = watching()
    assert driver._places() == ["a", "b", "c", "d"]
    driver._shun("b")
    del there["a"]
    there["A"] = 0.0  # in its stead
    assert driver._places() == ["c", "d", "A", "b"]
    assert driver._place_of(0, driver._places()) == "A"
    driver.patience = 0.0  # what happened is long ago
    assert driver._places() == ["b", "c", "d", "A"]
    assert asked == [set("abcd")]
    for place in "bcd":
        del there[place]
    assert driver._places() == ["A"]
    assert asked == [set("abcd"), {"A"}]


def test_replicas_leave_a_machine_without_a_sign_of_life(monkeypatch):
    there, clock = {"a": 1.0, "b": 1.0}, [0.0]
    monkeypatch.setattr(cluster, "_beats", lambda client, timeout: dict(there))
    monkeypatch.setattr(cluster, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    driver = watching(running={0: None, 1: None}, where={0: "a", 1: "b"})
    moved = []

    def next_life(w):
        moved.append(w)
        driver.where[w] = "b"

    driver._next_life = next_life
    for now, alive in ((0.0, "ab"), (6.0, "ab"), (12.0, "b"), (18.0, "b"), (18.5, "")):
        clock[0] = now
        for place in alive:
            there[place] += 1
        driver.machines(now=True)
        driver._move_on(driver._silent())
    assert moved == [0]
    assert driver.log == ["worker 0: no sign of life from a for 10 s"]
    clock[0] = 40.0
    driver.machines(now=True)
    driver._move_on(driver._silent())
    assert moved == [0]  # both are silent: nowhere is better


def test_one_shard_of_two_lost(mortal):
    """Both go back to one moment, and every step counts once on each."""
    killing = At(30, lambda: kill(mortal, places(mortal)[1]))
    run = train(
        async_sgd(COUNT), [Counting()] * 2, np.zeros(60), steps=60, shards=2, backend=mortal, progress=killing,
        interval=0.05,
    )  # fmt: skip
    assert run.finished
    assert any(line.startswith("shard 1 was lost") for line in run.log)
    np.testing.assert_array_equal(run.theta, -2 * np.ones(60))


def test_a_gradient_that_is_not_finite(client):
    run = train(async_sgd(SGD), [*dealt(2), Broken(step=3)], np.ones(6), steps=10, shards=2, backend=client)
    assert np.isfinite(run.theta).all()
    assert run.rejected == {2: 1}
    assert [line for line in run.log if "NaN" in line] == ["worker 2 gave NaN or infinity 1 time: rejected"]
    assert run.updates == 29


def test_a_worker_that_is_never_finite_is_sent_home(client):
    run = train(SyncSGD(SGD), [*dealt(2), Broken()], np.ones(6), steps=10, backend=client)
    assert run.log == ["worker 2 gave NaN or infinity 3 times: rejected, and the worker sent home"]
    assert np.isfinite(run.theta).all()


@pytest.mark.parametrize(("make", "steps"), [(async_sgd, 10), (async_sgd, 2), (EASGD, 2)])
def test_no_finite_gradient_at_all_is_an_error(client, make, steps):
    with pytest.raises(NotFinite, match="from every worker"):
        train(make(SGD), [Broken(), Broken()], np.ones(6), steps=steps, backend=client)
    assert tasks_left(client) == []


def test_a_slow_worker_holds_up_only_those_who_wait(client):
    oracles = [Counting(0.001), Counting(0.001), Counting(0.06)]
    run = train(async_sgd(COUNT), oracles, np.zeros(20), steps=20, backend=client)
    np.testing.assert_array_equal(run.theta, -3 * np.ones(20))
    ends = [max(s.end for s in run.spans if s.worker == w) for w in range(3)]
    assert max(ends[:2]) < ends[2]
    assert run.staleness.max() > 2  # what the slow one gave had been overtaken


def cut(dask_worker):
    """Break every connection of a process to others, in the middle of whatever they carry."""
    pool = dask_worker.rpc
    for comms in [*pool.occupied.values(), *pool.available.values()]:
        for comm in list(comms):
            comm.abort()


def test_dropped_connections(client):
    """Messages are sent again, and the servers notice which of them they have had."""
    cutting = [At(n, lambda: client.run(cut)) for n in (10, 30, 50, 70)]

    def progress(measured):
        for one in cutting:
            one(measured)

    run = train(async_sgd(COUNT), [Counting()] * 2, np.zeros(50), steps=50, shards=2, backend=client, progress=progress)
    assert all(one.action is None for one in cutting)
    assert run.finished
    np.testing.assert_array_equal(run.theta, -2 * np.ones(50))


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("make", [async_sgd, SyncSGD], ids=["async", "sync"])
def test_the_user_interrupts_and_goes_on_later(client, tmp_path, make):
    """The state is saved, nothing is left running, and the next run goes on where this one stopped."""
    call = {"steps": 60, "shards": 2, "backend": client, "checkpoint": tmp_path}
    with pytest.raises(Interrupted) as caught:
        train(make(COUNT), [Counting()] * 2, np.zeros(60), progress=At(20, interrupt), **call)
    half = caught.value.result
    assert not half.finished
    assert 20 <= half.updates < 120
    assert tasks_left(client) == []
    saved = read(tmp_path)
    np.testing.assert_array_equal(np.concatenate([s["theta"] for s in saved]), half.theta)
    run = train(make(COUNT), [Counting()] * 2, np.zeros(60), resume=tmp_path, **call)
    np.testing.assert_array_equal(run.theta, -(2 if make is async_sgd else 1) * np.ones(60))


class Wrong:
    """An oracle that raises at its step 3, or that cannot be loaded where it is to run."""

    def __init__(self, error, loads=True):
        self.error, self.loads = error, loads

    def __setstate__(self, state):
        if not state["loads"]:
            raise state["error"]
        self.__dict__.update(state)

    def __call__(self, theta, t):
        if t == 3:
            raise self.error
        return theta


@pytest.mark.parametrize(
    ("error", "loads"),
    [(ZeroDivisionError("mine"), True), (OSError("mine"), True), (TimeoutError("mine"), True),
     (SystemExit("mine"), True),
     (FileNotFoundError("mine"), False)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_an_error_in_an_oracle_is_the_users(client, error, loads):
    """Whatever it looks like, it ends the run at once, with worker, step and traceback."""
    with pytest.raises(type(error), match="mine") as caught:
        train(SyncSGD(SGD), [*dealt(1), Wrong(error, loads)], np.ones(6), steps=10, backend=client)
    [note] = caught.value.__notes__
    where = "in its oracle of worker 1 at its step 3" if loads else "in its data of worker 1 at its step 0"
    assert note.startswith(f"raised {where}, tcp://")
    assert "raise self.error" in note if loads else 'raise state["error"]' in note
    assert tasks_left(client) == []


@pytest.mark.parametrize("where", ["loss", "progress"])
def test_an_error_in_a_callback_is_the_users(client, where):
    def wrong(_):
        raise OSError("mine")

    with pytest.raises(OSError, match="mine") as caught:
        train(SyncSGD(SGD), dealt(2), np.ones(6), steps=10, backend=client, **{where: wrong})
    assert caught.value.__notes__ == ["raised in this run's loss or progress, at update 0"]
    assert train(SyncSGD(SGD), dealt(2), np.ones(6), steps=3, backend=client).finished


def test_an_error_in_the_last_callback_costs_no_update(client, tmp_path):
    def wrong(measured):
        if measured.updates:
            raise OSError("mine")

    with pytest.raises(OSError, match="mine") as caught:
        train(
            async_sgd(COUNT), [Counting()] * 2, np.zeros(9), steps=9, backend=client, every=99, progress=wrong,
            checkpoint=tmp_path,
        )  # fmt: skip
    assert caught.value.__notes__ == ["raised in this run's loss or progress, at update 18"]
    assert read(tmp_path)[0]["theta"].tolist() == [-2.0] * 9
    assert tasks_left(client) == []


def test_an_error_in_the_algorithm_is_the_users(client):
    overflow = SyncSGD(Optimizer(rules.sgd, lr=1e308))
    with pytest.raises(NotFinite, match="the new point is not finite at step 1") as caught:
        train(overflow, [BIG] * 2, np.ones(6), steps=9, backend=client)
    assert "in the update at a shard" in caught.value.__notes__[0]


def BIG(theta):
    return 1e3 * theta


class Deadly(Counting):
    """It ends its process at its step 2."""

    def __call__(self, theta, t):
        if t == 2:
            os._exit(1)
        return super().__call__(theta, t)


def test_who_dies_at_the_same_step_is_dismissed_and_who_only_waited_is_not():
    driver = object.__new__(cluster._Driver)
    driver._again, driver._stuck, driver._dismissed, driver.log = {}, {}, set(), []
    driver.running, driver.left, driver.lines, driver.dismiss, driver.patience = {}, {0, 1}, [], True, 10.0

    def dies(w, t, waited=False, why="died"):
        driver._again[w] = why
        return driver._is_stuck(w, t, waited)

    assert not any(dies(0, t) for t in (5, 5, 6, 6, 7))
    assert not any(dies(1, 5, waited=True) for _ in range(9))
    assert not any(dies(1, 5, why="lost") for _ in range(9))  # a line may be down for a while
    assert not any(driver._is_stuck(0, 7, False) for _ in range(9))  # a new life for another reason
    assert [dies(0, 7), dies(0, 7)] == [False, True]
    assert driver.log == ["worker 0: its process died 3 times at its step 7: dismissed, and the others go on"]
    with pytest.raises(RuntimeError, match="worker 1: its process died 3 times at its step 5: its oracle ends"):
        [dies(1, 5) for _ in range(3)]  # nobody else is left


@pytest.mark.slow
def test_a_process_that_dies_again_and_again_is_dismissed(mortal):
    oracles = [Counting(), Deadly(), Counting()]
    run = train(async_sgd(COUNT), oracles, np.zeros(30), steps=30, backend=mortal, dismiss=True, interval=0.05)
    said = "worker 1: its process died 3 times at its step 2"
    assert f"{said}: dismissed, and the others go on" in run.log
    assert run.theta.tolist() == [-3.0, -3.0] + [-2.0] * 28
    with pytest.raises(RuntimeError, match=f"{said}: its oracle ends the process"):
        train(SyncSGD(COUNT), oracles, np.zeros(30), steps=30, backend=mortal, interval=0.05)


class Moves(Counting):
    """It waits at its step 5 until a later life of its worker has begun, and then sends what nobody wants."""

    def __init__(self, flag):
        super().__init__()
        self.flag, self.begun = flag, None

    def __call__(self, theta, t):
        self.begun = t if self.begun is None else self.begun
        if self.begun:
            self.flag.touch()
        while t == 5 and not self.flag.exists():
            time.sleep(0.02)
        return super().__call__(theta, t)


def test_a_machine_that_comes_later_takes_a_replica_and_what_the_old_one_sends_counts_no_more(tmp_path):
    made = connect(workers=1)
    try:
        grows = At(4, lambda: made._downhill_cluster.scale(2))
        oracles = [Moves(tmp_path / "moved")] * 2
        run = train(async_sgd(COUNT), oracles, np.zeros(9), steps=9, backend=made, progress=grows, patience=60.0)
    finally:
        disconnect(made)
    assert any(line.startswith("worker 1 moves to tcp://") for line in run.log)
    assert run.theta.tolist() == [-2.0] * 9


@pytest.mark.slow
def test_an_adaptive_cluster_at_zero_is_asked_for_a_worker():
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=None) as adaptive, Client(adaptive) as asks:
        adaptive.adapt(minimum=0, maximum=1)
        run = train(async_sgd(COUNT), [Counting()] * 2, np.zeros(9), steps=9, backend=asks, patience=60.0)
    assert run.theta.tolist() == [-2.0] * 9


# --- what it is like ---------------------------------------------------------------------------------------


class Sleeping:
    def __call__(self, theta):
        time.sleep(0.02)
        return theta


def test_a_cluster_is_measured_for_the_simulator(client):
    like = calibrate(client, Sleeping(), np.ones(6), steps=4)
    assert (like.compute(np.random.default_rng(0), 9) >= 0.02).all()
    assert like.latency >= 0.0
    assert like.service > 0.0
    assert simulate(async_sgd(SGD), workers=2, steps=5, cluster=like).time > 5 * 0.02


@pytest.mark.slow
def test_a_measured_cluster_foretells_the_real_one(client):
    """Asleep, its workers need no cores; the machine may be busy with something else, so the bound is wide."""
    like, algorithm = calibrate(client, Sleeping(), np.ones(1000)), async_sgd(SGD)
    for workers in (1, 2, 4):
        dry = simulate(algorithm, workers=workers, size=1000, steps=40, cluster=like)
        wet = [train(algorithm, [Sleeping()] * workers, np.ones(1000), steps=40, backend=client) for _ in range(3)]
        simulated, *real = (max(s.end for s in run.spans) - min(s.start for s in run.spans) for run in (dry, *wet))
        assert 0.6 < np.median(real) / simulated < 1.7


# --- what cannot work --------------------------------------------------------------------------------------


def test_a_scheduler_that_does_not_answer():
    began = time.monotonic()
    with pytest.raises(ConnectionError, match=r"no scheduler answers at tcp://127.0.0.1:9 within 0.8 s. Is it running"):
        connect("tcp://127.0.0.1:9", timeout=1.0)
    assert time.monotonic() - began < 10


def test_an_asynchronous_client_is_refused():
    with pytest.raises(TypeError, match="is asynchronous, and train waits for its result"):
        cluster.run_on_dask(
            SimpleNamespace(asynchronous=True, status="running"), async_sgd(SGD), dealt(1), np.ones(6), steps=1
        )  # fmt: skip


def test_a_script_without_a_guard_is_told_so(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("from optlib.parallel import connect\nconnect(workers=1)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"RuntimeError: {script} starts processes, each of which imports it anew: put what it does")


def test_a_client_that_is_closed():
    made = connect(workers=1)
    disconnect(made)
    with pytest.raises(ConnectionError, match="is not connected to a scheduler"):
        train(async_sgd(SGD), dealt(1), np.ones(6), steps=1, backend=made)


def test_versions_that_differ_are_named(client, monkeypatch):
    here = cluster.versions()
    monkeypatch.setattr(cluster, "versions", lambda: {**here, "numpy": "0.9.6"})
    with pytest.raises(
        RuntimeError, match=r"worker tcp\S+ has numpy \S+, but this process has 0.9.6: install the same"
    ):
        train(async_sgd(SGD), dealt(1), np.ones(6), steps=1, backend=client)
    assert train(async_sgd(SGD), dealt(1), np.ones(6), steps=1, backend=client, same_versions=False).finished


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"interval": 0.0}, ValueError, "interval=0.0: seconds between two checkpoints"),
        ({"shards": 7}, ValueError, "shards=7, but theta has only 6 numbers"),
        ({"resume": "nowhere"}, FileNotFoundError, "nowhere holds no checkpoint.npz"),
        ({"speed": 3}, TypeError, "speed"),
    ],
)
def test_what_does_not_fit_is_said(client, options, error, message):
    with pytest.raises(error, match=message):
        train(async_sgd(SGD), dealt(1), np.ones(6), steps=1, backend=client, **options)


@pytest.fixture(scope="module")
def left(client, tmp_path_factory):
    """The folder of a run of two shards, at its end."""
    folder = tmp_path_factory.mktemp("left")
    train(async_sgd(SGD), dealt(1), np.ones(6), steps=2, shards=2, backend=client, checkpoint=folder)
    return folder


def torn(path):
    path.write_bytes(path.read_bytes()[:-300])


def flipped(path):
    whole = bytearray(path.read_bytes())
    place = whole.index(b"0/theta.npy") + 11 + 128 + 3  # in the first number
    whole[place] ^= 0xFF
    path.write_bytes(bytes(whole))


def nan(path):
    with np.load(path) as file:
        arrays = dict(file)
    arrays["1/theta"][0] = np.nan
    np.savez(path, **arrays)


def older(path):
    """A part of another moment."""
    with np.load(path) as file:
        arrays = dict(file)
    arrays["1/version"] -= 1
    np.savez(path, **arrays)


def stale(path):
    path.rename(path.with_name("shard-0.npz"))


@pytest.mark.parametrize(
    ("spoil", "change", "message"),
    [
        (torn, {}, "checkpoint.npz is torn or no checkpoint"),
        (flipped, {}, "checkpoint.npz is torn or no checkpoint"),
        (older, {}, "checkpoint.npz is torn or no checkpoint .its parts do not belong together"),
        (nan, {}, "checkpoint.npz holds NaN or infinity in theta of shard 1"),
        (stale, {}, "shard-0.npz is of an older optlib"),
        (None, {"shards": 1}, r"checkpoint.npz is of another run, with sizes of shards \[3, 3\], here \[6\]"),
        (None, {"algorithm": async_sgd(COUNT)}, "checkpoint.npz is of another run, with algorithm Downpour"),
        (None, {"algorithm": async_sgd(Optimizer(rules.adam, lr=0.02))}, "checkpoint.npz is of another run, with algo"),
        (None, {"theta": np.zeros(6)}, "checkpoint.npz is of another run, begun at another theta"),
        (None, {"oracles": dealt(2)}, "checkpoint.npz is of another run, with workers 1, here 2"),
        (None, {"steps": 1}, "checkpoint.npz is at step 2 already, beyond steps=1"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:20]),
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(client, left, tmp_path, spoil, change, message):
    folder = Path(shutil.copytree(left, tmp_path / "copy"))
    if spoil is not None:
        spoil(folder / "checkpoint.npz")
    call = {"algorithm": async_sgd(SGD), "oracles": dealt(1), "theta": np.ones(6), "steps": 3, "shards": 2, **change}
    with pytest.raises(ValueError, match=message):
        train(call.pop("algorithm"), call.pop("oracles"), call.pop("theta"), backend=client, resume=folder, **call)


def test_a_run_that_ended_goes_on_with_more_steps(client, left):
    run = train(async_sgd(SGD), dealt(1), np.ones(6), steps=5, shards=2, backend=client, resume=left)
    whole = train(async_sgd(SGD), dealt(1), np.ones(6), steps=5, shards=2)
    assert run.log[0] == f"goes on from {left / 'checkpoint.npz'}, update 2"
    np.testing.assert_array_equal(run.theta, whole.theta)
    assert run.versions == [5, 5]


def test_a_full_disk_is_said_and_the_last_checkpoint_kept(client, tmp_path, monkeypatch):
    written = []
    real = os.fsync

    def fsync(fd):
        written.append(fd)
        if len(written) > 2:  # the file and its folder were written once
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    call = {"steps": 60, "backend": client, "checkpoint": tmp_path, "interval": 0.05}
    with pytest.warns(RuntimeWarning, match="no checkpoint could be written to .*No space left on device"):
        run = train(async_sgd(COUNT), [Counting()] * 2, np.zeros(60), **call)
    assert run.theta.tolist() == [-2.0] * 60
    assert sum("No space left" in line for line in run.log) == 1
    assert read(tmp_path)[0]["version"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_a_process_killed_while_it_saves_leaves_the_last_checkpoint_and_no_halves(left, tmp_path):
    folder = Path(shutil.copytree(left, tmp_path / "copy"))
    about, saved = load(folder)
    program = (
        "import os, pathlib, signal, sys; from optlib.parallel.checkpoints import load, write\n"
        "folder = pathlib.Path(sys.argv[1]); os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write(folder, *load(folder))"
    )
    died = subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(list(folder.iterdir())) == 2
    np.testing.assert_array_equal(read(folder)[1]["theta"], saved[1]["theta"])
    write(folder, about, saved)
    assert [path.name for path in folder.iterdir()] == ["checkpoint.npz"]


def test_two_runs_cannot_share_a_folder(client, tmp_path):
    """The earlier one ends, and says why; what it had saved is beside what the later one saves."""
    call = {"backend": client, "checkpoint": tmp_path}
    other = At(10, lambda: train(async_sgd(SGD), dealt(1), np.ones(6), steps=2, **call))
    with pytest.raises(FileExistsError, match=r"checkpoint.npz is now another run's: give each run a folder"):
        train(async_sgd(COUNT), [Counting()] * 2, np.zeros(60), steps=60, progress=other, interval=0.05, **call)
    assert read(tmp_path)[0]["version"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before-checkpoint.npz", "checkpoint.npz"]


def test_a_clock_that_is_put_back_holds_up_no_checkpoint(monkeypatch):
    driver, saves = object.__new__(cluster._Driver), []
    driver.lines, driver.running, driver._known, driver.interval, driver._save_took = [], {}, set(), 1.0, 0.0
    monkeypatch.setattr(driver, "machines", set)
    monkeypatch.setattr(driver, "_silent", lambda: {"nobody"})
    monkeypatch.setattr(driver, "measure", lambda: None)
    monkeypatch.setattr(driver, "_all", lambda *what: saves.append(what) or [None])
    driver.shards, driver._saved_at, ticks = Shards(6), float("-inf"), [0.0]
    monkeypatch.setattr(cluster, "time", SimpleNamespace(time=lambda: -3600.0 * ticks[0], monotonic=lambda: ticks[0]))
    for now in (0.0, 0.5, 2.0, 2.9, 4.0):
        ticks[0] = now
        driver.watch()
    assert saves == [("cut", None)] * 3


def test_what_another_run_left_is_kept(client, left, tmp_path):
    folder = Path(shutil.copytree(left, tmp_path / "copy"))
    run = train(async_sgd(SGD), dealt(1), np.ones(6), steps=1, backend=client, checkpoint=folder)
    assert run.log == [f"what another run had left in {folder} is now before-checkpoint.npz"]
    assert sorted(path.name for path in folder.iterdir()) == ["before-checkpoint.npz", "checkpoint.npz"]


# --- processes of their own ------------------------------------------------------------------------------------


@pytest.fixture
def processes(tmp_path):
    """A scheduler and three workers as one starts them on machines: each a process of its own."""
    started = []

    def start(*command):
        program = [sys.executable, "-m", "distributed.cli." + command[0], *command[1:]]
        started.append(subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return started[-1]

    file = tmp_path / "scheduler.json"
    start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    workers = [
        start("dask_worker", "--scheduler-file", str(file), "--no-nanny", "--no-dashboard", "--nthreads", "1")
        for _ in range(3)
    ]
    from distributed import Client

    for _ in range(200):
        if file.exists():
            break
        time.sleep(0.1)
    client = Client(scheduler_file=str(file), timeout=30)
    client.wait_for_workers(3, timeout=60)
    yield client, workers
    client.close()
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("role", [pytest.param("worker", marks=pytest.mark.slow), "server"])
def test_separate_processes_one_of_which_dies_for_good(processes, role):
    """Nobody starts the dead process again: what it did goes on at another."""
    client, _ = processes
    killing = At(30, lambda: kill(client, places(client)[-1 if role == "worker" else 0]))
    run = train(
        async_sgd(COUNT), [Counting()] * 2, np.zeros(60), steps=60, backend=client, progress=killing, interval=0.05
    )
    assert run.finished
    assert any("lost" in line for line in run.log)
    np.testing.assert_array_equal(run.theta, -2 * np.ones(60))
    assert len(places(client)) == 2
