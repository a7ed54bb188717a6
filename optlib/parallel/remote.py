"""What runs on the machines of a Dask cluster: a shard as an actor, and a replica as a long task.

Whatever goes wrong on the way between two processes is `Lost`, and is marked so where it arises. What an oracle, an
algorithm or data raise travels as a `Failure`. So neither is ever taken for the other.
"""

import asyncio
import copy
import hashlib
import pickle
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..optimizer import Oracle, takes_step
from .engine import gradient
from .machines import Algorithm, Joined, Memory, Server, Worker
from .messages import Message, Payload, Reply, Shards
from .result import Span

#: Seconds before the attempts to reach a shard whose connection broke; after the last one it counts as lost.
ATTEMPTS = (0.02, 0.1, 0.5)

#: Gifts of one worker that may be under way at once: while a shard works on one, the next is on the line.
UNDER_WAY = 2

#: Bytes of arrays up to which a message travels as one string, packed here: to Dask every array of its own costs more.
SMALL = 1 << 16

#: Seconds between two looks of a shard whether anybody still wants it.
WANTED = 1.0

#: Events and spans that are kept, for `Result.order` and the like. A longer run keeps the last ones.
KEPT = 200_000


class Lost(Exception):
    """A machine, a shard or the scheduler cannot be reached, or answers no more."""


class Silent(Lost):
    """One that may be there, but says nothing: frozen, or cut off from here."""


class NotOpened(RuntimeError):
    """A shard that nobody has opened, or that nobody wants any longer."""


@dataclass
class Failure:
    """An error of the user's own code, as it travels: itself if it can, and its traceback in any case."""

    error: BaseException | None
    text: str
    step: int = -1

    @classmethod
    def of(cls, error: BaseException, step: int = -1) -> "Failure":
        text = "".join(traceback.format_exception(error))
        try:
            return cls(pickle.loads(pickle.dumps(error)), text, step)
        except Exception:  # it holds what cannot travel
            return cls(None, text, step)

    def again(self, where: str) -> BaseException:
        """The error, to be raised here, with a note where it came from."""
        last = self.text.strip().rsplit("\n", 1)[-1]
        error = RuntimeError(last) if self.error is None else self.error
        error.add_note(f"raised {where}; there:\n{self.text}")
        return error


def packed(oracle: Oracle) -> tuple[bytes, list[NDArray]]:
    """An oracle as bytes and the large arrays in it, which travel without a copy."""
    from distributed.protocol.pickle import dumps

    buffers: list[pickle.PickleBuffer] = []
    head = dumps(oracle, buffer_callback=buffers.append)
    return head, [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]


