"""The two state machines of every algorithm: a server that holds parameters, a worker that computes gradients.

They know no clock, no thread and no network. Who carries their messages, and how long that takes, is the backend's
affair, and so the same two objects run in one process, in the simulator and on a cluster.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..optimizer import NotFinite, State
from .messages import Message, Payload, Reply, finite, new

#: What a worker keeps between its steps: arrays by name, and the state of its own optimizer.
Memory = dict[str, Any]


#: Numbers in a block of an update in place: 64 kB, so that its temporary arrays come from the heap and stay there.
#: (Dask's processes give every larger piece back to the system at once, and to have it anew costs more than the sum.)
BLOCK = 8_000


#: Numbers in a shard from which on its update is compiled, if it can be: that takes a second or two, once on a machine.
#: From here on it takes half the time of blocks, or a quarter (Adam); below, a push is the network's anyway.
COMPILED = 50_000


class Joined(NamedTuple):
    """Where a life of a worker begins: at its step `t`, when the server had made so many updates."""

    t: int
    version: int
    waited: bool = False  #: whether its earlier life had said all it could, and waited for others


class LostMessage(RuntimeError):
    """A message arrived before one that was sent earlier: the link must keep the order and repeat what got lost."""


class Algorithm:
    """What an algorithm has to say, beside what all have in common: one small class each.

    When do workers and server talk? `asks`, `gives`, and three constants: `synchronous` (an update waits for a
    contribution of every worker), `exchanges` (the question itself carries a contribution) and `warm_start` (so many
    updates come from one worker alone). How much? `vectors`, the number of them in a question, a gift and an answer.
    What do they say? The other methods: numbers in, numbers out.
    """

    synchronous: bool = False
    exchanges: bool = False
    warm_start: int = 0
    vectors: tuple[float, float, float] = (0, 1, 1)
    by_coordinate: bool = True  #: whether the server may be given a piece of the vector at a time

    def asks(self, t: int) -> bool:
        """Whether a worker asks the server before its step t (0, 1, ...)."""
        return True

    def gives(self, t: int, steps: int) -> bool:
        """Whether a worker gives something after its step t of `steps`."""
        return True

    # the worker's side

    def begin(self, theta: NDArray) -> Memory:
        """The memory of a worker that starts at theta."""
        raise NotImplementedError

    def asking(self, memory: Memory) -> Payload:
        """What goes with the question."""
        return {}

    def heard(self, memory: Memory, answer: Payload) -> Memory:
        """The memory after the answer."""
        raise NotImplementedError

    def point(self, memory: Memory) -> NDArray:
        """Where the gradient is wanted."""
        raise NotImplementedError

    def stepped(self, memory: Memory, g: NDArray) -> Memory:
        """The memory after a step with the gradient g."""
        raise NotImplementedError

    def giving(self, memory: Memory) -> tuple[Payload, Memory]:
        """What is given, and the memory after that."""
        raise NotImplementedError

    def parting(self, memory: Memory) -> tuple[Payload, Memory]:
        """The same after a worker's last step."""
        return self.giving(memory)

    # the server's side

    def open(self, theta: NDArray) -> State:
        """The state of a server that starts at theta: an `Optimizer`'s."""
        raise NotImplementedError

    def answer(self, theta: NDArray, state: State) -> Payload:
        """What a server tells one who asks; `theta` is the point among it."""
        return {"theta": theta}

    def merge(self, theta: NDArray, state: State, payloads: Sequence[Payload]) -> tuple[NDArray, State, list[Payload]]:
        """The new point and state after these contributions, and the answer to each (for those that asked)."""
        raise NotImplementedError

    def compiled(self, dtype: Any) -> Callable[[NDArray, State, Sequence[Payload]], None] | None:
        """`merge` in one pass over memory and in place, with the same numbers; None where there is no such thing."""
        return None


