"""Cutting work into micro-batches, so that memory stays flat however many images are explained.

A few dozen images keep a processor busy and their activations in its cache; a larger batch only moves more memory.
So whoever gives ten thousand images, or asks for fifty steps on each, gets them explained a few dozen at a time.
"""
import contextlib
import contextvars
import ctypes
import functools
import math
import os
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from minixnn.arrays import array_module, blas_threads, looking_once, one_blas_thread
from minixnn.layers.residual import every_layer

ON_HOST = 20_000            # numbers in the images of one batch: 25 digits, or one photograph
ON_DEVICE = 160 * ON_HOST   # a GPU is busy only with more: some thousand digits, or some twenty photographs
MOST_THREADS = 8            # more would wait for each other: only one at a time runs Python itself

_cores = threading.Lock()   # held by whoever has given work to all cores; work within that work stays on its own


def keep_freed_memory(most=2 ** 28):
    """Ask the C library to keep up to `most` bytes of freed memory for the next array. True if it does.

    Every layer makes arrays and frees them again, of the same sizes for each micro-batch. The C library on Linux gives
    large freed blocks back to the system, which clears every page anew when they are asked for: at a hundred digits a
    third of all the time. mallopt(3): blocks below 32 MiB come from the heap, and the heap is cut only when more than
    `most` lies free; every thread has a heap of its own. Other systems have no such call, and whoever has set
    MALLOC_TRIM_THRESHOLD_ knows better.
    """
    if any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):            # not Linux, or another C library
        return False
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3             # from malloc.h
    return bool(mallopt(M_MMAP_THRESHOLD, 2 ** 25) and mallopt(M_TRIM_THRESHOLD, most))


keep_freed_memory()


def at_a_time(x, batch_size=None):
    """How many of the images x (N, ...) to compute on together: `batch_size`, or for None what suits the machine."""
    if batch_size is None:
        return max(1, (ON_HOST if array_module(x) is np else ON_DEVICE) // max(1, math.prod(x.shape[1:])))
    if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"got batch_size={batch_size!r}, expected a positive whole number of images")
    return batch_size


def in_batches(f, x, batch_size, *aligned, using=()):
    """f(x, *aligned) on `batch_size` images at a time, the parts put together. Result like f's, in x's dtype.

    x (N, ...). aligned: what belongs to the images and is cut with them: targets, starts, references. None, a
    number, or an array of length 1 is for all images alike and handed over whole. using: see `side_by_side`, by which
    every core may have such a micro-batch at work.
    """
    batch_size, N, whole = at_a_time(x, batch_size), len(x), None
    for value in aligned:
        if is_list(value) and len(value) not in (1, N):
            raise ValueError(f"got {len(value)} targets, starts or references for {N} images; expected one for each, "
                             "or one for all")

    def of_some(some):
        return f(x[some], *(value[some] if is_list(value) and len(value) == N else value for value in aligned))

    slices = [slice(n, n + batch_size) for n in range(0, max(N, 1), batch_size)]
    with looking_once():
        for part, some in zip(side_by_side(of_some, slices, x=x, batch_size=batch_size, using=using), slices):
            if len(part) == N:                      # all in one batch
                return part.astype(x.dtype, copy=False)
            if whole is None:
                whole = array_module(x).empty((N, *part.shape[1:]), dtype=x.dtype)
            whole[some] = part
    return whole


def side_by_side(f, *values, x, batch_size=None, using=()):
    """As map(f, *values), but several calls run at a time where the processor has several cores. Results in order.

    x, batch_size: what the calls compute on, see `at_a_time`. using: the network, rules and methods that f calls. BLAS
    shares large matrix products among the cores, but those of a few digits are small, and all else that NumPy does is
    done by one core. So each core gets a call of its own, and BLAS one thread for it. Not so on a GPU; nor for single
    images, photographs mostly, whose products are large; nor with layers, rules and methods that are not `ours`; nor
    under a debugger or profiler, which follow one thread. Started with OPENBLAS_NUM_THREADS=1, Python keeps to one.
    """
    threads, calls = min(MOST_THREADS, blas_threads()), len(values[0])
    worth_it = threads > 1 and calls > 1 and 2 * calls >= threads           # with fewer calls, cores would idle
    if not (worth_it and for_several_cores(x, batch_size, using) and not watched() and _cores.acquire(blocking=False)):
        yield from map(f, *values)
        return
    settings, at_work = contextvars.copy_context(), deque()                 # numpy.errstate is one of the settings
    with contextlib.ExitStack() as at_the_end:              # what is named last is done first
        at_the_end.callback(_cores.release)
        at_the_end.enter_context(one_blas_thread())
        pool = ThreadPoolExecutor(threads)
        at_the_end.callback(pool.shutdown, cancel_futures=True)             # after an error some calls may wait still
        for value in zip(*values):
            at_work.append(pool.submit(settings.copy().run, f, *value))
            if len(at_work) > threads:                      # no further ahead, so that memory stays flat
                yield at_work.popleft().result()
        while at_work:
            yield at_work.popleft().result()


def for_several_cores(x, batch_size=None, using=()):
    """Whether several cores may work on the images x: see `side_by_side`, which says why."""
    return array_module(x) is np and at_a_time(x, batch_size) > 1 and ours(using)


def ours(value):
    """Whether a rule, a method, a network or a list of such is minixnn's own work, which leaves nothing behind.

    What others write may print, collect, stop at a breakpoint or draw from a random generator: then order matters.
    """
    if isinstance(value, functools.partial):
        value = [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, (list, tuple)):
        return all(map(ours, value))
    if hasattr(value, "forward"):               # a network, or a layer
        return all(written_here(type(each)) for each in [value, *every_layer(getattr(value, "layers", [value]))])
    if callable(value):
        return written_here(value)
    return not isinstance(value, np.random.Generator)


def written_here(value):
    """Whether a function or class stands in a module of minixnn."""
    return (getattr(value, "__module__", None) or "").partition(".")[0] == "minixnn"


def watched():
    """Whether a debugger or a profiler follows what this thread does."""
    monitoring = getattr(sys, "monitoring", None)           # from Python 3.12 on
    return (sys.gettrace() is not None or sys.getprofile() is not None
            or monitoring is not None and any(map(monitoring.get_tool, range(6))))


def in_turns(count, x, batch_size):
    """Slices of range(count): how many of `count` changed copies of the images x fit into a batch at a time.

    A hundred images take one copy at a time; one image takes a hundred copies at once. Either way the network
    sees about `batch_size` images.
    """
    at_once = max(1, at_a_time(x, batch_size) // len(x))
    return [slice(k, min(k + at_once, count)) for k in range(0, count, at_once)]


def copies(value, k, images):
    """`value`, aligned with `images` images, for k copies of them one after the other (k * images, ...).

    None, a number, and what is for all images alike stay as they are.
    """
    if not is_list(value) or len(value) != images:
        return value
    value = value if hasattr(value, "dtype") else np.asarray(value)
    return array_module(value).concatenate([value] * k)


def is_list(value):
    """Whether `value` has entries to cut: a list or an array with axes; not None, a number, or a 0-d array."""
    return value is not None and getattr(value, "ndim", 1 if isinstance(value, (list, tuple)) else 0) > 0
