"""What each rule withholds: relevance that arrives at a layer and is not passed to the layer below.

The ledger asks these functions where relevance went. Each is the *account* of one rule and has its knobs:

    account(layer, x, y, R, knob=...) -> Withheld(bias, stabilizer, lost)

An account computes what is withheld from the formula of the rule, output by output, and never looks at what the
rule returned. So it is a check of the rule: what was passed on and what was withheld must add up to what arrived.

`ACCOUNTS` says which account belongs to which rule. A rule that is not in it works everywhere all the same; the
ledger then calls what it withholds "unexplained".
"""
from collections.abc import Callable, Mapping
from functools import partial

from minixnn.arrays import Array, Inputs, array_module, negative, positive, stabilize
from minixnn.layers.attention import Hide, lose_hidden
from minixnn.layers.shape import Pad, crop
from minixnn.layers.base import Affine, Arrays, Layer, Rule, carry_back, pass_on
from minixnn.layers.choices import leave_constant, stop_at_step
from minixnn.layers.embedding import leave_token, sum_over_channels
from minixnn.layers.joins import (Add, Multiply, by_contribution, cut, half_each, numerator_takes_all,
                                  signal_takes_all)
from minixnn.layers.norm import Normalization, identity, scale_held_fixed
from minixnn.layers.reduce import share_of_square, winner_takes_all
from minixnn.layers.scale import Scale, pass_scaled, share_with_constant
from minixnn.layers.softmax import LogSoftmax, log_taylor, softmax_taylor
from minixnn.ledger.withheld import Withheld, division
from minixnn.rules import deep_taylor, lrp


