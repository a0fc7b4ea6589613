r"""
6.3 Write your own rule
=======================

**You will see** that a rule is a function of a few lines; how to find out whether it is right and whether it is any
good before falling in love with a picture; and a new rule that is right, handsome, and no better than the image itself.

**Before this:** 2.3 (layer-wise relevance propagation), 5.2 (selectivity), 6.1 (where did my relevance go?).

**Papers:** Montavon et al. 2019, section 10.2 (what a rule is made of). Relatives of ours, which also weigh by absolute
size: Nam et al. 2020, *Relative attributing propagation: interpreting the comparative contributions of individual units
in deep neural networks* (RAP); Vukadin et al. 2024, *Advancing attribution-based neural network explainability through
relative absolute magnitude layer-wise relevance propagation and multi-component evaluation* (absLRP).
"""
import numpy as np

from minixnn import Dense, datasets, metrics, models, passes, plot
from minixnn.arrays import stabilize
from minixnn.attribution import lrp as explain
from minixnn.ledger import ledger
from minixnn.rules import composites, lrp

COUNT = 40              # digits to measure on; more narrow the errors

# %%
# The rule
# --------
# A rule takes a layer, both its sides, the input x and the output y, and the relevance R of y. It returns the relevance
# of x. It may call ``layer.forward``, ``layer.gradient`` and ``layer.with_weights(W, b)``; nothing is registered
# anywhere. A rule that changes the weights has no use for y: the changed layer has another output, which it computes.
#
# Ours shares relevance by the *size* of a contribution, whatever its sign:
#
# .. math:: R_j = \sum_k \frac{|z_{jk}|}{\sum_{j'} |z_{j'k}|} R_k, \qquad z_{jk} = x_j w_{jk} .
#
# Its denominator cannot come near zero while anything contributes, and it keeps the sign of :math:`R_k`. What it
# cannot say is whether an input spoke for or against the neuron. RAP and absLRP, too, weigh contributions by absolute
# size, with further steps that separate what speaks for from what speaks against. We ask what the shares alone are
# worth.


def by_size(layer, x, y, R):
    """R_j = sum_k |x_j w_jk| / sum_j' |x_j' w_j'k| R_k. Any x. Conserves; no bias."""
    size = layer.with_weights(abs(layer.W), None)           # |W|, and no bias
    z = size.forward(abs(x))                                # sum_j |x_j w_jk|, shape of y
    s = R / stabilize(z)                                    # relevance per unit of it
    c = size.gradient(abs(x), z, s)                         # sum_k |w_jk| s_k, shape of x
    return abs(x) * c


# %%
# Is it right? By hand
# --------------------
# :math:`x = (1, 2)`, :math:`w = (3, -2)`: the contributions are 3 and -4, the shares 3/7 and 4/7.

neuron = Dense(np.array([[3.0], [-2.0]]))
x, R = np.array([[1.0, 2.0]]), np.array([[7.0]])
R_x = by_size(neuron, x, neuron.forward(x), R)                              # <- STEP INTO your own formula
print("of 7 the inputs receive", R_x[0])

# %%
# Is it right? Against the definition
# -----------------------------------
# The formula with its sums over j and k written out, on numbers of both signs. If both agree on many of them, the four
# lines say what the formula says.

rng = np.random.default_rng(0)
W, v, R = rng.normal(size=(5, 3)), rng.normal(size=(100, 5)), rng.normal(size=(100, 3))
slow = np.zeros((100, 5))
for n in range(100):
    for j in range(5):
        for k in range(3):
            slow[n, j] += abs(v[n, j] * W[j, k]) / sum(abs(v[n, i] * W[i, k]) for i in range(5)) * R[n, k]
difference = abs(by_size(Dense(W), v, v @ W, R) - slow).max()
print(f"largest difference from the three loops, 100 inputs: {difference:.0e}")

# %%
# Is it right? By properties
# --------------------------
# Conservation on every layer, also on layers it was not written for: the ledger does that for any function. To the
# ledger a rule of yours is a black box: what it withholds is listed as "unexplained". Here nothing is.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("cnn")
book = ledger(net.astype(np.float64), images[ten].astype(np.float64), labels[ten], by_size, quiet=True)
print(f"of {book.total.relevance_out:.3f} at the output {book.total.relevance_in:.3f} arrive at the pixels; largest "
      f"amount withheld by a layer: {max(abs(row.unexplained) for row in book.rows):.0e}")

