"""Channels first and channels last: shapes, padding and types on both sides.

Other frameworks store images as (N, C, H, W); here they are (N, H, W, C).
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn.layers.base import Elementwise

if TYPE_CHECKING:
    from minixnn.layers.base import Layer


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


def dtype_of(layers: list[Layer]) -> type:
    """float64 if one of the layers' arrays has it, else float32."""
    arrays = [array for layer in layers for array in layer.arrays().values() if array is not None]
    return np.float64 if any(array.dtype == np.float64 for array in arrays) else np.float32


def shape_after(layer: Layer, shape: tuple[int, ...]) -> Any:
    """The shape of one output of our `layer` for inputs of `shape`.

    `shape` is (H, W, C), (T, C) or (I,). Sizes that are not known are None, as in (None, None, C), or it is None
    altogether; then as much is said as the kind of the layer tells. A known shape is found by trying, on zeros.
    """
    kind = type(layer).__name__
    if kind == "Dense":
        return (*shape[:-1], layer.W.shape[1]) if shape is not None and len(shape) > 1 else layer.W.shape[1:]
    if kind == "AdaptiveAvgPool2d":
        return (*layer.size, None if shape is None else shape[2])
    if shape is None or None in shape:
        channels = None if shape is None else shape[-1]
        return {"Conv2d": lambda: (None, None, layer.W.shape[3]), "Conv1d": lambda: (None, layer.W.shape[2]),
                "ConvTranspose2d": lambda: (None, None, layer.W.shape[3] * layer.groups),
                "GlobalAvgPool": lambda: channels and (channels,), "GlobalMaxPool": lambda: channels and (channels,),
                "Flatten": lambda: None}.get(kind, lambda: shape)()
    if isinstance(layer, Elementwise) or kind in ("Dropout", "BatchNorm2d", "ChannelScale"):
        return shape
    whole = getattr(layer, "takes_integers", False)
    return layer.forward(np.zeros((1, *shape), np.int64 if whole else np.float32)).shape[1:]
