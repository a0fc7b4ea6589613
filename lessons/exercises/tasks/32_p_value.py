"""5.2 Could it be chance?

A heatmap has a score. The same score was taken of controls, such as the map's own pixels in random order. How often
does a control do as well? The score itself counts as one of the ways.

    p = (1 + how many controls >= score) / (1 + how many controls)

By hand: score 2, controls 1, 2, 0: one reaches it: (1 + 1) / (1 + 3) = 0.5.

Source: Phipson & Smyth 2010.
"""
import numpy as np


def p_value(score, controls):
    """score: a number; controls (n,). Returns p, a number."""
    ...


if __name__ == "__main__":                              # the example by hand
    score, controls = 2.0, np.array([1.0, 2.0, 0.0])
    print("expected", 0.5)
    print("actual  ", p_value(score, controls))
