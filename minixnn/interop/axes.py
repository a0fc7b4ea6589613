"""The account of axes: where the numbers of a value of the program are in our array.

Other frameworks have channels first, move windows into the batch, merge heads into channels and turn axes round; most
of it computes nothing. So a value has two descriptions: `axes`, the program's axes, and `have`, those of our array.
Both are made of the same atoms, axes that are not cut any further. (N, C, H, W) over there and (N, H, W, C) here:

    axes = (N,), (C,), (H,), (W,)        have = (N,), (H,), (W,), (C,)

x.permute, x.view, x.unsqueeze change `axes` only: x.flatten(1) gives axes = (N,), (C, H, W). Layers that move numbers
are put where an operation needs them in another place than they are, see `Builder.arranged`. An axis of size 1 is (),
and an atom that is in `axes` but not in `have` is repeated: every number stands for `size` equal ones.
"""
from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

Group: TypeAlias = "tuple[Atom, ...]"           # what an axis is made of, the slowest atom first
BATCHES = (5, 7)            # the program is followed for batches of these two sizes, and must be the same for both

FREE = ((64, 48, 32), (77, 91, 39), (96, 160, 64))          # sizes of axes that are left open, in up to three readings


class Atom:
    """A part of an axis. `parts` are the atoms into which it was cut later; the batch has a size of each of BATCHES."""

    def __init__(self, size: int, other: int | None = None) -> None:
        self.size, self.other = size, size if other is None else other
        self.parts: tuple[Atom, Atom] | None = None

    @property
    def is_batch(self) -> bool:
        return self.size != self.other or self.__class__ is Batch

    def __repr__(self):
        return f"{self.size}" + "!" * self.is_batch


class Batch(Atom):
    """The images' axis: of two sizes where the program leaves it open, else of the size that the program has."""


def leaves(group: Iterable[Atom]) -> Group:
    """The atoms of a group as they are cut today."""
    return tuple(itertools.chain.from_iterable((a,) if a.parts is None else leaves(a.parts) for a in group))


def size(group: Iterable[Atom]) -> int:
    return math.prod(a.size for a in group)


def other_size(group: Iterable[Atom]) -> int:
    return math.prod(a.other for a in group)


class Size(int):
    """A number that depends on the number of images: for one of BATCHES, and `other` for the second."""
    other: int

    def __new__(cls, value: int, other: int) -> Size:
        size = super().__new__(cls, value)
        size.other = int(other)
        return size


def sized(value: int, other: int) -> int:
    """A number that is one for both sizes of the batch, or a Size."""
    return int(value) if value == other else Size(value, other)


class Traced:
    """A value that depends on the input. at: its number among the activations.

    kind: "f" floats, "i" whole numbers, "b" truth values, "w" floats that were computed from whole numbers as whole
    numbers are, "c" floats of which only what is before the point counts.
    """

    def __init__(self, at: int, have: Sequence[Group], axes: Sequence[Group], kind: str = "f") -> None:
        self.at, self._have, self._axes, self.kind = at, tuple(have), tuple(axes), kind

    @property
    def have(self) -> tuple[Group, ...]:
        return tuple(map(leaves, self._have))

    @property
    def axes(self) -> tuple[Group, ...]:
        return tuple(map(leaves, self._axes))

    @property
    def shape(self) -> tuple[int, ...]:
        """The program's shape, for the first size of the batch."""
        return tuple(map(size, self.axes))

    @property
    def other_shape(self) -> tuple[int, ...]:
        return tuple(map(other_size, self.axes))

    @property
    def sizes(self) -> list[int]:
        """The program's shape, which knows what it is for the second size of the batch."""
        return list(map(sized, self.shape, self.other_shape))

    @property
    def rank(self) -> int:
        return len(self._axes)

    def seen_as(self, axes: Sequence[Group]) -> Traced:
        """The same array, with other axes in the program."""
        return Traced(self.at, self._have, axes, self.kind)

    def of_kind(self, kind: str) -> Traced:
        """The same array, taken for numbers of another kind."""
        return Traced(self.at, self._have, self._axes, kind)

    def written(self) -> str:
        """The shape for sentences: (N, 3, 8, 8)."""
        return written(self.axes)


def written(axes: Sequence[Group]) -> str:
    sizes = []
    for group in axes:
        rest = size(a for a in group if not a.is_batch)
        sizes.append(f"{rest} N" if rest > 1 and len(group) > 1 and any(a.is_batch for a in group) else
                     "N" if any(a.is_batch for a in group) else str(rest))
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def is_batch(group: Group) -> bool:
    """Whether an axis is the images' and nothing else."""
    return len(group) == 1 and group[0].is_batch


def has_batch(group: Iterable[Atom]) -> bool:
    return any(a.is_batch for a in group)


