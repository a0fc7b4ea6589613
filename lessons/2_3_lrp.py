r"""
2.3 Layer-wise relevance propagation
====================================

**You will see** how the output of a network is handed back to its inputs, layer by layer, without being lost; why
there is more than one rule for it; and what each rule makes of the same ten digits.

**Before this:** 0.1 (layers and traces), 2.2 (simple Taylor decomposition).

**Papers:** Bach et al. 2015, *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
propagation*, equations 56 to 60; Montavon et al. 2019, *Layer-wise relevance propagation: an overview*, section 10.2.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Network, ReLU, datasets, models, passes, plot
from minixnn.plot import diagrams
from minixnn.rules import composites, lrp

# %%
# Relevance is shared out
# -----------------------
# Let :math:`R_k` be what output :math:`k` of a layer has to give, and :math:`R_j` what input :math:`j` receives. We
# ask two things of any way to share:
#
# * **conservation**, :math:`\sum_j R_j = \sum_k R_k`: the heatmap sums to the output that it explains;
# * **proportion**: an input receives by its contribution :math:`z_{jk} = x_j w_{jk}` to the sum
#   :math:`z_k = \sum_j z_{jk} + b_k` from which the output was made.
#
# Both together leave little choice. The first rule is the quotient itself (LRP-0):
#
# .. math:: R_j = \sum_k \frac{z_{jk}}{z_k} R_k .
#
# One neuron with three inputs, to be checked by head: :math:`z = 2 \cdot 3 + 1 \cdot 2 - 1 \cdot 4 = 4`, so the
# shares are :math:`6/4, 2/4, -4/4`.

x = np.array([[2.0, 1.0, 1.0]])                             # (1 image, 3 inputs)
neuron = Dense(W=np.array([[3.0], [2.0], [-4.0]]))          # no bias
R = np.array([[1.0]])                                       # one unit of relevance arrives

R_x = lrp.epsilon(neuron, x, R, epsilon=0)                  # <- STEP INTO: four lines, z, s, c, R
print("LRP-0 shares out", R_x, "which sums to", R_x.sum())

# %%
# What can go wrong, and the rule that prevents it
# ------------------------------------------------
# Let the third weight be -7.99 and the sum is 0.01: the shares become 600, 200 and -799. They still sum to 1, and mean
# nothing any more. The stabiliser :math:`\epsilon` keeps the denominator away from zero (LRP-epsilon, eq. 58),
#
# .. math:: R_j = \sum_k \frac{z_{jk}}{z_k + \epsilon \, \mathrm{sgn}\, z_k} R_k ,
#
# and pays with conservation: part of the relevance is *absorbed*. So is what belongs to a bias, for :math:`b_k` is a
# part of :math:`z_k` that no input stands behind.

weak = Dense(W=np.array([[3.0], [2.0], [-7.99]]))
for epsilon in (0, 0.1, 1):
    R_x = lrp.epsilon(weak, x, R, epsilon=epsilon)
    print(f"epsilon {epsilon:3}: {R_x.round(2)}  sum {R_x.sum():.3f}")

# %%
# Treating the two signs apart
# ----------------------------
# Large numbers of opposite sign come from mixing what speaks for the neuron with what speaks against it. The
# alpha-beta rule (eq. 60) shares among the excitatory contributions :math:`z_{jk}^+` and among the inhibitory
# :math:`z_{jk}^-` separately, each share bounded by 1:
#
# .. math::
#    R_j = \sum_k \Bigl( \alpha \frac{z_{jk}^+}{\sum_j z_{jk}^+ + b_k^+}
#                       - \beta \frac{z_{jk}^-}{\sum_j z_{jk}^- + b_k^-} \Bigr) R_k .
#
# Without bias and with inputs of both kinds the first quotients sum to 1 and the second too, so conservation says
# :math:`\alpha - \beta = 1`: there is one knob, not two. With :math:`\alpha = 1, \beta = 0` only what speaks for the
# neuron counts; :math:`\alpha = 2, \beta = 1` shows both.

for alpha, beta in ((1.0, 0.0), (2.0, 1.0)):
    R_x = lrp.alpha_beta(weak, x, R, alpha=alpha, beta=beta)
    print(f"alpha {alpha:.0f} beta {beta:.0f}: {R_x.round(3)}  sum {R_x.sum():.3f}")

# %%
# From neuron to neuron
# ---------------------
# In a network what a neuron has received is what it then hands on; that is all. Two inputs, two hidden neurons, by
# head with :math:`\alpha = 2, \beta = 1`: the output 3 is made of 6 and -3, so the hidden neurons receive
# :math:`2 \cdot 3` and :math:`-1 \cdot 3`. Each has one contribution of either sign, so the first hands on 12 and -6,
# the second -6 and 3. The inputs hold :math:`12 + 3` and :math:`-6 - 6`. Every column sums to 3.

small = Network([Dense(np.array([[2.0, -1.0], [-1.0, 3.0]])), ReLU(), Dense(np.array([[2.0], [-3.0]]))])
x = np.array([[2.0, 1.0]])
R = passes.lrp(small, x, 0, composites.alpha2_beta1)
print("relevance of the inputs", R[0][0], "sum", R[0].sum())
diagrams.neurons(small, small.trace(x), R, "Relevance flows back, every column sums to the output (alpha 2, beta 1)")

# %%
# LRP-gamma blends continuously (Montavon et al. 2019, section 10.2.1): the positive weights are favoured by a factor,
# :math:`w_{jk} + \gamma w_{jk}^+`. At :math:`\gamma = 0` it is LRP-0, and for :math:`\gamma \to \infty`
# alpha1-beta0.

x, R = np.array([[2.0, 1.0, 1.0]]), np.array([[1.0]])
for gamma in (0, 0.25, 10, 1e6):
    print(f"gamma {gamma:9}: {lrp.gamma(weak, x, R, gamma=gamma).round(3) + 0.0}")

# %%
# Ten digits, one rule at a time
# ------------------------------
# The same loop runs the rule through all layers: ``R[l] = layers[l].lrp(A[l], R[l + 1], rules[l])``. ReLU passes
# relevance on, max pooling gives it to the winner. We explain the logit of the true class.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
x, target = images[ten], labels[ten]
net = models.load("cnn")
print(net.describe(composites.epsilon_gamma_box, x))

choices = {"LRP-0": partial(lrp.epsilon, epsilon=0), "epsilon 1": partial(lrp.epsilon, epsilon=1.0),
           "gamma 0.25": lrp.gamma, "alpha1 beta0": composites.alpha1_beta0, "alpha2 beta1": composites.alpha2_beta1,
           "epsilon, gamma, zᴮ": composites.epsilon_gamma_box}
maps = {name: passes.lrp(net, x, target, rules)[0] for name, rules in choices.items()}
plot.heatmaps(maps, x, title="One network, ten digits, six ways to share relevance")

# %%
# The last row is a *composite*: epsilon in the dense layers, where evidence of both signs should stay visible; gamma
# in the convolutions, where it is noisy; and z\ :sup:`B` at the pixels, which knows that a pixel lies between 0 and 1
# and so can also speak through being empty. Lesson 2.4 derives that rule.
#
# One question, measured
# ----------------------
# How much of the logit reaches the pixels? The network has no biases, so whatever is missing was taken by the
# stabiliser, or had nobody to go to.

logit = net.forward(x)[np.arange(10), target]
print("\nrelevance at the pixels / logit, mean over the ten digits, and size of the heatmap, sum |R| / logit")
for name, R in maps.items():
    arrived = R.sum(axis=(1, 2, 3)) / logit
    size = abs(R).sum(axis=(1, 2, 3)) / logit
    print(f"  {name:22} {arrived.mean():6.3f} {size.mean():8.2f}")

# %%
# alpha2-beta1 conserves in a single neuron, but where a neuron has no inhibitory input nobody pays the
# :math:`-\beta R_k`, and relevance is created. Lesson 6.1 finds the layer where it happens.
#
# Try this
# --------
# 1. Explain the 4 as a 9: ``passes.lrp(net, x[4:5], 9)``. Which strokes speak against the nine?
# 2. Give the list ``composites.by_kind(net, conv=lrp.gamma)`` another rule at one layer only. Which layer decides how
#    the heatmap looks?

for name in ("LRP-0", "alpha1 beta0"):
    assert np.allclose(maps[name].sum(axis=(1, 2, 3)), logit, rtol=1e-3), f"{name} must hand on all there is"
plot.show()
