"""Cutting work into micro-batches, so that memory stays flat however many images are explained.

A few dozen images keep a processor busy and their activations in its cache; a larger batch only moves more memory.
Ten thousand images, or fifty steps on each, are therefore explained a few dozen at a time.
"""
import contextvars
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from minixnn import tuning
from minixnn.arrays import Array, Inputs, array_module

ON_HOST = 20_000            # numbers in the images of one batch: 25 digits, or one photograph
ON_DEVICE = 160 * ON_HOST   # a GPU is busy only with more: some thousand digits, or some twenty photographs


def default_batch_size(x: Inputs, batch_size: int | None = None) -> int:
    """How many images to compute on together.

    Parameters
    ----------
    x : images (N, ...), or a tuple of inputs.
    batch_size : as many; None for what suits the machine.

    Returns
    -------
    The number, at least 1.

    Raises
    ------
    ValueError : no positive whole number.
    TypeError : what is no array.
    """
    if batch_size is None:
        parts = x if isinstance(x, tuple) else (x,)
        for part in parts:
            array_module(part)                  # refuses what is not an array
        numbers = sum(math.prod(part.shape[1:]) for part in parts)
        return max(1, (ON_HOST if on_host(x) else ON_DEVICE) // max(1, numbers))
    if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"got batch_size={batch_size!r}, expected a positive whole number of images")
    return batch_size


def map_batches(f: Callable, x: Inputs, *aligned: object, batch_size: int | None = None, workers: int = 1) -> Any:
    """f(x, *aligned) on some images at a time, the parts put together.

    Parameters
    ----------
    f : a function of x and of what is aligned with it, which returns an array, or a tuple of arrays, (n, ...).
    x : images (N, ...), or a tuple of inputs that are cut together.
    aligned : what belongs to the images and is cut with them: targets, starts, references. None, a number, or an array
        of length 1 is for all images alike, and is passed whole.
    batch_size : images at a time; None for what suits the machine.
    workers : batches at a time, see `parallel_map`.

    Returns
    -------
    What f returned, (N, ...), in x's dtype where that is floating point.

    Raises
    ------
    ValueError : what is aligned is neither one for each image nor one for all; a wrong batch_size or workers.
    TypeError : what is no array.
    """
    tuning.tune()
    batch_size, N, several = default_batch_size(x, batch_size), rows(x), isinstance(x, tuple)
    for value in aligned:
        if is_list(value) and rows(value, several) not in (1, N):
            raise ValueError(f"got {rows(value, several)} targets, starts or references for {N} images; expected one "
                             "for each, or one for all")

    def of_batch(batch):
        return f(some(x, batch, N, several), *(some(value, batch, N, several) for value in aligned))

    batches = [slice(n, n + batch_size) for n in range(0, max(N, 1), batch_size)]
    whole: list = []
    for result, batch in zip(parallel_map(of_batch, batches, workers=workers if on_host(x) else 1), batches):
        parts = result if isinstance(result, tuple) else (result,)
        likes = x if several and len(parts) == len(x) else (x[0] if several else x,) * len(parts)
        for k, (part, source) in enumerate(zip(parts, likes)):
            dtype = source.dtype if source.dtype.kind == "f" else part.dtype        # heatmaps of tokens are no integers
            if len(whole) == k:
                whole.append(part.astype(dtype, copy=False) if len(part) == N else
                             array_module(part).empty((N, *part.shape[1:]), dtype=dtype))
            if len(part) < N:
                whole[k][batch] = part
    return tuple(whole) if isinstance(result, tuple) else whole[0]


def rows(x: Inputs, several: bool = True) -> int:
    """How many images x holds; of a tuple of several inputs, each of them."""
    return len(x[0]) if several and isinstance(x, tuple) else len(x)


