"""What each torch module is in the small graph: MODULES[class name](reading, module) -> node.

Reading needs no torch: a module is known by the name of its class and read through its attributes. Functions and
methods, as a forward of one's own calls them, are in `torch_functions.py`.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn import layers as ours
from minixnn.interop import reading as form

if TYPE_CHECKING:
    from minixnn.interop.operations import Node
    from minixnn.interop.reading import Reading
    from minixnn.layers.base import Layer


def array(tensor: Any) -> Array | None:
    """A tensor of any framework that has `detach` and `cpu`, as a NumPy array of its own."""
    if tensor is None:
        return None
    tensor = tensor.detach().cpu()
    if "bfloat16" in str(tensor.dtype):
        raise ValueError("weights in bfloat16 are not supported; call module.float() first")
    return form.as_weights(np.array(tensor.numpy()))


def each(value: Any, n: int) -> tuple:
    """3 -> (3, 3), as torch reads it."""
    return (value,) * n if isinstance(value, int) or value is None else tuple(value)


def expect(module: Layer, **expected: Any) -> None:
    """Refuse a module one of whose attributes has another value than the only one that a Network knows."""
    for name, value in expected.items():
        actual = getattr(module, name, value)
        if actual != value and not (isinstance(actual, tuple) and set(actual) == {value}):
            raise ValueError(f"{name}={actual!r} is not supported")


def conv(r: Reading, W: Array, b: Array | None = None, stride: Any = 1, padding: Any = 0,
         dilation: Any = 1, groups: int = 1) -> Node:
    """A convolution over one or two axes, its arguments as torch's functional form has them."""
    n = W.ndim - 2
    stride, dilation = each(stride, n), each(dilation, n)
    if padding == "same":
        pads = tuple((d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2) for k, d in zip(W.shape[2:], dilation))
    else:
        pads = tuple((p, p) for p in each(0 if padding == "valid" else padding, n))
    return r.add("conv", W=W, b=b, stride=stride, pads=pads, dilation=dilation, groups=groups)


def _conv(r, module):
    W, mode = array(module.weight), getattr(module, "padding_mode", "zeros")
    if mode != "zeros":
        raise ValueError(f"padding_mode={mode!r} is not supported")
    return conv(r, W, array(module.bias), module.stride, module.padding, module.dilation, module.groups)


def conv_transpose(r: Reading, W: Array, b: Array | None = None, stride: Any = 1,
                   padding: Any = 0, output_padding: Any = 0, groups: int = 1,
                   dilation: Any = 1) -> Node:
    n = W.ndim - 2
    return r.add("conv_transpose", W=W, b=b, stride=each(stride, n), pads=tuple((p, p) for p in each(padding, n)),
                 output_padding=each(output_padding, n), dilation=each(dilation, n), groups=groups)


def _conv_transpose(r, module):
    expect(module, padding_mode="zeros")
    return conv_transpose(r, array(module.weight), array(module.bias), module.stride, module.padding,
                          module.output_padding, module.groups, module.dilation)


def _linear(r, module):
    return r.add("dense", W=array(module.weight).T, b=array(module.bias))


def max_pool(r: Reading, n: int, kernel_size: tuple[int, ...] | int, stride: tuple[int, ...] | int | None = None,
             padding: tuple[int, ...] | int = 0, dilation: int = 1, ceil_mode: bool = False,
             return_indices: bool = False) -> Node:
    """A max pool over n axes, its arguments as torch's functional form has them."""
    if return_indices:
        raise ValueError("return_indices=True is not supported")
    return r.add("max_pool", size=each(kernel_size, n), stride=each(stride or kernel_size, n), ceil=bool(ceil_mode),
                 pads=tuple((p, p) for p in each(padding, n)), dilation=each(dilation, n))


def avg_pool(r: Reading, n: int, kernel_size: tuple[int, ...] | int, stride: tuple[int, ...] | int | None = None,
             padding: tuple[int, ...] | int = 0, ceil_mode: bool = False, count_include_pad: bool = True,
             divisor_override: int | None = None) -> Node:
    if divisor_override not in (None, 1):
        raise ValueError(f"divisor_override={divisor_override} is not supported")
    return r.add("avg_pool", size=each(kernel_size, n), stride=each(stride or kernel_size, n), ceil=bool(ceil_mode),
                 pads=tuple((p, p) for p in each(padding, n)), count_padding=bool(count_include_pad),
                 total=divisor_override == 1)


