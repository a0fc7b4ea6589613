r"""
2.2 Simple Taylor decomposition
===============================

**You will see** why the gradient times the input adds up to the output, for which networks it does, and what a bias
does to it.

**Before this:** 2.1 (sensitivity analysis).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 4.2;
Bach et al. 2015, *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation*.
"""
import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, models, passes, plot
from minixnn.plot import diagrams

# %%
# A decomposition, not a slope
# ----------------------------
# We want numbers :math:`R_i` with :math:`\sum_i R_i = f(x)`: a share of the output for each input. Expand :math:`f`
# at a point :math:`\tilde x`,
#
# .. math:: f(x)
#           = f(\tilde x) + \sum_i \frac{\partial f}{\partial x_i} \Big|_{\tilde x} (x_i - \tilde x_i) + \varepsilon ,
#
# where :math:`\varepsilon` are the terms of higher order. If :math:`\tilde x` is a *root point*,
# :math:`f(\tilde x) = 0`, and :math:`\varepsilon` is zero too, the sum is the decomposition.
#
# A network of affine layers and ReLU without biases offers one for nothing. Doubling the input doubles every sum, and
# a ReLU lets through the double: :math:`f(t x) = t f(x)` for all :math:`t \ge 0` (:math:`f` is *homogeneous*). On the
# straight line from 0 to :math:`x` it is linear, so :math:`\varepsilon = 0`; the gradient is the same all along the
# line; and :math:`\tilde x = t x` comes as near to a root as we like, as :math:`t \to 0`. What remains is
#
# .. math:: R_i = x_i \frac{\partial f}{\partial x_i} .
#
# By head, with the network of lesson 0.1 (now without its bias): at :math:`x = (3, 1)` the output is 8 and the gradient
# :math:`(3, -1)`, so :math:`R = (9, -1)`: the first input speaks for the output, the second against it.

W1, W2 = np.array([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]), np.array([[1.0], [2.0], [3.0]])
small = Network([Dense(W1), ReLU(), Dense(W2)])
x = np.array([[3.0, 1.0]])
A, G = small.trace(x), passes.gradient(small, x, 0)                         # <- STEP INTO
R = [a * g for a, g in zip(A, G)]
print("f(x) =", A[-1][0, 0], " R =", R[0][0], " sum", R[0].sum())
diagrams.neurons(small, A, R, "Gradient times activation: every layer sums to the output, 8")

# %%
# What a bias does
# ----------------
# With a bias the argument breaks: the line from 0 to :math:`x` has kinks, where neurons begin to fire. The formula can
# still be computed. What it then leaves out is read off the tangent at :math:`x`: along the ray :math:`t x` the tangent
# is :math:`f(x) + (t - 1) \sum_i R_i`, and at :math:`t = 0` it has the height :math:`f(x) - \sum_i R_i`.

biased = Network([Dense(W1, b=np.array([-1.0, -1.0, 0.0])), ReLU(), Dense(W2)])
t = np.linspace(0, 1.25, 26)
lines = {}
for name, net in (("without bias", small), ("with bias", biased)):
    f, total = net.forward(x)[0, 0], (x * passes.gradient(net, x, 0)[0]).sum()
    lines[f"f(tx), {name}"] = net.forward(t[:, None] * x)[:, 0]
    if name == "with bias":                     # the other tangent is the line itself
        lines["its tangent at x (t = 1)"] = f + (t - 1) * total
    print(f"{name:12}: f(x) = {f:4}, sum of R = {total:4}, missing {f - total:4}")
plot.curves(t, lines, "t", "output", "Along the ray from 0 through x: without bias a straight line")

# %%
# Ten digits
# ----------
# A dense network without biases, so the decomposition is exact: each heatmap sums to the logit above it. Pixels
# without ink have :math:`x_i = 0` and receive nothing, whatever the gradient there.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("dense_no_bias")
digits, target = images[ten], labels[ten]
R = digits * passes.gradient(net, digits, target)[0]
logit = net.forward(digits)[np.arange(10), target]
plot.overlay(digits, R, [f"f = {f:.1f}, sum {r:.1f}" for f, r in zip(logit, R.sum(axis=(1, 2, 3)))],
             "Gradient times input: which ink speaks for the digit (red), which against it (blue)")

# %%
# Compared with sensitivity the maps stay on the strokes, and they have a sign. But neighbouring pixels of one stroke
# often disagree: a gradient looks at an infinitely small change, and a stroke is a large one.
#
# One question, measured
# ----------------------
# How much is missing in a trained network that has biases? The same architecture with and without them, 1,000 digits:
# the missing part :math:`(f(x) - \sum_i R_i) / f(x)`, and how large the positive and negative shares are that must
# cancel.

print("\nnetwork          missing: mean   from 10 % to 90 % of the digits   sum of |R| / f")
missing = {}
for name in ("dense_no_bias", "dense"):
    net = models.load(name)
    R = attribution.gradient_times_input(net, images[:1000], labels[:1000])     # the product above, 100 at a time
    f = net.predict(images[:1000])[np.arange(1000), labels[:1000]]
    missing[name] = (1 - R.sum(axis=(1, 2, 3)) / f).round(4) + 0.0
    low, high = np.quantile(missing[name], (.1, .9))
    size = np.median(abs(R).sum(axis=(1, 2, 3)) / f)
    print(f"{name:14} {missing[name].mean():14.1%} {low:20.1%} to {high:6.1%} {size:20.2f}")

# %%
# What is missing belongs to the biases. Each counts as one more input, whose value is always 1:
#
# .. math:: f(x) = \sum_i x_i \frac{\partial f}{\partial x_i} + \sum_k b_k \frac{\partial f}{\partial b_k}
#
# for every network of affine layers, ReLU and max pooling, the second sum running over all its neurons.
#
# Try this
# --------
# 1. Add up :math:`b_k \, \partial f / \partial b_k` over the layers of ``dense``: with ``G = passes.gradient(...)``
#    it is ``(layer.b * G[l + 1]).sum()``. Does it fill the gap?
# 2. Explain a 4 as a 9 with ``start=attribution.contrast(net, x, 4, 9, relevance=False)``: which ink decides between
#    the two?

assert abs(missing["dense_no_bias"]).max() < 1e-3, "without biases nothing is missing"
assert not np.allclose(net.predict(2 * images[:1]), 2 * net.predict(images[:1])), "with biases f(2x) is not 2 f(x)"
plot.show()
