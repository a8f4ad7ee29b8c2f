"""What encoded images record about how to show them, read in the graph for a batch at once.

Every marker of a JPEG before its first scan, every block of a GIF before its first frame, and every
chunk of a PNG that may hold an orientation is visited in one loop over the whole batch, so that an
image costs some microseconds. Nothing here fails on damaged bytes: what cannot be read is not
followed. The graph is small on purpose: every data set that reads by it expands it again.

Source: JPEG, ITU-T T.81, annex B; PNG, third edition, section 11.3; GIF89a, sections 18 to 23;
Windows' BITMAPINFOHEADER.

    >>> rgb, rgba = (tf.io.encode_png(tf.zeros((2, 2, n), tf.uint8)) for n in (3, 4))
    >>> marks = read_marks(tf.stack([rgb, rgba, b"no image"]))
    >>> marks.kind.numpy().tolist() == [PLAIN, ALPHA, UNKNOWN]
    True
    >>> marks.orientation.numpy().tolist()
    [1, 1, 1]
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components.transform.bmp import COLOUR_BITS, HEADER_SIZES
from components.transform.exif import exif_orientation, xmp_orientation
from components.transform.gif_parts import palette_sizes
from components.transform.graph_parts import Pattern, Patterns, piece, rare

UNKNOWN, PLAIN, ALPHA, NEGATIVE, GIF, BMP = range(6)
"""Kinds: what TensorFlow does not decode, or not rightly; a JPEG or PNG that its decoder alone
decodes rightly; a PNG with transparency; a JPEG of four colours without Adobe's marker, which
TensorFlow decodes to its negative; a GIF whose first frame is opaque and as large as the screen; a
BMP of 24 or 32 bits without alpha, or of 8 bits whose palette is the greys in their order."""

_NEVER = 2**30
"""A position beyond every end, and a step beyond it."""
_MAX_STEPS = 4_000
"""Markers, blocks or chunks of an image that are visited."""

_PNG = b"\x89PNG\r\n\x1a\n"
_NONE = bytes(4)
_GREY_BMP: Pattern = {0: b"BM", 14: b"\x28\0\0\0", 28: b"\x08\0" + _NONE}
_COLOURS = [(size, bits) for size in HEADER_SIZES for bits in COLOUR_BITS]
"""For other BMPs, the size of the header and the bits of a pixel."""
_HEADS: list[tuple[int, Pattern]] = [
    (PLAIN, {0: b"\xff\xd8\xff"}),
    # Tables follow the marker of JFIF: a JPEG with nothing to say, as a rule.
    (PLAIN, {0: b"\xff\xd8\xff\xe0\0\x10JFIF\0", 20: b"\xff\xdb"}),
    (PLAIN, {0: _PNG}),
    # Pixels follow the header.
    (PLAIN, {0: _PNG, 37: b"IDAT"}),
    (GIF, {0: b"GIF8"}),
    # Grey and alpha, RGB and alpha.
    (ALPHA, {0: _PNG, 25: [(0xFD, 4)]}),
    # Whether its colours are counted or not.
    (BMP, {**_GREY_BMP, 46: _NONE}),
    (BMP, {**_GREY_BMP, 46: b"\0\1\0\0"}),
]
_HEADS += [
    (BMP, {0: b"BM", 14: bytes([size, 0, 0, 0]), 28: bytes([bits, 0]) + _NONE})
    for size, bits in _COLOURS
]
_KINDS = [kind for kind, _ in _HEADS]
_HEAD = Patterns(56, [pattern for _, pattern in _HEADS])

_EXIF, _XMP, _FOUR, _ADOBE, _FRAME, _TRANSPARENT, _TRNS = range(7)
"""What is found at a marker, a block or a chunk."""
_TABLES = 1024
"""Bytes in which a JPEG's tables end."""
_XMP_NAME, _PNG_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"XML:com.adobe.xmp\0\0"
"""The latter of a chunk that is not compressed."""
_FIRST: Pattern = {0: [(0x80, 0)]}
"""A chunk begins with its size, of 31 bits; markers begin with 0xFF."""
_PLACES: list[tuple[int, Pattern]] = [
    (_EXIF, {0: b"\xff\xe1", 4: b"Exif\0\0"}),
    (_EXIF, {**_FIRST, 4: b"eXIf"}),
    (_XMP, {0: b"\xff\xe1", 4: _XMP_NAME}),
    (_XMP, {**_FIRST, 4: b"iTXt" + _PNG_XMP}),
    # libjpeg ignores a shorter one. Behind a longer one, Adobe's marker comes twice, and counts.
    (_ADOBE, {0: b"\xff\xee\0\x0eAdobe"}),
    # At the left and top of the screen.
    (_FRAME, {0: b"\x2c" + _NONE}),
    (_TRANSPARENT, {0: [(0xFF, 0x21), (0xFF, 0xF9), (0, 0), (1, 1)]}),
    (_TRNS, {**_FIRST, 4: b"tRNS"}),
]
# The headers of frames are all from 0xC0 to 0xCF but C4, C8 and CC.
_FRAMES = [(0xFC, 0xC0), (0xFF, 0xC5), (0xFE, 0xC6), (0xFF, 0xC9), (0xFE, 0xCA), (0xFF, 0xCD)]
_FRAMES += [(0xFE, 0xCE)]
_PLACES += [(_FOUR, {0: [(0xFF, 0xFF), marker], 9: b"\4"}) for marker in _FRAMES]
_CLASSES = [name for name, _ in _PLACES]
_PLACE = Patterns(40, [pattern for _, pattern in _PLACES])


