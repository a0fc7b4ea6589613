"""Localisation: does a heatmap point at the object, where its place is known?"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minixnn.arrays import Array, array_module, like, positive, to_numpy
from minixnn.metrics.measuring import map_images, method_of, quotient, total
from minixnn.network import Network
from minixnn.passes import Target


class Localization(NamedTuple):
    inside: np.ndarray          # (N,) see inside_box
    hits: np.ndarray            # (N,) see pointing_game


def localization(method: str | Callable, net: Network, images: Array, boxes: Array, target: Target = None,
                 batch_size: int | None = None, workers: int = 1, quiet: bool = False) -> Localization:
    """Where heatmaps point, on images whose objects have known boxes, such as those of datasets.cluttered_mnist.

    Parameters
    ----------
    method : a name in `attribution.METHODS`, or a function (net, x, target) -> array like x.
    net : the Network.
    images : (N, H, W, C).
    boxes : (N, 4) or (N, K, 4): top, left, bottom and right of one or several boxes per image; bottom and right
        excluded.
    target : the output to explain: None for what the network sees in each image, an int, or one int per image.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.
    quiet : whether no progress bar is drawn.

    Returns
    -------
    A Localization: `inside_box` and `pointing_game` for each image, (N,), from 0 to 1. Large is good.

    Raises
    ------
    ValueError : boxes that do not fit the images, an unknown method, no images (N, H, W, C), targets that do not fit.
    """
    explain = method_of(method)

    def of_batch(batch, x, wanted):
        R = explain(net, x, wanted)
        return inside_box(R, boxes[batch]), pointing_game(R, boxes[batch])
    parts = map_images(of_batch, net, images, target, batch_size, workers, "localization", quiet)
    return Localization(*map(np.concatenate, zip(*parts)))


def inside_box(heatmaps: Array, boxes: Array) -> Array:
    """The share of the positive relevance that lies inside the box.

    Parameters
    ----------
    heatmaps : (N, H, W) or (N, H, W, C), whose channels are summed.
    boxes : (N, 4) or (N, K, 4): top, left, bottom and right of one or several boxes per image; bottom and right
        excluded.

    Returns
    -------
    The shares (N,), from 0 to 1; 0 where there is no positive relevance. Of several boxes, inside any of them.

    Raises
    ------
    ValueError : not one box, or several, for each heatmap.
    """
    R = positive(one_channel(heatmaps))
    return quotient(total(R * mask(R, boxes)), total(R))


def pointing_game(heatmaps: Array, boxes: Array) -> Array:
    """1 where the most relevant pixel lies inside the box, else 0. Zhang et al. 2018, without a margin.

    Parameters
    ----------
    heatmaps : (N, H, W) or (N, H, W, C), whose channels are summed.
    boxes : (N, 4) or (N, K, 4): top, left, bottom and right of one or several boxes per image; bottom and right
        excluded.

    Returns
    -------
    (N,), from 0 to 1. Of several equally relevant pixels the share inside counts: a map of zeros does not win because
    its first pixel lies in a box.

    Raises
    ------
    ValueError : not one box, or several, for each heatmap.
    """
    R = one_channel(heatmaps)
    best = R == R.max(axis=(1, 2), keepdims=True)
    return total(best & mask(R, boxes)) / total(best)


def one_channel(heatmaps: Array) -> Array:
    return heatmaps.sum(axis=3) if heatmaps.ndim == 4 else heatmaps


def mask(R: Array, boxes: Array) -> Array:
    """True inside any box of the image.

    Parameters
    ----------
    R : heatmaps (N, H, W).
    boxes : (N, 4) or (N, K, 4).

    Returns
    -------
    The mask, (N, H, W).

    Raises
    ------
    ValueError : not one box, or several, for each heatmap.
    """
    boxes, xp = to_numpy(boxes), array_module(R)
    if boxes.ndim not in (2, 3) or (len(boxes), boxes.shape[-1]) != (len(R), 4):
        raise ValueError(f"got boxes of shape {boxes.shape} for {len(R)} heatmaps, expected one or several (top, left, "
                         "bottom, right) for each: (N, 4) or (N, K, 4)")
    top, left, bottom, right = like(R, boxes.reshape(len(R), -1, 4).transpose(2, 0, 1)[..., None])     # (N, K, 1)
    rows, columns = xp.arange(R.shape[1]), xp.arange(R.shape[2])
    rows, columns = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return (rows[:, :, :, None] & columns[:, :, None, :]).any(axis=1)
