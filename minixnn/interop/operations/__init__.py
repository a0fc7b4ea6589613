"""What each operation becomes: one table for torch's programs and for ONNX's files, whose spellings lead here.

Each function takes the Builder and what the operation is given: a Traced value, or arrays and numbers of NumPy where
nothing depends on the input. It puts layers down and returns a Traced value. Shapes are the program's: (N, C, H, W).

values: what an operation may be given, and as what the layers take it
arithmetic: what works on one number each, or on two, broadcast against each other
moves: what takes numbers to other places: reshapes, repeats, cuts, joins and pads
norms: what looks along whole axes: reductions, softmax, normalisations
windows: what goes over an image by windows, or makes one of another size: convolution, pools, upsampling
products: what multiplies matrices: dense layers, attention, einsum
recurrent: what reads a sequence step by step: RNN, GRU, LSTM
whole: what reads or makes whole numbers and truth values: tables of rows, comparisons, choices
"""
from minixnn.interop.operations.values import images, numbers, plain, traced, weights
from minixnn.interop.operations.arithmetic import (add, clip, divide, elementwise, extreme, multiply, power, shifted,
                                                   subtract)
from minixnn.interop.operations.moves import (cat, depth_to_space, expand, flatten, flip, from_patches, pad, patches,
                                              points, points_along, repeat, repeat_interleave, reshape, roll, select,
                                              slice_, space_to_depth, split, squeeze, stack, swap, take, transpose,
                                              unfold, unsqueeze)
from minixnn.interop.operations.norms import (batch_norm, group_norm, layer_norm, local_response, reduce, softmax,
                                              variance)
from minixnn.interop.operations.windows import adaptive_pool, conv, conv_transpose, pool, upsample
from minixnn.interop.operations.products import attention, einsum, linear, matmul
from minixnn.interop.operations.recurrent import recurrent
from minixnn.interop.operations.whole import cast, compare, embedding, true_or_false, where

__all__ = ["adaptive_pool", "add", "attention", "batch_norm", "cast", "cat", "clip", "compare", "conv",
           "conv_transpose", "depth_to_space", "divide", "einsum", "elementwise", "embedding", "expand", "extreme",
           "flatten", "flip", "from_patches", "group_norm", "images", "layer_norm", "linear", "local_response",
           "matmul", "multiply", "numbers", "pad", "patches", "plain", "points", "points_along", "pool", "power",
           "recurrent", "reduce", "repeat", "repeat_interleave", "reshape", "roll", "select", "shifted", "slice_",
           "softmax", "space_to_depth", "split", "squeeze", "stack", "subtract", "swap", "take", "traced",
           "transpose", "true_or_false", "unfold", "unsqueeze", "upsample", "variance", "weights", "where"]
