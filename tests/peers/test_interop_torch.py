"""Networks from torch compute the same. What needs no torch is tested in `tests/test_interop.py`."""
import numpy as np
import pytest

import minixnn
from minixnn import layers
from minixnn.interop import from_torch
from tests.peers import networks
from tests.peers.libraries import torch


@pytest.fixture(autouse=True)
def torch_is_there(needs):
    needs("torch")


@pytest.mark.parametrize("dtype", networks.BOUNDS)
@pytest.mark.parametrize("kind", networks.KINDS)
def test_outputs_are_those_of_torch(kind, dtype):
    for seed in networks.SEEDS[dtype]:
        largest = networks.difference(networks.case(kind, seed), dtype)
        assert largest <= networks.BOUNDS[dtype], f"{kind} {seed}: outputs differ by {largest:.3g}"


@pytest.mark.parametrize("name", ["dense", "cnn"])
def test_the_torch_twin_of_a_shipped_network_is_read_as_that_network(name):
    case = networks.shipped(name)
    assert abs(networks.to_array(case.module(case.tensor)) - case.net.forward(case.x)).max() < 1e-10
    read = from_torch(case.module, case.tensor.shape[1:])
    assert abs(read.forward(case.x) - case.net.forward(case.x)).max() < 1e-10


def test_a_module_that_runs_twice_is_read_twice():
    """named_children() lists a shared module once; a reader that trusts it would lose an activation."""
    relu = torch.nn.ReLU()
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), relu, torch.nn.Linear(4, 4), relu).double()
    x = np.random.default_rng(0).normal(size=(5, 3))
    net = from_torch(module)
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "ReLU", "Dense", "ReLU"]
    assert abs(net.forward(x) - module(torch.from_numpy(x)).detach().numpy()).max() < 1e-12


def test_weights_are_copies():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4))
    net = from_torch(module)
    with torch.no_grad():
        module[0].weight.zero_()
    assert abs(net.layers[0].W).max() > 0


def test_a_module_in_training_mode_is_read_as_in_evaluation():
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Dropout(0.5)).double()
    module(torch.randn(8, 1, 6, 6, dtype=torch.float64))    # running statistics that are not 0 and 1
    net, x = from_torch(module.train(), input_shape=(1, 6, 6)), np.random.default_rng(0).normal(size=(2, 6, 6, 1))
    theirs = networks.to_array(module.eval()(networks.to_tensor(x)))
    assert abs(net.forward(x) - theirs).max() < 1e-12


def test_bfloat16_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"^1: weights in bfloat16 are not supported; call module.float"):
        from_torch(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(3, 4)).to(torch.bfloat16))


def test_what_cannot_be_represented_is_refused_by_its_torch_name():
    norm = torch.nn.Sequential(torch.nn.BatchNorm2d(3, track_running_stats=False))
    with pytest.raises(ValueError, match="normalises by the statistics of the batch, expected running ones"):
        from_torch(norm, input_shape=(3, 8, 8))
    with pytest.raises(ValueError, match="torch.topk|topk: chooses or counts by the values of its input"):
        from_torch(Best(), input_shape=(6,))


class Best(torch.nn.Module if torch else object):
    def forward(self, x):
        return x.topk(2).values


def test_a_subclass_is_read_by_the_forward_that_it_has():
    class Wide(torch.nn.Linear):
        pass

    class Odd(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) ** 2

    assert isinstance(from_torch(torch.nn.Sequential(Wide(2, 3))).layers[0], layers.Dense)
    module, x = torch.nn.Sequential(Odd(2, 3)).double(), np.random.default_rng(0).normal(size=(4, 2))
    net = from_torch(module)
    assert abs(net.forward(x) - module(torch.from_numpy(x)).detach().numpy()).max() < 1e-12


@pytest.mark.parametrize("squeezed", [lambda y: y.squeeze(1), lambda y: y.view(-1), lambda y: y[:, 0]],
                         ids=["squeeze", "view", "index"])
def test_one_output_an_image_without_an_axis_is_a_column_here(squeezed):
    class Scorer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.score = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))

        def forward(self, x):
            return squeezed(self.score(x))

    module, x = Scorer().double(), np.random.default_rng(0).normal(size=(5, 4))
    y = from_torch(module, input_shape=(4,)).forward(x)
    assert y.shape == (5, 1) and abs(y[:, 0] - module(torch.from_numpy(x)).detach().numpy()).max() < 1e-12


def test_minixnn_itself_does_not_import_torch():
    import subprocess
    import sys
    code = "import sys, minixnn.interop; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert minixnn.interop is not None
