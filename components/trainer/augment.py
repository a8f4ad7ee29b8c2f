"""Augmentation and MixUp, as functions of a batch and a seed.

>>> images = tf.random.stateless_uniform((4, 160, 160, 3), seed=(0, 1))
>>> sizes = ImageSizes(resize=160, evaluate=128, crop=128, flip=True)
>>> seed = tf.constant([42, 0], tf.int64)  # The training's seed, and the step.
>>> augment(images, sizes, seed).shape
TensorShape([4, 128, 128, 3])
>>> mixed, labels = mixup(images, tf.constant([0, 1, 2, 0], tf.int64), 3, 0.1, seed)
>>> labels.shape
TensorShape([4, 3])
"""

from __future__ import annotations

import tensorflow as tf

from components.trainer.augmentation import Augmentation
from components.trainer.randaugment import randaugment
from components.trainer.regions import erase, inception_crop
from components.transform.config import ImageSizes

NONE = Augmentation()


def augment(
    images: tf.Tensor,
    sizes: ImageSizes,
    seed: tf.Tensor,
    place: int | tf.Tensor = 0,
    batch_size: int | None = None,
    more: Augmentation = NONE,
) -> tf.Tensor:
    """Changes every image at random, independently of the others.

    Flip, then crop (of a fixed or a random size), then RandAugment, then random erasing.

    Args:
      images: float32 [N, R, R, 3] in [0, 1].
      sizes: `flip`; `crop`, the side C of the crop, None for no crop.
      seed: int64 [2], of the step.
      place: position of the first image in the step's batch.
      batch_size: of that batch; None if `images` is all of it. An image's draws depend on the
        seed, its position and the batch size.
      more: what is done besides the flip and the crop of a fixed size.

    Returns:
      float32 [N, C, C, 3], or [N, R, R, 3] without a crop.
    """
    if more == NONE:
        return _flipped_and_cropped(images, sizes, seed, place, batch_size)
    side = sizes.crop or images.shape[1]
    if more.inception_crop is not None:
        # It takes the place of the crop of a fixed size.
        sizes = sizes.model_copy(update={"crop": None})
    images = _flipped_and_cropped(images, sizes, seed, place, batch_size)
    of_batch = tf.random.experimental.stateless_fold_in(seed, 2)

    def one(drawn: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, position = drawn
        own = tf.random.experimental.stateless_fold_in(of_batch, position)
        crop_seed, changes_seed, erase_seed = tf.unstack(tf.random.split(own, 3))
        if more.inception_crop is not None:
            image = inception_crop(image, side, more.inception_crop, crop_seed)
        if more.randaugment is not None:
            layers, magnitude = more.randaugment.layers, more.randaugment.magnitude
            image = randaugment(image, layers, magnitude, changes_seed)
        if more.random_erasing:
            image = erase(image, more.random_erasing, erase_seed)
        return image

    return tf.map_fn(
        one,
        (images, place + tf.range(tf.shape(images)[0])),
        fn_output_signature=tf.TensorSpec((side, side, 3), tf.float32),
    )


def _flipped_and_cropped(
    images: tf.Tensor,
    sizes: ImageSizes,
    seed: tf.Tensor,
    place: int | tf.Tensor,
    batch_size: int | None,
) -> tf.Tensor:
    flip_seed, top_seed, left_seed = tf.unstack(tf.random.split(seed, 3))
    count, side = tf.shape(images)[0], images.shape[1]
    total = count if batch_size is None else batch_size

    def uniform(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([total], seed)[place : place + count]

    crop = side if sizes.crop is None else min(sizes.crop, side)
    if crop == side and not sizes.flip:
        return images
    mirrored = uniform(flip_seed) < 0.5 if sizes.flip else tf.zeros(count, tf.bool)
    tops = _starts(uniform(top_seed), side - crop)
    lefts = _starts(uniform(left_seed), side - crop)
    # The window's position refers to the mirrored image.
    lefts = tf.where(mirrored, side - crop - lefts, lefts)

    def one(drawn: tuple[tf.Tensor, ...]) -> tf.Tensor:
        index, top, left, mirror = drawn
        window = tf.slice(images, [index, top, left, 0], [1, crop, crop, 3])[0]
        return tf.cond(mirror, lambda: tf.reverse(window, [1]), lambda: window)

    # Image by image: selecting and gathering over the whole batch takes two to five times as long.
    return tf.map_fn(
        one,
        (tf.range(count), tops, lefts, mirrored),
        fn_output_signature=tf.TensorSpec((crop, crop, 3), tf.float32),
    )


def mixup(
    images: tf.Tensor, labels: tf.Tensor, num_classes: int, alpha: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Blends a batch with itself in reverse (Zhang et al. 2018, "mixup", arXiv 1710.09412).

    One weight per batch, drawn from Beta(alpha, alpha), as in google-research/big_transfer.

    Args:
      images: float32 [N, H, W, 3].
      labels: int64 [N].
      num_classes: C.
      alpha: above 0.
      seed: int64 [2], of the step.

    Returns:
      Blended images, and their soft labels float32 [N, C].
    """
    # Two gammas make a beta; in float32 both would occasionally be zero.
    seed = tf.random.experimental.stateless_fold_in(seed, 1)
    gammas = tf.random.stateless_gamma([2], seed, tf.constant(alpha, tf.float64), dtype=tf.float64)
    weight = tf.cast(gammas[0] / tf.reduce_sum(gammas), tf.float32)
    soft = tf.one_hot(labels, num_classes)
    return (
        weight * images + (1 - weight) * tf.reverse(images, axis=[0]),
        weight * soft + (1 - weight) * tf.reverse(soft, axis=[0]),
    )


def _starts(draws: tf.Tensor, room: int) -> tf.Tensor:
    """First rows (or columns), int32 [N] from 0 to `room`, from draws in [0, 1)."""
    return tf.cast(draws * (room + 1), tf.int32)
