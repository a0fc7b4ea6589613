r"""
0.2 Is the gradient right?
==========================

**You will see** how to test a gradient against nothing but the function itself, how small a step should be, how the
test catches a mistake that no eye would find, and where a gradient is only a convention.

**Before this:** 0.1 (layers and traces).

**Papers:** none are needed; the test is older than neural networks.
"""
import numpy as np

from minixnn import Conv2d, Dense, Network, ReLU, Tanh, datasets, models, passes, plot
from minixnn.checks import CheckFailed, check_layer
from minixnn.layers import Elementwise

# %%
# The test
# --------
# A gradient says how fast a function :math:`f` changes. So take a step to either side and see how much it changes. With
# a step :math:`h` in the direction :math:`v`, the *central difference* is
#
# .. math:: D(h) = \frac{f(x + h v) - f(x - h v)}{2 h} \approx \sum_i v_i \frac{\partial f}{\partial x_i} .
#
# One neuron, :math:`f(x) = \max(2 x - 1, 0)` at :math:`x = 1`, where the gradient is 2. With :math:`h = 1/4` the
# quotient is :math:`(1.5 - 0.5) / 0.5 = 2`. With :math:`h = 1` it is :math:`(3 - 0) / 2 = 1.5`, although the gradient
# is right: the step crossed the *kink* at :math:`x = 1/2`, where the slope changes from 0 to 2. Where there are ReLUs
# the step must be small.


def difference(net, x, v, h, target=0):
    """D(h) of the output `target`, one number per image."""
    up, down = net.forward(x + h * v)[:, target], net.forward(x - h * v)[:, target]
    return (up - down) / (2 * h)


neuron = Network([Dense(np.array([[2.0]]), b=np.array([-1.0])), ReLU()])
x = np.array([[1.0]])
print("gradient", passes.gradient(neuron, x, 0)[0][0, 0])
for h in (1.0, 0.25):
    print(f"h = {h:4}: difference {difference(neuron, x, np.ones((1, 1)), h)[0]}")

# %%
# How small?
# ----------
# Two errors work against each other. The step is not infinitely small: on a smooth function that costs an error of
# the order :math:`h^2`. And numbers are rounded: with relative precision :math:`u` the difference of two nearly equal
# values is uncertain by about :math:`u |f|`, and divided by :math:`h` the error is of the order :math:`u |f| / h`.
# The sum is least near :math:`h \sim u^{1/3}`: :math:`5 \cdot 10^{-6}` in float64 (:math:`u \approx 10^{-16}`) and
# :math:`4 \cdot 10^{-3}` in float32 (:math:`u \approx 6 \cdot 10^{-8}`). A curve shows it, on one network with tanh,
# which is smooth, and on the same network with ReLU.

rng = np.random.default_rng(0)
W1, W2 = rng.normal(size=(20, 30)) / 20 ** 0.5, rng.normal(size=(30, 1)) / 30 ** 0.5
x, v = rng.normal(size=(100, 20)), rng.normal(size=(100, 20))              # 100 points, a direction for each
steps = np.logspace(0, -10, 41)
errors = {}
for name, kind, dtype in (("tanh, float64", Tanh, np.float64), ("tanh, float32", Tanh, np.float32),
                          ("ReLU, float64", ReLU, np.float64)):
    net = Network([Dense(W1), kind(), Dense(W2)]).astype(dtype)
    a, d = x.astype(dtype), v.astype(dtype)
    slope = (passes.gradient(net, a, 0)[0] * d).sum(axis=1)                # <- STEP INTO: what is under test
    away = [abs(difference(net, a, d, dtype(h)) - slope) / abs(slope) for h in steps]
    errors[name] = np.median(away, axis=1)
    best = errors[name].argmin()
    print(f"{name}: best at h = {steps[best]:.0e}, where the median relative error is {errors[name][best]:.0e}")
floor = {name: np.maximum(error, 1e-17) for name, error in errors.items()}  # a logarithm has no zero
plot.curves(steps, floor, "step h", "relative error, median of 100", "A step can be too long, or too short", "log",
            "log")

# %%
# The best steps are found where we said, at 6e-06 and 3e-03. A network with ReLU is linear between its kinks, so there
# is no error of the order :math:`h^2`: once the step is shorter than the distance to the next kink the difference is
# exact but for rounding. That is the more dangerous case: *at* a kink no step is short enough.
#
# Digits, pixel by pixel, and a network on its kinks
# --------------------------------------------------
# The gradient of one *logit* (the output for one class, here the right one), from one pass back; and the slopes of the
# same logit from runs forward, two for each pixel: a step up and a step down, without taking their mean. First for a
# dense network, then for a convolutional one.

images, labels = datasets.mnist("test")
shown = [int(np.flatnonzero(labels == digit)[0]) for digit in (0, 3, 4, 7)]
pixels = np.eye(784).reshape(784, 28, 28, 1)                                # direction i moves pixel i
maps = {}
for name in ("dense_no_bias", "cnn"):
    net = models.load(name).astype(np.float64)
    x, target = images[shown].astype(np.float64), labels[shown]
    backward, value = passes.gradient(net, x, target)[0], net.forward(x)[range(4), target]
    up = [(net.predict(d + 1e-5 * pixels, 100)[:, c] - f) / 1e-5 for d, c, f in zip(x, target, value)]
    down = [(f - net.predict(d - 1e-5 * pixels, 100)[:, c]) / 1e-5 for d, c, f in zip(x, target, value)]
    up, down = (np.reshape(slopes, x.shape) for slopes in (up, down))
    kind = {"dense_no_bias": "dense", "cnn": "conv."}[name]
    maps |= {f"{kind}\npass back": backward, f"{kind}\nstep up": up, f"{kind}\nstep down": down}
    agree = abs(up - down) < 1e-3
    print(f"{kind:5}  both steps agree at {agree.mean():4.0%} of the pixels, and there the pass differs from them by "
          f"{abs(up - backward)[agree].max():.0e} at most")
