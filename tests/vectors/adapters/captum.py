"""Captum: LRP has a rule for each module; it and DeepLift explain one output at a time.

It starts with the output's value. Relevance is linear in what it starts with, so R is put together output by output;
where an output is 0 it cannot be asked. It adds 1e-9 sgn(z) to every denominator: 1e-300 takes the place of that.
"""
import importlib.metadata

import torch
from captum.attr import LRP, DeepLift
from captum.attr._utils import lrp_rules
from captum.attr._utils.custom_modules import Addition_Module

from .. import torch_model
from . import NotOffered

name, version, NOTHING = "captum", importlib.metadata.version("captum"), 1e-300
NOTES = {"alpha_beta": "Alpha1_Beta0_Rule()", "gamma": "GammaRule()", "z_plus": "Alpha1_Beta0_Rule(set_bias_to_zero="
         "True)", "gamma_signed": "GammaRule(), which is gamma", "deeplift": "DeepLift; documented to sum to the "
         "difference of the outputs"}
PASSED, AFFINE = [("pass", "ReLU"), ("pass", "Tanh")], ("Dense", "Conv1d", "Conv2d", "ConvTranspose2d")


def rule_of(rule, epsilon=0, alpha=1, beta=0, gamma=0.25):
    made = {"gamma": lambda: lrp_rules.GammaRule(gamma), "alpha_beta": lrp_rules.Alpha1_Beta0_Rule,
            "z_plus": lambda: lrp_rules.Alpha1_Beta0_Rule(set_bias_to_zero=True)}.get(
                rule, lambda: lrp_rules.EpsilonRule(epsilon or NOTHING))()
    made.STABILITY_FACTOR = epsilon or NOTHING
    return made


def offers(rule, layer):
    if rule == "network":
        return all(part["kind"] == "Flatten" or offers(knobs["rule"], part) and knobs.get("beta", 0) == 0
                   for part, knobs in zip(layer["layers"], layer["rules"]))
    return rule in ("gamma", "alpha_beta", "z_plus") and layer["kind"] in AFFINE or \
        rule in ("winner_takes_all", "epsilon", "add", "deeplift") or (rule, layer["kind"]) in PASSED


def build(layer):
    return torch_model.module(layer, Add=Addition_Module), layer


class Flat(torch.nn.Module):
    """The module with its outputs in a row, as a target is one of a row."""

    def __init__(self, module):
        super().__init__()
        self.inner = module

    def forward(self, *x):
        return self.inner(*x).flatten(1)


def explain(model, rule, x, R, **knobs):
    module, layer = model
    if rule == "alpha_beta" and (knobs["alpha"], knobs["beta"]) != (1, 0) or rule == "add" and len(x) > 2:
        raise NotOffered("captum has alpha 1, beta 0 only, and adds two")
    many = layer["kind"] in ("Add", "Concat")
    inputs = tuple(torch_model.tensor(each) for each in (x if many else [x]))
    R = torch_model.tensor(R).flatten(1)
    if rule == "deeplift":
        return DeepLift(module).attribute(*inputs, torch_model.tensor(knobs["x_ref"]), R.argmax(1)).detach().numpy()
    flat, total = Flat(module), 0
    each = zip(module.made, knobs["rules"]) if rule == "network" else [(module, {"rule": rule, **knobs})]
    given = [(part, about) for part, about in each if type(part).__name__ not in ("ReLU", "Tanh")]
    y = flat(*(each.clone() for each in inputs)).detach()
    for k in range(R.shape[1]):
        if not R[:, k].any():
            continue
        if (y[:, k] == 0).any():
            raise NotOffered("captum starts with the output's value, which is 0 here")
        for part, about in given:                           # it takes them off after each explanation
            part.rule = rule_of(**about)
        found = LRP(flat).attribute(inputs if many else inputs[0], target=k)
        share = R[:, k] / y[:, k]
        total = total + torch.stack([
            part * share.reshape(-1, *[1] * (part.dim() - 1)) for part in (found if many else [found])])
    return list(total.detach().numpy()) if many else total[0].detach().numpy()
