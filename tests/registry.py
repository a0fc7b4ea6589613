"""One or more examples of each kind of layer, way of writing, rule and network: here a new kind is added, once.

Whatever must see every kind reads it here: properties, files, devices, folding, purity, numbers at the edge of their
type, the ONNX writer, wrong layers. Layers are in float32, networks in float64; shapes have the axis of the images.

    EXAMPLES    {name: (layer, shape of an input)}
    MORE        likewise, what only importers make; POSITIVE: with bounds of its inputs; EVERYWHERE: both
    JOINS       {name: (layer, shapes of its inputs)}
    TOKENS      {name: layer} into which whole numbers go
    WRITTEN     {name: (way of writing, shape of an input)}
    RULES       {name: (rule, the formula of its paper, what check_rule is told)}
    JOIN_RULES  {name: (rule, the join it is for, what check_rule is told)}
    COMPOSITES  {name: rule for all layers, or composite}
    NETWORKS    {name: (function that makes it, inputs)}
"""
from functools import partial

import numpy as np

from minixnn import Graph, Network, layers
from minixnn.checks import definitions
from minixnn.layers import (GRU, Add, Attention, AvgPool2d, BatchNorm2d, Branches, ChannelScale, ClassToken, Concat,
                            Conv1d, Conv2d, ConvTranspose2d, Dense, Dropout, Embedding, Flatten, GlobalAvgPool,
                            GlobalMaxPool, GroupNorm, Input, LayerNorm, MaxPool2d, Multiply, PositionEmbedding, ReLU,
                            Residual, RMSNorm, Sigmoid, Softmax, Softplus, SumPool2d, TakeToken, Tanh, Tokens, Upsample)
from minixnn.layers.functions import FUNCTIONS
from minixnn.rules import composites, lrp
from minixnn.rules import deep_taylor as dt

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


ALWAYS, ABSORBING = ({"conserves": claim} for claim in ("always", "without bias"))
STABILISED, NONNEGATIVE = {"conserves": "up to a stabiliser"}, {"domain": "nonnegative"}
RULES = {
    "LRP-0": (partial(lrp.epsilon, epsilon=0), partial(definitions.epsilon, epsilon=0), ABSORBING),
    "epsilon": (lrp.epsilon, definitions.epsilon, STABILISED),
    "epsilon = 0.5": (partial(lrp.epsilon, epsilon=0.5), partial(definitions.epsilon, epsilon=0.5), STABILISED),
    "gamma": (lrp.gamma, definitions.gamma, {**ABSORBING, **NONNEGATIVE}),
    "gamma = 2": (partial(lrp.gamma, gamma=2), partial(definitions.gamma, gamma=2), {**ABSORBING, **NONNEGATIVE}),
    "gamma_signed": (lrp.gamma_signed, definitions.gamma_signed, ABSORBING),
    "gamma_signed = 0.4": (partial(lrp.gamma_signed, gamma=.4), partial(definitions.gamma_signed, gamma=.4), ABSORBING),
    "alpha2 beta1": (lrp.alpha_beta, definitions.alpha_beta, ABSORBING),
    "alpha1 beta0": (composites.alpha1_beta0, partial(definitions.alpha_beta, alpha=1, beta=0), ABSORBING),
    "alpha1.5 beta0.5, x >= 0": (partial(lrp.alpha_beta, alpha=1.5, beta=.5),
                                 partial(definitions.alpha_beta, alpha=1.5, beta=.5), {**ABSORBING, **NONNEGATIVE}),
    "flat": (lrp.flat, definitions.flat, ALWAYS),
    "z_plus": (dt.z_plus, definitions.z_plus, {**ALWAYS, **NONNEGATIVE}),
    "w_square": (dt.w_square, definitions.w_square, ALWAYS),
    "z_box": (partial(dt.z_box, low=-2.5, high=3), partial(definitions.z_box, low=-2.5, high=3),
              {**ALWAYS, "domain": (-2.5, 3)}),
    "z_box of pixels": (partial(dt.z_box, low=0, high=1), partial(definitions.z_box, low=0, high=1),
                        {**ALWAYS, "domain": (0, 1)}),
}
RELATIVE = {"epsilon_rms": lrp.epsilon_rms, "epsilon_rms = 1.5": partial(lrp.epsilon_rms, share=1.5),
            "proportional": lrp.proportional}   # whose stabiliser is that of an image, or which is for pools
