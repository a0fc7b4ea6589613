"""autolrp: rules go with nodes of torch's graph; explains one number, starting with 1, one input at a time.

Relevance is linear in what it starts with, so R is put together number by number. The stabiliser is one for all nodes;
0 is given as 1e-300.
"""
import importlib.metadata

import autolrp
import numpy as np

from .. import torch_model

name, version = "autolrp", importlib.metadata.version("autolrp")
NOTES = {"gamma": "gamma_montavon", "gamma_signed": "gamma", "add": "proportional",
         "half_each": "proportional, the only rule of a product", "scale_held_fixed": "detach_std"}
PRODUCTS = ("AddmmBackward", "MmBackward", "ConvolutionBackward")
WEIGHTED = {"epsilon": "epsilon", "gamma": "gamma_montavon", "gamma_signed": "gamma", "alpha_beta": "alpha_beta",
            "z_plus": "zplus", "z_box": "zbox"}
OTHERS = {"add": ("AddBackward", "proportional"), "half_each": ("MulBackward", "proportional"),
          "signal_takes_all": ("MulBackward", ("proportional", {"attribute": "lhs"})),
          "softmax": ("SoftmaxBackward", "jacobian"),
          "matmul_half_each": ("BmmBackward", ("epsilon", {"attribute": "both"})),
          "matmul_signal_takes_all": ("BmmBackward", ("epsilon", {"attribute": "rhs"})),
          "scale_held_fixed": ("NativeLayerNormBackward", "detach_std"),
          "identity": ("NativeLayerNormBackward", "identity")}


def entries(rule, **knobs):
    """(the entries of a configuration, the stabiliser)"""
    epsilon = knobs.pop("epsilon", 0) or 1e-300
    if rule in WEIGHTED:
        return dict.fromkeys(PRODUCTS, (WEIGHTED[rule], {k: float(v) for k, v in knobs.items()}) if knobs
                             else WEIGHTED[rule]), epsilon
    return dict([OTHERS[rule]] if rule in OTHERS else []), epsilon


def offers(rule, layer):
    kind = layer["kind"]
    if rule == "network":
        used = {tuple(sorted(map(str, knobs.items()))) for part, knobs in zip(layer["layers"], layer["rules"])
                if part["kind"] in ("Dense", "Conv2d")}
        stabilisers = {knobs["epsilon"] for knobs in layer["rules"] if "epsilon" in knobs}
        return len(used) == 1 and len(stabilisers) < 2 and all(offers(knobs["rule"], part) for part, knobs in zip(
            layer["layers"], layer["rules"]) if part["kind"] not in ("Flatten", "Transpose"))
    if rule in WEIGHTED:
        return kind in ("Dense", "Conv1d", "Conv2d", "ConvTranspose2d")
    return rule in ("winner_takes_all", "pass", "cut") or rule in OTHERS and kind != "RMSNorm"


def build(layer):
    return torch_model.module(layer), layer


def explain(model, rule, x, R, **knobs):
    module, layer = model
    many = layer["kind"] in ("Add", "Concat", "Multiply", "MatMul")
    made, epsilon = dict(autolrp.BASE), 1e-300
    for given in knobs["rules"] if rule == "network" else [{"rule": rule, **knobs}]:
        more, chosen = entries(**given)
        made.update(more)
        epsilon = max(epsilon, chosen)
    config = autolrp.LRPConfig(rule=made, eps=epsilon)
    inputs, R, answers = x if many else [x], torch_model.tensor(R), []
    for n in range(len(R)):
        total = [0] * len(inputs)
        for k in range(R[n].numel()):
            entering = [autolrp.tensor(torch_model.tensor(each)[n:n + 1]) for each in inputs]
            module(*entering).flatten()[k].lrp(config=config)
            total = [a + (0 if each.relevance is None else each.relevance.detach().numpy() * R[n].flatten()[k].item())
                     for a, each in zip(total, entering)]
        answers.append([np.broadcast_to(part, each.shape) for part, each in zip(total, entering)])
    found = [np.concatenate(part) for part in zip(*answers)]
    return found if many else found[0]
