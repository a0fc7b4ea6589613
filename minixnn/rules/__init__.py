"""Rules: functions (layer, x, R) -> R. `lrp` and `deep_taylor` hold them, `composites` says which goes where."""
from minixnn.rules import composites, deep_taylor, lrp

__all__ = ["composites", "deep_taylor", "lrp"]
