"""A failure, worked out by hand: the smallest case, both sides of its formula, the usual cause, code to paste."""
from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minixnn.arrays import Array
from minixnn.checks.as_layer import SideBySide, Written, arrays_of
from minixnn.checks.cases import Case, one_output_each
from minixnn.checks.properties import table
from minixnn.ledger.table import PARTS
from minixnn.rules.composites import name_of

if TYPE_CHECKING:
    from minixnn.checks.properties import Observation, Property, Report
    from minixnn.layers.base import Layer

MATRICES = 4                    # shown of an array with many axes; more are left out
ROWS = 16                       # likewise of the inputs of a rule
BACK = "layer.gradient(x, layer.forward(x), dy)"
CALLS = {"answers": BACK, "shape": BACK, "purity": BACK, "type": BACK, "finite": BACK, "derivative": BACK,
         "adjoint": BACK, "parameter gradients": "layer.parameter_gradients(x, dy)",
         "DeepLIFT": "layer.deeplift(x, layer.forward(x), x_ref, layer.forward(x_ref), dy)",
         "images apart": "layer.forward(np.concatenate([x, x_ref]))", "affine": "layer.forward(x - 2 * x_ref)",
         "backward signals": "layer.guided_backprop(x, layer.forward(x), dy)",
         "own rule": "layer.rule(layer, x, layer.forward(x), -2 * dy)", "overflow": "layer.forward(100 * x)",
         "weights": "layer.with_weights(layer.W, None).forward(x)", "saved and loaded": "layer.settings()"}


def explain(property: Property, case: Case, observation: Observation, report: Report) -> str:
    """The message of a failed check of a layer, or of a rule on it."""
    k, layer = observation.output, case.layer
    dy = case.dy if k is None else one_output_each(layer, case.x, (k,))[2]
    what, lines, end = (of_layer if case.rule is None else of_rule)(property, case, observation, dy)
    others = [name for name in report.broken if name != property.name]
    also = f"These failed too: {', '.join(others)}." if others else "Everything else that was asked holds."
    return "\n\n".join([heading(report.subject, property), f"The smallest case that was found is {what}:", *lines,
                        paragraph(f"Look for this: {property.cause}. {also}"),
                        "To step through it:\n\n" + textwrap.indent("\n".join(end), "    ")])


def heading(subject: str, property: Property) -> str:
    """The first lines: what fails, its formula, and why it must hold."""
    return "\n\n".join([f'{subject} fails "{property.name}".', f"    {property.formula}", paragraph(property.why)])


def paragraph(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False))


# ------------------------------------------------------------------------------------------------------------- a layer

def of_layer(property: Property, case: Case, observation: Observation, dy: Array) -> tuple[str, list[str], list[str]]:
    """What the layer is, its arrays and both sides of the formula, and the code."""
    layer, call = case.layer, CALLS.get(property.name, "layer.forward(x)")
    given = {"x": case.x, **({"x_ref": case.x_ref} if "x_ref" in call else {}), **({"dy": dy} if "dy" in call else {})}
    shown = {**given, **arrays_of(layer), **({"forward(x)": case.y} if case.usable else {})}
    lines = ["\n".join(lines_of(layer, shown))]
    lines += [paragraph(observation.note)] if observation.note else []
    lines += ["\n".join(f"    {step}" for step in observation.steps)] if observation.steps else []
    both = lines_of(layer, sides(observation))
    lines += ["\n".join(both)] if both else []
    arrays = [f"{name} = {code_of(value) if name == 'dy' else code_of_input(layer, value)}"
              for name, value in given.items()]
    if isinstance(layer, Written):
        back = "passes.gradient(net, x, start=dy)[0]" if "dy" in given else "net.forward(x)"
        return described(layer), lines, [f"net = {code_of_layer(layer)}", *arrays, back]
    return described(layer), lines, [f"layer = {code_of_layer(layer)}", *arrays, call]


def described(layer: object) -> str:
    """What the layer says of itself, and the name of its class where it does not say that."""
    name, own = repr(layer), type(layer.layer if isinstance(layer, SideBySide) else layer).__name__
    return name if isinstance(layer, Written) or name.startswith(own) else f"{own}, {name}"


