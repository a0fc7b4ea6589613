"""One or more examples of each layer beyond the first set: {name: (layer, shape of an input)}, in float32.

The tests that must see every kind of layer (purity, devices, files) read them here, so that a new kind is added once.
"""
import numpy as np

from minixnn import layers
from minixnn.layers import Attention, Conv1d, Conv2d, ConvTranspose2d, GroupNorm, LayerNorm, RMSNorm, Upsample
from minixnn.layers.functions import FUNCTIONS

IMAGES, SEQUENCES = (2, 6, 7, 6), (2, 9, 6)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


EXAMPLES = {
    "Conv2d, groups": (Conv2d(draw(3, 2, 3, 4), draw(4, seed=1), (2, 1), 1, groups=2), IMAGES),
    "Conv2d, dilation": (Conv2d(draw(2, 3, 6, 4), draw(4, seed=1), dilation=(3, 2)), IMAGES),
    "Conv2d, depthwise": (Conv2d(draw(3, 3, 1, 6), draw(6, seed=1), groups=6), IMAGES),
    "Conv2d, depthwise, two outputs": (Conv2d(draw(3, 3, 1, 12), stride=2, padding=1, dilation=2, groups=6), IMAGES),
    "ConvTranspose2d": (ConvTranspose2d(draw(3, 2, 6, 4), draw(4, seed=1), 2, 1, (1, 0)), IMAGES),
    "ConvTranspose2d, groups": (ConvTranspose2d(draw(3, 3, 6, 2), None, 1, 1, 0, 2, 3), IMAGES),
    "ConvTranspose2d, depthwise": (ConvTranspose2d(draw(2, 2, 6, 1), draw(6, seed=1), 2, groups=6), IMAGES),
    "Conv1d": (Conv1d(draw(3, 6, 4), draw(4, seed=1), 2, (1, 0)), SEQUENCES),
    "Conv1d, groups": (Conv1d(draw(2, 2, 3), None, 1, "same", 2, 3), SEQUENCES),
    "Upsample, nearest": (Upsample(2), IMAGES),
    "Upsample, nearest-exact": (Upsample(size=(9, 4), mode="nearest-exact"), IMAGES),
    "Upsample, bilinear": (Upsample((1.5, 2.0), mode="bilinear"), IMAGES),
    "Upsample, corners": (Upsample(size=(11, 10), mode="bilinear", align_corners=True), IMAGES),
    "GlobalMaxPool": (layers.GlobalMaxPool(), IMAGES),
    "LeakyReLU": (layers.LeakyReLU(0.2), IMAGES),
    "PReLU": (layers.PReLU(draw(6)), IMAGES),
    "PReLU, one for all": (layers.PReLU(draw(1)), IMAGES),
    "Clip": (layers.Clip(-1, 0.5), IMAGES),
    "Clip, one side": (layers.Clip(high=0.5), IMAGES),
    "ReLU6": (layers.ReLU6(), IMAGES),
    "Hardsigmoid": (layers.Hardsigmoid(), IMAGES),
    "Hardswish": (layers.Hardswish(), IMAGES),
    "Softplus, sharper": (layers.Softplus(3.0), IMAGES),
    "ELU": (layers.ELU(0.7), IMAGES),
    "SELU": (layers.SELU(), IMAGES),
    "GELU": (layers.GELU(), IMAGES),
    "GELU, tanh": (layers.GELU("tanh"), IMAGES),
    "SiLU": (layers.SiLU(), IMAGES),
    "Mish": (layers.Mish(), IMAGES),
    "Softmax": (layers.Softmax(), IMAGES),
    "Softmax of columns": (layers.Softmax(axis=1), SEQUENCES),
    "LogSoftmax": (layers.LogSoftmax(), IMAGES),
    "LayerNorm": (LayerNorm(draw(6), draw(6, seed=1)), SEQUENCES),
    "LayerNorm, of images": (LayerNorm(draw(7, 6), draw(7, 6, seed=1), axes=(-2, -1), epsilon=1e-3), IMAGES),
    "LayerNorm, bare": (LayerNorm(), IMAGES),
    "RMSNorm": (RMSNorm(draw(6), epsilon=1e-3), SEQUENCES),
    "GroupNorm": (GroupNorm(draw(6), draw(6, seed=1), groups=3), IMAGES),
    "GroupNorm, of sequences": (GroupNorm(draw(6), None, groups=6, epsilon=1e-3), SEQUENCES),
    "LocalResponseNorm": (layers.LocalResponseNorm(3, 0.5, 0.75, 2.0), IMAGES),
    "Attention": (Attention(draw(6, 8), draw(6, 8, seed=1), draw(6, 4, seed=2), draw(4, 6, seed=3), draw(8, seed=4),
                            draw(8, seed=5), draw(4, seed=6), draw(6, seed=7), heads=2), SEQUENCES),
    "Attention, causal": (Attention(draw(6, 6), draw(6, 6, seed=1), draw(6, 6, seed=2), draw(6, 5, seed=3), heads=3,
                                    causal=True), SEQUENCES),
    "Attention, masked": (Attention(draw(6, 6), draw(6, 6, seed=1), draw(6, 6, seed=2), draw(6, 6, seed=3),
                                    b_v=draw(6, seed=4), mask=np.tile(np.arange(9) < 7, (9, 1)).astype("float32")),
                          SEQUENCES),
    "Tokens": (layers.Tokens(), IMAGES),
    "TakeToken": (layers.TakeToken(3), SEQUENCES),
    "PositionEmbedding": (layers.PositionEmbedding(draw(9, 6)), SEQUENCES),
    "ClassToken": (layers.ClassToken(draw(6)), SEQUENCES),
    "Prepare": (layers.Prepare(draw(6), 0.3), IMAGES),
    "Prepare, by whole images": (layers.Prepare(draw(6, 7, 6), 0.5 + abs(draw(6, 7, 6, seed=1))), IMAGES),
    "Identity": (layers.Identity(), IMAGES),
    "ChannelShuffle": (layers.ChannelShuffle(3), IMAGES),
    "ChannelSelect": (layers.ChannelSelect(1, 4), IMAGES),
    "Permute": (layers.Permute((2, 0, 1)), IMAGES),
    "Reshape": (layers.Reshape((14, 18)), IMAGES),
    "Slice": (layers.Slice(1, 1, None, 2), IMAGES),
    "Pad": (layers.Pad(((1, 0), (0, 2), (1, 1))), IMAGES),
}
TOKENS = {"Embedding": layers.Embedding(draw(9, 4)), "OneHot": layers.OneHot(9)}    # whole numbers from 0 to 8 enter

