"""Does a network that was read take pixels from 0 to 1, or from 0 to 255? One answer for every format."""
from minixnn.card import largest_pixel
from minixnn.layers import Conv2d
from minixnn.network import Network

WHOLE = ("uint8", "int16", "int32", "int64", "uint16")      # of these numbers pixels are never from 0 to 1


def with_pixels(net: Network, declared: str = "float32") -> Network:
    """The same network, with 255 as the largest pixel on its card if it takes them so.

    It does if its file declares whole numbers, or if it begins by dividing by 255 or by taking a mean of such pixels
    away. declared: the type of the input by the file. Tokens are no pixels, nor are rows of a table.
    """
    shape, first = net.card.input_shape, net.layers[0]
    images = len(shape) == 3 if shape is not None else any(isinstance(layer, Conv2d) for layer in net.layers)
    if not images or getattr(first, "takes_integers", False):
        return net
    return net.with_card(pixels=255) if declared in WHOLE or largest_pixel(net.card, first) == 255 else net
