"""A shard: the records to read from one stored file, and the output shard that they become.

>>> from components.example_gen.sources.folder_shard import FolderShard
>>> shard = FolderShard("train", 0, 1, "/photos", skip=0, take=100, drawn=(3, 14, 15))
>>> shard.num_records
3
>>> list(first_records([shard], 0))
[]
"""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from components.example_gen.sources.stored import Stored, StoredImage, image_of

RECORDS = 2_000
BYTES = 64_000_000
"""Of a shard, at most: enough shards for all workers, and each is cheap to retry."""
_PIECES = 16
"""Of a file, at most: what they pass over are 7.5 more readings of it, little beside decoding."""


@dataclass(frozen=True)
class Shard(abc.ABC):
    """A run of records in one stored file, and the output shard that they become.

    Each kind of source has its own class: `TfdsShard`, `FolderShard`, `TableShard`,
    `ExamplesShard`.

    Attributes:
      split: `train`, `eval` or `test`.
      index: number of the output shard in its split.
      count: number of output shards of the split.
      path: the stored file.
      skip: records of the file before the run.
      take: records of the run.
      drawn: positions in the run of the records to take, rising; None takes all.
    """

    split: str
    index: int
    count: int
    path: str
    skip: int
    take: int
    drawn: tuple[int, ...] | None = None

    labelled: ClassVar[bool] = False
    """Whether every record has a label."""
    foreign: ClassVar[bool] = False
    """Whether others wrote the records, whose features and labels may be of any kind."""

    @property
    def num_records(self) -> int:
        """Number of records to take."""
        return self.take if self.drawn is None else len(self.drawn)

    @abc.abstractmethod
    def records(self) -> Iterator[Stored]:
        """The records to take, as stored, in the order of the source."""

    @abc.abstractmethod
    def labels(self) -> Iterator[int]:
        """The labels of the whole run, in its order; NO_LABEL if a record has none."""

    def images(self) -> Iterator[StoredImage]:
        """The images of `records`, for whoever needs no label."""
        for stored in self.records():
            yield image_of(stored)

    def glance(self) -> Iterator[bytes]:
        """The records, for a check before the run; without TensorFlow if possible."""
        return (stored.record for stored in self.records())

    def with_kinds(self, kinds: Mapping[str, str]) -> Shard:
        """The same shard, which accepts only these kinds of the features named.

        Args:
          kinds: accepted kind by feature name.
        """
        del kinds
        return self


def pieces(skip: int, take: int, record_bytes: float = 0) -> Iterator[tuple[int, int]]:
    """(skip, take) of the shards that a run of records in one file becomes.

    A shard is the work of one worker. Whoever reads a shard passes over the records before it: so
    there are not many of one file.

    >>> list(pieces(skip=100, take=5_000))
    [(100, 1666), (1766, 1667), (3433, 1667)]
    >>> list(pieces(skip=100, take=1_800, record_bytes=60_000))
    [(100, 900), (1000, 900)]
    >>> len(list(pieces(0, 1_000_000)))
    16

    Args:
      skip: records of the file before the run.
      take: records of the run, at least one.
      record_bytes: of a record, on average; 0 if it is not known.
    """
    full = max(-(-take // RECORDS), math.ceil(take * record_bytes / BYTES))
    count = min(full, take, _PIECES)
    edges = [take * number // count for number in range(count + 1)]
    for begin, end in itertools.pairwise(edges):
        yield skip + begin, end - begin


def first_records(shards: Sequence[Shard], count: int) -> Iterator[bytes]:
    """At most `count` records from the front, for a check before the run."""
    return itertools.islice(itertools.chain.from_iterable(s.glance() for s in shards), count)
