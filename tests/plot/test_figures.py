"""Do the figures show the numbers they were given, and does a script end as it should with and without a display?"""
import os
import subprocess
import sys

import numpy as np
import pytest

from minixnn import plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


def shown(figure):
    """The panels of a figure that hold a picture: their last image, in reading order."""
    return [ax.images[-1] for ax in figure.axes if ax.images]


def digits(n, seed=0):
    return np.random.default_rng(seed).random((n, 28, 28, 1)).astype(np.float32)


def signed(n, seed=0, shape=(28, 28, 1)):
    return np.random.default_rng(seed).normal(size=(n, *shape))


def test_importing_plot_does_not_import_matplotlib():
    code = "import sys, minixnn.plot; assert 'matplotlib' not in sys.modules, 'matplotlib was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib"):
        plot.images(digits(1))


@pytest.mark.parametrize("form", [lambda x: x, lambda x: x[..., 0], lambda x: x.reshape(3, 784), list,
                                  lambda x: [picture[..., 0] for picture in x]])
def test_every_accepted_form_of_pictures_draws_the_same(form):
    x = digits(3)
    panels = shown(plot.images(form(x)))
    assert len(panels) == 3
    for panel, picture in zip(panels, x):
        assert np.array_equal(panel.get_array(), picture[..., 0])


def test_zero_is_paper_and_one_is_ink():
    panel, = shown(plot.images(np.array([[[0.0, 1.0]]])))
    assert panel.to_rgba(0.0)[:3] == (1, 1, 1) and panel.to_rgba(1.0)[:3] == (0, 0, 0)


def test_colour_pictures_keep_their_colours():
    panel, = shown(plot.images(np.full((1, 4, 4, 3), (0.2, 0.4, 0.6))))
    assert np.allclose(panel.get_array(), (0.2, 0.4, 0.6))


@pytest.mark.parametrize("shape", [(784,), (3, 783), (1, 1, 28, 28, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"got pictures of shape .*expected \(N, H, W, 1\)"):
        plot.images(np.zeros(shape))


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="got no pictures"):
        plot.images(np.zeros((0, 28, 28, 1)))


def test_a_heatmap_is_white_at_zero_and_as_wide_below_as_above():
    for panel in shown(plot.heatmaps({"a": signed(3), "b": signed(3, 1)})):
        low, high = panel.get_clim()
        assert low == -high and np.isclose(high, np.abs(panel.get_array()).max())
        assert panel.to_rgba(0.0)[:3] == (1, 1, 1)


def test_red_speaks_for_and_blue_against_in_grey_too():
    red, _, blue, _ = plot.signed_colours()(1.0)
    assert red > blue
    red, _, blue, _ = plot.signed_colours()(0.0)
    assert red < blue
    grey = plot.signed_colours()(np.linspace(0, 1, 101))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(grey[:51]) > 0).all() and (np.diff(grey[50:]) < 0).all(), "a grey copy must not turn around"
    assert grey[-1] < 0.15 < 0.35 < grey[0], (grey[-1], grey[0])


@pytest.mark.parametrize("scale, limits", [("map", [1, 2, 3, 4]), ("method", [2, 2, 4, 4]), ("figure", [4, 4, 4, 4])])
def test_limits_are_shared_as_asked(scale, limits):
    maps = {"a": np.array([[[1.0]], [[-2.0]]]), "b": np.array([[[3.0]], [[-4.0]]])}
    assert [panel.get_clim()[1] for panel in shown(plot.heatmaps(maps, scale=scale))] == limits


def test_a_quantile_keeps_one_bright_pixel_from_bleaching_the_rest():
    R = np.ones((1, 10, 10))
    R[0, 0, 0] = 1000
    assert shown(plot.heatmaps({"a": R}, quantile=0.9))[0].get_clim() == (-1, 1)
    assert shown(plot.heatmaps({"a": R}))[0].get_clim() == (-1000, 1000)


