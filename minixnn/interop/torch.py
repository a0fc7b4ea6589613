"""A torch `nn.Sequential` becomes a Network.

Reading needs no torch: a module is known by the name of its class and read through its attributes. What a Network
cannot represent is refused by the name that the module has in torch:

    ValueError: layer4.0: groups=32 is not supported
"""
import numpy as np

from minixnn import layers as ours
from minixnn.interop import layout
from minixnn.network import Network

TRANSPARENT = ("ReLU", "Sigmoid", "Tanh", "Softplus", "Dropout", "Identity")    # these keep shape and order
PADS = {"Conv2d": 0, "AvgPool2d": 0, "MaxPool2d": -np.inf}      # the value that each of our layers pads with


def from_torch(module, input_shape=None):
    """The Network that computes what the torch `module` computes in `eval()` mode.

    module        nn.Sequential, nested as deep as you like, of: Linear, Conv2d, MaxPool2d, AvgPool2d,
                  AdaptiveAvgPool2d, BatchNorm2d, BatchNorm1d, ReLU, Sigmoid, Tanh, Softplus, Flatten, Dropout,
                  Identity, ZeroPad2d and ConstantPad2d before what pads alike
    input_shape   (C, H, W) of one input, as torch sees it; needed where images are flattened or globally averaged

    Images enter the Network channel-last: net.forward(x.transpose(0, 2, 3, 1)). Weights are copied, in the
    precision they have. Raises ValueError, naming the module, for what a Network cannot represent.
    """
    if input_shape is not None and len(input_shape) not in (1, 3):
        raise ValueError(f"got input_shape={tuple(input_shape)}, expected the shape of one input without the batch, "
                         "as torch sees it: (channels, height, width), or (inputs,)")
    shape = None if input_shape is None else (*input_shape[1:], input_shape[0])
    result, flattened, frame = [], None, None               # frame: padding that a module of its own adds
    leaves = list(_leaves(module, ""))
    for number, (path, kind, leaf) in enumerate(leaves):
        behind = [kind for _, kind, _ in leaves[number + 1:]]
        if kind in ("ZeroPad2d", "ConstantPad2d"):
            frame = _frame(leaf, path, behind)
            continue
        if kind == "Identity" or kind == "Flatten" and _is_flat(leaf, path, shape):
            continue
        if kind == "Flatten":
            flattened = (path, shape)                       # until the Linear that reads it
        layer = READERS[kind](leaf, path, shape, behind)
        if flattened is not None and kind == "Linear":
            layer, flattened = _reordered(layer, *flattened), None
        elif flattened is not None and kind not in TRANSPARENT + ("Flatten",):
            raise ValueError(f"{path}: {kind} between Flatten and Linear is not supported")
        if frame is not None:
            layer, frame = _framed(layer, frame, leaf, path), None
        result.append(layer)
        shape = _shape_after(layer, shape, path)
    if flattened is not None and not layout.same_order(flattened[1]):
        raise ValueError(f"{flattened[0]}: no Linear follows this Flatten, so the outputs would come in another order "
                         "than in torch; leave it out")
    return Network(result)


def _leaves(module, path):
    """(path, kind, module) of what is in a Sequential, in the order of execution, as often as it is run."""
    kind = _kind(module, path)
    if kind != "Sequential":
        yield path or kind, kind, module
        return
    for name, child in module._modules.items():             # named_children() would skip a module's second use
        yield from _leaves(child, f"{path}.{name}" if path else name)


def _kind(module, path):
    """The name of the class whose `forward` runs: a subclass that computes the same counts as its parent."""
    for parent in type(module).__mro__:
        if parent.__name__ in READERS or parent.__name__ in ("Sequential", "Identity", "ZeroPad2d", "ConstantPad2d"):
            return parent.__name__
        if "forward" in vars(parent):
            break
    name = type(module).__name__
    raise ValueError(f"{path or name}: {name} is not supported; expected an nn.Sequential of "
                     + ", ".join(sorted(READERS)))


def _expect(module, path, **expected):
    """Refuse a module one of whose attributes has another value than the only one that a Network knows."""
    for name, value in expected.items():
        actual = getattr(module, name, value)
        if actual != value and actual != (value, value):
            raise ValueError(f"{path}: {name}={actual!r} is not supported")


def _array(tensor, path):
    """A tensor of any framework that has `detach` and `cpu`, as a NumPy array of its own."""
    if tensor is None:
        return None
    tensor = tensor.detach().cpu()
    if "bfloat16" in str(tensor.dtype):
        raise ValueError(f"{path}: weights in bfloat16 are not supported; call module.float() first")
    return np.array(tensor.numpy())


def _linear(module, path, shape, behind):
    if shape is not None and len(shape) == 3:
        raise ValueError(f"{path}: Linear on images is not supported; put a Flatten before it")
    W = _array(module.weight, path)
    if shape is not None and shape[0] != W.shape[1]:
        raise ValueError(f"{path}: Linear expects {W.shape[1]} inputs, but input_shape leads to {shape[0]}")
    return ours.Dense(np.ascontiguousarray(W.T), _array(module.bias, path))


def _conv(module, path, shape, behind):
    _expect(module, path, groups=1, dilation=1, padding_mode="zeros")
    padding = module.padding
    if not isinstance(padding, str):
        padding = tuple((p, p) for p in _pair(padding))
    W = layout.kernel_from_channels_first(_array(module.weight, path))
    return ours.Conv2d(W, _array(module.bias, path), tuple(module.stride), padding)


