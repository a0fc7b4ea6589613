"""What must hold of a layer: its properties, in the order in which a failure is reported."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np

from minixnn.arrays import Array, negative, positive
from minixnn.checks.as_layer import SideBySide, Written, mapped, reloaded
from minixnn.checks.cases import COMMON, Case, as_type, on_device, one_output_each, same_on_device
from minixnn.checks.properties import Observation, Property, compare, furthest, is_so, states
from minixnn.checks.worked import text
from minixnn.layers import Affine, Layer

STEP = 1e-5                     # of a difference quotient, in float64
COUNT = 24                      # along how many inputs, and at how many outputs, a derivative is compared
MANY = 4096                     # from how many on only two random directions are taken
LARGE = 100                     # by which inputs up to 3 are multiplied, to see what overflows


def properties_of_layer(definition: Callable[[Array], Array] | None = None,
                        device: ModuleType | None = None) -> list[Property]:
    """The list, the most telling first: of several that fail, the first is reported."""
    return [*COMMON, *([] if definition is None else [as_defined.given(formula=definition)]), affine, derivative,
            adjoint, weights, parameter_gradients, sums_to_difference, backward_signals, own_rule, overflow, rebuilt,
            *on_device(same_on_device, device)]


@states("definition", "forward(x) = definition(x)", "The formula that was given.", "forward computes another formula")
def as_defined(case: Case, formula: Callable[[Array], Array]) -> Observation:
    return compare(formula(case.x), case.y, "Expected is definition(x), came is forward(x).")


def of_affine(test: Callable[[Case, Affine], Observation | None]) -> Callable[[Case], Observation | None]:
    """The test of layers derived from Affine; of others it says nothing."""
    return lambda case: None if case.affine is None else test(case, case.affine)


@states("affine", "f(x - 2 x') - f(0) = (f(x) - f(0)) - 2 (f(x') - f(0))",
        "The class is derived from Affine, so the rules take it for y = W.x + b.",
        "something in forward is not linear; derive the class from Layer")
@of_affine
def affine(case: Case, layer: Affine) -> Observation:
    zero, f = layer.forward(case.x * 0), layer.forward
    expected = (case.y - zero) - 2 * (f(case.x_ref) - zero)
    return compare(expected, f(case.x - 2 * case.x_ref) - zero, "", 1.0)


@states("derivative", "gradient(x, y, dy)_j = sum_k dy_k (f_k(x + h e_j) - f_k(x - h e_j)) / 2h",
        "The gradient says how fast the output changes. So walk a little way and look. Where the quotients "
        "forwards and backwards differ there is a kink, and the entry is left out.",
        "a transposed array, a factor, a condition the wrong way round, or a derivative at y instead of x", 1e-5)
def derivative(case: Case) -> Observation | None:
    if case.whole_numbers:
        return None

    def values(points):
        if case.x.size > MANY:
            return np.stack([case.layer.forward(x).reshape(-1) for x in points])
        return case.layer.forward(points[:, 0]).reshape(len(points), -1)
    slopes, smooth, V = quotients(values, case.x)                           # (directions, outputs)
    signals = directions(case.y.size)
    if case.y.size > COUNT:                     # outputs are summed up, all but those at a kink
        signals, smooth = signals * smooth.all(axis=0), np.ones((len(V), len(signals)), bool)
    batch = np.repeat(case.x, len(signals), axis=0)
    y = case.layer.forward(batch)
    came = case.layer.gradient(batch, y, signals.reshape(y.shape)).reshape(len(signals), -1) @ V.T
    found, (k, j) = worst_entry(signals @ slopes.T, came, smooth.T, "Expected is the difference quotient of forward, "
                                "came is what gradient says.")
    if found is None or case.y.size > COUNT or case.x.size > COUNT:
        return found
    step = STEP * np.eye(case.x.size)[j].reshape(case.x.shape)
    up, down = (case.layer.forward(case.x + sign * step).reshape(-1)[k] for sign in (1, -1))
    at, of, h = index_in(case.x, j), index_in(case.y, k), text(STEP)
    return replace(found, output=k, steps=(
        f"y{of} where x{at} is {h} larger:   {text(up, 9)}", f"y{of} where x{at} is {h} smaller:  {text(down, 9)}",
        f"their difference over {text(2 * STEP)}:  {text((up - down) / (2 * STEP))}"))


@states("adjoint", "<W x, dy> = <x, gradient(dy)>", "If forward multiplies by W, gradient multiplies by its transpose.",
        "gradient uses other weights or other windows than forward")
@of_affine
def adjoint(case: Case, layer: Affine) -> Observation:
    left = ((case.y - layer.forward(case.x * 0)) * case.dy).sum()
    right = (case.x * case.answers["gradient"]).sum()
    return compare(left, right, "Expected is <W x, dy>, came is <x, gradient(dy)>.", 1.0)


@states("weights", "with_weights(V, c).forward(x) = V.x + c, for any V of the shape of W, and c = None is no bias",
        "Relevance rules change the weights in this way, and nothing else.",
        "with_weights keeps something of the old layer, or the bias is added elsewhere")
@of_affine
def weights(case: Case, layer: Affine) -> Observation | None:
    x, W, b, linear = case.x, layer.W, layer.b, case.y - layer.forward(case.x * 0)
    tries = [(case.y, [(W, b)], "with_weights(W, b)"), (linear, [(W, None)], "with_weights(W, None)"),
             (-2 * linear, [(-2 * W, None)], "with_weights(-2 W, None)"),
             (linear, [(positive(W), None), (negative(W), None)], "with_weights(W+, None) and (W-, None) together")]
    found = [compare(expected, sum(layer.with_weights(*pair).forward(x) for pair in pairs), f"forward of {name}.", 1.0)
             for expected, pairs, name in tries]
    found.append(compare(case.y, layer.forward(x), "The layer itself, after with_weights was called.", 1.0))
    return furthest(found)


@states("parameter gradients", "parameter_gradients(x, dy)[p] = the difference quotient of <f(x), dy> in p",
        "Training walks along these numbers.", "a sum over images or pixels is missing, or one too many is taken", 1e-5)
def parameter_gradients(case: Case) -> Observation | None:
    found = []
    for name in (name[4:] for name in case.answers if name.startswith("dL/d")):
        old = case.layer.arrays()[name]

        def values(points):
            layers = (mapped(case.layer, lambda a: p if a is old else a) for p in points)
            return np.stack([layer.forward(case.x).reshape(-1) for layer in layers])
        slopes, smooth, V = quotients(values, old, kinks=False)
        dy = case.dy * smooth.all(axis=0).reshape(case.dy.shape)            # outputs at a kink are left out
        came = V @ case.layer.parameter_gradients(case.x, dy)[name].reshape(-1)
        one, _ = worst_entry((slopes @ dy.reshape(-1))[None], came[None], np.ones((1, len(V)), bool), f"dL/d{name}, "
                             "one of its entries: expected is the difference quotient of <forward(x), dy>, came is "
                             "what parameter_gradients says.")
        found += [] if one is None else [one]
    return furthest(found)


@states("DeepLIFT", "sum_j m_j (x_j - x_ref_j) = y_k - y_ref_k",
        "The contributions of the inputs sum to the difference of the outputs (Shrikumar et al. 2017).",
        "the gradient was taken where a quotient of differences is meant; where x = x_ref the gradient is right", 1e-7)
def sums_to_difference(case: Case) -> Observation | None:
    if "deeplift" not in case.answers:
        return None
    batch, y, signals = one_output_each(case.layer, case.x, case.outputs)
    refs = np.repeat(case.x_ref, len(batch), axis=0)
    y_ref = case.layer.forward(refs)
    m = case.layer.deeplift(batch, y, refs, y_ref, signals)
    if case.whole_numbers and not m.any():
        return None                             # it says nothing of whole numbers
    contributions = (m * (batch.astype(m.dtype) - refs)).reshape(len(batch), -1)
    came = contributions.sum(axis=1)
    expected = ((y - y_ref) * signals).reshape(len(batch), -1).sum(axis=1)
    rounded = (np.spacing(abs(y)) * abs(signals)).reshape(len(batch), -1).sum(axis=1)
    worst = int((abs(came - expected) * (rounded < 1e-8)).argmax())         # nothing is left beside a hidden score
    if rounded[worst] >= 1e-8:
        return None
    k = case.outputs[worst]
    return compare(expected[worst], came[worst], f"Output {index_in(case.y, k)} changes from x_ref to x by what is "
                   "expected; the contributions sum to what came.", max(1.0, float(abs(contributions[worst]).max())),
                   output=k)


@states("backward signals", "deconvnet = guided_backprop = gradient, of an affine layer",
        "Both methods change what a nonlinearity does, and nothing else (Zeiler & Fergus 2014; Springenberg et al. "
        "2015).", "an affine layer that rectifies")
@of_affine
def backward_signals(case: Case, layer: Affine) -> Observation | None:
    both = "deconvnet", "guided_backprop"
    return case.apart({name: case.answers[name] for name in both}, "{} and gradient.",
                      dict.fromkeys(both, case.answers["gradient"]))


@states("own rule", "rule(layer, x, y, -2 R) = -2 rule(layer, x, y, R)",
        "The class's own rule shares out relevance of either sign.", "a part of R is cut off, or R is reshaped wrongly")
def own_rule(case: Case) -> Observation | None:
    if "rule" not in case.answers:
        return None
    came = case.ask_all(case.layer, case.x, case.x_ref, -2 * case.dy)["rule"]
    return compare(-2 * case.answers["rule"], came, "Expected is -2 rule(R), came is rule(-2 R).",
                   float(abs(case.dy).max()))


@states("overflow", "at 100 x, float32 is finite where float64 is",
        "Inputs grow large in training, and an infinity in between becomes NaN later.",
        "exp of a large number; shift it, as in max(x, 0) + log1p(exp(-abs(x)))")
def overflow(case: Case) -> Observation | None:
    if case.whole_numbers:
        return None
    sharp, plain = (walk(as_type(case.layer, kind), (LARGE * case.x).astype(kind), case.dy.astype(kind))
                    for kind in ("float64", "float32"))
    for name in sharp:
        held = abs(sharp[name]) < np.finfo("float32").max
        bad = held & ~np.isfinite(plain[name])
        if bad.any():
            return is_so(False, f"At {LARGE} x {name} in float32 gives {plain[name][bad][:1]}, in float64 "
                         f"{sharp[name][bad][:1]}.")
        if not held.all():
            break                               # where y is infinite by right, so is its slope, and 0 times it is NaN
    return is_so(True, "")


def walk(layer: Layer, x: Array, dy: Array) -> dict[str, Array]:
    """The layer's output and gradient."""
    y = layer.forward(x)
    return {"forward": y, "gradient": layer.gradient(x, y, dy)}


