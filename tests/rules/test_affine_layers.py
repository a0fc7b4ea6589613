"""Every rule of every affine layer is the formula of its paper over the layer's connections."""
import numpy as np
import pytest

from minixnn import layers
from tests.helpers import assert_close
from tests.registry import EXAMPLES, RULES, example

AFFINE = [name for name, (layer, _) in EXAMPLES.items() if isinstance(layer, layers.Affine)]


def unrolled(layer, shape):
    """The matrix and the bias of an affine layer, found by asking what each input alone does to the output."""
    n = int(np.prod(shape))
    zero = np.zeros((1, *shape))
    b = layer.forward(zero).ravel()
    return np.stack([layer.forward(unit.reshape(1, *shape)).ravel() - b for unit in np.eye(n)]), b


@pytest.mark.parametrize("name, rule", [(name, rule) for name in AFFINE for rule in RULES if not (
    name in ("Upsample, bilinear", "Upsample, corners") and rule in ("flat", "w_square"))])     # share by the mixture
def test_every_rule_is_its_formula_over_the_layers_connections(name, rule):
    layer, x, rng = example(name)
    f, formula, claims = RULES[rule]
    low, high = {"any": (-9, 9), "nonnegative": (0, 9)}.get(domain := claims.get("domain", "any"), domain)
    x = (abs(x) if low == 0 else x).clip(low, high)
    layer = layer.with_weights(layer.W, None if layer.b is None else rng.normal(size=layer.b.shape))
    W, b = unrolled(layer, x.shape[1:])
    y = layer.forward(x)
    np.testing.assert_allclose((x.reshape(len(x), -1) @ W + b).reshape(y.shape), y, rtol=1e-9, atol=1e-9)
    R = rng.normal(size=y.shape)
    expected = np.zeros((len(x), len(W)))
    for n, (image, came) in enumerate(zip(x.reshape(len(x), -1), R.reshape(len(x), -1))):
        for k, seen in enumerate(W.T != 0):
            if seen.any():
                expected[n, seen] += formula(image[seen], W[seen, k], b[k], came[k])
    assert_close(f(layer, x, y, R), expected.reshape(x.shape), f"{rule} of {layer!r}")
