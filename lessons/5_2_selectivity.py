r"""
5.2 Selectivity
===============

**You will see** how to test an explanation against the network itself: remove what it calls relevant, and watch the
output fall. And whether ten images were enough to say which method is the most selective.

**Before this:** 5.1 (continuity), 2.4 (deep Taylor).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 7; Samek
et al. 2017, *Evaluating the visualization of what a deep neural network has learned*.
"""
import numpy as np

from minixnn import Dense, Flatten, Network, datasets, metrics, models, plot
from minixnn.attribution import METHODS

COUNT = 10              # digits measured anew; the others come from a record that was made in the same way

# %%
# The idea
# --------
# If the explanation is right, its most relevant feature is the one that the output :math:`f` can least do without. So:
# explain :math:`x`, set the most relevant feature to zero, explain what is left, and so on. The area under the curve
# of :math:`f` (over a width of 1: the mean height of the curve) is small if the explanation is selective.
#
# By head: :math:`f = 3 x_1 + 2 x_2 + x_3` at :math:`(1, 1, 1)`. Removed in this order the curve is 6, 3, 1, 0 and the
# area :math:`(4.5 + 2 + 0.5) / 3 = 7/3`; in the opposite order it is 6, 5, 3, 0 and :math:`11/3`.

weighted = Network([Flatten(), Dense(np.array([[3.0], [2.0], [1.0]]))])
x = np.ones((1, 1, 3, 1))                                   # an image of three pixels in a row
backwards = {"gradient x input": METHODS["gradient_times_input"],
             "its opposite": lambda net, x, target: -METHODS["gradient_times_input"](net, x, target)}
for name, method in backwards.items():
    fall = metrics.selectivity(method, weighted, x, 0, patch=1, steps=3, quiet=True)            # <- STEP INTO
    print(f"{name:17} {fall.curves[0]}  area {fall.area[0]:.4f}")

# %%
# On digits
# ---------
# A feature is a patch of 4 x 4 pixels. We remove 20 of the 49, and :math:`f` is the logit of the true class. A 4 under
# two methods, after 0, 2, 4 ... removals:

net, (images, labels) = models.load("cnn"), datasets.mnist("test")
three = {"sensitivity": "sensitivity", "simple Taylor": "gradient_times_input", "deep Taylor": "deep_taylor"}


def removals(image, corners):
    """The image after 0, 1, 2 ... of the patches at `corners` (steps, 2) were removed: (steps + 1, 28, 28, 1)."""
    left = [image]
    for top, side in corners:
        left.append(left[-1].copy())
        left[-1][top:top + 4, side:side + 4] = 0
    return np.stack(left)


ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
of_ten = {name: metrics.selectivity(method, net, images[ten], labels[ten], steps=20, quiet=True)
          for name, method in three.items()}
for name in ("simple Taylor", "deep Taylor"):
    stages = removals(images[ten[4]], of_ten[name].corners[4])[:11:2]
    plot.heatmaps({name: METHODS[three[name]](net, stages, 4)}, stages,
                  [f"f = {f:.1f}" for f in of_ten[name].curves[4][:11:2]], f"A 4 loses patches, and f falls: {name}")

# %%
# All ten digits after five removals. The most selective method has the lowest output, which does not mean that it
# leaves the least to be seen.

after = np.concatenate([[removals(images[n], corners)[5] for n, corners in zip(ten, fall.corners)]
                        for fall in of_ten.values()])
plot.images(after, [f"{f:.1f}" for fall in of_ten.values() for f in fall.curves[:, 5]],
            "Five patches removed by sensitivity, simple Taylor, deep Taylor (row by row); f above each")

# %%
# Many digits
# -----------
# They take minutes a method, so the curves of many test digits are kept on record in ``lessons/data/selectivity.npz``
# (``record_selectivity.py`` beside it made them). We measure the first ``COUNT`` anew and compare. The last method,
# "ink", explains nothing: its heatmap is the image. What cannot beat it has told us little.

names = ["gradient_times_input", "gradient", "sensitivity", "guided_backprop", "lrp_alpha1_beta0", "lrp_epsilon_plus",
         "deep_taylor", "ink"]
methods = {**METHODS, "ink": lambda net, x, target: x}
record = {name: curves.astype(float)                                             # name: (digits, 21)
          for name, curves in np.load(datasets.PHOTOS.parent / "selectivity.npz").items()}


def area(curves):
    return (curves[:, :-1] + curves[:, 1:]).mean(axis=1) / 2


