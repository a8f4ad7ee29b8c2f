"""Writes the outputs of a shard: a file of examples, a part of the image index, a file of rejects.

A file gets its name only when it is complete, so that a retry leaves no partial file.

    >>> import tempfile
    >>> from components.example_gen.sources.folder_shard import FolderShard
    >>> shard = FolderShard(split="train", index=0, count=1, path="/photos", skip=0, take=1)
    >>> rejects = [Reject("roses/1.jpg", "empty", "0 bytes", b"", 0)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     uris = {name: f"{folder}/{name}" for name in (EXAMPLES, INDEX, QUARANTINE)}
    ...     write_shard(rejects, shard, uris)
    ...     [path.name for path in Path(folder).glob("quarantine/*/*")]
    SplitCounts(read=1, kept=0, rejected={'empty': 1})
    ['rejects-00000-of-00001.tfrecord']
"""

from __future__ import annotations

import contextlib
import io
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components.durable import rename, sync
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


def write_shard(
    records: Iterable[IndexedExample | Reject], shard: Shard, uris: Mapping[str, str]
) -> SplitCounts:
    """Writes the screened records of a shard, and counts them.

    Args:
      records: in their order.
      shard: the shard that they came from.
      uris: of the artifacts, by output.
    """
    rejected = Counter[str]()
    kept, rejects = 0, None
    with contextlib.ExitStack() as files:
        examples = files.enter_context(
            _tf_records(uris[EXAMPLES], shard, "data_tfrecord-{}.gz", _GZIP)
        )
        rows = files.enter_context(_index(uris[INDEX], shard))
        for record in records:
            if isinstance(record, IndexedExample):
                examples.write(record.record)
                rows.add(record.row)
                kept += 1
                continue
            if rejects is None:
                name = "rejects-{}.tfrecord"
                rejects = files.enter_context(_tf_records(uris[QUARANTINE], shard, name))
            rejects.write(to_record(record))
            rejected[record.reason] += 1
    return SplitCounts(kept + sum(rejected.values()), kept, dict(sorted(rejected.items())))


@contextlib.contextmanager
def _tf_records(
    uri: str, shard: Shard, name: str, options: Any = None
) -> Iterator[tf.io.TFRecordWriter]:
    with _whole(uri, shard, name) as path, tf.io.TFRecordWriter(path, options) as writer:
        yield writer


@contextlib.contextmanager
def _index(uri: str, shard: Shard) -> Iterator[_Rows]:
    content = io.BytesIO()
    with _whole(uri, shard, "part-{}.parquet") as path:
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


@contextlib.contextmanager
def _whole(uri: str, shard: Shard, name: str) -> Iterator[str]:
    """A file to write, which gets its name unless an exception is raised."""
    folder = split_folder(uri, shard.split)
    name = name.format(f"{shard.index:05d}-of-{shard.count:05d}")
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the split's folder, where every file counts as data; its name is unique per attempt.
    unfinished = as_path(f"{folder}-unfinished-{uuid.uuid4().hex[:8]}-{name}")
    try:
        yield str(unfinished)
        target = folder / name
        if isinstance(unfinished, Path) and isinstance(target, Path):
            sync(unfinished)
            rename(unfinished, target)
        else:
            tf.io.gfile.rename(str(unfinished), str(target), overwrite=True)
    finally:
        if unfinished.exists():
            unfinished.unlink()
