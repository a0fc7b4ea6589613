"""Do public weights become the right network, and is a wrong file refused by the name of what is wrong in it?

The files here are made up: random arrays under the names and in the shapes of the real ones, for narrow variants of
the architectures. `tests/peers/test_real_networks.py` compares with torch at full size.
"""
import json
import math

import numpy as np
import pytest

from minixnn import Network, interop
from minixnn.interop import checkpoints, from_checkpoint, imagenet_input
from minixnn.interop.safetensors import read_safetensors
from minixnn.layers import (AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool2d,
                            ReLU, Residual)
from minixnn.layers.chains import every_layer

NARROW = [(3,), (4,), (4, 5), (5, 5), (6, 5)]


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setitem(checkpoints.ARCHITECTURES, "vgg0", checkpoints.vgg(NARROW, hidden=20))
    monkeypatch.setitem(checkpoints.ARCHITECTURES, "vgg0_bn", checkpoints.vgg(NARROW, norm=True, hidden=20))


def shapes(name, classes=7):
    return {key: tuple(classes if n is None else n for n in shape)
            for key, shape in checkpoints._names(checkpoints.ARCHITECTURES[name])}


def random_weights(name, seed=0, classes=7):
    """Arrays as a state dict has them, running variances above 0."""
    rng = np.random.default_rng(seed)
    weights = {key: rng.normal(size=shape, scale=0.5).astype("float32") for key, shape in shapes(name, classes).items()}
    return {key: abs(a) + 0.5 if key.endswith("running_var") else a for key, a in weights.items()}


def save_safetensors(path, arrays, types=None, metadata=True):
    """An independent writer of the format."""
    table, body = {"__metadata__": {"format": "pt"}} if metadata else {}, b""
    for name, array in arrays.items():
        data = array.tobytes()
        table[name] = {"dtype": (types or {}).get(name, "F32"), "shape": list(array.shape),
                       "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    header = json.dumps(table).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + body)
    return path


# --- the tables ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, parameters", [
    ("alexnet", 61_100_840), ("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032),
    ("vgg11", 132_863_336), ("vgg13", 133_047_848), ("vgg16", 138_357_544), ("vgg19", 143_667_240),
    ("vgg11_bn", 132_868_840), ("vgg13_bn", 133_053_736), ("vgg16_bn", 138_365_992), ("vgg19_bn", 143_678_248)])
def test_every_architecture_has_the_published_number_of_parameters(name, parameters):
    """As torchvision's documentation states them, for 1000 classes; running statistics are no parameters."""
    learnt = {key: shape for key, shape in shapes(name, 1000).items() if "running" not in key}
    assert sum(math.prod(shape) for shape in learnt.values()) == parameters


def test_every_architecture_is_counted_above():
    mark = test_every_architecture_has_the_published_number_of_parameters.pytestmark[0]
    assert {name for name, _ in mark.args[1]} == {name for name in checkpoints.ARCHITECTURES if "vgg0" not in name}


@pytest.mark.parametrize("name, some", [
    ("vgg16", {"features.0.weight": (64, 3, 3, 3), "features.28.weight": (512, 512, 3, 3), "features.28.bias": (512,),
               "classifier.0.weight": (4096, 25088), "classifier.6.bias": (1000,)}),
    ("vgg11_bn", {"features.25.weight": (512, 512, 3, 3), "features.26.running_mean": (512,)}),
    ("alexnet", {"features.0.weight": (64, 3, 11, 11), "features.10.weight": (256, 256, 3, 3),
                 "classifier.1.weight": (4096, 9216), "classifier.4.weight": (4096, 4096)}),
    ("resnet18", {"conv1.weight": (64, 3, 7, 7), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
                  "layer4.1.bn2.running_var": (512,), "fc.weight": (1000, 512)}),
    ("resnet50", {"layer1.0.downsample.0.weight": (256, 64, 1, 1), "layer3.5.conv3.weight": (1024, 256, 1, 1)})])
def test_names_and_shapes_are_those_of_the_public_files(name, some):
    assert some.items() <= shapes(name, 1000).items()


# --- reading ---------------------------------------------------------------------------------------------------------

