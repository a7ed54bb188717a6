"""What a real cluster is like, measured, so that a simulated one may be like it."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import rules
from .._inputs import vector, whole
from ..optimizer import Optimizer, Oracle, check_oracle
from .algorithms import async_sgd
from .cluster import run_on_dask
from .result import Result
from .simulation import Cluster


def calibrate(client: Any, oracle: Oracle, theta: ArrayLike, *, steps: int = 40) -> Cluster:
    """Measure a cluster by two short runs, and return one for `simulate` that behaves so.

    Several workers whose gradients cost nothing show what the shard can do; a worker alone with the real gradient shows
    how long that takes, each time, and how long messages are under way between two: their mean, since it is the mean
    that decides how many gradients a second are made, and a worker that computed in between is answered more slowly
    than one that only asks. Meant for theta of this size and for one shard; more replicas than cores share them, which
    the simulated ones do not.

    Parameters
    ----------
    client : see `connect`
    oracle : one worker's gradient, as in `train`; it is called `steps` times there, and changes nothing
    theta : floats of shape (d,)
    steps : gradients in each run, 2 or more

    Returns
    -------
    A `Cluster` with `compute` (drawn from the seconds measured), `latency` and `service`, in seconds.

    Raises
    ------
    As `run_on_dask`.
    """
    whole(steps, "steps", 2)
    check_oracle(oracle)
    start, still = vector(theta).copy(), async_sgd(Optimizer(rules.sgd, lr=0.0))

    def timed(oracles: list[Oracle]) -> Result:
        return run_on_dask(client, still, oracles, start, steps=steps, interval=1e9)

    several = max(2, min(4, len(client.nthreads())))
    crowd, alone = timed([_nothing] * several).spans, timed([oracle]).spans
    measured = np.array([span.end - span.start for span in alone])
    there_and_back = float(np.mean([b.start - a.end for a, b in itertools.pairwise(alone)]))
    begun, ended = min(span.start for span in crowd), max(span.end for span in crowd)
    busy = min((ended - begun) / len(crowd), there_and_back)  # the shard's time for a gift and a question
    return Cluster(
        compute=lambda rng, size: rng.choice(measured, size), latency=(there_and_back - busy) / 2, service=busy / 2
    )


def _nothing(theta: NDArray) -> NDArray:
    """A gradient that takes no time."""
    return np.zeros_like(theta)
