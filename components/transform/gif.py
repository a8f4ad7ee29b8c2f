"""The first frame of a GIF on its screen, decoded in the graph.

TensorFlow's decoder leaves black what is transparent, and decodes a frame at its place into an
image of a frame's size. So the encoded bytes are changed before they are decoded: the transparent
colour becomes the background, the frame begins at (0, 0), and its place is given back afterwards.

Source: GIF89a, sections 18, 20 and 23.
"""

from __future__ import annotations

import tensorflow as tf

_EXTENSION, _FRAME, _CONTROL = 0x21, 0x2C, 0xF9
_MAX_BLOCKS = 100_000
"""Blocks before the first frame that are passed over."""
_MAX_PIXELS = 2**29 // 3
"""Of a screen: what TensorFlow decodes of a JPEG at most."""


def decode_gif(encoded: tf.Tensor, background: tuple[int, int, int]) -> tf.Tensor:
    """The first frame as Pillow shows it, uint8 [height, width, 3].

    Where the frame does not reach, the screen is transparent if the frame has a transparent
    colour; else it has the palette's first colour, as in Pillow.

    Args:
      encoded: a GIF, string [].
      background: RGB, 0 to 255, of what is transparent.
    """
    flags = _byte(encoded, 10)
    control, frame = _first_frame(encoded, 13 + _colours_bytes(flags))
    left, top, width, height = (_short(encoded, frame + at) for at in (1, 3, 5, 7))
    own = _byte(encoded, frame + 9)
    has_own = tf.not_equal(own & 0x80, 0)
    palette = tf.where(has_own, frame + 10, 13)
    colours = tf.where(has_own, _colours_bytes(own), _colours_bytes(flags))
    transparent = (control > 0) & tf.not_equal(_byte(encoded, control + 3) & 1, 0)
    colour = 3 * _byte(encoded, control + 6)
    colour_at = tf.where(transparent & (colour < colours), palette + colour, -1)
    shown = tf.constant(bytes(background))
    # From the palette's first colour, before it may become the background.
    outside = tf.where(
        transparent | tf.equal(colours, 0),
        tf.constant(background, tf.int32) * tf.cast(transparent, tf.int32),
        tf.stack([_byte(encoded, palette + at) for at in range(3)]),
    )
    changed = _replaced(encoded, colour_at, shown)
    flag_at = tf.where(transparent, control + 3, -1)
    changed = _replaced(changed, flag_at, b"\0")
    changed = _replaced(changed, frame + 1, b"\0\0\0\0")
    pixels = tf.io.decode_image(changed, channels=3, expand_animations=False)
    pixels = tf.ensure_shape(pixels, (None, None, 3))[:height, :width]
    below = tf.maximum(_short(encoded, 8) - top - height, 0)
    right = tf.maximum(_short(encoded, 6) - left - width, 0)
    return _framed(pixels, (top, below), (left, right), tf.cast(outside, tf.uint8))


def _first_frame(encoded: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the last control block before the first frame begins (0: there is none), and it."""

    def step(
        position: tf.Tensor, inside: tf.Tensor, control: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        size = _byte(encoded, position)
        is_control = ~inside & tf.equal(_byte(encoded, position + 1), _CONTROL)
        moved = tf.where(inside, position + 1 + size, position + 2)
        return moved, ~inside | (size > 0), tf.where(is_control, position, control)

    position, _, control = tf.while_loop(
        lambda position, inside, control: inside | tf.equal(_byte(encoded, position), _EXTENSION),
        step,
        (start, tf.constant(False), tf.constant(0)),
        maximum_iterations=_MAX_BLOCKS,
        parallel_iterations=1,
    )
    return control, position


def _framed(
    pixels: tf.Tensor,
    rows: tuple[tf.Tensor, tf.Tensor],
    columns: tuple[tf.Tensor, tf.Tensor],
    colour: tf.Tensor,
) -> tf.Tensor:
    """Pixels with so many rows and columns of a colour around them."""
    height = tf.cast(tf.shape(pixels)[0] + rows[0] + rows[1], tf.int64)
    width = tf.cast(tf.shape(pixels)[1] + columns[0] + columns[1], tf.int64)
    fits = tf.debugging.Assert(
        height * width <= _MAX_PIXELS, ["a GIF whose screen has too many pixels:", width, height]
    )

    def pad() -> tf.Tensor:
        # Of what is outside as of what is not: colour + (pixels - colour), modulo 256.
        return tf.pad(pixels - colour, [rows, columns, (0, 0)]) + colour

    with tf.control_dependencies([fits] if fits is not None else []):
        none = tf.equal(rows[0] + rows[1] + columns[0] + columns[1], 0)
        return tf.cond(none, lambda: pixels, pad)


def _replaced(encoded: tf.Tensor, at: tf.Tensor, new: tf.Tensor | bytes) -> tf.Tensor:
    """A string with other bytes from a position on; as it is where the position is below 0."""
    size = tf.strings.length(encoded)
    begin = tf.clip_by_value(at, 0, size)
    end = tf.minimum(begin + tf.strings.length(new), size)
    changed = tf.strings.join(
        [tf.strings.substr(encoded, 0, begin), new, tf.strings.substr(encoded, end, size)]
    )
    return tf.where((at < 0) | (at >= size), encoded, changed)


def _byte(encoded: tf.Tensor, at: tf.Tensor | int) -> tf.Tensor:
    """int32 []; 0 behind the end."""
    at = tf.minimum(at, tf.strings.length(encoded))
    found = tf.io.decode_raw(tf.strings.substr(encoded, at, 1), tf.uint8, fixed_length=1)
    return tf.cast(found[0], tf.int32)


def _short(encoded: tf.Tensor, at: tf.Tensor | int) -> tf.Tensor:
    return _byte(encoded, at) + 256 * _byte(encoded, at + 1)


def _colours_bytes(flags: tf.Tensor) -> tf.Tensor:
    """The size of a colour table."""
    size = 3 * tf.bitwise.left_shift(2, flags & 7)
    return tf.where(tf.not_equal(flags & 0x80, 0), size, 0)
