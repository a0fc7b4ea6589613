"""How long an explanation takes by NumPy, on the device, and, for the gradient, by torch on the same card.

Both CuPy and torch compute in full float32 here (TF32 is off). Their times are medians of several runs after one that
warms up, each until the device is done; NumPy's is that of one run after one that warms up.
"""
import statistics
import time
from functools import partial

import numpy as np

from minixnn import datasets, models, passes
from minixnn.arrays import array_module, to_numpy
from minixnn.models import recipes
from minixnn.rules import composites

WAYS = {
    "epsilon": passes.lrp,
    "z+": partial(passes.lrp, rules=composites.alpha1_beta0),
    "alpha2-beta1": partial(passes.lrp, rules=composites.alpha2_beta1),
    "gradient": passes.gradient,
}


def works(images=(1000, 100, 1), photograph=True):
    """(name, network, images, images at a time on the host, {way: pass}): what is explained, the most telling first."""
    rng = np.random.default_rng(0)
    net, digits = recipes.cnn(rng), rng.random((max(images), 28, 28, 1), dtype="float32")
    for count in images:
        yield f"digits: {count:,}", net, digits[:count], 25, WAYS
    if photograph:
        net, x = models.load("efficientnet_lite0"), datasets.photo("chelsea", 224)[None]
        flat = {"epsilon_plus_flat": partial(passes.lrp, rules=composites.epsilon_plus_flat)}
        for count in (1, 16):
            yield f"EfficientNet-Lite0: {count}", net, x.repeat(count, axis=0), 1, flat


def timed_ms(run, wait=lambda: None):
    """The result of `run()`, and how many milliseconds passed until `wait()` found that all of it was done."""
    start = time.perf_counter()
    result = run()
    wait()
    return result, 1000 * (time.perf_counter() - start)


def median_ms(run, wait, repeats):
    """The median time of `repeats` runs after one that warms up: kernels are compiled, memory is found."""
    timed_ms(run, wait)
    return statistics.median(timed_ms(run, wait)[1] for _ in range(repeats))


def explain(pass_, net, x, size):
    """Explain all images, `size` at a time, and return the explanations where they were computed."""
    parts = [pass_(net, x[n:n + size])[0] for n in range(0, len(x), size)]
    return array_module(x).concatenate(parts)


def difference(came, expected):
    """The largest difference, relative to the largest number of `expected`."""
    return float(abs(to_numpy(came) - expected).max() / abs(expected).max())


def measure(machine, work, repeats=7):
    """One row a network, batch and way: milliseconds by NumPy, on the device, and by torch for the gradient."""
    xp, torch = machine.xp, torch_on_the_card()
    for name, net, images, size, ways in work:
        there, x = net.on(xp), xp.asarray(images)
        net.forward(images[:size])                                      # NumPy warms up
        for title, pass_ in ways.items():
            expected, numpy_ms = timed_ms(lambda: explain(pass_, net, images, size))
            row = {"work": name, "pass": title, "numpy_ms": numpy_ms,
                   "device_ms": median_ms(lambda: explain(pass_, there, x, len(x)), machine.synchronize, repeats),
                   "difference": difference(explain(pass_, there, x, len(x)), expected)}
            if torch is not None and title == "gradient":
                row["torch_ms"] = torch_gradient_ms(torch, net, images, expected, repeats)
            yield row


def as_torch(net, images, device):
    """The network as a torch module and the images as torch wants them, both on `device`."""
    import torch
    from tests.peers.twins import twin
    module = twin(net, images.shape[1:]).requires_grad_(False).to(device)
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device)
    return module, x.requires_grad_()


def torch_gradient(module, x):
    """The gradient of the largest output of each image, by automatic differentiation. x (N, C, H, W)"""
    import torch
    return torch.autograd.grad(module(x).amax(dim=1).sum(), x)[0]


def torch_gradient_ms(torch, net, images, expected, repeats):
    """How long torch takes for it on the card, after a check that it computes what NumPy does."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True                               # torch at its best
    module, x = as_torch(net, images, "cuda")
    found = difference(torch_gradient(module, x).permute(0, 2, 3, 1).cpu().numpy(), expected)
    assert found < 1e-3, f"torch's gradient differs from NumPy's by {found:.1e} of the largest number"
    return median_ms(lambda: torch_gradient(module, x), torch.cuda.synchronize, repeats)


def torch_on_the_card():
    """torch, if it is installed and sees the card; else None."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None
