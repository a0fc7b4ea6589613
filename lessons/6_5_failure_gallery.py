r"""
6.5 A gallery of failures
=========================

**You will see** four ways in which an explanation misleads, each with a picture and a control: a sum near zero, a shift
that changes nothing, a network that was made to lie, and a network that is right for the wrong reason.

**Before this:** 2.3 (LRP), 3.4 (integrated gradients), 5.2 (selectivity).

**Papers:** Kindermans et al. 2019, *The (un)reliability of saliency methods*; Dombrowski et al. 2019, *Explanations can
be manipulated and geometry is to blame*; Anders et al. 2020, *Fairwashing explanations with off-manifold detergent*;
Lapuschkin et al. 2019, *Unmasking Clever Hans predictors and assessing what machines really learn*.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Flatten, Network, ReLU, attribution, datasets, metrics, models, passes, plot, train
from minixnn.attribution import METHODS
from minixnn.rules import lrp

COUNT = 100             # digits to measure on; more narrow the errors
images, labels = datasets.mnist("test")
x, target = images[:COUNT].astype(np.float64), labels[:COUNT]
dense, cnn = (models.load(name).astype(np.float64) for name in ("dense", "cnn"))
ten = [int(np.flatnonzero(target == digit)[0]) for digit in range(10)]

# %%
# 1. A sum near zero
# ------------------
# LRP-0 gives an input of a neuron the share :math:`z_j / z` of its relevance, where :math:`z_j` is what the input
# brings and :math:`z = \sum_j z_j`. Let one input bring 2 and the other nearly -2. At :math:`z = 0.002` the shares of 1
# are 1000 and -999. A stabiliser, :math:`z_j / (z + \epsilon \, \mathrm{sgn} z)`, bounds them, and keeps relevance.

z = np.linspace(-1.0, 1.0, 400)                             # an even number, so that none of them is 0
shares = {f"ε = {epsilon}": 2 / (z + epsilon * np.sign(z)) for epsilon in (0, 0.1, 0.5)}
neuron = Network([Dense(np.array([[2.0], [z[0] - 2]]))])
R = passes.lrp(neuron, np.ones((1, 2)), 0, partial(lrp.epsilon, epsilon=0.5), np.ones((1, 1)))[0]    # <- STEP INTO
assert np.isclose(R[0, 0], shares["ε = 0.5"][0]), "this is what the rule computes"
gap = {name: np.where((abs(share) < 40) & (abs(z) > 0.003), share, np.nan) for name, share in shares.items()}
plot.curves(z, gap, "z, the sum of 2 and nearly −2", "share of the first input",
            "Near z = 0 shares grow without end; a stabiliser bounds them")
cancel = {}
print(f"sum of |R| over |sum of R|, and share of the score that arrives, cnn, {COUNT} digits")
for epsilon in (1e-6, 0.1, 0.25):
    R = passes.lrp(cnn, x, target, partial(lrp.epsilon, epsilon=epsilon))[0].reshape(COUNT, -1)
    cancel[epsilon] = metrics.mean_and_error(abs(R).sum(axis=1) / abs(R.sum(axis=1)))
    arrives = metrics.mean_and_error(R.sum(axis=1) / cnn.predict(x)[np.arange(COUNT), target])
    print("  epsilon {:5g}: {:.2f} +- {:.2f}, {:.1%} +- {:.1%}".format(epsilon, *cancel[epsilon], *arrives))

# %%
# With next to no :math:`\epsilon` the cnn's maps hand out 2.55 times as much relevance as there is and take it back
# elsewhere. With :math:`\epsilon = 0.25` it is 1.48 times, and 40 % of the score never arrives. No value costs nothing.
#
# 2. A shift that changes nothing
# -------------------------------
# Add a fixed picture :math:`m` to every input and subtract :math:`m W` from the first bias: the twin network computes
# exactly the same from the shifted images. A method that explains the network should draw the same map (*input
# invariance*, Kindermans et al.). Here :math:`m` is a handwritten 0.

m = images[labels == 0][0].astype(np.float64)
layers = list(dense.layers)
layers[2] = layers[2].with_weights(layers[2].W, layers[2].b - m.reshape(-1) @ layers[2].W)
twin, shifted = Network(layers), x + m
print(f"\nlargest difference of the twins' outputs {abs(twin.forward(shifted) - dense.forward(x)).max():.0e}")
moved = partial(attribution.integrated_gradients, baseline=np.broadcast_to(m, x.shape))
pairs = {"gradient": 2 * [METHODS["gradient"]], "gradient x input": 2 * [METHODS["gradient_times_input"]],
         "LRP-alpha1-beta0": 2 * [METHODS["lrp_alpha1_beta0"]], "IG from zero": 2 * [METHODS["integrated_gradients"]],
         "IG from a shifted zero": [METHODS["integrated_gradients"], moved]}
maps, same = {}, {}
for name, (method, of_twin) in pairs.items():
    R, S = method(dense, x, target), of_twin(twin, shifted, target)
    same[name] = metrics.mean_and_error([np.corrcoef(r.ravel(), s.ravel())[0, 1] for r, s in zip(R, S)])
    print("  {:23} correlation of the twins' maps {:.2f} +- {:.2f}".format(name, *same[name]))
    if name in ("gradient", "LRP-alpha1-beta0"):
        maps[name], maps[f"{name}, twin"] = R[ten], S[ten]
plot.heatmaps(maps, x[ten], title="Two networks that compute the same", quantile=0.998)

# %%
# The gradient's maps are the same (1.00). What multiplies by the input explains the shifted image: alpha1-beta0 draws
# the 0 into every map; gradient x input keeps a correlation of 0.62, integrated gradients from zero 0.41. With a
# baseline that is shifted, too, it is 1.00 again. Zero is no neutral input, it is a choice.
#
# 3. A network that was made to lie
# ---------------------------------
# Add one number to the scores of *all* classes, and no probability changes, for any image. Let the number be
# :math:`\sum_i n_i x_i`, with :math:`n_i = 1` on a large X and 0 elsewhere: one more neuron in every layer.

i, j = np.mgrid[:28, :28]
cross = (abs(i - j) < 3) | (abs(i + j - 27) < 3)
first, second, last = (dense.layers[l] for l in (2, 5, 7))
through = np.zeros((513, 101))
through[:512, :100], through[512, 100] = second.W, 1
forged = Network([Flatten(), Dense(np.column_stack([first.W, cross.ravel()]), np.append(first.b, 0)), ReLU(),
                  Dense(through, np.append(second.b, 0)), ReLU(), Dense(np.vstack([last.W, np.ones(10)]), last.b)])
both, start = (dense, forged), attribution.contrast(dense, x, target, relevance=False)      # its rival: the second best
p, g = [train.softmax(net.predict(x)) for net in both], [passes.gradient(net, x, start=start)[0] for net in both]
print(f"\nlargest change of a probability {abs(p[1] - p[0]).max():.0e}, of the gradient of a difference of two scores "
      f"{abs(g[1] - g[0]).max():.0e}\nshare of |R| on the X, whose area is {cross.mean():.2f}")
maps, on_cross = {}, {}
for name, key in (("|gradient|", "gradient"), ("LRP-epsilon", "lrp_epsilon"), ("LRP-alpha1-beta0", "lrp_alpha1_beta0")):
    R, S = (METHODS[key](net, x, target) for net in both)
    on_cross[name] = [metrics.mean_and_error(abs(r)[:, cross].sum(axis=(1, 2)) / abs(r).sum(axis=(1, 2, 3)))
                      for r in (R, S)]
    print("  {:16} honest {:.2f} +- {:.2f}   forged {:.2f} +- {:.2f}".format(name, *np.ravel(on_cross[name])))
    maps[name], maps[f"{name}, forged"] = (abs(r[ten]) if name == "|gradient|" else r[ten] for r in (R, S))
plot.heatmaps(maps, x[ten], title="Two networks with equal probabilities for every image", quantile=0.998)

# %%
# The same decisions, and any picture that we like: 0.58 of the gradient lies on the X, 0.83 of LRP-epsilon, 0.86 of
# alpha1-beta0. The remedy is to explain what decides, the *difference* of two scores; in it the X cancels. Anders et
# al. hide such a picture where no data are, Dombrowski et al. change the image by a little; there it does not help.
#
# 4. Right for the wrong reason: which methods notice?
# ----------------------------------------------------
# Lapuschkin et al. found a network that knew horses by a photographer's tag. We put a 3 x 3 square into the corner of
# every training 8 and train a small network, two times from other first weights; the control is trained without
# squares. Two questions to each map of an 8 with its square. Is the square *found*: how many of the nine largest pixels
# lie on it? And does the map say how much it *counts*: which share of the relevance is there, of the positive one
# alone, and of the sum with signs? What is right we know: by how much the score falls when the square goes.

digits, classes = (some[:10_000] for some in datasets.mnist("train"))
square, tagged, clean = np.s_[:, 1:4, 1:4], digits.copy(), images[labels == 8][:COUNT]
tagged[square] = np.maximum(tagged[square], (classes == 8)[:, None, None, None])
eights = clean.copy()
eights[square] = 1
place, corner = np.tile([1, 1, 4, 4], (len(eights), 1)), [28 * row + column for row, column in np.ndindex(4, 4) if
                                                          row and column]
methods = {"gradient x input": "gradient_times_input", "integrated gradients": "integrated_gradients",
           "DeepLIFT": "deeplift", "LRP-alpha1-beta0": "lrp_alpha1_beta0", "gradient": "gradient",
           "|gradient|": "saliency", "guided backpropagation": "guided_backprop", "occlusion": "occlusion"}
on_it, score = {}, {}
for name, pictures, seed in (("squares", tagged, 0), ("squares, again", tagged, 1), ("no squares", digits, 0)):
    rng = np.random.default_rng(seed)
    net = Network([Flatten(), Dense.random(784, 100, rng), ReLU(), Dense.random(100, 10, rng)])
    train.fit(net, pictures, classes, epochs=4, rng=rng, batch_size=50, quiet=True)
    with_it, without = net.predict(eights), net.predict(clean)
    score[name] = with_it[:, 8].mean(), without[:, 8].mean()
    print(f"\n{name}: 8s recognised with a square {np.mean(with_it.argmax(1) == 8):.0%}, without "
          f"{np.mean(without.argmax(1) == 8):.0%}; mean score {score[name][0]:.1f} and {score[name][1]:.1f}\n"
          f"{'':24} nine largest on it    share of the positive     of the sum with signs")
    maps = {method: METHODS[key](net, eights, 8) for method, key in methods.items()}
    for method, R in maps.items():
        flat = R.reshape(len(R), -1)
        largest = np.isin(flat.argsort(axis=1)[:, -9:], corner).mean(axis=1)
        values = largest, metrics.inside_box(R, place), flat[:, corner].sum(axis=1) / flat.sum(axis=1)
        on_it[name, method] = [metrics.mean_and_error(value) for value in values]
        print(f"  {method:22}" + "".join("{:16.2f} +- {:.2f}".format(*value) for value in on_it[name, method]))
    if name == "squares":
        plot.heatmaps({method.replace(" ", "\n", 1): R[:2] for method, R in list(maps.items())[:5]}, eights[:2],
                      title="Two 8s with their squares, explained by the network that reads them", quantile=0.998,
                      transpose=True, boxes=place[:2])
plot.bars({name: {method: on_it[name, method][2] for method in methods} for name in ("squares", "no squares")},
          "share of the sum of the relevance on the square",
          "A dense network that reads the square, and one that does not")

# %%
# Without its square this network recognises no 8 at all; its score falls from 9.0 to -1.0, by more than all there was.
# The square is *found*: in either network all nine largest pixels lie on it, under every method but occlusion (0.53),
# whose windows of 4 x 4 pixels do not fit the square. And how much it counts *can* be read where relevance has signs
# and sums to the score: gradient x input puts 1.01 of the sum there, integrated gradients 1.02, DeepLIFT 1.03, for
# what is left, the strokes, cancels. Of their positive part alone it is two thirds, for then nothing cancels. The
# gradient's sizes (0.13), guided backpropagation (0.21) and alpha1-beta0 (0.20) are no shares of the score. In the
# control network the square gets next to nothing. (A score near 0 would make a share of it meaningless.)
#
# Try this
# --------
# 1. Shift by a constant, ``m = np.full((28, 28, 1), -1.0)``, from [0, 1] to [-1, 0]. Which maps turn over their signs?
# 2. Put the square on half of the training 8s. From which fraction on do methods notice, and is accuracy a warning?

first, *_, last = cancel.values()
assert first[0] > 1.5 * last[0], "epsilon ends the cancellation"
assert same["gradient"][0] > 0.999 > 0.5 > same["IG from zero"][0], "what multiplies by the input is not invariant"
assert same["IG from a shifted zero"][0] > 0.999, "with a shifted baseline it is"
honest, lied = on_cross["LRP-alpha1-beta0"]
assert abs(p[1] - p[0]).max() < 1e-9 and lied[0] > honest[0] + 0.3, "it lies"
assert score["squares"][1] < 0.1 * score["squares"][0], "it needs the square"
for name in ("squares", "squares, again"):
    (mean, error), weak = on_it[name, "integrated gradients"][2], on_it[name, "|gradient|"][2][0]
    assert abs(mean - 1) < 0.1 + 2 * error and weak < 0.3, "with signs all of the score is on the square"
    assert all(on_it[name, method][0][0] > 0.95 for method in methods if method != "occlusion"), "it is found"
plot.show()
