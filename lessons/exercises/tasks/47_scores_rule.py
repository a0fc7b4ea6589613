"""7.4 Attention: queries times keys

The other product of attention, y = Q K^T, by the same rule. The queries were divided by sqrt(d) before they came
here. sgn(0) is +1.

    s = R / (2 y + epsilon sgn y),  R_Q = Q * (s K),  R_K = K * (s^T Q)
    y = Q K^T, the queries divided by sqrt(d) before

By hand: Q = 1, K = 2, y = 2, epsilon = 1, R = 5: s = 1; R_Q = 2, R_K = 2.

Source: Achtibat et al. 2024, proposition 3.3.
"""
import numpy as np


def scores_rule(layer, x, y, R, epsilon):
    """x: the pair Q (N, T, D), K (N, S, D); y = Q K^T (N, T, S); R (N, T, S). Returns the pair R_Q, R_K."""
    ...


if __name__ == "__main__":                              # the example by hand
    Q, K, R = np.array([[[1.0]]]), np.array([[[2.0]]]), np.array([[[5.0]]])
    print("expected", ([[[2.0]]], [[[2.0]]]))
    print("actual  ", scores_rule(None, (Q, K), Q @ K.swapaxes(-1, -2), R, 1.0))
