"""Does the stand-in for CuPy catch code that would fail on a GPU, and let through what would not?"""
import copy
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from tests.backends import record_cupy

from tests.backends import standin as device
from tests.backends.portable import CLAIMS, FINE

RNG = np.random.default_rng(0)
HOST = RNG.normal(size=(3, 4)).astype("float32")
BIAS = np.ones(4, "float32")


@pytest.fixture
def x():
    return device.asarray(HOST)


LEAKS = {
    "a numpy function of a device array": lambda x: np.mean(x),
    "a numpy ufunc of a device array": lambda x: np.maximum(x, 0),
    "numpy where with device arrays": lambda x: np.where(x > 0, x, 0),
    "a numpy array made like a device array": lambda x: np.zeros_like(x),
    "numpy's scatter on a device array": lambda x: np.add.at(x, 0, 1),
    "a reduction by numpy's ufunc": lambda x: np.add.reduce(x),
    "implicit conversion": lambda x: np.asarray(x),
    "implicit conversion inside a list": lambda x: np.array([x[0], x[1]]),
    "a host bias added on the right": lambda x: x + BIAS,
    "a host bias added on the left": lambda x: BIAS + x,
    "a host bias added in place": lambda x: x.__iadd__(BIAS),
    "a host array without axes": lambda x: x * np.array(2.0, "float32"),
    "a host matrix in a product": lambda x: x @ HOST.T,
    "a host array handed to a device function": lambda x: device.maximum(x, HOST),
    "only host arrays handed to a device function": lambda x: device.exp(HOST),
    "a host array in a list": lambda x: device.concatenate([x, HOST]),
    "a host array as out": lambda x: device.maximum(x, 0, out=np.empty_like(HOST)),
    "a host array written into a device array": lambda x: x.__setitem__(0, BIAS),
    "a host mask as index": lambda x: x[HOST > 0],
    "host integers as index": lambda x: x[np.array([0, 1])],
    "a list where CuPy wants an array": lambda x: device.sum([1.0, 2.0]),
    "where= in a ufunc": lambda x: device.divide(1, x, where=x > 0),
    "where= in a reduction": lambda x: x.sum(where=x > 0),
    "initial= in a reduction": lambda x: x.max(initial=0),
    "an argument that einsum lacks in CuPy": lambda x: device.einsum("ij->i", x, order="C"),
    "item with an index": lambda x: x.item(0),
    "a device number as a shape": lambda x: device.zeros(x.argmax()),
    "a device number in a reshape": lambda x: x.reshape(x.argmax(), 4),
    "a device number as a range": lambda x: range(x.argmax()),
    "errstate": lambda x: device.errstate(divide="ignore"),
    "a function that only CuPy 14 has": lambda x: device.put_along_axis(x, x.argmax(1)[:, None], 0, 1),
    "a function that no CuPy has": lambda x: device.spacing(x),
    "a method that CuPy lacks": lambda x: x.setflags(write=False),
    "random numbers of the device": lambda x: device.random.normal(size=3),
    "an array of words": lambda x: device.array(["one", "two"]),
    "numbers longer than a device has": lambda x: x.astype("longdouble"),
    "a flag that CuPy lacks": lambda x: x.flags.writeable,
    "a property that only CuPy 14 has": lambda x: x.mT,
    "NumPy 2's names for arguments": lambda x: device.clip(x, min=0, max=1),
    "a condition on many entries": lambda x: bool(x > 0),
    "two masks in one index": lambda x: x[x[:, 0] > 0, x[0] > 0],
    "a scatter that hits an entry twice": lambda x: x.__setitem__(device.asarray([0, 0]), 1),
    "saving a device array": lambda x: np.save(os.devnull, x),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_caught(leak, x):
    with pytest.raises((TypeError, AttributeError, ValueError, IndexError)):
        LEAKS[leak](x)


@pytest.mark.parametrize("code", FINE)
def test_portable_code_gives_numpys_numbers_and_types(code, x):
    expected, came = FINE[code](np, HOST), FINE[code](device, x)
    assert type(came) is device.ndarray
    assert came.dtype == expected.dtype and came.shape == np.shape(expected)
    np.testing.assert_allclose(came.get(), expected, 1e-6, 1e-6)       # it adds in another order


UNDEFINED = {
    "out= on a reshape that is a copy": lambda x: device.maximum(x.T.reshape(-1), 0, out=x.T.reshape(-1)),
    "out= on a part of such a reshape": lambda x: device.exp(x[0], out=x.T.reshape(-1)[:4]),
    "out= on an array made contiguous": lambda x: device.exp(x.T, out=device.ascontiguousarray(x.T)),
    "a reshape that is a copy, added to": lambda x: x.T.reshape(-1).__iadd__(1),
    "entries written into a flattened copy": lambda x: x.T.ravel().__setitem__(0, 1),
    "strides past the end": lambda x: device.lib.stride_tricks.as_strided(x, (4, 4), x.strides),
    "strides before the beginning": lambda x: device.lib.stride_tricks.as_strided(x, (2, 4), (-x.strides[0], 4)),
    "strides past the end of a part": lambda x: device.lib.stride_tricks.as_strided(x[2:], (4,), (x.strides[0],)),
    "the stride of an axis of length 1": lambda x: device.lib.stride_tricks.as_strided(x[:1], (2, 4), x[:1].strides),
    "the strides of an array of size 0": lambda x: device.lib.stride_tricks.as_strided(x[:0], (1, 4), x[:0].strides),
    "an index out of bounds": lambda x: x[device.asarray([0, 3])],
    "an index out of bounds from below": lambda x: x[device.asarray([-4])],
    "an index out of bounds in a list": lambda x: x[[0, 3]],
    "an index out of bounds that is written": lambda x: x.__setitem__(device.asarray([3]), 1),
    "an index out of bounds in take": lambda x: x.take(device.asarray([4]), axis=1),
    "an index out of bounds in take_along_axis": lambda x: device.take_along_axis(x, x.argmax(1)[:, None] + 4, 1),
    "infinity to a whole number": lambda x: (x / 0).astype("int64"),
    "NaN to a whole number": lambda x: device.asarray(x * np.nan, dtype="int32"),
    "a negative number to an unsigned one": lambda x: (-abs(x) - 1).astype("uint8"),
    "too large a number to a byte": lambda x: (x * 0 + 300).astype("uint8"),
    "NaN into an array of whole numbers": lambda x: device.zeros(4, int).__setitem__(..., x[0] * np.nan),
    "a shift in place": lambda x: x.__setitem__(slice(1, None), x[:-1]),
    "a part added to the next": lambda x: x[1:].__iadd__(x[:-1]),
    "out= on what is read a row further": lambda x: device.add(x[:-1], 1, out=x[1:]),
    "out= of a product on its factor": lambda x: device.matmul(x[:, :3], x[:, :3], out=x[:, :3]),
    "rows shuffled in place": lambda x: np.random.default_rng(0).shuffle(x),
    "rows swapped": lambda x: (x.__setitem__(0, x[1]), x.__setitem__(1, x[0])),
}


@pytest.mark.filterwarnings("ignore:you are shuffling")
@pytest.mark.parametrize("fault", UNDEFINED)
def test_what_a_gpu_does_not_define_is_caught(fault, x):
    with pytest.raises(device.Undefined):
        UNDEFINED[fault](x)


@pytest.mark.parametrize("draw", [
    lambda rng, x: rng.normal(x), lambda rng, x: rng.permutation(x), lambda rng, x: rng.choice(x[0]),
    lambda rng, x: rng.integers(0, x.argmax()), lambda rng, x: rng.permuted(x), lambda rng, x: rng.random(out=x),
    lambda rng, x: rng.choice(4, p=abs(x[0])), lambda rng, x: device.random.default_rng(0)])
def test_a_generator_of_the_host_takes_no_device_array(draw, x):
    with pytest.raises((TypeError, AttributeError, ValueError)):
        draw(np.random.default_rng(0), x)


def test_a_second_thread_may_not_use_the_arrays_of_the_first(x):
    seen = []
    uses = [lambda: x + 1, lambda: 1 + x, lambda: device.exp(x), lambda: x[0], lambda: x.get(), lambda: x.sum(),
            lambda: x.__setitem__(0, 1), lambda: x.__iadd__(1), lambda: x[x > 0], lambda: bool(x[0, 0])]

    def work():
        for use in uses:
            try:
                use()
            except device.Undefined:
                seen.append(use)
        seen.append(device.asarray(HOST) + 1)                           # its own arrays it may use
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(seen) == len(uses) + 1 and seen[:-1] == uses


def test_nothing_warns_and_errstate_changes_nothing(x):
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert np.isinf((x / 0).get()).all() and np.isnan(device.log(-abs(x)).get()).all()
        assert np.isinf(((abs(x) + 1) * np.float32(3e38) * 9).get()).all() and np.isnan((x[:0].mean()).get())
        assert np.isnan(device.var(x[:0]).get()) and np.isinf(device.exp(x + 999).get()).all()


def test_last_digits_are_not_numpys_and_depend_on_the_batch():
    many, W = np.random.default_rng(1).normal(size=(9, 200)), np.random.default_rng(2).normal(size=(200, 30))
    for dtype in ("float32", "float64"):
        host, weights = many.astype(dtype), W.astype(dtype)
        there, W_there = device.asarray(host), device.asarray(weights)
        for came, expected in ((there @ W_there, host @ weights), (device.matmul(there, W_there), host @ weights),
                               (there.sum(axis=0), host.sum(axis=0)), (device.mean(there, 1), host.mean(1))):
            assert (came.get() != expected).any()
            np.testing.assert_allclose(came.get(), expected, *((1e-4, 1e-4) if dtype == "float32" else (1e-9, 1e-9)))
        assert ((there @ W_there)[:2] != there[:2] @ W_there).any(), "what is computed twice is no tie"
    tanh = device.tanh(device.asarray(many.astype("float32"))).get()
    assert (tanh == np.tanh(many.astype("float32").astype("float64")).astype("float32")).all()


def test_half_precision_is_added_up_in_single():
    half = np.array([[300, 300, 1], [300, -300, 1]], "float16")
    there = device.asarray(half)
    assert (there @ there.T).dtype == there.sum(axis=0).dtype == np.float16
    assert (there[:1] @ there[1:].T).get() == device.einsum("ij,kj->ik", there[:1], there[1:]).get() == 1
    large = np.array([[60000, 1], [60000, 1], [-60000, 1]], "float16")
    assert list(device.asarray(large).sum(axis=0).get()) == [60000, 3]
    with np.errstate(all="ignore"):
        assert np.isinf(large.sum(axis=0)[0]), "NumPy adds row after row in half precision"


@pytest.mark.parametrize("sentence", CLAIMS)
def test_the_stand_in_does_what_it_says_of_cupy_or_refuses(sentence):
    try:
        assert CLAIMS[sentence](device)
    except device.Undefined:
        pass


def test_moving_there_copies_and_moving_back_copies(x):
    x[...] = 0
    x.get()[...] = 1
    assert HOST.any() and not x.get().any()
    assert device.asarray(x) is x
    assert type(device.asnumpy(x)) is np.ndarray


def test_a_view_shares_memory_with_its_array(x):
    x[1][...] = 7
    device.lib.stride_tricks.as_strided(x, (2,), (x.strides[1],))[...] = 8
    x[2, 3][...] = 9
    x.reshape(-1)[4:5] += 1
    host = x.get()
    assert list(host[0, :2]) == [8, 8] and list(host[1]) == [8, 7, 7, 7] and host[2, 3] == 9


def test_in_place_arithmetic_keeps_the_array_and_out_is_returned(x):
    same, total = x, x.sum()
    x += 1
    total *= 2
    assert x is same and type(total) is device.ndarray and total.ndim == 0
    assert device.exp(x, out=x) is x and x.clip(0, 1, out=x) is x
    assert copy.deepcopy(x) is not x


@pytest.mark.parametrize("what", [float, int, bool, repr, lambda a: a.item(), lambda a: a.get(), lambda a: a.tolist(),
                                  device.asnumpy, "{:.3f}".format, lambda a: a[a > 0], lambda a: a.nonzero(),
                                  lambda a: device.where(a), lambda a: device.unique(a)])
def test_every_wait_for_the_device_is_noted_once_with_its_place(what):
    number = device.asarray(np.array([2.0], "float32"))
    with device.waiting() as waits:
        what(number)
    assert len(waits) == 1 and "test_standin.py" in waits[0], waits


def test_arithmetic_reductions_and_moving_there_wait_for_nothing(x):
    with device.waiting() as waits:
        y = device.asarray(HOST) + x.mean() * device.where(x > 0, 1, x).sum(axis=0)
        y[y > 0] = 0
    assert waits == []


def test_the_recorded_list_has_an_old_and_a_new_cupy():
    assert [version.split(".")[0] for version in device.RECORD] == ["13", "14"]
    for places in device.RECORD.values():
        assert len(places["cupy"]) > 400 and len(places["cupy.ndarray"]) > 100
        assert "errstate" not in places["cupy"] and "normal" not in places["cupy.random.Generator"]


def test_the_installed_cupy_still_matches_the_recorded_list():
    cupy = pytest.importorskip("cupy", reason="cupy is not installed")
    major = cupy.__version__.partition(".")[0]
    recorded = {version.partition(".")[0]: places for version, places in record_cupy.read().items()}
    assert major in recorded, f"cupy {cupy.__version__} is not recorded: run python {record_cupy.__file__}"
    found = record_cupy.surface()
    different = [f"{place}.{name}: recorded {recorded[major][place].get(name, 'nothing')}, installed "
                 f"{found[place].get(name, 'nothing')}" for place in found
                 for name in sorted(recorded[major][place].keys() | found[place].keys())
                 if recorded[major][place].get(name, "nothing") != found[place].get(name, "nothing")]
    assert not different, "\n".join(different) + f"\nrecord it again: python {record_cupy.__file__}"


A_CUPY_WITHOUT_A_DEVICE = """
class cuda:
    class runtime:
        class CUDARuntimeError(RuntimeError):
            pass

        def getDeviceCount():
            raise cuda.runtime.CUDARuntimeError("cudaErrorNoDevice")
"""


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("cupy, reason", [(A_CUPY_WITHOUT_A_DEVICE, "cupy imports but finds no device"),
                                          ("raise ImportError", "cupy is not installed")])
def test_without_a_device_one_test_says_so_or_all_fail_if_required(cupy, reason, required, tmp_path):
    (tmp_path / "cupy.py").write_text(cupy)
    (tmp_path / "test_it.py").write_text("def test_it(xp):\n    assert xp.__name__ != 'cupy'\n")
    shutil.copy(pathlib.Path(__file__).with_name("test_gpu.py"), tmp_path)
    paths = [str(tmp_path), str(pathlib.Path(__file__).parents[1])]
    run = subprocess.run([sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "-p", "conftest",
                          "-c", os.devnull, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path,
                         env={**os.environ, "MINIXNN_REQUIRE_GPU": str(int(required)), "PYTHONPATH": ":".join(paths),
                              "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    assert run.returncode == int(required), run.stdout
    assert reason in run.stdout and "2 passed" in run.stdout, run.stdout
