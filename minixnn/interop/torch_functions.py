"""What each function and method of torch is in the small graph, as a forward of one's own calls it.

    FUNCTIONS["max_pool2d"](reading, *arguments, **keywords) -> node, or a list where torch gives a tuple

Functions of torch and torch.nn.functional and methods of tensors go by one name each: torch.relu(x), F.relu(x) and
x.relu() are one. The first argument is reading.x; the others are plain values, or nodes and constants.
"""
import numpy as np

from minixnn.arrays import Array
from minixnn import layers as ours
from minixnn.interop import reading as form, torch_modules as modules
from minixnn.interop.operations import Constant, Node
from minixnn.interop.torch_moves import MOVES


def weights(value: Constant) -> Array:
    """A tensor among the arguments as an array."""
    if value is None:
        return None
    if isinstance(value, Node):
        raise ValueError("its weights are computed from the input, expected a parameter")
    return form.as_weights(value.array)


def _binary(op):
    def read(r, other, alpha=1, inplace=False):
        if alpha != 1:
            raise ValueError(f"alpha={alpha} is not supported")
        return r.add(op, [form.operand(r.inputs[0]), form.operand(other)])
    return read


def _reversed(op):
    def read(r, other):
        return r.add(op, [form.operand(other), form.operand(r.inputs[0])])
    return read


def _unary(op):
    return lambda r: r.add(op)


def _activation(name):
    return lambda r, inplace=False: r.add("elementwise", layer=getattr(ours, name)())


def _reduce(op):
    def read(r, dim=None, keepdim=False, dtype=None):
        return r.add(op, axes=None if dim is None else list(modules.each(dim, 1)), keepdims=bool(keepdim))
    return read


def _largest(r, dim=None, keepdim=False):
    """torch.max: with a dim the values, and the places that they come from; of two arrays the larger one each."""
    if isinstance(dim, (Node, Constant)):
        return r.add("maximum", [r.x, dim])
    y = _reduce("max")(r, dim, keepdim)
    return y if dim is None else [y, r.graph.unknown([y], r.label, "a place is no number to explain")]


def _linear(r, weight, bias=None):
    return r.add("dense", W=weights(weight).T, b=weights(bias))


def _matmul(r, other):
    if isinstance(other, Node) or other.array.ndim != 2:
        return form.product(r, r.inputs[0], other)
    return r.add("dense", W=weights(other), b=None)


