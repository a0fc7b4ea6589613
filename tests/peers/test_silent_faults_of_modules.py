"""Modules that were once read without a word and gave wrong numbers, or took the machine's memory."""
import resource

import numpy as np
import pytest

from minixnn.interop import from_torch
from tests.peers import libraries

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))


def called(name, f):
    """A module of a class that is only called so."""
    return type(name, (torch.nn.Module,), {"forward": lambda self, x: f(x)})()


@pytest.mark.parametrize("name", ["ReLU", "GELU", "Identity", "Dropout", "Softmax", "BatchNorm2d", "LayerNorm"])
def test_a_class_is_read_by_what_it_computes_and_not_by_its_name(name):
    module = torch.nn.Sequential(torch.nn.Linear(6, 5), called(name, lambda x: x ** 2 - 3 * x), torch.nn.Linear(5, 2))
    x = torch.tensor(np.random.default_rng(0).normal(size=(4, 6)).astype("float32"))
    net = from_torch(module.eval(), (6,))
    np.testing.assert_allclose(net.forward(x.numpy()), module(x).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("pool", ["AvgPool2d", "MaxPool2d"])
def test_a_window_larger_than_the_image_is_refused_before_it_takes_memory(pool):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="smaller than its window|does not take inputs|Output size is too small"):
        from_torch(torch.nn.Sequential(getattr(torch.nn, pool)(40000), torch.nn.Flatten()), (3, 8, 8))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 ** 20       # KiB: a GiB
