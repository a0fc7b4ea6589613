"""How good is an explanation? Four questions, each answered with numbers for every image.

    continuity      do two nearly equal images have nearly equal heatmaps?       Montavon et al. 2018, section 7.1
    selectivity     does the output fall when what is relevant is removed?       Montavon et al. 2018, section 7
    sanity_check    does the heatmap change when the network forgets?            Adebayo et al. 2018, section 3
    localization    does it point at the object, where we know its place?

`method` is a name in `attribution.METHODS`, or any function (net, x, target) -> array like x: one of yours, say, or
functools.partial(attribution.lrp, rules=my_rule). The target is decided once, on the image as it came: the changed
images are asked about the same class. Images go through in micro-batches, however many there are. Results are
NumPy arrays in double precision, wherever the images live.

    result = selectivity("lrp_epsilon", net, images)
    mean, error = mean_and_error(result.area)
    plot.curves(range(50), {"LRP": mean_and_error(result.curves)})
"""
from typing import NamedTuple

import numpy as np

from minixnn.backend import array_module, like, positive, to_numpy
from minixnn.layers import SumPool2d
from minixnn.measuring import batches, mean_and_error, method_of, norm, output, quotient, total
from minixnn.sanity import SanityCheck, rank_correlation, sanity_check

__all__ = ["Continuity", "Localization", "SanityCheck", "Selectivity", "continuity", "inside_box", "localization",
           "mean_and_error", "pointing_game", "rank_correlation", "sanity_check", "selectivity", "translate"]

NEARBY = [(0, k / 4) for k in (-4, -3, -2, -1, 1, 2, 3, 4)]      # to the left and right, by up to a pixel


# ------------------------------------------------------------------------------------------------------ continuity

class Continuity(NamedTuple):
    largest: np.ndarray         # (N,) the measure: the largest ratio
    ratios: np.ndarray          # (N, shifts) ||R - R'||_1 / ||x - x'||_2, the largest of those compared at a shift
    outputs: np.ndarray         # (N, shifts) the output of the target
    quadrants: np.ndarray       # (N, shifts, 2, 2) relevance in the upper and lower, left and right half


def continuity(method, net, images, target=None, shifts=NEARBY, compare="original", normalize=False, fill=0.0,
               batch_size=None, quiet=False):
    """How much faster than the image its heatmap changes. Montavon et al. 2018, section 7.1. Small is good.

        max over x' of  ||R(x) - R(x')||_1 / ||x - x'||_2              x' = x moved

    images (N, H, W, C). shifts: pixels to the right, or pairs (down, right); parts of a pixel are allowed. compare:
    each moved image with the "original"; with its "neighbours", the shift before; or with "all" before it and the
    original. normalize: divide by ||R(x)||_1 of the original, for methods whose units differ. fill: what moves in
    from outside.
    """
    if compare not in ("original", "neighbours", "all"):
        raise ValueError(f'got compare={compare!r}, expected "original", "neighbours" or "all"')
    if len(shifts) == 0:
        raise ValueError("got no shifts, expected at least one, such as (0, 0.5) for half a pixel to the right")
    explain, parts = method_of(method), []
    for _, x, wanted in batches(net, images, target, batch_size, "continuity", quiet):
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
        parts.append([np.stack(np.broadcast_arrays(*column), axis=1) for column in zip(*rows)])
    ratios, outputs, halves = map(np.concatenate, zip(*parts))
    return Continuity(ratios.max(axis=1), ratios, outputs, halves)


def translate(images, down, right, fill=0.0):
    """Images (N, H, W, C) moved by any number of pixels, also by parts of one; `fill` moves in from outside.

    A shift by 0.3 is 0.7 of the image plus 0.3 of the image moved by a whole pixel: bilinear interpolation.
    """
    moved = 0
    for i, part in whole_shifts(down):
        for j, share in whole_shifts(right):
            moved = moved + part * share * (shift_by(images, i, j, fill) if part * share else 0)
    return moved.astype(images.dtype, copy=False)


def whole_shifts(shift):
    """The two whole shifts around `shift`, and the share of each: 1.3 -> (1, 0.7), (2, 0.3)."""
    low = int(np.floor(shift))
    return (low, 1 - (float(shift) - low)), (low + 1, float(shift) - low)


def shift_by(images, i, j, fill):
    """Moved i pixels down and j to the right, whole numbers of either sign."""
    N, H, W, C = images.shape
    moved = array_module(images).full(images.shape, fill, dtype=images.dtype)
    if abs(i) < H and abs(j) < W:
        moved[:, max(i, 0):H + min(i, 0), max(j, 0):W + min(j, 0)] = \
            images[:, max(-i, 0):H - max(i, 0), max(-j, 0):W - max(j, 0)]
    return moved


def quadrants(R):
    """(N, H, W, C) -> (N, 2, 2): the relevance in each quarter of the image; a middle row belongs to the lower half."""
    h, w = R.shape[1] // 2, R.shape[2] // 2
    return np.stack([np.stack([total(R[:, rows, columns]) for columns in (slice(0, w), slice(w, None))], axis=1)
                     for rows in (slice(0, h), slice(h, None))], axis=1)


# ----------------------------------------------------------------------------------------------------- selectivity

class Selectivity(NamedTuple):
    area: np.ndarray            # (N,) area under the curve, over a width of 1: the mean height of the curve
    curves: np.ndarray          # (N, steps + 1) the output of the target after so many removals
    corners: np.ndarray         # (N, steps, 2) the upper left pixel of each patch removed


