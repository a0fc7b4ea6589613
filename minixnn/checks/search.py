"""check_rule and check_layer: search for a case in which a property fails, and make it small.

Hypothesis draws the cases. That they become small is done here: Hypothesis shrinks choices, and does not know that a
unit is a column of W, an entry of b and one of R.
"""
from __future__ import annotations

import copy
import inspect
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from types import ModuleType
from typing import TypeAlias

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.extra import numpy as extra
from hypothesis.strategies import SearchStrategy

from minixnn.arrays import Array, Inputs, to_numpy
from minixnn.checks import strategies
from minixnn.checks.as_layer import SideBySide, Written, arrays_of, as_layer, takes_several
from minixnn.checks.cases import Case, as_type, prepare, reverse
from minixnn.checks.layer_properties import properties_of_layer
from minixnn.checks.properties import CheckFailed, Observation, Property, Report, Row
from minixnn.checks.rule_properties import CLAIMS, Domain, Formula, neuron, properties_of_rule, settle
from minixnn.checks.worked import described, explain
from minixnn.layers import Affine, Dense, Input, Layer
from minixnn.layers.base import Rule
from minixnn.layers.blocks import Block
from minixnn.refusals import check_methods
from minixnn.rules.composites import check_arguments, name_of

SEARCHING = 6.0                 # seconds of the processor after which the cases so far have to do
SHRINKING = 4.0                 # likewise for the search for a smaller case
SIMPLE = (0.0, 1.0, -1.0, 2.0)
Shape: TypeAlias = "tuple[int, ...] | tuple[tuple[int, ...], ...]"  # of one input; of a join, of each
Layers: TypeAlias = "Layer | Block | type | Callable | SearchStrategy"
Drawn: TypeAlias = "tuple[Layer, *tuple[Array, ...]]"               # the layer, its input x, and arrays beside x or y


def check_rule(rule: Rule, layers: Layers | None = None, domain: str | tuple[float, float] = "any",
               conserves: str | None = None, definition: Formula | None = None, device: ModuleType | None = None,
               examples: int = 50, seed: int = 0) -> Report:
    """Ask the properties of a relevance rule, of which docs/checks.md has the list.

    Parameters
    ----------
    rule : function (layer, x, y, R) -> relevance of x
        Of a join it gets and returns tuples.
    layers : layer, class, function or strategy, optional
        What it is a rule for, in place of affine layers of every kind: a layer, a class such as MatMul, a function that
        makes one, or a strategy of pairs (layer, input shape).
    domain : "any", "nonnegative" or (low, high)
        The inputs it is for.
    conserves : str, optional
        Whether the inputs of an output receive all of its relevance where no denominator is 0: "always", "without bias"
        (a bias absorbs its share), "up to a stabiliser" (which withholds a little, and a bias may absorb), or "never".
        None: the check finds the strongest of the first three that holds, and says so, as `report.conserves` and below
        its table; that none holds is a failure.
    definition : function (x, w, b, R) -> shares, optional
        The formula for one output, such as those in `checks.definitions`.
    device : module, optional
        An array module such as cupy, whose arrays must have the same answers.
    examples : int
        How many cases of each kind are drawn.
    seed : int
        Another number, other cases.

    Returns
    -------
    Report
        To print, if all holds.

    Raises
    ------
    CheckFailed
        If a property does not hold, with the smallest case worked out by hand.
    ValueError
        If a claim, a domain or what `layers` gives is not among the above.
    """
    low, high = bounds(domain)
    if conserves is not None and conserves not in CLAIMS:
        raise ValueError(f"got conserves={conserves!r}, expected one of {', '.join(map(repr, CLAIMS))}; or None to "
                         "find out")
    properties = properties_of_rule((low, high), conserves, definition, layers is None, device)
    check_arguments(rule)
    kinds = strategies.affine_kinds() if layers is None else [drawn_layers(layers)]
    cases = [drawn_cases(kind, None, (low, high), False) for kind in kinds]
    return check(f"the rule {name_of(rule)}", properties, cases,
                 lambda layer, x, R: prepare(layer, x, reverse(x), R, rule), within(low, high), examples, seed,
                 partial(settle, conserves))


