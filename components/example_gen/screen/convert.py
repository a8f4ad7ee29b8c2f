"""Converts images that TensorFlow decodes wrongly or not at all to PNG, with Pillow.

>>> import io
>>> from PIL import Image
>>> from components.example_gen.screen.header import read_header
>>> file = io.BytesIO()
>>> Image.new("CMYK", (32, 24)).save(file, "TIFF")
>>> header = read_header(file.getvalue(), "tiff")
>>> png = to_png(file.getvalue(), header, max_bytes=10_000)
>>> read_header(png, "png").width
32
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from components.example_gen.screen.headers.base import Header, damaged
from components.example_gen.screen.headers.gif import first_frame
from components.example_gen.screen.pillow import exif_orientation, is_exif_bomb, open_image
from components.example_gen.screen.result import Reason, UnfitError, first_line

_GREY = ("1", "L", "LA")
"""Pillow's modes without colour."""
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_OPAQUE = 255


class _TooLongError(Exception):
    """More bytes were written than allowed."""


class _Limited(io.BytesIO):
    """Stops the encoder beyond a number of bytes, which saves seconds."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._most:
            raise _TooLongError
        return super().write(data)


def to_png(image: bytes, header: Header, max_bytes: int) -> bytes:
    """Decodes the first frame or page and encodes it losslessly: grey or RGB, and alpha if any.

    The orientation is applied and no longer recorded. Transparency stays, for the background that
    preprocessing puts below it.

    Args:
      image: an encoded image.
      header: its header.
      max_bytes: of the PNG.

    Raises:
      UnfitError: it cannot be decoded, or the PNG is too large.
    """
    pixels = upright(image, header)
    out = _Limited(max_bytes)
    try:
        # Level 6, the default, takes a third to twice longer for one per cent fewer bytes.
        pixels.save(out, "PNG", compress_level=4)
    except _TooLongError as error:
        detail = (
            f"converted from {header.format.upper()} to PNG, it has more bytes than "
            f"data.screen.max_bytes {max_bytes:,}"
        )
        raise UnfitError(Reason.TOO_MANY_BYTES, detail) from error
    return out.getvalue()


def upright(image: bytes, header: Header) -> Any:
    """The first frame or page, upright: a PIL image of mode L, LA, RGB or RGBA.

    Args:
      image: an encoded image.
      header: its header.

    Raises:
      UnfitError: it cannot be decoded.
    """
    with decoded(image, header) as picture:
        pixels = plain(picture)
        # Pillow has applied a TIFF's orientation already.
        turn = 1 if header.format == "tiff" else exif_orientation(picture.info.get("exif") or b"")
    # Profiles and the like belong to the old colours.
    pixels.info = {}
    return _turned(pixels, turn)


@contextlib.contextmanager
def decoded(image: bytes, header: Header) -> Iterator[Any]:
    """The first frame or page as Pillow decodes it, in its own mode.

    Args:
      image: an encoded image.
      header: its header.

    Raises:
      UnfitError: it cannot be decoded.
    """
    # A TIFF's own directories were checked with its header.
    if header.format != "tiff" and is_exif_bomb(image):
        raise damaged(f"{header.format.upper()} whose Exif data refer to more bytes than it has")
    if header.format == "gif":
        image = first_frame(image)
    try:
        with open_image(image, header.format) as picture:
            if header.page:
                picture.seek(header.page)
            picture.load()
            yield picture
    except (UnfitError, MemoryError):
        raise
    except Exception as error:  # Pillow raises many types for damaged data.
        reason = Reason.DAMAGED if header.complete else Reason.TRUNCATED
        detail = f"Pillow cannot decode the {header.format.upper()}: {first_line(error)}"
        raise UnfitError(reason, detail) from error


def plain(picture: Any) -> Any:
    """A PIL image in mode L, LA, RGB or RGBA; without alpha if all pixels are opaque."""
    grey = picture.mode in _GREY
    if picture.mode in _ALPHA or "transparency" in picture.info:
        with_alpha = picture.convert("LA" if picture.mode in ("L", "LA", "1") else "RGBA")
        if with_alpha.getchannel("A").getextrema()[0] < _OPAQUE:
            return with_alpha
        return with_alpha.convert("L" if grey else "RGB")
    return picture.convert("L" if grey else "RGB")


def _turned(pixels: Any, orientation: int) -> Any:
    from PIL import Image

    turn = Image.Transpose
    turns = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
    return pixels.transpose(turns[orientation]) if orientation in turns else pixels
