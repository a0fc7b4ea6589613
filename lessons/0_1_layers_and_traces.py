r"""
0.1 Layers and traces
=====================

**You will see** that a network is a list of layers, that whatever explains it is a loop over this list from the last
layer to the first, and how few neurons take part in reading one digit.

**Before this:** what a matrix product and a derivative are, and NumPy arrays.

**Papers:** none are needed. The digits are LeCun et al. 1998, *Gradient-based learning applied to document
recognition*.
"""
import numpy as np

from minixnn import Dense, Network, ReLU, datasets, models, passes, plot
from minixnn.plot import diagrams

# %%
# A network to be computed by hand
# --------------------------------
# A dense layer has inputs :math:`x_j`, weights :math:`w_{jk}` and biases :math:`b_k`, and computes
#
# .. math:: z_k = \sum_j x_j w_{jk} + b_k .
#
# A ReLU (rectified linear unit) lets through what is positive: :math:`y_k = \max(z_k, 0)`. Two inputs, three hidden
# *neurons* (numbers that a layer computes), one output:

W1 = np.array([[1.0, 1.0, -1.0],                # from x_1 to the three neurons: (inputs, outputs)
               [1.0, -1.0, 1.0]])               # from x_2
W2 = np.array([[1.0], [2.0], [3.0]])
small = Network([Dense(W1), ReLU(), Dense(W2, b=np.array([-1.0]))])

# %%
# The input is a *batch*: its first axis counts the images, here one. With :math:`x = (3, 1)` the hidden sums are
# :math:`3 + 1 = 4`, :math:`3 - 1 = 2` and :math:`-3 + 1 = -2`; the ReLU makes the last one 0; the output is
# :math:`1 \cdot 4 + 2 \cdot 2 + 3 \cdot 0 - 1 = 7`.

x = np.array([[3.0, 1.0]])                      # (1 image, 2 inputs)
print("output", small.forward(x))

# %%
# The trace
# ---------
# ``trace`` returns everything that passes between the layers, as a list: ``A[l]`` enters layer ``l``, and ``A[-1]`` is
# the output. These numbers are called *activations*. The list is all the memory there is: the layers themselves
# remember nothing.

A = small.trace(x)
for l, a in enumerate(A):
    print(f"A[{l}] = {a[0]} ", f"enters {small.layers[l]}" if l < len(small.layers) else "is the output")

# %%
# The way back
# ------------
# Whatever explains a network here is a loop from the last layer to the first, a *pass*. In each round a layer is handed
# its own input ``A[l]``, its output ``A[l + 1]``, and what came back from the layer above. The simplest pass is the
# gradient, which says how fast the output :math:`f` changes with each number. It begins with
# :math:`\partial f / \partial f = 1`; the layers hand it on by
#
# .. math::
#    \text{dense:}\quad \frac{\partial f}{\partial x_j} = \sum_k w_{jk} \frac{\partial f}{\partial z_k} \qquad
#    \text{ReLU:}\quad \frac{\partial f}{\partial z_k} = \begin{cases}
#    \partial f / \partial y_k & z_k > 0 \\ 0 & z_k \le 0 . \end{cases}
#
# By hand: at the hidden neurons (1, 2, 3) arrives; the ReLU shuts the third; so the first input gets
# :math:`1 \cdot 1 + 2 \cdot 1 = 3`, the second :math:`1 \cdot 1 - 2 \cdot 1 = -1`.

R = [None, None, None, np.ones((1, 1))]         # R[l] will lie beside A[l]
for l in reversed(range(len(small.layers))):
    R[l] = small.layers[l].gradient(A[l], A[l + 1], R[l + 1])   # <- STEP INTO: one line per layer
print("gradient at the inputs", R[0])
assert np.array_equal(R[0], passes.gradient(small, x)[0]), "the loop above is the package's pass"
diagrams.neurons(small, A, R, "Activations (in the circles) and gradients (colour: red positive, blue negative)",
                 letter="gradient")

# %%
# Other methods are the same loop with another line in it. Some send back a gradient with changes (deconvnet, lesson
# 3.1; guided backpropagation, 3.3). Others send back *relevance*: the output itself is divided among the neurons, layer
# by layer, until each pixel has its share (layer-wise relevance propagation, 2.3; DeepLIFT, 2.5). They differ where it
# matters: the third hidden neuron is *silent*, its output is 0, so the gradient stops there. Deconvnet looks only at
# what comes back, 3, which is positive, and lets it pass.

print("before the ReLU: gradient", R[1][0], "  deconvnet", passes.deconvnet(small, x)[1][0])

# %%
# A trained network
# -----------------
# The networks that come with minixnn are lists of the same kind. This one has convolutions, which look at 3 x 3 pixels
# at a time, and max pooling, which keeps the largest of 2 x 2 values; its dropout does nothing outside of training. It
# has ten outputs, the *logits*, one for each digit, of which the largest is the answer.

images, labels = datasets.mnist("test")
net = models.load("cnn")
print(net.describe(x=images[:1]))
print(f"\nright on {models.record('cnn')['accuracy']:.2%} of the {len(images):,} test images")

