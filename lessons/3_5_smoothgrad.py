r"""
3.5 SmoothGrad
==============

**You will see** why adding noise to an image takes noise out of its heatmap, how much noise and how many copies that
takes, and that a smoother heatmap does not know more.

**Before this:** 2.1 (sensitivity analysis), 3.2 (backpropagation).

**Paper:** Smilkov et al. 2017, *SmoothGrad: removing noise by adding noise*.
"""
import math

import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, metrics, models, passes, plot

# %%
# The slope of a blurred function
# -------------------------------
# A network made of ReLUs is a landscape of flat facets. The gradient is the slope of the one facet that the image
# happens to lie on; a small step further it may be another. SmoothGrad asks the neighbourhood: with noise :math:`e`,
# normal of standard deviation :math:`\sigma` in every pixel,
#
# .. math:: R = \frac1n \sum_{s=1}^n \nabla f(x + e_s)
#           \;\approx\; \mathbb{E} \, \nabla f(x + e) = \nabla \, \mathbb{E} f(x + e) .
#
# The last step says what it is: the gradient of :math:`f` *blurred* with a Gaussian of width :math:`\sigma`. Details of
# :math:`f` that are smaller than :math:`\sigma` do not count.
#
# By hand: :math:`f = \lvert x \rvert`, built of two ReLUs, has the slope 1 at any :math:`x > 0`. With the noise
# :math:`\sigma = x` a copy lies left of 0 with probability 0.1587, where the slope is -1: on average
# :math:`0.8413 - 0.1587 = 0.6826`. From far away, or with little noise, it is 1 again; at 0 it is 0.


def smoothed(net, x, target, sigma, samples, rng):
    """SmoothGrad written out: the mean of the gradients of noisy copies."""
    total = 0
    for _ in range(samples):
        noisy = x + rng.normal(0, sigma, x.shape).astype(x.dtype)
        total = total + passes.gradient(net, noisy, target)[0]              # <- STEP INTO
    return total / samples


absolute = Network([Dense(np.array([[1.0, -1.0]])), ReLU(), Dense(np.array([[1.0], [1.0]]))])
x, close = np.array([[1.0], [0.0]]), {}
for sigma in (0.1, 1.0, 3.0):
    R = smoothed(absolute, np.repeat(x, 10_000, axis=0), 0, sigma, 1, np.random.default_rng(0)).reshape(2, -1)
    R = R.mean(axis=1)
    close[sigma] = R[0] - math.erf(1 / sigma / 2 ** 0.5)
    print(f"sigma {sigma}: SmoothGrad of |x| at 1 {R[0]:.3f} (exactly {R[0] - close[sigma]:.3f}), at 0 {R[1]:6.3f}")

# %%
# How much noise?
# ---------------
# ``noise`` of the package is :math:`\sigma` as a share of the range of the image. For digits the range is 1. Five
# digits, from no noise, the plain gradient, to as much as the image itself.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
x, target = images[ten], labels[ten]
nets = {name: models.load(name) for name in ("cnn", "dense")}
sigmas = (0, 0.05, 0.1, 0.2, 0.4, 0.8)
maps = {(name, sigma): attribution.smoothgrad(net, x, target, noise=sigma, samples=50 if sigma else 1)
        for name, net in nets.items() for sigma in sigmas}
plot.heatmaps({f"σ = {sigma:g}": maps["cnn", sigma][::2] for sigma in (0, 0.05, 0.2, 0.8)}, x[::2], quantile=0.995,
              title="SmoothGrad of cnn, 50 copies: the noise lights up the background")

# %%
# With a little noise the speckles join to larger forms. But something else happens, too: the white background is gone.
# It was no finding, but the convention of lesson 2.1: ``cnn`` has no biases, and on empty paper it sits on the kink of
# its ReLUs, where backpropagation reports 0. Noise leaves the kink. In ``dense``, which is not on one, the noise should
# change nothing beside the ink. And how much noise does the network bear? It should still recognise the copies, or we
# explain its view of something else.


def evenness(R):
    """Correlation of each pixel of the heatmap with its right-hand neighbour, one number for each image."""
    return np.array([np.corrcoef(r[:, 1:, 0].ravel(), r[:, :-1, 0].ravel())[0, 1] for r in R])


