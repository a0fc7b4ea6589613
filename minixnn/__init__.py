"""minixnn: an educational engine that explains neural networks, layer by layer and rule by rule.

    from minixnn import datasets, models, passes
    from minixnn.rules import lrp

    net = models.load("cnn")
    images, labels = datasets.mnist("test")
    R = passes.lrp(net, images[:8], rules=lrp.epsilon)      # R[0] are the heatmaps
"""
import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from minixnn.layers import (GRU, LSTM, RNN, AdaptiveAvgPool2d, Add, Attention, AvgPool2d, BatchNorm2d, Branches, Concat,
                            Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, Graph, MatMul, MaxPool2d, Multiply, Prepare,
                            ReLU, Residual, Sigmoid, Softplus, SumPool2d, Tanh, Unflatten)
from minixnn.layers.folding import fold_batch_norm
from minixnn.network import Network

if TYPE_CHECKING:               # editors and checkers see the submodules; __getattr__ imports them when asked
    from minixnn import (arrays, attribution, checks, datasets, interop, layers, ledger, logits, metrics,   # noqa: F401
                         models, network, passes, plot, rules, synthesis, train)

__version__ = "0.2.0"
SUBMODULES = ["arrays", "attribution", "checks", "datasets", "interop", "layers", "ledger", "logits", "metrics",
              "models", "network", "passes", "plot", "rules", "synthesis", "train"]
__all__ = ["AdaptiveAvgPool2d", "Add", "Attention", "AvgPool2d", "BatchNorm2d", "Branches", "Concat", "Conv2d", "Dense",
           "Dropout", "Flatten", "GRU", "GlobalAvgPool", "Graph", "LSTM", "MatMul", "MaxPool2d", "Multiply", "Network",
           "Prepare", "RNN", "ReLU", "Residual", "Sigmoid", "Softplus", "SumPool2d", "Tanh", "Unflatten",
           "fold_batch_norm", *SUBMODULES]


def __getattr__(name: str) -> ModuleType:
    """Import a submodule when it is first asked for, so that `import minixnn` costs no more than numpy."""
    if name in SUBMODULES:
        return importlib.import_module(f"minixnn.{name}")
    raise AttributeError(f"module 'minixnn' has no attribute {name!r}")
