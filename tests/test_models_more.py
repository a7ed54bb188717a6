"""Networks, softmax regression, sparse rows, matrix completion, layers, initialisations, and the data for them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import library

from optlib import Optimizer, data, descend, initialise, layers, rules
from optlib.data import SparseRows
from optlib.layers import ACTIVATIONS
from optlib.models import MLP, LinearRegression, LogisticRegression, MatrixCompletion, SoftmaxRegression
from optlib.oracles import central_difference, check_gradient, full_batch, minibatch

RNG = np.random.default_rng(0)
X = RNG.standard_normal((7, 3))
LABELS = np.array([0, 1, 2, 0, 1, 2, 1])
TARGETS = RNG.standard_normal((7, 3))


def network(activation="tanh", batch_norm=False, dropout=0.0, loss="softmax", sizes=(3, 5, 4, 3)):
    return MLP(sizes, activation, batch_norm=batch_norm, dropout=dropout, loss=loss)


def away_from_kinks(model, seed=1):
    """A point whose hidden sums stay clear of 0, where a rectifier has no derivative."""
    for attempt in itertools.count(seed):
        theta = model.init(attempt, scheme="glorot")
        theta += 0.1 * np.random.default_rng(attempt).standard_normal(model.size)
        sums = [np.abs(p.outputs[p.outputs != 0]) for p in model._forward(model.unpack(theta), X)[1][:-1]]
        if all(s.min() > 1e-3 for s in sums):
            return theta
    raise AssertionError


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["softmax", "squared"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_network_passes_the_check(activation, batch_norm, dropout, loss):
    model = network(activation, batch_norm, dropout, loss)
    theta, y = away_from_kinks(model), LABELS if loss == "softmax" else TARGETS
    for mask_seed in (None, 3) if dropout else (None,):
        outcome = check_gradient(
            lambda p, s=mask_seed: model.loss(p, X, y, mask_seed=s),
            lambda p, s=mask_seed: model.grad(p, X, y, mask_seed=s),
            theta,
        )
        assert outcome.ok, outcome


@pytest.mark.parametrize("sizes", [(3, 3), (3, 1, 3), (3, 4, 4, 4, 4, 4, 3)])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_any_depth(sizes, batch_norm):
    model = network("sigmoid", batch_norm, sizes=sizes)
    theta = model.init(2) + 0.3 * np.random.default_rng(2).standard_normal(model.size)
    assert check_gradient(lambda p: model.loss(p, X, LABELS), lambda p: model.grad(p, X, LABELS), theta).ok


PAIRS = np.array([[0, 1], [0, 1], [3, 2], [2, 0], [3, 1]])
OTHERS = {
    "softmax": (SoftmaxRegression(3), 9, X, LABELS),
    "softmax-l2": (SoftmaxRegression(3, l2=0.4), 9, X, LABELS),
    "completion": (MatrixCompletion(4, 3, 2), 14, PAIRS, np.arange(5.0)),
    "completion-l2": (MatrixCompletion(4, 3, 2, l2=0.3), 14, PAIRS, np.arange(5.0)),
    "network": (network(), 59, X, LABELS),
    "network-bn": (network(batch_norm=True), 68, X, LABELS),
    "one-output": (network(sizes=(3, 4, 1), loss="squared"), 21, X, TARGETS[:, 0]),
}
every_other = pytest.mark.parametrize(("model", "size", "rows", "y"), OTHERS.values(), ids=OTHERS.keys())


@every_other
def test_the_others_pass_the_check(model, size, rows, y):
    for theta in np.random.default_rng(3).standard_normal((3, size)):
        assert check_gradient(lambda p: model.loss(p, rows, y), lambda p: model.grad(p, rows, y), theta).ok


@every_other
def test_many_copies_equal_a_loop(model, size, rows, y):
    many = np.random.default_rng(4).standard_normal((2, 3, size))
    loss, losses, grad, predicted = (
        model.loss(many, rows, y), model.losses(many, rows, y), model.grad(many, rows, y), model.predict(many, rows)
    )  # fmt: skip
    assert loss.shape == (2, 3)
    assert losses.shape == (2, 3, len(rows))
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(loss[i], model.loss(many[i], rows, y), rtol=1e-12)
        np.testing.assert_allclose(grad[i], model.grad(many[i], rows, y), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(predicted[i], model.predict(many[i], rows), rtol=1e-10, atol=1e-12)


def test_copies_with_dropout_see_the_same_mask():
    model = network(dropout=0.5)
    many = np.stack([model.init(1), model.init(2)])
    both = model.grad(many, X, LABELS, mask_seed=5)
    for i in range(2):
        np.testing.assert_allclose(both[i], model.grad(many[i], X, LABELS, mask_seed=5), rtol=1e-11, atol=1e-14)


@every_other
def test_the_loss_is_the_mean_of_the_losses(model, size, rows, y):
    theta = np.random.default_rng(5).standard_normal(size)
    penalty = 0.5 * getattr(model, "l2", 0.0) * theta @ theta
    assert model.loss(theta, rows, y) == pytest.approx(model.losses(theta, rows, y).mean() + penalty, rel=1e-14)
    if not getattr(model, "batch_norm", False):
        one = [model.loss(theta, rows[i : i + 1], y[i : i + 1]) - penalty for i in range(len(rows))]
        np.testing.assert_allclose(model.losses(theta, rows, y), one, rtol=1e-11, atol=1e-13)
        doubled = model.grad(theta, np.concatenate([rows, rows]), np.concatenate([y, y]))
        np.testing.assert_allclose(doubled, model.grad(theta, rows, y), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("model", [LinearRegression(), LogisticRegression(), LogisticRegression(0.3)])
def test_losses_of_the_linear_models(model):
    y = (LABELS > 0).astype(float)
    many = np.random.default_rng(1).standard_normal((4, 3))
    losses = model.losses(many, X, y)
    assert losses.shape == (4, 7)
    penalty = 0.5 * getattr(model, "l2", 0.0) * (many**2).sum(axis=-1)
    np.testing.assert_allclose(losses.mean(axis=-1) + penalty, model.loss(many, X, y), rtol=1e-14)


# --- what is known in closed form -----------------------------------------------------------------


def test_softmax_of_two_classes_is_logistic_regression():
    rows, labels = data.two_classes(30, seed=1)
    w = np.array([0.3, -0.5, 0.8])
    both = np.column_stack([np.zeros(3), w]).ravel()
    assert SoftmaxRegression(2).loss(both, rows, labels) == pytest.approx(LogisticRegression().loss(w, rows, labels))
    np.testing.assert_allclose(
        SoftmaxRegression(2).grad(both, rows, labels).reshape(3, 2)[:, 1], LogisticRegression().grad(w, rows, labels)
    )
    np.testing.assert_allclose(
        SoftmaxRegression(2).predict(both, rows)[:, 1], LogisticRegression().predict(w, rows), rtol=1e-13
    )


def test_a_network_without_hidden_layers_is_softmax_regression():
    model, plain = network(sizes=(3, 3)), SoftmaxRegression(3)
    theta = np.random.default_rng(2).standard_normal(12)
    layer = model.unpack(theta)[0]
    extended = np.column_stack([X, np.ones(7)])
    whole = np.vstack([layer.W, layer.b]).ravel()
    assert np.array_equal(whole, theta)  # W first, then b
    assert model.loss(theta, X, LABELS) == pytest.approx(plain.loss(whole, extended, LABELS), rel=1e-14)
    np.testing.assert_allclose(
        model.grad(theta, X, LABELS), plain.grad(whole, extended, LABELS), rtol=1e-12, atol=1e-15
    )
    assert model.accuracy(theta, X, LABELS) == plain.accuracy(whole, extended, LABELS)


def test_the_origin_of_a_linear_network_is_a_saddle():
    """Without its biases, which stay at zero."""
    model = network("identity", loss="squared", sizes=(2, 2, 2))
    rows = np.eye(2)
    origin = np.zeros(model.size)
    weights = [i for i in range(model.size) if i not in (4, 5, 10, 11)]
    assert not model.grad(origin, rows, rows)[weights].any()
    slopes = [central_difference(lambda p, i=i: model.grad(p, rows, rows)[i], origin)[weights] for i in weights]
    hessian = np.array(slopes)
    spectrum = np.linalg.eigvalsh((hessian + hessian.T) / 2)
    np.testing.assert_allclose(spectrum, [-0.5] * 4 + [0.5] * 4, atol=1e-9)


def test_matrix_completion_finds_a_matrix_of_rank_one():
    rows, y = data.low_rank(12, 10, rank=1, observed=0.7, seed=1)
    model = MatrixCompletion(12, 10, rank=1)
    start = model.init(0, scale=0.5)
    path = descend(Optimizer(rules.adam, lr=0.05), full_batch(model, rows, y), start, 800)
    assert model.loss(path[-1], rows, y) < 1e-8
    whole, targets = data.low_rank(12, 10, rank=1, observed=1.0, seed=1)
    np.testing.assert_allclose(model.matrix(path[-1]).ravel(), targets, atol=1e-2)
    np.testing.assert_allclose(model.predict(path[-1], whole), targets, atol=1e-2)


def test_gradients_of_matrix_completion_are_sparse():
    model = MatrixCompletion(50, 40, 3)
    g = model.grad(model.init(0), np.array([[7, 9]]), np.array([1.0]))
    U, V = model.unpack(g)
    assert np.flatnonzero(U.any(axis=1)).tolist() == [7]
    assert np.flatnonzero(V.any(axis=1)).tolist() == [9]


@pytest.mark.parametrize("size", [1e3, 1e300])
def test_large_logits_do_not_overflow(size):
    z = np.array([[size, 0.0, -size]])
    with np.errstate(all="raise", under="ignore"):
        assert layers.cross_entropy(z, [0])[0] == 0.0
        assert layers.cross_entropy(z, [2])[0] == pytest.approx(2 * size)
        np.testing.assert_allclose(layers.cross_entropy_gradient(z, [2]), [[1.0, 0.0, -1.0]], atol=1e-300)
        np.testing.assert_allclose(layers.softmax(z), [[1.0, 0.0, 0.0]], atol=1e-300)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    z = np.array([-800.0, -3.0, -0.5, 0.25, 2.0, 800.0])
    expected = {
        "relu": np.maximum(z, 0), "tanh": np.tanh(z), "sigmoid": np.exp(-np.logaddexp(0, -z)),
        "lecun_tanh": 1.7159 * np.tanh(2 * z / 3), "identity": z,
    }[name]  # fmt: skip
    with np.errstate(all="raise", under="ignore"):
        a = ACTIVATIONS[name].apply(z.copy())
    np.testing.assert_allclose(a, expected, rtol=1e-13, atol=1e-16)
    inner = z[1:-1]
    measured = [central_difference(lambda x, i=i: ACTIVATIONS[name].apply(x.copy())[i], inner) for i in range(4)]
    slope = ACTIVATIONS[name].backward(np.ones(4), ACTIVATIONS[name].apply(inner.copy()))
    np.testing.assert_allclose(np.diagonal(measured), slope, atol=1e-9)
    limit = {"sigmoid": 0.25, "lecun_tanh": 1.7159 * 2 / 3}.get(name, 1.0)
    steepest = ACTIVATIONS[name].backward(np.ones(1), ACTIVATIONS[name].apply(np.array([1e-9])))
    assert steepest[0] == pytest.approx(limit)


# --- batch normalisation --------------------------------------------------------------------------

BATCH = 3 * RNG.standard_normal((9, 4)) + [0, 5, -2, 1]
GAMMA, BETA, DY = RNG.standard_normal(4), RNG.standard_normal(4), RNG.standard_normal((9, 4))


@pytest.mark.peers
def test_batch_norm_agrees_with_torch():
    torch = library("torch")
    x, gamma, beta = (torch.tensor(part, requires_grad=True) for part in (BATCH, GAMMA, BETA))
    y = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)
    y.backward(torch.tensor(DY))
    ours, memory = layers.batch_norm(BATCH, GAMMA, BETA)
    for mine, theirs in zip(
        (ours, *layers.batch_norm_backward(DY, memory)), (y.detach(), x.grad, gamma.grad, beta.grad), strict=True
    ):
        scale = max(1.0, np.abs(theirs.numpy()).max())
        assert np.abs(mine - theirs.numpy()).max() <= 2e-15 * scale


@pytest.mark.peers
def test_running_statistics_agree_with_torch():
    torch = library("torch")
    layer = torch.nn.BatchNorm1d(4, dtype=torch.float64)
    running = np.zeros(4), np.ones(4)
    for batch in (BATCH, 2 * BATCH, BATCH[:5]):
        layer(torch.tensor(batch))
        running = layers.moving_statistics(running, batch)
    np.testing.assert_allclose(running[0][0], layer.running_mean.numpy(), rtol=1e-14)
    np.testing.assert_allclose(running[1][0], layer.running_var.numpy(), rtol=1e-14)
    layer.eval()
    ours = layers.batch_norm_inference(BATCH, np.ones(4), np.zeros(4), *running)
    np.testing.assert_allclose(ours, layer(torch.tensor(BATCH)).detach().numpy(), atol=1e-14)


def test_running_variance_is_unbiased_or_not():
    """D10: PyTorch divides by n - 1, Keras by n and weighs the old value with 0.99."""
    start = np.zeros(4), np.ones(4)
    torch, keras = (
        layers.moving_statistics(start, BATCH, momentum=m, unbiased=u)[1][0] for m, u in ((0.1, True), (0.01, False))
    )
    np.testing.assert_allclose(torch, 0.9 + 0.1 * BATCH.var(axis=0, ddof=1))
    np.testing.assert_allclose(keras, 0.99 + 0.01 * BATCH.var(axis=0))


def test_identities_of_batch_norm():
    """D10: no mean, the variance σ²/(σ² + ε), a gradient that sums to 0, and no care for the scale of the weights."""
    normal, memory = layers.batch_norm(BATCH, np.ones(4), np.zeros(4), eps=0.1)
    assert np.abs(normal.mean(axis=0)).max() < 1e-15
    variance = BATCH.var(axis=0)
    np.testing.assert_allclose(normal.var(axis=0), variance / (variance + 0.1), rtol=1e-14)
    dx, dgamma, dbeta = layers.batch_norm_backward(DY, memory)
    assert np.abs(dx.sum(axis=0)).max() < 1e-14
    np.testing.assert_allclose(dgamma, (DY * normal).sum(axis=0), rtol=1e-14)
    np.testing.assert_allclose(dbeta, DY.sum(axis=0), rtol=1e-14)
    along = (dx * (BATCH - BATCH.mean(axis=0))).sum(axis=0)  # orthogonal to the batch, up to eps
    np.testing.assert_allclose(along, dgamma * 0.1 / (variance + 0.1), rtol=1e-11)
    scaled = layers.batch_norm(7 * BATCH, GAMMA, BETA, eps=1e-300)[0]
    np.testing.assert_allclose(scaled, layers.batch_norm(BATCH, GAMMA, BETA, eps=1e-300)[0], atol=2e-15)


def test_the_scale_of_weights_before_batch_norm_does_not_matter():
    """BN(aWu) = BN(Wu): the loss stays, and the gradient shrinks as the weights grow."""
    model = MLP([3, 5, 3], "tanh", batch_norm=True, eps=1e-300)
    theta = model.init(1)
    larger = theta.copy()
    model.unpack(larger)[0].W[...] *= 10
    assert model.loss(larger, X, LABELS) == pytest.approx(model.loss(theta, X, LABELS), rel=1e-13)
    small, large = (model.unpack(model.grad(p, X, LABELS))[0].W for p in (theta, larger))
    np.testing.assert_allclose(10 * large, small, atol=1e-13)
    # so W is orthogonal to its own gradient, column by column
    assert np.abs((small * model.unpack(theta)[0].W).sum(axis=0)).max() < 1e-14


def test_statistics_make_training_and_inference_agree():
    """With the statistics of a batch, only n against n - 1 stands between the two."""
    model = network(batch_norm=True, dropout=0.3, sizes=(3, 5, 3))
    theta = away_from_kinks(model)
    ((mean, variance),) = model.statistics(theta, X)
    sums = X @ model.unpack(theta)[0].W
    np.testing.assert_allclose(mean[0], sums.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance[0], sums.var(axis=0, ddof=1), rtol=1e-12)
    biased = [(mean, variance * 6 / 7)]
    np.testing.assert_allclose(model.predict(theta, X, statistics=biased), model.predict(theta, X), rtol=1e-12)
    alone = np.vstack([model.predict(theta, X[i : i + 1], statistics=biased) for i in range(7)])
    np.testing.assert_allclose(alone, model.predict(theta, X), rtol=1e-12)
    assert model.accuracy(theta, X, LABELS, statistics=biased) == model.accuracy(theta, X, LABELS)
    assert model.loss(theta, X, LABELS, statistics=biased) == pytest.approx(model.loss(theta, X, LABELS), rel=1e-13)


def test_statistics_over_batches():
    model = network(batch_norm=True)
    theta = model.init(3)
    one, two = model.statistics(theta, X[:3]), model.statistics(theta, X[3:6])
    both = model.statistics(theta, X, batch_size=3)  # the seventh row is left out
    assert len(both) == 2
    for layer in range(2):
        for part in range(2):
            np.testing.assert_allclose(both[layer][part], (one[layer][part] + two[layer][part]) / 2, rtol=1e-13)
    assert network().statistics(network().init(), X) == []


def test_batch_norm_of_copies():
    many = np.stack([BATCH, 2 * BATCH + 1])
    y, memory = layers.batch_norm(many, np.stack([GAMMA, BETA]), np.stack([BETA, GAMMA]))
    back = layers.batch_norm_backward(np.stack([DY, DY]), memory)
    for i, (x, gamma, beta) in enumerate(((BATCH, GAMMA, BETA), (2 * BATCH + 1, BETA, GAMMA))):
        alone, kept = layers.batch_norm(x, gamma, beta)
        np.testing.assert_allclose(y[i], alone, atol=1e-14)
        for part, single in zip(back, layers.batch_norm_backward(DY, kept), strict=True):
            np.testing.assert_allclose(part[i], single, atol=1e-13)


# --- dropout --------------------------------------------------------------------------------------


def test_dropout_is_ridge():
    """D9: the mean over all masks of a linear model's squared error is that without, plus a ridge."""
    rng, keep = np.random.default_rng(1), 0.7
    rows, y, w = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(3)
    expected = ((y - rows @ w) ** 2).sum() + (1 - keep) / keep * (w**2 * (rows**2).sum(axis=0)).sum()
    mean = 0.0
    for bits in itertools.product([0, 1], repeat=9):
        mask = np.reshape(bits, (3, 3)) / keep
        mean += keep ** sum(bits) * (1 - keep) ** (9 - sum(bits)) * ((y - (mask * rows) @ w) ** 2).sum()
    assert mean == pytest.approx(expected, rel=1e-12)
    # and the masks that are drawn have that mean, within 3.5 standard errors
    errors = ((y - layers.dropout(np.broadcast_to(rows, (20_000, 3, 3)), 1 - keep, rng=2)[0] @ w) ** 2).sum(axis=-1)
    assert abs(errors.mean() - expected) < 3.5 * errors.std() / math.sqrt(20_000)


