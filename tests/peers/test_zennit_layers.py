"""Every rule that zennit has, on convolutions with groups and gaps, transposed and of sequences, to 1e-9 in float64."""
from functools import partial

import numpy as np
import pytest

from minixnn.layers import Conv1d, Conv2d, ConvTranspose2d
from minixnn.rules import deep_taylor, lrp
from tests.peers import libraries
from tests.peers.zennit_side import ours_to_zero

torch, zennit = libraries.torch, libraries.zennit
pytestmark = pytest.mark.skipif(zennit is None, reason=str(libraries.REASONS.get("zennit")))
RNG = np.random.default_rng(0)

RULES = {                       # ours, the name of theirs, its knobs, the smallest input
    "epsilon": (partial(lrp.epsilon, epsilon=0.01), "Epsilon", {"epsilon": 0.01}, None),
    "gamma_signed": (partial(lrp.gamma_signed, gamma=0.3), "Gamma", {"gamma": 0.3}, None),
    "alpha2_beta1": (lrp.alpha_beta, "AlphaBeta", {"alpha": 2, "beta": 1}, None),
    "z_plus": (deep_taylor.z_plus, "ZPlus", {"zero_params": "bias"}, 0),
    "flat": (lrp.flat, "Flat", {}, None),
    "w_square": (deep_taylor.w_square, "WSquare", {"zero_params": "bias"}, None),
    "z_box": (partial(deep_taylor.z_box, low=-5, high=5), "ZBox", {"low": -5, "high": 5}, None),
}


def normal(*shape):
    return RNG.normal(size=shape)


def pair(ours, module, weight, shape):
    """Our layer, theirs with the same weights, and the shape of an input in our order of axes."""
    module = module.double()
    module.weight.data, module.bias.data = torch.tensor(np.ascontiguousarray(weight)), torch.tensor(ours.b)
    return ours, module, shape


def pairs():
    """{name: (layer, module, shape of an input)}"""
    nn, found = torch.nn, {}
    for name, W, settings in (("groups", normal(3, 2, 2, 6), {"stride": (2, 1), "padding": (1, 0), "groups": 3}),
                              ("dilation", normal(3, 2, 6, 4), {"dilation": (2, 3)}),
                              ("depthwise", normal(3, 3, 1, 6), {"padding": 1, "groups": 6}),
                              ("depthwise, two outputs", normal(3, 3, 1, 12), {"stride": 2, "groups": 6})):
        padding = settings.get("padding", 0)
        pads = tuple((p, p) for p in (padding if isinstance(padding, tuple) else (padding, padding)))
        layer = Conv2d(W, normal(W.shape[3]), **{**settings, "padding": pads})
        found[f"Conv2d, {name}"] = pair(layer, nn.Conv2d(6, W.shape[3], W.shape[:2], **settings),
                                        W.transpose(3, 2, 0, 1), (2, 8, 7, 6))
    for name, W, settings in (("stride", normal(3, 2, 6, 4), {"stride": 2, "padding": 1, "output_padding": 1}),
                              ("groups", normal(3, 3, 6, 2), {"groups": 3, "dilation": 2})):
        layer = ConvTranspose2d(W, normal(W.shape[3] * settings.get("groups", 1)), **settings)
        found[f"ConvTranspose2d, {name}"] = pair(
            layer, nn.ConvTranspose2d(6, len(layer.b), W.shape[:2], **settings), W.transpose(2, 3, 0, 1), (2, 4, 5, 6))
    W = normal(3, 2, 6)
    layer = Conv1d(W, normal(6), 2, 1, 2, 3)
    found["Conv1d"] = pair(layer, nn.Conv1d(6, 6, 3, 2, 1, 2, 3), W.transpose(2, 1, 0), (2, 9, 6))
    return found


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["Conv2d, groups", "Conv2d, dilation", "Conv2d, depthwise",
                                  "Conv2d, depthwise, two outputs", "ConvTranspose2d, stride",
                                  "ConvTranspose2d, groups", "Conv1d"])
def test_a_rule_on_a_convolution_is_that_of_zennit(name, rule):
    layer, module, shape = pairs()[name]
    ours, theirs, knobs, least = RULES[rule]
    x = normal(*shape) if least is None else abs(normal(*shape))
    y = layer.forward(x)
    R = normal(*y.shape)
    if theirs != "Epsilon":
        knobs = {**knobs, "stabilizer": ours_to_zero}
    if theirs == "ZBox":
        knobs = {**knobs, **{side: torch.full((1,) * len(shape), float(knobs[side]), dtype=torch.double)
                             for side in ("low", "high")}}
    handle = getattr(zennit.rules, theirs)(**knobs).register(module)
    x_theirs = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
    expected, = torch.autograd.grad(module(x_theirs), x_theirs, torch.tensor(np.moveaxis(R, -1, 1).copy()))
    handle.remove()
    expected = np.moveaxis(expected.numpy(), 1, -1)
    np.testing.assert_allclose(ours(layer, x, y, R), expected, rtol=1e-9, atol=1e-9 * abs(expected).max())
