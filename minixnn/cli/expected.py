"""Which network is asked for, and what it takes: pictures of some size, or rows of numbers."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minixnn.arrays import Array
from minixnn import models
from minixnn.cli import images
from minixnn.cli.errors import sentence
from minixnn.cli.images import MOST_PIXELS
from minixnn.layers import Conv2d, Dense, Flatten
from minixnn.network import Network


def open_model(name: str, mean: str | None = None, std: str | None = None, labels: str | None = None) -> Network:
    """The network of a --model, with the preparation and the labels that were given."""
    if name in models.names():
        net = models.load(name)
    elif name.endswith(".onnx"):
        from minixnn import interop
        net = interop.from_onnx(name)
    elif name.endswith(".npz"):
        net = Network.load(name)
    else:
        more = "; interop.from_torch reads a torch module, net.save writes it as .npz" * name.endswith((".pt", ".pth"))
        raise ValueError(f"got --model {name}, expected a .npz or .onnx file, or one of {', '.join(models.names())}"
                         + more)
    if mean is not None or std is not None:
        mean, std = numbers(mean, "mean"), numbers(std, "std")
        one, channels = expected(net).row, expected(net).picture[2]
        for given in (mean, std):
            if given is not None and given.size not in (1, one or channels or given.size):
                raise ValueError(f"got {given.size} numbers for --mean or --std, expected one, or one for each of the "
                                 f"{one or channels} {'columns' if one else 'channels'}")
        net = net.with_card(mean, std)
    return net if labels is None else net.with_card(labels=lines(labels))


def usual_model(paths: list[str]) -> str:
    """The network for files of which nothing else is said: a colour picture is a photograph. ValueError for others."""
    first = images.find(paths, None)[0]
    try:
        array, _ = images.decode(first)
        colour = array.ndim == 3 and array.shape[-1] == 3 and bool((np.ptp(array, axis=-1) > 0).any())
    except ImportError:
        raise
    except Exception as error:                                  # damaged files make their readers raise anything at all
        raise ValueError(f"{first} {sentence(error)}; if it is no picture, give --model magika, which tells the type "
                         "of a file") from error
    if not colour:
        raise ValueError(f"got no --model, and {first} is no colour picture; give --model: dense or cnn for a digit, "
                         "magika for the type of a file, or a .npz or .onnx file")
    return "efficientnet_lite0"


def numbers(text: str | None, what: str) -> Array | None:
    """"0.485,0.456,0.406" as an array; one number for all channels, or one for each."""
    if text is None:
        return None
    try:
        found = np.array([float(part) for part in text.split(",")], np.float32)
    except ValueError as error:
        raise ValueError(f"got --{what} {text}, expected a number, or one per channel such as 0.485,0.456,0.406"
                         ) from error
    if not np.isfinite(found).all() or what == "std" and (found <= 0).any():
        raise ValueError(f"got --{what} {text}, expected finite numbers{', above 0' if what == 'std' else ''}")
    return found


def lines(path: str) -> list[str]:
    """The lines of a text file with a label each."""
    try:
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--labels {path} cannot be read: {sentence(error)}") from error


class Expected(NamedTuple):
    """What one input is: a picture (height, width, channels) with None where anything goes, or a row of numbers."""
    picture: tuple
    row: int | None = None


def expected(net: Network, size: str | None = None) -> Expected:
    """What `net` takes, by its card; where that is silent, as far as its first weights tell. size: "HxW" wins."""
    given = asked_size(size)
    shape = net.card.input_shape
    if net.card.source == "bytes":
        return Expected((None, None, None))
    if shape is not None and len(shape) == 3:
        return Expected((*(given or shape[:2]), shape[2]))
    if shape is not None and len(shape) == 1 and shape[0] is not None:
        return Expected((*(given or (None, None)), None), shape[0])
    layers = net.layers
    first = next((n for n, layer in enumerate(layers) if isinstance(layer, (Conv2d, Dense))), None)
    flattened = any(isinstance(layer, Flatten) for layer in layers[:first])
    channels, row = None, None
    if first is not None and isinstance(layers[first], Conv2d):
        channels = layers[first].W.shape[2] * getattr(layers[first], "groups", 1)
    elif first is not None and not flattened:
        row = layers[first].W.shape[0]
    return Expected((*(given or (None, None)), channels), row)


def asked_size(text: str | None) -> tuple[int, ...] | None:
    """"224x160" -> (224, 160); None stays None."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and side.isascii() and int(side) for side in sides):
        raise ValueError(f"got --size {text}, expected height and width such as 224x224")
    height, width = map(int, sides)
    if height * width > MOST_PIXELS:
        raise ValueError(f"got --size {text}, expected at most {MOST_PIXELS} pixels, 4096x4096")
    return height, width


def hint(net: Network, size: Any) -> str:
    """What to say where a network cannot take a picture of the size that it happens to have."""
    known = size is not None or net.card.input_shape is not None
    return "" if known else "; give --size HEIGHTxWIDTH, the size of the images that the network was trained on"
