"""Servers and workers in one process, and one way after the other to put their messages in order."""

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._inputs import scalar, shown
from ..optimizer import NotFinite, Oracle, as_gradient, check_oracle, takes_step
from .machines import Algorithm, Compute, Joined, Memory, Server, Worker
from .messages import Message, Reply, Shards, new
from .result import Applied, Event, Measured, Result, Span


def gradient(oracle: Oracle, timed: bool, wanted: Compute) -> NDArray:
    """The gradient that a worker wants, as an array of its point's shape and precision."""
    point = wanted.point
    assert point is not None
    with np.errstate(all="ignore"):  # what is not finite is counted at the server
        g = oracle(point, t=wanted.t) if timed else oracle(point)
    if type(g) is not np.ndarray or g.shape != point.shape or g.dtype != point.dtype:
        g = as_gradient(g, point, wanted.t + 1)
    return g


def checked_oracles(oracles: Iterable[Oracle]) -> list[Oracle]:
    """One for each worker, and at least one, or an error that says which is none."""
    listed = list(oracles)
    if not listed:
        raise TypeError("oracles must hold at least one callable theta -> gradient, one for each worker")
    for i, oracle in enumerate(listed):
        check_oracle(oracle, f"oracles[{i}]")
    return listed


def beginning(algorithm: Algorithm, life: int, joined: Sequence[Joined]) -> tuple[int, bool]:
    """The step at which a life begins that has joined all shards, and whether it begins where the servers are.

    A gift may have reached some shards only: it is made again, and those that had it do not take it twice. An exchange
    cannot be made again, since the worker's own place is gone.
    """
    t = (max if algorithm.exchanges else min)(each.t for each in joined)
    return t, life > 0 or any(each.version for each in joined)


