"""Rows of numbers, for networks that take no pictures: .csv files, and .npy files of one or two axes."""
import csv
import pathlib
from typing import Any

import numpy as np

from minixnn.arrays import Array

TABLES = (".csv", ".tsv", ".txt")


def read(path: pathlib.Path, row: int) -> tuple:
    """(rows, names): an array (N, row) in float32, the names of its columns or None. ValueError if it is no table."""
    rows, names = read_text(path)
    if rows.shape[1] != row:
        columns = f" ({', '.join(names)})" if names and len(names) <= 20 else ""
        raise ValueError(f"has {rows.shape[1]} columns{columns}, the network takes {row} numbers a row; leave out what "
                         "is no input, such as an index or the answer")
    return rows, names


def read_text(path: pathlib.Path) -> tuple:
    """(rows, names) of a text file with columns between commas, semicolons or tabs; the first line may be names."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            lines = [line for line in csv.reader(file, delimiter=max(",;\t", key=head.count)) if any(line)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"is no table of text: {error}") from error
    if not lines:
        raise ValueError("is empty, expected a line of numbers for each input")
    names = None if all(map(number, lines[0])) else [cell.strip() for cell in lines.pop(0)]
    if not lines:
        raise ValueError("has a line of names and no numbers")
    for n, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise ValueError(f"has {len(line)} columns in row {n} and {len(lines[0])} in the first")
        for column, cell in enumerate(line):
            if not number(cell):
                where = f"{names[column]!r}" if names and column < len(names) else column
                raise ValueError(f"has {cell!r} in row {n}, column {where}, expected a finite number")
    if names and len(names) != len(lines[0]):
        raise ValueError(f"has {len(names)} names in its first line and {len(lines[0])} columns of numbers")
    return np.array([[float(cell) for cell in line] for line in lines], np.float32), names


def number(cell: str) -> Any:
    """Whether a cell holds a finite number, also in single precision."""
    try:
        return abs(float(cell)) <= np.finfo(np.float32).max
    except ValueError:
        return False


def from_array(array: Any, row: int) -> tuple:
    """(rows, None) of a .npy array (N, row), or (row,) for a single row."""
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != row or array.dtype.kind not in "fiu":
        raise ValueError(f"holds an array of shape {array.shape} and type {array.dtype}, expected rows of {row} "
                         "numbers")
    rows = np.array(array, np.float32)
    if not np.isfinite(rows).all():
        bad = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise ValueError(f"holds NaN or infinite numbers in row {bad}")
    return rows, None


def strongest(r: Array, names: list[str] | None, count: int = 3) -> str:
    """The columns with the largest relevances of one row, in words."""
    order = np.argsort(-abs(r))[:count]
    return ", ".join(f"{names[k] if names else f'column {k}'} {r[k]:+.3g}" for k in order)


def is_table(path: pathlib.Path) -> bool:
    return pathlib.Path(path).suffix.lower() in TABLES
