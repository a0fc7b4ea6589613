"""Does a residual block compute, explain, learn and travel like the layers it is made of?"""
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from helpers import apply, deconvnet, gradient, guided_backprop, relevance

from minixnn import Network, attribution, passes
from minixnn.arrays import to_numpy
from minixnn.layers import (AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool2d,
                            ReLU, Residual)
from minixnn.layers.folding import fold_batch_norm
from minixnn.layers.chains import every_layer
from minixnn.ledger import ledger
from minixnn.rules.composites import name_of
from minixnn.rules import composites, lrp
from minixnn.train import Adam, fit

seeds = st.integers(0, 2 ** 32 - 1)


def conv(rng, before, after, size=3, stride=1, bias=True):
    W = rng.normal(size=(size, size, before, after)) / size
    return Conv2d(W, rng.normal(size=after) if bias else None, stride, size // 2)


def norm(rng, channels):
    return BatchNorm2d(*rng.normal(size=(3, channels)), rng.random(channels) + 0.5)


def small_resnet(seed=0, bias=True, normalised=False, activation=ReLU):
    """Identity and projecting shortcuts, one block within another, float64."""
    rng = np.random.default_rng(seed)

    def unit(before, after, size=3, stride=1):
        return [conv(rng, before, after, size, stride, bias), *([norm(rng, after)] if normalised else [])]
    inner = Residual([*unit(4, 4), activation(), *unit(4, 4, 1)])
    return Network([*unit(2, 4), activation(), Residual([*unit(4, 4), activation(), inner]), activation(),
                    Residual([*unit(4, 5, stride=2), activation(), *unit(5, 5)], unit(4, 5, 1, 2)), activation(),
                    GlobalAvgPool(), Dense(rng.normal(size=(5, 3)), rng.normal(size=3) if bias else None)])


def images(seed=1, count=3):
    return np.random.default_rng(seed).normal(size=(count, 7, 6, 2))


def blocks(net):
    return [layer for layer in every_layer(net.layers) if isinstance(layer, Residual)]


# --- one neuron, by hand ---------------------------------------------------------------------------------------------

def test_either_branch_receives_by_its_share_of_the_sum():
    """y = 2 x + x and y = -3 x + x: of R = 6 the body gets 4, the shortcut 2; of R = 4 the body 6, the shortcut -2."""
    block, x, R = Residual([Dense(np.diag([2.0, -3.0]))]), np.array([[1.0, 1.0]]), np.array([[6.0, 4.0]])
    assert np.array_equal(block.forward(x), [[3.0, -2.0]])
    body = Residual([Dense(np.diag([2.0, -3.0]))], [Dense(np.eye(2))])
    seen = []

    def watch(layer, x, y, R):
        seen.append(R)
        return lrp.epsilon(layer, x, y, R, epsilon=0)
    assert np.allclose(relevance(body, x, R, watch), R)
    assert np.allclose(seen, [[[4, 6]], [[2, -2]]]), seen
    assert np.allclose(relevance(block, x, R, lrp.epsilon), R)


def test_where_both_branches_cancel_all_is_lost_and_nothing_is_nan():
    block = Residual([Dense(np.array([[-1.0]]))])
    assert np.array_equal(relevance(block, np.ones((1, 1)), np.ones((1, 1)), partial(lrp.epsilon, epsilon=0)), [[0.0]])


# --- derivatives -----------------------------------------------------------------------------------------------------

def test_rectified_gradients_go_through_both_branches():
    """With all weights and signals positive nothing is rectified: all three are the gradient."""
    rng = np.random.default_rng(0)
    net = Network([Residual([Dense(rng.random((4, 4))), ReLU()]), ReLU(), Residual(
        [Dense(rng.random((4, 2)))], [Dense(rng.random((4, 2)))])])
    x, dy = rng.random((2, 4)), rng.random((2, 2))
    for method in (passes.deconvnet, passes.guided_backprop):
        assert np.allclose(method(net, x, start=dy)[0], passes.gradient(net, x, start=dy)[0])
    x, dy = -x, -dy                                         # and with all negative only the identity hands back
    assert np.array_equal(guided_backprop(Residual([ReLU()]), x, dy[:, :1] + x * 0), dy[:, :1] + x * 0)
    assert np.array_equal(deconvnet(Residual([ReLU()]), x, -dy[:, :1] + x * 0), 2 * (-dy[:, :1] + x * 0))


# --- relevance -------------------------------------------------------------------------------------------------------

@given(seeds)
def test_lrp_0_of_a_bias_free_resnet_is_gradient_times_input(seed):
    net, x = small_resnet(seed, bias=False), images(seed + 1)
    R = passes.lrp(net, x, 0, rules=partial(lrp.epsilon, epsilon=0))
    expected = x * passes.gradient(net, x, 0)[0] * 1.0
    np.testing.assert_allclose(R[0], expected, atol=1e-8 * max(1, abs(expected).max()))


@pytest.mark.parametrize("rules", [partial(lrp.epsilon, epsilon=0), partial(lrp.gamma_signed),
                                   partial(lrp.gamma_signed, gamma=10.0)])
def test_relevance_is_conserved_without_biases(rules):
    net, x = small_resnet(bias=False), images()
    R = [r.reshape(3, -1).sum(axis=1) for r in passes.lrp(net, x, 1, rules=rules)]
    for l in range(len(net.layers)):
        room = 1e-9 if rules.func is lrp.epsilon else 1e-4      # else sums have a stabiliser of 1e-6
        np.testing.assert_allclose(R[l], R[-1], rtol=room, err_msg=f"layer {l}")


@pytest.mark.parametrize("rules", [lrp.epsilon, lrp.gamma_signed, lrp.alpha_beta, composites.epsilon_plus_flat])
def test_the_ledger_accounts_for_everything_inside_a_block(rules):
    book = ledger(fold_batch_norm(small_resnet(normalised=True)), images(), rules=rules, quiet=True)
    assert book.largest_residual < 1e-10, str(book)
    assert all(row.unexplained == 0 for row in book.rows)
    assert any(row.absorbed_by_bias != 0 for row in book.rows if row.layer.startswith("Residual"))


def test_a_rule_of_ones_own_inside_a_block_is_unexplained_in_the_ledger():
    book = ledger(small_resnet(), images(), rules=lambda layer, x, y, R: 0.5 * lrp.epsilon(layer, x, y, R), quiet=True)
    row = next(row for row in book.rows if row.layer.startswith("Residual"))
    assert row.unexplained != 0 and row.residual == 0


# --- rules -----------------------------------------------------------------------------------------------------------

def spelt_out(rules):
    """The rules of a block as a tuple of lists, in place of the partial that holds them."""
    if isinstance(rules, list):
        return [spelt_out(rule) for rule in rules]
    return tuple(map(spelt_out, rules.keywords["rules"])) if "rules" in getattr(rules, "keywords", {}) else rules


def test_a_composite_gives_a_list_for_each_chain_to_a_block():
    net = small_resnet()
    rules = composites.epsilon_plus_flat(net)
    plus = composites.alpha1_beta0
    assert spelt_out(rules) == [lrp.flat, None, ([plus, None, ([plus, None, plus], [])], []), None,
                                ([plus, None, plus], [plus]), None, lrp.epsilon, lrp.epsilon]
    assert name_of(rules[2]) == "by_contribution (epsilon=1e-06)"


def test_a_block_that_sees_the_pixels_has_a_first_layer_in_either_branch():
    rng = np.random.default_rng(0)
    net = Network([Residual([conv(rng, 2, 3), ReLU(), conv(rng, 3, 3)], [conv(rng, 2, 3, 1)]), ReLU(), conv(rng, 3, 1)])
    assert spelt_out(composites.by_kind(net, conv=lrp.gamma, first=lrp.flat)) == [
        ([lrp.flat, None, lrp.gamma], [lrp.flat]), None, lrp.gamma]


def test_one_rule_and_the_same_rule_spelt_out_are_the_same():
    net, x = small_resnet(), images()
    a = lrp.alpha_beta
    by_hand = [a, None, ([a, None, ([a, None, a], [])], []), None, ([a, None, a], [a]), None, a, a]
    once, twice = passes.lrp(net, x, 0, rules=a), passes.lrp(net, x, 0, rules=by_hand)
    assert all(np.array_equal(one, other) for one, other in zip(once, twice))


def test_deep_taylor_goes_through_blocks_and_names_their_positive_biases():
    net = small_resnet(bias=False)
    R = passes.deep_taylor(net, images(), 0, low=-9, high=9)
    assert spelt_out(composites.deep_taylor(net))[2][0][2][0][0].__name__ == "z_plus" and np.isfinite(R[0]).all()
    with pytest.warns(UserWarning, match=r"positive biases in layer 0 .*, 2 \(Conv2d"):
        passes.deep_taylor(small_resnet(), images(), 0, low=-9, high=9)


@pytest.mark.parametrize("rule, words", [
    (None, "layer 0.body.0 is Dense.*needs a rule to pass relevance on, got None"),
    (([lrp.epsilon], []), "a list of 1 rules for 3 layers inside layer 0.body"),
    ([lrp.epsilon, None, lrp.epsilon], "a tuple with a list for each chain, .* 3 for body, 0 for shortcut"),
    (([lrp.epsilon, "gamma", lrp.epsilon], []), "got 'gamma' as the rule of layer 0.body.1"),
    (([lrp.epsilon, None, None], []), "Dense.* needs a rule"),
])
def test_a_wrong_rule_is_refused_in_words(rule, words):
    net = Network([Residual([Dense(np.eye(2)), ReLU(), Dense(np.eye(2))])])
    with pytest.raises(ValueError, match=words):
        passes.lrp(net, np.ones((1, 2)), 0, rules=[rule])


# --- learning --------------------------------------------------------------------------------------------------------

def test_training_draws_masks_and_moves_running_statistics_inside_a_block():
    rng = np.random.default_rng(0)
    block = Residual([norm(rng, 3), Dropout(0.5)])
    before, x = block.body[0].mean.copy(), rng.normal(size=(50, 3)) + 5
    stand_in = block.training(x, np.random.default_rng(1))
    y = stand_in.forward(x) - x
    assert 0.3 < np.mean(y == 0) < 0.7 and not np.allclose(block.body[0].mean, before)
    assert np.array_equal(block.forward(x), block.forward(x))               # itself it stays without a mask
    assert set(stand_in.parameter_gradients(x, x)) == {"body.0.gamma", "body.0.beta"}


def test_a_resnet_learns():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(60, 6, 6, 2)), rng.integers(0, 3, 60)
    x += labels[:, None, None, None]
    net = small_resnet(normalised=True)
    history = fit(net, x, labels, epochs=8, rng=rng, batch_size=20, optimizer=Adam(0.02), quiet=True)
    assert history[-1]["loss"] < history[0]["loss"] / 2, history


