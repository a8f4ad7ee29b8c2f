"""Random rectangles of an image: the inception crop, and random erasing.

>>> image = tf.zeros((32, 32, 3))
>>> inception_crop(image, side=24, least_area=0.05, seed=tf.constant([42, 0], tf.int64)).shape
TensorShape([24, 24, 3])
>>> erased = erase(image, probability=1.0, seed=tf.constant([42, 0], tf.int64))
>>> share = float(tf.reduce_mean(tf.cast(erased > 0, tf.float32)))
>>> 0.01 < share < 0.45
True
"""

from __future__ import annotations

import math

import tensorflow as tf

RATIOS = (3 / 4, 4 / 3)
"""Of width and height of a crop."""

ERASED_AREA = (0.02, 0.4)
ERASED_RATIOS = (0.3, 1 / 0.3)
"""Of height and width of what is erased; both ranges are the paper's."""
_TRIES = 10


def inception_crop(image: tf.Tensor, side: int, least_area: float, seed: tf.Tensor) -> tf.Tensor:
    """A random window of random size and shape, resized (Szegedy et al. 2015, arXiv 1409.4842).

    The window is drawn by TensorFlow's `sample_distorted_bounding_box`, as in big_vision.

    Args:
      image: float32 [H, W, 3].
      side: S.
      least_area: share of the image's area that the window has at least; at most it has all.
      seed: int64 [2].

    Returns:
      float32 [S, S, 3].
    """
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=RATIOS,
        area_range=(least_area, 1.0),
    )
    window = tf.slice(image, begin, size)
    # As Transform resizes.
    return tf.image.resize(window, (side, side))


def erase(image: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    """Puts noise in place of a random rectangle (Zhong et al. 2017, arXiv 1708.04896, RE-R).

    Args:
      image: float32 [H, W, 3].
      probability: that anything is erased.
      seed: int64 [2].
    """
    seeds = tf.unstack(tf.random.split(seed, 4))
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    area = tf.cast(height * width, tf.float32)
    areas = area * tf.random.stateless_uniform([_TRIES], seeds[0], *ERASED_AREA)
    low, high = map(math.log, ERASED_RATIOS)
    ratios = tf.exp(tf.random.stateless_uniform([_TRIES], seeds[1], low, high))
    rows = tf.cast(tf.round(tf.sqrt(areas * ratios)), tf.int32)
    columns = tf.cast(tf.round(tf.sqrt(areas / ratios)), tf.int32)
    fits = (rows < height) & (columns < width)
    # The first that fits; an image in which none does stays as it is.
    first = tf.argmax(tf.cast(fits, tf.int32))
    rows, columns = rows[first], columns[first]
    draws = tf.random.stateless_uniform([3], seeds[2])
    top = tf.cast(draws[0] * tf.cast(height - rows + 1, tf.float32), tf.int32)
    left = tf.cast(draws[1] * tf.cast(width - columns + 1, tf.float32), tf.int32)
    y, x = tf.range(height)[:, tf.newaxis], tf.range(width)[tf.newaxis]
    inside = (y >= top) & (y < top + rows) & (x >= left) & (x < left + columns)
    wanted = (draws[2] < probability) & fits[first]
    noise = tf.random.stateless_uniform(tf.shape(image), seeds[3])
    return tf.where((inside & wanted)[..., tf.newaxis], noise, image)
