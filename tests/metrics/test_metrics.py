"""Do the metrics measure what their definitions say, and does each tell a good explanation from a bad one?"""
import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import grid, seeds

from minixnn import attribution, datasets, metrics
from minixnn.arrays import to_numpy
from minixnn.layers import BatchNorm2d, Conv2d, Dense, Flatten, GlobalAvgPool, MaxPool2d, ReLU, Residual
from minixnn.metrics import (continuity, inside_box, localization, mean_and_error, pointing_game, rank_correlation,
                             sanity_check, selectivity, translate)
from minixnn.network import Network
from minixnn.rules import deep_taylor
from minixnn.metrics.randomization import reinitialized, shuffled


def classifier(rng, size=8, channels=1, classes=3):
    """Convolution, pooling, global average, two dense layers: every method in METHODS runs on it."""
    return Network([Conv2d(rng.normal(size=(3, 3, channels, 4)), rng.normal(size=4) / 4), ReLU(), MaxPool2d(2),
                    Conv2d(rng.normal(size=(3, 3, 4, 6)) / 3, rng.normal(size=6) / 4), ReLU(), GlobalAvgPool(),
                    Dense(rng.normal(size=(6, classes)), rng.normal(size=classes) / 4)])


def linear(rng, size, channels=1):
    return Network([Flatten(), Dense(rng.normal(size=(size * size * channels, 3)))])


def pictures(rng, n=5, size=8, channels=1):
    return rng.uniform(0, 1, (n, size, size, channels))


class Recorder:
    """A method that remembers what it was asked."""

    def __init__(self, method=attribution.gradient_times_input):
        self.method, self.asked = method, []

    def __call__(self, net, x, target):
        self.asked.append((net, x.copy(), np.array(target)))
        return self.method(net, x, target)


# ------------------------------------------------------------------------------------------------------ translation

@settings(max_examples=40)
@given(seed=seeds, down=st.floats(-9, 9), right=st.floats(-9, 9))
def test_translation_is_bilinear_interpolation_pixel_by_pixel(seed, down, right):
    rng = np.random.default_rng(seed)
    x = grid(rng, (2, 5, 4, 2), "float64")
    moved = translate(x, down, right, fill=7.0)

    def pixel(n, h, w):
        return x[n, h, w] if 0 <= h < 5 and 0 <= w < 4 else np.full(2, 7.0)

    for n, h, w in np.ndindex(2, 5, 4):
        at_h, at_w = h - down, w - right
        h0, w0 = int(np.floor(at_h)), int(np.floor(at_w))
        expected = sum((1 - abs(at_h - (h0 + i))) * (1 - abs(at_w - (w0 + j))) * pixel(n, h0 + i, w0 + j)
                       for i in (0, 1) for j in (0, 1))
        np.testing.assert_allclose(moved[n, h, w], expected, atol=1e-9)


def test_translation_by_whole_pixels_is_exact_and_keeps_the_dtype():
    x = np.arange(12, dtype="float32").reshape(1, 3, 4, 1)
    moved = translate(x, 1, -2)
    assert moved.dtype == "float32"
    np.testing.assert_array_equal(moved[0, :, :, 0], [[0, 0, 0, 0], [2, 3, 0, 0], [6, 7, 0, 0]])
    np.testing.assert_array_equal(translate(x, 0, 0), x)
    assert translate(x, 0.25, 0).dtype == "float32"


# ------------------------------------------------------------------------------------------------------- continuity

@pytest.mark.parametrize("compare", ["original", "neighbours", "all"])
def test_continuity_is_the_largest_ratio_of_the_definition(compare):
    rng = np.random.default_rng(0)
    net, x = classifier(rng), pictures(rng)
    shifts = [(0, -2.5), (1, 0), (0.5, 0.5), (0, 0.25)]
    moved = [translate(x, *shift) for shift in shifts] + [x]            # the last one, [-1], is the original
    R = [attribution.lrp(net, image, 1) for image in moved]
    found = continuity(attribution.lrp, net, x, 1, shifts, compare, batch_size=2, quiet=True)
    for n, k in np.ndindex(5, 4):
        others = {"original": [-1], "neighbours": range(max(k - 1, 0), k), "all": range(-1, k)}[compare]
        ratios = [np.abs(R[k][n] - R[m][n]).sum() / np.sqrt(((moved[k][n] - moved[m][n]) ** 2).sum()) for m in others]
        assert found.ratios[n, k] == pytest.approx(max(ratios, default=0), rel=1e-9)
    np.testing.assert_array_equal(found.largest, found.ratios.max(axis=1))


