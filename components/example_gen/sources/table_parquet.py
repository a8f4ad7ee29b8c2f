"""Parquet files as tables: columns of values, and columns of encoded images.

>>> import tempfile
>>> import pyarrow as pa
>>> import pyarrow.parquet as pq
>>> with tempfile.TemporaryDirectory() as folder:
...     image = {"bytes": b"...", "path": "a.jpg"}
...     pq.write_table(pa.table({"image": [image], "label": [3]}), f"{folder}/a.parquet")
...     table = ParquetTable(open_parquet(f"{folder}/a.parquet"))
...     table.names, sorted(table.encoded), table.column("image"), table.leaf("image")
(('image', 'label'), ['image'], ['a.jpg'], 'image.bytes')
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from components.storage import as_path, is_uri

_PATH, _BYTES = "path", "bytes"
"""Fields of Hugging Face's images."""
_HUGGING_FACE = b"huggingface"
"""The key of what its library `datasets` writes about a file."""
_ROWS = 64
"""Rows of images that are read at once."""


def open_parquet(path: str) -> Any:
    """A pyarrow.parquet.ParquetFile, which maps a local file; another is read into memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if is_uri(path):
        return pq.ParquetFile(pa.BufferReader(as_path(path).read_bytes()))
    return pq.ParquetFile(path, memory_map=True, pre_buffer=False)


class ParquetTable:
    """A Parquet file, of which only what is asked for is read."""

    def __init__(self, file: Any):
        """Reads the description.

        Args:
          file: of `open_parquet`.
        """
        self._file = file
        self._schema = file.schema_arrow

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(self._schema.names)

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self._file.metadata.num_rows)

    @functools.cached_property
    def encoded(self) -> frozenset[str]:
        """The columns of encoded images: bytes, or structs with bytes.

        Hugging Face's library also writes such structs with paths alone.
        """
        import pyarrow as pa

        def is_encoded(item: Any) -> bool:
            binary = pa.types.is_binary(item.type) or pa.types.is_large_binary(item.type)
            has_bytes = _BYTES in _fields(item)
            return binary or (has_bytes and not (_PATH in _fields(item) and self._is_null(item)))

        return frozenset(item.name for item in self._schema if is_encoded(item))

    def _is_null(self, item: Any) -> bool:
        """Whether the file says that no row of a struct has bytes."""
        found = [c.statistics for c in self._chunks({f"{item.name}.{_BYTES}"})]
        return all(each is not None and each.num_values == 0 for each in found)

    def _chunks(self, leaves: set[str]) -> Iterator[Any]:
        """The description of what each row group has of some columns."""
        metadata = self._file.metadata
        groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
        chunks = (group.column(index) for group in groups for index in range(group.num_columns))
        return (chunk for chunk in chunks if chunk.path_in_schema in leaves)

    @property
    def image_bytes(self) -> int:
        """Of one row of the encoded images, on average."""
        leaves = {self.leaf(name) for name in self.encoded}
        total = sum(chunk.total_uncompressed_size for chunk in self._chunks(leaves))
        return int(total // max(1, self.rows))

    @functools.cached_property
    def class_names(self) -> dict[str, tuple[str, ...]]:
        """Names of classes by column, where Hugging Face's library wrote a ClassLabel."""
        try:
            written = json.loads((self._schema.metadata or {})[_HUGGING_FACE])
            return {
                name: tuple(map(str, found["names"]))
                for name, found in written["info"]["features"].items()
                if isinstance(found, dict) and found.get("_type") == "ClassLabel"
            }
        except (KeyError, TypeError, ValueError, AttributeError):
            return {}

    def column(self, name: str) -> Sequence[Any]:
        """The values of a column; of encoded images the paths beside them, or nothing."""
        fields = _fields(self._schema.field(name))
        if _BYTES in fields and _PATH in fields:
            found = self._file.read([f"{name}.{_PATH}"])[name].to_pylist()
            return [value and value[_PATH] for value in found]
        if name in self.encoded:
            return [None] * self.rows
        return list(self._file.read([name])[name].to_pylist())

    def leaf(self, name: str) -> str:
        """What holds the bytes of a column of encoded images."""
        return f"{name}.{_BYTES}" if _BYTES in _fields(self._schema.field(name)) else name

    def images(self, name: str, rows: set[int]) -> Iterator[tuple[int, bytes]]:
        """(row, image) of some rows, in the order of the file; b"" where a row has none.

        Args:
          name: of a column of encoded images.
          rows: numbers, from 0.
        """
        begin = 0
        for group in range(self._file.num_row_groups):
            end = begin + self._file.metadata.row_group(group).num_rows
            if rows.isdisjoint(range(begin, end)):
                begin = end
                continue
            batches = self._file.iter_batches(_ROWS, row_groups=[group], columns=[self.leaf(name)])
            for batch in batches:
                for row, value in enumerate(batch.column(0), begin):
                    if row in rows:
                        yield row, _image(value.as_py())
                begin += len(batch)


def _image(value: Any) -> bytes:
    return bytes((value.get(_BYTES) if isinstance(value, dict) else value) or b"")


def _fields(item: Any) -> list[str]:
    """Names of the fields of a struct; [] of another type."""
    import pyarrow as pa

    kind = item.type
    is_struct = pa.types.is_struct(kind)
    return [kind.field(index).name for index in range(kind.num_fields)] if is_struct else []
