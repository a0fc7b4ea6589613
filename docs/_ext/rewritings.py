"""Which ways of writing one function a rule cannot tell apart: a column of the tables of rules, measured.

    pair("merge", rng)              two networks that compute the same, and inputs for both
    left_alone(lrp.gamma)           ["scale", "copy"]: the rewritings that leave the rule's answer at the input as it is

Inputs lie between 0 and 1, and what stands between two affine layers is positive, so that every rule may be asked. A
rewriting leaves a rule alone where its answers agree in all of DRAWS networks to TOLERANCE of their largest number,
which is more than a stabiliser of 1e-6 withholds.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Flatten, Network, ReLU, passes
from minixnn.layers import (ChannelScale, ChannelSelect, Conv1d, Graph, LayerNorm, MatMul, Multiply, Reshape,
                            Residual)
from minixnn.layers.base import Affine
from minixnn.layers.joins import half_each, signal_takes_all
from minixnn.layers.norm import identity, scale_held_fixed
from minixnn.rules import deep_taylor, lrp

DRAWS, TOLERANCE = 8, 1e-2
# name: (what is written otherwise, the layers whose rules are asked)
REWRITINGS = {
    "merge": ("two affine layers, one behind the other, as one", Affine),
    "norm": ("a scale and a shift for each channel, as of batch normalisation, folded into the layer before", Affine),
    "residual": ("x + f(x), where f is affine, as one affine layer", Affine),
    "rescale": ("what enters a neuron times c > 0, and what leaves it over c", Affine),
    "copy": ("a neuron written twice, with half of its outgoing weights each", Affine),
    "cancel": ("a neuron written twice, with outgoing weights of 2 v and -v", Affine),
    "gain": ("gain and shift of a normalisation over the channels folded into the layer behind", LayerNorm),
    "bracket": ("(x1 x2) x3 as x1 (x2 x3)", (Multiply, MatMul))}
OF_AFFINE = tuple(name for name, (_, kinds) in REWRITINGS.items() if kinds is Affine)
NOT_ASKED = ("proportional",)                   # a rule of pools, which have no weights to rewrite
OTHERS = {identity: ("gain",), scale_held_fixed: ("gain",), half_each: ("bracket",), signal_takes_all: ("bracket",)}


def pair(name, rng):
    """(a network, one that computes the same, inputs for both (4, 5)): `name` is one of REWRITINGS."""
    x, W, V, U = rng.uniform(0.1, 1, (4, 5)), *(rng.normal(size=shape) for shape in ((5, 5), (5, 5), (5, 2)))
    b, c, top = lifted(W), rng.normal(size=5), Dense(U, rng.normal(size=2))
    if name == "merge":
        w, v, d = rng.normal(size=(2, 1, 3)), rng.normal(size=(2, 3, 2)), rng.uniform(0.5, 1, 2)
        both = np.zeros((3, 1, 2))                          # two convolutions over two are one over three
        for i, j in np.ndindex(2, 2):
            both[i + j] += w[i] @ v[j]
        b, ends = lifted(w.reshape(2, 3)), [ReLU(), Flatten(), Dense(rng.normal(size=(6, 2)), top.b)]
        return (Network([Reshape((5, 1)), Conv1d(w, b, padding="valid"), Conv1d(v, d, padding="valid"), *ends]),
                Network([Reshape((5, 1)), Conv1d(both, v.sum(axis=0).T @ b + d, padding="valid"), *ends]), x)
    if name == "norm":
        s = rng.uniform(0.5, 2, 5)
        return (Network([Dense(W, b), ChannelScale(s, c), ReLU(), top]),
                Network([Dense(W * s, b * s + c), ReLU(), top]), x)
    if name == "residual":
        return (Network([Residual([Dense(V - np.eye(5), c)]), ReLU(), top]), Network([Dense(V, c), ReLU(), top]), x)
    if name == "rescale":
        s = rng.uniform(0.25, 4, 5)
        return (Network([Dense(W * s, c * s), ReLU(), Dense(U / s[:, None], top.b)]),
                Network([Dense(W, c), ReLU(), top]), x)
    if name in ("copy", "cancel"):
        again, (first, second) = [0, 1, 2, 3, 4, 4], {"copy": (0.5, 0.5), "cancel": (2, -1)}[name]
        outgoing = U[again] * np.array([1, 1, 1, 1, first, second])[:, None]
        W, c = abs(W[:, 4:] + 0.1) * (np.arange(5) == 4) + W * (np.arange(5) < 4), c.clip(0)
        return (Network([Dense(W[:, again], c[again]), ReLU(), Dense(outgoing, top.b)]),
                Network([Dense(W, c), ReLU(), top]), x)
    if name == "gain":
        g, h = rng.uniform(0.5, 2, 5), rng.normal(size=5)
        return (Network([LayerNorm(g, h), top]),
                Network([LayerNorm(np.ones(5), np.zeros(5)), Dense(g[:, None] * U, h @ U + top.b)]), x)
    if name == "bracket":
        return bracket(Multiply, (0, 1), 2), bracket(Multiply, 0, (1, 2)), x
    raise ValueError(f"got {name!r}, expected one of {', '.join(REWRITINGS)}")


def lifted(W):
    """A bias with which x W + b is positive for x between 0 and 1."""
    return 0.1 - W.clip(max=0).sum(axis=0)


def bracket(join, *factors):
    """x1 x2 x3, what stands in a tuple first."""
    graph = Graph()
    x = [graph.add(0, ChannelSelect(n, n + 1)) for n in range(3)]
    ends = [graph.add(tuple(x[n] for n in each), join()) if isinstance(each, tuple) else x[each] for each in factors]
    graph.add(tuple(ends), join())
    return Network(graph.layers, graph.inputs)


def answer(net, x, rule, kinds):
    """Relevance at the input where `rule` is that of all layers of these kinds; z^B, which is for pixels, of the first.

    Other affine layers have LRP-epsilon, other layers their own rule.
    """
    asked = [l for l, layer in enumerate(net.layers) if isinstance(layer, kinds)]
    if rule is deep_taylor.z_box:
        rule, asked = partial(rule, low=0.0, high=1.0), asked[:1]
    return passes.lrp(net, x, 0, [rule if l in asked else lrp.epsilon if isinstance(layer, Affine) else None
                                  for l, layer in enumerate(net.layers)])[0]


def distance(rule, name, draws=DRAWS):
    """How far the answers for two ways of writing lie apart, as a share of the largest number in them."""
    kinds, off = REWRITINGS[name][1], []
    for seed in range(draws):
        net, other, x = pair(name, np.random.default_rng(seed))
        R, S = (answer(each, x, rule, kinds) for each in (net, other))
        off.append(abs(R - S).max() / (max(abs(R).max(), abs(S).max()) or 1))     # no neuron may fire
    return max(off)


def left_alone(rule):
    """The rewritings that leave a rule's answer as it is, of those that it can be asked about; None if there are none.

    [] stands for a rule that notices each of them.
    """
    names = OTHERS.get(rule, () if rule.__name__ in NOT_ASKED else OF_AFFINE)
    return [name for name in names if distance(rule, name) < TOLERANCE] if names else None
