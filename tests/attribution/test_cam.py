"""Class activation maps: the papers' sums as scalar loops, and what must hold between the methods."""
import numpy as np
import pytest
from tests.helpers import close
from tests import small_networks
from tests import strategies
from hypothesis import assume, given
from hypothesis import strategies as st

from minixnn import Network, attribution, datasets, models, passes
from minixnn.attribution.cam import bilinear, head
from minixnn.layers import (Attention, ClassToken, Conv2d, Dense, Flatten, GlobalAvgPool, LayerNorm, MaxPool2d, ReLU,
                            Residual, TakeToken, Tokens)

MAPS = [attribution.grad_cam, attribution.grad_cam_plus_plus]
gap_networks = small_networks.conv_networks(gap=True)


def pieces(net, x, target):
    """The activations that enter the head, and the gradient there: (N, h, w, K) twice."""
    A, G = net.trace(x), passes.gradient(net, x, target)
    l = max(l for l, a in enumerate(A) if a.ndim == 4 and a.shape[1] * a.shape[2] > 1)
    return A[l], G[l]


@given(gap_networks, st.integers(1, 3))
def test_the_mean_of_cam_over_the_image_is_the_output_less_its_bias(drawn, images):
    net, rng, shape = drawn
    x, target = rng.normal(size=(images, *shape)), rng.integers(3, size=images)
    R = attribution.cam(net, x, target, resize=False)
    close(R.mean(axis=(1, 2)), net.forward(x)[np.arange(images), target] - net.layers[-1].b[target])


@given(gap_networks)
def test_cam_is_the_papers_sum(drawn):
    net, rng, shape = drawn
    x = rng.normal(size=(2, *shape))
    A, W = net.trace(x)[-4], net.layers[-1].W               # what enters the pool
    N, h, w, K = A.shape
    expected = np.zeros((N, h, w))
    for n, i, j in np.ndindex(N, h, w):
        expected[n, i, j] = sum(W[k, 1] * A[n, i, j, k] for k in range(K))
    close(attribution.cam(net, x, 1, resize=False), expected)


@given(gap_networks, st.integers(1, 3))
def test_behind_global_average_pooling_grad_cam_is_cam_over_the_pixels(drawn, images):
    net, rng, shape = drawn
    x, target = rng.normal(size=(images, *shape)), rng.integers(3, size=images)
    R = attribution.cam(net, x, target, resize=False)
    pixels = R.shape[1] * R.shape[2]
    assume(pixels > 1)                                      # else Grad-CAM looks at the maps below
    close(attribution.grad_cam(net, x, target, resize=False, rectify=False), R / pixels)
    close(attribution.grad_cam(net, x, target, resize=False), np.maximum(R, 0) / pixels)
    close(attribution.grad_cam(net, x, target), bilinear(np.maximum(R, 0) / pixels, shape[:2])[..., None]
          * np.ones(shape[2]))


@given(small_networks.conv_networks(), st.booleans())
def test_grad_cam_is_the_papers_sum(drawn, rectify):
    net, rng, shape = drawn
    x = rng.normal(size=(2, *shape))
    A, g = pieces(net, x, 2)
    N, h, w, K = A.shape
    expected = np.zeros((N, h, w))
    for n in range(N):
        for k in range(K):
            a = sum(g[n, i, j, k] for i in range(h) for j in range(w)) / (h * w)
            for i in range(h):
                for j in range(w):
                    expected[n, i, j] += a * A[n, i, j, k]
    if rectify:
        expected = np.maximum(expected, 0)
    close(attribution.grad_cam(net, x, 2, resize=False, rectify=rectify), expected)


@given(small_networks.conv_networks())
def test_grad_cam_plus_plus_is_the_papers_sum(drawn):
    net, rng, shape = drawn
    x = rng.normal(size=(2, *shape))
    A, g = pieces(net, x, 0)
    N, h, w, K = A.shape
    expected = np.zeros((N, h, w))
    for n in range(N):
        for k in range(K):
            S, weight = sum(A[n, a, b, k] for a in range(h) for b in range(w)), 0
            for i in range(h):
                for j in range(w):
                    if g[n, i, j, k] != 0:
                        alpha = g[n, i, j, k] ** 2 / (2 * g[n, i, j, k] ** 2 + S * g[n, i, j, k] ** 3)
                        weight += alpha * max(g[n, i, j, k], 0)
            for i in range(h):
                for j in range(w):
                    expected[n, i, j] += weight * A[n, i, j, k]
    close(attribution.grad_cam_plus_plus(net, x, 0, resize=False), np.maximum(expected, 0))


