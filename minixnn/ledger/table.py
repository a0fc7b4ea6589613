"""A ledger as a table of text, for a terminal."""
from typing import Protocol

import numpy as np

# (column of a row, heading in the table, name and colour in the figure)
PARTS = [("relevance_in", "handed on", "handed on", "#b5b5b5"),
         ("absorbed_by_bias", "bias", "kept by bias", "#e69f00"),
         ("absorbed_by_stabilizer", "stabiliser", "kept by stabiliser", "#56b4e9"),
         ("created_or_lost", "lost", "lost (left of zero: created)", "#d55e00"),
         ("unexplained", "unexplained", "unexplained by the rule", "#cc79a7"),
         ("residual", "residual", "residual", "#000000")]


class Row(Protocol):
    """What is read of the row of the whole network."""
    relevance_out: float


class Book(Protocol):
    """What the text and the figure of a `Ledger` read of it."""
    rows: list

    @property
    def total(self) -> "Row":
        """The row of the whole network."""


def table(book: Book) -> str:
    """The ledger as text: output first, pixels last, as relevance flows.

    In each line the first number is the sum of all that follow it. "unexplained" appears where a rule has no account.

    Parameters
    ----------
    book : a Ledger.

    Returns
    -------
    The text.
    """
    parts = [(name, heading) for name, heading, *_ in PARTS if name != "unexplained" or any_of(book, name)]
    total, end = book.total, [column for column, _ in parts]
    largest = max(max(abs(getattr(row, name)) for name in ["relevance_out", *end[:-1]]) for row in book.rows)
    places = max(0, 5 - int(np.floor(np.log10(largest)))) if largest else 1
    lines = [(" l", "place", "layer", "rule", "arriving =", *(heading for _, heading in parts))]
    for row in [*reversed(book.rows), total]:
        lines.append((f"{row.l:2}", row.place, row.layer, row.rule,
                      *(number(getattr(row, name), places) for name in ["relevance_out", *end])))
    if total.relevance_out:
        shares = [100 * getattr(total, name) / total.relevance_out for name in ["relevance_out", *end]]
        lines.append(("", "", "in percent", "", *(number(share, 2) for share in shares)))
    widths = [max(map(len, column)) for column in zip(*lines)]
    kept = [i for i in range(len(widths)) if i != 1 or any(row.place for row in book.rows)]
    texts = ["  ".join(line[i].ljust(widths[i]) if i < 4 else line[i].rjust(widths[i]) for i in kept)
             for line in lines]
    rule = "-" * max(map(len, texts))
    return "\n".join([texts[0].rstrip(), rule, *texts[1:len(book.rows) + 1], rule, *texts[len(book.rows) + 1:]])


def number(value: float, places: int) -> str:
    """So many decimal places; nothing as 0, and what is too small for the places as a power of ten."""
    if value == 0:
        return "0"
    return f"{value:.{places}f}" if abs(value) >= 0.5 * 10 ** -places else f"{value:.0e}"


def any_of(book: Book, name: str) -> bool:
    return any(getattr(row, name) for row in book.rows)