def sides(observation: Observation) -> dict[str, Array]:
    """Both sides of the formula by their names, as far as there are any; numbers as text."""
    expected, came = observation.expected, observation.came
    if isinstance(expected, (int, float)) and isinstance(came, (int, float)):
        expected, came = two(expected, came)
    return {name: side for name, side in (("expected", expected), ("came", came)) if side is not None}


# -------------------------------------------------------------------------------------------------------------- a rule

def of_rule(property: Property, case: Case, observation: Observation, R: Array) -> tuple[str, list[str], list[str]]:
    """What the layer is, the table of inputs, both sides of the formula, the ledger's row, and the code."""
    k = observation.output
    name = (getattr(case.rule, "__name__", None) or name_of(case.rule)).partition(" ")[0]
    shown, came = columns_of(case, observation), observation.came
    lines = ["\n".join(inputs(case, observation)), "\n".join([*named("R", R), *(
        line for side, value in sides(observation).items() if side not in shown for line in named(side, value))])]
    where = "" if k is None else indices(case.y.shape[1:])[k]
    note = observation.note.replace("{k}", where).replace("{came}", "" if isinstance(came, np.ndarray) else text(came))
    lines += [paragraph(note)] if note else []
    if (k is not None and case.usable and np.isfinite(case.shares).all()) or property.name == "ledger":
        lines.append("In the ledger's columns:\n\n" + "\n".join(ledger_row(case, k, R)))
    return repr(case.layer), lines, [
        f"layer = {code_of_layer(case.layer)}", f"x = {code_of_input(case.layer, case.x)}", f"R = {code_of(R)}",
        f"{name}(layer, x, layer.forward(x), R)"]


def inputs(case: Case, observation: Observation) -> list[str]:
    """The table of inputs: x_j, w_jk, their product and what each received; below them the bias and the sums."""
    x, k = case.x.reshape(-1), observation.output
    places = [f"x{place}" for place in indices(case.x.shape[1:])]
    if isinstance(case.layer, SideBySide):
        places = [f"x[{n}]{place}" for n, shape in enumerate(case.layer.shapes) for place in indices(shape)]
    columns = {"input j": places, "x_j": list(map(text, x))}
    shown, rows, bottom = columns_of(case, observation), list(range(len(x))), {}
    if case.affine is not None and k is not None:
        row = case.outputs.index(k)
        seen, z = case.seen[row], x * case.weights[row]
        rows = np.flatnonzero(seen | (abs(case.shares[row]) > 0)).tolist()
        columns["w_jk"] = [text(w) if s else "" for w, s in zip(case.weights[row], seen)]
        columns["x_j w_jk"] = [text(v) if s else "" for v, s in zip(z, seen)]
        columns.update({name: list(map(text, column)) for name, column in observation.columns.items()})
        bottom = {"bias b_k": {"x_j w_jk": text(case.bias[row])}, "sum": {
            "x_j w_jk": text(z.sum() + case.bias[row]), **{name: text(np.nansum(c)) for name, c in shown.items()}}}
    elif case.affine is not None:
        for row, place in list(enumerate(indices(case.y.shape[1:])))[:3]:
            columns[f"weight to y{place}"] = [text(w) if s else "" for w, s in zip(case.weights[row], case.seen[row])]
    columns.update({name: list(map(text, column)) for name, column in shown.items()})
    lines = [tuple(columns)] + [tuple(column[j] for column in columns.values()) for j in rows[:ROWS]]
    lines += [(name, *(cells.get(column, "") for column in list(columns)[1:])) for name, cells in bottom.items()]
    return table(lines, "    ") + ([f"    ... and {len(rows) - ROWS} inputs more"] if len(rows) > ROWS else [])


def columns_of(case: Case, observation: Observation) -> dict[str, Array]:
    """{heading: numbers} where the two sides of the formula have a number for each input; else what each received."""
    found, k = {}, observation.output
    seen = case.seen[case.outputs.index(k)] if case.affine is not None and k is not None else None
    for name in ("expected", "came"):
        side = getattr(observation, name)
        if isinstance(side, np.ndarray) and side.size == case.x.size:
            found[name] = side.reshape(-1)
        elif isinstance(side, np.ndarray) and seen is not None and side.size == seen.sum():
            found[name] = np.full(case.x.size, np.nan)
            found[name][seen] = side.reshape(-1)
    if not found and k is not None and case.usable:
        found["received"] = case.shares[case.outputs.index(k)]
    return found


