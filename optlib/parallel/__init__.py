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
    StreamingDiLoCo,
    SyncEASGD,
    SyncSGD,
    adaptive_revision,
    async_adagrad,
    async_sgd,
    diloco,
    eamsgd,
)
from .calibration import calibrate
from .cluster import Interrupted, connect, disconnect, run_on_dask
from .compression import Code, Compressed, Drawn, Largest, LowRank, Signs, power_sgd
from .gossip import contraction, gossip, pair, ring
from .machines import Algorithm, Compute, LostMessage, Server, Worker
from .messages import Message, Reply, Shards
from .result import Applied, Event, Measured, Result, Span, curve
from .simulation import Cluster, exponential, lognormal, simulate, stragglers
from .threads import Conflicts, Run, complete, conflicts, hogwild, lost
from .training import parts, train

__all__ = [
    "EASGD", "AdaptiveRevision", "Algorithm", "Applied", "Cluster", "Code", "Compressed", "Compute", "Conflicts",
    "Downpour", "Drawn", "Event", "Interrupted", "Largest", "LocalSGD", "LostMessage", "LowRank", "Measured", "Message",
    "Reply", "Result", "Run", "Server", "Shards", "Signs", "Span", "StreamingDiLoCo", "SyncEASGD", "SyncSGD", "Worker",
    "adaptive_revision", "async_adagrad", "async_sgd", "calibrate", "complete", "conflicts", "connect", "contraction",
    "curve", "diloco", "disconnect", "eamsgd", "exponential", "gossip", "hogwild", "lognormal", "lost", "pair", "parts",
    "power_sgd", "ring", "run_on_dask", "simulate", "stragglers", "train",
]  # fmt: skip

# a rule takes arrays, and an Optimizer looks at what it is given
guard(globals(), *(name for name in __all__ if name != "adaptive_revision"), methods=False)
