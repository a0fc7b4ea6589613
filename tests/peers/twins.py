"""Networks of ours as torch modules, for libraries that explain torch modules and for the benchmark on a GPU.

Known is what our convolutional networks are made of. Sums go through `zennit.layer.Sum` where zennit is installed: that
is the module to which it assigns its rule for sums. A scale of channels is a BatchNorm2d without an epsilon.
"""
import numpy as np

from minixnn import layers as ours
from tests.peers.libraries import torch, zennit


def twin(net, shape):
    """The module, in `eval()`, that computes what `net` does, in the precision of its arrays.

    shape: (H, W, C) of one input. Images enter the module channels first.
    """
    dtype = next(a.dtype for layer in net.layers for a in layer.arrays().values() if a is not None)
    x, images = [np.zeros((1, *shape), dtype)], [None]      # images[l]: shape of the images whose flattening x[l] is
    modules = []
    for layer, sources in zip(net.layers, net.inputs):
        a = tuple(x[l] for l in sources)
        a, image = (a, None) if len(a) > 1 else (a[0], images[sources[0]])
        if isinstance(layer, ours.Flatten) and a.ndim == 4:
            image = a.shape[1:]
        modules.append(translate(layer, a, image))
        images.append(None if isinstance(layer, ours.Dense) else image)
        x.append(layer.forward(a))
    return Graph(modules, net.inputs).eval()


def translate(layer, x, image=None):
    """The torch module of one layer that is given x. image: (H, W, C) if x was flattened from images, else None."""
    nn, kind = torch.nn, type(layer).__name__
    if isinstance(layer, ours.Conv2d):
        return convolution(layer, x)
    if kind == "Dense":
        W = layer.W if image is None else layer.W.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(layer.W.shape)
        return filled(nn.Linear(*W.shape, bias=layer.b is not None, device="meta"), weight=W.T, bias=layer.b)
    if kind in ("BatchNorm2d", "ChannelScale"):
        norm = kind == "BatchNorm2d"
        C = len(layer.gamma if norm else layer.W)
        gamma, beta, mean, variance = (layer.gamma, layer.beta, layer.mean, layer.variance) if norm else (
            layer.W, layer.b, np.zeros(C, x.dtype), np.ones(C, x.dtype))
        return filled(nn.BatchNorm2d(C, layer.epsilon if norm else 0.0, device="meta"), weight=gamma,
                      bias=np.zeros(C, x.dtype) if beta is None else beta, running_mean=mean, running_var=variance)
    if kind in ("MaxPool2d", "AvgPool2d"):
        return pool(layer, x)
    if kind == "GlobalAvgPool":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if kind == "Unflatten" and layer.shape[:2] == (1, 1):   # one pixel: the order of its numbers is that of channels
        return nn.Unflatten(1, (layer.shape[2], 1, 1))
    if kind in ("Add", "Concat"):
        return Joined(concat=kind == "Concat")
    if kind not in ("Flatten", "Dropout", "Identity", "ReLU", "ReLU6", "Sigmoid", "Softplus", "Tanh"):
        raise ValueError(f"{layer!r} has no twin here")
    return getattr(nn, kind)()


def convolution(layer, x):
    """A Conv2d, behind a ZeroPad2d where one side has more padding than the other."""
    (kh, kw, C, O), pads = layer.W.shape, layer.place(x)[0]
    even = all(first == last for first, last in pads)
    made = torch.nn.Conv2d(C * layer.groups, O, (kh, kw), layer.stride, tuple(p for p, _ in pads) if even else 0,
                           layer.dilation, layer.groups, layer.b is not None, device="meta")
    made = filled(made, weight=layer.W.transpose(3, 2, 0, 1), bias=layer.b)
    (top, bottom), (left, right) = pads
    return made if even else torch.nn.Sequential(torch.nn.ZeroPad2d((left, right, top, bottom)), made)


def pool(layer, x):
    """A MaxPool2d or AvgPool2d; sizes are rounded up where the end has more padding than the beginning."""
    pads, more = layer.place(x)[0], {} if type(layer).__name__ == "MaxPool2d" else {
        "count_include_pad": layer.count_padding}
    made = getattr(torch.nn, type(layer).__name__)(layer.size, layer.stride, tuple(first for first, _ in pads),
                                                   ceil_mode=any(first != last for first, last in pads), **more)
    found, expected = made(torch.zeros(1, 1, *x.shape[1:3])).shape[2:], layer.forward(x).shape[1:3]
    assert tuple(found) == expected, f"{layer!r} has no twin here: {tuple(found)} windows, expected {expected}"
    return made


def filled(module, **arrays):
    """The module with copies of our arrays in its parameters and buffers."""
    for name, array in arrays.items():
        if array is None:
            continue
        tensor = torch.from_numpy(np.array(array, order="C"))
        if name in module._buffers:
            module._buffers[name] = tensor
        else:
            module._parameters[name] = torch.nn.Parameter(tensor)
    return module


if torch is not None:
    class Joined(torch.nn.Module):
        """Several values added, or joined along the channels."""

        def __init__(self, concat):
            super().__init__()
            self.concat, self.sum = concat, zennit.layer.Sum(dim=-1) if zennit else lambda parts: parts.sum(dim=-1)

        def forward(self, *parts):
            return torch.cat(parts, 1) if self.concat else self.sum(torch.stack(parts, dim=-1))

    class Graph(torch.nn.Module):
        """Modules in the order in which they run. inputs[l]: the numbers of what enters modules[l]; 0 is the input."""

        def __init__(self, modules, inputs):
            super().__init__()
            self.steps, self.inputs = torch.nn.ModuleList(modules), inputs

        def forward(self, x):
            values = [x]
            for module, sources in zip(self.steps, self.inputs):
                values.append(module(*(values[l] for l in sources)))
            return values[-1]
