"""The header of an AVIF or HEIC, by the plug-in that converts it."""

from __future__ import annotations

from components.example_gen.screen.exif import is_bomb
from components.example_gen.screen.headers.base import Header, damaged
from components.example_gen.screen.plugins import opened
from components.example_gen.screen.result import UnfitError, first_line


def read_heif(image: bytes, kind: str) -> Header:
    """Reads the boxes before the pixels; none is decoded.

    Args:
      image: the encoded image.
      kind: avif or heic.

    Raises:
      UnfitError: it is damaged, or nothing here reads it.
    """
    if is_bomb(image):
        raise damaged(f"{kind.upper()} whose Exif data name more bytes than it has")
    try:
        with opened(image, kind) as picture:
            width, height = picture.size
    except (UnfitError, MemoryError):
        raise
    except Exception as error:  # Plug-ins raise many types for what is damaged.
        raise damaged(f"{kind.upper()} with a damaged header: {first_line(error)}") from error
    return Header(kind, width, height, convert=kind)