class Marks(NamedTuple):
    """The marks of a batch of images.

    Attributes:
      kind: int32 [N], one of the kinds above.
      orientation: int32 [N], 1 to 8 as Exif numbers them; 1 if there is none.
    """

    kind: tf.Tensor
    orientation: tf.Tensor


def read_marks(encoded: tf.Tensor) -> Marks:
    """Reads the marks of a batch.

    Args:
      encoded: string [N], images or anything else.
    """
    end = tf.strings.length(encoded)
    heads = _HEAD.match(tf.strings.substr(encoded, 0, _HEAD.size))
    kind = tf.reduce_max(tf.where(heads, _KINDS, UNKNOWN), axis=1)
    is_jpeg, is_jfif, is_png, begins, is_gif = tf.unstack(heads[:, :5], axis=1)
    is_bare = is_jfif & ~_says_something(encoded, is_jfif)
    # The header, one chunk of pixels, and the end.
    is_bare |= begins & tf.equal(_four_bytes(encoded, tf.minimum(end, 33)) + 57, end)
    walked = (is_jpeg | is_png | is_gif) & ~is_bare
    ones = tf.ones_like(kind)
    return Marks(
        *tf.cond(
            tf.reduce_any(walked),
            lambda: _walk(encoded, walked, is_png, is_gif, kind),
            lambda: (kind, ones),
        )
    )


def _says_something(encoded: tf.Tensor, looked_at: tf.Tensor) -> tf.Tensor:
    """Whether a JPEG may have Exif, XMP or four colours among its tables or behind them."""
    tables = tf.where(looked_at, tf.strings.substr(encoded, 0, _TABLES), "")
    less = tf.strings.regex_replace(
        tables, r"Exif\x00|http://ns|\x00\x14\x08\C{4}\x04", "", replace_global=False
    )
    return tf.not_equal(tf.strings.length(less), tf.strings.length(tables))


