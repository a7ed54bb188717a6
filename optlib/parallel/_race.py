# mypy: disable-error-code="call-arg"
"""Compiled kernels of Hogwild!, which run without Python's lock. Imported only when a race begins."""

import math

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def _add(typing, array, at, value):
    """array[at] += value as one indivisible operation."""

    def build(context, builder, signature, args):
        kind = signature.args[0]
        data = context.make_array(kind)(context, builder, args[0])
        place = cgutils.get_item_pointer(context, builder, kind, data, [args[1]])
        return builder.atomic_rmw("fadd", place, args[2], "monotonic")

    return types.float64(array, types.intp, types.float64), build


@intrinsic
def _swap(typing, array, at, value):
    """Put a value into array[at] and return what was there, as one indivisible operation."""

    def build(context, builder, signature, args):
        kind = signature.args[0]
        data = context.make_array(kind)(context, builder, args[0])
        place = cgutils.get_item_pointer(context, builder, kind, data, [args[1]])
        return builder.atomic_rmw("xchg", place, args[2], "acq_rel")

    return types.int64(array, types.intp, types.int64), build


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
        a, b = indptr[e], indptr[e + 1]
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
        a, b = indptr[e], indptr[e + 1]
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
def private(indptr, indices, values, y, order, theta, lr, kind, shrink, where, merge):
    """The same with a thread's own copy of the most popular weights, whose changes are added now and then.

    `where` lists those weights; in `indices` the i-th of them stands as -1 - i.
    """
    hot = where.size
    mine, base = np.empty(hot), np.empty(hot)
    for i in range(hot):
        base[i] = theta[where[i]]
        mine[i] = base[i]
    for done, e in enumerate(order):
        a, b = indptr[e], indptr[e + 1]
        z = 0.0
        for k in range(a, b):
            v = indices[k]
            z += values[k] * (mine[-1 - v] if v < 0 else theta[v])
        g = _slope(kind, z, y[e])
        for k in range(a, b):
            v = indices[k]
            at = mine[-1 - v] if v < 0 else theta[v]
            step = g * values[k]
            if shrink.size:
                step += shrink[where[-1 - v] if v < 0 else v] * at
            if v < 0:
                mine[-1 - v] = at - lr * step
            else:
                theta[v] = at - lr * step
        if (done + 1) % merge == 0:
            for i in range(hot):
                _add(theta, where[i], mine[i] - base[i])
                base[i] = theta[where[i]]
                mine[i] = base[i]
    for i in range(hot):
        _add(theta, where[i], mine[i] - base[i])


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
