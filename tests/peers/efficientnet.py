"""EfficientNet-Lite0 as a torch module that zennit can explain: the folded network that ships, layer by layer.

Residual sums go through `zennit.layer.Sum`, the module to which zennit assigns its rule for sums; `interop.to_torch`
adds with a plus sign, which no rule sees.
"""
import numpy as np

from minixnn.layers import Conv2d, Dense, GlobalAvgPool, Prepare, ReLU6, Residual
from tests.peers.libraries import torch, zennit


def build(net):
    """The torch module behind the preparation: (x - mean) / std (N, 3, H, W) -> (N, 1000), in the net's precision.

    net: what `models.load("efficientnet_lite0")` returns, or a copy. Its first layer prepares the pixels and passes
    relevance on unchanged; the module begins behind it.
    """
    assert isinstance(net.layers[0], Prepare)
    return Chain(net.layers[1:]).eval()


if torch is not None:
    from torch import nn

    class Chain(nn.Module):
        """Layers one after the other."""

        def __init__(self, layers):
            super().__init__()
            self.parts = nn.ModuleList(translate(layer) for layer in layers)

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return x

    class Shortcut(nn.Module):
        """x + body(x), by zennit's module for sums."""

        def __init__(self, layers):
            super().__init__()
            self.body, self.sum = Chain(layers), zennit.layer.Sum()

        def forward(self, x):
            return self.sum(torch.stack([x, self.body(x)], dim=-1))


def translate(layer):
    """The torch module of one layer of EfficientNet-Lite0."""
    if isinstance(layer, Residual):
        return Shortcut(layer.chains[0].layers)
    if isinstance(layer, Conv2d):
        return convolution(layer)
    if isinstance(layer, Dense):
        made = nn.Linear(*layer.W.shape)
        made.weight.data = torch.from_numpy(layer.W.T.copy())
        made.bias.data = torch.from_numpy(layer.b.copy())
        return made
    if isinstance(layer, GlobalAvgPool):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert isinstance(layer, ReLU6), layer
    return nn.ReLU6()


def convolution(layer):
    """A convolution with the padding "same" of TensorFlow: an odd pixel comes at the end."""
    (kh, kw, C, O), (sh, sw) = layer.W.shape, layer.stride
    made = nn.Conv2d(C * layer.groups, O, (kh, kw), (sh, sw), groups=layer.groups)
    made.weight.data = torch.from_numpy(np.ascontiguousarray(layer.W.transpose(3, 2, 0, 1)))
    made.bias.data = torch.from_numpy(layer.b.copy())
    if sh == 1:
        made.padding = (kh // 2, kw // 2)
        return made
    short = kh - sh                             # even sizes: (n / s - 1) s + k - n
    return nn.Sequential(nn.ZeroPad2d((short // 2, short - short // 2) * 2), made)
