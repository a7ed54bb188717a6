"""What runs on the machines of a Dask cluster: a shard as an actor, and a replica as a long task."""

import asyncio
import copy
import pickle
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..optimizer import Oracle, takes_step
from .engine import gradient
from .machines import Algorithm, Joined, Memory, Server, Worker
from .messages import Message, Reply, Shards
from .result import Span

#: Seconds before the attempts to reach a shard whose connection broke; after the last one it counts as lost.
ATTEMPTS = (0.02, 0.1, 0.5)


#: Gifts of one worker that may be under way at once: while a shard works on one, the next is on the line.
UNDER_WAY = 2


class NotOpened(RuntimeError):
    """An actor that Dask made anew after its machine was lost: it knows nothing of what has been learnt."""


class ShardActor:
    """A `Server` that answers over the network. Its methods run one at a time, on the event loop of its machine."""

    def __init__(self, algorithm: Algorithm, saved: dict[str, NDArray] | None, theta: NDArray, tolerance: int):
        self._server = (
            Server(algorithm, theta, tolerance, in_place=True)
            if saved is None
            else Server.restored(algorithm, saved, tolerance, in_place=True)
        )
        self._waiting: dict[int, asyncio.Future] = {}
        self._early: dict[int, list[asyncio.Future]] = {}
        self._begun: set[tuple[int, int]] = set()
        self._opened = False

    async def open(self) -> None:
        """Begin to serve. Only who made this actor calls it: one that Dask makes by itself stays closed."""
        self._opened = True

    def _ready(self) -> Server:
        if not self._opened:
            raise NotOpened("this shard was made anew after its machine was lost")
        return self._server

    async def join(self, worker: int, life: int) -> Joined:
        """As `Server.join`. A replica of an earlier life that still waits is sent home."""
        server = self._ready()
        waiting = self._waiting.pop(worker, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(Reply(None, server.version, accepted=False, stop=True))
        joined = server.join(worker, life)
        self._let_go(worker)
        return joined

    async def begin(self, worker: int, life: int) -> bool:
        """Whether this life of a worker starts now for the first time: Dask repeats tasks whose machine was lost."""
        first = self._ready().knows(worker, life) and (worker, life) not in self._begun
        self._begun.add((worker, life))
        return first

    async def leave(self, worker: int) -> None:
        """As `Server.leave`."""
        self._answer(self._ready().leave(worker))

    async def receive(self, head: bytes, *arrays: NDArray) -> Reply:
        """As `Server.receive`, but the caller waits until there is an answer for it. See `parcel`.

        Messages of one worker may overtake each other on the way: then the later one waits for the earlier.
        """
        message, names = pickle.loads(head)
        message, worker = message._replace(payload=dict(zip(names, arrays, strict=True))), message.worker
        while self._ready().early(message):
            earlier = asyncio.get_running_loop().create_future()
            self._early.setdefault(worker, []).append(earlier)
            await earlier
        now = self._answer(self._ready().receive(message), worker)
        self._let_go(worker)
        if now is not None:
            return now
        if worker not in self._waiting:
            self._waiting[worker] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._waiting[worker])

    def _let_go(self, worker: int) -> None:
        """Those who waited for an earlier message look again."""
        for earlier in self._early.pop(worker, []):
            if not earlier.done():
                earlier.set_result(None)

    def _answer(self, replies: Sequence[tuple[int, Reply]], own: int = -1) -> Reply | None:
        """Hand out answers to those who wait; the caller's own, if it is among them."""
        mine = None
        for worker, reply in replies:
            waiting = self._waiting.pop(worker, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)
            if worker == own:
                mine = reply
        return mine

    async def stop(self) -> None:
        """Everyone is to come home."""
        self._answer(self._ready().stop())

    async def resume(self) -> None:
        """Serve again after `stop`."""
        self._ready().stopping = False

    async def look(self) -> tuple[int, NDArray | None]:
        """The version and the parameters."""
        server = self._ready()
        return server.version, None if server.theta is None else server.theta.copy()

    async def version(self) -> int:
        """Updates made."""
        return self._ready().version

    async def snapshot(self) -> dict[str, NDArray]:
        """As `Server.snapshot`."""
        return self._ready().snapshot()

    async def report(self) -> dict[str, Any]:
        """What a result is made of."""
        server = self._ready()
        names = ("theta", "state", "version", "staleness", "order", "rejected", "dismissed", "progress")
        return copy.deepcopy({name: getattr(server, name) for name in names})


@dataclass
class Outcome:
    """How a replica came to its end: "done", "stopped", "repeated" (by Dask) or "lost" (a shard cannot be reached)."""

    how: str
    memory: Memory | None = None
    spans: list[Span] = field(default_factory=list)
    why: str = ""