@pytest.mark.filterwarnings("error")
def test_grad_cam_plus_plus_survives_underflow_and_denominators_of_zero():
    x = np.array([1., 3, 0, 2], "float32").reshape(1, 2, 2, 1)
    tiny = Network([ReLU(), GlobalAvgPool(), Dense(np.array([[4e-30]], "float32"))])    # g = 1e-30, g^2 = 0 in float32
    R = attribution.grad_cam_plus_plus(tiny, x, 0, layer=1, resize=False)
    np.testing.assert_allclose(R[0], 4 * .5e-30 * x[0, :, :, 0], rtol=1e-6)             # alpha = 1 / 2
    signed = Network([Conv2d(np.ones((1, 1, 1, 1), "float32")), GlobalAvgPool(), Dense(np.ones((1, 1), "float32"))])
    x = np.array([-9., 1, 0, 0], "float32").reshape(1, 2, 2, 1)
    R = attribution.grad_cam_plus_plus(signed, x, 0, layer=0, resize=False)             # 2 + S g = 2 - 8 / 4 = 0
    assert (R == 0).all()


def test_a_map_for_a_chosen_layer():
    net = small_network()
    x = np.random.default_rng(1).random((2, 9, 9, 1))
    A, G = net.trace(x), passes.gradient(net, x, 1)
    for l in (0, 1, 2, 3, 5):
        expected = np.maximum((A[l] * G[l].mean(axis=(1, 2), keepdims=True)).sum(axis=3), 0)
        close(attribution.grad_cam(net, x, 1, layer=l, resize=False), expected)
    assert attribution.grad_cam(net, x, layer=3, resize=False).shape == (2, 5, 5)
    for f in MAPS:
        close(f(net, x, 2), f(net, x, 2, layer=5))          # what the head sees, unless told otherwise
        assert abs(f(net, x, 2) - f(net, x, 2, layer=3)).max() > 1e-3


def small_network():
    """Maps of 9 x 9, then of 5 x 5; layer 5 is the head's Flatten."""
    rng = np.random.default_rng(0)
    return Network([small_networks.conv_layer(rng, 1, 4), ReLU(), MaxPool2d(2, padding="same"),
                    small_networks.conv_layer(rng, 4, 6), ReLU(), Flatten(),
                    small_networks.dense_layer(rng, 150, 8), ReLU(), small_networks.dense_layer(rng, 8, 3)])


def test_guided_grad_cam_is_the_product():
    net, x = small_network(), np.random.default_rng(1).normal(size=(3, 9, 9, 1))
    target = np.array([0, 2, 1])
    product = attribution.grad_cam(net, x, target) * passes.guided_backprop(net, x, target)[0]
    close(attribution.guided_grad_cam(net, x, target), product)
    assert abs(product).max() > 0


def test_maps_take_a_contrast_as_start():
    rng = np.random.default_rng(0)
    net = Network([small_networks.conv_layer(rng, 1, 4), ReLU(), GlobalAvgPool(),
                   small_networks.dense_layer(rng, 4, 3)])
    x = rng.normal(size=(2, 6, 6, 1))
    start = attribution.contrast(net, x, 1, 0, relevance=False)
    difference = attribution.cam(net, x, 1) - attribution.cam(net, x, 0)
    close(attribution.cam(net, x, start=start), difference)
    close(attribution.grad_cam(net, x, start=start, rectify=False), difference / 36)


@given(strategies.seeds, *[st.integers(1, 7)] * 4)
def test_bilinear_is_the_definition_and_keeps_corners_and_planes(seed, h, w, H, W):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(2, h, w))
    R = bilinear(maps, (H, W))
    assert R.shape == (2, H, W)
    for i in range(H):
        for j in range(W):
            y = i * (h - 1) / (H - 1) if H > 1 else 0
            x = j * (w - 1) / (W - 1) if W > 1 else 0
            top, left = min(int(y), max(h - 2, 0)), min(int(x), max(w - 2, 0))
            below, right = min(top + 1, h - 1), min(left + 1, w - 1)
            v, u = y - top, x - left
            close(R[:, i, j], (1 - v) * ((1 - u) * maps[:, top, left] + u * maps[:, top, right])
                  + v * ((1 - u) * maps[:, below, left] + u * maps[:, below, right]))
    if H > 1 and W > 1:
        close(R[:, [0, 0, -1, -1], [0, -1, 0, -1]], maps[:, [0, 0, -1, -1], [0, -1, 0, -1]])
    close(bilinear(maps, (h, w)), maps)


