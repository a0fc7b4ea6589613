"""Where is it? Class activation maps."""
from collections.abc import Callable
from typing import Any

import numpy as np

from lessons.exercises.marking import Exercise, dot, number, plus, size, some

FACETS = {"with more than one image": lambda c: len(c["A"]) > 1,
          "with more than one feature map": lambda c: c["A"].shape[3] > 1,
          "with more than one pixel": lambda c: c["A"].shape[1] * c["A"].shape[2] > 1}


def draw_cam(rng: np.random.Generator) -> dict:
    N, maps, classes = size(rng, 2), size(rng), size(rng)
    return {"A": some(rng, N, size(rng), size(rng), maps), "W": some(rng, maps, classes),
            "target": rng.integers(0, classes, N)}


def cam(say: Callable | None, A: Any, W: Any, target: Any) -> Any:
    R = np.zeros(A.shape[:3])
    for n, i, j in np.ndindex(*R.shape):
        w = W[:, target[n]]
        R[n, i, j] = sum(w * A[n, i, j])
        if say:
            say(f"R[{n}, {i}, {j}] = {dot(w, A[n, i, j])} = {number(R[n, i, j])}, by the weights of class {target[n]}")
    return R


def mix(A: Any, w: Any) -> Any:
    return np.einsum("nhbk,nk->nhb", A, w)


def scaled(R: Any) -> Any:
    return (R - R.min()) / max(R.max() - R.min(), 1e-9)


CAM = Exercise(
    "cam", "4.1", "R[n, i, j] = sum_k w[k, t_n] A[n, i, j, k]        t_n: the target of image n", draw_cam, cam,
    [("negative values are cut off: that is Grad-CAM", lambda A, W, t: mix(A, W[:, t].T).clip(0)),
     ("the mean over the feature maps is taken, not the sum", lambda A, W, t: mix(A, W[:, t].T) / len(W)),
     ("rows and columns of W are exchanged", lambda A, W, t: mix(A, W[t])),
     ("the weights of the first image's target serve all images", lambda A, W, t: A @ W[:, t[0]]),
     ("the weights are left out", lambda A, W, t: A.sum(3)),
     ("the weights of all classes are added up", lambda A, W, t: A @ W.sum(1)),
     ("the map is divided by its number of pixels", lambda A, W, t: mix(A, W[:, t].T) / (A.shape[1] * A.shape[2])),
     ("the map is scaled to lie between 0 and 1: it no longer averages to the output",
      lambda A, W, t: scaled(mix(A, W[:, t].T))),
     ("all classes are returned, not the target's", lambda A, W, t: A @ W)],
    ["W is (maps, classes): the weights to class t are a column, W[:, t].",
     "W[:, target].T has a row of weights for each image.",
     "A[n] @ W[:, target[n]] is one map; np.stack puts them together."],
    axes={"A": "N H B K", "W": "K C", "target": "N"}, valid=lambda c: c["target"].max() < c["W"].shape[1],
    facets=FACETS)


def draw_grad_cam(rng: np.random.Generator) -> dict:
    shape = size(rng, 2), size(rng, 2), size(rng), size(rng)
    return {"A": some(rng, *shape), "dA": some(rng, *shape)}


def grad_cam(say: Callable | None, A: Any, dA: Any) -> Any:
    R = np.zeros(A.shape[:3])
    for n in range(len(A)):
        a = []
        for k in range(A.shape[3]):
            slopes = dA[n, :, :, k].ravel()
            a.append(float(sum(slopes) / len(slopes)))
            if say:
                say(f"image {n}, a_{k} = ({plus(slopes)})/{len(slopes)} = {number(a[-1])}")
        for i, j in np.ndindex(*A.shape[1:3]):
            total = float(sum(w * v for w, v in zip(a, A[n, i, j])))
            R[n, i, j] = max(total, 0)
            if say:
                say(f"    pixel [{i}, {j}]: max(0, {dot(a, A[n, i, j])}) = {number(R[n, i, j])}")
    return R


GRAD_CAM = Exercise(
    "grad_cam", "4.2", """
    R[i, j] = max(0, sum_k a_k A[i, j, k])        a_k = mean over i, j of dA[i, j, k], for each image""",
    draw_grad_cam, grad_cam,
    [("the gradients are added up, not averaged over the pixels", lambda A, dA: mix(A, dA.sum((1, 2))).clip(0)),
     ("the negative part is kept", lambda A, dA: mix(A, dA.mean((1, 2)))),
     ("each map is cut off at 0 before they are added", lambda A, dA: (A * dA.mean((1, 2),
                                                                                   keepdims=True)).clip(0).sum(3)),
     ("the gradient is not averaged: each pixel keeps its own", lambda A, dA: (A * dA).sum(3).clip(0)),
     ("the mean of the gradients runs over the images, too", lambda A, dA: (A * dA.mean((0, 1, 2))).sum(3).clip(0)),
     ("negative weights are cut off", lambda A, dA: mix(A, dA.mean((1, 2)).clip(0)).clip(0)),
     ("the mean over the feature maps is taken, not the sum",
      lambda A, dA: (A * dA.mean((1, 2), keepdims=True)).mean(3).clip(0)),
     ("the map is divided by its maximum: that is for drawing", lambda A, dA: (
         lambda R: R / max(R.max(), 1e-9))(mix(A, dA.mean((1, 2))).clip(0))),
     ("A and its gradient are exchanged", lambda A, dA: mix(dA, A.mean((1, 2))).clip(0))],
    ["First the weights: one for each image and feature map, the mean over axes 1 and 2.",
     "keepdims=True leaves the axes, of length 1, so that the weights lie beside A.",
     "Sum over the maps, axis 3, and only then cut off at 0."],
    axes={"A": "N H B K", "dA": "N H B K"}, facets={**FACETS, "with a negative sum": lambda c: (
        mix(c["A"], c["dA"].mean((1, 2))) < 0).any()})

EXERCISES = [CAM, GRAD_CAM]