def test_vgg_computes_what_its_arrays_say():
    w, x = random_weights("vgg0"), np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype("float32")
    net, layers, n = from_checkpoint(w, "vgg0"), [], 0
    for block in NARROW:
        for _ in block:
            layers += [Conv2d(np.einsum("ocij->ijco", w[f"features.{n}.weight"]), w[f"features.{n}.bias"]), ReLU()]
            n += 2
        layers, n = [*layers, MaxPool2d(2)], n + 1
    a = Network([*layers, AdaptiveAvgPool2d(7)]).forward(x).transpose(0, 3, 1, 2).reshape(2, -1)     # as torch flattens
    for k in (0, 3, 6):
        a = a @ w[f"classifier.{k}.weight"].T + w[f"classifier.{k}.bias"]
        a = np.maximum(a, 0) if k < 6 else a
    np.testing.assert_allclose(net.forward(x), a, rtol=1e-4, atol=1e-4 * abs(a).max())
    assert net.forward(x).shape == (2, 7) and sum(isinstance(layer, Dropout) for layer in net.layers) == 2


def test_normalisation_is_read_array_by_array():
    w = random_weights("vgg0_bn")
    layer = next(layer for layer in from_checkpoint(w, "vgg0_bn").layers if isinstance(layer, BatchNorm2d))
    for name, array in {"weight": layer.gamma, "bias": layer.beta, "running_mean": layer.mean,
                        "running_var": layer.variance}.items():
        assert np.array_equal(array, w[f"features.1.{name}"]), name


def test_resnet18_is_built_of_eight_blocks_three_of_which_project():
    net = from_checkpoint({**random_weights("resnet18", classes=5), "bn1.num_batches_tracked": np.array(7)}, "resnet18")
    blocks = [layer for layer in net.layers if isinstance(layer, Residual)]
    assert [len(block.shortcut) for block in blocks] == [0, 0, 2, 0, 2, 0, 2, 0]
    convolutions = [layer for layer in every_layer(net.layers) if isinstance(layer, Conv2d)]
    assert len(convolutions) == 20 and all(conv.b is None for conv in convolutions)
    assert isinstance(net.layers[-2], GlobalAvgPool) and isinstance(net.layers[-1], Dense)
    x = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    assert [a.shape[1:3] for a in net.trace(x)[1:5]] == [(32, 32), (32, 32), (32, 32), (16, 16)]
    assert net.forward(x).shape == (1, 5)


KERAS = {"first release": ("{0}/{0}_W_1:0", "{0}/{0}_b_1:0"), "Keras 2": ("{0}/{0}/kernel:0", "{0}/{0}/bias:0"),
         "Keras 3, whole model": ("model_weights/{0}/{0}/kernel", "model_weights/{0}/{0}/bias"),
         "Keras 3": ("layers/{0}/vars/0", "layers/{0}/vars/1")}


@pytest.mark.parametrize("layout", KERAS)
def test_keras_checkpoints_give_the_network_that_torch_ones_give(layout):
    """One and the same network written down twice, by hand, in either order of axes."""
    from_torch, kernel, bias = random_weights("vgg0"), *KERAS[layout]
    net, arrays, counts = from_checkpoint(from_torch, "vgg0"), {}, {"conv2d": 0, "dense": 0}
    places = [f"block{b}_conv{n}" for b, block in enumerate(NARROW, 1) for n in range(1, len(block) + 1)]
    names = iter([*places, "fc1", "fc2", "predictions"])
    for layer in net.layers:
        if isinstance(layer, (Conv2d, Dense)):
            kind = "conv2d" if isinstance(layer, Conv2d) else "dense"
            name = next(names)
            if layout == "Keras 3":
                name = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
            arrays[kernel.format(name)], arrays[bias.format(name)] = layer.W, layer.b       # both are channel-last
    arrays["optimizer_weights/iteration"] = np.array(3)
    x = np.random.default_rng(1).normal(size=(2, 40, 70, 3)).astype("float32")
    assert np.array_equal(from_checkpoint(arrays, "vgg0").forward(x), net.forward(x))


def test_a_checkpoint_saved_from_several_devices_has_its_prefix_taken_off():
    w = random_weights("vgg0")
    twin = from_checkpoint({f"module.{name}": array for name, array in w.items()}, "vgg0")
    assert np.array_equal(twin.layers[0].b, w["features.0.bias"])