def _window(module, path, shape):
    """(size, stride, padding) of a pooling module; rounding sizes up is padding at the end."""
    size, stride = _pair(module.kernel_size), _pair(module.stride or module.kernel_size)
    before, after = _pair(module.padding), (0, 0)
    if module.ceil_mode:
        if shape is None or None in shape:
            raise ValueError(f"{path}: ceil_mode=True needs input_shape=(channels, height, width)")
        after = tuple(map(layout.overhang, shape[:2], size, stride, before))
    padding = tuple((p, p + more) for p, more in zip(before, after))
    if any(max(p) >= k for p, k in zip(padding, size)):
        raise ValueError(f"{path}: ceil_mode=True with padding={module.padding} is not supported on images of {shape}")
    return size, stride, padding


def _pair(value):
    """3 -> (3, 3), as torch reads it; unlike our own `pair` it may be 0."""
    return (value, value) if isinstance(value, int) else tuple(value)


def _max_pool(module, path, shape, behind):
    _expect(module, path, dilation=1, return_indices=False)
    return ours.MaxPool2d(*_window(module, path, shape))


def _avg_pool(module, path, shape, behind):
    size, stride, padding = _window(module, path, shape)
    if module.divisor_override == 1:
        return ours.SumPool2d(size, stride, padding)
    _expect(module, path, divisor_override=None)
    if module.count_include_pad and any(first != last for first, last in padding):
        raise ValueError(f"{path}: ceil_mode=True with count_include_pad=True is not supported on images of {shape}")
    return ours.AvgPool2d(size, stride, padding, count_padding=bool(module.count_include_pad))


def _adaptive_avg_pool(module, path, shape, behind):
    """Onto one pixel that is flattened next: GlobalAvgPool. Onto a size that divides the image's: AvgPool2d."""
    wanted = _pair(module.output_size) if module.output_size is not None else (None, None)
    if wanted == (1, 1) and next((kind for kind in behind if kind not in TRANSPARENT), None) == "Flatten":
        return ours.GlobalAvgPool()
    if shape is None or None in shape:
        raise ValueError(f"{path}: AdaptiveAvgPool2d{wanted} needs input_shape=(channels, height, width)")
    wanted = tuple(w or n for w, n in zip(wanted, shape))
    if any(n % w for n, w in zip(shape, wanted)):
        raise ValueError(f"{path}: output_size={wanted} is not supported on images of {shape[0]} x {shape[1]} pixels")
    return ours.AvgPool2d(tuple(n // w for n, w in zip(shape, wanted)))


def _batch_norm(module, path, shape, behind):
    if module.running_mean is None:
        raise ValueError(f"{path}: track_running_stats=False is not supported")
    mean, variance = _array(module.running_mean, path), _array(module.running_var, path)
    gamma, beta = _array(module.weight, path), _array(module.bias, path)
    gamma = np.ones_like(mean) if gamma is None else gamma
    beta = np.zeros_like(mean) if beta is None else beta
    momentum = 0.1 if module.momentum is None else module.momentum
    return ours.BatchNorm2d(gamma, beta, mean, variance, module.eps, momentum)


def _softplus(module, path, shape, behind):
    _expect(module, path, beta=1)
    return ours.Softplus()


READERS = {
    "Linear": _linear, "Conv2d": _conv, "MaxPool2d": _max_pool, "AvgPool2d": _avg_pool,
    "AdaptiveAvgPool2d": _adaptive_avg_pool, "BatchNorm2d": _batch_norm, "BatchNorm1d": _batch_norm,
    "ReLU": lambda *_: ours.ReLU(), "Sigmoid": lambda *_: ours.Sigmoid(), "Tanh": lambda *_: ours.Tanh(),
    "Softplus": _softplus, "Flatten": lambda *_: ours.Flatten(), "Dropout": lambda module, *_: ours.Dropout(module.p),
}


def _is_flat(module, path, shape):
    """True where this Flatten has nothing to do: behind a Linear or a GlobalAvgPool."""
    if (module.start_dim, module.end_dim) != (1, -1):
        raise ValueError(f"{path}: Flatten(start_dim={module.start_dim}, end_dim={module.end_dim}) is not supported")
    return shape is not None and len(shape) == 1


def _frame(module, path, behind):
    """((top, bottom), (left, right)) that a padding module adds for the layer right behind it."""
    left, right, top, bottom = module.padding
    if not behind or PADS.get(behind[0]) != module.value or min(module.padding) < 0:
        raise ValueError(f"{path}: {type(module).__name__} of {module.value} is supported only directly before a "
                         "Conv2d or AvgPool2d (zeros) or a MaxPool2d (-inf)")
    return (top, bottom), (left, right)


def _framed(layer, frame, module, path):
    """`layer` with the padding that a module of its own adds before it."""
    _expect(module, path, padding=0, ceil_mode=False)
    settings = {**layer.settings(), "padding": frame}
    if "count_padding" in settings:
        settings["count_padding"] = True
    return type(layer)(**layer.arrays(), **settings)


def _shape_after(layer, shape, path):
    try:
        return layout.shape_after(layer, shape)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _reordered(dense, path, image):
    """The dense layer behind a Flatten, its rows in our order of features."""
    if layout.same_order(image):
        return dense
    if image is None or None in image:
        raise ValueError(f"{path}: the order of features behind Flatten depends on the size of the images; "
                         "give input_shape=(channels, height, width)")
    return ours.Dense(layout.rows_from_channels_first(dense.W, image), dense.b)
