"""Public classifiers from the files of weights that users have: VGG, AlexNet and ResNet.

    net = from_checkpoint("vgg16.safetensors", "vgg16")
    net = from_checkpoint(torch.load("resnet18.pth", weights_only=True), "resnet18")

A file of weights holds arrays by name and says nothing of the layers between them. So an architecture is a list
that does: `Conv`, `Norm` and `Full` are places for arrays, with their name in the file and their shape; all else is a
layer as it is. Every array must be there in its shape, and none may be left over.
"""
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minixnn import layers as ours
from minixnn.arrays import Array
from minixnn.interop import layout
from minixnn.interop.keras_names import are_from_keras, from_keras
from minixnn.interop.safetensors import read_safetensors
from minixnn.network import Network


class Conv(NamedTuple):
    """A convolution of square windows; padding is on all sides."""
    name: str
    channels_in: int
    channels: int
    size: int = 3
    stride: int = 1
    padding: int = 1
    bias: bool = True


class Norm(NamedTuple):
    """A batch normalisation."""
    name: str
    channels: int


class Full(NamedTuple):
    """A dense layer. image: the (H, W, C) whose flattening it reads, if it does. outputs None: as many as there are."""
    name: str
    inputs: int
    outputs: Any = None
    image: tuple | None = None


class Block(NamedTuple):
    """A residual block."""
    body: list
    shortcut: list


def vgg(convolutions: Any, norm: bool = False, hidden: int = 4096) -> Any:
    """Simonyan & Zisserman 2015. convolutions: channels of each, block by block, a pool behind every block."""
    plan, channels, n = [], 3, 0
    for block in convolutions:
        for wide in block:
            plan += [Conv(f"features.{n}", channels, wide), *([Norm(f"features.{n + 1}", wide)] if norm else []),
                     ours.ReLU()]
            channels, n = wide, n + (3 if norm else 2)
        plan, n = plan + [ours.MaxPool2d(2)], n + 1
    return plan + [ours.AdaptiveAvgPool2d(7), ours.Flatten(),
                   Full("classifier.0", 49 * channels, hidden, (7, 7, channels)), ours.ReLU(), ours.Dropout(),
                   Full("classifier.3", hidden, hidden), ours.ReLU(), ours.Dropout(), Full("classifier.6", hidden)]


def alexnet() -> Any:
    """Krizhevsky 2014 (arXiv 1404.5997), the variant on one device, as torchvision has it."""
    return [Conv("features.0", 3, 64, 11, 4, 2), ours.ReLU(), ours.MaxPool2d(3, 2),
            Conv("features.3", 64, 192, 5, padding=2), ours.ReLU(), ours.MaxPool2d(3, 2),
            Conv("features.6", 192, 384), ours.ReLU(), Conv("features.8", 384, 256), ours.ReLU(),
            Conv("features.10", 256, 256), ours.ReLU(), ours.MaxPool2d(3, 2),
            ours.AdaptiveAvgPool2d(6), ours.Flatten(), ours.Dropout(),
            Full("classifier.1", 36 * 256, 4096, (6, 6, 256)), ours.ReLU(), ours.Dropout(),
            Full("classifier.4", 4096, 4096), ours.ReLU(), Full("classifier.6", 4096)]