@pytest.mark.parametrize("C", [1, 3])
def test_a_map_is_like_the_image_or_as_coarse_as_it_was(C):
    rng = np.random.default_rng(0)
    net = Network([small_networks.conv_layer(rng, C, 4, stride=2), ReLU(), GlobalAvgPool(),
                   small_networks.dense_layer(rng, 4, 3)]).astype("float32")
    x = rng.random((5, 8, 6, C)).astype("float32")
    for f in [attribution.cam, *MAPS]:
        R = f(net, x, batch_size=2)
        assert R.shape == x.shape and R.dtype == "float32"
        assert (R == R[..., :1]).all()
        assert f(net, x, resize=False).shape == (5, 4, 3)


def test_cam_refuses_another_head_in_a_sentence():
    rng, x = np.random.default_rng(0), np.zeros((1, 9, 9, 1))
    with pytest.raises(ValueError, match="cam needs a network that ends in GlobalAvgPool and one Dense.*grad_cam"):
        attribution.cam(small_network(), x)
    net = Network([small_networks.conv_layer(rng, 1, 4), ReLU(), GlobalAvgPool(),
                   small_networks.dense_layer(rng, 4, 3)])
    with pytest.raises(ValueError, match="above layer 1"):
        attribution.cam(net, x, layer=1)
    two = Network([*net.layers, ReLU(), small_networks.dense_layer(rng, 3, 3)])
    with pytest.raises(ValueError, match="one Dense layer"):
        attribution.cam(two, x)


@pytest.mark.parametrize("f", [attribution.cam, attribution.guided_grad_cam, *MAPS])
def test_a_network_without_feature_maps_is_refused_in_a_sentence(f):
    dense = Network([Flatten(), Dense(np.ones((4, 2)))])
    with pytest.raises(ValueError, match="the network has no feature maps"):
        f(dense, np.ones((1, 2, 2, 1)))
    with pytest.raises(ValueError, match=r"inputs of shape \(1, 4\), expected images"):
        f(Network([Dense(np.ones((4, 2)))]), np.ones((1, 4)))


@pytest.mark.parametrize("layer", [6, 8, 9, -1, "conv"])
def test_a_layer_that_no_images_enter_is_refused_in_a_sentence(layer):
    with pytest.raises(ValueError, match=r"an activation A\[l\] that is an image: one of \[0, 1, 2, 3, 4, 5\]"):
        attribution.grad_cam(small_network(), np.zeros((1, 9, 9, 1)), layer=layer)


# --- transformers -----------------------------------------------------------------------------------------------------

def vision_transformer(rng, read):
    """Images (N, 12, 8, 1) as 3 x 2 patches of 4 x 4 pixels, two blocks of attention; read: by the mean or a token."""
    front = [ClassToken(rng.normal(size=6))] if read == "class token" else []
    blocks = [Residual([LayerNorm(np.ones(6), np.zeros(6)), Attention.random(6, 2, rng)]) for _ in range(2)]
    last = [TakeToken(0)] if read == "class token" else [GlobalAvgPool()]
    return Network([Conv2d(rng.normal(size=(4, 4, 1, 6)), stride=4, padding=0), Tokens(), *front, *blocks,
                    LayerNorm(np.ones(6), np.zeros(6)), *last, Dense(rng.normal(size=(6, 3)), rng.normal(size=3))]
                   ).astype("f8")


@pytest.mark.parametrize("read", ["mean", "class token"])
def test_grad_cam_of_a_transformer_is_that_of_its_last_grid_of_tokens(read):
    rng = np.random.default_rng(5)
    net, x = vision_transformer(rng, read), rng.random((2, 12, 8, 1))
    l = head(net, x)
    A, g = net.trace(x), passes.gradient(net, x, 1)
    assert A[l].shape == (2, 6 + (read == "class token"), 6) and abs(g[l][:, -6:]).max() > 0
    if read == "class token":                   # in front of the second block, behind which the patches are not read
        assert "Add" in repr(net.layers[l - 1]) and abs(g[l + 1][:, 1:]).max() > 0
        later = [i for i in range(l + 1, len(net.layers)) if "Add" in repr(net.layers[i - 1])]
        assert later and all(abs(g[i][:, 1:]).max() == 0 for i in later)
    for n in range(2):
        for row in range(3):
            for column in range(2):
                t = (read == "class token") + 2 * row + column
                k = g[l][n, -6:].mean(axis=0)
                expected = float(A[l][n, t] @ k)
                R = attribution.grad_cam(net, x, 1, rectify=False, resize=False)
                assert R.shape == (2, 3, 2) and abs(R[n, row, column] - expected) < 1e-11
    assert attribution.grad_cam(net, x, 1).shape == attribution.guided_grad_cam(net, x, 1).shape == x.shape
    assert attribution.grad_cam_plus_plus(net, x, 1, layer=l, resize=False).shape == (2, 3, 2)


