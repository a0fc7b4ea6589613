"""What every layer can do, and the three families that share an answer.

A layer is a function y = f(x). It remembers nothing: the pass has both sides of it, the input x and the output
y, and hands them over again on the way back.

    forward(x)                       x -> y
    gradient(x, y, dy)               dL/dy -> dL/dx, the vector-Jacobian product
    deconvnet(x, y, dy)              the backward signal of Zeiler & Fergus 2014
    guided_backprop(x, y, dy)        the backward signal of Springenberg et al. 2015
    deeplift(x, y, x_ref, y_ref, m)  multipliers of y -> multipliers of x
    rule(layer, x, y, R)             the default rule, where none is given: R of y -> R of x

A join has several inputs: to it x is a tuple of arrays, and so are what `gradient`, `deeplift` and its rule return.

`forward` and `gradient` must be written; each of the others has a default or says by name that it is missing.
Relevance rules that a user may choose are functions in `minixnn.rules`, not methods.

Shapes in the comments: N images, H x W pixels, C channels in, O channels (or units) out, I units in.
"""
import copy
import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from minixnn.arrays import Array, Inputs, array_module, tiny

Settings: TypeAlias = dict[str, Any]            # arguments of a constructor, as plain values that JSON can hold
Rule: TypeAlias = Callable[..., Array]          # (layer, x, y, R) -> R of x; the dots stand for a rule's own knobs
Arrays: TypeAlias = tuple[Array, ...]           # what enters a join, one array from each of its inputs


def pass_on(layer: "Layer", x: Array, y: Array, R: Array) -> Array:
    """Each input receives the relevance of the one output it went into. Bach et al. 2015, eq. 62.

    For layers with one input per output: ReLU and other activations, Flatten, Dropout. Conserves.
    """
    return R.reshape(x.shape)


def carry_back(layer: "Layer", x: Array, y: Array, R: Array) -> Array:
    """For layers that only move, repeat or drop numbers: relevance goes back the way the numbers came. Conserves."""
    return layer.gradient(x, y, R)


def linear_rule(layer: "Layer", x: Inputs, y: Array, x_ref: Inputs, y_ref: Array, m: Array) -> Inputs:
    """DeepLIFT of linear maps. Shrikumar et al. 2017, section 3.5.1: the multiplier of an input is its weight."""
    return layer.gradient(x, y, m)


def arguments(kind: type) -> dict[str, object]:
    """The arguments of a class's constructor, and their defaults."""
    return {name: argument.default for name, argument in inspect.signature(kind).parameters.items()}


def same(value: object, usual: object) -> bool:
    """Whether a setting is the usual one; as (1, 1) is, where that is 1."""
    return value == usual or isinstance(value, tuple) and value != () and all(part == usual for part in value)


class Layer:
    """A layer that has no methods yet. Derive from it, write `forward` and `gradient`, and give it a `rule`.

    What a network, a composite or an importer wants to know of a layer is said in its class:
    """
    rule: Rule | None = None    # the default rule, where none is given; None: the user has to choose one
    takes_rules = True          # whether a list of rules may give another than the layer's own
    affine_rules: tuple[str, ...] | None = None     # which of the rules for affine layers it takes; None: any
    fewest_inputs: int = 1      # how many inputs it has
    most_inputs: float = 1
    takes_integers = False      # whether its input is whole numbers, such as tokens
    nonnegative = False         # whether y >= 0 whatever x is
    preserves_sign = False      # whether y >= 0 where x >= 0
    stabilized = False          # whether its default rule has an epsilon, which then is that of the network's rules
    array_names: tuple[str, ...] = ()               # which arguments of the constructor are arrays, perhaps learnt

    def arrays(self) -> dict[str, Array]:
        """Constructor arguments that are arrays: {"W": W, "b": b} for a dense layer, {} for a ReLU."""
        return {name: getattr(self, name) for name in self.array_names}

    def settings(self) -> Settings:
        """The others, as plain values that JSON can hold. The layer keeps each under its own name: self.stride."""
        names = [name for name in arguments(type(self)) if hasattr(self, name) and name not in self.arrays()]
        return {name: value.item() if hasattr(value, "item") else value         # a NumPy number as Python's
                for name, value in ((name, getattr(self, name)) for name in names) if getattr(value, "ndim", 0) == 0}

    def map_arrays(self, f: Callable[[Array], Array]) -> "Layer":
        """A copy of the layer whose arrays are f(array); what is None stays None."""
        layer = copy.copy(self)
        for name, array in self.arrays().items():
            setattr(layer, name, None if array is None else f(array))
        return layer

    def training(self, x: Array, rng: np.random.Generator) -> "Layer":
        """The layer that takes this one's place while a batch `x` is learnt: itself, for most."""
        return self

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        """dL/dW and dL/db as a dictionary like `arrays()`. Nothing to learn, nothing returned."""
        return {}

    def with_weights(self, W: Array, b: Array | None) -> "Affine":
        raise TypeError(f"{self!r} is not an affine layer: it has no weights that a rule could change; "
                        "give None as this layer's entry in the list of rules")

    def forward(self, x: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no forward; write forward(self, x) -> y")

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no gradient; write gradient(self, x, y, dy) -> dx")

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Array:
        return self.gradient(x, y, dy)          # Zeiler & Fergus change what a ReLU does, and nothing else

    def guided_backprop(self, x: Array, y: Array, dy: Array) -> Array:
        return self.gradient(x, y, dy)

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no deeplift; write deeplift(self, x, y, x_ref, y_ref, m) "
                                  "-> multipliers of x, under which contributions sum to the difference")

    def __repr__(self):
        usual = arguments(type(self))           # which goes without saying
        shown = [f"{k}={value!r}" for k, value in self.settings().items() if not same(value, usual.get(k, usual))]
        return f"{type(self).__name__}({', '.join(shown)})"


