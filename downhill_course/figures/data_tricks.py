r"""Figures of the chapter on tricks with data and model, and the small experiments behind them.

>>> from downhill_course.figures import data_tricks
>>> data_tricks.shrinking([0.0, 0.5], [[1.0, 2.0], [0.5, 1.0]], [[1.0, 2.0], [0.4, 1.1]])
<weights against the rate of dropout: 2 coordinates>
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlib import data, layers, models, oracles, rules
from optlib.optimizer import Optimizer, Oracle, descend, run
from optlib.tricks import Curriculum, early_stopped
from optlib.tricks.criteria import Criterion
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, look_of, panels, series

Rows = tuple[NDArray, NDArray]


def added(
    strategy: Any, seed: int, rates: ArrayLike, *, places: int = 3, stage: int = 300, steps: int = 900, **plan: Any
) -> NDArray:
    """Adam learns to add, from examples made to order by a curriculum: its error on sums of each length.

    Parameters
    ----------
    strategy, stage, **plan : as in `optlib.tricks.Curriculum`. seed : of the start and of the examples
    rates : learning rates, of shape (k,)
    places : digits of the longest numbers, 1 or more. steps : updates of 32 fresh examples

    Returns
    -------
    Root mean square error on 1,000 other sums, in units of the sum's last digit, of shape (k, places): the numbers
    added have 1, 2, ... digits.

    >>> added("mix", 0, [0.01, 0.03], stage=5, steps=10).shape
    (2, 3)
    """
    net = models.MLP([20 * places, 32, 1], loss="squared")
    chosen = Curriculum(places, strategy, stage=stage, seed=seed, **plan)

    def fresh(t: int) -> Rows:
        return data.adding_digits(chosen.draw(t, 32), places=places, seed=1_000_000 * (seed + 1) + t)

    lr = np.asarray(rates, dtype=float)[:, None]
    start = np.tile(net.init(seed=seed), (len(lr), 1))
    theta = descend(Optimizer(rules.adam, lr=lr), oracles.online(net, fresh), start, steps, strict=False)[-1]
    tests = (data.adding_digits(np.full(1000, k), places=places, seed=k) for k in range(1, places + 1))
    losses = np.stack([net.loss(theta, X, y) for X, y in tests], axis=-1)
    return 10**places * np.sqrt(2 * losses)


def trained(model: models.MLP, train: Rows, rates: ArrayLike, seed: int, *, steps: int = 200) -> NDArray:
    """Training loss after SGD with batches of 32 at each of several rates, of shape (rates,); NaN where one diverges.

    Parameters
    ----------
    train : examples and labels. rates : learning rates, of shape (k,). seed : of the start and the batches

    >>> X, y = data.digits()
    >>> trained(models.MLP([64, 10]), (X, y), [0.01, 0.1], seed=0, steps=3).shape
    (2,)
    """
    lr = np.asarray(rates, dtype=float)[:, None]
    batches = oracles.minibatch(model, *train, size=32, seed=seed)
    start = np.tile(model.init(seed=seed), (len(lr), 1))
    with np.errstate(over="ignore", invalid="ignore"):  # some rates diverge
        return model.loss(descend(Optimizer(rules.sgd, lr=lr), batches, start, steps, strict=False)[-1], *train)


def running_variance(n: int, *, batches: int = 4000, seed: int = 0) -> tuple[float, float]:
    """The running variance of a feature with variance 1, as PyTorch keeps it and as Keras does: means over a long run.

    Parameters
    ----------
    n : examples in a batch, 2 or more. batches : of which the first tenth does not count

    >>> torch, keras = running_variance(2)
    >>> round(torch, 1), round(keras, 1)
    (1.0, 0.5)
    """
    rng, start = np.random.default_rng(seed), (np.zeros(1), np.ones(1))
    torch, keras, seen = start, start, []
    for _ in range(batches):
        x = rng.standard_normal((n, 1))
        torch = layers.moving_statistics(torch, x, momentum=0.1)
        keras = layers.moving_statistics(keras, x, momentum=0.01, unbiased=False)
        seen.append((torch[1].item(), keras[1].item()))
    mean = np.mean(seen[batches // 10 :], axis=0)
    return float(mean[0]), float(mean[1])


def shaken(model: models.MLP, start: NDArray, eta: float, seed: int, train: Rows, test: Rows) -> float:
    """Share of right answers after 600 updates of SGD at 0.1, batches of 32, with gradient noise that fades.

    Parameters
    ----------
    eta : variance of the first noise, 0 or more. seed : of batches and noise
    train, test : examples and labels, to learn from and to judge by

    >>> X, y = data.digits()
    >>> model = models.MLP([64, 10])
    >>> 0.5 < shaken(model, model.init(), 0.01, 0, (X, y), (X, y)) < 1
    True
    """
    oracle = oracles.noisy(oracles.minibatch(model, *train, size=32, seed=seed), seed, eta=eta)
    return float(model.accuracy(descend(Optimizer(rules.sgd, lr=0.1), oracle, start, 600)[-1], *test))


class Overfitting(NamedTuple):
    """A task on which long training hurts: few examples, some with wrong labels."""

    model: models.MLP
    train: Rows
    validation: Rows
    test: Rows  #: with right labels


def overfitting(seed: int = 0, *, n: int = 200, wrong: float = 0.15) -> Overfitting:
    """The handwritten digits with `n` examples to learn from and `n` to validate, a share of them with random labels.

    Parameters
    ----------
    seed : of the choice and of the labels. n : 1 to 449. wrong : share of labels drawn anew, 0 to 1

    >>> overfitting(n=50).train[0].shape
    (50, 64)
    """
    if not (1 <= n <= 449 and 0 <= wrong <= 1):
        raise ValueError(f"n={n}, wrong={wrong}: allowed are 1 to 449 examples and a share from 0 to 1")
    (X, y), test = data.split(*data.digits(), test=0.5, seed=seed)
    rng = np.random.default_rng([seed, 1])
    y = np.where(rng.random(len(y)) < wrong, rng.integers(10, size=len(y)), y)
    return Overfitting(models.MLP([64, 32, 10]), (X[:n], y[:n]), (X[n : 2 * n], y[n : 2 * n]), test)


def stopped(criterion: Criterion | None, seed: int, *, lr: float = 0.1, every: int = 10, limit: int = 1500) -> NDArray:
    """What a criterion makes of a run on :func:`overfitting`.

    Parameters
    ----------
    criterion : as in `optlib.tricks`; None walks to the limit and keeps the last point
    seed : of the task, the start and the batches
    lr : of SGD with batches of 20. every, limit : updates between evaluations, and at most

    Returns
    -------
    Updates paid for, updates kept, and the share of wrong answers on the test data, of shape (3,).

    >>> from optlib.tricks import Patience
    >>> paid, kept, errors = stopped(Patience(2), seed=0, limit=50)
    >>> bool(kept <= paid <= 50 and 0 < errors < 1)
    True
    """
    model, train, validation, test = overfitting(seed)
    optimizer, batches = Optimizer(rules.sgd, lr=lr), oracles.minibatch(model, *train, size=20, seed=seed)
    start = model.init(seed=seed)
    if criterion is None:
        last = descend(optimizer, batches, start, limit)[-1]
        return np.array([limit, limit, 1 - model.accuracy(last, *test)])
    result = early_stopped(
        run(optimizer, batches, start), lambda theta: model.loss(theta, *validation), criterion,
        training=lambda theta: model.loss(theta, *train), every=every, limit=limit,
    )  # fmt: skip
    return np.array([result.history[-1, 0], result.step, 1 - model.accuracy(result.theta, *test)])


def small_task(batch_norm: bool, dropout: float, seed: int = 0, *, steps: int = 600) -> float:
    """Share of wrong answers on new digits after Adam, with a network that may be normalised and may drop units.

    Parameters
    ----------
    batch_norm, dropout : as in `optlib.models.MLP`, with three hidden layers of 64 units. seed : of everything
    steps : updates with batches of 20 of the 200 digits of :func:`overfitting`, here with right labels

    >>> 0 < small_task(True, 0.0, steps=50) < 1
    True
    """
    _, train, _, test = overfitting(seed, wrong=0.0)
    model = models.MLP([64, 64, 64, 64, 10], batch_norm=batch_norm, dropout=dropout)
    batches = oracles.minibatch(model, *train, size=20, seed=seed)
    theta = descend(Optimizer(rules.adam, lr=0.003), batches, model.init(seed=seed), steps)[-1]
    statistics = model.statistics(theta, train[0]) if batch_norm else None
    return float(1 - model.accuracy(theta, *test, statistics=statistics))


def ridge(X: NDArray, y: NDArray, penalty: ArrayLike) -> NDArray:
    r"""The minimum of :math:`\frac1{2n}\lVert Xw-y\rVert^2+\frac12\sum_i\alpha_iw_i^2`, of shape (d,).

    Parameters
    ----------
    penalty : :math:`\alpha`, 0 or more, a number or one for each coordinate

    >>> ridge(np.eye(2), np.array([2.0, 4.0]), penalty=0.5)
    array([1., 2.])
    """
    n, d = np.shape(X)
    return np.linalg.solve(X.T @ X / n + np.diag(np.broadcast_to(np.asarray(penalty, dtype=float), d)), X.T @ y / n)


class Found(NamedTuple):
    """How well a rare class is found."""

    recall: float  #: share of the rare examples that are called rare
    alarms: float  #: share of the others that are called rare
    auc: float  #: chance that a rare example is given a higher probability than another one


def found(model: models.LogisticRegression, theta: ArrayLike, X: NDArray, y: NDArray) -> Found:
    """How well a model finds the class 1, called so at a probability above 1/2; `auc` needs no such threshold.

    >>> model = models.LogisticRegression()
    >>> found(model, [1.0], np.array([[-3.0], [-1.0], [2.0], [4.0]]), np.array([0, 1, 0, 1]))
    Found(recall=0.5, alarms=0.5, auc=0.75)
    """
    p, rare = model.predict(np.asarray(theta, dtype=float), X), np.asarray(y) == 1
    order = np.empty(len(p))
    order[p.argsort(kind="stable")] = np.arange(len(p))
    auc = (order[rare].mean() - (rare.sum() - 1) / 2) / (~rare).sum()
    return Found(float((p > 0.5)[rare].mean()), float((p > 0.5)[~rare].mean()), float(auc))


def mined(train: Rows, test: Rows, ratio: float, *, seeds: int = 5) -> NDArray:
    """What logistic regression finds when it learns only from the hardest examples of its batches of 64.

    Parameters
    ----------
    train, test : rows and labels 0 and 1. ratio : share of each batch that is kept, in (0, 1]

    Returns
    -------
    Recall, false alarms and AUC after 2,000 updates of SGD at 0.1, of shape (seeds, 3).

    >>> rows = data.imbalanced(200, rare=0.1)
    >>> mined(rows, rows, 1.0, seeds=2).shape
    (2, 3)
    """
    model = models.LogisticRegression()
    ends = []
    for seed in range(seeds):
        oracle = oracles.hard_examples(model, *train, size=64, ratio=ratio, seed=seed)
        ends.append(descend(Optimizer(rules.sgd, lr=0.1), oracle, np.zeros(train[0].shape[1]), 2000)[-1])
    return np.array([found(model, theta, *test) for theta in ends])


class Tuned(NamedTuple):
    """The best of several learning rates, and what it gives."""

    rate: float
    losses: NDArray  #: of each seed at this rate, of shape (seeds,)


def tuned(
    model: models.MLP, train: Rows, test: Rows, *, rule: Callable = rules.sgd, order: oracles.Order = "epoch",
    scheme: Any = None, size: int = 32, epochs: int = 2, seeds: int = 5,
) -> Tuned:  # fmt: skip
    """Short training at nine rates from 0.001 to 10, two to a power of ten, and the rate whose median loss is best.

    Parameters
    ----------
    train, test : examples and labels; the losses are those on `test`
    rule : of the walk. order, size : of the mini-batches. scheme : of the start, as in `MLP.init`
    epochs, seeds : 1 or more

    >>> X, y = data.digits()
    >>> best = tuned(models.MLP([64, 10]), (X[:200], y[:200]), (X[200:400], y[200:400]), epochs=1, seeds=2)
    >>> best.losses.shape
    (2,)
    """
    rates = 10.0 ** np.arange(-3, 1.1, 0.5)
    losses = []
    with np.errstate(over="ignore", invalid="ignore"):  # rates that are too large diverge, and lose
        for seed in range(seeds):
            batches = oracles.minibatch(model, *train, size=size, order=order, seed=seed)
            start = np.tile(model.init(seed=seed, scheme=scheme), (len(rates), 1))
            optimizer = Optimizer(rule, lr=rates[:, None])
            end = descend(optimizer, batches, start, epochs * batches.batches, strict=False)[-1]
            losses.append(model.loss(end, *test))
    found = np.where(np.isfinite(losses), losses, np.inf)
    best = np.median(found, axis=0).argmin()
    return Tuned(float(rates[best]), found[:, best])


def dropped(X: NDArray, y: NDArray, rate: float, *, seed: int = 0) -> Oracle:
    """The gradient of linear regression whose inputs are dropped anew at every step: (theta, t) -> gradient.

    >>> dropped(np.eye(2), np.ones(2), rate=0.0)(np.zeros(2), t=0)
    array([-0.5, -0.5])
    """
    model = models.LinearRegression()
    return lambda theta, t: model.grad(theta, layers.dropout(X, rate, np.random.default_rng([seed, t]))[0], y)


def shrinking(rates: ArrayLike, weights: ArrayLike, predicted: ArrayLike) -> Picture:
    """Weights that were found with dropout, as points, on those that a formula predicts, as lines.

    Parameters
    ----------
    rates : of dropout, of shape (n,)
    weights, predicted : of shape (n, d)
    """
    p, dots, lines = (np.asarray(values, dtype=float) for values in (rates, weights, predicted))
    if dots.shape != lines.shape or dots.shape[:1] != p.shape:
        raise ValueError(f"rates, weights and predictions have shapes {p.shape}, {dots.shape} and {lines.shape}")
    figure, ax = panels(size=(500, 340))
    ring: dict[str, Any] = {"markersize": 7, "markerfacecolor": "none", "markeredgewidth": 1.4, "zorder": 4}
    with house():
        ax.axhline(0, color=GREY, linewidth=1.0)
        for i in range(dots.shape[1]):
            look = look_of("", i)
            ax.plot(p, lines[:, i], color=series(i), linestyle=look.line, label=f"$w_{i + 1}$", zorder=3)
            ax.plot(p, dots[:, i], look.marker, color=series(i), **ring)
        ax.grid(True, axis="y")
    label(ax, "$p$", "$w$")
    legend(ax)
    return picture(figure, f"weights against the rate of dropout: {dots.shape[1]} coordinates")


def filters(curvatures: ArrayLike, curves: Mapping[str, ArrayLike]) -> Picture:
    r"""Shares of the minimum that are reached along each eigenvector, against its curvature.

    Parameters
    ----------
    curvatures : of shape (n,), above 0
    curves : label -> shares of shape (n,), in pairs: the first of each pair is drawn solid, the second dashed
    """
    figure, ax = panels(size=(500, 330))
    with house():
        for i, (name, values) in enumerate(curves.items()):
            style: Any = (0, (4, 2)) if i % 2 else "-"
            ax.plot(curvatures, np.asarray(values, dtype=float), color=series(i // 2), linestyle=style, label=name)
        ax.set(xscale="log", ylim=(-0.03, 1.06))
        ax.grid(True, axis="y")
    label(ax, r"$\lambda$", r"$w_i\,/\,w_i^\star$")
    legend(ax)
    return picture(figure, f"shares of the minimum: {len(curves)} curves")