def resnet(blocks: Any, bottleneck: bool = False) -> Any:
    """He et al. 2016 (arXiv 1512.03385). blocks: how many in each of the four groups.

    In a bottleneck the 3 x 3 convolution takes the stride, as torchvision has it; in the paper the first one does.
    """
    channels, plan = 64, [Conv("conv1", 3, 64, 7, 2, 3, False), Norm("bn1", 64), ours.ReLU(), ours.MaxPool2d(3, 2, 1)]
    for group, count in enumerate(blocks, 1):
        inner = 32 * 2 ** group
        wide = inner * (4 if bottleneck else 1)
        for n in range(count):
            name, stride = f"layer{group}.{n}", 2 if group > 1 and n == 0 else 1
            shapes = [(channels, inner, 1, 1), (inner, inner, 3, stride), (inner, wide, 1, 1)] if bottleneck else \
                [(channels, inner, 3, stride), (inner, inner, 3, 1)]
            body = []
            for k, (before, after, size, step) in enumerate(shapes, 1):
                body += [Conv(f"{name}.conv{k}", before, after, size, step, size // 2, False),
                         Norm(f"{name}.bn{k}", after), ours.ReLU()]
            shortcut = [] if channels == wide and stride == 1 else [
                Conv(f"{name}.downsample.0", channels, wide, 1, stride, 0, False), Norm(f"{name}.downsample.1", wide)]
            plan += [Block(body[:-1], shortcut), ours.ReLU()]
            channels = wide
    return plan + [ours.GlobalAvgPool(), Full("fc", channels)]


VGG = {11: [(64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2],
       13: [(64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2],
       16: [(64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3],
       19: [(64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4]}
ARCHITECTURES = {
    "alexnet": alexnet(), "resnet18": resnet((2, 2, 2, 2)), "resnet34": resnet((3, 4, 6, 3)),
    "resnet50": resnet((3, 4, 6, 3), bottleneck=True),
    **{f"vgg{depth}": vgg(channels) for depth, channels in VGG.items()},
    **{f"vgg{depth}_bn": vgg(channels, norm=True) for depth, channels in VGG.items()}}


def from_checkpoint(weights: Any, architecture: Any) -> Network:
    """The Network of a public `architecture` (a name in `ARCHITECTURES`) with these `weights`.

    weights       a safetensors file, or arrays by name: a torch state dict, or for VGG without batch normalisation
                  also what a Keras h5 file holds, each array under its path in the file
    The last layer may have any number of classes. Images of any size do, as in torch: at 224 x 224 the adaptive
    pool of VGG and AlexNet changes nothing. Weights are copied, as float32.

    Torch's weights expect `imagenet_input(photo)`, those of Keras `interop.vgg_input(photo)`. Fold batch normalisation
    before you explain: fold_batch_norm(net).

    ValueError by name, for arrays that are missing, left over, of another shape, or not finite.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"got architecture {architecture!r}, expected one of {', '.join(sorted(ARCHITECTURES))}")
    plan, arrays = ARCHITECTURES[architecture], _by_name(weights)
    expected, keras = dict(_names(plan)), are_from_keras(arrays)
    if keras and not re.fullmatch(r"vgg\d+", architecture):
        raise ValueError("got arrays under Keras names, which are known for VGG without batch normalisation only, "
                         f"not for {architecture}")
    arrays = from_keras(arrays, list(_places(plan))) if keras else arrays
    missing, more = ([name for name in one if name not in other] for one, other in ((expected, arrays),
                                                                                    (arrays, expected)))
    if missing or more:
        meant = [name for name, other in ARCHITECTURES.items() if set(dict(_names(other))) == set(arrays)]
        raise ValueError(f"these are not the arrays of {architecture}: " + "; ".join(filter(None, [
            _listed("missing", missing), _listed("left over", more),
            f"their names are those of {' or '.join(meant)}" if meant else ""])))
    return Network(_build(plan, arrays, keras))


def imagenet_input(photo: Array) -> Array:
    """A photograph, red first, in [0, 1], as torchvision's classifiers were trained: (photo - mean) / deviation.

    (H, W, 3) gives a batch of one, (1, H, W, 3); (N, H, W, 3) gives as many. float32.
    """
    mean, deviation = (np.array(v, np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = (np.asarray(photo, np.float32) - mean) / deviation
    return x[None] if x.ndim == 3 else x


def _by_name(weights):
    """The arrays of a file or mapping, without what is no weight and without a prefix that all names share."""
    if isinstance(weights, (str, os.PathLike)):
        kind = os.path.splitext(os.fspath(weights))[1].lower()
        remedy = {".safetensors": "", ".pth": "torch.load(path, weights_only=True)", ".npz": "numpy.load(path)",
                  ".h5": "arrays = {}; h5py.File(path).visititems(lambda name, a: arrays.update({name: a[()]}) if "
                         "hasattr(a, 'dtype') else None)"}
        remedy[".pt"], remedy[".hdf5"] = remedy[".pth"], remedy[".h5"]
        if kind not in remedy or remedy[kind]:
            raise ValueError(f"got the file {os.fspath(weights)!r}, expected a .safetensors file or arrays by name"
                             + (f"; read it first: {remedy[kind]}" if kind in remedy else ""))
        weights = read_safetensors(weights)
    if not isinstance(weights, Mapping):
        raise ValueError(f"got {type(weights).__name__} as weights, expected a .safetensors file or arrays by name")
    found = {name: weights[name] for name in weights
             if not name.endswith("num_batches_tracked") and not name.startswith(("optimizer", "top_level"))}
    parallel = found and all(name.startswith("module.") for name in found)          # saved from DataParallel
    return {name.removeprefix("module.") if parallel else name: array for name, array in found.items()}


def _places(plan):
    """All Conv, Norm and Full of a plan, also those inside blocks."""
    for entry in plan:
        if isinstance(entry, Block):
            yield from _places(entry.body + entry.shortcut)
        elif isinstance(entry, (Conv, Norm, Full)):
            yield entry


def _names(plan):
    """(name, shape) of every array, as torch has them. None in a shape is any number."""
    for place in _places(plan):
        if isinstance(place, Conv):
            yield f"{place.name}.weight", (place.channels, place.channels_in, place.size, place.size)
        elif isinstance(place, Full):
            yield f"{place.name}.weight", (place.outputs, place.inputs)
        else:
            yield from ((f"{place.name}.{name}", (place.channels,)) for name in ("weight", "running_mean",
                                                                                 "running_var"))
        if getattr(place, "bias", True):
            yield f"{place.name}.bias", (place.outputs if isinstance(place, Full) else place.channels,)


def _listed(title, names):
    return f"{title}: {', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''}" if names else ""


def _build(plan, arrays, keras):
    """The layers of a plan, each place filled."""
    result, expected = [], dict(_names(plan))

    def take(name, shape=None):
        return _checked(name, arrays[name], shape or expected[name], keras)
    for entry in plan:
        if isinstance(entry, Block):
            entry = ours.Residual(_build(entry.body, arrays, keras), _build(entry.shortcut, arrays, keras))
        elif isinstance(entry, Norm):
            entry = ours.BatchNorm2d(*(take(f"{entry.name}.{name}")
                                       for name in ("weight", "bias", "running_mean", "running_var")))
        elif isinstance(entry, Conv):
            W = take(f"{entry.name}.weight")
            b = take(f"{entry.name}.bias") if entry.bias else None
            entry = ours.Conv2d(layout.kernel_from_channels_first(W), b, entry.stride, entry.padding)
        elif isinstance(entry, Full):
            W = np.ascontiguousarray(take(f"{entry.name}.weight").T)
            W = W if keras or entry.image is None else layout.rows_from_channels_first(W, entry.image)
            entry = ours.Dense(W, take(f"{entry.name}.bias", W.shape[1:]))
        result.append(entry)
    return result


def _checked(name, array, shape, keras):
    """The array as float32, a copy, if it is what the table says."""
    if hasattr(array, "detach"):                            # a torch tensor
        array = array.detach().cpu().float().numpy()
    array = np.array(array, np.float32)
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape)):
        order = "" if array.ndim < 2 else " (outputs, inputs, ...), after the axes of Keras were moved" if keras else \
            " (outputs, inputs, ...)"
        raise ValueError(f"{name}: got an array of shape {array.shape}, expected "
                         f"{str(shape).replace('None', 'classes')}{order}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: got NaN or infinite numbers, expected trained weights; the file is damaged, or "
                         "they overflowed when it was written in half precision")
    return array
