"""What it means that two libraries agree, and the list of everything that is compared.

A `Comparison` is one method of ours beside one of a peer's, on random networks of some kinds. The tests go through
the list and assert; `python -m tests.peers.table` goes through the same list and writes down what it measures.

Some peers mean another thing by the same name. Then `explained` computes, from our own parts, what the peer does;
peer and explanation have to agree to the same bound, and ours and the peer's must differ, or the note is wrong.
"""
import dataclasses
import typing

import numpy as np

from tests.peers import networks

SEEDS = range(4)                                            # as many networks of each kind, unless said otherwise
NONNEGATIVE = ("dense", "dense, no bias", "conv", "conv, no bias", "max pool", "average pool", "global pool", "tied")
RELU = NONNEGATIVE + ("max pool alone",)                    # NONNEGATIVE: ReLU in front of all layers but the first
ALL = tuple(networks.KINDS)


@dataclasses.dataclass
class Comparison:
    """`ours(case)` and `theirs(case)` give one array, or a list with one beside each activation A[l]."""
    method: str                                             # the name in minixnn
    library: str
    peer: str                                               # the name and the settings over there
    ours: typing.Callable
    theirs: typing.Callable
    kinds: tuple = ALL
    nonnegative: bool = False                               # inputs x >= 0, for methods that ask for it
    bound: float = 1e-9
    note: str = ""
    explained: typing.Callable = None                       # differs by convention: what the peer computes instead
    seeds: typing.Iterable = SEEDS                          # random networks of each kind
    only: typing.Callable = None                            # only(case): whether the method is meant for this network
    forwards: bool = False                                  # a list of activations, not of signals on the way back
    draw: typing.Callable = networks.case                   # draw(kind, seed, nonnegative=...): a random network

    def __str__(self):
        return f"{self.method} and {self.library} {self.peer}"

    def cases(self):
        """The random networks of this comparison, then the shipped one on real digits if its kind is wanted."""
        for kind in self.kinds:
            for seed in self.seeds:
                case = networks.shipped() if kind == "shipped" else \
                    self.draw(kind, seed, nonnegative=self.nonnegative)
                if self.only is None or self.only(case):
                    yield case
                if kind == "shipped":
                    break


def differences(ours, theirs):
    """Largest absolute difference, and the same relative to the largest number of the peer (of one array)."""
    if ours.shape != theirs.shape:
        raise AssertionError(f"shapes differ: ours {ours.shape}, theirs {theirs.shape}")
    largest = float(abs(ours - theirs).max())
    return largest, largest / max(float(abs(theirs).max()), 1e-300)


def agrees(ours, theirs, bound):
    """Equal to `bound`, relative where numbers are above 1. NaN agrees with nothing."""
    largest, _ = differences(ours, theirs)
    return largest <= bound * max(1.0, float(abs(theirs).max()))


def assert_agreement(case, ours, theirs, bound, what="", forwards=False):
    """Compare in the order of computation, so that the message names the layer where the two part."""
    if not isinstance(ours, list):
        ours, theirs = [ours], [theirs]
    assert len(ours) == len(theirs), f"{what}: {len(ours)} arrays of ours, {len(theirs)} of theirs"
    for l in range(len(ours)) if forwards else reversed(range(len(ours))):
        if theirs[l] is None or agrees(ours[l], theirs[l], bound):
            continue
        largest, relative = differences(ours[l], theirs[l])
        entry = np.unravel_index(abs(ours[l] - theirs[l]).argmax(), ours[l].shape)
        raise AssertionError(
            f"{what}, network '{case.name}': they part{culprit(case, ours, l, forwards)}: largest difference "
            f"{largest:.3g} ({relative:.3g} of the largest number), at {tuple(map(int, entry))} ours is "
            f"{float(ours[l][entry])!r}, theirs {float(theirs[l][entry])!r}; allowed {bound}\n{case.net.describe()}")


def culprit(case, arrays, l, forwards):
    """" at layer 3, Conv2d(...)": the layer that computed array l, forwards from l - 1 or backwards from l + 1."""
    if len(arrays) == 1:
        return ""
    maker = l - 1 if forwards else l
    return f" at layer {maker}, {case.net.layers[maker]!r}" if 0 <= maker < len(case.net.layers) else " at the start"


def check(comparison, case):
    """One network of a comparison. Returns (largest absolute difference, relative one) of ours and theirs."""
    ours, theirs = comparison.ours(case), comparison.theirs(case)
    if comparison.explained is None:
        assert_agreement(case, ours, theirs, comparison.bound, str(comparison), comparison.forwards)
    else:
        assert_agreement(case, comparison.explained(case), theirs, comparison.bound, f"{comparison}, explained")
    if not isinstance(ours, list):
        ours, theirs = [ours], [theirs]
    pairs = [differences(a, b) for a, b in zip(ours, theirs) if b is not None]
    return tuple(max(column) for column in zip(*pairs))