# %%
# The trace of one digit of each kind. After a convolution and its ReLU the activations are a stack of images, one for
# each *channel*. Each row below is one channel; we chose the channel that responds most evenly, so that its mean over
# the image is large even for the digit that it responds to least.

ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
A = net.trace(images[ten])
rows = {"input": images[ten]}
for l, layer in enumerate(net.layers):
    if isinstance(layer, ReLU) and A[l + 1].ndim == 4:                      # (10 images, height, width, channels)
        k = int(A[l + 1].mean(axis=(1, 2)).min(axis=0).argmax())
        top = A[l + 1][..., k].max()
        rows[f"A[{l + 1}], channel {k}\nblack: {top:.2f}"] = A[l + 1][..., k] / top
plot.images([picture for row in rows.values() for picture in row], rows=list(rows),
            title="The trace of ten digits: one channel after each of three convolutions")

# %%
# One question, measured
# ----------------------
# How many neurons take part in reading one digit? We count those that are *active*, not silent, on 500 test digits.
# But a neuron whose pixels are all paper can only be silent here, since this network has no biases. So we count again
# among the neurons that see ink; a copy of the network with all weights made positive finds them, for there ink adds up
# and cannot cancel. And what makes the others silent? Three controls, four networks each: random weights of mean 0; the
# trained weights, mixed up within each layer; and random weights with as many negative ones as there are, but of mean
# 0, since the negative ones are smaller. (After +- stands the standard error of the mean over the four.)

rng, x = np.random.default_rng(0), images[:500]


def changed(change):
    """The trace of x through a copy of the network with other weights."""
    copy = net.astype(np.float32)
    for layer in copy.layers:
        if hasattr(layer, "W"):
            layer.W = change(layer.W)
    return copy.trace(x)


def as_many_negative(W):
    """As many negative weights as in W, and smaller, so that the mean is 0."""
    share, size = (W < 0).mean(), abs(rng.standard_normal(W.shape, dtype=np.float32))
    return np.where(rng.random(W.shape) < share, -size / share, size / (1 - share)).astype(np.float32)


A, ink = net.trace(x), changed(abs)
random = [changed(lambda W: rng.standard_normal(W.shape, dtype=np.float32)) for _ in range(4)]
mixed = [changed(lambda W: rng.permutation(W.ravel()).reshape(W.shape)) for _ in range(4)]
balanced = [changed(as_many_negative) for _ in range(4)]
found = []
print("\nlayer   neurons   active   see ink   active of these: trained    random    mixed up   as many negative   "
      "weights < 0: trained, of mean 0")
for l, layer in enumerate(net.layers):
    if isinstance(layer, ReLU):
        sees = ink[l + 1] > 0
        share = np.array([(each[l + 1] > 0)[sees].mean() for each in (A, *random, *mixed, *balanced)])
        means, errors = share[1:].reshape(3, 4).mean(axis=1), share[1:].reshape(3, 4).std(axis=1, ddof=1) / 2
        found.append((share[0], *means))
        print(f"A[{l + 1:2}] {sees[0].size:10,} {(A[l + 1] > 0).mean():8.1%} {sees.mean():9.1%} {share[0]:23.0%}",
              *(f"{m:6.0%} +- {e:.0%}" for m, e in zip(means, errors)),
              *(f"{(W < 0).mean():13.0%}" for W in (net.layers[l - 1].W, as_many_negative(net.layers[l - 1].W))))

# %%
# In the first layer 13 % are active, but 69 % of its neurons see nothing but paper. Of those that see ink 43 % are
# active, and 47 +- 1 % with mixed weights. Deeper down it is 23, 11 and 25 %, where random weights leave 50 %; but the
# trained weights leave 15, 9 and 19 % when they are mixed up. So it is not their arrangement that silences neurons.
# Nor is it how many are negative, 53 to 58 %: as many with the mean 0 leave 50 %. What is left is the negative *mean*:
# the inputs of a deeper layer are all positive, and a mean below 0 then pulls every sum down.
#
# So each image has its own small network inside the large one. With its active neurons and its winners of max pooling
# held fixed that network is *linear*: without biases the logit is exactly gradient times pixels, summed. This is why
# the rules of the following lessons are all rules for :math:`z_k = \sum_j x_j w_{jk} + b_k`.

logit = A[-1].max(axis=1)
product = (x * passes.gradient(net, x)[0]).sum(axis=(1, 2, 3))
print(f"a logit and its gradient times pixels differ by {abs(logit - product).max():.0e} at most")

# %%
# Try this
# --------
# 1. Change ``x`` to ``[[1.0, 3.0]]``. Say the gradient before you run it.
# 2. Draw the channel that is *least* active but not silent. What does it look for?

assert np.allclose(logit, product, rtol=1e-4), "for each image the network is linear"
assert all(mixed < trained < 0.7 * min(chance, balanced) for trained, chance, mixed, balanced in found[1:]), "the mean"
plot.show()