@states("saved and loaded", "type(layer)(**arrays(), **settings()) = the layer",
        "Files hold what arrays() and settings() name, and nothing more.",
        "settings() leaves out an argument of the constructor")
def rebuilt(case: Case) -> Observation | None:
    layer = case.layer.layer if isinstance(case.layer, SideBySide) else case.layer
    if isinstance(layer, Written):
        if not all(type(each).__module__.startswith("minixnn.layers.") for each in layer.net.layers):
            return None                         # files hold no layers of one's own
        again: Layer = Written(reloaded(layer.net))
        return compare(case.y, again.forward(case.x), "The network, and the one that was saved and loaded.")
    if not hasattr(layer, "settings") or not hasattr(layer, "arrays"):
        return None
    try:
        again = type(layer)(**layer.arrays(), **json.loads(json.dumps(layer.settings())))
    except TypeError as error:
        if type(layer).settings is Layer.settings:
            return None                         # a class that says nothing of its settings is not meant for files
        return is_so(False, f"It cannot be made again from arrays() and settings(): {error}.")
    again = as_type(again, case.answers["gradient"].dtype)
    again = SideBySide(again, case.layer.shapes) if isinstance(case.layer, SideBySide) else again
    return compare(case.y, again.forward(case.x), "forward of the layer, and of the one that was saved and loaded.")


