"""Masks of every form: where a token sees nothing torch's attention gives 0, and so do we."""
import warnings

import numpy as np
import pytest

from minixnn import passes
from minixnn.checks import check_network
from minixnn.interop import from_onnx, from_torch
from minixnn.rules import composites
from tests.peers import libraries

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))
SEEN = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]           # of three sequences; the second sees nothing


class Looks(torch.nn.Module if torch else object):
    """Attention of sequences x (N, 4, 6) with the mask that `mask(self, x, given)` makes."""

    def __init__(self, mask):
        super().__init__()
        torch.manual_seed(0)
        self.mask, self.q = mask, torch.nn.Linear(6, 6)
        self.register_buffer("own", torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]]).bool())
        self.double().eval()

    def forward(self, x, *given):
        q, k = self.q(x)[:, None], x[:, None]
        return torch.nn.functional.scaled_dot_product_attention(q, k, k, self.mask(self, x, *given))[:, 0]


MASKS = {
    "a constant": lambda self, x: self.own,
    "infinities, a constant": lambda self, x: torch.where(self.own, 0.0, -torch.inf),
    "the least number, a constant": lambda self, x: (~self.own).to(x) * torch.finfo(x.dtype).min,
    "truth values": lambda self, x, seen: seen[:, None, None],
    "truth values, each for each": lambda self, x, seen: (seen[:, None] & seen[:, :, None])[:, None],
    "turned round": lambda self, x, seen: seen[:, None, :, None].transpose(2, 3),
    "infinities": lambda self, x, seen: torch.where(seen, 0.0, -torch.inf).to(x)[:, None, None],
    "filled with infinities": lambda self, x, seen: x.new_zeros(x.shape[0], 1, 1, 4).masked_fill(
        ~seen[:, None, None], -torch.inf),
    "the least number": lambda self, x, seen: ((~seen).to(x) * torch.finfo(x.dtype).min)[:, None, None],
    "whole numbers": lambda self, x, seen: seen[:, None, None].bool(),
}
# torch's own gradient is four times too large where all scores are the least number, beside which log 4 is lost
ONLY_OUTPUTS = ("the least number, a constant", "the least number")


def given(name):
    x = np.random.default_rng(0).normal(size=(3, 4, 6))
    if "constant" in name:
        return (x,)
    return x, np.array(SEEN, np.int64 if name == "whole numbers" else bool)


def agrees(net, module, arrays, bound=1e-12, gradients=True):
    x = torch.tensor(arrays[0], requires_grad=True)
    theirs = module(x, *map(torch.tensor, arrays[1:]))
    inputs = arrays if len(arrays) > 1 else arrays[0]
    dy = np.random.default_rng(1).normal(size=theirs.shape)
    expected, = torch.autograd.grad(theirs, x, torch.tensor(dy))
    np.testing.assert_allclose(net.forward(inputs), theirs.detach().numpy(), rtol=0, atol=bound)
    if not gradients:
        return
    dx = passes.gradient(net, inputs, start=dy)[0]
    np.testing.assert_allclose(dx[0] if len(arrays) > 1 else dx, expected.numpy(), rtol=0, atol=bound)


@pytest.mark.parametrize("name", MASKS)
def test_a_token_that_sees_nothing_gets_what_torch_gives_it(name):
    module, arrays = Looks(MASKS[name]), given(name)
    net = from_torch(module, example=tuple(map(torch.tensor, arrays)))
    agrees(net, module, arrays, gradients=name not in ONLY_OUTPUTS)


@pytest.mark.parametrize("name", ["truth values", "infinities", "a constant"])
def test_relevance_of_a_token_that_sees_nothing_is_finite(name):
    arrays = given(name)
    net = from_torch(Looks(MASKS[name]), example=tuple(map(torch.tensor, arrays)))
    inputs = arrays if len(arrays) > 1 else arrays[0]
    start = np.random.default_rng(1).normal(size=net.forward(inputs).shape)
    nothing = tuple(a * 0 for a in arrays) if len(arrays) > 1 else arrays[0] * 0
    found = [passes.lrp(net, inputs, start=start, rules=composites.attn_lrp)[0],
             passes.deeplift(net, inputs, nothing, start=start)[0]]
    for R in found:
        R = R[0] if len(arrays) > 1 else R
        assert np.isfinite(R).all() and abs(R).max() > 1e-3
        if len(arrays) > 1:
            assert abs(R[1]).max() < 1e-12                  # the sequence of which nothing is seen


@pytest.mark.parametrize("name", ["truth values", "a constant"])
def test_a_file_of_the_older_exporter_asks_where_softmax_is_no_number(name, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    module, arrays = Looks(MASKS[name]), given(name)
    tensors, names = tuple(map(torch.tensor, arrays)), ["x", "seen"][:len(arrays)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, tensors, tmp_path / "net.onnx", dynamo=False, input_names=names,
                          dynamic_axes={each: {0: "n"} for each in names})
    agrees(from_onnx(tmp_path / "net.onnx"), module, arrays, 1e-6)


@pytest.mark.parametrize("name", ["truth values", "turned round", "a constant"])
def test_what_hides_tokens_is_no_fault_to_the_checks(name):
    module, arrays = Looks(MASKS[name]), given(name)
    seen = np.array(SEEN[:1] * 3, bool)
    arrays = (arrays[0], seen) if len(arrays) > 1 else arrays
    net = from_torch(module, example=tuple(map(torch.tensor, arrays)))
    check_network(net, arrays if len(arrays) > 1 else arrays[0])


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_hides_the_same_after_a_change_of_precision(name):
    arrays = given(name)
    arrays = (arrays[0].astype(np.float32), *arrays[1:])
    net = from_torch(Looks(MASKS[name]).float(), example=tuple(map(torch.tensor, arrays)))
    inputs = arrays if len(arrays) > 1 else arrays[0]
    np.testing.assert_allclose(net.astype(np.float64).forward(inputs), net.forward(inputs), atol=1e-5)
