"""Do we say what the others say? One test a method and library, over random networks and the shipped one.

A failing test names the method, the library, the network, and the layer where the two part.
"""
import pytest

from tests.peers.agreement import check
from tests.peers.comparisons import DIFFERENT, SAME


def over_all_networks(comparison, needs):
    """The largest absolute difference between ours and theirs; AssertionError where there should be none."""
    if comparison.library != "deeplift":                    # whose answers are recorded
        needs(comparison.library)
    found = [check(comparison, case)[0] for case in comparison.cases()]
    assert found, "no network was compared"
    return max(found)


@pytest.mark.parametrize("comparison", SAME, ids=str)
def test_one_method_gives_one_explanation_in_every_library(comparison, needs):
    over_all_networks(comparison, needs)


@pytest.mark.parametrize("comparison", DIFFERENT, ids=str)
def test_where_a_library_means_something_else_it_differs_by_just_that(comparison, needs):
    largest = over_all_networks(comparison, needs)
    print(f"{comparison}: {comparison.note}; largest difference {largest:.3g}")
    assert largest > 100 * comparison.bound, (
        f"{comparison}: noted as different ({comparison.note}), but the largest difference is {largest:.3g}")
