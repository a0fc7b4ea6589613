"""CuPy's surface with NumPy's arithmetic: what fails here would fail, or crawl, on a GPU.

    import standin_cupy as xp
    x = xp.asarray(numpy_array)          # "moved": an array of this module, and numpy no longer takes it
    y = xp.maximum(x, 0)                 # looked up in cupy_surface.json, then computed by numpy
    y.get()                              # moved back, and noted as a wait for the device

An array of this module has the functions, methods and arguments that *every* recorded CuPy has, and no others.
It is stricter than CuPy in four places, each of which would be slow or undefined there, or hide a copy:

- `np.mean(x)` raises. CuPy answers by calling `cupy.mean`, but code that counts on it works only for those numpy
  functions CuPy has, and breaks where a host array is the other argument.
- `x[host_array_of_integers]` raises. CuPy copies the indices to the device, silently, every time.
- `x[indices] = y` raises where two indices are the same. CuPy writes one of the two values, whichever comes last.
- `xp.random` raises. CuPy's numbers differ from NumPy's; draw with a numpy.random.Generator and move them.

Whatever makes the host wait for the device (`float(x)`, `if x:`, `x.get()`, `x[mask]`) is allowed, and noted:

    with waiting() as waits:
        explain(...)
    assert len(waits) <= 2, waits

Where CuPy's promotion of types differs from NumPy's (in CuPy 13, for numpy's own scalars) NumPy's is used.
"""
import contextlib
import functools
import inspect
import json
import pathlib
import sys
import types

import numpy as np

RECORD = json.loads(pathlib.Path(__file__).with_name("cupy_surface.json").read_text())     # {version: {place: names}}
SCALARS = (bool, int, float, complex, np.generic)
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

_waits = []             # one list for each `waiting()` that is open


@contextlib.contextmanager
def waiting():
    """A list that fills with "what, where" each time the host waits for the device inside the `with`."""
    _waits.append([])
    try:
        yield _waits[-1]
    finally:
        _waits.pop()


def _wait(what):
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename in (__file__, contextlib.__file__, functools.__file__):
        frame = frame.f_back
    for waits in _waits:
        file = pathlib.Path(frame.f_code.co_filename).name
        waits.append(f"{what} in {frame.f_code.co_name}, {file}:{frame.f_lineno}")


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


def _down(value):
    """The host array behind a device array, also inside lists and tuples. A host array has no business here."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: a host array of shape {value.shape} meets the device; "
                        "move it first, with xp.asarray")
    return type(value)(map(_down, value)) if type(value) in (list, tuple) else value


def _up(value):
    """Host results as device arrays; also single numbers, which stay on the device as arrays without axes."""
    if type(value) in (list, tuple):
        return type(value)(map(_up, value))
    return ndarray(value) if isinstance(value, (np.ndarray, *SCALARS)) else value


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
                _down(value)                                    # a host array gets its own message
                raise TypeError(f"cupy's {name} expects a cupy.ndarray for {parameter}, got {type(value).__name__}")
        if parameter in NUMBERS_ONLY:
            _refuse_device(name, parameter, value)


def _refuse_device(name, parameter, value):
    if isinstance(value, ndarray):
        raise TypeError(f"cupy's {name} takes whole numbers for {parameter}, got a device array")
    if isinstance(value, (list, tuple)):
        for entry in value:
            _refuse_device(name, parameter, entry)


def _call(place, name, compute, args, kwargs):
    """compute(*args, **kwargs) by NumPy, after looking up that CuPy would take the call."""
    _check(place, name, args, kwargs)
    if name in WAITS or (name == "where" and len(args) + len(kwargs) == 1):
        _wait(name)
    if name in MOVERS:
        if isinstance(args[0], ndarray) and name in ("asarray", "asanyarray"):
            if np.asarray(args[0]._host, *args[1:], **kwargs) is args[0]._host:
                return args[0]
        moved = args[0] if isinstance(args[0], np.ndarray) else _down(args[0])
        result = compute(moved, *args[1:], **kwargs)
        return result.copy() if name == "asnumpy" else ndarray(result.copy(order="K"))
    result = compute(*map(_down, args), **{key: _down(value) for key, value in kwargs.items()})
    if isinstance(kwargs.get("out"), ndarray):
        return kwargs["out"]
    return result if name in ON_HOST else _up(result)


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


class ndarray:
    """An array "on the device": `_host` holds the numbers, and nobody but this file looks at it."""
    __slots__ = ("_host",)
    __hash__ = None

    def __init__(self, host):
        self._host = np.asarray(host)
        if self._host.dtype.char not in "?bBhHiIlLqQefdFD":
            raise ValueError(f"Unsupported dtype {self._host.dtype}")

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
            return _up(ufunc(*map(_down, inputs)))
        kinds = " and ".join(f"{type(i).__module__}.{type(i).__name__}" for i in inputs)
        raise TypeError(f"np.{ufunc.__name__} of {kinds}; "
                        f"write xp = array_module(x); xp.{ufunc.__name__}(...), with all arrays moved")

    # What makes the host wait
    def _single(self, kind):
        if self._host.size != 1:
            raise (ValueError if kind is bool else TypeError)(f"{kind.__name__}() of an array with {self.size} entries")
        _wait(f"{kind.__name__}()")
        return kind(self._host.reshape(())[()])

    def __bool__(self):
        return self._single(bool)

    def __int__(self):
        return self._single(int)

    def __float__(self):
        return self._single(float)

    def __repr__(self):
        _wait("print")
        return repr(self._host)

    def __format__(self, spec):
        return format(self._single(float) if spec else repr(self), spec)

    def get(self, stream=None, order="C", out=None, blocking=True):
        _wait("get")
        return self._host.copy()

    # Layout
    shape = property(lambda self: self._host.shape)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
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
        return tuple(map(_down, parts)), "b" in kinds, bool(kinds) or any(type(part) is list for part in parts)

    def __getitem__(self, index):
        parts, mask, gathers = self._index(index)
        if mask:
            _wait("x[mask]")                                    # how many entries are True?
        if not gathers and not any(part is Ellipsis for part in parts):
            parts += (Ellipsis,)                                # so that x[0, 0] is a view without axes, as CuPy's
        return ndarray(self._host[parts])

    def __setitem__(self, index, value):
        parts, mask, gathers = self._index(index)
        if mask and isinstance(value, ndarray) and value.ndim:
            _wait("x[mask] = y")
        if gathers and not mask:
            targets = np.arange(self.size).reshape(self.shape)[parts].ravel()
            if len(np.unique(targets)) < len(targets):
                raise IndexError("x[indices] = y with the same index twice: on a GPU either value may stay")
        self._host[parts] = _down(value)


def _method(name, compute):
    def method(self, *args, **kwargs):
        return _call("cupy.ndarray", name, compute, (self, *args), kwargs)
    method.__name__ = name
    return method


def _operator(name, compute):
    def method(self, *others):
        if not all(isinstance(other, (ndarray, np.ndarray, *SCALARS)) for other in others):
            return NotImplemented
        result = compute(self._host, *map(_down, others))
        if result is NotImplemented:
            return result
        return self if result is self._host else _up(result)
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
