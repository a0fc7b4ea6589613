"""The convolution along one axis: of sequences, signals, texts.

    for n, t: y[n, t] = sum over i, c of  x[n, t s + i d - before, c] W[i, c]  +  b            s stride, d dilation

A sequence of T steps is computed as an image of T x 1 pixels, so that all that is said in `conv.py` holds here.
"""
from typing import Any

import numpy as np

from minixnn.arrays import Array
from minixnn.layers.base import Affine, expect_arrays, expect_rank
from minixnn.layers.conv import Conv2d, check_kernel
from minixnn.layers.dense import draw
from minixnn.layers.windows import check_padding


class Conv1d(Affine):
    """x (N, T, C), W (k, C / groups, O), b (O,) or None, y (N, To, O)

    padding: "valid", "same", a whole number of steps on either side, or (before, after).
    """

    def __init__(self, W: Array, b: Array | None = None, stride: int = 1, padding: Any = "same", dilation: int = 1,
                 groups: int = 1) -> None:
        expect_arrays(b, weights=[W])
        if W.ndim != 3:
            raise ValueError(f"Conv1d got weights of shape {W.shape}, expected 3 axes (steps, channels in / groups, "
                             "channels out)")
        check_kernel(self, W[:, None], b, groups)
        if not isinstance(padding, str):
            before, after = (padding, padding) if hasattr(padding, "__index__") else padding
            padding = check_padding(((before, after), (0, 0)))[0]
        self.W, self.b, self.padding, self.groups = W, b, padding, groups
        self.stride, self.dilation = (n[0] if isinstance(n, tuple) and n else n for n in (stride, dilation))
        self.image_layer()                      # which refuses a wrong stride, padding or dilation

    @classmethod
    def random(cls, size: int, channels_in: int, channels_out: int, rng: np.random.Generator, bias: bool = True,
               stride: int = 1, padding: Any = "same", init: str = "he", dtype: Any = np.float32, dilation: int = 1,
               groups: int = 1) -> "Conv1d":
        """A layer to train from: weights drawn by `init` from the Generator `rng`, bias zero (or none)."""
        C = channels_in // groups
        W = draw((size, C, channels_out), size * C, size * channels_out // groups, rng, init)
        b = np.zeros(channels_out, dtype) if bias else None
        return cls(W.astype(dtype), b, stride, padding, dilation, groups)

    def image_layer(self) -> Conv2d:
        """The same convolution of images of T x 1 pixels."""
        padding = self.padding if isinstance(self.padding, str) else (self.padding, (0, 0))
        return Conv2d(self.W[:, None], self.b, (self.stride, 1), padding, (self.dilation, 1), self.groups)

    def settings(self) -> dict[str, Any]:
        more = {"dilation": self.dilation, "groups": self.groups}
        return {"stride": self.stride, "padding": self.padding, **{k: v for k, v in more.items() if v != 1}}

    def forward(self, x: Array) -> Array:
        expect_rank(self, x, 3, "(sequences, steps, channels)")
        return self.image_layer().forward(x[:, :, None])[:, :, 0]           # (N, T, 1, C) -> (N, To, 1, O)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return self.image_layer().gradient(x[:, :, None], y[:, :, None], dy[:, :, None])[:, :, 0]

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        found = self.image_layer().parameter_gradients(x[:, :, None], dy[:, :, None])
        return {"W": found["W"][:, 0], "b": found["b"]}

    def __repr__(self):
        k, C, O = self.W.shape
        more = "".join(f", {name} {value}" for name, value in self.settings().items()
                       if name != "padding" and value != 1)
        bias = "" if self.b is not None else ", no bias"
        return f"Conv1d({k}, {C * self.groups} -> {O}{more}{bias})"