def test_weights_are_copied_as_float32():
    w = random_weights("vgg0")
    w["features.0.weight"] = w["features.0.weight"].astype("float16")
    w["features.0.bias"] = w["features.0.bias"].astype("float64")
    net = from_checkpoint(w, "vgg0")
    arrays = [a for layer in net.layers for a in layer.arrays().values() if a is not None]
    assert {a.dtype for a in arrays} == {np.dtype("float32")}
    assert not any(np.shares_memory(a, b) for a in arrays for b in w.values())


def test_imagenet_input_normalises_colours():
    photo = np.zeros((2, 3, 3)) + [0.485, 0.456, 1.0]
    x = imagenet_input(photo)
    assert x.shape == (1, 2, 3, 3) and x.dtype == np.float32
    np.testing.assert_allclose(x[0, 0, 0], [0, 0, (1 - 0.406) / 0.225], atol=1e-6)
    assert imagenet_input(photo[None]).shape == (1, 2, 3, 3)


# --- safetensors -----------------------------------------------------------------------------------------------------

def test_a_safetensors_file_gives_the_network_of_its_arrays(tmp_path):
    w = random_weights("vgg0")
    path = save_safetensors(tmp_path / "vgg.safetensors", w)
    x = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype("float32")
    assert np.array_equal(from_checkpoint(path, "vgg0").forward(x), from_checkpoint(w, "vgg0").forward(x))
    assert np.array_equal(from_checkpoint(str(path), "vgg0").forward(x), from_checkpoint(w, "vgg0").forward(x))


def test_safetensors_types_come_back_with_their_numbers(tmp_path):
    arrays = {"half": np.array([[1.5, -2.0]], "float16"), "whole": np.array(3, "int64"),
              "none": np.zeros((0, 2), "float32"),
              "brain": np.array([0x3FC0, 0xC000, 0x3E80], "uint16")}                    # 1.5, -2, 0.25 in bfloat16
    path = save_safetensors(tmp_path / "some.safetensors", arrays,
                            {"half": "F16", "whole": "I64", "brain": "BF16"}, metadata=False)
    found = read_safetensors(path)
    assert np.array_equal(found["half"], arrays["half"]) and found["half"].dtype == "float16"
    assert found["whole"] == 3 and found["whole"].shape == () and found["none"].shape == (0, 2)
    assert found["brain"].dtype == "float32" and np.array_equal(found["brain"], [1.5, -2.0, 0.25])


def test_names_that_share_their_bytes_take_no_memory(tmp_path):
    """2,000 names for the same block would take 2,000 times the file."""
    block = np.ones(100, "<f4").tobytes()
    entry = {"dtype": "F32", "shape": [100], "data_offsets": [0, 400]}
    table = json.dumps({f"w{n}": entry for n in range(2000)}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(table).to_bytes(8, "little") + table + block)
    with pytest.raises(ValueError, match="said to have 800000 bytes, there are 400; each must have bytes of its own"):
        read_safetensors(path)


@pytest.mark.parametrize("damage, words", [
    (lambda data: data[:5], "not a safetensors file, or is cut off: it has 5 bytes"),
    (lambda data: data[:40], "cut off"),
    (lambda data: data[:-1], "its arrays are said to have 24 bytes, there are 23"),
    (lambda data: data[:8] + b"x" * (len(data) - 8), "table of contents cannot be read"),
    (lambda data: data.replace(b"[2, 3]", b"[2, 4]"), "cannot lie"),
    (lambda data: data.replace(b"[0, 24]", b"[-1,23]"), "-1 in place of a size"),
    (lambda data: data.replace(b"[0, 24]", b"[24, 0]"), "cannot be read"),
    (lambda data: data.replace(b"[2, 3]", b"[2.0 ]"), "2.0 in place of a size"),
    (lambda data: data.replace(b"[2, 3]", b"[[6]] "), "in place of a size"),
    (lambda data: data.replace(b"[0, 24]", b"true   "), "cannot be read"),
    (lambda data: (2 ** 17).to_bytes(8, "little") + b"[" * 2 ** 17, "cannot be read"),
    (lambda data: (2 ** 40).to_bytes(8, "little") + data[8:], "cut off"),
    (lambda data: data.replace(b"F32", b"C64"), "a: numbers of type 'C64' are not supported"),
    (lambda data: data.replace(b'"shape"', b'"Shape"'), "table of contents cannot be read"),
    (lambda data: b"\xff" * 8 + data[8:], "is said to have 18446744073709551615"),
])
def test_a_damaged_safetensors_file_is_refused_in_words(damage, words, tmp_path):
    path = save_safetensors(tmp_path / "a.safetensors", {"a": np.ones((2, 3), "float32")}, metadata=False)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=words):
        read_safetensors(path)


