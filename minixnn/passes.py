"""The backward passes: one loop per method, each written out.

Every pass first runs the network forwards and keeps all activations: A[0] is x, and A[l + 1] is what layer l made of
what entered it. In a chain of layers that is A[l]; where branches meet, a tuple with one array for each.

Then it walks back from the output, hands each layer both its sides, and adds what it returns to the entries beside the
layer's inputs. The result is the list R: R[i] lies beside A[i] and has its shape, R[0] is the explanation at the input,
R[-1] is what the pass started from. In a chain R[l] is just what layer l returned.

The loops look alike on purpose. Set a breakpoint in one, look at `l`, `x_l` and `R[l + 1]`, and step into the
marked line once: there is the formula.

With only_input=True a pass lets go of activations and relevances that it no longer needs; all but R[0] are then None.
"""
import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from minixnn.arrays import Array, Inputs, array_module, like, negative, positive, require, to_numpy
from minixnn.logits import at_logits
from minixnn.layers import Affine, Layer
from minixnn.layers.base import Rule
from minixnn.network import Network, expect_network
from minixnn.rules import composites, lrp as _lrp, reveal_cancel
from minixnn.rules.composites import Rules, name_of

Target: TypeAlias = Any         # None for the largest output of each image, an int for all, or an int for each image


def gradient(net: Network, x: Array, target: Target = None, start: Array | None = None,
             only_input: bool = False) -> list[Array]:
    """Plain backpropagation: dy_target / dx, layer by layer. Simonyan et al. 2014, section 3.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), or a tuple of inputs.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : dL/dy, an array of the output's shape, in place of the one-hot vector of the target.
    only_input : whether all entries but R[0] are let go, to save memory.

    Returns
    -------
    The list R of dL/dA[i], each of A[i]'s shape.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs that the network does not take.
    """
    net = at_logits(net, start)
    A = net.trace(x)
    R: list = [0] * len(net.layers) + [one_hot(A[-1], target) if start is None else check_start(A[-1], start)]
    for l in reversed(range(len(net.layers))):
        x_l = net.entering(A, l)
        R_x = net.layers[l].gradient(x_l, A[l + 1], R[l + 1])               # <- STEP INTO
        net.add_to_inputs(R, l, R_x)
        if only_input:
            A[l + 1] = R[l + 1] = None
    return R


def deconvnet(net: Network, x: Array, target: Target = None, start: Array | None = None,
              only_input: bool = False) -> list[Array]:
    """The deconvolutional network: backpropagation with rectified signals. Zeiler & Fergus 2014, section 2.1.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), or a tuple of inputs.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : the signal of the outputs, in place of the one-hot vector of the target.
    only_input : whether all entries but R[0] are let go, to save memory.

    Returns
    -------
    The list of signals R: R[i] lies beside A[i] and has its shape.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs that the network does not take.
    """
    require_method(net, "deconvnet")
    net = at_logits(net, start)
    A = net.trace(x)
    R: list = [0] * len(net.layers) + [one_hot(A[-1], target) if start is None else check_start(A[-1], start)]
    for l in reversed(range(len(net.layers))):
        x_l = net.entering(A, l)
        R_x = net.layers[l].deconvnet(x_l, A[l + 1], R[l + 1])              # <- STEP INTO
        net.add_to_inputs(R, l, R_x)
        if only_input:
            A[l + 1] = R[l + 1] = None
    return R


def guided_backprop(net: Network, x: Array, target: Target = None, start: Array | None = None,
                    only_input: bool = False) -> list[Array]:
    """Backpropagation of positive signals through units that fired. Springenberg et al. 2015, figure 1.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), or a tuple of inputs.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : the signal of the outputs, in place of the one-hot vector of the target.
    only_input : whether all entries but R[0] are let go, to save memory.

    Returns
    -------
    The list of signals R: R[i] lies beside A[i] and has its shape.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs that the network does not take.
    """
    require_method(net, "guided_backprop")
    net = at_logits(net, start)
    A = net.trace(x)
    R: list = [0] * len(net.layers) + [one_hot(A[-1], target) if start is None else check_start(A[-1], start)]
    for l in reversed(range(len(net.layers))):
        x_l = net.entering(A, l)
        R_x = net.layers[l].guided_backprop(x_l, A[l + 1], R[l + 1])        # <- STEP INTO
        net.add_to_inputs(R, l, R_x)
        if only_input:
            A[l + 1] = R[l + 1] = None
    return R


