"""Heatmaps: one function a method, and `METHODS`, the dictionary of them all.

    R = attribution.lrp(net, images, target=labels, rules=composites.epsilon_plus)        # like images
    for name, method in METHODS.items():
        R = method(net, images, labels)

Every function is f(net, x, target=None, *, batch_size=None, ...) -> array of x's shape and dtype. target: None (the
largest output of each image), an int, or one int an image. start: what a pass starts from in place of the
target, an array of the output's shape. Images are explained `batch_size` at a time, by default as many as suit the
machine (`batching.at_a_time`). Whoever wants to see the layers on the way calls `minixnn.passes` instead.
"""
from functools import partial

from minixnn import passes
from minixnn.backend import array_module
from minixnn.batching import copies, in_batches, in_turns, side_by_side
from minixnn.cam import cam, grad_cam, grad_cam_plus_plus, guided_grad_cam
from minixnn.gradients import (decided, deconvnet, gradient, gradient_times_input, guided_backprop,
                               integrated_gradients, saliency, sensitivity, smoothgrad)
from minixnn.layers.windows import pair
from minixnn.rules import composites
from minixnn.rules import lrp as _lrp

__all__ = ["METHODS", "cam", "channel", "contrast", "deconvnet", "deep_taylor", "deeplift", "deeplift_reveal_cancel",
           "grad_cam", "grad_cam_plus_plus", "gradient", "gradient_times_input", "guided_backprop", "guided_grad_cam",
           "integrated_gradients", "lrp", "occlusion", "saliency", "sensitivity", "similarity", "smoothgrad",
           "unit"]


def lrp(net, x, target=None, rules=_lrp.epsilon, *, start=None, batch_size=None):
    """Layer-wise relevance propagation with one rule, a list of rules, or a composite: see `passes.lrp`."""
    rules = composites.rules_for(net, rules)

    def of_some(x, target, start):
        return passes.lrp(net, x, target, rules, start)[0]
    return in_batches(of_some, x, batch_size, target, start, using=[net, rules])


def deep_taylor(net, x, target=None, low=0, high=1, *, start=None, batch_size=None):
    """Deep Taylor decomposition for pixels between `low` and `high`; with both None for any pixels.

    See `passes.deep_taylor`. The bounds are numbers, or arrays that broadcast to the images.
    """
    def of_some(x, target, start, low, high):
        return passes.deep_taylor(net, x, target, low, high, start)[0]
    low, high = (bound.reshape((1,) * (x.ndim - bound.ndim) + bound.shape) if getattr(bound, "ndim", 0) else bound
                 for bound in (low, high))                  # an array gets the images' axes, to be cut with them
    return in_batches(of_some, x, batch_size, target, start, low, high, using=net)


def deeplift(net, x, target=None, x_ref=None, *, start=None, batch_size=None):
    """DeepLIFT with the rescale rule: see `passes.deeplift`. Sums to y(x) - y(x_ref).

    x_ref: the reference, of x's shape or of one image's (1, ...); None is zero; a list of references, each an
    image or as before, gives the average of the heatmaps. Where pixels have no natural "nothing", several
    typical images say more than any one.
    """
    return _over_references(passes.deeplift, net, x, target, x_ref, start, batch_size)


def deeplift_reveal_cancel(net, x, target=None, x_ref=None, *, start=None, batch_size=None):
    """DeepLIFT with the RevealCancel rule: see `passes.deeplift_reveal_cancel`. References as for `deeplift`."""
    return _over_references(passes.deeplift_reveal_cancel, net, x, target, x_ref, start, batch_size)


def _over_references(deeplift, net, x, target, x_ref, start, batch_size):
    """The mean of the heatmaps of the pass `deeplift` over one or several references."""
    def of_some(x, target, start, x_ref):
        return deeplift(net, x, x_ref, target, start)[0]
    references = [x[:1] * 0] if x_ref is None else x_ref if isinstance(x_ref, (list, tuple)) else [x_ref]
    if not references:
        raise ValueError("got an empty list of references, expected at least one image to compare with")
    total = 0
    for x_ref in references:
        x_ref = x_ref[None] if x_ref.ndim == x.ndim - 1 else x_ref
        total = total + in_batches(of_some, x, batch_size, target, start, x_ref, using=net)
    return total / len(references)


