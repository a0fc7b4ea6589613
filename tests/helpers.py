"""What several test files share: layers and rules called at an input x alone, lines counted, arrays compared."""
import sys

import numpy as np
import pytest

from minixnn import Network
from minixnn.rules.composites import rules_for


def gradient(layer, x, dy):
    return layer.gradient(x, layer.forward(x), dy)


def deconvnet(layer, x, dy):
    return layer.deconvnet(x, layer.forward(x), dy)


def guided_backprop(layer, x, dy):
    return layer.guided_backprop(x, layer.forward(x), dy)


def deeplift(layer, x, x_ref, m):
    return layer.deeplift(x, layer.forward(x), x_ref, layer.forward(x_ref), m)


def relevance(layer, x, R, rule=None):
    """R of the output -> R of the input, under `rule` or, for None, the layer's own."""
    rule, = rules_for(Network([layer]), [rule])
    return rule(layer, x, layer.forward(x), R)


def apply(rule, layer, x, R, *knobs, **named):
    """The rule as it is, at an input x."""
    return rule(layer, x, layer.forward(x), R, *knobs, **named)


def on(xp, layer, *arrays):
    """The layer and the arrays moved to the array module `xp`."""
    return layer.map_arrays(xp.asarray), *(xp.asarray(a) for a in arrays)


def host(a):
    return a.get() if hasattr(a, "get") else a


def assert_same(came, expected, what=""):
    """Equal up to the rounding of came's dtype, measured against the largest number expected; and its shape."""
    came = host(came)
    assert came.shape == expected.shape, f"{what}: shape {came.shape}, expected {expected.shape}"
    room = (1e-5 if came.dtype == "float32" else 1e-12) * max(1.0, abs(expected).max())
    off = abs(came - expected)
    assert off.max() <= room, f"{what}: came {came.flat[off.argmax()]}, expected {expected.flat[off.argmax()]}"


def traced(call, trace):
    """Call `call` while `trace` is the trace function; a debugger's is put back."""
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)


def blind_steps(call, formula):
    """How many lines run from the call to the first line of the formula: what F11 alone shows, again and again."""
    count = [0]

    class Arrived(Exception):
        pass

    def trace(frame, event, argument):
        if frame.f_code is formula.__code__ and event == "line":
            raise Arrived
        count[0] += event == "line"
        return trace
    try:
        traced(call, trace)
    except Arrived:
        return count[0]
    raise AssertionError("the formula was never reached")


def assert_close(came, expected, what):
    assert came.shape == expected.shape, f"{what}: shape {came.shape}, expected {expected.shape}"
    off = abs(came - expected)
    assert off.max() <= 1e-9 * max(1, abs(expected).max()), \
        f"{what}: came {came.flat[off.argmax()]}, expected {expected.flat[off.argmax()]}"


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def close(came, expected, tolerance=1e-10):
    """Equal up to rounding, measured against the largest number expected."""
    np.testing.assert_allclose(came, expected, rtol=tolerance, atol=tolerance * (1 + abs(np.asarray(expected)).max()))


STEP = 1e-5


def derivative(f, x, v):
    """d/dt f(x + t v) at t = 0."""
    return (f(x + STEP * v) - f(x - STEP * v)) / (2 * STEP)


def assert_derivative(f, x, gradient, rng, what=""):
    """`gradient` agrees with the central difference of the number f(x) along three random directions."""
    for _ in range(3):
        v = rng.normal(size=x.shape)
        came, expected = float((gradient * v).sum()), float(derivative(f, x, v))
        assert came == pytest.approx(expected, rel=1e-5, abs=1e-6), f"{what}: came {came}, expected {expected}"
