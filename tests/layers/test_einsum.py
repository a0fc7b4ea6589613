"""Einsum computes what NumPy's does, and its rule is the loop over the terms."""
import numpy as np
import pytest

from minixnn import layers
from tests.helpers import close, draw
from tests.registry import inputs


def test_the_rule_of_a_product_of_sums_is_the_loop_over_its_terms():
    (a, b), layer = inputs("Einsum")[1], layers.Einsum("nhtd,nhud->nhtu")
    y = layer.forward((a, b))
    R, R_a, R_b = draw(*y.shape), 0 * a, 0 * b
    for n, h, t, u in np.ndindex(y.shape):
        for d in range(a.shape[-1]):
            z = a[n, h, t, d] * b[n, h, u, d]
            share = z / (2 * y[n, h, t, u] + (1e-6 if y[n, h, t, u] >= 0 else -1e-6)) * R[n, h, t, u]
            R_a[n, h, t, d] += share
            R_b[n, h, u, d] += share
    came = layer.rule(layer, (a, b), y, R)
    close(came[0], R_a)
    close(came[1], R_b)


@pytest.mark.parametrize("equation", ["nabc,ncd->nbd", "nij,nkj->nik", "nij,nij->n", "nij,nij->nij", "ni,nj->nji"])
def test_a_sum_of_products_is_numpys(equation):
    a_axes, b_axes, _ = equation.replace("->", ",").split(",")
    sizes = dict(zip("nabcdijk", (2, 3, 4, 5, 6, 3, 4, 5)))
    a, b = (draw(*(sizes[letter] for letter in axes)) for axes in (a_axes, b_axes))
    close(layers.Einsum(equation).forward((a, b)), np.einsum(equation, a, b))
