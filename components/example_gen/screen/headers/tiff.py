"""The header of a TIFF: the directory of its first page that is not a thumbnail.

Source: TIFF 6.0, sections 2, 8 and 15; BigTIFF of libtiff.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("CMYK", (32, 24)).save(file, "TIFF")
    >>> header = read_tiff(file.getvalue())
    >>> header.width, header.height, header.convert
    (32, 24, 'cmyk')
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from components.example_gen.screen.headers.base import Header, damaged, too_costly
from components.example_gen.screen.result import Reason, UnfitError, first_line

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "YCbCr", "CMYK")
"""Pillow's modes of up to 8 bits per colour; it reduces colour images of more bits to 8."""
_OFFSETS, _COUNTS = (273, 324), (279, 325)
"""Tags of strips and of tiles."""
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_NEW_SUBFILE, _SUBFILE = 254, 255
_SMALLER, _MASK, _OLD_SMALLER = 1, 4, 2
_DIRECTORIES = (34665, 34853, 40965)
"""Tags of directories that Pillow reads too: Exif, GPS and interoperability."""
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes per value of a type; 1 for every other type."""
_MAX_PAGES = 100
"""Pages that are searched."""
_MAX_VALUES = 100_000
"""Numbers in a directory, each of which becomes an object; two per strip."""


@dataclass(frozen=True)
class _Layout:
    """How the file's directories are read: struct's formats, and sizes in bytes."""

    order: str
    count: str
    entry: struct.Struct
    offset: str

    @classmethod
    def of(cls, image: bytes) -> _Layout:
        order = "<" if image.startswith(b"I") else ">"
        if 43 in image[2:4]:
            return cls(order, "Q", struct.Struct(order + "HHQ8s"), "Q")
        return cls(order, "H", struct.Struct(order + "HHI4s"), "I")

    def directory(self, image: bytes, start: int) -> tuple[list[tuple[int, int, int, int]], int]:
        """Its entries (tag, type, count, value or offset), and the next one's offset; 0 if none.

        Raises:
          struct.error, IndexError: it is not within the file.
          UnfitError: Pillow would take far more memory for it than the file has bytes.
        """
        (entries,) = struct.unpack_from(self.order + self.count, image, min(start, len(image)))
        first = start + struct.calcsize(self.count)
        end = first + entries * self.entry.size
        if end > len(image):
            raise IndexError
        found = [
            (tag, kind, count, self._value(kind, count, value))
            for tag, kind, count, value in self.entry.iter_unpack(image[first:end])
        ]
        # Many tags may point to the same bytes: a small file could take any amount of memory.
        if sum(_TYPE_BYTES.get(kind, 1) * count for _, kind, count, _ in found) > len(image):
            raise damaged("a TIFF whose tags are larger than the file")
        if sum(count for _, kind, count, _ in found if kind in _TYPE_BYTES) > _MAX_VALUES:
            raise too_costly(f"a TIFF with more than {_MAX_VALUES:,} numbers in its tags")
        following = image[end : end + struct.calcsize(self.offset)]
        return found, int.from_bytes(following, "little" if self.order == "<" else "big")

    def _value(self, kind: int, count: int, value: bytes) -> int:
        is_short = kind == 3 and count == 1
        return int.from_bytes(
            value[:2] if is_short else value, "little" if self.order == "<" else "big"
        )


def read_tiff(image: bytes) -> Header:
    """Reads the header with Pillow, after checking the directories.

    Raises:
      UnfitError: it is damaged, holds only thumbnails, or costs far more than its pixels.
      IndexError, struct.error: it ends within its header.
    """
    from PIL import TiffImagePlugin

    page = _full_page(image)
    try:
        opened = TiffImagePlugin.TiffImageFile(io.BytesIO(image))
        opened.seek(page)
        tags, mode, (width, height) = opened.tag_v2, opened.mode, opened.size
        offsets = next((tags[tag] for tag in _OFFSETS if tag in tags), ())
        counts = next((tags[tag] for tag in _COUNTS if tag in tags), ())
        tile = tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0) - width * height
        end = max(map(sum, zip(offsets, counts, strict=False)), default=0)
    except Exception as error:  # Pillow raises many types for damaged data.
        if "unknown pixel mode" in str(error):
            detail = "a TIFF with bits or colours that Pillow does not read"
            raise UnfitError(Reason.UNSUPPORTED, detail) from error
        raise damaged(f"a TIFF with a damaged header: {first_line(error)}") from error
    obstacle, convert = "", "tiff"
    if mode not in _MODES:
        obstacle, convert = f"a TIFF of Pillow's mode {mode}, which cannot become RGB", ""
    elif mode == "CMYK":
        obstacle, convert = "a TIFF in CMYK, the colour space of printing", "cmyk"
    complete = end <= len(image)
    return Header(
        "tiff",
        width,
        height,
        obstacle,
        convert,
        held_pixels=max(0, tile),
        page=page,
        complete=complete,
    )


def _full_page(image: bytes) -> int:
    """The first page that is neither a thumbnail nor a mask."""
    layout = _Layout.of(image)
    is_big = layout.offset == "Q"
    (start,) = struct.unpack_from(layout.order + ("4xQ" if is_big else "I"), image, 4)
    seen: set[int] = set()
    for page in range(_MAX_PAGES):
        if page and (not start or start in seen):
            break
        seen.add(start)
        entries, following = layout.directory(image, start)
        values = {tag: value for tag, _, _, value in entries}
        for tag in _DIRECTORIES:
            if tag in values:
                _check_inner(layout, image, values[tag])
        reduced = values.get(_NEW_SUBFILE, 0) & (_SMALLER | _MASK)
        if not reduced and values.get(_SUBFILE, 0) != _OLD_SMALLER:
            return page
        start = following
    raise UnfitError(Reason.UNSUPPORTED, "a TIFF with only thumbnails, such as a camera's raw file")


def _check_inner(layout: _Layout, image: bytes, start: int) -> None:
    try:
        layout.directory(image, start)
    except (IndexError, struct.error):
        # Pillow ignores a directory outside of the file.
        return
