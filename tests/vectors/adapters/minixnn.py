"""minixnn: a rule is a function of a layer. Its images are channels last, so axes are moved on the way in and out."""
from functools import partial

import numpy as np

import minixnn
from minixnn import layers, passes
from minixnn.layers import joins, norm, softmax
from minixnn.rules import deep_taylor, lrp

name, version, NOTES = "minixnn", minixnn.__version__, {}
RULES = {
    "epsilon": lrp.epsilon, "gamma": lrp.gamma, "gamma_signed": lrp.gamma_signed, "alpha_beta": lrp.alpha_beta,
    "flat": lrp.flat, "z_plus": deep_taylor.z_plus, "w_square": deep_taylor.w_square, "z_box": deep_taylor.z_box,
    "winner_takes_all": layers.MaxPool2d.rule, "proportional": lrp.proportional, "pass": layers.ReLU.rule,
    "add": joins.by_contribution, "cut": joins.cut, "half_each": joins.half_each,
    "signal_takes_all": joins.signal_takes_all, "matmul_half_each": joins.half_each,
    "matmul_signal_takes_all": partial(joins.signal_takes_all, signal=1), "softmax": softmax.softmax_taylor,
    "scale_held_fixed": norm.scale_held_fixed, "identity": norm.identity}
SPACE = {"stride", "padding", "dilation", "output_padding", "size", "groups", "count_padding", "epsilon"}


def last(x, kind="", source=1, target=-1):
    """Channels last, of images and of what Conv1d gets."""
    x = np.array(x, dtype=object).astype(float)
    moves = kind == "Conv1d" or x.ndim == 4 and kind not in ("MatMul", "Softmax")
    return np.moveaxis(x, source, target) if moves else x


first = partial(last, source=-1, target=1)


class ChannelsFirst(layers.Flatten):            # in the order of the vectors
    rule = staticmethod(layers.Permute.rule)

    def forward(self, x):
        return first(x).reshape(len(x), -1)

    def gradient(self, x, y, dy):
        return last(dy.reshape(first(x).shape))


def module(layer):
    """The layer of minixnn with these numbers."""
    kind = layer["kind"]
    given = {k: np.array(layer[k], dtype=float) for k in ("b", "gamma", "beta", "mean", "variance") if k in layer}
    given.update({k: tuple(layer[k]) if isinstance(layer[k], list) else layer[k] for k in SPACE & {*layer}})
    given.update({"padding": tuple((p, p) for p in layer["padding"])} if "padding" in layer else {})
    if "W" in layer:
        order = {"Dense": (1, 0), "Conv1d": (2, 1, 0), "Conv2d": (2, 3, 1, 0), "ConvTranspose2d": (2, 3, 0, 1)}[kind]
        given = {"padding": "valid", **given} if kind == "Conv2d" else given
        given["W"] = np.array(layer["W"], dtype=float).transpose(order)
    others = {"Flatten": ChannelsFirst, "Transpose": partial(layers.Permute, (1, 0)), "BatchNorm": layers.BatchNorm2d}
    return others.get(kind, getattr(layers, kind, None))(**given)


def offers(rule, layer):
    return True


def build(layer):
    made = []
    for part in layer.get("layers", []):
        made.append(made[part["same_as"]] if "same_as" in part else module(part))
    return layer, minixnn.Network(made, [tuple(each) for each in layer["inputs"]]) if made else module(layer)


def explain(model, rule, x, R, **knobs):
    layer, made = model
    kind, many = layer["kind"], layer["kind"] in ("Add", "Concat", "Multiply", "MatMul")
    if rule == "deeplift":
        return first(passes.deeplift(made, last(x), last(knobs["x_ref"]), start=last(R))[0])
    if rule == "network":
        rules = [None if each["rule"] == "pass" else partial(RULES[each["rule"]], **{
            k: v for k, v in each.items() if k != "rule"}) for each in knobs["rules"]]
        return [first(r) for r in passes.lrp(made, last(x), start=last(R), rules=rules)]
    x = tuple(last(each, kind) for each in x) if many else last(x, kind)
    y = made.forward(x)
    R_x = RULES[rule](made, x, y, last(R, kind).reshape(y.shape), **knobs)
    return [first(each, kind) for each in R_x] if many else first(R_x, kind)
