"""A layer, or a rule on it, at one input: what was answered, and the properties that both must have.

f is short for a method of the layer, or for the rule. docs/checks.md has all properties for readers.
"""
from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module, to_numpy
from minixnn.checks.as_layer import SideBySide, applied, mapped
from minixnn.checks.properties import Observation, Property, compare, furthest, is_so, raised, states
from minixnn.layers import Affine, Embedding, Layer
from minixnn.layers.base import Rule
from minixnn.ledger.accounts import account_of
from minixnn.ledger.ledger import Row, balance

METHODS = ("forward", "gradient", "deconvnet", "guided_backprop", "deeplift", "parameter_gradients", "rule")
OPTIONAL = METHODS[2:]
ROUNDED = 1e-9, 1e-6            # how far apart numbers lie that were float32 in between, as a share of their size
OUTPUTS = 16                    # of how many outputs a rule's shares are asked; more are picked evenly


@dataclass(frozen=True)
class Case:
    """x and x_ref (1, ...), dy in the shape of y. answers: {method: array}, parameter gradients as "dL/dW".

    Of a rule, which is asked in place of the layer's methods, the answer is called "f" and dy is R, the relevance of y.
    Rows of the matrices below are outputs, columns the inputs of a flat image: shares[k, j] is the relevance that input
    j receives where output k alone has relevance, of size 1. Of an affine layer weights[k, j] is what it multiplies x_j
    with, seen[k, j] whether output k is connected to input j at all.
    """
    layer: Layer
    x: Array
    x_ref: Array
    dy: Array
    rule: Rule | None = None
    y: Array = None
    answers: dict[str, Array] = field(default_factory=dict)
    methods: tuple[str | Rule, ...] = ()        # which have answered
    shares: Array = None
    error: str = ""                             # what a method raised
    changed: str = ""                           # what a method wrote into

    @property
    def usable(self) -> bool:
        """Whether all has answered, and what goes backwards has the shape of x."""
        back = self.answers.get("gradient" if self.rule is None else "f")
        return not (self.error or self.changed) and getattr(back, "shape", 0) == self.x.shape

    @property
    def whole_numbers(self) -> bool:
        """Whether x holds tokens, by which nothing has a derivative."""
        return self.x.dtype.kind in "iub" or isinstance(self.layer, Embedding)

    @property
    def R(self) -> Array:
        """The relevance of y."""
        return self.dy

    @property
    def R_x(self) -> Array:
        """What the rule made of it."""
        return self.answers["f"]

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """The outputs that are asked one by one."""
        picked = np.linspace(0, self.y.size - 1, min(self.y.size, OUTPUTS)).round().astype(int)
        return tuple(np.unique(picked).tolist())

    @cached_property
    def weights(self) -> Array:
        return self.unrolled(self.layer)

    @cached_property
    def seen(self) -> Array:
        return self.affine is not None and self.unrolled(self.affine.with_weights(self.affine.W * 0 + 1, None)) != 0

    @cached_property
    def bias(self) -> Array:
        return self.layer.forward(self.x * 0).reshape(-1)[list(self.outputs)]

    @property
    def affine(self) -> Affine | None:
        """The layer, if it is affine."""
        return self.layer if isinstance(self.layer, Affine) else None

    @property
    def scale(self) -> float:
        """How large numbers are before they are summed: what is left of a sum may be rounding alone."""
        if self.rule is None:
            return float(max(abs(self.x).max(), abs(self.dy).max()))
        return float(abs(self.R).max() * abs(self.shares[np.isfinite(self.shares)]).max(initial=0))

    def f(self, R: Array, x: Array | None = None, layer: Layer | None = None, y: Array | None = None) -> Array:
        """The rule's answer, on the case's x and layer unless others are given; nothing it does to them is seen."""
        assert self.rule is not None, "a case of a layer has no rule"
        layer, x = self.layer if layer is None else layer, self.x if x is None else x
        y = layer.forward(x) if y is None else y
        with np.errstate(all="ignore"):
            return applied(self.rule, layer, x.copy(), y.copy(), R.copy())

    def shares_on(self, layer: Layer, x: Array) -> Array:
        """The shares of another layer or input."""
        batch, y, signals = one_output_each(layer, x, self.outputs)
        return np.asarray(self.f(signals, batch, layer, y)).reshape(len(self.outputs), -1)

    def unrolled(self, layer: Layer) -> Array:
        """What a layer multiplies each input with, output by output."""
        batch, y, signals = one_output_each(layer, self.x * 0, self.outputs)
        return layer.gradient(batch, y, signals).reshape(len(self.outputs), -1)

    def booked(self, R: Array, R_x: Array) -> tuple[Row, bool]:
        """The ledger's row of the layer under the rule, and whether the rule has an account."""
        assert self.rule is not None, "a case of a layer has no rule"
        inner, x = (self.layer.layer, self.layer.parts(self.x)) if isinstance(self.layer, SideBySide) else (
            self.layer, self.x)
        account = account_of(inner, self.rule)
        return balance(0, inner, x, self.y, R, R_x, self.rule, account), account is not None

    def ask_all(self, layer: Layer, x: Array, x_ref: Array, dy: Array) -> dict[str, Array]:
        """{name: array}, what all methods that answered in this case answer in another."""
        found, y = {}, layer.forward(x)
        for method in self.methods:
            found.update(call(method, layer, x, y, x_ref, dy))
        return found

    def apart(self, came: dict[str, Array], note: str, expected: dict[str, Array] | None = None) -> Observation | None:
        """The Observation of the method that answered something else, furthest from what is expected."""
        expected = self.answers if expected is None else expected
        return furthest([compare(expected[name], came[name], note.format(name), self.scale)
                         for name in expected if name in came])


