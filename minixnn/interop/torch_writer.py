"""A Network becomes a torch `nn.Sequential`: the way back from `minixnn.interop.torch`."""
from typing import Any

from minixnn.interop import layout
from minixnn.interop.torch_blocks import chain
from minixnn.interop.torch_parts import Parts
from minixnn.network import Network


def to_torch(net: Network, input_shape: tuple[int, ...] | None = None) -> Any:
    """The nn.Sequential, in `eval()` mode, that computes what `net` computes, in the precision of its arrays.

    input_shape   (H, W, C) of one input, as `net` sees it, where its card does not say; needed where padding depends on
                  the size of the images (padding="same" with a stride), where images are flattened, and where a layer
                  is another module for another number of axes

    Images enter it channels first: module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())); sequences (N, T, C) as
    they are. Weights are copied. Raises ValueError, naming the layer, for what torch's modules cannot represent.
    """
    import torch
    shape = input_shape if input_shape is not None else net.card.input_shape
    shape = None if shape is None else tuple(shape)
    if shape is not None and len(shape) not in (1, 2, 3):
        raise ValueError(f"got input_shape={shape}, expected the shape of one input without the batch, as minixnn "
                         "sees it: (height, width, channels), (length, channels) or (inputs,)")
    modules, _ = chain(Parts(torch, layout.dtype_of(net.layers)), net.layers, shape)
    return torch.nn.Sequential(*modules).eval()
