"""The fully connected layer."""
import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array
from minixnn.layers.base import Affine, expect_arrays


class Dense(Affine):
    """y = x @ W + b on the last axis.   x (N, ..., I), W (I, O), b (O,) or None, y (N, ..., O)

    >>> layer = Dense(np.array([[2.0], [-1.0]]), b=np.array([1.0]))
    >>> x = np.array([[1.0, 2.0]])
    >>> y = layer.forward(x)
    >>> y, layer.gradient(x, y, np.ones_like(y))
    (array([[1.]]), array([[ 2., -1.]]))
    """

    def __init__(self, W: Array, b: Array | None = None) -> None:
        expect_arrays(b, weights=[W])
        if W.ndim != 2:
            raise ValueError(f"Dense got weights of shape {W.shape}, expected 2 axes (inputs, outputs)")
        if 0 in W.shape:
            raise ValueError(f"Dense got weights of shape {W.shape}, expected at least one input and one output")
        if b is not None and b.shape != W.shape[1:]:
            raise ValueError(f"Dense got a bias of shape {b.shape}, expected one number per output: {W.shape[1:]}")
        self.W, self.b = W, b

    @classmethod
    def random(cls, inputs: int, outputs: int, rng: np.random.Generator, bias: bool = True, init: str = "he",
               dtype: DTypeLike = np.float32) -> "Dense":
        """A layer to train from: weights drawn by `init` from the Generator `rng`, bias zero (or none)."""
        W = draw((inputs, outputs), inputs, outputs, rng, init).astype(dtype)
        return cls(W, np.zeros(outputs, dtype) if bias else None)

    def forward(self, x: Array) -> Array:
        if x.ndim < 2 or x.shape[-1] != self.W.shape[0]:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {self.W.shape[0]} inputs on the last "
                             "axis; for images put a Flatten layer before it")
        # (N, ..., I) @ (I, O) -> (N, ..., O)
        return as_rows(x, self.W, self.b) if x.ndim > 3 else x @ self.W if self.b is None else x @ self.W + self.b

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return as_rows(dy, self.W.T) if dy.ndim > 3 else dy @ self.W.T  # (N, ..., O) @ (O, I) -> (N, ..., I)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        rows, d_rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        return {"W": rows.T @ d_rows,           # (I, rows) @ (rows, O) -> (I, O)
                "b": None if self.b is None else d_rows.sum(axis=0)}

    def __repr__(self):
        bias = "" if self.b is not None else ", no bias"
        return f"Dense({self.W.shape[0]} -> {self.W.shape[1]}{bias})"


def as_rows(x: Array, W: Array, b: Array | None = None) -> Array:
    """x @ W + b of images and videos (N, H, W, C) as one product of all their pixels, each a row.

    By `@` alone NumPy multiplies each row of an image by itself, which takes up to four times as long.
    """
    y = x.reshape(-1, x.shape[-1]) @ W
    return (y if b is None else y + b).reshape(*x.shape[:-1], W.shape[1])


def draw(shape: tuple[int, ...], fan_in: int, fan_out: int, rng: np.random.Generator, init: str) -> Array:
    """Normal random weights of mean 0 and the variance under which signals keep their size.

    "he":     variance 2 / fan_in, for ReLU networks.  He et al. 2015, eq. 10.
    "glorot": variance 2 / (fan_in + fan_out), for tanh and linear outputs.  Glorot & Bengio 2010, eq. 12.
    """
    variances = {"he": 2 / fan_in, "glorot": 2 / (fan_in + fan_out)}
    if init not in variances:
        raise ValueError(f"got init={init!r}, expected one of {sorted(variances)}")
    return rng.normal(0.0, variances[init] ** 0.5, shape)
