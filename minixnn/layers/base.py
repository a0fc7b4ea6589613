"""What every layer can do, and the two families that share an answer.

A layer is a function y = f(x) with six *verbs*. Each verb but `forward` is handed the layer's own input again,
because a layer remembers nothing: what goes in is in the argument list, what comes out is returned.

    forward(x)               x -> y
    gradient(x, dy)          dL/dy -> dL/dx, the vector-Jacobian product
    deconvnet(x, dy)         the backward signal of Zeiler & Fergus 2014
    guided_backprop(x, dy)   the backward signal of Springenberg et al. 2015
    lrp(x, R, rule)          relevance of y -> relevance of x
    deeplift(x, x_ref, m)    multipliers of y -> multipliers of x

Shapes in the comments: N images, H x W pixels, C channels in, O channels (or units) out, I units in.
"""
import copy
from functools import partial

from minixnn.arrays import array_module


class Layer:
    """A layer with no verbs yet. Write a class with the six methods and it works in every pass."""

    def settings(self):
        """Constructor arguments other than arrays, as plain values that JSON can hold."""
        return {}

    def arrays(self):
        """Constructor arguments that are arrays: {"W": W, "b": b} for a dense layer, {} for a ReLU."""
        return {}

    def map_arrays(self, f):
        """A copy of the layer whose arrays are f(array); what is None stays None."""
        twin = copy.copy(self)
        for name, array in self.arrays().items():
            setattr(twin, name, None if array is None else f(array))
        return twin

    def training(self, x, rng):
        """The layer that stands in for this one while a batch `x` is being learnt: itself, for most."""
        return self

    def recalling(self, x, y):
        """The layer that stands in for this one while a pass walks back over x and y = forward(x): itself, for most."""
        return self

    def __getstate__(self):
        """What a copy of the layer takes along: all but what it recalls, which other weights would make untrue."""
        state = vars(self).copy()
        if getattr(state.get("forward"), "func", None) is _recall:
            del state["forward"]
        return state

    def __copy__(self):
        """What copy.copy does, in a fifth of its time: every rule makes copies."""
        twin = object.__new__(type(self))
        twin.__dict__ = self.__getstate__()
        return twin

    def parameter_gradients(self, x, dy):
        """dL/dW and dL/db as a dictionary like `arrays()`. Nothing to learn, nothing returned."""
        return {}

    def with_weights(self, W, b):
        raise TypeError(f"{self!r} is not an affine layer: it has no weights that a rule could change; "
                        "give None as this layer's entry in the list of rules")

    def __getattr__(self, name):
        """Python asks here for what it finds nowhere else; mostly it is a rule that asks a pool for its weights."""
        hint = ": it is no affine layer; give None as its entry in the list of rules" if name in ("W", "b") else ""
        raise AttributeError(f"{type(self).__name__} has no {name}{hint}")

    def forward(self, x):
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def gradient(self, x, dy):
        raise NotImplementedError(f"{type(self).__name__}.gradient")

    def deconvnet(self, x, dy):
        raise NotImplementedError(f"{type(self).__name__}.deconvnet")

    def guided_backprop(self, x, dy):
        raise NotImplementedError(f"{type(self).__name__}.guided_backprop")

    def lrp(self, x, R, rule=None):
        raise NotImplementedError(f"{type(self).__name__}.lrp")

    def deeplift(self, x, x_ref, m):
        raise NotImplementedError(f"{type(self).__name__}.deeplift")

    def __repr__(self):
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        return f"{type(self).__name__}({settings})"


class Affine(Layer):
    """y = W.x + b for some linear map W.x: a matrix product, a convolution, an average, a scaling.

    W and b are the layer's arrays; b = None means no bias, ever. A relevance rule needs nothing else than
    `forward`, `gradient` and `with_weights`, so it is written once for the whole family.
    """

    def arrays(self):
        return {"W": self.W, "b": self.b}

    def with_weights(self, W, b):
        """The same linear map with other weights: what the rules call "a re-weighted copy of the layer"."""
        twin = copy.copy(self)
        twin.W, twin.b = W, b
        return twin

    def recalling(self, x, y):
        return twin_recalling(self, x, y)

    def deconvnet(self, x, dy):
        return self.gradient(x, dy)             # the transposed map, as in plain backpropagation

    def guided_backprop(self, x, dy):
        return self.gradient(x, dy)

    def lrp(self, x, R, rule=None):
        if rule is None:
            raise ValueError(f"{self!r} needs a rule to pass relevance on, got None; "
                             "give one such as minixnn.rules.lrp.epsilon in its place in the list")
        return rule(self, x, R)                 # <- STEP INTO: the rule's four lines are one frame below

    def deeplift(self, x, x_ref, m):
        """Linear rule. Shrikumar et al. 2017, section 3.5.1: the multiplier of an input is its weight."""
        return self.gradient(x, m)


class Elementwise(Layer):
    """y_i = f(x_i): each output has one input. A subclass gives `forward` and the derivative `slope(x)`."""

    def slope(self, x):
        """f'(x), entry by entry, in the shape of x."""
        raise NotImplementedError(f"{type(self).__name__}.slope")

    def gradient(self, x, dy):
        return dy * self.slope(x)

    def deconvnet(self, x, dy):
        return self.gradient(x, dy)             # Zeiler & Fergus speak of ReLU only, which overrides this

    def guided_backprop(self, x, dy):
        return self.gradient(x, dy)

    def lrp(self, x, R, rule=None):
        return R                                # one input, so it receives all there is

    def deeplift(self, x, x_ref, m):
        """Rescale rule. Shrikumar et al. 2017, section 3.5.2.   m_x = m (y - y_ref) / (x - x_ref)

        Where x and x_ref agree to 1e-7 the quotient is the derivative.
        """
        xp = array_module(x)
        dx = x - x_ref
        dy = self.forward(x) - self.forward(x_ref)
        flat = abs(dx) < 1e-7
        return m * xp.where(flat, self.slope(x), dy / xp.where(flat, 1, dx))


def recalling(layers, A):
    """Twins of the layers for the way back of a pass, whose trace is A: twin l need not compute A[l + 1] again.

    A layer remembers nothing, and so rules and pools ask it again for the output that the pass has at hand. For
    LRP-epsilon that would be a third of all matrix products.
    """
    return [layer.recalling(x, y) for layer, x, y in zip(layers, A, A[1:])]


def twin_recalling(layer, x, y):
    """A twin of `layer` whose forward(x) is y. A re-weighted copy of it computes, as any layer does."""
    twin = copy.copy(layer)
    twin.forward = partial(_recall, layer, x, y)
    return twin


def _recall(layer, seen, y, x):
    """layer.forward(x); for the very array that the pass has seen, the output that it has at hand."""
    return y if x is seen else layer.forward(x)


def expect_rank(layer, x, rank, axes):
    """Refuse an input with the wrong number of axes, in a sentence that says which were expected."""
    if getattr(x, "ndim", None) != rank:
        came = f"an array of shape {x.shape}" if hasattr(x, "shape") else type(x).__name__
        raise ValueError(f"{layer!r} got {came}, expected {rank} axes {axes}")


def expect_arrays(*arrays):
    """Refuse weights that are no arrays, lists for instance, in a sentence that says how to make them so."""
    for array in arrays:
        if array is not None:
            array_module(array)
