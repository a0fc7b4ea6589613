"""What a pass may start from in place of one target: arrays of the output's shape, for `start=`."""
from collections.abc import Sequence

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, array_module, like
from minixnn.logits import head_of
from minixnn.network import Network, expect_network
from minixnn.passes import Target


def contrast(net: Network, x: Array, target: Target = None, other: Target = None, *, relevance: bool = True,
             batch_size: int | None = None, workers: int = 1) -> Array:
    """The start "output of `target` minus output of `other`": what speaks for one class *rather than* the other.

    A network with one output z has the logit of class 1; the logit of class 0 is 0. So the contrast is z for class 1
    and -z for class 0.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the class to explain: None for the largest output, an int, or one int per image.
    other : the class to compare with, likewise; None for the largest output besides the target.
    relevance : True for LRP and deep Taylor, which start with the two outputs, the other's sign turned; False for
        gradients and DeepLIFT, which start with the derivatives 1 and -1.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The start, (N, classes).

    Raises
    ------
    ValueError : a network that ends in a softmax or a sigmoid, of which the logits are to be compared; classes that do
        not exist; with one output, a class compared with itself.
    """
    expect_network(net)
    if (head := head_of(net)) is not None:
        raise ValueError(f"the network ends in {net.layers[head]!r}, and the contrast of two classes is one of "
                         "their logits; give contrast and the method minixnn.logits.logits(net) in the network's place")
    y = net.predict(x, batch_size, workers)
    if y.shape[1:] == (1,):
        sign = sign_of_class(y, target, other)
        return y * sign if relevance else sign
    one = passes.one_hot(y, target)
    if other is None:
        other = array_module(y).where(one == 1, y.min() - 1, y).argmax(axis=1)
    start = one - passes.one_hot(y, other)
    return y * start if relevance else start


def sign_of_class(y: Array, target: Target, other: Target) -> Array:
    """1 where the target is class 1, -1 where it is class 0, for a network with one output.

    Parameters
    ----------
    y : logits (N, 1).
    target : None for the class that the sign of the logit says, 0 or 1, or one of them per image.
    other : None, or the class to compare with.

    Returns
    -------
    The signs, (N, 1).

    Raises
    ------
    ValueError : an `other` that is the target.
    """
    xp = array_module(y)
    chosen = (y > 0) if target is None else passes.one_hot(xp.concatenate([-y, y], axis=1), target)[:, 1:] > 0
    if other is not None and bool((xp.asarray(other).reshape(-1, 1) == chosen).any()):
        raise ValueError(f"got other={other}, which is the target; one output tells two classes apart, 1 and 0")
    return xp.where(chosen, y * 0 + 1, y * 0 - 1)


def unit(net: Network, x: Array, index: int | Sequence[int], *, relevance: bool = True, batch_size: int | None = None,
         workers: int = 1) -> Array:
    """The start at one entry of the output.

    To explain a neuron inside a network cut the network first: unit(net.part(0, l), x, (3, 4, 7)).

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    index : a number, or (row, column, channel) where the outputs are images.
    relevance : True for LRP, which starts with the entry's value; False for gradients, which start with 1.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The start, of the output's shape, 0 elsewhere.

    Raises
    ------
    IndexError : an index beyond the output.
    TypeError : what is no Network.
    """
    expect_network(net)
    y = net.predict(x, batch_size, workers)
    place = (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
    start = y * 0
    start[place] = y[place] if relevance else 1
    return start


def channel(net: Network, x: Array, index: int, *, relevance: bool = True, batch_size: int | None = None,
            workers: int = 1) -> Array:
    """The start at one channel of the output, everywhere in the image.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    index : the channel, a number along the last axis of the output.
    relevance : True for LRP, which starts with the outputs; False for gradients, which start with 1.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The start, of the output's shape, 0 in the other channels.

    Raises
    ------
    IndexError : a channel that the output lacks.
    TypeError : what is no Network.
    """
    expect_network(net)
    y = net.predict(x, batch_size, workers)
    start = y * 0
    start[..., index] = y[..., index] if relevance else 1
    return start


def region(net: Network, x: Array, box: Sequence[int], index: int, *, relevance: bool = True,
           batch_size: int | None = None, workers: int = 1) -> Array:
    """The start at channel `index` of outputs that are images, inside a box: why is this found here?

    Those entries of the output (N, h, w, channels) count whose centre lies inside the box; if there are none, the one
    nearest to the centre of the box.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C).
    box : (top, left, bottom, right) in pixels of x, bottom and right excluded; one for all images, or one for each, (N,
        4).
    index : the channel of the output.
    relevance : True for LRP, which starts with the outputs; False for gradients, which start with 1.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The start, (N, h, w, channels), 0 outside the box and in the other channels.

    Raises
    ------
    ValueError : inputs or outputs that are no images, a box that is empty or lies outside.
    """
    expect_network(net)
    y = net.predict(x, batch_size, workers)
    if y.ndim != 4 or x.ndim != 4:
        raise ValueError(f"got outputs of shape {y.shape} for inputs of shape {x.shape}, expected images (N, height, "
                         "width, channels) on both sides, in which a box can lie; give a target in its place")
    start = y * 0
    start[..., index] = y[..., index] if relevance else 1
    return start * inside(box, y.shape, x.shape[1:3], y)


def inside(box: Sequence[int], shape: tuple[int, ...], size: tuple[int, ...], y: Array) -> Array:
    """1 where outputs lie in the box of images, else 0.

    Parameters
    ----------
    box : (top, left, bottom, right) in pixels of the images, or one for each, (N, 4).
    shape : of the outputs, (N, h, w, C).
    size : (H, W) of the images.
    y : an array whose kind and dtype the result has.

    Returns
    -------
    The mask, (N, h, w, 1).

    Raises
    ------
    ValueError : a box that is empty or lies outside.
    """
    boxes = np.broadcast_to(np.asarray(box, float), (shape[0], 4))
    mask = np.ones((shape[0], *shape[1:3], 1))
    for n, edges in enumerate(boxes):
        if not (0 <= edges[0] < edges[2] <= size[0] and 0 <= edges[1] < edges[3] <= size[1]):
            raise ValueError(f"got the box {tuple(edges.tolist())}, expected (top, left, bottom, right) with 0 <= top "
                             f"< bottom <= {size[0]} and 0 <= left < right <= {size[1]}, in pixels")
        for axis in (0, 1):
            middles = (np.arange(shape[1 + axis]) + 0.5) * size[axis] / shape[1 + axis]
            begin, end = edges[axis], edges[axis + 2]
            there = (middles >= begin) & (middles < end)
            if not there.any():
                there[abs(middles - (begin + end) / 2).argmin()] = True
            mask[n] *= there[:, None, None] if axis == 0 else there[None, :, None]
    return like(y, mask.astype(y.dtype))
