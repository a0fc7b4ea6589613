"""Does every layer compute what its definition says, for any shape, stride and padding?"""
import numpy as np
from tests import oracles
import pytest
from tests import strategies
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import assert_same, deconvnet, deeplift, gradient, guided_backprop, on, relevance

from minixnn import Network, attribution, passes
from minixnn.layers import (AvgPool2d, BatchNorm2d, ChannelScale, Conv1d, Conv2d, ConvTranspose2d, Dense, Dropout,
                            Flatten, GlobalAvgPool, Layer, MaxPool2d, ReLU, Sigmoid, Softplus, SumPool2d, Tanh, conv)
from minixnn.rules import pass_on


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


@given(strategies.cases(kinds=(strategies.conv,)), st.integers(1, 40))
def test_a_convolution_is_the_same_in_chunks_of_any_size(case, rows):
    layer, x, rng = case
    dy = strategies.grid(rng, layer.forward(x).shape, x.dtype)
    expected = [layer.forward(x), gradient(layer, x, dy), layer.parameter_gradients(x, dy)["W"]]
    usual, conv.CHUNK_ROWS = conv.CHUNK_ROWS, rows
    try:
        came = [layer.forward(x), gradient(layer, x, dy), layer.parameter_gradients(x, dy)["W"]]
    finally:
        conv.CHUNK_ROWS = usual
    for name, a, b in zip(("forward", "gradient", "dW"), came, expected):
        assert_same(a, b, f"{name} in chunks of {rows} windows")


@pytest.mark.parametrize("images, side, channels, outputs", [(3, 9, 6, 2), (1, 3, 12, 8)])
def test_a_convolution_has_one_gradient_whatever_the_sizes(images, side, channels, outputs, xp):
    rng = np.random.default_rng(0)
    layer = Conv2d(strategies.grid(rng, (3, 3, channels, outputs), "float64"), padding=((0, 1), (2, 1)))
    x = strategies.grid(rng, (images, side, side, channels), "float64")
    dy = strategies.grid(rng, layer.forward(x).shape, "float64")
    ours, x_ours, dy_ours = on(xp, layer, x, dy)
    assert (dy.size < layer.W.size) == (side == 3), "each of the two ways is to be walked"
    assert_same(gradient(ours, x_ours, dy_ours), oracles.gradient(layer, x, dy))


@given(strategies.max_pools())
def test_max_pooling_returns_to_the_first_of_equals_in_each_window(xp, case):
    layer, x, rng = case
    expected = oracles.max_pool(layer, x)
    ours, x_ours = on(xp, layer, x)
    assert_same(ours.forward(x_ours), expected, repr(layer))
    dy = strategies.grid(rng, expected.shape, x.dtype)
    for backward in (gradient, deconvnet, guided_backprop, relevance):
        dx = backward(ours, x_ours, xp.asarray(dy))
        assert_same(dx, oracles.winner_takes_all(layer, x, dy), backward.__name__)
        assert dx.dtype == x.dtype


def test_of_equal_pixels_the_first_wins():
    x = np.zeros((1, 2, 4, 1))
    received = gradient(MaxPool2d(2), x, np.array([5.0, 7.0]).reshape(1, 1, 2, 1))
    assert received[0, :, :, 0].tolist() == [[5, 0, 7, 0], [0, 0, 0, 0]]


def test_max_pooling_never_takes_a_padded_pixel():
    x = np.full((1, 3, 3, 1), -4.0)
    pool = MaxPool2d(2, stride=2, padding=((1, 0), (1, 0)))
    assert pool.forward(x).ravel().tolist() == [-4] * 4
    assert gradient(pool, x, np.ones((1, 2, 2, 1))).sum() == 4


@pytest.mark.parametrize("pixels, window, stride, expected", [
    (28, 3, 1, 28), (28, 2, 2, 14), (7, 2, 2, 4), (5, 3, 2, 3), (5, 4, 1, 5), (1, 5, 1, 1), (2, 5, 3, 1), (7, 1, 3, 3)])
