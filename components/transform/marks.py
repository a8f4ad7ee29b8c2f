"""What encoded images say of how they are to be shown, read in the graph for a batch at once.

Every marker of a JPEG before its first scan, and every chunk of a PNG that may have something to
say, is visited in a loop over the whole batch, so that an image costs some microseconds. Nothing
here fails on damaged bytes: what cannot be read is not followed.

Source: JPEG, ITU-T T.81, annex B; PNG, third edition, section 11.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components.transform.exif import exif_orientation, xmp_orientation
from components.transform.traced import rare

PLAIN, ALPHA, NEGATIVE, GIF, BMP, UNKNOWN = range(6)
"""Kinds: TensorFlow's decoder alone is right; a PNG with alpha; a JPEG of four colours without
Adobe's marker, which TensorFlow decodes to its negative; a GIF; a BMP; none of these formats."""

_SEEN = 34
"""Bytes that are looked at where a marker or a chunk begins; XMP's name in a JPEG ends there."""
_MAX_STEPS = 10_000
"""Markers or chunks of an image that are visited."""
_EXIF, _XMP, _ADOBE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"Adobe"
_PNG_XMP = b"XML:com.adobe.xmp\0\0"
"""Of a chunk that is not compressed."""


_BATCH = [tf.TensorSpec([None], each) for each in (tf.string, tf.bool, tf.int32, tf.int32)]
"""Encoded images, which of them are chosen, and marks."""


class Marks(NamedTuple):
    """Of a batch of images.

    Attributes:
      kind: int32 [N], one of the kinds above.
      orientation: int32 [N], 1 to 8 as Exif numbers them; 1 where none is said.
    """

    kind: tf.Tensor
    orientation: tf.Tensor


class _Visited(NamedTuple):
    """Markers or chunks, in their order.

    Attributes:
      position: where each begins, int64 [visits, N].
      seen: its first bytes, int64 [visits, N, _SEEN]; zeros where an image has no more of them.
    """

    position: tf.Tensor
    seen: tf.Tensor


def read_marks(encoded: tf.Tensor) -> Marks:
    """Reads the marks of a batch.

    Args:
      encoded: string [N], images or anything else.
    """
    head = tf.strings.substr(encoded, 0, 26)
    is_jpeg = tf.equal(tf.strings.substr(encoded, 0, 3), b"\xff\xd8\xff")
    is_png = tf.strings.regex_full_match(head, r"\CPNG\r\n\x1a\n\C*")
    has_alpha = tf.strings.regex_full_match(head, r"\CPNG\C{21}[\x04\x06]")
    kind = tf.where(is_png & has_alpha, ALPHA, tf.where(is_png | is_jpeg, PLAIN, UNKNOWN))
    kind = tf.where(tf.equal(tf.strings.substr(encoded, 0, 4), b"GIF8"), GIF, kind)
    kind = tf.where(tf.equal(tf.strings.substr(encoded, 0, 2), b"BM"), BMP, kind)
    pngs = tf.where(is_png, encoded, "")
    # A search is cheaper than a walk: few PNGs have anything to say.
    says = _holds(pngs, "eXIf") | _holds(pngs, "tRNS") | _holds(pngs, "tiff:Orientation")
    marks = Marks(kind, tf.ones_like(kind))
    marks = tf.cond(
        tf.reduce_any(is_jpeg), lambda: _of_jpegs(encoded, is_jpeg, marks), lambda: marks
    )
    return tf.cond(tf.reduce_any(says), lambda: _of_pngs(encoded, says, marks), lambda: marks)


def _holds(encoded: tf.Tensor, text: str) -> tf.Tensor:
    """Whether strings hold a text; replacing the first is ten times as fast as a full match."""
    less = tf.strings.regex_replace(encoded, text, "", replace_global=False)
    return tf.strings.length(less) < tf.strings.length(encoded)


def _of_jpegs(encoded: tf.Tensor, chosen: tf.Tensor, marks: Marks) -> Marks:
    return Marks(*_read_jpegs(encoded, chosen, *marks))


