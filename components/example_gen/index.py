"""The image index: what is known about every example without decoding it again.

Parquet files in one folder per split: `Split-<split>/part-00000-of-00003.parquet`.

    >>> import tempfile
    >>> schema().names[:5]
    ['source', 'label', 'format', 'width', 'height']
    >>> with tempfile.TemporaryDirectory() as uri:
    ...     read_index(uri, "train").num_rows
    0
"""

from __future__ import annotations

from typing import Any, NamedTuple

from components.storage import split_folder


class IndexRow(NamedTuple):
    """The index row of one example.

    Attributes:
      source: where it comes from, `roses/12.jpg` or `name-train.tfrecord-00000-of-00001#17`.
      label: class index.
      format: jpeg, png, gif or bmp; the original format of a converted image, such as webp.
      width: in pixels.
      height: in pixels.
      num_bytes: length of the encoded image.
      sha256: of the encoded image, 32 bytes.
      phash: perceptual hash, 64 bits.
      orientation: of the image's Exif data, 1 to 8; 1 if it has none. It has been applied to
        `width` and `height`.
      transparent: the share of pixels that are not opaque.
      colour: the one colour, `#rrggbb`, of all visible pixels; empty if none is visible, None if
        there are several.
    """

    source: str
    label: int
    format: str
    width: int
    height: int
    num_bytes: int
    sha256: bytes
    phash: int
    orientation: int = 1
    transparent: float = 0.0
    colour: str | None = None


def schema() -> Any:
    """The columns of the table (pyarrow.Schema)."""
    import pyarrow as pa

    return pa.schema(
        [
            ("source", pa.string()),
            ("label", pa.int64()),
            ("format", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("num_bytes", pa.int64()),
            ("sha256", pa.binary(32)),
            ("phash", pa.uint64()),
            ("orientation", pa.int8()),
            ("transparent", pa.float32()),
            ("colour", pa.string()),
        ]
    )


def read_index(uri: str, split: str) -> Any:
    """The rows of a split, in the order of its examples (pyarrow.Table).

    Columns that an earlier version of this project did not write are null.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = split_folder(uri, split)
    parts = []
    for path in sorted(folder.glob("*.parquet"), key=str):
        # Read as a whole: pyarrow cannot read an object store's stream.
        parts.append(pq.read_table(pa.BufferReader(path.read_bytes()), schema=schema()))
    return pa.concat_tables(parts) if parts else schema().empty_table()
