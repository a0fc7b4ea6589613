"""Grids of pictures and heatmaps, and overlays.

No colour without its meaning: where maps share a scale the colour bar has its numbers, and a line of text at the
bottom says where colours end if that is not the largest number of all.
"""
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minixnn.arrays import Array, to_numpy
from minixnn.plot.style import STYLE, ink_colours, pyplot, signed_colours, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = ("map", "method", "figure")


def images(pictures: Array | Sequence[Array], titles: Sequence[str] | None = None, title: str | None = None,
           columns: int = 10, boxes: Array | Sequence | None = None, rows: Sequence[str] | None = None,
           limits: tuple[float, float] | None = None) -> "Figure":
    """A grid of pictures.

    The largest number is black and 0, or the smallest if it is larger, is white; numbers below 0 are green. A bar shows
    limits other than (0, 1).

    Parameters
    ----------
    pictures : (N, H, W, 1), (N, H, W, 3), (N, H, W), (N, D) with D a square number, or a list of pictures.
    titles : one for each picture or, where there are fewer, for the first row alone.
    title : above the figure, or None.
    columns : pictures in a row.
    boxes : for each picture one (top, left, bottom, right) or several, as datasets.cluttered_mnist and digit_pairs give
        them.
    rows : a name for each row.
    limits : the (lowest, highest) number drawn in every panel; None for (0, 1), made wider until all pictures fit in.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ValueError : what is not in one of these forms, or has channels other than 1 or 3.
    ImportError : matplotlib is not installed.
    """
    pictures = _drawable(_pictures(pictures))
    limits = _ink(pictures) if limits is None else limits
    each = titles is not None and len(titles) == len(pictures)
    figure, axes = _wrapped(pictures, title, columns, rows, 0.35 if each else 0.05)
    for n, (ax, picture) in enumerate(zip(axes, pictures)):
        _draw_picture(ax, picture, limits)
        _annotate(ax, n, titles if each or titles is not None and n < len(titles) else None, boxes)
        if rows is not None and n % columns == 0:
            _beside(ax, str(rows[n // columns]))
    if limits != (0, 1) and any(picture.ndim == 2 for picture in pictures):
        low, high = limits
        _bar(figure, list(axes), low, high, ink_colours(low, high))
    return figure


def heatmaps(maps: Mapping[str, Array], images: Array | Sequence[Array] | None = None,
             names: Sequence[str] | None = None, title: str | None = None, scale: str = "map", quantile: float = 1.0,
             outlines: bool = False, boxes: Array | Sequence | None = None, transpose: bool = False) -> "Figure":
    """Methods against images: one row per entry of `maps`, one column per image, the images themselves on top.

    Parameters
    ----------
    maps : {method: relevances (N, ...)}; colour channels are summed.
    images : the N inputs, or None to leave them out.
    names : one line above each image.
    title : above the figure, or None.
    scale : what shares its colour limits: each "map" has its own, or all of a "method", or the whole "figure".
    quantile : the limit is this quantile of |R|, from 0 to 1, so that one bright pixel does not bleach the rest; 1 is
        the largest.
    outlines : whether each map is drawn over its input.
    boxes : for each picture one (top, left, bottom, right) or several.
    transpose : whether methods stand side by side and images below each other.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ValueError : maps that are no dictionary, not one per image and method, or not in a form of pictures; an unknown
        scale.
    ImportError : matplotlib is not installed.
    """
    if not isinstance(maps, Mapping):
        raise ValueError(f"got maps of type {type(maps).__name__}, expected a dictionary with a name for each row, "
                         'such as plot.heatmaps({"epsilon": R}, images); for one map over each image: '
                         "plot.overlay(images, R)")
    maps = {method: [_summed(R) for R in _pictures(R)] for method, R in maps.items()}
    images = None if images is None else _drawable(_pictures(images))
    rows = ([] if images is None else [("input", images)]) + list(maps.items())
    counts = {method: len(pictures) for method, pictures in rows}
    if len(set(counts.values())) != 1:
        raise ValueError(f"got numbers of pictures {counts}, expected one heatmap per image and method")
    everything = [R for row in maps.values() for R in row]
    beside: Iterable[object] = counts if not transpose else () if names is None else names
    longest = max((len(line) for name in beside for line in str(name).split("\n")), default=0)
    figure, axes = _grid(len(rows), len(rows[0][1]), rows[0][1][0].shape, title, transpose, 1.2 + 0.11 * longest)
    for line, (method, pictures) in enumerate(rows):
        for n, (ax, picture) in enumerate(zip(axes[line], pictures)):
            if pictures is images:
                _draw_picture(ax, picture, _ink(images))
            else:
                limit = _limit(_sharing(scale, picture, pictures, everything), quantile)
                _draw_heat(ax, picture, limit, images[n] if outlines and images is not None else None)
            _annotate(ax, n, None, boxes)
            _label_edge(ax, line, n, method, None if names is None else str(names[n]), transpose)
        if scale == "method" and pictures is not images:
            _colour_bar(figure, axes[line], pictures, _limit(pictures, quantile), below=transpose)
    if scale != "method":
        _colour_bar(figure, axes, everything, _limit(everything, quantile) if scale == "figure" else None)
    _say_where_colours_end(figure, {"method": "column" if transpose else "row"}.get(scale, scale), quantile)
    return figure


def overlay(images: Array | Sequence[Array], maps: Array | Sequence[Array], titles: Sequence[str] | None = None,
            title: str | None = None, columns: int = 5, quantile: float = 1.0, boxes: Array | Sequence | None = None,
            scale: str = "map", found: Array | Sequence | None = None) -> "Figure":
    """Heatmaps drawn over their inputs: over the outline of ink, or over a pale grey copy of a photograph.

    A coarse map (CAM, say) is stretched to its input, pixel by pixel, without smoothing.

    Parameters
    ----------
    images : the N inputs.
    maps : N heatmaps, of any size; colour channels are summed.
    titles : one for each picture.
    title : above the figure, or None.
    columns : pictures in a row.
    quantile : colours end at this quantile of |R|, from 0 to 1; 1 is the largest.
    boxes : for each picture one (top, left, bottom, right) or several, as datasets.cluttered_mnist and digit_pairs give
        them.
    scale : whether each "map" has its own colour limit or all of the "figure" share one.
    found : other boxes, drawn dashed, such as those computed from the maps.

    Returns
    -------
    The matplotlib Figure; `plot.show()` shows or saves it.

    Raises
    ------
    ValueError : not one heatmap per image, or not in a form of pictures; an unknown scale.
    ImportError : matplotlib is not installed.
    """
    pictures, maps = _pictures(images), [_summed(R) for R in _pictures(maps)]
    if len(pictures) != len(maps):
        raise ValueError(f"got {len(pictures)} images and {len(maps)} heatmaps, expected one heatmap per image")
    figure, axes = _wrapped(pictures, title, columns)
    for n, ax in zip(range(len(maps)), axes):
        _draw_heat(ax, maps[n], _limit(_sharing(scale, maps[n], maps, maps), quantile), pictures[n])
        _annotate(ax, n, titles, boxes)
        _annotate(ax, n, None, found, "#0072b2", (0, (3, 1.5)))
    _colour_bar(figure, axes, maps, _limit(maps, quantile) if scale == "figure" else None)
    _say_where_colours_end(figure, scale, quantile)
    return figure


def _pictures(x):
    """Any accepted form as a list of arrays, each (H, W) or (H, W, 3)."""
    if isinstance(x, (list, tuple)):
        pictures = [to_numpy(picture) for picture in x]
    else:
        x = to_numpy(x)
        side = round(x.shape[-1] ** 0.5) if x.ndim == 2 else 0
        if x.ndim not in (2, 3, 4) or (x.ndim == 2 and side * side != x.shape[1]):
            raise ValueError(f"got pictures of shape {x.shape}, expected (N, H, W, 1), (N, H, W, 3), (N, H, W) or "
                             "(N, D) with D a square number; a single picture is picture[None]")
        if x.ndim == 3 and x.shape[2] in (1, 3) and x.shape[1] > 4:
            raise ValueError(f"got an array of shape {x.shape}, which looks like one picture; write picture[None]")
        pictures = list(x.reshape(len(x), side, side) if x.ndim == 2 else x)
    if not pictures:
        raise ValueError("got no pictures, expected at least one")
    for picture in pictures:
        if picture.ndim == 3 and picture.shape[0] in (1, 3, 4) and picture.shape[2] > 4 and picture.shape[1] > 4:
            raise ValueError(f"got pictures of shape {picture.shape}, expected (height, width, channels); if channels "
                             "come first, write x.transpose(0, 2, 3, 1)")
    return [picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture for picture in pictures]


def _drawable(pictures):
    """The pictures themselves, if they are of one channel or three: others have no colours of their own."""
    for picture in pictures:
        if picture.ndim == 3 and picture.shape[2] != 3:
            raise ValueError(f"got pictures of {picture.shape[2]} channels, expected 1 or 3; choose what to draw, such "
                             "as x[..., :3], or their mean, x.mean(axis=-1, keepdims=True)")
    return pictures


def _summed(R):
    """The relevance of a pixel is that of its channels together."""
    return R.sum(axis=2) if R.ndim == 3 else R


def _sharing(scale, R, of_method, everything):
    """The maps that share a colour limit with the map R."""
    if scale not in SCALES:
        raise ValueError(f'got scale={scale!r}, expected "map", "method" or "figure"')
    return {"map": [R], "method": of_method, "figure": everything}[scale]


def _ink(pictures):
    """The numbers drawn white and black: 0 and 1, or as far beyond them as pictures of one channel go."""
    grey = [picture for picture in pictures if picture.ndim == 2]
    low, high = min((R.min() for R in grey), default=0), max((R.max() for R in grey), default=1)
    return min(0, float(low)), max(1, float(high))


def _limit(maps, quantile):
    """The |R| at which colours end; 1 for a map of zeros, which is then white."""
    sizes = np.abs(np.concatenate([R.ravel() for R in maps]))
    sizes = sizes[np.isfinite(sizes)]
    limit = float(np.quantile(sizes, quantile)) if sizes.size else 0.0
    return limit or float(sizes.max(initial=0)) or 1.0


def _grid(rows, columns, shape, title, transpose=False, margin=1.1, head=.05):
    """Figure and axes[row][column], panels as wide as a slide allows. `transpose` swaps rows and columns on paper."""
    plt = pyplot()
    down, across = (columns, rows) if transpose else (rows, columns)
    ratio, least = shape[0] / shape[1], 1.35 if shape[1] <= 80 else 2.4
    width = min(12 / across, max(least, min(6 * least / across, 7 / ratio / down)))
    with plt.rc_context(STYLE):
        size = across * (width + .05) + margin, down * (width * ratio + head) + (.8 if title else .3)
        figure, axes = plt.subplots(down, across, squeeze=False, layout="constrained", figsize=size)
        figure.suptitle(wrapped(title, size[0]))                # None: no title and no room kept for one
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.05)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="0.8", linewidth=0.8)
    return figure, axes.T if transpose else axes


def _wrapped(pictures, title, columns, rows=None, head=0.35):
    """A grid of one panel per picture, in rows of `columns`; panels left over are removed."""
    columns = min(columns, len(pictures))
    longest = max((len(line) for name in rows or () for line in str(name).split("\n")), default=0)
    margin = 1.1 + 0.11 * longest
    figure, axes = _grid(-(-len(pictures) // columns), columns, pictures[0].shape, title, margin=margin, head=head)
    for ax in axes.flat[len(pictures):]:
        ax.remove()
    return figure, axes.flat[:len(pictures)]


def _draw_picture(ax, picture, limits):
    """One channel as ink on paper; three channels as they are, clipped to [0, 1]."""
    if picture.ndim == 3:
        ax.imshow(picture.clip(0, 1))
    else:
        ax.imshow(picture, cmap=ink_colours(*limits), vmin=limits[0], vmax=limits[1])


def _draw_heat(ax, R, limit, picture=None):
    """A heatmap whose colours end at +-limit, stretched over `picture` if there is one."""
    if picture is None:
        ax.imshow(R, cmap=signed_colours(), vmin=-limit, vmax=limit)
        return
    height, width = picture.shape[:2]
    place = (-.5, width - .5, height - .5, -.5)
    if picture.ndim == 3:
        ax.imshow(0.6 + 0.4 * picture.mean(axis=2), cmap="gray", vmin=0, vmax=1)
        strength = np.abs(np.nan_to_num(R) / limit).clip(0, 1) ** 0.5          # the root, or faint relevance is lost
        ax.imshow(R, cmap=signed_colours(), vmin=-limit, vmax=limit, extent=place, alpha=0.85 * strength)
    else:
        ax.imshow(R, cmap=signed_colours(), vmin=-limit, vmax=limit, extent=place)
        if np.ptp(picture) > 0:
            ax.contour(picture, [(picture.min() + picture.max()) / 2], colors="0.45", linewidths=0.8)


def _annotate(ax, n, titles, boxes, colour="#009e73", dashes="-"):
    """The n-th title and boxes; a box encloses its pixels, so it runs half a pixel outside their centres."""
    from matplotlib.patches import Rectangle
    if titles is not None:
        ax.set_title(str(titles[n]))
    for top, left, bottom, right in () if boxes is None else np.reshape(boxes[n], (-1, 4)):
        ax.add_patch(Rectangle((left - .5, top - .5), right - left, bottom - top, fill=False, edgecolor=colour,
                               linewidth=1.8, linestyle=dashes))


def _label_edge(ax, line, n, method, name, transpose):
    """Methods and names of images along the edges of the grid, whichever way it lies."""
    above, beside = (method, name) if transpose else (name, method)
    row, column = (n, line) if transpose else (line, n)
    if row == 0 and above is not None:
        ax.set_title(above)
    if column == 0 and beside is not None:
        _beside(ax, beside)


def _beside(ax, name):
    ax.set_ylabel(name, rotation=0, ha="right", va="center")


def _colour_bar(figure, axes, maps, limit, below=False):
    """What the colours mean: numbers where the maps share a limit, else that each ends at a limit of its own."""
    signed = min(np.nanmin(R) for R in maps) < 0                # else nothing speaks against: show the half in use
    bar = _bar(figure, list(np.ravel(axes)), -(limit or 1), limit or 1, signed_colours(), below, middle=True)
    if not limit:
        (bar.ax.set_xticklabels if below else bar.ax.set_yticklabels)(["\N{MINUS SIGN}limit", "0", "limit"])
    if not signed:
        (bar.ax.set_xlim if below else bar.ax.set_ylim)(0, limit or 1)


def _bar(figure, axes, low, high, colours, below=False, middle=False):
    """A colour bar with numbers at its ends, and at its middle if asked."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    ticks = [low, (low + high) / 2, high] if middle else [low, high] if low == 0 else [low, 0, high]
    bar = figure.colorbar(ScalarMappable(Normalize(low, high), colours), ax=axes, fraction=0.1, aspect=30, shrink=0.8,
                          pad=0.02, ticks=ticks, location="bottom" if below else "right")
    bar.outline.set_visible(False)
    numbers = [f"{tick:.3g}".replace("-", "\N{MINUS SIGN}") for tick in ticks]
    (bar.ax.set_xticklabels if below else bar.ax.set_yticklabels)(numbers)
    return bar


def _say_where_colours_end(figure, sharing, quantile):
    """A line at the bottom: what "limit" means where each map, row or column has its own, and any quantile."""
    of = "" if sharing == "figure" else f"each {sharing}'s "
    if quantile == 1 and sharing != "map":
        return                                                  # the numbers on the bar say it all
    end = "largest |R|" if quantile == 1 else f"{100 * quantile:.4g} % quantile of |R|"
    text = f"limit: {of}{end}" if sharing == "map" else f"colours end at {of or 'the '}{end}"
    figure.supxlabel(text, fontsize=11, color="0.35")
