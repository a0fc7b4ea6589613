"""What is built in, with what is claimed of it: `RULES` and `LAYERS`, by name, for check_rule and check_layer."""
from functools import partial

import numpy as np

from minixnn.checks import definitions, strategies
from minixnn.layers import Add, Concat, MatMul, Multiply, joins
from minixnn.rules import composites, lrp
from minixnn.rules import deep_taylor as dt
from tests.registry import EVERYWHERE, EXAMPLES, JOINS, TOKENS, WRITTEN

EXACT, ABSORBING = ({"conserves": claim} for claim in ("always", "without bias"))
STABILISED, POSITIVE = {"conserves": "up to a stabiliser"}, {"domain": "nonnegative"}
RULES = {
    "LRP-0": (partial(lrp.epsilon, epsilon=0), partial(definitions.epsilon, epsilon=0), ABSORBING),
    "epsilon": (lrp.epsilon, definitions.epsilon, STABILISED),
    "epsilon = 0.5": (partial(lrp.epsilon, epsilon=0.5), partial(definitions.epsilon, epsilon=0.5), STABILISED),
    "gamma": (lrp.gamma, definitions.gamma, {**ABSORBING, **POSITIVE}),
    "gamma = 2": (partial(lrp.gamma, gamma=2), partial(definitions.gamma, gamma=2), {**ABSORBING, **POSITIVE}),
    "gamma_signed": (lrp.gamma_signed, definitions.gamma_signed, ABSORBING),
    "gamma_signed = 0.4": (partial(lrp.gamma_signed, gamma=.4), partial(definitions.gamma_signed, gamma=.4), ABSORBING),
    "alpha2 beta1": (lrp.alpha_beta, definitions.alpha_beta, ABSORBING),
    "alpha1 beta0": (composites.alpha1_beta0, partial(definitions.alpha_beta, alpha=1, beta=0), ABSORBING),
    "alpha1.5 beta0.5, x >= 0": (partial(lrp.alpha_beta, alpha=1.5, beta=.5),
                                 partial(definitions.alpha_beta, alpha=1.5, beta=.5), {**ABSORBING, **POSITIVE}),
    "flat": (lrp.flat, definitions.flat, EXACT),
    "z_plus": (dt.z_plus, definitions.z_plus, {**EXACT, **POSITIVE}),
    "w_square": (dt.w_square, definitions.w_square, EXACT),
    "z_box": (partial(dt.z_box, low=-2.5, high=3), partial(definitions.z_box, low=-2.5, high=3),
              {**EXACT, "domain": (-2.5, 3)}),
    "z_box of pixels": (partial(dt.z_box, low=0, high=1), partial(definitions.z_box, low=0, high=1),
                        {**EXACT, "domain": (0, 1)}),
}
JOIN_RULES = {                                  # of a rule for joins: rule, the join it is for, claims
    "by_contribution": (joins.by_contribution, Add, STABILISED),
    "by_contribution, epsilon = 0.5": (partial(joins.by_contribution, epsilon=0.5), Add, STABILISED),
    "cut": (joins.cut, Concat, EXACT),
    "half_each, of numbers": (joins.half_each, Multiply, EXACT),
    "half_each, of matrices": (joins.half_each, MatMul, STABILISED),
    "signal_takes_all, of numbers": (joins.signal_takes_all, Multiply, EXACT),
    "signal_takes_all, the second": (partial(joins.signal_takes_all, signal=1), Multiply, EXACT),
    "signal_takes_all, of matrices": (partial(joins.signal_takes_all, signal=1), MatMul, STABILISED),
}

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
