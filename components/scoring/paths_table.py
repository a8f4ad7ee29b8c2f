r"""A table of paths: CSV, TSV or Parquet, with a column of image files.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     table = f"{folder}/images.csv"
...     _ = as_path(table).write_text("id,path\n7,a.jpg\n8,b.jpg\n9,a.jpg\n")
...     read_paths(table, column=None)
(['a.jpg', 'b.jpg'], 1)
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from components.errors import UserError
from components.example_gen.sources.table_columns import PATH_NAMES
from components.storage import as_path, io_errors

SUFFIXES = (".csv", ".tsv", ".parquet")


def read_paths(table: str, column: str | None) -> tuple[list[str], int]:
    """The paths in a table, each once, and how often one came again.

    Args:
      table: a path or a gs:// URI; relative paths in it are below its folder.
      column: the one with the paths; None takes the one of a usual name.

    Raises:
      UserError: the table cannot be read, or has no such column, or a row has no path.
    """
    try:
        content = as_path(table).read_bytes()
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--images {table} cannot be read: {reason}.") from error
    if table.lower().endswith(".parquet"):
        paths = _of_parquet(table, content, column)
    else:
        delimiter = "\t" if table.lower().endswith(".tsv") else ","
        paths = _of_text(table, content, column, delimiter)
    for number, path in enumerate(paths, 1):
        if not isinstance(path, str) or not path.strip():
            raise UserError(f"--images {table}: row {number} has no path. Remove it, or give one.")
    once = list(dict.fromkeys(str(path) for path in paths))
    return once, len(paths) - len(once)


def _of_text(
    table: str, content: bytes, column: str | None, delimiter: str
) -> Sequence[str | None]:
    try:
        # Excel begins a file with a mark.
        text = content.decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        name = _column(table, rows.fieldnames or (), column)
        return [row[name] for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--images {table} is no table in UTF-8: {error}.") from error


def _of_parquet(table: str, content: bytes, column: str | None) -> Sequence[str | None]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        name = _column(table, file.schema_arrow.names, column)
        return list(file.read([name])[name].to_pylist())
    except pa.ArrowException as error:
        raise UserError(f"--images {table} is no Parquet file: {error}.") from error


def _column(table: str, names: Sequence[str], given: str | None) -> str:
    if given in names:
        return str(given)
    usual = [name for name in names if name.strip().lower() in PATH_NAMES]
    if given is None and len(usual) == 1:
        return usual[0]
    what = f"no column {given!r}" if given else "no one column of paths by a usual name"
    known = ", ".join(names) or "nothing"
    raise UserError(f"--images {table} has {what}, but {known}. Name it: --column NAME.")
