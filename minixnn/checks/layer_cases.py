"""A layer at one input: what each of its methods answered, and the numbers that a derivative is compared with."""
import copy
from dataclasses import dataclass, field

import numpy as np

from minixnn.checks.properties import raised
from minixnn.checks.rule_cases import same
from minixnn.layers.chains import Block
from minixnn.rules import lrp
from minixnn.rules.composites import rules_for

STEP = 1e-5                     # of a difference quotient, in float64
COUNT = 24                      # along how many inputs, and at how many outputs, a derivative is compared
MANY = 4096                     # from how many on only two random directions are taken
OPTIONAL = ("deconvnet", "guided_backprop", "deeplift", "parameter_gradients", "rule")


@dataclass(frozen=True)
class LayerCase:
    """x and x_ref (1, ...), dy in the shape of y. answers: {method: array}, parameter gradients as "dL/dW"."""
    layer: object
    x: np.ndarray
    x_ref: np.ndarray
    dy: np.ndarray
    answers: dict = field(default_factory=dict)
    error: str = ""             # what a method raised
    changed: str = ""           # what a method wrote into

    @property
    def usable(self):
        return not self.error and not self.changed and getattr(self.answers["gradient"], "shape", 0) == self.x.shape

    @property
    def y(self):
        return self.answers["forward"]

    @property
    def whole_numbers(self):
        """Whether x holds tokens, by which nothing has a derivative."""
        return self.x.dtype.kind in "iu"


def prepare(drawn):
    """The LayerCase: every method asked once, on copies, so that what it writes into is seen."""
    layer, x, x_ref, dy = drawn
    mine, given, found, changed = copy.deepcopy(layer), {"x": x.copy(), "x_ref": x_ref.copy(), "dy": dy.copy()}, {}, []
    names = list(vars(mine))
    for method in ("forward", "gradient", *OPTIONAL):
        try:
            with np.errstate(all="ignore"):
                answer = ask(mine, method, *given.values())
        except NotImplementedError as error:
            if method in OPTIONAL:
                continue                        # a layer need not have it, and says so by name
            return LayerCase(*drawn, error=raised(error))
        except Exception as error:
            return LayerCase(*drawn, error=f"{method}: {raised(error)}")
        found.update({name: array.copy() if hasattr(array, "copy") else array for name, array in answer.items()})
        changed += [f"{name} in {method}" for name, old in (("x", x), ("x_ref", x_ref), ("dy", dy))
                    if not same(given[name], old)]
        changed += [f"layer.{name} in {method}" for name in vars(mine) if name not in names or not same(
            vars(mine)[name], vars(layer)[name])]
        if changed:
            break
    return LayerCase(*drawn, found, changed=" and ".join(dict.fromkeys(changed)))


def ask(layer, method, x, x_ref, dy):
    """{name: array}, one method's answer; {} where a layer has no such method or nothing to say."""
    if method == "forward":
        return {"forward": layer.forward(x)}
    function = rule_of(layer) if method == "rule" else getattr(layer, method, None)
    if function is None:
        return {}
    if method == "parameter_gradients":
        found = function(x, dy)
        return {f"dL/d{name}": g for name, g in found.items() if g is not None}
    y = layer.forward(x)
    if method == "rule":
        return {"rule": function(layer, x, y, dy)}
    if method == "deeplift":
        return {"deeplift": function(x, y, x_ref, layer.forward(x_ref), dy)}
    return {method: function(x, y, dy)}


def ask_all(case, layer, *arrays):
    """{name: array} of all methods that the case has answers of."""
    found = {}
    for method in ("forward", "gradient", *OPTIONAL):
        if method in case.answers or (method == "parameter_gradients" and any("dL/d" in name for name in case.answers)):
            found.update(ask(layer, method, *arrays))
    return found


def rule_of(layer):
    """The rule the layer brings along, complete; of a block with lrp.epsilon for the affine layers inside."""
    if isinstance(layer, Block):
        return rules_for([layer], lrp.epsilon)[0]
    return getattr(layer, "rule", None)


def as_type(layer, dtype):
    """A copy whose arrays of real numbers are of that type."""
    def cast(array):
        return array.astype(dtype) if array.dtype.kind == "f" else array
    return layer.map_arrays(cast) if hasattr(layer, "map_arrays") else layer


def with_array(layer, name, value):
    """The layer with one of its arrays exchanged; of a block the array "0.2.W" of a layer inside."""
    if isinstance(layer, Block):
        return type(layer)(**{**layer.arrays(), name: value}, **layer.settings())
    layer = copy.copy(layer)
    setattr(layer, name, value)
    return layer


def directions(size):
    """Unit vectors along all entries; along some, and random directions, where there are many. (D, size)"""
    if size <= COUNT:
        return np.eye(size)
    rng = np.random.default_rng(0)
    if size > MANY:
        return rng.normal(size=(2, size))
    V = np.zeros((COUNT, size))
    V[range(COUNT - 3), np.linspace(0, size - 1, COUNT - 3).round().astype(int)] = 1
    V[COUNT - 3:] = rng.normal(size=(3, size))
    return V


def quotients(f, p, signals, kinks=True):
    """(central, apart, V): difference quotients of signals . f at p along the directions V, (signals, D), and how far
    those forwards and backwards lie apart: at a kink they differ, and there is no derivative.

    Among many entries some lie near a kink of f, if it has any; a shorter step passes fewer of them.
    """
    V, signals = directions(p.size), signals.reshape(len(signals), -1)
    step = 1e-2 * STEP * (float(abs(p).mean()) or 1) if kinks and p.size > MANY else STEP
    up, down = (np.stack([signals @ f(p + h * v.reshape(p.shape)).reshape(-1) for v in V]) for h in (step, -step))
    here = signals @ f(p).reshape(-1)
    return ((up - down) / (2 * step)).T, abs(up - 2 * here + down).T / step, V
