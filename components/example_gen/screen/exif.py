"""The orientation in Exif data, and what reading them costs.

Source: Exif 2.32, section 4.6; TIFF 6.0, section 2.
"""

from __future__ import annotations

import re
import struct

_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Types of values that are not of one byte."""
_BEGINNING = re.compile(rb"II\*\0|MM\0\*")
_MAX_TAGGED = 64_000_000
"""Bytes of all values of a directory; a camera's maker notes take some 100 kB."""


def orientation(exif: bytes) -> int:
    """1 to 8; 1 where none is said.

    Args:
      exif: Exif data, with or without the name before them.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    found = 1
    for tag, kind, count, value in _entries(exif, 0):
        if tag == _ORIENTATION and count == 1 and kind in (_SHORT, _LONG):
            found = int.from_bytes(
                value[:2] if kind == _SHORT else value, "little" if exif[0] == ord("I") else "big"
            )
    return found if 1 <= found <= 8 else 1


def is_bomb(image: bytes) -> bool:
    """Whether Exif data in an image name far more bytes than it has.

    Many tags may name the same place, and Pillow reads tag by tag.
    """
    return any(
        sum(_TYPE_BYTES.get(kind, 1) * count for _, kind, count, _ in _entries(image, at.start()))
        > _MAX_TAGGED
        for at in _BEGINNING.finditer(image)
    )


def _entries(tiff: bytes, begin: int) -> list[tuple[int, int, int, bytes]]:
    """(tag, type, count, value or offset) of the first directory, as far as it goes."""
    order = "<" if tiff[begin : begin + 1] == b"I" else ">"
    if not _BEGINNING.match(tiff, begin) or len(tiff) < begin + 8:
        return []
    start = begin + struct.unpack_from(order + "I", tiff, begin + 4)[0]
    if start + 2 > len(tiff):
        return []
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    whole = (len(tiff) - start - 2) // 12
    directory = tiff[start + 2 : start + 2 + 12 * min(entries, whole)]
    return list(struct.iter_unpack(order + "HHI4s", directory))
