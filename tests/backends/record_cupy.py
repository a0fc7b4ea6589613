"""Record what CuPy offers: the names of its functions and array methods, and the arguments each one takes.

    python tests/backends/record_cupy.py            # adds the installed CuPy to cupy_surface.json

CuPy imports on a machine without a GPU, and its functions can be asked for their signatures there. Run this once
in an environment with the oldest CuPy we support and once in one with the newest; the file keeps one record for
each major version. `standin.py` then allows only what every record allows.
"""
import importlib
import inspect
import json
import os
import pathlib
import re

SURFACE = pathlib.Path(__file__).with_name("cupy_surface.json")
MODULES = ("cupy", "cupy.linalg", "cupy.lib.stride_tricks", "cupy.random")
CLASSES = ("cupy.ndarray", "cupy.random.Generator")


def installed_cupy():
    """(cupy, None), or (None, why there is none to run on)."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError:
        return None, "cupy is not installed"
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        devices = 0
    return (cupy, None) if devices else (None, "cupy imports but finds no device")


def devices():
    """The array modules, beside NumPy, that tests run on: the stand-in, and CuPy where it is or has to be."""
    required = os.environ.get("MINIXNN_REQUIRE_GPU") == "1"
    return ["standin", *(["cupy"] if required or installed_cupy()[0] else [])]


def bare(parameters):
    """The parameters of a signature with every default value replaced by `...`, since only the names matter."""
    empty = inspect.Parameter.empty
    return str(inspect.Signature([p.replace(default=p.default if p.default is empty else Ellipsis, annotation=empty)
                                  for p in parameters])).replace("Ellipsis", "...")[1:-1]


def from_text(text):
    """Parameters out of a compiled function's docstring, `sum(self, axis=None, int n=0) -> ndarray`; or None."""
    head = re.match(r"[\w.]+\((.*)\)(\s*->.*)?$", text.partition("\n")[0].replace("\\", ""))
    if head is None or "[" in head[1]:                                   # [optional] arguments, in brackets
        return None
    names = [re.sub(r"^[\w.\[\]]+ (?=\w)", "", name.strip())            # the C type before a name: `int axis`
             for name in re.split(r",\s*(?![^()]*\))", head[1])]
    source = ", ".join(re.sub(r"=.*", "=...", name) for name in names)
    try:
        return list(inspect.signature(eval(f"lambda {source}: None")).parameters.values())
    except SyntaxError:
        return None


def signature(f):
    """The arguments of `f` as text, "a, axis=..., keepdims=..."; "?" where neither Python nor the docstring tells."""
    written = from_text((f.__doc__ or "").strip())
    try:
        found = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        found = written
    if written and found and found[-1].kind is inspect.Parameter.VAR_KEYWORD:
        found = written                                                  # einsum(*operands, **kwargs) names them there
    return "?" if found is None else bare(found)


def surface():
    """{"cupy": {"sum": "a, axis=..., ...", "pi": None, ...}, "cupy.ndarray": {...}, ...} of the installed CuPy."""
    found = {}
    for place in MODULES + CLASSES:
        module, _, last = place.rpartition(".")
        owner = getattr(importlib.import_module(module), last) if place in CLASSES else importlib.import_module(place)
        found[place] = names = {}
        for name in dir(owner):
            thing = getattr(owner, name)
            if (name.startswith("_") and not (place == "cupy.ndarray" and name.startswith("__"))) \
                    or inspect.ismodule(thing):
                continue
            names[name] = signature(thing) if callable(thing) and not isinstance(thing, type) else None
    return found


def read():
    """The recorded file: {"13.6.0": surface, "14.2.0": surface}."""
    return json.loads(SURFACE.read_text()) if SURFACE.exists() else {}


def main():
    version = importlib.import_module("cupy").__version__
    kept = {v: s for v, s in read().items() if v.partition(".")[0] != version.partition(".")[0]}
    kept[version] = surface()
    lines = ",\n".join(json.dumps(v) + ": {\n" + ",\n".join(
        f"  {json.dumps(place)}: {{\n" + ",\n".join(f"    {json.dumps(n)}: {json.dumps(s)}" for n, s in names.items())
        + "\n  }" for place, names in kept[v].items()) + "\n}" for v in sorted(kept))
    SURFACE.write_text("{\n" + lines + "\n}\n")
    print(f"recorded cupy {version}; the file now holds {', '.join(sorted(kept))}")


if __name__ == "__main__":
    main()
