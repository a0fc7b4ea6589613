"""What each type of ONNX node is in the small graph: readers(reading) -> node, or a list with one entry per output.

    reading.inputs      nodes and constants, None for one that is left out
    reading.settings    the attributes of the node by name
    reading.add(...)    puts a node into the graph

What cannot be represented is a ValueError that says why; the caller puts the name of the node before it. Nodes that
only move numbers about are in `onnx_moves.py`, those that treat every number alike in `onnx_activations.py`.
"""
from typing import Any

import numpy as np

from minixnn.interop import reading as form
from minixnn.interop.layout import size_unknown
from minixnn.interop.operations import Node
from minixnn.interop.onnx_activations import ACTIVATIONS
from minixnn.interop.onnx_attention import read_attention
from minixnn.interop.onnx_constants import axes_in
from minixnn.interop.onnx_moves import MOVES
from minixnn.interop.onnx_tables import TABLES


def expect(settings: dict[str, Any], **expected: Any) -> None:
    """Refuse an attribute that has another value than the only one that a Network knows."""
    for name, value in expected.items():
        actual = settings.get(name, value)
        if actual != value and not (isinstance(actual, list) and set(actual) == {value}):
            raise ValueError(f"{name}={actual!r} is not supported")


def _windows(r, kernel, known=("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")):
    """stride, pads and dilation of the windows of a convolution or pool."""
    n, auto = len(kernel), r.settings.get("auto_pad", "NOTSET")
    stride, dilation = (tuple(r.settings.get(name, (1,) * n)) for name in ("strides", "dilations"))
    given = list(r.settings.get("pads", (0,) * 2 * n))
    if auto not in known:
        raise ValueError(f"auto_pad={auto!r} is not supported, expected one of {', '.join(known)}")
    if len(stride) != n or len(dilation) != n or len(given) != 2 * n or min((*kernel, *stride, *dilation)) < 1:
        raise ValueError(f"strides={stride}, dilations={dilation} and pads={given} do not fit windows of {kernel}")
    if min(given) < 0:
        raise ValueError(f"pads={given} is not supported, expected none below 0")
    pads = tuple(zip(given[:n], given[n:])) if auto == "NOTSET" else ((0, 0),) * n
    if auto == "SAME_UPPER":
        pads = "same"
    elif auto == "SAME_LOWER":                  # as "same", with the odd pixel at the beginning
        sizes = (None,) * n if r.x.shape is None else r.x.shape[2:]
        if None in sizes and set(stride) != {1}:
            raise size_unknown("auto_pad='SAME_LOWER' depends on the size of the images")
        short = [d * (k - 1) if size is None else max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
                 for size, k, s, d in zip(sizes, kernel, stride, dilation)]
        pads = tuple((p - p // 2, p // 2) for p in short)
    return {"stride": stride, "pads": pads, "dilation": dilation}


def _weights(r):
    """W of a convolution, checked against what the node says of it."""
    W = r.array(1)
    if W.ndim < 3 or 0 in W.shape:
        raise ValueError(f"weights of shape {W.shape} are not supported, expected (out, in, height, width)")
    if list(r.settings.get("kernel_shape", W.shape[2:])) != list(W.shape[2:]):
        raise ValueError(f"kernel_shape={r.settings['kernel_shape']} does not fit weights of shape {W.shape}")
    groups = r.settings.get("group", 1)
    if groups < 1 or W.shape[0] % groups:
        raise ValueError(f"group={groups} does not fit weights of shape {W.shape}")
    return W, groups


def _conv(r):
    W, groups = _weights(r)
    return r.add("conv", W=W, b=r.array(2), groups=groups, **_windows(r, W.shape[2:]))


def _conv_transpose(r):
    W, groups = _weights(r)
    expect(r.settings, output_shape=None)
    found = _windows(r, W.shape[2:], ("NOTSET", "VALID"))
    more = tuple(r.settings.get("output_padding", (0,) * (W.ndim - 2)))
    return r.add("conv_transpose", W=W, b=r.array(2), groups=groups, output_padding=more, **found)


def _max_pool(r):
    expect(r.settings, dilations=1)
    size = tuple(r.settings["kernel_shape"])
    return r.add("max_pool", size=size, ceil=bool(r.settings.get("ceil_mode")), **_windows(r, size))


def _average_pool(r):
    size, auto = tuple(r.settings["kernel_shape"]), r.settings.get("auto_pad", "NOTSET")
    expect(r.settings, dilations=1)
    found = _windows(r, size)
    if auto.startswith("SAME") and any(s > k for s, k in zip(found["stride"], size)):
        raise ValueError(f"auto_pad={auto!r} with strides={found['stride']} beyond windows of {size} is not supported: "
                         "where these then lie is not the same everywhere")
    return r.add("avg_pool", size=size, ceil=bool(r.settings.get("ceil_mode")), total=False,
                 count_padding=bool(r.settings.get("count_include_pad", 0)), **found)


def _reduce(op):
    def read(r):
        axes = axes_in([None, r.array(1, weights=False)], r.settings)
        if axes is None and r.settings.get("noop_with_empty_axes"):
            return r.x
        return r.add(op, axes=axes, keepdims=bool(r.settings.get("keepdims", 1)))
    return read


def _global(op):
    def read(r):
        form.spatial(r.x)
        return r.add(op, axes=list(range(2, len(r.x.shape))), keepdims=True)
    return read


def _gemm(r):
    expect(r.settings, transA=0)
    W, b = r.array(1), r.array(2)
    alpha, beta = (r.settings.get(name, 1.0) for name in ("alpha", "beta"))
    W = W.T if r.settings.get("transB") else W
    W, b = W if alpha == 1 else W * W.dtype.type(alpha), b if b is None or beta == 1 else b * b.dtype.type(beta)
    if W.ndim != 2 or r.x.shape is not None and len(r.x.shape) != 2:
        raise ValueError(f"weights of shape {W.shape} and an input of shape {r.x.shape} are not supported, expected "
                         "(inputs, outputs) and (images, inputs); put a Flatten before it")
    return r.add("dense", W=W, b=None if b is None else form.as_bias(b, W.shape[1], 2))


def _mat_mul(r):
    W = r.inputs[1]
    if isinstance(W, Node) or W.array.ndim != 2:
        return form.product(r, *r.inputs)
    return r.add("dense", W=r.array(1), b=None)


def _batch_normalization(r):
    expect(r.settings, training_mode=0)
    names = ("gamma", "beta", "mean", "variance")
    arrays = {name: r.array(place) for place, name in enumerate(names, 1)}
    if (arrays["variance"] < 0).any():
        raise ValueError("its variances are negative, expected what a variance can be; the file is damaged")
    momentum = round(1 - r.settings.get("momentum", 0.9), 6)        # ONNX gives the share of the old, we of the new
    return r.add("batch_norm", epsilon=r.settings.get("epsilon", 1e-5), momentum=momentum, **arrays)


def _layer_norm(r):
    rank = len(form.known_rank(r.x))
    axes = list(range(r.settings.get("axis", -1) % rank, rank))
    if r.kind == "RMSNormalization":
        return r.add("rms_norm", axes=axes, gamma=r.array(1), epsilon=r.settings.get("epsilon", 1e-5))
    return r.add("layer_norm", axes=axes, gamma=r.array(1), beta=r.array(2), epsilon=r.settings.get("epsilon", 1e-5))


def _group_norm(r):
    gamma, beta = r.array(1), r.array(2)
    groups = len(gamma) if r.kind == "InstanceNormalization" else r.settings["num_groups"]
    if r.kind == "GroupNormalization" and r.opset < 21:     # one number a group
        C = form.known_rank(r.x)[1]
        gamma, beta = (np.repeat(a, C // groups) if len(a) == groups else a for a in (gamma, beta))
    return r.add("group_norm", groups=groups, gamma=gamma, beta=beta, epsilon=r.settings.get("epsilon", 1e-5))


def _local_response(r):
    get = r.settings.get
    return r.add("local_response_norm", size=get("size"), alpha=get("alpha", 1e-4), beta=get("beta", 0.75),
                 k=get("bias", 1.0))


def _binary(op):
    def read(r):
        found = r.inputs[0]
        for other in r.inputs[1:]:              # Sum, Max and Min take any number
            found = r.add(op, [found, other])
        return found
    return read


def _unary(op):
    return lambda r: r.add(op)


WINDOWS = "auto_pad ceil_mode dilations kernel_shape pads strides"
CONV = "auto_pad dilations group kernel_shape pads strides"
READERS = {                                     # type of node -> its reader, the attributes that are understood
    "Conv": (_conv, CONV), "ConvTranspose": (_conv_transpose, CONV + " output_padding output_shape"),
    "Gemm": (_gemm, "alpha beta transA transB"), "MatMul": (_mat_mul, ""),
    "Attention": (read_attention, "is_causal scale q_num_heads kv_num_heads softcap qk_matmul_output_mode "
                                  "softmax_precision"),
    "MaxPool": (_max_pool, WINDOWS + " storage_order"), "AveragePool": (_average_pool, WINDOWS + " count_include_pad"),
    "GlobalAveragePool": (_global("mean"), ""), "GlobalMaxPool": (_global("max"), ""),
    "ReduceMean": (_reduce("mean"), "axes keepdims noop_with_empty_axes"),
    "ReduceSum": (_reduce("sum"), "axes keepdims noop_with_empty_axes"),
    "ReduceMax": (_reduce("max"), "axes keepdims noop_with_empty_axes"),
    "BatchNormalization": (_batch_normalization, "epsilon momentum training_mode"),
    "LayerNormalization": (_layer_norm, "axis epsilon stash_type"),
    "RMSNormalization": (_layer_norm, "axis epsilon stash_type"),
    "GroupNormalization": (_group_norm, "epsilon num_groups stash_type"),
    "InstanceNormalization": (_group_norm, "epsilon"), "LRN": (_local_response, "alpha beta bias size"),
    **{kind: (_binary(op), "") for kind, op in (
        ("Add", "add"), ("Sub", "sub"), ("Mul", "mul"), ("Div", "div"), ("Pow", "pow"), ("Sum", "add"),
        ("Max", "maximum"), ("Min", "minimum"))},
    **{kind: (_unary(op), "") for kind, op in (
        ("Exp", "exp"), ("Log", "log"), ("Sqrt", "sqrt"), ("Reciprocal", "reciprocal"), ("Erf", "erf"),
        ("Neg", "negative"), ("Abs", "absolute"))},
    **ACTIVATIONS, **MOVES, **TABLES}
