"""Networks to and from other frameworks. Nothing is imported from a framework before its user asks for it.

    net = from_torch(module, input_shape=(1, 28, 28))       # a torch module -> Network
    module = to_torch(net, input_shape=(28, 28, 1))         # and back
    net = from_onnx("net.onnx")                             # an ONNX graph -> Network
    to_onnx(net, "net.onnx")                                # and back
    net = from_checkpoint("vgg16.safetensors", "vgg16")     # a public classifier from its weights

`input_shape` is the shape of one input as the network that is handed over sees it: channels first for torch and ONNX,
channels last for minixnn. It may be left out where nothing depends on it.
"""
from minixnn.interop.checkpoints import from_checkpoint, imagenet_input
from minixnn.interop.keras_names import vgg_input
from minixnn.interop.onnx import from_onnx
from minixnn.interop.onnx_writer import to_onnx
from minixnn.interop.torch import from_torch
from minixnn.interop.torch_writer import to_torch

__all__ = ["from_checkpoint", "from_onnx", "from_torch", "imagenet_input", "to_onnx", "to_torch",
           "vgg_input"]
