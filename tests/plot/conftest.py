"""What the tests of figures share."""
import sys

import pytest


@pytest.fixture(autouse=True)
def no_figures_left_behind():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
