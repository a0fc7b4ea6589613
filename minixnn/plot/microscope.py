"""The relevance microscope: a network as one web page, in which relevance can be watched and followed.

The page needs no server, no network and no other file. It holds the weights in float16, the digits to choose from,
the rules' source, and a small engine in JavaScript that mirrors this one: minixnn/data/microscope, to be read in the
order of `MODULES`. Weights in float16 are rounded; on such weights the page's numbers are those of `passes.lrp`.
"""
import base64
import inspect
import json
import pathlib
import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from minixnn.arrays import Array, to_numpy
from minixnn.layers import MaxPool2d
from minixnn.layers.base import Layer, Rule
from minixnn.layers.folding import fold_batch_norm
from minixnn.network import Network
from minixnn.rules import composites, deep_taylor, lrp

FOLDER = pathlib.Path(__file__).parents[1] / "data" / "microscope"
MODULES = ("arrays", "layers", "rules", "network", "formulas", "pictures", "columns", "connections", "inspector",
           "address", "page")
KINDS = ("Dense", "Conv2d", "MaxPool2d", "AvgPool2d", "SumPool2d", "GlobalAvgPool", "ReLU", "Flatten", "Dropout")
# How people write what the menu of rules offers; a composite's epsilon is that of `lrp.epsilon`.
TITLES = {"epsilon": "LRP-ε, ε = 0.25", "epsilon_plus": "LRP-ε (10⁻⁶) for dense, z⁺ for convolutions",
          "epsilon_plus_flat": "LRP-ε (10⁻⁶), z⁺, flat at the pixels",
          "epsilon_alpha2_beta1": "LRP-ε (10⁻⁶) for dense, α2β1 for convolutions",
          "epsilon_alpha2_beta1_flat": "LRP-ε (10⁻⁶), α2β1, flat at the pixels",
          "epsilon_gamma_box": "LRP-ε (10⁻⁶), γ = 0.25, zᴮ at the pixels",
          "deep_taylor": "deep Taylor, zᴮ at the pixels",
          "deep_taylor, w2 at the pixels": "deep Taylor, w² at the pixels",
          "LRP-0": "LRP-0", "gamma": "LRP-γ, γ = 0.25", "alpha1_beta0": "LRP-α1β0", "alpha2_beta1": "LRP-α2β1",
          "z_plus": "z⁺ everywhere"}
RULES: dict[str, Rule] = {
    "epsilon": lrp.epsilon, "gamma": lrp.gamma, "alpha_beta": lrp.alpha_beta, "flat": lrp.flat,
    "proportional": lrp.proportional, "w_square": deep_taylor.w_square, "z_plus": deep_taylor.z_plus,
    "z_box": deep_taylor.z_box}


def microscope(net: Network | dict[str, Network], images: Array, labels: Sequence[int] | Array | None = None) -> str:
    """The page, as text. Write it to a file, and open that in a browser.

    Parameters
    ----------
    net : a Network, or a dictionary {name: Network} to choose from.
    images : (N, H, W, 1), which can be chosen on the page; a drawing of one's own has their size.
    labels : the names of the images; None for their numbers.

    Returns
    -------
    The page, HTML.

    Raises
    ------
    ValueError : images of several channels; a network with a layer that the page does not know, or with outputs that
        are no classes; weights beyond the range of float16.
    """
    nets = {"network": net} if isinstance(net, Network) else dict(net)
    images = to_numpy(images)
    if images.ndim != 4 or images.shape[3] != 1:
        raise ValueError(f"got images of shape {images.shape}, expected (images, height, width, 1): the page has a "
                         "canvas to draw such images on")
    low, high = min(0.0, float(images.min())), max(1.0, float(images.max()))
    data = {"networks": {name: written(each, images, low, high) for name, each in nets.items()},
            "images": {"shape": images.shape, "float32": text_of(images.astype(np.float32)),
                       "labels": [str(n) for n in (range(len(images)) if labels is None else labels)]},
            "bounds": [low, high], "titles": TITLES, "rules": {name: described(rule) for name, rule in RULES.items()}}
    return filled(FOLDER, script(), data)


def filled(folder: pathlib.Path, script: str, data: dict) -> str:
    """The page of a folder, with its style, a script and data put into it."""
    parts = {"style": (folder / "page.css").read_text(encoding="utf-8"), "script": script,
             "data": json.dumps(data, separators=(",", ":")).replace("<", r"\u003c")}
    page = (folder / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)


def script() -> str:
    """The modules one after the other, as one: a page that is opened as a file may not import others."""
    text = "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in MODULES)
    return re.sub(r"^export ", "", re.sub(r"^import [^;]*;\n", "", text, flags=re.M), flags=re.M)


