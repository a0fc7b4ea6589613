"""Networks from torch and back compute the same. What needs no torch is tested in `tests/test_interop.py`."""
import numpy as np
import pytest
from layer_examples import EXAMPLES, draw

import minixnn
from minixnn import layers
from minixnn.interop import from_torch, to_torch
from minixnn.interop.torch_blocks import WRITERS
from minixnn.network import Network
from tests.peers import networks
from tests.peers.libraries import torch
from tests.peers.round_trips import BOUNDS, SEEDS, worst


@pytest.fixture(autouse=True)
def torch_is_there(needs):
    needs("torch")


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("kind", networks.KINDS)
def test_outputs_are_equal_on_both_sides_and_after_the_way_back(kind, dtype):
    for seed in SEEDS:
        largest = worst(networks.case(kind, seed), dtype)
        assert largest <= BOUNDS[dtype], f"{kind} {seed}: outputs differ by {largest:.3g}"


@pytest.mark.parametrize("name", ["dense", "cnn", "vit"])
def test_shipped_networks_can_be_taken_to_torch(name):
    case = networks.shipped(name)
    assert worst(case, "float64") <= 1e-10


def settings_of_ours():
    """Our own settings, which torch spells in other ways: "same" with strides, padding at one side only."""
    rng = np.random.default_rng(0)

    def conv(*shape, **settings):
        return layers.Conv2d(rng.normal(size=shape), rng.normal(size=shape[-1]), **settings)

    head = [layers.Conv2d(rng.normal(size=(2, 1, 3, 4)), stride=(1, 2), padding="valid"), layers.ReLU()]
    one_sided = ((0, 1), (2, 0))
    yield "conv, same, stride 2", [conv(3, 3, 3, 4, stride=2)]
    yield "conv, same, even kernel", [conv(2, 4, 3, 4)]
    yield "conv, one-sided padding", [conv(3, 3, 3, 4, padding=one_sided)]
    yield "conv, padding=2", [conv(3, 3, 3, 4, padding=2)]
    yield "max pool, same", head + [layers.MaxPool2d(2, padding="same")]
    yield "max pool 3, stride 2, same", head + [layers.MaxPool2d(3, 2, padding="same")]
    yield "max pool, one-sided padding", head + [layers.MaxPool2d(3, 2, padding=one_sided)]
    yield "average pool, same", head + [layers.AvgPool2d(2, padding="same")]
    yield "average pool, padding counted", head + [layers.AvgPool2d(3, 2, padding=1, count_padding=True)]
    yield "average pool, one side counted", head + [layers.AvgPool2d(3, 2, padding=one_sided, count_padding=True)]
    yield "sum pool, same", head + [layers.SumPool2d(2, padding="same")]
    yield "sum pool, one-sided padding", head + [layers.SumPool2d(3, 2, padding=one_sided)]
    yield "global average pool", head + [layers.GlobalAvgPool(), layers.Dense(rng.normal(size=(4, 2)))]
    yield "softplus of large numbers", [layers.Flatten(), layers.Dense(30 * rng.normal(size=(9 * 7 * 3, 5))),
                                        layers.Softplus()]


@pytest.mark.parametrize("number", range(14))
def test_each_setting_of_ours_survives_the_way_to_torch_and_back(number):
    name, made = list(settings_of_ours())[number]
    net, x = Network(made), np.random.default_rng(1).normal(size=(3, 9, 7, 3))
    module = to_torch(net, input_shape=x.shape[1:])
    expected = net.forward(x)
    theirs = networks.to_array(module(networks.to_tensor(x)))
    again = from_torch(module, input_shape=(3, 9, 7)).forward(x)
    assert abs(theirs - expected).max() < 1e-10, name
    assert abs(again - expected).max() < 1e-10, name


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_survives_the_way_to_torch_and_back(name):
    layer, shape = EXAMPLES[name]
    net, x = Network([layer]), draw(*shape, seed=5)
    if type(layer).__name__ not in WRITERS:
        with pytest.raises(ValueError, match=f"^layer 0, .* {type(layer).__name__} has no counterpart in torch"):
            to_torch(net, shape[1:])
        return
    module, expected = to_torch(net, shape[1:]), layer.forward(x)
    tensor = networks.to_tensor(x)
    assert abs(networks.to_array(module(tensor)) - expected).max() < 1e-5
    again = from_torch(module, tuple(tensor.shape[1:]))
    assert abs(again.probabilities(x) if again.card.head else again.forward(x) - expected).max() < 1e-5


def test_a_module_that_runs_twice_is_read_twice():
    """named_children() lists a shared module once; a reader that trusts it would lose an activation."""
    relu = torch.nn.ReLU()
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), relu, torch.nn.Linear(4, 4), relu).double()
    x = np.random.default_rng(0).normal(size=(5, 3))
    net = from_torch(module)
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "ReLU", "Dense", "ReLU"]
    assert abs(net.forward(x) - module(torch.from_numpy(x)).detach().numpy()).max() < 1e-12


def test_weights_are_copies_on_either_way():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4))
    net = from_torch(module)
    back = to_torch(net)
    with torch.no_grad():
        module[0].weight.zero_()
        back[0].weight.zero_()
    assert abs(net.layers[0].W).max() > 0


