"""2.3 The loop of a pass

Forwards once, keeping every activation; then back, layer by layer. What a layer's inputs receive is what the layer
below hands on.

    R[L] = the output of the target, all other outputs 0
    R[l] = rules[l](layers[l], A[l], A[l + 1], R[l + 1])        l = L - 1, ..., 0

By hand: one layer y = 2 x at x = 3: A = [3, 6]; R[1] = 6; the rule gives all of it to the input: R[0] = 6.

Source: Bach et al. 2015; Montavon et al. 2019, section 10.1.
"""
import numpy as np

from minixnn import Dense, Network


def lrp_pass(net, x, target, rules):
    """net.layers, net.trace(x) -> [A[0], ..., A[L]]; target: a class; rules: a function (layer, x, y, R) -> R
    of x for each layer. Returns the list [R[0], ..., R[L]]: R[l] has the shape of A[l].
    """
    ...


if __name__ == "__main__":                              # the example by hand
    net, x, rules = Network([Dense(np.array([[2.0]]))]), np.array([[3.0]]), [lambda layer, x, y, R: R]
    print("expected", [[[6.0]], [[6.0]]])
    print("actual  ", lrp_pass(net, x, 0, rules))