# --- refusals --------------------------------------------------------------------------------------------------------

def without(name):
    return lambda w: {key: a for key, a in w.items() if key != name}


@pytest.mark.parametrize("change, words", [
    (without("features.0.bias"), "not the arrays of vgg0: missing: features.0.bias"),
    (lambda w: {**w, "head.weight": np.ones(3)}, "left over: head.weight"),
    (lambda w: {}, r"missing: features.0.weight, features.0.bias, features.3.weight, features.3.bias and 18 more"),
    (lambda w: {**w, "features.3.weight": np.ones((4, 3, 5, 5))},
     r"features.3.weight: got an array of shape \(4, 3, 5, 5\), expected \(4, 3, 3, 3\) \(outputs, inputs"),
    (lambda w: {**w, "classifier.6.weight": np.ones((7, 21))}, r"expected \(classes, 20\)"),
    (lambda w: {**w, "classifier.6.bias": np.ones(8)}, r"classifier.6.bias: got .* \(8,\), expected \(7,\)"),
    (lambda w: {**w, "features.0.bias": w["features.0.bias"] * np.nan}, "features.0.bias: got NaN"),
    (lambda w: list(w), "got list as weights"),
])
def test_arrays_that_do_not_fit_are_refused_by_name(change, words):
    w = random_weights("vgg0")
    with pytest.raises(ValueError, match=words):
        from_checkpoint(change(w), "vgg0")


def test_the_name_of_the_architecture_that_was_meant_is_told():
    with pytest.raises(ValueError, match="not the arrays of vgg0: missing.*their names are those of .*vgg0_bn"):
        from_checkpoint(random_weights("vgg0_bn"), "vgg0")


def test_keras_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="known for VGG without batch normalisation only, not for resnet18"):
        from_checkpoint({"block1_conv1/kernel:0": np.ones((3, 3, 3, 3))}, "resnet18")
    with pytest.raises(ValueError, match="left over: block9_conv1/kernel:0"):
        from_checkpoint({"block9_conv1/kernel:0": np.ones((3, 3, 3, 3))}, "vgg0")


@pytest.mark.parametrize("file, words", [
    ("resnet.pth", r"read it first: torch.load\(path, weights_only=True\)"), ("vgg.pt", "torch.load"),
    ("vgg.h5", "h5py.File"), ("vgg.npz", "numpy.load"), ("vgg.bin", "expected a .safetensors file or arrays by name$")])
def test_other_files_are_refused_with_the_way_to_read_them(file, words):
    with pytest.raises(ValueError, match=words):
        from_checkpoint(file, "vgg16")


def test_an_unknown_architecture_is_answered_with_those_that_are_known():
    with pytest.raises(ValueError, match="got architecture 'vgg12', expected one of alexnet, resnet18"):
        from_checkpoint({}, "vgg12")
    assert interop.from_checkpoint is from_checkpoint


def test_flattened_images_are_read_in_the_order_of_the_file():
    """A classifier that copies one entry of torch's flattened features finds it at that channel, row and column."""
    w = random_weights("vgg0")
    net = from_checkpoint(w, "vgg0")
    dense = next(layer for layer in net.layers if isinstance(layer, Dense))
    flat = next(l for l, layer in enumerate(net.layers) if isinstance(layer, Flatten))
    image = np.zeros((1, 7, 7, 5), "float32")
    image[0, 2, 6, 3] = 1                                   # row 2, column 6, channel 3
    assert np.array_equal(dense.W[net.layers[flat].forward(image)[0] == 1][0],
                          w["classifier.0.weight"][:, 3 * 49 + 2 * 7 + 6])
