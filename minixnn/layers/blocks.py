"""Blocks: layers made of layers, for networks that branch. A network itself stays a list.

    Residual(body, shortcut)    y = body(x) + shortcut(x); an empty shortcut is the identity. He et al. 2016
    Sum(chains)                 y = the sum of what the chains make of x
    Concat(chains)              y = what they make of x, one after the other along the last axis
    Product(chains)             y = signal(x) * gate(x), as in squeeze-and-excitation

A chain is a list of layers through which x goes in order; an empty one is the identity. A block remembers nothing:
on the way back it traces its chains once more. The loop over the layers of a chain stands in `chains.Chain`, once
for each method, and `chains.Block` holds what all blocks share.

The rules of blocks are here as well. Each says how R is shared among the chains; what happens inside a chain is the
work of the chain's own rules, one for each layer. `composites.rules_for` fills them in.
"""
from collections.abc import Sequence
from typing import Any

from minixnn.arrays import Array, array_module, stabilize
from minixnn.layers.base import Layer, Rule
from minixnn.layers.chains import Block, described, sum_to


def by_contribution(block: Block, x: Array, y: Array, R: Array, rules: Sequence[Sequence[Rule]],
                    epsilon: float = 1e-6) -> Array:
    """A sum's rule: each chain receives by its share of the sum, LRP-epsilon for y = sum_i y_i with weights 1.

        R_i = y_i / (y + epsilon sgn y) R

    rules: a list for each chain. Conserves, except for what the stabiliser absorbs.
    """
    s = R / stabilize(y, block.epsilon if block.epsilon is not None else epsilon)           # relevance per unit of y
    R_x = 0
    for chain, chain_rules in zip(block.chains, rules):
        A = chain.trace(x)
        R_x = R_x + chain.relevance(A, A[-1] * s, chain_rules)
    return R_x


def cut(block: Block, x: Array, y: Array, R: Array, rules: Sequence[Sequence[Rule]]) -> Array:
    """A concatenation's rule: R is cut as y was joined. Conserves."""
    traces = [chain.trace(x) for chain in block.chains]
    parts, R_x = block.cut(R, traces), 0
    for chain, A, part, chain_rules in zip(block.chains, traces, parts, rules):
        R_x = R_x + chain.relevance(A, part, chain_rules)
    return R_x


def signal_takes_all(block: Block, x: Array, y: Array, R: Array, rules: Sequence[Sequence[Rule]]) -> Array:
    """A product's rule: the first chain, the signal, receives all and the gates nothing. Arras et al. 2017.

    A gate says how much of the signal passes; the evidence is the signal's. Conserves.
    """
    signal = block.chains[0]
    A = signal.trace(x)
    return signal.relevance(A, sum_to(R, A[-1].shape), rules[0])


def half_each(block: Block, x: Array, y: Array, R: Array, rules: Sequence[Sequence[Rule]]) -> Array:
    """A product's rule: its n factors receive R / n each. Achtibat et al. 2024, proposition 3.2. Conserves."""
    R_x = 0
    for chain, chain_rules in zip(block.chains, rules):
        A = chain.trace(x)
        R_x = R_x + chain.relevance(A, sum_to(R / len(block.chains), A[-1].shape), chain_rules)
    return R_x


class Sum(Block):
    """y = the sum of what each chain makes of x. epsilon: a stabiliser in place of the one that the rules bring."""
    rule = staticmethod(by_contribution)

    def __init__(self, chains: Sequence[Sequence[Layer]], epsilon: float | None = None, **arrays: Array) -> None:
        super().__init__(chains, **arrays)
        self.epsilon = epsilon

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "epsilon": self.epsilon}

    def rebuilt(self, chains: Sequence) -> "Sum":
        return type(self)(chains, epsilon=self.epsilon)

    def forward(self, x: Array) -> Array:
        parts = [chain.trace(x)[-1] for chain in self.chains]
        if len({part.shape for part in parts}) > 1:
            raise ValueError(f"{self!r} got {' and '.join(str(part.shape) for part in parts)} from its chains, which "
                             "cannot be added; a shortcut such as [Conv2d(W, stride=2)] changes channels and size")
        return sum(parts[1:], parts[0])

    def split(self, traces: list[list[Array]], dy: Array) -> list[Array]:
        return [dy] * len(traces)               # x went every way, so what comes back is added


