"""What the tests share: the array module they run on, and how Hypothesis draws its examples."""
import os
import pathlib
import sys

import numpy
import pytest
from hypothesis import settings

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "backends")]
import standin_cupy  # noqa: E402
from record_cupy import installed_cupy  # noqa: E402

settings.register_profile("ci", derandomize=True, deadline=None)        # the same examples every time
settings.register_profile("dev", deadline=None)                         # new ones every time, to search further
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session", params=["numpy", "standin", "cupy"])
def xp(request):
    """The array module to compute with: NumPy, the stand-in for CuPy, CuPy itself where there is a device.

    Without a device the CuPy tests are skipped; MINIXNN_REQUIRE_GPU=1 turns the skip into a failure.
    """
    if request.param == "numpy":
        return numpy
    if request.param == "standin":
        return standin_cupy
    cupy, missing = installed_cupy()
    if missing:
        (pytest.fail if os.environ.get("MINIXNN_REQUIRE_GPU") == "1" else pytest.skip)(missing)
    return cupy
