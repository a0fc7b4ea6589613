"""The table of what fits says what each layer and each method answers."""
import numpy as np

from minixnn import Network, attribution
from minixnn.layers import Dense, Flatten, ReLU, Sigmoid
from tests.registry import many_kinds

IMAGES = np.random.default_rng(5).random((3, 8, 8, 3))


def test_the_table_of_what_fits_says_what_each_layer_and_method_answers():
    table = attribution.fits(many_kinds(), IMAGES)
    layer_lines, method_lines, sentences = (part.splitlines() for part in table.split("\n\n"))
    found = {line.split("  ")[0]: line for line in reversed(layer_lines)}
    assert {type(layer).__name__ for layer in many_kinds().layers} < set(found)
    assert "every rule" in found["Conv2d"] and "gamma [1] z_plus [2]" in found["Upsample"]
    assert "scale_held_fixed identity" in found["LayerNorm"] and "the others [" in found["LayerNorm"]
    assert "  8  " in found["LayerNorm"] and "pass_on" in found["GELU"] and "no other" in found["GELU"]
    methods = {line.split()[0]: " ".join(line.split()[1:]) for line in method_lines[1:]}
    assert set(attribution.METHODS) < set(methods) and methods["lrp_epsilon"] == methods["deeplift"] == "yes"
    numbers = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in sentences}
    assert "Multiply has no RevealCancel rule" in numbers[methods["deeplift_reveal_cancel"]]
    assert "z_plus got negative inputs" in numbers[methods["deep_taylor"]]
    assert "cam needs a network that ends in GlobalAvgPool" in numbers[methods["cam"]]
    used = " ".join(layer_lines + method_lines)
    assert all(number in used for number in numbers), "a sentence that no cell refers to"


def test_the_table_of_what_fits_has_numbers_for_warnings():
    net = Network([Flatten(), Dense(np.eye(4)), ReLU(), Dense(np.eye(4)), Sigmoid()])
    table = attribution.fits(net, np.random.default_rng(0).random((2, 2, 2, 1)))
    line = next(line for line in table.splitlines() if line.startswith("lrp_0"))
    number = line.split()[-1]
    assert line.split()[1] == "yes" and "only squashes" in table.partition(f"\n{number} ")[2].splitlines()[0]
