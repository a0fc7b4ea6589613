"""How good is an explanation? Four questions, each answered with numbers for every image.

    continuity      do two nearly equal images have nearly equal heatmaps?       Montavon et al. 2018, section 7.1
    selectivity     does the output fall when what is relevant is removed?       Montavon et al. 2018, section 7
    sanity_check    does the heatmap change when the network forgets?            Adebayo et al. 2018, section 3
    localization    does it point at the object, where its place is known?

`method` is a name in `attribution.METHODS`, or any function (net, x, target) -> array like x: one of yours, say, or
functools.partial(attribution.lrp, rules=my_rule). The target is decided once, on the original image; the heatmaps of
changed images are for the same class. Images are computed on in micro-batches, however many there are. Results are
NumPy arrays in double precision, wherever the images live.

    result = selectivity("lrp_epsilon", net, images)
    mean, error = mean_and_error(result.area)
    plot.curves(range(50), {"LRP": mean_and_error(result.curves)})

A number needs its controls: `baselines` are heatmaps that do not use the network, `permuted` shuffles the numbers of a
heatmap among the pixels, `fillings` are what a removed patch may be filled with, and `paired` compares two methods
image by image.
"""
from minixnn.metrics.continuity import Continuity, continuity, translate
from minixnn.metrics.controls import baselines, edges, fillings, permuted
from minixnn.metrics.localization import Localization, inside_box, localization, pointing_game
from minixnn.metrics.measuring import Paired, mean_and_error, paired
from minixnn.metrics.randomization import SanityCheck, randomized, rank_correlation, reinitialized, sanity_check
from minixnn.metrics.selectivity import Selectivity, selectivity

__all__ = ["Continuity", "Localization", "Paired", "SanityCheck", "Selectivity", "baselines", "continuity", "edges",
           "fillings", "inside_box", "localization", "mean_and_error", "paired", "permuted", "pointing_game",
           "randomized", "rank_correlation", "reinitialized", "sanity_check", "selectivity", "translate"]
