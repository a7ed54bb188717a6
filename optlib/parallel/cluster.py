"""The algorithms on a real cluster: shards as Dask actors, replicas as Dask tasks, and what to do when one is lost."""

import contextlib
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._written import draft
from ..optimizer import Oracle
from .engine import beginning, check_dismissed, named, ordered
from .machines import Algorithm
from .messages import Shards
from .remote import Outcome, ShardActor, direct, lost, replica, versions
from .result import Measured, Result, Span

#: Seconds between two looks at what the replicas are doing.
TICK = 0.02


class Interrupted(KeyboardInterrupt):
    """The user interrupted a run on a cluster; `result` is how far it came."""

    def __init__(self, result: Result):
        super().__init__(f"interrupted at update {result.updates}; the state is saved in .result")
        self.result = result


def connect(address: str | None = None, *, workers: int = 2, timeout: float = 10.0) -> Any:
    """A `distributed.Client`: of a scheduler somewhere, or of a new cluster on this machine's cores.

    Parameters
    ----------
    address : such as ``"tcp://10.0.0.1:8786"``; left out, a `LocalCluster` is started, and closed with the client
    workers : processes of that local cluster
    timeout : seconds to wait for a scheduler, and for its first worker

    Raises
    ------
    ConnectionError : no scheduler answers there, or it has no worker.
    """
    from distributed import Client, LocalCluster

    if address is None:
        import dask

        # half a minute is Dask's patience with a machine that is gone: these are all on this one
        with dask.config.set({"distributed.comm.timeouts.connect": "5s"}):
            cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0")
        client: Any = Client(cluster)
        client._downhill_cluster = cluster  # it is ours to close
        return client
    try:
        client = Client(address, timeout=0.8 * timeout)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(
            f"no scheduler answers at {address} within {0.8 * timeout:g} s. Is it running (`dask scheduler`), is the "
            "address right, and does the network let this machine reach its port?"
        ) from error
    _wait_for_workers(client, 0.2 * timeout)
    return client


def disconnect(client: Any) -> None:
    """Close a client that `connect` made, and the local cluster that it may have started."""
    client.close()
    cluster = getattr(client, "_downhill_cluster", None)
    if cluster is not None:
        cluster.close()


@contextlib.contextmanager
def borrowed(backend: Any) -> Iterator[Any]:
    """The client itself, or one that is closed in the end: for "dask" (this machine) or a scheduler's address."""
    if not isinstance(backend, str):
        yield backend
        return
    client = connect(None if backend == "dask" else backend)
    try:
        yield client
    finally:
        disconnect(client)


def _wait_for_workers(client: Any, timeout: float) -> None:
    try:
        client.wait_for_workers(1, timeout=timeout)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(
            f"the scheduler at {_address(client)} has no worker (waited {timeout:g} s): start some with "
            f"`dask worker {_address(client)}`"
        ) from error


def _address(client: Any) -> str:
    return str(client.scheduler.address) if client.scheduler is not None else "?"


def check_versions(client: Any) -> None:
    """Raise if a worker has another version of what must be the same everywhere.

    Raises
    ------
    RuntimeError : it names the worker, the library and both versions.
    """
    here = versions()
    for address, there in client.run(_versions_there, on_error="return").items():
        if not isinstance(there, dict):
            raise RuntimeError(f"worker {address} cannot run optlib ({there!r}): install the same version as here")
        for library, version in here.items():
            if there[library] != version:
                raise RuntimeError(
                    f"worker {address} has {library} {there[library]}, but this process has {version}: install the "
                    "same version on all machines, or say train(..., same_versions=False)"
                )


def _versions_there() -> dict[str, str]:
    return versions()


