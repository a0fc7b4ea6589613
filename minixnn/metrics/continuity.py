"""Continuity: do nearly equal images have nearly equal heatmaps?"""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from minixnn.arrays import Array, array_module
from minixnn.metrics.measuring import map_images, method_of, norm, output, quotient, total
from minixnn.network import Network
from minixnn.passes import Target

NEARBY = [(0, k / 4) for k in (-4, -3, -2, -1, 1, 2, 3, 4)]      # to the left and right, by up to a pixel


class Continuity(NamedTuple):
    largest: np.ndarray         # (N,) the measure: the largest ratio
    ratios: np.ndarray          # (N, shifts) ||R - R'||_1 / ||x - x'||_2, the largest of those compared at a shift
    outputs: np.ndarray         # (N, shifts) the output of the target
    quadrants: np.ndarray       # (N, shifts, 2, 2) relevance in the upper and lower, left and right half


def continuity(method: str | Callable, net: Network, images: Array, target: Target = None,
               shifts: Sequence = NEARBY, compare: str = "original", normalize: bool = False, fill: float = 0.0,
               batch_size: int | None = None, workers: int = 1, quiet: bool = False) -> Continuity:
    """How much faster than the image its heatmap changes. Montavon et al. 2018, section 7.1. Small is good.

        max over x' of  ||R(x) - R(x')||_1 / ||x - x'||_2              x' = x moved

    Parameters
    ----------
    method : a name in `attribution.METHODS`, or a function (net, x, target) -> array like x.
    net : the Network.
    images : (N, H, W, C).
    target : the output to explain: None for what the network sees in each image, an int, or one int per image.
    shifts : pixels to the right, or pairs (down, right); parts of a pixel are allowed.
    compare : each moved image with the "original"; with its "neighbours", the shift before; or with "all" before it and
        the original.
    normalize : whether to divide by ||R(x)||_1 of the original, for methods whose units differ.
    fill : the number that fills the pixels that become free.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.
    quiet : whether no progress bar is drawn.

    Returns
    -------
    A Continuity: per image the largest ratio (N,), and per image and shift the ratios (N, shifts), the outputs (N,
    shifts) and the relevance of each quarter (N, shifts, 2, 2).

    Raises
    ------
    ValueError : no shifts, an unknown `compare` or method, no images (N, H, W, C), targets that do not fit them.
    """
    if compare not in ("original", "neighbours", "all"):
        raise ValueError(f'got compare={compare!r}, expected "original", "neighbours" or "all"')
    if len(shifts) == 0:
        raise ValueError("got no shifts, expected at least one, such as (0, 0.5) for half a pixel to the right")
    explain = method_of(method)

    def of_batch(_, x, wanted):
        R = explain(net, x, wanted)
        unit = 1 / np.maximum(norm(R, 1), np.finfo(float).tiny) if normalize else 1.0
        before = [] if compare == "neighbours" else [(x, R)]
        rows = []
        for shift in shifts:
            moved = translate(x, *((0, shift) if np.ndim(shift) == 0 else shift), fill)
            R = explain(net, moved, wanted)
            ratios = [quotient(norm(R - R_before, 1), norm(moved - x_before, 2)) for x_before, R_before in before]
            rows.append((unit * np.max(ratios, axis=0, initial=0), output(net, moved, wanted), quadrants(R)))
            if compare != "original":
                before = [*(before if compare == "all" else []), (moved, R)]
        return [np.stack(np.broadcast_arrays(*column), axis=1) for column in zip(*rows)]
    parts = map_images(of_batch, net, images, target, batch_size, workers, "continuity", quiet)
    ratios, outputs, halves = map(np.concatenate, zip(*parts))
    return Continuity(ratios.max(axis=1), ratios, outputs, halves)


def translate(images: Array, down: float, right: float, fill: float = 0.0) -> Array:
    """Images moved by any number of pixels, also by parts of one.

    A shift by 0.3 is 0.7 of the image plus 0.3 of the image moved by a whole pixel: bilinear interpolation.

    Parameters
    ----------
    images : (N, H, W, C).
    down, right : pixels, of either sign.
    fill : the number that fills the pixels that become free.

    Returns
    -------
    The moved images, like `images`.

    Raises
    ------
    ValueError : a shift that is NaN or infinite.
    TypeError : what is no array.
    """
    array_module(images)                        # refuses what is not an array
    if not np.isfinite([down, right]).all():
        raise ValueError(f"got a shift by {down} and {right} pixels, expected finite numbers")
    moved: Array = 0
    for i, part in whole_shifts(down):
        for j, share in whole_shifts(right):
            moved = moved + part * share * (shift_by(images, i, j, fill) if part * share else 0)
    return moved.astype(images.dtype, copy=False)


def whole_shifts(shift: float) -> tuple:
    """The two whole shifts around `shift`, and the share of each: 1.3 -> (1, 0.7), (2, 0.3)."""
    low = int(np.floor(shift))
    return (low, 1 - (float(shift) - low)), (low + 1, float(shift) - low)


def shift_by(images: Array, i: int, j: int, fill: float) -> Array:
    """Moved i pixels down and j to the right, whole numbers of either sign."""
    N, H, W, C = images.shape
    moved = array_module(images).full(images.shape, fill, dtype=images.dtype)
    if abs(i) < H and abs(j) < W:
        moved[:, max(i, 0):H + min(i, 0), max(j, 0):W + min(j, 0)] = \
            images[:, max(-i, 0):H - max(i, 0), max(-j, 0):W - max(j, 0)]
    return moved


def quadrants(R: Array) -> Array:
    """(N, H, W, C) -> (N, 2, 2): the relevance in each quarter of the image; a middle row belongs to the lower half."""
    h, w = R.shape[1] // 2, R.shape[2] // 2
    return np.stack([np.stack([total(R[:, rows, columns]) for columns in (slice(0, w), slice(w, None))], axis=1)
                     for rows in (slice(0, h), slice(h, None))], axis=1)