def _attention(r, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if dropout_p or enable_gqa:
        raise ValueError(f"dropout_p={dropout_p} and enable_gqa={enable_gqa} are not supported")
    return form.attention(r, r.x, key, value, form.plain(attn_mask), is_causal, scale)


def _masked_fill(r, mask, value):
    return form.choose(r, mask.array, value, r.x)


def _where(r, x, other):
    """torch.where(condition, x, other), one of the two a constant."""
    return form.choose(r, r.inputs[0].array, x, other)


def _conv(r, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return modules.conv(r, weights(weight), weights(bias), stride, padding, dilation, groups)


def _conv_transpose(r, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    return modules.conv_transpose(r, weights(weight), weights(bias), stride, padding, output_padding, groups, dilation)


def _batch_norm(r, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if training:
        raise ValueError("training=True is not supported")
    return modules.batch_norm(r, *map(weights, (running_mean, running_var, weight, bias)), eps, momentum)


def _layer_norm(r, normalized_shape, weight=None, bias=None, eps=1e-5):
    return modules.layer_norm(r, tuple(normalized_shape), weights(weight), weights(bias), eps)


def _group_norm(r, num_groups, weight=None, bias=None, eps=1e-5):
    return modules.group_norm(r, num_groups, weights(weight), weights(bias), eps)


def _dropout(r, p=0.5, training=True, inplace=False):
    if training:
        raise ValueError("draws at random whenever it runs (training=True is the default of the function), expected "
                         "training=self.training")
    return r.x


def _embedding(r, weight, padding_idx=None, **more):
    return r.add("embedding", W=weights(weight))


def _mean_of_pixels(r, output_size=1):
    return modules.adaptive_avg_pool(r, len(form.spatial(r.x)), output_size)


def _clamp(r, min=None, max=None):
    return form.clip(r, form.plain(min), form.plain(max))


def _power(r, exponent):
    if exponent == 0.5:
        return r.add("sqrt")
    return r.add("pow", [r.x, form.operand(exponent)])


def _rsqrt(r):
    return r.add("reciprocal", [r.add("sqrt")])


def _variance(r, dim=None, unbiased=None, correction=None, keepdim=False):
    """The mean of squared differences from the mean, divided by n."""
    if unbiased is not False and correction != 0:
        raise ValueError("divides by n - 1, expected unbiased=False")
    axes = list(modules.each(dim, 1))
    off = r.add("sub", [r.x, r.add("mean", axes=axes, keepdims=True)])
    return r.add("mean", [r.add("mul", [off, off])], axes=axes, keepdims=keepdim)


def _nothing(r, *more, **settings):
    return r.x


def _softmax(op):
    return lambda r, dim=None, _stacklevel=3, dtype=None: modules.softmax(r, op, dim)


FUNCTIONS = {
    "add": _binary("add"), "sub": _binary("sub"), "mul": _binary("mul"), "truediv": _binary("div"),
    "div": _binary("div"), "multiply": _binary("mul"), "subtract": _binary("sub"), "maximum": _binary("maximum"),
    "minimum": _binary("minimum"), "pow": _power, "square": lambda r: r.add("mul", [r.x, r.x]), "rsqrt": _rsqrt,
    "rsub": _reversed("sub"), "neg": _unary("negative"), "exp": _unary("exp"), "log": _unary("log"),
    "sqrt": _unary("sqrt"), "erf": _unary("erf"), "reciprocal": _unary("reciprocal"), "abs": _unary("absolute"),
    "log1p": lambda r: r.add("log", [r.add("add", [r.x, Constant(np.float64(1))])]),
    "relu": _activation("ReLU"), "sigmoid": _activation("Sigmoid"), "tanh": _activation("Tanh"),
    "silu": _activation("SiLU"), "hardswish": _activation("Hardswish"), "hardsigmoid": _activation("Hardsigmoid"),
    "relu6": lambda r, inplace=False: form.clip(r, 0, 6), "selu": _activation("SELU"),
    "leaky_relu": lambda r, negative_slope=0.01, inplace=False: r.add("elementwise", layer=ours.LeakyReLU(
        negative_slope)),
    "elu": lambda r, alpha=1.0, inplace=False: r.add("elementwise", layer=ours.ELU(alpha)),
    "gelu": lambda r, approximate="none": r.add("elementwise", layer=ours.GELU(approximate)),
    "prelu": lambda r, weight: r.add("prelu", a=weights(weight), axis=1),
    "softplus": lambda r, beta=1, threshold=20: r.add("elementwise", layer=ours.Softplus(beta)),
    "mish": _activation("Mish"),
    "hardtanh": lambda r, min_val=-1.0, max_val=1.0, inplace=False: form.clip(r, min_val, max_val),
    "clamp": _clamp, "clip": _clamp, "clamp_min": lambda r, min: form.clip(r, min, None),
    "clamp_max": lambda r, max: form.clip(r, None, max), "softmax": _softmax("softmax"),
    "log_softmax": _softmax("log_softmax"),
    "linear": _linear, "matmul": _matmul, "mm": _matmul, "bmm": _matmul,
    "scaled_dot_product_attention": _attention, "masked_fill": _masked_fill, "where": _where,
    "conv1d": _conv, "conv2d": _conv,
    "conv_transpose2d": _conv_transpose, "batch_norm": _batch_norm, "layer_norm": _layer_norm,
    "group_norm": _group_norm, "embedding": _embedding, "dropout": _dropout, "dropout2d": _dropout,
    "local_response_norm": modules.local_response_norm,
    **{f"max_pool{n}d": lambda r, *a, n=n, **k: modules.max_pool(r, n, *a, **k) for n in (1, 2)},
    **{f"avg_pool{n}d": lambda r, *a, n=n, **k: modules.avg_pool(r, n, *a, **k) for n in (1, 2)},
    **{f"adaptive_avg_pool{n}d": _mean_of_pixels for n in (1, 2)},
    **{f"adaptive_max_pool{n}d": lambda r, size, n=n, return_indices=False: modules.adaptive_max_pool(
        r, n, size, return_indices) for n in (1, 2)},
    "mean": _reduce("mean"), "sum": _reduce("sum"), "amax": _reduce("max"), "max": _largest, "var": _variance,
    **MOVES,
    **dict.fromkeys(("contiguous", "clone", "detach", "float", "double", "to", "type_as", "identity"), _nothing)}
INPLACE = ("relu", "add", "mul", "sub", "div", "sigmoid", "tanh", "clamp", "hardswish", "hardsigmoid", "silu",
           "leaky_relu", "elu", "relu6", "hardtanh", "selu", "mish", "dropout")         # with inplace=True, or name_
