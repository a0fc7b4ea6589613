"""A Network becomes a torch `nn.Sequential`: the way back from `minixnn.interop.torch`."""
import numpy as np

from minixnn.arrays import to_numpy
from minixnn.interop import layout

EXACT = 50          # torch's Softplus is the identity above its threshold; above 50 that is so to the last bit


def to_torch(net, input_shape=None):
    """The nn.Sequential, in `eval()` mode, that computes what `net` computes, in the precision of its arrays.

    input_shape   (H, W, C) of one input, as `net` sees it; needed where padding depends on the size of the images
                  (padding="same" with a stride) and where images are flattened

    Images enter it channels first: module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())). Weights are copied.
    Raises ValueError, naming the layer, for what torch's modules cannot represent.
    """
    import torch
    shape = None if input_shape is None else tuple(input_shape)
    if shape is not None and len(shape) not in (1, 3):
        raise ValueError(f"got input_shape={shape}, expected the shape of one input without the batch, as minixnn "
                         "sees it: (height, width, channels), or (inputs,)")
    modules, flattened = [], None                           # flattened: shape of the images that were
    for l, layer in enumerate(net.layers):
        kind, name = type(layer).__name__, f"layer {l}, {layer!r}"
        if kind not in WRITERS:
            raise ValueError(f"{name}: {kind} has no counterpart in torch")
        if kind == "Flatten" and not (shape is not None and len(shape) == 1):
            flattened = shape or (None, None, None)
        if kind == "Dense" and flattened is not None:
            layer, flattened = _reordered(layer, flattened, name), None
        elif flattened is not None and kind not in ("Flatten", "Dropout", "ReLU", "Sigmoid", "Tanh", "Softplus"):
            raise ValueError(f"{name}: between Flatten and Dense this is not supported")
        modules += WRITERS[kind](torch, layer, shape, name)
        shape = layout.shape_after(layer, shape)
    if flattened is not None and not layout.same_order(flattened):
        raise ValueError("no Dense follows the last Flatten, so the outputs would come in another order than here; "
                         "leave it out")
    return torch.nn.Sequential(*modules).eval()


def _reordered(dense, image, name):
    """The dense layer behind a Flatten, its rows in torch's order of features."""
    if layout.same_order(image):
        return dense
    if None in image:
        raise ValueError(f"{name}: the order of features behind Flatten depends on the size of the images; "
                         "give input_shape=(height, width, channels)")
    return dense.with_weights(layout.rows_to_channels_first(to_numpy(dense.W), image), dense.b)


def _filled(torch, module, **arrays):
    """`module` with copies of our arrays in its parameters and buffers."""
    for name, array in arrays.items():
        tensor = torch.from_numpy(np.array(to_numpy(array)))
        if name in module._buffers:
            module._buffers[name] = tensor
        else:
            module._parameters[name] = torch.nn.Parameter(tensor)
    return module


def _with_bias(layer):
    return {} if layer.b is None else {"bias": layer.b}


def _dense(torch, layer, shape, name):
    linear = torch.nn.Linear(*layer.W.shape, bias=layer.b is not None, device="meta")
    return [_filled(torch, linear, weight=to_numpy(layer.W).T, **_with_bias(layer))]


def _pads(layer, shape, name):
    """((top, bottom), (left, right)) in pixels."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    if layer.padding != "same":
        return layer.padding
    if shape is None or None in shape:
        raise ValueError(f"{name}: padding='same' depends on the size of the images; "
                         "give input_shape=(height, width, channels)")
    return layer.place(np.empty((1, *shape), dtype=np.float32))[0]


def _frame(torch, pads, value):
    (top, bottom), (left, right) = pads
    return torch.nn.ConstantPad2d((left, right, top, bottom), value) if value else \
        torch.nn.ZeroPad2d((left, right, top, bottom))


def _conv(torch, layer, shape, name):
    kh, kw, C, O = layer.W.shape
    same = layer.padding == "same" and layer.stride == (1, 1)
    pads = ((0, 0), (0, 0)) if same else _pads(layer, shape, name)
    even = all(first == last for first, last in pads)
    conv = torch.nn.Conv2d(C, O, (kh, kw), layer.stride, bias=layer.b is not None, device="meta",
                           padding="same" if same else tuple(first for first, _ in pads) if even else 0)
    W = layout.kernel_to_channels_first(to_numpy(layer.W))
    return ([] if even else [_frame(torch, pads, 0)]) + [_filled(torch, conv, weight=W, **_with_bias(layer))]


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


def _max_pool(torch, layer, shape, name):
    window = _window(layer, shape, name)
    if window is None:                                      # a frame of -inf, which never wins
        frame = _frame(torch, _pads(layer, shape, name), -np.inf)
        return [frame, torch.nn.MaxPool2d(layer.size, layer.stride)]
    return [torch.nn.MaxPool2d(layer.size, layer.stride, window[0], ceil_mode=window[1])]


def _avg_pool(torch, layer, shape, name):
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
        frame = _frame(torch, _pads(layer, shape, name), 0)
        return [frame, torch.nn.AvgPool2d(layer.size, layer.stride, **settings)]
    return [torch.nn.AvgPool2d(layer.size, layer.stride, window[0], ceil_mode=window[1], **settings)]


def _global_avg_pool(torch, layer, shape, name):
    return [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]


def _batch_norm(torch, layer, shape, name):
    flat = shape is not None and len(shape) == 1
    norm = (torch.nn.BatchNorm1d if flat else torch.nn.BatchNorm2d)(len(layer.gamma), layer.epsilon, layer.momentum)
    return [_filled(torch, norm, weight=layer.gamma, bias=layer.beta,
                    running_mean=layer.mean, running_var=layer.variance)]


WRITERS = {
    "Dense": _dense, "Conv2d": _conv, "MaxPool2d": _max_pool, "AvgPool2d": _avg_pool, "SumPool2d": _avg_pool,
    "AdaptiveAvgPool2d": lambda torch, layer, *_: [torch.nn.AdaptiveAvgPool2d(layer.size)],
    "GlobalAvgPool": _global_avg_pool, "BatchNorm2d": _batch_norm,
    "ReLU": lambda torch, *_: [torch.nn.ReLU()], "Sigmoid": lambda torch, *_: [torch.nn.Sigmoid()],
    "Tanh": lambda torch, *_: [torch.nn.Tanh()], "Softplus": lambda torch, *_: [torch.nn.Softplus(threshold=EXACT)],
    "Flatten": lambda torch, *_: [torch.nn.Flatten()],
    "Dropout": lambda torch, layer, *_: [torch.nn.Dropout(layer.rate)],
}
