"""What each of our layers is in torch: WRITERS[class name](t, layer, shape, name) -> list of modules.

    t        `torch_parts.Parts`: torch, and the modules that it lacks
    shape    of one input in our order, (H, W, C), (T, C) or (I,); None, or None inside, where it is not known
    name     how a sentence calls the layer

Images have their channels first in torch, sequences (N, T, C) stay as they are. What torch cannot represent is a
ValueError with the layer's name.
"""
import numpy as np

from minixnn.arrays import to_numpy
from minixnn.interop import layout

EXACT = 50          # torch's Softplus is the identity above its threshold; above 50 that is so to the last bit


def known(shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The shape, if the number of its axes is known; images are meant where it is not."""
    return (None, None, None) if shape is None else shape


def all_known(shape: tuple[int, ...], name: str, reason: str) -> tuple[int, ...]:
    if shape is None or None in shape:
        raise ValueError(f"{name}: {reason} depends on the size of the images; "
                         "give input_shape=(height, width, channels)")
    return shape


def _with_bias(layer):
    return {} if layer.b is None else {"bias": layer.b}


def _dense(t, layer, shape, name):
    linear = t.nn.Linear(*layer.W.shape, bias=layer.b is not None, device="meta")
    linear = t.filled(linear, weight=to_numpy(layer.W).T, **_with_bias(layer))
    return t.channels_last(() if shape is None else shape, [linear])


def _pads(layer, shape, name):
    """((top, bottom), (left, right)) in pixels."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    if layer.padding != "same":
        return layer.padding
    return layer.place(np.empty((1, *all_known(shape, name, "padding='same'")), dtype=np.float32))[0]


def _frame(t, pads, value):
    (top, bottom), (left, right) = pads
    pads = left, right, top, bottom
    return t.nn.ConstantPad2d(pads, value) if value else t.nn.ZeroPad2d(pads)


def _conv(t, layer, shape, name):
    kh, kw, C, O = layer.W.shape
    same = layer.padding == "same" and layer.stride == (1, 1)
    pads = ((0, 0), (0, 0)) if same else _pads(layer, shape, name)
    even = all(first == last for first, last in pads)
    conv = t.nn.Conv2d(C * layer.groups, O, (kh, kw), layer.stride, bias=layer.b is not None, device="meta",
                       padding="same" if same else tuple(first for first, _ in pads) if even else 0,
                       dilation=layer.dilation, groups=layer.groups)
    conv = t.filled(conv, weight=layout.kernel_to_channels_first(to_numpy(layer.W)), **_with_bias(layer))
    return [conv] if even else [_frame(t, pads, 0), conv]


def _conv1d(t, layer, shape, name):
    k, C, O = layer.W.shape
    pads = (0, 0) if layer.padding == "valid" else layer.padding
    if pads == "same":
        T, _ = all_known(shape, name, "padding='same'")
        pads = layer.image_layer().place(np.empty((1, T, 1, C * layer.groups), np.float32))[0][0]
    conv = t.nn.Conv1d(C * layer.groups, O, k, layer.stride, dilation=layer.dilation, groups=layer.groups,
                       bias=layer.b is not None, device="meta")
    conv = t.filled(conv, weight=to_numpy(layer.W).transpose(2, 1, 0), **_with_bias(layer))
    return t.channels_first((None, C), [t.nn.ConstantPad1d(tuple(pads), 0.0), conv])


def _conv_transpose(t, layer, shape, name):
    (top, bottom), (left, right) = layer.padding
    kh, kw, C, O = layer.W.shape
    if top != bottom or left != right:
        raise ValueError(f"{name}: padding={layer.padding}, of another size on each side, has no counterpart in torch")
    conv = t.nn.ConvTranspose2d(C, O * layer.groups, (kh, kw), layer.stride, (top, left), layer.output_padding,
                                layer.groups, layer.b is not None, layer.dilation, device="meta")
    return [t.filled(conv, weight=to_numpy(layer.W).transpose(2, 3, 0, 1), **_with_bias(layer))]


def _window(layer, shape, name):
    """(padding, ceil_mode) with which torch's windows lie as ours do, or None where there is no such setting."""
    pads = _pads(layer, shape, name)
    before = tuple(first for first, _ in pads)
    if all(2 * p <= k for p, k in zip(before, layer.size)):         # torch allows no more
        if all(first == last for first, last in pads):
            return before, False
        if shape is not None and None not in shape and all(
                last - first == layout.overhang(n, k, s, first)
                for (first, last), n, k, s in zip(pads, shape, layer.size, layer.stride)):
            return before, True
    return None


def _max_pool(t, layer, shape, name):
    window = _window(layer, shape, name)
    if window is None:                                      # a frame of -inf, which never wins
        return [_frame(t, _pads(layer, shape, name), -np.inf), t.nn.MaxPool2d(layer.size, layer.stride)]
    return [t.nn.MaxPool2d(layer.size, layer.stride, window[0], ceil_mode=window[1])]


def _avg_pool(t, layer, shape, name):
    """Averages over real pixels, averages that count the padding, and sums (the average with a divisor of 1)."""
    if np.ndim(layer.W) or layer.W != 1:
        raise ValueError(f"{name}: a pooling layer with weights has no counterpart in torch")
    window = _window(layer, shape, name)
    sums = type(layer).__name__ == "SumPool2d"
    settings = {"divisor_override": 1} if sums else {"count_include_pad": layer.count_padding}
    counts = sums or layer.count_padding
    if window is None or (counts and window[1]):            # torch's ceil mode does not count what sticks out
        if not counts:
            raise ValueError(f"{name}: averaging over real pixels only with padding={layer.padding} "
                             "has no counterpart in torch")
        return [_frame(t, _pads(layer, shape, name), 0), t.nn.AvgPool2d(layer.size, layer.stride, **settings)]
    return [t.nn.AvgPool2d(layer.size, layer.stride, window[0], ceil_mode=window[1], **settings)]


def _global_pool(kind):
    def write(t, layer, shape, name):
        sequence = shape is not None and len(shape) == 2
        pool = getattr(t.nn, f"Adaptive{kind}Pool{1 if sequence else 2}d")(1)
        return [*([t.Move(0, 2, 1)] if sequence else []), pool, t.nn.Flatten()]
    return write


def _batch_norm(t, layer, shape, name):
    flat = shape is not None and len(shape) < 3
    norm = (t.nn.BatchNorm1d if flat else t.nn.BatchNorm2d)(len(layer.gamma), layer.epsilon, layer.momentum)
    norm = t.filled(norm, weight=layer.gamma, bias=layer.beta, running_mean=layer.mean, running_var=layer.variance)
    return t.channels_first(shape or (), [norm])


def _channel_scale(t, layer, shape, name):
    shape = known(shape, name)
    return t.channels_first(shape, [t.Scale(t.tensor(layer.W), t.tensor(layer.b), len(shape) + 1)])


def _prepare(t, layer, shape, name):
    shape = known(shape, name)
    mean, std = np.broadcast_arrays(to_numpy(layer.mean), to_numpy(layer.std))
    if mean.ndim == 3:                                      # a number for every pixel
        mean, std = (a.transpose(2, 0, 1) for a in (mean, std))
    return t.channels_first(shape, [t.Scale(t.tensor(1 / std), t.tensor(-mean / std), len(shape) + 1)])


def _layer_norm(t, layer, shape, name):
    sizes = tuple(all_known(shape, name, "normalisation")[axis] for axis in layer.axes)
    rms = type(layer).__name__ == "RMSNorm"
    if rms and layer.beta is not None:
        raise ValueError(f"{name}: an RMSNorm with beta has no counterpart in torch")
    norm = (t.nn.RMSNorm if rms else t.nn.LayerNorm)(sizes, layer.epsilon, elementwise_affine=layer.gamma is not None)
    beta = {} if rms or layer.gamma is None else {"bias": np.zeros(sizes) if layer.beta is None else layer.beta}
    if layer.gamma is None and layer.beta is not None:
        raise ValueError(f"{name}: a norm with beta and without gamma has no counterpart in torch")
    return t.channels_last(shape, [t.filled(norm, weight=layer.gamma, **beta)])


def _group_norm(t, layer, shape, name):
    C = all_known(shape, name, "normalisation")[-1]
    gamma, beta = (np.full(C, k) if a is None else a for k, a in ((1, layer.gamma), (0, layer.beta)))
    return t.channels_first(shape, [t.filled(t.nn.GroupNorm(layer.groups, C, layer.epsilon), weight=gamma, bias=beta)])


def _local_response_norm(t, layer, shape, name):
    return t.channels_first(shape or (), [t.nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)])