JOIN_RULES = {                                  # of a rule for joins: rule, the join it is for, claims
    "by_contribution": (layers.joins.by_contribution, layers.Add, STABILISED),
    "by_contribution, epsilon = 0.5": (partial(layers.joins.by_contribution, epsilon=0.5), layers.Add, STABILISED),
    "cut": (layers.joins.cut, layers.Concat, ALWAYS),
    "half_each, of numbers": (layers.joins.half_each, layers.Multiply, ALWAYS),
    "half_each, of matrices": (layers.joins.half_each, layers.MatMul, STABILISED),
    "signal_takes_all, of numbers": (layers.joins.signal_takes_all, layers.Multiply, ALWAYS),
    "signal_takes_all, the second": (partial(layers.joins.signal_takes_all, signal=1), layers.Multiply, ALWAYS),
    "signal_takes_all, of matrices": (partial(layers.joins.signal_takes_all, signal=1), layers.MatMul, STABILISED),
}
COMPOSITES = {
    "epsilon": lrp.epsilon, "epsilon = 0.3": partial(lrp.epsilon, epsilon=0.3), "gamma_signed": lrp.gamma_signed,
    "alpha2_beta1": composites.alpha2_beta1, "flat": lrp.flat, "w_square": dt.w_square,
    **{name: getattr(composites, name) for name in (
        "epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat", "by_depth",
        "epsilon_gamma_box", "attn_lrp", "cp_lrp")},
    "attn_lrp, epsilon = 0.1": partial(composites.attn_lrp, epsilon=0.1)}


# --- networks --------------------------------------------------------------------------------------------------------

def normal(rng, *shape):
    """Weights that keep signals about as large as they are."""
    return rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))


def dense(rng, inputs, outputs, bias=True):
    return Dense(normal(rng, inputs, outputs), rng.normal(size=outputs) if bias else None)


