r"""
3.1 Deconvolution
=================

**You will see** how a neuron deep inside a network is asked which pattern in the image made it fire, and that most of
the answer is a picture of the image, not of what the neuron looks for.

**Before this:** 0.1 (layers and traces).

**Papers:** Zeiler & Fergus 2014, *Visualizing and understanding convolutional networks*, section 2.1; Nie, Zhang &
Patel 2018, *A theoretical explanation for perplexing behaviors of backpropagation-based visualizations*.
"""
import numpy as np

from minixnn import Conv2d, MaxPool2d, Network, ReLU, attribution, datasets, metrics, models, passes, plot

COUNT = 300             # neurons to measure on, one for each image

# %%
# The way back through three layers
# ---------------------------------
# Forwards a block filters (convolution), rectifies (ReLU) and pools (maximum). The deconvolutional network undoes them
# in turn. Let :math:`s` be the signal that comes back, lying beside the output :math:`y` of a layer with the input
# :math:`x`:
#
# * *unpooling*: the signal of a window goes to the place where its maximum was. These places, the *switches*, are all
#   that is kept of the image;
# * *rectification*: :math:`s_x = \max(s_y, 0)`, whatever :math:`x` was;
# * *filtering*: the filters that the network has learnt, transposed, :math:`s_x = W s_y`.
#
# Unpooling and filtering are what the gradient does. The two differ at the ReLU: the gradient asks whether the neuron
# fired, :math:`s_x = s_y \, 1[x > 0]`, the deconvolutional network whether the signal is positive. By hand, two windows
# of a pool side by side, the maxima 5 and 4; and a ReLU that saw -1 and 2 and gets back the signals 3 and -3:


def through(layer, x, s):
    """The two ways back through one layer, as a network of its own."""
    alone = Network([layer])
    return {"deconvnet": passes.deconvnet(alone, x, start=s)[0] + 0.0,      # <- STEP INTO
            "gradient": passes.gradient(alone, x, start=s)[0] + 0.0}


x = np.array([[1.0, 5.0, 0.0, 2.0],
              [2.0, 3.0, 4.0, 1.0]]).reshape(1, 2, 4, 1)
unpooled = through(MaxPool2d(2), x, np.array([7.0, 9.0]).reshape(1, 1, 2, 1))
print("unpooled:\n", unpooled["deconvnet"][0, :, :, 0])
x, s = np.array([[-1.0, 2.0]]), np.array([[3.0, -3.0]])
rectified = through(ReLU(), x, s)
print("through a ReLU:", {name: way[0].tolist() for name, way in rectified.items()})
assert np.allclose(rectified["deconvnet"], s.clip(0)) and np.allclose(rectified["gradient"], s * (x > 0))

# %%
# What excites one neuron most
# ----------------------------
# A neuron of the second convolution sees 8 x 8 pixels, one of the third 18 x 18; no other pixel can make it fire, so we
# look at this square only. From a single image one cannot tell a feature from a coincidence. So we search 1,000 digits
# for the eight that excite one feature map most, start with 1 at the place of its peak, and send that back.

SEES = {4: (-3, 8, 2), 7: (-7, 18, 4)}      # layers: the first pixel that output 0 sees, how many it sees, the stride


def squares(pictures, l, row, column):
    """Of each picture (N, 28, 28, 1) the square that the neuron at (row, column) of `net.layers[:l]` sees."""
    first, size, stride = SEES[l]
    wide = np.pad(pictures[..., 0], ((0, 0), (10, 20), (10, 20)))                       # empty beyond the edges
    corners = zip(wide, 10 + first + stride * row, 10 + first + stride * column)
    return np.stack([picture[top:top + size, left:left + size] for picture, top, left in corners])


def send_back(method, net, l, x, row, column, k):
    """Start with 1 at (row, column) of feature map k, one for each image; what arrives in the square it sees."""
    lower = Network(net.layers[:l])
    start = np.zeros((len(x), *lower.forward(x[:1]).shape[1:]), x.dtype)
    start[np.arange(len(x)), row, column, k] = 1
    return squares(method(lower, x, start=start), l, row, column)


def cosine(R, S):
    return (R * S).sum(axis=(1, 2)) / np.sqrt((R ** 2).sum(axis=(1, 2)) * (S ** 2).sum(axis=(1, 2))).clip(1e-12)


images, labels = datasets.mnist("test")
net = models.load("cnn")
for depth, l in ((2, 4), (3, 7)):
    A = Network(net.layers[:l]).predict(images[:1000])
    peaks = A.max(axis=(1, 2))                                              # (1000, maps)
    k = int((peaks.max(axis=0) / (abs(peaks.mean(axis=0)) + 1)).argmax())   # its best image stands out most
    best = peaks[:, k].argsort()[::-1][:8]
    row, column = np.divmod(A[best, :, :, k].reshape(8, -1).argmax(axis=1), A.shape[2])
    R = send_back(attribution.deconvnet, net, l, images[best], row, column, k)
    plot.heatmaps({"sent back": R}, squares(images[best], l, row, column), [f"in a {c}" for c in labels[best]],
                  f"Convolution {depth}: the eight patches that excite map {k} most", quantile=0.995)
    pairs = np.concatenate([cosine(R[:-shift], R[shift:]) for shift in range(1, 8)])
    print(f"convolution {depth}, map {k}: cosine of two of the eight reconstructions {pairs.mean():.2f} on average")

