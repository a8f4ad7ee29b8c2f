"""What a decoder does not report: pixels that are not those of the image."""

from __future__ import annotations

from typing import Any

from components.example_gen.convert import upright
from components.example_gen.headers.base import Header
from components.example_gen.jpeg_data import ends_early
from components.example_gen.verdict import Reason, UnfitError

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
    if header.format == "gif" and not _alike(pixels, upright(image, header)):
        return "a GIF of which TensorFlow decodes other pixels than Pillow"
    return ""


def _alike(pixels: Any, picture: Any) -> bool:
    import numpy as np
    from PIL import Image

    if picture.mode in ("LA", "RGBA"):
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    other = np.asarray(picture.convert("RGB"))
    if other.shape != pixels.shape:
        return False
    return bool((np.maximum(pixels, other) - np.minimum(pixels, other) <= _LEVELS).all())
