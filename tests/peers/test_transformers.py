"""Transformers of torch become networks of ours, with the outputs and the gradients that torch has."""
import numpy as np
import pytest

from minixnn import passes
from minixnn.interop import from_torch
from tests.peers import libraries

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))
C, HEADS, T = 12, 3, 5


def scrambled(module):
    """Random weights everywhere, biases and normalisation included; evaluation, float64."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.4
    return module.double().eval()


def agree(net, theirs, x):
    tensor = torch.tensor(x, requires_grad=True)
    y_theirs = theirs(tensor)
    y = net.forward(x)
    dy = np.random.default_rng(0).normal(size=y.shape)
    assert_close(y, y_theirs.detach().numpy(), "output")
    expected, = torch.autograd.grad(y_theirs, tensor, torch.tensor(dy))
    assert_close(passes.gradient(net, x, start=dy)[0], expected.numpy(), "gradient")


def assert_close(came, expected, what):
    off = abs(came - expected).max() / abs(expected).max()
    assert off < 1e-9, f"{what} differs by {off:.1e} of the largest number"


SEQUENCES = np.random.default_rng(1).normal(size=(2, T, C))


class Itself(torch.nn.Module if torch else object):
    """nn.MultiheadAttention of a sequence with itself."""

    def __init__(self, **settings):
        super().__init__()
        self.inner = torch.nn.MultiheadAttention(C, HEADS, batch_first=True, **settings)

    def forward(self, x):
        return self.inner(x, x, x)[0]


@pytest.mark.parametrize("bias", [True, False])
def test_multihead_attention(bias):
    module = scrambled(Itself(bias=bias))
    agree(from_torch(module, (T, C)), module, SEQUENCES)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_one_layer_of_an_encoder(norm_first, activation):
    module = scrambled(torch.nn.TransformerEncoderLayer(C, HEADS, 20, activation=activation, batch_first=True,
                                                        norm_first=norm_first))
    agree(from_torch(module, (T, C)), module, SEQUENCES)


def test_an_encoder_of_several_layers():
    layer = torch.nn.TransformerEncoderLayer(C, HEADS, 20, batch_first=True, norm_first=True)
    module = scrambled(torch.nn.TransformerEncoder(layer, 3, torch.nn.LayerNorm(C), enable_nested_tensor=False))
    agree(from_torch(module, (T, C)), module, SEQUENCES)


def test_a_mask_for_each_sequence_is_an_input():
    """Key padding, as encoders take it: True hides a token. Nothing goes back to it."""
    class Padded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            layer = torch.nn.TransformerEncoderLayer(C, HEADS, 20, batch_first=True)
            self.encoder = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, x, hidden):
            return self.encoder(x, src_key_padding_mask=hidden.bool()).mean(1)
    module, x = scrambled(Padded()), torch.tensor(SEQUENCES)
    hidden = torch.zeros(len(x), T, dtype=torch.float64)
    hidden[0, -2:] = 1
    net = from_torch(module, example=(x, hidden))
    assert_close(net.forward((SEQUENCES, hidden.numpy())), module(x, hidden).detach().numpy(), "output")


def test_the_three_inputs_of_attention_are_named():
    with pytest.raises(ValueError, match="its forward takes 'key' beside its first input"):
        from_torch(torch.nn.MultiheadAttention(C, HEADS), (T, C))
