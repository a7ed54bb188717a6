"""The data sets: generated from a seed or bundled, nothing downloaded.

>>> X, y = line(n=5, seed=1)
>>> X.shape, y.shape
((5, 2), (5,))
"""

import gzip
import math
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._inputs import guard, number, numbers, one_of, whole

Data = tuple[NDArray, NDArray]


def _rng(seed: int, **sizes: int) -> np.random.Generator:
    for name, size in sizes.items():
        whole(size, name)
    return np.random.default_rng(seed)


def three_points() -> Data:
    """Three examples for sums by hand: a column of ones, x = -1, 1, 3, and y = 0.5, 1, 4.5.

    The best line is 1 + x, with a loss of exactly 0.25; the loss has the curvatures 4 and 2/3.

    >>> X, y = three_points()
    >>> y - X @ [1.0, 1.0]
    array([ 0.5, -1. ,  0.5])
    """
    return np.array([[1.0, -1.0], [1.0, 1.0], [1.0, 3.0]]), np.array([0.5, 1.0, 4.5])


def line(n: int = 100, *, slope: float = 2.0, intercept: float = 1.0, noise: float = 0.5, seed: int = 0) -> Data:
    """Points around a line: X of shape (n, 2), a column of ones and x in [-1, 1]; y = intercept + slope x + noise."""
    rng = _rng(seed, n=n)
    x = rng.uniform(-1.0, 1.0, n)
    X = np.column_stack([np.ones(n), x])
    return X, X @ [intercept, slope] + number(noise, "noise") * rng.standard_normal(n)


def regression(n: int = 200, d: int = 10, *, condition: float = 10.0, noise: float = 0.5, seed: int = 0) -> Data:
    """Linear regression in d dimensions whose columns' scales span the given condition number of the Hessian."""
    rng = _rng(seed, n=n, d=d)
    X = rng.standard_normal((n, d)) * np.sqrt(np.geomspace(1.0, 1.0 / number(condition, "condition", open_low=True), d))
    return X, X @ rng.standard_normal(d) + number(noise, "noise") * rng.standard_normal(n)


def two_classes(n: int = 200, d: int = 2, *, distance: float = 2.0, seed: int = 0) -> Data:
    """Two round clouds, their centres `distance` apart along the diagonal; a column of ones first, labels 0 and 1."""
    rng = _rng(seed, n=n, d=d)
    y = (np.arange(n) % 2).astype(float)
    X = rng.standard_normal((n, d)) + np.outer(y - 0.5, np.full(d, distance / np.sqrt(d)))
    return np.column_stack([np.ones(n), X]), y


def imbalanced(n: int = 1000, d: int = 2, *, rare: float = 0.02, distance: float = 3.0, seed: int = 0) -> Data:
    """Two round clouds of very different size: a share `rare` (0 to 0.5) of the rows has label 1, and at least one.

    >>> int(imbalanced(1000, rare=0.02)[1].sum())
    20
    """
    rng = _rng(seed, n=n, d=d)
    number(rare, "rare", 0.0, 0.5, open_low=True, closed=True)
    y = np.zeros(n)
    y[rng.permutation(n)[: max(1, round(rare * n))]] = 1.0
    X = rng.standard_normal((n, d)) + np.outer(y - 0.5, np.full(d, distance / np.sqrt(d)))
    return np.column_stack([np.ones(n), X]), y


def spirals(n: int = 200, *, turns: float = 1.5, noise: float = 0.05, seed: int = 0) -> Data:
    """Two spirals wound around each other, which no line and no shallow curve parts: X of shape (n, 2), labels 0 and 1.

    Parameters
    ----------
    turns : how often each winds around the centre, above 0. noise : deviation added to both coordinates

    Source: the task of Lang & Witbrock (1988), "Learning to tell two spirals apart", with random angles.

    >>> X, y = spirals(100, noise=0.0)
    >>> bool(np.hypot(*X.T).max() <= 1), y.mean()
    (True, np.float64(0.5))
    """
    rng = _rng(seed, n=n)
    number(turns, "turns", open_low=True)
    y = np.arange(n) % 2
    radius = np.sqrt(rng.uniform(0.01, 1.0, n))  # so that the points lie evenly along the arms
    angle = 2 * np.pi * turns * radius + np.pi * y
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + number(noise, "noise") * rng.standard_normal((n, 2)), y


