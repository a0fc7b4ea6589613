r"""
2.1 Sensitivity analysis
========================

**You will see** what the squared gradient explains and what it does not: it tells where a change would matter most,
and that is not where the evidence is.

**Before this:** 0.1 (layers and traces).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 4.1;
Baehrens et al. 2010, *How to explain individual classification decisions*.
"""
import numpy as np

from minixnn import Dense, Network, attribution, datasets, models, passes, plot
from minixnn.plot import diagrams

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
# By head: :math:`f = 3 x_1 + x_2` at :math:`x = (0, 1)`. All of :math:`f = 1` comes from the second input; the first
# is absent. Yet :math:`R = (9, 1)`: the first could change :math:`f` faster, if it were there.

neuron = Network([Dense(np.array([[3.0], [1.0]]))])
x = np.array([[0.0, 1.0]])
R = passes.gradient(neuron, x, 0)[0] ** 2                                   # <- STEP INTO
print("f =", neuron.forward(x)[0, 0], " sensitivity", R[0])

# %%
# In the plane
# ------------
# Two classes parted by a circle: P outside, where :math:`f > 0`, N inside, where the score is :math:`-f`,
#
# .. math:: f(x) = x_1^2 + x_2^2 - 9 , \qquad \nabla f = (2 x_1, 2 x_2) .
#
# The gradient of the score of its own class shows each point the steepest way to become *more* of what it is.


def f(x):
    return (x ** 2).sum(axis=1) - 9


points = np.array([[-1.0, 1.0], [-4.0, -4.0]])
sign = np.sign(f(points))                                                   # -1 inside, class N; +1 outside, class P
slope = sign[:, None] * 2 * points                                          # gradient of the score of its own class
for point, kind, value, s in zip(points, "NP", f(points), slope):
    print(f"at {point}: f = {value:3.0f}, class {kind}, gradient of its score {s}, sensitivity {s ** 2}")
diagrams.plane(f, {"gradient of the class score, half as long": (points, slope / 2)}, (-9, 9),
               "Which way would the score grow fastest?", zero="f = 0",
               points=[(points[0], "in class N"), (points[1], "in class P")])

# %%
# Ten digits
# ----------
# :math:`f` is now the logit of the true class: the output before the softmax.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("cnn")
R = passes.gradient(net, images[ten], labels[ten])[0] ** 2
logit = net.forward(images[ten])[np.arange(10), labels[ten]]
plot.overlay(images[ten], R, [f"f = {value:.1f}" for value in logit],
             "Sensitivity: where a change of the pixel would matter most")

# %%
# The maps are spotty, and much of them lies beside the strokes. That is no defect of the drawing: a stroke added in
# an empty place would change the digit, so the network is sensitive there.
#
# One question, measured
# ----------------------
# How much of the sensitivity lies on ink, over 1,000 digits? A pixel without ink has :math:`x_i = 0` and this network
# has no biases: such a pixel contributes nothing to any sum in it.

x, target = images[:1000], labels[:1000]
gradient = attribution.gradient(net, x, target)                             # the pass above, 100 images at a time
S, ink = gradient ** 2, x > 0
on_ink = (S * ink).sum(axis=(1, 2, 3)) / S.sum(axis=(1, 2, 3))
print(f"\n{ink.mean():.1%} of the pixels have ink; {on_ink.mean():.1%} of the sensitivity is theirs, and "
      f"{1 - on_ink.mean():.1%} belongs to pixels that contribute nothing")

# %%
# And does it keep its promise, to show where a change matters? We change the tenth of the pixels that are most
# sensitive, each by 0.1 in the direction of its gradient; then as many drawn at random; and look at the logit.

step = 0.1 * np.sign(gradient)
order = S.reshape(1000, 784).argsort(axis=1).argsort(axis=1).reshape(x.shape)           # 783 for the most sensitive
chosen = {"most sensitive": order >= 706, "drawn at random": np.random.default_rng(0).random(x.shape) < 0.1,
          "least sensitive": order < 78}
before = net.predict(x)[np.arange(1000), target]
rise = {}
for name, mask in chosen.items():
    rise[name] = (net.predict(x + step * mask)[np.arange(1000), target] - before).mean()
    print(f"{name:15} tenth of the pixels, moved by 0.1: the logit rises by {rise[name]:6.3f} on average")

# %%
# So sensitivity answers "what would make this more of a 3?", and answers it well. "What makes this a 3?" is another
# question, which begins in lesson 2.2.
#
# Try this
# --------
# 1. Take the gradient of the sum of *all* logits, ``start=np.ones((10, 10), np.float32)``. What is explained then?
# 2. Draw ``passes.gradient(...)[0]`` itself instead of its square. What does the sign tell?

assert rise["most sensitive"] > 2 * rise["drawn at random"] > 2 * rise["least sensitive"], "it finds what matters"
assert on_ink.mean() < 0.95, "and part of it lies where there is nothing to be seen"
plot.show()
