r"""
2.2 Simple Taylor decomposition
===============================

**You will see** why the gradient times the input adds up to the output, for which networks it does, and where the
missing part is in a network with biases.

**Before this:** 2.1 (sensitivity analysis).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 4.2;
Bach et al. 2015, *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation*;
Srinivas & Fleuret 2019, *Full-gradient representation for neural network visualization*.
"""
import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, metrics, models, passes, plot
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
# Why a root? Bach et al. take :math:`f > 0` for the presence of what was learnt and :math:`f < 0` for its absence, so
# :math:`f = 0` is where the network is most uncertain. Each :math:`x_i - \tilde x_i` is then what distinguishes the
# input from an undecided one, and the derivative says how much that difference counts. (For one of ten logits this is
# a convention: only the softmax of all of them says what is undecided.)
#
# A network of affine layers and ReLU without biases comes with a root point. If the input is doubled, every sum and
# every ReLU doubles too: :math:`f(t x) = t f(x)` for all :math:`t \ge 0` (:math:`f` is *homogeneous*). On the straight
# line from 0 to :math:`x` it is linear, so :math:`\varepsilon = 0`; the gradient is the same all along the line; and
# :math:`\tilde x = t x` is as close to a root as we like for small :math:`t`. What remains is
#
# .. math:: R_i = x_i \frac{\partial f}{\partial x_i} .
#
# By hand, with the network of lesson 0.1 (now without its bias): at :math:`x = (3, 1)` the output is 8 and the gradient
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
# With a bias the argument fails: on the line from 0 to :math:`x` there are kinks, where neurons begin to fire. The
# formula can still be computed. What it then leaves out can be read from the tangent at :math:`x`: along the ray
# :math:`t x` the tangent is :math:`f(x) + (t - 1) \sum_i R_i`, and at :math:`t = 0` its height is
# :math:`f(x) - \sum_i R_i`.

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
             "Gradient x input: ink for the digit (red) and against it (blue)")

# %%
# Compared with sensitivity the maps stay on the strokes, and they have a sign. Does it belong to strokes, or to single
# pixels? Of two neighbouring pixels with ink, how often does one speak for the digit and the other against it? The
# control: the same numbers, shuffled among the pixels with ink.


def opposite(R, ink):
    """The share of neighbouring pixels with ink, side by side, whose relevances differ in sign, for each image."""
    both = ink[:, :, 1:] & ink[:, :, :-1]
    return (both & (R[:, :, 1:] * R[:, :, :-1] < 0)).sum(axis=(1, 2, 3)) / both.sum(axis=(1, 2, 3))


def shuffled(R, ink, rng=np.random.default_rng(0)):
    """The relevances of the pixels with ink, dealt out again among them by chance."""
    dealt = np.zeros_like(R)
    for to, values, where in zip(dealt, R, ink):
        to[where] = rng.permutation(values[where])
    return dealt


x, target = images[:1000], labels[:1000]
disagree = {}
print("\nneighbours of opposite sign       in the map          shuffled")
for name in ("dense_no_bias", "cnn"):
    R = attribution.gradient_times_input(models.load(name), x, target)      # the product above, in batches
    disagree[name] = [metrics.mean_and_error(opposite(values, x > 0)) for values in (R, shuffled(R, x > 0))]
    print(f"{name:28}", *("{:8.1%} +- {:.1%} ".format(*values) for values in disagree[name]))

# %%
# In the dense network 21 % of the neighbours disagree, by chance 40 %: the signs belong to pieces of strokes. In the
# convolutional one it is 40 % against 48 %, close to chance. Why the two networks differ so much we do not know; that
# both are gradients cannot be the reason. Lesson 2.3 has rules that keep signs together.
#
# One question, measured
# ----------------------
# How much is missing in a trained network that has biases, and where is it? Each bias counts as one more input, whose
# value is always 1 (Srinivas & Fleuret call these terms bias gradients),
#
# .. math:: f(x) = \sum_i x_i \frac{\partial f}{\partial x_i} + \sum_k b_k \frac{\partial f}{\partial b_k} ,
#
# for every network of affine layers, ReLU and max pooling, the second sum running over all its neurons. The derivative
# by the bias of a neuron is that by its sum, which the pass leaves beside the layer's output.

print("\nnetwork          (f - sum of R) / f: mean, and from 10 % to 90 % of the digits   biases fill it up to")
rest = {}
for name in ("dense_no_bias", "dense"):
    net = models.load(name)
    G = passes.gradient(net, x, target)
    f = net.predict(x)[np.arange(1000), target]
    missing = f - (x * G[0]).sum(axis=(1, 2, 3))
    of_biases = sum((layer.b * G[l + 1]).sum(axis=1) for l, layer in enumerate(net.layers)
                    if isinstance(layer, Dense) and layer.b is not None)
    rest[name] = abs(missing - of_biases).max()
    part = (missing / f).round(4) + 0.0
    (mean, error), (low, high) = metrics.mean_and_error(part), np.quantile(part, (.1, .9))
    print(f"{name:15} {mean:13.1%} +- {error:.1%} {low:15.1%} to {high:5.1%} {rest[name]:31.0e}")

# %%
# On average 1.1 % of the logit of ``dense`` is missing, but for single digits 10 % in either direction. All of it
# belongs to the biases: their terms fill the gap up to rounding. No pixel stands behind that part of the output, and a
# heatmap of pixels cannot show it.
#
# Try this
# --------
# 1. Which layer's biases contribute most to the missing part of ``dense``? Print the terms of the sum one by one.
# 2. Explain a 4 as a 9 with ``start=attribution.contrast(net, x, 4, 9, relevance=False)``: which ink decides between
#    the two?

assert max(rest.values()) < 1e-4, "inputs and biases together are the whole output"
ratio = {name: of_map / by_chance for name, ((of_map, _), (by_chance, _)) in disagree.items()}
assert ratio["dense_no_bias"] < 0.6 and ratio["cnn"] > 0.8, "strokes have a sign in dense, and hardly in cnn"
plot.show()