def _max_pool(n):
    return lambda r, module: max_pool(r, n, module.kernel_size, module.stride, module.padding, module.dilation,
                                      module.ceil_mode, module.return_indices)


def _avg_pool(n):
    return lambda r, module: avg_pool(r, n, module.kernel_size, module.stride, module.padding, module.ceil_mode,
                                      module.count_include_pad, getattr(module, "divisor_override", None))


def adaptive_avg_pool(r: Reading, n: int, output_size: tuple | int) -> Node:
    return r.add("adaptive_avg_pool", size=each(output_size, n))


def adaptive_max_pool(r: Reading, n: int, output_size: int, return_indices: bool = False) -> Node:
    if set(each(output_size, n)) != {1} or return_indices:
        raise ValueError(f"output_size={output_size} is not supported, expected 1")
    return r.add("max", axes=form.spatial(r.x), keepdims=True)


def batch_norm(r: Reading, mean: Array | None, variance: Array | None, gamma: Array | None = None,
               beta: Array | None = None, epsilon: float = 1e-05, momentum: float | None = 0.1) -> Node:
    if mean is None:
        raise ValueError("track_running_stats=False is not supported")
    if variance is not None and (variance < 0).any():
        raise ValueError("its variances are negative, expected what a variance can be")
    gamma = np.ones_like(mean) if gamma is None else gamma
    beta = np.zeros_like(mean) if beta is None else beta
    return r.add("batch_norm", gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=epsilon,
                 momentum=0.1 if momentum is None else momentum)


def _batch_norm(r, module):
    return batch_norm(r, array(module.running_mean), array(module.running_var), array(module.weight),
                      array(module.bias), module.eps, module.momentum)


def layer_norm(r: Reading, sizes: tuple[int, ...], gamma: Array | None = None, beta: Array | None = None,
               epsilon: float = 1e-05, op: str = 'layer_norm') -> Node:
    rank, n = len(form.known_rank(r.x)), len(each(sizes, 1))
    more = {"beta": beta} if op == "layer_norm" else {}
    return r.add(op, axes=list(range(rank - n, rank)), gamma=gamma, epsilon=epsilon, **more)


def _layer_norm(r, module):
    return layer_norm(r, module.normalized_shape, array(module.weight), array(getattr(module, "bias", None)),
                      module.eps)


def _rms_norm(r, module):
    epsilon = module.eps if module.eps is not None else float(np.finfo(r.graph.dtype).eps)
    return layer_norm(r, module.normalized_shape, array(module.weight), None, epsilon, "rms_norm")


def group_norm(r: Reading, groups: int, gamma: Array | None = None, beta: Array | None = None,
               epsilon: float = 1e-05) -> Node:
    C = form.known_rank(r.x)[1]
    gamma = np.ones(C, r.graph.dtype) if gamma is None else gamma
    beta = np.zeros(C, r.graph.dtype) if beta is None else beta
    return r.add("group_norm", groups=groups, gamma=gamma, beta=beta, epsilon=epsilon)


def _group_norm(r, module):
    return group_norm(r, module.num_groups, array(module.weight), array(module.bias), module.eps)


def _instance_norm(r, module):
    expect(module, track_running_stats=False)
    return group_norm(r, module.num_features, array(module.weight), array(module.bias), module.eps)


