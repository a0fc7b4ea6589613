"""The layers, one file per kind. Each is a function y = f(x) that remembers nothing: see `base.py`."""
from minixnn.layers.activation import Clip, Hardsigmoid, Hardswish, LeakyReLU, PReLU, ReLU, ReLU6
from minixnn.layers.attention import Attention, Hide, JoinHeads, SplitHeads
from minixnn.layers.axes import Pad, Permute, Reshape, Slice
from minixnn.layers.base import Affine, Elementwise, Join, Layer
from minixnn.layers.blocks import Block, Branches, Graph, Residual
from minixnn.layers.conv import Conv2d
from minixnn.layers.conv1d import Conv1d
from minixnn.layers.conv_transpose import ConvTranspose2d
from minixnn.layers.dense import Dense
from minixnn.layers.embedding import Embedding, OneHot
from minixnn.layers.gelu import GELU
from minixnn.layers.joins import Add, Concat, MatMul, Multiply
from minixnn.layers.layer_norm import GroupNorm, LayerNorm, RMSNorm
from minixnn.layers.local_response_norm import LocalResponseNorm
from minixnn.layers.norm import BatchNorm2d, ChannelScale
from minixnn.layers.pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d, SumPool2d
from minixnn.layers.prepare import Prepare
from minixnn.layers.scale import Scale
from minixnn.layers.shape import ChannelSelect, ChannelShuffle, Dropout, Flatten, Identity, Input, Unflatten
from minixnn.layers.smooth import ELU, SELU, Mish, Sigmoid, SiLU, Softplus, Tanh
from minixnn.layers.softmax import LogSoftmax, Softmax
from minixnn.layers.tokens import ClassToken, PositionEmbedding, TakeToken, Tokens
from minixnn.layers.upsample import Upsample

__all__ = ["AdaptiveAvgPool2d", "Add", "Affine", "Attention", "AvgPool2d", "BatchNorm2d", "Block", "Branches",
           "ChannelScale", "ChannelSelect", "ChannelShuffle", "ClassToken", "Clip", "Concat", "Conv1d", "Conv2d",
           "ConvTranspose2d", "Dense", "Dropout", "ELU", "Elementwise", "Embedding", "Flatten", "GELU", "GlobalAvgPool",
           "GlobalMaxPool", "Graph", "GroupNorm", "Hardsigmoid", "Hardswish", "Hide", "Identity", "Input", "Join",
           "JoinHeads", "Layer", "LayerNorm", "LeakyReLU", "LocalResponseNorm", "LogSoftmax", "MatMul", "MaxPool2d",
           "Mish", "Multiply", "OneHot", "PReLU", "Pad", "Permute", "PositionEmbedding", "Prepare", "RMSNorm", "ReLU",
           "ReLU6", "Reshape", "Residual", "SELU", "Scale", "SiLU", "Sigmoid", "Slice", "Softmax", "Softplus",
           "SplitHeads", "SumPool2d", "TakeToken", "Tanh", "Tokens", "Unflatten", "Upsample"]
