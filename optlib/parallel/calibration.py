"""What a real cluster is like, measured, so that a simulated one may be like it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import rules
from .._inputs import whole
from ..optimizer import Optimizer, Oracle
from .algorithms import async_sgd
from .cluster import run_on_dask
from .messages import vector
from .result import Result
from .simulation import Cluster


def calibrate(client: Any, oracle: Oracle, theta: ArrayLike, *, steps: int = 40) -> Cluster:
    """Measure a cluster by three short runs, and return one for `simulate` that behaves so.

    A worker alone whose gradient costs nothing shows how long a message takes, there and back; several of them show
    what the shard can do; a worker alone with the real gradient shows how long that takes, each time. Meant for theta
    of this size and for one shard; more replicas than cores share them, which the simulated ones do not.

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
    start, still = vector(theta), async_sgd(Optimizer(rules.sgd, lr=0.0))

    def timed(oracles: list[Oracle]) -> Result:
        return run_on_dask(client, still, oracles, start, steps=steps, interval=1e9)

    several = max(2, min(4, len(client.nthreads())))
    there_and_back = float(np.median(_cycles(timed([_nothing]))))
    crowd = timed([_nothing] * several)
    first, last = min(s.start for s in crowd.spans), max(s.end for s in crowd.spans)
    busy = min((last - first) / len(crowd.spans), there_and_back)  # the shard's time for a gift and a question
    measured = np.array([span.end - span.start for span in timed([oracle]).spans])
    return Cluster(
        compute=lambda rng, size: rng.choice(measured, size), latency=(there_and_back - busy) / 2, service=busy / 2
    )


def _nothing(theta: NDArray) -> NDArray:
    """A gradient that takes no time."""
    return np.zeros_like(theta)


def _cycles(run: Result) -> NDArray:
    """Seconds from the end of one gradient to the start of the next."""
    return np.array([b.start - a.end for a, b in zip(run.spans[:-1], run.spans[1:], strict=True)])
