"""Malformed files and calls, drawn from a seed. Whatever comes in, out come an answer or a documented exception.

    python -m tests.fuzz --cases 5000 --seed 7          # what failed is printed with the command that repeats it
    python -m tests.fuzz --only "onnx file" --cases 500

Each case has a seed of its own, a few seconds, and a share of the memory that the process is bound to. Files of every
format that minixnn reads are changed in their bytes and in their structure; public functions get arguments of wrong
types, shapes and sizes; the command line gets both.
"""
import argparse
import contextlib
import io
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import traceback
import warnings

import numpy as np

from minixnn import Network, attribution, datasets, metrics, passes, synthesis, train
from minixnn import layers as kinds
from minixnn.cli import main as command_line
from minixnn.ledger import ledger
from minixnn.rules import composites, lrp
from tests.registry import EXAMPLES, MORE, WRITTEN

SECONDS, MEMORY = 10, 4 * 2 ** 30       # of one case; address space of the whole process
# What a call may raise: ValueError and TypeError for what came, OSError and ImportError for the world outside,
# NotImplementedError for a method that a layer lacks, IndexError for what is not in a list.
DOCUMENTED = (ValueError, TypeError, OSError, ImportError, NotImplementedError, IndexError)
OVERFLOWING = (0, 1, -1, 2 ** 31, 2 ** 63, -2 ** 63, 10 ** 30, 255, 65536)
STRANGE = (None, True, 0, -1, 3, 1.5, -0.5, 10 ** 9, float("nan"), float("inf"), "", "a", "cnn", b"x", [], [1], (2, 3),
           {}, {"a": 1}, [[1.0]], object(), np.float32(2), np.array(1), np.ones(0), np.ones(3), np.ones((2, 2), int),
           np.ones((2, 3, 4, 5)), np.array(["a"]), np.array([None]), np.full((2, 2), np.nan), 1j, print, len)


# --- changes ---------------------------------------------------------------------------------------------------------

def damaged(data, r):
    """Bytes with one to four changes."""
    data = bytearray(data)
    for _ in range(r.randint(1, 4)):
        place = r.randrange(len(data) + 1)
        size = r.choice((1, 1, 2, 4, 8, 64, len(data)))
        change = r.choice(("flip", "cut", "drop", "repeat", "fill", "number", "digits"))
        if change == "flip" and place < len(data):
            data[place] ^= 1 << r.randrange(8)
        elif change == "cut":
            del data[place:]
        elif change == "drop":
            del data[place:place + size]
        elif change == "repeat":
            data[place:place] = data[place:place + size][:4096]
        elif change == "fill":
            data[place:place + size] = bytes([r.choice((0, 255, 65))]) * len(data[place:place + size])
        elif change == "number":
            data[place:place + 8] = (r.choice(OVERFLOWING) % 2 ** 64).to_bytes(8, r.choice(("little", "big")))
        elif digits := [n for n, byte in enumerate(data[:2000]) if 48 <= byte < 58]:
            data[r.choice(digits)] = r.choice(b"0123456789-.e")
    return bytes(data)


def other(value, r, depth=0):
    """Plain JSON with one entry somewhere in it changed."""
    if isinstance(value, dict) and value and r.random() < 0.85:
        key = r.choice(list(value))
        if r.random() < 0.15:
            return {name: entry for name, entry in value.items() if name != key}
        return {**value, key: other(value[key], r, depth + 1)}
    if isinstance(value, list) and value and r.random() < 0.85:
        n = r.randrange(len(value))
        return r.choice((value[:n] + value[n + 1:], value[:n] + [other(value[n], r, depth + 1)] + value[n + 1:],
                         value + value[:1]))
    return r.choice((None, True, 0, -1, 1, 2, 10 ** 9, 0.5, -1.5, 1e300, "", "a", "same", [], [1, 2], {},
                     [[0, 10 ** 9]] * 2, "W", "ReLU", "Dense", "Graph", "Layer", "Prepare", [{}], float("nan")))