@rare(*(tf.TensorSpec([None], each) for each in (tf.string, tf.bool, tf.bool, tf.bool, tf.int32)))
def _walk(
    encoded: tf.Tensor, walked: tf.Tensor, is_png: tf.Tensor, is_gif: tf.Tensor, kind: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The marks of a batch of which some images are walked through."""
    end = tf.strings.length(encoded)
    start = tf.where(is_gif, _behind_palette(encoded), tf.where(is_png, len(_PNG), 2))
    first = tf.where(walked, tf.minimum(start, end), end)
    visited = _visited(encoded, first, end, is_png, is_gif)
    found = _PLACE.match(tf.reshape(piece(encoded, visited, _PLACE.size), [-1]))
    found = tf.reshape(found, tf.concat([tf.shape(visited), [len(_CLASSES)]], axis=0))
    places = tf.reduce_min(tf.where(found, visited[..., tf.newaxis], _NEVER), axis=0)
    exif, xmp, four, adobe, frame, transparent, trns = tf.unstack(
        tf.math.unsorted_segment_min(tf.transpose(places), _CLASSES, _TRNS + 1)
    )
    kind = tf.where(trns < _NEVER, ALPHA, kind)
    kind = tf.where((four < _NEVER) & tf.equal(adobe, _NEVER), NEGATIVE, kind)
    screen = piece(encoded, tf.minimum(end, 6), 4)
    covers = tf.equal(piece(encoded, tf.minimum(frame + 5, end), 4), screen)
    kind = tf.where(is_gif & ~(covers & tf.equal(transparent, _NEVER)), UNKNOWN, kind)
    # Before its text a chunk has its size and name, a segment its marker and size.
    at = tf.minimum(tf.stack([exif, xmp]), end)
    four_bytes = _four_bytes(encoded, at)
    size = tf.where(is_png, four_bytes, (four_bytes & 0xFFFF) - 2)
    # `end` in both: where N is known, it has to be of both, or the graph is refused.
    begin = tf.minimum(at + tf.where(is_png, 8, 4), end)
    text = tf.strings.substr(encoded, begin, tf.minimum(tf.maximum(size, 0), end))
    return kind, _orientation(*tf.unstack(text, 2))


def _visited(
    encoded: tf.Tensor, first: tf.Tensor, end: tf.Tensor, is_png: tf.Tensor, is_gif: tf.Tensor
) -> tf.Tensor:
    """Where markers, blocks and chunks begin, int32 [visits, N]; `end` behind the last.

    Args:
      encoded: string [N].
      first: where the walk begins, int32 [N].
      end: of each, int32 [N].
      is_png: bool [N].
      is_gif: bool [N]; JPEGs are neither.
    """

    def visit(
        count: tf.Tensor, position: tf.Tensor, visited: Any
    ) -> tuple[tf.Tensor, tf.Tensor, Any]:
        step = _step(_four_bytes(encoded, position), is_png, is_gif)
        return count + 1, tf.minimum(position + step, end), visited.write(count, position)

    visited = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
    _, _, visited = tf.while_loop(
        lambda count, position, _: tf.equal(count, 0) | tf.reduce_any(position < end),
        visit,
        (0, first, visited),
        maximum_iterations=_MAX_STEPS,
        parallel_iterations=1,
    )
    return visited.stack()


def _step(four_bytes: tf.Tensor, is_png: tf.Tensor, is_gif: tf.Tensor) -> tf.Tensor:
    """From a marker, a block or a chunk to the next, by its first bytes as a number: int32 [N]."""
    # Negative where the first byte is 0xFF: libjpeg skips what is no marker.
    marker = tf.clip_by_value(four_bytes // 2**16 + 256, 0, 256)
    # A length of 0 or 1 is one that is not there, to libjpeg.
    sized = tf.gather(_IS_SIZED, marker) * tf.maximum(four_bytes & 0xFFFF, 2)
    step = tf.gather(_FIXED, marker) + sized
    # Only the first part of an extension is skipped: most have one.
    is_extension = tf.equal(four_bytes // 2**24, 0x21)
    block = tf.where(is_extension, 4 + (four_bytes // 2**8 & 0xFF), _NEVER)
    chunk = 12 + tf.where(four_bytes < 0, _NEVER, tf.minimum(four_bytes, _NEVER))
    return tf.where(is_png, chunk, tf.where(is_gif, block, step))


def _jpeg_steps() -> tuple[np.ndarray, np.ndarray]:
    """By a JPEG's marker, or 256 for none: the step, and whether its length is added to it."""
    steps = np.full((257, 2), (2, 1), np.int32)
    steps[[0x00, 0xFF, 256]] = 1, 0
    steps[[0x01, *range(0xD0, 0xD9)]] = 2, 0
    steps[[0xD9, 0xDA]] = _NEVER, 0
    return steps[:, 0], steps[:, 1]


_FIXED, _IS_SIZED = _jpeg_steps()


def _behind_palette(encoded: tf.Tensor) -> tf.Tensor:
    """Where the blocks of GIFs begin, int32 [N]."""
    flags = tf.io.decode_raw(tf.strings.substr(encoded, 0, 11), tf.uint8, fixed_length=11)[:, 10]
    return 13 + palette_sizes(flags)


def _four_bytes(encoded: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
    """As a number, int32 [..., N], the four bytes at some places, int32 [..., N]; highest first."""
    first = piece(encoded, at, 4)
    return tf.io.decode_raw(first, tf.int32, little_endian=False, fixed_length=4)[..., 0]


def _orientation(exif: tf.Tensor, xmp: tf.Tensor) -> tf.Tensor:
    """1 to 8, int32 [N]: from Exif data, string [N], and if there is none, from XMP data."""
    none = tf.zeros_like(exif, tf.int32)
    said = tf.cond(
        tf.reduce_any(tf.not_equal(exif, "")), lambda: exif_orientation(exif), lambda: none
    )
    said = tf.cond(
        tf.reduce_any(tf.not_equal(xmp, "") & tf.equal(said, 0)),
        lambda: tf.where(tf.equal(said, 0), xmp_orientation(xmp), said),
        lambda: said,
    )
    return tf.where((said >= 1) & (said <= 8), said, 1)
