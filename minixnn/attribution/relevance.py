"""Heatmaps of relevance: LRP, concepts, deep Taylor, and DeepLIFT. All are importable from `minixnn.attribution`."""
from collections.abc import Sequence

from minixnn import passes
from minixnn.arrays import Array, array_module
from minixnn.batching import map_batches
from minixnn.logits import at_logits
from minixnn.network import Network
from minixnn.passes import Target
from minixnn.rules import composites
from minixnn.rules import lrp as _lrp
from minixnn.rules.composites import Rules


def lrp(net: Network, x: Array, target: Target = None, rules: Rules = _lrp.epsilon, *, start: Array | None = None,
        batch_size: int | None = None, workers: int = 1) -> Array:
    """Layer-wise relevance propagation. Bach et al. 2015; Montavon et al. 2019. See `passes.lrp`.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    rules : one rule for all layers, a list with a rule per layer, or a composite of `rules.composites`.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : rules that do not fit the layers, a wrong target or start, NaN in the inputs or from a rule.

    Examples
    --------
    >>> import numpy as np
    >>> from minixnn import Dense, Network, ReLU
    >>> net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
    >>> x = np.array([[1.0, 2.0]])                             # hidden: 3 and 1; output: 7
    >>> lrp(net, x, target=0).round(3)
    array([[1., 6.]])
    """
    net = at_logits(net, start)
    rules = composites.rules_for(net, rules)

    def of_batch(x, target, start):
        return passes.lrp(net, x, target, rules, start, only_input=True)[0]
    return map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers)


def concepts(net: Network, x: Array, i: int, channels: Sequence[int] | None = None, target: Target = None,
             rules: Rules = _lrp.epsilon, *, start: Array | None = None, batch_size: int | None = None,
             workers: int = 1) -> Array:
    """Concept relevance propagation: a heatmap for each channel of A[i]. Achtibat et al. 2023.

    Relevance is propagated back to A[i]; there all channels but one are set to zero; what is left is propagated on by
    the same rules. Every rule is linear in R, so the maps of all channels sum to the heatmap of `lrp` with these rules.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...).
    i : number of the activation net.trace(x)[i], (N, ..., C), whose last axis holds the channels.
    channels : numbers from 0 to C - 1; None for all of them.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    rules : as for `lrp`.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    Heatmaps (N, len(channels), ...), one of x's shape for each channel.

    Raises
    ------
    ValueError : an i or a channel that does not exist; signal that bypasses A[i], such as by a shortcut around it.
    NotImplementedError : a network of several inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from minixnn import Dense, Network, ReLU
    >>> net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
    >>> x = np.array([[1.0, 2.0]])                             # hidden: 3 and 1; output: 7
    >>> concepts(net, x, 2).round(3)                           # 6 of 7 pass through the first neuron
    array([[[ 2.,  4.],
            [-1.,  2.]]])
    """
    net = at_logits(net, start)
    if isinstance(x, tuple):
        raise NotImplementedError("concepts takes networks of one input; walk down with passes.lrp, set the other "
                                  "channels of R[i] to zero, and give it as the start of net.part(0, i)")
    if not 0 < i < len(net.layers):
        raise ValueError(f"got i={i}, expected the number of an activation inside the network, from 1 to "
                         f"{len(net.layers) - 1}: net.trace(x)[i] is what layer i - 1 makes")
    rules, lower, upper = composites.rules_for(net, rules), net.part(0, i), net.part(i, len(net.layers))

    def of_batch(x: Array, target: Target, start: Array | None) -> Array:
        a = lower.forward(x)
        R = passes.lrp(upper, a, target, rules[i:], start, only_input=True)[0]                  # (n, ..., C)
        xp, C = array_module(R), R.shape[-1]
        chosen = range(C) if channels is None else [int(k) for k in channels]
        if not chosen or not all(0 <= k < C for k in chosen):
            raise ValueError(f"got channels {list(chosen)}, expected numbers from 0 to {C - 1}: A[{i}] has the shape "
                             f"{a.shape}")
        return xp.stack([passes.lrp(lower, x, rules=rules[:i], start=R * (xp.arange(C) == k), only_input=True)[0]
                         for k in chosen], axis=1)
    return map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers)


