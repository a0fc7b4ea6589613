r"""
0.0 Look first
==============

**You will see** relevance flow back through a network, in a page to draw digits on; the same path followed in Python,
from the answer down to one pixel, with nothing lost on the way; and, measured, how much the page leaves out.

**Before this:** nothing. Words that are new here are explained in the lessons that follow.

**Papers:** Bach et al. 2015, *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
propagation*.
"""
import numpy as np

from minixnn import Conv2d, Dense, MaxPool2d, Network, ReLU, datasets, models, passes, plot
from minixnn.rules import composites

# %%
# The microscope
# --------------
# `Open the relevance microscope <../microscope.html>`_, or make the page yourself; it is one file, needs no network,
# and can hold a network of your own (``plot.microscope(net, images)``):
#
# .. code-block:: text
#
#    minixnn microscope -o microscope.html
#
# Draw a digit. The columns are the layers of a network that reads it, from the pixels at the left to ten outputs, one
# for each digit, at the right. The largest output is the answer. It is also the *relevance* that there is to give
# away: each neuron shares out what it has among its inputs, layer by layer, until all has come down to the pixels.
# Red spoke for the answer, blue against it.
#
# Three things to do there:
#
# 1. Point at a neuron. The formula shows how it shares out its relevance, with its own numbers; the table shows which
#    inputs receive most.
# 2. Click one of these inputs, and again, until you stand at a pixel.
# 3. Choose other rules, at the top for all layers or above one column, and watch the heatmap change.
#
# The same in Python
# ------------------
# ``trace`` computes what every layer hands to the next one, ``passes.lrp`` what comes back. One entry of ``rules``
# says how one layer shares.

images, labels = datasets.mnist("test")
net = models.load("cnn").astype(np.float64)
rules = composites.rules_for(net, composites.epsilon_plus)
x = images[labels == 3][:1].astype(np.float64)                      # (1 image, 28, 28, 1)
A = net.trace(x)
R = passes.lrp(net, x, rules=rules)                                 # <- STEP INTO
answer = int(A[-1].argmax())
print(f"the network reads {answer}; this output is {A[-1].max():.4f}\n")
for l in reversed(range(len(net.layers))):
    print(f"relevance of what enters {str(net.layers[l]):56} {R[l].sum():.4f}")

# %%
# Every layer holds the same sum: this network has no biases, and relevance is neither made nor lost. (Where there are
# biases they keep a part. The page shows it under "Where relevance went", and lesson 6.1 is about it.)
#
# Eight clicks
# ------------
# To click on a neuron means: forget all others, and ask where the relevance of this one goes. A pass can begin in the
# middle, with the relevance of one neuron (``start``) and the layers below it. We follow the input that receives most.


def called(shape, k):
    """The name of neuron k of one image in a layer of this shape, as the page writes it."""
    return f"neuron {k}" if len(shape) == 1 else "map {2} ({0}, {1})".format(*np.unravel_index(k, shape))


k, parts = answer, {}
for l in reversed(range(len(net.layers))):
    if isinstance(net.layers[l], (Conv2d, Dense, MaxPool2d)):       # the others hand on neuron by neuron
        alone = np.zeros_like(R[l + 1])
        alone.flat[k] = R[l + 1].flat[k]
        below = passes.lrp(Network(net.layers[:l + 1]), x, rules=rules[:l + 1], start=alone)
        name, kind = called(A[l + 1].shape[1:], k), type(net.layers[l]).__name__
        if kind != "MaxPool2d":                                     # where one input gets all, the picture stays
            parts[f"{kind}\n{name}\nR = {alone.sum():.3f}"] = below[0]
        k = int(abs(below[l]).argmax())
        print(f"{name:16} of {kind:9} has {alone.sum():.4f}, of which one input receives {below[l].flat[k]:.4f}")
pixel = np.unravel_index(k, x.shape[1:])
print(f"the pixel in row {pixel[0]}, column {pixel[1]} has {R[0].flat[k]:.4f} in all")
plot.heatmaps({"its part of\nthe heatmap": np.concatenate(list(parts.values()))}, names=list(parts),
              title="From the answer down to one pixel")

