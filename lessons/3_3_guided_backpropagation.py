r"""
3.3 Guided backpropagation
==========================

**You will see** three ways back through a ReLU in one square of four numbers, why the third draws the cleanest
pictures of all, and what those pictures are worth.

**Before this:** 3.1 (deconvolution), 3.2 (backpropagation).

**Papers:** Springenberg et al. 2015, *Striving for simplicity: the all convolutional net*, figure 1; Nie, Zhang & Patel
2018, *A theoretical explanation for perplexing behaviors of backpropagation-based visualizations*.
"""
import numpy as np

from minixnn import ReLU, attribution, datasets, metrics, models, plot

COUNT = 500             # digits to measure on

# %%
# Four cases, one square
# ----------------------
# A neuron with the input :math:`x` gives :math:`y = \max(x, 0)`. From above comes a signal :math:`s_y`; what goes on
# below, :math:`s_x`?
#
# .. math::
#    \text{gradient} \quad & s_x = s_y \, 1[x > 0] && \text{did the neuron fire?} \\
#    \text{deconvnet} \quad & s_x = s_y \, 1[s_y > 0] && \text{is the signal positive?} \\
#    \text{guided} \quad & s_x = s_y \, 1[x > 0] \, 1[s_y > 0] && \text{both}
#
# The paper's example holds all four cases: :math:`x` positive or not, :math:`s_y` positive or not.

x = np.array([[-2.0, 2.0], [2.0, -2.0]])
signal = np.array([[-1.0, -1.0], [1.0, 1.0]])
relu = ReLU()
y = relu.forward(x)
squares = {"input x": x, "output y": y, "signal from above": signal,
           "gradient": relu.gradient(x, y, signal) + 0.0, "deconvnet": relu.deconvnet(x, y, signal),
           "guided": relu.guided_backprop(x, y, signal)}                    # <- STEP INTO
for name, square in squares.items():
    print(f"{name:18}", *square.tolist())

figure = plot.heatmaps({"": np.stack(list(squares.values()))}, None, list(squares),
                       "Through a ReLU and back: guided backpropagation lets pass what both others let pass",
                       scale="figure")
for ax, square in zip(figure.axes, squares.values()):
    for (row, column), value in np.ndenumerate(square):
        ax.text(column, row, f"{value:+.0f}" if value else "0", ha="center", va="center", fontsize=16,
                color="white" if value > 1 else "black")

# %%
# Only one of the four passes, and it is a positive one. So guided backpropagation hands down nothing that speaks
# *against* a neuron which it came through: wherever a signal turns negative it ends. Behind the lowest weights, which
# have both signs, the map at the pixels has both signs again.
#
# Ten digits, each for its own class
# ----------------------------------
# In the convolutions and pools all three are the same; the difference is made by the ReLUs alone.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("cnn")
methods = {"gradient": attribution.gradient, "deconvnet": attribution.deconvnet,
           "guided": attribution.guided_backprop}
maps = {name: method(net, images[ten], labels[ten]) for name, method in methods.items()}
plot.heatmaps(maps, images[ten], title="One network, ten digits, three ways back", quantile=0.995)

# %%
# The gradient is spotty, guided backpropagation draws the strokes with clean edges. It is tempting to conclude that it
# knows best what the network looks at.
#
# One question, measured
# ----------------------
# An explanation of *the output* should change with the output. So we explain each digit twice: for its own class, and
# for the class in second place. The cosine of the two maps is 1 if they are the same picture; a map that says "this
# speaks for a 4, that for a 9" would make it small or negative. Beside it we ask how much of :math:`\lvert R \rvert`
# lies on ink, which covers about a fifth of the image.

x, target = images[:COUNT], labels[:COUNT]
y = net.predict(x)
y[np.arange(COUNT), target] = -np.inf
second = y.argmax(axis=1)
ink = x > 0
likeness, on_ink = {}, {}
print(f"\n{ink.mean():.1%} of the pixels have ink\n\nmethod      own class and second class, cosine   |R| on ink")
for name, method in methods.items():
    R, S = method(net, x, target).reshape(COUNT, -1), method(net, x, second).reshape(COUNT, -1)
    cosine = (R * S).sum(axis=1) / np.sqrt((R ** 2).sum(axis=1) * (S ** 2).sum(axis=1))
    share = abs(R * ink.reshape(COUNT, -1)).sum(axis=1) / abs(R).sum(axis=1)
    (likeness[name], error), on_ink[name] = metrics.mean_and_error(cosine), share.mean()
    print(f"{name:10} {likeness[name]:14.3f} +- {error:.3f} {on_ink[name]:25.1%}")

clear = int(np.flatnonzero((target == 4) & (second == 9))[0])
pair = {name: method(net, x[[clear] * 2], np.array([4, 9])) for name, method in methods.items()}
plot.heatmaps(pair, x[[clear] * 2], ["why a 4?", "why a 9?"], "The same 4, explained as a 4 and as a 9", quantile=0.995,
              transpose=True)

# %%
# Guided backpropagation draws nearly the same picture for either class, and so it cannot say what speaks for one
# rather than the other. What it shows is mostly the image, passed through the filters: Nie et al. show in theory that
# it recovers part of the image even where the weights are random. Lesson 6.4 tries that.
#
# Try this
# --------
# 1. Randomise the last dense layer, ``net.layers[-1].with_weights(W, None)`` with a W of your own: which of the three
#    maps change?
# 2. Turn the sign of the start, ``start=-attribution.contrast(net, x, 4, 9, relevance=False)``. What does guided
#    backpropagation draw for a class that is *not* there?

assert squares["guided"].tolist() == [[0, 0], [1, 0]], "the example of the paper"
assert likeness["guided"] > 0.8 > 0.3 > likeness["gradient"], "one picture for every class"

plot.show()
