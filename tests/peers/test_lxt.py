"""AttnLRP beside LXT, the library of its authors: where the definitions are the same, and where they part."""
import importlib
import importlib.metadata

import numpy as np
import pytest

from minixnn.layers import Attention, LayerNorm
from minixnn.rules import attention, scale_held_fixed
from tests.peers import libraries

torch = libraries.torch
try:
    lxt = torch and importlib.import_module("lxt.explicit.functional")
except ImportError as error:
    lxt, WHY = None, f"lxt is not installed ({error}); pip install lxt"
else:
    WHY = str(libraries.REASONS.get("torch"))
pytestmark = pytest.mark.skipif(lxt is None, reason=WHY)
HEADS, WIDTH = 3, 4


def example(seed=0):
    rng = np.random.default_rng(seed)
    C = HEADS * WIDTH
    layer = Attention(*rng.normal(size=(4, C, C)) / C ** 0.5, *rng.normal(size=(4, C)), heads=HEADS)
    return layer, rng.normal(size=(2, 5, C)), rng.normal(size=(2, 5, C))


def theirs(layer, x, R, epsilon):
    """The layer, put together of LXT's functions: their backward pass is their rule."""
    x = torch.tensor(x, requires_grad=True)
    W = {name: torch.tensor(getattr(layer, f"W_{name}").T.copy()) for name in "qkvo"}
    b = {name: torch.tensor(getattr(layer, f"b_{name}")) for name in "qkvo"}
    Q, K, V = (lxt.linear_epsilon(x, W[name], b[name], epsilon).reshape(2, 5, HEADS, WIDTH).transpose(1, 2)
               for name in "qkv")
    # The scale goes into the softmax as its temperature; there is no rule for a product with a constant.
    A = lxt.softmax(lxt.matmul(Q, K.transpose(-1, -2), False, epsilon), -1, None, WIDTH ** 0.5)
    joined = lxt.matmul(A, V, False, epsilon).transpose(1, 2).reshape(2, 5, -1)
    y = lxt.linear_epsilon(joined, W["o"], b["o"], epsilon)
    return torch.autograd.grad(y, x, torch.tensor(R))[0].numpy(), y.detach().numpy()


def test_attn_lrp_is_that_of_its_authors_without_a_stabiliser():
    for seed in range(5):
        layer, x, R = example(seed)
        expected, y = theirs(layer, x, R, epsilon=0)
        np.testing.assert_allclose(layer.forward(x), y, rtol=1e-10, atol=1e-12)
        came = attention.attn_lrp(layer, x, y, R, epsilon=0)
        off = abs(came - expected).max() / abs(expected).max()
        assert off < 1e-9, f"seed {seed}: differs by {off:.1e} of the largest relevance"


def test_the_stabiliser_of_lxt_has_no_sign_and_creates_relevance():
    """At a y below zero y + epsilon is nearer to zero than y: relevance grows there. Ours falls everywhere."""
    layer, x, R = example()
    y = layer.forward(x)
    theirs_now, ours = theirs(layer, x, R, 0.1)[0], attention.attn_lrp(layer, x, y, R, 0.1)
    off = abs(theirs_now - ours).max() / abs(ours).max()
    assert off > 0.1, f"differs by {off:.2f} of the largest relevance: has LXT been mended?"
    assert abs(ours).sum() < abs(theirs_now).sum(), (abs(ours).sum(), abs(theirs_now).sum())


def test_the_layer_norm_of_lxt_holds_the_scale_fixed_as_ours_does():
    rng = np.random.default_rng(0)
    layer, (x, R) = LayerNorm(*rng.normal(size=(2, 6))), rng.normal(size=(2, 3, 4, 6))
    tensor = torch.tensor(x, requires_grad=True)
    y = lxt.layer_norm_grad_fn.apply(tensor, torch.tensor(layer.gamma), torch.tensor(layer.beta), layer.epsilon, 0)
    expected = torch.autograd.grad(y, tensor, torch.tensor(R))[0].numpy()
    came = scale_held_fixed(layer, x, layer.forward(x), R, epsilon=0)
    off = abs(came - expected).max() / abs(expected).max()
    assert off < 1e-9, f"differs by {off:.1e} of the largest relevance"
