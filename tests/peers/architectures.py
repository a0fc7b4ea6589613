"""Public architectures from PyPI's `pytorchcv`, with random weights, read by torch and by ONNX: the table in the docs.

    python -m tests.peers.architectures                     # all of them; writes docs/architectures.md, takes minutes
    python -m tests.peers.architectures resnet18 alexnet    # these only, printed

Batch normalisation gets random statistics: those that a new module has, 0 and 1, would hide what is left out.
"""
import contextlib
import io
import logging
import pathlib
import sys
import tempfile
import time
import warnings

import numpy as np

from minixnn import Network, passes
from minixnn.interop import from_onnx, from_torch
from tests.peers.libraries import REASONS, pytorchcv, torch, version

NAMED = ("vgg11", "bn_vgg11", "nin_cifar10", "alexnet", "resnet18", "resnet50", "resnet20_cifar10", "resnext50_32x4d",
         "squeezenet_v1_1", "densenet121", "densenet40_k12_cifar10", "inceptionv3", "mobilenet_w1", "mobilenetv2_w1",
         "mobilenetv3_small_w1", "efficientnet_b0", "darknet_tiny", "fdmobilenet_w1", "shufflenet_g1_w1",
         "shufflenetv2_w1")
OTHERS = ("bninception", "preresnet18", "seresnet10", "regnety002", "peleenet", "vovnet27s", "dla34", "ghostnet",
          "dpn68", "hrnet_w18_small_v1")
BOUNDS = {"float32": 1e-4, "float64": 1e-9, "gradient, float32": 0.05, "gradient, float64": 1e-9, "ONNX": 1e-4}
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "architectures.md"
COLUMNS = ("float32", "float64", "gradient, float32", "gradient, float64", "ONNX")
OPSET = 17


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


def by_torch(module):
    """{what: difference} for both precisions, the Network in float64, and the seconds that reading took."""
    found, began = {}, time.perf_counter()
    net = from_torch(module, (3, *module.in_size))
    seconds = time.perf_counter() - began
    found["float32"], _, found["gradient, float32"] = differences(module, net, "float32")
    module.double()
    net = from_torch(module, (3, *module.in_size))
    found["float64"], found["gradient, float64"], _ = differences(module, net, "float64")
    return found, net, seconds


def by_onnx(module, folder):
    """The difference of outputs to torch's, of the network that torch exported."""
    x, tensor = picture(module.float(), "float32")
    path = pathlib.Path(folder) / "net.onnx"
    logging.disable(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(module, (tensor,), str(path), dynamo=False, opset_version=OPSET, input_names=["x"],
                          dynamic_axes={"x": {0: "N"}})
    logging.disable(logging.NOTSET)
    with torch.no_grad():
        expected = module(tensor).numpy()
    return float(abs(from_onnx(path).forward(x) - expected).max() / abs(expected).max())


def same_after_saving(net, x, folder):
    """Whether the network computes the same, to the bit, once it was saved and loaded."""
    path = pathlib.Path(folder) / "net.npz"
    net.save(path)
    return np.array_equal(Network.load(path).forward(x), net.forward(x))


def row(name):
    """One line of the table, as a dictionary."""
    module = made(name)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    found, net, seconds = by_torch(module)
    with tempfile.TemporaryDirectory() as folder:
        found["ONNX"] = by_onnx(module, folder)
        saved = same_after_saving(net.astype("float32"), picture(module, "float32")[0], folder)
    return {"name": name, "parameters": parameters, "layers": len(net.layers),
            "seconds": seconds, "saved": saved, **found}


def wrong(found):
    """What of a row is beyond its bound."""
    return [f"{what} {found[what]:.1e}" for what, bound in BOUNDS.items() if not found[what] <= bound] + \
        ([] if found["saved"] else ["not the same once saved"])


HEAD = """# Public architectures

This page is written by `python -m tests.peers.architectures`; do not edit it. Architectures of the PyPI package
`pytorchcv` {pytorchcv}, with random weights and random statistics of batch normalisation, are read from torch {torch}
(`interop.from_torch`) and from the ONNX file that torch exports (`interop.from_onnx`, opset {opset}), and run on one
picture of their own size. Numbers are differences to torch as a part of the largest number: of outputs, and of input
gradients of the largest output; in float32 the gradient's is a norm, since rounding may flip the winner of a pool.

| architecture | parameters | layers | read in | outputs, f32 | f64 | gradient, f32 | f64 | ONNX | saved |
|---|--:|--:|--:|--:|--:|--:|--:|--:|---|
"""


TAIL = """
Bounds: {bounds}. {verdict}
"""


def line(found):
    cells = [f"`{found['name']}`", f"{found['parameters'] / 1e6:.1f} M",
             str(found["layers"]), f"{found['seconds']:.1f} s"]
    cells += [f"{found[what]:.0e}" for what in COLUMNS]
    return f"| {' | '.join(cells)} | {'equal' if found['saved'] else 'DIFFERENT'} |"


def main(names):
    if pytorchcv is None:
        print(REASONS["pytorchcv"])
        return 2
    text = HEAD.format(pytorchcv=version("pytorchcv"), torch=version("torch"), opset=OPSET)
    failed = []
    print(text.splitlines()[-2])
    for name in names or (*NAMED, *OTHERS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = row(name)
        print(line(found), flush=True)
        text += line(found) + "\n"
        failed += [f"{name}: {what}" for what in wrong(found)]
    text += TAIL.format(bounds=", ".join(f"{what} {bound:g}" for what, bound in BOUNDS.items()),
                        verdict="All are kept." if not failed else f"BEYOND THEM: {'; '.join(failed)}")
    if not names:
        PAGE.write_text(text, encoding="utf-8")
    print("\n".join(failed) or "all within their bounds")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
