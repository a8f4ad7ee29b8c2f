"""The finished parts become the two tables, in one order, with memory for some rows at a time.

>>> import tempfile
>>> from components.scoring.parts import done_parts, write_part
>>> from components.scoring.table import Columns
>>> columns = Columns(2, 1)
>>> rows = {"name": ["a", "b", "c"], "entropy": [0.1, 0.6, None], "reason": [None, None, "empty"]}
>>> part = pa.table(
...     {field.name: rows.get(field.name, [None] * 3) for field in columns.part()}, columns.part()
... )
>>> with tempfile.TemporaryDirectory() as name:
...     folder = Path(name)
...     write_part(folder, "job", 0, 0, part)
...     parts = done_parts(folder, "job").values()
...     targets = folder / "rows.parquet", folder / "rejects.parquet"
...     counts = assemble(parts, columns, "entropy", targets, {"version": "7"}, folder)
...     found = pq.read_table(targets[0])
>>> found["name"].to_pylist(), counts, found.schema.metadata[b"version"]
(['b', 'a'], Counts(rows=2, rejects={'empty': 1}), b'7')
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.durable import make_folder, rename, sync, unfinished_file
from components.scoring.parts import read_part
from components.scoring.table import ENTROPY, REASON, REJECT, Columns

_GROUP_ROWS = 8_192
"""Of a row group: rows that are held at a time."""
_SORTED = "rows.unsorted"


class Counts(NamedTuple):
    """What became of the images.

    Attributes:
      rows: images with an answer.
      rejects: images without one, by reason.
    """

    rows: int
    rejects: dict[str, int]


def assemble(
    parts: Iterable[Path],
    columns: Columns,
    sort: str,
    targets: tuple[Path, Path],
    metadata: Mapping[str, str],
    scratch: Path,
) -> Counts:
    """Writes both tables; each has its name when it is whole and on the disk, that of rows last.

    Args:
      parts: in the order of the images.
      columns: of the parts.
      sort: `name` keeps the order of the parts, `entropy` puts the highest first.
      targets: files of the rows and of the rejects.
      metadata: of both tables' schemas.
      scratch: a folder for what is written on the way.
    """
    paths = list(parts)
    row, reject = (schema.with_metadata(metadata) for schema in (columns.row(), REJECT))
    reasons: Counter[str] = Counter()

    def rejects() -> Iterator[pa.Table]:
        for table in _tables(paths):
            refused = table.filter(pc.is_valid(table[REASON]))
            reasons.update(refused[REASON].to_pylist())
            yield refused.select(reject.names)

    def rows() -> Iterator[pa.Table]:
        for table in _tables(paths):
            yield table.filter(pc.is_null(table[REASON])).select(row.names)

    _write(targets[1], reject, _grouped(rejects()))
    if sort == ENTROPY:
        with _sorted(rows(), row, scratch / _SORTED) as tables:
            count = _write(targets[0], row, tables)
    else:
        count = _write(targets[0], row, _grouped(rows()))
    return Counts(count, dict(sorted(reasons.items())))


def _tables(paths: Iterable[Path]) -> Iterator[pa.Table]:
    return map(read_part, paths)


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, `_GROUP_ROWS` a table."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        while sum(each.num_rows for each in held) >= _GROUP_ROWS:
            whole = pa.concat_tables(held)
            yield whole.slice(0, _GROUP_ROWS)
            held = [whole.slice(_GROUP_ROWS)]
    if held and any(each.num_rows for each in held):
        yield pa.concat_tables(held)


@contextlib.contextmanager
def _sorted(
    tables: Iterable[pa.Table], schema: pa.Schema, scratch: Path
) -> Iterator[Iterator[pa.Table]]:
    """The same rows by entropy, the highest first; equal ones in their order.

    All entropies are held, and of the rows those of a group: they are written to a file first,
    which is mapped into memory.
    """
    entropies = [np.zeros(0)]
    with pa.ipc.new_file(scratch, schema) as writer:
        for group in _grouped(tables):
            entropies.append(group[ENTROPY].to_numpy())
            writer.write_batch(group.cast(schema).combine_chunks().to_batches()[0])
    order = np.argsort(-np.concatenate(entropies), kind="stable")
    with pa.memory_map(str(scratch)) as source:
        reader = pa.ipc.open_file(source)
        yield (
            _gathered(reader, order[begin : begin + _GROUP_ROWS])
            for begin in range(0, len(order), _GROUP_ROWS)
        )
    scratch.unlink()


def _gathered(reader: pa.RecordBatchFileReader, wanted: np.ndarray) -> pa.Table:
    """Rows by their positions in a file of batches of `_GROUP_ROWS`, in the order wanted."""
    groups = wanted // _GROUP_ROWS
    found, places = [], []
    for group in np.unique(groups):
        chosen = np.flatnonzero(groups == group)
        batch = pa.Table.from_batches([reader.get_batch(int(group))])
        found.append(batch.take(pa.array(wanted[chosen] % _GROUP_ROWS)))
        places.append(chosen)
    back = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_tables(found).combine_chunks().take(pa.array(back))


def _write(target: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Writes a Parquet file of a row group a table; returns the number of rows."""
    make_folder(target.parent)
    count = 0
    with unfinished_file(target) as (path, _):
        with pq.ParquetWriter(str(path), schema, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table.cast(schema), row_group_size=_GROUP_ROWS)
                count += table.num_rows
        sync(path)
        rename(path, target)
    return count
