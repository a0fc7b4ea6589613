"""The rules of layer-wise relevance propagation, each written once for every affine layer.

A rule takes a layer y = W.x + b, both its sides x and y, and the relevance R of its outputs, and returns the
relevance of its inputs. The papers write sums over indices; here a sum over j is a `forward` and a sum over k a
`gradient`, which is why the same four lines serve a dense layer and a convolution (Montavon et al. 2019, section
10.2.2):

    z = forward       z_k = sum_j x_j w_jk + b_k       what each output was made of: y, or that of changed weights
    s = R / z         s_k = R_k / z_k                  relevance per unit of it
    c = gradient      c_j = sum_k w_jk s_k             what an input of size 1 has earned
    R = x c           R_j = x_j c_j

Notation: z_jk = x_j w_jk is the contribution of input j to output k; v+ = max(v, 0), v- = min(v, 0).
"Absorbed" relevance is what a bias or the stabiliser keeps: it does not arrive at the inputs.
"""
from minixnn.arrays import Array, array_module, may_be_negative, negative, positive, require, stabilize
from minixnn.layers.base import Affine, Layer


def epsilon(layer: Affine, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Array:
    """LRP-epsilon. Bach et al. 2015, eq. 58.

        R_j = sum_k z_jk / (z_k + epsilon sgn z_k) R_k          z_k = sum_j z_jk + b_k

    Any x. Conserves relevance but for what bias and stabiliser absorb. With epsilon = 0 it is LRP-0, and over
    a whole network of ReLU, affine and max-pooling layers gradient x input.

    >>> import numpy as np
    >>> from minixnn import Dense
    >>> layer, x, R = Dense(np.array([[2.0], [-1.0]]), b=np.array([1.0])), np.array([[1.0, 2.0]]), np.array([[1.0]])
    >>> epsilon(layer, x, layer.forward(x), R, epsilon=0)      # the bias absorbs 1: 2 - 2 + 1 = 1
    array([[ 2., -2.]])
    """
    z = y                                                   # sum_j x_j w_jk + b_k: the layer's own output
    s = R / stabilize(z, epsilon)                           # relevance per unit of z
    c = layer.gradient(x, y, s)                             # shape of x
    return x * c


def epsilon_rms(layer: Affine, x: Array, y: Array, R: Array, share: float = 0.25) -> Array:
    """LRP-epsilon, the stabiliser in proportion to the layer's outputs. Bach et al. 2015, eq. 58; Montavon et al. 2019.

        R_j = sum_k z_jk / (z_k + e sgn z_k) R_k          z_k = sum_j z_jk + b_k          e = share sqrt(mean_k z_k^2)

    Any x. The mean is over all outputs of one image, as in the code beside Montavon et al. 2019: a fixed epsilon is
    large in one layer and nothing in another. What is small against e is mostly absorbed, and with it the noise.
    share = 0 is LRP-0.

    >>> import numpy as np
    >>> from minixnn import Dense
    >>> layer, x, R = Dense(np.array([[3.0, 0], [0, 4.0]])), np.array([[1.0, 1.0]]), np.array([[1.0, 1.0]])
    >>> epsilon_rms(layer, x, layer.forward(x), R, share=0.08 ** 0.5).round(3)          # of 3 and 4: e = 1
    array([[0.75, 0.8 ]])
    """
    if not share >= 0:
        raise ValueError(f"got share={share}, expected 0 or more: a share of the outputs' size")
    e = share * (y * y).mean(axis=tuple(range(1, y.ndim)), keepdims=True) ** 0.5            # (N, 1, ...)
    s = R / stabilize(y + array_module(y).where(y < 0, -e, e))
    c = layer.gradient(x, y, s)
    return x * c


def gamma(layer: Affine, x: Array, y: Array, R: Array, gamma: float = 0.25) -> Array:
    """LRP-gamma. Montavon et al. 2019, section 10.2.1.

        R_j = sum_k x_j (w_jk + gamma w_jk+) / (sum_j x_j (w_jk + gamma w_jk+) + b_k + gamma b_k+) R_k

    For x >= 0, gamma >= 0, else ValueError. The boosted bias absorbs. gamma = 0 is LRP-0, infinity alpha1-beta0.

    >>> import numpy as np
    >>> from minixnn import Dense
    >>> layer, x, R = Dense(np.array([[2.0], [-1.0]]), b=np.array([1.0])), np.array([[1.0, 2.0]]), np.array([[1.0]])
    >>> gamma(layer, x, layer.forward(x), R, gamma=1.0).round(3)            # z = 2 (2 + 1) - 2 = 4 - 2 + 2
    array([[ 1. , -0.5]])
    """
    require((x >= 0).all(), "gamma got negative inputs, expected x >= 0 as behind a ReLU; use gamma_signed")
    boosted = layer.with_weights(_boost(layer.W, gamma), _boost(layer.b, gamma))
    z = boosted.forward(x)
    s = R / stabilize(z)
    c = boosted.gradient(x, z, s)
    return x * c


def gamma_signed(layer: Affine, x: Array, y: Array, R: Array, gamma: float = 0.25) -> Array:
    """LRP-gamma for inputs of any sign: what has the sign of the sum z_k is boosted, be it plus or minus.

        R_j = sum_k q_jk / (sum_j q_jk + B_k) R_k
        z_k >= 0:   q_jk = x_j+ (w_jk + gamma w_jk+) + x_j- (w_jk + gamma w_jk-)     B_k = b_k + gamma b_k+
        z_k < 0:    q_jk = x_j+ (w_jk + gamma w_jk-) + x_j- (w_jk + gamma w_jk+)     B_k = b_k + gamma b_k-

    Any x, gamma >= 0; equal to `gamma` for x >= 0 where z_k >= 0. The boosted bias absorbs. Andeol et al. 2021; the
    Gamma rule of Zennit.
    """
    W, b = layer.W, layer.b
    up = layer.with_weights(_boost(W, gamma), None)
    down = layer.with_weights(W + gamma * negative(W), None)
    rising = y >= 0                                         # sgn(0) = +1
    x_pos, x_neg, R_x = positive(x), negative(x), 0
    for same, opposite, bias, where in ((up, down, positive(b), rising), (down, up, negative(b), ~rising)):
        z = same.forward(x_pos) + opposite.forward(x_neg) + (0 if b is None else b + gamma * bias)
        s = where * R / stabilize(z)
        R_x = R_x + x_pos * same.gradient(x_pos, z, s) + x_neg * opposite.gradient(x_neg, z, s)
    return R_x


def alpha_beta(layer: Affine, x: Array, y: Array, R: Array, alpha: float = 2.0, beta: float = 1.0) -> Array:
    """LRP-alpha-beta. Bach et al. 2015, eq. 60.

        R_j = sum_k ( alpha z_jk+ / (sum_j z_jk+ + b_k+)  -  beta z_jk- / (sum_j z_jk- + b_k-) ) R_k

    The *product* z_jk = x_j w_jk is split by its sign. alpha - beta = 1, else ValueError. Any x. b+ and b-
    absorb. A neuron with no negative contribution has no input to take its -beta R_k: relevance is created.

    >>> import numpy as np
    >>> from minixnn import Dense
    >>> layer, x, R = Dense(np.array([[2.0], [-1.0]]), b=np.array([1.0])), np.array([[1.0, 2.0]]), np.array([[1.0]])
    >>> alpha_beta(layer, x, layer.forward(x), R, alpha=2.0, beta=1.0).round(3)     # 2 * 2 / (2 + 1), -1 * -2 / -2
    array([[ 1.333, -1.   ]])
    """
    if not (abs(alpha - beta - 1) < 1e-9 and beta >= 0):
        raise ValueError(f"got alpha={alpha}, beta={beta}, expected alpha - beta = 1 with beta >= 0, so that relevance "
                         "is conserved; for instance alpha=2, beta=1")
    W, b, R_x = layer.W, layer.b, 0
    x_pos, x_neg = (positive(x), negative(x)) if may_be_negative(x) else (x, None)
    for weight, part, other in ((alpha, positive, negative), (-beta, negative, positive)):
        if weight:
            same = layer.with_weights(part(W), part(b))     # of x_j+ it makes z_jk+ first, then z_jk-
            z = same.forward(x_pos)
            if x_neg is not None:
                opposite = layer.with_weights(other(W), None)               # and of x_j-: minus times minus is plus
                z = z + opposite.forward(x_neg)
            s = R / stabilize(z)
            c = weight * same.gradient(x_pos, z, s)
            R_x = R_x + x_pos * c
            if x_neg is not None:
                R_x = R_x + weight * x_neg * opposite.gradient(x_neg, z, s)
    return R_x


def flat(layer: Affine, x: Array, y: Array, R: Array) -> Array:
    """The flat rule. Lapuschkin et al. 2019.

        R_j = sum_k R_k / n_k          n_k = how many inputs output k sees, padding not counted

    Any x, of which it looks at the shape only. Conserves; no bias. For the first layer: it shows *where*.
    """
    same = layer.with_weights(layer.W * 0 + 1, None)        # every weight 1
    ones = array_module(x).ones_like(x)
    z = same.forward(ones)                                  # n_k
    s = R / stabilize(z)
    return same.gradient(ones, z, s)


def proportional(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """Relevance of a pool shared in proportion to x over each window. Montavon et al. 2017.

        R_j = sum_k x_j / (sum_j' x_j') R_k

    For max pooling an alternative to "winner takes all"; average and sum pooling do this by themselves.
    Conserves, except for windows whose sum is 0.
    """
    pool = layer.summing() if hasattr(layer, "summing") else layer
    z = pool.forward(x)                                     # sum_j' x_j', of an average pool over n
    s = R / stabilize(z)
    c = pool.gradient(x, z, s)
    return x * c


def _boost(W: Array | None, gamma: float) -> Array | None:
    """W + gamma W+; None stays None."""
    if not gamma >= 0:
        raise ValueError(f"got gamma={gamma}, expected 0 or more: how much the positive contributions gain")
    return None if W is None else W + gamma * positive(W)
