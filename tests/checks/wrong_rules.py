"""Rules with one mistake each: `WRONG` says what is claimed of it, and which property must name it.

The claims are those of the rule it would be without the mistake.
"""
import math
from functools import partial

import numpy as np

from minixnn.arrays import negative, positive, stabilize
from minixnn.checks import definitions
from minixnn.layers import Add, Dense, MatMul, Multiply
from minixnn.layers.base import sum_to
from minixnn.rules import deep_taylor, lrp

ABSORBING = {"conserves": "without bias"}
STABILISED = {"conserves": "up to a stabiliser"}


def no_stabilizer(layer, x, y, R):
    return x * layer.gradient(x, y, R / y)


def plus_weights_on_both_signs(layer, x, y, R):
    excite = layer.with_weights(positive(layer.W), None)
    z = excite.forward(x)
    return x * excite.gradient(x, z, R / stabilize(z))


def bias_counted_twice(layer, x, y, R):
    z = y + (0 if layer.b is None else layer.b)
    return x * layer.gradient(x, y, R / stabilize(z))


def bias_forgotten(layer, x, y, R):
    """Claimed to absorb the bias; the denominator has none, so it hands on what the bias is due."""
    z = layer.with_weights(layer.W, None).forward(x)
    return x * layer.gradient(x, z, R / stabilize(z))


def bias_leaks(layer, x, y, R):
    """Claimed to conserve always; the bias absorbs."""
    return lrp.epsilon(layer, x, y, R, epsilon=0)


def unsigned_stabilizer(layer, x, y, R, epsilon=1e-6):
    z = y + epsilon
    return x * layer.gradient(x, y, R / np.where(z == 0, np.inf, z))


def input_forgotten(layer, x, y, R):
    return layer.gradient(x, y, R / stabilize(y))


def half_of_it(layer, x, y, R):
    return 0.5 * lrp.epsilon(layer, x, y, R)


def positive_relevance_only(layer, x, y, R):
    return lrp.epsilon(layer, x, y, positive(R))


def squared_relevance(layer, x, y, R):
    return lrp.epsilon(layer, x, y, R * R)


def normalized_over_outputs(layer, x, y, R):
    size = abs(R).reshape(len(R), -1).sum(axis=1).reshape(-1, *[1] * (R.ndim - 1))
    return lrp.flat(layer, x, y, R / stabilize(size)) * abs(R).max()


def spread_over_the_image(layer, x, y, R):
    total = R.reshape(len(R), -1).sum(axis=1).reshape(-1, *[1] * (x.ndim - 1))
    return x * 0 + total * x.shape[0] / x.size


def images_mixed(layer, x, y, R):
    R_x = deep_taylor.w_square(layer, x, y, R)
    return R_x * R.sum() / stabilize(R_x.sum(keepdims=True))


def writes_into_R(layer, x, y, R):
    R /= stabilize(y)
    return x * layer.gradient(x, y, R)


def writes_into_x(layer, x, y, R):
    x[x < 0] = 0
    return x * layer.gradient(x, y, R / stabilize(y))


def remembers(layer, x, y, R):
    layer.last = R
    return lrp.epsilon(layer, x, y, R)


NOISE = np.random.default_rng(0)


def random_each_time(layer, x, y, R):
    return lrp.epsilon(layer, x, y, R) * (1 + 1e-3 * NOISE.random())


def in_double_precision(layer, x, y, R):
    return lrp.epsilon(layer, x.astype("float64"), y.astype("float64"), R.astype("float64"))


def in_single_precision(layer, x, y, R):
    return lrp.epsilon(layer, x, y, R).astype("float32")


def single_precision_on_the_way(layer, x, y, R):
    return x * layer.gradient(x, y, (R / stabilize(y)).astype("float32").astype(R.dtype))


def without_return(layer, x, y, R):
    lrp.epsilon(layer, x, y, R)


def shape_of_y(layer, x, y, R):
    return R / stabilize(y)


def for_matrices_only(layer, x, y, R):
    return x * (R / stabilize(y) @ layer.W.T)


def first_unit_favoured(layer, x, y, R):
    """Conserves, and is linear; but unit 0 counts double."""
    W = layer.W * 1
    if W.ndim == 2:
        W[0] *= 2
    return deep_taylor.w_square(layer.with_weights(W, layer.b), x, y, R)


def padding_counted(layer, x, y, R):
    """The flat rule with n = the size of the kernel, also where part of it lies outside of the image."""
    W = layer.W
    if W.ndim < 2:
        return lrp.flat(layer, x, y, R)
    ones = layer.with_weights(W * 0 + 1, None)
    return ones.gradient(x, y, R / math.prod(W.shape[:-1]))


def size_of_the_sum(layer, x, y, R):
    """|z| in place of z: wrong wherever the sum is below zero."""
    return x * layer.gradient(x, y, R / stabilize(abs(y)))


