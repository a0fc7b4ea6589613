"""The contenders: what each library runs for each piece of work. One of them at a time, in a process of its own.

    python -m tests.benchmarks.contenders minixnn       # then one JSON line of work in, one JSON line of seconds out

Every library explains the same network with the same weights: the architecture of the shipped cnn, for 28 x 28
digits, or the layers of VGG-16. Libraries are imported by their own contender only, so that no one pays for another.
"""
import gc
import json
import math
import os
import resource
import sys
import time
from functools import cache, partial

import numpy as np

FLOOR, UNPADDED = "matrix product of 2000 x 2000", ", no padding"
PHOTOGRAPH = "EfficientNet-Lite0 epsilon_plus_flat"
PASSES = {"gradient": 2, "epsilon": 2, "z+": 3, "alpha2-beta1": 5}     # sums over all connections: see `floor`
LASTS = 0.05        # seconds that a measurement takes at least: what is shorter is done several times


def digits(batch):
    return np.random.default_rng(1).random((batch, 28, 28, 1), dtype="float32")


def our_rules():
    from minixnn.rules import composites, lrp
    return {"epsilon": lrp.epsilon, "z+": composites.alpha1_beta0, "alpha2-beta1": composites.alpha2_beta1}


def minixnn(work, batch, workers=1):
    """A function without arguments that does the work once. workers: threads for many images, see `batching`."""
    from minixnn import attribution, train
    from minixnn.layers import Conv2d, MaxPool2d
    from minixnn.models import recipes
    from minixnn.rules import composites
    rng = np.random.default_rng(0)
    if work == "VGG-16 epsilon_plus_flat":
        net, x = vgg16(rng), rng.random((batch, 224, 224, 3), dtype="float32")
        return lambda: attribution.lrp(net, x, 0, composites.epsilon_plus_flat, workers=workers)
    if work == PHOTOGRAPH:
        net, x = photograph(batch)
        return lambda: attribution.lrp(net, x, 285, composites.epsilon_plus_flat, workers=workers)
    if work.startswith(("convolution", "max pooling")):
        layer = MaxPool2d(2) if "max" in work else Conv2d.random(3, 32, 64, rng, bias=False)
        x = rng.standard_normal((batch, 28, 28, 32), dtype="float32")
        y = layer.forward(x)
        dy = rng.standard_normal(y.shape, dtype="float32")
        method = {"forward": lambda: layer.forward(x), "gradient": lambda: layer.gradient(x, y, dy),
                  "weights": lambda: layer.parameter_gradients(x, dy)}
        return method[work.split()[-1]]
    if work == FLOOR:
        a = rng.random((2000, 2000), dtype="float32")
        return lambda: a @ a
    net, x = unpadded_cnn() if work.endswith(UNPADDED) else recipes.cnn(rng), digits(batch)
    work = work.removesuffix(UNPADDED)
    if work == "training, 20 steps":
        images, labels = digits(20 * batch), rng.integers(0, 10, 20 * batch)
        return lambda: train.fit(net, images, labels, epochs=1, rng=rng, batch_size=batch, quiet=True)
    if work in our_rules():
        return lambda: attribution.lrp(net, x, 0, our_rules()[work], workers=workers)
    return {"gradient": lambda: attribution.gradient(net, x, 0, workers=workers),
            "integrated gradients, 50": lambda: attribution.integrated_gradients(net, x, 0, steps=50, workers=workers),
            "SmoothGrad, 50": lambda: attribution.smoothgrad(net, x, 0, samples=50, workers=workers)}[work]


def photograph(batch):
    """The classifier of photographs that ships, with its weights, and a cat, so many times."""
    from minixnn import datasets, models
    return models.load("efficientnet_lite0"), np.repeat(datasets.photo("chelsea", 224)[None], batch, axis=0)


@cache                                          # every table asks again, and VGG-16 takes seconds to build
def floor(work, batch):
    """Multiply-adds that the rules of a piece of work cannot do without: matrix products alone, in so many passes.

    A pass is one sum over all connections of all layers. The trace takes one; LRP-epsilon and the gradient one more,
    the way back; alpha1-beta0 one for z+ besides, and alpha2-beta1 two for either sign. None where there is no say.
    """
    rng, copies, base = np.random.default_rng(0), 1, work.removesuffix(UNPADDED)
    if base.endswith(", 50"):
        base, copies = "gradient", 50
    passes = {**PASSES, "VGG-16 epsilon_plus_flat": 3, "training, 20 steps": 3 * 20}.get(base)
    if work.startswith("convolution"):
        return batch * 28 * 28 * 9 * 32 * 64
    if passes is None:
        return None
    from minixnn.models import recipes
    net, side, C = (vgg16(rng), 224, 3) if "VGG" in work else (
        unpadded_cnn() if work.endswith(UNPADDED) else recipes.cnn(rng), 28, 1)
    A = net.trace(np.zeros((1, side, side, C), dtype="float32"))
    sums = [multiply_adds(layer, y) for layer, y in zip(net.layers, A[1:]) if layer.arrays()]
    per_image = passes * sum(sums)
    if "VGG" in work:
        per_image -= 2 * sums[0] + sum(sums[-3:])           # flat at the pixels, epsilon in the dense layers
    return batch * copies * per_image