def test_a_map_of_zeros_and_a_map_with_nan_are_drawn():
    R = np.zeros((2, 4, 4))
    R[1, 0, 0], R[1, 1, 1] = np.nan, 5
    figure = plot.heatmaps({"a": R}, outlines=True, images=np.ones((2, 4, 4)))
    figure.canvas.draw()
    assert shown(figure)[3].get_clim() == (-5, 5)
    assert np.allclose(shown(figure)[2].to_rgba(0.0), 1)


def test_colour_channels_of_a_heatmap_are_summed():
    R = signed(1, shape=(5, 5, 3))
    panel, = shown(plot.heatmaps({"a": R}))
    assert np.allclose(panel.get_array(), R[0].sum(axis=2))


@pytest.mark.parametrize("transpose", [False, True])
def test_methods_and_images_are_where_their_names_are(transpose):
    x, maps = digits(3), {"LRP": signed(3, 1), "gradient": signed(3, 2)}
    figure = plot.heatmaps(maps, images=x, names="abc", title="three", transpose=transpose)
    panels = [ax for ax in figure.axes if ax.images]
    grid = np.array(panels).reshape(3, 3)
    above, beside = [ax.get_title() for ax in grid[0]], [ax.get_ylabel() for ax in grid[:, 0]]
    methods = ["input", "LRP", "gradient"]
    assert (above, beside) == ((methods, list("abc")) if transpose else (list("abc"), methods))
    assert not any(ax.get_title() or ax.get_ylabel() for ax in grid[1:, 1:].flat)
    grid = grid.T if transpose else grid
    for row, pictures in zip(grid, [x, *maps.values()]):
        for ax, picture in zip(row, pictures):
            assert np.array_equal(ax.images[0].get_array(), picture[..., 0])


def test_the_colour_bar_of_nonnegative_maps_shows_half_of_the_scale():
    half, whole = plot.heatmaps({"a": np.abs(signed(2))}), plot.heatmaps({"a": signed(2)})
    assert half.axes[-1].get_ylim() == (0, 1) and whole.axes[-1].get_ylim() == (-1, 1)
    numbers = plot.heatmaps({"a": np.full((2, 3, 3), -7.5)}, scale="figure").axes[-1]
    assert [label.get_text() for label in numbers.get_yticklabels()] == ["\N{MINUS SIGN}7.5", "0", "7.5"]


def said(figure):
    """The line at the bottom, and the numbers along the colour bars."""
    bars = [ax for ax in figure.axes if not ax.images]
    labels = [[label.get_text() for label in (ax.get_yticklabels() or ax.get_xticklabels())] for ax in bars]
    return figure.get_supxlabel(), labels


def test_a_figure_says_where_its_colours_end():
    R = {"a": signed(2), "b": 30 * signed(2, 1)}
    limit = ["\N{MINUS SIGN}limit", "0", "limit"]
    assert said(plot.heatmaps(R)) == ("limit: each map's largest |R|", [limit])
    assert said(plot.heatmaps(R, quantile=0.995)) == ("limit: each map's 99.5 % quantile of |R|", [limit])
    assert said(plot.overlay(digits(2), signed(2), quantile=0.9))[0] == "limit: each map's 90 % quantile of |R|"
    assert said(plot.heatmaps(R, scale="figure"))[0] == "", "the numbers on the bar say it all"
    assert said(plot.heatmaps(R, scale="figure", quantile=0.9))[0] == "colours end at the 90 % quantile of |R|"
    text, bars = said(plot.heatmaps(R, scale="method", quantile=0.9))
    assert text == "colours end at each row's 90 % quantile of |R|"
    assert [float(labels[-1]) for labels in bars] == [pytest.approx(np.quantile(abs(r), 0.9), rel=1e-2)
                                                      for r in R.values()]
    assert "each column's" in said(plot.heatmaps(R, scale="method", quantile=0.9, transpose=True))[0]


def test_maps_laid_over_images_share_a_scale_if_asked():
    R = np.array([[[1.0]], [[-2.0]]])
    assert [panel.get_clim()[1] for panel in shown(plot.overlay(np.ones((2, 1, 1)), R))] == [1, 2]
    assert [panel.get_clim()[1] for panel in shown(plot.overlay(np.ones((2, 1, 1)), R, scale="figure"))] == [2, 2]


