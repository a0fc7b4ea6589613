"""How likely is an image? A density model of the data, the "expert" that tells digits from other images.

    expert = GaussianMixture.fit(images, rng=numpy.random.default_rng(0))       # a few seconds for MNIST
    expert.log_density(images)                  # (N,), the larger the more like the images it was fitted to
    expert.gradient(images)                     # like images: the direction of more likely ones

Any object with these two methods can be the expert of `synthesis.with_expert`.
"""
import copy
import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module, to_numpy
from minixnn.layers.softmax import log_sum_exp, softmax


class GaussianMixture:
    """Gaussians in the space of the principal components, white noise in all other directions.

        x = mean + U z + rest,      log p(x) = log sum_k pi_k N(z; m_k, S_k)  +  log N(rest; 0, v I)

    U has orthonormal columns, so p is a density of x: it integrates to one. Related to the mixture of probabilistic
    principal component analysers, Tipping & Bishop 1999, in which each cluster has its own U.

    Parameters
    ----------
    mean : (D,), the mean of all images, D = H W C.
    U : (D, d), the principal components.
    log_pi : (K,), the logarithms of the clusters' shares.
    m : (K, d), the clusters' means.
    P : (K, d, d), with P_k P_k^T the inverse of the covariance S_k.
    v : the variance in each of the other directions.
    shape : of one image.
    """

    def __init__(self, mean: Array, U: Array, log_pi: Array, m: Array, P: Array, v: float,
                 shape: tuple[int, ...]) -> None:
        self.mean, self.U, self.log_pi, self.m, self.P, self.v = mean, U, log_pi, m, P, v
        self.shape = tuple(shape)               # of one image

    @classmethod
    def fit(cls, images: Array, rng: np.random.Generator, directions: int = 50, clusters: int = 50, rounds: int = 5,
            sample: int = 10_000, smoothing: float = 0.05) -> "GaussianMixture":
        """Fit to images by expectation maximisation: assign images to clusters, then estimate the clusters.

        It computes with NumPy only; move the result with `on`.

        Parameters
        ----------
        images : (N, ...).
        rng : the numpy.random.Generator that draws the sample and the first means.
        directions : d, the number of principal components.
        clusters : K.
        rounds : of expectation and maximisation.
        sample : how many of the images are used.
        smoothing : this share of the components' mean variance is added to every S_k, since a cluster of few images has
            directions in which they do not differ at all.

        Returns
        -------
        The GaussianMixture, in float32.

        Raises
        ------
        ValueError : fewer pixels than directions, or fewer than two images per direction and per cluster.
        """
        x = np.asarray(images[np.sort(rng.permutation(len(images))[:sample])], np.float32).reshape(-1, images[0].size)
        if len(x) < 2 * max(directions, clusters) or directions >= x.shape[1]:
            raise ValueError(f"got {len(x)} images of {x.shape[1]} pixels for {directions} directions and {clusters} "
                             "clusters, expected more pixels than directions, and two images for each of either")
        mean = x.mean(axis=0)
        spread, axes = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))       # from the smallest up
        U, v = axes[:, -directions:], float(spread[:-directions].mean())
        z = ((x - mean) @ U).astype(np.float64)                                 # (N, d)
        m, log_pi = z[rng.permutation(len(z))[:clusters]], np.full(clusters, -math.log(clusters))
        floor = smoothing * spread[-directions:].mean() * np.eye(directions)
        P = np.tile(_whitener(np.diag(spread[-directions:]) / 4), (clusters, 1, 1))
        for _ in range(rounds):
            share = softmax(_log_gaussians(z, m, P) + log_pi)                   # (N, K): who belongs where
            count = share.sum(axis=0) + 1e-9
            m, log_pi = share.T @ z / count[:, None], np.log(count / len(z))
            for k in range(clusters):
                centred = z - m[k]
                P[k] = _whitener((share[:, k, None] * centred).T @ centred / count[k] + floor)
        return cls(mean, U, log_pi, m, P, v, images.shape[1:]).astype(np.float32)

    def parts(self, x: Array) -> tuple[Array, Array, Array]:
        """Images in terms of the model.

        Parameters
        ----------
        x : images (N, ...).

        Returns
        -------
        z (N, d), the rest (N, D), and log pi_k N(z; m_k, S_k) (N, K).

        Raises
        ------
        ValueError : images of another shape than those that it was fitted to.
        """
        if x.shape[1:] != self.shape:
            raise ValueError(f"got images of shape {x.shape[1:]}, expected {self.shape}, as in the images that the "
                             "density was fitted on")
        centred = x.reshape(len(x), -1) - self.mean
        z = centred @ self.U
        return z, centred - z @ self.U.T, _log_gaussians(z, self.m, self.P) + self.log_pi

    def log_density(self, x: Array) -> Array:
        """log p(x).

        Parameters
        ----------
        x : images (N, ...).

        Returns
        -------
        (N,), in nats.

        Raises
        ------
        ValueError : images of another shape than those that it was fitted to.
        """
        z, rest, logs = self.parts(x)
        inside = log_sum_exp(logs)[:, 0]
        others = rest.shape[1] - z.shape[1]
        return inside - 0.5 * (rest * rest).sum(axis=1) / self.v - 0.5 * others * math.log(2 * math.pi * self.v)

    def gradient(self, x: Array) -> Array:
        """d log p(x) / dx.   -U sum_k r_k S_k^-1 (z - m_k) - rest / v,   r_k the share of cluster k in x.

        Parameters
        ----------
        x : images (N, ...).

        Returns
        -------
        The gradient, like x.

        Raises
        ------
        ValueError : images of another shape than those that it was fitted to.
        """
        z, rest, logs = self.parts(x)
        share = softmax(logs)                                                   # r (N, K)
        dz = 0
        for k in range(len(self.m)):
            dz = dz - share[:, k, None] * ((z - self.m[k]) @ self.P[k] @ self.P[k].T)
        return (dz @ self.U.T - rest / self.v).reshape(x.shape)

    def centres(self) -> Array:
        """The means of the clusters, as images.

        Returns
        -------
        (K, ...).
        """
        return (self.mean + self.m @ self.U.T).reshape(-1, *self.shape)

    def map_arrays(self, f: Callable[[Array], Array]) -> "GaussianMixture":
        """A copy whose arrays are f(array).

        Parameters
        ----------
        f : a function of an array.

        Returns
        -------
        The copy, a GaussianMixture.
        """
        twin = copy.copy(self)
        for name in ("mean", "U", "log_pi", "m", "P"):
            setattr(twin, name, f(getattr(self, name)))
        return twin

    def on(self, xp: ModuleType) -> "GaussianMixture":
        """A copy that lives where the array module `xp` keeps its arrays.

        Parameters
        ----------
        xp : numpy or cupy.

        Returns
        -------
        The copy, a GaussianMixture.
        """
        return self.map_arrays(lambda array: xp.asarray(to_numpy(array)))

    def astype(self, dtype: DTypeLike) -> "GaussianMixture":
        """A copy that computes in `dtype`.

        Parameters
        ----------
        dtype : such as numpy.float64.

        Returns
        -------
        The copy, a GaussianMixture.
        """
        return self.map_arrays(lambda array: array.astype(dtype))


def _whitener(S):
    """P with P P^T = S^-1, so that (z - m) P has covariance one."""
    return np.linalg.inv(np.linalg.cholesky(S)).T


def _log_gaussians(z, m, P):
    """log N(z; m_k, S_k) for points z (N, d) and all k -> (N, K).   log det P = -log det S / 2"""
    xp = array_module(z)
    columns = []
    for k in range(len(m)):
        white = (z - m[k]) @ P[k]                                               # (N, d)
        log_det = xp.log(abs(P[k].diagonal())).sum()                            # P is triangular
        columns.append(log_det - 0.5 * (white * white).sum(axis=1) - 0.5 * z.shape[1] * math.log(2 * math.pi))
    return xp.stack(columns, axis=1)
