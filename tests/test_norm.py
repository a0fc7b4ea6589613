"""Batch normalisation: does it learn what it should, and can it be folded away without a change?"""
import numpy as np
import pytest

from minixnn import Network, fold_batch_norm, passes
from minixnn.layers import BatchNorm2d, Conv2d, Dense, Flatten, MaxPool2d, ReLU
from minixnn.rules import composites, lrp
from minixnn.train import SGD, fit


def drawn(rng, channels, dtype="float32"):
    """A layer as after training: all four arrays differ from their start, gamma and beta of both signs."""
    return BatchNorm2d(*rng.normal(size=(3, channels)).astype(dtype), (rng.random(channels) + 0.2).astype(dtype))


def test_explaining_it_is_the_formula_of_the_paper_with_fixed_statistics():
    rng = np.random.default_rng(0)
    layer, x = drawn(rng, 3, "float64"), rng.normal(size=(2, 4, 5, 3))
    expected = layer.gamma * (x - layer.mean) / np.sqrt(layer.variance + 1e-5) + layer.beta
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12)


def test_in_training_each_channel_has_mean_beta_and_deviation_gamma():
    rng = np.random.default_rng(1)
    layer, x = drawn(rng, 3, "float64"), 5 + 3 * rng.normal(size=(8, 4, 5, 3))
    y = layer.training(x, rng).forward(x)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), layer.beta, atol=1e-10)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), abs(layer.gamma), rtol=1e-4)


def test_running_statistics_move_towards_those_of_the_batch_by_the_momentum():
    rng = np.random.default_rng(2)
    layer, x = BatchNorm2d.identity(2, "float64"), 5 + 3 * rng.normal(size=(2, 3, 2, 2))
    layer.momentum = 0.3
    layer.training(x, rng)
    np.testing.assert_allclose(layer.mean, 0.3 * x.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(layer.variance, 0.7 + 0.3 * x.var(axis=(0, 1, 2), ddof=1), rtol=1e-12)


def test_running_statistics_arrive_at_those_of_the_data():
    rng = np.random.default_rng(3)
    layer = BatchNorm2d.identity(1)
    for _ in range(100):
        layer.training((5 + 3 * rng.normal(size=(100, 4, 4, 1))).astype("float32"), rng)
    assert layer.mean == pytest.approx(5, abs=0.1) and layer.variance == pytest.approx(9, abs=0.4)
    assert layer.mean.dtype == layer.variance.dtype == np.float32


def test_a_new_layer_changes_nothing_and_its_arrays_are_its_own():
    layer = BatchNorm2d.identity(2)
    x = np.random.default_rng(4).normal(size=(2, 3, 3, 2)).astype("float32")
    np.testing.assert_allclose(layer.forward(x), x, rtol=1e-5)
    arrays = list(layer.arrays().values())
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_fitting_moves_gamma_beta_and_statistics():
    rng = np.random.default_rng(5)
    net = Network([Conv2d.random(3, 1, 2, rng, bias=False), BatchNorm2d.identity(2), ReLU(), Flatten(),
                   Dense.random(32, 2, rng)])
    x, labels = rng.normal(size=(50, 4, 4, 1)).astype("float32"), rng.integers(0, 2, 50)
    before = {name: a.copy() for name, a in net.layers[1].arrays().items()}
    fit(net, x, labels, epochs=1, rng=rng, optimizer=SGD(0.1), batch_size=10, quiet=True)
    for name, a in net.layers[1].arrays().items():
        assert not np.array_equal(a, before[name]), name
        assert a.dtype == np.float32


def normalised(rng, bias):
    return Network([Conv2d.random(3, 1, 6, rng, bias, padding=1), drawn(rng, 6), ReLU(), MaxPool2d(2),
                    Conv2d.random(2, 6, 4, rng, bias, stride=2), drawn(rng, 4), ReLU(), Flatten(),
                    Dense.random(16, 5, rng, bias), drawn(rng, 5), ReLU(), Dense.random(5, 3, rng)])


@pytest.mark.parametrize("bias", [True, False])
def test_folding_leaves_the_outputs_and_gradients_as_they_are(bias):
    rng = np.random.default_rng(6)
    net, x = normalised(rng, bias), rng.normal(size=(4, 8, 8, 1)).astype("float32")
    for layer in net.layers:
        if bias and isinstance(layer, (Conv2d, Dense)):
            layer.b += rng.normal(size=layer.b.shape).astype("float32")
    before = [a.copy() for layer in net.layers for a in layer.arrays().values() if a is not None]
    folded = fold_batch_norm(net)
    assert [type(layer) for layer in folded.layers] == [type(layer) for layer in net.layers
                                                        if not isinstance(layer, BatchNorm2d)]
    scale = abs(net.forward(x)).max()
    assert abs(folded.forward(x) - net.forward(x)).max() < 1e-5 * scale
    assert folded.forward(x).dtype == np.float32
    g, g_folded = passes.gradient(net, x)[0], passes.gradient(folded, x)[0]
    assert abs(g - g_folded).max() < 1e-5 * abs(g).max()
    after = [a for layer in net.layers for a in layer.arrays().values() if a is not None]
    assert all(map(np.array_equal, before, after)), "the network itself is not changed"


def test_folding_makes_lrp_0_the_same_and_lets_other_rules_see_one_layer():
    """LRP-0 does not care into how many affine layers a map is cut only where no bias absorbs in between."""
    rng = np.random.default_rng(7)
    net, x = normalised(rng, bias=False).astype("float64"), rng.normal(size=(2, 8, 8, 1))
    for layer in net.layers:
        if isinstance(layer, BatchNorm2d):
            layer.beta, layer.mean = 0 * layer.beta, 0 * layer.mean
    folded = fold_batch_norm(net)
    whole, cut = (passes.lrp(each, x, rules=lrp.epsilon)[0] for each in (folded, net))
    np.testing.assert_allclose(whole, cut, rtol=1e-3, atol=1e-5 * abs(cut).max())
    assert not np.allclose(*(passes.lrp(each, x, rules=composites.epsilon_alpha2_beta1)[0] for each in (folded, net)))


@pytest.mark.parametrize("layers, behind", [
    ([BatchNorm2d.identity(1)], "behind the input"),
    ([ReLU(), BatchNorm2d.identity(1)], r"layer 1 is BatchNorm2d.*behind ReLU\(\)"),
    ([Conv2d(np.ones((1, 1, 1, 1))), ReLU(), BatchNorm2d.identity(1)], "layer 2 is")])
def test_a_normalisation_that_has_nothing_to_be_folded_into_is_named(layers, behind):
    with pytest.raises(ValueError, match=f"{behind}.*only into a Conv2d or Dense directly before it"):
        fold_batch_norm(Network(layers))
