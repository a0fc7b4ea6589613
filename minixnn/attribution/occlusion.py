"""Occlusion: what the output loses when a window of the image is covered."""
from collections.abc import Sequence

from minixnn import passes
from minixnn.arrays import Array, array_module
from minixnn.attribution.gradients import decided
from minixnn.batching import copies, in_turns, map_batches, parallel_map, share_workers
from minixnn.logits import at_logits
from minixnn.layers.windows import pair
from minixnn.network import Network
from minixnn.passes import Target


def occlusion(net: Network, x: Array, target: Target = None, size: int | Sequence[int] | None = None,
              stride: int | Sequence[int] | None = None, value: float = 0, *,
              start: Array | None = None, batch_size: int | None = None, workers: int = 1) -> Array:
    """By how much the output falls when a window of the image is covered. Zeiler & Fergus 2014, section 4.2.

        R_p = mean over the windows that hold pixel p of  y(x) - y(x with the window covered)

    The target is decided once, on x. Each window costs one forward pass.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    size : pixels of a window, a number or (height, width); None for a seventh of the image.
    stride : pixels from window to window; None for the size. The last window of a row or column
        is cut off at the edge of the image.
    value : what covers a window: a number, or an array that broadcasts to it.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : inputs that are no images; a stride that leaves pixels out; a wrong target or start.
    """
    net = at_logits(net, start)
    array_module(x)                             # refuses what is not an array
    if x.ndim != 4:
        raise ValueError(f"occlusion got inputs of shape {x.shape}, expected images (images, height, width, channels)")
    image = x.shape[1:3]
    size = [max(1, round(n / 7)) for n in image] if size is None else pair(size, "size")
    stride = size if stride is None else pair(stride, "stride")
    if not all(1 <= step <= long <= n for step, long, n in zip(stride, size, image)):
        raise ValueError(f"got size={size}, stride={stride} for images of {image[0]} x {image[1]} pixels, expected "
                         "1 <= stride <= size <= image, so that every pixel is covered")
    (tops, height), (lefts, width) = ((range(0, n - long + step, step), long)
                                      for n, long, step in zip(image, size, stride))
    windows = [(slice(top, top + height), slice(left, left + width)) for top in tops for left in lefts]

    outer, inner = share_workers(x, batch_size, workers)

    def of_batch(x, target, start):
        y = net.forward(x)
        dy = passes.one_hot(y, decided(net, x, target)) if start is None else passes.check_start(y, start)
        total, count = 0 * x, 0 * x[:1, :, :, :1]

        def falls(turn):
            k = turn.stop - turn.start
            covered = copies(x, k, len(x)).reshape(k, *x.shape)
            for n, (rows, columns) in enumerate(windows[turn]):
                covered[n, :, rows, columns] = value
            fall = (y - net.forward(covered.reshape(-1, *x.shape[1:])).reshape(k, *y.shape)) * dy
            return fall.reshape(k, len(x), -1).sum(axis=2)[..., None, None, None]       # (k, N, 1, 1, 1)

        turns = in_turns(len(windows), x, batch_size)
        for fall, turn in zip(parallel_map(falls, turns, workers=inner), turns):
            for n, (rows, columns) in enumerate(windows[turn]):
                total[:, rows, columns] += fall[n]
                count[:, rows, columns] += 1
        return total / count
    return map_batches(of_batch, x, target, start, batch_size=batch_size, workers=outer)
