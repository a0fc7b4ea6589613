"""The other libraries, each as its module, or None with the reason why it is not there.

zennit reads torchvision for the sake of two classes that it can rewrite. It needs neither them nor the rest, and a
torchvision without a GPU build is hard to come by; so where torchvision is missing, empty modules with the five
names that zennit imports take its place.
"""
import importlib
import importlib.metadata
import sys
import types

REASONS = {}                # library -> why it is absent


def _torchvision_stand_ins():
    """torchvision, torchvision.models, torchvision.models.resnet, and two classes nobody is an instance of."""
    try:
        import torchvision                                  # noqa: F401
    except ImportError:
        for name in ("torchvision", "torchvision.models", "torchvision.models.resnet"):
            sys.modules[name] = types.ModuleType(name)
        for name in ("Bottleneck", "BasicBlock"):
            setattr(sys.modules["torchvision.models.resnet"], name, type(name, (), {}))


def _load(name, *parts):
    try:
        if name == "zennit":
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
if torch is None:
    REASONS.update(zennit=REASONS["torch"], captum=REASONS["torch"])
else:
    torch.set_num_threads(1)


def version(name):
    return importlib.metadata.version(name)
