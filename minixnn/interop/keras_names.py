"""How VGG's arrays are called in Keras h5 files, and what torch calls the same arrays.

    block1_conv1/block1_conv1/kernel:0      the path of an array in a file of Keras 2
    block1_conv1/block1_conv1_W_1:0         the same in the files of the first release
    layers/conv2d/vars/0                    the same in a .weights.h5 of Keras 3, which counts layers by kind

Keras keeps kernels as (kh, kw, C, O) and dense weights as (I, O). Their axes are moved to torch's order, so that
there is one table of shapes; nothing is copied for it.
"""
import re
from typing import Any

import numpy as np

from minixnn.arrays import Array, array_module

MEANS = np.array([103.939, 116.779, 123.68], np.float32)        # of blue, green and red over VGG's training images
LAYER = re.compile(r"(?:^|/)(block\d+_conv\d+|fc\d+|predictions|(?:conv2d|dense)(?:_\d+)?)(?=[/_]|$)")
KIND = re.compile(r"[/_](kernel|W|0|bias|b|1)(?:_1)?(?::0)?$")
WEIGHTS = ("kernel", "W", "0")


def are_from_keras(arrays: dict[str, Array]) -> bool:
    """Whether one of the names is Keras's for a layer of VGG."""
    return any(LAYER.search(path) for path in arrays)


def from_keras(arrays: dict[str, Array], places: Any) -> dict[str, Array]:
    """The arrays under torch's names and in its order of axes.

    places: the layers with weights of a VGG, in order, each with its name in torch.
    """
    convolutions = [place for place in places if hasattr(place, "stride")]
    dense = [place for place in places if hasattr(place, "outputs")]
    names = {**_counted("conv2d", convolutions), **_counted("dense", dense), **_blocks(convolutions)}
    names.update(zip(("fc1", "fc2", "predictions"), (place.name for place in dense)))
    found = {}
    for path, array in arrays.items():
        layer, kind = LAYER.search(path), KIND.search(path)
        if layer is None or kind is None or layer[1] not in names:
            found[path] = array                             # left over, and said to be
        elif kind[1] in WEIGHTS:
            array = np.asarray(array)
            axes = (3, 2, 0, 1) if array.ndim == 4 else tuple(reversed(range(array.ndim)))
            found[f"{names[layer[1]]}.weight"] = array.transpose(axes)
        else:
            found[f"{names[layer[1]]}.bias"] = array
    return found


def _counted(kind, places):
    """conv2d, conv2d_1, conv2d_2 ..."""
    return {f"{kind}_{n}" if n else kind: place.name for n, place in enumerate(places)}


def _blocks(convolutions):
    """block1_conv1 and so on. Torch counts layers without weights too, so a gap of three is where a pool lies."""
    names, block, n, last = {}, 1, 0, None
    for place in convolutions:
        number = int(place.name.rpartition(".")[2])
        block, n = (block + 1, 1) if last is not None and number - last == 3 else (block, n + 1)
        names[f"block{block}_conv{n}"], last = place.name, number
    return names


def vgg_input(photo: Array) -> Array:
    """A photograph, red first, in [0, 1], as VGG's weights of Keras expect it: blue first, 0 to 255 less the `MEANS`.

    (H, W, 3) gives a batch of one, (1, H, W, 3); (N, H, W, 3) gives as many. float32. Prepared pixels lie between
    -MEANS and 255 - MEANS, which are the bounds for z_box. Simonyan & Zisserman 2015 (arXiv 1409.1556).
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