def sum_of_sizes(layer, x, y, R):
    """The contributions with their sign over the sum of their sizes: what is left out is not said."""
    z = layer.with_weights(abs(layer.W), None).forward(abs(x))
    return x * layer.gradient(x, y, R / stabilize(z))


def silent_below_zero(layer, x, y, R):
    return x * layer.gradient(x, y, R / stabilize(y) * (y > 0))


def alpha_without_beta(layer, x, y, R):
    return 2 * lrp.alpha_beta(layer, x, y, R, alpha=1.0, beta=0.0)


def whole_bias_on_both_sides(layer, x, y, R):
    """alpha2-beta1 with b in both denominators in place of b+ and b-."""
    R_x = 0
    for weight, part, other in ((2.0, positive, negative), (-1.0, negative, positive)):
        same, opposite = (layer.with_weights(f(layer.W), None) for f in (part, other))
        z = same.forward(positive(x)) + opposite.forward(negative(x)) + (0 if layer.b is None else layer.b)
        s = weight * R / stabilize(z)
        R_x = R_x + positive(x) * same.gradient(x, z, s) + negative(x) * opposite.gradient(x, z, s)
    return R_x


def gamma_with_plain_bias(layer, x, y, R):
    boosted = layer.with_weights(layer.W + 0.25 * positive(layer.W), layer.b)
    z = boosted.forward(x)
    return x * boosted.gradient(x, z, R / stabilize(z))


def gamma_weights_in_the_numerator_only(layer, x, y, R):
    boosted = layer.with_weights(layer.W + 0.25 * positive(layer.W), layer.b)
    return x * boosted.gradient(x, y, R / stabilize(y))


def box_with_swapped_bounds(layer, x, y, R):
    return deep_taylor.z_box(layer, x * 0, y, R, low=-3.0, high=2.0)


def box_without_the_upper_bound(layer, x, y, R):
    up, plain = layer.with_weights(positive(layer.W), None), layer.with_weights(layer.W, None)
    low = x * 0 - 2
    z = plain.forward(x) - up.forward(low)
    s = R / stabilize(z)
    return x * plain.gradient(x, z, s) - low * up.gradient(low, z, s)


def squares_with_bias(layer, x, y, R):
    squared = layer.with_weights(layer.W ** 2, None if layer.b is None else layer.b ** 2)
    ones = x * 0 + 1
    z = squared.forward(ones)
    return squared.gradient(ones, z, R / stabilize(z))


def sign_that_may_be_zero(layer, x, y, R, epsilon=1e-6):
    """sign(0) is 0, so that 0 is divided by 0."""
    return x * layer.gradient(x, y, R / (y + epsilon * np.sign(y)))


def minus_at_zero(layer, x, y, R, epsilon=1e-6):
    """The stabiliser's sign of 0 is +1 by its definition."""
    return x * layer.gradient(x, y, R / (y + np.where(y > 0, epsilon, -epsilon).astype(y.dtype)))


def negative_bias_left_out(layer, x, y, R):
    z = layer.with_weights(layer.W, positive(layer.b)).forward(x)
    return x * layer.gradient(x, z, R / stabilize(z))


def wrong_at_strides(layer, x, y, R):
    stride = np.max(getattr(layer, "stride", 1)).item()
    return lrp.epsilon(layer, x, y, R) / (stride if layer.W.ndim == 4 else 1)


def groups_forgotten(layer, x, y, R):
    """Relevance that a group of channels gets is spread over all channels."""
    R_x = lrp.flat(layer, x, y, R)
    return R_x if getattr(layer, "groups", 1) == 1 else R_x * 0 + R_x.mean(axis=-1, keepdims=True)


def steps_mixed(layer, x, y, R):
    """Of a sequence every step gets the mean of all."""
    R_x = deep_taylor.w_square(layer, x, y, R)
    return R_x * 0 + R_x.mean(axis=1, keepdims=True) if type(layer) is Dense and x.ndim == 3 else R_x


def equal_inputs_count_more(layer, x, y, R):
    flat = x.reshape(len(x), -1)
    tied = (flat[:, :, None] == flat[:, None, :]).sum(axis=2) > 1
    return lrp.epsilon(layer, x, y, R) * np.where(tied, 1.01, 1).astype(x.dtype).reshape(x.shape)


def small_relevance_dropped(layer, x, y, R):
    return lrp.epsilon(layer, x, y, R * (abs(R) > 0.3))


def times_a_scalar_of_numpy(layer, x, y, R):
    """NumPy 2 makes float64 of float32 times a float64 scalar."""
    return lrp.epsilon(layer, x, y, R) * np.float64(1)


def writes_into_y(layer, x, y, R):
    y += stabilize(y) - y
    return x * layer.gradient(x, y, R / y)


def another_epsilon(layer, x, y, R):
    return lrp.epsilon(layer, x, y, R, epsilon=1e-3)


