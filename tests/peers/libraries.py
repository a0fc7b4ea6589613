"""The other libraries, each as its module, or None with the reason why it is not there.

zennit reads torchvision for the sake of two classes that it can rewrite, pytorchcv for one that a video network uses.
They need neither these nor the rest, and a torchvision without a GPU build is hard to come by; so where torchvision is
missing, empty modules with the names that the two import take its place.
"""
import importlib
import importlib.metadata
import sys
import types

REASONS = {}                # library -> why it is absent


def _torchvision_stand_ins():
    """torchvision and three of its modules, with three classes nobody is an instance of."""
    try:
        import torchvision                                  # noqa: F401
    except (ImportError, RuntimeError):                     # missing, or built for another torch
        for name in ("torchvision", "torchvision.models", "torchvision.models.resnet", "torchvision.ops"):
            sys.modules[name] = types.ModuleType(name)
        for module, name in (("models.resnet", "Bottleneck"), ("models.resnet", "BasicBlock"), ("ops", "DeformConv2d")):
            setattr(sys.modules[f"torchvision.{module}"], name, type(name, (), {}))


def _load(name, *parts):
    try:
        if name in ("zennit", "pytorchcv"):
            _torchvision_stand_ins()
        module = importlib.import_module(name)
        for part in parts:
            importlib.import_module(f"{name}.{part}")
        return module
    except ImportError as error:
        REASONS[name] = f"{name} is not installed ({error}); docs/agreement.md has the command that installs it"
        return None


torch = _load("torch")
zennit = torch and _load("zennit", "attribution", "canonizers", "composites", "rules", "types")
captum = torch and _load("captum", "attr", "attr._utils.lrp_rules")
pytorchcv = torch and _load("pytorchcv", "model_provider")
lxt = torch and _load("lxt", "explicit.functional")
autolrp = torch and _load("autolrp")
if torch is None:
    REASONS.update(dict.fromkeys(("zennit", "captum", "pytorchcv", "lxt", "autolrp"), REASONS["torch"]))
else:
    torch.set_num_threads(1)


def version(name):
    return importlib.metadata.version(name)