class Server:
    """One shard of the parameters: `receive` takes a message and says who is to be answered what.

    Parameters
    ----------
    algorithm : what is to be done
    theta : the shard's parameters at the start, or None for a run without numbers
    tolerance : rejected contributions in a row after which a worker is sent home, 1 or more
    in_place : whether to update the arrays it has, compiled or block by block, and answer with copies: the same
        numbers, and for long vectors several times faster, since no large array is ever made anew

    >>> from optlib import Optimizer, rules
    >>> from optlib.parallel import async_sgd
    >>> server = Server(async_sgd(Optimizer(rules.sgd, lr=0.1)), np.array([1.0, 2.0]))
    >>> server.join(worker=0)
    Joined(t=0, version=0, waited=False)
    >>> push = Message(worker=0, life=0, seq=0, kind="give", t=0, payload={"g": np.array([1.0, 1.0])})
    >>> server.receive(push), server.theta
    ([(0, Reply(payload=None, version=1, accepted=True, stop=False, seq=0))], array([0.9, 1.9]))
    >>> _ = server.receive(push)  # the same again changes nothing
    >>> server.theta
    array([0.9, 1.9])
    """

    def __init__(self, algorithm: Algorithm, theta: NDArray | None, tolerance: int = 3, in_place: bool = False):
        self.algorithm, self.tolerance, self.in_place = algorithm, tolerance, in_place and algorithm.by_coordinate
        self.theta = theta.copy() if in_place and theta is not None else theta
        self.state: State = {} if theta is None else algorithm.open(theta)
        self._kernel = self._compiled()
        self.version = 0  #: updates made
        #: of each contribution, how many updates were made since its worker had asked
        self.applied: list[tuple[int, int, int]] | deque[tuple[int, int, int]] = []  #: see `Applied`
        self.rejected: dict[int, int] = {}  #: by worker, contributions that held NaN or infinity
        self.dismissed: set[int] = set()
        self.progress: dict[int, int] = {}  #: by worker, the step up to which all it gave has been applied
        self._exchanged: dict[int, tuple[int, int]] = {}  # by worker, the mark of the last exchange applied
        #: what was handled: ("message", worker, seq), "join", "leave"
        self.order: list[tuple[str, int, int]] | deque[tuple[str, int, int]] = []
        self.stopping = False
        self._target: dict[int, tuple[int, int]] | None = None  # how far to go until a cut is made
        self._life: dict[int, int] = {}
        self._first: int | None = None  # the worker that makes the warm start
        self._seen: dict[int, int] = {}
        self._answers: dict[int, Reply | None] = {}  # None: not yet
        self._read: dict[int, int] = {}
        self._in_a_row: dict[int, int] = {}
        self._gathered: dict[int, Message | None] = {}
        self._departed: set[int] = set()  # those who have contributed to this round and left: it counts none the less
        self._held: dict[int, None] = {}  # in the order in which they came

    # --- who takes part

    def join(self, worker: int, life: int = 0) -> Joined:
        """A worker takes part from now on; its earlier life, if any, is over. The step at which it goes on.

        What the earlier life gave and what still waits for others counts: the next one goes on behind it.
        """
        t, waits = self.progress.setdefault(worker, 0), self._gathered.get(worker)
        if waits is not None and waits.kind == "give":
            t = max(t, waits.t + 1)
        waited = worker in self._held or worker in self._gathered
        self._forget(worker)
        self._departed.discard(worker)
        self._life[worker], self._seen[worker], self._read[worker] = life, -1, self.version
        self._first = worker if self._first is None else min(self._first, worker)
        self.order.append(("join", worker, life))
        return Joined(t, self.version, waited)

    def leave(self, worker: int) -> list[tuple[int, Reply]]:
        """A worker has finished or died: nobody waits for it any longer."""
        if worker not in self._life:
            return []
        del self._life[worker]
        self._forget(worker)
        if worker in self._gathered:
            self._departed.add(worker)
        if worker == self._first:
            self._first = min(self._life, default=None)
        self.order.append(("leave", worker, 0))
        return self._completed() + self._released()

    def knows(self, worker: int, life: int) -> bool:
        """Whether this life of a worker takes part."""
        return self._life.get(worker) == life

    def early(self, message: Message) -> bool:
        """Whether a message is one of this life, but an earlier one is not here yet."""
        return self.knows(message.worker, message.life) and message.seq > self._seen[message.worker] + 1

    def _forget(self, worker: int) -> None:
        self._seen.pop(worker, None)
        self._answers.pop(worker, None)
        self._held.pop(worker, None)

    def stop(self) -> list[tuple[int, Reply]]:
        """Everyone is to go home at the next answer; those who wait have it now."""
        self.stopping = True
        held, self._held = self._held, {}
        return [(worker, self._view(worker)) for worker in held]

    def keep(self, count: int) -> None:
        """Keep only the last so many events and ages from now on: a run may be long."""
        self.order, self.applied = deque(self.order, count), deque(self.applied, count)

    # --- messages

    def receive(self, message: Message) -> list[tuple[int, Reply]]:
        """Handle a message: the answers that go out now, to its sender and to others who waited for this."""
        worker, life, seq, kind, *_ = message
        if self._life.get(worker) != life:  # sent by a life that is over
            return [(worker, Reply(None, self.version, accepted=False, stop=True, seq=seq))]
        expected = self._seen[worker] + 1
        if seq < expected:  # sent twice
            answer = self._answers.get(worker)
            return [] if answer is None else [(worker, answer)]
        if seq > expected:
            raise LostMessage(f"worker {worker} sent number {seq} before {expected}")
        self._seen[worker], self._answers[worker] = seq, None
        self.order.append(("message", worker, seq))
        if kind == "start":
            self._read[worker] = self.version
            payload = None if self.theta is None else {"theta": self.theta.copy() if self.in_place else self.theta}
            return [(worker, self._answered(worker, payload, True))]
        if self.contributes(message):
            return self._contribution(message)
        if self._blocked(worker):
            self._held[worker] = None
            return []
        return [(worker, self._view(worker))]

    def contributes(self, message: Message) -> bool:
        """Whether a message is more than a question."""
        return message.kind == "give" or (message.kind == "ask" and self.algorithm.exchanges)

    def _applied(self, message: Message) -> None:
        """What this message carried is in the parameters now: nobody needs to make it again."""
        worker, t = message.worker, message.t + (message.kind == "give")
        if t > self.progress[worker]:
            self.progress[worker] = t
        if self.algorithm.exchanges:
            self._exchanged[worker] = max(self._mark(message), self._exchanged.get(worker, (0, 0)))

    @property
    def _marks(self) -> dict[int, tuple[int, int]]:
        """By worker, how far it has been applied: see `_mark`."""
        return self._exchanged if self.algorithm.exchanges else {w: (0, t) for w, t in self.progress.items() if t}

    def _mark(self, message: Message) -> tuple[int, int]:
        """Gifts count by their steps, whatever life made them; an exchange is of one life."""
        return (message.life + 1, message.seq) if self.algorithm.exchanges else (0, message.t + 1)

    def _had(self, message: Message) -> bool:
        """Whether an earlier life has given this already: it is made again where another shard has not had it."""
        if message.kind != "give":
            return False
        waits, t = self._gathered.get(message.worker), message.t
        return t < self.progress[message.worker] or (waits is not None and t <= waits.t)

    def _contribution(self, message: Message) -> list[tuple[int, Reply]]:
        worker, asks = message.worker, message.kind == "ask"
        had = self._had(message)
        sound = had or self._sound(message)
        if had or not sound:
            self._applied(message)
        if self.algorithm.synchronous:
            if had:
                self._gathered.setdefault(worker, None)
            else:
                self._gathered[worker] = message if sound else None
            if asks:
                self._held[worker] = None
            now = [] if asks else [(worker, self._answered(worker, None, sound))]
            return now + self._completed()
        if had:
            return [(worker, self._answered(worker, None, True))]
        if not sound:
            return [(worker, self._view(worker, accepted=False) if asks else self._answered(worker, None, False))]
        payload = self._merge([message])[0]
        now = [(worker, self._answered(worker, payload if asks else None, True))]
        return now + self._released() if self._held and self.version >= self.algorithm.warm_start else now

    def _sound(self, message: Message) -> bool:
        """Whether the numbers are finite; if not, this is counted, and too often in a row ends it."""
        worker = message.worker
        if message.sound and (message.payload is None or finite(message.payload)):
            if self._in_a_row:
                self._in_a_row.pop(worker, None)
            return True
        self.rejected[worker] = self.rejected.get(worker, 0) + 1
        self._in_a_row[worker] = self._in_a_row.get(worker, 0) + 1
        if self._in_a_row[worker] >= self.tolerance:
            self.dismissed.add(worker)
        return False

    def _merge(self, messages: Sequence[Message]) -> list[Payload | None]:
        """One update; what those who asked are to be answered."""
        answers: list[Payload | None] = [None] * len(messages)
        if self.theta is not None:
            payloads = [m.payload for m in messages if m.payload is not None]
            if self._kernel is not None:
                self._kernel(self.theta, self.state, payloads)
                self._check(self.theta)
                answers = [{} for _ in messages]
            elif self.in_place:
                answers = [*self._merge_in_blocks(self.theta, payloads)]
            else:
                self.theta, self.state, told = self.algorithm.merge(self.theta, self.state, payloads)
                self._check(self.theta)
                answers = [*told]
        before, self.version = self.version, self.version + 1
        for message in messages:
            worker, last = message.worker, message.t - (message.kind == "ask")
            self.applied.append((worker, last, before - self._read.get(worker, before)))
            self._applied(message)
        return answers

    def _compiled(self) -> Callable[[NDArray, State, Sequence[Payload]], None] | None:
        """The compiled update of a long vector, tried out on a short one: so the first message need not wait for it."""
        if not self.in_place or self.theta is None or self.theta.size < COMPILED:
            return None
        kernel = self.algorithm.compiled(self.theta.dtype)
        if kernel is not None:
            short = np.ones(1, self.theta.dtype)
            kernel(short, self.algorithm.open(short), [{"g": short.copy()}])
        return kernel

    def _merge_in_blocks(self, theta: NDArray, payloads: Sequence[Payload]) -> list[Payload]:
        """As `Algorithm.merge`, for a piece at a time: what can be cut into shards can be cut further."""
        blocks, told, scalars = [slice(a, a + BLOCK) for a in range(0, theta.size, BLOCK)], [], self.state
        for cut in blocks:
            state = {name: value[cut] if value.ndim else value for name, value in self.state.items()}
            pieces = [{name: array[cut] for name, array in payload.items()} for payload in payloads]
            theta[cut], scalars, answers = self.algorithm.merge(theta[cut], state, pieces)
            self._check(theta[cut])  # while it is at hand
            for name, value in scalars.items():
                if value.ndim:
                    self.state[name][cut] = value
            told.append(answers)
        self.state = {name: value if value.ndim else scalars[name] for name, value in self.state.items()}
        return [
            {name: np.concatenate([answers[i][name] for answers in told]) for name in told[0][i]}
            for i in range(len(payloads))
        ]

    def _check(self, theta: NDArray) -> None:
        if not finite({"theta": theta}):
            raise NotFinite("new point", self.version + 1, "at a server")

    def _completed(self) -> list[tuple[int, Reply]]:
        """If everyone has contributed, the update and the answers to those who waited for it."""
        if not self._gathered or len(self._gathered) - len(self._departed) < len(self._life):
            return []
        # in the order of the workers, so that who came first does not change the sum's last bit
        gathered = [(w, m) for w, m in sorted(self._gathered.items(), key=lambda item: item[0]) if m is not None]
        answers = self._merge([m for _, m in gathered]) if gathered else []
        told = dict(zip([w for w, _ in gathered], answers, strict=True))
        self._gathered, self._departed = {}, set()
        held, self._held = self._held, {}
        if not self.algorithm.exchanges:
            return [(w, self._view(w)) for w in held]
        return [
            (w, self._answered(w, told[w], True) if w in told else self._view(w, accepted=False)) for w in sorted(held)
        ]

    def _released(self) -> list[tuple[int, Reply]]:
        """Those who waited for a reason that is gone."""
        free = [w for w in self._held if not self._blocked(w)]
        for w in free:
            del self._held[w]
        return [(w, self._view(w)) for w in free]

    def _blocked(self, worker: int) -> bool:
        if self.stopping:
            return False
        return worker in self._gathered or (self.version < self.algorithm.warm_start and worker != self._first)

    def _view(self, worker: int, accepted: bool = True) -> Reply:
        self._read[worker] = self.version
        payload = None if self.theta is None else self.algorithm.answer(self.theta, self.state)
        if self.in_place and payload is not None:
            own = (self.theta, *self.state.values())  # the next update changes these; a copy was mostly made before
            payload = {
                name: array.copy() if any(np.may_share_memory(array, one) for one in own) else array
                for name, array in payload.items()
            }
        return self._answered(worker, payload, accepted)

    def _answered(self, worker: int, payload: Payload | None, accepted: bool) -> Reply:
        if self.algorithm.exchanges:
            self._read[worker] = self.version
        stop = self.stopping or worker in self.dismissed
        reply = new(Reply, (payload, self.version, accepted, stop, self._seen[worker]))
        self._answers[worker] = reply
        return reply

    # --- checkpoints

    def hold(self) -> dict[int, tuple[int, int]]:
        """Apply nothing more for now, so that all shards can be cut at one point; how far this one has come."""
        self._target = dict(self._marks)
        return self._target

    def go_to(self, marks: dict[int, tuple[int, int]] | None) -> None:
        """Go on up to these contributions, which another shard has had; None: without end."""
        self._target = marks

    def holds_back(self, message: Message) -> bool:
        """Whether a message must wait until the cut is made."""
        if self._target is None or not self.contributes(message):
            return False
        return self._mark(message) > self._target.get(message.worker, (0, 0))

    def hold_is(self, marks: dict[int, tuple[int, int]]) -> bool:
        """Whether it is held just there."""
        return self._target == marks

    @property
    def at_cut(self) -> bool:
        """Whether it has had just what it was to go to: then all shards' snapshots are of one moment."""
        return self._marks == self._target

    def snapshot(self) -> dict[str, NDArray]:
        """Everything that outlives a restart, as arrays: ``np.savez(path, **server.snapshot())``.

        Contributions that still wait for others are neither in it nor in its `progress`: their workers, who all begin
        a new life when a server is restored, make them again.
        """
        if self.theta is None:
            raise ValueError("a run without numbers has nothing to save")
        workers = sorted(self.progress)
        kept = {f"state_{name}": np.array(value) for name, value in self.state.items()}
        return {
            "theta": self.theta.copy(), "version": np.asarray(self.version), **kept,
            "workers": np.array(workers, dtype=int),
            "progress": np.array([self.progress[w] for w in workers], dtype=int),
            "rejected": np.array([self.rejected.get(w, 0) for w in workers], dtype=int),
        }  # fmt: skip

    @classmethod
    def restored(
        cls, algorithm: Algorithm, saved: dict[str, NDArray], tolerance: int = 3, in_place: bool = False
    ) -> "Server":
        """A server that goes on from a snapshot. Its workers join anew."""
        server = cls(algorithm, np.array(saved["theta"]), tolerance, in_place)
        for name in server.state:
            server.state[name] = np.array(saved[f"state_{name}"])
        server.version = int(saved["version"])
        workers = [int(w) for w in saved["workers"]]
        server.progress = dict(zip(workers, (int(t) for t in saved["progress"]), strict=True))
        server.rejected = {w: int(n) for w, n in zip(workers, saved["rejected"], strict=True) if n}
        return server


