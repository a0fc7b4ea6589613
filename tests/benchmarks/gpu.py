"""How long does an explanation take on a GPU, beside NumPy and beside torch on the same card?

    python -m tests.benchmarks.gpu          # writes docs/gpu.json, and the table in docs/gpu.md from it

1,000 digits by the shipped architecture and a network of the size of VGG-16 are explained by every pass: by NumPy,
by CuPy, and, for the gradient, by torch's automatic differentiation where a torch that sees the card is installed.
Both CuPy and torch compute in full float32 here (TF32 is off). Their times are medians of several runs after one
that warms up; NumPy's is that of one run. On a machine without a device nothing is measured, nothing written.
"""
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import time
from functools import partial

import numpy as np

from minixnn import passes
from minixnn.arrays import array_module, to_numpy
from minixnn.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU
from minixnn.models import recipes
from minixnn.network import Network
from minixnn.rules import composites
from tests.backends.record_cupy import installed_cupy

DOCS = pathlib.Path(__file__).parents[2] / "docs"
NOT_YET = "not yet run on a device"
BEGIN, END = "<!-- from gpu.json: begin -->", "<!-- from gpu.json: end -->"

PASSES = {
    "gradient": passes.gradient,
    "deconvnet": passes.deconvnet,
    "guided backpropagation": passes.guided_backprop,
    "LRP, epsilon": passes.lrp,
    "LRP, epsilon_plus": partial(passes.lrp, rules=composites.epsilon_plus),
    "LRP, epsilon_alpha2_beta1": partial(passes.lrp, rules=composites.epsilon_alpha2_beta1),
    "deep Taylor": partial(passes.deep_taylor, low=0, high=1),
    "DeepLIFT": lambda net, x: passes.deeplift(net, x, 0 * x[:1]),
    "DeepLIFT, RevealCancel": lambda net, x: passes.deeplift_reveal_cancel(net, x, 0 * x[:1]),
}


def vgg16(rng, pixels=224, widths=(64, 128, 256, 512, 512), dense=4096, classes=1000):
    """The layers of VGG-16 (Simonyan & Zisserman 2015, column D), with random weights."""
    layers, channels = [], 3
    for width, convolutions in zip(widths, (2, 2, 3, 3, 3)):
        for _ in range(convolutions):
            layers += [Conv2d.random(3, channels, width, rng), ReLU()]
            channels = width
        layers.append(MaxPool2d(2))
    inputs = channels * (pixels // 2 ** len(widths)) ** 2
    return Network([*layers, Flatten(), Dense.random(inputs, dense, rng), ReLU(),
                    Dense.random(dense, dense, rng), ReLU(), Dense.random(dense, classes, rng)])


def works():
    """(name, network, images, images at a time on the host): what is explained."""
    rng = np.random.default_rng(0)
    yield "1,000 digits, cnn", recipes.cnn(rng), rng.random((1000, 28, 28, 1), dtype="float32"), 100
    yield "VGG-16, 224 x 224", vgg16(rng), rng.random((8, 224, 224, 3), dtype="float32"), 1


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


def measure(xp, wait, work, torch=None, repeats=7, passes=PASSES):
    """One row a network and pass: milliseconds by NumPy, by the array module `xp`, and by torch for the gradient."""
    rows = []
    for name, net, images, size in work:
        there, x = net.on(xp), xp.asarray(images)
        net.forward(images[:size])                                      # NumPy warms up
        for title, pass_ in passes.items():
            expected, numpy_ms = timed_ms(lambda: explain(pass_, net, images, size))
            row = {"work": name, "pass": title, "images": len(images), "numpy_ms": numpy_ms,
                   "device_ms": median_ms(lambda: explain(pass_, there, x, len(x)), wait, repeats),
                   "difference": difference(explain(pass_, there, x, len(x)), expected)}
            if torch is not None and title == "gradient":
                row["torch_ms"] = torch_gradient_ms(torch, net, images, expected, repeats)
            rows.append(row)
            print(f"{name}, {title}: {numpy_ms:.1f} ms by NumPy, {row['device_ms']:.1f} ms on the device", flush=True)
    return rows


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


def table(record):
    """The markdown that docs/gpu.md shows of `record`, the content of gpu.json, or of None."""
    if record is None:
        return f"The table: {NOT_YET}."
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    lines = [f"{record['date']}, {record['card']}, driver {record['driver']}; host: {record['host']}; {versions}.",
             "",
             "| network | pass | images | NumPy, ms | CuPy, ms | NumPy / CuPy | torch, ms | CuPy / torch | differs |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in record["rows"]:
        torch = row.get("torch_ms")
        lines.append(f"| {row['work']} | {row['pass']} | {row['images']} | {row['numpy_ms']:.1f} "
                     f"| {row['device_ms']:.1f} | {row['numpy_ms'] / row['device_ms']:.1f} "
                     + (f"| {torch:.1f} | {row['device_ms'] / torch:.2f} " if torch else "| | ")
                     + f"| {row['difference']:.0e} |")
    return "\n".join(lines)


def written(page, record):
    """`page` with the table of `record` between its two marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table(record)}\n{END}{rest.split(END)[1]}"


def driver(cupy):
    """The version of the driver, as nvidia-smi has it; without that program the CUDA version it serves."""
    if shutil.which("nvidia-smi"):
        return subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"],
                              capture_output=True, text=True, check=True).stdout.strip()
    return f"for CUDA {cupy.cuda.runtime.driverGetVersion()}"


def torch_on_the_card():
    """torch, if it is installed and sees the card; else None."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def main():
    cupy, missing = installed_cupy()
    if missing:
        print(f"{NOT_YET}: {missing}")
        return
    torch = torch_on_the_card()
    versions = {"Python": platform.python_version(), "NumPy": np.__version__, "CuPy": cupy.__version__,
                "CUDA": str(cupy.cuda.runtime.runtimeGetVersion())}
    if torch is not None:
        versions["torch"] = torch.__version__
    record = {"date": datetime.date.today().isoformat(), "driver": driver(cupy), "versions": versions,
              "card": cupy.cuda.runtime.getDeviceProperties(0)["name"].decode(),
              "host": f"{platform.machine()}, {os.cpu_count()} cores",
              "rows": measure(cupy, cupy.cuda.get_current_stream().synchronize, works(), torch)}
    (DOCS / "gpu.json").write_text(json.dumps(record, indent=2) + "\n")
    page = DOCS / "gpu.md"
    page.write_text(written(page.read_text(), record))
    print(table(record))


if __name__ == "__main__":
    main()
