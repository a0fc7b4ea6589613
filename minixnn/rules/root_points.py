"""Root points: where deep Taylor decomposition expands each neuron, and why its rules are that expansion.

A neuron f_k(x) = max(0, z_k), z_k = sum_j x_j w_jk + b_k, is expanded to first order at a point x~ where it is
zero. As f_k is linear between x~ and x, nothing is left out, and input j is due

    R_jk = w_jk (x_j - x~_j)                    sum_j R_jk = f_k(x)

The root is searched from x along a line, x~ = x - t v with t = z_k / sum_j v_j w_jk, and the direction v is
chosen so that x~ stays where inputs can be (Montavon et al. 2017, appendix):

    rule        inputs           v_j                                        x~ is there
    w_square    any real         w_jk                                       always: the nearest root
    z_plus      x >= 0           x_j where w_jk > 0, else 0                  if b_k <= 0
    z_box       low <= x <= high x_j - low where w_jk > 0,                   if b_k <= 0 and low <= 0 <= high
                                 x_j - high where w_jk < 0, else 0

Every neuron has its own root: x~ is an array (N, I, O) for a Dense layer with I inputs and O neurons, which is why
the rules never compute it. A neuron that is zero at x already is its own root and hands nothing on.
"""
import warnings

from minixnn.arrays import Array, positive, require, stabilize
from minixnn.layers import Affine, Dense
from minixnn.layers.base import Rule
from minixnn.rules import deep_taylor


def w_square_direction(layer: Affine, x: Array) -> Array:
    """The steepest way down: v = w_k."""
    return layer.W + 0 * x[:, :, None]


def z_plus_direction(layer: Affine, x: Array) -> Array:
    """Towards zero, for the inputs that excite the neuron."""
    require((x >= 0).all(), "z_plus searches a root among x >= 0 but got negative inputs; use z_box or w_square")
    return x[:, :, None] * (layer.W > 0)


def z_box_direction(layer: Affine, x: Array, low: float | Array, high: float | Array) -> Array:
    """Towards the corner of the box where the neuron is least excited."""
    require(((low <= x) & (x <= high)).all(), "z_box got inputs outside [low, high]; give bounds that hold for all")
    to_low, to_high = x - low, x - high
    return to_low[:, :, None] * (layer.W > 0) + to_high[:, :, None] * (layer.W < 0)


DIRECTIONS: dict[str, Rule] = {"w_square": w_square_direction, "z_plus": z_plus_direction, "z_box": z_box_direction}


def search_direction(layer: Affine, x: Array, rule: Rule, **knobs: float | Array) -> Array:
    """v (N, I, O) for each neuron of the Dense `layer`. rule: one of the three functions in `deep_taylor`.

    low and high of z_box are keywords here, or come with the rule, as in partial(deep_taylor.z_box, low=0, high=1).
    """
    rule, knobs = unwrapped(rule, knobs)
    if not isinstance(layer, Dense):
        raise ValueError(f"got {layer!r}, expected a Dense layer, whose neurons all see the same inputs")
    return DIRECTIONS[rule.__name__](layer, x, **knobs)


def root_points(layer: Affine, x: Array, rule: Rule, **knobs: float | Array) -> Array:
    """x~ (N, I, O): x~[n, :, k] is the root point of neuron k for image n, found as `rule` finds it.

    Warns where a bias is positive: such a neuron may have no root among the inputs that can occur, or none
    along the line at all; then its x~ is x itself, where it is not zero.
    """
    v = search_direction(layer, x, rule, **knobs)
    if layer.b is not None and bool((layer.b > 0).any()):
        warnings.warn(f"{layer!r} has positive biases, under which a neuron may have no root point; the theory of deep "
                      "Taylor decomposition asks for b <= 0", stacklevel=2)
    fall = (v * layer.W).sum(axis=1)                                       # sum_j v_j w_jk, (N, O): how fast z falls
    t = positive(layer.forward(x)) / stabilize(fall)                       # how far the root is, in units of v
    return x[:, :, None] - t[:, None, :] * v


def unwrapped(rule: Rule, knobs: dict[str, float | Array]) -> tuple[Rule, dict[str, float | Array]]:
    """The rule's own function, and all its knobs, whether they came with it (a partial) or beside it."""
    rule, knobs = getattr(rule, "func", rule), {**getattr(rule, "keywords", {}), **knobs}
    if getattr(rule, "__name__", None) not in DIRECTIONS or getattr(deep_taylor, rule.__name__) is not rule:
        raise ValueError(f"got the rule {rule!r}, expected w_square, z_plus or z_box of minixnn.rules.deep_taylor")
    return rule, knobs
