"""Batch normalisation merged into its neighbours: where it can be, without a change; where not, it is named."""
import warnings

import numpy as np
import pytest

from minixnn import Network, layers, passes
from minixnn.layers import (AvgPool2d, BatchNorm2d, Branches, ChannelScale, ChannelSelect, ChannelShuffle, Conv2d,
                            ConvTranspose2d, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool2d, Multiply, ReLU,
                            Residual, Sigmoid, SumPool2d, Unflatten, Upsample)
from minixnn.layers.folding import fold_batch_norm
from minixnn.rules import composites, lrp
from tests.helpers import close, draw


@pytest.mark.filterwarnings("ignore:fold_batch_norm left")
@pytest.mark.parametrize("before, shape", [
    ([layers.Conv1d(draw(3, 2, 4))], (5, 2)), ([layers.Conv3d(draw(1, 2, 2, 2, 4), draw(4))], (2, 3, 3, 2)),
    ([layers.ConvTranspose3d(draw(1, 2, 2, 2, 2), draw(4), groups=2)], (2, 3, 3, 2)),
    ([layers.Conv2d(draw(1, 1, 2, 4)), layers.MaxPool2d(2, ceil=True)], (3, 3, 2)),
    ([layers.Conv2d(draw(1, 1, 2, 4)), layers.MaxOver(1)], (3, 3, 2)),
    ([layers.Conv2d(draw(1, 1, 2, 4)), layers.Permute((0, 2, 1)), layers.MaxOver(-1), layers.Gather([1, 0, 2, 3], -1)],
     (3, 3, 2)), ([layers.Dense(draw(4, 4)), layers.Contract(draw(4), "nc,c->nc")], (4,))])
def test_folding_batch_normalisation_changes_no_number(before, shape):
    rng = np.random.default_rng(0)
    norm = layers.BatchNorm2d(*rng.normal(size=(3, 4)), rng.random(4) + 0.5)
    x = draw(3, *shape)
    for net in (Network([*before, norm]), Network([*before, norm, layers.ReLU(), norm])):
        close(fold_batch_norm(net).forward(x), net.forward(x))


def drawn(rng, channels, dtype="float32"):
    """A layer as after training: all four arrays differ from their start, gamma and beta of both signs."""
    return BatchNorm2d(*rng.normal(size=(3, channels)).astype(dtype), (rng.random(channels) + 0.2).astype(dtype))


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


def scale(rng, channels, positive=False):
    layer = drawn(rng, channels, "float64")
    layer.gamma = abs(layer.gamma) if positive else layer.gamma
    return layer


def conv(rng, *shape, **settings):
    return Conv2d(rng.normal(size=shape), rng.normal(size=shape[-1]), **settings)


def unshifted(layer):
    """Without what is added at the end: beta cancels the mean."""
    layer.beta = layer.mean * layer.W
    return layer


VALID, GROUPS = {"padding": "valid"}, {"padding": "valid", "groups": 2}
PLACES = {                                      # layers that begin with 4 channels, of which all scales can be merged
    "behind a convolution": lambda r: [conv(r, 3, 3, 4, 5), scale(r, 5), ReLU()],
    "behind one with groups": lambda r: [conv(r, 3, 3, 2, 6, groups=2), scale(r, 6), ReLU()],
    "behind a transposed one": lambda r: [ConvTranspose2d(r.normal(size=(2, 2, 4, 3)), None, 2, groups=2), scale(r, 6)],
    "behind Dropout and pools": lambda r: [conv(r, 3, 3, 4, 5), Dropout(), AvgPool2d(2, 2, "same"), Upsample(2),
                                           scale(r, 5)],
    "behind a maximum": lambda r: [conv(r, 3, 3, 4, 5), MaxPool2d(2, 1), scale(r, 5, positive=True), ReLU()],
    "behind a shuffle": lambda r: [conv(r, 3, 3, 4, 6), ChannelShuffle(3), scale(r, 6), ReLU()],
    "behind a sum": lambda r: [Residual([ReLU(), conv(r, 3, 3, 4, 5)], [conv(r, 1, 1, 4, 5)]), scale(r, 5), ReLU()],
    "behind a concatenation": lambda r: [Branches([[conv(r, 3, 3, 4, 2)], [ReLU(), conv(r, 1, 1, 4, 3)]]),
                                         scale(r, 5)],
    "behind a gate": lambda r: [Branches([[conv(r, 1, 1, 4, 4)], [Sigmoid()]], Multiply()), unshifted(scale(r, 4)),
                                ReLU()],
    "before a convolution": lambda r: [ReLU(), scale(r, 4), conv(r, 3, 3, 4, 5, **VALID)],
    "before one with groups": lambda r: [ReLU(), scale(r, 4), conv(r, 3, 3, 2, 6, **GROUPS)],
    "before a single pixel": lambda r: [ReLU(), scale(r, 4), conv(r, 1, 1, 4, 5, stride=2)],
    "before padding, unshifted": lambda r: [ReLU(), unshifted(scale(r, 4)), conv(r, 3, 3, 4, 5, padding=1)],
    "before a transposed one, unshifted": lambda r: [
        ReLU(), unshifted(scale(r, 4)), ConvTranspose2d(r.normal(size=(2, 2, 4, 3)))],
    "before pools": lambda r: [ReLU(), scale(r, 4), AvgPool2d(2), Dropout(), ChannelShuffle(2), conv(r, 1, 1, 4, 2)],
    "before a choice": lambda r: [ReLU(), scale(r, 4), ChannelSelect(1, 3), conv(r, 1, 1, 2, 2)],
    "before branches": lambda r: [ReLU(), scale(r, 4),
                                  Branches([[conv(r, 1, 1, 4, 2)], [AvgPool2d(3, 1, "same"), conv(r, 1, 1, 4, 3)]])],
    "before Flatten": lambda r: [ReLU(), scale(r, 4), Flatten(), Dense(r.normal(size=(120, 3)), r.normal(size=3))],
    "before a mean and a dense layer": lambda r: [ReLU(), scale(r, 4), GlobalAvgPool(), Dense(r.normal(size=(4, 3)))],
    "two of them": lambda r: [ReLU(), scale(r, 4), scale(r, 4), conv(r, 2, 2, 4, 5, **VALID), scale(r, 5)],
    "inside a branch": lambda r: [Residual([conv(r, 3, 3, 4, 4), scale(r, 4), ReLU()]), ReLU()],
}