def test_pictures_of_one_figure_share_white_and_black():
    x = np.stack([np.full((2, 2), 0.1), np.full((2, 2), 3.0)])
    figure = plot.images(x)
    assert [panel.get_clim() for panel in shown(figure)] == [(0, 3), (0, 3)]
    assert said(figure)[1] == [["0", "3"]]
    assert [panel.get_clim() for panel in shown(plot.images(x, limits=(0, 0.1)))] == [(0, 0.1), (0, 0.1)]
    assert len(plot.images(digits(2)).axes) == 2, "ink from 0 to 1 needs no bar"


def test_less_than_no_ink_is_green_and_zero_stays_paper():
    panel, = shown(plot.images(np.array([[[-0.5, 0.0, 1.0]]])))
    red, green, blue, _ = panel.to_rgba(-0.5)
    assert green > max(red, blue) + 0.05, (red, green, blue)
    assert np.allclose(panel.to_rgba(0.0)[:3], 1, atol=0.01) and panel.to_rgba(1.0)[:3] == (0, 0, 0)


def test_fewer_titles_than_pictures_stand_above_the_first_row():
    figure = plot.images(digits(4), ["a", "b"], columns=2)
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "", ""]


def test_rows_of_pictures_have_names():
    figure = plot.images(digits(4), columns=2, rows=["digits", "others"])
    assert [ax.get_ylabel() for ax in figure.axes] == ["digits", "", "others", ""]


def test_a_long_title_is_wrapped_to_the_figure():
    figure = plot.images(digits(1), title="a title of many words " * 9)
    figure.canvas.draw()
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_heatmaps_that_do_not_match_the_images_are_refused():
    with pytest.raises(ValueError, match="'input': 2, 'LRP': 3.*expected one heatmap per image"):
        plot.heatmaps({"LRP": signed(3)}, images=digits(2))
    with pytest.raises(ValueError, match="got 2 images and 3 heatmaps"):
        plot.overlay(digits(2), signed(3))
    with pytest.raises(ValueError, match="got scale='row', expected"):
        plot.heatmaps({"LRP": signed(3)}, scale="row")


def test_a_coarse_map_is_stretched_and_boxes_enclose_their_pixels():
    figure = plot.overlay(digits(2), signed(2, shape=(7, 7)), boxes=[[2, 3, 10, 12], [0, 0, 28, 28]])
    for ax, box in zip(figure.axes, [(2.5, 1.5, 9, 8), (-.5, -.5, 28, 28)]):
        assert tuple(ax.images[-1].get_extent()) == (-.5, 27.5, 27.5, -.5)
        assert ax.patches[0].get_bbox().bounds == box
        assert len(ax.collections) == 1, "the outline of the input is missing"


def test_several_boxes_per_picture():
    figure = plot.images(digits(2), boxes=np.arange(16).reshape(2, 2, 4))
    assert [len(ax.patches) for ax in figure.axes] == [2, 2]


def test_faint_relevance_lets_a_photograph_shine_through():
    R = np.array([[[0.0, 1.0]]])
    back, heat = plot.overlay(np.full((1, 2, 2, 3), 0.5), R).axes[0].images
    assert np.allclose(heat.get_alpha(), [[0.0, 0.85]]) and np.allclose(back.get_array(), 0.8)


def test_a_grid_wraps_and_has_no_empty_panels():
    assert len(plot.images(digits(7), columns=3).axes) == 7


def test_curves_show_mean_and_error_and_differ_without_colour():
    x = np.arange(5)
    ax, = plot.curves(x, {f"m{k}": (x * k, np.ones(5)) if k else x + 9 for k in range(8)}, "x", "y", "title").axes
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines}) == 8
    assert np.array_equal(ax.lines[3].get_ydata(), x * 3) and np.array_equal(ax.lines[0].get_ydata(), x + 9)
    assert len(ax.collections) == 7
    band = ax.collections[2].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (-1, 13)
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == [f"m{k}" for k in range(8)]


