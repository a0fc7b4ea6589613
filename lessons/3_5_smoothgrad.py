r"""
3.5 SmoothGrad
==============

**You will see** why adding noise to an image takes noise out of its heatmap, how much noise is good for it, and how
many noisy copies are enough.

**Before this:** 3.2 (backpropagation), 3.4 (integrated gradients).

**Paper:** Smilkov et al. 2017, *SmoothGrad: removing noise by adding noise*.
"""
import math

import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, models, plot

SAMPLES = 50            # noisy copies of each digit
COUNT = 200             # digits to measure on

# %%
# The slope of a blurred function
# -------------------------------
# A network made of ReLUs is a landscape of flat facets. The gradient is the slope of the one facet that the image
# happens to lie on; a pixel further it may be another. SmoothGrad asks the neighbourhood: with noise :math:`e`, normal
# of standard deviation :math:`\sigma` in every pixel,
#
# .. math:: R = \frac1n \sum_{s=1}^n \nabla f(x + e_s)
#           \;\approx\; \mathbb{E} \, \nabla f(x + e) = \nabla \, \mathbb{E} f(x + e) .
#
# The last step says what it is: the gradient of :math:`f` *blurred* with a Gaussian of width :math:`\sigma`. It is
# fitting to think of :math:`\sigma` as the size below which details of :math:`f` do not count.
#
# By head: :math:`f = \lvert x \rvert`, built of two ReLUs, has the slope 1 at any :math:`x > 0`. With the noise
# :math:`\sigma = x` the copy lands left of 0 with the probability 15.9 %, where the slope is -1: on average
# :math:`0.841 - 0.159 = 0.683`. From far away, or with little noise, it is 1 again; at 0 it is 0.

absolute = Network([Dense(np.array([[1.0, -1.0]])), ReLU(), Dense(np.array([[1.0], [1.0]]))])


def at(x, sigma, samples=10_000):
    """SmoothGrad of |x| at one point, written out: the mean of the gradients of noisy copies."""
    e = np.random.default_rng(0).normal(0, sigma, (samples, 1))
    return attribution.gradient(absolute, x + e, 0).mean()


for x, sigma in ((1.0, 0.1), (1.0, 1.0), (1.0, 3.0), (0.0, 1.0)):
    print(f"x = {x}, sigma = {sigma}: SmoothGrad {at(x, sigma):.3f}, exactly {math.erf(x / sigma / 2 ** 0.5):.3f}")

# %%
# How much noise?
# ---------------
# ``noise`` is :math:`\sigma` as a share of the image's range, from its darkest to its lightest pixel. Ten digits,
# from no noise at all, the plain gradient, to as much as the image itself.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
digits, target = images[ten], labels[ten]
net = models.load("cnn")
sigmas = (0, 0.05, 0.1, 0.2, 0.4, 0.8)
maps = {f"σ = {sigma:g}": attribution.smoothgrad(net, digits, target, noise=sigma, samples=SAMPLES if sigma else 1)
        for sigma in sigmas}                                                # <- STEP INTO
plot.heatmaps(maps, digits, title=f"SmoothGrad of ten digits: more noise from row to row, {SAMPLES} copies each",
              quantile=0.995)

# %%
# With a little noise the speckles join to forms that follow the strokes and the gaps between them. With much noise
# the forms become larger, and in the end they have less and less to do with this image. Where is the limit? One answer:
# the network should still recognise the noisy copies, or we explain its view of something else.

rng = np.random.default_rng(1)
x, wanted = images[:COUNT], labels[:COUNT]
print(f"\n{COUNT} digits\nsigma   noisy copies read correctly   neighbouring pixels of the map alike")


def evenness(R):
    """Correlation of each pixel of the heatmap with its right-hand neighbour, mean over images."""
    return np.mean([np.corrcoef(r[:, 1:, 0].ravel(), r[:, :-1, 0].ravel())[0, 1] for r in R])


even = {}
for sigma in sigmas:
    noisy = x + sigma * rng.standard_normal(x.shape, dtype=np.float32)
    right = (net.predict(noisy).argmax(axis=1) == wanted).mean()
    even[sigma] = evenness(maps[f"σ = {sigma:g}"])
    print(f"{sigma:5} {right:20.1%} {even[sigma]:32.2f}")

# %%
# The maps grow more even all the way, also where the network no longer reads the copies: looking good is no sign of the
# right :math:`\sigma`. For this network about 0.1 is safe, and at 0.4 we would explain what it makes of noise.
#
# How many copies?
# ----------------
# One zero, :math:`\sigma = 0.1`, and more and more copies. What stays from picture to picture is the map, what changes
# is chance.

counts = (1, 2, 5, 10, 20, 30, 50, 70, 100, 200)
zero = np.concatenate([attribution.smoothgrad(net, digits[:1], 0, noise=0.1, samples=n) for n in counts])
plot.heatmaps({"SmoothGrad": zero}, np.repeat(digits[:1], 10, axis=0), [f"n = {n}" for n in counts],
              "The more copies, the less of the heatmap is chance (σ = 0.1)", quantile=0.995)

# %%
# One question, measured
# ----------------------
# How much of a map is chance? We compute it twice, with different noise, and look at the difference: by the law of
# large numbers it should shrink as :math:`1/\sqrt{n}`, so that four times the copies give half the difference.

few = digits[:5]
chance = []
for n in (1, 4, 16, 64):
    one, two = (attribution.smoothgrad(net, few, target[:5], noise=0.1, samples=n, rng=seed) for seed in (1, 2))
    size = np.sqrt((one ** 2).mean() / 2 + (two ** 2).mean() / 2)
    chance.append(np.sqrt(((one - two) ** 2).mean() / 2))
    print(f"n = {n:3}: chance {chance[-1]:.4f}, map {size:.4f}" + (
        f", half of the chance before would be {chance[-2] / 2:.4f}" if n > 1 else ""))

# %%
# Three answers of one network
# ----------------------------
# The gradient, SmoothGrad, and integrated gradients from the empty image, which look at one point, at a cloud of points
# around the image, and at a line of points that leads to it.

maps3 = {"gradient": maps["σ = 0"], "SmoothGrad": maps["σ = 0.1"],
         "integrated\ngradients": attribution.integrated_gradients(net, digits, target, steps=1),
         "SmoothGrad\ntimes input": digits * maps["σ = 0.1"]}
plot.heatmaps(maps3, digits, title="Gradient, SmoothGrad and integrated gradients", quantile=0.995)

# %%
# (One step is enough here: this network has no biases, so its gradient is the same all along the line, lesson 3.4.)
# SmoothGrad is a wrapper, not a method of its own: ``smoothgrad(net, x, method=...)`` averages any other. It sums to
# nothing in particular, but where it wraps a method that is complete.
#
# Try this
# --------
# 1. Average squares, ``kind="squared"``, or take the variance, ``kind="variance"``. Which signs are lost, and is
#    what remains clearer?
# 2. Wrap integrated gradients, ``method=attribution.integrated_gradients``. What does the sum of the map now equal, and
#    of which images?

assert abs(at(1.0, 1.0) - math.erf(0.5 ** 0.5)) < 0.03, "SmoothGrad is the slope of the blurred function"
assert even[0.1] > even[0], "noise on the image makes the heatmap more even"
assert chance[-1] < chance[0] / 6, "64 times the copies leave about an eighth of the chance"
plot.show()