# %%
# An input receives from many neurons: "neuron 102" gives 0.0581 to one input, but that input has 0.6215, from all 256
# neurons together. And the last step hands the pixel 0.0111 of 7.3753, 0.15 % of the answer. A path is easy to follow,
# but there are very many of them.
#
# That the parts are parts of one heatmap can be checked: those of all 256 neurons of the dense layer, each computed
# alone, must add up to the whole.

l = 12                                                              # layer 11 is the first dense one
each = np.diag(R[l][0])                                             # (256, 256): row k has the relevance of neuron k
below = passes.lrp(Network(net.layers[:l]), np.repeat(x, 256, axis=0), rules=rules[:l], start=each)
assert np.allclose(below[0].sum(axis=0), R[0][0]), "the parts of all neurons of a layer are the whole heatmap"

# %%
# One question, measured
# ----------------------
# A column of the page shows the six strongest maps or the ten strongest neurons. How much of the relevance is that? For
# 500 test digits, and two networks, we add up the sizes :math:`|R|`. What would chance show? Not six maps drawn by lot:
# the page picks the largest after looking, and the largest of anything hold more than their number. Three controls
# therefore pick, too: the largest of *random shares* (as when a stick is broken in many places); the largest in the
# same network with *random weights*; and those maps that are most *active*, without a look at relevance.

some, rng = images[:500], np.random.default_rng(0)


def shares(net):
    """{layer: share (500, maps) of |R|, and how active (500, maps)} behind each ReLU, and how many the page shows."""
    A, R = net.trace(some), passes.lrp(net, some, rules=composites.epsilon_plus)
    for l, layer in enumerate(net.layers):
        if isinstance(layer, ReLU):
            active, size = (v.reshape(500, -1, v.shape[-1]).sum(axis=1) for v in (A[l + 1], abs(R[l + 1])))
            yield type(net.layers[l - 1]).__name__, size / size.sum(axis=1, keepdims=True), active, \
                6 if A[l + 1].ndim == 4 else 10


def largest(share, n):
    return np.sort(share, axis=1)[:, -n:].sum(axis=1).mean()


held = []
print("\nbehind                      shown    they hold   random shares  random weights  most active   half is held by")
for name in ("cnn", "dense_no_bias"):
    net = models.load(name)
    rough = Network([layer.with_weights(rng.standard_normal(layer.W.shape, dtype=np.float32) * layer.W.std(), None)
                     if hasattr(layer, "W") else layer for layer in net.layers])
    for (kind, share, active, n), (_, other, _, _) in zip(shares(net), shares(rough)):
        broken, C = rng.exponential(size=share.shape), share.shape[1]
        by_active = np.take_along_axis(share, (-active).argsort(axis=1)[:, :n], axis=1).sum(axis=1).mean()
        half = int(np.median((np.sort(share, axis=1)[:, ::-1].cumsum(axis=1) < 0.5).sum(axis=1) + 1))
        held.append([largest(share, n), largest(broken / broken.sum(axis=1, keepdims=True), n), largest(other, n)])
        print(f"{name:13} {kind:7} {n:3} of {C:3}" + "".join(f"{100 * value:14.0f} %" for value in held[-1])
              + f"{100 * by_active:12.0f} % {half:12} of {C}")

# %%
# The columns show 23 to 41 % of a layer's relevance in ``cnn``, and that is no more than picking shows anyway: 49 % of
# random shares in the first layer, 50 % with random weights. In the deeper layers it is more: 39 % of the dense layer,
# where random shares would show 16 and random weights 35; in the other network 36 and 64 %, against 20 and 58 % with
# random weights. Half of the relevance is spread over 9 of 32, 15 of 64 and 21 of 128 maps. So believe the sums and the
# heatmap, which leave out nothing. A single path is an example, not the reason for the answer.
#
# Try this
# --------
# 1. Draw a 4 whose top you close stroke by stroke, until the network reads a 9. Which strokes speak for the 9?
# 2. Choose LRP-0 for all layers, in the page and in this script. How large does relevance become on the way?
# 3. Follow the input that receives *least* at each step. Where does this path end?

assert held[0][0] < min(held[0][1:]) and held[3][0] > max(held[3][1:]), "picking alone shows much"
plot.show()