@settings(max_examples=20, deadline=None)
@given(rate=st.floats(0, 0.95), seed=st.integers(0, 99))
def test_dropout_keeps_the_mean(rate, seed):
    y, mask = layers.dropout(np.full(40_000, 3.0), rate, seed)
    keep = 1 - rate
    assert set(np.unique(mask)) <= {0.0, 1 / keep}
    assert np.array_equal(y, 3 * mask)
    assert abs(mask.mean() - 1) <= 5 * math.sqrt(rate / keep / 40_000) + 1e-6
    assert np.array_equal(layers.dropout(np.full(40_000, 3.0), rate, seed)[1], mask)


def test_the_mean_over_masks_is_a_network_without_dropout():
    """Exact for a linear network; and without a mask_seed nothing is dropped."""
    model, plain = (network("identity", dropout=p, loss="squared", sizes=(3, 40, 3)) for p in (0.5, 0.0))
    theta = model.init(1)
    outputs = np.array([model.predict(theta, X, mask_seed=s) for s in range(4000)])
    error = outputs.std(axis=0) / math.sqrt(4000)
    assert np.all(np.abs(outputs.mean(axis=0) - plain.predict(theta, X)) < 4.5 * error)
    assert np.array_equal(model.predict(theta, X), plain.predict(theta, X))
    assert np.array_equal(model.grad(theta, X, TARGETS), plain.grad(theta, X, TARGETS))
    assert np.array_equal(plain.grad(theta, X, TARGETS, mask_seed=1), plain.grad(theta, X, TARGETS))


