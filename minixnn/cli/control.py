"""The controls of a map: does it change with the class, and with what the network has learnt?

A map that is much the same for any class says where something is, not why it is this class. A map that does not change
when the weights are shuffled says nothing about what the network has learnt.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minixnn.arrays import Array
from minixnn.cli.errors import visible
from minixnn.cli.methods import outputs
from minixnn.metrics import randomized

if TYPE_CHECKING:
    from minixnn.card import Card
    from minixnn.cli.methods import Explanation
    from minixnn.network import Network

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
OTHERS = 6                      # classes whose maps are compared: these of ImageNet, else evenly spaced ones
THINGS = ("toaster", "sports car", "volcano", "violin", "goldfish", "umbrella")
TOO_MUCH = 0.5                  # alike: more than half of such a map would be there for any class


class Control(NamedTuple):
    classes: list[int]          # the other classes
    alike: list[float]          # the |cosine| of their maps with the map of the target; empty for a single output
    shuffled: float             # the |cosine| of the map of the target once the weights are shuffled


def controls(explain: Explanation, net: Network, forgotten: Network, x: Array, y: Array, R: Array) -> list[Control]:
    """A Control for each of the images x with outputs y (N, classes) and maps R; `forgotten`: `shuffled(net)`."""
    targets = explain.targets(y, x)
    if y.shape[1] == 1:
        same = explain(forgotten, x, y if explain.plain else outputs(forgotten.forward(x)))
        return [Control([], [], alike(R[n], same[n])) for n in range(len(x))]
    others = np.array([other_classes(net.card, y.shape[1], int(k)) for k in targets])            # (N, OTHERS)
    maps = [explain.method(net, x, others[:, j], **explain.settings) for j in range(others.shape[1])]
    same = explain.method(forgotten, x, targets, **explain.settings)
    return [Control(others[n].tolist(), [alike(R[n], each[n]) for each in maps], alike(R[n], same[n]))
            for n in range(len(x))]


def shuffled(net: Network) -> Network:
    """The network with the weights of each layer in random order, the same at each call."""
    return randomized(net, np.random.default_rng(0))


def other_classes(card: Card, count: int, target: int) -> list[int]:
    """At most six classes other than the target of `count`: things that look different, if the labels have them."""
    known = [card.labels.index(name) for name in THINGS if name in card.labels]
    spaced = [int(k) for k in np.linspace(0, count - 1, OTHERS + 1)]
    return [k for k in dict.fromkeys((*known, *spaced)) if k != target][:OTHERS]


def alike(one: Array, other: Array) -> float:
    """|cosine| of two maps (H, W, C) summed over their channels; 0 where one is 0 everywhere."""
    one, other = (np.asarray(R, np.float64).sum(axis=-1).ravel() for R in (one, other))
    sizes = float(np.linalg.norm(one) * np.linalg.norm(other))
    return abs(float(one @ other)) / sizes if sizes else 0.0


def in_words(control: Control, label: Callable[[int], str]) -> list[str]:
    """What a Control says, in lines that a person understands. label: a function from a number to a name."""
    begin, count, mean = "Control (0: nothing in common, 1: the same map). The map", len(control.alike), 0.0
    if count:
        most, mean = int(np.argmax(control.alike)), float(np.mean(control.alike))
        most_like = visible(label(control.classes[most]))
        lines = [f"{begin}s of {NUMBERS[count]} other classes have {mean:.2f} in common with the map of this one,",
                 f"at most {control.alike[most]:.2f}, that of {most_like}; the map of a network with shuffled weights "
                 f"{control.shuffled:.2f}."] if count > 1 else [
                 f"{begin} of the other class, {most_like}, has {mean:.2f} in common with the map of this one;",
                 f"the map of a network with shuffled weights {control.shuffled:.2f}."]
    else:
        lines = [f"{begin} of a network with shuffled weights has {control.shuffled:.2f} in common with this one."]
    if mean > TOO_MUCH:
        lines.append("So most of the map would be shown for any class: it says where something is, not why this class.")
    if control.shuffled > TOO_MUCH:
        lines.append("So most of this map is there without anything learnt.")
    return lines


def as_record(control: Control, label: Callable[[int], str]) -> dict[str, object]:
    """A Control as plain values, for the record beside a result."""
    others = {"alike": {f"{k} {label(k)}": round(share, 4) for k, share in zip(control.classes, control.alike)},
              "mean": round(float(np.mean(control.alike)), 4)} if control.alike else {}
    return {**others, "shuffled weights": round(control.shuffled, 4)}
