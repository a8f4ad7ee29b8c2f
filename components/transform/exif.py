"""The orientation in Exif and XMP data, read in the graph for a batch at once.

Source: Exif 2.32, sections 4.5 and 4.6; TIFF 6.0, section 2. Followed as Pillow's
`ImageOps.exif_transpose` follows it.
"""

from __future__ import annotations

import tensorflow as tf

_ORIENTATION = 0x0112
_ENTRY = 12
_MAX_ENTRIES = 1_000
"""Of a directory that are read; cameras write some twenty."""
_SHORTS, _LONGS = (3, 8), (4, 9, 13)
"""TIFF's types of whole numbers of 2 and 4 bytes."""
_IN_XMP = r"tiff:Orientation(?:=\"|>)([0-9])"


def exif_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation that Exif data say.

    Args:
      tiff: string [N], Exif data after their name, or anything else.

    Returns:
      int32 [N], any number; 0 where there is none.
    """
    head = _bytes(tf.strings.substr(tiff, 0, 8), 8)
    little = tf.equal(head[:, 0], ord("I")) & tf.equal(head[:, 1], ord("I"))
    big = tf.equal(head[:, 0], ord("M")) & tf.equal(head[:, 1], ord("M"))
    # Pillow takes the number 42 in either order.
    is_tiff = (little | big) & tf.equal(head[:, 2] + head[:, 3], 42)
    lengths = tf.cast(tf.strings.length(tiff), tf.int64)
    start = _number(head[:, 4:8], little)
    start = tf.where(is_tiff & (start < lengths), start, lengths)
    count = _number(_bytes(_cut(tiff, start, tf.fill(tf.shape(start), _TWO)), 2), little)
    # A directory that is cut off is read as far as it goes.
    first = tf.minimum(start + 2, lengths)
    count = tf.minimum(tf.minimum(count, (lengths - first) // _ENTRY), _MAX_ENTRIES)
    most = tf.maximum(tf.reduce_max(count), 1)
    table = _bytes(_cut(tiff, first, count * _ENTRY), tf.cast(most * _ENTRY, tf.int32))
    return _last_orientation(tf.reshape(table, [-1, most, _ENTRY]), little)


def _last_orientation(table: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
    """The value of the last entry with it; Pillow too lets a later one take an earlier one's place.

    Args:
      table: int64 [N, entries, 12], bytes; zeros behind a directory's end.
      little: bool [N], whether the lowest byte comes first.
    """
    order = little[:, tf.newaxis]
    tag, kind = _number(table[:, :, 0:2], order), _number(table[:, :, 2:4], order)
    values = _number(table[:, :, 4:8], order)
    is_short = tf.reduce_any([tf.equal(kind, each) for each in _SHORTS], axis=0) & (values <= 2)
    is_long = tf.reduce_any([tf.equal(kind, each) for each in _LONGS], axis=0) & (values <= 1)
    wanted = tf.equal(tag, _ORIENTATION) & (is_short | is_long) & (values >= 1)
    short, long = _number(table[:, :, 8:10], order), _number(table[:, :, 8:12], order)
    value = tf.where(wanted, tf.where(is_short, short, long), 0)
    place = tf.range(tf.shape(table)[1])
    last = tf.reduce_max(tf.where(wanted, place, 0), axis=1)
    return tf.cast(tf.gather(value, last, batch_dims=1) & 0xFFFF, tf.int32)


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


def _number(digits: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
    """The whole number, int64 [...], of some bytes, int64 [..., count].

    Args:
      digits: the bytes.
      little: whether the lowest comes first; bool that goes with the other axes.
    """
    weights = tf.constant([1 << 8 * place for place in range(digits.shape[-1])], tf.int64)
    low_first = tf.reduce_sum(digits * weights, axis=-1)
    return tf.where(little, low_first, tf.reduce_sum(digits * weights[::-1], axis=-1))
