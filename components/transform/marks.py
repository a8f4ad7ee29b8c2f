"""What encoded images say of how they are to be shown, read in the graph for a batch at once.

Every marker of a JPEG before its first scan, and every chunk of a PNG that may have something to
say, is visited in a loop over the whole batch, so that an image costs some microseconds. Nothing
here fails on damaged bytes: what cannot be read is not followed.

Source: JPEG, ITU-T T.81, annex B; PNG, third edition, section 11.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from components.transform.exif import exif_orientation, xmp_orientation

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
    position, seen = _visit(encoded, chosen, 2, _jpeg_step)
    marker, size = seen[:, :, 1], seen[:, :, 2] * 256 + seen[:, :, 3]
    here = tf.equal(seen[:, :, 0], 0xFF)
    app1 = here & tf.equal(marker, 0xE1)
    frames = here & tf.gather(_FRAMES, marker)
    has_four = tf.reduce_any(frames & tf.equal(seen[:, :, 9], 4), axis=0)
    adobe = here & tf.equal(marker, 0xEE) & (size >= 14) & _is(seen, 4, _ADOBE)
    is_negative = has_four & ~tf.reduce_any(adobe, axis=0)
    exif, xmp = app1 & _is(seen, 4, _EXIF), app1 & _is(seen, 4, _XMP)
    orientation = _orientation(
        _cut(encoded, exif, position + 10, size - 8), _cut(encoded, xmp, position + 33, size - 31)
    )
    return Marks(
        tf.where(is_negative, NEGATIVE, marks.kind),
        tf.where(chosen, orientation, marks.orientation),
    )


def _of_pngs(encoded: tf.Tensor, chosen: tf.Tensor, marks: Marks) -> Marks:
    position, seen = _visit(encoded, chosen, 8, _png_step)
    size = _png_size(seen)
    pixels = tf.cast(_is(seen, 4, b"IDAT"), tf.int32)
    # Behind the first pixels it is not followed, as by libpng.
    trns = _is(seen, 4, b"tRNS") & tf.equal(tf.cumsum(pixels), 0)
    exif = _is(seen, 4, b"eXIf")
    xmp = _is(seen, 4, b"iTXt") & _is(seen, 8, _PNG_XMP)
    prefix = len(_EXIF) * tf.cast(_is(seen, 8, _EXIF), tf.int64)
    orientation = _orientation(
        _cut(encoded, exif, position + 8 + prefix, size - prefix),
        _cut(encoded, xmp, position + 8, size),
    )
    return Marks(
        tf.where(tf.reduce_any(trns, axis=0), ALPHA, marks.kind),
        tf.where(chosen, orientation, marks.orientation),
    )


def _orientation(exif: tf.Tensor, xmp: tf.Tensor) -> tf.Tensor:
    """1 to 8, int32 [N]: by Exif data, string [N], and where these have none by XMP."""
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
    marker = seen[:, 1] * tf.cast(tf.equal(seen[:, 0], 0xFF), tf.int64)
    step = tf.gather(tf.constant(_STEPS, tf.int64), marker)
    # A length of 0 or 1 is one that is not there, to libjpeg.
    return step[:, 0] + step[:, 1] * tf.maximum(seen[:, 2] * 256 + seen[:, 3], 2)


def _png_step(seen: tf.Tensor) -> tf.Tensor:
    return 12 + _png_size(seen) + _ENOUGH * tf.cast(_is(seen, 4, b"IEND"), tf.int64)


def _png_size(seen: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(seen[..., :4] * [1 << 24, 1 << 16, 1 << 8, 1], axis=-1)


def _is(seen: tf.Tensor, at: int, text: bytes) -> tf.Tensor:
    return tf.reduce_all(tf.equal(seen[..., at : at + len(text)], list(text)), axis=-1)


def _cut(encoded: tf.Tensor, found: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """What begins where the first was found, string [N]; empty where none was.

    Args:
      encoded: string [N].
      found: bool [visits, N].
      start: int64 [visits, N].
      count: bytes, int64 [visits, N].
    """
    first = tf.argmax(tf.cast(found, tf.int32), axis=0)
    has = tf.reduce_any(found, axis=0)
    none = tf.zeros_like(first)
    columns = tf.range(tf.size(first, tf.int64))
    place = tf.stack([first, columns], axis=1)
    end = tf.cast(tf.strings.length(encoded), tf.int64)
    begin = tf.where(has, tf.minimum(tf.gather_nd(start, place), end), none)
    return tf.strings.substr(
        encoded, begin, tf.where(has, tf.maximum(tf.gather_nd(count, place), 0), none)
    )
