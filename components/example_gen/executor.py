"""Screens stored records and copies those that pass, byte for byte, one output shard a file."""

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
from components.example_gen.counts import Counts, SplitCounts, set_counts, total, write_counts
from components.example_gen.draw import Drawer
from components.example_gen.examine import examined
from components.example_gen.feature_kinds import Seen, check_first_label
from components.example_gen.outputs import (
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
    """Reads what the file instructions of a split name, and keeps what can be trained on."""

    def Do(  # noqa: N802  # TFX's name.
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills `examples`, the `index` of its images, and the `quarantine`.

        Raises:
          UserError: a class has fewer examples than should be drawn of each, or labels count from
            another number than the configuration says.
          RuntimeError: the data changed since its fingerprint was taken, or other records were read
            than the data set says it holds.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = DataConfig.model_validate_json(exec_properties["data"])
        source = open_source(config)
        if source.fingerprint != exec_properties["fingerprint"]:
            raise RuntimeError(
                f"{source.full_name} in {source.data_dir} was changed while the run started; "
                "run again."
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
        _tell(counts)

    def _fill(self, config: DataConfig, source: Source, uris: dict[str, str]) -> Counts:
        """Copies, and copies again without the records whose features are of another kind.

        TFDV takes a feature for one kind, and dies of another. Which one most records have is known
        when all were read; few sources need the second time.
        """
        kinds: dict[str, str] = {}
        while True:
            shards = [shard.with_kinds(kinds) for shard in source.shards]
            if config.examples_per_class is not None:
                shards = self._drawn(shards, config, source, uris)
            copied = self._copy(shards, config.screen, len(source.class_names), uris)
            counts = {split: found.counts for split, found in copied.items()}
            check_counts(counts, shards)
            seen = sum((found.seen for found in copied.values()), Seen())
            if config.tfrecords is not None:
                check_first_label(seen, len(source.class_names), config.tfrecords.first_label)
            mixed = seen.mixed()
            if not mixed:
                return counts
            for text in seen.says(mixed):
                report(text, event="note", text=f"{source.full_name}: {text}.")
            kinds |= mixed
            for uri, split in itertools.product(uris.values(), counts):
                if (folder := split_folder(uri, split)).exists():
                    remove_tree(folder)

    def _drawn(
        self, shards: Sequence[Shard], config: DataConfig, source: Source, uris: dict[str, str]
    ) -> list[Shard]:
        """The shards with K examples of each class in place of the whole train split."""
        train = [shard for shard in shards if shard.split == "train"]
        drawer = Drawer(source, config, f"{uris[EXAMPLES]}/drawn.json", self._make_beam_pipeline)
        return [*drawer.draw(train), *(shard for shard in shards if shard.split != "train")]

    def _copy(
        self, shards: Sequence[Shard], limits: ScreenConfig, classes: int, uris: dict[str, str]
    ) -> dict[str, Copied]:
        """Writes every shard, and counts by split.

        The counts come back in a file: a worker in another process cannot tell them otherwise.
        """
        found = as_path(f"{uris[EXAMPLES]}/copied.json")
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(shards)
                # Only these instructions are shuffled, never an image.
                | "Spread" >> beam.Reshuffle()
                | "Copy" >> beam.Map(copy_and_watch, limits, classes, uris)
                | "Count" >> beam.CombinePerKey(joined)
                | "Gather" >> beam.combiners.ToList()
                | "Tell" >> beam.Map(write_copied, str(found))
            )
        copied = json.loads(found.read_text(encoding="utf-8"))
        found.unlink()
        return {
            split: Copied(SplitCounts(**of_split["counts"]), Seen(**of_split["seen"]))
            for split, of_split in sorted(copied)
        }


@dataclass(frozen=True)
class Copied:
    """What was counted in a shard, or in a split."""

    counts: SplitCounts
    seen: Seen


def joined(copied: Iterable[Copied]) -> Copied:
    """The sum over shards."""
    found = list(copied)
    counts, seen = (each.counts for each in found), (each.seen for each in found)
    return Copied(total(counts), sum(seen, Seen()))


def copy_and_watch(
    shard: Shard, limits: ScreenConfig, classes: int, uris: dict[str, str]
) -> tuple[str, Copied]:
    """`copy_shard`, with what the records of a source that we did not write show together."""
    seen = Seen() if shard.foreign else None
    split, counts = copy_shard(shard, limits, classes, uris, seen)
    return split, Copied(counts, seen or Seen())


def copy_shard(
    shard: Shard,
    limits: ScreenConfig,
    classes: int,
    uris: dict[str, str],
    seen: Seen | None = None,
) -> tuple[str, SplitCounts]:
    """Screens and writes one output shard; returns its split and what was counted.

    Args:
      shard: what to read.
      limits: the `data.screen` section.
      classes: how many there are.
      uris: of the artifacts by output.
      seen: counts what passes; None looks at nothing.
    """
    records = examined(shard, limits, classes)
    if seen is not None:
        records = seen.watch(records, classes)
    return shard.split, write_shard(records, shard, uris)


def write_copied(copied: list[tuple[str, Copied]], path: str) -> None:
    """Writes [split, what was counted in it] as JSON."""
    write_whole(as_path(path), json.dumps([(split, asdict(found)) for split, found in copied]))


def check_counts(counts: Mapping[str, SplitCounts], shards: Sequence[Shard]) -> None:
    """Holds that all was read.

    Raises:
      RuntimeError: fewer records were read than the data set says it holds.
    """
    for split in sorted({shard.split for shard in shards}):
        expected = sum(shard.num_records for shard in shards if shard.split == split)
        found = counts[split]
        if found.read != expected:
            raise RuntimeError(
                f"split {split}: {found.read} records were read and the data set says that it "
                f"holds {expected}; its files are damaged. Prepare the data set again."
            )


def by_reason(counts: SplitCounts) -> str:
    """`12 truncated, 3 empty`, the most frequent first."""
    ordered = sorted(counts.rejected.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in ordered)


def _describe(artifacts: Mapping[str, Any], source: Source, counts: Counts) -> None:
    for artifact in artifacts.values():
        artifact.set_string_custom_property("source", source.full_name)
        set_counts(artifact, counts)
    examples = artifacts[EXAMPLES]
    # By it a span is found again, and a span is the examples' alone.
    examples.set_string_custom_property("fingerprint", source.fingerprint)
    examples.split_names = artifact_utils.encode_split_names(sorted(counts))
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")


def _tell(counts: Counts) -> None:
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
            f"{by_reason(everything)}"
        )
        report(text, event="finding", text=text)