class _Driver:
    """The one who watches over a run: places shards and replicas, saves, and starts anew what was lost."""

    def __init__(
        self, client: Any, algorithm: Algorithm, oracles: Sequence[Oracle], theta: NDArray, steps: int, shards: int,
        tolerance: int, loss: Callable[[NDArray], Any] | None, every: int, checkpoint: str | Path | None,
        interval: float, progress: Callable[[Measured], Any] | None,
    ):  # fmt: skip
        self.client, self.algorithm, self.oracles, self.theta, self.steps = client, algorithm, oracles, theta, steps
        self.shards, self.tolerance = Shards(theta.size, shards), tolerance
        self.loss, self.every, self.interval, self.progress = loss, every, interval, progress
        self.folder = None if checkpoint is None else Path(checkpoint)
        self.saved: list[dict[str, NDArray] | None] = [None] * self.shards.count
        self.actors: list[Any] = []
        self._held: list[Any] = []  # futures whose release would end an actor
        self.lives = [0] * len(oracles)
        self.running: dict[int, Any] = {}
        self.memories: list[Any] = [None] * len(oracles)
        self.spans, self.losses, self.log = list[Span](), list[Measured](), list[str]()
        self._data: list[Any] = [None] * len(oracles)
        self._restored = False
        self.began = time.time()
        self._saved_at, self._measured_at = 0.0, -every

    # --- placing

    def _places(self) -> list[str]:
        _wait_for_workers(self.client, 10.0)
        return sorted(self._machines())

    def place_shard(self, shard: int) -> None:
        """Put a shard on a machine, from its last checkpoint if there is one; on another if that is lost meanwhile."""
        tries = len(self._places())
        for left in reversed(range(tries)):
            places = self._places()
            future = self.client.submit(
                ShardActor, self.algorithm, self.saved[shard], self.theta[self.shards.slices[shard]], self.tolerance,
                actor=True, pure=False, workers=[places[shard % len(places)]], allow_other_workers=True,
            )  # fmt: skip
            try:
                actor = direct(future.result(timeout=30))
                self._answer(actor, actor.open())
                break
            except OSError:
                if not left:
                    raise
        self.actors[shard : shard + 1] = [actor]
        self._held[shard : shard + 1] = [future]

    def place_replicas(self, workers: Iterable[int]) -> None:
        """Start the next life of these workers. All join before the first begins: else it would not wait for them."""
        begins = {
            w: beginning(
                self.algorithm, self.lives[w],
                [self._answer(actor, actor.join(w, self.lives[w])) for actor in self.actors],
            )
            for w in workers
        }  # fmt: skip
        places, links = self._places(), [pickle.dumps(actor) for actor in self.actors]
        for w, (t, late) in begins.items():
            # from the other end than the shards, so that few machines hold both
            place = places[-1 - (w + self.lives[w]) % len(places)]
            self._data[w] = self.client.scatter(self.oracles[w], workers=[place], hash=False)
            if self.lives[w]:
                self.log.append(f"worker {w}: another took over its data, from step {t}, at {place}")
            self.running[w] = self.client.submit(
                replica, self._data[w], links, self.algorithm, self.theta, w, self.steps, self.lives[w], t, late,
                self.began,
                pure=False, workers=[place], allow_other_workers=True,
            )  # fmt: skip

    def _machines(self) -> Any:
        """Who is there, as far as the scheduler knows."""
        return self.client.scheduler_info(n_workers=-1)["workers"]

    def _answer(self, actor: Any, asked: Any, patience: float = 30.0) -> Any:
        """What an actor answers. Its machine is looked for meanwhile: Dask takes half a minute to give up on one."""
        until = time.monotonic() + patience
        while True:
            try:
                return asked.result(timeout=0.5)
            except TimeoutError:
                if actor._address not in self._machines():
                    raise OSError(f"the machine {actor._address} is gone") from None
                if time.monotonic() > until:
                    raise

    # --- watching

    def run(self) -> None:
        """Until every worker is at its end."""
        self.actors, self._held = [], []
        for shard in range(self.shards.count):
            self.place_shard(shard)
        self.save()
        self.place_replicas(range(len(self.oracles)))
        while self.running:
            time.sleep(TICK)
            try:
                self.watch()
            except Exception as error:
                if not lost(error):
                    raise
                self.recover(repr(error))
        self.measure(last=True)

    def watch(self) -> None:
        """Look after those who have come to an end, and save and measure when it is time."""
        there = self._machines()
        for shard, actor in enumerate(self.actors):
            if actor._address not in there:  # asking it would take Dask half a minute to give up
                raise OSError(f"the machine {actor._address} of shard {shard} is gone")
        ended = {w: future for w, future in self.running.items() if future.done()}
        for w, future in ended.items():
            outcome = self._outcome(future)
            self.spans += outcome.spans
            if outcome.how == "lost":
                raise OSError(f"worker {w} cannot reach a shard: {outcome.why}")
            if outcome.how in ("done", "stopped"):
                self.memories[w] = outcome.memory
                for actor in self.actors:
                    self._answer(actor, actor.leave(w))
                del self.running[w]
            else:
                self.log.append(f"worker {w}: its machine was lost ({outcome.why or 'the task came back'})")
                self.lives[w] += 1
                self.place_replicas([w])
        if time.time() - self._saved_at > self.interval:
            self.save()
        self.measure()

    def _outcome(self, future: Any) -> Outcome:
        """How a replica ended; an error of the user's own code is raised."""
        from distributed import KilledWorker

        if future.status == "finished":
            return future.result()
        if future.status in ("cancelled", "lost"):
            return Outcome("repeated", why=f"its task was {future.status}")
        error = future.exception()
        if isinstance(error, KilledWorker) or lost(error):
            return Outcome("repeated", why=type(error).__name__)
        raise error

    def measure(self, last: bool = False) -> None:
        """The loss at the servers' point, once they have moved on far enough."""
        if self.loss is None and self.progress is None:
            return
        version = self._answer(self.actors[0], self.actors[0].version())
        if version - self._measured_at < self.every and not (last and version > self._measured_at):
            return
        looks = [(actor, actor.look()) for actor in self.actors]
        theta = np.concatenate([self._answer(*look)[1] for look in looks])
        self._measured_at = version
        value = float(self.loss(theta)) if self.loss is not None else float("nan")
        measured = Measured(time.time() - self.began, version, value)
        if self.loss is not None:
            self.losses.append(measured)
        if self.progress is not None:
            self.progress(measured)

    def save(self) -> None:
        """Keep a snapshot of every shard, here and, if a folder was given, there."""
        asked = [(actor, actor.snapshot()) for actor in self.actors]
        for shard, snapshot in enumerate(asked):
            self.saved[shard] = self._answer(*snapshot)
        self._saved_at = time.time()
        if self.folder is not None:
            write(self.folder, [saved for saved in self.saved if saved is not None])

    # --- when something is lost

    def recover(self, why: str) -> None:
        """Bring everyone home, rebuild the shards that are gone from their last checkpoint, and start again.

        If all shards are there, only those who gave up on one of them start again.
        """
        gone = [shard for shard, actor in enumerate(self.actors) if not self._alive(actor)]
        if not gone:
            self.log.append(f"a connection broke ({why}), but every shard is there: the run goes on")
            ended = [w for w, future in self.running.items() if future.done()]
            again = [w for w in ended if self._outcome(self.running[w]).how == "lost"]
            for w in again:
                self.lives[w] += 1
            self.place_replicas(again)
            return
        for shard, actor in enumerate(self.actors):
            if shard not in gone:
                self._answer(actor, actor.stop())
        self._come_home(60.0)
        self.client.cancel([self._held[shard] for shard in gone])
        for shard in gone:
            saved = self.saved[shard]
            version = 0 if saved is None else int(saved["version"])
            self.log.append(f"shard {shard} was lost ({why}): it starts again from its checkpoint at update {version}")
            self._restored = True
            self.place_shard(shard)
        for shard, actor in enumerate(self.actors):
            if shard not in gone:
                self._answer(actor, actor.resume())
        for w in self.running:
            self.lives[w] += 1
        self.place_replicas(list(self.running))

    def _alive(self, actor: Any) -> bool:
        if actor._address not in self._machines():
            return False
        for pause in (0.1, 0.5, 0.0):
            try:
                actor.version().result(timeout=5)
                return True
            except Exception as error:
                if not isinstance(error, OSError):
                    return False
                time.sleep(pause)
        return False

    def _come_home(self, patience: float) -> None:
        """Wait until all replicas have ended, in whatever way."""
        until = time.time() + patience
        while time.time() < until and not all(future.done() for future in self.running.values()):
            time.sleep(TICK)
        for w, future in self.running.items():
            if future.status == "finished":
                outcome = future.result()
                self.spans += outcome.spans
                self.memories[w] = outcome.memory
            elif not future.done():
                future.cancel(force=True)

    def stop(self, patience: float = 30.0) -> None:
        """Send everyone home, and save."""
        for actor in self.actors:
            with contextlib.suppress(Exception):
                actor.stop().result(timeout=5)
        self._come_home(patience)
        with contextlib.suppress(Exception):
            self.save()

    def close(self) -> None:
        """Leave nothing behind on the cluster."""
        with contextlib.suppress(Exception):
            self.client.cancel([*self.running.values(), *self._held, *(d for d in self._data if d is not None)])
        self.running, self.actors, self._held, self._data = {}, [], [], []

    # --- what came of it

    def result(self, finished: bool) -> Result:
        """The same as every backend's."""
        reports = [self._answer(actor, actor.report()) for actor in self.actors]
        rejected = {w: max(r["rejected"].get(w, 0) for r in reports) for r in reports for w in r["rejected"]}
        first = reports[0]
        check_dismissed(first["dismissed"], len(self.oracles), rejected, first["version"])
        order = ordered(report["order"] for report in reports)
        return Result(
            theta=np.concatenate([r["theta"] for r in reports]), states=[r["state"] for r in reports],
            workers=self.memories, versions=[r["version"] for r in reports],
            staleness=np.array(first["staleness"], dtype=int), order=[] if self._restored else order, backend="dask",
            spans=sorted(self.spans, key=lambda span: span.start), losses=self.losses, rejected=rejected,
            log=[*self.log, *named(first["dismissed"], rejected)], finished=finished,
            time=time.time() - self.began, checkpoints=list(self.saved),
        )  # fmt: skip


