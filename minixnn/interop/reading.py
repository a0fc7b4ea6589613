"""What the readers of every format share: the node they read, and operations that are spelled in several ways.

A `Reading` is one node of a file, or one call in a torch module, on its way into the small graph.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from minixnn.arrays import Array
from minixnn import layers as ours
from minixnn.interop.graph import Graph
from minixnn.interop.layout import size_unknown
from minixnn.interop.operations import Constant, Node
from minixnn.interop.shapes import written


class Reading:
    """The graph to add to, what is read (Node, Constant, or None for what is left out), and what sentences call it."""

    def __init__(self, graph: Graph, label: str, inputs: Any) -> None:
        self.graph, self.label, self.inputs = graph, label, list(inputs)

    def add(self, op: str, inputs: list | None = None, **settings: Any) -> Node:
        """A node of the graph; by default it reads the first input."""
        return self.graph.add(op, [self.x] if inputs is None else inputs, self.label, **settings)

    @property
    def x(self) -> Node:
        """The first input, which comes from the images."""
        if not isinstance(self.inputs[0], Node):
            raise ValueError("reads a constant as its images, expected what comes from the input")
        return self.inputs[0]

    def array(self, place: int, weights: bool = True) -> Array | None:
        """An input that is constant, as an array; None where it is left out. weights: as finite float32 or float64."""
        if len(self.inputs) <= place or self.inputs[place] is None:
            return None
        if isinstance(self.inputs[place], Node):
            raise ValueError(f"its input number {place + 1} is computed from the images, expected a constant")
        array = self.inputs[place].array
        return as_weights(array) if weights else array


def as_weights(array: Array) -> Array:
    """float64 stays, all else becomes float32."""
    if array.dtype.kind == "c":
        raise ValueError(f"its weights are of type {array.dtype}, expected real numbers")
    array = np.asarray(array, np.float64 if array.dtype == np.float64 else np.float32)
    if not np.isfinite(array).all():
        raise ValueError("its weights hold NaN or infinite numbers, expected trained ones")
    return array


def known_rank(x: Node) -> tuple:
    """The shape of x, of which at least the number of axes is known."""
    shape = x.shape
    if shape is None:
        raise size_unknown("depends on the number of axes, which is not known")
    return shape


def spatial(x: Node) -> list[int]:
    """The axes of x behind batch and channels."""
    if len(known_rank(x)) < 3:
        raise ValueError(f"got {x.shape[1:]} numbers per input, expected images, (channels, height, width)")
    return list(range(2, len(known_rank(x))))


def as_bias(b: float | Array, outputs: int, rank: int, axis: int = -1) -> Array:
    """`b` as one number per output, if an array with `outputs` along `axis` does not grow when it is added."""
    full = [1] * rank
    full[axis] = outputs
    try:
        return np.broadcast_to(b, full).reshape(-1).copy()
    except ValueError as error:
        raise ValueError(f"adds an array of shape {b.shape}, expected one number per output, {tuple(full)}") from error


def clip(r: Reading, low: float | Array | None, high: float | Array) -> Node:
    """min(max(x, low), high), either of which may be None; ReLU where it is one."""
    if any(bound is not None and np.size(bound) != 1 for bound in (low, high)):
        raise ValueError("clips at an array, expected one number for all")
    low, high = (None if bound is None else float(np.reshape(bound, ())) for bound in (low, high))
    low, high = (None if bound is not None and abs(bound) >= np.finfo("f").max else bound for bound in (low, high))
    if (low, high) == (None, None):
        return r.x
    if (low, high) == (0, None):
        return r.add("elementwise", layer=ours.ReLU())
    return r.add("elementwise", layer=ours.ReLU6() if (low, high) == (0, 6) else ours.Clip(low, high))


def operand(value: float | Node | Constant) -> Node | Constant:
    """A node or constant to compute with, from what a call was given."""
    return value if isinstance(value, (Node, Constant)) else Constant(np.float64(value))


def affine(r: Any, scale: Any, shift: Any, x: Any = None) -> Any:
    """x * scale + shift, with numbers."""
    x = r.add("mul", [r.x if x is None else x, Constant(np.float32(scale))])
    return r.add("add", [x, Constant(np.float32(shift))])


def hard_sigmoid(r: Reading, alpha: float, beta: float) -> Node:
    """min(max(alpha x + beta, 0), 1). Ours has alpha = 1 / 6 and beta = 1 / 2."""
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return r.add("elementwise", layer=ours.Hardsigmoid())
    return r.add("elementwise", [affine(r, alpha, beta)], layer=ours.Clip(0.0, 1.0))


def selu(r: Reading, alpha: float = 1.6732632423543772, scale: float = 1.0507009873554805) -> Node:
    """scale ELU(x, alpha) with any of the two numbers."""
    if abs(alpha - 1.6732632423543772) < 1e-5 and abs(scale - 1.0507009873554805) < 1e-5:
        return r.add("elementwise", layer=ours.SELU())
    inner = r.add("elementwise", layer=ours.ELU(alpha))
    return r.add("mul", [inner, Constant(np.float32(scale))])


def product(r: Reading, a: Node | Constant, b: Node) -> Node:
    """A matrix product whose second factor is no matrix of weights. A matrix times x mixes the last axis but one."""
    if isinstance(a, Constant) and a.array.ndim == 2 and isinstance(b, Node) and len(known_rank(b)) > 2:
        rank = len(known_rank(b))
        swapped = (*range(rank - 2), rank - 1, rank - 2)
        y = r.add("dense", [r.add("transpose", [b], perm=swapped)], W=as_weights(a.array).T, b=None)
        return r.add("transpose", [y], perm=swapped)
    if isinstance(a, Node) and isinstance(b, Node):
        return r.add("matmul", [a, b])
    raise ValueError("multiplies by a constant that is no matrix; expected (inputs, outputs) weights")


HIDDEN = -1e4           # a score is hidden by this or less: softmax makes 0 of it


def choose(r: Reading, condition: Array, a: Any, b: Any) -> Node:
    """a where the condition holds, else b: one of them scores of attention, the other a constant that hides."""
    seen = np.asarray(condition, bool)
    return hide(r, a, seen, plain(b)) if isinstance(a, Node) else hide(r, b, ~seen, plain(a))


def plain(value: Any) -> Any:
    """A constant's array; any other value as it is."""
    return value.array if isinstance(value, Constant) else value


