"""The size of an image by its header, as the decoder will read it; nothing is decoded.

Of what TensorFlow decodes the fields are read here and not by Pillow: it warns of large images by
global state, refuses some that TensorFlow takes (a bad checksum in a comment), unpacks texts and
profiles, and tells of a GIF its screen where TensorFlow decodes its frames.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import dataclass

from components.example_gen.verdict import Reason, UnfitError, first_line

DECODABLE_PIXELS = 2**29 // 3
"""TensorFlow refuses a JPEG of more (jpeg_mem.cc)."""


@dataclass(frozen=True)
class Header:
    """What the header says.

    Attributes:
      format: jpeg, png, gif, bmp, webp or tiff.
      width: in pixels.
      height: in pixels.
      obstacle: why TensorFlow does not decode it, or not rightly, and Pillow neither; or empty.
      cmyk: its colours are those of print.
      held_pixels: that a decoder holds to get at these: all frames of a GIF, a tile of a TIFF.
      scans: passes over all pixels that a JPEG asks for.
      complete: the end of the file is there.
    """

    format: str
    width: int
    height: int
    obstacle: str = ""
    cmyk: bool = False
    held_pixels: int = 0
    scans: int = 1
    complete: bool = True


def read_header(image: bytes, kind: str) -> Header:
    """Reads the header of an encoded image.

    Args:
      image: the encoded image.
      kind: its format, by `format_of`.

    Raises:
      UnfitError: the header is broken.
    """
    readers = {"jpeg": _jpeg, "png": _png, "gif": _gif, "bmp": _bmp, "webp": _webp, "tiff": _tiff}
    try:
        header = readers[kind](image)
    except (IndexError, struct.error) as error:
        detail = f"the {kind.upper()} ends within its header"
        raise UnfitError(Reason.TRUNCATED, detail) from error
    if header.width <= 0 or header.height <= 0:
        raise _damaged(f"its header says {header.width} x {header.height} pixels")
    return header


def _damaged(detail: str) -> UnfitError:
    return UnfitError(Reason.DAMAGED, detail)


_MARKER = re.compile(rb"\xff([^\xff\x00])")
_MAX_SEGMENTS = 10_000
"""Before the pixels. A colour profile of 16 MB takes 250."""

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_BARE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a segment."""
_SEGMENT = re.compile(b"\xff([^\xff\\x00" + bytes(sorted(_BARE)) + b"])")
"""A marker that has one."""
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Frame headers, that of JPEG-LS included."""
_DCT = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_FEW_SCANS = 100
"""Up to here the marker's bytes are counted, wherever they are."""


def _jpeg(image: bytes) -> Header:
    """Walks from marker to marker, as libjpeg does, to the first scan."""
    if image[2:3] not in (b"\xff", b""):
        raise _damaged("a JPEG whose third byte is changed")
    position, frame = 2, b""
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(image, position)
        if not found:
            raise IndexError
        marker, position = found[1][0], found.end()
        if marker in _BARE:
            continue
        if marker in (_SOI, _EOI):
            raise _damaged("a JPEG that ends before its first scan")
        (length,) = struct.unpack_from(">H", image, position)
        if length < 2:
            raise _damaged("a JPEG with a segment of less than no length")
        if marker == _SOS:
            if not frame:
                raise _damaged("a JPEG without a frame header, which tells its size")
            return _jpeg_frame(frame, image, position + length)
        if marker in _FRAMES:
            if frame:
                raise _damaged("a JPEG with two frame headers")
            frame = found[1] + image[position + 2 : position + length]
        position += length
    raise _damaged(f"a JPEG with more than {_MAX_SEGMENTS:,} segments before its pixels")


def _jpeg_frame(frame: bytes, image: bytes, scan: int) -> Header:
    """What a frame header says; `scan` is where the first scan's data begin in the image."""
    marker, bits, height, width, components = struct.unpack_from(">BBHHB", frame)
    obstacle = ""
    if marker not in _DCT:
        obstacle = "a lossless or hierarchical JPEG, which TensorFlow does not decode"
    elif bits != 8:
        obstacle = f"a JPEG of {bits} bits a colour, of which TensorFlow decodes 8"
    elif components not in (1, 3, 4):
        obstacle = f"a JPEG of {components} colours, which TensorFlow does not decode"
    return Header(
        "jpeg",
        width,
        height,
        obstacle,
        cmyk=components == 4,
        scans=_scans(image, scan),
        # From the end, where it is found at once.
        complete=image.rfind(b"\xff\xd9", scan) >= 0,
    )


def _scans(image: bytes, position: int) -> int:
    """Scans of a JPEG whose first has its data at a position; libjpeg reads any number of them.

    Of a sequential JPEG too: its decoder takes all there are where the first holds one colour.
    """
    # At most so many: within a scan's data no marker can occur, 0xff is followed by 0 there.
    scans = 1 + image.count(b"\xff\xda", position)
    if scans <= _FEW_SCANS:
        return scans
    # After the end there may be a film, as phones append it, in which any bytes occur.
    scans = 1
    for _ in range(_MAX_SEGMENTS):
        found = _SEGMENT.search(image, position)
        if not found or found[1][0] == _EOI:
            return scans
        position = found.end()
        scans += found[1][0] == _SOS
        length = image[position : position + 2]
        position += int.from_bytes(length, "big")
    raise _damaged(f"a JPEG with more than {_MAX_SEGMENTS:,} segments after its first scan")