MORE = {                                        # what only importers make, and no writer writes to ONNX or torch
    **{f"Function, {name}": (layers.Function(name), (2, 3, 4))
       for name in FUNCTIONS if name not in ("acos", "acosh", "asin", "atanh", "log", "log1p")},
    "Power, a square": (layers.Power(2), IMAGES),
    "Power, the third": (layers.Power(3), IMAGES),
    "Scale, by a number": (layers.Scale(-0.3), IMAGES),
    "Scale, of an axis": (layers.Scale(draw(6, 1, 1)), IMAGES),
    "Scale, repeating": (layers.Scale(draw(4, 6)), (2, 1, 6)),
    "Shift": (layers.Shift(draw(9, 1)), SEQUENCES),
    "Shift, repeating": (layers.Shift(draw(4, 6)), (2, 1, 6)),
    "Roll": (layers.Roll((2, -1), (1, 2)), IMAGES),
    "Slice, backwards": (layers.Slice(2, None, None, -1), IMAGES),
    "Pad, edge": (layers.Pad(((1, 0), (0, 2), (0, 0)), "edge"), IMAGES),
    "Pad, reflect": (layers.Pad(((2, 1), (3, 2), (0, 0)), "reflect"), IMAGES),
    "Pad, wrap": (layers.Pad(((2, 1), (3, 2), (0, 0)), "wrap"), IMAGES),
    "Pad, with ones": (layers.Pad(((2, 1), (0, 0)), value=1.0), SEQUENCES),
    "Gather": (layers.Gather(np.array([0, 3, 3, -1, 8]), 1), SEQUENCES),
    "Gather, two axes of indices": (layers.Gather(np.array([[0, 3, 3], [1, -1, 3]]), -1), IMAGES),
    "Gather, one": (layers.Gather(np.array(2), 1), SEQUENCES),
    "Gather, anywhere": (layers.Gather(np.array([[0, 9, 9], [53, -1, 7]])), SEQUENCES),
    "Scatter": (layers.Scatter(np.arange(54).reshape(9, 6) * 5 % 37, (4, 10)), SEQUENCES),
    "MeanOver": (layers.MeanOver((1, 3)), IMAGES),
    "MeanOver, all": (layers.MeanOver(), IMAGES),
    "SumOver": (layers.SumOver(-1, keepdims=True), IMAGES),
    "MaxOver": (layers.MaxOver((1, 3)), IMAGES),
    "MaxOver, all": (layers.MaxOver(), SEQUENCES),
    "MinOver": (layers.MinOver((2,), keepdims=True), IMAGES),
    "Norm": (layers.Norm((1, 2), keepdims=True), IMAGES),
    "Norm, of channels": (layers.Norm(-1), IMAGES),
    "Contract": (layers.Contract(draw(7, 6, 3), "nyxc,xck->nyxk"), IMAGES),
    "Contract, of an axis that is summed alone": (layers.Contract(draw(6, 2), "nyxc,yk->nkx"), IMAGES),
}
POSITIVE = {                                    # with inputs between these bounds alone
    **{f"Function, {name}": (layers.Function(name), (2, 3), bounds) for name, bounds in (
        ("acos", (-0.9, 0.9)), ("acosh", (1.1, 3)), ("asin", (-0.9, 0.9)), ("atanh", (-0.9, 0.9)), ("log", (0.1, 3)),
        ("log1p", (-0.5, 3)))},
    "Power, a root": (layers.Power(0.5), (2, 3), (0.1, 3)),
    "Power, one over the root": (layers.Power(-0.5), (2, 3), (0.1, 3)),
    "Power, one over": (layers.Power(-1), (2, 3), (0.1, 3)),
    "Power, any": (layers.Power(1.7), (2, 3), (0.1, 3)),
}

JOINS = {                                       # (layer, shapes of its inputs)
    "Maximum": (layers.Maximum(), [(2, 4, 3), (2, 4, 3), (2, 1, 3)]),
    "Minimum": (layers.Minimum(), [(2, 4, 3), (2, 4, 3)]),
    "Divide": (layers.Divide(), [(2, 4, 3), (2, 4, 3)]),
    "Divide, by one for all": (layers.Divide(), [(2, 4, 3), (2, 4, 1)]),
    "Where": (layers.Where(draw(4, 3) > 0), [(2, 4, 3), (2, 4, 3)]),
    "Where, repeating": (layers.Where(draw(4, 1) > 0), [(2, 4, 3), (2, 1, 3)]),
    "Stack": (layers.Stack(), [(2, 4, 3)] * 3),
    "Stack, before the others": (layers.Stack(1), [(2, 4, 3)] * 2),
    "Einsum": (layers.Einsum("nhtd,nhud->nhtu"), [(2, 2, 4, 3), (2, 2, 5, 3)]),
    "Einsum, mixed": (layers.Einsum("nabc,ncd->nbd"), [(2, 2, 4, 3), (2, 3, 5)]),
}
