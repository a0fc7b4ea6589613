"""Does a network know what it expects, keep it in its file, and refuse what is in another order?"""
import ast
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from minixnn import Network, attribution, models, passes
from minixnn.card import Card
from minixnn.ledger import ledger
from minixnn.layers import Conv2d, Dense, Flatten, GlobalAvgPool, MaxPool2d, Prepare, ReLU
from minixnn.metrics import sanity_check
from minixnn.rules import composites, deep_taylor, lrp

MEAN, STD = np.array([0.5, 0.25, 0.375]), np.array([0.25, 0.5, 2.0])
LABELS = ["cat", "dog", "house cat", "crane", "Crane"]


def bare(seed=0):
    rng = np.random.default_rng(seed)
    head = Dense.random(16, 5, rng)
    return Network([Conv2d.random(3, 3, 4, rng), ReLU(), MaxPool2d(2), Flatten(), head]).astype("f8")


def prepared():
    return bare().with_card(MEAN, STD, input_shape=(4, 5, 3), labels=LABELS, head="Softmax",
                            layout="channels first")


X = np.random.default_rng(1).random((6, 4, 5, 3))


def test_mean_and_std_become_the_first_layer_and_pixels_are_given():
    net = prepared()
    assert repr(net.layers[0]) == "Prepare(mean (0.5, 0.25, 0.375), std (0.25, 0.5, 2))"
    expected = bare().forward((X - MEAN) / STD)
    assert abs(net.forward(X) - expected).max() < 1e-14


