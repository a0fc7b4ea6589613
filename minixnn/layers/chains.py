"""Chains, and what all blocks share: how the layers inside are walked, saved, moved and trained.

A chain is a list of layers through which x goes in order, as in a network; an empty one is the identity.
"""
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minixnn.arrays import Array
from minixnn.layers.base import Layer, Rule


class Chain:
    """Layers applied one after the other, inside a block. `A` is always the chain's trace at the block's x."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = list(layers)

    def trace(self, x: Array) -> list[Array]:
        """All activations: A[l] enters layers[l], A[-1] is what comes out; x itself if there is no layer."""
        A = [x]
        for layer in self.layers:
            A.append(layer.forward(A[-1]))
        return A

    def gradient(self, A: list[Array], dy: Array) -> Array:
        for l in reversed(range(len(self.layers))):
            dy = self.layers[l].gradient(A[l], A[l + 1], dy)
        return dy

    def deconvnet(self, A: list[Array], dy: Array) -> Array:
        for l in reversed(range(len(self.layers))):
            dy = self.layers[l].deconvnet(A[l], A[l + 1], dy)
        return dy

    def guided_backprop(self, A: list[Array], dy: Array) -> Array:
        for l in reversed(range(len(self.layers))):
            dy = self.layers[l].guided_backprop(A[l], A[l + 1], dy)
        return dy

    def deeplift(self, A: list[Array], A_ref: list[Array], m: Array) -> Array:
        for l in reversed(range(len(self.layers))):
            m = self.layers[l].deeplift(A[l], A[l + 1], A_ref[l], A_ref[l + 1], m)
        return m

    def relevance(self, A: list[Array], R: Array, rules: Sequence[Rule]) -> Array:
        """R at the output of the chain -> R at its input, by one rule for each layer."""
        for l in reversed(range(len(self.layers))):
            R = rules[l](self.layers[l], A[l], A[l + 1], R)
        return R

    def parameter_gradients(self, A: list[Array], dy: Array) -> tuple[dict[str, Array], Array]:
        """{"0.W": dL/dW of layers[0], ...}, and dL/dx of the chain's input."""
        gradients = {}
        for l in reversed(range(len(self.layers))):
            found, dy = self.layers[l].learn(A[l], A[l + 1], dy)
            gradients.update({f"{l}.{name}": g for name, g in found.items()})
        return gradients, dy


def sum_to(dy: Array, shape: tuple[int, ...]) -> Array:
    """`dy` summed over the axes along which an array of `shape` was repeated to fit: (N, H, W, C) -> (N, 1, 1, C)."""
    axes = tuple(i for i, (n, m) in enumerate(zip(dy.shape, shape)) if n != m)
    return dy.sum(axis=axes, keepdims=True) if axes else dy


