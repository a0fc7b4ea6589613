"""Recognising what a file spells out: activations, norms, and shuffles written in smaller operations.

A part of the graph that treats every number by itself is a function of one number, however it is written; so it is
known by its values, at a few hundred places, and not by its spelling. The same goes for norms, over a few random
numbers. What is moved about (channel shuffles, groups) is known by its shapes.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minixnn.arrays import Array
from minixnn import layers as ours
from minixnn.interop.attention_pattern import recognise_attention
from minixnn.interop.graph import dominators
from minixnn.interop.operations import Constant, Node

if TYPE_CHECKING:
    from minixnn.interop.graph import Graph

PLACES = np.concatenate([np.linspace(-30, 30, 601), np.linspace(-4, 4, 321) + 0.003, [-1e-3, 0, 1e-3]])
LONGEST = 16            # operations in one activation or norm
NUMBERS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power, "maximum": np.maximum,
    "minimum": np.minimum, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "reciprocal": np.reciprocal,
    "negative": np.negative, "absolute": np.abs}


def recognise(graph: Graph) -> None:
    """Replace what is recognised, from the last node to the first, so that the largest part is found first."""
    for find in (_two_means, _local_response_norm, _channel_shuffle, _norm_of_groups):
        for node in graph.nodes:
            find(node)
    graph.prune()
    above, _ = dominators(graph.nodes, lambda node: node.reads)
    seen = set()
    for node in reversed(graph.nodes):
        if node not in seen and (node.op in NUMBERS or node.op in ("erf", "elementwise")):
            seen |= _by_values(node, above)
    graph.prune()
    recognise_attention(graph)


def _by_values(node, above):
    """Make this node one layer, if the part of the graph that ends in it is one. Returns the nodes that it replaces."""
    for top, part in reversed(list(_parts(node, above))):
        means = [each for each in part if each.op == "mean"]
        if all(each.op == "elementwise" for each in part):
            continue
        found = _norm(node, top, part, means) if means else _activation(node, top, part)
        if found:
            return set(part)
    return set()


def _parts(node, above):
    """(top, nodes behind it in order) for every dominator `top` of a node, as far as there is arithmetic only."""
    top = above[node]
    for _ in range(LONGEST):
        if top is None:
            return
        part = _between(top, node)
        if part is None:
            return
        yield top, part
        top = above[top]


def _between(top, node):
    """The nodes from `top`, without it, to `node`; None if one is no arithmetic of numbers and means."""
    part, left = [], [node]
    while left:
        each = left.pop()
        if each is top or each in part:
            continue
        small = all(constant.array.size == 1 for constant in each.inputs if isinstance(constant, Constant))
        if each.op not in NUMBERS and each.op not in ("erf", "elementwise", "mean") or not small or len(part) > LONGEST:
            return None
        part.append(each)
        left += each.reads
    order, done = [], {top}
    while part:
        ready = [each for each in part if all(read in done for read in each.reads)]
        order += ready
        done |= set(ready)
        part = [each for each in part if each not in done]
    return order


def _run(top, part, x):
    """The values of the last node of a part where `top` is x, in double precision."""
    values = {top: x}
    with np.errstate(all="ignore"):
        for node in part:
            inputs = [values[each] if isinstance(each, Node) else each.array.astype(np.float64).reshape(())
                      for each in node.inputs]
            if node.op == "elementwise":
                values[node] = node.layer.forward(*inputs)
            elif node.op == "mean":
                values[node] = inputs[0].mean(axis=tuple(node.axes), keepdims=True)
            else:
                values[node] = erf(*inputs) if node.op == "erf" else NUMBERS[node.op](*inputs)
    return values[part[-1]]


def erf(x: Array) -> Array:
    """The error function, by our GELU: GELU(x) = x (1 + erf(x / sqrt 2)) / 2."""
    z = np.where(x == 0, 1e-12, x) * 2 ** 0.5
    return 2 * ours.GELU().forward(z) / z - 1


def _activation(node, top, part):
    """One of our elementwise layers, by its values."""
    f = _run(top, part, PLACES[None])
    if not np.isfinite(f).all():
        return False
    low, high = (None if f[0, end] == PLACES[end] else float(f[0, end]) for end in (0, 600))      # at -30 and 30
    slope = -float(_run(top, part, np.array([[-1.0]]))[0, 0])
    known = [ours.ReLU(), ours.ReLU6(), ours.GELU(), ours.GELU("tanh"), ours.SiLU(), ours.Hardswish(),
             ours.Hardsigmoid(), ours.Softplus(), ours.Sigmoid(), ours.Tanh(), ours.Mish(), ours.SELU(), ours.ELU(),
             *([ours.LeakyReLU(slope)] if 0 <= slope < 1 else []),
             *([ours.Clip(low, high)] if _bounds(low, high) else [])]
    for made in known:
        if (abs(made.forward(PLACES[None]) - f) <= 1e-6 * (1 + abs(f))).all():
            node.become("elementwise", [top], layer=made)
            return True
    return False


def _bounds(low, high):
    return (low, high) != (None, None) and (None in (low, high) or low < high)


def _norm(node, top, part, means):
    """LayerNorm or RMSNorm without scale, by its values on random numbers."""
    if top.shape is None or node.shape != top.shape:
        return False
    axes = sorted({axis % len(top.shape) for axis in means[0].axes or range(len(top.shape))})
    if any(sorted(axis % len(top.shape) for axis in each.axes or ()) != axes or not each.keepdims for each in means):
        return False
    x = np.random.default_rng(0).normal(1, 2, size=(3, 2, 4, 3, 5)[:len(top.shape)])
    f = _run(top, part, x)
    centred = x - x.mean(axis=tuple(axes), keepdims=True)
    small = {float(c.array.reshape(())) for each in part for c in each.inputs if isinstance(c, Constant)} | {0.0}
    for epsilon in small:
        for op, y in (("layer_norm", centred), ("rms_norm", x)):
            with np.errstate(all="ignore"):
                g = y / np.sqrt((y * y).mean(axis=tuple(axes), keepdims=True) + epsilon)
            if f.shape == g.shape and np.allclose(f, g, rtol=1e-6, atol=1e-7):
                more = {"beta": None} if op == "layer_norm" else {}
                node.become(op, [top], axes=axes, gamma=None, epsilon=epsilon, **more)
                return True
    return False


def _two_means(node):
    """The mean over one axis and then over another is the mean over both."""
    inner = node.inputs[0] if node.inputs else None
    if node.op != "mean" or getattr(inner, "op", "") != "mean" or node.keepdims != inner.keepdims:
        return
    if inner.inputs[0].shape is None:
        return
    rank, axes = len(inner.inputs[0].shape), sorted(axis % len(inner.inputs[0].shape) for axis in inner.axes or ())
    left = list(range(rank)) if node.keepdims else [axis for axis in range(rank) if axis not in axes]
    if inner.axes and node.axes:
        node.become("mean", inner.inputs, axes=sorted({*axes, *(left[axis] for axis in node.axes)}),
                    keepdims=node.keepdims)


def _through(node, *ops):
    """The node before, through those of these kinds."""
    while isinstance(node, Node) and node.op in ops:
        node = node.inputs[0]
    return node


def _local_response_norm(node):
    """x / (k + alpha mean(x x over neighbouring channels)) ** beta, the mean written as a pool, as torch has it."""
    if node.op != "div" or not isinstance(node.inputs[1], Node) or node.inputs[1].op != "pow":
        return
    x, power = node.inputs
    inside = power.inputs[0]
    scaled = next(iter(getattr(inside, "reads", [])), None)
    pool = _through(next(iter(getattr(scaled, "reads", [])), None), "reshape")
    if (getattr(inside, "op", ""), getattr(scaled, "op", ""), getattr(pool, "op", "")) != ("add", "mul", "avg_pool"):
        return
    padded = _through(pool.inputs[0], "reshape")
    square = _through(padded, "reshape", "pad")
    size = pool.size[0] if len(pool.size) == 3 else pool.size[-2]
    squared = square.op == "mul" and square.inputs == [x, x] or square.op == "pow" and square.inputs[0] is x
    constants = [each.constant for each in (power, inside, scaled)]
    if squared and sorted(pool.size)[-1] == size and all(c is not None and c.size == 1 for c in constants):
        beta, k, alpha = (float(c.reshape(())) for c in constants)
        node.become("local_response_norm", [x], size=size, alpha=alpha, beta=beta, k=k)


def _channel_shuffle(node):
    """(N, g c, ...) as (N, g, c, ...), the two exchanged, and flattened again."""
    if node.op != "reshape" or getattr(node.inputs[0], "op", "") != "transpose":
        return
    swapped, apart = node.inputs[0], node.inputs[0].inputs[0]
    if apart.op != "reshape" or apart.shape is None or apart.inputs[0].shape != node.shape or node.shape is None:
        return
    rank = len(apart.shape)
    if tuple(swapped.perm) == (0, 2, 1, *range(3, rank)) and rank == len(node.shape) + 1 and \
            apart.shape[3:] == node.shape[2:]:
        node.become("channel_shuffle", apart.inputs, groups=apart.shape[1])


def _norm_of_groups(node):
    """Group normalisation as torch exports it: (N, C, H, W) as (N, groups, ...), normalised, and back."""
    inner = node.inputs[0] if node.op == "reshape" else None
    if getattr(inner, "op", "") != "group_norm" or inner.inputs[0].op != "reshape" or node.shape is None:
        return
    whole = inner.inputs[0].inputs[0]
    if whole.shape == node.shape and inner.groups == len(inner.gamma) and len(node.shape) > 2:
        C = node.shape[1]
        gamma, beta = (np.repeat(a, C // inner.groups) for a in (inner.gamma, inner.beta))
        node.become("group_norm", [whole], groups=inner.groups, gamma=gamma, beta=beta, epsilon=inner.epsilon)
