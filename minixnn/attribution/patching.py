"""Activation patching: what becomes of the output when a part of one run is put into another?"""
from collections.abc import Sequence

import numpy as np

from minixnn import passes
from minixnn.arrays import Array
from minixnn.attribution.gradients import decided
from minixnn.batching import map_batches
from minixnn.logits import at_logits
from minixnn.network import Network, expect_network
from minixnn.passes import Target


def patching(net: Network, x: Array, other: Array, i: int, axes: int | Sequence[int] = (), target: Target = None, *,
             share: float = 1.0, start: Array | None = None, batch_size: int | None = None, workers: int = 1) -> Array:
    """By how much the output rises when parts of A[i] are those of another run. Vig et al. 2020.

        effect_p = y(x, with A[i]_p = A_other[i]_p) - y(x)        for each part p of A[i], by itself

    If x is the run whose answer is wrong and `other` the right one, this asks what suffices to restore the answer
    ("denoising"); the other way round, what is needed to keep it ("noising"). The two need not agree (Heimersheim &
    Nanda 2024, arXiv 2404.15255). Each part costs one forward pass from layer i on.

    Parameters
    ----------
    net : the Network.
    x, other : arrays (N, ...): the runs that are patched and those that the parts are taken from, image by image.
    i : number of the activation, as in `net.trace(x)`; 0 is the input.
    axes : axes of A[i] along which it is cut into parts: 1 for the tokens of (N, T, C), (1, 2) for heads and tokens of
        (N, H, T, d), () for A[i] as a whole.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    share : how far to go, from A[i] towards A_other[i]; 1 is all the way.
    start : weights of the outputs in place of the target, such as `contrast(net, x, a, b, relevance=False)`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The effects, (N, *sizes of A[i] along `axes`).

    Raises
    ------
    ValueError : `other` does not fit x, A[i] or its axes do not exist, or tokens are to go part of the way.

    Examples
    --------
    >>> import numpy as np
    >>> from minixnn import Dense, Network, ReLU
    >>> both = Network([Dense(np.ones((2, 1)), np.array([-1.0])), ReLU()])      # 1 where both inputs are
    >>> one, zero = np.array([[1.0, 1.0]]), np.array([[0.0, 0.0]])
    >>> patching(both, zero, one, 0, axes=1, target=0), patching(both, one, zero, 0, axes=1, target=0)
    (array([[0., 0.]]), array([[-1., -1.]]))
    """
    expect_network(net)
    net = at_logits(net, start)
    if not hasattr(i, "__index__") or not 0 <= i <= len(net.layers):
        raise ValueError(f"got i={i!r}, expected the number of an activation, from 0, the input, to {len(net.layers)}, "
                         "the output; net.describe() numbers the layers, and layer l makes A[l + 1]")

    def of_batch(x: Array, other: Array, target: Target, start: Array | None) -> Array:
        A, a = net.trace(x), net.trace(other)[i]
        if A[i].dtype.kind != "f" and share != 1:
            raise ValueError(f"got share={share} for whole numbers, between which there is no way; patch what the "
                             "Embedding makes of them, A[1], or go all the way with share=1")
        if start is None:
            start = passes.one_hot(A[-1], decided(net, x, target))
        start = passes.check_start(A[-1], start)
        cut = along(A[i], axes)
        effects = []
        for part in np.ndindex(*(A[i].shape[axis] for axis in cut)):
            where: list = [slice(None)] * A[i].ndim
            for axis, n in zip(cut, part):
                where[axis] = n
            put, at = A[i].copy(), tuple(where)
            put[at] = a[at] if share == 1 else A[i][at] + share * (a - A[i])[at]
            change = (rerun(net, A, i, put) - A[-1]) * start
            effects.append(change.reshape(len(x), -1).sum(axis=1))
        return np.stack(effects, axis=1).reshape(len(x), *(A[i].shape[axis] for axis in cut))
    return map_batches(of_batch, x, passes.as_reference(x, other), target, start, batch_size=batch_size,
                       workers=workers)


def rerun(net: Network, A: list, i: int, a: Array) -> Array:
    """The output where A[i] is `a`. Layers that it reaches are computed anew, of all others A has the results."""
    A, reached = [*A[:i], a, *A[i + 1:]], {i}
    for l in range(i, len(net.layers)):
        if reached & set(net.inputs[l]):
            A[l + 1] = net.layers[l].forward(net.entering(A, l))
            reached.add(l + 1)
    return A[-1]


def along(a: Array, axes: int | Sequence[int]) -> list[int]:
    """`axes` as a list of axes from 1 on.

    Parameters
    ----------
    a : an activation (N, ...).
    axes : an axis, or several.

    Returns
    -------
    The axes, as numbers of 1 or more.

    Raises
    ------
    ValueError : axes that `a` does not have, the axis of images, or one axis twice.
    """
    cut = [axes] if hasattr(axes, "__index__") else list(axes)              # type: ignore[arg-type]
    if not all(-a.ndim < axis < a.ndim and axis for axis in cut) or len({axis % a.ndim for axis in cut}) < len(cut):
        raise ValueError(f"got axes={axes!r} for an activation of shape {a.shape}, expected different axes from 1 to "
                         f"{a.ndim - 1}; axis 0 is that of the images, and each has parts of its own")
    return [axis % a.ndim for axis in cut]
