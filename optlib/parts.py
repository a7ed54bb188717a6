"""A model's theta is one vector made of matrices, biases and gains; each part may have an optimizer of its own.

A model says how its theta is made (`parts()`), and `layered` puts optimizers together: Muon for the hidden matrices and
AdamW for the rest, weight decay without the biases, a rate for each layer. What comes out is an optimizer as any other.

>>> from optlib import Optimizer, data, descend, models, oracles, rules
>>> model = models.MLP([64, 24, 24, 10])
>>> optimizer = layered(
...     model.parts(), hidden=Optimizer(rules.muon, lr=0.02), rest=Optimizer(rules.adamw, lr=3e-3)
... )
>>> X, y = data.digits()
>>> path = descend(optimizer, oracles.minibatch(model, X, y, 32), model.init(), steps=5)
>>> sorted(optimizer.init(path[-1]))
['hidden.m', 'rest.m', 'rest.v', 'rule', 't']
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import rules
from ._inputs import shown
from .optimizer import Optimizer, State, as_point

#: What a part may be: a matrix between two hidden layers, from the inputs or to the outputs, a shift, or a scale.
KINDS = ("hidden", "input", "output", "bias", "gain")


class Part(NamedTuple):
    """A piece of theta: where it stands in the last axis, its shape (-1 for what is left), and what it is for."""

    where: slice
    shape: tuple[int, ...]
    kind: str  #: one of `KINDS`


class _Block(NamedTuple):
    """Numbers that one call of a rule is given together."""

    name: str
    at: Any  #: where they stand in the last axis of theta: a slice, or indices
    shape: tuple[int, ...]
    kept: tuple[tuple[slice, tuple[int, ...]], ...]  #: for each memory, where in the group's array, and its shape

    def of(self, theta: NDArray) -> NDArray:
        return theta[..., self.at].reshape(theta.shape[:-1] + self.shape)

    def memory(self, arrays: Sequence[NDArray]) -> list[NDArray]:
        return [a[..., at].reshape(a.shape[:-1] + shape) for a, (at, shape) in zip(arrays, self.kept, strict=True)]


class _Together:
    """The optimizers' rules as one rule: what `Layered` steps with."""

    __name__ = "layered"

    def __init__(self, parts: dict[str, Part], optimizers: dict[str, Optimizer], members: dict[str, list[str]]):
        self.parts, self.optimizers, self.members = parts, optimizers, members
        self.memory = {name: [f"{name}.{m}" for m in each.memory] for name, each in optimizers.items()}
        self.names = tuple(name for names in self.memory.values() for name in names)
        self.blocks = lru_cache(8)(self._blocks)

    def _blocks(self, size: int) -> dict[str, list[_Block]]:
        """How a theta of so many numbers is taken apart."""
        where, total = {}, 0
        for name, part in self.parts.items():
            start, stop, step = part.where.indices(size)
            count, known = max(0, stop - start), math.prod(n for n in part.shape if n >= 0)
            shape = tuple(count // max(1, known) if n < 0 else n for n in part.shape)
            if step != 1 or math.prod(shape) != count or not count:
                raise ValueError(
                    f"part {name!r} stands at {part.where} with shape {part.shape}, which do not belong together in "
                    f"theta's {size} numbers: parts must cover theta, each number once"
                )
            where[name], total = (start, stop, shape), total + count
        seen = np.zeros(size, dtype=int)
        for start, stop, _ in where.values():
            seen[start:stop] += 1
        if (seen != 1).any():
            at = int(np.argmax(seen != 1))
            raise ValueError(
                f"the parts hold {total} numbers and theta {size}; number {at} stands in "
                f"{'none of them' if not seen[at] else f'{seen[at]} of them'}: parts must cover theta, each number once"
            )
        found = {}
        for group, names in self.members.items():
            optimizer, blocks = self.optimizers[group], []
            sees = rules.WHOLE.get(optimizer.rule, 0)
            taken: list[tuple[str, Any, tuple[int, ...]]]
            if optimizer.rule in rules.EACH:
                taken = []
                for name in names:
                    start, stop, shape = where[name]
                    if sees == 2 and len(shape) < 2:
                        raise ValueError(
                            f"{group}={optimizer!r} sees whole matrices, but part {name!r} has shape {shape}: "
                            "give it another optimizer, under its name, its kind or rest="
                        )
                    taken.append((name, slice(start, stop), shape if sees == 2 else (stop - start,)))
            else:
                pieces = sorted(where[name][:2] for name in names)
                joined = all(a[1] == b[0] for a, b in pairwise(pieces))
                picked: Any = slice(pieces[0][0], pieces[-1][1])
                if not joined:
                    picked = np.concatenate([np.arange(a, b) for a, b in pieces])
                taken = [(group, picked, (sum(b - a for a, b in pieces),))]
            begins = [0] * len(optimizer.memory)
            for name, at, shape in taken:
                shapes = [optimizer.shape_of(memory, np.empty(shape)) for memory in optimizer.memory]
                kept = []
                for i, each in enumerate(shapes):
                    begin, begins[i] = begins[i], begins[i] + math.prod(each)
                    kept.append((slice(begin, begins[i]), each))
                blocks.append(_Block(name, at, shape, tuple(kept)))
            found[group] = blocks
        return found

    def of_group(self, memory: Sequence[NDArray]) -> Iterable[tuple[str, Sequence[NDArray]]]:
        """The memory of each group."""
        begin = 0
        for group, names in self.memory.items():
            yield group, memory[begin : begin + len(names)]
            begin += len(names)

    def __call__(self, theta: NDArray, g: NDArray, *rest: Any, **values: Any) -> tuple[NDArray, tuple]:
        new, kept = np.empty_like(theta), []
        memory, given = rest[: len(self.names)], rest[len(self.names) :]
        loss, t = given if len(given) == 2 else (theta, given[0])  # the loss only where a rule wants it
        blocks, lead = self.blocks(theta.shape[-1]), theta.shape[:-1]
        for group, arrays in self.of_group(memory):
            optimizer, own = self.optimizers[group], blocks[group]
            fresh = [np.empty_like(a) for a in arrays] if len(own) > 1 else []
            for block, hyper in zip(own, values[group], strict=True):
                point, slope = block.of(theta), block.of(g)
                extra = [t if name == "t" else block.of(loss) for name in optimizer.given]
                result = optimizer.rule(point, slope, *block.memory(arrays), *extra, **hyper)
                point, remembered = optimizer._checked(result, point)
                new[..., block.at] = point.reshape(*lead, -1)
                told = [
                    np.ascontiguousarray(np.broadcast_to(m, lead + shape).reshape(*lead, -1))
                    for m, (_, shape) in zip(remembered, block.kept, strict=True)
                ]
                for array, m, (at, _) in zip(fresh, told, block.kept):  # noqa: B905  (one block is its own array)
                    array[..., at] = m
            # a rule may keep the gradient or the point: theirs are not its own to keep
            kept += fresh or [m.copy() if any(np.may_share_memory(m, a) for a in (g, theta)) else m for m in told]
        return new, tuple(kept)


class Layered(Optimizer):
    """Several optimizers, each for its parts of theta. Made by `layered`; used as any `Optimizer`.

    `hyper` names the hyper-parameters ``group.name``, and so the state names the memories: ``hidden.m``, of shape
    (..., n), the numbers of one part after those of another.
    """

    _rule: _Together

    def __init__(self, parts: dict[str, Part], optimizers: dict[str, Optimizer], members: dict[str, list[str]]):
        together, every = _Together(parts, optimizers, members), optimizers.values()
        hyper = {f"{group}.{name}": v for group, each in optimizers.items() for name, v in each.hyper.items()}
        vars(self).update(
            _rule=together, rule=together, memory=together.names, hyper=MappingProxyType(hyper), _numbers=hyper,
            _label=np.asarray(", ".join(f"{k}: {o.rule.__name__}" for k, o in optimizers.items())),
            given=("loss", "t") if any("loss" in o.given for o in every) else ("t",), _scheduled=(), _settled=False,
            _look_ahead=True if any(o.rule in rules.LOOK_AHEAD for o in every) else None, _asks_for=(),
        )  # fmt: skip

    @property
    def whole(self) -> bool:
        """That all of theta is wanted at once."""
        return True

    def __reduce__(self) -> tuple:
        return Layered, (self._rule.parts, self._rule.optimizers, self._rule.members)

    def __repr__(self) -> str:
        return f"layered({', '.join(f'{name}={each!r}' for name, each in self._rule.optimizers.items())})"

    def init(self, theta: ArrayLike) -> State:
        """The state before the first step: the memories of each optimizer, and the step count ``t`` = 0."""
        theta = as_point(theta)
        blocks, lead, found = self._taken(theta), theta.shape[:-1], []
        for group, optimizer in self._rule.optimizers.items():
            states = [optimizer.init(block.of(theta)) for block in blocks[group]]
            for name in optimizer.memory:
                found.append(np.concatenate([state[name].reshape(*lead, -1) for state in states], axis=-1))
        return self._state(found, 0)

    def _taken(self, theta: NDArray) -> dict[str, list[_Block]]:
        if not theta.ndim:
            raise ValueError("theta is a number: the parts of a model stand in a theta of shape (..., d)")
        return self._rule.blocks(theta.shape[-1])

    def shape_of(self, name: str, theta: NDArray) -> tuple[int, ...]:
        """The shape of a memory of the state."""
        group, memory = name.split(".", 1)
        i = self._rule.optimizers[group].memory.index(memory)
        return (*theta.shape[:-1], self._taken(theta)[group][-1].kept[i][0].stop)

    def _values(self, t: int, theta: NDArray | None = None) -> dict[str, Any]:
        if theta is None:
            return {group: each._values(t) for group, each in self._rule.optimizers.items()}
        blocks = self._taken(theta)
        return {
            group: [each._values(t, block.of(theta)) for block in blocks[group]]
            for group, each in self._rule.optimizers.items()
        }

    def _ask(self, theta: NDArray, memory: Sequence[NDArray], values: Mapping[str, Any]) -> NDArray:
        if self._look_ahead is None:
            return theta
        point, blocks = theta.copy(), self._taken(theta)
        for group, arrays in self._rule.of_group(memory):
            optimizer = self._rule.optimizers[group]
            if optimizer.rule in rules.LOOK_AHEAD:
                for block, hyper in zip(blocks[group], values[group], strict=True):
                    ahead = optimizer._ask(block.of(theta), block.memory(arrays), hyper)
                    point[..., block.at] = ahead.reshape(*theta.shape[:-1], -1)
        return point

    def _check_rounded(self, theta: NDArray) -> None:
        for optimizer in self._rule.optimizers.values():
            optimizer._check_rounded(theta)


def layered(parts: Mapping[str, Part], **optimizers: Optimizer) -> Layered:
    """One optimizer made of several, each for its parts of theta. Its state is flat, as in ``hidden.m``.

    Parameters
    ----------
    parts : what a model's ``parts()`` gives, or the same for yours: name -> (slice, shape, kind), kind in `KINDS`.
        They cover the last axis of theta, each number once
    **optimizers : by the name of a part, by a kind, or ``rest`` for what no other takes; a name goes before a kind.
        Rules that see matrices get each part as one; `lamb` and `lars` each part as a vector; the others the group's
        parts as one vector

    Raises
    ------
    ValueError : parts that are left over, overlap or leave gaps, a matrix rule that gets a vector.
    TypeError : a key that is no part and no kind; what is no `Optimizer`.

    Weight decay on the matrices alone:

    >>> from optlib import Optimizer, models, rules
    >>> model = models.MLP([4, 3, 2])
    >>> plain = Optimizer(rules.adamw, weight_decay=0.0)
    >>> optimizer = layered(model.parts(), bias=plain, rest=Optimizer(rules.adamw, weight_decay=0.1))
    >>> theta, state = optimizer.tell(np.ones(model.size), np.zeros(model.size), optimizer.init(np.ones(model.size)))
    >>> [float(layer.b[0]) for layer in model.unpack(theta)], [round(float(w.W[0, 0]), 6) for w in model.unpack(theta)]
    ([1.0, 1.0], [0.9999, 0.9999])
    """
    known = checked_parts(parts)
    for key, optimizer in optimizers.items():
        if not isinstance(optimizer, Optimizer) or isinstance(optimizer, Layered):
            raise TypeError(f"{key}={shown(optimizer)}: it must be an Optimizer, as in Optimizer(rules.adamw, lr=0.01)")
    members: dict[str, list[str]] = {key: [] for key in optimizers}
    left: list[str] = []
    for name, part in known.items():
        takers = [key for key in (name, part.kind, "rest") if key in optimizers]
        left += [] if takers else [f"{name} ({part.kind})"]
        members.setdefault(takers[0] if takers else "rest", []).append(name)
    told = ", ".join(f"{name} ({part.kind})" for name, part in known.items())
    if left:
        raise ValueError(f"no optimizer for the parts {', '.join(left)}: give one for each name or kind, or rest=")
    for key, names in members.items():
        if not names and key != "rest":
            raise TypeError(f"{key}= gets no part of theta: the parts are {told}")
    return Layered(known, {k: o for k, o in optimizers.items() if members[k]}, {k: n for k, n in members.items() if n})


def checked_parts(parts: Any) -> dict[str, Part]:
    """What a model's ``parts()`` gives, or the same for one of yours, each as a `Part`."""
    if not isinstance(parts, Mapping) or not parts:
        raise TypeError(f"parts={shown(parts)}: give what model.parts() returns, name -> (slice, shape, kind)")
    return {name: _part(name, part) for name, part in parts.items()}


def _part(name: Any, part: Any) -> Part:
    try:
        where, shape, kind = part
        shape = tuple(int(n) for n in shape)
        good = isinstance(where, slice) and isinstance(name, str) and sum(n < 0 for n in shape) <= 1
    except (TypeError, ValueError):
        good = False
    if not good:
        raise TypeError(f"parts: {name!r} is {shown(part)}; it must be (slice, shape, kind), a place in theta")
    if kind not in KINDS or "." in name:
        raise ValueError(f"parts: {name!r} is of kind {shown(kind)}; allowed are {', '.join(map(repr, KINDS))}")
    return Part(where, shape, kind)