def selectivity(method, net, images, target=None, patch=4, steps=None, mode="adaptive", stride=None, value=0.0,
                probability=False, batch_size=None, quiet=False):
    """How fast the output falls as patches are removed, the most relevant first. Montavon et al. 2018, section 7.

    Also known as pixel flipping: Bach et al. 2015; Samek et al. 2017. A small area is good: what was called relevant
    did carry the output. images (N, H, W, C). patch: pixels, high and wide; the one with the largest sum of
    relevance is set to `value`. mode: "adaptive" explains the image again after each removal, "static" ranks the
    patches once. stride: from patch to patch; the patch itself unless given; 1 lets patches lie anywhere. steps:
    None removes all patches of the grid. probability: record softmax probabilities in place of logits.
    """
    if mode not in ("adaptive", "static"):
        raise ValueError(f'got mode={mode!r}, expected "adaptive" (explain after each removal) or "static" (once)')
    stride, explain, parts = patch if stride is None else stride, method_of(method), []
    if not 1 <= stride <= patch <= min(images.shape[1:3]):
        raise ValueError(f"got patch={patch}, stride={stride} for images of shape {images.shape}, expected "
                         "(N, H, W, C) with 1 <= stride <= patch <= H and W, so that no pixel is left out")
    if steps is None:
        steps = -(-images.shape[1] // patch) * -(-images.shape[2] // patch)
    if steps < 1:
        raise ValueError(f"got steps={steps}, expected at least one patch to remove")
    for _, x, wanted in batches(net, images, target, batch_size, "selectivity", quiet):
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
        parts.append((np.stack(heights, axis=1), np.stack(corners, axis=1)))
    curves, corners = map(np.concatenate, zip(*parts))
    return Selectivity((curves[:, :-1] + curves[:, 1:]).mean(axis=1) / 2, curves, corners)


def most_relevant(R, present, patch, stride):
    """Top row and left column (n,) of the patch with the largest relevance in pixels that are still present.

    R and present (n, H, W, 1). A patch with no pixel left cannot be chosen. Of equals the first is.
    """
    pads = [(0, -(n - patch) % stride) for n in R.shape[1:3]]           # the last patch may reach outside
    window = SumPool2d(patch, stride, pads)
    left_over, sums = window.forward(present), window.forward(R * present)
    sums = array_module(R).where(left_over > 0, sums, -np.inf)
    best = sums.reshape(len(R), -1).argmax(axis=1)
    return best // sums.shape[2] * stride, best % sums.shape[2] * stride


def square(x, top, left, patch):
    """(n, H, W, 1), True in the patch of each image: all patches at once, without a loop over the images."""
    xp = array_module(x)
    down, across = xp.arange(x.shape[1]) - top[:, None], xp.arange(x.shape[2]) - left[:, None]
    rows, columns = (down >= 0) & (down < patch), (across >= 0) & (across < patch)      # (n, H), (n, W)
    return rows[:, :, None, None] & columns[:, None, :, None]


# ---------------------------------------------------------------------------------------------------- localization

class Localization(NamedTuple):
    inside: np.ndarray          # (N,) see inside_box
    hits: np.ndarray            # (N,) see pointing_game


def localization(method, net, images, boxes, target=None, batch_size=None, quiet=False):
    """Where heatmaps point, on images whose objects have known boxes, such as datasets.cluttered_mnist makes.

    boxes (N, 4) or (N, K, 4): top, left, bottom, right; bottom and right just outside. Large is good.
    """
    explain, parts = method_of(method), []
    for some, x, wanted in batches(net, images, target, batch_size, "localization", quiet):
        R = explain(net, x, wanted)
        parts.append((inside_box(R, boxes[some]), pointing_game(R, boxes[some])))
    return Localization(*map(np.concatenate, zip(*parts)))


def inside_box(heatmaps, boxes):
    """The share of the positive relevance that lies inside the box, (N,); 0 where there is none.

    heatmaps (N, H, W) or (N, H, W, C), whose channels are summed. boxes as for `localization`; of several boxes to
    an image, inside any of them.
    """
    R = positive(one_channel(heatmaps))
    return quotient(total(R * mask(R, boxes)), total(R))


def pointing_game(heatmaps, boxes):
    """1 where the most relevant pixel lies inside the box, else 0, (N,). Zhang et al. 2018, without a margin.

    Of several equally relevant pixels, the share inside: a map of zeros does not win by its corner.
    """
    R = one_channel(heatmaps)
    best = R == R.max(axis=(1, 2), keepdims=True)
    return total(best & mask(R, boxes)) / total(best)


def one_channel(heatmaps):
    return heatmaps.sum(axis=3) if heatmaps.ndim == 4 else heatmaps


def mask(R, boxes):
    """(N, H, W), True inside any box of the image."""
    boxes, xp = to_numpy(boxes), array_module(R)
    if boxes.ndim not in (2, 3) or (len(boxes), boxes.shape[-1]) != (len(R), 4):
        raise ValueError(f"got boxes of shape {boxes.shape} for {len(R)} heatmaps, expected one or several (top, left, "
                         "bottom, right) for each: (N, 4) or (N, K, 4)")
    top, left, bottom, right = like(R, boxes.reshape(len(R), -1, 4).transpose(2, 0, 1)[..., None])     # (N, K, 1)
    rows, columns = xp.arange(R.shape[1]), xp.arange(R.shape[2])
    rows, columns = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return (rows[:, :, :, None] & columns[:, :, None, :]).any(axis=1)
