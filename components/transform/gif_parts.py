r"""How many frames and parts of blocks GIFs have, counted in the graph without decoding.

Comments, profiles and pixels are stored in parts of up to 255 bytes. giflib makes an object of each
part of a comment, so that 15 million of a byte each take it 18 s and 863 MB. Parts of one size that
follow each other are counted at once, as encoders write them.

Source: GIF89a, sections 15 to 27.

    >>> gif = b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1a" * 3 + b"\2ab\0;"
    >>> parts, frames = count_parts(tf.constant([gif, b"GIF", b""]))
    >>> parts.numpy().tolist(), frames.numpy().tolist()
    ([4, 0, 0], [0, 0, 0])
"""

from __future__ import annotations

import tensorflow as tf

from components.transform.graph_parts import rare

MAX_PARTS = 500_000
"""Of a GIF: 0.6 s; an encoder fills 32 MB with 125,000."""
_MAX_STEPS = 10_000
"""Visits of a GIF, 0.5 s: a block's head, parts of one size, or the end of a block's parts. An
animation takes seven for each frame."""
_AT_ONCE = 1_024
"""Parts that one visit counts."""
_SCREEN_BYTES, _FRAME_BYTES = 13, 10
_EXTENSION, _FRAME = 0x21, 0x2C
_PALETTE_SIZES = [0] * 128 + [3 << flags % 8 + 1 for flags in range(128, 256)]


def palette_sizes(flags: tf.Tensor) -> tf.Tensor:
    """Bytes of the palettes, int32 [...], by the flags of screens or frames, uint8 [...]."""
    return tf.gather(tf.constant(_PALETTE_SIZES, tf.int32), tf.cast(flags, tf.int32))


@rare(tf.TensorSpec([None], tf.string))
def count_parts(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Parts in all blocks of GIFs, and their frames: int32 [N] each.

    Where not all are visited, the parts are more than `MAX_PARTS`.

    Args:
      encoded: string [N]; of what is no GIF, any numbers.
    """
    number = tf.TensorSpec([], tf.int32)
    return tf.map_fn(_count, encoded, fn_output_signature=(number, number))


def _count(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # Zeros behind the end are parts of no size, and no head.
    data = tf.pad(tf.io.decode_raw(encoded, tf.uint8), [[0, _SCREEN_BYTES]])
    end = tf.strings.length(encoded)
    start = _SCREEN_BYTES + palette_sizes(data[_FRAME_BYTES])

    def head(at: tf.Tensor) -> tuple[tf.Tensor, ...]:
        kind, flags = data[at], data[at + _FRAME_BYTES - 1]
        is_frame = tf.equal(kind, _FRAME)
        # Of a frame: its rectangle, its palette, and a byte for its codes.
        frame = _FRAME_BYTES + palette_sizes(flags) + 1
        step = tf.where(tf.equal(kind, _EXTENSION), 2, tf.where(is_frame, frame, end))
        return at + step, tf.constant(0), tf.cast(is_frame, tf.int32), tf.constant(True)

    def alike(at: tf.Tensor) -> tuple[tf.Tensor, ...]:
        size = data[at]
        step = tf.cast(size, tf.int32) + 1
        last = at + tf.minimum(_AT_ONCE * step, end - at)
        # Its rank is lost where the step is not known.
        sizes = tf.ensure_shape(tf.strided_slice(data, [at], [last], [step]), [None])
        differs = tf.cast(tf.not_equal(sizes, size), tf.uint8)
        first = tf.argmax(differs, output_type=tf.int32)
        # The first never differs.
        count = tf.where(tf.equal(first, 0), tf.size(sizes), first)
        is_end = tf.equal(step, 1)
        behind = at + tf.where(is_end, 1, count * step)
        return behind, tf.where(is_end, 0, count), tf.constant(0), ~is_end

    def visit(
        at: tf.Tensor, parts: tf.Tensor, frames: tf.Tensor, within: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        at, more, frame, within = tf.cond(within, lambda: alike(at), lambda: head(at))
        return at, parts + more, frames + frame, within

    zero = tf.constant(0)
    at, parts, frames, _ = tf.while_loop(
        lambda at, parts, _frames, _within: (at < end) & (parts <= MAX_PARTS),
        visit,
        (start, zero, zero, tf.constant(False)),
        maximum_iterations=_MAX_STEPS,
        parallel_iterations=1,
    )
    return tf.where(at < end, tf.maximum(parts, MAX_PARTS + 1), parts), frames
