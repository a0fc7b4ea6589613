"""Functions and methods of torch that move numbers about: reshaping, joining, cutting, padding, resizing.

The second half of `torch_functions.py`.
"""
from minixnn.interop import layouts, reading as form, torch_modules as modules


def _permute(r, *dims):
    dims = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    rank = len(form.known_rank(r.x))
    return r.add("transpose", perm=tuple(axis % rank for axis in dims))


def _transpose(r, dim0, dim1):
    perm = list(range(len(form.known_rank(r.x))))
    perm[dim0], perm[dim1] = perm[dim1], perm[dim0]
    return r.add("transpose", perm=tuple(perm))


def _reshape(r, *shape):
    shape = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    have = form.known_rank(r.x)
    if any(n is None for n in shape) or -1 in shape and None in have:
        if len(shape) == 2 and shape[0] == have[0]:
            return form.flatten(r)
        raise layouts.unknown_order()
    return r.add("reshape", shape=tuple(shape))


def _unflatten(r, dim, sizes):
    shape = list(form.known_rank(r.x))
    dim %= len(shape)
    return r.add("reshape", shape=(*shape[:dim], *sizes, *shape[dim + 1:]))


def _concat(r, dim=0, axis=None):
    found = r.inputs[0]
    rank = len(form.known_rank(found[0]))
    if len(found) == 1:
        return found[0]
    return r.add("concat", [form.operand(each) for each in found], axis=(dim if axis is None else axis) % rank)


def _chunk(r, chunks, dim=0):
    n = form.known_rank(r.x)[dim]
    size = -(-n // chunks)
    return form.split(r, dim, [min(size, n - start) for start in range(0, n, size)])


def _split(r, split_size_or_sections, dim=0):
    n, size = form.known_rank(r.x)[dim], split_size_or_sections
    sizes = [min(size, n - start) for start in range(0, n, size)] if isinstance(size, int) else size
    return form.split(r, dim, list(sizes))


def _unbind(r, dim=0):
    return [form.select(r, dim, index) for index in range(form.known_rank(r.x)[dim])]


def _narrow(r, dim, start, length):
    return r.add("slice", axis=dim % len(form.known_rank(r.x)), start=start, stop=start + length, step=1)


def _getitem(r, index):
    """x[:, 0], x[:, ::2], x[..., 1:], x[:, None]: whole numbers, slices, None and one ellipsis."""
    index = index if isinstance(index, tuple) else (index,)
    rank, x, axis = len(form.known_rank(r.x)), r.x, 0
    if Ellipsis in index:
        place = index.index(Ellipsis)
        more = rank - sum(each is not None for each in index) + 1
        index = (*index[:place], *[slice(None)] * more, *index[place + 1:])
    for each in index:
        step = form.Reading(r.graph, r.label, [x])
        if each is None:
            x = form.unsqueeze(step, [axis])
        elif isinstance(each, int):
            x = form.select(step, axis, each)
            continue
        elif isinstance(each, slice) and each != slice(None):
            x = r.add("slice", [x], axis=axis, start=each.start or 0, stop=each.stop, step=each.step or 1)
        elif not isinstance(each, slice):
            raise ValueError(f"takes places {each!r}, expected whole numbers and slices")
        axis += 1
    return x


def _expand(r, *sizes):
    return form.expand(r, sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes)


def _expand_as(r, other):
    return form.expand(r, form.known_rank(other))


def _stack(r, dim=0):
    """Joined along a new axis."""
    rank = len(form.known_rank(r.inputs[0][0])) + 1
    parts = [form.unsqueeze(form.Reading(r.graph, r.label, [part]), [dim % rank]) for part in r.inputs[0]]
    return r.add("concat", parts, axis=dim % rank)


def _interpolate(r, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None,
                 antialias=False):
    if antialias:
        raise ValueError("antialias=True is not supported")
    return modules.upsample(r, size, scale_factor, mode, align_corners)


def _pad(r, pad, mode="constant", value=None):
    if mode != "constant":
        raise ValueError(f"mode={mode!r} is not supported, expected 'constant'")
    return modules.pad(r, pad, value or 0)


MOVES = {
    "cat": _concat, "concat": _concat, "stack": _stack, "chunk": _chunk, "split": _split, "unbind": _unbind,
    "narrow": _narrow, "getitem": _getitem, "select": lambda r, dim, index: form.select(r, dim, index),
    "flatten": lambda r, start_dim=0, end_dim=-1: form.flatten(r, start_dim, end_dim), "unflatten": _unflatten,
    "view": _reshape, "reshape": _reshape, "permute": _permute, "transpose": _transpose, "swapaxes": _transpose,
    "squeeze": lambda r, dim=None: form.squeeze(r, None if dim is None else modules.each(dim, 1)),
    "unsqueeze": lambda r, dim: form.unsqueeze(r, [dim]), "interpolate": _interpolate, "pad": _pad,
    "pixel_shuffle": lambda r, factor: form.depth_to_space(r, factor), "expand": _expand, "expand_as": _expand_as,
    "channel_shuffle": lambda r, groups: r.add("channel_shuffle", groups=groups)}
