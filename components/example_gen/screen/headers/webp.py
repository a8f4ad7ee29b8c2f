"""The header of a WebP.

Source: RFC 9649, section 2.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (32, 24)).save(file, "WEBP")
    >>> header = read_webp(file.getvalue())
    >>> header.width, header.height, header.convert
    (32, 24, 'webp')
"""

from __future__ import annotations

import struct

from components.example_gen.screen.headers.base import Header, damaged, too_costly

_MAX_CHUNKS = 10_000
"""Each frame of an animation is a chunk."""


def read_webp(image: bytes) -> Header:
    """Reads the first chunk, and counts the others.

    Raises:
      UnfitError: it is damaged, or has too many chunks.
      IndexError, struct.error: it ends within its header.
    """
    (size,) = struct.unpack_from("<I", image, 4)
    complete = len(image) >= size + 8
    kind = image[12:16]
    if kind == b"VP8 ":
        width, height = (side % 2**14 for side in struct.unpack_from("<HH", image, 26))
    elif kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", image, 21)
        width, height = 1 + packed % 2**14, 1 + (packed >> 14) % 2**14
    elif kind == b"VP8X":
        sides = struct.unpack_from("<HBHB", image, 24)
        width, height = 1 + sides[0] + (sides[1] << 16), 1 + sides[2] + (sides[3] << 16)
    elif len(image) < 16:
        raise IndexError
    else:
        raise damaged("a WebP that does not begin with an image")
    _check_chunks(image)
    return Header("webp", width, height, convert="webp", complete=complete)


def _check_chunks(image: bytes) -> None:
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(image):
            return
        (length,) = struct.unpack_from("<I", image, position + 4)
        position += 8 + length + length % 2
    raise too_costly(f"a WebP with more than {_MAX_CHUNKS:,} frames and other chunks")
