"""The array of the stand-in for a device, and the record of what makes the host wait. `standin.py` says what it is for.

`standin.py` adds the methods and operators that all recorded versions of CuPy have; here are those that CuPy treats
in its own way.
"""
import contextlib
import functools
import pathlib
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.backends.standin_teeth import Undefined, check_cast, check_overlap, check_row, strides, wrapped

SCALARS = (bool, int, float, complex, np.generic)
HERE = (__file__, *(str(pathlib.Path(__file__).with_name(name)) for name in ("standin.py", "standin_teeth.py")),
        contextlib.__file__, functools.__file__)

_waits: list[list] = []             # one list for each `waiting()` that is open


@contextlib.contextmanager
def waiting() -> Iterator:
    """A list that fills with "what, where" each time the host waits for the device inside the `with`."""
    _waits.append([])
    try:
        yield _waits[-1]
    finally:
        _waits.pop()


def note_wait(what: str) -> None:
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename in HERE:
        frame = frame.f_back
    for waits in _waits:
        file = pathlib.Path(frame.f_code.co_filename).name
        waits.append(f"{what} in {frame.f_code.co_name}, {file}:{frame.f_lineno}")


def down(value: Any) -> Any:
    """The host array behind a device array, also inside lists and tuples. A host array has no business here."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: a host array of shape {value.shape} meets the device; "
                        "move it first, with xp.asarray")
    return type(value)(map(down, value)) if type(value) in (list, tuple) else value


def up(value: Any) -> Any:
    """Host results as device arrays; also single numbers, which stay on the device as arrays without axes."""
    if type(value) in (list, tuple):
        return type(value)(map(up, value))
    return ndarray(value) if isinstance(value, (np.ndarray, *SCALARS)) else value


class ndarray:
    """An array "on the device": `_host` holds the numbers, and only the stand-in looks at it.

    copied: made by a reshape or the like that may be a view, and had to copy: what is written there is lost.
    """
    __slots__ = ("_numbers", "_copied", "_thread")
    __module__ = "standin_cupy"                 # what `array_module` asks an array for; registered in standin.py
    __hash__: Any = None

    def __init__(self, host: Any, copied: bool = False) -> None:
        self._numbers, self._copied, self._thread = np.asarray(host), copied, threading.get_ident()
        if self._numbers.dtype.char not in "?bBhHiIlLqQefdFD":
            raise ValueError(f"Unsupported dtype {self._numbers.dtype}")

    @property
    def _host(self) -> np.ndarray:
        if self._thread != threading.get_ident():
            raise Undefined("an array of another thread: CuPy's device and stream belong to a thread, and nothing says "
                            "that the work which makes the array is done")
        return self._numbers

    def write(self) -> None:
        """Refuse to be written to, where that is lost."""
        if self._copied:
            raise Undefined("written into a reshape that is a copy: what it was made of does not change")

    # What CuPy refuses, and what this stand-in refuses on top (see the head of the file)
    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. "
                        "Please use `.get()` to construct a NumPy array explicitly.")

    def __array_function__(self, function, kinds, args, kwargs):
        raise TypeError(f"np.{function.__name__} of a device array; write xp = array_module(x); "
                        f"xp.{function.__name__}(...)")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method == "__call__" and not kwargs and all(isinstance(i, (ndarray, np.generic)) for i in inputs) \
                and any(isinstance(i, np.generic) for i in inputs):         # np.float32(2) * x, as CuPy
            return up(ufunc(*map(down, inputs)))
        kinds = " and ".join(f"{type(i).__module__}.{type(i).__name__}" for i in inputs)
        raise TypeError(f"np.{ufunc.__name__} of {kinds}; "
                        f"write xp = array_module(x); xp.{ufunc.__name__}(...), with all arrays moved")

    # What makes the host wait
    def _single(self, kind):
        if self._host.size != 1:
            raise (ValueError if kind is bool else TypeError)(f"{kind.__name__}() of an array with {self.size} entries")
        note_wait(f"{kind.__name__}()")
        return kind(self._host.reshape(())[()])

    def __bool__(self):
        return self._single(bool)

    def __int__(self):
        return self._single(int)

    def __float__(self):
        return self._single(float)

    def __repr__(self):
        note_wait("print")
        return repr(self._host)

    def __format__(self, spec):
        return format(self._single(float) if spec else repr(self), spec)

    def get(self, stream: Any = None, order: Any = 'C', out: Any = None, blocking: Any = True) -> Any:
        note_wait("get")
        return self._host.copy()

    # Layout
    shape = property(lambda self: self._host.shape)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: strides(self._host))
    flags = property(lambda self: types.SimpleNamespace(
        **{name: getattr(self._host.flags, name) for name in ("c_contiguous", "f_contiguous", "owndata")}))
    T = property(lambda self: ndarray(self._host.T))
    real = property(lambda self: ndarray(self._host.real))
    imag = property(lambda self: ndarray(self._host.imag))
    base = property(lambda self: None if self._host.base is None else ndarray(self._host.base))

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __copy__(self):
        return ndarray(self._host.copy())

    def __deepcopy__(self, memo):
        return ndarray(self._host.copy())

    # Indexing
    def _index(self, index):
        """The index for NumPy, and whether it holds a mask; refuses what CuPy refuses."""
        parts = index if isinstance(index, tuple) else (index,)
        kinds = [part.dtype.kind for part in parts if isinstance(part, ndarray)]
        if any(isinstance(part, np.ndarray) for part in parts):
            raise TypeError("a host array as index; move it first, with xp.asarray")
        if kinds and not set(kinds) <= set("iub"):
            raise IndexError("arrays used as indices must be of integer or boolean type")
        if "b" in kinds and len(kinds) > 1:
            raise ValueError("currently, CuPy only supports slices that consist of one boolean array")
        if kinds and any(isinstance(part, np.integer) for part in parts):
            raise IndexError("CuPy takes no numpy integer beside an array of indices; use int(...)")
        return tuple(map(down, parts)), "b" in kinds, bool(kinds) or any(type(part) is list for part in parts)

    def __getitem__(self, index):
        parts, mask, gathers = self._index(index)
        if mask:
            note_wait("x[mask]")                                    # how many entries are True?
        if not gathers and not any(part is Ellipsis for part in parts):
            parts += (Ellipsis,)                                # so that x[0, 0] is a view without axes, as CuPy's
        try:
            return ndarray(self._host[parts], copied=self._copied and not gathers)
        except IndexError as error:
            raise (wrapped(error) if gathers else error) from None

    def __setitem__(self, index, value):
        parts, mask, gathers = self._index(index)
        if mask and isinstance(value, ndarray) and value.ndim:
            note_wait("x[mask] = y")
        self.write()
        numbers = down(value)
        check_cast(numbers, self.dtype)
        if gathers and not mask:
            try:
                targets = np.arange(self.size).reshape(self.shape)[parts].ravel()
            except IndexError as error:
                raise wrapped(error) from None
            if len(np.unique(targets)) < len(targets):
                raise IndexError("x[indices] = y with the same index twice: on a GPU either value may stay")
        elif not mask:
            target = self._host[parts if Ellipsis in parts else (*parts, Ellipsis)]
            check_overlap(target, numbers)
            check_row(target, numbers, parts)
        self._host[parts] = numbers
