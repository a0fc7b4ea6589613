"""What each of our layers is in ONNX: BASIC[class name](w, layer, x, shape) -> the name of its output.

    w        `onnx_writer.OnnxWriter`: w.node("Relu", x) adds a node and returns the name of what it computes
    x        the name of what the layer reads, channels last as here
    shape    of one input, (H, W, C), (T, C) or (I,)

A convolution or a pool stands between two transpositions; where two of them meet, neither is written.
"""
from typing import Any

import numpy as np

from minixnn.arrays import to_numpy


def _images(write):
    """A writer for tensors (N, C, H, W) as one for (N, H, W, C)."""
    def around(w, layer, x, shape):
        rank = len(shape) + 1
        return w.channels_last(write(w, layer, w.channels_first(x, rank), shape), rank)
    return around


def _kept(write):
    """A writer of an elementwise layer, which takes x with the channels first where x exists so."""
    def around(w, layer, x, shape):
        if x in w.first and len(shape) > 1:
            return w.channels_last(write(w, layer, w.first[x], shape), len(shape) + 1)
        return write(w, layer, x, shape)
    return around


def _windows(layer, shape, explicit=False):
    """Where windows lie, as attributes. explicit: "same" in pixels, where ONNX or a runtime knows no better."""
    n, placed = len(shape) - 1, layer.image_layer() if hasattr(layer, "image_layer") else layer
    found, padding = {"strides": list(placed.stride)[:n]}, placed.padding
    if padding == "valid":
        return found
    if padding == "same":
        if not explicit:
            return {**found, "auto_pad": "SAME_UPPER"}
        padding, _ = placed.place(np.empty((1, *shape) if n == 2 else (1, shape[0], 1, shape[1]), np.float32))
    return {**found, "pads": [p for p, _ in padding[:n]] + [q for _, q in padding[:n]]}


def batch_of(w: Any, x: str) -> str:
    """How many inputs there are, (1,): known when the file is run."""
    return w.node("Slice", w.node("Shape", x), [0], [1])


def _bias(layer):
    return [] if layer.b is None else [layer.b]


def _conv(w, layer, x, shape):
    W, n = to_numpy(layer.W), len(shape) - 1
    dilations = np.broadcast_to(layer.dilation, n).tolist()
    return w.node("Conv", x, W.transpose(n + 1, n, *range(n)), *_bias(layer), group=layer.groups,
                  dilations=dilations, **_windows(layer, shape, explicit=max(dilations) > 1))


def _conv_transpose(w, layer, x, shape):
    return w.node("ConvTranspose", x, to_numpy(layer.W).transpose(2, 3, 0, 1), *_bias(layer),
                  output_padding=list(layer.output_padding), group=layer.groups, dilations=list(layer.dilation),
                  **_windows(layer, shape))


def _max_pool(w, layer, x, shape):
    return w.node("MaxPool", x, kernel_shape=list(layer.size), **_windows(layer, shape))


def _avg_pool(w, layer, x, shape):
    """A sum is an average that counts the padding, times the size of its window."""
    sums = type(layer).__name__ == "SumPool2d"
    counted = sums or layer.count_padding
    y = w.node("AveragePool", x, kernel_shape=list(layer.size), count_include_pad=int(counted),
               **_windows(layer, shape, explicit=counted))
    factor = float(layer.W) * (np.prod(layer.size) if sums else 1)
    return y if factor == 1 else w.node("Mul", y, w.number(factor))


def _mixed(w, x, rows, columns):
    """Rows and columns of (N, C, H, W) mixed by a matrix each."""
    return w.node("MatMul", w.number(rows), w.node("MatMul", x, w.number(columns).T))


