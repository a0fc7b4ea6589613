"""Rules: functions (layer, x, y, R) -> R, from a layer's two sides and the relevance of its output.

`lrp` and `deep_taylor` hold them, `composites` says which goes where, `root_points` shows the Taylor expansions
behind those of deep Taylor. Layers' own rules stand with the layers and are named here too.
"""
from minixnn.layers.base import carry_back, pass_on
from minixnn.layers.choices import leave_constant, stop_at_step
from minixnn.layers.embedding import leave_token, sum_over_channels
from minixnn.layers.joins import by_contribution, cut, half_each, numerator_takes_all, signal_takes_all
from minixnn.layers.norm import identity, scale_held_fixed
from minixnn.layers.reduce import share_of_square, winner_takes_all
from minixnn.layers.scale import pass_scaled, share_with_constant
from minixnn.layers.softmax import log_taylor, softmax_taylor
from minixnn.rules import composites, deep_taylor, lrp, reveal_cancel, root_points

__all__ = ["by_contribution", "carry_back", "composites", "cut", "deep_taylor", "half_each", "identity",
           "leave_constant", "leave_token", "log_taylor", "lrp", "numerator_takes_all", "pass_on", "pass_scaled",
           "reveal_cancel", "root_points", "scale_held_fixed", "share_of_square", "share_with_constant",
           "signal_takes_all", "softmax_taylor", "stop_at_step", "sum_over_channels", "winner_takes_all"]
