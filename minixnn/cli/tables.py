"""Rows of numbers, for networks that take no pictures: .csv files, and .npy files of one or two axes."""
import csv
import pathlib
from typing import TypeAlias

import numpy as np

from minixnn.arrays import Array
from minixnn.card import written

TABLES = (".csv", ".tsv", ".txt")
Table: TypeAlias = tuple[Array, list[str] | None, str]      # numbers, names of the columns, and a note


def read(path: pathlib.Path, row: int, header: bool = False) -> Table:
    """(rows, names, note): an array (N, row) in float32, the names of its columns or None, and a note to print.

    header: the first line names the columns, even if by numbers. ValueError if it is no table.
    """
    rows, names = read_text(path, header)
    if rows.shape[1] != row:
        columns = f" ({', '.join(names)})" if names and len(names) <= 20 else ""
        raise ValueError(f"has {rows.shape[1]} columns{columns}, the network takes {row} numbers a row; leave out what "
                         "is no input, such as an index or the answer")
    first = ", ".join(f"{number:g}" for number in rows[0][:3]) + ", ..." * (row > 3)
    return rows, names, "" if names else (f"no names of columns: its first line holds numbers, {first}, and is row 0; "
                                          "if they are names, give --header")


def read_text(path: pathlib.Path, header: bool = False) -> tuple[Array, list[str] | None]:
    """(rows, names) of a text file with columns between commas, semicolons or tabs; the first line may be names.

    Nothing is left out, since the result for row n is to stand at row n: a line without cells is refused, unless
    nothing follows it.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            lines = list(csv.reader(file, delimiter=max(",;\t", key=head.count)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"is no table of text: {error}") from error
    while lines and not lines[-1]:
        lines.pop()
    if not any(map(any, lines)):
        raise ValueError("is empty, expected a line of numbers for each input")
    if [] in lines:
        raise ValueError(f"has nothing in line {lines.index([]) + 1}, expected a row in each; delete or fill the line")
    names = None if all(map(number, lines[0])) and not header else [cell.strip() for cell in lines.pop(0)]
    if not lines:
        raise ValueError("has a line of names and no numbers")
    for n, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise ValueError(f"has {len(line)} columns in row {n} and {len(lines[0])} in the first")
        if not any(cell.strip() for cell in line):
            raise ValueError(f"has empty cells only in row {n}, expected numbers; delete or fill the line")
        for column, cell in enumerate(line):
            if not number(cell):
                where = f"{names[column]!r}" if names and column < len(names) else column
                decimal = bool("," in cell and number(cell.replace(",", ".")))
                comma = "; a number has a point, 1.5, where this has a comma" * decimal
                raise ValueError(f"has {cell!r} in row {n}, column {where}, expected a finite number{comma}")
    if names and len(names) != len(lines[0]):
        raise ValueError(f"has {len(names)} names in its first line and {len(lines[0])} columns of numbers")
    return np.array([[float(cell) for cell in line] for line in lines], np.float32), names


def number(cell: str) -> bool:
    """Whether a cell holds a finite number, also in single precision."""
    try:
        return bool(abs(float(cell)) <= np.finfo(np.float32).max)
    except ValueError:
        return False


def from_array(array: Array, row: int) -> Table:
    """(rows, None, "") of a .npy array (N, row), or (row,) for a single row."""
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != row or array.dtype.kind not in "fiu":
        raise ValueError(f"holds an array of shape {array.shape} and type {array.dtype}, expected rows of {row} "
                         "numbers")
    rows = np.array(array, np.float32)
    if not np.isfinite(rows).all():
        bad = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise ValueError(f"holds NaN or infinite numbers in row {bad}")
    return rows, None, ""


def sequences(path: pathlib.Path, shape: tuple, header: bool = False) -> Table:
    """(sequences (N, steps, channels), names of the channels or None, ""): of a .npy file, or one of a table.

    shape: (steps, channels), None where anything goes. A table has a line for each step.
    """
    names, expected = None, f"the network takes sequences, (steps, channels) = {written(shape)}"
    if is_table(path):
        x, names = read_text(path, header)
    elif path.suffix.lower() == ".npy":
        x = np.load(path, allow_pickle=False)
    else:
        raise ValueError(f"is no file of numbers, and {expected}; give a .npy file, or a table with a line for each "
                         "step")
    found = x.shape
    x = x[:, None] if x.ndim == 1 else x
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3 or x.size == 0 or any(n not in (None, m) for n, m in zip(shape, x.shape[1:])):
        turned = x.ndim == 3 and all(n in (None, m) for n, m in zip(shape[::-1], x.shape[1:]))
        raise ValueError(f"holds numbers of shape {found}, and {expected}, or several, (sequences, steps, channels)"
                         + "; its axes are the other way round" * turned)
    if x.dtype.kind not in "fiu" or not np.isfinite(x).all():
        raise ValueError(f"holds NaN, infinite numbers or none at all (type {x.dtype}), and {expected}")
    return x.astype(np.float32), names, ""


def strongest(r: Array, names: list[str] | None, count: int = 3) -> str:
    """The columns with the largest relevances of one row, in words."""
    order = np.argsort(-abs(r))[:count]
    return ", ".join(f"{names[k] if names else f'column {k}'} {r[k]:+.3g}" for k in order)


def is_table(path: pathlib.Path) -> bool:
    return pathlib.Path(path).suffix.lower() in TABLES
