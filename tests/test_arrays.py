"""Does everything run on the array module it is given, compute what NumPy computes, and stay there?

Every test runs on NumPy, on the stand-in for CuPy (tests/backends/standin.py) and, where there is a device,
on CuPy. What must come back: the same kind of array, the same type of number, NumPy's values to 1e-4.
"""
import collections
import contextlib
import re
from functools import partial

import numpy as np
import pytest
from tests.helpers import apply, gradient
from tests.backends.record_cupy import devices
from tests.registry import TOKENS, draw

from minixnn import arrays, attribution, batching, datasets, ledger, metrics, passes, synthesis
from tests.backends import standin as standin_cupy
from tests.device.cases import LAYERS, SECTIONS, X, X_REF, a_net, image_net
from minixnn.cli.to_file import explain_to
from minixnn.layers import Dense, Dropout, Flatten, ReLU, Sigmoid, Tanh, Unflatten
from minixnn.layers.folding import fold_batch_norm
from minixnn.metrics import randomization as sanity
from minixnn.network import Network
from minixnn.rules import composites, deep_taylor, lrp, root_points
from minixnn.synthesis import density, generator
from minixnn.layers.softmax import softmax
from minixnn.train import SGD, Adam, accuracy, cross_entropy, fit

pytestmark = pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")       # the networks here have some


elsewhere = pytest.mark.parametrize("xp", devices(), indirect=True)      # NumPy beside itself would say nothing


def assert_same(came, expected, xp, dtype="float32"):
    """`came` is an array of `xp` with the type, shape and numbers of NumPy's `expected`; likewise lists and dicts.

    Numbers that are not whole are of `dtype`: what is computed from float32 is float32, everywhere.
    """
    if expected is None or isinstance(expected, (str, bool, int)):
        assert came == expected
    elif isinstance(expected, dict):
        assert came.keys() == expected.keys()
        for name in expected:
            assert_same(came[name], expected[name], xp, dtype)
    elif isinstance(expected, (list, tuple)):
        assert len(came) == len(expected)
        for one, other in zip(came, expected):
            assert_same(one, other, xp, dtype)
    elif type(expected) is float:
        assert came == pytest.approx(expected, rel=1e-4)
    else:
        assert arrays.array_module(came) is xp
        assert came.dtype == expected.dtype and came.shape == expected.shape
        assert expected.dtype == dtype or expected.dtype.kind != "f"
        size = np.abs(expected).max(initial=1e-6, where=np.isfinite(expected))
        np.testing.assert_allclose(arrays.to_numpy(came), expected, rtol=1e-4, atol=1e-4 * size)


@contextlib.contextmanager
def waiting_at_most(times):
    """What stands inside may make the host wait for the device so often (seen on the stand-in)."""
    with standin_cupy.waiting() as waits:
        yield
    assert len(waits) <= times, waits


def on(layer, xp):
    return layer.map_arrays(xp.asarray)


GROUPS = collections.defaultdict(list)          # the cases of tests/device, by layer, rule or pass
for section in ("layers", "rules", "passes", "attention and norms"):
    for name, compute in SECTIONS[section]():
        GROUPS[section, re.split(": |, (?!.*: )", name)[0]].append((name, compute))


@pytest.mark.parametrize("section, group", GROUPS, ids=map(": ".join, GROUPS))
@elsewhere
def test_what_is_computed_on_a_device_is_what_numpy_computes(section, group, xp):
    """Layers wait for the device nowhere but to look whether tokens are tokens, rules only for their condition on x."""
    waits = {"layers": 4 if group in TOKENS else 0, "rules": 1}.get(section)
    for name, compute in GROUPS[section, group]:
        expected = compute(np, "float32")
        with waiting_at_most(waits) if waits is not None else contextlib.nullcontext():
            found = compute(xp, "float32")
        assert_same(found, expected, xp), name