def split(X: Any, y: ArrayLike, *, test: float = 0.2, seed: int = 0) -> tuple[Data, Data]:
    """The data in two random parts: to learn from, and to be judged by.

    Parameters
    ----------
    X, y : n rows, dense or sparse, and their targets
    test : share of the rows that the second part gets, in (0, 1); each part has at least one

    Returns
    -------
    (X, y) to learn from and (X, y) to test with, each in random order.

    Raises
    ------
    ValueError : a share out of range, fewer than two rows, or rows and targets that do not match.

    >>> (X, y), (X_test, y_test) = split(*digits(), test=0.25, seed=0)
    >>> X.shape, X_test.shape
    ((1348, 64), (449, 64))
    """
    X, y = X if isinstance(X, SparseRows) else np.asarray(X), np.asarray(y)
    n = X.shape[0] if X.ndim else 0
    if n < 2 or y.shape[:1] != (n,):
        raise ValueError(f"X has shape {X.shape} and y {y.shape}: a split needs two rows or more, each with its target")
    number(test, "test", 0.0, 1.0, open_low=True)
    rows = np.random.default_rng(seed).permutation(n)
    cut = n - min(n - 1, max(1, round(test * n)))
    return (X[rows[:cut]], y[rows[:cut]]), (X[rows[cut:]], y[rows[cut:]])


def digits() -> Data:
    """Handwritten digits, bundled: X of shape (1797, 64), pixels of 8 x 8 images scaled to [0, 1]; labels 0 to 9.

    Source: E. Alpaydin & C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
    doi:10.24432/C50P49, CC BY 4.0 (its test part).

    >>> X, y = digits()
    >>> X.shape, int(y[0]), float(X.max())
    ((1797, 64), 0, 1.0)
    """
    with resources.files(__package__).joinpath("_files/digits.npz").open("rb") as file, np.load(file) as stored:
        return stored["images"] / 16.0, stored["labels"].astype(int)


class Sheet(NamedTuple):
    """Digits to learn from, some of them with a wrong label, and digits with right labels to judge by."""

    X: NDArray  #: 200 digits, of shape (200, 64)
    given: NDArray  #: the labels they were given
    right: NDArray  #: the labels they should have
    judge: Data  #: 50 others with right labels, for validation
    test: Data  #: 400 others with right labels


def mislabelled(seed: int = 0, *, lies: float = 0.15, tuning: bool = False) -> Sheet:
    """A sheet of 200 handwritten digits, a share of whose labels were drawn at random.

    Parameters
    ----------
    seed : of the choice and of the labels
    lies : chance that a label is drawn anew, 0 to 1; one in ten of these is right all the same
    tuning : take all digits from the half of the data that is kept apart, for choosing learning rates

    Raises
    ------
    ValueError : a chance that is none.

    >>> sheet = mislabelled(seed=0)
    >>> sheet.X.shape, int((sheet.given != sheet.right).sum()), len(sheet.judge[1]), len(sheet.test[1])
    ((200, 64), 23, 50, 400)
    """
    number(lies, "lies", 0.0, 1.0, closed=True)
    X, y = digits()
    halves = np.random.default_rng(7).permutation(len(X))
    rng = np.random.default_rng(seed)
    rows = rng.permutation(halves[:898] if tuning else halves[898:])
    learn, judge, test = rows[:200], rows[200:250], rows[-400:]
    given, drawn = y[learn].copy(), rng.random(200) < lies
    given[drawn] = rng.integers(0, 10, drawn.sum())
    return Sheet(X[learn], given, y[learn], (X[judge], y[judge]), (X[test], y[test]))


def alice(vocabulary: int | None = None) -> NDArray:
    """The words of a whole book, bundled: 26,607 in lower case, without punctuation, of shape (n,).

    Few of them make up most of the text and most are rare: what a language model has to cope with, small.

    Parameters
    ----------
    vocabulary : give numbers instead, 0 for the commonest word, 1 for the next, and -1 for all beyond so many

    Source: Lewis Carroll (1865), Alice's Adventures in Wonderland, without its chapters' titles; in the public domain.

    >>> words = alice()
    >>> " ".join(words[:9]), len(np.unique(words))
    ('alice was beginning to get very tired of sitting', 2614)
    >>> alice(vocabulary=100)[:9]
    array([ 9, 12, -1,  2, -1, 26, -1,  6, -1])
    """
    packed = resources.files(__package__).joinpath("_files/alice.txt.gz").read_bytes()
    words = np.array(gzip.decompress(packed).decode("ascii").split())
    if vocabulary is None:
        return words
    whole(vocabulary, "vocabulary")
    names, which, counts = np.unique(words, return_inverse=True, return_counts=True)
    place = np.empty(len(names), dtype=int)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(names))
    number = place[which]
    return np.where(number < vocabulary, number, -1)