def _adaptive(w, layer, x, shape):
    """The mean over windows of several sizes: rows and columns mixed by a matrix each."""
    matrices = []
    for n, size in zip(shape, layer.size):
        starts, ends = (np.arange(size) * n // size, -(-(np.arange(size) + 1) * n // size))
        inside = (np.arange(n) >= starts[:, None]) & (np.arange(n) < ends[:, None])
        matrices.append(inside / inside.sum(axis=1, keepdims=True))
    return _mixed(w, x, *matrices)


def _upsample(w, layer, x, shape):
    places, nearest = {"nearest": ("asymmetric", "floor"), "nearest-exact": ("half_pixel", "round_prefer_ceil"),
                       "bilinear": ("align_corners" if layer.align_corners else "half_pixel", "floor")}[layer.mode]
    scales = np.array([1, 1, *layer.scale] if layer.size is None else [], np.float32)
    sizes = [] if layer.size is None else [[-1, shape[-1], *layer.size]]
    if sizes:                                               # the size of a batch is whatever it is
        sizes = [w.node("Concat", batch_of(w, x), [shape[-1], *layer.size], axis=0)]
    return w.node("Resize", x, None, scales if layer.size is None else None, *sizes, nearest_mode=nearest,
                  coordinate_transformation_mode=places, mode="linear" if layer.mode == "bilinear" else "nearest")


def _global(kind):
    def write(w, layer, x, shape):
        return w.node(kind, x, axes=list(range(1, len(shape))), keepdims=0)
    return write


def _dense(w, layer, x, shape):
    y = w.node("MatMul", x, layer.W)
    return y if layer.b is None else w.node("Add", y, layer.b)


def _scale(w, layer, x, shape):
    y = w.node("Mul", x, layer.W)
    return y if layer.b is None else w.node("Add", y, layer.b)


def _prepare(w, layer, x, shape):
    return w.node("Div", w.node("Sub", x, layer.mean), layer.std)


def _batch_norm(w, layer, x, shape):
    return w.node("BatchNormalization", x, layer.gamma, layer.beta, layer.mean, layer.variance, epsilon=layer.epsilon,
                  momentum=1 - layer.momentum)


def _layer_norm(w, layer, x, shape):
    sizes = [shape[axis] for axis in layer.axes]
    gamma = np.ones(sizes, w.dtype) if layer.gamma is None else layer.gamma
    if type(layer).__name__ == "LayerNorm":
        return w.node("LayerNormalization", x, gamma, *([] if layer.beta is None else [layer.beta]),
                      axis=-len(layer.axes), epsilon=layer.epsilon)
    mean = w.node("ReduceMean", w.node("Mul", x, x), axes=list(layer.axes), keepdims=1)
    y = w.node("Div", x, w.node("Sqrt", w.node("Add", mean, w.number(layer.epsilon))))
    y = w.node("Mul", y, gamma)
    return y if layer.beta is None else w.node("Add", y, layer.beta)


def _group_norm(w, layer, x, shape):
    """As torch exports it: groups as channels of an instance normalisation, then gamma and beta."""
    one = np.ones(layer.groups, w.dtype)
    y = w.node("Reshape", x, [0, layer.groups, -1])
    y = w.node("InstanceNormalization", y, one, one * 0, epsilon=layer.epsilon)
    y = w.node("Reshape", y, [0, shape[-1], *shape[:-1]])
    wide = (-1, *[1] * (len(shape) - 1))
    for kind, array in (("Mul", layer.gamma), ("Add", layer.beta)):
        y = y if array is None else w.node(kind, y, to_numpy(array).reshape(wide))
    return y


def _local_response_norm(w, layer, x, shape):
    if layer.size % 2 == 0:
        raise ValueError("a window of an even number of channels has no counterpart in ONNX")
    return w.node("LRN", x, size=layer.size, alpha=layer.alpha, beta=layer.beta, bias=float(layer.k))


def _simple(kind, **names):
    """One node; names: {its attribute: ours}"""
    return lambda w, layer, x, shape: w.node(kind, x, **{
        theirs: getattr(layer, ours) for theirs, ours in names.items()})


def _clip(w, layer, x, shape):
    return w.node("Clip", x, *(None if bound is None else w.number(bound) for bound in (layer.low, layer.high)))


def _prelu(w, layer, x, shape):
    return w.node("PRelu", x, to_numpy(layer.a))


def _gelu(w, layer, x, shape):
    """x (1 + f) / 2, with f = erf(x / sqrt 2) or tanh(sqrt(2 / pi) (x + 0.044715 x^3))."""
    if layer.approximate == "tanh":
        cube = w.node("Mul", w.node("Mul", w.node("Mul", x, x), x), w.number(0.044715))
        f = w.node("Tanh", w.node("Mul", w.node("Add", x, cube), w.number((2 / np.pi) ** 0.5)))
    else:
        f = w.node("Erf", w.node("Mul", x, w.number(0.5 ** 0.5)))
    return w.node("Mul", w.node("Mul", x, w.node("Add", f, w.number(1))), w.number(0.5))


def _softplus(w, layer, x, shape):
    if layer.beta == 1:
        return w.node("Softplus", x)
    return w.node("Div", w.node("Softplus", w.node("Mul", x, w.number(layer.beta))), w.number(layer.beta))


BASIC = {
    "Dense": _dense, "Conv2d": _images(_conv), "Conv1d": _images(_conv), "ConvTranspose2d": _images(_conv_transpose),
    "MaxPool2d": _images(_max_pool), "AvgPool2d": _images(_avg_pool), "SumPool2d": _images(_avg_pool),
    "AdaptiveAvgPool2d": _images(_adaptive), "GlobalAvgPool": _global("ReduceMean"),
    "GlobalMaxPool": _global("ReduceMax"), "BatchNorm2d": _images(_batch_norm), "ChannelScale": _scale,
    "Prepare": _prepare,
    "LayerNorm": _layer_norm, "RMSNorm": _layer_norm, "GroupNorm": _images(_group_norm),
    "LocalResponseNorm": _images(_local_response_norm), "Upsample": _images(_upsample), "PReLU": _prelu,
    "Clip": _kept(_clip), "ReLU6": _kept(_clip), "GELU": _kept(_gelu), "Softplus": _kept(_softplus),
    **{kind: _kept(_simple(theirs)) for kind, theirs in (
        ("ReLU", "Relu"), ("Sigmoid", "Sigmoid"), ("Tanh", "Tanh"), ("SELU", "Selu"), ("Hardswish", "HardSwish"))},
    "LeakyReLU": _kept(_simple("LeakyRelu", alpha="slope")), "ELU": _kept(_simple("Elu", alpha="alpha")),
    "Hardsigmoid": _kept(lambda w, layer, x, shape: w.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
    "SiLU": _kept(lambda w, layer, x, shape: w.node("Mul", x, w.node("Sigmoid", x))),
    "Mish": _kept(lambda w, layer, x, shape: w.node("Mul", x, w.node("Tanh", w.node("Softplus", x))))}