class Engine:
    """All servers and workers of a run, with the messages that are under way between them.

    `oracles` None is a run without numbers: who says what when, but nothing of what is said.
    """

    def __init__(
        self, algorithm: Algorithm, oracles: Sequence[Oracle] | None, theta: NDArray | None, steps: int,
        workers: int, shards: int = 1, tolerance: int = 3, loss: Callable[[NDArray], Any] | None = None, every: int = 1,
    ):  # fmt: skip
        self.algorithm, self.theta, self.steps = algorithm, theta, steps
        self.shards = Shards(shards if theta is None else theta.size, shards)
        starts = [None] * shards if theta is None else [theta[cut] for cut in self.shards.slices]
        self.servers = [Server(algorithm, start, tolerance) for start in starts]
        self._oracles = [(o, takes_step(o)) for o in oracles] if oracles is not None and theta is not None else None
        self.workers: list[Worker | None] = [None] * workers
        self.lives = [0] * workers
        self.queues: list[list[deque[Message]]] = [[deque() for _ in range(shards)] for _ in range(workers)]
        self._joined: list[dict[int, Joined]] = [{} for _ in range(workers)]
        self.inboxes: list[dict[int, Reply] | None] = [None] * workers  #: answers so far, if it waits for them
        self.given: list[NDArray | None] = [None] * workers  #: a gradient that it has not yet taken
        self._asked = [0] * workers
        self._versions, self._starts = array("q", [0]) * workers, array("d", [0.0]) * workers
        self.now, self.spans, self.log = 0.0, list[Span](), list[str]()
        self._loss, self._every, self.losses = loss, every, list[Measured]()
        self.measure()

    # --- workers come and go

    def join(self, w: int, shards: Iterable[int] | None = None) -> None:
        """Worker w begins, or begins anew after it died, as soon as it has joined every shard."""
        for shard in range(self.shards.count) if shards is None else shards:
            self._joined[w][shard] = self.servers[shard].join(w, self.lives[w])
            self.queues[w][shard].clear()
        if all(server.knows(w, self.lives[w]) for server in self.servers):
            t, late = beginning(self.algorithm, self.lives[w], list(self._joined[w].values()))
            self.workers[w] = Worker(self.algorithm, w, self.theta, self.steps, self.lives[w], t, late)
            self.inboxes[w] = self.given[w] = None

    def leave(self, w: int, shards: Iterable[int] | None = None) -> None:
        """Nobody waits for worker w any longer."""
        for shard in range(self.shards.count) if shards is None else shards:
            self.answers(shard, self.servers[shard].leave(w))
        if shards is None:
            self.queues[w] = [deque() for _ in range(self.shards.count)]

    # --- messages

    def step(self, w: int) -> bool:
        """Let worker w compute a gradient or say something; False if it waits for an answer or is at its end."""
        worker, inbox, g = self.workers[w], self.inboxes[w], self.given[w]
        if worker is None or worker.done or (inbox is not None and len(inbox) < self.shards.count):
            return False
        self.given[w] = None
        wanted = worker.advance(g if inbox is None else self.read(w))
        if isinstance(wanted, Compute):
            self.given[w] = self.compute(w, wanted)
            self.spans.append(Span(w, wanted.t, self._starts[w], self.now, self._versions[w]))
            self._starts[w] = self.now
        elif wanted is not None:
            self.send(w, wanted)
        return True

    def read(self, w: int) -> Reply:
        """The answer that worker w waited for."""
        inbox = self.inboxes[w] or {}
        one = self.shards.count == 1
        reply = inbox[0] if one else self.shards.joined([inbox[shard] for shard in range(self.shards.count)])
        self.inboxes[w] = None
        self._versions[w], self._starts[w] = reply.version, self.now
        return reply

    def compute(self, w: int, wanted: Compute) -> NDArray | None:
        """The gradient that worker w wants."""
        return None if self._oracles is None else gradient(*self._oracles[w], wanted)

    def send(self, w: int, message: Message) -> None:
        """Put a message on its way, a part to each shard."""
        if message.kind != "give":
            self.inboxes[w], self._asked[w] = {}, message.seq
        for queue, part in zip(self.queues[w], self.shards.split(message.payload), strict=True):
            queue.append(message._replace(payload=part))

    def deliver(self, shard: int, w: int) -> None:
        """The next message of worker w to a shard arrives."""
        message = self.queues[w][shard].popleft()
        self.now += 1.0
        self.handle(shard, message)

    def handle(self, shard: int, message: Message) -> None:
        """A shard handles a message, and its answers are there at once."""
        server = self.servers[shard]
        if not server.knows(message.worker, message.life):
            return
        before = server.version
        self.answers(shard, server.receive(message))
        if self._loss is not None and shard == 0 and server.version != before and server.version % self._every == 0:
            self.measure()

    def answers(self, shard: int, replies: Iterable[tuple[int, Reply]]) -> None:
        """Hand answers to those who wait for one."""
        for w, reply in replies:
            inbox = self.inboxes[w]
            if inbox is not None and reply.seq == self._asked[w]:
                inbox[shard] = reply

    # --- what is measured

    def point(self) -> NDArray:
        """The parameters of all shards."""
        return np.concatenate([server.theta for server in self.servers if server.theta is not None])

    def measure(self) -> None:
        """Note the loss at the servers' point."""
        if self._loss is not None and self.theta is not None:
            self.losses.append(
                Measured(self.now, self.servers[0].version, scalar(self._loss(self.point()), "loss(theta)"))
            )

    def result(self, backend: str, finished: bool) -> Result:
        """What came of it; raises if no worker had a finite gradient to give."""
        servers = self.servers
        rejected = {w: max(s.rejected.get(w, 0) for s in servers) for s in servers for w in s.rejected}
        memories: list[Memory | None] = [worker.memory if worker is not None else None for worker in self.workers]
        check_fruit(self.algorithm, servers[0].dismissed, memories, rejected, servers[0].version, finished)
        return Result(
            theta=np.empty(0) if self.theta is None else self.point(), states=[s.state for s in servers],
            workers=memories, versions=[s.version for s in servers],
            applied=[new(Applied, each) for each in servers[0].applied], order=ordered(s.order for s in servers),
            backend=backend, spans=self.spans, losses=self.losses, rejected=rejected,
            log=[*self.log, *named(servers[0].dismissed, rejected)], finished=finished, time=self.now,
        )  # fmt: skip


def ordered(orders: Iterable[Iterable[tuple[str, int, int]]]) -> list[Event]:
    """What each shard handled, one shard after the other: their own orders are all that matters."""
    return [new(Event, (shard, *entry)) for shard, entries in enumerate(orders) for entry in entries]


def named(dismissed: Iterable[int], rejected: dict[int, int]) -> list[str]:
    """A line for each worker that gave something that was not finite."""
    gone = set(dismissed)
    return [
        f"worker {w} gave NaN or infinity {n} time{'s' * (n > 1)}: rejected{', and the worker sent home' * (w in gone)}"
        for w, n in sorted(rejected.items())
    ]


def check_fruit(
    algorithm: Algorithm, dismissed: set[int], memories: Sequence[Memory | None], rejected: dict[int, int],
    version: int, finished: bool,
) -> None:  # fmt: skip
    """Raise if every worker was sent home, or if a run came to its end and no gradient was ever good for anything."""
    counted = ", ".join(f"worker {w}: {n}" for w, n in sorted(rejected.items())) or "nothing"
    if len(dismissed) >= len(memories):
        raise NotFinite("gradient", version + 1, f"from every worker, so that all were sent home; rejected {counted}")
    # who exchanges points makes an update before the first gradient; its own steps tell
    steps = [None if memory is None else memory.get("state", {}).get("t") for memory in memories]
    idle = algorithm.exchanges and version <= len(memories) and all(t == 0 for t in steps)
    if finished and (idle or (rejected and not version)):
        raise NotFinite("gradient", 1, f"from every worker, up to the end; rejected {counted}")


# --- orders --------------------------------------------------------------------------------------------


