"""What reads a sequence step by step: RNN, GRU and LSTM, unrolled over the length that the input has."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, is_batch, new
from minixnn.interop.builder import Builder
from minixnn.interop.operations.moves import select
from minixnn.interop.operations.values import numbers, optional, traced, weights
from minixnn.interop.program import Varying


class Steps:
    """What a way of writing takes for a graph: it puts its layers down by the Builder, under the name of the place."""

    def __init__(self, b: Builder) -> None:
        self.b, self.place = b, b.name

    def add(self, sources: Any, *layers: Any, name: str = "") -> int:
        for n, layer in enumerate(layers):
            self.b.name = ".".join(filter(None, (self.place, name, str(n) if len(layers) > 1 else "")))
            sources = self.b.put(sources, layer)
        self.b.name = self.place
        return sources


def recurrent(b: Builder, cell: Any, x: Traced, arrays: Sequence[Sequence[Sequence[Any]]], start: Sequence[Any],
              reverse: bool = False, **settings: Any) -> tuple[Traced, list[Traced]]:
    """x (N, T, I) -> the states h (N, T, D, H), and the last states, h and of an LSTM c, (L, D, N, H).

    cell: layers.RNN, GRU or LSTM; arrays[l][d]: W_x, W_h, b_x, b_h of layer l and direction d, as the cell takes them;
    start: the states before the first step, each (L D, N, H), None where they are 0. reverse: of one direction alone.
    """
    x = numbers(b, traced(x))
    if x.rank != 3 or not is_batch(x.axes[0]):
        raise ValueError(f"reads {x.written()} numbers as (sequences, steps, channels), expected the images along the "
                         "axis of the sequences: batch_first=True, layout=1, or a transposition before it")
    both, ends = len(arrays[0]), []
    for l, directions in enumerate(arrays):
        x = b.arranged(x, x.axes)
        ways = []
        for d, own in enumerate(directions):
            written = cell(weights(own[0]), weights(own[1]), optional(own[2]), optional(own[3]), steps=x.shape[1],
                           reverse=reverse or d == 1, **settings)
            if own[0].shape[0] != x.shape[2]:
                raise ValueError(f"expects {own[0].shape[0]} channels, but the input's shape leads to {x.shape[2]}")
            units = own[1].shape[0]
            made, last = written.unroll(Steps(b), x.at, *first(b, x, start, l * both + d, units))
            ways.append(stacked(b, made, units))
            ends.append(last)
        directions_axis, units_axis = new(both), new(units)
        at = b.put(tuple(ways), ours.Concat()) if both > 1 else ways[0]
        y = Traced(at, (x.axes[0], x.axes[1], directions_axis + units_axis),
                   (x.axes[0], x.axes[1], directions_axis, units_axis))
        x = y.seen_as((*y.axes[:2], directions_axis + units_axis))
    states = []
    for each in zip(*ends):
        count, units_axis = new(len(each)), new(units)
        states.append(Traced(stacked(b, each, units), (x.axes[0], count, units_axis), (count, x.axes[0], units_axis)))
    return y, states


def stacked(b: Builder, states: Sequence[int], units: int) -> int:
    """The number of the activation (N, how many, units) of several states, or of one alone."""
    return b.put(tuple(states), ours.Stack(1)) if len(states) > 1 else b.put(states[0], ours.Reshape((1, units)))


def first(b: Builder, x: Traced, start: Sequence[Any], n: int, units: int) -> list[int]:
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
        arrays = [] if state is None else [state.array, state.other] if isinstance(state, Varying) else [state]
        rows = np.concatenate([np.asarray(array, b.dtype)[n] for array in arrays]) if arrays else np.zeros((1, units))
        if (rows != rows[:1]).any():
            raise ValueError("starts from another state for each image of a batch, expected one for all, or an input")
        found.append(b.put(x.at, ours.Constant(rows[0].copy())) if rows.any() else None)
    if all(at is None for at in found):
        return []
    return [b.put(x.at, ours.InitialState(units)) if at is None else at for at in found]
