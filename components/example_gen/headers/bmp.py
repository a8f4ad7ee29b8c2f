"""The header of a BMP.

Source: BITMAPCOREHEADER, BITMAPINFOHEADER and BITMAPV5HEADER of Windows; OS/2 2.0.
"""

from __future__ import annotations

import struct

from components.example_gen.headers.base import Header, too_costly
from components.example_gen.verdict import Reason, UnfitError

_OLD = 12
"""Bytes of the header of OS/2 1.x and Windows 2."""
_PLAIN, _RUN_LENGTHS, _MASKED = 0, (1, 2), 3
_MASKS = struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF)
_MAX_RUN_PIXELS = 4_000_000
_MAX_RUN_BYTES = 1_000_000
"""Of run lengths, which Pillow reads one by one in Python, 1 s."""


def read_bmp(image: bytes) -> Header:
    """Reads the header.

    Raises:
      UnfitError: of a kind that Pillow does not read, or reads too slowly.
      struct.error: it ends within its header.
    """
    start, header_bytes = struct.unpack_from("<II", image, 10)
    compression = _PLAIN
    if header_bytes == _OLD:
        width, height, bits = struct.unpack_from("<HH2xH", image, 18)
    elif header_bytes < 40:
        detail = f"a BMP with a header of {header_bytes} bytes, which Pillow does not read"
        raise UnfitError(Reason.UNSUPPORTED, detail)
    else:
        width, height, bits, compression = struct.unpack_from("<ii2xHI", image, 18)
    height = abs(height)
    if compression in _RUN_LENGTHS:
        costly = width * height > _MAX_RUN_PIXELS or len(image) > _MAX_RUN_BYTES
        if costly:
            raise too_costly(
                f"a BMP of run lengths with more than {_MAX_RUN_PIXELS:,} pixels or "
                f"{_MAX_RUN_BYTES:,} bytes"
            )
        obstacle = "a BMP of run lengths, which TensorFlow does not decode"
        return Header("bmp", width, height, obstacle, "bmp")
    surplus = len(image) - start - (width * bits + 31) // 32 * 4 * height
    obstacle = _obstacle(image, header_bytes, bits, compression, surplus)
    return Header("bmp", width, height, obstacle, "bmp", complete=surplus >= 0)


def _obstacle(image: bytes, header_bytes: int, bits: int, compression: int, surplus: int) -> str:
    if compression == _PLAIN and bits in (1, 4, 8):
        return ""
    plain = compression == _PLAIN and header_bytes != _OLD
    masked = compression == _MASKED and bits == 32 and image[54:66] == _MASKS
    if bits not in (24, 32) or not (plain or masked):
        return f"a BMP of {bits} bits a pixel in a form that TensorFlow does not decode"
    if surplus > 0:
        return f"a BMP with {surplus:,} bytes after its pixels, which TensorFlow refuses"
    return ""
