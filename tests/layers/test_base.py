"""What holds of every layer: the loop of its definition, settings, signs, random weights, missing methods."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minixnn import Network, attribution, passes
from minixnn.layers import (AvgPool2d, BatchNorm2d, Conv1d, Conv2d, ConvTranspose2d, Dense, Dropout, Elementwise,
                            GlobalAvgPool, Layer, LeakyReLU, MaxPool2d, SumPool2d)
from minixnn.rules import pass_on
from tests import oracles, strategies
from tests.helpers import assert_same, gradient, on, relevance
from tests.registry import EVERYWHERE, EXAMPLES


@given(strategies.cases())
def test_an_affine_layer_is_the_loop_over_its_connections(xp, case):
    layer, x, _ = case
    ours, x_ours = on(xp, layer, x)
    y = ours.forward(x_ours)
    assert_same(y, oracles.forward(layer, x), repr(layer))
    assert y.dtype == x.dtype


@given(strategies.cases())
def test_its_gradient_hands_every_output_back_along_the_same_connections(xp, case):
    layer, x, rng = case
    dy = strategies.grid(rng, oracles.forward(layer, x).shape, x.dtype)
    ours, x_ours, dy_ours = on(xp, layer, x, dy)
    dx = gradient(ours, x_ours, dy_ours)
    assert_same(dx, oracles.gradient(layer, x, dy), repr(layer))
    assert dx.dtype == x.dtype


@pytest.mark.parametrize("make, settings", [
    (lambda: MaxPool2d(3), {"size": (3, 3), "stride": (3, 3), "padding": "valid"}),
    (lambda: MaxPool2d((2, 3), 1, "same"), {"size": (2, 3), "stride": (1, 1), "padding": "same"}),
    (lambda: SumPool2d(2, (2, 1), 1), {"size": (2, 2), "stride": (2, 1), "padding": ((1, 1), (1, 1))}),
    (lambda: AvgPool2d(np.int64(2), padding=np.int64(1), count_padding=True),
     {"size": (2, 2), "stride": (2, 2), "padding": ((1, 1), (1, 1)), "count_padding": True}),
    (lambda: Conv2d(np.ones((1, 1, 1, 1))), {"stride": (1, 1), "padding": "same"}),
    (lambda: Conv2d(np.ones((1, 1, 1, 1)), None, 2, [[0, 1], [2, 3]]), {"stride": (2, 2), "padding": ((0, 1), (2, 3))}),
    (lambda: Dropout(0.25), {"rate": 0.25}),
    (lambda: BatchNorm2d(*np.ones((4, 2)), epsilon=0.1, momentum=0.2), {"epsilon": 0.1, "momentum": 0.2}),
])
def test_settings_tell_the_constructor_arguments_in_one_form(make, settings):
    layer = make()
    assert {name: layer.settings()[name] for name in settings} == settings
    assert type(layer)(**layer.settings(), **layer.arrays()).settings() == layer.settings()


def test_a_setting_that_is_a_number_of_numpys_is_kept_as_pythons(tmp_path):
    Network([LeakyReLU(np.float32(0.25)), Dropout(np.float64(0.25))]).save(tmp_path / "net.npz")
    slope, rate = (list(layer.settings().values()) for layer in Network.load(tmp_path / "net.npz").layers)
    assert (slope, rate) == ([0.25], [0.25]) and type(slope[0]) is float


def test_a_layer_shows_the_settings_that_are_not_the_usual_ones():
    assert [repr(MaxPool2d(2)), repr(Dropout(0.5)), repr(Dropout(0.25)), repr(AvgPool2d(2, 1, dilation=2))] == [
        "MaxPool2d(size=(2, 2), stride=(2, 2))", "Dropout()", "Dropout(rate=0.25)",
        "AvgPool2d(size=(2, 2), stride=(1, 1), dilation=(2, 2))"]


def test_a_layer_of_ones_own_keeps_its_settings_under_their_names():
    class Steep(Elementwise):
        def __init__(self, slope, offset=0.0):
            self.slope, self.offset = slope, offset

    assert Steep(2.0).settings() == {"slope": 2.0, "offset": 0.0} and Steep(2.0).arrays() == {}
    assert repr(Steep(2.0)) == "Steep(slope=2.0)"


@pytest.mark.parametrize("layer, shape", [(Dense(np.ones((3, 2))), (2,)), (Conv2d(np.ones((1, 1, 3, 2))), (1, 1, 2))])
def test_a_layer_without_bias_has_none_and_gets_none(layer, shape):
    assert layer.b is None and layer.arrays()["b"] is None
    x = np.ones((4, 3)) if len(shape) == 1 else np.ones((4, 1, 1, 3))
    assert layer.parameter_gradients(x, np.ones((4, *shape)))["b"] is None
    assert layer.map_arrays(np.copy).b is None


@pytest.mark.parametrize("make", [
    lambda rng, **knobs: Dense.random(400, 300, rng, **knobs),
    lambda rng, **knobs: Conv2d.random((5, 4), 20, 15, rng, **knobs)])
@pytest.mark.parametrize("init, variance", [("he", 2 / 400), ("glorot", 2 / 700)])
def test_random_weights_have_the_variance_of_their_initialisation(make, init, variance):
    layer = make(np.random.default_rng(0), init=init)
    found = layer.W.var(dtype="float64")
    assert found == pytest.approx(variance, rel=0.05), (found, variance)
    assert abs(layer.W.mean()) < 4 * (variance / layer.W.size) ** 0.5
    assert layer.W.dtype == layer.b.dtype == np.float32 and not layer.b.any()
    assert np.array_equal(layer.W, make(np.random.default_rng(0), init=init).W), "the same seed, the same weights"
    assert make(np.random.default_rng(0), init=init, bias=False).b is None
    assert make(np.random.default_rng(0), init=init, dtype=np.float64).W.dtype == np.float64


@given(st.sampled_from([Conv2d(np.arange(18.0).reshape(3, 3, 1, 2)), Conv2d(np.arange(54.0).reshape(3, 3, 6, 1)),
                        Conv2d(np.arange(18.0).reshape(3, 3, 1, 2), groups=2), MaxPool2d(2), AvgPool2d(2, 1),
                        GlobalAvgPool()]), strategies.seeds)
def test_the_layout_of_an_image_in_memory_does_not_matter(layer, seed):
    """Channel-first images seen channel-last, mirrored images, every second pixel of an image."""
    C = layer.W.shape[2] * layer.groups if isinstance(layer, Conv2d) else 1
    x = np.random.default_rng(seed).normal(size=(2, C, 6, 8)).transpose(0, 2, 3, 1)
    for view in (x, x[:, ::-1, ::-1], x[:, ::2, ::2], np.broadcast_to(x[:1], x.shape)):
        y = layer.forward(view.copy())
        assert_same(layer.forward(view), y)
        assert_same(gradient(layer, view, y), gradient(layer, view.copy(), y))
        if isinstance(layer, Conv2d):
            assert_same(layer.parameter_gradients(view, y)["W"], layer.parameter_gradients(view.copy(), y)["W"])


@pytest.mark.parametrize("verb", ["gradient", "deconvnet", "guided_backprop"])
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "Dropout"])
def test_what_a_verb_returns_shares_no_buffer_with_the_next_call(name, verb):
    """A reused buffer must not be handed out: the first result would change under the caller's feet."""
    layer, shape = EXAMPLES[name]
    x = np.random.default_rng(0).random(shape).astype("float32")
    y, dy = layer.forward(x), np.ones_like(layer.forward(x))
    kept, g = y.copy(), getattr(layer, verb)(x, y, dy)
    kept_g = g.copy()
    other = layer.forward(x + 1)
    getattr(layer, verb)(x + 1, other, 2 * dy)
    assert np.array_equal(y, kept) and np.array_equal(g, kept_g)
    assert not np.shares_memory(y, other)


