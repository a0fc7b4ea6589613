r"""
3.4 Integrated gradients
========================

**You will see** what a gradient misses when an output is saturated, how a walk from a baseline to the image collects
it, which two axioms lead to the method, and how much the heatmap owes to the baseline.

**Before this:** 2.2 (simple Taylor decomposition).

**Paper:** Sundararajan, Taly & Yan 2017, *Axiomatic attribution for deep networks*, section 2 (two axioms), section 3
(the method and its completeness) and section 5 (the sum over steps).
"""
from functools import partial

import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, metrics, models, passes, plot
from minixnn.rules import lrp
from minixnn.layers.softmax import softmax

# %%
# The walk
# --------
# Let :math:`f` be the output to be explained, :math:`x` the image, and :math:`x'` a *baseline*: an image that stands
# for nothing. We walk straight from one to the other, average the gradient on the way, and multiply by the difference:
#
# .. math:: R_i = (x_i - x'_i) \int_0^1 \frac{\partial f}{\partial x_i} \bigl( x' + t \, (x - x') \bigr) \, dt
#           \;\approx\; (x_i - x'_i) \, \frac1n \sum_{s=1}^{n}
#           \frac{\partial f}{\partial x_i} \Bigl( x' + \frac{s - 1/2}{n} \, (x - x') \Bigr) .
#
# On the walk :math:`f` climbs by the gradient times the step, so nothing is lost (*completeness*):
# :math:`\sum_i R_i = f(x) - f(x')`. A computer adds up :math:`n` pieces, each at its middle. That is all of the code:


def integrated(net, x, baseline, start, steps=50):
    """Integrated gradients of what `start` makes of the outputs: a function outputs -> the gradient to begin with."""
    total = 0
    for t in (np.arange(steps, dtype=x.dtype) + 0.5) / steps:
        point = baseline + t * (x - baseline)
        total = total + passes.gradient(net, point, start=start(net.forward(point)))[0]         # <- STEP INTO
    return (x - baseline) * total / steps


# %%
# By hand: :math:`f = 1 - \max(0, 1 - x)` climbs with :math:`x` up to 1 and stays there. At :math:`x = 2` the gradient
# is 0, as if the input did not matter. On the way from 0 it is 1 in the first half and 0 in the second: on average 1/2,
# and :math:`R = 2 \cdot 1/2 = 1 = f(2) - f(0)`.

saturated = Network([Dense(np.array([[-1.0]]), np.array([1.0])), ReLU(), Dense(np.array([[-1.0]]), np.array([1.0]))])
x = np.array([[2.0]])
print("gradient x input", attribution.gradient_times_input(saturated, x, 0)[0] + 0.0,
      " integrated gradients", integrated(saturated, x, 0 * x, np.ones_like)[0])

# %%
# Two axioms
# ----------
# Why this formula? The paper asks for two things that other methods lack.
#
# * *Sensitivity*: if image and baseline differ in one input only and the outputs differ, it gets some relevance. The
#   saturated network has just shown that the gradient breaks it.
# * *Implementation invariance*: two networks that compute the same function get the same explanation. The paper's
#   example, with :math:`x_1, x_2 \ge 0`: A computes :math:`\max(x_1 - 1 - x_2, 0)`; B first
#   :math:`h = \max(x_1 - 1, 0)`, then :math:`\max(h - x_2, 0)`. We explain both at :math:`(3, 1)` from :math:`(0, 0)`.

same, minus = np.eye(2), np.array([[1.0], [-1.0]])
A = Network([Dense(same), ReLU(), Dense(minus, np.array([-1.0])), ReLU()])
B = Network([Dense(same), ReLU(), Dense(same, np.array([-1.0, 0.0])), ReLU(), Dense(minus), ReLU()])
at, anywhere = np.array([[3.0, 1.0]]), np.random.default_rng(0).normal(0, 3, (1000, 2))
assert np.allclose(A.forward(anywhere), B.forward(anywhere)), "A and B are the same function"

methods = {"gradient x input": attribution.gradient_times_input, "guided backpropagation": attribution.guided_backprop,
           "LRP-gamma": partial(attribution.lrp, rules=lrp.gamma_signed), "DeepLIFT, rescale": attribution.deeplift,
           "DeepLIFT, RevealCancel": attribution.deeplift_reveal_cancel,
           "integrated gradients": attribution.integrated_gradients}