# --- initialisations ------------------------------------------------------------------------------

VARIANCES = {"lecun": 1 / 300, "glorot": 2 / 500, "he": 2 / 300}


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("name", VARIANCES)
def test_variances(name, distribution):
    weights = initialise.SCHEMES[name]((300, 200), np.random.default_rng(1), distribution)
    assert weights.var() == pytest.approx(VARIANCES[name], rel=0.03)
    assert abs(weights.mean()) < 4 * math.sqrt(VARIANCES[name] / weights.size)
    bound = math.sqrt(3 * VARIANCES[name])
    assert (np.abs(weights).max() <= bound) == (distribution == "uniform")


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 1)])
def test_orthogonal(shape):
    W = initialise.orthogonal(shape, np.random.default_rng(2), gain=2.0)
    assert W.shape == shape
    product = W.T @ W if shape[0] >= shape[1] else W @ W.T
    np.testing.assert_allclose(product, 4 * np.eye(min(shape)), atol=1e-14)


def test_orthogonal_is_uniform():
    """Each entry of the rotations has mean 0: without the sign of QR's diagonal they would not."""
    draws = np.array([initialise.orthogonal((2, 2), np.random.default_rng(seed)) for seed in range(2000)])
    assert np.abs(draws.mean(axis=0)).max() < 4 * math.sqrt(0.5 / 2000)