def parcel(message: Message) -> tuple[Any, ...]:
    """A message as `ShardActor.receive` takes it: Dask hands arrays on without a copy only if they stand alone."""
    payload = message.payload or {}
    return (pickle.dumps((message._replace(payload=None), list(payload))), *payload.values())


class _Link:
    """A replica's connection to all shards. While some gifts are under way, the next gradient is computed."""

    def __init__(self, actors: Sequence[Any], shards: Shards):
        self._actors, self._shards = actors, shards
        self._under_way: deque[tuple[list[Message], list[Any]]] = deque()

    def send(self, message: Message) -> Reply | None:
        """Send a message, and if it asks, wait for the answer."""
        parts = [message._replace(payload=part) for part in self._shards.split(message.payload)]
        sent = [actor.receive(*parcel(part)) for actor, part in zip(self._actors, parts, strict=True)]
        self._under_way.append((parts, sent))
        return self.settle(UNDER_WAY if message.kind == "give" else 0)

    def settle(self, left: int = 0) -> Reply | None:
        """Wait until only so many are under way, and send again what got lost. The last answer that came."""
        reply = None
        while len(self._under_way) > left:
            parts, sent = self._under_way.popleft()
            replies = [
                patiently(actor, future, partial(actor.receive, *parcel(part)))
                for actor, part, future in zip(self._actors, parts, sent, strict=True)
            ]
            reply = self._shards.joined(replies)
        return reply


def direct(actor: Any) -> Any:
    """The actor, so that a call whose connection breaks fails at once.

    Dask would wait for the future behind the actor instead, and when that is cancelled, the caller waits for ever.
    """
    actor._try_bind_worker_client()
    actor._future = None
    return actor


def patiently(actor: Any, call: Any, again: Callable[[], Any]) -> Any:
    """The answer to a call, which is repeated when its connection breaks. Servers know what they have had already."""
    while True:
        try:
            return call.result()
        except OSError:
            _reach(actor)
            call = again()


def _reach(actor: Any) -> None:
    """Wait until an actor can be reached again; an OSError if it cannot."""
    for pause in ATTEMPTS:
        time.sleep(pause)
        try:
            # a second: to a machine that is gone Dask would try to connect for half a minute
            actor.version().result(timeout=1.0)
            return
        except (OSError, TimeoutError):
            continue
    raise OSError(f"{actor!r} cannot be reached")


def replica(
    oracle: Oracle, links: Sequence[bytes], algorithm: Algorithm, theta: NDArray, index: int, steps: int, life: int,
    t: int, late: bool, began: float,
) -> Outcome:  # fmt: skip
    """One worker from its step t to its end, on whatever machine Dask has put it.

    The actors come as bytes: Dask would take them for something that must be computed anew, and this task with it,
    when their machine is lost.
    """
    from distributed import secede

    secede()  # it waits most of the time: others may start on this machine beside it
    actors = [direct(pickle.loads(link)) for link in links]
    worker = Worker(algorithm, index, theta, steps, life, t, late)
    spans: list[Span] = []
    try:
        if not all([patiently(a, a.begin(index, life), partial(a.begin, index, life)) for a in actors]):
            return Outcome("repeated")
        _work(worker, _Link(actors, Shards(theta.size, len(actors))), oracle, spans, began)
    except (OSError, NotOpened, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not lost(error):
            raise
        return Outcome("lost", None, spans, repr(error))
    return Outcome("done" if worker.t >= steps else "stopped", worker.memory, spans)


def lost(error: BaseException) -> bool:
    """Whether an error says that a shard is gone."""
    return isinstance(error, (OSError, NotOpened)) or "Actor was lost" in str(error) or isinstance(error, TimeoutError)


def _work(worker: Worker, link: _Link, oracle: Oracle, spans: list[Span], began: float) -> None:
    timed, version = takes_step(oracle), 0
    given: Any = None
    while (wanted := worker.advance(given)) is not None:
        if isinstance(wanted, Message):
            reply = link.send(wanted)
            if wanted.kind != "give" and reply is not None:
                given, version = reply, reply.version
            continue
        start = time.time()
        given = gradient(oracle, timed, wanted)
        spans.append(Span(worker.index, wanted.t, start - began, time.time() - began, version))
    link.settle()


def versions() -> dict[str, str]:
    """What is installed here, as far as it must be the same everywhere."""
    import distributed

    from .. import __version__

    return {
        "optlib": __version__, "numpy": np.__version__, "distributed": distributed.__version__,
        "Python": "{}.{}".format(*sys.version_info),
    }  # fmt: skip