zero = backward == 0
print(f"conv.: the pass gives exactly 0 at {zero.mean():.0%} of the pixels. There the mean size of the slope is "
      f"{abs(up[zero]).mean():.2f} up and {abs(down[zero]).mean():.2f} down; elsewhere {abs(up[~zero]).mean():.2f}")
plot.heatmaps(maps, images[shown], scale="figure", quantile=0.995, transpose=True,
              title="Slopes of a logit: in the dense network both agree, in the other paper lies on a kink")

# %%
# The dense network passes the test at every pixel. The convolutional one has no biases, and where its 3 x 3 windows see
# only paper its neurons are exactly at 0, on the kink, and its max pools have ties. There the slopes up and down
# differ, and the pass may give neither: by convention a ReLU at 0 has slope 0, and of a tie the first value wins. So at
# 54 % of the pixels it answers 0, where the slope up has the mean size 0.78, against 0.55 elsewhere. Where there is one
# slope to find, at 19 % of the pixels, the pass finds it. Lesson 2.1 shows what comes of the convention.
#
# One question, measured
# ----------------------
# Would the test notice a mistake? We plant three that a programmer could make, in the dense network, and compare along
# one random direction for each of 100 digits. An error of a tenth of a per cent is already too much for float64. The
# control is the right pass.


def without_the_relu(net, x, target):
    """The pass of lesson 0.1 by somebody who forgot the ReLU: its gradient is taken to be 1 everywhere."""
    A, dy = net.trace(x), passes.one_hot(net.forward(x), target)
    for l in reversed(range(len(net.layers))):
        dy = dy if isinstance(net.layers[l], ReLU) else net.layers[l].gradient(A[l], A[l + 1], dy)
    return dy


net = models.load("dense_no_bias").astype(np.float64)
x, target = images[:100].astype(np.float64), labels[:100]
v = rng.normal(size=x.shape)
slow = np.take_along_axis((net.forward(x + 1e-6 * v) - net.forward(x - 1e-6 * v)) / 2e-6, target[:, None], 1)[:, 0]
one_weight = net.astype(np.float64)                                         # a copy
first = next(layer for layer in one_weight.layers if isinstance(layer, Dense))
first.W[400, 0] += 0.01                     # one of 401,408 weights: from a pixel in the centre to the first neuron
suspects = {"the right pass": passes.gradient(net, x, target)[0],
            "one weight wrong by 0.01": passes.gradient(one_weight, x, target)[0],
            "the next class instead": passes.gradient(net, x, (target + 1) % 10)[0],
            "ReLU forgotten": without_the_relu(net, x, target)}
print("\nrelative error:              median     worst   digits off by more than 0.1 %")
caught = {}
for name, R in suspects.items():
    error = abs((R * v).sum(axis=(1, 2, 3)) - slow) / abs(slow)
    caught[name] = int((error > 1e-3).sum())
    print(f"  {name:25} {np.median(error):9.1e} {error.max():9.1e} {caught[name]:10d} of 100")

# %%
# A random direction has a part along every pixel, so one number tests 784 derivatives together. The two coarse mistakes
# show at 99 and 100 of 100 digits, the wrong weight at 3: it leads to a neuron that is silent for the others. One digit
# is not enough for a test.
#
# For a layer that is linear in :math:`x` there is a sharper test, without any step. If ``forward`` multiplies by a
# matrix :math:`W`, ``gradient`` must multiply by its transpose, and for every :math:`x` and :math:`y`
#
# .. math:: \langle W x, y \rangle = \langle x, W^{\top} y \rangle .

conv = Conv2d.random(3, 4, 5, rng, bias=False, stride=2, dtype=np.float64)
x, y = rng.normal(size=(2, 9, 7, 4)), rng.normal(size=(2, 5, 4, 5))
left, right = (conv.forward(x) * y).sum(), (x * conv.gradient(x, conv.forward(x), y)).sum()
print(f"\nadjoint identity of a convolution: {left:.12f} and {right:.12f}")

# %%
# A layer of your own
# -------------------
# ``check_layer`` asks all of this of any layer, on inputs that it draws, and keeps away from kinks. Here is a smooth
# relative of the ReLU, :math:`f(x) = x / (1 + |x|)` with :math:`f'(x) = 1 / (1 + |x|)^2`, once right and once with the
# derivative computed from the output.


class Softsign(Elementwise):
    def forward(self, x):
        return x / (1 + abs(x))

    def derivative(self, x, y):
        return 1 / (1 + abs(x)) ** 2


class SoftsignOfY(Softsign):
    def derivative(self, x, y):
        return 1 / (1 + abs(y)) ** 2


print(f"\n{check_layer(Softsign())}\n")
try:
    found = check_layer(SoftsignOfY())
except CheckFailed as failure:
    found = failure.property
    print(str(failure).partition("To step through it")[0].rstrip())

# %%
# Try this
# --------
# 1. Do the test in float32. How large must the threshold become, and which mistake slips through?
# 2. Start at a kink: one neuron :math:`\max(x, 0)` at :math:`x = 0`. What does the difference say, what the pass?

assert caught.pop("the right pass") == 0 and min(caught.values()) > 0, "the right pass passes, the wrong are caught"
assert zero.mean() > 0.4 and abs(up[zero]).mean() > 0.5, "where the pass says 0 the network changes all the same"
assert abs(left - right) < 1e-10, "the adjoint identity holds"
assert found == "derivative", "the derivative at the wrong place is found, by its name"
plot.show()
