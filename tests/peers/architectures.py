"""Public architectures from PyPI's `pytorchcv`, with random weights, for `test_architectures.py`.

Batch normalisation gets random statistics: those that a new module has, 0 and 1, would hide what is left out.
"""
import numpy as np

from minixnn import passes
from tests.peers.libraries import torch

NAMED = ("vgg11", "bn_vgg11", "nin_cifar10", "alexnet", "resnet18", "resnet50", "resnet20_cifar10", "resnext50_32x4d",
         "squeezenet_v1_1", "densenet121", "densenet40_k12_cifar10", "inceptionv3", "mobilenet_w1", "mobilenetv2_w1",
         "mobilenetv3_small_w1", "efficientnet_b0", "darknet_tiny", "fdmobilenet_w1", "shufflenet_g1_w1",
         "shufflenetv2_w1", "bninception", "preresnet18", "seresnet10", "regnety002", "peleenet", "vovnet27s", "dla34",
         "ghostnet", "dpn68", "hrnet_w18_small_v1")


def randomised(module, seed=0):
    """The module in eval mode, batch normalisation with statistics and weights drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.1, generator=generator)
                part.running_var.uniform_(0.5, 1.5, generator=generator)
                part.weight.uniform_(0.5, 1.5, generator=generator)
                part.bias.normal_(0, 0.1, generator=generator)
    return module.eval()


def made(name, seed=0):
    """An architecture by its name, with random weights."""
    from pytorchcv.model_provider import get_model
    torch.manual_seed(seed)
    return randomised(get_model(name, pretrained=False), seed)


def picture(module, dtype, seed=1):
    """One picture of the module's own size: (N, H, W, C) for us, and the same as a tensor."""
    x = np.random.default_rng(seed).normal(size=(1, *module.in_size, 3)).astype(dtype)
    return x, torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def differences(module, net, dtype):
    """(outputs, input gradients, input gradients in norm): how far the two are apart, as a part of the largest."""
    x, tensor = picture(module, dtype)
    tensor.requires_grad_()
    y = module(tensor)
    target = int(y.argmax())
    y[0, target].backward()
    expected, theirs = y.detach().numpy(), tensor.grad.numpy().transpose(0, 2, 3, 1)
    found = passes.gradient(net, x, target)[0]
    return (float(abs(net.forward(x) - expected).max() / abs(expected).max()),
            float(abs(found - theirs).max() / abs(theirs).max()),
            float(np.linalg.norm(found - theirs) / np.linalg.norm(theirs)))