def conv(rng, before, after, size=3, stride=1, bias=True):
    return Conv2d(rng.normal(size=(size, size, before, after)) / size, rng.normal(size=after) if bias else None, stride,
                  size // 2)


def norm(rng, channels):
    """Batch normalisation as after training: gamma and beta of both signs."""
    return BatchNorm2d(*rng.normal(size=(3, channels)), rng.random(channels) + 0.5)


def pools(seed=0, biased=True):
    """Windows that overlap and that reach outside, pools of each kind; biases of both signs, or none."""
    rng = np.random.default_rng(seed)
    return Network([conv(rng, 2, 3, bias=biased), *([norm(rng, 3)] if biased else []), ReLU(),
                    MaxPool2d(3, stride=2, padding="same"), Dropout(0.5),
                    Conv2d(rng.normal(size=(2, 2, 3, 4)), rng.normal(size=4) if biased else None, padding="valid"),
                    ReLU(), AvgPool2d(2, stride=1, padding=1), SumPool2d(2), Flatten(), dense(rng, 4, 5, biased),
                    ReLU(), dense(rng, 5, 3, biased)])


def smooth(seed=0):
    rng = np.random.default_rng(seed)
    return Network([conv(rng, 2, 6), norm(rng, 6), Softplus(), MaxPool2d(3, 2, "same"),
                    Conv2d(rng.normal(size=(2, 3, 6, 3)), rng.normal(size=3), stride=2, padding=1), Tanh(),
                    AvgPool2d(2, 1, 1), Flatten(), dense(rng, 36, 4), Sigmoid(), dense(rng, 4, 3)])


def many_kinds(seed=0):
    """Many kinds at once: depthwise, groups, gates, shuffles, a transposed convolution, normalisation."""
    rng = np.random.default_rng(seed)
    gate = [layers.AdaptiveAvgPool2d(1), Conv2d(normal(rng, 1, 1, 8, 8)), layers.Hardsigmoid()]
    return Network([
        Conv2d(normal(rng, 3, 3, 3, 8), normal(rng, 8), 2, 1), layers.Hardswish(),
        Conv2d(normal(rng, 3, 3, 1, 8), normal(rng, 8), groups=8), layers.ReLU6(), Branches([[], gate], Multiply()),
        Residual([LayerNorm(normal(rng, 8)), Conv2d(normal(rng, 1, 1, 8, 8)), layers.GELU()]), layers.ChannelShuffle(2),
        Branches([[layers.ChannelSelect(0, 4)], [layers.ChannelSelect(4), layers.SiLU()]]),
        Conv2d(normal(rng, 3, 3, 4, 8), normal(rng, 8), groups=2, dilation=2), layers.PReLU(normal(rng, 8)),
        ConvTranspose2d(normal(rng, 3, 3, 8, 6), normal(rng, 6), 2, 1, 1), layers.LocalResponseNorm(3, 0.1),
        Upsample(2, mode="bilinear"), GroupNorm(groups=2), layers.Mish(), GlobalMaxPool(), dense(rng, 6, 4), Softmax(),
        dense(rng, 4, 3)])


def resnet(seed=0, bias=True, normalised=False):
    """Identity and projecting shortcuts, one block within another."""
    rng = np.random.default_rng(seed)

    def unit(before, after, size=3, stride=1):
        return [conv(rng, before, after, size, stride, bias), *([norm(rng, after)] if normalised else [])]
    inner = Residual([*unit(4, 4), ReLU(), *unit(4, 4, 1)])
    return Network([*unit(2, 4), ReLU(), Residual([*unit(4, 4), ReLU(), inner]), ReLU(),
                    Residual([*unit(4, 5, stride=2), ReLU(), *unit(5, 5)], unit(4, 5, 1, 2)), ReLU(),
                    GlobalAvgPool(), Dense(rng.normal(size=(5, 3)), rng.normal(size=3) if bias else None)])


def resnet18(channels=4, seed=0):
    """ResNet-18's plan: a stem, four stages of two blocks, some with projecting shortcuts; few channels."""
    rng = np.random.default_rng(seed)

    def unit(before, after, size=3, stride=1):
        W = rng.normal(size=(size, size, before, after)) / size / before ** 0.5
        return [Conv2d(W, None, stride, size // 2), norm(rng, after)]
    parts, before = [*unit(3, channels, 7, 2), ReLU(), MaxPool2d(3, 2, 1)], channels
    for stage in range(4):
        after = channels * 2 ** stage
        for block in range(2):
            stride = 2 if stage and not block else 1
            shortcut = unit(before, after, 1, stride) if before != after else []
            parts += [Residual([*unit(before, after, 3, stride), ReLU(), *unit(after, after)], shortcut), ReLU()]
            before = after
    return Network([*parts, GlobalAvgPool(), dense(rng, before, 3)])


def graph(seed=0):
    """Joins of joins, an activation with three readers, a sum of x and x, attention, and a layer in two places."""
    rng, graph = np.random.default_rng(seed), Graph()
    shared = Conv2d(rng.normal(size=(3, 3, 2, 2)), rng.normal(size=2))
    a = graph.add(0, shared, ReLU(), name="stem")
    b = graph.add(a, shared, ReLU(), name="again")
    c = graph.add((a, b), Add(), name="sum")
    gate = graph.add(c, Residual([Conv2d(rng.normal(size=(1, 1, 2, 2))), ReLU()]), Sigmoid(), name="gate")
    d = graph.add((graph.add((c, gate), Multiply()), a, c), Concat(), Tokens())
    e = graph.add(d, Attention.random(6, 2, rng, dtype="float64"), name="attention")
    graph.add((e, e), Add(), GlobalAvgPool(), Dense(rng.normal(size=(6, 3)), rng.normal(size=3)))
    return Network(graph.layers, graph.inputs, names=graph.names)


def unrolled(steps=5, seed=0):
    """h' = tanh(W [h, x_t]): one cell, unrolled over the steps of a sequence (N, T, 3), and a head."""
    rng = np.random.default_rng(seed)
    cell, graph = Dense(rng.normal(size=(7, 4)), rng.normal(size=4)), Graph()
    h = graph.add(0, Flatten(), Dense(rng.normal(size=(3 * steps, 4)) / 4))
    for t in range(steps):
        x_t = graph.add(0, Flatten(), Dense(np.eye(3 * steps)[:, 3 * t:3 * t + 3]))
        h = graph.add((h, x_t), Concat(), cell, Tanh(), name=f"step{t}")
    graph.add(h, Dense(rng.normal(size=(4, 3)), rng.normal(size=3)), name="head")
    return Network(graph.layers, graph.inputs, names=graph.names)


def transformer(seed=0, causal=False):
    """A class token, positions, two blocks; biases everywhere."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape) / shape[0] ** 0.5

    def attend():
        return Attention(*(normal(6, 6) for _ in range(4)), *(normal(6) for _ in range(4)), heads=2, causal=causal)
    blocks = [part for _ in range(2) for part in (
        Residual([LayerNorm(1 + normal(6), normal(6)), attend()]),
        Residual([LayerNorm(1 + normal(6), normal(6)), Dense(normal(6, 8), normal(8)), layers.GELU(),
                  Dense(normal(8, 6), normal(6))]))]
    return Network([Conv2d(rng.normal(size=(2, 2, 1, 6)), normal(6), 2, 0), Tokens(), ClassToken(normal(6)),
                    PositionEmbedding(normal(10, 6)), *blocks, LayerNorm(1 + normal(6), normal(6)), TakeToken(0),
                    Dense(normal(6, 3), normal(3))])


def text_net(first=None):
    rng = np.random.default_rng(3)
    first = Embedding(draw(9, 4)) if first is None else first
    return Network([first, Conv1d(rng.normal(size=(3, first.W.shape[1], 5))), ReLU(), GlobalMaxPool(),
                    Dense(rng.normal(size=(5, 3)))]).astype("float64")


def recurrent(seed=0):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape) for shape in ((3, 6), (2, 6), (6,), (6,))]
    return Network([GRU(*arrays, steps=5), TakeToken(-1), Dense(rng.normal(size=(2, 3)))])


def two_inputs(seed=0):
    """A picture (5, 5, 1) and a row of three numbers."""
    rng = np.random.default_rng(seed)
    return Network([Input(0), Input(1), Conv2d(rng.normal(size=(3, 3, 1, 2)), rng.normal(size=2)), ReLU(),
                    GlobalAvgPool(), Concat(), Dense(rng.normal(size=(5, 3)), rng.normal(size=3))],
                   [0, 0, 1, 3, 4, (5, 2), 6])


def every_layer(dtype="float32"):
    """Every kind of layer, with settings other than the defaults."""
    rng = np.random.default_rng(0)
    return Network([
        Conv2d.random((2, 3), 2, 4, rng, stride=(1, 2), padding=((1, 0), (2, 1))),
        BatchNorm2d(*rng.normal(size=(3, 4)), rng.random(4) + 0.5, epsilon=1e-3, momentum=0.3), ReLU(),
        MaxPool2d((2, 3), 1, "same"), ChannelScale(rng.normal(size=4)), Softplus(),
        AvgPool2d(3, 2, 1, count_padding=True), SumPool2d(2, 1, "same"), Conv2d.random(1, 4, 5, rng, bias=False),
        Tanh(), Flatten(), Dropout(0.3), Dense.random(4 * 3 * 5, 12, rng), Sigmoid(), layers.Unflatten((2, 2, 3)),
        layers.Prepare(0.5, np.array([0.5, 1, 2])),
        Residual([Conv2d.random(3, 3, 3, rng), ReLU(), Residual([Tanh()])], [ChannelScale(rng.normal(size=3))]),
        Branches([[Tanh()], [], [Conv2d.random(1, 3, 3, rng)]], Add(epsilon=0.5)),
        Branches([[], [Branches([[ReLU()], [Sigmoid()]], Multiply())]]), Conv2d.random(1, 6, 3, rng),
        Branches([[], [Tanh()]], Multiply()), layers.AdaptiveAvgPool2d((3, 1)), GlobalAvgPool(),
        Dense.random(3, 3, rng, bias=False), *others()]).astype(dtype)


def others():
    """Those above, one after the other, each cut and reshaped to what it takes."""
    found, features = [], 3
    for layer, shape in [*EXAMPLES.values(), *MORE.values()]:
        if type(layer) in map(type, found):
            continue
        W = np.random.default_rng(2).normal(size=(features, int(np.prod(shape[1:])))) / features ** 0.5
        behind = [layers.Softmax()] if isinstance(layer, layers.Hide) else []             # its numbers are for no other
        found += [Dense(W), layers.Unflatten(shape[1:]), layer, *behind, Flatten()]
        features = found[-1].forward(layer.forward(np.ones((1, *shape[1:]), "float32"))).shape[1]
    return [*found, Dense(np.eye(features, 3))]


def numbers(*shape, seed=1):
    """From 0 to 1, as pixels are, and many of them 0."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, shape) * rng.integers(0, 2, shape)


PIXELS = np.random.default_rng(5)
NETWORKS = {
    "pools": (pools, numbers(4, 6, 6, 2)),
    "pools, no biases": (partial(pools, biased=False), numbers(4, 6, 6, 2)),
    "smooth": (smooth, PIXELS.random((3, 7, 6, 2))),
    "many kinds": (many_kinds, PIXELS.random((3, 8, 8, 3))),
    "residual": (partial(resnet, normalised=True), PIXELS.random((3, 7, 6, 2))),
    "ResNet-18": (partial(resnet18, 2), PIXELS.random((2, 16, 16, 3))),
    "graph": (graph, numbers(4, 6, 6, 2)),
    "unrolled cell": (unrolled, PIXELS.random((3, 5, 3))),
    "GRU": (recurrent, PIXELS.random((3, 5, 3))),
    "transformer": (transformer, PIXELS.random((3, 6, 6, 1))),
    "tokens": (text_net, PIXELS.integers(0, 9, (4, 7))),
    "two inputs": (two_inputs, (PIXELS.random((4, 5, 5, 1)), PIXELS.random((4, 3)))),
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
