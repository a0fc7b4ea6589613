"""docs/architectures.md, from what `families.py --record` has kept; it needs no other library.

    python -m tests.peers.families_page
"""
import json
import pathlib
import re

from tests.peers.zoo import SEGMENTATION, TIMM, TORCHVISION, VERSIONS

RECORD = pathlib.Path(__file__).parent / "data" / "families.jsonl"
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "architectures.md"
NOT_READ = ("refused", "not exported", "ended")
ABOUT = {
    "timm": "timm: the smallest variant of each of its modules",
    "torchvision": "torchvision: classification and segmentation",
    "segmentation": "segmentation-models-pytorch: its heads, on a ResNet-18",
    "transformers": "transformers: tiny configurations of two blocks",
    "embeddings": "transformers, from `inputs_embeds` in place of ids",
    "masks": "transformers, with a mask that hides the end of the second sequence",
    "variants": "Other variants of timm",
    "others": "Other transformers",
    "odd": "Modules of our own, put together in other ways (`tests/peers/odd.py`)",
}
HEAD = """# Public architectures

This page is written by `python -m tests.peers.families_page`; do not edit it. What it says was measured, and kept in
`tests/peers/data/families.jsonl`, by `python -m tests.peers.families --record timm` and the like, with
{versions}.

Each network has random weights. Constant parameters, such as the biases of a norm, are moved at random; batch norms
have statistics of their own activations, moved at random. A network is **right** if its outputs and its input gradients
for three inputs, of which it was read from two, are torch's, to 1e-9 of the largest number in float64. The bound is
1e-4 where the module computes in float32 whatever it is given, 1e-7 behind torch's hard sigmoid, and 1e-6 for ONNX
files: their constants are float32. The **ledger** column is the largest residual of a layer under AttnLRP's composite
(LRP-epsilon for whatever has weights), as a part of the relevance that the layer moved. **Beside** is how far the
relevance is from zennit's (EpsilonPlusFlat), or from LXT's (AttnLRP), as a part of the largest, where these know all
that the network is made of. A dash: not measured. Files are those of `torch.onnx.export(dynamo=True)`; where that
fails, of its **older** exporter (`dynamo=False`). Time and memory beside these libraries, of eight networks in the
sizes that people use, are on the page on [speed](speed.md#deep-networks).

The libraries are installed beside those of [the comparison](agreement.md), and some families are run by

    {install}
    {sample}

| collection | listed | right by torch | not read | wrong | right by ONNX | not read | wrong | ledger | beside |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def command(name):
    """A command line of .ci/run."""
    script = (pathlib.Path(__file__).parents[2] / ".ci" / "run").read_text(encoding="utf-8")
    return re.search(f"^{name}='(.*)'$", script, re.MULTILINE)[1]


def records():
    lines = RECORD.read_text(encoding="utf-8").splitlines()
    return {(each["collection"], each["by"], each["name"]): each for each in map(json.loads, lines)}


def listed(collection, kept):
    """The names of a collection, as far as they stand in a list; of transformers those that were measured."""
    lists = {"timm": TIMM, "torchvision": TORCHVISION, "segmentation": SEGMENTATION}
    return list(lists.get(collection, sorted({name for c, _, name in kept if c == collection})))


def number(found, name):
    return f"{found[name]:.0e}" if found and name in found else "–"


def line(collection, name, kept):
    torch, onnx = (kept.get((collection, by, name)) for by in ("torch", "onnx"))
    variant = {"timm": lambda: "`{}`, {}".format(*TIMM[name])}.get(collection, lambda: "")()
    beside = next((f"{other} {torch[key]:.0e}" for key, other in (("zennit", "zennit"), ("lxt", "LXT"))
                   if torch and key in torch), "")
    cells = [f"`{name}`", *([variant] if collection == "timm" else []),
             f"{torch['layers']}" if torch and "layers" in torch else "–", said(torch), said(onnx),
             number(torch, "residual"), beside]
    return f"| {' | '.join(cells)} |"


def said(found):
    """The largest difference, or a word."""
    if found is None:
        return "–"
    if found["result"] != "right":
        return f"**{found['result']}**"
    float32 = ", float32" if found["said"] == "it computes in float32" else ""
    return f"{max(found['outputs'], found['gradients']):.0e}{float32}{', older' * (found.get('exporter') == 'older')}"


def share(found, result):
    return sum(each["result"] == result for each in found)


def summary(collection, kept):
    names = listed(collection, kept)
    cells = [ABOUT[collection].partition(":")[0].partition(" (")[0], str(len(names))]
    for by in ("torch", "onnx"):
        found = [kept[collection, by, name] for name in names if (collection, by, name) in kept]
        cells += [f"{share(found, 'right')} of {len(found)}", str(sum(map(share, [found] * 3, NOT_READ))),
                  str(sum("WRONG" in each["result"] for each in found))]
    found = [kept[collection, "torch", name] for name in names if (collection, "torch", name) in kept]
    ran = [each for each in found if "lrp" in each]
    beside = [each.get("zennit", each.get("lxt")) for each in found if {"zennit", "lxt"} & set(each)]
    cells += [f"{sum(each['lrp'] == 'right' for each in ran)} of {len(ran)}", str(len(beside))]
    return f"| {' | '.join(cells)} |\n"


def text():
    kept = records()
    page = HEAD.format(versions=VERSIONS, install=command("FAMILIES_INSTALL"), sample=command("FAMILIES")) + \
        "".join(summary(collection, kept) for collection in ABOUT)
    for collection, about in ABOUT.items():
        names = listed(collection, kept)
        wide = collection == "timm"
        page += f"\n## {about}\n\n| {'module | variant, pixels' if wide else 'network'} | layers | by torch | " \
                f"by ONNX | ledger | beside |\n|---|{'---|' * wide}--:|--:|--:|--:|---|\n"
        page += "".join(line(collection, name, kept) + "\n" for name in names)
        refused = [(by, each) for (c, by, _), each in sorted(kept.items()) if c == collection and
                   each["result"] != "right"]
        if refused:
            page += "\n" + "".join(f"- `{each['name']}`, by {'ONNX' if by == 'onnx' else by}, {each['result']}: "
                                   f"{sentence(each['said'])}\n" for by, each in refused)
        unexplained = [each for (c, _, _), each in sorted(kept.items()) if c == collection and
                       each.get("lrp", "right") != "right"]
        page += "".join(f"- `{each['name']}` is not explained by LRP: {sentence(each.get('lrp_said', each['lrp']))}\n"
                        for each in unexplained)
    return page


def sentence(said):
    """One line, of which a Markdown table or list makes nothing else."""
    return said.replace("\n", " ").replace("|", "/").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
