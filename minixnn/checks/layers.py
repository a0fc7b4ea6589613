"""check_layer: does a layer keep what layers promise to passes, rules, training and files?"""
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from minixnn.arrays import Array
from minixnn.checks import search, strategies
from minixnn.checks.as_layer import SideBySide, as_layer, takes_several
from minixnn.checks.drawn import drawn_layers, found_shape, shapes_for
from minixnn.checks.layer_cases import as_type, prepare
from minixnn.checks.layer_properties import properties_of_layer
from minixnn.checks.properties import Report
from minixnn.checks.rules import bounds
from minixnn.checks.worked_layers import described, explain_layer
from minixnn.layers import Layer
from minixnn.layers.blocks import Block
from minixnn.network import check_methods


def check_layer(layer: Layer | Callable | SearchStrategy,
                inputs: Array | tuple[int, ...] | SearchStrategy | None = None,
                domain: str | tuple[float, float] = "any", definition: Callable | None = None,
                device: ModuleType | None = None, examples: int = 60, seed: int = 0) -> Report:
    """Ask the properties of a layer, and return a report; CheckFailed where one does not hold.

    layer: a layer; a class or function that makes one, called without arguments or with a numpy Generator; or a
    strategy that draws layers, or pairs (layer, input shape) as those in `checks.strategies` do. A way of writing, such
    as Residual([...]), is checked as the network that it writes, all of whose methods are passes.

    inputs: the shape of one input, such as (5, 5, 3); or an example batch, whose shape and kind of numbers are taken;
    or a strategy of batches with one input. Of a join, a tuple with one for each input. Without it a shape is found
    that the layer takes; joins get random numbers of inputs, of random shapes. domain: "any",
    "nonnegative" or a pair (low, high), for layers that do not take all numbers. definition: a function x -> y that
    forward must agree with. device: an array module such as cupy, whose arrays must have the same answers; without
    one nothing is asked of arrays elsewhere, and the report says so.
    """
    cases = layer_cases(drawn_layers(layer), inputs, bounds(domain))
    return search.check(f"the layer {name_of(layer)}", properties_of_layer(definition, device), [cases], prepare,
                        explain_layer, examples, seed)


def name_of(layer: Any) -> Any:
    """How the layer under test is called in a report."""
    if isinstance(layer, Block):
        return repr(layer)
    if isinstance(layer, type) or not hasattr(layer, "forward"):
        return getattr(layer, "__name__", "drawn by a strategy")
    return described(layer)


@st.composite
def layer_cases(draw: st.DrawFn, layers: Any, inputs: Any, domain: Any) -> Any:
    """(layer, x, x_ref, dy): two inputs and a signal of both signs, in float64."""
    layer = draw(layers)
    layer, shape = layer if isinstance(layer, tuple) else (layer, None)
    layer = as_layer(layer)
    kind: Any = type(layer)
    check_methods(kind)
    layer = as_type(layer, "float64")
    low, high = domain
    if takes_several(layer):
        shapes = draw(shapes_for(layer)) if inputs is None and shape is None else (
            shape if inputs is None else [a.shape[1:] if hasattr(a, "shape") else tuple(a) for a in inputs])
        layer = SideBySide(layer, tuple(shapes))
        x, x_ref = (draw(strategies.arrays((1, sum(map(math.prod, shapes))), low, high)) for _ in range(2))
    elif isinstance(inputs, st.SearchStrategy):
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
