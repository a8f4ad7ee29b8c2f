"""Encoded images as a person sees them: what training, serving, the screen and pictures decode.

In TensorFlow's own operations alone, as it is part of the served model. Transparency is composited
on a background, and the orientation in Exif is followed.

    >>> transparent = tf.io.encode_png(tf.zeros((2, 2, 4), tf.uint8)).numpy()
    >>> decoder((255, 128, 0))(transparent)[0, 0].tolist()
    [255, 128, 0]
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from components.transform.bmp import GREYS, PALETTE
from components.transform.config import Colour
from components.transform.graph_parts import rare
from components.transform.marks import PLAIN, read_marks

_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""Adobe's marker in a JPEG: its four colours are inverted, as they are in practice."""
_STRIP = 1 << 20
"""Pixels that are composited at once."""


def decode(encoded: tf.Tensor, background: Colour) -> tf.Tensor:
    """One encoded image as uint8 [height, width, 3], RGB.

    Args:
      encoded: a JPEG, PNG, GIF (its first frame is taken) or BMP, string [].
      background: of what is transparent.

    Raises:
      tf.errors.InvalidArgumentError: it cannot be decoded, or not rightly (when the graph runs).
    """
    marks = read_marks(encoded[tf.newaxis])
    return turned(decoded(encoded, marks.kind[0], background), marks.orientation[0])


@functools.cache
def decoder(background: Colour) -> Callable[[bytes], np.ndarray]:
    """`decode` for one image after the other, outside of any graph."""
    traced = tf.function(
        functools.partial(decode, background=background),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )
    return lambda image: traced(tf.constant(image)).numpy()


def decoded(encoded: tf.Tensor, kind: tf.Tensor, background: Colour) -> tf.Tensor:
    """`decode` of an image whose kind (int32 [], `marks`) is known, without its orientation."""
    image = tf.cond(
        tf.equal(kind, PLAIN),
        lambda: _plain(encoded),
        lambda: _other(encoded, kind, tf.constant(background, tf.uint16)),
    )
    return tf.ensure_shape(image, (None, None, 3))


@rare(
    tf.TensorSpec([], tf.string),
    tf.TensorSpec([], tf.int32),
    tf.TensorSpec([3], tf.uint16),
)
def _other(encoded: tf.Tensor, kind: tf.Tensor, background: tf.Tensor) -> tf.Tensor:
    # In the order of the kinds.
    return tf.switch_case(
        kind,
        [
            lambda: _refused(encoded),
            lambda: _plain(encoded),
            lambda: composited(tf.io.decode_png(encoded, channels=4), background),
            lambda: _plain(tf.strings.join([_cut(encoded, 0, 2), _ADOBE, _cut(encoded, 2)])),
            lambda: _gif(encoded),
            lambda: _bmp(encoded),
        ],
    )


def _plain(encoded: tf.Tensor) -> tf.Tensor:
    # Decodes PNGs too. TensorFlow's own choice, INTEGER_FAST, is up to 15 levels off.
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(image, (None, None, 3))


def _cut(encoded: tf.Tensor, start: int, count: int = 2**31 - 1) -> tf.Tensor:
    return tf.strings.substr(encoded, tf.minimum(start, tf.strings.length(encoded)), count)


def _gif(encoded: tf.Tensor) -> tf.Tensor:
    """The first frame; TensorFlow's image is as large as any later one."""
    pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    width_height = tf.cast(tf.io.decode_raw(_cut(encoded, 6, 4), tf.uint16), tf.int32)
    size = tf.concat([width_height[::-1], [3]], axis=0)
    return tf.slice(tf.ensure_shape(pixels, (None, None, 3)), [0, 0, 0], size)


