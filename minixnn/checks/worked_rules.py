"""The message of a failed check of a rule: the table of one output, and where its relevance went."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minixnn.arrays import Array
from minixnn.checks.as_layer import booked
from minixnn.checks.properties import table
from minixnn.checks.rule_cases import one_output_each
from minixnn.checks.worked import code_of, code_of_array, code_of_input, ending, heading, indices, named, paragraph, \
    places_in, steps_through, text, two
from minixnn.ledger.table import PARTS
from minixnn.rules.composites import name_of

if TYPE_CHECKING:
    from minixnn.checks.properties import Observation, Property, Report
    from minixnn.checks.rule_cases import RuleCase

ROWS = 16                       # inputs shown; more are left out


def explain_rule(rule: Callable, property: Property, case: RuleCase, observation: Observation, report: Report) -> str:
    """The message: property, smallest case as a table, the ledger's row, the usual cause, code to step through."""
    name = (getattr(rule, "__name__", None) or name_of(rule)).partition(" ")[0]
    k, R = observation.output, case.R
    where = "" if k is None else indices(case.y.shape[1:])[k]
    if k is not None:
        R = one_output_each(case.layer, case.x, (k,))[2]
    parts = [heading(report.subject, property), f"The smallest case that was found is {case.layer!r}:",
             "\n".join(inputs(case, observation))]
    note = observation.note.replace("{k}", where).replace("{came}", text(observation.came))
    parts.append("\n".join(named("R", R) + sides(case, observation)))
    parts += [paragraph(note)] if note else []
    if k is not None and case.usable and np.isfinite(case.shares).all() or property.name == "ledger":
        parts.append("In the ledger's columns:\n\n" + "\n".join(ledger_row(rule, case, k)))
    parts.append(ending(property, report))
    parts.append(steps_through([f"layer = {code_of(case.layer)}", f"x = {code_of_input(case.layer, case.x)}",
                                f"R = {code_of_array(R)}", f"{name}(layer, x, layer.forward(x), R)"]))
    return "\n\n".join(parts)


def inputs(case: RuleCase, observation: Observation) -> list[str]:
    """The table of inputs: x_j, w_jk, their product and what each received; below them the bias and the sums."""
    x, k = case.x.reshape(-1), observation.output
    places, bottom = [f"x{place}" for place in places_in(case.layer, case.x)], {}
    columns = {"input j": places, "x_j": list(map(text, x))}
    rows = np.arange(len(x))
    if case.affine and k is not None:
        row = case.outputs.index(k)
        seen, z = case.seen[row], x * case.weights[row]
        rows = np.flatnonzero(seen | (abs(case.shares[row]) > 0))
        columns["w_jk"] = [text(w) if s else "" for w, s in zip(case.weights[row], seen)]
        columns["x_j w_jk"] = [text(v) if s else "" for v, s in zip(z, seen)]
        columns.update({name: list(map(text, column)) for name, column in observation.columns.items()})
        bottom = {"bias b_k": {"x_j w_jk": text(case.bias[row])},
                  "sum": {"x_j w_jk": text(z.sum() + case.bias[row])}}
        found = columns_of(case, observation, seen)
        columns.update({name: list(map(text, column)) for name, column in found.items()})
        bottom["sum"].update({name: text(np.nansum(column.astype(float))) for name, column in found.items()})
    elif case.affine:
        for row, place in list(zip(range(len(case.outputs)), indices(case.y.shape[1:])))[:3]:
            columns[f"weight to y{place}"] = [text(w) if s else "" for w, s in zip(case.weights[row], case.seen[row])]
        columns.update({name: list(map(text, c)) for name, c in columns_of(case, observation, None).items()})
    lines = [tuple(columns)] + [tuple(column[j] for column in columns.values()) for j in rows[:ROWS]]
    lines += [(name, *(cells.get(column, "") for column in list(columns)[1:])) for name, cells in bottom.items()]
    return table(lines, "    ") + ([f"    ... and {len(rows) - ROWS} inputs more"] if len(rows) > ROWS else [])


def columns_of(case: RuleCase, observation: Observation, seen: Array | None) -> dict[str, Array]:
    """{heading: numbers} where the two sides of the formula have a number for each input; else what each received."""
    found = {}
    for name in ("expected", "came"):
        side = getattr(observation, name)
        if isinstance(side, np.ndarray) and side.size == case.x.size:
            found[name] = side.reshape(-1)
        elif isinstance(side, np.ndarray) and seen is not None and side.size == seen.sum():
            found[name] = np.full(case.x.size, np.nan)
            found[name][seen] = side.reshape(-1)
    if not found and observation.output is not None and case.usable:
        found["received"] = case.shares[case.outputs.index(observation.output)]
    return found


def sides(case: RuleCase, observation: Observation) -> list:
    """The two sides of the formula as lines, where the table has no column for them."""
    k, lines = observation.output, []
    seen = case.seen[case.outputs.index(k)] if case.affine and k is not None else None
    shown = columns_of(case, observation, seen)
    given = {name: getattr(observation, name) for name in ("expected", "came")}
    if all(isinstance(side, (float, int)) for side in given.values()):
        given = dict(zip(given, two(*given.values())))
    for name, side in given.items():
        lines += [] if side is None or name in shown else named(name, side)
    return lines


def ledger_row(rule: Callable, case: RuleCase, k: int) -> list[str]:
    """One row of the ledger: what arrived, what was handed on, and where the rest went."""
    x, y, R, R_x = case.x, case.y, case.R, case.R_x
    if k is not None:
        x, y, R = one_output_each(case.layer, case.x, (k,))
        R_x = case.shares[case.outputs.index(k)].reshape(case.x.shape)
    row, known = booked(case.layer, case.rule, x, y, R, R_x)
    parts = [(name, title) for name, title, *_ in PARTS if name != "unexplained" or not known]
    return table([("arriving =", *(title for _, title in parts)),
                  (text(row.relevance_out[0]), *(text(getattr(row, name)[0]) for name, _ in parts))], "    ")
