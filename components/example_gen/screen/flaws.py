"""Wrong pixels that a decoder does not report: a JPEG that lacks data, a GIF shown differently.

libjpeg fills missing data with grey when it reaches the end marker, and only warns. So it is given
the data without that marker: it then asks for more if they do not suffice.

    >>> import io
    >>> import numpy as np
    >>> from PIL import Image
    >>> from components.example_gen.screen.header import read_header
    >>> pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    >>> file = io.BytesIO()
    >>> Image.fromarray(pixels).save(file, "JPEG")
    >>> whole = file.getvalue()
    >>> ends_early(whole, read_header(whole, "jpeg"))
    False
    >>> cut = whole[: len(whole) // 2] + whole[-2:]  # Half of the data, and the end marker.
    >>> ends_early(cut, read_header(cut, "jpeg"))
    True
"""

from __future__ import annotations

from typing import Any

from components.example_gen.screen.convert import decoded, plain
from components.example_gen.screen.headers.base import Header
from components.example_gen.screen.result import Reason, UnfitError

_SMALL = 65_536
"""Pixels of a JPEG in which the last block, 16 x 16 pixels, is a visible part."""
_LUMA = (1, 3)
"""Colour counts of a JPEG whose luma is in its data."""
_WEIGHTS = (0.299, 0.587, 0.114)
_GREY, _GREY_LEVELS = 128, 3

_STRIP = 1 << 20
"""Pixels that are compared at once."""
_LEVELS = 1
"""Levels, out of 256, by which two decoders may differ when they blend with a background."""

_EIGHTH = 8
"""Pixels of a side that become one: libjpeg then skips the transform, not the data."""
_FILL = b"\xdd"
"""Behind the data: long codes as a rule, so that 64 bits seldom end a block that lacks data.
It misses 8 of 5,000 cuts; 1 bits, which libjpeg takes for a block's end, miss a third."""
_AHEAD = 8
"""Bytes that libjpeg reads ahead."""
_TRIES = 10
_CMYK_COLOURS = 4
"""libjpeg cannot turn these into grey."""


def find_flaw(image: bytes, header: Header, pixels: Any) -> str:
    """What is wrong with decoded pixels that another decoder may get right; empty if nothing.

    Args:
      image: the encoded image.
      header: its header.
      pixels: uint8 [height, width, 3], as TensorFlow decodes it, on white.

    Raises:
      UnfitError: no decoder gets them right.
    """
    if header.format == "jpeg" and _may_lack_data(header, pixels) and ends_early(image, header):
        detail = "a JPEG with an end marker, but without the data of some of its pixels"
        raise UnfitError(Reason.TRUNCATED, detail)
    if header.format == "gif" and not _equals_pillow(image, header, pixels):
        return "a GIF that TensorFlow decodes to other pixels than Pillow"
    return ""


def ends_early(image: bytes, header: Header) -> bool:
    """Whether the last scan of a JPEG lacks data.

    Up to 3 missing bytes may go unnoticed; of several scans, about 20 of the last.

    Args:
      image: a JPEG that TensorFlow decodes.
      header: its header.
    """
    # Fill bytes before the end marker would make a marker of what follows.
    data = image[: header.data_end].rstrip(b"\xff") + _FILL * _AHEAD
    decoder = _decoder(header)
    used, error = decoder.decode(data)
    if used < 0:
        # All rows are there; or it is damaged, which TensorFlow has reported.
        return False
    rest = data[used:]
    # With several scans no row comes before the end; after the last scan bytes are skipped singly.
    for _ in range(_TRIES):
        if rest:
            return True
        rest = _FILL
        used, error = decoder.decode(rest)
        if used < 0 or error < 0:
            return False
        rest = rest[used:]
    return bool(rest)


def _decoder(header: Header) -> Any:
    """Pillow's decoder of a JPEG into an image of an eighth of its sides."""
    from PIL import Image

    mode = "CMYK" if header.components == _CMYK_COLOURS else "L"
    size = (-(-header.width // _EIGHTH), -(-header.height // _EIGHTH))
    decoder = Image._getdecoder(mode, "jpeg", (mode, "", _EIGHTH, 0), ())
    decoder.setimage(Image.core.new(mode, size), (0, 0, *size))
    return decoder


def _may_lack_data(header: Header, pixels: Any) -> bool:
    """Whether a JPEG may lack more than its last block; a second decode then decides.

    If the data of a single scan end early, the last pixel is mid grey. The image may have been
    rotated, so that any corner may hold it, and its colour be blended with the next block's.
    """
    height, width = pixels.shape[:2]
    if header.scans > 1 or header.components not in _LUMA or height * width < _SMALL:
        return True
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    return bool((abs(corners @ _WEIGHTS - _GREY) <= _GREY_LEVELS).any())


def _equals_pillow(image: bytes, header: Header, pixels: Any) -> bool:
    """Whether Pillow decodes the same pixels; strip by strip, to use little memory."""
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
    """A PIL image as uint8 [height, width, 3]."""
    import numpy as np
    from PIL import Image

    picture = plain(picture)
    if picture.mode in ("LA", "RGBA"):
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert("RGB"))
