"""What a network expects as input and what its outputs are called: the record `net.card`.

    net = net.with_card(input_shape=(224, 224, 3), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
                        labels=["cat", "dog"], head="Softmax")
    net.card.labels[net.predict(x).argmax()], net.probabilities(x)

It is saved with the network, and obeyed by `forward`, by the command line and by `describe`. Mean and standard
deviation are no part of it: they are the network's first layer, `layers.Prepare`.
"""
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from minixnn.arrays import Array, array_module, to_numpy
from minixnn.layers import BatchNorm2d, ChannelScale, Conv2d, Dense, Flatten, GlobalAvgPool, Prepare, Softmax
from minixnn.layers.base import Elementwise, Layer
from minixnn.layers.softmax import softmax
from minixnn.spelling import meant

HEADS = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh")
SOURCES = ("photograph", "bytes")
FITS = ("crop", "squash")
PIXELS = (1, 255)
MADE_OF = {"photograph": "photographs",
           "bytes": "the bytes at both ends of a file: models.magika.tokens(bytes)"}
CUT = {"crop": "cut to the proportions of the input, in their middle, then resized bicubically",
       "squash": "resized as a whole: height and width by different factors, where need be"}
LAYOUTS = ("channels first", "channels last")
ORDERS = {3: "(height, width, channels)", 2: "(steps, channels)", 1: "(numbers,)"}


