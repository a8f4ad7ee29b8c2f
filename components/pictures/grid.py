"""A grid of images with a caption under each, as a PNG.

>>> tile = Tile(np.zeros((8, 8, 3), np.uint8), (Line("rose", "98 %"),))
>>> png = draw_grid([tile] * 4, columns=2, side_px=32)
>>> Image.open(io.BytesIO(png)).size
(100, 136)
"""

from __future__ import annotations

import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import vl_convert
from PIL import Image, ImageDraw

_GAP_PX, _FONT_PX, _LINE_PX, _NUMBER_PX = 12, 13, 18, 42
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
_PAPER, _PANEL, _INK = "#ffffff", "#eef0f3", "#1b1e23"


@dataclass(frozen=True)
class Line:
    """A line of a caption: a long `text` is cut off, `number` at the right end never is."""

    text: str
    number: str = ""


@dataclass(frozen=True)
class Tile:
    """One image of the grid.

    Attributes:
      image: uint8 [height, width, 3].
      caption: its lines, from the top.
    """

    image: np.ndarray
    caption: tuple[Line, ...]


def draw_grid(tiles: Sequence[Tile], columns: int, side_px: int) -> bytes:
    """The tiles row by row as a PNG, the same bytes for the same tiles.

    Args:
      tiles: at least one.
      columns: tiles in a row, at most.
      side_px: longer side of an image, at most. Larger ones are shrunk, and tiny ones enlarged by
        a whole factor, so that one sees their pixels.
    """
    columns = min(columns, len(tiles))
    lines = max(len(tile.caption) for tile in tiles)
    width, height = side_px + _GAP_PX, side_px + _GAP_PX + lines * _LINE_PX
    rows = math.ceil(len(tiles) / columns)
    page = Image.new("RGB", (columns * width + _GAP_PX, rows * height + _GAP_PX), _PAPER)
    pen = ImageDraw.Draw(page)
    texts = []
    for place, tile in enumerate(tiles):
        left = _GAP_PX + place % columns * width
        top = _GAP_PX + place // columns * height
        pen.rectangle((left, top, left + side_px - 1, top + side_px - 1), fill=_PANEL)
        image = _scaled(tile.image, side_px)
        at = (left + (side_px - image.width) // 2, top + (side_px - image.height) // 2)
        page.paste(image, at)
        for number, line in enumerate(tile.caption):
            texts.append(_text(line, left, top + side_px + 2 + number * _LINE_PX, side_px))
    written = _written(texts, page.size)
    page.paste(written, mask=written)
    stream = io.BytesIO()
    page.save(stream, "PNG")
    return stream.getvalue()


def smaller(png: bytes) -> bytes:
    """The same picture as PNG or as JPEG, whichever takes less room."""
    stream = io.BytesIO()
    # Captions would fray at half the resolution of colours.
    Image.open(io.BytesIO(png)).save(stream, "JPEG", quality=85, subsampling=0)
    return min(png, stream.getvalue(), key=len)


def _scaled(pixels: np.ndarray, side_px: int) -> Image.Image:
    image = Image.fromarray(pixels)
    longer = max(image.size)
    if longer > side_px:
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        return image
    factor = side_px // longer
    size = (image.width * factor, image.height * factor)
    return image.resize(size, Image.Resampling.NEAREST)


def _written(texts: Sequence[str], size: tuple[int, int]) -> Image.Image:
    """The captions on transparency: Pillow's own font has only ASCII, that of the charts more."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'font-family="sans-serif" font-size="{_FONT_PX}" fill="{_INK}">{"".join(texts)}</svg>'
    )
    return Image.open(io.BytesIO(vl_convert.svg_to_png(svg))).convert("RGBA")


def _text(line: Line, left: int, top: int, width_px: int) -> str:
    # A folder's name may have characters that XML does not allow.
    text = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line.text
    )
    room = width_px - _NUMBER_PX if line.number else width_px
    # An inner svg clips what does not fit.
    return (
        f'<svg x="{left}" y="{top}" width="{room}" height="{_LINE_PX}">'
        f'<text y="{_FONT_PX}">{html.escape(text)}</text></svg>'
        f'<text x="{left + width_px}" y="{top + _FONT_PX}" text-anchor="end">{line.number}</text>'
    )
