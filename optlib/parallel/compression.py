"""Shorter messages: a worker sends a part of its move, keeps the rest, and adds it to the next move."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._inputs import number, shown, whole
from ..optimizer import State
from ..parts import Part, checked_parts
from .algorithms import Downpour, LocalSGD, Merged, SyncSGD
from .machines import Algorithm, Memory
from .messages import Payload


class Code(ABC):
    """How a move of d numbers becomes a message, and a message a move again: what came through, of shape (d,).

    A code of your own has these three methods; `pack` may keep arrays between two messages.
    """

    @abstractmethod
    def pack(self, move: NDArray, memory: Memory) -> tuple[Payload, Memory]:
        """The arrays that are sent, and what is kept for the next message; the memory is empty at first."""

    @abstractmethod
    def unpack(self, payload: Payload, size: int) -> NDArray:
        """What the receiver makes of them, of shape (size,)."""

    @property
    @abstractmethod
    def length(self) -> float:
        """The message's bytes as a share of the move's, for the simulated cluster."""


def _count(share: float, size: int) -> int:
    return max(1, round(share * size))


def _placed(at: NDArray, values: NDArray, size: int) -> NDArray:
    move = np.zeros(size, values.dtype)
    move[at] = values
    return move


@dataclass(frozen=True)
class Largest(Code):
    """The entries of largest absolute value, with their places (top-k).

    Parameters
    ----------
    share : how many of the numbers are sent, in (0, 1]; one at least

    Source: Stich, Cordonnier & Jaggi (2018).

    >>> payload, _ = Largest(share=0.5).pack(np.array([1.0, -5.0, 2.0, 0.5]), {})
    >>> payload, Largest(share=0.5).unpack(payload, 4)
    ({'at': array([1, 2], dtype=int32), 'values': array([-5.,  2.])}, array([ 0., -5.,  2.,  0.]))
    """

    share: float

    def __post_init__(self) -> None:
        number(self.share, "share", 0.0, np.nextafter(1.0, 2.0), open_low=True)

    def pack(self, move: NDArray, memory: Memory) -> tuple[Payload, Memory]:
        k = _count(self.share, move.size)
        at = np.sort(np.argpartition(-abs(move), k - 1)[:k]).astype(np.int32)
        return {"at": at, "values": move[at]}, memory

    def unpack(self, payload: Payload, size: int) -> NDArray:
        return _placed(payload["at"], payload["values"], size)

    @property
    def length(self) -> float:
        return 1.5 * self.share  # a place is half as long as a number


@dataclass(frozen=True)
class Drawn(Code):
    """Entries that are drawn anew for each message (random-k): both sides draw them, so no places are sent.

    All workers draw the same places for their n-th message, so that sums can be made on the way.

    Parameters
    ----------
    share : how many of the numbers are sent, in (0, 1]; one at least
    seed : of the draws, 0 or more

    Source: Stich, Cordonnier & Jaggi (2018).

    >>> payload, memory = Drawn(share=0.5, seed=1).pack(np.array([1.0, -5.0, 2.0, 0.5]), {})
    >>> Drawn(share=0.5, seed=1).unpack(payload, 4)
    array([ 0., -5.,  2.,  0.])
    """

    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        number(self.share, "share", 0.0, np.nextafter(1.0, 2.0), open_low=True)
        whole(self.seed, "seed", 0)

    def _places(self, n: int, size: int) -> NDArray:
        return np.random.default_rng([self.seed, n]).choice(size, _count(self.share, size), replace=False)

    def pack(self, move: NDArray, memory: Memory) -> tuple[Payload, Memory]:
        n = memory.get("n", 0)
        return {"n": np.array([n]), "values": move[self._places(n, move.size)]}, {"n": n + 1}

    def unpack(self, payload: Payload, size: int) -> NDArray:
        return _placed(self._places(int(payload["n"][0]), size), payload["values"], size)

    @property
    def length(self) -> float:
        return self.share


@dataclass(frozen=True)
class Signs(Code):
    r"""One bit for each number, and one size for all: :math:`\frac{\lVert p\rVert_1}d\,\mathrm{sign}(p)`.

    A zero counts as positive, since a bit knows no third value.

    Source: Karimireddy, Rebjock, Stich & Jaggi (2019), algorithm 1.

    >>> payload, _ = Signs().pack(np.array([3.0, -1.0, 2.0]), {})
    >>> payload, Signs().unpack(payload, 3)
    ({'bits': array([160], dtype=uint8), 'size': array([2.])}, array([ 2., -2.,  2.]))
    """

    def pack(self, move: NDArray, memory: Memory) -> tuple[Payload, Memory]:
        return {"bits": np.packbits(move >= 0), "size": abs(move).mean(keepdims=True)}, memory

    def unpack(self, payload: Payload, size: int) -> NDArray:
        return np.where(np.unpackbits(payload["bits"], count=size), payload["size"], -payload["size"])

    @property
    def length(self) -> float:
        return 1 / 64


def power_sgd(moves: NDArray, q: NDArray) -> tuple[NDArray, NDArray]:
    r"""The mean of the workers' matrices, nearly, as a product of two narrow ones: one step of power iteration.

    .. math:: P = \mathrm{orthonormal}\Bigl(\frac1p\sum_i M_i\, Q_{old}\Bigr), \qquad Q = \frac1p \sum_i M_i^\top P

    Both means are all-reduces of narrow matrices, and no worker's whole matrix is ever sent. What worker i keeps is
    :math:`M_i - PQ^\top`; the mean of what is kept and of what was sent is the mean that was given.

    Parameters
    ----------
    moves : of shape (p, m, n), or (m, n) for one worker: gradients with what was kept of the last ones
    q : the Q of the last time, of shape (n, r); at first, random numbers

    Returns
    -------
    P of shape (m, r) and Q of shape (n, r)

    Source: Vogels, Karimireddy & Jaggi (2019), algorithm 1.

    >>> M = np.outer([1.0, 2.0], [3.0, 0.0, 4.0])  # of rank 1
    >>> P, Q = power_sgd(M, np.ones((3, 1)))
    >>> bool(np.allclose(P @ Q.T, M))
    True
    """
    moves = np.asarray(moves)
    if moves.ndim not in (2, 3) or np.ndim(q) != 2 or len(q) != moves.shape[-1]:
        raise ValueError(
            f"moves has shape {moves.shape} and q {np.shape(q)}: they must be (p, m, n) or (m, n), and (n, r)"
        )
    moves = moves.reshape(-1, *moves.shape[-2:])
    p = np.linalg.qr((moves @ q).mean(axis=0))[0]
    return p, (moves.transpose(0, 2, 1) @ p).mean(axis=0)


@dataclass(frozen=True)
class LowRank(Code):
    """Each matrix of a network as the product of two narrow ones (PowerSGD of one worker); all else goes whole.

    Where the products of several workers meet at a server, each has a P of its own; in :func:`power_sgd`, where they
    meet on a ring, all have the same.

    Parameters
    ----------
    parts : what a model's ``parts()`` gives
    rank : columns of the narrow matrices, 1 or more; a matrix that would not become shorter goes whole
    seed : of the first Q, the same for all workers

    Source: Vogels, Karimireddy & Jaggi (2019).

    >>> from optlib import models
    >>> code = LowRank(models.MLP([64, 32, 10]).parts(), rank=2)
    >>> round(code.length, 3)
    0.132
    """

    parts: Mapping[str, Part]
    rank: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        whole(self.rank, "rank")
        whole(self.seed, "seed", 0)
        object.__setattr__(self, "parts", checked_parts(self.parts))
        if any(n < 0 for part in self.parts.values() for n in part.shape):
            raise ValueError(f"parts={shown(self.parts)}: a shape is left open (-1), and a code must know it")

    @cached_property
    def _narrow(self) -> list[str]:
        """The names of the parts that become shorter."""
        shapes = {name: part.shape for name, part in self.parts.items() if len(part.shape) == 2}
        return [name for name, (m, n) in shapes.items() if self.rank * (m + n) < m * n]

    @cached_property
    def _size(self) -> int:
        return sum(math.prod(part.shape) for part in self.parts.values())

    def pack(self, move: NDArray, memory: Memory) -> tuple[Payload, Memory]:
        if self._size != move.size:
            raise ValueError(f"parts hold {self._size} numbers, but theta has {move.size}: give those of this model")
        payload, kept = {}, {}
        for i, (name, part) in enumerate(self.parts.items()):
            if name not in self._narrow:
                payload[name] = move[part.where]
                continue
            matrix = move[part.where].reshape(part.shape)
            q = memory.get(name)
            if q is None:
                q = np.random.default_rng([self.seed, i]).standard_normal((part.shape[1], self.rank)).astype(move.dtype)
            payload[f"{name}.p"], kept[name] = power_sgd(matrix, q)
            payload[f"{name}.q"] = kept[name]
        return payload, kept

    def unpack(self, payload: Payload, size: int) -> NDArray:
        move = np.zeros(size, np.result_type(*payload.values()))
        for name, part in self.parts.items():
            whole_part = name not in self._narrow
            move[part.where] = payload[name] if whole_part else (payload[f"{name}.p"] @ payload[f"{name}.q"].T).ravel()
        return move

    @property
    def length(self) -> float:
        saved = sum(
            math.prod(self.parts[name].shape) - self.rank * sum(self.parts[name].shape) for name in self._narrow
        )
        return 1 - saved / self._size


@dataclass(frozen=True)
class Compressed(Algorithm):
    r"""An algorithm whose gifts are short messages, with *error feedback*: what a message leaves out is not lost.

    .. math:: p = g + e, \qquad \text{send } \delta = C(p), \qquad e \leftarrow p - \delta

    So what was sent and what is kept are together what was to be given. What is kept is the worker's own: it stands in
    `Result.workers` as ``left`` when the run ends, and a worker that dies takes it along. For `Largest` its square is
    at most :math:`4(1-s)/s^2` times the largest square of a gift, with the share s. With SGD at a fixed rate this is
    the paper's; a rate that changes meets what was kept when it is sent.

    Parameters
    ----------
    inner : `SyncSGD`, `Downpour` (asynchronous SGD among them) or `LocalSGD` (DiLoCo among them)
    code : how a gift is shortened: `Largest`, `Drawn`, `Signs` or `LowRank`. The answers are whole vectors
    feedback : False forgets what was left out, to see what it is good for

    Source: Stich, Cordonnier & Jaggi (2018); Karimireddy, Rebjock, Stich & Jaggi (2019).

    >>> from optlib import Optimizer, rules, surfaces
    >>> from optlib.parallel import SyncSGD, train
    >>> sgd = SyncSGD(Optimizer(rules.sgd, lr=0.2))
    >>> run = train(Compressed(sgd, Largest(0.5)), [surfaces.bowl.grad] * 3, [4.0, -2.0], steps=100)
    >>> bool(abs(run.theta).max() < 1e-6)
    True
    """

    inner: Algorithm
    code: Code
    feedback: bool = True
    by_coordinate = False  # the message is one for the whole vector

    def __post_init__(self) -> None:
        if not isinstance(self.inner, (SyncSGD, Downpour, LocalSGD)):
            raise TypeError(f"inner={shown(self.inner)}: it must be a SyncSGD, a Downpour or a LocalSGD")

    @property
    def synchronous(self) -> bool:  # type: ignore[override]
        return self.inner.synchronous

    @property
    def warm_start(self) -> int:  # type: ignore[override]
        return self.inner.warm_start

    @property
    def vectors(self) -> tuple[float, float, float]:  # type: ignore[override]
        return (0, self.code.length, 1)

    def asks(self, t: int) -> bool:
        return self.inner.asks(t)

    def gives(self, t: int, steps: int) -> bool:
        return self.inner.gives(t, steps)

    def begin(self, theta: NDArray) -> Memory:
        return {"inner": self.inner.begin(theta), "left": np.zeros_like(theta), "code": {}}

    def heard(self, memory: Memory, answer: Payload) -> Memory:
        return {**memory, "inner": self.inner.heard(memory["inner"], answer)}

    def point(self, memory: Memory) -> NDArray:
        return self.inner.point(memory["inner"])

    def stepped(self, memory: Memory, g: NDArray) -> Memory:
        return {**memory, "inner": self.inner.stepped(memory["inner"], g)}

    def giving(self, memory: Memory) -> tuple[Payload, Memory]:
        gift, inner = self.inner.giving(memory["inner"])
        move = gift["g"] + memory["left"]
        if not np.isfinite(move).all():  # as it is: the server rejects it, and what was kept before stays sound
            return gift, {**memory, "inner": inner}
        payload, code = self.code.pack(move, memory["code"])
        left = move - self.code.unpack(payload, move.size) if self.feedback else memory["left"]
        return payload, {"inner": inner, "left": left, "code": code}

    def open(self, theta: NDArray) -> State:
        return self.inner.open(theta)

    def answer(self, theta: NDArray, state: State) -> Payload:
        return self.inner.answer(theta, state)

    def merge(self, theta: NDArray, state: State, payloads: Sequence[Payload]) -> Merged:
        moves: list[Any] = [{"g": self.code.unpack(payload, theta.size)} for payload in payloads]
        return self.inner.merge(theta, state, moves)
