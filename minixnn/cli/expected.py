"""The network that is asked for, and what it takes: pictures of some size, rows of numbers, sequences or tokens."""
from __future__ import annotations

import pathlib
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np

from minixnn.arrays import Array
from minixnn import models
from minixnn.card import largest_pixel, outputs_of
from minixnn.cli import images
from minixnn.cli.errors import sentence
from minixnn.layers import (ChannelScale, Conv1d, Conv2d, Dense, Embedding, Flatten, Input, MatMul,
                            Prepare)
from minixnn.network import Network
from minixnn.spelling import meant

PHOTOGRAPH = 64                 # pixels: a grey picture with as many on each side may be a photograph
MOST_LABELS = 10_000_000        # characters of a file of labels
Size: TypeAlias = tuple[int, ...] | None        # (height, width) of --size


def open_model(name: str, size: Size = None, mean: Array | None = None, std: Array | None = None,
               labels: str | None = None) -> Network:
    """The network of a --model, with the preparation and the labels that were given. size: for a file of any size."""
    path = pathlib.Path(name)
    if name.casefold() in models.names():
        net = models.load(name.casefold())
    elif not name.endswith((".npz", ".onnx")):
        raise ValueError(f"got --model {name}, expected a .npz or .onnx file, or one of {', '.join(models.names())}"
                         f"{instead_of(name)}")
    elif not path.exists():
        there = [other.name for other in path.parent.glob("*") if other.suffix in (".npz", ".onnx")]
        shipped = f"; the shipped network is --model {path.stem}" if path.stem in models.names() else ""
        raise FileNotFoundError(f"there is no such file as {name}{shipped or meant(path.name, there)}")
    else:
        net = from_onnx(name, size) if name.endswith(".onnx") else Network.load(name)
    if mean is not None or std is not None:
        one, channels = expected(net).row, expected(net).picture[2]
        for given in (mean, std):
            if given is not None and given.size not in (1, one or channels or given.size):
                raise ValueError(f"got {given.size} numbers for --mean or --std, expected one, or one for each of the "
                                 f"{one or channels} {'columns' if one else 'channels'}")
        net = net.with_card(mean, std)
    return net if labels is None else net.with_card(labels=lines(labels, outputs_of(net.layers)))


INSTEAD = {                     # what to do about a --model of this ending
    (".pt", ".pth"): "interop.from_torch reads a torch module, net.save writes it as .npz",
    (".h5", ".keras", ".pb", ".tflite"): "export it as ONNX",
    (".safetensors",): "it holds weights without their network: load it in torch, then use interop.from_torch"}


def instead_of(name: str) -> str:
    """What to do about a --model that is neither a file that can be read nor a shipped network."""
    for endings, what in INSTEAD.items():
        if name.endswith(endings):
            return f"; {what}"
    if name.lower().endswith(images.PICTURES):
        return f"; {name} is a picture, given in the place of the network"
    if name.lower() in ("mnist", "digits", "lenet"):
        return "; networks of digits are dense, cnn and vit"
    return meant(name, models.names()) or "; other networks come as ONNX files, or through interop.from_torch"


def from_onnx(path: str, size: Size) -> Network:
    """The network in an ONNX file; if the file leaves open what something depends on, for pictures of this size."""
    from minixnn import interop
    from minixnn.interop.onnx_file import open_sizes
    try:
        return interop.from_onnx(path)
    except ValueError as error:
        shape = open_sizes(path) if "input_shape" in str(error) else None
        if shape is None or shape.count(None) != 2:
            raise
        if size is None:
            raise ValueError(f"{path} takes pictures of any size, and its layers depend on it; give --size "
                             "HEIGHTxWIDTH, such as --size 224x224") from error
        sizes = iter(size)
        return interop.from_onnx(path, tuple(next(sizes) if n is None else n for n in shape))


def prepares(net: Network) -> bool:
    """Whether something says how pixels are prepared: the first layer, or the card."""
    return net.card.pixels is not None or isinstance(net.layers[0], (Prepare, ChannelScale))


def of_unit_pixels(net: Network) -> Network:
    """The same network for pixels from 0 to 1, as pictures are read here, where it takes them from 0 to 255."""
    first = net.layers[0]
    if largest_pixel(net.card, first) == 1:
        return net
    if isinstance(first, Prepare):
        net = net.replaced(0, Prepare(first.mean / 255, first.std / 255))
    else:
        net = Network([Prepare(np.float32(0), np.float32(1 / 255))], card=net.card).then(net)
    return Network(net.layers, net.inputs, names=net.names, card=replace(net.card, pixels=1))


def usual_method(net: Network, size: Size = None) -> str:
    """The method where none is asked for; docs/which_method.md has what it rests on."""
    given = expected(net, size)
    if net.card.source == "bytes":
        return "lrp_epsilon"
    if any(isinstance(layer, MatMul) for layer in net.layers):
        return "attn_lrp"
    if given.tokens is not None:
        return "lrp_epsilon"
    return "lrp_by_depth" if of_photographs(net, size) else "lrp_epsilon_plus"


