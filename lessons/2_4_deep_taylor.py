r"""
2.4 Deep Taylor decomposition
=============================

**You will see** that three rules of relevance propagation are first-order Taylor expansions of one neuron, each at
another root point; why these points were chosen; and how far the argument holds for a whole network.

**Before this:** 2.2 (simple Taylor decomposition), 2.3 (layer-wise relevance propagation).

**Papers:** Montavon et al. 2017, *Explaining nonlinear classification decisions with deep Taylor decomposition*;
Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 5.2; with doubts:
Sixt & Landgraf 2022, *A rigorous study of the deep Taylor decomposition*.

**Walk through it**, without a debugger: `the z+ rule, line by line <../walks/deep_taylor.z_plus.html>`_.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Network, ReLU, datasets, metrics, models, passes, plot
from minixnn.plot import diagrams
from minixnn.rules import composites, deep_taylor, root_points

# %%
# One neuron, three root points
# -----------------------------
# Simple Taylor decomposition expands the whole network at once. Deep Taylor expands one neuron at a time. Let
#
# .. math:: f(x) = \max\Bigl( \sum_j x_j w_j + b, \; 0 \Bigr)
#
# and let :math:`\tilde x` be a *root point*, where the neuron just stops firing: :math:`\sum_j \tilde x_j w_j + b = 0`.
# Between :math:`\tilde x` and :math:`x` the neuron is linear, so its expansion has no remainder:
#
# .. math:: R_j = w_j (x_j - \tilde x_j) , \qquad \sum_j R_j = f(x) .
#
# There are many roots: a whole plane of them. We look for one along a direction :math:`v`, :math:`\tilde x = x - t v`.
# Inserting it gives :math:`t = f(x) / \sum_j v_j w_j` and
#
# .. math:: R_j = \frac{v_j w_j}{\sum_{j'} v_{j'} w_{j'}} f(x) .
#
# So the direction decides everything, and needs a reason. A root must be an input that can occur, and it should be near
# :math:`x`. If not every input can occur, we aim at a point of the domain where the neuron is surely silent; if
# :math:`b \le 0`, the root lies on the way there. The inputs that change on the way receive the relevance:
#
# * Any real :math:`x` can occur: the nearest root, :math:`v_j = w_j`. This is the :math:`w^2` rule.
# * Only :math:`x \ge 0`, as behind a ReLU: aim at the point without the inputs that excite, and leave the others as
#   they are. :math:`v_j = x_j` where :math:`w_j > 0`, else 0. This is the :math:`z^+` rule.
# * Only :math:`l_j \le x_j \le h_j`, as for pixels: aim at the corner of the box where the neuron is lowest.
#   :math:`v_j = x_j - l_j` where :math:`w_j > 0`, :math:`x_j - h_j` where :math:`w_j < 0`. This is :math:`z^B`.
#
# Without such reasons the theory would allow anything: :math:`v_j = d_j / w_j` gives the shares :math:`d_j`, whatever
# these are (Sixt & Landgraf make this objection in general). With all :math:`d_j` alike it is the flat rule of LRP
# (``lrp.flat``), which tells where a neuron looks and nothing about what it sees.
#
# By hand: :math:`w = (2, -1)`, :math:`b = -1`, :math:`x = (2, 1)`, so :math:`f = 2`. The shares :math:`v_j w_j` are
# :math:`(4, 1)`, :math:`(4, 0)` and, in the box from 0 to 3, :math:`(4, 2)`.

neuron = Dense(np.array([[2.0], [-1.0]]), b=np.array([-1.0]))
x, f = np.array([[2.0, 1.0]]), np.array([[2.0]])
w, panels = neuron.W.T, {}                                                 # (1, 2), as x
rules = {"w²": (w, deep_taylor.w_square), "z⁺": (x * (w > 0), deep_taylor.z_plus),
         "zᴮ": (np.where(w > 0, x - 0, x - 3), partial(deep_taylor.z_box, low=0.0, high=3.0))}
for name, (v, rule) in rules.items():
    root = x - f / (v * w).sum() * v                                        # x - t v
    R = rule(neuron, x, f, f)                                               # <- STEP INTO: it never looks for a root
    print(f"{name}: root {root[0].round(3)}, where z = {neuron.forward(root)[0, 0]:.0f}, at a distance of "
          f"{np.linalg.norm(x - root):.2f}; w (x - root) = {(w * (x - root))[0].round(3)}, the rule {R[0].round(3)}")
    assert np.allclose(R, w * (x - root)) and np.allclose(root, root_points.root_points(neuron, x, rule)[:, :, 0])
    panels[f"{name}: R = ({R[0, 0]:.2f}, {R[0, 1]:.2f})"] = (x, root - x)
figure = diagrams.plane(lambda p: np.maximum(neuron.forward(p)[:, 0], 0), panels, (-1, 4), zero=None,
                        title="From x to the root point that each rule means", points=[(x[0], "x")])
domains = (([], ""), ([[0, 4], [0, 0], [4, 0]], "x ≥ 0"), ([[0, 0], [3, 0], [3, 3], [0, 3], [0, 0]], "0 ≤ x ≤ 3"))
for ax, (edge, name) in zip(figure.axes, domains):
    ax.plot([0, 2.5], [-1, 4], "k")                                         # 2 x_1 - x_2 - 1 = 0
    ax.annotate("f = 0", (1.1, 1.9), rotation=63)
    if edge:
        ax.plot(*np.transpose(edge), ":", color="#0072b2", linewidth=2.5)
        ax.annotate(name, (1.4, -0.5), color="#0072b2")

# %%
# From a neuron to a network
# --------------------------
# A hidden neuron's relevance :math:`R_k` depends on the inputs :math:`x` of its layer, mostly through its own output:
# :math:`R_k \approx f_k(x) \, c_k`. If :math:`c_k` is taken as constant, the neuron's expansion is that of
# :math:`f_k`, times :math:`c_k`, and all neurons of a layer together give
#
# .. math:: R_j = \sum_k \frac{v_{jk} w_{jk}}{\sum_{j'} v_{j'k} w_{j'k}} R_k .
#
# So the decomposition of a network is layer-wise relevance propagation with these rules. No share is negative: evidence
# against an output never appears. On the network of lesson 2.2, where simple Taylor found :math:`(9, -1)`:

W1, W2 = np.array([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]), np.array([[1.0], [2.0], [3.0]])
small = Network([Dense(W1), ReLU(), Dense(W2)])
x = np.array([[3.0, 1.0]])
R = passes.lrp(small, x, 0, deep_taylor.z_plus)
print("deep Taylor", R[0][0], "sum", R[0].sum().round(6))
diagrams.neurons(small, small.trace(x), R, "Deep Taylor, z⁺ in both layers: nothing negative, nothing lost")

# %%
# Ten digits
# ----------
# All layers above use :math:`z^+`, and max pooling shares in proportion (``lrp.proportional``).
# Only the rule at the pixels changes.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net, digits, target = models.load("cnn"), images[ten], labels[ten]
with_z_plus = composites.deep_taylor(net)
with_z_plus[0] = deep_taylor.z_plus
maps = {"w² (any pixel)": passes.deep_taylor(net, digits, target)[0],
        "z⁺ (pixels ≥ 0)": passes.lrp(net, digits, target, with_z_plus)[0],
        "zᴮ (pixels 0 to 1)": passes.deep_taylor(net, digits, target, low=0, high=1)[0]}
plot.heatmaps(maps, digits, title="Deep Taylor decomposition: one network, three sets of possible pixels")
logit, ink = net.forward(digits)[np.arange(10), target], digits > 0
for name, R in maps.items():
    print(f"{name:18} sum / logit {(R.sum(axis=(1, 2, 3)) / logit).mean():.4f}, smallest {R.min():5.2f}, on ink "
          f"{((R * ink).sum(axis=(1, 2, 3)) / R.sum(axis=(1, 2, 3))).mean():.0%} ({ink.mean():.0%} of the pixels)")

# %%
# :math:`w^2` spreads what arrives from above by the weights alone, whatever the pixels are, and blurs. :math:`z^+` sees
# ink only: where :math:`x_j = 0` nothing can be made smaller. :math:`z^B` also knows that a pixel could have been ink:
# an empty pixel whose weights are negative speaks for the neuron by being empty. All three put most of the relevance on
# the 19 % of the pixels that are ink. But as nothing speaks against a class, the map for another class looks much the
# same (lesson 2.3).
#
# First question, measured: is there a root?
# ------------------------------------------
# For :math:`z^+` the way is :math:`\tilde x_j = (1 - t) x_j` where :math:`w_{jk} > 0`. It stays at or above 0 while
# :math:`t = z_k / \sum_j x_j w_{jk}^+ \le 1`. That is sure if :math:`b_k \le 0`, which the theory asks for, and not
# otherwise. Here are all neurons of the upper two layers that fire, over 1,000 digits.

print("\nnetwork         layer  biases > 0   t: median  largest   no root on the way")
for name in ("dense_no_bias", "dense"):
    net = models.load(name)
    A = net.trace(images[:1000])
    for l in [l for l, layer in enumerate(net.layers) if isinstance(layer, Dense)][1:]:
        layer, z = net.layers[l], A[l + 1]                                  # (1000, neurons)
        t = (z / (A[l] @ np.maximum(layer.W, 0)))[z > 0]
        positive = 0 if layer.b is None else (layer.b > 0).mean()
        print(f"{name:15} {l:5} {positive:11.0%} {np.median(t):11.2f} {t.max():8.2f} {(t > 1).mean():12.2%}")
        assert layer.b is not None or t.max() <= 1, "without bias there is always a root"

# %%
# A positive bias does harm only where it exceeds all that speaks against the neuron: here in 0.2 % of the cases.
#
# Second question, measured: does the network stay the same on the way?
# ---------------------------------------------------------------------
# The step from neuron to network took :math:`c_k` as constant. We go half the way from 50 digits to the root of the
# neuron with the most relevance in the first hidden layer, and of any neuron that fires, decompose that image too, and
# compare :math:`c_k = R_k / f_k`. At the root itself, how many of the 512 neurons have switched on or off? For
# comparison, a step of the same length in a random direction.

net, rng = models.load("dense_no_bias"), np.random.default_rng(0)
x, target, layer, every = images[:50], labels[:50], net.layers[2], np.arange(50)    # layers 0 and 1: Flatten, Dropout


def first_hidden(pictures):
    """z and R (50, 512) of the first hidden layer. The rule at the pixels does not matter for them."""
    return net.trace(pictures)[3], passes.deep_taylor(net, pictures, target)[3]


z, R = first_hidden(x)
switched = {}
print(f"\n{'half the way':36} c_k changes by a factor, 10 % to 90 %   at its end: neurons switched")
any_that_fires = (rng.random(z.shape) * (z > 0)).argmax(axis=1)
for kind, k in (("most relevant", R.argmax(axis=1)), ("any that fires", any_that_fires)):
    root = np.stack([root_points.root_points(layer.with_weights(layer.W[:, j:j + 1], None), x[n].reshape(1, 784),
                                             partial(deep_taylor.z_box, low=0.0, high=1.0))[0, :, 0]
                     for n, j in enumerate(k)]).reshape(x.shape)
    way = root - x
    chance = rng.standard_normal(x.shape, dtype=np.float32)
    chance *= np.sqrt((way ** 2).sum(axis=(1, 2, 3), keepdims=True) / (chance ** 2).sum(axis=(1, 2, 3), keepdims=True))
    for name, step in (("towards the root", way), ("random direction", chance)):
        z_half, R_half = first_hidden(x + step / 2)
        ratio = (R_half / z_half)[every, k] / (R / z)[every, k]
        there = ((net.trace(x + step)[3] > 0) != (z > 0)).mean(axis=1)
        switched[kind, name] = metrics.mean_and_error(there)
        print(f"{kind:15} {name:17} {np.nanmedian(ratio):23.3f} {np.nanquantile(ratio, .1):14.2f} to "
              f"{np.nanquantile(ratio, .9):.2f}" "{:20.1%} +- {:.1%}".format(*switched[kind, name]))

# %%
# Half the way to the root of the most relevant neuron :math:`c_k` falls by 5 %, of any other by 1 %; in a random
# direction by 0.4 % or less: here the assumption holds nearly, not exactly. At the root 9 and 3 % of the neurons have
# switched, in a random direction 2 and 0.7 %. So the root lies in another linear region than :math:`x`, further than a
# Taylor expansion of the *network* should reach; Sixt & Landgraf find the same in larger networks. They also show that
# with roots that do not move with :math:`x` the method is gradient x input, and that with roots that do it can
# justify any explanation. Deep Taylor motivates a rule; it is no proof.
#
# Try this
# --------
# 1. Tell :math:`z^B` that pixels lie between -1 and 1 (``low=-1``). What becomes of the empty pixels, and why?
# 2. Find, for the neuron above, a bias with which :math:`z^+` has no root at :math:`x = (2, 1)`.

for name, R in maps.items():
    assert R.min() > -1e-4 and np.allclose(R.sum(axis=(1, 2, 3)), logit, rtol=1e-3), f"{name}: positive and conserved"
assert all(switched[kind, "towards the root"][0] > 2 * switched[kind, "random direction"][0]
           for kind in ("most relevant", "any that fires")), "the root lies in another linear region"
plot.show()
