"""Random networks, built in torch and read by `minixnn.interop`, with random inputs of both signs.

A case is a network of some kind drawn from a seed: everything about it, sizes, strides, paddings, weights, biases,
inputs and targets, follows from kind and seed, so a failing test names what it needs to be repeated.
"""
import dataclasses
import functools

import numpy as np

import minixnn
from minixnn.interop import from_torch
from tests.peers import twins
from tests.peers.libraries import torch

BOUNDS = {"float64": 1e-10, "float32": 1e-5}                # for outputs, by precision
SEEDS = {"float64": range(4), "float32": range(2)}          # random networks of each kind
KINDS = {
    "dense": "ReLU, one to three hidden layers, biases of both signs",
    "dense, no bias": "the same without biases",
    "conv": "convolutions with strides and paddings, ReLU, then dense",
    "conv, no bias": "the same without biases",
    "max pool": "max pooling, overlapping and padded, behind convolutions with biases and ReLU",
    "max pool alone": "the same between two convolutions, with no activation beside the pool",
    "average pool": "average pooling, overlapping and padded, the padding counted or not",
    "global pool": "convolutions, global average pooling, one dense layer",
    "tied": "max pooling straight on coarse pixels, so that many windows have several largest ones",
    "smooth": "Tanh, Sigmoid and Softplus in place of ReLU",
    "normalised": "batch normalisation behind every convolution",
}


@dataclasses.dataclass
class Case:
    """One network on both sides, with inputs. `x` is channel-last for us, `tensor` channels first for torch."""
    name: str
    module: object
    net: minixnn.Network
    x: np.ndarray
    x_ref: np.ndarray
    target: np.ndarray

    @property
    def tensor(self):
        return to_tensor(self.x)

    @property
    def reference(self):
        return to_tensor(self.x_ref)

    @property
    def targets(self):
        return torch.from_numpy(self.target.astype("int64"))

    @property
    def one_hot(self):
        return np.eye(self.net.predict(self.x).shape[1])[self.target]


def to_tensor(x):
    """Our array as a torch tensor: images get their channels first."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1) if x.ndim == 4 else x))


def to_array(tensor):
    """A torch tensor as our array: images get their channels last."""
    x = tensor.detach().numpy()
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


def case(kind, seed, images=3, nonnegative=False):
    """The network of this kind that belongs to the seed, in float64."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    module, shape = _drawn(rng, kind)
    x, x_ref = (rng.normal(size=(images, *shape[1:], shape[0])) for _ in range(2))
    if kind == "tied":
        x, x_ref = np.round(x), np.round(x_ref)
    if nonnegative:
        x, x_ref = abs(x), abs(x_ref)
    net = read(kind, seed)
    target = rng.integers(net.forward(x).shape[1], size=images)
    return Case(f"{kind} {seed}", module, net, x, x_ref, target)


def _drawn(rng, kind):
    """(module, shape of one input)"""
    module, shape = _dense(rng, kind) if kind.startswith("dense") else _conv(rng, kind)
    _fill(module, rng)
    return module.double().eval(), shape


@functools.cache
def read(kind, seed):
    """Ours of the module that `case` draws. The module is drawn anew each time, since libraries hang hooks into it."""
    module, shape = _drawn(np.random.default_rng([seed, list(KINDS).index(kind)]), kind)
    return from_torch(module, input_shape=shape)


def shipped(name="cnn", images=4):
    """A network that minixnn ships, on real digits, in float64."""
    net = minixnn.models.load(name).astype(np.float64)
    x = minixnn.datasets.mnist("test")[0][:images].astype(np.float64)
    module = twins.twin(net, x.shape[1:])
    if all(sources == (l,) for l, sources in enumerate(net.inputs)):        # a chain: layers are named as modules are
        module = torch.nn.Sequential(*module.steps)
        net = minixnn.Network(net.layers, names=list(map(str, range(len(net.layers)))), card=net.card)
    target = net.forward(x).argmax(axis=1)
    return Case(f"shipped {name}", module, net, x, np.zeros_like(x), target)


def _dense(rng, kind):
    nn, bias = torch.nn, "no bias" not in kind
    sizes = rng.integers(3, 12, size=rng.integers(3, 6))
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(int(inputs), int(outputs), bias=bias), nn.ReLU()]
    return nn.Sequential(*layers[:-1]), (int(sizes[0]),)


def _conv(rng, kind):
    nn = torch.nn
    bias = "no bias" not in kind
    channels, size = int(rng.integers(1, 4)), tuple(int(n) for n in rng.integers(10, 15, size=2))
    shape, layers = (channels, *size), []

    def grow(layer):
        layers.append(layer)

    def now():
        with torch.no_grad():
            return tuple(nn.Sequential(nn.Identity(), *layers).eval()(torch.zeros(1, *shape)).shape[1:])

    if kind == "tied":
        grow(_max_pool(rng, now()))
        grow(nn.Conv2d(channels, 4, 2))
        grow(nn.ReLU())
        grow(_max_pool(rng, now()))
    for depth in range(0 if kind == "tied" else 2):
        strides = (1, 3) if depth == 0 or "pool" not in kind else (1, 2)      # small images leave nothing to pool
        grow(_random_conv(rng, now(), bias, strides))
        if kind == "normalised":
            grow(nn.BatchNorm2d(layers[-1].out_channels))
        if kind != "max pool alone" or depth == 1:
            grow(_activation(rng) if kind == "smooth" else nn.ReLU())
        if kind == "max pool" or kind in ("smooth", "max pool alone") and depth == 0:
            grow(_max_pool(rng, now()))
        if kind == "average pool":
            grow(_average_pool(rng, now()))
    if kind == "global pool":
        grow(nn.AdaptiveAvgPool2d(1))
    grow(nn.Flatten())
    features = int(now()[0])
    if kind not in ("global pool",):
        hidden = int(rng.integers(3, 9))
        layers += [nn.Linear(features, hidden, bias=bias), _activation(rng) if kind == "smooth" else nn.ReLU(),
                   nn.Dropout()]
        features = hidden
    grow(nn.Linear(features, int(rng.integers(2, 5)), bias=bias))
    half = len(layers) // 2
    return nn.Sequential(nn.Sequential(*layers[:half]), nn.Identity(), *layers[half:]), shape


