r"""A language model of characters: a small transformer, written out forwards and backwards, to be read in one sitting.

It reads a window of characters and says, at each place, which character comes next. What follows a place stays hidden
from it. Each of its layers adds two things to what it was given: a mean over the places so far, weighted by
*attention*, and a small network of two matrices. There are no biases and no gains; a *row* is one place of one window.

>>> model = Transformer(3, context=4, width=8, heads=2, layers=1)
>>> X, y = np.array([[0, 1, 2, 0]]), np.array([[1, 2, 0, 1]])
>>> theta = model.init(seed=0)
>>> bool(abs(model.loss(theta, X, y) - np.log(3)) < 1e-12)  # it knows nothing yet: three characters, equally likely
True
>>> for _ in range(50):
...     theta = theta - 0.3 * model.grad(theta, X, y)
>>> model.logits(theta, X)[0].argmax(axis=1)
array([1, 2, 0, 1])
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._inputs import guard, whole
from .parts import Part

EPS = 1e-6  # keeps the norm of a row of zeros from dividing by 0


class Transformer:
    r"""Mean cross-entropy, in nats a character, of the next one, for windows of characters counted from 0.

    Each row is scaled first, :math:`n(x) = x \sqrt d / \lVert x\rVert`. A layer is then
    :math:`x \leftarrow x + A v\,W_{out}` with :math:`(q, k, v) = n(x) W_{qkv}` and, for each head by itself,
    :math:`A = \mathrm{softmax}(q k^\top\!/\sqrt{d_{head}})` over the places so far; and after that
    :math:`x \leftarrow x + \max(n(x) W_{up}, 0)^2\, W_{down}`. In the end :math:`n(x) W_{head}` holds the logits.

    Parameters
    ----------
    vocabulary : number of characters, 2 or more. context : places of a window, at most
    width : numbers in a row, d. heads : it must divide the width. layers : how many

    Sources: Vaswani et al. (2017); Zhang & Sennrich (2019), the norm; So et al. (2021), the squared rectifier.
    """

    def __init__(self, vocabulary: int, context: int = 32, width: int = 48, heads: int = 3, layers: int = 2):
        self.vocabulary, self.context = whole(vocabulary, "vocabulary", 2), whole(context, "context")
        self.width, self.heads, self.layers = whole(width, "width"), whole(heads, "heads"), whole(layers, "layers")
        if width % heads:
            raise ValueError(f"heads={heads} does not divide width={width}: each head takes its share of a row")
        d = self.width
        inside: dict[str, tuple[int, int]] = {}
        for i in range(layers):
            inside |= {f"qkv{i}": (d, 3 * d), f"out{i}": (d, d), f"up{i}": (d, 4 * d), f"down{i}": (4 * d, d)}
        shapes = {"token": (vocabulary, d), "place": (context, d), **inside, "head": (d, vocabulary)}
        kinds, self.size = {"token": "input", "place": "input", "head": "output"}, 0
        self._parts: dict[str, Part] = {}
        for name, (a, b) in shapes.items():
            self._parts[name] = Part(slice(self.size, self.size + a * b), (a, b), kinds.get(name, "hidden"))
            self.size += a * b

    def parts(self) -> dict[str, Part]:
        """Where each matrix lies in theta: its name, and (slice, shape, kind); the kind is input, hidden or output."""
        return dict(self._parts)

    def unpack(self, theta: ArrayLike) -> dict[str, NDArray]:
        """The matrices as views of theta, by name: what is written into them is written into theta."""
        theta = np.asarray(theta)
        if theta.shape != (self.size,):
            raise ValueError(f"theta has shape {theta.shape}, but this model needs ({self.size},)")
        return {name: theta[where].reshape(shape) for name, (where, shape, _) in self._parts.items()}

    def init(self, seed: int = 0, dtype: Any = float) -> NDArray:
        """A start, of shape (d,): what a layer adds, and the logits, are 0 at first; all else is normal and small."""
        rng, theta = np.random.default_rng(seed), np.zeros(self.size, dtype)
        for name, W in self.unpack(theta).items():
            if name in ("token", "place"):
                W[...] = 0.02 * rng.standard_normal(W.shape)
            elif name.startswith(("qkv", "up")):
                W[...] = rng.standard_normal(W.shape) / np.sqrt(self.width)
        return theta

    def loss(self, theta: ArrayLike, X: ArrayLike, y: ArrayLike) -> float:
        """The mean. theta : of shape (d,). X : of shape (n, places). y : the next characters, in X's shape."""
        return float(self.losses(theta, X, y).mean())

    def losses(self, theta: ArrayLike, X: ArrayLike, y: ArrayLike) -> NDArray:
        """The cross-entropy at each place, of shape (n, places)."""
        return -np.take_along_axis(_log_softmax(self.logits(theta, X)), self._ids(y, "y", X)[..., None], -1)[..., 0]

    def logits(self, theta: ArrayLike, X: ArrayLike) -> NDArray:
        """The logits of the next character at each place, of shape (n, places, vocabulary)."""
        ids = self._ids(X, "X")
        return self._forward(self.unpack(theta), ids)[0].reshape(*ids.shape, -1)

    def _ids(self, X: ArrayLike, name: str, like: ArrayLike | None = None) -> NDArray:
        """Windows as whole numbers; an oracle gives them as floats."""
        ids = np.asarray(X)
        if ids.ndim != 2 or not 0 < ids.shape[1] <= self.context or not len(ids):
            raise ValueError(f"{name} has shape {ids.shape}: windows must be (n, places), 1 ≤ places ≤ {self.context}")
        if like is not None and ids.shape != np.shape(like):
            raise ValueError(f"{name} has shape {ids.shape}, but X has shape {np.shape(like)}: they must be equal")
        whole_ids = ids.astype(np.intp)
        if (whole_ids != ids).any() or whole_ids.min() < 0 or whole_ids.max() >= self.vocabulary:
            raise ValueError(f"{name} holds other than whole numbers from 0 to {self.vocabulary - 1}, the vocabulary")
        return whole_ids

    # --- forwards and backwards: the two halves mirror each other, line by line ----------------------------------

    def _forward(self, W: dict[str, NDArray], X: NDArray) -> tuple[NDArray, list[tuple]]:
        """The logits of all rows, and what the way back needs of each layer."""
        n, places = X.shape
        later = np.triu(np.ones((places, places), bool), 1)
        x, passes = W["token"][X.ravel()] + np.tile(W["place"][:places], (n, 1)), []
        for i in range(self.layers):
            h, r = _norm(x)
            q, k, v = self._split(h @ W[f"qkv{i}"], n)
            A = q @ k.swapaxes(2, 3)
            A *= q.shape[-1] ** -0.5
            A[..., later] = -np.inf
            A = np.exp(A - A.max(axis=-1, keepdims=True), out=A)
            A /= A.sum(axis=-1, keepdims=True)
            o = self._joined(A @ v)
            x = x + o @ W[f"out{i}"]
            g, s = _norm(x)
            u = np.maximum(g @ W[f"up{i}"], 0)
            x = x + (u * u) @ W[f"down{i}"]
            passes.append((h, r, q, k, v, A, o, g, s, u))
        f, r = _norm(x)
        return f @ W["head"], [*passes, (f, r)]

    def grad(self, theta: ArrayLike, X: ArrayLike, y: ArrayLike) -> NDArray:
        """Gradient of `loss`, of shape (d,): the chain rule from the last line of the forward pass to its first."""
        W, X = self.unpack(theta), self._ids(X, "X")
        n, places = X.shape
        z, passes = self._forward(W, X)
        gradient = np.zeros(self.size, z.dtype)
        G = self.unpack(gradient)
        dz = np.exp(_log_softmax(z))
        dz[np.arange(len(z)), self._ids(y, "y", X).ravel()] -= 1
        dz /= len(z)
        f, r = passes.pop()
        G["head"][...] = f.T @ dz
        dx = _norm_back(dz @ W["head"].T, f, r)
        for i in reversed(range(self.layers)):
            h, r, q, k, v, A, o, g, s, u = passes.pop()
            G[f"down{i}"][...] = (u * u).T @ dx
            du = 2 * u * (dx @ W[f"down{i}"].T)
            G[f"up{i}"][...] = g.T @ du
            dx = dx + _norm_back(du @ W[f"up{i}"].T, g, s)
            G[f"out{i}"][...] = o.T @ dx
            (do,) = self._split(dx @ W[f"out{i}"].T, n)
            dv, dA = A.swapaxes(2, 3) @ do, do @ v.swapaxes(2, 3)
            dA = A * (dA - (dA * A).sum(axis=-1, keepdims=True)) * q.shape[-1] ** -0.5
            dqkv = self._joined(dA @ k, dA.swapaxes(2, 3) @ q, dv)
            G[f"qkv{i}"][...] = h.T @ dqkv
            dx = dx + _norm_back(dqkv @ W[f"qkv{i}"].T, h, r)
        G["place"][:places] = dx.reshape(n, places, -1).sum(axis=0)
        G["token"][...] = (np.arange(self.vocabulary)[:, None] == X.ravel()).astype(dx.dtype) @ dx
        return gradient

    def _split(self, rows: NDArray, n: int) -> NDArray:
        """Rows of one or three times the width, cut into heads: (1 or 3, n, heads, places, width / heads)."""
        share = (rows.shape[1] // self.width, self.heads, self.width // self.heads)
        return rows.reshape(n, -1, *share).transpose(2, 0, 3, 1, 4)

    def _joined(self, *heads: NDArray) -> NDArray:
        """The same back: rows again."""
        return np.stack(heads).transpose(1, 3, 0, 2, 4).reshape(-1, len(heads) * self.width)


def _norm(x: NDArray) -> tuple[NDArray, NDArray]:
    """Rows whose mean square is 1, and the factor of each."""
    r = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS)
    return x * r, r


def _norm_back(slope: NDArray, y: NDArray, r: NDArray) -> NDArray:
    """The slope in x from that in y = norm(x): what lies along y is lost."""
    return r * (slope - y * (slope * y).mean(axis=-1, keepdims=True))


def _log_softmax(z: NDArray) -> NDArray:
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


guard(globals())
