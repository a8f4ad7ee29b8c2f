"""Which images can be trained on: the header first, then a real decode in a guard."""

from __future__ import annotations

from components.example_gen.config import ScreenConfig
from components.example_gen.convert import to_png
from components.example_gen.decode import decode
from components.example_gen.formats import CONVERTIBLE, format_of
from components.example_gen.header import DECODABLE_PIXELS, Header, read_header
from components.example_gen.phash import phash
from components.example_gen.verdict import Accepted, Reason, Refused, UnfitError

__all__ = ["Accepted", "Reason", "Refused", "check_label", "screen"]

_HELD = 3
"""Bytes of a decoded pixel. A GIF's other frames are held in one each."""

_MAX_SCANS = 500
"""Of a JPEG, as in libjpeg-turbo's own fuzzers; cameras and tools write a dozen."""


def screen(image: bytes, limits: ScreenConfig) -> Accepted | Refused:
    """Holds an encoded image against the limits.

    Args:
      image: the encoded image.
      limits: the `data.screen` section.
    """
    try:
        return _accept(image, limits)
    except UnfitError as unfit:
        return unfit.refused


def check_label(label: int | None, classes: int) -> Refused | None:
    """Refuses a label that is no class.

    Args:
      label: None where there is none.
      classes: how many there are.
    """
    if label is None:
        return Refused(Reason.LABEL, "no label")
    if not 0 <= label < classes:
        detail = f"label {label} is no class; they are numbered 0 to {classes - 1}"
        return Refused(Reason.LABEL, detail)
    return None


def _accept(image: bytes, limits: ScreenConfig) -> Accepted:
    _check_bytes(image, limits)
    kind = format_of(image)
    if kind in CONVERTIBLE and kind not in limits.convert:
        name = {"webp": "WebP", "tiff": "TIFF"}[kind]
        raise _convertible(f"{name}, which TensorFlow does not decode", kind)
    header = read_header(image, kind)
    _check_pixels(header, limits)
    if header.obstacle:
        raise UnfitError(Reason.UNSUPPORTED, header.obstacle)
    if header.cmyk and "cmyk" not in limits.convert:
        raise _convertible(f"CMYK {kind.upper()}, whose colours TensorFlow gets wrong", "cmyk")
    if header.cmyk or kind in CONVERTIBLE:
        image = to_png(image, header)
        _check_bytes(image, limits, f"converted from {kind.upper()} to PNG, ")
        kind = kind if kind in CONVERTIBLE else "cmyk"
        header = read_header(image, "png")
    pixels = decode(image, header)
    return Accepted(image, kind, header.width, header.height, phash(pixels))


def _convertible(detail: str, name: str) -> UnfitError:
    return UnfitError(
        Reason.UNSUPPORTED, f"{detail}; to convert such images add {name} to data.screen.convert"
    )


def _check_bytes(image: bytes, limits: ScreenConfig, how: str = "") -> None:
    if not image:
        raise UnfitError(Reason.EMPTY, "0 bytes")
    if len(image) > limits.max_bytes:
        detail = f"{how}{len(image):,} bytes, more than data.screen.max_bytes {limits.max_bytes:,}"
        raise UnfitError(Reason.TOO_MANY_BYTES, detail)


def _check_pixels(header: Header, limits: ScreenConfig) -> None:
    size = f"{header.width} x {header.height} pixels"
    pixels, limit = header.width * header.height, limits.max_pixels
    detail = ""
    if pixels > limit:
        detail = f"{size}, more than data.screen.max_pixels {limit:,}"
    elif pixels > DECODABLE_PIXELS:
        detail = f"{size}, more than the {DECODABLE_PIXELS:,} that TensorFlow decodes"
    elif header.held_pixels > _HELD * limit:
        detail = (
            f"{header.held_pixels:,} pixels in frames or tiles of which all are held to decode one,"
            f" more than {_HELD} times data.screen.max_pixels {limit:,}"
        )
    elif header.scans > _MAX_SCANS:
        detail = f"{header.scans:,} scans of {size}, more than the {_MAX_SCANS} that are decoded"
    if detail:
        raise UnfitError(Reason.TOO_MANY_PIXELS, detail)
