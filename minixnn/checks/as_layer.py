"""What is no layer of one array, seen as one, so that everything that is asked of layers can be asked of it.

    SideBySide(Add(), shapes)       a layer of several inputs; they lie side by side in one array (N, entries)
    Written(Residual([...]))        a way of writing several layers: the network that it writes, with a layer's methods
"""
from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from math import prod

from minixnn import passes
from minixnn.arrays import Array, Inputs, array_module
from minixnn.layers import Input
from minixnn.layers.base import Join, Layer, Rule
from minixnn.layers.blocks import Block
from minixnn.network import Network
from minixnn.rules import lrp
from minixnn.rules.composites import rules_for


def takes_several(layer: object) -> bool:
    """Whether what enters the layer is a tuple of arrays."""
    return isinstance(layer, (Input, Join))


def as_layer(layer: Layer | Block) -> Layer:
    """The layer itself; a way of writing as the network that it writes."""
    return Written(layer) if isinstance(layer, Block) else layer


def arrays_of(layer: Layer) -> dict[str, Array]:
    """The arrays that there are; {} also for a class of one's own that says nothing of them."""
    found = layer.arrays() if hasattr(layer, "arrays") else {}
    return {name: array for name, array in found.items() if array is not None}


def mapped(layer: Layer, f: Callable[[Array], Array]) -> Layer:
    """A copy whose arrays are f(array); the layer itself where its class has no such copies."""
    return layer.map_arrays(f) if hasattr(layer, "map_arrays") else layer


class SideBySide(Layer):
    """A layer of several inputs as one of a single array. shapes: those of one of each, without the images' axis."""

    def __init__(self, layer: Layer, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.layer, self.shapes = layer, shapes

    def parts(self, x: Array) -> tuple[Array, ...]:
        """(N, entries) cut into the inputs, (N, ...) each."""
        ends = list(accumulate(map(prod, self.shapes)))
        return tuple(x[:, end - prod(shape):end].reshape(len(x), *shape) for end, shape in zip(ends, self.shapes))

    def whole(self, answer: Inputs) -> Array:
        """What a method returned for the inputs as one array; as it is where it is no tuple of what was expected."""
        if not isinstance(answer, tuple) or [getattr(a, "shape", (0,))[1:] for a in answer] != list(self.shapes):
            return answer
        return array_module(answer[0]).concatenate([a.reshape(len(a), -1) for a in answer], axis=1)

    @property
    def rule(self) -> Rule | None:              # type: ignore[override]
        own = getattr(self.layer, "rule", None)
        return None if own is None else partial(applied, own)

    def arrays(self) -> dict[str, Array]:
        return arrays_of(self.layer)

    def map_arrays(self, f: Callable[[Array], Array]) -> SideBySide:
        return SideBySide(mapped(self.layer, f), self.shapes)

    def forward(self, x: Array) -> Array:
        return self.layer.forward(self.parts(x))

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return self.whole(self.layer.gradient(self.parts(x), y, dy))

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Array:
        return self.whole(self.layer.deconvnet(self.parts(x), y, dy))

    def guided_backprop(self, x: Array, y: Array, dy: Array) -> Array:
        return self.whole(self.layer.guided_backprop(self.parts(x), y, dy))

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        return self.whole(self.layer.deeplift(self.parts(x), y, self.parts(x_ref), y_ref, m))

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        return self.layer.parameter_gradients(self.parts(x), dy)

    def __repr__(self):
        return repr(self.layer)


def applied(rule: Rule, layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """The answer of a rule on a layer, which may be SideBySide."""
    if isinstance(layer, SideBySide):
        return layer.whole(rule(layer.layer, layer.parts(x), y, R))
    return rule(layer, x, y, R)


def reloaded(net: Network) -> Network:
    """The network written to a file, and read."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "net.npz"
        net.save(path)
        return Network.load(path)


class Written(Layer):
    """A way of writing as a layer: every method is a pass through the network that it writes.

    Its rule is LRP with lrp.epsilon. Its arrays are called "2.W", W of layer 2 of the network.
    """

    def __init__(self, written: Block | Network) -> None:
        self.written = written
        self.net = Network([written]) if isinstance(written, Block) else written

    def arrays(self) -> dict[str, Array]:
        return {f"{self.place(layer)}.{name}": a for layer in self.net.layers for name, a in arrays_of(layer).items()}

    def place(self, layer: Layer) -> int:
        """The number of a layer, the first one where it stands in several places."""
        return next(l for l, other in enumerate(self.net.layers) if other is layer)

    def map_arrays(self, f: Callable[[Array], Array]) -> Written:
        return Written(self.net.map_arrays(f))

    def forward(self, x: Array) -> Array:
        return self.net.forward(x)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return passes.gradient(self.net, x, start=dy)[0]

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Array:
        return passes.deconvnet(self.net, x, start=dy)[0]

    def guided_backprop(self, x: Array, y: Array, dy: Array) -> Array:
        return passes.guided_backprop(self.net, x, start=dy)[0]

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """The multipliers, of which `passes.deeplift` returns the products with the differences."""
        net = self.net
        A, A_ref, M = net.trace(x), net.trace(x_ref), [0] * len(net.layers) + [m]
        for l in reversed(range(len(net.layers))):
            x_l, r_l = net.entering(A, l), net.entering(A_ref, l)
            net.add_to_inputs(M, l, net.layers[l].deeplift(x_l, A[l + 1], r_l, A_ref[l + 1], M[l + 1]))
        return M[0]

    @staticmethod
    def rule(layer: Written, x: Array, y: Array, R: Array) -> Array:            # type: ignore[override]
        return passes.lrp(layer.net, x, rules=rules_for(layer.net, lrp.epsilon), start=R)[0]

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        """Those of all layers; of one that stands in several places they add up."""
        A, dA = self.net.trace(x), passes.gradient(self.net, x, start=dy)
        found: dict[str, Array] = {}
        for l, layer in enumerate(self.net.layers):
            own = layer.parameter_gradients(self.net.entering(A, l), dA[l + 1]) if arrays_of(layer) else {}
            for name, g in own.items():
                key = f"{self.place(layer)}.{name}"
                if g is not None:
                    found[key] = found[key] + g if key in found else g
        return found

    def __repr__(self):
        return repr(self.written)