def test_continuity_tells_a_jumping_explanation_from_a_smooth_one():
    """max(x1, x2) of Montavon et al. 2018, section 7.1: two pixels, and a network that takes the larger one.

    (3, 1) moved to the right by s is (3 - 3 s, 1 + 2 s): both pixels are equal at s = 2/5.
    """
    net = Network([Flatten(), Dense(np.array([[1.0, -1, 1], [-1, 1, 1]])), ReLU(), Dense(np.full((3, 1), 0.5)), ReLU()])
    x, shifts = np.array([3.0, 1.0]).reshape(1, 1, 2, 1), [0.4 - 1e-4, 0.4 + 1e-4]
    smooth = continuity(partial(attribution.lrp, rules=deep_taylor.z_plus), net, x, 0, shifts, "neighbours")
    jumps = continuity("gradient_times_input", net, x, 0, shifts, "neighbours")
    assert smooth.largest[0] < 2
    assert jumps.largest[0] > 1000


def test_normalised_continuity_does_not_depend_on_the_unit_of_relevance():
    rng = np.random.default_rng(1)
    net, x = classifier(rng), pictures(rng)

    def in_thousandths(net, x, target):
        return 1000 * attribution.lrp(net, x, target)
    one, other = (continuity(method, net, x, normalize=True) for method in ("lrp_epsilon", in_thousandths))
    np.testing.assert_allclose(one.largest, other.largest, rtol=1e-9)
    plain = continuity("lrp_epsilon", net, x)
    sizes = abs(attribution.lrp(net, x)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(plain.largest / sizes, one.largest, rtol=1e-9)


def test_the_curves_of_continuity_are_those_of_the_moved_images():
    rng = np.random.default_rng(2)
    net, x, shifts = classifier(rng, channels=2), pictures(rng, size=7, channels=2), [-3, 0.5, 2]
    found = continuity("lrp_epsilon", net, x, [0, 1, 2, 0, 1], shifts)
    for k, shift in enumerate(shifts):
        moved = translate(x, 0, shift)
        np.testing.assert_allclose(found.outputs[:, k], net.forward(moved)[range(5), [0, 1, 2, 0, 1]], rtol=1e-9)
        R = attribution.lrp(net, moved, [0, 1, 2, 0, 1])
        np.testing.assert_allclose(found.quadrants[:, k, 1, 0], R[:, 3:, :3].sum(axis=(1, 2, 3)), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found.quadrants[:, k].sum(axis=(1, 2)), R.sum(axis=(1, 2, 3)), rtol=1e-7, atol=1e-9)


def test_an_empty_image_that_moves_is_no_division_by_zero():
    rng = np.random.default_rng(3)
    found = continuity("lrp_epsilon", classifier(rng), np.zeros((2, 8, 8, 1)), normalize=True)
    assert np.isfinite(found.ratios).all() and (found.largest == 0).all()


# ------------------------------------------------------------------------------------------------------ selectivity

def remove_by_the_book(explain, f, x, patch, stride, steps, adaptive):
    """One image (H, W, C), patch by patch, pixel by pixel."""
    H, W, _ = x.shape
    tops = [t for t in range(0, H, stride) if t == 0 or t - stride + patch < H]
    lefts = [t for t in range(0, W, stride) if t == 0 or t - stride + patch < W]
    x, R, gone, curve, corners = x.copy(), explain(x), np.zeros((H, W), bool), [f(x)], []
    for _ in range(steps):
        best = None
        for top in tops:
            for left in lefts:
                pixels = [(h, w) for h in range(top, min(top + patch, H)) for w in range(left, min(left + patch, W))]
                if all(gone[p] for p in pixels):
                    continue
                score = sum(R[p].sum() for p in pixels if not gone[p])
                if best is None or score > best[0]:
                    best = score, (top, left), pixels
        for p in best[2]:
            x[p], gone[p] = 0, True
        corners.append(best[1])
        curve.append(f(x))
        R = explain(x) if adaptive else R
    return curve, corners


@pytest.mark.parametrize("mode", ["adaptive", "static"])
@pytest.mark.parametrize("size, patch, stride", [(8, 4, None), (7, 3, None), (6, 3, 1), (7, 3, 2)])
def test_selectivity_is_the_algorithm_of_the_paper(mode, size, patch, stride):
    rng = np.random.default_rng(size)
    net, x = classifier(rng, channels=2), rng.normal(size=(4, size, size, 2))
    target = net.forward(x).argmax(axis=1)
    found = selectivity("lrp_0", net, x, None, patch, 4, mode, stride, batch_size=3, quiet=True)
    for n in range(4):
        curve, corners = remove_by_the_book(
            lambda image: attribution.METHODS["lrp_0"](net, image[None], int(target[n]))[0],
            lambda image: net.forward(image[None])[0, target[n]], x[n], patch, stride or patch, 4, mode == "adaptive")
        np.testing.assert_array_equal(found.corners[n], corners)
        np.testing.assert_allclose(found.curves[n], curve, rtol=1e-9, atol=1e-12)
        area = sum((a + b) / 2 for a, b in zip(curve, curve[1:])) / 4
        assert found.area[n] == pytest.approx(area, rel=1e-9)


def test_gradient_times_input_of_a_linear_net_is_the_most_selective():
    rng = np.random.default_rng(4)
    net, x = linear(rng, 4), pictures(rng, 6, 4)
    best = selectivity("gradient_times_input", net, x, 0, patch=2)
    worst = selectivity(lambda net, x, t: -attribution.gradient_times_input(net, x, t), net, x, 0, patch=2)
    parts = (x.reshape(6, 16) * net.layers[1].W[:, 0]).reshape(6, 2, 2, 2, 2).sum(axis=(2, 4)).reshape(6, 4)
    for n in range(6):
        f = parts[n].sum()
        fall = [f - sum(sorted(parts[n], reverse=True)[:k]) for k in range(5)]
        np.testing.assert_allclose(best.curves[n], fall, atol=1e-9)
        areas = [np.mean([(a + b) / 2 for a, b in zip(curve, curve[1:])])
                 for order in itertools.permutations(parts[n]) for curve in [f - np.cumsum([0, *order])]]
        assert best.area[n] == pytest.approx(min(areas)) and worst.area[n] == pytest.approx(max(areas))


def test_without_a_number_of_steps_every_pixel_is_removed_and_none_twice():
    rng = np.random.default_rng(5)
    net, x = classifier(rng), pictures(rng, size=10)
    for mode in ("adaptive", "static"):
        found = selectivity("gradient", net, x, 2, patch=4, mode=mode, value=0.5)
        assert found.curves.shape == (5, 10)
        assert all(len({tuple(corner) for corner in corners}) == 9 for corners in found.corners)
        np.testing.assert_allclose(found.curves[:, -1], net.forward(x * 0 + 0.5)[:, 2], rtol=1e-9)


def test_adaptive_explains_each_changed_image_and_static_the_first_alone():
    rng = np.random.default_rng(6)
    net, x = classifier(rng), pictures(rng)
    adaptive, static = Recorder(), Recorder()
    selectivity(adaptive, net, x, steps=3, patch=4)
    selectivity(static, net, x, steps=3, patch=4, mode="static")
    assert [len(adaptive.asked), len(static.asked)] == [3, 1]
    assert [int((image == 0).sum()) for _, image, _ in adaptive.asked] == [0, 5 * 16, 5 * 32]


def test_the_target_is_decided_once_on_the_image_as_it_came():
    rng = np.random.default_rng(7)
    net, x = classifier(rng), pictures(rng, 12)
    expected = net.forward(x).argmax(axis=1)
    assert len(set(expected)) > 1
    for ask in (partial(selectivity, steps=3), partial(continuity, shifts=[5, 1.5]), partial(localization,
                boxes=np.tile([0, 0, 4, 4], (12, 1))), partial(sanity_check, rng=rng)):
        for given_target in (None, list(expected), expected):
            recorder = Recorder()
            ask(recorder, net, x, target=given_target)
            assert all((target == expected).all() for _, _, target in recorder.asked)
    found = selectivity("gradient", net, x, steps=2)
    np.testing.assert_allclose(found.curves[:, 0], net.forward(x).max(axis=1))


def test_micro_batches_change_nothing():
    rng = np.random.default_rng(18)
    net, x, target, boxes = classifier(rng), pictures(rng, 7), [0, 2, 1, 1, 0, 2, 0], grid(rng, (7, 4), int) + 4
    for ask in (partial(selectivity, steps=2), continuity, partial(localization, boxes=boxes)):
        for one, other in zip(ask("lrp_0", net, x, target=target), ask("lrp_0", net, x, target=target, batch_size=3)):
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


def test_probabilities_can_be_recorded_in_place_of_logits():
    rng = np.random.default_rng(8)
    net, x = classifier(rng), pictures(rng)
    y = np.exp(net.forward(x))
    found = selectivity("gradient", net, x, 1, steps=2, probability=True)
    np.testing.assert_allclose(found.curves[:, 0], y[:, 1] / y.sum(axis=1), rtol=1e-9)


# ---------------------------------------------------------------------------------------------------- sanity checks

@given(seed=seeds, count=st.integers(2, 12))
def test_rank_correlation_is_spearmans_with_shared_ranks_for_ties(seed, count):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-2, 3, (2, 3, count)).astype(float)

    def rank(v):
        return [sum(w < u for w in v) + (sum(w == u for w in v) + 1) / 2 for u in v]
    for one, other, found in zip(a, b, rank_correlation(a, b)):
        one, other = rank(one), rank(other)
        if len(set(one)) == 1 or len(set(other)) == 1:
            assert found == 0
        else:
            assert found == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-12)


