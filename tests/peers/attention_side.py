"""Attention, products and normalisation beside LXT, the library of AttnLRP's authors, and autolrp.

LXT has functions whose backward pass is a rule: `lxt.softmax`, `lxt.matmul`. autolrp explains one output of a module.
Neither is a layer of ours, so the cases here are single layers with a relevance R to start from, and, for autolrp,
attention with a dense layer behind it.
"""
import dataclasses

import numpy as np

import minixnn
from minixnn import layers, passes
from minixnn.interop import from_torch
from minixnn.layers.softmax import softmax_taylor
from minixnn.rules import composites, half_each, identity, lrp, scale_held_fixed
from tests.peers.agreement import Comparison
from tests.peers.libraries import autolrp, lxt, torch

HEADS, WIDTH, T = 3, 4, 5
C = HEADS * WIDTH
KINDS = {
    "attention": "one attention layer, 3 heads of width 4, 5 tokens, biases of both signs",
    "attention, no bias": "the same without biases",
    "softmax": "one softmax", "product": "one product of two arrays", "layer norm": "one LayerNorm",
    "RMS norm": "one RMSNorm",
}
TINY = 1e-11                                                # autolrp's own epsilon; the bound leaves room for it
AUTOLRP = "`.lrp()` starts from 1, where ours starts from the logit; "


@dataclasses.dataclass
class Case:
    """One layer of ours with an input, its output, and a relevance to start from."""
    name: str
    layer: object
    x: np.ndarray
    R: np.ndarray

    @property
    def net(self):
        return minixnn.Network([self.layer])

    @property
    def entering(self):
        """What enters the layer: to a product of two arrays, the halves of x."""
        return tuple(np.split(self.x, 2, axis=-1)) if isinstance(self.layer, layers.Join) else self.x

    @property
    def y(self):
        if isinstance(self.layer, layers.Attention):
            return self.net.forward(self.x)
        return self.layer.forward(self.entering)

    @property
    def steps(self):
        """{name: what that step of attention makes}, such as "0.weights"."""
        return dict(zip(self.net.names, self.net.trace(self.x)[1:]))


