"""Layers whose own code moves windows over images, as ONNX's operators for that; all others run as they are.

A twin has the layer's methods and weights. On a recorded array it computes the example's numbers by the layer itself
and writes the operator: Conv for a convolution, ConvTranspose for its transpose, MaxPool with the winners' places for a
maximum and a scatter that adds for the way back. What a rule asks beside these methods is the layer's.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn.interop.recording import Recorded, numbers
from minixnn.layers import AvgPool2d, Block, Conv1d, Conv2d, ConvTranspose2d, GlobalMaxPool, MaxPool2d, SumPool2d

if TYPE_CHECKING:
    from minixnn.interop.recording import Recording
    from minixnn.layers.base import Layer


def twin(layer: Layer) -> Any:
    """The layer itself, or what stands in for it while it is recorded."""
    if isinstance(layer, Block):
        return layer.rebuilt([[twin(inside) for inside in chain.layers] for chain in layer.chains])
    for kind, stand_in in TWINS.items():
        if isinstance(layer, kind):
            return stand_in(layer)
    return layer


class Twin:
    """What the twins share. Everything that is not written here is asked of the layer."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def __getattr__(self, name):
        return getattr(self.__dict__["layer"], name)

    def __repr__(self):
        return repr(self.layer)

    def with_weights(self, W: Array, b: Array | None) -> Any:
        return type(self)(self.layer.with_weights(W, b))

    def summing(self) -> SumTwin:
        return twin(self.layer.summing())

    def deconvnet(self, x: Any, y: Any, dy: Any) -> Any:
        return self.gradient(x, y, dy)

    guided_backprop = deconvnet


def first(x: Recorded) -> Recorded:
    """Images with the channels first, as ONNX has them."""
    return x.transpose(0, 3, 1, 2)


def last(name: str, value: Array, graph: Recording) -> Recorded:
    """The tensor `name`, channels first, as a Recorded array with the channels last and the numbers `value`."""
    return Recorded(value, graph.node("Transpose", name, perm=(0, 2, 3, 1)), graph)


def kernel(W: Array) -> Array:
    """(kh, kw, C / groups, O) -> (O, C / groups, kh, kw)"""
    return np.ascontiguousarray(np.asarray(W).transpose(3, 2, 0, 1))


def convolve(graph: Recording, x: Recorded, W: Array, pads: tuple[tuple[int, ...], tuple[int, ...]], layer: Layer,
             dilation: tuple[int, ...] = (1, 1), groups: int = 1) -> str:
    (top, bottom), (left, right) = pads
    return graph.node("Conv", first(x), kernel(W), pads=(top, left, bottom, right), strides=layer.stride,
                      dilations=dilation, group=groups)


