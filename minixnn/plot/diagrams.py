"""Drawings for networks so small that their numbers can be checked by hand, and schematics of larger ones.

The colours are those of `minixnn.plot`: red speaks for the output, blue against it, white is zero. One call makes
one figure and returns it; end the script with `plot.show()`.
"""
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minixnn.arrays import Array, to_numpy
from minixnn.network import Network
from minixnn.plot.style import STYLE, pyplot, signed_colours, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RADIUS, APART, BELOW = 0.36, 2.6, 1.25          # of a neuron; between columns; between the neurons of a column
MOST_LINES = 80                                 # of a network's drawing


def neurons(net: Network, A: list[Array], R: list[Array] | None = None, title: str | None = None,
            letter: str = "R") -> "Figure":
    """A small net of Dense and elementwise layers as circles and lines, for the first image of the batch.

    Lines carry the weights, dashed where negative.

    Parameters
    ----------
    net : the Network.
    A : the activations, as `net.trace(x)` gives them, which are written into the circles.
    R : the list that a pass returned, which is written below and shown as colour; or None.
    title : above the figure, or None.
    letter : the name of R's numbers.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    plt = pyplot()
    A = [to_numpy(a)[0] for a in A]
    R = None if R is None else [to_numpy(r)[0] for r in R]
    limit = 1 if R is None else max(np.abs(r).max() for r in R) or 1
    tallest = max(a.size for a in A)
    with plt.rc_context(STYLE):
        width, height = APART * (len(A) - 1) + 2, BELOW * tallest + .8      # an inch a unit, with room for the title
        figure, ax = plt.subplots(figsize=(width, height + (.5 if title else 0)), layout="constrained")
        figure.suptitle(title)
    ax.set(xlim=(-1, width - 1), ylim=(-BELOW * tallest / 2 - .2, BELOW * tallest / 2 + .6), aspect=1)
    ax.axis("off")
    for l, layer in enumerate(net.layers):
        _connect(ax, layer, l, A[l].size, A[l + 1].size)
    for l, a in enumerate(A):
        ax.text(APART * l, BELOW * tallest / 2 + .2, f"A[{l}]", ha="center", color="0.35", family="monospace")
        for i, (x, y) in enumerate(_places(l, a.size)):
            heat = 0 if R is None else R[l][i] / limit
            colour = signed_colours()(0.5 + 0.5 * heat)
            ax.add_patch(plt.Circle((x, y), RADIUS, facecolor=colour, edgecolor="0.2", linewidth=1.3, zorder=3))
            dark = np.dot(colour[:3], (.3, .59, .11)) < 0.5
            ax.text(x, y, number(a[i]), ha="center", va="center", zorder=4, color="white" if dark else "black")
            if R is not None:
                ax.text(x, y - RADIUS - .06, f"{letter} = {number(R[l][i])}", ha="center", va="top", fontsize=11,
                        zorder=4, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    return figure


def network(net: Network, x: Array | None = None, depth: int | None = None, title: str | None = None) -> "Figure":
    """The layers of a network below each other, the input on top, with an arrow for each connection.

    An input that is not the output of the line above is drawn as an arc at the right.

    Parameters
    ----------
    net : the Network.
    x : an example (N, ...), whose shapes are written beside the layers; or None.
    depth : how many parts of the places' names to tell apart, such as 1 for "stage2"; layers with the same name share a
        line. None for a line per layer.
    title : above the figure, or None.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ValueError : more than 80 lines.
    ImportError : matplotlib is not installed.
    """
    plt = pyplot()
    shapes = [""] * (len(net.layers) + 1) if x is None else [str(a.shape[1:]) for a in net.trace(x[:1])]
    lines, place = [("x", "", shapes[0])], [0]              # place[i]: the line in which A[i] is made
    for l, (layer, name) in enumerate(zip(net.layers, net.names)):
        short = name if depth is None else ".".join(name.split(".")[:depth])
        if depth is not None and short and short == lines[-1][0]:
            count = place.count(len(lines) - 1) + 1
            lines[-1] = short, f"{count} layers", shapes[l + 1]
        else:
            lines.append((short, repr(layer), shapes[l + 1]))
        place.append(len(lines) - 1)
    if len(lines) > MOST_LINES:
        raise ValueError(f"got a network whose drawing has {len(lines)} lines, expected at most {MOST_LINES}; fold it "
                         "by the names of its places, depth=1 or more" + ("" if any(net.names) else ", which it lacks"))
    arrows = {(place[i], place[l + 1]) for l, sources in enumerate(net.inputs) for i in sources} - {
        (n, n) for n in range(len(lines))}
    texts = ["  ".join(filter(None, (name, text))) for name, text, _ in lines]
    width = 0.085 * max(map(len, texts)) + 0.4              # inches that the longest text takes
    arcs = sorted((b - a, a, b) for a, b in arrows if b - a > 1)
    reach = 0.3 + 0.12 * max((length for length, *_ in arcs), default=0) ** 0.8
    with plt.rc_context(STYLE):
        size = width + reach + (1.6 if x is not None else 0.2), 0.42 * len(lines) + (0.7 if title else 0.3)
        figure, ax = plt.subplots(figsize=size, layout="constrained")
        figure.suptitle(wrapped(title, size[0]))
    ax.set(xlim=(-(1.5 if x is not None else 0.1), width + reach), ylim=(len(lines) - 0.5, -0.5))
    ax.axis("off")
    for n, (text, (_, _, shape)) in enumerate(zip(texts, lines)):
        ax.add_patch(plt.Rectangle((0, n - 0.3), width, 0.6, facecolor="white" if n else "0.9", edgecolor="0.3"))
        ax.text(0.12, n, text, va="center", fontsize=9)
        ax.text(-0.12, n, shape, va="center", ha="right", fontsize=8, color="0.35")
    for a, b in arrows:
        straight = b - a == 1
        start, end = ((0.3, a + 0.3), (0.3, b - 0.3)) if straight else ((width, a), (width, b))
        bend = "arc3" if straight else f"arc3,rad={-0.6 * (b - a) ** -0.2}"
        ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.2" if straight else "#1f5fa8",
                                                "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0, "connectionstyle": bend})
    return figure


def plane(f: Callable, panels: Mapping[str, tuple], span: tuple[float, float], title: str | None = None,
          labels: tuple[str, str] = ("$x_1$", "$x_2$"), levels: int = 10, zero: str | None = None,
          points: Sequence = (), value: str = "f") -> "Figure":
    """Functions of two inputs: contours of `f` over a square, and arrows on it, one panel for each explanation.

    Parameters
    ----------
    f : a function (n, 2) -> (n,).
    panels : {name: (where (n, 2), arrow (n, 2))}, the arrows in the units of the axes.
    span : (lowest, highest) value of both axes.
    title : above the figure, or None.
    labels : of the axes.
    levels : how many contours.
    zero : the name of the line f = 0, drawn strong; None leaves it out.
    points : [(x, text)] marked in every panel.
    value : the name of f beside the colours.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    plt = pyplot()
    axis = np.linspace(span[0], span[1], 101)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)                       # (101, 101, 2)
    height = f(grid.reshape(-1, 2)).reshape(101, 101)
    with plt.rc_context(STYLE):
        size = min(5.2, 14 / len(panels))
        figure, axes = plt.subplots(1, len(panels), figsize=(size * len(panels) + .9, size + (.8 if title else .4)),
                                    squeeze=False, sharey=True, layout="constrained")
        figure.suptitle(title)
    for ax, (name, (where, arrow)) in zip(axes[0], panels.items()):
        # Grey, the lighter the larger: colours are kept for relevance.
        filled = ax.contourf(axis, axis, height, levels=levels, cmap="gray", alpha=0.35)
        if zero is not None:
            lines = ax.contour(axis, axis, height, levels=[0], colors="black", linewidths=1.6)
            ax.clabel(lines, fmt={0.0: zero}, fontsize=11)
        ax.quiver(*np.transpose(where), *np.transpose(arrow), angles="xy", scale_units="xy", scale=1, color="#a50f20",
                  width=0.009, headwidth=4, headlength=4.5, headaxislength=4, zorder=3)
        for point, text in points:
            ax.plot(*point, "o", color="black", markersize=7, zorder=4)
            ax.annotate(text, point, (6, 6), textcoords="offset points", zorder=4)
        ax.set(xlim=span, ylim=span, aspect=1, title=name, xlabel=labels[0])
    axes[0, 0].set_ylabel(labels[1])
    figure.colorbar(filled, ax=list(axes[0]), shrink=0.8, pad=0.02, label=value)
    return figure