# --- moving and keeping ----------------------------------------------------------------------------------------------

def test_folding_batch_normalisation_leaves_the_function_as_it_is():
    net, x = small_resnet(normalised=True), images()
    folded = fold_batch_norm(net)
    assert not any(isinstance(layer, BatchNorm2d) for layer in every_layer(folded.layers))
    assert any(isinstance(layer, BatchNorm2d) for layer in every_layer(net.layers))         # the original keeps its own
    np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-10)


def test_a_normalisation_that_cannot_be_folded_is_named_by_its_place():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match=r"layer 1\.shortcut\.0, BatchNorm2d.* behind the input"):
        fold_batch_norm(Network([ReLU(), Residual([ReLU()], [norm(rng, 2)])]))


def test_a_saved_resnet_comes_back(tmp_path):
    net, x = small_resnet(normalised=True), images()
    net.save(tmp_path / "net.npz")
    assert np.array_equal(Network.load(tmp_path / "net.npz").forward(x), net.forward(x))


def test_a_layer_of_ones_own_inside_a_block_cannot_be_saved(tmp_path):
    class Mine(ReLU):
        pass
    with pytest.raises(ValueError, match="layer 0 is Mine.*only those can be saved"):
        Network([Residual([Mine()])]).save(tmp_path / "net.npz")


