"""Examples written by hand and answers of a served model, for benchmarks of what is learned."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Labelled = list[tuple[bytes, int]]
"""Encoded images with their labels."""

_AT_ONCE = 64


def read_examples(files: Iterable[str]) -> Labelled:
    """The examples of a split."""
    found = []
    for record in tf.data.TFRecordDataset(list(files), "GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        found.append((feature["image"].bytes_list.value[0], feature["label"].int64_list.value[0]))
    return found


def write_examples(folder: Path, split: str, examples: Labelled) -> None:
    """One shard of a split, as ImageExampleGen leaves it."""
    target = folder / f"Split-{split}"
    target.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(target / "data.gz"), "GZIP") as writer:
        for image, label in examples:
            feature = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def predicted(model: str, examples: Labelled) -> NDArray[np.int64]:
    """The class that a served model names for each image, int64 [N]."""
    served = tf.saved_model.load(model).signatures["predict_image"]
    images = [image for image, _ in examples]
    parts = [images[start : start + _AT_ONCE] for start in range(0, len(images), _AT_ONCE)]
    return np.concatenate([served(tf.constant(part))["class_index"].numpy() for part in parts])