def occlusion(net, x, target=None, size=None, stride=None, value=0, *, start=None, batch_size=None):
    """By how much the output falls when a window of the image is covered. Zeiler & Fergus 2014, section 4.2.

        R_p = mean over the windows that hold pixel p of  y(x) - y(x with the window covered)

    size: pixels of a window, a number or (height, width); None is a seventh of the image. stride: from window
    to window; None is the size. Windows at the far edges are cut off there. value: what covers, a number or an
    array that broadcasts to a window. The target is decided once, on x. Costs one forward pass a window.
    """
    if x.ndim != 4:
        raise ValueError(f"occlusion got inputs of shape {x.shape}, expected images (images, height, width, channels)")
    image = x.shape[1:3]
    size = [max(1, round(n / 7)) for n in image] if size is None else pair(size, "size")
    stride = size if stride is None else pair(stride, "stride")
    if not all(1 <= step <= long <= n for step, long, n in zip(stride, size, image)):
        raise ValueError(f"got size={size}, stride={stride} for images of {image[0]} x {image[1]} pixels, expected "
                         "1 <= stride <= size <= image, so that every pixel is covered")
    (tops, height), (lefts, width) = ((range(0, n - long + step, step), long)
                                      for n, long, step in zip(image, size, stride))
    windows = [(slice(top, top + height), slice(left, left + width)) for top in tops for left in lefts]

    def of_some(x, target, start):
        y = net.forward(x)
        dy = passes.one_hot(y, decided(net, x, target)) if start is None else passes.check_start(y, start)
        total, count = 0 * x, 0 * x[:1, :, :, :1]

        def falls(some):
            k = some.stop - some.start
            covered = copies(x, k, len(x)).reshape(k, *x.shape)
            for n, (rows, columns) in enumerate(windows[some]):
                covered[n, :, rows, columns] = value
            fall = (y - net.forward(covered.reshape(-1, *x.shape[1:])).reshape(k, *y.shape)) * dy
            return fall.reshape(k, len(x), -1).sum(axis=2)[..., None, None, None]       # (k, N, 1, 1, 1)

        turns = in_turns(len(windows), x, batch_size)
        for fall, some in zip(side_by_side(falls, turns, x=x, batch_size=batch_size, using=net), turns):
            for n, (rows, columns) in enumerate(windows[some]):
                total[:, rows, columns] += fall[n]
                count[:, rows, columns] += 1
        return total / count
    return in_batches(of_some, x, batch_size, target, start, using=net)


def contrast(net, x, target=None, other=None, *, relevance=True, batch_size=None):
    """The start "output of `target` minus output of `other`": what speaks for one class *rather than* the other.

    Shape of the output (N, classes). other: an int or one int an image; None is the largest output besides the
    target. With `relevance`, as LRP and deep Taylor start: the two outputs, the other's sign turned. Without,
    as gradients and DeepLIFT start: the derivatives 1 and -1.
    """
    y = net.predict(x, batch_size)
    one = passes.one_hot(y, target)
    if other is None:
        other = array_module(y).where(one == 1, y.min() - 1, y).argmax(axis=1)
    start = one - passes.one_hot(y, other)
    return y * start if relevance else start


def unit(net, x, index, *, relevance=True, batch_size=None):
    """The start at one entry of the output: `index` is a number, or (row, column, channel) where it is images.

    To explain a neuron inside a network cut the network first: unit(Network(net.layers[:l]), x, (3, 4, 7)).
    With `relevance` the entry's value is the start, as LRP wants it; without it 1, as gradients do.
    """
    y = net.predict(x, batch_size)
    index = (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
    start = y * 0
    start[index] = y[index] if relevance else 1
    return start


def channel(net, x, index, *, relevance=True, batch_size=None):
    """The start at one channel of the output, everywhere in the image. Otherwise as `unit`."""
    y = net.predict(x, batch_size)
    start = y * 0
    start[..., index] = y[..., index] if relevance else 1
    return start


def similarity(net, x, other, *, relevance=True, batch_size=None):
    """The start "what in x resembles another image": the scalar product of what the network makes of the two.

        start_k = y_k(x) m_k / |m|          m = y(other); of maps the mean over the image, wherever a thing is in it

    `other`: an image for each of x, or one (1, ...) for all. The outputs should be features >= 0, as behind a ReLU.
    Without `relevance` the derivatives m_k / |m|.
    """
    y, m = net.predict(x, batch_size), net.predict(other, batch_size)
    if m.ndim == 4:
        m = m.mean(axis=(1, 2), keepdims=True)
    length = (m ** 2).reshape(len(m), -1).sum(axis=1).reshape(-1, *[1] * (m.ndim - 1)) ** 0.5
    m = m / array_module(m).where(length == 0, 1, length)
    return y * m if relevance else y * 0 + m


# name: function (net, x, target) -> array like x. Pixels are taken to lie in [0, 1] where a method wants bounds.
METHODS = {
    "gradient": gradient,
    "sensitivity": sensitivity,
    "saliency": saliency,
    "gradient_times_input": gradient_times_input,
    "integrated_gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "occlusion": occlusion,
    "deconvnet": deconvnet,
    "guided_backprop": guided_backprop,
    "lrp_0": partial(lrp, rules=partial(_lrp.epsilon, epsilon=0)),
    "lrp_epsilon": lrp,
    "lrp_gamma": partial(lrp, rules=_lrp.gamma_signed),         # as gamma for x >= 0, and for any x
    "lrp_alpha1_beta0": partial(lrp, rules=composites.alpha1_beta0),
    "lrp_alpha2_beta1": partial(lrp, rules=composites.alpha2_beta1),
    "lrp_epsilon_plus": partial(lrp, rules=composites.epsilon_plus),
    "lrp_epsilon_plus_flat": partial(lrp, rules=composites.epsilon_plus_flat),
    "lrp_epsilon_alpha2_beta1": partial(lrp, rules=composites.epsilon_alpha2_beta1),
    "lrp_epsilon_gamma_box": partial(lrp, rules=composites.epsilon_gamma_box),
    "deep_taylor": deep_taylor,
    "deeplift": deeplift,
    "deeplift_reveal_cancel": deeplift_reveal_cancel,
    "cam": cam,
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "guided_grad_cam": guided_grad_cam,
}
