"""Channels first and channels last: shapes and padding on both sides.

Other frameworks store images as (N, C, H, W); here they are (N, H, W, C).
"""
from __future__ import annotations

import numpy as np

from minixnn.arrays import Array


def output_from_channels_first(y: Array, rank: int) -> Array:
    """An output of the other side as `build.Builder.output` has it: images with their channels last, and what has as
    many axes as an input, `rank`; anything else as it is."""
    return np.moveaxis(y, 1, -1) if y.ndim in (4, rank) else y


def size_unknown(why: str) -> ValueError:
    """The refusal of what depends on a size that neither the file nor its user says. why: what does, in words."""
    return ValueError(f"{why}; give input_shape=(channels, height, width), the shape of one input as the file sees it")


def overhang(pixels: int, kernel: int, stride: int, before: int, after: int | None = None) -> int:
    """Pixels that a window may stick out behind the padded image when sizes are rounded up ("ceil mode").

    before, after: the padding at both ends, of the same size unless said otherwise. Sizes are rounded up unless the
    last window would then start behind the image: it would see nothing real.
    """
    free = pixels + before + (before if after is None else after) - kernel
    windows = -(-free // stride) + 1
    if (windows - 1) * stride >= pixels + before:
        windows -= 1
    return max((windows - 1) * stride - free, 0)
