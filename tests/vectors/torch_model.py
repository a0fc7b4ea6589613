"""The layers and networks of the vectors as torch modules, for the adapters of libraries that explain these."""
import sys
import types

import torch
from torch import nn

ACTIVATIONS = {"Tanh": nn.Tanh, "SiLU": nn.SiLU, "GELU": nn.GELU, "Sigmoid": nn.Sigmoid}


def tensor(array):
    """A nested list of the vectors, "-inf" included, in float64."""
    def plain(part):
        return [plain(each) for each in part] if isinstance(part, list) else float(part)
    return torch.tensor(plain(array), dtype=torch.float64)


def stand_in_torchvision():
    """Empty modules in place of torchvision where it is missing: some libraries import it for two of its classes."""
    try:
        import torchvision                                  # noqa: F401
    except (ImportError, RuntimeError):
        for part, classes in (("", ""), (".models", ""), (".models.resnet", "Bottleneck BasicBlock")):
            stand_in = sys.modules[f"torchvision{part}"] = types.ModuleType(f"torchvision{part}")
            stand_in.__dict__.update({each: type(each, (), {}) for each in classes.split()})


class Add(nn.Module):
    def forward(self, *x):
        return sum(x[1:], x[0])


class Multiply(nn.Module):
    def forward(self, a, b):
        return a * b


class MatMul(nn.Module):
    def forward(self, a, b):
        return a @ b


class Concat(nn.Module):
    def forward(self, *x):
        return torch.cat(x, dim=1)


class Transpose(nn.Module):
    def forward(self, x):
        return x.transpose(-1, -2)


class RMSNorm(nn.Module):
    def __init__(self, gamma, epsilon):
        super().__init__()
        self.gamma, self.epsilon = gamma, epsilon

    def forward(self, x):
        return self.gamma * x * (x.pow(2).mean(-1, keepdim=True) + self.epsilon) ** -0.5


class Graph(nn.Module):
    """A network of the vectors. After a call, `A` has what entered and what every layer made."""

    def __init__(self, model, **others):
        super().__init__()
        self.made, self.inputs = nn.ModuleList(), model["inputs"]
        for layer in model["layers"]:
            self.made.append(self.made[layer["same_as"]] if "same_as" in layer else module(layer, **others))

    def forward(self, x):
        self.A = [x]
        for layer, entering in zip(self.made, self.inputs):
            self.A.append(layer(*(self.A[i] for i in entering)))
        return self.A[-1]


def module(layer, **others):
    """The torch module of one layer. others: {kind: class of a library's own} in place of the ones here."""
    kind = layer["kind"]
    if kind == "Network":
        return Graph(layer, **others).eval()
    if kind in others:
        return others[kind]()
    if kind == "ReLU":
        return nn.ReLU(inplace=layer.get("inplace", False))
    if kind in ACTIVATIONS:
        return ACTIVATIONS[kind]()
    if kind in ("Add", "Multiply", "MatMul", "Concat", "Transpose"):
        return globals()[kind]()
    if kind in ("Flatten", "Softmax"):
        return nn.Flatten() if kind == "Flatten" else nn.Softmax(dim=-1)
    if kind == "RMSNorm":
        return RMSNorm(tensor(layer["gamma"]), layer["epsilon"])
    space = {name: tuple(layer[name]) for name in ("stride", "padding", "dilation", "output_padding") if name in layer}
    if kind in ("MaxPool2d", "AvgPool2d"):
        more = {"count_include_pad": layer.get("count_padding", True)} if kind == "AvgPool2d" else {}
        return getattr(nn, kind)(tuple(layer["size"]), **space, **more)
    if kind == "GlobalAvgPool":
        return nn.AdaptiveAvgPool2d(1)
    if kind in ("LayerNorm", "BatchNorm"):
        n = len(layer["gamma"])
        made = nn.LayerNorm(n, eps=layer["epsilon"], bias="beta" in layer) if kind == "LayerNorm" else \
            nn.BatchNorm2d(n, eps=layer["epsilon"])
        values = {"weight": tensor(layer["gamma"]), **({"bias": tensor(layer["beta"])} if "beta" in layer else {})}
        if kind == "BatchNorm":
            values.update(running_mean=tensor(layer["mean"]), running_var=tensor(layer["variance"]))
    else:
        W, bias = tensor(layer["W"]), "b" in layer
        values = {"weight": W, **({"bias": tensor(layer["b"])} if bias else {})}
        if kind == "Dense":
            made = nn.Linear(W.shape[1], W.shape[0], bias=bias)
        else:
            groups = layer.get("groups", 1)
            turned = kind == "ConvTranspose2d"
            outs, ins = (W.shape[1] * groups, W.shape[0]) if turned else (W.shape[0], W.shape[1] * groups)
            made = getattr(nn, kind)(ins, outs, tuple(W.shape[2:]), bias=bias, groups=groups, **space)
    made = made.double()
    with torch.no_grad():
        for name, value in values.items():
            getattr(made, name).copy_(value)
    return made.eval()
