"""Class activation maps: weighted sums of feature maps. All are importable from `minixnn.attribution`.

Every function is f(net, x, target=None, *, layer=None, resize=True, ...). The feature maps A[l] enter layer l in a
chain. `layer=None` takes the last that have more than one pixel, the input of the head. In a transformer these are the
last grid of tokens that the output depends on and that the whole signal passes through; tokens in front of the grid,
such as the class token, are left out. `resize=True` stretches a map bilinearly, with aligned corners.
"""
from collections.abc import Callable

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, array_module, like, positive
from minixnn.batching import map_batches
from minixnn.logits import at_logits
from minixnn.layers import AdaptiveAvgPool2d, Dense, Dropout, Flatten, GlobalAvgPool, Identity, MatMul
from minixnn.layers.base import Affine, Join, Layer
from minixnn.layers.softmax import softmax
from minixnn.network import Network
from minixnn.passes import Target


def cam(net: Network, x: Array, target: Target = None, *, layer: int | None = None, resize: bool = True,
        start: Array | None = None, batch_size: int | None = None, workers: int = 1) -> Array:
    """Class activation mapping. Zhou et al. 2016, eq. 2.

        R_ij = sum_k w_kc A_ijk          w_kc: from feature map k to the target c

    For networks that end in GlobalAvgPool and one Dense layer: their output is the mean of R over the image, plus a
    bias.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    layer : number l of the feature maps A[l]; None for the last that have more than one pixel.
    resize : whether the map is stretched to the height and width of x and repeated over its channels.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The maps, like x (N, H, W, C); with resize=False as they are, (N, h, w).

    Raises
    ------
    ValueError : a network with another end, or a `layer` that does not enter the pool; a wrong target or start.
    """
    net = at_logits(net, start)
    pools = [net.inputs[l][0] for l, each in enumerate(net.layers) if averages_all(each)]
    l = pools[-1] if layer is None and pools else head(net, x, layer)
    above = [each for each in net.layers[l:] if not isinstance(each, (Dropout, Flatten, Identity))]
    if len(above) != 2 or not averages_all(above[0]) or not isinstance(above[1], Dense):
        raise ValueError("cam needs a network that ends in GlobalAvgPool and one Dense layer, and the feature maps "
                         f"that enter the pool; got {', '.join(map(repr, net.layers[l:l + 3]))}"
                         f"{', ...' * (len(net.layers) > l + 3)} above layer {l}. "
                         "Use grad_cam, which asks for no particular head")

    def of_batch(x, target, start):
        A = net.trace(x)
        maps = as_images(net, A, l, A[l])
        dy = passes.one_hot(A[-1], target) if start is None else passes.check_start(A[-1], start)
        weights = dy @ above[1].W.T                                   # (N, K)
        return mix(maps, weights)
    return shown(map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers), x, resize)


def grad_cam(net: Network, x: Array, target: Target = None, *, layer: int | None = None, resize: bool = True,
             rectify: bool = True, start: Array | None = None, batch_size: int | None = None,
             workers: int = 1) -> Array:
    """Gradient-weighted class activation mapping. Selvaraju et al. 2017, eq. 1 and 2.

        R_ij = (sum_k a_k A_ijk)+        a_k = mean over ij of  g_ijk = dy_target / dA_ijk

    On a head of GlobalAvgPool and Dense it is CAM / (h w), apart from the rectification.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    layer : number l of the feature maps A[l]; None for the last that have more than one pixel.
    resize : whether the map is stretched to the height and width of x and repeated over its channels.
    rectify : whether the negative part of the map is set to 0.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The maps, like x (N, H, W, C); with resize=False as they are, (N, h, w).

    Raises
    ------
    ValueError : inputs that are no images, a network without feature maps, a `layer` that is none, a wrong target or
        start.
    """
    net = at_logits(net, start)
    l = head(net, x, layer)

    def of_batch(x, target, start):
        A, g = with_gradient(net, x, l, target, start)
        R = mix(A, g.mean(axis=(1, 2)))
        return positive(R) if rectify else R
    return shown(map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers), x, resize)


