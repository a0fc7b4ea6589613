r"""
0.1 Layers and traces
=====================

**You will see** that a network is a list of layers, that explaining one needs nothing but what passed between them,
and how few of its neurons take part in reading one digit.

**Before this:** what a matrix product and a derivative are.

**Papers:** none are needed. The digits are LeCun et al. 1998, *Gradient-based learning applied to document
recognition*.
"""
import numpy as np

from minixnn import Dense, Network, ReLU, datasets, models, passes, plot
from minixnn.plot import diagrams

# %%
# A network to be followed by head
# --------------------------------
# A dense layer has inputs :math:`x_j`, weights :math:`w_{jk}` and biases :math:`b_k`, and computes
#
# .. math:: z_k = \sum_j x_j w_{jk} + b_k .
#
# A ReLU (rectified linear unit) lets through what is positive: :math:`y_k = \max(z_k, 0)`. Two inputs, three hidden
# neurons, one output:

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
# ``trace`` returns all that passes between the layers, as a list: ``A[l]`` enters layer ``l``, and ``A[-1]`` is the
# output. This list is all the memory there is. The layers themselves remember nothing, so the same layer can be asked
# twice, or for two images in turn, and answers alike.

A = small.trace(x)
for l, a in enumerate(A):
    what = f"enters {small.layers[l]}" if l < len(small.layers) else "is the output"
    print(f"A[{l}] = {a[0]}  {what}")

# %%
# The way back
# ------------
# Whatever explains a network here is a loop from the last layer to the first. In each round a layer is handed its own
# input ``A[l]`` once more and what came back from above. The simplest such *pass* is the gradient. With
# :math:`f` the output, it begins with :math:`\partial f / \partial f = 1`; the layers hand it on by
#
# .. math::
#    \text{dense:}\quad \frac{\partial f}{\partial x_j} = \sum_k w_{jk} \frac{\partial f}{\partial z_k} \qquad
#    \text{ReLU:}\quad \frac{\partial f}{\partial z_k} = \begin{cases}
#    \partial f / \partial y_k & z_k > 0 \\ 0 & z_k \le 0 . \end{cases}
#
# By head: at the hidden neurons (1, 2, 3) arrives; the ReLU shuts the third; so the first input gets
# :math:`1 \cdot 1 + 2 \cdot 1 = 3`, the second :math:`1 \cdot 1 - 2 \cdot 1 = -1`.

R = [None, None, None, np.ones((1, 1))]         # R[l] will lie beside A[l]
for l in reversed(range(len(small.layers))):
    R[l] = small.layers[l].gradient(A[l], A[l + 1], R[l + 1])   # <- STEP INTO: one line a layer
print("gradient at the inputs", R[0])
assert np.array_equal(R[0], passes.gradient(small, x)[0]), "the loop above is the pass"
diagrams.neurons(small, A, R, "What went forward (in the circles) and the gradient that came back", letter="gradient")

# %%
# In place of ``gradient`` stand the other verbs of a layer: ``deconvnet``, ``guided_backprop``, ``lrp``, ``deeplift``.
# That is the plan of all the lessons: the same list, another verb.
#
# A trained network
# -----------------
# The networks that come with minixnn are lists of the same kind. This one has convolutions, which look at 3 x 3
# pixels at a time, and max pooling, which keeps the largest of 2 x 2 values.

images, labels = datasets.mnist("test")
net = models.load("cnn")
print(net.describe(x=images[:1]))
print(f"\nright on {models.record('cnn')['accuracy']:.2%} of the {len(images):,} test images")

# %%
# The trace of one digit of each kind. After a convolution and its ReLU an activation is a stack of images, one for
# each *channel*. Drawn is, for each of the three ReLU layers, the channel whose least active digit is most active.

ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
A = net.trace(images[ten])
ink = {}
for l, layer in enumerate(net.layers):
    if isinstance(layer, ReLU) and A[l + 1].ndim == 4:                      # (10 images, height, width, channels)
        channel = int(A[l + 1].mean(axis=(1, 2)).min(axis=0).argmax())
        ink[f"A[{l + 1}], channel {channel}"] = A[l + 1][..., channel]
plot.heatmaps(ink, images[ten], scale="method",
              title="The trace of ten digits: one channel after each convolution (red: active)")

# %%
# One question, measured
# ----------------------
# How many neurons take part in reading one digit? A neuron behind a ReLU is *silent* for an image when its output is
# 0, and then neither relevance nor gradient can pass it. It is *dead* if it is silent for all images. We look at
# 1,000 test digits.

A = net.trace(images[:1000])
print("\nlayer   neurons   active per digit   dead")
for l, layer in enumerate(net.layers):
    if isinstance(layer, ReLU):
        fired = A[l + 1].reshape(1000, -1) > 0                              # (images, neurons)
        print(f"A[{l + 1:2}] {fired.shape[1]:10,} {fired.mean():16.1%} {(~fired.any(axis=0)).mean():8.1%}")

# %%
# Only the active ones can explain a digit: on the way back a heatmap sees a smaller network, another one for each
# image. With its active neurons and its winners of max pooling held fixed that network is linear, which is why the
# rules of the following lessons are all rules for :math:`z_k = \sum_j x_j w_{jk} + b_k`.
#
# Try this
# --------
# 1. Change ``x`` to ``[[1.0, 3.0]]``. Say the gradient before you run it.
# 2. Draw the channel that is *least* active but not dead. What does it look for?

for l, layer in enumerate(net.layers):
    assert np.array_equal(layer.forward(A[l]), A[l + 1]), "the trace is nothing but the layers, one by one"
plot.show()
