"""Reading networks of another framework without having it: modules are known by the names of their classes.

The modules here are stand-ins of a few lines. That outputs equal torch's is tested in `tests/peers`, where torch is.
"""
import numpy as np
import pytest

from minixnn import layers
from minixnn.interop import from_torch, layout


class Tensor:
    """As much of a tensor as a reader may ask for."""

    def __init__(self, array):
        self.array, self.dtype = np.asarray(array), np.asarray(array).dtype

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.array


def module(kind, **attributes):
    """An instance of a class of that name with these attributes, and a `forward` of its own, as in torch."""
    made = type(kind, (), {"forward": lambda self: None})()
    for name, value in attributes.items():
        setattr(made, name, Tensor(value) if isinstance(value, np.ndarray) else value)
    return made


def sequential(*children):
    return module("Sequential", _modules={str(i): child for i, child in enumerate(children)})


def linear(W, b=None):
    return module("Linear", weight=W, bias=b)


def conv(W, b=None, **settings):
    return module("Conv2d", weight=W, bias=b, **{"stride": (1, 1), "padding": (0, 0), "groups": 1,
                                                 "dilation": (1, 1), "padding_mode": "zeros", **settings})


def pool(kind, size, **settings):
    special = {"dilation": 1, "return_indices": False} if kind == "MaxPool2d" else \
        {"count_include_pad": True, "divisor_override": None}
    return module(kind, kernel_size=size, **{"stride": size, "padding": 0, "ceil_mode": False, **special, **settings})


def flatten(start=1, end=-1):
    return module("Flatten", start_dim=start, end_dim=end)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_linear_module_becomes_a_dense_layer_transposed(rng):
    W, b = rng.normal(size=(2, 3)), rng.normal(size=2)
    layer, = from_torch(sequential(linear(W, b))).layers
    assert isinstance(layer, layers.Dense)
    assert np.array_equal(layer.W, W.T) and np.array_equal(layer.b, b)


def test_a_convolution_is_the_same_sum_over_the_same_pixels(rng):
    """The definition with torch's axes, by loops: y[n, o, h, w] = sum x[n, c, 2h + i - 1, w + j] W[o, c, i, j]."""
    W, b, x = rng.normal(size=(4, 2, 3, 2)), rng.normal(size=4), rng.normal(size=(1, 2, 5, 6))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    y = np.zeros((1, 4, 3, 5))
    for o, h, w in np.ndindex(4, 3, 5):
        y[0, o, h, w] = (padded[0, :, 2 * h:2 * h + 3, w:w + 2] * W[o]).sum() + b[o]
    net = from_torch(sequential(conv(W, b, stride=(2, 1), padding=(1, 0))))
    assert abs(net.forward(x.transpose(0, 2, 3, 1)) - y.transpose(0, 2, 3, 1)).max() < 1e-12


def test_the_features_behind_a_flatten_are_put_into_our_order(rng):
    """Features numbered c h w over there; the same picture must give the same product."""
    W, x = rng.normal(size=(4, 2 * 3 * 5)), rng.normal(size=(2, 2, 3, 5))
    net = from_torch(sequential(flatten(), module("ReLU"), module("Dropout", p=0.5), linear(W)), input_shape=(2, 3, 5))
    theirs = np.maximum(x.reshape(2, -1), 0) @ W.T
    assert abs(net.forward(x.transpose(0, 2, 3, 1)) - theirs).max() < 1e-12


def test_only_the_dense_layer_right_behind_the_flatten_is_reordered(rng):
    first, second = rng.normal(size=(6, 2 * 2 * 2)), rng.normal(size=(3, 6))
    net = from_torch(sequential(flatten(), linear(first), flatten(), linear(second)), input_shape=(2, 2, 2))
    assert np.array_equal(net.layers[-1].W, second.T)
    assert [type(layer).__name__ for layer in net.layers] == ["Flatten", "Dense", "Dense"]


