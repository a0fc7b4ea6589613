r"""
0.3 Training a network
======================

**You will see** that training is a loop of a dozen lines around the gradient, why training accuracy can be memory and
nothing else, and how many examples it takes to read digits.

**Before this:** 0.1 (layers and traces).

**Papers:** Kingma & Ba 2015, *Adam: a method for stochastic optimization*, algorithm 1; He et al. 2015, *Delving deep
into rectifiers*, equation 10 (how to draw the first weights); Zhang et al. 2017, *Understanding deep learning requires
rethinking generalization* (networks can learn random labels).
"""
import numpy as np

from minixnn import Dense, Flatten, Network, ReLU, datasets, plot
from minixnn.layers.softmax import softmax
from minixnn.train import SGD, Adam, accuracy, cross_entropy, fit

# %%
# The loss
# --------
# The last layer gives one number :math:`z_k` for each class :math:`k`, the *logit*. The softmax makes probabilities of
# them, and the *loss* says how bad they are, from the probability of the right class :math:`c` (cross-entropy):
#
# .. math:: p_k = \frac{e^{z_k}}{\sum_{k'} e^{z_{k'}}} , \qquad L = - \log p_c , \qquad
#           \frac{\partial L}{\partial z_k} = p_k - [k = c] ,
#
# where :math:`[k = c]` is 1 for the right class and 0 for the others. By hand: two classes with logits 0 and 0 have
# :math:`p = (1/2, 1/2)`; if the second is right, :math:`L = \log 2 \approx 0.693` and the gradient is
# :math:`(1/2, -1/2)`: less of the first, more of the second.

net = Network([Dense(np.zeros((1, 2)))])        # one input, two classes, no bias
x, label = np.array([[2.0]]), np.array([1])
z = net.forward(x)
p = np.exp(z) / np.exp(z).sum()
loss, dz = -np.log(p[0, 1]), p - [[0, 1]]
assert np.array_equal(p, softmax(z)) and np.array_equal(dz, cross_entropy(z, label)[1]), "as in the package"
print("probabilities", p, "loss", round(loss, 3), "gradient at the logits", dz)

# %%
# One step
# --------
# The weights are moved against the gradient, times a *learning rate* :math:`\eta`:
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
# layer that has weights a step. Here it is for real digits, 100 at a time. The last 10,000 training images are put
# aside for *validation*, to look at while we work. The test images wait for the last question, and guide no choice.

images, labels = datasets.mnist("train")
test_images, test_labels = datasets.mnist("test")
validation = images[50000:], labels[50000:]


def fresh(rng):                                 # the first weights are drawn at random, normal, of variance 2 / inputs
    return Network([Flatten(), Dense.random(784, 64, rng), ReLU(), Dense.random(64, 10, rng, init="glorot")])


net = fresh(np.random.default_rng(0))
for n in range(0, 6000, 100):
    x, label = images[n:n + 100], labels[n:n + 100]
    A = net.trace(x)                                                        # forwards
    _, dy = cross_entropy(A[-1], label)
    for l in reversed(range(len(net.layers))):                              # and backwards
        layer = net.layers[l]
        gradients = layer.parameter_gradients(A[l], dy)                     # {"W": dL/dW, "b": dL/db}, or empty
        dy = layer.gradient(A[l], A[l + 1], dy)                             # <- STEP INTO: before W is changed
        for name, g in gradients.items():
            layer.arrays()[name][...] -= 0.1 * g                            # in place
print(f"right on {accuracy(net, *validation):.1%} of the validation images (chance: 10 %)")

# %%
# ``fit`` is this loop with three improvements: it shuffles the images for every *epoch* (one round through all), lets
# the learning rate fall, and steps by Adam, which divides the gradient of each weight by its usual size, so that one
# rate suits all. It reports the training accuracy as a mean over the epoch; we also measure it after each epoch.

stands, W = [], []                              # accuracy and weights after each epoch, the first before training


def serve(epoch):                               # fit asks for the images of an epoch when it begins
    stands.append(accuracy(net, images[:10000], labels[:10000]))
    W.append(net.layers[1].W.copy())
    return images[:10000], labels[:10000]


rng = np.random.default_rng(0)
net = fresh(rng)
history = fit(net, serve, epochs=8, rng=rng, optimizer=Adam(2e-3), validation=validation, quiet=True)
serve(8)
averaged, held_out = ([each[key] for each in history] for key in ("accuracy", "validation"))
lines = {"training, mean of epoch": averaged, "training, at its end": stands[1:], "validation, at its end": held_out}
plot.curves(np.arange(1, 9), {name: 100 * np.array(line) for name, line in lines.items()}, "epoch",
            "right answers in %", "Training accuracy counted in two ways, and validation accuracy")
print("from epoch 1 to 8:", *(f"{name} {line[0]:.1%} to {line[7]:.1%};" for name, line in lines.items()))

# %%
# In the first epoch the training accuracy seems to lie *below* that on images never seen, 80.4 % against 90.5 %. That
# is how it is counted: the mean of an epoch contains the early answers of a network that could not read yet. After the
# epoch it is 91.4 %. (Dropout and shifted copies, in use only while a network learns, have the same effect.) At the end
# it is 96.2 %, and 93.6 % for images never seen.
#
# The weights that lead to one hidden neuron are as many as there are pixels, so they can be drawn as an image:

