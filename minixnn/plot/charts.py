"""Curves and bars, with their errors; and words in the colours of their relevance."""
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from minixnn.arrays import Array, to_numpy
from minixnn.plot.style import LINES, STYLE, pyplot, signed_colours, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARS = ("#2b6ca3", "0.72", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "0.4")       # the subject dark


def curves(x: Array, lines: Mapping[str, Array], xlabel: str = "", ylabel: str = "", title: str | None = None,
           xscale: str = "linear", yscale: str = "linear") -> "Figure":
    """Curves over the same `x`, each with a band of one standard error where it is known.

    A legend names the curves where a panel has more than one.

    Parameters
    ----------
    x : (n,), what all curves share.
    lines : {name: y} or {name: (mean, standard error)}, arrays (n,); or {panel: {name: ...}} for panels side by side,
        with one range of y for all.
    xlabel, ylabel : of the axes.
    title : above the figure, or None.
    xscale, yscale : "linear" or "log", or another scale of matplotlib.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    plt = pyplot()
    panels = lines if all(isinstance(y, dict) for y in lines.values()) else {None: lines}
    names = list(dict.fromkeys(name for each in panels.values() for name in each))
    width = 10 if len(panels) == 1 else min(16, 4.4 * len(panels) + 1.2)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(panels), figsize=(width, 5), sharey=True, squeeze=False,
                                    layout="constrained")
        figure.suptitle(wrapped(title, width))
        figure.get_layout_engine().set(w_pad=0.1)
        for ax, (panel, each) in zip(axes[0], panels.items()):
            for name, y in each.items():
                _curve(ax, to_numpy(x), y, name, *LINES[names.index(name) % len(LINES)])
            ax.set(xlabel=xlabel, title=panel, xscale=xscale, yscale=yscale)
            ax.grid(alpha=0.3)
            if xscale == "linear" and np.issubdtype(np.asarray(to_numpy(x)).dtype, np.integer):
                ax.xaxis.get_major_locator().set_params(integer=True)           # counts have no halves
        axes[0, 0].set_ylabel(ylabel)
        if len(names) > 1:
            _legend(figure, axes.flat)
    return figure


def bars(values: Mapping[str, float | tuple | Mapping], xlabel: str = "", title: str | None = None,
         references: Mapping[str, float] | None = None) -> "Figure":
    """Horizontal bars, the first on top, each with its value and, where it is known, its standard error.

    Of several series the first, the subject, is dark; if there are two, the second, its control, is grey.

    Parameters
    ----------
    values : {name: value} or {name: (mean, standard error)}; or {series: {name: ...}} for a bar of each series beside
        each name, with a legend.
    xlabel : of the axis.
    title : above the figure, or None.
    references : {label: value}, vertical lines across all bars, such as chance, or the input as its own explanation.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    plt = pyplot()
    grouped = all(isinstance(each, dict) for each in values.values())
    series: Mapping = values if grouped else {None: values}
    names = list(dict.fromkeys(name for each in series.values() for name in each))
    height = 1.5 + len(names) * (0.2 + 0.25 * max(len(series), 1.2)) + (0.4 if len(series) > 1 or references else 0)
    thick, written = 0.8 / len(series), _digits(series)
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(10, height), layout="constrained")
        figure.suptitle(wrapped(title, 10))
        figure.get_layout_engine().set(w_pad=0.1)
        for k, (label, each) in enumerate(series.items()):
            means, errors = zip(*(y if isinstance(y, tuple) else (y, np.nan) for y in each.values()))
            places = np.array([names.index(name) for name in each]) + thick * (k - (len(series) - 1) / 2)
            colour = BARS[k % len(BARS)] if len(series) == 2 or not k else BARS[1 + k % (len(BARS) - 1)]
            ax.barh(places, means, 0.9 * thick, color=colour, label=label, zorder=2)
            ax.errorbar(means, places, xerr=errors, fmt="none", ecolor="black", elinewidth=1.6, capsize=3, zorder=4)
            for place, mean, error in zip(places, means, np.nan_to_num(errors)):
                side, text = (1 if mean >= 0 else -1), f"{round(float(mean), written) + 0.0:.{written}f}"
                ax.annotate(text.replace("-", "\N{MINUS SIGN}"), (mean + side * error, place), (5 * side, 0),
                            textcoords="offset points", va="center", ha="left" if side > 0 else "right",
                            fontsize=11 if thick > 0.2 else 9, zorder=5)
        for k, (label, value) in enumerate((references or {}).items()):
            ax.axvline(value, color=("black", "#009e73", "#cc79a7")[k % 3], linestyle=("--", ":", "-.")[k % 3],
                       linewidth=2, label=label, zorder=3)
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set(yticks=range(len(names)), yticklabels=names, xlabel=xlabel, ylim=(len(names) - 0.4, -0.6))
        ax.margins(x=0.17)                                                      # room for the values
        ax.grid(axis="x", alpha=0.3)
        if len(series) > 1 or references:
            _legend(figure, [ax])
    return figure


