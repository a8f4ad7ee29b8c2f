"""What a decoder does not report: pixels that are not those of the image."""

from __future__ import annotations

from typing import Any

from components.example_gen.convert import decoded, plain
from components.example_gen.headers.base import Header
from components.example_gen.jpeg_data import ends_early
from components.example_gen.verdict import Reason, UnfitError

_STRIP = 1 << 20
"""Pixels that are compared at once."""
_LEVELS = 1
"""Of 256, by which two decoders may differ where they mix colours with a background."""


def flaw(image: bytes, header: Header, pixels: Any) -> str:
    """What is wrong with decoded pixels that may be right by another decoder; or empty.

    Args:
      image: the encoded image.
      header: what its header says.
      pixels: uint8 [height, width, 3], as TensorFlow decodes it, on white.

    Raises:
      UnfitError: no decoder has them right.
    """
    if header.format == "jpeg" and ends_early(image, header):
        detail = "a JPEG with an end, but with data for a part of its pixels"
        raise UnfitError(Reason.TRUNCATED, detail)
    if header.format == "gif" and not _alike(image, header, pixels):
        return "a GIF of which TensorFlow decodes other pixels than Pillow"
    return ""


def _alike(image: bytes, header: Header, pixels: Any) -> bool:
    """Whether Pillow's pixels are the same; strip by strip, as few are enough to differ."""
    import numpy as np

    height, width = pixels.shape[:2]
    with decoded(image, header) as picture:
        if picture.size != (width, height):
            return False
        rows = max(1, _STRIP // width)
        for top in range(0, height, rows):
            strip = pixels[top : top + rows]
            other = _on_white(picture.crop((0, top, width, top + len(strip))))
            if (np.maximum(strip, other) - np.minimum(strip, other)).max() > _LEVELS:
                return False
    return True


def _on_white(picture: Any) -> Any:
    """An image of Pillow's as uint8 [height, width, 3]."""
    import numpy as np
    from PIL import Image

    picture = plain(picture)
    if picture.mode in ("LA", "RGBA"):
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert("RGB"))
