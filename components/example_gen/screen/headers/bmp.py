"""The header of a BMP.

Source: BITMAPCOREHEADER, BITMAPINFOHEADER and BITMAPV5HEADER of Windows; OS/2 2.0.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("P", (32, 24)).save(file, "BMP")
    >>> header = read_bmp(file.getvalue())
    >>> header.width, header.height, header.obstacle
    (32, 24, 'a BMP with a palette, whose indices TensorFlow takes for greys')
"""

from __future__ import annotations

import struct

from components.example_gen.screen.headers.base import Header, too_costly
from components.example_gen.screen.result import Reason, UnfitError
from components.transform.bmp import COLOUR_BITS, GREYS, HEADER_SIZES, PALETTE

_OLD = 12
"""Bytes of the header of OS/2 1.x and Windows 2."""
_RAW, _RUN_LENGTHS = 0, (1, 2)
_MAX_RUN_PIXELS = 4_000_000
_MAX_RUN_BYTES = 1_000_000
"""Bytes of run lengths, which Pillow reads one by one in Python: 1 s."""


def read_bmp(image: bytes) -> Header:
    """Reads the header of a BMP.

    Raises:
      UnfitError: Pillow does not read this kind of BMP, or reads it too slowly.
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
                f"a run-length encoded BMP with more than {_MAX_RUN_PIXELS:,} pixels or "
                f"{_MAX_RUN_BYTES:,} bytes"
            )
        obstacle = "a run-length encoded BMP, which TensorFlow does not decode"
        return Header("bmp", width, height, obstacle, "bmp")
    missing = start + (width * bits + 31) // 32 * 4 * height - len(image)
    obstacle = _obstacle(image, header_bytes, bits, compression)
    if missing < 0 and not obstacle:
        obstacle = "a BMP with bytes after its pixels, which TensorFlow does not decode"
    return Header("bmp", width, height, obstacle, "bmp", complete=missing <= 0)


def _obstacle(image: bytes, header_bytes: int, bits: int, compression: int) -> str:
    """Why TensorFlow cannot decode it; agrees with `components.transform.marks` and `pixels`."""
    if header_bytes == _OLD:
        return "a BMP with an OS/2 header, which TensorFlow does not decode"
    if bits in (1, 4, 8) and compression == _RAW:
        is_grey = bits == 8 and header_bytes == 40 and image[46:50] in (bytes(4), b"\0\1\0\0")
        if is_grey and image[PALETTE : PALETTE + len(GREYS)] == GREYS:
            return ""
        return "a BMP with a palette, whose indices TensorFlow takes for greys"
    if bits in COLOUR_BITS and compression == _RAW and header_bytes in HEADER_SIZES:
        return ""
    return f"a BMP of {bits} bits per pixel in a form that TensorFlow does not decode"