class Residual(Sum):
    """y = body(x) + shortcut(x), two lists of layers; an empty shortcut is the identity. He et al. 2016."""

    def __init__(self, body: Sequence[Layer], shortcut: Sequence[Layer] = (), epsilon: float | None = None,
                 **arrays: Array) -> None:
        if not body:
            raise ValueError("Residual got an empty body, expected a list such as [Conv2d(W, b), ReLU()]")
        super().__init__([body, shortcut], epsilon, **arrays)

    @property
    def body(self) -> list[Layer]:
        return self.chains[0].layers

    @property
    def shortcut(self) -> list[Layer]:
        return self.chains[1].layers

    def names(self, count: int) -> list[str]:
        return ["body", "shortcut"]

    def settings(self) -> dict[str, Any]:
        chains = {name: described(layers) for name, layers in self.branches.items()}
        return chains if self.epsilon is None else {**chains, "epsilon": self.epsilon}

    def rebuilt(self, chains: Sequence) -> "Residual":
        return type(self)(*chains, epsilon=self.epsilon)


class Concat(Block):
    """y = what the chains make of x, joined along the last axis (channels)."""
    rule = staticmethod(cut)

    def forward(self, x: Array) -> Array:
        parts = [chain.trace(x)[-1] for chain in self.chains]
        if len({part.shape[:-1] for part in parts}) > 1:
            raise ValueError(f"{self!r} got {' and '.join(str(part.shape) for part in parts)} from its chains, which "
                             "cannot be joined along the last axis")
        return array_module(x).concatenate(parts, axis=-1)

    def cut(self, R: Array, traces: list[list[Array]]) -> list[Array]:
        """R (..., sum of channels) as a list, one piece for each chain."""
        pieces, start = [], 0
        for A in traces:
            pieces.append(R[..., start:start + A[-1].shape[-1]])
            start += A[-1].shape[-1]
        return pieces

    def split(self, traces: list[list[Array]], dy: Array) -> list[Array]:
        return self.cut(dy, traces)


class Product(Block):
    """y = signal(x) * gate(x) * ...: the first chain is the signal. A gate (N, 1, 1, C) is repeated over the image."""
    rule = staticmethod(signal_takes_all)

    def forward(self, x: Array) -> Array:
        parts = [chain.trace(x)[-1] for chain in self.chains]
        y = parts[0]
        for part in parts[1:]:
            y = y * part
        return y

    def split(self, traces: list[list[Array]], dy: Array) -> list[Array]:
        """Product rule: each factor's derivative is the product of all others."""
        outputs, pieces = [A[-1] for A in traces], []
        for n, own in enumerate(outputs):
            others = dy
            for m, other in enumerate(outputs):
                others = others if m == n else others * other
            pieces.append(sum_to(others, own.shape))
        return pieces

    def split_multipliers(self, traces: list[list[Array]], refs: list[list[Array]], m: Array) -> list[Array]:
        """For y = a b:  m_a = m (b + b_ref) / 2,  m_b = m (a + a_ref) / 2;  of more factors, pair after pair.

        The Shapley value of two factors: contributions sum to a b - a_ref b_ref exactly.
        """
        a, a_ref, pairs = traces[0][-1], refs[0][-1], []
        for A, A_ref in zip(traces[1:], refs[1:]):
            pairs.append((a, a_ref, A[-1], A_ref[-1]))
            a, a_ref = a * A[-1], a_ref * A_ref[-1]
        multipliers = []
        for a, a_ref, b, b_ref in reversed(pairs):
            multipliers.append(sum_to(m * (a + a_ref) / 2, b.shape))
            m = sum_to(m * (b + b_ref) / 2, a.shape)
        return [m, *reversed(multipliers)]