def lrp(net: Network, x: Array, target: Target = None, rules: Rules = _lrp.epsilon,
        start: Array | None = None, only_input: bool = False) -> list[Array]:
    """Layer-wise relevance propagation. Bach et al. 2015; Montavon et al. 2019.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), or a tuple of inputs.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    rules : one rule for all layers, a list with a rule per layer, or a composite.
    start : relevance of the outputs; None for the output of the target, all others zero.
    only_input : whether all entries but R[0] are let go, to save memory.

    Returns
    -------
    The list R. What arrives, R[0].sum(), is what started, R[-1].sum(), less what the rules let biases and stabilisers
    absorb.

    Raises
    ------
    ValueError : a target that is no output, a start of another shape, inputs that the network does not take, rules that
        do not fit the layers, or a rule that returns another shape, NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from minixnn import Dense, Network, ReLU
    >>> net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
    >>> x = np.array([[1.0, 2.0]])                             # hidden: 3 and 1; output: 7
    >>> R = lrp(net, x, target=0)
    >>> [r.round(3).tolist() for r in R]                       # pixels, behind Dense, behind ReLU, output
    [[[1.0, 6.0]], [[6.0, 1.0]], [[6.0, 1.0]], [[7.0]]]
    """
    net = at_logits(net, start)
    rules = composites.rules_for(net, rules)
    A = net.trace(x)
    R: list = [0] * len(net.layers) + [target_only(A[-1], target) if start is None else check_start(A[-1], start)]
    for l in reversed(range(len(net.layers))):
        x_l = net.entering(A, l)
        R_x = rules[l](net.layers[l], x_l, A[l + 1], R[l + 1])              # <- STEP INTO: the formula
        expect_like(R_x, x_l, rules[l], l)
        net.add_to_inputs(R, l, R_x)
        if only_input:
            A[l + 1] = R[l + 1] = None
    return expect_finite(R, rules)


def deep_taylor(net: Network, x: Array, target: Target = None, low: float | Array | None = None,
                high: float | Array | None = None, start: Array | None = None,
                only_input: bool = False) -> list[Array]:
    """Deep Taylor decomposition. Montavon et al. 2017.

    z^B at the pixels if their bounds are given, else w^2; z+ above; pools share in proportion. The theory asks for ReLU
    layers with biases b <= 0; a warning says where they are not. It explains evidence *for* the target, max(0, output):
    where the output is not positive there is none, the heatmap is zero, and a warning says so.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), or a tuple of inputs.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    low, high : the bounds of the pixels, numbers or arrays; None and None for none.
    start : relevance of the outputs; None for the positive output of the target, all others zero.
    only_input : whether all entries but R[0] are let go, to save memory.

    Returns
    -------
    The list R, as for `lrp`.

    Raises
    ------
    ValueError : one bound without the other, pixels outside them, a layer that the rules do not fit, and as for `lrp`.
    """
    net = at_logits(net, start)
    rules = composites.rules_for(net, composites.deep_taylor(net, low, high))
    warn_of_positive_biases(net)
    A = net.trace(x)
    R: list = [0] * len(net.layers) + [positive_only(A[-1], target) if start is None else check_start(A[-1], start)]
    for l in reversed(range(len(net.layers))):
        x_l = net.entering(A, l)
        R_x = rules[l](net.layers[l], x_l, A[l + 1], R[l + 1])              # <- STEP INTO: the formula
        expect_like(R_x, x_l, rules[l], l)
        net.add_to_inputs(R, l, R_x)
        if only_input:
            A[l + 1] = R[l + 1] = None
    return expect_finite(R, rules)


