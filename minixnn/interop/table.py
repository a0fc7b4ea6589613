"""The one table: which operation of torch, after `run_decompositions`, and which of ONNX becomes what.

A row is a function of `operations`, torch's names of it, and ONNX's. torch gives its arguments in the function's order.
Inputs of ONNX come in that order too, unless `inputs` says which arguments they are ("*values": any number, as a list);
its attributes are arguments by name, of which `names` has those that are called otherwise.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial

from minixnn import layers as ours
from minixnn.interop.builder import Builder
from minixnn.interop.operations import arithmetic, moves, norms, products, recurrent, whole, windows

# Attributes that change nothing of what is computed here: precisions, seeds, the order of places, the sums of training
IGNORED = ("stash_type", "saturate", "round_mode", "storage_order", "seed", "softmax_precision",
           "qk_matmul_output_mode")
DRAWN = ("rand", "randn", "randint", "randperm", "normal", "normal_functional", "uniform", "exponential", "bernoulli",
         "multinomial", "poisson", "geometric", "cauchy", "log_normal")
FUNCTIONS = ("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "exp", "expm1", "log",
             "log1p", "sin", "sinh", "tan")


class Row:
    """A function of the table, called as each side calls it."""

    def __init__(self, function: Callable, torch: str = "", onnx: str = "", inputs: str = "", **names: str) -> None:
        self.function, self.torch, self.onnx = function, torch.split(), onnx.split()
        self.inputs, self.names, self.known = inputs.split(), names, inspect.signature(function).parameters

    def __call__(self, b: Builder, *args: object, **settings: object) -> object:
        """What torch's operation becomes."""
        return self.function(b, *args, **settings)

    def of_node(self, b: Builder, args: Sequence[object], settings: dict[str, object], defaults: dict[str, object],
                outputs: int, opset: int) -> object:
        """What a node of ONNX becomes. defaults: of the attributes that it does not set."""
        known, anything = self.known, any(p.kind is p.VAR_KEYWORD for p in self.known.values())
        named = {"_opset": opset, "_outputs": outputs} | defaults
        named = {self.names.get(name, name): value for name, value in named.items()}
        named = {name: value for name, value in named.items() if name in known}
        for name, value in settings.items():
            own = self.names.get(name, name)
            if own in known or anything:
                named[own] = value
            elif name not in IGNORED and value != defaults.get(name):
                raise ValueError(f"{name}={value!r} is not supported")
        while args and args[-1] is None:
            args = args[:-1]
        if self.inputs and self.inputs[0][0] == "*":
            found = self.function(b, **{self.inputs[0][1:]: list(args)}, **named)
        elif self.inputs:
            found = self.function(b, **dict(zip(self.inputs, args)), **named)
        else:
            found = self.function(b, *args, **named)
        return found[0] if isinstance(found, list) and outputs == 1 else found


def layer(torch: str, onnx: str, make: Callable[..., ours.Layer], **names: str) -> Row:
    """An activation: the layer that takes what the operation is given behind its input."""
    return Row(partial(arithmetic.activation, make), torch, onnx, **names)


def compared(torch: str, onnx: str, relation: str) -> Row:
    return Row(partial(whole.compare, relation=relation), torch, onnx)


