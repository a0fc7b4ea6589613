"""A failure, worked out by hand: the numbers of the smallest case in a table, and what to look for."""
import textwrap

import numpy as np

from minixnn.checks.properties import table
from minixnn.checks.rule_cases import one_output_each
from minixnn.layers.chains import Block
from minixnn.ledger.accounts import account_of
from minixnn.ledger.ledger import balance
from minixnn.ledger.table import PARTS
from minixnn.rules.composites import name_of

ROWS = 16                       # inputs shown; more are left out


def explain_rule(rule, property, case, observation, report):
    """The message of a CheckFailed for a rule."""
    parts = [heading(report.subject, property)]
    parts += [f"The smallest case that was found: {case.layer!r}\n\n" + "\n".join(numbers_of_rule(case, observation))]
    parts += both_sides(case, observation)
    if case.usable and np.isfinite(case.R_x).all():
        parts.append("In the ledger's columns:\n\n" + "\n".join(ledger_columns(rule, case, observation)))
    parts += ending(property, report)
    parts.append("To step through it:\n\n" + code_of_rule(rule, case, observation))
    return "\n\n".join(parts)


def explain_layer(property, case, observation, report):
    """The message of a CheckFailed for a layer."""
    parts = [heading(report.subject, property), f"The smallest case that was found: {case.layer!r}"]
    parts += [paragraph(observation.note)] if observation.note else []
    given = [("x", case.x), ("x_ref", case.x_ref), ("dy", case.dy)]
    given += [(name, array) for name, array in case.layer.arrays().items()] if hasattr(case.layer, "arrays") else []
    given += [("forward(x)", case.y)] if case.usable else []
    sides = [(name, getattr(observation, name)) for name in ("expected", "came")]
    lines = [f"    {name:10} {array(value, 15)}" for name, value in [*given, *sides] if value is not None]
    parts.append("\n".join(lines))
    parts += ending(property, report)
    parts.append("To step through it:\n\n" + textwrap.indent("\n".join([
        f"layer = {code_of(case.layer)}", f"x = {code_of_array(case.x)}", f"dy = {code_of_array(case.dy)}",
        "y = layer.forward(x)", "layer.gradient(x, y, dy)"]), "    "))
    return "\n\n".join(parts)


def heading(subject, property):
    return paragraph(f'{subject} fails "{property.name}".') + f"\n\n    {property.formula}\n\n" + paragraph(property.why)


def ending(property, report):
    """What usually causes it, and which other properties failed."""
    others = [name for name in report.broken if name != property.name]
    also = f" Other properties that failed: {', '.join(others)}." if others else " All other properties held."
    return [paragraph(f"Look for this: {property.cause}.{also}")]


def paragraph(text):
    return "\n".join(textwrap.wrap(text, 100))


def numbers_of_rule(case, observation):
    """The table of inputs: x_j, w_jk, their product, and both sides of the formula where they have a number a row."""
    k = observation.output
    x, places = case.x.reshape(-1), indices(case.x.shape[1:])
    rows = range(len(x))
    columns = {"input j": [f"x{place}" for place in places], "x_j": list(map(text, x))}
    bottom = {}
    if case.affine:
        single = len(case.outputs) == 1
        these = [case.outputs.index(k)] if k is not None else range(min(3, len(case.outputs)))
        rows = np.flatnonzero(case.seen[list(these)].any(axis=0) | (len(x) <= ROWS))
        for row in these:
            name = "k" if single or k is not None else f"y{indices(case.y.shape[1:])[case.outputs[row]]}"
            w = case.weights[row]
            columns[f"w_j{name}" if name == "k" else f"weight to {name}"] = [
                text(v) if seen else "" for v, seen in zip(w, case.seen[row])]
            if name == "k":
                columns["x_j w_jk"] = [text(v) if seen else "" for v, seen in zip(x * w, case.seen[row])]
                bottom = {"bias b_k": text(case.bias[row]), "sum z_k": text(x @ w + case.bias[row])}
    for name in ("expected", "came"):
        side = np.ravel(getattr(observation, name)) if isinstance(getattr(observation, name), np.ndarray) else []
        if len(side) == len(x):
            columns[name] = list(map(text, side))
        elif case.affine and k is not None and len(side) == case.seen[case.outputs.index(k)].sum():
            full = np.full(len(x), None)
            full[case.seen[case.outputs.index(k)]] = side
            columns[name] = ["" if v is None else text(v) for v in full]
    lines = [tuple(columns)] + [tuple(column[j] for column in columns.values()) for j in rows[:ROWS]]
    if bottom and "x_j w_jk" in columns:
        at = list(columns).index("x_j w_jk")
        lines += [tuple(name if i == 0 else value if i == at else "" for i in range(len(columns)))
                  for name, value in bottom.items()]
    more = [f"    ... and {len(rows) - ROWS} inputs more"] if len(rows) > ROWS else []
    return table(lines, "    ") + more


