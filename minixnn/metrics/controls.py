"""Controls: what a method is compared with before its numbers say anything.

    fillings(images, rng)               what a removed patch may be filled with
    baselines(images, labels, rng)      heatmaps that do not use the network
    permuted(method, rng)               the numbers of a heatmap, shuffled among the pixels
"""
from collections.abc import Callable

import numpy as np

from minixnn.arrays import Array, array_module, like, to_numpy
from minixnn.metrics.measuring import method_of
from minixnn.network import Network
from minixnn.passes import Target


def fillings(images: Array, rng: np.random.Generator) -> dict[str, Array]:
    """What may be put in place of a removed patch: the `value` of `selectivity` and of `occlusion`.

    No network has learnt from images with such patches, and a ranking of methods that holds for one filling may not
    hold for another (lesson 5.2): try all.

    Parameters
    ----------
    images : (N, H, W, C).
    rng : the numpy.random.Generator of the noise.

    Returns
    -------
    {name: image (H, W, C)}: "zeros"; the "mean image" of `images`; "noise", uniform between the lowest and the highest
    number in them; and "black", the highest.
    """
    low, high = images.min(), images.max()
    noise = like(images, rng.uniform(0, 1, images.shape[1:])).astype(images.dtype)
    nothing = images[0] * 0
    return {"zeros": nothing, "mean image": images.mean(axis=0), "noise": low + (high - low) * noise,
            "black": nothing + high}


def baselines(images: Array, labels: Array, rng: np.random.Generator) -> dict[str, Callable]:
    """Heatmaps that do not use the network.

    A method of explanation that does no better has shown nothing about the network.

        random              numbers from 0 to 1, drawn anew for each image
        the input           the image as its own heatmap
        edges               how much each pixel differs from those to the right of it and below it
        blob in the middle  a Gaussian, a fifth of the image wide, the same for all
        class means         x times (mean of the images of the class - mean of all)

    Parameters
    ----------
    images, labels : (N, H, W, C) and (N,): what the class means are computed from, such as 10,000 training images.
    rng : the numpy.random.Generator of "random".

    Returns
    -------
    {name: method}, each a function (net, x, target) -> array like x.

    Raises
    ------
    KeyError : by the method "class means", for a class of which `images` has none.
    """
    overall, labels = images.mean(axis=0), to_numpy(labels)
    of_class = {int(c): images[like(images, np.flatnonzero(labels == c))].mean(axis=0) for c in np.unique(labels)}

    def blob(net: Network, x: Array, target: Target) -> Array:
        rows, columns = ((np.arange(n) - (n - 1) / 2) / (n / 5) for n in x.shape[1:3])
        bump = np.exp(-(rows[:, None] ** 2 + columns ** 2) / 2)[None, :, :, None]
        return x * 0 + like(x, bump).astype(x.dtype)

    def class_means(net: Network, x: Array, target: Target) -> Array:
        classes = np.broadcast_to(to_numpy(net.forward(x)).argmax(axis=1) if target is None else target, len(x))
        return x * array_module(x).stack([of_class[int(c)] - overall for c in classes])

    return {"random": lambda net, x, target: like(x, rng.random(x.shape)), "the input": lambda net, x, target: x,
            "edges": lambda net, x, target: edges(x), "blob in the middle": blob, "class means": class_means}


def edges(x: Array) -> Array:
    """|x - the pixel to the right| + |x - the pixel below|; a pixel at the border is its own neighbour.

    Parameters
    ----------
    x : images (N, H, W, C).

    Returns
    -------
    An array like x.

    Raises
    ------
    TypeError : what is no array.
    """
    xp = array_module(x)
    right, below = xp.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2), xp.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    return abs(x - right) + abs(x - below)


def permuted(method: str | Callable, rng: np.random.Generator) -> Callable:
    """A method whose heatmaps hold the same numbers as those of `method`, each image's pixels in random order.

    Parameters
    ----------
    method : a name in `attribution.METHODS`, or a function (net, x, target) -> array like x.
    rng : the numpy.random.Generator that draws the order.

    Returns
    -------
    A function (net, x, target) -> array like x.

    Raises
    ------
    ValueError : a name that METHODS does not have.
    """
    explain = method_of(method)

    def shuffled(net: Network, x: Array, target: Target = None) -> Array:
        R = explain(net, x, target)
        pixels = R.reshape(len(R), -1, R.shape[-1])
        order = np.stack([rng.permutation(pixels.shape[1]) for _ in range(len(R))])
        return array_module(R).take_along_axis(pixels, like(R, order)[..., None], axis=1).reshape(R.shape)
    return shuffled