def new(n: int) -> Group:
    """An axis of size n that nobody has seen before."""
    return () if n == 1 else (Atom(n),)


def cut(atom: Atom, outer: int, inner: int) -> None:
    atom.parts = (Atom(outer), Atom(inner))


class Mixes(ValueError):
    """Sizes that cannot be made of the atoms as they are cut: the numbers have to be put in order first."""


def regroup(group: Group, sizes: Sequence[int]) -> list[Group]:
    """The atoms of `group`, in their order, as axes of these sizes; atoms are cut where an axis ends inside.

    Raises Mixes where an axis would end across the middle of an atom that its size does not divide.
    """
    rest, found = list(leaves(group)), []
    alone = [a for a in rest if a.is_batch and a.size == 1]
    if alone:                                   # a batch of one is wherever the program leaves room for it, or in front
        found = regroup(tuple(a for a in rest if a not in alone), sizes)
        place = list(sizes).index(1) if 1 in sizes else 0
        found[place] = (*alone, *found[place])
        return found
    for n in sizes:
        axis: list[Atom] = []
        while size(axis) < n:
            if not rest:
                raise Mixes("too few numbers")
            atom, need = rest.pop(0), n // max(size(axis), 1)
            if n % max(size(axis), 1):
                raise Mixes("sizes do not divide each other")
            if atom.size > need:
                if atom.size % need or atom.is_batch:
                    raise Mixes("sizes do not divide each other")
                cut(atom, need, atom.size // need)
                atom, behind = leaves((atom,))
                rest.insert(0, behind)
            axis.append(atom)
        if size(axis) != n:
            raise Mixes("sizes do not divide each other")
        found.append(tuple(axis))
    if rest:
        raise Mixes("numbers are left over")
    return found


def zipped(a: Group, b: Group) -> dict[Atom, Atom]:
    """Two axes of one size, cut alike: which atom of `a` each of b's is. Raises Mixes where that cannot be."""
    first, second, found = list(leaves(a)), list(leaves(b)), {}
    while first and second:
        x, y = first.pop(0), second.pop(0)
        if x.size == y.size:
            if x.is_batch != y.is_batch:
                raise Mixes("images meet something else")
            found[y] = x
            continue
        large, small = (x, y) if x.size > y.size else (y, x)
        if large.size % small.size or large.is_batch:
            raise Mixes("sizes do not divide each other")
        cut(large, small.size, large.size // small.size)
        first[:0], second[:0] = leaves((x,)), leaves((y,))
    if first or second:
        raise Mixes("sizes differ")
    return found


def translated(groups: Sequence[Group], names: dict[Atom, Atom]) -> tuple[Group, ...]:
    """The same axes written with other atoms."""
    return tuple(tuple(names.get(a, a) for a in leaves(group)) for group in groups)


def laid_out(array: np.ndarray, axes: Sequence[Group], have: Sequence[Group], other: bool = False) -> np.ndarray:
    """A constant whose axes are the last of `axes` (or of size 1) as an array that broadcasts to one of ours.

    The result lacks the batch; where it does not depend on some atom it has size 1 there. ValueError where the
    constant differs from image to image. other: it was made for the second size of the batch.
    """
    axes = tuple(axes)[len(axes) - array.ndim:]
    atoms: list[Atom] = []
    sizes: list[int] = []
    for n, group in zip(array.shape, axes):
        if n != 1:
            atoms += group
            sizes += [a.other if other else a.size for a in group]
    array = array.reshape(sizes)
    have = list(have)                           # along the batch there may be parts of an image, such as heads
    beside = [a for a in have.pop(0) if not a.is_batch] if have and has_batch(have[0]) else []
    for place in reversed(range(len(atoms))):
        if atoms[place].is_batch or atoms[place] in beside:
            first = array.take([0], axis=place)
            if not np.array_equal(np.broadcast_to(first, array.shape), array, equal_nan=array.dtype.kind == "f"):
                raise ValueError("a constant has other numbers for each image of a batch")
            array = first.squeeze(place)
            del atoms[place]
    flat = [a for group in have for a in group if not a.is_batch]
    array = array.transpose([atoms.index(a) for a in flat if a in atoms])
    array = array.reshape([a.size if a in atoms else 1 for a in flat])
    shape, place = [], 0
    for group in have:
        inner = [array.shape[place + i] for i in range(len(group))]
        if 1 < math.prod(inner) < size(group):              # one of ours depends on a part of this axis: repeat it
            target = list(array.shape)
            target[place:place + len(group)] = [a.size for a in group]
            array = np.broadcast_to(array, target)
            inner = [a.size for a in group]
        shape.append(math.prod(inner))
        place += len(group)
    return array.reshape(shape)
