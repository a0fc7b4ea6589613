"""Gradients of every layer beside torch's automatic differentiation, those of the weights included."""
import numpy as np

from minixnn import attribution, passes
from tests.peers import networks
from tests.peers.agreement import ALL, Comparison
from tests.peers.libraries import torch


def at_every_layer(case):
    return networks.signals(case, case.one_hot)


def outputs(case):
    return case.net.trace(case.x)


def their_outputs(case):
    return [convert(a) for a, convert in networks.trace(case)]


def of_weights(case):
    """dL/dW and dL/db of all layers, one after the other as one vector; L is the sum of the targets' outputs."""
    A, R = case.net.trace(case.x), passes.gradient(case.net, case.x, case.target)
    found = []
    for l, layer in enumerate(case.net.layers):
        gradients = layer.parameter_gradients(A[l], R[l + 1])
        found += [gradients[name].ravel() for name in sorted(gradients) if gradients[name] is not None]
    return np.concatenate(found)


def their_weights(case):
    """The same of torch, with the numbers of each array in our order."""
    case.module.zero_grad()
    case.module(case.tensor)[torch.arange(len(case.x)), case.targets].sum().backward()
    found = []
    for (leaf, l), (_, convert) in zip(networks.counterparts(case), networks.entering(case)):
        if l is None or not hasattr(leaf, "weight"):
            continue
        W = leaf.weight.grad
        W = convert(W).T if W.ndim == 2 else W.numpy().transpose(2, 3, 1, 0) if W.ndim == 4 else W.numpy()
        bias = [] if leaf.bias is None else [leaf.bias.grad.numpy()]
        found += [W.ravel(), *bias] if W.ndim != 1 else [*bias, W]
    return np.concatenate(found)


def gradient_at(case, x):
    """d output of the target / dx by automatic differentiation, at inputs `x` of ours."""
    tensor = networks.to_tensor(x).requires_grad_()
    case.module(tensor)[torch.arange(len(x)), case.targets].sum().backward()
    return networks.to_array(tensor.grad)


def smooth_by_definition(case, noise=0.2, samples=5, seed=3):
    """The mean of torch's gradients at noisy images; each image has a generator of its own, spawned from the seed."""
    total = 0
    streams = np.random.default_rng(seed).spawn(len(case.x))
    deviation = np.array([noise * (x.max() - x.min()) for x in case.x])
    for _ in range(samples):
        e = np.stack([stream.standard_normal(x.shape) for stream, x in zip(streams, case.x)])
        total = total + gradient_at(case, case.x + deviation.reshape(-1, *[1] * (case.x.ndim - 1)) * e)
    return total / samples


COMPARISONS = [
    Comparison("Network.trace", "torch", "forward of every layer", outputs, their_outputs, kinds=ALL + ("shipped",),
               bound=1e-10, forwards=True),
    Comparison("passes.gradient", "torch", "autograd of every layer",
               lambda case: passes.gradient(case.net, case.x, case.target), at_every_layer, kinds=ALL + ("shipped",)),
    Comparison("parameter_gradients", "torch", "autograd of every weight", of_weights, their_weights,
               kinds=ALL + ("shipped",)),
    Comparison("attribution.sensitivity", "torch", "autograd, squared",
               lambda case: attribution.sensitivity(case.net, case.x, case.target),
               lambda case: gradient_at(case, case.x) ** 2, kinds=ALL + ("shipped",)),
    Comparison("attribution.smoothgrad", "torch", "autograd at the same noisy images",
               lambda case: attribution.smoothgrad(case.net, case.x, case.target, rng=3, noise=0.2, samples=5),
               smooth_by_definition, kinds=ALL + ("shipped",)),
]
