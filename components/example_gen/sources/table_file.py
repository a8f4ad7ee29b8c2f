r"""Tables: CSV and TSV, JSONL, Parquet; on a disk or in an object store.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     file = f"{folder}/labels.csv"
...     _ = as_path(file).write_text("path,label\na.jpg,owl\n\nb.jpg,wren\n")
...     table = read_table(file)
>>> table.names, table.read("label"), table.place(1)
(('path', 'label'), ['owl', 'wren'], 'line 4')
"""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.errors import UserError
from components.example_gen.sources.image_files import TABLE_SUFFIXES
from components.example_gen.sources.table_parquet import ParquetTable, open_parquet
from components.storage import as_path, io_errors, is_uri

KEY = "data.table"
_DELIMITERS = (",", ";", "\t", "|")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
"""How a text in UTF-16 begins, such as Excel's."""
_SHOWN = 5
"""Places that are named of a mistake, at most."""


@dataclass(frozen=True)
class Table:
    """A table whose columns are read when they are asked for.

    Attributes:
      path: its file.
      names: of the columns.
      numbers: of each row, as its file counts.
      column: the values of a column, as they are stored.
      encoded: columns of encoded images; of those with paths beside them, `column` gives the paths.
      image_bytes: of one row of such a column, on average.
      class_names: of columns that hold numbers of classes, as Hugging Face's ClassLabel.
      counts: what `numbers` counts: lines, or rows.
      notes: sentences on what was guessed.
    """

    path: str
    names: tuple[str, ...]
    numbers: Sequence[int]
    column: Callable[[str], Sequence[Any]]
    encoded: frozenset[str] = frozenset()
    image_bytes: int = 0
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counts: str = "line"
    notes: tuple[str, ...] = ()

    def read(self, name: str) -> list[str]:
        """A column as texts, "" where it has no value.

        Raises:
          UserError: a value is neither a text, a number, a truth value nor a date.
        """
        values = self.column(name)
        names = self.class_names.get(name)
        try:
            # Most are texts, and a call for each takes longer than the rest.
            return [v.strip() if type(v) is str else _text(v, names) for v in values]
        except (TypeError, IndexError):
            wrong = [row for row, value in enumerate(values) if not _is_text(value, names)]
            kind = type(values[wrong[0]]).__name__
            what = (
                f"number {values[wrong[0]]} is none of its {len(names)} classes"
                if names
                else (f"a {kind} is not the text or the number of one value")
            )
            raise UserError(
                f"{KEY} {self.path}: column {name!r}, {self.places(wrong)}: {what}."
            ) from None

    def place(self, row: int) -> str:
        """`line 4`, or `row 4` of a Parquet file; both count from 1."""
        return f"{self.counts} {self.numbers[row]:,}"

    def places(self, rows: Sequence[int]) -> str:
        """`lines 4, 5 and 12 more`."""
        shown = ", ".join(f"{self.numbers[row]:,}" for row in rows[:_SHOWN])
        more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
        return f"{self.counts}{'s' if len(rows) > 1 else ''} {shown}{more}"


def read_table(path: str) -> Table:
    """Reads a table; of a Parquet file only its description, and later the columns.

    Raises:
      UserError: it cannot be read, is no table, or has a column twice.
    """
    suffix = path[path.rfind(".") :].lower()
    if suffix not in TABLE_SUFFIXES:
        raise UserError(f"{KEY} {path}: a table's name ends in {', '.join(TABLE_SUFFIXES)}.")
    try:
        if suffix == ".parquet":
            table = _read_parquet(path)
        else:
            text = _decoded(path, as_path(path).read_bytes())
            table = _read_jsonl(path, text) if "json" in suffix else _read_csv(path, text)
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{KEY} {path} cannot be read: {reason}.") from error
    twice = [name for name, count in Counter(table.names).items() if count > 1]
    if twice:
        raise UserError(
            f"{KEY} {path}: there are {Counter(table.names)[twice[0]]} columns {twice[0]!r}. "
            "Rename all but one."
        )
    if not table.numbers:
        raise UserError(f"{KEY} {path} has no row. Write one for every image.")
    return table


def _decoded(path: str, content: bytes) -> str:
    try:
        if content.startswith(_UTF16):
            raise UserError(f"{KEY} {path} is in UTF-16. {_convert(path, 'UTF-16')}")
        # Excel begins a file in UTF-8 with a mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{KEY} {path}, line {line:,}: byte 0x{content[error.start]:02x} is not UTF-8. "
            f"{_convert(path, 'WINDOWS-1252')}"
        ) from None


def _convert(path: str, encoding: str) -> str:
    if is_uri(path):
        return "Save it as UTF-8."
    stem, dot, suffix = path.rpartition(".")
    there, new = (shlex.quote(text) for text in (path, f"{stem}-utf8{dot}{suffix}"))
    return f"Save it as UTF-8: iconv -f {encoding} -t UTF-8 {there} > {new}"


def _read_csv(path: str, text: str) -> Table:
    first = text[: text.find("\n")] if "\n" in text else text
    tsv = path.lower().endswith(".tsv")
    delimiter = "\t" if tsv else max(_DELIMITERS, key=first.count)
    rows: list[list[str]] = []
    numbers: list[int] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = tuple(name.strip() for name in next(reader, ()))
        number = reader.line_num + 1
        for row in reader:
            if row:
                rows.append(row)
                numbers.append(number)
            number = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{KEY} {path}, line {reader.line_num:,}: {error}. Correct it.") from error
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != len(names):
            raise UserError(
                f"{KEY} {path}, line {number:,}: {len(row)} values, but the first line names "
                f"{len(names)} columns. Put a value with {delimiter!r} in it between quotes."
            )
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    notes = (
        [] if tsv or delimiter == "," else [f"{path}: its columns are separated by {delimiter!r}."]
    )
    return Table(path, names, numbers, columns.__getitem__, notes=tuple(notes))


def _read_jsonl(path: str, text: str) -> Table:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    # One for all lines: json.loads makes one each time.
    decode = json.JSONDecoder(object_pairs_hook=_once).decode
    # Not by splitlines, which also splits at characters that JSON allows in a text.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = decode(line)
        except ValueError as error:
            raise UserError(
                f"{KEY} {path}, line {number:,} is not JSON: {error}. Write one object a line."
            ) from error
        if not isinstance(row, dict):
            raise UserError(
                f"{KEY} {path}, line {number:,} is not an object. Write one a line: "
                '{"image": "a.jpg", "label": "owl"}'
            )
        rows.append(row)
        numbers.append(number)
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(path, names, numbers, lambda name: [row.get(name) for row in rows])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose names are all different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{twice!r} is there twice")
    return found


def _read_parquet(path: str) -> Table:
    import pyarrow as pa

    try:
        file = ParquetTable(open_parquet(path))
    # Pyarrow's own; an OSError for some damage.
    except pa.ArrowException as error:
        raise UserError(f"{KEY} {path} is no Parquet file: {error}.") from error
    return Table(
        path,
        file.names,
        range(1, file.rows + 1),
        file.column,
        file.encoded,
        file.image_bytes,
        file.class_names,
        counts="row",
    )


def _text(value: Any, names: Sequence[str] | None) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # -1 stands for no class.
        return str(value) if names is None else "" if value == -1 else names[_index(value)]
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, (bytes, list, dict, tuple)):
        raise TypeError
    return str(value)


def _index(value: int) -> int:
    if value < 0:
        raise IndexError
    return value


def _is_text(value: Any, names: Sequence[str] | None) -> bool:
    try:
        _text(value, names)
    except (TypeError, IndexError):
        return False
    return True