def test_rank_correlation_sees_the_order_alone():
    rng = np.random.default_rng(9)
    a = rng.normal(size=(3, 4, 5, 1))
    np.testing.assert_allclose(rank_correlation(a, np.exp(a)), 1)
    np.testing.assert_allclose(rank_correlation(a, -a ** 3), -1)


def test_a_map_that_does_not_ask_the_network_fails_the_sanity_check():
    rng = np.random.default_rng(10)
    net, x = classifier(rng), pictures(rng, 20)
    blind = sanity_check(lambda net, x, target: x, net, x, rng)
    assert blind.layers == [6, 3, 0]
    np.testing.assert_allclose(blind.signed, 1)
    np.testing.assert_allclose(blind.absolute, 1)
    seeing = sanity_check("gradient", net, x, rng)
    assert (abs(seeing.signed.mean(axis=1)) < 0.9).all() and abs(seeing.signed[-1].mean()) < 0.4


def test_turning_all_signs_is_seen_by_the_signed_correlation_alone():
    rng = np.random.default_rng(11)
    net, x = linear(rng, 4), pictures(rng, size=4)
    found = sanity_check("gradient", net, x, rng, forget=lambda layer, rng: Dense(-layer.W))
    np.testing.assert_allclose(found.signed, -1)
    np.testing.assert_allclose(found.absolute, 1)


