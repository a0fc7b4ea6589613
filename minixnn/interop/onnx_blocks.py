"""Blocks, and layers that move numbers, in ONNX: the second half of `onnx_layers.py`."""
import numpy as np

from minixnn.arrays import to_numpy
from minixnn.interop.onnx_layers import BASIC, batch_of


def _flatten(w, layer, x, shape):
    return w.node("Flatten", x, axis=1)


def _reshape(w, layer, x, shape):
    return w.node("Reshape", x, [-1, *layer.shape])


def _permute(w, layer, x, shape):
    return w.node("Transpose", x, perm=[0, *(axis + 1 for axis in layer.axes)])


def _part(w, x, axis, start, stop, step=1):
    """A node that takes a part along an axis; None: from the beginning, to the end."""
    return w.node("Slice", x, [start or 0], [2 ** 62 if stop is None else stop], [axis], [step])


def _slice(w, layer, x, shape):
    return _part(w, x, layer.axis, layer.start, layer.stop, layer.step)


def _select(w, layer, x, shape):
    return _part(w, x, -1, layer.start, layer.stop)


def _pad(w, layer, x, shape):
    pads = [(0, 0), *layer.pads]
    return w.node("Pad", x, [p for p, _ in pads] + [q for _, q in pads])


def _shuffle(w, layer, x, shape):
    y = w.node("Reshape", x, [-1, *shape[:-1], layer.groups, shape[-1] // layer.groups])
    n = len(shape)
    return w.node("Reshape", w.node("Transpose", y, perm=[*range(n), n + 1, n]), [-1, *shape])


def _softmax(kind):
    return lambda w, layer, x, shape: w.node(kind, x, axis=layer.axis)


def _embedding(w, layer, x, shape):
    return w.node("Gather", layer.W, x, axis=0)


def _tokens(w, layer, x, shape):
    return w.node("Reshape", x, [0, -1, shape[-1]])


def _take_token(w, layer, x, shape):
    one = _part(w, x, 1, layer.index, None if layer.index == -1 else layer.index + 1)
    return w.node("Squeeze", one, [1])


def _class_token(w, layer, x, shape):
    """The token as often as there are sequences, in front of each."""
    sizes = w.node("Concat", batch_of(w, x), [1, shape[-1]], axis=0)
    token = w.node("Expand", layer.token[None, None], sizes)
    return w.node("Concat", token, x, axis=1)


def _position_embedding(w, layer, x, shape):
    return x if layer.b is None else w.node("Add", x, layer.b)


def _attention(w, layer, x, shape):
    """Attention written out, in opset 17: Q and K of each head, who is hidden, softmax, and the heads side by side."""
    Q, K, V = (w.node("Reshape", BASIC["Dense"](w, layer.projection(name), x, shape), [0, 0, layer.heads, -1])
               for name in "qkv")                           # (N, T, H, d)
    S = w.node("MatMul", w.node("Transpose", Q, perm=[0, 2, 1, 3]), w.node("Transpose", K, perm=[0, 2, 3, 1]))
    S = w.node("Mul", S, w.number((layer.W_q.shape[1] // layer.heads) ** -0.5))
    hidden = layer.hidden(shape[0])
    if hidden is not None and hidden.ndim > 2:
        raise ValueError("a mask of its own for each sequence has no place in a file for sequences of any number")
    if hidden is not None:
        S = w.node("Add", S, np.where(to_numpy(hidden), -np.inf, 0))
    O = w.node("MatMul", w.node("Softmax", S, axis=-1), w.node("Transpose", V, perm=[0, 2, 1, 3]))      # noqa: E741
    joined = w.node("Reshape", w.node("Transpose", O, perm=[0, 2, 1, 3]), [0, 0, layer.W_o.shape[0]])
    return BASIC["Dense"](w, layer.projection("o"), joined, shape)


def _same(w, layer, x, shape):
    return x


def _block(kind, **settings):
    def write(w, layer, x, shape):
        chains = [w.chain(chain.layers, x, shape, f"layer in {name}, ")
                  for name, chain in zip(layer.branches, layer.chains)]
        if kind == "Concat":
            return w.node("Concat", *chains, axis=-1)
        y = chains[0]
        for other in chains[1:]:
            y = w.node(kind, y, other)
        return y
    return write


WRITERS = {
    **BASIC,
    "Softmax": _softmax("Softmax"), "LogSoftmax": _softmax("LogSoftmax"), "Flatten": _flatten, "Unflatten": _reshape,
    "Reshape": _reshape, "Permute": _permute, "Slice": _slice, "ChannelSelect": _select, "Pad": _pad,
    "ChannelShuffle": _shuffle, "Embedding": _embedding, "OneHot": _embedding, "Dropout": _same, "Identity": _same,
    "Sum": _block("Add"), "Residual": _block("Add"), "Product": _block("Mul"), "Concat": _block("Concat"),
    "Repeated": _block("Concat"), "Tokens": _tokens, "TakeToken": _take_token, "ClassToken": _class_token,
    "PositionEmbedding": _position_embedding, "Attention": _attention}