@pytest.mark.parametrize("name", LAYERS)
@elsewhere
def test_every_layer_while_it_learns(name, xp):
    layer, shape = LAYERS[name]
    layer, mine = layer.map_arrays(np.copy), on(layer, xp)              # the running statistics change
    x = draw(*shape)
    mx = xp.asarray(x)
    while_learning, mine_learning = (f.training(a, np.random.default_rng(1)) for f, a in ((layer, x), (mine, mx)))
    y = while_learning.forward(x)
    dy = draw(*y.shape, seed=6)
    mdy = xp.asarray(dy)
    with waiting_at_most(0):
        my = mine_learning.forward(mx)
        found = [mine_learning.gradient(mx, my, mdy), mine_learning.parameter_gradients(mx, mdy), my]
    assert_same(found, [gradient(while_learning, x, dy), while_learning.parameter_gradients(x, dy), y], xp)
    assert_same(mine.arrays(), layer.arrays(), xp)


def test_a_rule_outside_its_domain_says_so_in_a_pass_and_by_itself(xp):
    net, x = Network([Dense(draw(6, 4)), Tanh(), Dense(draw(4, 3))]).on(xp), xp.asarray(draw(2, 6))
    with pytest.raises(ValueError, match="gamma got negative inputs"):
        passes.lrp(net, x, rules=lrp.gamma)
    with pytest.raises(ValueError, match="z_plus got negative inputs"):
        apply(deep_taylor.z_plus, net.layers[0], x, x[:, :4])
    assert np.isfinite(arrays.to_numpy(passes.lrp(net, abs(x), rules=[lrp.gamma, None, lrp.epsilon])[0])).all()


def test_arrays_that_are_none_are_refused_in_a_sentence():
    for wrong in ([[1.0]], 1.0, None):
        with pytest.raises(TypeError, match="expected a NumPy or CuPy array"):
            arrays.array_module(wrong)


@pytest.mark.parametrize("place", ["CPU_DEVICE", "device1", "device2"])
def test_arrays_of_the_array_api_standard_alone_get_a_sentence(place):
    strict = pytest.importorskip("array_api_strict", reason="array_api_strict is not installed")
    net, x = a_net(), strict.asarray(X, device=strict.Device(place))
    for call in (arrays.array_module, net.forward, partial(passes.lrp, net), partial(attribution.lrp, net)):
        with pytest.raises(TypeError, match="got Array .*lacks NumPy's methods.*expected a NumPy or CuPy array"):
            call(x)


def test_the_module_of_an_array_is_asked_of_the_array(xp):
    class Mine(type(xp.asarray(X))):
        """An array by another name, made by a user."""
    assert arrays.array_module(xp.asarray(X)) is xp
    assert arrays.array_module(Mine.__new__(Mine, (1,) if xp is not standin_cupy else ())) is xp

    class Other:
        """What follows the standard, and has NumPy's methods."""
        clip = None

        def __array_namespace__(self):
            return "its module"
    assert arrays.array_module(Other()) == "its module"
    assert arrays.array_module(np.float32(1)) is np


def test_to_numpy_and_like_move_there_and_back(xp):
    there = arrays.like(xp.asarray(X), X_REF)
    assert arrays.array_module(there) is xp
    assert type(arrays.to_numpy(there)) is np.ndarray and (arrays.to_numpy(there) == X_REF).all()


def test_a_network_moves_as_a_copy_and_predicts_in_batches(xp):
    net = a_net()
    mine = net.on(xp)
    mine.layers[0].W[...] = 0
    assert net.layers[0].W.any() and all(type(a) is np.ndarray for layer in net.layers
                                         for a in layer.arrays().values() if a is not None)
    mine = net.on(xp)
    assert_same(mine.predict(xp.asarray(X), batch_size=2), net.forward(X), xp)
    assert_same(mine.astype("float64").forward(xp.asarray(X.astype("float64"))),
                net.astype("float64").forward(X.astype("float64")), xp, "float64")
    assert_same(mine.on(np).forward(X), net.forward(X), np)
    assert mine.describe(lrp.epsilon, xp.asarray(X)) == net.describe(lrp.epsilon, X)


def test_a_network_is_saved_from_where_it_lives(xp, tmp_path):
    net = a_net()
    net.on(xp).save(tmp_path / "net.npz")
    assert_same(Network.load(tmp_path / "net.npz").forward(X), net.forward(X), np)


def test_bad_input_is_refused(xp):
    net = a_net().on(xp)
    for value in (np.nan, np.inf):
        x = xp.array(X)
        x[1, 2, 3, 0] = value
        with pytest.raises(ValueError, match="NaN or infinite"):
            passes.gradient(net, x)
    with pytest.raises(ValueError, match="got target 5"):
        passes.gradient(net, xp.asarray(X), target=5)


