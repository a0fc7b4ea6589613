"""Layers are put down, and where each takes its input: what an operation needs of the arrays that enter it."""
from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from numpy.typing import DTypeLike
from typing import TYPE_CHECKING

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import (BATCHES, Atom, Batch, Group, Mixes, Traced, has_batch, laid_out, leaves,
                                  new, other_size, regroup, size, translated, written, zipped)

if TYPE_CHECKING:
    from minixnn.layers.base import Layer

# the same move of the same array is made once
MOVES = ("Permute", "Reshape", "Flatten", "Unflatten", "Tokens", "SplitHeads", "JoinHeads", "Input")


class Builder(ours.Graph):
    """layers, inputs, names as a Network takes them; `place` is the one in the program that is being read."""

    def __init__(self, batches: tuple[int, int] = BATCHES, dtype: DTypeLike = np.float32) -> None:
        super().__init__()
        self.dtype, self.batch = dtype, Batch(*batches)
        self.made: dict[tuple[tuple[int, ...], type, str], int] = {}

    def put(self, sources: int | tuple[int, ...], layer: Layer) -> int:
        """A layer behind activations; the number of what it makes."""
        sources = sources if isinstance(sources, tuple) else (sources,)
        key = (sources, type(layer), repr(layer.settings())) if type(layer).__name__ in MOVES and not layer.arrays() \
            else None
        if key in self.made:
            return self.made[key]
        at = self.add(sources, layer)
        if key is not None:
            self.made[key] = at
        return at

    def input(self, shape: Sequence[int], order: Sequence[int], kind: str, number: int | None = None) -> Traced:
        """An input with one row for each image; order: which of its axes ours are. number: of several inputs."""
        axes = [(self.batch,), *map(new, shape[1:])]
        at = 0 if number is None else self.put(0, ours.Input(number))
        return Traced(at, [axes[axis] for axis in order], axes, kind)

    def through(self, x: Traced, layer: Layer, kind: str | None = None) -> Traced:
        """A layer that leaves all axes where they are."""
        return Traced(self.put(x.at, layer), x.have, x.axes, kind or x.kind)

    def arranged(self, x: Traced, want: Sequence[Group]) -> Traced:
        """The same value in an array with exactly these axes: moved where need be, and repeated."""
        want = list(map(leaves, want))
        flat = [a for group in x.have for a in group]
        missing = [a for group in want for a in group if a not in flat]
        if missing:                                         # atoms behind the others, then repeated
            x = self.arranged(x, [*((a,) for a in flat), *[()] * len(missing)])
            for place, atom in enumerate(missing, start=len(flat)):
                repeated = list(x.have)
                repeated[place] = (atom,)
                ones = np.ones((atom.size, *[1] * (len(repeated) - place - 1)), self.dtype)
                x = Traced(self.put(x.at, ours.Scale(ones)), repeated, x.axes, x.kind)
        if x.have == tuple(want):
            return x
        at, have = x.at, x.have
        if len(have[0]) > 1:                                # windows of an image as rows: back behind the image
            have = (have[0][:1], have[0][1:], *have[1:])
            at = self.put(at, ours.Reshape(tuple(map(size, have[1:])), rows=(size(have[1]), 1)))
        flat, wanted = [a for group in have for a in group], [a for group in want for a in group]
        if flat != wanted:
            if wanted[0] is not flat[0] or len(want[0]) != 1:
                raise ValueError("mixes images: the rows of one image are not beside each other any more")
            runs = _runs(flat, wanted)
            places = [runs.index(run) for run in sorted(runs, key=lambda run: wanted.index(run[0]))]
            layer = _heads(have, want)
            if layer is not None:
                return Traced(self.put(at, layer), want, x.axes, x.kind)
            at = self.reshaped(at, have, runs)
            at = self.put(at, ours.Permute(tuple(place - 1 for place in places[1:])))
            have = tuple(runs[place] for place in places)
        return Traced(self.reshaped(at, have, want), want, x.axes, x.kind)

    def reshaped(self, at: int, have: Sequence[Group], want: Sequence[Group]) -> int:
        """The number of the activation with its axes taken together as in `want`; the order is the same."""
        if tuple(have) == tuple(want):
            return at
        sizes = [size(group) for group in want[1:]]
        if len(want) == 2 and len(have) > 2:
            return self.put(at, ours.Flatten())
        if len(have) == 4 and len(want) == 3 and have[3] == want[2]:
            return self.put(at, ours.Tokens())
        if not sizes:
            return self.put(at, ours.Flatten())
        return self.put(at, ours.Unflatten(tuple(sizes)) if len(have) == 2 else ours.Reshape(tuple(sizes)))

    def axis(self, x: Traced, group: Group, ordered: bool = True) -> tuple[Traced, int]:
        """The value with the atoms of `group` as one axis of our array, and the number of that axis.

        ordered=False: the atoms may lie in another order, as where they are summed.
        """
        group = leaves(group)
        for place, found in enumerate(x.have):
            if found == group or not ordered and set(found) == set(group):
                if found or place > 0 and not group:
                    return x, place
        if has_batch(group):
            raise ValueError(f"works along an axis of {x.written()} that holds images")
        pieces, flat = self.parted(x, group), [a for own in x.have for a in own]
        start = flat.index(group[0]) if group and group[0] in flat else 0
        if group and tuple(flat[start:start + len(group)]) == group:                    # beside each other
            at = next(place for place, own in enumerate(pieces) if own and own[0] is group[0])
            behind = [own for own in pieces[at + 1:] if not set(own) & set(group)]
            return self.arranged(x, [*pieces[:at], group, *behind]), at
        rest = self.others(x, group)
        return self.arranged(x, [*rest, group]), len(rest)

    def others(self, x: Traced, group: Group) -> list[Group]:
        """The axes of our array without the atoms of `group`."""
        rest = [tuple(a for a in own if a not in group) for own in x.have]
        return [own for own, before in zip(rest, x.have) if own or not before]

    def parted(self, x: Traced, group: Group) -> list[Group]:
        """The axes of our array, cut so that each is made of atoms of `group` alone, or of others alone."""
        return [piece for own in x.have for piece in (
            [tuple(run) for _, run in itertools.groupby(own, key=lambda a: a in group)] or [own])]

    def last(self, x: Traced, group: Group) -> tuple[Traced, np.ndarray | None]:
        """The value with `group` as the last axis of our array, and the order in which its atoms lie there.

        order: ours[..., j] is the program's [..., order[j]]; None where both are alike. Constants are put into that
        order, which costs nothing, and not the activations.
        """
        group = leaves(group)
        if not group:
            x = x if x.have[-1] == () and len(x.have) > 1 else self.arranged(x, [*x.have, ()])
            return x, None
        flat = [a for own in x.have for a in own]
        tail = tuple(flat[len(flat) - len(group):])
        if set(tail) == set(group) and not has_batch(tail):
            x = self.arranged(x, [*self.others(x, group), tail])
            if tail == group:
                return x, None
            numbers = np.arange(size(group)).reshape([a.size for a in group])
            return x, numbers.transpose([group.index(a) for a in tail]).ravel()
        if has_batch(group):
            raise ValueError(f"works along an axis of {x.written()} that holds images")
        return self.arranged(x, [*self.others(x, group), group]), None

    def whole(self, x: Traced, place: int) -> Traced:
        """The value with one axis of the program as an axis that can be cut in any other way."""
        axes = list(x.axes)
        x, at = self.axis(x, axes[place])
        atom = new(size(axes[place]))
        have = list(x.have)
        have[at] = atom
        return Traced(x.at, have, [atom if i == place else own for i, own in enumerate(axes)], x.kind)

    def images(self, x: Traced, spatial: int, what: str = "images, (channels, height, width)") -> Traced:
        """Channel-last: (N, sizes..., C), of a value with batch, channels and `spatial` axes more in the program."""
        if x.rank != spatial + 2:
            raise ValueError(f"got {x.written()} numbers, expected {what}")
        first, *windows = x.axes[0] or (None,)
        if first is None or not first.is_batch:
            raise ValueError(f"got {x.written()} numbers, expected one row for each image")
        want = (x.axes[0], *x.axes[2:], x.axes[1])
        if not windows or x.have == want:
            return self.arranged(x, want)
        x = self.arranged(x, ((first,), tuple(windows), *want[1:]))         # the windows of an image as rows
        return Traced(self.put(x.at, ours.Reshape(tuple(map(size, want[1:])), rows=(1, size(windows)))), want, x.axes)

    def unified(self, values: Sequence[Traced]) -> tuple[list[Traced], tuple[Group, ...]]:
        """Values as they are broadcast against each other, written in the same atoms and in arrays that broadcast, too.

        Returns them and the axes of the result.
        """
        values = self.same_atoms(values)
        rank = max(x.rank for x in values)
        axes = []
        for place in range(-rank, 0):
            groups = [x.axes[place] for x in values if x.rank >= -place]
            axes.append(max(groups, key=len))
        layout = self.layout(values)
        arranged = []
        for x in values:
            flat = {a for own in x.have for a in own}
            arranged.append(self.arranged(x, [own if set(own) <= flat else () for own in layout]))
        return arranged, tuple(axes)

    def same_atoms(self, values: Sequence[Traced], skip: int | None = None) -> list[Traced]:
        """Values with the same atoms in axes that meet. skip: an axis, from the end, in which they may differ."""
        values = list(values)
        for n in range(1, len(values)):
            if any(_crossed(values[m], values[n]) for m in range(n)):
                values[n] = self.renamed(values[n])
            for m in range(n):
                values[m], values[n] = self._pair(values[m], values[n], skip)
        return values

    def _pair(self, a: Traced, b: Traced, skip: int | None) -> tuple[Traced, Traced]:
        places = {atom: place - a.rank for place, own in enumerate(a.axes) for atom in own}
        if any(places.get(atom, place - b.rank) != place - b.rank for place, own in enumerate(b.axes) for atom in own
               if not atom.is_batch):
            b = self.renamed(b)                             # x[:, None] and x[:, :, None]: one axis, in two places
        for place in range(-min(a.rank, b.rank), 0):
            first, second = a.axes[place], b.axes[place]
            if place == skip or not first or not second or first == second:
                continue
            if size(first) != size(second):
                raise ValueError(f"got arrays of shapes {a.written()} and {b.written()}, which do not fit")
            try:
                names = zipped(first, second)
            except Mixes as error:
                if has_batch(first) or has_batch(second):
                    raise ValueError(f"got arrays of shapes {a.written()} and {b.written()}, and mixes images where "
                                     "they meet") from error
                a, b = self.whole(a, place % a.rank), self.whole(b, place % b.rank)
                names = zipped(a.axes[place], b.axes[place])
            taken = {x for own in (*b.have, *b.axes) for x in own}
            if any(old is not name and name in taken for old, name in names.items()):   # its atoms in another place
                b = self.renamed(b)
                names = zipped(a.axes[place], b.axes[place])
            b = Traced(b.at, translated(b.have, names), translated(b.axes, names), b.kind)
        return a, b

    def renamed(self, x: Traced) -> Traced:
        """The same value in atoms of its own; the batch stays the batch."""
        names: dict[Atom, Atom] = {}
        for a in (a for own in (*x.have, *x.axes) for a in own):
            if not a.is_batch and a not in names:
                names[a] = Atom(a.size)
        return Traced(x.at, translated(x.have, names), translated(x.axes, names), x.kind)

    def layout(self, values: Iterable[Traced]) -> list[Group]:
        """Axes for our arrays in which all of these values broadcast."""
        values = list(values)
        base = max(values, key=lambda x: (sum(len(own) for own in x.have), len(x.have)))
        layout = list(base.have)
        for x in values:
            flat = [a for own in x.have for a in own]
            for place in reversed(range(len(layout))):
                own = layout[place]
                if own and any(a in flat for a in own) and not set(own) <= set(flat):
                    layout[place:place + 1] = [(a,) for a in own]
            known = [a for own in layout for a in own]
            for a in flat:
                if a not in known:
                    layout.insert(max(1, len(layout) - 1), (a,))
        return layout

    def constant(self, x: Traced, array: np.ndarray) -> np.ndarray:
        """A constant that meets x in an operation with broadcasting, as an array beside ours: without the batch."""
        return laid_out(array, x.axes, x.have)

    def with_room(self, x: Traced, array: np.ndarray) -> Traced:
        """x beside a constant that is larger: with an axis of size 1 wherever the constant is to repeat it.

        `have` says already what the array is once the next layer has met the constant.
        """
        flat, have, room = [a for own in x.have for a in own], list(x.have), list(x.have)
        for place, n in enumerate(array.shape, start=x.rank - array.ndim):
            for atom in x.axes[place] if n != 1 else ():
                if atom in flat:
                    continue
                before = {a for own in x.axes[:place] for a in own}
                at = max(i for i, own in enumerate(have) if i == 0 or before & set(own)) + 1
                have.insert(at, (atom,))
                room.insert(at, ())
        return Traced(self.arranged(x, room).at, have, x.axes, x.kind)

    def with_own_axes(self, x: Traced, group: Group) -> Traced:
        """x in an array of which each axis is either made of atoms of `group` alone, or of others alone."""
        return self.arranged(x, self.parted(x, group))

    def widened(self, x: Traced, shape: Sequence[int]) -> Traced:
        """x with the axes that broadcasting against an array of this shape gives it, repeated, not yet in our array."""
        axes = list(x.axes)
        axes = [()] * (len(shape) - len(axes)) + axes
        for place in range(-len(shape), 0):
            n = shape[place]
            if n != 1 and not axes[place]:
                axes[place] = new(n)
            elif n != 1 and size(axes[place]) != n:
                raise ValueError(f"got arrays of shapes {x.written()} and {tuple(shape)}, which do not fit")
        return x.seen_as(axes)

    def regrouped(self, x: Traced, shape: Sequence[int], other: Sequence[int]) -> Traced:
        """A reshape. shape, other: the target for the two sizes of the batch."""
        group = tuple(a for own in x.axes for a in own)
        try:
            axes = regroup(group, shape)
        except Mixes:
            x, group = self._fresh(x, shape)
            axes = regroup(group, shape)
        if tuple(other_size(own) for own in axes) != tuple(other):
            raise Mixes("another reshape for another number of images")
        return x.seen_as(axes)

    def _fresh(self, x: Traced, shape: Sequence[int]) -> tuple[Traced, Group]:
        """x with those of its axes as single new atoms that a reshape to `shape` cuts across."""
        old, new_sizes = list(enumerate(x.axes)), list(shape)
        runs: list[list[int]] = []
        while old:                                          # the smallest runs of axes with the same count of numbers
            run = [old.pop(0)]
            total = new_sizes.pop(0) if new_sizes else 1
            have = size(run[0][1])
            while have != total:
                if have < total and old:
                    run.append(old.pop(0))
                    have *= size(run[-1][1])
                elif have > total and new_sizes:
                    total *= new_sizes.pop(0)
                else:
                    raise Mixes("sizes do not fit")
            runs.append([place for place, _ in run])
        axes = list(x.axes)
        for places in runs:
            group = tuple(a for place in places for a in axes[place])
            inner = tuple(a for a in group if not a.is_batch)
            if len(inner) < 2 or has_batch(group) and not group[0].is_batch:
                continue
            x, at = self.axis(x, inner)
            atom, arrays = new(size(inner)), list(x.have)
            arrays[at] = atom
            for place in places:
                axes[place] = tuple(a for a in axes[place] if a.is_batch)
            axes[places[-1]] = axes[places[-1]] + atom
            x = Traced(x.at, arrays, axes, x.kind)
        return x, tuple(a for own in axes for a in own)


