"""Records of a data set that tfds has prepared, in any of its file formats.

>>> import tempfile
>>> from components.example_gen.config import DataConfig
>>> from components.example_gen.sources.tfds import open_tfds
>>> from components.example_gen.sources.slices import Run
>>> with tempfile.TemporaryDirectory() as folder:
...     data = open_tfds(DataConfig(name="digits", data_dir=folder))
...     shards = data.shards("train", [Run("train", 0, 5)])
...     [label for shard in shards for label in shard.labels()]
Downloading and preparing dataset ...
[3, 4, 7, 4, 6]
"""

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
"""Labels per batch from tf.data."""


@dataclass(frozen=True)
class TfdsShard(Shard):
    """A run of records in one file of a tfds data set.

    Attributes:
      file_format: tfds's name of the format.
    """

    file_format: str = "tfrecord"

    def records(self) -> Iterator[Stored]:
        """The records to take, in the order of the file.

        Raises:
          UserError: the file is damaged.
        """
        wanted = range(self.take) if self.drawn is None else self.drawn
        name = os.path.basename(self.path)
        for place, record in zip(wanted, self._wanted(wanted), strict=False):
            yield Stored(f"{name}#{self.skip + place}", record)

    def labels(self) -> Iterator[int]:
        """The labels of the whole run; if tf.data reads the format, images stay out of Python."""
        read = 0
        if self.file_format != _ARRAY_RECORD:
            import tensorflow as tf

            try:
                for label in _labels_by_tensorflow(self):
                    yield label
                    read += 1
                return
            # A damaged file, or a record that is not such a tf.Example, whose bytes TensorFlow may
            # fail to decode into its message. Reading one by one, below, finds out which.
            except (tf.errors.OpError, UnicodeDecodeError):
                pass
        for stored in itertools.islice(replace(self, drawn=None).records(), read, None):
            yield first_label(stored.record)

    def glance(self) -> Iterator[bytes]:
        """The records; of a damaged TFRecord file those before the damage."""
        if self.file_format == "tfrecord":
            return itertools.islice(tf_records(self.path, self.skip), self.take)
        return super().glance()

    def _wanted(self, wanted: Sequence[int]) -> Iterator[bytes]:
        if self.file_format == _ARRAY_RECORD:
            # The only format that tfds reads by index instead of through tf.data.
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
