"""How much a second thread gains in Hogwild!, and how long a call takes beside scikit-learn's.

    python benchmarks/bench_hogwild.py               # about a minute
    python benchmarks/bench_hogwild.py --quick       # fewer repeats
    python benchmarks/bench_hogwild.py --json FILE --write

Sparse logistic regression on two data sets: words drawn uniformly from a million, 50 in a text, which seldom meet; and
words by Zipf's law from 100,000, of which some stand in nearly every text. The speed-up of two threads on shared
weights is set against that of two threads which run the same kernel on a vector each: more the memory does not give.
Beside scikit-learn (`pip install scikit-learn`) stand whole calls of three epochs, checks and set-up included.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rows import Row, asked, has, report, row, seconds

from optlib import data
from optlib.parallel import _race, hogwild
from optlib.parallel.threads import VARIANTS, _Rows

#: With larger rates the end of a run on Zipf's words depends on its seed by several per cent, on both sides.
RATES = {"uniform": 0.1, "Zipf": 0.003}


def sets(quick: bool) -> dict[str, tuple[data.SparseRows, NDArray]]:
    n = 20_000 if quick else 40_000
    return {
        "uniform": data.zipf(n, 1_000_000, words=50, exponent=0.0),
        "Zipf": data.zipf(n, 100_000, words=80),
    }


def together(jobs: list[Callable[[], None]]) -> float:
    threads = [threading.Thread(target=job) for job in jobs]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def sharing(name: str, X: data.SparseRows, y: NDArray, repeats: int) -> Row:
    """Two threads on one vector against two threads on two, in turn."""
    order = np.random.default_rng(0).permutation(len(y)).astype(np.uint64)
    rows, halves = _Rows(X, y.astype(float), 0.0), np.array_split(order, 2)
    shared, mine, yours = (np.zeros(X.shape[1]) for _ in range(3))

    def job(theta: NDArray, part: NDArray) -> Callable[[], None]:
        return lambda: _race.plain(
            rows.indptr, rows.indices, rows.values, rows.y, part, theta, RATES[name], 0, rows.shrink
        )  # fmt: skip

    def alone() -> float:
        return together([job(shared, np.concatenate(halves))])

    alone()

    def turn() -> tuple[float, float, float]:
        apart = [job(mine, halves[0]), job(yours, halves[1])]
        return alone(), together([job(shared, half) for half in halves]), together(apart)

    times = np.array([turn() for _ in range(repeats)])
    one, two, apart = np.median(times, axis=0)
    said = f"{one / two:.2f}x with two threads, {one / apart:.2f}x on two vectors"
    bar = 0.9 if name == "uniform" else None
    return row(f"{name}: speed-up of shared weights", "private vectors", times[:, 2] / times[:, 1], bar, said)


def epoch(name: str, X: data.SparseRows, y: NDArray, epochs: int = 4, **how: object) -> float:
    """The shortest of some epochs, the drawing of its order included."""
    start = time.perf_counter()
    np.random.default_rng(0).permutation(len(y))
    drawing = time.perf_counter() - start
    return float(hogwild(X, y, lr=RATES[name], epochs=epochs, **how).seconds.min()) + drawing  # type: ignore[arg-type]


def settings(name: str, X: data.SparseRows, y: NDArray, repeats: int) -> list[Row]:
    """Every variant on two threads against the lock-free one on one thread."""
    rows, epoch_of = [], [(v, n) for v in VARIANTS for n in (1, 2)]
    times = np.array([[epoch(name, X, y, variant=v, threads=n) for v, n in epoch_of] for _ in range(repeats)])
    for (variant, threads), mine in zip(epoch_of, times.T, strict=True):
        if threads == 2:
            said = f"{1e3 * np.median(mine):.1f} ms an epoch"
            rows.append(row(f"{name}: {variant}, two threads", "lock-free, one thread", times[:, 0] / mine, None, said))
    return [*rows, *against_scikit(name, X, y, repeats)]


def against_scikit(name: str, X: data.SparseRows, y: NDArray, repeats: int) -> list[Row]:
    """Whole calls of three epochs, each side's checks and set-up included, on one thread each, and ours on two."""
    if not has("sklearn", "scipy"):
        print("scikit-learn is not installed: its rows are left out (pip install scikit-learn)")
        return []
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import SGDClassifier

    csr = csr_matrix((X.values, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape)
    times, losses = np.zeros((repeats, 3)), np.zeros((repeats, 2))
    for seed in range(repeats):
        peer = SGDClassifier(
            loss="log_loss", penalty=None, learning_rate="constant", eta0=RATES[name], max_iter=3, tol=None,
            fit_intercept=False, random_state=seed,
        )  # fmt: skip
        times[seed, 0] = seconds(lambda peer=peer: peer.fit(csr, y))  # type: ignore[misc]
        for threads in (1, 2):
            start = time.perf_counter()
            ours = hogwild(X, y, lr=RATES[name], epochs=3, threads=threads, seed=seed)
            times[seed, threads] = time.perf_counter() - start
        z = csr @ peer.coef_[0]
        losses[seed] = float((np.logaddexp(0, z) - y * z).mean()), float(ours.losses[-1])
    theirs_loss, our_loss = losses.mean(axis=0)
    said = f"loss {our_loss:.4g}, theirs {theirs_loss:.4g}"
    return [
        row(
            f"{name}: a whole call of three epochs, {threads} thread{'s' * (threads > 1)}", "scikit-learn, one thread",
            times[:, 0] / times[:, threads], 1.0, f"{np.median(times[:, threads]):.2f} s; {said}",
        )
        for threads in (1, 2)
    ]  # fmt: skip


def main() -> int:
    options = asked(__doc__, "RESULTS-HOGWILD.md")
    repeats, rows = 3 if options.quick else 9, []
    for name, (X, y) in sets(options.quick).items():
        rows += [sharing(name, X, y, 3 * repeats), *settings(name, X, y, repeats)]
    report(rows, options, "bench_hogwild.py", "RESULTS-HOGWILD.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
