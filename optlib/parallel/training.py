"""One call for all ways to run an algorithm."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import vector, whole
from ..models import Model, checked_data
from ..optimizer import Oracle
from ..oracles import minibatch
from .cluster import borrowed, run_on_dask
from .engine import Engine, checked_oracles, run_inline
from .machines import Algorithm
from .messages import Shards
from .result import Result
from .simulation import simulate


def parts(model: Model, X: Any, y: ArrayLike, workers: int, *, batch_size: int, seed: int = 0) -> list[minibatch]:
    """The data dealt out: one oracle for each worker, with a part of the examples that nobody else has.

    Parameters
    ----------
    workers : how many parts, 1 to n
    batch_size : examples in a worker's mini-batch, 1 to the number in the smallest part
    seed : of the deal, and (each with its own) of the workers' batches

    >>> from optlib import data, models
    >>> X, y = data.line(n=10)
    >>> [len(oracle.X) for oracle in parts(models.LinearRegression(), X, y, 3, batch_size=2)]
    [3, 3, 4]
    """
    X, y = checked_data(X, y)
    whole(workers, "workers", 1, len(y))
    dealt = np.random.default_rng([seed, 2]).permutation(len(y))
    bounds = [len(y) * i // workers for i in range(workers + 1)]
    rows = [np.sort(dealt[a:b]) for a, b in itertools.pairwise(bounds)]
    return [minibatch(model, X[r], y[r], batch_size, seed=seed + i) for i, r in enumerate(rows)]


def train(
    algorithm: Algorithm, oracles: Sequence[Oracle], theta: ArrayLike, *, steps: int, backend: Any = "inline",
    shards: int = 1, order: Any = "steps", loss: Callable[[NDArray], Any] | None = None, every: int = 1,
    tolerance: int = 3, **options: Any,
) -> Result:  # fmt: skip
    """Run a parallel algorithm: in order in one process, in a simulated cluster, or on a real one.

    Parameters
    ----------
    algorithm : `SyncSGD`, `Downpour`, `EASGD` and so on, or your own `Algorithm`
    oracles : one for each worker: ``theta -> gradient``, or ``(theta, t) -> gradient`` with the worker's own step t;
        `parts` deals out a data set
    theta : where to start, floats of shape (d,)
    steps : gradients that each worker computes, 1 or more
    backend : "inline"; "simulate" (see `simulate` for its options); or a `distributed.Client`, the address of a Dask
        scheduler, or "dask" for a cluster on this machine (see `run_on_dask` for their options)
    shards : pieces into which the server's parameters are cut, 1 to d
    order : of the backend "inline": "steps", each worker a whole step in turn; "messages", each worker a message in
        turn; an iterable of workers, each of which delivers its next message; or the `order` of an earlier result,
        from whatever backend, which is repeated
    loss : theta -> number, measured at the server's point after every `every`-th update
    tolerance : contributions with NaN or infinity in a row after which a worker is sent home

    Raises
    ------
    ValueError : shards, steps or theta out of range, an unknown backend; NotFinite : no worker had a finite gradient.

    >>> from optlib import Optimizer, rules, surfaces
    >>> from optlib.parallel import SyncSGD
    >>> run = train(SyncSGD(Optimizer(rules.sgd, lr=0.5)), [surfaces.bowl.grad] * 4, [4.0, -2.0], steps=3)
    >>> run.theta, run.updates
    (array([ 0.5 , -0.25]), 3)
    """
    oracles, start = checked_oracles(oracles), vector(theta).copy()
    for name, value in (("steps", steps), ("every", every), ("tolerance", tolerance)):
        whole(value, name)
    Shards(start.size, shards)
    if shards > 1 and not algorithm.by_coordinate:
        raise ValueError(
            f"shards={shards}, but {algorithm!r} has a server that needs the whole vector (its rule sees "
            "whole vectors, or its messages hold them, or a hyper-parameter is an array): take one shard"
        )
    if backend == "inline":
        if options:
            raise TypeError(f"the backend 'inline' has no option {', '.join(options)}")
        engine = Engine(algorithm, oracles, start, int(steps), len(oracles), shards, tolerance, loss, every)
        return run_inline(engine, order)
    if backend == "simulate":
        return simulate(
            algorithm, oracles, start, steps=int(steps), shards=shards, loss=loss, every=every, tolerance=tolerance,
            **options,
        )  # fmt: skip
    if not isinstance(backend, str) or backend == "dask" or "://" in backend:
        if not isinstance(backend, str) and not hasattr(backend, "submit"):
            raise TypeError(f"backend={backend!r} is neither a name nor a distributed.Client")
        with borrowed(backend) as client:
            return run_on_dask(
                client, algorithm, oracles, start, steps=int(steps), shards=shards, tolerance=tolerance, loss=loss,
                every=every, **options,
            )  # fmt: skip
    raise ValueError(
        f"backend={backend!r} is unknown; allowed are 'inline', 'simulate', 'dask' (a cluster on this machine), a "
        "scheduler's address such as 'tcp://10.0.0.1:8786', and a distributed.Client"
    )
