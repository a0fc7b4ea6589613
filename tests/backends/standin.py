"""CuPy's surface with NumPy's arithmetic: what fails here would fail, or crawl, on a GPU.

    from tests.backends import standin as xp
    x = xp.asarray(numpy_array)          # "moved": an array of this module, and numpy no longer takes it
    y = xp.maximum(x, 0)                 # looked up in cupy_surface.json, then computed by numpy
    y.get()                              # moved back, and noted as a wait for the device

An array of this module has the functions, methods and arguments that *every* recorded CuPy has, and no others.
It is stricter than CuPy in these places, each of which would be slow or undefined there, or hide a copy:

- `np.mean(x)` raises. CuPy answers by calling `cupy.mean`, but code that counts on it works only for those numpy
  functions CuPy has, and breaks where a host array is the other argument.
- `x[host_array_of_integers]` raises. CuPy copies the indices to the device, silently, every time.
- `x[indices] = y` raises where two indices are the same. CuPy writes one of the two values, whichever comes last.
- `xp.random` raises. CuPy's numbers differ from NumPy's; draw with a numpy.random.Generator and move them.
- `Undefined` (standin_teeth.py) is raised where CuPy answers anything, in silence: indices out of bounds, casts to
  integers that do not fit, strides that reach outside, what is written where is read, `out=` of a reshape that had to
  copy, an array of another thread, whose stream is another. The stride of an axis of length 1 is a huge number.

Its last digits are not NumPy's: see `computed` in standin_teeth.py. Nothing warns, and `np.errstate` changes nothing.

Whatever makes the host wait for the device (`float(x)`, `if x:`, `x.get()`, `x[mask]`) is allowed, and noted:

    with waiting() as waits:
        explain(...)
    assert len(waits) <= 2, waits

Where CuPy's promotion of types differs from NumPy's (in CuPy 13, for numpy's own scalars) NumPy's is used.
"""
import functools
import inspect
import json
import pathlib
import sys
import types

import numpy as np

from tests.backends.standin_array import SCALARS, down, ndarray, note_wait, up, waiting  # noqa: F401
from tests.backends.standin_teeth import (ADDS, MAY_COPY, TAKES, Undefined, check_cast, check_overlap,  # noqa: F401
                                          check_strides, computed, wrapped)

RECORD = json.loads(pathlib.Path(__file__).with_name("cupy_surface.json").read_text())     # {version: {place: names}}
# Functions that take host arrays, functions that answer with something on the host, functions that cannot go on
# before the device has given a result, parameters that must be arrays, parameters that must be plain numbers
MOVERS = {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asnumpy"}
ON_HOST = {"asnumpy", "shape", "ndim", "size", "result_type", "can_cast", "promote_types", "min_scalar_type",
           "isscalar", "iscomplexobj", "isrealobj", "may_share_memory", "shares_memory", "tolist", "item"}
WAITS = {"asnumpy", "nonzero", "flatnonzero", "argwhere", "unique", "bincount", "extract", "compress", "tolist", "item",
         "histogram", "tobytes"}
ARRAYS_ONLY = {"a", "arr", "array", "ary", "m", "condition"}
NUMBERS_ONLY = {"shape", "newshape", "axis", "axes", "axis1", "axis2", "source", "destination", "offset", "k", "N", "M",
                "pad_width", "strides", "window_shape"}
sys.modules["standin_cupy"] = sys.modules[__name__]        # where `array_module` finds the module of such an array


@functools.cache
def _signatures(place, name):
    """[(version, inspect.Signature)] of cupy's `name`; AttributeError where a recorded version has none."""
    found = []
    for version, places in RECORD.items():
        if name not in places[place]:
            raise AttributeError(f"cupy {version} has no {place}.{name}")
        text = places[place][name]
        if text == "?":
            raise AttributeError(f"the arguments of {place}.{name} are not recorded; use another function")
        found.append((version, None if text is None else inspect.signature(eval(f"lambda {text}: None"))))
    return found


def _check(place, name, args, kwargs):
    """Do all recorded versions take these arguments, as to their names and their kinds?"""
    ufunc = isinstance(getattr(np, name, None), np.ufunc) and place == "cupy"
    for version, signature in _signatures(place, name):
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"cupy {version}, {place}.{name}: {error}") from None
    for parameter, value in given.items():
        wanted = (ndarray, *SCALARS) if ufunc and parameter in ("x", "x1", "x2") else ndarray
        if (parameter in ARRAYS_ONLY or wanted is not ndarray) and name not in MOVERS | ON_HOST:
            if not isinstance(value, wanted):
                down(value)                                    # a host array gets its own message
                raise TypeError(f"cupy's {name} expects a cupy.ndarray for {parameter}, got {type(value).__name__}")
        if parameter in NUMBERS_ONLY:
            _refuse_device(name, parameter, value)
    return given