def multiply_adds(layer, y):
    """How many a Dense or Conv2d layer does for its outputs y: each takes the weights of one output channel."""
    return y.size // layer.W.shape[-1] * layer.W.size if layer.arrays() else 0


def unpadded_cnn():
    """The convolutions and widths of `recipes.cnn` without padding, which not every library has; no dropout."""
    from minixnn import Network
    from minixnn.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU
    rng, layers = np.random.default_rng(0), []
    for C, O in ((1, 32), (32, 64)):
        layers += [Conv2d.random(3, C, O, rng, bias=False, padding="valid"), ReLU(), MaxPool2d(2)]
    layers += [Conv2d.random(4, 64, 128, rng, bias=False, padding="valid"), ReLU(), Flatten()]     # 5 x 5 to 2 x 2
    return Network([*layers, Dense.random(512, 256, rng, bias=False), ReLU(), Dense.random(256, 10, rng, bias=False)])


def torch_cnn():
    """The architecture of `recipes.cnn` in torch, with the same weights."""
    import torch
    from torch import nn

    from minixnn.models import recipes
    ours = recipes.cnn(np.random.default_rng(0))
    theirs = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Flatten(), nn.Linear(2048, 256, bias=False), nn.ReLU(), nn.Linear(256, 10, bias=False))
    mine = [layer.W for layer in ours.layers if layer.arrays()]
    mine[3] = mine[3].reshape(4, 4, 128, 256).transpose(2, 0, 1, 3).reshape(2048, 256)     # flattened channels first
    with torch.no_grad():
        for W, parameter in zip(mine, theirs.parameters()):
            parameter.copy_(torch.from_numpy(W.T.copy() if W.ndim == 2 else W.transpose(3, 2, 0, 1).copy()))
        x = digits(2)
        same = np.allclose(theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())), ours.forward(x), atol=1e-4)
    assert same, "the two networks must be one"
    return theirs


def vgg16(rng, pixels=224, widths=(64, 128, 256, 512, 512), dense=4096, classes=1000):
    """The layers of VGG-16 (Simonyan & Zisserman 2015, column D), with random weights."""
    from minixnn import Network
    from minixnn.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU
    layers, channels = [], 3
    for width, convolutions in zip(widths, (2, 2, 3, 3, 3)):
        for _ in range(convolutions):
            layers += [Conv2d.random(3, channels, width, rng), ReLU()]
            channels = width
        layers.append(MaxPool2d(2))
    inputs = channels * (pixels // 2 ** len(widths)) ** 2
    return Network([*layers, Flatten(), Dense.random(inputs, dense, rng), ReLU(),
                    Dense.random(dense, dense, rng), ReLU(), Dense.random(dense, classes, rng)])


def torch_vgg16():
    """The layers of VGG-16 with random weights."""
    from torch import nn
    layers, channels = [], 3
    for width, convolutions in zip((64, 128, 256, 512, 512), (2, 2, 3, 3, 3)):
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
                         nn.Linear(4096, 1000))


