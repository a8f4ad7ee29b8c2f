"""The header of a GIF: its blocks from the first to the last, without the pixels.

Source: GIF89a, sections 18 to 27.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (32, 24)).save(file, "GIF")
    >>> header = read_gif(file.getvalue())
    >>> header.width, header.height, header.obstacle
    (32, 24, '')
    >>> read_gif(first_frame(file.getvalue())) == header
    True
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from components.example_gen.screen.headers.base import Header, damaged, too_costly

_EXTENSION, _FRAME, _CONTROL = 0x21, 0x2C, 0xF9
_SCREEN_BYTES = 13
_MAX_FRAMES = 10_000
_MAX_EXTENSION_BLOCKS = 4_000
"""Blocks before the first frame, each of which the decoding graph visits: 1 MB."""
_MAX_BLOCKS = 500_000
"""Blocks in total; an encoder fills 32 MB with 125,000."""


@dataclass
class _Walk:
    """What was found between the beginning and the end.

    Attributes:
      frames: left, top, width and height of each, in pixels.
      first: where the first frame begins and ends, in bytes.
      control: where the last control block before it begins and ends; (0, 0) if there is none.
      transparent: whether such a block has a transparent colour.
      is_plain: whether every block before it has a single part.
      complete: whether the end was reached.
    """

    frames: list[tuple[int, int, int, int]] = field(default_factory=list)
    first: tuple[int, int] = (0, 0)
    control: tuple[int, int] = (0, 0)
    transparent: bool = False
    is_plain: bool = True
    complete: bool = False


def read_gif(image: bytes) -> Header:
    """Reads the header of a GIF; the image is the first frame on its screen.

    Raises:
      UnfitError: it has no frame, or reading its blocks costs far more than its pixels.
      IndexError, struct.error: it ends within its first frame's header.
    """
    walk = _walk(image)
    screen_width, screen_height = struct.unpack_from("<HH", image, 6)
    left, top, width, height = walk.frames[0]
    largest = max(each[2] for each in walk.frames) * max(each[3] for each in walk.frames)
    # giflib reads all frames, and TensorFlow allocates an image as wide and high as the largest.
    later = sum(each[2] * each[3] for each in walk.frames[1:]) + largest - width * height
    return Header(
        "gif",
        max(screen_width, left + width) if width else 0,
        max(screen_height, top + height) if height else 0,
        _obstacle(walk, (0, 0, screen_width, screen_height)),
        "gif",
        held_pixels=later,
        complete=walk.complete,
    )


def _obstacle(walk: _Walk, screen: tuple[int, int, int, int]) -> str:
    """Why TensorFlow decodes it wrongly; agrees with `components.transform.marks`."""
    if walk.transparent:
        return "a GIF with transparency, which TensorFlow decodes to black"
    if walk.frames[0] != screen:
        return "a GIF whose first frame does not fill its screen, which TensorFlow misplaces"
    if not walk.is_plain:
        return "a GIF with a comment or profile in several parts, which the model cannot read"
    return ""


def first_frame(image: bytes) -> bytes:
    """The GIF reduced to its first frame, without comments; `read_gif` must have accepted it."""
    walk = _walk(image, only_first=True)
    start = _SCREEN_BYTES + _colours_bytes(image[10])
    pieces = (image[:start], image[slice(*walk.control)], image[slice(*walk.first)], b";")
    return b"".join(pieces)


def _walk(image: bytes, *, only_first: bool = False) -> _Walk:
    walk, blocks = _Walk(), 0
    start = position = _SCREEN_BYTES + _colours_bytes(image[10])
    try:
        while (block := image[position]) in (_EXTENSION, _FRAME):
            start = position
            is_control = image[position + 1] == _CONTROL
            position += 2
            if block == _FRAME:
                *rectangle, flags = struct.unpack_from("<HHHHB", image, position - 1)
                position += 9 + _colours_bytes(flags)
                walk.frames.append((rectangle[0], rectangle[1], rectangle[2], rectangle[3]))
            parts = 0
            while size := image[position]:
                position += size + 1
                parts += 1
                _check(blocks + parts, walk.frames)
            blocks += parts
            position += 1
            blocks += 1
            _check(blocks, walk.frames)
            if block == _EXTENSION and not walk.frames:
                walk.is_plain &= parts == 1
                if is_control:
                    walk.control = start, position
                    walk.transparent |= bool(image[start + 3] & 1)
            elif block == _FRAME and len(walk.frames) == 1:
                walk.first = start, position
                if only_first:
                    return walk
        walk.complete = True
    except (IndexError, struct.error):
        # giflib decodes the frames before the cut.
        if not walk.frames:
            raise
        if walk.first == (0, 0):
            walk.first = start, len(image)
    if not walk.frames:
        raise damaged("a GIF without a frame")
    return walk


def _check(blocks: int, frames: list[tuple[int, int, int, int]]) -> None:
    if not frames and blocks > _MAX_EXTENSION_BLOCKS:
        raise too_costly(f"a GIF with more than {_MAX_EXTENSION_BLOCKS:,} blocks before its pixels")
    if blocks > _MAX_BLOCKS:
        raise too_costly(f"a GIF with more than {_MAX_BLOCKS:,} blocks")
    if len(frames) > _MAX_FRAMES:
        raise too_costly(f"a GIF with more than {_MAX_FRAMES:,} frames")


def _colours_bytes(flags: int) -> int:
    """The size of a colour table in bytes."""
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0
