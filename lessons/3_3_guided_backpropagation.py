r"""
3.3 Guided backpropagation
==========================

**You will see** three ways back through a ReLU in one square of four numbers, that the third draws the cleanest
pictures of all, draws them for any class and even through random weights, and what these pictures depend on.

**Before this:** 3.1 (deconvolution), 3.2 (backpropagation).

**Papers:** Springenberg et al. 2015, *Striving for simplicity: the all convolutional net*; Nie, Zhang & Patel 2018, *A
theoretical explanation for perplexing behaviors of backpropagation-based visualizations*.
"""
import numpy as np

from minixnn import Dense, Flatten, Network, ReLU, attribution, datasets, metrics, models, passes, plot

COUNT = 200             # digits to measure on

# %%
# Four cases, one square
# ----------------------
# A neuron with the input :math:`x` gives :math:`y = \max(x, 0)`. From above comes a signal :math:`s_y`. What is handed
# down, :math:`s_x`?
#
# .. math::
#    \text{gradient} \quad & s_x = s_y \, 1[x > 0] && \text{did the neuron fire?} \\
#    \text{deconvnet} \quad & s_x = s_y \, 1[s_y > 0] && \text{is the signal positive?} \\
#    \text{guided} \quad & s_x = s_y \, 1[x > 0] \, 1[s_y > 0] && \text{both}
#
# A square of two by two numbers holds all four cases, :math:`x` positive or not, :math:`s_y` positive or not. (The
# example is that of the notebooks *Understanding NN*, 1202kbs 2017; the paper's figure 1 has three by three numbers.)

x = np.array([[-2.0, 2.0], [2.0, -2.0]])
signal = np.array([[-1.0, -1.0], [1.0, 1.0]])
by_hand = {"gradient": signal * (x > 0), "deconvnet": signal * (signal > 0), "guided": signal * (x > 0) * (signal > 0)}
ways = {"gradient": passes.gradient, "deconvnet": passes.deconvnet, "guided": passes.guided_backprop}
relu = Network([ReLU()])
for name, way in ways.items():
    assert np.array_equal(by_hand[name], way(relu, x, start=signal)[0]), name           # <- STEP INTO
squares = {"input x": x, "output y": relu.forward(x), "from above": signal, **by_hand}
for name, square in squares.items():
    print(f"{name:12}", *(square + 0.0).tolist())

figure = plot.heatmaps({"": np.stack(list(squares.values()))}, None, list(squares),
                       "Through a ReLU and back: guided is the overlap of the two others", scale="figure")
for ax, square in zip(figure.axes, squares.values()):
    for (row, column), value in np.ndenumerate(square):
        ax.text(column, row, f"{value:+.0f}" if value else "0", ha="center", va="center", fontsize=16,
                color="white" if value > 1 else "black")

# %%
# Only one of the four passes guided backpropagation, and it is positive: wherever a signal turns negative it ends, so
# what speaks *against* a neuron never gets through. Below the lowest weights, which have both signs, the map at the
# pixels has both signs again.
#
# Ten digits, each for its own class
# ----------------------------------
# In the convolutions and pools all three are the same; the difference is made by the ReLUs alone.

images, labels = datasets.mnist("test")
five = [int(np.flatnonzero(labels == digit)[0]) for digit in range(0, 10, 2)]
net, rng = models.load("cnn"), np.random.default_rng(0)
methods = {"gradient": attribution.gradient, "deconvnet": attribution.deconvnet, "guided": attribution.guided_backprop}


def with_random_weights(net):
    """The same network, its weights drawn at random, in each layer as large as they were."""
    return Network([layer.with_weights(rng.standard_normal(layer.W.shape, dtype=np.float32) * layer.W.std(), layer.b)
                    if hasattr(layer, "W") else layer for layer in net.layers])


rough = with_random_weights(net)
maps = {name: method(net, images[five], labels[five]) for name, method in methods.items()}
maps["guided,\nrandom weights"] = attribution.guided_backprop(rough, images[five], labels[five])
plot.heatmaps(maps, images[five], title="Three ways back, and one through a network that has learnt nothing",
              quantile=0.995)

# %%
# The gradient is spotty (and its white background a convention, lesson 2.1). Guided backpropagation draws the strokes
# with clean edges. It is tempting to conclude that it knows best what the network looks at. But the last row is as
# clean, and there the weights are random numbers.
#
# One question, measured
# ----------------------
# An explanation should change when what it explains changes. We change two things. *The class*: each digit is explained
# for its own class and for the one in second place. *The weights*: they are drawn at random. The cosine of the maps
# before and after is 1 if they are the same picture. For comparison *another image*: what is left then is chance.
# (After +- stands the standard error of the mean over the digits.)


def cosines(R, S):
    R, S = R.reshape(COUNT, -1), S.reshape(COUNT, -1)
    return metrics.mean_and_error((R * S).sum(axis=1) / np.sqrt((R ** 2).sum(axis=1) * (S ** 2).sum(axis=1)))