def strange(array, r):
    """An array like `array`, in which something is not as it should be; or no array at all."""
    change = r.choice(("type", "shape", "numbers", "size", "other", "list"))
    if change == "type":
        with np.errstate(all="ignore"):
            return array.astype(r.choice((int, np.uint8, bool, complex, np.float16, np.float64, object, "U3", ">f4")))
    if change == "shape":
        return r.choice((array[None], array[0], array.reshape(-1), array.T, array[..., None], array[..., :1]))
    if change == "numbers" and array.dtype.kind == "f":
        return array * r.choice((np.nan, np.inf, -1, 0, 1e38, 1e-42))
    if change == "size":
        twice = np.concatenate([array] * 2, axis=r.randrange(array.ndim))
        return r.choice((array[:0], array[..., :0], array[:1], twice))
    return array.tolist() if change == "list" else r.choice(STRANGE)


# --- cases -----------------------------------------------------------------------------------------------------------

def small_network(r):
    """A network of one to three kinds of layers and a head, that takes the images beside it; (net, x)."""
    rng = np.random.default_rng(r.randrange(2 ** 32))
    x = rng.random((3, 6, 7, 2)).astype("f4")
    middle = r.choice((kinds.MaxPool2d(2), kinds.AvgPool2d(2, 1, 1), kinds.GELU(), kinds.Sigmoid(), kinds.LayerNorm(),
                       kinds.Residual([kinds.Tanh()]), kinds.Branches([[], [kinds.ReLU()]]), kinds.Upsample(2)))
    layers = [kinds.Conv2d.random(3, 2, 4, rng), kinds.ReLU(), middle, kinds.Flatten()]
    width = Network(layers).forward(x).shape[1]
    net = Network([*layers, kinds.Dense.random(width, 3, rng)])
    net = net.with_card(input_shape=(6, 7, 2), labels=["a", "b", "c"], head="Softmax")
    return (net.with_card(0.5, 0.25) if r.random() < 0.3 else net), x


def saved_network(r, folder):
    """The path of a saved network: a small one, or a single layer of any kind."""
    if r.random() < 0.5:
        net, _ = small_network(r)
    else:
        net = Network([r.choice([*EXAMPLES.values(), *WRITTEN.values()])[0]])
    net.save(folder / "net.npz")
    return folder / "net.npz"


def network_bytes(r, folder):
    path = saved_network(r, folder)
    path.write_bytes(damaged(path.read_bytes(), r))
    use(Network.load(path))


def network_entries(r, folder):
    """The architecture or an array of a saved network is another, and the file is whole."""
    path = saved_network(r, folder)
    with np.load(path) as file:
        entries = {name: file[name] for name in file.files}
    if r.random() < 0.7:
        header = json.loads(str(entries["architecture"]))
        for _ in range(r.randint(1, 3)):
            header = other(header, r)
        entries["architecture"] = np.array(json.dumps(header))
    else:
        name = r.choice(list(entries))
        changed = strange(entries[name], r) if entries[name].dtype.kind == "f" else r.choice(STRANGE)
        entries[name] = np.array(changed) if not isinstance(changed, np.ndarray) and changed != [] else changed
    entries = {name: a for name, a in entries.items() if getattr(a, "dtype", np.dtype("O")).kind != "O"}
    np.savez(path, **entries)
    use(Network.load(path))


def use(net):
    """What is done with a network that could be read: it is described, and shown an image if it says which."""
    net.describe()
    shape = net.card.input_shape
    if shape is not None and len(shape) == 3 and None not in shape and np.prod(shape, dtype=float) < 1e6:
        x = np.full((1, *shape), 0.5, np.float32)
        net.forward(x)
        attribution.lrp(net, x)


