"""Networks from and to other frameworks. Nothing is imported from a framework before its user asks for it.

    net = from_torch(module, input_shape=(1, 28, 28))       # a torch module -> Network
    net = from_onnx("net.onnx")                             # an ONNX graph -> Network
    to_onnx(net, "net.onnx")                                # and back

A file of weights holds arrays by name and says nothing of the layers between them: build the module in its own library,
load the weights there, and hand the module to `from_torch`.

`input_shape` is the shape of one input as the network that is handed over sees it: channels first for torch and ONNX,
channels last for minixnn. It may be left out where nothing depends on it.
"""
from minixnn.interop.onnx import from_onnx
from minixnn.interop.onnx_writer import to_onnx
from minixnn.interop.torch import from_torch

__all__ = ["from_onnx", "from_torch", "to_onnx"]
