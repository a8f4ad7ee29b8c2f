"""Records of a data set that tfds has prepared, in any of its file formats."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.errors import UserError
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.stored import NO_LABEL, Stored, first_label
from components.example_gen.sources.tfrecord_file import tf_records
from components.transform.features import LABEL

_ARRAY_RECORD = "array_record"
_LABELS = 1024
"""So many labels leave tf.data at a time."""


@dataclass(frozen=True)
class TfdsShard(Shard):
    """A run of records in one file of a tfds data set.

    Attributes:
      file_format: as tfds names it.
    """

    file_format: str = "tfrecord"

    def records(self) -> Iterator[Stored]:
        """The records that it takes, in the order of the file.

        Raises:
          UserError: the file is damaged.
        """
        wanted = range(self.take) if self.drawn is None else self.drawn
        name = os.path.basename(self.path)
        for place, record in zip(wanted, self._wanted(wanted), strict=False):
            yield Stored(f"{name}#{self.skip + place}", record)

    def labels(self) -> Iterator[int]:
        """The labels of its whole run; of a format that tf.data reads, no image comes to Python."""
        read = 0
        if self.file_format != _ARRAY_RECORD:
            import tensorflow as tf

            try:
                for label in _labels_by_tensorflow(self):
                    yield label
                    read += 1
                return
            # At a damaged file, or a record that is no such tf.Example: TensorFlow then fails at
            # times to put the record's bytes into words. One by one, below, they are told apart.
            except (tf.errors.OpError, UnicodeDecodeError):
                pass
        for stored in itertools.islice(replace(self, drawn=None).records(), read, None):
            yield first_label(stored.record)

    def glance(self) -> Iterator[bytes]:
        """Its records; of a damaged TFRecord file those before, as its copying will say."""
        if self.file_format == "tfrecord":
            return itertools.islice(tf_records(self.path, self.skip), self.take)
        return super().glance()

    def _wanted(self, wanted: Sequence[int]) -> Iterator[bytes]:
        if self.file_format == _ARRAY_RECORD:
            # The one format that tfds reads by index and not through tf.data.
            from array_record.python.array_record_data_source import ArrayRecordDataSource

            with ArrayRecordDataSource(self.path) as source:
                yield from (source[self.skip + index] for index in wanted)
            return
        import tensorflow as tf

        chosen = wanted if isinstance(wanted, range) else frozenset(wanted)
        try:
            for index, record in enumerate(_run(self).take(wanted[-1] + 1).as_numpy_iterator()):
                if index in chosen:
                    yield record
        except tf.errors.DataLossError as error:
            raise UserError(
                f"{self.path} is damaged: {error.message.splitlines()[0]}. Prepare the data set "
                "again."
            ) from error


def _labels_by_tensorflow(shard: TfdsShard) -> Iterator[int]:
    import tensorflow as tf

    spec = {LABEL: tf.io.FixedLenFeature([], tf.int64, default_value=NO_LABEL)}
    labels = _run(shard).map(lambda record: tf.io.parse_single_example(record, spec)[LABEL])
    for some in labels.batch(_LABELS).as_numpy_iterator():
        yield from some.tolist()


def _run(shard: TfdsShard) -> Any:
    """A tf.data.Dataset of the records of a shard's run."""
    from tensorflow_datasets.core import file_adapters

    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat(shard.file_format)]
    return adapter.make_tf_data(shard.path).skip(shard.skip).take(shard.take)
