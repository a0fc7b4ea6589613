"""What reads a sequence step by step: RNN, GRU and LSTM, unrolled over the length that the input has."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, is_batch, new
from minixnn.interop.builder import Builder
from minixnn.interop.operations.moves import select, swap, transpose
from minixnn.interop.operations.values import Value, both, both_of, numbers, optional, weights
from minixnn.layers.recurrent import Recurrent

Cell: TypeAlias = "Callable[..., Recurrent]"         # a class of them, and its settings


def recurrent(b: Builder, cell: Cell, x: Value, arrays: Sequence[Sequence[Sequence[Value | None]]],
              start: Sequence[Value | None], reverse: bool = False) -> tuple[Traced, list[Traced]]:
    """x (N, T, I) -> the states h (N, T, D, H), and the last states, h and of an LSTM c, (L, D, N, H).

    arrays[l][d]: W_x, W_h, b_x, b_h of layer l and direction d, as the cell takes them;
    start: the states before the first step, each (L D, N, H), None where they are 0. reverse: of one direction alone.
    """
    x = numbers(b, x)
    if x.rank != 3 or not is_batch(x.axes[0]):
        raise ValueError(f"reads {x.written()} numbers as (sequences, steps, channels), expected the images along the "
                         "axis of the sequences: batch_first=True, layout=1, or a transposition before it")
    both, ends, place = len(arrays[0]), [], b.place
    for l, directions in enumerate(arrays):
        x = b.arranged(x, x.axes)
        ways = []
        for d, (W, W_h, b_x, b_h) in enumerate(directions):
            W, W_h = weights(W), weights(W_h)
            written = cell(W, W_h, optional(b_x), optional(b_h), steps=x.shape[1], reverse=reverse or d == 1)
            if len(W) != x.shape[2]:
                raise ValueError(f"expects {len(W)} channels, but the input's shape leads to {x.shape[2]}")
            units = len(W_h)
            state = first(b, x, start, l * both + d, units)
            b.place = f"{place}." if place else ""
            states, last = written.unroll(b, x.at, *state)
            b.place = place
            ways.append(stacked(b, states, units))
            ends.append(last)
        directions_axis, units_axis = new(both), new(units)
        at = b.put(tuple(ways), ours.Concat()) if both > 1 else ways[0]
        y = Traced(at, (x.axes[0], x.axes[1], directions_axis + units_axis),
                   (x.axes[0], x.axes[1], directions_axis, units_axis))
        x = y.seen_as((*y.axes[:2], directions_axis + units_axis))
    found = []
    for each in zip(*ends):
        count, units_axis = new(len(each)), new(units)
        found.append(Traced(stacked(b, each, units), (x.axes[0], count, units_axis), (count, x.axes[0], units_axis)))
    return y, found


def stacked(b: Builder, states: Sequence[int], units: int) -> int:
    """The number of the activation (N, how many, units) of several states, or of one alone."""
    return b.put(tuple(states), ours.Stack(1)) if len(states) > 1 else b.put(states[0], ours.Reshape((1, units)))


def first(b: Builder, x: Traced, start: Sequence[Value | None], n: int, units: int) -> list[int]:
    """The numbers of the states before the first step, of the n-th direction; none where all are 0."""
    found: list[int | None] = []
    for state in start:
        if isinstance(state, Traced):
            if state.rank != 3 or not is_batch(state.axes[1]) or state.shape[2] != units:
                raise ValueError(f"starts from states of shape {state.written()}, expected (layers and directions, "
                                 f"images, {units})")
            own = select(b, numbers(b, state), 0, n)
            found.append(b.arranged(own, own.axes).at)
            continue
        rows = np.zeros((1, units)) if state is None else np.concatenate([a[n].astype(b.dtype) for a in both_of(state)])
        if (rows != rows[:1]).any():
            raise ValueError("starts from another state for each image of a batch, expected one for all, or an input")
        found.append(b.put(x.at, ours.Constant(rows[0].copy())) if rows.any() else None)
    if all(at is None for at in found):
        return []
    return [b.put(x.at, ours.InitialState(units)) if at is None else at for at in found]


def of_torch(b: Builder, x: Traced, start: Value | list[Value], arrays: Sequence[Value], biases: bool | Value,
             layers: int, dropout: float, training: bool, bidirectional: bool, batch_first: bool, *, cell: Cell
             ) -> tuple:
    """nn.RNN, nn.GRU and nn.LSTM, of which the arrays come layer by layer, and of a layer direction by direction."""
    if not isinstance(biases, bool):
        raise ValueError("reads packed sequences of several lengths, expected a tensor, all of one length")
    each, ways = 4 if biases else 2, 2 if bidirectional else 1
    if len(arrays) != layers * ways * each:
        raise ValueError("projects its state (proj_size), expected the state itself")
    own = [[np.asarray(a).T for a in arrays[n:n + each]] + [None] * (4 - each) for n in range(0, len(arrays), each)]
    y, states = recurrent(b, cell, x if batch_first else swap(b, x, 0, 1),
                          [own[n:n + ways] for n in range(0, len(own), ways)],
                          start if isinstance(start, list) else [start])
    y = y.seen_as((*y.axes[:2], y.axes[2] + y.axes[3]))
    return (y if batch_first else swap(b, y, 0, 1), *states)


def of_onnx(b: Builder, x: Traced, W: Value, R: Value, B: Value | None = None, lengths: Value | None = None,
            h: Value | None = None, c: Value | None = None, peepholes: Value | None = None, hidden_size: int = 0,
            direction: str = "forward", layout: int = 0, linear_before_reset: int = 0,
            activations: Sequence[bytes | str] | None = None, clip: float | None = None, input_forget: int = 0, *,
            cell: Cell, gates: Sequence[int], usual: Sequence[str]) -> list[Traced]:
    """A node: Y, Y_h and of an LSTM Y_c. gates: where ours stand in ONNX, r z n in z r h, and i f g o in i o f c."""
    W, R, kind = weights(W), weights(R), {1: "RNN", 3: "GRU", 4: "LSTM"}[len(gates)]    # (D, G H, I) and (D, G H, H)
    ways, units = len(W), R.shape[-1]
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in activations or [*usual] * ways]
    names = names[:len(usual) * ways]           # the default has those of two directions
    relu = kind == "RNN" and {name.lower() for name in names} == {"relu"}
    if not relu and [name.lower() for name in names] != [name.lower() for name in [*usual] * ways]:
        raise ValueError(f"has the activations {', '.join(names)}, expected {', '.join(usual)}"
                         + (" or Relu" if kind == "RNN" else ""))
    if clip is not None or input_forget or peepholes is not None and np.any(weights(peepholes)):
        what = "clips" if clip is not None else "couples its gates" if input_forget else "has peepholes"
        raise ValueError(f"{what}, expected a plain {kind}")
    x = x if layout else swap(b, x, 0, 1)
    if lengths is not None and (isinstance(lengths, Traced) or any((a != x.shape[1]).any() for a in both_of(lengths))):
        raise ValueError("has a length for each sequence, expected all to be as long as the input")

    def ours_of(array: np.ndarray) -> np.ndarray:
        """Rows of gates in our order, as columns."""
        parts = array.reshape(len(gates), units, -1)
        return np.concatenate([parts[n] for n in gates]).T
    halves = [(None, None)] * ways if B is None else [  # (D, 2 G H): those of W, then those of R
        [ours_of(half)[0] for half in np.split(each, 2)] for each in weights(B)]
    arrays = [[ours_of(W[d]), ours_of(R[d]), *halves[d]] for d in range(ways)]
    start = [h, c] if kind == "LSTM" else [h]
    if layout:
        start = [state if state is None else swap(b, state, 0, 1) if isinstance(state, Traced) else
                 both(lambda a: np.swapaxes(a, 0, 1), state) for state in start]
    if relu or kind == "GRU":
        cell = partial(cell, activation="relu") if relu else partial(cell, reset_after=bool(linear_before_reset))
    y, states = recurrent(b, cell, x, [arrays], start, reverse=direction == "reverse")
    return [y, *(swap(b, state, 0, 1) for state in states)] if layout else [transpose(b, y, (1, 2, 0, 3)), *states]
