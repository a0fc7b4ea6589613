"""A program becomes a Network: followed, put in our order of axes, tidied, and given its card."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.card import LAYOUTS, Card
from minixnn.interop.axes import Traced, has_batch, is_batch
from minixnn.interop.builder import Builder
from minixnn.interop.operations.whole import FLOATS
from minixnn.interop.pixels import with_pixels
from minixnn.interop.program import Follower, Program, Ref
from minixnn.interop.simplify import Plan, drop_head, simplify
from minixnn.network import Network

FIRST, LAST = LAYOUTS
IMAGE_CHANNELS = (1, 3, 4)      # where the program does not tell: a last axis of such a size holds images' channels
CHANNELS_FIRST = ("conv", "Conv", "pool", "Pool", "batch_norm", "BatchNorm", "_native_batch", "group_norm", "GroupNorm",
                  "InstanceNorm", "instance_norm", "upsample", "Resize", "Upsample", "LRN", "prelu", "PRelu",
                  "pixel_", "DepthToSpace", "SpaceToDepth", "channel_shuffle")
ALIKE = ("relu", "Relu", "sigmoid", "Sigmoid", "tanh", "Tanh", "add", "Add", "sub", "Sub", "mul", "Mul", "div", "Div",
         "clone", "to", "_to_copy", "Cast", "Identity", "pad", "Pad", "clamp", "Clip", "alias", "contiguous",
         "gelu", "silu", "slice", "Slice", "cat", "Concat", "expand", "flip", "index", "Gather", "repeat", "Tile")
DENSE = ("linear", "layer_norm", "LayerNormalization", "Gemm", "MatMul", "matmul", "rms_norm", "embedding")


def network(program: Program, layout: str | None = None) -> Network:
    """The Network, with its card: the shape and the order of its input, and the head that was dropped."""
    builder, inputs, orders = Builder(program.batches, program.dtype), {}, []
    several = len(program.inputs) > 1
    for number, entry in enumerate(program.inputs):
        entry = replace(entry, kind="f") if made_float(program, entry) else entry
        order = input_order(program, entry, layout)
        orders.append(order)
        x = builder.input(entry.shape, order, entry.kind, number if several else None)
        inputs[entry.name] = x if entry.kind != "b" else builder.through(x, ours.ToFloat(np.dtype(program.dtype).name))
    output = Follower(program, builder, inputs).run()
    output = in_our_order(builder, output, orders[0])
    plan = Plan(builder.layers, builder.inputs, builder.names, output.at)
    head = drop_head(plan, len(output.have))
    simplify(plan, builder.dtype, program.inputs[0].shape[orders[0][-1]] if not several else 0)
    read = {layer.index for layer in plan.layers if isinstance(layer, ours.Input)}
    unread = [entry.name for number, entry in enumerate(program.inputs) if several and number not in read]
    if unread:
        raise ValueError(f"the output does not depend on the input {unread[0]!r}; leave it out of the example, or of "
                         f"the graph, or hold one row of it as it is: fixed={{{unread[0]!r}: row}}")
    if not plan.layers:
        plan = Plan([ours.Identity()], [(0,)], [""], 1)
    shape, order = program.inputs[0].shape, orders[0]
    card = Card(head=head) if several else Card(
        input_shape=tuple(shape[axis] for axis in order[1:]) or None, head=head,
        layout=None if len(shape) < 3 else LAST if order == tuple(range(len(shape))) else FIRST)
    net = Network(plan.layers, plan.inputs, names=plan.names, card=card)
    return net if several else with_pixels(net, program.declared)


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


def input_order(program: Program, entry: Any, layout: str | None) -> tuple[int, ...]:
    """The axes of an input in our order: channel-last, wherever the program has its channels."""
    rank = len(entry.shape)
    if rank < 3 or entry.kind != "f":
        return tuple(range(rank))
    channel = {FIRST: 1, LAST: rank - 1}.get(layout or "")
    if channel is None:
        height, width, behind = entry.shape[-3:]
        last = rank == 3 or behind in IMAGE_CHANNELS and min(height or 0, width or 0) > max(IMAGE_CHANNELS)
        channel = channel_axis(program, entry.name, rank) or (rank - 1 if last else 1)
    return 0, *(axis for axis in range(1, rank) if axis != channel), channel


def made_float(program: Program, entry: Any) -> bool:
    """Whether an image of whole numbers is made one of floats before anything else is done with it."""
    if entry.kind != "i" or len(entry.shape) != 4:
        return False
    left, needed = [entry.name], program.needed()
    while left:
        name = left.pop()
        for operation in needed:
            if name not in operation.reads:
                continue
            short = operation.name.lstrip("_")
            kind = operation.kwargs.get("to", operation.kwargs.get("dtype"))
            if permutation(operation, short, len(entry.shape)) is not None:
                left.append(operation.outputs[0])
            elif not (short in ("Cast", "to_copy") and (kind in FLOATS or str(kind).startswith("torch.float"))):
                return False
    return True


def channel_axis(program: Program, name: str, rank: int) -> int | None:
    """Which axis of an input holds channels, by the first operations that treat channels in a way of their own."""
    left, seen = [(name, list(range(rank)))], set()         # axes: of the input, in the order of the value
    while left:
        name, axes = left.pop(0)
        for operation in program.operations:
            if name not in operation.reads or operation.outputs[0] in seen:
                continue
            seen.add(operation.outputs[0])
            short = operation.name.lstrip("_")
            perm = permutation(operation, short, len(axes))
            if perm is not None and set(perm) == set(range(len(axes))):
                left.append((operation.outputs[0], [axes[axis] for axis in perm]))
            elif short.startswith(CHANNELS_FIRST) and "avg_pool1d" not in short:
                return axes[1] if operation.args[0] == Ref(name) else None
            elif short in DENSE and len(axes) == 3:         # of images it may as well mix the columns
                return axes[-1]
            elif short in ("mean", "amax", "ReduceMean", "ReduceMax", "GlobalAveragePool"):
                gone = reduced(operation, len(axes))
                if len(gone) == len(axes) - 2:
                    return next(axes[axis] for axis in range(1, len(axes)) if axis not in gone)
            elif short in ALIKE:
                left.append((operation.outputs[0], axes))
    return None


def permutation(operation: Any, short: str, rank: int) -> list[int] | None:
    if short == "permute":
        return [axis % rank for axis in operation.args[1]]
    if short == "Transpose":
        return list(operation.kwargs.get("perm", range(rank)[::-1]))
    if short in ("transpose", "swapaxes"):
        perm = list(range(rank))
        a, b = operation.args[1:3]
        perm[a], perm[b] = perm[b], perm[a]
        return perm
    return None


def reduced(operation: Any, rank: int) -> list[int]:
    if "GlobalAveragePool" in operation.name:
        return list(range(2, rank))
    axes = operation.args[1] if len(operation.args) > 1 else operation.kwargs.get("axes", ())
    return [axis % rank for axis in np.ravel(axes)] if not isinstance(axes, Ref) and axes is not None else []


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


def _shapes(layer):
    return {name: None if array is None else array.shape for name, array in layer.arrays().items()}
