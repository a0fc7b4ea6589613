"""What a pass may start from in place of one target: arrays of the output's shape, for `start=`."""
from typing import Any

from minixnn import passes
from minixnn.arrays import Array, array_module
from minixnn.logits import head_of
from minixnn.network import Network, expect_network
from minixnn.passes import Target


def contrast(net: Network, x: Array, target: Target = None, other: Target = None, *, relevance: bool = True,
             batch_size: int | None = None, workers: int = 1) -> Array:
    """The start "output of `target` minus output of `other`": what speaks for one class *rather than* the other.

    Shape of the output (N, classes). other: an int or one int per image; None is the largest output besides the
    target. With `relevance`, as LRP and deep Taylor start: the two outputs, the other's sign turned. Without,
    as gradients and DeepLIFT start: the derivatives 1 and -1.

    One output z is the logit of class 1, and 0 is that of class 0: z for class 1, -z for class 0.
    """
    expect_network(net)
    if head_of(net) is not None:
        raise ValueError(f"the network ends in {net.layers[head_of(net)]!r}, and the contrast of two classes is one of "
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
    """1 where the target is class 1, -1 where it is class 0, for the logits y (N, 1) of one output."""
    xp = array_module(y)
    chosen = (y > 0) if target is None else passes.one_hot(xp.concatenate([-y, y], axis=1), target)[:, 1:] > 0
    if other is not None and bool((xp.asarray(other).reshape(-1, 1) == chosen).any()):
        raise ValueError(f"got other={other}, which is the target; one output tells two classes apart, 1 and 0")
    return xp.where(chosen, y * 0 + 1, y * 0 - 1)


def unit(net: Network, x: Array, index: Any, *, relevance: bool = True, batch_size: int | None = None,
         workers: int = 1) -> Array:
    """The start at one entry of the output: `index` is a number, or (row, column, channel) where it is images.

    To explain a neuron inside a network cut the network first: unit(net.part(0, l), x, (3, 4, 7)).
    With `relevance` the entry's value is the start, as LRP wants it; without it 1, as gradients do.
    """
    expect_network(net)
    y = net.predict(x, batch_size, workers)
    index = (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
    start = y * 0
    start[index] = y[index] if relevance else 1
    return start


def channel(net: Network, x: Array, index: int, *, relevance: bool = True, batch_size: int | None = None,
            workers: int = 1) -> Array:
    """The start at one channel of the output, everywhere in the image. Otherwise as `unit`."""
    expect_network(net)
    y = net.predict(x, batch_size, workers)
    start = y * 0
    start[..., index] = y[..., index] if relevance else 1
    return start
