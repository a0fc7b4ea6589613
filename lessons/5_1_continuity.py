r"""
5.1 Continuity
==============

**You will see** what it means that an explanation jumps while the output it explains does not; where the jumps come
from; and a measurement that tells a method that jumps from one that only changes fast.

**Before this:** 2.1 (sensitivity analysis), 2.2 (simple Taylor decomposition), 2.4 (deep Taylor).

**Paper:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 7.1, from
which the network of the first part is.
"""
from functools import partial

import numpy as np

from minixnn import Dense, MaxPool2d, Network, ReLU, attribution, datasets, metrics, models, passes, plot
from minixnn.attribution import METHODS
from minixnn.plot import diagrams
from minixnn.rules import composites, deep_taylor, lrp

COUNT = 60              # digits to measure on; more narrow the errors

# %%
# A function that is continuous
# -----------------------------
# The larger of two numbers, :math:`f(x) = \max(x_1, x_2)` for :math:`x_1, x_2 \geq 0`, is itself a small network
# without biases. From :math:`a_1 = (x_1 - x_2)^+`, :math:`a_2 = (x_2 - x_1)^+` and :math:`a_3 = (x_1 + x_2)^+` it makes
# :math:`f = \tfrac{1}{2} (a_1 + a_2 + a_3)`. By hand at (2, 1): 1, 0 and 3, so :math:`f = 2`.
#
# Three explanations, each worked out for :math:`x_1 > x_2`; the other side is the mirror image.
#
# * *Sensitivity*, the squared derivative: :math:`f = x_1` on this side, so :math:`R = (1, 0)`.
# * *Gradient x input*, the derivative times the input: :math:`R = (x_1, 0)`.
# * *Deep Taylor* goes back layer by layer. The output shares :math:`f` in proportion to what it was made of,
#   :math:`\tfrac{1}{2} a_i` from each, so :math:`R_{a_i} = \tfrac{1}{2} a_i`. Each neuron passes its share on in
#   proportion to its *positive* inputs (the z\ :sup:`+` rule). For :math:`a_1` that is :math:`x_1` alone; :math:`a_2`
#   has nothing to share; :math:`a_3` divides :math:`\tfrac{1}{2} (x_1 + x_2)` into :math:`\tfrac{1}{2} x_1` and
#   :math:`\tfrac{1}{2} x_2`. The sums are
#   :math:`R = \bigl( \tfrac{1}{2} (x_1 - x_2) + \tfrac{1}{2} x_1 , \; \tfrac{1}{2} x_2 \bigr)`.
#
# On either side that is :math:`R_i = \tfrac{1}{2} (a_i + x_i)`. At (2, 1): 1.5 and 0.5.

larger = Network([Dense(np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])), ReLU(), Dense(np.full((3, 1), 0.5))])
by_hand = {"sensitivity": lambda x: (x > x[:, ::-1]).astype(float), "gradient x input": lambda x: x * (x > x[:, ::-1]),
           "deep Taylor": lambda x: ((x - x[:, ::-1]).clip(min=0) + x) / 2}
explained = {"sensitivity": lambda x: passes.gradient(larger, x, 0)[0] ** 2,
             "gradient x input": lambda x: passes.gradient(larger, x, 0)[0] * x,
             "deep Taylor": lambda x: passes.lrp(larger, x, 0, deep_taylor.z_plus)[0]}          # <- STEP INTO
points = np.random.default_rng(0).uniform(0, 4, (1000, 2))
for name in by_hand:
    assert np.allclose(by_hand[name](points), explained[name](points)), f"{name}: worked out correctly"
x = np.array([[2.0, 1.0]])
diagrams.neurons(larger, larger.trace(x), passes.lrp(larger, x, 0, deep_taylor.z_plus),
                 "max(2, 1) as a network, explained by deep Taylor")

# %%
# Now cross the diagonal, where :math:`f` does nothing special. The first two jump: what belonged to :math:`x_1` belongs
# to :math:`x_2` all at once. The third does not, for :math:`a_1` has sunk to 0 by then.

beside = np.array([[2.0, 1.0], [2.0, 1.99], [1.99, 2.0], [1.0, 2.0]])
print("at            " + "".join(f"{str(tuple(map(float, x))):>16}" for x in beside))
for name, explain in explained.items():
    print(f"{name:14}" + "".join(f"{R[0]:9.3f} {R[1]:6.3f}" for R in explain(beside)))
diagrams.surfaces({name: lambda x, explain=explain: explain(x)[:, 0] for name, explain in explained.items()}, (0, 4),
                  "The relevance of x1 over the plane: only deep Taylor's has no step")

