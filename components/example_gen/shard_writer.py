"""Writes the outputs of a shard: a file of examples, a part of the image index, a file of rejects.

A worker writes drafts; the step names those that count (`components.drafts`).

    >>> import tempfile
    >>> from pathlib import Path
    >>> from components.drafts import opened
    >>> from components.example_gen.sources.folder_shard import FolderShard
    >>> shard = FolderShard(split="train", index=0, count=1, path="/photos", skip=0, take=1)
    >>> rejects = [Reject("roses/1.jpg", "empty", "0 bytes", b"", 0)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     uris = {name: f"{folder}/{name}" for name in (EXAMPLES, INDEX, QUARANTINE)}
    ...     with opened(uris[EXAMPLES]) as drafts:
    ...         counts, files = write_shard(rejects, shard, drafts)
    ...         name_files(files, "train", uris, drafts)
    ...     counts, [path.name for path in Path(folder).glob("quarantine/*/*")]
    (SplitCounts(read=1, kept=0, rejected={'empty': 1}), ['rejects-00000-of-00001.tfrecord'])
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components.drafts import Drafts
from components.example_gen import index
from components.example_gen.counts import SplitCounts
from components.example_gen.screen.quarantine import Reject, to_record
from components.example_gen.screening import IndexedExample
from components.example_gen.sources.shard import Shard
from components.storage import as_path, split_folder

EXAMPLES, INDEX, QUARANTINE = "examples", "index", "quarantine"
"""The outputs of ImageExampleGen."""

# Images are compressed already; the fastest level produces the gzip that TFX expects.
_GZIP = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
_ROWS = 8192
"""Rows of the index held in memory, and per row group."""


class ShardFile(NamedTuple):
    """A whole file that a worker wrote.

    Attributes:
      output: `EXAMPLES`, `INDEX` or `QUARANTINE`.
      name: that it is to have in its split's folder.
      draft: its path.
    """

    output: str
    name: str
    draft: str


def write_shard(
    records: Iterable[IndexedExample | Reject], shard: Shard, drafts: Drafts
) -> tuple[SplitCounts, tuple[ShardFile, ...]]:
    """Writes the screened records of a shard, and counts them.

    Args:
      records: in their order.
      shard: the shard that they came from.
      drafts: takes the files.
    """
    rejected = Counter[str]()
    kept, rejects = 0, None
    written: list[ShardFile] = []
    with contextlib.ExitStack() as files:

        def new(output: str, name: str) -> str:
            name = name.format(f"{shard.index:05d}-of-{shard.count:05d}")
            draft = files.enter_context(drafts.file(f"{shard.split}-{name}"))
            written.append(ShardFile(output, name, draft))
            return draft

        examples = files.enter_context(
            tf.io.TFRecordWriter(new(EXAMPLES, "data_tfrecord-{}.gz"), _GZIP)
        )
        rows = files.enter_context(_index(new(INDEX, "part-{}.parquet")))
        for record in records:
            if isinstance(record, IndexedExample):
                examples.write(record.record)
                rows.add(record.row)
                kept += 1
                continue
            if rejects is None:
                draft = new(QUARANTINE, "rejects-{}.tfrecord")
                rejects = files.enter_context(tf.io.TFRecordWriter(draft))
            rejects.write(to_record(record))
            rejected[record.reason] += 1
    counts = SplitCounts(kept + sum(rejected.values()), kept, dict(sorted(rejected.items())))
    return counts, tuple(written)


def name_files(
    files: Iterable[ShardFile], split: str, uris: Mapping[str, str], drafts: Drafts
) -> None:
    """Gives the files of a split's shards their names.

    Args:
      files: one try of each shard.
      split: theirs.
      uris: of the artifacts, by output.
      drafts: that took them.
    """
    for output, name, draft in files:
        drafts.name(draft, split_folder(uris[output], split) / name)


@contextlib.contextmanager
def _index(path: str) -> Iterator[_Rows]:
    content = io.BytesIO()
    with pq.ParquetWriter(content, index.schema()) as writer:
        rows = _Rows(writer)
        yield rows
        rows.flush()
    as_path(path).write_bytes(content.getvalue())


class _Rows:
    """Writes rows of the index in groups of `_ROWS`."""

    def __init__(self, writer: pq.ParquetWriter):
        self._writer = writer
        self._rows: list[index.IndexRow] = []

    def add(self, row: index.IndexRow) -> None:
        self._rows.append(row)
        if len(self._rows) == _ROWS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            table = dict(zip(index.IndexRow._fields, columns, strict=True))
            self._writer.write_table(pa.table(table, index.schema()))
            self._rows = []
