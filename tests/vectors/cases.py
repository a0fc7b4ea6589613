"""Which cases there are: layers, inputs and relevances, by kind of trouble. Drawn numbers are quarters, so exact."""
import random

ONE = {"kind": "Dense", "W": [[2, -1, 0.5]]}
TABLE = {"kind": "Dense", "W": [[1, 2, 3], [-1, -0.5, 2]], "b": [0.5, -0.5]}     # every convention differs here
POINT = [1, -1, 2]


class Draw:
    """Numbers from one seed: quarters between -2 and 2, never 0 unless asked."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def __call__(self, *shape, least=-8):
        if not shape:
            return self.random.choice([n for n in range(least, 9) if n]) / 4
        return [self(*shape[1:], least=least) for _ in range(shape[0])]

    def bias(self, n):
        """Quarters and 1 / 128, so that sums of products of quarters are not 0 by chance."""
        return [v + 1 / 128 for v in self(n)]

    def x(self, *shape, least=-8):
        """Inputs: odd sixteenths, so that sums are not 0 by chance."""
        if not shape:
            return self.random.choice([n for n in range(4 * least + 1, 32) if n % 2]) / 16
        return [self.x(*shape[1:], least=least) for _ in range(shape[0])]

    def fine(self, *shape):
        return self.random.gauss(0, 1) if not shape else [self.fine(*shape[1:]) for _ in range(shape[0])]


def affine(nonnegative):
    """(layer, x, R, comment, flags, exact) of every kind. x >= 0 where the rule asks for that."""
    sign = abs if nonnegative else float
    point = [sign(v) for v in POINT]
    # one neuron, by hand
    for b, flag in ((None, "one neuron"), (1, "positive bias"), (-1, "negative bias")):
        layer = ONE if b is None else {**ONE, "b": [b]}
        yield layer, [point], [[1]], f"one neuron, b = {b or 0}", [flag], True
    yield TABLE, [point], [[1, 1]], "two neurons, biases of both signs: the table of conventions", ["bias"], True
    yield TABLE, [point], [[1, -2]], "the same, relevances of both signs", ["bias", "negative relevance"], True
    for sign_of_b, x in ((-8, [1, 1, 2]), (8, [1, 3, 1])):
        yield ({**ONE, "b": [sign_of_b]}, [x], [[2]], "the bias is most of the sum",
               ["positive bias" if sign_of_b > 0 else "negative bias"], True)
    # zero denominators
    yield {"kind": "Dense", "W": [[1, -1]]}, [[1, 1]], [[2]], "the sum is 0", ["zero sum"], True
    yield {"kind": "Dense", "W": [[1, -1]], "b": [0]}, [[0, 0]], [[2]], "all inputs are 0", ["zero sum"], True
    yield ({"kind": "Dense", "W": [[1, -1], [2, 1]], "b": [2, -1]}, [[0, 0]], [[3, 1]], "neurons that are bias alone",
           ["bias alone"], True)
    yield ({"kind": "Dense", "W": [[1, 2], [2, -1]], "b": [-3, 1]}, [[1, 1]], [[2, 1]],
           "the bias cancels the inputs; beside it a neuron that has relevance", ["zero sum", "bias"], True)
    yield ({"kind": "Dense", "W": [[-1, -2], [1, 2]], "b": [-1, 1]}, [[1, 2]], [[1, 1]],
           "no positive part, and no negative part", ["one-sided"], True)
    yield ({"kind": "Dense", "W": [[0, 0], [0, 1]]}, [[1, 2]], [[1, 1]], "weights of 0", ["zero weight"], True)
    draw, least = Draw(11), 0 if nonnegative else -8
    yield ({"kind": "Dense", "W": draw(3, 4), "b": draw.bias(3)}, draw.x(3, 4, least=least), draw(3, 3),
           "a batch of three", ["batch"], True)
    yield ({"kind": "Dense", "W": draw(3, 4), "b": draw.bias(3)}, draw(1, 2, 4, least=1 if nonnegative else -8),
           draw(1, 2, 3), "tokens: the layer acts on the last axis", ["tokens"], True)
    # every affine layer
    for layer, shape, out, comment, flags in (
            ({"kind": "Conv2d", "W": draw(2, 1, 2, 2), "b": draw.bias(2)}, (1, 3, 3), (2, 2, 2), "overlapping windows",
             ["overlap", "bias"]),
            ({"kind": "Conv2d", "W": draw(1, 2, 3, 3), "b": [1], "padding": [1, 1]}, (2, 3, 3), (1, 3, 3), "padding",
             ["padding", "positive bias"]),
            ({"kind": "Conv2d", "W": draw(2, 1, 3, 3), "b": [-1, 0.5], "padding": [1, 1], "stride": [2, 2]}, (1, 4, 4),
             (2, 2, 2), "stride and padding", ["padding", "stride", "bias"]),
            ({"kind": "Conv2d", "W": draw(2, 1, 2, 2), "b": draw.bias(2), "groups": 2}, (2, 3, 2), (2, 2, 1), "groups",
             ["groups", "bias"]),
            ({"kind": "Conv2d", "W": draw(4, 1, 2, 2), "b": draw.bias(4), "groups": 2}, (2, 2, 3), (4, 1, 2),
             "depthwise, two outputs a channel", ["groups", "bias"]),
            ({"kind": "Conv2d", "W": draw(2, 1, 2, 2), "b": draw.bias(2), "dilation": [2, 1]}, (1, 3, 3), (2, 1, 2),
             "dilation", ["dilation", "bias"]),
            ({"kind": "Conv2d", "W": draw(2, 3, 1, 1), "b": draw.bias(2)}, (3, 2, 1), (2, 2, 1), "1 x 1: a dense layer",
             ["equivalent", "bias"]),
            ({"kind": "Conv1d", "W": draw(2, 2, 3), "b": draw.bias(2), "stride": [2], "padding": [1]}, (2, 5), (2, 3),
             "of a sequence", ["padding", "stride", "bias"]),
            ({"kind": "ConvTranspose2d", "W": draw(2, 1, 3, 3), "b": draw.bias(1), "stride": [2, 2], "padding": [1, 1]},
             (2, 2, 2), (1, 3, 3), "transposed", ["stride", "overlap", "bias"]),
            ({"kind": "ConvTranspose2d", "W": draw(2, 1, 2, 2), "b": draw.bias(2), "groups": 2}, (2, 2, 2), (2, 3, 3),
             "transposed, groups", ["groups", "overlap", "bias"]),
            ({"kind": "BatchNorm", "gamma": [1, -2], "beta": [0.5, -1], "mean": [0.25, -0.5], "variance": [4, 0.25],
              "epsilon": 0}, (2, 2, 1), (2, 2, 1), "a batch normalisation that has been trained", ["bias"]),
            ({"kind": "AvgPool2d", "size": [2, 2], "stride": [1, 1]}, (1, 3, 3), (1, 2, 2), "overlapping windows",
             ["overlap"]),
            ({"kind": "AvgPool2d", "size": [3, 2], "stride": [2, 2], "padding": [1, 0], "count_padding": True},
             (2, 3, 4), (2, 2, 2), "padding counted", ["padding"]),
            ({"kind": "AvgPool2d", "size": [3, 3], "stride": [2, 2], "padding": [1, 1], "count_padding": False},
             (1, 3, 3), (1, 2, 2), "padding not counted", ["padding"]),
            ({"kind": "GlobalAvgPool"}, (2, 2, 2), (2, 1, 1), "the mean of each map", [])):
        yield layer, draw.x(1, *shape, least=least), draw(1, *out), comment, flags, True
    # larger, in float64
    draw = Draw(2)
    for layer, shape, out, comment in (
            ({"kind": "Dense", "W": draw.fine(6, 20), "b": draw.fine(6)}, (20,), (6,), "larger"),
            ({"kind": "Conv2d", "W": draw.fine(3, 3, 3, 3), "b": draw.fine(3), "padding": [1, 1], "stride": [2, 2]},
             (3, 5, 5), (3, 3, 3), "larger")):
        x = draw.fine(2, *shape)
        yield layer, absolute(x) if nonnegative else x, draw.fine(2, *out), comment, ["batch", "bias"], False


def absolute(nested):
    return [absolute(part) for part in nested] if isinstance(nested, list) else abs(nested)


def scaled(nested, factor):
    return [scaled(part, factor) for part in nested] if isinstance(nested, list) else nested * factor


def related(nonnegative):
    """The same layer under changes that a rule must follow: (layer, x, R, comment, flags, before)"""
    draw = Draw(3)
    W, b, x, R = draw(2, 3), draw.bias(2), draw.x(1, 3, least=0 if nonnegative else -8), [[1, -0.5]]
    layer = {"kind": "Dense", "W": W, "b": b}
    turned = {"kind": "Dense", "W": [row[::-1] for row in W[::-1]], "b": b[::-1]}
    yield layer, x, R, "to compare the next ones with", ["bias"], None
    yield layer, x, scaled(R, -4), "R times -4: relevance times -4", ["scaling", "negative relevance"], None
    yield layer, x, [[1, 0]], "the first output's relevance alone", ["additivity"], None
    yield layer, x, [[0, -0.5]], "the second's; both sum to the first case", ["additivity", "negative relevance"], None
    yield turned, [x[0][::-1]], [R[0][::-1]], "units in the other order", ["permutation"], None
    yield ({"kind": "Conv2d", "W": [[[[w]] for w in row] for row in W], "b": b}, [[[[v]] for v in x[0]]],
           [[[[r]] for r in R[0]]], "the same as a convolution", ["equivalent"], None)
    yield layer, x, R, "after another input has been explained", ["second call"], scaled(x, 0.5)
    yield layer, [x[0], scaled(x[0], 0.5)], [R[0], [2, 1]], "and in a batch with another", ["batch"], None


def invalid(rule):
    """(layer, x, R, comment, knobs) for which the rule is not defined."""
    if rule in ("z_plus", "gamma"):
        yield ONE, [POINT], [[1]], "an input below 0", {}
        yield {**ONE, "b": [1]}, [[-1, -1, 1]], [[1]], "inputs below 0, and a bias", {}
        yield TABLE, [POINT], [[1, 1]], "the table of conventions", {}
    if rule == "z_box":
        yield ONE, [[1, -1, 4]], [[1]], "an input above the upper bound", {"low": -3, "high": 3}
        yield ONE, [[1, -4, 1]], [[1]], "an input below the lower bound", {"low": -3, "high": 3}
    if rule == "alpha_beta":
        yield ONE, [POINT], [[1]], "alpha - beta is not 1", {"alpha": 2, "beta": 2}
        yield ONE, [POINT], [[1]], "beta below 0", {"alpha": 0.5, "beta": -0.5}


KNOBS = {
    "epsilon": ({"epsilon": 0}, {"epsilon": 0.25}), "gamma": ({"gamma": 0.25},), "flat": ({},),
    "gamma_signed": ({"gamma": 0.25}, {"gamma": 2}), "z_plus": ({},), "w_square": ({},),
    "alpha_beta": ({"alpha": 2, "beta": 1}, {"alpha": 1, "beta": 0}, {"alpha": 1.5, "beta": 0.5}),
    "z_box": ({"low": -3, "high": 2.5},)}


def pools():
    """(rule, layer, x, R, comment, flags)"""
    draw = Draw(4)
    two = {"kind": "MaxPool2d", "size": [2, 2], "stride": [2, 2]}
    over = {"kind": "MaxPool2d", "size": [2, 2], "stride": [1, 1]}
    three = {"kind": "MaxPool2d", "size": [3, 3], "stride": [2, 2], "padding": [1, 1]}
    for rule in ("winner_takes_all", "proportional"):
        yield rule, two, [[[[1, 3], [2, 0.5]]]], [[[[2]]]], "one window", ["one neuron"]
        yield rule, two, [[[[1, 2], [2, 1]]]], [[[[1]]]], "two largest ones: the first wins", ["tie"]
        yield rule, two, [[[[0, 0], [0, 0]]]], [[[[1]]]], "all 0, as behind a ReLU", ["tie"]
        yield rule, over, [[[[1, 2, 1], [0.5, 4, 3], [1, 1, 2]]]], [[[[1, 2], [-3, 4]]]], "wins all", ["overlap"]
        yield rule, over, draw(2, 2, 3, 3), draw(2, 2, 2, 2), "two channels, a batch", ["overlap", "batch"]
        yield rule, three, scaled(draw(1, 1, 4, 4, least=1), -1), draw(1, 1, 2, 2), "padding, all below 0", ["padding"]
        yield rule, three, draw(1, 2, 4, 4, least=1), draw(1, 2, 2, 2), "padding and overlap", ["padding", "overlap"]
        yield rule, {**two, "size": [2, 1], "stride": [2, 1]}, draw(1, 1, 4, 2), draw(1, 1, 2, 2), "not square", []


def activations():
    x, R = [[-2, -0.5, 0, 0.5, 2]], [[1, -1, 2, 3, -0.25]]
    for kind in ("ReLU", "Tanh", "SiLU", "GELU", "Sigmoid"):
        yield {"kind": kind}, x, R, "R passes an activation", ["activation"]
    yield {"kind": "ReLU", "inplace": True}, x, R, "computed in place", ["activation", "in place"]
    yield {"kind": "ReLU"}, Draw(5)(2, 2, 2, 2), Draw(6)(2, 2, 2, 2), "images", ["activation", "batch"]


def joins():
    """(rule, layer, [x, ...], R, comment, flags, knobs)"""
    draw, add = Draw(7), {"kind": "Add"}
    for e in (0, 0.25):
        knobs = {"epsilon": e}
        yield "add", add, [[[3, 1]], [[1, -2]]], [[4, 1]], "shortcut and body", ["residual"], knobs
        yield "add", add, [[[1, 2]], [[-1, -3]]], [[2, 1]], "they cancel", ["residual", "zero sum"], knobs
        yield "add", add, [[[-3, -1]], [[1, -0.5]]], [[1, -2]], "sums below 0", ["residual"], knobs
        yield "add", add, [draw.x(2, 2, 2, 2), draw(2, 2, 2, 2)], draw(2, 2, 2, 2), "images", ["batch"], knobs
        yield "add", add, [draw.x(1, 3), draw(1, 3), draw(1, 3)], draw(1, 3), "three branches", ["residual"], knobs
    yield "cut", {"kind": "Concat"}, [draw(2, 1, 2, 2), draw(2, 2, 2, 2)], draw(2, 3, 2, 2), "channels", ["batch"], {}
    yield "cut", {"kind": "Concat"}, [draw(1, 2), draw(1, 1), draw(1, 2)], draw(1, 5), "three vectors", [], {}
    for rule in ("half_each", "signal_takes_all"):
        layer = {"kind": "Multiply"}
        yield rule, layer, [[[2, -1]], [[0.5, 3]]], [[1, -3]], "signal and gate", ["gate"], {}
        yield rule, layer, [[[2, 0]], [[0, 3]]], [[1, 1]], "a gate of 0, and a signal of 0", ["gate", "zero"], {}
        yield rule, layer, [draw(2, 2, 2, 2), draw(2, 2, 2, 2)], draw(2, 2, 2, 2), "images", ["gate", "batch"], {}
    for rule in ("matmul_half_each", "matmul_signal_takes_all"):
        for e in (0, 0.25):
            layer, knobs = {"kind": "MatMul"}, {"epsilon": e}
            yield rule, layer, [[[[1, 2]]], [[[3], [-1]]]], [[[2]]], "one product", ["attention", "one neuron"], knobs
            yield rule, layer, [[[[1, 1]]], [[[1], [-1]]]], [[[2]]], "it is 0", ["attention", "zero sum"], knobs
            yield rule, layer, [draw.x(1, 3, 2), draw.x(1, 2, 3)], draw(1, 3, 3), "scores", ["attention"], knobs
            yield (rule, layer, [draw.x(2, 2, 3, 3, least=0), draw(2, 2, 3, 2)], draw(2, 2, 3, 2),
                   "weights times values, two heads, a batch", ["attention", "batch"], knobs)


def by_rows():
    """(rule, layer, x, R, comment, flags, knobs)"""
    draw = Draw(8)
    soft = {"kind": "Softmax"}
    yield "softmax", soft, [[0, 1]], [[1, 0]], "two classes", ["softmax"], {}
    yield "softmax", soft, draw(1, 4), draw(1, 4), "four", ["softmax"], {}
    yield "softmax", soft, draw(2, 2, 3, 3), draw(2, 2, 3, 3), "heads of tokens, a batch", ["softmax", "batch"], {}
    yield "softmax", soft, [[1000, 999, -1000]], [[1, 1, 1]], "large scores do not overflow", ["softmax", "extreme"], {}
    yield "softmax", soft, [[1, "-inf", 2]], [[1, 0, 2]], "a hidden token", ["softmax", "masked"], {}
    for kind in ("LayerNorm", "RMSNorm"):
        plain = {"kind": kind, "gamma": draw(4), "epsilon": 1e-5}
        full = {**plain, "beta": draw(4)} if kind == "LayerNorm" else {**plain, "gamma": draw(4)}
        for layer, comment in ((plain, "weights, no bias"), (full, "a bias" if "beta" in full else "others")):
            for e in (0, 0.25):
                yield "scale_held_fixed", layer, draw(1, 4), draw(1, 4), comment, ["norm"], {"epsilon": e}
                yield ("scale_held_fixed", layer, draw(2, 3, 4), draw(2, 3, 4), comment + ", tokens",
                       ["norm", "batch"], {"epsilon": e})
            yield "identity", layer, draw(1, 4), draw(1, 4), comment, ["norm"], {}
            yield "identity", layer, draw(2, 3, 4), draw(2, 3, 4), comment + ", tokens", ["norm", "batch"], {}


def networks():
    """(name, model, [rules, ...], shapes of what enters, what the rules are for)"""
    draw = Draw(9)

    def dense(i, o, bias=True):
        return {"kind": "Dense", "W": draw(o, i), **({"b": draw.bias(o)} if bias else {})}

    def conv(i, o, size=2, **more):
        return {"kind": "Conv2d", "W": draw(o, i, size, size), "b": draw.bias(o), **more}

    def chain(*layers):
        return {"layers": list(layers), "inputs": [[i] for i in range(len(layers))]}

    relu, flatten = {"kind": "ReLU"}, {"kind": "Flatten"}
    both = [("epsilon", {"epsilon": 0.25}), ("alpha_beta", {"alpha": 2, "beta": 1}), ("gamma_signed", {"gamma": 0.25})]
    taylor = [("z_plus", {}), ("w_square", {}), ("z_box", {"low": -2, "high": 2})]
    yield "dense", chain(dense(4, 3), relu, dense(3, 2)), (4,), both + [taylor[:2], taylor[::2]], ["bias"]
    yield "dense_in_place", chain(dense(4, 3), {**relu, "inplace": True}, dense(3, 2)), (4,), both[:2], ["in place"]
    yield "dense_merged", chain(dense(3, 4), dense(4, 2)), (3,), both[:2], ["equivalent"]
    yield ("conv", chain(conv(1, 2), relu, conv(2, 2, stride=[2, 2]), relu, flatten, dense(2, 2)), (1, 4, 4),
           both + [taylor[:2], [("z_plus", {}), ("flat", {})]], ["overlap", "stride"])
    yield ("max_pool", chain(conv(1, 2), relu, {"kind": "MaxPool2d", "size": [2, 2], "stride": [1, 1]}, flatten,
                             dense(8, 2)), (1, 4, 4), both, ["overlap", "tie"])
    batch_norm = {"kind": "BatchNorm", "gamma": [1, -2], "beta": [0.5, 1], "mean": [0.25, 0], "variance": [4, 0.25],
                  "epsilon": 0}
    yield ("norm_average", chain(conv(1, 2), batch_norm, relu,
                                 {"kind": "AvgPool2d", "size": [2, 2], "stride": [1, 1]}, {"kind": "GlobalAvgPool"},
                                 flatten, dense(2, 2)), (1, 4, 4), both[:2], ["bias", "overlap"])
    body = dense(3, 3)
    yield ("residual", {"layers": [dense(3, 3), relu, dense(3, 3), {"kind": "Add"}, relu, dense(3, 2)],
                        "inputs": [[0], [1], [2], [1, 3], [4], [5]]}, (3,), both, ["residual"])
    yield ("reused", {"layers": [body, relu, {**body, "same_as": 0}, relu, dense(3, 2)],
                      "inputs": [[0], [1], [2], [3], [4]]}, (3,), both[:2], ["reused module"])
    yield ("branches", {"layers": [conv(1, 2, 1), relu, conv(1, 1, 1), {"kind": "Concat"}, flatten, dense(12, 2)],
                        "inputs": [[0], [1], [0], [2, 3], [4], [5]]}, (1, 2, 2), both[:2], ["residual"])
    yield ("gate", {"layers": [dense(3, 4), dense(3, 4), {"kind": "SiLU"}, {"kind": "Multiply"}, dense(4, 2)],
                    "inputs": [[0], [0], [2], [1, 3], [4]]}, (3,), ["half_each", "signal_takes_all"], ["gate"])
    attention = {"layers": [dense(2, 2), dense(2, 2), dense(2, 2), {"kind": "Transpose"}, {"kind": "MatMul"},
                            {"kind": "Softmax"}, {"kind": "MatMul"}, dense(2, 2, False)],
                 "inputs": [[0], [0], [0], [2], [1, 4], [5], [6, 3], [7]]}
    yield "attention", attention, (3, 2), ["attn_lrp", "cp_lrp"], ["attention", "softmax"]
    norm = {"kind": "LayerNorm", "gamma": [1, -0.5], "beta": [0.25, 1], "epsilon": 1e-5}
    yield ("transformer", {"layers": [norm, *attention["layers"], {"kind": "Add"}], "inputs": [
        [0], [1], [1], [1], [3], [2, 5], [6], [7, 4], [8], [0, 9]]}, (3, 2), ["attn_lrp", "cp_lrp"],
           ["attention", "norm", "residual"])


def deeplift():
    """(name, model, shape, flags)"""
    draw = Draw(10)

    def conv(i, o, size=2, **more):
        return {"kind": "Conv2d", "W": draw(o, i, size, size), "b": draw.bias(o), **more}

    relu, flatten = {"kind": "ReLU"}, {"kind": "Flatten"}
    apart, over = ({"kind": "MaxPool2d", "size": [2, 2], "stride": [s, s]} for s in (2, 1))

    def dense(i, o):
        return {"kind": "Dense", "W": draw(o, i), "b": draw.bias(o)}
    yield ("table", [TABLE, relu, {"kind": "Dense", "W": [[1, -2]], "b": [0.25]}], (3,), ["bias"])
    yield "dense", [dense(4, 5), relu, dense(5, 4), relu, dense(4, 2)], (4,), ["bias"]
    yield "smooth", [dense(4, 5), {"kind": "Tanh"}, dense(5, 4), {"kind": "Sigmoid"}, dense(4, 2)], (4,), ["bias"]
    yield "conv", [conv(1, 2), relu, conv(2, 2), relu, flatten, dense(8, 2)], (1, 4, 4), ["overlap"]
    yield "average", [conv(1, 2), relu, {"kind": "AvgPool2d", "size": [2, 2], "stride": [2, 2]}, flatten,
                      dense(2, 2)], (1, 3, 3), []
    yield "max_pool_alone", [conv(1, 2), apart, conv(2, 2, 1), flatten, dense(2, 2)], (1, 3, 3), ["pool"]
    yield "max_pool_beside_relu", [conv(1, 2), relu, apart, flatten, dense(8, 2)], (1, 5, 5), ["pool beside activation"]
    yield ("max_pool_overlapping", [conv(1, 2), over, conv(2, 2, 1), flatten, dense(8, 2)], (1, 4, 4),
           ["overlap", "pool"])
    yield "max_pool_first", [over, conv(1, 2), flatten, dense(8, 2)], (1, 4, 4), ["overlap", "pool"]
