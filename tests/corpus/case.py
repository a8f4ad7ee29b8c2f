"""One image of the corpus, and how Pillow shows it."""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

WHITE = (255, 255, 255)
HEIGHT, WIDTH = 24, 36


LEVELS = 2
"""Of 256, by which a pixel may differ from what Pillow shows."""


class Case(NamedTuple):
    """An image of the corpus.

    Attributes:
      format: as in the table of the docs.
      says: the property that it has.
      encoded: its bytes.
      shown: uint8 [height, width, 4], RGB and alpha, as the format's standard says, where Pillow
        shows something else.
    """

    format: str
    says: str
    encoded: bytes
    shown: np.ndarray | None = None

    def seen(self, background: tuple[int, int, int] = WHITE) -> np.ndarray:
        """As a person sees it, uint8 [height, width, 3]."""
        if self.shown is None:
            return as_seen(self.encoded, background)
        alpha = self.shown[..., 3:] / 255
        return np.rint(self.shown[..., :3] * alpha + np.array(background) * (1 - alpha)).astype(
            np.uint8
        )


def as_seen(encoded: bytes, background: tuple[int, int, int] = WHITE) -> np.ndarray:
    """The first frame as Pillow shows it, uint8 [height, width, 3]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(encoded))
        image.seek(_page(image))
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return _as_seen_16(image, background)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return np.asarray(image.convert("RGB"))


def _page(image: Image.Image) -> int:
    """The first that is no thumbnail, as NewSubfileType says it in a TIFF."""
    if image.format != "TIFF":
        return 0
    for page in range(image.n_frames):
        image.seek(page)
        if not image.tag_v2.get(254, 0) & 1:
            return page
    return 0


def _as_seen_16(image: Image.Image, background: tuple[int, int, int]) -> np.ndarray:
    """Greys of 16 bits, which Pillow would cut off at 255."""
    deep = np.asarray(image).astype(np.uint16)
    grey = np.repeat((deep >> 8)[..., np.newaxis], 3, -1).astype(np.uint8)
    key = image.info.get("transparency")
    if key is not None:
        grey[deep == key] = background
    return grey


def picture(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Colours that change smoothly and are alike in no two corners, uint8 [height, width, 3]."""
    rows, columns = np.mgrid[0:height, 0:width]
    red = 255 * columns / max(width - 1, 1)
    green = 255 * rows / max(height - 1, 1)
    blue = 127 + 120 * np.sin(columns / 5 + rows / 7)
    return np.stack([red, green, blue], -1).astype(np.uint8)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()
