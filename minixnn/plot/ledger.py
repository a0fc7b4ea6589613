"""Where relevance went, as bars: the figure of a ledger."""
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minixnn.ledger.table import PARTS
from minixnn.plot.style import STYLE, pyplot, wrapped

if TYPE_CHECKING:
    from minixnn.ledger import Ledger
    from matplotlib.figure import Figure


def ledger(book: "Ledger", title: str | None = None, every_layer: bool = False) -> "Figure":
    """A ledger as a figure: a bar per layer, from the output at the top to the pixels at the bottom.

    A bar is divided into what the layer passed on and what it withheld; parts below zero, relevance created, lie left
    of zero. The black line is what arrived, and so the sum of all parts. A residual is too short to be seen; if one is
    seen, a rule is wrong.

    Parameters
    ----------
    book : a Ledger.
    title : above the figure, or None.
    every_layer : whether layers that pass on everything are drawn, too.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    plt = pyplot()
    rows = [row for row in reversed(book.rows)
            if every_layer or row.rule or abs(row.relevance_out - row.relevance_in) > 1e-9 * row.moved]
    names = [f"{row.layer}\n{row.rule}" if row.rule else row.layer for row in rows] + ["arrives at the input"]
    with plt.rc_context({**STYLE, "font.size": 11}):
        figure, ax = plt.subplots(figsize=(10, 1.6 + 0.62 * len(names)), layout="constrained")
        figure.suptitle(wrapped(title, 10))
        figure.get_layout_engine().set(w_pad=0.1)
        for name, _, label, colour in PARTS:
            if name in ("unexplained", "residual") and not seen(rows, name):
                continue
            values = np.array([getattr(row, name) for row in rows])
            ax.barh(range(len(rows)), values, 0.62, left=offsets(rows, name), color=colour,
                    label=called(rows, name, label))
        ax.barh(len(rows), book.rows[0].relevance_in, 0.62, color="#7f7f7f")
        for line, value in enumerate(row.relevance_out for row in rows):
            ax.plot([value, value], [line - 0.42, line + 0.42], color="black", linewidth=2,
                    label="" if line else "arrived from above")
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set(yticks=range(len(names)), yticklabels=names, xlabel="relevance")
        ax.invert_yaxis()
        ax.use_sticky_edges = False                                         # bars end inside the frame
        ax.margins(x=0.03, y=0.02)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def called(rows: Sequence, name: str, label: str) -> str | None:
    """The entry of the legend, which says what the part is on that side of zero where it is seen; none if unseen."""
    if not seen(rows, name):
        return None
    signs = {getattr(row, name) > 0 for row in rows if abs(getattr(row, name)) > 1e-3 * row.moved}
    if name == "created_or_lost" and True not in signs:
        return "created (left of zero)"
    if name == "absorbed_by_bias" and False in signs:
        return "added by bias (left of zero)" if True not in signs else "kept by bias (left of zero: added)"
    return "lost" if name == "created_or_lost" and False not in signs else label


def offsets(rows: Sequence, name: str) -> list[float]:
    """Where each row's part `name` begins: parts above zero pile up to the right, parts below zero to the left."""
    begin = []
    for row in rows:
        value, before = getattr(row, name), []
        for other, *_ in PARTS:
            if other == name:
                break
            before.append(getattr(row, other))
        begin.append(sum(v for v in before if (v > 0) == (value > 0)))
    return begin


def seen(rows: Sequence, name: str) -> bool:
    """Whether the part is long enough to be seen in any bar."""
    return any(abs(getattr(row, name)) > 1e-3 * row.moved for row in rows)