def test_a_network_prepares_its_images_once():
    with pytest.raises(ValueError, match="prepares its images already, by Prepare.*give pixels"):
        prepared().with_card(mean=0.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_preparation_has_the_dtype_of_the_weights(dtype):
    net = bare().astype(dtype).with_card(mean=(0.5, 0.25, 0.375), std=2)
    assert net.forward(X.astype(dtype)).dtype == dtype and net.layers[0].std.shape == (1,)


def test_preparation_of_another_number_of_channels_is_refused():
    net = Network([Prepare(np.zeros(3), 1), GlobalAvgPool()])
    with pytest.raises(ValueError, match=r"Prepare.*got an array of shape \(2, 4, 4, 1\), expected .* \(3,\)"):
        net.forward(np.ones((2, 4, 4, 1)))
    for mean, std in ((0, 0), (0, -1), (np.nan, 1), (np.inf, 1), (0, np.nan)):
        with pytest.raises(ValueError, match="Prepare got (mean|std)=.*, expected"):
            Prepare(mean, std)


def test_relevance_passes_the_preparation_unchanged_and_no_rule_is_taken():
    net = prepared()
    for rules in (lrp.epsilon, composites.epsilon_plus, composites.epsilon_gamma_box):
        R = passes.lrp(net, X, rules=rules)
        assert np.array_equal(R[0], R[1])
    with pytest.raises(ValueError, match="flat as the rule of layer 0, Prepare.*takes no other rule"):
        passes.lrp(net, X, rules=[lrp.flat, lrp.epsilon, None, None, None, lrp.epsilon])


def test_bounds_of_pixels_reach_the_first_weights_prepared():
    """epsilon_gamma_box and deep Taylor on pixels in [0, 1]: as on prepared numbers with prepared bounds."""
    net, x, low, high = prepared(), (X - MEAN) / STD, (0 - MEAN) / STD, (1 - MEAN) / STD
    assert (low < 0).any() and (high > 1).any(), "the prepared numbers do not lie in [0, 1]"
    found, expected = (passes.lrp(n, images, 2, rules)[0] for n, images, rules in (
        (net, X, composites.epsilon_gamma_box), (bare(), x, partial(composites.epsilon_gamma_box, low=low, high=high))))
    assert abs(found - expected).max() < 1e-12 * abs(expected).max()
    found, expected = (passes.lrp(n, images, 2, composites.deep_taylor(n, *bounds))[0] for n, images, bounds in (
        (net, X, (0, 1)), (bare(), x, (low, high))))
    assert abs(found - expected).max() < 1e-12 * abs(expected).max()
    by_name = attribution.METHODS["deep_taylor"](net, X, 2)
    assert abs(by_name - expected).max() < 1e-12 * abs(expected).max()


def test_white_and_black_pixels_lie_within_the_prepared_bounds():
    net = bare().astype("f4").with_card((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    x = (np.arange(256 * 60).reshape(256, 4, 5, 3) % 256 / np.float32(255)).astype("f4")
    assert np.isfinite(passes.lrp(net, x, rules=composites.deep_taylor(net, 0, 1))[0]).all()


def test_gradients_and_deeplift_are_those_of_the_pixels():
    net, x, x_ref = prepared(), (X - MEAN) / STD, (0 * X[:1] - MEAN) / STD
    assert abs(passes.gradient(net, X, 1)[0] * STD - passes.gradient(bare(), x, 1)[0]).max() < 1e-12
    for name in ("deeplift", "deeplift_reveal_cancel"):
        found = getattr(passes, name)(net, X, 0 * X[:1], 1)[0]
        expected = getattr(passes, name)(bare(), x, x_ref, 1)[0]
        assert abs(found - expected).max() < 1e-12 * abs(expected).max()
        gap = found.reshape(6, -1).sum(axis=1) - (net.forward(X) - net.forward(0 * X))[:, 1]
        assert abs(gap).max() < 1e-12


def test_the_ledger_adds_up_over_a_preparation():
    book = ledger(prepared(), X, rules=composites.epsilon_gamma_box)
    assert book.largest_residual < 1e-12 and "Prepare" in str(book)


def test_a_network_that_forgets_keeps_its_preparation():
    signed = sanity_check("gradient", prepared(), X, np.random.default_rng(0), quiet=True)[0]
    assert len(signed) == 2, "two layers have weights to forget"


# --- the card --------------------------------------------------------------------------------------------------------

def test_the_card_survives_saving_copying_and_other_types(tmp_path):
    net = prepared()
    net.save(tmp_path / "net.npz")
    for copy in (Network.load(tmp_path / "net.npz"), net.astype("f4"), net.on(np), net.with_card()):
        assert copy.card == net.card == Card((4, 5, 3), tuple(LABELS), "Softmax", "channels first")
        assert abs(copy.forward(X.astype(copy.layers[0].mean.dtype)) - net.forward(X)).max() < 1e-5


def test_half_precision_files_keep_the_preparation_whole(tmp_path):
    net = bare().astype("f4").with_card((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    net.save(tmp_path / "net.npz", dtype=np.float16)
    back = Network.load(tmp_path / "net.npz")
    assert np.array_equal(back.layers[0].mean, net.layers[0].mean) and back.layers[0].mean.dtype == np.float32


def test_files_of_version_1_are_read_with_an_empty_card(tmp_path):
    bare().save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as file:
        entries = {name: file[name] for name in file.files}
    header = json.loads(str(entries["architecture"]))
    assert header["version"] == 3
    entries["architecture"] = np.array(json.dumps({"format": "minixnn", "version": 1, "layers": header["layers"]}))
    np.savez(tmp_path / "old.npz", **entries)
    old = Network.load(tmp_path / "old.npz")
    assert old.card == Card() and np.array_equal(old.forward(X), bare().forward(X))


def test_describe_ends_with_the_card():
    lines = prepared().describe().splitlines()
    assert lines[-3:] == [
        "input    (height, width, channels) = (4, 5, 3), in the file channels first",
        "outputs  5 labels: cat, dog, house cat, crane, ...",
        "head     Softmax left out, outputs are logits; net.probabilities(x) applies it"]
    assert len(bare().describe().splitlines()) == 6, "nothing more where nothing is known"


@pytest.mark.parametrize("shape, what", [
    ((3, 4, 5), r"channels come first, write x.transpose\(0, 2, 3, 1\)"), ((5, 4, 3), "height and width"),
    ((4, 5, 1), r"expected \(height, width, channels\) = \(4, 5, 3\)"), ((60,), "flattened to 60 numbers"),
])
def test_images_in_another_order_are_refused(shape, what):
    """In a dense network the number of features is the same in every order: without a card it could not be told."""
    net = Network([Flatten(), Dense.random(60, 2, np.random.default_rng(0))], card=Card((4, 5, 3)))
    with pytest.raises(ValueError, match=what):
        net.forward(np.zeros((2, *shape), "f4"))
    with pytest.raises(ValueError, match=what):
        passes.gradient(net, np.zeros((2, *shape), "f4"), 0)


@pytest.mark.parametrize("shape", [(5, 4), (7, 5, 4), (3, 7, 5, 4), (2, 3, 7, 5, 4)])
def test_inputs_with_channels_in_front_are_refused_at_any_rank(shape):
    """The sentence has the shape, and a transpose after which the network takes them."""
    net = Network([Flatten(), Dense.random(int(np.prod(shape)), 2, np.random.default_rng(0))], card=Card(shape))
    x = np.zeros((2, shape[-1], *shape[:-1]), "f4")
    with pytest.raises(ValueError, match=r"expected .*" + re.escape(str(shape)) + r"; if .* write x.transpose") as said:
        net.forward(x)
    axes = re.search(r"transpose(\(.*?\))", str(said.value))[1]
    assert net.forward(x.transpose(ast.literal_eval(axes))).shape == (2, 2)
    with pytest.raises(ValueError, match=r"expected .*" + re.escape(str(shape))):
        net.forward(np.zeros((2, *shape[:-1], 9), "f4"))
    assert any(str(shape) in line and "  =" not in line for line in net.card.text())


def test_other_sizes_pass_where_the_layers_take_them():
    rng = np.random.default_rng(0)
    net = Network([Conv2d.random(3, 3, 4, rng), GlobalAvgPool()], card=Card((8, 8, 3)))
    assert net.forward(np.zeros((1, 12, 16, 3), "f4")).shape == (1, 4)
    free = net.with_card(input_shape=(None, None, 3))
    assert free.forward(np.zeros((1, 3, 8, 3), "f4")).shape == (1, 4)
    with pytest.raises(ValueError, match=r"expected \(height, width, channels\) = \(any, any, 3\)"):
        free.forward(np.zeros((1, 3, 8, 8), "f4"))


def test_probabilities_are_those_of_the_head_that_was_left_out():
    y = prepared().forward(X)
    p = prepared().probabilities(X)
    assert abs(p - np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)).max() < 1e-15
    p = prepared().with_card(head="Sigmoid").probabilities(X)
    assert abs(p - 1 / (1 + np.exp(-y))).max() < 1e-15
    with pytest.raises(ValueError, match='with_card.head="Softmax"'):
        bare().probabilities(X)


def test_labels_are_found_by_name_or_refused_with_what_is_near():
    card = prepared().card
    assert card.index("Dog") == 1 and card.index("cat") == 0 and card.label(2) == "house cat" and card.label(7) == "7"
    with pytest.raises(ValueError, match="belongs to the outputs 3, 4"):
        card.index("crane")
    with pytest.raises(ValueError, match="expected one of the network's 5 labels, such as house cat"):
        card.index("house")
    with pytest.raises(ValueError, match="the network has no labels"):
        Card().index("house")


@pytest.mark.parametrize("wrong", [{"input_shape": ()}, {"input_shape": (0, 3)}, {"labels": "cat"}, {"labels": [1, 2]},
                                   {"head": "Hardmax"}, {"layout": "NCHW"}])
def test_a_card_of_wrong_entries_is_refused(wrong):
    with pytest.raises(ValueError, match=f"got {next(iter(wrong))}=.*, expected"):
        replace(Card(), **wrong)


def test_the_shipped_networks_know_what_they_expect():
    assert models.load("recall").card.input_shape == (9,), "nine characters"
    for name in set(models.RECIPES) - {"recall"}:
        side = 40 if "cluttered" in name else 28
        net = models.load(name)
        assert net.card.input_shape == (side, side, 1)
        assert abs(net.probabilities(np.zeros((1, side, side, 1), "f4")).sum() - 1) < 1e-5


def test_the_z_box_rule_behind_a_preparation_has_one_bound_a_channel():
    rules = composites.deep_taylor(prepared(), 0, 1)
    assert rules[0] is None and rules[1].func is deep_taylor.z_box and rules[1].keywords["low"].shape == (3,)
