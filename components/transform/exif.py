"""The orientation in Exif and XMP data, read in the graph for a batch at once.

Source: Exif 2.32, sections 4.5 and 4.6; TIFF 6.0, section 2. Followed as Pillow's
`ImageOps.exif_transpose` follows it.

    >>> import struct
    >>> tiff = struct.pack("<2sHIHHHIHH", b"II", 42, 8, 1, _ORIENTATION, 3, 1, 6, 0)
    >>> exif_orientation(tf.constant([tiff, b"no Exif data"])).numpy().tolist()
    [6, 0]
"""

from __future__ import annotations

import tensorflow as tf

from components.transform.graph_parts import piece, rare

_ORIENTATION = 0x0112
_ENTRY = 6
"""Numbers of 16 bits in an entry: tag, type, two of the count, two of the value."""
_MAX_ENTRIES = 100
"""Entries of a directory that are read, at most; cameras write some twenty."""
_MOST = [{3: 2, 8: 2, 4: 1, 9: 1, 13: 1}.get(kind, 0) for kind in range(15)]
"""By TIFF's type: how many values an entry holds; only for whole numbers of 2 and 4 bytes."""
_IN_XMP = r"tiff:Orientation(?:=\"|>)([0-9])"


@rare(tf.TensorSpec([None], tf.string))
def exif_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation in Exif data.

    Args:
      tiff: string [N], Exif data, with or without their name before them, or anything else.

    Returns:
      int32 [N], any number; 0 where there is none.
    """
    tiff = tf.strings.regex_replace(tiff, r"^Exif\x00\x00", "", replace_global=False)
    end = tf.strings.length(tiff)
    order = tf.strings.substr(tiff, 0, 2)
    little = tf.equal(order, "II")
    head = _numbers(tiff, 4, little)
    # Pillow takes the number 42 in either order.
    is_tiff = tf.reduce_any(tf.equal(head[:, 1:2], [42, 42 << 8]), axis=1)
    is_tiff &= little | tf.equal(order, "MM")
    start = _whole(head[:, 2], head[:, 3], little)
    start = tf.where(is_tiff & (start >= 0) & (start < end), start, end)
    size = 1 + _MAX_ENTRIES * _ENTRY
    text = piece(tiff, start, 2 * size)
    directory = _numbers(text, size, little)
    # A directory that is cut off is read as far as it goes.
    count = tf.minimum(directory[:, 0], (end - start - 2) // (2 * _ENTRY))
    table = tf.reshape(directory[:, 1:], [-1, _MAX_ENTRIES, _ENTRY])
    return _last_orientation(table, tf.expand_dims(count, 1), tf.expand_dims(little, 1))


def _last_orientation(table: tf.Tensor, count: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
    """The value of the last entry with it; Pillow too lets a later one take an earlier one's place.

    Args:
      table: int32 [N, _MAX_ENTRIES, _ENTRY].
      count: entries that the directory has, int32 [N, 1].
      little: whether the lowest of a number comes first, bool [N, 1].
    """
    tag, kind, *others = tf.unstack(table, _ENTRY, axis=2)
    values = _whole(others[0], others[1], little)
    long = _whole(others[2], others[3], little)
    most = tf.gather(_MOST, tf.minimum(kind, len(_MOST) - 1))
    place = tf.range(_MAX_ENTRIES)
    wanted = (place < count) & tf.equal(tag, _ORIENTATION) & (values >= 1) & (values <= most)
    value = tf.where(wanted, tf.where(tf.equal(most, 2), others[2], long), 0)
    last = tf.reduce_max(tf.where(wanted, place, 0), axis=1)
    return tf.gather(value, last, batch_dims=1)


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


def _numbers(text: tf.Tensor, count: int, little: tf.Tensor) -> tf.Tensor:
    """int32 [N, count]: the numbers of 16 bits that texts begin with, zeros behind their ends."""
    both = [
        tf.io.decode_raw(text, tf.uint16, little_endian=order, fixed_length=2 * count)
        for order in (True, False)
    ]
    return tf.cast(tf.where(tf.expand_dims(little, 1), *both), tf.int32)


def _whole(first: tf.Tensor, second: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
    """Numbers of 32 bits of the two of 16 that they are stored as; negative from 2**31 on."""
    return first * tf.where(little, 1, 2**16) + second * tf.where(little, 2**16, 1)
