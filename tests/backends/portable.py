"""Code that gives NumPy's numbers on any device, and what the stand-in takes for granted of CuPy.

`FINE` is tested on the stand-in and on a device; `CLAIMS` can be tested on a device only (`python -m tests.device`).
"""
import warnings

import numpy as np

FINE = {
    "operators": lambda xp, x: 2 * x - x / 3 + (-x) ** 2 + abs(x),
    "comparisons": lambda xp, x: (x > 0) & ~(x == 1) | (x <= -1),
    "a numpy number": lambda xp, x: np.float32(2) * x + x * np.float32(3),
    "maximum and out": lambda xp, x: xp.maximum(x, 0, out=xp.empty_like(x)),
    "copysign in place": lambda xp, x: xp.copysign(1e-3, x, out=xp.zeros_like(x)),
    "where with numbers": lambda xp, x: xp.where(x > 0, x, np.inf),
    "matmul and out": lambda xp, x: xp.matmul(x, x.T, out=xp.empty((3, 3), x.dtype)),
    "einsum": lambda xp, x: xp.einsum("ij,kj->ik", x, x),
    "tensordot": lambda xp, x: xp.tensordot(x, x, ([1], [1])),
    "a reduction": lambda xp, x: x.sum(axis=1, keepdims=True) + xp.mean(x) + x.max(),
    "views by stride": lambda xp, x: xp.lib.stride_tricks.as_strided(x, (2, 2, 4), (x.strides[0], *x.strides)).copy(),
    "windows": lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, (2, 2)).sum(axis=(2, 3)),
    "a mask": lambda xp, x: x[x > 0],
    "a gather": lambda xp, x: xp.take_along_axis(x, x.argmax(axis=1)[:, None], 1),
    "padding": lambda xp, x: xp.pad(x, ((1, 1), (0, 2))),
    "layout": lambda xp, x: x[:, ::-1].T.reshape(-1)[None, ...].astype("float64"),
    "stacking": lambda xp, x: xp.concatenate([x, xp.stack([x[0], x[1]])]),
    "one entry": lambda xp, x: x[1, 2],
    "a layout": lambda xp, x: x + x.flags.c_contiguous + x.T.flags.f_contiguous,
    "constants": lambda xp, x: x[:, xp.newaxis] * xp.pi + xp.arange(4, dtype=xp.float32),
}