def deeplift(net: Network, x: Array, x_ref: Array, target: Target = None, start: Array | None = None,
             only_input: bool = False) -> list[Array]:
    """DeepLIFT with the linear and the rescale rule. Shrikumar et al. 2017, sections 3.3 and 3.5.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), or a tuple of inputs.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    x_ref : the reference, an input to compare with, of x's shape or of one image's (1, ...).
    start : multipliers of the outputs; None for 1 at the target.
    only_input : whether all entries but R[0] are let go, to save memory.

    Returns
    -------
    The list of contributions M[i] (A[i] - A_ref[i]). Each sums to the difference of the target's output between x and
    x_ref ("summation to delta", eq. 1), where all of the network's signal passes through A[i].

    Raises
    ------
    ValueError : a reference that does not fit, a target that is no output, a start of another shape, inputs that the
        network does not take.
    NotImplementedError : a layer without multipliers, which is named.
    """
    require_method(net, "deeplift")
    net = at_logits(net, start)
    A, A_ref = net.trace(x), net.trace(as_reference(x, x_ref))
    M: list = [0] * len(net.layers) + [one_hot(A[-1], target) if start is None else check_start(A[-1], start)]
    for l in reversed(range(len(net.layers))):
        x_l, r_l = net.entering(A, l), net.entering(A_ref, l)
        m = net.layers[l].deeplift(x_l, A[l + 1], r_l, A_ref[l + 1], M[l + 1])              # <- STEP INTO
        net.add_to_inputs(M, l, m)
        if only_input:
            A[l + 1] = A_ref[l + 1] = M[l + 1] = None
    return [m if m is None else contribution(m, a, a_ref) for m, a, a_ref in zip(M, A, A_ref)]


def contribution(m: Inputs, a: Inputs, a_ref: Inputs) -> Inputs:
    """m (a - a_ref); of several inputs, for each."""
    if isinstance(m, tuple):
        return tuple(map(contribution, m, a, a_ref))
    return m * (a - a_ref) if a.dtype.kind != "b" else m * (a.astype(m.dtype) - a_ref)


def deeplift_reveal_cancel(net: Network, x: Array, x_ref: Array, target: Target = None, start: Array | None = None,
                           only_input: bool = False) -> list[Array]:
    """DeepLIFT with the linear and the RevealCancel rule. Shrikumar et al. 2017, sections 3.4 and 3.5.3.

    Two walks, of pairs: up the differences D[i] = (d+, d-) from the reference, down the multipliers M[i] = (m+, m-).

    Parameters
    ----------
    net : the Network, of one input.
    x : inputs (N, ...).
    x_ref : the reference, of x's shape or of one image's (1, ...).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    start : multipliers of the outputs; None for 1 at the target.
    only_input : whether all entries but R[0] are let go, to save memory.

    Returns
    -------
    The list of contributions m+ d+ + m- d-. Each sums to the difference of the target's output between x and x_ref, as
    for `deeplift`.

    Raises
    ------
    ValueError : a reference that does not fit, a target that is no output, a start of another shape, inputs that the
        network does not take.
    NotImplementedError : several inputs, or a layer without multipliers, which is named.
    """
    if isinstance(x, tuple):
        raise NotImplementedError("RevealCancel takes networks of one input; passes.deeplift, with the rescale rule, "
                                  "takes several")
    net = at_logits(net, start)
    A, A_ref = net.trace(x), net.trace(as_reference(x, x_ref))
    D: list = [(positive(A[0] - A_ref[0]), negative(A[0] - A_ref[0]))]
    for l in range(len(net.layers)):
        x_l, r_l, d_l = net.entering(A, l), net.entering(A_ref, l), net.entering(D, l)
        D.append(reveal_cancel.forward(net.layers[l], x_l, r_l, d_l))
    start = one_hot(A[-1], target) if start is None else check_start(A[-1], start)
    M: list = [0] * len(net.layers) + [(start, start)]
    for l in reversed(range(len(net.layers))):
        x_l, r_l, d_l = net.entering(A, l), net.entering(A_ref, l), net.entering(D, l)
        m = reveal_cancel.backward(net.layers[l], x_l, r_l, d_l, M[l + 1])
        net.add_to_inputs(M, l, m)
        if only_input:
            A[l + 1] = A_ref[l + 1] = D[l + 1] = M[l + 1] = None
    return [m if m is None else m[0] * d[0] + m[1] * d[1] for m, d in zip(M, D)]