def scatter(graph: Recording, dy: Recorded, W: Array, shape: tuple[int, ...],
            pads: tuple[tuple[int, ...], tuple[int, ...]], layer: Layer,
            dilation: tuple[int, ...] = (1, 1), groups: int = 1) -> str:
    """The transpose of `convolve`. What the last windows do not reach gets zeros: ONNX calls it output padding.

    With stride 1 it is a convolution again, of dy with the kernel turned by 180 degrees, which runs faster.
    """
    (top, bottom), (left, right) = pads
    (kh, kw, C, O), (down, across) = W.shape, dilation
    around = [down * (kh - 1) - top, across * (kw - 1) - left, down * (kh - 1) - bottom, across * (kw - 1) - right]
    if layer.stride == (1, 1) and min(around) >= 0:
        turned = np.asarray(W)[::-1, ::-1].reshape(kh, kw, C, groups, O // groups)
        turned = np.ascontiguousarray(turned.transpose(3, 2, 4, 0, 1)).reshape(groups * C, O // groups, kh, kw)
        return graph.node("Conv", first(dy), turned, pads=around, dilations=dilation, group=groups)
    reach = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in
             zip(dy.shape[1:3], layer.stride, dilation, W.shape[:2])]
    missing = [n + sum(p) - r for n, p, r in zip(shape[1:3], pads, reach)]
    return graph.node("ConvTranspose", first(dy), kernel(W), pads=(top, left, bottom, right), strides=layer.stride,
                      dilations=dilation, group=groups, output_padding=missing)


class ConvTwin(Twin):
    def forward(self, x: Recorded) -> Recorded:
        layer, (pads, _) = self.layer, self.layer.place(x)
        plain = layer.with_weights(layer.W, None)
        y = last(convolve(x.graph, x, layer.W, pads, layer, layer.dilation, layer.groups),
                 plain.forward(x.recorded), x.graph)
        return y if layer.b is None else y + layer.b

    def gradient(self, x: Recorded, y: Recorded | None, dy: Recorded) -> Recorded:
        layer, (pads, _) = self.layer, self.layer.place(x)
        value = layer.gradient(numbers(x), numbers(y), dy.recorded)
        return last(scatter(dy.graph, dy, layer.W, x.shape, pads, layer, layer.dilation, layer.groups), value, dy.graph)


class ConvTransposeTwin(Twin):
    def forward(self, x: Recorded) -> Recorded:
        layer = self.layer
        plain = layer.with_weights(layer.W, None)
        name = scatter(x.graph, x, layer.kernel(), layer.shape(x), layer.padding, layer, layer.dilation, layer.groups)
        y = last(name, plain.forward(x.recorded), x.graph)
        return y if layer.b is None else y + layer.b

    def gradient(self, x: Recorded, y: Recorded, dy: Recorded) -> Recorded:
        layer = self.layer
        name = convolve(dy.graph, dy, layer.kernel(), layer.padding, layer, layer.dilation, layer.groups)
        return last(name, layer.gradient(numbers(x), numbers(y), dy.recorded), dy.graph)


class Conv1dTwin(Twin):
    """A sequence is an image of T x 1 pixels."""

    def forward(self, x: Recorded) -> Recorded:
        return ConvTwin(self.layer.image_layer()).forward(x[:, :, None])[:, :, 0:1].reshape(
            self.layer.forward(x.recorded).shape)

    def gradient(self, x: Recorded, y: Recorded, dy: Recorded) -> Recorded:
        N, T, C = x.shape
        dx = ConvTwin(self.layer.image_layer()).gradient(x[:, :, None], None, dy[:, :, None])
        return dx.reshape(N, T, C)


class SumTwin(Twin):
    """Sums and averages over windows: a depthwise convolution with ones, times the weight of each window's pixels."""

    def ones(self, x: Recorded) -> Array:
        return np.ones((*self.layer.size, 1, x.shape[3]), x.dtype)

    def weights(self, x: Recorded) -> float | Array:
        pads, size = self.layer.place(x)
        return self.layer.weights(numbers(x), pads, size)

    def forward(self, x: Recorded) -> Recorded:
        pads, _ = self.layer.place(x)
        name = convolve(x.graph, x, self.ones(x), pads, self.layer, groups=x.shape[3])
        unweighted = SumPool2d(self.layer.size, self.layer.stride, self.layer.padding).forward(x.recorded)
        return last(name, unweighted, x.graph) * self.weights(x)

    def gradient(self, x: Recorded, y: Recorded, dy: Recorded) -> Recorded:
        pads, _ = self.layer.place(x)
        weighted = dy * self.weights(x)
        unweighted = SumPool2d(self.layer.size, self.layer.stride, self.layer.padding)
        value = unweighted.gradient(numbers(x), None, weighted.recorded)
        return last(scatter(dy.graph, weighted, self.ones(x), x.shape, pads, self.layer, groups=x.shape[3]), value,
                    dy.graph)


class MaxTwin(Twin):
    """MaxPool tells the place of each winner in the whole array; the way back adds what arrives at these places."""

    def settings(self, x: Recorded) -> dict[str, tuple[int, ...]]:
        (top, bottom), (left, right) = self.layer.place(x)[0]
        return {"kernel_shape": self.layer.size, "strides": self.layer.stride, "pads": (top, left, bottom, right)}

    def forward(self, x: Recorded) -> Recorded:
        name, _ = x.graph.node("MaxPool", first(x), outputs=2, **self.settings(x))
        return last(name, self.layer.forward(x.recorded), x.graph)

    def gradient(self, x: Recorded, y: Recorded, dy: Recorded) -> Recorded:
        graph, value = dy.graph, self.layer.gradient(numbers(x), numbers(y), dy.recorded)
        images = first(x)
        _, winners = graph.node("MaxPool", images, outputs=2, **self.settings(x))
        shape, flat = graph.node("Shape", images), np.asarray([-1], np.int64)
        count = graph.node("ReduceProd", shape, axes=[0], keepdims=1)
        zero = graph.helper.make_tensor("value", graph.helper.np_dtype_to_tensor_dtype(dy.dtype), [1], [0])
        nothing = graph.node("ConstantOfShape", count, value=zero)
        places, what = (graph.node("Reshape", each, flat) for each in (winners, first(dy)))
        summed = graph.node("ScatterElements", nothing, places, what, axis=0, reduction="add")
        return last(graph.node("Reshape", summed, shape), value, graph)


class GlobalMaxTwin(Twin):
    """The first place whose number equals the maximum: ArgMax, and a one there."""

    def forward(self, x: Recorded) -> Recorded:
        flat = x.reshape(len(x), -1, x.shape[-1])
        return flat.max(axis=1)

    def gradient(self, x: Recorded, y: Recorded, dy: Recorded) -> Recorded:
        graph, flat = dy.graph, x.reshape(len(x), -1, x.shape[-1])          # (N, pixels, C)
        best = graph.node("ArgMax", flat, axis=1, keepdims=1)
        won = np.arange(flat.shape[1])[:, None] == numbers(flat).argmax(axis=1)[:, None]
        hit = Recorded(won, graph.node("Equal", best, np.arange(flat.shape[1])[:, None]), graph)
        return (hit * dy[:, None]).reshape(x.shape)


TWINS: dict[Any, Any] = {
    Conv2d: ConvTwin, ConvTranspose2d: ConvTransposeTwin, Conv1d: Conv1dTwin, (AvgPool2d, SumPool2d): SumTwin,
    MaxPool2d: MaxTwin, GlobalMaxPool: GlobalMaxTwin}