def _digits(series):
    """How many decimals the values of bars need: three digits of the largest, two where it is below 1."""
    sizes = [abs(float(y[0] if isinstance(y, tuple) else y)) for each in series.values() for y in each.values()]
    largest = max([size for size in sizes if np.isfinite(size)], default=1)
    power = int(np.floor(np.log10(largest or 1)))
    return min(1 - power, 4) if power < 0 else max(2 - power, 0)


def _curve(ax, x, y, name, colour, dash, marker):
    mean, error = y if isinstance(y, tuple) else (y, None)
    mean = to_numpy(mean)
    ax.plot(x, mean, dash, color=colour, label=name, linewidth=2, marker=marker, markersize=7,
            markevery=max(1, len(mean) // 8))
    if error is not None:
        error = to_numpy(error)
        ax.fill_between(x, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)


def _legend(figure, axes):
    """Every name once, beside the panels or, where names are long, below them; never on a curve."""
    shown = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels())}
    longest = max(map(len, shown))
    if longest <= 24:
        figure.legend(shown.values(), shown, handlelength=4, loc="outside right center")
    else:
        columns = max(1, min(len(shown), int(figure.get_figwidth() / (0.11 * longest + 0.9))))
        figure.legend(shown.values(), shown, handlelength=4, loc="outside lower center", ncols=columns)


def tokens(words: Sequence, R: Array, vocabulary: Sequence[str] | Mapping[int, str] | None = None,
           title: str | None = None, quantile: float = 1.0, width: float = 10.0) -> "Figure":
    """A text in the colours of the relevance of its tokens, line after line; a token may end in a new line.

    Parameters
    ----------
    words : T strings, or T whole numbers.
    R : (T,), or (T, C), whose channels are summed.
    vocabulary : the names of whole numbers, a list or a dictionary.
    title : above the figure, or None.
    quantile : colours end at this quantile of |R|, from 0 to 1; 1 is the largest.
    width : of the figure, in inches.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ValueError : not as many words as relevances, or a number without a name.
    ImportError : matplotlib is not installed.
    """
    R = np.asarray(to_numpy(R), float)
    R = R.sum(axis=-1) if R.ndim == 2 else R
    names = [_word(each, vocabulary) for each in (words if isinstance(words, (list, tuple)) else to_numpy(words))]
    if R.ndim != 1 or len(R) != len(names) or not len(R):
        raise ValueError(f"got {len(names)} tokens and relevances of shape {R.shape}, expected one for each token: "
                         "(tokens,) or (tokens, channels), of one text at a time")
    limit = float(np.quantile(abs(R), quantile)) or float(abs(R).max()) or 1.0
    plt, letter, high = pyplot(), 0.6 * STYLE["font.size"] / 72, 1.8 * STYLE["font.size"] / 72     # inches
    across, line, column, places = int((width - 0.4) / letter), 0, 0, []
    for name in names:
        shown = name.rstrip("\n") or " " * (not name)
        if column and column + len(shown) > across:
            line, column = line + 1, 0
        places.append((line, column, shown))
        column += len(shown)
        if name.endswith("\n"):
            line, column = line + name.count("\n"), 0
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(width, (line + 1) * high + 0.6 + 0.5 * (title is not None)),
                                  layout="constrained")
        colours = signed_colours()
        for (row, begin, shown), r in zip(places, R):
            shade = colours((np.clip(r / limit, -1, 1) + 1) / 2)
            ax.add_patch(plt.Rectangle((begin, row), len(shown), 0.86, color=shade, linewidth=0))
            ax.text(begin, row + 0.43, shown.replace("\t", " "), family="monospace", va="center", parse_math=False,
                    color="white" if sum(shade[:3]) < 1.5 else "black")
        ax.set(xlim=(0, across), ylim=(line + 1, 0))
        ax.axis("off")
        figure.suptitle(wrapped(title, width))
        figure.supxlabel(f"red speaks for it, blue against it; colours end at {limit:.3g}", fontsize=10)
    return figure


