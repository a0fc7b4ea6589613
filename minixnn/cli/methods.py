"""Methods and rules by name, with their options set: what --method, --rule, --set, --target and --versus mean."""
from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from minixnn.arrays import Array
from minixnn import attribution
from minixnn.attribution.starts import inside
from minixnn.cli.errors import CannotGoOn
from minixnn.rules import composites, deep_taylor, lrp
from minixnn.spelling import meant

if TYPE_CHECKING:
    from minixnn.card import Card
    from minixnn.network import Network

METHODS = attribution.METHODS
NAMES = attribution.NAMES
SHORT = {"ig": "integrated_gradients", "vanilla": "gradient", "grad": "gradient", "lrp_z": "lrp_0",
         "gbp": "guided_backprop"}
FAR = dict.fromkeys(("lime", "shap", "rise", "kernel_shap", "anchors"), "; of methods that only run the network "
                    "forwards there are occlusion, score_cam and ablation_cam")
RULES = {name: getattr(module, name) for module, names in (
    (lrp, ("epsilon", "epsilon_rms", "gamma", "gamma_signed", "alpha_beta", "flat")),
    (deep_taylor, ("z_plus", "w_square", "z_box")),
    (composites, ("epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat",
                  "epsilon_gamma_box", "by_depth", "attn_lrp", "cp_lrp", "deep_taylor"))) for name in names}


def real(text: str) -> float:
    value = float(text)
    if not np.isfinite(value):
        raise ValueError
    return value


def real_or_none(text: str) -> float | None:
    return None if text.lower() == "none" else real(text)


def truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


# What may be set, and how its text is read. All else that a method takes has an option of its own, or is an array.
OPTIONS: dict[str, Callable] = {
    "steps": int, "samples": int, "size": int, "stride": int, "layer": int, "noise": real, "value": real,
    "low": real_or_none, "high": real_or_none, "epsilon": real, "share": real, "gamma": real, "alpha": real,
    "beta": real,
    "kind": str, "method": str, "rectify": truth}
READ_AS = {int: "a whole number", real: "a number", real_or_none: "a number or none", str: "a word",
           truth: "true or false"}


def options(function: Callable) -> dict[str, object]:
    """{name: default} of what --set can change in a method, a rule or a composite, those of its rules included."""
    found = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()
             if name in OPTIONS and not callable(parameter.default)}
    rules = rules_of(function)
    return found if rules is None else {**found, **options(rules)}


def rules_of(function: Callable) -> Callable | None:
    """The rule or composite that a heatmap of relevance is made with, as METHODS has it; None for other methods."""
    return {"rules": lrp.epsilon, **getattr(function, "keywords", {})}["rules"] \
        if getattr(function, "func", function) is attribution.lrp else None


def chosen(known: dict[str, Callable], name: str, what: str, settings: list[str]) -> Callable:
    """The entry `name` of `known`, METHODS or RULES, with the `settings` ["epsilon=0.1", ...] made."""
    name = key_of(known, name, f"--{what}")
    possible, made = options(known[name]), {}
    for setting in settings:
        key, _, text = setting.partition("=")
        if key not in possible:
            raise ValueError(f"got --set {setting}, but {name} has no option {key!r}; "
                             f"it has {', '.join(possible) or 'none'}{meant(key, possible)}")
        try:
            made[key] = OPTIONS[key](text)
        except (ValueError, KeyError) as error:
            raise ValueError(f"got --set {setting}, expected {READ_AS[OPTIONS[key]]} for {key}, such as "
                             f"--set {key}={possible[key]}") from error
    return with_options(known[name], made)


def key_of(known: dict[str, Callable], name: str, what: str) -> str:
    """The key of `known` that a name means: as it is, in other letters, or as it is written on pictures."""
    def folded(text: str) -> str:
        return text.casefold().replace("-", "_").replace(" ", "_")
    plain, written = folded(name), {folded(NAMES[key]): key for key in known if key in NAMES}
    found = next((each for each in (name, plain, written.get(plain)) if each in known), None)
    if found is not None:
        return found
    near = meant(SHORT.get(plain, name), known)
    raise ValueError(f"got {what} {name}{near}; see: minixnn methods" if near and len(known) > 10 else
                     f"got {what} {name}, expected one of {', '.join(known)}"
                     + FAR.get(plain, "") * ("occlusion" in known))


