"""The algorithms on a real cluster: shards as Dask actors, replicas as Dask tasks, and what to do when one is lost."""

import asyncio
import contextlib
import sys
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..optimizer import Oracle
from . import checkpoints
from .engine import beginning, check_fruit, named, ordered
from .machines import Algorithm, Joined
from .messages import Shards
from .remote import KEPT, Failure, Line, Lost, Outcome, ShardActor, packed, replica, versions
from .result import Applied, Measured, Result, Span

#: Seconds between two looks at what the replicas are doing.
TICK = 0.02

#: Seconds between two questions to the scheduler who is there.
LOOK = 0.5

#: What a process of `connect` keeps when it frees memory, up to 64 MB in pieces of up to 32. By Dask's own setting each
#: array of 128 kB or more is new from the system, page by page: that costs more than to send it.
KEEPS = {"MALLOC_TRIM_THRESHOLD_": 1 << 26, "MALLOC_MMAP_THRESHOLD_": 1 << 25}

#: Deaths at the same step, and losses without an update between, after which nobody tries again.
DEATHS, SETBACKS = 3, 6


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
    ConnectionError : no scheduler answers there, or it has no worker; RuntimeError : a script that would start itself
    again in each process.
    """
    from dask import config
    from distributed import Client, LocalCluster

    if address is None:
        _check_guard()
        with config.set({f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in KEEPS.items()}):
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
    _wait_for_workers(client, timeout)
    return client


def _check_guard() -> None:
    """New processes import the script that starts them: what it does must be guarded."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None or not script.endswith(".py") or not Path(script).exists():
        return
    if "__name__" not in Path(script).read_text(encoding="utf-8", errors="replace"):
        raise RuntimeError(
            f"{script} starts processes, each of which imports it anew: put what it does under "
            '`if __name__ == "__main__":`'
        )


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


def _beats(client: Any, timeout: float) -> dict[str, float]:
    """Who is there, and the last sign of life of each, as the scheduler itself says: the client's own list may be old.

    The times are those of the scheduler's clock.
    """
    if client.status != "running":
        raise Lost(f"the scheduler at {_address(client)} is gone")
    try:
        said = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=timeout)
    except (OSError, TimeoutError) as error:
        raise Lost(f"the scheduler at {_address(client)} does not answer ({type(error).__name__})") from None
    return {address: about["last_seen"] for address, about in said["workers"].items()}


def _wait_for_workers(client: Any, timeout: float) -> None:
    """Wait for one. A cluster that adapts, and has none, is asked for it by a task."""
    try:
        if not _beats(client, timeout):
            asking = client.submit(_versions_there, pure=False)
            with contextlib.suppress(Exception):
                asking.result(timeout=timeout)
            asking.release()
        there = _beats(client, timeout)
    except Lost as error:
        raise ConnectionError(str(error)) from None
    if not there:
        raise ConnectionError(
            f"the scheduler at {_address(client)} has no worker (waited {timeout:g} s): start some with "
            f"`dask worker {_address(client)}`"
        )


def _address(client: Any) -> str:
    return str(client.scheduler.address) if client.scheduler is not None else "?"


def check_versions(
    client: Any, workers: Iterable[str] | None = None, timeout: float = 60.0, differ: bool = False
) -> None:
    """Raise if a worker or the scheduler has another version of what must be the same everywhere.

    Each imports optlib for that, the scheduler too, which unpacks what is sent. So nobody has to do it later, when an
    answer is due in a few seconds.

    Parameters
    ----------
    workers : whom to ask; left out, all of them and the scheduler
    differ : whether other versions are allowed

    Raises
    ------
    RuntimeError : it names who has it, the library and both versions; ConnectionError : no answer in `timeout` seconds.
    """
    try:
        answers = client.sync(_everyones, client, workers, callback_timeout=timeout)
    except TimeoutError:
        raise ConnectionError(f"some worker has not said its versions in {timeout:g} s: is one frozen?") from None
    here = {} if differ else versions()
    for who, there in answers.items():
        if not isinstance(there, dict):
            raise RuntimeError(f"{who} cannot run optlib ({there!r}): install the same version as here")
        for library, version in here.items():
            if there.get(library) != version:
                raise RuntimeError(
                    f"{who} has {library} {there.get(library)}, but this process has {version}: install the "
                    "same version on all machines, or say train(..., same_versions=False)"
                )


