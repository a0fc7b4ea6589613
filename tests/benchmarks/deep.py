"""Eight public architectures beside zennit, captum and LXT: time and peak memory of one explanation.

    python -m tests.benchmarks.deep                         # writes docs/deep.json and the table in docs/speed.md
    python -m tests.benchmarks.deep ResNet-18 GPT-2         # some of them again

Weights are random. Each library explains the same module, in a process of its own with one thread; minixnn explains
the file that it has made of it, as one would who needs no torch any more. All take turns, one explanation each in an
order drawn at random; the time is the median of the processor's, without the first one. Memory is the peak of a process
that has read the network and explained one image, or sequence. Convolutional networks are explained by
epsilon_plus_flat, by zennit's EpsilonPlusFlat and by captum's LRP, transformers by AttnLRP.
"""
import datetime
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import metadata

import numpy as np

DOCS = pathlib.Path(__file__).parents[2] / "docs"
RECORD = DOCS / "deep.json"
PICTURES = {"ResNet-18": "resnet18", "ResNet-50": "resnet50", "DenseNet-121": "densenet121",
            "ConvNeXt-T": "convnext_tiny", "Swin-T": "swin_t"}              # name: torchvision's
TRANSFORMERS = ("ViT-B/16", "BERT-base", "GPT-2")
TOKENS, WIDTH, REPEATS = 128, 768, 7
OTHERS = ("zennit", "captum", "LXT")


def module_of(name):
    """(torch module, example): a picture (1, 3, 224, 224), or the embeddings of 128 tokens."""
    from tests.peers import libraries
    torch = libraries.torch
    torch.manual_seed(0)
    if name in PICTURES:
        return getattr(libraries.load("torchvision").models, PICTURES[name])(weights=None).eval(), picture(torch)
    library = libraries.load("transformers")
    if name == "ViT-B/16":
        model = library.ViTForImageClassification(library.ViTConfig(num_labels=1000))
    else:
        model = library.BertModel(library.BertConfig()) if name == "BERT-base" else \
            library.GPT2Model(library.GPT2Config(use_cache=False))

    class Classified(torch.nn.Module):
        """The logits of a picture; of a text ten scores of its first token, or of its last if that has seen all."""
        def __init__(self):
            super().__init__()
            self.model, self.head = model, torch.nn.Linear(WIDTH, 10)

        def forward(self, x):
            if name == "ViT-B/16":
                return self.model(pixel_values=x).logits
            return self.head(self.model(inputs_embeds=x).last_hidden_state[:, 0 if name == "BERT-base" else -1])
    return Classified().eval(), picture(torch) if name == "ViT-B/16" else torch.randn(1, TOKENS, WIDTH)


def picture(torch):
    return torch.rand(1, 3, 224, 224)


def convert(name, path):
    """Write minixnn's file of the network, and its input beside it."""
    from minixnn.interop import from_torch
    module, x = module_of(name)
    net = from_torch(module, example=(x,))
    net.save(path)
    x = x.numpy()
    np.save(path + ".input.npy", np.ascontiguousarray(np.moveaxis(x, 1, -1)) if x.ndim == 4 else x)


def minixnn(name, path):
    """(a function that explains, its outputs)"""
    from minixnn import Network, attribution
    from minixnn.rules import composites
    net, x = Network.load(path), np.load(path + ".input.npy")
    rules = composites.epsilon_plus_flat if name in PICTURES else composites.attn_lrp
    return lambda: attribution.lrp(net, x, 0, rules), lambda: net.predict(x)


def by_torch(explained):
    """A library that explains modules of torch: explained(name, module, x) returns the function that does it."""
    def contender(name, path):
        module, x = module_of(name)
        return explained(name, module, x), lambda: module(x).detach().numpy()
    return contender


def zennit(name, module, x):
    from tests.peers import libraries
    start = libraries.torch.eye(1000)[[0]]
    attributor = libraries.zennit.attribution.Gradient(module, libraries.zennit.composites.EpsilonPlusFlat())

    def explain():
        with attributor:
            attributor(x, start)
    return explain


def captum(name, module, x):
    from tests.peers import libraries
    rules = libraries.captum.attr._utils.lrp_rules

    def explain():
        for part in module.modules():
            if hasattr(part, "weight"):
                part.rule = rules.Alpha1_Beta0_Rule() if "Conv" in type(part).__name__ else rules.EpsilonRule()
        libraries.captum.attr.LRP(module).attribute(x.clone().requires_grad_(), target=0)
    explain()
    return explain


def lxt(name, module, x):
    from tests.peers import beside, libraries
    beside.patch(module)
    module.model.set_attn_implementation("eager")

    def explain():
        given = x.clone().requires_grad_()
        return given * libraries.torch.autograd.grad(module(given)[0, 0], given)[0]
    return explain


