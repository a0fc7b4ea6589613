"""Heatmaps made of gradients. All are importable from `minixnn.attribution`.

Every function is f(net, x, target=None, *, start=None, batch_size=None, workers=1) -> array like x.
"""
from collections.abc import Callable

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, array_module, like, positive
from minixnn.batching import copies, in_turns, map_batches, parallel_map, share_workers
from minixnn.logits import at_logits
from minixnn.layers import Identity
from minixnn.network import Network
from minixnn.passes import Target


def gradient(net: Network, x: Array, target: Target = None, *, start: Array | None = None,
             batch_size: int | None = None, workers: int = 1) -> Array:
    """dy_target / dx. Baehrens et al. 2010; Simonyan et al. 2014, section 3.

    It says what would raise or lower the output, not what the output is made of.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs with NaN or of a shape that does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from minixnn import Dense, Network, ReLU
    >>> net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
    >>> x = np.array([[1.0, 2.0]])                             # hidden: 3 and 1; output: 7
    >>> gradient(net, x, target=0)
    array([[1., 3.]])
    """
    net = at_logits(net, start)

    def of_batch(x, target, start):
        return passes.gradient(net, x, target, start, only_input=True)[0]
    return map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers)


def sensitivity(net: Network, x: Array, target: Target = None, *, start: Array | None = None,
                batch_size: int | None = None, workers: int = 1) -> Array:
    """(dy_target / dx)^2. Montavon et al. 2018, section 4.1.   Its sum is the squared length of the gradient.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs with NaN or of a shape that does not fit.
    """
    return gradient(net, x, target, start=start, batch_size=batch_size, workers=workers) ** 2


def saliency(net: Network, x: Array, target: Target = None, *, start: Array | None = None,
             batch_size: int | None = None, workers: int = 1) -> Array:
    """|dy_target / dx|, the largest over the channels of a pixel. Simonyan et al. 2014, section 3.1.

    The one number of a pixel is repeated over its channels. For inputs without channels, (N, D) or (N, T, C), it is the
    absolute value of each entry.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs with NaN or of a shape that does not fit.
    """
    R = abs(gradient(net, x, target, start=start, batch_size=batch_size, workers=workers))
    if R.ndim < 4:
        return R
    return array_module(x).repeat(R.max(axis=-1, keepdims=True), x.shape[-1], axis=-1)


def gradient_times_input(net: Network, x: Array, target: Target = None, *, start: Array | None = None,
                         batch_size: int | None = None, workers: int = 1) -> Array:
    """x dy_target / dx. Shrikumar et al. 2016; simple Taylor decomposition in Montavon et al. 2018, section 4.2.

    It sums to the output where the network is homogeneous: ReLU, max pooling and no biases. For tokens (whole numbers)
    the gradient with respect to a token's 1 is this product already.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs with NaN or of a shape that does not fit.
    """
    R = gradient(net, x, target, start=start, batch_size=batch_size, workers=workers)
    if isinstance(x, tuple):
        return tuple(part * r if part.dtype.kind == "f" else r for part, r in zip(x, R))
    return x * R if x.dtype.kind == "f" else R


def deconvnet(net: Network, x: Array, target: Target = None, *, start: Array | None = None,
              batch_size: int | None = None, workers: int = 1) -> Array:
    """The signal of the deconvolutional network. Zeiler & Fergus 2014, section 2.1.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs with NaN or of a shape that does not fit.
    """
    net = at_logits(net, start)

    def of_batch(x, target, start):
        return passes.deconvnet(net, x, target, start, only_input=True)[0]
    return map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers)


def guided_backprop(net: Network, x: Array, target: Target = None, *, start: Array | None = None,
                    batch_size: int | None = None, workers: int = 1) -> Array:
    """The signal of guided backpropagation. Springenberg et al. 2015, figure 1.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs with NaN or of a shape that does not fit.
    """
    net = at_logits(net, start)

    def of_batch(x, target, start):
        return passes.guided_backprop(net, x, target, start, only_input=True)[0]
    return map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers)


