"""The layers, one file per kind. Each is a function y = f(x) that remembers nothing: see `base.py`."""
from minixnn.layers.activation import Clip, Hardsigmoid, Hardswish, LeakyReLU, PReLU, ReLU, ReLU6
from minixnn.layers.attention import Attention, Hide, JoinHeads, SplitHeads
from minixnn.layers.axes import Pad, Permute, Reshape, Roll, Slice
from minixnn.layers.base import Affine, Elementwise, Join, Layer
from minixnn.layers.blocks import Block, Branches, Graph, Residual
from minixnn.layers.combine import Divide, Maximum, Minimum, Stack, Where
from minixnn.layers.conv import Conv2d
from minixnn.layers.conv1d import Conv1d
from minixnn.layers.conv_transpose import ConvTranspose2d
from minixnn.layers.dense import Dense
from minixnn.layers.einsum import Contract, Einsum
from minixnn.layers.embedding import Embedding, OneHot
from minixnn.layers.functions import Function, Power
from minixnn.layers.gather import Gather, Scatter
from minixnn.layers.gelu import GELU
from minixnn.layers.joins import Add, Concat, MatMul, Multiply
from minixnn.layers.layer_norm import GroupNorm, LayerNorm, RMSNorm
from minixnn.layers.local_response_norm import LocalResponseNorm
from minixnn.layers.norm import BatchNorm2d, ChannelScale
from minixnn.layers.pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d, SumPool2d
from minixnn.layers.prepare import Prepare
from minixnn.layers.reduce import MaxOver, MeanOver, MinOver, Norm, SumOver
from minixnn.layers.scale import Scale, Shift
from minixnn.layers.shape import ChannelSelect, ChannelShuffle, Dropout, Flatten, Identity, Input, Unflatten
from minixnn.layers.smooth import ELU, Mish, SELU, SiLU, Sigmoid, Softplus, Tanh
from minixnn.layers.softmax import LogSoftmax, Softmax
from minixnn.layers.tokens import ClassToken, PositionEmbedding, TakeToken, Tokens
from minixnn.layers.upsample import Upsample
from minixnn.layers.whole import Choose, Compare, CompareTo, Constant, ToFloat, ToWhole, Whole

__all__ = ["AdaptiveAvgPool2d", "Add", "Affine", "Attention", "AvgPool2d", "BatchNorm2d", "Block", "Branches",
           "ChannelScale", "ChannelSelect", "ChannelShuffle", "Choose", "ClassToken", "Clip", "Compare",
           "CompareTo", "Concat", "Constant", "Contract", "Conv1d",
           "Conv2d", "ConvTranspose2d", "Dense", "Divide", "Dropout", "ELU", "Einsum", "Elementwise", "Embedding",
           "Flatten", "Function", "GELU", "Gather", "GlobalAvgPool", "GlobalMaxPool", "Graph", "GroupNorm",
           "Hardsigmoid", "Hardswish", "Hide", "Identity", "Input", "Join", "JoinHeads", "Layer", "LayerNorm",
           "LeakyReLU", "LocalResponseNorm", "LogSoftmax", "MatMul", "MaxOver", "MaxPool2d", "Maximum", "MeanOver",
           "MinOver", "Minimum", "Mish", "Multiply", "Norm", "OneHot", "PReLU", "Pad", "Permute", "PositionEmbedding",
           "Power", "Prepare", "RMSNorm", "ReLU", "ReLU6", "Reshape", "Residual", "Roll", "SELU", "Scale", "Scatter",
           "Shift", "SiLU", "Sigmoid", "Slice", "Softmax", "Softplus", "SplitHeads", "Stack", "SumOver", "SumPool2d",
           "TakeToken", "Tanh", "ToFloat", "ToWhole", "Tokens", "Unflatten", "Upsample", "Where", "Whole"]
