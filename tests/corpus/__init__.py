"""Small images of many kinds, made by Pillow, struct and zlib, and how each is shown."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.bmps import bmps
from tests.corpus.case import LEVELS, WHITE, Case, as_seen, picture, saved
from tests.corpus.exif import exif, xmp
from tests.corpus.gifs import gif, gifs
from tests.corpus.jpegs import APP1, jpegs, oriented_jpeg, rgb_jpeg, segment, with_segments
from tests.corpus.others import others
from tests.corpus.pngs import chunk, png, pngs, transparent_picture

__all__ = [
    "APP1",
    "LEVELS",
    "WHITE",
    "Case",
    "as_seen",
    "cases",
    "chunk",
    "exif",
    "gif",
    "oriented_jpeg",
    "picture",
    "png",
    "rgb_jpeg",
    "saved",
    "segment",
    "transparent_picture",
    "with_segments",
    "xmp",
]


def cases() -> Iterator[Case]:
    """The corpus."""
    for each in (pngs, jpegs, gifs, bmps, others):
        yield from each()
