r"""
6.6 One function, two explanations
==================================

**You will see** two networks that answer alike for every image, to rounding, while one heatmap shows a cross and the
other does not; which rules depend so on the way a function is written, which do not, and why.

**Before this:** 2.3 (LRP), 2.4 (deep Taylor decomposition), 2.5 (DeepLIFT), 5.2 (selectivity).

**Papers:** Sundararajan et al. 2017, *Axiomatic attribution for deep networks*, section 2.2 (implementation
invariance); You et al. 2025, *When LRP diverges from leave-one-out in transformers*; Guillemot et al. 2020, *Breaking
batch normalization for better explainability of deep neural networks through layer-wise relevance propagation*.
"""
from functools import partial
from itertools import permutations

import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, metrics, models, passes, plot
from minixnn.attribution import METHODS
from minixnn.checks import CheckFailed, check_network
from minixnn.layers import ChannelScale, ChannelSelect, Multiply
from minixnn.rules import composites, deep_taylor, lrp

# %%
# The same answers
# ----------------
# We add two neurons to the first layer of a network that reads digits. Both see the same: ink counts for them, ink on
# a cross against them. What the first adds to a neuron above, the second takes away: at every image the function is
# what it was. Lesson 6.5 forges a network that answers nearly the same; this one *is* the same function.


def with_a_pair(net, pattern, size=100.0):
    """The network, which has no biases, with two neurons more: equal weights in, opposite weights out."""
    first, second = [l for l, layer in enumerate(net.layers) if isinstance(layer, Dense)][:2]
    below, above = net.layers[first], net.layers[second]
    w, v = np.where(pattern, -1.0, 1.0).reshape(-1, 1), np.full((1, above.W.shape[1]), size / pattern.sum())
    wider = net.replaced(first, Dense(np.hstack([below.W, w, w])))
    return wider.replaced(second, Dense(np.vstack([above.W, v, -v]), above.b))


images, labels = datasets.mnist("test")
x, target = images[:100].astype(np.float64), labels[:100]
cross = np.fromfunction(lambda row, column: (abs(row - column) < 2) | (abs(row + column - 27) < 2), (28, 28))
net = models.load("dense_no_bias").astype(np.float64)
both = {"as it is": net, "with the pair": with_a_pair(net, cross)}
apart = abs(np.subtract(*(of.forward(x) for of in both.values()))).max()
ways = {"LRP-0": partial(lrp.epsilon, epsilon=0), "deep Taylor": partial(composites.deep_taylor, low=0.0, high=1.0)}
drawn = {f"{name},\n{how}": attribution.lrp(of, x, target, rules) for name, rules in ways.items()
         for how, of in both.items()}
some = [int(np.flatnonzero(target == digit)[0]) for digit in (0, 2, 3, 5, 7)]
plot.heatmaps({name: R[some] for name, R in drawn.items()}, x[some], target[some], scale="method", quantile=0.995,
              title="One function, written in two ways")
on_cross = {name: abs(R[:, cross]).sum() / abs(R).sum() for name, R in drawn.items()}
print(f"{len(x)} digits: the outputs of the two differ by {apart:.0e} at most. Share of |R| on the cross:",
      *(f"\n  {name} {share:.2f}".replace(",\n", ", ") for name, share in on_cross.items()), sep="")

# %%
# By hand
# -------
# :math:`y = (2 x_1 - x_2) + x_2` is :math:`2 x_1`. At :math:`x = (2, 1)` it is 4, and :math:`x_2` changes nothing.
# Written as two layers, the neurons are 3 and 1. The :math:`z^+` rule of 2.4 shares by positive weights: the 3 go to
# :math:`x_1`, which alone has one there, and the 1 goes to :math:`x_2`. Written as one layer, all 4 are :math:`x_1`'s.

two_and_one = [Network([Dense(np.array([[2.0, 0.0], [-1.0, 1.0]])), Dense(np.array([[1.0], [1.0]]))]),
               Network([Dense(np.array([[2.0], [0.0]]))])]
by_hand = {name: [passes.lrp(of, np.array([[2.0, 1.0]]), 0, rule)[0][0] for of in two_and_one]      # <- STEP INTO
           for name, rule in {"LRP-0": ways["LRP-0"], "z+": deep_taylor.z_plus, "alpha2-beta1": lrp.alpha_beta}.items()}

