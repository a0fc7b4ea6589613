"""Public architectures, small and with random weights: right, refused (in which words), or WRONG.

    python -m tests.peers.families timm                       all of one collection: timm, torchvision, segmentation,
    python -m tests.peers.families transformers bert gpt2     transformers; or some of it, by name
    python -m tests.peers.families --onnx timm                by torch.onnx.export and from_onnx

A network is right if its outputs and input gradients are torch's, to 1e-9 of the largest in float64, or to 1e-4 in
float32 where the module computes in float32 whatever it is given.
"""
import json
import logging
import sys
import tempfile
import time
import warnings

import numpy as np

from minixnn import passes
from minixnn.interop import from_torch
from tests.peers import libraries
from tests.peers.zoo import COLLECTIONS

torch = libraries.torch
BOUNDS = {"float64": 1e-9, "float32": 1e-4}


def randomised(module, seed=0):
    """Parameters and running statistics of some size everywhere, so that nothing is hidden behind a zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if not value.is_floating_point():
            continue
        with torch.no_grad():
            if "running_var" in name:
                value.uniform_(0.5, 2, generator=generator)
            elif "running_mean" in name:
                value.normal_(0, 0.1, generator=generator)
            elif isinstance(value, torch.nn.Parameter) and value.abs().max() < 0.05 + 1e-3 * value.numel() ** 0 and \
                    value.numel() > 1:
                value.add_(0.05 * torch.randn(value.shape, generator=generator).to(value))
    return module.eval()


def largest(a):
    return float(abs(a).max()) if a.size else 0.0


def moved(a, way=True):
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)) if way else a


def pick(found, output):
    """The tensor to explain, of what a module returns."""
    for step in output if isinstance(output, tuple) else (output,):
        if step is not None and not isinstance(found, torch.Tensor):
            found = found[step]
    while not isinstance(found, torch.Tensor):
        found = found[0]
    return found


def differences(net, module, args, kwargs, output, dtype):
    """How far outputs and input gradients are from torch's, as parts of the largest."""
    names = list(kwargs) or list(range(len(args)))
    given = [v.clone() for v in (kwargs.values() if kwargs else args)]
    given = [v.to(getattr(torch, dtype)).requires_grad_() if v.is_floating_point() else v for v in given]
    theirs = pick(module(**dict(zip(names, given))) if kwargs else module(*given), output)
    channels = net.card.layout == "channels first"
    arrays = [moved(v.detach().numpy(), channels and v.is_floating_point()) for v in given]
    x = arrays[0] if len(arrays) == 1 else tuple(arrays)
    back = channels and theirs.ndim > 2 and theirs.ndim in (4, given[0].ndim)
    y, expected = net.forward(x), moved(theirs.detach().numpy(), back)
    expected = expected[:, None] if expected.ndim == 1 else expected
    if y.shape != expected.shape:
        return np.inf, np.inf
    dy = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(1)).to(theirs)
    floats = [v for v in given if v.requires_grad]
    off = largest(y - expected) / max(largest(expected), 1e-30)
    if not floats:
        return off, 0.0
    grads = torch.autograd.grad(theirs, floats, dy, allow_unused=True)
    start = moved(dy.numpy(), back).reshape(y.shape)
    dx = passes.gradient(net, x, start=start)[0]
    dx = [a for a, v in zip(dx if isinstance(dx, tuple) else (dx,), given) if v.requires_grad]
    worst = 0.0
    for mine, theirs_dx in zip(dx, grads):
        theirs_dx = np.zeros_like(mine) if theirs_dx is None else moved(theirs_dx.numpy(), channels)
        worst = max(worst, largest(mine - theirs_dx) / max(largest(theirs_dx), 1e-30))
    return off, worst


def exported(module, args, kwargs, path):
    from minixnn.interop import from_onnx
    names = list(kwargs) or [f"x{n}" if n else "x" for n in range(len(args))]
    torch.onnx.export(module, args, path, kwargs=kwargs or None, dynamo=True, verbose=False, external_data=False,
                      input_names=names if not kwargs else None,
                      dynamic_shapes={k: {0: torch.export.Dim("batch")} for k in kwargs} if kwargs else
                      tuple({0: torch.export.Dim("batch")} for _ in args))
    return from_onnx(path)


def verdict(make, onnx=False):
    """("right" | "refused" | "WRONG" | "no example", what there is to say, seconds)"""
    began = time.time()
    try:
        torch.manual_seed(0)
        made = make()
        module, args, kwargs, output = made["module"], made.get("args", ()), made.get("kwargs", {}), made.get("output")
        dtype = made.get("dtype", "float64")
        module = randomised(module).to(getattr(torch, dtype))
        args = tuple(v.to(getattr(torch, dtype)) if v.is_floating_point() else v for v in args)
        kwargs = {k: v.to(getattr(torch, dtype)) if v.is_floating_point() else v for k, v in kwargs.items()}
        with torch.no_grad():
            pick(module(*args, **kwargs), output)
    except Exception as error:
        return "no example", f"{type(error).__name__}: {str(error)[:200]}", time.time() - began
    try:
        if onnx:
            with tempfile.TemporaryDirectory() as folder:
                net = exported(module, args, kwargs, f"{folder}/net.onnx")
        else:
            net = from_torch(module, example=kwargs or args, output=output)
    except ValueError as error:
        return "refused", str(error)[:300], time.time() - began
    except Exception as error:
        return "refused", f"(export) {type(error).__name__}: {str(error)[:200]}" if onnx else \
            f"WRONG ERROR {type(error).__name__}: {str(error)[:300]}", time.time() - began
    try:
        off, gradient = differences(net, module, args, kwargs, output, dtype)
    except Exception as error:
        return "WRONG", f"{type(error).__name__}: {str(error)[:300]}", time.time() - began
    said = f"outputs {off:.0e}, gradients {gradient:.0e}, {len(net.layers)} layers"
    hard = any("hard" in type(part).__name__.lower() for part in module.modules())      # torch's sixth is in float32
    bound = max(BOUNDS[dtype], 1e-6 if onnx else 1e-8 if hard else 0)
    if not max(off, gradient) < bound and dtype == "float64" and max(off, gradient) < 1e-4:
        said += " (in float32)"
        return "right" if casts_inside(module, args, kwargs, output) else "WRONG", said, time.time() - began
    return "right" if max(off, gradient) < bound else "WRONG", said, time.time() - began


def casts_inside(module, args, kwargs, output):
    """Whether a module of double precision computes in single precision somewhere."""
    seen = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            found = function(*args, **kwargs or {})
            if isinstance(found, torch.Tensor) and found.dtype == torch.float32:
                seen.append(function)
            return found
    with torch.no_grad(), Watch():
        module(*args, **kwargs)
    return bool(seen)


def main(arguments):
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    onnx = "--onnx" in arguments
    collection, *chosen = [a for a in arguments if not a.startswith("--")]
    counts = {}
    for name, make in COLLECTIONS[collection]().items():
        if chosen and name not in chosen:
            continue
        result, said, seconds = verdict(make, onnx)
        counts[result] = counts.get(result, 0) + 1
        print(f"{name:28} {result:10} {seconds:5.1f} s  {said}", flush=True)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1:])
