"""What takes numbers to other places: reshapes, repeats, cuts, joins and pads."""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Group, Mixes, Traced, has_batch, is_batch, new, size, sized
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import constant, laid_out_alike
from minixnn.interop.operations.values import (Constant, Sizes, Value, Varying, both, both_of, finite, integers,
                                               number, numbers, plain, traced, weights)


def reshape(b: Builder, x: Traced, shape: Sizes, allowzero: int = 1) -> Traced:
    """shape: the target, in which one size may be -1, and 0 without allowzero: as it is"""
    shape = integers(shape)
    if not allowzero:
        if any(n == 0 and place >= x.rank for place, n in enumerate(shape)):
            raise ValueError(f"cannot turn {x.written()} into {tuple(map(int, shape))}")
        shape = [x.sizes[place] if n == 0 else n for place, n in enumerate(shape)]
    second = [getattr(n, "other", n) for n in shape]
    targets = []
    for sizes, total in ((shape, math.prod(x.shape)), (second, math.prod(x.other_shape))):
        sizes = [int(n) for n in sizes]
        if sizes.count(-1) == 1:
            known = -math.prod(sizes)
            if known == 0 or total % known:
                raise _turns(x, shape)
            sizes[sizes.index(-1)] = total // known
        if math.prod(sizes) != total or min(sizes, default=1) < 1:
            raise _turns(x, shape)
        targets.append(sizes)
    try:
        return rows(b, b.regrouped(x, *targets))
    except Mixes as error:
        raise _turns(x, shape) from error


def rows(b: Builder, x: Traced) -> Traced:
    """An image that the program has as a row of features as one here, too: in our order, which costs nothing."""
    if x.rank == 2 and is_batch(x.axes[0]) and len(x.have) > 2:
        x = b.arranged(x, [x.have[0], tuple(a for own in x.have[1:] for a in own)])
    return x


def _turns(x: Traced, shape: Sequence[int]) -> ValueError:
    row = math.prod(size(a for a in own if not a.is_batch) for own in x.axes)
    return ValueError(f"turns {x.written()} into {tuple(int(n) for n in shape)}, expected one row for each image, "
                      f"(N, {row})")


def transpose(b: Builder, x: Value, perm: Sequence[int] | None = None) -> Traced:
    x = traced(x)
    perm = range(x.rank)[::-1] if perm is None else perm
    if sorted(int(axis) + x.rank * (axis < 0) for axis in perm) != list(range(x.rank)):
        raise ValueError(f"transposes {x.written()} by {list(perm)}, expected each axis once")
    return x.seen_as([x.axes[axis] for axis in perm])


def swap(b: Builder, x: Traced, first: int, second: int) -> Traced:
    perm = list(range(x.rank))
    perm[first], perm[second] = perm[second], perm[first]
    return transpose(b, x, perm)


def unsqueeze(b: Builder, x: Value, axes: Sizes) -> Traced:
    x, places = traced(x), integers(axes)
    groups, rank = list(x.axes), x.rank + len(places)
    for axis in sorted(axis % rank for axis in places):
        groups.insert(axis, ())
    return x.seen_as(groups)


def widened_rank(b: Builder, x: Traced, rank: int) -> Traced:
    return x if x.rank >= rank else unsqueeze(b, x, range(rank - x.rank))


def squeeze(b: Builder, x: Value, axes: Sizes | None = None) -> Traced:
    x = traced(x)
    gone = [axis % x.rank for axis in (range(x.rank) if axes is None else integers(axes)) if not x.axes[axis]]
    return x.seen_as([own for place, own in enumerate(x.axes) if place not in gone])


def flatten(b: Builder, x: Traced, start: int = 0, end: int = -1) -> Traced:
    start, end = start % x.rank, end % x.rank
    if end <= start:
        return x
    middle = tuple(a for own in x.axes[start:end + 1] for a in own)
    if has_batch(middle) and not middle[0].is_batch:
        raise ValueError(f"flattens axes {start} to {end} of {x.written()}, expected one row for each image")
    return rows(b, x.seen_as([*x.axes[:start], middle, *x.axes[end + 1:]]))


