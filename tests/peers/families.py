"""Public architectures, small and with random weights: right, refused (in which words), or WRONG.

    python -m tests.peers.families timm                       all of one collection: timm, torchvision, segmentation,
    python -m tests.peers.families transformers bert gpt2     transformers, embeddings, masks; or some of it, by name
    python -m tests.peers.families --onnx timm                by torch.onnx.export and from_onnx
    python -m tests.peers.families --sample                   a dozen of all collections
    python -m tests.peers.families --record timm              and keep what was found, for `families_page.py`

A network is right if its outputs and input gradients are torch's, to 1e-9 of the largest in float64, or to 1e-4 in
float32 where the module computes in float32 whatever it is given. Then LRP runs through it, and its ledger adds up.
Each runs in a process of its own, of limited time and memory.
"""
import fcntl
import json
import logging
import multiprocessing
import pathlib
import resource
import sys
import tempfile
import time
import warnings

import numpy as np

from minixnn import passes
from minixnn.interop import from_torch
from minixnn.interop.torch_program import evaluating
from minixnn.ledger import ledger
from minixnn.rules import composites
from tests.peers import beside, libraries
from tests.peers.families_page import RECORD, records
from tests.peers.zoo import COLLECTIONS, LIBRARY, SAMPLE

torch = libraries.torch
BOUNDS = {"float64": 1e-9, "float32": 1e-4}
SECONDS, BYTES = 400, 16 * 2 ** 30          # of computing, for each; three times as long where others compute, too


def randomised(module, run, seed=0):
    """The module with parameters of some size everywhere, so that nothing is hidden behind a zero.

    The statistics of batch norms are those of its own activations, moved at random: from others, numbers grow from
    layer to layer until rounding decides. run: runs the module once.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if not value.is_floating_point() or not value.numel():
                continue
            constant = value.numel() > 1 and value.min() == value.max()
            if isinstance(value, torch.nn.Parameter) and (constant or value.abs().max() < 0.05):
                value.add_(0.05 * torch.randn(value.shape, generator=generator).to(value))
            if isinstance(value, torch.nn.Parameter) and value.ndim > 1 and value.std() > 0:
                value.mul_(max(1, (value.numel() / len(value)) ** -0.5 / value.std()))    # that no signal dies
        norms = [part for part in module.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)
                 and part.running_var is not None]
        for part in norms:
            part.momentum, _ = 1.0, part.train()
        run(module)
        for part in norms:
            mean, variance = part.running_mean, part.running_var
            mean.add_(0.2 * variance.sqrt() * torch.randn(mean.shape, generator=generator).to(mean))
            variance.add_(variance.mean() / 2 + 1e-3).mul_(torch.rand(mean.shape, generator=generator).to(mean) + 0.5)
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


def made(make):
    """(module, args, kwargs, output, dtype) of a family, with random weights."""
    torch.manual_seed(0)
    entry = make()
    dtype = entry.get("dtype", "float64")

    def widened(value):
        return value.to(getattr(torch, dtype)) if value.is_floating_point() else value
    module = entry["module"].to(getattr(torch, dtype)).eval()
    args = tuple(map(widened, entry.get("args", ())))
    kwargs = {name: widened(value) for name, value in entry.get("kwargs", {}).items()}
    module = randomised(module, lambda module: module(*args, **kwargs))
    with torch.no_grad():
        pick(module(*args, **kwargs), entry.get("output"))
    return module, args, kwargs, entry.get("output"), dtype


def three(value):
    """Three rows of what the example has two of: the last in another order."""
    return torch.cat([value, value[:1].roll(1, -1)])


def ours(net, given):
    """What enters the Network, of the module's tensors."""
    channels = net.card.layout == "channels first"
    arrays = [moved(v.detach().numpy(), channels and v.is_floating_point()) for v in given]
    return arrays[0] if len(arrays) == 1 else tuple(arrays)


