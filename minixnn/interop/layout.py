"""Channels first and channels last: what has to move when a network changes sides.

Other frameworks store images as (N, C, H, W) and flatten them in that order; here they are (N, H, W, C). So the
axes of every kernel move, and the rows of the one dense layer that reads a flattened image are put in another order.
"""
import numpy as np

PLACED = ("Conv2d", "MaxPool2d", "AvgPool2d", "SumPool2d")      # windows at places that depend on the image's size


def kernel_from_channels_first(W):
    """(O, C, kh, kw) -> (kh, kw, C, O), a copy."""
    return np.ascontiguousarray(W.transpose(2, 3, 1, 0))


def kernel_to_channels_first(W):
    """(kh, kw, C, O) -> (O, C, kh, kw), a copy."""
    return np.ascontiguousarray(W.transpose(3, 2, 0, 1))


def rows_from_channels_first(W, image):
    """Rows of a dense layer's W (I, O), numbered c h w by the other side, in our order h w c. `image` is (H, W, C)."""
    H, Wd, C = image
    return np.ascontiguousarray(W.reshape(C, H, Wd, -1).transpose(1, 2, 0, 3).reshape(W.shape))


def rows_to_channels_first(W, image):
    """The reverse of `rows_from_channels_first`."""
    H, Wd, C = image
    return np.ascontiguousarray(W.reshape(H, Wd, C, -1).transpose(2, 0, 1, 3).reshape(W.shape))


def same_order(image):
    """True where flattening an image (H, W, C) gives one order on both sides: one channel, or one pixel."""
    return image is not None and (image[2] == 1 or image[:2] == (1, 1))


def overhang(pixels, kernel, stride, before, after=None):
    """Pixels that a window may stick out behind the padded image when sizes are rounded up ("ceil mode").

    before, after: the padding at both ends, of the same size unless said otherwise. Sizes are rounded up unless the
    last window would then start behind the image: it would see nothing real.
    """
    free = pixels + before + (before if after is None else after) - kernel
    windows = -(-free // stride) + 1
    if (windows - 1) * stride >= pixels + before:
        windows -= 1
    return max((windows - 1) * stride - free, 0)


def shape_after(layer, shape):
    """The shape of one output of our `layer` for inputs of `shape`, without computing anything.

    `shape` is (H, W, C) or (I,); sizes that are not known are None, as in (None, None, C) or None altogether.
    """
    kind = type(layer).__name__
    if kind == "Dense":
        return layer.W.shape[1:]
    if kind == "AdaptiveAvgPool2d":
        return (*layer.size, None if shape is None else shape[2])
    if kind == "Conv2d" and (shape is None or None in shape):
        return None, None, layer.W.shape[3]
    if shape is None or kind not in PLACED + ("GlobalAvgPool", "Flatten"):
        return shape
    if kind == "GlobalAvgPool":
        return shape[2:]
    if None in shape:
        return shape if kind in PLACED else None
    if kind == "Flatten":
        return (int(np.prod(shape)),)
    _, size = layer.place(np.empty((1, *shape), dtype=np.float32))          # place looks at the shape alone
    return (*size, layer.W.shape[3] if kind == "Conv2d" else shape[2])
