"""ONNX nodes that move numbers about: reshaping, joining, cutting, padding, resizing. See `onnx_nodes.py`."""
import numpy as np

from minixnn.interop import layouts, reading as form
from minixnn.interop.layout import size_unknown
from minixnn.interop.operations import Constant, Node
from minixnn.interop.onnx_constants import axes_in, slices, splits, target_shape
from minixnn.interop.shapes import written


def _numbers(r, place, name="the size"):
    """A constant input that holds sizes, as a list of whole numbers."""
    array = r.array(place, weights=False)
    if array is None:
        return None
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise size_unknown(f"{name} depends on the size of the images")
    return [int(n) for n in np.atleast_1d(array)]


def _reshape(r):
    shape = form.known_rank(r.x)
    target = target_shape(shape, _numbers(r, 1), r.settings.get("allowzero"))
    if None in shape and -1 in target:          # (N, C, ?, ?) to (N, -1)
        if len(target) == 2 and target[0] == shape[0]:
            return form.flatten(r)
        raise layouts.unknown_order()
    return r.add("reshape", shape=tuple(target))


def _flatten(r):
    shape = form.known_rank(r.x)
    axis = r.settings.get("axis", 1) % len(shape)
    if axis != 1:
        raise ValueError(f"turns {written(shape)} into two axes at axis {axis}, expected one row for each image")
    return form.flatten(r) if len(shape) > 2 else r.x


def _squeeze(r):
    return form.squeeze(r, axes_in([None, r.array(1, weights=False)], r.settings))


def _unsqueeze(r):
    return form.unsqueeze(r, axes_in([None, r.array(1, weights=False)], r.settings))


def _transpose(r):
    rank = len(form.known_rank(r.x))
    return r.add("transpose", perm=tuple(r.settings.get("perm", range(rank)[::-1])))


def _concat(r):
    rank = next((len(each.shape) for each in r.inputs if each.shape is not None), 4)
    return r.x if len(r.inputs) == 1 else r.add("concat", r.inputs, axis=r.settings["axis"] % rank)


def _slice(r):
    x = r.x
    for axis, start, stop, step in slices(len(form.known_rank(x)), [None] + [
            r.array(place, weights=False) for place in range(1, len(r.inputs))]):
        n = x.shape[axis]
        if (start, step) == (0, 1) and (stop is None or n is not None and stop >= n):
            continue
        x = r.add("slice", [x], axis=axis, start=start, stop=stop, step=step)
    return x


def _split(r):
    axis = r.settings.get("axis", 0) % len(form.known_rank(r.x))
    size = r.x.shape[axis]
    if size is None:
        raise size_unknown("splits an axis whose size is not known")
    return form.split(r, axis, splits(size, [None, r.array(1, weights=False)], r.settings, r.outputs))


def _gather(r):
    if isinstance(r.inputs[1], Node):           # rows of a table, chosen by the input
        if r.settings.get("axis", 0) != 0 or r.array(0).ndim != 2:
            raise ValueError(f"reads a table of shape {r.array(0).shape} at places computed from the input, expected "
                             "rows of a matrix")
        return r.add("embedding", [r.inputs[1]], W=r.array(0))
    index, axis = r.array(1, weights=False), r.settings.get("axis", 0) % len(form.known_rank(r.x))
    if index.ndim == 0:
        return form.select(r, axis, index)
    if index.ndim == 1 and np.array_equal(np.diff(index), [1] * (len(index) - 1)) and index[0] >= 0:
        return r.add("slice", axis=axis, start=int(index[0]), stop=int(index[-1]) + 1, step=1)
    if index.ndim > 1 or index.size > 64:
        raise ValueError(f"takes {index.size} single places of axis {axis}, expected one range")
    parts = [r.add("slice", axis=axis, start=i, stop=None if i == -1 else i + 1, step=1) for i in index.tolist()]
    return r.add("concat", parts, axis=axis)


