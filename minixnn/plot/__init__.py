"""Figures for lessons, papers and slides. One call makes one figure and returns it; `show()` ends a script.

One scale means the same in every figure: white is zero, red speaks for the explained output, blue against it. Red
ends darker than blue, so that in a black-and-white print the darkest pixels are still those that speak for it.
Pixels are drawn as ink: 0 is white and 1 is black, in pictures of one channel.

Pictures may be (N, H, W, 1), (N, H, W, 3), (N, H, W), (N, D) with D a square number, or a list of pictures of any
sizes; NumPy or CuPy. matplotlib is imported when a figure is drawn, not before.
"""
from minixnn.plot import diagrams
from minixnn.plot.charts import bars, curves, spelled, tokens
from minixnn.plot.diagrams import network
from minixnn.plot.figures import heatmaps, images, overlay
from minixnn.plot.ledger import ledger
from minixnn.plot.microscope import microscope
from minixnn.plot.steps import steps
from minixnn.plot.style import LINES, STYLE, pyplot, show, signed_colours

__all__ = ["LINES", "STYLE", "bars", "curves", "diagrams", "heatmaps", "images", "ledger", "microscope", "network",
           "overlay", "pyplot", "show", "signed_colours", "spelled", "steps", "tokens"]
