"""Is work cut into batches without waste?"""
import os
import subprocess
import sys

import pytest

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