def test_same_padding_gives_the_ceiling_of_pixels_over_stride(pixels, window, stride, expected):
    x = np.ones((1, pixels, pixels, 1))
    for layer in (Conv2d(np.ones((window, window, 1, 1)), stride=stride), AvgPool2d(window, stride, "same"),
                  MaxPool2d(window, stride, "same"), SumPool2d(window, stride, "same")):
        assert layer.forward(x).shape == (1, expected, expected, 1), layer


def test_of_an_odd_padding_the_larger_half_comes_at_the_end():
    x = np.arange(1.0, 5.0).reshape(1, 1, 4, 1)
    y = Conv2d(np.ones((1, 2, 1, 1))).forward(x)
    assert y.ravel().tolist() == [3, 5, 7, 4], "the last window alone holds a padded pixel"


def test_a_convolution_does_not_turn_its_kernel():
    x = np.zeros((1, 3, 3, 1))
    x[0, 0, 2] = 1.0
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    assert Conv2d(kernel, padding="valid").forward(x).item() == kernel[0, 2, 0, 0] == 2


def test_average_pooling_counts_padding_only_if_told_to():
    x = np.ones((1, 2, 2, 1))
    assert AvgPool2d(3, 1, 1).forward(x).ravel().tolist() == [1, 1, 1, 1]
    assert AvgPool2d(3, 1, 1, count_padding=True).forward(x).ravel() == pytest.approx([4 / 9] * 4)
    assert SumPool2d(3, 1, 1).forward(x).ravel().tolist() == [4, 4, 4, 4]


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
    assert layer.settings() == settings
    assert type(layer)(**layer.settings(), **layer.arrays()).settings() == settings


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


def test_random_convolutions_keep_stride_and_padding():
    layer = Conv2d.random(3, 1, 2, np.random.default_rng(0), stride=2, padding="valid")
    assert layer.settings() == {"stride": (2, 2), "padding": "valid"}


def test_relu_sends_back_what_each_method_asks():
    """All four cases of the signs of input and signal in one square."""
    x, signal = np.array([[-2.0, 2], [2, -2]]), np.array([[-1.0, -1], [1, 1]])
    assert ReLU().forward(x).tolist() == [[0, 2], [2, 0]]
    assert gradient(ReLU(), x, signal).tolist() == [[0, -1], [1, 0]]
    assert deconvnet(ReLU(), x, signal).tolist() == [[0, 0], [1, 1]]
    assert guided_backprop(ReLU(), x, signal).tolist() == [[0, 0], [1, 0]]
    assert relevance(ReLU(), x, signal).tolist() == signal.tolist()
    assert gradient(ReLU(), np.zeros((1, 1)), np.ones((1, 1))).item() == 0, "the derivative at 0 is 0"


@pytest.mark.parametrize("layer, f, derivative", [
    (Sigmoid(), lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    (Tanh(), lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), lambda x: 1 / np.cosh(x) ** 2),
    (Softplus(), lambda x: np.log(1 + np.exp(x)), lambda x: 1 / (1 + np.exp(-x)))])
