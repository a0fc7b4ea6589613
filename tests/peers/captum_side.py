"""Everything that minixnn and captum both have.

captum gives one explanation at the input, so that is what is compared. Its LRP attaches rules to modules, wants one
for Flatten too, and adds 1e-9 sgn(z) to every denominator: 1e-300 takes the place of that number. It goes astray at
an Identity behind a ReLU (`test_captum.py` shows it), so it is given the network without.
"""
import dataclasses
import warnings
from functools import partial

import numpy as np

from minixnn import attribution, layers, passes
from minixnn.arrays import positive
from minixnn.attribution.cam import head
from minixnn.rules import lrp
from tests.peers import networks
from tests.peers.agreement import ALL, RELU, Comparison
from tests.peers.libraries import captum, torch

NOTHING = 1e-300            # as a stabiliser: z + NOTHING is z, and 0 / NOTHING is 0
UNBIASED = ("dense, no bias", "conv, no bias", "shipped")


def attribute(explainer, **arguments):
    """captum.attr.EXPLAINER(module).attribute(input, target, ...), in our order of axes."""
    def theirs(case):
        given = {name: value(case) if callable(value) else value for name, value in arguments.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                 # that hooks will be set, that gradients are required
            found = getattr(captum.attr, explainer)(case.module).attribute(case.tensor, target=case.targets, **given)
        return networks.to_array(found)
    return theirs


def propagate(rule, **knobs):
    """captum's LRP with one rule at all layers with weights and LRP-epsilon (1e-6) at pools and normalisation."""
    def theirs(case):
        rules = captum.attr._utils.lrp_rules
        leaves = [leaf for leaf in networks.leaves(case.module).values() if type(leaf).__name__ != "Identity"]
        for leaf in leaves:
            kind = type(leaf).__name__
            if kind in ("Linear", "Conv2d"):
                leaf.rule = getattr(rules, rule)(**knobs)
                if rule != "EpsilonRule":
                    leaf.rule.STABILITY_FACTOR = NOTHING
            elif "AvgPool" in kind or "BatchNorm" in kind:
                leaf.rule = rules.EpsilonRule(1e-6)
            elif kind not in ("ReLU", "Dropout", "Tanh"):
                leaf.rule = rules.EpsilonRule(NOTHING)
        return attribute("LRP")(dataclasses.replace(case, module=torch.nn.Sequential(*leaves)))
    return theirs


def ours(rule):
    """R[0] with `rule` at layers with weights, LRP-epsilon with 1e-6 at pools and batch normalisation."""
    def explain(case):
        weighted = (layers.Conv2d, layers.Dense)
        return passes.lrp(case.net, case.x, case.target, [
            rule if isinstance(layer, weighted) else lrp.epsilon if isinstance(layer, layers.Affine) else None
            for layer in case.net.layers])[0]
    return explain


def input_of(name):
    """R[0] of one of our gradient passes."""
    return lambda case: getattr(passes, name)(case.net, case.x, case.target)[0]


def gamma_with_plain_bias(layer, x, y, R, gamma=0.25):
    """captum's gamma rule: weights are boosted, the bias is not."""
    boosted = layer.with_weights(layer.W + gamma * positive(layer.W), layer.b)
    return lrp.epsilon(boosted, x, boosted.forward(x), R, epsilon=0)


def positive_weights_with_plain_bias(layer, x, y, R):
    """captum's alpha1-beta0 rule: W+ with all of the bias."""
    excitatory = layer.with_weights(positive(layer.W), layer.b)
    return lrp.epsilon(excitatory, x, excitatory.forward(x), R, epsilon=0)


def deeplift(case):
    return passes.deeplift(case.net, case.x, case.x_ref, case.target)[0]


their_deeplift = attribute("DeepLift", baselines=lambda case: case.reference)


def rescales(layer):
    return isinstance(layer, (layers.Elementwise, layers.MaxPool2d))


def as_captum_hooks_it(case, mended=False):
    """captum's DeepLIFT, rebuilt. It departs from ours, and from summing to the difference, in two places.

    Of two modules that it hooks and that follow each other directly, such as ReLU and MaxPool2d, the first is shown
    the plain gradient of the second. And where pooling windows overlap, a pixel that wins several keeps the credit
    of the last: written, not added. With `mended` both are put right.
    """
    net, A, A_ref = case.net, case.net.trace(case.x), case.net.trace(case.x_ref)
    m = m_ref = case.one_hot                                # one multiplier for the input's half, one for the other's
    for l in reversed(range(len(net.layers))):
        layer, x, x_ref, y, y_ref = net.layers[l], A[l], A_ref[l], A[l + 1], A_ref[l + 1]
        if not rescales(layer) or not mended and l and rescales(net.layers[l - 1]):
            m, m_ref = layer.gradient(x, y, m), layer.gradient(x_ref, y_ref, m_ref)
        elif isinstance(layer, layers.Elementwise):
            m, m_ref = layer.deeplift(x, y, x_ref, y_ref, m), layer.deeplift(x, y, x_ref, y_ref, m_ref)
        else:
            top = np.maximum(y, y_ref)
            credit = to_winners(layer, x, m * (top - y_ref), mended) + \
                to_winners(layer, x_ref, m_ref * (y - top), mended)
            dx = x - x_ref
            m = m_ref = np.where(dx == 0, 0, credit / np.where(dx == 0, 1, dx))
    return m * (case.x - case.x_ref)


def to_winners(pool, x, dy, add):
    """The transpose of max pooling by its definition. A pixel that wins twice keeps the sum, or what came last."""
    (top, _), (left, _) = pool.place(x)[0]
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(*dy.shape):
        first, second = max(i * pool.stride[0] - top, 0), max(j * pool.stride[1] - left, 0)
        window = x[n, first:i * pool.stride[0] - top + pool.size[0], second:j * pool.stride[1] - left + pool.size[1], c]
        row, column = np.unravel_index(window.argmax(), window.shape)
        dx[n, first + row, second + column, c] = dy[n, i, j, c] + add * dx[n, first + row, second + column, c]
    return dx


def faithful(case):
    """Whether captum's DeepLIFT is the method of the paper here: no two hooked modules touch, no windows overlap."""
    pairs = zip(case.net.layers, case.net.layers[1:])
    pools = [layer for layer in case.net.layers if isinstance(layer, layers.MaxPool2d)]
    return not any(rescales(a) and rescales(b) for a, b in pairs) and \
        all(s >= k for pool in pools for s, k in zip(pool.stride, pool.size))


def integrated(method):
    return lambda case: attribution.integrated_gradients(case.net, case.x, case.target, case.x_ref, steps=8,
                                                         method=method)


def their_integrated(method):
    """Eight steps: eighths and their halves are exact in single precision, which captum takes for path and weights."""
    return attribute("IntegratedGradients", baselines=lambda case: case.reference, method=method, n_steps=8)


def trapezoid_that_loses(case, steps=8):
    """n points, the outer two with half of 1/n: the weights sum to 1 - 1/n."""
    weights = np.full(steps, 1 / steps)
    weights[[0, -1]] /= 2
    points = np.linspace(0, 1, steps)
    dx = case.x - case.x_ref
    return dx * sum(w * passes.gradient(case.net, case.x_ref + t * dx, case.target)[0]
                    for t, w in zip(points, weights))


def entered(case, l):
    """torch's module that our layer l came from, for captum's `attribute_to_layer_input`."""
    return next(leaf for leaf, number in networks.counterparts(case) if number == l)


def their_cam(l=None, resized=None):
    """LayerGradCam at the activations that enter our layer l, or our head; as maps, or resized to the image."""
    def theirs(case):
        layer = entered(case, head(case.net, case.x) if l is None else l)
        found = captum.attr.LayerGradCam(case.module, layer).attribute(
            case.tensor, target=case.targets, attribute_to_layer_input=True, relu_attributions=True).detach()
        if resized is None:
            return found[:, 0].numpy()
        found = torch.nn.functional.interpolate(found, case.tensor.shape[2:], mode="bilinear", align_corners=resized)
        return np.repeat(networks.to_array(found), case.x.shape[3], axis=3)
    return theirs


def our_cam(l=None, resize=False):
    return lambda case: attribution.grad_cam(case.net, case.x, case.target, layer=l, resize=resize)


def their_guided_cam(case):
    layer = entered(case, head(case.net, case.x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = captum.attr.GuidedGradCam(case.module, layer).attribute(
            case.tensor, target=case.targets, attribute_to_layer_input=True, interpolate_mode="bilinear")
    return networks.to_array(found)


def guided_cam_with_other_corners(case):
    return their_cam(resized=False)(case) * passes.guided_backprop(case.net, case.x, case.target)[0]


def guided_cam_from_its_parts(case):
    """captum's maps and captum's guided backpropagation, multiplied after resizing as we do."""
    return their_cam(resized=True)(case) * attribute("GuidedBackprop")(case)


def their_occlusion(case):
    return attribute("Occlusion", sliding_window_shapes=(case.x.shape[3], 4, 3), strides=(case.x.shape[3], 3, 2),
                     baselines=0.5)(case)


def over_channels(case):
    """captum's absolute gradients; the largest of each pixel's channels, as the paper has it."""
    R = attribute("Saliency")(case)
    return np.broadcast_to(R.max(axis=-1, keepdims=True), R.shape) if R.ndim == 4 else R


def ours_by(name, **settings):
    return lambda case: getattr(attribution, name)(case.net, case.x, case.target, **settings)


IMAGES = tuple(kind for kind in ALL if not kind.startswith("dense")) + ("shipped",)
UNTIED = tuple(kind for kind in ALL if kind != "tied")      # between coarse images the last bit decides a tie
RECTIFIED = RELU + ("normalised", "shipped")

COMPARISONS = [
    Comparison("lrp.epsilon (epsilon=0)", "captum", "LRP, EpsilonRule(1e-300)", ours(partial(lrp.epsilon, epsilon=0)),
               propagate("EpsilonRule", epsilon=NOTHING), kinds=RELU + ("normalised", "shipped")),
    Comparison("lrp.epsilon (epsilon=0.25)", "captum", "LRP, EpsilonRule(0.25)",
               ours(partial(lrp.epsilon, epsilon=0.25)), propagate("EpsilonRule", epsilon=0.25),
               kinds=RELU + ("normalised", "shipped")),
    Comparison("lrp.gamma", "captum", "LRP, GammaRule(0.25)", ours(lrp.gamma), propagate("GammaRule"),
               kinds=UNBIASED, nonnegative=True, seeds=range(6), note="inputs x >= 0, no biases"),
    Comparison("lrp.gamma", "captum", "LRP, GammaRule(0.25)", ours(lrp.gamma), propagate("GammaRule"),
               kinds=("dense", "conv"), nonnegative=True, explained=ours(gamma_with_plain_bias),
               note="there the bias is not boosted"),
    Comparison("lrp.alpha_beta (alpha=1, beta=0)", "captum", "LRP, Alpha1_Beta0_Rule()",
               ours(partial(lrp.alpha_beta, alpha=1.0, beta=0.0)), propagate("Alpha1_Beta0_Rule"),
               kinds=UNBIASED, nonnegative=True, seeds=range(6), note="inputs x >= 0, no biases"),
    Comparison("lrp.alpha_beta (alpha=1, beta=0)", "captum", "LRP, Alpha1_Beta0_Rule()",
               ours(partial(lrp.alpha_beta, alpha=1.0, beta=0.0)), propagate("Alpha1_Beta0_Rule"),
               kinds=("dense", "conv"), explained=ours(positive_weights_with_plain_bias),
               note="there W+ takes all of x and of b, here the product x w and b are split by their signs"),
    Comparison("passes.deeplift", "captum", "DeepLift", deeplift, their_deeplift, only=faithful,
               note="nets where no activation touches a max pool and its windows do not overlap"),
    Comparison("passes.deeplift", "captum", "DeepLift", deeplift, their_deeplift, kinds=ALL + ("shipped",),
               only=lambda case: not faithful(case), explained=as_captum_hooks_it,
               note="the other nets: there contributions miss the difference of the outputs, for two faults in how "
                    "activations next to a max pool and overlapping windows are handled"),
    Comparison("attribution.gradient", "captum", "Saliency(abs=False)", ours_by("gradient"),
               attribute("Saliency", abs=False), kinds=ALL + ("shipped",)),
    Comparison("attribution.saliency", "captum", "Saliency, largest over the channels", ours_by("saliency"),
               over_channels, kinds=ALL + ("shipped",)),
    Comparison("attribution.gradient_times_input", "captum", "InputXGradient", ours_by("gradient_times_input"),
               attribute("InputXGradient"), kinds=ALL + ("shipped",)),
    Comparison("attribution.deconvnet", "captum", "Deconvolution", ours_by("deconvnet"), attribute("Deconvolution"),
               kinds=RECTIFIED),
    Comparison("attribution.guided_backprop", "captum", "GuidedBackprop", ours_by("guided_backprop"),
               attribute("GuidedBackprop"), kinds=RECTIFIED),
    *(Comparison(f"attribution.integrated_gradients (method='{method}')", "captum",
                 f"IntegratedGradients(method='riemann_{theirs}')", integrated(method),
                 their_integrated(f"riemann_{theirs}"), kinds=UNTIED + ("shipped",))
      for method, theirs in (("midpoint", "middle"), ("left", "left"), ("right", "right"))),
    Comparison("attribution.integrated_gradients (method='trapezoid')", "captum",
               "IntegratedGradients(method='riemann_trapezoid')", integrated("trapezoid"),
               their_integrated("riemann_trapezoid"), kinds=UNTIED,
               bound=1e-6,  # the seven pieces between its eight points have no exact length in single precision
               explained=trapezoid_that_loses,
               note="there the weights sum to 1 - 1/n, here to 1; points and weights are in single precision"),
    Comparison("attribution.grad_cam (resize=False)", "captum", "LayerGradCam", our_cam(), their_cam(), kinds=IMAGES),
    Comparison("attribution.grad_cam (layer=1, resize=False)", "captum", "LayerGradCam", our_cam(l=1), their_cam(l=1),
               kinds=IMAGES),
    Comparison("attribution.grad_cam", "captum", "LayerGradCam, then torch's interpolate(align_corners=True)",
               our_cam(resize=True), their_cam(resized=True), kinds=IMAGES),
    Comparison("attribution.guided_grad_cam", "captum", "LayerGradCam and GuidedBackprop, corners aligned",
               ours_by("guided_grad_cam"), guided_cam_from_its_parts,
               kinds=tuple(kind for kind in IMAGES if kind != "smooth")),
    Comparison("attribution.guided_grad_cam", "captum", "GuidedGradCam(interpolate_mode='bilinear')",
               ours_by("guided_grad_cam"), their_guided_cam, kinds=("conv", "max pool"),
               explained=guided_cam_with_other_corners, note="there the corners of the resized map are not aligned"),
    Comparison("attribution.occlusion (size=(4, 3), stride=(3, 2))", "captum", "Occlusion",
               ours_by("occlusion", size=(4, 3), stride=(3, 2), value=0.5), their_occlusion,
               kinds=IMAGES[:-1],  # without the shipped network: one forward pass a window takes too long there
               bound=1e-6,  # captum returns its quotient in single precision
               note="there the quotient is in single precision"),
]
