"""Selectivity: does the output fall when what is relevant is removed?"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minixnn.arrays import Array, array_module, to_numpy
from minixnn.layers import SumPool2d
from minixnn.metrics.measuring import map_images, method_of, output
from minixnn.network import Network
from minixnn.passes import Target


class Selectivity(NamedTuple):
    area: np.ndarray            # (N,) area under the curve, over a width of 1: the mean height of the curve
    curves: np.ndarray          # (N, steps + 1) the output of the target after so many removals
    corners: np.ndarray         # (N, steps, 2) the upper left pixel of each patch removed


def selectivity(method: str | Callable, net: Network, images: Array, target: Target = None, patch: int = 4,
                steps: int | None = None, mode: str = "adaptive", stride: int | None = None, value: float = 0.0,
                probability: bool = False, batch_size: int | None = None, workers: int = 1,
                quiet: bool = False) -> Selectivity:
    """How fast the output falls as patches are removed, the most relevant first. Montavon et al. 2018, section 7.

    Also known as pixel flipping: Bach et al. 2015; Samek et al. 2017. A small area is good: what was called relevant
    was needed for the output.

    Parameters
    ----------
    method : a name in `attribution.METHODS`, or a function (net, x, target) -> array like x.
    net : the Network.
    images : (N, H, W, C).
    target : the output to explain: None for what the network sees in each image, an int, or one int per image.
    patch : pixels, high and wide; the patch with the largest sum of relevance is removed next.
    steps : patches to remove; None for all patches of the grid.
    mode : "adaptive" explains the image again after each removal, "static" ranks the patches once.
    stride : pixels from patch to patch; None for the patch itself; 1 lets patches lie anywhere.
    value : what a removed patch is set to: a number, or an image (H, W, C), see `fillings`.
    probability : whether to record softmax probabilities in place of logits.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.
    quiet : whether no progress bar is drawn.

    Returns
    -------
    A Selectivity: per image the area under the curve (N,), the curves (N, steps + 1) and the patches (N, steps, 2).

    Raises
    ------
    ValueError : an unknown mode or method, a patch or stride that does not fit the images, no steps, targets that do
        not fit.

    Examples
    --------
    >>> from minixnn import datasets, models
    >>> images, labels = datasets.mnist("test")
    >>> net = models.load("dense_no_bias")
    >>> result = selectivity("lrp_epsilon", net, images[:2], labels[:2], steps=3, quiet=True)
    >>> (result.curves[:, 0] > result.curves[:, -1]).tolist()               # before and after three patches
    [True, True]
    """
    if mode not in ("adaptive", "static"):
        raise ValueError(f'got mode={mode!r}, expected "adaptive" (explain after each removal) or "static" (once)')
    array_module(images)                        # refuses what is not an array
    stride, explain = patch if stride is None else stride, method_of(method)
    if not 1 <= stride <= patch <= min(images.shape[1:3]):
        raise ValueError(f"got patch={patch}, stride={stride} for images of shape {images.shape}, expected "
                         "(N, H, W, C) with 1 <= stride <= patch <= H and W, so that no pixel is left out")
    if steps is None:
        steps = -(-images.shape[1] // patch) * -(-images.shape[2] // patch)
    if steps < 1:
        raise ValueError(f"got steps={steps}, expected at least one patch to remove")

    def of_batch(_, x, wanted):
        present = x[..., :1] * 0 + 1                        # (n, H, W, 1), 0 where a patch was removed
        heights, corners = [output(net, x, wanted, probability)], []
        for step in range(steps):
            if step == 0 or mode == "adaptive":
                R = explain(net, x, wanted).sum(axis=3, keepdims=True)
            top, left = most_relevant(R, present, patch, stride)
            hole = square(x, top, left, patch)
            x = array_module(x).where(hole, value, x).astype(x.dtype, copy=False)
            present = present * ~hole
            heights.append(output(net, x, wanted, probability))
            corners.append(np.stack([to_numpy(top), to_numpy(left)], axis=1))
        return np.stack(heights, axis=1), np.stack(corners, axis=1)
    parts = map_images(of_batch, net, images, target, batch_size, workers, "selectivity", quiet)
    curves, corners = map(np.concatenate, zip(*parts))
    return Selectivity((curves[:, :-1] + curves[:, 1:]).mean(axis=1) / 2, curves, corners)


def most_relevant(R: Array, present: Array, patch: int, stride: int) -> tuple[Array, Array]:
    """The patch with the largest relevance in pixels that are still present. Of equal ones the first is taken.

    Parameters
    ----------
    R : relevance (n, H, W, 1).
    present : (n, H, W, 1), 1 where the pixel is present; a patch with no pixel left cannot be chosen.
    patch, stride : in pixels.

    Returns
    -------
    Top row and left column, (n,) each.

    Raises
    ------
    TypeError : what is no array.
    """
    pads = [(0, -(n - patch) % stride) for n in R.shape[1:3]]           # the last patch may reach outside
    window = SumPool2d(patch, stride, pads)
    left_over, sums = window.forward(present), window.forward(R * present)
    sums = array_module(R).where(left_over > 0, sums, -np.inf)
    best = sums.reshape(len(R), -1).argmax(axis=1)
    return best // sums.shape[2] * stride, best % sums.shape[2] * stride


def square(x: Array, top: Array, left: Array, patch: int) -> Array:
    """(n, H, W, 1), True in the patch of each image: all patches at once, without a loop over the images."""
    xp = array_module(x)
    down, across = xp.arange(x.shape[1]) - top[:, None], xp.arange(x.shape[2]) - left[:, None]
    rows, columns = (down >= 0) & (down < patch), (across >= 0) & (across < patch)      # (n, H), (n, W)
    return rows[:, :, None, None] & columns[:, None, :, None]