def flatten_to_rows(b: Builder, x: Traced, axis: int = 1) -> Traced:
    """ONNX's Flatten: two axes, of which the second starts at `axis`."""
    axis = axis % x.rank if axis < 0 else axis
    if axis != 1:
        raise ValueError(f"turns {x.written()} into two axes at axis {axis}, expected one row for each image")
    return flatten(b, x, 1) if x.rank > 2 else unsqueeze(b, x, [1]) if x.rank == 1 else x


def expand(b: Builder, x: Value, sizes: Sizes) -> Traced:
    """Repeated along axes of size 1; -1, or 1: as it is."""
    sizes = integers(sizes)
    x = widened_rank(b, traced(x), len(sizes))
    axes = list(x.axes)
    for place, n in enumerate(sizes, start=x.rank - len(sizes)):
        second = getattr(n, "other", n)
        if n in (-1,) or (n, second) == (x.shape[place], x.other_shape[place]) or n == 1:
            continue
        if axes[place] or n < 1:
            raise ValueError(f"repeats an array of shape {x.written()} to {tuple(map(int, sizes))}, expected as many "
                             "axes, and those of size 1 repeated")
        if n != second:
            raise ValueError("repeats along the images")
        axes[place] = new(int(n))
    return x.seen_as(axes)


def repeat(b: Builder, x: Value, counts: Sizes) -> Traced:
    """The whole array so many times along each axis, one after the other."""
    x, counts = traced(x), integers(counts)
    if len(counts) < x.rank:
        raise ValueError(f"repeats {x.written()} {counts} times, expected a number for each axis")
    x = widened_rank(b, x, len(counts))
    axes = list(x.axes)
    for place, n in enumerate(counts):
        if n != 1 and has_batch(axes[place]):
            raise ValueError(f"repeats the images of {x.written()}")
        axes[place] = new(int(n)) + tuple(axes[place])
    return x.seen_as(axes)


def repeat_interleave(b: Builder, x: Traced, n: Value, axis: int | None = None, output_size: int | None = None
                      ) -> Traced:
    """Each entry along an axis n times, beside each other."""
    if axis is None or isinstance(n, Traced) or np.ndim(n):
        raise ValueError("repeats each entry another number of times, expected one number and an axis")
    axes = list(x.axes)
    axes[axis] = tuple(axes[axis]) + new(integers(n)[0])
    return x.seen_as(axes)


def slice_(b: Builder, x: Value, axis: int = 0, start: int | None = None, stop: int | None = None,
           step: int = 1) -> Value:
    if not isinstance(x, Traced):
        index = (slice(None),) * (axis % np.ndim(both_of(x)[0])) + (slice(start, stop, step),)
        return both(lambda a: a[index], x)
    axis, n, step = int(axis) % x.rank, x.shape[int(axis)], int(step)
    start, stop, step = slice(start, stop, step).indices(n)
    count = len(range(start, stop, step))
    if count == n and step == 1:
        return x
    if has_batch(x.axes[axis]):
        raise ValueError(f"takes some of the images of a batch of {x.written()}")
    if count < 1:                               # no number: what is joined to it stays as it is
        return Varying(*(np.zeros([0 if n == axis else m for n, m in enumerate(shape)], b.dtype)
                         for shape in (x.shape, x.other_shape)))
    x, place = b.axis(x, x.axes[axis])
    found = new(count)
    last_of_all = place == len(x.have) - 1 and step == 1
    layer = ours.ChannelSelect(start or None, None if stop == n else stop) if last_of_all and len(x.have) > 1 else \
        ours.Slice(place, start, None if stop < 0 or stop >= n else stop, step)
    have = [found if p == place else own for p, own in enumerate(x.have)]
    axes = [found if p == axis else own for p, own in enumerate(x.axes)]
    return Traced(b.put(x.at, layer), have, axes, x.kind)


