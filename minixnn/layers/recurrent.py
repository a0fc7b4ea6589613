"""Recurrent networks, written as plain layers: one cell, and a copy of it at every step of the sequence.

    RNN     h = tanh([x_t, h] W + b)                                                            Elman 1990
    GRU     r, z = sigmoid([x_t, h] W + b)              reset and update gate                   Cho et al. 2014
            n = tanh(x_t W_x + b_x + r (h W_h + b_h))   candidate; or tanh([x_t, r h] W + b)
            h = (1 - z) n + z h
    LSTM    i, f, o = sigmoid([x_t, h] W + b)           input, forget and output gate           Hochreiter &
            g = tanh([x_t, h] W + b)                    candidate                               Schmidhuber 1997,
            c = f c + i g,   h = o tanh(c)              cell and state                          Gers et al. 2000

[x_t, h] is token t beside the state before it. The layers of a cell are the same objects at every step, so there is one
set of weights. Each gate is a `Dense` and a `Sigmoid`, and enters a `Multiply` as the second factor: under the default
rule, `joins.signal_takes_all`, the signal receives all and the gate nothing (Arras et al. 2017, 2019).
Token and state share a gate's or candidate's relevance in one sum over both, except in a GRU whose reset gate comes
after the product: there candidate = Add(Dense of x_t, Multiply(Dense of h, r)) is two steps, and each has the
stabiliser of the rules. 1 - z is sigmoid(-a), where z = sigmoid(a).
"""
import copy
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module
from minixnn.layers.activation import ReLU, Sigmoid, Tanh
from minixnn.layers.shape import Reshape
from minixnn.layers.base import Layer, expect_arrays, expect_count, linear_rule
from minixnn.layers.blocks import Block, Graph
from minixnn.layers.choices import leave_constant
from minixnn.layers.dense import Dense, draw
from minixnn.layers.joins import Add, Concat, Multiply, Stack
from minixnn.layers.scale import Scale
from minixnn.layers.embedding import TakeToken

States: TypeAlias = tuple[int, ...]             # the numbers of the state's activations: h, or h and c


class InitialState(Layer):
    """y = 0: the state before the first step, which is not learnt. x (N, ...), y (N, units)"""
    rule, takes_rules, deeplift = staticmethod(leave_constant), False, linear_rule

    def __init__(self, units: int) -> None:
        expect_count(self, "units", units)
        self.units = units

    def forward(self, x: Array) -> Array:
        return array_module(x).zeros((len(x), self.units), dtype=x.dtype)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return array_module(x).zeros_like(x)


Cell = TypeVar("Cell", bound="Recurrent")