def test_one_curve_needs_no_legend():
    assert not plot.curves([0, 1], {"only": [1, 2]}).legends


def test_panels_of_curves_share_their_range_and_one_legend():
    figure = plot.curves([0, 1], {"left": {"a": [0, 1], "b": [0, 5]}, "right": {"b": ([-3, 2], [1, 1])}})
    left, right = figure.axes
    assert (left.get_title(), right.get_title(), left.get_ylim()) == ("left", "right", right.get_ylim())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert left.lines[1].get_color() == right.lines[0].get_color(), "a name keeps its colour"


def test_counts_are_counted_by_whole_numbers():
    ticks = plot.curves(range(3), {"a": [0, 1, 2]}).axes[0].get_xticks()
    assert np.array_equal(ticks, ticks.round())


def test_bars_have_the_lengths_and_errors_they_were_given():
    figure = plot.bars({"a": (0.3, 0.1), "b": -2.0}, references={"chance": 0.5})
    ax, = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [0.3, -2.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"] and ax.yaxis_inverted()
    assert np.allclose(ax.collections[0].get_segments()[0], [[0.2, 0], [0.4, 0]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["chance"]
    assert not plot.bars({"a": 1.0}).legends


def test_bars_of_several_series_lie_beside_each_other():
    figure = plot.bars({"old": {"a": 1.0, "b": 2.0}, "new": {"b": 4.0}})
    places = [(bar.get_y() + bar.get_height() / 2, bar.get_width()) for bar in figure.axes[0].patches]
    assert np.allclose(places, [(-0.2, 1), (0.8, 2), (1.2, 4)])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["old", "new"]


SCRIPT = """
import matplotlib.pyplot as plt
from minixnn import plot
plt.figure(); plt.figure(); plot.show()
plt.figure(); plot.show()
assert not plt.get_fignums()
"""


def run(script, text, **environment):
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text)
    root = os.path.dirname(os.path.dirname(plot.__file__))          # the script lies elsewhere and must find minixnn
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": root, **environment}
    return subprocess.run([sys.executable, script], env=environment, cwd=script.parents[1], text=True, check=True,
                          stdout=subprocess.PIPE).stdout


def names(folder):
    return sorted(path.name for path in folder.glob("**/*.png"))


def test_a_lesson_saves_its_figures_beside_the_lessons_and_counts_on(tmp_path):
    run(tmp_path / "lessons" / "2_3_lrp.py", SCRIPT)
    assert names(tmp_path / "figures") == ["2_3_lrp_1.png", "2_3_lrp_2.png", "2_3_lrp_3.png"]


def test_another_script_saves_where_the_environment_says_or_where_it_runs(tmp_path):
    run(tmp_path / "mine" / "own.py", SCRIPT)
    assert len(names(tmp_path / "figures")) == 3
    output = run(tmp_path / "mine" / "own.py", SCRIPT, MINIXNN_FIGURES=str(tmp_path / "there"))
    assert names(tmp_path / "there") == ["own_1.png", "own_2.png", "own_3.png"]
    assert str(tmp_path / "there" / "own_1.png") in output


def test_with_a_display_figures_are_shown_and_not_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []
    monkeypatch.setattr(plt, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(plt, "show", lambda: calls.append("shown"))
    plt.figure()
    plot.show()
    assert calls == ["shown"] and not names(tmp_path)


# --- channels without colours of their own ---------------------------------------------------------------------------

@pytest.mark.parametrize("channels", [2, 4, 5, 11])
def test_channels_that_are_no_colours_are_not_drawn_as_such(channels):
    rng = np.random.default_rng(0)
    x, R = rng.random((2, 9, 9, channels)), rng.normal(size=(2, 9, 9, channels))
    for draw in (lambda: plot.images(x), lambda: plot.heatmaps({"LRP": R}, x), lambda: plot.images(list(x))):
        with pytest.raises(ValueError, match=f"got pictures of {channels} channels, expected 1 or 3"):
            draw()
    for figure in (plot.heatmaps({"LRP": R}), plot.heatmaps({"LRP": R}, x[..., :1]), plot.overlay(x, R)):
        drawn = [image.get_array().shape for ax in figure.axes for image in ax.images]
        assert (9, 9) in drawn and not any(len(shape) == 3 for shape in drawn)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_first_and_a_single_picture_are_told_apart_from_pictures(channels):
    rng = np.random.default_rng(0)
    first, R = rng.random((2, channels, 9, 8)), rng.normal(size=(2, channels, 9, 8))
    for draw in (lambda: plot.images(first), lambda: plot.heatmaps({"LRP": R}), lambda: plot.overlay(first, R),
                 lambda: plot.overlay(first.transpose(0, 2, 3, 1), R)):
        with pytest.raises(ValueError, match=r"write x.transpose\(0, 2, 3, 1\)"):
            draw()
    if channels != 4:
        with pytest.raises(ValueError, match=r"looks like a? ?(one|single) picture[:;] write picture\[None\]"):
            plot.images(rng.random((9, 8, channels)))


def test_words_are_spelled_in_the_colours_of_their_own_largest_relevance():
    R = [np.array([3.0, -1.5, 0]), np.array([0.1, 0.2])]
    figure = plot.spelled(["cat", "at"], R, [["K", "AE1", "T"], ["AE1", "T"]], [0, 1], ["a", "b"], "words", columns=1)
    colours = plot.signed_colours()
    for ax, word, r, name in zip(figure.axes, ("cat", "at"), R, "ab"):
        assert [text.get_text() for text in ax.texts][:len(word)] == list(word) and ax.get_title() == name
        for box, value in zip(ax.patches, r / abs(r).max()):
            assert np.allclose(box.get_facecolor(), colours((value + 1) / 2))
    marked = [text.get_text() for ax in figure.axes for text in ax.texts if text.get_bbox_patch() is not None]
    assert marked == ["K", "T"] and "red speaks for" in figure.get_supxlabel()
    assert plot.spelled(["a"], [np.ones(1)], [["AH0"]]).get_supxlabel() == ""
    for bad, expected in ((dict(words=["cat"], R=[np.ones(2)], below=[["K"]]), r"shape \(2,\) for 'cat', expected 3"),
                          (dict(words=["a"], R=[np.ones(1)], below=[]), "got 0 lines below for 1 words"),
                          (dict(words=["a"], R=[], below=[["AH0"]]), "got 0 relevances for 1 words")):
        with pytest.raises(ValueError, match=expected):
            plot.spelled(**bad)


def test_a_text_is_coloured_token_by_token_and_keeps_its_lines():
    words, R = ["def", " ", "f", "(x):\n", "    ", "return", " x$1$"], np.array([1.0, 0, -0.5, 0.2, 0, 0.6, -1.0])
    figure = plot.tokens(words, R, title="why Python")
    ax, = figure.axes
    texts, boxes = ax.texts, ax.patches
    assert [text.get_text() for text in texts] == [word.rstrip("\n") for word in words]
    assert [int(box.get_y()) for box in boxes] == [0, 0, 0, 0, 1, 1, 1] and boxes[2].get_x() == 4
    colours = plot.signed_colours()
    for box, r in zip(boxes, R):
        assert np.allclose(box.get_facecolor(), colours((r + 1) / 2)), r
    same = plot.tokens(np.array([2, 0]), np.ones((2, 3)), vocabulary=["a", "b", "c"])
    assert [text.get_text() for text in same.axes[0].texts] == ["c", "a"]
    figure.canvas.draw()
    long = plot.tokens(["word "] * 100, np.ones(100), width=4)
    assert max(box.get_x() + box.get_width() for box in long.axes[0].patches) <= long.axes[0].get_xlim()[1]
    for bad, expected in (((["a"], np.ones(2)), "got 1 tokens and relevances of shape"),
                          (([1], np.ones(1)), "vocabulary"), (([7], np.ones(1), ["a"]), "has no name for")):
        with pytest.raises(ValueError, match=expected):
            plot.tokens(*bad)
