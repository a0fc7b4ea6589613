"""Attention written out, as exporters and people write it, becomes one layer.

    A = softmax(scale Q K^T + mask),   O = A V          two products of what is computed, and a softmax between them

How Q, K and V are cut out of x (N, T, C), and how the heads of O are put together again, differs from writer to writer:
one product for all three or three, heads as an axis of their own or in the batch, tokens first. So these maps are not
known by their spelling. They are found by what they do to rows of an identity, and believed only if they do the same to
random numbers.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from minixnn.arrays import Array
from minixnn.interop.affine_maps import ARITHMETIC, map_of
from minixnn.interop.graph import Graph, without_dropout
from minixnn.interop.layout import size_unknown
from minixnn.interop.operations import Constant
from minixnn.interop.reading import HIDDEN
from minixnn.layers import Attention
from minixnn.layers.attention import JoinHeads, SplitHeads

MOVES = ("reshape", "transpose")


def recognise_attention(graph: Graph) -> None:
    """Replace every softmax(scale Q K^T + mask) V, with the maps before and behind it, by one Attention."""
    users = graph.users()
    for node in list(graph.nodes):
        if node.op == "matmul" and without_dropout(node.inputs[0]).op == "softmax":
            try:
                _recognise(graph, node, users)
            except ValueError as error:
                for product in (node, *_before(node)):      # either may be the first that is asked for a layer
                    product.settings["reason"] = str(error)
    graph.prune()


def _before(node):
    """The product that the first factor of a product is computed from, if there is one."""
    node = node.inputs[0]
    while node.op != "matmul" and node.reads:
        node = node.reads[0]
    return [node] if node.op == "matmul" else []


def _recognise(graph, node, users):
    """node: O = A V"""
    A = without_dropout(node.inputs[0])
    if A.axis != len(A.shape) - 1:
        raise ValueError(f"its softmax is along axis {A.axis}, expected the last")
    QK, scale, mask = _scores(A.inputs[0])
    Q, K_turned, V = QK.inputs[0], QK.inputs[1], node.inputs[1]
    heads, T = _heads(graph, Q), Q.shape[-2]
    found = _projections(graph, heads, {"q": (Q, False), "k": (K_turned, True), "v": (V, False)})
    if found is None:
        raise ValueError("its queries, keys and values are no affine maps of one sequence")
    x, maps = found
    last, out = _output(graph, node, users, heads, T, V.shape[-1])
    if out is None:
        raise ValueError("its heads are not put together again as one sequence")
    scale *= maps["q"].scale * maps["k"].scale * Q.shape[-1] ** 0.5     # Attention itself divides by sqrt(d)
    q, k, v = maps["q"].times(scale), maps["k"], maps["v"].times(maps["v"].scale)
    o = out.times(out.scale)
    made = Attention(q.W, k.W, v.W, o.W, q.b, k.b, v.b, o.b, heads=heads, **hiding(mask))
    last.become("layers", [x], layers=[made])


def hiding(seen: Array | None) -> dict[str, Any]:
    """Attention's settings for who sees whom, (T, T) of 1 and 0; None where all see all."""
    causal = seen is not None and np.array_equal(seen, np.tri(len(seen)))
    return {"mask": None if causal else seen, "causal": causal}


def seen_in(mask: Array) -> Array:
    """1 where a mask that is added to the scores is 0, and 0 where it hides."""
    if not ((mask == 0) | (mask <= HIDDEN)).all():
        raise ValueError("adds numbers to its scores by its mask, such as a table of relative positions, expected 0 "
                         "and -inf")
    return (mask == 0).astype(np.float32)


def _scores(node):
    """(the product Q K^T below a softmax, its scale, who sees whom as 0 and 1, or None)"""
    scale, mask = 1.0, None
    while node.op != "matmul":
        c, first = node.constant, isinstance(node.inputs[0], Constant)
        if c is None or node.op not in ("add", "mul", "div") or node.op == "div" and first:
            raise ValueError(f"its scores pass {node.op} before the softmax, expected a scale and a mask")
        if node.op != "add":
            if c.size != 1:
                raise ValueError(f"its scores are scaled by an array of shape {c.shape}, expected one number")
            scale *= float(c.reshape(())) if node.op == "mul" else 1 / float(c.reshape(()))
        else:
            seen = _seen(c, node.shape)
            mask = seen if mask is None else mask * seen
        node = node.reads[0]
    return node, scale, mask


