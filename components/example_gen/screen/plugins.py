"""Pillow's readers by format, without Pillow's guess of the format."""

from __future__ import annotations

import importlib
import io
from typing import Any

from components.example_gen.screen.result import Reason, UnfitError

_READERS = {
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
_LACKING = {
    "avif": "AVIF, which this Pillow does not read; install Pillow 11.3 or later",
    "heic": "HEIC, which needs a plug-in; install it with `uv pip install pillow-heif`, or convert "
    "the files: `heif-convert IN.heic OUT.png`",
}


def opened(image: bytes, kind: str) -> Any:
    """An image of Pillow's whose header is read and whose pixels are not.

    Args:
      image: the encoded image.
      kind: its format.

    Raises:
      UnfitError: the reader is not installed.
      Exception: of many types, where the image is damaged.
    """
    module, name = _READERS[kind]
    try:
        reader = getattr(importlib.import_module(module), name)
    except ImportError as error:
        detail = _LACKING.get(kind, f"{kind.upper()}, which this Pillow does not read")
        raise UnfitError(Reason.UNSUPPORTED, detail, cure="") from error
    return reader(io.BytesIO(image))
