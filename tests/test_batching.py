"""Is work cut into batches without waste?"""
import functools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import standin_cupy
from small_networks import conv_layer, dense_layer

from minixnn import Network, arrays, attribution, batching
from minixnn.layers import Flatten, GlobalAvgPool, MaxPool2d, ReLU, Residual
from minixnn.rules import composites, lrp
from minixnn.rules import deep_taylor as dt

FREES = """
import resource
import numpy as np
from minixnn.batching import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for array in [np.empty(2 ** 24, np.uint8) for _ in range(8)]:          # 128 MiB, given back at the end
        array[::4096] = 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first, second = faults(), faults()
print(int(keep_freed_memory()), first, second)
"""


def pages(**environment):
    """(kept or not, pages cleared for the first 128 MiB, pages cleared for the next) of a process of its own."""
    found = subprocess.run([sys.executable, "-c", FREES], capture_output=True, text=True, check=True,
                           env={**os.environ, **environment})
    return tuple(map(int, found.stdout.split()))


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux is asked to keep freed memory")
def test_memory_that_is_freed_is_used_again_and_not_cleared_anew():
    kept, first, second = pages()
    if not kept:
        pytest.skip("this C library has no mallopt")
    assert second < first / 10, f"{first} pages cleared at first, {second} the second time"


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux reads this variable")
def test_whoever_has_set_the_c_library_is_left_alone():
    assert pages(MALLOC_TRIM_THRESHOLD_="131072")[0] == 0


# --- several micro-batches at a time ---------------------------------------------------------------------------------

METHODS = {**attribution.METHODS,
           "integrated_gradients": functools.partial(attribution.integrated_gradients, steps=7),
           "smoothgrad": functools.partial(attribution.smoothgrad, samples=7, kind="variance"),
           "occlusion": functools.partial(attribution.occlusion, size=2)}
DIGITS = np.zeros((4, 28, 28, 1), dtype="float32")


@pytest.fixture
def two_cores(monkeypatch):
    """As on a machine with two cores, and with nobody watching: coverage and debuggers keep all work to one thread."""
    monkeypatch.setattr(batching, "blas_threads", lambda: 2)
    monkeypatch.setattr(batching, "watched", lambda: False)


def in_one_thread(values=(0, 1), x=DIGITS, **options):
    """Whether this thread does all work itself."""
    return set(batching.side_by_side(lambda value: threading.get_ident(), list(values), x=x, **options)) == {
        threading.get_ident()}


def test_two_cores_work_at_the_same_time(two_cores):
    both = threading.Barrier(2, timeout=10)                 # whoever waits here alone gets an error
    assert list(batching.side_by_side(lambda k: both.wait() < 2, [0, 1], x=DIGITS)) == [True, True]


def test_results_come_in_order(two_cores):
    second_is_done = threading.Event()

    def of(k, name):
        if k == 0:
            assert second_is_done.wait(10)
        elif k == 1:
            second_is_done.set()
        return k, name

    assert list(batching.side_by_side(of, [0, 1, 2, 3], iter("abcd"), x=DIGITS)) == list(enumerate("abcd"))


@pytest.fixture
def two_blas_threads(two_cores):
    """BLAS really has two threads, and must have them again in the end."""
    if not arrays.LIBRARIES:
        pytest.skip("NumPy multiplies by another library than OpenBLAS here, or threadpoolctl is not installed")
    with arrays.OPENBLAS.limit(limits=2):
        yield
        assert arrays.blas_threads() == 2


def test_blas_has_one_thread_for_each_meanwhile_and_all_of_them_afterwards(two_blas_threads):
    assert list(batching.side_by_side(lambda k: arrays.blas_threads(), range(4), x=DIGITS)) == [1] * 4


def test_an_error_arrives_as_it_was_raised_and_leaves_the_cores_free(two_blas_threads):
    def of(k):
        raise KeyError(k)

    for _ in range(2):
        with pytest.raises(KeyError, match="0"):
            list(batching.side_by_side(of, [0, 1, 2], x=DIGITS))
    assert not in_one_thread()