def grad_cam_plus_plus(net: Network, x: Array, target: Target = None, *, layer: int | None = None, resize: bool = True,
                       start: Array | None = None, batch_size: int | None = None, workers: int = 1) -> Array:
    """Grad-CAM++. Chattopadhay et al. 2018.

        R_ij = (sum_k a_k A_ijk)+        a_k = sum over ij of  alpha_ijk g_ijk+
        alpha = g^2 / (2 g^2 + S_k g^3),    S_k = sum over ab of A_abk;    0 where g = 0

    g is the gradient of the output itself. The paper takes that of exp(output), which only scales the map.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    layer : number l of the feature maps A[l]; None for the last that have more than one pixel.
    resize : whether the map is stretched to the height and width of x and repeated over its channels.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The maps, like x (N, H, W, C); with resize=False as they are, (N, h, w).

    Raises
    ------
    ValueError : inputs that are no images, a network without feature maps, a `layer` that is none, a wrong target or
        start.
    """
    net = at_logits(net, start)
    l = head(net, x, layer)

    def of_batch(x, target, start):
        A, g = with_gradient(net, x, l, target, start)
        S = A.sum(axis=(1, 2), keepdims=True)                               # (N, 1, 1, K)
        below = 2 + S * g                                                   # both sides over g^2: no underflow
        usable = (g != 0) & (below != 0)
        alpha = usable / array_module(g).where(usable, below, 1)
        return positive(mix(A, (alpha * positive(g)).sum(axis=(1, 2))))
    return shown(map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers), x, resize)


def guided_grad_cam(net: Network, x: Array, target: Target = None, *, layer: int | None = None,
                    start: Array | None = None, batch_size: int | None = None, workers: int = 1) -> Array:
    """Guided backpropagation times Grad-CAM stretched to the image. Selvaraju et al. 2017, section 3.2.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    layer : number l of the feature maps A[l]; None for the last that have more than one pixel.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : images at a time; None for as many as suit the machine.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, an array of x's shape, in x's dtype where that is floating point.

    Raises
    ------
    ValueError : inputs that are no images, a network without feature maps, a `layer` that is none, a wrong target or
        start.
    """
    net = at_logits(net, start)
    where = grad_cam(net, x, target, layer=layer, start=start, batch_size=batch_size, workers=workers)

    def of_batch(x, target, start):
        return passes.guided_backprop(net, x, target, start, only_input=True)[0]
    return where * map_batches(of_batch, x, target, start, batch_size=batch_size, workers=workers)


def score_cam(net: Network, x: Array, target: Target = None, *, layer: int | None = None, resize: bool = True,
              rectify: bool = True, reference: Array | None = None, start: Array | None = None,
              batch_size: int | None = None, workers: int = 1) -> Array:
    """Score-CAM: no gradient; by how much the output grows when a feature map uncovers its image. Wang et al. 2020.

        R_ij = (sum_k a_k A_ijk)+        a = softmax over k of  f(r + (x - r) s(A_k)) - f(r)

    f is the output of the target, or the sum of all outputs times `start`. s stretches a map to the image and to [0,
    1]. Each of the K feature maps costs a forward pass, so images are explained one at a time, in batches of masked
    copies. A softmax over hundreds of small differences is nearly uniform, so the map may be little more than the mean
    of all feature maps, whatever the class: compare it with the map of another class, and with that of
    `metrics.randomized(net)`.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    layer : number l of the feature maps A[l]; None for the last that have more than one pixel.
    resize : whether the map is stretched to the height and width of x and repeated over its channels.
    rectify : whether the negative part of the map is set to 0.
    reference : r, an image that broadcasts to (1, H, W, C); None for zeros, as in the paper.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : masked copies at a time; None for as many as suit the machine.
    workers : images at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The maps, like x (N, H, W, C); with resize=False as they are, (N, h, w).

    Raises
    ------
    ValueError : inputs that are no images, a network without feature maps, a `layer` that is none, a wrong target or
        start.
    """
    net = at_logits(net, start)
    l, r = head(net, x, layer), x[:1] * 0 if reference is None else reference

    def of_image(x, target, start):
        A = net.trace(x)
        maps, of = as_images(net, A, l, A[l]), explained(A[-1], target, start)      # maps (1, h, w, K)
        masks = bilinear(maps[0].transpose(2, 0, 1), x.shape[1:3])[..., None]       # (K, H, W, 1)
        low, high = masks.min(axis=(1, 2, 3), keepdims=True), masks.max(axis=(1, 2, 3), keepdims=True)
        flat = high == low                                  # a map without a shape masks nothing, and says nothing
        masks = (masks - low) / (high - low + flat)
        gain = of(net.predict(r + (x - r) * masks, batch_size)) - of(net.forward(r))
        weights = softmax(gain[None])[0] * ~flat[:, 0, 0, 0]
        R = mix(maps, (weights / (weights.sum() + flat.all()))[None])
        return positive(R) if rectify else R
    return shown(map_batches(of_image, x, target, start, batch_size=1, workers=workers), x, resize)


