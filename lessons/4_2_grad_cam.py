r"""
4.2 Grad-CAM
============

**You will see** how gradients take the place of the weights that class activation maps need, so that any
convolutional network will do; what is assumed on the way; and how much depends on the layer that one looks at.

**Before this:** 4.1 (class activation maps), 3.3 (guided backpropagation).

**Paper:** Selvaraju et al. 2017, *Grad-CAM: visual explanations from deep networks via gradient-based localization*,
section 3.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Flatten, GlobalAvgPool, Network, attribution, datasets, metrics, models, passes, plot
from minixnn.attribution.cam import bilinear

COUNT = 500             # scenes to measure on

# %%
# A weight for every feature map
# ------------------------------
# A class activation map weights the feature maps :math:`A_{ijk}` (row :math:`i`, column :math:`j`, map :math:`k`) by
# the weights of the last layer. If other layers follow there is no such weight. Grad-CAM asks instead how the output
# :math:`y_c` of class :math:`c` changes with the map, and averages the answers over its :math:`h \times w` places:
#
# .. math::
#    g_{ijk} = \frac{\partial y_c}{\partial A_{ijk}} , \qquad a_k = \frac{1}{h w} \sum_{ij} g_{ijk} , \qquad
#    R_{ij} = \Bigl( \sum_k a_k A_{ijk} \Bigr)^+ .
#
# The positive part leaves what speaks for the class. On a head of global average pooling and one dense layer,
# :math:`g_{ijk} = w_{kc} / (h w)` at every place: there Grad-CAM is CAM divided by :math:`h w`, and rectified.
#
# By head, with the two maps of lesson 4.1 and their weights 3 and -1: all gradients are 3/4 and -1/4, and the map holds
# 4 times 3/4 and 8 times -1/4. CAM found 12 and -8.

A = np.zeros((1, 2, 2, 2))                                  # (1 image, 2 rows, 2 columns, 2 maps)
A[0, 0, 0, 0], A[0, 1, 1, 1] = 4, 8
pooled = Network([GlobalAvgPool(), Dense(np.array([[3.0], [-1.0]]))])
R = attribution.grad_cam(pooled, A, 0, layer=0, resize=False, rectify=False)        # <- STEP INTO
print("Grad-CAM before the positive part is taken:", R[0].tolist())

# %%
# Where it breaks
# ---------------
# The average over the places assumes that a map means the same wherever it is active. A dense head may think
# otherwise. Let the first map have the weight 3 at its upper left corner and -1 at the three other places, and the
# second map none: the output is :math:`3 \cdot 4 = 12`, all due to the first map, but its weights average to nothing.

W = np.zeros((2, 2, 2, 1))                                  # (rows, columns, maps, 1 output)
W[:, :, 0, 0] = [[3, -1], [-1, -1]]
placed = Network([Flatten(), Dense(W.reshape(8, 1))])
R = attribution.grad_cam(placed, A, 0, layer=0, resize=False)
g = passes.gradient(placed, A, 0)[0]
print("output", placed.forward(A)[0, 0], " Grad-CAM", R[0].tolist(), " g A before averaging",
      (g * A).sum(axis=3)[0].tolist())

# %%
# Ten scenes
# ----------
# Scenes as in lesson 4.1, read by a network that ends in two dense layers. Its last feature maps are 10 x 10 before
# the pool and 5 x 5 after it. We take those before, ``layer=8``: lower down than necessary, and the measurement below
# says why. *Guided Grad-CAM* is the map times guided backpropagation: the first tells where, the second draws fine
# lines.

net = models.load("cluttered_dense")
images, labels, boxes = datasets.cluttered_mnist(COUNT, seed=1, split="test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
x, target = images[ten], labels[ten]
print(f"\n{models.record('cluttered_dense')['accuracy']:.2%} of unseen scenes are read correctly")
print(net.describe(x=x))
fine = partial(attribution.grad_cam, layer=8)
plot.overlay(x, fine(net, x, target), [f"class {c}" for c in target],
             "Grad-CAM on a network with a dense head", boxes=boxes[ten])
guided = partial(attribution.guided_grad_cam, layer=8)
rows = {"Grad-CAM": fine, "guided backprop": attribution.guided_backprop, "guided Grad-CAM": guided}
plot.heatmaps({name: method(net, x, target) for name, method in rows.items()}, x, target,
              "Where, in what detail, and both", quantile=0.998, boxes=boxes[ten])

# %%
# One question, measured: which layer?
# ------------------------------------
# Any feature maps can be asked. The share of the positive relevance inside the digit's box, and how often the largest
# value lies inside:

even = metrics.inside_box(np.ones_like(images), boxes).mean()
print(f"\n{COUNT} scenes; the boxes cover {even:.1%} of them")


def measure(name, method):
    found = metrics.localization(method, net, images, boxes, labels, quiet=True)
    print(f"  {name:39} inside {found.inside.mean():6.1%}   largest inside {found.hits.mean():6.1%}")
    return found.inside.mean()


A = net.trace(images[:1])
share = {l: measure(f"Grad-CAM, maps {A[l].shape[1]} x {A[l].shape[2]} entering layer {l}",
                    partial(attribution.grad_cam, layer=l)) for l in (9, 8, 6, 5, 3)}

# %%
# One layer, the pool, makes all the difference between the first two lines. Max pooling hands its gradient to the
# winners, so the weights :math:`a_k` are the same before and after it, but for the factor 4 of the average. Only the
# maps differ: before the pool they are twice as fine. Further down the maps do not belong to digits any more but to
# strokes, and one weight for a stroke wherever it lies says little.

a = {l: passes.gradient(Network(net.layers[l:]), A[l], 0)[0].mean(axis=(1, 2)) for l in (8, 9)}
print(f"the weights before and after the pool differ by a factor of {np.median(a[9] / np.where(a[8], a[8], 1)):.3f}\n")

# %%
# And what does the averaging cost? Without it, :math:`R_{ij} = (\sum_k g_{ijk} A_{ijk})^+`, the gradients keep their
# places (Draelos & Carin 2020 call this HiResCAM).


def unaveraged(net, x, target, layer=8):
    A = Network(net.layers[:layer]).forward(x)
    g = passes.gradient(Network(net.layers[layer:]), A, target)[0]
    R = (g * A).sum(axis=3).clip(min=0)
    return bilinear(R, x.shape[1:3])[..., None]                             # stretched as Grad-CAM is


for name, method in {"the same without averaging": unaveraged, "guided backprop": attribution.guided_backprop,
                     "guided Grad-CAM": guided, "gradient x input": attribution.gradient_times_input}.items():
    measure(name, method)

# %%
# Averaging moves relevance out of the box: the gradients do depend on the place. The methods that work pixel by pixel
# hit the digit more often still, though guided backpropagation does so for a reason that has little to do with the
# class. How alike are the maps of two classes, that of the digit and that of the strongest other one? A cosine of 1
# means the same map.

second = np.argsort(net.predict(images), axis=1)
second = np.where(second[:, -1] == labels, second[:, -2], second[:, -1])
alike = {}
print("\ncosine between the maps of the digit's class and of the strongest other class, mean")
for name, method in {**rows, "gradient x input": attribution.gradient_times_input}.items():
    R, S = (method(net, images, c).reshape(COUNT, -1) for c in (labels, second))
    sizes = np.linalg.norm(R, axis=1) * np.linalg.norm(S, axis=1)
    alike[name] = ((R * S).sum(axis=1) / np.where(sizes, sizes, 1)).mean()
    print(f"  {name:20} {alike[name]:5.2f}")

# %%
# Guided backpropagation draws nearly the same picture for either class, so it owes its high score to the digit, which
# excites the network most, and not to the question asked. The product with Grad-CAM is as specific as Grad-CAM is, no
# more; gradient x input, which may turn its sign, tells the two classes apart best.
#
# Try this
# --------
# 1. Draw ``attribution.grad_cam(net, x, target, layer=8, rectify=False)``. Where is the negative part, on the digit or
#    on the pieces?
# 2. Explain one class against another: ``start=attribution.contrast(net, x, 4, 9, relevance=False)``.

assert np.allclose(4 * a[8], a[9], rtol=1e-3, atol=1e-6), "a pool does not change the weights of the maps"
assert share[8] > share[9] + 0.1, "but it does make the maps coarse"
gap = models.load("cluttered_gap")
R, S = attribution.grad_cam(gap, x, target, resize=False, rectify=False), attribution.cam(gap, x, target, resize=False)
assert np.allclose(R, S / 100, rtol=1e-3, atol=1e-5), "on global average pooling Grad-CAM is CAM / (h w)"
plot.show()
