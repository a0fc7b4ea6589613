"""What each type of ONNX node is in a Network: readers(settings, arrays, shape, before) -> layer, or None.

    settings    the attributes of the node by name
    arrays      its further inputs: weights and the like, None for one that is left out
    shape       of one input in our order, (H, W, C) or (I,); None where it is not known
    before      the layer before

What a Network cannot represent is a ValueError that says why; the caller puts the name of the node before it.
"""
import numpy as np

from minixnn import layers as ours
from minixnn.interop import layout
from minixnn.layers.windows import pixels_to_add


def _expect(settings, **expected):
    """Refuse an attribute that has another value than the only one that a Network knows."""
    for name, value in expected.items():
        actual = settings.get(name, value)
        if actual != value and actual != [value] * 2:
            raise ValueError(f"{name}={actual!r} is not supported")


def _conv(settings, arrays, shape, before):
    _expect(settings, group=1, dilations=1)
    W, b = [*arrays, None][:2]
    if W.ndim != 4:
        raise ValueError(f"weights of shape {W.shape} are not supported, expected those of images, "
                         "(out, in, height, width)")
    if settings.get("kernel_shape", list(W.shape[2:])) != list(W.shape[2:]):
        raise ValueError(f"kernel_shape={settings['kernel_shape']} does not fit weights of shape {W.shape}")
    return ours.Conv2d(layout.kernel_from_channels_first(W), b, *_placed(settings, W.shape[2:], shape))


def _placed(settings, kernel, shape):
    """(stride, padding) of the windows of a convolution or pool."""
    if len(kernel) != 2:
        raise ValueError(f"windows of {tuple(kernel)} are not supported, expected (height, width)")
    stride, auto = tuple(settings.get("strides", (1, 1))), settings.get("auto_pad", "NOTSET")
    unknown = shape is None or None in shape[:2]
    if auto == "SAME_UPPER":
        return stride, "same"
    if auto == "SAME_LOWER":                                # as "same", with the odd pixel at the beginning
        if unknown and stride != (1, 1):
            raise ValueError("auto_pad='SAME_LOWER' needs input_shape=(channels, height, width)")
        pads = pixels_to_add("same", kernel if unknown else shape[:2], kernel, stride)
        return stride, tuple((more, less) for less, more in pads)
    top, left, bottom, right = settings.get("pads", (0, 0, 0, 0)) if auto == "NOTSET" else (0, 0, 0, 0)
    pads = (top, bottom), (left, right)
    if settings.get("ceil_mode"):                           # sizes rounded up: padding at the end
        if unknown:
            raise ValueError("ceil_mode=1 needs input_shape=(channels, height, width)")
        pads = tuple((p, q + layout.overhang(n, k, s, p, q))
                     for n, k, s, (p, q) in zip(shape, kernel, stride, pads))
    return stride, pads


def _max_pool(settings, arrays, shape, before):
    _expect(settings, dilations=1)
    return ours.MaxPool2d(tuple(settings["kernel_shape"]), *_placed(settings, settings["kernel_shape"], shape))


def _average_pool(settings, arrays, shape, before):
    _expect(settings, dilations=1)
    size, counted = tuple(settings["kernel_shape"]), bool(settings.get("count_include_pad", 0))
    stride, padding = _placed(settings, size, shape)
    auto = settings.get("auto_pad", "NOTSET")
    if auto.startswith("SAME") and any(s > k for s, k in zip(stride, size)):
        raise ValueError(f"auto_pad={auto!r} with strides={stride} beyond windows of {size} is not supported: where "
                         "these then lie is not the same everywhere")
    if counted and settings.get("ceil_mode") and padding != _placed({**settings, "ceil_mode": 0}, size, shape)[1]:
        raise ValueError(f"ceil_mode=1 with count_include_pad=1 is not supported on images of {shape[0]} x {shape[1]} "
                         "pixels: windows that stick out count other pixels than their padding")
    return ours.AvgPool2d(size, stride, padding, count_padding=counted)


def _global_average_pool(settings, arrays, shape, before):
    """Onto one pixel; if it is flattened, `onnx.py` makes it a GlobalAvgPool."""
    return ours.AdaptiveAvgPool2d(1)


