"""What the metrics share: which method, which images at a time, and numbers per image."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, array_module, to_numpy
from minixnn.batching import default_batch_size, is_list, on_host, parallel_map
from minixnn.attribution.gradients import decided
from minixnn.logits import logits
from minixnn.layers.activation import sigmoid
from minixnn.network import Network, expect_network
from minixnn.passes import Target
from minixnn.progress import progress
from minixnn.spelling import meant
from minixnn.layers.softmax import softmax


def method_of(method: str | Callable) -> Callable:
    """The method itself, or that of a name.

    Parameters
    ----------
    method : a function, or a name in `attribution.METHODS`.

    Returns
    -------
    A function (net, x, target) -> array like x.

    Raises
    ------
    ValueError : a name that METHODS does not have.
    """
    if callable(method):
        return method
    from minixnn.attribution import METHODS
    if method not in METHODS:
        raise ValueError(f"got method {method!r}, expected a function (net, x, target) -> array like x, or one of "
                         f"{', '.join(METHODS)}{meant(str(method), METHODS)}")
    return METHODS[method]


def map_images(f: Callable, net: Network, images: Array, target: Target, batch_size: int | None, workers: int,
               what: str, quiet: bool) -> list:
    """Apply f to some images at a time, with a progress bar. The target None is decided by the network.

    Parameters
    ----------
    f : a function (slice, images (n, H, W, C), targets) -> anything.
    net : the Network.
    images : (N, H, W, C).
    target : the output to explain: None for what the network sees in each image, an int, or one int per image.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, see `batching.parallel_map`.
    what : what the progress bar says.
    quiet : whether it is not drawn.

    Returns
    -------
    The list of what f returned, in order.

    Raises
    ------
    ValueError : no images, images of other axes, targets that are not one per image or one for all.
    TypeError : what is no Network or no array.
    """
    expect_network(net)
    array_module(images)                        # refuses what is not an array
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"got images of shape {images.shape}, expected at least one, as (N, height, width, channels)")
    if is_list(target) and len(target) != len(images):
        raise ValueError(f"got {len(target)} targets for {len(images)} images, expected one for each, or one for all")
    batch_size = default_batch_size(images, batch_size)
    batches = [slice(n, n + batch_size) for n in range(0, len(images), batch_size)]

    def of_batch(batch):
        x = images[batch]
        return f(batch, x, decided(net, x, target[batch] if is_list(target) else target))
    results = parallel_map(of_batch, batches, workers=workers if on_host(images) else 1)
    return [next(results) for _ in progress(batches, what, quiet)]


def output(net: Network, x: Array, target: Target, probability: bool = False) -> Array:
    """The output of each image's target, a logit, or its probability: (N,)"""
    y = logits(net).forward(x)
    if probability:                             # of a network with one output that of "yes"
        y = softmax(y) if y.shape[1] > 1 else sigmoid(y)
    return total(y * passes.one_hot(y, target))


def total(R: Array) -> Array:
    """The sum over each image: (N, ...) -> (N,)"""
    return to_numpy(R.reshape(len(R), -1).sum(axis=1, dtype="float64"))


def norm(R: Array, p: int) -> Array:
    """||R||_1 or ||R||_2 of each image: (N, ...) -> (N,)"""
    return total(abs(R)) if p == 1 else total(R * R) ** 0.5


def quotient(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return a / np.where(b == 0, np.inf, b)


def mean_and_error(values: Array) -> tuple[Array, Array]:
    """The mean over the images and its standard error.

    The standard error is the standard deviation over the root of N: how far the mean of N other images may lie.

    Parameters
    ----------
    values : (N, ...), a number or several for each image.

    Returns
    -------
    Mean and standard error, (...) each; the error of a single image is NaN.
    """
    N = len(values)
    deviation = np.std(values, axis=0, ddof=1) if N > 1 else np.full(np.shape(values)[1:], np.nan)
    return np.mean(values, axis=0), deviation / N ** 0.5


class Paired(NamedTuple):
    difference: Array           # mean of a - b over the images
    error: Array                # its standard error
    share: Array                # of the images, where a is the larger; an equal pair counts half


def paired(a: Array, b: Array) -> Paired:
    """Two numbers for each image, compared image by image.

    What makes an image hard makes it hard for both methods, and cancels in a - b. So the error of the mean difference
    is often much smaller than those of the two means, and a verdict rests on it. A difference of less than two errors
    is a tie.

    Parameters
    ----------
    a, b : arrays (N, ...), such as a measure of two methods.

    Returns
    -------
    A Paired, arrays (...): the mean difference a - b, its standard error, and the share of images where a is larger.

    Raises
    ------
    ValueError : a and b of different shapes.

    Examples
    --------
    >>> float(paired(np.array([10.0, 20.0, 31.0]), np.array([9.0, 19.0, 29.0])).difference.round(2))
    1.33
    """
    a, b = (np.asarray(to_numpy(values), dtype=float) for values in (a, b))
    if a.shape != b.shape:
        raise ValueError(f"got {a.shape} and {b.shape} numbers, expected two for each image, as many in a as in b")
    difference, error = mean_and_error(a - b)
    return Paired(difference, error, (a > b).mean(axis=0) + (a == b).mean(axis=0) / 2)