def test_whoever_takes_one_result_only_leaves_the_cores_free(two_blas_threads):
    found = batching.side_by_side(abs, [-1, -2, -3], x=DIGITS, using=attribution.lrp)
    assert next(found) == 1
    found.close()
    assert not in_one_thread()


def test_work_is_prepared_no_further_ahead_than_there_are_threads(two_cores):
    prepared = []

    def values():
        for k in range(20):
            prepared.append(k)
            yield k

    found = batching.side_by_side(lambda turn, k: k, range(20), values(), x=DIGITS)
    for k in range(20):
        assert next(found) == k and len(prepared) <= k + 3
    assert list(found) == []


def test_settings_for_the_thread_hold_for_all_work(two_cores):
    def of(k):
        return np.geterr()["divide"]

    with np.errstate(divide="raise"):
        assert list(batching.side_by_side(of, [0, 1], x=DIGITS)) == ["raise", "raise"]


def test_work_within_work_stays_on_its_own(two_cores):
    assert not in_one_thread()
    assert list(batching.side_by_side(lambda k: in_one_thread(), [0, 1], x=DIGITS)) == [True, True]


def test_single_images_one_batch_and_the_device_are_no_work_for_several_threads(two_cores):
    assert in_one_thread(x=np.zeros((4, 224, 224, 3), dtype="float32"))
    assert in_one_thread(batch_size=1)
    assert in_one_thread(values=[0])
    assert in_one_thread(x=standin_cupy.asarray(DIGITS))


def test_many_cores_are_not_left_idle_by_a_few_calls(two_cores, monkeypatch):
    monkeypatch.setattr(batching, "blas_threads", lambda: 16)
    assert in_one_thread(values=range(3)) and not in_one_thread(values=range(4))


def own_rule(layer, x, R):
    return lrp.epsilon(layer, x, R)


class OwnLayer(ReLU):
    pass


@pytest.mark.parametrize("mine", [
    OwnLayer(), Network([ReLU(), OwnLayer()]), Network([Residual([ReLU()], [Flatten(), OwnLayer()])]),
    own_rule, [lrp.epsilon, None, own_rule], (None, [own_rule]), functools.partial(own_rule),
    functools.partial(attribution.lrp, rules=own_rule), functools.partial(attribution.lrp, rules=[own_rule]),
    functools.partial(attribution.smoothgrad, rng=np.random.default_rng(0)), len, lambda *given: 0])
def test_what_others_wrote_is_called_by_one_thread_in_order(two_cores, mine):
    assert not batching.ours(mine) and in_one_thread(using=mine)


@pytest.mark.parametrize("ours", [
    (), None, Network([ReLU(), Residual([ReLU(), Flatten()])]), lrp.epsilon, [lrp.epsilon, None],
    [(lrp.epsilon, [None]), composites.alpha2_beta1],
    functools.partial(dt.z_box, low=np.zeros(3), high=1), *attribution.METHODS.values()])
def test_minixnns_own_rules_and_methods_are_called_by_several(two_cores, ours):
    assert batching.ours(ours) and not in_one_thread(using=ours)


@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
@pytest.mark.parametrize("name", METHODS)
def test_every_method_calls_layers_of_others_in_its_thread(two_cores, name):
    seen = set()

    class Seen(ReLU):
        def forward(self, x):
            seen.add(threading.get_ident())
            return super().forward(x)

    rng = np.random.default_rng(0)
    net = Network([conv_layer(rng, 2, 4), Seen(), GlobalAvgPool(), dense_layer(rng, 4, 3)])
    METHODS[name](net, rng.random((5, 8, 8, 2)), batch_size=2)
    METHODS[name](net, rng.random((1, 8, 8, 2)), batch_size=2)
    net.predict(rng.random((5, 8, 8, 2)), batch_size=2)
    assert seen == {threading.get_ident()}


