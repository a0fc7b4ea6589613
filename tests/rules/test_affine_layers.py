"""Every rule of every affine layer is the loop over the layer's connections."""
from functools import partial

import numpy as np
import pytest

from minixnn import layers
from minixnn.rules import deep_taylor, lrp
from tests.helpers import assert_close
from tests.registry import EXAMPLES, example

AFFINE = [name for name, (layer, _) in EXAMPLES.items() if isinstance(layer, layers.Affine)]
RULES = {
    "epsilon": partial(lrp.epsilon, epsilon=0.1), "gamma": partial(lrp.gamma, gamma=0.25),
    "gamma_signed": lrp.gamma_signed, "alpha2_beta1": lrp.alpha_beta, "flat": lrp.flat, "z_plus": deep_taylor.z_plus,
    "w_square": deep_taylor.w_square, "z_box": partial(deep_taylor.z_box, low=-9, high=9),
}


def shares(name, x, w, b):
    """The paper's shares of one output, given its inputs, their weights and its bias."""
    z = x * w
    if name == "epsilon":
        return z / (z.sum() + b + (0.1 if z.sum() + b >= 0 else -0.1))
    if name == "gamma":
        q = x * (w + 0.25 * w.clip(0))
        return q / (q.sum() + b + 0.25 * max(b, 0))
    if name == "gamma_signed":
        rises = z.sum() + b >= 0
        part = (lambda v: np.maximum(v, 0)) if rises else (lambda v: np.minimum(v, 0))
        q = z + 0.25 * part(z)
        return q / (q.sum() + b + 0.25 * part(b))
    if name == "alpha2_beta1":
        up, down = z.clip(0), z.clip(None, 0)
        return 2 * quotient(up, up.sum() + max(b, 0)) - quotient(down, down.sum() + min(b, 0))
    if name == "flat":
        return quotient((w != 0) * 1.0, (w != 0).sum())
    if name == "z_plus":
        return quotient(x * w.clip(0), (x * w.clip(0)).sum())
    if name == "w_square":
        return quotient(w * w, (w * w).sum())
    q = z - -9 * w.clip(0) - 9 * w.clip(None, 0)
    return quotient(q, q.sum())


def quotient(a, b):
    return a / b if b else 0 * a


def unrolled(layer, shape):
    """The matrix and the bias of an affine layer, found by asking what each input alone does to the output."""
    n = int(np.prod(shape))
    zero = np.zeros((1, *shape))
    b = layer.forward(zero).ravel()
    return np.stack([layer.forward(unit.reshape(1, *shape)).ravel() - b for unit in np.eye(n)]), b


@pytest.mark.parametrize("name, rule", [(name, rule) for name in AFFINE for rule in RULES if not (
    name in ("Upsample, bilinear", "Upsample, corners") and rule in ("flat", "w_square"))])     # share by the mixture
def test_every_rule_is_the_loop_over_the_layers_connections(name, rule):
    layer, x, rng = example(name)
    x = abs(x) if rule in ("gamma", "z_plus") else x
    layer = layer.with_weights(layer.W, None if layer.b is None else rng.normal(size=layer.b.shape))
    W, b = unrolled(layer, x.shape[1:])
    y = layer.forward(x)
    np.testing.assert_allclose((x.reshape(len(x), -1) @ W + b).reshape(y.shape), y, rtol=1e-9, atol=1e-9)
    R = rng.normal(size=y.shape)
    expected = np.array([sum(shares(rule, image, W[:, k], b[k]) * came[k] for k in range(W.shape[1]))
                         for image, came in zip(x.reshape(len(x), -1), R.reshape(len(x), -1))])
    assert_close(RULES[rule](layer, x, y, R), expected.reshape(x.shape), f"{rule} of {layer!r}")
