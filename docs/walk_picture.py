"""Draws the picture of a recorded walk on README: a rule of a network of two layers, about to return.

    python docs/walk_picture.py         writes docs/images/walk.png; needs Chromium
"""
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import recorded_walks  # noqa: E402  (it and the next lie in the folders named above)
from tests import browser  # noqa: E402

TARGET = ROOT / "docs" / "images" / "walk.png"


def draw(width=1180, height=800, dark=False):
    """The page as PNG, at the last line of the rule of the first layer, the mouse over a number of c."""
    with tempfile.TemporaryDirectory() as folder, browser.Chromium(width, height) as page:
        page.screen(width, height, dark)
        page.open(recorded_walks.write("network", folder))
        page.evaluate("now = events().findIndex(each => each.k === 'r' && each.l === 0); show()")
        page.evaluate("document.querySelector('[data-name=c] td:last-child').onpointerenter()")
        page.settle()
        return page.screenshot()


if __name__ == "__main__":
    from PIL import Image
    TARGET.write_bytes(draw())
    Image.open(TARGET).convert("RGB").quantize(128).save(TARGET, optimize=True)            # a third of the size