def test_an_own_rule_and_an_own_method_stay_in_their_thread(two_cores):
    seen = []

    def rule(layer, x, R):
        seen.append((threading.get_ident(), len(x)))
        return lrp.epsilon(layer, x, R)

    def method(net, x, target):
        seen.append((threading.get_ident(), len(x)))
        return x

    rng = np.random.default_rng(0)
    net, x = Network([dense_layer(rng, 3, 2)]), rng.normal(size=(7, 3))
    attribution.lrp(net, x, rules=rule, batch_size=2)
    attribution.smoothgrad(net, x, method=method, samples=3, batch_size=2)
    attribution.smoothgrad(net, x[:1], method=method, samples=3, batch_size=2)
    mine = threading.get_ident()
    assert seen == [(mine, n) for n in [2, 2, 2, 1] + [2] * 9 + [2, 1] + [2, 1]]


@pytest.mark.parametrize("batch_size", [2, 4])
def test_noise_is_drawn_in_order_by_the_thread_that_asks(two_cores, monkeypatch, batch_size):
    drawn = []

    class Stream:
        def standard_normal(self, shape):
            drawn.append(threading.get_ident())
            return np.zeros(shape)

    class Source:
        def spawn(self, n):
            return [Stream() for _ in range(n)]

    rng = np.random.default_rng(0)
    net, x = Network([dense_layer(rng, 3, 2)]), rng.normal(size=(2, 3))
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Source())
    attribution.smoothgrad(net, x, samples=6, batch_size=batch_size)
    assert set(drawn) == {threading.get_ident()}


def test_one_thread_of_blas_means_one_thread(two_cores, monkeypatch):
    monkeypatch.setattr(batching, "blas_threads", lambda: 1)
    assert in_one_thread()


def test_without_threadpoolctl_all_is_done_by_one_thread():
    code = """
import sys
sys.modules["threadpoolctl"] = None             # importing it fails
import numpy as np
from minixnn import arrays, attribution, batching, models
assert arrays.blas_threads() == 1 and not arrays.SMALL_AT_ONCE
with arrays.one_blas_thread():
    print(attribution.lrp(models.load("dense"), np.ones((60, 28, 28, 1), "float32")).shape)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "(60, 28, 28, 1)"


@pytest.mark.parametrize("watch", [sys.settrace, sys.setprofile])
def test_a_debugger_or_profiler_sees_all_work_in_its_thread(monkeypatch, watch):
    monkeypatch.setattr(batching, "blas_threads", lambda: 2)
    before = sys.gettrace(), sys.getprofile()
    try:
        watch(lambda frame, event, argument: None)
        assert in_one_thread()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")
def test_a_debugger_that_uses_monitoring_is_seen(monkeypatch):
    monkeypatch.setattr(batching, "blas_threads", lambda: 2)
    if sys.monitoring.get_tool(sys.monitoring.DEBUGGER_ID):
        pytest.skip("a debugger is at work already")
    sys.monitoring.use_tool_id(sys.monitoring.DEBUGGER_ID, "a debugger")
    try:
        assert batching.watched() and in_one_thread()
    finally:
        sys.monitoring.free_tool_id(sys.monitoring.DEBUGGER_ID)


@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
@pytest.mark.parametrize("name", METHODS)
def test_heatmaps_are_the_same_on_two_cores(two_cores, monkeypatch, name):
    rng = np.random.default_rng(0)
    net = Network([conv_layer(rng, 2, 3), ReLU(), MaxPool2d(2), conv_layer(rng, 3, 4), ReLU(), GlobalAvgPool(),
                   dense_layer(rng, 4, 3)])
    x = rng.random((7, 8, 8, 2))
    parallel = METHODS[name](net, x, batch_size=2), METHODS[name](net, x[:2], batch_size=4)
    monkeypatch.setattr(batching, "blas_threads", lambda: 1)
    alone = METHODS[name](net, x, batch_size=2), METHODS[name](net, x[:2], batch_size=4)
    for one, other in zip(parallel, alone):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
