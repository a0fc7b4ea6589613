"""What a GPU does otherwise than NumPy, or does not define, and what the stand-in does there: see `standin.py`.

Two kinds. Where CuPy's numbers are merely others, the stand-in computes others too, so that code which counts on
NumPy's last digits fails: `computed`. Where CuPy is silent and wrong, or whatever, the stand-in raises `Undefined`.
"""
import warnings
from typing import Any

import numpy as np

TRANSCENDENTAL = {"exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "tanh", "sinh", "cosh", "sin", "cos", "tan",
                  "arctan", "arcsinh"}
TAKES = {"take", "take_along_axis", "put_along_axis", "choose"}
ADDS = {"sum", "mean", "matmul", "__matmul__", "__rmatmul__", "dot", "inner", "einsum", "tensordot", "vdot", "cumsum"}
MAY_COPY = {"reshape", "ravel", "ascontiguousarray", "asfortranarray"}


class Undefined(AssertionError):
    """A GPU answers nothing that can be relied on, and says nothing. No code under test should catch this."""


def check_cast(numbers: Any, dtype: Any) -> None:
    """Refuse what no integer of this type stands for: infinities, NaN, too large a number, one below 0 as unsigned."""
    dtype = np.dtype(dtype)
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind != "f" or dtype.kind not in "iu" or not numbers.size:
        return
    limits, whole = np.iinfo(dtype), np.trunc(numbers)
    if not ((whole >= float(limits.min)) & (whole <= float(limits.max))).all():
        raise Undefined(f"a cast to {dtype} of NaN, of infinity, or of a number that {dtype} lacks: a GPU's answer is "
                        "another than the host's")


def owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory this one shows."""
    while isinstance(base := array.base, np.ndarray) or hasattr(base, "base"):      # a view by strides has neither
        array = base
    return array


def check_strides(view: np.ndarray, source: np.ndarray) -> None:
    """Refuse a view by strides that reaches outside the memory of its array."""
    if view.size:
        (low, high), memory = np.lib.array_utils.byte_bounds(view), owner(source)
        first, last = np.lib.array_utils.byte_bounds(memory)
        if low < first or high > last:
            raise Undefined(f"strides {view.strides} for the shape {view.shape} reach outside an array of "
                            f"{memory.nbytes} bytes; of an axis of length 1 the stride may be any number")


def strides(array: np.ndarray) -> tuple[int, ...]:
    """What the array says of its strides. Of an axis of length 1, or with no entry at all, it may say anything."""
    return tuple(step if n > 1 and array.size else 1 << 40 for n, step in zip(array.shape, array.strides))


def check_overlap(target: np.ndarray, values: Any, in_place: bool = True) -> None:
    """Refuse to write where is read in the same step: a GPU does it in any order, and NumPy by a copy.

    in_place: whether target and values may be entry by entry the same, as in x += x.
    """
    if not isinstance(values, np.ndarray) or not np.may_share_memory(target, values):
        return
    same = (target.ctypes.data, target.shape, target.strides) == (values.ctypes.data, values.shape, values.strides)
    if not (same and in_place) and np.shares_memory(target, values):
        raise Undefined("what is written and what is read overlap: a GPU does both in any order; read a copy")


def check_row(target: np.ndarray, values: Any, index: tuple) -> None:
    """Refuse x[i] = x[j], which as half of a swap, as in rng.shuffle(x), loses one of the two rows."""
    if isinstance(values, np.ndarray) and owner(values) is owner(target) and len(index) == 1 \
            and type(index[0]) is int and not np.may_share_memory(target, values):
        raise Undefined("a row of the array itself is put into another row: swapped so, as NumPy's shuffle does, one "
                        "of the two is lost; index by a permutation, or take a copy")


def wrapped(error: IndexError) -> Exception:
    """What to raise for an array of indices that NumPy refused."""
    return Undefined(f"{error}: CuPy says nothing and counts on from the other end") \
        if "out of bounds" in str(error) else error


def computed(name: str, compute: Any, args: tuple, kwargs: dict) -> Any:
    """compute(*args, **kwargs), host arrays, as a device might: silently, and with last digits of its own.

    What is added up is added in another order if the first axis has an odd length, so that a batch of one differs in
    its last digits from the same image in a batch of two; half precision is added up in single precision. Functions
    such as exp are rounded from double precision, not from what NumPy computes in single.
    """
    with np.errstate(all="ignore"):
        if name in ADDS:
            return _added(name, compute, args, kwargs)
        if name in TRANSCENDENTAL and getattr(args[0], "dtype", None) == np.float32:
            out = kwargs.pop("out", None)
            result = np.asarray(compute(args[0].astype(np.float64), *args[1:], **kwargs)).astype(np.float32)
            return result if out is None else np.copyto(out, result)
        if name in ("var", "std", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return compute(*args, **kwargs)
        return compute(*args, **kwargs)


def _added(name: str, compute: Any, args: tuple, kwargs: dict) -> Any:
    half = [isinstance(a, np.ndarray) and a.dtype == np.float16 for a in args]
    if any(half) and "dtype" not in kwargs:
        out = kwargs.pop("out", None)
        args = tuple(a.astype(np.float32) if is_half else a for a, is_half in zip(args, half))
        result = np.asarray(_added(name, compute, args, kwargs)).astype(np.float16)
        return result if out is None else np.copyto(out, result)
    if name in ("sum", "mean") and args[0].ndim and len(args[0]) % 2:
        axis = args[1] if len(args) > 1 else kwargs.get("axis")
        axes = range(args[0].ndim) if axis is None else np.atleast_1d(axis) % args[0].ndim
        back = tuple(slice(None, None, -1) if n in axes else slice(None) for n in range(args[0].ndim))
        args = (args[0][back], *args[1:])
    elif name in ("matmul", "__matmul__", "__rmatmul__") and args[0].ndim and len(args[0]) % 2 \
            and isinstance(args[1], np.ndarray) and args[1].ndim:
        first, second = (args[1], args[0]) if name == "__rmatmul__" else args[:2]
        if first.shape[-1] == second.shape[-2 if second.ndim > 1 else 0]:           # else let NumPy refuse it
            first = np.ascontiguousarray(first[..., ::-1])
            second = np.ascontiguousarray(second[..., ::-1, :] if second.ndim > 1 else second[::-1])
        args = ((second, first) if name == "__rmatmul__" else (first, second)) + args[2:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                                             # the mean of nothing
        return compute(*args, **kwargs)