def test_batch_norm_folds(xp):
    net = a_net()
    assert_same(fold_batch_norm(net.on(xp)).forward(xp.asarray(X)), fold_batch_norm(net).forward(X), xp)


def test_softmax_and_the_loss(xp):
    logits, labels = 3 * draw(4, 5), np.array([0, 4, 4, 2])
    assert_same(softmax(xp.asarray(logits)), softmax(logits), xp)
    assert_same(cross_entropy(xp.asarray(logits), labels), cross_entropy(logits, labels), xp)


@pytest.mark.parametrize("optimizer", [Adam, SGD])
@elsewhere
def test_training_takes_the_same_steps(optimizer, xp):
    rng = np.random.default_rng(7)
    images, labels = rng.random((20, 5, 5, 2), dtype="float32"), rng.integers(0, 5, 20)
    net, mine = a_net(bias=False), a_net(bias=False).on(xp)     # that bias has a gradient of rounding errors alone
    knobs = {"epochs": 2, "batch_size": 8, "quiet": True}
    history = fit(net, images, labels, rng=np.random.default_rng(8), optimizer=optimizer(), **knobs)
    found = fit(mine, xp.asarray(images), labels, rng=np.random.default_rng(8), optimizer=optimizer(), **knobs)
    assert_same(found, history, xp)
    assert_same([layer.arrays() for layer in mine.layers], [layer.arrays() for layer in net.layers], xp)
    assert_same(accuracy(mine, xp.asarray(images), labels), accuracy(net, images, labels), xp)


@elsewhere
def test_training_with_labels_on_the_device_on_shifted_images(xp):
    images, labels = np.random.default_rng(7).random((8, 5, 5, 2), dtype="float32"), np.arange(8) % 5
    results = []
    for module in (np, xp):
        net, x, y = a_net(bias=False).on(module), module.asarray(images), module.asarray(labels)
        history = fit(net, x, y, epochs=1, batch_size=4, rng=np.random.default_rng(8), augment=datasets.shifted,
                      validation=(x, y), quiet=True)
        results.append([history, [layer.arrays() for layer in net.layers]])
    assert_same(results[1], results[0], xp)


def test_training_waits_for_the_device_only_when_an_epoch_ends():
    counts = []
    for images in (16, 64):
        net, x = a_net().on(standin_cupy), standin_cupy.asarray(draw(images, 5, 5, 2))
        with standin_cupy.waiting() as waits:
            fit(net, x, np.zeros(images, int), epochs=1, batch_size=8, rng=np.random.default_rng(0), quiet=True)
        counts.append(waits)
    assert len(counts[0]) == len(counts[1]), counts


OPTIONS = {
    "several references": lambda net, x, xp: attribution.deeplift(net, x, 1, [x[0], x[1:2] / 2]),
    "a baseline for all, with error": lambda net, x, xp: attribution.integrated_gradients(
        net, x, baseline=x[:1] / 3, steps=5, method="trapezoid", return_error=True),
    "a baseline that is a number": lambda net, x, xp: attribution.integrated_gradients(net, x, baseline=0.5, steps=3),
    "the variance of a smooth gradient": lambda net, x, xp: attribution.smoothgrad(
        net, x, rng=np.random.default_rng(1), samples=4, kind="variance"),
    "small windows, a colour that covers": lambda net, x, xp: attribution.occlusion(
        net, x, size=(2, 3), stride=(1, 2), value=xp.asarray(np.array([0.2, 0.7], "float32"))),
    "one class rather than the next": lambda net, x, xp: attribution.lrp(net, x, start=attribution.contrast(net, x)),
    "one class rather than another": lambda net, x, xp: attribution.gradient(
        net, x, start=attribution.contrast(net, x, [0, 1, 2], 3, relevance=False)),
    "one unit": lambda net, x, xp: attribution.unit(net.part(0, 4), x, (1, 2, 3)),
    "one channel": lambda net, x, xp: attribution.channel(net.part(0, 4), x, 3),
    "a map of its own size": lambda net, x, xp: attribution.grad_cam_plus_plus(net, x, layer=3, resize=False),
    "targets on the device": lambda net, x, xp: attribution.lrp(net, x, xp.asarray(np.array([1, 0, 3]))),
    "bounds for each channel": lambda net, x, xp: attribution.deep_taylor(
        net, x, low=xp.asarray(np.array([0, -1], "float32")), high=xp.asarray(np.array([1, 2], "float32"))),
    "bounds for every pixel": lambda net, x, xp: attribution.deep_taylor(net, x, low=x * 0 - 1, high=x * 0 + 1),
}


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("name", OPTIONS)
@elsewhere
def test_the_options_of_attribution(name, batch_size, xp, monkeypatch):
    monkeypatch.setattr(batching, "ON_HOST", 2 * 50 if batch_size else batching.ON_HOST)
    monkeypatch.setattr(batching, "ON_DEVICE", 2 * 50 if batch_size else batching.ON_DEVICE)
    net = image_net("dense")
    assert_same(OPTIONS[name](net.on(xp), xp.asarray(X), xp), OPTIONS[name](net, X, np), xp)


