r"""
5.1 Continuity
==============

**You will see** what it means that an explanation jumps while the output it explains does not; where the jumps come
from; and which methods jump when a digit slides across the image.

**Before this:** 2.1 (sensitivity analysis), 2.2 (simple Taylor decomposition), 2.4 (deep Taylor).

**Paper:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 7.1.
"""
import numpy as np

from minixnn import Dense, Network, ReLU, datasets, metrics, models, passes, plot
from minixnn.plot import diagrams
from minixnn.attribution import METHODS
from minixnn.rules import deep_taylor

COUNT = 12              # digits to measure on; more narrow the errors

# %%
# A function that is continuous
# -----------------------------
# The larger of two numbers, :math:`f(x) = \max(x_1, x_2)` for :math:`x_1, x_2 \geq 0`, is itself a small network
# without biases. From :math:`a_1 = (x_1 - x_2)^+`, :math:`a_2 = (x_2 - x_1)^+` and :math:`a_3 = (x_1 + x_2)^+` it makes
#
# .. math:: f = \tfrac{1}{2} (a_1 + a_2 + a_3)^+ .
#
# By head at (2, 1): 1, 0 and 3, so :math:`f = 2`.

W1 = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])         # (2 inputs, 3 neurons)
larger = Network([Dense(W1), ReLU(), Dense(np.full((3, 1), 0.5)), ReLU()])
print("max(2, 1) =", larger.forward(np.array([[2.0, 1.0]]))[0, 0])

# %%
# Three explanations of it
# ------------------------
# By head, for :math:`x_1 > x_2`; the other side is the mirror image.
#
# * Sensitivity: :math:`f = x_1` there, so :math:`R = (1, 0)`.
# * Simple Taylor, gradient x input: :math:`R = (x_1, 0)`.
# * Deep Taylor with the z\ :sup:`+` rule: :math:`a_i` receives :math:`a_i / 2`. The first hands all to :math:`x_1`, for
#   its weight from :math:`x_2` is negative; the third shares in proportion. That makes
#   :math:`R = (x_1 - x_2 / 2, \; x_2 / 2)`, and on either side :math:`R_i = (a_i + x_i) / 2`.
#
# Now cross the diagonal, where :math:`f` does nothing special. The first two jump: what belonged to :math:`x_1` all at
# once belongs to :math:`x_2`. The third does not, for :math:`a_1` has sunk to 0 by then.

methods = {"sensitivity": lambda x: passes.gradient(larger, x, 0)[0] ** 2,
           "simple Taylor": lambda x: passes.gradient(larger, x, 0)[0] * x,
           "deep Taylor": lambda x: passes.lrp(larger, x, 0, deep_taylor.z_plus)[0]}    # <- STEP INTO
beside = np.array([[2.0, 1.0], [2.0, 1.99], [2.0, 2.0], [1.99, 2.0]])
print("\nat            " + "".join(f"{str(tuple(map(float, x))):>15}" for x in beside))
for name, explain in methods.items():
    print(f"{name:14}" + "".join(f"{R[0]:8.3f} {R[1]:6.3f}" for R in explain(beside)))
print("(exactly on the diagonal the ReLUs say 0 to the slopes of a1 and a2, and half of that of a3 is left)")
grid = np.stack(np.meshgrid(np.arange(0.25, 3.5, 0.5), np.arange(0.25, 3.5, 0.5)), axis=-1).reshape(-1, 2)
grid += [0.03, 0]                                           # off the diagonal
arrows = {name: explain(grid) for name, explain in methods.items()}
diagrams.plane(lambda x: larger.forward(x)[:, 0], {name: (grid, 0.4 * R / R.max()) for name, R in arrows.items()},
               (0, 4), "max(x1, x2) explained: arrows (R1, R2), scaled to fit")
diagrams.surfaces({name: lambda x, explain=explain: explain(x)[:, 0] for name, explain in methods.items()}, (0, 4),
                  "The relevance of x1 over the plane: only deep Taylor's has no step")

# %%
# The measure, for inputs :math:`x` and :math:`x'` and their heatmaps :math:`R` and :math:`R'`, is the largest
#
# .. math:: \frac{\lVert R - R' \rVert_1}{\lVert x - x' \rVert_2} .
#
# Let two points approach each other across the diagonal: for a method that jumps it grows without end.