class Affine(Layer):
    """y = W.x + b for some linear map W.x: a matrix product, a convolution, an average, a scaling.

    W and b are the layer's arrays; b = None means no bias, ever. A relevance rule needs nothing else than
    `forward`, `gradient` and `with_weights`, so it is written once for the whole family.
    """
    W: Array
    b: Array | None
    array_names: tuple[str, ...] = ("W", "b")
    deeplift = linear_rule

    def with_weights(self, W: Array, b: Array | None) -> "Affine":
        """The same linear map with other weights: what the rules call "a re-weighted copy of the layer"."""
        layer = copy.copy(self)
        layer.W, layer.b = W, b
        return layer


class Fixed(Affine):
    """y = W (a linear map of x) of fixed weights: an average, a mixture of pixels. There is nothing to learn or save.

    W is the number 1, which a rule may change; used as float(W), it leaves float32 images float32.
    """
    W, b, array_names = np.float64(1), None, ()


class Elementwise(Layer):
    """y_i = f(x_i): each output has one input. A subclass gives `forward` and `derivative(x, y)`."""
    rule, takes_rules = staticmethod(pass_on), False
    is_rectifier = False        # whether all that is negative becomes 0, and gets no relevance either

    def derivative(self, x: Array, y: Array) -> Array:
        """f'(x), entry by entry, in the shape of x; y = f(x) is often all it takes."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative; write derivative(self, x, y) -> f'(x)")

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy * self.derivative(x, y)

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Rescale rule. Shrikumar et al. 2017, section 3.5.2.   m_x = m (y - y_ref) / (x - x_ref)"""
        return m * quotient_or(y - y_ref, x - x_ref, self.derivative(x, y), x)


class Join(Layer):
    """y = f(x_1, x_2, ...): where branches of a network meet. x is a tuple of arrays (N, ...)."""
    fewest_inputs, most_inputs = 2, math.inf
    affine_rules = ()
    preserves_sign = True


def shapes_of(x: Arrays) -> str:
    """"(2, 3) and (2, 4)", for the sentences of joins."""
    return " and ".join(str(a.shape) for a in x)


def expect_axes(layer: Layer, x: Arrays) -> None:
    """Refuse inputs of a join whose axes do not lie beside each other: an image's could meet those of another."""
    if any(a.ndim != x[0].ndim for a in x):
        raise ValueError(f"{layer!r} got arrays of shapes {shapes_of(x)}, expected as many axes of each, images first; "
                         "Reshape or Unflatten gives them axes of length 1")


def sum_to(dy: Array, shape: tuple[int, ...]) -> Array:
    """`dy` summed over the axes along which an array of `shape` was repeated to fit: (N, H, W, C) -> (N, 1, 1, C)."""
    dy = dy.sum(axis=tuple(range(dy.ndim - len(shape)))) if dy.ndim > len(shape) else dy
    axes = tuple(i for i, (n, m) in enumerate(zip(dy.shape, shape)) if n != m)
    return dy.sum(axis=axes, keepdims=True) if axes else dy


def quotient_or(dy: Array, dx: Array, derivative: Array, x: Array) -> Array:
    """dy / dx; where x and its reference agree up to rounding, the derivative in its place.

    The quotient of two rounded differences is noise once dx is a few units in the last place of x. The bound is
    relative to x, so that features of size 1e-8 keep their quotient.
    """
    xp = array_module(dx)
    flat = abs(dx) <= 4 * np.finfo(dx.dtype).eps * abs(x) + tiny(dx)
    return xp.where(flat, derivative, dy / xp.where(flat, 1, dx))


def expect_rank(layer: Layer, x: Array, rank: int, axes: str) -> None:
    """Refuse an input with the wrong number of axes, in a sentence that says which were expected."""
    if getattr(x, "ndim", None) != rank:
        came = f"an array of shape {x.shape}" if hasattr(x, "shape") else type(x).__name__
        raise ValueError(f"{layer!r} got {came}, expected {rank} axes {axes}")


def expect_count(owner: object, name: str, count: int) -> None:
    """Refuse a number of heads, groups, ... that is no positive whole number."""
    if not hasattr(count, "__index__") or count < 1:
        raise ValueError(f"{type(owner).__name__} got {name}={count!r}, expected a positive whole number")


def expect_axis(layer: Layer, axis: int) -> None:
    """Refuse the axis of the images, along which nothing is computed."""
    if not hasattr(axis, "__index__") or axis == 0:
        raise ValueError(f"{type(layer).__name__} got axis={axis!r}, expected a whole number other than 0, the axis of "
                         "the images")


def expect_arrays(*arrays: Array | None, weights: Iterable[Array] = ()) -> None:
    """Refuse what is no array, a list for instance, in a sentence that says how to make it one.

    arrays: may be None, as a bias may; weights: may not.
    """
    for array in (*weights, *(array for array in arrays if array is not None)):
        array_module(array)
        if getattr(array, "dtype", np.dtype("f4")).kind == "c":
            raise ValueError(f"got weights of type {array.dtype}, expected real numbers: complex networks are not "
                             "explained, and half of each number would be lost")