def test_a_batch_is_small_on_the_host_and_large_on_a_device(xp):
    digits = xp.zeros((5000, 28, 28, 1), dtype=xp.float32)
    photographs = xp.zeros((2, 224, 224, 3), dtype=xp.float32)
    expected = (25, 1) if xp is np else (4081, 21)
    assert (batching.default_batch_size(digits), batching.default_batch_size(photographs)) == expected
    assert batching.default_batch_size(digits, 7) == 7
    for wrong in (0, 2.0, "all"):
        with pytest.raises(ValueError, match="expected a positive whole number"):
            batching.default_batch_size(digits, wrong)


@pytest.mark.parametrize("rules", [lrp.epsilon, lrp.alpha_beta, lrp.gamma_signed, composites.epsilon_plus_flat,
                                   composites.epsilon_gamma_box, composites.deep_taylor])
@elsewhere
def test_the_ledger_is_kept_on_the_host_of_relevance_that_is_anywhere(rules, xp):
    net = a_net().astype("float64")
    x = X.astype("float64")
    kept = ledger.ledger(net, x, [0, 4, 1], rules, batch_size=2)
    found = ledger.ledger(net.on(xp), xp.asarray(x), [0, 4, 1], rules, batch_size=2)
    assert found.largest_residual < 1e-10
    for mine, row in zip([*found.rows, found.total], [*kept.rows, kept.total]):
        assert mine.layer == row.layer and mine.rule == row.rule
        for column in ledger.COLUMNS:
            assert getattr(mine, column) == pytest.approx(getattr(row, column), rel=1e-4, abs=1e-9 * row.moved), column


@pytest.mark.parametrize("rule", [deep_taylor.w_square, deep_taylor.z_plus, partial(deep_taylor.z_box, low=0, high=1)])
@pytest.mark.parametrize("question", [root_points.root_points, root_points.search_direction])
@elsewhere
def test_root_points(question, rule, xp):
    layer, x = Dense(draw(6, 4), -abs(draw(4, seed=1))), X.reshape(-1, 6)[:4]
    assert_same(question(on(layer, xp), xp.asarray(x), rule), question(layer, x, rule), xp)


EXPERT = density.GaussianMixture.fit(np.random.default_rng(9).random((40, 5, 5, 2)), np.random.default_rng(0),
                                     directions=5, clusters=3, rounds=2)


def a_generator():
    rng = np.random.default_rng(10)
    return Network([Dense.random(6, 8, rng), ReLU(), Dense.random(8, 50, rng), Sigmoid(), Unflatten((5, 5, 2))])


SEARCHES = {
    "pixels": lambda net, x, xp, steps: synthesis.activation_maximization(
        net, [0, 3, 3], (5, 5, 2), bounds=(0, 1), steps=steps),
    "pixels near an image": lambda net, x, xp, steps: synthesis.activation_maximization(
        net, 2, start=x[:1], towards=x[1:2], objective=synthesis.logit, steps=steps),
    "an expert": lambda net, x, xp, steps: synthesis.with_expert(
        net, range(3), EXPERT.on(xp), start=x, weight=0.01, steps=steps),
    "codes": lambda net, x, xp, steps: synthesis.in_code_space(net, [1, 4], a_generator().on(xp), steps=steps),
}


@pytest.mark.parametrize("name", SEARCHES)
@elsewhere
def test_synthesis(name, xp):
    net = image_net("average")
    found = SEARCHES[name](net.on(xp), xp.asarray(X), xp, 4)
    assert_same(vars(found), vars(SEARCHES[name](net, X, np, 4)), xp)
    assert str(found).startswith("target  p(target)")


