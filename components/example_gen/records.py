"""Stored records of every kind of source: all of a shard, or a few to look at."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from components.errors import UserError
from components.example_gen.example_records import example_labels, example_records
from components.example_gen.folder_records import folder_records
from components.example_gen.shard import ExamplesShard, FolderShard, Shard
from components.example_gen.stored import NO_LABEL, Stored, first_label
from components.example_gen.tfrecord_file import tf_records
from components.transform.features import LABEL

_ARRAY_RECORD = "array_record"
_LABELS = 1024
"""So many labels leave tf.data at a time."""


def stored_records(shard: Shard) -> Iterator[Stored]:
    """The records that a shard takes, as stored, in the order of the source."""
    if isinstance(shard, FolderShard):
        return folder_records(shard)
    if isinstance(shard, ExamplesShard):
        return example_records(shard)
    return _tfds_records(shard)


def _tfds_records(shard: Shard) -> Iterator[Stored]:
    wanted = range(shard.take) if shard.drawn is None else shard.drawn
    name = os.path.basename(shard.path)
    for place, record in zip(wanted, _records(shard, wanted), strict=False):
        yield Stored(f"{name}#{shard.skip + place}", record)


def _records(shard: Shard, wanted: Sequence[int]) -> Iterator[bytes]:
    if shard.file_format == _ARRAY_RECORD:
        # The one format that tfds reads by index and not through tf.data.
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        with ArrayRecordDataSource(shard.path) as source:
            yield from (source[shard.skip + index] for index in wanted)
        return
    import tensorflow as tf

    chosen = wanted if isinstance(wanted, range) else frozenset(wanted)
    try:
        for index, record in enumerate(_run(shard).take(wanted[-1] + 1).as_numpy_iterator()):
            if index in chosen:
                yield record
    except tf.errors.DataLossError as error:
        raise UserError(
            f"{shard.path} is damaged: {error.message.splitlines()[0]}. Prepare the data set again."
        ) from error


def stored_labels(shard: Shard) -> Iterator[int]:
    """The labels of a shard's whole run, in its order; -1 where a record has none.

    No image is decoded, and of a format of tfds's that tf.data reads none comes to Python.
    """
    if isinstance(shard, FolderShard):
        return iter(shard.labels)
    if isinstance(shard, ExamplesShard):
        return example_labels(shard)
    return _tfds_labels(shard)


def _tfds_labels(shard: Shard) -> Iterator[int]:
    told = 0
    if shard.file_format != _ARRAY_RECORD:
        import tensorflow as tf

        try:
            for label in _labels_by_tensorflow(shard):
                yield label
                told += 1
            return
        # At a damaged file, or a record that is no such tf.Example: TensorFlow then fails at times
        # to put the record's bytes into words. One by one, below, they are told apart.
        except (tf.errors.OpError, UnicodeDecodeError):
            pass
    for stored in itertools.islice(_tfds_records(replace(shard, drawn=None)), told, None):
        yield first_label(stored.record)


def _labels_by_tensorflow(shard: Shard) -> Iterator[int]:
    import tensorflow as tf

    spec = {LABEL: tf.io.FixedLenFeature([], tf.int64, default_value=NO_LABEL)}
    labels = _run(shard).map(lambda record: tf.io.parse_single_example(record, spec)[LABEL])
    for some in labels.batch(_LABELS).as_numpy_iterator():
        yield from some.tolist()


def _run(shard: Shard) -> Any:
    """A tf.data.Dataset of the records of a shard's run."""
    from tensorflow_datasets.core import file_adapters

    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat(shard.file_format)]
    return adapter.make_tf_data(shard.path).skip(shard.skip).take(shard.take)


def first_records(shards: Sequence[Shard], count: int) -> Iterator[bytes]:
    """At most `count` records from the front, without TensorFlow but for tfds's other formats.

    For a look before a run, which TensorFlow's import would make ten times as long.
    """
    return itertools.islice(itertools.chain.from_iterable(map(_glance, shards)), count)


def _glance(shard: Shard) -> Iterator[bytes]:
    """A shard's records; of a damaged TFRecord file those before, as its copying will tell."""
    if type(shard) is Shard and shard.file_format == "tfrecord":
        return itertools.islice(tf_records(shard.path, shard.skip), shard.take)
    return (stored.record for stored in stored_records(shard))
