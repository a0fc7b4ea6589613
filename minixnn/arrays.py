"""The few array helpers that layers and rules share, the same for NumPy and CuPy.

There is no switch between CPU and GPU: an array knows where it lives, and what is computed from it lives there
too. Operators and array methods do nearly all the work. Where a *function* is needed (`maximum`, `zeros`), the
line asks the array for its module first:

    xp = array_module(x)        # numpy for a NumPy array, cupy for a CuPy array

CuPy is never imported here. A caller who passes a CuPy array has imported it already.
"""
import sys
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any          # numpy.ndarray or cupy.ndarray; cupy is not there to be named, so no checker can look
Inputs: TypeAlias = Any         # what enters a layer: an array; where several meet, a tuple of arrays


def array_module(x: Array) -> ModuleType:
    """The module whose functions compute with an array: numpy, cupy, or what `x.__array_namespace__()` names.

    No list of modules is kept: an array is asked. NumPy's and CuPy's have a class `ndarray` in common that lies in the
    module itself; others follow the array API standard (2021) and name their module. Layers call NumPy's methods too,
    such as `x.clip`, which the standard lacks.

    Parameters
    ----------
    x : the array.

    Returns
    -------
    The module.

    Raises
    ------
    TypeError : what is no array, or lacks those methods: a list, a torch tensor, a strict array.
    """
    for kind in type(x).__mro__:
        if getattr(sys.modules.get(kind.__module__), "ndarray", None) is kind:
            return sys.modules[kind.__module__]
    if hasattr(x, "__array_namespace__") and hasattr(x, "clip"):
        return x.__array_namespace__()
    strict = " (it lacks NumPy's methods, such as x.clip)" if hasattr(x, "__array_namespace__") else ""
    raise TypeError(f"got {type(x).__name__}{strict}, expected a NumPy or CuPy array; convert it first, for instance "
                    "with numpy.asarray(x, dtype=numpy.float32), after its own library has brought it to the host")


def to_numpy(x: Array) -> np.ndarray:
    """`x` as a NumPy array: itself if it is one, a copy in host memory if it lives on a GPU."""
    return x.get() if hasattr(x, "get") else np.asarray(x)


def like(x: Array, host: Array) -> Array:
    """The host array `host` moved to where `x` lives (random numbers and labels start on the host)."""
    return array_module(x).asarray(host)


def positive(x: Array | None) -> Array:
    """x+ = max(x, 0), entry by entry. None stays None (a layer without bias has no positive bias either)."""
    return None if x is None else x.clip(0, np.inf)         # on large float32 arrays three times as fast as `maximum`


def negative(x: Array | None) -> Array:
    """x- = min(x, 0), entry by entry, so that x = x+ + x-. None stays None."""
    return None if x is None else x.clip(-np.inf, 0)


def stabilize(z: Array, epsilon: float = 0.0) -> Array:
    """The denominator z + epsilon sgn(z), with sgn(0) = +1. Bach et al. 2015, eq. 58.

    With `epsilon` = 0 the zeros of z become infinite, so that R / stabilize(z) is 0 there: a neuron whose contributions
    sum to nothing has no input to pass its relevance to. It is lost, and the ledger says so. Numbers below `tiny` count
    as zeros, since a quotient by them may overflow; with an epsilon below `tiny`, as in half precision, the denominator
    is kept that far from 0.

    Parameters
    ----------
    z : sums of contributions.
    epsilon : 0 or more.

    Returns
    -------
    The denominator, like z.

    Raises
    ------
    ValueError : an epsilon below 0, or NaN.
    """
    if epsilon == 0:
        nonzero = z.copy()
        nonzero[abs(z) < tiny(z)] = np.inf      # faster than `where`, as long as zeros are few
        return nonzero
    if not epsilon > 0:
        raise ValueError(f"got epsilon={epsilon}, expected a small positive number, or 0 for no stabiliser")
    signed = (z < 0) * z.dtype.type(-2 * epsilon)
    signed += epsilon                           # epsilon sgn(z), faster than by `copysign`; -0.0 counts as plus
    signed += z
    if epsilon < tiny(z):
        signed = array_module(z).where(z < 0, signed.clip(-np.inf, -tiny(z)), signed.clip(tiny(z), np.inf))
    return signed


def tiny(x: Array) -> float:
    """The size below which a number of x's type is too small to divide by: relevance over it may overflow."""
    info = np.finfo(x.dtype)
    return float(info.tiny if x.itemsize < 4 else info.tiny / info.eps)     # 6e-5 in half precision, 1e-31 in single


def may_be_negative(x: Array) -> bool:
    """Whether x has a negative entry; True where x only stands for numbers, and asking is a TypeError."""
    try:
        return bool(x.min() < 0)
    except TypeError:
        return True


def holds(ok: bool | Array) -> bool:
    """The condition `ok`, a bool or a 0-d array of one on any device, as a bool."""
    return ok.item() if hasattr(ok, "item") else ok


def require(ok: bool | Array, message: str) -> None:
    """Raise an error unless a condition holds, see `holds`.

    For a message that is there anyway. One with numbers or names in it costs frames in every pass, though it is hardly
    ever read: then write `if not holds(ok): raise ValueError(f"...")`.

    Parameters
    ----------
    ok : a bool, or a 0-d array of one on any device.
    message : the sentence of the error.

    Raises
    ------
    ValueError : the condition does not hold.
    """
    if not (ok.item() if hasattr(ok, "item") else ok):
        raise ValueError(message)
