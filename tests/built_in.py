"""What is built in, with what is claimed of it: `RULES` and `LAYERS`, by name, for check_rule and check_layer."""
from functools import partial

import numpy as np
from layer_examples import EXAMPLES, TOKENS

from minixnn import layers
from minixnn.checks import definitions, strategies
from minixnn.layers import (BatchNorm2d, Concat, Conv2d, Dense, Dropout, Flatten, Prepare, Product, ReLU, Residual,
                            Sigmoid, Sum, Tanh, Unflatten)
from minixnn.rules import composites, lrp
from minixnn.rules import deep_taylor as dt

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

DRAWN = {"Dense": strategies.dense_layers(), "Conv2d": strategies.convolutions(),
         "Conv1d": strategies.sequence_convolutions(), "ConvTranspose2d": strategies.transposed_convolutions(),
         "pools that average": strategies.average_pools(), "global pools": strategies.global_pools(),
         "ChannelScale": strategies.channel_scales(), "MaxPool2d": strategies.max_pools(),
         "activations": strategies.activations(), "Upsample": strategies.upsamplings()}


def dense(rng, inputs, outputs):
    return Dense(rng.normal(size=(inputs, outputs)), rng.normal(size=outputs))


def conv(rng, before, after, stride=1):
    return Conv2d(rng.normal(size=(3, 3, before, after)), rng.normal(size=after), stride)


def norm(rng, channels):
    return BatchNorm2d(*rng.normal(size=(3, channels)), rng.random(channels) + 0.5)


MADE = {                                        # of a Generator: blocks, and what has no weights to draw
    "Residual": (lambda rng: Residual([conv(rng, 2, 3), norm(rng, 3), ReLU(), conv(rng, 3, 2)]), (4, 5, 2)),
    "Residual, with a shortcut": (lambda rng: Residual([conv(rng, 2, 3, 2), Dropout()], [conv(rng, 2, 3, 2)]),
                                  (5, 4, 2)),
    "Sum": (lambda rng: Sum([[dense(rng, 3, 4), Tanh()], [dense(rng, 3, 4), ReLU()], [dense(rng, 3, 4)]]), (3,)),
    "Concat": (lambda rng: Concat([[conv(rng, 2, 3), ReLU()], [], [conv(rng, 2, 1)]]), (4, 3, 2)),
    "Product": (lambda rng: Product([[dense(rng, 3, 4)], [dense(rng, 3, 4), Sigmoid()]]), (3,)),
    "a block in a block": (lambda rng: Residual([Concat([[dense(rng, 3, 1)], [dense(rng, 3, 2), ReLU()]])]), (3,)),
    "Repeated": (lambda rng: layers.Repeated([[dense(rng, 3, 2), Tanh()]]), (3,)),
    "BatchNorm2d": (lambda rng: norm(rng, 3), (2, 3, 3)), "Flatten": (lambda rng: Flatten(), (2, 3, 2)),
    "Unflatten": (lambda rng: Unflatten((2, 3)), (6,)), "Dropout": (lambda rng: Dropout(0.5), (3, 2)),
    "Prepare": (lambda rng: Prepare(rng.normal(size=3), rng.random(3) + 0.5), (2, 2, 3)),
}
LAYERS = {**{name: (kind, None) for name, kind in DRAWN.items()},
          **{name: (layer, shape[1:]) for name, (layer, shape) in EXAMPLES.items()}, **MADE,
          **{name: (layer, np.arange(9).reshape(1, 9)) for name, layer in TOKENS.items()}}
