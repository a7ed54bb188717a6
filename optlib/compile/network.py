"""JavaScript of a network: `optlib.models.MLP`'s own way forward and back, recorded as it runs and written as loops.

A recorded array knows where it lies instead of what it holds. The model computes with it as with any other, and each
operation that reaches it, a product of matrices, a sum, an activation, becomes a loop over ``Float64Array``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..models import MLP, Layer
from .source import CannotCompile

_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "greater": ">"}
_CALLS = {"tanh": "Math.tanh", "maximum": "Math.max", "sqrt": "Math.sqrt", "exp": "Math.exp"}


def network(model: MLP, examples: int, places: int) -> str:
    """The body of an ECMAScript function that returns ``{ size, gradient(theta, X, y, slope), outputs(theta, X) }``.

    Parameters
    ----------
    model : a plain network: one output, the squared loss, neither normalised nor with units dropped
    examples : rows of X that `gradient` takes; it fills `slope`, of theta's length, and returns the loss
    places : rows of X that `outputs` takes; it returns as many numbers, in an array of its own

    Raises
    ------
    CannotCompile : another kind of network, with what it has.

    >>> text = network(MLP([2, 1], loss="squared"), examples=4, places=9)
    >>> print(text[text.index("function outputs") :].split("return")[0])
    function outputs(theta, X) {
      for (let i = 0; i < 9; i++) for (let j = 0; j < 1; j++) {
        let s = 0;
        for (let k = 0; k < 2; k++) s += X[i * 2 + k] * theta[k + j];
        a0[i + j] = s;
      }
      for (let i = 0; i < 9; i++) for (let j = 0; j < 1; j++) a0[i + j] = a0[i + j] + theta[2 + j];
    <BLANKLINE>
    """
    if model.kind != "squared" or model.sizes[-1] != 1 or model.batch_norm or model.dropout:
        raise CannotCompile(
            f"{model!r} has no JavaScript: give a network with one output, loss='squared', batch_norm=False and "
            "dropout=0"
        )
    there, back = _Program("a"), _Program("b")
    outputs: Any
    outputs, _ = model._forward(_layers(model, there, "theta"), there.array("X", (places, model.sizes[0])))
    parameters = _layers(model, back, "theta")
    found: Any
    found, passes = model._forward(parameters, back.array("X", (examples, model.sizes[0])))
    error = found - back.array("y", (examples, 1))
    squares = np.add.reduce(error * error, axis=-2)
    loss = squares * (0.5 / examples)
    error /= examples
    model._backward(parameters, passes, error, _layers(model, back, "slope"))
    return "\n".join([
        *there.buffers(), *back.buffers(),
        *there.function("outputs", ["theta", "X"], outputs.buffer),
        *back.function("gradient", ["theta", "X", "y", "slope"], f"{loss.buffer}[0]"),
        f"return {{ size: {model.size}, gradient, outputs }};",
    ]) + "\n"  # fmt: skip


class _Program:
    """What was done, line by line, and the buffers it was done in."""

    def __init__(self, letter: str):
        self.letter = letter
        self.lines: list[str] = []
        self.sizes: list[int] = []

    def array(self, buffer: str, shape: Sequence[int], offset: int = 0) -> Any:
        """What is given, row by row, beginning at an offset: a `_Recorded`, which the model takes for an array."""
        strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
        return _Recorded(self, buffer, tuple(shape), tuple(strides), offset)

    def fresh(self, shape: Sequence[int]) -> Any:
        self.sizes.append(int(np.prod(shape)))
        return self.array(f"{self.letter}{len(self.sizes) - 1}", shape)

    def buffers(self) -> list[str]:
        return [f"const {self.letter}{i} = new Float64Array({size});" for i, size in enumerate(self.sizes)]

    def function(self, name: str, arguments: Iterable[str], result: str) -> list[str]:
        return [f"function {name}({', '.join(arguments)}) {{", *self.lines, f"  return {result};", "}"]


class _Recorded(NDArrayOperatorsMixin):
    """An array that only knows its place: a buffer, and how far apart its rows and columns are."""

    dtype = np.dtype(float)

    def __init__(self, program: _Program, buffer: str, shape: tuple, strides: tuple, offset: int):
        self.program, self.buffer, self.shape, self.strides, self.offset = program, buffer, shape, strides, offset

    def swapaxes(self, first: int, second: int) -> "_Recorded":
        shape, strides = [*self.shape], [*self.strides]
        for each in (shape, strides):
            each[first], each[second] = each[second], each[first]
        return _Recorded(self.program, self.buffer, tuple(shape), tuple(strides), self.offset)

    def __getitem__(self, key: Any) -> "_Recorded":
        if key != (..., None, slice(None)):
            raise CannotCompile(f"a network's array[{key!r}] has no JavaScript: a row is all that can be made of it")
        shape, strides = (*self.shape[:-1], 1, self.shape[-1]), (*self.strides[:-1], 0, self.strides[-1])
        return _Recorded(self.program, self.buffer, shape, strides, self.offset)

    def at(self, *letters: str, shape: tuple) -> str:
        """Its entry at an index, as ECMAScript; where it has one row, it is that row everywhere."""
        terms = [str(self.offset)] if self.offset else []
        for letter, size, own, stride in zip(
            letters[-len(self.shape) :], shape[-len(self.shape) :], self.shape, self.strides, strict=True
        ):
            if own == size and stride:
                terms.append(letter if stride == 1 else f"{letter} * {stride}")
        return f"{self.buffer}[{' + '.join(terms) or 0}]"

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (None,), **more: Any) -> Any:
        name, to = ufunc.__name__, out[0]
        if name == "matmul" and method == "__call__":
            left, right = inputs
            return self._matmul(left, right, to)
        if (name, method) == ("add", "reduce"):
            return self._reduced(to, **more)
        if method != "__call__" or name not in {**_SIGNS, **_CALLS}:
            raise CannotCompile(f"a network's {name}.{method} has no JavaScript")
        shape = np.broadcast_shapes(*(each.shape for each in inputs if isinstance(each, _Recorded)))
        to = self.program.fresh(shape) if to is None else to
        letters = ("i", "j")[-len(shape) :]
        given = [each.at(*letters, shape=shape) if isinstance(each, _Recorded) else repr(each) for each in inputs]
        value = f" {_SIGNS[name]} ".join(given) if name in _SIGNS else f"{_CALLS[name]}({', '.join(given)})"
        value = f"+({value})" if name == "greater" else value
        self.program.lines.append(f"  {_over(letters, shape)}{to.at(*letters, shape=shape)} = {value};")
        return to

    def _matmul(self, left: "_Recorded", right: "_Recorded", to: "_Recorded | None") -> "_Recorded":
        (n, inner), wide = left.shape, right.shape[-1]
        to = self.program.fresh((n, wide)) if to is None else to
        product = f"{left.at('i', 'k', shape=(n, inner))} * {right.at('k', 'j', shape=(inner, wide))}"
        return to._sum("ij", (n, wide), "k", inner, product)

    def _reduced(self, to: "_Recorded | None", axis: int) -> "_Recorded":
        n, wide = self.shape
        if axis != -2:
            raise CannotCompile(f"a network's sum over axis {axis} has no JavaScript: only that over the examples")
        to = self.program.fresh((wide,)) if to is None else to
        return to._sum("j", (wide,), "i", n, self.at("i", "j", shape=self.shape))

    def _sum(self, letters: str, shape: tuple, along: str, length: int, term: str) -> "_Recorded":
        """Each entry becomes the sum of a term along one letter."""
        self.program.lines += [
            f"  {_over(letters, shape)}{{", "    let s = 0;",
            f"    {_over(along, (length,))}s += {term};",
            f"    {self.at(*letters, shape=shape)} = s;", "  }",
        ]  # fmt: skip
        return self


def _over(letters: Sequence[str], shape: Sequence[int]) -> str:
    return "".join(f"for (let {x} = 0; {x} < {n}; {x}++) " for x, n in zip(letters, shape, strict=True))


def _layers(model: MLP, program: _Program, buffer: str) -> list[Layer]:
    """The model's matrices and shifts as they lie in a buffer of theta's length."""
    where = model.parts()
    named = ((where[f"W{i}"], where[f"b{i}"]) for i in range(1, len(model.sizes)))
    made: Any = ([program.array(buffer, part.shape, part.where.start) for part in pair] for pair in named)
    return [Layer(W, b, None) for W, b in made]