def test_a_missing_method_is_named():
    class Odd(Layer):
        pass

    for method, arguments in {"forward": 1, "gradient": 3, "deeplift": 5}.items():
        with pytest.raises(NotImplementedError, match=f"Odd has no {method}; write"):
            getattr(Odd(), method)(*[np.ones((1, 1))] * arguments)
    with pytest.raises(ValueError, match="layer 0 is Odd.*needs a rule"):
        relevance(Odd(), np.ones((1, 1)), np.ones((1, 1)))


def test_forward_and_gradient_are_enough_where_they_would_do():
    class Square:
        def forward(self, x):
            return x ** 2

        def gradient(self, x, y, dy):
            return 2 * x * dy

    class Derived(Square, Layer):
        rule = staticmethod(pass_on)

    x = np.array([[1.0, -2.0]])
    bare, derived = Network([Square(), Dense(np.ones((2, 2)))]), Network([Derived(), Dense(np.ones((2, 2)))])
    assert attribution.gradient(bare, x, 0).tolist() == [[2, -4]]
    assert attribution.integrated_gradients(bare, x, 0).sum() == pytest.approx(5)
    assert "Square" in bare.describe(x=x) and bare.astype("float32").forward(x).tolist() == [[5, 5]]
    with pytest.raises(ValueError, match="layer 0 is .*Square.*which has no method deconvnet; derive its class from"):
        passes.deconvnet(bare, x)
    assert passes.deconvnet(derived, x, 0)[0].tolist() == passes.guided_backprop(derived, x, 0)[0].tolist() == [[2, -4]]
    assert passes.lrp(derived, x, 0)[0].sum() == pytest.approx(5, rel=1e-6)


@pytest.mark.parametrize("made, variance", [
    (lambda rng: Conv1d.random(5, 6, 8, rng), 2 / 30), (lambda rng: Conv1d.random(3, 6, 9, rng, groups=3), 2 / 6),
    (lambda rng: ConvTranspose2d.random(4, 6, 8, rng, stride=2), 2 / 24),
    (lambda rng: Dense.random(40, 30, rng, init="glorot"), 2 / 70)])
def test_random_weights_have_the_variance_that_keeps_signals_as_large(made, variance):
    W = np.concatenate([made(np.random.default_rng(seed)).W.ravel() for seed in range(20)])
    assert abs(W.var() / variance - 1) < 0.1 and abs(W.mean()) < 0.1 * variance ** 0.5


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_a_layer_says_of_signs_is_so(name):
    layer, shape, domain = EVERYWHERE[name]
    low, high = (-3, 3) if domain == "any" else domain
    x = np.random.default_rng(0).uniform(low, high, (50, *shape[1:]))
    assert not layer.nonnegative or (layer.forward(x) >= 0).all()
    assert not layer.preserves_sign or (layer.forward(np.random.default_rng(0).uniform(
        max(low, 0), high, (50, *shape[1:]))) >= 0).all()
