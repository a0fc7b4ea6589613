"""The depthwise convolution against the loop of its definition, with sizes and values drawn by Hypothesis."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minixnn.arrays import to_numpy
from tests.backends import standin
from minixnn.layers import Conv2d, depthwise


@st.composite
def layers(draw):
    """(layer, x): a depthwise convolution of any stride, dilation, padding and number of outputs, and its images."""
    kernel, stride, dilation = (draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (4, 3, 3))
    C, m = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    padding = draw(st.one_of(st.sampled_from(["same", "valid"]), st.tuples(*[st.tuples(*[st.integers(0, 3)] * 2)] * 2)))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    pads = {"same": reach, "valid": (0, 0)}.get(padding) if isinstance(padding, str) else map(sum, padding)
    H, W = (max(1, n - p) + draw(st.integers(0, 5)) for n, p in zip(reach, pads))      # also narrower than the stride
    rng = np.random.default_rng(draw(st.integers(0, 2 ** 32 - 1)))
    weights = rng.standard_normal((*kernel, 1, C * m))
    layer = Conv2d(weights, rng.standard_normal(C * m), stride, padding, dilation, groups=C)
    return layer, rng.standard_normal((draw(st.integers(1, 2)), H, W, C))


def definition(layer, x, dy):
    """(y, dx, dW) by the sum in depthwise.py, one product at a time."""
    (pads, (Ho, Wo)), (kh, kw, _, O) = layer.place(x), layer.W.shape
    (N, H, W, C), ((top, _), (left, _)) = x.shape, pads
    y, dx, dW = np.zeros((N, Ho, Wo, O)) + layer.b, np.zeros_like(x), np.zeros_like(layer.W)
    for n, h, w, i, j, o in np.ndindex(N, Ho, Wo, kh, kw, O):
        p = h * layer.stride[0] + i * layer.dilation[0] - top
        q = w * layer.stride[1] + j * layer.dilation[1] - left
        if 0 <= p < H and 0 <= q < W:
            y[n, h, w, o] += x[n, p, q, o // (O // C)] * layer.W[i, j, 0, o]
            dx[n, p, q, o // (O // C)] += dy[n, h, w, o] * layer.W[i, j, 0, o]
            dW[i, j, 0, o] += dy[n, h, w, o] * x[n, p, q, o // (O // C)]
    return y, dx, dW


@pytest.mark.parametrize("xp", [np, standin], ids=["numpy", "standin"])
@pytest.mark.parametrize("few", [True, False], ids=["rows as one pixel", "pixel by pixel"])
@settings(max_examples=40)
@given(case=layers())
def test_all_three_sums_are_those_of_the_definition(xp, few, case):
    layer, x = case
    dy = np.random.default_rng(1).standard_normal(layer.forward(x).shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depthwise, "AT_ONCE", 1024 if few else 0)
        there = layer.with_weights(xp.asarray(layer.W), xp.asarray(layer.b))
        x_there, dy_there = xp.asarray(x), xp.asarray(dy)
        y = there.forward(x_there)
        found = (y, there.gradient(x_there, y, dy_there), there.parameter_gradients(x_there, dy_there)["W"])
    for ours, expected in zip(found, definition(layer, x, dy)):
        np.testing.assert_allclose(to_numpy(ours), expected, atol=1e-12)
