"""A layer at one input: what each of its methods answered, and the numbers that a derivative is compared with."""
import copy
from dataclasses import dataclass, field
from numpy.typing import DTypeLike
from typing import Any

import numpy as np

from minixnn.arrays import Array, Inputs
from minixnn.checks.as_layer import Written
from minixnn.checks.properties import raised
from minixnn.checks.rule_cases import same

STEP = 1e-5                     # of a difference quotient, in float64
COUNT = 24                      # along how many inputs, and at how many outputs, a derivative is compared
MANY = 4096                     # from how many on only two random directions are taken
OPTIONAL = ("deconvnet", "guided_backprop", "deeplift", "parameter_gradients", "rule")


@dataclass(frozen=True)
class LayerCase:
    """x and x_ref (1, ...), dy in the shape of y. answers: {method: array}, parameter gradients as "dL/dW"."""
    layer: Any
    x: np.ndarray
    x_ref: np.ndarray
    dy: np.ndarray
    answers: dict = field(default_factory=dict)
    error: str = ""             # what a method raised
    changed: str = ""           # what a method wrote into

    @property
    def usable(self) -> Any:
        return not self.error and not self.changed and getattr(self.answers["gradient"], "shape", 0) == self.x.shape

    @property
    def y(self) -> Any:
        return self.answers["forward"]

    @property
    def whole_numbers(self) -> Any:
        """Whether x holds tokens, by which nothing has a derivative."""
        return self.x.dtype.kind in "iu"


def prepare(drawn: Any) -> Any:
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
            return LayerCase(layer, x, x_ref, dy, error=raised(error))
        except Exception as error:
            return LayerCase(layer, x, x_ref, dy, error=f"{method}: {raised(error)}")
        found.update({name: array.copy() if hasattr(array, "copy") else array for name, array in answer.items()})
        changed += [f"{name} in {method}" for name, old in (("x", x), ("x_ref", x_ref), ("dy", dy))
                    if not same(given[name], old)]
        changed += [f"layer.{name} in {method}" for name in vars(mine) if name not in names or not same(
            vars(mine)[name], vars(layer)[name])]
        if changed:
            break
    return LayerCase(layer, x, x_ref, dy, found, changed=" and ".join(dict.fromkeys(changed)))


def ask(layer: Any, method: Any, x: Inputs, x_ref: Inputs, dy: Array) -> Any:
    """{name: array}, one method's answer; {} where a layer has no such method or nothing to say."""
    if method == "forward":
        return {"forward": layer.forward(x)}
    function = getattr(layer, method, None)
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


def ask_all(case: Any, layer: Any, *arrays: Any) -> Any:
    """{name: array} of all methods that the case has answers of."""
    found = {}
    for method in ("forward", "gradient", *OPTIONAL):
        if method in case.answers or (method == "parameter_gradients" and any("dL/d" in name for name in case.answers)):
            found.update(ask(layer, method, *arrays))
    return found


def as_type(layer: Any, dtype: DTypeLike) -> Any:
    """A copy whose arrays of real numbers are of that type."""
    def cast(array):
        return array.astype(dtype) if array.dtype.kind == "f" else array
    return layer.map_arrays(cast) if hasattr(layer, "map_arrays") else layer


def with_array(layer: Any, name: Any, value: Any) -> Any:
    """The layer with one of its arrays exchanged."""
    if isinstance(layer, Written):
        return layer.with_array(name, value)
    layer = copy.copy(layer)
    setattr(layer, name, value)
    return layer


def directions(size: Any) -> Any:
    """Unit vectors along all entries, or along some where there are many, or two random ones. (D, size)"""
    if size > MANY:
        return np.random.default_rng(0).normal(size=(2, size))
    V = np.zeros((min(size, COUNT), size))
    V[range(len(V)), np.linspace(0, size - 1, len(V)).round().astype(int)] = 1
    return V


def quotients(values: Any, p: Any, kinks: Any = True) -> Any:
    """(slopes, smooth, V): the difference quotients (D, K) at p of K outputs along D directions, and where they count.

    values(points) gives the outputs at a batch of points like p, as (points, K). Of a smooth function forwards and
    backwards quotients differ by half as much once the step is half as long; at a kink they go on differing, and
    there is no derivative. Among many entries some lie near a kink, if there are any; a shorter step passes fewer.
    Where only the second derivative jumps, as that of x / (1 + |x|) at 0, the error of a quotient is proportional to
    the step: twice the quotient of half the step, less that of the whole, has none.
    """
    V = directions(p.size)
    h = 1e-2 * STEP * (float(abs(p).mean()) or 1) if kinks and p.size > MANY else STEP
    steps = V.reshape(len(V), *p.shape)
    here = values(p[None])
    up, down, up_half, down_half = (values(p + c * steps) for c in (h, -h, h / 2, -h / 2))
    apart, apart_half = abs(up - 2 * here + down) / h, abs(up_half - 2 * here + down_half) / (h / 2)
    size = np.maximum(abs(up - down) / (2 * h), 1e-2)
    smooth = (apart <= 1e-6 * size) | (abs(apart_half - apart / 2) < 0.1 * apart)
    slopes = 2 * (up_half - down_half) / h - (up - down) / (2 * h)
    return np.where(smooth, slopes, 0), smooth, V
