"""What one update costs, in seconds, as the batch grows: chapter 01's question, timed on this machine.

For each batch size: the time of one gradient and update, of one example in it, and of an epoch. The best of several
repetitions, since whatever else the machine does only adds.

    python benchmarks/bench_cost_per_update.py
"""

from timeit import timeit

import numpy as np

from optlib import Optimizer, data, models, rules

N, FEATURES, REPETITIONS = 4096, 100, 7


def seconds_per_update(size: int, model: models.LinearRegression, X: np.ndarray, y: np.ndarray) -> float:
    """Time of one gradient over the first rows and one update with it."""
    optimizer = Optimizer(rules.sgd, lr=0.01)
    theta = np.zeros(X.shape[1])
    state = optimizer.init(theta)
    rows, targets = X[:size], y[:size]

    def update() -> None:
        optimizer.tell(theta, model.grad(theta, rows, targets), state)

    number = max(10, 2000 // size)
    return min(timeit(update, number=number) for _ in range(REPETITIONS)) / number


def main() -> None:
    X, y = data.regression(n=N, d=FEATURES, seed=0)
    model = models.LinearRegression()
    print(f"linear regression, {N} examples, {FEATURES} features, best of {REPETITIONS}")
    print(f"{'B':>6} {'us/update':>10} {'us/example':>11} {'ms/epoch':>9} {'x one example':>14}")
    one = seconds_per_update(1, model, X, y)
    for size in 4 ** np.arange(7):
        t = seconds_per_update(int(size), model, X, y)
        print(f"{size:6} {1e6 * t:10.1f} {1e6 * t / size:11.3f} {1e3 * t * N / size:9.2f} {t / one:14.1f}")


if __name__ == "__main__":
    main()