def epsilon(layer: Layer, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Withheld:
    """z_k = sum_j x_j w_jk + b_k"""
    return division(R, y, getattr(layer, "b", None), epsilon)           # max pooling has no b


def epsilon_rms(layer: Layer, x: Array, y: Array, R: Array, share: float = 0.25) -> Withheld:
    """z_k = sum_j x_j w_jk + b_k, and a stabiliser e sgn z_k of the size that the outputs have"""
    e = share * (y * y).mean(axis=tuple(range(1, y.ndim)), keepdims=True) ** 0.5
    signed = array_module(y).where(y < 0, -e, e)
    kept, b = division(R, y + signed), getattr(layer, "b", None)
    s = R / stabilize(y + signed)
    return Withheld(bias=0 if b is None else b * s, stabilizer=signed * s, lost=kept.lost)


def gamma(layer: Affine, x: Array, y: Array, R: Array, gamma: float = 0.25) -> Withheld:
    """z_k = sum_j x_j (w_jk + gamma w_jk+) + (b_k + gamma b_k+)"""
    b = None if layer.b is None else layer.b + gamma * positive(layer.b)
    return division(R, layer.with_weights(layer.W + gamma * positive(layer.W), b).forward(x), b)


def gamma_signed(layer: Affine, x: Array, y: Array, R: Array, gamma: float = 0.25) -> Withheld:
    """z_k and b_k of the boosted positive part where sum_j x_j w_jk + b_k >= 0, of the negative part elsewhere."""
    W, b, where = layer.W, layer.b, array_module(x).where
    up = layer.with_weights(W + gamma * positive(W), None)
    down = layer.with_weights(W + gamma * negative(W), None)
    rising = y >= 0
    z = where(rising, up.forward(positive(x)) + down.forward(negative(x)),
              down.forward(positive(x)) + up.forward(negative(x)))
    if b is not None:
        b = b + gamma * where(rising, positive(b), negative(b))                     # shape of z
    return division(R, z if b is None else z + b, b)


def alpha_beta(layer: Affine, x: Array, y: Array, R: Array, alpha: float = 2.0, beta: float = 1.0) -> Withheld:
    """Two divisions: alpha R_k by z_k+ = sum_j (x_j w_jk)+ + b_k+, and -beta R_k by z_k- = sum_j (x_j w_jk)- + b_k-.

    Where a side is empty its share is lost: alpha R_k with no z_jk+, and -beta R_k with no z_jk-. Losing
    -beta R_k means that beta R_k was created.
    """
    sides = []
    for share, part, other in ((alpha, positive, negative), (-beta, negative, positive)):
        same, opposite = (layer.with_weights(some(layer.W), None) for some in (part, other))
        z, b = same.forward(positive(x)) + opposite.forward(negative(x)), part(layer.b)
        sides.append(division(share * R, z if b is None else z + b, b))
    return Withheld(*(one + two for one, two in zip(*sides)))


def flat(layer: Affine, x: Array, y: Array, R: Array) -> Withheld:
    """z_k = the number of inputs that output k sees; 0 for a window that lies in the padding."""
    return division(R, layer.with_weights(layer.W * 0 + 1, None).forward(array_module(x).ones_like(x)))


def proportional(layer: Layer, x: Array, y: Array, R: Array) -> Withheld:
    """z_k = sum_j x_j over the window"""
    pool = layer.summing() if hasattr(layer, "summing") else layer
    return division(R, pool.forward(x), getattr(pool, "b", None))


def w_square(layer: Affine, x: Array, y: Array, R: Array) -> Withheld:
    """z_k = sum_j w_jk^2"""
    return division(R, layer.with_weights(layer.W ** 2, None).forward(array_module(x).ones_like(x)))


def z_plus(layer: Affine, x: Array, y: Array, R: Array) -> Withheld:
    """z_k = sum_j x_j w_jk+"""
    return division(R, layer.with_weights(positive(layer.W), None).forward(x))


def z_box(layer: Affine, x: Array, y: Array, R: Array, low: float | Array, high: float | Array) -> Withheld:
    """z_k = sum_j (x_j w_jk - l_j w_jk+ - h_j w_jk-)"""
    low, high = (x * 0 + low).astype(x.dtype), (x * 0 + high).astype(x.dtype)
    plain, up, down = (layer.with_weights(W, None) for W in (layer.W, positive(layer.W), negative(layer.W)))
    return division(R, plain.forward(x) - up.forward(low) - down.forward(high))


def normalization(layer: Normalization, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Withheld:
    """z_k = sum_j a_kj x_j + beta_k, with the scale in a"""
    return division(R, y, layer.beta, epsilon)


def softmax(layer: LogSoftmax, x: Array, y: Array, R: Array) -> Withheld:
    """Of a softmax expanded at x:  R_k = (x_k - sum_i s_i x_i) R_k + what is left over, which has no input"""
    kept = array_module(x).where(array_module(x).isinf(x), 0, x)
    return Withheld(bias=R * (1 - kept + (y * kept).sum(axis=layer.axis, keepdims=True)))


def log_softmax(layer: LogSoftmax, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Withheld:
    """l_k = (x_k - sum_i s_i x_i) + b_k"""
    kept = array_module(x).where(array_module(x).isinf(x), 0, x)
    linear = kept - (array_module(x).exp(y) * kept).sum(axis=layer.axis, keepdims=True)
    return division(R, y, y - linear, epsilon)


def contributions(layer: Add, x: Arrays, y: Array, R: Array, epsilon: float = 1e-6) -> Withheld:
    """y = sum_i x_i"""
    return division(R, y, epsilon=epsilon if layer.epsilon is None else layer.epsilon)


def halves(layer: Layer, x: Arrays, y: Array, R: Array, epsilon: float = 1e-6) -> Withheld:
    """Of matrices z_k = 2 y_k; a product of numbers passes on all it gets."""
    return Withheld() if isinstance(layer, Multiply) else division(R, 2 * y, epsilon=epsilon)


def signal(layer: Layer, x: Arrays, y: Array, R: Array, signal: int = 0, epsilon: float = 1e-6) -> Withheld:
    """Of matrices z_k = y_k; a product of numbers passes on all it gets."""
    return Withheld() if isinstance(layer, Multiply) else division(R, y, epsilon=epsilon)


def cropped(layer: Pad, x: Array, y: Array, R: Array) -> Withheld:
    """Relevance of the zeros around an image is lost: they are no inputs."""
    inside = array_module(R).zeros_like(R)
    inside[layer.inside(x)] = R[layer.inside(x)]
    return Withheld(lost=R - inside)


def hidden(layer: Hide, x: Array, y: Array, R: Array) -> Withheld:
    """Relevance of scores that are hidden is lost: none of x is in them."""
    return Withheld(lost=R * ~layer.visible(x))


def scaled(layer: Scale, x: Array, y: Array, R: Array) -> Withheld:
    """What is multiplied by 0 shows nothing of x."""
    return Withheld(lost=R * (layer.c == 0))


def length(layer: Layer, x: Array, y: Array, R: Array) -> Withheld:
    """A vector of length 0 has no part that could take it."""
    return Withheld(lost=R * (y == 0))


def class_token(layer: Layer, x: Array, y: Array, R: Array) -> Withheld:
    """What arrived at the token, which is no input"""
    return Withheld(bias=R[:, 0])


def constant(layer: Layer, x: Inputs, y: Array, R: Array) -> Withheld:
    """What arrived at a constant, which is no input"""
    return Withheld(bias=R)


def step(layer: Layer, x: Inputs, y: Array, R: Array) -> Withheld:
    """What arrived at a comparison, which is flat"""
    return Withheld(lost=R)


ACCOUNTS: dict[Rule, Callable] = {lrp.epsilon: epsilon, lrp.epsilon_rms: epsilon_rms, lrp.gamma: gamma,
            lrp.gamma_signed: gamma_signed, lrp.alpha_beta: alpha_beta, lrp.flat: flat, lrp.proportional: proportional,
            deep_taylor.w_square: w_square, deep_taylor.z_plus: z_plus, deep_taylor.z_box: z_box,
            scale_held_fixed: normalization, softmax_taylor: softmax, log_taylor: log_softmax, crop: cropped,
            leave_token: class_token, leave_constant: constant, stop_at_step: step, pass_scaled: scaled,
            share_with_constant: epsilon, share_of_square: length,
            lose_hidden: hidden, by_contribution: contributions, half_each: halves,
            signal_takes_all: signal}
PASSING_ON = (pass_on, carry_back, cut, winner_takes_all, identity, sum_over_channels,         # they pass on all
              numerator_takes_all)


def nothing(layer: Layer, x: Array, y: Array, R: Array) -> Withheld:
    """Nothing is withheld."""
    return Withheld()


def account_of(layer: Layer, rule: Rule, accounts: Mapping[Rule, Callable] = ACCOUNTS) -> Callable | None:
    """The account of what a layer withholds under a rule.

    functools.partial is looked through: partial(lrp.epsilon, epsilon=0.1) has the account `epsilon` with that knob.

    Parameters
    ----------
    layer : the layer.
    rule : the rule.
    accounts : {rule: account}.

    Returns
    -------
    A function (layer, x, y, R) -> Withheld; None for a rule that has no account.
    """
    function = getattr(rule, "func", rule)
    if function in PASSING_ON:
        return nothing
    account = accounts.get(function)
    return account and partial(account, *getattr(rule, "args", ()), **getattr(rule, "keywords", {}))
