"""The layers, one file per kind. Each is a function y = f(x) that remembers nothing: see `base.py`."""
from minixnn.layers.activation import ReLU, Sigmoid, Softplus, Tanh
from minixnn.layers.base import Affine, Elementwise, Layer
from minixnn.layers.blocks import Concat, Product, Residual, Sum
from minixnn.layers.chains import Block, Chain
from minixnn.layers.conv import Conv2d
from minixnn.layers.dense import Dense
from minixnn.layers.norm import BatchNorm2d, ChannelScale
from minixnn.layers.pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool, MaxPool2d, SumPool2d
from minixnn.layers.prepare import Prepare
from minixnn.layers.shape import Dropout, Flatten, Unflatten

__all__ = ["AdaptiveAvgPool2d", "Affine", "AvgPool2d", "BatchNorm2d", "Block", "Chain", "ChannelScale", "Concat",
           "Conv2d", "Dense", "Dropout", "Elementwise", "Flatten", "GlobalAvgPool", "Layer", "MaxPool2d", "Prepare",
           "Product", "ReLU", "Residual", "Sigmoid", "Softplus", "Sum", "SumPool2d", "Tanh", "Unflatten"]