def prepare(layer: Layer, x: Array, x_ref: Array, dy: Array, rule: Rule | None = None) -> Case:
    """The Case: every method, or the rule, asked once on copies, so that what it writes into is seen."""
    case, mine = Case(layer, x, x_ref, dy, rule), copy.deepcopy(layer)
    method: str | Rule = "forward"
    methods, found, changed = [], {}, []
    try:
        with np.errstate(all="ignore"):
            case = replace(case, y=copy.deepcopy(layer).forward(x.copy()))
            before = {"x": x, "y": case.y, "x_ref": x_ref, "dy" if rule is None else "R": dy}
            given = {name: copied(a) for name, a in before.items()}
            for method in METHODS if rule is None else (rule,):
                try:
                    answer = call(method, mine, *given.values())
                except NotImplementedError:
                    if method in OPTIONAL:
                        continue                # a layer need not have it, and says so by name
                    raise
                methods += [method] if answer else []
                found.update({name: copied(a) for name, a in answer.items()})
                places = [name for name in given if not same(given[name], before[name])]
                places += [f"layer.{name}" for name, value in vars(mine).items() if name not in vars(layer) or not same(
                    value, vars(layer)[name])]
                changed += [place if callable(method) else f"{place} in {method}" for place in places]
                if changed:
                    break
            case = replace(case, answers=found, methods=tuple(methods), changed=" and ".join(changed))
            return case if rule is None or not case.usable else replace(case, shares=case.shares_on(layer, x))
    except Exception as error:
        return replace(case, error=raised(error) if callable(method) else f"{method}: {raised(error)}")


def copied(a: Array) -> Array:
    return a.copy() if hasattr(a, "copy") else a            # what is no array is reported as a failure


def call(method: str | Rule, layer: Layer, x: Array, y: Array, x_ref: Array, dy: Array) -> dict[str, Array]:
    """{name: array}, what one method or a rule answers; {} where a layer has no such method or nothing to say."""
    if not isinstance(method, str):
        return {"f": applied(method, layer, x, y, dy)}
    function = getattr(layer, method, None)
    if function is None:
        return {}
    if method == "parameter_gradients":
        return {f"dL/d{name}": g for name, g in function(x, dy).items() if g is not None}
    if method == "deeplift":
        return {method: function(x, y, x_ref, layer.forward(x_ref), dy)}
    return {method: function(x) if method == "forward" else function(layer, x, y, dy) if method == "rule" else
            function(x, y, dy)}


