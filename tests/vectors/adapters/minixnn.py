"""minixnn: a rule is a function of a layer. Its images are channels last, so axes are moved on the way in and out."""
from functools import partial

import numpy as np

import minixnn
from minixnn import layers, passes
from minixnn.layers import joins, layer_norm, softmax
from minixnn.rules import deep_taylor, lrp

name, version, NOTES = "minixnn", minixnn.__version__, {}
RULES = {
    "epsilon": lrp.epsilon, "gamma": lrp.gamma, "gamma_signed": lrp.gamma_signed, "alpha_beta": lrp.alpha_beta,
    "flat": lrp.flat, "z_plus": deep_taylor.z_plus, "w_square": deep_taylor.w_square, "z_box": deep_taylor.z_box,
    "winner_takes_all": layers.MaxPool2d.rule, "proportional": lrp.proportional, "pass": layers.ReLU.rule,
    "add": joins.by_contribution, "cut": joins.cut, "half_each": joins.half_each,
    "signal_takes_all": joins.signal_takes_all, "matmul_half_each": joins.half_each,
    "matmul_signal_takes_all": partial(joins.signal_takes_all, signal=1), "softmax": softmax.softmax_taylor,
    "scale_held_fixed": layer_norm.scale_held_fixed, "identity": layer_norm.identity}


def array(nested):
    """Channels last, in float64."""
    x = np.array(nested, dtype=object).astype(float)
    return np.moveaxis(x, 1, -1) if x.ndim > 3 else x


def back(x):
    return np.moveaxis(x, -1, 1) if x.ndim > 3 else x


def module(layer):
    """The layer of minixnn with these numbers."""
    given = {name: np.array(value, dtype=float) for name, value in layer.items()
             if name in ("b", "gamma", "beta", "mean", "variance")}
    kind, W = layer["kind"], np.array(layer.get("W", 0.0))
    space = {name: tuple(layer[name]) for name in ("stride", "dilation", "size", "output_padding") if name in layer}
    if "padding" in layer:
        space["padding"] = tuple((p, p) for p in layer["padding"])
    if "groups" in layer:
        space["groups"] = layer["groups"]
    if kind == "Dense":
        return layers.Dense(W.T, **given)
    return {"Conv1d": lambda: layers.Conv1d(W.transpose(2, 1, 0), **given, **{
                k: v[0] if isinstance(v, tuple) else v for k, v in space.items()}),
            "Conv2d": lambda: layers.Conv2d(W.transpose(2, 3, 1, 0), **given, **space),
            "ConvTranspose2d": lambda: layers.ConvTranspose2d(W.transpose(2, 3, 0, 1), **given, **space),
            "BatchNorm": lambda: layers.BatchNorm2d(**given, epsilon=layer["epsilon"]),
            "AvgPool2d": lambda: layers.AvgPool2d(**space, count_padding=layer.get("count_padding", True)),
            "MaxPool2d": lambda: layers.MaxPool2d(**space),
            "LayerNorm": lambda: layers.LayerNorm(**given, epsilon=layer["epsilon"]),
            "RMSNorm": lambda: layers.RMSNorm(**given, epsilon=layer["epsilon"]),
            "Flatten": ChannelsFirst, "Transpose": lambda: layers.Transpose()}.get(kind, getattr(layers, kind, None))()


def offers(rule, layer):
    return True


def build(layer):
    return layer, module(layer)
