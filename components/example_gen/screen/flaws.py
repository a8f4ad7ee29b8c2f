"""What a decoder does not report: pixels that are not those of the image."""

from __future__ import annotations

from typing import Any

from components.example_gen.screen.convert import decoded, plain
from components.example_gen.screen.headers.base import Header
from components.example_gen.screen.jpeg_data import ends_early
from components.example_gen.screen.result import Reason, UnfitError

_SMALL = 65_536
"""Pixels of a JPEG in which the last block, of 16 x 16, is a part that is seen."""
_LUMA = (1, 3)
"""Colours of a JPEG whose grey is that of the data."""
_WEIGHTS = (0.299, 0.587, 0.114)
_GREY, _GREY_LEVELS = 128, 3

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
    if header.format == "jpeg" and _may_lack(header, pixels) and ends_early(image, header):
        detail = "a JPEG with an end, but with data for a part of its pixels"
        raise UnfitError(Reason.TRUNCATED, detail)
    if header.format == "gif" and not _alike(image, header, pixels):
        return "a GIF of which TensorFlow decodes other pixels than Pillow"
    return ""


def _may_lack(header: Header, pixels: Any) -> bool:
    """Whether data may lack in a JPEG beyond its last block: a second decode of them is to tell.

    Of one scan whose data end early the last pixel is one grey. It may have been turned to any
    corner, and its colour be mixed with that of the block beside.
    """
    height, width = pixels.shape[:2]
    if header.scans > 1 or header.components not in _LUMA or height * width < _SMALL:
        return True
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    return bool((abs(corners @ _WEIGHTS - _GREY) <= _GREY_LEVELS).any())


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