def test_a_density_and_the_means_of_classes(xp):
    x, labels = xp.asarray(X), np.array([1, 0, 1])
    assert_same(EXPERT.on(xp).log_density(x), EXPERT.log_density(X), xp)
    assert_same(EXPERT.on(xp).gradient(x), EXPERT.gradient(X), xp)
    assert_same(synthesis.class_means(x, labels, 2), synthesis.class_means(X, labels, 2), xp)


@elsewhere
def test_a_generator_learns_the_same(xp):
    rng = np.random.default_rng(11)
    encoder = Network([Flatten(), Dense.random(50, 7, rng), ReLU(), Dense.random(7, 7, rng), ReLU(),
                       Dense.random(7, 6, rng)])
    images, results = np.random.default_rng(12).random((8, 5, 5, 2), dtype="float32"), []
    for module in (np, xp):
        judge = Network([Flatten(), Dense.random(50, 6, np.random.default_rng(13)), ReLU(), Dropout(0.3),
                         Dense.random(6, 2, np.random.default_rng(14))])
        learner, judge = a_generator().on(module), judge.on(module)
        history = generator.fit(learner, judge, encoder.on(module), module.asarray(images), np.random.default_rng(15),
                                epochs=2, batch_size=4, memory=0.5, quiet=True)
        results.append([history, [layer.arrays() for layer in learner.layers + judge.layers]])
    assert_same(results[1], results[0], xp)


def test_heatmaps_are_written_to_a_file_from_where_they_are_computed(xp, tmp_path):
    net = image_net("dense")
    expected = attribution.METHODS["lrp_epsilon"](net, X, np.array([1, 0, 4]))
    found = explain_to(tmp_path / "R.npy", net.on(xp), X, "lrp_epsilon", [1, 0, 4], batch_size=2, quiet=True, on=xp)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * abs(expected).max())


BOXES = np.array([[0, 1, 3, 4], [2, 2, 5, 5], [1, 0, 4, 3]])
METRICS = {
    "continuity": lambda net, x, xp: metrics.continuity("lrp_epsilon", net, x, shifts=[(1, 0), 0.5], quiet=True),
    "continuity of all with all": lambda net, x, xp: metrics.continuity(
        attribution.gradient, net, x, 4, compare="all", normalize=True, quiet=True),
    "selectivity": lambda net, x, xp: metrics.selectivity("gradient_times_input", net, x, patch=2, quiet=True),
    "selectivity, ranked once": lambda net, x, xp: metrics.selectivity(
        "lrp_epsilon", net, x, patch=3, stride=1, steps=4, mode="static", probability=True, quiet=True),
    "localization": lambda net, x, xp: metrics.localization("saliency", net, x, BOXES, quiet=True),
    "sanity check": lambda net, x, xp: metrics.sanity_check(
        "lrp_epsilon", net, x, np.random.default_rng(2), target=1, quiet=True),
    "sanity check, one layer each": lambda net, x, xp: metrics.sanity_check(
        "lrp_epsilon", net, x, np.random.default_rng(2), cascading=False, forget=sanity.shuffled, quiet=True),
}


@pytest.mark.parametrize("name", METRICS)
@elsewhere
def test_metrics_are_on_the_host_wherever_the_images_live(name, xp):
    net = image_net("dense")
    assert_same(list(METRICS[name](net.on(xp), xp.asarray(X), xp)), list(METRICS[name](net, X, np)), np, "float64")


@elsewhere
def test_figures_take_arrays_from_anywhere(xp):
    plot = pytest.importorskip("minixnn.plot")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed").use("Agg")
    there, drawn = [xp.asarray(X[..., :1]), X[..., :1]], []
    for x in there:
        figures = [plot.images(x), plot.heatmaps({"one": x - 0.5}, x), plot.overlay(x, x - 0.5),
                   plot.curves(x[0, 0, :, 0], {"one": x[0, 1, :, 0]})]
        drawn.append([artist.get_array() if hasattr(artist, "get_array") else artist.get_ydata()
                      for figure in figures for ax in figure.axes for artist in [*ax.get_images(), *ax.get_lines()]])
    for mine, its in zip(*drawn):
        np.testing.assert_array_equal(mine, its)
