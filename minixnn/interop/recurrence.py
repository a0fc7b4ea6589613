"""How torch and ONNX spell RNN, GRU and LSTM: the order of their arrays, of their gates and of their axes."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced
from minixnn.interop.builder import Builder
from minixnn.interop.operations import recurrent, swap, transpose, weights
from minixnn.interop.program import Varying


def of_torch(cell: Any, **settings: Any) -> Callable:
    """nn.RNN, nn.GRU and nn.LSTM, of which the arrays come layer by layer, and of a layer direction by direction."""
    def read(b: Builder, x: Traced, start: Any, arrays: Any, biases: Any, layers: int, dropout: float, training: bool,
             bidirectional: bool, batch_first: bool) -> tuple:
        if not isinstance(biases, bool):
            raise ValueError("reads packed sequences of several lengths, expected a tensor, all of one length")
        each, ways = 4 if biases else 2, 2 if bidirectional else 1
        if len(arrays) != layers * ways * each:
            raise ValueError("projects its state (proj_size), expected the state itself")
        own = [[np.asarray(a).T for a in arrays[n:n + each]] + [None] * (4 - each)
               for n in range(0, len(arrays), each)]
        y, states = recurrent(b, cell, x if batch_first else swap(b, x, 0, 1),
                              [own[n:n + ways] for n in range(0, len(own), ways)],
                              start if isinstance(start, (list, tuple)) else [start], **settings)
        y = y.seen_as((*y.axes[:2], y.axes[2] + y.axes[3]))
        return (y if batch_first else swap(b, y, 0, 1), *states)
    return read


# Where our gates stand in ONNX, and the activations: r z n are in z r h, and i f g o in i o f c.
GATES = {"RNN": (ours.RNN, (0,), ("Tanh",)), "GRU": (ours.GRU, (1, 0, 2), ("Sigmoid", "Tanh")),
         "LSTM": (ours.LSTM, (0, 2, 3, 1), ("Sigmoid", "Tanh", "Tanh"))}


def of_onnx(b: Builder, x: Traced, W: Any, R: Any, B: Any = None, lengths: Any = None, h: Any = None, c: Any = None,
              P: Any = None, hidden_size: int = 0, direction: str = "forward", layout: int = 0,
              linear_before_reset: int = 0, activations: Any = None, clip: float | None = None, input_forget: int = 0,
              _kind: str = "") -> list[Traced]:
    """A node: h and c are initial_h and initial_c, P the peepholes; Y, Y_h and of an LSTM Y_c."""
    cell, order, usual = GATES[_kind]
    W, R = weights(W), weights(R)               # (D, G H, I) and (D, G H, H)
    ways, units = len(W), R.shape[-1]
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in activations or usual * ways]
    relu = _kind == "RNN" and {name.lower() for name in names} == {"relu"}
    if not relu and [name.lower() for name in names] != [name.lower() for name in usual * ways]:
        raise ValueError(f"has the activations {', '.join(names)}, expected {', '.join(usual)}"
                         + (" or Relu" if _kind == "RNN" else ""))
    if clip is not None or input_forget or P is not None and np.any(P):
        what = "clips" if clip is not None else "couples its gates" if input_forget else "has peepholes"
        raise ValueError(f"{what}, expected a plain {_kind}")
    x = x if layout else swap(b, x, 0, 1)
    if lengths is not None and (isinstance(lengths, Traced) or np.any(lengths_of(lengths) != x.shape[1])):
        raise ValueError("has a length for each sequence, expected all to be as long as the input")
    if B is not None:
        B = weights(B)                          # (D, 2 G H): those of W, then those of R

    def gates(array: np.ndarray) -> np.ndarray:
        """Rows of G gates in our order, as columns."""
        parts = array.reshape(len(order), units, -1)
        return np.concatenate([parts[n] for n in order]).T
    arrays = [[gates(W[d]), gates(R[d]), *((None, None) if B is None else (
        gates(half)[0] for half in np.split(B[d], 2)))] for d in range(ways)]
    start = [h, c] if cell is ours.LSTM else [h]
    if layout:
        start = [swap(b, state, 0, 1) if isinstance(state, Traced) else Varying(
            np.swapaxes(state.array, 0, 1), np.swapaxes(state.other, 0, 1)) if isinstance(state, Varying) else
            state if state is None else np.swapaxes(state, 0, 1) for state in start]
    settings: dict[str, Any] = {"activation": "relu"} if relu else {}
    if cell is ours.GRU:
        settings["reset_after"] = bool(linear_before_reset)
    y, states = recurrent(b, cell, x, [arrays], start, reverse=direction == "reverse", **settings)
    if layout:
        return [y, *(swap(b, state, 0, 1) for state in states)]
    return [transpose(b, y, (1, 2, 0, 3)), *states]


def lengths_of(value: Any) -> np.ndarray:
    """The lengths of all sequences, for both sizes of the batch."""
    return np.concatenate([value.array, value.other]) if isinstance(value, Varying) else np.asarray(value)