# %%
# Why does LRP-0 not notice? Its shares are :math:`R = x \cdot c` with :math:`c = W s`, and the layer below divides by
# what this one multiplied with: its :math:`s` is this :math:`c`. So only :math:`c` is handed down, as a gradient is,
# and :math:`W (V s) = (W V) s`. For signs there is no such law: :math:`(W V)^+` is not :math:`W^+ V^+`. The table of
# rules on the site tells which rewriting leaves which rule alone; a shortcut written as a weight is one of them.
#
# A product has brackets (7.4). *Half each* explains :math:`x_1 x_2 x_3` at (2, 3, 4) in two ways (You et al.), DeepLIFT
# against 0 in the same two. Integrated gradients and the Shapley value (2.5) ask the function alone.

picked, numbers = [ChannelSelect(n, n + 1) for n in range(3)], np.array([[2.0, 3.0, 4.0]])
brackets = {"(x1 x2) x3": Network([*picked, Multiply(), Multiply()], [0, 0, 0, (1, 2), (4, 3)]),
            "x1 (x2 x3)": Network([*picked, Multiply(), Multiply()], [0, 0, 0, (2, 3), (1, 4)])}
steps = {order: [numbers * np.isin(range(3), order[:n]) for n in range(4)] for order in permutations(range(3))}
products = {"half each": partial(attribution.lrp, rules=composites.attn_lrp), "DeepLIFT": attribution.deeplift,
            "integrated gradients": attribution.integrated_gradients, "Shapley": lambda net, x: np.mean(
                [np.diff(net.forward(np.vstack(on))[:, 0])[np.argsort(order)] for order, on in steps.items()], axis=0)}
products = {name: [explain(of, numbers).ravel() for of in brackets.values()] for name, explain in products.items()}
for title, found in (("(2, 1)" + " " * 24 + "two layers         one layer", by_hand),
                     ("(2, 3, 4)" + " " * 21 + "(x1 x2) x3        x1 (x2 x3)", products)):
    print(title)
    for name, answers in found.items():
        print(f"  {name:22}" + "".join(f"{str(R.round(2) + 0.0):>18}" for R in answers))

# %%
# Asked of any two networks
# -------------------------
# Two ways of writing that people use: *norm apart*, where batch normalisation stands behind each layer by itself, as in
# training (here with mean and deviation of the digits); and *two layers for one*, as where a matrix was factorised,
# :math:`W = (W Q) Q^\top`, with a random rotation :math:`Q`. ``check_network`` is given both networks, and the rules.


def norm_apart(net):
    """Each layer below a ReLU with standardised outputs, then a scale and a shift that undo it."""
    layers = []
    for layer, y, above in zip(net.layers, net.trace(x)[1:], [*net.layers[1:], None]):
        m, s = y.mean(axis=0), y.std(axis=0)
        b = 0 if getattr(layer, "b", None) is None else layer.b
        layers += [layer] if not isinstance(above, ReLU) else [Dense(layer.W / s, (b - m) / s), ChannelScale(s, m)]
    return Network(layers)


def two_for_one(net, rng):
    """The first dense layer as two, with nothing between them."""
    l = next(l for l, layer in enumerate(net.layers) if isinstance(layer, Dense))
    Q = np.linalg.qr(rng.normal(size=(net.layers[l].W.shape[1],) * 2))[0]
    return Network([*net.layers[:l], Dense(net.layers[l].W @ Q), Dense(Q.T, net.layers[l].b), *net.layers[l + 1:]])


rng, refused = np.random.default_rng(0), []
for rules in (lrp.epsilon, composites.alpha2_beta1):
    try:
        check_network(net, x[:1], rules=rules, equivalent=two_for_one(net, rng))
    except CheckFailed as failure:
        refused.append(rules)
        print(str(failure).partition("Look for")[0].strip())

# %%
# One question, measured: how much does it matter?
# ------------------------------------------------
# For each method the correlation of an image's two maps, in two networks, the rotation drawn twice. What is much? The
# map of the class in second place, for the same image, is our measure.

methods = {"gradient x input": METHODS["gradient_times_input"], "LRP-epsilon": METHODS["lrp_epsilon"],
           "epsilon = 0.25": partial(attribution.lrp, rules=partial(lrp.epsilon, epsilon=0.25)),
           "LRP-gamma": METHODS["lrp_gamma"], "alpha1-beta0": METHODS["lrp_alpha1_beta0"],
           "alpha2-beta1": METHODS["lrp_alpha2_beta1"], "zᴮ, epsilon": METHODS["lrp_epsilon_gamma_box"],
           "DeepLIFT": METHODS["deeplift"], "RevealCancel": METHODS["deeplift_reveal_cancel"]}
nets = {name: models.load(name).astype(np.float64) for name in ("dense", "dense_no_bias")}
written = {name: {"as it is": of, "norm apart": norm_apart(of), "two layers for one": two_for_one(of, rng),
                  "two, another draw": two_for_one(of, rng)} for name, of in nets.items()}
