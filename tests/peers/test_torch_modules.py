"""Modules of torch become layers: each kind of module, by hand. What stands in a forward is in `test_functions.py`."""
import numpy as np
import pytest

from minixnn import layers, passes
from minixnn.interop import from_torch
from tests.peers import libraries

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))


def tensor(array):
    return torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(array)))


def module(kind, **settings):
    return getattr(torch.nn, kind)(**settings)


def sequential(*children):
    return torch.nn.Sequential(*children)


def linear(W, b=None):
    made = torch.nn.Linear(W.shape[1], W.shape[0], bias=b is not None)
    made.weight = tensor(W)
    if b is not None:
        made.bias = tensor(b)
    return made


def conv(W, b=None, **settings):
    made = torch.nn.Conv2d(W.shape[1], W.shape[0], W.shape[2:], bias=b is not None, **settings)
    made.weight = tensor(W)
    if b is not None:
        made.bias = tensor(b)
    return made


def pool(kind, size, **settings):
    return getattr(torch.nn, kind)(size, **settings)


def flatten(start=1, end=-1):
    return torch.nn.Flatten(start, end)


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
    norm = module("BatchNorm2d", num_features=3, affine=False, momentum=None, eps=1e-3).double()
    norm.running_mean, norm.running_var = torch.from_numpy(mean), torch.from_numpy(variance)
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
    assert net.layers[0].ceil
    assert np.array_equal(net.forward(x)[0, :, :, 0], [[6, 8, 9], [16, 18, 19], [21, 23, 24]])


def test_the_dtype_of_the_weights_is_kept(rng):
    for dtype in (np.float32, np.float64):
        assert from_torch(sequential(linear(rng.normal(size=(2, 3)).astype(dtype)))).layers[0].W.dtype == dtype


def refused(root, said, input_shape=(32, 8, 8)):
    with pytest.raises(ValueError) as refusal:
        from_torch(root, input_shape=input_shape)
    assert said in str(refusal.value), f"said: {refusal.value}\nexpected: {said}"


def test_what_cannot_be_represented_is_refused_by_name(rng):
    class Swoosh(torch.nn.Module):
        def forward(self, x):
            return torch.fft.rfft2(x).abs()

    refused(sequential(module("ReLU"), Swoosh()), "1: fft_rfft2: _fft_r2c is not supported")
    refused(sequential(pool("MaxPool2d", 2, return_indices=True)), "forward returns tuple with [0, 1]")
    refused(sequential(flatten(start=0)), "the output is")
    refused(sequential(flatten(), linear(rng.normal(size=(2, 8)))), "does not take inputs of shape (2, 32, 8, 8)")


@pytest.mark.parametrize("kind, settings", [("MaxPool2d", {"dilation": 2}), ("AvgPool2d", {"divisor_override": 3}),
                                            ("MaxPool2d", {"dilation": 2, "ceil_mode": True, "padding": 1})])
def test_pools_of_any_kind(kind, settings, rng):
    made, x = pool(kind, 2, **settings), rng.normal(size=(2, 3, 8, 7))
    net = from_torch(sequential(made), (3, 8, 7))
    theirs = made(torch.from_numpy(x)).numpy()
    assert abs(net.forward(x.transpose(0, 2, 3, 1)) - theirs.transpose(0, 2, 3, 1)).max() < 1e-12


def test_padding_that_repeats_pixels(rng):
    for mode in ("circular", "reflect", "replicate"):
        made = conv(rng.normal(size=(2, 3, 3, 3)), padding_mode=mode, padding=1)
        x = rng.normal(size=(2, 3, 5, 4))
        net = from_torch(sequential(made), (3, 5, 4))
        theirs = made(torch.from_numpy(x)).detach().numpy()
        assert abs(net.forward(x.transpose(0, 2, 3, 1)) - theirs.transpose(0, 2, 3, 1)).max() < 1e-12, mode


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
    refused(sequential(linear(rng.normal(size=(2, 7)))), "does not take inputs of shape (2, 6)", (6,))
    refused(sequential(conv(rng.normal(size=(2, 32, 9, 9)))), "does not take inputs of shape (2, 32, 8, 8)")
    refused(sequential(conv(rng.normal(size=(2, 3, 3, 3)))), "give input_shape=(channels, height, width)")
    refused(sequential(module("ReLU")), "expected the shape of one input without the batch", (1, 2, 3, 4, 5))


def test_an_image_with_its_axes_in_another_order_is_refused(rng):
    net = from_torch(sequential(flatten(), linear(rng.normal(size=(2, 60)))), (3, 4, 5))
    assert net.forward(rng.normal(size=(2, 4, 5, 3))).shape == (2, 2)
    with pytest.raises(ValueError, match=r"got inputs of shape \(3, 4, 5\), expected .*= \(4, 5, 3\); if the channels "
                                         r"come first, write x.transpose\(0, 2, 3, 1\)"):
        net.forward(rng.normal(size=(2, 3, 4, 5)))


class OfFilms(torch.nn.Module if torch is not None else object):
    """(N, frames, channels, height, width), as VideoMAE and ViViT of transformers take them."""

    def __init__(self):
        super().__init__()
        self.tubes, self.score = torch.nn.Conv3d(3, 5, (2, 4, 4), stride=(2, 4, 4)), torch.nn.Linear(5, 2)

    def forward(self, x):
        return self.score(self.tubes(x.permute(0, 2, 1, 3, 4)).flatten(2).transpose(1, 2).tanh().mean(1))


