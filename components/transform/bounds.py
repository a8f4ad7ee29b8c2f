r"""Why a served model does not decode an image, found in the graph before it is decoded.

A request may hold anything. What decoding costs is bounded by the header: pixels, scans of a JPEG,
frames and parts of a GIF, compressed texts of a PNG. Training needs none of it: the screen has been
there.

    >>> huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2
    >>> for text in refusals(tf.constant([b"", b"GIF", huge]), Bounds()).numpy():
    ...     print(text.decode())
    0 bytes
    neither a JPEG nor a PNG, GIF or BMP; send it as a PNG
    60000 x 60000 pixels, more than 64000000; send a smaller image
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from components.transform.config import Bounds
from components.transform.gif_parts import MAX_PARTS, count_parts

_HEAD_BYTES = 32
_SOS = b"\xff\xda"
"""Before each scan of a JPEG; its pixels never hold these bytes."""
_MAX_SCANS = 500
"""Of a JPEG; cameras and tools write a dozen."""
_USUAL_SCANS = 20
_FRAME = b"\0\x2c"
"""Before each frame of a GIF, behind a block; TensorFlow reads all of them."""
_PACKED = (b"zTXt", b"iTXt", b"iCCP")
_MAX_PACKED = 20
"""Compressed texts of a PNG; libpng unpacks up to 8 MB of each, in 0.1 s."""
_SPARE_BYTES = 1_000_000
"""Of a PNG, beyond two for each pixel byte: metadata. What is behind its pixels is unpacked too."""
_MAX_WORK = 150_000_000
"""Pixels that later scans or frames pass over: 0.5 s."""


class _Kinds(NamedTuple):
    """Which of some images begin as a kind does, bool [N] each."""

    jpeg: tf.Tensor
    png: tf.Tensor
    gif: tf.Tensor
    bmp: tf.Tensor


_BEGINS = _Kinds(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM")


def refusals(encoded: tf.Tensor, bounds: Bounds) -> tf.Tensor:
    """Why each of some images is not decoded: string [N], empty for those that are.

    Args:
      encoded: string [N].
      bounds: of what is decoded.

    Raises:
      tf.errors.InvalidArgumentError: the header of a JPEG is damaged (when the graph runs).
    """
    head = tf.io.decode_raw(
        tf.strings.substr(encoded, 0, _HEAD_BYTES), tf.uint8, fixed_length=_HEAD_BYTES
    )
    head = tf.cast(head, tf.int64)
    kinds = _Kinds(
        *(tf.reduce_all(tf.equal(head[:, : len(first)], list(first)), axis=1) for first in _BEGINS)
    )
    size = tf.strings.length(encoded)
    width, height = _sides(encoded, head, kinds)
    # Bounded, the product of the sides fits.
    pixels = tf.minimum(width, 2**31) * tf.minimum(height, 2**31)
    scans = _count(encoded, kinds.jpeg, _SOS)
    frames = _count(encoded, kinds.gif, _FRAME)
    shown = tf.minimum(pixels, bounds.pixels)
    # A part has two bytes at least; a frame's first bytes are among pixels too, by chance.
    parts, frames = _gif_parts(
        encoded, kinds.gif & ((size > 2 * MAX_PARTS) | (frames * shown > _MAX_WORK)), frames
    )
    passes = tf.maximum(scans - _USUAL_SCANS, frames)
    too_long = kinds.png & (tf.cast(size, tf.int64) > 16 * tf.minimum(pixels, 2**26) + _SPARE_BYTES)
    texts = tf.add_n([_count(encoded, kinds.png, name) for name in _PACKED])

    def text(*parts: tf.Tensor | str) -> tf.Tensor:
        return tf.strings.join(
            [part if isinstance(part, str) else tf.strings.as_string(part) for part in parts]
        )

    too_many = f" pixels, more than {bounds.pixels}; send a smaller image"
    rules = (
        (tf.equal(size, 0), "0 bytes"),
        (
            ~tf.reduce_any(tf.stack(kinds), axis=0),
            "neither a JPEG nor a PNG, GIF or BMP; send it as a PNG",
        ),
        (size > bounds.size, text(size, f" bytes, more than {bounds.size}; send a smaller file")),
        (pixels > bounds.pixels, text(width, " x ", height, too_many)),
        (too_long, "far more bytes than its pixels need; save it again"),
        (
            # Bounded again: the product of the two above is.
            (scans > _MAX_SCANS) | (passes * shown > _MAX_WORK),
            "far more scans or frames than an image needs; save it again",
        ),
        (parts > MAX_PARTS, "far more parts than an image needs; save it again"),
        (
            texts > _MAX_PACKED,
            f"more than {_MAX_PACKED} compressed texts; save it again without them",
        ),
    )
    found = tf.fill(tf.shape(encoded), "")
    for applies, sentence in reversed(rules):
        found = tf.where(applies, sentence, found)
    return found


def _sides(encoded: tf.Tensor, head: tf.Tensor, kinds: _Kinds) -> tuple[tf.Tensor, tf.Tensor]:
    """Widths and heights in the headers, int64 [N] each; 0 of what is no image.

    Args:
      encoded: string [N].
      head: its first bytes, int64 [N, 32].
      kinds: of each.
    """

    def number(at: int, count: int, highest_first: bool = False) -> tf.Tensor:
        weights = [256**place for place in range(count)]
        return tf.linalg.matvec(
            head[:, at : at + count],
            tf.constant(weights[::-1] if highest_first else weights, tf.int64),
        )

    width, height = tf.unstack(_jpeg_sides(encoded, kinds.jpeg), 2, axis=1)
    width = tf.where(kinds.png, number(16, 4, highest_first=True), width)
    height = tf.where(kinds.png, number(20, 4, highest_first=True), height)
    width, height = (
        tf.where(kinds.gif, number(at, 2), tf.where(kinds.bmp, number(bmp_at, 4), side))
        for at, bmp_at, side in ((6, 18, width), (8, 22, height))
    )
    # A BMP whose rows begin at the top has a negative height.
    return width, tf.where(kinds.bmp & (height >= 2**31), 2**32 - height, height)


def _jpeg_sides(encoded: tf.Tensor, is_jpeg: tf.Tensor) -> tf.Tensor:
    """Width and height of JPEGs, int64 [N, 2]; 0 of others."""

    def one(each: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return tf.cond(
            each[1],
            lambda: tf.io.extract_jpeg_shape(each[0], tf.int64)[1::-1],
            lambda: tf.zeros(2, tf.int64),
        )

    spec = tf.TensorSpec((2,), tf.int64)
    return tf.cond(
        tf.reduce_any(is_jpeg),
        lambda: tf.map_fn(one, (encoded, is_jpeg), fn_output_signature=spec),
        lambda: tf.zeros(tf.stack([tf.size(encoded), 2]), tf.int64),
    )


def _gif_parts(
    encoded: tf.Tensor, where: tf.Tensor, frames: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Parts and frames of some GIFs, int32 and int64 [N]; elsewhere 0 and the given `frames`."""

    def counted() -> tuple[tf.Tensor, tf.Tensor]:
        parts, exact = count_parts(tf.where(where, encoded, ""))
        return parts, tf.where(where, tf.cast(exact, tf.int64), frames)

    return tf.cond(tf.reduce_any(where), counted, lambda: (tf.zeros_like(where, tf.int32), frames))


def _count(encoded: tf.Tensor, where: tf.Tensor, part: bytes) -> tf.Tensor:
    """How often some bytes are in strings, int64 [N]; 0 elsewhere."""
    pieces = tf.strings.split(tf.where(where, encoded, ""), part)
    return tf.maximum(pieces.row_lengths() - 1, 0)
