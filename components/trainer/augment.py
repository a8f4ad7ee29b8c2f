"""Random flips, crops and MixUp, as functions of a batch and a seed."""

from __future__ import annotations

import tensorflow as tf

from components.transform.config import ImageSizes


def augment(
    images: tf.Tensor,
    sizes: ImageSizes,
    seed: tf.Tensor,
    place: int | tf.Tensor = 0,
    batch_size: int | None = None,
) -> tf.Tensor:
    """Flips and crops every image by draws of its own.

    Args:
      images: float32 [N, R, R, 3].
      sizes: `flip`; `crop`, the side C of the crop, None for none.
      seed: int64 [2], of the step.
      place: of the first image in the step's batch.
      batch_size: of that batch; None where `images` are all of it. An image's draws follow from the
        seed, its place and the batch's size.

    Returns:
      float32 [N, C, C, 3], or [N, R, R, 3] without a crop.
    """
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
    # The window is that of the mirrored image.
    lefts = tf.where(mirrored, side - crop - lefts, lefts)

    def one(drawn: tuple[tf.Tensor, ...]) -> tf.Tensor:
        index, top, left, mirror = drawn
        window = tf.slice(images, [index, top, left, 0], [1, crop, crop, 3])[0]
        return tf.cond(mirror, lambda: tf.reverse(window, [1]), lambda: window)

    # Image by image: to select and to gather over the whole batch takes two to five times as long.
    return tf.map_fn(
        one,
        (tf.range(count), tops, lefts, mirrored),
        fn_output_signature=tf.TensorSpec((crop, crop, 3), tf.float32),
    )


def mixup(
    images: tf.Tensor, labels: tf.Tensor, num_classes: int, alpha: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Blends a batch with itself in reverse (Zhang et al. 2018, "mixup", arXiv 1710.09412).

    One weight a batch, drawn from Beta(alpha, alpha), as google-research/big_transfer has it.

    Args:
      images: float32 [N, H, W, 3].
      labels: int64 [N].
      num_classes: C.
      alpha: above 0.
      seed: int64 [2], of the step.

    Returns:
      Blended images, and their soft labels float32 [N, C].
    """
    # Two gammas make a beta; in float32 both of them would be zero now and then.
    seed = tf.random.experimental.stateless_fold_in(seed, 1)
    gammas = tf.random.stateless_gamma([2], seed, tf.constant(alpha, tf.float64), dtype=tf.float64)
    weight = tf.cast(gammas[0] / tf.reduce_sum(gammas), tf.float32)
    soft = tf.one_hot(labels, num_classes)
    return (
        weight * images + (1 - weight) * tf.reverse(images, axis=[0]),
        weight * soft + (1 - weight) * tf.reverse(soft, axis=[0]),
    )


def _starts(draws: tf.Tensor, room: int) -> tf.Tensor:
    """First rows (or columns), int32 [N], out of `room` + 1, by draws in [0, 1)."""
    return tf.cast(draws * (room + 1), tf.int32)
