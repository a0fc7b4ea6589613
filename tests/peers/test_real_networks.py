"""Are public architectures, read from torch, what torch runs, and explained as zennit explains them?

torchvision is not needed: `torchvision_like.py` has its architectures. Weights are
random, but those of the classifier that ships.
"""
import numpy as np
import pytest

from minixnn import datasets, models, passes
from minixnn.interop import from_torch
from minixnn.layers import BatchNorm2d
from minixnn.layers.folding import fold_batch_norm
from minixnn.rules import composites
from tests.peers import twins
from tests.peers.libraries import REASONS, torch, zennit

if torch is None:
    pytest.skip(REASONS["torch"], allow_module_level=True)
from tests.peers.torchvision_like import (NARROW, BasicBlock, Bottleneck, ResNet, alexnet, filled,
                                          vgg)

nn = torch.nn


def images(size, seed=1, count=1):
    return np.random.default_rng(seed).normal(size=(count, size, size + 1 if size < 224 else size, 3)).astype("float32")


def tensor_of(x):
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def assert_same_outputs(module, net, x):
    with torch.no_grad():
        expected = module(tensor_of(x)).numpy()
    found = net.forward(x)
    largest = abs(found - expected).max() / abs(expected).max()
    print(f"largest difference of outputs {largest:.1e} of the largest output")
    assert largest < 1e-4, f"outputs differ by {largest:.2g} of the largest"


@pytest.mark.parametrize("depth, norm", [(11, False), (16, True)])
def test_narrow_vgg_at_any_size(depth, norm):
    module = filled(lambda: vgg(NARROW[depth], norm, hidden=50, classes=10))
    net = from_torch(module)
    for size in (32, 100, 224):                             # smaller than the pool's 7 x 7, between, and exactly
        assert_same_outputs(module, net, images(size))


def test_a_full_size_classifier_on_a_224_image():
    module = filled(alexnet)
    net = from_torch(module, (3, 224, 224))
    assert_same_outputs(module, net, images(224))


@pytest.mark.parametrize("block, counts, size", [
    (BasicBlock, (2, 2, 2, 2), 64), (Bottleneck, (3, 4, 6, 3), 64)], ids=["resnet18", "resnet50"])
def test_resnets(block, counts, size):
    module = filled(lambda: ResNet(block, counts))
    net = from_torch(module)
    assert_same_outputs(module, net, images(size))
    assert_same_outputs(module, fold_batch_norm(net), images(size))


# --- explained as zennit does ----------------------------------------------------------------------------------------

def ours_to_zero(z):
    """Our `stabilize(z)` with epsilon 0, as one of zennit's stabilisers: R / 0 counts as 0."""
    return torch.where(z == 0, torch.full_like(z, torch.inf), z)


def by_zennit(module, x, start, **knobs):
    """Relevance of the pixels by zennit's EpsilonPlusFlat with its canonizer for ResNets."""
    tensor = tensor_of(x).requires_grad_()
    composite = zennit.composites.EpsilonPlusFlat(canonizers=[zennit.torchvision.ResNetCanonizer()], **knobs)
    with composite.context(module) as canonized:
        y = canonized(tensor)
        gradient, = torch.autograd.grad(y, tensor, torch.from_numpy(start))
    return gradient.numpy().transpose(0, 2, 3, 1)


@pytest.mark.skipif(zennit is None, reason=REASONS.get("zennit", ""))
@pytest.mark.parametrize("exact", [True, False])
def test_resnet18_is_explained_by_epsilon_plus_flat_as_by_zennit(exact, monkeypatch):
    """In double precision to 1e-8, where the two mean the same; to 1e-3 with all of zennit's defaults.

    Where they are to mean the same, zennit gets our stabilisers: 1e-6 for average pools and for the sums of blocks.
    The defaults differ in two: zennit adds 1e-6 to every denominator, and the batch normalisation that it empties
    goes on dividing by sqrt(1 + 1e-5), twenty times.
    """
    monkeypatch.setattr(zennit.torchvision, "ResNetBasicBlock", BasicBlock)
    module = filled(lambda: ResNet(BasicBlock, (2, 2, 2, 2), classes=10)).double()
    net = from_torch(module)
    x = images(64, count=2).astype("float64")
    knobs = {}
    if exact:
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = 0.0
        for layer in net.layers:
            if isinstance(layer, BatchNorm2d):
                layer.epsilon = 0.0
        small = zennit.rules.Norm(stabilizer=1e-6)
        knobs = {"stabilizer": ours_to_zero, "layer_map": [(zennit.types.AvgPool, small), (zennit.layer.Sum, small)]}
    folded = fold_batch_norm(net)
    R = passes.lrp(folded, x, rules=composites.epsilon_plus_flat)
    theirs = by_zennit(module, x, R[-1], **knobs)
    largest = abs(R[0] - theirs).max() / abs(theirs).max()
    correlation = np.corrcoef(R[0].ravel(), theirs.ravel())[0, 1]
    print(f"relevance differs by {largest:.1e} of the largest; correlation {correlation:.9f}")
    assert abs(theirs).max() > 0 and largest < (1e-8 if exact else 1e-3), f"{largest:.2g}, correlation {correlation}"


@pytest.mark.skipif(zennit is None, reason=REASONS.get("zennit", ""))
@pytest.mark.parametrize("exact", [True, False])
def test_the_classifier_of_photographs_is_explained_as_by_zennit(exact):
    """EfficientNet-Lite0, trained, on photographs: exactly in double precision where the two mean the same.

    zennit's defaults differ from ours: 1e-6 in every denominator. Average pools and sums of blocks take 1e-6 in both.
    The last two rows and columns are left out: torch has no convolution that pads one side alone, so there a layer
    pads, and the flat rule of the convolution behind it hands relevance to the padding.
    """
    net, x = models.load("efficientnet_lite0"), np.stack([datasets.photo(name, 224) for name in ("chelsea", "coffee")])
    knobs = {}
    if exact:
        net, x = net.astype("float64"), x.astype("float64")
        small = zennit.rules.Norm(stabilizer=1e-6)
        knobs = {"stabilizer": ours_to_zero, "layer_map": [(zennit.types.AvgPool, small), (zennit.layer.Sum, small)]}
    module = twins.twin(net.part(1, len(net.layers)), net.layers[0].forward(x[:1]).shape[1:])
    R = passes.lrp(net, x, rules=composites.epsilon_plus_flat)
    prepared = tensor_of(net.layers[0].forward(x)).requires_grad_()
    with zennit.composites.EpsilonPlusFlat(**knobs).context(module) as modified:
        y = modified(prepared)
        theirs, = torch.autograd.grad(y, prepared, torch.from_numpy(R[-1]))
    np.testing.assert_allclose(y.detach().numpy(), net.forward(x), atol=1e-4)
    ours, theirs = R[0][:, :222, :222], theirs.numpy().transpose(0, 2, 3, 1)[:, :222, :222]
    largest = abs(ours - theirs).max() / abs(theirs).max()
    correlation = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    print(f"relevance differs by {largest:.1e} of the largest; correlation {correlation:.9f}")
    assert abs(theirs).max() > 0 and correlation > 0.999 and largest < (1e-12 if exact else 1e-4), f"{largest:.2g}"
