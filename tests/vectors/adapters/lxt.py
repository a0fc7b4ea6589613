"""LXT (explicit): rules are functions of torch whose backward pass is the rule. A stabiliser of 0 is 1e-300 here."""
import importlib.metadata

import torch
from lxt.explicit import functional, rules

from .. import torch_model

name, version, NOTHING = "lxt", importlib.metadata.version("lxt"), 1e-300
NOTES = {"epsilon": "linear_epsilon; for other layers rules.epsilon_lrp", "scale_held_fixed": "layer_norm",
         "identity": "rms_norm_identity", "signal_takes_all": "mul2 with a gate that needs no gradient"}


def apply(module, layer, rule, epsilon=0):
    """The layer as a function of tensors, with `rule` as its backward pass."""
    epsilon = epsilon or NOTHING
    if rule == "epsilon" and layer["kind"] == "Dense":
        return lambda x: functional.linear_epsilon(x, module.weight, module.bias, epsilon)
    return {"epsilon": lambda x: rules.epsilon_lrp(module, epsilon, x),
            "add": lambda a, *b: apply(module, layer, "add", epsilon)(functional.add2(a, b[0], False, epsilon), *b[1:])
            if b else a,
            "half_each": functional.mul2, "signal_takes_all": lambda a, b: functional.mul2(a, b.detach()),
            "matmul_half_each": lambda a, b: functional.matmul(a, b, False, epsilon),
            "softmax": lambda x: functional.softmax(x, -1), "pass": lambda x: rules.identity(module, x),
            "scale_held_fixed": lambda x: functional.layer_norm_grad_fn.apply(
                x, module.weight, module.bias, module.eps, epsilon),
            "identity": lambda x: functional.rms_norm_identity(x, module.gamma, module.epsilon),
            "cut": module}[rule]


def offers(rule, layer):
    if rule == "network":
        return all(part["kind"] in ("Flatten", "Transpose") or offers(knobs["rule"], part)
                   for part, knobs in zip(layer["layers"], layer["rules"]))
    return rule in ("epsilon", "half_each", "signal_takes_all", "matmul_half_each", "softmax", "pass", "cut", "add") \
        or (rule, layer["kind"]) in (("scale_held_fixed", "LayerNorm"), ("identity", "RMSNorm"))


def build(layer):
    return torch_model.module(layer), layer


def explain(model, rule, x, R, **knobs):
    module, layer = model
    many = layer["kind"] in ("Add", "Concat", "Multiply", "MatMul")
    inputs = [torch_model.tensor(each).requires_grad_() for each in (x if many else [x])]
    if rule == "network":
        A = list(inputs)
        for part, about, given, entering in zip(module.made, layer["layers"], knobs["rules"], layer["inputs"]):
            moves = about["kind"] in ("Flatten", "Transpose")
            A.append((part if moves else apply(part, about, **given))(*(A[i] for i in entering)))
        wanted, y = A, A[-1]
    else:
        wanted, y = inputs, apply(module, layer, rule, **knobs)(*inputs)
    found = torch.autograd.grad(y, wanted, torch_model.tensor(R).reshape(y.shape), allow_unused=True)
    found = [torch.zeros_like(a).numpy() if part is None else part.numpy() for a, part in zip(wanted, found)]
    return found if many or rule == "network" else found[0]
