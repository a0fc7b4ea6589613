"""Grids of pictures and heatmaps, overlays and curves."""
import numpy as np

from minixnn.arrays import to_numpy
from minixnn.plot.style import LINES, STYLE, pyplot, signed_colours


def images(pictures, titles=None, title=None, columns=10, boxes=None):
    """A grid of pictures, `columns` in a row, each with its own line of `titles`; `boxes` as in `overlay`."""
    pictures = _pictures(pictures)
    figure, axes = _wrapped(pictures, title, columns)
    for n, (ax, picture) in enumerate(zip(axes, pictures)):
        _draw_picture(ax, picture)
        _annotate(ax, n, titles, boxes)
    return figure


def heatmaps(maps, images=None, names=None, title=None, scale="map", quantile=1.0, outlines=False, boxes=None,
             transpose=False):
    """Methods against images: one row per entry of `maps`, one column per image, the images themselves on top.

    maps: {method: relevances (N, ...)}; colour channels are summed. images: the N inputs, or None to leave them out.
    names: one line above each image. scale: what shares its colour limits: each "map" has its own, or all of a
    "method", or the whole "figure". quantile: the limit is this quantile of |R| instead of the largest, so that one
    bright pixel does not bleach the rest. outlines: draw each map over its input. boxes: see `overlay`.
    transpose: methods side by side and images below each other.
    """
    if scale not in ("map", "method", "figure"):
        raise ValueError(f'got scale={scale!r}, expected "map", "method" or "figure"')
    maps = {method: [_summed(R) for R in _pictures(R)] for method, R in maps.items()}
    images = None if images is None else _pictures(images)
    rows = ([] if images is None else [("input", images)]) + list(maps.items())
    counts = {method: len(pictures) for method, pictures in rows}
    if len(set(counts.values())) != 1:
        raise ValueError(f"got numbers of pictures {counts}, expected one heatmap per image and method")
    everything = [R for row in maps.values() for R in row]
    beside = [] if transpose and names is None else names if transpose else counts
    longest = max((len(str(name)) for name in beside), default=0)
    figure, axes = _grid(len(rows), len(rows[0][1]), rows[0][1][0].shape, title, transpose, 1.1 + 0.11 * longest)
    for line, (method, pictures) in enumerate(rows):
        for n, (ax, picture) in enumerate(zip(axes[line], pictures)):
            if pictures is images:
                _draw_picture(ax, picture)
            else:
                limit = _limit({"map": [picture], "method": pictures, "figure": everything}[scale], quantile)
                _draw_heat(ax, picture, limit, images[n] if outlines else None)
            _annotate(ax, n, None, boxes)
            _label_edge(ax, line, n, method, None if names is None else str(names[n]), transpose)
    _colour_bar(figure, axes, everything, _limit(everything, quantile) if scale == "figure" else None)
    return figure


def overlay(images, maps, titles=None, title=None, columns=5, quantile=1.0, boxes=None):
    """Heatmaps drawn over their inputs: over the outline of ink, or over a pale grey copy of a photograph.

    A coarse map (CAM, say) is stretched to its input, pixel by pixel, without smoothing. boxes: for each picture one
    (top, left, bottom, right) or several, as datasets.cluttered_mnist and digit_pairs give them.
    """
    pictures, maps = _pictures(images), [_summed(R) for R in _pictures(maps)]
    if len(pictures) != len(maps):
        raise ValueError(f"got {len(pictures)} images and {len(maps)} heatmaps, expected one heatmap per image")
    figure, axes = _wrapped(pictures, title, columns)
    for n, ax in zip(range(len(maps)), axes):
        _draw_heat(ax, maps[n], _limit([maps[n]], quantile), pictures[n])
        _annotate(ax, n, titles, boxes)
    _colour_bar(figure, axes, maps, None)
    return figure


def curves(x, lines, xlabel="", ylabel="", title=None, xscale="linear", yscale="linear"):
    """Curves over the same `x`: {name: y} or {name: (mean, standard error)}, the latter with a band of one error."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(10, 5), layout="constrained")
        for k, (name, y) in enumerate(lines.items()):
            mean, error = y if isinstance(y, tuple) else (y, None)
            mean = to_numpy(mean)
            colour, dash, marker = LINES[k % len(LINES)]
            ax.plot(to_numpy(x), mean, dash, color=colour, label=name, linewidth=2, marker=marker, markersize=7,
                    markevery=max(1, len(mean) // 8))
            if error is not None:
                error = to_numpy(error)
                ax.fill_between(to_numpy(x), mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        ax.set(xlabel=xlabel, ylabel=ylabel, title=title, xscale=xscale, yscale=yscale)
        ax.grid(alpha=0.3)
        figure.legend(handlelength=4, loc="outside right center")          # beside the curves, never on them
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
        pictures = list(x.reshape(len(x), side, side) if x.ndim == 2 else x)
    if not pictures:
        raise ValueError("got no pictures, expected at least one")
    return [picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture for picture in pictures]


def _summed(R):
    """The relevance of a pixel is that of its channels together."""
    return R.sum(axis=2) if R.ndim == 3 else R


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
        figure.suptitle(title)                                  # None: no title and no room kept for one
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="0.8", linewidth=0.8)
    return figure, axes.T if transpose else axes


def _wrapped(pictures, title, columns):
    """A grid of one panel per picture, in rows of `columns`; panels left over are removed."""
    columns = min(columns, len(pictures))
    figure, axes = _grid(-(-len(pictures) // columns), columns, pictures[0].shape, title, head=.35)
    for ax in axes.flat[len(pictures):]:
        ax.remove()
    return figure, axes.flat[:len(pictures)]


def _draw_picture(ax, picture):
    """One channel as ink on paper; three channels as they are, clipped to [0, 1]."""
    if picture.ndim == 3:
        ax.imshow(picture.clip(0, 1))
    else:
        ax.imshow(picture, cmap="gray_r", vmin=min(0, picture.min()), vmax=max(1, picture.max()))


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


def _annotate(ax, n, titles, boxes):
    """The n-th title and boxes; a box encloses its pixels, so it runs half a pixel outside their centres."""
    from matplotlib.patches import Rectangle
    if titles is not None:
        ax.set_title(str(titles[n]))
    for top, left, bottom, right in () if boxes is None else np.reshape(boxes[n], (-1, 4)):
        ax.add_patch(Rectangle((left - .5, top - .5), right - left, bottom - top, fill=False, edgecolor="#009e73",
                               linewidth=1.8))


def _label_edge(ax, line, n, method, name, transpose):
    """Methods and names of images along the edges of the grid, whichever way it lies."""
    above, beside = (method, name) if transpose else (name, method)
    row, column = (n, line) if transpose else (line, n)
    if row == 0 and above is not None:
        ax.set_title(above)
    if column == 0 and beside is not None:
        ax.set_ylabel(beside, rotation=0, ha="right", va="center")


def _colour_bar(figure, axes, maps, limit):
    """What the colours mean: numbers where all maps share a limit, else 'max' for the limit of each map."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    end = limit or 1
    bar = figure.colorbar(ScalarMappable(Normalize(-end, end), signed_colours()), ax=list(np.ravel(axes)), fraction=0.1,
                          aspect=30, shrink=0.8, pad=0.02, ticks=[-end, 0, end])
    bar.outline.set_visible(False)
    largest = f"{limit:.3g}" if limit else "max"
    bar.ax.set_yticklabels([f"\N{MINUS SIGN}{largest}", "0", largest])
    if min(np.nanmin(R) for R in maps) >= 0:
        bar.ax.set_ylim(0, end)                     # nothing speaks against: show the half that is used
