"""Normalisation with a stabiliser, and a masked softmax, beside LXT, the library of AttnLRP's authors, to 1e-9.

docs/agreement.md has the comparisons without a stabiliser (`attention_side.py`).
LXT adds an epsilon without a sign to a sum, where ours takes the sum's sign. So outputs are positive here; one test
says what the difference is where they are not.
"""
import numpy as np
import pytest

from minixnn.layers import LayerNorm, Softmax
from minixnn.rules import scale_held_fixed, softmax_taylor

torch = pytest.importorskip("torch", reason="torch is not installed")
functional = pytest.importorskip("lxt.explicit.functional", reason="lxt is not installed")


def theirs(f, R, *inputs):
    """The relevance of each input by LXT's backward pass."""
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    return [g.numpy() for g in torch.autograd.grad(f(*tensors), tensors, torch.tensor(R))]


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def layer_norm(gamma, beta):
    gamma, beta = torch.tensor(gamma), torch.tensor(beta)
    return lambda x: functional.layer_norm_grad_fn.apply(x, gamma, beta, 1e-5, 1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_layer_norm_with_its_scale_held_fixed(seed):
    x, R, gamma, beta = draw(seed, 3, 4, 8), draw(seed + 9, 3, 4, 8), draw(1, 8), draw(2, 8) + 12
    layer = LayerNorm(gamma, beta, epsilon=1e-5)
    y = layer.forward(x)
    assert y.min() > 0, "outputs that are positive"
    expected, = theirs(layer_norm(gamma, beta), R, x)
    np.testing.assert_allclose(scale_held_fixed(layer, x, y, R, epsilon=1e-6), expected, rtol=1e-9, atol=1e-9)


def test_where_a_sum_is_negative_their_stabiliser_points_the_other_way():
    x, R = draw(0, 2, 8), draw(1, 2, 8)
    layer = LayerNorm(epsilon=1e-5)
    y = layer.forward(x)
    expected, = theirs(layer_norm(np.ones(8), np.zeros(8)), R, x)
    turned = R * (y + 1e-6 * np.where(y < 0, -1, 1)) / (y + 1e-6)
    assert abs(scale_held_fixed(layer, x, y, R, 1e-6) - expected).max() > 1e-9
    np.testing.assert_allclose(scale_held_fixed(layer, x, y, turned, epsilon=1e-6), expected, rtol=1e-9, atol=1e-9)


def test_a_softmax_some_of_whose_inputs_are_hidden():
    x, R = draw(3, 2, 5, 6), draw(4, 2, 5, 6)
    x[:, :, 4:], R[:, :, 4:] = -np.inf, 0
    expected, = theirs(lambda x: functional.softmax(x, -1), R, x)
    layer = Softmax()
    np.testing.assert_allclose(softmax_taylor(layer, x, layer.forward(x), R), expected, rtol=1e-9, atol=1e-12)
