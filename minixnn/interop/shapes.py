"""The shape of what each operation of the graph gives, from the shapes of what it reads; nothing is computed for it.

Shapes are those of the file, with the batch first as a rule. A size that is not known is None, and so is a shape whose
number of axes is not known. What does not fit is a ValueError that says which sizes met.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from minixnn.arrays import Array
from minixnn.interop.layout import overhang, size_unknown
from minixnn.interop.operations import Node

BATCH = 10007           # stands for a batch of any size: a prime that no layer has as its size


def shape_of(node: Node) -> Any:
    """The shape of a node's output."""
    return SHAPES.get(node.op, same)(node)


def same(node: Node) -> tuple | None:
    """Every number by itself, or along one axis: the shape stays."""
    return node.inputs[0].shape if node.inputs else None


def known(shape: tuple[int, ...], what: str = 'the shape of the input') -> tuple[int, ...]:
    """`shape`, if all of it is known."""
    if shape is None or None in shape:
        raise size_unknown(f"{what} is {shape} here, and what this does depends on it")
    return shape


def images(node: Node, spatial: int) -> tuple:
    """The shape of what a convolution or pool reads, (N, C, sizes...); all unknown if nothing is known."""
    shape = node.inputs[0].shape
    if shape is None:
        return BATCH, *(None,) * (1 + spatial)
    if len(shape) != 2 + spatial:
        kind = {1: "sequences, (channels, length)", 2: "images, (channels, height, width)"}.get(spatial, "volumes")
        raise ValueError(f"got {written(shape)} numbers, expected {kind}")
    return shape


def written(shape: tuple[int, ...]) -> str:
    """A shape in a sentence: N for the batch, ? for what is not known."""
    return "(" + ", ".join("N" if n == BATCH else "?" if n is None else str(n) for n in shape) + ")"


