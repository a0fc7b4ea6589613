"""The preparation of an image, as the first layer of a network: heatmaps and bounds then live on the pixels."""
import numpy as np

from minixnn.arrays import Array, array_module, require
from minixnn.layers.base import Layer, expect_arrays, pass_on


class Prepare(Layer):
    """y = (x - mean) / std: from pixels in [0, 1] to the numbers that the first weights were trained on.

    mean, std: a number, one per channel (C,), or an image (H, W, C). Though the map is affine it is no `Affine` layer:
    it changes the unit in which a pixel is written, so relevance passes unchanged, and no rule can be given to it.
    """
    rule, takes_rules = staticmethod(pass_on), False

    def __init__(self, mean: Array, std: Array) -> None:
        self.mean, self.std = (a.reshape(1) if getattr(a, "ndim", 1) == 0 else a if hasattr(a, "dtype") else
                               np.asarray(a, np.float32).reshape(np.shape(a) or 1) for a in (mean, std))
        expect_arrays(self.mean, self.std)
        require((abs(self.mean) < np.inf).all(), f"Prepare got mean={mean}, expected finite numbers")
        require(((self.std > 0) & (self.std < np.inf)).all(), f"Prepare got std={std}, expected numbers above 0")

    def arrays(self) -> dict[str, Array]:
        return {"mean": self.mean, "std": self.std}

    def forward(self, x: Array) -> Array:
        for a in (self.mean, self.std):
            if a.ndim >= x.ndim or any(n not in (1, m) for n, m in zip(a.shape[::-1], x.shape[::-1])):
                raise ValueError(f"{self!r} got an array of shape {x.shape}, expected one that ends in the shape of "
                                 f"its mean and std, {a.shape}")
        return (x - self.mean) / self.std

    def bounds(self, low: float | Array, high: float | Array) -> tuple[Array, Array]:
        """Where the bounds of the pixels lie behind this layer, for z^B; numbers or arrays."""
        low, high = (array_module(self.mean).asarray(pixel, dtype=self.mean.dtype) for pixel in (low, high))
        return (low - self.mean) / self.std, (high - self.mean) / self.std

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy / self.std

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Linear rule. Shrikumar et al. 2017, section 3.5.1: the multiplier of an input is its weight, 1 / std."""
        return m / self.std

    def __repr__(self):
        shown = (", ".join(f"{float(n):.4g}" for n in a.reshape(-1)) if a.size <= 4 else f"{a.shape}"
                 for a in (self.mean, self.std))
        return "Prepare(mean ({}), std ({}))".format(*shown)
