"""Images that TensorFlow does not decode, or not rightly, as PNGs: Pillow decodes them."""

from __future__ import annotations

import io

from components.example_gen.header import Header
from components.example_gen.verdict import Reason, UnfitError, first_line

_GREY = ("1", "L", "LA")
"""Pillow's modes without a colour."""


def to_png(image: bytes, header: Header) -> bytes:
    """Decodes the first frame and encodes it losslessly, grey or RGB.

    What is transparent keeps its colour, as TensorFlow keeps that of a PNG.

    Args:
      image: an encoded WebP, TIFF or JPEG.
      header: what its header says.

    Raises:
      UnfitError: it cannot be decoded.
    """
    from PIL import JpegImagePlugin, TiffImagePlugin, WebPImagePlugin

    plugins = {
        "jpeg": JpegImagePlugin.JpegImageFile,
        "tiff": TiffImagePlugin.TiffImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
    }
    try:
        with plugins[header.format](io.BytesIO(image)) as opened:
            pixels = opened.convert("L" if opened.mode in _GREY else "RGB")
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many types for what is damaged.
        reason = Reason.DAMAGED if header.complete else Reason.TRUNCATED
        detail = f"Pillow cannot decode the {header.format.upper()}: {first_line(error)}"
        raise UnfitError(reason, detail) from error
    # Profiles and the like are of the colours that were.
    pixels.info = {}
    out = io.BytesIO()
    pixels.save(out, "PNG")
    return out.getvalue()