def written(net: Network, images: Array, low: float | Array, high: float | Array) -> dict:
    """A network as JSON can hold it.

    Parameters
    ----------
    net : the Network.
    images : (N, H, W, 1), of which the first shows the shapes.
    low, high : the bounds of pixels, for rules that need them.

    Returns
    -------
    A dictionary: the shape of an image, the layers, and for each composite a rule per layer.

    Raises
    ------
    ValueError : a layer that the page does not know, or outputs that are no classes.
    """
    net = fold_batch_norm(net)
    A = net.trace(images[:1].astype(np.float32))
    if A[-1].ndim != 2:
        raise ValueError(f"the network's output has shape {A[-1].shape[1:]}, expected one number per class: the page "
                         "explains one of them")
    return {"shape": images.shape[1:], "layers": [written_layer(l, layer, A[l]) for l, layer in enumerate(net.layers)],
            "composites": {name: [written_rule(*pair) for pair in zip(net.layers, composites.rules_for(net, rules))]
                           for name, rules in choices(net, low, high).items()}}


def written_layer(l: int, layer: Layer, x: Array) -> dict:
    """Kind, settings and weights of a layer.

    Parameters
    ----------
    l : its number.
    layer : the layer.
    x : what enters it, (N, ...).

    Returns
    -------
    A dictionary that JSON can hold.

    Raises
    ------
    ValueError : a layer that the page does not know, or weights beyond the range of float16.
    """
    kind, settings = type(layer).__name__, layer.settings()
    beyond = any(settings.get(name, 1) not in (1, (1, 1)) for name in ("dilation", "groups"))
    if kind not in KINDS or beyond or (kind == "Dense" and x.ndim != 2):
        raise ValueError(f"the microscope cannot show layer {l}, {layer!r}, on inputs of shape {x.shape[1:]}; it "
                         f"shows {', '.join(KINDS)}: dense layers of vectors, convolutions without dilation and groups")
    arrays = {name: to_numpy(array) for name, array in layer.arrays().items() if array is not None}
    for name, array in arrays.items():
        if not abs(array).max(initial=0) <= np.finfo(np.float16).max:
            raise ValueError(f"{name} of layer {l} has numbers beyond {np.finfo(np.float16).max}, the largest that "
                             "float16 can hold, in which the page keeps weights")
    return {"kind": kind, "settings": settings,
            **{name: {"shape": array.shape, "float16": text_of(array.astype(np.float16))}
               for name, array in arrays.items()}}


def choices(net: Network, low: float | Array, high: float | Array) -> dict:
    """What the menu of rules offers, the first to begin with: composites by their names, and one rule everywhere."""
    return {"epsilon": partial(lrp.epsilon, epsilon=0.25), "epsilon_plus": composites.epsilon_plus,
            "epsilon_plus_flat": composites.epsilon_plus_flat,
            "epsilon_alpha2_beta1": composites.epsilon_alpha2_beta1,
            "epsilon_alpha2_beta1_flat": composites.epsilon_alpha2_beta1_flat,
            "epsilon_gamma_box": composites.epsilon_gamma_box(net, low=low, high=high),
            "deep_taylor": composites.deep_taylor(net, low=low, high=high),
            "deep_taylor, w2 at the pixels": composites.deep_taylor,
            "LRP-0": partial(lrp.epsilon, epsilon=0.0),
            "gamma": lrp.gamma, "alpha1_beta0": composites.alpha1_beta0, "alpha2_beta1": composites.alpha2_beta1,
            "z_plus": deep_taylor.z_plus}


def written_rule(layer: Layer, rule: Callable) -> dict:
    """{"rule": "gamma", "knobs": {"gamma": 0.25}}; what the layer does by itself where no rule of `RULES` is given."""
    function = getattr(rule, "func", rule)
    name = getattr(function, "__name__", "")
    if name not in RULES or RULES[name] is not function:
        return {"rule": "winner_takes_all" if isinstance(layer, MaxPool2d) else "pass_on", "knobs": {}}
    return {"rule": name, "knobs": {**knobs(function), **getattr(rule, "keywords", {})}}


def knobs(function: Callable) -> dict:
    """{"epsilon": 1e-06}: the arguments of a rule that have a default."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}


def described(rule: Callable) -> dict:
    """What the page tells of a rule: whose it is, and its source without the docstring."""
    code = inspect.getsource(rule)
    text = re.sub(r'\n    """.*?"""', "", code, count=1, flags=re.S)
    return {"name": f"{rule.__module__.removeprefix('minixnn.')}.{rule.__name__}",
            "title": (inspect.getdoc(rule) or "").partition("\n")[0], "source": text.rstrip()}


def text_of(array: Array) -> str:
    """The bytes of an array, lowest byte first, as base64."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
