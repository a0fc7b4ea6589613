"""The model answer of lrp_pass, lesson 2.3."""
import numpy as np


def lrp_pass(net, x, target, rules):
    A = net.trace(x)
    start = np.zeros_like(A[-1])
    start[:, target] = A[-1][:, target]
    R = [None] * len(net.layers) + [start]
    for l in reversed(range(len(net.layers))):
        R[l] = rules[l](net.layers[l], A[l], A[l + 1], R[l + 1])
    return R
