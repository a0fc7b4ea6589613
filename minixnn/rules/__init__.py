"""Rules: functions (layer, x, R) -> R. `lrp` and `deep_taylor` hold them, `composites` says which goes where;
`root_points` shows the Taylor expansions behind those of deep Taylor."""
from minixnn.rules import composites, deep_taylor, lrp, root_points

__all__ = ["composites", "deep_taylor", "lrp", "root_points"]