# %%
# Look at it
# ----------
# Everywhere, or where it may be of use: a composite names a rule for every layer.

choices = {"by size": by_size, "epsilon above, by size in convs": composites.by_kind(net, conv=by_size),
           "LRP-epsilon-plus": composites.epsilon_plus, "LRP-alpha1-beta0": composites.alpha1_beta0,
           "LRP-epsilon": lrp.epsilon}
maps = {name: passes.lrp(net, images[ten], labels[ten], rules)[0] for name, rules in choices.items()}
plot.heatmaps(maps, images[ten], labels[ten], "Two ways to use a rule of our own, and three of the field's",
              quantile=0.998)

# %%
# Is it any good?
# ---------------
# It is a handsome picture. Two measurements, with lesson 5.2's protocol and its controls. First, selectivity: remove
# the most relevant patch, explain again, and so on for 20 patches; the smaller the area under the curve of the output,
# the better. The known rules are on record there, for the same digits. (In a network without biases LRP-epsilon is
# gradient x input.) The difference to ink is taken digit by digit, which makes its error small.


def area(curves):
    return (curves[:, :-1] + curves[:, 1:]).mean(axis=1) / 2


x, target = images[:COUNT], labels[:COUNT]
record = datasets.record("selectivity")
areas = {"random": metrics.selectivity(lambda net, x, target: rng.random(x.shape), net, x, target, steps=20,
                                       quiet=True).area}
for name, key in (("ink", "ink"), ("LRP-alpha1-beta0", "lrp_alpha1_beta0"), ("LRP-epsilon-plus", "lrp_epsilon_plus"),
                  ("LRP-epsilon", "gradient_times_input")):
    areas[name] = area(record[key][:COUNT].astype(float))
for name in ("by size", "epsilon above, by size in convs"):
    areas[name] = metrics.selectivity(lambda net, x, target, rules=choices[name]: explain(net, x, target, rules), net,
                                      x, target, steps=20, quiet=True).area
order = ("random", "ink", *choices)
print(f"\narea under the curve on {COUNT} digits, mean and standard error{'less ink':>18}")
scores = {name: metrics.mean_and_error(areas[name]) for name in order}
for name in order:
    print("  {:32}{:9.2f} +- {:.2f}{:27.2f} +- {:.2f}".format(name, *scores[name], *metrics.mean_and_error(
        areas[name] - areas["ink"])))
plot.bars({name: scores[name] for name in choices}, "area under the curve of the output (smaller: more selective)",
          "A rule of our own against the field's, and against the image itself", {"ink": scores["ink"][0]})

# %%
# Second: does it answer the question it was asked? We explain the same digits as another class and correlate.

print("\ncorrelation of the maps of two classes, mean and standard error")
other = {}
for name, rules in choices.items():
    R, S = (passes.lrp(net, x, c, rules)[0] for c in (target, (target + 1) % 10))
    other[name] = metrics.mean_and_error([abs(np.corrcoef(r.ravel(), s.ravel())[0, 1]) for r, s in zip(R, S)])
    print("  {:32}{:.3f} +- {:.3f}".format(name, *other[name]))

# %%
# The verdict
# -----------
# Everywhere, *by size* has the area 2.6: far better than random patches (9.5), worse than ink (1.7) by 0.9 +- 0.2, and
# worse than every rule of the field. Its maps of two classes are the same (correlation 1.000), for it drops every sign
# on its way. Below epsilon it does as well as alpha1-beta0 does there, 0.24 against 0.22, and no better. So: a correct
# rule, a clean picture, and nothing gained. To see it took one control, not a gallery of pictures.
#
# Try this
# --------
# 1. Give contributions a power: :math:`|z_{jk}|^p`. What does it become for :math:`p \to 0`, what for large p?
# 2. Let a knob blend between ``by_size`` and epsilon. ``functools.partial(rule, knob=0.3)`` sets it.

assert np.allclose(R_x, [[3, 4]]) and difference < 1e-12, "it is the rule that it says it is"
assert abs(book.total.unexplained) < 1e-9 * book.total.moved, "the rule conserves on every layer"
assert scores["by size"][0] > scores["ink"][0] > scores["LRP-epsilon"][0], "the new rule does not beat the image"
assert other["by size"][0] > 0.99, "and does not depend on the class"
plot.show()
