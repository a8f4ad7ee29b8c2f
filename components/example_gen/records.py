"""Stored records, in whatever file format tfds wrote: all of a shard, or a few to look at."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from components.example_gen.shard import Shard
from components.storage import as_path

_ARRAY_RECORD = "array_record"
_LABELS = 1024
"""So many labels leave tf.data at a time."""

# A TFRecord: its length, a checksum of that, the record, and a checksum of it.
_HEADER = struct.Struct("<QI")
_CHECKSUM_BYTES = 4
_LIMIT_BYTES = 1 << 31
"""Protocol buffers are smaller; a length above it was never written as one."""


class Stored(NamedTuple):
    """A record of the source.

    Attributes:
      source: where it is, `name-train.tfrecord-00000-of-00001#17`.
      record: the serialized tf.Example, with `image` and `label`; of a file that is larger than
        data.screen.max_bytes, with its beginning.
      error: why it could not be read; empty where it was.
    """

    source: str
    record: bytes
    error: str = ""


def stored_records(shard: Shard) -> Iterator[Stored]:
    """The records that a shard takes, as stored, in the order of the file."""
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
    chosen = wanted if isinstance(wanted, range) else frozenset(wanted)
    for index, record in enumerate(_run(shard).take(wanted[-1] + 1).as_numpy_iterator()):
        if index in chosen:
            yield record


def stored_labels(shard: Shard) -> Iterator[int]:
    """The labels of a shard's whole run, in the order of the file; -1 where a record has none.

    No image is decoded, and of a format that tf.data reads none comes to Python.
    """
    import tensorflow as tf

    if shard.file_format == _ARRAY_RECORD:
        for stored in stored_records(replace(shard, drawn=None)):
            feature = tf.train.Example.FromString(stored.record).features.feature["label"]
            yield next(iter(feature.int64_list.value), -1)
        return
    spec = {"label": tf.io.FixedLenFeature([], tf.int64, default_value=-1)}
    labels = _run(shard).map(lambda record: tf.io.parse_single_example(record, spec)["label"])
    for some in labels.batch(_LABELS).as_numpy_iterator():
        yield from some.tolist()


def _run(shard: Shard) -> Any:
    """A tf.data.Dataset of the records of a shard's run."""
    from tensorflow_datasets.core import file_adapters

    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat(shard.file_format)]
    return adapter.make_tf_data(shard.path).skip(shard.skip).take(shard.take)


def first_records(shards: Sequence[Shard], count: int) -> Iterator[bytes]:
    """At most `count` records from the front, read without TensorFlow where they are TFRecords.

    For a look before a run, which TensorFlow's import would make ten times as long.
    """
    return itertools.islice(itertools.chain.from_iterable(map(_glance, shards)), count)


def _glance(shard: Shard) -> Iterator[bytes]:
    """A shard's records; of a damaged TFRecord file those before, as its copying will tell."""
    if shard.file_format == "tfrecord":
        end = shard.skip + shard.take
        return itertools.islice(tf_records(shard.path, shard.skip), end - shard.skip)
    return (stored.record for stored in stored_records(shard))


def tf_records(path: str, skip: int = 0) -> Iterator[bytes]:
    """The records of a TFRecord file, not compressed, read without TensorFlow.

    They end where the file is damaged; checksums are not looked at.

    Args:
      path: of the file.
      skip: records that are passed over, unread.
    """
    with as_path(path).open("rb") as stream:
        for index in itertools.count():
            header = stream.read(_HEADER.size)
            length, _ = _HEADER.unpack(header) if len(header) == _HEADER.size else (_LIMIT_BYTES, 0)
            if length >= _LIMIT_BYTES:
                return
            if index < skip:
                stream.seek(length + _CHECKSUM_BYTES, os.SEEK_CUR)
                continue
            record = stream.read(length)
            if len(record) < length:
                return
            yield record
            stream.seek(_CHECKSUM_BYTES, os.SEEK_CUR)
