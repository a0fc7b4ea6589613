"""Small changes to the graph that leave fewer layers: pads, biases and scales go where they belong, heads go away."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minixnn import layers as ours
from minixnn.interop.graph import without_dropout
from minixnn.interop.operations import Constant, Node
from minixnn.interop.shapes import shape_of

if TYPE_CHECKING:
    from minixnn.interop.graph import Graph

WINDOWS = {"conv": 0, "avg_pool": 0, "max_pool": -np.inf}       # the value that each pads with
HEADS = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}


def simplify(graph: Graph) -> None:
    """Merge pads, write arithmetic with constants as scale and shift, and put shifts into biases."""
    for node in graph.nodes:
        if node.op in WINDOWS:
            _merge_pad(node)
    for node in graph.nodes:
        _without_expand(node)
        _as_scale(node)
    users = graph.users()
    for node in graph.nodes:
        if node.op == "scale" and isinstance(node.inputs[0], Node):
            _merge_scale(node, users)
    graph.prune()


def _merge_pad(node):
    """A pad right before a window of the same value is padding of that window."""
    pad = node.inputs[0]
    if pad.op != "pad" or pad.value != WINDOWS[node.op] or node.pads == "same":
        return
    outer, inner = pad.pads, node.pads
    if any(p != (0, 0) for p in outer[:2]) or min(min(p) for p in outer) < 0:
        return
    pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(outer[2:], inner))
    if node.op == "max_pool" and any(max(p) >= k for p, k in zip(pads, node.size)):
        return
    if node.op == "avg_pool":
        if node.ceil or not node.count_padding and any(p != (0, 0) for p in inner):
            return
        node.settings["count_padding"] = True
    node.settings["pads"], node.inputs = pads, pad.inputs


def _without_expand(node):
    """An addition or a product repeats what is too small by itself, so that no expand is needed before it."""
    if node.op not in ("add", "sub", "mul"):
        return
    for place, each in enumerate(node.inputs):
        if isinstance(each, Node) and each.op == "expand":
            node.inputs[place] = each.inputs[0]
            if shape_of(node) != node.shape:                # nothing else makes it so large
                node.inputs[place] = each


def _as_scale(node):
    """Arithmetic with one constant becomes x * scale + shift, either of which may be None."""
    if node.op == "negative":
        node.become("scale", node.inputs, scale=np.float32(-1), shift=None)
        return
    if node.op not in ("add", "sub", "mul", "div") or node.constant is None or node.shape != node.reads[0].shape:
        return
    first = isinstance(node.inputs[0], Constant)
    if node.op == "div" and first:
        return
    c = node.constant
    c = np.asarray(c, np.float64 if c.dtype == np.float64 else np.float32)
    scale, shift = {"add": (None, c), "sub": (np.float32(-1) if first else None, c if first else -c), "mul": (c, None),
                    "div": (None if node.op != "div" else 1 / c, None)}[node.op]
    node.become("scale", node.reads, scale=scale, shift=shift)


def _merge_scale(node, users):
    """Into the scale, the norm or the bias before, if nobody else reads what is between."""
    before = node.inputs[0]
    if len(users.get(before, ())) != 1 or before.shape is None:
        return
    scale, shift, rank = node.scale, node.shift, len(before.shape)
    if before.op == "scale":
        merged = _combined((before.scale, before.shift), (scale, shift))
        node.become("scale", before.inputs, scale=merged[0], shift=merged[1])
    elif before.op in ("layer_norm", "rms_norm"):
        sizes = [before.shape[axis] for axis in sorted(axis % rank for axis in before.axes)]
        fits = list(sorted(axis % rank for axis in before.axes)) == list(range(rank - len(sizes), rank)) and \
            all(a is None or a.ndim <= len(sizes) and None not in sizes for a in (scale, shift))
        if fits and (shift is None or before.op == "layer_norm"):
            found = {name: value for name, value in before.settings.items()}
            gamma, beta = _combined((found["gamma"], found.get("beta")), (scale, shift))
            found["gamma"] = None if gamma is None else np.broadcast_to(gamma, sizes).copy()
            if before.op == "layer_norm":
                found["beta"] = None if beta is None else np.broadcast_to(beta, sizes).copy()
            node.become(before.op, before.inputs, **found)
    elif before.op in ("conv", "conv_transpose", "dense") and scale is None:
        axis = 1 if before.op != "dense" else rank - 1
        outputs = before.shape[axis]
        wide = (1,) * (rank - shift.ndim) + shift.shape
        if all(n == 1 or a == axis and n == outputs for a, n in enumerate(wide)):
            b = np.broadcast_to(shift.reshape(-1), (outputs,))
            settings = {**before.settings, "b": b.copy() if before.b is None else before.b + b}
            node.become(before.op, before.inputs, **settings)


def _combined(first, second):
    """(scale, shift) of one after the other."""
    (a, b), (c, d) = first, second
    scale = a if c is None else c if a is None else a * c
    shift = b if c is None or b is None else b * c
    return scale, shift if d is None else d if shift is None else shift + d


def drop_head(graph: Graph) -> str | None:
    """The name of the layer at the end that only squashes, which goes; None if there is none, or nothing else."""
    last, head = without_dropout(graph.output), None
    if last.shape is not None and len(last.shape) == 2:
        if last.op in HEADS and last.axis % 2 == 1:
            head = HEADS[last.op]
        elif last.op == "elementwise" and isinstance(last.layer, (ours.Sigmoid, ours.Tanh)):
            head = type(last.layer).__name__
        elif last.op == "concat" and len(last.inputs) == 2 and _is_pair(*last.inputs):
            head, last = "Sigmoid", last.inputs[1]
    if head is None or last.inputs[0].op == "input":
        return None
    graph.output = last.inputs[0]
    graph.prune()
    return head


def _is_pair(rest, p):
    """Whether two nodes are 1 - p and p of a sigmoid, as scikit-learn's exports have it."""
    return isinstance(rest, Node) and isinstance(p, Node) and rest.op == "scale" and rest.inputs == [p] \
        and p.op == "elementwise" and isinstance(p.layer, ours.Sigmoid) and np.all(rest.scale == -1) \
        and rest.shift is not None and np.all(rest.shift == 1)
