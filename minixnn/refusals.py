"""What a network refuses, and the sentences in which it says why: of layers, connections, inputs and outputs."""
import functools
import inspect
from collections.abc import Sequence

import numpy as np

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Arrays, Join
from minixnn.layers.shape import Reshaping
from minixnn.rules.composites import HasLayers


def check_layer(layer: object, l: int) -> None:
    """Refuse what is no layer.

    Parameters
    ----------
    layer : anything.
    l : its number.

    Raises
    ------
    ValueError : no layer, or one without a gradient of three arguments.
    """
    if isinstance(layer, type) or not hasattr(layer, "forward"):
        raise ValueError(f"got {layer!r} as layer {l}, expected a layer, such as ReLU() with its brackets")
    check_methods(type(layer))                   # type: ignore[arg-type]


def check_connections(net: HasLayers) -> None:
    """Refuse a layer with too few or too many inputs, and one whose output nobody reads.

    Parameters
    ----------
    net : the Network.

    Raises
    ------
    ValueError : such a layer.
    """
    for l, layer in enumerate(net.layers):
        count = len(net.inputs[l])
        fewest, most = getattr(layer, "fewest_inputs", 1), getattr(layer, "most_inputs", 1)
        fewest = max(fewest, 2) if isinstance(layer, Join) else fewest      # a join of one input joins nothing
        if not fewest <= count <= most:
            raise ValueError(f"layer {l}, {layer!r}, has {count} inputs, expected "
                             f"{fewest if fewest == most else f'{fewest} or more'}"
                             + ("; branches meet in a join, such as Add() or Concat()" if count > most else ""))
    read = {i for sources in net.inputs for i in sources}
    unread = [l for l in range(len(net.layers) - 1) if l + 1 not in read]
    if unread:
        raise ValueError(f"no layer reads what layer {unread[0]}, {net.layers[unread[0]]!r}, makes, and it is not the "
                         "output, which is the last layer's; leave it out, or connect it")


@functools.cache
def check_methods(kind: type) -> None:
    """Refuse a class whose gradient has the arguments (x, dy), without y."""
    gradient = getattr(kind, "gradient", None)
    if gradient is None:
        raise ValueError(f"{kind.__name__} has no gradient; write gradient(self, x, y, dy) -> dx, or derive it from "
                         "minixnn.layers.Layer")
    names = list(inspect.signature(gradient).parameters.values())
    if len(names) < 4 and not any(p.kind is p.VAR_POSITIONAL for p in names):
        raise ValueError(f"{kind.__name__}.gradient takes ({', '.join(p.name for p in names[1:])}), expected (x, y, "
                         "dy): a layer is handed both its sides, the input x and the output y = forward(x)")


def check_parts(x: Arrays, net: HasLayers) -> None:
    """Refuse a tuple of inputs that does not fit the network's `Input` layers, one for each.

    Parameters
    ----------
    x : a tuple of arrays (N, ...).
    net : the Network.

    Raises
    ------
    ValueError : too many inputs, or too few, or of different lengths; and as for `check_input`.
    """
    pickers = [net.layers[l] for l in net.readers(0)]
    indices = {getattr(layer, "index", None) for layer in pickers}
    if indices != set(range(len(x))):
        raise ValueError(f"got a tuple of {len(x)} inputs for a network whose first layers are {pickers}, expected an "
                         "Input(k) for each of them")
    if len({len(part) for part in x}) > 1:
        raise ValueError(f"got inputs of {' and '.join(str(len(part)) for part in x)} rows, expected as many of each")
    for k, part in enumerate(x):
        entries = [i + 1 for i in net.readers(0) if getattr(net.layers[i], "index", None) == k]
        check_input(part, net, entries)


def check_input(x: Array, net: HasLayers, entries: Sequence[int] = (0,)) -> None:
    """Refuse what would go wrong silently, or far from here: no images, whole numbers, NaN and infinity.

    Whole numbers are tokens where all layers that read them take tokens, as an Embedding does, which checks them
    itself.

    Parameters
    ----------
    x : inputs (N, ...).
    net : the Network.
    entries : the numbers of the activations that x is.

    Raises
    ------
    ValueError : an input that the network does not take.
    TypeError : what is no array.
    """
    xp = array_module(x)
    if x.ndim < 2:
        raise ValueError(f"got an array of shape {x.shape}, expected a batch with the images along the first "
                         "axis; write x[None] for a single image")
    if x.size == 0:
        raise ValueError(f"got an empty batch of shape {x.shape}, expected at least one image" if len(x) == 0 else
                         f"got an array of shape {x.shape}, expected at least one number for each image")
    if x.dtype.kind != "f":
        readers, left = [], list(entries)
        while left:                                         # a layer that only moves numbers takes what the next takes
            for l in net.readers(left.pop()):
                moves = isinstance(net.layers[l], Reshaping) and net.readers(l + 1)
                left += [l + 1] if moves else []
                readers += [] if moves else [net.layers[l]]
        if x.dtype.kind in "iub" and all(getattr(layer, "takes_integers", False) for layer in readers):
            return
        raise ValueError(f"got numbers of type {x.dtype}, expected floating point; convert the images as the network "
                         "was trained on them: x.astype('float32') / 255, undivided where card.pixels is 255")
    if not xp.isfinite(x).all().item():
        raise ValueError("got NaN or infinite numbers in the input, expected finite ones; look for a division by zero "
                         "where the images are prepared")


def check_output(y: Array) -> Array:
    """The outputs themselves, if they are finite, as the input and the weights are.

    Parameters
    ----------
    y : outputs.

    Returns
    -------
    `y`.

    Raises
    ------
    ValueError : NaN or infinity.
    """
    if not (abs(y) < np.inf).all().item():                  # nor is NaN
        raise ValueError(f"the network's output has NaN or infinite numbers: they grew beyond what {y.dtype} holds; "
                         "compute in double precision, net.astype('float64'), or look for inputs that were not "
                         "prepared as in training")
    return y