class Block(Layer):
    """What blocks share: chains, how they are saved and rebuilt, moved and trained.

    `arrays` names what lies inside by chain and place, 0.2.W, and the constructor puts such arrays back into the
    layers that `settings` describes: type(layer)(**layer.arrays(), **layer.settings()) rebuilds any layer.
    """
    fewest = 2                                  # chains; a block of one stands where a part of a graph is marked
    epsilon: float | None = None                # a sum's stabiliser; None: that of the rules it is explained with

    def __init__(self, chains: Sequence[Sequence[Layer]], **arrays: Array) -> None:
        self.chains = [Chain(rebuilt_layer(layer, f"{name}.{l}", arrays, self) for l, layer in enumerate(layers))
                       for name, layers in zip(self.names(len(chains)), chains)]
        if len(chains) < self.fewest:
            raise ValueError(f"{type(self).__name__} got {len(chains)} chains, expected two or more lists of layers; "
                             "an empty list is the identity")

    def names(self, count: int) -> list[str]:
        """What the chains are called in files and tables."""
        return [str(n) for n in range(count)]

    @property
    def branches(self) -> dict[str, list[Layer]]:
        """{name: the chain's list of layers}"""
        return {name: chain.layers for name, chain in zip(self.names(len(self.chains)), self.chains)}

    def rebuilt(self, chains: Sequence) -> "Block":
        """A block of this kind, made of other lists of layers."""
        return type(self)(chains)

    def arrays(self) -> dict[str, Array]:
        return {f"{name}.{l}.{array}": value for name, layers in self.branches.items()
                for l, layer in enumerate(layers) for array, value in layer.arrays().items()}

    def settings(self) -> dict[str, Any]:
        return {"chains": [described(chain.layers) for chain in self.chains]}

    def map_arrays(self, f: Callable) -> Layer:
        return self.rebuilt([[layer.map_arrays(f) for layer in chain.layers] for chain in self.chains])

    def training(self, x: Array, rng: np.random.Generator) -> Layer:
        """The block for one batch: its Dropout layers draw their masks, its normalisation looks at the batch."""
        chains = []
        for chain in self.chains:
            a, layers = x, []
            for layer in chain.layers:
                layers.append(layer.training(a, rng))
                a = layers[-1].forward(a)
            chains.append(layers)
        return self.rebuilt(chains)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        return self.learn(x, None, dy)[0]

    def learn(self, x: Array, y: Array | None, dy: Array) -> tuple[dict[str, Array], Array]:
        traces, gradients, dx = [chain.trace(x) for chain in self.chains], {}, 0
        for name, chain, A, dy_chain in zip(self.branches, self.chains, traces, self.split(traces, dy)):
            found, dx_chain = chain.parameter_gradients(A, dy_chain)
            gradients.update({f"{name}.{place}": g for place, g in found.items()})
            dx = dx + dx_chain
        return gradients, dx

    def split(self, traces: list[list[Array]], dy: Array) -> list[Array]:
        """dL/dy -> dL/d(the output of each chain), a list."""
        raise NotImplementedError(f"{type(self).__name__}.split")

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        traces = [chain.trace(x) for chain in self.chains]
        return sum(chain.gradient(A, d) for chain, A, d in zip(self.chains, traces, self.split(traces, dy)))

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Array:
        traces = [chain.trace(x) for chain in self.chains]
        return sum(chain.deconvnet(A, d) for chain, A, d in zip(self.chains, traces, self.split(traces, dy)))

    def guided_backprop(self, x: Array, y: Array, dy: Array) -> Array:
        traces = [chain.trace(x) for chain in self.chains]
        return sum(chain.guided_backprop(A, d) for chain, A, d in zip(self.chains, traces, self.split(traces, dy)))

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        traces, refs = ([chain.trace(a) for chain in self.chains] for a in (x, x_ref))
        return sum(chain.deeplift(A, A_ref, m_chain) for chain, A, A_ref, m_chain in
                   zip(self.chains, traces, refs, self.split_multipliers(traces, refs, m)))

    def split_multipliers(self, traces: list[list[Array]], refs: list[list[Array]], m: Array) -> list[Array]:
        """Multipliers of y -> multipliers of each chain's output; as for `split`, where the block is linear."""
        return self.split(traces, m)

    def __repr__(self):
        inside = ", ".join(f"{name} of {len(layers)}" if layers else f"{name} the identity"
                           for name, layers in self.branches.items())
        return f"{type(self).__name__}({inside})"                                   # net.describe() shows more


def every_layer(layers: Iterable[Layer]) -> Iterator[Layer]:
    """All layers, those inside blocks too, in the order of a list read from left to right."""
    for layer in layers:
        yield layer
        for chain in getattr(layer, "chains", ()):
            yield from every_layer(chain.layers)


def described(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Layers as plain values that JSON can hold."""
    return [{"kind": type(layer).__name__, "settings": layer.settings()} for layer in layers]


def rebuilt_layer(layer: Any, place: str, arrays: Mapping[str, Array], block: "Block") -> Layer:
    """A layer as it is; or the one that `settings` described, with those of `arrays` that are its own."""
    import minixnn.layers as kinds
    if hasattr(layer, "forward") and not isinstance(layer, type):
        return layer
    if not isinstance(layer, dict) or layer.get("kind") not in kinds.__all__:
        raise ValueError(f"{type(block).__name__} got {layer!r} in its {place.partition('.')[0]}, expected a layer of "
                         "minixnn.layers")
    own = {name.removeprefix(f"{place}."): array for name, array in arrays.items() if name.startswith(f"{place}.")}
    return getattr(kinds, layer["kind"])(**own, **layer["settings"])
