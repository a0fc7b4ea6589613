"""Networks to and from other frameworks. Nothing is imported from a framework before its user asks for it.

    net = from_torch(module, input_shape=(1, 28, 28))       # a torch nn.Sequential -> Network
    module = to_torch(net, input_shape=(28, 28, 1))         # and back

`input_shape` is the shape of one input as the network that is handed over sees it: channels first for torch,
channels last for minixnn. It may be left out where nothing depends on it.
"""
from minixnn.interop.torch import from_torch
from minixnn.interop.torch_writer import to_torch

__all__ = ["from_torch", "to_torch"]