@rare(*_BATCH)
def _read_jpegs(
    encoded: tf.Tensor, chosen: tf.Tensor, kind: tf.Tensor, orientation: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    marks = Marks(kind, orientation)
    position, seen = _visit(encoded, chosen, 2, _jpeg_step)
    each = tf.unstack(seen, axis=2)
    size = each[2] * 256 + each[3]
    frames = tf.equal(each[0], 0xFF) & tf.gather(_FRAMES, each[1])
    has_four = tf.reduce_any(frames & tf.equal(each[9], 4), axis=0)
    exif, xmp, adobe = _are(
        seen,
        {0: b"\xff\xe1", 4: _EXIF},
        {0: b"\xff\xe1", 4: _XMP},
        {0: b"\xff\xee", 4: _ADOBE},
    )
    is_negative = has_four & ~tf.reduce_any(adobe & (size >= 14), axis=0)
    # What is behind the name, which is behind the marker and the size.
    skipped = tf.where(xmp, tf.constant(4 + len(_XMP), tf.int64), 4 + len(_EXIF))
    orientation = _orientation(
        encoded, tf.stack([exif, xmp]), position + skipped, size + 2 - skipped
    )
    return Marks(
        tf.where(is_negative, NEGATIVE, marks.kind),
        tf.where(chosen, orientation, marks.orientation),
    )


def _of_pngs(encoded: tf.Tensor, chosen: tf.Tensor, marks: Marks) -> Marks:
    return Marks(*_read_pngs(encoded, chosen, *marks))


@rare(*_BATCH)
def _read_pngs(
    encoded: tf.Tensor, chosen: tf.Tensor, kind: tf.Tensor, orientation: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    marks = Marks(kind, orientation)
    position, seen = _visit(encoded, chosen, 8, _png_step)
    size = _png_size(seen)
    pixels, trns, exif, xmp, named = _are(
        seen,
        {4: b"IDAT"},
        {4: b"tRNS"},
        {4: b"eXIf"},
        {4: b"iTXt" + _PNG_XMP},
        {8: _EXIF},
    )
    # Behind the first pixels it is not followed, as by libpng.
    trns &= tf.equal(tf.cumsum(tf.cast(pixels, tf.int32)), 0)
    prefix = len(_EXIF) * tf.cast(named, tf.int64)
    orientation = _orientation(encoded, tf.stack([exif, xmp]), position + 8 + prefix, size - prefix)
    return Marks(
        tf.where(tf.reduce_any(trns, axis=0), ALPHA, marks.kind),
        tf.where(chosen, orientation, marks.orientation),
    )


@rare(
    tf.TensorSpec([None], tf.string),
    tf.TensorSpec([2, None, None], tf.bool),
    tf.TensorSpec([None, None], tf.int64),
    tf.TensorSpec([None, None], tf.int64),
)
def _orientation(
    encoded: tf.Tensor, found: tf.Tensor, start: tf.Tensor, count: tf.Tensor
) -> tf.Tensor:
    """1 to 8, int32 [N]: by the first Exif data, and where these have none by the first XMP data.

    Args:
      encoded: string [N].
      found: whether Exif and XMP data are there, bool [2, visits, N].
      start: where they begin, int64 [visits, N].
      count: of their bytes, int64 [visits, N].
    """
    exif, xmp = tf.unstack(_cut(encoded, found, start, count))
    none = tf.zeros_like(exif, tf.int32)
    said = tf.cond(
        tf.reduce_any(tf.strings.length(exif) > 0), lambda: exif_orientation(exif), lambda: none
    )
    said = tf.cond(
        tf.reduce_any((tf.strings.length(xmp) > 0) & tf.equal(said, 0)),
        lambda: tf.where(tf.equal(said, 0), xmp_orientation(xmp), said),
        lambda: said,
    )
    return tf.where((said >= 1) & (said <= 8), said, 1)


def _visit(
    encoded: tf.Tensor,
    chosen: tf.Tensor,
    start: int,
    step: Callable[[tf.Tensor], tf.Tensor],
) -> _Visited:
    """Goes from marker to marker of the chosen images, from a position on.

    Args:
      encoded: string [N].
      chosen: bool [N].
      start: where the first begins.
      step: bytes, int64 [N, _SEEN] -> how far the next is, int64 [N].
    """
    end = tf.cast(tf.strings.length(encoded), tf.int64)
    counts = tf.fill(tf.shape(end), tf.constant(_SEEN, tf.int64))

    def read(position: tf.Tensor) -> tf.Tensor:
        piece = tf.strings.substr(encoded, position, counts)
        return tf.cast(tf.io.decode_raw(piece, tf.uint8, fixed_length=_SEEN), tf.int64)

    def body(
        place: tf.Tensor, position: tf.Tensor, positions: Any, pieces: Any
    ) -> tuple[tf.Tensor, tf.Tensor, Any, Any]:
        seen = read(position)
        # At the end of an image its bytes are zeros, and it stays there.
        moved = tf.minimum(position + step(seen), end)
        return place + 1, moved, positions.write(place, position), pieces.write(place, seen)

    first = tf.where(chosen, tf.minimum(end, start), end)
    arrays = [tf.TensorArray(tf.int64, 0, dynamic_size=True) for _ in range(2)]
    _, _, positions, pieces = tf.while_loop(
        lambda place, position, *_: tf.equal(place, 0) | tf.reduce_any(position < end),
        body,
        (tf.constant(0), first, *arrays),
        maximum_iterations=_MAX_STEPS,
        parallel_iterations=1,
    )
    return _Visited(positions.stack(), tf.ensure_shape(pieces.stack(), (None, None, _SEEN)))


_ENOUGH = 2**40
"""A step beyond every end."""


def _steps() -> tuple[list[bool], list[list[int]]]:
    """By a JPEG's marker: whether it is a frame header; the step, and whether its length is added.

    As libjpeg takes them: fill bytes and what is no marker (0) are passed over.
    """
    frames, steps = [False] * 256, [[2, 1] for _ in range(256)]
    for marker in set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}:
        frames[marker] = True
    for marker in (0x00, 0xFF):
        steps[marker] = [1, 0]
    for marker in (0x01, *range(0xD0, 0xD9)):
        steps[marker] = [2, 0]
    for marker in (0xD9, 0xDA):
        steps[marker] = [_ENOUGH, 0]
    return frames, steps


_FRAMES, _STEPS = _steps()


def _jpeg_step(seen: tf.Tensor) -> tf.Tensor:
    first, marker, high, low = tf.unstack(seen[:, :4], axis=1)
    marker *= tf.cast(tf.equal(first, 0xFF), tf.int64)
    step = tf.gather(tf.constant(_STEPS, tf.int64), marker)
    # A length of 0 or 1 is one that is not there, to libjpeg.
    fixed, is_added = tf.unstack(step, axis=1)
    return fixed + is_added * tf.maximum(high * 256 + low, 2)


def _png_step(seen: tf.Tensor) -> tf.Tensor:
    (is_end,) = _are(seen, {4: b"IEND"})
    return 12 + _png_size(seen) + _ENOUGH * tf.cast(is_end, tf.int64)


def _png_size(seen: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(seen[..., :4] * [1 << 24, 1 << 16, 1 << 8, 1], axis=-1)


def _are(seen: tf.Tensor, *texts: dict[int, bytes]) -> list[tf.Tensor]:
    """For each of some texts whether it is what is seen, bool [...].

    Args:
      seen: int64 [..., _SEEN].
      texts: each by its parts, by where these begin; what is between them may be anything.
    """
    wanted = np.full((len(texts), _SEEN), -1, np.int64)
    for row, text in zip(wanted, texts, strict=True):
        for at, part in text.items():
            row[at : at + len(part)] = list(part)
    same = tf.equal(tf.expand_dims(seen, -2), wanted) | (wanted < 0)
    return tf.unstack(tf.reduce_all(same, axis=-1), len(texts), axis=-1)


def _cut(encoded: tf.Tensor, found: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """What begins where the first was found, string [2, N]; empty where none was.

    Args:
      encoded: string [N].
      found: bool [2, visits, N].
      start: int64 [visits, N].
      count: bytes, int64 [visits, N].
    """
    is_first = found & tf.equal(tf.cumsum(tf.cast(found, tf.int32), axis=1), 1)
    begin = tf.reduce_sum(tf.where(is_first, start, 0), axis=1)
    counts = tf.reduce_sum(tf.where(is_first, count, 0), axis=1)
    end = tf.cast(tf.strings.length(encoded), tf.int64)
    # Both with `end`: where N is known, it has to be of both, or the graph is refused.
    begin, counts = tf.minimum(begin, end), tf.minimum(tf.maximum(counts, 0), end)
    return tf.strings.substr(encoded, begin, counts)