def hide(r: Reading, scores: Node, seen: Array, value: Array | float) -> Node:
    """The scores where `seen` holds, `value` where it does not, as a sum; a softmax must make 0 of `value`."""
    if not np.all(np.asarray(value) <= HIDDEN):
        raise ValueError(f"chooses between what is computed and {value}, expected -inf, which hides a score")
    return r.add("add", [scores, Constant(np.where(seen, 0.0, -np.inf).astype(r.graph.dtype))])


def attention(r: Reading, Q: Node, K: Node, V: Node, mask: Array | None = None, causal: bool = False,
              scale: float | None = None) -> Node:
    """softmax(scale Q K^T + mask) V, written out; Q, K, V: (N, heads, tokens, width)"""
    rank, T = len(known_rank(Q)), known_rank(Q)[-2]
    if isinstance(mask, Node):
        raise ValueError("its mask is computed from the input, expected a constant")
    S = r.add("matmul", [Q, r.add("transpose", [K], perm=(*range(rank - 2), rank - 1, rank - 2))])
    S = r.add("mul", [S, Constant(np.float64(Q.shape[-1] ** -0.5 if scale is None else scale))])
    if causal:
        S = hide(r, S, np.tri(T, dtype=bool), -np.inf)
    if mask is not None:
        S = hide(r, S, mask, -np.inf) if mask.dtype == bool else r.add("add", [S, Constant(mask)])
    return r.add("matmul", [r.add("softmax", [S], axis=rank - 1), V])


def flatten(r: Reading, start: int = 1, end: int = -1) -> Node:
    """The axes from start to end as one; sizes may be unknown."""
    shape = known_rank(r.x)
    start, end = start % len(shape), end % len(shape)
    if end <= start:
        return r.x
    if start < 1:
        raise ValueError(f"flattens axes {start} to {end} of {written(shape)}, expected one row for each image")
    sizes = shape[start:end + 1]
    return r.add("reshape", shape=(*shape[:start], None if None in sizes else int(np.prod(sizes)), *shape[end + 1:]))