def expect_like(R: Inputs, x: Inputs, rule: Rule, l: int) -> None:
    """Refuse what a rule returned if it does not lie beside x: None, a number, or another shape.

    Parameters
    ----------
    R : what the rule returned.
    x : what enters the layer, an array or a tuple.
    rule : the rule.
    l : the number of the layer.

    Raises
    ------
    ValueError : another shape.
    """
    if isinstance(x, tuple):
        if isinstance(R, tuple) and [getattr(r, "shape", None) for r in R] == [a.shape for a in x]:
            return
        expected = f"a tuple of {len(x)} arrays of shapes {' and '.join(str(a.shape) for a in x)}"
    elif getattr(R, "shape", None) == x.shape:
        return
    else:
        expected = f"an array of shape {x.shape}"
    actual = f"an array of shape {R.shape}" if hasattr(R, "shape") else repr(R)
    raise ValueError(f"the rule {name_of(rule)} returned {actual} at layer {l}, expected the relevance of the layer's "
                     f"inputs, {expected}; does it end in return?")


def expect_finite(R: list[Array], rules: Sequence[Rule]) -> list[Array]:
    """R itself, if the relevance that arrived at the input is finite.

    Parameters
    ----------
    R : the list of a pass.
    rules : its rules, one per layer.

    Returns
    -------
    R.

    Raises
    ------
    ValueError : NaN or infinity; the layer where it was first is named.
    """
    parts = R[0] if isinstance(R[0], tuple) else (R[0],)
    if all(array_module(r).isfinite(r).all().item() for r in parts):
        return R
    wrong = [i for i, r in enumerate(R) if hasattr(r, "dtype") and not array_module(r).isfinite(r).all().item()]
    l = max(wrong, default=0)
    where = f"the rule {name_of(rules[l])} returned NaN or infinite relevance at layer {l}" if R[-1] is not None else \
        "a rule returned NaN or infinite relevance, and minixnn.passes.lrp, which keeps the whole list, says where"
    raise ValueError(f"{where}; look for a division by zero, which minixnn.arrays.stabilize avoids, or for numbers too "
                     f"large for {parts[0].dtype}")


def require_method(net: Network, name: str) -> None:
    """Refuse a network with a layer that lacks a method, in a sentence that says what to write.

    Parameters
    ----------
    net : the Network.
    name : of the method.

    Raises
    ------
    ValueError : a layer without the method.
    TypeError : what is no Network.
    """
    expect_network(net)
    for l, layer in enumerate(net.layers):
        if not hasattr(layer, name):
            raise ValueError(f"layer {l} is {layer!r}, which has no method {name}; derive its class from "
                             f"minixnn.layers.{Layer.__name__}, or write the method")


def warn_of_positive_biases(net: Network) -> None:
    """Say where deep Taylor's assumption b <= 0 does not hold."""
    biased = [(l, layer, layer.b) for l, layer in enumerate(net.layers)
              if isinstance(layer, Affine) and layer.b is not None]
    if not biased:
        return
    largest = array_module(biased[0][2]).stack([b.max() for _, _, b in biased])
    names = [f"{l} ({layer!r})" for (l, layer, _), b in zip(biased, to_numpy(largest)) if b > 0]
    if names:
        warnings.warn(f"deep Taylor got positive biases in layer {', '.join(names)}, expected b <= 0, so that every "
                      "neuron is zero somewhere and can be expanded there. Relevance is still conserved, but may be no "
                      "Taylor expansion: read the heatmap as LRP, or train without biases", stacklevel=3)


