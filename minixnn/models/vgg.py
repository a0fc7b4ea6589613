"""VGG-16's convolutions, trained on photographs, and how a photograph is prepared for them.

    net = models.load("vgg16_features")             # part of a checkout only, see `features`
    x = models.vgg_input(datasets.photo("chelsea", 224))

Simonyan & Zisserman 2015 (arXiv 1409.1556). The weights, by the authors, are licensed under Creative Commons
Attribution: lessons/data/vgg16/ATTRIBUTION.txt.
"""
import pathlib

import numpy as np

from minixnn.arrays import Array, array_module
from minixnn.card import Card
from minixnn.layers import Conv2d, MaxPool2d, ReLU
from minixnn.network import Network

WEIGHTS = pathlib.Path(__file__).parents[2] / "lessons" / "data" / "vgg16" / "vgg16_conv_base_f16.npz"
BLOCKS = (2, 2, 3, 3, 3)                        # convolutions in front of each of the five pools
MEANS = np.array([103.939, 116.779, 123.68], np.float32)        # of blue, green and red over the training images
LOW, HIGH = -MEANS, 255 - MEANS                 # between which every prepared pixel lies, for z_box


def features() -> Network:
    """The 13 convolutions with their ReLU and the five pools: (N, 224, 224, 3) -> (N, 7, 7, 512), any size will do.

    There is no classifier: its output are 512 feature maps. FileNotFoundError outside of a checkout.
    """
    if not WEIGHTS.exists():
        raise FileNotFoundError(f"there is no file {WEIGHTS}: the weights of VGG-16 (28 MB) come with the repository, "
                                "not with the installed package; clone the repository and run from there")
    layers = []
    with np.load(WEIGHTS) as file:
        for block, count in enumerate(BLOCKS, 1):
            for n in range(1, count + 1):
                W, b = (file[f"{block}_{n}_{name}"].astype(np.float32) for name in "wb")
                layers += [Conv2d(W, b), ReLU()]
            layers.append(MaxPool2d(2))
    return Network(layers, Card((None, None, 3)))


def for_pixels() -> Network:
    """`features` for photographs in [0, 1], red first: with a first layer that prepares them, and no `vgg_input`."""
    first, *others = features().layers
    first = first.with_weights(np.ascontiguousarray(first.W[:, :, ::-1]), first.b)
    return Network([first, *others], Card((None, None, 3))).with_card(MEANS[::-1] / 255, 1 / 255)


def layer_index(name: str) -> int:
    """The index l in `features` of a layer by its name in the literature: "conv5_3", "relu5_3" or "pool5".

    A[l + 1] is what it computes, R[l + 1] the relevance of that.
    """
    names = [f"{kind}{block}_{n}" if kind != "pool" else f"pool{block}" for block, count in enumerate(BLOCKS, 1)
             for n in range(1, count + 1) for kind in ("conv", "relu", "pool") if kind != "pool" or n == count]
    if name not in names:
        raise ValueError(f"got layer {name!r}, expected one of {', '.join(names)}")
    return names.index(name)


def vgg_input(photo: Array) -> Array:
    """A photograph, red first, in [0, 1], as VGG-16 was trained: blue first, 0 to 255 less the `MEANS`, float32.

    (H, W, 3) gives a batch of one, (1, H, W, 3); (N, H, W, 3) gives as many. Prepared pixels lie between
    `vgg.LOW` and `vgg.HIGH`, which are the bounds for z_box.
    """
    xp = array_module(photo)
    if photo.ndim not in (3, 4) or photo.shape[-1] != 3 or photo.dtype.kind != "f":
        raise ValueError(f"got an array of shape {photo.shape} and type {photo.dtype}, expected colour pictures "
                         "(height, width, 3) or (N, height, width, 3) of floating-point numbers in [0, 1], red first")
    if not bool((photo.min() >= 0) & (photo.max() <= 1)):
        raise ValueError(f"got pixels from {photo.min()} to {photo.max()}, expected 0 to 1; divide by 255 if that is "
                         "white")
    x = photo[..., ::-1].astype("float32") * 255 - xp.asarray(MEANS)
    return x[None] if x.ndim == 3 else x
