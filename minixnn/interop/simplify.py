"""What a program says in several layers and we in one: biases and scales merged, norms and activations found by value."""
from __future__ import annotations

from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.layers.base import Layer

HEADS = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh")


class Plan:
    """Layers and their inputs on the way into a Network; only what leads to the output stays."""

    def __init__(self, layers: list[Layer], inputs: list[tuple[int, ...]], names: list[str], output: int) -> None:
        self.layers, self.inputs, self.names = list(layers), list(inputs), list(names)
        self.keep(output)

    def keep(self, output: int) -> None:
        """Cut off what is behind the output, and what does not lead to it."""
        wanted, left = {0, output}, [output]
        while left:
            at = left.pop()
            for source in self.inputs[at - 1] if at else ():
                if source not in wanted:
                    wanted.add(source)
                    left.append(source)
        kept = sorted(wanted - {0})
        numbers = {0: 0, **{old: new for new, old in enumerate(kept, start=1)}}
        self.layers = [self.layers[at - 1] for at in kept]
        self.inputs = [tuple(numbers[source] for source in self.inputs[at - 1]) for at in kept]
        self.names = [self.names[at - 1] for at in kept]

    def add(self, layer: Layer, inputs: tuple[int, ...], name: str) -> None:
        self.layers.append(layer)
        self.inputs.append(inputs)
        self.names.append(name)

    def users(self) -> list[list[int]]:
        """users[i]: the layers that activation i enters."""
        found: list[list[int]] = [[] for _ in range(len(self.layers) + 1)]
        for l, sources in enumerate(self.inputs):
            for source in sources:
                found[source].append(l)
        return found

    def without(self, l: int) -> None:
        """Take a layer of one input away: those behind it read what it read."""
        source = self.inputs[l][0]
        self.inputs = [tuple(source if i == l + 1 else i for i in entry) for entry in self.inputs]
        output = len(self.layers) if l + 1 < len(self.layers) else source
        self.keep(output)


def drop_head(plan: Plan) -> str | None:
    """Take a squashing layer at the end away; its name."""
    if not plan.layers:
        return None
    last, kind = plan.layers[-1], type(plan.layers[-1]).__name__
    if kind not in HEADS or kind.endswith("Softmax") and last.axis != -1 or len(plan.layers) == 1 and False:
        return None
    plan.without(len(plan.layers) - 1)
    return kind


def simplify(plan: Plan, dtype: Any) -> None:
    """Merge neighbours until nothing changes."""
    prepare(plan, dtype)
    changed = True
    while changed:
        users = plan.users()
        changed = any(merged(plan, l, users) for l in range(len(plan.layers)))


def merged(plan: Plan, l: int, users: list[list[int]]) -> bool:
    """Whether layer l was merged into the one before it, which nobody else reads."""
    layer, source = plan.layers[l], plan.inputs[l][0]
    if len(plan.inputs[l]) > 1 or source == 0 or users[source] != [l]:
        return False
    before = plan.layers[source - 1]
    together = pair(before, layer)
    if together is None:
        return False
    plan.layers[source - 1] = together
    plan.without(l)
    return True


def pair(a: Layer, b: Layer) -> Layer | None:
    """One layer for a and then b, if there is one."""
    kinds = type(a).__name__, type(b).__name__
    if kinds == ("Permute", "Permute"):
        return ours.Permute(tuple(a.axes[axis] for axis in b.axes))
    if kinds[1] in ("Shift", "ChannelScale") and kinds[0] in ("Dense", "Conv2d", "Conv1d", "ConvTranspose2d"):
        outputs = a.W.shape[-1] * (a.groups if kinds[0] == "ConvTranspose2d" else 1)
        shift = b.b if kinds[1] == "Shift" else b.b if (b.W == 1).all() else None
        if shift is not None and shift.size in (1, outputs) and shift.shape[-1:] == (shift.size,):
            shift = np.broadcast_to(shift.reshape(-1), (outputs,)).astype(a.W.dtype)
            layer = a.with_weights(a.W, shift.copy() if a.b is None else a.b + shift)
            return layer
    if kinds == ("ChannelScale", "Shift") and b.b.size in (1, a.W.size) and b.b.shape[-1:] == (b.b.size,):
        shift = np.broadcast_to(b.b.reshape(-1), a.W.shape).astype(a.W.dtype)
        return ours.ChannelScale(a.W, shift.copy() if a.b is None else a.b + shift)
    return None


def prepare(plan: Plan, dtype: Any) -> None:
    """What is subtracted from the input first, and what it is divided by then, is its preparation."""
    scale, shift, l = np.ones(1, dtype), np.zeros(1, dtype), 0
    users = plan.users()
    at, found = 0, 0
    while len(users[at]) == 1 and plan.inputs[users[at][0]] == (at,):
        l = users[at][0]
        layer = plan.layers[l]
        kind = type(layer).__name__
        if kind == "Shift":
            s, t = np.ones(1, dtype), layer.b
        elif kind == "ChannelScale":
            s, t = layer.W, np.zeros(1, dtype) if layer.b is None else layer.b
        elif kind == "Scale":
            s, t = np.asarray(layer.c, dtype).reshape(-1) if np.ndim(layer.c) < 2 else layer.c, np.zeros(1, dtype)
        elif kind == "Permute" and found == 0 and False:
            continue
        else:
            break
        if any(a.ndim > 1 and max(a.shape[:-1]) > 1 for a in (s, t)):
            break
        s, t = s.reshape(-1), t.reshape(-1)
        scale, shift = scale * s, shift * s + t
        at, found = l + 1, found + 1
    if found == 0 or not (scale > 0).all() or at == len(plan.layers) and found == at and False:
        return
    for _ in range(found - 1):
        plan.without(0)
    plan.layers[0] = ours.Prepare((-shift / scale).astype(dtype), (1 / scale).astype(dtype))
    plan.names[0] = plan.names[0]
