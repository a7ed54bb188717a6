"""The dense layers of compiled training: never imported, but compiled as text, once for each type of number.

`optlib.compile.network` puts what stands below the line of dashes into a module of the cache folder, behind the head
that all generated sources share and the activations made of those of `optlib.layers`. Arrays are flat, and an index
says where a matrix begins. Losses and batch normalisation are those of `optlib.layers` without temporaries; tests hold
them to those.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-overload, call-arg, assignment, operator"

from math import inf, sqrt
from typing import Any

import numpy as np
from numba import njit

F: Any = np.float64  #: the type of all numbers
BYTES = 32  #: size of the machine's vectors
ELSEWHERE: Any = {}  # the head has the first three; the last two are made of the activations, of kind 0, 1, ...
JIT = maximum = minimum = activate = undo = ELSEWHERE

# ------------------------------------------------------------------------------------------------

from llvmlite import ir  # noqa: E402
from numba import types  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

PART = dict(error_model="numpy", nogil=True)

# --- products of matrices -------------------------------------------------------------------------


def _tile(rows, vectors):
    """A tile of a product, rows x (vectors x lanes) numbers of it, kept in registers while the depth is walked.

    ``out = start + A B``, where `start` is one row for all. LLVM is told by hand what to keep where, since left alone
    it vectorises over the wrong loop.
    """

    @intrinsic
    def tile(typingctx, out, o, o_row, start, s, A, a, a_row, a_k, B, b, b_k, depth):
        def emit(context, builder, signature, values):
            out, o, o_row, start, s, A, a, a_row, a_k, B, b, b_k, depth = values
            number = context.get_data_type(signature.args[0].dtype)
            align = context.get_abi_sizeof(number)
            lanes = BYTES // align
            vector, index, whole = ir.VectorType(number, lanes), depth.type, ir.IntType(32)

            def at(pointer, *factors):
                step = factors[0] if len(factors) == 1 else builder.mul(*factors)
                return builder.gep(pointer, [step])

            def begin(which, array, offset):
                return at(context.make_array(signature.args[which])(context, builder, array).data, offset)

            def part(pointer, v):
                return builder.bitcast(at(pointer, index(v * lanes)), vector.as_pointer())

            def load(pointer):
                return [builder.load(part(pointer, v), align=align) for v in range(vectors)]

            def spread(x):
                single = builder.insert_element(vector(ir.Undefined), x, whole(0))
                return builder.shuffle_vector(single, single, ir.VectorType(whole, lanes)(None))

            def fused(x, y, total):  # may become one instruction, as "contract" says
                return builder.fadd(total, builder.fmul(x, y, flags=["contract"]), flags=["contract"])

            out, start, A, B = begin(0, out, o), begin(3, start, s), begin(5, A, a), begin(9, B, b)
            first, before = load(start), builder.block
            loop, after = builder.append_basic_block("depth"), builder.append_basic_block("done")
            builder.branch(loop)

            builder.position_at_end(loop)
            k = builder.phi(index)
            sums = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
            right, left = load(at(B, k, b_k)), at(A, k, a_k)
            new = []
            for r in range(rows):
                x = spread(builder.load(at(left, index(r), a_row), align=align))
                new.append([fused(x, y, total) for y, total in zip(right, sums[r], strict=True)])
            following = builder.add(k, index(1))
            carried = [(k, index(0), following)]
            carried += [(sums[r][v], first[v], new[r][v]) for r in range(rows) for v in range(vectors)]
            for phi, initial, next_ in carried:
                phi.add_incoming(initial, before)
                phi.add_incoming(next_, loop)
            builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)

            builder.position_at_end(after)
            for r in range(rows):
                row = at(out, index(r), o_row)
                for v in range(vectors):
                    builder.store(new[r][v], part(row, v), align=align)
            return context.get_dummy_value()

        return types.void(out, o, o_row, start, s, A, a, a_row, a_k, B, b, b_k, depth), emit

    return tile


# eight sums at a time: fewer would wait for each other, more would not leave registers for what is multiplied
tile_4x2, tile_8x1, tile_1x2, tile_1x1 = _tile(4, 2), _tile(8, 1), _tile(1, 2), _tile(1, 1)


@njit(**PART)
def product(out, o, start, s, A, a, a_row, a_k, B, b, b_k, b_j, rows, columns, depth, panel):
    """out = start + A B, written row by row from `o` on.

    `start` is one row, from `s` on; A[i, k] stands at ``a + i a_row + k a_k``, B[k, j] at ``b + k b_k + j b_j``, so
    that either may be turned. The last tile of a row or column overlaps the one before rather than being smaller.
    """
    lanes = BYTES // out.itemsize
    if columns < lanes:
        for i in range(rows):
            for j in range(columns):
                total = start[s + j]
                for k in range(depth):
                    total += A[a + i * a_row + k * a_k] * B[b + k * b_k + j * b_j]
                out[o + i * columns + j] = total
        return
    double = columns >= 2 * lanes
    width, height = (2 * lanes, 4) if double else (lanes, 8)
    if rows < height:
        height = 1
    for left in range(0, columns, width):
        j = min(left, columns - width)
        P, p, p_k = B, b + j, b_k
        if b_j != 1:  # a turned matrix, column by column: turned back, the part that is wanted
            P, p, p_k = panel, 0, width
            for c in range(width):
                for k in range(depth):
                    panel[k * width + c] = B[b + k * b_k + (j + c) * b_j]
        for top in range(0, rows, height):
            i = min(top, rows - height)
            to, at = o + i * columns + j, a + i * a_row
            if height == 4:
                tile_4x2(out, to, columns, start, s + j, A, at, a_row, a_k, P, p, p_k, depth)
            elif height == 8:
                tile_8x1(out, to, columns, start, s + j, A, at, a_row, a_k, P, p, p_k, depth)
            elif double:
                tile_1x2(out, to, columns, start, s + j, A, at, a_row, a_k, P, p, p_k, depth)
            else:
                tile_1x1(out, to, columns, start, s + j, A, at, a_row, a_k, P, p, p_k, depth)


# --- exponentials that are vectorised -------------------------------------------------------------

if F is np.float64:
    BITS, MANTISSA, BIAS, LOWEST, TERMS = np.int64, 52, 1023, -708.0, 13
    LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # 32 bits, and the rest
else:
    BITS, MANTISSA, BIAS, LOWEST, TERMS = np.int32, 23, 127, -87.0, 7
    LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
LOG2_E, LOWEST, LN2_HIGH, LN2_LOW = F(1.4426950408889634), F(LOWEST), F(LN2_HIGH), F(LN2_LOW)
ROUND = F(1.5 * 2.0**MANTISSA)  #: added and taken away again, it rounds to a whole number
COEFFICIENTS = tuple(F(1.0 / c) for c in np.cumprod(np.arange(1.0, TERMS + 1))[::-1])  #: of Taylor's series, last first


@intrinsic
def bits(typingctx, x):
    """A float's bits as a whole number, or a whole number's as a float."""
    other = {types.float64: types.int64, types.float32: types.int32, types.int64: types.float64}
    result = other.get(x, types.float32)
    return result(x), lambda context, builder, signature, args: builder.bitcast(
        args[0], context.get_data_type(signature.return_type)
    )


@njit(inline="always", **PART)
def exp_parts(x):
    """q and s with exp(x) = s q + s for x of 0 and below, s a power of two: exp(x) - 1 loses nothing near 0."""
    y = x if x > LOWEST else LOWEST
    shifted = y * LOG2_E + ROUND
    k = shifted - ROUND
    r = (y - k * LN2_HIGH) - k * LN2_LOW
    q = COEFFICIENTS[0]
    for c in COEFFICIENTS[1:]:
        q = q * r + c
    return q * r, bits(BITS((bits(shifted) + BIAS) << MANTISSA))


@njit(inline="always", **PART)
def exp_below_0(x):
    q, s = exp_parts(x)
    return s * q + s if x == x else x


@njit(inline="always", **PART)
def tanh_by_exp(x):
    q, s = exp_parts(F(-2.0) * abs(x))
    less = s * q + (s - F(1.0))
    value = less / (less + F(2.0))
    return (value if x < F(0.0) else -value) if x == x else x


# --- layers ---------------------------------------------------------------------------------------

FAN_IN, FAN_OUT, WEIGHTS, SHIFT, SCALE, KIND, INPUTS, OUTPUTS, NORMAL, INVERSE, MASK = range(11)


@njit(**JIT)
def gather(arena, at, X, rows):
    columns = X.shape[1]
    for i in range(len(rows)):
        source, target = X[rows[i]], arena[at + i * columns : at + (i + 1) * columns]
        for j in range(columns):
            target[j] = source[j]


@njit(**PART)
def add_rows(total, matrix, n):
    """The sum of n rows, written into `total`."""
    width = len(total)
    for j in range(width):
        total[j] = F(0.0)
    for i in range(n):
        row = matrix[i * width : (i + 1) * width]
        for j in range(width):
            total[j] += row[j]


@njit(**PART)
def normalise(sums, normal, inverse, scratch, gamma, beta, n, eps):
    """`optlib.layers.batch_norm`, over the sums."""
    width = len(inverse)
    add_rows(scratch, sums, n)
    for j in range(width):
        scratch[j] /= F(n)
        inverse[j] = F(0.0)
    for i in range(n):
        row, centred = sums[i * width : (i + 1) * width], normal[i * width : (i + 1) * width]
        for j in range(width):
            centred[j] = row[j] - scratch[j]
            inverse[j] += centred[j] * centred[j]
    for j in range(width):
        inverse[j] = F(1.0) / sqrt(inverse[j] / F(n) + eps)
    for i in range(n):
        row, centred = sums[i * width : (i + 1) * width], normal[i * width : (i + 1) * width]
        for j in range(width):
            centred[j] *= inverse[j]
            row[j] = gamma[j] * centred[j] + beta[j]


@njit(**PART)
def normalise_backward(delta, normal, inverse, gamma, slope_gamma, slope_beta, n):
    """`optlib.layers.batch_norm_backward`, over the gradient."""
    width = len(inverse)
    add_rows(slope_beta, delta, n)
    for j in range(width):
        slope_gamma[j] = F(0.0)
    for i in range(n):
        row, centred = delta[i * width : (i + 1) * width], normal[i * width : (i + 1) * width]
        for j in range(width):
            slope_gamma[j] += row[j] * centred[j]
    for i in range(n):
        row, centred = delta[i * width : (i + 1) * width], normal[i * width : (i + 1) * width]
        for j in range(width):
            row[j] = (row[j] - centred[j] * (slope_gamma[j] / F(n)) - slope_beta[j] / F(n)) * (gamma[j] * inverse[j])


@njit(**JIT)
def put(out, a):
    for i in range(len(out)):
        out[i] = a[i]


@njit(**PART)
def multiply(out, a, b):
    for i in range(len(out)):
        out[i] = a[i] * b[i]


# --- losses ---------------------------------------------------------------------------------------


@njit(**JIT)
def softmax_error(outputs, delta, labels, rows):
    """`optlib.layers.cross_entropy_gradient` of a batch, over its size."""
    n = len(rows)
    classes = len(outputs) // n
    for i in range(n):
        z, p = outputs[i * classes : (i + 1) * classes], delta[i * classes : (i + 1) * classes]
        top = z[0]
        for j in range(classes):
            top = z[j] if z[j] > top or z[j] != z[j] else top
        for j in range(classes):
            p[j] = z[j] - top
    for i in range(len(delta)):
        delta[i] = exp_below_0(delta[i])
    for i in range(n):
        p = delta[i * classes : (i + 1) * classes]
        total = F(0.0)
        for j in range(classes):
            total += p[j]
        for j in range(classes):
            p[j] /= total
        p[labels[rows[i]]] -= F(1.0)
    for i in range(len(delta)):
        delta[i] /= F(n)


@njit(**JIT)
def squared_error(outputs, delta, targets, rows):
    n = len(rows)
    columns = len(outputs) // n
    for i in range(n):
        for j in range(columns):
            at = i * columns + j
            delta[at] = F(outputs[at] - targets[rows[i] * columns + j]) / F(n)


# --- the network ----------------------------------------------------------------------------------


@njit(**JIT)
def forward(theta, layers, arena, panel, zero, masks, eps, n):
    drawn = 0
    for i in range(len(layers)):
        fan_in, fan_out, W, b = layers[i, FAN_IN], layers[i, FAN_OUT], layers[i, WEIGHTS], layers[i, SHIFT]
        inputs, size, scale = layers[i, INPUTS], n * fan_out, layers[i, SCALE]
        out = layers[i, OUTPUTS]
        outputs = arena[out : out + size]
        start, s = (theta, b) if scale < 0 else (zero, 0)
        product(arena, out, start, s, arena, inputs, fan_in, 1, theta, W, fan_out, 1, n, fan_out, fan_in, panel)
        if scale >= 0:
            normal, inverse = layers[i, NORMAL], layers[i, INVERSE]
            normalise(
                outputs, arena[normal : normal + size], arena[inverse : inverse + fan_out], panel[:fan_out],
                theta[scale : scale + fan_out], theta[b : b + fan_out], n, eps,
            )  # fmt: skip
        if i < len(layers) - 1:
            activate(layers[i, KIND], outputs)
            if len(masks):
                layers[i, MASK] = drawn
                after = layers[i + 1, INPUTS]
                multiply(arena[after : after + size], outputs, masks[drawn : drawn + size])
                drawn += size
    return drawn


@njit(**JIT)
def backward(theta, g, layers, arena, panel, zero, masks, delta, other, n):
    for i in range(len(layers) - 1, -1, -1):
        fan_in, fan_out, W, b = layers[i, FAN_IN], layers[i, FAN_OUT], layers[i, WEIGHTS], layers[i, SHIFT]
        inputs, size, scale = layers[i, INPUTS], n * fan_out, layers[i, SCALE]
        error = arena[delta : delta + size]
        if i < len(layers) - 1:
            if len(masks):
                multiply(error, error, masks[layers[i, MASK] : layers[i, MASK] + size])
            undo(layers[i, KIND], error, arena[layers[i, OUTPUTS] : layers[i, OUTPUTS] + size])
        if scale < 0:
            add_rows(g[b : b + fan_out], error, n)
        else:
            normal, inverse = layers[i, NORMAL], layers[i, INVERSE]
            normalise_backward(
                error, arena[normal : normal + size], arena[inverse : inverse + fan_out],
                theta[scale : scale + fan_out], g[scale : scale + fan_out], g[b : b + fan_out], n,
            )  # fmt: skip
        product(g, W, zero, 0, arena, inputs, 1, fan_in, arena, delta, fan_out, 1, fan_in, fan_out, n, panel)
        if i:
            product(arena, other, zero, 0, arena, delta, fan_out, 1, theta, W, 1, fan_out, n, fan_in, fan_out, panel)
            delta, other = other, delta


# --- what oracles add, and what is watched --------------------------------------------------------

L2, CLIP_VALUE, CLIP_NORM = range(3)


@njit(error_model="numpy", nogil=True, fastmath={"reassoc", "contract"})
def squares(g, scale):
    total = 0.0
    for i in range(len(g)):
        x = np.float64(g[i]) * scale
        total += x * x
    return total


@njit(**PART)
def length(g):
    """The Euclidean norm; squares too large to hold are avoided."""
    total = squares(g, 1.0)
    if total < inf or not finite(g):
        return sqrt(total)
    largest = 0.0
    for i in range(len(g)):
        largest = max(largest, np.float64(abs(g[i])))
    return largest * np.sqrt(squares(g, 1.0 / largest))


@njit(**JIT)
def change(g, theta, kinds, amounts):
    """What `optlib.oracles.l2` and `clipped` do to a gradient, the innermost first."""
    for c in range(len(kinds)):
        amount = F(amounts[c])
        if kinds[c] == L2:
            for i in range(len(g)):
                g[i] += amount * theta[i]
        elif kinds[c] == CLIP_VALUE:
            for i in range(len(g)):
                g[i] = minimum(maximum(g[i], -amount), amount)
        else:
            norm = length(g)
            if norm >= amounts[c]:
                factor = F(amounts[c] / norm)
                for i in range(len(g)):
                    g[i] *= factor


@njit(**JIT)
def finite(array):
    bad = False
    for i in range(len(array)):
        bad |= array[i] - array[i] != F(0.0)
    return not bad
