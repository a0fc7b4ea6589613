"""What each rule withholds: relevance that comes to a layer and is not handed to the layer below.

The ledger asks these functions where relevance went. Each is the *account* of one rule and has its knobs:

    account(layer, x, R, knob=...) -> Withheld(bias, stabilizer, lost)

An account computes what is withheld from the formula of the rule, output by output, and never looks at what the
rule returned. So it is a check of the rule: what was handed on and what was withheld must add up to what came.

`ACCOUNTS` says which account belongs to which rule. A rule that is not in it works everywhere all the same; the
ledger then calls what it withholds "unexplained".
"""
from functools import partial
from typing import NamedTuple

from minixnn.arrays import array_module, negative, positive, stabilize
from minixnn.layers import Affine, Dropout, Elementwise, Flatten, MaxPool2d, Residual, Unflatten
from minixnn.layers.residual import rules_within, trace
from minixnn.rules import deep_taylor, lrp


class Withheld(NamedTuple):
    """What of the relevance R_k of each output is not handed on: arrays of R's shape, or 0 for "nothing at all"."""
    bias: object = 0                # went to b_k, which is no input
    stabilizer: object = 0          # went to the epsilon in the denominator
    lost: object = 0                # there was nobody to hand it to; below zero: created


def division(R, z, b=None, epsilon=0.0):
    """For a rule that hands on  z_jk / (z_k + epsilon sgn z_k) R_k  where  z_k = sum_j z_jk + b_k.

        R_k  =  (sum_j z_jk  +  b_k  +  epsilon sgn z_k) s_k             s_k = R_k / (z_k + epsilon sgn z_k)

    The first term is handed on, the second goes to the bias, the third to the stabiliser. With epsilon = 0 and
    z_k = 0 there is no s_k, and all of R_k is lost. Every account below names its z_k and b_k and comes here.
    """
    xp = array_module(z)
    s = R / stabilize(z, epsilon)
    return Withheld(bias=0 if b is None else b * s,
                    stabilizer=epsilon * xp.where(z < 0, -s, s) if epsilon else 0,
                    lost=0 if epsilon else xp.where(z == 0, R, R * 0))


def epsilon(layer, x, R, epsilon=1e-6):
    """z_k = sum_j x_j w_jk + b_k"""
    return division(R, layer.forward(x), getattr(layer, "b", None), epsilon)        # max pooling has no b


def gamma(layer, x, R, gamma=0.25):
    """z_k = sum_j x_j (w_jk + gamma w_jk+) + (b_k + gamma b_k+)"""
    b = None if layer.b is None else layer.b + gamma * positive(layer.b)
    return division(R, layer.with_weights(layer.W + gamma * positive(layer.W), b).forward(x), b)


def gamma_signed(layer, x, R, gamma=0.25):
    """z_k and b_k of the boosted positive part where sum_j x_j w_jk + b_k >= 0, of the negative part elsewhere."""
    W, b, where = layer.W, layer.b, array_module(x).where
    up = layer.with_weights(W + gamma * positive(W), None)
    down = layer.with_weights(W + gamma * negative(W), None)
    rising = layer.forward(x) >= 0
    z = where(rising, up.forward(positive(x)) + down.forward(negative(x)),
              down.forward(positive(x)) + up.forward(negative(x)))
    if b is not None:
        b = b + gamma * where(rising, positive(b), negative(b))                     # shape of z
    return division(R, z if b is None else z + b, b)


def alpha_beta(layer, x, R, alpha=2.0, beta=1.0):
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


def flat(layer, x, R):
    """z_k = the number of inputs that output k sees; 0 for a window that lies in the padding."""
    return division(R, layer.with_weights(layer.W * 0 + 1, None).forward(array_module(x).ones_like(x)))


def proportional(layer, x, R):
    """z_k = sum_j x_j over the window"""
    return epsilon(layer.summing() if hasattr(layer, "summing") else layer, x, R, epsilon=0)


def w_square(layer, x, R):
    """z_k = sum_j w_jk^2"""
    return division(R, layer.with_weights(layer.W ** 2, None).forward(array_module(x).ones_like(x)))


def z_plus(layer, x, R):
    """z_k = sum_j x_j w_jk+"""
    return division(R, layer.with_weights(positive(layer.W), None).forward(x))


def z_box(layer, x, R, low, high):
    """z_k = sum_j (x_j w_jk - l_j w_jk+ - h_j w_jk-)"""
    low, high = (x * 0 + low).astype(x.dtype), (x * 0 + high).astype(x.dtype)
    plain, up, down = (layer.with_weights(W, None) for W in (layer.W, positive(layer.W), negative(layer.W)))
    return division(R, plain.forward(x) - up.forward(low) - down.forward(high))


def passing_on(layer, x, R):
    """Nothing: elementwise layers, reshaping and Dropout hand on all they get, max pooling hands it to the winners."""
    return Withheld()


ACCOUNTS = {lrp.epsilon: epsilon, lrp.gamma: gamma, lrp.gamma_signed: gamma_signed, lrp.alpha_beta: alpha_beta,
            lrp.flat: flat, lrp.proportional: proportional,
            deep_taylor.w_square: w_square, deep_taylor.z_plus: z_plus, deep_taylor.z_box: z_box}
PASSING_ON = (Elementwise.lrp, Flatten.lrp, Unflatten.lrp, Dropout.lrp)


def account_of(layer, rule, accounts=ACCOUNTS):
    """The account of what `layer` withholds under `rule`; None for a rule, or a layer, that we do not know.

    What decides is the function that runs: the layer's own `lrp` where a layer takes no rule, else the rule, with
    functools.partial looked through: partial(lrp.epsilon, epsilon=0.1) has the account `epsilon` with that knob.
    """
    if isinstance(layer, Residual):
        known = all(account_of(each, mine, accounts) for inside, rules in
                    zip(layer.branches.values(), rules_within(layer, rule)) for each, mine in zip(inside, rules))
        return partial(block, rule=rule, accounts=accounts) if known else None
    runs = type(layer).lrp
    if runs in PASSING_ON or (runs is MaxPool2d.lrp and rule is None):
        return passing_on
    account = accounts.get(getattr(rule, "func", rule)) if runs in (Affine.lrp, MaxPool2d.lrp) else None
    return account and partial(account, *getattr(rule, "args", ()), **getattr(rule, "keywords", {}))


def block(layer, x, R, rule, accounts=ACCOUNTS):
    """What the layers inside a residual block withhold, summed over each image (N,); and what had no y to go to."""
    y = layer.forward(x)
    s, total = R / stabilize(y), [0, 0, image_sums(division(R, y).lost)]
    for layers, rules in zip(layer.branches.values(), rules_within(layer, rule)):
        A = trace(layers, x)
        R_l = A[-1] * s
        for l in reversed(range(len(layers))):
            withheld = account_of(layers[l], rules[l], accounts)(layers[l], A[l], R_l)
            total = [sum_ + image_sums(part) for sum_, part in zip(total, withheld)]
            R_l = layers[l].lrp(A[l], R_l, rules[l])
    return Withheld(*total)


def image_sums(part):
    """(N, ...) -> (N,); a number stays one."""
    return part.reshape(len(part), -1).sum(axis=1) if getattr(part, "ndim", 0) else part
