"""The layers, one file per kind. Each is a function y = f(x) that remembers nothing: see `base.py`."""
from minixnn.layers.activation import (ELU, GELU, SELU, Clip, Hardsigmoid, Hardswish, LeakyReLU, Mish, PReLU, ReLU,
                                       ReLU6, SiLU, Sigmoid, Softplus, Tanh)
from minixnn.layers.attention import Attention, Hide, JoinHeads, SplitHeads
from minixnn.layers.base import Affine, Elementwise, Join, Layer
from minixnn.layers.blocks import Block, Branches, Graph, Residual
from minixnn.layers.choices import Choose, Compare, CompareTo, Constant, ToFloat
from minixnn.layers.conv import Conv1d, Conv2d, Conv3d
from minixnn.layers.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from minixnn.layers.dense import Dense
from minixnn.layers.einsum import Contract, Einsum
from minixnn.layers.embedding import Categories, ClassToken, Embedding, OneHot, PositionEmbedding, TakeToken, Tokens
from minixnn.layers.functions import Function, Power
from minixnn.layers.joins import Add, Concat, Divide, MatMul, Maximum, Minimum, Multiply, Stack
from minixnn.layers.norm import BatchNorm2d, ChannelScale, GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from minixnn.layers.pool import (AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AvgPool1d, AvgPool2d,
                                 AvgPool3d, GlobalAvgPool, GlobalMaxPool, MaxPool1d, MaxPool2d, MaxPool3d, SumPool1d,
                                 SumPool2d, SumPool3d)
from minixnn.layers.recurrent import GRU, LSTM, RNN, InitialState
from minixnn.layers.reduce import MaxOver, MeanOver, MinOver, Norm, SumOver
from minixnn.layers.scale import Prepare, Scale, Shift
from minixnn.layers.shape import (ChannelSelect, ChannelShuffle, Dropout, Flatten, Gather, Identity, Input, Pad,
                                  Permute, Reshape, Roll, Scatter, Slice, Unflatten)
from minixnn.layers.softmax import LogSoftmax, Softmax
from minixnn.layers.upsample import Upsample

__all__ = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "Add", "Affine", "Attention", "AvgPool1d",
           "AvgPool2d", "AvgPool3d", "BatchNorm2d", "Block", "Branches", "Categories", "ChannelScale", "ChannelSelect",
           "ChannelShuffle", "Choose", "ClassToken", "Clip", "Compare", "CompareTo", "Concat", "Constant", "Contract",
           "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Dense", "Divide",
           "Dropout", "ELU", "Einsum", "Elementwise", "Embedding", "Flatten", "Function", "GELU", "GRU", "Gather",
           "GlobalAvgPool", "GlobalMaxPool", "Graph", "GroupNorm", "Hardsigmoid", "Hardswish", "Hide", "Identity",
           "InitialState", "Input", "Join", "JoinHeads", "LSTM", "Layer", "LayerNorm", "LeakyReLU",
           "LocalResponseNorm", "LogSoftmax", "MatMul", "MaxOver", "MaxPool1d", "MaxPool2d", "MaxPool3d", "Maximum",
           "MeanOver", "MinOver", "Minimum", "Mish", "Multiply", "Norm", "OneHot", "PReLU", "Pad", "Permute",
           "PositionEmbedding", "Power", "Prepare", "RMSNorm", "RNN", "ReLU", "ReLU6", "Reshape", "Residual", "Roll",
           "SELU", "Scale", "Scatter", "Shift", "SiLU", "Sigmoid", "Slice", "Softmax", "Softplus", "SplitHeads",
           "Stack", "SumOver", "SumPool1d", "SumPool2d", "SumPool3d", "TakeToken", "Tanh", "ToFloat", "Tokens",
           "Unflatten", "Upsample"]