def differences(net, module, args, kwargs, output, dtype):
    """How far outputs and input gradients of three inputs are from torch's, as parts of the largest."""
    names = list(kwargs) or list(range(len(args)))
    given = [three(v) for v in (kwargs.values() if kwargs else args)]
    given = [v.detach().requires_grad_() if v.is_floating_point() else v for v in given]
    theirs = pick(module(**dict(zip(names, given))) if kwargs else module(*given), output)
    channels = net.card.layout == "channels first"
    x = ours(net, given)
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
    dx = passes.gradient(net, x, start=start, only_input=True)[0]
    dx = [a for a, v in zip(dx if isinstance(dx, tuple) else (dx,), given) if v.requires_grad]
    worst = 0.0
    for mine, theirs_dx in zip(dx, grads):
        theirs_dx = np.zeros_like(mine) if theirs_dx is None else moved(theirs_dx.numpy(), channels)
        worst = max(worst, largest(mine - theirs_dx) / max(largest(theirs_dx), 1e-30))
    return off, worst


def exported(module, args, kwargs, path):
    """(a function that reads the file written to path, which of torch's exporters wrote it)"""
    import onnx
    from minixnn.interop import from_onnx
    names = list(kwargs) or [f"x{n}" if n else "x" for n in range(len(args))]
    with evaluating(torch, module):
        try:
            torch.onnx.export(module, args, path, kwargs=kwargs or None, dynamo=True, verbose=False,
                              external_data=False, input_names=names if not kwargs else None,
                              dynamic_shapes={k: {0: torch.export.Dim("batch")} for k in kwargs} if kwargs else
                              tuple({0: torch.export.Dim("batch")} for _ in args))
            onnx.checker.check_model(path)
            exporter = "newer"
        except Exception as error:
            try:
                torch.onnx.export(module, args, path, kwargs=kwargs or None, dynamo=False, opset_version=18,
                                  input_names=names, dynamic_axes={name: {0: "batch"} for name in names})
                exporter = "older"
            except Exception:
                raise error from None
    first = onnx.load(path, load_external_data=False).graph.output[0].name
    return lambda: from_onnx(path, output=first), exporter  # the one that `pick` takes, in all of the collections


def compared(make, onnx=False):
    """(what there is to say, and if it is right: the Network, module, args, kwargs, output)"""
    try:
        module, args, kwargs, output, dtype = made(make)
    except Exception as error:
        return {"result": "no example", "said": f"{type(error).__name__}: {str(error)[:200]}"}, None
    written = {}
    try:
        if onnx:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    read, written["exporter"] = exported(module, args, kwargs, f"{folder}/net.onnx")
                except Exception as error:
                    return {"result": "not exported", "said": f"{type(error).__name__}: {str(error)[:200]}"}, None
                net = read()
        else:
            net = from_torch(module, example=kwargs or args, output=output)
    except ValueError as error:
        return {"result": "refused", "said": str(error)[:400], **written}, None
    except Exception as error:
        return {"result": "WRONG ERROR", "said": f"{type(error).__name__}: {str(error)[:300]}"}, None
    try:
        off, gradient = differences(net, module, args, kwargs, output, dtype)
    except MemoryError:
        return {"result": "ended", "said": f"more than {BYTES // 2 ** 30} GiB"}, None
    except Exception as error:
        return {"result": "WRONG", "said": f"{type(error).__name__}: {str(error)[:300]}"}, None
    hard = any("hard" in type(part).__name__.lower() for part in module.modules())
    bound = max(BOUNDS[dtype], 1e-6 if onnx else 1e-7 if hard else 0)
    right, said = max(off, gradient) < bound, ""
    if right and max(off, gradient) > BOUNDS[dtype]:
        said = "a file has its numbers in float32" if onnx else "the sixth of torch's hard sigmoid is in float32"
    if not right and dtype == "float64" and max(off, gradient) < 1e-4 and casts_inside(module, args, kwargs):
        right, said = True, "it computes in float32"
    found = {"result": "right" if right else "WRONG", "said": said, "outputs": float(f"{off:.1e}"),
             "gradients": float(f"{gradient:.1e}"), "layers": len(net.layers), **written}
    return found, (net, module, args, kwargs, output) if right else None


def casts_inside(module, args, kwargs):
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


