"""The RevealCancel rule of DeepLIFT, layer by layer. Shrikumar et al. 2017, section 3.5.3.

Rescale sees only the sum of what reaches a neuron, so positive and negative contributions that cancel leave no
trace. RevealCancel carries two differences from the reference, d+ >= 0 and d- <= 0 with d+ + d- = x - x_ref, and
two multipliers. `passes.deeplift_reveal_cancel` walks up with `forward` and down with `backward`; here is what
each kind of layer does, r being the reference of its input:

    affine        D+ = d+ W+ + d- W-,  D- = d+ W- + d- W+          each input counts on one side of each neuron
    elementwise   y+ = ((f(r + d+) - f(r)) + (f(r + d+ + d-) - f(r + d-))) / 2,    y- = the same with + and - exchanged
    max pool      as elementwise, with f the maximum of each window
    sum           the differences of its inputs are added; each input has the multipliers of the output
    concatenation the differences are joined, the multipliers cut

y+ is how much the positive part changes f, averaged over being added first and being added last: its Shapley
value, with + and - as the two players. So y+ + y- = y - y_ref, and contributions sum to the difference.
"""

from minixnn.arrays import Array, Inputs, array_module, negative, positive
from minixnn.layers import Add, Affine, Concat, Dropout, Elementwise, Prepare
from minixnn.layers.base import Layer, quotient_or
from minixnn.layers.reduce import Extremum
from minixnn.layers.shape import Reshaping


def forward(layer: Layer, x: Array, r: Array, d: tuple[Array, Array]) -> tuple[Array, Array]:
    """The pair (y+, y-) of a layer's outputs from the pair d = (d+, d-) of its inputs x with reference r."""
    if isinstance(layer, Affine):
        return affine_forward(layer, x - r)
    if isinstance(layer, (Elementwise, Extremum)):
        start, up, down, end = (layer.forward(point) for point in corners(r, *d))
        return ((up - start) + (end - down)) / 2, ((down - start) + (end - up)) / 2
    if isinstance(layer, (Reshaping, Dropout)):
        return layer.forward(d[0]), layer.forward(d[1])
    if isinstance(layer, Prepare):                          # d / std: the mean cancels
        return layer.gradient(x, x, d[0]), layer.gradient(x, x, d[1])
    if isinstance(layer, (Add, Concat)):                    # d holds a pair for each input
        d_pos, d_neg = zip(*d)
        return layer.forward(d_pos), layer.forward(d_neg)
    raise NotImplementedError(f"{type(layer).__name__} has no RevealCancel rule; passes.deeplift, with the rescale "
                              "rule, works on every layer that has the method deeplift")


def backward(layer: Layer, x: Array, r: Array, d: tuple[Array, Array], m: tuple[Array, Array]) -> tuple[Inputs, ...]:
    """The multipliers (m+, m-) of a layer's inputs from those of its outputs."""
    if isinstance(layer, Affine):
        return affine_backward(layer, x, x - r, *m)
    if isinstance(layer, Elementwise):
        return elementwise_backward(layer, r, *d, *m)
    if isinstance(layer, Extremum):
        return max_pool_backward(layer, r, *d, *m)
    if isinstance(layer, (Add, Concat)):
        return tuple(zip(layer.gradient(x, x, m[0]), layer.gradient(x, x, m[1])))           # a pair for each input
    return layer.gradient(x, x, m[0]), layer.gradient(x, x, m[1])           # only moved about


def parts(layer: Affine) -> tuple[Affine, ...]:
    """The affine layer with its positive weights only, and with its negative ones; no bias, for differences."""
    return layer.with_weights(positive(layer.W), None), layer.with_weights(negative(layer.W), None)


def affine_forward(layer: Affine, dx: Array) -> tuple[Array, Array]:
    """Each product of a difference and a weight goes to the side of its sign."""
    up, down = parts(layer)
    more, less = positive(dx), negative(dx)
    return up.forward(more) + down.forward(less), up.forward(less) + down.forward(more)


def affine_backward(layer: Affine, x: Array, dx: Array, m_pos: Array, m_neg: Array) -> tuple[Array, Array]:
    """Back the way the products went. An input that does not differ takes the mean of both ways."""
    (up, down), xp = parts(layer), array_module(x)
    if_more = up.gradient(x, m_pos, m_pos) + down.gradient(x, m_neg, m_neg)
    if_less = up.gradient(x, m_neg, m_neg) + down.gradient(x, m_pos, m_pos)
    m = xp.where(dx > 0, if_more, xp.where(dx < 0, if_less, (if_more + if_less) / 2))
    return m, m                                             # the same for both parts of x


def corners(r: Array, d_pos: Array, d_neg: Array) -> tuple[Array, ...]:
    """The four inputs that RevealCancel compares: the reference, with d+ alone, with d- alone, with both."""
    return r, r + d_pos, r + d_neg, (r + d_neg) + d_pos


def elementwise_backward(layer: Elementwise, r: Array, d_pos: Array, d_neg: Array, m_pos: Array,
                         m_neg: Array) -> tuple[Array, Array]:
    """m+ y+ / d+, and likewise for the negative side; where d+ is 0 up to rounding the limit, a mean of derivatives."""
    start, up, down, end = (layer.forward(point) for point in corners(r, d_pos, d_neg))
    multipliers = []
    for m, d, y, other in ((m_pos, d_pos, (up - start) + (end - down), r + d_neg),
                           (m_neg, d_neg, (down - start) + (end - up), r + d_pos)):
        limit = layer.derivative(r, start) + layer.derivative(other, layer.forward(other))
        multipliers.append(m * quotient_or(y, d, limit, r) / 2)
    return tuple(multipliers)


def max_pool_backward(layer: Layer, r: Array, d_pos: Array, d_neg: Array, m_pos: Array,
                      m_neg: Array) -> tuple[Array, Array]:
    """Our extension to max pooling; windows may overlap. The four changes of the maximum each go to one pixel.

    Adding d+ can only raise a maximum: the rise is due to the pixel that wins *afterwards*. Adding d- can only
    lower it: the fall is due to the pixel that had won *before*. Either pixel differs by at least as
    much as the maximum does, so the multiplier, credit / d, lies between 0 and 1 for each window.
    """
    xp = array_module(r)
    start, up, down, end = corners(r, d_pos, d_neg)
    y_start, y_up, y_down, y_end = (layer.forward(point) for point in (start, up, down, end))
    rise = layer.gradient(up, y_up, m_pos * (y_up - y_start)) + layer.gradient(end, y_end, m_pos * (y_end - y_down))
    fall = (layer.gradient(start, y_start, m_neg * (y_down - y_start))
            + layer.gradient(up, y_up, m_neg * (y_end - y_up)))
    return (rise / xp.where(d_pos == 0, 1, d_pos) / 2, fall / xp.where(d_neg == 0, 1, d_neg) / 2)
