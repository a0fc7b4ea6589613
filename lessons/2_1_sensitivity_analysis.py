r"""
2.1 Sensitivity analysis
========================

**You will see** what the squared gradient explains and what it does not; and a trap: where a picture is empty, a
network may have no gradient at all, and the clean white background of its heatmap is then a convention, not a finding.

**Before this:** 0.1 (layers and traces), 0.2 (is the gradient right?).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 4.1;
Baehrens et al. 2010, *How to explain individual classification decisions*; Bertoin et al. 2021, *Numerical influence of
ReLU'(0) on backpropagation*.
"""
import numpy as np

from minixnn import AvgPool2d, Conv2d, Dense, Flatten, Network, ReLU, datasets, metrics, models, passes, plot
from minixnn.plot import diagrams
from minixnn.train import Adam, fit

# %%
# The definition
# --------------
# Let :math:`f` be the output to be explained. Its *sensitivity* to the input :math:`x_i` is the squared derivative,
#
# .. math:: R_i = \Bigl( \frac{\partial f}{\partial x_i} \Bigr)^2 , \qquad
#           \sum_i R_i = \lVert \nabla f(x) \rVert^2 .
#
# The sum says what is being explained: not :math:`f(x)`, but how steep :math:`f` is at :math:`x`.
#
# By hand: :math:`f = 3 x_1 + x_2` at :math:`x = (0, 1)`. All of :math:`f = 1` comes from the second input; the first
# is 0 and contributes nothing. Yet :math:`R = (9, 1)`: a change of the first would change :math:`f` faster.

neuron = Network([Dense(np.array([[3.0], [1.0]]))])
x = np.array([[0.0, 1.0]])
R = passes.gradient(neuron, x, 0)[0] ** 2                                   # <- STEP INTO
print("f =", neuron.forward(x)[0, 0], " sensitivity", R[0])

# %%
# In the plane
# ------------
# Two classes separated by a circle, an example from the notebooks *Understanding NN* (1202kbs, 2017): class P outside,
# where :math:`f > 0`; class N inside, where the score of the class is :math:`-f`,
#
# .. math:: f(x) = x_1^2 + x_2^2 - 9 , \qquad \nabla f = (2 x_1, 2 x_2) , \qquad R = (4 x_1^2, 4 x_2^2) .


def f(x):
    return (x ** 2).sum(axis=1) - 9


points = np.array([[0.0, 0.0], [-2.0, 1.0], [-4.0, -4.0], [4.0, -3.0]])
slope = np.sign(f(points))[:, None] * 2 * points                            # gradient of the score of the own class
R = slope ** 2
figure = diagrams.plane(f, {"gradient of the score of the class (arrows at half length)": (points, slope / 2),
                            "sensitivity R, its square (at a twentieth)": (points, R / 20)}, (-9, 9),
                        "Steepness is not membership: R = (0, 0) at the surest member of class N", zero="f = 0")
for ax, values in zip(figure.axes, (slope, R)):
    for point, value, place in zip(points, values + 0.0, ((10, -16), (-52, 8), (10, -6), (-50, -14))):
        ax.plot(*point, "ko", markersize=5)
        ax.annotate("({:g}, {:g})".format(*value), point, place, textcoords="offset points")

# %%
# The gradient points where the score would grow. The square forgets the direction: all arrows on the right point up
# and to the right. And it says nothing about :math:`f`: at the centre, where :math:`f` is lowest, nothing is relevant.
#
# Ten digits
# ----------
# :math:`f` is now the logit of the true class: the output before the softmax.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
x, target = images[ten], labels[ten]
cnn = models.load("cnn")
G = passes.gradient(cnn, x, target)[0]
print(f"\nsensitivity is exactly 0 at {(G == 0).mean():.0%} of the pixels; {1 - (x > 0).mean():.0%} have no ink")

# %%
# Is the empty background not worth a change?
# -------------------------------------------
# Exactly 0 is suspicious. This network has no biases. A neuron that sees nothing but empty paper has the sum 0, where a
# ReLU has no derivative: its slope is 0 to the left and 1 to the right. Backpropagation must put something there, and
# by convention it puts :math:`\mathrm{ReLU}'(0) = 0`. By hand: :math:`\max(x_1 - x_2, 0)` at :math:`(0, 0)` has the
# "gradient" :math:`(0, 0)`, although more of :math:`x_1` raises it with slope 1.
#
# An empty pixel can change in one direction only, towards ink. So the honest derivative is one-sided, and needs no
# backpropagation: add a little ink to one pixel after the other, and look at the logit.


def slope_towards_ink(net, x, target, step=0.01):
    """(f(x + step in pixel i) - f(x)) / step, for each pixel i of each image. -> like x"""
    nudges = step * np.eye(x[0].size, dtype=x.dtype).reshape(-1, *x.shape[1:])          # (784, 28, 28, 1)
    rises = [net.predict(image + nudges)[:, c] - net.predict(image[None])[0, c] for image, c in zip(x, target)]
    return np.stack(rises).reshape(x.shape) / step


S = slope_towards_ink(cnn, x, target)
plot.heatmaps({"backpropagation": abs(G[::2]), "measured": abs(S[::2])}, x[::2], scale="figure", quantile=0.99,
              title="|slope| of a network without biases: the white background is an artefact")