def _pad(r):
    rank = len(form.known_rank(r.x))
    pads, axes = _numbers(r, 1, "the padding"), _numbers(r, 3) or list(range(rank))
    if r.settings.get("mode", "constant") != "constant":
        raise ValueError(f"mode={r.settings['mode']!r} is not supported, expected 'constant'")
    value = r.inputs[2].array if len(r.inputs) > 2 and r.inputs[2] is not None else 0
    found = [(0, 0)] * rank
    for axis, before, after in zip(axes, pads[:len(axes)], pads[len(axes):]):
        found[axis] = (before, after)
    return r.add("pad", pads=tuple(found), value=float(np.reshape(value, ())))


def _resize(r):
    mode, shape = r.settings.get("mode", "nearest"), form.known_rank(r.x)
    places = r.settings.get("coordinate_transformation_mode", "half_pixel")
    scale = None if len(r.inputs) < 3 or r.inputs[2] is None or not r.inputs[2].array.size else r.array(2).tolist()
    size = None if len(r.inputs) < 4 else _numbers(r, 3)
    axes = [axis % len(shape) for axis in r.settings.get("axes", range(len(shape)))]
    if size is not None:
        size = {axis: n for axis, n in zip(axes, size)}
        scale = None
        size = tuple(size.get(axis, n) for axis, n in enumerate(shape))
        if size[:2] != shape[:2]:
            raise ValueError(f"resizes {shape} to {size}, expected batch and channels as they are")
    elif scale is not None:
        found = dict(zip(axes, scale))
        scale = [found.get(axis, 1.0) for axis in range(len(shape))]
        if scale[:2] != [1, 1]:
            raise ValueError(f"resizes batch and channels by {scale[:2]}, expected height and width alone")
    if r.settings.get("antialias") or r.settings.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ValueError("antialias and keep_aspect_ratio_policy are not supported")
    return form.resize(r, mode, places, r.settings.get("nearest_mode", "round_prefer_floor"),
                       None if size is None else size[2:], None if scale is None else tuple(scale[2:]))


def _expand(r):
    shape, target = form.known_rank(r.x), _numbers(r, 1, "the size")
    return form.expand(r, np.broadcast_shapes(tuple(1 if n is None else n for n in shape), tuple(target)))


def _where(r):
    """Where(x > 20, x, Softplus(x)): torch's newer exporter writes Softplus so. Where(mask, x, -inf) hides scores."""
    above, x, smooth = r.inputs
    if isinstance(above, Constant) and isinstance(x, Node) != isinstance(smooth, Node):
        return form.choose(r, above.array, x, smooth)
    if not (getattr(above, "op", "") == "greater" and above.inputs[0] is x and isinstance(smooth, Node)
            and smooth.op == "elementwise" and type(smooth.layer).__name__ == "Softplus" and smooth.inputs[0] is x
            and above.constant is not None and above.constant.min() >= 20):
        raise ValueError("Where is not supported, but as Where(x > 20, x, Softplus(x)) and Where(mask, x, -inf)")
    return smooth


def _depth_to_space(r):
    return form.depth_to_space(r, r.settings["blocksize"], r.settings.get("mode", "DCR") == "CRD")


def _cast(r):
    if r.settings["to"] not in (1, 10, 11, 16):
        raise ValueError(f"casts to numbers of type {r.settings['to']} of onnx.TensorProto, expected floating point")
    return r.x


def _nothing(r):
    return r.x


MOVES = {
    "Reshape": (_reshape, "allowzero"), "Flatten": (_flatten, "axis"), "Squeeze": (_squeeze, "axes"),
    "Unsqueeze": (_unsqueeze, "axes"), "Transpose": (_transpose, "perm"), "Concat": (_concat, "axis"),
    "Slice": (_slice, ""), "Split": (_split, "axis split num_outputs"), "Gather": (_gather, "axis"),
    "Pad": (_pad, "mode"), "Expand": (_expand, ""), "Where": (_where, ""),
    "Greater": (lambda r: r.add("greater", r.inputs), ""), "DepthToSpace": (_depth_to_space, "blocksize mode"),
    "Resize": (_resize, "mode coordinate_transformation_mode nearest_mode axes antialias keep_aspect_ratio_policy "
                        "cubic_coeff_a exclude_outside extrapolation_value"),
    "Identity": (_nothing, ""), "Cast": (_cast, "to saturate round_mode"), "CastLike": (_nothing, "saturate")}
