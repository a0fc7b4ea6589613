"""Is there a device for the tests that want one? Where it is missing, this one skip stands for all of them."""
import os

import pytest
from tests.backends.record_cupy import installed_cupy


def test_a_gpu_is_there_for_the_tests_on_cupy():
    cupy, missing = installed_cupy()
    if missing and os.environ.get("MINIXNN_REQUIRE_GPU") != "1":
        pytest.skip(f"{missing}; tests on CuPy run on NumPy and on its stand-in only")
    assert cupy is not None, missing
    assert float(cupy.arange(4.0).sum()) == 6
