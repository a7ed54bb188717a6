"""The algorithms: what each says beside what all have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import compile as compiler
from .. import rules
from .._inputs import number, shown, whole
from ..optimizer import Optimizer, State
from ..parts import Part
from .machines import Algorithm, Memory, mean
from .messages import Payload, Shards

Merged = tuple[NDArray, State, list[Payload]]


def _by_coordinate(optimizer: Optimizer) -> bool:
    """Whether an optimizer may be given a piece of the vector at a time."""
    arrays = any(isinstance(value, np.ndarray) for value in optimizer.hyper.values())
    return not optimizer.whole and not arrays


class _Central(Algorithm):
    """The optimizer stands at the server: workers fetch a point, and what they give is told to it."""

    optimizer: Optimizer

    @property
    def by_coordinate(self) -> bool:  # type: ignore[override]
        return _by_coordinate(self.optimizer)

    def open(self, theta: NDArray) -> State:
        return self.optimizer.init(theta)

    def answer(self, theta: NDArray, state: State) -> Payload:
        return {"theta": self.optimizer.ask(theta, state)}

    def merge(self, theta: NDArray, state: State, payloads: Sequence[Payload]) -> Merged:
        theta, state = self.optimizer.tell(theta, mean(payloads, "g"), state, strict=False)
        return theta, state, [{}] * len(payloads)

    def compiled(self, dtype: Any) -> Callable[[NDArray, State, Sequence[Payload]], None] | None:
        try:
            step = compiler.kernel(self.optimizer, dtype=dtype, strict=False)  # the server has looked
        except (compiler.CannotCompile, ImportError, TypeError):  # a rule, a machine, a kind of number without one
            return None
        return lambda theta, state, payloads: step(theta, mean(payloads, "g"), state)

    def begin(self, theta: NDArray) -> Memory:
        return {"theta": theta, "g": np.zeros_like(theta)}

    def heard(self, memory: Memory, answer: Payload) -> Memory:
        return {**memory, **answer}

    def point(self, memory: Memory) -> NDArray:
        return memory["theta"]

    def stepped(self, memory: Memory, g: NDArray) -> Memory:
        return {**memory, "g": g}

    def giving(self, memory: Memory) -> tuple[Payload, Memory]:
        return {"g": memory["g"]}, memory


@dataclass(frozen=True)
class SyncSGD(_Central):
    r"""Synchronous SGD: the server waits for the gradient of every worker, and steps along their mean.

    .. math:: \theta_{t+1} = \theta_t - \eta\, \frac1p \sum_{i=1}^p g^i(\theta_t)

    Parameters
    ----------
    optimizer : the server's; with `rules.sgd` this is SGD with a mini-batch p times as large

    Source: Chen, Pan, Monga, Bengio & Jozefowicz (2016), without backup workers.

    >>> from optlib import surfaces
    >>> from optlib.parallel import train
    >>> train(SyncSGD(Optimizer(rules.sgd, lr=0.5)), [surfaces.bowl.grad] * 3, [4.0, -2.0], steps=2).theta
    array([ 1. , -0.5])
    """

    optimizer: Optimizer
    synchronous = True


@dataclass(frozen=True)
class Downpour(_Central):
    r"""Downpour SGD: workers fetch the parameters now and then, walk on by themselves, and push what they gathered.

    .. math:: \theta^i \leftarrow \theta^i - \alpha\, g^i(\theta^i), \qquad
        a^i \leftarrow a^i + g^i(\theta^i), \qquad
        \text{server: } \theta \leftarrow \theta - \eta\, a^i

    with a fetch :math:`\theta^i \leftarrow \theta` before every `n_fetch`-th step and a push of :math:`a^i` after every
    `n_push`-th, the first and the last among them. With both 1 it is asynchronous SGD, and with one worker SGD itself.
    Whoever dies with gradients not yet pushed takes none along: its next life begins behind the last push.

    Parameters
    ----------
    optimizer : the server's; in the paper Adagrad, with about ten times the best rate of SGD
    local : a worker's own, for the steps between two fetches; left out, SGD with the server's rate
    n_fetch, n_push : periods in steps, 1 or more
    warm_start : updates that one worker makes alone before the others begin, 0 or more

    Source: Dean et al. (2012), §4.1 and algorithm 7.1. A worker waits for what it fetches, not for what it pushes.

    >>> from optlib import surfaces
    >>> from optlib.parallel import train
    >>> downpour = Downpour(Optimizer(rules.adagrad, lr=0.5), Optimizer(rules.sgd, lr=0.05), n_fetch=5, n_push=5)
    >>> run = train(downpour, [surfaces.bowl.grad] * 4, [4.0, -2.0], steps=100)
    >>> bool(abs(run.theta).max() < 0.01)
    True
    """

    optimizer: Optimizer
    local: Optimizer | None = None
    n_fetch: int = 1
    n_push: int = 1
    warm_start: int = 0

    def __post_init__(self) -> None:
        for name in ("n_fetch", "n_push"):
            whole(getattr(self, name), name)
        whole(self.warm_start, "warm_start", 0)
        if self.local is None:
            rate = self.optimizer.hyper.get("lr")
            if rate is None or (self.n_fetch > 1 and self.optimizer.rule is not rules.sgd):
                raise ValueError(
                    f"n_fetch={self.n_fetch} lets workers walk by themselves, and the rate of {self.optimizer!r} is "
                    "not theirs: give them their own, as in local=Optimizer(rules.sgd, lr=0.01)"
                )
            object.__setattr__(self, "local", Optimizer(rules.sgd, lr=rate))

    @property
    def _own(self) -> Optimizer:
        assert self.local is not None
        return self.local

    def asks(self, t: int) -> bool:
        return t % self.n_fetch == 0

    def gives(self, t: int, steps: int) -> bool:
        return t % self.n_push == 0 or t == steps - 1

    def begin(self, theta: NDArray) -> Memory:
        return {"theta": theta, "g": np.zeros_like(theta), "state": self._own.init(theta)}

    def point(self, memory: Memory) -> NDArray:
        return self._own.ask(memory["theta"], memory["state"])

    def stepped(self, memory: Memory, g: NDArray) -> Memory:
        theta, state = self._own.tell(memory["theta"], g, memory["state"])
        return {"theta": theta, "g": memory["g"] + g, "state": state}

    def giving(self, memory: Memory) -> tuple[Payload, Memory]:
        return {"g": memory["g"]}, {**memory, "g": np.zeros_like(memory["g"])}


def async_sgd(optimizer: Optimizer, warm_start: int = 0) -> Downpour:
    """Asynchronous SGD: every worker fetches, computes and pushes, and nobody waits for anybody.

    It is `Downpour` with n_fetch = n_push = 1. The server may have moved on when a gradient arrives: it is *stale*.

    >>> from optlib import surfaces
    >>> from optlib.parallel import train
    >>> sgd = async_sgd(Optimizer(rules.sgd, lr=0.1))
    >>> train(sgd, [surfaces.bowl.grad] * 3, [4.0, -2.0], steps=2, order="messages").staleness
    array([0, 1, 2, 0, 1, 2])
    """
    return Downpour(optimizer, warm_start=warm_start)


def async_adagrad(lr: float = 1.0, initial: float = 1.0) -> Downpour:
    r"""AsyncAdaGrad: asynchronous SGD with Adagrad at the server, which knows nothing of delays.

    .. math:: z \leftarrow z + g^2, \qquad \theta \leftarrow \theta - \frac{\alpha}{\sqrt z}\, g, \qquad z_0 = z_{init}

    It is the baseline of `AdaptiveRevision`.

    Source: McMahan & Streeter (2014).
    """
    number(initial, "initial", open_low=True)
    return async_sgd(Optimizer(rules.adagrad, lr=lr, eps=0.0, eps_root=initial))


def adaptive_revision(
    theta: Any, g: Any, z: Any, z_max: Any, g_bar: Any, g_bar_old: Any, *, lr: float = 1.0, initial: float = 1.0
) -> tuple[Any, tuple]:
    r"""Adagrad that revises the rate of the gradients which were under way together.

    .. math::
        z &\leftarrow z + g^2 + 2\, g\, g^{bck}, \qquad g^{bck} = \bar g - \bar g_{old} \\
        z' &\leftarrow \max(z, z') \\
        \theta &\leftarrow \theta - \frac{\alpha}{\sqrt{z'}}\, g
            + \Bigl(\frac{\alpha}{\sqrt{z'_{old}}} - \frac{\alpha}{\sqrt{z'}}\Bigr) g^{bck}

    `g_bar` is the sum of all gradients applied, `g_bar_old` its value when the worker read the point at which g was
    taken. The memories `z` and `z_max` count from `initial`.

    Source: McMahan & Streeter (2014), algorithm 1.

    >>> theta, memory = adaptive_revision(1.0, 2.0, 0.0, 0.0, 5.0, 5.0, lr=1.0, initial=5.0)
    >>> round(float(theta), 6), memory
    (0.333333, (4.0, np.float64(4.0), 7.0, 7.0))
    """
    g_bck = g_bar - g_bar_old
    eta_old = lr / np.sqrt(initial + z_max)
    z = z + g**2 + 2 * g * g_bck
    z_max = np.maximum(z, z_max)
    eta = lr / np.sqrt(initial + z_max)
    theta = theta - eta * g + (eta_old - eta) * g_bck
    return theta, (z, z_max, g_bar + g, g_bar + g)


@dataclass(frozen=True)
class AdaptiveRevision(_Central):
    r"""Delay-tolerant AdaGrad: asynchronous SGD whose server revises the rates of gradients that crossed each other.

    The update is that of :func:`adaptive_revision`. Without delay it is Adagrad whose accumulator starts at `initial`.

    Parameters
    ----------
    lr : the only rate, :math:`\alpha`, above 0
    initial : what the accumulators start at, above 0

    Source: McMahan & Streeter (2014).

    >>> from optlib import surfaces
    >>> from optlib.parallel import train
    >>> run = train(AdaptiveRevision(lr=1.0), [surfaces.bowl.grad] * 4, [4.0, -2.0], steps=50, order="messages")
    >>> bool(abs(run.theta).max() < 1e-3)
    True
    """

    lr: float = 1.0
    initial: float = 1.0
    vectors = (0, 2, 2)

    def __post_init__(self) -> None:
        number(self.lr, "lr")
        number(self.initial, "initial", open_low=True)

    @cached_property
    def optimizer(self) -> Optimizer:  # type: ignore[override]
        return Optimizer(adaptive_revision, lr=self.lr, initial=self.initial)

    def answer(self, theta: NDArray, state: State) -> Payload:
        return {"theta": theta, "g_bar_old": state["g_bar"]}

    def giving(self, memory: Memory) -> tuple[Payload, Memory]:
        return {name: memory[name] for name in ("g", "g_bar_old")}, memory

    def merge(self, theta: NDArray, state: State, payloads: Sequence[Payload]) -> Merged:
        [payload] = payloads
        state = {**state, "g_bar_old": payload["g_bar_old"]}
        theta, state = self.optimizer.tell(theta, payload["g"], state, strict=False)
        return theta, state, [{}]

    def compiled(self, dtype: Any) -> None:
        return None  # what it reads beside the gradient comes with the message


class _Walking(Algorithm):
    """Workers walk by themselves, each with an optimizer of its own."""

    local: Optimizer

    def point(self, memory: Memory) -> NDArray:
        return self.local.ask(memory["theta"], memory["state"])

    def stepped(self, memory: Memory, g: NDArray) -> Memory:
        theta, state = self.local.tell(memory["theta"], g, memory["state"])
        return {**memory, "theta": theta, "state": state}


@dataclass(frozen=True)
class LocalSGD(_Walking, _Central):
    r"""Local SGD: every worker walks `period` steps by itself, then all take the average of where they came.

    .. math:: \theta \leftarrow \mathrm{outer}\Bigl(\theta,\; \theta - \frac1p \sum_{i=1}^p \theta^i\Bigr)

    The average displacement is given to the outer optimizer as if it were a gradient. The plain one, SGD with rate 1,
    makes it an average; with `period` 1 and SGD inside, the whole is SGD with a mini-batch p times as large.

    Parameters
    ----------
    local : a worker's optimizer; its memory stays with the worker
    period : steps between two averages, 1 or more
    outer : the server's optimizer

    Source: Stich (2019); the outer optimizer as in Reddi et al. (2021) and Douillard et al. (2023).

    >>> from optlib import surfaces
    >>> from optlib.parallel import train
    >>> local = LocalSGD(Optimizer(rules.sgd, lr=0.5), period=2)
    >>> train(local, [surfaces.bowl.grad] * 3, [4.0, -2.0], steps=4).theta
    array([ 0.25 , -0.125])
    """

    local: Optimizer
    period: int = 8
    outer: Optimizer = Optimizer(rules.sgd, lr=1.0)  # noqa: RUF009  (immutable)
    synchronous = True

    def __post_init__(self) -> None:
        whole(self.period, "period")

    @property
    def optimizer(self) -> Optimizer:  # type: ignore[override]
        return self.outer

    def asks(self, t: int) -> bool:
        return t % self.period == 0

    def gives(self, t: int, steps: int) -> bool:
        return (t + 1) % self.period == 0 or t == steps - 1

    def begin(self, theta: NDArray) -> Memory:
        return {"theta": theta, "start": theta, "state": self.local.init(theta)}

    def heard(self, memory: Memory, answer: Payload) -> Memory:
        return {**memory, "theta": answer["theta"], "start": answer["theta"]}

    def giving(self, memory: Memory) -> tuple[Payload, Memory]:
        return {"g": memory["start"] - memory["theta"]}, memory


def diloco(local: Optimizer, period: int = 500, lr: float = 0.7, momentum: float = 0.9) -> LocalSGD:
    r"""DiLoCo: Local SGD whose mean move takes Nesterov's step.

    .. math:: \Delta = \theta - \frac1p \sum_{i=1}^p \theta^i, \qquad u \leftarrow \mu u + \Delta, \qquad
        \theta \leftarrow \theta - \nu\,(\Delta + \mu u)

    Parameters
    ----------
    local : a worker's optimizer, AdamW in the paper; its memory stays with the worker
    period : steps between two exchanges, 1 or more
    lr, momentum : :math:`\nu` and :math:`\mu` of the step outside; with 1 and 0 it is plain averaging

    Source: Douillard et al. (2023), algorithm 1.

    >>> from optlib import surfaces
    >>> from optlib.parallel import train
    >>> run = train(diloco(Optimizer(rules.sgd, lr=0.1), period=4), [surfaces.bowl.grad] * 3, [4.0, -2.0], steps=400)
    >>> bool(abs(run.theta).max() < 1e-3)
    True
    """
    return LocalSGD(local, period, Optimizer(rules.nag_shifted, lr=lr, gamma=momentum))


@dataclass(frozen=True)
class StreamingDiLoCo(_Walking):
    r"""DiLoCo that exchanges a fragment of the parameters at a time, the next one every period/F steps.

    .. math:: \Delta_f = \theta_f - \frac1p \sum_{i=1}^p \theta^i_f, \qquad u_f \leftarrow \mu u_f + \Delta_f, \qquad
        \theta_f \leftarrow \theta_f - \nu\,(\Delta_f + \mu u_f)

    Each fragment waits `period` steps, as in DiLoCo, and as much is sent in all; a message holds 1/F of it. Only after
    the last step all is given that was not yet. With one fragment it is :func:`diloco`. The server says whose turn
    it is, so that a worker which comes late or begins anew gives what the others give.

    What a worker has walked since a fragment's last exchange is its own. When it dies, its next life begins behind its
    last gift: the steps since are made again, and of those before, the fragments that had not had their turn lose up
    to ``period - period / F`` each. No step counts twice. The server takes one shard.

    Parameters
    ----------
    local : a worker's optimizer, AdamW in the paper; its memory stays with the worker
    period : steps between two exchanges of the same fragment, 1 or more
    fragments : F neighbouring pieces, 1 to `period`; or the fragments themselves in the order of their turns, each a
        list of what a model's ``parts()`` holds, all parts once, as in ``[[part["W1"], part["b1"]], [part["W2"]]]``
    lr, momentum : :math:`\nu` and :math:`\mu` of the step outside
    overlap : steps (the paper's :math:`\tau`) that a worker makes between giving and asking, less than period/F.
        Meanwhile its gift is under way, and others may be late. What it is told and what it has walked since add up
    blend : the paper's :math:`\alpha` in [0, 1], in place of that sum: :math:`\theta^i_f \leftarrow
        \alpha\,\theta^i_f + (1-\alpha)\,\theta_f`, after which a step may count in part, or again in the next exchange

    Not here: the paper's four bits for a number, and answers that are under way during steps (a worker waits for what
    it asks). A simulated cluster takes each message for 1/F, the last one too.

    Source: Douillard et al. (2025), algorithm 2.

    >>> from optlib import surfaces
    >>> from optlib.parallel import train
    >>> streaming = StreamingDiLoCo(Optimizer(rules.sgd, lr=0.1), period=4, fragments=2)
    >>> run = train(streaming, [surfaces.bowl.grad] * 3, [4.0, -2.0], steps=400)
    >>> bool(abs(run.theta).max() < 1e-3)
    True
    """

    local: Optimizer
    period: int = 500
    fragments: int | Sequence[Sequence[Part]] = 4
    lr: float = 0.7
    momentum: float = 0.9
    overlap: int = 0
    blend: float | None = None
    synchronous = True
    by_coordinate = False  # a fragment's turn is one for the whole vector

    def __post_init__(self) -> None:
        whole(self.period, "period")
        if isinstance(self.fragments, Sequence):
            whole(len(self.fragments), "the number of fragments", 1, self.period)
            if not all(self.fragments):
                raise ValueError(f"fragments={shown(self.fragments)}: each must hold a part at least")
        else:
            object.__setattr__(self, "fragments", whole(self.fragments, "fragments", 1, self.period))
        whole(self.overlap, "overlap", 0, self.period // self._count - 1)
        number(self.lr, "lr")
        number(self.momentum, "momentum")
        number(self.blend or 0.0, "blend", high=1.0, closed=True)

    @property
    def _count(self) -> int:
        return self.fragments if isinstance(self.fragments, int) else len(self.fragments)

    @cached_property
    def _outer(self) -> Optimizer:
        return Optimizer(rules.nag_shifted, lr=self.lr, gamma=self.momentum)

    @property
    def vectors(self) -> tuple[float, float, float]:  # type: ignore[override]
        return (0, 1 / self._count, 1 / self._count)

    def _places(self, size: int) -> list[Any]:
        """Where each fragment stands in theta."""
        if isinstance(self.fragments, int):
            return [*Shards(size, self.fragments).slices]
        return [np.concatenate([np.arange(size)[part.where] for part in each]) for each in self.fragments]

    def _due(self, t: int) -> bool:
        """Whether a fragment's turn comes between the steps t - 1 and t."""
        f = -(-(t % self.period) * self._count // self.period)
        return self.period * f // self._count == t % self.period

    def asks(self, t: int) -> bool:
        return t > self.overlap and self._due(t - self.overlap)  # a life begins with a question in any case

    def gives(self, t: int, steps: int) -> bool:
        return t == steps - 1 or (self._due(t + 1) and t + 1 + self.overlap < steps)  # each gift is asked about

    def begin(self, theta: NDArray) -> Memory:
        return {"theta": theta, "start": theta, "state": self.local.init(theta), "turn": -1}

    def heard(self, memory: Memory, answer: Payload) -> Memory:
        turn, last = int(answer["turn"]), memory["turn"]
        if turn == last:  # no exchange since it asked before
            return memory
        theta, start = memory["theta"].copy(), memory["start"].copy()
        for f, at in enumerate(self._places(theta.size)):
            told = answer.get(str(f))
            if told is None:
                continue
            if self.blend is not None and last >= 0 and f == last % self._count:
                theta[at] = self.blend * theta[at] + (1 - self.blend) * told
            else:  # what it has not given stays its own, should others have given more than it
                theta[at] = told + (theta[at] - start[at])
            start[at] = told
        return {**memory, "theta": theta, "start": start, "turn": turn}

    def giving(self, memory: Memory) -> tuple[Payload, Memory]:
        return self._given(memory, [memory["turn"] % self._count])

    def parting(self, memory: Memory) -> tuple[Payload, Memory]:
        return self._given(memory, range(self._count))

    def _given(self, memory: Memory, fragments: Sequence[int]) -> tuple[Payload, Memory]:
        theta, start, payload = memory["theta"], memory["start"].copy(), {}
        places = self._places(theta.size)
        for f in fragments:
            payload[str(f)] = start[places[f]] - theta[places[f]]
            start[places[f]] = theta[places[f]]
        return payload, {**memory, "start": start}

    def open(self, theta: NDArray) -> State:
        if self._count > theta.size:
            raise ValueError(f"fragments={self._count}, but theta has only {theta.size} numbers: take at most as many")
        places = self._places(theta.size)
        held = np.sort(np.concatenate([np.arange(theta.size)[at] for at in places]))
        if not np.array_equal(held, np.arange(theta.size)):
            raise ValueError(
                f"fragments hold {held.size} numbers, {np.unique(held).size} of them different, and theta has "
                f"{theta.size}: give all parts of this model, each once"
            )
        state = {"turn": np.array(0), "told": np.zeros(self._count, bool)}
        for f, at in enumerate(places):
            state |= {f"{f}.{name}": value for name, value in self._outer.init(theta[at]).items()}
        return state

    def answer(self, theta: NDArray, state: State) -> Payload:
        places = self._places(theta.size)
        return {"turn": state["turn"], **{str(f): theta[places[f]] for f in np.flatnonzero(state["told"])}}

    def merge(self, theta: NDArray, state: State, payloads: Sequence[Payload]) -> Merged:
        theta, told = theta.copy(), np.zeros(self._count, bool)
        state = {**state, "turn": state["turn"] + 1, "told": told}
        for f, at in enumerate(self._places(theta.size)):
            gave = [payload for payload in payloads if str(f) in payload]
            if gave:
                own = {name: state[f"{f}.{name}"] for name in (*self._outer.memory, "rule", "t")}
                theta[at], own = self._outer.tell(theta[at], mean(gave, str(f)), own, strict=False)
                state |= {f"{f}.{name}": value for name, value in own.items()}
                told[f] = True
        return theta, state, [{}] * len(payloads)


#: The centre of an elastic average is moved by an optimizer too, the plainest one.
_CENTRE = Optimizer(rules.sgd, lr=1.0)


@dataclass(frozen=True)
class EASGD(Algorithm):
    r"""Elastic averaging SGD: every worker walks by itself, tied to a common centre by a spring.

    .. math:: d = \alpha\,(x^i - \tilde x), \qquad
        x^i \leftarrow x^i - \eta\, g^i(x^i) - d, \qquad \tilde x \leftarrow \tilde x + d

    The exchange takes place before every `period`-th step, the gradient at the old :math:`x^i` in any case. An exchange
    changes neither :math:`\tilde x + \sum_i x^i` nor anything else but these two points.

    What a worker has walked since is its own, :math:`x^i - \tilde x`. When it dies this distance is gone, and so are
    its steps since the last exchange: they are made again by its next life, which begins at the centre. When the run
    ends the distances of all workers are left in `Result.workers`. The centre itself is never set back.

    Parameters
    ----------
    local : a worker's optimizer, `rules.sgd` in EASGD. Another one makes another algorithm: see `eamsgd`
    alpha : the moving rate :math:`\alpha = \eta\rho`, in [0, 1]
    period : steps between two exchanges, 1 or more (the paper's :math:`\tau`)

    Source: Zhang, Choromanska & LeCun (2015), algorithm 1.

    >>> from optlib import surfaces
    >>> from optlib.parallel import train
    >>> easgd = EASGD(Optimizer(rules.sgd, lr=0.1), alpha=0.2, period=4)
    >>> train(easgd, [surfaces.bowl.grad] * 4, [4.0, -2.0], steps=400).theta.round(6) + 0.0
    array([0., 0.])
    """

    local: Optimizer
    alpha: float = 0.1
    period: int = 1
    exchanges = True
    vectors = (1, 0, 1)

    def __post_init__(self) -> None:
        number(self.alpha, "alpha", high=1.0, closed=True)
        whole(self.period, "period")

    def asks(self, t: int) -> bool:
        return t % self.period == 0

    def gives(self, t: int, steps: int) -> bool:
        return False

    def begin(self, theta: NDArray) -> Memory:
        return {"x": theta, "d": np.zeros_like(theta), "state": self.local.init(theta)}

    def asking(self, memory: Memory) -> Payload:
        return {"x": memory["x"]}

    def heard(self, memory: Memory, answer: Payload) -> Memory:
        return {**memory, "d": answer["d"]}

    def point(self, memory: Memory) -> NDArray:
        return self.local.ask(memory["x"], memory["state"])

    def stepped(self, memory: Memory, g: NDArray) -> Memory:
        x, state = self.local.tell(memory["x"], g, memory["state"])
        return {"x": x - memory["d"], "d": np.zeros_like(x), "state": state}

    def open(self, theta: NDArray) -> State:
        return _CENTRE.init(theta)

    def merge(self, theta: NDArray, state: State, payloads: Sequence[Payload]) -> Merged:
        answers = [{"d": self.alpha * (payload["x"] - theta)} for payload in payloads]
        theta, state = _CENTRE.tell(theta, -len(payloads) * mean(answers, "d"), state, strict=False)
        return theta, state, answers


@dataclass(frozen=True)
class SyncEASGD(EASGD):
    r"""Synchronous EASGD: all workers exchange with the centre at once, each with its old place.

    .. math:: x^i \leftarrow x^i - \eta\, g^i(x^i) - \alpha\,(x^i - \tilde x), \qquad
        \tilde x \leftarrow (1 - \beta)\,\tilde x + \beta\, \frac1p \sum_i x^i, \qquad \beta = p\,\alpha

    With `period` 1 and SGD this is one gradient step, of size :math:`\eta`, on the elastic objective
    :math:`\sum_i f(x^i) + \frac\rho2 \lVert x^i - \tilde x\rVert^2`. Parameters and
    what a death costs as in :class:`EASGD`.

    Source: Zhang, Choromanska & LeCun (2015), equations 5 and 6.
    """

    synchronous = True


def eamsgd(lr: float = 0.01, delta: float = 0.99, alpha: float = 0.1, period: int = 1) -> EASGD:
    r"""EAMSGD: elastic averaging whose workers walk with Nesterov momentum.

    .. math:: v^i \leftarrow \delta v^i - \eta\, g^i(x^i + \delta v^i), \qquad x^i \leftarrow x^i + v^i - d

    Parameters
    ----------
    lr : the worker's rate, above 0
    delta : its momentum, in [0, 1]
    alpha, period : of the exchange, as in :class:`EASGD`

    Source: Zhang, Choromanska & LeCun (2015), algorithm 2.

    >>> eamsgd(lr=0.05, period=16).local
    Optimizer(nag, lr=0.05, gamma=0.99)
    """
    return EASGD(Optimizer(rules.nag, lr=lr, gamma=delta), alpha=alpha, period=period)
