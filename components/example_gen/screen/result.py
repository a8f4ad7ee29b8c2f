"""The screen's result for an image: accepted, or refused for a reason.

>>> refused = Refused(Reason.EMPTY, "0 bytes")
>>> refused.sentence
'0 bytes; copy the file again'
>>> refused.reason.value
'empty'
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Reason(str, Enum):
    """Why a record is rejected; the values are stored in summaries, ML Metadata and quarantines."""

    MALFORMED = "malformed"
    """Not a tf.Example with one image and one label."""
    LABEL = "label"
    """The label is not that of a class."""
    UNREADABLE = "unreadable"
    """The file cannot be read."""
    EMPTY = "empty"
    """It has no bytes."""
    TOO_MANY_BYTES = "too_many_bytes"
    """More than data.screen.max_bytes."""
    NOT_AN_IMAGE = "not_an_image"
    """Not in a known image format."""
    UNSUPPORTED = "unsupported"
    """A known image format that TensorFlow decodes wrongly or not at all."""
    TOO_MANY_PIXELS = "too_many_pixels"
    """More than data.screen.max_pixels."""
    TOO_COSTLY = "too_costly"
    """Far more work than its pixels need: chunks, segments, blocks, texts."""
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
    Reason.TOO_COSTLY: "save it again without them, for example with "
    "`magick 'IN[0]' -strip OUT.png`",
    Reason.TRUNCATED: "copy the file again",
    Reason.DAMAGED: "copy the file again, or open it in an editor and save it as PNG",
}
"""What to do about a rejected record."""


class Looks(NamedTuple):
    """How an image is displayed.

    Attributes:
      orientation: 1 to 8, as in Exif; 1 if it has none.
      transparent: the share of its pixels that are not opaque.
      colour: the one colour, `#rrggbb`, of all visible pixels; empty if none is visible, None if
        there are several.
    """

    orientation: int
    transparent: float
    colour: str | None


@dataclass(frozen=True)
class Accepted:
    """An image that can be trained on.

    Attributes:
      image: the encoded image; unchanged, or converted to PNG.
      format: jpeg, png, gif or bmp; for a converted image its name in `data.screen.convert`.
      width: in pixels, of the upright image.
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
    """An image that is rejected.

    Attributes:
      reason: the kind of fault.
      detail: a sentence for people.
      cure: what to do about it; None takes the reason's from CURES, "" adds none because the
        detail has one.
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
    """An image is unfit for training; carries the refusal.

    Args:
      reason: the kind of fault.
      detail: what is wrong.
      cure: as in Refused.
    """

    def __init__(self, reason: Reason, detail: str, cure: str | None = None) -> None:
        super().__init__(detail)
        self.refused = Refused(reason, detail, cure)


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its type if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
