"""The size of an image from its header, as the decoder will read it; nothing is decoded.

Headers of the formats that TensorFlow decodes are parsed here and not by Pillow, which warns of
large images through global state, refuses some that TensorFlow decodes (a bad checksum in a
comment), and unpacks texts and profiles. The work is bounded: any header is read in under a second.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (32, 24)).save(file, "PNG")
    >>> header = read_header(file.getvalue(), "png")
    >>> header.width, header.height
    (32, 24)
    >>> header_size(file.getvalue())
    (24, 32)
    >>> header_size(b"no image") is None
    True
"""

from __future__ import annotations

import statistics
import struct
from collections.abc import Iterable

from components.example_gen.screen.formats import format_of
from components.example_gen.screen.headers.base import Header, damaged
from components.example_gen.screen.headers.bmp import read_bmp
from components.example_gen.screen.headers.gif import read_gif
from components.example_gen.screen.headers.heif import read_heif
from components.example_gen.screen.headers.jpeg import read_jpeg
from components.example_gen.screen.headers.png import read_png
from components.example_gen.screen.headers.tiff import read_tiff
from components.example_gen.screen.headers.webp import read_webp
from components.example_gen.screen.result import Reason, UnfitError
from components.example_gen.sources.stored import parsed

DECODABLE_PIXELS = 2**29 // 3
"""TensorFlow refuses a JPEG with more (jpeg_mem.cc)."""

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
      kind: its format, from `format_of`.

    Raises:
      UnfitError: the header is broken, or announces far more work than its pixels need.
    """
    try:
        header = _READERS[kind](image)
    except (IndexError, struct.error) as error:
        detail = f"the {kind.upper()} ends within its header"
        raise UnfitError(Reason.TRUNCATED, detail) from error
    if header.width <= 0 or header.height <= 0:
        raise damaged(f"its header gives {header.width} x {header.height} pixels")
    return header


def header_size(encoded: bytes) -> tuple[int, int] | None:
    """(height, width) in pixels of an encoded image; None if it cannot be decoded."""
    try:
        header = read_header(encoded, format_of(encoded))
    except UnfitError:
        return None
    if header.width * header.height > DECODABLE_PIXELS:
        return None
    return header.height, header.width


def median_size(records: Iterable[bytes]) -> tuple[int, int] | None:
    """The median height and the median width, in pixels; None if no image is readable.

    Args:
      records: serialized tf.Examples with an encoded `image`.
    """
    sizes = [size for record in records if (size := header_size(_image(record)))]
    if not sizes:
        return None
    height, width = (round(statistics.median(sides)) for sides in zip(*sizes, strict=True))
    return height, width


def _image(record: bytes) -> bytes:
    """The encoded image of a record; empty if there is none."""
    example = parsed(record)
    features = example.features.feature if example else {}
    return b"".join(features["image"].bytes_list.value[:1]) if "image" in features else b""
