r"""
3.1 Deconvolution
=================

**You will see** how a neuron deep inside a network is asked which pattern in the image made it fire, and how much of
the answer belongs to the neuron, how much to the image; that depends on the layer.

**Before this:** 0.1 (layers and traces).

**Papers:** Zeiler & Fergus 2014, *Visualizing and understanding convolutional networks*, section 2.1; Nie, Zhang &
Patel 2018, *A theoretical explanation for perplexing behaviors of backpropagation-based visualizations*.
"""
import numpy as np

from minixnn import Conv2d, MaxPool2d, Network, ReLU, attribution, datasets, metrics, models, passes, plot

# %%
# A riddle
# --------
# Three rows of pictures, made by deconvolution from a network that reads digits and the five digits above them. One row
# was asked why the digit is what it is; one why it is the digit that follows, so a wrong one; and one was made by a
# network whose weights are random numbers. Which is which? The answer is at the end.

images, labels = datasets.mnist("test")
net, rng = models.load("cnn"), np.random.default_rng(0)
rough = Network([layer.with_weights(rng.standard_normal(layer.W.shape, dtype=np.float32) * layer.W.std(), None)
                 if hasattr(layer, "W") else layer for layer in net.layers])
five = [int(np.flatnonzero(labels == digit)[0]) for digit in range(0, 10, 2)]
plot.heatmaps({"A": attribution.deconvnet(net, images[five], (labels[five] + 1) % 10),
               "B": attribution.deconvnet(rough, images[five], labels[five]),
               "C": attribution.deconvnet(net, images[five], labels[five])}, images[five], quantile=0.995,
              title="Right class, wrong class, random weights: which is which?")

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
# What excites one map most
# -------------------------
# A neuron of the second convolution sees 8 x 8 pixels, one of the third 18 x 18; no other pixel can make it fire, so we
# look at this square only. From a single image one cannot tell a feature from a coincidence. So, as Zeiler & Fergus do,
# we search 1,000 digits for the eight that excite a feature map most, start with 1 at the place of its peak, and send
# that back. Is the result a portrait of the map, or of the image? We change one at a time: *the same map* in another of
# its eight images; and *another map* in the same place of the same image, the one that fires most there after it.
# (After +- stands the standard error.)

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


def strongest(l, maps=64):
    """For each map its eight images, the place of the peak in each, and the map that fires most there after it."""
    A = Network(net.layers[:l]).predict(images[:1000])                      # (1000, height, width, all maps)
    peaks, k = A.max(axis=(1, 2)), np.repeat(np.arange(maps), 8)
    best = peaks[:, :maps].argsort(axis=0)[:-9:-1].T.ravel()                # (8 maps)
    row, column = np.divmod(A[best, :, :, k].reshape(len(k), -1).argmax(axis=1), A.shape[2])
    there = A[best, row, column]
    there[np.arange(len(k)), k] = -np.inf
    return images[best], row, column, k, there.argmax(axis=1)


def cosine(R, S):
    return (R * S).sum(axis=(-2, -1)) / np.sqrt((R ** 2).sum(axis=(-2, -1)) * (S ** 2).sum(axis=(-2, -1))).clip(1e-12)


def pairs(R, S):
    """The mean cosine of two different images of the same map: (8 maps, ...) -> (maps,)"""
    R, S = (r.reshape(-1, 8, *r.shape[1:]) for r in (R, S))
    return np.mean([cosine(R, np.roll(S, shift, axis=1)).mean(axis=1) for shift in range(1, 8)], axis=0)


found, closer, drawn = {}, {}, {}
print("cosine of two reconstructions, 64 maps of eight images")
for depth, l in ((2, 4), (3, 7)):
    x, row, column, k, other = strongest(l)
    patch = squares(x, l, row, column)
    for name, method in (("deconvnet", attribution.deconvnet), ("gradient", attribution.gradient)):
        own, wrong = (send_back(method, net, l, x, row, column, maps) for maps in (k, other))
        values = {"same map, another image": pairs(own, own),
                  "another map, same image": cosine(own, wrong).reshape(64, 8).mean(axis=1), "both": pairs(own, wrong)}
        found[f"{name}, conv. {depth}"] = {what: metrics.mean_and_error(value) for what, value in values.items()}
        closer[name, depth] = metrics.paired(values["another map, same image"], values["same map, another image"])
        if name == "deconvnet":
            drawn[depth] = patch, own, wrong, values["same map, another image"].argsort()[32]        # a typical one
        print(f"{name:10} conv. {depth}:", "   ".join("{}: {:.2f} +- {:.2f}".format(what, *value) for what, value in
                                                      found[f"{name}, conv. {depth}"].items()))
        print("{:20} the image more than the map: {:5.2f} +- {:.2f}, in {:.0%} of the maps".format(
            "", *closer[name, depth]))
    print(f"{'':20} cosine of two of the eight patches: {pairs(patch, patch).mean():.2f}")
