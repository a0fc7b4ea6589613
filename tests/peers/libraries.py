"""The other libraries, each as its module, or None with the reason why it is not there.

zennit reads torchvision for the sake of two classes that it can rewrite, pytorchcv for one that a video network uses.
They need neither these nor the rest, and a torchvision without a GPU build is hard to come by; so where torchvision is
missing, empty modules with the names that the two import take its place. Where it is installed beside a CPU build of
torch its compiled operators may be missing: it imports once it may not register what belongs to them.
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


def _without_operators_of_torchvision():
    """torchvision registers functions for compiled operators, which need not be there; then it does not import."""
    import torch
    register = torch.library.register_fake

    def register_fake(op, *args, **kwargs):
        if isinstance(op, str) and op.startswith("torchvision::"):
            return lambda function: function
        return register(op, *args, **kwargs)
    torch.library.register_fake = register_fake
    try:
        import torchvision                                  # noqa: F401
    except Exception:                                       # missing, or broken in whatever way: not needed here
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    finally:
        torch.library.register_fake = register


def _load(name, *parts):
    try:
        if name in ("zennit", "pytorchcv"):
            _torchvision_stand_ins()
        module = importlib.import_module(name)
        for part in parts:
            importlib.import_module(f"{name}.{part}")
        return module
    except Exception as error:                              # a library that is broken is as good as missing
        REASONS[name] = f"{name} is not installed ({error}); docs/agreement.md has the command that installs it"
        return None


torch = _load("torch")
if torch is not None:
    _without_operators_of_torchvision()
zennit = torch and _load("zennit", "attribution", "canonizers", "composites", "rules", "types")
captum = torch and _load("captum", "attr", "attr._utils.lrp_rules")
pytorchcv = torch and _load("pytorchcv", "model_provider")
lxt = torch and _load("lxt", "explicit.functional")
autolrp = torch and _load("autolrp")
if torch is None:
    REASONS.update(dict.fromkeys(("zennit", "captum", "pytorchcv", "lxt", "autolrp"), REASONS["torch"]))
else:
    torch.set_num_threads(1)


def load(name):
    """One of the large collections of models, or None; REASONS then has the reason."""
    return _load(name) if torch is not None else None


def version(name):
    return importlib.metadata.version(name)