def write(folder: Path, saved: Sequence[dict[str, NDArray]]) -> None:
    """Save the shards' snapshots, so that a reader finds the old file or the new one, never half of one."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard, snapshot in enumerate(saved):
        with draft(folder / f"shard-{shard}.npz") as new, new.open("wb") as file:
            np.savez(file, **snapshot)  # type: ignore[arg-type]


def read(folder: str | Path) -> list[dict[str, NDArray]]:
    """The shards' snapshots that a run left in its folder, for ``train(..., resume=...)``.

    Raises
    ------
    FileNotFoundError : there are none.
    """
    paths = sorted(Path(folder).glob("shard-*.npz"), key=lambda path: int(path.stem.split("-")[1]))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no shard-0.npz: is it the folder that train(..., checkpoint=...) had?")
    found = []
    for path in paths:
        with np.load(path) as file:
            found.append(dict(file))
    return found


def run_on_dask(
    client: Any, algorithm: Algorithm, oracles: Sequence[Oracle], theta: NDArray, *, steps: int, shards: int = 1,
    tolerance: int = 3, loss: Callable[[NDArray], Any] | None = None, every: int = 1,
    checkpoint: str | Path | None = None, interval: float = 1.0, resume: str | Path | None = None,
    progress: Callable[[Measured], Any] | None = None, same_versions: bool = True,
) -> Result:  # fmt: skip
    """Run an algorithm on a Dask cluster: what `train` does when its backend is a `distributed.Client`.

    Shards are actors, the oracles (with their data) are sent out once, and each worker is a task. When a machine is
    lost, its tasks go on elsewhere, and its shards start again from their last checkpoint; `Result.log` tells.

    Parameters
    ----------
    client : see `connect`
    loss, every : measured by this process, about every `every` updates; a run on a cluster does not wait for that
    checkpoint : a folder for the shards' snapshots, or None: they are kept in this process alone
    interval : seconds between two checkpoints, above 0: so much is lost at most
    resume : a folder of an earlier run's checkpoints to go on from
    progress : called with each measurement as it is made
    same_versions : refuse workers with other versions of Python, NumPy, Dask or optlib than this process

    Raises
    ------
    ConnectionError : no worker within ten seconds; RuntimeError : versions that differ; NotFinite : no worker had a
    finite gradient; Interrupted : the user pressed Ctrl-C. The state is saved, and nothing is left running.
    """
    if not interval > 0:
        raise ValueError(f"interval={interval!r}: seconds between two checkpoints, above 0")
    if getattr(client, "status", None) != "running":
        raise ConnectionError(f"{client!r} is not connected to a scheduler: make one with optlib.parallel.connect()")
    _wait_for_workers(client, 10.0)
    if same_versions:
        check_versions(client)
    driver = _Driver(
        client, algorithm, oracles, theta, steps, shards, tolerance, loss, every, checkpoint, interval, progress
    )  # fmt: skip
    if resume is not None:
        driver.saved = _fitting(read(resume), driver)
    with client.as_current():  # an actor finds its client that way, and there may be several
        return _watched(driver)


def _watched(driver: _Driver) -> Result:
    try:
        driver.run()
        return driver.result(finished=True)
    except KeyboardInterrupt:
        driver.stop()
        raise Interrupted(driver.result(finished=False)) from None
    except BaseException:
        driver.stop(5.0)
        raise
    finally:
        driver.close()


def _fitting(saved: list[dict[str, NDArray]], driver: _Driver) -> list[dict[str, NDArray] | None]:
    """The snapshots, if they belong to this problem."""
    sizes = [len(snapshot["theta"]) for snapshot in saved]
    wanted = [cut.stop - cut.start for cut in driver.shards.slices]
    if sizes != wanted:
        raise ValueError(f"the checkpoint has shards of {sizes} numbers, but this run has {wanted}")
    driver.lives = [1] * len(driver.oracles)
    return list(saved)
