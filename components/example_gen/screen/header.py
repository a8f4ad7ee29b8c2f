"""The size of an image by its header, as the decoder will read it; nothing is decoded.

Of what TensorFlow decodes the fields are read here and not by Pillow: it warns of large images by
global state, refuses some that TensorFlow takes (a bad checksum in a comment), and unpacks texts
and profiles. The work is bounded: whatever the bytes, a header is read in less than a second.
"""

from __future__ import annotations

import struct

from components.example_gen.screen.headers.base import Header, damaged
from components.example_gen.screen.headers.bmp import read_bmp
from components.example_gen.screen.headers.gif import read_gif
from components.example_gen.screen.headers.heif import read_heif
from components.example_gen.screen.headers.jpeg import read_jpeg
from components.example_gen.screen.headers.png import read_png
from components.example_gen.screen.headers.tiff import read_tiff
from components.example_gen.screen.headers.webp import read_webp
from components.example_gen.screen.result import Reason, UnfitError

DECODABLE_PIXELS = 2**29 // 3
"""TensorFlow refuses a JPEG of more (jpeg_mem.cc)."""

_READERS = {
    "jpeg": read_jpeg,
    "png": read_png,
    "gif": read_gif,
    "bmp": read_bmp,
    "webp": read_webp,
    "tiff": read_tiff,
    "avif": lambda image: read_heif(image, "avif"),
    "heic": lambda image: read_heif(image, "heic"),
}


def read_header(image: bytes, kind: str) -> Header:
    """Reads the header of an encoded image.

    Args:
      image: the encoded image.
      kind: its format, by `format_of`.

    Raises:
      UnfitError: the header is broken, or promises far more work than its pixels.
    """
    try:
        header = _READERS[kind](image)
    except (IndexError, struct.error) as error:
        detail = f"the {kind.upper()} ends within its header"
        raise UnfitError(Reason.TRUNCATED, detail) from error
    if header.width <= 0 or header.height <= 0:
        raise damaged(f"its header says {header.width} x {header.height} pixels")
    return header