def _activation(kind, **names):
    """A module of torch; names: {its argument: our attribute}"""
    return lambda t, layer, shape, name: [getattr(t.nn, kind)(**{
        theirs: getattr(layer, ours) for theirs, ours in names.items()})]


def _clip(t, layer, shape, name):
    low, high = (float(s) * np.inf if bound is None else bound for s, bound in ((-1, layer.low), (1, layer.high)))
    return [t.nn.ReLU6() if (low, high) == (0, 6) else t.nn.Hardtanh(low, high)]


def _prelu(t, layer, shape, name):
    prelu = t.filled(t.nn.PReLU(len(layer.a), device="meta"), weight=layer.a)
    return t.channels_first(shape or (), [prelu])


BASIC = {
    "Dense": _dense, "Conv2d": _conv, "Conv1d": _conv1d, "ConvTranspose2d": _conv_transpose, "MaxPool2d": _max_pool,
    "AvgPool2d": _avg_pool, "SumPool2d": _avg_pool, "GlobalAvgPool": _global_pool("Avg"),
    "GlobalMaxPool": _global_pool("Max"), "AdaptiveAvgPool2d": _activation("AdaptiveAvgPool2d", output_size="size"),
    "BatchNorm2d": _batch_norm, "ChannelScale": _channel_scale, "Prepare": _prepare,
    "LayerNorm": _layer_norm, "RMSNorm": _layer_norm,
    "GroupNorm": _group_norm, "LocalResponseNorm": _local_response_norm, "PReLU": _prelu, "Clip": _clip, "ReLU6": _clip,
    **{kind: _activation(kind) for kind in ("ReLU", "Sigmoid", "Tanh", "SELU", "SiLU", "Mish", "Hardswish",
                                            "Hardsigmoid", "Flatten", "Identity")},
    "LeakyReLU": _activation("LeakyReLU", negative_slope="slope"), "ELU": _activation("ELU", alpha="alpha"),
    "GELU": _activation("GELU", approximate="approximate"),
    "Softplus": lambda t, layer, *_: [t.nn.Softplus(layer.beta, threshold=EXACT)],
    "Dropout": lambda t, layer, *_: [t.nn.Dropout(layer.rate)],
}