class Prose(NamedTuple):
    """A text as numbers: `alphabet[i]` is the character that the number i stands for. Made by `prose`."""

    alphabet: str
    train: NDArray
    test: NDArray


def prose(language: Literal["en", "zh"] = "en") -> Prose:
    """The prose of this course's first chapters, bundled, for a language model of characters.

    Every tenth paragraph is for the test, and a line break ends each. What is not there: formulas that need more than a
    line of letters, and sentences with a rare character.

    >>> text = prose("en")
    >>> len(text.alphabet), len(text.train), len(text.test)
    (75, 167262, 19381)
    >>> "".join(text.alphabet[i] for i in text.train[:35])
    'Sections for those who want more th'
    """
    one_of(language, "language", ("en", "zh"))
    packed = resources.files(__package__).joinpath(f"_files/prose-{language}.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").splitlines(keepends=True)
    alphabet = "".join(sorted(set("".join(lines))))
    number = {character: i for i, character in enumerate(alphabet)}
    held = ("".join(lines[9::10]), "".join(line for i, line in enumerate(lines) if i % 10 != 9))
    test, train = (np.array([number[character] for character in part]) for part in held)
    return Prose(alphabet, train, test)


def windows(text: ArrayLike, places: int, *, every: int = 1) -> Data:
    """All windows of a text, of shape (n, places), and in y what follows each place: the same, one further.

    Parameters
    ----------
    text : characters as whole numbers, of shape (m,), m > places. every : characters from one window to the next

    >>> X, y = windows([5, 6, 7, 8], places=2)
    >>> X.tolist(), y.tolist()
    ([[5, 6], [6, 7]], [[6, 7], [7, 8]])
    """
    text, places = np.asarray(text), whole(places, "places")
    if text.ndim != 1 or text.dtype.kind not in "iu" or len(text) <= places:
        raise ValueError(
            f"text is {text.dtype} of shape {text.shape}: it must be whole numbers, and more than places={places}"
        )
    cut = np.lib.stride_tricks.sliding_window_view(text, places + 1)[:: whole(every, "every")]
    return cut[:, :-1], cut[:, 1:]


def low_rank(
    rows: int = 30, columns: int = 20, rank: int = 2, *, observed: float = 0.5, noise: float = 0.0, seed: int = 0
) -> Data:
    """The known entries of a matrix of low rank: X of shape (n, 2), pairs (row, column); y their values.

    Parameters
    ----------
    observed : share of the entries that is known, in (0, 1]. noise : standard deviation added to each

    >>> X, y = low_rank(4, 3, rank=1, observed=0.5)
    >>> X.shape, y.shape
    ((6, 2), (6,))
    """
    rng = _rng(seed, rows=rows, columns=columns, rank=rank)
    number(observed, "observed", 0.0, 1.0, open_low=True, closed=True)
    M = rng.standard_normal((rows, rank)) @ rng.standard_normal((columns, rank)).T / np.sqrt(rank)
    known = np.sort(rng.permutation(M.size)[: max(1, round(observed * M.size))])
    i, j = np.divmod(known, columns)
    return np.column_stack([i, j]), M[i, j] + number(noise, "noise") * rng.standard_normal(len(known))