ROWS = [
    # One number each
    layer("relu", "Relu", ours.ReLU), layer("relu6", "", ours.ReLU6), layer("sigmoid", "Sigmoid", ours.Sigmoid),
    layer("tanh", "Tanh", ours.Tanh), layer("mish", "Mish", ours.Mish), layer("hardswish", "HardSwish", ours.Hardswish),
    layer("hardsigmoid", "", ours.Hardsigmoid), layer("selu", "", ours.SELU), layer("gelu", "Gelu", ours.GELU),
    layer("leaky_relu", "LeakyRelu", ours.LeakyReLU, alpha="slope"),
    layer("log_sigmoid", "", partial(ours.Function, "logsigmoid")),
    layer("", "Softsign", partial(ours.Function, "softsign")), layer("sqrt", "Sqrt", partial(ours.Power, 0.5)),
    layer("rsqrt", "", partial(ours.Power, -0.5)), layer("reciprocal", "Reciprocal", partial(ours.Power, -1)),
    layer("square", "", partial(ours.Power, 2)),
    *(layer(name, "" if "1" in name else name.capitalize(), partial(ours.Function, name)) for name in FUNCTIONS),
    Row(whole.softplus, "softplus", "Softplus"), Row(arithmetic.silu, "silu", "Swish"),
    Row(arithmetic.elu, "elu", "Elu Selu", gamma="scale"), Row(arithmetic.celu, "celu", "Celu"),
    Row(arithmetic.hard_sigmoid, "", "HardSigmoid"), Row(arithmetic.prelu, "", "PRelu"),
    Row(partial(arithmetic.prelu, channel=1), "prelu _prelu_kernel"), Row(arithmetic.clip, "clamp clip", "Clip"),
    Row(arithmetic.hardtanh, "hardtanh"), Row(whole.threshold, "threshold", "ThresholdedRelu"),
    Row(whole.shrink, "", "Shrink"), Row(arithmetic.negative, "neg", "Neg"),
    Row(arithmetic.dropout, "dropout native_dropout feature_dropout alpha_dropout feature_alpha_dropout", "Dropout"),
    Row(arithmetic.as_it_is, "clone alias contiguous lift_fresh_copy lift_fresh _assert_tensor_metadata",
        "Identity ZipMap"),
    Row(whole.convert, "to _to_copy type_as float double long int to_dtype"), Row(whole.cast_to, "", "Cast"),
    Row(whole.cast_like, "", "CastLike"),
    Row(arithmetic.exp2, "exp2"), Row(arithmetic.erfc, "erfc"), Row(whole.sign, "sign sgn", "Sign"),
    *(Row(partial(arithmetic.logarithm, base=n), f"log{n}") for n in (2, 10)),
    Row(arithmetic.detach, "detach"),
    Row(arithmetic.no_slope, "round floor ceil trunc floor_divide remainder fmod heaviside", "Round Floor Ceil"),
    Row(arithmetic.drawn, " ".join((*DRAWN, *(f"{name}_like" for name in DRAWN), "rrelu_with_noise_functional")),
        "Bernoulli Multinomial RandomNormal RandomUniform RandomNormalLike RandomUniformLike"),
    Row(arithmetic.no_gradient, "argmax argmin sort topk argsort msort kthvalue median mode nonzero unique histc "
        "bincount searchsorted bucketize", "ArgMax ArgMin TopK NonZero Unique NonMaxSuppression"),

    # Two, broadcast against each other
    Row(arithmetic.add, "add", "Add"), Row(arithmetic.subtract, "sub subtract", "Sub"),
    Row(arithmetic.multiply, "mul multiply", "Mul"), Row(arithmetic.divide, "div true_divide"),
    Row(partial(arithmetic.divide, whole=True), "", "Div"), Row(arithmetic.power, "pow", "Pow"),
    Row(arithmetic.lerp, "lerp"), Row(arithmetic.extreme, "maximum fmax"),
    Row(partial(arithmetic.extreme, smallest=True), "minimum fmin"),
    Row(partial(arithmetic.folded, arithmetic.add), "", "Sum", "*values"),
    Row(partial(arithmetic.folded, arithmetic.add, mean=True), "", "Mean", "*values"),
    Row(partial(arithmetic.folded, arithmetic.extreme), "", "Max", "*values"),
    Row(partial(arithmetic.folded, partial(arithmetic.extreme, smallest=True)), "", "Min", "*values"),
    compared("eq", "Equal", "equal"), compared("ne", "", "not_equal"), compared("gt", "Greater", "greater"),
    compared("lt", "Less", "less"), compared("ge", "GreaterOrEqual", "greater_equal"),
    compared("le", "LessOrEqual", "less_equal"),
    *(Row(partial(whole.combine, relation=name, bits=bits), names.format(name), onnx) for name in ("and", "or", "xor")
      for bits, names, onnx in ((False, "logical_{}", name.capitalize()), (True, "bitwise_{0} __{0}__", ""))),
    Row(whole.negate, "logical_not", "Not"), Row(partial(whole.negate, bits=True), "bitwise_not"),
    Row(whole.where, "where", "Where"), Row(whole.is_nan, "", "IsNaN"),

    # Other places
    Row(moves.reshape, "view reshape _unsafe_view view_copy", "Reshape"), Row(moves.flatten, "flatten"),
    Row(moves.flatten_to_rows, "", "Flatten"), Row(moves.transpose, "permute", "Transpose"),
    Row(moves.swap, "transpose swapaxes"), Row(moves.unsqueeze, "unsqueeze", "Unsqueeze"),
    Row(moves.squeeze, "squeeze", "Squeeze"), Row(moves.expand, "expand", "Expand"), Row(moves.copy, "copy"),
    Row(moves.repeat, "repeat tile", "Tile"), Row(moves.repeat_interleave, "repeat_interleave"),
    Row(moves.slice_, "slice"), Row(moves.slices, "", "Slice"), Row(moves.select, "select"),
    Row(moves.split, "split split_with_sizes", "Split"), Row(moves.unbind, "unbind"), Row(moves.flip, "flip"),
    Row(moves.roll, "roll"), Row(moves.unfold, "unfold"),
    Row(moves.from_patches, "col2im", "Col2Im", dilations="dilation", strides="stride"),
    Row(moves.cat, "cat concat", "Concat", "*values"), Row(moves.stack, "stack"), Row(moves.pad, "pad constant_pad_nd"),
    *(Row(partial(moves.pad, mode=mode), " ".join(f"{name}_pad{n}d" for n in (1, 2, 3)))
      for name, mode in (("reflection", "reflect"), ("replication", "replicate"))),
    Row(moves.pad_axes, "", "Pad"), Row(moves.depth_to_space, "pixel_shuffle", "DepthToSpace"),
    Row(moves.space_to_depth, "pixel_unshuffle"),
    Row(partial(moves.space_to_depth, mode="DCR"), "", "SpaceToDepth"), Row(moves.slice_scatter, "slice_scatter"),
    Row(moves.select_scatter, "select_scatter"), Row(products.index_put, "index_put _unsafe_index_put"),
    Row(moves.diagonal, "diagonal"), Row(moves.gather, "gather", "GatherElements", "x index"),
    Row(moves.gather_points, "", "GatherND"), Row(whole.index, "index"),
    Row(whole.rows, "index_select", "Gather", "x index"), Row(whole.embedding, "embedding"),
    Row(arithmetic.item, "getitem"),
    Row(whole.shape, "", "Shape"), Row(whole.size, "sym_size sym_numel sym_stride"), Row(whole.count, "", "Size"),
    Row(whole.full_like, "full_like"), Row(partial(whole.full_like, value=0.0), "zeros_like empty_like"),
    Row(partial(whole.full_like, value=1.0), "ones_like"),

    # Whole axes
    *(Row(partial(norms.reduce, kind=kind), torch, onnx) for kind, torch, onnx in (
        ("mean", "mean", "ReduceMean"), ("sum", "sum", "ReduceSum"), ("max", "amax", "ReduceMax"),
        ("min", "amin", "ReduceMin"), ("length", "", "ReduceL2"), ("abs", "", "ReduceL1"),
        ("square", "", "ReduceSumSquare"), ("log", "", "ReduceLogSum"),
        ("logsumexp", "logsumexp", "ReduceLogSumExp"))),
    *(Row(partial(norms.largest, kind=kind), kind) for kind in ("max", "min")),
    Row(partial(norms.global_pool, kind="mean"), "", "GlobalAveragePool"),
    Row(partial(norms.global_pool, kind="max"), "", "GlobalMaxPool"), Row(norms.variance, "var"),
    Row(norms.deviation, "std"), Row(norms.variance_and_mean, "var_mean"), Row(norms.norm, "linalg_vector_norm norm"),
    Row(norms.product_along, "prod", "ReduceProd"), Row(norms.distances, "cdist"), Row(products.bilinear, "bilinear"),
    Row(norms.mean_variance, "", "MeanVarianceNormalization"), Row(norms.normalize, "", "LpNormalization"),
    Row(norms.softmax, "softmax _softmax", "Softmax"),
    Row(partial(norms.softmax, log=True), "log_softmax _log_softmax", "LogSoftmax"),
    Row(norms.batch_norm, "batch_norm", "BatchNormalization", momentum="kept", training_mode="training"),
    Row(norms.native_batch_norm, "_native_batch_norm_legit_no_training"),
    Row(norms.batch_statistics, "_native_batch_norm_legit native_batch_norm cudnn_batch_norm"),
    Row(norms.instance_norm, "instance_norm"), Row(norms.rms_norm, "rms_norm", "RMSNormalization", "x gamma"),
    Row(norms.layer_norm, "layer_norm", "LayerNormalization", "x gamma beta"),
    Row(norms.native_layer_norm, "native_layer_norm"), Row(norms.local_response, "", "LRN"),
    Row(norms.group_norm, "group_norm", "GroupNormalization InstanceNormalization", "x gamma beta",
        num_groups="groups"),

    # Windows
    Row(windows.conv, "conv1d conv2d conv3d", "Conv", strides="stride", pads="padding", dilations="dilation",
        group="groups"),
    Row(windows.convolution, "convolution"),
    Row(windows.conv_transpose, "conv_transpose1d conv_transpose2d conv_transpose3d", "ConvTranspose", strides="stride",
        pads="padding", dilations="dilation", group="groups"),
    Row(partial(windows.max_pool, stride=1), "", "MaxPool", kernel_shape="kernel", strides="stride", pads="padding",
        dilations="dilation"),
    Row(partial(windows.average_pool, stride=1), "", "AveragePool", kernel_shape="kernel", strides="stride",
        pads="padding", dilations="dilation"),
    *(Row(partial(function, n=n), f"{name.format(n)}") for n in (1, 2, 3) for function, name in (
        (windows.max_pool_alone, "max_pool{}d"), (windows.max_pool, "max_pool{}d_with_indices"),
        (windows.average_pool, "avg_pool{}d"))),
    *(Row(partial(windows.adaptive_pool, kind="mean"), f"adaptive_avg_pool{n}d _adaptive_avg_pool{n}d")
      for n in (1, 2, 3)),
    Row(windows.adaptive_max_pool, "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d"),
    *(Row(partial(windows.interpolated, mode=mode), torch) for mode, torch in (
        ("nearest", "upsample_nearest1d upsample_nearest2d upsample_nearest3d"),
        ("nearest-exact", "_upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d"),
        ("bilinear", "upsample_linear1d upsample_bilinear2d upsample_trilinear3d"), ("bicubic", "upsample_bicubic2d"))),
    Row(windows.smoothed, "_upsample_bilinear2d_aa _upsample_bicubic2d_aa"), Row(windows.resize, "", "Resize"),

    # Matrices and sequences
    Row(products.linear, "linear"), Row(products.matmul, "matmul mm bmm", "MatMul"), Row(products.gemm, "", "Gemm"),
    Row(products.addmm, "addmm baddbmm"), Row(products.einsum, "einsum", "Einsum", "*operands"),
    Row(products.attention, "scaled_dot_product_attention"), Row(products.attention_of_heads, "", "Attention"),
    *(Row(partial(products.fourier, usual=axes), f"fft_{name}") for name, axes in (
        ("fft", -1), ("fft2", (-2, -1)), ("fftn", None))),
    Row(partial(moves.stack, axis=-1), "view_as_real"),
    Row(products.cumsum, "cumsum", "CumSum"), Row(products.triangle, "", "Trilu"),
    Row(products.scaler, "", "Scaler"), Row(products.classifier, "", "LinearClassifier"),
    Row(products.regressor, "", "LinearRegressor"), Row(products.normalizer, "", "Normalizer"),
    *(Row(partial(recurrent.of_torch, cell=cell), torch) for torch, cell in (
        ("gru", ours.GRU), ("lstm", ours.LSTM), ("rnn_tanh", ours.RNN),
        ("rnn_relu", partial(ours.RNN, activation="relu")))),
    *(Row(partial(recurrent.of_onnx, cell=cell, gates=gates, usual=usual), "", onnx) for onnx, cell, gates, usual in (
        ("RNN", ours.RNN, (0,), ("Tanh",)), ("GRU", ours.GRU, (1, 0, 2), ("Sigmoid", "Tanh")),
        ("LSTM", ours.LSTM, (0, 2, 3, 1), ("Sigmoid", "Tanh", "Tanh"))))]
TORCH = {name: row for row in ROWS for name in row.torch}
ONNX = {name: row for row in ROWS for name in row.onnx}
