"""Records a walk through every rule on numbers that can be checked by hand: pages to step through, for the site.

    python docs/recorded_walks.py               writes all of them into docs/_build/walks
    python docs/recorded_walks.py lrp.gamma     that one

The site's table of rules and some lessons link to them. A rule that is added to the package needs an entry here; a test
says which is missing.
"""
import importlib
import inspect
import pathlib
import pkgutil
import sys
from functools import partial

import numpy as np

from minixnn import Dense, Network, ReLU, layers, plot
from minixnn.layers.joins import half_each, signal_takes_all
from minixnn.layers.norm import identity
from minixnn.rules import composites, deep_taylor, lrp

HERE = pathlib.Path(__file__).parent


def a(*numbers):
    return np.array(numbers, float)


def numbers(function, knob, *values):
    """{"gamma 0.25": rule, ...}: variants of a rule to switch among."""
    return {f"{knob} {value}": partial(function, **{knob: value}) for value in values}


def only(layer, *more, **given):
    """A network of this layer, its outputs in a row."""
    return Network([layer, *more, layers.Flatten()], **given)


def join(layer):
    """Of four inputs the first two and the last two meet in this layer."""
    return Network([layers.ChannelSelect(0, 2), layers.ChannelSelect(2, 4), layer], [0, 0, (1, 2)])


def product_of_matrices():
    """Of four inputs the first two are a row, the last two a column."""
    return Network([layers.ChannelSelect(0, 2), layers.ChannelSelect(2, 4), layers.Unflatten((1, 2)),
                    layers.Unflatten((2, 1)), layers.MatMul(), layers.Flatten()], [0, 0, 1, 2, (3, 4), 5])


# The neuron of the rules' docstrings: y = 2 x_1 - x_2 + 1, which is 1 at x = (1, 2)
NEURON, X = Network([Dense(a([2], [-1]), a(1))]), a([1, 2])
SQUARE, SEQUENCE, FOUR = a([[[1], [2]], [[3], [4]]]), a([[1, 2], [3, 4]]), a([1, 2, 3, 4])
TWO = Network([Dense(a([1, -1], [1, 1])), ReLU(), Dense(a([2], [1]))])      # the network of passes.lrp's docstring
SATURATED = Network([Dense(a([-1], [-1]), a(1)), ReLU(), Dense(a([-1]), a(1))])         # lesson 2.5
SMALLER = Network([Dense(a([1, 1], [0, -1])), ReLU(), Dense(a([1], [-1]))])             # min(x_1, x_2), likewise


def attention():
    """The two tokens of lesson 7.4."""
    return Network([layers.Attention(W_q=a([1], [0]), W_k=a([np.log(3)], [0]), W_v=a([0], [1]), W_o=np.eye(1)),
                    layers.TakeToken(0)])