def of_photographs(net: Network, size: Size = None) -> bool:
    """Whether pictures for `net` are photographs: as its card says, else of three channels and not small."""
    if net.card.source is not None:
        return net.card.source == "photograph"
    *sides, channels = expected(net, size).picture
    return channels == 3 and all(side is not None and side >= PHOTOGRAPH for side in sides)


def usual_model(paths: list[str]) -> str:
    """The network for files without --model: a picture that is large or has colours is taken for a photograph."""
    files = images.find(paths, None)
    first = next((path for path in files if path.suffix.lower() in images.PICTURES), files[0])
    images.expect_file(first)
    try:
        array, _ = images.decode(first)
        if array.ndim == 4 and array.shape[-1] == 3:            # several photographs
            array = array[0]
        if array.ndim == 3 and array.shape[0] == 3 and min(array.shape[1:]) >= PHOTOGRAPH:
            raise images.NoPixels(f"holds an array of shape {array.shape}, whose channels come first; write "
                                  "array.transpose(1, 2, 0)")
        some = array[::max(1, len(array) // 1024), ::max(1, array.shape[1] // 1024)] if array.ndim == 3 else array
        colour = some.ndim == 3 and some.shape[-1] == 3 and bool((np.ptp(some, axis=-1) > 0).any())
    except ImportError:
        raise
    except images.NoPixels as error:
        raise ValueError(f"{first} {error}") from error
    except Exception as error:                                  # damaged files make their readers raise anything at all
        cut = isinstance(error, OSError) and "truncated" in str(error)
        raise ValueError(f"{first} {sentence(error)}; " + (
            "a part of it is missing: copy or download it again" if cut else
            "if it is no picture, give --model magika, which tells the type of a file")) from error
    if not colour and (array.ndim not in (2, 3) or min(array.shape[:2]) < PHOTOGRAPH):
        raise ValueError(f"got no --model, and {first} is no colour picture; give --model: dense or cnn for a digit, "
                         "magika for the type of a file, or a .npz or .onnx file")
    return "efficientnet_lite0"


def lines(path: str, count: int | None = None, what: str = "labels") -> list[str]:
    """The lines of a text file with a label each; an empty one is an output without a name.

    count: the number of outputs, where it is known; empty lines at the end that are too many for it go. what: the
    option that names the file.
    """
    try:
        if pathlib.Path(path).exists():
            images.expect_file(pathlib.Path(path))          # a device may never end
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(MOST_LABELS)
            if file.read(1):
                raise ValueError(f"has more than {MOST_LABELS} characters")
    except (OSError, ValueError) as error:
        raise ValueError(f"--{what} {path} cannot be read: {sentence(error)}") from error
    found = [line.strip() for line in text.removesuffix("\n").split("\n")]
    while found and not found[-1] and (count is None or len(found) > count):
        found.pop()
    return found


class Expected(NamedTuple):
    """What an input is: a picture (height, width, channels), a row of numbers, a sequence (steps, channels), tokens.

    None stands where anything goes. tokens: how many there are to choose from, and how many an input has.
    """
    picture: tuple
    row: int | None = None
    sequence: tuple | None = None
    tokens: tuple | None = None


def expected(net: Network, given: Size = None) -> Expected:
    """What `net` takes, by its card; where that is silent, as far as its first weights tell. A given size wins."""
    shape = net.card.input_shape
    if net.card.source == "bytes":
        return Expected((None, None, None))
    first_readers = [net.layers[l] for l in net.readers(0)]
    if len(first_readers) > 1 and any(isinstance(layer, Input) for layer in first_readers):
        raise ValueError("the network takes several inputs, which are explained from Python: "
                         "attribution.lrp(net, (one, other))")
    if all(getattr(layer, "takes_integers", False) for layer in first_readers):
        kinds = [len(layer.W) for layer in first_readers if isinstance(layer, Embedding)]
        length = shape[0] if shape is not None and len(shape) == 1 else None
        return Expected((None, None, None), tokens=(min(kinds, default=None), length))
    if shape is not None and len(shape) == 2:
        return Expected((None, None, None), sequence=shape)
    if isinstance(net.layers[0], Conv1d):
        return Expected((None, None, None), sequence=(None, net.layers[0].W.shape[1]))
    if shape is not None and len(shape) == 3:
        return Expected((*(given or shape[:2]), shape[2]))
    if shape is not None and len(shape) == 1 and shape[0] is not None:
        return Expected((*(given or (None, None)), None), shape[0])
    layers = net.layers
    first = next((layer for layer in layers if isinstance(layer, (Conv2d, Dense))), None)
    flattened = any(isinstance(layer, Flatten) for layer in layers[:layers.index(first) if first else None])
    channels, row = None, None
    if isinstance(first, Conv2d):
        channels = first.W.shape[2] * first.groups
    elif first is not None and not flattened:
        row = first.W.shape[0]
    return Expected((*(given or (None, None)), channels), row)


def hint(net: Network, size: Size) -> str:
    """What to say where a network cannot take a picture of the size that it happens to have."""
    known = size is not None or net.card.input_shape is not None
    return "" if known else "; give --size HEIGHTxWIDTH, the size of the images that the network was trained on"