def test_nesting_and_identity_leave_no_trace(rng):
    W = rng.normal(size=(3, 3))
    nested = sequential(sequential(linear(W), sequential(module("Tanh"))), module("Identity"), module("Sigmoid"))
    with pytest.warns(UserWarning, match="the Sigmoid at the end is left out"):
        net = from_torch(nested)
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "Tanh"] and net.card.head == "Sigmoid"
    x = rng.normal(size=(2, 3))
    assert np.allclose(net.probabilities(x), 1 / (1 + np.exp(-net.forward(x))))


def test_a_shared_module_is_read_as_often_as_it_runs():
    relu = module("ReLU")
    assert len(from_torch(sequential(relu, relu)).layers) == 2


def test_batch_normalisation_without_weights_scales_by_one(rng):
    mean, variance = rng.normal(size=3), rng.random(size=3) + 0.5
    norm = module("BatchNorm2d", running_mean=mean, running_var=variance, weight=None, bias=None, momentum=None,
                  eps=1e-3)
    x = rng.normal(size=(2, 4, 4, 3))
    assert abs(from_torch(sequential(norm)).forward(x) - (x - mean) / np.sqrt(variance + 1e-3)).max() < 1e-12


def test_a_global_pool_that_is_flattened_becomes_a_global_average(rng):
    W = rng.normal(size=(4, 3))
    net = from_torch(sequential(module("AdaptiveAvgPool2d", output_size=1), flatten(), linear(W)), (3, 5, 6))
    assert [type(layer).__name__ for layer in net.layers] == ["GlobalAvgPool", "Dense"]
    x = rng.normal(size=(2, 5, 6, 3))
    assert abs(net.forward(x) - x.mean(axis=(1, 2)) @ W.T).max() < 1e-12


def test_an_adaptive_pool_keeps_the_sizes_that_are_left_open():
    net = from_torch(sequential(module("AdaptiveAvgPool2d", output_size=(2, None))), (3, 6, 5))
    assert net.layers[0].size == (2, 5)


def test_whether_the_padding_counts_in_an_average_is_kept():
    for counted in (True, False):
        net = from_torch(sequential(pool("AvgPool2d", 3, padding=1, count_include_pad=counted)))
        assert net.layers[0].count_padding is counted


def test_sizes_rounded_up_become_padding_at_the_end():
    x = np.arange(25.0).reshape(1, 5, 5, 1)
    net = from_torch(sequential(pool("MaxPool2d", 2, ceil_mode=True)), (1, 5, 5))
    assert net.layers[0].padding == ((0, 1), (0, 1))
    assert np.array_equal(net.forward(x)[0, :, :, 0], [[6, 8, 9], [16, 18, 19], [21, 23, 24]])


@pytest.mark.parametrize("pixels, kernel, stride, padding, expected", [
    (5, 2, 2, 0, 1), (4, 2, 2, 0, 0), (7, 3, 2, 0, 0), (6, 3, 2, 0, 1), (5, 3, 3, 1, 0), (4, 1, 2, 0, 0),
    (3, 2, 2, 1, 0), (4, 2, 2, 1, 0), (5, 1, 3, 0, 0), (8, 3, 3, 1, 0), (7, 3, 3, 0, 2)])
def test_the_overhang_is_what_rounding_up_adds(pixels, kernel, stride, padding, expected):
    """Counted: windows start every `stride` pixels as long as they start before the end of the image."""
    starts = [start for start in range(0, pixels + padding, stride)
              if start < stride or start - stride + kernel < pixels + 2 * padding]
    counted = max(starts[-1] + kernel - pixels - 2 * padding, 0)
    assert layout.overhang(pixels, kernel, stride, padding) == counted == expected


def test_the_dtype_of_the_weights_is_kept(rng):
    for dtype in (np.float32, np.float64):
        assert from_torch(sequential(linear(rng.normal(size=(2, 3)).astype(dtype)))).layers[0].W.dtype == dtype


def refused(root, said, input_shape=(32, 8, 8)):
    with pytest.raises(ValueError) as refusal:
        from_torch(root, input_shape=input_shape)
    assert said in str(refusal.value), f"said: {refusal.value}\nexpected: {said}"