CLAIMS = {      # sentence: what is to be true of CuPy. Where the stand-in raises Undefined, nothing may build on it.
    "an index out of bounds wraps": lambda xp: float(xp.asarray([1.0, 2.0, 3.0])[xp.asarray([4])][0]) == 2,
    "take wraps, too": lambda xp: float(xp.asarray([1.0, 2.0, 3.0]).take(xp.asarray([4]))[0]) == 2,
    "a host array does not meet a device array": lambda xp: refuses(lambda: xp.ones(2) + np.ones(2)),
    "a device array becomes no host array by itself": lambda xp: refuses(lambda: np.asarray(xp.ones(2))),
    "numpy's ufunc refuses the two together": lambda xp: refuses(lambda: np.maximum(xp.ones(2), np.ones(2))),
    "moving there copies": lambda xp: moves_by_copy(xp),
    "asarray of a device array is itself": lambda xp: (lambda x: xp.asarray(x) is x)(xp.ones(2)),
    "one entry is a view without axes": lambda xp: writes_through(xp, lambda x: x[1, 2]),
    "a reshape of contiguous numbers is a view": lambda xp: writes_through(xp, lambda x: x.reshape(-1)),
    "a transpose is a view": lambda xp: writes_through(xp, lambda x: x.T),
    "a view by strides is a view": lambda xp: writes_through(
        xp, lambda x: xp.lib.stride_tricks.as_strided(x, (2,), (x.strides[1],))),
    "a reshape of a transpose is a copy": lambda xp: not writes_through(xp, lambda x: x.T.reshape(-1)),
    "a sum is an array without axes": lambda xp: xp.ones(3).sum().shape == () and type(xp.ones(3).sum()) is xp.ndarray,
    "half precision is added up in single": lambda xp: float(
        xp.asarray(np.array([[6e4, 1], [6e4, 1], [-6e4, 1]], "float16")).sum(axis=0)[0]) == 6e4,
    "nothing warns, errstate changes nothing": lambda xp: silent(xp),
    "the first of the largest wins": lambda xp: int(xp.asarray([1.0, 3.0, 3.0]).argmax()) == 1,
    "NaN is the largest": lambda xp: bool(xp.isnan(xp.asarray([1.0, np.nan]).max())),
    "maximum passes NaN on": lambda xp: bool(xp.isnan(xp.maximum(xp.asarray([np.nan]), 0)[0])),
    "-0.0 is not below 0": lambda xp: not bool(xp.asarray([-0.0])[0] < 0),
    "clip by infinity keeps float32": lambda xp: xp.ones(2, dtype="float32").clip(0, np.inf).dtype == np.float32,
    "a Python number keeps float32": lambda xp: (2.5 * xp.ones(2, dtype="float32")).dtype == np.float32,
    "a NumPy number of float32 keeps float32": lambda xp: (
        np.float32(2) * xp.ones(2, dtype="float32")).dtype == np.float32,
    "a bool beside float32 keeps float32": lambda xp: (
        (xp.ones(2) > 0) * np.dtype("float32").type(2)).dtype == np.float32,
    "the largest of no rows is no number": lambda xp: xp.zeros((0, 3)).max(axis=1).shape == (0,),
    "the largest of nothing is refused": lambda xp: refuses(lambda: xp.zeros((0, 3)).max(), ValueError),
    "a product without rows has none": lambda xp: (xp.zeros((0, 3)) @ xp.zeros((3, 2))).shape == (0, 2),
    "a product over nothing is 0": lambda xp: float(abs(xp.zeros((2, 0)) @ xp.zeros((0, 2))).max()) == 0,
    "matmul writes into out": lambda xp: matmul_into(xp),
    "matmul writes into a part of an array": lambda xp: matmul_into(xp, part=True),
    "einsum sums what it is told": lambda xp: float(xp.einsum("ij,ij->", xp.ones((2, 3)), xp.ones((2, 3)))) == 6,
    "a mask chooses in order": lambda xp: list((lambda x: x[x > 1])(xp.asarray([3.0, 1.0, 2.0])).get()) == [3, 2],
    "multiplies in full float32": lambda xp: full_precision(xp),
}


def refuses(call, kind=TypeError):
    try:
        call()
    except kind:
        return True
    return False


def moves_by_copy(xp):
    host = np.ones(2)
    there = xp.asarray(host)
    there[...] = 0
    there.get()[...] = 5
    return host.sum() == 2 and float(there.sum()) == 0


def writes_through(xp, part):
    """Whether what is written into part(x) is seen in x."""
    x = xp.zeros((3, 4))
    part(x)[...] = 7
    return bool((x == 7).any())


def silent(xp):
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        return bool(xp.isinf(xp.ones(2) / 0).all()) and bool(xp.isnan(xp.log(-xp.ones(2))).all())


def matmul_into(xp, part=False):
    room = xp.zeros((2, 3, 3))
    out = room[:, :2, 1:] if part else xp.zeros((2, 2, 2))
    came = xp.matmul(xp.ones((2, 2, 5)), xp.ones((5, 2)), out=out)
    return float(out.sum()) == 40 and came.shape == (2, 2, 2) and (not part or float(room.sum()) == 40)


def full_precision(xp):
    """Whether products are exact to float32's last digits: with TF32 they have three decimal places."""
    a = np.random.default_rng(0).random((256, 256), dtype="float32")
    exact = a.astype("float64") @ a.astype("float64")
    return float(abs((xp.asarray(a) @ xp.asarray(a)).get() / exact - 1).max()) < 1e-5