def blurred(R):
    """The control for evenness: the mean of 3 x 3 pixels of the finished heatmap."""
    wide = np.pad(R, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sum(wide[:, row:row + 28, column:column + 28] for row in range(3) for column in range(3)) / 9


rng, ink = np.random.default_rng(1), x > 0
print(f"\n{'':16} copies read (200 digits)   |R| on empty paper (10 digits)   neighbours alike (10 digits)")
print(f"{'sigma':16} {'cnn':>8} {'dense':>10} {'cnn':>16} {'dense':>10} {'cnn':>24}")
read, background, even = {}, {}, {}
for sigma in sigmas:
    noisy = images[:200] + sigma * rng.standard_normal((200, 28, 28, 1), dtype=np.float32)
    read[sigma] = [(net.predict(noisy).argmax(axis=1) == labels[:200]).mean() for net in nets.values()]
    background[sigma] = [abs(maps[name, sigma][~ink]).mean() for name in nets]
    even[sigma] = metrics.mean_and_error(evenness(maps["cnn", sigma]))
    print("{:<16} {:8.0%} {:10.0%} {:16.3f} {:10.3f} {:20.2f} +- {:.2f}".format(
        sigma, *read[sigma], *background[sigma], *even[sigma]))
even["blur"] = metrics.mean_and_error(evenness(blurred(maps["cnn", 0])))
print("{:76} {:.2f} +- {:.2f}".format("the gradient without noise, blurred over 3 x 3 pixels", *even["blur"]))

# %%
# With the least noise the slopes on empty paper rise from 0.108 to 0.193 in ``cnn``; in ``dense`` they stay (0.289 and
# 0.284). The maps of ``cnn`` grow more even all the way, also where it no longer reads the copies: at 0.1 it reads
# nearly all of them, at 0.4 only 26 %. And a blur of the finished gradient, which asks no network, makes it more even
# (0.76) than any noise. Looking good is no sign of the right :math:`\sigma`.
#
# How many copies?
# ----------------
# How much of a map is chance? We compute it twice, with different noise, and look at the difference: by the law of
# large numbers it should shrink as :math:`1/\sqrt{n}`, so that four times the copies give half of it.

few, counts = x[:5], (1, 2, 4, 8, 16, 32, 64)
chance, size = [], []
for n in counts:
    one, two = (attribution.smoothgrad(nets["cnn"], few, target[:5], noise=0.1, samples=n, rng=s) for s in (1, 2))
    chance.append(np.sqrt(((one - two) ** 2).mean() / 2))
    size.append(np.sqrt((one ** 2 + two ** 2).mean() / 2))
plot.curves(counts, {"size of the map": size, "of it, chance": chance, "1/√n": chance[0] / np.sqrt(counts)}, "copies n",
            "root mean square", "Chance shrinks as 1/√n (σ = 0.1, five digits)", xscale="log", yscale="log")
print("\nchance / map:", ", ".join(f"{c / s:.0%} of {n} copies" for n, c, s in zip(counts, chance, size)))

# %%
# One question, measured
# ----------------------
# Does the smoother map know more? A gradient should predict what a change does. We add 0.3 of ink to a square of 4 x 4
# pixels, to each of 49 in turn, and correlate the real change of the logit with the predicted one, the sum of the map
# over the square. The controls: the gradient blurred, and a map of random numbers.

squares = np.kron(np.eye(49).reshape(49, 7, 7), np.ones((4, 4))).astype(np.float32)[..., None]         # (49, 28, 28, 1)
right = {}
for name, net in nets.items():
    real = [net.predict(image + 0.3 * squares)[:, c] - net.predict(image[None])[0, c] for image, c in zip(x, target)]
    rows = {"gradient": maps[name, 0], "SmoothGrad, σ = 0.1": maps[name, 0.1], "SmoothGrad, σ = 0.4": maps[name, 0.4],
            "gradient, blurred": blurred(maps[name, 0]), "random numbers": rng.standard_normal(x.shape)}
    for what, several in rows.items():
        predicted = [(R * squares).sum(axis=(1, 2, 3)) for R in several]
        each = np.array([np.corrcoef(guess, change)[0, 1] for guess, change in zip(predicted, real)])
        right.setdefault(name, {})[what] = metrics.mean_and_error(each)
plot.bars(right, "correlation of the predicted and the real change", "The smoother map predicts no better")
for what in right["cnn"]:
    print(f"{what:20}", *("{}: {:.2f} +- {:.2f}  ".format(name, *right[name][what]) for name in nets))

# %%
# It does not. In ``cnn`` the gradient reaches 0.60, SmoothGrad 0.58 or less, in ``dense`` 0.97 and 0.97; the blurred
# gradient does as well. SmoothGrad makes a map easier to look at and takes the chance out of it; what a change of this
# size will do, it does not know better.
#
# Try this
# --------
# 1. Average squares, ``kind="squared"``, or take the variance, ``kind="variance"``. Which signs are lost, and is
#    what remains clearer?
# 2. Wrap integrated gradients, ``method=attribution.integrated_gradients``. What does the sum of the map now equal, and
#    of which images?

assert max(map(abs, close.values())) < 0.03, "SmoothGrad is the slope of the blurred function"
assert background[0.05][0] > 1.5 * background[0][0] and background[0.05][1] < 1.1 * background[0][1], "the kink"
assert even["blur"] > even[0.1] > even[0], "noise makes the heatmap more even, and so does a blur"
assert chance[-1] < chance[0] / 6, "64 times the copies leave about an eighth of the chance"
assert all(of["SmoothGrad, σ = 0.1"][0] < of["gradient"][0] + 0.05 for of in right.values()), "it predicts no better"
plot.show()