def test_signals_keep_their_size_through_many_layers():
    rows = np.random.default_rng(0).standard_normal((100, 200))
    for activation, scheme in (("relu", "he"), ("identity", "lecun"), ("identity", "orthogonal")):
        model = MLP([200] * 21, activation, loss="squared")
        size = (model.predict(model.init(1, scheme=scheme), rows) ** 2).mean()
        assert 0.2 < size < 5
    faded = MLP([200] * 21, "relu", loss="squared")
    assert (faded.predict(faded.init(1, scheme="lecun"), rows) ** 2).mean() < 1e-4


def test_zero_weights_learn_nothing_but_the_last_bias():
    """D19: with all weights 0 each hidden unit is every other, and no gradient reaches the weights."""
    model = network("tanh")
    theta = model.init(scheme="zeros")
    slopes = model.unpack(model.grad(theta, X, LABELS))
    assert all(not s.W.any() for s in slopes)
    assert slopes[-1].b.any()
    path = descend(Optimizer(rules.sgd, lr=0.5), full_batch(model, X, LABELS), theta, 500)
    assert all(not layer.W.any() for layer in model.unpack(path[-1]))
    shares = np.bincount(LABELS) / len(LABELS)
    np.testing.assert_allclose(model.predict(path[-1], X), np.tile(shares, (7, 1)), atol=1e-6)


