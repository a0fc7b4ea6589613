"""What a program says in several layers and we in one: biases merged, norms and activations found by value."""
from __future__ import annotations

from numpy.typing import DTypeLike

import numpy as np

from minixnn import layers as ours
from minixnn.layers.base import Elementwise, Layer

HEADS = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh")
MOST_PARTS = 12             # layers of an activation or a norm that is written out
PARTS = ("Add", "Multiply", "Divide", "Maximum", "Minimum", "Choose", "CompareTo", "ToFloat", "Scale", "Shift",
         "MeanOver")
MOVES = (ours.Reshape, ours.Permute)
POINTS = np.concatenate([np.linspace(-12, 12, 97), [-1e-3, 1e-3, -25, 25, -40, 40]])[:, None]


class Plan:
    """Layers and their inputs on the way into a Network; only what leads to the output stays."""

    def __init__(self, layers: list[Layer], inputs: list[tuple[int, ...]], names: list[str], output: int) -> None:
        self.layers, self.inputs, self.names = list(layers), list(inputs), list(names)
        self.keep(output)

    def keep(self, output: int) -> None:
        """Cut off what is behind the output, and what does not lead to it."""
        wanted, left = {0, output}, [output]
        while left:
            at = left.pop()
            for source in self.inputs[at - 1] if at else ():
                if source not in wanted:
                    wanted.add(source)
                    left.append(source)
        kept = sorted(wanted - {0})
        numbers = {0: 0, **{old: new for new, old in enumerate(kept, start=1)}}
        self.layers = [self.layers[at - 1] for at in kept]
        self.inputs = [tuple(numbers[source] for source in self.inputs[at - 1]) for at in kept]
        self.names = [self.names[at - 1] for at in kept]
        self.known_users: list[list[int]] | None = None

    def users(self) -> list[list[int]]:
        """users[i]: the layers that activation i enters. Every change ends in `keep`, so they are asked for once."""
        if self.known_users is None:
            self.known_users = [[] for _ in range(len(self.layers) + 1)]
            for l, sources in enumerate(self.inputs):
                for source in dict.fromkeys(sources):
                    self.known_users[source].append(l)
        return self.known_users

    def without(self, l: int) -> None:
        """Take a layer of one input away: those behind it read what it read."""
        source = self.inputs[l][0]
        self.inputs = [tuple(source if i == l + 1 else i for i in entry) for entry in self.inputs]
        self.keep(len(self.layers) if l + 1 < len(self.layers) else source)


def simplify(plan: Plan, dtype: DTypeLike, channels: int) -> None:
    """Find what is written out, then merge neighbours until nothing changes. channels: of the input's last axis"""
    move_once(plan)
    l = 0
    while l < len(plan.layers):
        before = len(plan.layers)
        l = l + 1 if not found_by_value(plan, l, dtype) else max(0, l - (before - len(plan.layers)))
    prepare(plan, dtype, channels)
    l = 0
    while l < len(plan.layers):
        l = max(l - 1, 0) if merged(plan, l) else l + 1


def drop_head(plan: Plan, rank: int) -> str | None:
    """Take a layer at the end away that only squashes rows of scores; its name, or None."""
    end = len(plan.layers)
    while end and type(plan.layers[end - 1]).__name__ == "Dropout":
        end = plan.inputs[end - 1][0]
    if not end or rank != 2:
        return None
    last = plan.layers[end - 1]
    kind = type(last).__name__
    if kind == "Concat" and (z := two_classes(plan)) is not None:
        plan.keep(z)
        return "Sigmoid"
    if kind not in HEADS or plan.inputs[end - 1] == (0,) or (
            isinstance(last, ours.LogSoftmax) and last.axis not in (-1, 1)):
        return None
    plan.keep(plan.inputs[end - 1][0])
    return kind


