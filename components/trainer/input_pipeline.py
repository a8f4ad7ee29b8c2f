"""tf.data from stored examples through the transform graph to augmented batches.

All randomness comes from the seed and the number of the pass or step, so that training can resume
at any step, and reads the same batches whatever is cached.

    >>> values, labels = np.arange(6, dtype=np.float32)[:, None], np.arange(6)
    >>> split = cached_split(CachedSplit(values, labels))
    >>> draws = Draws(batch_size=4, shuffle_buffer=6, seed=42, sizes=None)
    >>> first, second = train_batches(split, draws).take(2)
    >>> resumed = next(iter(train_batches(split, draws, first_step=1)))
    >>> bool(tf.reduce_all(second[1] == resumed[1]))
    True
    >>> [labels.numpy().tolist() for _, labels in one_pass(split, batch_size=4)]
    [[0, 1, 2, 3], [4, 5]]
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from numpy.typing import NDArray

from components.trainer.augment import NONE, augment, mixup
from components.trainer.augmentation import Augmentation
from components.trainer.cache import CachedSplit
from components.transform.config import ImageSizes
from components.transform.features import IMAGE, LABEL, TRAIN_IMAGE

_AUTOTUNE = tf.data.AUTOTUNE
_ENDLESS = sys.maxsize

# Fixed, so that the order of records does not depend on the number of cores.
_FILES_AT_ONCE = 8

_LABELS_AT_ONCE = 256

DECODED_AT_ONCE = 32
"""Images per decoding call, at most: calls run in parallel, so each must use little memory."""


@dataclass(frozen=True)
class Split:
    """A split that is read one element at a time.

    Attributes:
      elements: a dataset of scalars, in a fixed order.
      count: number of elements.
      fetch: n elements -> (inputs float32 [n, ...], labels int64 [n]).
      at_once: the best number of elements for one call of `fetch`, at most.
      labels: n elements -> labels int64 [n], without their inputs; None asks `fetch`.
    """

    elements: tf.data.Dataset
    count: int
    fetch: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    at_once: int
    labels: Callable[[tf.Tensor], tf.Tensor] | None = None


@dataclass(frozen=True)
class Draws:
    """How training samples batches from a split.

    Attributes:
      batch_size: images per step, over all workers.
      shuffle_buffer: elements in the shuffle buffer.
      seed: for the order, augmentation and MixUp.
      sizes: crop and flip; None for inputs other than images.
      mixup: alpha; 0 is no MixUp.
      num_classes: length of the soft labels.
      augmentation: of images, besides crop and flip.
      worker: (index, count) of this worker, which reads its part of each batch.
    """

    batch_size: int
    shuffle_buffer: int
    seed: int
    sizes: ImageSizes | None
    mixup: float = 0.0
    num_classes: int = 0
    augmentation: Augmentation = NONE
    worker: tuple[int, int] = (0, 1)


def seed_tensorflow(seed: int) -> None:
    """Sets TensorFlow's global seed from a training's seed; the order of examples depends on it."""
    # Not 0, which tf.data takes for no seed if an operation has its own.
    tf.random.set_seed(seed + 1)


def files_of(patterns: Iterable[str]) -> tuple[str, ...]:
    """The files that match TFX's patterns, sorted."""
    return tuple(sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern)))


def stored_split(
    files: Sequence[str], graph: tft.TFTransformOutput, count: int, training: bool
) -> Split:
    """The examples in TFRecord files (gzip), decoded by the transform graph in every pass.

    Args:
      files: paths.
      graph: the Transform step's output.
      count: number of examples in the files.
      training: whether images get the side for training instead of that for evaluation.
    """
    spec = graph.transformed_feature_spec()
    image = TRAIN_IMAGE if training and TRAIN_IMAGE in spec else IMAGE
    records = tf.data.TFRecordDataset(sorted(files), "GZIP", num_parallel_reads=_FILES_AT_ONCE)
    return Split(records, count, _transform(graph, image), DECODED_AT_ONCE, _labels(graph))


def cached_split(cached: CachedSplit) -> Split:
    """A split that is read from the cache."""
    elements = tf.data.Dataset.range(cached.count)
    labels = functools.partial(tf.gather, tf.constant(cached.labels, tf.int64))
    return Split(elements, cached.count, cached.fetch, _ENDLESS, labels)


def worker_part(split: Split, worker: tuple[int, int]) -> Split:
    """Every n-th element: the part of worker (index, n) in a split that n workers share."""
    index, workers = worker
    if workers == 1:
        return split
    elements = split.elements.shard(workers, index)
    return replace(split, elements=elements, count=len(range(index, split.count, workers)))