def _random_conv(rng, shape, bias, strides):
    kernel = tuple(min(int(k), n) for k, n in zip(rng.integers(1, 4, size=2), shape[1:]))
    out = int(rng.integers(2, 7))
    if rng.random() < 0.3:
        return torch.nn.Conv2d(shape[0], out, kernel, padding="same", bias=bias)
    stride = tuple(int(s) for s in rng.integers(*strides, size=2))
    padding = tuple(int(p) for p in rng.integers(0, 3, size=2))
    return torch.nn.Conv2d(shape[0], out, kernel, stride, padding, bias=bias)


def _max_pool(rng, shape):
    """Windows of 2 or 3, often overlapping, sometimes padded, sometimes with sizes rounded up."""
    size = min(int(rng.integers(2, 4)), *shape[1:])
    stride = int(rng.integers(1, size + 1))
    ceil = bool(rng.integers(2))
    return torch.nn.MaxPool2d(size, stride, 0 if ceil else int(rng.integers(0, size // 2 + 1)), ceil_mode=ceil)


def _average_pool(rng, shape):
    size, stride, counted = min(int(rng.integers(2, 4)), *shape[1:]), int(rng.integers(1, 3)), bool(rng.integers(2))
    return torch.nn.AvgPool2d(size, stride, int(rng.integers(0, size // 2 + 1)), count_include_pad=counted)


def _activation(rng):
    return [torch.nn.Tanh, torch.nn.Sigmoid, torch.nn.Softplus][rng.integers(3)]()


def _fill(module, rng):
    """Weights of both signs, biases of both signs, statistics of a batch norm that has seen data."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if "num_batches" in name:
            continue
        fan_in = max(tensor[0].numel(), 1) if tensor.ndim > 1 else 4
        values = rng.normal(size=tensor.shape) * (2 / fan_in) ** 0.5
        if "running_var" in name:
            values = 0.5 + values ** 2
        tensor.data.copy_(torch.from_numpy(values))


def leaves(module):
    """The modules of a nested Sequential in the order of execution, by their names."""
    return {name: leaf for name, leaf in module.named_modules() if not isinstance(leaf, torch.nn.Sequential)}


def counterparts(case):
    """[(leaf, l), ...]: torch's modules in order, each with the index of our layer that it became, or None.

    A layer has the name of its module. Identity and Dropout become nothing, and so does a Flatten behind a global pool,
    which with us gives flat features itself.
    """
    found = [(leaf, case.net.names.index(name) if name in case.net.names else None)
             for name, leaf in leaves(case.module).items()]
    assert [l for _, l in found if l is not None] == list(range(len(case.net.layers))), case.net.describe()
    assert {type(leaf).__name__ for leaf, l in found if l is None} <= {"Identity", "Dropout", "Flatten"}
    return found


def entering(case):
    """[(tensor, convert), ...]: what enters each of torch's modules, and last the output.

    The tensors belong to one graph and keep their gradients; `convert` brings one, or its gradient, into our order
    of axes and features.
    """
    a = case.tensor.requires_grad_()
    A, image = [], None
    for leaf, l in counterparts(case):
        A.append((a, _converter(image)))
        if type(leaf).__name__ == "Flatten" and l is not None:
            image = tuple(a.shape[1:])
        elif type(leaf).__name__ == "Linear":
            image = None
        a = leaf(a)
        a.retain_grad()
    return A + [(a, _converter(image))]


def trace(case):
    """The same of those modules that became a layer of ours: one beside each activation A[l]."""
    *A, output = entering(case)
    return [a for a, (_, l) in zip(A, counterparts(case)) if l is not None] + [output]


def _converter(image):
    """`to_array`, and for a flattened image (C, H, W) its features in our order h w c."""
    def convert(tensor):
        if image is None:
            return to_array(tensor)
        return to_array(tensor.reshape(-1, *image)).reshape(len(tensor), -1)
    return convert


def signals(case, start):
    """What torch's backward pass, started with the array `start`, leaves beside each of our activations.

    Plain gradients, or whatever the hooks turn them into that a library has hung into `case.module`.
    """
    A = trace(case)
    A[-1][0].backward(torch.from_numpy(start))
    return [convert(a.grad) for a, convert in A]


def difference(case, dtype):
    """How far the outputs of ours lie from torch's, relative where those are above 1."""
    module, tensor = case.module.to(getattr(torch, dtype)), case.tensor.to(getattr(torch, dtype))
    net = case.net if dtype == "float64" else from_torch(module, input_shape=tensor.shape[1:])
    output = net.forward(case.x.astype(dtype))
    with torch.no_grad():
        expected = to_array(module(tensor))
    assert output.dtype == expected.dtype == np.dtype(dtype), output.dtype
    assert output.shape == expected.shape, (output.shape, expected.shape)
    return float(abs(output - expected).max()) / max(1, float(abs(expected).max()))


def measure_outputs():
    """[(precision, networks, largest relative difference, bound), ...] for the table."""
    for dtype, bound in BOUNDS.items():
        found = [difference(case(kind, seed), dtype) for kind in KINDS for seed in SEEDS[dtype]]
        yield dtype, len(found), max(found), bound
