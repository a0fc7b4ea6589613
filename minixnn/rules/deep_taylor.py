"""The rules of deep Taylor decomposition: one neuron at a time, expanded at a root point.

A neuron's relevance R_k is seen as a function of its inputs and expanded to first order at a point x~ where it
is zero. Which x~ is nearest depends on where the inputs may lie; each domain gives one rule (Montavon et al.
2017; 2018, section 5.2). `root_points.py` computes these points and shows that expansion and rule agree.

    domain            root is searched along            rule
    any real x        w_k, the steepest way             w_square
    x >= 0            x where w_jk > 0, else 0          z_plus
    l <= x <= h       x - l or x - h, by the weight     z_box

None of the three gives anything to the bias: where b_k > 0 the theory does not hold (it asks for b <= 0).
"""
import numpy as np

from minixnn.arrays import Array, array_module, negative, positive, require, stabilize
from minixnn.layers.base import Affine


def w_square(layer: Affine, x: Array, y: Array, R: Array) -> Array:
    """The w^2 rule. Montavon et al. 2017.

        R_j = sum_k w_jk^2 / (sum_j' w_j'k^2) R_k

    Any real x, of which it looks at the shape only (padding is no input and receives nothing). Conserves.
    """
    squared = layer.with_weights(layer.W ** 2, None)
    ones = array_module(x).ones_like(x)
    z = squared.forward(ones)                               # sum_j w_jk^2
    s = R / stabilize(z)
    return squared.gradient(ones, z, s)


def z_plus(layer: Affine, x: Array, y: Array, R: Array) -> Array:
    """The z+ rule. Montavon et al. 2017.

        R_j = sum_k x_j w_jk+ / (sum_j' x_j' w_j'k+) R_k

    For x >= 0, else ValueError: hidden layers behind a ReLU. Conserves, except where no z_jk is positive.

    >>> import numpy as np
    >>> from minixnn import Dense
    >>> layer, x, R = Dense(np.array([[2.0], [-1.0]]), b=np.array([1.0])), np.array([[1.0, 2.0]]), np.array([[1.0]])
    >>> z_plus(layer, x, layer.forward(x), R)                  # all to the input with a positive weight
    array([[1., 0.]])
    """
    require((x >= 0).all(), "z_plus got negative inputs, expected x >= 0 as behind a ReLU; at the pixels use z_box "
            "or w_square, elsewhere lrp.alpha_beta with alpha=1, beta=0, which splits the product by its sign")
    excite = layer.with_weights(positive(layer.W), None)
    z = excite.forward(x)
    s = R / stabilize(z)
    c = excite.gradient(x, z, s)
    return x * c


def z_box(layer: Affine, x: Array, y: Array, R: Array, low: float | Array, high: float | Array) -> Array:
    """The z^B rule, for pixels. Montavon et al. 2017.

        R_j = sum_k (x_j w_jk - l_j w_jk+ - h_j w_jk-) / (the same summed over j) R_k

    For low <= x <= high, else ValueError; both are numbers, or arrays that broadcast to x. Conserves. With
    low = high = 0 it is LRP-0 without bias, on any x.
    """
    anything = np.isscalar(low) and np.isscalar(high) and low == high == 0
    low, high = (x * 0 + low).astype(x.dtype), (x * 0 + high).astype(x.dtype)               # shape of x
    if not anything:
        require(((low <= x) & (x <= high)).all(), "z_box got pixels outside [low, high]; give bounds that hold for "
                "every possible image in the form the network sees it, such as low=0, high=1")
    plain = layer.with_weights(layer.W, None)
    up = layer.with_weights(positive(layer.W), None)
    down = layer.with_weights(negative(layer.W), None)
    z = plain.forward(x) - up.forward(low) - down.forward(high)
    s = R / stabilize(z)
    return x * plain.gradient(x, z, s) - low * up.gradient(low, z, s) - high * down.gradient(high, z, s)