def windows(sizes: tuple | list, kernel: list[int] | tuple[int, ...], stride: tuple[int, ...], pads: str | tuple,
            dilation: tuple[int, ...], ceil: bool = False) -> tuple:
    """How many windows lie along every axis."""
    found: list[int | None] = []
    for n, k, s, p, d in zip(sizes, kernel, stride, pads if pads != "same" else [None] * len(kernel), dilation):
        if n is None:
            found.append(None)
        elif p is None:
            found.append(-(-n // s))
        else:
            reach = d * (k - 1) + 1
            found.append((n + sum(p) + (overhang(n, reach, s, *p) if ceil else 0) - reach) // s + 1)
    if any(n is not None and n < 1 for n in found):
        raise ValueError(f"got images of {' x '.join(map(str, sizes))} pixels, smaller than its window of "
                         f"{' x '.join(map(str, kernel))}")
    return tuple(found)


def conv(node: Node) -> tuple:
    O, C, *kernel = node.W.shape
    N, channels, *sizes = images(node, len(kernel))
    if channels not in (None, C * node.groups):
        raise ValueError(f"expects {C * node.groups} channels, but the input's shape leads to {channels}")
    return N, O, *windows(sizes, kernel, node.stride, node.pads, node.dilation)


def conv_transpose(node: Node) -> tuple[int, ...]:
    C, O, *kernel = node.W.shape
    N, channels, *sizes = images(node, len(kernel))
    if channels not in (None, C):
        raise ValueError(f"expects {C} channels, but the input's shape leads to {channels}")
    settings = zip(sizes, kernel, node.stride, node.pads, node.dilation, node.output_padding)
    return N, O * node.groups, *(None if n is None else (n - 1) * s - sum(p) + d * (k - 1) + more + 1
                                 for n, k, s, p, d, more in settings)


def pool(node: Node) -> tuple:
    shape = images(node, len(node.size))
    return *shape[:2], *windows(shape[2:], node.size, node.stride, node.pads,
                                node.settings.get("dilation", (1,) * len(node.size)), node.ceil)


def adaptive(node: Node) -> tuple[int, ...]:
    shape = images(node, len(node.size))
    return *shape[:2], *(n if size is None else size for n, size in zip(shape[2:], node.size))


def dense(node: Node) -> tuple[int, ...]:
    shape, I = node.inputs[0].shape, len(node.W)
    if shape is None:
        return BATCH, node.W.shape[1]
    if shape[-1] not in (None, I):
        raise ValueError(f"expects {I} inputs, but the input's shape leads to {shape[-1]}")
    return *shape[:-1], node.W.shape[1]


def axes_of(node: Node) -> list[int]:
    """The axes of a reduction as positive numbers."""
    rank = len(node.inputs[0].shape)
    axes = range(rank) if node.axes is None else node.axes
    if any(not -rank <= axis < rank for axis in axes):
        raise ValueError(f"got axes={list(axes)} for {rank} axes")
    return sorted(axis % rank for axis in axes)


def reduced(node: Node) -> tuple[int, ...] | None:
    shape = node.inputs[0].shape
    if shape is None:
        return None
    axes = axes_of(node)
    return tuple(1 if axis in axes else n for axis, n in enumerate(shape) if node.keepdims or axis not in axes)


def broadcast(node: Node) -> tuple | None:
    shapes = [each.shape for each in node.inputs]
    if None in shapes:
        return None
    rank, found = max(map(len, shapes)), []
    for sizes in zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes)):
        other = {n for n in sizes if n != 1}
        if len(other - {None}) > 1:
            raise ValueError(f"joins {' and '.join(map(str, shapes))}, which do not fit")
        found.append(next(iter(other - {None}), None if other else 1))
    return tuple(found)


def concat(node: Node) -> Any:
    shapes = [each.shape for each in node.inputs]
    if None in shapes:
        return None
    axis = node.axis % len(shapes[0])
    for a, across in enumerate(zip(*shapes)):
        if a != axis and len(set(across) - {None}) > 1 or len(set(map(len, shapes))) > 1:
            raise ValueError(f"joins {' and '.join(map(str, shapes))} along axis {axis}, which do not fit")
    sizes = [shape[axis] for shape in shapes]
    return *shapes[0][:axis], None if None in sizes else sum(sizes), *shapes[0][axis + 1:]


def slice_(node: Node) -> Any:
    shape = node.inputs[0].shape
    if shape is None:
        return None
    n = shape[node.axis]
    if n is None and (node.start, node.stop, node.step) == (0, None, node.step) and node.step > 1:
        return *shape[:node.axis], None, *shape[node.axis + 1:]
    start, stop, step = slice(node.start, node.stop, node.step).indices(known((n,), "the sliced size")[0])
    if (stop - start) * step <= 0:
        raise ValueError(f"takes nothing, {node.start} to {node.stop}, of {n}")
    return *shape[:node.axis], -(-(stop - start) // step), *shape[node.axis + 1:]


def pad(node: Node) -> Any:
    shape = node.inputs[0].shape
    if shape is None:
        return None
    return tuple(None if n is None else n + sum(p) for n, p in zip(shape, node.pads))


def reshape(node: Node) -> Any:
    """settings["shape"] may hold one -1 and, from torch's `flatten`, sizes that are not known."""
    shape, target = node.inputs[0].shape, list(node.settings["shape"])
    if -1 in target:
        rest = math.prod(n for n in target if n != -1)
        size = math.prod(known(shape))
        if rest <= 0 or size % rest or target.count(-1) > 1:
            raise ValueError(f"cannot turn {written(shape)} into {tuple(target)}")
        target[target.index(-1)] = size // rest
    if shape is not None and None not in shape and None not in target and math.prod(shape) != math.prod(target):
        raise ValueError(f"cannot turn {shape} into {tuple(target)}")
    return tuple(target)


def transpose(node: Node) -> Any:
    shape = node.inputs[0].shape
    return None if shape is None else tuple(shape[axis] for axis in node.perm)


def upsample(node: Node) -> Any:
    shape = node.inputs[0].shape
    if shape is None:
        return None
    if node.size is not None:
        return *shape[:2], *node.size
    return *shape[:2], *(None if n is None else int(n * s) for n, s in zip(shape[2:], node.scale))


def embedding(node: Node) -> Any:
    shape = node.inputs[0].shape
    return None if shape is None else (*shape, node.W.shape[1])


def matmul(node: Node) -> tuple | None:
    a, b = (each.shape for each in node.inputs)
    if a is None or b is None:
        return None
    if len(a) != len(b) or len(a) < 3 or a[-1] != b[-2] or a[:-2] != b[:-2]:
        raise ValueError("multiplies two matrices that are both computed from the input, of shapes "
                         f"{written(a)} and {written(b)}, expected those of attention, (N, heads, tokens, width)")
    return *a[:-1], b[-1]


def per_channel(node: Node) -> tuple[int, ...] | None:
    shape = node.inputs[0].shape
    if shape is not None and len(shape) > 1 and shape[1] not in (None, len(node.gamma)):
        raise ValueError(f"expects {len(node.gamma)} channels, but the input's shape leads to {shape[1]}")
    return shape


SHAPES = {
    "conv": conv, "conv_transpose": conv_transpose, "max_pool": pool, "avg_pool": pool, "adaptive_avg_pool": adaptive,
    "dense": dense, "mean": reduced, "sum": reduced, "max": reduced, "concat": concat, "slice": slice_, "pad": pad,
    "reshape": reshape, "transpose": transpose, "upsample": upsample, "embedding": embedding, "matmul": matmul,
    "expand": lambda node: node.settings["shape"],
    "batch_norm": per_channel, "group_norm": per_channel, "unknown": lambda node: None,
    **dict.fromkeys(("add", "sub", "mul", "div", "pow", "maximum", "minimum"), broadcast)}


def concrete(shape: tuple[int, ...]) -> Array:
    """A shape as an array to compute with: NaN for a size that is not known, and so for what depends on it."""
    if None not in shape:
        return np.array(shape, np.int64)
    return np.array([np.nan if n is None else n for n in shape])
