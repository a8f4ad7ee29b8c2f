"""The header of an image, whatever its format, and the refusals that header readers raise.

>>> Header("png", width=32, height=24).complete
True
>>> damaged("a PNG that does not begin with its header").refused.reason
<Reason.DAMAGED: 'damaged'>
"""

from __future__ import annotations

from dataclasses import dataclass

from components.example_gen.screen.result import Reason, UnfitError


@dataclass(frozen=True)
class Header:
    """The header of an image.

    Attributes:
      format: jpeg, png, gif, bmp, webp, tiff, avif or heic.
      width: in pixels, before any orientation is applied.
      height: in pixels.
      obstacle: why TensorFlow decodes it wrongly or not at all; empty if it does.
      convert: its name in `data.screen.convert`; empty if Pillow cannot convert it.
      held_pixels: pixels that a decoder also holds: later frames of a GIF, a TIFF's tile.
      scans: number of scans of a JPEG.
      extra_passes: passes over all pixels that a JPEG's scans need, beyond those of a usual JPEG.
      components: number of colours of a JPEG.
      data_end: where the data of a JPEG's last scan end, in bytes.
      page: the first page of a TIFF that is not a thumbnail.
      complete: whether the file has its end.
    """

    format: str
    width: int
    height: int
    obstacle: str = ""
    convert: str = ""
    held_pixels: int = 0
    scans: int = 1
    extra_passes: int = 0
    components: int = 3
    data_end: int = 0
    page: int = 0
    complete: bool = True


def damaged(detail: str) -> UnfitError:
    """The refusal of an image that no decoder can read."""
    return UnfitError(Reason.DAMAGED, detail)


def too_costly(detail: str) -> UnfitError:
    """The refusal of an image that costs far more than its pixels."""
    return UnfitError(Reason.TOO_COSTLY, detail)
