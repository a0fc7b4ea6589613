"""Modules that torch does not have, for `torch_layers.py`: moving axes, scaling channels, and blocks.

torch is the user's, so the classes are made when it is handed over.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import to_numpy

if TYPE_CHECKING:
    from minixnn.layers.base import Layer


class Parts:
    """torch itself as `.torch`, its modules as `.nn`, and the classes made here."""

    def __init__(self, torch: Any, dtype: Any) -> None:
        nn: Any = torch.nn

        class Move(nn.Module):
            """The axes in another order."""

            def __init__(self, *axes):
                super().__init__()
                self.axes = axes

            def forward(self, x):
                return x.permute(self.axes)

        class Scale(nn.Module):
            """x * weight + bias: one number per channel, axis 1 of arrays with `rank` axes, or an array (C, H, W)."""

            def __init__(self, weight, bias, rank):
                super().__init__()
                wide = (1, -1, *[1] * (rank - 2)) if weight.ndim == 1 else (1, *weight.shape)
                self.weight = nn.Parameter(weight.reshape(wide))
                self.bias = None if bias is None else nn.Parameter(bias.reshape(wide))

            def forward(self, x):
                return x * self.weight if self.bias is None else x * self.weight + self.bias

        class Cut(nn.Module):
            """Some places along an axis."""

            def __init__(self, axis, start, stop, step):
                super().__init__()
                self.index = (slice(None),) * axis + (slice(start, stop, step),)

            def forward(self, x):
                return x[self.index]

        class Mix(nn.Module):
            """Rows and columns of images mixed by a matrix each: what pools and enlarges them in any other way."""

            def __init__(self, rows, columns):
                super().__init__()
                self.register_buffer("rows", rows)
                self.register_buffer("columns", columns)

            def forward(self, x):
                return self.rows @ (x @ self.columns.T)

        class Place(nn.Module):
            """x and a number for every place in a sequence."""

            def __init__(self, bias):
                super().__init__()
                self.bias = nn.Parameter(bias)

            def forward(self, x):
                return x + self.bias

        class Token(nn.Module):
            """A token in front of every sequence."""

            def __init__(self, token):
                super().__init__()
                self.token = nn.Parameter(token)

            def forward(self, x):
                return torch.cat([self.token.expand(x.shape[0], 1, -1), x], 1)

        class Attention(nn.Module):
            """Self-attention of any width, as a sequence (N, T, C) has it. seen: who sees whom, or None."""

            def __init__(self, q, k, v, o, heads, seen):
                super().__init__()
                self.q, self.k, self.v, self.o, self.heads = q, k, v, o, heads
                self.register_buffer("seen", seen)

            def forward(self, x):
                q, k, v = (each(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for each in (self.q, self.k, self.v))
                y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=self.seen)
                return self.o(y.transpose(1, 2).flatten(2))

        class Block(nn.Module):
            """Chains of modules, as a ModuleList of Sequentials."""

            def __init__(self, chains):
                super().__init__()
                self.chains = nn.ModuleList(nn.Sequential(*chain) for chain in chains)

        class Sum(Block):
            def forward(self, x):
                parts = [chain(x) for chain in self.chains]
                y = parts[0]
                for part in parts[1:]:
                    y = y + part
                return y

        class Product(Block):
            def forward(self, x):
                parts = [chain(x) for chain in self.chains]
                y = parts[0]
                for part in parts[1:]:
                    y = y * part
                return y

        class Concat(Block):
            """axis: 1 where channels come first, else the last one."""

            def __init__(self, chains, axis):
                super().__init__(chains)
                self.axis = axis

            def forward(self, x):
                return torch.cat([chain(x) for chain in self.chains], self.axis)

        self.torch, self.nn, self.dtype = torch, nn, dtype
        self.Move, self.Scale, self.Cut, self.Mix = Move, Scale, Cut, Mix
        self.Sum, self.Product, self.Concat = Sum, Product, Concat
        self.Place, self.Token, self.Attention = Place, Token, Attention

    def tensor(self, array: Any) -> Any:
        """A copy of one of our arrays."""
        return None if array is None else self.torch.from_numpy(np.array(to_numpy(array), self.dtype))

    def filled(self, module: Any, **arrays: Any) -> Any:
        """`module` with copies of our arrays in its parameters and buffers."""
        for name, array in arrays.items():
            if name in module._buffers:
                module._buffers[name] = self.tensor(array)
            elif array is not None:
                module._parameters[name] = self.nn.Parameter(self.tensor(array))
        return module

    def channels_last(self, shape: tuple[int, ...], modules: list) -> list:
        """Modules that want the channels last, between two moves where they are first: in images."""
        if len(shape) != 3:
            return modules
        return [self.Move(0, 2, 3, 1), *modules, self.Move(0, 3, 1, 2)]

    def channels_first(self, shape: tuple[int, ...], modules: list[Layer]) -> list[Layer]:
        """Modules that want the channels first, between two moves where they are last: in sequences."""
        if len(shape) != 2:
            return modules
        return [self.Move(0, 2, 1), *modules, self.Move(0, 2, 1)]
