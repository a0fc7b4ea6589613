"""How ONNX spells the operations of `operations`, opset 11 and later: inputs by place, attributes by name."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minixnn import layers as ours
from minixnn.interop import operations as op
from minixnn.interop.axes import Traced, has_batch
from minixnn.interop.builder import Builder
from minixnn.interop.program import FLOATS, Places, Size, Varying
from minixnn.interop.recurrence import of_onnx
from minixnn.interop.torch_table import ACTIVATIONS, gather, no_gradient, no_slope

TABLE: dict[str, Callable[..., Any]] = {}
RENAMED = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Mish": "mish", "HardSwish": "hardswish", "Abs": "abs",
           "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh",
           "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Exp": "exp", "Log": "log", "Sin": "sin", "Sinh": "sinh",
           "Tan": "tan", "Sqrt": "sqrt", "Reciprocal": "reciprocal", "Softplus": None}
WHOLE, TRUTH = (2, 3, 4, 5, 6, 7, 12, 13), (9,)             # of onnx.TensorProto.DataType


def onnx_name(*names: str) -> Callable:
    def enter(function: Callable) -> Callable:
        TABLE.update(dict.fromkeys(names, function))
        return function
    return enter


def _layer(make):
    return lambda b, x: op.elementwise(b, op.traced(x), make())


for _name, _torch in RENAMED.items():
    TABLE[_name] = _layer(ACTIVATIONS[_torch] if _torch else ours.Softplus)
TABLE.update({
    "Softsign": _layer(lambda: ours.Function("softsign")),
    "Identity": lambda b, x: x, "Neg": lambda b, x: op.multiply(b, x, -1.0),
    "LeakyRelu": lambda b, x, alpha=0.01: op.elementwise(b, x, ours.LeakyReLU(alpha)),
    "Elu": lambda b, x, alpha=1.0: op.elementwise(b, x, ours.ELU(alpha)),
    "Celu": lambda b, x, alpha=1.0: op.multiply(b, op.elementwise(b, op.divide(b, x, alpha), ours.ELU(1.0)), alpha),
    "Gelu": lambda b, x, approximate="none": op.elementwise(b, x, ours.GELU(approximate)),
    "Swish": lambda b, x, alpha=1.0: op.elementwise(b, x, ours.SiLU()) if alpha == 1 else op.multiply(
        b, x, op.elementwise(b, op.multiply(b, x, alpha), ours.Sigmoid())),
    "ThresholdedRelu": lambda b, x, alpha=1.0: op.where(
        b, op.compare(b, "greater", x, np.asarray(alpha, b.dtype)), x, 0.0),
    "Shrink": lambda b, x, bias=0.0, lambd=0.5: op.add(
        b, op.where(b, op.compare(b, "less", x, np.asarray(-lambd, b.dtype)), op.shifted(b, x, bias), 0.0),
        op.where(b, op.compare(b, "greater", x, np.asarray(lambd, b.dtype)), op.shifted(b, x, -bias), 0.0)),
    "Add": op.add, "Sub": op.subtract, "Mul": op.multiply, "MatMul": op.matmul,
    "Sum": lambda b, *xs: _fold(op.add, b, xs), "Max": lambda b, *xs: _fold(op.extreme, b, xs),
    "Min": lambda b, *xs: _fold(lambda b, x, y: op.extreme(b, x, y, smallest=True), b, xs),
    "Mean": lambda b, *xs: op.divide(b, _fold(op.add, b, xs), float(len(xs))),
    "Pow": op.power, "Flatten": lambda b, x, axis=1: flat(b, x, axis),
    "RNN": of_onnx, "GRU": of_onnx, "LSTM": of_onnx,
    "Einsum": lambda b, *xs, equation: op.einsum(b, equation, xs),
    "GlobalAveragePool": lambda b, x: op.reduce(b, "mean", images(x), range(2, x.rank), True),
    "GlobalMaxPool": lambda b, x: op.reduce(b, "max", images(x), range(2, x.rank), True),
    "Transpose": lambda b, x, perm=None: op.transpose(b, x, range(x.rank)[::-1] if perm is None else perm),
    "Concat": lambda b, *xs, axis: op.cat(b, xs, axis),
    "Unsqueeze": lambda b, x, inputs=None, axes=None: op.unsqueeze(b, x, numbers(axes if inputs is None else inputs)),
    "Squeeze": lambda b, x, inputs=None, axes=None: op.squeeze(b, x, None if axes is None and inputs is None else
                                                               numbers(axes if inputs is None else inputs)),
    "DepthToSpace": lambda b, x, blocksize, mode="DCR": op.depth_to_space(b, x, blocksize, mode == "CRD"),
    "SpaceToDepth": lambda b, x, blocksize, mode="DCR": op.space_to_depth(b, x, blocksize, mode == "CRD"),
    "LRN": lambda b, x, size, alpha=1e-4, beta=0.75, bias=1.0: op.local_response(b, x, size, alpha, beta, bias),
    "GatherElements": lambda b, x, index, axis=0: gather(b, x, axis, index),
    "Tile": lambda b, x, counts: tile(b, x, numbers(counts)),
    "HardSigmoid": lambda b, x, alpha=0.2, beta=0.5: op.elementwise(b, x, hard_sigmoid(alpha, beta)),
    "Greater": lambda b, x, y: op.compare(b, "greater", x, y), "Less": lambda b, x, y: op.compare(b, "less", x, y),
    "Equal": lambda b, x, y: op.compare(b, "equal", x, y),
    "GreaterOrEqual": lambda b, x, y: op.compare(b, "greater_equal", x, y),
    "LessOrEqual": lambda b, x, y: op.compare(b, "less_equal", x, y),
    "And": lambda b, x, y: op.compare(b, "logical_and", x, y), "Or": lambda b, x, y: op.compare(b, "logical_or", x, y),
    "Xor": lambda b, x, y: op.compare(b, "logical_xor", x, y),
    "Not": lambda b, x: op.compare(b, "equal", x, np.asarray(False)),
    **dict.fromkeys(("Round", "Floor", "Ceil", "Sign"), no_slope),
    **dict.fromkeys(("ArgMax", "ArgMin", "TopK", "NonZero", "Unique", "NonMaxSuppression", "Bernoulli", "Multinomial",
                     "RandomNormalLike", "RandomUniformLike"), no_gradient)})


def hard_sigmoid(alpha: float, beta: float) -> Any:
    known = abs(alpha - 1 / 6) < 1e-6 and beta == 0.5
    return ours.Hardsigmoid() if known else ours.Hardsigmoid(float(alpha), float(beta))


def images(x: Any) -> Traced:
    if op.traced(x).rank < 3:
        raise ValueError(f"got {x.written()} numbers, expected images, (channels, height, width)")
    return x


def numbers(array: Any) -> list[Any]:
    """Whole numbers in a constant input, those that depend on the number of images too."""
    if isinstance(array, Traced):
        raise ValueError("its sizes are computed from the values of the input, expected constants")
    if isinstance(array, Varying):
        return [Size(n, m) if n != m else int(n) for n, m in zip(np.ravel(array.array), np.ravel(array.other))]
    return [n if isinstance(n, Size) else int(n) for n in np.ravel(array)]


def _fold(function, b, xs):
    """A function of any number of inputs, two at a time; constants last, since they need something to meet."""
    xs = sorted(xs, key=lambda x: not isinstance(x, Traced)) if not isinstance(xs[0], Traced) else xs
    y = xs[0]
    for x in xs[1:]:
        y = function(b, y, x)
    return y


@onnx_name("Div")
def div(b: Builder, x: Any, y: Any) -> Traced:
    whole = isinstance(x, Traced) and x.kind in ("i", "w")
    return op.divide(b, x, y, "floor" if whole else None)


def tile(b: Builder, x: Traced, counts: list) -> Traced:
    if len(counts) != x.rank:
        raise ValueError(f"repeats {x.written()} {counts} times, expected a number for each axis")
    return op.repeat(b, x, counts)


def flat(b: Builder, x: Traced, axis: int) -> Traced:
    axis = axis % x.rank if axis < 0 else axis
    if axis != 1 and has_batch(tuple(a for own in x.axes[1:] for a in own)) or axis != 1:
        raise ValueError(f"turns {x.written()} into two axes at axis {axis}, expected one row for each image")
    return op.flatten(b, x, 1, -1) if x.rank > 2 else op.unsqueeze(b, x, [1]) if x.rank == 1 else x


@onnx_name("Clip")
def clip(b: Builder, x: Traced, low: Any = None, high: Any = None, min: Any = None, max: Any = None) -> Traced:
    return op.clip(b, x, min if low is None else low, max if high is None else high)


@onnx_name("Selu")
def selu(b: Builder, x: Traced, alpha: float = 1.67326319, gamma: float = 1.05070102) -> Traced:
    if abs(alpha - 1.67326324) < 1e-5 and abs(gamma - 1.05070098) < 1e-5:
        return op.elementwise(b, x, ours.SELU())
    return op.multiply(b, op.elementwise(b, x, ours.ELU(alpha)), gamma)


@onnx_name("PRelu")
def prelu(b: Builder, x: Traced, slope: Any) -> Traced:
    slope = op.weights(slope)
    wide = [place for place, n in enumerate(slope.shape, x.rank - slope.ndim) if n > 1]
    if len(wide) > 1 or wide and has_batch(x.axes[wide[0]]):
        raise ValueError(f"has slopes of shape {slope.shape}, expected one number per channel")
    if not wide:
        return op.elementwise(b, x, ours.PReLU(slope.reshape(-1)))
    x = b.images(x, x.rank - 2) if x.rank > 2 and wide == [1] else x
    x, order = b.last(op.numbers(b, x), x.axes[wide[0]])
    slope = slope.reshape(-1)
    return b.through(x, ours.PReLU(slope if order is None else slope[order]))


@onnx_name("Softmax", "LogSoftmax")
def softmax(b: Builder, x: Traced, axis: int | None = None, _kind: str = "", _opset: int = 13) -> Traced:
    axis = (1 if _opset < 13 else -1) if axis is None else axis
    if _opset < 13 and axis % x.rank != x.rank - 1:         # over all axes from there on
        axis = axis % x.rank
        flat_x = op.flatten(b, x, axis, -1)
        y = op.softmax(b, flat_x, axis, log=_kind == "LogSoftmax")
        return y.seen_as(x.axes)
    return op.softmax(b, x, axis, log=_kind == "LogSoftmax")


class IsNaN(NamedTuple):
    """Where the results of a softmax are no numbers: where it sees nothing, as torch's exporter asks."""
    of: Traced


