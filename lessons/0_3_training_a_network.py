r"""
0.3 Training a network
======================

**You will see** what a network is taught by, that the whole of training is a loop of a dozen lines around the gradient,
and how many examples it takes to read digits.

**Before this:** 0.1 (layers and traces).

**Papers:** Kingma & Ba 2015, *Adam: a method for stochastic optimization*, algorithm 1; He et al. 2015, *Delving deep
into rectifiers*, equation 10 (how to draw the first weights).
"""
import numpy as np

from minixnn import Dense, Flatten, Network, ReLU, datasets, plot
from minixnn.train import Adam, accuracy, cross_entropy, fit, softmax

# %%
# What is to become small
# -----------------------
# The last layer gives one number :math:`z_k` per class :math:`k`, the *logit*. The softmax makes probabilities of them,
# and the loss is the surprise at the right class :math:`c` (cross-entropy):
#
# .. math:: p_k = \frac{e^{z_k}}{\sum_{k'} e^{z_{k'}}} , \qquad L = - \log p_c , \qquad
#           \frac{\partial L}{\partial z_k} = p_k - [k = c] ,
#
# where :math:`[k = c]` is 1 for the right class and 0 for the others. By head: two classes with logits 0 and 0 have
# :math:`p = (1/2, 1/2)`; if the second is right, :math:`L = \log 2 \approx 0.693` and the gradient is
# :math:`(1/2, -1/2)`: less of the first, more of the second.

net = Network([Dense(np.zeros((1, 2)))])        # one input, two classes, no bias
x, label = np.array([[2.0]]), np.array([1])
loss, dz = cross_entropy(net.forward(x), label)
print("probabilities", softmax(net.forward(x)), "loss", round(loss, 3), "gradient at the logits", dz)

# %%
# One step
# --------
# The weights are moved against the gradient, by a *rate* :math:`\eta`:
#
# .. math:: \frac{\partial L}{\partial w_{jk}} = x_j \frac{\partial L}{\partial z_k} , \qquad
#           w_{jk} \leftarrow w_{jk} - \eta \frac{\partial L}{\partial w_{jk}} .
#
# With :math:`x = 2` the gradient is :math:`(1, -1)`, with :math:`\eta = 1/2` the weights become :math:`(-1/2, 1/2)` and
# the logits :math:`(-1, 1)`.

dW = net.layers[0].parameter_gradients(x, dz)["W"]
net.layers[0].W -= 0.5 * dW
loss, _ = cross_entropy(net.forward(x), label)
print("gradient of the weights", dW, "logits now", net.forward(x), "loss", round(loss, 3))

# %%
# The loop
# --------
# A network of several layers needs nothing new: the trace forwards, the gradient of the loss backwards, and at each
# layer that has weights a step. Here it is for real digits, 100 at a time, and nothing hidden.

train_images, train_labels = datasets.mnist("train")
test_images, test_labels = datasets.mnist("test")


def fresh(rng):
    """784-64-10, its first weights drawn at random: normal, of variance 2 / inputs."""
    return Network([Flatten(), Dense.random(784, 64, rng), ReLU(), Dense.random(64, 10, rng, init="glorot")])


net = fresh(np.random.default_rng(0))
for n in range(0, 6000, 100):
    x, label = train_images[n:n + 100], train_labels[n:n + 100]
    A = net.trace(x)                                                        # forwards
    loss, dy = cross_entropy(A[-1], label)
    for l in reversed(range(len(net.layers))):                              # and backwards
        layer = net.layers[l]
        steps = layer.parameter_gradients(A[l], dy)                         # {"W": dL/dW, "b": dL/db}, or empty
        dy = layer.gradient(A[l], A[l + 1], dy)                             # <- STEP INTO: before W is changed
        for name, g in steps.items():
            layer.arrays()[name][...] -= 0.1 * g                            # in place
    if n % 1500 == 0:
        print(f"after {n + 100:5,} images: loss {loss:.3f}")
