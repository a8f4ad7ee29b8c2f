"""RandAugment (Cubuk et al. 2019, arXiv 1909.13719): some of fourteen operations, at random.

Each is Pillow's of the same name, on 8-bit levels; their ranges are torchvision's, from nothing at
magnitude 0 to the most at 10, in a random direction where there are two. Keras has a RandAugment
too, but it draws one operation for a whole batch, from a state that cannot be set to a step.

    >>> image = tf.random.stateless_uniform((32, 32, 3), seed=(0, 1))
    >>> randaugment(image, layers=2, magnitude=9, seed=tf.constant([42, 0], tf.int64)).shape
    TensorShape([32, 32, 3])
    >>> levels = tf.constant([[[0.0, 100.0, 200.0]]])
    >>> OPERATIONS["solarize"](levels, 0.4).numpy().tolist()
    [[[0.0, 100.0, 55.0]]]
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

STRONGEST = 10.0
"""The highest magnitude."""
GREY = 128.0
"""The level of what comes from outside the image."""

_SHEAR, _TURN = 0.3, math.radians(30)
_SHIFT = 150 / 331
"""Of the image's side."""
_ENHANCE = 0.9
_BITS = 4

Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Levels float32 [H, W, 3], whole numbers from 0 to 255, and a strength in [-1, 1] -> levels."""


def randaugment(image: tf.Tensor, layers: int, magnitude: float, seed: tf.Tensor) -> tf.Tensor:
    """Applies operations drawn with equal chance, one after the other.

    Args:
      image: float32 [H, W, 3] in [0, 1].
      layers: how many.
      magnitude: from 0 to `STRONGEST`.
      seed: int64 [2].

    Returns:
      float32 [H, W, 3], in 256 levels.
    """
    shape = image.shape
    levels = tf.clip_by_value(tf.round(image * 255.0), 0.0, 255.0)
    for layer in tf.unstack(tf.random.split(seed, layers)):
        which, sign = tf.unstack(tf.random.stateless_uniform([2], layer))
        strength = tf.where(sign < 0.5, -1.0, 1.0) * magnitude / STRONGEST
        number = tf.cast(which * len(OPERATIONS), tf.int32)
        branches = [_bound(operation, levels, strength) for operation in OPERATIONS.values()]
        levels = tf.ensure_shape(tf.switch_case(number, branches), shape)
    return levels / 255.0


def _bound(operation: Operation, levels: tf.Tensor, strength: tf.Tensor) -> Callable[[], tf.Tensor]:
    return lambda: operation(levels, strength)


def _identity(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    del strength
    return tf.identity(levels)


def _autocontrast(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to all levels."""
    del strength
    # In float64, as Pillow: what is 255 in it must not become 254.
    exact = tf.cast(levels, tf.float64)
    low, high = tf.reduce_min(exact, axis=[0, 1]), tf.reduce_max(exact, axis=[0, 1])
    scale = tf.where(high > low, 255.0 / tf.maximum(high - low, 1.0), 1.0)
    offset = tf.where(high > low, -low * scale, 0.0)
    return tf.cast(tf.clip_by_value(tf.floor(exact * scale + offset), 0, 255), tf.float32)