# %%
# Red is where more ink would strengthen the signal, blue where it would weaken it. The map of the second convolution
# fires at the lower end of a stem, of a 1, a 4 or a 9 alike, and its reconstructions agree (cosine 0.71). That of the
# third takes the arms of a 3, in eight of eight; its reconstructions differ (0.29). It is tempting to read each of them
# as the pattern that the neuron looks for.
#
# One question, measured
# ----------------------
# Is it a portrait of the neuron, or of the image? We change one at a time, in the third convolution: *another map* in
# the same place of the same image; *another image*, at the place where the same map was asked; and both. The cosine of
# two reconstructions is 1 if they are the same picture; changing both gives chance. The gradient stands beside it.

x, rng, every = images[:COUNT], np.random.default_rng(0), np.arange(COUNT)
A = Network(net.layers[:7]).predict(x)                                      # (COUNT, 7, 7, 128)
k = A.max(axis=(1, 2)).argmax(axis=1)                                       # the map with the highest peak
row, column = np.divmod(A[every, :, :, k].reshape(COUNT, -1).argmax(axis=1), A.shape[2])
other = (k + rng.integers(1, A.shape[3], COUNT)) % A.shape[3]
swap = rng.permutation(COUNT)                                               # another image, and its place


def correlation(R, S):
    return np.array([np.corrcoef(r.ravel(), s.ravel())[0, 1] for r, s in zip(R, S)])


patch, alike, drawn = squares(x, 7, row, column), {}, {}
for name, method in (("deconvnet", attribution.deconvnet), ("gradient", attribution.gradient)):
    own = send_back(method, net, 7, x, row, column, k)
    changed = {"another map": send_back(method, net, 7, x, row, column, other),
               "another image": send_back(method, net, 7, x[swap], row[swap], column[swap], k),
               "both": send_back(method, net, 7, x[swap], row[swap], column[swap], other)}
    alike[name] = {what: metrics.mean_and_error(cosine(own, R)) for what, R in changed.items()}
    drawn.update({f"{name},\nits own map": own, f"{name},\nanother map": changed["another map"]})
shown = [int(np.flatnonzero(labels[:COUNT] == digit)[0]) for digit in (0, 2, 3, 4, 5, 8)]
plot.heatmaps({name: R[shown] for name, R in drawn.items()}, patch[shown], quantile=0.995,
              title="The strongest neuron, and a wrong one in its place")
plot.bars(alike, "cosine with the reconstruction of the strongest neuron",
          "Deconvnet: a portrait of the image more than of the neuron")
for name, values in alike.items():
    print(f"{name:10}", "   ".join("{}: {:5.2f} +- {:.2f}".format(what, *value) for what, value in values.items()))

# %%
# Nie et al. explain why: each ReLU makes the signals of the deconvolutional network positive, so that those of two maps
# have much in common, and the switches, which know the image and not the neuron, put them where the strokes are. They
# predict that no learning is needed. So we send back through random weights, too, and correlate with the patch.

rough = Network([layer.with_weights(rng.standard_normal(layer.W.shape, dtype=np.float32) * layer.W.std(), None)
                 if isinstance(layer, Conv2d) else layer for layer in net.layers[:7]])
likeness = {}
for name, network, maps in (("its own map", net, k), ("another map", net, other), ("random weights", rough, k)):
    R = send_back(attribution.deconvnet, network, 7, x, row, column, maps)
    likeness[name] = metrics.mean_and_error(correlation(R, patch))
    print("deconvnet, {:15} correlation with the patch {:.2f} +- {:.2f}".format(name, *likeness[name]))

# %%
# A wrong map in the same image still draws much of the same picture (cosine 0.54), the right map in another image does
# not (0.16; chance is 0.05). And random weights draw the patch as well as learnt ones: correlations of 0.50 and 0.48.
# So a crisp reconstruction is no proof that the neuron cares for what is seen in it. The gradient, whose signals keep
# their signs, tells the two maps apart (-0.10), but it depends on the image, too (0.05 for another one).
#
# Honest use: look for what the reconstructions of *many* images have in common, as in the second convolution above.
#
# Try this
# --------
# 1. Replace the pooling by one without switches, ``AvgPool2d(2)``, in a copy of the network. What is left of the
#    reconstruction?
# 2. Use ``attribution.guided_backprop`` (lesson 3.3) as a third method. Which of the two changes does it notice?

of = {name: {what: mean for what, (mean, _) in values.items()} for name, values in alike.items()}
assert of["deconvnet"]["another map"] > 2 * of["deconvnet"]["another image"], "a portrait of the image, not the neuron"
assert of["gradient"]["another map"] < 0.1, "the gradient tells two neurons apart"
assert likeness["random weights"][0] > 0.8 * likeness["its own map"][0], "and the likeness needs no learning"
plot.show()