def _seen(c, shape):
    """Who sees whom by an array added to the scores: (T, T)"""
    seen = seen_in(c)
    seen = np.broadcast_to(seen, np.broadcast_shapes(seen.shape, shape[-2:]))
    if seen.size != seen.shape[-1] * seen.shape[-2]:
        raise ValueError(f"hides tokens by an array of shape {seen.shape}, expected one for all sequences and heads")
    return seen.reshape(seen.shape[-2:])


def _heads(graph, Q):
    """How many heads: an axis of (N, H, T, d), or in the batch, (N H, T, d)."""
    if None in Q.shape:
        raise size_unknown("its number of tokens is not known")
    if len(Q.shape) not in (3, 4) or len(Q.shape) == 4 and Q.shape[0] != graph.batch \
            or Q.shape[0] % graph.batch:
        raise ValueError(f"its queries have the shape {Q.shape}, expected (N, heads, tokens, width)")
    return Q.shape[1] if len(Q.shape) == 4 else Q.shape[0] // graph.batch


# Where the maps begin and end --------------------------------------------------------------------------------------

def _projections(graph, heads, ends):
    """(x, {"q": Map, "k": Map, "v": Map}) for the furthest x that all three are affine maps of; None without any."""
    above = {name: _upwards(end) for name, (end, turned) in ends.items()}
    for x in reversed(above["q"]):
        if any(x not in nodes for nodes in above.values()) or x.shape is None or len(x.shape) != 3 \
                or None in x.shape or x.shape[0] != graph.batch:
            continue
        maps = {}
        for name, (end, turned) in ends.items():
            path = above[name][:above[name].index(x)][::-1]
            maps[name] = map_of(graph, path, x.shape, leave=lambda y, n, turned=turned: _as_sequence(
                y.swapaxes(-1, -2) if turned else y, n, heads))
        if None not in maps.values():
            return x, maps
    return None


def _upwards(node):
    """A node and those before it, as far as one affine map leads: moves, arithmetic and a product, then moves alone."""
    found, dense = [node], 0
    while True:
        dense += node.op == "dense"
        allowed = (*MOVES, "dense") if dense else (*MOVES, "slice", "dense", *ARITHMETIC)
        if node.op not in allowed or dense > 1 or len(node.reads) != 1:
            return found
        node = node.reads[0]
        found.append(node)


def _output(graph, node, users, heads, T, width):
    """(the last node, Map): from O through the moves behind it and one product, as far as it is an affine map."""
    path, best, dense, biased = [], (node, None), False, False
    start, merged = (graph.batch, T, heads * width), len(node.shape) == 3
    while True:
        if node.shape is not None and len(node.shape) == 3 and node.shape[:2] == (graph.batch, T):
            found = map_of(graph, path, start, enter=lambda x: _as_heads(x, heads, merged))
            best = best if found is None else (node, found)
        following = users.get(node, [])
        if len(following) != 1 or len(following[0].reads) != 1:
            return best
        after = following[0]
        if after.op == "dense" and not dense:
            dense, biased = True, after.b is not None
        elif after.op == "add" and dense and not biased:
            biased = True
        elif after.op not in MOVES and not (after.op == "slice" and not dense):
            return best
        path, node = [*path, after], after


def _as_heads(x, heads, merged):
    """(N, T, H e) -> (N, H, T, e); merged: (N H, T, e)"""
    y = SplitHeads(heads).forward(x)
    return y.reshape(-1, *y.shape[2:]) if merged else y


def _as_sequence(y, n, heads):
    """(N, H, T, d), or (N H, T, d), -> (N, T, H d)"""
    return JoinHeads().forward(y.reshape(n, heads, *y.shape[-2:]))
