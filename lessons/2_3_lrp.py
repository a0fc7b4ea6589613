r"""
2.3 Layer-wise relevance propagation
====================================

**You will see** how the output of a network is handed back to its inputs, layer by layer, in four lines of NumPy; why
there is more than one rule for it; and, measured, which rule belongs in which layer.

**Before this:** 0.1 (layers), 2.2 (simple Taylor). **Walk through it**: `LRP-epsilon <../walks/lrp.epsilon.html>`_.

**Papers:** Bach et al. 2015, *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
propagation*, equations 56 to 60; Montavon et al. 2019, *Layer-wise relevance propagation: an overview*, sections 10.2
and 10.3; Sixt et al. 2020, *When explanations lie*.
"""
from functools import partial

import numpy as np

from minixnn import Conv2d, Dense, Network, ReLU, attribution, datasets, metrics, models, passes, plot
from minixnn.plot import diagrams
from minixnn.rules import composites, deep_taylor, lrp

# %%
# Relevance is shared out
# -----------------------
# Let :math:`R_k` be what output :math:`k` of a layer has to give, and :math:`R_j` what input :math:`j` receives. We
# ask two things of a rule:
#
# * **conservation**, :math:`\sum_j R_j = \sum_k R_k`: the heatmap sums to the output that it explains;
# * **proportion**: an input receives by its contribution :math:`z_{jk} = x_j w_{jk}` to the sum
#   :math:`z_k = \sum_j z_{jk} + b_k` from which the output was made.
#
# The simplest rule that does both is the quotient itself (LRP-0, eq. 56). Pulled apart, it has four steps:
#
# .. math:: R_j = \sum_k \frac{x_j w_{jk}}{z_k} R_k , \qquad \text{or} \qquad
#           z = x W + b , \quad s = R / z , \quad c = s \, W^\top , \quad R \leftarrow x \cdot c .
#
# By hand: :math:`x = (2, 1, 1)`, :math:`w = (3, 2, -4)`, so :math:`z = 4`; of one unit the inputs receive
# :math:`6/4, 2/4, -4/4`.


def rule(x, W, b, R, epsilon=0.0):
    z = x @ W + b                                           # what each output was made of
    s = R / (z + epsilon * np.where(z >= 0, 1, -1))         # relevance per unit of it (epsilon: see below)
    c = s @ W.T                                             # what an input of size 1 has earned
    print(f"  z {z[0]}, s {s[0].round(2)}, c {c[0].round(2)}, R {(x * c)[0].round(2)}, sum {(x * c).sum():.3f}")
    return x * c


x, unit, none = np.array([[2.0, 1.0, 1.0]]), np.array([[1.0]]), np.zeros(1)
neuron = Dense(np.array([[3.0], [2.0], [-4.0]]))
print("one neuron, LRP-0")
R = rule(x, neuron.W, none, unit)
assert np.allclose(R, lrp.epsilon(neuron, x, neuron.forward(x), unit, epsilon=0))       # <- STEP INTO: the same lines

# %%
# From neuron to neuron
# ---------------------
# In a network what a neuron has received is what it then hands on; that is all. A ReLU has one input and passes its
# relevance on. The package has a loop for it, ``R[l] = rules[l](net.layers[l], A[l], A[l + 1], R[l + 1])``, in which a
# rule is handed a layer, its input, its output and the output's relevance. Every layer of the two must agree.

W1, W2 = np.array([[2.0, -1.0], [-1.0, 3.0]]), np.array([[2.0], [-3.0]])
small = Network([Dense(W1), ReLU(), Dense(W2)])
A = small.trace(np.array([[2.0, 1.0]]))                     # A[0] the input, A[3] the output
print("two layers, LRP-0, from the output back")
R2 = rule(A[2], W2, none, A[3])
R0 = rule(A[0], W1, none, R2)
R = passes.lrp(small, A[0], 0, partial(lrp.epsilon, epsilon=0))             # <- STEP INTO
for by_hand, by_package in zip((R0, R2, R2, A[3]), R):
    assert np.allclose(by_hand, by_package), "the package does what the four lines do"
diagrams.neurons(small, A, R, "Relevance flows back: every column sums to the output, 3 (LRP-0)")

# %%
# What can go wrong, and the rules that prevent it
# ------------------------------------------------
# Let the third weight of the neuron be -7.99. The sum is 0.01, and the shares become 600, 200 and -799: they sum to 1,
# and mean nothing. The stabiliser :math:`\epsilon` keeps the denominator away from zero (**LRP-epsilon**, eq. 58),
#
# .. math:: R_j = \sum_k \frac{z_{jk}}{z_k + \epsilon \, \mathrm{sgn}\, z_k} R_k ,
#
# and pays with conservation: a part is *absorbed*. So is what belongs to a bias, a part of :math:`z_k` that no input
# stands behind. What counts is :math:`\epsilon` compared with :math:`z_k`: a tiny one changes nothing.