class Recurrent(Block):
    """What RNN, GRU and LSTM share: x (N, T, I) -> the state after each step, (N, T, H).

    W_x (I, G H), W_h (H, G H), biases b_x and b_h (G H,) or None, for G gates and candidates side by side in the order
    in which torch has them. steps: T, the length that is written out. reverse: from the last token to the first; what
    is made of token t still stands at place t.

    The state before the first step is 0, or in a graph further inputs (N, H): graph.add((x, h), GRU(...)). The state
    after the last step: TakeToken(-1) behind it, with reverse TakeToken(0). Both directions:
    Branches([[GRU(...)], [GRU(..., reverse=True)]]). Several layers: one behind the other. ValueError where the
    shapes do not fit, and at `forward` for sequences of another length.
    """
    gates: tuple[str, ...] = ()                 # G names, in the order of the weights' columns
    states: tuple[str, ...] = ("h",)

    def __init__(self, W_x: Array, W_h: Array, b_x: Array | None = None, b_h: Array | None = None, *, steps: int,
                 reverse: bool = False) -> None:
        expect_arrays(b_x, b_h, weights=[W_x, W_h])
        if not hasattr(steps, "__index__") or steps < 1:
            raise ValueError(f"{type(self).__name__} got steps={steps!r}, expected the length of the sequences, a "
                             "positive whole number")
        columns = len(self.gates) * W_h.shape[0]
        if W_x.ndim != 2 or W_h.shape != (W_h.shape[0], columns) or W_x.shape[1] != columns:
            raise ValueError(f"{type(self).__name__} got W_x {W_x.shape} and W_h {W_h.shape}, expected (inputs, "
                             f"{len(self.gates)} H) and (H, {len(self.gates)} H), for {', '.join(self.gates)}")
        for name, b in (("b_x", b_x), ("b_h", b_h)):
            if b is not None and b.shape != (columns,):
                raise ValueError(f"{type(self).__name__} got {name} {b.shape}, expected ({columns},)")
        self.W_x, self.W_h, self.b_x, self.b_h, self.steps, self.reverse = W_x, W_h, b_x, b_h, steps, reverse
        self.cell = {name: self.joint(n) for n, name in enumerate(self.gates)}

    @classmethod
    def random(cls: type[Cell], inputs: int, units: int, rng: np.random.Generator, *, steps: int, reverse: bool = False,
               dtype: DTypeLike = np.float32) -> Cell:
        """A layer to train from: weights by Glorot & Bengio 2010 for each gate, biases 0."""
        W_x, W_h = (np.concatenate([draw((n, units), n, units, rng, "glorot") for _ in cls.gates], axis=1).astype(dtype)
                    for n in (inputs, units))
        return cls(W_x, W_h, np.zeros(len(cls.gates) * units, dtype), steps=steps, reverse=reverse)

    def unrolled(self: Cell, steps: int) -> Cell:
        """The same cell, of the same layer objects, for sequences of another length."""
        other = copy.copy(self)
        other.steps = steps
        return other

    def columns(self, n: int) -> list[Array | None]:
        """W_x, W_h, b_x, b_h of the n-th gate alone."""
        own = slice(n * len(self.W_h), (n + 1) * len(self.W_h))
        return [None if a is None else a[..., own] for a in (self.W_x, self.W_h, self.b_x, self.b_h)]

    def joint(self, n: int) -> Dense:
        """The n-th gate as one layer over token and state side by side."""
        W_x, W_h, b_x, b_h = self.columns(n)
        return Dense(array_module(self.W_x).concatenate([W_x, W_h]), b_x if b_h is None else
                     b_h if b_x is None else b_x + b_h)

    def step(self, graph: Graph, x: int, state: States, name: str) -> States:
        """Put one step into `graph`: x and state before are numbers of activations; those of the state after."""
        raise NotImplementedError(f"{type(self).__name__} has no step; write step(self, graph, x, state, name)")

    def unroll(self, graph: Graph, x: int, *start: int) -> tuple[list[int], States]:
        """Put all steps into `graph`: the numbers of h by place in the sequence, and those of the last state."""
        if len(start) not in (0, len(self.states)):
            raise ValueError(f"{self!r} got {1 + len(start)} inputs, expected the sequence alone, or with it the state "
                             f"before the first step: {', '.join(self.states)}")
        if not start:
            zero = graph.add(x, InitialState(len(self.W_h)), name="start")
            start = (zero,) * len(self.states)
        state, made = start, [0] * self.steps
        for t in reversed(range(self.steps)) if self.reverse else range(self.steps):
            token = graph.add(x, TakeToken(t, self.steps), name=f"step{t}.token")
            state = self.step(graph, token, state, f"step{t}.")
            made[t] = state[0]
        return made, state

    def write(self, graph: Graph, *x: int) -> int:
        made, _ = self.unroll(graph, *x)
        if len(made) == 1:                      # a join of one input joins nothing
            return graph.add(made[0], Reshape((1, len(self.W_h))), name="states")
        return graph.add(tuple(made), Stack(1), name="states")

    def __repr__(self):
        reverse = ", reverse=True" if self.reverse else ""
        return f"{type(self).__name__}({self.W_x.shape[0]} -> {len(self.W_h)}, steps={self.steps}{reverse})"


