"""What travels between workers and servers, and how a vector is cut into shards."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._inputs import whole

Payload = dict[str, NDArray]

#: `new(Message, (worker, ...))` is `Message(worker, ...)` with all its fields, in less than half the time.
new: Any = tuple.__new__


class Message(NamedTuple):
    """What a worker sends: it *asks* and waits for the answer, or it *gives* and goes on.

    A life that begins when the server has moved already *starts* with the question where the server is.

    `life` counts the incarnations of a worker, `seq` the messages of one life, both from 0: by these a server knows
    what it has already had, so that a message sent twice changes nothing. `t` is the worker's step, and `sound` says
    whether every number that led to the payload was finite. The payload is None in a run without numbers.
    """

    worker: int
    life: int
    seq: int
    kind: Literal["ask", "give", "start"]
    t: int
    payload: Payload | None = None
    sound: bool = True


class Reply(NamedTuple):
    """What a server answers to message `seq`: its parameters or its half of an exchange, and the version they had."""

    payload: Payload | None
    version: int
    accepted: bool = True
    stop: bool = False
    seq: int = 0


class Shards:
    """A vector of `size` numbers cut into `count` neighbouring pieces of nearly the same length.

    Raises
    ------
    ValueError : fewer numbers than shards, or no shard at all.

    >>> shards = Shards(5, 2)
    >>> shards.split({"g": np.arange(5.0)})
    [{'g': array([0., 1.])}, {'g': array([2., 3., 4.])}]
    >>> shards.join(shards.split({"g": np.arange(5.0)}))
    {'g': array([0., 1., 2., 3., 4.])}
    """

    def __init__(self, size: int, count: int = 1):
        count = whole(count, "shards")
        if count > size:
            raise ValueError(f"shards={count}, but theta has only {size} numbers: take at most one shard for each")
        self.size, self.count = size, count
        bounds = [size * i // self.count for i in range(self.count + 1)]
        self.slices = [slice(a, b) for a, b in itertools.pairwise(bounds)]

    def split(self, payload: Payload | None) -> list[Payload | None]:
        """The payload's part for each shard."""
        if payload is None or self.count == 1:
            return [payload] * self.count
        return [{name: array[cut] for name, array in payload.items()} for cut in self.slices]

    def join(self, payloads: Sequence[Payload | None]) -> Payload | None:
        """The parts of all shards as one payload again."""
        parts = [p for p in payloads if p is not None]
        if len(parts) < self.count or self.count == 1:
            return payloads[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def joined(self, replies: Sequence[Reply]) -> Reply:
        """The answers of all shards as one: it is accepted if each of them accepts."""
        if self.count == 1:
            return replies[0]
        return Reply(
            self.join([reply.payload for reply in replies]), min(reply.version for reply in replies),
            all(reply.accepted for reply in replies), any(reply.stop for reply in replies),
            replies[0].seq,
        )  # fmt: skip


def finite(payload: Payload) -> bool:
    """Whether all numbers of a payload are finite."""
    return all(math.isfinite(np.vdot(a, a)) or bool(np.isfinite(a).all()) for a in payload.values())
