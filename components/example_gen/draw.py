"""Draws K examples of every class that pass the screen, through Beam.

>>> import apache_beam as beam
>>> import tempfile
>>> from components.example_gen.config import DataConfig
>>> from components.example_gen.sources.source import open_source
>>> folder = tempfile.TemporaryDirectory()
>>> config = DataConfig(name="digits", data_dir=folder.name, examples_per_class=2)
>>> source = open_source(config)
Downloading and preparing dataset ...
>>> drawer = Drawer(source, config, folder.name, beam.Pipeline)
>>> train = [shard for shard in source.shards if shard.split == "train"]
>>> sum(shard.num_records for shard in drawer.draw(train))
20
>>> folder.cleanup()
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam

from components.drafts import Drafts, opened
from components.example_gen.config import DataConfig, ScreenConfig
from components.example_gen.few_shot import (
    Candidate,
    Place,
    candidates,
    check_enough,
    first_passing,
    numbered,
    only_drawn,
    smallest,
    with_starts,
)
from components.example_gen.record_stats import RecordStats, check_first_label
from components.example_gen.screening import IndexedExample, screen_shard
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.source import Source


class Drawer:
    """Draws from a split: reads all of its labels, and decodes few of its images.

    A pipeline's results come back in a file and are checked here, because a UserError raised in a
    worker process would arrive as a failure.
    """

    def __init__(
        self, source: Source, config: DataConfig, uri: str, make_pipeline: Callable[[], Any]
    ):
        """Makes a drawer.

        Args:
          source: the data set.
          config: the `data` section; `examples_per_class` is set.
          uri: of the artifact beside whose data a pipeline leaves its result, until it is read.
          make_pipeline: makes a Beam pipeline with the step's options.
        """
        self._classes = source.class_names
        self._config = config
        self._wanted = int(config.examples_per_class or 0)
        self._where = f"data.splits.train {source.slices['train']!r} of {source.full_name}"
        self._uri = uri
        self._make_pipeline = make_pipeline

    def draw(self, shards: Sequence[Shard]) -> list[Shard]:
        """The shards of a split, restricted to the records that are drawn from them.

        Of every class, the records of smallest keys up to the K-th that passes the screen. Those
        before it that fail are included: they are read, and go to the quarantine.

        Raises:
          UserError: fewer than K records of a class pass.
        """
        looked_at = self._wanted
        while True:
            found = self._find(shards, looked_at)
            passing = self._passing(only_drawn(shards, _joined(found.values())))
            drawn = first_passing(found, passing, self._wanted)
            passed = {
                label: [place for place in places if place in passing]
                for label, places in drawn.items()
            }
            # A class may have more records than were screened.
            if all(
                len(passed[label]) == self._wanted or len(places) < looked_at
                for label, places in found.items()
            ):
                self._check_first_label(shards, passed)
                check_enough(passed, self._wanted, self._classes, self._where)
                return numbered(only_drawn(shards, _joined(drawn.values())))
            looked_at *= 2

    def _check_first_label(
        self, shards: Sequence[Shard], passed: Mapping[int, Sequence[Place]]
    ) -> None:
        """Detects labels that count from 1, before the first class is reported as missing."""
        if self._config.tfrecords is None or passed.get(0):
            return
        after = sum(label == len(self._classes) for shard in shards for label in shard.labels())
        check_first_label(
            RecordStats(labels={"after": after}),
            len(self._classes),
            self._config.tfrecords.first_label,
        )

    def _find(self, shards: Sequence[Shard], wanted: int) -> dict[int, list[Place]]:
        """The places of the smallest keys of each class, in the order of the keys."""
        config, classes = self._config, len(self._classes)
        with opened(self._uri) as drafts:
            with self._make_pipeline() as pipeline:
                _ = (
                    pipeline
                    | "Shards" >> beam.Create(with_starts(shards))
                    | "Spread" >> beam.Reshuffle()
                    | "Look" >> beam.FlatMap(candidates_in, config.examples_seed, classes, wanted)
                    | "Draw" >> beam.combiners.Top.SmallestPerKey(wanted)
                    | "Gather" >> beam.combiners.ToList()
                    | "Leave" >> beam.Map(leave_found, drafts)
                )
            return {label: _places(places) for label, places in drafts.result()}

    def _passing(self, drawn: Sequence[Shard]) -> set[Place]:
        """The places of the records that pass the screen."""
        limits, classes = self._config.screen, len(self._classes)
        with opened(self._uri) as drafts:
            with self._make_pipeline() as pipeline:
                _ = (
                    pipeline
                    | "Shards" >> beam.Create(drawn)
                    | "Spread" >> beam.Reshuffle()
                    | "Screen" >> beam.FlatMap(passing_in, limits, classes)
                    | "Gather" >> beam.combiners.ToList()
                    | "Leave" >> beam.Map(drafts.leave)
                )
            return set(_places(drafts.result()))


def candidates_in(
    numbered_shard: tuple[int, Shard], seed: int, classes: int, wanted: int
) -> Iterator[tuple[int, Candidate]]:
    """(label, candidate) of the records that this shard alone would contribute.

    Args:
      numbered_shard: the position in the split of the first record, and the shard.
      seed: of the draw.
      classes: how many there are.
      wanted: candidates per class.
    """
    start, shard = numbered_shard
    found = candidates(start, shard, shard.labels(), seed, classes)
    # Few elements: Beam takes longer to pass one on than it takes to read it.
    yield from smallest(found, wanted)


def passing_in(shard: Shard, limits: ScreenConfig, classes: int) -> Iterator[Place]:
    """The places of the drawn records of a shard that pass the screen."""
    for record, found in zip(shard.drawn or (), screen_shard(shard, limits, classes), strict=True):
        if isinstance(found, IndexedExample):
            yield shard.index, record


def leave_found(found: list[tuple[int, list[Candidate]]], drafts: Drafts) -> None:
    """Leaves [label, places in the order of their keys] of every class."""
    drafts.leave([(label, [place for _, place in chosen]) for label, chosen in found])


def _places(read: Iterable[Sequence[int]]) -> list[Place]:
    return [(index, record) for index, record in read]


def _joined(places: Iterable[Iterable[Place]]) -> Iterable[Place]:
    return itertools.chain.from_iterable(places)