@pytest.mark.parametrize("cascading, forgotten", [(True, [[], [6], [3, 6], [0, 3, 6]]), (False, [[], [6], [3], [0]])])
def test_layers_forget_from_the_top_down_or_each_alone(cascading, forgotten):
    rng = np.random.default_rng(12)
    net, x, recorder = classifier(rng), pictures(rng), Recorder()
    sanity_check(recorder, net, x, rng, cascading=cascading)
    changed = [[l for l in range(7) if other.layers[l] is not net.layers[l]] for other, _, _ in recorder.asked]
    assert changed == forgotten


def test_the_sanity_check_is_repeatable_and_leaves_the_network_alone():
    rng = np.random.default_rng(13)
    net, x = classifier(rng), pictures(rng)
    before = [array.copy() for layer in net.layers for array in layer.arrays().values()]
    one = sanity_check("lrp_epsilon", net, x, np.random.default_rng(0))
    other = sanity_check("lrp_epsilon", net, x, np.random.default_rng(0), batch_size=2)
    np.testing.assert_allclose(one.signed, other.signed)
    assert not np.allclose(one.signed, sanity_check("lrp_epsilon", net, x, np.random.default_rng(1)).signed)
    for old, new in zip(before, [array for layer in net.layers for array in layer.arrays().values()]):
        np.testing.assert_array_equal(old, new)