def run_inline(engine: Engine, order: Any) -> Result:
    """Run in one process: by turns of whole steps or of messages, in the order of workers given, or as recorded."""
    if isinstance(order, str):
        if order not in _TURNS:
            raise ValueError(
                f"order={order!r} is unknown; allowed are 'steps' (each worker a whole step in turn), 'messages' "
                "(each worker a message in turn), an iterable of workers, or the order of a recorded run"
            )
        _begin(engine)
        _rounds(engine, _TURNS[order])
        return engine.result("inline", True)
    if not np.iterable(order):
        raise TypeError(f"order={shown(order)}: it must be 'steps', 'messages', workers in order, or recorded events")
    events = iter(order)
    first = next(events, None)
    if isinstance(first, Event):
        _replay(engine, [first, *events])
    else:
        _begin(engine)
        for w in [] if first is None else _chain(first, events):
            _next_message(engine, _known(engine, w))
            _over(engine, w)
    return engine.result("inline", _finish(engine))


def _begin(engine: Engine) -> None:
    for w in range(len(engine.workers)):
        engine.join(w)


def _chain(first: Any, rest: Iterator) -> Iterator:
    yield first
    yield from rest


def _known(engine: Engine, w: Any) -> int:
    if isinstance(w, bool) or not isinstance(w, (int, np.integer)) or not 0 <= w < len(engine.workers):
        raise ValueError(f"order holds {w!r}: it names workers (0 to {len(engine.workers) - 1}) or recorded events")
    return int(w)


def _rounds(engine: Engine, turn: Callable[[Engine, int], bool]) -> None:
    """Everyone in turn until all are done; who waits is passed over."""
    going = list(range(len(engine.workers)))
    while going:
        moved = [turn(engine, w) for w in going]
        if not any(moved):
            raise RuntimeError(f"workers {going} wait for each other: the algorithm never answers them")
        going = [w for w in going if not _over(engine, w)]


def _over(engine: Engine, w: int) -> bool:
    """Whether a worker is at its end with all said; it leaves then."""
    worker = engine.workers[w]
    if worker is None or not worker.done or any(engine.queues[w]):
        return False
    engine.leave(w)
    return True


def _message_turn(engine: Engine, w: int) -> None:
    """The next message of a worker, if there is one, reaches all shards."""
    for shard, queue in enumerate(engine.queues[w]):
        if queue:
            engine.deliver(shard, w)


def _next_message(engine: Engine, w: int) -> bool:
    """A worker goes on to its next message, which arrives. False if it waits or is at its end."""
    moved = False
    while not any(engine.queues[w]) and engine.step(w):
        moved = True
    _message_turn(engine, w)
    return moved


def _step_turn(engine: Engine, w: int) -> bool:
    """A worker's whole step: its question, its gradient, its gift. False if it cannot even begin."""
    worker, moved = engine.workers[w], False
    while worker is not None and engine.step(w):
        moved = True
        given = any(queue and queue[0].kind == "give" for queue in engine.queues[w])
        _message_turn(engine, w)
        if given or (engine.given[w] is not None and not engine.algorithm.gives(worker.t, worker.steps)):
            break
    return moved


def _replay(engine: Engine, events: Sequence[Event]) -> None:
    """Handle what was recorded, each shard in its own order."""
    pending = [deque(e for e in events if e.shard == shard) for shard in range(engine.shards.count)]
    while any(pending):
        if not any([_replayed(engine, queue) for queue in pending]):
            first = next(queue[0] for queue in pending if queue)
            raise ValueError(f"this order cannot be repeated here: nothing leads to {first}. Was it another problem's?")


def _replayed(engine: Engine, pending: deque[Event]) -> bool:
    """Handle as many of a shard's events as are possible now; whether there was one."""
    moved = False
    while pending and _repeated(engine, pending[0]):
        pending.popleft()
        moved = True
    return moved


def _repeated(engine: Engine, event: Event) -> bool:
    """Do what was recorded, if it is possible now."""
    w = _known(engine, event.worker)
    if event.what == "join":
        engine.lives[w] = event.number
        engine.join(w, [event.shard])
        return True
    if event.what == "leave":
        engine.leave(w, [event.shard])
        return True
    queue, server = engine.queues[w][event.shard], engine.servers[event.shard]
    while True:
        while queue and not server.knows(w, queue[0].life):  # it came too late
            queue.popleft()
        if queue:
            break
        if not engine.step(w):
            return False
    if queue[0].seq != event.number:
        return False
    engine.deliver(event.shard, w)
    return True


def _finish(engine: Engine) -> bool:
    """Let everyone go on to what it would say next; whether all came to their end instead."""
    for w in range(len(engine.workers)):
        while not any(engine.queues[w]) and engine.step(w):
            pass
    return all(worker is not None and worker.done for worker in engine.workers)


_TURNS: dict[str, Callable[[Engine, int], bool]] = {"steps": _step_turn, "messages": _next_message}
