"""A part of a graph that stands in more than one chain of a network. The importer writes it; see `interop`."""
from minixnn.arrays import Array
from minixnn.layers.base import Elementwise, Layer
from minixnn.layers.blocks import Concat
from minixnn.layers.chains import every_layer


class Repeated(Concat):
    """y = what one chain makes of x, a chain that another branch of the network holds as well.

    A list of layers with blocks cannot say that two branches share a part, unless what they share comes before both.
    Where it does not, the part is written into either. Forward it computes the same. On the way back each copy gets a
    share of the signal, and what comes out of both is added; gradient, relevance and DeepLIFT are linear in the signal,
    so nothing changes. The deconvolutional network and guided backpropagation rectify the signal at a ReLU: the sum of
    the rectified shares is not the rectified sum, and so they are refused here.
    """
    fewest = 1

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Array:
        self.refuse("the deconvolutional network")
        return super().deconvnet(x, y, dy)

    def guided_backprop(self, x: Array, y: Array, dy: Array) -> Array:
        self.refuse("guided backpropagation")
        return super().guided_backprop(x, y, dy)

    def refuse(self, method: str) -> None:
        """Say so where a rectifier lies inside: a layer whose way back is not its gradient."""
        for layer in every_layer(self.chains[0].layers):
            if isinstance(layer, Elementwise) and type(layer).deconvnet is not Layer.deconvnet:
                raise ValueError(f"{self!r} holds {layer!r} and stands in several branches of this network, as its "
                                 f"graph is no series of blocks; {method} rectifies the signal there, so shares of "
                                 "it do not add up. Use gradient, relevance or DeepLIFT")