# name: (title, network, x, rules or {name: rules}, what else plot.steps takes)
WALKS = {
    "lrp.epsilon": ("LRP-epsilon of a neuron", NEURON, X, numbers(lrp.epsilon, "epsilon", 0, 1e-6, 0.25)),
    "lrp.epsilon_rms": ("LRP-epsilon with a stabiliser in proportion", NEURON, X,
                        numbers(lrp.epsilon_rms, "share", 0.25, 0, 0.01)),
    "lrp.gamma": ("LRP-gamma of a neuron", NEURON, X, numbers(lrp.gamma, "gamma", 0.25, 0, 1)),
    "lrp.gamma_signed": ("LRP-gamma of a neuron with an input below zero", NEURON, a([1, -2]),
                         numbers(lrp.gamma_signed, "gamma", 0.25, 0, 1)),
    "lrp.alpha_beta": ("LRP-alpha-beta of a neuron", NEURON, X,
                       {"alpha2-beta1": composites.alpha2_beta1, "alpha1-beta0": composites.alpha1_beta0}),
    "lrp.flat": ("The flat rule of a neuron", NEURON, X, lrp.flat),
    "lrp.proportional": ("A max pool's relevance in proportion", only(layers.MaxPool2d(2)), SQUARE,
                         [lrp.proportional, None]),
    "deep_taylor.w_square": ("The w² rule of a neuron", NEURON, X, deep_taylor.w_square),
    "deep_taylor.z_plus": ("The z⁺ rule of a neuron", NEURON, X, deep_taylor.z_plus),
    "deep_taylor.z_box": ("The zᴮ rule of a neuron", NEURON, X, partial(deep_taylor.z_box, low=0, high=3)),
    "joins.by_contribution": ("A sum's rule", join(layers.Add()), FOUR, lrp.epsilon),
    "joins.cut": ("A concatenation's rule", join(layers.Concat()), FOUR, lrp.epsilon),
    "joins.half_each": ("A product's rule: half to each factor", join(layers.Multiply()), FOUR,
                        [None, None, half_each]),
    "joins.half_each.matrices": ("A product of matrices: half to each factor", product_of_matrices(), FOUR,
                                 [*[None] * 4, half_each, None]),
    "joins.signal_takes_all": ("A product's rule: all to the signal", join(layers.Multiply()), FOUR,
                               [None, None, signal_takes_all]),
    "joins.signal_takes_all.matrices": ("A product of matrices: all to the signal", product_of_matrices(), FOUR,
                                        [*[None] * 4, partial(signal_takes_all, signal=1), None]),
    "joins.numerator_takes_all": ("A quotient's rule", join(layers.Divide()), FOUR, lrp.epsilon),
    "base.pass_on": ("A ReLU passes relevance on", TWO, X, lrp.epsilon, {"layer": 1}),
    "base.carry_back": ("Relevance goes back the way the numbers came", only(layers.Permute((1, 0))), SEQUENCE,
                        [None, None]),
    "reduce.winner_takes_all": ("A max pool's winner takes all", only(layers.MaxPool2d(2)), SQUARE, [None, None]),
    "reduce.share_of_square": ("A length's rule", only(layers.Norm(-1, keepdims=True)), a([3, 4]), [None, None]),
    "norm.scale_held_fixed": ("A normalisation whose scale is held fixed", Network([layers.LayerNorm()]),
                                    a([1, 2, 6]), [None]),
    "norm.identity": ("A normalisation that passes relevance on", Network([layers.LayerNorm()]), a([1, 2, 6]),
                            [identity]),
    "softmax.softmax_taylor": ("A softmax inside a network", Network([layers.Softmax(), Dense(a([1], [2]))]),
                               a([0, np.log(3)]), lrp.epsilon),
    "softmax.log_taylor": ("A log softmax inside a network", Network([layers.LogSoftmax(), Dense(a([1], [2]))]),
                           a([0, np.log(3)]), lrp.epsilon),
    "scale.pass_scaled": ("A constant factor passes relevance on", only(layers.Scale(0.5)), X, [None, None]),
    "scale.share_with_constant": ("An added constant keeps its share", only(layers.Shift(a(1, 1))), X, [None, None]),
    "embedding.leave_token": ("A class token keeps what came to it", only(layers.ClassToken(a(5, 6))), SEQUENCE,
                           [None, None], {"start": a([1, 2, 3, 4, 5, 6])}),
    "embedding.sum_over_channels": ("A token receives what its channels received",
                                    Network([layers.Embedding(a([1, 2], [0, 1], [3, 1])), layers.Flatten(),
                                             Dense(a([1], [2], [1], [-1]))]), np.array([[0, 2]]), lrp.epsilon),
    "attention.lose_hidden": ("Scores that a mask hides", Network([layers.Hide(causal=True), layers.Softmax(),
                                                                   layers.Flatten(), Dense(a([1], [1], [1], [2]))]),
                              a([[0, 1], [0, np.log(3)]])[None], lrp.epsilon),
    "shape.crop": ("What came to padding is lost", only(layers.Pad(((1, 0),))), X, [None, None],
                  {"start": a([1, 2, 3])}),
    "choices.leave_constant": ("A constant takes what comes, and the input receives nothing", Network(
        [layers.Constant(a([1, 2])[0]), layers.Add()], [0, (0, 1)]), a([3, 1]), lrp.epsilon),
    "choices.stop_at_step": ("A threshold is flat, and absorbs what comes", Network(
        [layers.CompareTo("greater", np.array(1.5)), layers.ToFloat(), layers.Multiply()], [0, 1, (0, 2)]), X,
        [None, None, half_each]),
    # for lessons
    "deeplift": ("DeepLIFT, rescale, of a saturated network (lesson 2.5)", SATURATED, a([1, 1]), None,
                 {"method": "deeplift", "x_ref": a([0, 0])}),
    "deeplift_reveal_cancel": ("DeepLIFT, RevealCancel, of the smaller of two numbers (lesson 2.5)", SMALLER, a([3, 2]),
                               None, {"method": "deeplift_reveal_cancel", "x_ref": a([0, 0])}),
    "attention": ("Attention of two tokens, step by step (lesson 7.4)", attention(), a([[1, 4], [0, 8]]),
                  {"AttnLRP": composites.attn_lrp, "CP-LRP": composites.cp_lrp}),
    "network": ("LRP of a network of two layers, step by step", TWO, X,
                {"epsilon 1e-6": lrp.epsilon, "epsilon 0": partial(lrp.epsilon, epsilon=0),
                 "epsilon 0.25": partial(lrp.epsilon, epsilon=0.25), "gamma 0.25": lrp.gamma,
                 "alpha2-beta1": composites.alpha2_beta1}),
}


def rules():
    """Every rule of the package, {"lrp.epsilon": function, "joins.cut": function, ...}, by its module's name."""
    found = {}
    for package in ("minixnn.rules", "minixnn.layers"):
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            for name, function in vars(importlib.import_module(info.name)).items():
                if inspect.isfunction(function) and function.__module__ == info.name \
                        and list(inspect.signature(function).parameters)[:4] == ["layer", "x", "y", "R"]:
                    found[f"{info.name.rpartition('.')[2]}.{name}"] = function
    return found


def page_of(function):
    """The page of a rule below the root of the site."""
    return f"walks/{function.__module__.rpartition('.')[2]}.{function.__name__}.html"


def write(name, folder):
    """Record one walk into a folder; returns the path of its page. Relevance starts from all outputs."""
    title, net, x, given, *more = WALKS[name]
    path, options = pathlib.Path(folder) / f"{name}.html", more[0] if more else {}
    if given is not None:
        options = {"start": net.forward(x), **options}
    plot.steps(net, x, 0, given, path, title=title, **options)
    return path


def main(names=None, folder=HERE / "_build" / "walks"):
    folder.mkdir(parents=True, exist_ok=True)
    return [write(name, folder) for name in names or WALKS]


if __name__ == "__main__":
    print(*main(sys.argv[1:]), sep="\n")