def local_response_norm(r: Reading, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> Node:
    return r.add("local_response_norm", size=size, alpha=alpha, beta=beta, k=k)


def upsample(r: Reading, size: tuple[int, ...] | None = None, scale_factor: tuple[float, float] | None = None,
             mode: str = 'nearest', align_corners: bool | None = None) -> Node:
    n = len(form.spatial(r.x))
    places = "align_corners" if align_corners else "half_pixel" if mode != "nearest" else "asymmetric"
    kind = {"bilinear": "linear"}.get(mode, mode)
    return form.resize(r, kind, places, "floor", None if size is None else each(size, n),
                       None if scale_factor is None else tuple(map(float, each_number(scale_factor, n))))


def each_number(value: tuple[float, float], n: int) -> Any:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


def pad(r: Reading, pads: tuple[int, ...], value: float = 0.0) -> Node:
    """torch counts axes from the last one, and gives (before, after) of each."""
    rank = len(form.known_rank(r.x))
    found: list[tuple] = [(0, 0)] * rank
    for number in range(len(pads) // 2):
        found[rank - 1 - number] = tuple(pads[2 * number:2 * number + 2])
    return r.add("pad", pads=tuple(found), value=float(value))


def activation(name: str, **names: Any) -> Callable:
    """A layer of ours; names: {our argument: torch's attribute}."""
    def read(r, module):
        return r.add("elementwise", layer=getattr(ours, name)(**{
            mine: getattr(module, theirs) for mine, theirs in names.items()}))
    return read


def softmax(r: Reading, op: str, dim: int) -> Node:
    rank = len(form.known_rank(r.x))
    if dim is None:                                         # torch's guess for older code
        dim = 0 if rank in (1, 3) else 1
    return r.add(op, axis=dim % rank)


def _unflatten(r, module):
    shape, dim = list(form.known_rank(r.x)), module.dim
    dim %= len(shape)
    return r.add("reshape", shape=(*shape[:dim], *module.unflattened_size, *shape[dim + 1:]))


def _nothing(r, module):
    return r.x


MODULES = {
    "Linear": _linear, "Conv1d": _conv, "Conv2d": _conv, "ConvTranspose2d": _conv_transpose,
    "MaxPool1d": _max_pool(1), "MaxPool2d": _max_pool(2), "AvgPool1d": _avg_pool(1), "AvgPool2d": _avg_pool(2),
    **{f"AdaptiveAvgPool{n}d": lambda r, module, n=n: adaptive_avg_pool(r, n, module.output_size) for n in (1, 2)},
    **{f"AdaptiveMaxPool{n}d": lambda r, module, n=n: adaptive_max_pool(
        r, n, module.output_size, module.return_indices) for n in (1, 2)},
    "BatchNorm1d": _batch_norm, "BatchNorm2d": _batch_norm, "LayerNorm": _layer_norm, "RMSNorm": _rms_norm,
    "GroupNorm": _group_norm, "InstanceNorm1d": _instance_norm, "InstanceNorm2d": _instance_norm,
    "LocalResponseNorm": lambda r, module: local_response_norm(r, module.size, module.alpha, module.beta, module.k),
    "ReLU": activation("ReLU"), "Sigmoid": activation("Sigmoid"), "Tanh": activation("Tanh"),
    "Softplus": activation("Softplus", beta="beta"), "Mish": activation("Mish"),
    "LeakyReLU": activation("LeakyReLU", slope="negative_slope"), "ELU": activation("ELU", alpha="alpha"),
    "SELU": activation("SELU"), "GELU": activation("GELU", approximate="approximate"), "SiLU": activation("SiLU"),
    "Hardswish": activation("Hardswish"), "Hardsigmoid": activation("Hardsigmoid"),
    "ReLU6": lambda r, module: form.clip(r, 0, 6),
    "Hardtanh": lambda r, module: form.clip(r, module.min_val, module.max_val),
    "PReLU": lambda r, module: r.add("prelu", a=array(module.weight), axis=1),
    "Softmax": lambda r, module: softmax(r, "softmax", module.dim),
    "LogSoftmax": lambda r, module: softmax(r, "log_softmax", module.dim),
    "Softmax2d": lambda r, module: softmax(r, "softmax", 1),
    "Flatten": lambda r, module: form.flatten(r, module.start_dim, module.end_dim), "Unflatten": _unflatten,
    "Upsample": lambda r, module: upsample(r, module.size, module.scale_factor, module.mode, module.align_corners),
    "UpsamplingNearest2d": lambda r, module: upsample(r, module.size, module.scale_factor),
    "UpsamplingBilinear2d": lambda r, module: upsample(r, module.size, module.scale_factor, "bilinear", True),
    "ZeroPad2d": lambda r, module: pad(r, module.padding), "ZeroPad1d": lambda r, module: pad(r, module.padding),
    "ConstantPad2d": lambda r, module: pad(r, module.padding, module.value),
    "ConstantPad1d": lambda r, module: pad(r, module.padding, module.value),
    "PixelShuffle": lambda r, module: form.depth_to_space(r, module.upscale_factor),
    "ChannelShuffle": lambda r, module: r.add("channel_shuffle", groups=module.groups),
    "Embedding": lambda r, module: r.add("embedding", W=array(module.weight)),
    "Identity": _nothing, "Dropout": lambda r, module: r.add("elementwise", layer=ours.Dropout(module.p))
    if module.p < 1 else r.x,
    **dict.fromkeys(("Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout", "Dropout3d"), _nothing),
}