def draw(kind, seed, nonnegative=False):
    """The layer of this kind that belongs to the seed, in float64, with inputs and relevances of both signs."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    b = [None] * 4 if "no bias" in kind else rng.normal(size=(4, C))
    made = {"softmax": layers.Softmax(), "layer norm": layers.LayerNorm(*rng.normal(size=(2, C)), epsilon=1e-5),
            "RMS norm": layers.RMSNorm(rng.normal(size=C), epsilon=1e-6),
            "product": layers.Multiply()}.get(kind)
    made = made or layers.Attention(*rng.normal(size=(4, C, C)) / C ** 0.5, *b, heads=HEADS)
    x = rng.normal(size=(2, T, C))
    case = Case(f"{kind} {seed}", made, x, x)
    return dataclasses.replace(case, R=rng.normal(size=case.y.shape))


def ours(rule, **settings):
    return lambda case: rule(case.layer, case.entering, case.y, case.R, **settings)


def of_network(composite, epsilon):
    """The composite's relevance of the attention's layers, which the network writes out."""
    def explained(case):
        return passes.lrp(case.net, case.x, rules=composite(case.net, epsilon=epsilon), start=case.R)[0]
    return explained


def relevance(f, R, *inputs):
    """The relevance of each input by the backward pass of a function of LXT."""
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    return [each.numpy() for each in torch.autograd.grad(f(*tensors), tensors, torch.tensor(R))]


# LXT ---------------------------------------------------------------------------------------------------------------

def lxt_attention(epsilon):
    """The layer, put together of LXT's functions. The scale is the softmax's temperature."""
    def theirs(case):
        layer, F = case.layer, lxt.explicit.functional

        def project(name, x):
            b = getattr(layer, f"b_{name}")
            return F.linear_epsilon(x, torch.tensor(getattr(layer, f"W_{name}").T.copy()),
                                    None if b is None else torch.tensor(b), epsilon)

        def f(x):
            Q, K, V = (project(name, x).reshape(-1, T, HEADS, WIDTH).transpose(1, 2) for name in "qkv")
            A = F.softmax(F.matmul(Q, K.transpose(-1, -2), False, epsilon), -1, None, WIDTH ** 0.5)
            return project("o", F.matmul(A, V, False, epsilon).transpose(1, 2).reshape(-1, T, C))
        return relevance(f, case.R, case.x)[0]
    return theirs


def without_sign(epsilon):
    """AttnLRP with y + epsilon under every fraction line, whatever the sign of y."""
    def explained(case):
        layer, x = case.layer, case.x
        Q, K, V, S, A, O = of_attention(case)

        def back(name, x, y, R):
            return x * (R / (y + epsilon) @ getattr(layer, f"W_{name}").T)
        s = split_heads(back("o", O, case.y, case.R) / (2 * O + epsilon))
        R_S = softmax_taylor(layers.Softmax(), S, A, A * (s @ V.swapaxes(-1, -2)))
        R_V, s = V * (A.swapaxes(-1, -2) @ s), R_S / (2 * Q @ K.swapaxes(-1, -2) + epsilon)
        parts = (("q", Q, Q * (s @ K)), ("k", K, K * (s.swapaxes(-1, -2) @ Q)), ("v", V, R_V))
        return sum(back(name, x, join_heads(z), join_heads(R_z)) for name, z, R_z in parts)
    return explained


def split_heads(x):
    return layers.SplitHeads(HEADS).forward(x)


def join_heads(x):
    return layers.JoinHeads().forward(x)


def of_attention(case):
    """Queries, keys, values, scores, weights, and what the heads bring home, side by side."""
    made = case.steps
    S, A = made["0.scores"], made["0.weights"]
    return (made["0.queries.2"] * WIDTH ** 0.5, made["0.keys.1"], made["0.values.1"], S, A, made["0.output.0"])


def lxt_layer_norm(case):
    gamma, beta = torch.tensor(case.layer.gamma), torch.tensor(case.layer.beta)
    return relevance(lambda x: lxt.explicit.functional.layer_norm_grad_fn.apply(x, gamma, beta, 1e-5, 0), case.R,
                     case.x)[0]


def lxt_rms_norm(case):
    gamma = torch.tensor(case.layer.gamma)
    return relevance(lambda x: lxt.explicit.functional.rms_norm_identity(x, gamma, 1e-6), case.R, case.x)[0]


def lxt_softmax(case):
    return relevance(lambda x: lxt.explicit.functional.softmax(x, -1), case.R, case.x)[0]


def lxt_product(case):
    parts = np.split(case.x, 2, axis=-1)
    return np.concatenate(relevance(lxt.explicit.functional.mul2, case.R, *parts), axis=-1)


def product_by_half_each(case):
    return np.concatenate(half_each(case.layer, case.entering, case.y, case.R), axis=-1)


# autolrp -----------------------------------------------------------------------------------------------------------

class Explained(torch.nn.Module if torch else object):
    """Attention out of torch's functions, and the first token's numbers in a sum without weights: one output."""

    def __init__(self, layer):
        super().__init__()
        for name in "qkvo":
            W, b = getattr(layer, f"W_{name}"), getattr(layer, f"b_{name}")
            part = torch.nn.Linear(C, C, bias=b is not None).double()
            part.weight.data = torch.tensor(W.T.copy())
            if b is not None:
                part.bias.data = torch.tensor(b)
            setattr(self, name, part)
        self.head = torch.nn.Linear(C, 1, bias=False).double()
        self.head.weight.data = torch.linspace(-1, 2, C).double()[None]

    def forward(self, x):
        Q, K, V = (each(x).view(-1, T, HEADS, WIDTH).transpose(1, 2) for each in (self.q, self.k, self.v))
        A = (Q @ K.transpose(-1, -2) * WIDTH ** -0.5).softmax(-1)
        return self.head(self.o((A @ V).transpose(1, 2).reshape(-1, T, C))[:, 0])


def one_output(composite):
    def explained(case):
        net = from_torch(Explained(case.layer), (T, C))
        return passes.lrp(net, case.x, 0, composite)[0]
    return explained


def by_autolrp(preset):
    def theirs(case):
        found = []
        for x in case.x:                                    # one sequence at a time, as it asks
            tensor = autolrp.tensor(torch.tensor(x[None]))
            y = Explained(case.layer).eval()(tensor)[0, 0]
            y.lrp(config=autolrp.LRPConfig(rule={**autolrp.BASE, **getattr(autolrp, preset)}, eps=TINY))
            found.append(tensor.relevance.detach().numpy() * y.item())
        return np.concatenate(found)
    return theirs


def nearly_zero(composite):
    """The composite with autolrp's epsilon."""
    return lambda net: composite(net, epsilon=TINY)