def test_a_layer_that_forgets_keeps_its_size_and_nothing_else():
    rng = np.random.default_rng(14)
    layer = Dense((3 + rng.normal(size=(300, 200))).astype("float32"), np.ones(200, "float32"))
    new = reinitialized(layer, rng)
    assert new.W.dtype == "float32" and (new.b == 0).all()
    assert new.W.std() == pytest.approx(np.sqrt((layer.W ** 2).mean()), rel=0.02) and abs(new.W.mean()) < 0.05
    assert abs(np.corrcoef(new.W.ravel(), layer.W.ravel())[0, 1]) < 0.02
    assert reinitialized(Dense(layer.W), rng).b is None
    norm = BatchNorm2d(*rng.normal(size=(3, 50)), rng.uniform(1, 2, 50))
    for other in (reinitialized(norm, rng), shuffled(norm, rng)):
        for name in ("gamma", "beta", "mean", "variance"):
            old, now = getattr(norm, name), getattr(other, name)
            assert sorted(now) == sorted(old) and (now != old).any()


def test_a_layer_in_two_places_forgets_once():
    rng = np.random.default_rng(14)
    layer = Dense((3 + rng.normal(size=(30, 30))).astype("float32"), np.ones(30, "float32"))
    net = metrics.randomized(Network([Residual([layer, ReLU()], [ReLU(), layer])]), rng, reinitialized)
    first, second = (each for each in net.layers if isinstance(each, Dense))
    assert first is second and abs(first.W.mean()) < 0.5 and (first.b == 0).all()


# ----------------------------------------------------------------------------------------------------- localization

def test_a_randomized_network_has_the_same_numbers_elsewhere():
    rng = np.random.default_rng(0)
    net = Network([Dense(rng.normal(size=(6, 4)), rng.normal(size=4)), ReLU(), Dense(rng.normal(size=(4, 2)))])
    net = net.with_card(mean=0.25, std=0.5, labels=["a", "b"])
    other = metrics.randomized(net, np.random.default_rng(1))
    assert other.layers[0] is net.layers[0] and other.card == net.card
    for mine, theirs in zip(net.layers[1:], other.layers[1:]):
        for name, array in mine.arrays().items():
            if array is not None:
                assert not np.array_equal(array, theirs.arrays()[name])
                assert np.array_equal(np.sort(array, axis=None), np.sort(theirs.arrays()[name], axis=None))
    again = metrics.randomized(net, np.random.default_rng(1), forget=reinitialized)
    assert not again.layers[1].b.any()


def test_inside_box_is_the_share_of_positive_relevance():
    R = np.array([[[1.0, -5, 2], [3, 4, 0]], [[0.0, -1, 0], [0, 0, 0]]])
    np.testing.assert_allclose(inside_box(R, [[0, 0, 2, 2], [0, 0, 2, 2]]), [0.8, 0])
    np.testing.assert_allclose(inside_box(R[:1], [[[0, 0, 1, 3], [0, 0, 2, 1]]]), [0.6])      # overlap: counted once
    channels = np.stack([R, -R / 2], axis=3)
    np.testing.assert_allclose(inside_box(channels, [[0, 0, 2, 2], [0, 0, 2, 2]]), [0.8, 0])


