"""Networks that go from torch to minixnn and back, and how far their outputs lie apart."""
import numpy as np

from minixnn.interop import from_torch, to_torch
from tests.peers import networks
from tests.peers.libraries import torch

BOUNDS = {"float64": 1e-10, "float32": 1e-5}
SEEDS = range(10)


def outputs(case, dtype):
    """(name, output) of the torch network, of ours, of the one written back, and of that one read again."""
    module = case.module.to(getattr(torch, dtype))
    x, tensor = case.x.astype(dtype), case.tensor.to(getattr(torch, dtype))
    net = from_torch(module, input_shape=tensor.shape[1:])
    back = to_torch(net, input_shape=x.shape[1:])
    again = from_torch(back, input_shape=tensor.shape[1:])
    with torch.no_grad():
        return {"torch": networks.to_array(module(tensor)), "from_torch": net.forward(x),
                "to_torch": networks.to_array(back(tensor)), "from_torch again": again.forward(x)}


def worst(case, dtype):
    found = outputs(case, dtype)
    expected = found.pop("torch")
    for name, output in found.items():
        assert output.dtype == expected.dtype == np.dtype(dtype), (name, output.dtype)
        assert output.shape == expected.shape, (name, output.shape, expected.shape)
    return max(float(abs(output - expected).max()) for output in found.values()) / max(1, float(abs(expected).max()))


def measure():
    """[(precision, networks, largest relative difference, bound), ...] for the table."""
    for dtype, bound in BOUNDS.items():
        found = [worst(networks.case(kind, seed), dtype) for kind in networks.KINDS for seed in SEEDS]
        yield dtype, len(found), max(found), bound
