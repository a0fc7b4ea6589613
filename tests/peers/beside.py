"""Relevance of whole networks beside zennit (convolutional ones) and LXT (transformers), where they know all parts.

zennit explains the network's twin of torch's modules. LXT explains the library's own module, of which its functions
take the place of attention, normalisations, gates and activations; its relevance is gradient times input.
"""
import functools
import importlib
import pathlib
import sys
import types
import warnings

import numpy as np

from minixnn import passes
from minixnn.layers.folding import fold_batch_norm
from minixnn.rules import composites
from tests.peers import libraries, twins
from tests.peers.zennit_side import ours_to_zero

torch, zennit, lxt = libraries.torch, libraries.zennit, libraries.lxt


def to_zennit(net, x):
    """How far relevance by epsilon-plus-flat is from zennit's, as a part of the largest; ValueError without a twin.

    Both explain the folded network. zennit gets our stabilisers: none for z+, 1e-6 for sums, pools and norms.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                     # some norms have no neighbour that can take them
        net = fold_batch_norm(net)
    theirs = twins.twin(net, x.shape[1:])
    R = passes.lrp(net, x, rules=composites.epsilon_plus_flat)
    if not abs(R[0]).max():
        raise ValueError("no output is above zero")
    known, rules = zennit.types, zennit.rules
    small = {"stabilizer": 1e-6}
    first = {f"steps.{l}" for l, sources in enumerate(net.inputs) if sources == (0,)}      # or several, side by side
    layer_map = [(known.Activation, rules.Pass()), (known.AvgPool, rules.Norm(**small)),
                 (zennit.layer.Sum, rules.Norm(**small)), (known.BatchNorm, rules.Epsilon(epsilon=1e-6)),
                 (known.Convolution, rules.ZPlus(stabilizer=ours_to_zero)),
                 (torch.nn.Linear, rules.Epsilon(epsilon=1e-6))]
    first_map = [(known.Linear, rules.Flat(stabilizer=ours_to_zero))]
    composite = zennit.composites.SpecialFirstLayerMapComposite(layer_map=layer_map, first_map=first_map) \
        if len(first) == 1 else zennit.core.Composite(lambda ctx, name, part: next((
            rule for kind, rule in [*(first_map if {name, name.removesuffix(".1")} & first else []), *layer_map]
            if isinstance(part, kind)), None))
    tensor = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).requires_grad_()
    with composite.context(theirs) as hooked:
        expected, = torch.autograd.grad(hooked(tensor), tensor, torch.from_numpy(R[-1]))
    expected = expected.numpy().transpose(0, 2, 3, 1)
    return float(abs(R[0] - expected).max() / abs(expected).max())


def to_lxt(net, module, name, value, output):
    """How far AttnLRP's relevance is from LXT's, as a part of the largest; ValueError where LXT lacks a part.

    name, value: the module's one input. The module's classes are LXT's from here on.
    """
    patch(module)
    module.set_attn_implementation("eager")                 # masks are written out, too
    tensor = value.detach().clone().requires_grad_()
    with Wide():
        y = module(**{name: tensor})
    y = y[output] if output is not None else y[0]
    expected = (tensor * torch.autograd.grad(y.sum(), tensor)[0]).detach().numpy()
    x = value.detach().numpy()
    if net.card.layout == "channels first":
        x, expected = (np.ascontiguousarray(np.moveaxis(a, 1, -1)) for a in (x, expected))
    start = net.forward(x)
    if not np.allclose(start, y.detach().numpy(), rtol=1e-4, atol=1e-6):
        raise ValueError("LXT's functions compute something else than the module")
    R = passes.lrp(net, x, rules=functools.partial(composites.attn_lrp, epsilon=1e-15), start=start)[0]
    return float(abs(R - expected).max() / abs(expected).max())


class Wide(torch.overrides.TorchFunctionMode if torch else object):
    """Inside, what a gradient runs through stays in float64, where norms and softmaxes are cast to float32.

    The cast is the module's, in its own norms and in LXT's; it would hide all differences below 1e-7. Constants, such
    as the angles of rotary positions, stay as the module computes them, for so does minixnn.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if args and getattr(args[0], "dtype", None) == torch.float64 and args[0].requires_grad and not isinstance(
                args[0], torch.nn.Parameter):
            if function is torch.Tensor.float:
                return args[0]
            args = tuple(torch.float64 if a is torch.float32 else a for a in args)
            kwargs = {key: torch.float64 if a is torch.float32 else a for key, a in kwargs.items()}
        return function(*args, **kwargs)


def lxt_patches():
    """lxt.efficient.patches; its package does not import, since its BERT is written for an older transformers."""
    if "lxt.efficient" not in sys.modules:
        package = sys.modules["lxt.efficient"] = types.ModuleType("lxt.efficient")
        package.__path__ = [str(pathlib.Path(libraries.lxt.__file__).parent / "efficient")]
    rules = importlib.import_module("lxt.efficient.rules")
    rules.identity_rule_implicit_fn.forward.__defaults__ = (0.0,)      # its stabiliser, 1e-10
    return importlib.import_module("lxt.efficient.patches")


def patch(module):
    """LXT's functions in place of those of the module's classes, as its own `monkey_patch` does for some models."""
    patches = lxt_patches()
    taken = (torch.nn.Linear, torch.nn.Embedding, torch.nn.Identity, torch.nn.ModuleList, torch.nn.ModuleDict)
    own = {}
    for part in module.modules():
        kind, name = type(part), type(part).__name__
        source = sys.modules[kind.__module__]
        if hasattr(source, "eager_attention_forward"):
            own[source] = patched_attention
        if isinstance(part, torch.nn.LayerNorm):
            own[kind] = functools.partial(patches.patch_method, patches.layer_norm_forward)
        elif hasattr(part, "_norm") and hasattr(part, "eps"):       # Gemma's, of which LXT changes one line
            own[kind] = functools.partial(patches.patch_method, gemma_norm, method_name="_norm")
        elif "RMSNorm" in name or name == "T5LayerNorm":
            if not hasattr(part, "variance_epsilon"):
                raise ValueError(f"LXT has no {name}")
            own[kind] = functools.partial(patches.patch_method, patches.rms_norm_forward)
        elif isinstance(part, torch.nn.Dropout):
            own[kind] = functools.partial(patches.patch_method, patches.dropout_forward)
        elif hasattr(part, "gate_proj") and hasattr(part, "up_proj"):
            own[kind] = functools.partial(patches.patch_method, patches.gated_mlp_forward)
        elif ("activation" in kind.__module__ or "GELU" in name) and not isinstance(part, taken):
            own[kind] = functools.partial(patches.patch_method, patches.non_linear_forward, keep_original=True)
    if not any(isinstance(each, types.ModuleType) for each in own):
        raise ValueError("LXT does not know its attention")
    for kind, change in own.items():
        change(kind)


def gemma_norm(self, x):
    """What LXT's module for Gemma 3, which does not import without it, makes of its norm: the scale is held fixed."""
    return x * (x.pow(2).mean(-1, keepdim=True) + self.eps).rsqrt().detach()


def patched_attention(source):
    """Attention written out, with LXT's wrapper, whatever is asked for."""
    patches = lxt_patches()
    attention = patches.wrap_attention_forward(source.eager_attention_forward)
    source.eager_attention_forward = attention
    source.ALL_ATTENTION_FUNCTIONS = types.SimpleNamespace(get_interface=lambda *chosen: attention)
