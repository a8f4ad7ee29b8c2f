"""What to read of a source, and the output shard that it becomes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """A run of records in one stored file, and the output shard that they become.

    Attributes:
      split: `train`, `eval` or `test`.
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


@dataclass(frozen=True)
class FolderShard(Shard):
    """A run of image files in the order of a folder's split.

    It names its files: workers on other machines need not list the folder again.

    Attributes:
      path: of the folder.
      skip: files of its split before the run.
      names: of the run's files, below the folder.
      labels: of them.
      limit_bytes: of a larger file so many bytes and one more are read.
    """

    names: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    limit_bytes: int = 0


@dataclass(frozen=True)
class ExamplesShard(Shard):
    """A run of tf.Examples that were there before, in a TFRecord file.

    Attributes:
      image_feature: the feature that holds the image.
      label_feature: the feature that holds the class.
      class_names: by number; labels that are text are told by them.
      first_label: the number of the first class.
      kinds: of features of which records differ: (name, the kind that is taken).
    """

    image_feature: str = "image"
    label_feature: str = "label"
    class_names: tuple[str, ...] = ()
    first_label: int = 0
    kinds: tuple[tuple[str, str], ...] = ()