def test_equal_weights_stay_equal():
    """D19: units that start alike get the same gradient, so they stay alike."""
    model = network("sigmoid", sizes=(3, 4, 3))
    theta = model.init(scheme=lambda shape, rng: np.full(shape, 0.5))
    end = descend(Optimizer(rules.adam, lr=0.1), full_batch(model, X, LABELS), theta, 50)[-1]
    W = model.unpack(end)[0].W
    assert np.abs(W - W[:, :1]).max() < 1e-9 < np.abs(W - 0.5).max()


@pytest.mark.parametrize("scheme", initialise.SCHEMES)
def test_starts_follow_from_their_seed(scheme):
    model = network(batch_norm=True)
    assert np.array_equal(model.init(1, scheme=scheme), model.init(1, scheme=scheme))
    assert np.array_equal(model.init(1, scheme=scheme), model.init(2, scheme=scheme)) == (scheme == "zeros")
    first = model.unpack(model.init(1, scheme=scheme))[0]
    assert not first.b.any()
    assert np.all(first.gamma == 1)
    assert model.init(1, scheme=scheme, dtype=np.float32).dtype == np.float32


def test_default_schemes_follow_the_activation():
    for activation, scheme in (("relu", "he"), ("lecun_tanh", "lecun"), ("tanh", "glorot"), ("sigmoid", "glorot")):
        assert np.array_equal(network(activation).init(3), network(activation).init(3, scheme=scheme))


# --- networks at work -----------------------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", [False, True])
def test_layer_norms_against_finite_differences(batch_norm):
    model = network(batch_norm=batch_norm)
    theta = away_from_kinks(model)
    measured = model.unpack(central_difference(lambda p: model.loss(p, X, LABELS), theta))
    expected = [math.sqrt(sum((part**2).sum() for part in layer if part is not None)) for layer in measured]
    np.testing.assert_allclose(model.layer_norms(theta, X, LABELS), expected, rtol=1e-6)
    many = np.stack([theta, model.init(5)])
    assert model.layer_norms(many, X, LABELS).shape == (2, 3)
    np.testing.assert_allclose(model.layer_norms(many, X, LABELS)[0], expected, rtol=1e-6)


def test_gradients_vanish_and_explode():
    """D16: a sigmoid passes a quarter at most; large weights in a linear network multiply."""
    chain = MLP([1] * 22, "sigmoid", loss="squared")
    ones = chain.init(scheme=lambda shape, rng: np.ones(shape))
    norms = chain.layer_norms(ones, [[0.0]], [5.0])
    assert norms[0] / norms[-1] < 0.25**20 < norms[1] / norms[-1] * 1e12
    assert np.all(np.diff(norms) > 0)
    linear = MLP([4] * 11, "identity", loss="squared")
    doubled = linear.init(1, scheme=lambda shape, rng: initialise.orthogonal(shape, rng, gain=2.0))
    lengths = linear.layer_norms(doubled, np.eye(4), np.zeros((4, 4)))
    slopes = [np.linalg.norm(layer.W) for layer in linear.unpack(linear.grad(doubled, np.eye(4), np.zeros((4, 4))))]
    np.testing.assert_allclose(slopes, [2.0**19 / 4 * 2] * 10, rtol=1e-12)
    assert lengths[0] >= slopes[0]


def test_parts_are_views_and_fill_theta():
    model = network(batch_norm=True)
    theta = np.zeros(model.size)
    for layer in model.unpack(theta):
        for part in layer:
            if part is not None:
                part += 1
    assert np.array_equal(theta, np.ones(model.size))
    assert [layer.gamma is None for layer in model.unpack(theta)] == [False, False, True]
    assert model.unpack(np.zeros((2, 5, model.size)))[0].W.shape == (2, 5, 3, 5)


def test_a_network_in_single_precision():
    model = network("relu", batch_norm=True, dropout=0.3)
    theta = model.init(1)
    half = theta.astype(np.float32)
    for mask_seed in (None, 4):
        g = model.grad(half, X, LABELS, mask_seed=mask_seed)
        assert g.dtype == np.float32
        np.testing.assert_allclose(g, model.grad(theta, X, LABELS, mask_seed=mask_seed), atol=2e-6)
    assert model.losses(half, X, LABELS).dtype == np.float32


@every_other
def test_whole_numbers_are_points_too(model, size, rows, y):
    """They must not cut the data or the gradient to whole numbers."""
    theta = np.random.default_rng(1).integers(-2, 3, size)
    assert np.array_equal(model.grad(theta, rows, y), model.grad(theta.astype(float), rows, y))
    assert model.loss(theta, rows, y) == model.loss(theta.astype(float), rows, y) == model.loss(list(theta), rows, y)


@every_other
def test_gradients_in_single_precision(model, size, rows, y):
    theta = np.random.default_rng(1).standard_normal(size)
    y = y.astype(np.float32) if y.dtype.kind == "f" else y
    narrow = model.grad(theta.astype(np.float32), rows.astype(np.float32), y)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, model.grad(theta, rows, y), rtol=1e-4, atol=1e-5)


