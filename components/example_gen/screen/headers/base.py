"""What a header says, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass

from components.example_gen.screen.result import Reason, UnfitError


@dataclass(frozen=True)
class Header:
    """What the header says.

    Attributes:
      format: jpeg, png, gif, bmp, webp, tiff, avif or heic.
      width: in pixels, before any orientation is followed.
      height: in pixels.
      obstacle: why TensorFlow does not decode it, or not rightly; or empty.
      convert: the name in `data.screen.convert` by which Pillow converts it; empty if it cannot.
      held_pixels: that a decoder holds beyond the image: later frames of a GIF, a TIFF's tile.
      scans: of a JPEG.
      extra_passes: over all pixels that its scans ask for, beyond those of a usual JPEG.
      components: colours of a JPEG.
      data_end: where the data of a JPEG's last scan end, in bytes.
      page: the page of a TIFF that is no thumbnail.
      complete: the end of the file is there.
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
    """Refuses what no decoder can read."""
    return UnfitError(Reason.DAMAGED, detail)


def too_costly(detail: str) -> UnfitError:
    """Refuses what costs far more than its pixels."""
    return UnfitError(Reason.TOO_COSTLY, detail)