def surfaces(panels: Mapping[str, Callable], span: tuple[float, float], title: str | None = None,
             labels: tuple[str, str] = ("$x_1$", "$x_2$"), zlabel: str = "$R_1$") -> "Figure":
    """Functions of the plane as surfaces, side by side: where one jumps, its surface is torn.

    Heights are coloured as relevance is everywhere.

    Parameters
    ----------
    panels : {name: function (n, 2) -> (n,)}.
    span : (lowest, highest) value of both axes.
    title : above the figure, or None.
    labels : of the axes.
    zlabel : of the height.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    plt = pyplot()
    axis = np.linspace(span[0], span[1], 61)
    x = np.stack(np.meshgrid(axis, axis), axis=-1)                          # (61, 61, 2)
    heights = {name: f(x.reshape(-1, 2)).reshape(61, 61) for name, f in panels.items()}
    top = max(abs(height).max() for height in heights.values())
    with plt.rc_context({**STYLE, "axes.grid": False}):
        size = min(5.2, 14 / len(panels))
        figure, axes = plt.subplots(1, len(panels), figsize=(size * len(panels), size + .3), squeeze=False,
                                    subplot_kw={"projection": "3d"})
        figure.suptitle(title)
        figure.subplots_adjust(left=0.03, right=0.97, bottom=0.03, top=0.88, wspace=0.12)
    for ax, (name, height) in zip(axes[0], heights.items()):
        ax.plot_surface(x[..., 0], x[..., 1], height, cmap=signed_colours(), vmin=-top, vmax=top, rstride=2, cstride=2,
                        edgecolor="0.5", linewidth=0.3)
        ax.view_init(elev=28, azim=-120)
        ticks = np.linspace(span[0], span[1], 3)
        ax.set(title=name, xlabel=labels[0], ylabel=labels[1], zlabel=zlabel, xticks=ticks, yticks=ticks,
               zticks=np.linspace(min(0, height.min()), max(0, height.max()), 3))
        ax.set_box_aspect(None, zoom=0.92)
    return figure


def schematic(parts: Mapping[str, tuple], arrows: Sequence[tuple[str, str]],
              title: str | None = None, losses: Sequence = ()) -> "Figure":
    """Which network passes what to which: boxes and pictures, joined by arrows.

    Parameters
    ----------
    parts : {key: (column, row, text)} for a box with a text in it, {key: (column, row, text, picture)} for a picture
        with its text below; row 0 is on top.
    arrows : [(key from, key to)].
    title : above the figure, or None.
    losses : the keys of parts that only compare; they, and the arrows to them, are dashed.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    plt = pyplot()
    columns, rows = (max(part[k] for part in parts.values()) for k in (0, 1))
    with plt.rc_context(STYLE):
        size = 1.9 * (columns + 1), 1.35 * (rows + 1) + (.5 if title else 0)
        figure, ax = plt.subplots(figsize=size, layout="constrained")
        figure.suptitle(wrapped(title, size[0]))
    ax.set(xlim=(-.6, columns + .6), ylim=(rows + .6, -.5))
    ax.axis("off")
    outlines = {key: _part(ax, part, "--" if key in losses else "-") for key, part in parts.items()}
    for start, end in arrows:
        ax.annotate("", parts[end][:2], parts[start][:2], zorder=2, arrowprops={
            "arrowstyle": "-|>", "color": "0.35", "linewidth": 1.5, "linestyle": "--" if end in losses else "-",
            "mutation_scale": 16, "shrinkA": 2, "shrinkB": 2, "patchA": outlines[start], "patchB": outlines[end]})
    return figure