x, target = images[:COUNT], labels[:COUNT]
alike = {}
for kind in ("cnn", "dense"):
    net = models.load(kind)
    y, rough = net.predict(x), with_random_weights(net)
    y[np.arange(COUNT), target] = -np.inf
    second = y.argmax(axis=1)
    print(f"\n{kind:13} second class       random weights     another image")
    for name, method in methods.items():
        R = method(net, x, target)
        changed = (method(net, x, second), method(rough, x, target), np.roll(R, 1, axis=0))
        alike[kind, name] = [cosines(R, S) for S in changed]
        print(f"{name:10}", *("{:8.2f} +- {:.2f}  ".format(*values) for values in alike[kind, name]))

net = models.load("cnn")
clear = int(np.flatnonzero((target == 4) & (net.predict(x).argsort(axis=1)[:, -2] == 9))[0])
pair = {name: method(net, x[[clear] * 2], np.array([4, 9])) for name, method in methods.items()}
plot.heatmaps(pair, x[[clear] * 2], ["why a 4?", "why a 9?"], "The same 4, explained as a 4 and as a 9", quantile=0.995,
              transpose=True)

# %%
# In ``cnn`` guided backpropagation draws nearly the same picture for either class (cosine 0.95, where another image
# gives 0.01), and much of it without having learnt anything (0.68). So it cannot say what speaks for one class rather
# than the other: it shows the image, passed through filters. In ``dense`` it is 0.92, where another image
# gives 0.43.
#
# The gradient does depend on class and weights (-0.05 and -0.01). That makes it no good explanation yet: noise would
# pass this test, too. Lesson 6.4 takes the test further.
#
# Second question, measured: what brings the image back?
# ------------------------------------------------------
# Nie et al. prove that guided backpropagation recovers the image in part through random weights, and name two causes:
# signals made positive at every ReLU, and connections that are *local*. We change one at a time in random networks with
# two hidden layers, and correlate with the *image* (a comparison with the trained network's map would miss it): the
# pass, guided or gradient; local filters of 9 x 9 pixels or neurons that see all; and their number. Chance is the
# correlation with another image.


def random_network(width, local):
    W = rng.standard_normal((784, width), dtype=np.float32) / 28
    if local:                                   # each neuron sees 9 x 9 pixels, around a place of its own
        pixels, centres = np.mgrid[:28, :28].reshape(2, -1, 1), rng.integers(0, 28, (2, 1, width))
        W = W * (abs(pixels - centres) <= 4).all(axis=0) * 3
    V = rng.standard_normal((width, 300), dtype=np.float32) * (2 / width) ** 0.5
    return Network([Flatten(), Dense(W), ReLU(), Dense(V), ReLU(), Dense.random(300, 10, rng)])


def correlation(R, S):
    return np.array([np.corrcoef(r.ravel(), s.ravel())[0, 1] for r, s in zip(R, S)])


with_image, widths = {}, (100, 1000, 4000)
print("\ncorrelation of the map with the image, two random networks each; the last line is guided, with another image")
for name, local, shift in (("guided, local", True, 0), ("guided, all", False, 0), ("gradient, local", True, 0),
                           ("gradient, all", False, 0), ("guided, all, chance", False, 1)):
    method = methods[name.partition(",")[0]]
    with_image[name] = np.array([np.mean([correlation(method(random_network(width, local), x, target),
                                                      np.roll(x, shift, axis=0)) for _ in range(2)], axis=0)
                                 for width in widths]).T                    # (COUNT, widths)
    print(f"{name:20}", "   ".join("{} neurons: {:5.2f} +- {:.2f}".format(width, *values) for width, values in
                                   zip(widths, zip(*metrics.mean_and_error(with_image[name])))))
plot.curves(widths, {name: metrics.mean_and_error(values) for name, values in with_image.items()}, "hidden neurons",
            "correlation with the image", "Through random weights: what the picture depends on", xscale="log")

# %%
# The positive signals do it: guided comes back with the image, the gradient with nothing. Local filters change little
# (0.59 against 0.60 with 4,000 neurons), the number of neurons much: 0.17, 0.38, 0.60. One way to see it: the weights
# of a neuron that the image excites point along the image on average; a sum of many such neurons with positive signs
# shows it, a sum of few is mostly chance, and with signs of both kinds it cancels.
#
# Try this
# --------
# 1. Randomise the last dense layer alone, ``net.layers[-1].with_weights(W, None)`` with a W of your own: which of the
#    three maps change?
# 2. Turn the sign of the start, ``start=-attribution.contrast(net, x, 4, 9, relevance=False)``. What does guided
#    backpropagation draw for a class that is *not* there?

(of_class, _), (of_weights, _), (by_chance, _) = alike["cnn", "guided"]
assert of_class > 0.8 and of_weights > 0.5 and abs(by_chance) < 0.1, "one picture for every class, learnt or not"
assert abs(alike["cnn", "gradient"][0][0]) < 0.2 and abs(alike["cnn", "gradient"][1][0]) < 0.1, "the gradient changes"
guided, local, gradient = (with_image[name] for name in ("guided, all", "guided, local", "gradient, all"))
more, closer = metrics.paired(guided[:, 2], guided[:, 0]), metrics.paired(guided[:, 2], gradient[:, 2])
assert min(more.difference - 5 * more.error, closer.difference - 5 * closer.error) > 0.3, "width and signs"
assert abs(metrics.paired(guided[:, 2], local[:, 2]).difference) < 0.05, "not that filters are local"
plot.show()
