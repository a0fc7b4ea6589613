"""Links into pages that lead to no place on them are cut down to the page.

Sphinx's viewcode links each function in a source page to its entry in the API, and the other way round. A function
that the API does not list (a helper), or one that is listed under another module's name, has no such place.
"""
import pathlib
import re

LINK = re.compile(r'href="([^"#:]*)#([^"]+)"')


def mend(app, error):
    """After a build that went well: drop from every link the anchor that its page lacks."""
    if error is not None or app.builder.name != "html":
        return
    pages = {page.resolve(): page.read_text(encoding="utf-8") for page in pathlib.Path(app.outdir).rglob("*.html")}
    places = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in pages.items()}
    for page, text in pages.items():
        def cut(link):
            target = (page.parent / link[1]).resolve() if link[1] else page
            return f'href="{link[1]}"' if link[1] and target in places and link[2] not in places[target] else link[0]
        mended = LINK.sub(cut, text)
        if mended != text:
            page.write_text(mended, encoding="utf-8")


def setup(app):
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
