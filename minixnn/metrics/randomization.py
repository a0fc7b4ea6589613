"""Sanity checks: a heatmap that stays the same when the network forgets does not explain the network.

Adebayo et al. 2018, section 3. Layer by layer, from the output down, what the network has learnt is replaced by
random numbers; after each the image is explained anew and its heatmap compared with the first one. Importable
from `minixnn.metrics`.
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minixnn.arrays import Array, like, to_numpy
from minixnn.layers import Affine, Prepare
from minixnn.layers.base import Layer
from minixnn.metrics.measuring import map_images, method_of, quotient
from minixnn.network import Network, expect_network
from minixnn.passes import Target


class SanityCheck(NamedTuple):
    layers: list                # index of each layer that has something to forget, from the output down
    signed: np.ndarray          # (layers, N) rank correlation of the heatmap with that of the trained network
    absolute: np.ndarray        # (layers, N) the same of the absolute values, which is what an eye compares


def sanity_check(method: str | Callable, net: Network, images: Array, rng: np.random.Generator, target: Target = None,
                 cascading: bool = True, forget: Callable | None = None, batch_size: int | None = None,
                 workers: int = 1, quiet: bool = False) -> SanityCheck:
    """Rank correlation of heatmaps before and after layers are randomised. Near 0 is good. Adebayo et al. 2018.

    Both correlations are worth a look: a map can change its signs, so that its signed correlation falls to 0, and still
    show the eye the same edges of the input.

    Parameters
    ----------
    method : a name in `attribution.METHODS`, or a function (net, x, target) -> array like x.
    net : the Network.
    images : (N, H, W, C).
    rng : the numpy.random.Generator of the random weights.
    target : the output to explain: None for what the *trained* network sees, an int, or one int per image.
    cascading : True to randomise each layer together with all above it (section 3.1), False to randomise each alone
        (section 3.2).
    forget : a function (layer, rng) -> layer that randomises a layer; None for `reinitialized`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.
    quiet : whether no progress bar is drawn.

    Returns
    -------
    A SanityCheck: the numbers of the layers, and for each the correlations (layers, N), signed and of absolute values,
    from -1 to 1.

    Raises
    ------
    ValueError : an rng that is no Generator, an unknown method, no images (N, H, W, C), targets that do not fit them.
    """
    if not hasattr(rng, "permutation"):
        raise ValueError(f"got rng={rng!r}, expected a numpy.random.Generator such as numpy.random.default_rng(0), "
                         "which draws the weights of the networks that have forgotten")
    expect_network(net)
    explain = method_of(method)
    forget = reinitialized if forget is None else forget
    last = {id(layer): l for l, layer in enumerate(net.layers)}             # a layer that is shared has one turn
    learnt = [l for l in reversed(range(len(net.layers))) if net.layers[l].arrays() and last[id(net.layers[l])] == l
              and not isinstance(net.layers[l], Prepare)]
    forgetful, layers = [], list(net.layers)
    for l in learnt:
        layers, forgotten = list(layers if cascading else net.layers), forget(net.layers[l], rng)
        layers = [forgotten if layer is net.layers[l] else layer for layer in layers]
        forgetful.append(net.like_this(layers))

    def of_batch(_, x, wanted):
        before = explain(net, x, wanted)
        after = [explain(other, x, wanted) for other in forgetful]
        return [[rank_correlation(f(before), f(R)) for R in after] for f in (unchanged, abs)]
    parts = map_images(of_batch, net, images, target, batch_size, workers, "sanity check", quiet)
    signed, absolute = (np.concatenate(part, axis=1) for part in zip(*parts))
    return SanityCheck(learnt, signed, absolute)


def unchanged(R: Array) -> Array:
    return R


def reinitialized(layer: Layer, rng: np.random.Generator) -> Layer:
    """The layer as if before training: normal weights of the same root mean square, biases zero.

    With the same root mean square activations keep their size. Other layers with arrays, such as batch normalisation,
    are shuffled.

    Parameters
    ----------
    layer : a layer.
    rng : the numpy.random.Generator that draws the weights.

    Returns
    -------
    A new layer of the same class and shape.
    """
    if not isinstance(layer, Affine) or set(layer.arrays()) != {"W", "b"}:
        return shuffled(layer, rng)
    size = float((layer.W * layer.W).mean()) ** 0.5
    W = like(layer.W, rng.normal(0.0, size, layer.W.shape).astype(layer.W.dtype))
    return layer.with_weights(W, None if layer.b is None else layer.b * 0)


def shuffled(layer: Layer, rng: np.random.Generator) -> Layer:
    """The layer with the entries of each of its arrays in random order: the same numbers, in the wrong places."""
    return layer.map_arrays(lambda array: array.reshape(-1)[like(array, rng.permutation(array.size))]
                            .reshape(array.shape))


def randomized(net: Network, rng: np.random.Generator, forget: Callable = shuffled) -> Network:
    """The network with every layer randomised: a control for any of its maps, which should look different.

    Parameters
    ----------
    net : the Network.
    rng : the numpy.random.Generator that draws the new order or the new weights.
    forget : a function (layer, rng) -> layer, `shuffled` or `reinitialized`.

    Returns
    -------
    The new Network, with the same card. A layer `Prepare`, which is not learnt, stays as it is.
    """
    distinct = {id(layer): layer for layer in net.layers}   # a layer that is shared forgets once
    forgetful = {key: layer if isinstance(layer, Prepare) else forget(layer, rng) for key, layer in distinct.items()}
    return net.like_this([forgetful[id(layer)] for layer in net.layers])


def rank_correlation(one: Array, other: Array) -> Array:
    """Spearman's rank correlation of two heatmaps of each image: the correlation of the ranks of their entries.

    Parameters
    ----------
    one, other : heatmaps (N, ...).

    Returns
    -------
    (N,), from -1 to 1; 0 where a map has the same number everywhere, which has no ranks.
    """
    pairs = [(ranks(a), ranks(b)) for a, b in zip(to_numpy(one), to_numpy(other))]
    products = np.array([(a @ b, a @ a, b @ b) for a, b in pairs])
    return quotient(products[:, 0], (products[:, 1] * products[:, 2]) ** 0.5)


def ranks(v: Array) -> Array:
    """The rank of each entry less the mean of all ranks; equal entries share the mean of their places.

    In the sorted list the entries equal to one lie from the place where it fits in on the left to that on the right.

    Parameters
    ----------
    v : numbers, of any shape.

    Returns
    -------
    The ranks, (v.size,).
    """
    v = v.reshape(-1)
    inorder = np.sort(v)
    first, behind = np.searchsorted(inorder, v, "left"), np.searchsorted(inorder, v, "right")
    return (first + behind - 1) / 2 - (v.size - 1) / 2