def same(a: object, b: object) -> bool:
    """Whether two attributes are equal: arrays by their numbers, NaN included, lists and tuples entry by entry."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return False
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dict__") and type(a) is type(b) and not callable(a):
        return vars(a).keys() == vars(b).keys() and all(same(vars(a)[name], vars(b)[name]) for name in vars(a))
    return a is b or bool(a == b)


def as_type(layer: Layer, dtype: DTypeLike) -> Layer:
    """A copy whose arrays of real numbers are of that type."""
    return mapped(layer, lambda array: array.astype(dtype) if array.dtype.kind == "f" else array)


def one_output_each(layer: Layer, x: Array, outputs: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """A batch with a copy of x for each of `outputs`, and signals (len(outputs), ...) of 1 at that output alone."""
    batch = np.repeat(x, len(outputs), axis=0)
    y = layer.forward(batch)
    signals = np.zeros(y.shape, y.dtype)
    signals.reshape(len(outputs), -1)[range(len(outputs)), outputs] = 1
    return batch, y, signals


def reverse(a: Array) -> Array:
    """An array with its numbers in reversed order."""
    return a.reshape(-1)[::-1].reshape(a.shape)


# ---------------------------------------------------------------- what is asked of a layer's methods and of rules alike

@states("answers", "f returns, whatever the layer and the batch",
        "A pass calls forward, gradient and the rules one after the other, whatever the network. A rule that uses only "
        "layer.forward, layer.gradient and layer.with_weights works on every affine layer.",
        "an operation that does not fit the shapes of a batch (N, ...), or needs what only some layers have, such as a "
        "matrix W with two axes")
def answers(case: Case) -> Observation:
    return is_so(not case.error, case.error)


@states("shape", "y has one entry for each image; what goes backwards has the shape of x",
        "The pass hands the one to the layer above, the other to the layer below.",
        "an axis that is summed or dropped (images lie along the first one), or a return that was forgotten")
def shape(case: Case) -> Observation | None:
    if case.error or case.changed:
        return None
    for name, array in case.answers.items():
        wanted = case.x.shape
        if name == "forward":
            wanted = (1, *getattr(array, "shape", (1,))[1:])
        elif name.startswith("dL/d"):
            wanted = case.layer.arrays()[name[4:]].shape
        if getattr(array, "shape", None) != wanted:
            expected = f"shape {wanted}"
            if isinstance(case.layer, SideBySide) and wanted == case.x.shape:
                expected = shown(case.layer.parts(case.x))
            return is_so(False, f"{name} returned {shown(array)}, expected {expected}.")
    return is_so(True, "")


def shown(answer: object) -> str:
    """What was returned, by its shape or shapes."""
    if isinstance(answer, (tuple, list)):
        return f"a {type(answer).__name__} of {len(answer)} arrays of shapes " + " and ".join(
            str(getattr(a, "shape", repr(a))) for a in answer)
    return f"an array of shape {answer.shape}" if hasattr(answer, "shape") else repr(answer)


@states("purity", "the layer and its arguments are the same before and after",
        "A pass and the next layer use these arrays again, and several passes may use one layer at a time.",
        "an operation in place, such as x[x < 0] = 0 or R *= 2, or an attribute that is set on the way, such as "
        "self.x = x; work on a copy")
def purity(case: Case) -> Observation | None:
    return None if case.error else is_so(not case.changed, f"It wrote into {case.changed}.")


@states("type", "float32 in, float32 out; float64 in, float64 out",
        "A float64 array in between doubles memory and time; a float32 one loses nine digits.",
        "an array made without dtype, such as numpy.zeros(shape), or numpy.array of a number, astype on the way, or "
        "weights that arrays() does not name")
def dtype(case: Case) -> Observation:
    for kind in ("float32", "float64"):
        x, x_ref = (a if case.whole_numbers else a.astype(kind) for a in (case.x, case.x_ref))
        for name, array in case.ask_all(as_type(case.layer, kind), x, x_ref, case.dy.astype(kind)).items():
            moved = case.whole_numbers and name == "forward" and array.dtype == x.dtype     # tokens, or compared ones
            if array.dtype != kind and not moved:
                return is_so(False, f"{name} makes {array.dtype} of {kind}. If the layer's weights are not {kind} "
                             "after net.astype, arrays() does not name them all.")
    if case.rule is None:
        return is_so(True, "")
    twice, thrice = (compare(a * case.R_x, case.f(a * case.R), scale=case.scale).off for a in (2, 3))
    by_rounding = twice < ROUNDED[0] < thrice < ROUNDED[1]  # float32 holds the double of all that it holds
    return is_so(not by_rounding, "Of x and R in float64 it made numbers with the seven digits of float32: f(x, 3 R) "
                 f"and 3 f(x, R) differ by {thrice:.0e} of their size.")


@states("finite", "no NaN, no infinity",
        "A number that is not finite spoils all layers behind it. Where nothing adds up to z, R / z is no number.",
        "a division by zero, or a logarithm or root of it; minixnn.arrays.stabilize(z) turns 0 into a denominator that "
        "hands nothing back")
def finite(case: Case) -> Observation:
    if case.rule is not None and not np.isfinite(case.shares).all():
        row = int(np.argmin(np.isfinite(case.shares).all(axis=1)))
        return Observation(np.inf, "finite numbers", case.shares[row], output=case.outputs[row])
    for name, array in case.answers.items():
        if not np.isfinite(array).all():
            return Observation(np.inf, "finite numbers", array, f"So says {name}.")
    return Observation(0.0)


@states("repeats", "f(x) = f(x)", "The same layer and input have one answer. Explaining is not training.",
        "random numbers, or something remembered from the call before", limit=1e-12)
def repeats(case: Case) -> Observation | None:
    return case.apart(case.ask_all(case.layer, case.x, case.x_ref, case.dy), "{} was asked twice.")


@states("images apart", "f([x, x']) = [f(x), f(x')]",
        "The answer for an image must not depend on what else is in the batch.",
        "a sum, mean or maximum over the first axis too")
def images_apart(case: Case) -> Observation | None:
    two = (case.x, case.x_ref, case.dy), (case.x_ref, case.x, reverse(case.dy))
    one, other = (case.ask_all(case.layer, *arrays) for arrays in two)
    expected = {name: one[name] + other[name] if name.startswith("dL/d") else np.concatenate([one[name], other[name]])
                for name in case.answers}
    second = "x_ref" if case.rule is None else "x in reversed order"
    return case.apart(case.ask_all(case.layer, *map(np.concatenate, zip(*two))), "{} of two images, given one by one "
                      f"and as a batch. The second is {second}, its signal the first's in reversed order.", expected)


@states("device", "f on arrays of a GPU = f on NumPy's arrays",
        "An array knows where it lives, and what is computed from it lives there too.",
        "a function of numpy called by name; write xp = array_module(x) and xp.maximum(x, 0)")
def same_on_device(case: Case, module: ModuleType) -> Observation | None:
    found = case.ask_all(mapped(case.layer, module.asarray), *map(module.asarray, (case.x, case.x_ref, case.dy)))
    for name, array in found.items():
        if array_module(array) is not module:
            return is_so(False, f"{name} makes {type(array).__name__}, on the host, of arrays on the device.")
    return case.apart({name: to_numpy(a) for name, a in found.items()}, "{} there and on NumPy.")


COMMON = [answers, shape, purity, dtype, finite, repeats, images_apart]


def on_device(property: Property, device: ModuleType | None) -> list[Property]:
    """The property for arrays of the module `device`, such as cupy; nothing where none is given.

    Raises
    ------
    ValueError
        If it is no array module.
    """
    if device is not None and not hasattr(device, "asarray"):
        raise ValueError(f"got device={device!r}, expected an array module, such as cupy, or None to ask nothing of "
                         "arrays elsewhere")
    return [] if device is None else [property.given(module=device)]