def squeeze(r: Reading, axes: tuple[int, ...] | list[int] | None = None) -> Node:
    """Without the axes of size 1, or without those that are named where they have size 1."""
    shape = known_rank(r.x)
    gone = [a for a, n in enumerate(shape) if n == 1 and a > 0] if axes is None else \
        [axis % len(shape) for axis in axes if shape[axis] == 1]
    return r.add("reshape", shape=tuple(n for axis, n in enumerate(shape) if axis not in gone)) if gone else r.x


def unsqueeze(r: Any, axes: Any) -> Any:
    """With axes of size 1 at these places of the result."""
    shape = list(known_rank(r.x))
    rank = len(shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        shape.insert(axis, 1)
    return r.add("reshape", shape=tuple(shape))


def select(r: Reading, axis: int, index: int) -> Node:
    """x[..., index, ...]: one place along an axis, which goes."""
    shape = known_rank(r.x)
    axis, index = axis % len(shape), int(index)
    stop = None if index == -1 else index + 1
    x = r.add("slice", axis=axis, start=index, stop=stop, step=1)
    return r.add("reshape", [x], shape=tuple(n for a, n in enumerate(shape) if a != axis))


def split(r: Reading, axis: int, sizes: list[int]) -> list[Node]:
    """The parts of x along an axis, one after the other."""
    axis, edges = axis % len(known_rank(r.x)), np.cumsum([0, *sizes]).tolist()
    return [r.add("slice", axis=axis, start=a, stop=b, step=1) for a, b in zip(edges, edges[1:])]


def expand(r: Any, sizes: Any) -> Any:
    """Repeated along axes of size 1; what only multiplies or adds it does not see the difference. -1: as it is."""
    shape = known_rank(r.x)
    sizes = tuple(m if n == -1 else n for n, m in zip(sizes, shape)) if len(sizes) == len(shape) else tuple(sizes)
    if sizes == shape:
        return r.x
    if len(sizes) != len(shape) or any(n not in (m, None) and m != 1 for n, m in zip(sizes, shape)):
        raise ValueError(f"repeats an array of shape {written(shape)} to {written(sizes)}, expected as many axes, and "
                         "those of size 1 repeated")
    return r.add("expand", shape=sizes)


def depth_to_space(r: Reading, size: int, crd: bool = True) -> Node:
    """(N, C size size, H, W) -> (N, C, H size, W size), as torch's PixelShuffle; crd=False: ONNX's DCR order."""
    N, C, H, W = known_rank(r.x)
    if None in (C, H, W):
        raise size_unknown("depends on a size that is not known")
    c = C // size ** 2
    x = r.add("reshape", shape=(N, c, size, size, H, W) if crd else (N, size, size, c, H, W))
    x = r.add("transpose", [x], perm=(0, 1, 4, 2, 5, 3) if crd else (0, 3, 4, 1, 5, 2))
    return r.add("reshape", [x], shape=(N, c, H * size, W * size))


def resize(r: Reading, mode: str, places: str, nearest: str, size: tuple[int, ...] | None,
           scale: Any) -> Node:
    """Larger images, as ONNX names the ways: mode, where pixels lie, which is the nearest."""
    if mode not in ("nearest", "linear"):
        raise ValueError(f"mode={mode!r} is not supported, expected 'nearest' or 'linear'")
    whole = scale is not None and all(s == int(s) for s in scale) or \
        size is not None and all(n is not None and m % n == 0 for m, n in zip(size, known_rank(r.x)[2:]))
    half = places in ("half_pixel", "pytorch_half_pixel")
    ours_is = {"linear": "bilinear" if half or places == "align_corners" else None,
               "nearest": "nearest" if places == "asymmetric" and nearest == "floor" or
               half and whole and nearest == "round_prefer_floor" else
               "nearest-exact" if half and nearest == "round_prefer_ceil" else None}[mode]
    if ours_is is None:
        raise ValueError(f"mode={mode!r} with coordinate_transformation_mode={places!r} and nearest_mode={nearest!r} "
                         "is not supported")
    return r.add("upsample", size=size, scale=scale, mode=ours_is, align_corners=places == "align_corners")
