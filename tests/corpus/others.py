"""TIFFs and WebPs, which are converted to PNG where the configuration says so."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, TiffImagePlugin

from tests.corpus.case import Case, picture, saved
from tests.corpus.exif import exif
from tests.corpus.pngs import transparent_picture


def others() -> Iterator[Case]:
    """Those that Pillow writes."""
    image = Image.fromarray(picture())
    alpha = Image.fromarray(transparent_picture())
    yield Case("WebP", "lossy", saved(image, "WEBP", quality=90))
    yield Case("WebP", "lossless", saved(image, "WEBP", lossless=True))
    yield Case("WebP", "alpha", saved(alpha, "WEBP", lossless=True, exact=True))
    for orientation in range(1, 9):
        said = b"Exif\0\0" + exif(orientation)
        made = saved(image, "WEBP", lossless=True, exif=said)
        yield Case("WebP", f"orientation {orientation} (Exif)", made)
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[0x0112] = orientation
        made = saved(image, "TIFF", tiffinfo=tags)
        yield Case("TIFF", f"orientation {orientation}", made)
    for mode in ("1", "L", "P", "CMYK"):
        yield Case("TIFF", f"Pillow's mode {mode}", saved(image.convert(mode), "TIFF"))
    yield Case("TIFF", "alpha", saved(alpha, "TIFF"))
    yield Case("TIFF", "LZW", saved(image, "TIFF", compression="tiff_lzw"))
    yield Case("TIFF", "the first page a thumbnail", _with_thumbnail(image))


def _with_thumbnail(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    small = TiffImagePlugin.ImageFileDirectory_v2()
    small[254] = 1
    with TiffImagePlugin.AppendingTiffWriter(stream, True) as writer:
        Image.fromarray(np.full((6, 9, 3), 200, np.uint8)).save(writer, "TIFF", tiffinfo=small)
        writer.newFrame()
        image.save(writer, "TIFF")
        writer.newFrame()
    return stream.getvalue()
