"""Write docs/api before a build: a page for each package of minixnn and one for its modules, from the tree itself."""
import importlib
import pathlib
import pkgutil

import minixnn

FOLDER = pathlib.Path(__file__).parents[1] / "api"


def modules():
    """{page: [module, ...]}: the package or, for modules that lie in none, "minixnn"; each package comes first."""
    pages = {"minixnn": ["minixnn.network", "minixnn.passes"]}
    for module in pkgutil.walk_packages(minixnn.__path__, "minixnn."):
        _, first, *rest = module.name.split(".")
        if first == "__main__" or rest[-1:] == ["__main__"]:
            continue
        names = pages.setdefault(first if module.ispkg or rest else "minixnn", [])
        if module.name not in names:
            names.append(module.name)
    return pages


def write(app=None):
    """One .rst file a page, and the index.

    A package lists only what it defines. The names that it imports stand under the module that defines them; listed
    twice, `attribution.cam` would be a function and a module.
    """
    FOLDER.mkdir(exist_ok=True)
    for page, names in modules().items():
        lines = [page, "=" * len(page), ""]
        for name in names:
            title = f"``{name.removeprefix('minixnn.')}``"
            own = ["   :ignore-module-all:"] if hasattr(importlib.import_module(name), "__path__") else []
            heading = [title, "-" * len(title), ""] if name != f"minixnn.{page}" else []    # the page is called so
            lines += [*heading, f".. automodule:: {name}", *own, ""]
        put(FOLDER / f"{page}.rst", "\n".join(lines))
    put(FOLDER / "index.rst", "\n".join([
        "The code, by package", "====================", "",
        "From the docstrings. Every name has a link to its source at its right.", "",
        ".. toctree::", "   :maxdepth: 1", "", *(f"   {page}" for page in modules()), ""]))


def put(path, text):
    """Write only what has changed, so that an unchanged page is not built again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