maps, alike = {}, {}
for name, of in nets.items():
    second = np.where(np.eye(10)[target] > 0, -np.inf, of.forward(x)).argmax(axis=1)
    print(f"\n{name + ', correlation':22}" + "".join(f"{how:>21}" for how in [*written[name], "second class"][1:]))
    for method, explain in methods.items():
        maps[name, method] = {how: explain(way, x, target) for how, way in written[name].items()}
        others = {**maps[name, method], "second class": explain(of, x, second)}
        first = others.pop("as it is")
        alike[name, method] = {how: metrics.mean_and_error([np.corrcoef(r.ravel(), s.ravel())[0, 1] for r, s in zip(
            first, R)]) for how, R in others.items()}
        print(f"  {method:20}" + "".join(f"{'{:.3f} +- {:.3f}'.format(*each):>21}"
                                         for each in alike[name, method].values()))
plot.bars({how: {method: alike["dense_no_bias", method][how] for method in methods}
           for how in ("norm apart", "two layers for one", "second class")}, "correlation of two maps of one image",
          "dense_no_bias: one function written otherwise, beside another class")

# %%
# Does the test of lesson 5.2 tell them apart? Patches of 7 x 7 pixels, ranked once, five painted over, in four ways.
less, fillings = {}, metrics.fillings(images[:5000].astype(np.float64), rng)
for method, name in ((m, n) for m in ("LRP-gamma", "alpha2-beta1", "zᴮ, epsilon") for n in nets):
    for filling, paint in fillings.items():
        area = {how: metrics.selectivity(lambda *_: R, nets[name], x, target, patch=7, steps=5, mode="static",
                                         value=paint, batch_size=len(x), quiet=True).area
                for how, R in maps[name, method].items()}
        for how in list(area)[1:]:
            less.setdefault((method, how, name), {})[filling] = metrics.paired(area[how], area["as it is"])
print(f"\n{'area less that of the network as it is':50}" + "".join(f"{filling:>16}" for filling in fillings))
for row, of_filling in less.items():
    print(f"  {', '.join(row):48}" + "".join("{:+8.2f} +- {:.2f}".format(*of[:2]) for of in of_filling.values()))
plot.bars({name: {f"{method}, {how[:10]}: {filling}": less[method, how, name][filling][:2] for method, how in
                  (("alpha2-beta1", "norm apart"), ("zᴮ, epsilon", "two layers for one")) for filling in fillings}
           for name in nets}, "area under the output, less that of the network as it is (below 0: better)",
          "The same function: which way of writing is better depends on the paint")

# %%
# **Verdict.** Where only a factor is handed down, as in a gradient, there is one map here: gradient x input, LRP with a
# small epsilon, DeepLIFT (not at products). Rules that look at signs, or add much to a sum, give several. A norm apart
# hardly matters to gamma (0.998), more to alpha2-beta1 (0.90 and 0.88), most to RevealCancel (0.66 and 0.62). A layer
# written as two changes the map of z\ :sup:`B` more than another class does. The test does not say which is right: in
# two layers z\ :sup:`B` is better with zeros and worse with each other paint, in both networks and draws. Folding, as
# Guillemot et al. advise, helps alpha2-beta1 with zeros, in both. So say with a map how the network was written.
#
# Try this
# --------
# 1. Give the pair ``size=1``, 10 and 10,000. How much of deep Taylor lies on the cross? Where does it end?
# 2. Let ``Q`` be the identity. Which of the rules still tell two layers from one?

assert apart < 1e-9 and abs(drawn["LRP-0,\nas it is"] - drawn["LRP-0,\nwith the pair"]).max() < 1e-9, "LRP-0: one map"
assert on_cross["deep Taylor,\nwith the pair"] > 2 * on_cross["deep Taylor,\nas it is"], "deep Taylor: a cross"
assert [name for name in products if np.allclose(*products[name])] == ["integrated gradients", "Shapley"], "brackets"
assert refused == [composites.alpha2_beta1], "check_network refuses one rule of two"
for name in nets:
    for m in ("gradient x input", "LRP-epsilon", "DeepLIFT"):
        assert min(mean for mean, error in list(alike[name, m].values())[:3]) > 0.999, "one map for one function"
    for how in list(written[name])[2:]:
        zeros, *others = less["zᴮ, epsilon", how, name].values()
        assert alike[name, "zᴮ, epsilon"][how] < alike[name, "zᴮ, epsilon"]["second class"], "further than two classes"
        assert zeros.difference < -3 * zeros.error and all(of.difference > 3 * of.error for of in others), "the paint"
    folded = less["alpha2-beta1", "norm apart", name]["zeros"]
    assert folded.difference > 2 * folded.error, "folding helps alpha2-beta1 with zeros"
plot.show()
