"""Numbers at the edge of their type: denormal sums, differences of a few units in the last place, half precision.

What a method answers there must be right to the precision of the type, or be refused in a sentence; never NaN.
"""
import numpy as np
import pytest
from tests.registry import EXAMPLES

from minixnn import Network, attribution, passes
from minixnn.arrays import stabilize, tiny
from minixnn.layers import Conv2d, Dense, Flatten, LayerNorm, MaxPool2d, ReLU, Residual, Sigmoid, Softmax, Softplus

LRP = [name for name in attribution.METHODS if name.startswith("lrp") or name == "deep_taylor"]
pytestmark = pytest.mark.filterwarnings("ignore:deep Taylor got")


@pytest.mark.parametrize("epsilon", [0, 1e-6, 0.5])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_quotient_by_a_stabilised_sum_is_finite_whatever_the_sum(dtype, epsilon):
    info = np.finfo(dtype)
    z = np.array([0, -0.0, info.tiny, -info.tiny, info.smallest_subnormal, -info.smallest_subnormal, 1e-6, -1e-6, 2,
                  -2], dtype)
    s = 1 / stabilize(z, epsilon)
    assert np.isfinite(s).all() and s.dtype == dtype
    large = abs(z) > 10 * max(epsilon, tiny(z))
    np.testing.assert_allclose((s * z)[large], 1, atol=0.1)
    assert (s[~large] * np.where(z < 0, -1, 1)[~large] >= 0).all(), "the sign of the sum, plus for 0"


def networks_that_see_little():
    """A neuron behind Softplus units that are far off, which give 1e-41; and one whose inputs are that small."""
    rng, f = np.random.default_rng(0), np.float32
    sparse = rng.random((6, 5)) > 0.3
    x = rng.random((2, 6)).astype(f)
    return [(Network([Dense(rng.normal(size=(6, 5)).astype(f), np.full(5, -95, f)), Softplus(),
                      Dense(abs(rng.normal(size=(5, 4))).astype(f)), ReLU(),
                      Dense(rng.normal(size=(4, 3)).astype(f), np.array([1, 2, 3], f))]), x),
            (Network([Dense((abs(rng.normal(size=(6, 5))) * sparse).astype(f)), ReLU(),
                      Dense(rng.normal(size=(5, 3)).astype(f), np.array([1, 2, 3], f))]), x * f(1e-39)),
            (Network([Residual([Dense(-np.eye(6, dtype=f))]), Dense(rng.normal(size=(6, 3)).astype(f))]), x)]


@pytest.mark.parametrize("case", range(3), ids=["denormal units", "denormal pixels", "branches that cancel"])
@pytest.mark.parametrize("name", LRP)
def test_relevance_through_denormal_sums_is_finite_where_it_is_in_float64(name, case):
    net, x = networks_that_see_little()[case]
    if name == "lrp_epsilon_gamma_box" or name == "deep_taylor":
        x = x.clip(0, 1)
    R = attribution.METHODS[name](net, x)
    wide = attribution.METHODS[name](net.astype("float64"), x.astype("float64"))
    assert np.isfinite(wide).all() and np.isfinite(R).all()


@pytest.mark.parametrize("size", [1e-30, 1e-8, 1.0, 1e8])
@pytest.mark.parametrize("name", ["deeplift", "deeplift_reveal_cancel"])
def test_deeplift_sums_to_the_difference_for_features_of_any_size(name, size):
    rng = np.random.default_rng(1)
    net = Network([Dense(rng.normal(size=(6, 8))), ReLU(), Dense(rng.normal(size=(8, 2)) / size)])
    x, x_ref = size * rng.normal(size=(2, 5, 6))
    came = getattr(passes, name)(net, x, x_ref, 0)[0].sum(axis=1)
    np.testing.assert_allclose(came, (net.forward(x) - net.forward(x_ref))[:, 0], rtol=1e-9)


def half_net(*between):
    rng = np.random.default_rng(3)
    W = rng.normal(size=(72, 10)) / 8
    W[:, 0] = 0                                 # a neuron whose sum is 0, though a Sigmoid makes 0.5 of it
    return Network([Conv2d(rng.normal(size=(3, 3, 3, 8)) / 5, rng.normal(size=8) / 5, padding="valid"), ReLU(),
                    MaxPool2d(2), Flatten(), Dense(W), *between, Dense(rng.normal(size=(10, 3)) / 3)]).astype("float16")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("between, pixels", [([Sigmoid()], 1), ([Sigmoid()], 255), ([LayerNorm()], 1), ([], 255),
                                             ([LayerNorm()], 255), ([Softmax()], 1)], ids=str)
@pytest.mark.parametrize("name", ["gradient", "lrp_0", "lrp_epsilon", "lrp_gamma", "lrp_alpha2_beta1",
                                  "lrp_epsilon_plus", "lrp_epsilon_plus_flat", "deeplift"])
def test_weights_in_half_precision_are_explained_to_their_precision(name, between, pixels, dtype):
    """Or refused: where the pixels are numbers to 255, a sum may be too large for half precision.

    A softmax of such numbers is 0 but for one place, in every type: it is asked about small ones only.
    """
    net = half_net(*between)
    x = (np.random.default_rng(0).random((2, 8, 8, 3)) * pixels).astype("float16")
    right = attribution.METHODS[name](net.astype("float64"), x.astype("float64"), 1)
    try:
        came = attribution.METHODS[name](net, x.astype(dtype), 1)
    except ValueError as refusal:
        assert dtype == "float16" and pixels == 255 and "too large for float16" in str(refusal)
        return
    error = abs(came - right).max() / abs(right).max()
    assert error < 0.06, f"relative error {error}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_computes_in_half_precision(name):
    layer, shape = EXAMPLES[name]
    layer, x = layer.map_arrays(lambda a: a.astype("float16")), np.random.default_rng(0).normal(size=shape)
    y = layer.forward(x.astype("float16"))
    right = layer.map_arrays(lambda a: a.astype("float64")).forward(x.astype("float16").astype("float64"))
    seen = right > -1e5                         # what is hidden is the lowest number of either type
    assert y.dtype == "float16" and abs(y - right)[seen].max() < 0.02 * (1 + abs(right)[seen].max())
    assert layer.gradient(x.astype("float16"), y, y).dtype == "float16"