@pytest.mark.parametrize("place", PLACES)
def test_a_scale_is_merged_wherever_a_neighbour_can_take_it(place):
    rng = np.random.default_rng(8)
    net, x = Network(PLACES[place](rng)), rng.normal(size=(2, 6, 5, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folded = fold_batch_norm(net)
    assert not any(isinstance(layer, ChannelScale) for layer in folded.layers), folded
    y = net.forward(x)
    np.testing.assert_allclose(folded.forward(x), y, rtol=1e-10, atol=1e-10 * abs(y).max())


STAYS = {
    "the input": lambda r: [scale(r, 4)],
    "between two activations": lambda r: [ReLU(), scale(r, 4), ReLU(), conv(r, 3, 3, 4, 5)],
    "before a convolution with padding": lambda r: [ReLU(), scale(r, 4), conv(r, 3, 3, 4, 5, padding=1)],
    "behind a shortcut": lambda r: [Residual([conv(r, 3, 3, 4, 4)]), scale(r, 4), ReLU()],
    "behind a dense block": lambda r: [Branches([[], [conv(r, 3, 3, 4, 2)]]), scale(r, 6), ReLU(), conv(r, 1, 1, 6, 2)],
    "behind a maximum that it turns": lambda r: [conv(r, 3, 3, 4, 4), MaxPool2d(2), scale(r, 4), ReLU()],
    "behind padding that counts": lambda r: [conv(r, 3, 3, 4, 4), AvgPool2d(3, 1, 1, True), scale(r, 4), ReLU()],
    "behind a sum over windows": lambda r: [conv(r, 3, 3, 4, 4), SumPool2d(2), scale(r, 4), ReLU()],
    "two of them": lambda r: [ReLU(), scale(r, 4), scale(r, 4), ReLU()],
}


@pytest.mark.parametrize("place", STAYS)
def test_a_scale_that_no_neighbour_can_take_stays_and_is_named(place):
    rng = np.random.default_rng(9)
    net, x = Network(STAYS[place](rng)), rng.normal(size=(2, 6, 5, 4))
    l = next(l for l, layer in enumerate(net.layers) if isinstance(layer, BatchNorm2d))
    with pytest.warns(UserWarning, match=f"left a ChannelScale in place of layer {l}, BatchNorm2d.* behind .*No neig"):
        folded = fold_batch_norm(net)
    assert [type(layer) for layer in folded.layers if isinstance(layer, ChannelScale)] == [ChannelScale]
    y = net.forward(x)
    np.testing.assert_allclose(folded.forward(x), y, rtol=1e-10, atol=1e-10 * abs(y).max())
    R = passes.lrp(folded, x, start=y)
    assert np.isfinite(R[0]).all()


def after(rng, *front, channels=6):
    """A network for images (8, 8, 2): the layers of `front`, a normalisation, and a head."""
    return Network([*front, drawn(rng, channels, "float64"), ReLU(), GlobalAvgPool(), Dense.random(channels, 3, rng)])


@pytest.mark.parametrize("front", [
    lambda rng: [Branches([[Conv2d.random(3, 2, 4, rng)], [ConvTranspose2d.random(1, 2, 2, rng)]])],
    lambda rng: [Branches([[Conv2d.random(3, 2, 4, rng)], [Conv2d.random(1, 2, 2, rng), ChannelScale(np.ones(2))]])],
    lambda rng: [Branches([[Conv2d.random(3, 2, 4, rng)], [ChannelSelect(0, 2)]])],
    lambda rng: [Branches([[Conv2d.random(3, 2, 4, rng)], [Conv2d.random(1, 2, 2, rng), ReLU()]])],
    lambda rng: [Branches([[Conv2d.random(3, 2, 4, rng)], [Residual([Conv2d.random(3, 2, 2, rng)])]])],
    lambda rng: [Conv2d.random(3, 2, 6, rng),
                 Branches([[], [GlobalAvgPool(), Sigmoid(), Unflatten((1, 1, 6))]], Multiply())],
    lambda rng: [Conv2d.random(3, 2, 6, rng), Dropout(0.5), MaxPool2d(2), Upsample(2)],
    lambda rng: [Conv2d.random(3, 2, 6, rng), ReLU()],
], ids=["transposed chain", "scaled chain", "selected chain", "ReLU at the end", "block in a chain", "gates", "moves",
        "ReLU"])
def test_folding_changes_nothing_wherever_the_normalisation_stands(front):
    rng = np.random.default_rng(0)
    net, x = after(rng, *front(rng)).astype("float64"), rng.normal(size=(3, 8, 8, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                     # what cannot be folded is named, and stays a ChannelScale
        folded = fold_batch_norm(net)
    assert not any(isinstance(layer, BatchNorm2d) for layer in folded.layers)
    np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-9, atol=1e-9)