def torch(work, batch):
    """Automatic differentiation by hand, with nothing between."""
    import torch as th
    from torch import nn
    if work.startswith(("convolution", "max pooling")):
        layer = nn.MaxPool2d(2) if "max" in work else nn.Conv2d(32, 64, 3, padding=1, bias=False)
        x = th.randn(batch, 32, 28, 28)
        dy = th.randn_like(layer(x))
        if work.endswith("forward"):
            def forward():
                with th.no_grad():
                    layer(x)
            return forward
        # Backward alone is not to be had through autograd; the graph is built once and run through many times.
        wanted = layer.weight if work.endswith("weights") else x.requires_grad_()
        y = layer(x)
        return lambda: th.autograd.grad(y, wanted, dy, retain_graph=True)
    net = torch_cnn()
    if work == "training, 20 steps":
        images, labels = th.rand(20 * batch, 1, 28, 28), th.randint(0, 10, (20 * batch,))
        full = nn.Sequential(*net[:10], nn.Dropout(0.3), *net[10:12], nn.Dropout(0.5), net[12])     # as recipes.cnn
        optimizer = th.optim.Adam(full.parameters())

        def train():
            for n in range(0, len(images), batch):
                optimizer.zero_grad()
                nn.functional.cross_entropy(full(images[n:n + batch]), labels[n:n + batch]).backward()
                optimizer.step()
        return train
    x = th.from_numpy(digits(batch).transpose(0, 3, 1, 2).copy())

    def gradient(x):
        x = x.detach().requires_grad_()
        return th.autograd.grad(net(x)[:, 0].sum(), x)[0]

    def of_changed(change):
        """The mean gradient over 50 changed copies, as many at a time as make about a hundred images."""
        total, at_once = 0, max(1, 100 // len(x))
        for part in x.split(100):
            sums = [gradient(th.cat([change(part, k) for k in range(first, min(first + at_once, 50))])).reshape(
                -1, *part.shape).sum(0) for first in range(0, 50, at_once)]
            total = sum(sums)
        return total
    return {"gradient": lambda: [gradient(part) for part in x.split(100)],
            "integrated gradients, 50": lambda: of_changed(lambda x, k: x * ((k + 0.5) / 50)),
            "SmoothGrad, 50": lambda: of_changed(lambda x, k: x + 0.15 * th.randn_like(x))}[work]


def zennit(work, batch, whole=False):
    """Zennit: a composite of one rule, or its own EpsilonPlusFlat; fed 100 images at a time, or all (`whole`)."""
    from tests.peers.libraries import torch as th, zennit as zn
    if zn is None:
        raise ImportError("zennit is not installed")
    from zennit.attribution import Gradient, IntegratedGradients, SmoothGrad
    from zennit.composites import EpsilonPlusFlat, LayerMapComposite
    from zennit.rules import AlphaBeta, Epsilon, Pass, ZPlus
    from zennit.types import Activation, Convolution, Linear
    if work == "VGG-16 epsilon_plus_flat":
        net, x, composite = torch_vgg16(), th.rand(batch, 3, 224, 224), EpsilonPlusFlat()
        start = th.eye(1000)[[0] * batch]
        attributor = Gradient(net, composite)
        return lambda: attributor(x, start)
    if work == PHOTOGRAPH:
        from tests.peers import twins
        net, x = photograph(batch)
        prepared = th.from_numpy(net.layers[0].forward(x).transpose(0, 3, 1, 2).copy())
        behind = twins.twin(net.part(1, len(net.layers)), x.shape[1:])
        attributor, start = Gradient(behind, EpsilonPlusFlat()), th.eye(1000)[[285] * batch]
        return lambda: attributor(prepared, start)
    rule = {"epsilon": Epsilon, "z+": ZPlus, "alpha2-beta1": partial(AlphaBeta, 2, 1)}.get(work)
    if rule:
        composite = LayerMapComposite([(Activation, Pass()), (Convolution, rule()), (Linear, rule())])
        attributor = Gradient(torch_cnn(), composite)
    else:
        attributor = {"gradient": Gradient, "integrated gradients, 50": partial(IntegratedGradients, n_iter=50),
                      "SmoothGrad, 50": partial(SmoothGrad, n_iter=50)}[work](torch_cnn())
    x = th.from_numpy(digits(batch).transpose(0, 3, 1, 2).copy())
    start, parts = th.eye(10)[:1], x.split(batch if whole else 100)

    def explain():
        with attributor:
            for part in parts:
                attributor(part, start.expand(len(part), -1))
    return explain


def captum(work, batch):
    """Captum, 100 images at a time."""
    from captum.attr import LRP, IntegratedGradients, NoiseTunnel, Saliency
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule

    from tests.peers.libraries import torch as th
    net = torch_cnn()
    parts = th.from_numpy(digits(batch).transpose(0, 3, 1, 2).copy()).split(100)
    rule = {"epsilon": EpsilonRule, "z+": Alpha1_Beta0_Rule}.get(work)
    if rule:
        def explain():
            for part in parts:
                for layer in net:                           # captum takes the rules off again after each call, and
                    if not isinstance(layer, (th.nn.MaxPool2d, th.nn.ReLU)):         # has its own for these two
                        layer.rule = rule() if hasattr(layer, "weight") else EpsilonRule()
                LRP(net).attribute(part.clone().requires_grad_(), target=0)
        return explain
    if work == "integrated gradients, 50":
        method, options = IntegratedGradients(net), {"n_steps": 50, "internal_batch_size": 100}
    elif work == "SmoothGrad, 50":
        method, options = NoiseTunnel(Saliency(net)), {"nt_samples": 50, "nt_samples_batch_size":
                                                       max(1, 100 // batch), "stdevs": 0.15, "abs": False}
    else:
        method, options = {"gradient": Saliency}[work](net), {"abs": False}
    return lambda: [method.attribute(part.clone().requires_grad_(), target=0, **options) for part in parts]


def lrp_toolbox(work, batch):
    """The LRP toolbox of 2016, from a checkout whose folder `python` LRP_TOOLBOX names. It pads no images."""
    if not os.environ.get("LRP_TOOLBOX"):
        raise ImportError("no checkout was given: LRP_TOOLBOX=.../lrp_toolbox/python")
    np.float, np.Inf = float, np.inf                        # names that NumPy has dropped since
    sys.path.insert(0, os.environ["LRP_TOOLBOX"])
    from modules.convolution import Convolution
    from modules.flatten import Flatten
    from modules.linear import Linear
    from modules.maxpool import MaxPool
    from modules.rect import Rect
    from modules.sequential import Sequential
    variant, knob = {"epsilon": ("epsilon", 1e-6), "z+": ("alpha", 1.0), "alpha2-beta1": ("alpha", 2.0)}[
        work.removesuffix(UNPADDED)]
    ours, modules = unpadded_cnn(), []
    for layer in ours.layers:
        kind = type(layer).__name__
        if kind == "Conv2d":
            modules.append(Convolution(filtersize=layer.W.shape, stride=(1, 1)))
        elif kind == "Dense":
            modules.append(Linear(*layer.W.shape))
        else:
            modules.append({"ReLU": Rect, "MaxPool2d": partial(MaxPool, (2, 2), (2, 2)), "Flatten": Flatten}[kind]())
        if layer.arrays():
            modules[-1].W = layer.W
    net, x = Sequential(modules), digits(batch)
    y = net.forward(x)
    assert np.allclose(y, ours.forward(x), atol=1e-4), "the two networks must be one"

    def explain():
        y = net.forward(x)
        net.lrp(y * (np.arange(10) == 0), variant, knob)
    return explain


def profile(work, batch=100, repeats=15):
    """[[layer, ms forwards, ms back, ms that its bare matrix products take], ...] of `passes.lrp` on `batch` digits.

    The loop is that of the pass, as many digits at a time as `attribution.lrp` takes; medians.
    """
    from minixnn import passes, tuning
    from minixnn.batching import default_batch_size
    from minixnn.models import recipes
    from minixnn.rules import composites
    tuning.tune()                                             # as `attribution.lrp` does at its first batch
    net, x, product = recipes.cnn(np.random.default_rng(0)), digits(batch), minixnn(FLOOR, 1)
    rules, clock, size = composites.rules_for(net, our_rules()[work]), time.perf_counter, default_batch_size(x)
    up, down, products = np.zeros((repeats, len(rules))), np.zeros((repeats, len(rules))), []
    for repeat in range(repeats):
        for n in range(0, batch, size):
            A = [x[n:n + size]]
            for l, layer in enumerate(net.layers):
                start = clock()
                A.append(layer.forward(A[l]))
                up[repeat, l] += clock() - start
            R = passes.target_only(A[-1], 0)
            for l in reversed(range(len(net.layers))):
                start = clock()
                R = rules[l](net.layers[l], A[l], A[l + 1], R)
                down[repeat, l] += clock() - start
        start = clock()
        product()
        products.append((clock() - start) / 2000 ** 3)
    least = [PASSES[work] * batch * multiply_adds(layer, y[0]) * np.median(products)
             for layer, y in zip(net.layers, A[1:])]
    return [[repr(layer), *(1e3 * float(t) for t in times)] for layer, *times in
            zip(net.layers, np.median(up, axis=0), np.median(down, axis=0), least)]


CONTENDERS = {"minixnn": minixnn, "zennit": zennit, "zennit, whole batch": partial(zennit, whole=True),
              "captum": captum, "torch": torch, "lrp_toolbox": lrp_toolbox}


def serve(contender):
    """Read {"work", "batch"} from each line, do it, write the seconds it takes once. {"peak": true}: memory, MiB."""
    ready, found, times, threads = None, None, 1, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    clock = time.process_time if threads == 1 else time.perf_counter    # a single thread: its own time, undisturbed
    contend = CONTENDERS[contender]
    if contender == "minixnn":
        contend = partial(minixnn, workers=threads)
    else:
        from tests.peers.libraries import torch as th
        if th is not None:
            th.set_num_threads(threads)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request.get("peak"):
                answer = {"mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
            elif request.get("profile"):
                answer = {"layers": profile(request["profile"])}
            else:
                key = request["work"], request["batch"]
                if key != ready:
                    found = contend(*key)
                    found()                                 # the first time is for warming up
                    start = time.perf_counter()
                    found()
                    times = math.ceil(LASTS / (time.perf_counter() - start))
                    ready = key
                gc.collect()
                start = clock()
                for _ in range(times):
                    found()
                answer = {"seconds": (clock() - start) / times}
        except (KeyError, ImportError) as error:            # this library has no such method, or is not there
            answer = {"absent": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