print(f"right on {accuracy(net, test_images, test_labels):.1%} of the test images")

# %%
# ``fit`` is this loop with three improvements: it shuffles the images anew for every *epoch* (one round through all of
# them); it lets the rate fall towards the end; and it steps by Adam, which divides the gradient of each weight by its
# usual size, so that one rate suits all. All chance comes from the generator ``rng``: the same seed, the same network.

rng = np.random.default_rng(0)
net = fresh(rng)
W, history = {"before": net.layers[1].W.copy()}, []
for epochs in (1, 7):                           # trained on where it stopped, to look at the weights in between
    history += fit(net, train_images[:10000], train_labels[:10000], epochs, rng, Adam(2e-3), quiet=True,
                   validation=(test_images, test_labels))
    W[f"after epoch {len(history)}"] = net.layers[1].W.copy()
plot.curves(np.arange(1, 9), {"training images, while learning": [100 * h["accuracy"] for h in history],
                              "test images": [100 * h["validation"] for h in history]},
            "epoch", "right answers in %", "What is learnt by heart, and what is learnt")
print("after 8 epochs:", {name: round(value, 4) for name, value in history[-1].items() if name != "epoch"})

# %%
# The weights that lead to one hidden neuron are as many as there are pixels, so they can be looked at as an image. A
# pixel without ink has gradient zero, :math:`x_j = 0`, and where there is never ink the weights stay as they were
# drawn. Where there is ink once or twice they move as far as any other, for Adam divides by the usual size of the
# gradient: hence the strong stripes near the rim. Remember them when a heatmap shows something there: few examples
# taught the network so.

never = (train_images[:10000].max(axis=0) == 0).ravel()                     # (784,) pixels without ink in all images
moved = abs(W["after epoch 8"] - W["before"]).max(axis=1)                   # of the weights of each pixel
print(f"{never.sum()} pixels never have ink; the largest change among their weights is {moved[never].max():.2f}")
ten = np.argsort(-abs(W["after epoch 8"]).sum(axis=0))[:10]                 # the ten with the largest weights
plot.heatmaps({name: w.T[ten] for name, w in W.items()}, names=[f"neuron {k}" for k in ten], scale="figure",
              title="Weights from the pixels to ten hidden neurons")

# %%
# One question, measured
# ----------------------
# How many examples does it take? The same network, the same number of steps (600, of 100 images each); only the
# number of different images changes.

sizes, right = (100, 300, 1000, 3000, 10000, 60000), {"training images": [], "test images": []}
print("\ndifferent images   right on them   right on test images")
for size in sizes:
    rng = np.random.default_rng(0)
    net = fresh(rng)
    fit(net, train_images[:size], train_labels[:size], 60000 // size, rng, Adam(2e-3), quiet=True)
    some = min(size, 10000)
    right["training images"].append(100 * accuracy(net, train_images[:some], train_labels[:some]))
    right["test images"].append(100 * accuracy(net, test_images, test_labels))
    print(f"{size:16,} {right['training images'][-1]:13.1f} % {right['test images'][-1]:20.1f} %")
plot.curves(sizes, right, "different training images (60,000 shown in all)", "right answers in %", xscale="log",
            title="The same work on more examples")

# %%
# With few examples the network knows them by heart and still errs on new ones. The distance between the two curves is
# what more data can mend. The networks that come with minixnn were trained by the same ``fit``, on all 60,000 images,
# each moved by up to two pixels whenever it was shown: ``python -m minixnn.models train NAME``.
#
# Try this
# --------
# 1. Give the labels of the training images in random order (``rng.permutation``). How many can the network learn by
#    heart?
# 2. Train without ReLU. How far does one linear map come?

assert right["test images"] == sorted(right["test images"]), "more examples, fewer mistakes"
assert right["training images"][0] == 100, "a hundred digits are easily learnt by heart"
plot.show()
