"""The few array helpers that layers and rules share, the same for NumPy and CuPy.

There is no switch between CPU and GPU: an array knows where it lives, and whatever is computed from it lives
there too. Operators and array methods do nearly all the work. Where a *function* is needed (`maximum`,
`zeros`), the line asks the array for its module first:

    xp = array_module(x)        # numpy for a NumPy array, cupy for a CuPy array

CuPy is never imported here. Whoever hands over a CuPy array has imported it already.
"""
import contextlib
import contextvars
import sys

import numpy as np

try:
    from threadpoolctl import ThreadpoolController
    OPENBLAS = ThreadpoolController().select(internal_api="openblas")
except ImportError:                             # one core, and a tenth slower; everything else is as ever
    OPENBLAS = None
LIBRARIES = [blas for blas in (OPENBLAS.lib_controllers if OPENBLAS else [])        # of those that are loaded, NumPy's
             if blas.threading_layer == "pthreads"]         # OpenMP would not keep to one thread within others
SMALL = 1_000_000           # multiply-adds up to which OpenBLAS takes a product for a small one, see `product`
SMALL_AT_ONCE = any(blas.architecture in ("SkylakeX", "Cooperlake", "SapphireRapids")       # its names for AVX-512
                    for blas in LIBRARIES)


def array_module(x):
    """The module that made the array `x`: numpy or cupy.

    Raises TypeError for anything that is not an array: a list, say, or a torch tensor.
    """
    top = type(x).__module__.partition(".")[0]
    if top in ("builtins", "torch") or not hasattr(x, "dtype"):
        raise TypeError(f"got {type(x).__name__}, expected a NumPy or CuPy array; "
                        "convert it first, for instance with numpy.asarray(x, dtype=numpy.float32)")
    return sys.modules[top]


def to_numpy(x):
    """`x` as a NumPy array: itself if it is one, a copy in host memory if it lives on a GPU."""
    return x.get() if hasattr(x, "get") else np.asarray(x)


def like(x, host):
    """The host array `host` moved to where `x` lives (random numbers and labels start on the host)."""
    return array_module(x).asarray(host)


def blas_threads():
    """Among how many threads BLAS shares a large matrix product. 1 where it is not OpenBLAS, and cannot be asked."""
    return LIBRARIES[0].num_threads if LIBRARIES else 1


def one_blas_thread():
    """`with one_blas_thread():` inside, each matrix product is computed by the thread that asks for it."""
    return OPENBLAS.limit(limits=1) if OPENBLAS else contextlib.nullcontext()


def product(a, b, out):
    """out = a @ b, the product of the matrices a (M, K) and b (K, N). Returns `out` (M, N).

    OpenBLAS copies its matrices into another order before it multiplies ("packing"): with the few channels of small
    networks a tenth of the time and more. On processors with AVX-512 it multiplies small float32 matrices as they lie:
    up to a million multiply-adds; with a transposed `b` up to 1,200 results, of 32 terms or more. There the longer side
    of `out` is computed in slices just small enough, unless there are threads to share.
    """
    (M, K), N = a.shape, b.shape[1]
    if SMALL_AT_ONCE and type(a) is np.ndarray and a.itemsize == 4 and min(M, K, N) > 0 and blas_threads() == 1:
        results = SMALL // K
        if b.strides[0] < b.strides[1]:                     # transposed
            results = min(results, 1200) if K >= 32 else 0
        n = results // min(M, N) // 4 * 4
        if 4 <= n < max(M, N):
            return _in_slices(a, b, out, n) if M >= N else _in_slices(b.T, a.T, out.T, n).T
    return array_module(a).matmul(a, b, out=out)


def _in_slices(a, b, out, n):
    """out = a @ b, for n rows of `a` at a time, and then for those that are left."""
    whole = len(a) - len(a) % n
    np.matmul(a[:whole].reshape(-1, n, a.shape[1]), b, out=out[:whole].reshape(-1, n, b.shape[1]))
    if whole < len(a):
        np.matmul(a[whole:], b, out=out[whole:])
    return out


def positive(x):
    """x+ = max(x, 0), entry by entry. None stays None (a layer without bias has no positive bias either)."""
    return None if x is None else x.clip(0, np.inf)         # on large float32 arrays three times as fast as `maximum`


def negative(x):
    """x- = min(x, 0), entry by entry, so that x = x+ + x-. None stays None."""
    return None if x is None else x.clip(-np.inf, 0)


def stabilize(z, epsilon=0.0):
    """The denominator z + epsilon sgn(z), with sgn(0) = +1. Bach et al. 2015, eq. 58.

    With `epsilon` = 0 the zeros of z become infinite, so that R / stabilize(z) is 0 there: a neuron whose
    contributions sum to nothing has nobody to hand its relevance to. It is lost, and the ledger says so. An epsilon
    below 0 is a ValueError: it would let the denominator pass through 0.
    """
    if epsilon == 0:
        nonzero = z.copy()
        nonzero[z == 0] = np.inf                # twice as fast as `where`, as long as zeros are few
        return nonzero
    demand(epsilon > 0, f"got epsilon={epsilon}, expected a small positive number, or 0 for no stabiliser")
    signed = (z < 0) * z.dtype.type(-2 * epsilon)
    signed += epsilon                           # epsilon sgn(z), faster than by `copysign`; -0.0 counts as plus
    signed += z
    return signed


def demand(ok, message):
    """Raise ValueError(message) unless the condition `ok` holds (a bool, or a 0-d array of one).

    Inside `looking_once` a condition on a GPU is put by, to be looked at with all others when the pass ends.
    """
    put_by = _put_by.get()
    if put_by is not None and hasattr(ok, "get"):
        put_by.append((ok, message))
    elif not bool(ok):
        raise ValueError(message)


_put_by = contextvars.ContextVar("conditions that a pass still has to look at", default=None)


@contextlib.contextmanager
def looking_once():
    """`with looking_once():` around a pass: what its rules demand of GPU arrays is looked at once, at its end.

    To look at a number the host must wait until the GPU has computed it, and meanwhile the GPU gets no further
    work. One look a layer would make the wait longer than the work. NumPy's conditions are looked at at once.
    """
    if _put_by.get() is not None:                           # a pass within a pass: the outer one looks
        yield
        return
    put_by = []
    token = _put_by.set(put_by)
    try:
        yield
    finally:
        _put_by.reset(token)                                # after an error nothing is left over
    if put_by:
        conditions, messages = zip(*put_by)
        held = array_module(conditions[0]).stack(conditions).get()
        for ok, message in zip(held, messages):
            demand(bool(ok), message)
