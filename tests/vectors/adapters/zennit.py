"""Zennit: rules are hooks of torch modules.

It lets the stabiliser of a denominator be given, so it is given the vectors': one that makes R / 0 count as 0.
"""
import importlib.metadata

import torch

from .. import torch_model

torch_model.stand_in_torchvision()
import zennit.layer                                         # noqa: E402
from zennit import rules                                    # noqa: E402

name, version = "zennit", importlib.metadata.version("zennit")
NOTES = {"z_plus": "ZPlus(zero_params='bias'); by default b+ absorbs", "w_square": "WSquare(zero_params='bias'); by "
         "default b squared absorbs", "gamma": "Gamma, which is gamma_signed", "alpha_beta": "AlphaBeta; ZPlus at 1, 0"}


def at_zero(z):
    return torch.where(z == 0, torch.inf, z)


def hook(rule, layer, **knobs):
    """The hook that is to compute `rule`, or None for plain gradients."""
    if rule == "alpha_beta" and (knobs["alpha"], knobs["beta"]) == (1, 0):
        return rules.ZPlus(stabilizer=at_zero)
    epsilon = knobs.get("epsilon") or at_zero
    made = {"epsilon": lambda: rules.Norm(stabilizer=epsilon) if "AvgPool" in layer["kind"] else rules.Epsilon(epsilon),
            "gamma": lambda: rules.Gamma(stabilizer=at_zero, **knobs), "flat": lambda: rules.Flat(stabilizer=at_zero),
            "alpha_beta": lambda: rules.AlphaBeta(stabilizer=at_zero, **knobs),
            "z_plus": lambda: rules.ZPlus(stabilizer=at_zero, zero_params="bias"),
            "w_square": lambda: rules.WSquare(stabilizer=at_zero, zero_params="bias"),
            "z_box": lambda: rules.ZBox(**{k: float(v) for k, v in knobs.items()}, stabilizer=at_zero),
            "add": lambda: rules.Norm(stabilizer=epsilon), "identity": rules.Pass, "pass": rules.Pass}
    made["gamma_signed"] = made["gamma"]
    return made[rule]() if rule in made and layer["kind"] not in ("Flatten", "Transpose", "Concat") else None


def offers(rule, layer):
    if rule == "network":
        return all(offers(knobs["rule"], part) for part, knobs in zip(layer["layers"], layer["rules"]))
    return rule in ("winner_takes_all", "add", "cut", "pass", "identity", "epsilon") or "W" in layer and \
        rule in ("gamma", "gamma_signed", "alpha_beta", "z_plus", "w_square", "flat", "z_box")


def build(layer):
    return torch_model.module(layer, Add=Sum), layer


class Sum(torch.nn.Module):
    """zennit.layer.Sum takes its summands along a new last axis."""
    def __init__(self):
        super().__init__()
        self.sum = zennit.layer.Sum(dim=-1)

    def forward(self, *x):
        return self.sum(torch.stack(x, dim=-1))


def explain(model, rule, x, R, **knobs):
    module, layer = model
    many = layer["kind"] in ("Add", "Concat")
    inputs = [torch_model.tensor(each).requires_grad_() for each in (x if many else [x])]
    each = zip(module.made, layer["layers"], knobs["rules"]) if rule == "network" else [
        (module, layer, {"rule": rule, **knobs})]
    hooks = {}                                              # a module that is used twice gets one hook
    for part, about, given in each:
        found = hook(**{"layer": about, **given})
        if found is not None and part not in hooks:
            hooks[part] = found.register(getattr(part, "sum", part))
    try:
        y = module(*(each * 1 for each in inputs))          # * 1: an activation in place may not write into a leaf
        wanted = [*inputs, *module.A[1:]] if rule == "network" else inputs
        found = torch.autograd.grad(y, wanted, torch_model.tensor(R), allow_unused=True)
    finally:
        for handle in hooks.values():
            handle.remove()
    found = [None if part is None else part.numpy() for part in found]
    return found if many or rule == "network" else found[0]