for depth, (patch, own, wrong, typical) in drawn.items():
    these = slice(8 * typical, 8 * typical + 6)
    plot.heatmaps({f"map {typical}": own[these], "another map,\nsame place": wrong[these]}, patch[these], quantile=.995,
                  title=f"Convolution {depth}: six patches that excite map {typical} most")
plot.bars({what: {name: values[what] for name, values in found.items()} for what in list(found.values())[0]},
          "cosine of two reconstructions", "What a reconstruction keeps: the map, the image, or neither")

# %%
# Red is where more ink would strengthen the signal, blue where it would weaken it; both maps are typical ones. In the
# third convolution the image counts for more: another map in the same place draws much of the same picture (cosine
# 0.69), the same map in another image does less (0.31; chance is 0.19). In the second convolution the two are tied
# (0.66 and 0.66). The patches belong beside these numbers: two of the eight have a cosine of 0.84 there and of 0.58 in
# the third, so the same map seldom meets the same picture there. The gradient, whose signals keep their signs, tells
# two maps apart better in either layer; in the second it keeps more of the map (0.57) than of the image (0.25).
#
# One question, measured: must a network have learnt to draw like this?
# ---------------------------------------------------------------------
# Nie et al. explain what makes the image come back: each ReLU makes the signals of the deconvolutional network
# positive, so that those of two maps have much in common, and the switches, which know the image and not the neuron,
# put them where the strokes are. They predict that no learning is needed. So we send back through random weights, too,
# of two draws, and correlate with the patch. The control is the patch of another image.


def correlation(R, S):
    return np.array([np.corrcoef(r.ravel(), s.ravel())[0, 1] for r, s in zip(R, S)])


x, row, column, k, other = strongest(7, maps=40)
patch, likeness = squares(x, 7, row, column), {}
again = Network([layer.with_weights(rng.standard_normal(layer.W.shape, dtype=np.float32) * layer.W.std(), None)
                 if isinstance(layer, Conv2d) else layer for layer in net.layers[:7]])
for name, network, maps in (("its own map", net, k), ("another map", net, other), ("random weights", rough, k),
                            ("other random weights", again, k)):
    R = send_back(attribution.deconvnet, network, 7, x, row, column, maps)
    likeness[name] = correlation(R, patch)
    print("deconvnet, {:21} correlation with the patch {:.2f} +- {:.2f}, with another's {:.2f}".format(
        name, *metrics.mean_and_error(likeness[name]), correlation(R, np.roll(patch, 8, axis=0)).mean()))
less = metrics.paired(likeness["its own map"], (likeness["random weights"] + likeness["other random weights"]) / 2)
print("learnt less random weights: {:.2f} +- {:.2f}, more for {:.0%} of the patches".format(*less))

# %%
# Random weights draw the patch nearly as well (correlations of 0.46 and 0.43) as learnt ones (0.48), and so does a
# wrong map (0.45). Learning adds 0.03. So a crisp reconstruction is no proof that the neuron cares for what is seen in
# it. Honest use: look for what the reconstructions of *many* images have in common, and ask the same of another map.
#
# The riddle: A was asked for a wrong class, B has random weights, C was asked for the right class.
#
# Try this
# --------
# 1. Replace the pooling by one without switches, ``AvgPool2d(2)``, in a copy of the network. What is left of the
#    reconstruction?
# 2. Use ``attribution.guided_backprop`` (lesson 3.3) as a third method. Which of the two changes does it notice?

image, map_ = closer["deconvnet", 3], closer["gradient", 2]
assert image.difference > 5 * image.error and map_.difference < -5 * map_.error, "here the image, there the map"
assert abs(closer["deconvnet", 2].difference) < 0.1, "and in the second convolution deconvnet keeps both"
assert less.difference + 2 * less.error < 0.2 * likeness["its own map"].mean(), "most of the likeness needs no learning"
plot.show()