def _reduce_mean(settings, arrays, shape, before):
    axes = settings.get("axes") if not arrays else [int(axis) for axis in arrays[0]]
    if shape is None or len(shape) != 3 or axes is None or sorted(axis % 4 for axis in axes) != [2, 3]:
        raise ValueError(f"axes={axes} is not supported, expected the mean over height and width of images")
    return ours.AdaptiveAvgPool2d(1) if settings.get("keepdims", 1) else ours.GlobalAvgPool()


def _gemm(settings, arrays, shape, before):
    _expect(settings, transA=0)
    W, b = [*arrays, None][:2]
    W = (W.T if settings.get("transB") else W) * W.dtype.type(settings.get("alpha", 1))
    b = None if b is None else b * b.dtype.type(settings.get("beta", 1))
    return _dense(W, None if b is None else _as_bias(b, (1, W.shape[-1])), shape)


def _mat_mul(settings, arrays, shape, before):
    return _dense(arrays[0], None, shape)


def _dense(W, b, shape):
    if shape is not None and len(shape) == 3:
        raise ValueError("is not supported on images; put a Flatten before it")
    if W.ndim != 2:
        raise ValueError(f"weights of shape {W.shape} are not supported, expected (inputs, outputs)")
    if shape is not None and shape[0] not in (None, len(W)):
        raise ValueError(f"expects {len(W)} inputs, but the input's shape leads to {shape[0]}")
    return ours.Dense(np.ascontiguousarray(W), b)


def _add(settings, arrays, shape, before):
    """A bias of the layer before."""
    if not isinstance(before, (ours.Dense, ours.Conv2d)):
        raise ValueError("is supported directly behind a MatMul, Gemm or Conv only, as its bias")
    b = _as_bias(arrays[0], (1, before.W.shape[-1], *[1] * (before.W.ndim - 2)))
    return before.with_weights(before.W, b if before.b is None else before.b + b)


def _as_bias(b, full):
    """`b`, one number an output, if an array of the shape `full` does not grow when it is added."""
    try:
        return np.broadcast_to(b, full).reshape(-1).copy()
    except ValueError as error:
        raise ValueError(f"adds an array of shape {b.shape}, expected one number an output, {full}") from error


def _batch_normalization(settings, arrays, shape, before):
    _expect(settings, training_mode=0)
    momentum = round(1 - settings.get("momentum", 0.9), 6)  # ONNX gives the share of the old, we that of the new
    return ours.BatchNorm2d(*arrays, epsilon=settings.get("epsilon", 1e-5), momentum=momentum)


def _dropout(settings, arrays, shape, before):
    ratio, training = [*arrays, None, None][:2]
    if training is not None and training:
        raise ValueError("training_mode=True is not supported")
    return ours.Dropout(float(settings.get("ratio", 0.5) if ratio is None else ratio))


def _nothing(settings, arrays, shape, before):
    return None


WINDOWS = "auto_pad ceil_mode dilations kernel_shape pads strides"
READERS = {                                     # type of node -> its reader, the attributes that are understood
    "Conv": (_conv, "auto_pad dilations group kernel_shape pads strides"),
    "Gemm": (_gemm, "alpha beta transA transB"), "MatMul": (_mat_mul, ""), "Add": (_add, ""),
    "MaxPool": (_max_pool, WINDOWS + " storage_order"), "AveragePool": (_average_pool, WINDOWS + " count_include_pad"),
    "GlobalAveragePool": (_global_average_pool, ""), "ReduceMean": (_reduce_mean, "axes keepdims noop_with_empty_axes"),
    "BatchNormalization": (_batch_normalization, "epsilon momentum training_mode"),
    "Relu": (lambda *_: ours.ReLU(), ""), "Sigmoid": (lambda *_: ours.Sigmoid(), ""),
    "Tanh": (lambda *_: ours.Tanh(), ""), "Softplus": (lambda *_: ours.Softplus(), ""),
    "Where": (lambda *_: ours.Softplus(), ""),  # only torch's way of writing it comes as far as here
    "Dropout": (_dropout, "ratio seed"), "Identity": (_nothing, ""),
    "Flatten": (_nothing, "axis"), "Reshape": (_nothing, "allowzero"), "Squeeze": (_nothing, "axes"),
    "Softmax": (_nothing, "axis"), "LogSoftmax": (_nothing, "axis"),
}
