"""The affine map of tokens that a path through the graph is, however it is spelled.

A path moves numbers (reshape, transpose, slice), multiplies rows by a matrix, and adds and scales by constants. What
it is in all is found by what it does to the rows of an identity, and believed only if it does the same to random rows.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minixnn.arrays import Array
from minixnn.interop.graph import Graph
from minixnn.interop.operations import Node
from minixnn.interop.shapes import BATCH

ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}


class Map(NamedTuple):
    """y = scale * (x @ W + b) for every token."""
    W: Array
    b: Array | None
    scale: float = 1.0

    def times(self, factor: float) -> Map:
        """W and b multiplied, in their own precision; as they are where the factor is 1 up to rounding."""
        if abs(factor - 1) < 1e-6:
            return Map(self.W, self.b)
        b = None if self.b is None else (self.b * factor).astype(self.b.dtype)
        return Map((self.W * factor).astype(self.W.dtype), b)


def map_of(graph: Graph, path: list[Node], shape: tuple, enter: Callable = lambda x: x,
           leave: Callable = lambda y, n: y) -> Map | None:
    """The Map that a path of nodes is for sequences of this shape, or None.

    enter(x)      a sequence as the path takes it;     leave(y, n)      the n sequences in what the path gives
    """
    path, scale = _without_scale(path)
    n = 1 if graph.batch == BATCH else graph.batch
    size = (n, *shape[1:])

    def run(x, looked_up=False):
        y = enter(x)
        for node in path:
            y = _step(graph, node, y, n, looked_up)
        return leave(y, n)

    try:
        b = run(np.zeros(size), looked_up=True)
        W = np.concatenate([(run(x, looked_up=True) - b).reshape(n * size[1], -1) for x in _units(size)])
        W, b = W[:shape[2]], b[0, 0]
        x = np.random.default_rng(0).normal(size=size)
        y, expected = run(x), x @ W + b
    except (ValueError, IndexError):                # the sizes do not fit: it is no such map
        return None
    if y.shape != expected.shape or not abs(y - expected).max() <= 1e-9 * (1 + abs(y).max()):
        return None
    return Map(W.astype(graph.dtype), b.astype(graph.dtype) if b.any() else None, scale)


def _without_scale(path):
    """The path without factors behind its last sum, and their product."""
    scale, kept = 1.0, []
    for node in reversed(path):
        c = node.constant
        if not any(each.op in ("add", "sub", "dense") for each in kept) and node.op in ("mul", "div") and c.size == 1 \
                and isinstance(node.inputs[0], Node):
            scale *= float(c.reshape(())) ** (1 if node.op == "mul" else -1)
        else:
            kept.insert(0, node)
    return kept, scale


def _units(size):
    """The rows of an identity as tokens of as many sequences as they need; the last ones are filled up with zeros."""
    n, T, C = size
    for start in range(0, C, n * T):
        rows = np.zeros((n * T, C))
        here = min(n * T, C - start)
        rows[np.arange(here), start + np.arange(here)] = 1
        yield rows.reshape(size)


def _shape(graph, shape, n):
    """A shape of the graph with n sequences in place of the batch's stand-in."""
    return tuple(size // BATCH * n if graph.batch == BATCH and size % BATCH == 0 else size for size in shape)


def _step(graph, node, x, n, looked_up):
    """What one node makes of x. looked_up: each row of x is 0 but for one number, so that x @ W is a row of W."""
    if node.op == "reshape":
        return x.reshape(_shape(graph, node.shape, n))
    if node.op == "transpose":
        return x.transpose(node.perm)
    if node.op == "slice":
        index = [slice(None)] * x.ndim
        index[node.axis] = slice(node.start, node.stop, node.step)
        return x[tuple(index)]
    if node.op == "dense":
        place = abs(x).argmax(axis=-1)
        y = node.W[place] * np.take_along_axis(x, place[..., None], -1) if looked_up else x @ node.W
        return y if node.b is None else y + node.b
    a, b = (x if isinstance(each, Node) else each.array.astype(x.dtype) for each in node.inputs)
    return ARITHMETIC[node.op](a, b)
