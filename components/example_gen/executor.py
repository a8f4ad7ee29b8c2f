"""Screens stored records and copies those that pass, byte for byte, one file per shard.

>>> from components.example_gen.counts import SplitCounts
>>> class _Shard:
...     split, num_records = "train", 20
>>> check_counts({"train": SplitCounts(read=19, kept=19)}, [_Shard()])
Traceback (most recent call last):
...
RuntimeError: split train: 19 records were read, but the data set has 20; its files are ...
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import apache_beam as beam
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.example_gen.config import DataConfig, ScreenConfig
from components.example_gen.counts import (
    Counts,
    SplitCounts,
    by_reason,
    set_counts,
    total,
    write_counts,
)
from components.example_gen.draw import Drawer
from components.example_gen.record_stats import RecordStats, check_first_label
from components.example_gen.screening import screen_shard
from components.example_gen.shard_writer import (
    EXAMPLES,
    INDEX,
    QUARANTINE,
    write_shard,
)
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.source import Source, open_source
from components.progress import report
from components.storage import as_path, remove_tree, split_folder, write_whole

_logger = logging.getLogger(__name__)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads the shards of every split, and copies the records that can be trained on."""

    def Do(  # noqa: N802  # TFX's name.
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills `examples`, the `index` of its images, and the `quarantine`.

        Raises:
          UserError: a class has fewer examples than `examples_per_class`, or labels do not count
            from the configured first label.
          RuntimeError: the data changed after its fingerprint was taken, or the number of records
            differs from that in the data set's metadata.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = DataConfig.model_validate_json(exec_properties["data"])
        source = open_source(config)
        if source.fingerprint != exec_properties["fingerprint"]:
            raise RuntimeError(
                f"{source.full_name} in {source.data_dir} changed while the run was starting; "
                "start it again."
            )
        artifacts = {
            name: artifact_utils.get_single_instance(output_dict[name])
            for name in (EXAMPLES, INDEX, QUARANTINE)
        }
        uris = {name: artifact.uri for name, artifact in artifacts.items()}
        counts = self._fill(config, source, uris)
        write_counts(counts, uris[EXAMPLES])
        _describe(artifacts, source, counts)
        artifacts[EXAMPLES].span = exec_properties["span"]
        _log(counts)

    def _fill(self, config: DataConfig, source: Source, uris: dict[str, str]) -> Counts:
        """Copies, and copies again without the records whose features are of another kind.

        TFDV expects one kind per feature, and crashes on another. The most frequent kind is known
        once all records are read; few sources need the second pass.
        """
        kinds: dict[str, str] = {}
        while True:
            shards = [shard.with_kinds(kinds) for shard in source.shards]
            if config.examples_per_class is not None:
                shards = self._drawn(shards, config, source, uris)
            copied = self._copy(shards, config.screen, len(source.class_names), uris)
            counts = {split: found.counts for split, found in copied.items()}
            check_counts(counts, shards)
            stats = sum((found.stats for found in copied.values()), RecordStats())
            if config.tfrecords is not None:
                check_first_label(stats, len(source.class_names), config.tfrecords.first_label)
            mixed = stats.mixed_kinds()
            if not mixed:
                return counts
            for text in stats.messages(mixed):
                report(text, event="note", text=f"{source.full_name}: {text}.")
            kinds |= mixed
            for uri, split in itertools.product(uris.values(), counts):
                if (folder := split_folder(uri, split)).exists():
                    remove_tree(folder)

    def _drawn(
        self, shards: Sequence[Shard], config: DataConfig, source: Source, uris: dict[str, str]
    ) -> list[Shard]:
        """The shards, with K examples of each class in place of the whole train split."""
        train = [shard for shard in shards if shard.split == "train"]
        drawer = Drawer(source, config, f"{uris[EXAMPLES]}/drawn.json", self._make_beam_pipeline)
        return [*drawer.draw(train), *(shard for shard in shards if shard.split != "train")]

    def _copy(
        self, shards: Sequence[Shard], limits: ScreenConfig, classes: int, uris: dict[str, str]
    ) -> dict[str, Copied]:
        """Writes every shard, and returns the counts by split.

        A worker in another process can only return them in a file.
        """
        found = as_path(f"{uris[EXAMPLES]}/copied.json")
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(shards)
                # This shuffles the shards' descriptions, never an image.
                | "Spread" >> beam.Reshuffle()
                | "Copy" >> beam.Map(copy_with_stats, limits, classes, uris)
                | "Count" >> beam.CombinePerKey(combined)
                | "Gather" >> beam.combiners.ToList()
                | "Write" >> beam.Map(write_copied, str(found))
            )
        copied = json.loads(found.read_text(encoding="utf-8"))
        found.unlink()
        return {
            split: Copied(SplitCounts(**of_split["counts"]), RecordStats(**of_split["stats"]))
            for split, of_split in sorted(copied)
        }


