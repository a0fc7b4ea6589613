"""What must hold of a layer: its properties, in the order in which a failure is reported.

Each test takes a `LayerCase` and returns an Observation, or None where the property says nothing.
"""
import json
from dataclasses import replace
from typing import Any

import numpy as np

from minixnn.arrays import Array, array_module, negative, positive, to_numpy
from minixnn.checks.as_layer import SideBySide, Written
from minixnn.checks.layer_cases import COUNT, MANY, STEP, LayerCase, as_type, ask_all, directions, quotients, with_array
from minixnn.checks.properties import Observation, compare, first, is_so, shown
from minixnn.checks.rule_cases import one_output_each
from minixnn.checks.worked_layers import walked
from minixnn.layers import Affine, Layer

LARGE = 100                     # by which inputs up to 3 are multiplied, to see what overflows


@first
def answers(case: LayerCase) -> Observation | None:
    return is_so(not case.error, case.error)


@first
def purity(case: LayerCase) -> Observation | None:
    return None if case.error else is_so(not case.changed, f"Changed was {case.changed}.")


@first
def shape(case: LayerCase) -> Observation | None:
    if case.error or case.changed:
        return None
    for name, array in case.answers.items():
        wanted = case.x.shape
        if name == "forward":
            wanted = (1, *getattr(array, "shape", (1,))[1:])
        elif name.startswith("dL/d"):
            wanted = case.layer.arrays()[name[4:]].shape
        if getattr(array, "shape", None) != wanted:
            beside = isinstance(case.layer, SideBySide) and name != "forward" and not name.startswith("dL/d")
            return is_so(False, f"{name} returned {shown(array)}, expected "
                         f"{shown(case.layer.parts(case.x)) if beside else f'shape {wanted}'}.")
    return is_so(True, "")


def dtype(case: LayerCase) -> Observation | None:
    for kind in ("float32", "float64"):
        x, x_ref = (a if case.whole_numbers else a.astype(kind) for a in (case.x, case.x_ref))
        found = ask_all(case, as_type(case.layer, kind), x, x_ref, case.dy.astype(kind))
        for name, array in found.items():
            if array.dtype != kind:
                return is_so(False, f"{name} makes {array.dtype} of {kind}. If the layer's weights are not {kind} "
                             "after net.astype, arrays() does not name them all.")
    return is_so(True, "")


def finite(case: LayerCase) -> Observation | None:
    for name, array in case.answers.items():
        if not np.isfinite(array).all():
            return Observation(np.inf, "finite numbers", array, f"So says {name}.")
    return Observation(0.0)


def repeats(case: LayerCase) -> Observation | None:
    return each(case, ask_all(case, case.layer, case.x, case.x_ref, case.dy), case.answers, "{} was asked twice.")


def each(case: LayerCase, came: Any, expected: Any, note: Any) -> Observation | None:
    """The Observation of the method whose two answers lie furthest apart, beside which rounding is small."""
    scale = float(max(abs(case.x).max(), abs(case.dy).max()))
    found = [compare(expected[name], came[name], note.format(name), scale) for name in expected if name in came]
    return max(found, key=lambda observation: observation.off, default=None)


def images_apart(case: LayerCase) -> Observation | None:
    both = np.concatenate([case.x, case.x_ref]), np.concatenate([case.x_ref, case.x])
    came = ask_all(case, case.layer, *both, np.concatenate([case.dy, case.dy]))
    alone = ask_all(case, case.layer, case.x, case.x_ref, case.dy), ask_all(
        case, case.layer, case.x_ref, case.x, case.dy)
    expected = {name: alone[0][name] + alone[1][name] if name.startswith("dL/d") else
                np.concatenate([one[name] for one in alone]) for name in case.answers}
    return each(case, came, expected, "{} of x and x_ref, one by one and as a batch.")


def definition(case: LayerCase, formula: Any) -> Observation | None:
    return compare(formula(case.x), case.y, "Expected is definition(x), came is forward(x).")


def affine(case: LayerCase) -> Observation | None:
    """f(x - 2 x') - f(0) = (f(x) - f(0)) - 2 (f(x') - f(0))"""
    if not isinstance(case.layer, Affine):
        return None
    zero, f = case.layer.forward(case.x * 0), case.layer.forward
    expected = (case.y - zero) - 2 * (f(case.x_ref) - zero)
    return compare(expected, f(case.x - 2 * case.x_ref) - zero, "", 1.0)