@onnx_name("IsNaN")
def is_nan(b: Builder, x: Traced) -> IsNaN:
    if not isinstance(b.layers[x.at - 1], ours.Softmax):
        raise ValueError("asks which numbers are NaN, expected that of a softmax: here all numbers are finite")
    return IsNaN(x)


@onnx_name("Where")
def where(b: Builder, condition: Any, x: Any, y: Any) -> Traced:
    if not isinstance(condition, IsNaN):
        return op.where(b, condition, x, y)
    if isinstance(x, Traced) or np.any(x) or not isinstance(y, Traced) or y.at != condition.of.at:
        raise ValueError("puts something in place of NaN, expected 0 in place of a softmax that sees nothing")
    b.layers[y.at - 1] = ours.Softmax(vars(b.layers[y.at - 1])["axis"], masked=True)
    return y


@onnx_name("Dropout")
def dropout(b: Builder, x: Traced, ratio: Any = None, training: Any = None, seed: int = 0, **more: Any) -> Traced:
    if training is not None and np.any(training):
        raise ValueError("training_mode=True is not supported")
    ratio = more.get("ratio", 0.5) if ratio is None else ratio
    return b.through(x, ours.Dropout(float(ratio))) if 0 <= float(ratio) < 1 else x


@onnx_name("Gemm")
def gemm(b: Builder, x: Any, y: Any, c: Any = None, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,
         transB: int = 0) -> Traced:
    if transA:
        x = op.swap(b, x, 0, 1) if isinstance(x, Traced) else np.asarray(x).T
    if isinstance(y, Traced):
        y = op.swap(b, y, 0, 1) if transB else y
    else:
        y = op.weights(y)
        y = (y.T if transB else y) * y.dtype.type(alpha)
        if y.ndim != 2:
            raise ValueError(f"weights of shape {y.shape} are not supported, expected (inputs, outputs)")
    both = isinstance(x, Traced) and isinstance(y, Traced)
    found = op.matmul(b, x, y)
    found = op.multiply(b, found, alpha) if (both or not isinstance(y, np.ndarray)) and alpha != 1 else found
    if c is None:
        return found
    return op.add(b, found, c if isinstance(c, Traced) else c * np.asarray(beta, c.dtype), 1 if not isinstance(
        c, Traced) else beta)


