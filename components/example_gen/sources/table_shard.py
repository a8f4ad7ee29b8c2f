"""Encoded images in the rows of Parquet files: each becomes a tf.Example, as a file would.

>>> import tempfile
>>> import pyarrow as pa
>>> import pyarrow.parquet as pq
>>> with tempfile.TemporaryDirectory() as folder:
...     pq.write_table(pa.table({"image": [b"one", b"two"]}), f"{folder}/a.parquet")
...     shard = TableShard(
...         "train", 0, 1, folder, 0, 2, names=("a.parquet#1", "a.parquet#0"), classes=(4, 5),
...         limit_bytes=1000, column="image",
...     )
...     [stored.image for stored in shard.images()], list(shard.labels())
([b'two', b'one'], [4, 5])
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from components.example_gen.sources.folder_shard import FolderShard
from components.example_gen.sources.stored import StoredImage
from components.example_gen.sources.table_parquet import ParquetTable, open_parquet
from components.storage import as_path, io_errors


@dataclass(frozen=True)
class TableShard(FolderShard):
    """A run of rows in the order of a table's split; `names` are `<file>#<row from 0>`.

    The shard's images are held together, some 64 MB: their order is not that of the files.

    Attributes:
      column: of the images.
    """

    column: str = "image"

    def images(self) -> Iterator[StoredImage]:
        """The images in the order of the shard; of a larger one than the limit, its beginning."""
        names = [self.names[place] for place in self._places()]
        wanted: dict[str, set[int]] = defaultdict(set)
        for name in names:
            file, _, row = name.rpartition("#")
            wanted[file].add(int(row))
        found: dict[str, StoredImage] = {}
        for file, rows in wanted.items():
            found |= {stored.source: stored for stored in self._read(file, rows)}
        # Each is let go as it is taken.
        return (found.pop(name) for name in names)

    def _read(self, file: str, rows: set[int]) -> Iterator[StoredImage]:
        left = set(rows)
        try:
            table = ParquetTable(open_parquet(str(as_path(self.path) / file)))
            for row, image in table.images(self.column, rows):
                left.discard(row)
                yield self._stored(f"{file}#{row}", image)
        except io_errors(ValueError) as problem:  # Pyarrow's, of a damaged file.
            error = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
            for row in left:
                yield StoredImage(f"{file}#{row}", b"", error)

    def _stored(self, name: str, image: bytes) -> StoredImage:
        if len(image) <= self.limit_bytes:
            return StoredImage(name, image)
        return StoredImage(name, image[: self.limit_bytes + 1], size_bytes=len(image))
