"""Recurrent networks that add two marked numbers of a sequence: a task of which the right explanation is known.

    x, y = adding.sequences(200, numpy.random.default_rng(0))   # (200, 12, 2): a number and a mark at each step; sums
    net = adding.network("lstm0")                               # or lstm1, lstm2, gru0, gru1, from different seeds
    python -m minixnn.models.adding                             # the run that made the weights: about two minutes

Hochreiter & Schmidhuber 1997, experiment 4. 32 units; mean squared errors on new sequences are 2e-4 or less, where the
sums have a variance of 0.17. The weights are kept in half precision.
"""
import pathlib

import numpy as np

from minixnn.arrays import Array
from minixnn.layers import GRU, LSTM, Dense, TakeToken
from minixnn.network import Network
from minixnn.train import Adam, backward, cosine, update

DATA = pathlib.Path(__file__).parents[1] / "data" / "adding.npz"
NAMES = ["lstm0", "lstm1", "lstm2", "gru0", "gru1"]
STEPS, UNITS, BATCHES, SIZE, RATE = 12, 32, 3000, 128, 0.005


def sequences(count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Sequences of numbers of which two are marked, and the sums of these two.

    Parameters
    ----------
    count : how many.
    rng : the numpy.random.Generator that draws them.

    Returns
    -------
    x (count, 12, 2), numbers from 0 to 1 and marks, 1 at two steps and 0 at the others; and the sums (count, 1).
    """
    x = np.zeros((count, STEPS, 2), np.float32)
    x[..., 0] = rng.random((count, STEPS))
    np.put_along_axis(x[..., 1], rng.random((count, STEPS)).argsort(axis=1)[:, :2], 1, axis=1)
    return x, (x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True)


def network(name: str = "lstm0") -> Network:
    """A trained network: x (N, 12, 2) -> the sum (N, 1).

    Parameters
    ----------
    name : one of NAMES.

    Returns
    -------
    The Network.

    Raises
    ------
    ValueError : an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"got the network {name!r}, expected one of {', '.join(NAMES)}")
    with np.load(DATA) as file:
        a = {key.partition(".")[2]: file[key].astype(np.float32) for key in file.files if key.startswith(f"{name}.")}
    cell = (LSTM if name.startswith("lstm") else GRU)(a["W_x"], a["W_h"], a["b_x"], a["b_h"], steps=STEPS)
    return Network([cell, TakeToken(-1), Dense(a["head.W"], a["head.b"])]).with_card(input_shape=(STEPS, 2))


def trained(name: str) -> dict[str, Array]:
    """{"lstm0.W_x": ..., ...}: the arrays of a network trained from the seed in its name, on squared errors."""
    kind, rng = LSTM if name.startswith("lstm") else GRU, np.random.default_rng(int(name[-1]))
    cell = kind.random(2, UNITS, rng, steps=STEPS)
    if kind is LSTM:
        cell.cell["forget"].arrays()["b"][:] = 1            # Gers et al. 2000: begin by keeping
    head = Dense.random(UNITS, 1, rng, init="glorot")
    net, optimizer = Network([cell, TakeToken(-1), head]), Adam(RATE)
    for n in range(BATCHES):
        x, y = sequences(SIZE, rng)
        optimizer.learning_rate = RATE * cosine(n / BATCHES)
        A = net.trace(x)
        gradients, _ = backward(net, A, (2 / SIZE * (A[-1] - y)).astype(np.float32))
        size = sum((g ** 2).sum() for own in gradients for g in (own or {}).values() if g is not None) ** 0.5
        update(optimizer, net, [{key: g if g is None else g / max(1, size) for key, g in (own or {}).items()}
                                for own in gradients])
    return {f"{name}.{key}": np.asarray(a).astype(np.float16)
            for key, a in {**of_cell(cell), "head.W": head.W, "head.b": head.b}.items()}


def of_cell(cell: LSTM | GRU) -> dict[str, Array]:
    """W_x, W_h, b_x and b_h of a cell that has learnt, whose gates are layers of their own over token and state."""
    W, b = ([getattr(cell.cell[gate], name) for gate in cell.gates] for name in "Wb")
    W_x, W_h, b_x, b_h = [w[:2] for w in W], [w[2:] for w in W], b, [0 * each for each in b]
    if isinstance(cell, GRU):                   # the candidate has two sums
        W_x[2], W_h[2], b_x[2] = cell.of_token.W, cell.of_state.W, cell.of_token.b
    return {name: np.concatenate(arrays, axis=-1)
            for name, arrays in (("W_x", W_x), ("W_h", W_h), ("b_x", b_x), ("b_h", b_h))}


if __name__ == "__main__":
    np.savez_compressed(DATA, **{key: a for name in NAMES for key, a in trained(name).items()})
