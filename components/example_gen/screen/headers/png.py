"""The header of a PNG, and what its other chunks cost.

Source: PNG, third edition, sections 5 and 11.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (32, 24)).save(file, "PNG")
    >>> header = read_png(file.getvalue())
    >>> header.width, header.height, header.complete
    (32, 24, True)
"""

from __future__ import annotations

import struct
import zlib

from components.example_gen.screen.headers.base import Header, damaged, too_costly

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"IEND\xaeB`\x82"
_MAX_SIDE = 1_000_000
"""libpng refuses more."""
_MAX_CHUNKS = 10_000
"""Encoders write pixels in chunks of 8 kB and more."""
_MAX_VISITED = 2_000
"""Chunks of a PNG with metadata: the decoding graph visits each, in 0.5 ms."""
_METADATA = (b"eXIf", b"tRNS", b"tiff:Orientation")
_MAX_OTHER_CHUNKS = 1_000
"""Chunks other than pixels; libpng reads as many texts."""
_MAX_UNPACKED = 8_000_000
"""Bytes of all texts and of the colour profile, unpacked: libpng takes 0.1 to 0.3 s."""
_PACKED = (b"zTXt", b"iTXt", b"iCCP")
_PIECE = 1 << 20

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the colour type."""
_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip
"""Passes of an interlaced image: the first column and row, and the steps to the next."""
_MOST_UNPACKED = 1032
"""Bytes that zlib unpacks from one, at most."""
_MAX_UNSEEN = 300_000_000
"""Bytes behind the last pixel, which libpng unpacks too, in 0.7 s."""


def read_png(image: bytes) -> Header:
    """Reads the first chunk, and checks the others.

    Raises:
      UnfitError: it is damaged, or reading its chunks costs far more than its pixels.
      struct.error: it ends within its header.
    """
    if not image.startswith(_SIGNATURE[: len(image)]):
        raise damaged("a PNG whose first bytes were changed, as by a transfer in text mode")
    width, height, checksum = struct.unpack_from(">II5xI", image, 16)
    if image[12:16] != b"IHDR":
        raise damaged("a PNG that does not begin with its header")
    if zlib.crc32(image[12:29]) != checksum:
        raise damaged("a PNG whose header does not match its checksum")
    _check_pixel_data(_check_chunks(image), _pixel_bytes(image, width, height))
    obstacle = ""
    if max(width, height) > _MAX_SIDE:
        obstacle = f"a PNG of {width:,} x {height:,} pixels; libpng allows sides of {_MAX_SIDE:,}"
    return Header("png", width, height, obstacle, complete=image.rfind(_END) >= 0)


def _pixel_bytes(image: bytes, width: int, height: int) -> int:
    """Bytes of all rows, unpacked, each with the byte that names its filter."""
    bits = image[24] * _CHANNELS.get(image[25], 4)
    passes = _ADAM7 if image[28] else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes)
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0)


def _check_pixel_data(parts: list[memoryview], pixel_bytes: int) -> None:
    """Refuses pixel data that unpack to far more than the pixels of the header."""
    most = pixel_bytes + _MAX_UNSEEN
    if sum(map(len, parts)) * _MOST_UNPACKED <= most:
        return
    unpacker, total = zlib.decompressobj(), 0
    try:
        for part in parts:
            data: bytes | memoryview = part
            while data:
                total += len(unpacker.decompress(data, _PIECE))
                # As much as is unpacked of most images, which have nothing behind their pixels.
                if total > pixel_bytes + _PIECE:
                    raise too_costly(
                        f"a PNG whose pixel data unpack to more than the {pixel_bytes:,} bytes of "
                        "its pixels"
                    )
                data = unpacker.unconsumed_tail
    except zlib.error:
        pass  # Decoding finds the damage.


def _check_chunks(image: bytes) -> list[memoryview]:
    """Checks the number of chunks and their texts; returns the pixel data, without a copy."""
    position, chunks, others, unpacked = 8, 0, 0, 0
    view, pixel_data = memoryview(image), []
    most = _MAX_VISITED if any(each in image for each in _METADATA) else _MAX_CHUNKS
    while position + 8 <= len(image):
        length, name = struct.unpack_from(">I4s", image, position)
        if name == b"IEND":
            break
        chunks += 1
        if name == b"IDAT":
            pixel_data.append(view[position + 8 : position + 8 + length])
        others += name != b"IDAT"
        if chunks > most or others > _MAX_OTHER_CHUNKS:
            raise too_costly(
                f"a PNG with more than {most:,} chunks, or {_MAX_OTHER_CHUNKS:,} besides its pixels"
            )
        if name in _PACKED:
            data = _compressed(name, image[position + 8 : position + 8 + length])
            unpacked += _unpacked_bytes(data, _MAX_UNPACKED - unpacked)
        if unpacked > _MAX_UNPACKED:
            raise too_costly(
                f"a PNG whose texts and profile unpack to more than {_MAX_UNPACKED:,} bytes"
            )
        position += 12 + length
    return pixel_data


def _compressed(name: bytes, data: bytes) -> bytes:
    """The compressed part of a chunk; empty if there is none."""
    _, _, rest = data.partition(b"\0")
    if name != b"iTXt":
        return rest[1:]
    if not rest[:1].strip(b"\0"):
        return b""
    # Skips the language, and the keyword in that language.
    return rest[2:].partition(b"\0")[2].partition(b"\0")[2]


def _unpacked_bytes(data: bytes, most: int) -> int:
    """The unpacked length of compressed data; stops once it exceeds `most`.

    Damaged data count up to the damage.
    """
    unpacker, total = zlib.decompressobj(), 0
    try:
        while data and total <= most:
            total += len(unpacker.decompress(data, _PIECE))
            data = unpacker.unconsumed_tail
    except zlib.error:
        pass
    return total
