"""Normalisation by what the input itself looks like: LayerNorm, RMSNorm, GroupNorm.

    y = gamma n + beta        n = c s        c = x - M x        s = 1 / sqrt(M c^2 + epsilon)

M is the mean over the numbers that are normalised together, repeated for each of them; RMSNorm leaves c = x. Unlike in
batch normalisation s depends on the input, so the layer is not affine, and rules have to say what becomes of s:

    scale_held_fixed    s is taken for a constant; what is left is affine, and LRP-epsilon of that map: the default
    identity            R passes, as it passes an activation

Nearly the same happens in both where the mean is small. Under gradient x input nothing would arrive: n does not
change when x is multiplied by a number, so its derivative along x is zero.
"""
from collections.abc import Iterable

from minixnn.arrays import Array, stabilize
from minixnn.layers.base import Layer, expect_arrays, expect_count, sum_to


def scale_held_fixed(layer: "Normalization", x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Array:
    """LRP-epsilon of a normalisation whose scale is a constant. Ali et al. 2022; Achtibat et al. 2024, proposition 3.4.

        R_j = x_j sum_k a_kj R_k / (y_k + epsilon sgn y_k)          y_k = sum_j a_kj x_j + beta_k

    The mean's subtraction is part of a, s is not changed by x. Any x. beta absorbs, and the stabiliser.
    """
    u = R / stabilize(y, epsilon)                           # relevance per unit of y
    c = layer.center(layer.weigh(u) * layer.scale(x))       # sum_k a_kj u_k: the map's transpose
    return x * c


def identity(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """Relevance passes a normalisation unchanged, the mean's subtraction included. Conserves.

    Achtibat et al. 2024, proposition 3.4; their library holds the scale fixed instead.
    """
    return R


class Normalization(Layer):
    """What they share. A subclass says in `mean` which numbers are normalised together."""
    rule, affine_rules, stabilized, array_names = staticmethod(scale_held_fixed), (), True, ("gamma", "beta")
    centered = True                             # whether the mean is subtracted
    gamma: Array | None
    beta: Array | None
    epsilon: float

    def check(self, x: Array) -> None:
        """Refuse an x that lacks the axes, or has other sizes than gamma and beta."""

    def mean(self, x: Array) -> Array:
        """M x, of a shape that broadcasts to x."""
        raise NotImplementedError(f"{type(self).__name__}.mean")

    def center(self, x: Array) -> Array:
        """x - M x: a projection, which is its own transpose."""
        return x - self.mean(x) if self.centered else x

    def scale(self, x: Array) -> Array:
        """s = 1 / sqrt(M c^2 + epsilon)"""
        return (self.mean(self.center(x) ** 2) + self.epsilon) ** -0.5

    def weigh(self, dy: Array) -> Array:
        """gamma dy"""
        return dy if self.gamma is None else dy * self.gamma

    def forward(self, x: Array) -> Array:
        self.check(x)
        y = self.weigh(self.center(x) * self.scale(x))
        return y if self.beta is None else y + self.beta

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        """dc = s (dn - n M(dn n)): what only stretches x changes nothing; then back through the mean."""
        s, dn = self.scale(x), self.weigh(dy)
        n = self.center(x) * s
        return self.center(s * (dn - n * self.mean(dn * n)))

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Multipliers through mean, square, root and product, one after the other; contributions sum exactly.

        A product c s gives each factor the mean of the other, as a square c c does, and the slope of the root from
        v_ref to v is  (s - s_ref) / (v - v_ref) = -(s s_ref)^2 / (s + s_ref).
        """
        s, s_ref, m_n = self.scale(x), self.scale(x_ref), self.weigh(m)
        c_sum = self.center(x) + self.center(x_ref)
        m_s = self.mean(m_n * c_sum) / 2                    # over the count of numbers, as the mean of squares has it
        m_v = -m_s * (s * s_ref) ** 2 / (s + s_ref)
        return self.center(m_n * (s + s_ref) / 2 + m_v * c_sum)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        n = self.center(x) * self.scale(x)
        return {name: None if a is None else sum_to((n * dy if name == "gamma" else dy).sum(
                axis=tuple(range(x.ndim - a.ndim))), a.shape) for name, a in self.arrays().items()}


class LayerNorm(Normalization):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, over some axes of each input. Ba et al. 2016.

    axes: which ones, (-1,), (-2, -1) or (1, 2), never the images' 0. x (N, ..., C); gamma, beta: arrays that broadcast
    to an input, usually of the shape of these axes, or None.
    """

    def __init__(self, gamma: Array | None = None, beta: Array | None = None, axes: int | tuple[int, ...] = (-1,),
                 epsilon: float = 1e-5) -> None:
        expect_arrays(gamma, beta)
        self.axes: tuple[int, ...] = tuple(sorted(axes if isinstance(axes, Iterable) else [axes]))
        if not self.axes or 0 in self.axes or len(set(self.axes)) < len(self.axes):
            raise ValueError(f"{type(self).__name__} got axes={axes!r}, expected one or more, each once, without the "
                             "axis 0 of the images: (-1,) or (-2, -1), for instance")
        self.gamma, self.beta, self.epsilon = gamma, beta, epsilon

    def mean(self, x: Array) -> Array:
        return x.mean(axis=self.axes, keepdims=True)

    def check(self, x: Array) -> None:
        if not all(-x.ndim < axis < x.ndim for axis in self.axes):
            raise ValueError(f"{self!r} got an array of shape {x.shape}, which lacks one of these axes")
        for array in (self.gamma, self.beta):
            if array is not None and any(n not in (1, m) for n, m in zip(array.shape[::-1], x.shape[:0:-1])):
                raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {array.shape} as its last axes")


class RMSNorm(LayerNorm):
    """y = gamma x / sqrt(mean of x^2 + epsilon) + beta, over the last axes of each input. Zhang & Sennrich 2019."""
    centered = False


class GroupNorm(Normalization):
    """As LayerNorm, over each group of channels and all pixels of an image. Wu & He 2018.

    x (N, ..., C); gamma, beta: (C,) or None. With as many groups as channels it is instance normalisation.
    """

    def __init__(self, gamma: Array | None = None, beta: Array | None = None, groups: int = 1,
                 epsilon: float = 1e-5) -> None:
        expect_arrays(gamma, beta)
        expect_count(self, "groups", groups)
        self.gamma, self.beta, self.groups, self.epsilon = gamma, beta, groups, epsilon

    def mean(self, x: Array) -> Array:
        """The mean of each group, repeated for its channels: (N, 1, ..., C)"""
        N, C = len(x), x.shape[-1]
        means = x.reshape(N, -1, self.groups, C // self.groups).mean(axis=(1, 3))       # (N, groups)
        return means.repeat(C // self.groups, axis=1).reshape(N, *[1] * (x.ndim - 2), C)

    def check(self, x: Array) -> None:
        if x.ndim < 2 or x.shape[-1] % self.groups:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected a number of channels, on the last "
                             f"axis, that {self.groups} divides")
        for array in (self.gamma, self.beta):
            if array is not None and array.shape != x.shape[-1:]:
                raise ValueError(f"{self!r} got {x.shape[-1]} channels, expected {array.shape[0]}")