class Compute(NamedTuple):
    """What a worker wants next from its oracle: the gradient at `point`, for its step `t`."""

    point: NDArray | None
    t: int


class Worker:
    """One replica: `advance` is given what the worker waited for, and says what it wants next.

    Wanted is a gradient (`Compute`), a message to be sent (a `Message`; after one that asks, the `Reply` is given), or
    nothing more (None).

    Parameters
    ----------
    index : its number, 0, 1, ...
    theta : where it starts, or None for a run without numbers
    steps : gradients to compute
    life : which incarnation this is, 0 at first
    t : the step at which it begins: what its earlier lives gave for the steps before has been applied
    late : whether the server has moved already: then the worker begins where the server is, and asks for that first
    """

    def __init__(
        self, algorithm: Algorithm, index: int, theta: NDArray | None, steps: int, life: int = 0, t: int = 0,
        late: bool = False,
    ):  # fmt: skip
        self.algorithm, self.index, self.steps, self.life, self.t = algorithm, index, steps, life, t
        self.memory: Memory | None = None if theta is None or late else algorithm.begin(theta)
        self._late = late
        self.done = False
        self._seq, self._fresh, self._sound, self._waits = 0, True, True, ""

    def advance(self, given: Any = None) -> Message | Compute | None:
        """What the worker wants next, after it was given what it wanted before (at first, nothing)."""
        waited, self._waits = self._waits, ""
        if waited and waited != "gradient" and given.stop:
            self.done = True
            return None
        if waited == "reply":
            self._hear(given)
            return self._compute()
        if waited == "start" and given.payload is not None:
            self.memory = self.algorithm.begin(given.payload["theta"])
        if waited == "gradient":
            self._step(given)
            self.t += 1
            if self.algorithm.gives(self.t - 1, self.steps):
                return self._give()
        if self.t >= self.steps:
            self.done = True
            return None
        if self._late:
            self._late, self._waits = False, "start"
            return self._message("start", None if self.memory is None else {}, self.t)
        if self._fresh or self.algorithm.asks(self.t):
            self._fresh = False
            return self._ask()
        return self._compute()

    def _compute(self) -> Compute:
        self._waits = "gradient"
        return new(Compute, (None if self.memory is None else self.algorithm.point(self.memory), self.t))

    def _hear(self, reply: Reply) -> None:
        if self.memory is None or reply.payload is None:
            return
        if reply.accepted:
            self.memory = self.algorithm.heard(self.memory, reply.payload)
        else:  # what this worker had was not finite: it begins anew where the server is
            self.memory = self.algorithm.begin(reply.payload["theta"])

    def _step(self, g: NDArray | None) -> None:
        if self.memory is None or g is None:
            return
        try:
            with np.errstate(all="ignore"):  # what overflows is reported, to the server
                self.memory = self.algorithm.stepped(self.memory, g)
        except NotFinite:
            self._sound = False

    def _ask(self) -> Message:
        self._waits = "reply"
        return self._message("ask", None if self.memory is None else self.algorithm.asking(self.memory), self.t)

    def _give(self) -> Message:
        payload = None
        if self.memory is not None:
            say = self.algorithm.giving if self.t < self.steps else self.algorithm.parting
            payload, self.memory = say(self.memory)
        return self._message("give", payload, self.t - 1)

    def _message(self, kind: Any, payload: Payload | None, t: int) -> Message:
        sound = True
        if kind == "give" or (kind == "ask" and self.algorithm.exchanges):
            sound, self._sound = self._sound, True
        message = new(Message, (self.index, self.life, self._seq, kind, t, payload, sound))
        self._seq += 1
        return message


def mean(payloads: Iterable[Payload], name: str) -> NDArray:
    """The average of one array over several payloads."""
    arrays = [payload[name] for payload in payloads]
    return arrays[0] if len(arrays) == 1 else sum(arrays[1:], arrays[0]) / len(arrays)
