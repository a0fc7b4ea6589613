"""What is built in, with what is claimed of it: `RULES` and `LAYERS`, by name, for check_rule and check_layer."""
import numpy as np

from minixnn.checks import strategies
from tests.registry import EVERYWHERE, EXAMPLES, JOIN_RULES, JOINS, RULES, TOKENS, WRITTEN  # noqa: F401

DRAWN = {"Dense": strategies.dense_layers(), "Conv2d": strategies.convolutions(),
         "Conv1d": strategies.sequence_convolutions(), "ConvTranspose2d": strategies.transposed_convolutions(),
         "pools that average": strategies.average_pools(), "global pools": strategies.global_pools(),
         "ChannelScale": strategies.channel_scales(), "MaxPool2d": strategies.max_pools(),
         "activations": strategies.activations(), "Upsample": strategies.upsamplings()}


LAYERS = {**{name: (kind, None) for name, kind in DRAWN.items()},
          **{name: (layer, shape[1:]) for name, (layer, shape) in EXAMPLES.items()},
          **{f"{kind.__name__}, of any inputs": (kind(), None) for kind in strategies.JOINS},
          **{name: (layer, tuple(shape[1:] for shape in shapes)) for name, (layer, shapes) in JOINS.items()},
          **{name: (written, smaller.get(name, shape[1:])) for name, (written, shape) in WRITTEN.items()
             for smaller in [{"Attention": (4, 6), "Attention, causal": (3, 6)}]},
          **{name: (layer, np.arange(9).reshape(1, 9)) for name, layer in TOKENS.items()},
          **{name: (layer, shape[1:]) for name, (layer, shape, _) in EVERYWHERE.items()}}
DOMAINS = {"Divide": (0.5, 3), "Divide, by one for all": (0.5, 3),
           **{name: domain for name, (_, _, domain) in EVERYWHERE.items()}}
