r"""
0.2 Is the gradient right?
==========================

**You will see** how to test a derivative against nothing but the function itself, how small a step should be, and how
the test catches a mistake that no eye would find.

**Before this:** 0.1 (layers and traces).

**Papers:** none are needed; the test is older than neural networks.
"""
import numpy as np

from minixnn import Conv2d, Dense, Network, ReLU, Tanh, datasets, models, passes, plot

# %%
# The test
# --------
# A gradient says how fast :math:`f` changes. So walk a little way and look. With a step :math:`h` in the direction
# :math:`v`, the *central difference* is
#
# .. math:: D(h) = \frac{f(x + h v) - f(x - h v)}{2 h} \approx \sum_i v_i \frac{\partial f}{\partial x_i} .
#
# One neuron, :math:`f(x) = \max(2 x - 1, 0)` at :math:`x = 1`, where the gradient is 2. With :math:`h = 1/4` the
# quotient is :math:`(1.5 - 0.5) / 0.5 = 2`. With :math:`h = 1` it is :math:`(3 - 0) / 2 = 1.5`, although the gradient
# is right: the step crossed the *kink* at :math:`x = 1/2`. Where there are ReLUs the step must be small.


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
# The sum is least near :math:`h \sim u^{1/3}`: about :math:`10^{-5}` in float64 (:math:`u \approx 10^{-16}`), about
# :math:`10^{-2}` in float32 (:math:`u \approx 10^{-7}`). A curve shows it, on one network with tanh, which is smooth,
# and on the same network with ReLU.

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
plot.curves(steps, floor, "step h", "relative error, median of 100", "Too long a step, or too short", "log", "log")

# %%
# A network with ReLU is linear between its kinks, so there is no error of the order :math:`h^2`: once the step is
# shorter than the way to the next kink the difference is exact but for rounding. That is the more dangerous case: at a
# kink no step is short enough, and the test must keep away from it.
#
# Ten digits, pixel by pixel
# --------------------------
# The gradient of the logit of the right class, from one pass back; and the same from 2 x 784 runs forward per digit.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("dense_no_bias").astype(np.float64)
backward = passes.gradient(net, images[ten].astype(np.float64), labels[ten])[0]
slow = np.empty_like(backward)
pixels = np.eye(784).reshape(784, 28, 28, 1)                                # direction i moves pixel i
for n, digit in enumerate(ten):
    slow[n] = difference(net, images[digit].astype(np.float64), pixels, 1e-7, labels[digit]).reshape(28, 28, 1)
plot.heatmaps({"one pass back": backward, "1,568 runs forward": slow, "difference": backward - slow}, images[ten],
              title="The same gradient twice, and what differs", scale="figure")
print(f"largest gradient {abs(backward).max():.3f}, largest difference {abs(backward - slow).max():.1e}")

# %%
# One question, measured
# ----------------------
# Would the test notice? We plant three mistakes a programmer could make, in the weights or in the ReLU, and compare
# with one random direction for each of 100 digits. A tenth of a per cent is already too much for float64.

x, target = images[:100].astype(np.float64), labels[:100]
v = rng.normal(size=x.shape)
slow = np.take_along_axis((net.forward(x + 1e-6 * v) - net.forward(x - 1e-6 * v)) / 2e-6, target[:, None], 1)[:, 0]
one_weight = net.astype(np.float64)
one_weight.layers[2].W[400, 0] += 0.01                                      # one of 401,408 weights, from the centre
suspects = {"the right pass": passes.gradient(net, x, target)[0],
            "one weight wrong by 0.01": passes.gradient(one_weight, x, target)[0],
            "the next class instead": passes.gradient(net, x, (target + 1) % 10)[0],
            "ReLU forgotten (deconvnet)": passes.deconvnet(net, x, target)[0]}
print("\nrelative error:              median     worst   directions off by more than 0.1 %")
worst = {}
for name, R in suspects.items():
    error = abs((R * v).sum(axis=(1, 2, 3)) - slow) / abs(slow)
    worst[name] = error.max()
    print(f"  {name:27} {np.median(error):7.1e} {error.max():9.1e} {(error > 1e-3).sum():8d} of 100")

# %%
# A random direction has a part along every pixel, so one number tests 784 derivatives at once. But one image is not
# enough: the wrong weight leads to a neuron that is silent for most digits, and only where it fires can the mistake be
# seen.
#
# For a layer that is linear in :math:`x` there is a sharper test, without any step. If ``forward`` multiplies by a
# matrix, ``gradient`` must multiply by its transpose, and for every :math:`x` and :math:`y`
#
# .. math:: \langle W x, y \rangle = \langle x, W^{\top} y \rangle .

conv = Conv2d.random(3, 4, 5, rng, bias=False, stride=2, dtype=np.float64)
x, y = rng.normal(size=(2, 9, 7, 4)), rng.normal(size=(2, 5, 4, 5))
left, right = (conv.forward(x) * y).sum(), (x * conv.gradient(x, conv.forward(x), y)).sum()
print(f"\nadjoint identity of a convolution: {left:.12f} and {right:.12f}")

# %%
# Try this
# --------
# 1. Do the test in float32. How large must the threshold become, and which mistake slips through?
# 2. Start at a kink: one neuron :math:`\max(x, 0)` at :math:`x = 0`. What does the difference say, what the pass?

assert worst.pop("the right pass") < 1e-6 and min(worst.values()) > 1e-3, "right passes pass, wrong ones are caught"
assert abs(left - right) < 1e-10
plot.show()