# %%
# The measure
# -----------
# For inputs :math:`x` and :math:`x'` and their heatmaps :math:`R` and :math:`R'`, take
#
# .. math:: \frac{\lVert R - R' \rVert_1}{\lVert x - x' \rVert_2} .
#
# Let two points approach each other across the diagonal. For a method that jumps it grows without end; for one that
# only changes fast it comes to rest. So a single step tells little, and shrinking steps tell the two apart.

for gap in (1e-1, 1e-3, 1e-5):
    x = np.array([[1 + gap, 1], [1, 1 + gap]])
    ratios = {name: np.abs(np.diff(explain(x), axis=0)).sum() / np.linalg.norm(x[1] - x[0])
              for name, explain in explained.items()}
    print(f"gap {gap:.0e}: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))

# %%
# A digit slides across the image
# -------------------------------
# A 2 enters from the left and leaves to the right, a quarter of a pixel at a time. We add the relevance in each half of
# the image. Output and relevance are divided by their largest size on the way, so that they can be compared.
# (Deep Taylor explains a score above zero. Its rules, run as LRP, go on where the score of the 2 falls below.)

net, (images, labels) = models.load("cnn"), datasets.mnist("test")
n = int(np.flatnonzero(labels == 2)[0])
two, shifts = images[n:n + 1], np.arange(-20, 20.25, 0.25)
pixelwise = {"sensitivity": METHODS["sensitivity"], "gradient x input": METHODS["gradient_times_input"],
             "deep Taylor": partial(attribution.lrp, rules=composites.deep_taylor(net, low=0, high=1))}
some = np.concatenate([metrics.translate(two, 0, right) for right in (-16, -8, 0, 8, 16)])
plot.heatmaps({name: method(net, some, 2) for name, method in pixelwise.items()}, some,
              [f"shift {right}" for right in (-16, -8, 0, 8, 16)], "A sliding 2, explained as a 2", scale="method",
              quantile=0.998)
panels = {}
for name, method in pixelwise.items():
    slide = metrics.continuity(method, net, two, 2, shifts, compare="neighbours", quiet=True)
    panels["the output"] = {"output": slide.outputs[0] / abs(slide.outputs).max()}
    halves = slide.quadrants[0].sum(axis=1).T               # (2, shifts)
    panels[name] = dict(zip(("left half", "right half"), halves / np.abs(halves).sum(axis=0).max()))
plot.curves(shifts, panels, "shift to the right, pixels", "share of the largest size",
            "The sliding 2 in two halves: the relevance of deep Taylor passes over smoothly, the others jitter")

# %%
# One question, measured: which methods jump, and where?
# ------------------------------------------------------
# We move digits by steps from 1/4 down to 1/16384 of a pixel, from a place between two pixels, for at whole pixels the
# interpolation has kinks of its own. Heatmaps are divided by :math:`\lVert R \rVert_1`, or the method with the smallest
# numbers would win. After +- stands the standard error of the mean over the digits. Two controls: the image as its own
# heatmap, which only moves along, and *noise times ink*, drawn anew for each image, which has nothing to do with
# anything. And two changes of one thing each. Under alpha1-beta0 a max pool hands all relevance to its winner, under
# deep Taylor it shares in proportion: we try both. And a ReLU or a max pool may *switch* within a step, on or off or to
# another winner, or may not: we part the digits by that.

alpha1_beta0, rng = composites.alpha1_beta0, np.random.default_rng(0)
shared = composites.by_kind(net, conv=alpha1_beta0, dense=alpha1_beta0, max_pool=lrp.proportional)
methods = {"noise times ink": lambda net, x, target: rng.random(x.shape) * x,
           "gradient x input": METHODS["gradient_times_input"], "LRP-gamma": METHODS["lrp_gamma"],
           "LRP-alpha1-beta0": METHODS["lrp_alpha1_beta0"],
           "LRP-alpha1-beta0, pools share": partial(attribution.lrp, rules=shared),
           "deep Taylor": pixelwise["deep Taylor"], "the image itself": lambda net, x, target: x}
steps, digits, target = 4.0 ** -np.array([1, 3, 5, 7]), images[:COUNT].astype(np.float64), labels[:COUNT]
places = [metrics.translate(digits, 0, 0.3 + step) for step in (0, *steps)]


def switches(net, x):
    """What each unit does, for each image: a ReLU lets through or not, a max pool has one winner in each window."""
    A = net.trace(x)
    return np.concatenate([(layer.gradient(A[l], A[l + 1], A[l + 1] * 0 + 1) > 0).reshape(len(x), -1)
                           for l, layer in enumerate(net.layers) if isinstance(layer, (ReLU, MaxPool2d))], axis=1)


def change(method, net):
    """||R - R'||_1 / (||R||_1 ||x - x'||_2), for each digit and step."""
    R, *moved = [method(net, x, target).reshape(COUNT, -1) for x in places]
    far = [np.sqrt(((x - places[0]) ** 2).sum(axis=(1, 2, 3))) for x in places[1:]]
    return np.stack([abs(S - R).sum(axis=1) / abs(R).sum(axis=1) / d for S, d in zip(moved, far)], axis=1)


found, crossed = {}, {}
for kind in ("cnn", "dense_no_bias"):
    precise = models.load(kind).astype(np.float64)
    units = [switches(precise, x) for x in places]
    crossed[kind] = np.stack([(moved != units[0]).any(axis=1) for moved in units[1:]], axis=1)          # (COUNT, steps)
    print(f"\n{kind}: {COUNT} digits moved by {'':9}" + "".join(f"{f'1/{1 / h:.0f} pixel':>18}" for h in steps))
    print(f"  {'a unit switches for':30}" + "".join(f"{share:18.0%}" for share in crossed[kind].mean(axis=0)))
    for name, method in methods.items():
        if kind == "cnn" or name in ("gradient x input", "LRP-alpha1-beta0", "the image itself"):
            found[kind, name] = change(method, precise)
            print(f"  {name:30}" + "".join(f"{f'{mean:.2f} +- {error:.2f}':>18}" for mean, error in
                                           zip(*metrics.mean_and_error(found[kind, name]))))
    for what, those in (("where a unit switches", crossed[kind]), ("where none does", ~crossed[kind])):
        found[kind, what] = np.where(those, found[kind, "gradient x input"], np.nan)
        print(f"  {'gradient x input, ' + what:40}" + "".join(
            f"{'-' if not each.any() else f'{value[each].mean():.2f}':>8} ({each.sum():2})       "
            for value, each in zip(found[kind, "gradient x input"].T, those.T)))
split = {f"gradient x input, {short}": [np.nanmean(column) if np.isfinite(column).any() else np.nan
                                        for column in found["cnn", name].T]
         for short, name in (("switch", "where a unit switches"), ("none", "where none does"))}
plot.curves(steps, split | {short: metrics.mean_and_error(found["cnn", name]) for short, name in (
    ("α1β0", "LRP-alpha1-beta0"), ("α1β0, pools share", "LRP-alpha1-beta0, pools share"),
    ("deep Taylor", "deep Taylor"), ("the image itself", "the image itself"))}, "step, pixels",
    "change of map / change of image", "In cnn: a jump stays as large as it is when the step shrinks", "log", "log")

# %%
# At the usual step of 1/4 gradient x input (0.50) can hardly be told from noise (0.53), and alpha1-beta0 (0.22) looks
# continuous. Small steps and the split tell them apart. Where no ReLU and no pool switches gradient x input changes as
# little as the image does (0.12), in both networks. Where one does it jumps, and a jump does not shrink with the step:
# with 1/16384 of a pixel the ratio is 17.6. The mean over all digits does not grow without end (2.65 and 3.04 +- 1.42),
# for a shorter step crosses fewer switches: 97 % of the digits had one, then 17 %. Alpha1-beta0 jumps, too, but only
# as long as the winner takes all: with pools that share it rests at 0.16, as deep Taylor does at 0.10, and in the dense
# network, which has no pools, at 0.13. These are continuous here, since the share of a neuron that switches on begins
# at 0.
#
# And the control: the image itself rests at 0.12 as well, and explains nothing. A constant map would get 0. Continuity
# is a fair demand on an explanation and no proof that it is one. Lesson 6.4 asks the smooth methods another question.
#
# Try this
# --------
# 1. Slide the digit by whole pixels, ``shifts=range(-20, 21)``. The output wobbles with the period of a pixel, since a
#    shift by half a pixel blurs the strokes. Do the jumps of gradient x input go away with the blur?
# 2. Smooth the gradient: give the measure ``METHODS["smoothgrad"]``. Does averaging over noise buy continuity?

for kind in crossed:
    none, jumped = (found[kind, name][:, -1] for name in ("where none does", "where a unit switches"))
    assert np.nanmax(none) < 3 * found[kind, "the image itself"][:, -1].max(), "without a switch no jump"
    assert np.nanmean(jumped) > 10 * np.nanmax(none), "with one a jump"
rest = {name: values.mean(axis=0) for (kind, name), values in found.items() if kind == "cnn" and name in methods}
assert all(rest[name][-1] < 1.1 * rest[name][1] for name in ("deep Taylor", "LRP-alpha1-beta0, pools share")), "calm"
plot.show()
