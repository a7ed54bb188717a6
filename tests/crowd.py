"""The parallel algorithms by name, each with a maker from a rate alone: what the tests walk over."""

from collections.abc import Callable

from optlib import Optimizer, rules
from optlib.parallel import (
    EASGD,
    AdaptiveRevision,
    Algorithm,
    Downpour,
    LocalSGD,
    SyncEASGD,
    SyncSGD,
    async_adagrad,
    async_sgd,
    eamsgd,
)

TABLE: dict[str, Callable[[float], Algorithm]] = {
    "sync_sgd": lambda lr: SyncSGD(Optimizer(rules.sgd, lr=lr)),
    "async_sgd": lambda lr: async_sgd(Optimizer(rules.sgd, lr=lr)),
    "downpour": lambda lr: Downpour(Optimizer(rules.sgd, lr=lr), n_fetch=3, n_push=2),
    "downpour_adagrad": lambda lr: Downpour(
        Optimizer(rules.adagrad, lr=10 * lr), Optimizer(rules.sgd, lr=lr), n_fetch=2, n_push=2, warm_start=3
    ),
    "async_adagrad": lambda lr: async_adagrad(10 * lr),
    "adaptive_revision": lambda lr: AdaptiveRevision(10 * lr),
    "easgd": lambda lr: EASGD(Optimizer(rules.sgd, lr=lr), alpha=0.2, period=2),
    "sync_easgd": lambda lr: SyncEASGD(Optimizer(rules.sgd, lr=lr), alpha=0.2, period=2),
    "eamsgd": lambda lr: eamsgd(lr, 0.9, 0.2, 2),
    "local_sgd": lambda lr: LocalSGD(Optimizer(rules.sgd, lr=lr), period=3),
}