def _bmp(encoded: tf.Tensor) -> tf.Tensor:
    """A BMP of 24 or 32 bits, or with a palette of greys."""
    pixels = tf.io.decode_bmp(encoded)
    channels = tf.shape(pixels)[2]
    is_right = (channels > 1) | tf.equal(_cut(encoded, PALETTE, len(GREYS)), GREYS)
    no_error = _zero_or_error(is_right, "a BMP whose palette is not that of greys", encoded)
    return tf.gather(pixels, tf.minimum([0, 1, 2], channels - 1) + no_error, axis=2)


def _refused(encoded: tf.Tensor) -> tf.Tensor:
    says = "neither a JPEG or PNG, nor a GIF or BMP that TensorFlow decodes rightly"
    no_error = _zero_or_error(tf.constant(False), says, encoded)
    return tf.zeros(tf.stack([no_error, 0, 3]), tf.uint8)


def _zero_or_error(condition: tf.Tensor, says: str, encoded: tf.Tensor) -> tf.Tensor:
    """0, or an InvalidArgumentError that quotes a sentence.

    An Assert has a side effect, for which TFX's Transform would read all the data once more.
    """
    first = tf.strings.as_string(tf.io.decode_raw(_cut(encoded, 0, 8), tf.uint8))
    first = tf.strings.reduce_join(first, separator=" ")
    sentence = tf.strings.join([f"{says}; send it as a PNG. Its first bytes are ", first])
    return tf.strings.to_number(tf.where(condition, "0", sentence), tf.int32)


def composited(pixels: tf.Tensor, background: tf.Tensor) -> tf.Tensor:
    """RGB and alpha, uint8 [height, width, 4], on a background, uint16 [3]: RGB, uint8.

    In strips: of all rows of a large image the intermediate results would take 30 bytes a pixel.
    """
    pixels = tf.ensure_shape(pixels, (None, None, 4))
    height, width = tf.unstack(tf.shape(pixels)[:2])
    rows = tf.maximum(1, _STRIP // tf.maximum(1, width))

    def strips() -> tf.Tensor:
        def mix(top: tf.Tensor, mixed: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            strip = _mixed(pixels[top : top + rows], background)
            return top + rows, mixed.write(mixed.size(), strip)

        array = tf.TensorArray(tf.uint8, 0, dynamic_size=True, infer_shape=False)
        _, array = tf.while_loop(
            lambda top, _: top < height, mix, (0, array), parallel_iterations=1
        )
        return tf.ensure_shape(array.concat(), (None, None, 3))

    return tf.cond(height > rows, strips, lambda: _mixed(pixels, background))


def _mixed(pixels: tf.Tensor, background: tf.Tensor) -> tf.Tensor:
    # 16 bits hold 255 * 255 + 128: half of the memory and of the time of 32.
    pixels = tf.cast(pixels, tf.uint16)
    colour, alpha = pixels[:, :, :3], pixels[:, :, 3:]
    mixed = colour * alpha + background * (255 - alpha) + 128
    # The nearest whole number of 255ths, without a division.
    eight = tf.constant(8, tf.uint16)
    shifted = tf.bitwise.right_shift(mixed, eight)
    return tf.cast(tf.bitwise.right_shift(mixed + shifted, eight), tf.uint8)


_PERMUTATIONS = [[0, 1, 2]] * 5 + [[1, 0, 2]] * 4
_IS_REVERSED = [
    [orientation in ones for ones in ((3, 4, 7, 8), (2, 3, 6, 7))] for orientation in range(9)
]
"""By the orientation: whether rows and columns are, once they have changed places."""


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """An image [height, width, 3] of an orientation of Exif, 1 to 8 (int32 []), upright."""

    def turn() -> tf.Tensor:
        axes = tf.where(tf.gather(_IS_REVERSED, orientation))[:, 0]
        return tf.reverse(tf.transpose(image, tf.gather(_PERMUTATIONS, orientation)), axes)

    upright = tf.cond(orientation > 1, turn, lambda: image)
    # The sides of a square are known.
    height, width = image.shape[:2]
    return tf.ensure_shape(upright, (height, width, 3) if height == width else (None, None, 3))