def derivative(case: LayerCase) -> Observation | None:
    """gradient = the difference quotient of forward, entry by entry, away from kinks"""
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
    found = furthest(signals @ slopes.T, came, smooth.T, "Expected is the difference quotient of forward, came is what "
                     "gradient says.")
    if found is None or case.y.size > COUNT or case.x.size > COUNT:
        return found
    k, j = found.columns["entry"]
    return replace(found, output=int(k), steps=two_steps(case, k, j))


def two_steps(case: LayerCase, k: Any, j: Any) -> Observation | None:
    """The lines of arithmetic of one difference quotient."""
    step = STEP * np.eye(case.x.size)[j].reshape(case.x.shape)
    up, down = (case.layer.forward(case.x + sign * step).reshape(-1)[k] for sign in (1, -1))
    return walked(index_in(case.x, j), index_in(case.y, k), STEP, up, down)


def furthest(expected: Any, came: Any, smooth: Any, note: Any) -> Any:
    """The entry in which derivative and difference quotient lie furthest apart; kinks are left out."""
    if not smooth.any():
        return None
    size = np.maximum(1, np.maximum(abs(expected), abs(came)))
    off = np.nan_to_num(np.where(smooth, abs(came - expected) / size, 0), nan=np.inf)
    entry = np.unravel_index(off.argmax(), off.shape)
    return Observation(float(off[entry]), float(np.round(expected[entry], 9)), float(came[entry]), note,
                       columns={"entry": entry})


def index_in(array: Array, n: Any) -> Any:
    """The place of entry n in one image, as text: [0, 2]."""
    return str(list(map(int, np.unravel_index(int(n), array.shape[1:]))) if array.ndim > 1 else [])


def adjoint(case: LayerCase) -> Observation | None:
    """<f(x) - f(0), dy> = <x, gradient(dy)>"""
    if not isinstance(case.layer, Affine):
        return None
    left = ((case.y - case.layer.forward(case.x * 0)) * case.dy).sum()
    right = (case.x * case.answers["gradient"]).sum()
    return compare(left, right, "Expected is <W x, dy>, came is <x, gradient(dy)>.", 1.0)


def weights(case: LayerCase) -> Observation | None:
    """with_weights(V, c) is V.x + c: linear in V, and c = None means no bias"""
    layer = case.layer
    if not isinstance(layer, Affine):
        return None
    W, b, zero = layer.W, layer.b, layer.forward(case.x * 0)
    linear = case.y - zero
    tries = [(case.y, [(W, b)], "with_weights(W, b)"), (linear, [(W, None)], "with_weights(W, None)"),
             (-2 * linear, [(-2 * W, None)], "with_weights(-2 W, None)"),
             (linear, [(positive(W), None), (negative(W), None)], "with_weights(W+, None) and (W-, None) together")]
    found = [compare(expected, sum(layer.with_weights(*pair).forward(case.x) for pair in pairs), f"forward of {name}.",
                     1.0) for expected, pairs, name in tries]
    found.append(compare(case.y, layer.forward(case.x), "The layer itself, after with_weights was called.", 1.0))
    return max(found, key=lambda observation: observation.off)


def parameter_gradients(case: LayerCase) -> Observation | None:
    """parameter_gradients(x, dy)[p] = the difference quotient of <forward(x), dy> in p"""
    found = []
    for name in (name[4:] for name in case.answers if name.startswith("dL/d")):
        def values(points):
            return np.stack([with_array(case.layer, name, p).forward(case.x).reshape(-1) for p in points])
        slopes, smooth, V = quotients(values, case.layer.arrays()[name], kinks=False)
        dy = case.dy * smooth.all(axis=0).reshape(case.dy.shape)            # outputs at a kink are left out
        came = (V @ case.layer.parameter_gradients(case.x, dy)[name].reshape(-1))[None]
        found.append(furthest(dy.reshape(1, -1) @ slopes.T, came, np.ones_like(came, bool), f"dL/d{name}, one of its "
                              "entries: expected is the difference quotient of <forward(x), dy>, came is what "
                              "parameter_gradients says."))
    return max(filter(None, found), key=lambda observation: observation.off, default=None)