def two_classes(plan: Plan) -> int | None:
    """The logit z where the output is (1 - p, p) with p the sigmoid of z, as scikit-learn's models have it."""
    if len(plan.inputs[-1]) != 2:
        return None
    q, p = plan.inputs[-1]
    chain: list[Layer] = []
    at = q
    while at and at != p and len(plan.inputs[at - 1]) == 1 and len(chain) < 3:
        chain.append(plan.layers[at - 1])
        at = plan.inputs[at - 1][0]
    if at != p or p == 0 or type(plan.layers[p - 1]).__name__ != "Sigmoid" or not all(
            type(layer).__name__ in ("Scale", "Shift") for layer in chain):
        return None
    y = x = np.array([[0.0], [0.3], [1.0]])
    for layer in reversed(chain):
        y = layer.forward(y)
    return plan.inputs[p - 1][0] if np.allclose(y, 1 - x) else None


def move_once(plan: Plan) -> None:
    """Move numbers that are moved twice in the same way, once as they are and once behind a function, before both.

    A norm of each head reads x / sqrt(mean x^2) where x^2 and x were moved apart, into one row for each head.
    """
    e = -1
    while (e := e + 1) < len(plan.layers):
        layer, users = plan.layers[e], plan.users()
        if not isinstance(layer, Elementwise) or len(users[e + 1]) != 1 or any(
                a is not None and a.size != 1 for a in layer.arrays().values()):
            continue
        m = users[e + 1][0]
        move = plan.layers[m]
        twin = next((k for k in users[plan.inputs[e][0]] if isinstance(move, MOVES) and type(plan.layers[k]) is type(
            move) and plan.layers[k].settings() == move.settings()), None)
        if twin is None:
            continue
        if twin < e:
            plan.inputs[e] = (twin + 1,)
            plan.without(m)
        else:
            plan.layers[e], plan.layers[m] = move, layer
            plan.inputs = [tuple(e + 1 if i == twin + 1 else i for i in entry) for entry in plan.inputs]
            plan.keep(len(plan.layers))


# Known by their values

def found_by_value(plan: Plan, l: int, dtype: DTypeLike) -> bool:
    """Whether the layers that lead to layer l were an activation or a norm written out; now it is one layer."""
    layer = plan.layers[l]
    if not isinstance(layer, Elementwise) and type(layer).__name__ not in PARTS:
        return False
    for x, region in reversed(regions(plan, l)):
        known = norm(plan, region, x) if any(type(plan.layers[i]).__name__ == "MeanOver" for i in region) else \
            activation(plan, region, x)
        if known is not None:
            plan.layers[l], plan.inputs[l] = known.map_arrays(lambda a: a.astype(dtype)), (x,)
            plan.keep(len(plan.layers))
            return True
    return False


def regions(plan: Plan, l: int) -> list[tuple[int, list[int]]]:
    """[(the one activation that enters, the layers from there to layer l)], the smallest first."""
    region, users, found = {l}, plan.users(), []
    while len(region) <= MOST_PARTS:
        border = {source for i in region for source in plan.inputs[i]} - {i + 1 for i in region}
        if len(border) == 1 and len(region) > 1:
            found.append((next(iter(border)), sorted(region)))
        last = max(border)
        if last == 0:
            break
        inner = plan.layers[last - 1]
        if not isinstance(inner, Elementwise) and type(inner).__name__ not in PARTS or \
                not set(users[last]) <= region or any(a is not None and a.size != 1 for a in inner.arrays().values()):
            break
        region.add(last - 1)
    if any(a is not None and a.size != 1 for a in plan.layers[l].arrays().values()):
        return []
    return found


def run(plan: Plan, region: list[int], x: int, values: np.ndarray) -> np.ndarray:
    A = {x: values}
    with np.errstate(all="ignore"):
        for l in region:
            entering = [A[i] for i in plan.inputs[l]]
            layer = plan.layers[l].map_arrays(lambda a: a.astype(np.float64))
            A[l + 1] = layer.forward(entering[0] if layer.most_inputs == 1 else tuple(entering))
    return A[region[-1] + 1]


