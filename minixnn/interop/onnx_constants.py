"""What the nodes of an ONNX file do that compute with constants only: weights, and the targets of reshapes.

    evaluate("Add", [a, b], {}, limit) -> [a + b]

Every function is called once for its node. Its result may have `limit` numbers at most, and those that could make a
large array out of a small one are asked for the size before they begin. A size of the images that is not known is
NaN here, and whatever is computed from it becomes NaN too.
"""
import math
from typing import Any

import numpy as np

from minixnn.arrays import Array
from minixnn.interop.layout import size_unknown

TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
         11: np.float64, 12: np.uint32, 13: np.uint64}          # onnx.TensorProto.DataType -> numpy


def evaluate(kind: str, arrays: list[Array], settings: dict[str, int], limit: int) -> list[Array]:
    """The outputs of a node of this kind as a list of arrays. arrays: its inputs, None for one that is left out."""
    if kind not in FUNCTIONS:
        raise ValueError(f"{kind} of constants is not supported")
    try:
        size = GROWING[kind](arrays, settings) if kind in GROWING else 0
        if size > limit:
            raise ValueError(f"makes a constant of {size:,} numbers, expected {limit:,} at most in a file of this size")
        with np.errstate(all="ignore"):                     # a NaN in weights is found where they are used
            found = FUNCTIONS[kind](arrays, settings)
    except (TypeError, IndexError, AttributeError, KeyError, OverflowError) as error:
        raise ValueError(f"cannot be computed: {error}") from error
    return found if isinstance(found, list) else [np.asarray(found)]


def axes_in(arrays: list, settings: dict[str, Any], place: int = 1) -> list[int] | None:
    """The axes of a node as a list: an attribute in older opsets, an input in newer ones. None if there are none."""
    if "axes" in settings:
        return list(settings["axes"])
    axes = arrays[place] if len(arrays) > place else None
    return None if axes is None else [int(axis) for axis in np.atleast_1d(axes)]


def target_shape(shape: tuple[int, ...], target: list[int], allowzero: Any = False) -> list[int]:
    """The target of an ONNX Reshape for an array of this shape, its zeros filled in; one -1 may remain."""
    if allowzero:
        return list(target)
    if any(n == 0 and axis >= len(shape) for axis, n in enumerate(target)):
        raise ValueError(f"cannot turn {tuple(shape)} into {tuple(target)}")
    return [shape[axis] if n == 0 else n for axis, n in enumerate(target)]


def slices(rank: int, arrays: list) -> list[tuple]:
    """[(axis, start, stop, step), ...] of a Slice node, from the inputs behind its first."""
    starts, ends, axes, steps = ([*arrays[1:], None, None, None, None])[:4]
    axes = range(len(starts)) if axes is None else [int(axis) % rank for axis in axes]
    steps = [1] * len(starts) if steps is None else steps
    found = []
    for axis, start, stop, step in zip(axes, starts, ends, steps):
        if any(np.isnan(float(number)) for number in (start, stop, step)):
            raise size_unknown("takes a part whose size depends on the size of the images")
        far = int(stop) >= 2 ** 31 - 1 if step > 0 else int(stop) <= -2 ** 31
        found.append((axis, int(start), None if far else int(stop), int(step)))
    return found