def placed(x: Traced, kernel: list, strides: Any, pads: Any, dilations: Any, auto_pad: str,
           known: tuple = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")) -> tuple[list, list, list]:
    """stride, pads and dilation of the windows of a convolution or pool."""
    n = len(kernel)
    stride, dilation, given = list(strides or [1] * n), list(dilations or [1] * n), list(pads or [0] * 2 * n)
    if auto_pad not in known:
        raise ValueError(f"auto_pad={auto_pad!r} is not supported, expected one of {', '.join(known)}")
    if len(stride) != n or len(dilation) != n or len(given) != 2 * n or min((*kernel, *stride, *dilation)) < 1:
        raise ValueError(f"strides={stride}, dilations={dilation} and pads={given} do not fit windows of {kernel}")
    if min(given) < 0:
        raise ValueError(f"pads={given} is not supported, expected none below 0")
    if auto_pad in ("NOTSET", "VALID"):
        return stride, list(zip(given[:n], given[n:])) if auto_pad == "NOTSET" else [(0, 0)] * n, dilation
    found = []
    for m, k, s, d in zip(images(x).shape[2:], kernel, stride, dilation):
        p = max((-(-m // s) - 1) * s + d * (k - 1) + 1 - m, 0)
        found.append((p // 2, p - p // 2) if auto_pad == "SAME_UPPER" else (p - p // 2, p // 2))
    return stride, found, dilation


def kernel_of(W: Any, kernel_shape: Any, group: int) -> np.ndarray:
    W = op.weights(W)
    if W.ndim < 3 or 0 in W.shape:
        raise ValueError(f"weights of shape {W.shape} are not supported, expected (out, in, height, width)")
    if list(kernel_shape or W.shape[2:]) != list(W.shape[2:]):
        raise ValueError(f"kernel_shape={kernel_shape} does not fit weights of shape {W.shape}")
    if group < 1 or W.shape[0] % group:
        raise ValueError(f"group={group} does not fit weights of shape {W.shape}")
    return W


@onnx_name("Conv")
def conv(b: Builder, x: Any, W: Any, bias: Any = None, auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1,
         kernel_shape: Any = None, pads: Any = None, strides: Any = None) -> Traced:
    W = kernel_of(W, kernel_shape, group)
    x = op.images(b, x, W.ndim - 2)
    stride, pads, dilation = placed(x, list(W.shape[2:]), strides, pads, dilations, auto_pad)
    return op.conv(b, x, W, bias, stride, pads, dilation, group, auto_pad == "SAME_UPPER")


@onnx_name("ConvTranspose")
def conv_transpose(b: Builder, x: Any, W: Any, bias: Any = None, auto_pad: str = "NOTSET", dilations: Any = None,
                   group: int = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None,
                   output_padding: Any = None, output_shape: Any = None) -> Traced:
    W = kernel_of(W, kernel_shape, group)
    n = W.ndim - 2
    x = op.images(b, x, n)
    extra = list(output_padding or [0] * n)
    if auto_pad.startswith("SAME") and output_shape is None:
        output_shape = [m * s for m, s in zip(x.shape[2:], strides or [1] * n)]
    stride, found, dilation = placed(x, list(W.shape[2:]), strides, pads, dilations,
                                     "NOTSET" if output_shape is not None else auto_pad, ("NOTSET", "VALID"))
    if output_shape is not None:
        total = [s * (m - 1) + e + (k - 1) * d + 1 - out for m, s, e, k, d, out in zip(
            x.shape[2:], stride, extra, W.shape[2:], dilation, list(output_shape)[-n:])]
        if min(total) < 0:
            extra = [e + max(-t, 0) for e, t in zip(extra, total)]
            total = [max(t, 0) for t in total]
        found = [(t // 2, t - t // 2) if auto_pad != "SAME_LOWER" else (t - t // 2, t // 2) for t in total]
    return op.conv_transpose(b, x, W, bias, stride, found, extra, dilation, group)


@onnx_name("MaxPool")
def max_pool(b: Builder, x: Any, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: Any = None,
             pads: Any = None, storage_order: int = 0, strides: Any = None) -> Any:
    x = op.images(b, x, len(kernel_shape))
    stride, pads, dilation = placed(x, list(kernel_shape), strides, pads, dilations, auto_pad)
    return [op.pool(b, x, "max", kernel_shape, stride, pads, dilation, bool(ceil_mode),
                    same=auto_pad == "SAME_UPPER"), Places()]


@onnx_name("AveragePool")
def average_pool(b: Builder, x: Any, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0,
                 count_include_pad: int = 0, dilations: Any = None, pads: Any = None, strides: Any = None) -> Traced:
    x = op.images(b, x, len(kernel_shape))
    if auto_pad.startswith("SAME") and any(s > k for s, k in zip(strides or [1], kernel_shape)):
        raise ValueError(f"auto_pad={auto_pad!r} with strides={tuple(strides)} beyond windows of {tuple(kernel_shape)} "
                         "is not supported: where these then lie is not the same everywhere")
    stride, pads, dilation = placed(x, list(kernel_shape), strides, pads, dilations, auto_pad)
    return op.pool(b, x, "average", kernel_shape, stride, pads, dilation, bool(ceil_mode), bool(count_include_pad),
                   same=auto_pad == "SAME_UPPER" and not count_include_pad)


def _reduction(kind):
    def reduction(b, x, axes=None, keepdims=1, noop_with_empty_axes=0, _axes=None):
        axes = numbers(axes) if axes is not None and np.size(axes) else None
        if axes is None and noop_with_empty_axes:
            return after(b, kind, before(b, kind, x))
        if axes is None:
            raise ValueError(f"reduces all axes of {x.written()}: the batch is one of them")
        y = op.reduce(b, {"log": "sum", "square": "sum", "abs": "sum", "logexp": "sum"}.get(kind, kind),
                      before(b, kind, x), axes, bool(keepdims))
        return after(b, kind, y)
    return reduction


def before(b: Builder, kind: str, x: Traced) -> Traced:
    """What is done to each number before it is summed."""
    if kind == "square":
        return op.power(b, x, 2)
    return op.elementwise(b, x, ours.Function("abs")) if kind == "abs" else \
        op.elementwise(b, x, ours.Function("exp")) if kind == "logexp" else x


def after(b: Builder, kind: str, x: Traced) -> Traced:
    return op.elementwise(b, x, ours.Function("log")) if kind in ("log", "logexp") else x


for _name, _kind in (("Mean", "mean"), ("Sum", "sum"), ("Max", "max"), ("Min", "min"), ("L2", "length"),
                     ("SumSquare", "square"), ("L1", "abs"), ("LogSum", "log"), ("LogSumExp", "logexp")):
    TABLE[f"Reduce{_name}"] = _reduction(_kind)


@onnx_name("BatchNormalization")
def batch_norm(b: Builder, x: Traced, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float = 1e-5,
               momentum: float = 0.9, training_mode: int = 0) -> Traced:
    if training_mode:
        raise ValueError("training_mode=1 is not supported: it normalises by the statistics of the batch")
    return op.batch_norm(b, x, gamma, beta, mean, variance, epsilon, round(1 - momentum, 6))


@onnx_name("LayerNormalization", "RMSNormalization")
def layer_norm(b: Builder, x: Traced, gamma: Any = None, beta: Any = None, axis: int = -1, epsilon: float = 1e-5,
               stash_type: int = 1, _kind: str = "") -> Traced:
    count = x.rank - axis % x.rank
    for array in (gamma, beta):
        if array is not None and np.ndim(array) > count:
            raise ValueError(f"has weights of shape {np.shape(array)} for {count} axes")
    return op.layer_norm(b, x, count, gamma, beta, epsilon, centered=_kind == "LayerNormalization")


@onnx_name("GroupNormalization", "InstanceNormalization")
def group_norm(b: Builder, x: Traced, gamma: Any, beta: Any, epsilon: float = 1e-5, num_groups: int | None = None,
               stash_type: int = 1, _kind: str = "", _opset: int = 21) -> Traced:
    gamma, beta, C = op.weights(gamma), op.weights(beta), images(x).shape[1]
    groups = C if _kind == "InstanceNormalization" else num_groups
    if groups is None:
        raise ValueError("lacks num_groups, expected how many groups its channels make")
    if _opset < 21 and _kind == "GroupNormalization":       # one number a group
        gamma, beta = (np.repeat(a, C // groups) if len(a) == groups else a for a in (gamma, beta))
    return op.group_norm(b, x, groups, gamma, beta, epsilon)


@onnx_name("LpNormalization")
def normalize(b: Builder, x: Traced, axis: int = -1, p: int = 2) -> Traced:
    length = op.reduce(b, "length", x, [axis], True) if p == 2 else op.reduce(
        b, "sum", op.elementwise(b, x, ours.Function("abs")), [axis], True)
    return op.divide(b, x, length)


@onnx_name("MeanVarianceNormalization")
def mean_variance(b: Builder, x: Traced, axes: Any = (0, 2, 3)) -> Traced:
    centred = op.subtract(b, x, op.reduce(b, "mean", x, axes, True))
    return op.divide(b, centred, op.power(b, op.reduce(b, "mean", op.power(b, centred, 2), axes, True), 0.5))


@onnx_name("Attention")
def attention(b: Builder, Q: Traced, K: Traced, V: Traced, mask: Any = None, *past: Any, is_causal: int = 0,
              scale: float | None = None, q_num_heads: int | None = None, kv_num_heads: int | None = None,
              softcap: float = 0.0, qk_matmul_output_mode: int = 0, softmax_precision: int = 1) -> Traced:
    if any(each is not None for each in past) or softcap:
        raise ValueError("has a cache of keys, or softcap, expected queries, keys, values and a mask")
    if Q.rank == 4:
        return op.attention(b, Q, K, V, mask, bool(is_causal), scale)

    def heads(x, n):
        N, T, C = (Size(m, k) if m != k else m for m, k in zip(x.shape, x.other_shape))
        return op.transpose(b, op.reshape(b, x, [N, T, n, C // n]), (0, 2, 1, 3))
    Q, K, V = heads(Q, q_num_heads), heads(K, kv_num_heads), heads(V, kv_num_heads)
    y = op.attention(b, Q, K, V, mask, bool(is_causal), scale)
    return op.flatten(b, op.transpose(b, y, (0, 2, 1, 3)), 2, 3)


@onnx_name("Reshape")
def reshape(b: Builder, x: Traced, target: Any, allowzero: int = 0) -> Traced:
    sizes = numbers(target)
    if not allowzero:
        if any(n == 0 and place >= x.rank for place, n in enumerate(sizes)):
            raise ValueError(f"cannot turn {x.written()} into {tuple(map(int, sizes))}")
        sizes = [Size(x.shape[place], x.other_shape[place]) if n == 0 else n for place, n in enumerate(sizes)]
    return op.reshape(b, x, sizes)


@onnx_name("Slice")
def slice_(b: Builder, x: Traced, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Traced:
    starts, ends = numbers(starts), numbers(ends)
    axes = range(len(starts)) if axes is None else numbers(axes)
    for axis, start, stop, step in zip(axes, starts, ends, [1] * len(starts) if steps is None else numbers(steps)):
        far = stop >= 2 ** 31 - 1 if step > 0 else stop <= -2 ** 31 + 1
        x = op.slice_(b, x, axis, start if abs(start) < 2 ** 31 - 1 else None, None if far else stop, step)
    return x


@onnx_name("Split")
def split(b: Builder, x: Traced, sizes: Any = None, axis: int = 0, split: Any = None, num_outputs: int | None = None,
          _outputs: int = 1) -> list[Traced] | Traced:
    sizes, n = split if sizes is None else numbers(sizes), x.shape[axis]
    if sizes is None:
        each = -(-n // _outputs)
        sizes = [each] * (n // each) + ([n % each] if n % each else [])
    found = op.split(b, x, sizes, axis)
    return found if _outputs > 1 else found[0]


@onnx_name("Gather")
def gather_rows(b: Builder, x: Any, index: Any, axis: int = 0) -> Traced:
    if not isinstance(index, Traced):
        return op.take(b, x, index, axis)
    if isinstance(x, Traced) or axis != 0 or np.ndim(x) != 2:
        raise ValueError("takes places that are computed from the input, expected rows of a matrix: what is chosen by "
                         "a value has no gradient that explains")
    return op.embedding(b, x, index)


@onnx_name("GatherND")
def gather_points(b: Builder, x: Traced, index: Any, batch_dims: int = 0) -> Traced:
    if isinstance(index, Varying) and batch_dims == 0:
        raise ValueError("takes other places for each image")
    index = np.asarray(op.plain(index))
    if batch_dims == 1 and (index == index[:1]).all():
        index, first = index[0], 1
    elif batch_dims == 0:
        first = 0
    else:
        raise ValueError(f"batch_dims={batch_dims} with other places for each image")
    axes = list(range(first, first + index.shape[-1]))
    return op.points(b, x, axes, [index[..., n] for n in range(len(axes))])


@onnx_name("Expand")
def expand(b: Builder, x: Traced, shape: Any) -> Traced:
    sizes = numbers(shape)
    full = [1] * (max(x.rank, len(sizes)) - x.rank) + list(x.shape)
    sizes = [-1] * (len(full) - len(sizes)) + sizes
    return op.expand(b, x, [n if n != 1 else -1 for n in sizes])


@onnx_name("Pad")
def pad(b: Builder, x: Traced, pads: Any = None, value: Any = None, axes: Any = None, mode: str = "constant") -> Traced:
    axes, pads = list(range(x.rank)) if axes is None else numbers(axes), numbers(pads)
    found = [(0, 0)] * x.rank
    for axis, first, last in zip(axes, pads[:len(axes)], pads[len(axes):]):
        found[axis] = (first, last)
    return op.pad(b, x, found, mode, 0.0 if value is None else float(np.reshape(value, ())))


@onnx_name("Cast")
def cast(b: Builder, x: Traced, to: int, saturate: int = 1, round_mode: str = "up") -> Traced:
    if to not in FLOATS + WHOLE + TRUTH:
        raise ValueError(f"casts to numbers of type {to} of onnx.TensorProto")
    return op.cast(b, x, "f" if to in FLOATS else "b" if to in TRUTH else "i")


@onnx_name("CastLike")
def cast_like(b: Builder, x: Any, like: Any, saturate: int = 1, round_mode: str = "up") -> Any:
    if isinstance(like, Traced):
        return op.cast(b, x, like.kind) if isinstance(x, Traced) else np.asarray(
            x, {"f": b.dtype, "b": bool}.get(like.kind, np.int64))
    name = like.dtype.name
    if name not in ("bool", "bfloat16", "float16", "float32", "float64") and like.dtype.kind not in "iu":
        raise ValueError(f"casts to numbers of type {name}")
    return op.cast(b, x, "b" if name == "bool" else "f" if "float" in name else "i")


@onnx_name("Resize", "Upsample")
def resize(b: Builder, x: Traced, roi: Any = None, scales: Any = None, sizes: Any = None, mode: str = "nearest",
           coordinate_transformation_mode: str = "half_pixel", nearest_mode: str = "round_prefer_floor",
           axes: Any = None, antialias: int = 0, keep_aspect_ratio_policy: str = "stretch",
           cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0.0) -> Traced:
    places = coordinate_transformation_mode
    if antialias or keep_aspect_ratio_policy != "stretch":
        raise ValueError("antialias and keep_aspect_ratio_policy are not supported")
    axes = list(range(x.rank)) if axes is None else [axis % x.rank for axis in axes]
    if scales is not None and np.size(scales):
        found = dict(zip(axes, np.ravel(op.plain(scales)).tolist()))
        factors = [found.get(axis, 1.0) for axis in range(x.rank)]
        if factors[:2] != [1, 1]:
            raise ValueError(f"resizes batch and channels by {factors[:2]}, expected height and width alone")
        scale, target = factors[2:], None
    else:
        wanted = dict(zip(axes, numbers(sizes)))
        if any(wanted.get(place, x.shape[place]) != x.shape[place] for place in (0, 1)):
            raise ValueError(f"resizes {x.written()} to {tuple(wanted.values())}, expected batch and channels as they "
                             "are")
        target, scale = [int(wanted.get(place, x.shape[place])) for place in range(2, x.rank)], None
    mode = {"linear": "linear", "nearest": "nearest", "cubic": "cubic"}.get(mode, mode)
    half = places in ("half_pixel", "pytorch_half_pixel")
    out = target or [int(math.floor(n * s)) for n, s in zip(x.shape[2:], scale or [])]
    whole = all(m % n == 0 for m, n in zip(out, x.shape[2:]))
    if places == "align_corners" and target is None and any(
            n * s != m for n, s, m in zip(x.shape[2:], scale or [], out)):
        raise ValueError(f"resizes {x.written()} by {scale} with align_corners to sizes that are no whole numbers, "
                         "where readers differ; expected sizes in place of scales")
    if places == "pytorch_half_pixel" and 1 in out and mode != "nearest":
        raise ValueError("resizes to one pixel by pytorch_half_pixel, which is not supported")
    ours_is = {"linear": "bilinear" if half or places == "align_corners" else None,
               "cubic": "bicubic" if (half or places == "align_corners") and cubic_coeff_a == -0.75 and
               not exclude_outside else None,
               "nearest": "nearest" if places == "asymmetric" and nearest_mode == "floor" or
               half and whole and nearest_mode == "round_prefer_floor" else
               "nearest-exact" if half and nearest_mode == "round_prefer_ceil" else None}.get(mode)
    if ours_is is None:
        raise ValueError(f"mode={mode!r} with coordinate_transformation_mode={places!r} and nearest_mode="
                         f"{nearest_mode!r} is not supported")
    return op.upsample(b, x, target, scale, ours_is, places == "align_corners")


@onnx_name("CumSum")
def cumsum(b: Builder, x: Traced, axis: Any, exclusive: int = 0, reverse: int = 0) -> Traced:
    axis, n = int(np.ravel(op.plain(axis))[0]), x.shape[int(np.ravel(op.plain(axis))[0])]
    W = np.tri(n, k=-1 if exclusive else 0, dtype=b.dtype)
    return op.swap(b, op.linear(b, op.swap(b, x, axis, -1), W if reverse else W.T), axis, -1)


@onnx_name("Shape")
def shape(b: Builder, x: Traced, start: int = 0, end: int | None = None) -> Any:
    first, second = np.array(x.shape[start:end], np.int64), np.array(x.other_shape[start:end], np.int64)
    return Varying(first, second) if not np.array_equal(first, second) else first


@onnx_name("Size")
def count(b: Builder, x: Traced) -> Any:
    first, second = np.int64(math.prod(x.shape)), np.int64(math.prod(x.other_shape))
    return Varying(np.asarray(first), np.asarray(second)) if first != second else np.asarray(first)


@onnx_name("Trilu")
def triangle(b: Builder, x: Traced, k: Any = 0, upper: int = 1) -> Traced:
    mask = (np.triu if upper else np.tril)(np.ones(x.shape[-2:], b.dtype), int(np.ravel(op.plain(k))[0]))
    return op.multiply(b, x, mask)


# Tables, with which scikit-learn's models are exported (the domain ai.onnx.ml)

@onnx_name("Scaler")
def scaler(b: Builder, x: Traced, offset: Any = (0.0,), scale: Any = (1.0,)) -> Traced:
    """(x - offset) * scale"""
    return op.multiply(b, op.subtract(b, x, np.asarray(offset, b.dtype)), np.asarray(scale, b.dtype))


def _head(b, y, post_transform):
    if post_transform not in ("NONE", "SOFTMAX", "LOGISTIC"):
        raise ValueError(f"post_transform={post_transform!r} is not supported, expected one of NONE, SOFTMAX, LOGISTIC")
    return y if post_transform == "NONE" else op.softmax(b, y, 1) if post_transform == "SOFTMAX" else \
        op.elementwise(b, y, ours.Sigmoid())


@onnx_name("LinearClassifier")
def classifier(b: Builder, x: Traced, coefficients: Any, intercepts: Any = (), multi_class: int = 0,
               post_transform: str = "NONE", classlabels_ints: Any = (), classlabels_strings: Any = ()) -> list:
    """A label, which is no number to explain, and a score for each class."""
    W = np.reshape(np.asarray(coefficients, b.dtype), (len(intercepts), -1)).T
    return [Places(), _head(b, op.linear(b, x, W, np.asarray(intercepts, b.dtype)), post_transform)]


@onnx_name("LinearRegressor")
def regressor(b: Builder, x: Traced, coefficients: Any, intercepts: Any = None, post_transform: str = "NONE",
              targets: int = 1) -> Traced:
    W = np.reshape(np.asarray(coefficients, b.dtype), (targets, -1)).T
    return _head(b, op.linear(b, x, W, None if intercepts is None else np.asarray(intercepts, b.dtype)), post_transform)


@onnx_name("Normalizer")
def normalizer(b: Builder, x: Traced, norm: str = "MAX") -> Traced:
    """Probabilities of a softmax sum to 1 as they are."""
    if norm != "L1" or type(b.layers[x.at - 1]).__name__ != "Softmax":
        raise ValueError(f"norm={norm!r} is supported for the probabilities of a softmax only")
    return x


TABLE["ZipMap"] = lambda b, x, classlabels_int64s=(), classlabels_strings=(): x
