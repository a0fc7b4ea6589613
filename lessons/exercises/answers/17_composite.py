"""The model answer of composite, lesson 2.3."""
from minixnn import Conv2d, Dense


def composite(layers, first, conv, dense):
    rules, met = [], False
    for layer in layers:
        weighted = isinstance(layer, (Conv2d, Dense))
        usual = conv if isinstance(layer, Conv2d) else dense
        rules.append(None if not weighted else usual if met else first)
        met = met or weighted
    return rules
