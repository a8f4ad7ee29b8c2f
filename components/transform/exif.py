"""The orientation in Exif and XMP data, read in the graph for a batch at once.

Source: Exif 2.32, sections 4.5 and 4.6; TIFF 6.0, section 2. Followed as Pillow's
`ImageOps.exif_transpose` follows it.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from components.transform.traced import rare

_ORIENTATION = 0x0112
_ENTRY = 12
_MAX_ENTRIES = 1_000
"""Of a directory that are read; cameras write some twenty."""
_MOST = [{3: 2, 8: 2, 4: 1, 9: 1, 13: 1}.get(kind, 0) for kind in range(15)]
"""By TIFF's type: how many values an entry holds; of the whole numbers of 2 and 4 bytes alone."""
_IN_XMP = r"tiff:Orientation(?:=\"|>)([0-9])"


@rare(tf.TensorSpec([None], tf.string))
def exif_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation that Exif data say.

    Args:
      tiff: string [N], Exif data after their name, or anything else.

    Returns:
      int32 [N], any number; 0 where there is none.
    """
    order = tf.strings.substr(tiff, 0, 2)
    little = tf.equal(order, b"II")
    low_first = tf.expand_dims(little, 1)
    head = _bytes(tf.strings.substr(tiff, 0, 8), 8)
    # Pillow takes the number 42 in either order: here its two bytes are added.
    one, other, start = _numbers(head, low_first, (2, 1), (3, 1), (4, 4))
    is_tiff = (little | tf.equal(order, b"MM")) & tf.equal(one + other, 42)
    lengths = tf.cast(tf.strings.length(tiff), tf.int64)
    start = tf.where(is_tiff & (start < lengths), start, lengths)
    two = _bytes(_cut(tiff, start, tf.fill(tf.shape(start), _TWO)), 2)
    (count,) = _numbers(two, low_first, (0, 2))
    # A directory that is cut off is read as far as it goes.
    first = tf.minimum(start + 2, lengths)
    count = tf.minimum(tf.minimum(count, (lengths - first) // _ENTRY), _MAX_ENTRIES)
    most = tf.maximum(tf.reduce_max(count), 1)
    table = _bytes(_cut(tiff, first, count * _ENTRY), tf.cast(most * _ENTRY, tf.int32))
    table = tf.reshape(table, tf.stack([-1, most, _ENTRY]))
    return _last_orientation(table, tf.expand_dims(low_first, 2))


def _last_orientation(table: tf.Tensor, low_first: tf.Tensor) -> tf.Tensor:
    """The value of the last entry with it; Pillow too lets a later one take an earlier one's place.

    Args:
      table: int64 [N, entries, 12], bytes; zeros behind a directory's end.
      low_first: bool [N, 1, 1], whether the lowest byte comes first.
    """
    tag, kind, values, short, long = _numbers(
        table, low_first, (0, 2), (2, 2), (4, 4), (8, 2), (8, 4)
    )
    most = tf.gather(tf.constant(_MOST, tf.int64), tf.minimum(kind, len(_MOST) - 1))
    wanted = tf.equal(tag, _ORIENTATION) & (values >= 1) & (values <= most)
    value = tf.where(wanted, tf.where(tf.equal(most, 2), short, long), 0)
    place = tf.range(tf.shape(table)[1])
    last = tf.reduce_max(tf.where(wanted, place, 0), axis=1)
    return tf.cast(tf.gather(value, last, batch_dims=1) & 0xFFFF, tf.int32)


@rare(tf.TensorSpec([None], tf.string))
def xmp_orientation(packet: tf.Tensor) -> tf.Tensor:
    """The first orientation in XMP data.

    Args:
      packet: string [N], XMP data, or anything else.

    Returns:
      int32 [N]; 0 where there is none.
    """
    # What is not matched stays whole, and is longer than a digit.
    digit = tf.strings.regex_replace(packet, rf"^\C*?{_IN_XMP}\C*$", r"\1", replace_global=False)
    found = tf.strings.regex_full_match(digit, "[0-9]")
    return tf.strings.to_number(tf.where(found, digit, "0"), tf.int32)


_TWO = tf.int64.as_numpy_dtype(2)


def _cut(text: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    return tf.strings.substr(text, start, count)


def _bytes(text: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """int64 [N, count]: so many bytes of each, zeros where it is shorter."""
    return tf.cast(tf.io.decode_raw(text, tf.uint8, fixed_length=count), tf.int64)


def _numbers(digits: tf.Tensor, low_first: tf.Tensor, *fields: tuple[int, int]) -> list[tf.Tensor]:
    """Whole numbers, int64 [...], of some bytes, int64 [..., count].

    Args:
      digits: the bytes.
      low_first: whether the lowest of a number comes first; bool [..., 1].
      fields: where each number begins, and of how many bytes it is.
    """
    low, high = np.zeros((2, digits.shape[-1], len(fields)), np.int64)
    for field, (at, count) in enumerate(fields):
        low[at : at + count, field] = [1 << 8 * place for place in range(count)]
        high[at : at + count, field] = low[at : at + count, field][::-1]
    # All by one product: every operation costs about a millisecond of tracing.
    both = tf.split(tf.matmul(digits, np.concatenate([low, high], axis=1)), 2, axis=-1)
    return tf.unstack(tf.where(low_first, *both), len(fields), axis=-1)
