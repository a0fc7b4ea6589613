"""Layer, RMS and group normalisation: their rule as a loop, their gradient over any axes, what they refuse."""
from functools import partial

import numpy as np
import pytest

from minixnn import Network
from minixnn.layers import Dense, LayerNorm, RMSNorm, Residual
from minixnn.rules import composites, deep_taylor, identity, lrp, scale_held_fixed
from tests.helpers import assert_close, deeplift, relevance
from tests.registry import example


@pytest.mark.parametrize("name", ["LayerNorm", "LayerNorm, of images", "RMSNorm", "GroupNorm"])
@pytest.mark.parametrize("epsilon", [0, 1e-6, 0.5])
def test_the_scale_held_fixed_is_epsilon_of_the_affine_map_that_remains(name, epsilon):
    layer, x, rng = example(name)
    for image in x:
        image = image[None]
        s, zero = layer.scale(image), np.zeros_like(image)

        def held(v):
            return layer.weigh(layer.center(v) * s) + (0 if layer.beta is None else layer.beta)
        b = held(zero).ravel()
        W = np.stack([held(unit.reshape(image.shape)).ravel() - b for unit in np.eye(image.size)])
        y = layer.forward(image)
        assert_close(held(image), y, "the map")
        R, z = rng.normal(size=y.shape), y.ravel()
        share = R.ravel() / (z + epsilon * np.where(z < 0, -1, 1))
        expected = (image.ravel() * (W @ share)).reshape(image.shape)
        assert_close(scale_held_fixed(layer, image, y, R, epsilon), expected, repr(layer))


def test_gradient_times_input_of_a_normalisation_is_zero():
    layer, x = RMSNorm(epsilon=0.0), np.array([[1.0, -2.0, 3.0]])
    y, R = layer.forward(x), np.array([[1.0, 2.0, 3.0]])
    assert abs((x * layer.gradient(x, y, R / y)).sum()) < 1e-12
    assert relevance(layer, x, R).sum() == pytest.approx(6, rel=1e-5)
    assert relevance(layer, x, R, identity).tolist() == R.tolist()


def test_a_normalisation_takes_a_stabiliser_and_refuses_affine_rules():
    net = Network([LayerNorm(), Dense(np.eye(3)), Residual([LayerNorm(), Dense(np.eye(3))])])
    rules = composites.rules_for(net, partial(lrp.epsilon, epsilon=0.25))
    assert rules[0].func is scale_held_fixed and rules[0].keywords == {"epsilon": 0.25}
    assert rules[2].func is scale_held_fixed and rules[2].keywords == {"epsilon": 0.25}
    for rule in (lrp.epsilon, lrp.alpha_beta, deep_taylor.z_plus):
        with pytest.raises(ValueError, match="LayerNorm.*not affine.*for scale_held_fixed.*identity"):
            composites.rules_for(net, [rule, lrp.epsilon, None, lrp.epsilon, None])


@pytest.mark.parametrize("axes, shape", [((1, 2), (1, 1, 6)), ((1, 3), (6, 1, 6)), (1, ()), ((2,), (7, 1))])
def test_a_normalisation_over_any_axes_has_the_right_gradient(axes, shape):
    rng = np.random.default_rng(0)
    layer = LayerNorm(*rng.normal(size=(2, *shape)), axes=axes, epsilon=1e-3) if shape else LayerNorm(axes=axes)
    x, v, h = rng.normal(size=(2, 6, 7, 6)), rng.normal(size=(2, 6, 7, 6)), 1e-6
    y = layer.forward(x)
    n = layer.center(x) * layer.scale(x)
    assert_close(n.mean(axis=axes), 0 * n.mean(axis=axes), "the mean")
    dy = rng.normal(size=y.shape)
    expected = (dy * (layer.forward(x + h * v) - layer.forward(x - h * v))).sum() / (2 * h)
    assert (layer.gradient(x, y, dy) * v).sum() == pytest.approx(expected, rel=1e-6)
    for name, g in layer.parameter_gradients(x, dy).items():
        a = getattr(layer, name)
        assert (g is None) == (a is None) and (a is None or g.shape == a.shape)
    x_ref = rng.normal(size=x.shape)
    came = (deeplift(layer, x, x_ref, dy) * (x - x_ref)).sum()
    assert came == pytest.approx((dy * (y - layer.forward(x_ref))).sum())
