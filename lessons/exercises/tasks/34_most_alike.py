"""6.4 A control that refutes a claim

The claim: "the map shows why the network says *this* class". The control in which only the class changes: explain the
same image as every other class. A map that comes out the same for another class refutes the claim; a cosine of 1 is
"the same".

    for each image: the largest cosine of the map for its target with the map for another class
    cosine(r, s) = sum_i r_i s_i / ( sqrt(sum_i r_i^2) sqrt(sum_i s_i^2) )

By hand: the map (1, 0) for the target, (1, 1) and (0, 1) for the others: cosines 0.71 and 0. The largest is 0.71: not
refuted, but not clean either.

Source: Sixt et al. 2020; Adebayo et al. 2018.
"""
import numpy as np


def most_alike(explain, x, target, classes):
    """explain(x, c): the maps (N, I) of the images x for class c; target (N,): whole numbers; classes: how many
    there are. Returns the largest cosine of each image, (N,).
    """
    ...


if __name__ == "__main__":                              # the example by hand
    maps = np.array([[[1.0, 0.0]], [[1.0, 1.0]], [[0.0, 1.0]]])
    explain, x, target = lambda x, c: maps[c], np.zeros((1, 2)), np.array([0])
    print("expected", [0.7071067811865475])
    print("actual  ", most_alike(explain, x, target, 3))
