"""A BMP, decoded in the graph: TensorFlow takes the indices of a palette for greys.

Source: Windows' BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from components.transform.traced import rare

_OLD = 12
"""Bytes of the header of OS/2."""
_RAW, _MASKED = 0, 3
"""Compressions that are none."""
_PLAIN = (0xFF0000, 0xFF00, 0xFF)
"""Masks of red, green and blue where a header has none; of 16 bits a pixel the next."""
_PLAIN_16 = (0x7C00, 0x3E0, 0x1F)
_RGB = (2, 1, 0)
"""Where red, green and blue are stored."""
_MAX_PIXELS = 2**29 // 3
"""What TensorFlow decodes of a JPEG at most."""


class _Header(NamedTuple):
    """Whole numbers, int64 []; `masks` [4] of red, green, blue and alpha."""

    start: tf.Tensor
    size: tf.Tensor
    width: tf.Tensor
    height: tf.Tensor
    bits: tf.Tensor
    compression: tf.Tensor
    colours: tf.Tensor
    masks: tf.Tensor


@rare(tf.TensorSpec([], tf.string))
def decode_bmp(encoded: tf.Tensor) -> tf.Tensor:
    """A BMP as uint8 [height, width, 4], RGB and alpha.

    Args:
      encoded: a BMP, string [], of 16, 24 or 32 bits a pixel, or of 1, 4 or 8 with a palette; not
        compressed. The rest of 32 bits is alpha where a mask says so alone, as in Pillow.

    Raises:
      tf.errors.InvalidArgumentError: of another kind, or cut off (when the graph runs).
    """
    header = _header(encoded)
    known = tf.reduce_any(tf.equal(header.bits, [1, 4, 8, 16, 24, 32]))
    known &= tf.equal(header.compression, _RAW) | (
        tf.equal(header.compression, _MASKED) & (header.bits > 8)
    )
    height = tf.abs(header.height)
    fits = (header.width > 0) & (header.width < 2**24) & (height < 2**24)
    fits &= header.width * height <= _MAX_PIXELS
    says = "a BMP that cannot be decoded; its width, height, bits a pixel and compression are"
    check = tf.debugging.Assert(
        known & fits, [says, header.width, header.height, header.bits, header.compression]
    )
    with tf.control_dependencies([check] if check is not None else []):
        stride = (header.width * header.bits + 31) // 32 * 4
        rows = _bytes(encoded, header.start, stride * height)
        rows = tf.reshape(rows, tf.stack([height, stride]))
    rows = tf.cond(header.height > 0, lambda: tf.reverse(rows, [0]), lambda: rows)
    is_plain = tf.reduce_all(tf.equal(header.masks[:3], _PLAIN)) & (header.bits >= 24)
    way = tf.where(header.bits <= 8, 0, tf.where(is_plain, 1, 2))
    pixels = tf.switch_case(
        way,
        [
            lambda: _indexed(encoded, rows, header),
            lambda: _whole(rows, header),
            lambda: _masked(rows, header),
        ],
    )
    return tf.ensure_shape(pixels, (None, None, 4))


_FIELDS = (
    *((10, 4), (14, 4)),
    *((18, 4), (22, 4), (28, 2), (30, 4), (46, 4)),
    *((18, 2), (20, 2), (24, 2), (0, 0), (0, 0)),
    *((54, 4), (58, 4), (62, 4), (66, 4)),
)
"""Where a header's numbers begin, and of how many bytes they are: start and size; width, height,
bits, compression and colours; the same in the header of OS/2, which lacks the last two; masks."""


def _weights() -> np.ndarray:
    """[70, fields]: what each byte of a header counts in each number, the lowest first."""
    weights = np.zeros((70, len(_FIELDS)), np.int64)
    for field, (at, count) in enumerate(_FIELDS):
        weights[at : at + count, field] = [1 << 8 * place for place in range(count)]
    return weights


def _header(encoded: tf.Tensor) -> _Header:
    weights = _weights()
    head = tf.strings.substr(encoded, 0, len(weights))
    # Zeros where it is shorter.
    head = tf.io.decode_raw(head, tf.uint8, fixed_length=len(weights))
    numbers = tf.reduce_sum(tf.expand_dims(tf.cast(head, tf.int64), 1) * weights, axis=0)
    first, new, old, said = tf.split(numbers, [2, 5, 5, 4])
    start, size = tf.unstack(first)
    width, height, bits, compression, colours = tf.unstack(tf.where(tf.equal(size, _OLD), old, new))
    # A header of 40 bytes has three masks behind it, and no alpha.
    said = tf.where(size >= 56, said, said * [1, 1, 1, 0])
    assumed = tf.where(tf.equal(bits, 16), [*_PLAIN_16, 0], [*_PLAIN, 0])
    is_said = tf.equal(compression, _MASKED) & (tf.reduce_sum(said) > 0)
    return _Header(
        start=start,
        size=size,
        width=_signed(width),
        height=_signed(height),
        bits=bits,
        compression=compression,
        colours=colours,
        masks=tf.where(is_said, said, tf.cast(assumed, tf.int64)),
    )


def _indexed(encoded: tf.Tensor, rows: tf.Tensor, header: _Header) -> tf.Tensor:
    """By the palette; an index beyond it is black, as in Pillow."""
    most = tf.bitwise.left_shift(tf.ones_like(header.bits), tf.minimum(header.bits, 8))
    is_named = (header.colours > 0) & (header.colours < most)
    colours = tf.where(is_named, header.colours, most)
    entry = 4 - tf.cast(tf.equal(header.size, _OLD), tf.int64)
    table = _bytes(encoded, 14 + header.size, colours * entry)
    table = tf.gather(tf.reshape(table, tf.stack([colours, entry])), _RGB, axis=1)
    alpha = tf.fill(tf.stack([most, 1]), tf.constant(255, tf.uint8))
    table = tf.concat([tf.pad(table, [(0, most - colours), (0, 0)]), alpha], axis=1)
    bits = tf.cast(header.bits, tf.int32)
    shifts = tf.range(8 - bits, -1, -bits)
    index = tf.bitwise.right_shift(tf.cast(rows[:, :, tf.newaxis], tf.int32), shifts)
    index = tf.reshape(index & tf.cast(most - 1, tf.int32), tf.stack([tf.shape(rows)[0], -1]))
    return tf.gather(table, index[:, : header.width])


def _whole(rows: tf.Tensor, header: _Header) -> tf.Tensor:
    """Of one byte a colour: blue, green, red and perhaps alpha."""
    pixels = _bytes_of_pixels(rows, header)
    colours = tf.gather(pixels, _RGB, axis=2)
    has_alpha = tf.equal(header.masks[3], 0xFF000000) & tf.equal(header.bits, 32)
    opaque = tf.fill(tf.shape(colours[:, :, :1]), tf.constant(255, tf.uint8))
    alpha = tf.cond(has_alpha, lambda: pixels[:, :, 3:], lambda: opaque)
    return tf.concat([colours, alpha], axis=2)


def _masked(rows: tf.Tensor, header: _Header) -> tf.Tensor:
    pixels = tf.cast(_bytes_of_pixels(rows, header), tf.int64)
    weights = tf.bitwise.left_shift(tf.ones_like(header.bits), 8 * tf.range(header.bits // 8))
    whole = tf.reduce_sum(pixels * weights, axis=2)[:, :, tf.newaxis]
    lowest = tf.maximum(header.masks & -header.masks, 1)
    most = header.masks // lowest
    values = (whole & header.masks) // lowest
    values = (values * 255 + most // 2) // tf.maximum(most, 1)
    values = tf.where(header.masks > 0, values, tf.constant([0, 0, 0, 255], tf.int64))
    return tf.cast(values, tf.uint8)


def _bytes_of_pixels(rows: tf.Tensor, header: _Header) -> tf.Tensor:
    """uint8 [height, width, bytes of a pixel]."""
    size = header.bits // 8
    shape = tf.stack([tf.cast(tf.shape(rows)[0], tf.int64), header.width, size])
    return tf.reshape(rows[:, : header.width * size], shape)


def _bytes(encoded: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """uint8, so many or less."""
    start = tf.minimum(start, tf.cast(tf.strings.length(encoded), tf.int64))
    return tf.io.decode_raw(tf.strings.substr(encoded, start, count), tf.uint8)


def _signed(number: tf.Tensor) -> tf.Tensor:
    return tf.where(number < 2**31, number, number - 2**32)
