"""Stored records, in whatever file format tfds wrote: all of a shard, or a few to look at."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator, Sequence

from components.example_gen.shard import Shard
from components.storage import as_path

# A TFRecord: its length, a checksum of that, the record, and a checksum of it.
_HEADER = struct.Struct("<QI")
_CHECKSUM_BYTES = 4
_LIMIT_BYTES = 1 << 31
"""Protocol buffers are smaller; a length above it was never written as one."""


def stored_records(shard: Shard) -> Iterator[bytes]:
    """The serialized tf.Examples that a shard takes, as stored, in the order of the file."""
    from tensorflow_datasets.core import file_adapters

    wanted = range(shard.take) if shard.drawn is None else shard.drawn
    if shard.file_format == "array_record":
        # The one format that tfds reads by index and not through tf.data.
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        with ArrayRecordDataSource(shard.path) as source:
            yield from (source[shard.skip + index] for index in wanted)
        return
    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat(shard.file_format)]
    records = adapter.make_tf_data(shard.path).skip(shard.skip).take(wanted[-1] + 1)
    chosen = wanted if isinstance(wanted, range) else frozenset(wanted)
    for index, record in enumerate(records.as_numpy_iterator()):
        if index in chosen:
            yield record


def first_records(shards: Sequence[Shard], count: int) -> Iterator[bytes]:
    """At most `count` records from the front, read without TensorFlow where they are TFRecords.

    For a look before a run, which TensorFlow's import would make ten times as long.
    """
    return itertools.islice(itertools.chain.from_iterable(map(_glance, shards)), count)


def _glance(shard: Shard) -> Iterator[bytes]:
    return _tf_records(shard) if shard.file_format == "tfrecord" else stored_records(shard)


def _tf_records(shard: Shard) -> Iterator[bytes]:
    """A shard's records up to where its file is damaged, which the step that copies it tells."""
    with as_path(shard.path).open("rb") as stream:
        for index in range(shard.skip + shard.take):
            header = stream.read(_HEADER.size)
            length, _ = _HEADER.unpack(header) if len(header) == _HEADER.size else (_LIMIT_BYTES, 0)
            if length >= _LIMIT_BYTES:
                return
            if index < shard.skip:
                stream.seek(length + _CHECKSUM_BYTES, os.SEEK_CUR)
                continue
            record = stream.read(length)
            if len(record) < length:
                return
            yield record
            stream.seek(_CHECKSUM_BYTES, os.SEEK_CUR)
