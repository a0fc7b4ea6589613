r"""
2.4 Deep Taylor decomposition
=============================

**You will see** that three rules of relevance propagation are first-order Taylor expansions of one neuron, each at
another root point; where these points lie; and what becomes of ten digits.

**Before this:** 2.2 (simple Taylor decomposition), 2.3 (layer-wise relevance propagation).

**Papers:** Montavon et al. 2017, *Explaining nonlinear classification decisions with deep Taylor decomposition*;
Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 5.2; with doubts:
Sixt & Landgraf 2022, *A rigorous study of the deep Taylor decomposition*.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Network, ReLU, datasets, models, passes, plot
from minixnn.plot import diagrams
from minixnn.rules import composites, deep_taylor, root_points

# %%
# One neuron, three root points
# -----------------------------
# Simple Taylor decomposition expands the whole network at once. Deep Taylor expands one neuron at a time. Let
#
# .. math:: f(x) = \max\Bigl( \sum_j x_j w_j + b, \; 0 \Bigr)
#
# and let :math:`\tilde x` be a *root point*, just where the neuron stops firing: :math:`\sum_j \tilde x_j w_j + b = 0`.
# Between :math:`\tilde x` and :math:`x` the neuron is linear, so its expansion has no rest:
#
# .. math:: R_j = w_j (x_j - \tilde x_j) , \qquad \sum_j R_j = f(x) .
#
# Roots there are many. We look for one along a direction :math:`v`, :math:`\tilde x = x - t v`, such that it stays
# where inputs can be. Putting it in gives :math:`t = f(x) / \sum_j v_j w_j` and
#
# .. math:: R_j = \frac{v_j w_j}{\sum_{j'} v_{j'} w_{j'}} f(x) .
#
# * Any real :math:`x`: the shortest way, :math:`v_j = w_j`. This is the :math:`w^2` rule.
# * Only :math:`x \ge 0`, as behind a ReLU: make smaller what excites, :math:`v_j = x_j` where :math:`w_j > 0`, else 0.
#   This is the :math:`z^+` rule.
# * Only :math:`l_j \le x_j \le h_j`, as for pixels: :math:`v_j = x_j - l_j` where :math:`w_j > 0`,
#   :math:`v_j = x_j - h_j` where :math:`w_j < 0`. This is the :math:`z^B` rule (B for box).
#
# With :math:`v_j = 1 / w_j` all shares would be alike. That is the flat rule of LRP (``lrp.flat``), which tells where a
# neuron looks and nothing about what it sees.
#
# By head: :math:`w = (2, -1)`, :math:`b = -1`, :math:`x = (2, 1)`, so :math:`f = 2`. The shares :math:`v_j w_j` are
# :math:`(4, 1)`, :math:`(4, 0)` and, in the box from 0 to 3, :math:`(4, 2)`.

neuron = Dense(np.array([[2.0], [-1.0]]), b=np.array([-1.0]))
x, f = np.array([[2.0, 1.0]]), np.array([[2.0]])
rules = {"w²": deep_taylor.w_square, "z⁺": deep_taylor.z_plus,
         "zᴮ": partial(deep_taylor.z_box, low=0.0, high=3.0)}
panels = {}
for name, rule in rules.items():
    root = root_points.root_points(neuron, x, rule)[:, :, 0]                # (1 image, 2 inputs)
    R = rule(neuron, x, f)                                                  # <- STEP INTO: it never looks for a root
    print(f"{name}: root {root[0].round(3)}, where z = {neuron.forward(root)[0, 0]:.0f}; w (x - root) = "
          f"{(neuron.W[:, 0] * (x - root))[0].round(3) + 0.0}; the rule says {R[0].round(3)}")
    assert np.allclose(R, neuron.W[:, 0] * (x - root))
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
# So the decomposition of a network is layer-wise relevance propagation with these rules. No share is negative: what
# speaks against an output never appears. On the network of lesson 2.2, where simple Taylor found :math:`(9, -1)`:

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
    print(f"{name:18} sum / logit {(R.sum(axis=(1, 2, 3)) / logit).mean():.4f}, smallest {R.min():5.2f}, "
          f"on ink {((R * ink).sum(axis=(1, 2, 3)) / R.sum(axis=(1, 2, 3))).mean():.0%}")

# %%
# :math:`w^2` does not look at the pixels at all, only at the weights, and blurs. :math:`z^+` sees ink only: where
# :math:`x_j = 0` nothing can be made smaller. :math:`z^B` also knows that a pixel could have been ink: an empty pixel
# whose weights are negative speaks for the neuron by being empty.
#
# One question, measured
# ----------------------
# A root must lie among the possible inputs. For :math:`z^+` the way is :math:`\tilde x_j = (1 - t) x_j` where
# :math:`w_{jk} > 0`, which stays at or above 0 as long as :math:`t = z_k / \sum_j x_j w_{jk}^+ \le 1`. That is sure
# if :math:`b_k \le 0`, which the theory asks for, and not otherwise. Does a network trained with biases keep to it?
# We look at all neurons of the upper two layers that fire, over 1,000 digits.

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
# A positive bias does harm only where it is larger than all that speaks against the neuron, and that is rare. What
# remains untested here is the assumption that :math:`c_k` is constant on the way to the root; Sixt & Landgraf 2022
# examine it.
#
# Try this
# --------
# 1. Tell :math:`z^B` that pixels lie between -1 and 1 (``low=-1``). What becomes of the empty pixels, and why?
# 2. Find, for the neuron above, a bias with which :math:`z^+` has no root at :math:`x = (2, 1)`.

for name, R in maps.items():
    assert R.min() > -1e-4 and np.allclose(R.sum(axis=(1, 2, 3)), logit, rtol=1e-3), f"{name}: positive and conserved"
plot.show()