def adding_digits(digits: ArrayLike, *, places: int, seed: int = 0) -> Data:
    """Sums of two numbers, digit by digit: the difficulty of an example is how many digits its numbers have.

    Parameters
    ----------
    digits : difficulty of each example, whole numbers from 1 to `places`, of shape (n,)
    places : digits that an example has room for

    Returns
    -------
    X of shape (n, 20 places), for each place of each number (units first) a one among ten columns, or none where the
    number has no such place; y the sums, divided by 10**places.

    Source: the addition task of Zaremba & Sutskever (2014), as a regression.

    >>> X, y = adding_digits([1, 2], places=2)
    >>> X.shape, X.sum(axis=1)
    ((2, 40), array([2., 4.]))
    """
    k = np.asarray(digits)
    rng = _rng(seed)
    whole(places, "places")
    if k.ndim != 1 or not k.size or k.dtype.kind not in "iu" or k.min() < 1 or k.max() > places:
        raise ValueError(f"digits={digits!r}: each difficulty must be a whole number from 1 to places={places}")
    low = np.where(k > 1, 10 ** (k - 1), 0)
    numbers = rng.integers(low[:, None], (10**k)[:, None], size=(len(k), 2))
    figure = numbers[..., None] // 10 ** np.arange(places) % 10
    written = np.arange(places) < k[:, None, None]
    X = (figure[..., None] == np.arange(10)) & written[..., None]
    return X.reshape(len(k), -1).astype(float), numbers.sum(axis=1) / 10.0**places


# --- features that are mostly zero ----------------------------------------------------------------


class SparseRows:
    """A table whose entries are mostly zero: only the others are stored, row by row (the CSR form).

    It stands wherever a linear, logistic or softmax model takes X: it has rows to choose from (``X[rows]``), and
    ``theta @ X.T`` and ``r @ X`` cost as much as it has entries.

    Parameters
    ----------
    indptr : where each row starts in the next two, and where the last one ends: n + 1 whole numbers from 0 upwards
    indices : the column of each entry
    values : its value
    columns : number of columns d

    Raises
    ------
    ValueError : parts that do not fit together.

    >>> X = SparseRows([0, 1, 3], [2, 0, 1], [5.0, 1.0, 2.0], columns=3)
    >>> X.dense()
    array([[0., 0., 5.],
           [1., 2., 0.]])
    >>> np.array([1.0, 10.0, 100.0]) @ X.T
    array([500.,  21.])
    >>> X[[1, 1]].shape
    (2, 3)
    """

    __array_ufunc__ = None  # so that `array @ sparse` comes here
    ndim = 2

    def __init__(self, indptr: ArrayLike, indices: ArrayLike, values: ArrayLike, columns: int):
        for name, array in (("indptr", numbers(indptr, "indptr")), ("indices", numbers(indices, "indices"))):
            if (array != np.floor(array)).any():
                raise ValueError(f"{name}={array}: it must hold whole numbers")
        self.indptr, self.indices = np.asarray(indptr, dtype=np.intp), np.asarray(indices, dtype=np.intp)
        self.values = numbers(values, "values").astype(float, copy=False)
        ptr, entries = self.indptr, self.indices
        if ptr.ndim != 1 or not ptr.size or ptr[0] != 0 or (np.diff(ptr) < 0).any():
            raise ValueError(f"indptr={ptr}: it must start at 0, never fall, and hold one number more than rows")
        if entries.shape != self.values.shape or entries.shape != (ptr[-1],):
            raise ValueError(
                f"indptr ends at {ptr[-1]}, but there are {entries.shape} indices and {self.values.shape} values: "
                "each entry needs one of both"
            )
        if entries.size and not 0 <= entries.min() <= entries.max() < columns:
            raise ValueError(
                f"indices run from {entries.min()} to {entries.max()}; columns={columns} allows 0 to {columns - 1}"
            )
        self.shape = (len(ptr) - 1, int(columns))
        self.dtype = self.values.dtype

    @classmethod
    def from_dense(cls, X: ArrayLike) -> "SparseRows":
        """The non-zero entries of a table of shape (n, d)."""
        X = numbers(X, "X")
        if X.ndim != 2:
            raise ValueError(f"X has shape {X.shape}: it must be a table of shape (n, d)")
        i, j = np.nonzero(X)
        return cls(np.concatenate([[0], np.bincount(i, minlength=len(X)).cumsum()]), j, X[i, j], X.shape[1])

    def dense(self) -> NDArray:
        """The table with its zeros, of shape (n, d); entries that are given twice are added."""
        X = np.zeros(self.shape)
        np.add.at(X, (self._row, self.indices), self.values)
        return X

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray]:
        raise TypeError("SparseRows are not walked row by row: choose rows with X[rows], or make them X.dense()")

    def __getitem__(self, rows: Any) -> "SparseRows":
        """Some of the rows: by a slice, a mask, or an array of row numbers."""
        kept = np.arange(len(self))[rows]
        if kept.ndim != 1:
            raise TypeError(f"X[{rows!r}] names no list of rows: use X[2:5], X[[2]] or X[mask]")
        chosen = object.__new__(SparseRows)  # rows of a table that was checked: an oracle takes some at every step
        chosen._counts = counts = self._counts[kept]
        chosen.indptr = ptr = np.zeros(len(kept) + 1, np.intp)
        counts.cumsum(out=ptr[1:])
        entries = np.arange(ptr[-1]) + (self.indptr[kept] - ptr[:-1]).repeat(counts)
        chosen.indices, chosen.values = self.indices[entries], self.values[entries]
        chosen.shape, chosen.dtype = (len(kept), self.shape[1]), self.dtype
        return chosen

    @cached_property
    def _counts(self) -> NDArray:
        return np.diff(self.indptr)

    @cached_property
    def _row(self) -> NDArray:
        return np.arange(len(self)).repeat(self._counts)

    @property
    def T(self) -> "_Turned":
        """The table turned, for ``theta @ X.T`` of shape (..., n)."""
        return _Turned(self)

    def __rmatmul__(self, r: NDArray) -> NDArray:
        """r @ X of shape (..., d) for r of shape (..., n)."""
        r = _fits(r, len(self))
        weights = r[..., self._row] * self.values
        copies = math.prod(r.shape[:-1])
        places = self.indices if r.ndim == 1 else self.indices + self.shape[1] * np.arange(copies)[:, None]
        sums = np.bincount(places.ravel(), weights.ravel(), minlength=copies * self.shape[1])
        return sums.reshape(*r.shape[:-1], self.shape[1]).astype(r.dtype, copy=False)


