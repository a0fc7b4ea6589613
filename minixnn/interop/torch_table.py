"""How torch spells the operations of `operations`, after `run_decompositions({})`."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from minixnn import layers as ours
from minixnn.interop import operations as op
from minixnn.interop.axes import Traced
from minixnn.interop.builder import Builder
from minixnn.interop.program import Places, Size, Varying
from minixnn.interop.recurrence import of_torch

ACTIVATIONS: dict[str, Callable[..., Any]] = {             # name: the layer, from torch's further arguments
    "relu": ours.ReLU, "relu6": ours.ReLU6, "sigmoid": ours.Sigmoid, "tanh": ours.Tanh, "silu": ours.SiLU,
    "mish": ours.Mish, "hardswish": ours.Hardswish, "hardsigmoid": ours.Hardsigmoid,
    "leaky_relu": lambda slope=0.01: ours.LeakyReLU(slope), "selu": ours.SELU,
    "gelu": lambda approximate="none": ours.GELU(approximate), "log_sigmoid": lambda: ours.Function("logsigmoid"),
    **{name: (lambda name=name: ours.Function(name)) for name in (
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "exp", "expm1", "log", "log1p",
        "sin", "sinh", "tan")},
    "sqrt": lambda: ours.Power(0.5), "rsqrt": lambda: ours.Power(-0.5), "reciprocal": lambda: ours.Power(-1),
    "square": lambda: ours.Power(2)}
NOTHING = ("clone", "alias", "contiguous", "detach", "lift_fresh_copy", "lift_fresh", "_assert_tensor_metadata")
TABLE: dict[str, Callable[..., Any]] = {}


def torch_name(*names: str) -> Callable:
    def enter(function: Callable) -> Callable:
        for name in names:
            TABLE[f"aten.{name}"] = function
        return function
    return enter


def _activation(make):
    return lambda b, x, *more, **kwargs: op.elementwise(b, op.traced(x), make(*more, **kwargs))


for _name, _make in ACTIVATIONS.items():
    TABLE[f"aten.{_name}"] = _activation(_make)
TABLE.update({f"aten.{_name}": (lambda b, x, *more, **kwargs: x) for _name in NOTHING})
TABLE.update({"aten.gru": of_torch(ours.GRU), "aten.lstm": of_torch(ours.LSTM), "aten.rnn_tanh": of_torch(ours.RNN),
              "aten.rnn_relu": of_torch(ours.RNN, activation="relu")})
TABLE["getitem"] = lambda b, values, place: values[place]


@torch_name("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def dropout(b: Builder, x: Traced, rate: float = 0.5, training: bool = False) -> Traced:
    if training and rate:
        raise ValueError(f"drops units with training={training}: it draws at random whenever it runs")
    return x


def pairs(sizes: Any, n: int) -> list[int]:
    """An argument that is one number for all axes, or one for each."""
    sizes = [sizes] if not isinstance(sizes, (list, tuple)) else list(sizes)
    return [int(k) for k in (sizes * n if len(sizes) == 1 else sizes)]


def around(padding: Any, n: int) -> list[tuple[int, int]]:
    return [(p, p) for p in pairs(padding, n)]


@torch_name("softplus")
def softplus(b: Builder, x: Traced, beta: float = 1, threshold: float = 20) -> Traced:
    return op.elementwise(b, x, ours.Softplus(float(beta)))


@torch_name("elu", "celu")
def elu(b: Builder, x: Traced, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Traced:
    if input_scale != 1:
        raise ValueError(f"input_scale={input_scale} is not supported")
    y = op.elementwise(b, x, ours.ELU(float(alpha)))
    return y if scale == 1 else op.multiply(b, y, scale)


TABLE["aten.celu"] = lambda b, x, alpha=1: op.divide(b, op.multiply(b, elu(b, op.divide(b, x, alpha)), alpha), 1)


@torch_name("prelu", "_prelu_kernel")
def prelu(b: Builder, x: Traced, slope: Any) -> Traced:
    slope = op.weights(slope).reshape(-1)
    x = op.numbers(b, x)
    if slope.size == 1:
        return b.through(x, ours.PReLU(slope))
    x, order = b.last(b.images(x, x.rank - 2) if x.rank > 2 else x, x.axes[1])
    return b.through(x, ours.PReLU(slope if order is None else slope[order]))


@torch_name("hardtanh", "clamp", "clip")
def clamp(b: Builder, x: Traced, low: Any = None, high: Any = None, min: Any = None, max: Any = None) -> Traced:
    return op.clip(b, x, low if min is None else min, high if max is None else max)


TABLE["aten.hardtanh"] = lambda b, x, low=-1.0, high=1.0: op.clip(b, x, low, high)
TABLE["aten.clamp_min"] = lambda b, x, low: op.clip(b, x, low, None)
TABLE["aten.clamp_max"] = lambda b, x, high: op.clip(b, x, None, high)
TABLE["aten.glu"] = lambda b, x, axis=-1: glu(b, x, axis)


def glu(b: Builder, x: Traced, axis: int) -> Traced:
    half = x.shape[axis] // 2
    a, gate = op.split(b, x, [half, half], axis)
    return op.multiply(b, a, op.elementwise(b, gate, ours.Sigmoid()))


for _names, _function in (
        (("add",), op.add), (("sub", "subtract"), op.subtract), (("mul", "multiply"), op.multiply),
        (("div", "true_divide"), op.divide), (("pow",), op.power), (("matmul", "mm", "bmm"), op.matmul),
        (("where",), op.where), (("expand",), op.expand), (("tile", "repeat"), op.repeat),
        (("permute",), op.transpose), (("transpose", "swapaxes"), op.swap), (("cat", "concat"), None),
        (("roll",), None), (("flip",), op.flip), (("select",), op.select)):
    for _name in _names:
        if _function is not None:
            TABLE[f"aten.{_name}"] = _function
TABLE.update({
    "aten.rsub": lambda b, x, y, alpha=1: op.subtract(b, y, x, alpha),
    "aten.neg": lambda b, x: op.multiply(b, x, -1.0),
    "aten.maximum": op.extreme, "aten.minimum": lambda b, x, y: op.extreme(b, x, y, smallest=True),
    "aten.addcmul": lambda b, x, y, z, value=1: op.add(b, x, op.multiply(b, y, z) if any(
        isinstance(v, Traced) for v in (y, z)) else np.asarray(y) * z, value),
    "aten.addmm": lambda b, c, x, y, beta=1, alpha=1: op.add(b, op.multiply(b, op.matmul(b, x, y), alpha), c, beta),
    "aten.baddbmm": lambda b, c, x, y, beta=1, alpha=1: TABLE["aten.addmm"](b, c, x, y, beta, alpha),
    "aten.lerp": lambda b, x, y, w: op.add(b, x, op.multiply(b, op.subtract(b, y, x), w)),
    "aten.linear": lambda b, x, W, bias=None: op.linear(b, op.traced(x), op.weights(W).T, bias),
    "aten.einsum": lambda b, equation, operands, path=None: op.einsum(b, equation, operands),
    "aten.cat": lambda b, values, axis=0: op.cat(b, values, axis),
    "aten.stack": lambda b, values, axis=0: op.stack(b, values, axis),
    "aten.view": lambda b, x, shape: op.reshape(b, x, shape),
    "aten.flatten": lambda b, x, start=0, end=-1: op.flatten(b, x, start, end),
    "aten.unsqueeze": lambda b, x, axis: op.unsqueeze(b, x, [axis]),
    "aten.squeeze": lambda b, x, axes=None: op.squeeze(b, x, None if axes is None else np.ravel(axes).tolist()),
    "aten.slice": lambda b, x, axis=0, start=None, stop=None, step=1: op.slice_(b, x, axis, start, stop, step),
    "aten.narrow": lambda b, x, axis, start, length: op.slice_(b, x, axis, start, start + length),
    "aten.unbind": lambda b, x, axis=0: [op.select(b, x, axis, n) for n in range(x.shape[axis])],
    "aten.roll": lambda b, x, shifts, axes=(): op.roll(b, x, np.ravel(shifts).tolist(), np.ravel(axes).tolist()),
    "aten.expand_as": lambda b, x, y: op.expand(b, x, y.shape),
    "aten.index_select": lambda b, x, axis, index: op.take(b, x, index, axis),
    "aten.embedding": lambda b, W, index, *more: op.embedding(b, W, index),
    "aten.masked_fill": lambda b, x, mask, value: op.where(b, mask, value, x),
    "aten.softmax": lambda b, x, axis, dtype=None: op.softmax(b, x, axis),
    "aten.log_softmax": lambda b, x, axis, dtype=None: op.softmax(b, x, axis, log=True),
    "aten.pixel_shuffle": lambda b, x, n: op.depth_to_space(b, x, n),
    "aten.pixel_unshuffle": lambda b, x, n: op.space_to_depth(b, x, n),
    "aten.channel_shuffle": lambda b, x, groups: channel_shuffle(b, x, groups),
})
TABLE.update({f"aten.{name}": TABLE["aten.view"] for name in ("reshape", "_unsafe_view", "view_copy")})
TABLE["aten.unflatten"] = lambda b, x, axis, sizes: op.reshape(
    b, x, [*_sizes(x)[:axis % x.rank], *sizes, *_sizes(x)[axis % x.rank + 1:]])
TABLE.update({f"aten.{name}": TABLE[f"aten.{name.strip('_')}"] for name in ("_softmax", "_log_softmax")})
TABLE["aten.native_channel_shuffle"] = TABLE["aten.channel_shuffle"]


def _sizes(x):
    return [Size(n, m) if n != m else n for n, m in zip(x.shape, x.other_shape)]


def channel_shuffle(b: Builder, x: Traced, groups: int) -> Traced:
    N, C, *rest = _sizes(x)
    y = op.swap(b, op.reshape(b, x, [N, groups, C // groups, *rest]), 1, 2)
    return op.reshape(b, y, [N, C, *rest])


@torch_name("chunk", "tensor_split", "split", "split_with_sizes")
def split(b: Builder, x: Traced, sizes: Any, axis: int = 0) -> list[Traced]:
    n = x.shape[axis]
    if not isinstance(sizes, (list, tuple)):
        sizes = [min(int(sizes), n - start) for start in range(0, n, int(sizes))]
    return op.split(b, x, sizes, axis)


TABLE["aten.chunk"] = lambda b, x, count, axis=0: split(b, x, -(-x.shape[axis] // count), axis)
TABLE["aten.tensor_split"] = lambda b, x, at, axis=0: op.split(
    b, x, [len(part) for part in np.array_split(np.arange(x.shape[axis]), at)], axis)


@torch_name("index")
def index(b: Builder, x: Any, places: list) -> Traced:
    if not isinstance(x, Traced):
        given = [place for place in places if place is not None]
        if len(given) == 1 and isinstance(given[0], Traced) and np.ndim(x) == 2 and places[0] is not None:
            return op.embedding(b, x, given[0])
        raise ValueError("looks places up in a constant that are computed from the input, expected one table of rows")
    if any(isinstance(place, (Traced, Varying)) for place in places):
        return several(b, x, places)
    given = [axis for axis, place in enumerate(places) if place is not None]
    arrays = [np.asarray(places[axis]) for axis in given]
    if any(a.dtype == bool for a in arrays):
        arrays = [np.flatnonzero(a) if a.dtype == bool and a.ndim == 1 else a for a in arrays]
    if len(given) == 1:
        return op.take(b, x, arrays[0], given[0])
    return op.points(b, x, given, arrays)


def several(b: Builder, x: Traced, places: list) -> Traced:
    """x[arange(batch), place]: the same place of each image, or the same places."""
    first = places[0]
    if isinstance(first, Varying) and first.ndim > 1 and all(
            a.shape[0] == a.size and np.array_equal(a.ravel(), np.arange(a.size)) for a in (first.array, first.other)):
        rest = [np.asarray(place) for place in places[1:] if not isinstance(place, (Traced, Varying))]
        if len(rest) == len(places) - 1 and rest and all(
                a.ndim < first.ndim or a.ndim == first.ndim and len(a) == 1 for a in rest):
            rest = list(np.broadcast_arrays(*(a[0] if a.ndim == first.ndim else a for a in rest),
                                            np.zeros([1] * (first.ndim - 1), int)))[:-1]
            sizes = rest[0].shape                           # taken as a row, so that all places in order cost nothing
            y = op.points(b, x, list(range(1, len(places))), [a.ravel() for a in rest])
            N, _, *behind = _sizes(y)
            return op.reshape(b, y, [N, *sizes, *behind])
    if isinstance(first, Varying) and first.ndim == 1 and all(
            np.array_equal(a, np.arange(len(a))) for a in (first.array, first.other)):
        rest = places[1:]
        if len(rest) == 1 and not isinstance(rest[0], Traced):
            place = rest[0].array if isinstance(rest[0], Varying) else np.asarray(rest[0])
            if len(np.unique(place)) == 1:
                return op.select(b, x, 1, int(np.ravel(place)[0]))
    raise ValueError("takes places that are computed from the input, or other ones for each image: what is chosen by a "
                     "value has no gradient that explains")


@torch_name("scaled_dot_product_attention")
def attention(b: Builder, q: Traced, k: Traced, v: Traced, attn_mask: Any = None, dropout_p: float = 0.0,
              is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False) -> Traced:
    if dropout_p:
        raise ValueError(f"dropout_p={dropout_p} draws at random whenever it runs, expected 0")
    return op.attention(b, q, k, v, attn_mask, is_causal, scale)


def _conv(n):
    def conv(b: Builder, x: Any, W: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
             groups: int = 1) -> Traced:
        if isinstance(W, Traced):
            raise ValueError("its weights are computed from the input, expected a parameter")
        kernel = W.shape[2:]
        if isinstance(padding, str):
            total = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, pairs(dilation, n))]
            pads = [(t // 2, t - t // 2) for t in total]
        else:
            pads = around(padding, n)
        return op.conv(b, x, W, bias, pairs(stride, n), pads, pairs(dilation, n), groups)
    return conv


for _n in (1, 2, 3):
    TABLE[f"aten.conv{_n}d"] = _conv(_n)


@torch_name("convolution")
def convolution(b: Builder, x: Any, W: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
                output_padding: Any, groups: int) -> Traced:
    n = W.ndim - 2
    if not transposed:
        return _conv(n)(b, x, W, bias, stride, padding, dilation, groups)
    return op.conv_transpose(b, x, W, bias, pairs(stride, n), around(padding, n), pairs(output_padding, n),
                             pairs(dilation, n), groups)


def _conv_transpose(n):
    return lambda b, x, W, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1: op.conv_transpose(
        b, x, W, bias, pairs(stride, n), around(padding, n), pairs(output_padding, n), pairs(dilation, n), groups)


def _max_pool(n, places=False):
    def pool(b, x, kernel, stride=(), padding=0, dilation=1, ceil_mode=False):
        kernel = pairs(kernel, n)
        y = op.pool(b, x, "max", kernel, pairs(stride, n) if stride else None, around(padding, n), pairs(dilation, n),
                    ceil_mode)
        return [y, Places()] if places else y
    return pool


def _avg_pool(n):
    def pool(b, x, kernel, stride=(), padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        kernel = pairs(kernel, n)
        return op.pool(b, x, "average", kernel, pairs(stride, n) if stride else None, around(padding, n), [1] * n,
                       ceil_mode, count_include_pad, divisor_override)
    return pool


for _n, _of in ((1, "conv_transpose1d"), (2, "conv_transpose2d"), (3, "conv_transpose3d")):
    TABLE[f"aten.{_of}"] = _conv_transpose(_n)
TABLE["aten.conv_transpose2d"] = _conv_transpose(2)
for _n in (1, 2, 3):
    TABLE.update({f"aten.max_pool{_n}d": _max_pool(_n), f"aten.max_pool{_n}d_with_indices": _max_pool(_n, True),
                  f"aten.avg_pool{_n}d": _avg_pool(_n),
                  f"aten.adaptive_avg_pool{_n}d": lambda b, x, sizes: op.adaptive_pool(b, x, "mean", sizes),
                  f"aten._adaptive_avg_pool{_n}d": lambda b, x, sizes: op.adaptive_pool(b, x, "mean", sizes),
                  f"aten.adaptive_max_pool{_n}d": lambda b, x, sizes: [op.adaptive_pool(b, x, "max", sizes), Places()]})


@torch_name("_native_batch_norm_legit_no_training")
def batch_norm(b: Builder, x: Traced, gamma: Any, beta: Any, mean: Any, variance: Any, momentum: float,
               epsilon: float) -> list:
    return [op.batch_norm(b, x, gamma, beta, mean, variance, epsilon, momentum), None, None]


@torch_name("batch_norm")
def batch_norm_whole(b: Builder, x: Traced, gamma: Any, beta: Any, mean: Any, variance: Any, training: bool,
                     momentum: float, epsilon: float, cudnn: bool = True) -> Traced:
    if training:
        raise ValueError("training=True is not supported: it normalises by the statistics of the batch")
    return op.batch_norm(b, x, gamma, beta, mean, variance, epsilon, momentum)


@torch_name("_native_batch_norm_legit", "native_batch_norm", "cudnn_batch_norm")
def batch_statistics(b: Builder, x: Traced, *more: Any) -> NoReturn:
    raise ValueError("normalises by the statistics of the batch, expected running ones (track_running_stats=True)")


@torch_name("instance_norm")
def instance_norm(b: Builder, x: Traced, gamma: Any, beta: Any, mean: Any, variance: Any, use_input_stats: bool,
                  momentum: float, epsilon: float, cudnn: bool = True) -> Traced:
    if not use_input_stats:
        return op.batch_norm(b, x, gamma, beta, mean, variance, epsilon, momentum)
    return op.group_norm(b, x, x.shape[1], gamma, beta, epsilon)


def log_sum_exp(b: Builder, x: Traced, axes: Any, keepdims: bool = False) -> Traced:
    """log sum exp(x) = m + log sum exp(x - m), m the largest: no number is too large for exp."""
    largest = op.reduce(b, "max", x, axes, True)
    powers = op.elementwise(b, op.subtract(b, x, largest), ours.Function("exp"))
    y = op.add(b, op.elementwise(b, op.reduce(b, "sum", powers, axes, True), ours.Function("log")), largest)
    return y if keepdims else op.squeeze(b, y, np.ravel(axes).tolist())


TABLE["aten.logical_not"] = TABLE["aten.bitwise_not"] = lambda b, x: negation(b, x)


def _of_truths(function):
    def combined(b, x, y):
        if any(v.kind != "b" if isinstance(v, Traced) else getattr(v, "dtype", np.dtype(type(v))).kind != "b"
               for v in (x, y)):
            raise ValueError("combines the bits of whole numbers, expected truth values")
        return op.compare(b, function, x, y)
    return combined


for _name in ("and", "or", "xor"):
    TABLE.update(dict.fromkeys((f"aten.__{_name}__", f"aten.bitwise_{_name}", f"aten.logical_{_name}"),
                               _of_truths(f"logical_{_name}")))


def negation(b: Builder, x: Traced) -> Traced:
    if x.kind != "b":
        raise ValueError("turns the bits of whole numbers round, expected truth values")
    return op.compare(b, "equal", x, np.asarray(False))


TABLE["aten.logsumexp"] = log_sum_exp
TABLE.update({
    "aten.layer_norm": lambda b, x, shape, gamma=None, beta=None, epsilon=1e-5, cudnn=True: op.layer_norm(
        b, x, len(shape), gamma, beta, epsilon),
    "aten.native_layer_norm": lambda b, x, shape, gamma, beta, epsilon: [
        op.layer_norm(b, x, len(shape), gamma, beta, epsilon), None, None],
    "aten.rms_norm": lambda b, x, shape, gamma=None, epsilon=None: op.layer_norm(
        b, x, len(shape), gamma, None, float(np.finfo(b.dtype).eps) if epsilon is None else epsilon, centered=False),
    "aten.group_norm": lambda b, x, groups, gamma=None, beta=None, epsilon=1e-5, cudnn=True: op.group_norm(
        b, x, groups, gamma, beta, epsilon)})


def _reduction(kind, more=False):
    def reduction(b, x, axes=None, keepdims=False, dtype=None):
        axes = None if axes is None or (isinstance(axes, (list, tuple)) and not axes) else axes
        y = op.reduce(b, kind, x, axes, keepdims)
        return [y, Places()] if more else y
    return reduction


TABLE.update({"aten.mean": _reduction("mean"), "aten.sum": _reduction("sum"), "aten.amax": _reduction("max"),
              "aten.amin": _reduction("min")})


def _largest(kind):
    def largest(b, x, axis=None, keepdims=False):
        if axis is None:
            return op.reduce(b, kind, x, None, False)
        if isinstance(axis, (Traced, Varying, np.ndarray)):
            return op.extreme(b, x, axis, smallest=kind == "min")
        return [op.reduce(b, kind, x, [axis], keepdims), Places()]
    return largest


TABLE["aten.max"], TABLE["aten.min"] = _largest("max"), _largest("min")


@torch_name("var", "std")
def var(b: Builder, x: Traced, axes: Any = None, unbiased: bool | None = None, keepdim: bool = False,
        correction: float | None = None) -> Traced:
    if isinstance(axes, bool):
        axes, unbiased = None, axes
    n = float(correction) if correction is not None else 0.0 if unbiased is False else 1.0
    return op.variance(b, x, axes, n, keepdim)


TABLE["aten.std"] = lambda b, *args, **kwargs: op.power(b, var(b, *args, **kwargs), 0.5)
TABLE["aten.var_mean"] = lambda b, x, axes=None, correction=1, keepdim=False: [
    op.variance(b, x, axes, float(correction), keepdim), op.reduce(b, "mean", x, axes, keepdim)]


@torch_name("linalg_vector_norm", "norm")
def norm(b: Builder, x: Traced, ord: float = 2, axes: Any = None, keepdims: bool = False,
         dtype: Any = None) -> Traced:
    if ord == 2:
        return op.reduce(b, "length", x, axes, keepdims)
    if ord == 1:
        return op.reduce(b, "sum", op.elementwise(b, x, ours.Function("abs")), axes, keepdims)
    raise ValueError(f"a norm of order {ord} is not supported, expected 1 or 2")


@torch_name("pad", "constant_pad_nd")
def pad(b: Builder, x: Traced, pads: list[int], mode: str = "constant", value: float | None = None) -> Traced:
    if not isinstance(mode, str):
        mode, value = "constant", mode
    found = [(0, 0)] * x.rank
    for place, (before, after) in enumerate(zip(pads[::2], pads[1::2])):
        found[x.rank - 1 - place] = (before, after)
    names = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    return op.pad(b, x, found, names[mode], 0.0 if value is None else float(value))


for _n in (1, 2, 3):
    TABLE[f"aten.reflection_pad{_n}d"] = lambda b, x, pads: pad(b, x, pads, "reflect")
    TABLE[f"aten.replication_pad{_n}d"] = lambda b, x, pads: pad(b, x, pads, "replicate")


def _nearest(exact):
    def upsample(b, x, size_, *scales):
        scales = scales[0] if scales and isinstance(scales[0], (list, tuple)) else scales
        given = list(scales) if scales and all(s is not None for s in scales) else None
        sizes = size_ if size_ is not None else [int(math.floor(n * s)) for n, s in zip(x.shape[2:], given)]
        return op.upsample(b, x, sizes, given, "nearest-exact" if exact else "nearest")
    return upsample


def _interpolated(mode):
    def upsample(b, x, size_, corners=False, *scales):
        scales = scales[0] if scales and isinstance(scales[0], (list, tuple)) else scales
        given = list(scales) if scales and all(s is not None for s in scales) else None
        sizes = size_ if size_ is not None else [int(math.floor(n * s)) for n, s in zip(x.shape[2:], given)]
        return op.upsample(b, x, sizes, None if corners else given, mode, bool(corners))
    return upsample


for _n in (1, 2, 3):
    TABLE[f"aten.upsample_nearest{_n}d"], TABLE[f"aten._upsample_nearest_exact{_n}d"] = _nearest(False), _nearest(True)
TABLE["aten.upsample_bilinear2d"] = TABLE["aten.upsample_linear1d"] = _interpolated("bilinear")
TABLE["aten.upsample_bicubic2d"] = _interpolated("bicubic")


TABLE["aten.upsample_trilinear3d"] = _interpolated("bilinear")
TABLE["aten.unfold"] = op.unfold
TABLE["aten.im2col"] = op.patches
TABLE["aten.col2im"] = op.from_patches


@torch_name("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
def smoothed(b: Builder, x: Traced, *more: Any) -> NoReturn:
    raise ValueError("antialias=True is not supported, expected an upsampling without it")


@torch_name("gather")
def gather(b: Builder, x: Any, axis: int, index: Any, sparse_grad: bool = False) -> Traced | Varying:
    if not isinstance(x, Traced):                           # of equal numbers it does not matter which
        arrays = [x.array, x.other] if isinstance(x, Varying) else [np.asarray(x)] * 2
        if isinstance(index, Traced) and all((a == a.ravel()[0]).all() for a in arrays):
            return Varying(*(np.full(shape, a.ravel()[0], a.dtype)
                             for a, shape in zip(arrays, (index.shape, index.other_shape))))
    if isinstance(index, Traced) or not isinstance(x, Traced):
        raise ValueError("takes places that are computed from the input: what is chosen by a value has no gradient "
                         "that explains")
    axis = axis % x.rank
    array = index.array if isinstance(index, Varying) else np.asarray(index)
    for place, own in enumerate(x.axes):        # the same places for all: along one other axis at most
        if place != axis:
            first = array.take([0], axis=place)
            if (array == first).all():
                continue
            return op.points_along(b, x, axis, array)
    return op.take(b, x, array.take(0, axis=0).ravel() if array.ndim == 1 else
                   np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)[:, 0], axis)


@torch_name("to", "_to_copy", "type_as", "float", "double", "long", "int", "to_dtype")
def to(b: Builder, x: Any, *more: Any, **kwargs: Any) -> Any:
    if not isinstance(x, Traced):               # a constant, as what comes from the input
        kind = {"f": b.dtype, "b": bool}.get(more[0].kind, np.int64)
        return Varying(x.array.astype(kind), x.other.astype(kind)) if isinstance(x, Varying) else x.astype(kind)
    dtype = next((str(each) for each in (*more, *kwargs.values()) if str(each).startswith("torch.") and any(
        word in str(each) for word in ("float", "int", "bool", "double", "long", "half"))), "")
    if isinstance(more[0] if more else None, Traced):
        return op.cast(b, x, more[0].kind)
    if not dtype:
        return x
    return op.cast(b, x, "f" if "float" in dtype or "half" in dtype or "double" in dtype else
                   "b" if "bool" in dtype else "i")


for _torch, _relation in (("eq", "equal"), ("ne", "not_equal"), ("gt", "greater"), ("lt", "less"),
                          ("ge", "greater_equal"), ("le", "less_equal")):
    TABLE[f"aten.{_torch}"] = lambda b, x, y, _relation=_relation: op.compare(b, _relation, x, y)
for _name in ("and", "or", "xor"):
    TABLE[f"aten.logical_{_name}"] = lambda b, x, y, _name=_name: op.compare(b, f"logical_{_name}", x, y)
    TABLE.update(dict.fromkeys((f"aten.bitwise_{_name}", f"aten.__{_name}__"), lambda b, x, y, _name=_name: op.compare(
        b, f"logical_{_name}", *(op.true_or_false(v) for v in (x, y)))))
TABLE["aten.logical_not"] = lambda b, x: op.compare(b, "equal", x, np.asarray(False))
TABLE["aten.bitwise_not"] = lambda b, x: op.compare(b, "equal", op.true_or_false(x), np.asarray(False))


@torch_name("slice_scatter")
def slice_scatter(b: Builder, x: Any, source: Any, axis: int = 0, start: Any = None, stop: Any = None,
                  step: int = 1) -> Traced:
    """x with a part along an axis replaced: what was before, the source, what was behind."""
    like = x if isinstance(x, Traced) else source
    n = x.shape[axis]
    start, stop, step = slice(start, stop, step).indices(n)
    if step != 1:
        raise ValueError("writes into every other place, expected places beside each other")
    pieces = []
    for piece, first, last in ((x, 0, start), (source, None, None), (x, stop, n)):
        if first is None or last is None:
            pieces.append(piece)
        elif last > first:
            pieces.append(op.slice_(b, piece, axis, first, last) if isinstance(piece, Traced) else
                          _part(piece, axis, first, last))
    return pieces[0] if len(pieces) == 1 else op.cat(b, pieces, axis % like.rank)


def _part(x, axis, first, last):
    index = tuple(slice(first, last) if place == axis % x.ndim else slice(None) for place in range(x.ndim))
    return Varying(x.array[index], x.other[index]) if isinstance(x, Varying) else x[index]


@torch_name("select_scatter")
def select_scatter(b: Builder, x: Any, source: Any, axis: int, index: int) -> Traced:
    source = op.unsqueeze(b, source, [axis]) if isinstance(source, Traced) else np.expand_dims(source, axis)
    n = x.shape[axis]
    return slice_scatter(b, x, source, axis, index % n, index % n + 1)


@torch_name("copy")
def copy(b: Builder, x: Any, source: Any, non_blocking: bool = False) -> Any:
    sizes = _sizes(x) if isinstance(x, Traced) else x.shape
    return op.expand(b, source, sizes) if isinstance(source, Traced) else source


@torch_name("repeat_interleave")
def repeat_interleave(b: Builder, x: Traced, n: Any, axis: int | None = None, output_size: Any = None) -> Traced:
    if axis is None or np.ndim(n):
        raise ValueError("repeats each entry another number of times, expected one number and an axis")
    return op.repeat_interleave(b, x, int(n), axis)


@torch_name("sym_size", "sym_numel", "sym_stride")
def sym_size(b: Builder, x: Traced, axis: int | None = None) -> Any:
    sizes = _sizes(x)
    return Size(math.prod(x.shape), math.prod(x.other_shape)) if axis is None else sizes[axis]


@torch_name("argmax", "argmin", "sort", "topk", "argsort", "msort", "kthvalue", "median", "mode", "nonzero", "unique",
            "histc", "bincount", "searchsorted", "bucketize", "multinomial", "bernoulli", "rand_like", "randn_like")
def no_gradient(b: Builder, *args: Any, **kwargs: Any) -> Any:
    raise ValueError("chooses or counts by the values of its input, and has no gradient that explains; explain what it "
                     "reads, with output=, or cut the module before it")


@torch_name("round", "floor", "ceil", "trunc", "sign", "sgn", "floor_divide", "remainder", "fmod", "heaviside")
def no_slope(b: Builder, *args: Any, **kwargs: Any) -> Any:
    raise ValueError("is a step: flat wherever it has a slope at all, and has no gradient that explains; explain what "
                     "it reads, with output=, or cut the module before it")


def _like(value):
    def make(b, x, *more, **kwargs):
        shape, fill = (x.shape, x.other_shape), value
        if value is None:
            fill = more[0]
        arrays = [np.full(each, fill, b.dtype) for each in shape]
        return Varying(*arrays)
    return make


TABLE.update({"aten.ones_like": _like(1), "aten.zeros_like": _like(0), "aten.full_like": _like(None),
              "aten.empty_like": _like(0)})
for _name in ("new_ones", "new_zeros", "new_full", "new_empty"):
    TABLE[f"aten.{_name}"] = lambda b, x, shape, *more, _name=_name, **kwargs: Varying(*(
        np.full([getattr(n, which, n) if which == "other" else int(n) for n in shape],
                {"new_ones": 1, "new_full": more[0] if more else 0}.get(_name, 0), b.dtype)
        for which in ("size", "other")))


@torch_name("cumsum")
def cumsum(b: Builder, x: Traced, axis: int, dtype: Any = None) -> Traced:
    W = np.tri(x.shape[axis], dtype=b.dtype).T  # a matrix of ones
    return op.swap(b, op.linear(b, op.swap(b, x, axis, -1), W), axis, -1)
