"""7.7 Recurrence: which step does the last state remember?

One unit of a GRU. z are its update gates and n its candidates, one of each for every step. Relevance starts at the last
state and goes back step by step: what is owed to the candidate stays there, what is owed to the state before goes on.
Gates receive nothing. sgn(0) is +1.

    h_t = (1 - z_t) n_t + z_t h_t-1,  the state before the first step is 0
    R_n_t = (1 - z_t) n_t / (h_t + epsilon sgn h_t) R_t,  R_t-1 = z_t h_t-1 / (h_t + epsilon sgn h_t) R_t

By hand: z = (0, 0.5), n = (2, 2), so h = (2, 2); epsilon = 0, R = 8: step 2 gets 1/2 * 8 = 4, step 1 2/2 * 4 = 4.

Source: Arras et al. 2017, for a GRU.
"""
import numpy as np


def memory_rule(z, n, R, epsilon):
    """z, n (N, T); R (N,), of the last state. Returns the relevance of the candidates, (N, T)."""
    ...


if __name__ == "__main__":                              # the example by hand
    z, n, R = np.array([[0.0, 0.5]]), np.array([[2.0, 2.0]]), np.array([8.0])
    print("expected", [[4.0, 4.0]])
    print("actual  ", memory_rule(z, n, R, 0.0))
