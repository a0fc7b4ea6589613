r"""
6.3 Write your own rule
=======================

**You will see** that a rule is a function of ten lines; how to find out whether it is any good before looking at a
picture; and a rule that is not in any paper, measured against those that are.

**Before this:** 2.3 (layer-wise relevance propagation), 6.1 (where did my relevance go?).

**Papers:** Montavon et al. 2019, section 10.2 (what a rule is made of); Samek et al. 2017 (measuring by removal).
"""
import numpy as np

from minixnn import Dense, datasets, metrics, models, passes, plot
from minixnn.attribution import lrp as explain
from minixnn.arrays import stabilize
from minixnn.ledger import ledger
from minixnn.rules import composites, lrp

# %%
# A rule takes a layer, both its sides, the input x and the output y, and the relevance R of y. It returns the relevance
# of x. It may call ``layer.forward``, ``layer.gradient`` and ``layer.with_weights(W, b)``; nothing is registered
# anywhere. A rule that changes the weights has no use for y: the changed layer has another output, which it computes.
#
# Ours shares relevance by the *size* of a contribution, whatever its sign:
#
# .. math:: R_j = \sum_k \frac{|z_{jk}|}{\sum_{j'} |z_{j'k}|} R_k, \qquad z_{jk} = x_j w_{jk} .
#
# Its denominator cannot come near zero while anything contributes, and it keeps the sign of :math:`R_k`. What it
# cannot say is whether an input spoke for or against the neuron.


def by_size(layer, x, y, R):
    """R_j = sum_k |x_j w_jk| / sum_j' |x_j' w_j'k| R_k. Any x. Conserves; no bias."""
    size = layer.with_weights(abs(layer.W), None)           # |W|, and no bias
    z = size.forward(abs(x))                                # sum_j |x_j w_jk|, shape of y
    s = R / stabilize(z)                                    # relevance per unit of it
    c = size.gradient(abs(x), z, s)                         # sum_k |w_jk| s_k, shape of x
    return abs(x) * c


# %%
# Check it by hand
# ----------------
# :math:`x = (1, 2)`, :math:`w = (3, -2)`: the contributions are 3 and -4, the shares 3/7 and 4/7.

neuron = Dense(np.array([[3.0], [-2.0]]))
x, R = np.array([[1.0, 2.0]]), np.array([[7.0]])
R_x = by_size(neuron, x, neuron.forward(x), R)                              # <- STEP INTO your own formula
print("of 7 the inputs receive", R_x[0])

# %%
# Check it by properties
# ----------------------
# Conservation on every layer, and on layers it was not written for: the ledger does that for any function. To the
# ledger a rule of yours is a black box: what it withholds is listed as "unexplained". Here nothing is.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("cnn")
x, target = images[ten].astype(np.float64), labels[ten]
book = ledger(net.astype(np.float64), x, target, by_size, quiet=True)
print(book)

# %%
# Against the definition: the formula with its sums over j and k written out, on numbers of both signs. If both agree
# on a few hundred of them, the four lines say what the formula says.

rng = np.random.default_rng(0)
W, v, R = rng.normal(size=(5, 3)), rng.normal(size=(1, 5)), rng.normal(size=(1, 3))
slow = np.zeros((1, 5))
for j in range(5):
    for k in range(3):
        slow[0, j] += abs(v[0, j] * W[j, k]) / sum(abs(v[0, i] * W[i, k]) for i in range(5)) * R[0, k]
print("largest difference from the double loop:", abs(by_size(Dense(W), v, v @ W, R) - slow).max())

# %%
# Look at it
# ----------
# Everywhere, or where it may be of use: a composite names a rule for every layer.

x = images[ten]
choices = {"by size": by_size, "epsilon above,\nby size in convs": composites.by_kind(net, conv=by_size),
           "alpha1 beta0": composites.alpha1_beta0, "epsilon": lrp.epsilon}
plot.heatmaps({name: passes.lrp(net, x, target, rules)[0] for name, rules in choices.items()}, x,
              title="A rule of our own beside two of the field's")

# %%
# One question, measured
# ----------------------
# Does it find what the network uses? Remove the most relevant 4 x 4 patches one after the other and watch the output
# fall (lesson 5.2): the smaller the area under that curve, the better the rule knew where to look. Any function
# (net, x, target) can be measured.

COUNT = 50                                                  # images; more narrow the error
print(f"\narea under the curve on {COUNT} digits, mean and standard error (less is better)")
areas = {}
for name, rules in choices.items():
    found = metrics.selectivity(lambda net, x, target, rules=rules: explain(net, x, target, rules), net,
                                images[:COUNT], labels[:COUNT], mode="static", quiet=True)
    areas[name], error = metrics.mean_and_error(found.area)
    print(f"  {name.replace(chr(10), ' '):36}{areas[name]:8.3f} +- {error:.3f}")

# %%
# Try this
# --------
# 1. Give contributions a power: :math:`|z_{jk}|^p`. What does it become for :math:`p \to 0`, what for large p?
# 2. Let a knob blend between ``by_size`` and epsilon. ``functools.partial(rule, knob=0.3)`` sets it.

assert np.allclose(R_x, [[3, 4]]) and abs(by_size(Dense(W), v, v @ W, R) - slow).max() < 1e-12
assert abs(book.total.unexplained) < 1e-9 * book.total.moved, "the rule conserves on every layer"
plot.show()