def activation(plan: Plan, region: list[int], x: int) -> Layer | None:
    """The activation that these layers compute, if it is one that we know."""
    kinds = [type(plan.layers[l]).__name__ for l in region]
    if all(kind in ("Scale", "Shift", "ToFloat") for kind in kinds) or not set(kinds) & set(PARTS):
        return None
    y = run(plan, region, x, POINTS)
    if not np.isfinite(y[:97]).all() or y.shape != POINTS.shape:
        return None
    low, high, minus, plus = y[-2, 0], y[-1, 0], y[44, 0], y[52, 0]     # at -40, 40, -1, 1
    candidates: list[Layer] = [ours.ReLU(), ours.ReLU6(), ours.Sigmoid(), ours.Tanh(), ours.SiLU(), ours.Mish(),
                               ours.GELU(), ours.GELU("tanh"), ours.Hardswish(), ours.Hardsigmoid(), ours.SELU(),
                               ours.Softplus(),
                               ours.Function("abs"), ours.Function("softsign"), ours.Function("logsigmoid")]
    if abs(plus - 1) < 1e-6:
        candidates += [ours.LeakyReLU(float(-minus)), ours.ELU(float(-low))]
    if low < high and abs(y[48, 0] - np.clip(0, low, high)) < 1e-6:
        candidates.append(ours.Clip(None if low <= -40 else float(low), None if high >= 40 else float(high)))
    if 0 <= low < high <= 1 and abs(y[49, 0] - y[48, 0]) > 1e-9:
        candidates.append(ours.Hardsigmoid(float((y[49, 0] - y[48, 0]) * 4), float(y[48, 0])))
    if y[48, 0] > 0:
        candidates.append(ours.Softplus(float(np.log(2) / y[48, 0])))
    finite = np.isfinite(y)
    with np.errstate(all="ignore"):
        return next((layer for layer in candidates if np.allclose(
            layer.forward(POINTS)[finite], y[finite], rtol=2e-6, atol=2e-6)), None)


def norm(plan: Plan, region: list[int], x: int) -> Layer | None:
    """The LayerNorm or RMSNorm that these layers compute, if it is one."""
    parts = [plan.layers[l] for l in region]
    means = [layer for layer in parts if type(layer) is ours.MeanOver]
    every = {layer.axes for layer in means if layer.axes is not None}
    if len(every) != 1 or not any(isinstance(layer, ours.Power) for layer in parts) or any(
            not layer.keepdims for layer in parts if isinstance(layer, ours.MeanOver)) or any(
            axis >= 0 for axis in next(iter(every))):
        return None
    axes, rng = every.pop(), np.random.default_rng(0)
    shape = (2, 3, 5, 4)[-max(2, 1 - min(axes)):]
    values = [scale * rng.normal(size=shape) + shift for scale, shift in ((1, 0.5), (1e-2, 0))]
    try:
        expected = [run(plan, region, x, v) for v in values]
    except ValueError:
        return None
    shifts = [float(layer.b.reshape(-1)[0]) for layer in parts if type(layer) is ours.Shift and layer.b is not None]
    for epsilon in dict.fromkeys([*(e for e in shifts if 0 < e < 1e-2), 0.0]):
        for kind in (ours.LayerNorm, ours.RMSNorm):
            with np.errstate(all="ignore"):
                if all(y.shape == v.shape and np.allclose(kind(axes=axes, epsilon=epsilon).forward(v), y, rtol=1e-6)
                       for v, y in zip(values, expected)):
                    return kind(axes=axes, epsilon=epsilon)
    return None


# Neighbours

