"""What to read of a source, and the output shard that it becomes."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from components.example_gen.sources.stored import Stored


@dataclass(frozen=True)
class Shard(abc.ABC):
    """A run of records in one stored file, and the output shard that they become.

    Each kind of source has its own: `TfdsShard`, `FolderShard`, `ExamplesShard`.

    Attributes:
      split: `train`, `eval` or `test`.
      index: of the output shard in its split.
      count: of the split's output shards.
      path: of the stored file.
      skip: records of the file before the run.
      take: records of the run.
      drawn: the records of the run that are taken, counted from its first and rising; None is all.
    """

    split: str
    index: int
    count: int
    path: str
    skip: int
    take: int
    drawn: tuple[int, ...] | None = None

    labelled: ClassVar[bool] = False
    """Whether every record has a class."""
    foreign: ClassVar[bool] = False
    """Whether others wrote the records, so that features and labels may be of any kind."""

    @property
    def num_records(self) -> int:
        """How many records it takes."""
        return self.take if self.drawn is None else len(self.drawn)

    @abc.abstractmethod
    def records(self) -> Iterator[Stored]:
        """The records that it takes, as stored, in the order of the source."""

    @abc.abstractmethod
    def labels(self) -> Iterator[int]:
        """The labels of its whole run, in its order; NO_LABEL where a record has none."""

    def glance(self) -> Iterator[bytes]:
        """Its records for a look before a run: without TensorFlow, where there is a way."""
        return (stored.record for stored in self.records())

    def with_kinds(self, kinds: Mapping[str, str]) -> Shard:
        """The same shard, told which kind of a feature is taken where records differ in it."""
        del kinds
        return self


def first_records(shards: Sequence[Shard], count: int) -> Iterator[bytes]:
    """At most `count` records from the front, for a look before a run."""
    return itertools.islice(itertools.chain.from_iterable(s.glance() for s in shards), count)