def subset_of(split: Split, chosen: np.ndarray) -> Split:
    """Some elements of a split, in its order.

    Args:
      split: the whole split.
      chosen: bool [count], by position in the split.
    """
    wanted = tf.constant(chosen)
    elements = split.elements.enumerate().filter(lambda place, _: wanted[place])
    elements = _mapped(elements, lambda _, element: element)
    return replace(split, elements=elements, count=int(np.count_nonzero(chosen)))


def label_counts(split: Split, num_classes: int) -> NDArray[np.int64]:
    """How many elements each class has, int64 [num_classes]; no image is decoded."""
    read = split.labels or (lambda elements: split.fetch(elements)[1])
    size = _LABELS_AT_ONCE if split.labels else split.at_once
    counts = np.zeros(num_classes, np.int64)
    for labels in _mapped(split.elements.batch(size), read).as_numpy_iterator():
        counts += np.bincount(labels, minlength=num_classes)
    return counts


def one_pass(split: Split, batch_size: int) -> tf.data.Dataset:
    """Every element once, in order, not augmented: (inputs [n, ...], labels int64 [n])."""
    size = _divisor(batch_size, split.at_once)
    batches = _mapped(split.elements.batch(size), split.fetch)
    return (batches if size == batch_size else batches.rebatch(batch_size)).prefetch(2)


def train_batches(split: Split, draws: Draws, first_step: int = 0) -> tf.data.Dataset:
    """Endless shuffled, augmented batches from a step on; the same for the same seed.

    Every pass has another order, and a batch may span two passes.

    Returns:
      (inputs float32 [n, ...], labels int64 [n]), n being this worker's part of the batch; with
      MixUp labels are soft, float32 [n, num_classes].
    """
    index, workers = draws.worker
    share = draws.batch_size // workers
    elements = _passes(split, draws, first_step * draws.batch_size)
    if workers > 1:
        first = index * share
        whole = elements.batch(draws.batch_size, drop_remainder=True)
        elements = _mapped(whole, lambda batch: batch[first : first + share]).unbatch()
    size = _divisor(share, split.at_once)
    chunks = share // size
    numbers = tf.data.Dataset.range(first_step * chunks, _ENDLESS)

    def fetch(elements: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inputs, labels = split.fetch(elements)
        if draws.sizes is not None:
            place = tf.cast(index * share + number % chunks * size, tf.int32)
            seed = _seed(draws, number // chunks)
            inputs = augment(inputs, draws.sizes, seed, place, draws.batch_size, draws.augmentation)
        return inputs, labels

    def mix(batch: tuple[tf.Tensor, tf.Tensor], step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return mixup(*batch, draws.num_classes, draws.mixup, _seed(draws, step))

    batches = tf.data.Dataset.zip((elements.batch(size, drop_remainder=True), numbers))
    batches = _mapped(batches, fetch)
    if chunks > 1:
        batches = batches.rebatch(share, drop_remainder=True)
    if draws.mixup:
        steps = tf.data.Dataset.range(first_step, _ENDLESS)
        batches = _mapped(tf.data.Dataset.zip((batches, steps)), mix)
    return batches.prefetch(_AUTOTUNE)


def _passes(split: Split, draws: Draws, skip: int) -> tf.data.Dataset:
    """Pass after pass, each shuffled differently, without the first `skip` elements."""

    def shuffled(number: tf.Tensor) -> tf.data.Dataset:
        seed = (draws.seed + number) % tf.int32.max
        return split.elements.shuffle(
            draws.shuffle_buffer, seed=seed, reshuffle_each_iteration=False
        )

    passes = tf.data.Dataset.range(skip // split.count, _ENDLESS)
    return passes.flat_map(_graph(shuffled)).skip(skip % split.count)


def _mapped(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    return dataset.map(_graph(function), _AUTOTUNE)


# Nothing here needs AutoGraph, which would take six seconds to convert Keras' layers.
_graph = tf.autograph.experimental.do_not_convert


def _seed(draws: Draws, step: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.constant(draws.seed, tf.int64), step])


def _divisor(size: int, at_once: int) -> int:
    """The largest divisor of `size` up to `at_once`; `size` itself if that is far too small."""
    if size <= at_once:
        return size
    found = max(part for part in range(1, at_once + 1) if size % part == 0)
    return found if 4 * found >= at_once else size


def _transform(graph: tft.TFTransformOutput, image: str) -> Any:
    layer = graph.transform_features_layer()
    spec = graph.raw_feature_spec()
    wanted = {name: spec[name] for name in (IMAGE, LABEL)}

    def transform(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = layer(tf.io.parse_example(serialized, wanted))
        return features[image], features[LABEL]

    return transform


def _labels(graph: tft.TFTransformOutput) -> Callable[[tf.Tensor], tf.Tensor]:
    # Transform passes labels on as they are.
    spec = graph.raw_feature_spec()[LABEL]
    return lambda serialized: tf.io.parse_example(serialized, {LABEL: spec})[LABEL]