def merged(plan: Plan, l: int) -> bool:
    """Whether layer l was merged into the one before it, which nobody else reads."""
    layer, source = plan.layers[l], plan.inputs[l][0]
    together = None if len(plan.inputs[l]) > 1 or source == 0 else pair(plan.layers[source - 1], layer)
    if together is None or sum(entry.count(source) for entry in plan.inputs) > 1:
        return False
    plan.layers[source - 1] = together
    plan.without(l)
    return True


def pair(a: Layer, b: Layer) -> Layer | None:
    """One layer for a and then b, if there is one."""
    if isinstance(a, ours.Permute) and isinstance(b, ours.Permute):
        return ours.Permute(tuple(a.axes[axis] for axis in b.axes))
    if isinstance(a, ours.ToFloat) and isinstance(b, ours.ToFloat):
        return a
    if isinstance(a, ours.Scale) and isinstance(b, ours.Scale) and isinstance(a.c, float) and isinstance(b.c, float):
        return ours.Scale(a.c * b.c)
    if isinstance(a, ours.Clip) and isinstance(b, ours.Clip) and {a.low, b.low} & {None} and {a.high, b.high} & {None}:
        low, high = (q if p is None else p for p, q in ((a.low, b.low), (a.high, b.high)))
        return ours.Clip(low, high) if low is None or high is None or low < high else None
    if isinstance(a, ours.LayerNorm) and a.beta is None:              # RMSNorm is one, too
        c = b.b if type(b) is ours.Shift else b.W if type(b) is ours.ChannelScale and b.b is None else \
            b.c if isinstance(b, ours.Scale) and not isinstance(b.c, float) else None
        if c is None or c.ndim > len(a.axes) and max(c.shape[:-len(a.axes)]) > 1:
            return None
        c = c.reshape(c.shape[max(0, c.ndim - len(a.axes)):])
        if isinstance(b, ours.Shift):
            return type(a)(a.gamma, c, a.axes, a.epsilon)
        return type(a)(c, None, a.axes, a.epsilon) if a.gamma is None else None
    shift = b.b if type(b) is ours.Shift or type(b) is ours.ChannelScale and (b.W == 1).all() else None
    if shift is None or shift.shape[-1:] != (shift.size,):
        return None
    if isinstance(a, (ours.Dense, ours.Conv2d)) or type(a) is ours.ConvTranspose2d:
        outputs = a.W.shape[-1] * (a.groups if isinstance(a, ours.ConvTranspose2d) else 1)
    elif type(a) is ours.ChannelScale:
        outputs = a.W.size
    else:
        return None
    if shift.size not in (1, outputs):
        return None
    shift = np.broadcast_to(shift.reshape(-1), (outputs,)).astype(a.W.dtype)
    return a.with_weights(a.W, shift.copy() if a.b is None else a.b + shift)


def prepare(plan: Plan, dtype: DTypeLike, channels: int) -> None:
    """What is subtracted from the input first, and what it is divided by then, is its preparation."""
    scale, shift, users, at = np.ones(1, dtype), np.zeros(1, dtype), plan.users(), 0
    while len(users[at]) == 1 and plan.inputs[users[at][0]] == (at,):
        layer = plan.layers[users[at][0]]
        if type(layer) not in (ours.Shift, ours.Scale) and not isinstance(layer, ours.ChannelScale):
            break
        s = layer.W if isinstance(layer, ours.ChannelScale) else \
            np.asarray(layer.c if isinstance(layer, ours.Scale) else [1], dtype)
        b = getattr(layer, "b", None)
        t = np.zeros(1, dtype) if b is None else b
        if any(a.size not in (1, channels) or a.ndim and a.shape[-1] != a.size for a in (s, t)):
            break
        s, t = s.reshape(-1), t.reshape(-1)
        scale, shift, at = scale * s, shift * s + t, users[at][0] + 1
    if at == 0 or not (scale > 0).all():
        return
    for _ in range(at - 1):
        plan.without(0)
    plan.layers[0] = ours.Prepare((-shift / scale + 0).astype(dtype), (1 / scale).astype(dtype))
