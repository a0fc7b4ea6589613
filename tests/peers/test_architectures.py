"""Public architectures with random weights: read from torch they compute what torch computes, and can be explained."""
import functools
import warnings

import numpy as np
import pytest

from minixnn import Network, attribution, interop, passes
from minixnn.layers.folding import fold_batch_norm
from minixnn.rules import composites
from tests.peers import architectures, twins
from tests.peers.libraries import REASONS, pytorchcv, torch, zennit
from tests.peers.zennit_side import ours_to_zero

if pytorchcv is None:
    pytest.skip(REASONS["pytorchcv"], allow_module_level=True)

READ = ("bn_vgg11", "alexnet", "nin_cifar10", "resnet20_cifar10", "squeezenet_v1_1", "densenet40_k12_cifar10",
        "mobilenetv3_small_w1", "shufflenetv2_w1", "darknet_tiny")
EXPLAINED = ("nin_cifar10", "resnet20_cifar10", "shufflenetv2_w1")


def narrow(name):
    """The architecture; an eighth as wide where it would take gigabytes in double precision."""
    from pytorchcv.models import alexnet, vgg
    torch.manual_seed(0)
    if name == "alexnet":
        return architectures.randomised(alexnet.AlexNet(
            [[8], [24], [48, 32, 32]], [[11], [5], [3] * 3], [[4], [1], [1] * 3], [[2], [2], [1] * 3], True,
            num_classes=50))
    if name in ("vgg11", "bn_vgg11"):
        return architectures.randomised(vgg.VGG([[8], [16], [32] * 2, [64] * 2, [64] * 2], use_bn=name != "vgg11",
                                                num_classes=50))
    return architectures.made(name)


@functools.cache
def read(name):
    """(module, Network), both in double precision."""
    module = narrow(name).double()
    with warnings.catch_warnings():
        warnings.simplefilter("error")                      # none of them has a head that is left out
        return module, interop.from_torch(module, (3, *module.in_size))


@pytest.mark.parametrize("name", READ)
def test_an_architecture_computes_what_torch_computes(name):
    module, net = read(name)
    outputs, gradients, _ = architectures.differences(module, net, "float64")
    print(f"{name}: outputs differ by {outputs:.1e}, input gradients by {gradients:.1e} of the largest")
    assert outputs < 1e-9 and gradients < 1e-9
    assert net.card.input_shape == (*module.in_size, 3) and net.card.layout == "channels first"


METHODS = sorted(set(attribution.METHODS) - {"occlusion"})


@pytest.mark.parametrize("name", EXPLAINED[:2])
def test_all_methods_explain_an_architecture_saved_and_loaded(name, tmp_path):
    module, net = read(name)
    net.astype("float32").save(tmp_path / "net.npz")
    net = Network.load(tmp_path / "net.npz")
    x, answers = np.random.default_rng(0).random((1, *module.in_size, 3), "float32"), 0         # pixels in [0, 1]
    for method in METHODS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                R = attribution.METHODS[method](net, x)
            except (ValueError, NotImplementedError) as error:              # a rule outside its domain says so
                print(f"{method}: {error}")
                assert any(said in str(error) for said in ("expected", "RevealCancel", "cam needs a network")), error
                continue
        assert np.isfinite(R).all() and abs(R).max() > 0, method
        answers += 1
    print(f"{name}: {answers} of {len(METHODS)} methods")
    assert answers >= len(METHODS) - 6


@pytest.mark.parametrize("name", ["densenet40_k12_cifar10", *EXPLAINED])
def test_deeplift_sums_to_the_difference_of_the_outputs(name):
    module, net = read(name)
    x, _ = architectures.picture(module, "float64")
    reference, _ = architectures.picture(module, "float64", seed=2)
    total = passes.deeplift(net, x, reference, 3)[0].sum()
    difference = (net.forward(x) - net.forward(reference))[0, 3]
    print(f"{name}: {total:.6f} and {difference:.6f}")
    assert abs(total - difference) < 1e-9 * abs(net.forward(x)).max()


@pytest.mark.skipif(zennit is None, reason=REASONS.get("zennit", ""))
@pytest.mark.parametrize("name", ["resnet20_cifar10", "densenet40_k12_cifar10"])
def test_an_architecture_is_explained_by_epsilon_plus_flat_as_by_zennit(name):
    """Both explain the folded network. zennit gets our stabilisers: none for z+, 1e-6 for sums, pools and norms."""
    module, net = read(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                     # DenseNet's norms have no neighbour that can take them
        net = fold_batch_norm(net)
    x, tensor = architectures.picture(module, "float64")
    R = passes.lrp(net, x, rules=composites.epsilon_plus_flat)
    theirs = twins.twin(net, x.shape[1:])
    types, rules = zennit.types, zennit.rules
    composite = zennit.composites.SpecialFirstLayerMapComposite(
        layer_map=[(types.Activation, rules.Pass()), (types.AvgPool, rules.Norm(stabilizer=1e-6)),
                   (zennit.layer.Sum, rules.Norm(stabilizer=1e-6)), (types.BatchNorm, rules.Epsilon(epsilon=1e-6)),
                   (types.Convolution, rules.ZPlus(stabilizer=ours_to_zero)),
                   (torch.nn.Linear, rules.Epsilon(epsilon=1e-6))],
        first_map=[(types.Linear, rules.Flat(stabilizer=ours_to_zero))])
    tensor.requires_grad_()
    with composite.context(theirs) as hooked:
        expected, = torch.autograd.grad(hooked(tensor), tensor, torch.from_numpy(R[-1]))
    expected = expected.numpy().transpose(0, 2, 3, 1)
    largest = abs(R[0] - expected).max() / abs(expected).max()
    print(f"{name}: relevance differs by {largest:.1e} of the largest")
    assert abs(expected).max() > 0 and largest < 1e-9


def test_a_network_has_a_sum_for_each_shortcut():
    net = read("resnet20_cifar10")[1]
    sums = [sources for layer, sources in zip(net.layers, net.inputs) if type(layer).__name__ == "Add"]
    assert len(sums) == 9 and all(len(sources) == 2 for sources in sums)
