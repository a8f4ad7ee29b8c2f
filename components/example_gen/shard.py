"""What to read of one stored file, and the output shard that it becomes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """A run of records in one stored file, and the output shard that they become.

    Attributes:
      split: `train` or `eval`.
      index: of the output shard in its split.
      count: of the split's output shards.
      path: of the stored file.
      skip: records of the file before the run.
      take: records of the run.
      file_format: as tfds names it.
      drawn: the records of the run that are taken, counted from its first and rising; None is all.
    """

    split: str
    index: int
    count: int
    path: str
    skip: int
    take: int
    file_format: str
    drawn: tuple[int, ...] | None = None

    @property
    def num_records(self) -> int:
        """How many records it takes."""
        return self.take if self.drawn is None else len(self.drawn)