def ledger_row(case: Case, k: int | None, R: Array) -> list[str]:
    """One row of the ledger: what arrived, what was handed on, and where the rest went."""
    R_x = case.R_x if k is None else case.shares[case.outputs.index(k)].reshape(case.x.shape)
    row, known = case.booked(R, R_x)
    parts = [(name, title) for name, title, *_ in PARTS if name != "unexplained" or not known]
    return table([("arriving =", *(title for _, title in parts)),
                  (text(row.relevance_out[0]), *(text(getattr(row, name)[0]) for name, _ in parts))], "    ")


# ------------------------------------------------------------------------------------------------- numbers and code

def code_of_layer(layer: Layer) -> str:
    """The constructor call that makes the layer, as far as its arrays are short."""
    layer = layer.layer if isinstance(layer, SideBySide) else layer
    if isinstance(layer, Written):
        return f"Network([{layer!r}])"
    if not hasattr(layer, "arrays"):
        return repr(layer)
    given = {**layer.arrays(), **layer.settings()}
    return f"{type(layer).__name__}({', '.join(f'{name}={code_of(value)}' for name, value in given.items())})"


def code_of_input(layer: Layer, value: Array) -> str:
    """The array, or for a layer of several inputs the tuple of arrays, that enters it."""
    parts = [code_of(part) for part in parts_of(layer, "", value).values()]
    return f"({', '.join(parts)})" if isinstance(layer, SideBySide) else parts[0]


def code_of(value: object) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    return f"np.array({value.tolist()})" if value.size <= 60 else f"... (an array of shape {value.shape})"


def parts_of(layer: Layer, name: str, value: Array) -> dict[str, Array]:
    """{name: value}; of a layer of several inputs {"x[0]": ..., "x[1]": ...} for what lies beside them all."""
    if isinstance(layer, SideBySide) and isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] == sum(
            map(math.prod, layer.shapes)):
        return {f"{name}[{n}]": part for n, part in enumerate(layer.parts(value))}
    return {name: value}


def lines_of(layer: Layer, given: Mapping[str, Array]) -> list[str]:
    """Arrays by their names, as lines; those of several inputs one by one."""
    return [line for name, value in given.items() for part, array in parts_of(layer, name, value).items()
            for line in named(part, array)]


def indices(shape: tuple[int, ...]) -> list[str]:
    """"[0, 2]" for each entry of an array of the shape, in the order of a flattened one."""
    return [str(list(map(int, index))) for index in np.ndindex(*shape)]


def named(name: str, value: Array | float | str) -> list[str]:
    """Lines that show an array by its name: numbers on a line, rows below each other, images channel by channel."""
    if isinstance(value, (str, float, int)):
        return [f"    {name:12} {text(value)}"]
    value = np.asarray(value)
    if value.ndim > 2 and value.size:
        every = slice(None)
        image = value.ndim == 4 and len(value) == 1
        outer = [(0, every, every, c) for c in range(value.shape[3])] if image else [
            (every, every, *index) for index in np.ndindex(*value.shape[2:])] if value.ndim == 4 else list(
            np.ndindex(*value.shape[:-2]))
        lines = []
        for index in outer[:MATRICES]:
            place = ", ".join(":" if isinstance(i, slice) else str(i) for i in index)
            lines += named(f"{name}[{place}]", value[index])
        return lines + ([f"    ... and {len(outer) - MATRICES} like it"] if len(outer) > MATRICES else [])
    rows = np.array2string(value, separator=", ", formatter={"float_kind": number}, threshold=40,
                           max_line_width=80)
    width = max(12, len(name))
    return [f"    {(name if n == 0 else '').ljust(width)} {row}" for n, row in enumerate(rows.split("\n"))]


def text(number: float | str | None, digits: int = 7) -> str:
    """So many digits, and no ".0"; words as they are."""
    return f"{number + 0.0:.{digits}g}" if isinstance(number, (int, float, np.number)) else str(number)


def number(value: np.floating) -> str:
    return text(float(value))


def two(one: float, other: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ."""
    digits = next((digits for digits in (7, 10) if text(one, digits) != text(other, digits)), 13)
    return text(one, digits), text(other, digits)
