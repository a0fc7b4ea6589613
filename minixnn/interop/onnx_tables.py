"""Nodes of the domain ai.onnx.ml, with which scikit-learn's models of tables are exported. See `onnx_nodes.py`."""
import numpy as np

from minixnn import layers as ours
from minixnn.interop.operations import Constant

HEADS = ("NONE", "SOFTMAX", "LOGISTIC")


def _scaler(r):
    """(x - offset) * scale"""
    offset, scale = (np.asarray(r.settings[name], np.float32) for name in ("offset", "scale"))
    return r.add("mul", [r.add("sub", [r.x, Constant(offset)]), Constant(scale)])


def _linear(r, outputs, name):
    """A dense layer, and the function behind it."""
    W = np.reshape(np.asarray(r.settings["coefficients"], np.float32), (outputs, -1)).T
    b = np.asarray(r.settings[name], np.float32) if name in r.settings else None
    y, head = r.add("dense", W=W, b=b), r.settings.get("post_transform", "NONE")
    if head not in HEADS:
        raise ValueError(f"post_transform={head!r} is not supported, expected one of {', '.join(HEADS)}")
    if head == "SOFTMAX":
        return r.add("softmax", [y], axis=1)
    return y if head == "NONE" else r.add("elementwise", [y], layer=ours.Sigmoid())


def _classifier(r):
    """A label, which is refused where it is asked for, and a score for each class."""
    scores = _linear(r, len(r.settings["intercepts"]), "intercepts")
    label = r.graph.unknown([scores], r.label, "a label is no number to explain; name the output of the scores")
    return [label, scores]


def _normalizer(r):
    """Probabilities of a softmax sum to 1 as they are."""
    if r.settings.get("norm") != "L1" or r.x.op != "softmax":
        raise ValueError(f"norm={r.settings.get('norm')!r} is supported for the probabilities of a softmax only")
    return r.x


TABLES = {
    "Scaler": (_scaler, "offset scale"), "Normalizer": (_normalizer, "norm"),
    "ZipMap": (lambda r: r.x, "classlabels_int64s classlabels_strings"),
    "LinearClassifier": (_classifier, "coefficients intercepts multi_class post_transform classlabels_ints "
                                      "classlabels_strings"),
    "LinearRegressor": (lambda r: _linear(r, r.settings.get("targets", 1), "intercepts"),
                        "coefficients intercepts post_transform targets")}