def integrated_gradients(net: Network, x: Array, target: Target = None, baseline: Array | None = None, steps: int = 50,
                         method: str = "midpoint", return_error: bool = False, *, start: Array | None = None,
                         batch_size: int | None = None, workers: int = 1) -> Array | tuple[Array, Array]:
    """Integrated gradients. Sundararajan et al. 2017, eq. 1.

        R = (x - baseline) * integral over t from 0 to 1 of  gradient(baseline + t (x - baseline))

    The target is decided once, on x. For tokens (whole numbers, see layers.Embedding) the path runs between their
    embeddings, from a baseline of tokens or from 0, and R is summed over each position.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    baseline : an array of x's shape or of one image's (1, ...), a number, or None for zero.
    steps : pieces of the straight path; the integral is a weighted sum over them.
    method : how the pieces are weighted, see `path`.
    return_error : whether (R, error) is returned.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    R, like x. In the limit of many steps it sums to y(x) - y(baseline), "completeness". With return_error also the
    error (N,), by which the sum misses that difference.

    Raises
    ------
    ValueError : a baseline of another shape or with NaN, no steps, an unknown method, a wrong target or start.

    Examples
    --------
    >>> import numpy as np
    >>> from minixnn import Dense, Network, ReLU
    >>> net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
    >>> x = np.array([[1.0, 2.0]])                             # hidden: 3 and 1; output: 7
    >>> integrated_gradients(net, x, target=0).round(3)        # sums to 7, the change of the output from 0 to x
    array([[1., 6.]])
    """
    net = at_logits(net, start)
    net.check(x)
    if x.dtype.kind != "f":                                 # tokens: the path runs between their embeddings
        return of_embeddings(integrated_gradients, net, x, target, baseline, steps, method, return_error, start=start,
                             batch_size=batch_size, workers=workers)
    t, weights = path(steps, method)
    outer, inner = share_workers(x, batch_size, workers)
    if getattr(baseline, "ndim", 0) == 0:                   # None, or a number for all pixels
        baseline = x[:1] * 0 + (0 if baseline is None else baseline)

    def of_batch(x, target, baseline, start):
        if start is None:
            target = decided(net, x, target)
        baseline = passes.as_reference(x, baseline)

        def of_points(turn):
            k = len(t[turn])
            points = baseline + column(t[turn], x) * (x - baseline)                     # (k, N, ...)
            dy = passes.gradient(net, points.reshape(-1, *x.shape[1:]), copies(target, k, len(x)),
                                 copies(start, k, len(x)), only_input=True)[0]
            return (column(weights[turn], x) * dy.reshape(points.shape)).sum(axis=0)

        turns = in_turns(len(t), x, batch_size)
        return (x - baseline) * sum(parallel_map(of_points, turns, workers=inner))

    R = map_batches(of_batch, x, target, baseline, start, batch_size=batch_size, workers=outer)
    if not return_error:
        return R
    y, y_baseline = net.predict(x, batch_size, workers), net.predict(baseline, batch_size, workers)
    chosen = passes.one_hot(y, target) if start is None else passes.check_start(y, start)
    return R, R.reshape(len(x), -1).sum(axis=1) - ((y - y_baseline) * chosen).reshape(len(x), -1).sum(axis=1)


def path(steps: int, method: str = "midpoint") -> tuple[Array, Array]:
    """Points t in [0, 1] and weights, which sum to 1, of the quadrature rule `method` with `steps` pieces.

    Parameters
    ----------
    steps : the number of pieces, at least 1.
    method : "midpoint", the middle of each piece, exact for gradients that change linearly; "left" or "right", an end
        of each piece; "trapezoid", both ends of all pieces, the outermost two with half the weight.

    Returns
    -------
    Points and weights, (steps,) each; (steps + 1,) for "trapezoid".

    Raises
    ------
    ValueError : no positive whole number of steps, an unknown method.
    """
    if not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"got steps={steps!r}, expected a positive whole number")
    k, weights = np.arange(steps), np.full(steps, 1 / steps)
    if method == "trapezoid":
        weights = np.append(weights, 1 / steps)
        weights[[0, -1]] /= 2
        return np.arange(steps + 1) / steps, weights
    shifts = {"left": 0, "midpoint": 0.5, "right": 1}
    if method not in shifts:
        raise ValueError(f"got method={method!r}, expected one of midpoint, left, right, trapezoid")
    return (k + shifts[method]) / steps, weights