def spelled(words: Sequence[Sequence[str]], R: Sequence[Array], below: Sequence[Sequence[str]],
            marked: Sequence[int | None] | None = None, titles: Sequence[str] | None = None, title: str | None = None,
            columns: int = 4) -> "Figure":
    """Words in letters that are coloured by relevance, each with its phonemes below; one picture for each word.

    Parameters
    ----------
    words : strings, or lists of tokens.
    R : for each word an array with one number per token; colours end at the largest |R| of the word.
    below : for each word the strings that stand under it.
    marked : for each word the number of the string that is explained, which gets a frame, or None.
    titles : above each word, or None.
    title : above the figure, or None.
    columns : words in a row.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ValueError : a word with more letters than relevances, or fewer; lists that are not of one length.
    ImportError : matplotlib is not installed.
    """
    R = [np.asarray(to_numpy(r), float) for r in R]
    for name, values in (("relevances", R), ("lines below", below), ("marks", marked), ("titles", titles)):
        if values is not None and len(values) != len(words):
            raise ValueError(f"got {len(values)} {name} for {len(words)} words, expected one for each")
    for word, r in zip(words, R):
        if r.shape != (len(word),):
            raise ValueError(f"got relevances of shape {r.shape} for {word!r}, expected {len(word)}: one a token")
    plt, colours = pyplot(), signed_colours()
    columns, rows = min(columns, len(words)), -(-len(words) // min(columns, len(words)))
    wide = max([0.32 * len(word) for word in words] + [0.09 * len(name) for name in titles or ()]) + 0.3    # inches
    high = 1.05 + 0.35 * (titles is not None)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, squeeze=False, layout="constrained", figsize=(
            max(columns * wide, 6), rows * high + 0.3 + 0.6 * (title is not None)))
        for ax in axes.flat:
            ax.axis("off")
        for n, (ax, word, r, line) in enumerate(zip(axes.flat, words, R, below)):
            for t, (letter, value) in enumerate(zip(word, r / (abs(r).max() or 1))):
                shade = colours((value + 1) / 2)
                ax.add_patch(plt.Rectangle((t + 0.03, 0), 0.94, 1, color=shade, linewidth=0))
                ax.text(t + 0.5, 0.5, letter, ha="center", va="center", fontsize=17, parse_math=False,
                        color="white" if sum(shade[:3]) < 1.5 else "black")
            chosen = None if marked is None else marked[n]
            for k, each in enumerate(line):
                ax.text((k + 0.5) * len(word) / len(line), 1.55, each, ha="center", va="center", fontsize=11,
                        parse_math=False, weight="bold" if k == chosen else "normal",
                        color="black" if k == chosen or chosen is None else "0.45",
                        bbox={"boxstyle": "square,pad=0.15", "fill": False} if k == chosen else None)
            ax.set(xlim=(0, len(word)), ylim=(2, -0.05))
            if titles is not None:
                ax.set_title(titles[n], fontsize=12)
        figure.suptitle(wrapped(title, figure.get_figwidth()))
        figure.supxlabel("red speaks for the phoneme in the box, blue against it; colours end at each word's largest"
                         if marked is not None else "", fontsize=10)
    return figure


def _word(each: str | SupportsIndex, vocabulary: Sequence[str] | Mapping[int, str] | None) -> str:
    """A token as text."""
    if isinstance(each, str):
        return each
    if vocabulary is None:
        raise ValueError(f"got the token {each!r}, expected text; of whole numbers give the vocabulary, too, in which "
                         "their names are: plot.tokens(numbers, R, vocabulary)")
    try:
        return str(vocabulary[int(each)])
    except (KeyError, IndexError) as error:
        raise ValueError(f"got the token {int(each)}, which the vocabulary of {len(vocabulary)} names has no name for"
                         ) from error