async def _everyones(client: Any, workers: Iterable[str] | None) -> dict[str, Any]:
    """What each says its versions are, or the error that it has instead; all at once."""
    asked = None if workers is None else list(workers)
    asking = [client._run(_versions_there, workers=asked, on_error="return")]
    if workers is None:
        asking.append(client._run_on_scheduler(_versions_there))
    answers, *scheduler = await asyncio.gather(*asking, return_exceptions=True)
    if isinstance(answers, BaseException):
        raise answers
    said = {f"worker {address}": there for address, there in answers.items()}
    return said | {f"the scheduler at {_address(client)}": there for there in scheduler}


def _versions_there() -> dict[str, str]:
    return versions()


class _Driver:
    """The one who watches over a run: places shards and replicas, saves, and starts anew what was lost."""

    def __init__(
        self, client: Any, algorithm: Algorithm, oracles: Sequence[Oracle], theta: NDArray, steps: int, shards: int,
        tolerance: int, loss: Callable[[NDArray], Any] | None, every: int, checkpoint: str | Path | None,
        interval: float, progress: Callable[[Measured], Any] | None, patience: float, dismiss: bool,
        same_versions: bool,
    ):  # fmt: skip
        self.client, self.algorithm, self.theta, self.steps = client, algorithm, theta, steps
        self.oracles = [packed(oracle) for oracle in oracles]  # what cannot travel says so here
        self.shards, self.tolerance = Shards(theta.size, shards), tolerance
        self.loss, self.every, self.interval, self.progress = loss, every, interval, progress
        self.patience, self.dismiss, self.same_versions = patience, dismiss, same_versions
        self.folder = None if checkpoint is None else Path(checkpoint)
        sizes = [cut.stop - cut.start for cut in self.shards.slices]
        self.about = checkpoints.identity(algorithm, theta, sizes, len(oracles))
        self.run_id = uuid.uuid4().hex
        self.saved: list[dict[str, NDArray] | None] = [None] * self.shards.count
        self.lines: list[Line] = []
        self._held: list[Any] = []  # futures whose release would end an actor
        self.lives = [0] * len(oracles)
        self.running: dict[int, Any] = {}
        self.where: dict[int, str] = {}
        self._past: list[Any] = []  # replicas whose life is over, though they may not know it yet
        self.left = set(range(len(oracles)))  # who is not yet at the end, as far as the last cut knows
        self.memories: list[Any] = [None] * len(oracles)
        self.spans, self.losses, self.log = list[Span](), list[Measured](), list[str]()
        self._start: Any = None
        self._restored, self._reports = False, list[dict[str, Any]]()
        self._beats: dict[str, tuple[float, float]] = {}  # the last sign of life of each, and since when it is that
        self._shunned: dict[str, float] = {}  # machines that failed us, and when
        self._asked_at = float("-inf")
        self._known: set[str] = set()
        self._refused: set[str] = set()
        self._again: dict[int, str] = {}  # why the next life of a worker begins
        self._stuck: dict[tuple[int, str], tuple[int, int, float]] = {}  # at which step, how often, since when
        self._dismissed: set[int] = set()
        self._setbacks = 0
        self.began = time.time()
        self._saved_at, self._save_took, self._measured_at, self._full = float("-inf"), 0.0, -every, ""

    # --- who is there

    def machines(self, now: bool = False) -> set[str]:
        """Who is there, as the scheduler says."""
        if now or time.monotonic() - self._asked_at > LOOK:
            beats, at = _beats(self.client, self.patience), time.monotonic()
            self._asked_at = at
            before = {address: self._beats.get(address, (None, at)) for address in beats.keys() - self._refused}
            self._beats = {
                address: (beats[address], since if last == beats[address] else at)
                for address, (last, since) in before.items()
            }
        return set(self._beats)

    def _places(self) -> list[str]:
        """The machines, at least one: waited for as long as one is patient. The best for a shard first.

        A machine that failed us is taken last for a while, and before it one that is new: it has yet to import all.
        """
        until = time.monotonic() + self.patience
        while not (there := self.machines(now=True)):
            if time.monotonic() > until:
                raise Lost(f"no machine is left (waited {self.patience:g} s)")
            time.sleep(0.1)
        if not self._known & there:  # nobody is left who has been asked
            try:
                check_versions(self.client, there, differ=not self.same_versions)
            except ConnectionError as error:
                raise Lost(str(error)) from None
            self._known |= there
        return sorted(there, key=lambda place: (self._is_shunned(place), place not in self._known, place))

    def _shun(self, place: str) -> None:
        self._shunned[place] = time.monotonic()

    def _is_shunned(self, place: str) -> bool:
        return time.monotonic() - self._shunned.get(place, float("-inf")) < SETBACKS * self.patience

    def _silent(self) -> set[str]:
        """Machines without a sign of life for as long as one is patient: frozen, or cut off from the scheduler."""
        patience = self.patience + len(self._beats) / 50  # Dask's beats get rarer the more there are
        return {place for place, (_, since) in self._beats.items() if self._asked_at - since > patience}

    # --- placing

    def _scattered(self, data: Any, place: str) -> Any:
        try:
            [future] = self.client.scatter([data], workers=[place], hash=False, timeout=self.patience)
        except (OSError, TimeoutError, KeyError) as error:
            self._shun(place)
            raise Lost(f"{place} takes no data ({error!r})") from None
        return future

    def place_shard(self, shard: int) -> None:
        """Put a shard on a machine, from the last cut if there is one."""
        places = self._places()
        place = places[shard % len(places)]
        begins = self.saved[shard]
        data = self._scattered(self.theta[self.shards.slices[shard]] if begins is None else begins, place)
        future = self.client.submit(
            ShardActor, self.algorithm, data, self.tolerance, self.patience, actor=True, pure=False, workers=[place],
            allow_other_workers=True,
        )  # fmt: skip
        self._held.append(future)
        try:
            actor = future.result(timeout=self.patience)
        except TimeoutError:
            self._shun(place)
            raise Lost(f"no machine has begun shard {shard} in {self.patience:g} s") from None
        except Exception as error:
            if future.status in ("cancelled", "lost") or _machine_died(error):
                self._shun(place)
                raise Lost(f"{place}, where shard {shard} was to be, is gone") from None
            error.add_note(f"raised where shard {shard} was to begin, at {place}")
            raise
        line = Line(actor._address, actor._key, self.client)
        self.lines.append(line)
        self.asked(line, "open")

    def place_replicas(self, workers: Iterable[int]) -> None:
        """Start the next life of these workers. All join before the first begins: else it would not wait for them."""
        begins = {}
        for w in workers:
            joined = [Joined(*self.asked(line, "join", w, self.lives[w])) for line in self.lines]
            t, late = beginning(self.algorithm, self.lives[w], joined)
            if self._is_stuck(w, t, all(each.waited for each in joined)):
                continue
            begins[w] = t, late
        places, links = self._places(), [(line.address, line.key) for line in self.lines]
        for w, (t, late) in begins.items():
            place = self._place_of(w, places)
            if self.lives[w]:
                self.log.append(f"worker {w}: another took over its data, from step {t}, at {place}")
            if not late and self._start is None:
                self._start = self._scattered(self.theta, place)
            self.running[w] = self.client.submit(
                replica, self._scattered(self.oracles[w], place), None if late else self._start, self.theta.size,
                links, self.algorithm, w, self.steps, self.lives[w], t, late, self.began, self.patience,
                pure=False, workers=[place], allow_other_workers=True,
            )  # fmt: skip
            self.where[w] = place

    def _place_of(self, w: int, places: Sequence[str]) -> str:
        """The machine with the fewest replicas, rather another than before, rather one without a shard.

        One whose process has died keeps away from the shards first, and everyone from machines that failed us.
        """
        busy = Counter(self.where[other] for other in self.running if other != w and other in self.where)
        shards = {line.address for line in self.lines} if len(places) > len(self.lines) else set()
        wary = (w, "died") in self._stuck

        def cost(place: str) -> tuple:
            again, shard = place == self.where.get(w), place in shards
            return self._is_shunned(place), wary and shard, busy[place], again, shard

        return min(reversed(places), key=cost)  # from the other end than the shards

    def _is_stuck(self, w: int, t: int, waited: bool) -> bool:
        """Whether a worker has come back to the same step once too often, and is dismissed.

        One that only waited for others is innocent: what killed its machine was not its own gradient.
        """
        why, now = self._again.pop(w, ""), time.monotonic()
        step, count, since = self._stuck.get((w, why), (-1, 0, now))
        if not why or waited or step != t:
            step, count, since = t, 0, now
        if why:
            self._stuck[w, why] = step, count + (not waited), since
        if count + 1 < DEATHS or (why == "lost" and now - since < SETBACKS * self.patience):
            return False
        said = f"worker {w}: its process died {DEATHS} times at its step {t}"
        if why == "lost":
            said = f"worker {w} has come no further than its step {t} for {now - since:.0f} s"
        if not self.dismiss or self.left == {w}:
            because = ": its oracle ends the process, or needs more memory than there is" if why == "died" else ""
            raise RuntimeError(said + because)
        self.log.append(f"{said}: dismissed, and the others go on")
        self._dismissed.add(w)
        self._goodbye(w)
        return True

    def _goodbye(self, w: int) -> None:
        """A worker is at its end: nobody waits for it."""
        self.running.pop(w, None)
        self.left.discard(w)
        for line in self.lines:
            self.asked(line, "leave", w)

    # --- asking

    def asked(self, line: Line, what: str, *args: Any) -> Any:
        """What a shard answers. Its machine is looked for meanwhile: Dask takes half a minute to give up on one."""
        return self._answer(line, line.call(what, *args))

    def _answer(self, line: Line, asked: "Future[Any]") -> Any:
        until = time.monotonic() + self.patience
        while True:
            try:
                answer = asked.result(timeout=LOOK)
            except Lost:
                self._shun(line.address)
                raise
            except TimeoutError:
                if line.address not in self.machines():
                    raise Lost(f"the machine {line.address} is gone") from None
                if time.monotonic() > until:
                    self._shun(line.address)
                    raise Lost(f"{line.address} has not answered for {self.patience:g} s") from None
                continue
            if isinstance(answer, Failure):
                raise answer.again(f"in the update at a shard, {line.address}")
            return answer

    def _all(self, what: str, *args: Any) -> list[Any]:
        """What all shards answer, asked at once."""
        calls = [(line, line.call(what, *args)) for line in self.lines]
        return [self._answer(*call) for call in calls]

    # --- watching

    def run(self) -> None:
        """Until every worker is at its end."""
        why = ""
        while True:
            try:
                if why or not self.lines:
                    self.rebuild(why)
                    why = ""
                while self.running:
                    self.watch()
                    time.sleep(TICK)
                self.measure(last=True)
                self.save()
                self._reports = self._all("report")
                return
            except Lost as error:
                why = str(error)
                self._setback(why)

    def _setback(self, why: str) -> None:
        """Count losses with nothing between, and end the run when there are too many."""
        self._setbacks += 1
        until = time.monotonic() + self.patience
        while self.client.status == "connecting" and time.monotonic() < until:
            time.sleep(0.1)
        if self.client.status == "running" and self._setbacks < SETBACKS:
            time.sleep(min(0.25 * (self._setbacks - 1), 2.0))
            return
        first = self.saved[0]
        kept = "no update is kept" if first is None else f"update {int(first['version'])} is kept in Result.checkpoints"
        if self.folder is not None:
            kept = f"the last checkpoint is in {self.folder}: go on with train(..., resume={str(self.folder)!r})"
        times = f", {self._setbacks} times without an update between" if self._setbacks > 1 else ""
        raise ConnectionError(f"{why}{times}; {kept}") from None

    def rebuild(self, why: str) -> None:
        """Place all shards, from the last cut, and everyone who is not at the end."""
        if why:
            first = self.saved[0]
            version = 0 if first is None else int(first["version"])
            there = self.machines(now=True)
            gone = [shard for shard, line in enumerate(self.lines) if line.address not in there]
            what = f"shard {', '.join(map(str, gone))} was lost" if gone else "a shard was lost"
            again = "every shard starts again from the same checkpoint" if self.shards.count > 1 else "it starts again"
            self.log.append(
                f"{what} ({why}): {again}{' from its checkpoint' * (self.shards.count == 1)} at update {version}"
            )
            for w in self.running:
                if self.where.get(w) not in there:
                    self._again[w] = "died"
            self._restored = True
        for line in self.lines:
            with contextlib.suppress(Lost):  # nobody waits whether it has heard
                line.call("end")
        self._release([*self._held, *self.running.values(), *([] if self._start is None else [self._start])])
        self.lines, self._held, self.running, self._start = [], [], {}, None
        for shard in range(self.shards.count):
            self.place_shard(shard)
        if self._restored:
            self.left = set(range(len(self.oracles))) - self._dismissed
            self.lives = [life + 1 for life in self.lives]
        if all(saved is None for saved in self.saved):
            self.save()
        self.place_replicas(sorted(self.left))

    def watch(self) -> None:
        """Look after those who have come to an end, and save and measure when it is time."""
        there = self.machines()
        for shard, line in enumerate(self.lines):
            if line.address not in there and line.address not in self.machines(now=True):
                raise Lost(f"the machine {line.address} of shard {shard} is gone")
        for w, future in [(w, future) for w, future in self.running.items() if future.done()]:
            self._ended(w, self._outcome(w, future))
        self._move_on(self._silent())
        self._welcome(there - self._known)
        if time.monotonic() - self._saved_at > max(self.interval, 10 * self._save_took):
            self.save()
        self.measure()

    def _ended(self, w: int, outcome: Outcome) -> None:
        self.spans += outcome.spans
        if outcome.failure is not None:
            raise outcome.failure.again(
                f"{outcome.why} of worker {w} at its step {outcome.failure.step}, {self.where[w]}"
            )
        if outcome.how in ("done", "stopped"):
            self.memories[w] = outcome.memory
            self._goodbye(w)
            return
        if outcome.how == "lost":
            self._all("version")  # if a shard is gone, all begin again
            self.log.append(
                f"worker {w}: a connection broke ({outcome.why}), but every shard is there: the run goes on"
            )
            self._again[w] = "lost"
        else:
            self.log.append(f"worker {w}: its machine was lost ({outcome.why or 'the task came back'})")
            self._again[w] = "died"
        self._next_life(w)

    def _next_life(self, w: int) -> None:
        self._past.append(self.running.pop(w))
        self.lives[w] += 1
        self.place_replicas([w])

    def _move_on(self, silent: set[str]) -> None:
        """Replicas leave machines that give no sign of life, if there is another; what they still send is refused."""
        if silent >= self.machines():
            return
        for w in [w for w in self.running if self.where[w] in silent]:
            self._shun(self.where[w])
            self.log.append(f"worker {w}: no sign of life from {self.where[w]} for {self.patience:g} s")
            self._again[w] = "lost"
            self._next_life(w)

    def _welcome(self, new: set[str]) -> None:
        """Machines that came later take a replica each from those that have several."""
        for place in sorted(new):
            self._known.add(place)
            try:
                check_versions(self.client, [place], differ=not self.same_versions)
            except Exception as error:
                self._refused.add(place)
                self.log.append(f"a machine that came later is not used: {error}")
                continue
            busy = Counter(self.where[w] for w in self.running)
            [(crowded, count)] = busy.most_common(1) or [("", 0)]
            if count > 1 and not busy[place]:
                w = max(w for w in self.running if self.where[w] == crowded)
                self.log.append(f"worker {w} moves to {place}, which came later")
                self._next_life(w)

    def _outcome(self, w: int, future: Any) -> Outcome:
        """How a replica ended."""
        if future.status == "finished":
            try:
                return future.result(timeout=self.patience)
            except Exception as gone:  # its machine, with what it had to say
                return Outcome("repeated", why=type(gone).__name__)
        if future.status in ("cancelled", "lost"):
            self.machines(now=True)  # the scheduler itself may be gone
            return Outcome("repeated", why=f"its task was {future.status}")
        error = future.exception(timeout=self.patience)
        if _machine_died(error):
            return Outcome("repeated", why=type(error).__name__)
        return Outcome("failed", why="before the first step", failure=Failure.of(error or RuntimeError(future.status)))

    def measure(self, last: bool = False) -> None:
        """The loss at the servers' point, once they have moved on far enough."""
        if self.loss is None and self.progress is None:
            return
        version = self.asked(self.lines[0], "version")
        if version - self._measured_at < self.every and not (last and version > self._measured_at):
            return
        theta = np.concatenate([point for _, point in self._all("look")])
        self._measured_at = version
        try:
            value = float(self.loss(theta)) if self.loss is not None else float("nan")
            measured = Measured(time.time() - self.began, version, value)
            if self.loss is not None:
                self.losses.append(measured)
            if self.progress is not None:
                self.progress(measured)
        except Exception as error:
            error.add_note(f"raised in this run's loss or progress, at update {version}")
            raise

    def save(self) -> None:
        """Keep a cut of all shards, here and, if a folder was given, there."""
        began, marks = time.monotonic(), None
        if self.shards.count > 1:
            held = self._all("hold")
            marks = {w: max(each.get(w, (0, 0)) for each in held) for w in set().union(*held)}
        cut = self._all("cut", marks)
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - began
        if any(saved is None for saved in cut):  # somebody died in the middle of a message: the next one will do
            return
        if self.saved[0] is None or int(cut[0]["version"]) > int(self.saved[0]["version"]):
            self._setbacks = 0
        self.saved = cut
        if self.folder is None:
            return
        try:
            checkpoints.write(self.folder, {**self.about, "run": self.run_id}, cut)
            self._full = ""
        except FileExistsError:
            raise
        except OSError as error:
            said = f"no checkpoint could be written to {self.folder} ({error}): the last one is kept, the run goes on"
            if not self._full:
                warnings.warn(said, RuntimeWarning, stacklevel=2)
                self.log.append(said)
            self._full = said

    # --- the end

    def _come_home(self, patience: float) -> None:
        """Wait until all replicas have ended, in whatever way."""
        until = time.monotonic() + patience
        while time.monotonic() < until and not all(future.done() for future in self.running.values()):
            time.sleep(TICK)
        for w, future in self.running.items():
            if future.status == "finished":
                outcome = future.result(timeout=self.patience)
                self.spans += outcome.spans
                self.memories[w] = outcome.memory

    def stop(self, patience: float) -> None:
        """Send everyone home, and save."""
        with contextlib.suppress(Exception):
            self._all("stop")
            self._come_home(patience)
            self.save()

    def _release(self, futures: Iterable[Any]) -> None:
        with contextlib.suppress(Exception):
            self.client.cancel(list(futures), force=True)

    def close(self) -> None:
        """Leave nothing behind on the cluster."""
        for line in self.lines:
            with contextlib.suppress(Exception):
                line.call("end").result(timeout=1.0)
        start = [] if self._start is None else [self._start]
        self._release([*self.running.values(), *self._past, *self._held, *start])
        self.running, self.lines, self._held, self._past, self._start = {}, [], [], [], None

    # --- what came of it

    def result(self, finished: bool) -> Result:
        """The same as every backend's."""
        reports = self._reports or self._all("report")
        rejected = {w: max(r["rejected"].get(w, 0) for r in reports) for r in reports for w in r["rejected"]}
        first = reports[0]
        check_fruit(
            self.algorithm, first["dismissed"], self.memories, rejected, first["version"],
            finished and not self._restored,
        )  # fmt: skip
        whole = not self._restored and all(len(report["order"]) < KEPT for report in reports)
        order = ordered(report["order"] for report in reports) if whole else []
        return Result(
            theta=np.concatenate([r["theta"] for r in reports]), states=[r["state"] for r in reports],
            workers=self.memories, versions=[r["version"] for r in reports],
            applied=[Applied(*each) for each in first["applied"]], order=order, backend="dask",
            spans=sorted(self.spans, key=lambda span: span.start), losses=self.losses, rejected=rejected,
            log=[*self.log, *named(first["dismissed"], rejected)], finished=finished,
            time=time.time() - self.began, checkpoints=list(self.saved),
        )  # fmt: skip