def onnx_model():
    """A small graph: convolution, ReLU, pool, flatten, dense."""
    import onnx
    from onnx import helper, numpy_helper
    rng = np.random.default_rng(0)
    weights = {"K": rng.normal(size=(3, 2, 3, 3)), "B": rng.normal(size=3), "W": rng.normal(size=(27, 4)),
               "mean": np.ones((1, 2, 1, 1)), **{f"n{n}": rng.random(3) + 0.5 for n in range(4)}}
    nodes = [helper.make_node("Sub", ["x", "mean"], ["z"]),
             helper.make_node("Conv", ["z", "K", "B"], ["a"], pads=[1, 1, 1, 1], strides=[1, 1], kernel_shape=[3, 3]),
             helper.make_node("BatchNormalization", ["a", "n0", "n1", "n2", "n3"], ["b"], epsilon=1e-5),
             helper.make_node("Relu", ["b"], ["c"]),
             helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
             helper.make_node("Flatten", ["d"], ["e"], axis=1),
             helper.make_node("Gemm", ["e", "W"], ["f"], alpha=1.0),
             helper.make_node("Softmax", ["f"], ["y"], axis=1)]
    value, kind = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = helper.make_graph(nodes, "g", [value("x", kind, ["N", 2, 6, 6])], [value("y", kind, ["N", 4])],
                              [numpy_helper.from_array(a.astype("f4"), name) for name, a in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx_file(r, folder):
    """A node's kind, inputs or attributes, or a constant, is another; or the bytes are damaged."""
    from onnx import helper

    from minixnn.interop import from_onnx
    model = onnx_model()
    for _ in range(r.randint(1, 3)):
        node, weight = r.choice(model.graph.node), r.choice(model.graph.initializer)
        what = r.choice(("kind", "inputs", "attribute", "dims", "type", "data", "shape", "drop", "new"))
        if what == "kind":
            node.op_type = r.choice(("Conv", "Add", "Relu", "Reshape", "Sum", "Concat", "Pow", "Clip", "Loop", "",
                                     "Pad", "ConvTranspose", "Resize", "Slice", "ReduceMean", "MatMul"))
        elif what == "inputs":
            names = [name for n in model.graph.node for name in (*n.input, *n.output)]
            node.input[:] = [r.choice(names) for _ in range(r.randrange(4))]
        elif what == "attribute" and node.attribute:
            attribute = r.choice(node.attribute)
            value = r.choice((0, -1, 7, 10 ** 9, [0, 0], [10 ** 9] * 4, [-1] * 2, [], "BOGUS", 0.5, float("nan")))
            node.attribute.remove(attribute)
            with contextlib.suppress(ValueError):               # onnx makes no attribute of an empty list
                node.attribute.append(helper.make_attribute(attribute.name, value))
        elif what == "new":
            name = r.choice(("auto_pad", "group", "dilations", "ceil_mode", "axis", "transA", "count_include_pad"))
            node.attribute.append(helper.make_attribute(name, r.choice((0, 1, 5, -3, "BOGUS", "SAME_UPPER", [2, 2]))))
        elif what == "dims":
            weight.dims[:] = r.choice(([], [0, 1, 3, 3], [-1], [10 ** 6] * 4, [27], [1] * 5, list(weight.dims)[::-1]))
        elif what == "type":
            weight.data_type = r.choice((0, 2, 7, 8, 9, 10, 11, 14, 16, 99))
        elif what == "data":
            weight.raw_data = damaged(weight.raw_data, r)
        elif what == "shape":
            size = model.graph.input[0].type.tensor_type.shape.dim[r.randrange(4)]
            size.dim_value = r.choice((0, 1, 5, 10 ** 6, -1))
        elif what == "drop":
            model.graph.node.remove(node)
    data = model.SerializeToString()
    (folder / "net.onnx").write_bytes(damaged(data, r) if r.random() < 0.3 else data)
    use(from_onnx(str(folder / "net.onnx")))


def layer_made(r, folder):
    """A layer with one argument changed, made and used."""
    layer, shape = r.choice([*EXAMPLES.values(), *MORE.values()])
    arguments = {**layer.settings(), **layer.arrays()}
    if arguments:
        name = r.choice(list(arguments))
        value = arguments[name]
        arguments[name] = strange(value, r) if isinstance(value, np.ndarray) else r.choice(STRANGE)
    x = np.random.default_rng(0).normal(size=shape).astype("f4")
    layer = type(layer)(**arguments)
    Network([layer]).forward(x if r.random() < 0.5 else strange(x, r))


def public_calls(net, x):
    """(function, its arguments) of the public calls that are tried."""
    rng, labels = np.random.default_rng(0), np.array([0, 1, 2])
    for name, method in attribution.METHODS.items():
        yield method, {"net": net, "x": x, "target": 1}
    for name in ("gradient", "deconvnet", "guided_backprop", "lrp", "deep_taylor"):
        yield getattr(passes, name), {"net": net, "x": x, "target": 1, "start": None}
    for name in ("deeplift", "deeplift_reveal_cancel"):
        yield getattr(passes, name), {"net": net, "x": x, "x_ref": x[:1] * 0, "target": 1}
    for rules in (lrp.epsilon, composites.epsilon_plus, composites.epsilon_gamma_box):
        yield passes.lrp, {"net": net, "x": x, "target": 1, "rules": rules}
        yield ledger, {"net": net, "x": x, "target": 1, "rules": rules, "quiet": True}
    yield attribution.integrated_gradients, {"net": net, "x": x, "target": 1, "baseline": x[:1], "steps": 3}
    yield attribution.smoothgrad, {"net": net, "x": x, "target": 1, "samples": 2, "noise": 0.1}
    yield attribution.occlusion, {"net": net, "x": x, "target": 1, "size": 3, "stride": 2, "value": 0}
    yield attribution.grad_cam, {"net": net, "x": x, "target": 1, "layer": 2}
    yield attribution.contrast, {"net": net, "x": x, "target": 1, "other": 2}
    yield attribution.unit, {"net": net, "x": x, "index": 1}
    yield net.predict, {"x": x, "batch_size": 2, "workers": 1}
    yield net.probabilities, {"x": x}
    yield net.with_card, {"mean": 0.5, "std": 2, "input_shape": (6, 7, 2), "labels": ["a", "b", "c"],
                          "head": "Softmax"}
    yield net.describe, {"rules": lrp.epsilon, "x": x}
    yield net.astype, {"dtype": "float64"}
    yield Network, {"layers": net.layers}
    yield metrics.continuity, {"method": "gradient", "net": net, "images": x, "target": 1, "quiet": True}
    yield metrics.selectivity, {"method": "gradient", "net": net, "images": x, "steps": 2, "quiet": True}
    yield metrics.sanity_check, {"method": "gradient", "net": net, "images": x, "rng": rng, "quiet": True}
    yield metrics.translate, {"images": x, "down": 1, "right": -1}
    yield train.cross_entropy, {"logits": net.predict(x), "labels": labels}
    yield train.fit, {"net": net, "images": x, "labels": labels, "epochs": 1, "rng": rng, "quiet": True}
    yield synthesis.activation_maximization, {"net": net, "target": [1], "shape": (6, 7, 2), "steps": 2}
    yield datasets.shifted, {"images": x, "rng": rng, "reach": 1}


def public_call(r, folder):
    """A public function with one or two arguments changed."""
    net, x = small_network(r)
    function, arguments = r.choice(list(public_calls(net, x)))
    for name in r.sample(list(arguments), min(len(arguments), r.randint(1, 2))):
        value = arguments[name]
        arguments[name] = strange(value, r) if isinstance(value, np.ndarray) else r.choice(STRANGE)
        if arguments[name] == 10 ** 9 and name in ("steps", "samples", "epochs"):
            arguments[name] = value                             # would be done, and take its time
    function(**arguments)


def picture_bytes(r):
    """A name and the bytes of a picture, an array or a table, damaged or strange."""
    from PIL import Image
    rng = np.random.default_rng(r.randrange(2 ** 32))
    grey, out = rng.integers(0, 256, (6, 7), np.uint8), io.BytesIO()
    kind = r.choice(("png", "gif", "tiff", "jpg", "bmp", "webp", "npy", "npy", "csv"))
    if kind == "npy":
        array = rng.random((3, 6, 7, 2)).astype("f4") if r.random() < 0.5 else grey
        changed = strange(array, r)
        np.save(out, changed if isinstance(changed, np.ndarray) and changed.dtype != object else array)
    elif kind == "csv":
        out.write(r.choice(("a,b\n1,2\n", "1;2;3\n4;5\n", '"x\n', "\n\n", "1,2\n3,nan\n")).encode())
    else:
        mode = r.choice(("L", "RGB", "P", "1", "I;16", "F", "RGBA", "CMYK", "LA"))
        image = Image.fromarray(grey).convert("L" if mode in ("I;16", "F") else mode)
        image = Image.fromarray(np.uint16(grey)) if mode == "I;16" else image
        with contextlib.suppress(OSError, KeyError):            # a mode that the format does not have
            image.save(out, "jpeg" if kind == "jpg" else kind)
    data = out.getvalue()
    return kind, damaged(data, r) if data and r.random() < 0.6 else data


def command(r, folder):
    """The command line on a folder of strange files, with strange options."""
    net, _ = small_network(r)
    net.save(folder / "net.npz")
    Network([kinds.Dense(np.ones((2, 2), "f4"))]).save(folder / "rows.npz")
    for n in range(r.randint(1, 4)):
        kind, data = picture_bytes(r)
        (folder / f"p{n}.{kind}").write_bytes(data)
    net = folder / r.choice(("net.npz", "rows.npz"))
    words = [r.choice(("explain", "explain", "explain", "ledger", "methods", "models", "explode", "")),
             *(str(path) for path in sorted(folder.glob("p*"))), "--model", str(net)]
    if words[0] == "explain":
        words += ["-o", str(folder / "out")] + ["--no-figures"] * (r.random() < 0.7)
    values = ("0", "1", "-1", "a", "c", "", "1e9", "nan", "6x7", "3x3", "99999x99999", "0.5", "0.5,0.5", "epsilon=1",
              "steps=2", "epsilon=a", "=", "gradient", "lrp_epsilon", "cam", "deep_taylor", "\u2460")
    for _ in range(r.randrange(4)):
        words += [r.choice(("--target", "--versus", "--size", "--set", "--method", "--mean", "--std", "--batch-size",
                            "--workers", "--labels", "--rule", "--resume", "--invert")), r.choice(values)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = command_line(words)
    assert status in (0, 1, 2), f"status {status} of {words}"
    assert "Traceback" not in said.getvalue()


CASES = {"bytes of a network": network_bytes, "entries of a network": network_entries,
         "onnx file": onnx_file, "layer": layer_made, "public call": public_call,
         "command line": command}


# --- the runs --------------------------------------------------------------------------------------------------------

class TooSlow(BaseException):
    pass


def too_slow(*_):
    raise TooSlow


def attempt(name, seed):
    """None, or what went wrong: an exception that is not documented, or more than `SECONDS`."""
    r = random.Random(f"{name} {seed}")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, too_slow)
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            CASES[name](r, pathlib.Path(folder))
        except DOCUMENTED:
            return None
        except TooSlow:
            return f"took more than {SECONDS} s\n{traceback.format_exc(limit=-4)}"
        except BaseException:
            return traceback.format_exc(limit=-6)
        finally:
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def bound_memory():
    """Let the process ask for `MEMORY` bytes and no more, where that can be done."""
    with contextlib.suppress(ImportError, ValueError):
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(cases, seed, only=None):
    """[(name, seed, what went wrong)] of so many cases, in turns of each kind."""
    names, failures = [only] if only else list(CASES), []
    for n in range(cases):
        name, each = names[n % len(names)], seed * 1_000_000 + n // len(names)
        problem = attempt(name, each)
        if problem:
            failures.append((name, each, problem))
    return failures


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--case", type=int, help="the number of a single case of --only, as a failure tells it")
    asked = parser.parse_args(arguments)
    bound_memory()
    if asked.case is not None:
        failures = [(asked.only, asked.case, problem) for problem in [attempt(asked.only, asked.case)] if problem]
    else:
        failures = run(asked.cases, asked.seed, asked.only)
    for name, seed, problem in failures:
        print(f'{problem}repeat it: python -m tests.fuzz --only "{name}" --case {seed}\n')
    print(f"{len(failures)} of {1 if asked.case is not None else asked.cases} cases failed")
    return min(len(failures), 1)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main())