def test_nothing_that_is_given_is_changed():
    model = network("relu", batch_norm=True, dropout=0.3)
    theta, rows, y = model.init(1), X.copy(), LABELS.copy()
    before = theta.copy()
    model.grad(theta, rows, y, mask_seed=1)
    model.predict(theta, rows)
    MLP([3, 3], "identity", loss="squared").grad(np.ones(12), rows, rows)
    assert np.array_equal(theta, before)
    assert np.array_equal(rows, X)
    assert np.array_equal(y, LABELS)


def test_networks_learn():
    (rows, labels), (test_rows, test_labels) = data.split(*data.digits(), seed=0)
    model = MLP([64, 64, 10])
    theta = model.init(0)
    oracle = minibatch(model, rows, labels, batch_size=32)
    end = descend(Optimizer(rules.adam, lr=0.003), oracle, theta, 10 * oracle.batches)[-1]
    assert model.accuracy(theta, test_rows, test_labels) < 0.3
    assert model.accuracy(end, test_rows, test_labels) > 0.95
    normed = MLP([2, 32, 32, 2], batch_norm=True)
    points, arms = data.spirals(200, noise=0.02, seed=1)
    end = descend(Optimizer(rules.adam, lr=0.02), full_batch(normed, points, arms), normed.init(1), 300)[-1]
    assert normed.accuracy(end, points, arms, statistics=normed.statistics(end, points)) > 0.97
    plain = SoftmaxRegression(2)  # which no line can part
    end = descend(Optimizer(rules.adam, lr=0.1), full_batch(plain, points, arms), np.zeros(4), 300)[-1]
    assert plain.accuracy(end, points, arms) < 0.75


@pytest.mark.peers
def test_torch_agrees_with_a_network():
    torch = library("torch")
    for activation, theirs in (("relu", torch.relu), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid)):
        for batch_norm in (False, True):
            model = network(activation, batch_norm)
            theta = away_from_kinks(model)
            p = torch.tensor(theta, requires_grad=True)
            h, start = torch.tensor(X), 0
            for i, part in enumerate(model.unpack(theta)):
                W, b, *gamma = (
                    p[start + a : start + a + piece.size].reshape(piece.shape)
                    for a, piece in zip(
                        np.cumsum([0, part.W.size, part.b.size]), [q for q in part if q is not None], strict=False
                    )
                )
                start += sum(q.size for q in part if q is not None)
                h = h @ W
                h = torch.nn.functional.batch_norm(h, None, None, *gamma, b, training=True) if gamma else h + b
                h = theirs(h) if i < 2 else h
            loss = torch.nn.functional.cross_entropy(h, torch.tensor(LABELS))
            loss.backward()
            assert model.loss(theta, X, LABELS) == pytest.approx(loss.item(), rel=1e-14)
            np.testing.assert_allclose(model.grad(theta, X, LABELS), p.grad.numpy(), rtol=1e-11, atol=1e-14)


# --- sparse rows ----------------------------------------------------------------------------------


@st.composite
def tables(draw):
    n, d = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    return rng.standard_normal((n, d)) * (rng.random((n, d)) < draw(st.floats(0, 1)))


@settings(max_examples=60, deadline=None)
@given(table=tables(), lead=st.sampled_from([(), (3,), (2, 2)]), seed=st.integers(0, 99))
def test_sparse_equals_dense(table, lead, seed):
    rng = np.random.default_rng(seed)
    sparse = SparseRows.from_dense(table)
    assert np.array_equal(sparse.dense(), table)
    n, d = table.shape
    theta, r = rng.standard_normal((*lead, d)), rng.standard_normal((*lead, n))
    np.testing.assert_allclose(theta @ sparse.T, theta @ table.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(r @ sparse, r @ table, rtol=1e-12, atol=1e-14)
    for rows in (slice(1, None), rng.integers(n, size=5), rng.random(n) < 0.5, [n - 1, 0]):
        assert np.array_equal(sparse[rows].dense(), table[rows])
    labels, weights = rng.integers(2, size=n), rng.standard_normal((*lead, 3 * d))
    many = rng.integers(3, size=n)
    for model, p, y in (
        (LinearRegression(), theta, labels), (LogisticRegression(0.1), theta, labels),
        (SoftmaxRegression(3, 0.1), weights, many),
    ):  # fmt: skip
        for use in (model.loss, model.losses, model.grad):
            np.testing.assert_allclose(use(p, sparse, y), use(p, table, y), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(model.predict(p, sparse), model.predict(p, table), rtol=1e-11, atol=1e-12)


def test_sparse_rows_learn_as_dense_ones_do():
    words, labels = data.zipf(100, d=300, seed=3)
    start = np.zeros(300)
    ends = [
        descend(
            Optimizer(rules.adagrad, lr=0.3), minibatch(LogisticRegression(), rows, labels, batch_size=10), start, 60
        )[-1]
        for rows in (words, words.dense())
    ]
    np.testing.assert_allclose(*ends, atol=1e-12)


def test_sparse_gradients_in_single_precision():
    words, labels = data.zipf(20, d=30)
    assert LogisticRegression().grad(np.ones(30, np.float32), words, labels.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([1, 2], [0], [1.0], 3), "indptr=.*: it must start at 0, never fall"),
        (([0, 2, 1], [0], [1.0], 3), "it must start at 0, never fall"),
        (([0, 2], [0], [1.0], 3), r"indptr ends at 2, but there are \(1,\) indices and \(1,\) values"),
        (([0, 1], [3], [1.0], 3), "indices run from 3 to 3; columns=3 allows 0 to 2"),
        (([0, 1], [-1], [1.0], 3), "indices run from -1 to -1; columns=3 allows 0 to 2"),
    ],
)
def test_sparse_parts_that_do_not_fit(parts, message):
    with pytest.raises(ValueError, match=message):
        SparseRows(*parts)