def test_the_pointing_game_is_won_by_the_largest_pixel():
    R = np.array([[[1.0, -5, 2], [3, 4, 0]], [[4.0, 4, 0], [4, 0, 0]]])
    np.testing.assert_allclose(pointing_game(R, np.array([[1, 1, 2, 2], [0, 0, 1, 3]])), [1, 2 / 3])
    np.testing.assert_allclose(pointing_game(R, np.array([[0, 0, 2, 1], [1, 1, 2, 3]])), [0, 0])
    np.testing.assert_allclose(pointing_game(np.zeros((1, 4, 4)), [[0, 0, 2, 2]]), [0.25])      # chance
    with pytest.raises(ValueError, match="one or several"):
        pointing_game(R, [[0, 0, 1, 1]])


def test_boxes_of_cluttered_digits_fit_the_metric():
    images, _, boxes = datasets.cluttered_mnist(6, seed=0, split="test")

    def oracle(net, x, target):
        R = 0 * x
        for n, (top, left, bottom, right) in enumerate(boxes[:len(x)]):
            R[n, top:bottom, left:right] = x[n, top:bottom, left:right]
        return R
    rng = np.random.default_rng(0)
    found = localization(oracle, classifier(rng, classes=10).astype("float32"), images, boxes)
    np.testing.assert_allclose(found, 1)
    everywhere = localization(lambda net, x, target: x * 0 + 1, classifier(rng).astype("float32"), images, boxes)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 1600
    np.testing.assert_allclose(everywhere.inside, area, rtol=1e-6)
    np.testing.assert_allclose(everywhere.hits, area, rtol=1e-6)


# ------------------------------------------------------------------------------------------- of every metric at once

@pytest.mark.parametrize("name", attribution.METHODS)
@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
def test_every_method_goes_through_every_metric(name):
    rng = np.random.default_rng(15)
    net, x = classifier(rng, channels=3), pictures(rng, 3, channels=3)
    boxes = np.tile([1, 1, 6, 6], (3, 1))
    results = [continuity(name, net, x, shifts=[0.5]), selectivity(name, net, x, steps=2),
               localization(name, net, x, boxes), sanity_check(name, net, x, rng)[1:]]
    assert all(np.isfinite(array).all() for result in results for array in result)
    assert results[1].curves.shape == (3, 3) and results[3][0].shape == (3, 3)


def test_baselines_and_fillings_are_the_same_on_every_array_module(xp):
    rng = np.random.default_rng(16)
    net, x = classifier(rng), pictures(rng)
    there, moved = net.on(xp), xp.asarray(x)
    for name in ("the input", "edges", "blob in the middle", "class means"):
        one, other = (metrics.baselines(images, np.arange(5) % 3, np.random.default_rng(0))[name](on, images, None)
                      for on, images in ((net, x), (there, moved)))
        np.testing.assert_allclose(to_numpy(other), one, atol=1e-12)
    paints = metrics.fillings(moved, np.random.default_rng(0))
    mixed = metrics.permuted("gradient", np.random.default_rng(0))
    for one, other in zip(metrics.fillings(x, np.random.default_rng(0)).values(), paints.values()):
        np.testing.assert_allclose(to_numpy(other), one, atol=1e-12)
    np.testing.assert_allclose(to_numpy(mixed(there, moved, 0)),
                               metrics.permuted("gradient", np.random.default_rng(0))(net, x, 0), atol=1e-12)


def test_mean_and_standard_error():
    values = np.array([[1.0, 2], [3, 2], [8, 2]])
    mean, error = mean_and_error(values)
    np.testing.assert_allclose(mean, [4, 2])
    np.testing.assert_allclose(error, [np.sqrt((9 + 1 + 16) / 2 / 3), 0])
    assert np.isnan(mean_and_error(values[:1])[1]).all()


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_a_paired_difference_does_not_see_what_both_have_in_common(seed):
    rng = np.random.default_rng(seed)
    a, b, common = rng.normal(size=(9, 2)), rng.normal(size=(9, 2)), 1000 * rng.normal(size=(9, 1))
    one, other = metrics.paired(a, b), metrics.paired(a + common, b + common)
    np.testing.assert_allclose(other.difference, one.difference, atol=1e-9)
    np.testing.assert_allclose(other.error, one.error, atol=1e-9)
    np.testing.assert_allclose(one.difference, a.mean(axis=0) - b.mean(axis=0))
    np.testing.assert_allclose(metrics.paired(b, a).share, 1 - one.share)


