"""Networks in use."""
import numpy as np

from lessons.try_this import answers


@answers("7.4", 1, "What does AttnLRP say")
def relevance_of_a_number_that_changes_nothing():
    """Something else. The weights and the output are the same, but the rule of the softmax multiplies with the score
    itself: S = (ln 3, 0) receives (-0.41, 0), and S = (ln 3 + 1, 1) receives (-0.79, 0.38). It expands at S, and a
    softmax does not know where its scores lie. What is left of it is the weights' own relevance, which did not
    move."""
    R_A, A = np.array([1.5, 1.0]), np.array([0.75, 0.25])
    for shift, expected in ((0, [-0.41, 0]), (1, [-0.79, 0.38])):
        S = np.array([np.log(3), 0]) + shift
        assert np.allclose(np.exp(S) / np.exp(S).sum(), A)
        assert np.allclose(S * (R_A - A * R_A.sum()), expected, atol=0.006)
