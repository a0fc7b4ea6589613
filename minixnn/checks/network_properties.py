"""The properties of a whole network: name, formula, why it must hold, what is wrong where it does not."""
from dataclasses import replace
from functools import partial
from typing import Any

from minixnn.checks import network_tests as of
from minixnn.checks.properties import Property
from minixnn.checks.rule_properties import on_device
from minixnn.rules.composites import name_of


def properties_of_network(rules: Any, device: Any = None) -> Any:
    """The list; a ledger for each of `rules`."""
    books = [replace(LEDGER, name=f"ledger, {name_of(rule) if callable(rule) else 'the rules given'}",
                     test=partial(of.ledger, rules=rule)) for rule in rules]
    return [OUTPUTS, IMAGES, *books, PATH, DIFFERENCE, PRECISION, SAVED, *on_device(DEVICE, of.device, device)]


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