def some(value: Any, batch: slice, N: int, several: bool) -> Any:
    """Those of the images, or of what belongs to them, that are in the batch; what is for all of them whole."""
    if several and isinstance(value, tuple):
        return tuple(some(part, batch, N, several) for part in value)
    return value[batch] if is_list(value) and len(value) == N else value


def parallel_map(f: Callable, *values: Sequence, workers: int = 1) -> Iterator:
    """As map(f, *values), with several calls at a time, each in a thread of its own. Results in order.

    BLAS shares large matrix products among the cores by itself, but those of a few digits are small, and all else that
    NumPy does is done by one core. With several workers each core gets a batch of its own, and BLAS one thread for it.

    Parameters
    ----------
    f : a function.
    values : sequences of its arguments, as for `map`.
    workers : calls at a time: 1 for none but the caller's thread, -1 for one per core.

    Yields
    ------
    What f returned, in order.

    Raises
    ------
    ValueError : workers that is no positive whole number and not -1.
    """
    workers = min(count_workers(workers), len(values[0]))
    if workers <= 1:
        yield from map(f, *values)
        return
    settings = contextvars.copy_context()                   # numpy.errstate is one of them
    waiting: deque = deque()
    with tuning.one_blas_thread():
        pool = ThreadPoolExecutor(workers)
        try:
            for value in zip(*values):
                waiting.append(pool.submit(settings.copy().run, f, *value))
                if len(waiting) > workers:                  # no further ahead, so that memory stays flat
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)              # after an error some calls may wait still


def count_workers(workers: int) -> int:
    """How many threads `workers` stands for.

    Parameters
    ----------
    workers : a positive whole number, or -1 for one per core.

    Returns
    -------
    The number.

    Raises
    ------
    ValueError : another number.
    """
    if not isinstance(workers, (int, np.integer)) or (workers < 1 and workers != -1):
        raise ValueError(f"got workers={workers!r}, expected a positive whole number of threads, or -1 for all cores")
    return os.cpu_count() or 1 if workers == -1 else int(workers)


def share_workers(x: Inputs, batch_size: int | None, workers: int) -> tuple[int, int]:
    """(workers for batches of images, workers within a batch): all for the batches, if there are several of them."""
    if not on_host(x):
        return 1, 1
    return (workers, 1) if rows(x) > default_batch_size(x, batch_size) else (1, workers)


def on_host(x: Inputs) -> bool:
    """Whether x is a NumPy array. A GPU does its own sharing out; threads would only wait for each other there."""
    return array_module(x[0] if isinstance(x, tuple) else x) is np


def in_turns(count: int, x: Array, batch_size: int | None) -> list[slice]:
    """How changed copies of images are cut into batches.

    A hundred images take one copy at a time; one image takes a hundred copies at once. Either way the network sees
    about `batch_size` images.

    Parameters
    ----------
    count : how many copies there are of each image.
    x : the images (N, ...).
    batch_size : images at a time; None for what suits the machine.

    Returns
    -------
    Slices of range(count).

    Raises
    ------
    ValueError : a batch_size that is no positive whole number.
    """
    at_once = max(1, default_batch_size(x, batch_size) // len(x))
    return [slice(k, min(k + at_once, count)) for k in range(0, count, at_once)]


def copies(value: Any, k: int, images: int) -> Any:
    """What is aligned with images, for several copies of them one after the other.

    Parameters
    ----------
    value : what is aligned; None, a number, and what is for all images alike stay as they are.
    k : how many copies.
    images : how many images there are.

    Returns
    -------
    An array (k * images, ...), or `value` itself.

    Raises
    ------
    TypeError : what is no array.
    """
    if not is_list(value) or len(value) != images:
        return value
    value = value if hasattr(value, "dtype") else np.asarray(value)
    return array_module(value).concatenate([value] * k)


def is_list(value: object) -> bool:
    """Whether `value` has entries to cut: a list or an array with axes; not None, a number, or a 0-d array."""
    return value is not None and getattr(value, "ndim", 1 if isinstance(value, (list, tuple)) else 0) > 0
