"""Encoded images as a person sees them: what training, serving, the screen and pictures decode.

In TensorFlow's own operations alone, as it is part of the served model. Transparency is composited
on a background, and the orientation in Exif is followed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from components.transform.bmp import decode_bmp
from components.transform.config import Colour
from components.transform.gif import decode_gif
from components.transform.marks import PLAIN, Marks, read_marks

_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""Adobe's marker in a JPEG: its four colours are inverted, as they are in practice."""


def decode(encoded: tf.Tensor, background: Colour) -> tf.Tensor:
    """One encoded image as uint8 [height, width, 3], RGB.

    Args:
      encoded: a JPEG, PNG, GIF (its first frame is taken) or BMP, string [].
      background: of what is transparent.

    Raises:
      tf.errors.InvalidArgumentError: it cannot be decoded, or not rightly (when the graph runs).
    """
    marks = read_marks(encoded[tf.newaxis])
    return _one(background)(encoded, marks.kind[0], marks.orientation[0])


@functools.cache
def decoder(background: Colour) -> Callable[[bytes], np.ndarray]:
    """`decode` for one image after the other, outside of any graph."""
    traced = tf.function(
        functools.partial(decode, background=background),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )
    return lambda image: traced(tf.constant(image)).numpy()


def map_decoded(
    function: Callable[[tf.Tensor], Any], encoded: tf.Tensor, background: Colour, signature: Any
) -> Any:
    """A function of each image of a batch as `decode` gives it.

    Args:
      function: uint8 [height, width, 3] -> tensors as in `signature`.
      encoded: string [N].
      background: of what is transparent.
      signature: tf.TensorSpecs, as for tf.map_fn.
    """
    marks = read_marks(encoded)

    def plain() -> Any:
        return tf.map_fn(
            lambda each: function(_plain(each)), encoded, fn_output_signature=signature
        )

    def each() -> Any:
        return tf.map_fn(
            lambda one: function(_one(background)(*one)),
            (encoded, *marks),
            fn_output_signature=signature,
        )

    # Tiny images are decoded in less time than it takes to ask of each what kind it is.
    return tf.cond(_all_plain(marks), plain, each)


@functools.cache
def _one(background: Colour) -> Any:
    """`_decode_one`, traced once a process: it is part of every graph that reads images."""
    return tf.function(
        functools.partial(_decode_one, background=background),
        input_signature=[tf.TensorSpec((), each) for each in (tf.string, tf.int32, tf.int32)],
        autograph=False,
    )


def _all_plain(marks: Marks) -> tf.Tensor:
    return tf.reduce_all(tf.equal(marks.kind, PLAIN) & tf.equal(marks.orientation, 1))


def _decode_one(
    encoded: tf.Tensor, kind: tf.Tensor, orientation: tf.Tensor, background: Colour
) -> tf.Tensor:
    # In the order of the kinds.
    image = tf.switch_case(
        kind,
        [
            lambda: _plain(encoded),
            lambda: composited(tf.io.decode_png(encoded, channels=4), background),
            lambda: _plain(tf.strings.join([_cut(encoded, 0, 2), _ADOBE, _cut(encoded, 2)])),
            lambda: decode_gif(encoded, background),
            lambda: composited(decode_bmp(encoded), background),
            lambda: _refused(encoded),
        ],
    )
    return tf.cond(orientation > 1, lambda: turned(image, orientation), lambda: image)


def _plain(encoded: tf.Tensor) -> tf.Tensor:
    # Decodes PNGs too. TensorFlow's own choice, INTEGER_FAST, is up to 15 levels off.
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(image, (None, None, 3))


def _cut(encoded: tf.Tensor, start: int, count: int = 2**31 - 1) -> tf.Tensor:
    return tf.strings.substr(encoded, start, count)


def _refused(encoded: tf.Tensor) -> tf.Tensor:
    check = tf.debugging.Assert(
        False, ["no JPEG, PNG, GIF or BMP; it begins with the bytes", _cut(encoded, 0, 8)]
    )
    with tf.control_dependencies([check] if check is not None else []):
        return tf.zeros((0, 0, 3), tf.uint8)


def composited(pixels: tf.Tensor, background: Colour) -> tf.Tensor:
    """RGB and alpha, uint8 [height, width, 4], on a background: uint8 [height, width, 3]."""
    # 16 bits hold 255 * 255 + 128: half of the memory and of the time of 32.
    pixels = tf.cast(tf.ensure_shape(pixels, (None, None, 4)), tf.uint16)
    colour, alpha = pixels[:, :, :3], pixels[:, :, 3:]
    mixed = colour * alpha + tf.constant(background, tf.uint16) * (255 - alpha) + 128
    # The nearest whole number of 255ths, without a division.
    eight = tf.constant(8, tf.uint16)
    shifted = tf.bitwise.right_shift(mixed, eight)
    return tf.cast(tf.bitwise.right_shift(mixed + shifted, eight), tf.uint8)


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """An image [height, width, 3] of an orientation of Exif, 1 to 8 (int32 []), upright."""

    def among(*orientations: int) -> tf.Tensor:
        return tf.reduce_any(tf.equal(orientation, orientations))

    image = tf.cond(orientation > 4, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    image = tf.cond(among(2, 3, 6, 7), lambda: tf.reverse(image, [1]), lambda: image)
    image = tf.cond(among(3, 4, 7, 8), lambda: tf.reverse(image, [0]), lambda: image)
    return tf.ensure_shape(image, (None, None, 3))
