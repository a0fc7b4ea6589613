"""Do the drawings of small networks show the numbers they were given?"""
import numpy as np
import pytest

from minixnn import Dense, Network, ReLU, models, passes, plot
from minixnn.plot import diagrams

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def small():
    W1, W2 = np.array([[1.0, -1.5, 0.0], [1.0, 2.0, 1.0]]), np.array([[1.0], [2.0], [3.0]])
    return Network([Dense(W1), ReLU(), Dense(W2, b=np.array([-0.25]))])


def test_every_activation_weight_bias_and_relevance_is_written(small):
    x = np.array([[3.0, 1.0], [0.0, 0.0]])                                  # the second image is not drawn
    A, R = small.trace(x), passes.gradient(small, x, 0)
    texts = [text.get_text() for text in diagrams.neurons(small, A, R, letter="g").axes[0].texts]
    expected = [diagrams.number(v) for a in A for v in a[0]] + [f"g = {diagrams.number(v)}" for r in R for v in r[0]]
    expected += ["1", "−1.5", "1", "2", "1", "1", "2", "3"]                 # a weight of 0 has no line
    expected += ["b = −0.25", "ReLU", "A[0]", "A[1]", "A[2]", "A[3]"]
    assert sorted(texts) == sorted(expected)


def test_neurons_have_the_colours_of_heatmaps_and_none_without_relevance(small):
    x = np.array([[3.0, 1.0]])
    A, R = small.trace(x), passes.gradient(small, x, 0)
    limit = max(abs(r).max() for r in R)
    circles = diagrams.neurons(small, A, R).axes[0].patches
    for circle, value in zip(circles, np.concatenate([r[0] for r in R]), strict=True):
        assert circle.get_facecolor() == plot.signed_colours()(0.5 + 0.5 * value / limit)
    assert {c.get_facecolor() for c in diagrams.neurons(small, A).axes[0].patches} == {(1, 1, 1, 1)}


def test_arrows_and_points_stand_where_they_should():
    where, arrow = np.array([[1.0, 2.0], [0.5, 0.5]]), np.array([[0.5, -1.0], [0.0, 0.25]])
    figure = diagrams.plane(lambda p: p.sum(axis=1) - 2, {"a": (where, arrow), "b": (where, 2 * arrow)}, (-1, 3),
                            zero="f = 0", points=[(where[0], "here")])
    for ax, name, size in zip(figure.axes, "ab", (1, 2)):
        field, = [child for child in ax.get_children() if hasattr(child, "U")]
        assert ax.get_title() == name and ax.get_xlim() == (-1, 3) == ax.get_ylim()
        assert np.array_equal(field.XY, where) and np.array_equal(np.stack([field.U, field.V], 1), size * arrow)
        assert field.scale == 1 and field.scale_units == "xy" and field.angles == "xy", "in the units of the axes"
        assert [list(line.get_xydata()[0]) for line in ax.lines] == [[1, 2]]
        assert "here" in [text.get_text() for text in ax.texts]
    line, = [c for c in figure.axes[0].collections if hasattr(c, "levels") and list(c.levels) == [0]]
    edge = np.concatenate([path.vertices for path in line.get_paths()])
    assert np.allclose(edge.sum(axis=1), 2), "the strong line is where f = 0"


@pytest.mark.parametrize("value, text", [(3.0, "3"), (-0.25, "−0.25"), (1 / 3, "0.33"), (-1e-9, "0"), (1234.0, "1234")])
def test_numbers_are_short(value, text):
    assert diagrams.number(value) == text


def test_surfaces_have_the_height_of_their_function():
    figure = diagrams.surfaces({"a": lambda p: p[:, 0], "b": lambda p: -2 * p[:, 1]}, (0, 4), "Two planes")
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]
    assert [tuple(ax.get_zticks()) for ax in figure.axes] == [(0, 2, 4), (-8, -4, 0)]
    corners = figure.axes[0].collections[0].get_array()         # each facet is coloured by its mean height
    assert 0 <= corners.min() < 0.1 and 3.9 < corners.max() <= 4, (corners.min(), corners.max())


def test_a_schematic_names_its_parts_and_joins_them():
    picture = np.linspace(0, 1, 16).reshape(4, 4, 1)
    figure = diagrams.schematic({"x": (0, 0, "digit", picture), "g": (1, 0, "generator"), "loss": (1, 1, "image loss")},
                                [("x", "g"), ("x", "loss"), ("g", "loss")], "Who draws", losses=["loss"])
    ax, = figure.axes
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["digit", "generator", "image loss"]
    arrows = [text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert [arrow.get_linestyle() for arrow in arrows] == ["-", "--", "--"]
    shown, = ax.images
    assert np.array_equal(shown.get_array(), picture[..., 0])


def test_a_network_is_drawn_with_a_line_a_layer_and_an_arc_a_branch():
    net, x = models.load("vit"), np.zeros((1, 28, 28, 1), np.float32)
    figure = plot.network(net, x, title="ViT")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sum("Dense(64 -> 64)" in text for text in texts) == 8 and "(16, 64)" in texts
    arrows = [child for child in figure.axes[0].texts if getattr(child, "arrow_patch", None) is not None]
    assert len(arrows) == sum(len(sources) for sources in net.inputs)
    folded = plot.network(net, depth=1)
    assert [text.get_text() for text in folded.axes[0].texts if "layers" in text.get_text()] == [
        "3  15 layers", "4  5 layers", "5  15 layers", "6  5 layers"]
    with pytest.raises(ValueError, match="at most 80"):
        plot.network(Network([ReLU()] * 81))
    plt.close("all")
