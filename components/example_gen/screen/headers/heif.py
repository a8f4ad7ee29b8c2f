"""The header of an AVIF or HEIC, read by the plug-in that converts it.

>>> read_heif(b"0000ftypavif", "avif")
Traceback (most recent call last):
...
components.example_gen.screen.result.UnfitError: AVIF...
"""

from __future__ import annotations

from components.example_gen.screen.headers.base import Header, damaged
from components.example_gen.screen.pillow import is_exif_bomb, open_image
from components.example_gen.screen.result import UnfitError, first_line


def read_heif(image: bytes, kind: str) -> Header:
    """Reads the boxes before the pixels; none is decoded.

    Args:
      image: the encoded image.
      kind: avif or heic.

    Raises:
      UnfitError: it is damaged, or its reader is not installed.
    """
    if is_exif_bomb(image):
        raise damaged(f"{kind.upper()} whose Exif data refer to more bytes than it has")
    try:
        with open_image(image, kind) as picture:
            width, height = picture.size
    except (UnfitError, MemoryError):
        raise
    except Exception as error:  # Plug-ins raise many types for damaged data.
        raise damaged(f"{kind.upper()} with a damaged header: {first_line(error)}") from error
    return Header(kind, width, height, convert=kind)