def test_films_are_read_and_refused_with_their_axes_in_another_order(rng):
    network, x = OfFilms().double(), rng.normal(size=(3, 4, 3, 8, 8))
    net, moved = from_torch(network, (4, 3, 8, 8)), np.ascontiguousarray(x.transpose(0, 2, 3, 4, 1))
    films, start = torch.tensor(x, requires_grad=True), rng.normal(size=(3, 2))
    expected = network(films)
    np.testing.assert_allclose(net.forward(moved), expected.detach().numpy(), rtol=1e-12)
    gradient, = torch.autograd.grad(expected, films, torch.from_numpy(start))
    np.testing.assert_allclose(passes.gradient(net, moved, start=start)[0].transpose(0, 4, 1, 2, 3), gradient.numpy(),
                               rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match=r"got inputs of shape \(4, 3, 8, 8\), expected \(3, 8, 8, 4\); if axis 1 "
                                         r"belongs at the end, write x.transpose\(0, 2, 3, 4, 1\)"):
        net.forward(x)
    with pytest.raises(ValueError, match=r"got inputs of shape \(4, 8, 8, 3\), expected \(3, 8, 8, 4\)"):
        net.forward(x.transpose(0, 1, 3, 4, 2))


def test_where_the_size_of_the_images_is_needed_it_is_asked_for(rng):
    refused(sequential(flatten(), linear(rng.normal(size=(2, 8)))), "input_shape=(channels, height, width)", None)
    images = sequential(conv(rng.normal(size=(2, 3, 3, 3))), flatten(), linear(rng.normal(size=(2, 8))))
    refused(images, "give input_shape=(channels, height, width)", None)


def test_sizes_are_rounded_up_at_any_size():
    net = from_torch(sequential(pool("MaxPool2d", 2, ceil_mode=True)))
    for pixels in (4, 5):
        assert net.forward(np.zeros((1, pixels, pixels, 3))).shape == (1, -(-pixels // 2), -(-pixels // 2), 3)


def test_the_image_size_may_be_left_out_where_nothing_depends_on_it(rng):
    net = from_torch(sequential(conv(rng.normal(size=(2, 3, 3, 3))), module("AdaptiveAvgPool2d", output_size=1),
                                flatten(), linear(rng.normal(size=(4, 2)))))
    assert net.forward(rng.normal(size=(1, 5, 5, 3))).shape == (1, 4)


class OfNames(torch.nn.Module if torch is not None else object):
    """forward names its first input only; the second comes by **kwargs, and decides nothing unless `uses`."""

    def __init__(self, uses):
        super().__init__()
        self.linear, self.uses = torch.nn.Linear(3, 2).double(), uses

    def forward(self, x, **kwargs):
        return self.linear(x) * torch.tanh(self.linear(kwargs["z"])) if self.uses else self.linear(x)


def test_an_input_that_forward_takes_by_kwargs_is_an_input(rng):
    network, example = OfNames(True), {name: torch.from_numpy(rng.normal(size=(2, 3))) for name in "xz"}
    net = from_torch(network, example=example)
    for rows in (1, 5):
        x, z = rng.normal(size=(2, rows, 3))
        expected = network(torch.from_numpy(x), z=torch.from_numpy(z)).detach().numpy()
        np.testing.assert_allclose(net.forward((x, z)), expected, rtol=1e-12)
    assert "forward" not in vars(network), "the module is left as it was"


def test_an_input_that_decides_nothing_is_named(rng):
    network, example = OfNames(False), {name: torch.from_numpy(rng.normal(size=(2, 3))) for name in "xz"}
    with pytest.raises(ValueError, match="the output does not depend on the input 'z'; leave it out of the example"):
        from_torch(network, example=example)
    net, x = from_torch(network, example=example, fixed={"z": example["z"][:1]}), rng.normal(size=(4, 3))
    np.testing.assert_allclose(net.forward(x), network(torch.from_numpy(x)).detach().numpy(), rtol=1e-12)


def test_an_input_that_forward_does_not_take_is_named(rng):
    with pytest.raises(ValueError, match="Linear: its forward does not take this example: .*'z'"):
        from_torch(torch.nn.Linear(3, 2), example={"input": torch.zeros(2, 3), "z": torch.zeros(2, 3)})


@pytest.mark.parametrize("centred", [False, True])
def test_a_norm_of_each_head_that_is_written_out_is_a_norm(centred, rng):
    class Heads(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.queries, self.gamma = torch.nn.Linear(6, 8).double(), torch.nn.Parameter(torch.rand(4).double())

        def forward(self, x):
            q = self.queries(x).view(len(x), -1, 2, 4)
            q = q - q.mean(-1, keepdim=True) if centred else q
            return (q * torch.rsqrt(q.pow(2).mean(-1, keepdim=True) + 1e-6) * self.gamma).flatten(2)
    network, x = Heads(), rng.normal(size=(3, 5, 6))
    net = from_torch(network, example=torch.from_numpy(x))
    np.testing.assert_allclose(net.forward(x), network(torch.from_numpy(x)).detach().numpy(), rtol=1e-12)
    kind = layers.LayerNorm if centred else layers.RMSNorm
    assert [type(layer) for layer in net.layers if isinstance(layer, layers.LayerNorm)] == [kind], net.describe()
    assert not any(isinstance(layer, layers.Multiply) for layer in net.layers), net.describe()
