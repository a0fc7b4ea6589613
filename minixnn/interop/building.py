"""A program becomes a Network: followed, put in our order of axes, tidied, and given its card."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from minixnn import layers as ours
from minixnn.card import LAYOUTS, Card, largest_pixel
from minixnn.interop.axes import Traced, has_batch, is_batch
from minixnn.interop.builder import Builder
from minixnn.interop.operations.whole import FLOATS
from minixnn.interop.program import Follower, Input, Program
from minixnn.interop.simplify import Plan, drop_head, simplify
from minixnn.network import Network

FIRST, LAST = LAYOUTS
IMAGE_CHANNELS = (1, 3, 4)      # where the program does not tell: a last axis of such a size holds images' channels
WHOLE = ("uint8", "int16", "int32", "int64", "uint16")      # of these numbers pixels are never from 0 to 1
# Layers that leave all axes where they are: what is behind them may say which axis holds the channels.
KEEPING = (ours.ToFloat, ours.Scale, ours.Shift, ours.ChannelScale, ours.Pad, ours.Slice, ours.Roll, ours.Add,
           ours.Multiply, ours.Divide, ours.Concat)


class Reading(NamedTuple):
    """How an input is taken: as which kind of numbers, and its axes in which order."""
    kind: str
    order: tuple[int, ...]


def network(program: Program, layout: str | None = None) -> tuple[Network, list[tuple[int, ...]]]:
    """The Network, with its card: the shape and the order of its input, and the head that was dropped.

    And in which order each of the inputs has the program's axes. Channels are last; where the program has them is seen
    from what its first layers do, so that it is followed again where that is not what was taken for granted.
    """
    readings = [first_reading(replace(entry, kind="f") if entry.kind == "i" and len(entry.shape) == 4 and
                              made_float(program, entry.name) else entry, layout) for entry in program.inputs]
    builder, entries, output = followed(program, readings)
    for _ in range(2):          # twice: where x is read in both orders, as x @ x.T is, the second turns it back
        better = [second_reading(builder, at, reading, layout) for at, reading in zip(entries, readings)]
        if better == readings:
            break
        readings = better
        builder, entries, output = followed(program, readings)
    orders, several = [reading.order for reading in readings], len(readings) > 1
    output = in_our_order(builder, output, orders[0])
    plan = Plan(builder.layers, builder.inputs, builder.names, output.at)
    head = drop_head(plan, len(output.have))
    shape, order = program.inputs[0].shape, orders[0]
    simplify(plan, builder.dtype, shape[order[-1]] if not several else 0)
    read = {layer.index for layer in plan.layers if isinstance(layer, ours.Input)}
    unread = [entry.name for number, entry in enumerate(program.inputs) if several and number not in read]
    if unread:
        raise ValueError(f"the output does not depend on the input {unread[0]!r}; leave it out of the example, or of "
                         f"the graph, or hold one row of it as it is: fixed={{{unread[0]!r}: row}}")
    if not plan.layers:
        plan = Plan([ours.Identity()], [(0,)], [""], 1)
    card = Card(head=head) if several else Card(
        input_shape=tuple(shape[axis] for axis in order[1:]) or None, head=head,
        layout=None if len(shape) < 3 else LAST if order == tuple(range(len(shape))) else FIRST)
    net = Network(plan.layers, plan.inputs, names=plan.names, card=card)
    return net if several else with_pixels(net, program.declared), orders


def followed(program: Program, readings: list[Reading]) -> tuple[Builder, list[int], Traced]:
    """The layers of a program, the numbers of its inputs among the activations, and its output."""
    builder, inputs, entries = Builder(program.batches, program.dtype), {}, []
    for number, (entry, reading) in enumerate(zip(program.inputs, readings)):
        x = builder.input(entry.shape, reading.order, reading.kind, number if len(readings) > 1 else None)
        entries.append(x.at)
        inputs[entry.name] = x if reading.kind != "b" else \
            builder.through(x, ours.ToFloat(np.dtype(program.dtype).name))
    return builder, entries, Follower(program, builder, inputs).run()


def last_is(channel: int, rank: int) -> tuple[int, ...]:
    return 0, *(axis for axis in range(1, rank) if axis != channel), channel


def first_reading(entry: Input, layout: str | None) -> Reading:
    """Tokens and rows as they are, sequences with their channels last, images with their channels in front."""
    rank = len(entry.shape)
    if rank < 3 or entry.kind != "f":
        return Reading(entry.kind, tuple(range(rank)))
    height, width, behind = entry.shape[-3:]
    last = rank == 3 or behind in IMAGE_CHANNELS and min(height, width) > max(IMAGE_CHANNELS)
    return Reading("f", last_is({FIRST: 1, LAST: rank - 1}.get(layout or "", rank - 1 if last else 1), rank))


def made_float(program: Program, name: str) -> bool:
    """Whether an image of whole numbers is made one of floats before anything else is done with it."""
    readers = [each for each in program.needed() if name in each.reads]
    kinds = [each.kwargs.get("to", each.kwargs.get("dtype")) for each in readers]
    return all(made_float(program, each.outputs[0]) if each.name in ("permute", "transpose", "Transpose") else
               each.name in ("Cast", "_to_copy") and (kind in FLOATS or str(kind).startswith("torch.float"))
               for each, kind in zip(readers, kinds))


def second_reading(b: Builder, at: int, reading: Reading, layout: str | None) -> Reading:
    """The channels where the first layers want them: put last by a Permute, or what is left by a mean over the rest."""
    rank, left = len(reading.order), [(at, reading.order)]
    if rank < 3 or reading.kind != "f" or layout is not None:
        return reading
    while left:
        place, order = left.pop(0)
        for l, sources in enumerate(b.inputs):
            layer, found = b.layers[l], order
            if place not in sources:
                continue
            if isinstance(layer, ours.Permute):
                found = (0, *(order[axis + 1] for axis in layer.axes))
            elif isinstance(layer, (ours.MeanOver, ours.MaxOver)) and layer.axes and len(layer.axes) == rank - 2:
                kept = ({*range(1, rank)} - {axis % rank for axis in layer.axes}).pop()
                found = last_is(order[kept], rank)
            elif isinstance(layer, (ours.Elementwise, *KEEPING)) and not isinstance(layer, ours.Power):
                left.append((l + 1, order))
            if found != order and found in (last_is(1, rank), last_is(rank - 1, rank)):
                return Reading("f", found)
    return reading


def in_our_order(b: Builder, x: Traced, first: tuple[int, ...]) -> Traced:
    """The output as its user expects it: images channel-last; the rest as the program has it, the batch in front."""
    if x.kind != "f":
        raise ValueError("the output is whole numbers or truth values, and has no gradient that explains")
    place = next((place for place, own in enumerate(x.axes) if has_batch(own)), None)
    if place is None or not is_batch(x.axes[place]):
        raise ValueError(f"the output is {x.written()}, expected one row for each image")
    axes = [x.axes[place], *x.axes[:place], *x.axes[place + 1:]]
    rank, moved = len(axes), first != tuple(range(len(first)))
    if rank > 2 and moved and (rank == 4 or rank == len(first)):
        axes = [axes[0], *axes[2:], axes[1]]
    if len(axes) == 1:
        axes.append(())
    return b.arranged(x, axes)


def with_pixels(net: Network, declared: str = "float32") -> Network:
    """The same network, with 255 as the largest pixel on its card if it takes them so.

    It does if its file declares whole numbers, or if it begins by dividing by 255 or by taking a mean of such pixels
    away. declared: the type of the input by the file. Tokens are no pixels, nor are rows of a table.
    """
    shape, first = net.card.input_shape, net.layers[0]
    images = len(shape) == 3 if shape is not None else any(isinstance(layer, ours.Conv2d) for layer in net.layers)
    if not images or getattr(first, "takes_integers", False):
        return net
    return net.with_card(pixels=255) if declared in WHOLE or largest_pixel(net.card, first) == 255 else net


def any_size(read: Callable[[int], Network]) -> Network:
    """The network for inputs of any size, if readings at two sizes make the same. read(n): at the sizes number n.

    The second sizes are odd, so that what rounds is seen; a network that takes multiples of some number only, as those
    do that come back to the input's size, is read at such.
    """
    ask = "give input_shape=(channels, height, width), the shape of one input as the other side sees it"
    try:
        net = read(0)
        try:
            other = read(1)
        except ValueError:
            other = read(2)
    except ValueError as error:
        raise ValueError(f"{error}; if that is a matter of the size of the input, which is left open, {ask}") from error
    for l, (p, q) in enumerate(zip(net.layers, other.layers)):
        if type(p) is not type(q) or p.settings() != q.settings() or net.inputs[l] != other.inputs[l] or \
                _shapes(p) != _shapes(q):
            raise ValueError(f"{net.names[l] or f'layer {l}'}: {p!r} depends on the size of the images, which is left "
                             f"open; {ask}")
    if len(net.layers) != len(other.layers):
        raise ValueError(f"what it computes depends on the size of the images, which is left open; {ask}")
    a, b = net.card.input_shape, other.card.input_shape
    if a is None or b is None:                              # a row of numbers, or several inputs
        return net
    return net.with_card(input_shape=tuple(n if n == m else None for n, m in zip(a, b)))


def _shapes(layer: ours.Layer) -> dict[str, tuple[int, ...] | None]:
    return {name: None if array is None else array.shape for name, array in layer.arrays().items()}
