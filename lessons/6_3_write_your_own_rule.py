r"""
6.3 Write your own rule
=======================

**You will see** that a rule is a function of a few lines; how to find out whether it is right and whether it is any
good before falling in love with a picture; and a new rule that is right, handsome, and no improvement.

**Before this:** 2.3 (layer-wise relevance propagation), 5.2 (selectivity), 6.1 (where did my relevance go?).

**Papers:** Montavon et al. 2019, section 10.2 (what a rule is made of). Relatives of ours, which also weigh by absolute
size: Nam et al. 2020, *Relative attributing propagation: interpreting the comparative contributions of individual units
in deep neural networks* (RAP); Vukadin et al. 2024, *Advancing attribution-based neural network explainability through
relative absolute magnitude layer-wise relevance propagation and multi-component evaluation* (absLRP).
"""
from functools import partial

import numpy as np

from minixnn import Dense, attribution, datasets, metrics, models, passes, plot
from minixnn.arrays import positive, stabilize
from minixnn.checks import CheckFailed, check_rule
from minixnn.ledger import ledger
from minixnn.rules import composites, lrp

COUNT = 100             # digits to measure on; more narrow the errors

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
# Is it right? By properties
# --------------------------
# One neuron proves little. ``check_rule`` draws layers of every kind, with numbers of both signs, zeros and ties, and
# asks what must hold of a rule: that it works on each layer, is linear in :math:`R`, gives nothing to an input that the
# output does not see, conserves as we claim, and so on. It is given the formula for one output, too, as a definition to
# agree with.


def shares(x, w, b, R):
    """The formula for one output with inputs x, weights w and bias b: what each input receives of R."""
    return abs(x * w) / abs(x * w).sum() * R


report = check_rule(by_size, conserves="always", definition=shares)
print(report)

# %%
# That nothing was found says little unless mistakes are found. Here are three that are easy to make in LRP-0, which is
# ``x * layer.gradient(x, y, R / stabilize(y))``. Which property each breaks, and on what numbers, is for the search to
# say. It looks for the smallest case and works it out; follow each with a pencil.


def stabiliser_forgotten(layer, x, y, R):
    return x * layer.gradient(x, y, R / y)


def positive_weights_on_both_signs(layer, x, y, R):
    excite = layer.with_weights(positive(layer.W), None)    # W+ is the positive part of x W for x >= 0 only
    z = excite.forward(x)
    return x * excite.gradient(x, z, R / stabilize(z))


def bias_counted_twice(layer, x, y, R):
    z = y + (0 if layer.b is None else layer.b)             # y has the bias already
    return x * layer.gradient(x, z, R / stabilize(z))


broken = {}
for wrong in (stabiliser_forgotten, positive_weights_on_both_signs, bias_counted_twice):
    try:
        check_rule(wrong, conserves="without bias")
    except CheckFailed as failure:
        broken[wrong.__name__] = failure.property
        print(f"\n{str(failure).partition('To step through it')[0]}".rstrip())

# %%
# The first divides 0 by 0. The second gives another answer when an input is written with the other sign, as no rule
# should that means the product :math:`x_j w_{jk}`. The third absorbs two thirds where the bias is half of the sum.
#
# On a network the ledger asks for conservation in every layer. To it a rule of yours is a black box: what it withholds
# is listed as "unexplained". Here nothing is; the control is the rule that counts the bias twice, on a network with
# biases.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("cnn")
book, control = (ledger(models.load(name).astype(np.float64), images[ten].astype(np.float64), labels[ten], rule,
                        quiet=True) for name, rule in (("cnn", by_size), ("dense", bias_counted_twice)))
print()
for name, kept in (("by size", book), ("bias counted twice", control)):
    print(f"{name}: {kept.total.relevance_in:.3f} of {kept.total.relevance_out:.3f} arrive at the pixels; the most "
          f"that a layer withheld: {max(abs(row.unexplained) for row in kept.rows):.0e}")

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
# It is a handsome picture. Two measurements. First, selectivity (5.2): rank patches of 7 x 7 pixels once, remove the
# most relevant five one by one, and take the area under the curve of the output: the smaller, the better. How a patch
# is filled decides much, so all four fillings are tried, and two networks; the differences are taken digit by digit,
# and after +- stands their standard error. Baselines that ask no network: random patches, the image itself, and a blob
# in the middle.

x, target, rng = images[:COUNT], labels[:COUNT], np.random.default_rng(0)
training = [array[:10_000] for array in datasets.mnist("train")]
rows = {name: partial(attribution.lrp, rules=choices[name]) for name in ("by size", "LRP-alpha1-beta0", "LRP-epsilon")}
rows |= {name: metrics.baselines(*training, rng)[name] for name in ("random", "the input", "blob in the middle")}
less, columns = {name: {} for name in rows}, []
for kind, reader in (("cnn", net), ("dense", models.load("dense"))):
    for filling, value in metrics.fillings(training[0], rng).items():
        area = {name: metrics.selectivity(method, reader, x, target, patch=7, steps=5, mode="static",
                                          value=value, quiet=True).area for name, method in rows.items()}
        columns.append(f"{kind}, {filling}")
        for name in rows:
            less[name][columns[-1]] = metrics.paired(area["by size"], area[name])
        print(f"\n{kind}, filled with {filling}: area, and how much larger that of by size is\n  " + "; ".join(
            f"{name} {area[name].mean():.1f}" + ("" if name == "by size" else " ({:.2f} +- {:.2f})".format(
                *less[name][columns[-1]])) for name in rows))
plot.bars({f"less {name}": {column: of[:2] for column, of in less[name].items()}
           for name in ("LRP-alpha1-beta0", "blob in the middle")},
          "area of by size, less that of the other (above 0: by size is worse)",
          "Against a known rule and against a blob: it depends on network and filling")

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
# In ``cnn`` *by size* is worse than alpha1-beta0 under each filling, by 0.15 to 0.36 (+- 0.07 to 0.10); in ``dense`` it
# is worse under two, tied under noise and better under black. Whether it beats the *image* is a matter of the filling:
# not with zeros, but with the three others. In each of the eight columns, though, something else does better by more
# than three errors, in three of them the blob, which knows neither network nor image. And its maps of two classes are
# the same (correlation 1.000), for it drops every sign on its way. So: a correct rule, a clean picture, and nothing
# gained. With black as the only filling it would have been a success in ``dense``.
#
# Try this
# --------
# 1. Give contributions a power: :math:`|z_{jk}|^p`. What does it become for :math:`p \to 0`, what for large p?
# 2. Let a knob blend between ``by_size`` and epsilon. ``functools.partial(rule, knob=0.3)`` sets it.

assert np.allclose(R_x, [[3, 4]]) and "definition" in report.held, "it is the rule that it says it is"
assert list(broken.values()) == ["finite", "signs of inputs", "bias is an input"], "each mistake is found by its name"
assert abs(book.total.unexplained) < 1e-9 * book.total.moved, "the rule conserves on every layer"
best = {column: max(less[name][column].difference / less[name][column].error for name in rows if name != "by size")
        for column in columns}
assert min(best.values()) > 3, "in each network, under each filling, something else does better"
assert other["by size"][0] > 0.99, "and does not depend on the class"
plot.show()
