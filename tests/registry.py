"""One or more examples of each kind of layer, and of each way of writing: here a new kind is added, once.

Whatever must see every kind reads it here: properties, files, devices, folding, purity, numbers at the edge of their
type, the ONNX writer, wrong layers. All in float32; shapes have the axis of the images.

    EXAMPLES    {name: (layer, shape of an input)}
    MORE        likewise, what only importers make; POSITIVE: with bounds of its inputs; EVERYWHERE: both
    JOINS       {name: (layer, shapes of its inputs)}
    TOKENS      {name: layer} into which whole numbers go
    WRITTEN     {name: (way of writing, shape of an input)}
"""
import numpy as np

from minixnn import layers
from minixnn.layers import (Attention, BatchNorm2d, Branches, ChannelScale, Conv1d, Conv2d, ConvTranspose2d, Dense,
                            Dropout, GroupNorm, LayerNorm, RMSNorm, ReLU, Residual, Sigmoid, Tanh, Upsample)
from minixnn.layers.functions import FUNCTIONS

IMAGES, SEQUENCES, VIDEOS = (2, 6, 7, 6), (2, 9, 6), (2, 3, 4, 3, 3)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


SEEN = np.tile(np.arange(9) < 7, (9, 1)).astype("float32")              # a mask that hides two tokens of nine
EXAMPLES = {
    "Dense": (Dense(draw(6, 4), draw(4, seed=1)), (3, 6)),
    "Dense, of sequences, no bias": (Dense(draw(6, 4)), SEQUENCES),
    "Conv2d, same": (Conv2d(draw(3, 3, 6, 4), draw(4, seed=1)), IMAGES),
    "Conv2d, few channels": (Conv2d(draw(3, 2, 2, 4), draw(4, seed=1), padding="valid"), (2, 6, 7, 2)),
    "Conv2d, stride": (Conv2d(draw(3, 3, 6, 4), stride=(2, 1), padding=((1, 0), (2, 1))), IMAGES),
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
    "MaxPool2d": (layers.MaxPool2d(2), IMAGES),
    "MaxPool2d, overlapping": (layers.MaxPool2d(3, stride=1, padding="same"), IMAGES),
    "AvgPool2d": (layers.AvgPool2d(2, padding="same"), IMAGES),
    "AvgPool2d, padding counted": (layers.AvgPool2d(3, stride=2, padding=1, count_padding=True), IMAGES),
    "SumPool2d": (layers.SumPool2d((2, 3), stride=1), IMAGES),
    "AdaptiveAvgPool2d": (layers.AdaptiveAvgPool2d((2, 3)), IMAGES),
    "GlobalAvgPool": (layers.GlobalAvgPool(), IMAGES),
    "GlobalMaxPool": (layers.GlobalMaxPool(), IMAGES),
    "BatchNorm2d": (BatchNorm2d(draw(6), draw(6, seed=1), draw(6, seed=2), abs(draw(6, seed=3))), IMAGES),
    "ChannelScale": (ChannelScale(draw(6), draw(6, seed=1)), IMAGES),
    "ReLU": (ReLU(), IMAGES),
    "Sigmoid": (Sigmoid(), IMAGES),
    "Tanh": (Tanh(), IMAGES),
    "Softplus": (layers.Softplus(), IMAGES),
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
    "Scale": (layers.Scale(0.3), SEQUENCES),
    "Scale, of channels": (layers.Scale(draw(6)), SEQUENCES),
    "SplitHeads": (layers.SplitHeads(3), SEQUENCES),
    "JoinHeads": (layers.JoinHeads(), (2, 3, 4, 2)),
    "Hide, causal": (layers.Hide(causal=True), (2, 3, 4, 4)),
    "Hide, masked": (layers.Hide(SEEN[:4]), (2, 3, 4, 9)),
    "Tokens": (layers.Tokens(), IMAGES),
    "TakeToken": (layers.TakeToken(3), SEQUENCES),
    "TakeToken, of nine": (layers.TakeToken(-2, of=9), SEQUENCES),
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
    "Flatten": (layers.Flatten(), IMAGES),
    "Unflatten": (layers.Unflatten((3, 4)), (2, 12)),
    "Dropout": (Dropout(0.5), IMAGES),
    "Pad": (layers.Pad(((1, 0), (0, 2), (1, 1))), IMAGES),
}
TOKENS = {"Embedding": layers.Embedding(draw(9, 4)), "OneHot": layers.OneHot(9),
          "Categories": layers.Categories(draw(9, 4))}      # whole numbers from 0 to 8 enter