ten = np.argsort(-abs(W[8]).sum(axis=0))[:10]                               # the ten with the largest weights
plot.heatmaps({"before": W[0].T[ten], "after epoch 1": W[1].T[ten], "after epoch 8": W[8].T[ten]}, scale="figure",
              names=[f"neuron {k}" for k in ten], title="Weights from the pixels to ten hidden neurons")
plain = fresh(np.random.default_rng(0))
fit(plain, images[:10000], labels[:10000], 8, np.random.default_rng(0), SGD(0.1, momentum=0), quiet=True)
inked = (images[:10000] > 0).sum(axis=0).ravel()                            # in how many images a pixel has ink
print("\nmean change of the weights of pixels with ink in   0   1 to 3   4 to 300   more than 300 of 10,000 images")
for name, after in (("Adam", W[8]), ("plain steps", plain.layers[1].W)):
    groups = [inked == 0, (inked > 0) & (inked <= 3), (inked > 3) & (inked <= 300), inked > 300]
    print(f"{name:43}", *(f"{abs(after - W[0])[group].mean():8.4f}" for group in groups))

# %%
# A pixel without ink gives no gradient to its weights, :math:`x_j = 0`, so they stay as they were drawn. Under Adam the
# weights of a pixel with ink in 1 to 3 of 10,000 images move by 0.031, two thirds as far as where ink is common
# (0.046); under plain steps by 0.0001, against 0.019. So strong weights near the rim may rest on a handful of images.
#
# One question, measured
# ----------------------
# How many examples does it take, and what does training accuracy say? The same network, on 100 to 30,000 images. The
# control: the same images with their labels in random order, where there is nothing to learn but the list itself. Two
# ways to be fair: with equal *steps* (30,000 images shown in all, so each of 100 images is seen 300 times, each of
# 30,000 once), and with equal *epochs* (each image is seen 60 times). Three runs for each of the first, with other
# images and other first weights; after +- stands the standard error of the mean.

sizes, names = (100, 300, 1000, 3000, 30000), ("test images", "training images", "random labels")
runs = np.empty((len(sizes), 3, 3))                                         # (sizes, runs, names), in %


def trained(size, seed, epochs, right=True):
    """A network and the images and labels it was shown; the labels are shuffled unless they are `right`."""
    rng = np.random.default_rng(seed)
    some = rng.permutation(50000)[:size]
    x, y = images[some], labels[some] if right else rng.permutation(labels[some])
    net = fresh(rng)
    fit(net, x, y, epochs, rng, Adam(2e-3), quiet=True)
    return net, x, y


for size, of_size in zip(sizes, runs):
    for seed in range(3):
        net, x, y = trained(size, seed, 30000 // size)
        of_size[seed] = [100 * accuracy(net, test_images, test_labels), 100 * accuracy(net, x, y),
                         100 * accuracy(*trained(size, seed, 30000 // size, right=False))]
means, errors = runs.mean(axis=1), runs.std(axis=1, ddof=1) / 3 ** 0.5
for size, *results in zip(sizes, means, errors):
    print(f"{size:6,} images", *(f"  {name} {m:.1f} +- {e:.1f} %" for name, m, e in zip(names, *results)))
longer = {size: 100 * accuracy(*trained(size, 0, 60, right=False)) for size in sizes[:4]}
print("random labels, 60 epochs: " + ", ".join(f"{size:,} images {share:.0f} %" for size, share in longer.items()))
plot.curves(sizes, {name: (means[:, k], errors[:, k]) for k, name in enumerate(names)} | {
    "random labels, 60 epochs": np.array([*longer.values(), np.nan])}, xscale="log",
    xlabel="different training images", ylabel="right answers in %",
    title="Random labels are memorised, too, if they are seen often enough")

# %%
# With 100 images the network is right on all of them, and on all random labels, too: such an accuracy is memory. On new
# images it has 73.1 +- 1.6 %, with 30,000 images 92.3 %, as on those it learnt from. Are thousands of random labels out
# of its reach, then? With equal steps it looks like it: 28.9 % of 3,000, 11.7 % of 30,000. But there an image is seen
# ten times, or once. With 60 epochs the same network has memorised 80 % of 3,000. So it was a lack of epochs, as Zhang
# et al. say: networks can learn random labels. Training accuracy alone tells nothing of new images. The networks of the
# following lessons come from the same ``fit``, on all 60,000 images.
#
# Try this
# --------
# 1. How many random labels does a network of 512 hidden neurons memorise in 60 epochs?
# 2. Train without ReLU. How far does one linear map come?

assert averaged[0] < held_out[0] < stands[1], "counted after the epoch, training images are not behind"
assert (np.diff(means[:, 0]) > 0).all(), "more examples, fewer mistakes on new images"
assert means[0, 2] == 100 and means[3, 2] < 50 < 75 < longer[3000], "random labels are a matter of epochs"
plot.show()