weak = np.array([[3.0], [2.0], [-7.99]])
for epsilon in (0, 1e-6, 1):
    print(f"epsilon {epsilon}")
    rule(x, weak, none, unit, epsilon)

# %%
# The large shares come from mixing what speaks for the neuron with what speaks against it. **LRP-alpha-beta** shares
# among the positive contributions :math:`z_{jk}^+` and among the negative :math:`z_{jk}^-` separately,
#
# .. math::
#    R_j = \sum_k \Bigl( \alpha \frac{z_{jk}^+}{\sum_j z_{jk}^+ + b_k^+}
#                       - \beta \frac{z_{jk}^-}{\sum_j z_{jk}^- + b_k^-} \Bigr) R_k , \qquad \alpha - \beta = 1 .
#
# For inputs that are not negative, as behind a ReLU, :math:`\alpha = 1, \beta = 0` is the four lines with the positive
# weights only. **LRP-gamma** lies between: it favours them by a factor, :math:`W + \gamma W^+` (2019, section 10.2.1).
# At :math:`\gamma = 0` it is LRP-0, for :math:`\gamma \to \infty` alpha1-beta0.

for name, W, package in (("gamma 0.25", weak + 0.25 * weak.clip(0), partial(lrp.gamma, gamma=0.25)),
                         ("alpha 1, beta 0", weak.clip(0), partial(lrp.alpha_beta, alpha=1, beta=0))):
    print(name)
    assert np.allclose(rule(x, W, none, unit), package(Dense(weak), x, x @ weak, unit))

# %%
# All these give an input of 0 nothing, which suits neurons: 0 means "silent". For a pixel 0 is only one end of a scale,
# and being empty can speak for a digit as well as being inked. At the pixels **z**\ :sup:`B` (B for box) measures each
# contribution from the value between 0 and 1 that would excite the neuron least: from 0 where the weight is positive,
# from 1 where it is negative,
#
# .. math:: R_j = \sum_k \frac{x_j w_{jk} - 0 \, w_{jk}^+ - 1 \, w_{jk}^-}{\sum_{j'} (\text{the same for } j')} R_k .
#
# By hand: :math:`w = (2, -1)`, and the second pixel is empty, :math:`x = (1, 0)`. The contributions are :math:`2` and
# :math:`0 + 1`, so the empty pixel receives a third. Lesson 2.4 derives the rule.

pixels, w, box = np.array([[1.0, 0.0]]), np.array([[2.0], [-1.0]]), partial(deep_taylor.z_box, low=0.0, high=1.0)
by_hand = pixels * w.T - 0 * w.T.clip(0) - 1 * w.T.clip(max=0)
print("z^B shares", by_hand[0] / by_hand.sum())
assert np.allclose(by_hand / by_hand.sum(), box(Dense(w), pixels, pixels @ w, unit))

# %%
# Ten digits: which rule belongs where?
# -------------------------------------
# The overview (section 10.3) advises: near the output LRP-0 or a small epsilon, for there neurons serve many classes
# and a rule should stay close to the function; in the lower layers gamma, which spreads relevance over whole features
# where LRP-0 is noisy; at the pixels z\ :sup:`B`. We can test that: the same two rules, and the same two exchanged.


def by_depth(net, upper, lower, pixels=None):
    """A rule for the dense layers, one for the convolutions, and perhaps another for the first layer with weights."""
    rules = [{Dense: upper, Conv2d: lower}.get(type(layer)) for layer in net.layers]
    first = next(l for l, rule in enumerate(rules) if rule)
    return [*rules[:first], pixels or rules[first], *rules[first + 1:]]


net, zero, positive = models.load("cnn"), partial(lrp.epsilon, epsilon=0), composites.alpha1_beta0
ways = {"LRP-0 everywhere": zero, "LRP-gamma everywhere": lrp.gamma, "alpha1-beta0 everywhere": positive,
        "LRP-0 above,\ngamma below": by_depth(net, zero, lrp.gamma),
        "gamma above,\nLRP-0 below": by_depth(net, lrp.gamma, zero),
        "LRP-0 above,\ngamma, zᴮ below": by_depth(net, zero, lrp.gamma, box)}
