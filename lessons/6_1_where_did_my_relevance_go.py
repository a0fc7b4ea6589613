r"""
6.1 Where did my relevance go?
==============================

**You will see** a balance of relevance, layer by layer, that adds up to rounding: what was handed on, what biases and
stabilisers kept, what was lost and what was created out of nothing.

**Before this:** 2.3 (layer-wise relevance propagation).

**Papers:** Bach et al. 2015, equations 2 (conservation) and 56 to 60; Montavon et al. 2019, section 10.2.
"""
import numpy as np

from minixnn import Dense, Network, datasets, models, plot
from minixnn.ledger import ledger
from minixnn.rules import composites, lrp

# %%
# A heatmap ought to sum to the output that it explains. When it does not, people ask where the rest is. Layer by layer
# there are only these places:
#
# .. math::
#    \sum_k R_k = \sum_j R_j + \text{bias} + \text{stabiliser} + \text{lost} .
#
# * **bias**: :math:`b_k` is a part of :math:`z_k = \sum_j x_j w_{jk} + b_k`, but no input. Its share
#   :math:`b_k R_k / z_k` stays there.
# * **stabiliser**: likewise the :math:`\epsilon` in the denominator keeps :math:`\epsilon R_k / (z_k + \epsilon)`.
# * **lost**: an output whose denominator is zero has nobody to hand its relevance to. Below zero this column means
#   *created*: alpha-beta asks the inhibitory inputs to take :math:`-\beta R_k`, and where there are none nobody does.
#
# By hand: one neuron, :math:`x = (1, 2)`, :math:`w = (2, 1)`, :math:`b = 1`, so :math:`z = 2 + 2 + 1 = 5`, and
# :math:`R = 5` arrives. The inputs get 2 and 2, the bias keeps 1.

x = np.array([[1.0, 2.0]])
neuron = Network([Dense(W=np.array([[2.0], [1.0]]), b=np.array([1.0]))])
book = ledger(neuron, x, 0, lrp.epsilon, quiet=True)                        # <- STEP INTO: `balance` makes one row
print(book)

# %%
# Now alpha2-beta1 on the same neuron. All contributions are positive: they share :math:`2 \cdot 5`, of which the bias
# keeps a fifth, 2. The :math:`-1 \cdot 5` that inhibitory inputs should have taken finds nobody. Arrived 5, handed on
# 8: relevance has been created.

print(ledger(neuron, x, 0, composites.alpha2_beta1, quiet=True))

# %%
# A network on a digit
# --------------------
# The dense network has biases in all three layers. The residual, in the last column, is what the other columns do
# not explain; the accounts of bias, stabiliser and loss are computed from formulas of their own and not from what the
# rule returned, so a residual above rounding would be an error in the rule.

images, labels = datasets.mnist("test")
x, target = images[:100].astype(np.float64), labels[:100]                   # in float64 rounding is 1e-16
net = models.load("dense").astype(np.float64)
books = {"epsilon = 1e-6": ledger(net, x, target, lrp.epsilon, quiet=True),
         "alpha2-beta1": ledger(net, x, target, composites.alpha2_beta1, quiet=True)}
for name, book in books.items():
    print(f"\n{name}, one hundred digits together\n{book}")
plot.ledger(books["epsilon = 1e-6"], "LRP-epsilon, dense network with biases: 100 digits")
plot.ledger(books["alpha2-beta1"], "LRP-alpha2-beta1, dense network with biases: 100 digits")

# %%
# One question, measured
# ----------------------
# Is a network without biases better explained? How much of the output reaches the pixels under each rule, in the
# dense network with biases, in the same architecture without, and in the convolutional network, also without?

print("\nshare of the output that arrives at the pixels:")
print(f"  {'':16}{'dense':>12}{'dense_no_bias':>16}{'cnn':>10}")
rules = {"epsilon = 1e-6": lrp.epsilon, "alpha1-beta0": composites.alpha1_beta0,
         "alpha2-beta1": composites.alpha2_beta1}
nets = [models.load(name).astype(np.float64) for name in ("dense", "dense_no_bias", "cnn")]
arrived = {}
for name, rule in rules.items():
    totals = [ledger(n, x[:30], target[:30], rule, quiet=True).total for n in nets]
    arrived[name] = [total.relevance_in / total.relevance_out for total in totals]
    print(f"  {name:16}{arrived[name][0]:12.1%}{arrived[name][1]:16.1%}{arrived[name][2]:10.1%}")
print("\nwhere alpha2-beta1 creates it in the cnn, one hundredth of what arrived or more:")
for row in ledger(nets[2], x[:30], target[:30], composites.alpha2_beta1, quiet=True).rows:
    if row.created_or_lost < -0.01 * row.relevance_out:
        print(f"  layer {row.l}, {row.layer}: {-row.created_or_lost / row.relevance_out:.0%}")

# %%
# Read the figures from the top: each bar is what a layer did with what arrived (the black stroke). Where the bar goes
# beyond the stroke, relevance was created; the part left of zero pays for it.
#
# Without biases there is nothing to absorb, and every neuron of the dense network has inputs of both kinds, so all
# three rules conserve. A neuron of the first convolution sees nine pixels, often without a single inhibitory one
# among them: there alpha2-beta1 makes relevance out of nothing.
#
# Try this
# --------
# 1. Find the epsilon at which half of the logit is lost in the stabiliser.
# 2. Which single image creates most relevance under alpha2-beta1? ``book.image(n)`` is the ledger of one image.

assert max(book.largest_residual for book in books.values()) < 1e-10, "every unit of relevance is accounted for"
assert np.allclose(arrived["alpha1-beta0"][1:], 1) and arrived["alpha2-beta1"][2] > 1.01
plot.show()