def check_layer(layer: Layers, inputs: Array | Shape | SearchStrategy | None = None,
                domain: str | tuple[float, float] = "any", definition: Callable[[Array], Array] | None = None,
                device: ModuleType | None = None, examples: int = 60, seed: int = 0) -> Report:
    """Ask the properties of a layer, of which docs/checks.md has the list.

    Parameters
    ----------
    layer : layer, class, function or strategy
        A layer; a class or function that makes one, called without arguments or with a numpy Generator; or a strategy
        that draws layers, or pairs (layer, input shape) as those in `checks.strategies` do. A way of writing, such as
        Residual([...]), is checked as the network that it writes, all of whose methods are passes.
    inputs : tuple of int, array or strategy, optional
        The shape of one input, such as (5, 5, 3); an example batch, whose shape and kind of numbers are taken; or a
        strategy of batches with one input. Of a join, a tuple with one for each input. Without it a shape is found that
        the layer takes; joins get random numbers of inputs, of random shapes.
    domain : "any", "nonnegative" or (low, high)
        The inputs, for layers that do not take all numbers.
    definition : function x -> y, optional
        What forward must agree with.
    device : module, optional
        An array module such as cupy, whose arrays must have the same answers; without one nothing is asked of arrays
        elsewhere, and the report says so.
    examples, seed : int
        How many cases are drawn, and a number by which others are.

    Returns
    -------
    Report
        To print, if all holds.

    Raises
    ------
    CheckFailed
        If a property does not hold, with the smallest case worked out by hand.
    ValueError
        If the layer, its inputs or the domain are not among the above.
    """
    made = isinstance(layer, (Layer, Block)) or (hasattr(layer, "forward") and not isinstance(layer, type))
    called = described(layer) if made else getattr(layer, "__name__", "drawn by a strategy")
    inputs = inputs if inputs is None or isinstance(inputs, (tuple, list, SearchStrategy)) else to_numpy(inputs)
    return check(f"the layer {called}", properties_of_layer(definition, device),
                 [drawn_cases(drawn_layers(layer), inputs, bounds(domain), True)], prepare,
                 [] if isinstance(inputs, SearchStrategy) else within(*bounds(domain)), examples, seed)


# -------------------------------------------------------------------------------------------------------- what is drawn

def bounds(domain: str | tuple[float, float]) -> Domain:
    """(low, high) of the inputs, None where there is no bound."""
    if domain in ("any", "nonnegative"):
        return (None if domain == "any" else 0.0), None
    try:
        low, high = map(float, domain)
        if low < high:
            return low, high
    except (TypeError, ValueError):
        pass
    raise ValueError(f"got domain={domain!r}, expected 'any', 'nonnegative' or a pair of numbers (low, high)")


def within(low: float | None, high: float | None) -> list[float]:
    """The simple numbers that lie in a domain."""
    return [v for v in SIMPLE if (low is None or v >= low) and (high is None or v <= high)]


