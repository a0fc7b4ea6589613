"""What tunes the process for BLAS and memory. A reader of a formula need not open this file.

Nothing here happens at import. `tune` runs at the first batch of `batching.map_batches`, `product` asks which BLAS is
loaded at the first convolution. The environment variable MINIXNN_TUNE=0 switches both off: minixnn then changes
nothing in the process and multiplies by plain `matmul`.
"""
import contextlib
import ctypes
import functools
import os
from contextlib import AbstractContextManager

import numpy as np
from typing import TYPE_CHECKING

from minixnn.arrays import Array, array_module

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

SMALL = 1_000_000           # multiply-adds up to which OpenBLAS takes a product for a small one, see `product`
FEW_ROWS = 8                # fewer rows than that are not worth a slice, nor rows that are multiplied by more than
TALL, WIDE = 64, 128        # `TALL` columns, nor columns of a matrix with more than `WIDE`: see `product`
AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")       # OpenBLAS's names for processors that have it


def allowed() -> bool:
    """Whether the process may be tuned: MINIXNN_TUNE=0 says no."""
    return os.environ.get("MINIXNN_TUNE") != "0"


@functools.cache
def openblas() -> "ThreadpoolController | None":
    """threadpoolctl's controller of the OpenBLAS that NumPy has loaded, or None where it cannot be asked."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    found = ThreadpoolController().select(internal_api="openblas")
    return found if found.lib_controllers else None


@functools.cache
def multiplies_small_unpacked() -> bool:
    """Whether this OpenBLAS multiplies small matrices as they lie: it does on processors with AVX-512."""
    blas = openblas() if allowed() else None
    return blas is not None and any(lib.architecture in AVX512 for lib in blas.lib_controllers)


def blas_threads() -> int:
    """Among how many threads BLAS shares a large matrix product. 1 where it is not OpenBLAS and cannot be asked."""
    blas = openblas()
    libraries = [lib for lib in (blas.lib_controllers if blas else [])
                 if lib.threading_layer == "pthreads"]      # OpenMP would not keep to one thread within others
    return libraries[0].num_threads if libraries else 1


def one_blas_thread() -> AbstractContextManager:
    """`with one_blas_thread():` inside, each matrix product is computed by the thread that asks for it."""
    blas = openblas()
    return blas.limit(limits=1) if blas else contextlib.nullcontext()


@functools.cache
def tune(most: int = 2 ** 28) -> bool:
    """Ask the C library, once, to keep up to `most` bytes of freed memory for the next array. True if it does.

    Every layer makes arrays and frees them again, of the same sizes for each micro-batch. The C library on Linux gives
    large freed blocks back to the system, which clears every page anew when they are asked for: a third of all time at
    a hundred digits. mallopt(3): blocks below 32 MiB come from the heap, and the heap is cut only when more than
    `most` lies free; every thread has a heap of its own. Other systems have no such call. MALLOC_TRIM_THRESHOLD_ and
    MALLOC_MMAP_THRESHOLD_ in the environment are left as the user has set them.
    """
    if not allowed() or {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys():
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):            # not Linux, or another C library
        return False
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3             # from malloc.h
    return bool(mallopt(M_MMAP_THRESHOLD, 2 ** 25) and mallopt(M_TRIM_THRESHOLD, most))


def product(a: Array, b: Array, out: Array) -> Array:
    """A matrix product, out = a @ b, in the way that is fastest for small float32 matrices.

    OpenBLAS copies its matrices into another order before it multiplies ("packing"): with the few channels of small
    networks a tenth of the time and more. On processors with AVX-512 it multiplies small float32 matrices as they lie:
    up to a million multiply-adds; with a transposed `b` up to 1,200 results, of 32 terms or more. There the longer side
    of `out` is computed in slices just small enough, unless there are threads to share. In deep layers packing is the
    faster way, by up to three times: slices of a few rows read all of `b` again and again, and slices of the columns of
    a wide `b` jump from row to row.

    Parameters
    ----------
    a, b : matrices (M, K) and (K, N).
    out : the array (M, N) to write to.

    Returns
    -------
    `out`.

    Raises
    ------
    ValueError : matrices that do not fit.
    TypeError : what is no array.
    """
    (M, K), N = a.shape, b.shape[1]
    if type(a) is np.ndarray and a.itemsize == 4 and min(M, K, N) > 0:
        results, transposed = SMALL // K, b.strides[0] < b.strides[1]
        if transposed:
            results = min(results, 1200) if K >= 32 else 0
        n = results // min(M, N) // 4 * 4
        if (FEW_ROWS <= n < max(M, N) and (transposed or N <= (TALL if M >= N else WIDE))
                and multiplies_small_unpacked() and blas_threads() == 1):
            return _in_slices(a, b, out, n) if M >= N else _in_slices(b.T, a.T, out.T, n).T
    return array_module(a).matmul(a, b, out=out)


def _in_slices(a, b, out, n):
    """out = a @ b, for n rows of `a` at a time, and then for those that are left."""
    whole = len(a) - len(a) % n
    np.matmul(a[:whole].reshape(-1, n, a.shape[1]), b, out=out[:whole].reshape(-1, n, b.shape[1]))
    if whole < len(a):
        np.matmul(a[whole:], b, out=out[whole:])
    return out