def _crossed(a: Traced, b: Traced) -> bool:
    """Whether an atom lies in one axis of a and in another of b, as in x[:, None] * x: there it is two axes."""
    places = {atom: place for place, own in enumerate(reversed(a.axes)) for atom in own}
    crossed = [atom for place, own in enumerate(reversed(b.axes)) for atom in own if places.get(atom, place) != place]
    if any(atom.is_batch for atom in crossed):
        raise ValueError(f"got arrays of shapes {a.written()} and {b.written()}, and mixes images where they meet")
    return bool(crossed)


def _runs(flat: list[Atom], wanted: list[Atom]) -> list[Group]:
    """The longest pieces that lie in both orders alike; the batch is one of its own."""
    runs: list[list[Atom]] = []
    behind = dict(zip(wanted, wanted[1:]))
    for atom in flat:
        if runs and not runs[-1][-1].is_batch and behind.get(runs[-1][-1]) is atom:
            runs[-1].append(atom)
        else:
            runs.append([atom])
    return [tuple(run) for run in runs]


def _heads(have: Sequence[Group], want: Sequence[Group]) -> Layer | None:
    """SplitHeads, JoinHeads or ChannelShuffle, where the move is one of them."""
    if tuple(have[:-1]) == tuple(want[:-1]) and len(have[-1]) == 2 and want[-1] == have[-1][::-1]:
        return ours.ChannelShuffle(have[-1][0].size)
    if len(have) == 3 and len(want) == 4 and len(have[2]) > 1:
        if want[2] == have[1] and want[1] + want[3] == have[2] and want[1] and want[3]:
            return ours.SplitHeads(size(want[1]))
    if len(have) == 4 and len(want) == 3 and want == (have[0], have[2], have[1] + have[3]) and have[1] and have[3]:
        return ours.JoinHeads()
    return None


__all__ = ["Builder", "written"]
