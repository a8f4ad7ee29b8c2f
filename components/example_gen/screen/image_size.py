"""How large images are, told by their headers; none is decoded."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from components.example_gen.screen.formats import format_of
from components.example_gen.screen.header import DECODABLE_PIXELS, read_header
from components.example_gen.screen.result import UnfitError
from components.example_gen.sources.stored import parsed


def header_size(encoded: bytes) -> tuple[int, int] | None:
    """(height, width) in pixels of an encoded image; None where it cannot be decoded."""
    try:
        header = read_header(encoded, format_of(encoded))
    except UnfitError:
        return None
    if header.width * header.height > DECODABLE_PIXELS:
        return None
    return header.height, header.width


def median_size(records: Iterable[bytes]) -> tuple[int, int] | None:
    """The median of the heights and that of the widths, in pixels; None where none is readable.

    Args:
      records: serialized tf.Examples with an encoded `image`.
    """
    sizes = [size for record in records if (size := header_size(_image(record)))]
    if not sizes:
        return None
    height, width = (round(statistics.median(sides)) for sides in zip(*sizes, strict=True))
    return height, width


def _image(record: bytes) -> bytes:
    """The encoded image of a record; empty where there is none."""
    example = parsed(record)
    features = example.features.feature if example else {}
    return b"".join(features["image"].bytes_list.value[:1]) if "image" in features else b""
