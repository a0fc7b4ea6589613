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
from typing import Any

from minixnn import passes
from minixnn.arrays import Array, array_module
from minixnn.layers import Input
from minixnn.layers.base import Join, Layer, Rule
from minixnn.layers.blocks import Block
from minixnn.ledger.accounts import account_of
from minixnn.ledger.ledger import Row, balance
from minixnn.network import Network
from minixnn.rules import lrp
from minixnn.rules.composites import rules_for


def takes_several(layer: Any) -> bool:
    """Whether what enters the layer is a tuple of arrays."""
    return isinstance(layer, (Input, Join))


def as_layer(layer: Any) -> Any:
    """The layer itself; a way of writing as the network that it writes."""
    return Written(layer) if isinstance(layer, Block) else layer


class SideBySide(Layer):
    """A layer of several inputs as one of a single array. shapes: those of one of each, without the images' axis."""

    def __init__(self, layer: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.layer, self.shapes = layer, shapes

    def parts(self, x: Array) -> tuple[Array, ...]:
        """(N, entries) cut into the inputs, (N, ...) each."""
        ends = list(accumulate(map(prod, self.shapes)))
        return tuple(x[:, end - prod(shape):end].reshape(len(x), *shape) for end, shape in zip(ends, self.shapes))

    def whole(self, answer: Any) -> Any:
        """What a method returned for the inputs as one array; as it is where it is no tuple of what was expected."""
        if not isinstance(answer, tuple) or [getattr(a, "shape", (0,))[1:] for a in answer] != list(self.shapes):
            return answer
        return array_module(answer[0]).concatenate([a.reshape(len(a), -1) for a in answer], axis=1)

    def as_rule(self, rule: Callable) -> Callable:
        """A rule of the layer as one of this."""
        return SideBySideRule(rule)

    @property
    def rule(self) -> Any:                      # type: ignore[override]
        own = getattr(self.layer, "rule", None)
        return None if own is None else self.as_rule(own)

    def arrays(self) -> dict[str, Array]:
        return self.layer.arrays() if hasattr(self.layer, "arrays") else {}

    def map_arrays(self, f: Callable) -> SideBySide:
        return SideBySide(self.layer.map_arrays(f) if hasattr(self.layer, "map_arrays") else self.layer, self.shapes)

    def forward(self, x: Array) -> Array:
        return self.layer.forward(self.parts(x))

    def gradient(self, x: Array, y: Array, dy: Array) -> Any:
        return self.whole(self.layer.gradient(self.parts(x), y, dy))

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Any:
        return self.whole(self.layer.deconvnet(self.parts(x), y, dy))

    def guided_backprop(self, x: Array, y: Array, dy: Array) -> Any:
        return self.whole(self.layer.guided_backprop(self.parts(x), y, dy))

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Any:
        return self.whole(self.layer.deeplift(self.parts(x), y, self.parts(x_ref), y_ref, m))

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        return self.layer.parameter_gradients(self.parts(x), dy)

    def __repr__(self):
        return repr(self.layer)


class SideBySideRule:
    """The rule of a layer of several inputs, asked of a SideBySide. of: the rule itself."""

    def __init__(self, of: Callable) -> None:
        self.of = of

    def __call__(self, layer: SideBySide, x: Array, y: Array, R: Array) -> Any:
        return layer.whole(self.of(layer.layer, layer.parts(x), y, R))


def of_parts(account: Callable, layer: SideBySide, x: Array, y: Array, R: Array) -> Any:
    """What the account of a join's rule says of the join written as a layer of one input."""
    return account(layer.layer, layer.parts(x), y, R)


def booked(layer: Any, rule: Rule, x: Array, y: Array, R: Array, R_x: Array) -> tuple[Row, bool]:
    """The ledger's row of one layer under a rule, and whether the rule has an account."""
    if isinstance(rule, SideBySideRule):
        account = account_of(layer.layer, rule.of)
        seen: Callable | None = account and partial(of_parts, account)
    else:
        seen = account = account_of(layer, rule)
    return balance(0, layer, x, y, R, R_x, rule, seen), account is not None


class Written(Layer):
    """A way of writing as a layer: every method is a pass through the network that it writes.

    Its rule is LRP with lrp.epsilon. Its arrays are called "2.W", W of layer 2 of the network.
    """

    def __init__(self, written: Block | Network) -> None:
        self.written = written
        self.net = Network([written]) if isinstance(written, Block) else written

    def arrays(self) -> dict[str, Array]:
        distinct = {id(layer): (l, layer) for l, layer in reversed(list(enumerate(self.net.layers)))}
        return {f"{l}.{name}": a for l, layer in sorted(distinct.values(), key=lambda pair: pair[0])
                if hasattr(layer, "arrays") for name, a in layer.arrays().items() if a is not None}

    def map_arrays(self, f: Callable) -> Written:
        return Written(self.net.map_arrays(f))

    def with_array(self, name: str, value: Array) -> Written:
        """The same with one of its arrays exchanged."""
        place, name = name.split(".")
        old = self.net.layers[int(place)].arrays()[name]
        return self.map_arrays(lambda a: value if a is old else a)

    def again(self) -> Written:
        """The network written to a file, and read."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.npz"
            self.net.save(path)
            return Written(Network.load(path))

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
    def rule(layer: Any, x: Array, y: Array, R: Array) -> Array:            # type: ignore[override]
        return passes.lrp(layer.net, x, rules=rules_for(layer.net, lrp.epsilon), start=R)[0]

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        """Those of all layers; of one that stands in several places they add up."""
        A, dA = self.net.trace(x), passes.gradient(self.net, x, start=dy)
        found: dict[str, Array] = {}
        first: dict[int, int] = {}
        for l, layer in enumerate(self.net.layers):
            if not hasattr(layer, "parameter_gradients"):
                continue
            for name, g in layer.parameter_gradients(self.net.entering(A, l), dA[l + 1]).items():
                key = f"{first.setdefault(id(layer), l)}.{name}"
                if g is not None:
                    found[key] = found[key] + g if key in found else g
        return found

    def __repr__(self):
        return repr(self.written)
