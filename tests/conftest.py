"""What the tests share: the array module they run on, and how Hypothesis draws its examples."""
import os
import pathlib
import sys

if "PYTEST_XDIST_WORKER" in os.environ:             # several test processes: each gets one core, so one BLAS thread
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy
import pytest
from hypothesis import settings

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from tests.backends import standin as standin_cupy  # noqa: E402
from tests.backends.record_cupy import devices, installed_cupy  # noqa: E402

settings.register_profile("ci", derandomize=True, deadline=None)        # the same examples every time
settings.register_profile("dev", deadline=None)                         # new ones every time, to search further
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


CUPY, MISSING = installed_cupy()


@pytest.fixture(scope="session", params=["numpy", *devices()])
def xp(request):
    """The array module to compute with: NumPy, the stand-in for CuPy, CuPy itself where there is a device.

    Without a device one test is skipped for all (test_gpu.py); MINIXNN_REQUIRE_GPU=1 turns the skip into a failure.
    """
    if request.param == "cupy" and MISSING:
        pytest.fail(MISSING)
    return {"numpy": numpy, "standin": standin_cupy, "cupy": CUPY}[request.param]


@pytest.fixture
def path(tmp_path):
    """Where a test may write a network."""
    return tmp_path / "net.onnx"
