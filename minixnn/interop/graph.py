"""The small graph that every reader of a foreign format writes, and from which one builder makes a Network.

A graph has nodes and constants. A node is an operation from the list below, applied to other nodes; its shape and the
axes in its settings are those of the file it comes from, channels first where the file has channels first. Weights
stand in the settings, as NumPy arrays; a constant that takes part in arithmetic is an input.

    input
    conv             W (O, C / groups, k, ...), b, stride, pads, dilation, groups
    conv_transpose   W (C, O / groups, k, ...), b, stride, pads, output_padding, dilation, groups
    dense            W (I, O), b: on the last axis
    max_pool, avg_pool        size, stride, pads, ceil (sizes rounded up), and count_padding or total (no division)
    adaptive_avg_pool         size, None for "as it was"
    mean, sum, max            axes, keepdims
    batch_norm       gamma, beta, mean, variance, epsilon, momentum: along axis 1
    layer_norm       gamma, beta, axes, epsilon;     rms_norm   gamma, axes, epsilon
    group_norm       gamma, beta, groups, epsilon;   local_response_norm   size, alpha, beta, k
    elementwise      layer: a layer of ours that treats every number alike, or all along the last axis with `axis`
    prelu            a, axis
    upsample         size or scale, mode, align_corners
    embedding        W
    add, sub, mul, div, pow, maximum, minimum                  of two inputs, broadcast as NumPy does
    exp, log, sqrt, reciprocal, erf, negative, absolute        parts of activations and norms written out
    softmax, log_softmax      axis
    matmul           of two inputs, along the last axis of one and the last but one of the other
    layers           layers: ours, one behind the other, from sequences (N, T, C) to sequences
    concat           axis;   slice   axis, start, stop, step;   pad   pads, value
    reshape          shape;  transpose   perm;   channel_shuffle   groups;   expand   shape
    unknown          reason: what could not be read; refused if the output depends on it
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minixnn.interop.operations import Node
from minixnn.interop.shapes import BATCH, shape_of
from minixnn.layers import Dropout


class Graph:
    """nodes: in an order in which they can be computed. batch: the size that shapes begin with. dtype: of weights.
    declared: the type of the input, by the file."""

    def __init__(self, shape: Any, label: str = 'the input', batch: int = BATCH, dtype: type = np.float32) -> None:
        self.batch, self.dtype = batch, dtype
        self.input: Node = Node("input", [], label)
        self.input.shape = None if shape is None else (batch, *shape)
        self.nodes, self.output, self.declared = [self.input], None, "float32"

    def add(self, op: str, inputs: list, label: str, **settings: Any) -> Node:
        """A new node at the end. ValueError if its inputs do not fit; the caller says which node that is."""
        node = Node(op, inputs, label, **settings)
        node.shape = shape_of(node)
        self.nodes.append(node)
        return node

    def unknown(self, inputs: list, label: str, reason: str) -> Node:
        """What cannot be read. It is refused later, if the output depends on it."""
        return self.add("unknown", [each for each in inputs if isinstance(each, Node)], label, reason=reason)

    def prune(self) -> None:
        """Keep what the output depends on."""
        kept = needed([self.output], lambda node: node.reads) | {self.input}
        self.nodes = [node for node in self.nodes if node in kept]

    def complete(self) -> None:
        """Where nothing is said of the input's shape: as much as the first layer with weights tells."""
        told = next((node for node in self.nodes if node.op in ("conv", "conv_transpose", "dense")), None)
        if self.input.shape is not None or told is None or told.inputs[0].shape is not None:
            return
        sizes = (len(told.W),) if told.op == "dense" else (None,) * (told.W.ndim - 1)
        self.input.shape = (self.batch, *sizes)
        for node in self.nodes[1:]:
            node.shape = shape_of(node) if node.shape is None else node.shape

    def users(self) -> dict[Node, list]:
        """{node: the nodes that read it}, one entry for each time they read it."""
        found: dict[Node, list] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for read in node.reads:
                found[read].append(node)
        return found


def needed(outputs: Iterable, reads: Callable) -> set:
    """The outputs and all that they depend on. reads(each): what one of them reads directly."""
    found = set(outputs)
    left = list(found)
    while left:
        for each in reads(left.pop()):
            if each not in found:
                found.add(each)
                left.append(each)
    return found


def without_dropout(node: Any) -> Any:
    """The node itself, or what it drops units of."""
    while isinstance(node, Node) and node.op == "elementwise" and isinstance(node.layer, Dropout):
        node = node.inputs[0]
    return node


def dominators(nodes: list, inputs: Callable) -> tuple:
    """{node: the last node before it that every way from the input passes}, None for the first.

    nodes   in an order in which they can be computed;  inputs(node)   the nodes that it reads
    In a graph without cycles that is the nearest common ancestor, in this very tree, of all that it reads.
    """
    above: dict = {}
    depth: dict = {}
    for node in nodes:
        read = list(inputs(node))
        common = read[0] if read else None
        for other in read[1:]:
            common = nearest(common, other, above, depth)
        above[node], depth[node] = common, depth.get(common, -1) + 1
    return above, depth


def nearest(a: Any, b: Any, above: dict, depth: dict) -> Any:
    """The nearest common ancestor of two nodes in the tree of dominators; None if they have none."""
    while a is not b:
        if a is None or b is None:
            return None
        if depth[a] >= depth[b]:
            a = above[a]
        else:
            b = above[b]
    return a