def test_what_cannot_be_represented_is_refused_by_name(rng):
    W = rng.normal(size=(2, 32, 3, 3))
    named = module("Sequential", _modules={"layer4": sequential(conv(W, padding_mode="circular"))})
    refused(named, "layer4.0: padding_mode='circular' is not supported")
    refused(sequential(module("ReLU"), module("Swoosh")), "1: Swoosh is not supported")
    refused(module("ResNet"), "ResNet: ResNet is not supported")
    refused(sequential(pool("MaxPool2d", 2, return_indices=True)), "0: return_indices=True is not supported")
    refused(sequential(pool("MaxPool2d", 2, dilation=2)), "0: dilation=(2, 2) is not supported")
    refused(sequential(pool("AvgPool2d", 2, divisor_override=3)), "0: divisor_override=3 is not supported")
    refused(sequential(flatten(start=0)), "0: flattens axes 0 to 3 of (N, 32, 8, 8), expected one row for each image")
    refused(sequential(flatten(), linear(rng.normal(size=(2, 8)))), "1: expects 8 inputs, but the input's shape leads")


def test_a_linear_module_on_images_mixes_their_columns(rng):
    """torch's last axis is the width; ours are the channels."""
    W, x = rng.normal(size=(2, 5)), rng.normal(size=(3, 4, 6, 5))
    net = from_torch(sequential(linear(W)), (4, 6, 5))
    assert [type(layer).__name__ for layer in net.layers] == ["Permute", "Dense", "Permute"]
    assert abs(net.forward(x.transpose(0, 2, 3, 1)) - (x @ W.T).transpose(0, 2, 3, 1)).max() < 1e-12


def test_a_flatten_at_the_end_keeps_the_order_of_the_other_side(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    net = from_torch(sequential(module("ReLU"), flatten()), (3, 4, 5))
    assert np.array_equal(net.forward(x.transpose(0, 2, 3, 1)), np.maximum(x, 0).reshape(2, -1))


def test_sizes_that_do_not_fit_are_found_while_reading(rng):
    refused(sequential(linear(rng.normal(size=(2, 7)))), "0: expects 7 inputs, but the input's shape leads to 6", (6,))
    refused(sequential(conv(rng.normal(size=(2, 32, 9, 9)))), "smaller than its window")
    refused(sequential(conv(rng.normal(size=(2, 3, 3, 3)))), "0: expects 3 channels, but the input's shape leads to 32")
    refused(sequential(module("ReLU")), "expected the shape of one input without the batch", (1, 2, 3, 4))


def test_an_image_with_its_axes_in_another_order_is_refused(rng):
    net = from_torch(sequential(flatten(), linear(rng.normal(size=(2, 60)))), (3, 4, 5))
    assert net.forward(rng.normal(size=(2, 4, 5, 3))).shape == (2, 2)
    with pytest.raises(ValueError, match=r"got inputs of shape \(3, 4, 5\), expected .*= \(4, 5, 3\); if the channels "
                                         r"come first, write x.transpose\(0, 2, 3, 1\)"):
        net.forward(rng.normal(size=(2, 3, 4, 5)))


def test_where_the_size_of_the_images_is_needed_it_is_asked_for(rng):
    flat, rounded = sequential(flatten(), linear(rng.normal(size=(2, 8)))), pool("MaxPool2d", 2, ceil_mode=True)
    for root in (flat, sequential(rounded)):
        refused(root, "input_shape=(channels, height, width)", input_shape=None)


def test_the_image_size_may_be_left_out_where_nothing_depends_on_it(rng):
    net = from_torch(sequential(conv(rng.normal(size=(2, 3, 3, 3))), module("AdaptiveAvgPool2d", output_size=1),
                                flatten(), linear(rng.normal(size=(4, 2)))))
    assert net.forward(rng.normal(size=(1, 5, 5, 3))).shape == (1, 4)
