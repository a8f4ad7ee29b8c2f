"""Pillow, used safely: its readers chosen by format, and Exif data checked before it reads them.

Source: Exif 2.32, section 4.6; TIFF 6.0, section 2.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (32, 24)).save(file, "WEBP")
    >>> with open_image(file.getvalue(), "webp") as picture:
    ...     picture.size
    (32, 24)
    >>> exif = Image.Exif()
    >>> exif[0x0112] = 6
    >>> exif_orientation(exif.tobytes())
    6
    >>> is_exif_bomb(exif.tobytes())
    False
"""

from __future__ import annotations

import importlib
import io
import re
import struct
from typing import Any

from components.example_gen.screen.result import Reason, UnfitError

_READERS = {
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
_MISSING = {
    "avif": "AVIF, which this Pillow does not read; install Pillow 11.3 or later",
    "heic": "HEIC, which needs a plug-in; install it with `uv pip install pillow-heif`, or convert "
    "the files: `heif-convert IN.heic OUT.png`",
}

_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes per value of a type; 1 for every other type."""
_TIFF_START = re.compile(rb"II\*\0|MM\0\*")
_MAX_TAGGED = 64_000_000
"""Bytes of all values in a directory; a camera's maker notes take some 100 kB."""


def open_image(image: bytes, kind: str) -> Any:
    """A PIL image whose header has been read and whose pixels have not.

    Args:
      image: the encoded image.
      kind: its format; Pillow is not left to guess it.

    Raises:
      UnfitError: the reader is not installed.
      Exception: of many types, if the image is damaged.
    """
    module, name = _READERS[kind]
    try:
        reader = getattr(importlib.import_module(module), name)
    except ImportError as error:
        detail = _MISSING.get(kind, f"{kind.upper()}, which this Pillow does not read")
        raise UnfitError(Reason.UNSUPPORTED, detail, cure="") from error
    return reader(io.BytesIO(image))


def exif_orientation(exif: bytes) -> int:
    """The orientation in Exif data, 1 to 8; 1 if there is none.

    Args:
      exif: Exif data, with or without the leading `Exif`.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    found = 1
    for tag, kind, count, value in _entries(exif, 0):
        if tag == _ORIENTATION and count == 1 and kind in (_SHORT, _LONG):
            found = int.from_bytes(
                value[:2] if kind == _SHORT else value, "little" if exif[0] == ord("I") else "big"
            )
    return found if 1 <= found <= 8 else 1


def is_exif_bomb(image: bytes) -> bool:
    """Whether Exif data in an image refer to far more bytes than the image has.

    Many tags may point to the same bytes, and Pillow copies them for each tag.
    """
    return any(
        sum(_TYPE_BYTES.get(kind, 1) * count for _, kind, count, _ in _entries(image, at.start()))
        > _MAX_TAGGED
        for at in _TIFF_START.finditer(image)
    )


def _entries(tiff: bytes, begin: int) -> list[tuple[int, int, int, bytes]]:
    """(tag, type, count, value or offset) of the first directory, up to where the data end."""
    order = "<" if tiff[begin : begin + 1] == b"I" else ">"
    if not _TIFF_START.match(tiff, begin) or len(tiff) < begin + 8:
        return []
    start = begin + struct.unpack_from(order + "I", tiff, begin + 4)[0]
    if start + 2 > len(tiff):
        return []
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    whole = (len(tiff) - start - 2) // 12
    directory = tiff[start + 2 : start + 2 + 12 * min(entries, whole)]
    return list(struct.iter_unpack(order + "HHI4s", directory))
