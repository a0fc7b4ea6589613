"""The convolution, as one matrix product on columns of pixels.

The definition is four lines (channel-last images, one window per output pixel):

    for n, h, w: y[n, h, w] = sum over i, j, c of  x[n, h s + i - top, w s + j - left, c] W[i, j, c]  +  b

The code computes just this. It lays the pixels of each window out as a row of a matrix ("im2col"), so that the
sums become one matrix product, which BLAS does near the speed of the machine. All windows at once would need
kh * kw times the memory of the image and leave the cache; so it is done in chunks of about a thousand windows,
copied one after the other into the same buffer. `tests/oracles.py` has the slow, obvious version.
"""
import numpy as np

from minixnn.arrays import array_module
from minixnn.blas import product
from minixnn.layers.base import Affine, expect_arrays, expect_rank
from minixnn.layers.dense import draw
from minixnn.layers.windows import check_padding, offsets, output_size, pad, pair, pixels_to_add

CHUNK_ROWS = 1024               # windows copied at a time on the host: the chunk stays in the cache
CHUNK_BYTES = 2 ** 20           # more of them where a window holds few numbers
DEVICE_BYTES = 256 * 2 ** 20    # on a GPU one large product is best; this bounds the memory it takes


class Conv2d(Affine):
    """A convolution (not flipped, as everywhere in the field).

    x (N, H, W, C), W (kh, kw, C, O), b (O,) or None, y (N, Ho, Wo, O)
    """

    def __init__(self, W, b=None, stride=1, padding="same"):
        expect_arrays(W, b)
        if W.ndim != 4:
            raise ValueError(f"Conv2d got weights of shape {W.shape}, expected 4 axes "
                             "(kernel height, kernel width, channels in, channels out)")
        if b is not None and b.shape != W.shape[3:]:
            raise ValueError(f"Conv2d got a bias of shape {b.shape}, expected one number a channel: {W.shape[3:]}")
        self.W, self.b = W, b
        self.stride, self.padding = pair(stride, "stride"), check_padding(padding)

    @classmethod
    def random(cls, size, channels_in, channels_out, rng, bias=True, stride=1, padding="same", init="he",
               dtype=np.float32):
        """A layer to train from: weights drawn by `init` from the Generator `rng`, bias zero (or none)."""
        kh, kw = pair(size, "size")
        W = draw((kh, kw, channels_in, channels_out), kh * kw * channels_in, kh * kw * channels_out, rng, init)
        return cls(W.astype(dtype), np.zeros(channels_out, dtype) if bias else None, stride, padding)

    def settings(self):
        return {"stride": self.stride, "padding": self.padding}

    def place(self, x):
        """(pads, (Ho, Wo)) for the images `x`; refuses images of another shape than the kernel is for."""
        expect_rank(self, x, 4, "(images, height, width, channels)")
        if x.shape[3] != self.W.shape[2]:
            raise ValueError(f"{self!r} got images of {x.shape[3]} channels, expected {self.W.shape[2]}; "
                             "images are channel-last: (images, height, width, channels)")
        pads = pixels_to_add(self.padding, x.shape[1:3], self.W.shape[:2], self.stride)
        return pads, output_size(self, x.shape[1:3], pads, self.W.shape[:2], self.stride)

    def forward(self, x):
        pads, size = self.place(x)
        y = correlate(pad(x, pads), self.W, self.stride, size)              # (N, Ho, Wo, O)
        if self.b is not None:
            y += self.b
        return y

    def gradient(self, x, y, dy):
        """Each output pixel hands dy W back to the pixels of its window, where all that arrives is summed."""
        (pads, _), (kh, kw, C, O) = self.place(x), self.W.shape
        if self.stride == (1, 1) and C > 4 and dy.size >= 2 * O * O:
            # Seen from an input pixel this is a convolution again: of dy, with the kernel turned by 180
            # degrees and its channels swapped. (For few pixels and many channels turning takes longer than it saves.)
            turned = self.W[::-1, ::-1].transpose(0, 1, 3, 2)               # (kh, kw, O, C)
            (top, bottom), (left, right) = pads
            dy = pad(dy, ((kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right)))
            return correlate(dy, turned, self.stride, x.shape[1:3])
        return scatter(dy, self.W, self.stride, x.shape, pads)

    def parameter_gradients(self, x, dy):
        (pads, size), O = self.place(x), self.W.shape[3]
        dW = 0
        for images, rows, columns in column_chunks(pad(x, pads), self.W.shape[:2], self.stride, size):
            dW = dW + columns.T @ dy[images, rows].reshape(-1, O)           # (kh kw C, rows) @ (rows, O)
        return {"W": dW.reshape(self.W.shape),
                "b": None if self.b is None else dy.sum(axis=(0, 1, 2))}

    def __repr__(self):
        kh, kw, C, O = self.W.shape
        stride = "" if self.stride == (1, 1) else f", stride {self.stride}"
        return f"Conv2d({kh}x{kw}, {C} -> {O}{stride}{'' if self.b is not None else ', no bias'})"