def _equalize(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Makes the histogram of each channel as even as can be."""
    del strength
    places = tf.cast(levels, tf.int32) + 256 * tf.range(3)
    counts = tf.math.bincount(tf.reshape(places, [-1]), minlength=768, maxlength=768)
    counts = tf.reshape(counts, [3, 256])
    last = tf.argmax(tf.where(counts > 0, tf.range(256), -1), axis=1, output_type=tf.int32)
    most = tf.gather(counts, last, batch_dims=1)
    step = (tf.reduce_sum(counts, axis=1) - most)[:, tf.newaxis] // 255
    before = tf.cumsum(counts, axis=1, exclusive=True)
    even = tf.minimum((before + step // 2) // tf.maximum(step, 1), 255)
    table = tf.where(step > 0, even, tf.range(256))
    return tf.cast(tf.gather(tf.reshape(table, [-1]), places), tf.float32)


def _solarize(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Inverts what is above a level."""
    return tf.where(levels < 255.0 * (1 - tf.abs(strength)), levels, 255.0 - levels)


def _posterize(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Keeps the upper bits."""
    lost = tf.cast(tf.round(_BITS * tf.abs(strength)), tf.int32)
    values = tf.cast(levels, tf.int32)
    return tf.cast(tf.bitwise.left_shift(tf.bitwise.right_shift(values, lost), lost), tf.float32)


def _color(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _blend(tf.repeat(_grey(levels), 3, axis=-1), levels, strength)


def _contrast(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    mean = tf.floor(tf.reduce_mean(_grey(levels)) + 0.5)
    return _blend(tf.fill(tf.shape(levels), mean), levels, strength)


def _brightness(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _blend(tf.zeros_like(levels), levels, strength)


def _sharpness(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    kernel = tf.reshape(tf.constant([1, 1, 1, 1, 5, 1, 1, 1, 1], tf.float32) / 13, [3, 3, 1, 1])
    smooth = tf.nn.depthwise_conv2d(
        levels[tf.newaxis], tf.repeat(kernel, 3, axis=2), [1, 1, 1, 1], "VALID"
    )[0]
    smooth = tf.floor(smooth + 0.5)
    # The border stays.
    inner = tf.pad(tf.ones_like(smooth), [[1, 1], [1, 1], [0, 0]]) > 0
    smooth = tf.where(inner, tf.pad(smooth, [[1, 1], [1, 1], [0, 0]]), levels)
    return _blend(smooth, levels, strength)


def _rotate(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Around the centre; counter-clockwise where the strength is positive."""
    angle = -_TURN * strength
    cosine, sine = tf.cos(angle), tf.sin(angle)
    y, x = (tf.cast(side, tf.float32) / 2 for side in tf.unstack(tf.shape(levels)[:2]))
    return _moved(
        levels,
        (cosine, sine, x - cosine * x - sine * y),
        (-sine, cosine, y + sine * x - cosine * y),
    )


def _shear_x(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _moved(levels, (1.0, _SHEAR * strength, 0.0), (0.0, 1.0, 0.0))


def _shear_y(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _moved(levels, (1.0, 0.0, 0.0), (_SHEAR * strength, 1.0, 0.0))


def _translate_x(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _moved(levels, (1.0, 0.0, _shift(levels, 1, strength)), (0.0, 1.0, 0.0))


def _translate_y(levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _moved(levels, (1.0, 0.0, 0.0), (0.0, 1.0, _shift(levels, 0, strength)))


def _shift(levels: tf.Tensor, axis: int, strength: tf.Tensor) -> tf.Tensor:
    """Whole pixels."""
    return tf.round(_SHIFT * strength * tf.cast(tf.shape(levels)[axis], tf.float32))


def _grey(levels: tf.Tensor) -> tf.Tensor:
    """Pillow's luma, [H, W, 1]."""
    values = tf.cast(levels, tf.int32)
    luma = tf.reduce_sum(values * [19595, 38470, 7471], axis=-1, keepdims=True) + 0x8000
    return tf.cast(tf.bitwise.right_shift(luma, 16), tf.float32)


def _blend(plain: tf.Tensor, levels: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """From `plain` at factor 0 to the image at 1, and beyond."""
    factor = 1 + _ENHANCE * strength
    return tf.floor(tf.clip_by_value(plain + factor * (levels - plain), 0.0, 255.0))


def _moved(levels: tf.Tensor, x: tuple, y: tuple) -> tf.Tensor:
    """Takes each pixel from (x[0] X + x[1] Y + x[2], y[0] X + y[1] Y + y[2]), the nearest one."""
    # Pillow takes X and Y at the centres of pixels, TensorFlow at their corners.
    (a, b, c), (d, e, f) = x, y
    row = [a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2, 0.0, 0.0]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=levels[tf.newaxis],
        transforms=tf.stack([tf.cast(each, tf.float32) for each in row])[tf.newaxis],
        output_shape=tf.shape(levels)[:2],
        fill_value=GREY,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )[0]


OPERATIONS: dict[str, Operation] = {
    "identity": _identity,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "rotate": _rotate,
    "solarize": _solarize,
    "color": _color,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
"""By name; those without a strength ignore it."""
