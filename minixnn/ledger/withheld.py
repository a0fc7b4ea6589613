"""What an account finds: relevance that went to a bias or to the stabiliser, or that was lost."""
from typing import NamedTuple

from minixnn.arrays import Array, array_module, stabilize


class Withheld(NamedTuple):
    """What of the relevance R_k of each output is not passed on: arrays of R's shape, or 0 for "nothing at all"."""
    bias: Array = 0                 # went to b_k, which is no input
    stabilizer: Array = 0           # went to the epsilon in the denominator
    lost: Array = 0                 # no input could take it; below zero: created


def division(R: Array, z: Array, b: Array | None = None, epsilon: float = 0.0) -> Withheld:
    """For a rule that passes on  z_jk / (z_k + epsilon sgn z_k) R_k  where  z_k = sum_j z_jk + b_k.

        R_k  =  (sum_j z_jk  +  b_k  +  epsilon sgn z_k) s_k             s_k = R_k / (z_k + epsilon sgn z_k)

    The first term is passed on, the second goes to the bias, the third to the stabiliser. With epsilon = 0 and z_k = 0
    (or too small to divide by) there is no s_k, and all of R_k is lost. Every account names its z_k and b_k and calls
    this.

    Parameters
    ----------
    R : relevance of the outputs.
    z : their sums of contributions, like R.
    b : the biases, or None.
    epsilon : the stabiliser, 0 or more.

    Returns
    -------
    A Withheld.

    Raises
    ------
    ValueError : an epsilon below 0.
    """
    xp, denominator = array_module(z), stabilize(z, epsilon)
    s = R / denominator
    return Withheld(bias=0 if b is None else b * s,
                    stabilizer=(denominator - z) * s if epsilon else 0,
                    lost=0 if epsilon else xp.where(xp.isinf(denominator), R, R * 0))