def windows_at_a_time(x, K):
    """How many windows of K numbers a chunk has, on the machine where x lives."""
    on_host = array_module(x) is np
    return max(CHUNK_ROWS if on_host else 1, (CHUNK_BYTES if on_host else DEVICE_BYTES) // (K * x.itemsize))


def column_chunks(x, kernel, stride, size):
    """Yield (images, rows, columns): the windows of some images and output rows, one window a row.

    `columns` is (windows, kh * kw * C) and lives in a buffer that the next step overwrites. `x` is padded.
    """
    xp = array_module(x)
    (kh, kw), (sh, sw), (Ho, Wo), (N, _, _, C) = kernel, stride, size, x.shape
    n, h, w, c = x.strides
    windows = xp.lib.stride_tricks.as_strided(x, (N, Ho, Wo, kh, kw, C), (n, h * sh, w * sw, h, w, c))
    K = kh * kw * C
    wanted = windows_at_a_time(x, K)
    rows = min(Ho, max(1, wanted // Wo))                    # output rows a chunk: all of them if they fit,
    images = max(1, wanted // (Ho * Wo)) if rows == Ho else 1           # and then several images
    buffer = xp.empty(min(images, N) * rows * Wo * K, dtype=x.dtype)
    for first in range(0, N, images):
        for top in range(0, Ho, rows):
            some, these = slice(first, min(first + images, N)), slice(top, min(top + rows, Ho))
            block = windows[some, these]                    # (images, rows, Wo, kh, kw, C), nothing copied yet
            copy = buffer[:block.size]
            if C > 4:                                       # runs of kw * C numbers lie together: copy by window
                copy = copy.reshape(block.shape)
                copy[...] = block
                yield some, these, copy.reshape(-1, K)
            else:                                           # they do not: copy whole image rows, one per column
                block = block.transpose(3, 4, 5, 0, 1, 2)
                copy = copy.reshape(block.shape)
                copy[...] = block
                yield some, these, copy.reshape(K, -1).T


def correlate(x, W, stride, size):
    """The bare convolution of padded images: x (N, Hp, Wp, C), W (kh, kw, C, O) -> (N, Ho, Wo, O)."""
    xp = array_module(x)
    O = W.shape[3]
    flat = W.reshape(-1, O)                                                 # (kh kw C, O)
    y = xp.empty((len(x), *size, O), dtype=xp.result_type(x, W))
    for images, rows, columns in column_chunks(x, W.shape[:2], stride, size):
        product(columns, flat, out=y[images, rows].reshape(-1, O))           # a view: these rows lie together
    return y


def scatter(dy, W, stride, shape, pads):
    """The transpose of `correlate`, one product and then one addition per pixel of the window -> `shape`."""
    xp = array_module(dy)
    (kh, kw, C, O), (N, H, Wd, _), ((top, bottom), (left, right)) = W.shape, shape, pads
    size, flat = dy.shape[1:3], W.reshape(-1, O)                            # (kh kw C, O)
    dx = xp.zeros((N, H + top + bottom, Wd + left + right, C), dtype=xp.result_type(dy, W))
    images = max(1, windows_at_a_time(dy, kh * kw * C) // (size[0] * size[1]))
    for first in range(0, N, images):
        some = slice(first, first + images)
        block, target = dy[some].reshape(-1, O), dx[some]                   # (windows, O)
        if C > 4:
            back = (block @ flat.T).reshape(-1, *size, kh * kw, C)
            for k, index in enumerate(offsets((kh, kw), stride, size)):
                target[index] += back[..., k, :]
        else:                                   # few channels: one whole image of each is added, not runs of C numbers
            back = product(flat, block.T, out=xp.empty((len(flat), len(block)), dtype=dx.dtype))
            back = back.reshape(kh * kw, C, -1, *size)
            for k, index in enumerate(offsets((kh, kw), stride, size)):
                for c in range(C):
                    target[(*index, c)] += back[k, c]
    return dx[:, top:top + H, left:left + Wd]
