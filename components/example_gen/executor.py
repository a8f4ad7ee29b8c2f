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

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import apache_beam as beam
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.drafts import Drafts, opened
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
    ShardFile,
    name_files,
    write_shard,
)
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.source import Source, open_source
from components.progress import report

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
            with opened(uris[EXAMPLES]) as drafts:
                copied = self._copy(shards, config.screen, len(source.class_names), drafts)
                counts = {split: found.counts for split, found in copied.items()}
                check_counts(counts, shards)
                stats = sum((found.stats for found in copied.values()), RecordStats())
                if config.tfrecords is not None:
                    first_label = config.tfrecords.first_label
                    check_first_label(stats, len(source.class_names), first_label)
                mixed = stats.mixed_kinds()
                if not mixed:
                    for split, found in copied.items():
                        name_files(found.files, split, uris, drafts)
                    return counts
            for text in stats.messages(mixed):
                report(text, event="note", text=f"{source.full_name}: {text}.")
            kinds |= mixed

    def _drawn(
        self, shards: Sequence[Shard], config: DataConfig, source: Source, uris: dict[str, str]
    ) -> list[Shard]:
        """The shards, with K examples of each class in place of the whole train split."""
        train = [shard for shard in shards if shard.split == "train"]
        drawer = Drawer(source, config, uris[EXAMPLES], self._make_beam_pipeline)
        return [*drawer.draw(train), *(shard for shard in shards if shard.split != "train")]

    def _copy(
        self, shards: Sequence[Shard], limits: ScreenConfig, classes: int, drafts: Drafts
    ) -> dict[str, Copied]:
        """Writes every shard, and returns what was copied by split."""
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(shards)
                # This shuffles the shards' descriptions, never an image.
                | "Spread" >> beam.Reshuffle()
                | "Copy" >> beam.Map(copy_shard, limits, classes, drafts)
                | "Count" >> beam.CombinePerKey(combined)
                | "Gather" >> beam.combiners.ToList()
                | "Leave" >> beam.Map(leave_copied, drafts)
            )
        return {split: Copied.from_json(of_split) for split, of_split in sorted(drafts.result())}


@dataclass(frozen=True)
class Copied:
    """What became of a shard, or of the shards of a split.

    Attributes:
      counts: of its records.
      stats: of records that others wrote.
      files: that were written; of two tries of a shard those of the one that was counted.
    """

    counts: SplitCounts
    stats: RecordStats = field(default_factory=RecordStats)
    files: tuple[ShardFile, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Copied:
        """From `asdict`, after JSON."""
        files = tuple(ShardFile(*each) for each in value["files"])
        return cls(SplitCounts(**value["counts"]), RecordStats(**value["stats"]), files)


def combined(copied: Iterable[Copied]) -> Copied:
    """The sum over shards."""
    found = list(copied)
    return Copied(
        total(each.counts for each in found),
        sum((each.stats for each in found), RecordStats()),
        tuple(file for each in found for file in each.files),
    )


def copy_shard(
    shard: Shard, limits: ScreenConfig, classes: int, drafts: Drafts
) -> tuple[str, Copied]:
    """Screens and writes one output shard; returns its split and what became of it.

    Args:
      shard: what to read.
      limits: the `data.screen` section.
      classes: how many there are.
      drafts: takes the files.
    """
    records = screen_shard(shard, limits, classes)
    stats = RecordStats()
    if shard.foreign:
        records = stats.count(records, classes)
    counts, files = write_shard(records, shard, drafts)
    return shard.split, Copied(counts, stats, files)


def leave_copied(copied: list[tuple[str, Copied]], drafts: Drafts) -> None:
    """Tells the step [split, what became of its shards]."""
    drafts.leave([(split, asdict(found)) for split, found in copied])


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