def both_sides(case, observation):
    """What the two sides of the formula are, where the table has no column for them, and the note."""
    found, k = [], observation.output
    where = indices(case.y.shape[1:])[k] if k is not None else ""
    given = "R = 1 at this output, 0 elsewhere." if k is not None else f"R = {array(case.R)}"
    found.append(paragraph(f"{given} {observation.note.format(k=where, came=text(observation.came))}"
                           if "{" in observation.note else f"{given} {observation.note}"))
    sides = [(name, getattr(observation, name)) for name in ("expected", "came")]
    shown = [f"    {name:8} {array(side)}" for name, side in sides if side is not None and not (
        isinstance(side, np.ndarray) and side.size in (case.x.size, columns_shown(case, k)))]
    return found + (["\n".join(shown)] if shown else [])


def columns_shown(case, k):
    return case.seen[case.outputs.index(k)].sum() if case.affine and k is not None else case.x.size


def ledger_columns(rule, case, observation):
    """One row of the ledger: what arrived, what was handed on, and where the rest went."""
    x, y, R, R_x = case.x, case.y, case.R, case.R_x
    if observation.output is not None:
        x, y, R = one_output_each(case.layer, case.x, (observation.output,))
        R_x = case.shares[case.outputs.index(observation.output)].reshape(case.x.shape)
    account = account_of(case.layer, rule)
    row = balance(0, case.layer, x, y, R, R_x, rule, account)
    parts = [(name, title) for name, title, *_ in PARTS if (name == "unexplained") <= (account is None)]
    return table([("arriving =", *(title for _, title in parts)),
                  (text(row.relevance_out[0]), *(text(getattr(row, name)[0]) for name, _ in parts))], "    ")


def code_of_rule(rule, case, observation):
    name = getattr(rule, "__name__", None) or name_of(rule)
    R = case.R if observation.output is None else one_output_each(case.layer, case.x, (observation.output,))[2]
    lines = [f"layer = {code_of(case.layer)}", f"x = {code_of_array(case.x)}", f"R = {code_of_array(R)}",
             f"{name.partition(' ')[0]}(layer, x, layer.forward(x), R)"]
    return textwrap.indent("\n".join(lines), "    ")


def code_of(layer):
    """The constructor call that makes the layer, as far as its arrays are short."""
    if isinstance(layer, Block) or not hasattr(layer, "arrays"):
        return repr(layer)
    given = {**layer.arrays(), **layer.settings()}
    return f"{type(layer).__name__}({', '.join(f'{name}={code_of_array(value)}' for name, value in given.items())})"


def code_of_array(value):
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size > 60:
        return f"... (an array of shape {value.shape})"
    return "np." + " ".join(np.array_repr(value, max_line_width=10 ** 6).split()).replace(" [", "[").replace(
        "[ ", "[").replace(",[", ", [")


def indices(shape):
    """"[0, 2]" for each entry of an array of the shape, in the order of a flattened one."""
    return [str(list(map(int, index))) for index in np.ndindex(*shape)]


def array(value, indent=13):
    """Numbers on one line, or as rows below each other."""
    if isinstance(value, str) or value is None:
        return str(value)
    return np.array2string(np.asarray(value), separator=", ", formatter={"float_kind": text}, threshold=40).replace(
        "\n", "\n" + " " * indent)


def text(number):
    """6 digits, and no ".0"; words and arrays as they are."""
    return f"{number + 0.0:.6g}" if isinstance(number, (int, float, np.number)) else str(number)