def test_a_module_in_training_mode_is_read_as_in_evaluation():
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Dropout(0.5)).double()
    module(torch.randn(8, 1, 6, 6, dtype=torch.float64))    # running statistics that are not 0 and 1
    net, x = from_torch(module.train(), input_shape=(1, 6, 6)), np.random.default_rng(0).normal(size=(2, 6, 6, 1))
    theirs = networks.to_array(module.eval()(networks.to_tensor(x)))
    assert abs(net.forward(x) - theirs).max() < 1e-12


def test_bfloat16_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"^1: weights in bfloat16 are not supported; call module.float"):
        from_torch(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(3, 4)).to(torch.bfloat16))


def test_what_cannot_be_represented_is_refused_by_its_torch_name():
    nn = torch.nn
    for module, said in [
        (nn.Sequential(*[nn.ReLU()] * 3, nn.Sequential(nn.MaxPool2d(2, dilation=2))), "3.0: dilation=(2, 2) is not"),
        (nn.Sequential(nn.Conv2d(32, 2, 3, padding_mode="reflect", padding=1)), "0: padding_mode='reflect' is not"),
        (nn.Sequential(nn.ReLU(), nn.LSTM(3, 4)), "1: LSTM is not supported"),
        (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)), "0: track_running_stats=False is not supported"),
        (nn.Sequential(nn.ConstantPad2d(1, 2.0), nn.ReLU()), "0: pads (N, 32, 8, 8) by"),
    ]:
        with pytest.raises(ValueError) as refusal:
            from_torch(module, input_shape=(32, 8, 8))
        assert str(refusal.value).startswith(said), str(refusal.value)


def test_a_subclass_is_read_by_the_forward_that_it_has():
    class Wide(torch.nn.Linear):
        pass

    class Odd(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) ** 2

    assert isinstance(from_torch(torch.nn.Sequential(Wide(2, 3))).layers[0], layers.Dense)
    module, x = torch.nn.Sequential(Odd(2, 3)).double(), np.random.default_rng(0).normal(size=(4, 2))
    net = from_torch(module)
    assert abs(net.forward(x) - module(torch.from_numpy(x)).detach().numpy()).max() < 1e-12


@pytest.mark.parametrize("squeezed", [lambda y: y.squeeze(1), lambda y: y.view(-1), lambda y: y[:, 0]],
                         ids=["squeeze", "view", "index"])
def test_one_output_an_image_without_an_axis_is_a_column_here(squeezed):
    class Scorer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.score = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))

        def forward(self, x):
            return squeezed(self.score(x))

    module, x = Scorer().double(), np.random.default_rng(0).normal(size=(5, 4))
    y = from_torch(module, input_shape=(4,)).forward(x)
    assert y.shape == (5, 1) and abs(y[:, 0] - module(torch.from_numpy(x)).detach().numpy()).max() < 1e-12


def test_minixnn_itself_does_not_import_torch():
    import subprocess
    import sys
    code = "import sys, minixnn.interop; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert minixnn.interop is not None


def conv(**settings):
    return layers.Conv2d(np.ones((3, 3, 2, 2)), **settings)


@pytest.mark.parametrize("ours, shape, sentence", [
    ([conv(stride=2)], None, "layer 0, .*: padding='same' depends on the size of the images; give input_shape"),
    ([layers.ConvTranspose2d(np.ones((3, 3, 2, 2)), padding=((0, 1), (0, 0)))], None, "of another size on each side"),
    ([conv(), layers.Residual([layers.AvgPool2d(2, 1, ((1, 0), (0, 1)))])], (6, 6, 2), "layer 1.body.0.* real pixels"),
    ([layers.AvgPool2d(2).with_weights(np.float64(2), None)], (6, 6, 2), "a pooling layer with weights has no count"),
    ([layers.RMSNorm(np.ones(2), np.ones(2))], (6, 6, 2), "an RMSNorm with beta has no counterpart in torch"),
    ([layers.LayerNorm(None, np.ones(2))], (6, 6, 2), "a norm with beta and without gamma has no counterpart"),
    ([layers.Flatten(), layers.Softmax()], (6, 6, 2), "between Flatten and Dense this is not supported"),
    ([conv(), layers.Flatten()], (6, 6, 2), "layer 1: no Dense follows the last Flatten"),
    ([layers.Flatten(), layers.Dense(np.ones((72, 3)))], None, "the order of features behind Flatten depends on"),
    ([layers.Attention(*np.ones((4, 2, 2)), mask=np.ones((3, 6, 6)))], (6, 2), "a mask of its own for each sequence"),
])
def test_what_torch_has_no_module_for_is_named_with_its_place(ours, shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        to_torch(Network(ours), shape)


def test_blocks_that_multiply_and_embeddings_go_to_torch():
    rng = np.random.default_rng(0)
    gated = Network([layers.Product([[layers.Conv2d(rng.normal(size=(3, 3, 2, 4)))], [
        layers.Conv2d(rng.normal(size=(1, 1, 2, 4))), layers.Sigmoid()]])])
    x = rng.normal(size=(2, 5, 4, 2))
    found = networks.to_array(to_torch(gated)(networks.to_tensor(x)))
    np.testing.assert_allclose(found, gated.forward(x), atol=1e-12)
    words = Network([layers.Embedding(rng.normal(size=(7, 3))), layers.GlobalAvgPool()])
    tokens = np.array([[1, 6, 0, 2]])
    np.testing.assert_allclose(to_torch(words, (4,))(torch.from_numpy(tokens)).detach().numpy(), words.forward(tokens))
