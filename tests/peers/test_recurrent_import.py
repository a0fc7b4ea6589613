"""nn.RNN, nn.GRU and nn.LSTM as interop reads them: outputs and gradients of the input are torch's."""
import numpy as np
import pytest

from minixnn import passes
from minixnn.interop import from_torch
from minixnn.interop.builder import Builder
from minixnn.interop.table import TORCH
from minixnn.layers import Dense
from tests.peers.libraries import REASONS, torch

if torch is None:
    pytest.skip(REASONS["torch"], allow_module_level=True)


class Reads(torch.nn.Module):
    """A recurrent module with a head. take: what of its results the head sees. steps_first: as torch has it usually."""

    def __init__(self, kind, take="output", steps_first=False, given=False, **settings):
        super().__init__()
        torch.manual_seed(0)
        self.cell = getattr(torch.nn, kind)(3, 4, batch_first=not steps_first, **settings)
        ways = 2 if settings.get("bidirectional") else 1
        self.head = torch.nn.Linear(4 if take in ("h", "c") else 4 * ways, 2)
        self.take, self.steps_first = take, steps_first
        self.h = torch.nn.Parameter(torch.randn(ways * settings.get("num_layers", 1), 1, 4)) if given else None

    def forward(self, x):
        x = x.transpose(0, 1) if self.steps_first else x
        start = None
        if self.h is not None:
            start = self.h.expand(-1, x.shape[1 if self.steps_first else 0], -1).contiguous()
            start = (start, 0 * start) if isinstance(self.cell, torch.nn.LSTM) else start
        y, last = self.cell(x, start)
        if self.take == "c":
            return self.head(last[1][-1])
        if self.take == "h":
            return self.head((last[0] if isinstance(last, tuple) else last)[-1])
        y = y.transpose(0, 1) if self.steps_first else y
        return self.head(y[:, -1] if self.take == "output" else y.mean(dim=1))


def same(module, shape=(5, 3), dtype="float64"):
    module = module.to(getattr(torch, dtype)).eval()
    net = from_torch(module, input_shape=shape)
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype(dtype)
    tensor = torch.tensor(x, requires_grad=True)
    y = module(tensor)
    y[:, 1].sum().backward()
    bound = 1e-9 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(net.forward(x), y.detach().numpy(), rtol=bound, atol=bound)
    np.testing.assert_allclose(passes.gradient(net, x, 1)[0], tensor.grad.numpy(), rtol=bound, atol=bound)
    return net


@pytest.mark.parametrize("settings", [
    {}, {"bias": False}, {"bidirectional": True}, {"num_layers": 2}, {"num_layers": 3, "bidirectional": True},
    {"take": "h"}, {"take": "mean", "steps_first": True}, {"given": True},
    {"given": True, "num_layers": 2, "take": "h"},
    {"bidirectional": True, "take": "h", "steps_first": True}], ids=str)
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_recurrent_module_computes_and_differentiates_as_torch_does(kind, settings):
    same(Reads(kind, **settings))


def test_relu_cells_and_the_cell_state_and_single_precision():
    same(Reads("RNN", nonlinearity="relu", num_layers=2))
    same(Reads("LSTM", take="c", num_layers=2))
    net = same(Reads("GRU"), dtype="float32")
    assert len({id(layer) for layer in net.layers if isinstance(layer, Dense)}) == 4 + 1
    assert [name for name in net.names if "step4" in name][0].startswith("cell.step4")


def test_one_step_is_read_and_so_are_tokens():
    same(Reads("GRU"), shape=(1, 3))
    module = torch.nn.Sequential(torch.nn.Embedding(7, 3), Reads("LSTM", bidirectional=True)).double()
    net = from_torch(module, example=torch.zeros(2, 6, dtype=torch.int64))
    x = np.random.default_rng(0).integers(0, 7, (3, 6))
    np.testing.assert_allclose(net.forward(x), module(torch.tensor(x)).detach().numpy(), rtol=1e-9)


class WithStates(torch.nn.Module):
    """Both the sequence and the states are inputs."""

    def __init__(self):
        super().__init__()
        self.cell = torch.nn.LSTM(3, 4, batch_first=True)

    def forward(self, x, h, c):
        return self.cell(x, (h.transpose(0, 1).contiguous(), c.transpose(0, 1).contiguous()))[0][:, -1]


def test_states_that_are_inputs():
    torch.manual_seed(1)
    module, rng = WithStates().double().eval(), np.random.default_rng(0)
    x = (rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 1, 4)), rng.normal(size=(2, 1, 4)))
    tensors = [torch.tensor(part, requires_grad=True) for part in x]
    net = from_torch(module, example=tuple(tensor.detach() for tensor in tensors))
    y = module(*tensors)
    y[:, 0].sum().backward()
    np.testing.assert_allclose(net.forward(x), y.detach().numpy(), rtol=1e-9)
    for found, tensor in zip(passes.gradient(net, x, 0)[0], tensors):
        np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=1e-9, atol=1e-12)


class Whole(torch.nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.cell = torch.nn.LSTM(3, 4, **settings)

    def forward(self, x):
        return self.cell(x)[0]


@pytest.mark.parametrize("module, said", [
    (lambda: Whole(), r"lstm: reads \(5, N, 3\) numbers as \(sequences, steps, channels\), expected the images along"),
    (lambda: Whole(batch_first=True, proj_size=2), r"projects its state \(proj_size\)")])
def test_what_cannot_be_read_is_refused_in_a_sentence(module, said):
    with pytest.raises(ValueError, match=said):
        from_torch(module(), input_shape=(5, 3))


def test_packed_sequences_are_refused():
    """What torch.ops.aten.gru.data is given: numbers, sizes of batches, states, arrays, ..."""
    with pytest.raises(ValueError, match="packed sequences of several lengths, expected a tensor, all of one length"):
        TORCH["gru"](Builder(), None, None, None, [], True, 1, 0.0, False, False)
