r"""When to stop: criteria that are told the loss on data that the gradients never see.

A criterion keeps no memory: ``init()`` gives a `Progress`, ``tell(progress, validation)`` the next one, and
``progress.stop`` says whether it is time. One `tell` is one evaluation, an epoch for instance.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._inputs import guard, number, scalar, whole


@dataclass(frozen=True)
class Progress:
    """How far a run has come, as a criterion sees it."""

    evaluations: int = 0
    best: float = np.inf  #: lowest validation loss so far
    best_at: int = 0  #: the evaluation that had it, from 1
    stop: bool = False
    rises: int = 0  #: strips in a row at whose ends the validation loss was higher than a strip before
    strip_end: float = np.inf  #: validation loss at the end of the latest strip
    training: tuple[float, ...] = ()  #: the latest training losses, one strip at most

    @property
    def waited(self) -> int:
        """Evaluations since the best."""
        return self.evaluations - self.best_at


class Criterion:
    """What `Patience`, `GL`, `PQ` and `UP` share."""

    least: float = 0.0  #: by how much a loss must be lower than the best to count

    def init(self) -> Progress:
        """Progress before the first evaluation."""
        return Progress()

    def tell(self, progress: Progress, validation: float, training: float | None = None) -> Progress:
        """Progress after one more evaluation, with the validation loss and (for `PQ`) the training loss.

        A loss that is not a number counts as infinite: nothing gets better by it.
        """
        loss, now = single_loss(validation, "validation"), progress.evaluations + 1
        progress = replace(progress, evaluations=now)
        if loss < progress.best - self.least:
            progress = replace(progress, best=loss, best_at=now)
        return self._judge(progress, loss, training)

    def _judge(self, progress: Progress, loss: float, training: float | None) -> Progress:
        raise NotImplementedError


class Patience(Criterion):
    """Stop when the validation loss has not improved for `patience` evaluations.

    Parameters
    ----------
    patience : 1 or more
    least : improvement that counts, 0 or more: a loss must be lower than the best by more than this, or the waiting
        goes on

    Source: Goodfellow, Bengio & Courville (2016), algorithm 7.1.

    >>> criterion = Patience(2)
    >>> progress = criterion.init()
    >>> for loss in (3.0, 1.0, 2.0, 1.5):
    ...     progress = criterion.tell(progress, loss)
    >>> progress.stop, progress.best, progress.best_at
    (True, 1.0, 2)
    """

    def __init__(self, patience: int = 10, least: float = 0.0):
        self.patience, self.least = whole(patience, "patience"), number(least, "least")

    def _judge(self, progress: Progress, loss: float, training: float | None) -> Progress:
        return replace(progress, stop=progress.waited >= self.patience)


class GL(Criterion):
    r"""Generalisation loss: stop when the validation loss is `alpha` per cent above its lowest so far.

    .. math:: GL(t) = 100 \Bigl( \frac{E_{va}(t)}{\min_{t' \le t} E_{va}(t')} - 1 \Bigr) > \alpha

    Parameters
    ----------
    alpha : per cent, above 0. Losses must be positive.

    Source: Prechelt (1998), first class of criteria.

    >>> criterion = GL(5.0)
    >>> progress = criterion.tell(criterion.tell(criterion.init(), 1.0), 1.04)
    >>> progress.stop, criterion.tell(progress, 1.06).stop
    (False, True)
    """

    def __init__(self, alpha: float = 5.0):
        self.alpha = number(alpha, "alpha", open_low=True)

    def _judge(self, progress: Progress, loss: float, training: float | None) -> Progress:
        return replace(progress, stop=_generalisation_loss(progress, loss) > self.alpha)


class PQ(Criterion):
    r"""Generalisation loss against progress in training: as long as training still gains much, overfitting may mend.

    .. math:: P_k(t) = 1000 \Bigl( \frac{\sum_{t-k+1}^t E_{tr}}{k \min_{t-k+1..t} E_{tr}} - 1 \Bigr), \qquad
        \text{stop at the end of a strip of } k \text{ if } \frac{GL(t)}{P_k(t)} > \alpha

    Parameters
    ----------
    alpha : quotient, above 0
    strip : k, evaluations in a strip, 1 or more

    Each `tell` needs the training loss. Losses must be positive.

    Source: Prechelt (1998), second class of criteria.

    >>> criterion = PQ(0.5, strip=2)
    >>> progress = criterion.init()
    >>> for validation, training in ((1.0, 1.0), (1.1, 0.9)):
    ...     progress = criterion.tell(progress, validation, training)
    >>> progress.stop  # GL = 10, P = 55.6
    False
    >>> for validation, training in ((1.2, 0.9), (1.2, 0.899)):
    ...     progress = criterion.tell(progress, validation, training)
    >>> progress.stop  # GL = 20, P = 0.56
    True
    """

    def __init__(self, alpha: float = 0.5, strip: int = 5):
        self.alpha, self.strip = number(alpha, "alpha", open_low=True), whole(strip, "strip")

    def _judge(self, progress: Progress, loss: float, training: float | None) -> Progress:
        if training is None:
            raise TypeError("PQ compares with the training loss: give tell(progress, validation, training)")
        recent = (*progress.training, _positive(single_loss(training, "training"), "training"))[-self.strip :]
        progress = replace(progress, training=recent)
        excess = _generalisation_loss(progress, loss)
        if progress.evaluations % self.strip:
            return progress
        gain = 1000 * (sum(recent) / (self.strip * min(recent)) - 1) if np.isfinite(min(recent)) else 0.0
        return replace(progress, stop=excess > self.alpha * gain)


class UP(Criterion):
    r"""Stop when the validation loss has risen in `strips` strips in a row, however little.

    .. math:: UP_s: \; UP_{s-1} \text{ stops at } t - k \text{ and } E_{va}(t) > E_{va}(t - k); \qquad
        UP_1: \; E_{va}(t) > E_{va}(t - k)

    Parameters
    ----------
    strips : s, 1 or more
    strip : k, evaluations in a strip, 1 or more; only the ends of strips are looked at

    Source: Prechelt (1998), third class of criteria.

    >>> criterion = UP(2, strip=1)
    >>> progress, stops = criterion.init(), []
    >>> for loss in (3.0, 4.0, 2.0, 2.1, 2.2):
    ...     progress = criterion.tell(progress, loss)
    ...     stops.append(progress.stop)
    >>> stops
    [False, False, False, False, True]
    """

    def __init__(self, strips: int = 3, strip: int = 5):
        self.strips, self.strip = whole(strips, "strips"), whole(strip, "strip")

    def _judge(self, progress: Progress, loss: float, training: float | None) -> Progress:
        if progress.evaluations % self.strip:
            return progress
        rises = progress.rises + 1 if loss > progress.strip_end else 0  # nothing is above infinity, the first strip's
        return replace(progress, rises=rises, strip_end=loss, stop=rises >= self.strips)


def _generalisation_loss(progress: Progress, loss: float) -> float:
    _positive(progress.best, "validation")
    return 100 * (loss / progress.best - 1) if np.isfinite(progress.best) else np.inf


def single_loss(value: Any, name: str = "the loss") -> float:
    """One number, where what is not a number counts as infinite."""
    x = scalar(value, name)
    return np.inf if np.isnan(x) else x


def _positive(loss: float, name: str) -> float:
    if loss <= 0:
        raise ValueError(f"the {name} loss is {loss:g}: Prechelt's quotients need positive losses. Patience does not")
    return loss


guard(globals())
