"""Odd modules of our own are read rightly, and explained; `families.py` does so with public collections."""
import pytest

from minixnn.checks import check_network
from tests.peers import libraries

torch = libraries.torch
if torch is None:
    pytest.skip(libraries.REASONS["torch"], allow_module_level=True)
from tests.peers import families, zoo                       # noqa: E402  they need torch
from tests.peers.odd import ODD                             # noqa: E402


@pytest.mark.parametrize("name", ODD)
def test_an_odd_module_computes_and_explains_what_torch_does(name):
    found, right = families.compared(ODD[name])
    print(name, found)
    assert found["result"] == "right", found
    net, _, args, _, _ = right
    x = families.ours(net, args)
    assert families.explained(net, x)["lrp"] == "right"
    check_network(net, x)


def test_a_wrong_network_is_seen_to_be_wrong(monkeypatch):
    """Were a layer of it changed, the comparison would say so."""
    from minixnn.layers import SiLU
    forward = SiLU.forward
    monkeypatch.setattr(SiLU, "forward", lambda self, x: forward(self, x) * 1.0000001)
    found, _ = families.compared(ODD["Pyramid"])
    assert found["result"] == "WRONG" and 1e-9 < found["outputs"] < 1e-5


def test_what_ends_a_process_does_not_end_the_run(monkeypatch):
    import os
    monkeypatch.setitem(zoo.COLLECTIONS, "odd", lambda: {"broken": lambda: os._exit(3)})
    found = families.measured("odd", "broken", seconds=60)
    assert found["result"] == "ended" and found["said"] == "its process ended with 3"


def test_len_of_a_batch_makes_a_constant_that_is_seen_through():
    class Rows(torch.nn.Module):
        def __init__(self, wrong):
            super().__init__()
            self.dense, self.wrong = torch.nn.Linear(12, 4), wrong

        def forward(self, x):
            y = self.dense(x.view(len(x), -1))
            return y * len(x) if self.wrong else y
    found, _ = families.compared(lambda: {"module": Rows(False), "args": (torch.randn(2, 3, 2, 2),)})
    assert found["result"] == "right", found
    found, _ = families.compared(lambda: {"module": Rows(True), "args": (torch.randn(2, 3, 2, 2),)})
    assert found["result"] == "refused", found
