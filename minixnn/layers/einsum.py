"""Sums of products along named axes, in Einstein's notation: "nhtd,nhud->nhtu" multiplies queries by keys.

Each letter names an axis. A letter that is missing behind the arrow is summed over. All is brought into the form of one
product of matrices, with the letters that both factors and the result have in front, so that BLAS does the work.

    Einsum(equation)        a join of two inputs; both, and the result, begin with the letter of the images
    Contract(W, equation)   an affine layer: the second factor is the constant W, which has no axis of images
"""
import math

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Affine, Arrays, Join, Layer, expect_arrays, shapes_of
from minixnn.layers.joins import bilinear_rule, half_each


def parse(equation: str) -> tuple[str, str, str]:
    """The parts of an equation: "nij,njk->nik" as ("nij", "njk", "nik"). ValueError where it is no product of two."""
    if not isinstance(equation, str):
        raise ValueError(f"got the equation {equation!r}, expected text such as 'nij,njk->nik'")
    factors, arrow, y = equation.replace(" ", "").partition("->")
    a, comma, b = factors.partition(",")
    if not (arrow and comma and (a + b).isalpha() and (not y or y.isalpha()) and set(y) <= set(a + b)) or any(
            len(set(letters)) < len(letters) for letters in (a, b, y)):
        raise ValueError(f"got the equation {equation!r}, expected that of two factors, each letter an axis, such as "
                         "'nhtd,nhud->nhtu'")
    return a, b, y


def multiply(a: Array, b: Array, axes_a: str, axes_b: str, axes_y: str) -> Array:
    """The sum of a b over all letters that `axes_y` lacks. A letter of y in neither factor gets the length 1."""
    sizes = dict.fromkeys(axes_y, 1) | dict(zip(axes_a, a.shape)) | dict(zip(axes_b, b.shape))
    both = [letter for letter in axes_a if letter in axes_b and letter in axes_y]
    inner = [letter for letter in axes_a if letter in axes_b and letter not in axes_y]
    own_a, own_b = ([letter for letter in axes_y if letter in mine and letter not in other]
                    for mine, other in ((axes_a, axes_b), (axes_b, axes_a)))

    def matrix(array, axes, left, right):
        alone = tuple(i for i, letter in enumerate(axes) if letter not in both + left + right)
        array, axes = array.sum(axis=alone), [letter for letter in axes if letter in both + left + right]
        array = array.transpose([axes.index(letter) for letter in both + left + right])
        return array.reshape(*(math.prod(sizes[letter] for letter in some) for some in (both, left, right)))
    y = matrix(a, axes_a, own_a, inner) @ matrix(b, axes_b, inner, own_b)
    found = both + own_a + own_b
    found += [letter for letter in axes_y if letter not in found]
    return y.reshape([sizes[letter] for letter in found]).transpose([found.index(letter) for letter in axes_y])


def spread(dx: Array, shape: tuple[int, ...]) -> Array:
    """dx for axes that were summed over alone: each number along them gets the same."""
    return dx if dx.shape == shape else array_module(dx).broadcast_to(dx, shape) + dx.dtype.type(0)


def check_sizes(layer: Layer, *arrays: tuple[Array, str]) -> None:
    """Refuse factors that lack an axis, or differ along one that they share."""
    sizes: dict[str, int] = {}
    for array, axes in arrays:
        if array.ndim != len(axes) or any(sizes.setdefault(c, n) != n for c, n in zip(axes, array.shape)):
            raise ValueError(f"{layer!r} got arrays of shapes {shapes_of(tuple(each for each, _ in arrays))}")


class Einsum(Join):
    """y = the sum of products of a and b, as `equation` says: "nhtd,nhud->nhtu". x is (a, b)

    Relevance is shared as by a product of matrices: both factors alike, or `signal_takes_all`.
    """
    rule, deeplift, stabilized, most_inputs = staticmethod(half_each), bilinear_rule, True, 2

    def __init__(self, equation: str) -> None:
        self.equation, self.axes = equation, parse(equation)
        if len({axes[:1] for axes in self.axes}) > 1:
            raise ValueError(f"Einsum got {equation!r}, expected both factors and the result to begin with one letter, "
                             "the axis of the images")

    def forward(self, x: Arrays) -> Array:
        (a, b), (axes_a, axes_b, axes_y) = x, self.axes
        check_sizes(self, (a, axes_a), (b, axes_b))
        return multiply(a, b, axes_a, axes_b, axes_y)

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        (a, b), (axes_a, axes_b, axes_y) = x, self.axes
        return (spread(multiply(dy, b, axes_y, axes_b, axes_a), a.shape),
                spread(multiply(dy, a, axes_y, axes_a, axes_b), b.shape))


class Contract(Affine):
    """y = the sum of products of x and the constant W, as `equation` says. Contract(W, "nyxc,yck->nyxk")

    An affine layer without bias, as a dense one is: Contract(W, "ni,io->no") is Dense(W).
    """
    b, array_names = None, ("W",)

    def __init__(self, W: Array, equation: str) -> None:
        expect_arrays(weights=[W])
        self.W, self.equation, self.axes = W, equation, parse(equation)
        if self.axes[0][:1] != self.axes[2][:1] or self.axes[0][:1] in self.axes[1] or W.ndim != len(self.axes[1]):
            raise ValueError(f"Contract got {equation!r} and an array of shape {W.shape}, expected x and the result to "
                             "begin with the letter of the images, which W lacks, and a letter for each axis of W")

    def forward(self, x: Array) -> Array:
        check_sizes(self, (x, self.axes[0]), (self.W, self.axes[1]))
        return multiply(x, self.W, *self.axes)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        axes_x, axes_W, axes_y = self.axes
        return spread(multiply(dy, self.W, axes_y, axes_W, axes_x), x.shape)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        axes_x, axes_W, axes_y = self.axes
        return {"W": spread(multiply(dy, x, axes_y, axes_x, axes_W), self.W.shape)}

    def __repr__(self):
        return f"Contract({self.equation!r}, W {self.W.shape})"
