"""Is work cut into batches without waste, and shared among threads only where that is asked for?"""
import functools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from tests.small_networks import conv_layer, dense_layer

from minixnn import Network, attribution, batching, tuning
from tests.backends import standin as standin_cupy
from minixnn.layers import GlobalAvgPool, MaxPool2d, ReLU

FREES = """
import resource
import numpy as np
import minixnn
from minixnn.batching import map_batches

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for array in [np.empty(2 ** 24, np.uint8) for _ in range(8)]:          # 128 MiB, given back at the end
        array[::4096] = 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
untouched = faults()
map_batches(abs, np.ones((1, 1)))                                          # the first batch tunes
from minixnn.tuning import tune
faults()
print(int(tune()), untouched, faults())
"""


def pages(**environment):
    """(tuned or not, pages cleared for 128 MiB before the first batch, and after it) of a process of its own."""
    found = subprocess.run([sys.executable, "-c", FREES], capture_output=True, text=True, check=True,
                           env={**os.environ, **environment})
    return tuple(map(int, found.stdout.split()))


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux is asked to keep freed memory")
def test_freed_memory_is_kept_from_the_first_batch_on_and_not_before():
    tuned, before, after = pages()
    if not tuned:
        pytest.skip("this C library has no mallopt")
    assert after < before / 10, f"{before} pages cleared at import, {after} after the first batch"


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux reads these variables")
@pytest.mark.parametrize("name, value", [("MALLOC_TRIM_THRESHOLD_", "131072"), ("MINIXNN_TUNE", "0")])
def test_the_users_own_settings_are_left_alone(name, value):
    assert pages(**{name: value})[0] == 0


# --- several micro-batches at a time ---------------------------------------------------------------------------------

METHODS = {**attribution.METHODS,
           "integrated_gradients": functools.partial(attribution.integrated_gradients, steps=7),
           "smoothgrad": functools.partial(attribution.smoothgrad, samples=7, kind="variance"),
           "occlusion": functools.partial(attribution.occlusion, size=2)}


def threads_of(workers, calls=4):
    """The threads in which so many calls are made."""
    return set(batching.parallel_map(lambda k: threading.get_ident(), range(calls), workers=workers))


def test_two_workers_work_at_the_same_time():
    both = threading.Barrier(2, timeout=10)                 # a call that waits here alone gets an error
    assert list(batching.parallel_map(lambda k: both.wait() < 2, [0, 1], workers=2)) == [True, True]


def test_one_worker_is_the_thread_of_the_caller():
    assert threads_of(1) == {threading.get_ident()} == threads_of(4, calls=1)
    assert threading.get_ident() not in threads_of(2)


def test_results_come_in_order():
    second_is_done = threading.Event()

    def of(k, name):
        if k == 0:
            assert second_is_done.wait(10)
        elif k == 1:
            second_is_done.set()
        return k, name
    assert list(batching.parallel_map(of, [0, 1, 2, 3], iter("abcd"), workers=2)) == list(enumerate("abcd"))


@pytest.fixture
def two_blas_threads():
    """BLAS really has two threads, and must have them again in the end."""
    if tuning.blas_threads() < 1 or tuning.openblas() is None:
        pytest.skip("NumPy multiplies by another library than OpenBLAS here, or threadpoolctl is not installed")
    with tuning.openblas().limit(limits=2):
        if tuning.blas_threads() != 2:
            pytest.skip("this OpenBLAS was built for one thread")
        yield
        assert tuning.blas_threads() == 2


def test_blas_has_one_thread_for_each_worker_and_all_of_them_afterwards(two_blas_threads):
    assert list(batching.parallel_map(lambda k: tuning.blas_threads(), range(4), workers=2)) == [1] * 4


def test_an_error_arrives_as_it_was_raised(two_blas_threads):
    def of(k):
        raise KeyError(k)
    for _ in range(2):
        with pytest.raises(KeyError, match="0"):
            list(batching.parallel_map(of, [0, 1, 2], workers=2))


def test_a_caller_who_stops_early_leaves_blas_as_it_was(two_blas_threads):
    found = batching.parallel_map(abs, [-1, -2, -3], workers=2)
    assert next(found) == 1
    found.close()


def test_work_is_prepared_no_further_ahead_than_there_are_threads():
    prepared = []

    def values():
        for k in range(20):
            prepared.append(k)
            yield k
    found = batching.parallel_map(lambda turn, k: k, range(20), values(), workers=2)
    for k in range(20):
        assert next(found) == k and len(prepared) <= k + 3
    assert list(found) == []


def test_settings_for_the_thread_hold_for_all_workers():
    with np.errstate(divide="raise"):
        assert list(batching.parallel_map(lambda k: np.geterr()["divide"], [0, 1], workers=2)) == ["raise", "raise"]


def test_workers_are_for_the_batches_or_for_the_steps_within_one():
    x = np.zeros((4, 2, 2, 1), dtype="float32")
    assert batching.share_workers(x, 2, 3) == (3, 1) and batching.share_workers(x, 4, 3) == (1, 3)
    assert batching.share_workers(standin_cupy.asarray(x), 2, 3) == (1, 1)


@pytest.mark.parametrize("workers", [0, -2, 1.5, None, "all"])
def test_numbers_of_workers_that_mean_nothing_are_refused(workers):
    with pytest.raises(ValueError, match="got workers=.*, expected a positive whole number of threads, or -1"):
        batching.count_workers(workers)
    assert batching.count_workers(-1) == os.cpu_count() and batching.count_workers(3) == 3


def test_without_threadpoolctl_everything_still_works():
    code = """
import sys
sys.modules["threadpoolctl"] = None             # importing it fails
import numpy as np
from minixnn import attribution, models, tuning
assert tuning.blas_threads() == 1 and not tuning.multiplies_small_unpacked()
print(attribution.lrp(models.load("dense"), np.ones((60, 28, 28, 1), "float32"), workers=2).shape)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "(60, 28, 28, 1)"


@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
@pytest.mark.parametrize("name", METHODS)
def test_heatmaps_are_the_same_by_two_workers(name):
    rng = np.random.default_rng(0)
    net = Network([conv_layer(rng, 2, 3), ReLU(), MaxPool2d(2), conv_layer(rng, 3, 4), ReLU(), GlobalAvgPool(),
                   dense_layer(rng, 4, 3)])
    x = rng.random((7, 8, 8, 2))
    for images, batch_size in ((x, 2), (x[:2], 4)):
        one, other = (METHODS[name](net, images, batch_size=batch_size, workers=workers) for workers in (1, 2))
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