def number(value: float) -> str:
    """A number as short as fits into a circle, with a real minus: 3, -0.25, 1.33."""
    return f"{round(float(value), 2) + 0.0:g}".replace("-", "\N{MINUS SIGN}")


def _part(ax, part, dashes):
    """A box or a picture of a schematic; returns the outline at which arrows end."""
    from matplotlib.patches import Rectangle
    column, row, text, *picture = part
    if picture:
        ax.imshow(to_numpy(picture[0]).reshape(picture[0].shape[:2]), cmap="gray_r", vmin=0, vmax=1, aspect="auto",
                  zorder=3, extent=(column - .24, column + .24, row + .34, row - .34))
        ax.add_patch(Rectangle((column - .24, row - .34), .48, .68, fill=False, edgecolor="0.6", zorder=4))
        ax.text(column, row + .37, text, ha="center", va="top", fontsize=11)
        return ax.add_patch(Rectangle((column - .27, row - .37), .54, .74, alpha=0))
    style = {"boxstyle": "round", "pad": 0.5, "edgecolor": "0.3", "linestyle": dashes,
             "facecolor": "0.92" if dashes == "-" else "white"}
    return ax.text(column, row, text, ha="center", va="center", fontsize=11, bbox=style, zorder=4).get_bbox_patch()


def _places(l, count):
    """Centres of the `count` neurons of column l, the first on top."""
    return [(APART * l, BELOW * ((count - 1) / 2 - i)) for i in range(count)]


def _connect(ax, layer, l, inputs, outputs):
    """The lines from column l to l + 1: with weights, or straight across where a layer has none."""
    start, end = _places(l, inputs), _places(l + 1, outputs)
    W = to_numpy(layer.W) if hasattr(layer, "W") else None
    if W is None:
        for (x, y), (x_next, _) in zip(start, end):
            ax.plot([x, x_next], [y, y], color="0.6", linewidth=1.2, zorder=1)
        ax.text(APART * (l + .5), start[0][1] + .12, type(layer).__name__, ha="center", color="0.35", fontsize=11)
        return
    for j, (x, y) in enumerate(start):
        for k, (x_next, y_next) in enumerate(end):
            if W[j, k] == 0:
                continue
            ax.plot([x, x_next], [y, y_next], "--" if W[j, k] < 0 else "-", color="0.5", zorder=1,
                    linewidth=0.8 + 1.6 * abs(W[j, k]) / np.abs(W).max())
            share = 0.28 if len(end) > 1 else 0.5                           # labels apart where lines fan out
            ax.text(x + share * APART, y + share * (y_next - y), number(W[j, k]), ha="center", va="center", fontsize=10,
                    color="0.25", zorder=2, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    if layer.b is not None:
        for (x, y), b in zip(end, to_numpy(layer.b)):
            ax.text(x, y + RADIUS + .06, f"b = {number(b)}", ha="center", va="bottom", fontsize=10, color="0.25")
