"""Decides whether an image can be trained on: by its header first, then by decoding it.

>>> import io
>>> from PIL import Image
>>> file = io.BytesIO()
>>> Image.new("RGB", (32, 24), "red").save(file, "PNG")
>>> accepted = screen(file.getvalue(), ScreenConfig())
>>> accepted.format, accepted.width, accepted.height, accepted.looks.colour
('png', 32, 24, '#ff0000')
>>> screen(file.getvalue(), ScreenConfig(max_pixels=100)).sentence
'32 x 24 pixels, more than data.screen.max_pixels 100; make the image smaller or raise the limit'
>>> check_label(7, classes=5).reason
<Reason.LABEL: 'label'>
"""

from __future__ import annotations

from typing import Any

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.convert import to_png
from components.example_gen.screen.decode import decode
from components.example_gen.screen.flaws import find_flaw
from components.example_gen.screen.formats import CONVERTIBLE, format_of
from components.example_gen.screen.header import DECODABLE_PIXELS, read_header
from components.example_gen.screen.headers.base import Header
from components.example_gen.screen.looks import looks_of, phash, pillow_orientation
from components.example_gen.screen.result import Accepted, Reason, Refused, UnfitError

__all__ = ["Accepted", "Reason", "Refused", "check_label", "screen"]

_MAX_HELD = 30_000_000
"""Pixels held beyond the image; those of a GIF take TensorFlow 0.6 s."""

_MAX_SCANS = 500
"""Scans of a JPEG, as in libjpeg-turbo's own fuzzers; cameras and tools write a dozen."""

_MAX_EXTRA = 150_000_000
"""Pixels that a JPEG's scans pass over beyond those of a usual JPEG: 0.4 s."""


def screen(image: bytes, limits: ScreenConfig) -> Accepted | Refused:
    """Checks an encoded image against the limits, and decodes it.

    Beyond the cost of its pixels, the work is bounded: a second and 300 MB at the default limits.

    Args:
      image: the encoded image.
      limits: the `data.screen` section.
    """
    try:
        return _accept(image, limits)
    except UnfitError as unfit:
        return unfit.refused


def screen_header(image: bytes, limits: ScreenConfig) -> Header | Refused:
    """What `screen` finds without decoding a pixel, in some microseconds.

    Args:
      image: the encoded image.
      limits: the `data.screen` section.

    Returns:
      The header of an image that decoding, or converting (`is_converted`), may still refuse.
    """
    try:
        header, wrong = _examine(image, limits)
        if wrong and header.convert not in limits.convert:
            return wrong.refused
        return header
    except UnfitError as unfit:
        return unfit.refused


def is_converted(header: Header, limits: ScreenConfig) -> bool:
    """Whether `screen` may return such an image as a PNG."""
    return header.format in CONVERTIBLE or header.convert in limits.convert


def check_label(label: int | None, classes: int) -> Refused | None:
    """Refuses a label that is not that of a class.

    Args:
      label: class index; None if there is none.
      classes: how many there are.
    """
    if label is None:
        return Refused(Reason.LABEL, "no label", "label it or remove it")
    if not 0 <= label < classes:
        detail = f"label {label} is not a class; classes are numbered 0 to {classes - 1}"
        return Refused(Reason.LABEL, detail, "correct the label")
    return None


def _accept(image: bytes, limits: ScreenConfig) -> Accepted:
    header, wrong = _examine(image, limits)
    if not wrong and header.format not in CONVERTIBLE:
        pixels = decode(image, header)
        found = find_flaw(image, header, pixels)
        if not found:
            return _accepted(image, header.format, pixels)
        wrong = _unfit(Reason.DAMAGED, found, header.convert)
    if wrong and header.convert not in limits.convert:
        raise wrong
    return _converted(image, header, limits)


def _examine(image: bytes, limits: ScreenConfig) -> tuple[Header, UnfitError | None]:
    """The header, and what is wrong with it that a conversion may mend."""
    _check_bytes(image, limits)
    kind = format_of(image)
    if kind in CONVERTIBLE and kind not in limits.convert:
        detail = f"{CONVERTIBLE[kind]}, which TensorFlow does not decode"
        raise _unfit(Reason.UNSUPPORTED, detail, kind)
    header = read_header(image, kind)
    _check_pixels(header, limits)
    wrong = _beyond_pixels(header)
    if wrong and kind != "gif":
        raise wrong
    if header.obstacle:
        wrong = _unfit(Reason.UNSUPPORTED, header.obstacle, header.convert)
    return header, wrong


def _converted(image: bytes, header: Header, limits: ScreenConfig) -> Accepted:
    png = to_png(image, header, limits.max_bytes)
    name = header.format if header.format in CONVERTIBLE else header.convert
    pixels = decode(png, read_header(png, "png"))
    return _accepted(png, name, pixels, pillow_orientation(image, header.format))


def _accepted(image: bytes, name: str, pixels: Any, orientation: int | None = None) -> Accepted:
    height, width = pixels.shape[:2]
    looks = looks_of(image, pixels, orientation)
    return Accepted(image, name, width, height, phash(pixels), looks)


def _unfit(reason: Reason, detail: str, convert: str) -> UnfitError:
    """An UnfitError that names the `data.screen.convert` value for such an image, if any."""
    if not convert:
        return UnfitError(reason, detail)
    detail = f"{detail}; to convert such images add {convert} to data.screen.convert"
    return UnfitError(reason, detail, cure="")


def _check_bytes(image: bytes, limits: ScreenConfig) -> None:
    if not image:
        raise UnfitError(Reason.EMPTY, "0 bytes")
    if len(image) > limits.max_bytes:
        detail = f"{len(image):,} bytes, more than data.screen.max_bytes {limits.max_bytes:,}"
        raise UnfitError(Reason.TOO_MANY_BYTES, detail)


def _check_pixels(header: Header, limits: ScreenConfig) -> None:
    size = f"{header.width} x {header.height} pixels"
    pixels, limit = header.width * header.height, limits.max_pixels
    if pixels > limit:
        detail = f"{size}, more than data.screen.max_pixels {limit:,}"
        raise UnfitError(Reason.TOO_MANY_PIXELS, detail)
    if pixels > DECODABLE_PIXELS:
        detail = f"{size}, more than the {DECODABLE_PIXELS:,} that TensorFlow decodes"
        raise UnfitError(Reason.TOO_MANY_PIXELS, detail, "make the image smaller")


def _beyond_pixels(header: Header) -> UnfitError | None:
    """Refuses work that a decoder would do for other pixels than those of the image."""
    size = f"{header.width} x {header.height} pixels"
    if header.held_pixels > _MAX_HELD:
        detail = (
            f"{header.held_pixels:,} pixels in later frames or in a tile, which a decoder holds "
            f"too, more than {_MAX_HELD:,}"
        )
        return _unfit(Reason.TOO_MANY_PIXELS, detail, "gif" if header.format == "gif" else "")
    extra = header.extra_passes * header.width * header.height
    if header.scans > _MAX_SCANS or extra > _MAX_EXTRA:
        detail = f"{header.scans:,} scans of {size}, more than a JPEG needs"
        cure = "save it again, for example with `magick IN OUT.png`"
        return UnfitError(Reason.TOO_MANY_PIXELS, detail, cure)
    return None
