"""Layers, and shapes of what enters them, from whatever a check was given: a layer, a class, a function, a strategy."""
import inspect
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minixnn.checks import strategies
from minixnn.checks.as_layer import Written, takes_several
from minixnn.layers import Input
from minixnn.layers.blocks import Block


def drawn_layers(layer: Any) -> Any:
    """A strategy of layers, from whatever was given."""
    if isinstance(layer, st.SearchStrategy):
        return layer
    if (hasattr(layer, "forward") or isinstance(layer, Block)) and not isinstance(layer, type):
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


def with_shapes(layers: Any) -> Any:
    """Pairs (layer, shape of one input), from a strategy of layers or of such pairs; of a join the shapes of all."""
    return layers.flatmap(paired)


def paired(drawn: Any) -> Any:
    if isinstance(drawn, tuple):
        return st.just(drawn)
    return st.tuples(st.just(drawn), shapes_for(drawn) if takes_several(drawn) else st.just(found_shape(drawn)))


def found_shape(layer: Any) -> Any:
    """A small shape of one input that the layer takes, tried out; ValueError where none of the usual ones fits."""
    arrays: Any = layer.arrays().values() if isinstance(layer, Written) else [getattr(layer, "W", None)]
    sizes = list(dict.fromkeys(n for n in (*(n for a in arrays for n in np.shape(a)), 3, 4) if n))
    for shape in [*((n,) for n in sizes), *((4, n) for n in sizes), *((5, 5, n) for n in (*reversed(sizes), 1, 2)),
                  (12,), (2, 12), *((m, n) for m in sizes for n in sizes)]:
        try:
            with np.errstate(all="ignore"):
                layer.forward(np.linspace(-1, 1, int(np.prod(shape))).reshape(1, *shape))
            return shape
        except Exception:
            continue
    raise ValueError(f"{layer!r} takes none of the usual inputs; give inputs=, the shape of one, such as (5, 5, 3), or "
                     "an example batch")


def shapes_for(layer: Any) -> Any:
    """A strategy of the shapes of a join's inputs, of all the ways to meet that it takes."""
    fewest, most = getattr(layer, "fewest_inputs", 1), getattr(layer, "most_inputs", 1)
    if isinstance(layer, Input):
        fewest, most = layer.index + 1, layer.index + 3
    taken = [way(fewest, min(most, fewest + 2)) for way, (one, other) in strategies.MEETINGS
             if takes(layer, (one, *[other] * (fewest - 1)))]
    if not taken:
        raise ValueError(f"{layer!r} takes none of the usual inputs; give inputs=, a tuple of their shapes, such as "
                         "((2, 3), (3, 2))")
    return st.one_of(taken)


def takes(layer: Any, shapes: Any) -> bool:
    """Whether the layer computes anything of inputs of such shapes."""
    try:
        with np.errstate(all="ignore"):
            layer.forward(tuple(np.ones((1, *shape)) for shape in shapes))
        return True
    except Exception:
        return False
