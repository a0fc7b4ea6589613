"""check_layer: does a layer keep what layers promise to passes, rules, training and files?"""
import inspect
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from minixnn.arrays import Array
from minixnn.checks import search, strategies
from minixnn.checks.layer_cases import as_type, prepare
from minixnn.checks.layer_properties import properties_of_layer
from minixnn.checks.properties import Report
from minixnn.checks.rules import bounds
from minixnn.checks.worked_layers import described, explain_layer
from minixnn.layers import Layer
from minixnn.network import check_methods


def check_layer(layer: Layer | Callable | SearchStrategy,
                inputs: Array | tuple[int, ...] | SearchStrategy | None = None,
                domain: str | tuple[float, float] = "any", definition: Callable | None = None,
                device: ModuleType | None = None, examples: int = 60, seed: int = 0) -> Report:
    """Ask the properties of a layer, and return a report; CheckFailed where one does not hold.

    layer: a layer; a class or function that makes one, called without arguments or with a numpy Generator; or a
    strategy that draws layers, or pairs (layer, input shape) as those in `checks.strategies` do.

    inputs: the shape of one input, such as (5, 5, 3); or an example batch, whose shape and kind of numbers are taken;
    or a strategy of batches with one input. Without it a shape is found that the layer takes. domain: "any",
    "nonnegative" or a pair (low, high), for layers that do not take all numbers. definition: a function x -> y that
    forward must agree with. device: an array module such as cupy, whose arrays must have the same answers; without
    one nothing is asked of arrays elsewhere, and the report says so.
    """
    cases = layer_cases(drawn_layers(layer), inputs, bounds(domain))
    return search.check(f"the layer {name_of(layer)}", properties_of_layer(definition, device), [cases], prepare,
                        explain_layer, examples, seed)


def name_of(layer: Any) -> Any:
    """How the layer under test is called in a report."""
    if isinstance(layer, type) or not hasattr(layer, "forward"):
        return getattr(layer, "__name__", "drawn by a strategy")
    return described(layer)


def drawn_layers(layer: Any) -> Any:
    """A strategy of layers, from whatever was given."""
    if isinstance(layer, st.SearchStrategy):
        return layer
    if hasattr(layer, "forward") and not isinstance(layer, type):
        return st.just(layer)
    if not callable(layer):
        raise ValueError(f"got {layer!r}, expected a layer, a class or function that makes one, or a strategy")
    try:
        needed = [p for p in inspect.signature(layer).parameters.values()
                  if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        needed = []
    if not needed:
        return st.builds(layer)
    if len(needed) == 1 and not isinstance(layer, type):
        return strategies.seeds.map(partial(with_generator, layer))
    raise ValueError(f"{layer.__name__} needs {', '.join(p.name for p in needed)}; give a layer, such as "
                     f"{layer.__name__}(...), or a function without arguments that makes one")


def with_generator(factory: Any, seed: Any) -> Any:
    return factory(np.random.default_rng(seed))


@st.composite
def layer_cases(draw: Any, layers: Any, inputs: Any, domain: Any) -> Any:
    """(layer, x, x_ref, dy): two inputs and a signal of both signs, in float64."""
    layer = draw(layers)
    layer, shape = layer if isinstance(layer, tuple) else (layer, None)
    kind: Any = type(layer)
    check_methods(kind)
    layer = as_type(layer, "float64")
    low, high = domain
    if isinstance(inputs, st.SearchStrategy):
        x, x_ref = draw(inputs), draw(inputs)
    elif hasattr(inputs, "dtype") and inputs.dtype.kind in "iu":
        tokens = st.lists(st.integers(int(inputs.min()), int(inputs.max())), min_size=inputs[0].size,
                          max_size=inputs[0].size)
        x, x_ref = (np.array(draw(tokens), inputs.dtype).reshape(1, *inputs.shape[1:]) for _ in range(2))
    else:
        shape = found_shape(layer) if inputs is None and shape is None else (
            shape if inputs is None else inputs.shape[1:] if hasattr(inputs, "shape") else tuple(inputs))
        x, x_ref = (draw(strategies.arrays((1, *shape), low, high)) for _ in range(2))
    try:
        with np.errstate(all="ignore"):
            shape = np.shape(layer.forward(x.copy()))
    except Exception:                           # which is reported as a failure
        shape = (1,)
    return layer, x, x_ref, draw(strategies.arrays(shape))


def found_shape(layer: Any) -> Any:
    """A small shape of one input that the layer takes, tried out; ValueError where none of the usual ones fits."""
    W: Any = getattr(layer, "W", None)
    sizes = [n for n in (*np.shape(W), *(3, 4)) if n]
    for shape in [*((n,) for n in sizes), *((4, n) for n in sizes), *((5, 5, n) for n in (*reversed(sizes), 1, 2)),
                  (12,), (2, 12)]:
        try:
            with np.errstate(all="ignore"):
                layer.forward(np.linspace(-1, 1, int(np.prod(shape))).reshape(1, *shape))
            return shape
        except Exception:
            continue
    raise ValueError(f"{layer!r} takes none of the usual inputs; give inputs=, the shape of one, such as (5, 5, 3), or "
                     "an example batch")