def sums_to_difference(case: LayerCase) -> Observation | None:
    """sum_j m_j (x_j - x_ref_j) = y_k - y_ref_k, m being the multipliers of output k alone"""
    if "deeplift" not in case.answers:
        return None
    outputs = tuple(range(min(case.y.size, 16)))
    batch, y, signals = one_output_each(case.layer, case.x, outputs)
    refs = np.repeat(case.x_ref, len(outputs), axis=0)
    y_ref = case.layer.forward(refs)
    m = case.layer.deeplift(batch, y, refs, y_ref, signals)
    came = (m * (batch.astype(m.dtype) - refs)).reshape(len(outputs), -1).sum(axis=1)
    expected = ((y - y_ref) * signals).reshape(len(outputs), -1).sum(axis=1)
    k = int(abs(came - expected).argmax())
    return compare(expected[k], came[k], f"Output {index_in(case.y, k)} changes from x_ref to x by what is expected; "
                   "the contributions sum to what came.", 1.0, output=k)


def backward_signals(case: LayerCase) -> Observation | None:
    """deconvnet = guided_backprop = gradient, for an affine layer"""
    if not isinstance(case.layer, Affine):
        return None
    return each(case, {name: case.answers[name] for name in ("deconvnet", "guided_backprop")},
                dict.fromkeys(("deconvnet", "guided_backprop"), case.answers["gradient"]), "{} and gradient.")


def own_rule(case: LayerCase) -> Observation | None:
    """rule(-2 R) = -2 rule(R)"""
    if "rule" not in case.answers:
        return None
    came = ask_all(case, case.layer, case.x, case.x_ref, -2 * case.dy)["rule"]
    return compare(-2 * case.answers["rule"], came, "Expected is -2 rule(R), came is rule(-2 R).",
                   float(abs(case.dy).max()))


def overflow(case: LayerCase) -> Observation | None:
    """float32 is finite wherever float64 is, and not larger than float32 can be"""
    if case.whole_numbers:
        return None
    x = LARGE * case.x
    sharp, plain = case.layer.forward(x), as_type(case.layer, "float32").forward(x.astype("float32"))
    bad = np.isfinite(sharp) & (abs(sharp) < np.finfo("float32").max) & ~np.isfinite(plain)
    return is_so(not bad.any(), f"At {LARGE} x float32 gives {plain[bad][:1]} where float64 gives {sharp[bad][:1]}.")


def rebuilt(case: LayerCase) -> Observation | None:
    """type(layer)(**arrays(), **settings()) = the layer, also after its settings were written as JSON"""
    layer = case.layer.layer if isinstance(case.layer, SideBySide) else case.layer
    kind: Any = type(layer)
    if isinstance(layer, Written):
        if not all(type(each).__module__.startswith("minixnn.layers.") for each in layer.net.layers):
            return None                         # files hold no layers of one's own
        return compare(case.y, layer.again().forward(case.x), "The network, and the one that was saved and loaded.")
    if not hasattr(layer, "settings") or not hasattr(layer, "arrays"):
        return None
    try:
        again = kind(**layer.arrays(), **json.loads(json.dumps(layer.settings())))
    except TypeError as error:
        if kind.settings is Layer.settings:
            return None                         # a class that says nothing of its settings is not meant for files
        return is_so(False, f"It cannot be made again from arrays() and settings(): {error}.")
    again = as_type(again, case.answers["gradient"].dtype)
    again = SideBySide(again, case.layer.shapes) if isinstance(case.layer, SideBySide) else again
    return compare(case.y, again.forward(case.x), "forward of the layer, and of the one that was saved and loaded.")


def device(case: LayerCase, module: Any) -> Observation | None:
    """every method on arrays of `module` = the same on NumPy's"""
    layer = case.layer.map_arrays(module.asarray) if hasattr(case.layer, "map_arrays") else case.layer
    found = ask_all(case, layer, *map(module.asarray, (case.x, case.x_ref, case.dy)))
    for name, array in found.items():
        if array_module(array) is not module:
            return is_so(False, f"{name} makes {type(array).__name__}, on the host, of arrays on the device.")
    return each(case, {name: to_numpy(a) for name, a in found.items()}, case.answers, "{} there and on NumPy.")
