r"""
6.2 Five libraries, five answers
================================

**You will see** one layer, one input, one relevance, and what five libraries make of it under the same name; which
line of code each difference comes from; and which of the differences can be seen in a heatmap.

**Before this:** 2.3 (layer-wise relevance propagation), 6.1 (where did my relevance go?).

**Papers:** Bach et al. 2015, equations 56 to 60; Montavon et al. 2019, section 10.2.1. The numbers of the libraries
were obtained by running them: lrp_toolbox, iNNvestigate 2.1.2, Zennit 0.5.1, Captum 0.9.0, and the code of the tutorial
*Understanding NN*.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Network, datasets, metrics, models, passes, plot
from minixnn.arrays import negative, positive, stabilize
from minixnn.rules import deep_taylor, lrp

COUNT = 100             # digits, and scenes, to measure on

# %%
# One layer
# ---------
# A rule of layer-wise relevance propagation says how a layer shares the relevance of its outputs among its inputs. Take
# two outputs, three inputs, biases of both signs, and one negative input on purpose: where no input is negative and no
# bias is there all these conventions agree, which is why nobody notices.

W = np.array([[1.0, 2.0, 3.0], [-1.0, -0.5, 2.0]]).T        # (3 inputs, 2 outputs)
layer = Dense(W, b=np.array([0.5, -0.5]))
x, R = np.array([[1.0, -1.0, 2.0]]), np.array([[1.0, 1.0]])
y = layer.forward(x)
print("outputs", y)                                         # 5.5 and 3

# %%
# Every variant below shares :math:`R_k` in proportion to some :math:`z_{jk}` over some denominator. ``shared`` is that
# sentence; what a library calls a rule is a choice of its arguments.


def shared(layer, x, R, W, bias=None):
    """R_j = sum_k x_j W_jk R_k / (sum_j x_j W_jk + bias_k)"""
    part = layer.with_weights(W, bias)
    z = part.forward(x)
    s = R / stabilize(z)
    return x * part.gradient(x, z, s)


def split(layer, x, R, bias):
    """The same for the positive products alone, z_jk+: a positive input with a positive weight, or both negative."""
    same, opposite = layer.with_weights(positive(layer.W), None), layer.with_weights(negative(layer.W), None)
    z = same.forward(positive(x)) + opposite.forward(negative(x)) + bias
    s = R / stabilize(z)
    return positive(x) * same.gradient(x, z, s) + negative(x) * opposite.gradient(x, z, s)


def inhibition(layer, x, R, bias):
    """And for the negative products: `split` of the layer with the signs of its weights reversed."""
    return split(layer.with_weights(-layer.W, None), x, R, -bias)


b = layer.b
answers = {                                                 # name: (our computation, what running the library gave)
    "LRP-0: ours and all four libraries":
        (lrp.epsilon(layer, x, y, R, epsilon=0), [-.151515, -.196970, 2.424242]),
    "LRP-0, bias ignored: zennit, zero_params='bias'": (shared(layer, x, R, W), [-.085714, -.257143, 2.342857]),
    "α2β1: ours, lrp_toolbox, zennit":
        (lrp.alpha_beta(layer, x, y, R), [-.4, -.777778, 3.377778]),                            # <- STEP INTO
    "α2β1, full b in both halves: innvestigate":
        (2 * split(layer, x, R, b) - inhibition(layer, x, R, b), [-.4, -1.083333, 3.6]),
    "α2β1, no bias: innvestigate IB":
        (2 * split(layer, x, R, 0) - inhibition(layer, x, R, 0), [-.714286, -.777778, 3.492063]),
    "α1β0: ours, lrp_toolbox, zennit":
        (lrp.alpha_beta(layer, x, y, R, alpha=1, beta=0), [.133333, .111111, 1.688889]),
    "α1β0, full b: innvestigate": (split(layer, x, R, b), [.133333, .125, 1.8]),
    "α1β0, weights split, full b: captum": (shared(layer, x, R, positive(W), b), [.181818, -.363636, 2.233766]),
    "α1β0, weights split, no bias: the tutorial's z+": (shared(layer, x, R, positive(W)), [.2, -.4, 2.2]),
    "γ = 0.25, x split: ours (gamma_signed), zennit":
        (lrp.gamma_signed(layer, x, y, R, gamma=0.25), [-.072933, -.119671, 2.229070]),
    "γ = 0.25, bias boosted: Montavon et al. 2019":
        (shared(layer, x, R, W + positive(W) / 4, b + positive(b) / 4), [-.068182, -.238636, 2.340909]),
    "γ = 0.25, bias as it is: captum":
        (shared(layer, x, R, W + positive(W) / 4, b), [-.064815, -.245370, 2.361111]),
    "w²: ours, lrp_toolbox, innvestigate": (deep_taylor.w_square(layer, x, y, R), [.261905, .333333, 1.404762]),
}
print(f"\n{'':52}{'R_1':>9}{'R_2':>10}{'R_3':>10}{'sum':>10}")
differences = {"R₁": {}, "R₂": {}, "R₃": {}}
for name, ((R_x,), recorded) in answers.items():
    assert np.allclose(R_x, recorded, atol=1e-6), f"{name}: what the library gave, {recorded}, is found again"
    print(f"{name:52}" + "".join(f"{r:10.6f}" for r in R_x)[1:] + f"{R_x.sum():10.6f}")
    if "ours" in name:
        family = R_x                                        # the first of each family
    else:
        for j, found in enumerate(differences.values()):
            found[name] = R_x[j] - family[j]
plot.bars(differences, "relevance less that of our convention (2 are shared out)", "One layer, many conventions")

# %%
# There are three questions in it, and each library has answered them for itself.
#
# 1. **What is split by its sign**, the product :math:`x_j w_{jk}` (Bach et al. 2015) or the weight :math:`w_{jk}`?
#    For :math:`x \ge 0` it is the same. Split the weight where x is negative and "positive contributions" turn
#    negative, as R_2 of Captum and of the tutorial do.
# 2. **Where does the bias go?** With its sign (:math:`b_k^+` into one half, :math:`b_k^-` into the other), whole into
#    both, or nowhere. Only in the last case does relevance not leak, and then it is not the layer that is explained.
# 3. **Is the bias boosted** along with the weights under LRP-gamma?
#
# One question, measured: can it be seen?
# ---------------------------------------
# We explain digits and scenes by whole networks and correlate the heatmaps of each variant with ours. Their inputs are
# not negative, so question 1 does not arise: what is left is the bias. Trained biases are small, so there is a control
# with large ones: the dense network with 1 added to every pixel and taken from the first bias again. It computes the
# same, and its biases count.

images, labels = datasets.mnist("test")
digits, target = images[:COUNT].astype(np.float64), labels[:COUNT]
scenes, classes, _ = datasets.cluttered_mnist(COUNT, seed=1, split="test")
dense, gap = (models.load(name).astype(np.float64) for name in ("dense", "cluttered_gap"))
layers = list(dense.layers)
layers[2] = layers[2].with_weights(layers[2].W, layers[2].b - layers[2].W.sum(axis=0))
networks = {"dense": (dense, digits, target), "convolutional, scenes": (gap, scenes.astype(np.float64), classes),
            "dense, large biases": (Network(layers), digits + 1, target)}
alpha1_beta0 = partial(lrp.alpha_beta, alpha=1.0, beta=0.0)
variants = {"LRP-0, bias ignored": (lrp.epsilon, lambda layer, x, y, R: shared(layer, x, R, layer.W)),
            "α1β0, full b": (alpha1_beta0, lambda layer, x, y, R: shared(layer, x, R, positive(layer.W), layer.b)),
            "α1β0, no b": (alpha1_beta0, deep_taylor.z_plus),
            "γ, bias as it is": (lrp.gamma_signed, lambda layer, x, y, R: shared(
                layer, x, R, layer.W + positive(layer.W) / 4, layer.b))}
alike, sums, maps = {network: {} for network in networks}, {}, {}
ten = [int(np.flatnonzero(target == digit)[0]) for digit in range(10)]
for network, (net, x, c) in networks.items():
    print(f"\n{network + ':':24} correlation with ours   sum over score   sum of ours over score")
    score = net.predict(x)[np.arange(COUNT), c]
    for name, rules in variants.items():
        ours, theirs = (passes.lrp(net, x, c, rule)[0] for rule in rules)
        alike[network][name] = metrics.mean_and_error([np.corrcoef(r.ravel(), o.ravel())[0, 1]
                                                       for r, o in zip(theirs, ours)])
        sums[network, name] = [metrics.mean_and_error(r.sum(axis=(1, 2, 3)) / score) for r in (theirs, ours)]
        print("  {:22} {:9.3f} +- {:.3f} {:9.3f} +- {:.3f} {:10.3f} +- {:.3f}".format(
            name, *alike[network][name], *np.ravel(sums[network, name])))
        if network == "dense" and name in ("LRP-0, bias ignored", "α1β0, no b"):
            maps[f"{name.split(',')[0]}, ours"], maps[name] = ours[ten], theirs[ten]
plot.heatmaps(maps, digits[ten], title="Two conventions for the bias: seen under LRP-0, not seen under α1β0",
              quantile=0.998)
plot.bars({network: {name: theirs[0] - ours[0] for (of, name), (theirs, ours) in sums.items()
                     if of == network and name != "LRP-0, bias ignored"} for network in networks},
          "sum of the heatmap over the score, less that of ours",
          "Maps that look alike: with large biases their sums differ")

# %%
# Under alpha1-beta0 and gamma these conventions cannot be told apart by eye, not even with large biases (correlations
# of 0.995 and more): a bias scales all shares of its neuron alike. Sums can: alpha1-beta0 hands on 0.97 of the score in
# the trained network and 0.67 with large biases, without biases 1.00. LRP-0 is another matter. A neuron's bias may have
# the other sign than the rest of its sum, and without it the map is another one: the correlation is 0.69 in the dense
# network, 0.51 in the convolutional one, and -0.35 with large biases. To compare libraries, compare numbers.
#
# Try this
# --------
# 1. Spread the bias evenly over the inputs, :math:`z_{jk} + b_k / 3` over :math:`z_k`. It conserves. Would you want it?
# 2. Make x positive. Which lines of the table become equal, and which do not?

assert min(found[name][0] for found in alike.values() for name in list(variants)[1:]) > 0.99, "not seen"
bias_ignored = [alike[name]["LRP-0, bias ignored"][0] for name in ("dense", "dense, large biases")]
assert bias_ignored[0] < 0.8 and bias_ignored[1] < 0, "large ones are"
plot.show()