def drawn_layers(layer: Layers) -> SearchStrategy:
    """A strategy of layers, from whatever was given."""
    if isinstance(layer, SearchStrategy):
        return layer
    if (hasattr(layer, "forward") or isinstance(layer, Block)) and not isinstance(layer, type):
        return st.just(layer)
    if not callable(layer):
        raise ValueError(f"got {layer!r}, expected a layer, a class or function that makes one, or a strategy")
    try:
        needed = [p.name for p in inspect.signature(layer).parameters.values()
                  if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        needed = []
    if len(needed) == 1 and not isinstance(layer, type):
        return strategies.seeds.map(lambda seed: layer(np.random.default_rng(seed)))
    if needed:
        raise ValueError(f"{layer.__name__} needs {', '.join(needed)}; give a layer, such as {layer.__name__}(...), or "
                         "a function without arguments that makes one")
    return st.builds(layer)


@st.composite
def drawn_cases(draw: st.DrawFn, layers: SearchStrategy, inputs: Inputs, domain: Domain,
                reference: bool) -> Drawn:
    """(layer, x, x_ref, dy), or without x_ref: inputs, and a signal of both signs, in float64. inputs: as above."""
    drawn = draw(layers)
    layer, shape = drawn if isinstance(drawn, tuple) else (drawn, None)
    layer = as_type(as_layer(layer), "float64")
    kind: type = type(layer)
    check_methods(kind)
    if takes_several(layer):
        shapes = draw(shapes_for(layer)) if shape is None and inputs is None else (
            shape if inputs is None else tuple(map(shape_of, inputs)))
        layer, inputs = SideBySide(layer, shapes), (sum(map(math.prod, shapes)),)
    if isinstance(inputs, SearchStrategy):
        values = inputs
    elif hasattr(inputs, "dtype") and inputs.dtype.kind in "iu":
        values = extra.arrays(inputs.dtype, (1, *inputs.shape[1:]), elements=st.integers(
            int(inputs.min()), int(inputs.max())))
    else:
        shape = shape_of(inputs) if inputs is not None else found_shape(layer) if shape is None else shape
        values = strategies.arrays((1, *shape), *domain)
    arrays = [draw(values) for _ in range(2 if reference else 1)]
    y = output(layer, arrays[0].copy())         # where there is none, a failure will be reported
    return layer, *arrays, draw(strategies.arrays((1,) if y is None else y.shape))


def shape_of(inputs: Inputs) -> tuple[int, ...]:
    """The shape of one of an example batch; a shape as it is."""
    return inputs.shape[1:] if hasattr(inputs, "shape") else tuple(inputs)


def found_shape(layer: Layer) -> tuple[int, ...]:
    """A small shape of one input that the layer takes, tried out; ValueError where none of the usual ones fits."""
    arrays: list[Array] = list(arrays_of(layer).values()) if isinstance(layer, Written) else [getattr(layer, "W", ())]
    sizes = list(dict.fromkeys(n for n in (*(n for a in arrays for n in np.shape(a)), 3, 4) if n))
    for shape in [*((n,) for n in sizes), *((4, n) for n in sizes), *((5, 5, n) for n in (*reversed(sizes), 1, 2)),
                  (12,), (2, 12), *((m, n) for m in sizes for n in sizes)]:
        if output(layer, np.linspace(-1, 1, math.prod(shape)).reshape(1, *shape)) is not None:
            return shape
    raise ValueError(f"{layer!r} takes none of the usual inputs; give inputs=, the shape of one, such as (5, 5, 3), or "
                     "an example batch")


def shapes_for(layer: Layer) -> SearchStrategy[tuple[tuple[int, ...], ...]]:
    """A strategy of the shapes of a join's inputs, of all the ways to meet that it takes."""
    fewest, most = layer.fewest_inputs, int(min(layer.most_inputs, layer.fewest_inputs + 2))
    if isinstance(layer, Input):
        fewest, most = layer.index + 1, layer.index + 3
    taken = [way(fewest, most) for way, (one, other) in strategies.MEETINGS
             if output(layer, tuple(np.ones((1, *shape)) for shape in (one, *[other] * (fewest - 1)))) is not None]
    if not taken:
        raise ValueError(f"{layer!r} takes none of the usual inputs; give inputs=, a tuple of their shapes, such as "
                         "((2, 3), (3, 2))")
    return st.one_of(taken)


def output(layer: Layer, x: Inputs) -> Array | None:
    """What the layer computes of x; None where it takes no such inputs."""
    try:
        with np.errstate(all="ignore"):
            y = layer.forward(x)
        return y if y.size else None
    except Exception:
        return None


# ----------------------------------------------------------------------------------------------------------- the search

def check(subject: str, properties: list[Property], kinds: Sequence[SearchStrategy], prepare: Callable[..., Case],
          simple: Sequence[float], examples: int, number: int,
          settle: Callable[[Report], None] = lambda report: None) -> Report:
    """The Report of `properties` over so many `examples` of each of the strategies `kinds`; CheckFailed if one fails.

    prepare(*drawn) makes a case of what a strategy draws. simple: numbers that an input may have in a smaller case.
    `number` seeds the search: the same number, the same cases. settle(report): what is left of it, once all was asked.
    """
    report = Report(subject, [Row(p) for p in properties])
    failing: dict[int, Drawn] = {}              # the smallest case in which a row fails
    until = time.thread_time() + SEARCHING
    for cases in kinds:                         # the simple kinds first: a property that has failed is not asked again
        rows = [row for row in report.rows if not row.broken]

        @seeded(number)
        @settings(max_examples=examples, phases=[Phase.generate], database=None, deadline=None, print_blob=False,
                  verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck))
        @given(cases)
        def walk(drawn):
            if report.cases and time.thread_time() > until:
                return
            case = prepare(*drawn)
            report.cases += 1
            for row in rows:
                known = failing.get(id(row))
                if (known is None or size(drawn) < size(known)) and row.ask(case):
                    failing[id(row)] = drawn
        walk()
    settle(report)
    if "device" not in [row.property.name for row in report.rows]:
        report.notes.append("Arrays of a device were not asked: give device=, an array module such as cupy.")
    broken = next((row for row in report.rows if row.broken), None)
    if broken is None:
        return report
    property, again = broken.property, Row(broken.property)
    drawn = simplified(failing[id(broken)], simple, lambda drawn: again.ask(prepare(*drawn)))
    case = prepare(*drawn)
    observation = again.ask(case) or Observation(np.inf, note="It failed once, and not when it was asked again.")
    raise CheckFailed(explain(property, case, observation, report), property.name, report, case, observation) from None


def size(drawn: Drawn) -> tuple[int, int]:
    """How many numbers there are to read in a case, and how many are not 0."""
    layer, *arrays = drawn
    numbers = np.concatenate([np.ravel(a) for a in (*arrays, *arrays_of(layer).values())])
    return numbers.size, int(np.count_nonzero(numbers))


