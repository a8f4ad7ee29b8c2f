r"""`data.table`: a CSV, TSV, JSONL or Parquet file with a row for every image.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("1.jpg", "2.jpg"):
...         Path(folder, name).touch()
...     rows = "file_name,label\n1.jpg,wren\n2.jpg,owl\n"
...     _ = Path(folder, "metadata.csv").write_text(rows)
...     data = open_table(TableConfig(path=f"{folder}/metadata.csv"), limit_bytes=1_000_000)
>>> data.class_names, data.splits["train"].num_examples, data.full_name[-13:]
(('owl', 'wren'), 2, '/metadata.csv')
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from components.errors import UserError
from components.example_gen.config import TableConfig
from components.example_gen.sources.file_stat import size_and_time
from components.example_gen.sources.folder import FolderData
from components.example_gen.sources.folder_shard import FolderShard
from components.example_gen.sources.image_files import TABLE_SUFFIXES, ImageFiles, list_folder
from components.example_gen.sources.own_splits import role_of
from components.example_gen.sources.patterns import common_folder, is_pattern, matching
from components.example_gen.sources.slices import Run
from components.example_gen.sources.table_columns import Columns, find_columns
from components.example_gen.sources.table_file import KEY, Table, read_table
from components.example_gen.sources.table_rows import Part, list_rows
from components.example_gen.sources.table_shard import TableShard
from components.storage import as_path, io_errors

_OF_SEVERAL = re.compile(r"[-_.]\d+(-of-\d+)?$")
"""The end of the name of one file of several."""
_READ_BYTES = 64_000_000
"""Tables of images up to this size are known by their content, larger ones by size and time."""


@dataclass(frozen=True)
class TableData(FolderData):
    """The `components.example_gen.sources.source.Data` of a table.

    Attributes:
      files: the table's own, by name relative to `data_dir`.
      columns: further ones, which become features.
      values: theirs, by the name of the image.
      encoded: the column of encoded images; "" where the images are files.
    """

    key: str = KEY
    files: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    encoded: str = ""

    @property
    def full_name(self) -> str:
        """`table/photos/metadata.csv`; of several files the folder alone."""
        place = (posixpath.basename(self.data_dir), *self.files[:1])
        return posixpath.join("table", *place[: 2 if len(self.files) == 1 else 1])

    def fingerprint(self, runs: Sequence[Run]) -> str:
        """SHA-256 over what the rows say, and the sizes and modification times of the files.

        Neither the order of rows and columns nor the kind of table counts. Of images in the table,
        its content counts, or if it is large its size and time.
        """
        digest = hashlib.sha256(super().fingerprint(runs).encode())
        for run in runs:
            for file in self._files(run):
                row = (self.class_names[file.label], *self.values.get(file.name, ()))
                digest.update("\0".join((*row, "")).encode("utf-8", "replace"))
        content = _identity(self.data_dir, self.files) if self.encoded else []
        for text in (*self.columns, *content):
            digest.update(f"{text}\0".encode())
        return digest.hexdigest()

    def _shard(self, split: str, index: int, count: int, piece: Run) -> FolderShard:
        shard = super()._shard(split, index, count, piece)
        if self.columns:
            rows = [self.values[name] for name in shard.names]
            columns = zip(self.columns, zip(*rows, strict=True), strict=True)
            shard = replace(shard, columns=tuple(columns))
        if not self.encoded:
            return shard
        of_files = {each.name: getattr(shard, each.name) for each in fields(shard)}
        return TableShard(**of_files, column=self.encoded)


def open_table(config: TableConfig, limit_bytes: int) -> TableData:
    """Reads a table, and looks at the files that it names; no image is opened.

    Args:
      config: the `data.table` section.
      limit_bytes: of a larger image, only the beginning is read.

    Raises:
      UserError: it cannot be read, a column is missing, or a row is not whole, says what another
        contradicts, or names a file that is not there.
    """
    paths = _paths(config.path)
    root = common_folder({posixpath.dirname(path) for path in paths})
    tables = [read_table(path) for path in paths]
    columns = _columns(tables, config)
    splits = [None] if len(paths) == 1 and not is_pattern(config.path) else _splits(paths, columns)
    folders = [posixpath.relpath(posixpath.dirname(path), root) for path in paths]
    parts = [
        Part(table, "" if folder == "." else folder, split)
        for table, folder, split in zip(tables, folders, splits, strict=True)
    ]
    rows = list_rows(parts, columns, root)
    notes = [columns.note, *(note for table in tables for note in table.notes), *rows.notes]
    return TableData(
        data_dir=root,
        listed=ImageFiles(rows.class_names, rows.splits, tuple(filter(None, notes))),
        limit_bytes=limit_bytes,
        features=("label", *columns.others),
        files=tuple(posixpath.relpath(path, root) for path in paths),
        columns=columns.others,
        values=rows.columns,
        encoded=columns.image if columns.image in tables[0].encoded else "",
    )


def _paths(given: str) -> tuple[str, ...]:
    """The files of a table, absolute where they are on a disk."""
    path = given if "://" in given else os.path.abspath(given)
    if as_path(path).is_dir():
        names = sorted(entry.name for entry in list_folder(as_path(path), KEY))
        tables = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
        there = f"it holds {', '.join(tables)}" if tables else "it holds no table"
        raise UserError(f"{KEY} {given} is a folder; {there}. Give a file, or a pattern of files.")
    return matching(path, KEY)


def _columns(tables: Sequence[Table], config: TableConfig) -> Columns:
    """The columns of all files of a table.

    Raises:
      UserError: one has others than the first.
    """
    first = tables[0]
    columns = find_columns(first.names, config, first.path)
    for table in tables[1:]:
        found = find_columns(table.names, config, table.path)
        kinds = {columns.image in each.encoded for each in (first, table)}
        if found[:4] != columns[:4] or len(kinds) > 1:
            raise UserError(
                f"{KEY}: {first.path} and {table.path} have different columns. Write them alike, "
                "or name one file."
            )
    return columns


def _splits(paths: Sequence[str], columns: Columns) -> list[str | None]:
    """The split that the name or the folder of each file says, where there is no column of it.

    Raises:
      UserError: some say one, and others do not.
    """
    if columns.split is not None:
        return [None] * len(paths)
    found: list[str | None] = []
    for path in paths:
        stem = _OF_SEVERAL.sub("", posixpath.splitext(posixpath.basename(path))[0])
        names = (stem, posixpath.basename(posixpath.dirname(path)))
        found.append(next((name for name in names if role_of(name)), None))
    if any(found) and not all(found):
        without = paths[found.index(None)]
        raise UserError(
            f"{KEY}: {without} names no split, as {paths[found.index(next(filter(None, found)))]} "
            "does. Rename it, or give the tables a column `split`."
        )
    return found


def _identity(root: str, files: Sequence[str]) -> list[str]:
    """What identifies the content of a table's files."""
    paths = [as_path(root) / file for file in files]
    try:
        sizes = [int(size_and_time(path).partition(":")[0]) for path in paths]
        if sum(sizes) > _READ_BYTES:
            return [size_and_time(path) for path in paths]
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{KEY} {root} cannot be read: {reason}.") from error
