"""`data.folder`: a folder of images as a data set, file by file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.example_gen.shard import FolderShard
from components.example_gen.slices import Run

if TYPE_CHECKING:
    from components.example_gen.image_folder import ImageFolder

_SHARD_BYTES = 64_000_000
_SHARD_FILES = 2000
"""An output shard holds no more: enough of them for all workers, and each is soon done again."""


@dataclass(frozen=True)
class FolderData:
    """The `components.example_gen.source.Data` of a folder.

    Attributes:
      builder: that listed it.
      limit_bytes: of a larger file the beginning alone is read.
    """

    builder: ImageFolder
    limit_bytes: int
    key: str = "data.folder"
    features: tuple[str, ...] = ("label",)
    image_shape: tuple[None, None] = (None, None)

    @property
    def full_name(self) -> str:
        """`folder/flower_photos`."""
        return f"folder/{os.path.basename(self.data_dir.rstrip('/'))}"

    @property
    def data_dir(self) -> str:
        """The folder."""
        return str(self.builder.data_dir)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of all splits, sorted."""
        return self.builder.class_names

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the folder is not read, and classes that look like splits."""
        return self.builder.notes

    @property
    def splits(self) -> Mapping[str, Any]:
        """How much there is of each split."""
        return self.builder.info.splits

    def shards(self, split: str, runs: Sequence[Run]) -> list[FolderShard]:
        """Runs of the split's order of about equal bytes."""
        pieces = [piece for run in runs for piece in self._pieces(run)]
        return [self._shard(split, index, len(pieces), piece) for index, piece in enumerate(pieces)]

    def fingerprint(self, runs: Sequence[Run]) -> str:
        """Of the slice's files alone, and of all classes: they number the labels."""
        return self.builder.digest_of(self.builder.files(runs))

    def _pieces(self, run: Run) -> Iterator[Run]:
        begin, size_bytes = run.begin, 0
        for position, file in enumerate(self.builder.files([run]), run.begin):
            full = size_bytes + file.size_bytes > _SHARD_BYTES or position - begin >= _SHARD_FILES
            if full and position > begin:
                yield Run(run.split, begin, position)
                begin, size_bytes = position, 0
            size_bytes += min(file.size_bytes, self.limit_bytes)
        yield Run(run.split, begin, run.end)

    def _shard(self, split: str, index: int, count: int, piece: Run) -> FolderShard:
        files = self.builder.files([piece])
        return FolderShard(
            split=split,
            index=index,
            count=count,
            path=self.data_dir,
            skip=piece.begin,
            take=len(files),
            file_format="folder",
            names=tuple(file.name for file in files),
            labels=tuple(file.label for file in files),
            limit_bytes=self.limit_bytes,
        )


def open_folder(folder: str, limit_bytes: int) -> FolderData:
    """Lists a folder.

    Raises:
      UserError: it is no folder of images.
    """
    from components.example_gen.image_folder import ImageFolder

    return FolderData(ImageFolder(folder), limit_bytes)