print(f"cnn, pixels whose gradient is exactly 0: measured |slope| {abs(S[G == 0]).mean():.2f} on average; "
      f"pixels with ink: {abs(S[x > 0]).mean():.2f}")

# %%
# Where backpropagation says 0, ink moves the logit twice as fast as on the strokes (0.85 against 0.42): to this network
# the background matters *most*. Bertoin et al. study what the convention does to training; here it decides what an
# explanation looks like.
#
# The same network with biases
# ----------------------------
# A bias moves the sums of empty paper away from 0, where the ReLU has a slope. To see that nothing else is to blame, we
# train one small network twice. Its pools take means: the maximum of equal numbers has a kink, too.


def trained(bias):
    rng, (pictures, classes) = np.random.default_rng(0), datasets.mnist("train")
    net = Network([Conv2d.random(5, 1, 8, rng, bias), ReLU(), AvgPool2d(2), Conv2d.random(3, 8, 16, rng, bias), ReLU(),
                   AvgPool2d(2), Flatten(), Dense.random(7 * 7 * 16, 10, rng, bias)])
    fit(net, pictures[:3000], classes[:3000], epochs=2, rng=rng, optimizer=Adam(0.01), quiet=True)
    return net


nets = {"cnn": cnn, "small, no biases": trained(False), "small, biases": trained(True),
        "dense": models.load("dense")}
slopes = {name: (passes.gradient(net, x, target)[0], S if net is cnn else slope_towards_ink(net, x, target))
          for name, net in nets.items()}
G, S = slopes["small, biases"]
plot.heatmaps({"backpropagation": abs(G[::2]), "measured": abs(S[::2])}, x[::2], scale="figure", quantile=0.99,
              title="|slope| of a network with biases: both ways agree, no background is white")

ink, share, off = x > 0, {}, {}
print(f"\n{'':18} mean |slope|, no ink            with ink     share of R on ink ({ink.mean():.0%} of the pixels)\n"
      f"{'network':18} backprop    measured        measured     backprop          measured")
for name, (G, S) in slopes.items():
    off[name] = abs(G - S)[~ink].mean() / abs(S)[~ink].mean()
    share[name] = [metrics.mean_and_error((R * ink).sum(axis=(1, 2, 3)) / R.sum(axis=(1, 2, 3)))
                   for R in (G ** 2, S ** 2)]
    print(f"{name:18} {abs(G[~ink]).mean():8.3f} {abs(S[~ink]).mean():11.3f} {abs(S[ink]).mean():15.3f}   "
          + "  ".join("{:7.0%} +- {:.0%}".format(*values) for values in share[name]))

# %%
# Without biases backpropagation reports a seventh or a fifth of the measured slope on empty paper; with biases the two
# agree. ``dense`` has no problem either: all its neurons see the whole image, none of them empty paper only. And the
# share of the sensitivity that lies on ink, for ``cnn`` seemingly 50 %, is 9 % if measured: ink has 19 % of the area.
#
# One question, measured
# ----------------------
# Does sensitivity keep its promise, to show where a change matters? We add 0.1 of ink to one pixel at a time and watch
# the logit: for the tenth of the pixels with the largest gradient, the tenth with the smallest, and all of them.

print(f"\n{'the logit moves by':18} {'most sensitive':>18} {'any pixel':>18} {'least sensitive':>18}")
change, rng = {}, np.random.default_rng(0)
for name in ("cnn", "small, biases", "dense"):
    moved = 0.1 * abs(slope_towards_ink(nets[name], x, target, step=0.1)).reshape(10, -1)
    G = abs(slopes[name][0]).reshape(10, -1)                                # of backpropagation
    order = (G + 1e-9 * rng.random(G.shape)).argsort(axis=1)                # the largest last, equal ones by chance
    ranked = np.take_along_axis(moved, order, axis=1)
    change[name] = [metrics.mean_and_error(part.mean(axis=1)) for part in (ranked[:, -78:], ranked, ranked[:, :78])]
    print(f"{name:18}", *("{:9.3f} +- {:.3f} ".format(*values) for values in change[name]))

# %%
# With biases it does: a most sensitive pixel moves the logit of ``dense`` by 0.072, a least sensitive one by 0.002. In
# ``cnn`` both move it by 0.098: its map does not show where a change matters. Lessons 3.2, 3.3 and 3.5 return to this.
#
# Even a true sensitivity answers "what would make this more of a 3?", where ink counts that is *not* there. "What makes
# this a 3?" is another question. It begins in lesson 2.2.
#
# Try this
# --------
# 1. Replace ``AvgPool2d(2)`` by ``MaxPool2d(2)`` in ``trained``. How much of the gap is left, with biases?
# 2. Add the same small number to all pixels, ``x + 0.01``, and take the gradient of ``cnn``. Is it on a kink still?

assert min(off["cnn"], off["small, no biases"]) > 0.8, "without biases the gradient on empty paper is an artefact"
assert max(off["small, biases"], off["dense"]) < 0.1, "with biases, or where neurons see all pixels, it is right"
most, least = np.array([change["cnn"], change["dense"]])[:, ::2, 0].T
assert most[1] > 10 * least[1] and most[0] < 1.5 * least[0], "a true gradient shows where a change matters"
plot.show()