def test_cam_of_a_transformer_read_by_the_mean_has_the_output_as_its_mean():
    net = models.load("vit")
    x = datasets.mnist("test")[0][:2]
    R = attribution.cam(net, x, 7, resize=False)
    assert R.shape == (2, 4, 4)
    assert np.allclose(R.mean(axis=(1, 2)), net.forward(x)[:, 7] - net.layers[-1].b[7], atol=1e-4)


def test_a_layer_that_is_no_grid_of_tokens_is_refused():
    net = vision_transformer(np.random.default_rng(5), "mean")
    with pytest.raises(ValueError, match="or a grid of tokens: one of"):
        attribution.grad_cam(net, np.zeros((1, 12, 8, 1)), 0, layer=len(net.layers) - 1)


# --- without a gradient -----------------------------------------------------------------------------------------------

def test_score_cam_is_the_papers_sum():
    net, x = small_network(), np.random.default_rng(3).random((2, 9, 9, 1))
    A, l = net.trace(x), head(net, x)
    R = attribution.score_cam(net, x, 1, rectify=False, resize=False)
    for n in range(2):
        gains = []
        for k in range(A[l].shape[-1]):
            mask = bilinear(A[l][n:n + 1, ..., k], (9, 9))[0, ..., None]
            span = mask.max() - mask.min()
            mask = (mask - mask.min()) / span if span else mask * 0
            gains.append(net.forward((x[n] * mask)[None])[0, 1] - net.forward(x[:1] * 0)[0, 1] if span else -np.inf)
        a = np.exp(np.array(gains) - max(gains))
        close(R[n], A[l][n] @ (a / a.sum()))
    shown = attribution.score_cam(net, x)
    assert shown.shape == x.shape and (shown >= 0).all()


def test_ablation_cam_is_the_papers_sum():
    net, x = small_network(), np.random.default_rng(3).random((2, 9, 9, 1))
    A, l = net.trace(x), head(net, x)
    R = attribution.ablation_cam(net, x, 1, rectify=False, resize=False)
    for n in range(2):
        a = []
        for k in range(A[l].shape[-1]):
            without = A[l][n:n + 1].copy()
            without[..., k] = 0
            for layer in net.layers[l:]:
                without = layer.forward(without)
            a.append((A[-1][n, 1] - without[0, 1]) / abs(A[-1][n, 1]))
        close(R[n], A[l][n] @ np.array(a))
    assert attribution.ablation_cam(net, x, [0, 1]).shape == x.shape


def test_ablation_cam_of_a_linear_head_is_cam_in_other_words():
    net, x = models.load("cluttered_gap"), datasets.cluttered_mnist(2, 0)[0]
    y, l = net.forward(x)[:, 3], head(net, x)
    W, A = net.layers[-1].W[:, 3], net.trace(x)
    expected = [(A[l][n] * (A[l][n].mean(axis=(0, 1)) * W / abs(y[n]))).sum(axis=-1) for n in range(2)]
    assert np.allclose(attribution.ablation_cam(net, x, 3, rectify=False, resize=False), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", [attribution.score_cam, attribution.ablation_cam])
def test_without_a_gradient_a_start_says_what_is_explained(method):
    """A start of 1 at one output is that output as the target; 1 and -1 are the difference of two."""
    net, x = small_network(), np.random.default_rng(3).random((3, 9, 9, 1))
    y = net.forward(x)
    one = np.zeros_like(y)
    one[:, 1] = 1
    options = {"rectify": False, "resize": False}
    np.testing.assert_array_equal(method(net, x, start=one, **options), method(net, x, 1, **options))
    W, b = net.layers[-1].W, net.layers[-1].b
    difference = net.replaced(len(net.layers) - 1, type(net.layers[-1])(W[:, 1:2] - W[:, :1], b[1:2] - b[:1]))
    rather = attribution.contrast(net, x, 1, 0, relevance=False)
    close(method(net, x, start=rather, **options), method(difference, x, 0, **options))
    close(method(net, x, 1, workers=2, batch_size=2), method(net, x, 1))


def test_ablation_cam_of_a_negative_output_keeps_its_sign():
    """What takes the output up has a positive weight, whatever the output is."""
    net, x = small_network(), np.random.default_rng(3).random((1, 9, 9, 1))
    last, of = net.layers[-1], {}
    for bias in (-100.0, 100.0):
        moved = net.replaced(len(net.layers) - 1, type(last)(last.W, last.b * 0 + bias))
        of[bias] = attribution.ablation_cam(moved, x, 1, rectify=False, resize=False)
    assert np.corrcoef(of[-100.0].ravel(), of[100.0].ravel())[0, 1] > 0.999