def _refuse_device(name, parameter, value):
    if isinstance(value, ndarray):
        raise TypeError(f"cupy's {name} takes whole numbers for {parameter}, got a device array")
    if isinstance(value, (list, tuple)):
        for entry in value:
            _refuse_device(name, parameter, entry)


def _call(place, name, compute, args, kwargs):
    """compute(*args, **kwargs) by NumPy, after looking up that CuPy would take the call."""
    given = _check(place, name, args, kwargs)
    if name in WAITS or (name == "where" and len(args) + len(kwargs) == 1):
        note_wait(name)
    if given.get("dtype") is not None and name in MOVERS | {"astype"}:
        check_cast(args[0]._host if isinstance(args[0], ndarray) else np.asarray(args[0]), given["dtype"])
    if name in MOVERS:
        if isinstance(args[0], ndarray) and name in ("asarray", "asanyarray"):
            if np.asarray(args[0]._host, *args[1:], **kwargs) is args[0]._host:
                return args[0]
        moved = args[0] if isinstance(args[0], np.ndarray) else down(args[0])
        result = compute(moved, *args[1:], **kwargs)
        if name == "asnumpy":
            return result.copy()
        return ndarray(result.copy(order="K"), copied=name in MAY_COPY and isinstance(args[0], ndarray)
                       and result is not moved)
    out, on_host = kwargs.get("out"), tuple(map(down, args))
    if isinstance(out, ndarray):
        out.write()
        for read in on_host:
            check_overlap(out._host, read, in_place=name not in ADDS)
    try:
        result = computed(name, compute, on_host, {key: down(value) for key, value in kwargs.items()})
    except IndexError as error:
        raise (wrapped(error) if name in TAKES else error) from None
    if isinstance(out, ndarray):
        return out
    if name == "as_strided":
        check_strides(result, on_host[0])
    if name in MAY_COPY and result.size and not np.may_share_memory(result, on_host[0]):
        return ndarray(result, copied=True)
    return result if name in ON_HOST else up(result)


class _Functions:
    """The functions and constants of one of CuPy's modules, each looked up when it is asked for."""

    def __init__(self, place, numpy_module):
        self._place, self._numpy = place, numpy_module

    def __getattr__(self, name):
        recorded = _signatures(self._place, name)
        if not hasattr(self._numpy, name) and name != "asnumpy":
            raise AttributeError(f"{self._place}.{name} has no counterpart in NumPy, so it is not portable")
        if recorded[0][1] is None:
            constant = getattr(self._numpy, name)
            if not isinstance(constant, (type, *SCALARS, type(None))):
                raise AttributeError(f"{self._place}.{name} is not covered by the stand-in")
            return constant
        compute = np.array if name == "asnumpy" else getattr(self._numpy, name)

        def function(*args, **kwargs):
            return _call(self._place, name, compute, args, kwargs)
        function.__name__ = name
        return function


def _method(name, compute):
    def method(self, *args, **kwargs):
        return _call("cupy.ndarray", name, compute, (self, *args), kwargs)
    method.__name__ = name
    return method


def _operator(name, compute):
    def method(self, *others):
        if not all(isinstance(other, (ndarray, np.ndarray, *SCALARS)) for other in others):
            return NotImplemented
        on_host, in_place = tuple(map(down, others)), name.startswith("__i") and name != "__invert__"
        if in_place:
            self.write()
            for read in on_host:
                check_overlap(self._host, read)
        result = computed(name, compute, (self._host, *on_host), {})
        if result is NotImplemented:
            return result
        return self if in_place else up(result)
    method.__name__ = name
    return method


def _fill_in():
    """Give `ndarray` every method and operator that all recorded versions of CuPy have and NumPy can compute."""
    shared = set.intersection(*(set(places["cupy.ndarray"]) for places in RECORD.values()))
    arithmetic = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()
    operators = {f"__{r}{name}__" for name in arithmetic for r in ("", "r", "i")} \
        | {f"__{name}__" for name in "lt le gt ge eq ne neg pos abs invert".split()}
    for name in shared & set(dir(np.ndarray)):
        if name in operators:
            setattr(ndarray, name, _operator(name, getattr(np.ndarray, name)))
        elif not name.startswith("__") and name not in vars(ndarray) and callable(getattr(np.ndarray, name)):
            setattr(ndarray, name, _method(name, getattr(np.ndarray, name)))


_fill_in()
_functions = _Functions("cupy", np)
linalg = _Functions("cupy.linalg", np.linalg)
lib = types.SimpleNamespace(stride_tricks=_Functions("cupy.lib.stride_tricks", np.lib.stride_tricks))


def __getattr__(name):
    if name == "random":
        raise AttributeError("no random numbers on the stand-in: draw with a numpy.random.Generator, then xp.asarray")
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_functions, name)
