"""How long an epoch of a small network takes: 64-64-10 on the digits, batches of 32, Adam, side by side with peers.

    python benchmarks/bench_mlp.py              # about a minute
    python benchmarks/bench_mlp.py --quick      # fewer repeats
    python benchmarks/bench_mlp.py --json FILE --write

Ours is measured three times: through `run`, which NumPy alone does; with the update fused by `optlib.compile.kernel`;
and with the whole epoch compiled by `optlib.compile.train`, which is what the bars are for. PyTorch runs the loop that
everybody writes; JAX scans a jitted epoch, compiled before it is timed. All see the same batches from the same start,
which is checked in float64: after an epoch the parameters are equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
from bench_engines import Row, asked, has, race, report, row

from optlib import Optimizer, compile, data, models, oracles, rules, run

SIZE, RATE = 32, 1e-3
MODEL = models.MLP([64, 64, 10])
COMPILED = "compiled epoch"
Epoch = Callable[[], Any]


def with_run(dtype: str) -> Epoch:
    """An epoch as one writes it, checked at every step."""
    batches = oracles.minibatch(MODEL, *data.digits(), size=SIZE, order="once", seed=0)
    optimizer, start = Optimizer(rules.adam, lr=RATE), MODEL.init(seed=0, dtype=dtype)

    def epoch() -> np.ndarray:
        *_, (theta, _) = islice(run(optimizer, batches, start), batches.batches)
        return theta

    return epoch


def with_kernel(dtype: str) -> Epoch:
    """An epoch whose updates are one compiled pass over the parameters."""
    batches = oracles.minibatch(MODEL, *data.digits(), size=SIZE, order="once", seed=0)
    optimizer, start = Optimizer(rules.adam, lr=RATE), MODEL.init(seed=0, dtype=dtype)
    step = compile.kernel(optimizer, dtype=dtype, exact=False)

    def epoch() -> np.ndarray:
        theta, state = start.copy(), optimizer.init(start)
        for t in range(batches.batches):
            step(theta, batches(theta, t), state)
        return theta

    return epoch


def with_train(dtype: str) -> Epoch:
    """An epoch that is one compiled loop, checked at every step."""
    batches = oracles.minibatch(MODEL, *data.digits(), size=SIZE, order="once", seed=0)
    optimizer, start = Optimizer(rules.adam, lr=RATE), MODEL.init(seed=0, dtype=dtype)
    return lambda: compile.train(optimizer, batches, start, batches.batches)[0]


def shuffled(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """The data in the order of our batches."""
    X, y = data.digits()
    batches = oracles.minibatch(MODEL, X, y, size=SIZE, order="once", seed=0)
    order = np.concatenate([batches.indices(t) for t in range(batches.batches)])
    return X[order].astype(dtype), y[order]


def flat(parameters: list[Any]) -> np.ndarray:
    return np.concatenate([np.asarray(p).ravel() for p in parameters])


def torch_loop(dtype: str) -> tuple[Epoch, Callable[[Any], np.ndarray]]:
    """The loop that everybody writes: zero_grad, loss, backward, step."""
    import torch
    from torch.nn import functional

    X, y = (torch.from_numpy(array) for array in shuffled(dtype))
    layers = MODEL.unpack(MODEL.init(seed=0, dtype=dtype))
    start = [torch.from_numpy(p.T.copy()) for layer in layers for p in layer[:2]]  # its weights are turned
    net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)).to(X.dtype)

    def epoch() -> Any:
        with torch.no_grad():
            for p, value in zip(net.parameters(), start, strict=True):
                p.copy_(value)
        optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
        for i in range(0, len(X), SIZE):
            optimizer.zero_grad()
            functional.cross_entropy(net(X[i : i + SIZE]), y[i : i + SIZE]).backward()
            optimizer.step()
        return net

    return epoch, lambda net: flat([p.detach().numpy().T for p in net.parameters()])


def jax_scan(dtype: str) -> tuple[Epoch, Callable[[Any], np.ndarray]]:
    """A jitted scan over the full batches, and a step with the smaller last one."""
    import jax
    import jax.numpy as jnp
    import optax

    jax.config.update("jax_enable_x64", True)
    X, y = shuffled(dtype)
    full = len(X) // SIZE * SIZE
    many = jnp.asarray(X[:full].reshape(-1, SIZE, 64)), jnp.asarray(y[:full].reshape(-1, SIZE))
    last = jnp.asarray(X[full:]), jnp.asarray(y[full:])
    start = [jnp.asarray(p) for layer in MODEL.unpack(MODEL.init(seed=0, dtype=dtype)) for p in layer[:2]]
    optimizer = optax.adam(RATE)

    def loss(parameters, X, y):
        W1, b1, W2, b2 = parameters
        outputs = jax.nn.relu(X @ W1 + b1) @ W2 + b2
        return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()

    def step(carry, batch):
        parameters, state = carry
        update, state = optimizer.update(jax.grad(loss)(parameters, *batch), state, parameters)
        return (optax.apply_updates(parameters, update), state), None

    @jax.jit
    def epoch(parameters, many, last):
        carry = jax.lax.scan(step, (parameters, optimizer.init(parameters)), many)[0]
        return step(carry, last)[0][0]

    return lambda: jax.block_until_ready(epoch(start, many, last)), flat


def epochs(dtype: str, repeats: int) -> list[Row]:
    rows, works = [], {"NumPy": with_run(dtype)}
    if compile.available():
        works |= {"fused update": with_kernel(dtype), COMPILED: with_train(dtype)}
    peers = (("torch loop", ("torch",), torch_loop, 10.0), ("jax, scanned epoch", ("jax", "optax"), jax_scan, 0.9))
    for peer, needs, make, bar in peers:
        if not has(*needs):
            continue
        other, theirs = make(dtype)
        for name, work in works.items():
            # in float32 rounding decides, since Adam's first steps have the rate's size whatever the gradient's
            if dtype == "float64":
                np.testing.assert_allclose(work(), theirs(other()), rtol=0, atol=1e-9)
            ratios, median = race(work, other, repeats)
            job = f"an epoch of a network 64-64-10 on the digits, batch {SIZE}, Adam, {dtype}, ours with {name}"
            rows.append(row(job, peer, ratios, bar if name == COMPILED else None, f"{median * 1e3:.2f} ms"))
    return rows


def main() -> int:
    options = asked(__doc__, "RESULTS-MLP.md")
    if not has("torch") and not has("jax", "optax"):
        print("no peer is installed: pip install torch, or jax and optax", file=sys.stderr)
    rows = [r for dtype in ("float32", "float64") for r in epochs(dtype, 5 if options.quick else 25)]
    report(rows, options, "bench_mlp.py", "RESULTS-MLP.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