class _Turned:
    """X.T of sparse rows: knows only ``theta @ X.T``."""

    __array_ufunc__ = None

    def __init__(self, rows: SparseRows):
        self.rows = rows
        self.shape = rows.shape[::-1]

    def __rmatmul__(self, theta: NDArray) -> NDArray:
        X = self.rows
        theta = _fits(theta, X.shape[1])
        if X._counts.all() and len(X):
            products = theta[..., X.indices] * X.values
            return np.add.reduceat(products, X.indptr[:-1], axis=-1).astype(theta.dtype, copy=False)
        filled = X[X._counts > 0]  # reduceat would give an empty row its neighbour's first entry
        sums = np.zeros((*theta.shape[:-1], len(X)), theta.dtype)
        if len(filled):
            sums[..., X._counts > 0] = theta @ filled.T
        return sums


def _fits(left: ArrayLike, length: int) -> NDArray:
    left = np.asarray(left)
    if not left.ndim or left.shape[-1] != length:
        raise ValueError(f"the left side has shape {left.shape}; its last axis must have length {length}")
    return left


def zipf(
    n: int = 200, d: int = 1000, *, classes: int = 2, words: int = 20, exponent: float = 1.0, seed: int = 0
) -> tuple[SparseRows, NDArray]:
    r"""Bags of words: the k-th column occurs with a frequency that falls as :math:`k^{-s}`, so most are rare.

    Parameters
    ----------
    n, d : rows and columns. classes : number of labels. words : words drawn for a row, repeated ones counted once
    exponent : s of Zipf's law

    Returns
    -------
    X, sparse, of shape (n, d) with entries 1; y, labels 0 to classes - 1 that hidden weights of the words decide.

    >>> X, y = zipf(50, d=100, seed=0)
    >>> X.shape, bool(X.dense()[:, 0].mean() > X.dense()[:, 50].mean())
    ((50, 100), True)
    """
    rng = _rng(seed, n=n, d=d, classes=classes, words=words)
    frequency = np.arange(1, d + 1) ** -float(exponent)
    drawn = np.sort(rng.choice(d, size=(n, words), p=frequency / frequency.sum()), axis=1)
    first = np.diff(drawn, axis=1, prepend=-1) > 0
    X = SparseRows(np.concatenate([[0], first.sum(axis=1).cumsum()]), drawn[first], np.ones(first.sum()), d)
    return X, (rng.standard_normal((classes, d)) @ X.T).argmax(axis=0)


guard(globals())
