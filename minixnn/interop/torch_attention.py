"""nn.MultiheadAttention and torch's encoder of a transformer inside of other modules: one node with layers of ours.

Queries, keys and values must be one sequence. Tokens may come first (batch_first=False); masks may be constants.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from minixnn.arrays import Array
from minixnn.interop import reading as form
from minixnn.interop.graph import Constant
from minixnn.interop.transformers import from_encoder
from minixnn.layers import Attention, Residual


def _multihead(r, module, key=None, value=None, key_padding_mask=None, need_weights=True, attn_mask=None,
               average_attn_weights=True, is_causal=False, query=None):
    """(what attention gives, its weights, which nobody may read)"""
    q, k, v = ([*r.inputs, None, None, None][place] if given is None else given
               for place, given in enumerate((query, key, value)))
    more = dict(zip(("key_padding_mask", "need_weights", "attn_mask"), r.inputs[3:]))
    if q is not k or q is not v:
        raise ValueError("attends from one sequence to another, expected self-attention: query, key and value alike")
    _no_padding(more.get("key_padding_mask", key_padding_mask))
    y = _layers(form.Reading(r.graph, r.label, [q]), module, module, more.get("attn_mask", attn_mask))
    return y, r.graph.unknown([y], r.label, "the weights of attention are read, expected its output alone")


def _layer(r, module, src_mask=None, src_key_padding_mask=None, is_causal=False, src=None):
    """nn.TransformerEncoderLayer"""
    return _encoder(r, module, module.self_attn, src, [src_mask, src_key_padding_mask])


def _stack(r, module, mask=None, src_key_padding_mask=None, is_causal=None, src=None):
    """nn.TransformerEncoder"""
    return _encoder(r, module, module.layers[0].self_attn, src, [mask, src_key_padding_mask])


def _encoder(r, module, attention, src, masks):
    given = [*r.inputs[1:], *masks[len(r.inputs[1:]):]]
    _no_padding(given[1])
    return _layers(form.Reading(r.graph, r.label, [r.x if src is None else src]), module, attention, given[0])


def _no_padding(mask):
    if mask is not None:
        raise ValueError("hides padding by a mask for each sequence, expected sequences without padding")


def _layers(r, module, attention, mask):
    """The node of what torch's module becomes. attention: the part of it that knows which axis holds the batch."""
    layers = from_encoder(module).layers
    if mask is not None:
        layers = [_masked(layer, seen_in(mask)) for layer in layers]
    if attention.batch_first:
        return r.add("layers", layers=layers)
    y = r.add("layers", [r.add("transpose", perm=(1, 0, 2))], layers=layers)
    return r.add("transpose", [y], perm=(1, 0, 2))


def seen_in(mask: Any) -> Array:
    """Who sees whom, 1 or 0, by torch's masks: True hides, or numbers to add to the scores."""
    if not isinstance(mask, Constant) or mask.array.ndim != 2:
        raise ValueError("has a mask that is computed from the input, or of its own for each head, expected a constant "
                         "(tokens, tokens)")
    mask = mask.array
    if mask.dtype != bool and not ((mask == 0) | (mask <= -1e4)).all():
        raise ValueError("adds numbers to its scores by its mask, expected 0 and -inf, or booleans")
    return (~mask if mask.dtype == bool else mask == 0).astype(np.float32)


def _masked(layer, seen):
    """The layer, or a Residual with its attention, with this mask."""
    if isinstance(layer, Residual):
        return Residual([_masked(each, seen) for each in layer.body])
    if not isinstance(layer, Attention):
        return layer
    causal = np.array_equal(seen, np.tri(len(seen)))
    settings = {**layer.arrays(), "mask": None if causal else seen}
    return Attention(**settings, heads=layer.heads, causal=causal)


ATTENTION = {"MultiheadAttention": _multihead, "TransformerEncoderLayer": _layer, "TransformerEncoder": _stack}