def test_smooth_activations_follow_their_formula_and_do_not_overflow(layer, f, derivative):
    x = np.linspace(-8, 8, 33)[None]
    assert_same(layer.forward(x), f(x), "forward")
    assert_same(layer.derivative(x, layer.forward(x)), derivative(x), "derivative")
    extreme = np.array([[-1e4, 1e4]], dtype=np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = layer.forward(extreme)
        dy = layer.derivative(extreme, y)
    assert y.dtype == dy.dtype == np.float32 and np.isfinite(y).all() and np.isfinite(dy).all()
    upper = {Sigmoid: 1, Tanh: 1, Softplus: 1e4}[type(layer)]
    assert y.tolist() == [[-1 if isinstance(layer, Tanh) else 0, upper]]


def test_flatten_lays_out_rows_then_columns_then_channels_and_back():
    x = np.arange(12.0).reshape(1, 2, 3, 2)
    y = Flatten().forward(x)
    assert y.tolist() == [list(range(12))]
    for backward in (gradient, deconvnet, guided_backprop, relevance):
        assert np.array_equal(backward(Flatten(), x, y), x)
    assert np.array_equal(deeplift(Flatten(), x, 0 * x, y), x)


def test_dropout_does_nothing_when_explaining():
    x = np.ones((2, 3))
    layer = Dropout(0.9)
    assert layer.forward(x) is x
    for backward in (gradient, deconvnet, guided_backprop, relevance):
        assert backward(layer, x, 2 * x).tolist() == (2 * x).tolist()
    assert deeplift(layer, x, 0 * x, 2 * x).tolist() == (2 * x).tolist()


def test_dropout_in_training_drops_its_share_and_scales_the_rest():
    x = np.ones((100, 100), dtype=np.float32)
    layer = Dropout(0.25).training(x, np.random.default_rng(0))
    y = layer.forward(x)
    assert y.dtype == np.float32 and set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02, (y == 0).mean()
    assert np.array_equal(gradient(layer, x, x), y), "the same units are shut on the way back"


@given(st.sampled_from([Conv2d(np.arange(18.0).reshape(3, 3, 1, 2)), Conv2d(np.arange(54.0).reshape(3, 3, 6, 1)),
                        MaxPool2d(2), AvgPool2d(2, 1), GlobalAvgPool()]), strategies.seeds)
def test_the_layout_of_an_image_in_memory_does_not_matter(layer, seed):
    """Channel-first images seen channel-last, mirrored images, every second pixel of an image."""
    C = layer.W.shape[2] if isinstance(layer, Conv2d) else 1
    x = np.random.default_rng(seed).normal(size=(2, C, 6, 8)).transpose(0, 2, 3, 1)
    for view in (x, x[:, ::-1, ::-1], x[:, ::2, ::2], np.broadcast_to(x[:1], x.shape)):
        y = layer.forward(view.copy())
        assert_same(layer.forward(view), y)
        assert_same(gradient(layer, view, y), gradient(layer, view.copy(), y))


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


def test_a_channel_scale_multiplies_channels():
    x = np.array([[1.0, 2.0]])
    assert ChannelScale(np.array([3.0, -1]), np.array([0.5, 0])).forward(x).tolist() == [[3.5, -2]]


@pytest.mark.parametrize("groups", [1, 3])
def test_a_transposed_1x1_convolution_may_have_a_row_more(groups):
    W, x = np.arange(1.0, 10).reshape(1, 1, 3, 3)[..., :3 // groups], np.arange(12.0).reshape(1, 2, 2, 3)
    layer = ConvTranspose2d(W, output_padding=1, groups=groups)
    y = layer.forward(x)
    assert y.shape == (1, 3, 3, 3) and not y[:, 2].any() and not y[:, :, 2].any()
    np.testing.assert_array_equal(y[:, :2, :2], x @ W[0, 0] if groups == 1 else x * W[0, 0, :, 0])
    assert (y * y).sum() == (x * layer.gradient(x, y, y)).sum()


@pytest.mark.parametrize("made, variance", [
    (lambda rng: Conv1d.random(5, 6, 8, rng), 2 / 30), (lambda rng: Conv1d.random(3, 6, 9, rng, groups=3), 2 / 6),
    (lambda rng: ConvTranspose2d.random(4, 6, 8, rng, stride=2), 2 / 24),
    (lambda rng: Dense.random(40, 30, rng, init="glorot"), 2 / 70)])
def test_random_weights_have_the_variance_that_keeps_signals_as_large(made, variance):
    W = np.concatenate([made(np.random.default_rng(seed)).W.ravel() for seed in range(20)])
    assert abs(W.var() / variance - 1) < 0.1 and abs(W.mean()) < 0.1 * variance ** 0.5