images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
maps = {name: passes.lrp(net, images[ten], labels[ten], rules)[0] for name, rules in ways.items()}
plot.heatmaps({name: R[::2] for name, R in maps.items()}, images[ten[::2]], quantile=0.995,
              title="One network, one backward loop, six choices of rules")

# %%
# One question, measured
# ----------------------
# Over 200 digits we ask three things. Is a heatmap *about the class*? The cosine of the maps for the true class and for
# the one in second place is 1 if the picture is the same whatever we ask. Does it *cancel*? :math:`\sum |R|` over
# :math:`|\sum R|` is 1 if nothing does. Is it *smooth*? That is the correlation of neighbouring pixels with ink.
# Controls: the input itself; the numbers of LRP-0 shuffled among the pixels with ink; at the pixels *flat*, which
# spreads relevance evenly over all that a neuron sees; and a second, dense network. After +- stands the standard error.

x, target, rng = images[:200], labels[:200], np.random.default_rng(0)
dense = models.load("dense_no_bias")
cases = {name.replace("\n", " "): (net, rules) for name, rules in ways.items()} | {
    "LRP-0 above, gamma, flat": (net, by_depth(net, zero, lrp.gamma, lrp.flat)), "dense, LRP-0": (dense, zero),
    "dense, LRP-0 above, zᴮ": (dense, by_depth(dense, zero, zero, box))}
y = net.predict(x)
y[np.arange(200), target] = -np.inf
one_each = [np.eye(10, dtype=np.float32)[classes] for classes in (target, y.argmax(axis=1))]   # so that signs compare
pairs = {name: [attribution.lrp(of, x, rules=rules, start=one).reshape(200, -1) for one in one_each]
         for name, (of, rules) in cases.items()}
shuffled = np.zeros((2, 200, 784))
for to, R in zip(shuffled, pairs["LRP-0 everywhere"]):
    for n, ink in enumerate(x.reshape(200, -1) > 0):
        to[n, ink] = rng.permutation(R[n, ink])
pairs.update({"the input itself": [x.reshape(200, -1)] * 2, "LRP-0, shuffled": shuffled})
both = (x[:, :, 1:] > 0) & (x[:, :, :-1] > 0)                               # neighbours side by side, both with ink
measured = {}
print(f"\n{'':28} the same for two classes    cancels         smooth")
for name, (R, S) in pairs.items():
    cosine = (R * S).sum(axis=1) / np.sqrt((R ** 2).sum(axis=1) * (S ** 2).sum(axis=1))
    cancels = np.median(abs(R).sum(axis=1) / abs(R.sum(axis=1)))
    smooth = [np.corrcoef(r[:, :-1][of], r[:, 1:][of])[0, 1] for r, of in zip(R.reshape(x.shape), both)]
    (alike, error), (likeness, spread) = map(metrics.mean_and_error, (cosine, np.array(smooth)))
    measured[name] = alike, cancels, likeness
    print(f"{name:28} {alike:14.2f} +- {error:.2f} {cancels:15.2f} {likeness:11.2f} +- {spread:.2f}")

# %%
# The *upper* rule decides whether a map is about the class. With alpha1-beta0 everywhere the cosine is 0.99: whichever
# class we ask for, the same picture comes (Sixt et al. explain why). With LRP-0 above it is 0.07 to 0.22. The *lower*
# rule decides how much cancels: 2.3 with LRP-0, 1.1 with gamma. Exchanged, the two are worse in both, 0.32 and 2.0.
# Smooth is a matter of looks: z\ :sup:`B` raises it from 0.24 to 0.48 here, but flat, which ignores what the pixels
# hold, to 0.77, and in the dense network z\ :sup:`B` lowers it. Whether a map is *right*, lesson 5.2 measures.
#
# Try this
# --------
# 1. Explain the 4 as a 9: ``passes.lrp(net, images[ten[4:5]], 9)``. Which strokes speak against the nine?
# 2. Use ``partial(lrp.epsilon, epsilon=0.25)`` everywhere. Which of the three numbers change?

intended, exchanged = measured["LRP-0 above, gamma below"], measured["gamma above, LRP-0 below"]
assert intended[0] < exchanged[0] and intended[1] < exchanged[1], "each rule has its place"
assert measured["alpha1-beta0 everywhere"][0] > 0.9, "alpha1-beta0 everywhere is not about the class"
assert measured["LRP-0 above, gamma, flat"][2] > measured["LRP-0 above, gamma, zᴮ below"][2] + 0.2, "blur wins"
assert measured["dense, LRP-0 above, zᴮ"][2] < measured["dense, LRP-0"][2] - 0.1, "zᴮ is less smooth"
plot.show()
