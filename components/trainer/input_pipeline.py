"""tf.data from TFRecords of tf.Example through the transform graph to augmented batches."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft

from components.transform.config import PreprocessingConfig
from components.transform.features import IMAGE, LABEL

_AUTOTUNE = tf.data.AUTOTUNE


def train_dataset(
    files: Sequence[str],
    graph: tft.TFTransformOutput,
    preprocessing: PreprocessingConfig,
    batch_size: int,
    shuffle_buffer: int,
    seed: int,
) -> tf.data.Dataset:
    """Endless shuffled, augmented batches; the same under the same seed.

    Args:
      files: TFRecord files of serialized tf.Examples (gzip).
      graph: the Transform step's output.
      preprocessing: crop and flip.
      batch_size: images in a batch.
      shuffle_buffer: serialized records in the shuffle buffer.
      seed: of order and augmentation.

    Returns:
      (images float32 [batch_size, S, S, 3] in [0, 1], labels int64 [batch_size]), where S is the
      crop, or the transform graph's size without one.
    """
    records = _records(files).shuffle(shuffle_buffer, seed=seed).repeat()
    batches = records.batch(batch_size, drop_remainder=True).map(_transform(graph), _AUTOTUNE)
    seeds = tf.data.Dataset.random(seed=seed).batch(2)

    def augmented(
        batch: tuple[tf.Tensor, tf.Tensor], batch_seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = batch
        return augment(images, preprocessing, batch_seed), labels

    zipped = tf.data.Dataset.zip((batches, seeds))
    return zipped.map(augmented, _AUTOTUNE).prefetch(_AUTOTUNE)


def eval_dataset(
    files: Sequence[str], graph: tft.TFTransformOutput, batch_size: int
) -> tf.data.Dataset:
    """One pass without augmentation: (images float32 [n, R, R, 3] in [0, 1], labels int64 [n])."""
    return _records(files).batch(batch_size).map(_transform(graph), _AUTOTUNE).prefetch(_AUTOTUNE)


def augment(images: tf.Tensor, config: PreprocessingConfig, seed: tf.Tensor) -> tf.Tensor:
    """Flips and crops every image of a batch by draws of its own.

    Args:
      images: float32 [N, R, R, 3].
      config: `flip`; `crop`, the side C of the crop, None for none.
      seed: int64 [2]; the same seed gives the same draws.

    Returns:
      float32 [N, C, C, 3], or [N, R, R, 3] without a crop.
    """
    flip_seed, top_seed, left_seed = tf.unstack(tf.random.split(seed, 3))
    count, side = tf.shape(images)[0], images.shape[1]
    if config.flip:
        flipped = tf.random.stateless_uniform((count, 1, 1, 1), flip_seed) < 0.5
        images = tf.where(flipped, tf.reverse(images, axis=[2]), images)
    if config.crop is not None and config.crop < side:
        rows = _window(count, side, config.crop, top_seed)
        columns = _window(count, side, config.crop, left_seed)
        images = tf.gather(images, rows, axis=1, batch_dims=1)
        images = tf.gather(images, columns, axis=2, batch_dims=1)
    return images


def _window(count: tf.Tensor, side: int, crop: int, seed: tf.Tensor) -> tf.Tensor:
    """Indices int32 [N, crop] of one random run of rows (or columns) an image."""
    starts = tf.random.stateless_uniform((count, 1), seed, 0, side - crop + 1, tf.int32)
    return starts + tf.range(crop)[tf.newaxis]


def _records(files: Sequence[str]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(sorted(files), "GZIP", num_parallel_reads=_AUTOTUNE)


def _transform(graph: tft.TFTransformOutput):  # type: ignore[no-untyped-def]
    layer = graph.transform_features_layer()
    spec = graph.raw_feature_spec()
    wanted = {name: spec[name] for name in (IMAGE, LABEL)}

    def transform(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = layer(tf.io.parse_example(serialized, wanted))
        return features[IMAGE], features[LABEL]

    return transform
