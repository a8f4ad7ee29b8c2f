"""What the screen says of an image: accepted, or refused for a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
    TRUNCATED = "truncated"
    """The end is missing."""
    DAMAGED = "damaged"
    """It cannot be decoded."""


@dataclass(frozen=True)
class Accepted:
    """An image that can be trained on.

    Attributes:
      image: the encoded image; as it was, or converted to PNG.
      format: jpeg, png, gif or bmp; of a converted image what it was, webp, tiff or cmyk.
      width: in pixels.
      height: in pixels.
      phash: perceptual hash, 64 bits.
    """

    image: bytes
    format: str
    width: int
    height: int
    phash: int


@dataclass(frozen=True)
class Refused:
    """An image that is set aside.

    Attributes:
      reason: its kind.
      detail: a sentence for people.
    """

    reason: Reason
    detail: str


class UnfitError(Exception):
    """Carries a refusal out of wherever it was found."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.refused = Refused(reason, detail)


def first_line(error: BaseException) -> str:
    """What an error says in one line; its type where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
