"""PNG files of one heatmap, alone and over its picture, drawn by Pillow: a hundredth of a second each.

Colours are those of `plot.heatmaps`. Beside the map stands what a colour means in numbers, above it what was explained.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minixnn.arrays import Array
from minixnn.plot.style import SIGNED_STOPS

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFont import FreeTypeFont, ImageFont

SIDE, MARGIN, BAR = 448, 12, 16                     # pixels: the longer side of a map; around it; of the bar
QUANTILE = 0.995
PAPER, TEXT, LINE, BOX = (255, 255, 255), (40, 40, 40), (115, 115, 115), (0, 158, 115)


def colours(R: Array, limit: float) -> Array:
    """R (H, W) in the colours of heatmaps, which end at +-limit: (H, W, 3) in [0, 1]."""
    places = [place for place, _ in SIGNED_STOPS]
    stops = np.array([[int(code[n:n + 2], 16) / 255 for n in (1, 3, 5)] for _, code in SIGNED_STOPS])
    where = (R / limit + 1) / 2
    return np.stack([np.interp(where, places, stops[:, part]) for part in range(3)], axis=-1)


def heatmap(R: Array, title: str, caption: str) -> Picture:
    """A heatmap R (H, W, C) alone."""
    R, limit = flat(R)
    return framed([(title, enlarged(colours(R, limit)))], bool(R.min() < 0), [caption])


def overlays(picture: Array, maps: list[tuple[str, Array]], captions: list[str], limit: float | None = None,
             box: tuple[int, ...] | None = None) -> Picture:
    """Heatmaps [(title, R), ...] of one picture side by side, each over a copy of it; lines of text below.

    The copy of a photograph is pale grey; of a drawing the outline of the ink is drawn.

    limit: where the colours of all maps end; None: each has its own. box: drawn around its pixels, in each panel.
    """
    panels = []
    for title, R in maps:
        R, ends = flat(R)
        panel = over(picture, R, limit or ends)
        panels.append((title, panel if box is None else boxed(panel, box, picture.shape[:2])))
    return framed(panels, any(bool(R.min() < 0) for _, R in maps), captions)


def over(picture: Array, R: Array, limit: float) -> Array:
    """The panel of one map (H, W), whose colours end at limit, over its picture."""
    heat = colours(R, limit)
    if picture.shape[-1] == 3:
        pale = 0.6 + 0.4 * picture.clip(0, 1).mean(axis=-1, keepdims=True)
        strength = 0.85 * (np.abs(R[..., None]) / limit).clip(0, 1) ** 0.5      # the root, or faint parts are lost
        return enlarged(heat * strength + pale * (1 - strength))
    panel = enlarged(heat)
    times = panel.shape[0] // len(R)
    ink = (picture[..., 0] > (picture.min() + picture.max()) / 2).repeat(times, 0).repeat(times, 1) if times else None
    if ink is not None:
        edge = np.zeros(ink.shape, bool)
        edge[1:] |= ink[1:] != ink[:-1]
        edge[:, 1:] |= ink[:, 1:] != ink[:, :-1]
        panel[edge] = np.array(LINE, np.uint8)
    return panel


def boxed(panel: Array, box: tuple[int, ...], size: tuple[int, ...]) -> Array:
    """A panel (h, w, 3) with a frame around the box of a picture of `size` (height, width)."""
    top, left, bottom, right = (round(edge * n / m) for edge, n, m in zip(box, panel.shape[:2] * 2, size * 2))
    panel, inner = panel.copy(), np.zeros(panel.shape[:2], bool)
    inner[top:bottom, left:right] = True
    inner[top + 2:bottom - 2, left + 2:right - 2] = False
    panel[inner] = BOX
    return panel


def flat(R: Array) -> tuple[Array, float]:
    """(R summed over its channels, the number at which colours end: see `ends_at`; 1 for a map of zeros).

    Of photographs the sums of 2 x 2 pixels are drawn: a first convolution with a stride of 2 looks at every second
    pixel more often, which would lay a grid over the map.
    """
    R = np.asarray(R, np.float64).sum(axis=-1)
    if large(R):
        height, width = (n + n % 2 for n in R.shape)
        padded = np.pad(R, ((0, height - R.shape[0]), (0, width - R.shape[1])))
        blocks = padded.reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3))
        R = blocks.repeat(2, 0).repeat(2, 1)[:R.shape[0], :R.shape[1]]
    sizes = np.abs(R)
    return R, float(np.quantile(sizes, QUANTILE if large(R) else 1)) or float(sizes.max()) or 1.0


def large(R: Array) -> bool:
    return max(R.shape[:2]) > 80


def ends_at(R: Array) -> str:
    """What 1 is on the bar of a map, in words. One bright pixel must not bleach all of a photograph."""
    return f"1 is the {100 * QUANTILE:g} % quantile of |R| over 2 x 2 pixels" if large(R) else "1 is the largest |R|"


def enlarged(panel: Array) -> Array:
    """Numbers in [0, 1] (H, W, 3) as bytes, each pixel so many times that the longer side fills `SIDE`; or smaller."""
    from PIL import Image
    panel, longest = np.uint8(255 * panel.clip(0, 1) + 0.5), max(panel.shape[:2])
    if longest > 3 * SIDE:
        share = 3 * SIDE / longest
        size = max(1, round(panel.shape[1] * share)), max(1, round(panel.shape[0] * share))
        return np.array(Image.fromarray(panel).resize(size, Image.Resampling.BOX))
    times = max(1, SIDE // longest)
    return panel.repeat(times, 0).repeat(times, 1)


def framed(panels: list[tuple[str, Array]], signed: bool, captions: list[str]) -> Picture:
    """Panels [(title, bytes (h, w, 3)), ...] side by side, with frames, one bar of colours and lines of text below.

    The bar counts in parts of where the colours of each panel end, since sums over pixels are no numbers to remember.
    """
    from PIL import Image, ImageDraw
    font, line = fonts(), 20
    height = panels[0][1].shape[0]
    widths = [max(panel.shape[1], int(font.getlength(title)) + 2) for title, panel in panels]
    ends = [("1", 0.0), ("0", 0.5 if signed else 1.0)] + [("-1", 1.0)] * signed
    beside = BAR + 10 + max(int(font.getlength(label)) for label, _ in ends)
    across = max(sum(widths) + MARGIN * (len(widths) + 1) + beside,
                 max(int(font.getlength(caption)) for caption in captions) + MARGIN) + MARGIN
    top = 2 * MARGIN + 14
    image = Image.new("RGB", (across, top + height + MARGIN + line * len(captions) + MARGIN // 2), PAPER)
    draw, left = ImageDraw.Draw(image), MARGIN
    for (title, panel), width in zip(panels, widths):
        image.paste(Image.fromarray(panel), (left, top))
        draw.rectangle((left - 1, top - 1, left + panel.shape[1], top + height), outline=(204, 204, 204))
        draw.text((left, MARGIN), title, TEXT, font, anchor="lt")
        left += width + MARGIN
    tall = max(height, 60)
    ramp = np.linspace(1, -1 if signed else 0, tall)[:, None].repeat(BAR, 1)
    image.paste(Image.fromarray(np.uint8(255 * colours(ramp, 1.0) + 0.5)), (left, top))
    for label, place in ends:
        draw.text((left + BAR + 6, top + place * (tall - 1)), label, TEXT, font,
                  anchor={0.0: "lt", 0.5: "lm", 1.0: "ls"}[place])
    for n, caption in enumerate(captions):
        draw.text((MARGIN, top + height + MARGIN + line * n), caption, TEXT, font, anchor="lt")
    return image


def fonts() -> FreeTypeFont | ImageFont:
    from PIL import ImageFont
    return ImageFont.load_default(14)
