r"""
3.4 Integrated gradients
========================

**You will see** what a gradient misses when a neuron is saturated, how a walk from a baseline to the image collects it,
how many steps the walk needs, and how much the heatmap owes to the baseline.

**Before this:** 2.2 (simple Taylor decomposition).

**Paper:** Sundararajan, Taly & Yan 2017, *Axiomatic attribution for deep networks*, section 3 (the method and its
completeness) and section 5 (the sum over steps).
"""
import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, models, passes, plot

COUNT = 100             # digits to measure on

# %%
# The walk
# --------
# Let :math:`f` be the output to be explained, :math:`x` the image, and :math:`x'` a *baseline*: an image that stands
# for nothing. We walk straight from one to the other, average the gradient on the way, and multiply by the way:
#
# .. math:: R_i = (x_i - x'_i) \int_0^1 \frac{\partial f}{\partial x_i} \bigl( x' + t \, (x - x') \bigr) \, dt .
#
# Along the walk :math:`f` climbs by the gradient times the step, so nothing is lost (*completeness*):
#
# .. math:: \sum_i R_i = f(x) - f(x') .
#
# By head: :math:`f = 1 - \max(0, 1 - x)` climbs with :math:`x` up to 1 and stays there. At :math:`x = 2` the gradient
# is 0, as if the input did not matter. On the way from 0 it is 1 in the first half and 0 in the second: on average 1/2,
# and :math:`R = 2 \cdot 1/2 = 1 = f(2) - f(0)`.

saturated = Network([Dense(np.array([[-1.0]]), np.array([1.0])), ReLU(), Dense(np.array([[-1.0]]), np.array([1.0]))])
x = np.array([[2.0]])
print("gradient times input ", attribution.gradient_times_input(saturated, x, 0)[0] + 0.0)
print("integrated gradients ", attribution.integrated_gradients(saturated, x, 0, steps=50)[0])  # <- STEP INTO

# %%
# One digit on its way
# --------------------
# The baseline is the empty image. We watch the logit of the true class, which is :math:`f`, and the climb per unit of
# :math:`t`: the gradient at that place times the way, summed over the pixels. The area under the second curve is the
# height that the first one gains.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("dense")                                                  # with biases
x, target = images[ten], labels[ten]
t = np.linspace(0, 1, 101, dtype=np.float32)
walk = t[:, None, None, None] * x[5]                                        # (101, 28, 28, 1)
f = net.forward(walk)[:, target[5]]
climb = (passes.gradient(net, walk, target[5])[0] * x[5]).sum(axis=(1, 2, 3))
plot.curves(t, {"logit f": f, "climb per unit of t": climb},
            "t, from the baseline (0) to the image (1)", "logit, and its slope", "From the empty image to a 5")
print(f"\nf gains {f[-1] - f[0]:.3f}; the climb is {climb.mean():.3f} on average, and {climb[-1]:.3f} at the image")

# %%
# Nearly all the way the climb is even. Only near the empty image, where the biases decide which neurons fire, it is
# another one.
#
# How many steps?
# ---------------
# A computer adds up finitely many pieces. The completeness error :math:`\sum_i R_i - (f(x) - f(x'))` tells whether they
# were enough, and needs no knowledge of the integral. Four ways to place the points: at the left or right end of
# each piece, in its middle, or at both ends.

steps = [1, 2, 5, 10, 20, 50, 100]
x_some, target_some = images[:COUNT], labels[:COUNT]
gain = net.predict(x_some)[np.arange(COUNT), target_some] - net.forward(x_some[:1] * 0)[0, target_some]
errors = {}
for method in ("left", "right", "trapezoid", "midpoint"):
    errors[method] = []
    for n in steps:
        R = attribution.integrated_gradients(net, x_some, target_some, steps=n, method=method)
        errors[method].append(np.median(abs(R.sum(axis=(1, 2, 3)) - gain) / abs(gain)))
plot.curves(steps, errors, "steps", "error / (f(x) - f(x'))", f"Completeness against steps, median of {COUNT} digits",
            xscale="log", yscale="log")
print("\nrelative error of the sum, median")
print("steps    ", *(f"{n:8}" for n in steps))
for method, values in errors.items():
    print(f"{method:9}", *(f"{value:8.2%}" for value in values))

# %%
# One step from the right end is gradient times input, and one from the left end the gradient at the empty image, which
# is far off. With many steps the ends err by about one over their number; the middle does better, and so do both ends
# together: what they miss on one side they gain on the other. A gradient made of ReLUs jumps, so none of the rules is
# as exact as for smooth functions.
#
# One case needs no walk at all. Without biases a ReLU network is homogeneous, and on the ray from the empty image its
# gradient never changes: integrated gradients *is* gradient times input, with any number of steps.

free = models.load("dense_no_bias")
one_step = attribution.integrated_gradients(free, x, target, steps=1)
same = np.allclose(one_step, attribution.gradient_times_input(free, x, target), atol=1e-4)
print(f"\nwithout biases, from the empty image, one step: equal to gradient times input: {same}")

# %%
# Which baseline?
# ---------------
# What "nothing" looks like is our choice. Four answers: the empty image; a full one; the mean of the training digits;
# and twenty images of random noise, whose heatmaps are averaged.

rng = np.random.default_rng(0)
train, _ = datasets.mnist("train")
noise = rng.random((20, 28, 28, 1), dtype=np.float32)
baselines = {"empty": [x[:1] * 0], "full": [x[:1] * 0 + 1], "mean digit": [train.mean(axis=0, keepdims=True)],
             "20 of noise": list(noise[:, None])}


def averaged(x, target, references, steps=20):
    return sum(attribution.integrated_gradients(net, x, target, x_ref, steps=steps) for x_ref in references) / \
        len(references)


maps = {name: averaged(x, target, references) for name, references in baselines.items()}
plot.heatmaps(maps, x, title="Integrated gradients from four baselines: what speaks for the digit (red), what against",
              quantile=0.995)

# %%
# One question, measured
# ----------------------
# How much does the heatmap owe to the baseline? A pixel that has the colour of the baseline gets nothing,
# since :math:`x_i - x'_i = 0`: from the empty image no empty pixel can count, from the full one hardly any black one.
# We measure how much of :math:`\lvert R \rvert` lies on ink, and the correlation with the map from the empty image.

ink = x > 0
print(f"\n{ink.mean():.1%} of the pixels have ink\n\nbaseline      |R| on ink   correlation with 'empty'   sum of R")
on_ink = {}
for name, R in maps.items():
    on_ink[name] = (abs(R * ink).sum(axis=(1, 2, 3)) / abs(R).sum(axis=(1, 2, 3))).mean()
    alike = np.mean([np.corrcoef(r.ravel(), e.ravel())[0, 1] for r, e in zip(R, maps["empty"])])
    print(f"{name:12} {on_ink[name]:10.1%} {alike:20.2f} {R.sum(axis=(1, 2, 3)).mean():18.2f}")

# %%
# Every one of these maps is complete, and they answer different questions: why a 5 *rather than* an empty sheet, than
# a black one, than the mean of all digits? A heatmap of this kind should always be shown with its baseline.
#
# Try this
# --------
# 1. Walk from a 4 to a 9: ``baseline=x[4:5]``. Which pixels turn the one into the other?
# 2. Explain the probability instead of the logit, by adding a saturating last layer such as ``Sigmoid()``. How many
#    steps does completeness need now?

assert errors["midpoint"][-1] < errors["right"][-1] < errors["right"][0], "more steps, and the middle, do better"
assert same and np.isclose(on_ink["empty"], 1), "from the empty image only ink can count"
plot.show()
