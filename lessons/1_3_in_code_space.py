r"""
1.3 Activation maximization in code space
=========================================

**You will see** prototypes that look as if written by hand, because the search may only choose among images that a
generator can draw; and how the three ways to make prototypes compare.

**Before this:** 1.1 (activation maximization), 1.2 (with an expert).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 3.3;
Nguyen et al. 2016, *Synthesizing the preferred inputs for neurons in neural networks via deep generator networks*;
Dosovitskiy & Brox 2016, *Generating images with perceptual similarity metrics based on deep networks*.
"""
import numpy as np

from minixnn import Dense, Network, datasets, models, plot, synthesis, train
from minixnn.synthesis import generator

# %%
# Choose a code, not pixels
# -------------------------
# A *generator* :math:`g` draws an image from a short code :math:`z`. We leave the pixels alone and move the code until
# the image pleases the class :math:`c`, whose logit is :math:`f_c`; a penalty keeps the code near a code :math:`m`:
#
# .. math:: z^* = \arg\max_z \; f_c(g(z)) - \lambda \lVert z - m \rVert^2 , \qquad x^* = g(z^*) .
#
# The gradient goes back through the network to the image, and on through the generator to the code.
#
# By head: the generator draws two pixels from one number, :math:`g(z) = (3z, z)`, so all its images lie on a line. The
# logit is :math:`x_1 + x_2`, which is :math:`4 z`; with :math:`\lambda = 1` the top of :math:`4 z - z^2` is
# :math:`z = 2`, the image :math:`(6, 2)`. Left to themselves both pixels would be alike, :math:`(1/2, 1/2)`, off the
# line.

pen, score = Network([Dense(np.array([[3.0, 1.0]]))]), Network([Dense(np.ones((2, 1)))])
best = synthesis.in_code_space(score, 0, pen, penalty=1.0, steps=400)       # <- STEP INTO
free = synthesis.activation_maximization(score, 0, shape=(2,), penalty=1.0, objective=synthesis.logit)
print("in code space: z =", best.code[0].round(2), " x =", best.image[0].round(2), "  pixels alone: x =",
      free.image[0].round(2))

# %%
# A generator of digits
# ---------------------
# Where do codes come from? From a classifier: the code of an image is its last hidden layer, 100 numbers, each
# scaled to mean 0 and variance 1. The generator learnt the way back, from the code to the image, and was asked for
# three things at once: the right pixels, the right features in a lower layer of the classifier, and that a
# discriminator takes the image for a real one. Below: real digits, what the generator draws from their codes, and what
# it draws from codes of independent normal numbers.

draw, encode = models.load("generator"), generator.encoder()
images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
rng = np.random.default_rng(0)
drawn = {"drawn from\ntheir codes": draw.forward(encode.forward(images[ten])),
         "drawn from\nrandom codes": draw.forward(rng.standard_normal((10, 100)).astype(np.float32))}
plot.heatmaps(drawn, images[ten], title="What the generator can draw")

# %%
# It keeps the class and much of the hand; a random code gives strokes of no digit in particular. So not every code is a
# digit, and the penalty still has something to do.
#
# Ten prototypes
# --------------
# Held near the code 0, in the middle of all digits, and near the mean code of the class.

net = models.load("dense")
train_images, train_labels = datasets.mnist("train")
means = synthesis.class_means(encode.predict(train_images[:10_000]), train_labels[:10_000])
found = {"pixels (1.1)": synthesis.activation_maximization(net, range(10), shape=(28, 28, 1), penalty=0.1),
         "near code 0": synthesis.in_code_space(net, range(10), draw),
         "near the\nmean code": synthesis.in_code_space(net, range(10), draw, towards=means)}
rows = {"drawn from the\nmean code": draw.forward(means)} | {name: result.image for name, result in found.items()}
plot.heatmaps(rows, None, [f"class {c}" for c in range(10)],
              "Prototypes found among pixels, and among codes (red is ink, blue less than none)")
print("\nheld near the mean code\n" + str(found["near the\nmean code"]))

# %%
# Where the mean *image* of a class is a blur, what is drawn from the mean code is a clean digit: codes can be averaged,
# pixels cannot.
#
# The search, watched
# -------------------
# The same search stopped earlier and later, from the code 0 towards each class.

grid = {}
for steps in (1, 3, 10, 30, 100):
    grid[f"after {steps}"] = synthesis.in_code_space(net, range(10), draw, steps=steps).image
plot.heatmaps(grid, None, [f"class {c}" for c in range(10)], "From one code to ten digits, after so many steps")

# %%
# One question, measured
# ----------------------
# Are they digits? Three judges: the network itself; another one, which took part in nothing; and the generator, asked
# to draw the image again from its code :math:`h(x)`. What it cannot draw it does not take for a digit, so we compare
# the error :math:`\lVert g(h(x)) - x \rVert^2 / \lVert x \rVert^2` with that of real digits.

other = models.load("cnn")


def redrawn(x):
    """How far each image is from what the generator draws of it, compared with its own size."""
    return ((draw.predict(encode.predict(x)) - x) ** 2).sum(axis=(1, 2, 3)) / (x ** 2).sum(axis=(1, 2, 3))


print("\nmean of ten               the network   another network   error of redrawing, median")
judged = {}
for name, result in found.items():
    judged[name] = train.softmax(other.forward(result.image))[np.arange(10), range(10)].mean()
    print(f"{name.replace(chr(10), ' '):22} {result.probability.mean():13.3f} {judged[name]:16.3f} "
          f"{np.median(redrawn(result.image)):18.2f}")
real = images[:1000]
own = [train.softmax(judge.predict(real))[np.arange(1000), labels[:1000]].mean() for judge in (net, other)]
print(f"{'1,000 real digits':22} {own[0]:13.3f} {own[1]:16.3f} {np.median(redrawn(real)):18.2f}")

# %%
# Prototypes from code space convince a network that they were not made for. One question stays: is it the classifier
# that we see, or the generator? Pixels alone (1.1) show the network and nothing else; the generator shows what the
# network prefers *among digits*. The more is known beforehand, the better the picture, and the less of it is news about
# the network.
#
# Try this
# --------
# 1. Walk from one prototype to another, ``z = (1 - t) * found[...].code[3] + t * found[...].code[8]``, and draw what
#    lies between.
# 2. Lower the penalty to 0 and raise ``steps``. How far can the code go before the image stops being a digit?

assert np.allclose(best.image[0], [6, 2], atol=0.05), "the prototype lies on the generator's line"
assert judged["near the\nmean code"] > 0.9 > 0.5 > judged["pixels (1.1)"], "codes make digits, pixels do not"
plot.show()