def ablation_cam(net: Network, x: Array, target: Target = None, *, layer: int | None = None, resize: bool = True,
                 rectify: bool = True, start: Array | None = None, batch_size: int | None = None,
                 workers: int = 1) -> Array:
    """Ablation-CAM: no gradient; by which share the output falls without each feature map. Desai & Ramaswamy 2020.

        R_ij = (sum_k a_k A_ijk)+        a_k = (y - y without A_k) / |y|

    y is the output of the target, or the sum of all outputs times `start`. "Without A_k" is computed with zeros in
    place of that map, from there on. The paper divides by y, which it takes to be positive. Each of the K maps costs a
    pass through the upper layers, so images are explained one at a time.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C).
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    layer : number l of the feature maps A[l]; None for the last that have more than one pixel.
    resize : whether the map is stretched to the height and width of x and repeated over its channels.
    rectify : whether the negative part of the map is set to 0.
    start : an array of the output's shape from which the pass starts in place of the target, see `contrast`.
    batch_size : copies of A[l] at a time; None for as many as suit the machine.
    workers : images at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The maps, like x (N, H, W, C); with resize=False as they are, (N, h, w).

    Raises
    ------
    ValueError : inputs that are no images, a network without feature maps, a `layer` that is none, a wrong target or
        start.
    """
    net = at_logits(net, start)
    l = head(net, x, layer)
    upper = net.part(l, len(net.layers))

    def of_image(x, target, start):
        A = net.trace(x)
        maps, K, of = as_images(net, A, l, A[l]), A[l].shape[-1], explained(A[-1], target, start)
        present = 1 - like(x, np.eye(K, dtype=A[l].dtype)).reshape(K, *[1] * (A[l].ndim - 2), K)
        y = of(A[-1])
        weights = (y - of(upper.predict(A[l] * present, batch_size))) / (abs(y) + (y == 0))
        R = mix(maps, weights[None])
        return positive(R) if rectify else R
    return shown(map_batches(of_image, x, target, start, batch_size=1, workers=workers), x, resize)


def explained(y: Array, target: Target, start: Array | None) -> Callable:
    """The function of outputs (N, ...) that is explained of an image with outputs y (1, ...): one number each, (N,)"""
    dy = passes.one_hot(y, target) if start is None else passes.check_start(y, start)
    return lambda outputs: (outputs * dy).sum(axis=tuple(range(1, y.ndim)))


def head(net: Network, x: Array, layer: int | None = None) -> int:
    """The index l of the feature maps A[l] to look at.

    Parameters
    ----------
    net : the Network.
    x : images (N, H, W, C), of which the first is looked at.
    layer : the index that is asked for; None for the last feature maps with more than one pixel.

    Returns
    -------
    The index.

    Raises
    ------
    ValueError : inputs that are no images, a network without feature maps, a `layer` that is none.
    """
    shapes = [a.shape for a in net.trace(x[:1])]
    images, tokens = images_of(net, shapes), grids_of(net, shapes)
    extended = [l for l in images if shapes[l][1] * shapes[l][2] > 1]
    if x.ndim != 4:
        raise ValueError(f"got inputs of shape {x.shape}, expected images (images, height, width, channels), "
                         "on which a map can be drawn")
    if layer is None and max(extended, default=0) == 0:
        raise ValueError("the network has no feature maps: none of its layers hands an image of more than one pixel "
                         "(images, height, width, channels) to the next; use a method that needs none, such as "
                         "gradient_times_input or lrp")
    if layer is not None and layer not in images and layer not in tokens:
        raise ValueError(f"got layer={layer!r}, expected the number l of an activation A[l] that is an image: one of "
                         f"{images}" + f", or a grid of tokens: one of {list(tokens)}" * bool(tokens)
                         + "; net.describe(x=x) lists the layers and what leaves them")
    if layer is not None:
        return layer
    through = [l for l in tokens if l > max(extended) and min(min(sources) for sources in net.inputs[l:]) >= l]
    dA = passes.gradient(net, x[:1]) if through else []
    # behind the last block that is read at the class token only, the patches have no gradient any more
    used = [l for l in through if abs(dA[l][:, -tokens[l][0] * tokens[l][1]:]).max() > 0]
    return max(used, default=max(extended))


def images_of(net: Network, shapes: list[tuple[int, ...]]) -> list[int]:
    """The numbers of the activations that are images."""
    heads = of_attention(net)
    return [i for i, shape in enumerate(shapes[:-1]) if len(shape) == 4 and not heads[i]]