print(f"\n{'':23} saturated      A at (3, 1)      B at (3, 1)    the two axioms")
kept = {}
for name, method in methods.items():
    once, of_A, of_B = method(saturated, x, 0)[0], method(A, at, 0)[0], method(B, at, 0)[0]
    kept[name] = bool(once != 0), np.allclose(of_A, of_B)
    print(f"{name:23} {once[0] + 0.0:9.2f} {str(of_A.round(2)):>16} {str(of_B.round(2)):>16}    "
          + ", ".join("kept" if ok else "BROKEN" for ok in kept[name]))

# %%
# Gradients keep the second axiom, by the chain rule (not on a kink: :math:`\max(x, 0) - \max(-x, 0)` is :math:`x`, and
# at 0 backpropagation says 0, lesson 2.1). DeepLIFT with rescale (2 instead of 1.5) and LRP-gamma break it, since their
# rules look at single layers. RevealCancel survives both examples; for integrated gradients the paper has a proof.
#
# A saturated digit
# -----------------
# The logit of a digit is hardly saturated, its *probability* is: near 1 nothing can raise it any more. The gradient of
# :math:`p_c` begins at the logits with :math:`p_c \, ([k = c] - p_k)`. We walk from the empty image to a 7.

images, labels = datasets.mnist("test")
net = models.load("dense")                                                  # with biases
x, target, every = images[:100], labels[:100], np.arange(100)
nothing, hot = x[:1] * 0, np.eye(10, dtype=x.dtype)


def of_logit(y, c):
    return hot[c] + 0 * y


def of_probability(y, c):
    p = softmax(y)
    return (p * hot[c]).sum(axis=1, keepdims=True) * (hot[c] - p)


t, seven = np.linspace(0, 1, 101, dtype=x.dtype), x[target == 7][0]
walk = t[:, None, None, None] * seven
y = net.forward(walk)
climb = (passes.gradient(net, walk, start=of_probability(y, 7))[0] * seven).sum(axis=(1, 2, 3))
plot.curves(t, {"probability of a 7": softmax(y)[:, 7], "its climb per unit of t": climb},
            "t, from the empty image (0) to the 7 (1)", "probability, and its slope",
            "The probability saturates: it climbs on the way, not at the image")

print("\nsum of R / what f gains, from 10 % to 90 % of the digits    gradient x input    integrated gradients")
part, y, empty = {}, net.forward(x), net.forward(nothing)
for name, begin, of in (("logit", of_logit, np.array), ("probability", of_probability, softmax)):
    gain = of(y) - of(empty)
    R = x * passes.gradient(net, x, start=begin(y, target))[0], integrated(net, x, nothing, partial(begin, c=target))
    part[name] = [np.quantile(r.sum(axis=(1, 2, 3)) / gain[every, target], (.5, .1, .9)) for r in R]
    print(f"{name:57}", *("    {:5.3f} ({:.2f} to {:.2f})".format(*q) for q in part[name]))
    package = attribution.integrated_gradients(net, x, target, steps=50) if name == "logit" else R[1]
    assert np.allclose(R[1], package, atol=1e-4), "the package does what the sum says"

# %%
# Of the logit's gain gradient x input finds 97 %: there is little to repair. Of the probability's it finds 0.2 %,
# integrated gradients all of it. So the walk is needed where the output is saturated.
#
# How many steps?
# ---------------
# The completeness error :math:`\sum_i R_i - (f(x) - f(x'))` tells whether :math:`n` was enough, without knowing the
# integral. Four ways to place the points: at the left or right end of each piece, in its middle, or at both ends.

steps, errors = [1, 2, 5, 10, 20, 50], {}
gain = (y - empty)[every, target]
for method in ("left", "right", "trapezoid", "midpoint"):
    maps = [attribution.integrated_gradients(net, x, target, steps=n, method=method) for n in steps]
    errors[method] = [np.median(abs(R.sum(axis=(1, 2, 3)) - gain) / abs(gain)) for R in maps]
plot.curves(steps, errors, "steps", "error / (f(x) - f(x'))", "Completeness against steps, median of 100 digits",
            xscale="log", yscale="log")
