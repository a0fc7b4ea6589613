"""Networks from other frameworks. Nothing is imported from a framework before its user asks for it.

    net = from_torch(module, input_shape=(1, 28, 28))       # a torch module -> Network
    net = from_onnx("net.onnx")                             # an ONNX graph -> Network

`input_shape` is the shape of one input as the network that is handed over sees it: channels first for torch and ONNX,
channels last for minixnn. It may be left out where nothing depends on it.
"""
from minixnn.interop.torch import from_torch

__all__ = ["from_torch"]