@dataclass(frozen=True)
class Copied:
    """The counts and statistics of a shard, or of a split."""

    counts: SplitCounts
    stats: RecordStats


def combined(copied: Iterable[Copied]) -> Copied:
    """The sum over shards."""
    found = list(copied)
    counts, stats = (each.counts for each in found), (each.stats for each in found)
    return Copied(total(counts), sum(stats, RecordStats()))


def copy_with_stats(
    shard: Shard, limits: ScreenConfig, classes: int, uris: dict[str, str]
) -> tuple[str, Copied]:
    """`copy_shard`, with statistics if others wrote the records."""
    stats = RecordStats() if shard.foreign else None
    split, counts = copy_shard(shard, limits, classes, uris, stats)
    return split, Copied(counts, stats or RecordStats())


def copy_shard(
    shard: Shard,
    limits: ScreenConfig,
    classes: int,
    uris: dict[str, str],
    stats: RecordStats | None = None,
) -> tuple[str, SplitCounts]:
    """Screens and writes one output shard; returns its split and its counts.

    Args:
      shard: what to read.
      limits: the `data.screen` section.
      classes: how many there are.
      uris: of the artifacts, by output.
      stats: is updated with the records; None collects none.
    """
    records = screen_shard(shard, limits, classes)
    if stats is not None:
        records = stats.count(records, classes)
    return shard.split, write_shard(records, shard, uris)


def write_copied(copied: list[tuple[str, Copied]], path: str) -> None:
    """Writes [split, its counts and statistics] as JSON."""
    write_whole(as_path(path), json.dumps([(split, asdict(found)) for split, found in copied]))


def check_counts(counts: Mapping[str, SplitCounts], shards: Sequence[Shard]) -> None:
    """Checks that every record was read.

    Raises:
      RuntimeError: the number of records differs from that in the data set's metadata.
    """
    for split in sorted({shard.split for shard in shards}):
        expected = sum(shard.num_records for shard in shards if shard.split == split)
        found = counts[split]
        if found.read != expected:
            raise RuntimeError(
                f"split {split}: {found.read} records were read, but the data set has {expected}; "
                "its files are damaged. Prepare the data set again."
            )


def _describe(artifacts: Mapping[str, Any], source: Source, counts: Counts) -> None:
    for artifact in artifacts.values():
        artifact.set_string_custom_property("source", source.full_name)
        set_counts(artifact, counts)
    examples = artifacts[EXAMPLES]
    # `pipeline.inputs.span` looks spans up by it, among examples only.
    examples.set_string_custom_property("fingerprint", source.fingerprint)
    examples.split_names = artifact_utils.encode_split_names(sorted(counts))
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")


def _log(counts: Counts) -> None:
    for split, of_split in counts.items():
        _logger.info(
            "split %s: read %d, kept %d, set aside %s",
            split,
            of_split.read,
            of_split.kept,
            of_split.rejected,
        )
    everything = total(counts.values())
    if everything.num_rejected:
        text = (
            f"{everything.num_rejected:,} of {everything.read:,} images set aside: "
            f"{by_reason(everything.rejected)}"
        )
        report(text, event="finding", text=text)