def splits(size: Any, arrays: Any, settings: Any, outputs: Any) -> Any:
    """The sizes of the parts of a Split."""
    given = settings.get("split", arrays[1].tolist() if len(arrays) > 1 and arrays[1] is not None else None)
    if given is None:
        each = -(-size // outputs)
        given = [each] * (size // each) + ([size % each] if size % each else [])
    if sum(given) != size or len(given) != outputs:
        raise ValueError(f"splits {size} into {given}")
    return given


def _unsqueeze(arrays, settings):
    return np.expand_dims(arrays[0], tuple(axes_in(arrays, settings)))


def _squeeze(arrays, settings):
    axes = axes_in(arrays, settings)
    return np.squeeze(arrays[0], None if axes is None else tuple(axes))


def _slice(arrays, settings):
    index = [slice(None)] * arrays[0].ndim
    for axis, start, stop, step in slices(arrays[0].ndim, arrays):
        index[axis] = slice(start, stop, step)
    return arrays[0][tuple(index)]


def _split(arrays, settings):
    axis = settings.get("axis", 0)
    parts = splits(arrays[0].shape[axis], arrays, settings, settings["outputs"])
    return np.split(arrays[0], np.cumsum(parts)[:-1], axis)


def _cast(arrays, settings):
    kind = TYPES.get(settings["to"])
    if kind is None:
        raise ValueError(f"casts to type {settings['to']}, expected one of {sorted(TYPES)}")
    return arrays[0] if np.dtype(kind).kind in "iu" and np.isnan(arrays[0]).any() else arrays[0].astype(kind)


def _divide(arrays, settings):
    a, b = arrays
    if a.dtype.kind == b.dtype.kind == "f":
        return a / b
    if (b == 0).any():
        raise ValueError("divides by zero")
    return np.sign(a) * np.sign(b) * (abs(a) // abs(b))     # ONNX cuts off towards zero


def _range(arrays, settings):
    return np.arange(*(array.item() for array in arrays), dtype=arrays[0].dtype)


def _pad(arrays, settings):
    pads = [int(p) for p in arrays[1]]
    value = arrays[2].item() if len(arrays) > 2 and arrays[2] is not None else 0
    return np.pad(arrays[0], list(zip(pads[:len(pads) // 2], pads[len(pads) // 2:])), constant_values=value)


def _dequantize(arrays, settings):
    x, scale, zero = [*arrays, None][:3]
    if scale.ndim:                                          # one scale per channel
        wide = [1] * x.ndim
        wide[settings.get("axis", 1)] = -1
        scale, zero = scale.reshape(wide), None if zero is None else zero.reshape(wide)
    return (x.astype(scale.dtype) - (0 if zero is None else zero.astype(scale.dtype))) * scale


def _triangle(arrays, settings):
    return (np.triu if settings.get("upper", 1) else np.tril)(arrays[0], int(arrays[1]) if len(arrays) > 1 else 0)


def _reduce(function):
    def reduce(arrays, settings):
        axes = axes_in(arrays, settings)
        axes = None if axes is None else tuple(axes)
        return function(arrays[0], axis=axes, keepdims=bool(settings.get("keepdims", 1)))
    return reduce


def _each(function):
    """A function of all inputs in turn, as NumPy has it."""
    return lambda arrays, settings: function(*arrays)


def _broadcast(arrays, settings=None):
    return math.prod(np.broadcast_shapes(*(array.shape for array in arrays)))


def _product(arrays, settings=None):
    a, b = arrays[0].shape, arrays[1].shape
    return math.prod(a[:-1]) * math.prod(b[-1:]) * math.prod(b[:-2])


BINARY = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Pow": lambda a, b: (a ** b).astype(a.dtype),
          "Equal": np.equal, "Greater": np.greater, "Less": np.less, "And": np.logical_and, "Or": np.logical_or,
          "Max": lambda *a: np.max(np.broadcast_arrays(*a), 0), "Min": lambda *a: np.min(np.broadcast_arrays(*a), 0),
          "Where": np.where, "GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal, "Mod": np.mod}
UNARY = {"Neg": np.negative, "Abs": np.abs, "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Floor": np.floor,
         "Ceil": np.ceil, "Round": np.round, "Not": np.logical_not, "Reciprocal": lambda a: (1 / a).astype(a.dtype),
         "Tanh": np.tanh, "Identity": np.asarray, "Sign": np.sign}
FUNCTIONS = {
    **{kind: _each(function) for kind, function in {**BINARY, **UNARY, "MatMul": np.matmul}.items()},
    "Div": _divide, "Cast": _cast, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze, "Slice": _slice, "Split": _split,
    "Range": _range, "Trilu": _triangle, "Pad": _pad, "DequantizeLinear": _dequantize,
    "CastLike": lambda arrays, settings: arrays[0].astype(arrays[1].dtype),
    "Sum": lambda arrays, settings: sum(arrays[1:], arrays[0]),
    "Shape": lambda arrays, settings: np.array(
        arrays[0].shape[settings.get("start", 0):settings.get("end")], np.int64),
    "Size": lambda arrays, settings: np.int64(arrays[0].size),
    "Concat": lambda arrays, settings: np.concatenate(arrays, settings["axis"]),
    "Gather": lambda arrays, settings: np.take(arrays[0], arrays[1], settings.get("axis", 0)),
    "Transpose": lambda arrays, settings: arrays[0].transpose(settings.get("perm")),
    "Reshape": lambda arrays, settings: arrays[0].reshape(
        target_shape(arrays[0].shape, arrays[1].tolist(), settings.get("allowzero"))),
    "Flatten": lambda arrays, settings: arrays[0].reshape(
        math.prod(arrays[0].shape[:settings.get("axis", 1)]), -1),
    "Expand": lambda arrays, settings: arrays[0] * np.ones(arrays[1].tolist(), arrays[0].dtype),
    "Tile": lambda arrays, settings: np.tile(arrays[0], arrays[1].tolist()),
    "ConstantOfShape": lambda arrays, settings: np.broadcast_to(
        settings.get("value", np.float32(0)).reshape(()), arrays[0].tolist()).copy(),
    "Gemm": lambda arrays, settings: settings.get("alpha", 1.0) * (
        (arrays[0].T if settings.get("transA") else arrays[0]) @ (arrays[1].T if settings.get("transB") else arrays[1])
    ) + (settings.get("beta", 1.0) * arrays[2] if len(arrays) > 2 else 0),
    **{f"Reduce{name}": _reduce(function) for name, function in (
        ("Sum", np.sum), ("Mean", np.mean), ("Max", np.max), ("Min", np.min), ("Prod", np.prod))}}
GROWING = {                                     # kind -> how many numbers come out
    **dict.fromkeys(BINARY, _broadcast), "Div": _broadcast, "MatMul": _product, "Gemm": _product,
    "Sum": _broadcast, "Concat": lambda arrays, settings: sum(array.size for array in arrays),
    "Gather": lambda arrays, settings: arrays[1].size * arrays[0].size // max(
        arrays[0].shape[settings.get("axis", 0)], 1),
    "Expand": lambda arrays, settings: math.prod(arrays[1].tolist()) * arrays[0].size,
    "Tile": lambda arrays, settings: math.prod(arrays[1].tolist()) * arrays[0].size,
    "ConstantOfShape": lambda arrays, settings: math.prod(arrays[0].tolist()),
    "Range": lambda arrays, settings: abs(arrays[1].item() - arrays[0].item()) // max(abs(arrays[2].item()), 1e-9),
    "Pad": lambda arrays, settings: math.prod(
        n + p for n, p in zip(arrays[0].shape, np.reshape(arrays[1], (2, -1)).sum(0).tolist()))}