_PNG = b"\x89PNG\r\n\x1a\n"
_IEND = b"IEND\xaeB`\x82"


def _png(image: bytes) -> Header:
    if not image.startswith(_PNG[: len(image)]):
        raise _damaged("a PNG whose first bytes are changed, as by a transfer as text")
    width, height, checksum = struct.unpack_from(">II5xI", image, 16)
    if image[12:16] != b"IHDR":
        raise _damaged("a PNG that does not begin with its header")
    if zlib.crc32(image[12:29]) != checksum:
        raise _damaged("a PNG whose header does not fit its checksum")
    return Header("png", width, height, complete=image.rfind(_IEND) >= 0)


_EXTENSION, _FRAME = 0x21, 0x2C


def _gif(image: bytes) -> Header:
    """Walks from block to block; TensorFlow's image is as large as the largest frame."""
    sides, complete = [], False
    position = 13 + _colours_bytes(image[10])
    try:
        while (block := image[position]) in (_EXTENSION, _FRAME):
            position += 2
            if block == _FRAME:
                width, height, flags = struct.unpack_from("<HHB", image, position + 3)
                sides.append((width, height))
                position += 9 + _colours_bytes(flags)
            while size := image[position]:
                position += size + 1
            position += 1
        complete = True
    except (IndexError, struct.error):
        # giflib takes the frames before the cut.
        if not sides:
            raise
    if not sides:
        raise _damaged("a GIF without a frame")
    widths, heights = zip(*sides, strict=True)
    pixels = sum(width * height for width, height in sides)
    return Header("gif", max(widths), max(heights), held_pixels=pixels, complete=complete)


def _colours_bytes(flags: int) -> int:
    """The size of a GIF's colour table."""
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0


_BMP_MASKS = struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF)


def _bmp(image: bytes) -> Header:
    start, header_bytes = struct.unpack_from("<II", image, 10)
    if header_bytes < 40:
        raise UnfitError(Reason.UNSUPPORTED, "a BMP of OS/2, which TensorFlow does not decode")
    width, height, bits, compression = struct.unpack_from("<ii2xHI", image, 18)
    height = abs(height)
    surplus = len(image) - start - (width * bits // 8 + 3) // 4 * 4 * height
    plain = compression == 0 or (compression == 3 and bits == 32 and image[54:66] == _BMP_MASKS)
    obstacle = ""
    if bits not in (24, 32) or not plain:
        obstacle = f"a BMP of {bits} bits a pixel, of which TensorFlow decodes plain 24 and 32"
    elif surplus > 0:
        obstacle = f"a BMP with {surplus:,} bytes after its pixels, which TensorFlow refuses"
    return Header("bmp", width, height, obstacle, complete=surplus >= 0)


def _webp(image: bytes) -> Header:
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
        raise _damaged("a WebP that does not begin with an image")
    return Header("webp", width, height, complete=complete)


_TIFF_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "YCbCr", "CMYK")
"""Pillow's modes of 8 bits a colour and less; more bits of colour images it reads as 8."""

_OFFSETS, _COUNTS = (273, 324), (279, 325)
"""TIFF tags of strips and of tiles."""
_TILE_WIDTH, _TILE_HEIGHT = 322, 323


_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""TIFF's types of values that are not of one byte."""


def _tagged_bytes(directory: bytes, entry: struct.Struct) -> int:
    """The bytes of all values of a directory, which Pillow reads tag by tag.

    Many tags may name the same place, so that a small file would take any amount of memory.
    """
    whole = directory[: len(directory) // entry.size * entry.size]
    return sum(_TYPE_BYTES.get(kind, 1) * count for kind, count in entry.iter_unpack(whole))


def _tiff(image: bytes) -> Header:
    """By Pillow: a TIFF's directory may be anywhere, in two byte orders and two sizes."""
    from PIL import TiffImagePlugin

    order, is_big = "<" if image.startswith(b"I") else ">", 43 in image[2:4]
    (start,) = struct.unpack_from(order + ("4xQ" if is_big else "I"), image, 4)
    (entries,) = struct.unpack_from(order + ("Q" if is_big else "H"), image, min(start, len(image)))
    entry = struct.Struct(order + ("2xHQ8x" if is_big else "2xHI4x"))
    if start + entries * entry.size > len(image):
        raise IndexError
    first = start + (8 if is_big else 2)
    if _tagged_bytes(image[first : first + entries * entry.size], entry) > len(image):
        raise _damaged("a TIFF whose tags are larger than all of it")
    try:
        opened = TiffImagePlugin.TiffImageFile(io.BytesIO(image))
        tags, mode, (width, height) = opened.tag_v2, opened.mode, opened.size
        offsets = next((tags[tag] for tag in _OFFSETS if tag in tags), ())
        counts = next((tags[tag] for tag in _COUNTS if tag in tags), ())
        tile = tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0)
        end = max(map(sum, zip(offsets, counts, strict=False)), default=0)
    except Exception as error:  # Pillow raises many types for what is damaged.
        if "unknown pixel mode" in str(error):
            detail = "a TIFF of bits or colours that Pillow does not read"
            raise UnfitError(Reason.UNSUPPORTED, detail) from error
        raise _damaged(f"a TIFF with a damaged header: {first_line(error)}") from error
    obstacle = "" if mode in _TIFF_MODES else f"a TIFF of Pillow's mode {mode}, which has no RGB"
    complete = end <= len(image)
    return Header(
        "tiff", width, height, obstacle, mode == "CMYK", held_pixels=tile, complete=complete
    )