@dataclass(frozen=True)
class Card:
    """What a network expects as input and what its outputs are called.

    What is not known is None or empty; a network made by hand starts with an empty card.

    Parameters
    ----------
    input_shape : of one input as `forward` takes it, (H, W, C) for images; None in the place of a size that is free.
    labels : the names of the outputs, in their order.
    head : the squashing layer that an importer left out behind the last one, such as "Softmax".
    layout : where the file that the network was read from has its channels: "channels first" or "channels last".
    source : what an input is made of: a "photograph", or the "bytes" of a file, see `models.magika.tokens`.
    fit : how a picture of other proportions is brought to the input's: "crop", cut in its middle and resized
        bicubically, or "squash", resized as a whole; None where nobody has said, and it is squashed with a note.
    pixels : the largest value of a pixel as `forward` takes it: 1, or 255 for a network that divides by itself or whose
        file takes bytes; None for 1, unless the first layer tells otherwise, see `largest_pixel`.

    Raises
    ------
    ValueError : a shape with sizes below 1, labels that are no strings, an unknown word.
    """
    input_shape: tuple | None = None
    labels: tuple = ()
    head: str | None = None
    layout: str | None = None
    source: str | None = None
    fit: str | None = None
    pixels: int | None = None

    def __post_init__(self):
        if self.input_shape is not None:
            sizes = tuple(None if n is None else int(n) for n in self.input_shape)
            if not sizes or any(n is not None and n < 1 for n in sizes):
                raise ValueError(f"got input_shape={self.input_shape}, expected the shape of one input, such as "
                                 "(28, 28, 1), with None where any size will do")
            object.__setattr__(self, "input_shape", sizes)
        if isinstance(self.labels, str) or not all(isinstance(label, str) for label in self.labels):
            raise ValueError(f"got labels={self.labels!r}, expected a list with the name of each output")
        object.__setattr__(self, "labels", tuple(self.labels))
        for name, known in (("head", HEADS), ("layout", LAYOUTS), ("source", SOURCES),
                            ("fit", FITS), ("pixels", PIXELS)):
            if getattr(self, name) not in (None, *known):
                raise ValueError(f"got {name}={getattr(self, name)!r}, expected one of {', '.join(map(str, known))}, "
                                 "or None")

    def entries(self) -> dict[str, object]:
        """What is known, as plain values that JSON can hold.

        Returns
        -------
        A dictionary; `Card(**entries)` is the card again.
        """
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    def check(self, x: Array) -> None:
        """Refuse a batch whose axes are not in the order that the network expects, where that can be told.

        Images of other sizes pass: a network of convolutions may take them, and another says what it needs.

        Parameters
        ----------
        x : inputs (N, ...).

        Raises
        ------
        ValueError : axes in another order, or images that were flattened.
        """
        expected, actual = self.input_shape, tuple(x.shape[1:])
        if self.pixels == 255 and x.dtype.kind == "f" and 0 < x.max() <= 1 and x.min() >= 0:
            warnings.warn(f"got pixels from {float(x.min()):.3g} to {float(x.max()):.3g}, but the network takes them "
                          "from 0 to 255, and divides by itself", stacklevel=4)
        if expected is None or matches(actual, expected) or len(expected) < 2:
            return
        images = len(expected) == 3 and (expected[-1] or 1) > 1
        if len(actual) == 1 and images:
            raise ValueError(f"got images flattened to {actual[0]} numbers, expected {written(expected)}: whether they "
                             "were flattened channels first or last cannot be told; give them as images")
        if len(actual) != len(expected):
            return
        moved = None not in expected and sorted(actual) == sorted(expected)
        if moved or expected[-1] not in (None, actual[-1]):
            raise ValueError(f"got inputs of shape {actual}, expected {ordered(expected)}"
                             + advice(actual, expected) + ". If the network takes other sizes, too, say so: "
                             "net.with_card(input_shape=(None, None, channels))" * (len(expected) == 3 and moved))

    def check_outputs(self, y: Array) -> Array:
        """The outputs themselves, if the labels are as many.

        Parameters
        ----------
        y : outputs (N, outputs), (N,) or (N, ..., outputs).

        Returns
        -------
        `y`.

        Raises
        ------
        ValueError : more labels, or fewer.
        """
        self.check_labels(y.shape[-1] if y.ndim > 1 else 1)
        return y

    def check_labels(self, outputs: int) -> None:
        """Refuse labels that are not as many as the outputs. A single output may have two: against it, and for it.

        Parameters
        ----------
        outputs : how many there are.

        Raises
        ------
        ValueError : more labels, or fewer.
        """
        if self.labels and len(self.labels) != outputs and (outputs, len(self.labels)) != (1, 2):
            raise ValueError(f"got {len(self.labels)} labels ({', '.join(self.labels[:3])}, ...), but the network has "
                             f"{outputs} outputs; expected a name for each, in their order, '' where there is none")

    def label(self, k: int) -> str:
        """The name of an output; its number where it has no name.

        Parameters
        ----------
        k : the number of the output.

        Returns
        -------
        The name.
        """
        return self.labels[k] if k < len(self.labels) and self.labels[k] else str(k)

    def index(self, label: str) -> int:
        """The number of the output of this name, in upper or lower case.

        Parameters
        ----------
        label : the name.

        Returns
        -------
        The number, from 0.

        Raises
        ------
        ValueError : no output of this name, or more than one.
        """
        found = [k for k, name in enumerate(self.labels) if name.casefold() == label.casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"the label {label!r} belongs to the outputs {', '.join(map(str, found))}; give one of "
                             "these numbers")
        near = [name for name in self.labels if label.casefold() in name.casefold()][:5] or self.labels[:5]
        raise ValueError(f"got the label {label!r}, expected one of the network's {len(self.labels)} labels, such as "
                         f"{', '.join(near)}{meant(label, self.labels)}" if self.labels else
                         f"got the label {label!r}, but the network has no labels; give the number of an output")

    def text(self) -> list[str]:
        """What is known, in words.

        Returns
        -------
        A line for each thing.
        """
        lines = []
        if self.input_shape is not None:
            lines.append(f"input    {ordered(self.input_shape)}"
                         + (f", in the file {self.layout}" if self.layout == LAYOUTS[0] else ""))
        if self.source is not None:
            lines.append(f"from     {MADE_OF[self.source]}")
        if self.fit is not None:
            lines.append(f"fit      {CUT[self.fit]}")
        if self.pixels is not None:
            lines.append(f"pixels   from 0 to {self.pixels}")
        if self.labels:
            shown = ", ".join(self.labels[:4]) + (", ..." if len(self.labels) > 4 else "")
            lines.append(f"outputs  {len(self.labels)} labels: {shown}")
        if self.head is not None:
            lines.append(f"head     {self.head} left out, outputs are logits; net.probabilities(x) applies it")
        return lines


def largest_pixel(card: Card, first: Layer) -> int:
    """The largest value of a pixel as a network with this card and first layer takes it, 1 or 255."""
    if card.pixels is not None:
        return card.pixels
    if isinstance(first, Prepare):
        return 255 if of_bytes(first.mean, first.std) else 1
    if isinstance(first, BatchNorm2d):
        return 255 if of_bytes(first.mean, first.variance ** 0.5) else 1
    if isinstance(first, ChannelScale):                         # learnt, perhaps: only what nothing else explains
        W, b = to_numpy(first.W), 0 if first.b is None else to_numpy(first.b)
        scale = np.where(W == 0, 1, W)
        return 255 if abs(scale).max() < 1 / 50 or abs(b / scale).min() > 50 else 1
    return 1


