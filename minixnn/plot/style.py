"""Colours, fonts and line styles that all figures share, and how they are shown or saved."""
import functools
import os
import pathlib
import sys
import textwrap
from types import ModuleType
from typing import TYPE_CHECKING

from minixnn.arrays import Array

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

STYLE = {"font.size": 13, "axes.titlesize": 13, "figure.titlesize": 16, "axes.spines.top": False,
         "axes.spines.right": False, "legend.frameon": False, "savefig.dpi": 150}
# Colours of Okabe and Ito, which the colour-blind can tell apart; with dashes and markers a grey copy can too.
LINES = [("#000000", "-", "o"), ("#d55e00", "--", "s"), ("#0072b2", "-.", "^"), ("#009e73", ":", "D"),
         ("#cc79a7", "-", "v"), ("#e69f00", "--", "P"), ("#56b4e9", "-.", "X"), ("#7f7f7f", ":", "*")]
SIGNED_STOPS = [(0, "#2f7fbc"), (.15, "#6aaed6"), (.3, "#b5d4e9"), (.43, "#e3eef7"), (.5, "#ffffff"),
                (.57, "#fbe3d4"), (.68, "#f4a582"), (.8, "#d6503e"), (.91, "#a50f20"), (1, "#5c0013")]


def show() -> None:
    """End a script: its open figures appear on the screen or, where there is none, are saved in the folder `figures`.

    Saved figures are named after the script and numbered: figures/2_3_lrp_1.png. The folder lies beside `lessons` for a
    lesson and in the working directory for any other script; the environment variable MINIXNN_FIGURES names another.

    Raises
    ------
    ImportError : matplotlib is not installed.
    OSError : the folder cannot be written to.
    """
    plt = pyplot()
    if plt.get_backend().lower() not in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
        plt.show()                  # windows, or the cells of a notebook
        return
    script = pathlib.Path(sys._getframe(1).f_globals.get("__file__", "figure.py")).resolve()
    beside = script.parents[1] if script.parent.name == "lessons" else pathlib.Path.cwd()
    folder = pathlib.Path(os.environ.get("MINIXNN_FIGURES") or beside / "figures")
    folder.mkdir(parents=True, exist_ok=True)
    for number in plt.get_fignums():
        _saved[script.stem] = _saved.get(script.stem, 0) + 1
        path = folder / f"{script.stem}_{_saved[script.stem]}.png"
        plt.figure(number).savefig(path, dpi=STYLE["savefig.dpi"])
        print(f"figure saved: {path}")
    plt.close("all")


_saved: dict = {}             # script -> figures saved by this process, so that a second show() goes on counting


def pyplot() -> ModuleType:
    """The module matplotlib.pyplot, imported when it is first needed.

    Returns
    -------
    The module.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("drawing needs matplotlib, which is not installed; "
                          "install it with: pip install matplotlib") from error
    return plt


def wrapped(title: str | None, width: float, size: float = STYLE["figure.titlesize"]) -> str | None:
    """A title in as many lines as it needs in a figure `width` inches wide; None stays None."""
    most = int(width * 72 / (0.55 * size))                      # a letter is about half as wide as it is high
    return title and "\n".join(textwrap.fill(line, most) for line in title.split("\n"))


@functools.cache
def signed_colours() -> "Colormap":
    """The colour map of every heatmap: blue below zero, white at zero, red above. NaN is grey."""
    from matplotlib.colors import LinearSegmentedColormap
    return LinearSegmentedColormap.from_list("minixnn_signed", SIGNED_STOPS, N=513).with_extremes(bad="0.6")


@functools.cache
def ink_colours(low: float | Array, high: float | Array) -> "Colormap | str":
    """The colour map of pictures from `low` to `high`: 0 is white paper, `high` black ink, and below 0 is green.

    Red and blue are kept for relevance. A negative number is as strong a colour as its size asks for beside `high`.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgb
    if low >= 0:
        return "gray_r"
    strength = min(1, -low / high)
    least = tuple(1 - strength * (1 - part) for part in to_rgb("#00784a"))
    stops = [(0, least), (-low / (high - low), "white"), (1, "black")]
    return LinearSegmentedColormap.from_list("minixnn_ink", stops, N=513)
