"""The properties of a whole network: name, formula, why it must hold, what is wrong where it does not."""
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

from minixnn.checks import network_tests as of
from minixnn.checks.properties import Property
from minixnn.checks.rule_properties import on_device
from minixnn.rules.composites import name_of


def properties_of_network(rules: Any, device: ModuleType | None = None) -> Any:
    """The list; a ledger for each of `rules`."""
    books = [replace(LEDGER, name=f"ledger, {name_of(rule) if callable(rule) else 'the rules given'}",
                     test=partial(of.ledger, rules=rule)) for rule in rules]
    return [OUTPUTS, IMAGES, *books, PATH, DIFFERENCE, PRECISION, SAVED, *on_device(DEVICE, of.device, device)]


def properties_of_pair(rules: Any) -> list[Property]:
    """What two networks that compute the same must have in common; the relevance by each of `rules`."""
    by_rule = [replace(SAME_RELEVANCE, name=f"the same relevance, {name_of(rule)}",
                       test=partial(of.same_relevance, rules=rule)) for rule in rules]
    return [SAME_OUTPUTS, SAME_GRADIENT, SAME_CONTRIBUTIONS, *by_rule]


OUTPUTS = Property(
    "outputs", "forward(x) = the outputs of the network that this one was made from",
    "An explanation of another function explains nothing.",
    "a kernel that was not transposed, channels in another order, padding on the other side, a bias or an activation "
    "that is missing, or images that were not prepared alike", of.outputs, 1e-4)
IMAGES = Property(
    "images apart", "f([x, x']) = [f(x), f(x')]",
    "The output for an image must not depend on what else is in the batch.",
    "a layer that still normalises over the batch", of.images_apart)
LEDGER = Property(
    "ledger", "sum_k R_k = sum_j R_j + bias + stabiliser + lost, in every layer",
    "The accounts compute what rules withhold from their formulas alone; with it all numbers must add up.",
    "a layer that answers other numbers to a rule than to its account; the table shows which", None, 1e-8)
PATH = Property(
    "integrated gradients", "sum_i R_i = y(x) - y(0)",
    "Completeness (Sundararajan et al. 2017): an integral of the derivative is the difference of the function. With "
    "finitely many steps it is so up to a few per cent.",
    "a gradient somewhere that is not the derivative of forward", of.path_integral, 0.05)
DIFFERENCE = Property(
    "DeepLIFT", "sum_i C_i = y(x) - y(0)",
    "Contributions sum to the difference of the outputs (Shrikumar et al. 2017).",
    "a layer whose multipliers do not", of.sums_to_difference, 1e-7)
PRECISION = Property(
    "float32", "float32 = float64, up to rounding",
    "The network is used in float32. Where it differs much, differences of large numbers are taken somewhere.",
    "a large number that is subtracted again, or a sum of squares minus a squared sum", of.precision, 1e-3)
SAVED = Property(
    "saved and loaded", "Network.load(path) = the network",
    "A file holds the arrays and settings of its layers.", "settings() leaves something out", of.saved, 1e-6)
DEVICE = Property(
    "device", "forward on arrays of a GPU = forward on NumPy's",
    "An array knows where it lives, and what is computed from it lives there too.",
    "a function of numpy called by name", limit=1e-6)

DEPENDS = "nothing need be wrong: it depends on how the function is written. Explain one way of writing, and say which"
SAME_OUTPUTS = Property(
    "the same outputs", "forward(x) = forward(x) of the equivalent network",
    "Only networks that compute the same can be asked for the same explanation.",
    "a rewriting that changes the function: a bias, a scale or a shortcut that was lost on the way", of.same_outputs,
    1e-7)
SAME_GRADIENT = Property(
    "the same gradient", "dy/dx = dy/dx of the equivalent network",
    "A derivative belongs to the function, however it is computed.",
    "a gradient that is not the derivative of forward, or an x at which the function has a kink", of.same_gradient,
    1e-6)
SAME_CONTRIBUTIONS = Property(
    "the same contributions, DeepLIFT", "C(x) = C(x) of the equivalent network, against 0",
    "Implementation invariance (Sundararajan et al. 2017, section 2.2). DeepLIFT puts quotients in place of "
    "derivatives, and these need not obey the chain rule.", DEPENDS, of.same_contributions, 1e-3)
SAME_RELEVANCE = Property(
    "the same relevance", "R(x) = R(x) of the equivalent network",
    "Implementation invariance (Sundararajan et al. 2017, section 2.2). A rule shares by what meets in one layer, and "
    "what does is up to the author of the network.", DEPENDS, None, 1e-3)