def test_of_equal_pairs_each_side_gets_half():
    assert metrics.paired([1, 2, 3, 3], [1, 1, 1, 4]).share == (0.5 + 1 + 1 + 0) / 4


def test_fillings_lie_within_the_range_of_the_images():
    x = 2 + pictures(np.random.default_rng(20), channels=3).astype(np.float32)
    paints = metrics.fillings(x, np.random.default_rng(0))
    assert all(paint.shape == x.shape[1:] and paint.dtype == x.dtype for paint in paints.values())
    assert not paints["zeros"].any() and (paints["black"] == x.max()).all()
    assert x.min() <= paints["noise"].min() < x.min() + 0.2 and x.max() - 0.2 < paints["noise"].max() <= x.max()
    np.testing.assert_allclose(paints["mean image"], x.mean(axis=0))
    hole = selectivity("gradient", classifier(np.random.default_rng(0), channels=3), x, value=paints["noise"], steps=2)
    assert np.isfinite(hole.curves).all()


def test_baselines_do_not_ask_the_network_and_see_the_class_at_most():
    rng = np.random.default_rng(21)
    x, labels = pictures(rng, n=30), np.repeat([0, 1, 2], 10)
    x[labels == 2, :2] += 1                                     # what tells the third class: ink in the first two rows
    controls = metrics.baselines(x, labels, np.random.default_rng(0))
    one, other = classifier(rng), classifier(rng)
    for name, method in controls.items():
        R = method(one, x[:3], [2, 2, 0])
        assert R.shape == x[:3].shape, name
        if name != "random":
            np.testing.assert_array_equal(R, method(other, x[:3], [2, 2, 0]))
    R = controls["class means"](one, x[-5:], 2)
    assert R[:, :2].min() > 0 > controls["class means"](one, x[-5:], 0)[:, :2].max()
    blob = controls["blob in the middle"](one, x[:1], 0)[0, :, :, 0]
    assert blob[4, 4] == blob.max() and np.array_equal(blob, blob.T) and np.array_equal(blob, blob[::-1])
    step = np.zeros((1, 4, 4, 1))
    step[0, :, 2:] = 1
    assert np.array_equal(metrics.edges(step)[0, :, :, 0], np.tile([0.0, 1, 0, 0], (4, 1)))


def test_a_permuted_map_has_the_same_pixels_elsewhere():
    rng = np.random.default_rng(22)
    net, x = classifier(rng, channels=2), pictures(rng, channels=2)
    R, mixed = (method(net, x, 0).reshape(5, -1, 2) for method in
                (attribution.gradient, metrics.permuted("gradient", np.random.default_rng(0))))
    assert not np.allclose(R, mixed)
    for one, other in zip(R, mixed):                            # pixel by pixel: its channels stay together
        assert sorted(map(tuple, one)) == sorted(map(tuple, other))


@pytest.mark.parametrize("ask, says", [
    (lambda net, x: metrics.paired(x, x[:2]), "two for each image"),
    (lambda net, x: selectivity("lrp", net, x), "expected a function .* or one of gradient, "),
    (lambda net, x: selectivity("gradient", net, x, mode="greedy"), "adaptive"),
    (lambda net, x: selectivity("gradient", net, x, patch=9), "no pixel is left out"),
    (lambda net, x: selectivity("gradient", net, x, patch=2, stride=3), "no pixel is left out"),
    (lambda net, x: selectivity("gradient", net, x, [0, 1]), "2 targets for 5 images"),
    (lambda net, x: continuity("gradient", net, x, compare="none"), "neighbours"),
    (lambda net, x: continuity("gradient", net, x[..., 0]), "height, width, channels"),
    (lambda net, x: sanity_check("gradient", net, x[:0], np.random.default_rng(0)), "at least one"),
    (lambda net, x: sanity_check("gradient", net, x, 0), "default_rng")])
def test_what_cannot_be_measured_is_refused_in_a_sentence(ask, says):
    rng = np.random.default_rng(17)
    with pytest.raises(ValueError, match=says):
        ask(classifier(rng), pictures(rng))


def test_all_metrics_are_found_in_one_module():
    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
