"""What encoded images say of how they are to be shown, read in the graph for a batch at once.

Every marker of a JPEG before its first scan, and every chunk of a PNG that may have something to
say, is visited in a loop over the whole batch, so that an image costs some microseconds. Nothing
here fails on damaged bytes: what cannot be read is not followed.

Source: JPEG, ITU-T T.81, annex B; PNG, third edition, section 11.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

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


class _Found(NamedTuple):
    """What a walk found, [N]: where Exif and XMP begin and their bytes (int64; 0: none), flags."""

    exif: tf.Tensor
    exif_bytes: tf.Tensor
    xmp: tf.Tensor
    xmp_bytes: tf.Tensor
    first: tf.Tensor
    """JPEG: it has four colours. PNG: the pixels have begun."""
    second: tf.Tensor
    """JPEG: it has Adobe's marker. PNG: its palette or one of its colours is transparent."""


_Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, _Found], tuple[tf.Tensor, tf.Tensor, _Found]]
"""(bytes int64 [N, _SEEN], position int64 [N], live bool [N], found) -> (next position, whether
this was the last, found)."""


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
    found = _walk(encoded, chosen, 2, _jpeg_step)
    kind = tf.where(found.first & ~found.second, NEGATIVE, marks.kind)
    return Marks(kind, _oriented(encoded, found, marks.orientation))


def _of_pngs(encoded: tf.Tensor, chosen: tf.Tensor, marks: Marks) -> Marks:
    found = _walk(encoded, chosen, 8, _png_step)
    kind = tf.where(found.second, ALPHA, marks.kind)
    return Marks(kind, _oriented(encoded, found, marks.orientation))


def _oriented(encoded: tf.Tensor, found: _Found, otherwise: tf.Tensor) -> tf.Tensor:
    """Orientations by Exif, by XMP where Exif has none, or as they are."""
    none = tf.zeros_like(otherwise)

    def cut(start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        return tf.strings.substr(encoded, start, count)

    by_exif = tf.cond(
        tf.reduce_any(found.exif > 0),
        lambda: exif_orientation(cut(found.exif, found.exif_bytes)),
        lambda: none,
    )
    by_xmp = tf.cond(
        tf.reduce_any((found.xmp > 0) & tf.equal(by_exif, 0)),
        lambda: xmp_orientation(cut(found.xmp, found.xmp_bytes)),
        lambda: none,
    )
    said = tf.where(tf.equal(by_exif, 0), by_xmp, by_exif)
    return tf.where((said >= 1) & (said <= 8), said, otherwise)


def _walk(encoded: tf.Tensor, live: tf.Tensor, start: int, step: _Step) -> _Found:
    """Goes from marker to marker of the images that are live, from a position on."""
    lengths = tf.cast(tf.strings.length(encoded), tf.int64)
    none, never = tf.zeros_like(lengths), tf.zeros_like(live)

    def body(
        position: tf.Tensor, live: tf.Tensor, *found: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        piece = tf.strings.substr(encoded, position, tf.fill(tf.shape(position), _SEEN64))
        padded = tf.io.decode_raw(piece, tf.uint8, fixed_length=_SEEN)
        moved, last, found = step(tf.cast(padded, tf.int64), position, live, _Found(*found))
        live = live & ~last & (moved < lengths)
        return (tf.where(live, moved, position), live, *found)

    state = (tf.where(live, tf.minimum(none + start, lengths), none), live)
    state += (none, none, none, none, never, never)
    return _Found(
        *tf.while_loop(
            lambda _, live, *rest: tf.reduce_any(live),
            body,
            state,
            shape_invariants=tuple(tf.TensorShape([None]) for _ in state),
            maximum_iterations=_MAX_STEPS,
            parallel_iterations=1,
        )[2:]
    )


_SEEN64 = tf.int64.as_numpy_dtype(_SEEN)


def _is(seen: tf.Tensor, at: int, text: bytes) -> tf.Tensor:
    return tf.reduce_all(tf.equal(seen[:, at : at + len(text)], list(text)), axis=1)


def _set(where: tf.Tensor, value: tf.Tensor, current: tf.Tensor) -> tf.Tensor:
    """The first value found stays."""
    return tf.where(where & tf.equal(current, 0), value, current)


def _jpeg_step(
    seen: tf.Tensor, position: tf.Tensor, live: tf.Tensor, found: _Found
) -> tuple[tf.Tensor, tf.Tensor, _Found]:
    """Visits a marker as libjpeg does: fill bytes and what is no marker are passed over."""
    marker, size = seen[:, 1], seen[:, 2] * 256 + seen[:, 3]
    is_marker = tf.equal(seen[:, 0], 0xFF) & (marker > 0) & (marker < 0xFF)
    bare = tf.equal(marker, 0x01) | ((marker >= 0xD0) & (marker <= 0xD8))
    last = is_marker & ((tf.equal(marker, 0xDA)) | tf.equal(marker, 0xD9))
    # A length of 0 or 1 is one that is not there, to libjpeg.
    step = 2 + tf.where(bare, tf.zeros_like(size), tf.maximum(size, 2))
    step = tf.where(is_marker, step, 1)
    here = live & is_marker
    app1 = here & tf.equal(marker, 0xE1)
    frames = (marker >= 0xC0) & (marker <= 0xCF) & ~tf.equal(marker & 3, 0) | tf.equal(marker, 0xC0)
    exif, xmp = app1 & _is(seen, 4, _EXIF), app1 & _is(seen, 4, _XMP)
    return (
        position + step,
        last,
        _Found(
            _set(exif, position + 10, found.exif),
            _set(exif, size - 8, found.exif_bytes),
            _set(xmp, position + 33, found.xmp),
            _set(xmp, size - 31, found.xmp_bytes),
            found.first | (here & frames & tf.equal(seen[:, 9], 4)),
            found.second | (here & tf.equal(marker, 0xEE) & (size >= 14) & _is(seen, 4, _ADOBE)),
        ),
    )


def _png_step(
    seen: tf.Tensor, position: tf.Tensor, live: tf.Tensor, found: _Found
) -> tuple[tf.Tensor, tf.Tensor, _Found]:
    """Visits a chunk; a palette's alpha counts before the pixels alone, as to libpng."""
    size = tf.reduce_sum(seen[:, :4] * [1 << 24, 1 << 16, 1 << 8, 1], axis=1)
    exif = live & _is(seen, 4, b"eXIf")
    xmp = live & _is(seen, 4, b"iTXt") & _is(seen, 8, _PNG_XMP)
    prefix = tf.where(_is(seen, 8, _EXIF), tf.constant(6, tf.int64), 0)
    return (
        position + 12 + size,
        _is(seen, 4, b"IEND"),
        _Found(
            _set(exif, position + 8 + prefix, found.exif),
            _set(exif, size - prefix, found.exif_bytes),
            _set(xmp, position + 8, found.xmp),
            _set(xmp, size, found.xmp_bytes),
            found.first | (live & _is(seen, 4, b"IDAT")),
            found.second | (live & ~found.first & _is(seen, 4, b"tRNS")),
        ),
    )