for gap in (1e-1, 1e-3, 1e-5):
    x = np.array([[1 + gap, 1], [1, 1 + gap]])
    ratios = {name: np.abs(np.diff(explain(x), axis=0)).sum() / np.linalg.norm(x[1] - x[0])
              for name, explain in methods.items()}
    print(f"gap {gap:.0e}: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))

# %%
# A digit slides across the image
# -------------------------------
# A 2 enters from the left and leaves to the right, a quarter of a pixel at a time. We add the relevance in each
# quarter of the image: upper left, upper right, lower left, lower right. Each curve is divided by the largest sum of
# :math:`|R|` on the way, so that the methods can be compared. (Where :math:`f` falls below zero there is negative
# relevance to share out, and deep Taylor's map turns blue.)

net, (images, labels) = models.load("cnn"), datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
two, shifts = images[ten[2]:ten[2] + 1], np.arange(-20, 20.25, 0.25)
pixelwise = {"sensitivity": "sensitivity", "simple Taylor": "gradient_times_input", "deep Taylor": "deep_taylor"}
slides = {name: metrics.continuity(method, net, two, 2, shifts, compare="neighbours", quiet=True)
          for name, method in pixelwise.items()}
some = np.concatenate([metrics.translate(two, 0, right) for right in (-16, -8, 0, 8, 16)])
plot.heatmaps({name: METHODS[method](net, some, 2) for name, method in pixelwise.items()}, some,
              [f"shift {right}" for right in (-16, -8, 0, 8, 16)], "A sliding 2, explained as a 2", scale="method",
              quantile=0.998)
output = {"output for the class 2": slides["deep Taylor"].outputs[0]}
plot.curves(shifts, output, "shift to the right, pixels", "f", "The output while the 2 slides")
for name, slide in slides.items():
    quarters = slide.quadrants[0].reshape(-1, 4)            # (shifts, 4)
    quarters = quarters / np.abs(quarters).sum(axis=1).max()
    plot.curves(shifts, dict(zip(("upper left", "upper right", "lower left", "lower right"), quarters.T)),
                "shift to the right, pixels", "relevance in each quarter", f"A sliding 2: {name}")

# %%
# One question, measured: is only deep Taylor smooth?
# ---------------------------------------------------
# For every digit, shifts of up to two pixels, a quarter of a pixel at a time. Heatmaps are divided by
# :math:`\lVert R \rVert_1` of the digit in its place, or the method with the smallest numbers would win. A heatmap that
# moves along with the digit changes too, so the last line gives a scale: the image taken as its own heatmap.

x, target = images[:COUNT], labels[:COUNT]
near = np.arange(-2, 2.25, 0.25)
methods = {name: name for name in ("gradient", "sensitivity", "gradient_times_input", "guided_backprop", "lrp_epsilon",
                                   "lrp_gamma", "lrp_alpha2_beta1", "lrp_alpha1_beta0", "lrp_epsilon_plus", "deeplift",
                                   "deep_taylor")}
methods["the image itself"] = lambda net, x, target: x
found = {}
print(f"\n{COUNT} digits, mean and standard error       largest ratio     median ratio")
for name, method in methods.items():
    slide = metrics.continuity(method, net, x, target, near, compare="neighbours", normalize=True, quiet=True)
    largest = metrics.mean_and_error(slide.largest)
    typical = metrics.mean_and_error(np.median(slide.ratios[:, 1:], axis=1))        # [0] has no neighbour before it
    found[name] = largest[0]
    print(f"  {name:36} {largest[0]:.3f} +- {largest[1]:.3f}   {typical[0]:.3f} +- {typical[1]:.3f}")

# %%
# Not only deep Taylor: the rules that keep to the positive contributions, alpha1-beta0 and epsilon-plus, change far
# less than the gradient and its relatives, and gamma lies between. (Simple Taylor, LRP-epsilon and DeepLIFT from zero
# are one and the same in a ReLU network without biases, and so are their numbers.) Positive shares change little when
# a ReLU switches; a derivative changes at once.
#
# But the last line is a warning. The image itself is nearly the smoothest of all and explains nothing. Continuity is a
# fair demand on an explanation, and no proof that it is one. Lesson 6.4 asks the smooth methods another question.
#
# Try this
# --------
# 1. Slide the digit by whole pixels, ``shifts=range(-20, 21)``. The output wobbles with the period of a pixel, since a
#    shift by half a pixel blurs the strokes. Do the jumps of simple Taylor go away with the blur?
# 2. Smooth the gradient: give the measure ``METHODS["smoothgrad"]``. Does averaging over noise buy continuity?

assert found["deep_taylor"] < 0.5 * found["gradient_times_input"], "deep Taylor is the more continuous"
assert found["lrp_alpha1_beta0"] < 0.5 * found["gradient_times_input"], "but not the only one"
assert found["the image itself"] < found["lrp_alpha1_beta0"], "and to be continuous is not to explain"
plot.show()
