"""How a ledger looks: as a table for a terminal, as bars for a page."""
import numpy as np

# (column of a row, heading in the table, name and colour in the figure)
PARTS = [("relevance_in", "handed on", "handed on", "#b5b5b5"),
         ("absorbed_by_bias", "bias", "kept by bias", "#e69f00"),
         ("absorbed_by_stabilizer", "stabiliser", "kept by stabiliser", "#56b4e9"),
         ("created_or_lost", "lost", "lost (left of zero: created)", "#d55e00"),
         ("unexplained", "unexplained", "unexplained by the rule", "#cc79a7"),
         ("residual", "residual", "residual", "#000000")]


def table(book):
    """The ledger as text: output first, pixels last, as relevance flows. In each line the first number is the sum
    of all that follow it. "unexplained" appears where a rule has no account."""
    parts = [(name, heading) for name, heading, *_ in PARTS if name != "unexplained" or any_of(book, name)]
    total, end = book.total, [column for column, _ in parts]
    largest = max(max(abs(getattr(row, name)) for name in ["relevance_out", *end[:-1]]) for row in book.rows)
    places = max(0, 5 - int(np.floor(np.log10(largest)))) if largest else 1
    lines = [(" l", "layer", "rule", "arriving =", *(heading for _, heading in parts))]
    for row in [*reversed(book.rows), total]:
        lines.append((f"{row.l:2}", row.layer, row.rule,
                      *(number(getattr(row, name), places) for name in ["relevance_out", *end])))
    if total.relevance_out:
        shares = [100 * getattr(total, name) / total.relevance_out for name in ["relevance_out", *end]]
        lines.append(("", "in percent", "", *(number(share, 2) for share in shares)))
    widths = [max(map(len, column)) for column in zip(*lines)]
    texts = ["  ".join(cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths)))
             for line in lines]
    rule = "-" * max(map(len, texts))
    return "\n".join([texts[0].rstrip(), rule, *texts[1:len(book.rows) + 1], rule, *texts[len(book.rows) + 1:]])


def number(value, places):
    """So many decimal places; nothing as 0, and what is too small for the places as a power of ten."""
    if value == 0:
        return "0"
    return f"{value:.{places}f}" if abs(value) >= 0.5 * 10 ** -places else f"{value:.0e}"


def any_of(book, name):
    return any(getattr(row, name) for row in book.rows)


def bars(book, title=None, every_layer=False):
    """The ledger as a figure: a bar a layer, from the output at the top to the pixels at the bottom.

    A bar is cut into what the layer handed on and what it withheld; parts below zero, relevance created, lie left
    of it. The black stroke is what arrived, and so the sum of all parts. Layers that hand on everything are left
    out, unless `every_layer`. Residuals are too short to be seen; if one is seen, a rule is wrong.
    """
    from minixnn.plot import STYLE, _pyplot
    plt = _pyplot()
    rows = [row for row in reversed(book.rows)
            if every_layer or row.rule or abs(row.relevance_out - row.relevance_in) > 1e-9 * row.moved]
    names = [f"{row.layer}\n{row.rule}" if row.rule else row.layer for row in rows] + ["arrives at the input"]
    with plt.rc_context({**STYLE, "font.size": 11}):
        figure, ax = plt.subplots(figsize=(10, 1.6 + 0.62 * len(names)), layout="constrained")
        for name, _, label, colour in PARTS:
            if name in ("unexplained", "residual") and not seen(rows, name):
                continue
            values = np.array([getattr(row, name) for row in rows])
            ax.barh(range(len(rows)), values, 0.62, left=offsets(rows, name), color=colour, label=label)
        ax.barh(len(rows), book.rows[0].relevance_in, 0.62, color="#7f7f7f")
        came = [row.relevance_out for row in rows]
        for line, value in enumerate(came):
            ax.plot([value, value], [line - 0.42, line + 0.42], color="black", linewidth=2,
                    label="" if line else "arrived from above")
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set(yticks=range(len(names)), yticklabels=names, xlabel="relevance", title=title)
        ax.invert_yaxis()
        ax.margins(y=0.02)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def offsets(rows, name):
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


def seen(rows, name):
    """Whether the part is long enough to be seen in any bar."""
    return any(abs(getattr(row, name)) > 1e-3 * row.moved for row in rows)