def extended(card: Card, layers: list, **known: Any) -> Card:
    """The card of these layers with more on it. ValueError, or a warning, where that contradicts the layers."""
    card, first = replace(card, **known), layers[0]
    outputs = outputs_of(layers)
    if "labels" in known and outputs is not None:
        card.check_labels(outputs)
    if not isinstance(first, Prepare) or not any(isinstance(layer, (Conv2d, Flatten)) for layer in layers):
        return card                                             # columns of a table may have any mean
    meant = largest_pixel(replace(card, pixels=None), first)
    if meant == 255 and card.pixels != 255:
        mean = ", ".join(f"{n / 255:.3g}" for n in to_numpy(first.mean).reshape(-1)[:3])
        warnings.warn(f"{first!r} is meant for pixels from 0 to 255, so that is what the network takes; for pixels "
                      f"from 0 to 1 divide both by 255, which makes the mean {mean}", stacklevel=3)
        return replace(card, pixels=255)
    if meant == 1 and card.pixels == 255:
        warnings.warn(f"{first!r} is meant for pixels from 0 to 1, but the network takes them from 0 to 255; multiply "
                      "both by 255, unless what it reads is divided before", stacklevel=3)
    return card


def outputs_of(layers: list) -> int | None:
    """How many outputs a list of layers has, where its last weights tell."""
    for layer in reversed(layers):
        if isinstance(layer, (Conv2d, Dense)):
            return int(layer.W.shape[-1])
        if not isinstance(layer, (Elementwise, GlobalAvgPool, Softmax)):
            return None
    return None


def of_bytes(mean: float | Sequence[float] | Array | None, std: float | Sequence[float] | Array | None) -> bool:
    """Whether (x - mean) / std is meant for pixels from 0 to 255: in [0, 1] a mean is at most 1, a deviation 0.5."""
    mean, std = (to_numpy(a) if hasattr(a, "dtype") else np.asarray(a, float) for a in
                 (0 if mean is None else mean, 1 if std is None else std))
    return bool(abs(mean).max() > 2 or std.max() > 10)


def matches(actual: tuple, expected: tuple) -> bool:
    """Whether a shape is the expected one, of which sizes may be free."""
    return len(actual) == len(expected) and all(n in (None, m) for m, n in zip(actual, expected))


def written(shape: tuple[int | None, ...]) -> str:
    """A shape in words: (any, any, 3)."""
    sizes = ["any" if n is None else str(n) for n in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def ordered(shape: tuple[int | None, ...]) -> str:
    """A shape and what its axes are. Of four axes and more that depends: volumes have a depth, films have frames."""
    return f"{ORDERS[len(shape)]} = {written(shape)}" if len(shape) in ORDERS else written(shape)


def advice(actual: tuple, expected: tuple) -> str:
    """How to bring the axes into order, if that would help."""
    if matches((*actual[1:], actual[0]), expected):
        axes, known = (0, *range(2, len(actual) + 1), 1), len(actual) in ORDERS
        return f"; if {'the channels come first' if known else 'axis 1 belongs at the end'}, write x.transpose{axes}"
    turned = len(actual) == 3 and matches((actual[1], actual[0], actual[2]), expected)
    return "; height and width may have changed places" if turned else ""


def squash(head: str | None, y: Array) -> Array:
    """What the network's head makes of its logits.

    Parameters
    ----------
    head : "Softmax", "LogSoftmax", "Sigmoid" or "Tanh", as on a card.
    y : logits (N, outputs), or (N, H, W, outputs).

    Returns
    -------
    An array like y: probabilities for "Softmax", "LogSoftmax" and "Sigmoid", numbers from -1 to 1 for "Tanh".

    Raises
    ------
    ValueError : a card that names no head.
    """
    xp = array_module(y)
    if head in ("Softmax", "LogSoftmax"):
        return softmax(y)
    if head == "Sigmoid":
        return 0.5 * (1 + xp.tanh(0.5 * y))
    if head == "Tanh":
        return xp.tanh(y)
    raise ValueError("the network's card names no Softmax or Sigmoid that was left out behind the last layer; if its "
                     'outputs are logits, say so: net.with_card(head="Softmax").probabilities(x)')
