"""ONNX's Attention (opset 23) as two products and a softmax, of which `attention_pattern.py` makes one layer."""
from __future__ import annotations

from minixnn.interop import reading as form
from minixnn.interop.operations import Node
from minixnn.interop.onnx_reading import OnnxReading


def read_attention(r: OnnxReading) -> Node:
    """Queries, keys and values (N, heads, tokens, width), or (N, tokens, heads width) with the number of heads."""
    settings, (Q, K, V) = r.settings, r.inputs[:3]
    if len(r.inputs) > 4 or settings.get("softcap", 0) or r.outputs > 1:
        raise ValueError("has a cache of keys, softcap, or several outputs, expected queries, keys, values and a mask")
    flat, heads = len(form.known_rank(r.x)) == 3, settings.get("q_num_heads")
    if flat:
        if settings.get("kv_num_heads") != heads:
            raise ValueError(f"has {heads} heads of queries and {settings.get('kv_num_heads')} of keys")
        Q, K, V = (r.add("transpose", [r.add("reshape", [x], shape=(*x.shape[:2], heads, x.shape[2] // heads))],
                         perm=(0, 2, 1, 3)) for x in (Q, K, V))
    O = form.attention(r, Q, K, V, r.array(3, weights=False), bool(settings.get("is_causal")),     # noqa: E741
                       settings.get("scale"))
    if not flat:
        return O
    return r.add("reshape", [r.add("transpose", [O], perm=(0, 2, 1, 3))],
                 shape=(O.shape[0], O.shape[2], O.shape[1] * O.shape[3]))
