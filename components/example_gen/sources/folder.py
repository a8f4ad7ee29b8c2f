"""`data.folder`: a folder of images as a data set; nothing is copied or prepared.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("daisy", "rose"):
...         Path(folder, name).mkdir()
...         Path(folder, name, "1.jpg").touch()
...     data = open_folder(folder, limit_bytes=1_000_000)
>>> data.class_names
('daisy', 'rose')
>>> data.splits["train"].num_examples
2
>>> [shard.take for shard in data.shards("train", [Run("train", 0, 2)])]
[2]
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.example_gen.sources.folder_root import find_root
from components.example_gen.sources.folder_shard import FolderShard
from components.example_gen.sources.image_files import ImageFile, ImageFiles, list_images
from components.example_gen.sources.shard import BYTES, RECORDS
from components.example_gen.sources.slices import Run, split_infos


@dataclass(frozen=True)
class FolderData:
    """The `components.example_gen.sources.source.Data` of a folder.

    Attributes:
      data_dir: the folder, a path or a gs:// URI.
      listed: its files.
      limit_bytes: of a larger file, only the beginning is read.
    """

    data_dir: str
    listed: ImageFiles
    limit_bytes: int
    key: str = "data.folder"
    features: tuple[str, ...] = ("label",)
    image_shape: tuple[None, None] = (None, None)

    @property
    def full_name(self) -> str:
        """`folder/flower_photos`."""
        return f"folder/{os.path.basename(self.data_dir.rstrip('/'))}"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of all splits, sorted."""
        return self.listed.class_names

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about files that are not read, and classes that look like splits."""
        return self.listed.notes

    @functools.cached_property
    def splits(self) -> Mapping[str, Any]:
        """tfds.core.SplitInfo by split."""
        return split_infos({split: [len(files)] for split, files in self.listed.splits.items()})

    def shards(self, split: str, runs: Sequence[Run]) -> list[FolderShard]:
        """Shards of about equal bytes, in the order of the split."""
        pieces = [piece for run in runs for piece in self._pieces(run)]
        return [self._shard(split, index, len(pieces), piece) for index, piece in enumerate(pieces)]

    def fingerprint(self, runs: Sequence[Run]) -> str:
        """SHA-256 over the classes, and the names, sizes and modification times of the files.

        All classes count, because they number the labels. No file is read: one that is rewritten
        has another modification time.
        """
        digest = hashlib.sha256()
        for text in (*self.class_names, ""):
            digest.update(f"{text}\0".encode())
        for run in runs:
            for file in self._files(run):
                digest.update(os.fsencode(f"{file.name}\0{file.size_bytes}:{file.changed}\0"))
        return digest.hexdigest()

    def _files(self, run: Run) -> tuple[ImageFile, ...]:
        return self.listed.splits[run.split][run.begin : run.end]

    def _pieces(self, run: Run) -> Iterator[Run]:
        begin, size_bytes = run.begin, 0
        for position, file in enumerate(self._files(run), run.begin):
            full = size_bytes + file.size_bytes > BYTES or position - begin >= RECORDS
            if full and position > begin:
                yield Run(run.split, begin, position)
                begin, size_bytes = position, 0
            size_bytes += min(file.size_bytes, self.limit_bytes)
        yield Run(run.split, begin, run.end)

    def _shard(self, split: str, index: int, count: int, piece: Run) -> FolderShard:
        files = self._files(piece)
        return FolderShard(
            split=split,
            index=index,
            count=count,
            path=self.data_dir,
            skip=piece.begin,
            take=len(files),
            names=tuple(file.name for file in files),
            classes=tuple(file.label for file in files),
            limit_bytes=self.limit_bytes,
        )


def open_folder(folder: str, limit_bytes: int, slices: Collection[str] = ()) -> FolderData:
    """Lists a folder, or the one inside of it that alone is there.

    Args:
      folder: a path or a gs:// URI.
      limit_bytes: of a larger image, only the beginning is read.
      slices: `data.splits`, whose splits are folders too.

    Raises:
      UserError: it is not a folder of images.
    """
    root, note = find_root(folder, slices)
    listed = list_images(root)
    if note:
        listed = replace(listed, notes=(note, *listed.notes))
    return FolderData(str(root), listed, limit_bytes)
