"""VGG, AlexNet and ResNets as torchvision builds and names them, for machines without torchvision.

Written down from the papers and torchvision's documentation, with the names that its state dicts have.
"""
from tests.peers.libraries import torch

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