def bias_by_size(composite):
    """As the composite, but R of an output is cut to |W x| / (|W x| + |b|) of it, and W x alone shares the rest."""
    def dense(layer, x, y, R):
        linear = y if layer.b is None else y - layer.b
        size = abs(linear) / (abs(linear) + (0 if layer.b is None else abs(layer.b)))
        return lrp.epsilon(layers.Dense(layer.W), x, linear, R * size, epsilon=TINY)

    def rules(net):
        return [dense if isinstance(layer, layers.Dense) else rule
                for layer, rule in zip(net.layers, composite(net, epsilon=TINY))]
    return rules


def compare(method, library, peer, mine, theirs, kinds, **more):
    return Comparison(method, library, peer, mine, theirs, kinds, draw=draw, **more)


BOTH = ("attention", "attention, no bias")
COMPARISONS = [
    compare("composites.attn_lrp", "lxt", "linear_epsilon, matmul, softmax", of_network(composites.attn_lrp, 0),
            lxt_attention(0), BOTH, note="epsilon = 0 in both"),
    compare("softmax_taylor", "lxt", "softmax", ours(softmax_taylor), lxt_softmax, ("softmax",)),
    compare("half_each", "lxt", "mul2", product_by_half_each, lxt_product, ("product",)),
    compare("rules.identity", "lxt", "rms_norm_identity", ours(identity), lxt_rms_norm, ("RMS norm",)),
    compare("scale_held_fixed", "lxt", "layer_norm", ours(scale_held_fixed, epsilon=0), lxt_layer_norm,
            ("layer norm",), note="epsilon = 0 in both"),
    compare("composites.attn_lrp", "autolrp", "ATTNLRP", one_output(nearly_zero(composites.attn_lrp)),
            by_autolrp("ATTNLRP"), BOTH[1:], bound=1e-7, note=AUTOLRP + "multiplied by it here"),
    compare("composites.cp_lrp", "autolrp", "CPLRP", one_output(nearly_zero(composites.cp_lrp)),
            by_autolrp("CPLRP"), BOTH[1:], bound=1e-7, note=AUTOLRP + "multiplied by it here"),
    compare("composites.attn_lrp, epsilon=0.1", "lxt", "epsilon=0.1", of_network(composites.attn_lrp, 0.1),
            lxt_attention(0.1), BOTH, explained=without_sign(0.1),
            note="its stabiliser has no sign: y + epsilon, which comes nearer to 0 where y < 0"),
    compare("rules.identity", "lxt", "layer_norm", ours(identity), lxt_layer_norm, ("layer norm",),
            explained=ours(scale_held_fixed, epsilon=0),
            note="proposition 3.4 hands R on unchanged; LXT holds the scale fixed and shares by the differences from "
                 "the mean, as `scale_held_fixed` does"),
    compare("composites.attn_lrp", "autolrp", "ATTNLRP, with biases",
            one_output(nearly_zero(composites.attn_lrp)), by_autolrp("ATTNLRP"), BOTH[:1], bound=1e-7,
            explained=one_output(bias_by_size(composites.attn_lrp)),
            note="a bias takes the share that its size has in the sizes of W x and b, where LRP-epsilon gives b / y"),
    compare("composites.cp_lrp", "autolrp", "CPLRP, with biases", one_output(nearly_zero(composites.cp_lrp)),
            by_autolrp("CPLRP"), BOTH[:1], bound=1e-7,
            explained=one_output(bias_by_size(composites.cp_lrp)),
            note="the same"),
]