def explained(net, x):
    """Relevance by AttnLRP's composite: how far its ledger is from adding up, or the sentence that refuses it."""
    y = net.forward(x)
    try:
        book = ledger(net, x, None, composites.attn_lrp, y if y.ndim > 2 else None, quiet=True)
    except (ValueError, NotImplementedError) as error:
        return {"lrp": "refused", "lrp_said": str(error)[:300]}
    except MemoryError:
        return {"lrp": "ended", "lrp_said": f"more than {BYTES // 2 ** 30} GiB"}
    except Exception as error:
        return {"lrp": "WRONG ERROR", "lrp_said": f"{type(error).__name__}: {str(error)[:300]}"}
    residual, right = book.largest_residual, book.largest_residual < (1e-9 if y.dtype == np.float64 else 1e-3)
    return {"lrp": "right" if right else "WRONG", "residual": float(f"{residual:.1e}")}


def beside_others(net, module, args, kwargs, output):
    """{"zennit" or "lxt": how far their relevance is from ours}, where they know all parts."""
    try:
        if args and libraries.zennit is not None:
            return {"zennit": float(f"{beside.to_zennit(net, ours(net, args)):.1e}")}
        if list(kwargs) in (["inputs_embeds"], ["pixel_values"]) and libraries.lxt is not None:
            (name, value), = kwargs.items()
            return {"lxt": float(f"{beside.to_lxt(net, module, name, value, output):.1e}")}
    except ValueError as error:
        return {"unknown": str(error)[:100]}
    except Exception as error:
        return {"unknown": f"{type(error).__name__}: {str(error)[:200]}"}
    return {}


def child(pipe, collection, name, onnx):
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    sys.stdout = sys.stderr = open("/dev/null", "w")
    torch.set_num_threads(1)
    found, right = compared(COLLECTIONS[collection]()[name], onnx)
    pipe.send(found)
    if right is None:
        return
    net, _, args, kwargs, _ = right
    pipe.send(explained(net, ours(net, kwargs.values() if kwargs else args)))
    pipe.send({} if onnx else beside_others(*right))


def measured(collection, name, onnx=False, seconds=3 * SECONDS):
    """What is found of one family, in a process of its own."""
    began, context = time.time(), multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(there, collection, name, onnx))
    process.start()
    there.close()
    found = {"collection": collection, "name": name, "by": "onnx" if onnx else "torch", "result": "ended", "said": ""}
    try:
        for _ in range(3):
            if not here.poll(max(0, began + seconds - time.time())):
                found["said"] = found["said"] or f"not done in {seconds} s"
                break
            found.update(here.recv())
    except EOFError:                                        # it has no more to say, or could not say it
        process.join()
        if found["result"] == "ended":
            found["said"] = f"its process ended with {process.exitcode}"
    process.kill()
    process.join()
    return {**found, "seconds": round(time.time() - began, 1)}


def shown(found):
    said = found["said"]
    if "outputs" in found:
        said = f"outputs {found['outputs']:.0e}, gradients {found['gradients']:.0e}, {found['layers']} layers, LRP " \
               f"{found.get('residual', found.get('lrp_said', 'not done'))} {said}"
        said += "".join(f" {name} {found[name]:.0e}" for name in ("zennit", "lxt") if name in found)
    return f"{found['collection']:12} {found['name']:26} {found['result']:11} {found['seconds']:5.1f} s  {said}"


def keep(found):
    """Replace what is kept of this family."""
    with open(pathlib.Path(tempfile.gettempdir()) / "families.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)                    # two may run beside each other
        kept = records() if RECORD.exists() else {}
        kept[found["collection"], found["by"], found["name"]] = found
        RECORD.write_text("".join(json.dumps(each) + "\n" for _, each in sorted(kept.items())), encoding="utf-8")


def main(arguments):
    flags = {a for a in arguments if a.startswith("--")}
    collection, *names = [a for a in arguments if not a.startswith("--")] or [""]
    chosen = SAMPLE if "--sample" in flags else [(collection, n) for n in names or COLLECTIONS[collection]()]
    for library in dict.fromkeys(LIBRARY[collection] for collection, _ in chosen):
        if libraries.load(library) is None:
            print(libraries.REASONS[library])
            return 2
    counts = {}
    for collection, name in chosen:
        found = measured(collection, name, "--onnx" in flags)
        counts[found["result"]] = counts.get(found["result"], 0) + 1
        print(shown(found), flush=True)
        if "--record" in flags:
            keep(found)
    print(json.dumps(counts))
    return bool(set(counts) - {"right"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