def _machine_died(error: BaseException | None) -> bool:
    """Whether Dask says that a machine died, or that what was there is gone; by its own errors alone."""
    return type(error).__module__.startswith("distributed") and not isinstance(error, (ValueError, TypeError))


def run_on_dask(
    client: Any, algorithm: Algorithm, oracles: Sequence[Oracle], theta: NDArray, *, steps: int, shards: int = 1,
    tolerance: int = 3, loss: Callable[[NDArray], Any] | None = None, every: int = 1,
    checkpoint: str | Path | None = None, interval: float = 1.0, resume: str | Path | None = None,
    progress: Callable[[Measured], Any] | None = None, same_versions: bool = True, patience: float = 10.0,
    dismiss: bool = False,
) -> Result:  # fmt: skip
    """Run an algorithm on a Dask cluster: what `train` does when its backend is a `distributed.Client`.

    Shards are actors, the oracles (with their data) are sent out, and each worker is a task. When a worker's machine
    is lost, frozen or cut off, its work goes on elsewhere behind what it gave last. When a shard's is
    lost, all shards go back to their last checkpoint, which is one moment of all of them. `Result.log` tells. Machines
    that come later are used.

    Parameters
    ----------
    client : see `connect`
    loss, every : measured by this process, about every `every` updates; a run on a cluster does not wait for that
    checkpoint : a folder for the last checkpoint of all shards, or None: it is kept in this process alone. What an
        earlier run left there is kept beside it
    interval : seconds between two checkpoints, above 0: so much is made anew at most; more, where one takes long
    resume : a folder of an earlier run's checkpoint to go on from; algorithm, theta and the rest are that run's own
    progress : called with each measurement as it is made
    same_versions : refuse workers with other versions of Python, NumPy, Dask or optlib than this process
    patience : seconds that anything may keep silent before it counts as lost, above 0; more than a gradient takes that
        does not let Python's other threads run, for it looks frozen
    dismiss : whether the others go on when a worker's process died three times at the same step; else the run ends

    `Result.order` and the like hold the last 200,000 entries; a longer run cannot be repeated from its order.

    Raises
    ------
    ConnectionError : no worker, or what was lost cannot be had again; RuntimeError : versions that differ, or a process
    that dies again and again; NotFinite : no worker had a finite gradient; Interrupted : the user pressed Ctrl-C. An
    error in an oracle, a loss or a callback ends the run as itself, with a note where it arose. Nothing stays behind.
    """
    for name, value, what in (
        ("interval", interval, "seconds between two checkpoints"),
        ("patience", patience, "seconds to wait for an answer"),
    ):
        if not value > 0:
            raise ValueError(f"{name}={value!r}: {what}, above 0")
    if getattr(client, "asynchronous", False):
        raise TypeError(f"{client!r} is asynchronous, and train waits for its result: make it with Client(address)")
    if getattr(client, "status", None) != "running":
        raise ConnectionError(f"{client!r} is not connected to a scheduler: make one with optlib.parallel.connect()")
    _wait_for_workers(client, patience)
    check_versions(client, differ=not same_versions)
    driver = _Driver(
        client, algorithm, oracles, theta, steps, shards, tolerance, loss, every, checkpoint, interval, progress,
        patience, dismiss, same_versions,
    )  # fmt: skip
    if resume is not None:
        driver.run_id, found = checkpoints.fitting(resume, driver.about, steps)
        driver.saved, driver.lives = list(found), [1] * len(oracles)
        driver.log.append(f"goes on from {Path(resume) / checkpoints.NAME}, update {int(found[0]['version'])}")
    if driver.folder is not None and (resume is None or driver.folder.resolve() != Path(resume).resolve()):
        before = checkpoints.put_aside(driver.folder)
        if before is not None:
            driver.log.append(f"what another run had left in {driver.folder} is now {before.name}")
    return _watched(driver)


def _watched(driver: _Driver) -> Result:
    try:
        driver.run()
        return driver.result(finished=True)
    except KeyboardInterrupt:
        driver.stop(driver.patience)
        try:
            result = driver.result(finished=False)
        except Lost as error:
            raise ConnectionError(f"interrupted, and {error}: the last checkpoint is kept") from None
        raise Interrupted(result) from None
    except BaseException:
        driver.stop(0.0)
        raise
    finally:
        driver.close()