def as_reference(x: Inputs, x_ref: Inputs) -> Inputs:
    """One reference per image: repeated if there is one for all.

    Parameters
    ----------
    x : inputs (N, ...), or a tuple of inputs.
    x_ref : the reference, of x's shape or of one image's (1, ...); a tuple for several inputs.

    Returns
    -------
    The reference, of x's shape and dtype.

    Raises
    ------
    ValueError : another shape, whole numbers for floating point, NaN or infinity.
    TypeError : what is no array.
    """
    if isinstance(x, tuple):
        if not isinstance(x_ref, tuple) or len(x_ref) != len(x):
            raise ValueError(f"got {type(x_ref).__name__} as the reference of {len(x)} inputs, expected a tuple with "
                             "one for each")
        return tuple(map(as_reference, x, x_ref))
    array_module(x_ref)                         # refuses what is not an array
    if x_ref.shape[1:] != x.shape[1:] or len(x_ref) not in (1, len(x)):
        raise ValueError(f"got a reference of shape {x_ref.shape} for inputs of shape {x.shape}; expected the same "
                         f"shape, or {(1, *x.shape[1:])} for one reference to all")
    if x.dtype.kind == "f" != x_ref.dtype.kind:
        raise ValueError(f"got a reference of numbers of type {x_ref.dtype}, expected floating point, prepared as the "
                         "inputs are")
    require(array_module(x_ref).isfinite(x_ref).all(), "got NaN or infinite numbers in the reference, expected finite "
            "ones")
    return array_module(x).broadcast_to(x_ref, x.shape).astype(x.dtype)


def one_hot(y: Array, target: Target = None) -> Array:
    """1 at the target of each image, 0 elsewhere.

    Parameters
    ----------
    y : outputs (N, classes).
    target : None for the largest of each image, an int, or one int per image.

    Returns
    -------
    An array like y.

    Raises
    ------
    ValueError : outputs without classes; a target that is no class, or not one per image.
    """
    if y.ndim != 2:
        raise ValueError(f"the network's output has shape {y.shape}, which has no classes to choose a target from; "
                         "give start=, an array of that shape")
    if target is None:
        target = y.argmax(axis=1)
    else:
        N, classes = y.shape
        chosen = to_numpy(target)                           # targets are few: they are checked on the host
        if chosen.ndim == 0:
            chosen = np.full(N, chosen)
        if chosen.shape != (N,) or chosen.dtype.kind not in "iu":
            raise ValueError(f"got targets of shape {chosen.shape} and type {chosen.dtype}, expected None, one whole "
                             f"number, or one for each of the {N} images")
        if chosen.min() < 0 or chosen.max() >= classes:
            raise ValueError(f"got target {chosen.min() if chosen.min() < 0 else chosen.max()}, expected a class "
                             f"from 0 to {classes - 1}")
        target = like(y, chosen)
    return (array_module(y).arange(y.shape[1]) == target[:, None]).astype(y.dtype)          # (N, classes)


def target_only(y: Array, target: Target = None) -> Array:
    """The output of the target of each image, all others zero: the relevance to start from."""
    return y * one_hot(y, target)


def positive_only(y: Array, target: Target = None) -> Array:
    """As `target_only`, where the target's output is positive; zero, and a warning, where it is not."""
    start, chosen = target_only(y, target), one_hot(y, target)
    if bool(((start <= 0) & (chosen > 0)).any()):
        warnings.warn("deep Taylor got an output that is not positive, expected evidence for the target: the heatmap "
                      "of such an image is zero. Explain the largest output, or use LRP, whose relevance has two signs",
                      stacklevel=3)
    return positive(start)


def check_start(y: Array, start: Array) -> Array:
    """What a pass starts from, in the shape of the output.

    Parameters
    ----------
    y : outputs (N, ...).
    start : an array like y, or of one image's shape (1, ...), for all alike.

    Returns
    -------
    The start, of y's shape and dtype.

    Raises
    ------
    ValueError : another shape, NaN or infinity.
    TypeError : what is no array.
    """
    array_module(start)                         # refuses what is not an array
    if start.shape != y.shape and start.shape != (1, *y.shape[1:]):
        raise ValueError(f"got a start of shape {start.shape}, expected the output's shape {y.shape}")
    require(array_module(start).isfinite(start).all(), "got NaN or infinite numbers in the start, expected finite ones")
    return array_module(y).broadcast_to(start, y.shape).astype(y.dtype)
