"""The small graph becomes a Network.

Every node becomes a layer of ours, or a join of several nodes; `layouts.py` keeps account of where the file's axes are
in our arrays. What a node becomes is in `nodes.py`.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minixnn import layers as ours
from minixnn.card import LAYOUTS, Card
from minixnn.interop import layouts
from minixnn.interop.layouts import Place, channel_last
from minixnn.interop.nodes import BUILDERS, CHANNELS_FIRST
from minixnn.interop.patterns import recognise
from minixnn.interop.steps import Step
from minixnn.interop.simplify import drop_head, simplify
from minixnn.network import Network

if TYPE_CHECKING:
    from minixnn.interop.graph import Graph
    from minixnn.interop.operations import Node
    from minixnn.layers.base import Layer

FIRST, LAST = LAYOUTS
IMAGE_CHANNELS = (1, 3, 4)      # where the graph does not tell: a last axis of such a size holds images' channels


def build(graph: Graph, layout: str | None = None) -> Network:
    """The Network, with its card: the shape and the order of its input, and the head that was dropped.

    layout   FIRST, LAST, or None for what the graph itself tells of its input
    """
    graph.prune()
    for node in graph.nodes:
        if node.op == "unknown":                            # the first one is the cause of all others
            raise ValueError(f"{node.label}: {node.reason}")
    graph.complete()
    recognise(graph)
    simplify(graph)
    head = drop_head(graph)
    builder = Builder(graph, layout)
    try:
        layers, inputs = builder.layers()
        return Network(layers, inputs, card=builder.card(head))
    except RecursionError as error:
        raise ValueError("blocks lie within one another more deeply than can be followed") from error


class Builder:
    """steps and places of the nodes of one graph."""

    def __init__(self, graph: Graph, layout: str | None = None) -> None:
        self.graph, self.users = graph, graph.users()
        first = Step(None, [], graph.input.label)
        self.steps, self.places = [first], {graph.input: Place(first, input_axes(graph, self.users, layout))}

    def card(self, head: str | None) -> Card:
        """What is known of the input and of the head."""
        node = self.graph.input
        axes = self.places[node].axes
        order = None if len(axes) < 3 else LAST if axes == tuple(range(len(axes))) else FIRST
        shape = None if node.shape is None else tuple(node.shape[axis] for axis in axes[1:])
        return Card(input_shape=shape, layout=order, head=head)

    def layers(self) -> tuple[list[Layer], list[tuple[int, ...]]]:
        """The layers from the input to the output, and the numbers of what enters each."""
        for node in self.graph.nodes[1:]:
            try:
                self.places[node] = BUILDERS[node.op](self, node)
            except ValueError as error:
                raise ValueError(f"{node.label}: {error}") from error
            except (TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError, OverflowError) as error:
                raise ValueError(f"{node.label}: its inputs make no sense together: {error!r}") from error
        last = self.output()
        if last is self.steps[0]:
            last = self.put(Place(last, ()), [ours.Identity()], self.graph.output).step
        needed, left = {last}, [last]
        while left:
            for step in left.pop().inputs:
                if step not in needed:
                    needed.add(step)
                    left.append(step)
        steps = [step for step in self.steps if step in needed and step is not self.steps[0]]
        numbers = {step: n for n, step in enumerate([self.steps[0], *steps])}
        return [step.layer for step in steps], [tuple(numbers[each] for each in step.inputs) for step in steps]

    def output(self) -> Any:
        """The step of the output, in the order in which its user expects it."""
        node = self.graph.output
        place, shape = self.places[node], node.shape
        if place.order is not None:                         # a flattened image: in the file's order of features
            image, axes = place.image or (None, None)
            if image is None:
                raise ValueError(f"{node.label}: gives features of several images in another order than here")
            plain = tuple(range(len(image)))
            back = layouts.shaped((shape[1],), tuple(image[axis] for axis in axes[1:]))
            inner = layouts.arrange(Place(None, axes), image, plain)
            return self.put(place, back + inner + layouts.shaped(image[1:], shape[1:]), node, axes=(0, 1)).step
        first, rank = self.places[self.graph.input].axes, 0 if shape is None else len(shape)
        if rank > 2 and len(first) > 2 and first == tuple(range(len(first))):           # channels last in the file, too
            return self.read(node, tuple(range(rank))).step
        if rank == 4 or rank == len(first):                 # an image; or a sequence, of a network for sequences
            return self.read(node, channel_last(rank)).step
        return self.read(node, tuple(range(rank))).step if rank > 2 else place.step         # else as the file has it

    def put(self, place: Place, layers: list, node: Any, axes: list[int] | tuple[int, ...] | None = None) -> Place:
        """Layers behind a place; the place of what comes out, with these axes or those that it had."""
        step = place.step
        for layer in layers:
            step = Step(layer, [step], node.label)
            self.steps.append(step)
        return place.at(step) if axes is None else Place(step, axes)

    def join(self, layer: Layer, places: list[Place], node: Node, axes: Any = None, order: Any = None) -> Place:
        """Several places, joined by a layer of several inputs."""
        step = Step(layer, [place.step for place in places], node.label)
        self.steps.append(step)
        return Place(step, places[0].axes if axes is None else axes, order)

    def read(self, node: Any, axes: Any) -> Place:
        """The place of a node with exactly these axes in this order."""
        place = self.places[node]
        if node.shape is None:
            raise layouts.size_unknown("depends on the number of axes, which is not known")
        return self.put(place, layouts.arrange(place, node.shape, axes), node, axes) if place.axes != tuple(axes) \
            else place

    def images(self, node: Node) -> Place:
        """The place of a node of images or sequences, channel-last."""
        return self.places[node] if node.shape is None else self.read(node, channel_last(len(node.shape)))


def input_axes(graph: Graph, users: dict[Node, list], layout: str | None) -> tuple[int, ...]:
    """The axes of the input in our order: channel-last, wherever the file has its channels."""
    node = graph.input
    rank = 4 if node.shape is None else len(node.shape)
    if rank < 3:
        return tuple(range(rank))
    channel = {FIRST: 1, LAST: rank - 1}.get(layout or "")
    if channel is None:
        *_, height, width, behind = node.shape or (None,) * 3
        last = rank == 3 or behind in IMAGE_CHANNELS and min(height or 0, width or 0) > max(IMAGE_CHANNELS)
        channel = _channel(node, list(range(rank)), users) or (rank - 1 if last else 1)
    return 0, *(axis for axis in range(1, rank) if axis != channel), channel


def _channel(node, axes, users):
    """Which axis of the input holds channels, by the first nodes that treat channels in a way of their own."""
    left = [(node, axes)]                                   # axes: of the input, in the order of the node
    while left:
        node, axes = left.pop(0)
        for user in users[node]:
            if user.op == "transpose":
                left.append((user, [axes[axis] for axis in user.perm]))
            elif user.op in CHANNELS_FIRST:
                return axes[1]
            elif user.op == "dense" and len(axes) == 3:     # of images it may as well mix the columns
                return axes[-1]
            elif user.op in ("mean", "max") and len(user.axes or ()) == len(axes) - 2:
                gone = {axis % len(axes) for axis in user.axes}
                return next(axes[axis] for axis in range(1, len(axes)) if axis not in gone)
            elif user.op in ("elementwise", "scale", "pad", "add", "mul") and len(user.shape or ()) == len(axes):
                left.append((user, axes))
    return None
