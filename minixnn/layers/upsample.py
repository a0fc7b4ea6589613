"""Making images larger: each output pixel is a mixture of input pixels near its place.

Rows and columns are mixed one after the other, so the layer is two matrix products. A row of each matrix says of which
pixels an output pixel is made; output pixel i lies at the place p(i) between those of the input:

    p(i) = (i + 1/2) n / m - 1/2            pixels are little squares, and the squares' outer edges stay together
    p(i) = i (n - 1) / (m - 1)              align_corners: the centres of the corner pixels stay together
    nearest:  floor(i n / m)                nearest-exact:  floor((i + 1/2) n / m)
"""
from typing import Any

import numpy as np

from minixnn.arrays import Array, like
from minixnn.layers.base import Affine, expect_rank
from minixnn.layers.windows import pair

MOST_PIXELS = 2 ** 15            # on a side of what comes out
MODES = ("nearest", "nearest-exact", "bilinear")


class Upsample(Affine):
    """x (N, H, W, C), y (N, *size, C), or (N, H scale, W scale, C) rounded down. Smaller images may come out, too.

    scale: a number or (down, across). mode: "nearest", "nearest-exact" or "bilinear", as torch names them. Rules that
    re-weight a layer keep its mixture: flat and w_square share by it.
    """
    preserves_sign = True

    W, b = np.float64(1), None                  # used as float(W), which leaves float32 images float32

    def __init__(self, scale: Any = None, size: int | tuple[int, int] | None = None,
                 mode: str = "nearest", align_corners: bool = False) -> None:
        if (scale is None) == (size is None):
            raise ValueError(f"Upsample got scale={scale!r} and size={size!r}, expected one of the two")
        if mode not in MODES:
            raise ValueError(f"Upsample got mode={mode!r}, expected one of {', '.join(MODES)}")
        if align_corners and mode != "bilinear":
            raise ValueError(f"Upsample got align_corners with mode={mode!r}, expected it with 'bilinear' only")
        self.scale = None if scale is None else tuple(map(float, scale if np.ndim(scale) else (scale, scale)))
        if self.scale is not None and not (len(self.scale) == 2 and 0 < min(self.scale) <= max(self.scale) < np.inf):
            raise ValueError(f"Upsample got scale={scale!r}, expected a number above 0 or a pair of them")
        self.size = None if size is None else pair(size, "size")
        self.mode, self.align_corners = mode, align_corners

    def settings(self) -> dict[str, Any]:
        return {"scale": self.scale, "size": self.size, "mode": self.mode, "align_corners": self.align_corners}

    def arrays(self) -> dict[str, Array]:
        return {}                               # nothing to learn, nothing to save

    def mixtures(self, x: Array) -> list[Array]:
        """Two matrices, (h, H) and (w, W), whose rows sum to 1."""
        expect_rank(self, x, 4, "(images, height, width, channels)")
        matrices = []
        for axis, n in enumerate(x.shape[1:3]):
            m = self.size[axis] if self.size else int(n * self.scale[axis])
            if m > MOST_PIXELS:
                raise ValueError(f"{self!r} got images of {x.shape[1]} x {x.shape[2]} pixels, would make {m} of {n}, "
                                 f"expected at most {MOST_PIXELS} on a side")
            if m < 1:
                raise ValueError(f"{self!r} got images of {x.shape[1]} x {x.shape[2]} pixels, of which nothing is left")
            even = self.mode == "nearest" and m in (n, 2 * n)               # torch takes the sizes then, not the scale
            step = n / m if self.size or even else 1 / self.scale[axis]
            matrices.append(like(x, self.mixture(n, m, step).astype(x.dtype)))
        return matrices

    def mixture(self, n: int, m: int, step: float) -> Array:
        """The weights (m, n) of the n old pixels of a row or column in each of the m new ones."""
        i, old = np.arange(m), np.arange(n)
        if self.mode != "bilinear":
            shift = 0.5 if self.mode == "nearest-exact" else 0
            return old == np.minimum(np.floor((i + shift) * step), n - 1)[:, None]
        place = i * ((n - 1) / max(m - 1, 1)) if self.align_corners else (i + 0.5) * step - 0.5
        return np.maximum(0, 1 - abs(np.clip(place, 0, n - 1)[:, None] - old))          # a tent of width 1 either side

    def forward(self, x: Array) -> Array:
        rows, columns = self.mixtures(x)
        N, H, Wd, C = x.shape
        y = (rows @ x.reshape(N, H, Wd * C)).reshape(N, -1, Wd, C)          # (h, H) @ (N, H, W C)
        return columns @ y * float(self.W)                                  # (w, W) @ (N, h, W, C)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        rows, columns = self.mixtures(x)
        dx = columns.T @ (dy * float(self.W))                               # (W, w) @ (N, h, w, C)
        return (rows.T @ dx.reshape(len(x), len(rows), -1)).reshape(x.shape)
