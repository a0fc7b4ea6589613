"""Records the relevance microscope at work: docs/images/microscope.gif, for the README and the site.

    python docs/recording.py            needs Chromium and Pillow

A digit is drawn, a neuron pointed at, an input clicked, and again, and the rules are changed. The page is the one that
`minixnn microscope` writes.
"""
import io
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from minixnn.cli import main as minixnn  # noqa: E402  (it and the next lie in the folder named above)
from tests import browser  # noqa: E402

WIDTH, HEIGHT, SHOWN = 1200, 806, (860, 578)
FOUR = [[(4, 8), (9, 6), (14, 6), (15, 12), (14, 18)], [(5, 19), (12, 18), (19, 17), (24, 16)]]     # rows, columns
POINTER = """(() => { const arrow = document.createElement("div"); arrow.id = "arrow"; document.body.append(arrow);
    arrow.style = "position:fixed;z-index:9;width:19px;height:27px;background:#0a7d32;pointer-events:none;"
        + "clip-path:polygon(0 0,0 82%,25% 64%,42% 100%,58% 92%,42% 57%,75% 57%)";
    document.documentElement.style.overflow = "hidden"; })()"""
COLOURS = "#2f7fbc #72b2d8 #c0daec #f4a582 #c53a35 #5c0013 #b5b5b5 #e69f00 #56b4e9 #d55e00 #0b5cab #0a7d32 #101114"


class Film:
    """Frames, each with the milliseconds it is shown."""

    def __init__(self, page):
        self.page, self.frames, self.at = page, [], (600, 300)

    def shoot(self, milliseconds):
        self.page.evaluate("document.getAnimations().forEach(animation => animation.finish())")
        self.page.settle()
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.frames.append((picture.resize(SHOWN, Image.Resampling.LANCZOS), milliseconds))

    def move(self, x, y, pressed=False):
        self.page.mouse("Moved", x, y, buttons=int(pressed))
        self.page.evaluate(f"arrow.style.left = '{x}px'; arrow.style.top = '{y}px'")
        self.at = (x, y)

    def click(self, selector, milliseconds=1600):
        """Move to the element, show where the pointer is, click, and show what has changed."""
        x, y = self.page.evaluate(f"""(({{ left, top, width, height }}) => [left + width / 2, top + height / 2])(
            document.querySelector("{selector}").getBoundingClientRect())""")
        self.move(x, y)
        self.shoot(500)
        for kind, buttons in (("Pressed", 1), ("Released", 0)):
            self.page.mouse(kind, x, y, buttons)
        self.shoot(milliseconds)

    def draw(self, strokes):
        left, top, side = self.page.evaluate("(({ left, top, width }) => [left, top, width])"
                                             "(drawing.getBoundingClientRect())")
        for stroke in strokes:
            places = [(left + column / 28 * side, top + row / 28 * side) for row, column in stroke]
            self.move(*places[0])
            self.page.mouse("Pressed", *places[0], buttons=1)
            for place in places[1:]:
                self.move(*place, pressed=True)
                self.shoot(250)
            self.page.mouse("Released", *places[-1])

    def choose(self, rules, milliseconds):
        self.page.evaluate(f"rules.value = '{rules}'; rules.onchange({{}})")
        self.shoot(milliseconds)

    def save(self, path):
        """One palette for all frames, so that what does not change need not be stored again: that of the last frame,
        with room for the colours of the page that it happens to have little of."""
        sheet = self.frames[-1][0].copy()
        for n, colour in enumerate(COLOURS.split()):
            sheet.paste(colour, (60 * n, 0, 60 * n + 60, 60))
        palette = sheet.quantize(96)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame, _ in self.frames]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=[ms for _, ms in self.frames], loop=0,
                       optimize=True)


def main():
    with tempfile.TemporaryDirectory() as folder, browser.Chromium(WIDTH, HEIGHT) as page:
        path = pathlib.Path(folder) / "microscope.html"
        minixnn(["microscope", "--model", "cnn", "-o", str(path)])
        page.open(path)
        page.evaluate("document.querySelector(\"#tour\").open = false; 0")       # room for what is shown
        page.evaluate(POINTER)
        page.evaluate("document.getElementById('status').style.visibility = 'hidden'")
        film = Film(page)
        film.shoot(1000)                        # all that is seen where pictures do not move
        page.evaluate("clear.click()")
        film.shoot(300)
        film.draw(FOUR)
        film.shoot(1200)
        for rules in ("LRP-0", "alpha2_beta1", "epsilon_plus"):
            film.choose(rules, 1200)
        film.click(".column:nth-child(7) .bars button", 2000)
        for step in range(6):
            film.click(".shares [data-j] button", 600)
        film.shoot(1500)
        film.save(ROOT / "docs" / "images" / "microscope.gif")


if __name__ == "__main__":
    main()