def with_options(function: Callable, made: dict[str, object]) -> Callable:
    """The function with keyword arguments set, in itself or in the rule that it works by."""
    if not made:
        return function
    rules = rules_of(function)
    return partial(function, **made) if rules is None else partial(function, rules=partial(rules, **made))


def described(name: str) -> str:
    """What a method is, in a line."""
    rules = rules_of(METHODS[name])
    if rules is None:
        return first_line(METHODS[name])
    text = first_line(rules).rstrip(".").replace("`", "")
    text = text if text.startswith("LRP") else f"LRP: {text[0].lower()}{text[1:]}"
    fixed = ", ".join(f"{key} = {value:g}" for key, value in getattr(rules, "keywords", {}).items())
    return f"{text}; {fixed}" if fixed else text


def first_line(function: Callable) -> str:
    return (inspect.getdoc(getattr(function, "func", function)) or "").partition("\n")[0]


@dataclass
class Explanation:
    """A method with its target, as the command line asks for them."""
    name: str
    method: Callable
    target: int | None          # the number of an output; None for the largest
    versus: int | None          # that of the output to compare with, or None
    opposite: bool              # whether the evidence against the only output is explained
    binary: bool                # whether the only output stands for two classes
    maps: bool                  # whether outputs are images or sequences
    box: tuple[int, ...] | None     # (top, left, bottom, right) in pixels of the input, where outputs are explained
    place: int | None           # that of a sequence of outputs which is explained alone
    settings: dict[str, int | None]     # batch_size and workers

    @property
    def plain(self) -> bool:
        """Whether a target says all, so that no start need be made."""
        return self.versus is None and not self.opposite and not self.maps

    @property
    def relevance(self) -> bool:
        return getattr(self.method, "func", self.method) in (attribution.lrp, attribution.deep_taylor)

    def __call__(self, net: Network, x: Array, y: Array) -> Array:
        """Heatmaps like x of the images whose outputs are y."""
        return self.method(net, x, self.targets(y, x), start=self.start(y, x), **self.settings)

    def scores(self, y: Array, x: Array) -> Array:
        """One number an output, (N, outputs): of maps and sequences the mean, in the box and at the place asked for."""
        if y.ndim == 2:
            return y
        there = np.broadcast_to(self.where(y, x), (*y.shape[:-1], 1))
        axes = tuple(range(1, y.ndim - 1))
        return (y * there).sum(axis=axes) / there.sum(axis=axes)

    def targets(self, y: Array, x: Array) -> Array:
        """The target of each input, (N,), from the outputs y (N, outputs) or (N, ..., outputs)."""
        return self.scores(y, x).argmax(axis=1) if self.target is None else np.full(len(y), self.target)

    def where(self, y: Array, x: Array) -> Array:
        """1 at the outputs that are explained, else 0: they lie in the box, or at the place. Against y's shape."""
        there = np.ones((1,) * y.ndim, y.dtype)
        if self.box is not None:
            there = inside(self.box, y.shape, x.shape[1:3], y)
        if self.place is not None:
            there = np.zeros((1, y.shape[1], 1), y.dtype)
            there[:, self.place] = 1
        return there

    def start(self, y: Array, x: Array) -> Array | None:
        """Where the pass starts: the target's outputs less those of the one to compare with; None for a target alone.

        x: the inputs, in whose pixels a box lies.
        """
        return None if self.plain else self.less(y, x, self.versus) * self.where(y, x)

    def less(self, y: Array, x: Array, rivals: Array | int | None) -> Array:
        """The target's outputs, wherever they are, less those of the rivals: one, one for each input, or none.

        Relevance starts from the outputs, gradients and DeepLIFT from their derivatives, 1.
        """
        start, rows = np.zeros_like(y), np.arange(len(y))
        start[rows, ..., self.targets(y, x)] = -1 if self.opposite else 1
        if rivals is not None:
            start[rows, ..., rivals] -= 1
        return start * y if self.relevance else start

    def runners_up(self, y: Array, x: Array) -> Array:
        """What each is explained rather than, (N,): the output asked for, else the largest besides the target."""
        if self.versus is not None:
            return np.full(len(y), self.versus)
        others = self.scores(y, x).copy()
        others[np.arange(len(y)), self.targets(y, x)] = -np.inf
        return others.argmax(axis=1)

    def rather(self, net: Network, x: Array, y: Array, rivals: Array) -> Array:
        """Heatmaps of the targets rather than of the `rivals`, an output for each of the images x with outputs y."""
        return self.method(net, x, start=self.less(y, x, rivals), **self.settings)

    def of_batch(self, net: Network, x: Array, target: object = None) -> Array:
        """As explain_to calls a method; it has workers of its own."""
        if self.plain:
            return self.method(net, x, self.target)
        return self.method(net, x, start=self.start(outputs(net.forward(x)), x))

    def __str__(self):
        """What tells one explanation from another."""
        asked = (f"{name}={getattr(self, name)}" for name in ("target", "versus", "opposite", "box", "place"))
        return f"{self.name} ({', '.join(filter(None, (settings_of(self.method), *asked)))})"