MORE = {                                        # what importers make
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
    "Conv3d": (layers.Conv3d(draw(2, 3, 2, 3, 4), draw(4, seed=1), (1, 2, 1), 1), VIDEOS),
    "Conv3d, groups, dilation": (layers.Conv3d(draw(2, 2, 2, 1, 6), None, 1, "same", (1, 2, 1), 3), VIDEOS),
    "ConvTranspose1d": (layers.ConvTranspose1d(draw(3, 6, 4), draw(4, seed=1), 2, ((1, 0),), 1), SEQUENCES),
    "ConvTranspose3d": (layers.ConvTranspose3d(draw(2, 2, 3, 3, 2), draw(2, seed=1), (1, 2, 2), 1), VIDEOS),
    "MaxPool1d": (layers.MaxPool1d(3, 2, 1), SEQUENCES),
    "MaxPool2d, rounded up": (layers.MaxPool2d((3, 2), 3, ((1, 1), (0, 0)), ceil=True), IMAGES),
    "MaxPool2d, dilation": (layers.MaxPool2d(2, 1, dilation=(3, 2)), IMAGES),
    "MaxPool3d": (layers.MaxPool3d((2, 3, 2), 2), VIDEOS),
    "AvgPool1d": (layers.AvgPool1d(2, 3, ceil=True), SEQUENCES),
    "AvgPool2d, rounded up": (layers.AvgPool2d(3, 2, 1, True, ceil=True), IMAGES),
    "AvgPool3d": (layers.AvgPool3d((1, 3, 2), 2, ((0, 0), (1, 1), (0, 1))), VIDEOS),
    "SumPool1d": (layers.SumPool1d(2), SEQUENCES),
    "SumPool3d": (layers.SumPool3d(2), VIDEOS),
    "AdaptiveAvgPool1d": (layers.AdaptiveAvgPool1d(4), SEQUENCES),
    "AdaptiveAvgPool3d": (layers.AdaptiveAvgPool3d((2, 3, 1)), VIDEOS),
    "Upsample, cubic": (Upsample((1.5, 2.3), mode="bicubic"), IMAGES),
    "Upsample, sequences": (Upsample(size=(14,), mode="bilinear", align_corners=True), SEQUENCES),
    "Upsample, videos": (Upsample((1, 2, 1.5)), VIDEOS),
    "Constant": (layers.Constant(draw(4, 3)), IMAGES),
    "InitialState": (layers.InitialState(4), SEQUENCES),
    "CompareTo": (layers.CompareTo("greater", draw(6)), IMAGES),
    "ToFloat": (layers.ToFloat(), IMAGES),
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
EVERYWHERE = {**{name: (*case, "any") for name, case in MORE.items()}, **POSITIVE}
JOINS = {
    "Add": (layers.Add(), [(2, 3, 4, 2)] * 3),
    "Add, repeating": (layers.Add(epsilon=0.5), [(2, 3, 4, 2), (2, 1, 4, 1)]),
    "Concat": (layers.Concat(), [(2, 3, 4, 2), (2, 3, 4, 1), (2, 3, 4, 2)]),
    "Concat, of rows": (layers.Concat(axis=1), [(2, 3, 4), (2, 1, 4)]),
    "Multiply": (layers.Multiply(), [(2, 3, 4)] * 3),
    "Multiply, by a gate": (layers.Multiply(), [(2, 3, 4, 2), (2, 1, 1, 2)]),
    "MatMul": (layers.MatMul(), [(2, 3, 4), (2, 4, 5)]),
    "MatMul, of heads": (layers.MatMul(), [(2, 2, 3, 4), (2, 2, 4, 3)]),
    "Input": (layers.Input(1), [(2, 3, 4), (2, 5)]),
    "Maximum": (layers.Maximum(), [(2, 4, 3), (2, 4, 3), (2, 1, 3)]),
    "Minimum": (layers.Minimum(), [(2, 4, 3), (2, 4, 3)]),
    "Divide": (layers.Divide(), [(2, 4, 3), (2, 4, 3)]),
    "Divide, by one for all": (layers.Divide(), [(2, 4, 3), (2, 4, 1)]),
    "Choose": (layers.Choose(), [(2, 4, 3), (2, 4, 3), (2, 1, 3)]),
    "Compare": (layers.Compare("less"), [(2, 4, 3), (2, 4, 3)]),
    "Stack": (layers.Stack(), [(2, 4, 3)] * 3),
    "Stack, before the others": (layers.Stack(1), [(2, 4, 3)] * 2),
    "Einsum": (layers.Einsum("nhtd,nhud->nhtu"), [(2, 2, 4, 3), (2, 2, 5, 3)]),
    "Einsum, mixed": (layers.Einsum("nabc,ncd->nbd"), [(2, 2, 4, 3), (2, 3, 5)]),
}
WRITTEN = {
    "Residual": (Residual([Conv2d(draw(3, 3, 6, 4), draw(4)), ReLU(), Conv2d(draw(3, 3, 4, 6, seed=1))]), IMAGES),
    "Residual, with a shortcut": (Residual([Conv2d(draw(3, 3, 6, 4), stride=2), Dropout(0.2)],
                                           [Conv2d(draw(1, 1, 6, 4, seed=1), draw(4), stride=2)]), IMAGES),
    "Residual, one in another": (Residual([Branches([[Dense(draw(6, 2))], [Dense(draw(6, 4, seed=1)), Tanh()]])]),
                                 SEQUENCES),
    "Branches that are added": (Branches([[ReLU()], [Tanh()], []], layers.Add()), IMAGES),
    "Branches side by side": (Branches([[Conv2d(draw(3, 3, 6, 4), draw(4)), ReLU()], []]), IMAGES),
    "Branches, a signal and its gates": (Branches([[], [Sigmoid()], [Tanh()]], layers.Multiply()), IMAGES),
    "Attention": (Attention(draw(6, 8), draw(6, 8, seed=1), draw(6, 4, seed=2), draw(4, 6, seed=3), draw(8, seed=4),
                            draw(8, seed=5), draw(4, seed=6), draw(6, seed=7), heads=2), SEQUENCES),
    "Attention, causal": (Attention(draw(6, 6), draw(6, 6, seed=1), draw(6, 6, seed=2), draw(6, 5, seed=3), heads=3,
                                    causal=True), SEQUENCES),
    "Attention, masked": (Attention(draw(6, 6), draw(6, 6, seed=1), draw(6, 6, seed=2), draw(6, 6, seed=3),
                                    b_v=draw(6, seed=4), mask=SEEN),
                          SEQUENCES),
    "RNN": (layers.RNN(draw(6, 4), draw(4, 4, seed=1), draw(4, seed=2), draw(4, seed=3), steps=9), SEQUENCES),
    "RNN, ReLU, one step, no bias": (layers.RNN(draw(6, 4), draw(4, 4, seed=1), steps=1, activation="relu"), (2, 1, 6)),
    "GRU": (layers.GRU(draw(6, 12), draw(4, 12, seed=1), draw(12, seed=2), draw(12, seed=3), steps=9), SEQUENCES),
    "GRU, as in the paper, backwards": (layers.GRU(draw(6, 12), draw(4, 12, seed=1), draw(12, seed=2), steps=9,
                                                   reset_after=False, reverse=True), SEQUENCES),
    "LSTM": (layers.LSTM(draw(6, 16), draw(4, 16, seed=1), None, draw(16, seed=3), steps=9), SEQUENCES),
}


def example(name, seed=0, size=1.0):
    """The layer in float64, an input of its shape, and the Generator."""
    layer, shape = EXAMPLES[name]
    rng = np.random.default_rng(seed)
    return layer.map_arrays(lambda a: a.astype("float64")), size * rng.normal(size=shape), rng


def inputs(name, seed=0, dtype="float64"):
    """The join in this type, and inputs of its shapes that keep away from 0."""
    layer, shapes = JOINS[name]
    rng = np.random.default_rng(seed)
    return layer, tuple((rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)).astype(dtype) for shape in shapes)