def test_other_mistakes_with_sparse_rows():
    words, labels = data.zipf(20, d=30)
    with pytest.raises(TypeError, match=r"names no list of rows: use X\[2:5\]"):
        words[2]
    with pytest.raises(TypeError, match="not walked row by row"):
        list(words)
    with pytest.raises(ValueError, match=r"the left side has shape \(3,\); its last axis must have length 20"):
        np.ones(3) @ words
    with pytest.raises(ValueError, match="30 columns"):
        LogisticRegression().grad(np.ones(4), words, labels)
    with pytest.raises(TypeError, match=r"a network takes dense examples: give X.dense\(\)"):
        MLP([30, 2]).loss(np.zeros(62), words, labels)


# --- what does not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP([3]), r"sizes=\[3\]: name the inputs, the hidden layers and the outputs"),
        (lambda: MLP([3, 0, 2]), r"a size of the network=0: it must be a whole number, 1 or more"),
        (lambda: MLP([3, 2.5, 2]), r"sizes=.*2.5.*: it must be a sequence, each of it a whole number"),
        (lambda: MLP([3, 1]), r"sizes=\[3, 1\]: the softmax needs two outputs or more; or choose loss='squared'"),
        (lambda: MLP([3, 2], "gelu"), r"activation='gelu' is unknown; allowed are 'relu', 'tanh', 'sigmoid'"),
        (lambda: MLP([3, 2], loss="hinge"), r"loss='hinge' is unknown; allowed are 'softmax', 'squared'"),
        (lambda: MLP([3, 2], dropout=1.0), r"dropout=1.0 is out of range; allowed is \[0, 1\)"),
        (lambda: MLP([3, 2], dropout=-0.1), r"dropout=-0.1 is out of range"),
        (lambda: MLP([3, 2], dropout=np.nan), r"dropout=nan: it must be a number"),
        (lambda: MLP([3, 2], eps=0.0), r"eps=0.0 is out of range; allowed is \(0, inf\)"),
        (lambda: MLP([3, 2]).init(scheme="xavier"), r"scheme='xavier' is unknown; allowed are 'zeros', 'lecun'"),
        (lambda: SoftmaxRegression(1), r"classes=1: it must be a whole number, 2 or more"),
        (lambda: SoftmaxRegression(3, l2=-1.0), r"l2=-1.0 is out of range; allowed is \[0, inf\)"),
        (lambda: MatrixCompletion(3, 2, 0), r"rank=0: it must be a whole number, 1 or more"),
        (lambda: initialise.he((3,), np.random.default_rng()), r"shape=\(3,\): weights have the shape"),
        (lambda: initialise.he((3, 2), np.random.default_rng(), "cauchy"), r"distribution='cauchy' is unknown"),
        (lambda: layers.batch_norm([[1.0]], [1.0], [0.0]), r"shape \(1, 1\): it needs .* at least two examples"),
        (lambda: layers.dropout([1.0], 1.0, 0), r"rate=1.0 is out of range"),
        (lambda: layers.moving_statistics((0.0, 1.0), BATCH, momentum=1.5), r"momentum=1.5 is out of range"),
    ],
)  # fmt: skip
def test_what_cannot_be_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