def test_describe_shows_what_is_inside():
    lines = small_resnet().describe(composites.epsilon_plus_flat, images()).splitlines()
    assert len(lines) == 1 + 8 + 3 + 3 + 4
    row = next(line for line in lines if "4.shortcut.0" in line)
    assert "Conv2d(1x1, 4 -> 5, stride (2, 2))" in row and "(4, 3, 5)" in row and "alpha_beta" in row and "25" in row
    assert any(line.strip().startswith("2.body.2.body.0") for line in lines)
    assert "2.body.0" in small_resnet().describe()


def test_heatmaps_of_a_resnet_on_every_array_module(xp):
    net, x = fold_batch_norm(small_resnet(normalised=True)).astype("float32"), images().astype("float32")
    for method in (attribution.METHODS["lrp_epsilon_plus_flat"], attribution.METHODS["deeplift"],
                   attribution.METHODS["grad_cam"]):
        found = method(net.on(xp), xp.asarray(x), 1)
        assert type(found) is type(xp.asarray(x)) and found.dtype == "float32"
        expected = method(net, x, 1)
        np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


@pytest.mark.parametrize("make, words", [
    (lambda: Residual([]), "empty body"),
    (lambda: Residual(["ReLU"]), "got 'ReLU' in its body"),
    (lambda: Residual([ReLU()], [{"kind": "Nonsense", "settings": {}}]), "in its shortcut"),
    (lambda: Residual([Flatten()]).forward(np.ones((1, 2, 2, 1))), "cannot be added"),
    (lambda: Residual([MaxPool2d(2)]).forward(np.ones((1, 4, 4, 1))),
     r"\(1, 2, 2, 1\) and \(1, 4, 4, 1\) from its chains"),
])
def test_a_block_that_cannot_be_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# --- the adaptive pool -----------------------------------------------------------------------------------------------