def deep_taylor(net: Network, x: Array, target: Target = None, low: float | Array = 0, high: float | Array = 1, *,
                start: Array | None = None, batch_size: int | None = None, workers: int = 1) -> Array:
    """Deep Taylor decomposition. Montavon et al. 2017. See `passes.deep_taylor`.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    low, high : the bounds of the pixels: numbers, or arrays that broadcast to the images; None and None for any x.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : pixels outside the bounds, one bound without the other, a layer that the rules do not fit.
    """
    net = at_logits(net, start)

    def of_batch(x, target, start, low, high):
        return passes.deep_taylor(net, x, target, low, high, start, only_input=True)[0]

    def with_axes(bound: Array) -> Array:                   # an array gets the images' axes, to be cut with them
        return bound.reshape((1,) * (x.ndim - bound.ndim) + bound.shape) if getattr(bound, "ndim", 0) else bound
    low, high = with_axes(low), with_axes(high)
    return map_batches(of_batch, x, target, start, low, high, batch_size=batch_size, workers=workers)


def deeplift(net: Network, x: Array, target: Target = None, x_ref: Array | None = None, *, start: Array | None = None,
             batch_size: int | None = None, workers: int = 1) -> Array:
    """DeepLIFT with the rescale rule. Shrikumar et al. 2017, section 3.5.2. It sums to y(x) - y(x_ref).

    See `passes.deeplift`.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    x_ref : the reference, of x's shape or of one image's (1, ...); None for zero. A list of references, each an image
        or as before, gives the average of their heatmaps. Where no image is a natural "nothing", the average over
        several typical images depends less on the choice of one.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : a reference of another shape, of whole numbers, or with NaN; an empty list; a wrong target or start.
    NotImplementedError : a layer without multipliers, which is named.
    """
    return _over_references(passes.deeplift, net, x, target, x_ref, start, batch_size, workers)


def deeplift_reveal_cancel(net: Network, x: Array, target: Target = None, x_ref: Array | None = None, *,
                           start: Array | None = None, batch_size: int | None = None, workers: int = 1) -> Array:
    """DeepLIFT with the RevealCancel rule. Shrikumar et al. 2017, section 3.5.3. It sums to y(x) - y(x_ref).

    See `passes.deeplift_reveal_cancel`.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    x_ref : the reference or references, as for `deeplift`.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : a reference of another shape, of whole numbers, or with NaN; an empty list; a wrong target or start.
    NotImplementedError : a layer without multipliers, which is named; a network of several inputs.
    """
    return _over_references(passes.deeplift_reveal_cancel, net, x, target, x_ref, start, batch_size, workers)


def _over_references(deeplift, net, x, target, x_ref, start, batch_size, workers):
    """The mean of the heatmaps of the pass `deeplift` over one or several references."""
    net = at_logits(net, start)

    def of_batch(x, target, start, x_ref):
        return deeplift(net, x, x_ref, target, start, only_input=True)[0]
    if isinstance(x, tuple):
        x_ref = tuple(part[:1] * 0 for part in x) if x_ref is None else x_ref
        return map_batches(of_batch, x, target, start, x_ref, batch_size=batch_size, workers=workers)
    references = [x[:1] * 0] if x_ref is None else x_ref if isinstance(x_ref, (list, tuple)) else [x_ref]
    if not references:
        raise ValueError("got an empty list of references, expected at least one image to compare with")
    total = 0
    for x_ref in references:
        array_module(x_ref)                     # refuses what is not an array
        x_ref = x_ref[None] if x_ref.ndim == x.ndim - 1 else x_ref
        total = total + map_batches(of_batch, x, target, start, x_ref, batch_size=batch_size, workers=workers)
    return total / len(references)