def simplified(drawn: Drawn, simple: Sequence[float], fails: Callable[[Drawn], Observation | None]) -> Drawn:
    """The smallest case reached from `drawn` by steps after each of which it still fails, or until time is up."""
    until, going = time.thread_time() + SHRINKING, True
    while going:
        going = False
        for candidate in candidates(simple, *drawn):
            if time.thread_time() > until:
                return drawn
            if fails(candidate):
                drawn, going = candidate, True
                break
    return drawn


def candidates(simple: Sequence[float], layer: Layer, x: Array, *rest: Array) -> Iterator[Drawn]:
    """Cases that are a little simpler: fewer units or pixels first, then plainer numbers."""
    for smaller, smaller_x in smaller_layers(layer, x):
        y = output(smaller, smaller_x.copy())
        if y is not None:
            yield smaller, smaller_x, *(np.resize(a, (smaller_x if a.shape == x.shape else y).shape) for a in rest)
    for name in ("W", "b"):                     # any numbers are weights; a variance, for instance, is another matter
        for array in plainer(vars(layer).get(name), SIMPLE):
            yield changed(layer, name, array), x, *rest
    arrays = [x, *rest]
    for n, array in enumerate(arrays):          # the last is no input
        for plain in plainer(array, SIMPLE if n == len(rest) else simple):
            yield layer, *arrays[:n], plain, *arrays[n + 1:]


def smaller_layers(layer: Layer, x: Array) -> Iterator[tuple[Layer, Array]]:
    """(layer, x) with a unit, a channel, a part of the kernel, a row of pixels or an input less."""
    if isinstance(layer, Affine) and type(layer).__module__.startswith("minixnn."):         # one's own may be wrong
        W, b, groups = layer.W, layer.b, getattr(layer, "groups", 1)
        if type(layer) is not Dense or x.ndim > 2:
            yield from outputs_alone(layer, x)
        for axis, end in product(range(-W.ndim, 0), (-1, 0)):   # of outputs, inputs, and then the kernel
            if W.shape[axis] > 1 and (groups == 1 or axis < -2):
                fewer = b if axis < -1 or b is None else np.delete(b, end)
                less = layer.with_weights(np.delete(W, end, axis), fewer)
                yield less, np.delete(x, end, -1) if axis == -2 or W.ndim == 1 else x
        for part in range(groups if groups > 1 and groups * W.shape[-2] == x.shape[-1] else 0):
            less = layer.with_weights(np.split(W, groups, -1)[part], None if b is None else np.split(b, groups)[part])
            yield changed(less, "groups", 1), np.split(x, groups, -1)[part]
        for name, n in product(("stride", "dilation"), (0, 1)):
            steps = getattr(layer, name, ())
            if n < len(steps) and steps[n] > 1:
                yield changed(layer, name, (*steps[:n], 1, *steps[n + 1:])), x
        if getattr(layer, "padding", "same") != "same":
            yield changed(layer, "padding", "same"), x
        if b is not None:
            yield layer.with_weights(W, None), x
    for axis, end in product(range(1, x.ndim), (-1, 0)):        # pixels, steps, or channels where it takes fewer
        if x.shape[axis] > 1:
            yield layer, np.delete(x, end, axis)
    if x.ndim == 4 and min(x.shape[1:3]) > 1:
        yield layer, x[:, :-1, :-1]
    if isinstance(layer, SideBySide):           # an input less, or along an axis of some inputs; axis 0: as it was
        parts = layer.parts(x)
        cut = [tuple(a if axis == 0 or a.shape[axis] == 1 else np.delete(a, -1, axis) for a, axis in zip(parts, axes))
               for axes in product(*(range(a.ndim) for a in parts))]
        for some in [parts[:-1], *cut] if len(parts) > layer.layer.fewest_inputs else cut:
            smaller = SideBySide(layer.layer, tuple(a.shape[1:] for a in some))
            if smaller.shapes != layer.shapes:
                yield smaller, smaller.whole(some)


def outputs_alone(layer: Affine, x: Array) -> list[tuple[Layer, Array]]:
    """Each output as a dense layer of its own; none of a layer that cannot be asked, which is what is to be shown."""
    try:
        case = Case(layer, x, x, x, y=layer.forward(x))
        return [neuron(case, row) for row, seen in enumerate(case.seen) if seen.any()]
    except Exception:
        return []


def changed(layer: Layer, name: str, value: Array | str | int | tuple[int, int]) -> Layer:
    layer = copy.copy(layer)
    setattr(layer, name, value)
    return layer


def plainer(array: Array | None, simple: Sequence[float]) -> Iterator[Array]:
    """The array with one number in the place of another that takes longer to read."""
    if array is None or array.ndim == 0 or array.dtype.kind != "f":
        return
    for index in np.ndindex(*array.shape):
        for plain in simple:
            if array[index] == plain:
                break
            other = array.copy()
            other[index] = plain
            yield other