def smoothgrad(net: Network, x: Array, target: Target = None, method: Callable = gradient,
               rng: np.random.Generator | None = None, noise: float = 0.15, samples: int = 50, kind: str = "mean", *,
               start: Array | None = None, batch_size: int | None = None, workers: int = 1) -> Array:
    """SmoothGrad: a heatmap averaged over noisy copies of each image. Smilkov et al. 2017.

        R = mean over samples of  method(x + e),    e normal with deviation  noise * (largest - smallest pixel)

    The target is decided once, on x. Every image has a stream of random numbers of its own, so that `batch_size` does
    not change the result.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), images as (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    method : any function (net, x, target) -> array like x.
    rng : the numpy.random.Generator of the noise, or a seed; None for seed 0, so that two calls agree.
    noise : the deviation, as a share of the largest less the smallest pixel.
    samples : noisy copies of each image.
    kind : "mean"; "squared", the mean of the squares (Hooker et al. 2019); or "variance" over the samples (VarGrad,
        Adebayo et al. 2018).
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : whole numbers, to which no small noise can be added; an unknown kind; no samples; a noise below 0.
    """
    net = at_logits(net, start)
    net.check(x)
    if x.dtype.kind != "f":
        raise ValueError(f"smoothgrad got whole numbers of type {x.dtype}, to which no small noise can be added; "
                         "explain the network behind its Embedding: net.part(1, len(net.layers)), "
                         "net.layers[0].forward(x)")
    if kind not in ("mean", "squared", "variance"):
        raise ValueError(f'got kind={kind!r}, expected "mean", "squared" or "variance"')
    if not isinstance(samples, (int, np.integer)) or samples < 1:
        raise ValueError(f"got samples={samples!r}, expected a positive whole number")
    if not noise >= 0:
        raise ValueError(f"got noise={noise!r}, expected a share of the range of pixels, 0 or more")
    streams = np.random.default_rng(0 if rng is None else rng).spawn(len(x))
    outer, inner = share_workers(x, batch_size, workers)

    def of_batch(x, target, start, streams):
        if start is None:
            target = decided(net, x, target)
        pixels = x.reshape(len(x), -1)
        deviation = noise * (pixels.max(axis=1) - pixels.min(axis=1)).reshape(-1, *[1] * (x.ndim - 1))
        turns = in_turns(samples, x, batch_size)

        def draw(turn):
            shape = (turn.stop - turn.start, *x.shape[1:])
            return np.stack([stream.standard_normal(shape) for stream in streams], axis=1).astype(x.dtype)

        def of_noisy(turn, e):                                      # e (k, N, ...)
            noisy, k = x + deviation * like(x, e), len(e)
            begin = {} if start is None else {"start": copies(start, k, len(x))}
            R = method(net, noisy.reshape(-1, *x.shape[1:]), copies(target, k, len(x)), **begin).reshape(noisy.shape)
            R = R.astype("float64", copy=False)                     # the variance is a small difference of large sums
            return R.sum(axis=0), (R * R).sum(axis=0)

        total = squares = 0
        for R, R_R in parallel_map(of_noisy, turns, map(draw, turns), workers=inner):
            total, squares = total + R, squares + R_R
        mean, mean_square = total / samples, squares / samples
        return {"mean": mean, "squared": mean_square, "variance": positive(mean_square - mean * mean)}[kind]

    return map_batches(of_batch, x, target, start, streams, batch_size=batch_size, workers=outer)


def of_embeddings(method: Callable, net: Network, x: Array, target: Target, baseline: Array | None, *options: object,
                  **named: object) -> Array:
    """A method of floating-point inputs for tokens: applied behind the Embedding, summed over its channels.

    Parameters
    ----------
    method : a function (net, x, target, baseline, ...) -> array like x, or (array, error).
    net : the Network.
    x : tokens (N, T), whole numbers.
    target : None, an int, or one int per image.
    baseline : tokens, or None or a number for the embeddings.
    options, named : what else the method takes.

    Returns
    -------
    What the method returned, (N, T).

    Raises
    ------
    ValueError : tokens that enter several layers.
    """
    if len(net.readers(0)) > 1:
        raise ValueError(f"tokens enter {len(net.readers(0))} layers of this network, expected one Embedding, behind "
                         "which the path runs; use a method that needs no path, such as lrp or gradient_times_input")
    first, rest = net.layers[0], net.replaced(0, Identity()).with_card(input_shape=None)
    if getattr(baseline, "ndim", 0):
        baseline = first.forward(baseline)
    R = method(rest, first.forward(x), target, baseline, *options, **named)
    return (R[0].sum(axis=-1), R[1]) if isinstance(R, tuple) else R.sum(axis=-1)


def decided(net: Network, x: Array, target: Target) -> Target:
    """`target`, with None replaced by the largest output of each image: once, before the image is changed."""
    return net.forward(x).argmax(axis=1) if target is None else target


def column(numbers: np.ndarray, x: Array) -> Array:
    """Host numbers (k,) as an array (k, 1, ...) beside x, to be multiplied with copies of x (k, N, ...)."""
    return like(x, numbers.astype(x.dtype)).reshape(-1, *[1] * x.ndim)
