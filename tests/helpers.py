"""What several test files share: layers and rules called at an input x alone, lines counted, arrays compared."""
import sys

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
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Arrived:
        return count[0]
    finally:
        sys.settrace(before)
    raise AssertionError("the formula was never reached")
