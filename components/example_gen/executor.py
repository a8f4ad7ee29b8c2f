"""Copies stored records into the Examples artifact, byte for byte, one output shard a file."""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.example_gen.config import DataConfig
from components.example_gen.few_shot import (
    Candidate,
    candidates,
    check_enough,
    only_drawn,
    smallest,
    with_starts,
)
from components.example_gen.records import stored_labels, stored_records
from components.example_gen.shard import Shard
from components.example_gen.source import Source, open_source
from components.storage import as_path, write_whole

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
          UserError: a class has fewer examples than should be drawn of each.
          RuntimeError: the data changed since its fingerprint was taken, or the records written
            are not as many as the data set says it holds.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = DataConfig.model_validate_json(exec_properties["data"])
        source = open_source(config)
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
        shards = list(source.shards)
        if config.examples_per_class is not None:
            shards = self._draw(source, config, config.examples_per_class, folders["train"])
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(shards)
                # Only these instructions are shuffled, never an image.
                | "Spread" >> beam.Reshuffle()
                | "Copy" >> beam.Map(copy_shard, folders)
                | "Count" >> beam.CombinePerKey(sum)
                | "Check" >> beam.Map(check_count, _expected(source, splits))
            )
        _describe(examples, source, splits)
        _logger.info("copied %s", _expected(source, splits))

    def _draw(self, source: Source, config: DataConfig, wanted: int, folder: str) -> list[Shard]:
        """All shards, those of the train split with `wanted` records of each class alone.

        The train split is read once for its labels. What was drawn comes back in a file and is
        checked here: the UserError of a worker in another process would arrive as a failure.
        """
        train = [shard for shard in source.shards if shard.split == "train"]
        others = [shard for shard in source.shards if shard.split != "train"]
        classes, found = len(source.class_names), as_path(f"{folder}-unfinished-drawn.json")
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(with_starts(train))
                | "Spread" >> beam.Reshuffle()
                | "Look" >> beam.FlatMap(candidates_in, config.examples_seed, classes, wanted)
                | "Draw" >> beam.combiners.Top.SmallestPerKey(wanted)
                | "Gather" >> beam.combiners.ToList()
                | "Tell" >> beam.Map(write_drawn, str(found))
            )
        drawn = dict(json.loads(found.read_text(encoding="utf-8")))
        found.unlink()
        where = f"data.splits.train {config.splits.train!r} of {source.full_name}"
        check_enough(drawn, wanted, source.class_names, where)
        return [*only_drawn(train, itertools.chain.from_iterable(drawn.values())), *others]


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
        for _, record in stored_records(shard):
            writer.write(record)
            written += 1
    tf.io.gfile.rename(unfinished, target, overwrite=True)
    return shard.split, written


def write_drawn(drawn: list[tuple[int, list[Candidate]]], path: str) -> None:
    """Writes [label, its drawn places] of every class as JSON."""
    places = [(label, [place for _, place in chosen]) for label, chosen in drawn]
    write_whole(as_path(path), json.dumps(places))


def candidates_in(
    numbered: tuple[int, Shard], seed: int, classes: int, wanted: int
) -> Iterator[tuple[int, Candidate]]:
    """(label, candidate) of what a shard alone would give, told where it starts in its split."""
    start, shard = numbered
    found = candidates(start, shard, stored_labels(shard), seed, classes)
    # Beam takes longer for an element than the reading does.
    yield from smallest(found, wanted)


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
