# mypy: disable-error-code="call-arg"
"""Compiled kernels of Hogwild!, which run without Python's lock. Imported only when a race begins."""

import math

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


def _indivisible(operation, order):
    """What builds array[at] = operation(array[at], value), as one that no other thread comes between."""

    def build(context, builder, signature, args):
        kind = signature.args[0]
        data = context.make_array(kind)(context, builder, args[0])
        place = cgutils.get_item_pointer(context, builder, kind, data, [args[1]])
        return builder.atomic_rmw(operation, place, args[2], order)

    return build


@intrinsic
def _add(typing, array, at, value):
    """array[at] += value as one indivisible operation."""
    return types.float64(array, types.intp, types.float64), _indivisible("fadd", "monotonic")


@intrinsic
def _swap(typing, array, at, value):
    """Put a value into array[at] and return what was there, as one indivisible operation."""
    return types.int64(array, types.intp, types.int64), _indivisible("xchg", "acq_rel")


#: Rows, columns and their places are counted without a sign: Numba then leaves out what makes x[-1] the last entry,
#: which costs a quarter of the time. An unsigned and a signed number make a float, so the 1 has no sign either.
one = np.uint64(1)


@njit(nogil=True, inline="always")
def _slope(kind, z, y):
    """Derivative of an example's loss in its margin z = x @ theta."""
    if kind == 0:
        return 1.0 / (1.0 + math.exp(-z)) - y
    if kind == 1:
        sign = 2.0 * y - 1.0
        return -sign if sign * z < 1.0 else 0.0
    return z - y


@njit(nogil=True)
def plain(indptr, indices, values, y, order, theta, lr, kind, shrink):
    """Read, then add, with nothing in between: what two threads do to one weight at once is lost."""
    for e in order:
        a, b = indptr[e], indptr[e + one]
        z = 0.0
        for k in range(a, b):
            z += values[k] * theta[indices[k]]
        g = _slope(kind, z, y[e])
        if shrink.size:
            for k in range(a, b):
                v = indices[k]
                theta[v] -= lr * (g * values[k] + shrink[v] * theta[v])
        elif g != 0.0:
            step = lr * g
            for k in range(a, b):
                theta[indices[k]] -= step * values[k]


@njit(nogil=True)
def guarded(indptr, indices, values, y, order, theta, lr, kind, shrink, guard, whole):
    """The same with indivisible additions, or (whole) with one lock around each example."""
    for e in order:
        a, b = indptr[e], indptr[e + one]
        if whole:
            while _swap(guard, 0, 1) != 0:
                pass
        z = 0.0
        for k in range(a, b):
            z += values[k] * theta[indices[k]]
        g = _slope(kind, z, y[e])
        for k in range(a, b):
            v = indices[k]
            step = g * values[k]
            if shrink.size:
                step += shrink[v] * theta[v]
            if whole:
                theta[v] -= lr * step
            else:
                _add(theta, v, -lr * step)
        if whole:
            _swap(guard, 0, 0)


@njit(nogil=True)
def private(indptr, indices, values, y, order, theta, lr, kind, shrink, middle, where, merge):
    """The same with a thread's own copy of the most popular weights, whose changes are added now and then.

    `where` lists those weights. Each row begins with its entries for them, up to `middle`, by their place in that list.
    """
    hot = where.size
    mine, base = np.empty(hot), np.empty(hot)
    for i in range(hot):
        base[i] = theta[where[i]]
        mine[i] = base[i]
    for done, e in enumerate(order):
        a, m, b = indptr[e], middle[e], indptr[e + one]
        z = 0.0
        for k in range(a, m):
            z += values[k] * mine[indices[k]]
        for k in range(m, b):
            z += values[k] * theta[indices[k]]
        g = _slope(kind, z, y[e])
        if shrink.size:
            for k in range(a, m):
                i = indices[k]
                mine[i] -= lr * (g * values[k] + shrink[where[i]] * mine[i])
            for k in range(m, b):
                v = indices[k]
                theta[v] -= lr * (g * values[k] + shrink[v] * theta[v])
        elif g != 0.0:
            step = lr * g
            for k in range(a, m):
                mine[indices[k]] -= step * values[k]
            for k in range(m, b):
                theta[indices[k]] -= step * values[k]
        if (done + 1) % merge == 0:
            for i in range(hot):
                _add(theta, where[i], mine[i] - base[i])
                base[i] = theta[where[i]]
                mine[i] = base[i]
    for i in range(hot):
        _add(theta, where[i], mine[i] - base[i])


@njit(nogil=True)
def total(indptr, indices, values, y, theta, kind):
    """The sum of the losses, row after row: no arrays of their own push the data out of the cache."""
    found = 0.0
    for e in range(y.size):
        z = 0.0
        for k in range(indptr[e], indptr[e + one]):
            z += values[k] * theta[indices[k]]
        if kind == 0:
            found += max(z, 0.0) + math.log1p(math.exp(-abs(z))) - y[e] * z
        elif kind == 1:
            found += max(0.0, 1.0 - (2.0 * y[e] - 1.0) * z)
        else:
            found += 0.5 * (z - y[e]) ** 2
    return found


@njit(nogil=True)
def factor(entries, values, order, both, shrink, lr, atomic):
    """Matrix completion: each entry pulls at one row of L and one of R, which lie below each other in `both`."""
    rank = both.shape[1]
    flat = both.reshape(-1)
    for e in order:
        i, j = entries[e, 0] * rank, entries[e, 1] * rank
        error = -values[e]
        for k in range(rank):
            error += flat[i + k] * flat[j + k]
        for k in range(rank):
            left, right = flat[i + k], flat[j + k]
            to_left = -lr * (error * right + shrink[entries[e, 0]] * left)
            to_right = -lr * (error * left + shrink[entries[e, 1]] * right)
            if atomic:
                _add(flat, i + k, to_left)
                _add(flat, j + k, to_right)
            else:
                flat[i + k] = left + to_left
                flat[j + k] = right + to_right


@njit(nogil=True)
def add(shared, draws, atomic):
    """Add 1 to the weights drawn, one after the other."""
    for v in draws:
        if atomic:
            _add(shared, v, 1.0)
        else:
            shared[v] += 1.0


@njit
def neighbours(indptr, indices, starts, owners):
    """The most examples that share a weight with one example, itself included."""
    seen = np.full(indptr.size - 1, -1, dtype=np.int64)
    most = 0
    for e in range(indptr.size - 1):
        count = 0
        for k in range(indptr[e], indptr[e + 1]):
            v = indices[k]
            for m in range(starts[v], starts[v + 1]):
                if seen[owners[m]] != e:
                    seen[owners[m]] = e
                    count += 1
        most = max(most, count)
    return most