class ShardActor:
    """A `Server` that answers over the network. Its methods run one at a time, on the event loop of its machine."""

    def __init__(self, algorithm: Algorithm, begins: Any, tolerance: int, patience: float):
        self._made = algorithm, begins, tolerance
        self._patience = patience
        self._server: Server | None = None
        self._failure: Failure | None = None
        self._waiting: dict[int, asyncio.Future] = {}
        self._turns: list[asyncio.Future] = []
        self._begun: set[tuple[int, int]] = set()
        self._watch: asyncio.Task | None = None

    async def open(self) -> Failure | None:
        """Begin to serve. Only who made this actor calls it: one that Dask makes by itself stays closed."""
        from distributed import get_worker

        algorithm, begins, tolerance = self._made
        try:
            self._server = (
                Server.restored(algorithm, begins, tolerance, in_place=True)
                if isinstance(begins, dict)
                else Server(algorithm, begins, tolerance, in_place=True)
            )
        except Exception as error:
            return Failure.of(error)
        self._server.keep(KEPT)
        self._made = algorithm, None, tolerance
        self._watch = asyncio.create_task(self._while_wanted(get_worker()))
        return None

    async def _while_wanted(self, machine: Any) -> None:
        """When whoever trains is gone, Dask takes this actor from its machine: nobody may wait here for ever."""
        while any(actor is self for actor in machine.state.actors.values()):
            await asyncio.sleep(WANTED)
        await self.end()

    async def end(self) -> None:
        """Everyone goes home, and nobody comes in any more."""
        if self._server is not None:
            self._answer(self._server.stop())
        self._server = None
        self._next_turn()

    def _ready(self) -> Server:
        if self._server is None:
            raise NotOpened("nobody has opened this shard, or nobody wants it any longer")
        return self._server

    async def join(self, worker: int, life: int) -> Joined:
        """As `Server.join`. A replica of an earlier life that still waits is sent home."""
        server = self._ready()
        waiting = self._waiting.pop(worker, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(Reply(None, server.version, accepted=False, stop=True))
        joined = server.join(worker, life)
        self._next_turn()
        return joined

    async def begin(self, worker: int, life: int) -> bool:
        """Whether this life of a worker starts now for the first time: Dask repeats tasks whose machine was lost."""
        first = self._ready().knows(worker, life) and (worker, life) not in self._begun
        self._begun.add((worker, life))
        return first

    async def leave(self, worker: int) -> Failure | None:
        """As `Server.leave`."""
        return self._guarded(lambda: self._answer(self._ready().leave(worker)))

    async def receive(self, head: bytes, *arrays: NDArray) -> Reply | Failure | bytes:
        """As `Server.receive` for one message or several, but the caller waits for the last one's answer. See `parcel`.

        Messages of one worker may overtake each other on the way: then the later one waits for the earlier.
        """
        left = list(arrays)
        reply: Any = None
        for message, names in pickle.loads(head):
            if names is not None:
                message = message._replace(payload={name: left.pop(0) for name in names})
            while self._ready().early(message) or self._ready().holds_back(message):
                await self._turn()
            reply = self._guarded(partial(self._received, message))
            self._next_turn()
            if isinstance(reply, Failure):
                return reply
        if reply is None:
            if message.worker not in self._waiting:
                self._waiting[message.worker] = asyncio.get_running_loop().create_future()
            reply = await asyncio.shield(self._waiting[message.worker])
        small = isinstance(reply, Reply) and _bytes(reply.payload) <= SMALL
        return pickle.dumps(reply, 5) if small else reply

    def _received(self, message: Message) -> Reply | None:
        return self._answer(self._ready().receive(message), message.worker)

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """What the server does; an error of the algorithm is everyone's answer from then on."""
        if self._failure is None:
            try:
                return work()
            except NotOpened:
                raise
            except Exception as error:
                self._failure = Failure.of(error)
                for waiting in self._waiting.values():
                    if not waiting.done():
                        waiting.set_result(self._failure)
        return self._failure

    async def _turn(self, seconds: float | None = None) -> None:
        """Wait until something has changed."""
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        await asyncio.wait([turn], timeout=seconds)

    def _next_turn(self) -> None:
        """Those who waited for a change look again."""
        turns, self._turns = self._turns, []
        for turn in turns:
            if not turn.done():
                turn.set_result(None)

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

    async def look(self) -> tuple[int, NDArray]:
        """The version and the parameters."""
        server = self._ready()
        assert server.theta is not None
        return server.version, server.theta.copy()

    async def version(self) -> int:
        """Updates made."""
        return self._ready().version

    async def hold(self) -> dict[int, tuple[int, int]]:
        """As `Server.hold`, for so long as one is patient: who asked may be gone."""
        marks = dict(self._ready().hold())
        asyncio.get_running_loop().call_later(self._patience, self._go_on, marks)
        return marks

    def _go_on(self, marks: Any = None) -> None:
        if self._server is not None and (marks is None or self._server.hold_is(marks)):
            self._server.go_to(None)
            self._next_turn()

    async def cut(self, marks: dict[int, tuple[int, int]] | None) -> dict[str, NDArray] | None:
        """A snapshot when the server has come to these marks (None: at once), and on; None if it cannot come there."""
        server, until = self._ready(), time.monotonic() + min(2.0, self._patience)
        if marks is None:
            return server.snapshot()
        server.go_to(marks)
        self._next_turn()
        while not self._ready().at_cut and time.monotonic() < until:
            await self._turn(until - time.monotonic())
        saved = server.snapshot() if server.at_cut else None
        self._go_on()
        return saved

    async def report(self) -> dict[str, Any]:
        """What a result is made of."""
        server = self._ready()
        names = ("theta", "state", "version", "applied", "order", "rejected", "dismissed")
        return copy.deepcopy({name: getattr(server, name) for name in names})


class Line:
    """The way to a shard from a worker's task or from a client: calls by name, each answered by a future.

    Dask's own stand-in for an actor may wait for ever when that is gone. Here every error on the way is `Lost`.
    """

    def __init__(self, address: str, key: str, client: Any = None):
        self.address, self.key = address, key
        if client is None:
            from distributed import get_worker

            machine: Any = get_worker()
            self._rpc, self._loop = machine.rpc(address), machine.loop.asyncio_loop
        else:
            from distributed.actor import ProxyRPC

            self._rpc, self._loop = ProxyRPC(client.scheduler, address), client.loop.asyncio_loop

    def call(self, name: str, *args: Any) -> "Future[Any]":
        """Begin a call."""
        calling = self._call(name, args)
        try:
            return asyncio.run_coroutine_threadsafe(calling, self._loop)
        except RuntimeError as error:  # the loop is closed
            calling.close()
            raise Lost(f"this process is no longer connected ({error})") from None

    async def _call(self, name: str, args: Sequence[Any]) -> Any:
        from distributed.protocol import to_serialize

        try:
            answer = await self._rpc.actor_execute(
                function=name, actor=self.key, kwargs={},
                args=[arg if isinstance(arg, bytes) else to_serialize(arg) for arg in args],
            )  # fmt: skip
        except Exception as error:
            raise Lost(f"{self.address} cannot be reached ({type(error).__name__})") from None
        if answer["status"] != "OK":
            raise Lost(f"{self.address} does not answer: {answer['exception']!r}")
        return answer["result"]

    def reach(self) -> None:
        """Wait until the shard can be reached again; `Lost` if it cannot."""
        why: object = "no answer in a second"
        for pause in ATTEMPTS:
            time.sleep(pause)
            try:
                self.call("version").result(timeout=1.0)
                return
            except Lost as error:
                why = error
            except TimeoutError:
                continue
        raise Lost(f"{self.address}: {why}")

    def wait(self, asked: "Future[Any]", patience: float) -> Any:
        """What was asked for, however long others take to make it ready, so long as the shard is there."""
        while True:
            try:
                return asked.result(timeout=patience / 2)
            except TimeoutError:
                try:
                    self.call("version").result(timeout=patience / 2)
                except TimeoutError:
                    raise Silent(f"{self.address} has not answered for {patience:g} s") from None


@dataclass
class Outcome:
    """How a replica came to its end: "done", "stopped", "repeated" (by Dask), "failed", "lost" (no shard answers)."""

    how: str
    memory: Memory | None = None
    spans: list[Span] = field(default_factory=list)
    why: str = ""
    failure: Failure | None = None


def _bytes(payload: Payload | None) -> int:
    return sum(array.nbytes for array in payload.values()) if payload else 0


def parcel(messages: Sequence[Message]) -> tuple[Any, ...]:
    """Messages as `ShardActor.receive` takes them: Dask hands arrays on without a copy only if they stand alone."""
    payloads = [message.payload or {} for message in messages]
    if sum(map(_bytes, payloads)) <= SMALL:
        return (pickle.dumps([(message, None) for message in messages], 5),)
    heads = [
        (message._replace(payload=None), list(payload)) for message, payload in zip(messages, payloads, strict=True)
    ]
    return (pickle.dumps(heads), *[array for payload in payloads for array in payload.values()])


class _Link:
    """A replica's connection to all shards. While some gifts are under way, the next gradient is computed.

    A gift with a question right behind it goes with that in one call, whose answer carries the parameters.
    """

    def __init__(self, lines: Sequence[Line], shards: Shards, patience: float):
        self._lines, self._shards, self._patience = lines, shards, patience
        self._under_way: deque[tuple[list[tuple], list[Any]]] = deque()
        self._gifts: list[Message] = []

    def give(self, message: Message) -> None:
        """Send a gift with the next question, or before the next gradient."""
        self._gifts.append(message)

    def ask(self, message: Message) -> Reply:
        """Send a question, and wait for the answer."""
        self._send([*self._gifts, message])
        reply = self.settle()
        assert reply is not None
        return reply

    def flush(self, left: int = UNDER_WAY) -> None:
        """Send what is to be given, and wait until only so many gifts are under way."""
        if self._gifts:
            self._send(self._gifts)
        self.settle(left)

    def _send(self, messages: Sequence[Message]) -> None:
        self._gifts = []
        split = [self._shards.split(message.payload) for message in messages]
        parcels = [
            parcel([message._replace(payload=parts[shard]) for message, parts in zip(messages, split, strict=True)])
            for shard in range(self._shards.count)
        ]
        sent = [line.call("receive", *each) for line, each in zip(self._lines, parcels, strict=True)]
        self._under_way.append((parcels, sent))

    def settle(self, left: int = 0) -> Reply | None:
        """Wait until only so many are under way, and send again what got lost. The last answer that came."""
        reply = None
        while len(self._under_way) > left:
            parcels, sent = self._under_way.popleft()
            replies = [self._settled(*each) for each in zip(self._lines, parcels, sent, strict=True)]
            reply = self._shards.joined(replies)
        return reply

    def _settled(self, line: Line, parcel: tuple, asked: "Future[Any]") -> Reply:
        """One shard's answer. Servers know what they have had already, so that a call may be repeated."""
        for _ in ATTEMPTS:
            try:
                return _sound(line.wait(asked, self._patience))
            except Silent:
                raise
            except Lost:
                line.reach()
                asked = line.call("receive", *parcel)
        return _sound(line.wait(asked, self._patience))


class _Failed(Exception):
    """A shard's algorithm raised; the failure is its own."""

    def __init__(self, failure: Failure):
        super().__init__(failure.text)
        self.failure = failure


def _sound(reply: Any) -> Any:
    if isinstance(reply, bytes):
        return pickle.loads(reply)
    if isinstance(reply, Failure):
        raise _Failed(reply)
    return reply


def replica(
    data: tuple[bytes, list[NDArray]], theta: NDArray | None, size: int, shards: Sequence[tuple[str, str]],
    algorithm: Algorithm, index: int, steps: int, life: int, t: int, late: bool, began: float, patience: float,
) -> Outcome:  # fmt: skip
    """One worker from its step t to its end, on whatever machine Dask has put it.

    The shards come as addresses and keys: Dask would take actors for something that must be computed anew, and this
    task with it, when their machine is lost.
    """
    from distributed import secede

    secede()  # it waits most of the time: others may start on this machine beside it
    spans: deque[Span] = deque(maxlen=KEPT)
    worker: Worker | None = None
    try:
        lines = [Line(*shard) for shard in shards]
        if not all([line.wait(line.call("begin", index, life), patience) for line in lines]):
            return Outcome("repeated")
        oracle = pickle.loads(data[0], buffers=data[1])
        worker = Worker(algorithm, index, theta, steps, life, t, late)
        _work(worker, _Link(lines, Shards(size, len(lines)), patience), oracle, spans, began)
    except Lost as error:
        return Outcome("lost", None, list(spans), str(error))
    except _Failed as error:
        return Outcome("failed", None, list(spans), "in the update at a shard", error.failure)
    except BaseException as error:  # even one that would end the process: it is the user's
        step = t if worker is None else worker.t
        where = "in its oracle" if worker else "in its data"
        return Outcome("failed", None, list(spans), where, Failure.of(error, step))
    return Outcome("done" if worker.t >= steps else "stopped", worker.memory, list(spans))


def _work(worker: Worker, link: _Link, oracle: Oracle, spans: "deque[Span]", began: float) -> None:
    timed, version = takes_step(oracle), 0
    given: Any = None
    while (wanted := worker.advance(given)) is not None:
        if isinstance(wanted, Message):
            if wanted.kind == "give":
                link.give(wanted)
            else:
                given = link.ask(wanted)
                version = given.version
            continue
        link.flush()
        start = time.time()
        given = gradient(oracle, timed, wanted)
        spans.append(Span(worker.index, wanted.t, start - began, time.time() - began, version))
    link.flush(0)


@cache
def versions() -> dict[str, str]:
    """What is installed here, as far as it must be the same everywhere."""
    import distributed

    from .. import __version__

    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return {
        "optlib": __version__, "optlib's code": code.hexdigest()[:8], "numpy": np.__version__,
        "distributed": distributed.__version__, "Python": "{}.{}".format(*sys.version_info),
    }  # fmt: skip