class RNN(Recurrent):
    """h = tanh([x_t, h] W + b), or with ReLU. Elman 1990. Arguments as for `Recurrent`, of one "gate", the state.

    activation: "tanh" or "relu".
    """
    gates = ("state",)

    def __init__(self, W_x: Array, W_h: Array, b_x: Array | None = None, b_h: Array | None = None, *, steps: int,
                 reverse: bool = False, activation: str = "tanh") -> None:
        if activation not in ("tanh", "relu"):
            raise ValueError(f"RNN got activation={activation!r}, expected 'tanh' or 'relu'")
        super().__init__(W_x, W_h, b_x, b_h, steps=steps, reverse=reverse)
        self.activation = Tanh() if activation == "tanh" else ReLU()

    def step(self, graph: Graph, x: int, state: States, name: str) -> States:
        both = graph.add((x, *state), Concat(), name=f"{name}both")
        return (graph.add(both, self.cell["state"], self.activation, name=f"{name}state"),)


class GRU(Recurrent):
    """Gated recurrent unit. Cho et al. 2014. Arguments as for `Recurrent`, columns: reset, update, candidate.

    reset_after: whether the reset gate multiplies what W_h makes of the state, as in torch, Keras and cuDNN, or the
    state itself, as in the paper (eq. 8).
    """
    gates = ("reset", "update", "candidate")

    def __init__(self, W_x: Array, W_h: Array, b_x: Array | None = None, b_h: Array | None = None, *, steps: int,
                 reverse: bool = False, reset_after: bool = True) -> None:
        super().__init__(W_x, W_h, b_x, b_h, steps=steps, reverse=reverse)
        self.reset_after = reset_after
        W_x, W_h, b_x, b_h = self.columns(2)
        self.of_token, self.of_state = Dense(W_x, b_x), Dense(W_h, b_h)

    def step(self, graph: Graph, x: int, state: States, name: str) -> States:
        h, = state
        both = graph.add((x, h), Concat(), name=f"{name}both")
        r = graph.add(both, self.cell["reset"], Sigmoid(), name=f"{name}reset")
        a = graph.add(both, self.cell["update"], name=f"{name}update.0")
        z = graph.add(a, Sigmoid(), name=f"{name}update.1")
        rest = graph.add(a, Scale(-1), Sigmoid(), name=f"{name}rest")       # 1 - z
        if self.reset_after:
            old = graph.add(h, self.of_state, name=f"{name}candidate.state")
            old = graph.add((old, r), Multiply(), name=f"{name}candidate.kept")
            new = graph.add(x, self.of_token, name=f"{name}candidate.token")
            n = graph.add((new, old), Add(), Tanh(), name=f"{name}candidate")
        else:
            kept = graph.add((h, r), Multiply(), name=f"{name}candidate.kept")
            n = graph.add((x, kept), Concat(), self.cell["candidate"], Tanh(), name=f"{name}candidate")
        new = graph.add((n, rest), Multiply(), name=f"{name}new")
        kept = graph.add((h, z), Multiply(), name=f"{name}kept")
        return (graph.add((new, kept), Add(), name=f"{name}state"),)


class LSTM(Recurrent):
    """Long short-term memory. Hochreiter & Schmidhuber 1997; with a forget gate, Gers et al. 2000.

    Arguments as for `Recurrent`, columns: input, forget, candidate, output. Its state is h and c, the cell.
    """
    gates = ("input", "forget", "candidate", "output")
    states = ("h", "c")

    def step(self, graph: Graph, x: int, state: States, name: str) -> States:
        h, c = state
        both = graph.add((x, h), Concat(), name=f"{name}both")
        i, f, o = (graph.add(both, self.cell[gate], Sigmoid(), name=name + gate)
                   for gate in ("input", "forget", "output"))
        g = graph.add(both, self.cell["candidate"], Tanh(), name=f"{name}candidate")
        kept = graph.add((c, f), Multiply(), name=f"{name}kept")
        new = graph.add((g, i), Multiply(), name=f"{name}new")
        c = graph.add((kept, new), Add(), name=f"{name}cell")
        shown = graph.add(c, Tanh(), name=f"{name}shown")
        return graph.add((shown, o), Multiply(), name=f"{name}state"), c
