"""Blocks, and layers that move numbers, in ONNX: the second half of `onnx_layers.py`."""
from minixnn.interop.onnx_layers import BASIC


def _flatten(w, layer, x, shape):
    return w.node("Flatten", x, axis=1)


def _reshape(w, layer, x, shape):
    return w.node("Reshape", x, [-1, *layer.shape])


def _permute(w, layer, x, shape):
    return w.node("Transpose", x, perm=[0, *(axis + 1 for axis in layer.axes)])


def _slice(w, layer, x, shape):
    stop = 2 ** 62 if layer.stop is None else layer.stop
    return w.node("Slice", x, [layer.start or 0], [stop], [layer.axis], [layer.step])


def _select(w, layer, x, shape):
    return w.node("Slice", x, [layer.start or 0], [2 ** 62 if layer.stop is None else layer.stop], [-1], [1])


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
    "Repeated": _block("Concat")}