def slices(b: Builder, x: Value, starts: Sizes, ends: Sizes, axes: Sizes | None = None,
           steps: Sizes | None = None) -> Value:
    """ONNX's Slice, along several axes; ends beyond all numbers are the end."""
    firsts, lasts, far = integers(starts), integers(ends), 2 ** 31 - 1
    axes = range(len(firsts)) if axes is None else integers(axes)
    for axis, start, stop, step in zip(axes, firsts, lasts, [1] * len(firsts) if steps is None else integers(steps)):
        whole = stop >= far if step > 0 else stop <= -far
        x = slice_(b, x, axis, start if abs(start) < far else None, None if whole else stop, step)
    return x


def select(b: Builder, x: Value, axis: int, index: int) -> Traced:
    """One place along an axis, which goes."""
    x, index = traced(x), int(index)
    axis = int(axis) % x.rank
    if not -x.shape[axis] <= index < x.shape[axis]:
        raise ValueError(f"takes place {index} of axis {axis} of {x.written()}")
    rest = [own for place, own in enumerate(x.axes) if place != axis]
    if has_batch(x.axes[axis]):
        raise ValueError(f"takes one of the images of a batch of {x.written()}")
    if not x.axes[axis]:
        return x.seen_as(rest)
    present = {a for own in x.have for a in own}
    if not any(a in present for a in x.axes[axis]):         # all alike
        return x.seen_as(rest)
    x, place = b.axis(x, x.axes[axis])
    if place == 1 and len(x.have) == 3:
        have = [x.have[0], x.have[2]]
        return Traced(b.put(x.at, ours.TakeToken(index)), have, rest, x.kind)
    index %= size(x.have[place])
    have = [() if p == place else own for p, own in enumerate(x.have)]
    return Traced(b.put(x.at, ours.Slice(place, index, index + 1)), have, rest, x.kind)