print("\nrelative error with 50 steps:", ", ".join(f"{method} {values[-1]:.2%}" for method, values in errors.items()))

# %%
# The middle of each piece does best (0.6 % with 50 steps), and both ends together nearly as well. One case needs no
# walk at all: without biases the gradient never changes on the ray from the empty image (2.2), and integrated gradients
# *is* gradient x input.
#
# Which baseline?
# ---------------
# What "nothing" looks like is our choice. Four answers: the empty image; a full one; the mean of the training digits;
# and ten images of random noise, whose heatmaps are averaged. How much does the heatmap owe to the choice? A pixel of
# the baseline's colour gets nothing, since :math:`x_i - x'_i = 0`. So we measure how much of :math:`\lvert R \rvert`
# lies on ink. The control asks no network: the difference :math:`\lvert x - x' \rvert` itself. And we correlate with
# the map from the empty image: over all pixels, and over those with ink, since the map from the empty image is 0
# elsewhere. The control is the map of another digit. (After +- stands the standard error of the mean over 100 digits.)

rng = np.random.default_rng(0)
baselines = {"empty": [nothing], "full": [nothing + 1], "mean digit": [datasets.mnist("train")[0].mean(axis=0)[None]],
             "10 of noise": list(rng.random((10, 1, 28, 28, 1), dtype=np.float32))}
maps = {name: sum(attribution.integrated_gradients(net, x, target, x_ref, steps=20) for x_ref in several) / len(several)
        for name, several in baselines.items()}
shown = [int(np.flatnonzero(target == digit)[0]) for digit in range(0, 10, 2)]
plot.heatmaps({name: R[shown] for name, R in maps.items()}, x[shown], quantile=0.995,
              title="One network, one method, four baselines")


def share(R):
    return metrics.mean_and_error((abs(R) * ink).sum(axis=(1, 2, 3)) / abs(R).sum(axis=(1, 2, 3)))


ink, on_ink, alike, one = x > 0, {}, {}, maps["empty"]
print(f"\n{ink.mean():.0%} of the pixels have ink\n"
      "baseline          |R| on ink   |x - x'| on ink   correlation with 'empty': all pixels        ink alone")
for name, R in (maps | {"another digit": np.roll(one, 1, axis=0)}).items():
    alike[name] = [metrics.mean_and_error([np.corrcoef(r[n], s[n])[0, 1] for r, s, n in zip(R, one, where)])
                   for where in (ink | True, ink)]
    on_ink[name] = share(R), share(sum(abs(x - x_ref) for x_ref in baselines.get(name, [nothing])))
    print("{:13} {:8.0%} +- {:.0%} {:11.0%} +- {:.0%} {:30.2f} +- {:.2f} {:9.2f} +- {:.2f}".format(
        name, *np.ravel(on_ink.pop(name) if name == "another digit" else on_ink[name]), *np.ravel(alike[name])))

# %%
# The baseline decides where the relevance is: from the full image 6 % of it lies on ink, from the empty one 100 %, and
# the mere difference of the images would say the same (7 % and 100 %). Over all pixels the map from noise correlates
# with that from the empty image no more than the map of another digit does (0.08 each); on ink alone it does, 0.53
# against 0.00. So on the strokes these baselines agree in part, but not the full one (-0.05). All maps are complete;
# they answer different questions: why a 5 *rather than* an empty sheet, a black one, a mean? Say which baseline it was.
#
# Try this
# --------
# 1. Walk from a 4 to a 9: ``baseline=x[target == 4][:1]``. Which pixels turn the one into the other?
# 2. How many steps does the *probability* need until the error is below 1 %? Look at its climb, and say why.

assert not any(kept[name][0] for name in ("gradient x input", "guided backpropagation", "LRP-gamma")), "broken"
assert not kept["LRP-gamma"][1] and not kept["DeepLIFT, rescale"][1] and all(kept["integrated gradients"]), "and kept"
assert part["probability"][0][0] < 0.05 and abs(part["probability"][1][0] - 1) < 0.02, "the walk collects what is lost"
assert all(abs(R[0] - difference[0]) < 0.2 for R, difference in on_ink.values()), "the baseline decides where"
(mean, error), (other, spread) = alike["10 of noise"][1], alike["another digit"][1]
assert mean - other > 5 * (error + spread), "and on ink much is common to two baselines"
plot.show()