def sum_without_stabilizer(layer, x, y, R):
    return tuple(sum_to(a * (R / y), a.shape) for a in x)


def all_to_every_factor(layer, x, y, R):
    return tuple(sum_to(R, a.shape) for a in x)


def positive_half_each(layer, x, y, R):
    return tuple(sum_to(positive(R) / len(x), a.shape) for a in x)


def half_each_in_a_list(layer, x, y, R):
    return [sum_to(R / len(x), a.shape) for a in x]


def copies_not_added_up(layer, x, y, R):
    return tuple(R / len(x) for a in x)


def matrices_by_all_images(layer, x, y, R):
    s = R / stabilize(2 * y.sum(axis=0, keepdims=True), 1e-6)
    return tuple(a * c for a, c in zip(x, layer.gradient(x, y, s)))


WRONG = [
    (sum_without_stabilizer, {"layers": Add}, "finite"),
    (all_to_every_factor, {"layers": Multiply}, "conserves"),
    (positive_half_each, {"layers": Multiply}, "scales with R"),
    (half_each_in_a_list, {"layers": Multiply}, "shape"),
    (copies_not_added_up, {"layers": Multiply}, "shape"),
    (matrices_by_all_images, {"layers": MatMul}, "images apart"),
    (no_stabilizer, ABSORBING, "finite"),
    (plus_weights_on_both_signs, {}, "signs of inputs"),
    (bias_counted_twice, ABSORBING, "bias is an input"),
    (bias_forgotten, ABSORBING, "bias is an input"),
    (unsigned_stabilizer, STABILISED, "stabiliser"),
    (input_forgotten, {**ABSORBING, "domain": "nonnegative"}, "conserves"),
    (half_of_it, ABSORBING, "conserves"),
    (positive_relevance_only, ABSORBING, "scales with R"),
    (squared_relevance, ABSORBING, "scales with R"),
    (normalized_over_outputs, {}, "adds over outputs"),
    (spread_over_the_image, {}, "receptive field"),
    (images_mixed, {}, "images apart"),
    (writes_into_R, ABSORBING, "purity"),
    (writes_into_x, ABSORBING, "purity"),
    (remembers, ABSORBING, "purity"),
    (random_each_time, {"conserves": "never"}, "repeats"),
    (in_double_precision, ABSORBING, "type"),
    (in_single_precision, ABSORBING, "type"),
    (without_return, ABSORBING, "shape"),
    (shape_of_y, ABSORBING, "shape"),
    (for_matrices_only, ABSORBING, "answers"),
    (first_unit_favoured, {}, "order of units"),
    (padding_counted, {}, "conserves"),
    (size_of_the_sum, ABSORBING, "conserves"),
    (sum_of_sizes, {}, "conserves"),
    (lrp.epsilon, {"conserves": "always"}, "conserves"),
    (lrp.epsilon, {"conserves": "without bias"}, "conserves"),
    (bias_leaks, {"conserves": "always"}, "conserves"),
    (half_of_it, {}, "conserves"),
    (unsigned_stabilizer, {}, "stabiliser"),
    (bias_counted_twice, {}, "bias is an input"),
    (single_precision_on_the_way, {}, "type"),
    (single_precision_on_the_way, ABSORBING, "type"),
    (silent_below_zero, ABSORBING, "conserves"),
    (alpha_without_beta, ABSORBING, "conserves"),
    (whole_bias_on_both_sides, ABSORBING, "bias is an input"),
    (gamma_with_plain_bias, {**ABSORBING, "domain": "nonnegative"}, "bias is an input"),
    (gamma_weights_in_the_numerator_only, {**ABSORBING, "domain": "nonnegative"}, "conserves"),
    (squares_with_bias, {"conserves": "always"}, "conserves"),
    (box_with_swapped_bounds, {"domain": (-2.0, 3.0), "definition": partial(definitions.z_box, low=-2.0, high=3.0)},
     "definition"),
    (box_without_the_upper_bound,
     {"domain": (-2.0, 3.0), "definition": partial(definitions.z_box, low=-2.0, high=3.0)}, "definition"),
    (sign_that_may_be_zero, STABILISED, "finite"),
    (minus_at_zero, {**STABILISED, "definition": definitions.epsilon}, "definition"),
    (negative_bias_left_out, ABSORBING, "bias is an input"),
    (wrong_at_strides, STABILISED, "conserves"),
    (groups_forgotten, {}, "receptive field"),
    (steps_mixed, {}, "receptive field"),
    (equal_inputs_count_more, STABILISED, "bias is an input"),
    (small_relevance_dropped, STABILISED, "scales with R"),
    (times_a_scalar_of_numpy, STABILISED, "type"),
    (writes_into_y, STABILISED, "purity"),
    (another_epsilon, {**STABILISED, "definition": definitions.epsilon}, "definition"),
]