def split(b: Builder, x: Traced, sizes: Sizes | None = None, axis: int = 0, split: Sizes | None = None,
          num_outputs: int | None = None, _outputs: int = 1) -> list[Value]:
    """The parts of x along an axis, one after the other: of these sizes, of one, or so many.

    split is what ONNX called the sizes before opset 13.
    """
    n, sizes = x.shape[axis], split if sizes is None else sizes
    parts = [-(-n // _outputs)] if sizes is None else integers(sizes)
    if sizes is None or np.ndim(sizes) == 0:
        parts = [min(parts[0], n - start) for start in range(0, n, parts[0])]
    edges = np.cumsum([0, *parts]).tolist()
    if edges[-1] != n:
        raise ValueError(f"splits {n} into {parts}")
    return [slice_(b, x, axis, start, stop) for start, stop in zip(edges, edges[1:])]


def unbind(b: Builder, x: Traced, axis: int = 0) -> list[Traced]:
    return [select(b, x, axis, n) for n in range(x.shape[axis])]


def flip(b: Builder, x: Traced, axes: Sequence[int]) -> Traced:
    for axis in axes:
        if x.axes[int(axis)]:
            if has_batch(x.axes[int(axis)]):
                raise ValueError("turns the order of the images in a batch")
            x, place = b.axis(x, x.axes[int(axis)])
            x = b.through(x, ours.Slice(place, None, None, -1))
    return x


def roll(b: Builder, x: Traced, shifts: Sizes, axes: Sizes = ()) -> Traced:
    if not np.size(axes):
        raise ValueError("rolls all axes as one, and so the images of a batch")
    for shift, axis in zip(integers(shifts), integers(axes)):
        axis = axis % x.rank
        if has_batch(x.axes[axis]):
            raise ValueError("rolls the images in a batch")
        if not x.axes[axis] or shift % x.shape[axis] == 0:
            continue
        x, place = b.axis(x, x.axes[axis])
        x = b.through(x, ours.Roll((shift,), (place,)))
    return x


def of_each_image(x: Traced, index: Varying, axis: int) -> np.ndarray | None:
    """The places within one image, where those along images and their numbers are the same ones of each image."""
    found = []
    first = x.axes[axis][0]
    for array, shape, count in zip(index.both, (x.shape, x.other_shape), (first.size, first.other)):
        if len(array) != count or not array.size:
            return None
        each = shape[axis] // count
        local = array - each * np.arange(count).reshape(-1, *[1] * (array.ndim - 1))
        if (local != local[:1]).any() or local.min() < 0 or local.max() >= each:
            return None
        found.append(local[0])
    return found[0] if np.array_equal(*found) else None


def take(b: Builder, x: Value, axis: int, index: Constant) -> Traced:
    """x[..., index, ...] with an array of places, whose axes take that of `axis`."""
    x = traced(x)
    if not -x.rank <= axis < x.rank:
        raise ValueError(f"takes places of axis {axis} of {x.written()}, which has {x.rank} axes")
    axis = int(axis) % x.rank
    if isinstance(index, Varying) and index.ndim and is_batch(x.axes[axis][:1]):
        local = of_each_image(x, index, axis)
        if local is not None:
            return take(b, x.seen_as([*x.axes[:axis], x.axes[axis][:1], x.axes[axis][1:], *x.axes[axis + 1:]]),
                        axis + 1, local)
    index = np.asarray(plain(index))
    n, first = x.shape[axis], x.axes[axis][:1]
    if has_batch(x.axes[axis]):
        if not is_batch(first) or first[0].size > 1 or len(x.axes[axis]) == 1 or index.ndim == 0:
            raise ValueError(f"takes some of the images of a batch of {x.written()}")
        inner = take(b, x.seen_as([*x.axes[:axis], first, x.axes[axis][1:], *x.axes[axis + 1:]]), axis + 1, index)
        return inner.seen_as([*inner.axes[:axis], first + inner.axes[axis + 1], *inner.axes[axis + 2:]])
    if index.size and (index.min() < -n or index.max() >= n):
        raise ValueError(f"takes places up to {index.max()} of axis {axis} of {x.written()}")
    if not index.size:
        raise ValueError(f"takes nothing of axis {axis} of {x.written()}")
    index = index % n
    if index.ndim == 0:
        return select(b, x, axis, int(index))
    steps = np.unique(np.diff(index)).tolist() if index.ndim == 1 else []
    if index.ndim == 1 and len(steps) <= 1 and (len(index) == 1 or steps[0] > 0):
        step = steps[0] if steps else 1
        return traced(slice_(b, x, axis, int(index[0]), int(index[-1]) + 1, step))
    if not x.axes[axis]:
        return x.seen_as([*x.axes[:axis], *map(new, index.shape), *x.axes[axis + 1:]])
    x, place = b.axis(x, x.axes[axis])
    groups = [new(m) for m in index.shape]
    have = [*x.have[:place], *groups, *x.have[place + 1:]]
    axes = [*x.axes[:axis], *groups, *x.axes[axis + 1:]]
    return Traced(b.put(x.at, ours.Gather(index, place)), have, axes, x.kind)


def unfold(b: Builder, x: Traced, axis: int, window: int, step: int) -> Traced:
    """Windows along an axis, which takes their number; what is in one is a new axis at the end. Tensor.unfold"""
    axis = axis % x.rank
    count = (x.shape[axis] - window) // step + 1
    y = take(b, x, axis, np.arange(count)[:, None] * step + np.arange(window))
    return transpose(b, y, [n for n in range(y.rank) if n != axis + 1] + [axis + 1])


def from_patches(b: Builder, x: Value, sizes: Sizes, kernel: Sizes, dilation: Sizes | None = None,
                 pads: Sizes | None = None, stride: Sizes | None = None) -> Traced:
    """(N, C K, windows) -> (N, C, sizes...), overlapping windows of K numbers summed up: torch's Fold

    pads: one for each axis, or as ONNX has them, before each and then behind each
    """
    x, sizes, kernel = numbers(b, x), integers(sizes), integers(kernel)
    n, K = len(sizes), math.prod(kernel)
    dilation, stride = ([1] * n if given is None else integers(given) for given in (dilation, stride))
    ends = [0] * n if pads is None else integers(pads)
    before, behind = ends[:n], ends[-n:]
    whole = [sum(each) for each in zip(sizes, before, behind)]
    places = np.zeros((1, 1), np.int64)                     # (K, windows), grown axis by axis
    for k, d, m, s in zip(kernel, dilation, whole, stride, strict=True):
        along = np.arange(k)[:, None] * d + np.arange((m - d * (k - 1) - 1) // s + 1) * s
        places = (places[:, None, :, None] * m + along[:, None]).reshape(len(places) * k, -1)
    if x.rank != 3 or x.shape[1] % K or x.shape[2] != places.shape[1]:
        raise ValueError(f"sums up windows {x.written()} to {tuple(map(int, sizes))}, expected (N, channels times {K}, "
                         f"{places.shape[1]}): rows of {K} numbers each, and as many windows as fit")
    C = x.shape[1] // K
    x = b.arranged(x, x.axes)
    groups = [new(m) for m in (*whole, C)]
    index = (places * C + np.arange(C)[:, None, None]).reshape(x.shape[1], -1)
    layer = ours.Scatter(index, (*whole, C))
    y = Traced(b.put(x.at, layer), [x.have[0], *groups], [x.axes[0], groups[-1], *groups[:-1]])
    for axis, (m, p) in enumerate(zip(sizes, before), start=2):
        y = traced(slice_(b, y, axis, p, p + m))
    return y


def cat(b: Builder, values: Sequence[Value], axis: int = 0) -> Traced:
    rank = next(x.rank for x in values if isinstance(x, Traced))
    axis = int(axis) % rank
    values = [x for x in values if isinstance(x, Traced) or both_of(x)[0].size]
    like = next(x for x in values if isinstance(x, Traced))
    if len(values) == 1:
        return like
    if has_batch(like.axes[axis]):
        raise ValueError("joins batches of images, one behind the other")
    token = class_token(b, values, axis)
    if token is not None:
        return token
    made = []
    for x in values:
        if not isinstance(x, Traced):
            x = constant(b, x, like.seen_as([new(both_of(x)[0].shape[axis]) if place == axis else own
                                             for place, own in enumerate(like.axes)]))
        made.append(numbers(b, x) if any(isinstance(y, Traced) and y.kind == "f" for y in values) else x)
    for x in made:
        if x.rank != rank or any(m != n for place, (m, n) in enumerate(zip(x.shape, made[0].shape)) if place != axis):
            raise ValueError(f"joins arrays of shapes {' and '.join(x.written() for x in made)} along axis {axis}, "
                             "which do not fit")
    return joined(b, made, axis)


def joined(b: Builder, made: list[Traced], axis: int) -> Traced:
    rank, kind = made[0].rank, made[0].kind
    made = b.same_atoms(made, skip=axis - rank)
    base = max(made, key=lambda x: (size(x.axes[axis]), len(x.have)))
    group = base.axes[axis]
    flat = [a for own in base.have for a in own]
    others = [a for own in base.have for a in own if a not in group]
    for x in made:                                          # what only some have to be repeated for
        for place, own in enumerate(x.axes):
            others += [a for a in own if place != axis and a not in others]
    order = [own for own in (tuple(a for a in own if a not in group) for own in base.have) if own]
    order += [(a,) for a in others if a not in flat]
    order = [piece for own in order for piece in (
        [own] if all(_together(own, x) for x in made) else [(a,) for a in own])]
    before = [a for a in flat if a in group]
    if before:                                              # the axis stays where the largest has it
        first = flat.index(before[0])
        place = sum(1 for own in order if own[0] in flat and flat.index(own[0]) < first)
    else:
        place = len(order) if axis == rank - 1 or (axis == 1 and len(order) > 2) else \
            max(1, min(axis, len(order)))                   # in front stand the images, wherever the program has them
    arranged = [b.arranged(x, [*order[:place], x.axes[axis], *order[place:]]) for x in made]
    total = new(sum(size(x.axes[axis]) for x in made))
    last = place == len(order)
    at = b.put(tuple(x.at for x in arranged), ours.Concat(-1 if last else place))
    axes = [total if p == axis else max((x.axes[p] for x in made), key=len) for p in range(rank)]
    return Traced(at, [*order[:place], total, *order[place:]], axes, kind)


def _together(own: Group, x: Traced) -> bool:
    flat = [a for group in x.have for a in group]
    return all(a in flat for a in own) or not any(a in flat for a in own)


def class_token(b: Builder, values: Sequence[Value], axis: int) -> Traced | None:
    """A constant row in front of a sequence (N, T, C), as one layer."""
    if len(values) != 2 or axis != 1 or isinstance(values[0], Traced) or not isinstance(values[1], Traced):
        return None
    token, x = both_of(values[0])[0], values[1]
    if x.rank != 3 or token.ndim != 3 or token.shape[1] != 1 or not is_batch(x.axes[0]) or not x.axes[2]:
        return None
    row = laid_out_alike(values[0], [x.axes[0], (), x.axes[2]], [x.axes[0], x.axes[2]])
    x = b.arranged(x, x.axes)
    tokens = new(x.shape[1] + 1)
    return Traced(b.put(x.at, ours.ClassToken(weights(row))), [x.have[0], tokens, x.have[2]],
                  [x.axes[0], tokens, x.axes[2]])


def stack(b: Builder, values: Sequence[Value], axis: int = 0) -> Traced:
    rank = next(x.rank for x in values if isinstance(x, Traced)) + 1
    return cat(b, [with_axis(b, x, int(axis) % rank) for x in values], int(axis) % rank)


def with_axis(b: Builder, x: Value, axis: int) -> Value:
    """x with a new axis of size 1."""
    return unsqueeze(b, x, axis) if isinstance(x, Traced) else both(lambda a: np.expand_dims(a, axis), x)


def pad(b: Builder, x: Traced, pads: Sequence[int], mode: str | float = "constant", value: float | None = None
        ) -> Traced:
    """torch's pads: (before, after) of the last axis, then of the one before it."""
    if not isinstance(mode, str):               # constant_pad_nd has the value there
        return pad(b, x, pads, "constant", mode)
    found = [(0, 0)] * (x.rank - len(pads) // 2) + list(zip(pads[::2], pads[1::2]))[::-1]
    names = {"replicate": "edge", "circular": "wrap"}
    return padded(b, x, found, names.get(mode, mode), value or 0.0)


def pad_axes(b: Builder, x: Traced, pads: Sizes, value: Constant | None = None, axes: Sizes | None = None,
             mode: str = "constant") -> Traced:
    """ONNX's pads: before each of the axes, then behind each."""
    places, ends = list(range(x.rank)) if axes is None else integers(axes), integers(pads)
    found = [(0, 0)] * x.rank
    for axis, first, last in zip(places, ends[:len(places)], ends[len(places):]):
        found[axis] = (first, last)
    return padded(b, x, found, mode, 0.0 if value is None else number(value))


def padded(b: Builder, x: Value, pads: Sequence[tuple[int, int]], mode: str, value: float) -> Traced:
    """pads: (before, after) for each axis of the program; below 0 they cut"""
    x = numbers(b, x)
    for axis, (before, after) in enumerate(pads):
        if before < 0 or after < 0:
            x = traced(slice_(b, x, axis, max(0, -before), x.shape[axis] - max(0, -after)))
    pads = [(max(0, int(before)), max(0, int(after))) for before, after in pads]
    if not any(map(any, pads)):
        return x
    if any(any(each) and has_batch(own) for each, own in zip(pads, x.axes)):
        raise ValueError(f"pads the batch of {x.written()}")
    places: dict[int, tuple[int, tuple[int, int]]] = {}          # axis of our array: the program's, its pads
    if x.rank > 2 and is_batch(x.axes[0]) and not any(pads[1]):
        x = b.images(x, x.rank - 2)
    for axis, each in enumerate(pads):
        if any(each):
            x, _ = b.axis(x, x.axes[axis]) if x.axes[axis] else (x, 0)
    for axis, each in enumerate(pads):
        if any(each):
            if not x.axes[axis]:
                x = b.arranged(x, [*x.have, ()])
                places[len(x.have) - 1] = (axis, each)
            else:
                places[x.have.index(x.axes[axis])] = (axis, each)
    have, axes = list(x.have), list(x.axes)
    for place, (axis, each) in places.items():
        have[place] = axes[axis] = new(x.shape[axis] + sum(each))
    layer = ours.Pad([places[place][1] if place in places else (0, 0) for place in range(1, len(have))],
                     *(() if (mode, value) == ("constant", 0) else (mode, finite(value))))
    return Traced(b.put(x.at, layer), have, axes)


def depth_to_space(b: Builder, x: Traced, blocksize: int, mode: str = "CRD") -> Traced:
    """(N, C n n, H, W) -> (N, C, H n, W n), as torch's PixelShuffle; mode="DCR": ONNX's other order"""
    N, (_, C, H, W), n = x.sizes[0], x.shape, blocksize
    rest = C // n ** 2
    if C % n ** 2:
        raise ValueError(f"cuts {C} channels into {n} x {n}")
    x = reshape(b, x, [N, *((rest, n, n) if mode == "CRD" else (n, n, rest)), H, W])
    x = transpose(b, x, (0, 1, 4, 2, 5, 3) if mode == "CRD" else (0, 3, 4, 1, 5, 2))
    return reshape(b, x, [N, rest, H * n, W * n])


def space_to_depth(b: Builder, x: Traced, blocksize: int, mode: str = "CRD") -> Traced:
    """The reverse: torch's PixelUnshuffle; mode="DCR": ONNX's order"""
    N, (_, C, H, W), n = x.sizes[0], x.shape, blocksize
    if H % n or W % n:
        raise ValueError(f"cuts {H} x {W} pixels into {n} x {n}")
    x = reshape(b, x, [N, C, H // n, n, W // n, n])
    x = transpose(b, x, (0, 1, 3, 5, 2, 4) if mode == "CRD" else (0, 3, 5, 1, 2, 4))
    return reshape(b, x, [N, C * n * n, H // n, W // n])


def sizes_of(x: Value) -> list[int]:
    return x.sizes if isinstance(x, Traced) else list(map(sized, *(each.shape for each in both_of(x))))


def replaced(b: Builder, x: Value, source: Value, axis: int, places: slice | Sequence[int] | np.ndarray) -> Value:
    """x with what stands in places along an axis replaced by the entries of `source`; either may be a constant."""
    n, axis = int(sizes_of(x)[axis]), axis % len(sizes_of(x))
    found = np.arange(n)[places]
    if not found.size:
        return x
    if np.array_equal(found, np.arange(n)):
        return source
    first, last = int(found[0]), int(found[-1])
    if np.array_equal(found, np.arange(first, last + 1)):   # beside each other: what was before, this, what was behind
        return cat(b, [*([slice_(b, x, axis, 0, first)] if first else []), source,
                       *([slice_(b, x, axis, last + 1, n)] if last + 1 < n else [])], axis)
    order = np.arange(n)
    order[found] = n + np.arange(len(found))
    return take(b, cat(b, [x, source], axis), axis, order)


def slice_scatter(b: Builder, x: Value, source: Value, axis: int = 0, start: int | None = None,
                  stop: int | None = None, step: int = 1) -> Value:
    return replaced(b, x, source, axis, slice(start, stop, step))


def select_scatter(b: Builder, x: Value, source: Value, axis: int, index: int) -> Value:
    return replaced(b, x, with_axis(b, source, axis), axis, [index])


def copy(b: Builder, x: Value, source: Value, non_blocking: bool = False) -> Value:
    """The source in place of x."""
    return expand(b, source, sizes_of(x)) if isinstance(source, Traced) else source


# Places that are constant, in arrays

def points(b: Builder, x: Traced, axes: Sequence[int], arrays: Sequence[np.ndarray]) -> Traced:
    """x[..., i, j, ...] with arrays of places that are broadcast against each other."""
    if list(axes) != list(range(axes[0], axes[-1] + 1)):
        raise ValueError("takes places by arrays along axes that are not beside each other")
    arrays = list(np.broadcast_arrays(*arrays))
    flat = np.zeros(arrays[0].shape, np.int64)
    for axis, a in zip(axes, arrays):
        flat = flat * x.shape[axis] + a % x.shape[axis]
    return take(b, flatten(b, x, axes[0], axes[-1]), axes[0], flat)


def diagonal(b: Builder, x: Traced, offset: int = 0, first: int = 0, second: int = 1) -> Traced:
    """x[..., i, ..., i + offset, ...] along two axes, as one axis behind the others."""
    first, second = first % x.rank, second % x.rank
    if has_batch(x.axes[first]) or has_batch(x.axes[second]):
        raise ValueError(f"takes the diagonal of {x.written()} along its images")
    x = transpose(b, x, [*(n for n in range(x.rank) if n not in (first, second)), first, second])
    i = np.arange(min(x.shape[-2] + min(offset, 0), x.shape[-1] - max(offset, 0)))
    return points(b, x, [x.rank - 2, x.rank - 1], [i - min(offset, 0), i + max(offset, 0)])


def gather(b: Builder, x: Value, axis: int = 0, index: Value = 0, sparse_grad: bool = False) -> Value:
    """Along an axis, other places for each row: y[i, j] = x[i, index[i, j]]."""
    if not isinstance(x, Traced) and isinstance(index, Traced) and all(
            (a == a.ravel()[0]).all() for a in both_of(x)):             # of equal numbers it does not matter which
        return Varying(*(np.full(shape, a.ravel()[0], a.dtype)
                         for a, shape in zip(both_of(x), (index.shape, index.other_shape))))
    if isinstance(index, Traced) or not isinstance(x, Traced):
        raise ValueError("takes places that are computed from the input: what is chosen by a value has no gradient "
                         "that explains")
    axis, array = axis % x.rank, both_of(index)[0]
    if any((array != array.take([0], axis=place)).any() for place in range(x.rank) if place != axis):
        return points_along(b, x, axis, array)
    return take(b, x, axis, np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)[:, 0])


def points_along(b: Builder, x: Traced, axis: int, array: np.ndarray) -> Traced:
    """gather along the last axis but for the images, with other places for each row."""
    if not x.axes[0] or not (array == array[:1]).all():
        raise ValueError("takes other places for each image")
    inner = array[0]
    if tuple(n for p, n in enumerate(inner.shape) if p != axis - 1) != tuple(
            n for p, n in enumerate(x.shape[1:]) if p != axis - 1):
        raise ValueError("takes places of a part of an array")
    numbers = np.arange(math.prod(x.shape[1:])).reshape(x.shape[1:])
    return take(b, flatten(b, x, 1), 1, np.take_along_axis(numbers, inner, axis - 1))


def gather_points(b: Builder, x: Traced, index: Constant, batch_dims: int = 0) -> Traced:
    """ONNX's GatherND: the places of an entry are along the last axis of the index."""
    if isinstance(index, Varying) and batch_dims == 0:
        raise ValueError("takes other places for each image")
    array = np.asarray(plain(index))
    if batch_dims > 1 or batch_dims == 1 and (array != array[:1]).any():
        raise ValueError(f"batch_dims={batch_dims} with other places for each image")
    array = array[0] if batch_dims else array
    axes = list(range(batch_dims, batch_dims + array.shape[-1]))
    return points(b, x, axes, [array[..., n] for n in range(len(axes))])
