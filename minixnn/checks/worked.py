"""A failure, worked out by hand: what rules and layers share in its message."""
from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn.checks.as_layer import SideBySide, Written

if TYPE_CHECKING:
    from minixnn.checks.properties import Property, Report
    from minixnn.layers.base import Layer

MATRICES = 4                    # shown of an array with many axes; more are left out


def heading(subject: str, property: Property) -> str:
    """The first lines: what fails, its formula, and why it must hold."""
    return "\n\n".join([f'{subject} fails "{property.name}".', f"    {property.formula}", paragraph(property.why)])


def ending(property: Property, report: Report) -> str:
    """What usually causes it, and which other properties failed."""
    others = [name for name in report.broken if name != property.name]
    also = f"These failed too: {', '.join(others)}." if others else "Everything else that was asked holds."
    return paragraph(f"Look for this: {property.cause}. {also}")


def paragraph(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False))


def steps_through(lines: list[str]) -> str:
    """Lines of Python to paste, so that one can step into the formula with these numbers."""
    return "To step through it:\n\n" + textwrap.indent("\n".join(lines), "    ")


def code_of(layer: Layer) -> str:
    """The constructor call that makes the layer, as far as its arrays are short."""
    layer = layer.layer if isinstance(layer, SideBySide) else layer
    if isinstance(layer, Written):
        return f"Network([{layer!r}])"
    if not hasattr(layer, "arrays"):
        return repr(layer)
    given = {**layer.arrays(), **layer.settings()}
    return f"{type(layer).__name__}({', '.join(f'{name}={code_of_array(value)}' for name, value in given.items())})"


def parts_of(layer: Any, name: str, value: Any) -> dict[str, Any]:
    """{name: value}; of a layer of several inputs {"x[0]": ..., "x[1]": ...} for what lies beside them all."""
    if isinstance(layer, SideBySide) and isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] == sum(
            map(math.prod, layer.shapes)):
        return {f"{name}[{n}]": part for n, part in enumerate(layer.parts(value))}
    return {name: value}


def places_in(layer: Any, x: Array) -> list[str]:
    """"[0, 2]" for each entry of an input; of several inputs "[1][0, 2]" for the entry of the second."""
    if not isinstance(layer, SideBySide):
        return indices(x.shape[1:])
    return [f"[{n}]{place}" for n, shape in enumerate(layer.shapes) for place in indices(shape)]


def code_of_input(layer: Any, value: Array) -> str:
    """The array, or for a layer of several inputs the tuple of arrays, that enters it."""
    parts = [code_of_array(part) for part in parts_of(layer, "", value).values()]
    return f"({', '.join(parts)})" if isinstance(layer, SideBySide) else parts[0]


def code_of_array(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size > 60:
        return f"... (an array of shape {value.shape})"
    return f"np.array({value.tolist()})"


def indices(shape: tuple[int, ...]) -> list[str]:
    """"[0, 2]" for each entry of an array of the shape, in the order of a flattened one."""
    return [str(list(map(int, index))) for index in np.ndindex(*shape)]


def named(name: str, value: float | Array | str, indent: str = '    ') -> list[str]:
    """Lines that show an array by its name: numbers on a line, rows below each other, images channel by channel."""
    if value is None or isinstance(value, (str, float, int)):
        return [f"{indent}{name:12} {text(value)}"]
    value = np.asarray(value)
    if value.ndim > 2 and value.size:
        image = value.ndim == 4 and len(value) == 1
        outer = [(0, slice(None), slice(None), c) for c in range(value.shape[3])] if image else [
            (slice(None), slice(None), *index) for index in np.ndindex(*value.shape[2:])] if value.ndim == 4 else list(
            np.ndindex(*value.shape[:-2]))
        lines = []
        for index in outer[:MATRICES]:
            place = ", ".join(":" if isinstance(i, slice) else str(i) for i in index)
            lines += named(f"{name}[{place}]", value[index], indent)
        return lines + ([f"{indent}... and {len(outer) - MATRICES} like it"] if len(outer) > MATRICES else [])
    rows, width = array(value).split("\n"), max(12, len(name))
    return [f"{indent}{(name if n == 0 else '').ljust(width)} {row}" for n, row in enumerate(rows)]


def array(value: Array) -> str:
    """Numbers on one line, or rows below each other."""
    return np.array2string(np.asarray(value), separator=", ", formatter={"float_kind": text}, threshold=40,
                           max_line_width=80)


def text(number: float | str | Array, digits: int = 7) -> str:
    """So many digits, and no ".0"; words as they are."""
    return f"{number + 0.0:.{digits}g}" if isinstance(number, (int, float, np.number)) else str(number)


def two(one: Any, other: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ."""
    for digits in (7, 10, 13):
        if text(one, digits) != text(other, digits):
            break
    return text(one, digits), text(other, digits)
