"""nn.MultiheadAttention and torch's encoder of a transformer inside of other modules: one node with layers of ours.

Queries, keys and values must be one sequence. Tokens may come first (batch_first=False); masks may be constants.
"""
from __future__ import annotations

import numpy as np

from minixnn.interop import reading as form
from minixnn.interop.attention_pattern import hiding, seen_in
from minixnn.interop.operations import Constant
from minixnn.interop.transformers import encoder_layers
from minixnn.layers import Attention, Residual
from minixnn.layers.attention import PARAMETERS


def _multihead(r, module, **named):
    """(what attention gives, its weights, which nobody may read)"""
    given = _given(r, named, "query", "key", "value", "key_padding_mask", "need_weights", "attn_mask")
    x = given.get("query")
    if given.get("key") is not x or given.get("value") is not x:
        raise ValueError("attends from one sequence to another, expected self-attention: query, key and value alike")
    _no_padding(given.get("key_padding_mask"))
    y = _layers(form.Reading(r.graph, r.label, [x]), module, module, given.get("attn_mask"))
    return y, r.graph.unknown([y], r.label, "the weights of attention are read, expected its output alone")


def _layer(r, module, **named):
    """nn.TransformerEncoderLayer"""
    return _encoder(r, module, module.self_attn, _given(r, named, "src", "src_mask", "src_key_padding_mask"))


def _stack(r, module, **named):
    """nn.TransformerEncoder"""
    return _encoder(r, module, module.layers[0].self_attn, _given(r, named, "src", "mask", "src_key_padding_mask"))


def _given(r, named, *names):
    """{name: argument} of a call whose first arguments have these names. What is not looked at changes nothing."""
    return {**dict(zip(names, r.inputs)), **named}


def _encoder(r, module, attention, given):
    _no_padding(given.get("src_key_padding_mask"))
    mask = given.get("mask", given.get("src_mask"))
    return _layers(form.Reading(r.graph, r.label, [given["src"]]), module, attention, mask)


def _no_padding(mask):
    if mask is not None:
        raise ValueError("hides padding by a mask for each sequence, expected sequences without padding")


def _layers(r, module, attention, mask):
    """The node of what torch's module becomes. attention: the part of it that knows which axis holds the batch."""
    layers = encoder_layers(module)
    if mask is not None:
        layers = [_masked(layer, _seen(mask)) for layer in layers]
    if attention.batch_first:
        return r.add("layers", layers=layers)
    y = r.add("layers", [r.add("transpose", perm=(1, 0, 2))], layers=layers)
    return r.add("transpose", [y], perm=(1, 0, 2))


def _seen(mask):
    """Who sees whom, 1 or 0, by torch's masks: True hides, or numbers to add to the scores."""
    if not isinstance(mask, Constant) or mask.array.ndim != 2:
        raise ValueError("has a mask that is computed from the input, or of its own for each head, expected a constant "
                         "(tokens, tokens)")
    return seen_in(np.where(mask.array, -np.inf, 0) if mask.array.dtype == bool else mask.array)


def _masked(layer, seen):
    """The layer, or a Residual with its attention, with this mask."""
    if isinstance(layer, Residual):
        return Residual([_masked(each, seen) for each in layer.body])
    if not isinstance(layer, Attention):
        return layer
    return Attention(**{**{name: getattr(layer, name) for name in PARAMETERS}, **hiding(seen)}, heads=layer.heads)


ATTENTION = {"MultiheadAttention": _multihead, "TransformerEncoderLayer": _layer, "TransformerEncoder": _stack}
