"""Heatmaps: one function per method, and `METHODS`, the dictionary of them all.

    R = attribution.lrp(net, images, target=labels, rules=composites.epsilon_plus)        # like images
    for name, method in METHODS.items():
        R = method(net, images, labels)

Every method is f(net, x, target=None, *, batch_size=None, workers=1, ...) -> array of x's shape and dtype. target:
None (the largest output of each image), an int, or one int per image. start: what a pass starts from in place of the
target, an array of the output's shape. Images are explained `batch_size` at a time, by default as many as suit the
machine (`batching.default_batch_size`), and `workers` such batches at a time, one unless more are asked for; -1 is
one for each core. To see the layers on the way call `minixnn.passes` instead.
"""
from collections.abc import Callable
from functools import partial

from minixnn.attribution.cam import (ablation_cam, cam, grad_cam, grad_cam_plus_plus, guided_grad_cam, score_cam)
from minixnn.attribution.fits import fits
from minixnn.attribution.gradients import (deconvnet, gradient, gradient_times_input, guided_backprop,
                                           integrated_gradients, saliency, sensitivity, smoothgrad)
from minixnn.attribution.occlusion import occlusion
from minixnn.attribution.patching import patching
from minixnn.attribution.relevance import concepts, deep_taylor, deeplift, deeplift_reveal_cancel, lrp
from minixnn.attribution.starts import channel, contrast, region, unit
from minixnn.rules import composites
from minixnn.rules import lrp as _lrp

__all__ = ["METHODS", "NAMES", "ablation_cam", "cam", "channel", "concepts", "contrast", "deconvnet", "deep_taylor",
           "deeplift", "deeplift_reveal_cancel", "fits", "grad_cam", "grad_cam_plus_plus", "gradient",
           "gradient_times_input", "guided_backprop", "guided_grad_cam", "integrated_gradients", "lrp", "occlusion",
           "patching", "region", "saliency", "score_cam", "sensitivity", "smoothgrad", "unit"]

# name: function (net, x, target) -> array like x. Pixels are taken to lie in [0, 1] where a method needs bounds.
METHODS: dict[str, Callable] = {
    "gradient": gradient,
    "sensitivity": sensitivity,
    "saliency": saliency,
    "gradient_times_input": gradient_times_input,
    "integrated_gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "occlusion": occlusion,
    "deconvnet": deconvnet,
    "guided_backprop": guided_backprop,
    "lrp_0": partial(lrp, rules=partial(_lrp.epsilon, epsilon=0)),
    "lrp_epsilon": lrp,
    "lrp_gamma": partial(lrp, rules=_lrp.gamma_signed),         # as gamma for x >= 0, and for any x
    "lrp_alpha1_beta0": partial(lrp, rules=composites.alpha1_beta0),
    "lrp_alpha2_beta1": partial(lrp, rules=composites.alpha2_beta1),
    "lrp_epsilon_plus": partial(lrp, rules=composites.epsilon_plus),
    "lrp_epsilon_plus_flat": partial(lrp, rules=composites.epsilon_plus_flat),
    "lrp_epsilon_alpha2_beta1": partial(lrp, rules=composites.epsilon_alpha2_beta1),
    "lrp_epsilon_gamma_box": partial(lrp, rules=composites.epsilon_gamma_box),
    "lrp_by_depth": partial(lrp, rules=composites.by_depth),
    "attn_lrp": partial(lrp, rules=composites.attn_lrp),
    "cp_lrp": partial(lrp, rules=composites.cp_lrp),
    "deep_taylor": deep_taylor,
    "deeplift": deeplift,
    "deeplift_reveal_cancel": deeplift_reveal_cancel,
    "cam": cam,
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "guided_grad_cam": guided_grad_cam,
    "score_cam": score_cam,
    "ablation_cam": ablation_cam,
}

# How people read a method: in prose, figures and tables. The keys of METHODS are what one types.
NAMES = {
    "gradient_times_input": "gradient x input", "smoothgrad": "SmoothGrad", "deconvnet": "deconvnet",
    "guided_backprop": "guided backpropagation", "attn_lrp": "AttnLRP", "cp_lrp": "CP-LRP", "deeplift": "DeepLIFT",
    "deeplift_reveal_cancel": "DeepLIFT with RevealCancel", "cam": "CAM", "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++", "guided_grad_cam": "guided Grad-CAM",
    "score_cam": "Score-CAM", "ablation_cam": "Ablation-CAM",
    **{key: key.replace("lrp", "LRP").replace("_", "-") for key in METHODS if key.startswith("lrp_")},
    **{key: key.replace("_", " ") for key in ("gradient", "sensitivity", "saliency", "integrated_gradients",
                                              "occlusion")},
    "deep_taylor": "deep Taylor",
}
