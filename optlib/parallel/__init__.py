"""Many workers, one set of parameters: the algorithms once, and several ways to run them.

>>> from optlib import Optimizer, rules, surfaces
>>> run = train(async_sgd(Optimizer(rules.sgd, lr=0.1)), [surfaces.bowl.grad] * 4, [4.0, -2.0], steps=10)
>>> run
Result(40 updates by 4 workers to 1 shard, backend='inline', finished)
"""

from .._inputs import guard
from .algorithms import (
    EASGD,
    AdaptiveRevision,
    Downpour,
    LocalSGD,
    SyncEASGD,
    SyncSGD,
    adaptive_revision,
    async_adagrad,
    async_sgd,
    eamsgd,
)
from .calibration import calibrate
from .cluster import Interrupted, connect, disconnect, run_on_dask
from .machines import Algorithm, Compute, LostMessage, Server, Worker
from .messages import Message, Reply, Shards
from .result import Event, Measured, Result, Span, curve
from .simulation import Cluster, exponential, lognormal, simulate, stragglers
from .threads import Conflicts, Run, complete, conflicts, hogwild, lost
from .training import parts, train

__all__ = [
    "EASGD", "AdaptiveRevision", "Algorithm", "Cluster", "Compute", "Conflicts", "Downpour", "Event", "Interrupted",
    "LocalSGD", "LostMessage", "Measured", "Message", "Reply", "Result", "Run", "Server", "Shards", "Span", "SyncEASGD",
    "SyncSGD", "Worker", "adaptive_revision", "async_adagrad", "async_sgd", "calibrate", "complete", "conflicts",
    "connect", "curve", "disconnect", "eamsgd", "exponential", "hogwild", "lognormal", "lost", "parts", "run_on_dask",
    "simulate", "stragglers", "train",
]  # fmt: skip

guard(globals(), "connect", "exponential", "lognormal", "parts", "stragglers")
guard(
    globals(),
    "Cluster",
    "calibrate",
    "complete",
    "conflicts",
    "curve",
    "hogwild",
    "lost",
    "run_on_dask",
    "simulate",
    "train",
    late=True,
)
