r"""
3.1 Deconvolution
=================

**You will see** how a neuron deep inside a network is asked which pattern in the image made it fire, and how much of
the answer comes from the neuron and how much from the image.

**Before this:** 0.1 (layers and traces).

**Papers:** Zeiler & Fergus 2014, *Visualizing and understanding convolutional networks*, section 2.1; Nie, Zhang &
Patel 2018, *A theoretical explanation for perplexing behaviors of backpropagation-based visualizations*.
"""
import numpy as np

from minixnn import MaxPool2d, Network, ReLU, attribution, datasets, models, plot

COUNT = 1000            # images to search and to measure on

# %%
# The way back through three layers
# ---------------------------------
# Forwards a block filters (convolution), rectifies (ReLU) and pools (maximum). The deconvolutional network undoes them
# in turn. Let :math:`s` be the signal that comes back, lying beside the output :math:`y` of a layer with the input
# :math:`x`:
#
# * *unpooling*: the signal of a window goes to the place where its maximum was. These places are the *switches*, all
#   that is kept of the image;
# * *rectification*: :math:`s_x = \max(s_y, 0)`, whatever :math:`x` was;
# * *filtering*: the same filters, turned round, :math:`s_x = W s_y`, with the weights the network has learnt.
#
# Unpooling and filtering are what the gradient does. The two part at the ReLU: the gradient asks whether the neuron
# fired, :math:`s_x = s_y \, 1[x > 0]`, the deconvolutional network whether the signal is positive. By head, two windows
# of a pool side by side, the maxima 5 and 4; and a ReLU that saw -1 and 2 and gets back the signals 3 and -3:

x = np.array([[1.0, 5.0, 0.0, 2.0],
              [2.0, 3.0, 4.0, 1.0]]).reshape(1, 2, 4, 1)
signal = np.array([7.0, 9.0]).reshape(1, 1, 2, 1)
y = MaxPool2d(2).forward(x)
print("unpooled:\n", MaxPool2d(2).deconvnet(x, y, signal)[0, :, :, 0])      # <- STEP INTO
x, signal = np.array([[-1.0, 2.0]]), np.array([[3.0, -3.0]])
y = ReLU().forward(x)
print("through a ReLU: deconvnet", ReLU().deconvnet(x, y, signal)[0], " gradient", ReLU().gradient(x, y, signal)[0] + 0)

# %%
# The five strongest maps of ten digits
# -------------------------------------
# We stop in front of the last pooling, at 128 feature maps of 7 x 7 neurons. For each digit we take the five maps with
# the highest peak, keep the peak and nothing else, and send it back to the pixels, each alone.


def back_from_peak(feature, x, k, verb):
    """Send the largest activation of map k (one an image) back through `verb`, a pass. -> signals like x"""
    A = feature.predict(x)[np.arange(len(x)), :, :, k].reshape(len(x), -1)          # (N, h w), map k of each image
    peak = (np.arange(A.shape[1]) == A.argmax(axis=1)[:, None]) * A
    start = np.zeros((len(x), *feature.forward(x[:1]).shape[1:]), x.dtype)
    start[np.arange(len(x)), :, :, k] = peak.reshape(len(x), *start.shape[1:3])
    return verb(feature, x, start=start)


images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net = models.load("cnn")
feature = Network(net.layers[:8])                                           # up to the last ReLU of an image
digits = images[ten]
order = feature.forward(digits).max(axis=(1, 2)).argsort(axis=1)[:, ::-1]   # (10, 128), the strongest map first
rows = {f"strongest {n + 1}": back_from_peak(feature, digits, order[:, n], attribution.deconvnet) for n in range(5)}
plot.heatmaps(rows, digits, title="The five strongest of 128 feature maps, each sent back to the pixels alone")
print("\nmaps of the digit 0:", order[0, :5], " of the digit 1:", order[1, :5])

# %%
# A neuron of this layer sees 18 x 18 pixels, so its reconstruction ends in a square: beyond it nothing can have made it
# fire. Inside, red is where more ink would strengthen the signal, blue where it would weaken it; the strongest red lies
# mostly on a piece of stroke, and each map has its own.
#
# What one map looks for
# ----------------------
# From a single image one cannot tell a feature from a coincidence. So we look for the ten images that excite one map
# most, whatever digits they are, and compare their reconstructions. One map behind each of the three convolutions: the
# one whose highest peak stands out most from its mean peak.

x = images[:COUNT]
for depth, l in enumerate((2, 5, 8)):
    layer = Network(net.layers[:l])
    peaks = layer.predict(x).max(axis=(1, 2))                               # (COUNT, maps)
    k = int((peaks.max(axis=0) / (peaks.mean(axis=0) + 1)).argmax())
    best = peaks[:, k].argsort()[::-1][:10]
    R = back_from_peak(layer, x[best], np.full(10, k), attribution.deconvnet)
    plot.heatmaps({f"map {k} sees": R}, x[best], [f"a {c}" for c in labels[best]],
                  f"The ten of {COUNT} digits that excite map {k} of convolution {depth + 1} most")

# %%
# Behind the first convolution ten times the same few pixels, for that map *is* its filter. Behind the second the lower
# end of a stem, of a 1, a 4, a 7 or a 9 alike. Behind the third it takes
# an arrangement of strokes: all ten are a 3, and the reconstructions differ as the ten images do.
#
# One question, measured
# ----------------------
# A reconstruction looks like the image. Is it a portrait of the feature then, or of the image? We send back a *wrong*
# feature, another map drawn at random, from the very same place, and compare: the cosine of the two reconstructions is
# 1 if they are the same picture, and near 0 if they have nothing in common.

x = images[:COUNT // 4]
feature = Network(net.layers[:7])                                           # without the ReLU: wrong maps rarely fire
A = feature.predict(x)                                                      # (N, 7, 7, 128)
k = A.max(axis=(1, 2)).argmax(axis=1)
wrong = (k + np.random.default_rng(0).integers(1, A.shape[3], len(x))) % A.shape[3]
place = A[np.arange(len(x)), :, :, k].reshape(len(x), -1).argmax(axis=1)
likeness = {}
for name, method in (("deconvnet", attribution.deconvnet), ("gradient", attribution.gradient)):
    both = []
    for chosen in (k, wrong):
        start = np.zeros_like(A)
        start.reshape(len(x), -1, A.shape[3])[np.arange(len(x)), place, chosen] = 1
        both.append(method(feature, x, start=start).reshape(len(x), -1))
    one, other = both
    length = np.sqrt((one ** 2).sum(axis=1) * (other ** 2).sum(axis=1))
    likeness[name] = ((one * other).sum(axis=1) / np.maximum(length, 1e-12)).mean()
    print(f"{name:10} cosine of the right and a wrong feature, mean over {len(x)} images: {likeness[name]:.2f}")

# %%
# Asked about a wrong feature, the deconvolutional network still draws much of the picture of the right one. Its signals
# are positive in all maps after every ReLU, so two of them have much in common before the filters are even reached, and
# the switches, which know the image and not the feature, are the same. The gradient, whose signals keep their signs,
# tells the two features apart. So a crisp reconstruction is no proof that the neuron cares for what is seen in it.
#
# Try this
# --------
# 1. Replace the pooling by one without switches, ``AvgPool2d(2)``, in a copy of the network. What is left of the
#    reconstruction?
# 2. Send back the logit: ``attribution.deconvnet(net, digits, labels[ten])``, and then that of a wrong class.

assert likeness["deconvnet"] > 0.3 > abs(likeness["gradient"]), "the switches draw much of the picture"
plot.show()
