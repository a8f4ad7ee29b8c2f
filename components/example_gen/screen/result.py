"""What the screen says of an image: accepted, or refused for a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Reason(str, Enum):
    """Why a record is set aside. Names in run_summary.json, ML Metadata and the quarantine."""

    MALFORMED = "malformed"
    """No tf.Example with one image and one label."""
    LABEL = "label"
    """Its label is no class."""
    UNREADABLE = "unreadable"
    """The file cannot be read."""
    EMPTY = "empty"
    """No byte."""
    TOO_MANY_BYTES = "too_many_bytes"
    """More than data.screen.max_bytes."""
    NOT_AN_IMAGE = "not_an_image"
    """No format that is known."""
    UNSUPPORTED = "unsupported"
    """A known image format that TensorFlow does not decode, or not rightly."""
    TOO_MANY_PIXELS = "too_many_pixels"
    """More than data.screen.max_pixels."""
    TOO_COSTLY = "too_costly"
    """Far more work than its pixels: chunks, segments, blocks, texts."""
    TRUNCATED = "truncated"
    """The end is missing."""
    DAMAGED = "damaged"
    """It cannot be decoded."""


CURES = {
    Reason.MALFORMED: "write one image and one label into each record",
    Reason.LABEL: "",
    Reason.UNREADABLE: "check the file and its permissions",
    Reason.EMPTY: "copy the file again",
    Reason.TOO_MANY_BYTES: "make the image smaller or raise the limit",
    Reason.NOT_AN_IMAGE: "remove it from the data",
    Reason.UNSUPPORTED: "save it as PNG, for example with `magick IN OUT.png`",
    Reason.TOO_MANY_PIXELS: "make the image smaller or raise the limit",
    Reason.TOO_COSTLY: "save it again without them, for example with `magick IN -strip OUT.png`",
    Reason.TRUNCATED: "copy the file again",
    Reason.DAMAGED: "copy the file again, or open it in an editor and save it as PNG",
}
"""What to do about a record that was set aside."""


class Looks(NamedTuple):
    """How an image is shown.

    Attributes:
      orientation: 1 to 8 as Exif numbers them; 1 where none is said.
      transparent: the share of its pixels that are not opaque.
      colour: the one colour, `#rrggbb`, of all pixels that can be seen; empty where none can be
        seen, None where they have several.
    """

    orientation: int
    transparent: float
    colour: str | None


@dataclass(frozen=True)
class Accepted:
    """An image that can be trained on.

    Attributes:
      image: the encoded image; as it was, or converted to PNG.
      format: jpeg, png, gif or bmp; of a converted image the name in `data.screen.convert`.
      width: in pixels, as it is seen: upright.
      height: in pixels.
      phash: perceptual hash, 64 bits.
      looks: its orientation, transparency and colour.
    """

    image: bytes
    format: str
    width: int
    height: int
    phash: int
    looks: Looks


@dataclass(frozen=True)
class Refused:
    """An image that is set aside.

    Attributes:
      reason: its kind.
      detail: a sentence for people.
      cure: what to do about it; None takes that of CURES, "" says none as the detail does.
    """

    reason: Reason
    detail: str
    cure: str | None = field(default=None, compare=False)

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do about it."""
        cure = CURES[self.reason] if self.cure is None else self.cure
        return f"{self.detail}; {cure}" if cure else self.detail


class UnfitError(Exception):
    """Carries a refusal out of wherever it was found.

    Args:
      reason: its kind.
      detail: what is wrong.
      cure: as in Refused.
    """

    def __init__(self, reason: Reason, detail: str, cure: str | None = None) -> None:
        super().__init__(detail)
        self.refused = Refused(reason, detail, cure)


def first_line(error: BaseException) -> str:
    """What an error says in one line; its type where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