# Two patches may be equally relevant but for rounding. Another processor then removes the other one first, so we do
# not compare points of curves but mean areas, in units of their standard error over these digits.
deviation = {}
for name in names:
    anew = metrics.selectivity(methods[name], net, images[:COUNT], labels[:COUNT], steps=20, quiet=True).curves
    mean, error = metrics.mean_and_error(area(record[name][:COUNT]))
    deviation[name] = abs(area(anew).mean() - mean) / error
    record[name][:COUNT] = anew
print(f"\nmean areas of {COUNT} digits are at most {max(deviation.values()):.3f} standard errors from the record")


def to_half(curves):
    """After how many removals f is at most half of what it was; 21 if it never is."""
    low = curves <= curves[:, :1] / 2
    return np.where(low.any(axis=1), low.argmax(axis=1), 21)


print(f"\nmean +- standard error     digits {'area':>12} {'area, f >= 0':>20} {'removals to half':>22}")
for name in names:
    scores = [score for values in (area(record[name]), area(record[name].clip(min=0)), to_half(record[name]))
              for score in metrics.mean_and_error(values)]
    print("  {:23} {:7d} {:8.3f} +- {:.3f}   {:8.3f} +- {:.3f}   {:8.2f} +- {:.2f}".format(
        name, len(record[name]), *scores))
plot.curves(range(21), {name: metrics.mean_and_error(record[name]) for name in names}, "patches removed",
            "f, mean and standard error", "How fast the output falls as patches are removed")

# %%
# One question, measured: were ten images enough?
# -----------------------------------------------
# The tutorial found, with ten images, that simple Taylor is the most selective of three methods, wondered, since the
# paper found deep Taylor ahead, and put it down to the small sample. We draw ten digits, again and again, and look who
# wins.

digits = min(len(record[method]) for method in three.values())
areas = np.stack([area(record[method][:digits]) for method in three.values()])          # (3 methods, digits)
rng = np.random.default_rng(0)
samples = rng.integers(0, digits, (10_000, 10))
winner = areas[:, samples].mean(axis=2).argmin(axis=0)
print("\nsmallest mean area among ten digits, in 10,000 draws: " +
      ", ".join(f"{name} {(winner == k).mean():.1%}" for k, name in enumerate(three)))
singly = areas.argmin(axis=0)
print("smallest area of a single digit: " +
      ", ".join(f"{name} {(singly == k).mean():.1%}" for k, name in enumerate(three)))

# %%
# Ten images were plenty, for this network and this way to remove, and for a reason. Setting a patch to zero changes
# :math:`f`, to first order, by minus the sum over the patch of :math:`x_i \, \partial f / \partial x_i`, and *that is*
# simple Taylor: the measure asks the very question which this method answers. It also goes on when the digit is gone.
# The curve falls below zero, where the strokes left over speak *against* the class; deep Taylor has no reason to go
# there. The columns "f >= 0" and "removals to half" leave that out, and simple Taylor stays ahead of the other two.
#
# And look at "ink": by the area the image is a better explanation of itself than alpha1-beta0, deep Taylor and
# sensitivity are. Patches with much ink do much when they go. So a small area alone does not prove that a heatmap shows
# what the network uses; it has to be smaller than that of ink.
#
# Another network, dense and without biases:

dense = models.load("dense_no_bias")
some = slice(0, 10 * COUNT)
of_dense = {}
for name in (*three.values(), "lrp_alpha1_beta0", "ink"):
    curves = metrics.selectivity(methods[name], dense, images[some], labels[some], steps=20, quiet=True).curves
    of_dense[name] = area(curves).mean()
    print("  dense network, {:23} area {:8.3f} +- {:.3f}".format(name, *metrics.mean_and_error(area(curves))))

# %%
# Here deep Taylor and sensitivity hardly select at all: z\ :sup:`B` at the pixels, and sensitivity too, also find
# *empty* pixels relevant, and to remove what is zero already changes nothing. LRP with alpha1-beta0, the same but
# for the pixels, does not suffer. The number belongs to the method *and* to the way of removing.
#
# Try this
# --------
# 1. Remove by another value, ``metrics.selectivity(..., value=1.0)``: patches become ink. Who is ahead now?
# 2. Rank once, ``mode="static"``. How much of the fall is due to explaining again after every removal?

assert max(deviation.values()) < 1, "the areas on record are found again, within the error of ten digits"
assert (winner == 1).mean() > 0.95, "ten digits suffice to see that simple Taylor is ahead by this measure"
assert of_dense["deep_taylor"] > of_dense["ink"] > of_dense["gradient_times_input"], "removal by zero decides much"
plot.show()