@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 5), st.integers(1, 5)), seeds)
def test_an_adaptive_pool_averages_its_windows(image, size, seed):
    x = np.random.default_rng(seed).normal(size=(2, *image, 3))
    layer = AdaptiveAvgPool2d(size)
    expected = np.array([[x[:, i * image[0] // size[0]:-(-(i + 1) * image[0] // size[0]),
                            j * image[1] // size[1]:-(-(j + 1) * image[1] // size[1])].mean(axis=(1, 2))
                          for j in range(size[1])] for i in range(size[0])]).transpose(2, 0, 1, 3)
    np.testing.assert_allclose(layer.forward(x), expected, atol=1e-12)
    dy = np.random.default_rng(seed + 1).normal(size=expected.shape)
    assert (layer.forward(x) * dy).sum() == pytest.approx((x * gradient(layer, x, dy)).sum(), abs=1e-9)
    R = apply(lrp.flat, layer, x, dy)
    assert R.sum() == pytest.approx(dy.sum(), abs=1e-9)


def test_an_adaptive_pool_leaves_images_of_its_size_exactly_as_they_are():
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 3)).astype("float32")
    assert np.array_equal(AdaptiveAvgPool2d(7).forward(x), x)
    with pytest.raises(ValueError, match="expected 4 axes"):
        AdaptiveAvgPool2d(7).forward(x[0])
