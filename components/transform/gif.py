"""The first frame of a GIF on its screen, decoded in the graph.

TensorFlow's decoder leaves black what is transparent, and decodes a frame at its place into an
image of a frame's size. So the encoded bytes are changed before they are decoded: the transparent
colour becomes the background, the frame begins at (0, 0), and its place is given back afterwards.

Source: GIF89a, sections 18, 20 and 23.
"""

from __future__ import annotations

import tensorflow as tf

from components.transform.traced import rare

_EXTENSION, _CONTROL = 0x21, 0xF921
"""The first byte of an extension; the first two of a control block, the lowest first."""
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
    pixels = _decode(encoded, tf.constant(bytes(background)))
    return tf.ensure_shape(pixels, (None, None, 3))


@rare(tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.string))
def _decode(encoded: tf.Tensor, background: tf.Tensor) -> tf.Tensor:
    """`decode_gif`, of a background of three bytes."""
    size = tf.strings.length(encoded)
    # A byte of flags is read with the one behind it, whose bits are not looked at.
    screen_width, screen_height, flags = _numbers(encoded, 6, 3, tf.uint16)
    control, frame = _first_frame(encoded, 13 + _colours_bytes(flags))
    left, top, width, height, own = _numbers(encoded, frame + 1, 5, tf.uint16)
    has_own = tf.not_equal(own & 0x80, 0)
    palette = tf.where(has_own, frame + 10, 13)
    colours = _colours_bytes(tf.where(has_own, own, flags))
    control_flags, _, _, colour = _numbers(encoded, control + 3, 4)
    transparent = (control > 0) & tf.not_equal(control_flags & 1, 0)
    colour *= 3
    # From the palette's first colour, before it may become the background.
    outside = tf.where(
        transparent | tf.equal(colours, 0),
        tf.io.decode_raw(background, tf.uint8, fixed_length=3) * tf.cast(transparent, tf.uint8),
        tf.cast(tf.stack(_numbers(encoded, palette, 3)), tf.uint8),
    )
    # Nothing is replaced at the end.
    colour_at = tf.where(transparent & (colour < colours), palette + colour, size)
    changed = _replaced(encoded, colour_at, background)
    changed = _replaced(changed, tf.where(transparent, control + 3, size), b"\0")
    changed = _replaced(changed, frame + 1, b"\0\0\0\0")
    pixels = tf.io.decode_image(changed, channels=3, expand_animations=False)
    pixels = tf.ensure_shape(pixels, (None, None, 3))[:height, :width]
    below = tf.maximum(screen_height - top - height, 0)
    right = tf.maximum(screen_width - left - width, 0)
    return _framed(pixels, tf.stack([(top, below), (left, right), (0, 0)]), outside)


def _first_frame(encoded: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the last control block before the first frame begins (0: there is none), and it."""

    def step(
        position: tf.Tensor, inside: tf.Tensor, control: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        (two,) = _numbers(encoded, position, 1, tf.uint16)
        size = two & 0xFF
        is_control = ~inside & tf.equal(two, _CONTROL)
        moved = position + tf.where(inside, 1 + size, 2)
        return moved, ~inside | (size > 0), tf.where(is_control, position, control)

    position, _, control = tf.while_loop(
        lambda position, inside, _: (
            inside | tf.equal(_numbers(encoded, position, 1)[0], _EXTENSION)
        ),
        step,
        (start, tf.constant(False), tf.constant(0)),
        maximum_iterations=_MAX_BLOCKS,
        parallel_iterations=1,
    )
    return control, position


def _framed(pixels: tf.Tensor, paddings: tf.Tensor, colour: tf.Tensor) -> tf.Tensor:
    """Pixels with rows and columns of a colour around them, as many as `paddings` of tf.pad say."""
    shape = tf.shape(pixels) + tf.reduce_sum(paddings, axis=1)
    height, width, _ = tf.unstack(tf.cast(shape, tf.int64))
    fits = tf.debugging.Assert(
        height * width <= _MAX_PIXELS, ["a GIF whose screen has too many pixels:", width, height]
    )

    def pad() -> tf.Tensor:
        # Of what is outside as of what is not: colour + (pixels - colour), modulo 256.
        return tf.pad(pixels - colour, paddings) + colour

    with tf.control_dependencies([fits] if fits is not None else []):
        none = tf.equal(tf.reduce_sum(paddings), 0)
        return tf.cond(none, lambda: pixels, pad)


def _replaced(encoded: tf.Tensor, at: tf.Tensor, new: tf.Tensor | bytes) -> tf.Tensor:
    """A string with other bytes from a position on; as it is where the position is the end."""
    size = tf.strings.length(encoded)
    begin = tf.minimum(at, size)
    end = tf.minimum(begin + tf.strings.length(new), size)
    changed = tf.strings.join(
        [tf.strings.substr(encoded, 0, begin), new, tf.strings.substr(encoded, end, size)]
    )
    return tf.where(at < size, changed, encoded)


def _numbers(
    encoded: tf.Tensor, at: tf.Tensor | int, count: int, dtype: tf.DType = tf.uint8
) -> list[tf.Tensor]:
    """So many whole numbers from a position on, int32 []; of zeros behind the end."""
    size = count * dtype.size
    piece = tf.strings.substr(encoded, tf.minimum(at, tf.strings.length(encoded)), size)
    found = tf.io.decode_raw(piece, dtype, fixed_length=size)
    return tf.unstack(tf.cast(found, tf.int32), count)


def _colours_bytes(flags: tf.Tensor) -> tf.Tensor:
    """The size of a colour table."""
    size = 3 * tf.bitwise.left_shift(2, flags & 7)
    return tf.where(tf.not_equal(flags & 0x80, 0), size, 0)