CONTENDERS = {"minixnn": minixnn, "zennit": by_torch(zennit), "captum": by_torch(captum), "LXT": by_torch(lxt)}


def peak():
    """The most memory that this process has held, in MiB."""
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024


def serve(library, name, path):
    """A process of one library: for each line of the input one explanation, and a line that says how it was."""
    out, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    try:
        explain, outputs = CONTENDERS[library](name, path)
        explain()
        answer = {"mib": peak(), "outputs": outputs()[0, :5].tolist()}
    except Exception as error:                              # what a library says that cannot explain this network
        answer = {"absent": f"{type(error).__name__}: {str(error)[:200]}"}
    print(json.dumps(answer), file=out, flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        explain()
        print(json.dumps(time.process_time() - start), file=out, flush=True)


def measure(name, folder):
    """{library: {"seconds", "mib"} or {"absent": why}}"""
    path, found, processes = f"{folder}/net.npz", {}, {}
    program = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.deep"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
                   "HF_HUB_OFFLINE": "1"}
    subprocess.run([*program, "--convert", name, path], env=environment, check=True, stderr=subprocess.DEVNULL)
    for library in ("minixnn", *(("zennit", "captum") if name in PICTURES else ("LXT",))):      # one after the other
        process = subprocess.Popen([*program, "--serve", library, name, path], stdin=subprocess.PIPE, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        found[library] = json.loads(process.stdout.readline() or '{"absent": "its process ended"}')
        if "absent" in found[library]:
            process.stdin.close()
            process.wait()
        else:
            processes[library] = process
    outputs = {library: found[library].pop("outputs") for library in processes}
    for library in processes:
        np.testing.assert_allclose(outputs[library], outputs["minixnn"], atol=1e-3, err_msg="they must be one network")
    seconds = {library: [] for library in processes}
    for _ in range(REPEATS):
        for library in random.sample(list(processes), len(processes)):
            processes[library].stdin.write("\n")
            processes[library].stdin.flush()
            seconds[library].append(json.loads(processes[library].stdout.readline()))
    for library, process in processes.items():
        found[library]["seconds"] = statistics.median(seconds[library])
        process.stdin.close()
        process.wait()
    return found


def row(name, found):
    """A line of the table: seconds and MiB of ours, and how many times as much the others take."""
    ours = found["minixnn"]
    cells = [f"{ours['seconds']:.2f}", *(
        f"{found[library]['seconds'] / ours['seconds']:.2f}" if "seconds" in found.get(library, ()) else "-"
        for library in OTHERS), f"{ours['mib']:.0f}", *(
        f"{found[library]['mib']:.0f}" if "mib" in found.get(library, ()) else "-" for library in OTHERS)]
    return f"| {name} | {' | '.join(cells)} |"


HEAD = """| network | minixnn, s | zennit | captum | LXT | minixnn, MiB | zennit | captum | LXT |
|---|--:|--:|--:|--:|--:|--:|--:|--:|"""


def section(record):
    """The part of docs/speed.md on these networks."""
    absent = {f"- {library} on {name}: {each['absent'].partition('. ')[0]}"
              for name, found in record["networks"].items() for library, each in found.items() if "absent" in each}
    return ["## Deep networks", "", "Written by `python -m tests.benchmarks.deep`. One explanation of one image of "
            "224 x 224 pixels, or of 128", "tokens: the median of the processor's time, and for the other libraries "
            "how many times as long they take; then the", "peak memory of a process that has read the network and "
            "explained once. Random weights, one thread. Convolutional", "networks and Swin-T by epsilon_plus_flat "
            "(zennit: `EpsilonPlusFlat()`), ViT, BERT and GPT-2 by AttnLRP.", "",
            f"{record['date']}, {record['machine']}; " + ", ".join(f"{k} {v}" for k, v in record["versions"].items()),
            "", HEAD, *(row(name, found) for name, found in record["networks"].items()), "",
            *sorted(absent)]


def main(names):
    from tests.benchmarks.__main__ import page, processor, versions
    record = json.loads(RECORD.read_text()) if names else {"networks": {}}
    also = {library: metadata.version(library) for library in ("lxt", "torchvision", "transformers")}
    record.update(date=datetime.date.today().isoformat(), machine=processor(), versions={**versions(), **also})
    print(HEAD, flush=True)
    for name in names or (*PICTURES, *TRANSFORMERS):
        with tempfile.TemporaryDirectory() as folder:
            record["networks"][name] = measure(name, folder)
        print(row(name, record["networks"][name]), flush=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n")      # after each: a run that is broken off has them too
    (DOCS / "speed.md").write_text(page(json.loads((DOCS / "speed.json").read_text())))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--convert"]:
        convert(*sys.argv[2:])
    elif sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main(sys.argv[1:])
