"""The header of a BMP.

Source: BITMAPCOREHEADER, BITMAPINFOHEADER and BITMAPV5HEADER of Windows; OS/2 2.0.
"""

from __future__ import annotations

import struct

from components.example_gen.headers.base import Header, too_costly
from components.example_gen.verdict import Reason, UnfitError

_OLD = 12
"""Bytes of the header of OS/2 1.x and Windows 2."""
_RAW, _RUN_LENGTHS, _MASKED = 0, (1, 2), 3
_PALETTE_BITS, _OTHER_BITS = (1, 4, 8), (16, 24, 32)
_MASKS = struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF)
_MAX_PALETTE_PIXELS = 10_000_000
_MAX_MASKED_PIXELS = 2_100_000
"""The decoding graph holds a pixel of a palette in 20 bytes, one of masks in 150."""
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
    compression = _RAW
    if header_bytes == _OLD:
        width, height, bits = struct.unpack_from("<HH2xH", image, 18)
    elif header_bytes < 40:
        detail = f"a BMP with a header of {header_bytes} bytes, which Pillow does not read"
        raise UnfitError(Reason.UNSUPPORTED, detail)
    else:
        width, height, bits, compression = struct.unpack_from("<ii2xHI", image, 18)
    height = abs(height)
    if compression in _RUN_LENGTHS:
        if width * height > _MAX_RUN_PIXELS or len(image) > _MAX_RUN_BYTES:
            raise too_costly(
                f"a BMP of run lengths with more than {_MAX_RUN_PIXELS:,} pixels or "
                f"{_MAX_RUN_BYTES:,} bytes"
            )
        obstacle = "a BMP of run lengths, which TensorFlow does not decode"
        return Header("bmp", width, height, obstacle, "bmp")
    is_masked = compression == _MASKED and image[54:66] != _MASKS
    obstacle = _obstacle(width * height, bits, compression, is_masked or bits not in (24, 32))
    missing = start + (width * bits + 31) // 32 * 4 * height - len(image)
    return Header("bmp", width, height, obstacle, "bmp", complete=missing <= 0)


def _obstacle(pixels: int, bits: int, compression: int, is_masked: bool) -> str:
    if bits in _PALETTE_BITS and compression == _RAW:
        most, kind = _MAX_PALETTE_PIXELS, "with a palette"
    elif bits in _OTHER_BITS and compression in (_RAW, _MASKED):
        most, kind = (_MAX_MASKED_PIXELS if is_masked else pixels), f"of {bits} bits a pixel"
    else:
        return f"a BMP of {bits} bits a pixel in a form that TensorFlow does not decode"
    if pixels > most:
        return f"a BMP {kind} and more than {most:,} pixels, which takes too much memory"
    return ""