# ------------------------------------------------------------------------------------------------ difference quotients

def directions(size: int) -> Array:
    """Unit vectors along all entries, or along some where there are many, or two random ones. (D, size)"""
    if size > MANY:
        return np.random.default_rng(0).normal(size=(2, size))
    V = np.zeros((min(size, COUNT), size))
    V[range(len(V)), np.linspace(0, size - 1, len(V)).round().astype(int)] = 1
    return V


def quotients(values: Callable[[Array], Array], p: Array, kinks: bool = True) -> tuple[Array, Array, Array]:
    """(slopes, smooth, V): the difference quotients (D, K) at p of K outputs along D directions, and where they count.

    values(points) gives the outputs at a batch of points like p, as (points, K). Of a smooth function forwards and
    backwards quotients differ by half as much once the step is half as long; at a kink they go on differing, and
    there is no derivative. Among many entries some lie near a kink, if there are any; a shorter step passes fewer.
    Where only the second derivative jumps, as that of x / (1 + |x|) at 0, the error of a quotient is proportional to
    the step: twice the quotient of half the step, less that of the whole, has none. Outputs so large that the step is
    lost in their rounding do not count, such as the scores of hidden tokens.
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
    smooth &= np.spacing(abs(here)) / h <= 1e-5 * np.maximum(1, abs(slopes))
    return np.where(smooth, slopes, 0), smooth, V


def worst_entry(expected: Array, came: Array, smooth: Array, note: str) -> tuple[Observation | None, tuple[int, int]]:
    """The entry in which derivative and difference quotient lie furthest apart, and its place; kinks are left out."""
    if not smooth.any():
        return None, (0, 0)
    size = np.maximum(1, np.maximum(abs(expected), abs(came)))
    off = np.nan_to_num(np.where(smooth, abs(came - expected) / size, 0), nan=np.inf)
    k, j = map(int, np.unravel_index(off.argmax(), off.shape))
    return Observation(float(off[k, j]), float(np.round(expected[k, j], 9)), float(came[k, j]), note), (k, j)


def index_in(array: Array, n: int) -> str:
    """The place of entry n in one image, as text: [0, 2]."""
    return str(list(map(int, np.unravel_index(n, array.shape[1:]))) if array.ndim > 1 else [])
