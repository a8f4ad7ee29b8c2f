"""Copies stored records into the Examples artifact, byte for byte, one output shard a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.example_gen.config import DataConfig
from components.example_gen.source import Shard, Source, open_source

_logger = logging.getLogger(__name__)

# Stored images are compressed already; the fastest level makes the gzip that TFX expects.
_GZIP = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads what the file instructions of a split name, and writes it below the artifact."""

    def Do(  # noqa: N802  # TFX's name.
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills the `examples` artifact.

        Raises:
          RuntimeError: the data changed since its fingerprint was taken, or the records written
            are not as many as the data set says it holds.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        source = open_source(DataConfig.model_validate_json(exec_properties["data"]))
        if source.fingerprint != exec_properties["fingerprint"]:
            raise RuntimeError(
                f"{source.full_name} in {source.data_dir} was changed while the run started; "
                "run again."
            )
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        splits = sorted({shard.split for shard in source.shards})
        folders = {split: os.path.join(examples.uri, f"Split-{split}") for split in splits}
        for folder in folders.values():
            tf.io.gfile.makedirs(folder)
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(list(source.shards))
                # Only these instructions are shuffled, never an image.
                | "Spread" >> beam.Reshuffle()
                | "Copy" >> beam.Map(copy_shard, folders)
                | "Count" >> beam.CombinePerKey(sum)
                | "Check" >> beam.Map(check_count, _expected(source, splits))
            )
        _describe(examples, source, splits)
        _logger.info("copied %s", _expected(source, splits))


def copy_shard(shard: Shard, folders: dict[str, str]) -> tuple[str, int]:
    """Writes one output shard and returns (split, records written).

    The file takes its name only when it is whole, so that a retry leaves no half of one.
    """
    name = f"data_tfrecord-{shard.index:05d}-of-{shard.count:05d}.gz"
    target = os.path.join(folders[shard.split], name)
    # Beside the split's folder: whatever is inside it is data.
    unfinished = f"{folders[shard.split]}-unfinished-{name}"
    written = 0
    with tf.io.TFRecordWriter(unfinished, _GZIP) as writer:
        for record in stored_records(shard):
            writer.write(record)
            written += 1
    tf.io.gfile.rename(unfinished, target, overwrite=True)
    return shard.split, written


def stored_records(shard: Shard) -> Iterator[bytes]:
    """The serialized tf.Examples of a shard, as stored, in whatever file format tfds wrote."""
    from tensorflow_datasets.core import file_adapters

    if shard.file_format == "array_record":
        # The one format that tfds reads by index and not through tf.data.
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        with ArrayRecordDataSource(shard.path) as source:
            yield from (source[index] for index in range(shard.skip, shard.skip + shard.take))
        return
    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat(shard.file_format)]
    records = adapter.make_tf_data(shard.path).skip(shard.skip).take(shard.take)
    yield from records.as_numpy_iterator()


def check_count(counted: tuple[str, int], expected: dict[str, int]) -> None:
    """Raises RuntimeError unless a split has as many records as its slice of the data set."""
    split, written = counted
    if written != expected[split]:
        raise RuntimeError(
            f"split {split}: {written} records were written and the data set says that it holds "
            f"{expected[split]}; its files are damaged. Prepare the data set again."
        )


def _expected(source: Source, splits: list[str]) -> dict[str, int]:
    return {split: source.num_examples(split) for split in splits}


def _describe(examples: Any, source: Source, splits: list[str]) -> None:
    examples.split_names = artifact_utils.encode_split_names(splits)
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    examples.set_string_custom_property("source", source.full_name)
    examples.set_string_custom_property("fingerprint", source.fingerprint)
    for split in splits:
        examples.set_int_custom_property(f"num_examples_{split}", source.num_examples(split))