def settings_of(method: Callable | None) -> str:
    """The options of a method that were set, in words, those of its rule included."""
    words = []
    for key, value in getattr(method, "keywords", {}).items():
        words.append(settings_of(value) if key == "rules" else f"{key}={value}")
    return ", ".join(filter(None, words))


def outputs(y: Array) -> Array:
    """(N,) as (N, 1); all else as it is."""
    return y[:, None] if y.ndim == 1 else y


def explanation(asked: Namespace, method: Callable, card: Card, y: Array) -> Explanation:
    """The Explanation that is asked for, once the outputs y of some input have shown how many there are."""
    count, binary = y.shape[-1], y.shape[-1] == 1 and card.head == "Sigmoid"
    target, versus = (index_of(text, card, 2 if binary else count, what)
                      for text, what in ((asked.target, "target"), (asked.versus, "versus")))
    if versus is not None and binary:
        raise CannotGoOn("got --versus, but in the network's single logit class 1 stands against class 0 already; give "
                         "one of them as --target")
    if versus is not None and (count == 1 or versus == target):
        raise CannotGoOn(f"got --versus {asked.versus}, expected an output other than the target; the "
                         f"network has {count}")
    opposite, target = binary and target == 0, 0 if binary else target
    if asked.box is not None and y.ndim != 4:
        raise CannotGoOn("got --box, but the outputs of this network are no images in which a box could lie; leave it "
                         "out, and give --target" + ", or --place, one of its " * (y.ndim == 3)
                         + (f"{y.shape[1]} places" if y.ndim == 3 else ""))
    if asked.place is not None and y.ndim != 3:
        raise CannotGoOn("got --place, but the outputs of this network are no sequence that has places; leave it out, "
                         "and give --target" + ", or --box" * (y.ndim == 4))
    if asked.place is not None and not -y.shape[1] <= asked.place < y.shape[1]:
        raise CannotGoOn(f"got --place {asked.place}, expected one of the {y.shape[1]} places of the outputs, from 0 "
                         f"to {y.shape[1] - 1}; -1 is the last")
    return Explanation(asked.method, method, target, versus, opposite, binary, y.ndim > 2, asked.box, asked.place,
                       {"batch_size": asked.batch_size, "workers": asked.workers})


def index_of(text: str | None, card: Card, count: int, what: str) -> int | None:
    """The output that a --target or --versus names, by its label or its number, among `count` outputs."""
    if text is None:
        return None
    if text in card.labels or not text.lstrip("+-").isdecimal():
        try:
            return card.index(text)
        except ValueError as error:
            raise CannotGoOn(f"--{what}: {error}") from error
    if not 0 <= int(text) < count:
        raise CannotGoOn(f"got --{what} {text}, expected a class from 0 to {count - 1}" if count > 1 else
                         f"got --{what} {text}, expected 0: the network has a single output")
    return int(text)
