r"""
6.1 Where did my relevance go?
==============================

**You will see** a balance of relevance, layer by layer, that adds up to rounding: what was handed on, what biases and
stabilisers kept, what was lost and what was created out of nothing, and in which neurons.

**Before this:** 2.3 (layer-wise relevance propagation).

**Papers:** Bach et al. 2015, equations 2 (conservation) and 56 to 60; Montavon et al. 2019, section 10.2.
"""
import numpy as np

from minixnn import Dense, Network, datasets, metrics, models, passes, plot
from minixnn.ledger import ledger
from minixnn.rules import composites, lrp

COUNT = 100             # digits to measure on

# %%
# Layer-wise relevance propagation (LRP) starts with the score of a class and hands it down from layer to layer, until
# every pixel has its share. A heatmap ought to sum to the score that it explains. When it does not, people ask where
# the rest is. Layer by layer there are only these places, where :math:`R_k` is the relevance that arrives at output
# :math:`k` of a layer, and :math:`R_j` what its inputs :math:`j` get:
#
# .. math::
#    \sum_k R_k = \sum_j R_j + \text{bias} + \text{stabiliser} + \text{lost} .
#
# * **bias**: :math:`b_k` is a part of :math:`z_k = \sum_j x_j w_{jk} + b_k`, but no input. Its share
#   :math:`b_k R_k / z_k` stays there. A negative share *adds*: the inputs then get more than arrived.
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
# A network with biases
# ---------------------
# The accounts of bias, stabiliser and loss are computed from formulas of their own and not from what the rule
# returned. The residual, in the last column, is what they do not explain; above rounding it would be an error in the
# rule. In the figure each bar is what a layer did with what arrived (the black stroke). Here it goes beyond the stroke
# in every layer, and the orange part left of zero tells why: negative biases *add* relevance. Nothing is created.

images, labels = datasets.mnist("test")
x, target = images[:COUNT].astype(np.float64), labels[:COUNT]               # in float64 rounding is 1e-16
dense, dense_no_bias, cnn = (models.load(name).astype(np.float64) for name in ("dense", "dense_no_bias", "cnn"))
with_bias = ledger(dense, x, target, composites.alpha2_beta1, quiet=True)
print(f"\nalpha2-beta1, {COUNT} digits together\n{with_bias}")
plot.ledger(with_bias, f"alpha2-beta1 in a dense network with biases, {COUNT} digits: biases add relevance")

# %%
# Out of nothing
# --------------
# The convolutional network has no biases, and yet its heatmaps sum to more than the score. If the account is right,
# what a layer creates is :math:`\beta = 1` times the relevance that arrived at neurons *without any inhibitory input*.
# We find these neurons ourselves. Inputs are not negative, so the inhibition is what the negative weights bring.

created = ledger(cnn, x, target, composites.alpha2_beta1, quiet=True)
A, R = cnn.trace(x), passes.lrp(cnn, x, target, composites.alpha2_beta1)
print("\nalpha2-beta1 in the cnn      arrives    of it at neurons without inhibition     created, says the ledger")
uninhibited = {}
for l in (14, 11, 6, 3, 0):
    layer = cnn.layers[l]
    inhibition = layer.with_weights(layer.W.clip(max=0), None).forward(A[l])
    uninhibited[l] = np.where(inhibition == 0, R[l + 1], 0)
    print(f"  {repr(layer)[:24]:24}{R[l + 1].sum():12.2f}{uninhibited[l].sum():28.4f}"
          f"{-created.rows[l].created_or_lost:28.4f}")
plot.ledger(created, f"alpha2-beta1 in the cnn, {COUNT} digits: relevance out of nothing, left of zero")

# %%
# Both columns are the same. The first convolution creates most: each of its neurons sees nine pixels, sometimes without
# a single inhibitory one among them. The output layer creates some, too: for a few digits every active neuron below
# speaks for the class.

ten = [int(np.flatnonzero(target == digit)[0]) for digit in range(10)]
plot.heatmaps({"created at the\nfirst convolution": uninhibited[0][ten].sum(axis=3), "heatmap": R[0][ten]},
              x[ten], target[ten], "Where alpha2-beta1 creates relevance, and the heatmaps that contain it",
              scale="method", quantile=0.98)

# %%
# One question, measured
# ----------------------
# Is a network without biases better explained? How much of the score reaches the pixels under each rule, in the dense
# network with biases, in the same architecture without, and in the convolutional network, also without? The control is
# epsilon at 1e-6, which can neither create nor lose. Mean over the digits and standard error:

rules = {"epsilon": lrp.epsilon, "alpha1-beta0": composites.alpha1_beta0, "alpha2-beta1": composites.alpha2_beta1}
nets = {"dense, with biases": dense, "dense, without": dense_no_bias, "cnn, without": cnn}
arrived = {rule: {} for rule in rules}
for rule, function in rules.items():
    for name, net in nets.items():
        rows = ledger(net, x, target, function, quiet=True).per_image
        arrived[rule][name] = metrics.mean_and_error(100 * rows[0].relevance_in / rows[-1].relevance_out)
print("\nper cent of the score at the pixels  " + "".join(f"{name:>20}" for name in nets))
for rule, found in arrived.items():
    print(f"  {rule:34}" + "".join("{:.1f} +- {:.1f}".format(*found[name]).rjust(20) for name in nets))
off = {rule: {name: (mean - 100, error) for name, (mean, error) in found.items()} for rule, found in arrived.items()}
plot.bars(off, "per cent of the score: what arrives at the pixels, less 100",
          "Conservation belongs to the rule and the network")

# %%
# Without biases epsilon and alpha1-beta0 conserve exactly (100.0), and in the dense network so does alpha2-beta1, since
# all its neurons have inputs of both kinds. In the cnn alpha2-beta1 makes 10 per cent out of nothing. With biases the
# sums differ from the score, and in both directions: alpha1-beta0 leaves some with positive biases, alpha2-beta1 gets
# some from negative ones. Epsilon's mean (101.4 +- 0.8) is tied with 100; single digits are off by more. A sum alone
# cannot tell which of these happened. The ledger can.
#
# Try this
# --------
# 1. Find the epsilon at which half of the score is lost in the stabiliser.
# 2. Which single image creates most relevance under alpha2-beta1? ``created.image(n)`` is the ledger of one image.

assert max(book.largest_residual for book in (with_bias, created)) < 1e-10, "every unit of relevance is accounted for"
for l, found in uninhibited.items():
    assert np.isclose(found.sum(), -created.rows[l].created_or_lost), "created is what came to uninhibited neurons"
assert abs(with_bias.total.created_or_lost) < 1e-9, "biases add, nothing is created"
assert created.total.created_or_lost < -0.05 * created.total.relevance_out, "in the cnn it is"
assert np.allclose([arrived["alpha1-beta0"][name][0] for name in list(nets)[1:]], 100), "conserved"
plot.show()
