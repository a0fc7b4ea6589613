"""Making images larger: each output pixel is a mixture of input pixels near its place.

Rows and columns are mixed one after the other, so the layer is two matrix products; of a sequence one, of a video
three. A row of each matrix says of which pixels an output pixel is made; output pixel i lies at the place p(i) between
those of the input:

    p(i) = (i + 1/2) n / m - 1/2            pixels are little squares, and the squares' outer edges stay together
    p(i) = i (n - 1) / (m - 1)              align_corners: the centres of the corner pixels stay together
    nearest:  floor(i n / m)                nearest-exact:  floor((i + 1/2) n / m)

Between pixels a mixture is linear, of the two nearest along an axis; or cubic, of four, some with weights below 0 (Keys
1981, equation 4, with a = -3/4). A place beyond the border has the pixel at the border.
"""
import math
from collections.abc import Sequence

import numpy as np

from minixnn.arrays import Array, like
from minixnn.layers.base import Fixed, expect_rank
from minixnn.layers.windows import AXES, pair

MOST_PIXELS = 2 ** 15            # on a side of what comes out
MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")


class Mixed(Fixed):
    """y = x, mixed along each axis of pixels by a matrix of its own. A subclass says by which, in `mixtures`.

    Rules that re-weight a layer keep its mixture: flat and w_square share by it.
    """
    preserves_sign = True

    def mixtures(self, x: Array) -> list[Array]:
        """A matrix (m, n) for each axis of pixels."""
        raise NotImplementedError(f"{type(self).__name__}.mixtures")

    def forward(self, x: Array) -> Array:
        y = x
        for axis, matrix in enumerate(self.mixtures(x), start=1):
            y = mix(matrix, y, axis)
        return y * float(self.W)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        for axis, matrix in enumerate(self.mixtures(x), start=1):
            dy = mix(matrix.T, dy, axis)
        return dy * float(self.W)


def mix(matrix: Array, x: Array, axis: int) -> Array:
    """The matrix (m, n) times x, along this axis of n."""
    before, after = x.shape[:axis], x.shape[axis + 1:]
    return (matrix @ x.reshape(math.prod(before), -1, math.prod(after))).reshape(*before, len(matrix), *after)


class Upsample(Mixed):
    """y = images of another size. x (N, H, W, C), y (N, *size, C), or (N, H scale, W scale, C) rounded down.

    Smaller images may come out, too. scale: a number or (down, across); one number in a tuple for sequences, three for
    videos; size likewise. mode: "nearest", "nearest-exact", "bilinear" or "bicubic", as torch names them for images.
    """

    def __init__(self, scale: float | Sequence[float] | None = None, size: int | tuple[int, ...] | None = None,
                 mode: str = "nearest", align_corners: bool = False) -> None:
        if (scale is None) == (size is None):
            raise ValueError(f"Upsample got scale={scale!r} and size={size!r}, expected one of the two")
        if mode not in MODES:
            raise ValueError(f"Upsample got mode={mode!r}, expected one of {', '.join(MODES)}")
        if align_corners and mode not in ("bilinear", "bicubic"):
            raise ValueError(f"Upsample got align_corners with mode={mode!r}, expected it with 'bilinear' or 'bicubic'")
        self.scale = None if scale is None else tuple(map(float, np.broadcast_to(scale, np.shape(scale) or (2,))))
        if self.scale is not None and not (len(self.scale) in AXES and 0 < min(self.scale) <= max(self.scale) < np.inf):
            raise ValueError(f"Upsample got scale={scale!r}, expected a number above 0 or a pair of them")
        self.size = None if size is None else pair(size, "size", rank=2 if hasattr(size, "__index__") else len(size))
        self.mode, self.align_corners = mode, align_corners
        self.preserves_sign = mode != "bicubic"

    def mixtures(self, x: Array) -> list[Array]:
        """(h, H) and (w, W), whose rows sum to 1."""
        size, scale, matrices = self.size or (), self.scale or (), []
        rank = len(size or scale)
        expect_rank(self, x, rank + 2, AXES[rank])
        pixels = " x ".join(map(str, x.shape[1:-1]))
        for axis, n in enumerate(x.shape[1:-1]):
            m = size[axis] if size else int(n * scale[axis])
            if m > MOST_PIXELS:
                raise ValueError(f"{self!r} got images of {pixels} pixels, would make {m} of {n}, "
                                 f"expected at most {MOST_PIXELS} on a side")
            if m < 1:
                raise ValueError(f"{self!r} got images of {pixels} pixels, of which nothing is left")
            even = self.mode == "nearest" and m in (n, 2 * n)               # torch takes the sizes then, not the scale
            step = n / m if size or even else 1 / scale[axis]
            matrices.append(like(x, self.mixture(n, m, step).astype(x.dtype)))
        return matrices

    def mixture(self, n: int, m: int, step: float) -> Array:
        """The weights (m, n) of the n old pixels of a row or column in each of the m new ones."""
        i, old = np.arange(m), np.arange(n)
        if self.mode.startswith("nearest"):
            shift = 0.5 if self.mode == "nearest-exact" else 0
            return old == np.minimum(np.floor((i + shift) * step), n - 1)[:, None]
        place = i * ((n - 1) / max(m - 1, 1)) if self.align_corners else (i + 0.5) * step - 0.5
        if self.mode == "bilinear":
            return np.maximum(0, 1 - abs(np.clip(place, 0, n - 1)[:, None] - old))      # a tent of width 1 either side
        matrix, first = np.zeros((m, n)), np.floor(place).astype(int) - 1
        for pixel in (first, first + 1, first + 2, first + 3):
            d = abs(place - pixel)
            near, far = (1.25 * d - 2.25) * d * d + 1, -0.75 * (((d - 5) * d + 8) * d - 4)
            matrix[i, np.clip(pixel, 0, n - 1)] += np.where(d <= 1, near, far)
        return matrix
