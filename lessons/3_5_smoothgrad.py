r"""
3.5 SmoothGrad
==============

**You will see** why adding noise to an image takes noise out of its heatmap, how much noise and how many copies that
takes, and when the smoother heatmap also predicts better what a change will do.

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
plot.curves(counts, {"size of the map": size, "random part": chance, "1/√n": chance[0] / np.sqrt(counts)}, "copies n",
            "root mean square", "Chance shrinks as 1/√n (σ = 0.1, five digits)", xscale="log", yscale="log")
print("\nchance / map:", ", ".join(f"{c / s:.0%} of {n} copies" for n, c, s in zip(counts, chance, size)))

# %%
# One question, measured
# ----------------------
# Does the smoother map know more? A gradient should predict what a change does. We add ink to a square of 4 x 4 pixels,
# to each of 49 in turn, and correlate the real change of the logit with the predicted one, the sum of the map over the
# square. A little ink, 0.3, and the full one, 1.0; Smilkov et al. advise 10 to 20 % of noise, so :math:`\sigma` is 0.1
# and 0.2; 100 digits, two networks. The differences to the plain gradient are taken digit by digit, for what makes one
# digit hard makes it hard for both maps. The controls: the gradient blurred, and a map of random numbers.

squares = np.kron(np.eye(49).reshape(49, 7, 7), np.ones((4, 4))).astype(np.float32)[..., None]         # (49, 28, 28, 1)
x, target, better = images[:100], labels[:100], {}
for name, net in nets.items():
    plain = attribution.gradient(net, x, target)
    rows = {f"SmoothGrad, σ = {sigma}": attribution.smoothgrad(net, x, target, noise=sigma, samples=25)
            for sigma in (0.1, 0.2)} | {"gradient, blurred": blurred(plain), "random numbers": rng.random(x.shape)}
    guesses = {what: np.tensordot(R, squares, ((1, 2, 3), (1, 2, 3)))
               for what, R in ({"gradient": plain} | rows).items()}
    for ink in (0.3, 1.0):
        change = np.stack([net.predict(x + ink * square) for square in squares], axis=1) - net.predict(x)[:, None]
        change = change[np.arange(100), :, target]                          # (100, 49), of the logit of each digit
        right = {what: np.array([np.corrcoef(*both)[0, 1] for both in zip(guess, change)])
                 for what, guess in guesses.items()}
        print(f"\n{name}, {ink} of ink: the gradient predicts {right['gradient'].mean():.3f}; the others, less it")
        for what in rows:
            difference, error, share = better[name, ink, what] = metrics.paired(right[what], right["gradient"])
            print(f"  {what:20} {difference:7.3f} +- {error:.3f}, better for {share:.0%} of the digits")
shown = {f"{name}, {ink} of ink": {what: better[name, ink, what][:2] for what in list(rows)[:3]}
         for name in nets for ink in (0.3, 1.0)}
plot.bars(shown, "correlation with the real change, less that of the gradient",
          "In dense smoothing predicts a little better, in cnn it does not")

# %%
# In ``dense`` it does, by little: the gradient reaches 0.975 for a small change, SmoothGrad with 0.1 adds 0.006 +-
# 0.001; for a large one 0.902, and SmoothGrad with 0.2 adds 0.023 +- 0.003, for 91 of 100 digits. The larger the
# change, the wider the blur that sees it coming. The blur of the finished map adds nothing, so it is the noise in the
# image that does it. In ``cnn`` it does not: tied with 0.1 of noise for a small change, and worse by 0.083 +- 0.017
# with 0.2 for a large one; there 0.2 is so much noise that it misreads copies. So SmoothGrad makes a map easier to look
# at and takes the chance out of it; whether it also knows more is a question to each network.
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
gain = {key: (of.difference - 2 * of.error, of.difference + 2 * of.error) for key, of in better.items()}
assert gain["dense", 1.0, "SmoothGrad, σ = 0.2"][0] > 0.01, "in dense it predicts a large change better"
assert gain["cnn", 1.0, "SmoothGrad, σ = 0.2"][1] < 0, "in cnn it predicts it worse"
plot.show()