NET, NORMED, ZERO = network(), network(batch_norm=True), np.zeros(59)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: NET.grad(np.zeros(5), X, LABELS), r"theta has shape \(5,\), but the network 3-5-4-3 has 59"),
        (lambda: NET.unpack(1.0), r"theta has shape \(\), but the network 3-5-4-3 has 59 parameters"),
        (lambda: NET.loss(ZERO, X[:, :2], LABELS), r"X has shape \(7, 2\), but the network has 3 inputs: \(n, 3\)"),
        (lambda: NET.loss(ZERO, X[:0], LABELS[:0]), r"the data set is empty: X has shape \(0, 3\)"),
        (lambda: NET.loss(ZERO, X, LABELS[:3]), r"y has shape \(3,\), but z, of shape .* has 7 examples"),
        (lambda: NET.loss(ZERO, X, LABELS[:, None]), r"y has shape \(7, 1\), but z, of shape .* has 7 examples"),
        (lambda: NET.grad(ZERO, X, LABELS + 1), r"the labels run from 1 to 3; with 3 classes allowed are .* 0 to 2"),
        (lambda: NET.grad(ZERO, X, LABELS - 1), r"the labels run from -1 to 1; with 3 classes"),
        (lambda: NET.grad(ZERO, X, LABELS + 0.5), r"y holds float64 values that are no labels: give whole numbers"),
        (lambda: NET.grad(ZERO, X, np.full(7, np.nan)), r"y holds float64 values that are no labels"),
        (lambda: NET.loss(ZERO, X, LABELS, statistics=[(0, 1)]), r"statistics of 1 layers, but this network"),
        (lambda: network(loss="squared").loss(ZERO, X, LABELS), r"y has shape \(7,\), but 7 examples and 3 outputs"),
        (lambda: NORMED.grad(np.zeros(68), X[:1], LABELS[:1]), r"a batch size that leaves no remainder"),
        (lambda: NORMED.statistics(np.zeros(68), X, batch_size=8), r"batch_size=8: X has only 7 rows"),
        (lambda: NORMED.statistics(np.zeros(68), X, batch_size=1), r"batch_size=1: it must be a whole number, 2 or"),
        (lambda: SoftmaxRegression(3).grad(np.zeros(8), X, LABELS), r"theta has shape \(8,\), but 3 columns and 3"),
        (lambda: SoftmaxRegression(3).grad(np.zeros(9), X[:0], LABELS[:0]), r"the data set is empty"),
        (lambda: SoftmaxRegression(3).loss(np.zeros(9), X, LABELS[:2]), r"y has shape \(2,\), but X has 7 rows"),
        (lambda: MatrixCompletion(4, 3, 1).grad(np.zeros(6), PAIRS, np.ones(5)), r"U and V have 7 entries together"),
        (lambda: MatrixCompletion(4, 3, 1).grad(np.zeros(7), PAIRS[:, :1], np.ones(5)), r"a pair \(row, column\)"),
        (lambda: MatrixCompletion(2, 3, 1).grad(np.zeros(5), PAIRS, np.ones(5)), r"row 2 of X is \[3, 2\]: .*\(2, 3\)"),
        (lambda: MatrixCompletion(4, 3, 1).grad(np.zeros(7), PAIRS + 0.5, np.ones(5)), r"row 0 of X is \[0.5, 1.5\]"),
        (lambda: MatrixCompletion(4, 3, 1).grad(np.zeros(7), PAIRS, np.ones(4)), r"y has shape \(4,\), but X has 5"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(use, message):
    with pytest.raises(ValueError, match=message):
        use()


def test_accuracy_needs_classes():
    model = network(loss="squared")
    with pytest.raises(TypeError, match="accuracy counts right classes, but this network has loss='squared'"):
        model.accuracy(ZERO, X, TARGETS)


# --- the data sets --------------------------------------------------------------------------------


def test_digits_are_the_ones_of_the_repository():
    rows, labels = data.digits()
    assert rows.shape == (1797, 64)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (rows.min(), rows.max()) == (0.0, 1.0)
    sklearn = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed: it is the peer here")
    theirs = sklearn.load_digits()
    assert np.array_equal(16 * rows, theirs.data)
    assert np.array_equal(labels, theirs.target)


@pytest.mark.parametrize(
    "make",
    [data.imbalanced, data.spirals, lambda n, seed=0: data.adding_digits([2] * n, places=3, seed=seed),
     lambda n, seed=0: data.low_rank(n, 8, rank=min(n, 2), observed=1 / 8, seed=seed)],
    ids=["imbalanced", "spirals", "adding_digits", "low_rank"],
)  # fmt: skip
def test_data_follow_from_their_seed(make):
    one, same, other = make(30, seed=1), make(30, seed=1), make(30, seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert len(one[0]) == len(one[1]) == 30
    with pytest.raises(ValueError, match=r"=0: it must be a whole number, 1 or more|digits=.*places=3"):
        make(0)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 60), test=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_a_split_loses_and_doubles_nothing(n, test, seed):
    numbers = np.arange(n)
    (X, y), (X_test, y_test) = data.split(numbers[:, None], numbers, test=test, seed=seed)
    assert sorted([*y, *y_test]) == numbers.tolist()
    assert np.array_equal(X[:, 0], y)
    assert np.array_equal(X_test[:, 0], y_test)
    assert len(y_test) == min(n - 1, max(1, round(test * n)))
    (sparse, _), (sparse_test, _) = data.split(SparseRows.from_dense(numbers[:, None]), numbers, test=test, seed=seed)
    assert np.array_equal(sparse.dense(), X)
    assert np.array_equal(sparse_test.dense(), X_test)


def test_adding_digits_adds():
    difficulty = np.arange(300) % 4 + 1
    rows, sums = data.adding_digits(difficulty, places=4, seed=2)
    shown = rows.reshape(300, 2, 4, 10)
    assert np.array_equal(shown.sum(axis=(1, 2, 3)), 2 * difficulty)
    numbers = (shown.argmax(axis=-1) * 10 ** np.arange(4)).sum(axis=-1)
    np.testing.assert_allclose(numbers.sum(axis=1) / 1e4, sums, rtol=1e-15)
    lengths = [[len(str(v)) for v in pair] for pair in numbers]
    assert np.array_equal(lengths, np.column_stack([difficulty, difficulty]))


def test_other_data_are_what_they_say():
    rows, labels = data.imbalanced(5000, rare=0.03, distance=4.0, seed=1)
    assert labels.sum() == 150
    centres = [rows[labels == k, 1:].mean(axis=0) for k in (0, 1)]
    assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(4.0, abs=0.3)
    pairs, values = data.low_rank(9, 7, rank=2, observed=1.0, seed=1)
    table = np.zeros((9, 7))
    table[tuple(pairs.T)] = values
    assert np.linalg.matrix_rank(table) == 2
    assert len(data.low_rank(9, 7, observed=0.5, seed=1)[1]) == round(0.5 * 63)
    words, classes = data.zipf(2000, d=500, classes=3, seed=1)
    counts = words.dense().sum(axis=0)
    assert counts[0] > 2 * counts[5] > 4 * counts[100]
    assert set(classes) <= {0, 1, 2}
    assert np.all(words.values == 1)
    points, arms = data.spirals(400, noise=0.0, seed=1)
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    turn = angle - 2 * np.pi * 1.5 * radius - np.pi * arms
    np.testing.assert_allclose(np.cos(turn), 1.0, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.imbalanced(rare=0.6), r"rare=0.6 is out of range; allowed is \(0, 0.5\]"),
        (lambda: data.low_rank(observed=0.0), r"observed=0.0 is out of range; allowed is \(0, 1\]"),
        (lambda: data.adding_digits([1, 4], places=3), r"each difficulty must be a whole number from 1 to places=3"),
        (lambda: data.spirals(turns=0.0), r"turns=0.0 is out of range"),
        (lambda: data.split(X, LABELS, test=1.0), r"test=1.0 is out of range; allowed is \(0, 1\)"),
        (lambda: data.split(X[:1], LABELS[:1]), r"X has shape \(1, 3\) and y \(1,\): a split needs two rows or more"),
        (lambda: data.split(X, LABELS[:3]), r"X has shape \(7, 3\) and y \(3,\)"),
    ],
)
def test_data_that_cannot_be_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()