def grids_of(net: Network, shapes: list[tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """The activations that are tokens on a grid: A[i] (N, T, K) with one for each pixel of the last image below.

    Up to two more tokens may stand in front: the class token, and that of a distillation. Only where there is
    attention.

    Parameters
    ----------
    net : the Network.
    shapes : of all its activations, with the axis of images.

    Returns
    -------
    {i: (h, w)}, the size of the grid for each such activation.
    """
    heads, images, found = of_attention(net), images_of(net, shapes), {}
    for i, shape in enumerate(shapes[:-1]):
        sizes = [shapes[j][1:3] for j in images if j < i and shapes[j][1] * shapes[j][2] > 1]
        tokens = any(heads) and len(shape) == 3 and not heads[i] and len(sizes) > 0
        if tokens and 0 <= shape[1] - sizes[-1][0] * sizes[-1][1] <= 2:
            found[i] = sizes[-1]
    return found


def as_images(net: Network, A: list[Array], l: int, values: Array) -> Array:
    """What lies beside A[l], (N, h, w, K) or (N, T, K), as images (N, h, w, K)."""
    if values.ndim == 4:
        return values
    h, w = grids_of(net, [a.shape for a in A])[l]
    return values[:, -h * w:].reshape(len(values), h, w, -1)


def averages_all(layer: Layer) -> bool:
    """Whether a layer is the average over the whole image."""
    return isinstance(layer, GlobalAvgPool) or isinstance(layer, AdaptiveAvgPool2d) and layer.size == (1, 1)


def of_attention(net: Network) -> list[bool]:
    """For each A[i], whether it is only moved or scaled between it and a product of matrices: heads, and no images."""
    made, read = [False], [False] * (len(net.layers) + 1)
    for layer, sources in zip(net.layers, net.inputs):
        made.append(isinstance(layer, MatMul) or made[sources[0]] and not isinstance(layer, (Affine, Join)))
    for l in reversed(range(len(net.layers))):
        if isinstance(net.layers[l], MatMul) or read[l + 1] and not isinstance(net.layers[l], (Affine, Join)):
            for i in net.inputs[l]:
                read[i] = True
    return [one or other for one, other in zip(made, read)]


def with_gradient(net: Network, x: Array, l: int, target: Target, start: Array | None) -> tuple[Array, Array]:
    """The feature maps A[l] and dy / dA[l], both (N, h, w, K): backpropagation that ends there."""
    A = net.trace(x)
    dA = [0] * len(net.layers) + [passes.one_hot(A[-1], target) if start is None else passes.check_start(A[-1], start)]
    for k in reversed(range(l, len(net.layers))):           # no layer below reads A[l]
        x_k = net.entering(A, k)
        net.add_to_inputs(dA, k, net.layers[k].gradient(x_k, A[k + 1], dA[k + 1]))
    return as_images(net, A, l, A[l]), as_images(net, A, l, dA[l])


def mix(A: Array, weights: Array) -> Array:
    """sum_k weights_k A_ijk, for each image. A (N, h, w, K), weights (N, K) -> (N, h, w)"""
    return (A @ weights[:, None, :, None])[..., 0]


def shown(maps: Array, x: Array, resize: bool) -> Array:
    """Maps (N, h, w) as an array like x (N, H, W, C), or as they are if `resize` is False."""
    if not resize:
        return maps
    return array_module(x).repeat(bilinear(maps, x.shape[1:3])[..., None], x.shape[3], axis=3)


def bilinear(maps: Array, size: tuple[int, ...]) -> Array:
    """Maps resized bilinearly, corner pixels staying corner pixels.

    Each row of the result is a mixture of two rows of the map, and so each column: two matrix products.

    Parameters
    ----------
    maps : (N, h, w).
    size : (H, W).

    Returns
    -------
    The maps, (N, H, W).
    """
    rows, columns = (like(maps, mixture(n, m).astype(maps.dtype)) for n, m in zip(maps.shape[1:], size))
    return rows @ maps @ columns.T                                          # (H, h) @ (N, h, w) @ (w, W)


def mixture(n: int, m: int) -> Array:
    """The weights (m, n) with which n numbers in a row are mixed to m, the first and last staying where they are."""
    place = np.linspace(0, n - 1, m)[:, None]               # where each new number lies among the old ones
    return np.maximum(0, 1 - abs(place - np.arange(n)))     # a tent of width 1 to either side
