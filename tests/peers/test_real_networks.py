"""Are public architectures, read from their weights, what torch runs, and explained as zennit explains them?

torchvision is not needed: the architectures are written down here, from the papers and torchvision's documentation,
with the names that its state dicts have. Weights are random, but those of the classifier that ships.
"""
import numpy as np
import pytest

from minixnn import datasets, models, passes
from minixnn.interop import checkpoints, from_checkpoint
from minixnn.interop import to_torch as to_torch_module
from minixnn.layers import BatchNorm2d
from minixnn.layers.norm import fold_batch_norm
from minixnn.layers.chains import every_layer
from minixnn.rules import composites
from tests.peers import efficientnet
from tests.peers.libraries import REASONS, torch, zennit

if torch is None:
    pytest.skip(REASONS["torch"], allow_module_level=True)
nn = torch.nn
VGG = {11: [[64], [128], [256] * 2, [512] * 2, [512] * 2], 16: [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3]}
NARROW = {depth: [[wide // 16 for wide in block] for block in blocks] for depth, blocks in VGG.items()}


class Classifier(nn.Module):
    """features, average pool, classifier: what VGG and AlexNet have in common."""

    def __init__(self, features, pixels, classifier):
        super().__init__()
        self.features, self.avgpool, self.classifier = features, nn.AdaptiveAvgPool2d(pixels), classifier

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def vgg(blocks, norm=False, hidden=4096, classes=1000):
    features, channels = [], 3
    for block in blocks:
        for wide in block:
            features += [nn.Conv2d(channels, wide, 3, padding=1), *([nn.BatchNorm2d(wide)] if norm else []), nn.ReLU()]
            channels = wide
        features.append(nn.MaxPool2d(2, 2))
    return Classifier(nn.Sequential(*features), 7, nn.Sequential(
        nn.Linear(49 * channels, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(),
        nn.Linear(hidden, classes)))


def alexnet(classes=1000):
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2))
    return Classifier(features, 6, nn.Sequential(
        nn.Dropout(), nn.Linear(256 * 36, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Linear(4096, classes)))


class BasicBlock(nn.Module):
    def __init__(self, before, wide, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, wide, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(wide, wide, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.downsample = None if before == wide and stride == 1 else nn.Sequential(
            nn.Conv2d(before, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    def __init__(self, before, inner, stride):
        super().__init__()
        wide = 4 * inner
        self.conv1, self.bn1 = nn.Conv2d(before, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3, self.relu = nn.Conv2d(inner, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()
        self.downsample = None if before == wide and stride == 1 else nn.Sequential(
            nn.Conv2d(before, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x):
        y = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        return self.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, block, counts, classes=1000):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        before, times = 64, 4 if block is Bottleneck else 1
        for group, count in enumerate(counts, 1):
            inner, blocks = 32 * 2 ** group, []
            for n in range(count):
                blocks.append(block(before, inner, 2 if n == 0 and group > 1 else 1))
                before = inner * times
            setattr(self, f"layer{group}", nn.Sequential(*blocks))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(before, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def filled(make, seed=0):
    """The module with random weights under which signals keep their size, biases and statistics of both signs."""
    with torch.device("meta"):
        module = make()
    module.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("num_batches_tracked"):
                tensor.zero_()
            elif tensor.ndim > 1:
                tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                norm = name.endswith("weight")
                tensor.normal_(0.8 if norm else 0, 0.2 if norm else 0.1, generator=generator)
    return module


def images(size, seed=1, count=1):
    return np.random.default_rng(seed).normal(size=(count, size, size + 1 if size < 224 else size, 3)).astype("float32")


def to_torch(x):
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def assert_same_outputs(module, net, x):
    with torch.no_grad():
        expected = module(to_torch(x)).numpy()
    found = net.forward(x)
    largest = abs(found - expected).max() / abs(expected).max()
    print(f"largest difference of outputs {largest:.1e} of the largest output")
    assert largest < 1e-4, f"outputs differ by {largest:.2g} of the largest"


@pytest.mark.parametrize("depth, norm", [(11, False), (11, True), (16, False), (16, True)])
def test_narrow_vgg_at_any_size(depth, norm, monkeypatch):
    name = f"vgg{depth}_bn" if norm else f"vgg{depth}"
    monkeypatch.setitem(checkpoints.ARCHITECTURES, name, checkpoints.vgg(NARROW[depth], norm, hidden=50))
    module = filled(lambda: vgg(NARROW[depth], norm, hidden=50, classes=10))
    net = from_checkpoint(module.state_dict(), name)
    for size in (32, 100, 224):                             # smaller than the pool's 7 x 7, between, and exactly
        assert_same_outputs(module, net, images(size))
    assert_same_outputs(to_torch_module(net, (100, 101, 3)), net, images(100))


@pytest.mark.parametrize("name, make", [("vgg16", lambda: vgg(VGG[16])), ("vgg11_bn", lambda: vgg(VGG[11], norm=True)),
                                        ("alexnet", alexnet)])
def test_a_full_size_classifier_on_a_224_image(name, make):
    module = filled(make)
    net = from_checkpoint(module.state_dict(), name)
    assert_same_outputs(module, net, images(224))


@pytest.mark.parametrize("name, block, counts, size", [
    ("resnet18", BasicBlock, (2, 2, 2, 2), 64), ("resnet18", BasicBlock, (2, 2, 2, 2), 224),
    ("resnet34", BasicBlock, (3, 4, 6, 3), 64), ("resnet50", Bottleneck, (3, 4, 6, 3), 64)])
def test_resnets(name, block, counts, size):
    module = filled(lambda: ResNet(block, counts))
    net = from_checkpoint(module.state_dict(), name)
    assert_same_outputs(module, net, images(size))
    assert_same_outputs(module, fold_batch_norm(net), images(size))


# --- explained as zennit does ----------------------------------------------------------------------------------------

def ours_to_zero(z):
    """Our `stabilize(z)` with epsilon 0, as one of zennit's stabilisers: R / 0 counts as 0."""
    return torch.where(z == 0, torch.full_like(z, torch.inf), z)


def by_zennit(module, x, start, **knobs):
    """Relevance of the pixels by zennit's EpsilonPlusFlat with its canonizer for ResNets."""
    tensor = to_torch(x).requires_grad_()
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
    net = from_checkpoint(module.state_dict(), "resnet18").astype("float64")
    x = images(64, count=2).astype("float64")
    knobs = {}
    if exact:
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = 0.0
        for layer in every_layer(net.layers):
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
    module = efficientnet.build(net)
    R = passes.lrp(net, x, rules=composites.epsilon_plus_flat)
    prepared = to_torch(net.layers[0].forward(x)).requires_grad_()
    with zennit.composites.EpsilonPlusFlat(**knobs).context(module) as modified:
        y = modified(prepared)
        theirs, = torch.autograd.grad(y, prepared, torch.from_numpy(R[-1]))
    np.testing.assert_allclose(y.detach().numpy(), net.forward(x), atol=1e-4)
    ours, theirs = R[0][:, :222, :222], theirs.numpy().transpose(0, 2, 3, 1)[:, :222, :222]
    largest = abs(ours - theirs).max() / abs(theirs).max()
    correlation = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    print(f"relevance differs by {largest:.1e} of the largest; correlation {correlation:.9f}")
    assert abs(theirs).max() > 0 and correlation > 0.999 and largest < (1e-12 if exact else 1e-4), f"{largest:.2g}"
